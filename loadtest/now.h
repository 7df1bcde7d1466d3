/*
 * now.h - the one clock of the measuring programs.
 *
 * Thread: any.
 */
#ifndef CONSENS_LOADTEST_NOW_H
#define CONSENS_LOADTEST_NOW_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
