/*
 * worker.h - one civetweb worker: takes a request apart, hands it to the engine, waits,
 * answers with one write. What it needs for that it keeps; what one request needs is an
 * exchange.
 *
 * Thread: everything on the worker's own thread.
 */
#ifndef CONSENS_HTTP_WORKER_H
#define CONSENS_HTTP_WORKER_H

#include "config/settings.h"
#include "handoff/handoff.h"
#include "http/answer.h"
#include "http/head.h"
#include "http/interrupt.h"
#include "http/options.h"
#include "http/refusal.h"
#include "http/reserve.h"
#include "http/route.h"

#include <civetweb.h>
#include <stdatomic.h>

enum { WORKER_KEPT_BYTES_MAX = 64 * 1024 }; // a buffer that grew past it is given back

struct worker_shared { // by all workers; constant while they run but for the atomics
    void *zmq_context;
    const struct settings *settings;
    const char *version;
    atomic_bool
        is_stopping; // calls to the engine end, connections close with their reply
    atomic_uint serving_count;
    _Atomic uint64_t body_deadline_ms;
    struct reserve reserve;
};

struct worker {
    struct worker_shared *shared;
    struct handoff_client *client; // NULL: there was no socket left; asked for again
    struct interrupt interrupt;    // of waiting for a body
    const char *head_base;         // where civetweb's buffer begins; NULL: not known yet
    struct cs_buffer body;         // of the request, then of a reply that is not a value
    struct cs_buffer command;
    struct cs_buffer out;
};

// One request on its way through. Views look into civetweb's buffer or the worker's.
struct exchange {
    struct worker *worker;
    struct mg_connection *conn;
    const struct mg_request_info *info;
    struct cs_view path; // raw
    struct head head;
    struct route route;
    struct options options;
    struct refusal refusal;
    struct answer answer;
    bool has_unread_body;
    bool has_entered; // the share of workers that serve keys
};

struct worker *worker_new(struct worker_shared *shared);
void worker_destroy(struct worker **worker);

/* Answers the request at hand; the HTTP status it answered with. */
int worker_serve(struct worker *worker, struct mg_connection *conn);

/*
 * What civetweb itself refuses, because it cannot parse it: in our form. It closes then.
 */
void worker_serve_error(struct worker *worker,
                        struct mg_connection *conn,
                        int http_status);

#endif
