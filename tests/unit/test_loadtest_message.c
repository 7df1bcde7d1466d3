/*
 * The load test's requests are what the server's decoder takes, and it reads the server's
 * answers: both ends in one place.
 */
#include "loadtest/message.h"

#include "wire/client_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { VALUE_MAX = 100000 };

static void check_request(const struct operation *operation, struct client_request *out)
{
    struct cs_buffer bytes = {0};
    struct client_message message;
    const char *reason = "";
    message_put_request(&bytes, UINT64_MAX - 5, operation, "k-");
    assert_true(
        client_message_open(view_of_buffer(&bytes), VALUE_MAX, &message, &reason));
    client_message_take(&message, VALUE_MAX, out);
    assert_true(out->id == UINT64_MAX - 5);
    assert_int_equal(out->request.key.bytes, 10);
    assert_memory_equal(out->request.key.data, "k-00000042", 10);
    if (operation->kind == OPERATION_PUT || operation->kind == OPERATION_CAS) {
        assert_int_equal(out->command.operation, COMMAND_PUT);
        assert_int_equal(out->command.value.bytes, operation->value_bytes);
        assert_true(driver_read_value(out->command.value) == operation->value);
    }
    buffer_fini(&bytes);
}

static void requests_are_what_the_server_takes(void **state)
{
    (void)state;
    struct client_request request;
    struct operation operation = {.kind = OPERATION_PUT,
                                  .key = 42,
                                  .value = UINT64_C(0xfeed00012345678a)};
    static const uint32_t sizes[] = {16, 100, 255, 256, 65535, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        operation.value_bytes = sizes[i];
        check_request(&operation, &request);
        assert_int_equal(request.command.condition, COMMAND_ALWAYS);
    }
    operation.kind = OPERATION_CAS;
    check_request(&operation, &request);
    assert_int_equal(request.command.condition, COMMAND_IF_ABSENT);
    operation.condition_revision = 41;
    check_request(&operation, &request);
    assert_int_equal(request.command.condition, COMMAND_IF_REVISION);
    assert_int_equal(request.command.condition_revision, 41);
    operation.kind = OPERATION_GET;
    check_request(&operation, &request);
    assert_int_equal(request.request.kind, REQUEST_GET);
    assert_int_equal(request.request.consistency, REQUEST_LINEARIZABLE);
    operation.kind = OPERATION_LOCAL;
    check_request(&operation, &request);
    assert_int_equal(request.request.consistency, REQUEST_LOCAL);
    operation.kind = OPERATION_DELETE;
    check_request(&operation, &request);
    assert_int_equal(request.command.operation, COMMAND_DELETE);
}

static void batches_are_what_the_server_takes(void **state)
{
    (void)state;
    struct cs_buffer bytes = {0};
    struct client_message message;
    const char *reason = "";
    const struct operation operation = {.kind = OPERATION_GET, .key = 1};
    message_put_batch(&bytes, 3);
    for (uint64_t i = 0; i < 3; i++) {
        message_put_request(&bytes, i, &operation, "k");
    }
    assert_true(
        client_message_open(view_of_buffer(&bytes), VALUE_MAX, &message, &reason));
    assert_true(message.is_batch);
    assert_int_equal(message.request_count, 3);
    buffer_fini(&bytes);
}

static void put_answer(struct cs_buffer *out, uint64_t id, enum cs_status status)
{
    uint8_t value[20];
    driver_put_value(value, 77, sizeof value);
    struct reply reply = {.status = status,
                          .revision = 9,
                          .item_revision = 8,
                          .created_revision = 7,
                          .version = 6,
                          .session = 5};
    struct client_answer answer = {.id = id,
                                   .reply = &reply,
                                   .is_local = true,
                                   .limit = 10,
                                   .actual = 11,
                                   .leader = "n1",
                                   .durability = "none"};
    if (status == CS_OK) {
        reply.value = view_of(value, sizeof value);
        answer.has_value = true;
    }
    client_answer_pack(out, &answer);
}

static void every_answer_of_the_server_is_read(void **state)
{
    (void)state;
    struct cs_buffer bytes = {0};
    client_batch_pack(&bytes, CS_STATUS_COUNT);
    for (uint32_t i = 0; i < CS_STATUS_COUNT; i++) {
        put_answer(&bytes, 1000 + i, (enum cs_status)i);
    }
    struct message_answers answers;
    assert_true(message_open(view_of_buffer(&bytes), &answers));
    assert_int_equal(answers.count, CS_STATUS_COUNT);
    for (uint32_t i = 0; i < CS_STATUS_COUNT; i++) {
        struct operation operation = {.kind = OPERATION_GET};
        uint64_t id = 0;
        assert_true(message_take(&answers, &id, &operation));
        assert_int_equal(id, 1000 + i);
        assert_int_equal(operation.result, i);
        assert_int_equal(operation.revision, 9);
        assert_int_equal(operation.item_revision, 8);
        assert_int_equal(operation.version, 6);
        assert_int_equal(operation.value, i == CS_OK ? 77 : 0);
    }
    assert_int_equal(answers.at, bytes.bytes);
    buffer_fini(&bytes);
}

static void an_answer_cut_anywhere_is_none(void **state)
{
    (void)state;
    struct cs_buffer bytes = {0};
    put_answer(&bytes, 3, CS_NO_QUORUM);
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        struct message_answers answers;
        struct operation operation = {.kind = OPERATION_GET};
        uint64_t id = 0;
        assert_false(message_open(view_of(bytes.data, cut), &answers) &&
                     message_take(&answers, &id, &operation));
    }
    buffer_fini(&bytes);
}

static void a_value_that_nobody_wrote_is_seen(void **state)
{
    (void)state;
    uint8_t value[100];
    driver_put_value(value, 123456789, sizeof value);
    assert_true(driver_read_value(view_of(value, sizeof value)) == 123456789);
    for (size_t i = 0; i < sizeof value; i++) {
        uint8_t was = value[i];
        value[i] = '!';
        assert_true(driver_read_value(view_of(value, sizeof value)) == DRIVER_NO_VALUE);
        value[i] = was;
    }
    assert_true(driver_read_value(view_of(value, 15)) == DRIVER_NO_VALUE);
    assert_true(driver_read_value(view_of(value, 0)) == DRIVER_NO_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_what_the_server_takes),
        cmocka_unit_test(batches_are_what_the_server_takes),
        cmocka_unit_test(every_answer_of_the_server_is_read),
        cmocka_unit_test(an_answer_cut_anywhere_is_none),
        cmocka_unit_test(a_value_that_nobody_wrote_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
