#include "peers/peers.h"

#include "base/bind_error.h"
#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    UNTAKEN_MS = 1500, // a peer whose kernel takes nothing for so long is given up
    KEEPALIVE_IDLE_S =
        10, // a connection on which nothing comes is asked after this time,
    KEEPALIVE_AGAIN_S = 5,  // and again,
    KEEPALIVE_COUNT = 3,    // so often
    RECONNECT_MS = 20,      // a restarted peer is found again soon,
    RECONNECT_MAX_MS = 200, // without hammering one that stays away
    HANDSHAKE_MS = 1000,    // of a peer that accepts and then says nothing
    ENDPOINT_BYTES = 64,
    LISTEN_BACKLOG = 64,
};

struct link { // to one other seat
    void *dealer;
    void *monitor; // PAIR: events of the dealer's connection
};

struct peers {
    struct peers_settings settings;
    void *context;
    void *router;
    struct link links[PEERS_SEATS_MAX];
    zmq_msg_t frame; // the last one received
};

static bool open_router(struct peers *peers, char *out_error, size_t error_bytes);
static bool
open_link(struct peers *peers, uint32_t seat, char *out_error, size_t error_bytes);
static bool skip_rest(void *socket, zmq_msg_t *message);
static bool is_cut(const struct peers *peers);
static void set_option(void *socket, int option, int value);

struct peers *peers_open(void *zmq_context,
                         const struct peers_settings *settings,
                         char *out_error,
                         size_t error_bytes)
{
    CHECK(settings->seat_count <= PEERS_SEATS_MAX);
    CHECK(settings->seat < settings->seat_count);
    struct peers *peers = calloc(1, sizeof *peers);
    CHECK(peers != NULL);
    peers->settings = *settings;
    peers->context = zmq_context;
    (void)zmq_msg_init(&peers->frame);
    bool is_open = open_router(peers, out_error, error_bytes);
    for (uint32_t seat = 0; is_open && seat < settings->seat_count; seat++) {
        if (seat != settings->seat) {
            is_open = open_link(peers, seat, out_error, error_bytes);
        }
    }
    if (!is_open) {
        peers_close(&peers);
    }
    return peers;
}

static void close_socket(void *socket)
{
    if (socket != NULL) {
        (void)zmq_close(socket);
    }
}

void peers_close(struct peers **peers_slot)
{
    struct peers *peers = *peers_slot;
    if (peers == NULL) {
        return;
    }
    for (uint32_t seat = 0; seat < PEERS_SEATS_MAX; seat++) {
        struct link *link = &peers->links[seat];
        if (link->dealer != NULL) {
            (void)zmq_socket_monitor(link->dealer, NULL, 0);
        }
        close_socket(link->monitor);
        close_socket(link->dealer);
    }
    close_socket(peers->router);
    (void)zmq_msg_close(&peers->frame);
    free(peers);
    *peers_slot = NULL;
}

uint32_t peers_sockets(struct peers *peers, void *out_sockets[PEERS_SOCKETS_MAX])
{
    uint32_t count = 0;
    out_sockets[count++] = peers->router;
    for (uint32_t seat = 0; seat < peers->settings.seat_count; seat++) {
        if (peers->links[seat].monitor != NULL) {
            out_sockets[count++] = peers->links[seat].monitor;
        }
    }
    return count;
}

void peers_send(struct peers *peers, uint32_t seat, struct cs_view frame)
{
    CHECK(seat < peers->settings.seat_count);
    CHECK(seat != peers->settings.seat);
    CHECK(frame.bytes <= peers->settings.frame_bytes_max);
    if (is_cut(peers)) {
        return;
    }
    // EAGAIN: the peer is down or slower than we send. Lost, as any frame may be.
    (void)zmq_send(peers->links[seat].dealer, frame.data, frame.bytes, ZMQ_DONTWAIT);
}

bool peers_receive(struct peers *peers, struct cs_view *out_frame)
{
    zmq_msg_t *frame = &peers->frame;
    while (zmq_msg_recv(frame, peers->router, ZMQ_DONTWAIT) >= 0) {
        // First the routing id, which anybody may choose: the frame says from whom.
        if (zmq_msg_more(frame) == 0) {
            continue;
        }
        if (zmq_msg_recv(frame, peers->router, ZMQ_DONTWAIT) < 0) {
            return false;
        }
        if (!skip_rest(peers->router, frame) && !is_cut(peers)) {
            *out_frame = view_of(zmq_msg_data(frame), zmq_msg_size(frame));
            return true;
        }
    }
    return false;
}

static bool is_cut(const struct peers *peers)
{
    const struct fault_switch *faults = peers->settings.faults;
    return faults != NULL && atomic_load(&faults->is_cut);
}

/* An event is two parts: number and value, then the address. */
static bool receive_event(void *monitor)
{
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    bool has_event = zmq_msg_recv(&message, monitor, ZMQ_DONTWAIT) >= 0;
    if (has_event) {
        (void)skip_rest(monitor, &message);
    }
    (void)zmq_msg_close(&message);
    return has_event;
}

bool peers_receive_lost(struct peers *peers, uint32_t *out_seat)
{
    for (uint32_t seat = 0; seat < peers->settings.seat_count; seat++) {
        void *monitor = peers->links[seat].monitor;
        // Only DISCONNECTED is asked for, so whatever comes means just that.
        if (monitor != NULL && receive_event(monitor)) {
            *out_seat = seat;
            return true;
        }
    }
    return false;
}

static void say_cannot_open(char *out_error, size_t error_bytes)
{
    (void)snprintf(
        out_error, error_bytes,
        "cannot open a socket to the other nodes: %s. Raise the limit of open files "
        "(ulimit -n)",
        zmq_strerror(zmq_errno()));
}

/*
 * TCP finds dead connections, not ZeroMQ's heartbeats: with these libzmq 4.3.4 aborts the
 * process when one is due, or was received, on a connection that broke while its queue was
 * full ("Assertion failed: !_io_error").
 */
static void set_common(const struct peers *peers, void *socket, const char *endpoint)
{
    set_option(socket, ZMQ_LINGER, 0);
    set_option(socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    set_option(socket, ZMQ_TCP_MAXRT, UNTAKEN_MS);
    set_option(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_option(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_option(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_AGAIN_S);
    set_option(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT);
    set_option(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    int64_t bytes = peers->settings.frame_bytes_max;
    CHECK(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
}

static bool open_router(struct peers *peers, char *out_error, size_t error_bytes)
{
    const char *endpoint = peers->settings.bind_endpoint;
    peers->router = zmq_socket(peers->context, ZMQ_ROUTER);
    if (peers->router == NULL) {
        say_cannot_open(out_error, error_bytes);
        return false;
    }
    set_common(peers, peers->router, endpoint);
    set_option(peers->router, ZMQ_ROUTER_HANDOVER, 1);
    set_option(peers->router, ZMQ_RCVHWM, (int)peers->settings.queue_messages_max);
    set_option(peers->router, ZMQ_SNDHWM, 1); // nothing is ever sent this way
    set_option(peers->router, ZMQ_BACKLOG, LISTEN_BACKLOG);
    if (zmq_bind(peers->router, endpoint) != 0) {
        bind_error_say("peer", endpoint, zmq_errno(), out_error, error_bytes);
        return false;
    }
    return true;
}

/* The PAIR that hears when the dealer's connection closes. */
static bool open_monitor(struct peers *peers, struct link *link, uint32_t seat)
{
    char endpoint[ENDPOINT_BYTES];
    (void)snprintf(endpoint, sizeof endpoint, "inproc://consens-peer-%u-of-%u-%p", seat,
                   peers->settings.seat, (void *)peers);
    if (zmq_socket_monitor(link->dealer, endpoint, ZMQ_EVENT_DISCONNECTED) != 0) {
        return false;
    }
    link->monitor = zmq_socket(peers->context, ZMQ_PAIR);
    if (link->monitor == NULL) {
        return false;
    }
    set_option(link->monitor, ZMQ_LINGER, 0);
    return zmq_connect(link->monitor, endpoint) == 0;
}

static bool
open_link(struct peers *peers, uint32_t seat, char *out_error, size_t error_bytes)
{
    struct link *link = &peers->links[seat];
    const char *endpoint = peers->settings.endpoints[seat];
    char name[ENDPOINT_BYTES];
    link->dealer = zmq_socket(peers->context, ZMQ_DEALER);
    if (link->dealer == NULL || !open_monitor(peers, link, seat)) {
        say_cannot_open(out_error, error_bytes);
        return false;
    }
    (void)snprintf(name, sizeof name, "seat-%u", peers->settings.seat);
    CHECK(zmq_setsockopt(link->dealer, ZMQ_ROUTING_ID, name, strlen(name)) == 0);
    set_common(peers, link->dealer, endpoint);
    set_option(link->dealer, ZMQ_IMMEDIATE, 1);
    set_option(link->dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_option(link->dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_option(link->dealer, ZMQ_CONNECT_TIMEOUT, HANDSHAKE_MS);
    set_option(link->dealer, ZMQ_SNDHWM, (int)peers->settings.queue_messages_max);
    set_option(link->dealer, ZMQ_RCVHWM, 1); // nothing is ever read this way
    if (zmq_connect(link->dealer, endpoint) != 0) {
        (void)snprintf(out_error, error_bytes, "cannot use the peer address %s: %s",
                       endpoint, zmq_strerror(zmq_errno()));
        return false;
    }
    return true;
}

/* Drops further parts of a message. True: there were some. */
static bool skip_rest(void *socket, zmq_msg_t *message)
{
    bool has_rest = false;
    while (zmq_msg_more(message) != 0) {
        has_rest = true;
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0) {
            break;
        }
    }
    return has_rest;
}

static void set_option(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}
