/*
 * etcd.c - etcd's JSON gateway: keys and values in base64, numbers as strings. Measured
 * only: its answers do not tell whether a put created its key.
 */
#include "loadtest/http.h"

#include "loadtest/message.h"

static void put_base64(struct cs_buffer *out, const uint8_t *bytes, size_t count)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *to = buffer_extend(out, (count + 2) / 3 * 4);
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t three = (uint32_t)bytes[i] << 16 |
                         (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0U) |
                         (left > 2 ? bytes[i + 2] : 0U);
        *to++ = (uint8_t)letters[three >> 18];
        *to++ = (uint8_t)letters[three >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)letters[three >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)letters[three & 63] : '=';
    }
}

static void put_value(struct cs_buffer *out, const struct operation *operation)
{
    struct cs_buffer value = {0};
    driver_put_value(buffer_extend(&value, operation->value_bytes), operation->value,
                     operation->value_bytes);
    http_put_text(out, "\",\"value\":\"");
    put_base64(out, value.data, value.bytes);
    buffer_fini(&value);
}

static void
put_request(struct cs_buffer *out, const struct operation *operation, const char *prefix)
{
    static const char *const calls[] = {"put", "range", "range", "deleterange", "put"};
    char key[MESSAGE_KEY_BYTES_MAX];
    size_t key_bytes = message_print_key(key, prefix, operation->key);
    bool has_value = operation->kind == OPERATION_PUT;
    bool is_local = operation->kind == OPERATION_LOCAL;
    size_t body_bytes = strlen("{\"key\":\"\"}") + (key_bytes + 2) / 3 * 4;
    if (has_value) {
        body_bytes +=
            strlen(",\"value\":\"\"") + ((size_t)operation->value_bytes + 2) / 3 * 4;
    }
    body_bytes += is_local ? strlen(",\"serializable\":true") : 0;
    http_put_text(out, "POST /v3/kv/");
    http_put_text(out, calls[operation->kind]);
    http_put_text(out, " HTTP/1.1\r\nHost: loadtest\r\nContent-Length: ");
    http_put_number(out, body_bytes);
    http_put_text(out, "\r\n\r\n{\"key\":\"");
    put_base64(out, (const uint8_t *)key, key_bytes);
    if (has_value) {
        put_value(out, operation);
    }
    http_put_text(out, is_local ? "\",\"serializable\":true}" : "\"}");
}

static bool has_text(struct cs_view body, const char *text)
{
    size_t bytes = strlen(text);
    for (size_t at = 0; at + bytes <= body.bytes; at++) {
        if (memcmp(body.data + at, text, bytes) == 0) {
            return true;
        }
    }
    return false;
}

static void take_answer(const struct http_answer *answer, struct operation *operation)
{
    bool is_read = operation->kind == OPERATION_GET || operation->kind == OPERATION_LOCAL;
    operation->revision = UINT64_MAX;
    operation->version = UINT64_MAX;
    if (answer->status != 200 || !has_text(answer->body, "\"revision\":")) {
        operation->result = answer->status == 200 ? (uint32_t)DRIVER_GARBLED
                                                  : http_result_of(answer->status);
    } else if (is_read) {
        operation->result = has_text(answer->body, "\"kvs\":") ? CS_OK : CS_NOT_FOUND;
    } else if (operation->kind == OPERATION_DELETE) {
        operation->result =
            has_text(answer->body, "\"deleted\":") ? CS_DELETED : CS_NOT_FOUND;
    } else {
        operation->result = CS_UPDATED;
    }
}

const struct http_tongue http_etcd = {.put = put_request, .take = take_answer};
