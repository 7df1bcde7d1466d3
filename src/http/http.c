#include "http/http.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"
#include "base/thread_error.h"
#include "http/body.h"
#include "http/interrupt.h"
#include "http/listen.h"
#include "http/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    OPTION_TEXT_BYTES = 32,
    ERROR_TEXT_BYTES = 256,
    THREADS_TEXT_BYTES = 64,
    PAUSE_MS = 5,
    START_PAUSES =
        400, // for the next thread to begin; not by the clock: we may be stopped
    MASTER_THREAD = 0, // civetweb's thread_type: accepts connections
    WORKER_THREAD = 1,
};

struct http {
    struct mg_context *context;
    struct worker_shared shared;
    atomic_uint started_count; // threads: workers and the master
    atomic_bool has_master;
    uint32_t port;
};

static struct mg_context *start_civetweb(struct http *http,
                                         const struct settings *settings,
                                         bool *out_has_no_thread);
static bool has_all_threads(const struct http *http);
static void say_threads(const struct settings *settings, char *out_error, size_t bytes);
static void stop_incomplete(struct http *http);
static void await_replies(const struct http *http);
static void pause_shortly(void);
static void *begin_thread(const struct mg_context *context, int thread_type);
static void end_thread(const struct mg_context *context, int thread_type, void *pointer);
static int open_connection(const struct mg_connection *conn, void **out_data);
static void close_connection(const struct mg_connection *conn);
static int begin_request(struct mg_connection *conn);
static int report_error(struct mg_connection *conn, int http_status, const char *message);
static int log_message(const struct mg_connection *conn, const char *message);
static bool has_sockets(void *zmq_context,
                        const struct settings *settings,
                        char *out_error,
                        size_t error_bytes);

struct http *http_start(void *zmq_context,
                        const struct settings *settings,
                        const char *version,
                        int *out_exit_code,
                        char *out_error,
                        size_t error_bytes)
{
    CHECK(zmq_context != NULL);
    CHECK(settings->node_index < settings->node_count);
    const char *address = settings->nodes[settings->node_index].http;
    *out_exit_code = HTTP_EXIT_OS_ERROR;
    if (!has_sockets(zmq_context, settings, out_error, error_bytes) ||
        !listen_raise_files(settings_http_workers(settings), out_error, error_bytes)) {
        return NULL;
    }
    struct http *http = calloc(1, sizeof(*http));
    CHECK(http != NULL);
    http->shared.zmq_context = zmq_context;
    http->shared.settings = settings;
    http->shared.version = version;
    http->shared.reserve.share = settings->http_threads;
    atomic_store(&http->shared.body_deadline_ms, BODY_DEADLINE_MS);
    interrupt_prepare();
    (void)mg_init_library(0);
    bool has_no_thread = false;
    http->context = start_civetweb(http, settings, &has_no_thread);
    if (http->context == NULL) {
        // Without a thread civetweb leaves the port open: it would be found busy.
        if (has_no_thread || !listen_explain(address, out_error, error_bytes)) {
            say_threads(settings, out_error, error_bytes);
        } else {
            *out_exit_code = HTTP_EXIT_UNAVAILABLE;
        }
        (void)mg_exit_library();
        free(http);
        return NULL;
    }
    if (!has_all_threads(http) && !MUTANT_IS(345)) {
        say_threads(settings, out_error, error_bytes);
        stop_incomplete(http);
        return NULL;
    }
    struct mg_server_port port = {0};
    int ports = mg_get_server_ports(http->context, 1, &port);
    CHECK(ports == 1);
    http->port = (uint32_t)port.port;
    return http;
}

void http_stop(struct http **http)
{
    struct http *stopping = *http;
    *http = NULL;
    if (stopping == NULL) {
        return;
    }
    atomic_store(&stopping->shared.is_stopping, true);
    await_replies(stopping);
    mg_stop(stopping->context);
    (void)mg_exit_library();
    free(stopping);
}

uint32_t http_port(const struct http *http)
{
    return http->port;
}

void http_set_body_deadline(struct http *http, uint64_t deadline_ms)
{
    CHECK(deadline_ms > 0);
    atomic_store(&http->shared.body_deadline_ms, deadline_ms);
}

static struct mg_context *start_civetweb(struct http *http,
                                         const struct settings *settings,
                                         bool *out_has_no_thread)
{
    const char *address = settings->nodes[settings->node_index].http;
    char threads[OPTION_TEXT_BYTES];
    char buffer_bytes[OPTION_TEXT_BYTES];
    (void)snprintf(threads, sizeof(threads), "%u", settings_http_workers(settings));
    (void)snprintf(buffer_bytes, sizeof(buffer_bytes), "%d", HEAD_BUFFER_BYTES);
    // Names and values in turn.
    // clang-format off
    const char *options[] = {
        "listening_ports", address,
        "num_threads", threads,
        "max_request_size", buffer_bytes,
        "enable_keep_alive", "yes",
        // An idle connection holds its worker; so does a head or body that does not come.
        "keep_alive_timeout_ms", "15000",
        "request_timeout_ms", "5000",
        "tcp_nodelay", "1",                 // without it, a reply can take 40 ms
        "listen_backlog", "4096",
        "connection_queue", threads,        // accepted: the rest waits in the kernel
        "decode_url", "no",                 // paths stay raw: %2F is data
        "enable_auth_domain_check", "no",   // absolute-form targets
        "access_control_allow_origin", "",  // no CORS answers of its own
        "access_control_allow_methods", "",
        "access_control_allow_headers", "",
        NULL,
    };
    // clang-format on
    struct mg_callbacks callbacks = {
        .begin_request = begin_request,
        .http_error = report_error,
        .log_message = log_message,
        .init_connection = open_connection,
        .connection_closed = close_connection,
        .init_thread = begin_thread,
        .exit_thread = end_thread,
    };
    char why[ERROR_TEXT_BYTES] = "";
    struct mg_init_data init = {.callbacks = &callbacks,
                                .user_data = http,
                                .configuration_options = options};
    struct mg_error_data error = {.text = why, .text_buffer_size = sizeof(why)};
    struct mg_context *context = mg_start2(&init, &error);
    *out_has_no_thread = strstr(why, "worker thread") != NULL;
    return context;
}

// civetweb goes on with fewer workers than it was told, and without its master it accepts
// nothing: both without a word.
static bool has_all_threads(const struct http *http)
{
    uint32_t wanted = settings_http_workers(http->shared.settings) + 1;
    uint32_t started = atomic_load(&http->started_count);
    for (uint32_t pauses = 0; started < wanted && pauses < START_PAUSES; pauses++) {
        pause_shortly();
        uint32_t now_started = atomic_load(&http->started_count);
        pauses = now_started > started ? 0 : pauses;
        started = now_started;
    }
    return started >= wanted;
}

static void say_threads(const struct settings *settings, char *out_error, size_t bytes)
{
    char what[THREADS_TEXT_BYTES];
    (void)snprintf(what, sizeof(what), "its %u HTTP threads",
                   settings_http_workers(settings));
    thread_error_say(what, EAGAIN, out_error, bytes);
}

// Without its master civetweb cannot be stopped: what there is stays until the process ends.
static void stop_incomplete(struct http *http)
{
    if (!atomic_load(&http->has_master)) {
        return;
    }
    atomic_store(&http->shared.is_stopping,
                 true); // who is served already waits for nobody
    mg_stop(http->context);
    (void)mg_exit_library();
    free(http);
}

// Once civetweb is told to stop, it no longer writes.
static void await_replies(const struct http *http)
{
    uint64_t started_ms = clock_now_ms();
    while (atomic_load(&http->shared.serving_count) > 0 &&
           clock_now_ms() - started_ms < HTTP_STOP_MS) {
        pause_shortly();
    }
}

static void pause_shortly(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

static void *begin_thread(const struct mg_context *context, int thread_type)
{
    struct http *http = mg_get_user_data(context);
    struct worker *worker =
        thread_type == WORKER_THREAD ? worker_new(&http->shared) : NULL;
    if (thread_type == MASTER_THREAD) {
        atomic_store(&http->has_master, true);
    }
    if (thread_type == MASTER_THREAD || thread_type == WORKER_THREAD) {
        (void)atomic_fetch_add(&http->started_count, 1);
    }
    return worker;
}

static void end_thread(const struct mg_context *context, int thread_type, void *pointer)
{
    (void)context;
    struct worker *worker = thread_type == WORKER_THREAD ? pointer : NULL;
    worker_destroy(&worker);
}

static int open_connection(const struct mg_connection *conn, void **out_data)
{
    struct http *http = mg_get_user_data(mg_get_context(conn));
    *out_data = NULL;
    reserve_open_connection(&http->shared.reserve);
    return 0; // civetweb does not look at it
}

static void close_connection(const struct mg_connection *conn)
{
    struct http *http = mg_get_user_data(mg_get_context(conn));
    reserve_close_connection(&http->shared.reserve);
}

static int begin_request(struct mg_connection *conn)
{
    struct worker *worker = mg_get_thread_pointer(conn);
    CHECK(worker != NULL);
    return worker_serve(worker, conn);
}

// 0: answered.
static int report_error(struct mg_connection *conn, int http_status, const char *message)
{
    (void)message; // civetweb's, for developers
    struct worker *worker = mg_get_thread_pointer(conn);
    CHECK(worker != NULL);
    worker_serve_error(worker, conn, http_status);
    return 0;
}

static int log_message(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    log_line(LOG_LEVEL_DEBUG, "event=civetweb message=\"%s\"", message);
    return 1;
}

static bool has_sockets(void *zmq_context,
                        const struct settings *settings,
                        char *out_error,
                        size_t error_bytes)
{
    int sockets_max = zmq_ctx_get(zmq_context, ZMQ_MAX_SOCKETS);
    CHECK(sockets_max > 0);
    uint32_t workers = settings_http_workers(settings);
    if ((uint64_t)sockets_max < (uint64_t)workers + HTTP_SOCKETS_SPARE) {
        (void)snprintf(
            out_error, error_bytes,
            "server/http/threads = %u does not fit into the %d ZeroMQ sockets of this "
            "process: it and %d more are wanted. Lower it",
            settings->http_threads, sockets_max,
            (int)(workers - settings->http_threads) + HTTP_SOCKETS_SPARE);
        return false;
    }
    return true;
}
