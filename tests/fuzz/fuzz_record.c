/*
 * record: the log's records, and the blocks that hold them, out of any bytes. What unpacks
 * packs again to a record that says the same; applied one after the other records never
 * lower what must not fall, and a record that does not follow changes nothing.
 *
 *   input  mode; then records one after the other, each as it is (0), with its sizes set
 *          right (1); or a block, its digest set right (2)
 */
#include "fuzz/input.h"

#include "base/digest.h"
#include "base/limits.h"
#include "wal/block.h"
#include "wal/log_state.h"
#include "wal/record.h"
#include "wal/segment.h"
#include "wal/wal.h"

#include <stdlib.h>

enum { MODES = 4, RECORDS_MAX = 64, BLOCK_SEED = 77, BLOCK_BYTES_MAX = 1024 * 1024 };

static bool same_view(struct cs_view left, struct cs_view right)
{
    return left.bytes == right.bytes &&
           (left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static bool same_persist(const struct paxos_persist *left,
                         const struct paxos_persist *right)
{
    return left->kind == right->kind && left->token == right->token &&
           left->first_slot == right->first_slot &&
           left->entry_count == right->entry_count && left->decided == right->decided &&
           left->length == right->length && field_same_chain(left->chain, right->chain) &&
           paxos_ballot_compare(left->promised, right->promised) == 0 &&
           paxos_ballot_compare(left->accepted, right->accepted) == 0;
}

/* ---- one record -------------------------------------------------------------------- */

static void pack_again(const struct record *record, struct cs_buffer *out)
{
    uint32_t count = record->persist.entry_count;
    struct paxos_entry *entries = calloc((size_t)count + 1, sizeof *entries);
    struct cs_view *payloads = calloc((size_t)count + 1, sizeof *payloads);
    struct paxos_config config = {0};
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX] = {{0}};
    struct record_cursor cursor = record_entries(record);
    CHECK(entries != NULL);
    CHECK(payloads != NULL);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(record_take_entry(&cursor, &entries[i], &payloads[i]));
        // Inside of what was given.
        CHECK(payloads[i].data >= record->payloads.data);
        CHECK(payloads[i].data + payloads[i].bytes <=
              record->payloads.data + record->payloads.bytes);
    }
    CHECK(!record_take_entry(&cursor, &entries[count], &payloads[count]));
    if (record->state.bytes > 0) {
        (void)record_unpack_state(record->state.data, &config, watermarks);
    }
    wal_pack_record(out, &record->persist, entries, payloads, &config, watermarks);
    free(entries);
    free(payloads);
}

static void check_record(const struct record *record, struct cs_view rest)
{
    static struct cs_buffer packed;
    CHECK(record->bytes >= RECORD_HEAD_BYTES);
    CHECK(record->bytes <= rest.bytes);
    CHECK(wal_record_bytes(rest) == record->bytes);
    packed.bytes = 0;
    pack_again(record, &packed);
    CHECK(packed.bytes == record->bytes);
    struct record again = {0};
    CHECK(record_unpack(view_of_buffer(&packed), &again));
    CHECK(again.bytes == record->bytes);
    CHECK(same_persist(&again.persist, &record->persist));
    CHECK(same_view(again.entries, record->entries));
    CHECK(same_view(again.payloads, record->payloads));
}

/* ---- one after the other ----------------------------------------------------------- */

static void apply(struct log_state *state, const struct record *record)
{
    struct log_state before = *state;
    if (!log_state_apply(state, record)) {
        CHECK(memcmp(&before, state, sizeof before) == 0);
        return;
    }
    CHECK(paxos_ballot_compare(before.promised, state->promised) <= 0);
    CHECK(paxos_ballot_compare(before.accepted, state->accepted) <= 0);
    CHECK(paxos_ballot_compare(state->accepted, state->promised) <= 0);
    CHECK(before.decided <= state->decided);
    CHECK(state->decided <= state->length);
    CHECK(before.token < state->token);
    CHECK(state->config.member_count <= PAXOS_MEMBERS_MAX);
    CHECK(!record_is_bare(record->persist.kind) || before.length == state->length);
}

static void take_records(struct cs_view rest, struct log_state *state)
{
    struct record record = {0};
    for (int i = 0; i < RECORDS_MAX && record_unpack(rest, &record); i++) {
        check_record(&record, rest);
        apply(state, &record);
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
}

/*
 * Sizes, chains and what follows from the state are filled in, so that a few changed bytes
 * do not end everything at the first comparison. A byte in front of each record says which.
 */
static void take_mended(struct input *input)
{
    static struct cs_buffer built;
    struct log_state state = {0};
    for (int i = 0; i < RECORDS_MAX && input->left_bytes > 0; i++) {
        uint8_t how = input_take_byte(input);
        struct cs_view head = input_take(input, RECORD_HEAD_BYTES);
        uint32_t kind = 1 + how % 7;
        uint32_t count = how / 8 % 4;
        uint32_t payload = how / 32 * 5;
        size_t state_bytes = record_has_state(kind) ? RECORD_STATE_BYTES : 0;
        size_t exact = RECORD_HEAD_BYTES + state_bytes +
                       (size_t)count * (RECORD_ENTRY_BYTES + payload);
        size_t bytes = (exact + 7) / 8 * 8;
        built.bytes = 0;
        uint8_t *to = buffer_extend(&built, bytes);
        memset(to, 0, bytes);
        memcpy(to, head.data, head.bytes);
        store_u32(to, (uint32_t)bytes);
        store_u32(to + 4, kind);
        store_u64(to + 8, state.token + 1 + load_u64(to + 8) % 3);
        store_u64(to + 16, state.length + 1 - (load_u64(to + 16) & 3));
        store_u32(to + 24, count);
        store_u32(to + 28, (uint32_t)state_bytes);
        store_u64(to + 64, count == 0 && (how & 128) != 0
                               ? state.length
                               : load_u64(to + 16) - 1 + count);
        uint8_t *entry = to + RECORD_HEAD_BYTES + state_bytes;
        struct paxos_digest chain = state.chain;
        for (uint32_t j = 0; j < count; j++, entry += RECORD_ENTRY_BYTES) {
            struct paxos_entry made = {.slot = load_u64(to + 16) + j,
                                       .payload_bytes = payload,
                                       .type = PAXOS_ENTRY_BATCH};
            chain = paxos_chain_next(chain, &made);
            store_u32(entry + 8, payload);
            store_u32(entry + 12, PAXOS_ENTRY_BATCH);
            store_u64(entry + 32, chain.high);
            store_u64(entry + 40, chain.low);
        }
        store_u64(to + 72, chain.high);
        store_u64(to + 80, chain.low);
        take_records(view_of_buffer(&built), &state);
    }
}

/* ---- blocks ------------------------------------------------------------------------ */

static void check_block(struct cs_view bytes, const struct block_header *header)
{
    struct cs_view body = block_body(bytes.data, header);
    CHECK(block_disk_bytes(header->body_bytes) <= bytes.bytes);
    CHECK(body.data + body.bytes <= bytes.data + bytes.bytes);
    struct block_header again = *header;
    uint8_t *copy = segment_alloc(bytes.bytes);
    memcpy(copy, bytes.data, bytes.bytes);
    block_pack(copy, &again, BLOCK_SEED, 0);
    struct block_header read = {0};
    CHECK(block_unpack(view_of(copy, bytes.bytes), BLOCK_SEED, 0, &read));
    CHECK(read.number == header->number);
    CHECK(read.floor == header->floor);
    CHECK(read.length == header->length);
    CHECK(same_view(block_body(copy, &read), body));
    free(copy);
    struct log_state state = {0};
    take_records(body, &state);
}

static void take_block(struct input *input, bool is_sealed)
{
    size_t pages = 1 + input_take_below(input, 4);
    size_t bytes = pages * BLOCK_ALIGN_BYTES;
    uint8_t *block = segment_alloc(bytes);
    memset(block, 0, bytes);
    struct cs_view given = input_take(input, bytes);
    memcpy(block, given.data, given.bytes);
    size_t disk_bytes = 0;
    if (is_sealed) {
        memcpy(block, "CNSBLOCK", 8);
    }
    if (is_sealed && block_peek(block, &disk_bytes) && disk_bytes <= bytes) {
        uint32_t body = load_u32(block + 24);
        struct cs_digest digest =
            digest_128(block + 24, BLOCK_HEADER_BYTES + body - 24, BLOCK_SEED);
        store_u64(block + 8, digest.high);
        store_u64(block + 16, digest.low);
    }
    struct block_header header = {0};
    bool is_sound = block_unpack(view_of(block, bytes), BLOCK_SEED, 0, &header);
    CHECK(is_sound == (disk_bytes > 0 && disk_bytes <= bytes) || !is_sealed);
    if (is_sound) {
        check_block(view_of(block, bytes), &header);
    }
    struct segment_header segment = {0};
    if (segment_unpack_header(block, &segment) == SEGMENT_SOUND) {
        CHECK(!is_sealed);
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    struct log_state state = {0};
    switch (input_take_below(&input, MODES)) {
    case 0:
        take_records(input_rest(&input), &state);
        break;
    case 1:
        take_mended(&input);
        break;
    case 2:
        take_block(&input, true);
        break;
    default:
        take_block(&input, false);
        break;
    }
    return 0;
}
