#include "sim/world.h"

#include "base/buggify.h"
#include "base/check.h"

#include <stdlib.h>

#define POINT_NAME(name, what) #name,

static void reset(struct world *world, uint64_t seed);
static void trace_points(const struct world *world);
static void happen(struct world *world, const struct sim_event *event);
static void enter_phase(struct world *world, enum phase phase);

struct world *world_new(struct stats *stats)
{
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    world->stats = stats;
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        struct node *node = &world->nodes[i];
        node->inbox = calloc(INBOX_MAX, sizeof *node->inbox);
        CHECK(node->inbox != NULL);
        node->disk = sim_disk_new(0, DISK_BYTES);
        node->files = sim_disk_files(node->disk);
        node->monitor = monitor_new();
    }
    return world;
}

/* Processes that live at the end of a seed end with it. */
static void end_processes(struct world *world)
{
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        struct node *node = &world->nodes[i];
        node->stays_down = true;
        node_crash(world, node, false);
        // One that failed while it started is not up, and has its log open.
        logging_close(node);
        replica_destroy(&node->replica);
    }
}

void world_destroy(struct world **world_slot)
{
    struct world *world = *world_slot;
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        struct node *node = &world->nodes[i];
        shadow_fini(&node->shadow);
        holes_fini(&node->holes);
        holes_fini(&node->image.holes);
        free(node->image.log.chains);
        sim_disk_destroy(&node->disk);
        monitor_destroy(&node->monitor);
        buffer_fini(&node->log.queued);
        buffer_fini(&node->log.in_flight);
        free(node->log.queued_bytes);
        free(node->inbox);
    }
    events_fini(&world->events);
    network_fini(&world->network);
    history_fini(&world->history);
    judge_fini(&world->judge);
    buffer_fini(&world->scratch);
    buffer_fini(&world->scratch2);
    free(world);
    *world_slot = NULL;
}

void world_prepare(struct world *world, uint64_t seed)
{
    reset(world, seed);
}

bool world_run(struct world *world, uint64_t seed, bool is_tracing)
{
    reset(world, seed);
    world->is_tracing = is_tracing;
    trace_points(world);
    struct sim_event event;
    while (world->phase != PHASE_END && !world->violation.is_found &&
           events_take(&world->events, &event)) {
        CHECK(event.time_us >= world->now_us);
        world->now_us = event.time_us;
        world->event_count++;
        report_hash(world, event.time_us ^ (uint64_t)event.kind << 56);
        happen(world, &event);
        if (world->event_count >= EVENTS_MAX) {
            report_fail(world, "runaway", NULL, 0, NO_BALLOT,
                        "more than %d events happened", EVENTS_MAX);
        }
    }
    end_processes(world);
    world->stats->seeds++;
    world->stats->simulated_us += world->now_us;
    world->stats->events += world->event_count;
    world->stats->sizes[world->swarm.node_count]++;
    return !world->violation.is_found;
}

/* In a quarter of the seeds none is on, in the others each with a third: 1 in 4 in all. */
static uint64_t draw_points(uint64_t seed, uint64_t points_off)
{
    struct random random;
    random_init(&random, seed, 7);
    bool is_any = random_permille(&random, 750);
    uint64_t points = 0;
    for (uint32_t i = 0; i < BUGGIFY_COUNT; i++) {
        points |= (uint64_t)random_permille(&random, 333) << i;
    }
    return is_any ? points & ~points_off : 0;
}

static void trace_points(const struct world *world)
{
    static const char *const names[] = {BUGGIFY_POINTS(POINT_NAME)};
    for (uint32_t i = 0; i < BUGGIFY_COUNT; i++) {
        if ((world->buggify >> i & 1) != 0) {
            TRACE(world, NULL, "buggify %s", names[i]);
        }
    }
}

static void vary(struct world *world)
{
    const struct variant *variant = &world->variant;
    bool is_whole = variant_is_whole(variant);
    variant_apply(variant, &world->swarm);
    world->safety_us = is_whole || variant->safety_ms == 0 ? world->swarm.safety_us
                                                           : variant->safety_ms * MS;
    world->operations_min = is_whole ? world->swarm.operations_min : 0;
    world->points_drawn = draw_points(world->seed, variant->points_off);
    world->buggify = world->points_drawn;
    world->swarm.core.buggify = &world->buggify;
    world->fault_count = 0;
    world->was_formed = false;
}

static void reset(struct world *world, uint64_t seed)
{
    world->seed = seed;
    world->now_us = 0;
    world->phase = PHASE_SAFETY;
    world->event_count = 0;
    world->hash = seed;
    world->violation = (struct violation){0};
    world->atlas = (struct atlas){0};
    world->liveness = (struct liveness){.core_mask = UINT32_MAX};
    swarm_draw(&world->swarm, seed, &world->options);
    vary(world);
    seed += world->variant.salt * 0x9e3779b97f4a7c15u;
    random_init(&world->net_random, seed, 2);
    random_init(&world->work_random, seed, 3);
    random_init(&world->fault_random, seed, 4);
    random_init(&world->turn_random, seed, 5);
    random_init(&world->log_random, seed, 6);
    random_init(&world->session_random, seed, 8);
    events_clear(&world->events);
    network_reset(world);
    judge_reset(&world->judge);
    history_reset(&world->history);
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        node_reset(world, &world->nodes[i], i);
        uint64_t start = random_skewed(&world->turn_random, 1, 500 * MS);
        events_plan(&world->events, start, SIM_RESTART, i, 0);
    }
    clients_reset(world);
    sessions_reset(world);
    faults_plan_next(world);
    events_plan(&world->events, world->safety_us, SIM_PHASE, 0, PHASE_LIVENESS);
}

static void happen_at_node(struct world *world, const struct sim_event *event)
{
    struct node *node = &world->nodes[event->node];
    if (event->kind == SIM_TURN) {
        if (event->time_us == node->turn_at_us) {
            node_turn(world, node);
        }
    } else if (event->kind == SIM_COMMIT_DONE) {
        logging_commit_done(world, node, event->argument);
    } else if (event->kind == SIM_COMMIT_SLOW) {
        logging_commit_slow(world, node, event->argument);
    } else if (event->kind == SIM_SEAL) {
        logging_seal(world, node, event->argument);
    } else if (event->kind == SIM_SEGMENT_DONE) {
        logging_segment_done(world, node, event->argument);
    } else if (event->kind == SIM_READ_DONE) {
        logging_read_done(world, node, (uint32_t)event->argument);
    } else if (event->kind == SIM_PEER_LOST) {
        struct inbox_item item = {.kind = INBOX_PEER_LOST,
                                  .index = (uint32_t)event->argument};
        (void)node_push(world, node, &item);
    } else if (event->kind == SIM_RESTART) {
        if (!node->is_up && !node->stays_down && event->argument == node->life) {
            node_start(world, node);
        }
    } else if (event->kind == SIM_RESUME) {
        if (event->argument == node->pause_number) {
            node_resume(world, node);
        }
    } else if (event->kind == SIM_CLOCK) {
        if (event->argument == node->clock.change) {
            clock_set_rate(world, node, node->clock.usual_ppm);
        }
    } else if (event->kind == SIM_SEGMENT_RETRY) {
        logging_retry_segment(world, node, event->argument);
    } else if (event->kind == SIM_DISK_ROOM) {
        if (event->argument == node->log.room_change) {
            logging_set_room(node, true);
        }
    } else if (event->kind == SIM_DISK_NORMAL) {
        if (event->argument == node->log.slow_change) {
            node->log.slowness = 1;
        }
    } else {
        clients_probe(world, node);
    }
}

static bool is_formed(struct world *world)
{
    bool is_started = true;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        is_started = is_started && world->nodes[i].shadow.durable.config.started;
    }
    world->was_formed = world->was_formed || is_started;
    return world->was_formed;
}

/*
 * A cluster forms only with all its nodes (C8). Where faults never let it, they wait in the
 * second half of their time: without a past there is little to break, and with a node
 * down for good it could not form at all.
 */
static void strike(struct world *world)
{
    world->fault_count++;
    if (world->phase != PHASE_SAFETY) {
        return;
    }
    bool is_waiting = !is_formed(world) && world->now_us > world->safety_us / 2;
    if (!is_waiting && variant_keeps_strike(&world->variant, world->fault_count)) {
        faults_strike(world);
    } else {
        faults_plan_next(world);
    }
}

static void happen(struct world *world, const struct sim_event *event)
{
    switch ((enum sim_event_kind)event->kind) {
    case SIM_FRAME:
        network_arrive(world, (uint32_t)event->argument);
        return;
    case SIM_CLIENT:
        clients_act(world, event->node);
        return;
    case SIM_GIVE_UP:
        clients_give_up(world, (uint32_t)event->argument);
        return;
    case SIM_HEAL:
        if (event->argument == world->network.fault_number) {
            TRACE(world, NULL, "the network heals");
            shapes_heal(world);
        }
        return;
    case SIM_FLAP:
        shapes_flap(world, event->node, event->argument);
        return;
    case SIM_FAULT:
        strike(world);
        return;
    case SIM_PHASE:
        enter_phase(world, (enum phase)event->argument);
        return;
    case SIM_TURN:
    case SIM_COMMIT_DONE:
    case SIM_COMMIT_SLOW:
    case SIM_SEAL:
    case SIM_SEGMENT_DONE:
    case SIM_SEGMENT_RETRY:
    case SIM_DISK_ROOM:
    case SIM_READ_DONE:
    case SIM_PEER_LOST:
    case SIM_RESTART:
    case SIM_RESUME:
    case SIM_CLOCK:
    case SIM_DISK_NORMAL:
    case SIM_PROBE:
        happen_at_node(world, event);
        return;
    case SIM_EVENT_KINDS:
        break;
    }
}

static void enter_phase(struct world *world, enum phase phase)
{
    uint64_t now = world->now_us;
    bool is_thin = world->history.count < world->operations_min;
    bool goes_on = is_thin || world->liveness.was_thin;
    if (phase == PHASE_END && goes_on && now < world->swarm.safety_us + THIN_US) {
        // Clients waited long for nodes that were down: they get their operations in yet,
        // and a quiet second follows.
        world->liveness.was_thin = is_thin;
        events_plan(&world->events, now + SETTLED_US, SIM_PHASE, 0, PHASE_END);
        return;
    }
    world->phase = phase;
    if (phase == PHASE_LIVENESS) {
        world->buggify = 0;
        liveness_begin(world);
        events_plan(&world->events, now + LIVENESS_BOUND_US, SIM_PHASE, 0, PHASE_SETTLED);
    } else if (phase == PHASE_SETTLED) {
        liveness_judge(world);
        world->liveness.was_thin = is_thin; // clients go on: a quiet second must follow
        events_plan(&world->events, now + SETTLED_US, SIM_PHASE, 0, PHASE_END);
    } else {
        uint32_t count = world->history.count;
        liveness_end(world);
        // Where most have halted there is nobody to ask.
        if (count < world->operations_min && !world->atlas.went_beyond) {
            report_fail(world, "workload", NULL, 0, NO_BALLOT, "only %u operations",
                        count);
        }
        if (!world->violation.is_found) {
            history_judge(world);
        }
    }
}
