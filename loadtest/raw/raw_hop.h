/*
 * raw_hop.h - civetweb in front of one thread: each worker sends the request's body over
 * an inproc DEALER of its own and waits for the answer. The least an HTTP front of ours
 * can cost.
 *
 * The thread behind it reads a ROUTER bound to RAW_HOP_ENDPOINT: identity, body; it
 * answers with the identity and any body.
 *
 * Thread: raw_hop_start() and raw_hop_stop() the main thread.
 */
#ifndef CONSENS_LOADTEST_RAW_HOP_H
#define CONSENS_LOADTEST_RAW_HOP_H

#include "program.h"

#include <civetweb.h>
#include <zmq.h>

#define RAW_HOP_ENDPOINT "inproc://raw-hop"
enum {
    RAW_HOP_BODY_BYTES_MAX = 4096,
    RAW_HOP_THREADS_MAX = 1000,
    RAW_HOP_WAIT_MS = 100,
    RAW_HOP_WORKER = 1, // civetweb's number for a thread that serves connections
};

static inline void *raw_hop_context_new(void)
{
    void *context = zmq_ctx_new();
    // The default of 1,023 sockets is below threads + peers + what is kept inside.
    if (context == NULL || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 4096) != 0) {
        program_fail("cannot make a ZeroMQ context", zmq_strerror(zmq_errno()));
    }
    return context;
}

/* A socket without limits on its queues, which forgets what is unsent when closed. */
static inline void *raw_hop_socket_new(void *context, int type)
{
    const int none = 0;
    void *socket = zmq_socket(context, type);
    if (socket == NULL || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) != 0 ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) != 0 ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) != 0) {
        program_fail("cannot make a socket", zmq_strerror(zmq_errno()));
    }
    return socket;
}

/* Receiving gives up after a while, so that its loop sees program_must_stop(): the signal
 * may have reached another thread. */
static inline void *raw_hop_bind(void *context, const char *endpoint)
{
    const int wait_ms = RAW_HOP_WAIT_MS;
    void *router = raw_hop_socket_new(context, ZMQ_ROUTER);
    if (zmq_setsockopt(router, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms) != 0 ||
        zmq_bind(router, endpoint) != 0) {
        program_fail(endpoint, zmq_strerror(zmq_errno()));
    }
    return router;
}

static inline void *raw_hop_connect(void *context, const char *endpoint)
{
    void *dealer = raw_hop_socket_new(context, ZMQ_DEALER);
    if (zmq_connect(dealer, endpoint) != 0) {
        program_fail(endpoint, zmq_strerror(zmq_errno()));
    }
    return dealer;
}

static inline void *raw_hop_init_thread(const struct mg_context *server, int thread_type)
{
    if (thread_type != RAW_HOP_WORKER) {
        return NULL;
    }
    return raw_hop_connect(mg_get_user_data(server), RAW_HOP_ENDPOINT);
}

static inline void
raw_hop_exit_thread(const struct mg_context *server, int thread_type, void *dealer)
{
    (void)server;
    if (thread_type == RAW_HOP_WORKER) {
        (void)zmq_close(dealer);
    }
}

static inline int raw_hop_begin_request(struct mg_connection *connection)
{
    static const char reply[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"
        "Content-Type: text/plain\r\nConnection: keep-alive\r\n\r\n"
        "hello world!";
    void *dealer = mg_get_thread_pointer(connection);
    char body[RAW_HOP_BODY_BYTES_MAX];
    int body_bytes = 0;
    if (mg_get_request_info(connection)->content_length > 0) {
        body_bytes = mg_read(connection, body, sizeof body);
    }
    if (body_bytes < 0 || zmq_send(dealer, body, (size_t)body_bytes, 0) < 0 ||
        zmq_recv(dealer, body, sizeof body, 0) < 0) {
        return 500;
    }
    (void)mg_write(connection, reply, sizeof reply - 1);
    return 200;
}

/* Serves on 127.0.0.1:`port`. The ROUTER must be bound already. */
static inline struct mg_context *raw_hop_start(void *context, int port, int threads)
{
    char listening[32];
    char thread_count[16];
    (void)snprintf(listening, sizeof listening, "127.0.0.1:%d", port);
    (void)snprintf(thread_count, sizeof thread_count, "%d", threads);
    const char *options[] = {"listening_ports",
                             listening,
                             "num_threads",
                             thread_count,
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "60000",
                             "tcp_nodelay",
                             "1",
                             NULL};
    const struct mg_callbacks callbacks = {
        .begin_request = raw_hop_begin_request,
        .init_thread = raw_hop_init_thread,
        .exit_thread = raw_hop_exit_thread,
    };
    (void)mg_init_library(0);
    struct mg_context *server = mg_start(&callbacks, context, options);
    if (server == NULL) {
        program_fail("cannot listen on this port", listening);
    }
    return server;
}

/* Closes the router and the context too: that wakes the workers which wait for an answer.
 * */
static inline void raw_hop_stop(struct mg_context *server, void *router, void *context)
{
    (void)zmq_ctx_shutdown(context);
    if (server != NULL) {
        mg_stop(server);
    }
    if (router != NULL) {
        (void)zmq_close(router);
    }
    (void)zmq_ctx_term(context);
}

#endif
