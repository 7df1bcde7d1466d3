/*
 * client_message.c - requests and answers of include/consens/protocol.md.
 *
 *   message  request | [request, ...]
 *   request  [id, op, key?, value?, options?]    key and value where op has them
 *   answer   98 id code revision item_revision created_revision version value|nil info|nil
 */
#include "wire/client_message.h"

#include "base/check.h"
#include "base/limits.h"
#include "wire/writer.h"

#include <string.h>

enum {
    ANSWER_FIELDS = 8,
    WORD_BYTES_MAX = 32, // longer than any op, option or word of this protocol
    OPTIONS_MAX = 16,
    WRITE_ONLY = 1, // what an option is for
    READ_ONLY = 2,
};

struct op {
    const char *word;
    uint32_t kind;      // enum request_kind
    uint32_t operation; // WRITE: enum command_operation
    bool has_key;
    bool has_value;
};

static const struct op ops[] = {
    {"put", REQUEST_WRITE, COMMAND_PUT, true, true},
    {"get", REQUEST_GET, 0, true, false},
    {"delete", REQUEST_WRITE, COMMAND_DELETE, true, false},
    {"head", REQUEST_HEAD, 0, true, false},
    {"session", REQUEST_WRITE, COMMAND_OPEN_SESSION, false, false},
    {"status", REQUEST_STATUS, 0, false, false},
};

enum { OP_COUNT = sizeof ops / sizeof *ops };

static bool take_request(struct reader *reader,
                         uint64_t value_bytes_max,
                         struct client_request *out,
                         const char **out_reason);
static const struct op *take_op(struct reader *reader);
static void take_subject(struct reader *reader,
                         const struct op *op,
                         uint64_t value_bytes_max,
                         struct client_request *out);
static const char *take_options(struct reader *reader, struct client_request *out);
static void put_word(msgpack_packer *packer, const char *word);
static void put_info(msgpack_packer *packer, const struct client_answer *answer);

static bool fail(const char **out_reason, const char *reason)
{
    *out_reason = reason;
    return false;
}

bool client_message_open(struct cs_view bytes,
                         uint64_t value_bytes_max,
                         struct client_message *out_message,
                         const char **out_reason)
{
    struct client_message message = {.reader = reader_over(bytes, false),
                                     .request_count = 1};
    struct reader *reader = &message.reader;
    struct reader probe = *reader;
    (void)reader_take_array(&probe, 1, CLIENT_BATCH_REQUESTS_MAX);
    if (probe.has_failed) {
        return fail(out_reason, "a message is one msgpack array: a request, or a list of "
                                "1 to 1024 requests");
    }
    message.is_batch = reader_is_at_array(&probe);
    if (message.is_batch) {
        message.request_count = reader_take_array(reader, 1, CLIENT_BATCH_REQUESTS_MAX);
    }
    probe = *reader;
    for (uint32_t i = 0; i < message.request_count; i++) {
        struct client_request request;
        if (!take_request(&probe, value_bytes_max, &request, out_reason)) {
            return false;
        }
    }
    if (!reader_end(&probe)) {
        return fail(out_reason, "bytes follow the end of the array");
    }
    *out_message = message;
    return true;
}

void client_message_take(struct client_message *message,
                         uint64_t value_bytes_max,
                         struct client_request *out_request)
{
    const char *reason = NULL;
    bool is_taken = take_request(&message->reader, value_bytes_max, out_request, &reason);
    CHECK(is_taken); // client_message_open() has read the very same bytes
}

void client_batch_pack(struct cs_buffer *out, uint32_t answer_count)
{
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, answer_count);
}

void client_answer_pack(struct cs_buffer *out, const struct client_answer *answer)
{
    const struct reply *reply = answer->reply;
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, ANSWER_FIELDS);
    writer_put_u64(&packer, answer->id);
    put_word(&packer, status_word(reply->status));
    writer_put_u64(&packer, reply->revision);
    writer_put_u64(&packer, reply->item_revision);
    writer_put_u64(&packer, reply->created_revision);
    writer_put_u64(&packer, reply->version);
    if (answer->has_value) {
        writer_put_bytes(&packer, reply->value);
    } else {
        (void)msgpack_pack_nil(&packer);
    }
    put_info(&packer, answer);
}

/* False: *out_reason says why. */
static bool take_request(struct reader *reader,
                         uint64_t value_bytes_max,
                         struct client_request *out,
                         const char **out_reason)
{
    memset(out, 0, sizeof *out);
    uint32_t fields = reader_take_array(reader, 2, 5);
    out->id = reader_take_u64(reader, UINT64_MAX);
    if (reader->has_failed) {
        return fail(out_reason,
                    "a request is [id, op, ...] with 2 to 5 elements, and its "
                    "id an unsigned integer");
    }
    const struct op *op = take_op(reader);
    if (op == NULL) {
        return fail(out_reason, "op is one of put, get, head, delete, session, status");
    }
    uint32_t subject_fields = (uint32_t)op->has_key + (uint32_t)op->has_value;
    if (fields != 2 + subject_fields && fields != 3 + subject_fields) {
        return fail(out_reason, "a request is [id, \"put\", key, value], "
                                "[id, \"get\" | \"head\" | \"delete\", key], "
                                "[id, \"status\"], and a map of options may follow");
    }
    take_subject(reader, op, value_bytes_max, out);
    if (reader->has_failed || (op->has_key && out->request.key.bytes == 0)) {
        return fail(out_reason, "key and value are bin or str, and a key has 1 to 1024 "
                                "bytes");
    }
    if (fields == 3 + subject_fields) {
        const char *reason = take_options(reader, out);
        return reason == NULL || fail(out_reason, reason);
    }
    return true;
}

static bool is_word(struct cs_view view, const char *word)
{
    size_t bytes = strlen(word);
    return view.bytes == bytes && memcmp(view.data, word, bytes) == 0;
}

static const struct op *take_op(struct reader *reader)
{
    struct cs_view word = reader_take_bytes(reader, WORD_BYTES_MAX);
    for (size_t i = 0; i < OP_COUNT && !reader->has_failed; i++) {
        if (is_word(word, ops[i].word)) {
            return &ops[i];
        }
    }
    return NULL;
}

static void refuse_length(struct client_request *out,
                          enum cs_status status,
                          uint64_t limit,
                          uint64_t actual)
{
    if (actual > limit && out->refusal == CS_OK) {
        out->refusal = status;
        out->limit = limit;
        out->actual = actual;
    }
}

static void take_subject(struct reader *reader,
                         const struct op *op,
                         uint64_t value_bytes_max,
                         struct client_request *out)
{
    struct request *request = &out->request;
    request->kind = op->kind;
    request->timeout_ms = CLIENT_TIMEOUT_DEFAULT_MS;
    if (op->has_key) {
        request->key = reader_take_bytes(reader, SIZE_MAX);
        refuse_length(out, CS_KEY_TOO_LONG, LIMIT_KEY_BYTES, request->key.bytes);
    }
    if (op->has_value) {
        out->command.value = reader_take_bytes(reader, SIZE_MAX);
        refuse_length(out, CS_TOO_LARGE, value_bytes_max, out->command.value.bytes);
    }
    out->command.operation = op->operation;
    out->command.key = request->key;
}

static void take_true(struct reader *reader)
{
    reader->has_failed = !reader_take_bool(reader) || reader->has_failed;
}

/* At most one condition: a second one fails. */
static void
set_condition(struct reader *reader, struct client_request *out, uint32_t condition)
{
    reader->has_failed = reader->has_failed || out->command.condition != COMMAND_ALWAYS;
    out->command.condition = condition;
}

static void take_if_absent(struct reader *reader, struct client_request *out)
{
    take_true(reader);
    set_condition(reader, out, COMMAND_IF_ABSENT);
}

static void take_if_exists(struct reader *reader, struct client_request *out)
{
    take_true(reader);
    set_condition(reader, out, COMMAND_IF_EXISTS);
}

static void take_if_revision(struct reader *reader, struct client_request *out)
{
    out->command.condition_revision = reader_take_u64(reader, UINT64_MAX);
    set_condition(reader, out, COMMAND_IF_REVISION);
}

/* [session, sequence, acknowledged] */
static void take_session(struct reader *reader, struct client_request *out)
{
    struct command *command = &out->command;
    (void)reader_take_array(reader, 3, 3);
    command->session = reader_take_u64(reader, UINT64_MAX);
    command->sequence = reader_take_u64(reader, UINT64_MAX);
    command->acknowledged = reader_take_u64(reader, UINT64_MAX);
    reader->has_failed = reader->has_failed || command->session == 0 ||
                         command->acknowledged >= command->sequence;
}

static void take_unless_revision(struct reader *reader, struct client_request *out)
{
    out->unless_revision = reader_take_u64(reader, UINT64_MAX);
    out->has_unless_revision = true;
}

static void take_consistency(struct reader *reader, struct client_request *out)
{
    struct cs_view word = reader_take_bytes(reader, WORD_BYTES_MAX);
    bool is_local = is_word(word, "local");
    reader->has_failed =
        reader->has_failed || (!is_local && !is_word(word, "linearizable"));
    out->request.consistency = is_local ? REQUEST_LOCAL : REQUEST_LINEARIZABLE;
}

static void take_min_revision(struct reader *reader, struct client_request *out)
{
    out->request.min_revision = reader_take_u64(reader, UINT64_MAX);
}

static void take_timeout(struct reader *reader, struct client_request *out)
{
    out->request.timeout_ms = reader_take_u64(reader, CLIENT_TIMEOUT_MAX_MS);
    reader->has_failed = reader->has_failed || out->request.timeout_ms == 0;
}

struct option {
    const char *word;
    int only; // WRITE_ONLY, READ_ONLY; 0: all
    void (*take)(struct reader *reader, struct client_request *out);
    const char *reason; // why its value is refused
};

static const struct option options[] = {
    {"if_absent", WRITE_ONLY, take_if_absent,
     "if_absent is true, and the only condition, of put and delete"},
    {"if_exists", WRITE_ONLY, take_if_exists,
     "if_exists is true, and the only condition, of put and delete"},
    {"if_revision", WRITE_ONLY, take_if_revision,
     "if_revision is an unsigned integer, and the only condition, of put and delete"},
    {"session", WRITE_ONLY, take_session,
     "session is [session, sequence, acknowledged] of put and delete, with a session "
     "that was opened and acknowledged below sequence"},
    {"unless_revision", READ_ONLY, take_unless_revision,
     "unless_revision is an unsigned integer, of get and head"},
    {"consistency", READ_ONLY, take_consistency,
     "consistency is \"linearizable\" or \"local\", of get and head"},
    {"min_revision", READ_ONLY, take_min_revision,
     "min_revision is an unsigned integer, of get and head"},
    {"timeout_ms", 0, take_timeout, "timeout_ms is an integer from 1 to 60000"},
};

enum { OPTION_COUNT = sizeof options / sizeof *options };

static bool may_have(const struct option *option, const struct client_request *out)
{
    bool is_write = out->request.kind == REQUEST_WRITE &&
                    out->command.operation != COMMAND_OPEN_SESSION;
    bool is_read = out->request.kind == REQUEST_GET || out->request.kind == REQUEST_HEAD;
    return option->only == 0 || (option->only == WRITE_ONLY ? is_write : is_read);
}

/* One pair. NULL, or why it is refused. */
static const char *take_option(struct reader *reader, struct client_request *out)
{
    struct cs_view word = reader_take_bytes(reader, WORD_BYTES_MAX);
    for (size_t i = 0; i < OPTION_COUNT && !reader->has_failed; i++) {
        const struct option *option = &options[i];
        if (is_word(word, option->word)) {
            if (may_have(option, out)) {
                option->take(reader, out);
            } else {
                reader->has_failed = true;
            }
            return reader->has_failed ? option->reason : NULL;
        }
    }
    reader->has_failed = true;
    return "an option is not one of if_absent, if_exists, if_revision, session, "
           "unless_revision, consistency, min_revision, timeout_ms";
}

/* NULL, or why they are refused. */
static const char *take_options(struct reader *reader, struct client_request *out)
{
    uint32_t count = reader_take_map(reader, OPTIONS_MAX);
    if (reader->has_failed) {
        return "options are a map of at most 16 pairs";
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *reason = take_option(reader, out);
        if (reason != NULL) {
            return reason;
        }
    }
    return NULL;
}

static void put_word(msgpack_packer *packer, const char *word)
{
    (void)msgpack_pack_str_with_body(packer, word, strlen(word));
}

static void put_number(msgpack_packer *packer, const char *name, uint64_t value)
{
    put_word(packer, name);
    writer_put_u64(packer, value);
}

static void put_text(msgpack_packer *packer, const char *name, struct cs_view text)
{
    put_word(packer, name);
    (void)msgpack_pack_str_with_body(packer, text.data, text.bytes);
}

static void put_error(msgpack_packer *packer, const struct client_answer *answer)
{
    const struct reply *reply = answer->reply;
    struct cs_view detail = reply->value;
    if (detail.bytes == 0) {
        const char *text = status_text(reply->status);
        detail = view_of(text, strlen(text));
    }
    bool is_unknown = status_applied(reply->status) == CS_APPLIED_UNKNOWN;
    put_text(packer, "detail", detail);
    put_word(packer, "applied");
    put_word(packer, is_unknown ? "unknown" : "no");
    put_word(packer, "retryable");
    if (status_is_retryable(reply->status)) {
        (void)msgpack_pack_true(packer);
    } else {
        (void)msgpack_pack_false(packer);
    }
}

/* Answers that need no explanation. */
static bool is_plain(enum cs_status status)
{
    return status_http(status) < 300 || status == CS_NOT_MODIFIED ||
           status == CS_NOT_FOUND;
}

static void put_info(msgpack_packer *packer, const struct client_answer *answer)
{
    const struct reply *reply = answer->reply;
    bool is_error = !is_plain(reply->status);
    bool has_leader = is_error && answer->leader != NULL;
    bool has_limit = is_error && answer->limit > 0;
    size_t count = (is_error ? 3U : 0U) + (has_leader ? 1U : 0U) + (has_limit ? 2U : 0U) +
                   (reply->session != 0 ? 1U : 0U) + (reply->is_replay ? 1U : 0U) +
                   (answer->is_local ? 1U : 0U) + (answer->durability != NULL ? 1U : 0U);
    if (count == 0) {
        (void)msgpack_pack_nil(packer);
        return;
    }
    (void)msgpack_pack_map(packer, count);
    if (is_error) {
        put_error(packer, answer);
    }
    if (has_limit) {
        put_number(packer, "limit", answer->limit);
        put_number(packer, "actual", answer->actual);
    }
    if (has_leader) {
        put_text(packer, "leader", view_of(answer->leader, strlen(answer->leader)));
    }
    if (reply->session != 0) {
        put_number(packer, "session", reply->session);
    }
    if (reply->is_replay) {
        put_word(packer, "replay");
        (void)msgpack_pack_true(packer);
    }
    if (answer->is_local) {
        put_number(packer, "lag_ms", reply->lag_ms);
    }
    if (answer->durability != NULL) {
        put_text(packer, "durability",
                 view_of(answer->durability, strlen(answer->durability)));
    }
}
