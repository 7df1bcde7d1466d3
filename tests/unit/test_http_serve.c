// What each request becomes for the engine, and what each of its replies becomes for the
// client.
#include "http/serve.h"

#include "unit/support/http_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct rig rig;
static struct response response;

static int start(void **state)
{
    (void)state;
    rig_start(&rig);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    response_fini(&response);
    return 0;
}

static void answer_with(enum cs_status status, uint64_t revision, uint64_t item_revision)
{
    struct reply reply = {.status = status,
                          .revision = revision,
                          .item_revision = item_revision,
                          .leader_seat = 0};
    rig_set_reply(&rig, &reply);
}

static void answer_value(const char *value, uint64_t item_revision)
{
    struct reply reply = {.status = CS_OK,
                          .revision = 50,
                          .item_revision = item_revision,
                          .leader_seat = 2,
                          .value = view_of(value, strlen(value))};
    rig_set_reply(&rig, &reply);
}

static void expect_field(const char *name, const char *value)
{
    const char *given = response_field(&response, name);
    assert_non_null(given);
    assert_string_equal(given, value);
}

static void ask(const char *text)
{
    rig_ask(&rig, text, &response);
}

static void a_put_is_created(void **state)
{
    (void)state;
    answer_with(CS_CREATED, 41, 41);
    ask("PUT /mykey HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\nmydata");
    assert_int_equal(response.status, 201);
    assert_string_equal(response_text(&response), "created\n");
    expect_field("ETag", "\"41\"");
    expect_field("Consens-Revision", "41");
    expect_field("Consens-Node", "n2");
    expect_field("Consens-Leader", "n1");
    expect_field("Consens-Consistency", "linearizable");
    expect_field("Content-Type", "text/plain; charset=utf-8");
    assert_null(response_field(&response, "Consens-Durability"));
    assert_null(response_field(&response, "Consens-Lag-Ms"));
    assert_int_equal(rig_seen(&rig)->request.kind, REQUEST_WRITE);
    assert_int_equal(rig_seen(&rig)->request.timeout_ms, 5000);
    assert_int_equal(rig_seen(&rig)->command.operation, COMMAND_PUT);
    assert_int_equal(rig_seen(&rig)->command.condition, COMMAND_ALWAYS);
    assert_int_equal(rig_seen(&rig)->key.bytes, 5);
    assert_memory_equal(rig_seen(&rig)->key.data, "mykey", 5);
    assert_int_equal(rig_seen(&rig)->value.bytes, 6);
    assert_memory_equal(rig_seen(&rig)->value.data, "mydata", 6);
}

static void a_put_is_updated(void **state)
{
    (void)state;
    answer_with(CS_UPDATED, 42, 42);
    ask("PUT /mykey HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(response_text(&response), "updated\n");
    expect_field("ETag", "\"42\"");
    assert_int_equal(rig_seen(&rig)->value.bytes, 0);
}

static void a_get_gives_exactly_the_bytes(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK,
                          .revision = 9,
                          .item_revision = 7,
                          .leader_seat = 1};
    reply.value = view_of("a\0\r\n\xff", 5);
    rig_set_reply(&rig, &reply);
    ask("GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body.bytes, 5);
    assert_memory_equal(response.body.data, "a\0\r\n\xff", 5);
    expect_field("Content-Type", "application/octet-stream");
    expect_field("X-Content-Type-Options", "nosniff");
    expect_field("Content-Security-Policy", "sandbox");
    expect_field("ETag", "\"7\"");
    expect_field("Consens-Revision", "9");
    expect_field("Connection", "keep-alive");
    assert_int_equal(rig_seen(&rig)->request.kind, REQUEST_GET);
    assert_int_equal(rig_seen(&rig)->request.consistency, REQUEST_LINEARIZABLE);
}

static void a_head_has_the_length_and_no_body(void **state)
{
    (void)state;
    answer_value("twelve bytes", 7);
    int connection = rig_connect(&rig);
    rig_send_text(connection, "HEAD /k HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 200);
    expect_field("Content-Length", "12");
    expect_field("ETag", "\"7\"");
    // The next reply follows at once: no body was sent.
    rig_send_text(connection, "GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_string_equal(response_text(&response), "twelve bytes");
    (void)close(connection);
}

static void a_head_of_nothing_has_no_body_either(void **state)
{
    (void)state;
    answer_with(CS_NOT_FOUND, 9, 0);
    int connection = rig_connect(&rig);
    rig_send_text(
        connection,
        "HEAD /k HTTP/1.1\r\nHost: x\r\n\r\nGET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 404);
    expect_field("Content-Length", "10");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 404);
    assert_string_equal(response_text(&response), "not found\n");
    (void)close(connection);
}

static void a_missing_key_is_not_found(void **state)
{
    (void)state;
    answer_with(CS_NOT_FOUND, 33, 0);
    ask("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 404);
    assert_string_equal(response_text(&response), "not found\n");
    expect_field("Consens-Revision", "33");
    assert_null(response_field(&response, "ETag"));
}

static void a_delete_is_deleted(void **state)
{
    (void)state;
    answer_with(CS_DELETED, 43, 0);
    ask("DELETE /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(response_text(&response), "deleted\n");
    expect_field("Consens-Revision", "43");
    assert_null(response_field(&response, "ETag"));
    assert_int_equal(rig_seen(&rig)->command.operation, COMMAND_DELETE);
}

static void a_delete_of_nothing_is_not_found(void **state)
{
    (void)state;
    answer_with(CS_NOT_FOUND, 43, 0);
    ask("DELETE /k HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(response.status, 404);
}

static void a_leader_that_is_not_known_is_not_named(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK,
                          .revision = 1,
                          .item_revision = 1,
                          .leader_seat = 7};
    rig_set_reply(&rig, &reply);
    ask("GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_null(response_field(&response, "Consens-Leader"));
}

static void a_local_read_says_so_with_its_lag(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK,
                          .revision = 1,
                          .item_revision = 1,
                          .lag_ms = 37};
    rig_set_reply(&rig, &reply);
    ask("GET /k?consistency=local&min-revision=12&timeout=250ms HTTP/1.1\r\n"
        "Host: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    expect_field("Consens-Consistency", "local");
    expect_field("Consens-Lag-Ms", "37");
    assert_int_equal(rig_seen(&rig)->request.consistency, REQUEST_LOCAL);
    assert_int_equal(rig_seen(&rig)->request.min_revision, 12);
    assert_int_equal(rig_seen(&rig)->request.timeout_ms, 250);
    ask("GET /k HTTP/1.1\r\nconsens-consistency: local\r\n"
        "CONSENS-MIN-REVISION: 13 \r\n\r\n");
    assert_int_equal(rig_seen(&rig)->request.consistency, REQUEST_LOCAL);
    assert_int_equal(rig_seen(&rig)->request.min_revision, 13);
}

static void conditions_reach_the_command(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t condition;
        uint64_t revision;
    } rows[] = {
        {"PUT /k HTTP/1.1\r\nIf-None-Match: *\r\n\r\n", COMMAND_IF_ABSENT, 0},
        {"PUT /k?if-none-match=* HTTP/1.1\r\nHost: x\r\n\r\n", COMMAND_IF_ABSENT, 0},
        {"PUT /k HTTP/1.1\r\nIf-Match: *\r\n\r\n", COMMAND_IF_EXISTS, 0},
        {"PUT /k HTTP/1.1\r\nIf-Match: \"41\"\r\n\r\n", COMMAND_IF_REVISION, 41},
        {"PUT /k?if-match=41 HTTP/1.1\r\nHost: x\r\n\r\n", COMMAND_IF_REVISION, 41},
        {"PUT /k?if-match=%2242%22 HTTP/1.1\r\nHost: x\r\n\r\n", COMMAND_IF_REVISION, 42},
        {"DELETE /k HTTP/1.1\r\nIf-Match: \"43\"\r\n\r\n", COMMAND_IF_REVISION, 43},
    };
    answer_with(CS_UPDATED, 50, 50);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ask(rows[i].text);
        assert_int_equal(response.status, 200);
        assert_int_equal(rig_seen(&rig)->command.condition, rows[i].condition);
        assert_int_equal(rig_seen(&rig)->command.condition_revision, rows[i].revision);
    }
}

static void a_failed_condition_carries_the_current_tag(void **state)
{
    (void)state;
    answer_with(CS_PRECONDITION, 50, 44);
    ask("PUT /k HTTP/1.1\r\nIf-Match: \"41\"\r\nContent-Length: 1\r\n\r\nx");
    assert_int_equal(response.status, 412);
    expect_field("ETag", "\"44\"");
    assert_string_equal(response_text(&response),
                        "the condition does not hold: the key exists, at revision 44\n");
    answer_with(CS_PRECONDITION, 50, 0);
    ask("PUT /k HTTP/1.1\r\nIf-Match: *\r\nContent-Length: 1\r\n\r\nx");
    assert_int_equal(response.status, 412);
    assert_null(response_field(&response, "ETag"));
}

static void an_unchanged_value_is_not_sent_again(void **state)
{
    (void)state;
    answer_value("value", 41);
    int connection = rig_connect(&rig);
    rig_send_text(connection, "GET /k HTTP/1.1\r\nIf-None-Match: \"7\", \"41\"\r\n\r\n"
                              "GET /k?if-none-match=40 HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 304);
    expect_field("ETag", "\"41\"");
    expect_field("Consens-Revision", "50");
    assert_null(response_field(&response, "Content-Length"));
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 200);
    assert_string_equal(response_text(&response), "value");
    (void)close(connection);
}

static void a_read_with_if_match_is_conditional_too(void **state)
{
    (void)state;
    answer_value("value", 41);
    ask("GET /k HTTP/1.1\r\nIf-Match: \"40\"\r\n\r\n");
    assert_int_equal(response.status, 412);
    expect_field("ETag", "\"41\"");
    ask("GET /k HTTP/1.1\r\nIf-Match: \"41\"\r\n\r\n");
    assert_int_equal(response.status, 200);
    answer_with(CS_NOT_FOUND, 50, 0);
    ask("GET /k HTTP/1.1\r\nIf-Match: *\r\n\r\n");
    assert_int_equal(response.status, 412);
}

static void keys_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *key;
        size_t key_bytes;
    } rows[] = {
        {"/a%2Fb", "a/b", 3},
        {"/a//b", "a//b", 4},
        {"/a/../b/.", "a/../b/.", 8},
        {"/z%00w", "z\0w", 3},
        {"/%ff%FE", "\xff\xfe", 2},
        {"/a+b", "a+b", 3},
        {"//x", "/x", 2},
        {"/-/kv/-/status", "-/status", 8},
        {"/-/kv/dir/", "dir/", 4},
        {"/dir%2f", "dir/", 4},
        {"/-", "-", 1},
    };
    answer_value("v", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
                       rows[i].target);
        ask(text);
        assert_int_equal(response.status, 200);
        assert_int_equal(rig_seen(&rig)->key.bytes, rows[i].key_bytes);
        assert_memory_equal(rig_seen(&rig)->key.data, rows[i].key, rows[i].key_bytes);
    }
}

static void engine_refusals_become_http(void **state)
{
    (void)state;
    static const struct {
        enum cs_status status;
        int http_status;
        bool may_retry_soon;
    } rows[] = {
        {CS_OVERLOADED, 429, true}, {CS_NO_QUORUM, 503, true},  {CS_NO_LEADER, 503, true},
        {CS_STARTING, 503, true},   {CS_STOPPING, 503, true},   {CS_TIMED_OUT, 503, true},
        {CS_UNKNOWN, 504, false},   {CS_DISK_FULL, 507, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        answer_with(rows[i].status, 5, 0);
        ask("PUT /k HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
        assert_int_equal(response.status, rows[i].http_status);
        assert_int_equal(response_field(&response, "Retry-After") != NULL,
                         rows[i].may_retry_soon);
        assert_null(response_field(&response, "Consens-Revision"));
        assert_null(response_field(&response, "Consens-Consistency"));
        expect_field("Connection", "keep-alive");
    }
}

static void the_engines_sentence_is_passed_on(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_NO_QUORUM, .leader_seat = 7};
    reply.value = view_of("2 of 3 nodes are\naway", 21);
    rig_set_reply(&rig, &reply);
    ask("GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(response_text(&response), "2 of 3 nodes are?away\n");
}

static void an_error_is_json_for_those_who_accept_it(void **state)
{
    (void)state;
    answer_with(CS_UNKNOWN, 5, 0);
    ask("PUT /k HTTP/1.1\r\nAccept: text/html, application/json;q=0.9\r\n\r\n");
    assert_int_equal(response.status, 504);
    expect_field("Content-Type", "application/problem+json");
    assert_string_equal(
        response_text(&response),
        "{\"type\":\"about:blank\",\"title\":\"Gateway Timeout\",\"status\":504,"
        "\"code\":\"outcome_unknown\",\"detail\":\"no answer in time: the outcome is "
        "unknown\",\"applied\":\"unknown\",\"retryable\":true}\n");
}

static void no_answer_to_a_write_is_an_unknown_outcome(void **state)
{
    (void)state;
    rig_set_silent(&rig, true);
    ask("PUT /k?timeout=1ms HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 504);
    ask("GET /k?timeout=1ms HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 503);
    answer_value("late", 1);
    ask("GET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
}

static void weaker_durability_is_named_on_every_reply(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_CREATED, .durability = SETTINGS_INTERVAL};
    rig_set_reply(&rig, &reply);
    ask("PUT /k HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_field("Consens-Durability", "interval");
    reply.durability = SETTINGS_NONE;
    rig_set_reply(&rig, &reply);
    ask("PUT /k HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_field("Consens-Durability", "none");
}

static void the_server_tells_about_itself_in_json(void **state)
{
    (void)state;
    ask("GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    expect_field("Content-Type", "application/json");
    assert_string_equal(response_text(&response),
                        "{\"version\":\"0.1-test\",\"node\":\"n2\"}\n");
    answer_value("{\"role\":\"leader\"}", 0);
    ask("GET /-/status HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(response_text(&response), "{\"role\":\"leader\"}");
    expect_field("Content-Type", "application/json");
    assert_int_equal(rig_seen(&rig)->request.kind, REQUEST_STATUS);
    answer_with(CS_OK, 5, 0);
    ask("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(response_text(&response), "{\"ready\":true,\"node\":\"n2\"}\n");
    assert_int_equal(rig_seen(&rig)->request.kind, REQUEST_READY);
}

static void a_node_may_live_without_being_ready(void **state)
{
    (void)state;
    answer_with(CS_NO_QUORUM, 0, 0);
    ask("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 503);
    expect_field("Content-Type", "application/problem+json");
    assert_non_null(strstr(response_text(&response), "\"code\":\"no_quorum\""));
    ask("GET /-/live HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 200);
    assert_string_equal(response_text(&response), "{\"live\":true,\"node\":\"n2\"}\n");
    rig_set_silent(&rig, true);
    ask("GET /-/live?timeout=1ms HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(response.status, 503);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_created),
        cmocka_unit_test(a_put_is_updated),
        cmocka_unit_test(a_get_gives_exactly_the_bytes),
        cmocka_unit_test(a_head_has_the_length_and_no_body),
        cmocka_unit_test(a_head_of_nothing_has_no_body_either),
        cmocka_unit_test(a_missing_key_is_not_found),
        cmocka_unit_test(a_delete_is_deleted),
        cmocka_unit_test(a_delete_of_nothing_is_not_found),
        cmocka_unit_test(a_leader_that_is_not_known_is_not_named),
        cmocka_unit_test(a_local_read_says_so_with_its_lag),
        cmocka_unit_test(conditions_reach_the_command),
        cmocka_unit_test(a_failed_condition_carries_the_current_tag),
        cmocka_unit_test(an_unchanged_value_is_not_sent_again),
        cmocka_unit_test(a_read_with_if_match_is_conditional_too),
        cmocka_unit_test(keys_are_exact),
        cmocka_unit_test(engine_refusals_become_http),
        cmocka_unit_test(the_engines_sentence_is_passed_on),
        cmocka_unit_test(an_error_is_json_for_those_who_accept_it),
        cmocka_unit_test(no_answer_to_a_write_is_an_unknown_outcome),
        cmocka_unit_test(weaker_durability_is_named_on_every_reply),
        cmocka_unit_test(the_server_tells_about_itself_in_json),
        cmocka_unit_test(a_node_may_live_without_being_ready),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
