/*
 * clients.h - who speaks to the port: by routing id, what each has waiting and what of
 * its answers it has not read. A record lives while there is either.
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

enum { CLIENT_NAME_BYTES_MAX = 255 }; // of a routing id, by libzmq

struct unread { // bytes of answers that libzmq still holds
    _Atomic uint64_t bytes;
    _Atomic uint32_t holders; // the record, and each such answer
};

struct client {
    RB_ENTRY(client) links;
    struct unread *unread;
    uint32_t waiting_count; // requests without an answer
    uint32_t name_bytes;
    uint8_t name[CLIENT_NAME_BYTES_MAX];
};

RB_HEAD(client_tree, client);

struct clients {
    struct client_tree tree;
    uint32_t count;
    uint32_t sweep_at; // records: then those of clients at rest are freed
};

void clients_init(struct clients *clients);
void clients_fini(struct clients *clients);
/* The record of that routing id; a new one if there is none. */
struct client *clients_get(struct clients *clients, struct cs_view name);

uint64_t client_unread_bytes(const struct client *client);
/*
 * A copy of `bytes` as an answer of this client, counted as unread until libzmq frees it.
 * `out_message` is a zmq_msg_t.
 */
void client_make_answer(struct client *client, struct cs_view bytes, void *out_message);

#endif
