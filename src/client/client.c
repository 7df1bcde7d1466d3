/*
 * client.c - a client's begin and end, and the way of a request to its I/O thread.
 */
#include "base/check.h"
#include "base/clock.h"
#include "client/agent.h"
#include "client/future.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void lock(struct consens_client *client)
{
    CHECK(pthread_mutex_lock(&client->lock) == 0);
}

static void unlock(struct consens_client *client)
{
    CHECK(pthread_mutex_unlock(&client->lock) == 0);
}

void client_wake(struct consens_client *client)
{
    uint64_t one = 1;
    if (!client->is_woken) {
        client->is_woken = true;
        // Cannot block: the count is 0 or 1.
        CHECK(write(client->wake_descriptor, &one, sizeof one) == (ssize_t)sizeof one);
    }
}

void client_release(struct consens_client *client)
{
    lock(client);
    bool is_last = --client->reference_count == 0;
    unlock(client);
    if (is_last) {
        (void)pthread_mutex_destroy(&client->lock);
        (void)close(client->wake_descriptor);
        free(client);
    }
}

/* Signals are the process's business, and none of its handlers runs here. */
static int start_thread(struct consens_client *client)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int code = pthread_create(&client->thread, NULL, agent_run, client);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return code;
}

static consens_client_t *fail(struct consens_client *client,
                              const char *reason,
                              char *out_error,
                              size_t error_bytes)
{
    (void)snprintf(out_error, error_bytes, "%s", reason);
    agent_destroy(&client->agent);
    client_release(client);
    return NULL;
}

consens_client_t *
consens_client_new(const char *endpoints, char *out_error, size_t error_bytes)
{
    struct endpoints list;
    struct sentence error = {0};
    const char *text = endpoints != NULL ? endpoints : CONSENS_DEFAULT_ENDPOINT;
    if (!endpoints_parse(text, &list, &error)) {
        (void)snprintf(out_error, error_bytes, "%s", error.text);
        return NULL;
    }
    struct consens_client *client = calloc(1, sizeof *client);
    CHECK(client != NULL);
    CHECK(pthread_mutex_init(&client->lock, NULL) == 0);
    STAILQ_INIT(&client->submitted);
    TAILQ_INIT(&client->callbacks);
    client->reference_count = 1;
    client->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->agent = agent_new(&list);
    if (client->wake_descriptor < 0 || client->agent == NULL) {
        return fail(client, "too many files are open for another client", out_error,
                    error_bytes);
    }
    if (start_thread(client) != 0) {
        return fail(client, "no thread could be started for the client", out_error,
                    error_bytes);
    }
    return client;
}

void consens_client_destroy(consens_client_t **client_slot)
{
    struct consens_client *client = *client_slot;
    if (client == NULL) {
        return;
    }
    *client_slot = NULL;
    CHECK(pthread_equal(pthread_self(), client->thread) == 0); // not from a callback
    lock(client);
    client->is_closing = true;
    client_wake(client);
    unlock(client);
    CHECK(pthread_join(client->thread, NULL) == 0);
    agent_destroy(&client->agent);
    client_release(client);
}

/* ---- sending ----------------------------------------------------------------------- */

/* With the lock held: why no more may be under way. NULL: it may. */
static const char *find_overload(const struct consens_client *client, size_t bytes)
{
    if (client->in_flight_count >= CONSENS_IN_FLIGHT_MAX) {
        return "1024 requests of this client are under way, the most there may be; "
               "wait for some of them";
    }
    if (client->in_flight_bytes + bytes > CONSENS_IN_FLIGHT_BYTES_MAX) {
        return "the requests of this client that are under way hold 16 MiB, the most "
               "there may be; wait for some of them";
    }
    return NULL;
}

static void refuse(struct consens_future *future, struct outcome outcome)
{
    future_finish(future, &outcome);
}

static void submit(struct consens_client *client, struct consens_future *future)
{
    size_t bytes = future->request->bytes.bytes;
    lock(client);
    const char *overload = find_overload(client, bytes);
    bool is_closing = client->is_closing;
    if (overload == NULL && !is_closing) {
        client->in_flight_count++;
        client->in_flight_bytes += bytes;
        future->is_counted = true;
        future->is_in_flight = true;
        STAILQ_INSERT_TAIL(&client->submitted, future, in_submitted);
        client_wake(client);
    }
    unlock(client);
    if (is_closing) {
        refuse(future, outcome_of(CONSENS_CLOSED, CONSENS_APPLIED_NO,
                                  "the client is being closed; nothing was done", NULL));
    } else if (overload != NULL) {
        refuse(future,
               outcome_of(CONSENS_OVERLOADED, CONSENS_APPLIED_NO, overload, NULL));
    }
}

consens_future_t *consens_send(consens_client_t *client, const consens_request_t *request)
{
    uint64_t deadline_ms = clock_now_ms() + request->timeout_ms;
    struct consens_future *future =
        future_new(client, request_copy(request), deadline_ms);
    future->is_held = true; // nobody else knows it yet
    if (request->refusal != CONSENS_OK) {
        struct outcome outcome =
            outcome_of(request->refusal, CONSENS_APPLIED_NO, request->reason, NULL);
        outcome.answer.limit = request->limit;
        outcome.answer.actual = request->actual;
        refuse(future, outcome);
    } else {
        submit(client, future);
    }
    return future;
}
