/*
 * peers.h - frames between nodes: one ROUTER in, one DEALER out to each peer.
 *
 * Loss is allowed, blocking is not: an unreachable peer or a full pipe drops the frame.
 * Settings and reasons: README.md here. Endpoints are numeric: names are resolved
 * before.
 *
 * Thread: engine only (opened and closed while no engine thread runs).
 */
#ifndef CONSENS_PEERS_PEERS_H
#define CONSENS_PEERS_PEERS_H

#include "base/bytes.h"
#include "base/fault_switch.h"

#include <stdbool.h>

enum {
    PEERS_SEATS_MAX = 7,
    PEERS_SOCKETS_MAX = PEERS_SEATS_MAX, // the ROUTER and a monitor for each other seat
};

struct peers;

struct peers_settings {
    uint32_t seat;
    uint32_t seat_count;
    const char *bind_endpoint;    // tcp://127.0.0.1:13000
    const char *const *endpoints; // by seat; the own one is not used
    uint32_t frame_bytes_max;
    uint32_t queue_messages_max;
    const struct fault_switch *faults; // NULL: none are planted
};

/* NULL: out_error says why (busy port: which one, what to do). */
struct peers *peers_open(void *zmq_context,
                         const struct peers_settings *settings,
                         char *out_error,
                         size_t error_bytes);
void peers_close(struct peers **peers);

/*
 * Sockets to poll for input: [0] frames, the others lost connections. Returns how many.
 */
uint32_t peers_sockets(struct peers *peers, void *out_sockets[PEERS_SOCKETS_MAX]);

void peers_send(struct peers *peers, uint32_t seat, struct cs_view frame);
/* False: nothing there. The view is valid until the next receive. */
bool peers_receive(struct peers *peers, struct cs_view *out_frame);
/* False: nothing there. A connection to `seat` closed: a hint, it may be back already. */
bool peers_receive_lost(struct peers *peers, uint32_t *out_seat);

#endif
