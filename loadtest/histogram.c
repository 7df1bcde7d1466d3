#include "loadtest/histogram.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

static uint32_t counter_count(uint32_t bits)
{
    return (1U << bits) + (HISTOGRAM_VALUE_BITS - bits) * (1U << (bits - 1));
}

struct histogram *histogram_new(uint32_t bits)
{
    CHECK(bits >= 2);
    CHECK(bits <= 16); // more would be megabytes
    uint32_t count = counter_count(bits);
    struct histogram *histogram =
        calloc(1, sizeof *histogram + count * sizeof histogram->counters[0]);
    CHECK(histogram != NULL);
    histogram->bits = bits;
    histogram->counter_count = count;
    return histogram;
}

void histogram_destroy(struct histogram **histogram)
{
    free(*histogram);
    *histogram = NULL;
}

static uint32_t bit_count(uint64_t value)
{
    return value == 0 ? 0 : 64U - (uint32_t)__builtin_clzll(value);
}

static uint32_t index_of(const struct histogram *histogram, uint64_t value)
{
    uint32_t bits = bit_count(value);
    if (bits <= histogram->bits) {
        return (uint32_t)value;
    }
    uint32_t shift = bits - histogram->bits; // doublings past the linear part
    uint32_t half = 1U << (histogram->bits - 1);
    uint64_t index = (uint64_t)shift * half + (value >> shift);
    return index < histogram->counter_count ? (uint32_t)index
                                            : histogram->counter_count - 1;
}

/* The largest value that index_of() answers `index` for. */
static uint64_t highest_of(const struct histogram *histogram, uint32_t index)
{
    uint32_t half = 1U << (histogram->bits - 1);
    if (index < 2 * half) {
        return index;
    }
    uint32_t shift = index / half - 1;
    uint64_t head = index - (uint64_t)shift * half;
    return ((head + 1) << shift) - 1;
}

/* One writer: no need for a locked instruction. */
static void add_u64(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static void add_u32(_Atomic uint32_t *counter, uint32_t amount)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static void raise_max(struct histogram *histogram, uint64_t value)
{
    if (value > histogram_max(histogram)) {
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
    }
}

void histogram_add(struct histogram *histogram, uint64_t value, uint32_t count)
{
    add_u32(&histogram->counters[index_of(histogram, value)], count);
    add_u64(&histogram->total, count);
    add_u64(&histogram->sum, value * count);
    raise_max(histogram, value);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    CHECK(into->bits == from->bits);
    for (uint32_t i = 0; i < from->counter_count; i++) {
        uint32_t count = atomic_load_explicit(&from->counters[i], memory_order_relaxed);
        if (count > 0) {
            add_u32(&into->counters[i], count);
        }
    }
    add_u64(&into->total, histogram_total(from));
    add_u64(&into->sum, atomic_load_explicit(&from->sum, memory_order_relaxed));
    raise_max(into, histogram_max(from));
}

uint64_t histogram_total(const struct histogram *histogram)
{
    return atomic_load_explicit(&histogram->total, memory_order_relaxed);
}

uint64_t histogram_max(const struct histogram *histogram)
{
    return atomic_load_explicit(&histogram->max, memory_order_relaxed);
}

double histogram_mean(const struct histogram *histogram)
{
    uint64_t total = histogram_total(histogram);
    uint64_t sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    return total == 0 ? 0 : (double)sum / (double)total;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t total = histogram_total(histogram);
    uint64_t wanted = (uint64_t)ceil(percent / 100 * (double)total);
    uint64_t seen = 0;
    uint64_t max = histogram_max(histogram);
    wanted = wanted == 0 ? 1 : wanted;
    for (uint32_t i = 0; i < histogram->counter_count && total > 0; i++) {
        seen += atomic_load_explicit(&histogram->counters[i], memory_order_relaxed);
        if (seen >= wanted) {
            uint64_t value = highest_of(histogram, i);
            return value < max ? value : max;
        }
    }
    return max;
}
