/*
 * port.c - the ROUTER of the client port. A reply finds its part by the call's name (in
 * the replica's `client`, with PORT_CLIENT set) and its place in the call (the ticket).
 */
#include "port/port.h"

#include "base/bind_error.h"
#include "base/check.h"
#include "base/mutant.h"
#include "port/calls.h"
#include "port/door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    KEEPALIVE_IDLE_S = 10, // a client that is gone without a word is found out by TCP:
    KEEPALIVE_AGAIN_S = 5, // ZeroMQ's heartbeats can abort the process (peers.c)
    KEEPALIVE_COUNT = 3,
    HANDSHAKE_MS = 5 * 1000, // of one that connects and says nothing
    LISTEN_BACKLOG = 1024,
    KEPT_BYTES_MAX = 64 * 1024,
};

// Set in the `client` of the port's requests; the hand-off's are below it.
#define PORT_CLIENT ((uint64_t)1 << 63)

struct port {
    struct port_settings settings;
    void *router;
    struct door door;
    zmq_msg_t message; // being received
    struct clients clients;
    struct calls calls;
    struct cs_buffer command; // scratch: a packed command,
    struct cs_buffer answer;  // the answer to a batch
    char sentence[256];
};

static const char UNREAD[] = "answers of this client wait to be read; read them before "
                             "asking more";

struct envelope { // how a message came
    struct client *client;
    bool has_delimiter;
};

static bool
open_router(struct port *port, void *zmq_context, char *out_error, size_t error_bytes);
static bool receive_message(struct port *port, struct envelope *out, bool *out_is_one);
static uint32_t serve_message(struct port *port,
                              const struct envelope *envelope,
                              const struct port_taker *taker);

struct port *port_open(void *zmq_context,
                       const struct port_settings *settings,
                       char *out_error,
                       size_t error_bytes)
{
    struct port *port = calloc(1, sizeof *port);
    CHECK(port != NULL);
    port->settings = *settings;
    (void)zmq_msg_init(&port->message);
    clients_init(&port->clients);
    calls_init(&port->calls);
    if (!open_router(port, zmq_context, out_error, error_bytes)) {
        port_close(&port);
    }
    return port;
}

void port_close(struct port **port_slot)
{
    struct port *port = *port_slot;
    if (port == NULL) {
        return;
    }
    door_close(&port->door);
    if (port->router != NULL) {
        (void)zmq_close(port->router);
    }
    (void)zmq_msg_close(&port->message);
    calls_fini(&port->calls);
    clients_fini(&port->clients);
    buffer_fini(&port->command);
    buffer_fini(&port->answer);
    free(port);
    *port_slot = NULL;
}

void *port_socket(struct port *port)
{
    return port->router;
}

void *port_door_socket(struct port *port)
{
    return port->door.monitor;
}

void port_watch_door(struct port *port)
{
    door_watch(&port->door);
}

bool port_is_client(uint64_t client)
{
    return (client & PORT_CLIENT) != 0;
}

uint32_t port_receive(struct port *port, const struct port_taker *taker)
{
    struct envelope envelope = {0};
    bool is_one = false; // frame, as the protocol says
    if (!receive_message(port, &envelope, &is_one)) {
        return 0;
    }
    return is_one ? serve_message(port, &envelope, taker) : 1;
}

/* ---- answers ----------------------------------------------------------------------- */

static void send_bytes(struct port *port, struct client *client, struct cs_view bytes)
{
    zmq_msg_t message;
    client_make_answer(client, bytes, &message);
    if (zmq_msg_send(&message, port->router, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&message);
    }
}

/* ROUTER drops what it has no connection for, and what does not fit its queue, which
 * counts messages; here goes what does not fit in bytes. */
static void
send_answer(struct port *port, const struct envelope *envelope, struct cs_view bytes)
{
    struct client *client = envelope->client;
    int more = ZMQ_SNDMORE | ZMQ_DONTWAIT;
    if (!clients_may_send(&port->clients, client, bytes.bytes) && !MUTANT_IS(331)) {
        return;
    }
    if (zmq_send(port->router, client->name, client->name_bytes, more) < 0) {
        return;
    }
    if (envelope->has_delimiter && zmq_send(port->router, "", 0, more) < 0) {
        return;
    }
    send_bytes(port, client, bytes);
}

/* The answers of a batch in the order of its requests. */
static struct cs_view order_answers(struct port *port, const struct call *call)
{
    struct cs_buffer *out = &port->answer;
    out->bytes = 0;
    client_batch_pack(out, call->part_count);
    for (uint32_t i = 0; i < call->part_count; i++) {
        const struct part *part = &call->parts[i];
        buffer_append(out, call->bytes.data + part->at, part->bytes);
    }
    return view_of_buffer(out);
}

static void finish(struct port *port, struct call *call)
{
    struct envelope envelope = {.client = call->client,
                                .has_delimiter = call->has_delimiter};
    call->client->load.answer_bytes -= call->bytes.bytes; // unread from now on
    port->clients.load.answer_bytes -= call->bytes.bytes;
    struct cs_view bytes =
        call->is_batch ? order_answers(port, call) : view_of_buffer(&call->bytes);
    send_answer(port, &envelope, bytes);
    if (port->answer.capacity_bytes > KEPT_BYTES_MAX) {
        buffer_fini(&port->answer);
    }
    calls_end(&port->calls, call);
}

static const char *leader_of(const struct port *port, const struct reply *reply)
{
    uint32_t seat = reply->leader_seat;
    return seat < port->settings.seat_count ? port->settings.seat_names[seat] : NULL;
}

/* The part has its answer; the last one ends the call. */
static void answer_part(struct port *port,
                        struct call *call,
                        uint32_t place,
                        const struct client_answer *answer)
{
    struct part *part = &call->parts[place];
    part->at = call->bytes.bytes;
    client_answer_pack(&call->bytes, answer);
    part->bytes = call->bytes.bytes - part->at;
    CHECK(call->open_count > 0);
    struct client_load *own = &call->client->load;
    struct client_load *all = &port->clients.load;
    CHECK(own->requests > 0);
    CHECK(own->bytes >= part->held_bytes);
    own->requests--;
    all->requests--;
    own->bytes -= part->held_bytes;
    all->bytes -= part->held_bytes;
    own->answer_bytes += part->bytes;
    all->answer_bytes += part->bytes;
    call->open_count--;
    if (call->open_count == 0) {
        finish(port, call);
    }
}

/* A value for a client that does not read: it must not pile up here. */
static bool
is_unread(const struct port *port, const struct call *call, const struct reply *reply)
{
    return reply->value.bytes > CLIENT_SMALL_ANSWER_BYTES &&
           !clients_may_answer(&port->clients, call->client, reply->value.bytes);
}

/* A value that the answer to its batch has no room for. */
static bool is_too_much(const struct call *call, const struct reply *reply)
{
    return call->is_batch && reply->value.bytes > CLIENT_SMALL_ANSWER_BYTES &&
           call->bytes.bytes + reply->value.bytes > LIMIT_CLIENT_ANSWER_BYTES;
}

static void withhold(struct client_answer *answer,
                     struct reply *shown,
                     enum cs_status status,
                     const char *sentence)
{
    shown->status = status;
    shown->value = view_of(sentence, strlen(sentence));
    answer->has_value = false;
    answer->is_local = false;
}

void port_answer(struct port *port, uint64_t client, const struct reply *reply)
{
    struct call *call = calls_find(&port->calls, client & ~PORT_CLIENT);
    CHECK(call != NULL); // each request is answered once, and the call waits for all
    CHECK(reply->ticket < call->part_count);
    const struct part *part = &call->parts[reply->ticket];
    struct reply shown = *reply;
    struct client_answer answer = {
        .id = part->id,
        .reply = &shown,
        .has_value = reply->status == CS_OK && part->wants_value,
        .is_local = part->is_local && reply->status == CS_OK,
        .leader = leader_of(port, reply),
        .durability = port->settings.durability,
    };
    if (reply->status == CS_OK && part->has_unless_revision &&
        part->unless_revision == reply->item_revision) {
        shown.status = CS_NOT_MODIFIED;
        answer.has_value = false;
    } else if (answer.has_value && is_too_much(call, reply)) {
        static const char sentence[] = "the values of this batch are too large for one "
                                       "answer: ask for this key by itself";
        withhold(&answer, &shown, CS_TOO_LARGE, sentence);
        answer.limit = LIMIT_CLIENT_ANSWER_BYTES;
        answer.actual = call->bytes.bytes + reply->value.bytes;
    } else if (answer.has_value && is_unread(port, call, reply)) {
        withhold(&answer, &shown, CS_OVERLOADED, UNREAD);
    }
    answer_part(port, call, (uint32_t)reply->ticket, &answer);
}

/* ---- requests ---------------------------------------------------------------------- */

/* One answer, with id 0, to what is not a message of the protocol. */
static void refuse_message(struct port *port,
                           const struct envelope *envelope,
                           enum cs_status status,
                           const char *reason,
                           uint64_t actual)
{
    struct reply reply = {.status = status, .value = view_of(reason, strlen(reason))};
    struct client_answer answer = {.reply = &reply, .durability = NULL};
    if (status == CS_TOO_LARGE) {
        answer.limit = LIMIT_CLIENT_MESSAGE_BYTES;
        answer.actual = actual;
    }
    port->answer.bytes = 0;
    client_answer_pack(&port->answer, &answer);
    send_answer(port, envelope, view_of_buffer(&port->answer));
}

static void refuse_part(struct port *port,
                        struct call *call,
                        uint32_t place,
                        const struct client_request *request,
                        const char *reason)
{
    bool is_busy = request->refusal == CS_OK;
    struct reply reply = {
        .status = is_busy ? CS_OVERLOADED : request->refusal,
        .value = view_of(reason, strlen(reason)),
        .leader_seat = UINT32_MAX,
    };
    struct client_answer answer = {
        .id = request->id,
        .reply = &reply,
        .limit = request->limit,
        .actual = request->actual,
        .durability = port->settings.durability,
    };
    answer_part(port, call, place, &answer);
}

/* Why this client may ask nothing more now; NULL: it may. */
static const char *find_overload(struct port *port, const struct client *client)
{
    if (!clients_may_ask(&port->clients, client)) {
        const struct client_load *own = &client->load;
        const struct client_load *all = &port->clients.load;
        (void)snprintf(port->sentence, sizeof port->sentence,
                       "%llu requests of this client (%llu bytes) wait for an answer, of "
                       "all clients %llu (%llu bytes): that is its share; read answers "
                       "before asking more",
                       (unsigned long long)own->requests, (unsigned long long)own->bytes,
                       (unsigned long long)all->requests, (unsigned long long)all->bytes);
        return port->sentence;
    }
    // There is room for the largest answer, or none is worked out.
    uint64_t bytes = port->settings.value_bytes_max;
    return clients_may_answer(&port->clients, client, bytes) ? NULL : UNREAD;
}

static void hand_over(struct port *port,
                      struct call *call,
                      uint32_t place,
                      struct client_request *taken,
                      const struct port_taker *taker)
{
    struct request *request = &taken->request;
    struct part *part = &call->parts[place];
    *part = (struct part){
        .id = taken->id,
        .has_unless_revision = taken->has_unless_revision,
        .unless_revision = taken->unless_revision,
        .is_local = request->consistency == REQUEST_LOCAL,
        .wants_value = request->kind == REQUEST_GET || request->kind == REQUEST_STATUS,
    };
    part->held_bytes = request->key.bytes + taken->command.value.bytes;
    call->client->load.bytes += part->held_bytes;
    port->clients.load.bytes += part->held_bytes;
    const char *overload =
        taken->refusal == CS_OK ? find_overload(port, call->client) : "";
    if (overload != NULL) {
        refuse_part(port, call, place, taken, overload);
        return;
    }
    if (request->kind == REQUEST_WRITE) {
        port->command.bytes = 0;
        command_pack(&port->command, &taken->command);
        request->command = view_of_buffer(&port->command);
        request->key = view_of(NULL, 0);
    }
    request->ticket = place;
    taker->take(taker->context, calls_name(call) | PORT_CLIENT, request);
}

/* How many requests it had; one for a message that has none. */
static uint32_t serve_message(struct port *port,
                              const struct envelope *envelope,
                              const struct port_taker *taker)
{
    struct cs_view bytes =
        view_of(zmq_msg_data(&port->message), zmq_msg_size(&port->message));
    struct client_message message;
    const char *reason = NULL;
    if (bytes.bytes > LIMIT_CLIENT_MESSAGE_BYTES) {
        refuse_message(port, envelope, CS_TOO_LARGE,
                       "the message is too large; nothing of it was done", bytes.bytes);
        return 1;
    }
    if (!client_message_open(bytes, port->settings.value_bytes_max, &message, &reason)) {
        refuse_message(port, envelope, CS_MALFORMED, reason, 0);
        return 1;
    }
    uint32_t count = message.request_count;
    struct call *call = calls_begin(&port->calls, envelope->client, count);
    if (call == NULL) {
        refuse_message(port, envelope, CS_OVERLOADED,
                       "too many messages are waiting; nothing of this one was done", 0);
        return 1;
    }
    call->is_batch = message.is_batch;
    call->has_delimiter = envelope->has_delimiter;
    envelope->client->load.requests += count;
    port->clients.load.requests += count;
    // The last part's answer may end the call before take() returns: it is not looked at
    // afterwards.
    for (uint32_t place = 0; place < count; place++) {
        struct client_request request;
        client_message_take(&message, port->settings.value_bytes_max, &request);
        hand_over(port, call, place, &request, taker);
    }
    if (port->command.capacity_bytes > KEPT_BYTES_MAX) {
        buffer_fini(&port->command);
    }
    return count;
}

/* ---- the socket -------------------------------------------------------------------- */

static bool receive_frame(struct port *port)
{
    return zmq_msg_recv(&port->message, port->router, ZMQ_DONTWAIT) >= 0;
}

/*
 * False: nothing is there. *out_is_one: the message is one frame, or an empty one and
 * then one, and lies in port->message; its client has a name that may be.
 */
static bool receive_message(struct port *port, struct envelope *out, bool *out_is_one)
{
    if (!receive_frame(port)) {
        return false;
    }
    struct cs_view name =
        view_of(zmq_msg_data(&port->message), zmq_msg_size(&port->message));
    out->client = clients_get(&port->clients, name);
    bool is_there = zmq_msg_more(&port->message) && receive_frame(port);
    if (is_there && zmq_msg_size(&port->message) == 0 && zmq_msg_more(&port->message)) {
        out->has_delimiter = true;
        is_there = receive_frame(port);
    }
    *out_is_one = is_there && !zmq_msg_more(&port->message);
    bool has_rest = is_there && !*out_is_one;
    while (is_there && zmq_msg_more(&port->message)) {
        is_there = receive_frame(port);
    }
    if (out->client == NULL && !MUTANT_IS(330)) {
        *out_is_one = false;
    } else if (has_rest) {
        refuse_message(port, out, CS_MALFORMED,
                       "a message is one frame, or REQ's empty one and then one", 0);
    }
    return true;
}

static void set_option(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static bool
open_router(struct port *port, void *zmq_context, char *out_error, size_t error_bytes)
{
    const char *endpoint = port->settings.endpoint;
    port->router = zmq_socket(zmq_context, ZMQ_ROUTER);
    if (port->router == NULL ||
        !door_open(&port->door, zmq_context, port->router, port->settings.files_kept)) {
        (void)snprintf(out_error, error_bytes,
                       "cannot open the socket for clients: %s. Raise the limit of open "
                       "files (ulimit -n)",
                       zmq_strerror(zmq_errno()));
        return false;
    }
    int64_t bytes = LIMIT_CLIENT_FRAME_BYTES;
    CHECK(zmq_setsockopt(port->router, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
    set_option(port->router, ZMQ_LINGER, 0);
    set_option(port->router, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    set_option(port->router, ZMQ_ROUTER_HANDOVER, 1); // a client that comes back
    set_option(port->router, ZMQ_TCP_KEEPALIVE, 1);
    set_option(port->router, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_option(port->router, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_AGAIN_S);
    set_option(port->router, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT);
    set_option(port->router, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_option(port->router, ZMQ_BACKLOG, LISTEN_BACKLOG);
    set_option(port->router, ZMQ_SNDHWM, LIMIT_CLIENT_QUEUE_MESSAGES);
    if (!MUTANT_IS(332)) {
        set_option(port->router, ZMQ_RCVHWM, LIMIT_CLIENT_INBOX_MESSAGES);
    }
    if (zmq_bind(port->router, endpoint) != 0) {
        bind_error_say("client", endpoint, zmq_errno(), out_error, error_bytes);
        return false;
    }
    return true;
}
