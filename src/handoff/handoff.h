/*
 * handoff.h - the border between the threads that take requests and the engine thread:
 * inproc ZeroMQ, one DEALER a worker, one ROUTER in the engine. One call is in flight on
 * a client end; a reply whose ticket is not the call's is an old one and is dropped.
 *
 * Only bytes cross: both ends copy (wire/request.h packs and unpacks).
 *
 * Bounds: a call that ran out of time leaves at most one request in the engine's inbox
 * and one reply in the worker's. A client end with HANDOFF_UNANSWERED_MAX such calls
 * sends no more until a late reply comes. The sockets themselves have no high-water mark:
 * ROUTER drops a reply when it believes a pipe full, and libzmq counts what the other end
 * has read late enough to believe so of a small pipe that is empty.
 *
 * Thread: a client end by the worker that opened it; the server end by the engine.
 */
#ifndef CONSENS_HANDOFF_HANDOFF_H
#define CONSENS_HANDOFF_HANDOFF_H

#include "base/bytes.h"
#include "wire/request.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#define HANDOFF_ENDPOINT "inproc://consens-requests"

enum {
    HANDOFF_UNANSWERED_MAX = 64, // calls of one client end whose reply may still come
    HANDOFF_SLICE_MS = 250,      // how soon a waiting call sees that it is told to stop
};

struct handoff_client;
struct handoff_server;

/* NULL: the context has no more sockets, or is ending. */
struct handoff_client *handoff_client_open(void *zmq_context);
void handoff_client_close(struct handoff_client **client);
/*
 * Once *is_stopping is true, calls end as if out of time within HANDOFF_SLICE_MS: a
 * process whose engine has died can end. `is_stopping` must outlive the client end.
 */
void handoff_client_heed(struct handoff_client *client, const atomic_bool *is_stopping);
/*
 * Sends the request (its ticket is set here) and waits for the reply, at most wait_ms.
 * False: none came (the outcome of a write is unknown). Views in out_reply are valid
 * until the next call on this end.
 */
bool handoff_call(struct handoff_client *client,
                  struct request *request,
                  uint64_t wait_ms,
                  struct reply *out_reply);
/*
 * Gives back the memory of the last reply before the next call does; its views end here.
 */
void handoff_client_release(struct handoff_client *client);

/* NULL: the context has no more sockets, or it has a server end already. */
struct handoff_server *handoff_server_open(void *zmq_context);
void handoff_server_close(struct handoff_server **server);
/* To poll for ZMQ_POLLIN; then handoff_receive until it answers false. */
void *handoff_server_socket(struct handoff_server *server);
/*
 * False: nothing there. `*out_client` names the caller for the answer. The view is valid
 * until the next receive.
 */
bool handoff_receive(struct handoff_server *server,
                     uint64_t *out_client,
                     struct cs_view *out_request);
/* Never waits. A caller that is gone, or does not read, loses its answer. */
void handoff_answer(struct handoff_server *server,
                    uint64_t client,
                    const struct reply *reply);

#endif
