#include "loadtest/worker.h"

#include "base/check.h"

#include <stdlib.h>

enum {
    SCAN_MS = 10,      // time-outs are seen so late
    PAUSE_MS = 10,     // of a client after a failure: no storm against a server in need
    WAIT_MS_MAX = 100, // an interruption is seen so late
};

static void start_due(struct worker *worker, uint64_t now);
static uint64_t next_wake(const struct worker *worker, uint64_t now);
static void expire_late(struct worker *worker, uint64_t now);
static void finish(void *context, uint32_t index);
static void drain(struct worker *worker);

static void push_idle(struct worker *worker, uint32_t client)
{
    worker->idle[(worker->idle_from + worker->idle_count) % worker->client_count] =
        client;
    worker->idle_count++;
}

static uint32_t pop_idle(struct worker *worker)
{
    uint32_t client = worker->idle[worker->idle_from];
    worker->idle_from = (worker->idle_from + 1) % worker->client_count;
    worker->idle_count--;
    return client;
}

void worker_init(struct worker *worker, const struct engine_run *run, uint32_t index)
{
    const struct plan *plan = run->plan;
    uint32_t threads = plan->threads;
    worker->plan = plan;
    worker->history = run->history;
    worker->driver = plan->protocol == PLAN_ZEROMQ ? &driver_zeromq : &driver_http;
    worker->index = index;
    worker->client_count = plan->clients / threads + (index < plan->clients % threads);
    worker->first_client =
        index * (plan->clients / threads) +
        (index < plan->clients % threads ? index : plan->clients % threads);
    size_t count = (size_t)worker->client_count * plan->batch;
    worker->clients = calloc(worker->client_count, sizeof *worker->clients);
    worker->operations = calloc(count, sizeof *worker->operations);
    worker->idle = calloc(worker->client_count, sizeof *worker->idle);
    CHECK(worker->clients != NULL);
    CHECK(worker->operations != NULL);
    CHECK(worker->idle != NULL);
    for (uint32_t i = 0; i < worker->client_count; i++) {
        worker->clients[i].operations = worker->operations + (size_t)i * plan->batch;
        push_idle(worker, i);
    }
    struct chance seeds = chance_from(plan->seed);
    for (uint32_t i = 0; i <= index; i++) {
        worker->chance = chance_from(chance_draw(&seeds));
    }
    if (plan->zipf_exponent > 0) {
        worker->zipf = zipf_over(plan->key_count, plan->zipf_exponent);
    }
    if (plan->mix[OPERATION_CAS] > 0) {
        worker->revisions = calloc(plan->key_count, sizeof *worker->revisions);
        CHECK(worker->revisions != NULL);
    }
    engine_counts_init(&worker->counts, plan);
}

void worker_fini(struct worker *worker)
{
    engine_counts_fini(&worker->counts);
    free(worker->revisions);
    free(worker->idle);
    free(worker->operations);
    free(worker->clients);
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    const struct driver_setup setup = {.plan = worker->plan,
                                       .thread = worker->index,
                                       .clients = worker->clients,
                                       .client_count = worker->client_count,
                                       .context = worker,
                                       .finish = finish};
    worker->state = worker->driver->open(&setup);
    uint64_t now = now_ns();
    for (; now < worker->end_ns && !engine_is_interrupted(); now = now_ns()) {
        start_due(worker, now);
        if (worker->is_preload && worker->preload_next == worker->preload_end &&
            worker->idle_count == worker->client_count) {
            break;
        }
        worker->driver->wait(worker->state, next_wake(worker, now));
        expire_late(worker, now_ns());
    }
    worker->stopped_ns = now < worker->end_ns ? now : worker->end_ns;
    drain(worker);
    worker->driver->close(worker->state);
    atomic_store(&worker->is_done, 1);
    return NULL;
}

/*
 * ---- what is asked, and when
 * -------------------------------------------------------------
 */

static uint64_t draw_key(struct worker *worker)
{
    return worker->plan->zipf_exponent > 0
               ? zipf_draw(&worker->zipf, &worker->chance)
               : chance_below(&worker->chance, worker->plan->key_count);
}

static enum operation_kind draw_kind(struct worker *worker)
{
    uint64_t at = chance_below(&worker->chance, worker->plan->mix_sum);
    uint32_t kind = 0;
    while (at >= worker->plan->mix[kind]) {
        at -= worker->plan->mix[kind++];
    }
    return kind;
}

static void draw_operation(struct worker *worker, struct operation *operation)
{
    const struct plan *plan = worker->plan;
    uint32_t spread = plan->value_bytes_max - plan->value_bytes_min;
    *operation = (struct operation){.value_bytes = plan->value_bytes_min};
    if (worker->is_preload) {
        operation->kind = OPERATION_PUT;
        // What fills up the last batch writes the last key again.
        operation->key = worker->preload_next < worker->preload_end
                             ? worker->preload_next++
                             : worker->preload_end - 1;
    } else {
        operation->kind = draw_kind(worker);
        operation->key = draw_key(worker);
    }
    if (spread > 0) {
        operation->value_bytes +=
            (uint32_t)chance_below(&worker->chance, (uint64_t)spread + 1);
    }
    if (operation->kind == OPERATION_PUT || operation->kind == OPERATION_CAS) {
        // Unique in the run: a read then names its write. Preloading counts as thread 64 + n.
        uint64_t who = worker->index + (worker->is_preload ? PLAN_THREADS_MAX : 0U);
        operation->value = who << 48 | ++worker->value_count;
    }
    if (operation->kind == OPERATION_CAS) {
        operation->condition_revision = worker->revisions[operation->key];
    }
}

static void start(struct worker *worker, uint32_t index, uint64_t due_ns)
{
    struct client *client = &worker->clients[index];
    for (uint32_t i = 0; i < worker->plan->batch; i++) {
        draw_operation(worker, &client->operations[i]);
    }
    client->is_busy = true;
    client->started_ns = now_ns();
    client->due_ns = due_ns == 0 ? client->started_ns : due_ns;
    worker->sent++;
    worker->driver->start(worker->state, index);
}

static bool is_open_loop(const struct worker *worker)
{
    return worker->plan->rate > 0 && !worker->is_preload;
}

static bool has_more(const struct worker *worker)
{
    return !worker->is_preload || worker->preload_next < worker->preload_end;
}

static void start_due(struct worker *worker, uint64_t now)
{
    for (uint32_t left = worker->idle_count; left > 0 && has_more(worker); left--) {
        uint64_t due_ns = 0;
        if (is_open_loop(worker)) {
            due_ns = schedule_due_ns(&worker->schedule, worker->sent);
            if (due_ns > now || due_ns >= worker->end_ns) {
                return;
            }
        }
        uint32_t client = pop_idle(worker);
        if (worker->clients[client].idle_until_ns > now) {
            push_idle(worker, client);
            continue;
        }
        start(worker, client, due_ns);
    }
}

static uint64_t next_wake(const struct worker *worker, uint64_t now)
{
    uint64_t wake = now + WAIT_MS_MAX * NS_PER_MS;
    if (worker->idle_count > 0 && is_open_loop(worker)) {
        wake = schedule_due_ns(&worker->schedule, worker->sent);
    }
    if (worker->idle_count > 0 && (!is_open_loop(worker) || wake <= now)) {
        wake = now + PAUSE_MS * NS_PER_MS; // they pause after failures
    }
    if (worker->idle_count < worker->client_count && wake > worker->scan_ns) {
        wake = worker->scan_ns;
    }
    return wake < worker->end_ns ? wake : worker->end_ns;
}

/*
 * ---- how it ends
 * -------------------------------------------------------------------------
 */

/* One writer: no need for a locked instruction. */
static void add_one(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* The measured ones: of an open loop those that were due then, else those that end then. */
static bool is_measured(const struct worker *worker, uint64_t due_ns, uint64_t now)
{
    return is_open_loop(worker) ? due_ns >= worker->measure_ns
                                : now >= worker->measure_ns && now < worker->end_ns;
}

static void count_answer(struct worker *worker,
                         const struct operation *operation,
                         const struct client *client,
                         uint64_t now)
{
    struct engine_counts *counts = &worker->counts;
    if (worker->is_cut) {
        return;
    }
    add_one(&counts->seen);
    if (!is_measured(worker, client->due_ns, now)) {
        return;
    }
    uint64_t moment = (now - worker->measure_ns) / counts->moment_ns;
    struct engine_moment *at =
        moment < counts->moment_count ? &counts->moments[moment] : NULL;
    add_one(&counts->results[operation->result]);
    if (!driver_result_is_answer(operation->result)) {
        if (at != NULL) {
            add_one(&at->failed);
        }
        return;
    }
    if (worker->is_preload) {
        return;
    }
    counts->answered_in_time += now < worker->end_ns ? 1U : 0U;
    histogram_add(counts->latency[operation->kind], now - client->due_ns, 1);
    if (at != NULL) {
        histogram_add(at->latency, now - client->due_ns, 1);
    }
}

static void note_revision(struct worker *worker, const struct operation *operation)
{
    if (worker->revisions != NULL && driver_result_is_answer(operation->result)) {
        worker->revisions[operation->key] =
            operation->result == CS_DELETED ? 0 : operation->item_revision;
    }
}

static void note(struct worker *worker,
                 uint32_t index,
                 const struct operation *operation,
                 uint64_t now)
{
    if (worker->history != NULL) {
        const struct chronicle_moment moment = {.client = worker->first_client + index,
                                                .invoked_ns =
                                                    worker->clients[index].started_ns,
                                                .returned_ns = now};
        chronicle_add(worker->history, operation, &moment);
    }
}

/* The driver calls it: the message of `index` is answered, or never will be. */
static void finish(void *context, uint32_t index)
{
    struct worker *worker = context;
    struct client *client = &worker->clients[index];
    uint64_t now = now_ns();
    bool has_failed = false;
    for (uint32_t i = 0; i < worker->plan->batch; i++) {
        const struct operation *operation = &client->operations[i];
        has_failed = has_failed || !driver_result_is_answer(operation->result);
        count_answer(worker, operation, client, now);
        note_revision(worker, operation);
        note(worker, index, operation, now);
    }
    client->is_busy = false;
    client->idle_until_ns = has_failed ? now + PAUSE_MS * NS_PER_MS : 0;
    push_idle(worker, index);
}

static void expire(struct worker *worker, uint32_t index)
{
    for (uint32_t i = 0; i < worker->plan->batch; i++) {
        worker->clients[index].operations[i].result = DRIVER_TIMED_OUT;
    }
    finish(worker, index);
    worker->driver->expire(worker->state, index); // may finish others
}

static void expire_late(struct worker *worker, uint64_t now)
{
    if (now < worker->scan_ns) {
        return;
    }
    worker->scan_ns = now + SCAN_MS * NS_PER_MS;
    for (uint32_t i = 0; i < worker->client_count; i++) {
        const struct client *client = &worker->clients[i];
        if (client->is_busy &&
            client->started_ns + worker->plan->timeout_ms * NS_PER_MS <= now) {
            expire(worker, i);
        }
    }
}

/* Nothing new is sent; what is under way has its time-out to end. */
static void drain(struct worker *worker)
{
    uint64_t sent = worker->sent;
    while (worker->idle_count < worker->client_count && !engine_is_interrupted()) {
        worker->driver->wait(worker->state, now_ns() + SCAN_MS * NS_PER_MS);
        expire_late(worker, now_ns());
    }
    worker->is_cut = engine_is_interrupted(); // the history still has it, as unanswered
    for (uint32_t i = 0; i < worker->client_count; i++) {
        if (worker->clients[i].is_busy) {
            expire(worker, i);
        }
    }
    if (is_open_loop(worker) && !engine_is_interrupted()) {
        uint64_t due = schedule_count_before(&worker->schedule, worker->end_ns);
        if (sent < due) {
            worker->counts.unsent = (due - sent) * worker->plan->batch;
            worker->counts.unsent_wait_ns =
                worker->end_ns - schedule_due_ns(&worker->schedule, sent);
        }
    }
}
