/*
 * extents.h - where each slot of the logical log lies on disk: runs of consecutive slots
 * in consecutive blocks of one segment, at most EXTENT_SPAN_BYTES long. A replaced suffix
 * cuts runs. A log of 10 GB takes about 2 MB here.
 *
 *   items are in order of slots, without overlap: item[i].last < item[i + 1].first.
 *   What lies between two of them was damaged (faults.h).
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
    uint64_t block;           // its number
};

struct extent {
    cs_slot first;
    cs_slot last;
    cs_slot from; // <= first: the slot that the record at `place` begins with
    struct extent_place place; // reading goes on from there, record by record
};

struct extents {
    struct extent *items;
    size_t count;
    size_t capacity;
    bool is_open; // the last run may grow: nothing has been cut from it
};

/*
 * Slots first .. first + count - 1 now lie at `place`; what stood at first and after is
 * gone. Slots before `first` that lie nowhere were damaged.
 */
void extents_put(struct extents *extents,
                 cs_slot first,
                 uint32_t count,
                 const struct extent_place *place);

/* Those of slots first .. first + count - 1 that lie nowhere now lie at `place`. */
void extents_fill(struct extents *extents,
                  cs_slot first,
                  uint32_t count,
                  const struct extent_place *place);

/* Slots from `first` on are gone. */
void extents_cut(struct extents *extents, cs_slot first);

/* What comes next is not where a reader of the last run would meet it. */
void extents_end_run(struct extents *extents);

/*
 * From this slot to the end of its run nothing can be read any more: they lie nowhere
 * now. Answers the last of them.
 */
cs_slot extents_lose(struct extents *extents, cs_slot slot);

/* The run that holds the slot; NULL: none does. Valid until the next put. */
const struct extent *extents_find(const struct extents *extents, cs_slot slot);

void extents_fini(struct extents *extents);

#endif
