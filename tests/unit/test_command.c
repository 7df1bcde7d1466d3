/*
 * Commands and batches as bytes: round trips, each rule of validity broken once,
 * msgpack-c as the oracle of the form, and random damage.
 */
#include "wire/command.h"

#include "base/limits.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <consens/paxos.h>
#include <msgpack.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)

static void assert_views_equal(struct cs_view left, struct cs_view right)
{
    assert_int_equal(left.bytes, right.bytes);
    assert_true(left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static void assert_commands_equal(const struct command *left, const struct command *right)
{
    assert_int_equal(left->operation, right->operation);
    assert_int_equal(left->condition, right->condition);
    assert_true(left->condition_revision == right->condition_revision);
    assert_views_equal(left->key, right->key);
    assert_views_equal(left->value, right->value);
    assert_true(left->session == right->session);
    assert_true(left->sequence == right->sequence);
    assert_true(left->acknowledged == right->acknowledged);
}

/* A legal command over bytes that live as long as `pool`, which has 300. */
static struct command draw_command(uint64_t *seed, const uint8_t *pool)
{
    struct command command = {.operation = COMMAND_OPEN_SESSION};
    if (draw(seed) % 8 == 0) {
        return command;
    }
    command.operation = COMMAND_DELETE;
    if (draw(seed) % 3 == 0) {
        command.session = 1 + draw(seed) % 1000;
        command.acknowledged = draw_any_width(seed) / 2;
        command.sequence = command.acknowledged + 1 + draw(seed) % 20;
    }
    if (draw(seed) % 3 != 0) {
        command.operation = COMMAND_PUT;
        command.value = view_of(pool + 40, draw(seed) % 260);
    }
    command.condition = (uint32_t)(draw(seed) % COMMAND_CONDITIONS);
    command.condition_revision = draw_any_width(seed);
    command.key = view_of(pool, 1 + draw(seed) % 40);
    return command;
}

static struct command_origin draw_origin(uint64_t *seed)
{
    struct command_origin origin = {.seat = (uint32_t)(draw(seed) % PAXOS_MEMBERS_MAX)};
    origin.boot = draw_any_width(seed);
    origin.request_id = draw_any_width(seed);
    return origin;
}

/* One random command packed and `count` random bytes of damage done to it. */
static void damage(uint64_t *seed, struct cs_buffer *bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint8_t *at = bytes->data + draw(seed) % bytes->bytes;
        uint64_t flipped = *at ^ (UINT64_C(1) << (draw(seed) % 8));
        *at = (uint8_t)(draw(seed) % 2 == 0 ? draw(seed) : flipped);
    }
}

/* ---- commands --------------------------------------------------------------------- */

static void command_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint8_t pool[300];
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 20000; i++) {
        draw_bytes(&seed, pool, sizeof(pool));
        struct command command = draw_command(&seed, pool);
        struct command again;
        bytes.bytes = 0;
        command_pack(&bytes, &command);
        struct reader reader = reader_over(view_of_buffer(&bytes), true);
        assert_true(command_unpack(&reader, &again));
        assert_true(reader_end(&reader));
        assert_commands_equal(&command, &again);
    }
    buffer_fini(&bytes);
}

static void command_has_the_bytes_of_its_table(void **state)
{
    (void)state;
    struct cs_buffer bytes = {0};
    struct command command = {.operation = COMMAND_PUT,
                              .condition = COMMAND_IF_REVISION,
                              .condition_revision = 300,
                              .key = TEXT("k"),
                              .value = TEXT("va")};
    command_pack(&bytes, &command);
    assert_views_equal(view_of_buffer(&bytes),
                       TEXT("\x95\x01\xc4\x01k\xc4\x02va\x03\xcd\x01\x2c"));
    command.session = 7;
    command.sequence = 9;
    command.acknowledged = 8;
    bytes.bytes = 0;
    command_pack(&bytes, &command);
    assert_views_equal(view_of_buffer(&bytes),
                       TEXT("\x98\x01\xc4\x01k\xc4\x02va\x03\xcd\x01\x2c\x07\x09\x08"));
    buffer_fini(&bytes);
}

static void command_unpack_refuses_each_broken_rule(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        TEXT("\x95\x00\xc4\x01k\xc4\x01v\x00\x00"),           // operation 0
        TEXT("\x95\x03\xc4\x01k\xc4\x01v\x00\x00"),           // a session with a key
        TEXT("\x95\x03\xc4\x00\xc4\x01v\x00\x00"),            // with a value
        TEXT("\x95\x03\xc4\x00\xc4\x00\x01\x00"),             // with a condition
        TEXT("\x98\x03\xc4\x00\xc4\x00\x00\x00\x01\x01\x00"), // in a session
        TEXT(
            "\x98\x01\xc4\x01k\xc4\x01v\x00\x00\x00\x00\x01"), // no session, acknowledged
        TEXT("\x95\x04\xc4\x01k\xc4\x01v\x00\x00"),            // operation 4
        TEXT("\x98\x01\xc4\x01k\xc4\x01v\x00\x00\x00\x01\x00"), // session 0
        TEXT("\x98\x01\xc4\x01k\xc4\x01v\x00\x00\x01\x01\x01"), // acknowledged itself
        TEXT("\x96\x01\xc4\x01k\xc4\x01v\x00\x00\x01"),         // half a session
        TEXT("\x95\x01\xc4\x00\xc4\x01v\x00\x00"),              // empty key
        TEXT("\x95\x02\xc4\x01k\xc4\x01v\x00\x00"),             // a DELETE with a value
        TEXT("\x95\x01\xc4\x01k\xc4\x01v\x04\x00"),             // condition 4
        TEXT("\x94\x01\xc4\x01k\xc4\x01v\x00"),                 // four fields
        TEXT("\x96\x01\xc4\x01k\xc4\x01v\x00\x00\x00"),         // six fields
        TEXT("\x95\x01\xa1k\xc4\x01v\x00\x00"),                 // key as str
        TEXT("\x95\x01\xc4\x01k\xa1v\x00\x00"),                 // value as str
        TEXT("\x95\xcc\x01\xc4\x01k\xc4\x01v\x00\x00"),         // long form
        TEXT("\x95\x01\xc4\x01k\xc4\x01v\x00\xff"),             // revision -1
        TEXT("\x95\x01\xc4\x01k\xc4\x01v\x00"),                 // cut off
        TEXT("\x85\x01\xc4\x01k\xc4\x01v\x00\x00"),             // a map
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct command command;
        struct reader reader = reader_over(rows[i], true);
        assert_false(command_unpack(&reader, &command));
        assert_false(reader_end(&reader));
    }
}

static void lenient_command_may_use_str(void **state)
{
    (void)state;
    struct command command;
    struct reader reader = reader_over(TEXT("\x95\x01\xa1k\xd9\x01v\x00\x00"), false);
    assert_true(command_unpack(&reader, &command));
    assert_true(reader_end(&reader));
    assert_views_equal(command.key, TEXT("k"));
    assert_views_equal(command.value, TEXT("v"));
}

static void command_takes_largest_key_and_value_and_not_a_byte_more(void **state)
{
    (void)state;
    uint8_t *zeros = calloc(1, LIMIT_VALUE_BYTES + 1);
    struct cs_buffer bytes = {0};
    for (size_t over = 0; over < 4; over++) {
        msgpack_packer packer;
        msgpack_sbuffer packed;
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        (void)msgpack_pack_array(&packer, 5);
        (void)msgpack_pack_uint64(&packer, COMMAND_PUT);
        (void)msgpack_pack_bin_with_body(&packer, zeros, LIMIT_KEY_BYTES + over % 2);
        (void)msgpack_pack_bin_with_body(&packer, zeros, LIMIT_VALUE_BYTES + over / 2);
        (void)msgpack_pack_uint64(&packer, COMMAND_ALWAYS);
        (void)msgpack_pack_uint64(&packer, UINT64_MAX);
        struct command command;
        struct reader reader = reader_over(view_of(packed.data, packed.size), true);
        assert_int_equal(command_unpack(&reader, &command), over == 0);
        if (over == 0) {
            assert_int_equal(command.key.bytes, LIMIT_KEY_BYTES);
            assert_int_equal(command.value.bytes, LIMIT_VALUE_BYTES);
            command_pack(&bytes, &command);
            assert_views_equal(view_of_buffer(&bytes), view_of(packed.data, packed.size));
            assert_true(bytes.bytes <= LIMIT_COMMAND_BYTES);
        }
        msgpack_sbuffer_destroy(&packed);
    }
    buffer_fini(&bytes);
    free(zeros);
}

static void damaged_command_is_refused_or_packs_to_the_same_bytes(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint8_t pool[300];
    uint32_t taken_count = 0;
    struct cs_buffer bytes = {0};
    struct cs_buffer again = {0};
    for (int i = 0; i < 20000; i++) {
        draw_bytes(&seed, pool, sizeof(pool));
        struct command command = draw_command(&seed, pool);
        bytes.bytes = 0;
        again.bytes = 0;
        command_pack(&bytes, &command);
        damage(&seed, &bytes, 1 + draw(&seed) % 3);
        struct reader reader = reader_over(view_of_buffer(&bytes), true);
        if (command_unpack(&reader, &command)) {
            taken_count += 1;
            command_pack(&again, &command);
            assert_views_equal(view_of(bytes.data, reader.at), view_of_buffer(&again));
        }
    }
    assert_in_range(taken_count, 2000, 19000);
    buffer_fini(&bytes);
    buffer_fini(&again);
}

/* ---- batches ---------------------------------------------------------------------- */

/* What elements are made from: the same seed gives the same batch. */
static struct cs_view build_batch(struct batch_builder *builder,
                                  uint64_t seed,
                                  uint32_t count,
                                  const uint8_t *pool)
{
    struct cs_buffer bytes = {0};
    batch_start(builder);
    for (uint32_t i = 0; i < count; i++) {
        struct command_origin origin = draw_origin(&seed);
        struct command command = draw_command(&seed, pool);
        bytes.bytes = 0;
        command_pack(&bytes, &command);
        size_t bound = batch_bytes_after(builder, bytes.bytes);
        batch_append(builder, &origin, view_of_buffer(&bytes));
        assert_true(builder->bytes.bytes <= bound);
        assert_true(builder->bytes.bytes + 32 > bound);
    }
    buffer_fini(&bytes);
    return batch_seal(builder);
}

static void batch_gives_back_each_element_in_order(void **state)
{
    (void)state;
    uint8_t pool[300];
    uint64_t seed = 4;
    draw_bytes(&seed, pool, sizeof(pool));
    struct batch_builder builder = {0};
    const uint32_t counts[] = {0, 1, 2, 15, 16, 300, LIMIT_BATCH_COMMANDS};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct reader reader;
        uint32_t count = 99;
        uint64_t twin = 100 + i;
        struct cs_view payload = build_batch(&builder, twin, counts[i], pool);
        assert_true(batch_open(payload, &reader, &count));
        assert_int_equal(count, counts[i]);
        for (uint32_t j = 0; j < count; j++) {
            struct command_origin origin;
            struct command command;
            assert_true(batch_take(&reader, &origin, &command));
            struct command_origin from = draw_origin(&twin);
            assert_int_equal(origin.seat, from.seat);
            assert_true(origin.boot == from.boot);
            assert_true(origin.request_id == from.request_id);
            struct command expected = draw_command(&twin, pool);
            assert_commands_equal(&command, &expected);
        }
        assert_true(reader_end(&reader));
    }
    batch_fini(&builder);
    assert_null(builder.bytes.data);
}

static void batch_is_one_array_of_arrays_to_msgpack(void **state)
{
    (void)state;
    uint8_t pool[300];
    uint64_t seed = 5;
    draw_bytes(&seed, pool, sizeof(pool));
    struct batch_builder builder = {0};
    struct cs_view payload = build_batch(&builder, 6, 50, pool);
    msgpack_unpacked unpacked;
    size_t at = 0;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(
        msgpack_unpack_next(&unpacked, (const char *)payload.data, payload.bytes, &at),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, payload.bytes);
    assert_int_equal(unpacked.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(unpacked.data.via.array.size, 50);
    for (uint32_t i = 0; i < 50; i++) {
        const msgpack_object *element = &unpacked.data.via.array.ptr[i];
        assert_int_equal(element->type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(element->via.array.size, 4);
        assert_int_equal(element->via.array.ptr[3].type, MSGPACK_OBJECT_ARRAY);
        assert_true(element->via.array.ptr[3].via.array.size == 5 ||
                    element->via.array.ptr[3].via.array.size == 8);
    }
    msgpack_unpacked_destroy(&unpacked);
    batch_fini(&builder);
}

static void batch_open_takes_its_one_form_of_head_only(void **state)
{
    (void)state;
    static const uint8_t zeros[LIMIT_BATCH_COMMANDS + 16];
    struct reader reader;
    uint32_t count = 99;
    const struct cs_view rows[] = {
        TEXT(""),
        TEXT("\xdd"),
        TEXT("\xdd\0\0\0"),
        TEXT("\x90"),
        TEXT("\x90\0\0\0\0"),
        TEXT("\xdc\0\1\0\0\0"),
        TEXT("\xdd\0\0\0\1"),             // says one, has none
        TEXT("\xdd\xff\xff\xff\xff\1\1"), // says four billion
        TEXT("\xdf\0\0\0\0"),             // a map
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(batch_open(rows[i], &reader, &count));
        assert_int_equal(count, 0);
        assert_false(reader_end(&reader));
    }
    // As many as there may be, and one more; each has bytes enough to be believed.
    uint8_t bytes[sizeof(zeros)];
    memcpy(bytes, zeros, sizeof(bytes));
    memcpy(bytes, "\xdd\x00\x00\x10\x00", 5);
    assert_int_equal(LIMIT_BATCH_COMMANDS, 0x1000);
    assert_true(batch_open(view_of(bytes, sizeof(bytes)), &reader, &count));
    assert_int_equal(count, LIMIT_BATCH_COMMANDS);
    bytes[4] = 1;
    assert_false(batch_open(view_of(bytes, sizeof(bytes)), &reader, &count));
    assert_int_equal(count, 0);
}

static void batch_take_refuses_damaged_elements_and_end_what_follows(void **state)
{
    (void)state;
#define HEAD    "\xdd\0\0\0\1"
#define COMMAND "\x95\x02\xc4\x01k\xc4\x00\x00\x00"
    const struct cs_view rows[] = {
        TEXT(HEAD "\x94\x07\x01\x01" COMMAND),     // seat 7
        TEXT(HEAD "\x93\x01\x01" COMMAND),         // no request id
        TEXT(HEAD "\x94\x01\xcc\x01\x01" COMMAND), // long form: the head alone may be
        TEXT(HEAD "\x94\x01\x01\x01\xc0"),         // no command
        TEXT(HEAD "\xc0"),
    };
    struct reader reader;
    struct command_origin origin;
    struct command command;
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(batch_open(rows[i], &reader, &count));
        assert_false(batch_take(&reader, &origin, &command));
    }
    assert_true(batch_open(TEXT(HEAD "\x94\x06\x01\x01" COMMAND), &reader, &count));
    assert_true(batch_take(&reader, &origin, &command));
    assert_true(reader_end(&reader));
    assert_true(batch_open(TEXT(HEAD "\x94\x06\x01\x01" COMMAND "\0"), &reader, &count));
    assert_true(batch_take(&reader, &origin, &command));
    assert_false(reader_end(&reader));
    assert_false(batch_take(&reader, &origin, &command));
}

/* True iff the whole payload is valid; then `again` holds it packed anew. */
static bool repack(struct cs_view payload, struct batch_builder *again)
{
    struct reader reader;
    uint32_t count = 0;
    struct cs_buffer bytes = {0};
    bool is_valid = batch_open(payload, &reader, &count);
    batch_start(again);
    for (uint32_t i = 0; is_valid && i < count; i++) {
        struct command_origin origin;
        struct command command;
        is_valid = batch_take(&reader, &origin, &command);
        if (is_valid) {
            bytes.bytes = 0;
            command_pack(&bytes, &command);
            batch_append(again, &origin, view_of_buffer(&bytes));
        }
    }
    buffer_fini(&bytes);
    return is_valid && reader_end(&reader);
}

static void damaged_batch_is_refused_or_packs_to_the_same_bytes(void **state)
{
    (void)state;
    uint8_t pool[300];
    uint64_t seed = 7;
    uint32_t taken_count = 0;
    draw_bytes(&seed, pool, sizeof(pool));
    struct batch_builder builder = {0};
    struct batch_builder again = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        (void)build_batch(&builder, 1000 + i, (uint32_t)(draw(&seed) % 8), pool);
        damage(&seed, &builder.bytes, 1 + draw(&seed) % 3);
        if (repack(view_of_buffer(&builder.bytes), &again)) {
            taken_count += 1;
            assert_views_equal(view_of_buffer(&builder.bytes), batch_seal(&again));
        }
    }
    assert_in_range(taken_count, 1000, 9000);
    batch_fini(&builder);
    batch_fini(&again);
}

static void largest_command_fits_a_batch_of_its_own(void **state)
{
    (void)state;
    uint8_t *zeros = calloc(1, LIMIT_VALUE_BYTES);
    struct command command = {.operation = COMMAND_PUT,
                              .condition = COMMAND_IF_REVISION,
                              .condition_revision = UINT64_MAX,
                              .key = view_of(zeros, LIMIT_KEY_BYTES),
                              .value = view_of(zeros, LIMIT_VALUE_BYTES),
                              .session = UINT64_MAX,
                              .sequence = UINT64_MAX,
                              .acknowledged = UINT64_MAX - 1};
    struct command_origin origin = {.seat = PAXOS_MEMBERS_MAX - 1,
                                    .boot = UINT64_MAX,
                                    .request_id = UINT64_MAX};
    struct cs_buffer bytes = {0};
    struct batch_builder builder = {0};
    command_pack(&bytes, &command);
    batch_start(&builder);
    assert_true(batch_bytes_after(&builder, bytes.bytes) <= LIMIT_ENTRY_BYTES);
    batch_append(&builder, &origin, view_of_buffer(&bytes));
    assert_true(batch_seal(&builder).bytes <= LIMIT_ENTRY_BYTES);
    batch_fini(&builder);
    buffer_fini(&bytes);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_comes_back_as_it_was_packed),
        cmocka_unit_test(command_has_the_bytes_of_its_table),
        cmocka_unit_test(command_unpack_refuses_each_broken_rule),
        cmocka_unit_test(lenient_command_may_use_str),
        cmocka_unit_test(command_takes_largest_key_and_value_and_not_a_byte_more),
        cmocka_unit_test(damaged_command_is_refused_or_packs_to_the_same_bytes),
        cmocka_unit_test(batch_gives_back_each_element_in_order),
        cmocka_unit_test(batch_is_one_array_of_arrays_to_msgpack),
        cmocka_unit_test(batch_open_takes_its_one_form_of_head_only),
        cmocka_unit_test(batch_take_refuses_damaged_elements_and_end_what_follows),
        cmocka_unit_test(damaged_batch_is_refused_or_packs_to_the_same_bytes),
        cmocka_unit_test(largest_command_fits_a_batch_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
