#include "handoff/handoff.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PATIENCE_MS = 5000, SHORT_MS = 20, ECHO_CALLS = 2000, CROWD = 16 };

static void *context;

static int make_context(void **state)
{
    (void)state;
    context = zmq_ctx_new();
    return context == NULL ? -1 : 0;
}

// Not a teardown: after a failed test it would wait for ever for the ends left open.
static void end_context(void)
{
    assert_int_equal(zmq_ctx_term(context), 0);
}

// The next request, or a failed test.
static struct request receive_one(struct handoff_server *server, uint64_t *out_client)
{
    zmq_pollitem_t item = {.socket = handoff_server_socket(server), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    struct cs_view bytes = {0};
    assert_true(handoff_receive(server, out_client, &bytes));
    struct request request = {0};
    assert_true(request_unpack(bytes, &request));
    return request;
}

static void answer_with(struct handoff_server *server,
                        uint64_t client,
                        uint64_t ticket,
                        uint64_t revision)
{
    struct reply reply = {.ticket = ticket, .status = CS_OK, .revision = revision};
    handoff_answer(server, client, &reply);
}

static struct request get_of(const char *key)
{
    struct request request = {.kind = REQUEST_GET, .timeout_ms = 1000};
    request.key = view_of(key, strlen(key));
    return request;
}

// Answers each request with its key as the value, until it sees the key "stop".
static void *echo(void *server_end)
{
    struct handoff_server *server = server_end;
    zmq_pollitem_t item = {.socket = handoff_server_socket(server), .events = ZMQ_POLLIN};
    for (;;) {
        if (zmq_poll(&item, 1, PATIENCE_MS) <= 0) {
            return NULL;
        }
        uint64_t client = 0;
        struct cs_view bytes = {0};
        while (handoff_receive(server, &client, &bytes)) {
            struct request request = {0};
            if (!request_unpack(bytes, &request)) {
                return NULL;
            }
            struct reply reply = {.ticket = request.ticket, .value = request.key};
            reply.leader_seat = client % 3 == 0 ? 0 : 1;
            handoff_answer(server, client, &reply);
            if (request.key.bytes == 4 && memcmp(request.key.data, "stop", 4) == 0) {
                return server;
            }
        }
    }
}

static void *call_many(void *ignored)
{
    (void)ignored;
    struct handoff_client *client = handoff_client_open(context);
    uintptr_t wrong = client == NULL ? 1 : 0;
    for (int i = 0; i < ECHO_CALLS && client != NULL; i++) {
        char key[32];
        int key_bytes = snprintf(key, sizeof(key), "%p-%d", (void *)client, i);
        struct request request = get_of(key);
        struct reply reply = {0};
        if (!handoff_call(client, &request, PATIENCE_MS, &reply) ||
            reply.value.bytes != (size_t)key_bytes ||
            memcmp(reply.value.data, key, (size_t)key_bytes) != 0) {
            wrong++;
        }
    }
    handoff_client_close(&client);
    return (void *)wrong; // NOLINT(performance-no-int-to-ptr)
}

static void a_call_gets_its_reply_with_all_its_fields(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    pthread_t thread = {0};
    assert_int_equal(pthread_create(&thread, NULL, echo, server), 0);
    struct handoff_client *client = handoff_client_open(context);
    struct request request = get_of("stop");
    struct reply reply = {0};
    assert_true(handoff_call(client, &request, PATIENCE_MS, &reply));
    assert_int_equal(reply.ticket, request.ticket);
    assert_int_equal(reply.value.bytes, 4);
    assert_memory_equal(reply.value.data, "stop", 4);
    void *ended = NULL;
    pthread_join(thread, &ended);
    assert_ptr_equal(ended, server);
    handoff_client_close(&client);
    assert_null(client);
    handoff_server_close(&server);
    assert_null(server);
    end_context();
}

static void a_client_may_open_before_the_server_does(void **state)
{
    (void)state;
    struct handoff_client *client = handoff_client_open(context);
    assert_non_null(client);
    struct request request = get_of("early");
    struct reply reply = {0};
    assert_false(handoff_call(client, &request, SHORT_MS, &reply));
    struct handoff_server *server = handoff_server_open(context);
    uint64_t name = 0;
    struct request received = receive_one(server, &name);
    assert_memory_equal(received.key.data, "early", 5);
    handoff_client_close(&client);
    handoff_server_close(&server);
    end_context();
}

static void a_call_without_a_reply_ends_in_time(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    struct handoff_client *client = handoff_client_open(context);
    struct request request = get_of("k");
    struct reply reply = {0};
    uint64_t started_ms = clock_now_ms();
    assert_false(handoff_call(client, &request, SHORT_MS, &reply));
    uint64_t took_ms = clock_now_ms() - started_ms;
    assert_in_range(took_ms, SHORT_MS - 1, PATIENCE_MS);
    handoff_client_close(&client);
    handoff_server_close(&server);
    end_context();
}

struct late {
    struct handoff_server *server;
    bool is_done;
};

// Answers the second request only after a second, late answer to the first.
static void *answer_late(void *late_server)
{
    struct late *late = late_server;
    zmq_pollitem_t item = {.socket = handoff_server_socket(late->server),
                           .events = ZMQ_POLLIN};
    uint64_t tickets[2] = {0};
    uint64_t client = 0;
    for (int i = 0; i < 2; i++) {
        struct cs_view bytes = {0};
        struct request request = {0};
        if (zmq_poll(&item, 1, PATIENCE_MS) != 1 ||
            !handoff_receive(late->server, &client, &bytes) ||
            !request_unpack(bytes, &request)) {
            return NULL;
        }
        tickets[i] = request.ticket;
    }
    answer_with(late->server, client, tickets[0], 100);
    answer_with(late->server, client, tickets[1], 200);
    late->is_done = true;
    return NULL;
}

static void a_late_reply_is_not_taken_for_the_next_call(void **state)
{
    (void)state;
    struct late late = {.server = handoff_server_open(context)};
    struct handoff_client *client = handoff_client_open(context);
    struct request first = get_of("first");
    struct reply reply = {0};
    assert_false(handoff_call(client, &first, SHORT_MS, &reply));
    pthread_t thread = {0};
    assert_int_equal(pthread_create(&thread, NULL, answer_late, &late), 0);
    struct request second = get_of("second");
    assert_true(handoff_call(client, &second, PATIENCE_MS, &reply));
    assert_int_equal(reply.revision, 200);
    pthread_join(thread, NULL);
    assert_true(late.is_done);
    handoff_client_close(&client);
    handoff_server_close(&late.server);
    end_context();
}

static void replies_reach_the_client_that_asked(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    pthread_t engine = {0};
    assert_int_equal(pthread_create(&engine, NULL, echo, server), 0);
    pthread_t crowd[CROWD] = {0};
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_create(&crowd[i], NULL, call_many, NULL), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        void *wrong = NULL;
        pthread_join(crowd[i], &wrong);
        assert_null(wrong);
    }
    struct handoff_client *client = handoff_client_open(context);
    struct request request = get_of("stop");
    struct reply reply = {0};
    assert_true(handoff_call(client, &request, PATIENCE_MS, &reply));
    pthread_join(engine, NULL);
    handoff_client_close(&client);
    handoff_server_close(&server);
    end_context();
}

static void a_value_of_a_megabyte_crosses_both_ways(void **state)
{
    (void)state;
    enum { VALUE_BYTES = 1024 * 1024 };
    struct handoff_server *server = handoff_server_open(context);
    struct handoff_client *client = handoff_client_open(context);
    uint8_t *value = malloc(VALUE_BYTES);
    assert_non_null(value);
    memset(value, 0xa5, VALUE_BYTES);
    struct command command = {.operation = COMMAND_PUT,
                              .key = view_of("k", 1),
                              .value = view_of(value, VALUE_BYTES)};
    struct cs_buffer packed = {0};
    command_pack(&packed, &command);
    struct request request = {.kind = REQUEST_WRITE, .command = view_of_buffer(&packed)};
    struct reply reply = {0};
    assert_false(handoff_call(client, &request, SHORT_MS, &reply));
    uint64_t name = 0;
    struct request received = receive_one(server, &name);
    assert_int_equal(received.command.bytes, packed.bytes);
    assert_memory_equal(received.command.data, packed.data, packed.bytes);
    struct reply big = {.ticket = request.ticket + 1,
                        .value = view_of(value, VALUE_BYTES)};
    handoff_answer(server, name, &big);
    struct request next = get_of("k");
    assert_true(handoff_call(client, &next, PATIENCE_MS, &reply));
    assert_int_equal(reply.value.bytes, VALUE_BYTES);
    assert_memory_equal(reply.value.data, value, VALUE_BYTES);
    buffer_fini(&packed);
    free(value);
    handoff_client_release(client);
    assert_false(handoff_call(client, &next, SHORT_MS, &reply));
    handoff_client_close(&client);
    handoff_server_close(&server);
    end_context();
}

static void an_answer_to_a_closed_client_is_dropped(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    struct handoff_client *leaving = handoff_client_open(context);
    struct request request = get_of("bye");
    struct reply reply = {0};
    assert_false(handoff_call(leaving, &request, SHORT_MS, &reply));
    uint64_t name = 0;
    (void)receive_one(server, &name);
    handoff_client_close(&leaving);
    answer_with(server, name, request.ticket, 1);
    answer_with(server, name + 1000, request.ticket, 1);

    struct handoff_client *staying = handoff_client_open(context);
    assert_false(handoff_call(staying, &request, SHORT_MS, &reply));
    uint64_t other = 0;
    (void)receive_one(server, &other);
    assert_int_not_equal(other, name);
    handoff_client_close(&staying);
    handoff_server_close(&server);
    end_context();
}

static void too_many_calls_without_a_reply_fail_at_once(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    struct handoff_client *client = handoff_client_open(context);
    struct reply reply = {0};
    for (int i = 0; i < HANDOFF_UNANSWERED_MAX; i++) {
        struct request request = get_of("k");
        assert_false(handoff_call(client, &request, 0, &reply));
    }
    struct request request = get_of("one too many");
    uint64_t started_ms = clock_now_ms();
    assert_false(handoff_call(client, &request, PATIENCE_MS, &reply));
    assert_in_range(clock_now_ms() - started_ms, 0, PATIENCE_MS - 1);
    int received = 0;
    uint64_t name = 0;
    struct cs_view bytes = {0};
    while (handoff_receive(server, &name, &bytes)) {
        received++;
        answer_with(server, name, (uint64_t)received, 1);
    }
    assert_int_equal(received, HANDOFF_UNANSWERED_MAX);
    // The late replies make room again.
    assert_false(handoff_call(client, &request, SHORT_MS, &reply));
    assert_int_equal(receive_one(server, &name).ticket, HANDOFF_UNANSWERED_MAX + 1);
    handoff_client_close(&client);
    handoff_server_close(&server);
    end_context();
}

static void a_waiting_call_ends_when_told_to_stop(void **state)
{
    (void)state;
    atomic_bool is_stopping = true;
    struct handoff_client *client = handoff_client_open(context);
    handoff_client_heed(client, &is_stopping);
    struct request request = get_of("k");
    struct reply reply = {0};
    uint64_t started_ms = clock_now_ms();
    assert_false(handoff_call(client, &request, 60 * 1000, &reply));
    assert_in_range(clock_now_ms() - started_ms, 0, 20 * 1000);
    handoff_client_close(&client);
    end_context();
}

static void a_second_server_is_refused(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    assert_non_null(server);
    assert_null(handoff_server_open(context));
    handoff_server_close(&server);
    end_context();
}

static void a_client_is_refused_when_there_are_no_more_sockets(void **state)
{
    (void)state;
    void *small = zmq_ctx_new();
    assert_int_equal(zmq_ctx_set(small, ZMQ_MAX_SOCKETS, 3), 0);
    // With a server, so that no connection is pending: libzmq needs a socket to end
    // those.
    struct handoff_server *server = handoff_server_open(small);
    assert_non_null(server);
    struct handoff_client *clients[4] = {NULL};
    int opened = 0;
    for (int i = 0; i < 4; i++) {
        clients[i] = handoff_client_open(small);
        opened += clients[i] != NULL ? 1 : 0;
    }
    assert_in_range(opened, 1, 2);
    for (int i = 0; i < 4; i++) {
        handoff_client_close(&clients[i]);
    }
    handoff_server_close(&server);
    assert_int_equal(zmq_ctx_term(small), 0);
    end_context();
}

static void nothing_to_receive_is_no_error(void **state)
{
    (void)state;
    struct handoff_server *server = handoff_server_open(context);
    uint64_t client = 0;
    struct cs_view bytes = {0};
    assert_false(handoff_receive(server, &client, &bytes));
    handoff_server_close(&server);
    end_context();
}

int main(void)
{
#define IN_CONTEXT(test) cmocka_unit_test_setup(test, make_context)
    const struct CMUnitTest tests[] = {
        IN_CONTEXT(a_call_gets_its_reply_with_all_its_fields),
        IN_CONTEXT(a_client_may_open_before_the_server_does),
        IN_CONTEXT(a_call_without_a_reply_ends_in_time),
        IN_CONTEXT(a_late_reply_is_not_taken_for_the_next_call),
        IN_CONTEXT(replies_reach_the_client_that_asked),
        IN_CONTEXT(a_value_of_a_megabyte_crosses_both_ways),
        IN_CONTEXT(an_answer_to_a_closed_client_is_dropped),
        IN_CONTEXT(too_many_calls_without_a_reply_fail_at_once),
        IN_CONTEXT(a_waiting_call_ends_when_told_to_stop),
        IN_CONTEXT(a_second_server_is_refused),
        IN_CONTEXT(a_client_is_refused_when_there_are_no_more_sockets),
        IN_CONTEXT(nothing_to_receive_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
