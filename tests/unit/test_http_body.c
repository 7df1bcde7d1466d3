#include "http/body.h"

#include "base/clock.h"
#include "unit/support/http_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOON_MS = 5000, DRIP_MS = 100, DEADLINE_MS = 400, LIMIT = RIG_LIMIT_VALUE_BYTES };

static struct rig rig;
static struct response response;
static uint8_t *large; // LIMIT + 1 bytes that differ

static int start(void **state)
{
    (void)state;
    rig_start(&rig);
    struct reply reply = {.status = CS_UPDATED, .revision = 1, .item_revision = 1};
    rig_set_reply(&rig, &reply);
    large = malloc(LIMIT + 1);
    for (size_t i = 0; large != NULL && i <= LIMIT; i++) {
        large[i] = (uint8_t)(i * 7 + i / 251);
    }
    return large == NULL ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    response_fini(&response);
    free(large);
    return 0;
}

static int begin_put(const char *head)
{
    int connection = rig_connect(&rig);
    rig_send_text(connection, head);
    return connection;
}

static void expect_stored(const void *value, size_t bytes)
{
    assert_int_equal(response.status, 200);
    assert_int_equal(rig_seen(&rig)->value.bytes, bytes);
    assert_memory_equal(rig_seen(&rig)->value.data, value, bytes);
}

static void expect_goes_on(int connection)
{
    assert_string_equal(response_field(&response, "Connection"), "keep-alive");
    rig_send_text(connection, "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 200);
    (void)close(connection);
}

static void expect_closed(int connection)
{
    assert_string_equal(response_field(&response, "Connection"), "close");
    assert_true(rig_is_closed(connection, SOON_MS));
    (void)close(connection);
}

static void a_value_of_the_limit_is_stored(void **state)
{
    (void)state;
    char head[128];
    (void)snprintf(head, sizeof(head), "PUT /k HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
                   LIMIT);
    int connection = begin_put(head);
    rig_send(connection, large, LIMIT);
    rig_receive(connection, &response, true);
    expect_stored(large, LIMIT);
    expect_goes_on(connection);
}

static void a_value_past_the_limit_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    char head[128];
    (void)snprintf(head, sizeof(head),
                   "PUT /k HTTP/1.1\r\nAccept: application/problem+json\r\n"
                   "Content-Length: %d\r\nExpect: 100-continue\r\n\r\n",
                   LIMIT + 1);
    int connection = begin_put(head);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 413);
    char words[64];
    (void)snprintf(words, sizeof(words), "\"limit\":%d,\"actual\":%d", LIMIT, LIMIT + 1);
    assert_non_null(strstr(response_text(&response), words));
    expect_closed(connection);
}

static void the_reply_outlives_a_large_body_that_is_not_wanted(void **state)
{
    (void)state;
    int connection = begin_put("PUT /k HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n");
    for (int i = 0; i < 3000000 / LIMIT; i++) {
        rig_send(connection, large, LIMIT);
    }
    rig_send(connection, large, 3000000 % LIMIT);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 413);
    assert_non_null(strstr(response_text(&response), "3000000"));
    expect_closed(connection);
}

static void one_who_expects_100_gets_it(void **state)
{
    (void)state;
    int connection =
        begin_put("PUT /k HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 100);
    rig_send_text(connection, "abc");
    rig_receive(connection, &response, true);
    expect_stored("abc", 3);
    expect_goes_on(connection);
}

static void nobody_else_gets_a_100(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "PUT /k HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "PUT /k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "PUT /k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        rig_ask(&rig, texts[i], &response);
        assert_int_equal(response.status, 200);
    }
    // Refused without a look at the body: the client need not send it.
    int connection = begin_put(
        "PUT /k?no HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 400);
    expect_closed(connection);
}

static void chunks_are_put_together(void **state)
{
    (void)state;
    int connection = begin_put("PUT /k HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
                               "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    rig_receive(connection, &response, true);
    expect_stored("abcdefg", 7);
    expect_closed(connection);
    rig_ask(&rig, "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &response);
    expect_stored("", 0);
}

// civetweb does not read trailers, and does not say whether there were any.
static void trailers_end_the_connection_as_the_reply_says(void **state)
{
    (void)state;
    int connection =
        begin_put("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\nGET /k HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, true);
    expect_stored("abc", 3);
    expect_closed(connection);
}

static void chunks_up_to_the_limit_are_stored(void **state)
{
    (void)state;
    int connection = begin_put("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                               "Expect: 100-continue\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 100);
    char head[32];
    (void)snprintf(head, sizeof(head), "%x\r\n", LIMIT);
    rig_send_text(connection, head);
    rig_send(connection, large, LIMIT);
    rig_send_text(connection, "\r\n0\r\n\r\n");
    rig_receive(connection, &response, true);
    expect_stored(large, LIMIT);
    expect_closed(connection);
}

static void chunks_past_the_limit_are_refused(void **state)
{
    (void)state;
    int connection = begin_put("PUT /k HTTP/1.1\r\nAccept: application/json\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n");
    char head[32];
    (void)snprintf(head, sizeof(head), "%x\r\n", LIMIT + 1);
    rig_send_text(connection, head);
    rig_send(connection, large, LIMIT + 1);
    rig_send_text(connection, "\r\n0\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 413);
    char words[80];
    (void)snprintf(words, sizeof(words), "\"limit\":%d,\"actual\":\"more than %d\"",
                   LIMIT, LIMIT);
    assert_non_null(strstr(response_text(&response), words));
    expect_closed(connection);
}

static void broken_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "xyz\r\n",  "3\r\nabcd\r\n0\r\n\r\n",    "-3\r\nabc\r\n0\r\n\r\n",
        "\r\n\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\nabc\r\n",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        uint32_t before = rig_seen_count(&rig);
        int connection =
            begin_put("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        rig_send_text(connection, bodies[i]);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 400);
        assert_non_null(strstr(response_text(&response), "chunked body"));
        assert_int_equal(rig_seen_count(&rig), before);
        expect_closed(connection);
    }
}

static void a_body_that_stops_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "PUT /k HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint32_t before = rig_seen_count(&rig);
        int connection = begin_put(texts[i]);
        assert_int_equal(shutdown(connection, SHUT_WR), 0);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 400);
        assert_non_null(strstr(response_text(&response), "stopped"));
        assert_int_equal(rig_seen_count(&rig), before);
        expect_closed(connection);
    }
}

static void a_body_in_many_pieces_is_whole(void **state)
{
    (void)state;
    enum { PIECE = 997, PIECES = 40 };
    char head[128];
    (void)snprintf(head, sizeof(head), "PUT /k HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
                   PIECE * PIECES);
    int connection = begin_put(head);
    for (int i = 0; i < PIECES; i++) {
        rig_send(connection, large + (size_t)i * PIECE, PIECE);
    }
    rig_receive(connection, &response, true);
    expect_stored(large, (size_t)PIECE * PIECES);
    expect_goes_on(connection);
}

/* Sends a byte every DRIP_MS until the server answers or closes; how long since the start. */
static uint64_t drip(int connection, const char *bytes, uint64_t started_ms)
{
    struct pollfd item = {.fd = connection, .events = POLLIN};
    size_t at = 0;
    while (poll(&item, 1, DRIP_MS) == 0) {
        assert_true(clock_now_ms() - started_ms < SOON_MS);
        assert_int_equal(send(connection, &bytes[at], 1, MSG_NOSIGNAL), 1);
        at = bytes[at + 1] == '\0' ? 0 : at + 1;
    }
    return clock_now_ms() - started_ms;
}

static void a_body_that_comes_byte_by_byte_has_a_deadline(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "PUT /k HTTP/1.1\r\nContent-Length: 100000\r\n\r\n",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", // 1-byte chunks
    };
    http_set_body_deadline(rig.http, DEADLINE_MS);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        uint64_t started_ms = clock_now_ms();
        int connection = begin_put(heads[i]);
        const char *bytes = i == 2 ? "1\r\nx\r\n" : "x";
        assert_in_range(drip(connection, bytes, started_ms), DEADLINE_MS - 10, SOON_MS);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 400);
        assert_string_equal(response_text(&response),
                            "the body was not there after 400 ms\n");
        (void)close(connection);
    }
    http_set_body_deadline(rig.http, BODY_DEADLINE_MS);
}

static void what_is_sent_after_a_refusal_is_read_for_a_moment_only(void **state)
{
    (void)state;
    uint64_t started_ms = clock_now_ms();
    int connection = begin_put("PUT /k HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 413);
    assert_in_range(drip(connection, "x", started_ms), DRIP_MS, SOON_MS);
    (void)close(connection);
}

static void without_a_timer_a_body_is_refused(void **state)
{
    (void)state;
    static struct rig poor; // whose workers have none yet
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    rig_start(&poor);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    rig_ask(&poor, "PUT /k HTTP/1.1\r\nContent-Length: 1\r\n\r\nv", &response);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    assert_int_equal(response.status, 429);
    assert_non_null(strstr(response_text(&response), "ulimit -i"));
    assert_int_equal(rig_seen_count(&poor), 0);
    rig_stop(&poor);
}

static void a_body_where_there_can_be_none_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET /k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "DELETE /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        int connection = begin_put(heads[i]);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 400);
        assert_string_equal(response_text(&response), "only a PUT has a body\n");
        if (i == 0) {
            expect_goes_on(connection);
        } else {
            expect_closed(connection);
        }
    }
    int connection = begin_put("DELETE /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "0\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 200);
    expect_closed(connection);
}

static void a_large_body_of_a_refused_request_closes_the_connection(void **state)
{
    (void)state;
    char head[128];
    (void)snprintf(head, sizeof(head), "PUT /k?no HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
                   BODY_DISCARD_BYTES_MAX + 1);
    int connection = begin_put(head);
    rig_send(connection, large, BODY_DISCARD_BYTES_MAX + 1);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 400);
    expect_closed(connection);
    (void)snprintf(head, sizeof(head), "PUT /k?no HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
                   BODY_DISCARD_BYTES_MAX);
    connection = begin_put(head);
    rig_send(connection, large, BODY_DISCARD_BYTES_MAX);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 400);
    expect_goes_on(connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_of_the_limit_is_stored),
        cmocka_unit_test(a_value_past_the_limit_is_refused_before_it_is_sent),
        cmocka_unit_test(the_reply_outlives_a_large_body_that_is_not_wanted),
        cmocka_unit_test(one_who_expects_100_gets_it),
        cmocka_unit_test(nobody_else_gets_a_100),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(trailers_end_the_connection_as_the_reply_says),
        cmocka_unit_test(chunks_up_to_the_limit_are_stored),
        cmocka_unit_test(chunks_past_the_limit_are_refused),
        cmocka_unit_test(broken_chunks_are_refused),
        cmocka_unit_test(a_body_that_stops_is_refused),
        cmocka_unit_test(a_body_in_many_pieces_is_whole),
        cmocka_unit_test(a_body_that_comes_byte_by_byte_has_a_deadline),
        cmocka_unit_test(what_is_sent_after_a_refusal_is_read_for_a_moment_only),
        cmocka_unit_test(without_a_timer_a_body_is_refused),
        cmocka_unit_test(a_body_where_there_can_be_none_is_refused),
        cmocka_unit_test(a_large_body_of_a_refused_request_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
