#include "unit/support/http_rig.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENGINE_POLL_MS = 20 };

static void *run_engine(void *rig_pointer);
static void take_one(struct rig *rig, uint64_t client, struct cs_view bytes);
static void note_seen(struct rig *rig, const struct request *request);
static size_t receive_some(int connection, void *to, size_t room);
static void receive_head(int connection, struct response *response);

void rig_start(struct rig *rig)
{
    rig_start_with(rig, RIG_THREADS);
}

void rig_start_with(struct rig *rig, uint32_t threads)
{
    memset(rig, 0, sizeof(*rig));
    rig->zmq_context = zmq_ctx_new();
    assert_non_null(rig->zmq_context);
    assert_int_equal(pthread_mutex_init(&rig->lock, NULL), 0);
    rig->settings.node_count = 3;
    rig->settings.node_index = 1;
    rig->settings.http_threads = threads;
    rig->settings.limit_value_bytes = RIG_LIMIT_VALUE_BYTES;
    for (int i = 0; i < 3; i++) {
        struct settings_node *node = &rig->settings.nodes[i];
        (void)snprintf(node->name, sizeof(node->name), "n%d", i + 1);
        (void)snprintf(node->http, sizeof(node->http), "127.0.0.1:0");
    }
    rig->server = handoff_server_open(rig->zmq_context);
    assert_non_null(rig->server);
    assert_int_equal(pthread_create(&rig->engine, NULL, run_engine, rig), 0);
    char error[256] = "";
    int code = 0;
    rig->http = http_start(rig->zmq_context, &rig->settings, "0.1-test", &code, error,
                           sizeof(error));
    assert_string_equal(error, "");
    assert_non_null(rig->http);
}

void rig_stop(struct rig *rig)
{
    http_stop(&rig->http);
    atomic_store(&rig->is_ending, true);
    assert_int_equal(pthread_join(rig->engine, NULL), 0);
    handoff_server_close(&rig->server);
    assert_int_equal(zmq_ctx_term(rig->zmq_context), 0);
    buffer_fini(&rig->seen.key);
    buffer_fini(&rig->seen.value);
    buffer_fini(&rig->shown.key);
    buffer_fini(&rig->shown.value);
    (void)pthread_mutex_destroy(&rig->lock);
}

void rig_set_reply(struct rig *rig, const struct reply *reply)
{
    (void)pthread_mutex_lock(&rig->lock);
    rig->reply = *reply;
    rig->is_silent = false;
    (void)pthread_mutex_unlock(&rig->lock);
}

void rig_set_silent(struct rig *rig, bool is_silent)
{
    (void)pthread_mutex_lock(&rig->lock);
    rig->is_silent = is_silent;
    (void)pthread_mutex_unlock(&rig->lock);
}

uint32_t rig_seen_count(struct rig *rig)
{
    (void)pthread_mutex_lock(&rig->lock);
    uint32_t count = rig->seen.count;
    (void)pthread_mutex_unlock(&rig->lock);
    return count;
}

const struct rig_seen *rig_seen(struct rig *rig)
{
    struct rig_seen *shown = &rig->shown;
    shown->key.bytes = 0;
    shown->value.bytes = 0;
    (void)pthread_mutex_lock(&rig->lock);
    shown->count = rig->seen.count;
    shown->request = rig->seen.request;
    shown->command = rig->seen.command;
    buffer_append(&shown->key, rig->seen.key.data, rig->seen.key.bytes);
    buffer_append(&shown->value, rig->seen.value.data, rig->seen.value.bytes);
    (void)pthread_mutex_unlock(&rig->lock);
    return shown;
}

int rig_connect(struct rig *rig)
{
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(connection >= 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_port(rig->http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(connection, (const void *)&to, sizeof(to)), 0);
    return connection;
}

void rig_send(int connection, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        ssize_t sent = send(connection, at, count, MSG_NOSIGNAL);
        if (sent < 0) {
            return; // the server has closed: what it said before is still to be read
        }
        at += sent;
        count -= (size_t)sent;
    }
}

void rig_send_text(int connection, const char *text)
{
    rig_send(connection, text, strlen(text));
}

void rig_receive(int connection, struct response *response, bool has_body)
{
    response->body.bytes = 0;
    receive_head(connection, response);
    const char *length = response_field(response, "Content-Length");
    size_t want = has_body && length != NULL ? (size_t)strtoul(length, NULL, 10) : 0;
    while (response->body.bytes < want) {
        size_t left = want - response->body.bytes;
        uint8_t *to = buffer_extend(&response->body, left);
        size_t got = receive_some(connection, to, left);
        response->body.bytes -= left - got;
        assert_true(got > 0);
    }
}

bool rig_is_closed(int connection, int wait_ms)
{
    struct pollfd poller = {.fd = connection, .events = POLLIN};
    char byte = 0;
    return poll(&poller, 1, wait_ms) == 1 && recv(connection, &byte, 1, 0) <= 0;
}

void rig_ask(struct rig *rig, const char *text, struct response *response)
{
    int connection = rig_connect(rig);
    rig_send_text(connection, text);
    rig_receive(connection, response, strncmp(text, "HEAD ", 5) != 0);
    (void)close(connection);
}

const char *response_field(struct response *response, const char *name)
{
    size_t name_bytes = strlen(name);
    const char *line = strstr(response->head, "\r\n");
    for (; line != NULL; line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;
        if (strncasecmp(field, name, name_bytes) == 0 && field[name_bytes] == ':') {
            const char *from = field + name_bytes + 1;
            from += strspn(from, " ");
            size_t bytes = strcspn(from, "\r");
            assert_true(bytes < sizeof(response->field));
            memcpy(response->field, from, bytes);
            response->field[bytes] = '\0';
            return response->field;
        }
    }
    return NULL;
}

const char *response_text(struct response *response)
{
    buffer_append(&response->body, "", 1);
    response->body.bytes--;
    return (const char *)response->body.data;
}

void response_fini(struct response *response)
{
    buffer_fini(&response->body);
}

static void *run_engine(void *rig_pointer)
{
    struct rig *rig = rig_pointer;
    zmq_pollitem_t item = {.socket = handoff_server_socket(rig->server),
                           .events = ZMQ_POLLIN};
    while (!atomic_load(&rig->is_ending)) {
        (void)zmq_poll(&item, 1, ENGINE_POLL_MS);
        uint64_t client = 0;
        struct cs_view bytes = {0};
        while (handoff_receive(rig->server, &client, &bytes)) {
            take_one(rig, client, bytes);
        }
    }
    return NULL;
}

static void take_one(struct rig *rig, uint64_t client, struct cs_view bytes)
{
    struct request request;
    if (!request_unpack(bytes, &request)) {
        return; // the test sees no reply
    }
    (void)pthread_mutex_lock(&rig->lock);
    note_seen(rig, &request);
    struct reply reply = rig->reply;
    reply.ticket = request.ticket;
    if (!rig->is_silent) {
        handoff_answer(rig->server, client, &reply);
    }
    (void)pthread_mutex_unlock(&rig->lock);
}

static void note_seen(struct rig *rig, const struct request *request)
{
    struct rig_seen *seen = &rig->seen;
    seen->count++;
    seen->request = *request;
    seen->key.bytes = 0;
    seen->value.bytes = 0;
    buffer_append(&seen->key, request->key.data, request->key.bytes);
    if (request->kind != REQUEST_WRITE) {
        return;
    }
    struct reader reader = reader_over(request->command, true);
    if (command_unpack(&reader, &seen->command)) {
        buffer_append(&seen->key, seen->command.key.data, seen->command.key.bytes);
        buffer_append(&seen->value, seen->command.value.data, seen->command.value.bytes);
    }
}

// 0: the server closed, or the deadline passed.
static size_t receive_some(int connection, void *to, size_t room)
{
    struct pollfd poller = {.fd = connection, .events = POLLIN};
    if (poll(&poller, 1, RIG_PATIENCE_MS) != 1) {
        return 0;
    }
    ssize_t got = recv(connection, to, room, 0);
    return got > 0 ? (size_t)got : 0;
}

static void receive_head(int connection, struct response *response)
{
    size_t bytes = 0;
    char *end = NULL;
    while (end == NULL) {
        size_t room = sizeof(response->head) - 1 - bytes;
        assert_true(room > 0);
        // To the byte, so that the next reply on the connection is left alone.
        size_t got = receive_some(connection, response->head + bytes, 1);
        assert_int_equal(got, 1);
        bytes += got;
        response->head[bytes] = '\0';
        end = bytes >= 4 ? strstr(response->head + bytes - 4, "\r\n\r\n") : NULL;
    }
    assert_int_equal(sscanf(response->head, "HTTP/1.1 %d", &response->status), 1);
}
