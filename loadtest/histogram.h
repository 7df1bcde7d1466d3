/*
 * histogram.h - counts of values, log-linear: every value is kept to a relative precision
 * of 2^-(bits - 1), whatever its size. bits 11: three significant digits.
 *
 * Values below 2^bits have a counter each; above, each doubling has 2^(bits - 1) of them.
 * What is above the largest value counts as that.
 *
 * Source: the layout of G. Tene's HdrHistogram.
 * Thread: one writes; others may read meanwhile and see a state a moment old.
 */
#ifndef CONSENS_LOADTEST_HISTOGRAM_H
#define CONSENS_LOADTEST_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    HISTOGRAM_FINE_BITS = 11,
    HISTOGRAM_COARSE_BITS = 7, // 1.6 %: for each moment of a time line
    HISTOGRAM_VALUE_BITS = 37, // in nanoseconds: 137 seconds
};

struct histogram {
    uint32_t bits;
    uint32_t counter_count;
    _Atomic uint64_t total;
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
    _Atomic uint32_t counters[];
};

struct histogram *histogram_new(uint32_t bits);
void histogram_destroy(struct histogram **histogram);

void histogram_add(struct histogram *histogram, uint64_t value, uint32_t count);
/* Both have the same bits. */
void histogram_merge(struct histogram *into, const struct histogram *from);

uint64_t histogram_total(const struct histogram *histogram);
uint64_t histogram_max(const struct histogram *histogram);
double histogram_mean(const struct histogram *histogram);
/*
 * The smallest value that at least `percent` of the values do not pass, rounded up within
 * the precision, never above the largest value; 0 if there is none.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
