/*
 * image.h - data directories for the targets recovery and superblock: a few made by a
 * workload once, put on a simulated disk for each input, then edited as the input says.
 * Edits may set digests right again, or nothing behind a digest would ever be reached.
 *
 * Beside it a dumb reader of what lies there: every block whose digest is right, by hand,
 * from the byte tables of src/wal. The targets compare with it.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_FUZZ_IMAGE_H
#define CONSENS_TESTS_FUZZ_IMAGE_H

#include "fuzz/input.h"

#include "support/disk.h"
#include "wal/segment.h"
#include "wal/wal.h"

enum {
    IMAGE_KINDS = 5,
    IMAGE_PAGE_BYTES = 4096,
    IMAGE_SEGMENT_BYTES = 64 * 1024,
    IMAGE_DISK_BYTES = 4 * 1024 * 1024,
    IMAGE_SEGMENTS_MAX = 6, // log-1 .. log-6 are looked at
    IMAGE_BLOCKS_MAX = IMAGE_SEGMENTS_MAX * IMAGE_SEGMENT_BYTES / IMAGE_PAGE_BYTES,
};

/* As used for the workloads, and for opening what the edits left. */
struct wal_settings image_settings(void);

/* Replaces what is on the disk. */
void image_put(struct sim_disk *disk, uint32_t kind);

/* One edit, chosen by the input. True: a digest was set right by it. */
bool image_edit(struct sim_disk *disk, struct input *input);

struct image_block { // with a right digest in its file
    uint64_t segment;
    uint64_t offset;
    size_t disk_bytes;
    uint64_t number;
    uint64_t floor;
    uint64_t boot;
    uint64_t token;
    uint64_t length;
    struct cs_digest digest;
    struct cs_digest previous;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    struct paxos_digest chain;
};

struct image_blocks {
    uint32_t count;
    struct image_block items[IMAGE_BLOCKS_MAX]; // by file, then by offset
};

/* On the media. */
void image_find_blocks(const struct sim_disk *disk, struct image_blocks *out_blocks);

/* NULL: none has that digest. */
const struct image_block *image_block_of(const struct image_blocks *blocks,
                                         struct cs_digest digest);

#endif
