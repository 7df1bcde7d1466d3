#include "client/future.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <time.h>

enum { WAIT_MAX_MS = INT32_MAX }; // 24 days: the sum with the clock cannot wrap around

static void lock(const struct consens_future *future)
{
    CHECK(pthread_mutex_lock(&future->client->lock) == 0);
}

static void unlock(const struct consens_future *future)
{
    CHECK(pthread_mutex_unlock(&future->client->lock) == 0);
}

static bool is_on_io_thread(const struct consens_client *client)
{
    return pthread_equal(pthread_self(), client->thread) != 0;
}

struct consens_future *future_new(struct consens_client *client,
                                  struct consens_request *request,
                                  uint64_t deadline_ms)
{
    struct consens_future *future = calloc(1, sizeof *future);
    CHECK(future != NULL);
    future->client = client;
    future->request = request;
    future->deadline_ms = deadline_ms;
    atomic_init(&future->is_done, false);
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&future->changed, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
    lock(future);
    client->reference_count++;
    unlock(future);
    return future;
}

/* With the lock held, which it gives back. Frees what nobody has any more. */
static void unlock_and_free(struct consens_future *future)
{
    struct consens_client *client = future->client;
    bool is_over = !future->is_held && !future->is_in_flight && !future->is_queued &&
                   !future->is_calling;
    unlock(future);
    if (is_over) {
        (void)pthread_cond_destroy(&future->changed);
        outcome_fini(&future->outcome);
        consens_request_destroy(&future->request);
        free(future);
        client_release(client);
    }
}

/* With the lock held. */
static void queue_callback(struct consens_future *future)
{
    if (future->callback != NULL && !future->is_queued) {
        TAILQ_INSERT_TAIL(&future->client->callbacks, future, in_callbacks);
        future->is_queued = true;
        client_wake(future->client);
    }
}

/* With the lock held. */
static void unqueue_callback(struct consens_future *future)
{
    if (future->is_queued) {
        TAILQ_REMOVE(&future->client->callbacks, future, in_callbacks);
        future->is_queued = false;
    }
}

/* With the lock held. */
static void finish(struct consens_future *future, struct outcome *outcome)
{
    outcome_move(&future->outcome, outcome);
    atomic_store(&future->is_done, true);
    CHECK(pthread_cond_broadcast(&future->changed) == 0);
    queue_callback(future);
}

void future_finish(struct consens_future *future, struct outcome *outcome)
{
    lock(future);
    if (!atomic_load(&future->is_done)) {
        finish(future, outcome);
    }
    unlock(future);
    outcome_fini(outcome);
}

bool future_mark_sent(struct consens_future *future)
{
    lock(future);
    bool may_be_sent = !atomic_load(&future->is_done);
    future->is_sent = future->is_sent || may_be_sent;
    unlock(future);
    return may_be_sent;
}

void future_land(struct consens_future *future)
{
    struct consens_client *client = future->client;
    lock(future);
    if (future->is_counted) {
        client->in_flight_count--;
        client->in_flight_bytes -= future->request->bytes.bytes;
    }
    future->is_in_flight = false;
    unlock_and_free(future);
}

bool client_run_callbacks(struct consens_client *client)
{
    bool is_any = false;
    CHECK(pthread_mutex_lock(&client->lock) == 0);
    while (!TAILQ_EMPTY(&client->callbacks)) {
        struct consens_future *future = TAILQ_FIRST(&client->callbacks);
        TAILQ_REMOVE(&client->callbacks, future, in_callbacks);
        future->is_queued = false;
        future->is_calling = true;
        consens_callback_t *callback = future->callback;
        void *context = future->context;
        CHECK(pthread_mutex_unlock(&client->lock) == 0);
        callback(future, context);
        is_any = true;
        lock(future);
        future->is_calling = false;
        CHECK(pthread_cond_broadcast(&future->changed) == 0);
        unlock_and_free(future); // the client lives on: its I/O thread runs this
        CHECK(pthread_mutex_lock(&client->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&client->lock) == 0);
    return is_any;
}

/* ---- what the owner may do --------------------------------------------------------- */

bool consens_future_is_done(const consens_future_t *future)
{
    return atomic_load(&future->is_done);
}

static struct timespec time_of(uint64_t clock_ms)
{
    struct timespec time = {.tv_sec = (time_t)(clock_ms / 1000),
                            .tv_nsec = (long)(clock_ms % 1000) * 1000000};
    return time;
}

bool consens_future_wait(consens_future_t *future, uint64_t timeout_ms)
{
    if (is_on_io_thread(future->client)) {
        return consens_future_is_done(future);
    }
    uint64_t wait_ms = timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
    struct timespec until = time_of(clock_now_ms() + wait_ms);
    int result = 0;
    lock(future);
    while (!atomic_load(&future->is_done) && result == 0) {
        result = pthread_cond_timedwait(&future->changed, &future->client->lock, &until);
    }
    unlock(future);
    return consens_future_is_done(future);
}

const struct consens_answer *consens_future_get(consens_future_t *future)
{
    // The deadline ends it long before.
    return consens_future_wait(future, WAIT_MAX_MS) ? &future->outcome.answer : NULL;
}

void consens_future_then(consens_future_t *future,
                         consens_callback_t *callback,
                         void *context)
{
    lock(future);
    future->callback = callback;
    future->context = context;
    if (callback == NULL && !MUTANT_IS(295)) {
        unqueue_callback(future);
    }
    bool is_done = atomic_load(&future->is_done);
    bool is_ours = is_done && future->client->is_closed; // nobody else is left
    if (is_done && !is_ours) {
        queue_callback(future);
    }
    unlock(future);
    if (is_ours && callback != NULL) {
        callback(future, context);
    }
}

/* With the lock held. */
static bool cancel(struct consens_future *future)
{
    if (atomic_load(&future->is_done)) {
        return false;
    }
    bool is_in_doubt = future->is_sent && request_is_write(future->request);
    struct outcome outcome = outcome_of(
        CONSENS_CANCELLED, is_in_doubt ? CONSENS_APPLIED_UNKNOWN : CONSENS_APPLIED_NO,
        is_in_doubt
            ? "cancelled after it had been sent: whether it was applied is not known"
            : "cancelled; nothing was done",
        NULL);
    finish(future, &outcome);
    client_wake(future->client); // the I/O thread lets go of it
    return true;
}

bool consens_future_cancel(consens_future_t *future)
{
    lock(future);
    bool is_cancelled = cancel(future);
    unlock(future);
    return is_cancelled;
}

void consens_future_destroy(consens_future_t **future_slot)
{
    struct consens_future *future = *future_slot;
    if (future == NULL) {
        return;
    }
    *future_slot = NULL;
    lock(future);
    future->callback = NULL;
    (void)cancel(future);
    unqueue_callback(future);
    while (future->is_calling && !is_on_io_thread(future->client)) {
        CHECK(pthread_cond_wait(&future->changed, &future->client->lock) == 0);
    }
    future->is_held = false;
    unlock_and_free(future);
}
