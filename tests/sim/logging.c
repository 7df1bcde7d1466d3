#include "sim/world.h"

#include "base/buggify.h"
#include "base/check.h"

#include <stdlib.h>

enum {
    SEAL_AFTER_US = 20000,     // as the log thread does
    SLOW_AFTER_US = 100000,    // then the engine hears of the sync under way
    CALLS_OF_A_COMMIT = 10,    // at most, about: with a new segment and the superblock
    CALLS_OF_A_SEGMENT = 8,    // about
    FIRST_CALL_PERMILLE = 500, // most commits make only one: of the block
    CALLS_OF_AN_OPEN = 80,     // about
    ROOM_RETRY_US = 1000000,   // as the log thread does
    OPEN_CRASH_PERMILLE = 60,
};

static void begin_commit(struct world *world, struct node *node);
static void after_commit(struct world *world, struct node *node);

static struct wal_settings settings_of(const struct world *world, struct node *node)
{
    const struct swarm *swarm = &world->swarm;
    struct wal_settings settings = {
        .segment_bytes = swarm->segment_bytes,
        .ready_segments = 2,
        .durability = WAL_SYNC,
        .ring_entries = swarm->core.ring_entries,
        .ring_bytes = swarm->core.ring_bytes,
        .window_entries = swarm->core.window_entries,
        .buggify = &world->buggify,
    };
    settings.fresh_incarnation.high = random_draw(&node->identity_random) | 1;
    settings.fresh_incarnation.low = random_draw(&node->identity_random);
    return settings;
}

static void restart_soon(struct world *world, struct node *node)
{
    node->life++;
    events_plan(&world->events, world->now_us + 5 * MS, SIM_RESTART, node->seat,
                node->life);
}

void logging_refuse(struct world *world, struct node *node, const char *sentence)
{
    TRACE(world, node, "does not start: %s", sentence);
    atlas_note_refused(world, node);
    if (node->log.wal != NULL) {
        wal_close(&node->log.wal);
    }
    world->stats->refused_starts++;
    node->halt_count++;
    node->life++;
    events_plan(&world->events, world->now_us + node->halt_count * HALTED_US, SIM_RESTART,
                node->seat, node->life);
}

bool logging_open(struct world *world, struct node *node, struct wal_recovery *recovery)
{
    struct log_thread *log = &node->log;
    bool may_crash = world->phase == PHASE_SAFETY && node->starts > 1;
    if (may_crash && random_permille(&world->fault_random, OPEN_CRASH_PERMILLE)) {
        sim_disk_crash_after(node->disk,
                             random_below(&world->fault_random, CALLS_OF_AN_OPEN));
    }
    struct wal_settings settings = settings_of(world, node);
    enum wal_status status = wal_open(&log->wal, &node->files, &settings, recovery);
    log->is_start_full = status == WAL_FULL && log->is_disk_full;
    if (status != WAL_OK && sim_disk_is_off(node->disk)) {
        TRACE(world, node, "crash while opening the log");
        world->stats->crashes_in_open++;
        restart_soon(world, node);
        return false;
    }
    if (status == WAL_FULL && log->is_disk_full) {
        TRACE(world, node, "does not start: %s", recovery->sentence);
        restart_soon(world, node);
        return false;
    }
    bool is_refusal = status == WAL_DAMAGED || status == WAL_AMNESIA;
    if (is_refusal && atlas_explains_refusal(world, node)) {
        logging_refuse(world, node, recovery->sentence);
        return false;
    }
    if (status != WAL_OK) {
        report_fail(world, "I21", node, 0, NO_BALLOT,
                    "the log does not open (status %d): %s", (int)status,
                    recovery->sentence);
        return false;
    }
    wal_leave_preparing(log->wal); // the helper does, as in the server
    log->last_block = recovery->core.block;
    return true;
}

static void tell_room(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    bool has_room = wal_has_room(log->wal);
    if (has_room == log->is_out_of_room) {
        log->is_out_of_room = !has_room;
        TRACE(world, node, "log: %s", has_room ? "there is room" : "no room");
        struct inbox_item item = {.kind = INBOX_ROOM, .index = has_room};
        CHECK(node_push(world, node, &item));
    }
}

static void retry_segment_later(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    log->is_preparing = false;
    log->preparation++;
    events_plan(&world->events, world->now_us + ROOM_RETRY_US, SIM_SEGMENT_RETRY,
                node->seat, log->preparation);
}

void logging_begin(struct world *world, struct node *node)
{
    wal_leave_preparing(node->log.wal);
    tell_room(world, node);
    if (node->log.is_out_of_room) {
        retry_segment_later(world, node);
    }
}

void logging_close(struct node *node)
{
    struct log_thread *log = &node->log;
    if (log->wal != NULL) {
        wal_close(&log->wal);
    }
    node->holes.doubtful_from = 0;
    log->queued.bytes = 0;
    log->queued_count = 0;
    log->in_flight.bytes = 0;
    log->is_busy = false;
    log->is_sealing = false;
    log->is_waiting_segment = false;
    log->is_preparing = false;
    log->is_out_of_room = false;
    // What was planned for this life finds another number.
    log->commit_number++;
    log->preparation++;
}

void logging_append(struct world *world, struct node *node, struct cs_view records)
{
    struct log_thread *log = &node->log;
    if (log->queued_count == log->queued_capacity) {
        log->queued_capacity = log->queued_capacity * 2 + 64;
        log->queued_bytes =
            realloc(log->queued_bytes, log->queued_capacity * sizeof *log->queued_bytes);
        CHECK(log->queued_bytes != NULL);
    }
    recovery_take_watermarks(records, node->noted);
    buffer_append(&log->queued, records.data, records.bytes);
    log->queued_bytes[log->queued_count++] = (uint32_t)records.bytes;
    world->stats->records++;
    if (!log->is_busy) {
        begin_commit(world, node);
    }
}

/*
 * Everything queued, up to the limit of a block, is the next one: natural group commit.
 */
static void take_block(struct world *world, struct log_thread *log)
{
    size_t bytes = 0;
    size_t count = 0;
    bool is_alone = BUGGIFY(&world->buggify, BLOCK_ONE);
    while (count < log->queued_count && (count == 0 || !is_alone) &&
           (count == 0 ||
            bytes + log->queued_bytes[count] <= world->swarm.block_bytes_max)) {
        bytes += log->queued_bytes[count++];
    }
    log->in_flight.bytes = 0;
    buffer_append(&log->in_flight, log->queued.data, bytes);
    log->queued.bytes -= bytes;
    log->queued_count -= count;
    memmove(log->queued.data, log->queued.data + bytes, log->queued.bytes);
    memmove(log->queued_bytes, log->queued_bytes + count,
            log->queued_count * sizeof *log->queued_bytes);
}

static void plan_end(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    const struct swarm *swarm = &world->swarm;
    uint64_t takes_us = swarm->sync_us;
    if (swarm->sync_jitter_us > 0) {
        takes_us += random_skewed(&world->log_random, 1, swarm->sync_jitter_us);
    }
    takes_us *= log->slowness;
    log->is_busy = true;
    log->commit_number++;
    log->commit_begun_us = world->now_us;
    log->commit_ends_us = world->now_us + takes_us;
    events_plan(&world->events, log->commit_ends_us, SIM_COMMIT_DONE, node->seat,
                log->commit_number);
    if (takes_us >= SLOW_AFTER_US) {
        events_plan(&world->events, world->now_us + SLOW_AFTER_US, SIM_COMMIT_SLOW,
                    node->seat, log->commit_number);
    }
}

static void begin_commit(struct world *world, struct node *node)
{
    take_block(world, &node->log);
    node->log.is_sealing = false;
    plan_end(world, node);
}

/* The process dies while its block is on the way: any part of it may be there. */
static void crash_in_commit(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    struct wal_commit commit;
    bool is_first = random_permille(&world->fault_random, FIRST_CALL_PERMILLE);
    uint64_t calls = random_below(&world->fault_random, CALLS_OF_A_COMMIT);
    sim_disk_crash_after(node->disk, is_first ? 0 : calls);
    enum wal_status status =
        log->is_sealing ? wal_seal(log->wal)
                        : wal_commit(log->wal, view_of_buffer(&log->in_flight), &commit);
    world->stats->crashes_in_commit += sim_disk_is_off(node->disk);
    TRACE(world, node, "power fails in the commit (status %d)", (int)status);
    node_crash(world, node, true);
}

static void
settle_commit(struct world *world, struct node *node, const struct wal_commit *commit)
{
    struct log_thread *log = &node->log;
    world->stats->commits++;
    log->last_block = commit->block;
    atlas_note_durable(node, view_of_buffer(&log->in_flight));
    judge_durable(world, node, commit->token);
    if (node->crash_plan == CRASH_AFTER_COMMIT) {
        TRACE(world, node, "dies after the commit, before anybody knows");
        node_crash(world, node, random_permille(&world->fault_random, 500));
        return;
    }
    struct inbox_item item = {
        .kind = INBOX_DURABLE,
        .token = commit->token,
        .block = commit->block,
        .sync_us = world->now_us - log->commit_begun_us,
    };
    CHECK(node_push(world, node, &item));
    after_commit(world, node);
}

static void fail_commit(struct world *world, struct node *node, enum wal_status status)
{
    struct log_thread *log = &node->log;
    if (status == WAL_FULL && (log->is_preparing || log->is_out_of_room)) {
        log->is_waiting_segment = true;
    } else if (status == WAL_FAILED &&
               (sim_disk_is_off(node->disk) || sim_disk_has_failed(node->disk))) {
        // As the process does: a sentence, and the end; what is on disk is unknown.
        TRACE(world, node, "log failed: %s", wal_error(log->wal));
        world->stats->disk_errors += sim_disk_has_failed(node->disk);
        node_crash(world, node,
                   sim_disk_is_off(node->disk) ||
                       random_permille(&world->fault_random, 500));
    } else {
        report_fail(world, "I22", node, 0, NO_BALLOT,
                    "a commit fails on a good disk (%d): %s", (int)status,
                    wal_error(log->wal));
    }
}

void logging_commit_done(struct world *world, struct node *node, uint64_t commit_number)
{
    struct log_thread *log = &node->log;
    if (!node->is_up || node->is_paused || !log->is_busy ||
        commit_number != log->commit_number) {
        return;
    }
    if (node->crash_plan == CRASH_IN_COMMIT) {
        crash_in_commit(world, node);
        return;
    }
    struct wal_commit commit = {0};
    enum wal_status status =
        log->is_sealing ? wal_seal(log->wal)
                        : wal_commit(log->wal, view_of_buffer(&log->in_flight), &commit);
    report_hash(world, (uint64_t)status << 32 | commit.block);
    if (log->is_sealing && status == WAL_FULL) {
        after_commit(world, node); // without one
    } else if (status != WAL_OK) {
        fail_commit(world, node, status);
    } else if (log->is_sealing) {
        world->stats->seals++;
        after_commit(world, node);
    } else {
        settle_commit(world, node, &commit);
    }
}

static void ask_for_segment(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    if (log->is_preparing || !wal_wants_segment(log->wal, &log->segment_number)) {
        return;
    }
    log->is_preparing = true;
    log->preparation++;
    uint64_t takes_us = random_skewed(&world->log_random, MS, 50 * MS);
    events_plan(&world->events, world->now_us + takes_us, SIM_SEGMENT_DONE, node->seat,
                log->preparation);
}

void logging_retry_segment(struct world *world, struct node *node, uint64_t preparation)
{
    if (node->is_up && preparation == node->log.preparation) {
        ask_for_segment(world, node);
    }
}

static void after_commit(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    log->is_busy = false;
    log->is_sealing = false;
    if (!log->is_out_of_room) {
        ask_for_segment(world, node);
    }
    if (log->queued_count > 0) {
        begin_commit(world, node);
    } else if (wal_wants_seal(log->wal)) {
        events_plan(&world->events, world->now_us + SEAL_AFTER_US, SIM_SEAL, node->seat,
                    log->commit_number);
    }
}

void logging_commit_slow(struct world *world, struct node *node, uint64_t commit_number)
{
    struct log_thread *log = &node->log;
    if (!node->is_up || !log->is_busy || commit_number != log->commit_number) {
        return;
    }
    struct inbox_item item = {.kind = INBOX_DISK_SLOW,
                              .sync_us = world->now_us - log->commit_begun_us};
    (void)node_push(world, node, &item);
    events_plan(&world->events, world->now_us + SLOW_AFTER_US, SIM_COMMIT_SLOW,
                node->seat, commit_number);
}

void logging_seal(struct world *world, struct node *node, uint64_t commit_number)
{
    struct log_thread *log = &node->log;
    if (!node->is_up || log->is_busy || commit_number != log->commit_number ||
        !wal_wants_seal(log->wal)) {
        return;
    }
    log->is_sealing = true;
    plan_end(world, node);
}

void logging_segment_done(struct world *world, struct node *node, uint64_t preparation)
{
    struct log_thread *log = &node->log;
    if (!node->is_up || !log->is_preparing || preparation != log->preparation) {
        return;
    }
    struct wal_settings settings = settings_of(world, node);
    if (node->crash_plan == CRASH_IN_SEGMENT) {
        sim_disk_crash_after(node->disk,
                             random_below(&world->fault_random, CALLS_OF_A_SEGMENT));
    }
    enum wal_status status =
        wal_prepare_segment(&node->files, &settings, log->segment_number);
    if (node->crash_plan == CRASH_IN_SEGMENT) {
        world->stats->crashes_in_segment += sim_disk_is_off(node->disk);
        TRACE(world, node, "power fails as a segment is made (status %d)", (int)status);
        node_crash(world, node, true);
        return;
    }
    if (status == WAL_FULL) {
        world->stats->segments_without_room++;
        wal_set_no_room(log->wal, true);
        tell_room(world, node);
        retry_segment_later(world, node);
        return;
    }
    if (status != WAL_OK) {
        fail_commit(world, node, status);
        return;
    }
    world->stats->segments++;
    wal_adopt_segment(log->wal, log->segment_number);
    log->is_preparing = false;
    tell_room(world, node);
    if (log->is_waiting_segment) {
        log->is_waiting_segment = false;
        plan_end(world, node);
    }
}

void logging_read(struct world *world, struct node *node, const struct log_read *read)
{
    uint32_t index = 0;
    while (index < LOG_READS_MAX_SIM && node->reads[index].is_taken) {
        index++;
    }
    CHECK(index < LOG_READS_MAX_SIM);
    node->reads[index] = *read;
    node->reads[index].is_taken = true;
    node->reads[index].life = node->life;
    uint64_t takes_us = random_skewed(&world->log_random, 50, 5 * MS);
    events_plan(&world->events, world->now_us + takes_us, SIM_READ_DONE, node->seat,
                index);
}

void logging_read_done(struct world *world, struct node *node, uint32_t index)
{
    struct log_read *read = &node->reads[index];
    if (!node->is_up || !read->is_taken || read->life != node->life || read->is_read) {
        return;
    }
    world->stats->log_reads++;
    enum wal_status status = wal_read(node->log.wal, read->first, read->last,
                                      read->max_entries, read->max_bytes, &read->slice);
    read->is_read = status == WAL_OK;
    if (!read->is_read && sim_disk_is_off(node->disk)) {
        TRACE(world, node, "power fails as it reads");
        node_crash(world, node, true); // drawn for its start, which made fewer calls
        return;
    }
    if (read->is_read) {
        judge_slice(world, node, &read->slice);
    } else if (!sim_disk_has_failed(node->disk)) {
        report_fail(world, "I21", node, read->first, NO_BALLOT,
                    "durable slots to %llu cannot be read (status %d): %s",
                    (unsigned long long)read->last, (int)status,
                    wal_error(node->log.wal));
        return;
    }
    struct inbox_item item = {.kind = INBOX_SLICE, .index = index};
    CHECK(node_push(world, node, &item));
}

/* The disk is as it should be again, for the block under way too. */
void logging_make_normal(struct world *world, struct node *node)
{
    struct log_thread *log = &node->log;
    log->slowness = 1;
    logging_set_room(node, true);
    if (log->is_busy && !log->is_waiting_segment) {
        plan_end(world, node);
    }
}

void logging_slow_down(struct world *world,
                       struct node *node,
                       uint32_t times,
                       uint64_t for_us)
{
    struct log_thread *log = &node->log;
    log->slowness = times;
    log->slow_change++;
    events_plan(&world->events, world->now_us + for_us, SIM_DISK_NORMAL, node->seat,
                log->slow_change);
}

void logging_set_room(struct node *node, bool has_room)
{
    node->log.is_disk_full = !has_room;
    node->log.room_change++;
    sim_disk_set_capacity(node->disk, has_room ? DISK_BYTES : 0);
}

void logging_fill_disk(struct world *world, struct node *node, uint64_t for_us)
{
    logging_set_room(node, false);
    events_plan(&world->events, world->now_us + for_us, SIM_DISK_ROOM, node->seat,
                node->log.room_change);
}
