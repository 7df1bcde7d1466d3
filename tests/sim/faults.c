#include "sim/world.h"

#include "base/check.h"

#include <errno.h>

enum { SEGMENT_CRASH_PERMILLE = 200 };

static const char *const names[FAULT_KINDS] = {
    [FAULT_CRASH] = "crash",
    [FAULT_CRASH_LEADER] = "crash-leader",
    [FAULT_CRASH_IN_COMMIT] = "crash-in-commit",
    [FAULT_CRASH_AFTER_COMMIT] = "crash-after-commit",
    [FAULT_POWER_LOSS] = "power-loss",
    [FAULT_STOP] = "stop",
    [FAULT_PAUSE] = "pause",
    [FAULT_PAUSE_LEADER] = "pause-leader",
    [FAULT_PARTITION] = "partition",
    [FAULT_ISOLATE_LEADER] = "isolate-leader",
    [FAULT_ONE_WAY] = "one-way",
    [FAULT_SHAPE] = "shape",
    [FAULT_CLOG] = "clog",
    [FAULT_LOSS_BURST] = "loss-burst",
    [FAULT_CLOCK_RATE] = "clock-rate",
    [FAULT_CLOCK_JUMP] = "clock-jump",
    [FAULT_CLOCK_FREEZE] = "clock-freeze",
    [FAULT_SLOW_DISK] = "slow-disk",
    [FAULT_DISK_ERROR] = "disk-error",
    [FAULT_FALSE_PEER_LOST] = "false-peer-lost",
    [FAULT_SLOW_LEADER_DISK] = "slow-leader-disk",
    [FAULT_DISK_FULL] = "disk-full",
    [FAULT_DISKS_FULL] = "disks-full",
    [FAULT_WIPE] = "wipe",
    [FAULT_ROLL_BACK] = "roll-back",
    [FAULT_DAMAGE] = "damage",
};

const char *faults_name(uint32_t kind)
{
    CHECK(kind < FAULT_KINDS);
    return names[kind];
}

void faults_plan_next(struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    if (swarm->fault_weight_sum == 0) {
        return;
    }
    uint64_t wait = random_between(&world->fault_random, swarm->fault_every_us / 4,
                                   swarm->fault_every_us * 7 / 4);
    events_plan(&world->events, world->now_us + wait, SIM_FAULT, 0, 0);
}

static struct node *draw_node(struct world *world)
{
    return &world->nodes[random_below(&world->fault_random, world->swarm.node_count)];
}

/* The leader of the highest ballot; any node if none leads. */
static struct node *draw_leader(struct world *world)
{
    struct node *leader = NULL;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node_is_leading(node) &&
            (leader == NULL ||
             paxos_ballot_compare(replica_view(node->replica).promised,
                                  replica_view(leader->replica).promised) > 0)) {
            leader = node;
        }
    }
    return leader != NULL ? leader : draw_node(world);
}

/* The leader is the more interesting half of the time. */
static struct node *draw_either(struct world *world)
{
    bool is_leader = random_permille(&world->fault_random, 500);
    return is_leader ? draw_leader(world) : draw_node(world);
}

/*
 * ---- each says whether it struck
 * ----------------------------------------------------------------------------
 */

static bool lose_power(struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        count += world->nodes[i].is_up;
        node_crash(world, &world->nodes[i], true);
    }
    return count > 0;
}

static bool clog_links(struct world *world)
{
    struct random *random = &world->fault_random;
    uint64_t until = world->now_us + random_skewed(random, 5 * MS, 2 * SECOND);
    uint32_t seat = draw_node(world)->seat;
    bool is_outward = random_permille(random, 500);
    uint32_t clogged = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct network *network = &world->network;
        struct link *link =
            is_outward ? &network->links[seat][i] : &network->links[i][seat];
        if (random_permille(random, 700)) {
            link->clogged_until_us = until;
            clogged += i != seat;
        }
    }
    return clogged > 0;
}

static void lose_frames(struct world *world)
{
    struct network *network = &world->network;
    network->loss_permille = (uint32_t)random_between(&world->fault_random, 50, 600);
    network->fault_number++;
    events_plan(&world->events,
                world->now_us + random_skewed(&world->fault_random, 50 * MS, 2 * SECOND),
                SIM_HEAL, 0, network->fault_number);
}

static void bend_clock(struct world *world, struct node *node, bool is_frozen)
{
    struct random *random = &world->fault_random;
    uint32_t rate = is_frozen ? 0 : (uint32_t)random_between(random, 300000, 3000000);
    clock_set_rate(world, node, rate);
    events_plan(&world->events,
                world->now_us + random_skewed(random, 10 * MS, 2 * SECOND), SIM_CLOCK,
                node->seat, node->clock.change);
}

static void advance_clock(struct world *world, struct node *node)
{
    clock_jump(world, node, random_skewed(&world->fault_random, MS, 20 * SECOND));
}

static bool break_disk(struct world *world, struct node *node)
{
    static const int errors[] = {EIO, EIO, ENOSPC, SIM_DISK_SHORT_WRITE};
    if (!node->is_up) {
        return false;
    }
    struct random *random = &world->fault_random;
    enum sim_disk_call call =
        random_permille(random, 500) ? SIM_DISK_WRITE : SIM_DISK_SYNC;
    int error = errors[random_below(random, 4)];
    if (call == SIM_DISK_SYNC) {
        error = EIO;
    }
    sim_disk_fail_next(node->disk, call, random_below(random, 12), error);
    return true;
}

static bool hint_falsely(struct world *world)
{
    uint32_t seat = draw_node(world)->seat;
    struct node *node = draw_node(world);
    if (node->seat == seat || !node->is_up) {
        return false;
    }
    events_plan(&world->events, world->now_us, SIM_PEER_LOST, node->seat, seat);
    return true;
}

static void slow_disk(struct world *world, struct node *node)
{
    struct random *random = &world->fault_random;
    // One draw a statement: arguments are evaluated in any order.
    uint32_t times = (uint32_t)random_skewed(random, 2, 500);
    uint64_t for_us = random_skewed(random, 100 * MS, 3 * SECOND);
    logging_slow_down(world, node, times, for_us);
}

/* An image is kept first; once its disk has gone on it is put back. */
static bool roll_back(struct world *world, struct node *node)
{
    bool is_old = node->image.is_kept && random_permille(&world->fault_random, 700);
    if (!is_old) {
        atlas_keep_image(world, node);
    }
    return is_old && atlas_roll_back(world, node);
}

static void slow_leader_disk(struct world *world)
{
    struct node *leader = draw_leader(world);
    uint64_t for_us = random_between(&world->fault_random, SECOND, 4 * SECOND);
    logging_slow_down(world, leader, 100, for_us);
}

static void fill_disk(struct world *world, struct node *node)
{
    TRACE(world, node, "its disk is full");
    logging_fill_disk(world, node,
                      random_skewed(&world->fault_random, 200 * MS, 8 * SECOND));
}

static bool strike_process(struct world *world, enum fault_kind kind)
{
    struct random *random = &world->fault_random;
    bool is_at_leader = kind == FAULT_CRASH_LEADER || kind == FAULT_PAUSE_LEADER ||
                        random_permille(random, 300);
    struct node *node = is_at_leader ? draw_leader(world) : draw_node(world);
    struct inbox_item stop = {.kind = INBOX_STOP};
    TRACE(world, node, "fault %s", names[kind]);
    bool was_up = node->is_up;
    bool was_paused = node->is_paused;
    if (kind == FAULT_CRASH || kind == FAULT_CRASH_LEADER) {
        node_crash(world, node, random_permille(random, 600));
    } else if (kind == FAULT_CRASH_IN_COMMIT) {
        bool is_segment = random_permille(random, SEGMENT_CRASH_PERMILLE);
        node->crash_plan = is_segment ? CRASH_IN_SEGMENT : CRASH_IN_COMMIT;
    } else if (kind == FAULT_CRASH_AFTER_COMMIT) {
        node->crash_plan = CRASH_AFTER_COMMIT;
    } else if (kind == FAULT_STOP) {
        return node->is_up && node_push(world, node, &stop);
    } else {
        node_pause(world, node, random_skewed(random, MS, 3 * SECOND));
        return was_up && !was_paused;
    }
    node->crash_plan = was_up ? node->crash_plan : CRASH_NOT;
    return was_up;
}

static bool strike(struct world *world, enum fault_kind kind)
{
    switch (kind) {
    case FAULT_CRASH:
    case FAULT_CRASH_LEADER:
    case FAULT_CRASH_IN_COMMIT:
    case FAULT_CRASH_AFTER_COMMIT:
    case FAULT_STOP:
    case FAULT_PAUSE:
    case FAULT_PAUSE_LEADER:
        return strike_process(world, kind);
    case FAULT_POWER_LOSS:
        return lose_power(world);
    case FAULT_PARTITION:
        return shapes_partition(world);
    case FAULT_ISOLATE_LEADER:
        return shapes_isolate(world, draw_leader(world)->seat);
    case FAULT_ONE_WAY:
        return shapes_cut_one_way(world);
    case FAULT_SHAPE:
        return shapes_named(world, draw_leader(world)->seat);
    case FAULT_CLOG:
        return clog_links(world);
    case FAULT_LOSS_BURST:
        lose_frames(world);
        return true;
    case FAULT_CLOCK_RATE:
    case FAULT_CLOCK_FREEZE:
        bend_clock(world, draw_node(world), kind == FAULT_CLOCK_FREEZE);
        return true;
    case FAULT_CLOCK_JUMP:
        advance_clock(world, draw_node(world));
        return true;
    case FAULT_SLOW_DISK:
        slow_disk(world, draw_node(world));
        return true;
    case FAULT_SLOW_LEADER_DISK:
        slow_leader_disk(world);
        return true;
    case FAULT_DISK_FULL:
        fill_disk(world, draw_either(world));
        return true;
    case FAULT_DISKS_FULL:
        for (uint32_t i = 0; i < world->swarm.node_count; i++) {
            fill_disk(world, &world->nodes[i]);
        }
        return true;
    case FAULT_DISK_ERROR:
        return break_disk(world, draw_node(world));
    case FAULT_FALSE_PEER_LOST:
        return hint_falsely(world);
    case FAULT_WIPE:
        return atlas_wipe(world, draw_node(world));
    case FAULT_ROLL_BACK:
        return roll_back(world, draw_node(world));
    case FAULT_DAMAGE:
        return atlas_damage(world, draw_node(world));
    case FAULT_KINDS:
        break;
    }
    return false;
}

void faults_strike(struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    uint64_t at = random_below(&world->fault_random, swarm->fault_weight_sum);
    uint32_t kind = 0;
    while (at >= swarm->fault_weight[kind]) {
        at -= swarm->fault_weight[kind++];
    }
    TRACE(world, NULL, "fault %s", names[kind]);
    report_hash(world, kind);
    world->stats->faults[kind] += strike(world, (enum fault_kind)kind);
    faults_plan_next(world);
}
