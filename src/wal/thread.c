/*
 * Two threads. The log thread owns the wal: it drains what is queued, writes one block,
 * answers; in between it serves reads, one at a time, seals after 20 ms of silence, and
 * in durability interval syncs when it is time. The helper does one thing: zero-fill
 * the next segment when asked.
 *
 *   engine  == PAIR ==  log thread  == PAIR ==  helper
 *
 * All four sockets are made before the threads are; starting a thread is a full memory
 * barrier, and from then on each socket is used by its own thread only.
 */
#include "wal/thread.h"

#include "wal/frames.h"
#include "wal/segment.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { READS_MAX = 64, DRAIN_MAX = 4096, ENDPOINT_BYTES = 64, POLL_ITEMS = 2 };

enum { NO_TIME_MS = -1 };

struct pair {
    void *near;
    void *far;
};

struct helper {
    pthread_t thread;
    void *socket;
    struct files files;
    struct wal_settings settings;
};

struct log_thread {
    struct wal *wal;
    void *engine; // socket
    void *helper; // socket
    struct wal_settings settings;
    uint32_t interval_ms;
    _Atomic uint64_t *sync_started_us;  // 0: none is in flight
    struct cs_buffer pending;           // records not yet committed
    size_t pending_at;                  // they begin here
    struct frame_read reads[READS_MAX]; // a ring
    uint32_t read_first;
    uint32_t read_count;
    uint64_t seal_at_ms;  // when wal_wants_seal()
    uint64_t sync_at_ms;  // durability interval: when written blocks are due; 0: none are
    uint64_t retry_at_ms; // the disk is full: when to try again; 0: it is not
    bool is_preparing;    // the helper is at work
    bool has_told_room;   // last told to the engine
    bool is_waiting;      // a commit waits for a segment
    bool has_failed;
    bool is_stopping;
};

struct wal_thread {
    void *socket;
    pthread_t thread;
    struct log_thread log;
    struct helper helper;
    _Atomic uint64_t sync_started_us;
    uint64_t slow_told_us; // of the sync that began at slow_started_us
    uint64_t slow_started_us;
};

static void *run_log(void *context);
static void *run_helper(void *context);

/*
 * ---- the engine's side
 * ----------------------------------------------------------------
 */

static void *open_socket(void *zmq_context)
{
    void *socket = zmq_socket(zmq_context, ZMQ_PAIR);
    int none = 0;
    if (socket != NULL) {
        CHECK(zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) == 0);
        CHECK(zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) == 0);
        CHECK(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0);
    }
    return socket;
}

static void close_pair(struct pair *pair)
{
    if (pair->near != NULL) {
        (void)zmq_close(pair->near);
    }
    if (pair->far != NULL) {
        (void)zmq_close(pair->far);
    }
    *pair = (struct pair){0};
}

static bool
open_pair(void *zmq_context, const char *name, const void *owner, struct pair *pair)
{
    char endpoint[ENDPOINT_BYTES];
    (void)snprintf(endpoint, sizeof endpoint, "inproc://wal-%s-%p", name, owner);
    pair->near = open_socket(zmq_context);
    pair->far = open_socket(zmq_context);
    return pair->near != NULL && pair->far != NULL &&
           zmq_bind(pair->near, endpoint) == 0 && zmq_connect(pair->far, endpoint) == 0;
}

static bool start_threads(struct wal_thread *thread)
{
    if (pthread_create(&thread->helper.thread, NULL, run_helper, &thread->helper) != 0) {
        return false;
    }
    if (pthread_create(&thread->thread, NULL, run_log, &thread->log) != 0) {
        frame_send(thread->log.helper, FRAME_STOP, view_of(NULL, 0));
        CHECK(pthread_join(thread->helper.thread, NULL) == 0);
        return false;
    }
    return true;
}

struct wal_thread *wal_thread_start(void *zmq_context,
                                    struct wal **wal,
                                    const struct files *files,
                                    const struct wal_settings *settings,
                                    uint32_t interval_ms)
{
    struct wal_thread *thread = calloc(1, sizeof *thread);
    CHECK(thread != NULL);
    struct pair engine = {0};
    struct pair helper = {0};
    bool is_open = open_pair(zmq_context, "engine", thread, &engine) &&
                   open_pair(zmq_context, "helper", thread, &helper);
    thread->socket = engine.near;
    thread->helper =
        (struct helper){.socket = helper.far, .files = *files, .settings = *settings};
    thread->log = (struct log_thread){
        .wal = *wal,
        .engine = engine.far,
        .helper = helper.near,
        .settings = *settings,
        .interval_ms = interval_ms,
        .sync_started_us = &thread->sync_started_us,
        .has_told_room = true,
    };
    if (!is_open || !start_threads(thread)) {
        close_pair(&engine);
        close_pair(&helper);
        free(thread);
        return NULL;
    }
    *wal = NULL;
    return thread;
}

void *wal_thread_socket(struct wal_thread *thread)
{
    return thread->socket;
}

void wal_thread_append(struct wal_thread *thread, struct cs_view records)
{
    CHECK(records.bytes > 0);
    frame_send(thread->socket, FRAME_RECORDS, records);
}

void wal_thread_read(struct wal_thread *thread,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie)
{
    const struct frame_read read = {
        .first = first,
        .last = last,
        .max_entries = max_entries,
        .max_bytes = max_bytes,
        .cookie = cookie,
    };
    frame_send_read(thread->socket, &read);
}

/*
 * A sync in flight for another 100 ms (E6): seen from here, so that a hung disk cannot
 * hide it.
 */
static bool notice_slow(struct wal_thread *thread, struct wal_completion *out_completion)
{
    uint64_t started_us = atomic_load(&thread->sync_started_us);
    if (started_us == 0) {
        return false;
    }
    if (started_us != thread->slow_started_us) {
        thread->slow_started_us = started_us;
        thread->slow_told_us = 0;
    }
    uint64_t taken_us = clock_now_us() - started_us;
    if (taken_us < thread->slow_told_us + WAL_SLOW_US) {
        return false;
    }
    thread->slow_told_us = taken_us;
    *out_completion =
        (struct wal_completion){.kind = WAL_COMPLETION_SLOW, .sync_us = taken_us};
    return true;
}

bool wal_thread_receive(struct wal_thread *thread, struct wal_completion *out_completion)
{
    zmq_msg_t message;
    struct frame frame = {0};
    CHECK(zmq_msg_init(&message) == 0);
    bool is_there = frame_receive(thread->socket, &message, &frame);
    if (is_there) {
        frame_take_completion(&frame, out_completion);
    }
    CHECK(zmq_msg_close(&message) == 0);
    return is_there || notice_slow(thread, out_completion);
}

void wal_thread_stop(struct wal_thread **thread)
{
    struct wal_thread *self = *thread;
    if (self == NULL) {
        return;
    }
    *thread = NULL;
    frame_send(self->socket, FRAME_STOP, view_of(NULL, 0));
    CHECK(pthread_join(self->thread, NULL) == 0);
    CHECK(pthread_join(self->helper.thread, NULL) == 0);
    (void)zmq_close(self->socket);
    free(self);
}

/*
 * ---- the log thread: telling
 * ----------------------------------------------------------
 */

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

/*
 * ---- the log thread: blocks
 * -----------------------------------------------------------
 */

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

static void commit(struct log_thread *log)
{
    struct cs_view records = next_block(log);
    struct wal_commit done = {0};
    begin_sync(log);
    enum wal_status status = wal_commit(log->wal, records, &done);
    uint64_t sync_us = end_sync(log);
    log->is_waiting = status == WAL_FULL; // until the helper has made a segment
    if (status == WAL_FULL) {
        return;
    }
    if (status != WAL_OK) {
        tell_failed(log, wal_error(log->wal));
        return;
    }
    const struct wal_completion completion = {
        .kind = WAL_COMPLETION_DURABLE,
        .token = done.token,
        .block = done.block,
        .sync_us = sync_us,
    };
    frame_send_completion(log->engine, &completion);
    drop_pending(log, records.bytes);
    plan_after_commit(log);
}

static void seal(struct log_thread *log)
{
    begin_sync(log);
    enum wal_status status = wal_seal(log->wal);
    (void)end_sync(log);
    if (status == WAL_FAILED) {
        tell_failed(log, wal_error(log->wal));
    }
}

static void sync_written(struct log_thread *log)
{
    log->sync_at_ms = 0;
    begin_sync(log);
    enum wal_status status = wal_sync(log->wal);
    (void)end_sync(log);
    if (status != WAL_OK) {
        tell_failed(log, wal_error(log->wal));
    }
}

/*
 * ---- the log thread: reads
 * ------------------------------------------------------------
 */

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
    log->read_first = (log->read_first + 1) % READS_MAX;
    log->read_count--;
    frame_send_completion(log->engine, &completion);
    wal_slice_fini(&completion.slice);
}

static void queue_read(struct log_thread *log, const struct frame_read *read)
{
    if (log->read_count == READS_MAX) {
        serve_read(log);
    }
    log->reads[(log->read_first + log->read_count) % READS_MAX] = *read;
    log->read_count++;
}

/*
 * ---- the log thread: segments
 * ---------------------------------------------------------
 */

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
    if (prepared->status == WAL_FULL) {
        wal_set_no_room(log->wal, true);
        log->retry_at_ms = clock_now_ms() + WAL_ROOM_RETRY_MS;
    } else if (prepared->status == WAL_OK) {
        wal_adopt_segment(log->wal, prepared->number);
        log->retry_at_ms = 0;
        log->is_waiting = false;
    } else {
        tell_failed(log, prepared->sentence);
    }
    tell_room(log);
}

/*
 * ---- the log thread: its loop
 * ---------------------------------------------------------
 */

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
    if (log->is_preparing && frame_receive(log->helper, &message, &frame)) {
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
    bool can_commit = pending_bytes(log) > 0 && !log->is_waiting;
    if (can_commit) {
        commit(log);
    }
    if (log->read_count > 0) {
        serve_read(log);
        return true;
    }
    if (can_commit) {
        return true;
    }
    if (is_due(log->sync_at_ms)) {
        sync_written(log);
        return true;
    }
    if (wal_wants_seal(log->wal) && is_due(log->seal_at_ms)) {
        seal(log);
        return true;
    }
    return false;
}

/* How long nothing is due; NO_TIME_MS: until a message comes. */
static long idle_ms(const struct log_thread *log)
{
    uint64_t next_ms = UINT64_MAX;
    if (!log->has_failed && log->sync_at_ms > 0) {
        next_ms = log->sync_at_ms;
    }
    if (wal_wants_seal(log->wal) && !log->has_failed && log->seal_at_ms < next_ms) {
        next_ms = log->seal_at_ms;
    }
    bool will_retry = log->retry_at_ms > 0 && !log->is_preparing && !log->has_failed;
    if (will_retry && log->retry_at_ms < next_ms) {
        next_ms = log->retry_at_ms;
    }
    if (next_ms == UINT64_MAX) {
        return NO_TIME_MS;
    }
    uint64_t now_ms = clock_now_ms();
    return next_ms > now_ms ? (long)(next_ms - now_ms) : 0;
}

static void wait_for_message(struct log_thread *log)
{
    zmq_pollitem_t items[POLL_ITEMS] = {
        {.socket = log->engine, .events = ZMQ_POLLIN},
        {.socket = log->helper, .events = ZMQ_POLLIN},
    };
    // An interrupted wait is a wait that ended early.
    (void)zmq_poll(items, POLL_ITEMS, idle_ms(log));
}

/* The helper answers before it is stopped: its answer needs this end of the pair. */
static void stop_helper(struct log_thread *log)
{
    while (log->is_preparing) {
        zmq_pollitem_t item = {.socket = log->helper, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, NO_TIME_MS);
        drain_helper(log);
    }
    frame_send(log->helper, FRAME_STOP, view_of(NULL, 0));
}

static void *run_log(void *context)
{
    struct log_thread *log = context;
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
    wal_close(&log->wal);
    buffer_fini(&log->pending);
    (void)zmq_close(log->engine);
    (void)zmq_close(log->helper);
    return NULL;
}

/*
 * ---- the helper
 * -----------------------------------------------------------------------
 */

static void prepare(struct helper *helper, uint64_t number)
{
    struct frame_prepared prepared = {.number = number};
    prepared.status =
        segment_prepare(&helper->files, helper->settings.segment_bytes, number,
                        prepared.sentence, sizeof prepared.sentence);
    frame_send_prepared(helper->socket, &prepared);
}

static void *run_helper(void *context)
{
    struct helper *helper = context;
    zmq_msg_t message;
    CHECK(zmq_msg_init(&message) == 0);
    bool is_stopping = false;
    while (!is_stopping) {
        zmq_pollitem_t item = {.socket = helper->socket, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, NO_TIME_MS);
        struct frame frame = {0};
        while (!is_stopping && frame_receive(helper->socket, &message, &frame)) {
            if (frame.kind == FRAME_PREPARE) {
                CHECK(frame.body.bytes == 8);
                prepare(helper, load_u64(frame.body.data));
            } else {
                is_stopping = true;
            }
        }
    }
    CHECK(zmq_msg_close(&message) == 0);
    (void)zmq_close(helper->socket);
    return NULL;
}
