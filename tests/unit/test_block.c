/* Blocks and records as bytes: what is packed is unpacked; anything else is refused. */
#include "wal/block.h"
#include "wal/record.h"
#include "wal/segment.h"
#include "wal/wal.h"

#include "support/twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BODY_BYTES = 5000, OFFSET = 3 * BLOCK_ALIGN_BYTES };

static const struct paxos_id INCARNATION = {.high = 1, .low = 2};

/* ---- blocks ------------------------------------------------------------------------ */

static struct block_header example_header(void)
{
    struct block_header header = {
        .body_bytes = BODY_BYTES,
        .record_count = 3,
        .number = 4,
        .floor = 3,
        .boot = 5,
        .generation = 6,
        .previous = {.high = 7, .low = 8},
        .epoch = 9,
        .promised = {.epoch = 10, .round = 11, .node = 12},
        .accepted = {.epoch = 10, .round = 10, .node = 13},
        .token = 14,
        .decided = 15,
        .first_slot = 16,
        .length_before = 15,
        .length = 17,
        .chain_before = {.high = 18, .low = 19},
        .chain = {.high = 20, .low = 21},
    };
    return header;
}

static uint8_t *pack_example(struct block_header *header, uint64_t seed)
{
    uint8_t *block = segment_alloc(block_disk_bytes(BODY_BYTES));
    memset(block, 0xcc, block_disk_bytes(BODY_BYTES));
    for (size_t i = 0; i < BODY_BYTES; i++) {
        block[BLOCK_HEADER_BYTES + i] = (uint8_t)(i * 7);
    }
    *header = example_header();
    block_pack(block, header, seed, OFFSET);
    return block;
}

static void a_block_is_unpacked_as_packed(void **state)
{
    (void)state;
    struct block_header header;
    struct block_header read;
    uint64_t seed = block_seed(INCARNATION, 1, 6);
    uint8_t *block = pack_example(&header, seed);
    size_t bytes = 0;
    assert_true(block_peek(block, &bytes));
    assert_int_equal(bytes, 2 * BLOCK_ALIGN_BYTES);
    assert_true(block_unpack(view_of(block, bytes), seed, OFFSET, &read));
    assert_memory_equal(&read, &header, sizeof read);
    assert_int_equal(block_body(block, &read).bytes, BODY_BYTES);
    for (size_t i = BLOCK_HEADER_BYTES + BODY_BYTES; i < bytes; i++) {
        assert_int_equal(block[i], 0);
    }
    free(block);
}

static void a_block_of_another_life_is_not_sound(void **state)
{
    (void)state;
    struct block_header header;
    uint8_t *block = pack_example(&header, block_seed(INCARNATION, 1, 6));
    struct cs_view bytes = view_of(block, block_disk_bytes(BODY_BYTES));
    const struct paxos_id other = {.high = 1, .low = 3};
    assert_false(block_unpack(bytes, block_seed(INCARNATION, 1, 7), OFFSET, &header));
    assert_false(block_unpack(bytes, block_seed(INCARNATION, 2, 6), OFFSET, &header));
    assert_false(block_unpack(bytes, block_seed(other, 1, 6), OFFSET, &header));
    free(block);
}

static void a_block_of_another_place_is_not_sound(void **state)
{
    (void)state;
    struct block_header header;
    uint64_t seed = block_seed(INCARNATION, 1, 6);
    uint8_t *block = pack_example(&header, seed);
    struct cs_view bytes = view_of(block, block_disk_bytes(BODY_BYTES));
    assert_true(block_unpack(bytes, seed, OFFSET, &header));
    for (uint64_t page = 0; page < 64; page++) {
        uint64_t offset = page * BLOCK_ALIGN_BYTES;
        assert_true(block_unpack(bytes, seed, offset, &header) == (offset == OFFSET));
    }
    free(block);
}

static void any_changed_byte_makes_a_block_unsound(void **state)
{
    (void)state;
    struct block_header header;
    uint64_t seed = block_seed(INCARNATION, 1, 6);
    uint8_t *block = pack_example(&header, seed);
    size_t bytes = block_disk_bytes(BODY_BYTES);
    for (size_t i = 0; i < BLOCK_HEADER_BYTES + BODY_BYTES; i++) {
        block[i] ^= 0x10;
        assert_false(block_unpack(view_of(block, bytes), seed, OFFSET, &header));
        block[i] ^= 0x10;
    }
    assert_true(block_unpack(view_of(block, bytes), seed, OFFSET, &header));
    // Less than all of it is nothing.
    assert_false(block_unpack(view_of(block, BLOCK_ALIGN_BYTES), seed, OFFSET, &header));
    assert_false(block_unpack(view_of(block, 100), seed, OFFSET, &header));
    free(block);
}

static void a_size_past_the_limit_is_not_believed(void **state)
{
    (void)state;
    struct block_header header;
    uint8_t *block = pack_example(&header, 1);
    size_t bytes = 0;
    store_u32(block + 24, WAL_BLOCK_BODY_MAX + 1);
    assert_false(block_peek(block, &bytes));
    store_u32(block + 24, UINT32_MAX);
    assert_false(block_peek(block, &bytes));
    store_u32(block + 24, WAL_BLOCK_BODY_MAX);
    assert_true(block_peek(block, &bytes));
    assert_false(
        block_unpack(view_of(block, block_disk_bytes(BODY_BYTES)), 1, OFFSET, &header));
    free(block);
}

/* ---- records ----------------------------------------------------------------------- */

static void records_are_unpacked_as_packed(void **state)
{
    (void)state;
    struct twin *twin = twin_new();
    struct cs_buffer packed = {0};
    twin_configure(twin, &packed);
    twin_promise(twin, &packed);
    twin_append(twin, 5, 33, &packed);
    twin_sync(twin, 3, 2, 0, &packed);
    twin_fetch(twin, 2, 4, 77, &packed);
    static const uint32_t KINDS[] = {PAXOS_PERSIST_CONFIG, PAXOS_PERSIST_PROMISE,
                                     PAXOS_PERSIST_APPEND, PAXOS_PERSIST_SYNC,
                                     PAXOS_PERSIST_FETCHED};
    static const uint32_t COUNTS[] = {0, 0, 5, 2, 4};
    struct cs_view rest = view_of_buffer(&packed);
    for (size_t i = 0; i < 5; i++) {
        struct record record;
        assert_int_equal(wal_record_bytes(rest) % 8, 0);
        assert_true(record_unpack(rest, &record));
        assert_int_equal(record.bytes, wal_record_bytes(rest));
        assert_int_equal(record.persist.kind, KINDS[i]);
        assert_int_equal(record.persist.token, i + 1);
        assert_int_equal(record.persist.entry_count, COUNTS[i]);
        assert_int_equal(record.state.bytes > 0, record_has_state(KINDS[i]));
        assert_int_equal(record_is_bare(KINDS[i]), i < 2);
        struct record_cursor cursor = record_entries(&record);
        struct paxos_entry entry;
        struct cs_view payload;
        uint32_t count = 0;
        while (record_take_entry(&cursor, &entry, &payload)) {
            assert_int_equal(entry.slot, record.persist.first_slot + count);
            assert_int_equal(entry.payload_bytes, payload.bytes);
            count++;
        }
        assert_int_equal(count, COUNTS[i]);
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
    assert_int_equal(rest.bytes, 0);
    buffer_fini(&packed);
    twin_destroy(&twin);
}

/* A record in memory of exactly its size, so that a read past its end is seen. */
static bool is_refused(const struct cs_buffer *packed, size_t at, uint32_t value)
{
    uint8_t *copy = malloc(packed->bytes);
    assert_non_null(copy);
    memcpy(copy, packed->data, packed->bytes);
    store_u32(copy + at, value);
    struct record record;
    bool is_sound = record_unpack(view_of(copy, packed->bytes), &record);
    free(copy);
    return !is_sound;
}

static void sizes_that_do_not_add_up_are_refused(void **state)
{
    (void)state;
    enum { BYTES = 0, KIND = 4, COUNT = 24, STATE_BYTES = 28, FIRST_PAYLOAD = 88 + 8 };
    struct twin *twin = twin_new();
    struct cs_buffer packed = {0};
    twin_append(twin, 3, 40, &packed);
    uint32_t bytes = (uint32_t)packed.bytes;
    assert_true(is_refused(&packed, BYTES, bytes + 8));
    assert_true(is_refused(&packed, BYTES, bytes - 8));
    assert_true(is_refused(&packed, BYTES, 0));
    assert_true(is_refused(&packed, BYTES, UINT32_MAX));
    assert_true(is_refused(&packed, KIND, 0));
    assert_true(is_refused(&packed, KIND, PAXOS_PERSIST_NOTE + 1));
    assert_true(is_refused(&packed, KIND, PAXOS_PERSIST_NOTE));
    assert_true(is_refused(&packed, KIND, PAXOS_PERSIST_PROMISE));
    assert_true(is_refused(&packed, KIND, PAXOS_PERSIST_SYNC));
    assert_true(is_refused(&packed, COUNT, 0));
    assert_true(is_refused(&packed, COUNT, 4));
    assert_true(is_refused(&packed, COUNT, UINT32_MAX));
    assert_true(is_refused(&packed, STATE_BYTES, RECORD_STATE_BYTES));
    assert_true(is_refused(&packed, STATE_BYTES, 1));
    assert_true(is_refused(&packed, FIRST_PAYLOAD, 0));
    assert_true(is_refused(&packed, FIRST_PAYLOAD, UINT32_MAX));
    assert_false(is_refused(&packed, BYTES, bytes));
    for (size_t shorter = 0; shorter < packed.bytes; shorter++) {
        struct record record;
        assert_false(record_unpack(view_of(packed.data, shorter), &record));
    }
    packed.bytes = 0;
    twin_promise(twin, &packed);
    assert_true(is_refused(&packed, COUNT, 1));
    assert_true(is_refused(&packed, STATE_BYTES, 0));
    assert_true(is_refused(&packed, KIND, PAXOS_PERSIST_APPEND));
    buffer_fini(&packed);
    twin_destroy(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_unpacked_as_packed),
        cmocka_unit_test(a_block_of_another_life_is_not_sound),
        cmocka_unit_test(a_block_of_another_place_is_not_sound),
        cmocka_unit_test(any_changed_byte_makes_a_block_unsound),
        cmocka_unit_test(a_size_past_the_limit_is_not_believed),
        cmocka_unit_test(records_are_unpacked_as_packed),
        cmocka_unit_test(sizes_that_do_not_add_up_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
