#include "config/value.h"

#include "base/log.h"
#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct value_rule TEXT = {.type = VALUE_TEXT, .max = 5};
static const struct value_rule BOOL = {.type = VALUE_BOOL, .max = 1};
static const struct value_rule COUNT = {.type = VALUE_COUNT, .min = 4, .max = 4096};
static const struct value_rule BYTES = {.type = VALUE_BYTES,
                                        .min = 4096,
                                        .max = 1U << 30,
                                        .multiple = 4096};
static const struct value_rule DURATION = {.type = VALUE_DURATION,
                                           .min = 10,
                                           .max = 5000};
static const struct value_rule DURABILITY = {.type = VALUE_DURABILITY,
                                             .min = 1,
                                             .max = 10000};
static const struct value_rule LEVEL = {.type = VALUE_LEVEL};
static const struct value_rule ADDRESS = {.type = VALUE_ADDRESS};
static const struct value_rule ENDPOINT = {.type = VALUE_ENDPOINT};

// Reads, writes, reads and writes again; the text, or the error.
static const char *again(const struct value_rule *rule, const char *text)
{
    static char result[SENTENCE_BYTES];
    struct value value = {0};
    struct sentence error = {0};
    if (!value_parse(rule, text, &value, &error)) {
        (void)snprintf(result, sizeof result, "%s", error.text);
        return result;
    }
    value_format(rule, &value, result, sizeof result);
    char bare[SENTENCE_BYTES] = "";
    size_t quotes = result[0] == '"' ? 1 : 0;
    (void)snprintf(bare, sizeof bare, "%.*s", (int)(strlen(result) - 2 * quotes),
                   result + quotes);
    struct value second = {0};
    assert_true(value_parse(rule, bare, &second, &error));
    assert_memory_equal(&value, &second, sizeof value);
    return result;
}

static void bools_are_zero_one_true_and_false(void **state)
{
    (void)state;
    assert_string_equal(again(&BOOL, "1"), "1");
    assert_string_equal(again(&BOOL, "true"), "1");
    assert_string_equal(again(&BOOL, "0"), "0");
    assert_string_equal(again(&BOOL, "false"), "0");
    assert_string_equal(again(&BOOL, "yes"), "\"yes\" is not usable: give 0 or 1");
    assert_string_equal(again(&BOOL, ""), "\"\" is not usable: give 0 or 1");
    assert_string_equal(again(&BOOL, "2"), "\"2\" is not usable: give 0 or 1");
}

static void counts_keep_to_their_range(void **state)
{
    (void)state;
    assert_string_equal(again(&COUNT, "4"), "4");
    assert_string_equal(again(&COUNT, "4096"), "4096");
    assert_string_equal(again(&COUNT, "3"),
                        "\"3\" is not usable: give a whole number from 4 to 4096");
    static const char *const BAD[] = {"4097", "-5",   "+5", "5x", " 5",
                                      "5 ",   "0x10", "1K", "",   "18446744073709551621"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_non_null(strstr(again(&COUNT, BAD[i]), "is not usable"));
    }
}

static void sizes_take_suffixes_and_must_be_multiples(void **state)
{
    (void)state;
    assert_string_equal(again(&BYTES, "4096"), "4K");
    assert_string_equal(again(&BYTES, "64M"), "64M");
    assert_string_equal(again(&BYTES, "1024K"), "1M");
    assert_string_equal(again(&BYTES, "1G"), "1G");
    assert_string_equal(again(&BYTES, "12K"), "12K");
    assert_string_equal(
        again(&BYTES, "4097"),
        "\"4097\" is not usable: give a size from 4K to 1G such as 512K or "
        "64M, a multiple of 4K");
    static const char *const BAD[] = {"2G", "64m",  "64MB",
                                      "M",  "64 M", "999999999999999G"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_non_null(strstr(again(&BYTES, BAD[i]), "is not usable"));
    }
}

static void durations_need_a_unit(void **state)
{
    (void)state;
    assert_string_equal(again(&DURATION, "50ms"), "50ms");
    assert_string_equal(again(&DURATION, "2000ms"), "2s");
    assert_string_equal(again(&DURATION, "5s"), "5s");
    assert_string_equal(
        again(&DURATION, "50"),
        "\"50\" is not usable: give a time from 10ms to 5s such as 50ms or "
        "2s");
    assert_non_null(strstr(again(&DURATION, "9ms"), "is not usable"));
    assert_non_null(strstr(again(&DURATION, "6s"), "is not usable"));
    assert_non_null(strstr(again(&DURATION, "1m"), "is not usable"));
}

static void durability_has_three_modes(void **state)
{
    (void)state;
    struct value value = {0};
    struct sentence error = {0};
    assert_string_equal(again(&DURABILITY, "sync"), "\"sync\"");
    assert_string_equal(again(&DURABILITY, "none"), "\"none\"");
    assert_string_equal(again(&DURABILITY, "interval:10ms"), "\"interval:10ms\"");
    assert_true(value_parse(&DURABILITY, "interval:2s", &value, &error));
    assert_int_equal(value.number, SETTINGS_INTERVAL);
    assert_int_equal(value.interval_ms, 2000);
    assert_string_equal(
        again(&DURABILITY, "fsync"),
        "\"fsync\" is not usable: give sync, interval:TIME (1ms to 10s) or "
        "none");
    static const char *const BAD[] = {
        "interval", "interval:", "interval:0ms", "interval:11s", "interval:10",
        "SYNC",     ""};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_non_null(strstr(again(&DURABILITY, BAD[i]), "is not usable"));
    }
}

static void levels_are_those_of_the_log(void **state)
{
    (void)state;
    struct value value = {0};
    struct sentence error = {0};
    assert_true(value_parse(&LEVEL, "error", &value, &error));
    assert_int_equal(value.number, LOG_LEVEL_ERROR);
    assert_true(value_parse(&LEVEL, "debug", &value, &error));
    assert_int_equal(value.number, LOG_LEVEL_DEBUG);
    assert_string_equal(again(&LEVEL, "warn"), "\"warn\"");
    assert_string_equal(again(&LEVEL, "loud"),
                        "\"loud\" is not usable: give error, warn, info or debug");
}

static void texts_have_a_length_and_no_quotes(void **state)
{
    (void)state;
    assert_string_equal(again(&TEXT, "a b#c"), "\"a b#c\"");
    assert_string_equal(again(&TEXT, "it's"), "\"it's\"");
    assert_string_equal(
        again(&TEXT, "sixsix"),
        "\"sixsix\" is not usable: give 1 to 5 characters, without double "
        "quotes or control characters");
    assert_non_null(strstr(again(&TEXT, ""), "is not usable"));
    assert_non_null(strstr(again(&TEXT, "a\"b"), "is not usable"));
    assert_non_null(strstr(again(&TEXT, "a\nb"), "is not usable"));
}

static void addresses_say_what_they_should_look_like(void **state)
{
    (void)state;
    assert_string_equal(again(&ADDRESS, "localhost:3000"), "\"127.0.0.1:3000\"");
    assert_string_equal(again(&ENDPOINT, "tcp://*:13000"), "\"tcp://0.0.0.0:13000\"");
    assert_string_equal(again(&ADDRESS, "localhost"),
                        "\"localhost\" is not usable: it has no port; give host:port");
    assert_string_equal(
        again(&ENDPOINT, "localhost:13000"),
        "\"localhost:13000\" is not usable: it does not begin with tcp://; "
        "give tcp://host:port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bools_are_zero_one_true_and_false),
        cmocka_unit_test(counts_keep_to_their_range),
        cmocka_unit_test(sizes_take_suffixes_and_must_be_multiples),
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(durability_has_three_modes),
        cmocka_unit_test(levels_are_those_of_the_log),
        cmocka_unit_test(texts_have_a_length_and_no_quotes),
        cmocka_unit_test(addresses_say_what_they_should_look_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
