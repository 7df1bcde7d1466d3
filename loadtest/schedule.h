/*
 * schedule.h - an open loop's due moments. They follow from the start and the rate alone,
 * never from what was answered: a stall of the server delays no later moment, and shows in
 * the latency of all that was due meanwhile (G. Tene's "coordinated omission").
 *
 * Thread: any.
 */
#ifndef CONSENS_LOADTEST_SCHEDULE_H
#define CONSENS_LOADTEST_SCHEDULE_H

#include "loadtest/now.h"

// Threads take turns: message i of all is message i / threads of thread i % threads.
struct schedule {
    uint64_t start_ns;
    uint64_t rate;  // operations a second, of all threads
    uint64_t batch; // operations of a message
    uint64_t threads;
    uint64_t thread;
};

/* When this thread's message `index` is due; no error adds up. */
static inline uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t index)
{
    uint64_t operation = (index * schedule->threads + schedule->thread) * schedule->batch;
    return schedule->start_ns + operation / schedule->rate * NS_PER_S +
           operation % schedule->rate * NS_PER_S / schedule->rate;
}

/* How many messages of this thread are due before `end_ns`. */
static inline uint64_t schedule_count_before(const struct schedule *schedule,
                                             uint64_t end_ns)
{
    uint64_t low = 0;
    uint64_t high = 1;
    while (schedule_due_ns(schedule, high) < end_ns) {
        high *= 2;
    }
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (schedule_due_ns(schedule, middle) < end_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#endif
