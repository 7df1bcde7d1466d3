/*
 * block.h - one block of the log: a header, records, zeros up to 4 KiB. One block is
 * one write.
 *
 * Thread: any.
 */
#ifndef CONSENS_WAL_BLOCK_H
#define CONSENS_WAL_BLOCK_H

#include "wal/fields.h"
#include "wal/files.h"

#include <stdbool.h>

enum {
    BLOCK_HEADER_BYTES = 208,
    BLOCK_ALIGN_BYTES = FILES_ALIGN_BYTES,
};

struct block_header {
    uint32_t body_bytes; // of the records
    uint32_t record_count;
    uint64_t number; // from 1, without gaps, across segments
    uint64_t floor;  // blocks up to here were durable when this one was written; < number
    uint64_t boot;
    uint64_t generation;
    struct cs_digest previous; // digest of block number - 1; zero for block 1
    uint32_t epoch;
    struct paxos_ballot promised; // after this block, as all below
    struct paxos_ballot accepted;
    uint64_t token;
    cs_slot decided;
    cs_slot first_slot; // lowest slot it writes; 0: none
    cs_slot length_before;
    cs_slot length;
    struct paxos_digest chain_before;
    struct paxos_digest chain;
    uint64_t cut_count;      // records so far that replaced a suffix
    struct cs_digest digest; // of this block; set by pack and unpack
};

/*
 * Digests of one use of one segment's file: content of another never validates, nor does
 * that of another offset in it (a write that went to a wrong place).
 */
uint64_t block_seed(struct paxos_id incarnation, uint64_t segment, uint64_t generation);

/* Bytes on disk of a block with such a body. */
size_t block_disk_bytes(size_t body_bytes);

/*
 * Completes a block whose body lies at block + BLOCK_HEADER_BYTES: writes the header
 * before it and the zeros after it. `block` has block_disk_bytes() bytes and goes to
 * `offset` of the file. Sets header->digest.
 */
void block_pack(uint8_t *block,
                struct block_header *header,
                uint64_t seed,
                uint64_t offset);

/*
 * Whether a block may begin at these BLOCK_ALIGN_BYTES, and its bytes on disk if it
 * does.
 */
bool block_peek(const uint8_t *page, size_t *out_disk_bytes);

/* False: not a sound block of this seed and offset. `bytes` holds all of it. */
bool block_unpack(struct cs_view bytes,
                  uint64_t seed,
                  uint64_t offset,
                  struct block_header *out_header);

struct cs_view block_body(const uint8_t *block, const struct block_header *header);

#endif
