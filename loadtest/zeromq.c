/*
 * zeromq.c - the driver for the client port. Clients share the lanes of their thread, a
 * DEALER each, to the endpoints in turn. Messages under way are told apart by their ids:
 *
 *   id  turn (of the client, 32 bits) | client (16) | place in the batch (16)
 *
 * A lane whose connection breaks, or that has answered nothing for a whole time-out, is
 * closed and the next endpoint is tried; what was under way on it is lost.
 */
#include "loadtest/driver.h"

#include "base/check.h"
#include "base/poll_set.h"
#include "loadtest/message.h"
#include "loadtest/now.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

enum { RECONNECT_MS = 50 };

_Static_assert(2 * PLAN_LANES_MAX + 1 <= POLL_SET_MAX, "a lane, its monitor, the timer");

struct lane {
    void *socket;
    void *monitor; // tells when the connection breaks
    uint32_t endpoint;
    uint64_t opened_ns;
    uint64_t heard_ns; // last answer, or when it was opened
};

struct zeromq {
    struct driver_setup setup;
    void *context;
    struct poll_set set;
    struct lane lanes[PLAN_LANES_MAX];
    uint32_t lane_count;
    int timer;
    uint32_t *turns; // by client
    bool *is_under_way;
    struct cs_buffer bytes;
};

static void connect_lane(struct zeromq *zeromq, struct lane *lane);
static void make_poll_set(struct zeromq *zeromq);
static void receive_all(struct zeromq *zeromq, struct lane *lane);
static bool has_broken(const struct lane *lane);
static void reopen_lane(struct zeromq *zeromq, struct lane *lane);

static struct lane *lane_of(struct zeromq *zeromq, uint32_t client)
{
    return &zeromq->lanes[client % zeromq->lane_count];
}

static void *zeromq_open(const struct driver_setup *setup)
{
    struct zeromq *zeromq = calloc(1, sizeof *zeromq);
    CHECK(zeromq != NULL);
    zeromq->setup = *setup;
    zeromq->context = zmq_ctx_new();
    CHECK(zeromq->context != NULL);
    zeromq->turns = calloc(setup->client_count, sizeof *zeromq->turns);
    zeromq->is_under_way = calloc(setup->client_count, sizeof *zeromq->is_under_way);
    CHECK(zeromq->turns != NULL);
    CHECK(zeromq->is_under_way != NULL);
    uint32_t wanted =
        (setup->plan->connections + setup->plan->threads - 1) / setup->plan->threads;
    CHECK(wanted <= PLAN_LANES_MAX); // command_line.c
    zeromq->lane_count = wanted > setup->client_count ? setup->client_count : wanted;
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        zeromq->lanes[i].endpoint =
            (setup->thread + i * setup->plan->threads) % setup->plan->endpoint_count;
        connect_lane(zeromq, &zeromq->lanes[i]);
    }
    zeromq->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(zeromq->timer >= 0);
    make_poll_set(zeromq);
    return zeromq;
}

static void connect_lane(struct zeromq *zeromq, struct lane *lane)
{
    const int zero = 0;
    const int reconnect_ms = RECONNECT_MS;
    const struct plan_endpoint *endpoint = &zeromq->setup.plan->endpoints[lane->endpoint];
    char address[PLAN_ADDRESS_BYTES + 16];
    (void)snprintf(address, sizeof address, "tcp://%s:%u", endpoint->host,
                   (unsigned)endpoint->port);
    lane->socket = zmq_socket(zeromq->context, ZMQ_DEALER);
    CHECK(lane->socket != NULL);
    (void)zmq_setsockopt(lane->socket, ZMQ_LINGER, &zero, sizeof zero);
    (void)zmq_setsockopt(lane->socket, ZMQ_SNDHWM, &zero, sizeof zero);
    (void)zmq_setsockopt(lane->socket, ZMQ_RCVHWM, &zero, sizeof zero);
    (void)zmq_setsockopt(lane->socket, ZMQ_RECONNECT_IVL, &reconnect_ms,
                         sizeof reconnect_ms);
    char monitor[48];
    (void)snprintf(monitor, sizeof monitor, "inproc://monitor-%p", lane->socket);
    const int broken = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED;
    CHECK(zmq_socket_monitor(lane->socket, monitor, broken) == 0);
    lane->monitor = zmq_socket(zeromq->context, ZMQ_PAIR);
    CHECK(lane->monitor != NULL);
    CHECK(zmq_connect(lane->monitor, monitor) == 0);
    CHECK(zmq_connect(lane->socket, address) ==
          0); // command_line.c has checked the address
    lane->opened_ns = now_ns();
    lane->heard_ns = lane->opened_ns;
}

/* Anew after each reconnection: a set only grows. */
static void make_poll_set(struct zeromq *zeromq)
{
    memset(&zeromq->set, 0, sizeof zeromq->set);
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        (void)poll_set_add_socket(&zeromq->set, zeromq->lanes[i].socket);
    }
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        (void)poll_set_add_socket(&zeromq->set, zeromq->lanes[i].monitor);
    }
    (void)poll_set_add_descriptor(&zeromq->set, zeromq->timer);
}

static void zeromq_start(void *state, uint32_t client)
{
    struct zeromq *zeromq = state;
    const struct plan *plan = zeromq->setup.plan;
    struct lane *lane = lane_of(zeromq, client);
    uint64_t id = (uint64_t)++zeromq->turns[client] << 32 | (uint64_t)client << 16;
    zeromq->bytes.bytes = 0;
    if (plan->batch > 1) {
        message_put_batch(&zeromq->bytes, plan->batch);
    }
    for (uint32_t i = 0; i < plan->batch; i++) {
        message_put_request(&zeromq->bytes, id | i,
                            &zeromq->setup.clients[client].operations[i], plan->prefix);
    }
    zeromq->is_under_way[client] = true;
    // Cannot fail but by interruption: there is no high-water mark.
    while (zmq_send(lane->socket, zeromq->bytes.data, zeromq->bytes.bytes, 0) < 0 &&
           zmq_errno() == EINTR) {
    }
    poll_set_ask(&zeromq->set, client % zeromq->lane_count);
}

static void set_timer(const struct zeromq *zeromq, uint64_t until_ns)
{
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                                 .tv_nsec = (long)(until_ns % NS_PER_S)}};
    (void)timerfd_settime(zeromq->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void zeromq_wait(void *state, uint64_t until_ns)
{
    struct zeromq *zeromq = state;
    uint64_t now = now_ns();
    uint64_t left_ns = until_ns > now ? until_ns - now : 0;
    uint64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
    bool needs_timer = left_ns > 0 && left_ms <= 10; // below that milliseconds are coarse
    if (needs_timer) {
        set_timer(zeromq, until_ns);
    }
    poll_set_wait(&zeromq->set, left_ms);
    uint64_t ticks = 0; // read, so that the timer is no longer ready
    if (needs_timer && read(zeromq->timer, &ticks, sizeof ticks) < 0) {
        set_timer(zeromq, 0); // something else came first
    }
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        if (poll_set_is_ready(&zeromq->set, i)) {
            receive_all(zeromq, &zeromq->lanes[i]);
        }
    }
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        if (poll_set_is_ready(&zeromq->set, zeromq->lane_count + i) &&
            has_broken(&zeromq->lanes[i])) {
            reopen_lane(zeromq, &zeromq->lanes[i]);
            return; // the set is another one: what else is ready comes with the next wait
        }
    }
}

/* A refused connection is tried again by itself: no hurry to leave it. */
static bool has_broken(const struct lane *lane)
{
    uint8_t event[64];
    bool is_broken = false;
    bool is_new = now_ns() - lane->opened_ns < RECONNECT_MS * NS_PER_MS;
    while (zmq_recv(lane->monitor, event, sizeof event, ZMQ_DONTWAIT) >= 0) {
        uint16_t kind = 0; // of the first of two frames; the other is an address
        memcpy(&kind, event, sizeof kind);
        is_broken = is_broken || kind == ZMQ_EVENT_DISCONNECTED ||
                    (kind == ZMQ_EVENT_CONNECT_RETRIED && !is_new);
    }
    return is_broken;
}

/* The client whose message the answers are of; UINT32_MAX: of none that is under way. */
static uint32_t client_of(const struct zeromq *zeromq, uint64_t id)
{
    uint32_t client = (uint32_t)(id >> 16 & 0xffff);
    bool is_known = client < zeromq->setup.client_count && zeromq->is_under_way[client] &&
                    zeromq->turns[client] == (uint32_t)(id >> 32);
    return is_known ? client : UINT32_MAX;
}

/* What is no answer, or a late one, is passed over. */
static void receive(struct zeromq *zeromq, struct cs_view bytes)
{
    struct message_answers answers;
    struct operation first = {0};
    uint64_t id = 0;
    if (!message_open(bytes, &answers)) {
        return; // its operations time out
    }
    struct message_answers probe = answers;
    uint32_t client =
        message_take(&probe, &id, &first) ? client_of(zeromq, id) : UINT32_MAX;
    if (client == UINT32_MAX) {
        return;
    }
    uint32_t batch = zeromq->setup.plan->batch;
    struct operation *operations = zeromq->setup.clients[client].operations;
    for (uint32_t i = 0; i < batch; i++) {
        uint64_t part = 0;
        if (answers.count != batch || !message_take(&answers, &part, &operations[i]) ||
            part != (id | i)) {
            operations[i].result = DRIVER_GARBLED;
        }
    }
    zeromq->is_under_way[client] = false;
    zeromq->setup.finish(zeromq->setup.context, client);
}

static void receive_all(struct zeromq *zeromq, struct lane *lane)
{
    zmq_msg_t message;
    (void)zmq_msg_init(&message);
    while (zmq_msg_recv(&message, lane->socket, ZMQ_DONTWAIT) >= 0) {
        lane->heard_ns = now_ns();
        receive(zeromq, view_of(zmq_msg_data(&message), zmq_msg_size(&message)));
    }
    (void)zmq_msg_close(&message);
}

static void close_lane(struct lane *lane)
{
    (void)zmq_socket_monitor(lane->socket, NULL, 0);
    (void)zmq_close(lane->monitor);
    (void)zmq_close(lane->socket);
}

static void reopen_lane(struct zeromq *zeromq, struct lane *lane)
{
    uint32_t index = (uint32_t)(lane - zeromq->lanes);
    close_lane(lane);
    lane->endpoint = (lane->endpoint + 1) % zeromq->setup.plan->endpoint_count;
    connect_lane(zeromq, lane);
    make_poll_set(zeromq);
    for (uint32_t i = index; i < zeromq->setup.client_count; i += zeromq->lane_count) {
        if (zeromq->is_under_way[i]) {
            zeromq->is_under_way[i] = false;
            for (uint32_t j = 0; j < zeromq->setup.plan->batch; j++) {
                zeromq->setup.clients[i].operations[j].result = DRIVER_DISCONNECTED;
            }
            zeromq->setup.finish(zeromq->setup.context, i);
        }
    }
}

static void zeromq_expire(void *state, uint32_t client)
{
    struct zeromq *zeromq = state;
    struct lane *lane = lane_of(zeromq, client);
    zeromq->is_under_way[client] = false;
    if (now_ns() - lane->heard_ns >= zeromq->setup.plan->timeout_ms * NS_PER_MS) {
        reopen_lane(zeromq, lane);
    }
}

static void zeromq_close(void *state)
{
    struct zeromq *zeromq = state;
    for (uint32_t i = 0; i < zeromq->lane_count; i++) {
        close_lane(&zeromq->lanes[i]);
    }
    (void)zmq_ctx_term(zeromq->context);
    (void)close(zeromq->timer);
    buffer_fini(&zeromq->bytes);
    free(zeromq->turns);
    free(zeromq->is_under_way);
    free(zeromq);
}

const struct driver driver_zeromq = {.open = zeromq_open,
                                     .start = zeromq_start,
                                     .wait = zeromq_wait,
                                     .expire = zeromq_expire,
                                     .close = zeromq_close};
