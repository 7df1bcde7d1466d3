/*
 * The loop of the log's thread: drain what is queued, write one block, answer; between
 * blocks serve one read; seal 20 ms after the last block; with durability interval sync
 * when it is time.
 */
#include "wal/log_thread.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"

#include <stdio.h>
#include <zmq.h>

enum { DRAIN_MAX = 4096 };

/* ---- telling ----------------------------------------------------------------------- */

static void tell_failed(struct log_thread *log, const char *sentence)
{
    if (log->has_failed) {
        return;
    }
    log->has_failed = true;
    struct wal_completion completion = {.kind = WAL_COMPLETION_FAILED,
                                        .status = WAL_FAILED};
    (void)snprintf(completion.sentence, sizeof completion.sentence, "%s", sentence);
    frame_send_completion(log->engine, &completion);
}

static void tell_room(struct log_thread *log)
{
    bool has_room = wal_has_room(log->wal);
    if (has_room != log->has_told_room) {
        log->has_told_room = has_room;
        const struct wal_completion completion = {.kind = WAL_COMPLETION_ROOM,
                                                  .has_room = has_room};
        frame_send_completion(log->engine, &completion);
    }
}

static void tell_durable(const struct log_thread *log, uint64_t sync_us)
{
    const struct wal_completion completion = {
        .kind = WAL_COMPLETION_DURABLE,
        .token = log->durable_token,
        .block = log->durable_block,
        .sync_us = sync_us,
    };
    frame_send_completion(log->engine, &completion);
}

/*
 * A seal or a late sync brings no token. If it was told as slow the engine must hear that
 * it is over: else the disk counts as stuck until the next record (E5, E6).
 */
static void tell_end_of_slow(const struct log_thread *log, uint64_t sync_us)
{
    if (sync_us >= WAL_SLOW_US && !MUTANT_IS(313)) {
        tell_durable(log, sync_us);
    }
}

/* ---- blocks ------------------------------------------------------------------------ */

static size_t pending_bytes(const struct log_thread *log)
{
    return log->pending.bytes - log->pending_at;
}

/* The whole records that make the next block. */
static struct cs_view next_block(const struct log_thread *log)
{
    size_t body_max = wal_block_body_max(&log->settings);
    struct cs_view all = view_of(log->pending.data + log->pending_at, pending_bytes(log));
    if (all.bytes <= body_max) {
        return all;
    }
    size_t taken = 0;
    while (taken < all.bytes) {
        size_t bytes = wal_record_bytes(view_of(all.data + taken, all.bytes - taken));
        if (taken > 0 && taken + bytes > body_max) {
            break;
        }
        taken += bytes;
    }
    return view_of(all.data, taken);
}

static void drop_pending(struct log_thread *log, size_t bytes)
{
    log->pending_at += bytes;
    if (log->pending_at < log->pending.bytes) {
        return;
    }
    log->pending_at = 0;
    log->pending.bytes = 0;
    // What one burst needed is not kept for ever.
    if (log->pending.capacity_bytes > WAL_BLOCK_BODY_MAX) {
        buffer_fini(&log->pending);
    }
}

static void begin_sync(struct log_thread *log)
{
    atomic_store(log->sync_started_us, clock_now_us());
}

static uint64_t end_sync(struct log_thread *log)
{
    uint64_t started_us = atomic_load(log->sync_started_us);
    atomic_store(log->sync_started_us, 0);
    return clock_now_us() - started_us;
}

static void plan_after_commit(struct log_thread *log)
{
    uint64_t now_ms = clock_now_ms();
    log->seal_at_ms = now_ms + WAL_SEAL_AFTER_MS;
    if (log->settings.durability == WAL_INTERVAL && log->sync_at_ms == 0) {
        log->sync_at_ms = now_ms + log->interval_ms;
    }
}

/* The records wait for a segment: until the helper has made one, and not for ever. */
static void wait_for_room(struct log_thread *log)
{
    log->is_waiting = true;
    if (log->retry_at_ms > 0) {
        wal_set_no_room(log->wal, true); // the helper has tried
    }
    if (!wal_has_room(log->wal) && !MUTANT_IS(266)) {
        log->resume_at_ms = clock_now_ms() + WAL_ROOM_RETRY_MS;
    }
    if (log->has_told_room && !wal_has_room(log->wal)) {
        log_line(LOG_LEVEL_WARN, "event=log_waits text=\"%s\"", wal_error(log->wal));
    }
    tell_room(log);
}

static void commit(struct log_thread *log)
{
    struct cs_view records = next_block(log);
    struct wal_commit done = {0};
    begin_sync(log);
    enum wal_status status = wal_commit(log->wal, records, &done);
    uint64_t sync_us = end_sync(log);
    if (status == WAL_FULL) {
        tell_end_of_slow(log, sync_us);
        wait_for_room(log);
        return;
    }
    if (status != WAL_OK) {
        tell_failed(log, wal_error(log->wal));
        return;
    }
    log->durable_token = done.token;
    log->durable_block = done.block;
    tell_durable(log, sync_us);
    drop_pending(log, records.bytes);
    plan_after_commit(log);
    tell_room(log);
}

static void seal(struct log_thread *log)
{
    begin_sync(log);
    enum wal_status status = wal_seal(log->wal);
    uint64_t sync_us = end_sync(log);
    if (status == WAL_FAILED) {
        tell_failed(log, wal_error(log->wal));
        return;
    }
    if (status == WAL_FULL) {
        log->seal_at_ms = clock_now_ms() + WAL_ROOM_RETRY_MS;
    }
    tell_end_of_slow(log, sync_us);
}

static void sync_written(struct log_thread *log)
{
    log->sync_at_ms = 0;
    begin_sync(log);
    enum wal_status status = wal_sync(log->wal);
    uint64_t sync_us = end_sync(log);
    if (status != WAL_OK) {
        tell_failed(log, wal_error(log->wal));
        return;
    }
    tell_end_of_slow(log, sync_us);
}

/* ---- reads ------------------------------------------------------------------------- */

static void serve_read(struct log_thread *log)
{
    const struct frame_read *read = &log->reads[log->read_first];
    struct wal_completion completion = {.kind = WAL_COMPLETION_SLICE,
                                        .cookie = read->cookie};
    completion.status = wal_read(log->wal, read->first, read->last, read->max_entries,
                                 read->max_bytes, &completion.slice);
    if (completion.status != WAL_OK) {
        (void)snprintf(completion.sentence, sizeof completion.sentence, "%s",
                       wal_error(log->wal));
        log_line(LOG_LEVEL_ERROR, "event=log_damaged text=\"%s\"", completion.sentence);
    }
    log->read_first = (log->read_first + 1) % LOG_THREAD_READS_MAX;
    log->read_count--;
    frame_send_completion(log->engine, &completion);
    wal_slice_fini(&completion.slice);
}

static void queue_read(struct log_thread *log, const struct frame_read *read)
{
    if (log->read_count == LOG_THREAD_READS_MAX) {
        serve_read(log);
    }
    log->reads[(log->read_first + log->read_count) % LOG_THREAD_READS_MAX] = *read;
    log->read_count++;
}

/* ---- segments ---------------------------------------------------------------------- */

static void stop_waiting(struct log_thread *log)
{
    log->is_waiting = false;
    log->resume_at_ms = 0;
}

static void ask_for_segment(struct log_thread *log)
{
    uint64_t number = 0;
    if (log->is_preparing || log->has_failed || !wal_wants_segment(log->wal, &number) ||
        (log->retry_at_ms > 0 && clock_now_ms() < log->retry_at_ms)) {
        return;
    }
    uint8_t body[8];
    store_u64(body, number);
    log->is_preparing = true;
    frame_send(log->helper, FRAME_PREPARE, view_of(body, sizeof body));
}

static void take_segment(struct log_thread *log, const struct frame_prepared *prepared)
{
    log->is_preparing = false;
    if (prepared->status == WAL_OK) {
        wal_adopt_segment(log->wal, prepared->number);
        log->retry_at_ms = 0;
        stop_waiting(log);
    } else if (prepared->status == WAL_FULL || prepared->status == WAL_UNUSABLE) {
        if (prepared->status == WAL_UNUSABLE && log->retry_at_ms == 0) {
            log_line(LOG_LEVEL_WARN, "event=segment_not_prepared text=\"%s\"",
                     prepared->sentence);
        }
        // That a disk is full is told at once; what may pass sooner, if a commit waits.
        if (prepared->status == WAL_FULL || log->is_waiting) {
            wal_set_no_room(log->wal, true);
        }
        log->retry_at_ms = clock_now_ms() + WAL_ROOM_RETRY_MS;
    } else {
        tell_failed(log, prepared->sentence);
    }
    tell_room(log);
}

/* ---- its loop ---------------------------------------------------------------------- */

static void take_request(struct log_thread *log, const struct frame *frame)
{
    struct frame_read read = {0};
    switch ((enum frame_kind)frame->kind) {
    case FRAME_RECORDS:
        buffer_append(&log->pending, frame->body.data, frame->body.bytes);
        break;
    case FRAME_READ:
        read = frame_take_read(frame->body);
        queue_read(log, &read);
        break;
    case FRAME_STOP:
        log->is_stopping = true;
        break;
    case FRAME_PREPARE:
    case FRAME_PREPARED:
        CHECK(false); // not from the engine
    }
}

/*
 * Everything queued, up to a block's worth of records; all of it while none can be
 * written.
 */
static void drain_engine(struct log_thread *log)
{
    size_t body_max = wal_block_body_max(&log->settings);
    zmq_msg_t message;
    struct frame frame = {0};
    CHECK(zmq_msg_init(&message) == 0);
    for (int i = 0; i < DRAIN_MAX && !log->is_stopping; i++) {
        bool is_enough = pending_bytes(log) >= body_max && !log->is_waiting;
        if (is_enough || !frame_receive(log->engine, &message, &frame)) {
            break;
        }
        take_request(log, &frame);
    }
    CHECK(zmq_msg_close(&message) == 0);
}

static void drain_helper(struct log_thread *log)
{
    zmq_msg_t message;
    struct frame frame = {0};
    CHECK(zmq_msg_init(&message) == 0);
    bool may_hold =
        log->is_preparing || poll_set_is_ready(&log->input, log->helper_member);
    if (may_hold && frame_receive(log->helper, &message, &frame)) {
        CHECK(log->is_preparing);
        CHECK(frame.kind == FRAME_PREPARED);
        struct frame_prepared prepared = frame_take_prepared(frame.body);
        take_segment(log, &prepared);
    }
    CHECK(zmq_msg_close(&message) == 0);
}

static bool is_due(uint64_t at_ms)
{
    return at_ms > 0 && clock_now_ms() >= at_ms;
}

/* One piece of work, the most urgent. False: there is none now. */
static bool do_one(struct log_thread *log)
{
    if (log->has_failed) {
        drop_pending(log, pending_bytes(log));
        if (log->read_count > 0) {
            serve_read(log);
            return true;
        }
        return false;
    }
    // What is due comes first: there may always be more to write and to read.
    bool must_sync = is_due(log->sync_at_ms) && (!MUTANT_IS(261) || log->read_count == 0);
    if (must_sync) {
        sync_written(log);
        return true;
    }
    if (is_due(log->resume_at_ms)) {
        stop_waiting(log);
    }
    bool can_commit = pending_bytes(log) > 0 && !log->is_waiting;
    bool may_seal = !MUTANT_IS(262) || log->read_count == 0;
    bool must_seal =
        !can_commit && may_seal && wal_wants_seal(log->wal) && is_due(log->seal_at_ms);
    if (can_commit) {
        commit(log);
    } else if (must_seal) {
        seal(log);
    }
    if (log->read_count > 0) {
        serve_read(log);
        return true;
    }
    return can_commit || must_seal;
}

/* How long nothing is due; UINT64_MAX: until a message comes. */
static uint64_t idle_ms(const struct log_thread *log)
{
    const uint64_t times_ms[] = {
        log->sync_at_ms,
        log->resume_at_ms,
        wal_wants_seal(log->wal) ? log->seal_at_ms : 0,
        log->is_preparing ? 0 : log->retry_at_ms,
    };
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        if (!log->has_failed && times_ms[i] > 0 && times_ms[i] < next_ms) {
            next_ms = times_ms[i];
        }
    }
    if (next_ms == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t now_ms = clock_now_ms();
    return next_ms > now_ms ? next_ms - now_ms : 0;
}

static void wait_for_message(struct log_thread *log)
{
    poll_set_ask(&log->input, log->engine_member); // answers went out on it
    if (log->is_preparing) {
        poll_set_ask(&log->input, log->helper_member); // an order did
    }
    poll_set_wait(&log->input, idle_ms(log));
}

/* The helper answers before it is stopped: its answer needs this end of the pair. */
static void stop_helper(struct log_thread *log)
{
    while (log->is_preparing) {
        zmq_pollitem_t item = {.socket = log->helper, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, -1);
        drain_helper(log);
    }
    frame_send(log->helper, FRAME_STOP, view_of(NULL, 0));
}

/* The last words. That they failed is told by wal_thread_stop(): nobody receives now. */
static void finish(struct log_thread *log)
{
    bool had_failed = log->has_failed;
    if (wal_wants_seal(log->wal)) {
        seal(log); // a last block that nothing follows could not be told from a tear
    }
    if (!log->has_failed && !MUTANT_IS(267)) {
        sync_written(log);
    }
    if (log->has_failed && !had_failed) {
        log_line(LOG_LEVEL_ERROR, "event=disk_failed text=\"%s\"", wal_error(log->wal));
    }
    wal_close(&log->wal);
}

void *log_thread_run(void *context)
{
    struct log_thread *log = context;
    log->engine_member = poll_set_add_socket(&log->input, log->engine);
    log->helper_member = poll_set_add_socket(&log->input, log->helper);
    wal_leave_preparing(log->wal);
    tell_room(log);
    if (!log->has_told_room) {
        log->retry_at_ms = clock_now_ms() + WAL_ROOM_RETRY_MS;
    }
    while (true) {
        drain_engine(log);
        drain_helper(log);
        ask_for_segment(log);
        if (do_one(log)) {
            continue;
        }
        if (log->is_stopping) {
            break; // what waits for room was never acknowledged
        }
        wait_for_message(log);
    }
    stop_helper(log);
    finish(log);
    buffer_fini(&log->pending);
    (void)zmq_close(log->engine);
    (void)zmq_close(log->helper);
    return NULL;
}
