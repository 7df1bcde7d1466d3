#include "config/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void distance_counts_single_edits(void **state)
{
    (void)state;
    assert_int_equal(name_distance("threads", "threads"), 0);
    assert_int_equal(name_distance("thread", "threads"), 1);
    assert_int_equal(name_distance("threadss", "threads"), 1);
    assert_int_equal(name_distance("threats", "threads"), 1);
    assert_int_equal(name_distance("", "abc"), 3);
    assert_int_equal(name_distance("abc", ""), 3);
    assert_int_equal(name_distance("", ""), 0);
    assert_int_equal(name_distance("kitten", "sitting"), 3);
}

static void distance_takes_two_swapped_letters_for_one_mistake(void **state)
{
    (void)state;
    assert_int_equal(name_distance("thtp", "http"), 1);
    assert_int_equal(name_distance("htt", "tht"), 1);
    assert_int_equal(name_distance("sevrer", "server"), 1);
}

static void distance_is_the_same_both_ways(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"a",     "ab",         "ba", "server",
                                        "level", "durability", ""};
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            assert_int_equal(name_distance(WORDS[i], WORDS[j]),
                             name_distance(WORDS[j], WORDS[i]));
        }
    }
}

static void names_too_long_are_near_to_nothing(void **state)
{
    (void)state;
    char name[NAMES_BYTES_MAX + 2];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    const char *const names[] = {"aaaa"};
    assert_int_equal(name_distance(name, name), NAMES_BYTES_MAX);
    assert_null(name_find_nearest(name, names, 1));
    name[NAMES_BYTES_MAX] = '\0';
    assert_int_equal(name_distance(name, name), 0);
}

static void nearest_is_found_and_the_first_of_equals_wins(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"data", "date", "threads", "log"};
    assert_string_equal(name_find_nearest("dat", NAMES, 4), "data");
    assert_string_equal(name_find_nearest("thraeds", NAMES, 4), "threads");
    assert_string_equal(name_find_nearest("lag", NAMES, 4), "log");
    assert_string_equal(name_find_nearest("log", NAMES, 4), "log");
}

static void nothing_is_near_to_a_name_that_is_all_different(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"data", "threads", "n1"};
    assert_null(name_find_nearest("frobnicate", NAMES, 3));
    assert_null(name_find_nearest("xy", NAMES, 3));
    assert_null(name_find_nearest("", NAMES, 3));
    assert_null(name_find_nearest("data", NAMES, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_single_edits),
        cmocka_unit_test(distance_takes_two_swapped_letters_for_one_mistake),
        cmocka_unit_test(distance_is_the_same_both_ways),
        cmocka_unit_test(names_too_long_are_near_to_nothing),
        cmocka_unit_test(nearest_is_found_and_the_first_of_equals_wins),
        cmocka_unit_test(nothing_is_near_to_a_name_that_is_all_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
