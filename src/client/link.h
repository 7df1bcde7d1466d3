/*
 * link.h - the connection to one endpoint: a DEALER, and its monitor, which tells at once
 * when the connection is there and when it has gone.
 *
 * libzmq does not reconnect here: a link that failed is closed, and its caller connects it
 * again. So bytes of an old connection never turn up on a new one.
 *
 * Thread: the client's I/O thread.
 */
#ifndef CONSENS_CLIENT_LINK_H
#define CONSENS_CLIENT_LINK_H

#include "base/bytes.h"
#include "client/endpoints.h"

#include <zmq.h>

enum link_state {
    LINK_CLOSED,     // until due_ms, then it may be connected
    LINK_CONNECTING, // until due_ms, then it has failed
    LINK_READY,
};

struct link {
    struct endpoint endpoint;
    enum link_state state;
    uint64_t due_ms;
    uint32_t failure_count; // since it was last ready
    const char *trouble;    // of the last failure, for a person; "": none
    void *dealer;
    void *monitor;
};

/* LINK_CLOSED to LINK_CONNECTING, or to LINK_CLOSED with a later due_ms. */
void link_connect(struct link *link, void *zmq_context, uint64_t now_ms);
/* To LINK_CLOSED; it may be connected again after a while that grows with each failure. */
void link_fail(struct link *link, const char *trouble, uint64_t now_ms);
void link_close(struct link *link);
/* False: the queue is full, nothing was sent. */
bool link_send(struct link *link, struct cs_view bytes);
/* One message of one frame. False: nothing is there. *out_is_one: it was one frame. */
bool link_receive(struct link *link, zmq_msg_t *message, bool *out_is_one);
/* Looks at what the monitor tells and at the clock; false: the connection has failed, and
 * `trouble` says why. The state may have become LINK_READY. */
bool link_look(struct link *link, uint64_t now_ms);

#endif
