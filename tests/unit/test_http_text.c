#include "http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool is(struct cs_view text, const char *word)
{
    return text_equals(text, word);
}

static void words_compare_with_and_without_case(void **state)
{
    (void)state;
    assert_true(text_equals(text_view("GET"), "GET"));
    assert_false(text_equals(text_view("get"), "GET"));
    assert_false(text_equals(text_view("GETS"), "GET"));
    assert_true(text_equals_any_case(text_view("eXpEcT"), "Expect"));
    assert_false(text_equals_any_case(text_view("Expects"), "Expect"));
    assert_false(text_equals_any_case(text_view("Expec"), "Expect"));
    assert_true(text_starts_any_case(text_view("consens-x"), "Consens-"));
    assert_false(text_starts_any_case(text_view("consens"), "Consens-"));
    // '[' and '{' differ by the bit that makes letters small.
    assert_false(text_equals_any_case(text_view("["), "{"));
}

static void white_space_is_trimmed_at_both_ends(void **state)
{
    (void)state;
    assert_true(is(text_trim(text_view(" \t a b\t ")), "a b"));
    assert_int_equal(text_trim(text_view(" \t ")).bytes, 0);
    assert_int_equal(text_trim(text_view("")).bytes, 0);
}

static void parts_are_taken_in_turn(void **state)
{
    (void)state;
    struct cs_view rest = text_view("a,,b");
    struct cs_view part = {0};
    assert_true(text_take_part(&rest, ',', &part) && is(part, "a"));
    assert_true(text_take_part(&rest, ',', &part));
    assert_int_equal(part.bytes, 0);
    assert_true(text_take_part(&rest, ',', &part) && is(part, "b"));
    assert_false(text_take_part(&rest, ',', &part));
}

static void numbers_are_digits_and_fit(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(text_parse_u64(text_view("0"), &value));
    assert_int_equal(value, 0);
    assert_true(text_parse_u64(text_view("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "1.0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_parse_u64(text_view(bad[i]), &value));
    }
}

static void durations_have_a_unit(void **state)
{
    (void)state;
    uint64_t ms = 0;
    assert_true(text_parse_duration_ms(text_view("500ms"), &ms));
    assert_int_equal(ms, 500);
    assert_true(text_parse_duration_ms(text_view("5s"), &ms));
    assert_int_equal(ms, 5000);
    assert_true(text_parse_duration_ms(text_view("2m"), &ms));
    assert_int_equal(ms, 120000);
    static const char *const bad[] = {
        "", "5", "s", "ms", "5h", "5 s", "1.5s", "-1s", "5sm", "18446744073709551615s"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_parse_duration_ms(text_view(bad[i]), &ms));
    }
}

static void escapes_become_any_byte(void **state)
{
    (void)state;
    uint8_t out[8];
    size_t bytes = 0;
    assert_true(
        text_decode_percent(text_view("a%2fb%2F%00%fF+"), out, sizeof(out), &bytes));
    assert_int_equal(bytes, 7);
    assert_memory_equal(out, "a/b/\0\xff+", 7);
    assert_true(text_decode_percent(text_view(""), out, sizeof(out), &bytes));
    assert_int_equal(bytes, 0);
    static const char *const bad[] = {"%", "%2", "%2g", "%g2", "a%", "%%41", "% 1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(text_decode_percent(text_view(bad[i]), out, sizeof(out), &bytes));
    }
}

static void decoding_counts_past_its_room_but_does_not_write(void **state)
{
    (void)state;
    uint8_t out[4] = {0, 0, 0, 0x5a};
    size_t bytes = 0;
    assert_true(text_decode_percent(text_view("ab%63de"), out, 3, &bytes));
    assert_int_equal(bytes, 5);
    assert_memory_equal(out, "abc\x5a", 4);
}

static void every_byte_is_written_as_json(void **state)
{
    (void)state;
    struct cs_buffer out = {0};
    text_append_json(&out, view_of("a\"\\\n\0\x7f\xe4z", 8));
    assert_true(is(view_of_buffer(&out), "\"a\\\"\\\\\\u000a\\u0000\\u007f\\u00e4z\""));
    buffer_fini(&out);
}

static void numbers_are_written(void **state)
{
    (void)state;
    struct cs_buffer out = {0};
    text_append_u64(&out, 0);
    text_append(&out, " ");
    text_append_u64(&out, UINT64_MAX);
    assert_true(is(view_of_buffer(&out), "0 18446744073709551615"));
    buffer_fini(&out);
}

static void what_is_shown_is_short_and_printable(void **state)
{
    (void)state;
    char shown[TEXT_SHOWN_BYTES];
    text_show(view_of("a\r\n\0\x80z", 6), shown);
    assert_string_equal(shown, "a????z");
    text_show(text_view("1234567890123456789012345678901234567890"), shown);
    assert_string_equal(shown, "1234567890123456789012345678901234567890");
    text_show(text_view("12345678901234567890123456789012345678901"), shown);
    assert_string_equal(shown, "1234567890123456789012345678901234567890...");
    text_show(text_view(NULL), shown);
    assert_string_equal(shown, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_compare_with_and_without_case),
        cmocka_unit_test(white_space_is_trimmed_at_both_ends),
        cmocka_unit_test(parts_are_taken_in_turn),
        cmocka_unit_test(numbers_are_digits_and_fit),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(escapes_become_any_byte),
        cmocka_unit_test(decoding_counts_past_its_room_but_does_not_write),
        cmocka_unit_test(every_byte_is_written_as_json),
        cmocka_unit_test(numbers_are_written),
        cmocka_unit_test(what_is_shown_is_short_and_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
