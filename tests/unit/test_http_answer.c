#include "http/answer.h"

#include "base/status.h"
#include "http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cs_buffer out;

static int give_back(void **state)
{
    (void)state;
    buffer_fini(&out);
    return 0;
}

static void expect_rendered(const struct answer *answer, const char *text)
{
    answer_render(&out, answer);
    buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.data, text);
}

static struct answer value_answer(void)
{
    struct answer answer = {.http_status = 200,
                            .body_kind = ANSWER_VALUE,
                            .body = text_view("mydata"),
                            .is_keep_alive = true,
                            .etag_revision = 41,
                            .has_revision = true,
                            .revision = 50,
                            .node = "n1",
                            .leader = "n2",
                            .consistency = ANSWER_LINEARIZABLE};
    return answer;
}

static void a_value_has_all_its_labels(void **state)
{
    (void)state;
    struct answer answer = value_answer();
    expect_rendered(&answer, "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/octet-stream\r\n"
                             "Content-Security-Policy: sandbox\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "Content-Length: 6\r\n"
                             "ETag: \"41\"\r\n"
                             "Consens-Revision: 50\r\n"
                             "Consens-Node: n1\r\n"
                             "Consens-Leader: n2\r\n"
                             "Consens-Consistency: linearizable\r\n"
                             "Connection: keep-alive\r\n"
                             "\r\n"
                             "mydata");
}

static void a_head_reply_differs_by_its_body_only(void **state)
{
    (void)state;
    struct answer answer = value_answer();
    struct cs_buffer with_body = {0};
    answer_render(&with_body, &answer);
    answer.is_head = true;
    answer_render(&out, &answer);
    assert_int_equal(out.bytes + 6, with_body.bytes);
    assert_memory_equal(out.data, with_body.data, out.bytes);
    buffer_fini(&with_body);
}

static void a_local_reply_has_its_lag(void **state)
{
    (void)state;
    struct answer answer = value_answer();
    answer.consistency = ANSWER_LOCAL;
    answer.lag_ms = 0;
    answer_render(&out, &answer);
    buffer_append(&out, "", 1);
    assert_non_null(strstr((const char *)out.data,
                           "Consens-Consistency: local\r\nConsens-Lag-Ms: 0\r\n"));
}

static void a_304_has_neither_body_nor_length(void **state)
{
    (void)state;
    struct answer answer = {.http_status = 304,
                            .body_kind = ANSWER_NOTHING,
                            .body = text_view("x"),
                            .etag_revision = 7,
                            .node = "n1"};
    expect_rendered(&answer, "HTTP/1.1 304 Not Modified\r\n"
                             "ETag: \"7\"\r\n"
                             "Consens-Node: n1\r\n"
                             "Connection: close\r\n"
                             "\r\n");
}

static void an_error_says_when_to_come_back_and_how(void **state)
{
    (void)state;
    struct answer answer = {.http_status = 503,
                            .body_kind = ANSWER_PROBLEM,
                            .body = text_view("{}\n"),
                            .is_keep_alive = true,
                            .node = "n1",
                            .durability = "none"};
    expect_rendered(&answer, "HTTP/1.1 503 Service Unavailable\r\n"
                             "Content-Type: application/problem+json\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "Content-Length: 3\r\n"
                             "Consens-Node: n1\r\n"
                             "Consens-Durability: none\r\n"
                             "Retry-After: 1\r\n"
                             "Connection: keep-alive\r\n"
                             "\r\n"
                             "{}\n");
    answer.http_status = 405;
    answer.allow = "";
    answer_render(&out, &answer);
    buffer_append(&out, "", 1);
    assert_non_null(strstr((const char *)out.data, "\r\nAllow: \r\n"));
    assert_null(strstr((const char *)out.data, "Retry-After"));
}

static void every_status_has_a_phrase(void **state)
{
    (void)state;
    for (int i = 0; i < CS_STATUS_COUNT; i++) {
        assert_string_not_equal(answer_reason(status_http((enum cs_status)i)), "Unnamed");
    }
    assert_string_equal(answer_reason(200), "OK");
    assert_string_equal(answer_reason(299), "Unnamed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_has_all_its_labels),
        cmocka_unit_test(a_head_reply_differs_by_its_body_only),
        cmocka_unit_test(a_local_reply_has_its_lag),
        cmocka_unit_test(a_304_has_neither_body_nor_length),
        cmocka_unit_test(an_error_says_when_to_come_back_and_how),
        cmocka_unit_test(every_status_has_a_phrase),
    };
    return cmocka_run_group_tests(tests, NULL, give_back);
}
