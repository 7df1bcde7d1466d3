#include "loadtest/http.h"

#include "loadtest/message.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct head {
    uint64_t content_bytes;
    bool is_chunked;
};

void http_put_text(struct cs_buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

void http_put_number(struct cs_buffer *out, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_append(out, digits + at, sizeof digits - at);
}

/*
 * ---- answers
 * -----------------------------------------------------------------------------
 */

static bool starts_with(struct cs_view view, const char *text)
{
    size_t bytes = strlen(text);
    return view.bytes >= bytes && strncasecmp((const char *)view.data, text, bytes) == 0;
}

/* The first number in the text; UINT64_MAX: none. */
static uint64_t find_number(struct cs_view view)
{
    size_t at = 0;
    uint64_t number = 0;
    while (at < view.bytes && (view.data[at] < '0' || view.data[at] > '9')) {
        at++;
    }
    if (at == view.bytes || view.bytes - at > 19 + 8) {
        return UINT64_MAX;
    }
    for (; at < view.bytes && view.data[at] >= '0' && view.data[at] <= '9'; at++) {
        number = number * 10 + (uint64_t)(view.data[at] - '0');
    }
    return number;
}

static void take_field(struct cs_view line, struct http_answer *answer, struct head *head)
{
    if (starts_with(line, "content-length:")) {
        head->content_bytes = find_number(line);
    } else if (starts_with(line, "etag:")) {
        answer->etag = find_number(line);
    } else if (starts_with(line, "consens-revision:")) {
        answer->revision = find_number(line);
    } else if (starts_with(line, "transfer-encoding: chunked")) {
        head->is_chunked = true;
    } else if (starts_with(line, "connection: close")) {
        answer->must_close = true;
    }
}

/* The bytes of the head with its empty line; 0: not all is there. */
static size_t find_end_of_head(const uint8_t *input, size_t bytes)
{
    const uint8_t *at = input;
    const uint8_t *end = input + bytes;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (end - at >= 3 && at[1] == '\r' && at[2] == '\n') {
            return (size_t)(at - input) + 3;
        }
        at++;
    }
    return 0;
}

static bool take_head(struct cs_view bytes, struct http_answer *answer, struct head *head)
{
    const char prefix[] = "HTTP/1.";
    if (!starts_with(bytes, prefix) || bytes.bytes < sizeof "HTTP/1.1 200") {
        return false;
    }
    answer->status = (int)find_number(view_of(bytes.data + sizeof prefix, 4));
    size_t at = 0;
    while (at < bytes.bytes) {
        const uint8_t *line = bytes.data + at;
        const uint8_t *end = memchr(line, '\n', bytes.bytes - at);
        size_t line_bytes = end == NULL ? bytes.bytes - at : (size_t)(end - line);
        take_field(view_of(line, line_bytes), answer, head);
        at += line_bytes + 1;
    }
    return answer->status >= 100 && answer->status < 600;
}

/* Moves the chunks together. */
static enum http_progress
join_chunks(uint8_t *body, size_t bytes, struct http_answer *answer)
{
    size_t at = 0;
    size_t joined = 0;
    // First only a look: what is not whole stays as it is.
    for (int pass = 0; pass < 2; pass++) {
        at = 0;
        joined = 0;
        for (uint64_t size = 1; size > 0;) {
            const uint8_t *end = memchr(body + at, '\n', bytes - at);
            if (end == NULL) {
                return HTTP_MORE;
            }
            if (!isxdigit(body[at])) {
                return HTTP_GARBLED;
            }
            size = strtoull((const char *)body + at, NULL, 16); // ends at the \r
            at = (size_t)(end - body) + 1;
            if (size > HTTP_BODY_BYTES_MAX) {
                return HTTP_GARBLED;
            }
            if (bytes - at < size + 2) {
                return HTTP_MORE;
            }
            if (pass == 1) {
                memmove(body + joined, body + at, size);
            }
            joined += size;
            at += size + 2;
        }
    }
    answer->body = view_of(body, joined);
    answer->bytes += at;
    return HTTP_WHOLE;
}

enum http_progress http_read(uint8_t *input, size_t bytes, struct http_answer *out_answer)
{
    struct head head = {0};
    *out_answer = (struct http_answer){.revision = UINT64_MAX};
    size_t head_bytes = find_end_of_head(input, bytes);
    if (head_bytes == 0) {
        return bytes > HTTP_HEAD_BYTES_MAX ? HTTP_GARBLED : HTTP_MORE;
    }
    if (!take_head(view_of(input, head_bytes), out_answer, &head)) {
        return HTTP_GARBLED;
    }
    out_answer->bytes = head_bytes;
    if (head.is_chunked) {
        return join_chunks(input + head_bytes, bytes - head_bytes, out_answer);
    }
    if (head.content_bytes > HTTP_BODY_BYTES_MAX) {
        return HTTP_GARBLED;
    }
    if (bytes - head_bytes < head.content_bytes) {
        return HTTP_MORE;
    }
    out_answer->body = view_of(input + head_bytes, (size_t)head.content_bytes);
    out_answer->bytes += (size_t)head.content_bytes;
    return HTTP_WHOLE;
}

uint32_t http_result_of(int status)
{
    switch (status) {
    case 429:
        return CS_OVERLOADED;
    case 503: // its body says which of the reasons it was; all mean the same to a client
        return DRIVER_UNAVAILABLE;
    case 504:
        return CS_UNKNOWN;
    case 507:
        return CS_DISK_FULL;
    case 413:
        return CS_TOO_LARGE;
    default:
        return DRIVER_GARBLED;
    }
}

/*
 * ---- consens
 * -----------------------------------------------------------------------------
 */

static void
put_request(struct cs_buffer *out, const struct operation *operation, const char *prefix)
{
    static const char *const methods[] = {"PUT /", "GET /", "GET /", "DELETE /", "PUT /"};
    char key[MESSAGE_KEY_BYTES_MAX];
    size_t key_bytes = message_print_key(key, prefix, operation->key);
    http_put_text(out, methods[operation->kind]);
    buffer_append(out, key, key_bytes);
    http_put_text(out, operation->kind == OPERATION_LOCAL ? "?consistency=local" : "");
    http_put_text(out, " HTTP/1.1\r\nHost: loadtest\r\n");
    if (operation->kind == OPERATION_CAS && operation->condition_revision == 0) {
        http_put_text(out, "If-None-Match: *\r\n");
    } else if (operation->kind == OPERATION_CAS) {
        http_put_text(out, "If-Match: \"");
        http_put_number(out, operation->condition_revision);
        http_put_text(out, "\"\r\n");
    }
    bool has_value = operation->kind == OPERATION_PUT || operation->kind == OPERATION_CAS;
    if (has_value) {
        http_put_text(out, "Content-Length: ");
        http_put_number(out, operation->value_bytes);
        http_put_text(out, "\r\n");
    }
    http_put_text(out, "\r\n");
    if (has_value) {
        driver_put_value(buffer_extend(out, operation->value_bytes), operation->value,
                         operation->value_bytes);
    }
}

static uint32_t result_of(const struct http_answer *answer, enum operation_kind kind)
{
    bool is_put = kind == OPERATION_PUT || kind == OPERATION_CAS;
    switch (answer->status) {
    case 200:
        return is_put ? CS_UPDATED : kind == OPERATION_DELETE ? CS_DELETED : CS_OK;
    case 201:
        return is_put ? CS_CREATED : DRIVER_GARBLED;
    case 404:
        return is_put ? DRIVER_GARBLED : CS_NOT_FOUND;
    case 412:
        return kind == OPERATION_CAS ? CS_PRECONDITION : DRIVER_GARBLED;
    default:
        return http_result_of(answer->status);
    }
}

static void take_answer(const struct http_answer *answer, struct operation *operation)
{
    operation->result = result_of(answer, operation->kind);
    operation->revision = answer->revision;
    operation->item_revision = answer->etag;
    operation->version = UINT64_MAX;
    if (operation->result == CS_OK) {
        operation->value = driver_read_value(answer->body);
    }
}

const struct http_tongue http_consens = {.put = put_request, .take = take_answer};
