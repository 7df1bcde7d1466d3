/*
 * The client port against clients that libzmq is no part of: ZMTP 3.0 by hand, over TCP.
 * What libzmq would not let its own users do, a stranger does.
 */
#include "port/port.h"

#include "base/clock.h"
#include "base/limits.h"
#include "port/calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 10 * 1000,
    QUIET_MS = 500,
    CONNECTIONS_MAX = 4,
    GREETING_BYTES = 64,
    MECHANISM_AT = 12, // in the greeting
    SHORT_BYTES_MAX = 255,
    ENDPOINT_BYTES = 64,
    KERNEL_BYTES = 32 * 1024 * 1024, // that a connection's two ends may keep
};

enum { FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 }; // of a frame

static const char GET[] = "\x93\x01\xa3get\xa1k";

struct world {
    void *context;
    struct port *port;
    struct sockaddr_in address;
    int connections[CONNECTIONS_MAX];
    uint32_t connection_count;
    uint32_t taken_count; // requests that reached the replica; each is answered at once
    struct cs_view value; // with this
};

static void take(void *context, uint64_t client, const struct request *request)
{
    struct world *world = context;
    struct reply reply = {.ticket = request->ticket,
                          .status = CS_OK,
                          .value = world->value};
    world->taken_count++;
    port_answer(world->port, client, &reply);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char error[256];
    char endpoint[ENDPOINT_BYTES];
    size_t bytes = sizeof endpoint;
    struct port_settings settings = {.endpoint = "tcp://127.0.0.1:*",
                                     .value_bytes_max = LIMIT_VALUE_BYTES};
    assert_non_null(world);
    (void)signal(SIGPIPE, SIG_IGN);
    world->context = zmq_ctx_new();
    world->port = port_open(world->context, &settings, error, sizeof error);
    assert_non_null(world->port);
    (void)zmq_getsockopt(port_socket(world->port), ZMQ_LAST_ENDPOINT, endpoint, &bytes);
    world->address.sin_family = AF_INET;
    world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world->address.sin_port =
        htons((uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    world->value = view_of("v", 1);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    while (world->connection_count > 0) {
        (void)close(world->connections[--world->connection_count]);
    }
    port_close(&world->port);
    (void)zmq_ctx_term(world->context);
    free(world);
    return 0;
}

/* ---- ZMTP -------------------------------------------------------------------------- */

static void send_all(int connection, const void *bytes, size_t count)
{
    assert_int_equal(send(connection, bytes, count, 0), count);
}

static void receive_all(int connection, void *out_bytes, size_t count)
{
    assert_int_equal(recv(connection, out_bytes, count, MSG_WAITALL), count);
}

/* A frame's head, with the size in its long form. */
static void send_head(int connection, int flags, uint64_t bytes)
{
    uint8_t head[1 + sizeof bytes] = {(uint8_t)(flags | FLAG_LONG)};
    for (size_t i = 0; i < sizeof bytes; i++) {
        head[1 + i] = (uint8_t)(bytes >> (8 * (sizeof bytes - 1 - i)));
    }
    send_all(connection, head, sizeof head);
}

static void send_frame(int connection, int flags, struct cs_view bytes)
{
    send_head(connection, flags, bytes.bytes);
    send_all(connection, bytes.data, bytes.bytes);
}

/* Of a command: name and value. */
static void append_property(struct cs_buffer *out, const char *name, struct cs_view value)
{
    uint8_t name_bytes = (uint8_t)strlen(name);
    uint8_t value_bytes[4] = {0, 0, (uint8_t)(value.bytes >> 8), (uint8_t)value.bytes};
    buffer_append(out, &name_bytes, sizeof name_bytes);
    buffer_append(out, name, name_bytes);
    buffer_append(out, value_bytes, sizeof value_bytes);
    buffer_append(out, value.data, value.bytes);
}

/* A DEALER with a routing id of so many bytes. */
static int start_client(struct world *world, size_t name_bytes)
{
    uint8_t greeting[GREETING_BYTES] = {[0] = 0xff, [9] = 0x7f, [10] = 3};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(connection >= 0);
    assert_true(world->connection_count < CONNECTIONS_MAX);
    world->connections[world->connection_count++] = connection;
    (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(connection, (void *)&world->address, sizeof world->address),
                     0);
    memcpy(greeting + MECHANISM_AT, "NULL", strlen("NULL"));
    send_all(connection, greeting, sizeof greeting);
    receive_all(connection, greeting, sizeof greeting);

    struct cs_buffer ready = {0};
    char *name = malloc(name_bytes);
    assert_non_null(name);
    memset(name, 'x', name_bytes);
    buffer_append(&ready, "\x05READY", strlen("\x05READY"));
    append_property(&ready, "Socket-Type", view_of("DEALER", strlen("DEALER")));
    append_property(&ready, "Identity", view_of(name, name_bytes));
    send_frame(connection, FLAG_COMMAND, view_of_buffer(&ready));
    free(name);
    buffer_fini(&ready);
    return connection;
}

/* The bytes of the next frame that is no command; they are not kept. */
static size_t read_answer(int connection)
{
    static uint8_t bytes[LIMIT_CLIENT_ANSWER_BYTES];
    uint8_t flags = FLAG_COMMAND;
    uint64_t count = 0;
    while ((flags & FLAG_COMMAND) != 0) {
        uint8_t size[sizeof count];
        receive_all(connection, &flags, sizeof flags);
        size_t size_bytes = (flags & FLAG_LONG) != 0 ? sizeof size : 1;
        receive_all(connection, size, size_bytes);
        count = 0;
        for (size_t i = 0; i < size_bytes; i++) {
            count = count << 8 | size[i];
        }
        assert_true(count <= sizeof bytes);
        receive_all(connection, bytes, count);
    }
    return count;
}

static void receive_messages(struct world *world, uint32_t count)
{
    struct port_taker taker = {.context = world, .take = take};
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (count > 0) {
        zmq_pollitem_t item = {.socket = port_socket(world->port), .events = ZMQ_POLLIN};
        assert_true(clock_now_ms() < deadline_ms);
        (void)zmq_poll(&item, 1, 10);
        while (count > 0 && port_receive(world->port, &taker)) {
            count--;
        }
    }
}

/* ---- tests ------------------------------------------------------------------------- */

static void a_routing_id_longer_than_libzmq_lets_one_set_is_not_served(void **state)
{
    struct world *world = *state;
    int named = start_client(world, CLIENT_NAME_BYTES_MAX);
    int stranger = start_client(world, CLIENT_NAME_BYTES_MAX + 1);
    int worse = start_client(world, 10 * CLIENT_NAME_BYTES_MAX);
    struct cs_view get = view_of(GET, sizeof GET - 1);
    send_frame(stranger, 0, get);
    send_frame(worse, FLAG_MORE, view_of("", 0)); // as REQ does
    send_frame(worse, 0, get);
    send_frame(worse, FLAG_MORE, get);
    send_frame(worse, FLAG_MORE, get);
    send_frame(worse, 0, get);
    receive_messages(world, 3);
    assert_int_equal(world->taken_count, 0);
    send_frame(named, 0, get);
    receive_messages(world, 1);
    assert_int_equal(world->taken_count, 1);
    assert_true(read_answer(named) > 0);
}

/* What has come and comes until it is quiet. */
static size_t read_all(int connection)
{
    static uint8_t bytes[1024 * 1024];
    size_t all = 0;
    struct pollfd item = {.fd = connection, .events = POLLIN};
    while (poll(&item, 1, QUIET_MS) > 0) {
        ssize_t count = recv(connection, bytes, sizeof bytes, 0);
        assert_true(count > 0);
        all += (size_t)count;
    }
    return all;
}

/* A refusal is an answer too, and one of a large batch is larger than the batch. */
static void refusals_that_nobody_reads_do_not_pile_up(void **state)
{
    enum {
        GETS = 1024,
        BATCHES = 600, // 90 MB of refusals
        HEAD_BYTES = 3,
        GET_BYTES = sizeof GET - 1,
    };
    static uint8_t batch[HEAD_BYTES + GETS * GET_BYTES] = "\xdc\x04\x00";
    struct world *world = *state;
    uint8_t *value = calloc(1, LIMIT_VALUE_BYTES);
    assert_non_null(value);
    world->value = view_of(value, LIMIT_VALUE_BYTES);
    for (size_t i = 0; i < GETS; i++) {
        memcpy(batch + HEAD_BYTES + i * GET_BYTES, GET, GET_BYTES);
    }
    int lazy = start_client(world, 1);
    for (int i = 0; i < BATCHES; i++) {
        send_frame(lazy, 0, view_of(batch, sizeof batch));
        receive_messages(world, 1);
    }
    // More than the table of calls has, and more requests than may wait.
    for (int i = 0; i < CALLS_MAX; i++) {
        send_frame(lazy, 0, view_of(GET, GET_BYTES));
        receive_messages(world, 1);
    }
    size_t bytes = read_all(lazy);
    assert_true(bytes > LIMIT_CLIENT_UNREAD_BYTES);
    assert_true(bytes < LIMIT_CLIENT_UNREAD_BYTES_MAX + KERNEL_BYTES);
    send_frame(lazy, 0, view_of(GET, GET_BYTES)); // now it has read
    receive_messages(world, 1);
    assert_true(read_answer(lazy) > LIMIT_VALUE_BYTES);
    free(value);
}

static void a_frame_that_claims_more_than_may_be_ends_its_connection(void **state)
{
    struct world *world = *state;
    uint8_t byte;
    int fits = start_client(world, 1);
    int large = start_client(world, 2);
    send_head(fits, 0, LIMIT_CLIENT_MESSAGE_BYTES + 1); // is told that it is too large
    send_head(large, 0, LIMIT_CLIENT_MESSAGE_BYTES + 4 * 1024 + 1);
    while (recv(large, &byte, sizeof byte, 0) == 1) { // READY
    }
    assert_int_not_equal(errno, EAGAIN);
    uint8_t *message = calloc(1, LIMIT_CLIENT_MESSAGE_BYTES + 1);
    assert_non_null(message);
    send_all(fits, message, LIMIT_CLIENT_MESSAGE_BYTES + 1);
    free(message);
    receive_messages(world, 1);
    assert_true(read_answer(fits) > 0);
}

/* Of messages that the engine has not come to. */
static void what_has_not_been_taken_in_is_bounded(void **state)
{
    enum { MESSAGE_BYTES = 128 * 1024 };
    struct world *world = *state;
    static const uint8_t message[MESSAGE_BYTES];
    int fast = start_client(world, 1);
    uint64_t bytes_max = (uint64_t)LIMIT_CLIENT_INBOX_MESSAGES * MESSAGE_BYTES;
    uint64_t bytes = 0; // that the port took
    struct pollfd item = {.fd = fast, .events = POLLOUT};
    while (bytes <= 2 * bytes_max + KERNEL_BYTES && poll(&item, 1, QUIET_MS) > 0) {
        if (bytes % MESSAGE_BYTES == 0) {
            send_head(fast, 0, MESSAGE_BYTES);
        }
        ssize_t count =
            send(fast, message, MESSAGE_BYTES - bytes % MESSAGE_BYTES, MSG_DONTWAIT);
        assert_true(count > 0);
        bytes += (uint64_t)count;
    }
    assert_true(bytes >= bytes_max);
    assert_true(bytes <= bytes_max + KERNEL_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_routing_id_longer_than_libzmq_lets_one_set_is_not_served),
        TEST(refusals_that_nobody_reads_do_not_pile_up),
        TEST(a_frame_that_claims_more_than_may_be_ends_its_connection),
        TEST(what_has_not_been_taken_in_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
