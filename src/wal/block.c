/*
 * A block, little endian, at a multiple of 4 KiB in its segment:
 *
 *    0   8  "CNSBLOCK"
 *    8  16  XXH3-128 of bytes 24 to the end of the body, seeded by block_seed() + offset
 *   24   4  bytes of the body
 *   28   4  number of records
 *   32   8  block number
 *   40   8  floor: blocks up to here were durable when this one was written
 *   48   8  boot
 *   56   8  generation of the segment
 *   64  16  digest of the block before
 *   80   4  epoch
 *   84  12  promised, after this block (epoch, round, node)
 *   96  12  accepted
 *  108   4  zero
 *  112   8  token of the last record
 *  120   8  decided (a hint)
 *  128   8  lowest slot written; 0: none
 *  136   8  length before
 *  144   8  length after
 *  152  16  chain(length) before
 *  168  16  chain(length) after
 *  184   8  number of records so far, these included, that replaced a suffix
 *  192  16  zero
 *  208      records (record.c)
 *           zeros up to a multiple of 4 KiB
 *
 * Sound when: magic and digest are right. In place when also: the number is one more
 * than that of the block before, `previous` is its digest, length and chain before are
 * the ones it left.
 */
#include "wal/block.h"

#include "wal/wal.h"

#include "base/check.h"
#include "base/mutant.h"

enum { DIGEST_AT_BYTES = 8, DIGESTED_FROM_BYTES = 24 };

static const uint8_t MAGIC[8] = {'C', 'N', 'S', 'B', 'L', 'O', 'C', 'K'};

uint64_t block_seed(struct paxos_id incarnation, uint64_t segment, uint64_t generation)
{
    uint8_t input[32];
    uint8_t *at = input;
    field_put_id(&at, incarnation);
    field_put_u64(&at, MUTANT_IS(41) ? 0 : segment);
    field_put_u64(&at, MUTANT_IS(41) ? 0 : generation);
    return digest_64(input, sizeof input, 0);
}

size_t block_disk_bytes(size_t body_bytes)
{
    size_t bytes = BLOCK_HEADER_BYTES + body_bytes;
    return (bytes + BLOCK_ALIGN_BYTES - 1) / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
}

static struct cs_digest
digest_of(const uint8_t *block, size_t body_bytes, uint64_t seed, uint64_t offset)
{
    size_t bytes = BLOCK_HEADER_BYTES + body_bytes - DIGESTED_FROM_BYTES;
    uint64_t place = MUTANT_IS(101) ? 0 : offset;
    return digest_128(block + DIGESTED_FROM_BYTES, bytes, seed + place);
}

void block_pack(uint8_t *block,
                struct block_header *header,
                uint64_t seed,
                uint64_t offset)
{
    size_t used = BLOCK_HEADER_BYTES + (size_t)header->body_bytes;
    memset(block + used, 0, block_disk_bytes(header->body_bytes) - used);
    memset(block, 0, BLOCK_HEADER_BYTES);
    memcpy(block, MAGIC, sizeof MAGIC);
    uint8_t *at = block + DIGESTED_FROM_BYTES;
    field_put_u32(&at, header->body_bytes);
    field_put_u32(&at, header->record_count);
    field_put_u64(&at, header->number);
    field_put_u64(&at, header->floor);
    field_put_u64(&at, header->boot);
    field_put_u64(&at, header->generation);
    field_put_digest(&at, header->previous);
    field_put_u32(&at, header->epoch);
    field_put_ballot(&at, header->promised);
    field_put_ballot(&at, header->accepted);
    field_put_u32(&at, 0);
    field_put_u64(&at, header->token);
    field_put_u64(&at, header->decided);
    field_put_u64(&at, header->first_slot);
    field_put_u64(&at, header->length_before);
    field_put_u64(&at, header->length);
    field_put_chain(&at, header->chain_before);
    field_put_chain(&at, header->chain);
    field_put_u64(&at, header->cut_count);
    CHECK(at <= block + BLOCK_HEADER_BYTES);
    header->digest = digest_of(block, header->body_bytes, seed, offset);
    at = block + DIGEST_AT_BYTES;
    field_put_digest(&at, header->digest);
}

bool block_peek(const uint8_t *page, size_t *out_disk_bytes)
{
    uint32_t body_bytes = load_u32(page + DIGESTED_FROM_BYTES);
    *out_disk_bytes = 0;
    if (memcmp(page, MAGIC, sizeof MAGIC) != 0 || body_bytes > WAL_BLOCK_BODY_MAX) {
        return false;
    }
    *out_disk_bytes = block_disk_bytes(body_bytes);
    return true;
}

bool block_unpack(struct cs_view bytes,
                  uint64_t seed,
                  uint64_t offset,
                  struct block_header *out_header)
{
    size_t disk_bytes = 0;
    *out_header = (struct block_header){0};
    if (bytes.bytes < BLOCK_ALIGN_BYTES || !block_peek(bytes.data, &disk_bytes) ||
        disk_bytes > bytes.bytes) {
        return false;
    }
    const uint8_t *at = bytes.data + DIGEST_AT_BYTES;
    out_header->digest = field_take_digest(&at);
    out_header->body_bytes = field_take_u32(&at);
    out_header->record_count = field_take_u32(&at);
    out_header->number = field_take_u64(&at);
    out_header->floor = field_take_u64(&at);
    out_header->boot = field_take_u64(&at);
    out_header->generation = field_take_u64(&at);
    out_header->previous = field_take_digest(&at);
    out_header->epoch = field_take_u32(&at);
    out_header->promised = field_take_ballot(&at);
    out_header->accepted = field_take_ballot(&at);
    (void)field_take_u32(&at);
    out_header->token = field_take_u64(&at);
    out_header->decided = field_take_u64(&at);
    out_header->first_slot = field_take_u64(&at);
    out_header->length_before = field_take_u64(&at);
    out_header->length = field_take_u64(&at);
    out_header->chain_before = field_take_chain(&at);
    out_header->chain = field_take_chain(&at);
    out_header->cut_count = field_take_u64(&at);
    struct cs_digest digest = digest_of(bytes.data, out_header->body_bytes, seed, offset);
    return MUTANT_IS(40) || field_same_digest(digest, out_header->digest);
}

struct cs_view block_body(const uint8_t *block, const struct block_header *header)
{
    return view_of(block + BLOCK_HEADER_BYTES, header->body_bytes);
}
