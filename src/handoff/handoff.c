/*
 * handoff.c - a request is one frame from a DEALER. The ROUTER hands it over as two, the
 * name it gave that DEALER before the bytes, and takes the reply in the same form.
 *
 * ROUTER names peers by 5 bytes: zero, then a number (big endian here; any order would
 * do).
 */
#include "handoff/handoff.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

enum {
    NAME_BYTES = 5,
    // A buffer that one large value has grown is not kept by each of thousands of
    // workers.
    KEPT_BYTES_MAX = 64 * 1024,
};

struct handoff_client {
    void *socket;
    const atomic_bool *is_stopping; // or NULL
    uint64_t last_ticket;
    uint32_t unanswered_count; // <= HANDOFF_UNANSWERED_MAX
    int receive_timeout_ms;    // as set on the socket
    zmq_msg_t received;        // what out_reply looks into
    struct cs_buffer packed;
};

struct handoff_server {
    void *socket;
    zmq_msg_t received; // what out_request looks into
    struct cs_buffer packed;
};

static void *open_socket(void *zmq_context, int type);
static void set_int(void *socket, int option, int value);
static void set_receive_timeout(struct handoff_client *client, int timeout_ms);
static bool receive_before(struct handoff_client *client, uint64_t deadline_ms);
static bool has_room(struct handoff_client *client);
static void take_reply(struct handoff_client *client, struct reply *out_reply);
static bool send_packed(void *socket, const struct cs_buffer *packed);
static void drop_large(struct cs_buffer *buffer);
static void store_name(uint8_t *to, uint64_t client);

struct handoff_client *handoff_client_open(void *zmq_context)
{
    CHECK(zmq_context != NULL);
    void *socket = open_socket(zmq_context, ZMQ_DEALER);
    if (socket == NULL) {
        return NULL;
    }
    // Over inproc this does not need a server yet: it fails only in a context that is
    // ending.
    if (zmq_connect(socket, HANDOFF_ENDPOINT) != 0) {
        (void)zmq_close(socket);
        return NULL;
    }
    struct handoff_client *client = calloc(1, sizeof(*client));
    CHECK(client != NULL);
    client->socket = socket;
    set_receive_timeout(client, HANDOFF_SLICE_MS);
    (void)zmq_msg_init(&client->received);
    return client;
}

void handoff_client_close(struct handoff_client **client)
{
    struct handoff_client *closing = *client;
    *client = NULL;
    if (closing == NULL) {
        return;
    }
    (void)zmq_msg_close(&closing->received);
    (void)zmq_close(closing->socket);
    buffer_fini(&closing->packed);
    free(closing);
}

void handoff_client_heed(struct handoff_client *client, const atomic_bool *is_stopping)
{
    client->is_stopping = is_stopping;
}

bool handoff_call(struct handoff_client *client,
                  struct request *request,
                  uint64_t wait_ms,
                  struct reply *out_reply)
{
    uint64_t deadline_ms = clock_now_ms() + wait_ms;
    if (!has_room(client)) {
        return false;
    }
    request->ticket = ++client->last_ticket;
    request_pack(&client->packed, request);
    bool is_sent = send_packed(client->socket, &client->packed);
    drop_large(&client->packed);
    if (!is_sent) {
        return false; // the context is ending
    }
    client->unanswered_count++;
    set_receive_timeout(client,
                        wait_ms < HANDOFF_SLICE_MS ? (int)wait_ms : HANDOFF_SLICE_MS);
    while (receive_before(client, deadline_ms)) {
        take_reply(client, out_reply);
        if (out_reply->ticket == request->ticket) {
            return true;
        }
        // A late reply to a call that ran out of time: its caller has been told
        // "unknown".
    }
    return false;
}

void handoff_client_release(struct handoff_client *client)
{
    (void)zmq_msg_close(&client->received);
    (void)zmq_msg_init(&client->received);
}

struct handoff_server *handoff_server_open(void *zmq_context)
{
    CHECK(zmq_context != NULL);
    void *socket = open_socket(zmq_context, ZMQ_ROUTER);
    if (socket == NULL) {
        return NULL;
    }
    if (zmq_bind(socket, HANDOFF_ENDPOINT) != 0) {
        (void)zmq_close(socket);
        return NULL;
    }
    struct handoff_server *server = calloc(1, sizeof(*server));
    CHECK(server != NULL);
    server->socket = socket;
    (void)zmq_msg_init(&server->received);
    return server;
}

void handoff_server_close(struct handoff_server **server)
{
    struct handoff_server *closing = *server;
    *server = NULL;
    if (closing == NULL) {
        return;
    }
    (void)zmq_msg_close(&closing->received);
    (void)zmq_close(closing->socket);
    buffer_fini(&closing->packed);
    free(closing);
}

void *handoff_server_socket(struct handoff_server *server)
{
    return server->socket;
}

bool handoff_receive(struct handoff_server *server,
                     uint64_t *out_client,
                     struct cs_view *out_request)
{
    uint8_t name[NAME_BYTES];
    int name_bytes = zmq_recv(server->socket, name, sizeof(name), ZMQ_DONTWAIT);
    if (name_bytes < 0) {
        return false;
    }
    CHECK(name_bytes == NAME_BYTES && name[0] == 0);
    // The frames of one message arrive together: this one is there.
    int bytes = zmq_msg_recv(&server->received, server->socket, ZMQ_DONTWAIT);
    CHECK(bytes >= 0);
    CHECK(!zmq_msg_more(&server->received));
    *out_client = load_u32(name + 1);
    *out_request = view_of(zmq_msg_data(&server->received), (size_t)bytes);
    return true;
}

void handoff_answer(struct handoff_server *server,
                    uint64_t client,
                    const struct reply *reply)
{
    uint8_t name[NAME_BYTES];
    store_name(name, client);
    reply_pack(&server->packed, reply);
    // ROUTER drops both frames when the name is unknown (a closed end) or its pipe is
    // full.
    if (zmq_send(server->socket, name, sizeof(name), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
        (void)send_packed(server->socket, &server->packed);
    }
    drop_large(&server->packed);
}

static void *open_socket(void *zmq_context, int type)
{
    void *socket = zmq_socket(zmq_context, type);
    if (socket != NULL) {
        set_int(socket, ZMQ_LINGER, 0);
        set_int(socket, ZMQ_SNDHWM, 0); // none: see handoff.h
        set_int(socket, ZMQ_RCVHWM, 0);
    }
    return socket;
}

static void set_int(void *socket, int option, int value)
{
    int result = zmq_setsockopt(socket, option, &value, sizeof(value));
    CHECK(result == 0);
}

// Nearly every wait is a whole slice, so this seldom costs a call.
static void set_receive_timeout(struct handoff_client *client, int timeout_ms)
{
    if (client->receive_timeout_ms != timeout_ms) {
        client->receive_timeout_ms = timeout_ms;
        set_int(client->socket, ZMQ_RCVTIMEO, timeout_ms);
    }
}

// False: out of time, told to stop, or the context is ending.
static bool receive_before(struct handoff_client *client, uint64_t deadline_ms)
{
    for (;;) {
        if (zmq_msg_recv(&client->received, client->socket, 0) >= 0) {
            return true;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return false;
        }
        uint64_t now_ms = clock_now_ms();
        bool is_stopping =
            client->is_stopping != NULL && atomic_load(client->is_stopping);
        if (now_ms >= deadline_ms || is_stopping) {
            return false;
        }
        uint64_t left_ms = deadline_ms - now_ms;
        set_receive_timeout(client,
                            left_ms < HANDOFF_SLICE_MS ? (int)left_ms : HANDOFF_SLICE_MS);
    }
}

// Late replies are looked for only when so many are missing.
static bool has_room(struct handoff_client *client)
{
    struct reply late;
    while (client->unanswered_count >= HANDOFF_UNANSWERED_MAX &&
           zmq_msg_recv(&client->received, client->socket, ZMQ_DONTWAIT) >= 0) {
        take_reply(client, &late);
    }
    return client->unanswered_count < HANDOFF_UNANSWERED_MAX;
}

static void take_reply(struct handoff_client *client, struct reply *out_reply)
{
    struct cs_view bytes =
        view_of(zmq_msg_data(&client->received), zmq_msg_size(&client->received));
    bool is_reply = reply_unpack(bytes, out_reply);
    CHECK(is_reply);
    CHECK(out_reply->ticket <= client->last_ticket);
    CHECK(client->unanswered_count > 0);
    client->unanswered_count--;
}

static bool send_packed(void *socket, const struct cs_buffer *packed)
{
    // zmq_send copies: the reader's bytes are the library's own.
    return zmq_send(socket, packed->data, packed->bytes, ZMQ_DONTWAIT) >= 0;
}

static void drop_large(struct cs_buffer *buffer)
{
    if (buffer->capacity_bytes > KEPT_BYTES_MAX) {
        buffer_fini(buffer);
    }
}

static void store_name(uint8_t *to, uint64_t client)
{
    CHECK(client <= UINT32_MAX);
    to[0] = 0;
    store_u32(to + 1, (uint32_t)client);
}
