/*
 * When a worker of the load test sends, and what it counts, with a driver that answers as
 * the test likes. Real time: only what must be, however late the machine, is asserted.
 */
#include "loadtest/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { CLIENTS = 64, STALL_MS = 200, DURATION_MS = 600, STALLED_STARTS = 6 * CLIENTS };

struct fake {
    struct driver_setup setup;
    uint32_t waiting[CLIENTS];
    uint32_t waiting_count;
    uint64_t stall_at_ns;    // 0: never
    bool is_mute;            // answers nothing
    uint64_t started_count;  // without those before the stall
    uint64_t end_at_started; // the run ends with so many; 0: when its time is over
    uint64_t
        cut_at_started; // an interruption comes then, and no answer any more; 0: none
};

static struct fake the_fake;

static void nap_ns(uint64_t ns)
{
    const struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S),
                                  .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&left, NULL);
}

static void *fake_open(const struct driver_setup *setup)
{
    the_fake.setup = *setup;
    the_fake.waiting_count = 0;
    return &the_fake;
}

/* A run that ends with what it must have shown, not with the time: however long the machine
 * keeps this process from the processor, all of that is within it. */
static void fake_start(void *state, uint32_t client)
{
    struct fake *fake = state;
    struct worker *worker = fake->setup.context;
    fake->waiting[fake->waiting_count++] = client;
    if (fake->stall_at_ns == 0 && ++fake->started_count == fake->end_at_started) {
        worker->end_ns = now_ns();
    }
    if (fake->cut_at_started != 0 && fake->started_count == fake->cut_at_started) {
        fake->is_mute = true;
        engine_interrupt();
    }
}

static void fake_wait(void *state, uint64_t until_ns)
{
    struct fake *fake = state;
    uint64_t now = now_ns();
    if (fake->stall_at_ns != 0 && now >= fake->stall_at_ns) {
        fake->stall_at_ns = 0;
        nap_ns(STALL_MS * NS_PER_MS);
    } else if (fake->waiting_count == 0 || fake->is_mute) {
        nap_ns(until_ns > now ? until_ns - now : 0);
    } else {
        nap_ns(NS_PER_MS / 10);
    }
    while (fake->waiting_count > 0 && !fake->is_mute) {
        uint32_t client = fake->waiting[--fake->waiting_count];
        for (uint32_t i = 0; i < fake->setup.plan->batch; i++) {
            fake->setup.clients[client].operations[i].result = CS_UPDATED;
        }
        fake->setup.finish(fake->setup.context, client);
    }
}

static void fake_expire(void *state, uint32_t client)
{
    struct fake *fake = state;
    (void)client;
    fake->waiting_count = 0;
}

static void fake_close(void *state)
{
    (void)state;
}

static const struct driver fake_driver = {.open = fake_open,
                                          .start = fake_start,
                                          .wait = fake_wait,
                                          .expire = fake_expire,
                                          .close = fake_close};

static struct plan plan_of(uint64_t rate)
{
    struct plan plan = {.clients = CLIENTS,
                        .batch = 1,
                        .threads = 1,
                        .rate = rate,
                        .duration_ms = DURATION_MS,
                        .timeout_ms = 5000,
                        .mix = {[OPERATION_PUT] = 1},
                        .mix_sum = 1,
                        .value_bytes_min = 100,
                        .value_bytes_max = 100,
                        .key_count = 10};
    return plan;
}

/* Until so many were started, after the stall if there is one; 0: for the plan's time. */
static void run(struct worker *worker,
                const struct plan *plan,
                bool must_stall,
                uint64_t started_count)
{
    const struct engine_run engine_run = {.plan = plan};
    *worker = (struct worker){0};
    worker_init(worker, &engine_run, 0);
    uint64_t start_ns = now_ns();
    worker->driver = &fake_driver;
    worker->measure_ns = start_ns;
    worker->end_ns =
        started_count > 0 ? UINT64_MAX : start_ns + plan->duration_ms * NS_PER_MS;
    worker->schedule = (struct schedule){.start_ns = start_ns,
                                         .rate = plan->rate,
                                         .batch = plan->batch,
                                         .threads = 1};
    the_fake.started_count = 0;
    the_fake.end_at_started = started_count;
    the_fake.stall_at_ns = must_stall ? start_ns + 100 * NS_PER_MS : 0;
    (void)worker_run(worker);
}

static uint64_t count_above(const struct histogram *histogram, uint64_t limit_ns)
{
    double low = 0;
    double high = 100;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        bool is_above = histogram_percentile(histogram, middle) > limit_ns;
        high = is_above ? middle : high;
        low = is_above ? low : middle;
    }
    return (uint64_t)((100 - high) / 100 * (double)histogram_total(histogram) + 0.5);
}

/* G. Tene's coordinated omission: the whole point of an open loop. */
static void a_stall_counts_for_all_that_was_due_meanwhile(void **state)
{
    (void)state;
    struct worker worker;
    struct plan plan = plan_of(1000);
    run(&worker, &plan, true, STALLED_STARTS);
    const struct histogram *latency = worker.counts.latency[OPERATION_PUT];
    // One was due each millisecond: those of the first 150 of the 200 waited 50 or more.
    assert_true(count_above(latency, 50 * NS_PER_MS) >= 145);
    assert_true(histogram_max(latency) >= (STALL_MS - 2) * NS_PER_MS);
    assert_int_equal(histogram_total(latency) + worker.counts.unsent,
                     schedule_count_before(&worker.schedule, worker.end_ns));
    worker_fini(&worker);
}

static void a_closed_loop_sees_a_stall_once_a_client(void **state)
{
    (void)state;
    struct worker worker;
    struct plan plan = plan_of(0);
    run(&worker, &plan, true, STALLED_STARTS);
    const struct histogram *latency = worker.counts.latency[OPERATION_PUT];
    assert_true(histogram_max(latency) >= STALL_MS * NS_PER_MS);
    assert_true(histogram_total(latency) > 2 * CLIENTS);
    worker_fini(&worker);
}

static void a_rate_that_is_not_reached_is_told(void **state)
{
    (void)state;
    struct worker worker;
    struct plan plan = plan_of(50 * 1000 * 1000);
    run(&worker, &plan, false, 0);
    assert_true(worker.counts.unsent > 1000);
    assert_true(worker.counts.unsent_wait_ns > 0);
    worker_fini(&worker);
}

static void what_is_not_answered_in_time_has_failed(void **state)
{
    (void)state;
    struct worker worker;
    struct plan plan = plan_of(0);
    plan.timeout_ms = 100;
    plan.clients = 2;
    the_fake.is_mute = true;
    run(&worker, &plan, false, 6); // the last two are under way at the end
    the_fake.is_mute = false;
    uint64_t failed = atomic_load(&worker.counts.results[DRIVER_TIMED_OUT]);
    assert_int_equal(failed, 4);
    assert_true(worker.end_ns - worker.measure_ns >= 2 * plan.timeout_ms * NS_PER_MS);
    assert_int_equal(engine_counts_failed(&worker.counts), failed);
    assert_int_equal(histogram_total(worker.counts.latency[OPERATION_PUT]), 0);
    worker_fini(&worker);
}

/* The last test with a worker: an interruption is for good. */
static void what_an_interruption_cuts_has_not_failed(void **state)
{
    (void)state;
    struct worker worker;
    struct plan plan = plan_of(0);
    plan.duration_ms = 3600 * 1000;
    the_fake.cut_at_started = 10 * CLIENTS;
    run(&worker, &plan, false, 0);
    assert_int_equal(engine_counts_failed(&worker.counts), 0);
    assert_int_equal(worker.counts.answered_in_time, 9 * CLIENTS);
    assert_int_equal(atomic_load(&worker.counts.results[CS_UPDATED]), 9 * CLIENTS);
    assert_int_equal(worker.counts.unsent, 0);
    assert_true(worker.stopped_ns >= worker.measure_ns);
    assert_true(worker.stopped_ns <= now_ns());
    worker_fini(&worker);
}

static void due_moments_follow_from_the_rate_without_drift(void **state)
{
    (void)state;
    struct schedule schedule = {.start_ns = 7, .rate = 3, .batch = 2, .threads = 5};
    assert_int_equal(schedule_due_ns(&schedule, 0), 7);
    // Thread 4 of 5: message 1 is number 9 of all, its first operation number 18.
    schedule.thread = 4;
    assert_int_equal(schedule_due_ns(&schedule, 1), 7 + 6 * NS_PER_S);
    schedule = (struct schedule){.start_ns = 0, .rate = 7, .batch = 1, .threads = 1};
    assert_int_equal(schedule_due_ns(&schedule, UINT64_C(7) * 1000000),
                     UINT64_C(1000000) * NS_PER_S);
    for (uint64_t end_ns = 1; end_ns < 5 * NS_PER_S; end_ns += 12345678) {
        uint64_t count = schedule_count_before(&schedule, end_ns);
        assert_true(count == 0 || schedule_due_ns(&schedule, count - 1) < end_ns);
        assert_true(schedule_due_ns(&schedule, count) >= end_ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stall_counts_for_all_that_was_due_meanwhile),
        cmocka_unit_test(a_closed_loop_sees_a_stall_once_a_client),
        cmocka_unit_test(a_rate_that_is_not_reached_is_told),
        cmocka_unit_test(what_is_not_answered_in_time_has_failed),
        cmocka_unit_test(what_an_interruption_cuts_has_not_failed),
        cmocka_unit_test(due_moments_follow_from_the_rate_without_drift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
