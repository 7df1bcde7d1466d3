/*
 * http_rig.h - a real civetweb on an ephemeral loopback port before a fake engine: a
 * thread that answers every hand-off with the reply it was given. Raw bytes go in, so
 * that odd requests can be sent, and replies come back taken apart.
 *
 * Every wait has a deadline; a rig that cannot do what it is asked fails the cmocka test.
 *
 * Thread: the test's; the fake engine has its own.
 */
#ifndef CONSENS_TESTS_HTTP_RIG_H
#define CONSENS_TESTS_HTTP_RIG_H

#include "config/settings.h"
#include "handoff/handoff.h"
#include "http/http.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    RIG_THREADS = 16, // of the HTTP server: a test may keep some connections open
    RIG_HEAD_BYTES = 8192,
    RIG_FIELD_BYTES = 512,
    RIG_PATIENCE_MS = 8000,
    RIG_LIMIT_VALUE_BYTES = 256 * 1024
};

struct rig_seen { // the newest request that reached the engine, copied
    uint32_t count;
    struct request request; // without its views
    struct command command; // without its views
    struct cs_buffer key;
    struct cs_buffer value;
};

struct rig {
    void *zmq_context;
    struct settings settings;
    struct http *http;
    struct handoff_server *server;
    pthread_t engine;
    atomic_bool is_ending;
    pthread_mutex_t lock; // of what follows
    struct reply reply;   // to give; its value lives with the test
    bool is_silent;       // give none
    struct rig_seen seen;
    struct rig_seen shown; // the test's copy
};

struct response {
    int status;
    char head[RIG_HEAD_BYTES]; // with its status line, terminated
    struct cs_buffer body;
    char field[RIG_FIELD_BYTES]; // what response_field found
};

void rig_start(struct rig *rig);
void rig_start_with(struct rig *rig, uint32_t threads);
void rig_stop(struct rig *rig);

void rig_set_reply(struct rig *rig, const struct reply *reply);
void rig_set_silent(struct rig *rig, bool is_silent);
uint32_t rig_seen_count(struct rig *rig);
/* Valid until the next call. */
const struct rig_seen *rig_seen(struct rig *rig);

int rig_connect(struct rig *rig);
void rig_send(int connection, const void *bytes, size_t count);
void rig_send_text(int connection, const char *text);
/* `has_body` false for replies to HEAD, and 304. */
void rig_receive(int connection, struct response *response, bool has_body);
/*
 * True once the server has closed; false if it sends anything, or nothing for `wait_ms`.
 */
bool rig_is_closed(int connection, int wait_ms);

/*
 * One request on a connection of its own, which says `Connection: close` if the text
 * does.
 */
void rig_ask(struct rig *rig, const char *text, struct response *response);

/* The value of a header field, valid until the next call; NULL if there is none. */
const char *response_field(struct response *response, const char *name);
/* The body as a string, valid until the response is used again. */
const char *response_text(struct response *response);
void response_fini(struct response *response);

#endif
