/*
 * internal.h - the log from inside, shared by wal.c, open.c, scan.c and slices.c.
 *
 *   synced_block <= block; blocks up to synced_block are durable
 *   each of slots 1 .. state.length is in `extents` or in `faults`
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_INTERNAL_H
#define CONSENS_WAL_INTERNAL_H

#include "base/buggify.h"
#include "base/marks.h"
#include "wal/block.h"
#include "wal/extents.h"
#include "wal/faults.h"
#include "wal/log_state.h"
#include "wal/segment.h"
#include "wal/superblock.h"
#include "wal/tail.h"
#include "wal/wal.h"

enum {
    WAL_READY_SEGMENTS_MAX = 8,
    WAL_SENTENCE_BYTES = 512,
    WAL_READ_CHUNK_BYTES = EXTENT_SPAN_BYTES,
    WAL_READ_IDLE_BYTES = 1024 * 1024, // a larger window is given back after a read
};

struct wal_segment { // the one being appended to
    uint64_t number; // 0: none yet
    uint64_t generation;
    uint64_t seed;
    uint64_t bytes;
    uint64_t offset; // where the next block goes
    int handle;
    bool is_open;
};

struct wal {
    struct files files;
    struct wal_settings settings;
    struct log_state state;
    struct superblock superblock; // the last value read or written
    struct superblock_file superblock_file;
    uint64_t boot;
    uint64_t block;        // number of the last block
    uint64_t record_block; // of the last one that peers are told of (record_any_counts)
    uint64_t synced_block;
    struct cs_digest digest; // of the last block
    struct wal_segment segment;
    uint64_t ready_count; // segment.number + 1 .. + ready_count are ready
    uint8_t *buffer;      // one block of the largest size
    struct extents extents;
    struct faults faults;
    struct wal_damage *damages; // as found at start
    size_t damage_count;
    uint64_t *seeds; // block_seed() of log-1, log-2, ...
    uint64_t seed_count;
    struct segment_reader reader;
    uint64_t reader_active;   // segment being written when `reader` was last used
    struct paxos_entry *tail; // as recovered, until wal_forget_tail()
    bool wants_seal;
    bool is_full;
    bool cannot_begin; // the last commit: a segment is ready, but could not be begun
    bool has_helper;   // somebody else makes segments: commits do not
    bool has_failed;
    char error[WAL_SENTENCE_BYTES];
};

/* Keeps the sentence; WAL_FAILED makes it final. Answers `status`. */
enum wal_status wal_say(struct wal *wal, enum wal_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Remembers the seed of the next segment; they come in order. */
void wal_add_seed(struct wal *wal, uint64_t seed);

/*
 * Opens ready-N, writes its header, makes it log-N. WAL_FULL: none is ready nor can be
 * made, or it cannot be begun now; nothing is broken.
 */
enum wal_status wal_next_segment(struct wal *wal);

/*
 * Writes one block: the body lies at wal->buffer + BLOCK_HEADER_BYTES, `after` is the
 * state with its records. Durable on return with durability sync, or if `is_durable`.
 */
struct wal_block_plan {
    size_t body_bytes;
    uint32_t record_count;
    cs_slot first_slot;
    bool is_durable;
};
enum wal_status wal_write_block(struct wal *wal,
                                const struct wal_block_plan *plan,
                                const struct log_state *after);

/* Notes where the records of block wal->block, at `offset` of `segment`, put entries. */
void wal_note_entries(struct wal *wal,
                      struct cs_view body,
                      uint64_t segment,
                      uint64_t offset);

/* The superblock as of wal->state; everything before it is made durable first. */
enum wal_status wal_write_superblock(struct wal *wal);

#endif
