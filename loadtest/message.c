/*
 * message.c - requests out, answers in.
 *
 *   request  94|95|93|94 cf<id> a.<op> c4 <key> [c4|c5|c6 <value>] [81 <option>]
 *   answer   98 id code revision item_revision created_revision version value|nil info|nil
 *
 * Written by hand instead of packed: the load shares its processors with the servers.
 */
#include "loadtest/message.h"

#include "wire/client_message.h"
#include "wire/reader.h"

enum { NIL = 0xc0, ANSWER_FIELDS = 8, WORD_BYTES_MAX = 64 };

static void
put_big_endian(struct cs_buffer *out, uint8_t form, uint64_t value, size_t width)
{
    uint8_t *to = buffer_extend(out, 1 + width);
    to[0] = form;
    for (size_t i = 0; i < width; i++) {
        to[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
}

static void put_text(struct cs_buffer *out, const char *text)
{
    size_t bytes = strlen(text); // a str of at most 31 bytes
    *buffer_extend(out, 1) = (uint8_t)(0xa0 | bytes);
    buffer_append(out, text, bytes);
}

static uint8_t *put_bytes(struct cs_buffer *out, size_t bytes)
{
    if (bytes < 0x100) {
        put_big_endian(out, 0xc4, bytes, 1);
    } else if (bytes < 0x10000) {
        put_big_endian(out, 0xc5, bytes, 2);
    } else {
        put_big_endian(out, 0xc6, bytes, 4);
    }
    return buffer_extend(out, bytes);
}

size_t
message_print_key(char out_key[MESSAGE_KEY_BYTES_MAX], const char *prefix, uint64_t key)
{
    enum { DIGITS_MIN = 8 };
    char digits[20];
    size_t count = 0;
    while (key > 0 || count < DIGITS_MIN) {
        digits[count++] = (char)('0' + key % 10);
        key /= 10;
    }
    size_t bytes = 0;
    while (prefix[bytes] != '\0') {
        out_key[bytes] = prefix[bytes];
        bytes++;
    }
    while (count > 0) {
        out_key[bytes++] = digits[--count];
    }
    return bytes;
}

void message_put_batch(struct cs_buffer *out, uint32_t count)
{
    put_big_endian(out, 0xdc, count, 2);
}

static void put_option(struct cs_buffer *out, const struct operation *operation)
{
    *buffer_extend(out, 1) = 0x81;
    if (operation->kind == OPERATION_LOCAL) {
        put_text(out, "consistency");
        put_text(out, "local");
    } else if (operation->condition_revision == 0) {
        put_text(out, "if_absent");
        *buffer_extend(out, 1) = 0xc3;
    } else {
        put_text(out, "if_revision");
        put_big_endian(out, 0xcf, operation->condition_revision, 8);
    }
}

void message_put_request(struct cs_buffer *out,
                         uint64_t id,
                         const struct operation *operation,
                         const char *prefix)
{
    static const char *const words[] = {"put", "get", "get", "delete", "put"};
    char key[MESSAGE_KEY_BYTES_MAX];
    size_t key_bytes = message_print_key(key, prefix, operation->key);
    enum operation_kind kind = operation->kind;
    bool has_value = kind == OPERATION_PUT || kind == OPERATION_CAS;
    bool has_option = kind == OPERATION_LOCAL || kind == OPERATION_CAS;
    *buffer_extend(out, 1) = (uint8_t)(0x93 + has_value + has_option);
    put_big_endian(out, 0xcf, id, 8);
    put_text(out, words[kind]);
    memcpy(put_bytes(out, key_bytes), key, key_bytes);
    if (has_value) {
        driver_put_value(put_bytes(out, operation->value_bytes), operation->value,
                         operation->value_bytes);
    }
    if (has_option) {
        put_option(out, operation);
    }
}

bool message_open(struct cs_view bytes, struct message_answers *out_answers)
{
    struct reader reader = reader_over(bytes, false);
    struct reader probe = reader;
    (void)reader_take_array(&probe, 1, CLIENT_BATCH_REQUESTS_MAX);
    *out_answers = (struct message_answers){.bytes = bytes, .count = 1};
    if (reader_is_at_array(&probe)) {
        out_answers->count = reader_take_array(&reader, 1, CLIENT_BATCH_REQUESTS_MAX);
        out_answers->at = reader.at;
    }
    return !probe.has_failed;
}

static bool is_at_nil(const struct reader *reader)
{
    return !reader->has_failed && reader->at < reader->bytes.bytes &&
           reader->bytes.data[reader->at] == NIL;
}

static uint32_t take_code(struct reader *reader)
{
    struct cs_view word = reader_take_bytes(reader, WORD_BYTES_MAX);
    for (uint32_t i = 0; i < CS_STATUS_COUNT && !reader->has_failed; i++) {
        const char *name = status_word((enum cs_status)i);
        if (strlen(name) == word.bytes && memcmp(name, word.data, word.bytes) == 0) {
            return i;
        }
    }
    return DRIVER_GARBLED;
}

/* What `info` holds: words with strings, numbers or booleans. */
static void skip_info(struct reader *reader)
{
    enum { PAIRS_MAX = 32, TEXT_BYTES_MAX = 4096 };
    uint32_t pairs = reader_take_map(reader, PAIRS_MAX);
    for (uint32_t i = 0; i < pairs && !reader->has_failed; i++) {
        (void)reader_take_bytes(reader, WORD_BYTES_MAX);
        bool is_there = !reader->has_failed && reader->at < reader->bytes.bytes;
        uint8_t first = is_there ? reader->bytes.data[reader->at] : NIL; // which fails
        if (first == 0xc2 || first == 0xc3) {
            (void)reader_take_bool(reader);
        } else if (first < 0x80 || (first >= 0xcc && first <= 0xd3)) {
            (void)reader_take_u64(reader, UINT64_MAX);
        } else {
            (void)reader_take_bytes(reader, TEXT_BYTES_MAX);
        }
    }
}

bool message_take(struct message_answers *answers,
                  uint64_t *out_id,
                  struct operation *out_answer)
{
    struct reader reader = reader_over(answers->bytes, false);
    reader.at = answers->at;
    (void)reader_take_array(&reader, ANSWER_FIELDS, ANSWER_FIELDS);
    *out_id = reader_take_u64(&reader, UINT64_MAX);
    out_answer->result = take_code(&reader);
    out_answer->revision = reader_take_u64(&reader, UINT64_MAX);
    out_answer->item_revision = reader_take_u64(&reader, UINT64_MAX);
    (void)reader_take_u64(&reader, UINT64_MAX); // created_revision
    out_answer->version = reader_take_u64(&reader, UINT64_MAX);
    bool is_read =
        out_answer->kind == OPERATION_GET || out_answer->kind == OPERATION_LOCAL;
    if (is_at_nil(&reader)) {
        reader.at++;
    } else {
        struct cs_view value = reader_take_bytes(&reader, SIZE_MAX);
        if (is_read && !reader.has_failed) {
            out_answer->value = driver_read_value(value);
        }
    }
    if (is_at_nil(&reader)) {
        reader.at++;
    } else {
        skip_info(&reader);
    }
    answers->at = reader.at;
    return !reader.has_failed;
}
