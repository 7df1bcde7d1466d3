/*
 * Requests as values, endpoints, numbers of a session: what needs no socket.
 */
#include "client/request.h"

#include "client/endpoints.h"
#include "client/outcome.h"
#include "client/session.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char text[512];

static const char *format_and_destroy(consens_request_t *request)
{
    size_t count = consens_request_format(request, text, sizeof text);
    assert_int_equal(count, strlen(text));
    consens_request_destroy(&request);
    assert_null(request);
    return text;
}

static void a_request_shows_what_it_is(void **state)
{
    (void)state;
    consens_request_t *put = consens_request_put("a\0\"b", 4, "\0v", 2);
    size_t bytes = 0;
    assert_memory_equal(consens_request_key(put, &bytes), "a\0\"b", 4);
    assert_int_equal(bytes, 4);
    assert_memory_equal(consens_request_value(put, &bytes), "\0v", 2);
    assert_int_equal(bytes, 2);
    assert_int_equal(consens_request_check(put), CONSENS_OK);
    consens_request_set_condition(put, CONSENS_IF_REVISION, 41);
    consens_request_set_delivery(put, CONSENS_AT_MOST_ONCE);
    consens_request_set_timeout(put, 250);
    char cut[8];
    assert_true(consens_request_format(put, cut, sizeof cut) > sizeof cut);
    assert_string_equal(cut, "put \"a\\");
    assert_string_equal(format_and_destroy(put), "put \"a\\x00\\x22b\" 2 bytes "
                                                 "if_revision=41 at_most_once "
                                                 "timeout_ms=250");
    consens_request_t *get = consens_request_get("k", 1);
    consens_request_set_consistency(get, CONSENS_LOCAL);
    consens_request_set_min_revision(get, 7);
    consens_request_set_unless_revision(get, 8);
    assert_null(consens_request_value(get, &bytes));
    assert_string_equal(format_and_destroy(get),
                        "get \"k\" consistency=local min_revision=7 unless_revision=8 "
                        "timeout_ms=5000");
    consens_request_t *gone = consens_request_delete("k", 1);
    consens_request_set_condition(gone, CONSENS_IF_EXISTS, 9);
    assert_string_equal(format_and_destroy(gone),
                        "delete \"k\" if_exists timeout_ms=5000");
    assert_string_equal(format_and_destroy(consens_request_head("k", 1)),
                        "head \"k\" timeout_ms=5000");
    consens_request_t *status = consens_request_status();
    assert_null(consens_request_key(status, &bytes));
    assert_int_equal(bytes, 0);
    assert_string_equal(format_and_destroy(status), "status timeout_ms=5000");
}

static void assert_refused(consens_request_t *request, enum consens_code code)
{
    assert_int_equal(consens_request_check(request), code);
    assert_non_null(request->reason);
    consens_request_destroy(&request);
}

static void a_request_knows_why_it_cannot_be_sent(void **state)
{
    (void)state;
    static char large[CONSENS_VALUE_BYTES_MAX + 1];
    assert_refused(consens_request_put("", 0, "v", 1), CONSENS_MALFORMED);
    assert_refused(consens_request_put(large, CONSENS_KEY_BYTES_MAX + 1, "v", 1),
                   CONSENS_KEY_TOO_LONG);
    assert_refused(consens_request_put("k", 1, large, sizeof large), CONSENS_TOO_LARGE);
    consens_request_t *largest =
        consens_request_put(large, CONSENS_KEY_BYTES_MAX, large, CONSENS_VALUE_BYTES_MAX);
    assert_int_equal(consens_request_check(largest), CONSENS_OK);
    consens_request_destroy(&largest);
    consens_request_t *request = consens_request_get("k", 1);
    consens_request_set_condition(request, CONSENS_IF_ABSENT, 0);
    assert_refused(request, CONSENS_MALFORMED);
    request = consens_request_status();
    consens_request_set_consistency(request, CONSENS_LOCAL);
    assert_refused(request, CONSENS_MALFORMED);
    request = consens_request_put("k", 1, "v", 1);
    consens_request_set_min_revision(request, 1);
    assert_refused(request, CONSENS_MALFORMED);
    request = consens_request_head("k", 1);
    consens_request_set_delivery(request, CONSENS_AT_MOST_ONCE);
    assert_refused(request, CONSENS_MALFORMED);
    static const uint32_t timeouts[] = {0, CONSENS_TIMEOUT_MAX_MS + 1};
    for (int i = 0; i < 2; i++) {
        request = consens_request_get("k", 1);
        consens_request_set_timeout(request, timeouts[i]);
        assert_refused(request, CONSENS_MALFORMED);
    }
}

static void endpoints_are_a_list(void **state)
{
    (void)state;
    struct endpoints list;
    struct sentence error = {0};
    assert_true(
        endpoints_parse(" tcp://localhost:1, tcp://10.0.0.2:65535,", &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "tcp://localhost:1");
    assert_string_equal(list.items[0].address, "tcp://127.0.0.1:1");
    assert_string_equal(list.items[1].address, "tcp://10.0.0.2:65535");
}

static void endpoints_of_no_use_are_refused_in_words(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "no endpoint is named"},
        {" , ", "no endpoint is named"},
        {"http://localhost:1", "does not begin with tcp://"},
        {"tcp://localhost", "no port"},
        {"tcp://localhost:0", "port 0"},
        {"tcp://localhost:x", "is not a number"},
        {"tcp://*:1", "all addresses"},
        {"tcp://1.2.3.4:1,tcp://:1", "0 characters"},
    };
    struct endpoints list;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sentence error = {0};
        assert_false(endpoints_parse(rows[i][0], &list, &error));
        if (strstr(error.text, rows[i][1]) == NULL) {
            fail_msg("\"%s\": %s", rows[i][0], error.text);
        }
    }
    char many[512] = "";
    for (int i = 0; i <= CONSENS_ENDPOINTS_MAX; i++) {
        strncat(many, "tcp://127.0.0.1:1,", sizeof many - strlen(many) - 1);
    }
    struct sentence error = {0};
    assert_false(endpoints_parse(many, &list, &error));
    assert_non_null(strstr(error.text, "more than 16"));
    char name[256] = "";
    assert_null(consens_client_new("tcp://", name, sizeof name));
    assert_string_not_equal(name, "");
}

static void a_name_that_is_not_known_is_left_out_while_others_are(void **state)
{
    (void)state;
    struct endpoints list;
    struct sentence error = {0};
    assert_true(
        endpoints_parse("tcp://no-such.invalid:1,tcp://127.0.0.1:2", &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].address, "tcp://127.0.0.1:2");
    assert_false(endpoints_parse("tcp://no-such.invalid:1", &list, &error));
    assert_non_null(strstr(error.text, "no-such.invalid"));
}

/* The dumb twin: the numbers under way, one by one. */
static void a_session_never_has_more_than_its_window_under_way(void **state)
{
    (void)state;
    struct session session = {0};
    uint64_t seed = 3;
    bool is_open[2000] = {false};
    uint64_t next = 1;
    session_start(&session, 9);
    for (int i = 0; i < 20000 && next < 1999; i++) {
        uint64_t lowest = 1;
        while (lowest < next && !is_open[lowest]) {
            lowest++;
        }
        assert_int_equal(session_acknowledged(&session), lowest - 1);
        if (draw_below(&seed, 2) == 0) {
            uint64_t number = session_take_number(&session);
            assert_int_equal(number,
                             next - lowest < CONSENS_SESSION_WRITES_MAX ? next : 0);
            is_open[number] = number != 0;
            next += number != 0 ? 1 : 0;
        } else {
            uint64_t number = lowest + draw_below(&seed, CONSENS_SESSION_WRITES_MAX);
            if (number < next && is_open[number]) {
                session_release(&session, 8, number); // of another session: nothing
                session_release(&session, 9, number);
                is_open[number] = false;
            }
        }
    }
    assert_true(next > 1000);
}

static void each_code_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(consens_code_word(CONSENS_OK), "ok");
    assert_string_equal(consens_code_word(CONSENS_OUTCOME_UNKNOWN), "outcome_unknown");
    assert_string_equal(consens_code_word(CONSENS_UNREACHABLE), "unreachable");
    assert_string_equal(consens_code_word(CONSENS_CANCELLED), "cancelled");
    assert_string_equal(consens_code_word(CONSENS_CLOSED), "closed");
    assert_string_equal(consens_code_word(CONSENS_OTHER), "unknown_code");
    struct client_reply reply = {.status = CS_STATUS_COUNT,
                                 .applied = CS_APPLIED_UNKNOWN,
                                 .word = view_of("hot", 3)};
    struct outcome outcome = outcome_from_reply(&reply, "e");
    assert_int_equal(outcome.answer.code, CONSENS_OTHER);
    assert_string_equal(outcome.answer.word, "hot");
    assert_null(outcome.answer.value);
    outcome_fini(&outcome);
    // Every status of the client port but those of HTTP has a code of its own.
    for (unsigned i = 0; i < CS_STATUS_COUNT; i++) {
        enum cs_status status = (enum cs_status)i;
        reply = (struct client_reply){.status = status};
        outcome = outcome_from_reply(&reply, "e");
        bool is_of_http = status == CS_METHOD || status == CS_HEAD_TOO_LARGE;
        assert_int_equal(outcome.answer.code == CONSENS_OTHER, is_of_http);
        if (!is_of_http) {
            assert_string_equal(consens_code_word(outcome.answer.code),
                                status_word(status));
        }
        outcome_fini(&outcome);
    }
}

static void an_answer_has_copies_of_what_it_points_to(void **state)
{
    (void)state;
    char name[] = "tcp://a:1";
    char detail[] = "not now";
    struct client_reply reply = {.status = CS_OVERLOADED, .detail = view_of(detail, 7)};
    struct outcome said = outcome_from_reply(&reply, name);
    struct outcome own =
        outcome_of(CONSENS_UNREACHABLE, CONSENS_APPLIED_NO, detail, name);
    struct outcome nobodys = outcome_of(CONSENS_CLOSED, CONSENS_APPLIED_NO, detail, NULL);
    memset(name, 'x', sizeof name - 1);
    memset(detail, 'x', sizeof detail - 1);
    assert_string_equal(said.answer.endpoint, "tcp://a:1");
    assert_string_equal(said.answer.detail, "not now");
    assert_string_equal(own.answer.endpoint, "tcp://a:1");
    assert_string_equal(own.answer.detail, "not now");
    assert_null(nobodys.answer.endpoint);
    outcome_fini(&said);
    outcome_fini(&own);
    outcome_fini(&nobodys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_shows_what_it_is),
        cmocka_unit_test(a_request_knows_why_it_cannot_be_sent),
        cmocka_unit_test(endpoints_are_a_list),
        cmocka_unit_test(endpoints_of_no_use_are_refused_in_words),
        cmocka_unit_test(a_name_that_is_not_known_is_left_out_while_others_are),
        cmocka_unit_test(a_session_never_has_more_than_its_window_under_way),
        cmocka_unit_test(each_code_has_its_word),
        cmocka_unit_test(an_answer_has_copies_of_what_it_points_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
