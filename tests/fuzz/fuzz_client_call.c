/*
 * client_call: the client port's messages at both ends. What a node takes the client's end
 * packs so that it is taken the same again; what the client's end reads of an answer lies
 * inside its bytes, and a node's answer of the same content is read the same.
 *
 *   input  flags: 1 an answer, else a message of requests; bytes
 */
#include "fuzz/input.h"

#include "base/limits.h"
#include "wire/client_call.h"

static struct cs_buffer packed;

static void check_same(struct cs_view left, struct cs_view right)
{
    CHECK(left.bytes == right.bytes);
    CHECK(left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static void check_inside(struct cs_view view, struct cs_view bytes)
{
    CHECK(view.bytes == 0 || (view.data >= bytes.data &&
                              view.data + view.bytes <= bytes.data + bytes.bytes));
}

static void check_request(const struct client_request *request)
{
    struct client_message message;
    struct client_request again;
    const char *reason = NULL;
    packed.bytes = 0;
    client_request_pack(&packed, request);
    CHECK(client_message_open(view_of_buffer(&packed), LIMIT_VALUE_BYTES, &message,
                              &reason));
    CHECK(!message.is_batch);
    client_message_take(&message, LIMIT_VALUE_BYTES, &again);
    CHECK(again.id == request->id);
    CHECK(again.refusal == request->refusal);
    CHECK(again.request.kind == request->request.kind);
    CHECK(again.request.consistency == request->request.consistency);
    CHECK(again.request.min_revision == request->request.min_revision);
    CHECK(again.request.timeout_ms == request->request.timeout_ms);
    CHECK(again.has_unless_revision == request->has_unless_revision);
    CHECK(again.unless_revision == request->unless_revision);
    check_same(again.request.key, request->request.key);
    CHECK(again.command.operation == request->command.operation);
    CHECK(again.command.condition == request->command.condition);
    CHECK(again.command.condition_revision == request->command.condition_revision);
    CHECK(again.command.session == request->command.session);
    CHECK(again.command.sequence == request->command.sequence);
    CHECK(again.command.acknowledged == request->command.acknowledged);
    check_same(again.command.value, request->command.value);
}

static void take_message(struct cs_view bytes)
{
    struct client_message message;
    const char *reason = NULL;
    if (!client_message_open(bytes, LIMIT_VALUE_BYTES, &message, &reason)) {
        CHECK(reason != NULL);
        return;
    }
    for (uint32_t i = 0; i < message.request_count; i++) {
        struct client_request request;
        client_message_take(&message, LIMIT_VALUE_BYTES, &request);
        check_request(&request);
    }
}

/* As a node would say the same. */
static void check_answer(const struct client_reply *read)
{
    struct client_reply again;
    struct reply reply = {.status = read->status,
                          .revision = read->revision,
                          .item_revision = read->item_revision,
                          .created_revision = read->created_revision,
                          .version = read->version,
                          .session = read->session,
                          .is_replay = read->is_replay,
                          .value = read->has_value ? read->value : read->detail};
    struct client_answer answer = {.id = read->id,
                                   .reply = &reply,
                                   .has_value = read->has_value};
    packed.bytes = 0;
    client_answer_pack(&packed, &answer);
    CHECK(client_reply_unpack(view_of_buffer(&packed), &again));
    CHECK(again.id == read->id);
    CHECK(again.status == read->status);
    CHECK(again.applied == status_applied(read->status));
    CHECK(again.revision == read->revision);
    CHECK(again.version == read->version);
    CHECK(again.session == read->session);
    CHECK(again.is_replay == read->is_replay);
    CHECK(again.has_value == read->has_value);
    check_same(again.value, read->has_value ? read->value : view_of(NULL, 0));
}

static void take_answer(struct cs_view bytes)
{
    struct client_reply read;
    if (!client_reply_unpack(bytes, &read)) {
        return;
    }
    check_inside(read.word, bytes);
    check_inside(read.value, bytes);
    check_inside(read.detail, bytes);
    check_inside(read.leader, bytes);
    check_inside(read.durability, bytes);
    // Success is never doubted, and nothing but success is taken for it.
    bool is_success =
        read.status < CS_STATUS_COUNT && status_applied(read.status) == CS_APPLIED_YES;
    CHECK(is_success == (read.applied == CS_APPLIED_YES));
    if (read.status < CS_STATUS_COUNT) {
        check_answer(&read);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    bool is_answer = (input_take_byte(&input) & 1) != 0;
    if (is_answer) {
        take_answer(input_rest(&input));
    } else {
        take_message(input_rest(&input));
    }
    return 0;
}
