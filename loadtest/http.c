/*
 * http.c - the driver for HTTP: a connection a client, all of a thread's behind one epoll.
 * A connection that breaks is made anew, to the next endpoint, when its client sends again.
 */
#include "loadtest/http.h"

#include "base/check.h"
#include "loadtest/now.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, READ_BYTES = 16 * 1024, CLOSED = -1 };

struct connection {
    int socket; // CLOSED
    bool is_connected;
    bool is_waiting; // a request is under way
    bool wants_out;  // epoll also tells when it can be written
    uint32_t endpoint;
    struct cs_buffer out;
    size_t out_at;
    struct cs_buffer in;
};

struct http {
    struct driver_setup setup;
    const struct http_tongue *tongue;
    struct sockaddr_in addresses[PLAN_ENDPOINTS_MAX];
    struct connection *connections; // by client
    int epoll;
};

static void resolve(const struct plan_endpoint *endpoint, struct sockaddr_in *out);
static bool open_connection(struct http *http, struct connection *connection);
static void push_out(struct http *http, struct connection *connection);
static void fail(struct http *http, struct connection *connection, uint32_t result);
static void take_in(struct http *http, struct connection *connection);

static void *http_open(const struct driver_setup *setup)
{
    const struct plan *plan = setup->plan;
    struct http *http = calloc(1, sizeof *http);
    CHECK(http != NULL);
    http->setup = *setup;
    CHECK(plan->endpoint_count > 0);
    http->tongue = plan->protocol == PLAN_ETCD ? &http_etcd : &http_consens;
    http->connections = calloc(setup->client_count, sizeof *http->connections);
    CHECK(http->connections != NULL);
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(http->epoll >= 0);
    for (uint32_t i = 0; i < plan->endpoint_count; i++) {
        resolve(&plan->endpoints[i], &http->addresses[i]);
    }
    for (uint32_t i = 0; i < setup->client_count; i++) {
        http->connections[i].socket = CLOSED;
        http->connections[i].endpoint =
            (setup->thread + i * plan->threads) % plan->endpoint_count;
    }
    return http;
}

static void resolve(const struct plan_endpoint *endpoint, struct sockaddr_in *out)
{
    const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(endpoint->host, NULL, &wanted, &found) != 0) {
        (void)fprintf(stderr, "loadtest: %s: no such host\n", endpoint->host);
        exit(2); // NOLINT(concurrency-mt-unsafe): nothing has been sent yet
    }
    memcpy(out, found->ai_addr, sizeof *out);
    out->sin_port = htons(endpoint->port);
    freeaddrinfo(found);
}

static void
watch(struct http *http, struct connection *connection, int how, bool wants_out)
{
    uint32_t events = EPOLLIN | (wants_out ? EPOLLOUT : 0U);
    struct epoll_event event = {.events = events, .data = {.ptr = connection}};
    CHECK(epoll_ctl(http->epoll, how, connection->socket, &event) == 0);
    connection->wants_out = wants_out;
}

static void http_start(void *state, uint32_t client)
{
    struct http *http = state;
    struct connection *connection = &http->connections[client];
    connection->is_waiting = true;
    connection->out.bytes = 0;
    connection->out_at = 0;
    connection->in.bytes = 0;
    http->tongue->put(&connection->out, http->setup.clients[client].operations,
                      http->setup.plan->prefix);
    if (connection->socket == CLOSED && !open_connection(http, connection)) {
        fail(http, connection, DRIVER_NOT_SENT);
        return;
    }
    if (connection->is_connected) {
        push_out(http, connection);
    }
}

/* Only begun: epoll tells when it is there. */
static bool open_connection(struct http *http, struct connection *connection)
{
    const int one = 1;
    const struct sockaddr_in *address = &http->addresses[connection->endpoint];
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->socket < 0) {
        connection->socket = CLOSED;
        return false;
    }
    (void)setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->is_connected = false;
    int result =
        connect(connection->socket, (const struct sockaddr *)address, sizeof *address);
    if (result != 0 && errno != EINPROGRESS) {
        return false; // fail() closes it
    }
    watch(http, connection, EPOLL_CTL_ADD, true);
    return true;
}

static void push_out(struct http *http, struct connection *connection)
{
    size_t left = connection->out.bytes - connection->out_at;
    ssize_t sent = send(connection->socket, connection->out.data + connection->out_at,
                        left, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fail(http, connection, DRIVER_DISCONNECTED);
        return;
    }
    connection->out_at += sent > 0 ? (size_t)sent : 0;
    bool wants_out = connection->out_at < connection->out.bytes;
    if (wants_out != connection->wants_out) {
        watch(http, connection, EPOLL_CTL_MOD, wants_out);
    }
}

static void drop(struct http *http, struct connection *connection)
{
    if (connection->socket != CLOSED) {
        (void)close(connection->socket); // leaves the epoll with it
    }
    connection->socket = CLOSED;
    connection->endpoint = (connection->endpoint + 1) % http->setup.plan->endpoint_count;
}

static void finish(struct http *http, struct connection *connection)
{
    connection->is_waiting = false;
    http->setup.finish(http->setup.context, (uint32_t)(connection - http->connections));
}

static void fail(struct http *http, struct connection *connection, uint32_t result)
{
    drop(http, connection);
    if (connection->is_waiting) {
        http->setup.clients[connection - http->connections].operations->result = result;
        finish(http, connection);
    }
}

static void settle_connect(struct http *http, struct connection *connection)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    (void)getsockopt(connection->socket, SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error != 0) {
        fail(http, connection, DRIVER_NOT_SENT);
        return;
    }
    connection->is_connected = true;
    push_out(http, connection);
}

static void handle(struct http *http, struct connection *connection, uint32_t events)
{
    if (connection->socket == CLOSED) {
        return; // closed by an event before this one
    }
    if (!connection->is_connected) {
        settle_connect(http, connection);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        push_out(http, connection);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && connection->socket != CLOSED) {
        take_in(http, connection);
    }
}

static void http_wait(void *state, uint64_t until_ns)
{
    struct http *http = state;
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns();
    uint64_t left_ns = until_ns > now ? until_ns - now : 0;
    const struct timespec left = {.tv_sec = (time_t)(left_ns / NS_PER_S),
                                  .tv_nsec = (long)(left_ns % NS_PER_S)};
    int count = epoll_pwait2(http->epoll, events, EVENTS_MAX, &left, NULL);
    for (int i = 0; i < count; i++) {
        handle(http, events[i].data.ptr, events[i].events);
    }
}

static void take_in(struct http *http, struct connection *connection)
{
    struct http_answer answer;
    size_t had = connection->in.bytes;
    uint8_t *to = buffer_extend(&connection->in, READ_BYTES);
    ssize_t got = recv(connection->socket, to, READ_BYTES, 0);
    connection->in.bytes = had + (got > 0 ? (size_t)got : 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || !connection->is_waiting) {
        fail(http, connection, DRIVER_DISCONNECTED);
        return;
    }
    switch (http_read(connection->in.data, connection->in.bytes, &answer)) {
    case HTTP_MORE:
        return;
    case HTTP_GARBLED:
        fail(http, connection, DRIVER_GARBLED);
        return;
    case HTTP_WHOLE:
        break;
    }
    http->tongue->take(&answer,
                       http->setup.clients[connection - http->connections].operations);
    connection->in.bytes = 0;
    if (answer.must_close) {
        drop(http, connection);
    }
    finish(http, connection);
}

/* A late answer would be taken for the next one's: the connection goes. */
static void http_expire(void *state, uint32_t client)
{
    struct http *http = state;
    http->connections[client].is_waiting = false;
    drop(http, &http->connections[client]);
}

static void http_close(void *state)
{
    struct http *http = state;
    for (uint32_t i = 0; i < http->setup.client_count; i++) {
        drop(http, &http->connections[i]);
        buffer_fini(&http->connections[i].out);
        buffer_fini(&http->connections[i].in);
    }
    (void)close(http->epoll);
    free(http->connections);
    free(http);
}

const struct driver driver_http = {.open = http_open,
                                   .start = http_start,
                                   .wait = http_wait,
                                   .expire = http_expire,
                                   .close = http_close};
