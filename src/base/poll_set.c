#include "base/poll_set.h"

#include "base/check.h"

#include <limits.h>
#include <stddef.h>
#include <zmq.h>

static uint32_t add(struct poll_set *set, void *socket, int descriptor)
{
    CHECK(set->count < POLL_SET_MAX);
    uint32_t member = set->count++;
    set->descriptors[member] = (struct pollfd){.fd = descriptor, .events = POLLIN};
    set->sockets[member] = socket;
    set->must_ask[member] = socket != NULL; // what came before it was added
    set->is_ready[member] = false;
    return member;
}

uint32_t poll_set_add_socket(struct poll_set *set, void *socket)
{
    int descriptor = -1;
    size_t bytes = sizeof descriptor;
    CHECK(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &bytes) == 0);
    return add(set, socket, descriptor);
}

uint32_t poll_set_add_descriptor(struct poll_set *set, int descriptor)
{
    return add(set, NULL, descriptor);
}

void poll_set_ask(struct poll_set *set, uint32_t member)
{
    CHECK(member < set->count);
    CHECK(set->sockets[member] != NULL);
    set->must_ask[member] = true;
}

/* Takes in the socket's news. An ending context cannot answer: the next call on it says so. */
static bool has_input(void *socket)
{
    int events = 0;
    size_t bytes = sizeof events;
    int result = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes);
    return result != 0 || (events & ZMQ_POLLIN) != 0;
}

static bool ask(struct poll_set *set)
{
    bool is_any_ready = false;
    for (uint32_t i = 0; i < set->count; i++) {
        set->is_ready[i] = set->must_ask[i] && has_input(set->sockets[i]);
        set->must_ask[i] = false;
        is_any_ready = is_any_ready || set->is_ready[i];
    }
    return is_any_ready;
}

void poll_set_wait(struct poll_set *set, uint64_t timeout_ms)
{
    int wait_ms = timeout_ms > INT_MAX ? -1 : (int)timeout_ms;
    if (ask(set)) {
        wait_ms = 0;
    }
    int count = poll(set->descriptors, set->count, wait_ms);
    for (uint32_t i = 0; count > 0 && i < set->count; i++) {
        set->is_ready[i] = set->is_ready[i] || set->descriptors[i].revents != 0;
    }
}

bool poll_set_is_ready(const struct poll_set *set, uint32_t member)
{
    CHECK(member < set->count);
    return set->is_ready[member];
}
