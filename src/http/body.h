/*
 * body.h - reading a request's body, or getting rid of it, without ever reading more than
 * a bound: an unread rest must not be taken for the next request, and closing with unread
 * bytes would take the reply from the client.
 *
 * Thread: civetweb's workers.
 */
#ifndef CONSENS_HTTP_BODY_H
#define CONSENS_HTTP_BODY_H

#include "http/head.h"
#include "http/interrupt.h"
#include "http/refusal.h"

enum {
    BODY_DISCARD_BYTES_MAX = 64 * 1024,     // read to keep a connection that was refused
    BODY_DRAIN_BYTES_MAX = 4 * 1024 * 1024, // read after the reply, before closing
    BODY_DRAIN_MS = 1000,
    BODY_DEADLINE_MS = 30 * 1000, // for the whole body
};

struct body_limits {
    uint64_t bytes;
    uint64_t deadline_ms; // for the whole body; above 0
};

/* Appends the body to `out`. False: 400, 413 or 429, and the connection must close. */
bool body_read(struct mg_connection *conn,
               const struct head *head,
               const struct body_limits *limits,
               struct interrupt *interrupt,
               struct cs_buffer *out,
               struct refusal *refusal);

/* Reads a small body to its end. `out_bytes` is its size. False: it is still there. */
bool body_discard(struct mg_connection *conn,
                  const struct head *head,
                  struct interrupt *interrupt,
                  uint64_t *out_bytes);

/*
 * After a reply that says `Connection: close`: what the client is still sending, for
 * `drain_ms` at most.
 */
void body_drain(struct mg_connection *conn,
                const struct head *head,
                struct interrupt *interrupt,
                uint32_t drain_ms);

#endif
