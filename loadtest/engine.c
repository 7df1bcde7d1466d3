#include "loadtest/engine.h"

#include "base/check.h"
#include "loadtest/now.h"
#include "loadtest/worker.h"

#include <stdlib.h>

enum { TICK_MS = 50, MOMENT_MS_MIN = 100, PRELOAD_MS_MAX = 60 * 1000 };

struct engine {
    struct worker *workers;
    uint32_t count;
    uint64_t measure_ns;
    uint64_t end_ns;
};

static _Atomic int is_interrupted;

void engine_interrupt(void)
{
    atomic_store(&is_interrupted, 1);
}

bool engine_is_interrupted(void)
{
    return atomic_load_explicit(&is_interrupted, memory_order_relaxed) != 0;
}

void engine_counts_init(struct engine_counts *counts, const struct plan *plan)
{
    uint64_t moment_ms =
        (plan->duration_ms + ENGINE_MOMENTS_MAX - 1) / ENGINE_MOMENTS_MAX;
    moment_ms = moment_ms < MOMENT_MS_MIN ? MOMENT_MS_MIN : moment_ms;
    counts->moment_ns = moment_ms * NS_PER_MS;
    counts->moment_count = (uint32_t)((plan->duration_ms + moment_ms - 1) / moment_ms);
    counts->all = histogram_new(HISTOGRAM_FINE_BITS);
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        counts->latency[i] = plan->mix[i] > 0 ? histogram_new(HISTOGRAM_FINE_BITS) : NULL;
    }
    for (uint32_t i = 0; i < counts->moment_count; i++) {
        counts->moments[i].latency = histogram_new(HISTOGRAM_COARSE_BITS);
    }
}

void engine_counts_fini(struct engine_counts *counts)
{
    histogram_destroy(&counts->all);
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        histogram_destroy(&counts->latency[i]);
    }
    for (uint32_t i = 0; i < counts->moment_count; i++) {
        histogram_destroy(&counts->moments[i].latency);
    }
}

uint64_t engine_counts_failed(const struct engine_counts *counts)
{
    uint64_t failed = 0;
    for (uint32_t i = 0; i < DRIVER_RESULTS; i++) {
        failed += driver_result_is_answer(i) ? 0 : atomic_load(&counts->results[i]);
    }
    return failed;
}

static void add_counts(struct engine_counts *into, const struct engine_counts *from)
{
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        if (from->latency[i] != NULL) {
            histogram_merge(into->latency[i], from->latency[i]);
            histogram_merge(into->all, from->latency[i]);
        }
    }
    for (uint32_t i = 0; i < from->moment_count; i++) {
        histogram_merge(into->moments[i].latency, from->moments[i].latency);
        into->moments[i].failed += from->moments[i].failed;
    }
    for (uint32_t i = 0; i < DRIVER_RESULTS; i++) {
        into->results[i] += from->results[i];
    }
    into->answered_in_time += from->answered_in_time;
    into->unsent += from->unsent;
    if (from->unsent_wait_ns > into->unsent_wait_ns) {
        into->unsent_wait_ns = from->unsent_wait_ns;
    }
    into->seen += from->seen;
}

static void engine_init(struct engine *engine, const struct engine_run *run)
{
    engine->count = run->plan->threads;
    engine->workers = calloc(engine->count, sizeof *engine->workers);
    CHECK(engine->workers != NULL);
    for (uint32_t i = 0; i < engine->count; i++) {
        worker_init(&engine->workers[i], run, i);
    }
}

static void engine_fini(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->count; i++) {
        worker_fini(&engine->workers[i]);
    }
    free(engine->workers);
}

static void nap(void)
{
    const struct timespec tick = {.tv_nsec = (long)(TICK_MS * NS_PER_MS)};
    (void)nanosleep(&tick, NULL);
}

static void carry_out(struct engine *engine, const struct engine_run *run)
{
    for (uint32_t i = 0; i < engine->count; i++) {
        struct worker *worker = &engine->workers[i];
        worker->end_ns = engine->end_ns;
        worker->measure_ns = engine->measure_ns;
        CHECK(pthread_create(&worker->thread, NULL, worker_run, worker) == 0);
    }
    for (uint32_t running = engine->count; running > 0;) {
        nap();
        if (run->tick != NULL) {
            run->tick(run->context, engine, now_ns());
        }
        running = 0;
        for (uint32_t i = 0; i < engine->count; i++) {
            running += atomic_load(&engine->workers[i].is_done) ? 0U : 1U;
        }
    }
    for (uint32_t i = 0; i < engine->count; i++) {
        CHECK(pthread_join(engine->workers[i].thread, NULL) == 0);
    }
}

bool engine_preload(const struct engine_run *run)
{
    struct engine engine = {0};
    uint64_t failed = 0;
    uint64_t seen = 0;
    struct engine_run quiet = *run;
    quiet.tick = NULL;
    engine_init(&engine, run);
    engine.end_ns = now_ns() + PRELOAD_MS_MAX * NS_PER_MS;
    engine.measure_ns = 0;
    for (uint32_t i = 0; i < engine.count; i++) {
        struct worker *worker = &engine.workers[i];
        worker->is_preload = true;
        worker->preload_next = run->plan->key_count * i / engine.count;
        worker->preload_end = run->plan->key_count * (i + 1) / engine.count;
    }
    carry_out(&engine, &quiet);
    for (uint32_t i = 0; i < engine.count; i++) {
        failed += engine_counts_failed(&engine.workers[i].counts);
        seen += atomic_load(&engine.workers[i].counts.seen);
    }
    engine_fini(&engine);
    return failed == 0 && seen >= run->plan->key_count;
}

void engine_measure(const struct engine_run *run, struct engine_counts *out_counts)
{
    const struct plan *plan = run->plan;
    struct engine engine = {0};
    engine_counts_init(out_counts, plan);
    engine_init(&engine, run);
    uint64_t start_ns = now_ns() + TICK_MS * NS_PER_MS; // the threads are there by then
    engine.measure_ns = start_ns + plan->warmup_ms * NS_PER_MS;
    engine.end_ns = engine.measure_ns + plan->duration_ms * NS_PER_MS;
    for (uint32_t i = 0; i < engine.count; i++) {
        engine.workers[i].schedule = (struct schedule){.start_ns = start_ns,
                                                       .rate = plan->rate,
                                                       .batch = plan->batch,
                                                       .threads = engine.count,
                                                       .thread = i};
    }
    carry_out(&engine, run);
    uint64_t stopped_ns = engine.measure_ns;
    for (uint32_t i = 0; i < engine.count; i++) {
        const struct worker *worker = &engine.workers[i];
        add_counts(out_counts, &worker->counts);
        stopped_ns = worker->stopped_ns > stopped_ns ? worker->stopped_ns : stopped_ns;
    }
    out_counts->measured_ns = stopped_ns - engine.measure_ns;
    engine_fini(&engine);
}

uint64_t engine_measure_from_ns(const struct engine *engine)
{
    return engine->measure_ns;
}

uint64_t engine_seen(const struct engine *engine)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < engine->count; i++) {
        seen += atomic_load(&engine->workers[i].counts.seen);
    }
    return seen;
}

uint64_t engine_failed(const struct engine *engine)
{
    uint64_t failed = 0;
    for (uint32_t i = 0; i < engine->count; i++) {
        failed += engine_counts_failed(&engine->workers[i].counts);
    }
    return failed;
}

uint32_t engine_moment_at(const struct engine *engine, uint64_t now_ns)
{
    const struct engine_counts *counts = &engine->workers[0].counts;
    if (now_ns < engine->measure_ns) {
        return 0;
    }
    uint64_t moment = (now_ns - engine->measure_ns) / counts->moment_ns;
    return moment < counts->moment_count ? (uint32_t)moment : counts->moment_count;
}

void engine_add_moments(const struct engine *engine,
                        uint32_t from,
                        uint32_t to,
                        struct histogram *into)
{
    for (uint32_t i = 0; i < engine->count; i++) {
        for (uint32_t moment = from; moment < to; moment++) {
            histogram_merge(into, engine->workers[i].counts.moments[moment].latency);
        }
    }
}
