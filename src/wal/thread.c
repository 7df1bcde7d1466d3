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
#include "wal/log_thread.h"
#include "wal/segment.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mutant.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { ENDPOINT_BYTES = 64, NO_TIME_MS = -1 };

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

struct wal_thread {
    void *socket;
    pthread_t thread;
    struct log_thread log;
    struct helper helper;
    _Atomic uint64_t sync_started_us;
    uint64_t slow_told_us; // of the sync that began at slow_started_us
    uint64_t slow_started_us;
};

static void *run_helper(void *context);

/* ---- the engine's side ------------------------------------------------------------- */

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
    CHECK(pair->near == NULL || zmq_close(pair->near) == 0);
    CHECK(pair->far == NULL || zmq_close(pair->far) == 0);
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

/* False: none runs. A helper that was started has closed its socket then. */
static bool start_threads(struct wal_thread *thread)
{
    if (pthread_create(&thread->helper.thread, NULL, run_helper, &thread->helper) != 0) {
        return false;
    }
    if (pthread_create(&thread->thread, NULL, log_thread_run, &thread->log) != 0) {
        frame_send(thread->log.helper, FRAME_STOP, view_of(NULL, 0));
        CHECK(pthread_join(thread->helper.thread, NULL) == 0);
        thread->helper.socket = MUTANT_IS(268) ? thread->helper.socket : NULL;
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
        helper.far = thread->helper.socket;
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
 * The begin of a sync that has been in flight for another 100 ms (E6); 0: there is none.
 * Seen from here, so that a hung disk cannot hide it.
 */
static uint64_t slow_since_us(const struct wal_thread *thread)
{
    uint64_t started_us = atomic_load(&thread->sync_started_us);
    uint64_t told_us = started_us == thread->slow_started_us ? thread->slow_told_us : 0;
    bool is_slow =
        started_us != 0 && clock_now_us() - started_us >= told_us + WAL_SLOW_US;
    return is_slow ? started_us : 0;
}

bool wal_thread_is_slow(const struct wal_thread *thread)
{
    return slow_since_us(thread) != 0;
}

static bool notice_slow(struct wal_thread *thread, struct wal_completion *out_completion)
{
    uint64_t started_us = slow_since_us(thread);
    if (started_us == 0) {
        return false;
    }
    thread->slow_started_us = started_us;
    thread->slow_told_us = clock_now_us() - started_us;
    *out_completion = (struct wal_completion){.kind = WAL_COMPLETION_SLOW,
                                              .sync_us = thread->slow_told_us};
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

enum wal_status wal_thread_stop(struct wal_thread **thread)
{
    struct wal_thread *self = *thread;
    if (self == NULL) {
        return WAL_OK;
    }
    *thread = NULL;
    frame_send(self->socket, FRAME_STOP, view_of(NULL, 0));
    CHECK(pthread_join(self->thread, NULL) == 0);
    CHECK(pthread_join(self->helper.thread, NULL) == 0);
    enum wal_status status = self->log.has_failed ? WAL_FAILED : WAL_OK;
    (void)zmq_close(self->socket);
    free(self);
    return status;
}

/* ---- the helper -------------------------------------------------------------------- */

static void prepare(struct helper *helper, uint64_t number)
{
    struct frame_prepared prepared = {.number = number};
    prepared.status =
        segment_prepare(&helper->files, helper->settings.segment_bytes, number,
                        prepared.sentence, sizeof prepared.sentence);
    frame_send_prepared(helper->socket, &prepared);
}

/* Every order there is. False: it was the last. */
static bool obey(struct helper *helper, zmq_msg_t *message)
{
    struct frame frame = {0};
    while (frame_receive(helper->socket, message, &frame)) {
        if (frame.kind != FRAME_PREPARE) {
            return false;
        }
        CHECK(frame.body.bytes == 8);
        prepare(helper, load_u64(frame.body.data));
    }
    return true;
}

static void *run_helper(void *context)
{
    struct helper *helper = context;
    zmq_msg_t message;
    CHECK(zmq_msg_init(&message) == 0);
    do {
        zmq_pollitem_t item = {.socket = helper->socket, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, NO_TIME_MS);
    } while (obey(helper, &message));
    CHECK(zmq_msg_close(&message) == 0);
    (void)zmq_close(helper->socket);
    return NULL;
}
