#include "http/answer.h"

#include "http/text.h"

struct reason {
    int http_status;
    const char *phrase;
};

static const struct reason reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};
enum { REASONS = sizeof(reasons) / sizeof(reasons[0]) };

static void append_body_fields(struct cs_buffer *out, const struct answer *answer);
static void append_labels(struct cs_buffer *out, const struct answer *answer);
static void append_field(struct cs_buffer *out, const char *name, const char *value);
static void append_number(struct cs_buffer *out, const char *name, uint64_t value);

void answer_render(struct cs_buffer *out, const struct answer *answer)
{
    out->bytes = 0;
    text_append(out, "HTTP/1.1 ");
    text_append_u64(out, (uint64_t)answer->http_status);
    text_append(out, " ");
    text_append(out, answer_reason(answer->http_status));
    text_append(out, "\r\n");
    append_body_fields(out, answer);
    append_labels(out, answer);
    if (answer->allow != NULL) {
        append_field(out, "Allow", answer->allow);
    }
    if (answer->http_status == 429 || answer->http_status == 503) {
        append_field(out, "Retry-After", "1");
    }
    // Said always: HTTP/1.0 clients need it, and it costs nothing to the others.
    append_field(out, "Connection", answer->is_keep_alive ? "keep-alive" : "close");
    text_append(out, "\r\n");
    if (!answer->is_head && answer->body_kind != ANSWER_NOTHING) {
        buffer_append(out, answer->body.data, answer->body.bytes);
    }
}

const char *answer_reason(int http_status)
{
    for (size_t i = 0; i < REASONS; i++) {
        if (reasons[i].http_status == http_status) {
            return reasons[i].phrase;
        }
    }
    return "Unnamed";
}

static void append_body_fields(struct cs_buffer *out, const struct answer *answer)
{
    switch (answer->body_kind) {
    case ANSWER_TEXT:
        append_field(out, "Content-Type", "text/plain; charset=utf-8");
        break;
    case ANSWER_VALUE:
        append_field(out, "Content-Type", "application/octet-stream");
        append_field(out, "Content-Security-Policy", "sandbox");
        break;
    case ANSWER_JSON:
        append_field(out, "Content-Type", "application/json");
        break;
    case ANSWER_PROBLEM:
        append_field(out, "Content-Type", "application/problem+json");
        break;
    case ANSWER_NOTHING:
        return; // the length would be that of the value, which a 304 does not have
    }
    append_field(out, "X-Content-Type-Options", "nosniff");
    append_number(out, "Content-Length", answer->body.bytes);
}

static void append_labels(struct cs_buffer *out, const struct answer *answer)
{
    if (answer->etag_revision != 0) {
        text_append(out, "ETag: \"");
        text_append_u64(out, answer->etag_revision);
        text_append(out, "\"\r\n");
    }
    if (answer->has_revision) {
        append_number(out, "Consens-Revision", answer->revision);
    }
    append_field(out, "Consens-Node", answer->node);
    if (answer->leader != NULL) {
        append_field(out, "Consens-Leader", answer->leader);
    }
    if (answer->consistency == ANSWER_LOCAL) {
        append_field(out, "Consens-Consistency", "local");
        append_number(out, "Consens-Lag-Ms", answer->lag_ms);
    } else if (answer->consistency == ANSWER_LINEARIZABLE) {
        append_field(out, "Consens-Consistency", "linearizable");
    }
    if (answer->durability != NULL) {
        append_field(out, "Consens-Durability", answer->durability);
    }
}

static void append_field(struct cs_buffer *out, const char *name, const char *value)
{
    text_append(out, name);
    text_append(out, ": ");
    text_append(out, value);
    text_append(out, "\r\n");
}

static void append_number(struct cs_buffer *out, const char *name, uint64_t value)
{
    text_append(out, name);
    text_append(out, ": ");
    text_append_u64(out, value);
    text_append(out, "\r\n");
}
