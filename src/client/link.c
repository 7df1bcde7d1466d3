#include "client/link.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdio.h>

enum {
    UNACKED_MS = 5000, // a machine that is gone without a word: TCP itself takes minutes
    CONNECT_MS = 1000, // TCP and ZeroMQ's greeting; a hung process answers the first only
    AGAIN_MIN_MS = 50, // between two tries to connect, doubled each time
    AGAIN_MAX_MS = 1000, // a node that is back is found within this
    DOUBLINGS_MAX = 5,
    QUEUE_MESSAGES = 2 * CONSENS_IN_FLIGHT_MAX, // those of cancelled requests too
    ANSWER_BYTES_MAX = 2 * LIMIT_VALUE_BYTES,   // one value and what is said about it
    EVENTS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
             ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
             ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

static void set_option(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static void set_options(void *dealer)
{
    int64_t bytes = ANSWER_BYTES_MAX;
    CHECK(zmq_setsockopt(dealer, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0);
    set_option(dealer, ZMQ_LINGER, 0);
    set_option(dealer, ZMQ_IMMEDIATE, 1);
    set_option(dealer, ZMQ_RECONNECT_IVL, -1);
    set_option(dealer, ZMQ_TCP_MAXRT, UNACKED_MS);
    set_option(dealer, ZMQ_SNDHWM, QUEUE_MESSAGES);
    set_option(dealer, ZMQ_RCVHWM, QUEUE_MESSAGES);
}

static bool open_monitor(struct link *link, void *zmq_context)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://monitor-%p", (void *)link);
    if (zmq_socket_monitor(link->dealer, name, EVENTS) != 0) {
        return false;
    }
    link->monitor = zmq_socket(zmq_context, ZMQ_PAIR);
    if (link->monitor == NULL) {
        return false;
    }
    set_option(link->monitor, ZMQ_LINGER, 0);
    return zmq_connect(link->monitor, name) == 0;
}

void link_connect(struct link *link, void *zmq_context, uint64_t now_ms)
{
    CHECK(link->state == LINK_CLOSED);
    link->dealer = zmq_socket(zmq_context, ZMQ_DEALER);
    if (link->dealer == NULL) {
        link_fail(link, "too many sockets or files are open", now_ms);
        return;
    }
    set_options(link->dealer);
    if (!open_monitor(link, zmq_context) ||
        zmq_connect(link->dealer, link->endpoint.address) != 0) {
        link_fail(link, "it could not be connected to", now_ms);
        return;
    }
    link->state = LINK_CONNECTING;
    link->due_ms = now_ms + CONNECT_MS;
}

void link_close(struct link *link)
{
    if (link->dealer != NULL) {
        (void)zmq_socket_monitor(link->dealer, NULL, 0);
        (void)zmq_close(link->dealer);
    }
    if (link->monitor != NULL) {
        (void)zmq_close(link->monitor);
    }
    link->dealer = NULL;
    link->monitor = NULL;
    link->state = LINK_CLOSED;
}

void link_fail(struct link *link, const char *trouble, uint64_t now_ms)
{
    link_close(link);
    uint32_t doublings =
        link->failure_count < DOUBLINGS_MAX ? link->failure_count : DOUBLINGS_MAX;
    uint64_t again_ms = (uint64_t)AGAIN_MIN_MS << doublings;
    link->failure_count++;
    link->trouble = trouble;
    link->due_ms = now_ms + (again_ms < AGAIN_MAX_MS ? again_ms : AGAIN_MAX_MS);
}

bool link_send(struct link *link, struct cs_view bytes)
{
    CHECK(link->state == LINK_READY);
    return zmq_send(link->dealer, bytes.data, bytes.bytes, ZMQ_DONTWAIT) >= 0;
}

bool link_receive(struct link *link, zmq_msg_t *message, bool *out_is_one)
{
    if (zmq_msg_recv(message, link->dealer, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    // A DEALER may see the empty frame that a REQ would: the last frame is the answer.
    bool is_lead = zmq_msg_size(message) == 0 && zmq_msg_more(message);
    if (is_lead && zmq_msg_recv(message, link->dealer, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    *out_is_one = !zmq_msg_more(message);
    while (zmq_msg_more(message) &&
           zmq_msg_recv(message, link->dealer, ZMQ_DONTWAIT) >= 0) {
    }
    return true;
}

/* 0: nothing is there. */
static int take_event(struct link *link)
{
    zmq_msg_t message;
    uint16_t event = 0;
    (void)zmq_msg_init(&message);
    bool is_there = zmq_msg_recv(&message, link->monitor, ZMQ_DONTWAIT) >= 0;
    if (is_there && zmq_msg_size(&message) >= sizeof event) {
        memcpy(&event, zmq_msg_data(&message), sizeof event);
    }
    while (is_there && zmq_msg_more(&message)) {
        is_there = zmq_msg_recv(&message, link->monitor, ZMQ_DONTWAIT) >= 0;
    }
    (void)zmq_msg_close(&message);
    return event;
}

bool link_look(struct link *link, uint64_t now_ms)
{
    for (int event = take_event(link); event != 0; event = take_event(link)) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            link->state = LINK_READY;
            link->failure_count = 0;
            link->trouble = "";
        } else if (event == ZMQ_EVENT_DISCONNECTED) {
            link->trouble = "the connection was closed";
            return false;
        } else if (event == ZMQ_EVENT_CLOSED) {
            link->trouble = "the connection was refused";
            return false;
        } else if (event != ZMQ_EVENT_MONITOR_STOPPED) {
            link->trouble = "it does not speak ZeroMQ as we do";
            return false;
        }
    }
    if (link->state == LINK_CONNECTING && now_ms >= link->due_ms) {
        link->trouble = "it did not answer the connection in time";
        return false;
    }
    return true;
}
