/*
 * wal.h - the replicated log on disk: blocks in zero-filled recycled segments, a
 * superblock in four copies, one recovery table.
 *
 * One block is one group commit: one write, one sync; one block is in flight. Every
 * block header carries epoch, promised, accepted ballot, length and chain before and
 * after it, and the digest of the block before (PAXOS 4.2; byte table in block.c). This
 * layer is synchronous and single-threaded: thread.h runs it on a thread of its own,
 * the simulator calls it directly.
 *
 * Errors: any failed write or sync is WAL_FAILED and final: the log refuses everything
 * after it, nothing is retried (PAXOS 4.2, fsyncgate). Untrusted bytes (the files)
 * never reach a CHECK.
 *
 * Thread: one owner at a time.
 */
#ifndef CONSENS_WAL_WAL_H
#define CONSENS_WAL_WAL_H

#include "base/bytes.h"
#include "wal/files.h"

#include <consens/paxos.h>

enum wal_status {
    WAL_OK = 0,
    WAL_FULL,     // no further segment now: nothing was written, nothing is broken
    WAL_FAILED,   // a write or sync failed: stop voting, end the process (exit 74)
    WAL_DAMAGED,  // bytes in the middle do not hash: file, offset in words (exit 65)
    WAL_AMNESIA,  // superblock or blocks below its floor are missing (exit 65)
    WAL_LOCKED,   // another process holds the directory (exit 73, EX_CANTCREAT)
    WAL_UNUSABLE, // cannot be made, opened or written; network file system (exit 73)
    WAL_VERSION,  // written by another release (exit 65)
};

enum wal_durability { WAL_SYNC = 0, WAL_INTERVAL, WAL_NONE };

struct wal_settings {
    uint64_t segment_bytes;  // multiple of 4 KiB, at least 64 KiB; 64 MiB
    uint32_t ready_segments; // kept zero-filled ahead: 2; at most 8
    uint32_t durability;     // enum wal_durability
    uint32_t ring_entries;   // how many identities recovery hands to the core
    uint64_t ring_bytes;     // payload bytes of decided slots among them
    uint64_t window_entries; // of the ring, left free for what comes
    bool is_alone;           // one node: an end that only peers would remember is refused
    struct paxos_id fresh_incarnation; // used when the directory is formatted now
    const uint64_t *buggify; // tests only: set of base/buggify.h, the caller's; or NULL
};

struct wal;

/*
 * Slots first .. last, whose bytes on disk are lost. A copy is the right one if it goes
 * on from `before_chain` and, where that is known, ends at `after_chain`.
 */
struct wal_fault {
    cs_slot first;
    cs_slot last;
    struct paxos_digest before_chain; // chain(first - 1)
    struct paxos_digest after_chain;  // chain(last), if knows_after
    bool knows_after;
};

/* Where something that was durable does not hash any more, as found at start. */
struct wal_damage {
    uint64_t segment;
    uint64_t from_bytes;
    uint64_t to_bytes;    // where the log goes on; UINT64_MAX: not in this file
    uint64_t first_block; // missing ones; last_block < first_block: none, a header only
    uint64_t last_block;
};

struct wal_recovery {
    bool is_fresh; // never started before: no past
    struct paxos_id incarnation;
    uint64_t boot; // this start's, already durable
    struct paxos_recovered
        core; // tail points into memory owned by the wal until wal_forget_tail()
    uint64_t torn_blocks;    // cut at the end
    uint32_t damaged_places; // wal_damages()
    uint32_t fault_count;    // wal_faults(): runs of slots to be repaired from peers
    char sentence[512];      // of any status but WAL_OK: what happened, why, what to do
};

/*
 * Opens or formats the log, recovers, bumps boot, writes a fresh block with the
 * recovered state and syncs it, prepares ready segments. On any other status *out_wal
 * is NULL.
 */
enum wal_status wal_open(struct wal **out_wal,
                         const struct files *files,
                         const struct wal_settings *settings,
                         struct wal_recovery *out_recovery);
void wal_forget_tail(struct wal *wal);
/* Places found damaged at start. Valid as long as the wal. */
const struct wal_damage *wal_damages(const struct wal *wal, size_t *out_count);
/* Slots that are lost now. Valid until the next commit or read. */
const struct wal_fault *wal_faults(const struct wal *wal, size_t *out_count);
/*
 * Makes durable what is not (durability interval or none), unless the log has failed.
 * Whoever must know that it worked calls wal_sync() before.
 */
void wal_close(struct wal **wal);

/*
 * The bytes of one record, appended to `out`: the caller's side of a commit. `entries`
 * carry their chains (paxos_entry_at). `config` and `watermarks` go into the superblock
 * with PROMISE, SYNC and CONFIG records; always pass them. Call before the next step of
 * the core.
 */
void wal_pack_record(struct cs_buffer *out,
                     const struct paxos_persist *persist,
                     const struct paxos_entry *entries,
                     const struct cs_view *payloads,
                     const struct paxos_config *config,
                     const struct paxos_watermark *watermarks);

struct wal_commit {
    uint64_t token; // the last record's
    uint64_t block; // number of the block written
};

/*
 * Writes packed records (one or more, whole, in order of tokens) as one block, syncs
 * it, then the superblock if a record asks for it. On return everything is durable
 * (with durability interval and none: written). WAL_FULL: nothing written. At most
 * wal_block_body_max() bytes of records.
 */
enum { WAL_BLOCK_BODY_MAX = 24 * 1024 * 1024 };
size_t wal_block_body_max(const struct wal_settings *settings);
enum wal_status
wal_commit(struct wal *wal, struct cs_view records, struct wal_commit *out_commit);

/* Bytes of the first packed record of `records`, which holds whole records. */
size_t wal_record_bytes(struct cs_view records);

/* For durability interval and none: makes everything written durable. No-op if it is. */
enum wal_status wal_sync(struct wal *wal);

/*
 * An empty block after 20 ms without another, so that the last real one is not
 * ambiguous. No-op if done.
 */
enum wal_status wal_seal(struct wal *wal);
bool wal_wants_seal(const struct wal *wal);

/*
 * Zero-fills and syncs one more segment if fewer than ready_segments are ready. May
 * take long. Thread: may run on a helper while the owner commits (it touches only files
 * named prepare-N), handed over by wal_adopt_segment() on the owner. WAL_FULL if the
 * disk has no room, WAL_UNUSABLE if too many files are open: try again later.
 */
enum wal_status wal_prepare_segment(const struct files *files,
                                    const struct wal_settings *settings,
                                    uint64_t number);
bool wal_wants_segment(const struct wal *wal, uint64_t *out_number);
void wal_adopt_segment(struct wal *wal, uint64_t number);

/*
 * From now on a commit that finds no ready segment answers WAL_FULL at once instead of
 * making one itself: somebody else prepares and adopts them.
 */
void wal_leave_preparing(struct wal *wal);

/*
 * Room for growing writes: false when the next segment could not be made, or the last
 * commit could not begin it (507).
 */
bool wal_has_room(const struct wal *wal);
void wal_set_no_room(struct wal *wal, bool is_full);

/*
 * Entries first..last from disk, as many as fit max_entries / max_bytes of payload
 * (always one). None if the log has meanwhile become shorter than `first`. Slots must
 * be durable. Lost slots end the slice: `fault` says which (none: first = 0). A block
 * that has rotted since it was last read is found here; from then on its slots are lost.
 */
struct wal_slice {
    uint32_t entry_count;
    struct paxos_entry *entries; // owned by the slice; with chains
    struct cs_view *payloads;    // into bytes
    struct cs_buffer bytes;
    struct paxos_digest before_chain; // chain(first - 1), unless it is lost
    bool is_before_lost;
    struct wal_fault fault; // why it ends here, if it does
};
enum wal_status wal_read(struct wal *wal,
                         cs_slot first,
                         cs_slot last,
                         uint32_t max_entries,
                         uint64_t max_bytes,
                         struct wal_slice *out_slice);
void wal_slice_fini(struct wal_slice *slice);

/* After WAL_FAILED, WAL_DAMAGED: file, offset, errno in words. */
const char *wal_error(const struct wal *wal);

#endif
