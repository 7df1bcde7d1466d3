/*
 * extents.h - where each slot of the logical log lies on disk: runs of consecutive slots
 * in consecutive blocks of one segment, at most EXTENT_SPAN_BYTES long. A replaced suffix
 * cuts runs. A log of 10 GB takes about 1.5 MB here.
 *
 *   items are in order of slots, without gap or overlap:
 *   item[i].last + 1 == item[i + 1].first
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_EXTENTS_H
#define CONSENS_WAL_EXTENTS_H

#include <consens/paxos.h>

#include <stdbool.h>

enum { EXTENT_SPAN_BYTES = 256 * 1024 };

struct extent_place {
    uint64_t segment;
    uint64_t offset_bytes;    // of the block
    uint32_t record_at_bytes; // of the record, from the block's start
};

struct extent {
    cs_slot first;
    cs_slot last;
    struct extent_place place; // of the record that begins with `first`
};

struct extents {
    struct extent *items;
    size_t count;
    size_t capacity;
    bool is_open; // the last run may grow: nothing has been cut from it
};

/*
 * Slots first .. first + count - 1 now lie at `place`; what stood at first and after is
 * gone.
 */
void extents_put(struct extents *extents,
                 cs_slot first,
                 uint32_t count,
                 const struct extent_place *place);

/* The run that holds the slot; NULL: none does. Valid until the next put. */
const struct extent *extents_find(const struct extents *extents, cs_slot slot);

void extents_fini(struct extents *extents);

#endif
