#include "client/request.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)CONSENS_KEY_BYTES_MAX == (int)LIMIT_KEY_BYTES,
               "the header's limits are ours");
_Static_assert((int)CONSENS_VALUE_BYTES_MAX == (int)LIMIT_VALUE_BYTES,
               "the header's limits are ours");
_Static_assert((int)CONSENS_TIMEOUT_MS == (int)CLIENT_TIMEOUT_DEFAULT_MS, "protocol.md");
_Static_assert((int)CONSENS_TIMEOUT_MAX_MS == (int)CLIENT_TIMEOUT_MAX_MS, "protocol.md");
_Static_assert((int)CONSENS_IF_REVISION == (int)COMMAND_IF_REVISION, "same numbers");
_Static_assert((int)CONSENS_LOCAL == (int)REQUEST_LOCAL, "same numbers");

static const char *const OP_WORDS[] = {
    [OP_PUT] = "put",       [OP_GET] = "get",       [OP_HEAD] = "head",
    [OP_DELETE] = "delete", [OP_STATUS] = "status", [OP_SESSION] = "session",
};

/* The first reason counts. */
static void
refuse(struct consens_request *request, enum consens_code code, const char *reason)
{
    if (request->refusal == CONSENS_OK) {
        request->refusal = code;
        request->reason = reason;
    }
}

struct consens_request *request_new(enum request_op op)
{
    struct consens_request *request = calloc(1, sizeof *request);
    CHECK(request != NULL);
    request->op = op;
    request->timeout_ms = CONSENS_TIMEOUT_MS;
    return request;
}

static void add_key(struct consens_request *request, const void *key, size_t key_bytes)
{
    if (key_bytes == 0) {
        refuse(request, CONSENS_MALFORMED, "the key is empty: it has 1 to 1024 bytes");
    } else if (key_bytes > CONSENS_KEY_BYTES_MAX) {
        refuse(request, CONSENS_KEY_TOO_LONG,
               "the key is too long: it has 1 to 1024 bytes");
        request->limit = CONSENS_KEY_BYTES_MAX;
        request->actual = key_bytes;
    } else {
        buffer_append(&request->bytes, key, key_bytes);
        request->key_bytes = key_bytes;
    }
}

consens_request_t *consens_request_put(const void *key,
                                       size_t key_bytes,
                                       const void *value,
                                       size_t value_bytes)
{
    struct consens_request *request = request_new(OP_PUT);
    add_key(request, key, key_bytes);
    if (value_bytes > CONSENS_VALUE_BYTES_MAX) {
        refuse(request, CONSENS_TOO_LARGE,
               "the value is too large: it has at most 1 MiB");
        request->limit = CONSENS_VALUE_BYTES_MAX;
        request->actual = value_bytes;
    } else if (value_bytes > 0) {
        buffer_append(&request->bytes, value, value_bytes);
    }
    return request;
}

static consens_request_t *
new_with_key(enum request_op op, const void *key, size_t key_bytes)
{
    struct consens_request *request = request_new(op);
    add_key(request, key, key_bytes);
    return request;
}

consens_request_t *consens_request_get(const void *key, size_t key_bytes)
{
    return new_with_key(OP_GET, key, key_bytes);
}

consens_request_t *consens_request_head(const void *key, size_t key_bytes)
{
    return new_with_key(OP_HEAD, key, key_bytes);
}

consens_request_t *consens_request_delete(const void *key, size_t key_bytes)
{
    return new_with_key(OP_DELETE, key, key_bytes);
}

consens_request_t *consens_request_status(void)
{
    return request_new(OP_STATUS);
}

bool request_is_write(const struct consens_request *request)
{
    return request->op == OP_PUT || request->op == OP_DELETE;
}

bool request_is_read(const struct consens_request *request)
{
    return request->op == OP_GET || request->op == OP_HEAD;
}

bool request_is_in_session(const struct consens_request *request)
{
    return request_is_write(request) && request->delivery == CONSENS_EXACTLY_ONCE;
}

/* ---- options ----------------------------------------------------------------------- */

void consens_request_set_condition(consens_request_t *request,
                                   enum consens_condition condition,
                                   uint64_t revision)
{
    if (!request_is_write(request) || condition > CONSENS_IF_REVISION) {
        refuse(request, CONSENS_MALFORMED, "conditions are of put and delete");
        return;
    }
    request->condition = condition;
    request->condition_revision = condition == CONSENS_IF_REVISION ? revision : 0;
}

void consens_request_set_delivery(consens_request_t *request,
                                  enum consens_delivery delivery)
{
    if (!request_is_write(request) || delivery > CONSENS_AT_MOST_ONCE) {
        refuse(request, CONSENS_MALFORMED, "delivery is of put and delete");
        return;
    }
    request->delivery = delivery;
}

static bool may_ask_read(struct consens_request *request)
{
    if (!request_is_read(request)) {
        refuse(request, CONSENS_MALFORMED,
               "consistency, min_revision and unless_revision are of get and head");
        return false;
    }
    return true;
}

void consens_request_set_consistency(consens_request_t *request,
                                     enum consens_consistency consistency)
{
    if (may_ask_read(request)) {
        request->consistency = consistency;
    }
}

void consens_request_set_min_revision(consens_request_t *request, uint64_t revision)
{
    if (may_ask_read(request)) {
        request->min_revision = revision;
    }
}

void consens_request_set_unless_revision(consens_request_t *request, uint64_t revision)
{
    if (may_ask_read(request)) {
        request->has_unless_revision = true;
        request->unless_revision = revision;
    }
}

void consens_request_set_timeout(consens_request_t *request, uint32_t timeout_ms)
{
    if (timeout_ms < 1 || timeout_ms > CONSENS_TIMEOUT_MAX_MS) {
        refuse(request, CONSENS_MALFORMED, "a time-out is 1 to 60000 ms");
        return;
    }
    request->timeout_ms = timeout_ms;
}

/* ---- inspecting -------------------------------------------------------------------- */

enum consens_code consens_request_check(const consens_request_t *request)
{
    return request->refusal;
}

const void *consens_request_key(const consens_request_t *request, size_t *out_bytes)
{
    *out_bytes = request->key_bytes;
    return request->key_bytes > 0 ? request->bytes.data : NULL;
}

const void *consens_request_value(const consens_request_t *request, size_t *out_bytes)
{
    *out_bytes = request->bytes.bytes - request->key_bytes;
    return *out_bytes > 0 ? request->bytes.data + request->key_bytes : NULL;
}

static void say(struct cs_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct cs_buffer *text, const char *format, ...)
{
    char part[128];
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(part, sizeof part, format, arguments);
    va_end(arguments);
    CHECK(count >= 0 && (size_t)count < sizeof part);
    buffer_append(text, part, (size_t)count);
}

static void say_key(struct cs_buffer *text, const struct consens_request *request)
{
    say(text, " \"");
    for (size_t i = 0; i < request->key_bytes; i++) {
        unsigned byte = request->bytes.data[i];
        bool is_plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        say(text, is_plain ? "%c" : "\\x%02x", byte);
    }
    say(text, "\"");
}

static void say_options(struct cs_buffer *text, const struct consens_request *request)
{
    static const char *const CONDITIONS[] = {"", " if_absent", " if_exists",
                                             " if_revision"};
    say(text, "%s", CONDITIONS[request->condition]);
    if (request->condition == CONSENS_IF_REVISION) {
        say(text, "=%llu", (unsigned long long)request->condition_revision);
    }
    say(text, "%s", request->delivery == CONSENS_AT_MOST_ONCE ? " at_most_once" : "");
    say(text, "%s", request->consistency == CONSENS_LOCAL ? " consistency=local" : "");
    if (request->min_revision != 0) {
        say(text, " min_revision=%llu", (unsigned long long)request->min_revision);
    }
    if (request->has_unless_revision) {
        say(text, " unless_revision=%llu", (unsigned long long)request->unless_revision);
    }
    say(text, " timeout_ms=%u", request->timeout_ms);
}

size_t consens_request_format(const consens_request_t *request,
                              char *out_text,
                              size_t text_bytes)
{
    struct cs_buffer text = {0};
    say(&text, "%s", OP_WORDS[request->op]);
    if (request->key_bytes > 0) {
        say_key(&text, request);
    }
    if (request->op == OP_PUT) {
        say(&text, " %zu bytes", request->bytes.bytes - request->key_bytes);
    }
    say_options(&text, request);
    size_t count = text.bytes;
    if (text_bytes > 0) {
        size_t kept = count < text_bytes ? count : text_bytes - 1;
        memcpy(out_text, text.data, kept);
        out_text[kept] = '\0';
    }
    buffer_fini(&text);
    return count;
}

/* ---- the rest of its life ---------------------------------------------------------- */

struct consens_request *request_copy(const struct consens_request *request)
{
    struct consens_request *copy = request_new(request->op);
    *copy = *request;
    copy->bytes = (struct cs_buffer){0};
    if (request->bytes.bytes > 0) {
        buffer_append(&copy->bytes, request->bytes.data, request->bytes.bytes);
    }
    return copy;
}

void consens_request_destroy(consens_request_t **request_slot)
{
    if (*request_slot != NULL) {
        buffer_fini(&(*request_slot)->bytes);
        free(*request_slot);
        *request_slot = NULL;
    }
}

struct client_request request_for_wire(const struct consens_request *request)
{
    struct client_request wire = {
        .has_unless_revision = request->has_unless_revision,
        .unless_revision = request->unless_revision,
        .request = {.consistency = (uint32_t)request->consistency,
                    .min_revision = request->min_revision,
                    .key = view_of(request->bytes.data, request->key_bytes)},
        .command = {.condition = (uint32_t)request->condition,
                    .condition_revision = request->condition_revision},
    };
    switch (request->op) {
    case OP_GET:
        wire.request.kind = REQUEST_GET;
        break;
    case OP_HEAD:
        wire.request.kind = REQUEST_HEAD;
        break;
    case OP_STATUS:
        wire.request.kind = REQUEST_STATUS;
        break;
    case OP_PUT:
    case OP_DELETE:
    case OP_SESSION:
        wire.request.kind = REQUEST_WRITE;
        wire.command.operation = request->op == OP_PUT      ? COMMAND_PUT
                                 : request->op == OP_DELETE ? COMMAND_DELETE
                                                            : COMMAND_OPEN_SESSION;
        wire.command.key = wire.request.key;
        size_t value_bytes = 0;
        const void *value = consens_request_value(request, &value_bytes);
        wire.command.value = view_of(value, value_bytes);
        break;
    }
    return wire;
}
