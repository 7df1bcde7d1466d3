/*
 * thread.h - the log on a thread of its own: records in, durable tokens out, by inproc
 * frames.
 *
 * The engine sends records as they come; the thread takes everything queued (up to the
 * block limit), writes one block, syncs once, answers with one completion: natural group
 * commit. A second helper thread prepares segments ahead. Only bytes cross.
 *
 * Requests (one frame each): type byte, then   RECORDS: packed records   READ: first,
 * last, cookie Completions:               type byte, then   DURABLE: token, block,
 * sync_us   SLICE: cookie, ...
 *                                              ROOM: 0|1   FAILED: sentence
 * SLOW comes from no frame: wal_thread_receive() sees how long the sync in flight has
 * taken.
 *
 * Thread: wal_thread_* by the engine only.
 */
#ifndef CONSENS_WAL_THREAD_H
#define CONSENS_WAL_THREAD_H

#include "base/bytes.h"
#include "wal/wal.h"

struct wal_thread;

enum { WAL_SLOW_US = 100 * 1000, WAL_SEAL_AFTER_MS = 20, WAL_ROOM_RETRY_MS = 1000 };

enum wal_completion_kind {
    WAL_COMPLETION_DURABLE = 1, // or: a slow sync without records has ended
    WAL_COMPLETION_SLICE,
    WAL_COMPLETION_ROOM, // has_room has changed; true at the start
    WAL_COMPLETION_SLOW, // a sync is in flight for 100 ms or more; told again each 100 ms
    WAL_COMPLETION_FAILED, // the last one: nothing is durable after it
};

struct wal_completion {
    uint32_t kind;
    uint64_t token;
    uint64_t block;
    uint64_t sync_us;
    uint64_t cookie;
    bool has_room;
    enum wal_status status; // SLICE: WAL_OK or why not; FAILED
    struct wal_slice slice; // SLICE: the receiver owns it: wal_slice_fini()
    char sentence[512];     // FAILED; SLICE that is not WAL_OK
};

/*
 * Takes the opened wal over. `zmq_context` is the process's. `files` and `settings` are
 * copied. NULL, with the wal left to the caller: no more sockets or threads.
 */
struct wal_thread *wal_thread_start(void *zmq_context,
                                    struct wal **wal,
                                    const struct files *files,
                                    const struct wal_settings *settings,
                                    uint32_t interval_ms);
/* The ZeroMQ socket to poll for completions. */
void *wal_thread_socket(struct wal_thread *thread);
/*
 * Queues bytes of wal_pack_record(): whole records, at most wal_block_body_max() each.
 * Never blocks, never refuses: the core bounds it (core_disk_keeps_up()).
 */
void wal_thread_append(struct wal_thread *thread, struct cs_view records);
void wal_thread_read(struct wal_thread *thread,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie);
/* Whether a sync in flight for long is still to be told: no frame wakes anybody for it. */
bool wal_thread_is_slow(const struct wal_thread *thread);
/* False when none is there. */
bool wal_thread_receive(struct wal_thread *thread, struct wal_completion *out_completion);
/*
 * Finishes what is queued, syncs, closes. WAL_FAILED: the log has failed, if not before,
 * then in that.
 */
enum wal_status wal_thread_stop(struct wal_thread **thread);

#endif
