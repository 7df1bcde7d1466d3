/*
 * client_call.c - include/consens/protocol.md as a client speaks it; the forms are those of
 * client_message.c.
 */
#include "wire/client_call.h"

#include "base/check.h"
#include "wire/writer.h"

#include <string.h>

enum { ANSWER_FIELDS = 8, INFO_PAIRS_MAX = 64, WORD_BYTES_MAX = 64 };

static void put_word(msgpack_packer *packer, const char *word)
{
    (void)msgpack_pack_str_with_body(packer, word, strlen(word));
}

static void put_number(msgpack_packer *packer, const char *name, uint64_t value)
{
    put_word(packer, name);
    writer_put_u64(packer, value);
}

static void put_true(msgpack_packer *packer, const char *name)
{
    put_word(packer, name);
    (void)msgpack_pack_true(packer);
}

static const char *op_of(const struct client_request *request)
{
    switch ((enum request_kind)request->request.kind) {
    case REQUEST_WRITE:
        if (request->command.operation == COMMAND_OPEN_SESSION) {
            return "session";
        }
        return request->command.operation == COMMAND_PUT ? "put" : "delete";
    case REQUEST_GET:
        return "get";
    case REQUEST_HEAD:
        return "head";
    case REQUEST_STATUS:
        return "status";
    case REQUEST_READY:
    case REQUEST_KINDS:
        break;
    }
    CHECK(false); // nothing that a client may ask
    return "";
}

static void put_condition(msgpack_packer *packer, const struct command *command)
{
    switch ((enum command_condition)command->condition) {
    case COMMAND_ALWAYS:
    case COMMAND_CONDITIONS:
        break;
    case COMMAND_IF_ABSENT:
        put_true(packer, "if_absent");
        break;
    case COMMAND_IF_EXISTS:
        put_true(packer, "if_exists");
        break;
    case COMMAND_IF_REVISION:
        put_number(packer, "if_revision", command->condition_revision);
        break;
    }
}

static void put_options(msgpack_packer *packer, const struct client_request *request)
{
    const struct command *command = &request->command;
    bool has_condition = command->condition != COMMAND_ALWAYS;
    bool has_session = command->session != 0;
    bool is_local = request->request.consistency == REQUEST_LOCAL;
    bool has_min = request->request.min_revision != 0;
    size_t count = 1U + (has_condition ? 1U : 0U) + (has_session ? 1U : 0U) +
                   (is_local ? 1U : 0U) + (has_min ? 1U : 0U) +
                   (request->has_unless_revision ? 1U : 0U);
    (void)msgpack_pack_map(packer, count);
    put_number(packer, "timeout_ms", request->request.timeout_ms);
    put_condition(packer, command);
    if (has_session) {
        put_word(packer, "session");
        writer_put_array(packer, 3);
        writer_put_u64(packer, command->session);
        writer_put_u64(packer, command->sequence);
        writer_put_u64(packer, command->acknowledged);
    }
    if (is_local) {
        put_word(packer, "consistency");
        put_word(packer, "local");
    }
    if (has_min) {
        put_number(packer, "min_revision", request->request.min_revision);
    }
    if (request->has_unless_revision) {
        put_number(packer, "unless_revision", request->unless_revision);
    }
}

void client_request_pack(struct cs_buffer *out, const struct client_request *request)
{
    bool has_key = request->request.key.bytes > 0;
    bool has_value = request->request.kind == REQUEST_WRITE &&
                     request->command.operation == COMMAND_PUT;
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, 3U + (has_key ? 1U : 0U) + (has_value ? 1U : 0U));
    writer_put_u64(&packer, request->id);
    put_word(&packer, op_of(request));
    if (has_key) {
        writer_put_bytes(&packer, request->request.key);
    }
    if (has_value) {
        writer_put_bytes(&packer, request->command.value);
    }
    put_options(&packer, request);
}

/* ---- answers ----------------------------------------------------------------------- */

static bool is_word(struct cs_view view, const char *word)
{
    size_t bytes = strlen(word);
    return view.bytes == bytes && memcmp(view.data, word, bytes) == 0;
}

static void take_code(struct reader *reader, struct client_reply *out)
{
    out->word = reader_take_bytes(reader, WORD_BYTES_MAX);
    out->status = CS_STATUS_COUNT;
    out->applied = CS_APPLIED_UNKNOWN; // of a code that we do not know
    for (unsigned i = 0; i < CS_STATUS_COUNT && out->word.bytes > 0; i++) {
        enum cs_status status = (enum cs_status)i;
        if (is_word(out->word, status_word(status))) {
            out->status = status;
            out->applied = status_applied(status);
            out->is_retryable = status_is_retryable(status);
        }
    }
}

/* "no" is believed of a code that we do not know; "unknown" of any but of success. */
static void take_applied(struct reader *reader, struct client_reply *out)
{
    struct cs_view word = reader_take_bytes(reader, WORD_BYTES_MAX);
    if (is_word(word, "unknown") && out->applied == CS_APPLIED_NO) {
        out->applied = CS_APPLIED_UNKNOWN;
    }
    if (is_word(word, "no") && out->status == CS_STATUS_COUNT) {
        out->applied = CS_APPLIED_NO;
    }
}

static void take_retryable(struct reader *reader, struct client_reply *out)
{
    out->is_retryable = reader_take_bool(reader);
}

static void take_replay(struct reader *reader, struct client_reply *out)
{
    out->is_replay = reader_take_bool(reader);
}

struct info {
    const char *word;
    size_t text_at;   // offset of a view in struct client_reply; 0: none
    size_t number_at; // of a number
    void (*take)(struct reader *reader, struct client_reply *out);
};

static const struct info infos[] = {
    {"detail", offsetof(struct client_reply, detail), 0, NULL},
    {"leader", offsetof(struct client_reply, leader), 0, NULL},
    {"durability", offsetof(struct client_reply, durability), 0, NULL},
    {"limit", 0, offsetof(struct client_reply, limit), NULL},
    {"actual", 0, offsetof(struct client_reply, actual), NULL},
    {"session", 0, offsetof(struct client_reply, session), NULL},
    {"lag_ms", 0, offsetof(struct client_reply, lag_ms), NULL},
    {"applied", 0, 0, take_applied},
    {"retryable", 0, 0, take_retryable},
    {"replay", 0, 0, take_replay},
};

enum { INFO_COUNT = sizeof infos / sizeof *infos };

static void
take_info(struct reader *reader, const struct info *info, struct client_reply *out)
{
    uint8_t *fields = (uint8_t *)out;
    if (info->take != NULL) {
        info->take(reader, out);
    } else if (info->text_at != 0) {
        struct cs_view text = reader_take_bytes(reader, SIZE_MAX);
        memcpy(fields + info->text_at, &text, sizeof text);
    } else {
        uint64_t number = reader_take_u64(reader, UINT64_MAX);
        memcpy(fields + info->number_at, &number, sizeof number);
    }
}

/* One pair; a key that we do not know is passed over with its value. */
static void take_pair(struct reader *reader, struct client_reply *out)
{
    struct cs_view word = reader_take_bytes(reader, SIZE_MAX);
    for (size_t i = 0; i < INFO_COUNT && !reader->has_failed; i++) {
        if (is_word(word, infos[i].word)) {
            take_info(reader, &infos[i], out);
            return;
        }
    }
    reader_skip(reader);
}

bool client_reply_unpack(struct cs_view bytes, struct client_reply *out_reply)
{
    struct client_reply reply = {0};
    struct reader reader = reader_over(bytes, false);
    (void)reader_take_array(&reader, ANSWER_FIELDS, ANSWER_FIELDS);
    reply.id = reader_take_u64(&reader, UINT64_MAX);
    take_code(&reader, &reply);
    reply.revision = reader_take_u64(&reader, UINT64_MAX);
    reply.item_revision = reader_take_u64(&reader, UINT64_MAX);
    reply.created_revision = reader_take_u64(&reader, UINT64_MAX);
    reply.version = reader_take_u64(&reader, UINT64_MAX);
    reply.has_value = !reader_take_nil(&reader);
    if (reply.has_value) {
        reply.value = reader_take_bytes(&reader, SIZE_MAX);
    }
    if (!reader_take_nil(&reader)) {
        uint32_t pairs = reader_take_map(&reader, INFO_PAIRS_MAX);
        for (uint32_t i = 0; i < pairs && !reader.has_failed; i++) {
            take_pair(&reader, &reply);
        }
    }
    *out_reply = reply;
    return reader_end(&reader);
}
