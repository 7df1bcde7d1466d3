/*
 * fake_node.h - a ROUTER in a node's place: the test reads requests and writes what answers
 * it likes, when it likes.
 *
 * Thread: the test's.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_FAKE_NODE_H
#define CONSENS_TESTS_UNIT_SUPPORT_FAKE_NODE_H

#include "wire/client_message.h"

enum { FAKE_NODES_MAX = 4, FAKE_NAME_BYTES = 64, FAKE_PATIENCE_MS = 10 * 1000 };

struct fake_node {
    void *context;
    void *router;
    char endpoint[64];
};

struct fake_call {                 // a request that was read
    uint8_t name[FAKE_NAME_BYTES]; // of the client's socket
    size_t name_bytes;
    struct cs_buffer bytes; // what `request` points into
    struct client_request request;
};

void fake_node_open(struct fake_node *node);
/* Its clients see the connection end. */
void fake_node_close(struct fake_node *node);

/* The next request; fails the test if none comes. fake_call_fini() after it. */
struct fake_call fake_node_take(struct fake_node *node);
void fake_call_fini(struct fake_call *call);
/* Whether nothing comes for so long. */
bool fake_node_is_quiet(struct fake_node *node, uint32_t wait_ms);

void fake_node_answer(struct fake_node *node,
                      const struct fake_call *call,
                      const struct reply *reply);
void fake_node_say(struct fake_node *node,
                   const struct fake_call *call,
                   enum cs_status status);
void fake_node_send(struct fake_node *node,
                    const struct fake_call *call,
                    struct cs_view bytes);
/* Takes the opening of a session, answers with this number. */
void fake_node_open_session(struct fake_node *node, uint64_t session);

#endif
