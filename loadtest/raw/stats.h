/*
 * stats.h - time stamps and percentiles of the measuring programs.
 *
 * Thread: any; a sample belongs to one thread.
 */
#ifndef CONSENS_LOADTEST_STATS_H
#define CONSENS_LOADTEST_STATS_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t stats_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int stats_compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts the sample in place and prints one line of key=value in microseconds. */
static inline void
stats_print(const char *label, uint64_t *sample_ns, size_t sample_count)
{
    if (sample_count == 0) {
        (void)printf("%s count=0\n", label);
        return;
    }
    const size_t middle = sample_count / 2;
    const size_t p99 = sample_count * 99 / 100;
    qsort(sample_ns, sample_count, sizeof sample_ns[0], stats_compare);
    (void)printf("%s count=%zu min_us=%.1f p50_us=%.1f p99_us=%.1f max_us=%.1f\n", label,
                 sample_count, (double)sample_ns[0] / 1e3,
                 (double)sample_ns[middle] / 1e3, (double)sample_ns[p99] / 1e3,
                 (double)sample_ns[sample_count - 1] / 1e3);
}

#endif
