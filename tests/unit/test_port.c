/*
 * The client port over loopback, with the test in the replica's place: forms of messages,
 * batches, limits, clients that do not read or go away.
 */
#include "port/port.h"

#include "base/clock.h"
#include "base/limits.h"
#include "port/calls.h"
#include "wire/client_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>
#include <msgpack.h>

enum { PATIENCE_MS = 10 * 1000, TAKEN_MAX = 20000, ENDPOINT_BYTES = 64, CLIENTS_MAX = 4 };

struct taken {
    uint64_t client;
    uint64_t ticket;
    uint32_t kind;
};

struct world {
    void *context;
    void *client_context;
    void *clients[CLIENTS_MAX]; // their sockets
    uint32_t client_count;
    struct port *port;
    char endpoint[ENDPOINT_BYTES];
    struct taken *taken;
    uint32_t taken_count;
    bool answers_at_once;
    zmq_msg_t answer; // the last one read
    msgpack_unpacked unpacked;
};

static void answer(struct world *world, const struct taken *taken, struct cs_view value)
{
    struct reply reply = {.ticket = taken->ticket,
                          .status = taken->kind == REQUEST_WRITE ? CS_CREATED : CS_OK,
                          .revision = 3,
                          .item_revision = 2,
                          .value = value};
    port_answer(world->port, taken->client, &reply);
}

static void take(void *context, uint64_t client, const struct request *request)
{
    struct world *world = context;
    struct taken taken = {.client = client,
                          .ticket = request->ticket,
                          .kind = request->kind};
    assert_true(port_is_client(client));
    if (world->answers_at_once) {
        answer(world, &taken, view_of("v", 1));
        return;
    }
    assert_true(world->taken_count < TAKEN_MAX);
    world->taken[world->taken_count++] = taken;
}

static int set_up(void **state)
{
    static const char *const names[] = {"n1", "n2"};
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->context = zmq_ctx_new();
    world->client_context = zmq_ctx_new();
    world->taken = calloc(TAKEN_MAX, sizeof *world->taken);
    assert_non_null(world->taken);
    char error[256];
    struct port_settings settings = {.endpoint = "tcp://127.0.0.1:*",
                                     .value_bytes_max = LIMIT_VALUE_BYTES,
                                     .seat_names = names,
                                     .seat_count = 2};
    world->port = port_open(world->context, &settings, error, sizeof error);
    assert_non_null(world->port);
    size_t bytes = sizeof world->endpoint;
    assert_int_equal(zmq_getsockopt(port_socket(world->port), ZMQ_LAST_ENDPOINT,
                                    world->endpoint, &bytes),
                     0);
    msgpack_unpacked_init(&world->unpacked);
    (void)zmq_msg_init(&world->answer);
    *state = world;
    return 0;
}

static void close_clients(struct world *world)
{
    while (world->client_count > 0) {
        (void)zmq_close(world->clients[--world->client_count]);
    }
}

static int tear_down(void **state)
{
    struct world *world = *state;
    // Of a test that failed too: zmq_ctx_term() waits for every socket to be closed.
    close_clients(world);
    msgpack_unpacked_destroy(&world->unpacked);
    (void)zmq_msg_close(&world->answer);
    (void)zmq_ctx_term(world->client_context);
    port_close(&world->port);
    (void)zmq_ctx_term(world->context);
    free(world->taken);
    free(world);
    return 0;
}

static void *connect_client(struct world *world, int type)
{
    assert_true(world->client_count < CLIENTS_MAX);
    void *socket = zmq_socket(world->client_context, type);
    int none = 0;
    int patience_ms = PATIENCE_MS;
    assert_non_null(socket);
    world->clients[world->client_count++] = socket;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    assert_int_equal(zmq_connect(socket, world->endpoint), 0);
    return socket;
}

/* The port takes in messages until so many requests lie with the test, or time is up. */
static void receive_until(struct world *world, uint32_t count)
{
    struct port_taker taker = {.context = world, .take = take};
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (world->taken_count < count && clock_now_ms() < deadline_ms) {
        zmq_pollitem_t item = {.socket = port_socket(world->port), .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 10);
        while (world->taken_count < count && port_receive(world->port, &taker)) {
        }
    }
    assert_int_equal(world->taken_count, count);
}

/* One message, which needs no reply of the replica's. */
static void receive_message(struct world *world)
{
    struct port_taker taker = {.context = world, .take = take};
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (!port_receive(world->port, &taker)) {
        assert_true(clock_now_ms() < deadline_ms);
        zmq_pollitem_t item = {.socket = port_socket(world->port), .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 10);
    }
}

static void send_text(void *socket, const char *bytes, size_t count)
{
    assert_int_equal(zmq_send(socket, bytes, count, 0), count);
}

#define SEND(socket, text) send_text((socket), (text), sizeof(text) - 1)

static const msgpack_object *read_answer(struct world *world, void *socket)
{
    zmq_msg_t *message = &world->answer; // what is unpacked looks into it
    assert_true(zmq_msg_recv(message, socket, 0) >= 0);
    assert_false(zmq_msg_more(message));
    size_t at = 0;
    assert_int_equal(msgpack_unpack_next(&world->unpacked, zmq_msg_data(message),
                                         zmq_msg_size(message), &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(world->unpacked.data.type, MSGPACK_OBJECT_ARRAY);
    return &world->unpacked.data;
}

static void
assert_answer(const msgpack_object *answer, uint64_t id, const char *code_word)
{
    const msgpack_object *fields = answer->via.array.ptr;
    assert_int_equal(answer->via.array.size, 8);
    assert_int_equal(fields[0].via.u64, id);
    assert_int_equal(fields[1].via.str.size, strlen(code_word));
    assert_memory_equal(fields[1].via.str.ptr, code_word, strlen(code_word));
}

static void dealer_and_req_are_answered_in_their_own_form(void **state)
{
    struct world *world = *state;
    world->answers_at_once = true;
    void *dealer = connect_client(world, ZMQ_DEALER);
    void *req = connect_client(world, ZMQ_REQ);
    SEND(dealer, "\x94\x07\xa3put\xa1k\xa1v");
    receive_message(world);
    assert_answer(read_answer(world, dealer), 7, "created");
    SEND(req, "\x93\x08\xa3get\xa1k");
    receive_message(world);
    assert_answer(read_answer(world, req), 8, "ok");
}

static void answers_come_as_they_are_ready(void **state)
{
    struct world *world = *state;
    void *dealer = connect_client(world, ZMQ_DEALER);
    SEND(dealer, "\x93\x01\xa3get\xa1k");
    SEND(dealer, "\x93\x02\xa3get\xa1k");
    receive_until(world, 2);
    answer(world, &world->taken[1], view_of("v", 1));
    assert_answer(read_answer(world, dealer), 2, "ok");
    answer(world, &world->taken[0], view_of("v", 1));
    assert_answer(read_answer(world, dealer), 1, "ok");
}

static void a_batch_is_answered_in_its_order_once_all_is_there(void **state)
{
    struct world *world = *state;
    void *dealer = connect_client(world, ZMQ_DEALER);
    SEND(dealer, "\x93\x93\x05\xa3get\xa1k\x94\x06\xa3put\xa1k\xa1v\x93\x07\xa3get\xa1k");
    receive_until(world, 3);
    answer(world, &world->taken[2], view_of("c", 1));
    answer(world, &world->taken[0], view_of("a", 1));
    answer(world, &world->taken[1], view_of(NULL, 0));
    const msgpack_object *answers = read_answer(world, dealer);
    assert_int_equal(answers->via.array.size, 3);
    assert_answer(&answers->via.array.ptr[0], 5, "ok");
    assert_answer(&answers->via.array.ptr[1], 6, "created");
    assert_answer(&answers->via.array.ptr[2], 7, "ok");
    assert_int_equal(answers->via.array.ptr[2].via.array.ptr[6].via.bin.ptr[0], 'c');
}

static void a_value_that_has_not_changed_is_not_sent(void **state)
{
    struct world *world = *state;
    world->answers_at_once = true; // at revision 2
    void *dealer = connect_client(world, ZMQ_DEALER);
    SEND(dealer, "\x94\x01\xa3get\xa1k\x81\xafunless_revision\x02");
    receive_message(world);
    const msgpack_object *read = read_answer(world, dealer);
    assert_answer(read, 1, "not_modified");
    assert_int_equal(read->via.array.ptr[6].type, MSGPACK_OBJECT_NIL);
    SEND(dealer, "\x94\x01\xa3get\xa1k\x81\xafunless_revision\x01");
    receive_message(world);
    assert_answer(read_answer(world, dealer), 1, "ok");
}

static void what_is_no_message_gets_one_answer(void **state)
{
    struct world *world = *state;
    void *dealer = connect_client(world, ZMQ_DEALER);
    SEND(dealer, "\xdd\xff\xff\xff\xff");
    receive_message(world);
    assert_answer(read_answer(world, dealer), 0, "malformed");
    (void)zmq_send(dealer, "a", 1, ZMQ_SNDMORE);
    SEND(dealer, "\x93\x01\xa3get\xa1k");
    receive_message(world);
    assert_answer(read_answer(world, dealer), 0, "malformed");
    char *large = calloc(1, LIMIT_CLIENT_MESSAGE_BYTES + 1);
    assert_non_null(large);
    send_text(dealer, large, LIMIT_CLIENT_MESSAGE_BYTES + 1);
    free(large);
    receive_message(world);
    assert_answer(read_answer(world, dealer), 0, "too_large");
    assert_int_equal(world->taken_count, 0);
}

static void a_client_with_too_much_waiting_is_refused_and_others_are_not(void **state)
{
    struct world *world = *state;
    void *greedy = connect_client(world, ZMQ_DEALER);
    void *modest = connect_client(world, ZMQ_DEALER);
    for (uint32_t i = 0; i < LIMIT_CLIENT_REQUESTS_WAITING; i++) {
        SEND(greedy, "\x93\x01\xa3get\xa1k");
    }
    receive_until(world, LIMIT_CLIENT_REQUESTS_WAITING);
    SEND(greedy, "\x93\x02\xa3get\xa1k");
    receive_message(world);
    assert_answer(read_answer(world, greedy), 2, "overloaded");
    SEND(modest, "\x93\x03\xa3get\xa1k");
    receive_until(world, LIMIT_CLIENT_REQUESTS_WAITING + 1);
    answer(world, &world->taken[world->taken_count - 1], view_of("v", 1));
    assert_answer(read_answer(world, modest), 3, "ok");
    answer(world, &world->taken[0], view_of("v", 1)); // there is room again
    assert_answer(read_answer(world, greedy), 1, "ok");
    SEND(greedy, "\x93\x04\xa3get\xa1k");
    receive_until(world, LIMIT_CLIENT_REQUESTS_WAITING + 2);
}

static void a_client_that_does_not_read_is_refused(void **state)
{
    struct world *world = *state;
    void *lazy = connect_client(world, ZMQ_DEALER);
    int small = 1;
    (void)zmq_setsockopt(lazy, ZMQ_RCVHWM, &small, sizeof small);
    void *modest = connect_client(world, ZMQ_DEALER);
    uint8_t *value = calloc(1, LIMIT_VALUE_BYTES);
    assert_non_null(value);
    // More than the connection's own buffers take.
    for (uint32_t i = 0; i < 128; i++) {
        uint32_t before = world->taken_count;
        SEND(lazy, "\x93\x01\xa3get\xa1k");
        receive_message(world);
        if (world->taken_count > before) {
            answer(world, &world->taken[before], view_of(value, LIMIT_VALUE_BYTES));
        }
    }
    assert_true(world->taken_count < 128); // the last ones were refused
    uint32_t before = world->taken_count;
    SEND(modest, "\x93\x01\xa3get\xa1k");
    receive_until(world, before + 1);
    answer(world, &world->taken[before], view_of(value, LIMIT_VALUE_BYTES));
    assert_answer(read_answer(world, modest), 1, "ok");
    free(value);
}

static void two_that_take_all_they_can_leave_room_for_a_third(void **state)
{
    enum { FIRST = 5000, SECOND = 5692 }; // SECOND + (FIRST + SECOND) <= all
    struct world *world = *state;
    void *first = connect_client(world, ZMQ_DEALER);
    void *second = connect_client(world, ZMQ_DEALER);
    void *modest = connect_client(world, ZMQ_DEALER);
    for (uint32_t i = 0; i < FIRST; i++) {
        SEND(first, "\x93\x01\xa3get\xa1k");
    }
    receive_until(world, FIRST);
    for (uint32_t i = 0; i < SECOND; i++) {
        SEND(second, "\x93\x02\xa3get\xa1k");
    }
    receive_until(world, FIRST + SECOND);
    SEND(second, "\x93\x03\xa3get\xa1k");
    receive_message(world);
    assert_answer(read_answer(world, second), 3, "overloaded");
    SEND(modest, "\x93\x04\xa3get\xa1k");
    receive_until(world, FIRST + SECOND + 1);
}

static void bytes_that_wait_are_shared_too(void **state)
{
    enum {
        HEAD_BYTES = 13,
        PUTS = LIMIT_CLIENT_REQUEST_BYTES_WAITING / LIMIT_VALUE_BYTES
    };
    struct world *world = *state;
    void *greedy = connect_client(world, ZMQ_DEALER);
    void *modest = connect_client(world, ZMQ_DEALER);
    uint32_t value_bytes = LIMIT_VALUE_BYTES - 1; // and a key of one
    uint8_t *put = calloc(1, HEAD_BYTES + value_bytes);
    assert_non_null(put);
    memcpy(put, "\x94\x01\xa3put\xa1k\xc6\x00\x0f\xff\xff", HEAD_BYTES);
    for (int i = 0; i < PUTS; i++) {
        send_text(greedy, (const char *)put, HEAD_BYTES + value_bytes);
    }
    receive_until(world, PUTS);
    send_text(greedy, (const char *)put, HEAD_BYTES + value_bytes);
    receive_message(world);
    assert_answer(read_answer(world, greedy), 1, "overloaded");
    send_text(modest, (const char *)put, HEAD_BYTES + value_bytes);
    receive_until(world, PUTS + 1);
    answer(world, &world->taken[0], view_of(NULL, 0));
    answer(world, &world->taken[1], view_of(NULL, 0)); // there is room again
    send_text(greedy, (const char *)put, HEAD_BYTES + value_bytes);
    receive_until(world, PUTS + 2);
    free(put);
}

/* All were asked before the first was answered, so none could be refused then. */
static void values_that_nobody_reads_do_not_pile_up(void **state)
{
    enum { ASKED = 128 };
    struct world *world = *state;
    void *lazy = connect_client(world, ZMQ_DEALER);
    int small = 1;
    (void)zmq_setsockopt(lazy, ZMQ_RCVHWM, &small, sizeof small);
    for (uint32_t i = 0; i < ASKED; i++) {
        SEND(lazy, "\x93\x01\xa3get\xa1k");
    }
    receive_until(world, ASKED);
    uint8_t *value = calloc(1, LIMIT_VALUE_BYTES);
    assert_non_null(value);
    for (uint32_t i = 0; i < ASKED; i++) {
        answer(world, &world->taken[i], view_of(value, LIMIT_VALUE_BYTES));
    }
    free(value);
    uint32_t values = 0;
    for (uint32_t i = 0; i < ASKED; i++) {
        const msgpack_object *fields = read_answer(world, lazy)->via.array.ptr;
        bool has_value = fields[6].type == MSGPACK_OBJECT_BIN;
        assert_answer(&world->unpacked.data, 1, has_value ? "ok" : "overloaded");
        values += has_value;
    }
    assert_true(values >= LIMIT_CLIENT_UNREAD_BYTES / LIMIT_VALUE_BYTES - 1);
    assert_true(values < ASKED / 2); // those, and what the connection's buffers took
}

static void small_answers_are_counted_together(void **state)
{
    (void)state;
    enum { ANSWERS = 10000, BLOCK = 512 };
    struct clients clients;
    static zmq_msg_t messages[ANSWERS];
    clients_init(&clients);
    struct client *client = clients_get(&clients, view_of("a", 1));
    for (int i = 0; i < ANSWERS; i++) {
        client_make_answer(client, view_of("answer", 6), &messages[i]);
        assert_int_equal(zmq_msg_size(&messages[i]), 6);
        assert_memory_equal(zmq_msg_data(&messages[i]), "answer", 6);
    }
    uint64_t left = LIMIT_CLIENT_UNREAD_BYTES - (uint64_t)ANSWERS * BLOCK;
    assert_true(clients_may_answer(&clients, client, left));
    assert_false(clients_may_answer(&clients, client, left + 1));
    for (int i = 0; i < ANSWERS; i++) {
        (void)zmq_msg_close(&messages[i]);
    }
    assert_true(clients_may_answer(&clients, client, LIMIT_CLIENT_UNREAD_BYTES));
    clients_fini(&clients);
}

static void what_has_not_changed_fits_any_batch(void **state)
{
    struct world *world = *state;
    void *dealer = connect_client(world, ZMQ_DEALER);
    static const char part[] = "\x94\x01\xa3get\xa1k\x81\xafunless_revision\x02";
    enum { PART_BYTES = sizeof part - 1, PARTS = 8 };
    char bytes[1 + PARTS * PART_BYTES] = "\x98";
    for (int i = 0; i < PARTS; i++) {
        memcpy(bytes + 1 + PART_BYTES * i, part, PART_BYTES);
    }
    send_text(dealer, bytes, sizeof bytes);
    receive_until(world, PARTS);
    uint8_t *value = calloc(1, LIMIT_VALUE_BYTES);
    assert_non_null(value);
    for (int i = 0; i < PARTS; i++) {
        answer(world, &world->taken[i],
               view_of(value, LIMIT_VALUE_BYTES)); // at revision 2
    }
    free(value);
    const msgpack_object *answers = read_answer(world, dealer);
    for (int i = 0; i < PARTS; i++) {
        assert_answer(&answers->via.array.ptr[i], 1, "not_modified");
    }
}

static void the_answer_to_a_batch_has_a_limit(void **state)
{
    struct world *world = *state;
    void *dealer = connect_client(world, ZMQ_DEALER);
    char bytes[1 + 8 * 8] = "\x98";
    for (int i = 0; i < 8; i++) {
        memcpy(bytes + 1 + 8 * i, "\x93\x01\xa3get\xa1k", 8);
    }
    send_text(dealer, bytes, sizeof bytes);
    receive_until(world, 8);
    uint8_t *value = calloc(1, LIMIT_VALUE_BYTES);
    assert_non_null(value);
    for (int i = 0; i < 8; i++) {
        answer(world, &world->taken[i], view_of(value, LIMIT_VALUE_BYTES));
    }
    free(value);
    const msgpack_object *answers = read_answer(world, dealer);
    assert_int_equal(answers->via.array.size, 8);
    assert_answer(&answers->via.array.ptr[0], 1, "ok");
    assert_answer(&answers->via.array.ptr[7], 1, "too_large");
}

static void a_client_that_is_gone_loses_its_answer(void **state)
{
    struct world *world = *state;
    void *gone = connect_client(world, ZMQ_DEALER);
    SEND(gone, "\x93\x01\xa3get\xa1k");
    receive_until(world, 1);
    close_clients(world);
    answer(world, &world->taken[0], view_of("v", 1));
    world->answers_at_once = true;
    void *other = connect_client(world, ZMQ_DEALER);
    SEND(other, "\x93\x02\xa3get\xa1k");
    receive_message(world);
    assert_answer(read_answer(world, other), 2, "ok");
}

static void a_slot_of_the_table_is_used_any_number_of_times(void **state)
{
    (void)state;
    struct calls calls;
    struct client client = {0};
    calls_init(&calls);
    struct call *call = calls_begin(&calls, &client, 1);
    assert_non_null(call);
    call->generation = INT32_MAX - 1;
    for (int i = 0; i < 4; i++) {
        uint64_t name = calls_name(call);
        assert_false(port_is_client(name)); // the port's own bit is free
        assert_ptr_equal(calls_find(&calls, name), call);
        calls_end(&calls, call);
        assert_null(calls_find(&calls, name));
        assert_ptr_equal(calls_begin(&calls, &client, 1), call);
        assert_null(calls_find(&calls, name));
    }
    calls_fini(&calls);
}

static void a_busy_address_is_said_in_words(void **state)
{
    struct world *world = *state;
    char error[256] = "";
    struct port_settings settings = {.endpoint = world->endpoint,
                                     .value_bytes_max = LIMIT_VALUE_BYTES};
    assert_null(port_open(world->context, &settings, error, sizeof error));
    assert_non_null(strstr(error, "client address"));
    assert_non_null(strstr(error, "in use"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dealer_and_req_are_answered_in_their_own_form),
        TEST(answers_come_as_they_are_ready),
        TEST(a_batch_is_answered_in_its_order_once_all_is_there),
        TEST(a_value_that_has_not_changed_is_not_sent),
        TEST(what_is_no_message_gets_one_answer),
        TEST(a_client_with_too_much_waiting_is_refused_and_others_are_not),
        TEST(a_client_that_does_not_read_is_refused),
        TEST(two_that_take_all_they_can_leave_room_for_a_third),
        TEST(bytes_that_wait_are_shared_too),
        TEST(values_that_nobody_reads_do_not_pile_up),
        cmocka_unit_test(small_answers_are_counted_together),
        TEST(what_has_not_changed_fits_any_batch),
        TEST(the_answer_to_a_batch_has_a_limit),
        TEST(a_client_that_is_gone_loses_its_answer),
        cmocka_unit_test(a_slot_of_the_table_is_used_any_number_of_times),
        TEST(a_busy_address_is_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
