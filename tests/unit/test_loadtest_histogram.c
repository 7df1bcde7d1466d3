/*
 * The histogram of the load test beside its dumb twin, a sorted list.
 */
#include "loadtest/histogram.h"

#include "loadtest/chance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SAMPLE_COUNT = 20000 };

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Values of every size up to 2^36, as many of each power. */
static uint64_t draw_value(struct chance *chance)
{
    return chance_draw(chance) >> (28 + chance_below(chance, 36));
}

static void check_twin(uint32_t bits)
{
    static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    static uint64_t sample[SAMPLE_COUNT];
    struct histogram *histogram = histogram_new(bits);
    struct chance chance = chance_from(bits);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        sample[i] = draw_value(&chance);
        histogram_add(histogram, sample[i], 1);
    }
    qsort(sample, SAMPLE_COUNT, sizeof sample[0], compare);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        size_t rank = (size_t)ceil(percents[i] / 100 * SAMPLE_COUNT);
        uint64_t exact = sample[rank == 0 ? 0 : rank - 1];
        uint64_t told = histogram_percentile(histogram, percents[i]);
        assert_true(told >= exact);
        assert_true(told - exact <= exact >> (bits - 1));
    }
    assert_int_equal(histogram_max(histogram), sample[SAMPLE_COUNT - 1]);
    assert_int_equal(histogram_total(histogram), SAMPLE_COUNT);
    histogram_destroy(&histogram);
    assert_null(histogram);
}

static void percentiles_are_those_of_the_list_within_the_precision(void **state)
{
    (void)state;
    check_twin(HISTOGRAM_FINE_BITS);
    check_twin(HISTOGRAM_COARSE_BITS);
    check_twin(2);
}

static void three_significant_digits_are_kept(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < UINT64_C(1) << 36; value = value * 3 + 1) {
        struct histogram *histogram = histogram_new(HISTOGRAM_FINE_BITS);
        histogram_add(histogram, value, 1);
        histogram_add(histogram, UINT64_C(1) << 36, 1000); // so that max does not help
        uint64_t told = histogram_percentile(histogram, 0.01);
        assert_true(told >= value && (double)(told - value) <= (double)value / 1000);
        histogram_destroy(&histogram);
    }
}

static void nothing_has_no_percentiles(void **state)
{
    (void)state;
    struct histogram *histogram = histogram_new(HISTOGRAM_FINE_BITS);
    assert_int_equal(histogram_percentile(histogram, 50), 0);
    assert_int_equal(histogram_max(histogram), 0);
    assert_true(histogram_mean(histogram) < 0.1);
    histogram_destroy(&histogram);
}

static void what_is_too_large_is_not_lost(void **state)
{
    (void)state;
    struct histogram *histogram = histogram_new(HISTOGRAM_FINE_BITS);
    histogram_add(histogram, UINT64_MAX / 4, 1);
    histogram_add(histogram, 7, 3);
    assert_int_equal(histogram_total(histogram), 4);
    assert_int_equal(histogram_percentile(histogram, 75), 7);
    assert_true(histogram_percentile(histogram, 100) >=
                (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1);
    histogram_destroy(&histogram);
}

static void merging_is_adding_to_one(void **state)
{
    (void)state;
    struct histogram *parts[2] = {histogram_new(HISTOGRAM_COARSE_BITS),
                                  histogram_new(HISTOGRAM_COARSE_BITS)};
    struct histogram *whole = histogram_new(HISTOGRAM_COARSE_BITS);
    struct chance chance = chance_from(3);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        uint64_t value = draw_value(&chance);
        histogram_add(parts[i % 2], value, 1);
        histogram_add(whole, value, 1);
    }
    histogram_merge(parts[0], parts[1]);
    for (double percent = 0; percent <= 100; percent += 0.5) {
        assert_int_equal(histogram_percentile(parts[0], percent),
                         histogram_percentile(whole, percent));
    }
    assert_true(fabs(histogram_mean(parts[0]) - histogram_mean(whole)) < 1);
    histogram_destroy(&parts[0]);
    histogram_destroy(&parts[1]);
    histogram_destroy(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_list_within_the_precision),
        cmocka_unit_test(three_significant_digits_are_kept),
        cmocka_unit_test(nothing_has_no_percentiles),
        cmocka_unit_test(what_is_too_large_is_not_lost),
        cmocka_unit_test(merging_is_adding_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
