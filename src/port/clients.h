/*
 * clients.h - who speaks to the port: by routing id, what each has waiting and what of
 * its answers it has not read. A record lives while there is either.
 *
 * Fair shares: a client may have as much as is left over for all others, of requests,
 * of their bytes, of answers not read. So one alone has half of what there is, two have
 * a third each, and whoever comes with little finds room.
 *
 * Thread: engine only, but for the counts of unread bytes: a thread of libzmq's lowers
 * them when an answer has left or is dropped with its connection, perhaps after the
 * record has gone.
 */
#ifndef CONSENS_PORT_CLIENTS_H
#define CONSENS_PORT_CLIENTS_H

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <bsd/sys/tree.h>

enum {
    CLIENT_NAME_BYTES_MAX = 255,     // of a routing id: what libzmq lets its users set
    CLIENT_SMALL_ANSWER_BYTES = 256, // up to here
    CLIENT_SMALL_ANSWERS = 16,
};

struct unread { // bytes of answers that libzmq still holds
    _Atomic uint64_t bytes;
    _Atomic uint32_t holders; // the record, and each such answer
    struct unread *all;       // those of all clients; NULL: these are they
};

struct client_load {       // of one client, or of all
    uint64_t requests;     // without an answer
    uint64_t bytes;        // of their keys and values
    uint64_t answer_bytes; // of batches that are not complete yet
};

struct client {
    RB_ENTRY(client) links;
    struct unread *unread;
    struct client_load load;
    uint32_t small_count; // answers too small to be counted, since the last that was
    uint32_t name_bytes;
    uint8_t name[CLIENT_NAME_BYTES_MAX];
};

RB_HEAD(client_tree, client);

struct clients {
    struct client_tree tree;
    struct client_load load; // the sum over all
    struct unread *unread;   // the same
    uint32_t count;
    uint32_t sweep_at; // records: then those of clients at rest are freed
};

void clients_init(struct clients *clients);
void clients_fini(struct clients *clients);
/* The record of that routing id; a new one if there is none. NULL: the id is longer than
 * one may be; libzmq hands it on all the same if a stranger sends it. */
struct client *clients_get(struct clients *clients, struct cs_view name);

/* Whether it may have what it has, and ask more. */
bool clients_may_ask(const struct clients *clients, const struct client *client);
/* Whether it may be sent `bytes` more: it reads what it is sent. */
bool clients_may_answer(const struct clients *clients,
                        const struct client *client,
                        uint64_t bytes);
/* Whether `bytes` may be sent at all: a refusal is unread as a value is. */
bool clients_may_send(const struct clients *clients,
                      const struct client *client,
                      uint64_t bytes);
/*
 * A copy of `bytes` as an answer of this client, counted as unread until libzmq frees it. Of
 * small ones only each CLIENT_SMALL_ANSWERS-th is, for all of them: they leave in order.
 * `out_message` is a zmq_msg_t.
 */
void client_make_answer(struct client *client, struct cs_view bytes, void *out_message);

#endif
