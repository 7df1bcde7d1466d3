/*
 * poll_set.h - waits for several ZeroMQ sockets and file descriptors with one call to the
 * kernel.
 *
 * zmq_poll() asks each socket before and after its wait, one call to the kernel each. The
 * socket's own descriptor (ZMQ_FD) tells as much, but only once for each piece of news,
 * and any call on the socket may take the news away unseen. Hence the rule: a ready
 * socket is received from until nothing is left; one that was not drained to the end, or
 * was sent on since, is named to poll_set_ask() before the next wait.
 *
 * Thread: the one that uses the sockets.
 */
#ifndef CONSENS_BASE_POLL_SET_H
#define CONSENS_BASE_POLL_SET_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

// Hand-off, client port and its door, log, wake-up, and the sockets of seven members.
enum { POLL_SET_MAX = 16 };

struct poll_set {
    struct pollfd descriptors[POLL_SET_MAX];
    void *sockets[POLL_SET_MAX]; // NULL: a plain descriptor
    bool must_ask[POLL_SET_MAX];
    bool is_ready[POLL_SET_MAX];
    uint32_t count;
};

/* Each returns the number by which the member is named from then on. */
uint32_t poll_set_add_socket(struct poll_set *set, void *socket);
uint32_t poll_set_add_descriptor(struct poll_set *set, int descriptor);

/* The socket may hold something that its descriptor no longer tells of. */
void poll_set_ask(struct poll_set *set, uint32_t member);

/*
 * Until a member is ready or the time is over; UINT64_MAX: for ever. A signal may end it
 * early. A member that is ready may still turn out to hold nothing.
 */
void poll_set_wait(struct poll_set *set, uint64_t timeout_ms);
bool poll_set_is_ready(const struct poll_set *set, uint32_t member);

#endif
