/*
 * The client's end of the protocol: what it packs the server's end reads the same, what the
 * server's end answers it reads the same, and nothing else is taken.
 */
#include "wire/client_call.h"

#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)

enum { VALUE_MAX = 1000 };

static struct cs_buffer packed;

static int tear_down(void **state)
{
    (void)state;
    buffer_fini(&packed);
    return 0;
}

/* Packs it, and gives what a node reads. */
static struct client_request over_the_wire(const struct client_request *request)
{
    struct client_message message;
    struct client_request taken;
    const char *reason = NULL;
    packed.bytes = 0;
    client_request_pack(&packed, request);
    if (!client_message_open(view_of_buffer(&packed), VALUE_MAX, &message, &reason)) {
        fail_msg("%s", reason);
    }
    client_message_take(&message, VALUE_MAX, &taken);
    return taken;
}

static void assert_same_view(struct cs_view left, struct cs_view right)
{
    assert_int_equal(left.bytes, right.bytes);
    assert_true(left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static void a_node_reads_each_write_as_it_was_meant(void **state)
{
    (void)state;
    for (uint32_t condition = 0; condition < COMMAND_CONDITIONS; condition++) {
        for (uint32_t operation = COMMAND_PUT; operation <= COMMAND_DELETE; operation++) {
            struct client_request request = {
                .id = UINT64_MAX,
                .request = {.kind = REQUEST_WRITE, .timeout_ms = 7, .key = TEXT("k\0/")},
                .command = {.operation = operation,
                            .condition = condition,
                            .condition_revision =
                                condition == COMMAND_IF_REVISION ? 9 : 0,
                            .session = condition == 0 ? 0 : 5,
                            .sequence = condition == 0 ? 0 : 4,
                            .acknowledged = condition == 0 ? 0 : 3}};
            if (operation == COMMAND_PUT) {
                request.command.value = TEXT("\0v");
            }
            struct client_request taken = over_the_wire(&request);
            assert_int_equal(taken.id, request.id);
            assert_int_equal(taken.request.timeout_ms, 7);
            assert_same_view(taken.request.key, request.request.key);
            assert_same_view(taken.command.value, request.command.value);
            assert_int_equal(taken.command.operation, operation);
            assert_int_equal(taken.command.condition, condition);
            assert_int_equal(taken.command.condition_revision,
                             request.command.condition_revision);
            assert_int_equal(taken.command.session, request.command.session);
            assert_int_equal(taken.command.sequence, request.command.sequence);
            assert_int_equal(taken.command.acknowledged, request.command.acknowledged);
        }
    }
}

static void a_node_reads_each_question_as_it_was_meant(void **state)
{
    (void)state;
    struct client_request get = {.request = {.kind = REQUEST_GET,
                                             .timeout_ms = 1,
                                             .consistency = REQUEST_LOCAL,
                                             .min_revision = 8,
                                             .key = TEXT("k")},
                                 .has_unless_revision = true,
                                 .unless_revision = 6};
    struct client_request taken = over_the_wire(&get);
    assert_int_equal(taken.request.kind, REQUEST_GET);
    assert_int_equal(taken.request.consistency, REQUEST_LOCAL);
    assert_int_equal(taken.request.min_revision, 8);
    assert_true(taken.has_unless_revision);
    assert_int_equal(taken.unless_revision, 6);
    struct client_request head = {
        .request = {.kind = REQUEST_HEAD, .timeout_ms = 1, .key = TEXT("k")}};
    assert_int_equal(over_the_wire(&head).request.kind, REQUEST_HEAD);
    struct client_request status = {.request = {.kind = REQUEST_STATUS, .timeout_ms = 1}};
    assert_int_equal(over_the_wire(&status).request.kind, REQUEST_STATUS);
    struct client_request session = {.request = {.kind = REQUEST_WRITE, .timeout_ms = 1},
                                     .command = {.operation = COMMAND_OPEN_SESSION}};
    assert_int_equal(over_the_wire(&session).command.operation, COMMAND_OPEN_SESSION);
}

static void each_answer_of_a_node_is_read_as_it_was_meant(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CS_STATUS_COUNT; i++) {
        enum cs_status status = (enum cs_status)i;
        bool has_value = status == CS_OK;
        struct reply reply = {.status = status,
                              .revision = 9,
                              .item_revision = 8,
                              .created_revision = 7,
                              .version = 6,
                              .session = 5,
                              .is_replay = true,
                              .lag_ms = 4,
                              .value = TEXT("a\0b")};
        struct client_answer answer = {.id = 77,
                                       .reply = &reply,
                                       .has_value = has_value,
                                       .is_local = true,
                                       .limit = 3,
                                       .actual = 2,
                                       .leader = "n2",
                                       .durability = "none"};
        struct client_reply read;
        packed.bytes = 0;
        client_answer_pack(&packed, &answer);
        assert_true(client_reply_unpack(view_of_buffer(&packed), &read));
        bool is_error = status_http(status) >= 400 && status != CS_NOT_FOUND;
        assert_int_equal(read.id, 77);
        assert_int_equal(read.status, status);
        assert_int_equal(read.applied, status_applied(status));
        assert_int_equal(read.is_retryable, status_is_retryable(status));
        assert_int_equal(read.revision, 9);
        assert_int_equal(read.item_revision, 8);
        assert_int_equal(read.created_revision, 7);
        assert_int_equal(read.version, 6);
        assert_int_equal(read.has_value, has_value);
        assert_same_view(read.value, has_value ? reply.value : TEXT(""));
        assert_same_view(read.detail, is_error ? reply.value : TEXT(""));
        assert_same_view(read.leader, is_error ? TEXT("n2") : TEXT(""));
        assert_same_view(read.durability, TEXT("none"));
        assert_int_equal(read.limit, is_error ? 3 : 0);
        assert_int_equal(read.session, 5);
        assert_int_equal(read.lag_ms, 4);
        assert_true(read.is_replay);
        for (size_t cut = 0; cut < packed.bytes; cut++) {
            assert_false(client_reply_unpack(view_of(packed.data, cut), &read));
        }
    }
}

static struct client_reply read_answer(struct cs_view bytes)
{
    struct client_reply read;
    assert_true(client_reply_unpack(bytes, &read));
    return read;
}

static void codes_and_keys_of_later_releases_are_lived_with(void **state)
{
    (void)state;
    struct client_reply read = read_answer(
        TEXT("\x98\x01\xa3hot\x00\x00\x00\x00\xc0\x83\xa3new\x92\xc0\x81\x01\x02"
             "\xa7"
             "applied\xa2no\xa9retryable\xc3"));
    assert_int_equal(read.status, CS_STATUS_COUNT);
    assert_int_equal(read.applied, CS_APPLIED_NO);
    assert_true(read.is_retryable);
    assert_same_view(read.word, TEXT("hot"));
    // Of what it does not say nothing is assumed.
    read = read_answer(TEXT("\x98\x01\xa3hot\x00\x00\x00\x00\xc0\xc0"));
    assert_int_equal(read.applied, CS_APPLIED_UNKNOWN);
    assert_false(read.is_retryable);
    // A refusal may say less than its code, success may not.
    read = read_answer(TEXT("\x98\x01\xa9no_leader\x00\x00\x00\x00\xc0\x81"
                            "\xa7"
                            "applied\xa7unknown"));
    assert_int_equal(read.applied, CS_APPLIED_UNKNOWN);
    read = read_answer(TEXT("\x98\x01\xa7"
                            "created\x00\x00\x00\x00\xc0\x81\xa7"
                            "applied\xa2no"));
    assert_int_equal(read.applied, CS_APPLIED_YES);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        TEXT(""),
        TEXT("\x97\x01\xa2ok\x00\x00\x00\x00\xc0"),         // seven
        TEXT("\x98\x01\xa2ok\x00\x00\x00\x00\xc0\xc0\xc0"), // bytes after it
        TEXT("\x98\xff\xa2ok\x00\x00\x00\x00\xc0\xc0"),     // an id below zero
        TEXT("\x98\x01\x05\x00\x00\x00\x00\xc0\xc0"),       // a code that is no word
        TEXT("\x98\x01\xa2ok\x00\x00\x00\x00\x05\xc0"),     // a value that is a number
        TEXT("\x98\x01\xa2ok\x00\x00\x00\x00\xc0\x05"),     // infos that are a number
        TEXT("\x98\x01\xa2ok\x00\x00\x00\x00\xc0\xdf\xff\xff\xff\xff"),
        TEXT("\x98\x01\xa2ok\x00\x00\x00\x00\xc6\xff\xff\xff\xff\xc0"),
    };
    struct client_reply read;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(client_reply_unpack(rows[i], &read));
    }
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint32_t taken = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[64] = {0x98, 0x01, 0xa2, 'o', 'k', 0, 0, 0, 0, 0xc0, 0x81};
        size_t count = draw_below(&seed, sizeof bytes + 1);
        for (size_t i = draw_below(&seed, 12); i < count; i++) {
            bytes[i] = (uint8_t)draw_below(&seed, 256);
        }
        struct client_reply read;
        taken += client_reply_unpack(view_of(bytes, count), &read) ? 1 : 0;
    }
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_reads_each_write_as_it_was_meant),
        cmocka_unit_test(a_node_reads_each_question_as_it_was_meant),
        cmocka_unit_test(each_answer_of_a_node_is_read_as_it_was_meant),
        cmocka_unit_test(codes_and_keys_of_later_releases_are_lived_with),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
