/*
 * wal_rig.h - a log on its thread, over a shared disk, beside its twin.
 *
 * Thread: the test's, in the engine's place.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_WAL_RIG_H
#define CONSENS_TESTS_UNIT_SUPPORT_WAL_RIG_H

#include "support/log_fixture.h"
#include "unit/support/shared_disk.h"
#include "wal/thread.h"

enum { WAL_RIG_INTERVAL_MS = 10, WAL_RIG_PATIENCE_MS = 20 * 1000 };

struct wal_rig {
    void *zmq_context;
    struct log_fixture *log; // its wal is the thread's while that runs
    struct shared_disk disk;
    struct wal_thread *thread;
    struct wal_completion completion; // the last one received
    uint64_t durable_token;           // of the last DURABLE
    bool is_repeated;                 // the last one tells no new token
};

/* For cmocka: *state becomes the rig; settings may be changed until it is started. */
int wal_rig_set_up(void **state);
int wal_rig_tear_down(void **state);
void wal_rig_start(struct wal_rig *rig);

/* Queues records; they are the twin's too. */
void wal_rig_append(struct wal_rig *rig, uint32_t count, uint32_t payload_bytes);
void wal_rig_promise(struct wal_rig *rig);
/* Asks for a slice, whatever its bytes. */
void wal_rig_read(struct wal_rig *rig,
                  cs_slot first,
                  cs_slot last,
                  uint32_t entries_max,
                  uint64_t cookie);

/* The next completion, within a deadline. */
const struct wal_completion *wal_rig_receive(struct wal_rig *rig);
/*
 * ... which must be of this kind. Any sync may be slow where the machine lets the log's thread
 * stand still: what says only that is passed over, and so is its end.
 */
const struct wal_completion *wal_rig_receive_kind(struct wal_rig *rig,
                                                  enum wal_completion_kind kind);
/* ... the answer to a read. The caller calls wal_slice_fini(&rig->completion.slice). */
const struct wal_completion *wal_rig_receive_slice(struct wal_rig *rig, uint64_t cookie);
/* Until all that was queued is durable. */
void wal_rig_receive_durable(struct wal_rig *rig);
/* A record is durable, and the seal behind it has begun and waits for the hold to end. */
void wal_rig_hold_seal(struct wal_rig *rig);

/* A millisecond, to wait for what no completion tells; fails after the deadline. */
void wal_rig_pause(uint64_t deadline_ms);
uint64_t wal_rig_deadline_ms(void);

/* Stops the thread and opens the log again: what is durable is what the twin says. */
void wal_rig_assert_durable(struct wal_rig *rig);

#endif
