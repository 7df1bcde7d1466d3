/*
 * http.h - the HTTP API: civetweb worker threads that parse, check, hand over, wait,
 * answer.
 *
 * The only user of civetweb. Everything happens in begin_request: raw paths, exact keys,
 * our own limits. A worker holds one handoff client for its life.
 *
 * Thread: http_start/http_stop by main; the rest on civetweb's workers.
 */
#ifndef CONSENS_HTTP_HTTP_H
#define CONSENS_HTTP_HTTP_H

#include "config/settings.h"

struct http;

enum http_exit {                // sysexits.h
    HTTP_EXIT_UNAVAILABLE = 69, // EX_UNAVAILABLE: the address cannot be listened at
    HTTP_EXIT_OS_ERROR = 71,    // EX_OSERR: too few threads, files or sockets
};

enum {
    HTTP_SOCKETS_SPARE = 64, // of the ZeroMQ context, for peers and the engine
    HTTP_STOP_MS = 1000,     // for replies; after it they are not sent
};

/*
 * NULL: *out_exit_code, and one sentence (busy port: which, what to do). `settings` and
 * `version` must outlive it. The context's ZMQ_MAX_SOCKETS is at least
 * settings_http_workers() + HTTP_SOCKETS_SPARE; it must be set before the context's first
 * socket is made.
 */
struct http *http_start(void *zmq_context,
                        const struct settings *settings,
                        const char *version,
                        int *out_exit_code,
                        char *out_error,
                        size_t error_bytes);
/*
 * Requests that wait for the engine get 503 or 504 within HTTP_STOP_MS; then all
 * connections are closed. civetweb looks at an idle one every two seconds, so this takes
 * up to about three.
 */
void http_stop(struct http **http);

/* The port listened on: what port 0 became. */
uint32_t http_port(const struct http *http);

/* For requests to come; BODY_DEADLINE_MS unless set. Any thread. */
void http_set_body_deadline(struct http *http, uint64_t deadline_ms);

#endif
