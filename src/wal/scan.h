/*
 * scan.h - reading the log once, at start: scan.c goes from block to block, damage.c
 * finds where it goes on behind a damaged place.
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_SCAN_H
#define CONSENS_WAL_SCAN_H

#include "wal/internal.h"

struct scan_result {
    bool is_torn;          // something was cut
    uint64_t blank_bytes;  // in the last segment: from here on there are only zeros
    uint64_t last_segment; // where the last block lies; 0: there is none
    uint64_t last_offset;
    size_t last_bytes;
    uint64_t highest_boot; // in any block
};

/*
 * Reads log-1 .. log-N (`segment_count`), each place judged by the recovery table, into
 * the wal's state, extents, faults, seeds, block, digest and segment (not opened for
 * writing), and into `tail`. Changes nothing on disk.
 */
enum wal_status scan_log(struct wal *wal,
                         uint64_t segment_count,
                         struct tail *tail,
                         struct scan_result *out_result);

/* ---- shared by scan.c and damage.c ------------------------------------------------- */

struct scan {
    struct wal *wal;
    struct segment_reader reader;
    struct tail *tail;
    struct scan_result *result;
    uint64_t segment_count;
    uint64_t number; // of the segment being read
    uint64_t generation;
    uint64_t seed;
    uint64_t offset; // where block wal->block + 1 should begin
};

enum wal_status scan_say_unreadable(struct scan *scan, uint64_t offset);
bool scan_is_inside(const struct scan *scan, uint64_t offset, size_t bytes);
bool scan_is_zero(const uint8_t *data, size_t bytes);

/*
 * A sound block at `offset`, or NULL: there is none, or, with reader.error set, it
 * cannot be read. Valid until the next read.
 */
const uint8_t *
scan_read_block(struct scan *scan, uint64_t offset, struct block_header *out_header);

/* It is block wal->block + 1 and says that it follows what was read so far. */
bool scan_is_in_place(const struct scan *scan, const struct block_header *header);

/* Reads the header of the next segment. NEWER and unreadable files are answered. */
enum wal_status scan_peek_segment(struct scan *scan,
                                  struct segment_header *out_header,
                                  bool *out_is_sound);
void scan_enter_segment(struct scan *scan, const struct segment_header *header);

/*
 * Behind bytes at scan->offset that were durable and do not hash: finds where the log
 * goes on, and what it must have been there. `*out_goes_on`: blocks follow at
 * scan->offset; else the log ends there. WAL_DAMAGED: what it said at its end is unknown.
 */
enum wal_status damage_skip(struct scan *scan, bool *out_goes_on);

#endif
