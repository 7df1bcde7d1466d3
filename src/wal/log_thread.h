/*
 * log_thread.h - the thread that owns the wal (thread.c starts it).
 *
 * Thread: log_thread_run() is the thread; the struct is filled in before it starts.
 */
#ifndef CONSENS_WAL_LOG_THREAD_H
#define CONSENS_WAL_LOG_THREAD_H

#include "wal/frames.h"

#include "base/poll_set.h"

#include <stdatomic.h>

enum { LOG_THREAD_READS_MAX = 64 }; // waiting between blocks; one more is served at once

struct log_thread {
    struct wal *wal;
    void *engine; // socket
    void *helper; // socket
    struct poll_set input;
    uint32_t engine_member; // of input
    uint32_t helper_member;
    struct wal_settings settings;
    uint32_t interval_ms;
    _Atomic uint64_t *sync_started_us;             // 0: none is in flight
    struct cs_buffer pending;                      // records not yet committed
    size_t pending_at;                             // they begin here
    uint64_t durable_token;                        // as last told to the engine
    uint64_t durable_block;                        // the same
    struct frame_read reads[LOG_THREAD_READS_MAX]; // a ring
    uint32_t read_first;
    uint32_t read_count;
    uint64_t seal_at_ms;  // when wal_wants_seal()
    uint64_t sync_at_ms;  // durability interval: when written blocks are due; 0: none are
    uint64_t retry_at_ms; // the helper made no segment: when to ask again; 0: it did
    uint64_t resume_at_ms; // is_waiting: when to try that commit again; 0: not by time
    bool is_preparing;     // the helper is at work
    bool has_told_room;    // last told to the engine
    bool is_waiting;       // a commit waits for a segment
    bool has_failed;
    bool is_stopping;
};

/*
 * `context` is a struct log_thread. Ends after FRAME_STOP, with wal and sockets closed.
 */
void *log_thread_run(void *context);

#endif
