#include "loadtest/relay.h"

#include "base/check.h"
#include "loadtest/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINKS_MAX = PLAN_NODES_MAX * PLAN_NODES_MAX,
    PIPES_MAX = 2 * LINKS_MAX,
    BUFFER_BYTES = 64 * 1024,
    WAIT_MS = 20, // a cut or mended link is seen so late
};

struct link {
    int listener; // -1: a node to itself
    uint16_t port;
    uint16_t target;
    _Atomic int is_cut;
};

struct flow { // bytes read from one end and not yet written to the other
    size_t from;
    size_t to;
    char bytes[BUFFER_BYTES];
};

struct pipe {             // a connection and its continuation
    struct link *link;    // NULL: free
    int ends[2];          // who connected, the node
    struct flow flows[2]; // by the end that it comes from
};

struct relay {
    struct link links[LINKS_MAX];
    struct pipe *pipes;
    uint32_t node_count;
    pthread_t thread;
    _Atomic int must_stop;
};

static bool listen_link(struct link *link);
static void *relay_run(void *argument);
static void accept_on(struct relay *relay, struct link *link);
static void make_prompt(int end);
static bool carry(struct pipe *pipe, int end, short events, short other_events);
static void close_pipe(struct pipe *pipe);
static void close_end(int end);

struct relay *relay_new(const uint16_t *ports, uint32_t node_count)
{
    struct relay *relay = calloc(1, sizeof *relay);
    CHECK(relay != NULL);
    CHECK(node_count <= PLAN_NODES_MAX);
    relay->pipes = calloc(PIPES_MAX, sizeof *relay->pipes);
    CHECK(relay->pipes != NULL);
    relay->node_count = node_count;
    bool is_listening = true;
    for (uint32_t i = 0; i < node_count * node_count; i++) {
        struct link *link = &relay->links[i];
        link->listener = -1;
        link->target = ports[i % node_count];
        if (i / node_count != i % node_count) {
            is_listening = is_listening && listen_link(link);
        }
    }
    if (!is_listening || pthread_create(&relay->thread, NULL, relay_run, relay) != 0) {
        for (uint32_t i = 0; i < node_count * node_count; i++) {
            close_end(relay->links[i].listener);
        }
        free(relay->pipes);
        free(relay);
        return NULL;
    }
    return relay;
}

static bool listen_link(struct link *link)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    link->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_listening =
        link->listener >= 0 &&
        bind(link->listener, (const struct sockaddr *)&address, bytes) == 0 &&
        listen(link->listener, 16) == 0 &&
        getsockname(link->listener, (struct sockaddr *)&address, &bytes) == 0;
    link->port = ntohs(address.sin_port);
    return is_listening;
}

void relay_destroy(struct relay **taken)
{
    struct relay *relay = *taken;
    *taken = NULL;
    if (relay == NULL) {
        return;
    }
    atomic_store(&relay->must_stop, 1);
    CHECK(pthread_join(relay->thread, NULL) == 0);
    for (uint32_t i = 0; i < PIPES_MAX; i++) {
        close_pipe(&relay->pipes[i]);
    }
    for (uint32_t i = 0; i < relay->node_count * relay->node_count; i++) {
        close_end(relay->links[i].listener);
    }
    free(relay->pipes);
    free(relay);
}

uint16_t relay_port(const struct relay *relay, uint32_t from, uint32_t to)
{
    return relay->links[from * relay->node_count + to].port;
}

void relay_isolate(struct relay *relay, uint32_t node, bool is_cut)
{
    for (uint32_t i = 0; i < relay->node_count; i++) {
        atomic_store(&relay->links[i * relay->node_count + node].is_cut, is_cut);
        atomic_store(&relay->links[node * relay->node_count + i].is_cut, is_cut);
    }
}

static bool is_open(const struct link *link)
{
    return link->listener >= 0 && !atomic_load(&link->is_cut);
}

static short wanted_events(const struct pipe *pipe, int end)
{
    const struct flow *in = &pipe->flows[end];
    const struct flow *out = &pipe->flows[1 - end];
    return (short)((in->from == in->to ? POLLIN : 0) |
                   (out->from < out->to ? POLLOUT : 0));
}

struct round { // what is waited for: the listeners, then two ends of each pipe
    struct pollfd listeners[LINKS_MAX];
    struct pollfd ends[PIPES_MAX][2];
};

static void ask(struct relay *relay, struct round *round)
{
    for (uint32_t i = 0; i < LINKS_MAX; i++) {
        const struct link *link = &relay->links[i];
        bool is_used = link->port != 0 && is_open(link);
        round->listeners[i] = (struct pollfd){is_used ? link->listener : -1, POLLIN, 0};
    }
    for (uint32_t i = 0; i < PIPES_MAX; i++) {
        const struct pipe *pipe = &relay->pipes[i];
        bool is_used = pipe->link != NULL && is_open(pipe->link);
        for (int end = 0; end < 2; end++) {
            round->ends[i][end] = (struct pollfd){is_used ? pipe->ends[end] : -1, 0, 0};
            round->ends[i][end].events = is_used ? wanted_events(pipe, end) : (short)0;
        }
    }
}

static void *relay_run(void *argument)
{
    struct relay *relay = argument;
    static struct round round; // one relay a process
    while (!atomic_load(&relay->must_stop)) {
        ask(relay, &round);
        (void)poll((struct pollfd *)&round, sizeof round / sizeof(struct pollfd),
                   WAIT_MS);
        for (uint32_t i = 0; i < PIPES_MAX; i++) {
            struct pipe *pipe = &relay->pipes[i];
            const struct pollfd *ends = round.ends[i];
            if (ends[0].fd >= 0 && (!carry(pipe, 0, ends[0].revents, ends[1].revents) ||
                                    !carry(pipe, 1, ends[1].revents, ends[0].revents))) {
                close_pipe(pipe);
            }
        }
        for (uint32_t i = 0; i < LINKS_MAX; i++) {
            if (round.listeners[i].revents != 0) {
                accept_on(relay, &relay->links[i]);
            }
        }
    }
    return NULL;
}

static void accept_on(struct relay *relay, struct link *link)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(link->target),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pipe *pipe = relay->pipes;
    while (pipe < relay->pipes + PIPES_MAX && pipe->link != NULL) {
        pipe++;
    }
    int from = accept(link->listener, NULL, NULL);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // On loopback a connection is made or refused at once.
    if (from < 0 || to < 0 || pipe == relay->pipes + PIPES_MAX ||
        connect(to, (const struct sockaddr *)&address, sizeof address) != 0) {
        close_end(from);
        close_end(to);
        return;
    }
    make_prompt(from);
    make_prompt(to);
    pipe->link = link;
    pipe->ends[0] = from;
    pipe->ends[1] = to;
    pipe->flows[0].from = pipe->flows[0].to = 0;
    pipe->flows[1].from = pipe->flows[1].to = 0;
}

/* Small pieces leave at once: else each waits 40 ms for the acknowledgement of the last. */
static void make_prompt(int end)
{
    int yes = 1;
    (void)fcntl(end, F_SETFL, O_NONBLOCK);
    (void)setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

/* What comes from `end` goes to the other. False: one of them is closed. */
static bool carry(struct pipe *pipe, int end, short events, short other_events)
{
    struct flow *flow = &pipe->flows[end];
    bool is_fresh = false;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && flow->from == flow->to) {
        ssize_t got = recv(pipe->ends[end], flow->bytes, sizeof flow->bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            return false;
        }
        flow->from = 0;
        flow->to = got > 0 ? (size_t)got : 0;
        is_fresh = true;
    }
    if (flow->from < flow->to && (is_fresh || (other_events & POLLOUT) != 0)) {
        ssize_t sent = send(pipe->ends[1 - end], flow->bytes + flow->from,
                            flow->to - flow->from, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            return false;
        }
        flow->from += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static void close_end(int end)
{
    if (end >= 0) {
        (void)close(end);
    }
}

static void close_pipe(struct pipe *pipe)
{
    if (pipe->link != NULL) {
        (void)close(pipe->ends[0]);
        (void)close(pipe->ends[1]);
        pipe->link = NULL;
    }
}
