/*
 * The bounded reader: every form at its bounds, every way to be refused, and msgpack-c as
 * the oracle on random bytes.
 */
#include "wire/reader.h"

#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#define BYTES(text) view_of(text, sizeof(text) - 1)

struct integer {
    struct cs_view bytes;
    uint64_t value;
};

/* ---- integers --------------------------------------------------------------------- */

static void reader_takes_each_integer_form_at_its_bounds(void **state)
{
    (void)state;
    const struct integer rows[] = {
        {BYTES("\x00"), 0},
        {BYTES("\x7f"), 0x7f},
        {BYTES("\xcc\x80"), 0x80},
        {BYTES("\xcc\xff"), 0xff},
        {BYTES("\xcd\x01\x00"), 0x100},
        {BYTES("\xcd\xff\xff"), 0xffff},
        {BYTES("\xce\x00\x01\x00\x00"), 0x10000},
        {BYTES("\xce\xff\xff\xff\xff"), 0xffffffff},
        {BYTES("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), 0x100000000},
        {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int is_strict = 0; is_strict < 2; is_strict++) {
            struct reader reader = reader_over(rows[i].bytes, is_strict != 0);
            assert_true(reader_take_u64(&reader, rows[i].value) == rows[i].value);
            assert_true(reader_end(&reader));
        }
    }
}

static void reader_refuses_integer_above_its_max(void **state)
{
    (void)state;
    struct reader reader = reader_over(BYTES("\xcd\x01\x00"), true);
    assert_int_equal(reader_take_u64(&reader, 0xff), 0);
    assert_true(reader.has_failed);
}

static void only_a_lenient_reader_takes_forms_that_are_not_the_shortest(void **state)
{
    (void)state;
    const struct integer rows[] = {
        {BYTES("\xcc\x7f"), 0x7f},
        {BYTES("\xcd\x00\xff"), 0xff},
        {BYTES("\xce\x00\x00\xff\xff"), 0xffff},
        {BYTES("\xcf\x00\x00\x00\x00\xff\xff\xff\xff"), 0xffffffff},
        {BYTES("\xd0\x05"), 5},
        {BYTES("\xd0\x7f"), 0x7f},
        {BYTES("\xd1\x7f\xff"), 0x7fff},
        {BYTES("\xd2\x7f\xff\xff\xff"), 0x7fffffff},
        {BYTES("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), 0x7fffffffffffffff},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader lenient = reader_over(rows[i].bytes, false);
        assert_true(reader_take_u64(&lenient, UINT64_MAX) == rows[i].value);
        assert_true(reader_end(&lenient));
        struct reader strict = reader_over(rows[i].bytes, true);
        assert_int_equal(reader_take_u64(&strict, UINT64_MAX), 0);
        assert_true(strict.has_failed);
    }
}

static void reader_refuses_what_is_not_an_unsigned_integer(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        BYTES("\xff"),
        BYTES("\xe0"),
        BYTES("\xd0\xff"),
        BYTES("\xd1\x80\x00"),
        BYTES("\xd2\xff\0\0\0"),
        BYTES("\xd3\x80\0\0\0\0\0\0\0"),
        BYTES("\xc0"),
        BYTES("\xc1"),
        BYTES("\xc2"),
        BYTES("\xa1\x31"),
        BYTES("\xc4\x01\x05"),
        BYTES("\x90"),
        BYTES("\x80"),
        BYTES("\xca\0\0\0\0"),
        BYTES("\xcb\0\0\0\0\0\0"),
        BYTES(""),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader reader = reader_over(rows[i], false);
        assert_int_equal(reader_take_u64(&reader, UINT64_MAX), 0);
        assert_true(reader.has_failed);
        assert_false(reader_end(&reader));
    }
}

static void reader_takes_booleans_and_nothing_else_as_one(void **state)
{
    (void)state;
    struct reader reader = reader_over(BYTES("\xc2\xc3\x01"), false);
    assert_false(reader_take_bool(&reader));
    assert_true(reader_take_bool(&reader));
    assert_false(reader.has_failed);
    assert_false(reader_take_bool(&reader));
    assert_true(reader.has_failed);
    struct reader empty = reader_over(BYTES(""), false);
    assert_false(reader_take_bool(&empty));
    assert_true(empty.has_failed);
}

/* ---- byte strings ----------------------------------------------------------------- */

/* A bin of `bytes` zeros as msgpack-c packs it. */
static void pack_bin(struct msgpack_sbuffer *out, size_t bytes)
{
    uint8_t *zeros = calloc(1, bytes + 1);
    msgpack_packer packer;
    msgpack_sbuffer_init(out);
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    assert_int_equal(msgpack_pack_bin_with_body(&packer, zeros, bytes), 0);
    free(zeros);
}

static void reader_takes_bin_of_each_width_up_to_its_max(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 0xff, 0x100, 0xffff, 0x10000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct msgpack_sbuffer packed;
        pack_bin(&packed, sizes[i]);
        struct cs_view bytes = view_of(packed.data, packed.size);
        struct reader reader = reader_over(bytes, true);
        struct cs_view view = reader_take_bytes(&reader, sizes[i]);
        assert_int_equal(view.bytes, sizes[i]);
        assert_ptr_equal(view.data + view.bytes, bytes.data + bytes.bytes);
        assert_true(reader_end(&reader));
        if (sizes[i] > 0) {
            reader = reader_over(bytes, true);
            assert_null(reader_take_bytes(&reader, sizes[i] - 1).data);
            assert_true(reader.has_failed);
        }
        msgpack_sbuffer_destroy(&packed);
    }
}

static void reader_refuses_length_past_the_end(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        BYTES("\xc4\x02\x00"),
        BYTES("\xc4"),
        BYTES("\xc5\x01\x00\x00"),
        BYTES("\xc5\x01"),
        BYTES("\xc6\xff\xff\xff\xff"),
        BYTES("\xc6\xff\xff\xff"),
        BYTES("\xa2\x61"),
        BYTES("\xdb\xff\xff\xff\xff\x61"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader reader = reader_over(rows[i], false);
        assert_int_equal(reader_take_bytes(&reader, SIZE_MAX).bytes, 0);
        assert_true(reader.has_failed);
    }
}

static void only_a_lenient_reader_takes_str_and_long_lengths(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        BYTES("\xa2no"),           BYTES("\xd9\x02no"),     BYTES("\xda\x00\x02no"),
        BYTES("\xdb\0\0\0\x02no"), BYTES("\xc5\x00\x02no"), BYTES("\xc6\0\0\0\x02no"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader lenient = reader_over(rows[i], false);
        struct cs_view view = reader_take_bytes(&lenient, 2);
        assert_int_equal(view.bytes, 2);
        assert_memory_equal(view.data, "no", 2);
        assert_true(reader_end(&lenient));
        struct reader strict = reader_over(rows[i], true);
        assert_int_equal(reader_take_bytes(&strict, 2).bytes, 0);
        assert_true(strict.has_failed);
    }
    struct reader number = reader_over(BYTES("\x02no"), false);
    assert_int_equal(reader_take_bytes(&number, 2).bytes, 0);
    assert_true(number.has_failed);
}

/* ---- arrays ----------------------------------------------------------------------- */

static void reader_refuses_count_past_the_end(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        BYTES("\xdd\xff\xff\xff\xff"),
        BYTES("\xdd\x0f\x00\x00\x00"),
        BYTES("\xdd\xff\x00\x00\x00\x01\x02\x03"),
        BYTES("\xdc\x00\x10\x01\x02"),
        BYTES("\x92\x01"),
        BYTES("\x91"),
        BYTES("\xdc\x00"),
        BYTES("\xdd\x00\x00\x00"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int is_strict = 0; is_strict < 2; is_strict++) {
            struct reader reader = reader_over(rows[i], is_strict != 0);
            assert_int_equal(reader_take_array(&reader, 0, UINT32_MAX), 0);
            assert_true(reader.has_failed);
        }
    }
}

static void reader_takes_counts_between_min_and_max_only(void **state)
{
    (void)state;
    struct cs_view three = BYTES("\x93\x01\x02\x03");
    struct reader reader = reader_over(three, true);
    assert_int_equal(reader_take_array(&reader, 3, 3), 3);
    assert_int_equal(reader.at, 1);
    reader = reader_over(three, true);
    assert_int_equal(reader_take_array(&reader, 4, 9), 0);
    assert_true(reader.has_failed);
    reader = reader_over(three, true);
    assert_int_equal(reader_take_array(&reader, 0, 2), 0);
    assert_true(reader.has_failed);
    reader = reader_over(BYTES("\x83\x01\x02\x03\x04\x05\x06"), false);
    assert_int_equal(reader_take_array(&reader, 0, 9), 0);
    assert_true(reader.has_failed);
    reader = reader_over(BYTES("\x90"), true);
    assert_int_equal(reader_take_array(&reader, 0, 0), 0);
    assert_true(reader_end(&reader));
}

static void reader_takes_wide_counts_and_only_lenient_ones_too_wide(void **state)
{
    (void)state;
    enum { COUNT = 0x10000 };
    uint8_t *bytes = calloc(1, 5 + COUNT);
    memcpy(bytes, "\xdd\x00\x01\x00\x00", 5);
    struct reader reader = reader_over(view_of(bytes, 5 + COUNT), true);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), COUNT);
    memcpy(bytes, "\xdd\x00\x00\xff\xff", 5);
    reader = reader_over(view_of(bytes, 5 + COUNT), true);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), 0);
    assert_true(reader.has_failed);
    reader = reader_over(view_of(bytes, 5 + COUNT), false);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), 0xffff);
    memcpy(bytes, "\xdc\x00\x10", 3);
    reader = reader_over(view_of(bytes, 5 + COUNT), true);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), 16);
    memcpy(bytes, "\xdc\x00\x0f", 3);
    reader = reader_over(view_of(bytes, 5 + COUNT), true);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), 0);
    reader = reader_over(view_of(bytes, 5 + COUNT), false);
    assert_int_equal(reader_take_array(&reader, 0, COUNT), 15);
    free(bytes);
}

/* ---- the whole -------------------------------------------------------------------- */

static void first_error_sticks_and_later_reads_answer_nothing(void **state)
{
    (void)state;
    struct reader reader = reader_over(BYTES("\xc0\x05\xc3\xc4\x01\x41\x91\x01"), false);
    (void)reader_take_u64(&reader, UINT64_MAX);
    assert_true(reader.has_failed);
    assert_int_equal(reader_take_u64(&reader, UINT64_MAX), 0);
    assert_false(reader_take_bool(&reader));
    assert_int_equal(reader_take_bytes(&reader, 9).bytes, 0);
    assert_int_equal(reader_take_array(&reader, 0, 9), 0);
    assert_null(reader_since(&reader, 0).data);
    assert_false(reader_end(&reader));
}

static void reader_since_shows_the_bytes_that_were_consumed(void **state)
{
    (void)state;
    struct cs_view bytes = BYTES("\x05\xcc\x80\xc3");
    struct reader reader = reader_over(bytes, true);
    (void)reader_take_u64(&reader, 9);
    size_t from = reader.at;
    (void)reader_take_u64(&reader, 0xff);
    struct cs_view since = reader_since(&reader, from);
    assert_ptr_equal(since.data, bytes.data + 1);
    assert_int_equal(since.bytes, 2);
    assert_false(reader_end(&reader));
    assert_int_equal(reader_since(&reader, 99).bytes, 0);
}

static void no_prefix_of_a_valid_message_is_valid(void **state)
{
    (void)state;
    struct cs_view whole = BYTES("\x95\xcd\x12\x34\xc3\xc4\x03"
                                 "abc\xcf\x01\0\0\0\0\0\0\0\xce\x01\0\0\0");
    for (size_t i = 0; i <= whole.bytes; i++) {
        struct reader reader = reader_over(view_of(whole.data, i), true);
        (void)reader_take_array(&reader, 5, 5);
        (void)reader_take_u64(&reader, UINT64_MAX);
        (void)reader_take_bool(&reader);
        (void)reader_take_bytes(&reader, 3);
        (void)reader_take_u64(&reader, UINT64_MAX);
        (void)reader_take_u64(&reader, UINT64_MAX);
        assert_int_equal(reader_end(&reader), i == whole.bytes);
    }
}

/* What msgpack-c makes of the bytes: true iff they are one object and not a container. */
static bool oracle_takes(struct cs_view bytes, msgpack_unpacked *unpacked)
{
    size_t at = 0;
    uint8_t first = bytes.data[0];
    if ((first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf)) {
        return false; // not asked: it would allocate what five bytes announce
    }
    msgpack_unpack_return found =
        msgpack_unpack_next(unpacked, (const char *)bytes.data, bytes.bytes, &at);
    return found == MSGPACK_UNPACK_SUCCESS && at == bytes.bytes;
}

static void reader_agrees_with_msgpack_on_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint32_t agreed_count = 0;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    for (uint32_t i = 0; i < 200000; i++) {
        uint8_t data[40];
        for (size_t j = 0; j < sizeof(data); j++) {
            // Mostly small numbers, so that lengths often fit.
            uint64_t bits = draw(&seed);
            data[j] = (uint8_t)(bits >> (draw(&seed) % 2 == 0 ? 56 : 61));
        }
        data[0] = (uint8_t)draw(&seed);
        struct cs_view bytes = view_of(data, 1 + draw(&seed) % sizeof(data));
        bool is_object = oracle_takes(bytes, &unpacked);
        struct reader reader = reader_over(bytes, false);
        uint64_t number = reader_take_u64(&reader, UINT64_MAX);
        bool is_number =
            is_object && unpacked.data.type == MSGPACK_OBJECT_POSITIVE_INTEGER;
        assert_int_equal(reader_end(&reader), is_number);
        assert_true(!is_number || number == unpacked.data.via.u64);
        reader = reader_over(bytes, false);
        struct cs_view view = reader_take_bytes(&reader, SIZE_MAX);
        bool is_bytes = is_object && (unpacked.data.type == MSGPACK_OBJECT_BIN ||
                                      unpacked.data.type == MSGPACK_OBJECT_STR);
        assert_int_equal(reader_end(&reader), is_bytes);
        assert_true(!is_bytes || view.bytes == unpacked.data.via.bin.size);
        agreed_count += is_number || is_bytes ? 1 : 0;
    }
    msgpack_unpacked_destroy(&unpacked);
    assert_true(agreed_count > 2000); // else the bytes drawn say little
}

static void reader_takes_what_msgpack_packs(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (uint32_t i = 0; i < 100000; i++) {
        uint64_t shift = draw(&seed) % 64;
        uint64_t value = draw(&seed) >> shift;
        msgpack_sbuffer packed;
        msgpack_packer packer;
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        assert_int_equal(msgpack_pack_uint64(&packer, value), 0);
        struct reader reader = reader_over(view_of(packed.data, packed.size), true);
        assert_true(reader_take_u64(&reader, value) == value);
        assert_true(reader_end(&reader));
        msgpack_sbuffer_destroy(&packed);
    }
}

/* ---- passing over ----------------------------------------------------------------- */

static void reader_passes_over_one_value_of_any_kind(void **state)
{
    (void)state;
    const struct cs_view values[] = {
        BYTES("\x00"),
        BYTES("\xff"),
        BYTES("\xc0"),
        BYTES("\xc3"),
        BYTES("\xca"
              "1234"),
        BYTES("\xcb"
              "12345678"),
        BYTES("\xcc"
              "1"),
        BYTES("\xcd"
              "12"),
        BYTES("\xce"
              "1234"),
        BYTES("\xcf"
              "12345678"),
        BYTES("\xd0"
              "1"),
        BYTES("\xd1"
              "12"),
        BYTES("\xd2"
              "1234"),
        BYTES("\xd3"
              "12345678"),
        BYTES("\xd4"
              "t1"),
        BYTES("\xd5"
              "t12"),
        BYTES("\xd6"
              "t1234"),
        BYTES("\xd7"
              "t12345678"),
        BYTES("\xd8"
              "t1234567812345678"),
        BYTES("\xc7\x02"
              "t12"),
        BYTES("\xc8\x00\x01"
              "t1"),
        BYTES("\xc9\x00\x00\x00\x00"
              "t"),
        BYTES("\xc4\x01"
              "1"),
        BYTES("\xa2"
              "12"),
        BYTES("\xdb\x00\x00\x00\x01"
              "1"),
        BYTES("\x90"),
        BYTES("\x92\x91\x93\x01\x02\x03\xc0"),
        BYTES("\x81\x01\x92\x01\x80"),
        BYTES("\xdc\x00\x01\x01"),
        BYTES("\xdf\x00\x00\x00\x01\xa1k\xa1v"),
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct reader reader = reader_over(values[i], false);
        reader_skip(&reader);
        assert_true(reader_end(&reader));
        for (size_t cut = 0; cut < values[i].bytes; cut++) {
            reader = reader_over(view_of(values[i].data, cut), false);
            reader_skip(&reader);
            assert_true(reader.has_failed);
        }
    }
}

static void reader_passes_over_nothing_that_lies_about_its_size(void **state)
{
    (void)state;
    const struct cs_view values[] = {
        BYTES("\xc1"),
        BYTES("\xdd\xff\xff\xff\xff\x01"),
        BYTES("\xdf\xff\xff\xff\xff\x01"),
        BYTES("\xc9\xff\xff\xff\xff"
              "t"),
        BYTES("\xdb\xff\xff\xff\xff"
              "1"),
        BYTES("\x92\x92\x92\x92\x01\x01"),
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct reader reader = reader_over(values[i], false);
        reader_skip(&reader);
        assert_true(reader.has_failed);
    }
}

static void reader_takes_nil_and_leaves_what_is_none(void **state)
{
    (void)state;
    struct reader reader = reader_over(BYTES("\xc0\x05"), false);
    assert_true(reader_take_nil(&reader));
    assert_false(reader_take_nil(&reader));
    assert_int_equal(reader_take_u64(&reader, 9), 5);
    assert_false(reader_take_nil(&reader));
    assert_true(reader_end(&reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_takes_each_integer_form_at_its_bounds),
        cmocka_unit_test(reader_refuses_integer_above_its_max),
        cmocka_unit_test(only_a_lenient_reader_takes_forms_that_are_not_the_shortest),
        cmocka_unit_test(reader_refuses_what_is_not_an_unsigned_integer),
        cmocka_unit_test(reader_takes_booleans_and_nothing_else_as_one),
        cmocka_unit_test(reader_takes_bin_of_each_width_up_to_its_max),
        cmocka_unit_test(reader_refuses_length_past_the_end),
        cmocka_unit_test(only_a_lenient_reader_takes_str_and_long_lengths),
        cmocka_unit_test(reader_refuses_count_past_the_end),
        cmocka_unit_test(reader_takes_counts_between_min_and_max_only),
        cmocka_unit_test(reader_takes_wide_counts_and_only_lenient_ones_too_wide),
        cmocka_unit_test(first_error_sticks_and_later_reads_answer_nothing),
        cmocka_unit_test(reader_since_shows_the_bytes_that_were_consumed),
        cmocka_unit_test(no_prefix_of_a_valid_message_is_valid),
        cmocka_unit_test(reader_agrees_with_msgpack_on_random_bytes),
        cmocka_unit_test(reader_takes_what_msgpack_packs),
        cmocka_unit_test(reader_passes_over_one_value_of_any_kind),
        cmocka_unit_test(reader_passes_over_nothing_that_lies_about_its_size),
        cmocka_unit_test(reader_takes_nil_and_leaves_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
