#include "sim/world.h"

#include "base/check.h"
#include "wal/record.h"

#include <stdlib.h>

static void send_peer(void *context, uint32_t seat, struct cs_view frame);
static void append_log(void *context, struct cs_view records);
static void read_log(void *context,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie);
static void answer(void *context, uint64_t client, const struct reply *reply);
static void trace(void *context, const struct paxos_trace *trace);
static bool
replay_log(struct world *world, struct node *node, const struct wal_recovery *recovery);
static void drop_inbox(struct world *world, struct node *node);
static void tell_peers(struct world *world, const struct node *node);

static struct port_context contexts[NODES_MAX];

void node_reset(struct world *world, struct node *node, uint32_t seat)
{
    uint64_t seed = world->seed;
    node->seat = seat;
    node->is_up = false;
    node->is_paused = false;
    node->is_stopping = false;
    node->stays_down = false;
    node->loss = LOSS_NONE;
    node->lost_length = 0;
    node->halt_count = 0;
    node->has_bad_copy = false;
    node->has_rotted = false;
    holes_clear(&node->holes);
    node->image.is_kept = false;
    node->has_old_copy = false;
    memset(node->remembered, 0, sizeof node->remembered);
    node->life = 0;
    node->pause_number = 0;
    node->boot = 0;
    node->starts = 0;
    node->crash_plan = CRASH_NOT;
    node->incarnation = (struct paxos_id){0};
    node->inbox_count = 0;
    node->turn_at_us = NEVER;
    node->held = 0;
    node->promise_sent = (struct paxos_ballot){0};
    random_init(&node->disk_random, seed, 100 + seat);
    random_init(&node->clock_random, seed, 200 + seat);
    random_init(&node->identity_random, seed, 300 + seat);
    sim_disk_reset(node->disk, random_draw(&node->disk_random));
    sim_disk_set_direct(node->disk, !world->swarm.is_buffered);
    sim_disk_set_says_room(node->disk, world->seed % 2 == 0);
    shadow_clear(&node->shadow);
    node->clock = (struct sim_clock){0};
    clock_reset(world, node);
    node->log.slowness = 1;
    logging_set_room(node, true);
    node->log.last_block = 0;
    contexts[seat] = (struct port_context){.world = world, .node = node};
}

/* A seat's name; they sort as the seats do. */
static const char *const seat_names[NODES_MAX] = {"n0", "n1", "n2", "n3", "n4"};

static void make_settings(struct world *world,
                          struct node *node,
                          const struct wal_recovery *recovery,
                          struct replica_settings *settings)
{
    const struct swarm *swarm = &world->swarm;
    struct random *random = &node->identity_random;
    *settings = (struct replica_settings){
        .core = swarm->core,
        .seat_names = seat_names,
        .cluster_name = "sim",
        .durability = WAL_SYNC,
        .requests_waiting_max = swarm->requests_waiting_max,
        .request_bytes_waiting_max = 1024 * 1024,
        .batch_commands_max = swarm->batch_commands_max,
        .batch_bytes_max = swarm->batch_bytes_max,
        .slots_in_flight_max = swarm->slots_in_flight_max,
        .sessions_max = swarm->sessions_max,
        .session_idle_ms = swarm->session_idle_ms,
        .version = "simulated",
    };
    struct paxos_settings *core = &settings->core;
    core->seat = node->seat;
    core->member_count = swarm->node_count;
    core->incarnation = recovery->incarnation;
    core->fresh_cluster_id.high = random_draw(random) | 1;
    core->fresh_cluster_id.low = random_draw(random);
    core->boot = recovery->boot;
    core->nonce = random_draw(random) | 1;
    core->seed = random_draw(random);
    core->now_ms = clock_own_ms(world, node);
}

void node_start(struct world *world, struct node *node)
{
    CHECK(!node->is_up);
    struct wal_recovery recovery;
    node->life++;
    node->starts++;
    world->stats->starts++;
    sim_disk_restart(node->disk);
    if (!logging_open(world, node, &recovery)) {
        return;
    }
    node->incarnation = recovery.incarnation;
    judge_recovery(world, node, &recovery);
    judge_damages(world, node);
    damage_note_superblock(node);
    if (world->violation.is_found) {
        return;
    }
    if (recovery.fault_count > 0 && world->swarm.node_count == 1) {
        logging_refuse(world, node, "slots are lost, and there is nobody to ask");
        return;
    }
    TRACE(world, node,
          "start boot=%llu length=%llu decided=%llu promised=%s accepted=%s torn=%llu",
          (unsigned long long)recovery.boot, (unsigned long long)recovery.core.length,
          (unsigned long long)recovery.core.decided,
          report_ballot(recovery.core.promised), report_ballot(recovery.core.accepted),
          (unsigned long long)recovery.torn_blocks);
    world->stats->restarts_with_log += recovery.core.length > 0;
    world->stats->torn_blocks += recovery.torn_blocks;
    node->boot = recovery.boot;
    node->decided = recovery.core.decided;
    node->applied = 0;
    node->local_revision = 0;
    struct replica_settings settings;
    make_settings(world, node, &recovery, &settings);
    const struct replica_ports ports = {
        .context = &contexts[node->seat],
        .send_peer = send_peer,
        .append_log = append_log,
        .read_log = read_log,
        .answer = answer,
        .trace = trace,
        .begun = monitoring_begun,
        .stepped = monitoring_stepped,
    };
    node->replica = replica_new(&settings, &ports, &recovery.core);
    node->is_up = true;
    if (!replay_log(world, node, &recovery)) {
        return;
    }
    wal_forget_tail(node->log.wal);
    logging_begin(world, node);
    replica_on_tick(node->replica, clock_own_ms(world, node));
    node_plan_turn(world, node, world->now_us);
}

static bool
replay_log(struct world *world, struct node *node, const struct wal_recovery *recovery)
{
    cs_slot next = 1;
    while (next <= recovery->core.length) {
        struct wal_slice slice = {0};
        enum wal_status status =
            wal_read(node->log.wal, next, recovery->core.length, 256, 1 << 20, &slice);
        if (status != WAL_OK && sim_disk_is_off(node->disk)) {
            wal_slice_fini(&slice);
            node_crash(world, node, true); // while it reads its own log
            return false;
        }
        if (status == WAL_OK && slice.entry_count == 0 && slice.fault.first != 0) {
            next = replica_replay_past(node->replica, &slice.fault);
            wal_slice_fini(&slice);
            continue;
        }
        if (status != WAL_OK || slice.entry_count == 0 || slice.entries[0].slot != next) {
            report_fail(world, "I21", node, next, NO_BALLOT,
                        "the recovered log cannot be read: status %d: %s", (int)status,
                        wal_error(node->log.wal));
            return false;
        }
        for (uint32_t i = 0; i < slice.entry_count; i++) {
            struct paxos_digest chain = shadow_chain(&node->shadow.durable, next);
            if (!digest_is(chain, slice.entries[i].chain) ||
                !replica_replay(node->replica, &slice.entries[i], slice.payloads[i])) {
                report_fail(world, "I21", node, next, NO_BALLOT,
                            "recovery gave another entry than was written");
                wal_slice_fini(&slice);
                return false;
            }
            next++;
        }
        wal_slice_fini(&slice);
    }
    return true;
}

void node_crash(struct world *world, struct node *node, bool is_power_loss)
{
    if (!node->is_up) {
        return;
    }
    TRACE(world, node, "crash%s", is_power_loss ? " power" : "");
    node->is_up = false;
    node->is_paused = false;
    node->is_stopping = false;
    node->life++;
    node->crash_plan = CRASH_NOT;
    clients_lose_node(world, node);
    drop_inbox(world, node);
    if (is_power_loss) {
        sim_disk_crash(node->disk);
        clock_reset(world, node);
    } else {
        sim_disk_restart(node->disk);
    }
    logging_close(node);
    replica_destroy(&node->replica);
    node->turn_at_us = NEVER;
    if (!node->stays_down) {
        uint64_t down = random_skewed(&world->fault_random, MS, world->swarm.down_us_max);
        down += node->halt_count * HALTED_US; // its supervisor waits longer each time
        events_plan(&world->events, world->now_us + down, SIM_RESTART, node->seat,
                    node->life);
    }
    if (world->swarm.tells_peer_lost) {
        tell_peers(world, node);
    }
}

/* The connections close, and those who had them hear of it. */
static void tell_peers(struct world *world, const struct node *node)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (i != node->seat && !world->network.links[node->seat][i].is_cut) {
            uint64_t delay = random_between(&world->turn_random, 50, 3000);
            events_plan(&world->events, world->now_us + delay, SIM_PEER_LOST, i,
                        node->seat);
        }
    }
}

static void drop_inbox(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < node->inbox_count; i++) {
        if (node->inbox[i].kind == INBOX_FRAME) {
            network_release(&world->network, node->inbox[i].index);
        }
    }
    node->inbox_count = 0;
    for (uint32_t i = 0; i < LOG_READS_MAX_SIM; i++) {
        if (node->reads[i].is_taken && node->reads[i].is_read) {
            wal_slice_fini(&node->reads[i].slice);
        }
        node->reads[i] = (struct log_read){0};
    }
}

void node_pause(struct world *world, struct node *node, uint64_t for_us)
{
    if (!node->is_up || node->is_paused) {
        return;
    }
    TRACE(world, node, "pause for %llu us", (unsigned long long)for_us);
    node->is_paused = true;
    node->pause_number++;
    events_plan(&world->events, world->now_us + for_us, SIM_RESUME, node->seat,
                node->pause_number);
}

void node_resume(struct world *world, struct node *node)
{
    if (!node->is_up || !node->is_paused) {
        return;
    }
    TRACE(world, node, "resume");
    node->is_paused = false;
    if (node->log.is_busy && world->now_us >= node->log.commit_ends_us) {
        events_plan(&world->events, world->now_us, SIM_COMMIT_DONE, node->seat,
                    node->log.commit_number);
    }
    node_plan_turn(world, node, world->now_us);
}

void node_plan_turn(struct world *world, struct node *node, uint64_t at_us)
{
    if (at_us < node->turn_at_us) {
        node->turn_at_us = at_us;
        events_plan(&world->events, at_us, SIM_TURN, node->seat, 0);
    }
}

bool node_push(struct world *world, struct node *node, const struct inbox_item *item)
{
    // Frames leave room for what is not lost: completions, requests.
    uint32_t room = item->kind == INBOX_FRAME ? INBOX_MAX - 512 : INBOX_MAX;
    if (!node->is_up || node->inbox_count >= room) {
        return false;
    }
    node->inbox[node->inbox_count++] = *item;
    uint64_t delay = world->swarm.turn_delay_us;
    delay = delay == 0 ? 0 : random_below(&world->turn_random, delay);
    node_plan_turn(world, node, world->now_us + delay);
    return true;
}

bool node_is_leading(const struct node *node)
{
    return node->is_up && replica_view(node->replica).role == PAXOS_LEADER;
}

static void take_slice(struct node *node, uint32_t index, uint64_t now_ms)
{
    struct log_read *read = &node->reads[index];
    replica_on_slice(node->replica, read->cookie, read->is_read ? &read->slice : NULL,
                     now_ms);
    if (read->is_read) {
        wal_slice_fini(&read->slice);
    }
    *read = (struct log_read){0};
}

static void take_item(struct world *world,
                      struct node *node,
                      const struct inbox_item *item,
                      uint64_t now_ms)
{
    struct replica *replica = node->replica;
    switch ((enum inbox_kind)item->kind) {
    case INBOX_FRAME:
        replica_on_frame(
            replica, view_of_buffer(&world->network.frames[item->index].bytes), now_ms);
        network_release(&world->network, item->index);
        return;
    case INBOX_DURABLE:
        replica_on_durable(replica, item->token, item->block, item->sync_us, now_ms);
        return;
    case INBOX_SLICE:
        take_slice(node, item->index, now_ms);
        return;
    case INBOX_REQUEST:
        clients_deliver(world, node, item->index);
        return;
    case INBOX_PEER_LOST:
        replica_on_peer_lost(replica, item->index, now_ms);
        return;
    case INBOX_DISK_SLOW:
        replica_on_disk_slow(replica, item->sync_us, now_ms);
        return;
    case INBOX_ROOM:
        replica_on_room(replica, item->index != 0);
        return;
    case INBOX_STOP:
        node->is_stopping = true;
        replica_stop(replica, now_ms);
        return;
    }
}

void node_turn(struct world *world, struct node *node)
{
    node->turn_at_us = NEVER;
    if (!node->is_up || node->is_paused) {
        return;
    }
    uint64_t now_ms = clock_own_ms(world, node);
    // What is pushed while these are served waits for the next turn.
    uint32_t count = node->inbox_count;
    for (uint32_t i = 0; i < count; i++) {
        take_item(world, node, &node->inbox[i], now_ms);
    }
    CHECK(node->inbox_count == count);
    node->inbox_count = 0;
    if (replica_next_tick_ms(node->replica) <= now_ms) {
        replica_on_tick(node->replica, now_ms);
    }
    replica_flush(node->replica, now_ms);
    judge_turn(world, node);
    judge_notes(world, node);
    liveness_note(world);
    if (replica_halt(node->replica) != PAXOS_HALT_NONE) {
        node->halt_count++;
        node_crash(world, node, false); // its supervisor may start it again
        return;
    }
    if (node->is_stopping && replica_is_drained(node->replica)) {
        TRACE(world, node, "drained");
        node_crash(world, node, false);
        return;
    }
    uint64_t next = clock_world_us(world, node, replica_next_tick_ms(node->replica));
    // Once a turn asks for another at once there must be time between them.
    next = next <= world->now_us ? world->now_us + 200 : next;
    if (next != NEVER) {
        node_plan_turn(world, node, next);
    }
}

/*
 * ---- ports
 * ----------------------------------------------------------------------------
 */

static void send_peer(void *context, uint32_t seat, struct cs_view frame)
{
    const struct port_context *port = context;
    CHECK(seat < port->world->swarm.node_count);
    CHECK(seat != port->node->seat);
    claims_judge(port->world, port->node, seat, frame);
    network_send(port->world, port->node->seat, seat, frame);
}

static void append_log(void *context, struct cs_view records)
{
    const struct port_context *port = context;
    report_hash_bytes(port->world, records);
    struct record record = {0};
    CHECK(record_unpack(records, &record));
    if (record.persist.token != 0) { // else it changes nothing that the core speaks of
        judge_append(port->world, port->node);
    }
    logging_append(port->world, port->node, records);
}

static void read_log(void *context,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie)
{
    const struct port_context *port = context;
    const struct log_read read = {.first = first,
                                  .last = last,
                                  .max_entries = max_entries,
                                  .max_bytes = max_bytes,
                                  .cookie = cookie};
    logging_read(port->world, port->node, &read);
}

static void answer(void *context, uint64_t client, const struct reply *reply)
{
    const struct port_context *port = context;
    clients_answer(port->world, port->node, client, reply);
}

static void trace(void *context, const struct paxos_trace *trace)
{
    const struct port_context *port = context;
    judge_trace(port->world, port->node, trace);
    liveness_trace(port->world, port->node, trace);
}
