#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): pipe2, syscall
#include "http/worker.h"

#include "base/check.h"
#include "base/mutant.h"
#include "http/body.h"
#include "http/serve.h"
#include "http/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// What civetweb 1.15 parses; anything else it reports as a bad request.
static const char *const known_methods[] = {
    "GET",   "POST",     "PUT",   "DELETE", "HEAD",   "OPTIONS",   "CONNECT",
    "PATCH", "PROPFIND", "MKCOL", "LOCK",   "UNLOCK", "PROPPATCH", "REPORT",
};
enum { KNOWN_METHODS = sizeof(known_methods) / sizeof(known_methods[0]) };

static void exchange_begin(struct exchange *exchange,
                           struct worker *worker,
                           struct mg_connection *conn);
static bool take_request(struct exchange *exchange);
static void note_base(struct worker *worker, const char *method);
static bool follows_white_space(const char *method);
static bool enter_share(struct exchange *exchange);
static bool take_body(struct exchange *exchange);
static void settle_unread_body(struct exchange *exchange);
static void put_refusal(struct exchange *exchange);
static bool has_unknown_method(const struct mg_request_info *info);
static void send_answer(struct exchange *exchange);
static void give_back(struct worker *worker);
static void drop_large(struct cs_buffer *buffer);

struct worker *worker_new(struct worker_shared *shared)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    CHECK(worker != NULL);
    worker->shared = shared;
    return worker;
}

void worker_destroy(struct worker **worker)
{
    struct worker *ending = *worker;
    *worker = NULL;
    if (ending == NULL) {
        return;
    }
    handoff_client_close(&ending->client);
    interrupt_fini(&ending->interrupt);
    buffer_fini(&ending->body);
    buffer_fini(&ending->command);
    buffer_fini(&ending->out);
    free(ending);
}

int worker_serve(struct worker *worker, struct mg_connection *conn)
{
    struct exchange exchange;
    (void)atomic_fetch_add(&worker->shared->serving_count, 1);
    exchange_begin(&exchange, worker, conn);
    if (!take_request(&exchange) || !serve_route(&exchange)) {
        settle_unread_body(&exchange);
        put_refusal(&exchange);
    }
    exchange.answer.is_keep_alive = exchange.head.is_keep_alive &&
                                    !exchange.refusal.must_close &&
                                    !reserve_is_short(&worker->shared->reserve) &&
                                    !atomic_load(&worker->shared->is_stopping);
    send_answer(&exchange);
    give_back(worker);
    if (exchange.has_entered) {
        reserve_leave(&worker->shared->reserve);
    }
    (void)atomic_fetch_sub(&worker->shared->serving_count, 1);
    return exchange.answer.http_status;
}

void worker_serve_error(struct worker *worker,
                        struct mg_connection *conn,
                        int http_status)
{
    struct exchange exchange;
    exchange_begin(&exchange, worker, conn);
    if (http_status == 400 && has_unknown_method(exchange.info)) {
        (void)route_refuse_method(text_view(exchange.info->request_method),
                                  &exchange.refusal);
    } else if (http_status == 411) {
        (void)refuse(&exchange.refusal, CS_MALFORMED, "Content-Length is not a number");
    } else if (http_status == 505) {
        (void)refuse(&exchange.refusal, CS_MALFORMED,
                     "HTTP/1.0 and HTTP/1.1 are spoken here");
    } else {
        (void)refuse(
            &exchange.refusal, CS_MALFORMED,
            "the request head is malformed, incomplete or larger than %d bytes (in a "
            "path, write bytes outside ASCII as %%XX)",
            HEAD_BUFFER_BYTES);
    }
    put_refusal(&exchange);
    send_answer(&exchange);
    give_back(worker);
}

static void exchange_begin(struct exchange *exchange,
                           struct worker *worker,
                           struct mg_connection *conn)
{
    memset(exchange, 0, sizeof(*exchange));
    exchange->worker = worker;
    exchange->conn = conn;
    exchange->info = mg_get_request_info(conn);
    serve_label(exchange, NULL);
}

static bool take_request(struct exchange *exchange)
{
    const struct mg_request_info *info = exchange->info;
    struct refusal *refusal = &exchange->refusal;
    struct cs_view method = text_view(info->request_method);
    exchange->answer.is_head = text_equals(method, "HEAD");
    exchange->path = text_view(info->local_uri_raw);
    note_base(exchange->worker, info->request_method);
    bool is_good = head_read(info, exchange->worker->head_base, &exchange->head, refusal);
    // Where it is not known how long the body is, there is nothing to wait for.
    exchange->has_unread_body = is_good || !refusal->must_close;
    return is_good && route_find(method, exchange->path, &exchange->route, refusal) &&
           options_read(&exchange->route, &exchange->head, text_view(info->query_string),
                        &exchange->options, refusal) &&
           enter_share(exchange) && take_body(exchange);
}

/*
 * A worker has one buffer for all its requests, and each begins where the buffer does.
 * civetweb does not say where that is, and takes the body from behind the first empty line
 * of the buffer even if only white space stands before it. So the first method that follows
 * no white space tells. It comes from malloc: no other address is worth a look.
 */
static void note_base(struct worker *worker, const char *method)
{
    bool is_aligned = (uintptr_t)method % _Alignof(max_align_t) == 0;
    if (worker->head_base == NULL && is_aligned &&
        (!follows_white_space(method) || MUTANT_IS(340))) {
        worker->head_base = method;
    }
}

/*
 * The byte before the method is white space that the client sent, as civetweb skips nothing
 * else; or, where the method begins the buffer, malloc's: glibc keeps the upper end of the
 * size there, 0. That one is not ours to read, and other allocators may have nothing there:
 * so the kernel reads it, into a pipe, and says EFAULT then. Without a pipe it is not known
 * yet, and counts as white space.
 */
static bool follows_white_space(const char *method)
{
    int ends[2];
    unsigned char before = ' ';
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return true;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): one below what may be an object's begin
    const void *at = (const void *)((uintptr_t)method - 1);
    // Not write(): the sanitizers would look at the byte as well.
    bool is_unmapped = syscall(SYS_write, ends[1], at, (size_t)1) < 0 && errno == EFAULT;
    bool is_white =
        !is_unmapped && (read(ends[0], &before, 1) != 1 || isspace(before) != 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return is_white;
}

// Before the body: it may come slowly. Refused, the worker is soon free again.
static bool enter_share(struct exchange *exchange)
{
    struct reserve *reserve = &exchange->worker->shared->reserve;
    if (exchange->route.kind != ROUTE_KEY) {
        return true;
    }
    exchange->has_entered = reserve_enter(reserve);
    return exchange->has_entered ||
           refuse_and_close(&exchange->refusal, CS_OVERLOADED,
                            "%u requests for keys wait here already, and the other "
                            "threads are kept for /-/: try again, or raise "
                            "server/http/threads",
                            reserve->share);
}

static bool take_body(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct refusal *refusal = &exchange->refusal;
    if (exchange->route.method == METHOD_PUT) {
        worker->body.bytes = 0;
        const struct body_limits limits = {
            .bytes = worker->shared->settings->limit_value_bytes,
            .deadline_ms = atomic_load(&worker->shared->body_deadline_ms),
        };
        bool is_read = body_read(exchange->conn, &exchange->head, &limits,
                                 &worker->interrupt, &worker->body, refusal);
        // A client that stopped sending will not go on because we wait once more.
        exchange->has_unread_body = !is_read && refusal->status == CS_TOO_LARGE;
        return is_read;
    }
    uint64_t body_bytes = 0;
    exchange->has_unread_body =
        !body_discard(exchange->conn, &exchange->head, &worker->interrupt, &body_bytes);
    if (exchange->has_unread_body || body_bytes > 0) {
        refusal->must_close = exchange->has_unread_body;
        return refuse(refusal, CS_MALFORMED, "only a PUT has a body");
    }
    return true;
}

// A refused request's small body is read, so that the connection can be kept.
static void settle_unread_body(struct exchange *exchange)
{
    uint64_t ignored = 0;
    if (!exchange->has_unread_body || exchange->refusal.must_close) {
        return;
    }
    exchange->has_unread_body = !body_discard(exchange->conn, &exchange->head,
                                              &exchange->worker->interrupt, &ignored);
    exchange->refusal.must_close = exchange->has_unread_body;
}

static void put_refusal(struct exchange *exchange)
{
    struct answer *answer = &exchange->answer;
    struct cs_buffer *body = &exchange->worker->body;
    body->bytes = 0;
    if (exchange->head.wants_json || route_is_server(exchange->path)) {
        refusal_render_json(body, &exchange->refusal);
        answer->body_kind = ANSWER_PROBLEM;
    } else {
        refusal_render_text(body, &exchange->refusal);
        answer->body_kind = ANSWER_TEXT;
    }
    answer->body = view_of_buffer(body);
    answer->http_status = status_http(exchange->refusal.status);
    answer->allow = exchange->refusal.allow;
}

static bool has_unknown_method(const struct mg_request_info *info)
{
    if (info->request_method == NULL || info->http_version == NULL) {
        return false; // it did not get as far as to look at the method
    }
    for (size_t i = 0; i < KNOWN_METHODS; i++) {
        if (strcmp(info->request_method, known_methods[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void send_answer(struct exchange *exchange)
{
    struct cs_buffer *out = &exchange->worker->out;
    answer_render(out, &exchange->answer);
    int written = mg_write(exchange->conn, out->data, out->bytes);
    bool is_written = written >= 0 && (size_t)written == out->bytes;
    if (is_written && exchange->answer.is_keep_alive) {
        return;
    }
    // This also keeps civetweb from reading the rest of a body, however long.
    mg_disable_connection_keep_alive(exchange->conn);
    if (is_written && exchange->has_unread_body) {
        // Who found no room among the keys holds a worker of the reserve.
        bool is_of_reserve =
            exchange->refusal.status == CS_OVERLOADED && !exchange->has_entered;
        body_drain(exchange->conn, &exchange->head, &exchange->worker->interrupt,
                   is_of_reserve ? RESERVE_PATIENCE_MS : BODY_DRAIN_MS);
    }
}

static void give_back(struct worker *worker)
{
    // A large reply came as a large frame.
    if (worker->out.capacity_bytes > WORKER_KEPT_BYTES_MAX && worker->client != NULL) {
        handoff_client_release(worker->client);
    }
    drop_large(&worker->body);
    drop_large(&worker->command);
    drop_large(&worker->out);
}

static void drop_large(struct cs_buffer *buffer)
{
    if (buffer->capacity_bytes > WORKER_KEPT_BYTES_MAX) {
        buffer_fini(buffer);
    }
}
