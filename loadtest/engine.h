/*
 * engine.h - carries out a plan: threads, each with its clients and a driver; due moments,
 * time-outs, counting.
 *
 * Thread: main. The tick is called on it while the others work.
 */
#ifndef CONSENS_LOADTEST_ENGINE_H
#define CONSENS_LOADTEST_ENGINE_H

#include "loadtest/chronicle.h"
#include "loadtest/driver.h"
#include "loadtest/histogram.h"
#include "loadtest/plan.h"

enum { ENGINE_MOMENTS_MAX = 300 };

struct engine_moment {         // a piece of the measured time
    struct histogram *latency; // coarse, in nanoseconds
    _Atomic uint64_t failed;
};

struct engine_counts { // of one thread, or of all together
    struct histogram
        *latency[OPERATION_KINDS]; // of what was answered; NULL: not in the mix
    struct histogram *all;
    struct engine_moment moments[ENGINE_MOMENTS_MAX];
    uint32_t moment_count;
    uint64_t moment_ns;
    _Atomic uint64_t results[DRIVER_RESULTS];
    uint64_t measured_ns; // of all together: less than planned if the run was interrupted
    uint64_t answered_in_time; // that is, before the end: the throughput
    uint64_t unsent;           // open loop: due before the end and not sent by then
    uint64_t unsent_wait_ns;   // of the oldest
    _Atomic uint64_t seen;     // answered or failed, warm-up included
};

struct engine; // a run in progress

struct engine_run {
    const struct plan *plan;
    struct chronicle *history; // NULL: none is kept
    void *context;
    void (*tick)(void *context, const struct engine *engine, uint64_t now_ns);
};

enum engine_end { ENGINE_DONE, ENGINE_INTERRUPTED };

/* Writes every key once. False: 30 s passed without that being done. */
bool engine_preload(const struct engine_run *run);
/* The measured run; out_counts is to be given to engine_counts_fini(). */
void engine_measure(const struct engine_run *run, struct engine_counts *out_counts);

/* Of a run in progress. */
uint64_t engine_measure_from_ns(const struct engine *engine); // the warm-up's end
uint64_t engine_seen(const struct engine *engine);
uint64_t engine_failed(const struct engine *engine);
/* Latencies of the measured moments from..to - 1, added to `into` (coarse). */
void engine_add_moments(const struct engine *engine,
                        uint32_t from,
                        uint32_t to,
                        struct histogram *into);
uint32_t engine_moment_at(const struct engine *engine, uint64_t now_ns);

void engine_counts_init(struct engine_counts *counts, const struct plan *plan);
void engine_counts_fini(struct engine_counts *counts);
uint64_t engine_counts_failed(const struct engine_counts *counts);

/* From any thread or signal handler: ends the run at once. */
void engine_interrupt(void);

#endif
