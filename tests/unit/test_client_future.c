/*
 * Futures: waiting, polling, callbacks, cancelling, and the end of their client; several
 * threads at once. The node is the test's.
 */
#include "client/future.h"

#include "base/clock.h"
#include "unit/support/fake_node.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 200, LARGE_BYTES = CONSENS_VALUE_BYTES_MAX };
enum { SHARED_MS_MAX = 60 * 1000 };

struct world {
    struct fake_node node;
    consens_client_t *client;
    atomic_uint called;
    pthread_t caller; // of the last callback
    atomic_bool is_released;
    atomic_uint finished; // threads of several_threads_share_a_client
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char error[256] = "";
    assert_non_null(world);
    fake_node_open(&world->node);
    world->client = consens_client_new(world->node.endpoint, error, sizeof error);
    assert_non_null(world->client);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    consens_client_destroy(&world->client);
    fake_node_close(&world->node);
    free(world);
    return 0;
}

static consens_future_t *send_and_forget(struct world *world, consens_request_t *request)
{
    consens_future_t *future = consens_send(world->client, request);
    consens_request_destroy(&request);
    return future;
}

static consens_future_t *send_get(struct world *world)
{
    return send_and_forget(world, consens_request_get("k", 1));
}

static consens_future_t *send_plain_put(struct world *world)
{
    consens_request_t *request = consens_request_put("k", 1, "v", 1);
    consens_request_set_delivery(request, CONSENS_AT_MOST_ONCE);
    return send_and_forget(world, request);
}

static void take_and_answer(struct world *world)
{
    struct fake_call call = fake_node_take(&world->node);
    fake_node_say(&world->node, &call, CS_NOT_FOUND);
    fake_call_fini(&call);
}

static void note_call(consens_future_t *future, void *context)
{
    struct world *world = context;
    assert_true(consens_future_is_done(future));
    world->caller = pthread_self();
    atomic_fetch_add(&world->called, 1);
}

static void wait_for_calls(struct world *world, uint32_t count)
{
    uint64_t deadline_ms = clock_now_ms() + FAKE_PATIENCE_MS;
    while (atomic_load(&world->called) < count) {
        assert_true(clock_now_ms() < deadline_ms);
        (void)fake_node_is_quiet(&world->node, 1);
    }
}

static void a_future_is_waited_for_and_polled(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_get(world);
    assert_false(consens_future_is_done(future));
    assert_false(consens_future_wait(future, 0));
    uint64_t started_ms = clock_now_ms();
    assert_false(consens_future_wait(future, 50));
    assert_in_range(clock_now_ms() - started_ms, 49, 5000);
    take_and_answer(world);
    assert_true(consens_future_wait(future, UINT64_MAX));
    assert_true(consens_future_is_done(future));
    assert_int_equal(consens_future_get(future)->code, CONSENS_NOT_FOUND);
    assert_ptr_equal(consens_future_get(future), consens_future_get(future));
    consens_future_destroy(&future);
    assert_null(future);
    consens_future_destroy(&future);
}

static void a_callback_is_called_once_before_or_after(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_get(world);
    consens_future_then(future, note_call, world);
    take_and_answer(world);
    wait_for_calls(world, 1);
    assert_false(pthread_equal(world->caller, pthread_self()));
    consens_future_destroy(&future);
    future = send_get(world);
    take_and_answer(world);
    assert_true(consens_future_wait(future, FAKE_PATIENCE_MS));
    consens_future_then(future, note_call, world);
    wait_for_calls(world, 2);
    assert_false(pthread_equal(world->caller, pthread_self()));
    consens_future_destroy(&future);
    assert_int_equal(atomic_load(&world->called), 2);
}

/* Keeps the I/O thread until the test lets it go. */
static void hold_thread(consens_future_t *future, void *context)
{
    struct world *world = context;
    note_call(future, context);
    while (!atomic_load(&world->is_released)) {
        (void)sched_yield();
    }
}

static void a_callback_may_be_taken_back_until_it_is_called(void **state)
{
    struct world *world = *state;
    consens_future_t *holder = send_get(world);
    consens_future_t *future = send_get(world);
    take_and_answer(world);
    take_and_answer(world);
    assert_true(consens_future_wait(holder, FAKE_PATIENCE_MS));
    assert_true(consens_future_wait(future, FAKE_PATIENCE_MS));
    consens_future_then(holder, hold_thread, world);
    wait_for_calls(world, 1);
    consens_future_then(future, note_call, world); // waits behind the holder
    consens_future_then(future, NULL, NULL);
    atomic_store(&world->is_released, true);
    consens_future_destroy(&holder);
    consens_future_t *last = send_get(world); // its callback would come after the other
    consens_future_then(last, note_call, world);
    take_and_answer(world);
    wait_for_calls(world, 2);
    consens_future_destroy(&last);
    consens_future_destroy(&future);
    assert_int_equal(atomic_load(&world->called), 2);
}

/* Goes on by itself: each callback sends the next. */
static void send_next(consens_future_t *future, void *context)
{
    struct world *world = context;
    assert_null(consens_future_get(future) == NULL ? future : NULL);
    consens_future_destroy(&future);
    if (atomic_fetch_add(&world->called, 1) < 10) {
        consens_future_t *next = send_get(world);
        assert_false(consens_future_wait(next, 1000)); // does not block here
        assert_null(consens_future_get(next));
        consens_future_then(next, send_next, world);
    }
}

static void a_callback_may_send_and_destroy(void **state)
{
    struct world *world = *state;
    consens_future_then(send_get(world), send_next, world);
    for (int i = 0; i < 11; i++) {
        take_and_answer(world);
    }
    wait_for_calls(world, 11);
}

static void cancelling_says_whether_it_had_been_sent(void **state)
{
    struct world *world = *state;
    consens_future_t *write = send_plain_put(world);
    struct fake_call call = fake_node_take(&world->node);
    assert_true(consens_future_cancel(write));
    assert_false(consens_future_cancel(write));
    assert_int_equal(consens_future_get(write)->code, CONSENS_CANCELLED);
    assert_int_equal(consens_future_get(write)->applied, CONSENS_APPLIED_UNKNOWN);
    consens_future_destroy(&write);
    fake_node_say(&world->node, &call, CS_CREATED); // too late, and nobody's
    fake_call_fini(&call);
    // In a session that is still to be opened: not sent.
    consens_future_t *waiting =
        send_and_forget(world, consens_request_put("k", 1, "v", 1));
    call = fake_node_take(&world->node);
    assert_int_equal(call.request.command.operation, COMMAND_OPEN_SESSION);
    consens_future_then(waiting, note_call, world);
    assert_true(consens_future_cancel(waiting));
    assert_int_equal(consens_future_get(waiting)->applied, CONSENS_APPLIED_NO);
    wait_for_calls(world, 1);
    consens_future_destroy(&waiting);
    fake_call_fini(&call);
    consens_future_t *read = send_get(world);
    take_and_answer(world);
    assert_true(consens_future_wait(read, FAKE_PATIENCE_MS));
    assert_false(consens_future_cancel(read));
    assert_int_equal(consens_future_get(read)->code, CONSENS_NOT_FOUND);
    consens_future_destroy(&read);
}

static void a_future_that_nobody_holds_goes_without_a_trace(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2 * CONSENS_IN_FLIGHT_MAX; i++) {
        consens_future_t *future = send_get(world);
        consens_future_destroy(&future);
        if (i % 64 == 63) { // lets the I/O thread let go of them
            consens_future_t *last = send_get(world);
            struct fake_call call = fake_node_take(&world->node);
            while (!consens_future_wait(last, 0)) {
                fake_node_say(&world->node, &call, CS_NOT_FOUND);
                if (!fake_node_is_quiet(&world->node, 1)) {
                    fake_call_fini(&call);
                    call = fake_node_take(&world->node);
                }
            }
            fake_call_fini(&call);
            assert_int_equal(consens_future_get(last)->code, CONSENS_NOT_FOUND);
            consens_future_destroy(&last);
        }
    }
}

static void more_than_the_limit_is_refused_at_once(void **state)
{
    struct world *world = *state;
    static consens_future_t *futures[CONSENS_IN_FLIGHT_MAX];
    for (int i = 0; i < CONSENS_IN_FLIGHT_MAX; i++) {
        futures[i] = send_get(world);
    }
    consens_future_t *future = send_get(world);
    assert_true(consens_future_is_done(future));
    assert_int_equal(consens_future_get(future)->code, CONSENS_OVERLOADED);
    assert_int_equal(consens_future_get(future)->applied, CONSENS_APPLIED_NO);
    consens_future_destroy(&future);
    for (int i = 0; i < CONSENS_IN_FLIGHT_MAX; i++) {
        take_and_answer(world);
    }
    for (int i = 0; i < CONSENS_IN_FLIGHT_MAX; i++) {
        assert_int_equal(consens_future_get(futures[i])->code, CONSENS_NOT_FOUND);
        consens_future_destroy(&futures[i]);
    }
    // By bytes: 15 with their keys fit into 16 MiB, the next one does not.
    void *value = calloc(1, LARGE_BYTES);
    assert_non_null(value);
    consens_request_t *put = consens_request_put("k", 1, value, LARGE_BYTES);
    free(value);
    for (int i = 0; i < 16; i++) {
        futures[i] = consens_send(world->client, put);
    }
    assert_false(consens_future_is_done(futures[14]));
    assert_int_equal(consens_future_get(futures[15])->code, CONSENS_OVERLOADED);
    for (int i = 0; i < 16; i++) {
        consens_future_destroy(&futures[i]);
    }
    consens_request_destroy(&put);
}

static void what_cannot_be_sent_is_done_at_once(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_and_forget(world, consens_request_get("", 0));
    assert_true(consens_future_is_done(future));
    assert_int_equal(consens_future_get(future)->code, CONSENS_MALFORMED);
    assert_int_equal(consens_future_get(future)->applied, CONSENS_APPLIED_NO);
    consens_future_destroy(&future);
    static char key[CONSENS_KEY_BYTES_MAX + 1];
    future = send_and_forget(world, consens_request_get(key, sizeof key));
    assert_int_equal(consens_future_get(future)->code, CONSENS_KEY_TOO_LONG);
    assert_int_equal(consens_future_get(future)->limit, CONSENS_KEY_BYTES_MAX);
    assert_int_equal(consens_future_get(future)->actual, CONSENS_KEY_BYTES_MAX + 1);
    consens_future_destroy(&future);
    // None of them was sent: the next is the first that the node has.
    future = send_get(world);
    struct fake_call call = fake_node_take(&world->node);
    assert_int_equal(call.request.request.key.bytes, 1);
    fake_node_say(&world->node, &call, CS_NOT_FOUND);
    fake_call_fini(&call);
    assert_int_equal(consens_future_get(future)->code, CONSENS_NOT_FOUND);
    consens_future_destroy(&future);
}

static void send_at_the_end(consens_future_t *future, void *context)
{
    struct world *world = context;
    consens_future_t *refused = send_get(world);
    assert_int_equal(consens_future_get(refused)->code, CONSENS_CLOSED);
    consens_future_destroy(&refused);
    note_call(future, context);
}

static void a_client_that_goes_ends_what_is_under_way(void **state)
{
    struct world *world = *state;
    consens_future_t *write = send_plain_put(world);
    consens_future_t *read = send_get(world);
    struct fake_call first = fake_node_take(&world->node);
    struct fake_call second = fake_node_take(&world->node);
    consens_client_t *client = world->client;
    consens_future_then(write, send_at_the_end, world);
    consens_client_destroy(&client);
    assert_null(client);
    world->client = NULL;
    assert_int_equal(atomic_load(&world->called), 1);
    assert_int_equal(consens_future_get(write)->code, CONSENS_CLOSED);
    assert_int_equal(consens_future_get(write)->applied, CONSENS_APPLIED_UNKNOWN);
    assert_int_equal(consens_future_get(read)->code, CONSENS_CLOSED);
    assert_int_equal(consens_future_get(read)->applied, CONSENS_APPLIED_NO);
    assert_string_equal(consens_future_get(read)->endpoint, world->node.endpoint);
    consens_future_then(read, note_call, world); // by the caller, who is all there is
    assert_int_equal(atomic_load(&world->called), 2);
    assert_true(pthread_equal(world->caller, pthread_self()));
    assert_false(consens_future_cancel(write));
    consens_future_destroy(&write);
    consens_future_destroy(&read);
    fake_call_fini(&first);
    fake_call_fini(&second);
}

/* Sends, waits for some, cancels some, lets go of some, with callbacks on some. */
static void *use_client(struct world *world)
{
    for (int i = 0; i < ROUNDS; i++) {
        consens_future_t *future = i % 3 == 0 ? send_plain_put(world) : send_get(world);
        if (i % 2 == 0) {
            consens_future_then(future, note_call, world);
        }
        if (i % 5 == 0) {
            (void)consens_future_cancel(future);
        } else if (i % 7 != 0) {
            const struct consens_answer *answer = consens_future_get(future);
            if (answer == NULL || answer->code != CONSENS_NOT_FOUND) {
                return future; // a failure: cmocka's asserts belong to its own thread
            }
        }
        consens_future_destroy(&future);
    }
    return NULL;
}

static void *use_client_and_say_so(void *context)
{
    struct world *world = context;
    void *failed = use_client(world);
    atomic_fetch_add(&world->finished, 1);
    return failed;
}

static void several_threads_share_a_client(void **state)
{
    struct world *world = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_client_and_say_so, world),
                         0);
    }
    uint64_t limit_ms = clock_now_ms() + SHARED_MS_MAX;
    while (atomic_load(&world->finished) < THREADS) {
        assert_true(clock_now_ms() < limit_ms);
        if (!fake_node_is_quiet(&world->node, 10)) {
            take_and_answer(world);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

/* Callbacks that are being called while their future is destroyed. */
static void destroying_waits_for_a_callback(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < ROUNDS; i++) {
        consens_future_t *future = send_get(world);
        atomic_uint called = 0;
        struct world seen = {.called = called};
        consens_future_then(future, note_call, &seen);
        take_and_answer(world);
        (void)consens_future_wait(future, i % 2 == 0 ? FAKE_PATIENCE_MS : 0);
        consens_future_destroy(&future);
        // From here on nobody may touch `seen`: TSan and ASan watch.
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_future_is_waited_for_and_polled),
        TEST(a_callback_is_called_once_before_or_after),
        TEST(a_callback_may_be_taken_back_until_it_is_called),
        TEST(a_callback_may_send_and_destroy),
        TEST(cancelling_says_whether_it_had_been_sent),
        TEST(a_future_that_nobody_holds_goes_without_a_trace),
        TEST(more_than_the_limit_is_refused_at_once),
        TEST(what_cannot_be_sent_is_done_at_once),
        TEST(a_client_that_goes_ends_what_is_under_way),
        TEST(several_threads_share_a_client),
        TEST(destroying_waits_for_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
