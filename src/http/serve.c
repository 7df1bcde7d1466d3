#include "http/serve.h"

#include "http/text.h"

enum {
    WAIT_MARGIN_MS = 1000
}; // the engine answers at the time limit; the reply takes a way

static bool serve_write(struct exchange *exchange);
static const char *done_text(enum cs_status status);
static bool serve_read(struct exchange *exchange);
static bool is_not_modified(const struct exchange *exchange, const struct reply *reply);
static bool serve_status(struct exchange *exchange);
static bool serve_live(struct exchange *exchange);
static bool serve_ready(struct exchange *exchange);
static void put_json(struct exchange *exchange, const char *name, const char *value);
static void
put_body(struct exchange *exchange, enum answer_body kind, struct cs_view body);
static bool
call_engine(struct exchange *exchange, struct request *request, struct reply *out_reply);
static bool has_client(struct exchange *exchange);
static bool refuse_unanswered(struct exchange *exchange, uint32_t kind);
static bool refuse_from_reply(struct exchange *exchange, const struct reply *reply);
static bool refuse_precondition(struct exchange *exchange, const struct reply *reply);
static bool is_from_state(enum cs_status status);

bool serve_route(struct exchange *exchange)
{
    enum method method = exchange->route.method;
    switch (exchange->route.kind) {
    case ROUTE_KEY:
        return method == METHOD_PUT || method == METHOD_DELETE ? serve_write(exchange)
                                                               : serve_read(exchange);
    case ROUTE_STATUS:
        return serve_status(exchange);
    case ROUTE_LIVE:
        return serve_live(exchange);
    case ROUTE_READY:
        return serve_ready(exchange);
    case ROUTE_VERSION:
        break;
    }
    put_json(exchange, "version", exchange->worker->shared->version);
    return true;
}

void serve_label(struct exchange *exchange, const struct reply *reply)
{
    const struct settings *settings = exchange->worker->shared->settings;
    struct answer *answer = &exchange->answer;
    answer->node = settings->nodes[settings->node_index].name;
    answer->durability = settings_durability_word(settings->log_durability);
    if (reply == NULL) {
        return;
    }
    answer->durability = settings_durability_word(reply->durability);
    answer->leader = reply->leader_seat < settings->node_count
                         ? settings->nodes[reply->leader_seat].name
                         : NULL;
    if (!is_from_state(reply->status)) {
        return;
    }
    answer->has_revision = true;
    answer->revision = reply->revision;
    answer->etag_revision = reply->item_revision;
    answer->consistency = exchange->options.consistency == REQUEST_LOCAL
                              ? ANSWER_LOCAL
                              : ANSWER_LINEARIZABLE;
    answer->lag_ms = reply->lag_ms;
}

static bool serve_write(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    bool is_put = exchange->route.method == METHOD_PUT;
    struct command command = {
        .operation = is_put ? COMMAND_PUT : COMMAND_DELETE,
        .condition = exchange->options.condition,
        .condition_revision = exchange->options.condition_revision,
        .key = view_of(exchange->route.key, exchange->route.key_bytes),
        .value = is_put ? view_of_buffer(&worker->body) : view_of(NULL, 0),
    };
    worker->command.bytes = 0;
    command_pack(&worker->command, &command);
    struct request request = {.kind = REQUEST_WRITE,
                              .command = view_of_buffer(&worker->command)};
    struct reply reply;
    if (!call_engine(exchange, &request, &reply)) {
        return false;
    }
    serve_label(exchange, &reply);
    const char *text = done_text(reply.status);
    if (text == NULL) {
        return refuse_from_reply(exchange, &reply);
    }
    put_body(exchange, ANSWER_TEXT, text_view(text));
    if (reply.status == CS_DELETED) {
        exchange->answer.etag_revision = 0; // there is nothing left that has one
    }
    exchange->answer.http_status = status_http(reply.status);
    return true;
}

// NULL: it was not done.
static const char *done_text(enum cs_status status)
{
    return status == CS_CREATED   ? "created\n"
           : status == CS_UPDATED ? "updated\n"
           : status == CS_DELETED ? "deleted\n"
                                  : NULL;
}

static bool serve_read(struct exchange *exchange)
{
    // HEAD asks for the value too: its size is needed, and sizes do not cross by
    // themselves.
    struct request request = {
        .kind = REQUEST_GET,
        .consistency = exchange->options.consistency,
        .min_revision = exchange->options.min_revision,
        .key = view_of(exchange->route.key, exchange->route.key_bytes),
    };
    struct reply reply;
    if (!call_engine(exchange, &request, &reply)) {
        return false;
    }
    serve_label(exchange, &reply);
    const struct tags *if_match = &exchange->options.if_match;
    if (is_from_state(reply.status) && tags_are_given(if_match) &&
        !tags_match(if_match, reply.item_revision)) {
        return refuse_precondition(exchange, &reply);
    }
    if (reply.status != CS_OK) {
        return refuse_from_reply(exchange, &reply);
    }
    if (is_not_modified(exchange, &reply)) {
        put_body(exchange, ANSWER_NOTHING, view_of(NULL, 0));
        exchange->answer.http_status = status_http(CS_NOT_MODIFIED);
        return true;
    }
    put_body(exchange, ANSWER_VALUE, reply.value);
    return true;
}

static bool is_not_modified(const struct exchange *exchange, const struct reply *reply)
{
    const struct tags *if_none_match = &exchange->options.if_none_match;
    return tags_are_given(if_none_match) &&
           tags_match(if_none_match, reply->item_revision);
}

static bool serve_status(struct exchange *exchange)
{
    struct request request = {.kind = REQUEST_STATUS};
    struct reply reply;
    if (!call_engine(exchange, &request, &reply)) {
        return false;
    }
    serve_label(exchange, &reply);
    exchange->answer.consistency = ANSWER_UNLABELLED;
    if (reply.status != CS_OK) {
        return refuse_from_reply(exchange, &reply);
    }
    put_body(exchange, ANSWER_JSON, reply.value);
    return true;
}

// Live: the engine's thread turns, whatever it answers.
static bool serve_live(struct exchange *exchange)
{
    struct request request = {.kind = REQUEST_READY};
    struct reply reply;
    if (!call_engine(exchange, &request, &reply)) {
        return false;
    }
    put_json(exchange, "live", NULL);
    return true;
}

static bool serve_ready(struct exchange *exchange)
{
    struct request request = {.kind = REQUEST_READY};
    struct reply reply;
    if (!call_engine(exchange, &request, &reply)) {
        return false;
    }
    serve_label(exchange, &reply);
    exchange->answer.consistency = ANSWER_UNLABELLED;
    if (reply.status != CS_OK) {
        return refuse_from_reply(exchange, &reply);
    }
    put_json(exchange, "ready", NULL);
    return true;
}

// {"name": "value", "node": "n1"}; a value of NULL is true.
static void put_json(struct exchange *exchange, const char *name, const char *value)
{
    struct cs_buffer *body = &exchange->worker->body;
    body->bytes = 0;
    text_append(body, "{");
    text_append_json(body, text_view(name));
    text_append(body, ":");
    if (value == NULL) {
        text_append(body, "true");
    } else {
        text_append_json(body, text_view(value));
    }
    text_append(body, ",\"node\":");
    text_append_json(body, text_view(exchange->answer.node));
    text_append(body, "}\n");
    put_body(exchange, ANSWER_JSON, view_of_buffer(body));
}

static void
put_body(struct exchange *exchange, enum answer_body kind, struct cs_view body)
{
    exchange->answer.body_kind = kind;
    exchange->answer.body = body;
    exchange->answer.http_status = status_http(CS_OK);
}

// True: the engine answered, well or not.
static bool
call_engine(struct exchange *exchange, struct request *request, struct reply *out_reply)
{
    memset(out_reply, 0, sizeof(*out_reply));
    request->timeout_ms = exchange->options.timeout_ms;
    if (!has_client(exchange)) {
        return refuse(&exchange->refusal, CS_OVERLOADED,
                      "this node has no socket left to handle the request");
    }
    uint64_t wait_ms = request->timeout_ms + WAIT_MARGIN_MS;
    if (!handoff_call(exchange->worker->client, request, wait_ms, out_reply)) {
        return refuse_unanswered(exchange, request->kind);
    }
    return true;
}

static bool has_client(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    if (worker->client == NULL) {
        worker->client = handoff_client_open(worker->shared->zmq_context);
        if (worker->client != NULL) {
            handoff_client_heed(worker->client, &worker->shared->is_stopping);
        }
    }
    return worker->client != NULL;
}

// The engine answers in time even without a quorum, so this is a node in distress.
static bool refuse_unanswered(struct exchange *exchange, uint32_t kind)
{
    if (kind == REQUEST_WRITE) {
        return refuse(
            &exchange->refusal, CS_UNKNOWN,
            "this node gave no answer in time: whether the write was applied is "
            "unknown");
    }
    return refuse(&exchange->refusal, CS_TIMED_OUT, "this node gave no answer in time");
}

static bool refuse_from_reply(struct exchange *exchange, const struct reply *reply)
{
    if (reply->status == CS_PRECONDITION && reply->value.bytes == 0) {
        return refuse_precondition(exchange, reply);
    }
    exchange->refusal.status = reply->status;
    refusal_take_detail(&exchange->refusal, reply->value);
    return false;
}

static bool refuse_precondition(struct exchange *exchange, const struct reply *reply)
{
    if (reply->item_revision == 0) {
        return refuse(&exchange->refusal, CS_PRECONDITION,
                      "the condition does not hold: the key does not exist");
    }
    return refuse(&exchange->refusal, CS_PRECONDITION,
                  "the condition does not hold: the key exists, at revision %llu",
                  (unsigned long long)reply->item_revision);
}

// Does the answer tell of the state, rather than of why there is none?
static bool is_from_state(enum cs_status status)
{
    return status == CS_OK || status == CS_CREATED || status == CS_UPDATED ||
           status == CS_DELETED || status == CS_NOT_FOUND || status == CS_PRECONDITION;
}
