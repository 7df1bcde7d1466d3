/*
 * Keys come as often as Zipf's law says; the same seed draws the same.
 */
#include "loadtest/chance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEYS = 50, DRAWS = 400000 };

static void check_frequencies(double exponent)
{
    static uint32_t counts[KEYS];
    struct zipf zipf = zipf_over(KEYS, exponent);
    struct chance chance = chance_from(11);
    double sum = 0;
    for (int i = 0; i < KEYS; i++) {
        counts[i] = 0;
        sum += pow(i + 1, -exponent);
    }
    for (int i = 0; i < DRAWS; i++) {
        uint64_t key = zipf_draw(&zipf, &chance);
        assert_true(key < KEYS);
        counts[key]++;
    }
    for (int i = 0; i < KEYS; i++) {
        double expected = DRAWS * pow(i + 1, -exponent) / sum;
        // Five standard deviations of a count, and one for its being whole.
        assert_true(fabs(counts[i] - expected) < 5 * sqrt(expected) + 1);
    }
}

static void ranks_come_as_often_as_the_law_says(void **state)
{
    (void)state;
    check_frequencies(0.5);
    check_frequencies(0.99);
    check_frequencies(1);
    check_frequencies(2.5);
}

static void one_key_is_the_only_one(void **state)
{
    (void)state;
    struct zipf zipf = zipf_over(1, 0.99);
    struct chance chance = chance_from(1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(zipf_draw(&zipf, &chance), 0);
    }
}

static void many_keys_cost_no_table(void **state)
{
    (void)state;
    const uint64_t keys = UINT64_C(100000000);
    struct zipf zipf = zipf_over(keys, 0.99);
    struct chance chance = chance_from(1);
    uint64_t largest = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t key = zipf_draw(&zipf, &chance);
        assert_true(key < keys);
        largest = key > largest ? key : largest;
    }
    assert_true(largest > keys / 2);
}

static void uniform_draws_fill_their_range_evenly(void **state)
{
    (void)state;
    uint32_t counts[KEYS] = {0};
    struct chance chance = chance_from(5);
    for (int i = 0; i < DRAWS; i++) {
        counts[chance_below(&chance, KEYS)]++;
    }
    for (int i = 0; i < KEYS; i++) {
        assert_true(fabs(counts[i] - (double)DRAWS / KEYS) < 5 * sqrt(DRAWS / KEYS));
    }
}

static void a_seed_draws_the_same_again(void **state)
{
    (void)state;
    struct chance one = chance_from(9);
    struct chance two = chance_from(9);
    struct chance other = chance_from(10);
    uint64_t first = chance_draw(&one);
    assert_int_equal(first, chance_draw(&two));
    assert_int_not_equal(first, chance_draw(&other));
    assert_int_equal(chance_draw(&one), chance_draw(&two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_come_as_often_as_the_law_says),
        cmocka_unit_test(one_key_is_the_only_one),
        cmocka_unit_test(many_keys_cost_no_table),
        cmocka_unit_test(uniform_draws_fill_their_range_evenly),
        cmocka_unit_test(a_seed_draws_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
