/*
 * calls.h - messages under way: a call for each, a part for each of its requests. A call
 * ends when all its parts have their replies; its answer is packed as they come.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_PORT_CALLS_H
#define CONSENS_PORT_CALLS_H

#include "base/limits.h"
#include "port/clients.h"
#include "wire/client_message.h"

enum { CALLS_MAX = LIMIT_REQUESTS_WAITING + 1 }; // each has a request waiting; one begins

struct part { // one request
    uint64_t id;
    uint64_t unless_revision;
    bool has_unless_revision;
    bool is_local;
    bool wants_value;    // get, status
    uint64_t held_bytes; // of its key and value
    size_t at;           // its packed answer in call->bytes
    size_t bytes;
};

struct call {
    uint32_t index;      // in the table
    uint32_t generation; // calls that this slot has had, in 31 bits
    struct client *client;
    bool is_batch;
    bool has_delimiter; // REQ's empty frame
    uint32_t part_count;
    uint32_t open_count; // parts without a reply
    struct part *parts;  // &one, or an allocation for a batch
    struct part one;
    struct cs_buffer bytes; // answers in the order in which they came
    struct call *free_next;
};

struct calls {
    struct call *table; // CALLS_MAX
    uint32_t used;      // table[used..] was never given out
    struct call *free_first;
};

void calls_init(struct calls *calls);
void calls_fini(struct calls *calls);
/* NULL: all are under way. */
struct call *calls_begin(struct calls *calls, struct client *client, uint32_t part_count);
void calls_end(struct calls *calls, struct call *call);

/* A number of 63 bits for the call as long as it is under way, and back; NULL: it has
 * ended. */
uint64_t calls_name(const struct call *call);
struct call *calls_find(const struct calls *calls, uint64_t name);

#endif
