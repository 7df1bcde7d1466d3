/*
 * port.h - the client port: msgpack over a ROUTER socket (include/consens/protocol.md).
 *
 *   message --> calls.c: one call, a part for each request --> the replica's requests
 *   answer  <-- when every part has its reply              <-- the replica's replies
 *
 * Bounds: requests that wait and their bytes, answers not read, of one client and of all
 * (clients.h), in the replica together with HTTP; bytes of one message and of one answer
 * (limits.h). Past them a request is refused, `overloaded` or `too_large`, and nothing
 * waits.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_PORT_PORT_H
#define CONSENS_PORT_PORT_H

#include "base/bytes.h"
#include "wire/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port;

struct port_settings {
    const char *endpoint; // to bind
    uint64_t value_bytes_max;
    const char *const *seat_names; // live as long as the port
    uint32_t seat_count;
    const char *durability; // said in each answer; NULL: sync
    uint64_t files_kept;    // descriptors that clients' connections must leave free
};

/* A request for the replica. `client` comes back in port_answer(). */
struct port_taker {
    void *context;
    void (*take)(void *context, uint64_t client, const struct request *request);
};

/* NULL: out_error says why. */
struct port *port_open(void *zmq_context,
                       const struct port_settings *settings,
                       char *out_error,
                       size_t error_bytes);
void port_close(struct port **port);
/* To poll for input; then port_receive until it answers 0. */
void *port_socket(struct port *port);
/* To poll for input too; then port_watch_door. */
void *port_door_socket(struct port *port);
/* Closes connections that have come and that there are too few descriptors for. */
void port_watch_door(struct port *port);

/*
 * One message; its requests go to the taker, which may answer from within. How much work
 * it was, in requests; 0: nothing is there.
 */
uint32_t port_receive(struct port *port, const struct port_taker *taker);

/* Whether port_answer() is the way for this client of a reply. */
bool port_is_client(uint64_t client);
/* Each request once. Never waits: a client that is gone loses its answer. */
void port_answer(struct port *port, uint64_t client, const struct reply *reply);

#endif
