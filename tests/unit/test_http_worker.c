// Refusals on a real connection: what they say, and whether the connection goes on after
// them.
#include "http/worker.h"

#include "unit/support/http_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { SOON_MS = 5000 };

static struct rig rig;
static struct response response;

static int start(void **state)
{
    (void)state;
    rig_start(&rig);
    struct reply reply = {.status = CS_UPDATED, .revision = 1, .item_revision = 1};
    rig_set_reply(&rig, &reply);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&rig);
    response_fini(&response);
    return 0;
}

// Sends it, expects the status and words in the body, and that the engine heard of
// nothing.
static int send_refused(const char *text, int status, const char *words)
{
    uint32_t before = rig_seen_count(&rig);
    int connection = rig_connect(&rig);
    rig_send_text(connection, text);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, status);
    const char *body = response_text(&response);
    if (strstr(body, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, body);
    }
    assert_int_equal(rig_seen_count(&rig), before);
    return connection;
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

struct row {
    const char *text;
    int status;
    const char *words;
};
#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void what_is_not_offered_is_refused_by_name(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"PUT /k?ttl=30s HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"ttl\""},
        {"GET /k?watch HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"watch\""},
        {"GET /k?wait=60s HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"wait\""},
        {"DELETE /k?prefix HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"prefix\""},
        {"PUT /k?prev HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"prev\""},
        {"GET /k?a%22%0d%0ab=1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"a%22%0d%0ab\""},
        {"PUT /k HTTP/1.1\r\nIdempotency-Key: 7\r\n\r\n", 400, "Idempotency-Key"},
        {"PUT /k HTTP/1.1\r\nConsens-Fence: l=3\r\n\r\n", 400, "Consens-Fence"},
        {"PUT /k HTTP/1.1\r\nConsens-Ttl: 3\r\n\r\n", 400, "Consens-Ttl"},
        {"POST /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST is not offered"},
        {"POST /k?incr=1 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST is not offered"},
        {"PATCH /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "PATCH is not offered"},
        {"OPTIONS /k HTTP/1.1\r\nOrigin: x\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
         405, "OPTIONS is not offered"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/-/status"},
        {"POST /dir/ HTTP/1.1\r\nHost: x\r\n\r\n", 405, "later release"},
        {"GET /dir/ HTTP/1.1\r\nHost: x\r\n\r\n", 405, "later release"},
        {"PUT /dir/ HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405, "later release"},
        {"DELETE /dir/?prefix HTTP/1.1\r\nHost: x\r\n\r\n", 405, "later release"},
        {"GET /-/metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/-/metrics"},
        {"POST /-/txn HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404, "/-/txn"},
        {"GET /-/ HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/-/"},
        {"PUT /-/status HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405, "GET, HEAD"},
        {"GET /-/status?consistency=local HTTP/1.1\r\nHost: x\r\n\r\n", 400,
         "no meaning here"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        expect_goes_on(send_refused(rows[i].text, rows[i].status, rows[i].words));
    }
}

static void a_405_names_the_methods(void **state)
{
    (void)state;
    int connection = send_refused("POST /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "");
    assert_string_equal(response_field(&response, "Allow"), "GET, HEAD, PUT, DELETE");
    (void)close(connection);
    connection = send_refused("PUT /-/live HTTP/1.1\r\nHost: x\r\n\r\n", 405, "");
    assert_string_equal(response_field(&response, "Allow"), "GET, HEAD");
    (void)close(connection);
    connection = send_refused("BREW /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "BREW");
    assert_string_equal(response_field(&response, "Allow"), "GET, HEAD, PUT, DELETE");
    (void)close(connection);
}

static void bad_keys_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET /a%2 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "hexadecimal"},
        {"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "hexadecimal"},
        {"GET /-/kv/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "empty"},
        {"GET /%2d/status HTTP/1.1\r\nHost: x\r\n\r\n", 400, "/-/kv/"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        expect_goes_on(send_refused(rows[i].text, rows[i].status, rows[i].words));
    }
}

static void a_key_has_at_most_1024_bytes(void **state)
{
    (void)state;
    char key[LIMIT_KEY_BYTES + 2];
    memset(key, 'k', sizeof(key));
    char text[2048];
    (void)snprintf(text, sizeof(text), "PUT /%.*s HTTP/1.1\r\nHost: x\r\n\r\n",
                   LIMIT_KEY_BYTES, key);
    rig_ask(&rig, text, &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(rig_seen(&rig)->key.bytes, LIMIT_KEY_BYTES);
    (void)snprintf(text, sizeof(text),
                   "PUT /%.*s HTTP/1.1\r\nAccept: application/json\r\n\r\n",
                   LIMIT_KEY_BYTES + 1, key);
    expect_goes_on(send_refused(text, 414, "\"limit\":1024,\"actual\":1025"));
}

static void requests_that_could_be_two_are_refused_and_closed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"PUT /k HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400,
         "twice"},
        {"PUT /k HTTP/1.1\r\nContent-Length: 3x\r\n\r\nabc", 400, "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", 400, "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", 400, "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", 400, "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length:\r\n\r\nabc", 400, "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc", 400,
         "not a number"},
        {"PUT /k HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400, "both"},
        {"PUT /k HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
         400, "both"},
        {"PUT /k HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 400, "chunked"},
        {"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
         "Transfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400, "twice"},
        {"PUT /k HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, ""},
        {"PUT /k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
         "chunked"},
        {"PUT /k HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", 400, "before its colon"},
        {"PUT /k HTTP/1.1\r\nA: b\r\n Content-Length: 3\r\n\r\nabc", 400, "malformed"},
        {"PUT /k HTTP/1.1\r\nA: b\nContent-Length: 3\r\n\r\nabc", 400, "malformed"},
        {"GET /k HTTP/1.1\nA: b\r\n\r\n", 400, "malformed"},
        {"GET  /k HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request line"},
        {"GET \r\n/k HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request line"},
        {"GET /k?timeout=1s  HTTP/1.1\r\nHost: x\r\n\r\n", 400, "request line"},
        {"PUT /k HTTP/1.1\r\nA: b\r\n:\r\nContent-Length: 3\r\n\r\nabc", 400,
         "malformed"},
        {"PUT /k HTTP/1.1\r\nA: b\r\n\x80: x\r\nContent-Length: 3\r\n\r\nabc", 400,
         "malformed"},
        {"PUT /k HTTP/1.1\r\n:x\r\nContent-Length: 3\r\n\r\nabc", 400, "malformed"},
        {"PUT /k HTTP/1.1\r\nA: b\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n", 400,
         "malformed"},
        {"PUT /k HTTP/1.1\nContent-Length: 3\n\nabc", 400, "malformed"},
        {"\r\n\r\nPUT /k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 400, ""},
        {"PUT /k HTTP/1.1\r\nIf-Match: \"1\"\r\nIf-Match: \"2\"\r\n\r\n", 400, "twice"},
        {"PUT /k HTTP/1.1\r\nContent-Length: 3\r\nExpect: wonders\r\n\r\nabc", 400,
         "Expect"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        expect_closed(send_refused(rows[i].text, rows[i].status, rows[i].words));
    }
}

static void what_civetweb_cannot_parse_is_refused_in_our_words(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", 405, "BREW"},
        {"get /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "get"},
        {"TRACE /k HTTP/1.1\r\nHost: x\r\n\r\n", 405, "TRACE"},
        {"GET /k HTTP/2.0\r\n\r\n", 400, "HTTP/1.1"},
        {"GET /k\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "%XX"},
        {"GET k HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed"},
        {"GET /k HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed"},
        {"nonsense\r\n\r\n", 400, "malformed"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        expect_closed(send_refused(rows[i].text, rows[i].status, rows[i].words));
    }
}

static void a_second_copy_of_the_head_is_not_guessed_at(void **state)
{
    (void)state;
    // Bytes of an earlier request are still in the worker's buffer behind an empty head.
    int connection = rig_connect(&rig);
    rig_send_text(connection, "PUT /k HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 200);
    uint32_t before = rig_seen_count(&rig);
    rig_send_text(connection, "\r\n\r\n");
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 400);
    assert_int_equal(rig_seen_count(&rig), before);
    (void)close(connection);
}

static void the_64th_header_is_one_too_many(void **state)
{
    (void)state;
    char text[4096];
    int bytes = snprintf(text, sizeof(text), "PUT /k HTTP/1.1\r\n");
    for (int i = 0; i < 63; i++) {
        bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes, "X-%d: y\r\n", i);
    }
    int sixty_three = bytes;
    (void)snprintf(text + bytes, sizeof(text) - (size_t)bytes, "\r\n");
    rig_ask(&rig, text, &response);
    assert_int_equal(response.status, 200);
    (void)snprintf(
        text + sixty_three, sizeof(text) - (size_t)sixty_three,
        "X-63: y\r\nContent-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_closed(send_refused(text, 431, "more than 63"));
}

static void a_head_over_16_kib_is_told_the_limit_and_its_size(void **state)
{
    (void)state;
    static char text[20000];
    static char filler[17000];
    memset(filler, 'x', sizeof(filler) - 1);
    (void)snprintf(text, sizeof(text), "PUT /k HTTP/1.1\r\nX: %s\r\n\r\n", filler);
    expect_closed(send_refused(text, 431, "17023 bytes, more than the limit of 16384"));
    (void)snprintf(text, sizeof(text),
                   "PUT /%s HTTP/1.1\r\nAccept: application/json\r\n\r\n", filler);
    expect_closed(send_refused(text, 414, "\"limit\":16384,\"actual\":17043"));
}

static void pipelined_requests_are_answered_in_turn(void **state)
{
    (void)state;
    int connection = rig_connect(&rig);
    rig_send_text(connection, "PUT /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
                              "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n"
                              "PUT /b?no HTTP/1.1\r\nContent-Length: 1\r\n\r\ny"
                              "PUT /c HTTP/1.1\r\nContent-Length: 1\r\n\r\nz");
    static const int statuses[] = {200, 200, 400, 200};
    for (size_t i = 0; i < ROWS(statuses); i++) {
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, statuses[i]);
    }
    assert_memory_equal(rig_seen(&rig)->value.data, "z", 1);
    (void)close(connection);
}

static void a_connection_ends_as_its_reply_says(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n", 0, "keep-alive"},
        {"GET /-/version HTTP/1.1\r\nConnection: close\r\n\r\n", 1, "close"},
        {"GET /-/version HTTP/1.1\r\nConnection: Keep-Alive\r\n\r\n", 0, "keep-alive"},
        {"GET /-/version HTTP/1.1\r\nConnection: TE\r\n\r\n", 1, "close"},
        {"GET /-/version HTTP/1.0\r\n\r\n", 1, "close"},
        {"GET /-/version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, "keep-alive"},
        {"GET /-/version HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n",
         1, "close"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        int connection = rig_connect(&rig);
        rig_send_text(connection, rows[i].text);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 200);
        assert_string_equal(response_field(&response, "Connection"), rows[i].words);
        if (rows[i].status == 1) {
            assert_true(rig_is_closed(connection, SOON_MS));
        } else { // it takes another request
            rig_send_text(connection, "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n");
            rig_receive(connection, &response, true);
            assert_int_equal(response.status, 200);
        }
        (void)close(connection);
    }
}

static void an_absolute_target_is_understood(void **state)
{
    (void)state;
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "PUT http://127.0.0.1:%u/abs HTTP/1.1\r\nHost: x\r\n\r\n",
                   http_port(rig.http));
    rig_ask(&rig, text, &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(rig_seen(&rig)->key.bytes, 3);
    assert_memory_equal(rig_seen(&rig)->key.data, "abs", 3);
}

static void server_errors_are_json_whatever_is_accepted(void **state)
{
    (void)state;
    int connection = send_refused("GET /-/nope HTTP/1.1\r\nHost: x\r\n\r\n", 404,
                                  "\"code\":\"not_found\"");
    assert_string_equal(response_field(&response, "Content-Type"),
                        "application/problem+json");
    assert_string_equal(response_field(&response, "Consens-Node"), "n2");
    (void)close(connection);
}

static void a_refusal_to_a_head_has_no_body(void **state)
{
    (void)state;
    int connection = rig_connect(&rig);
    rig_send_text(connection, "HEAD /k?ttl=1 HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(connection, &response, false);
    assert_int_equal(response.status, 400);
    rig_receive(connection, &response, true);
    assert_int_equal(response.status, 200);
    (void)close(connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_offered_is_refused_by_name),
        cmocka_unit_test(a_405_names_the_methods),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(a_key_has_at_most_1024_bytes),
        cmocka_unit_test(requests_that_could_be_two_are_refused_and_closed),
        cmocka_unit_test(what_civetweb_cannot_parse_is_refused_in_our_words),
        cmocka_unit_test(a_second_copy_of_the_head_is_not_guessed_at),
        cmocka_unit_test(the_64th_header_is_one_too_many),
        cmocka_unit_test(a_head_over_16_kib_is_told_the_limit_and_its_size),
        cmocka_unit_test(pipelined_requests_are_answered_in_turn),
        cmocka_unit_test(a_connection_ends_as_its_reply_says),
        cmocka_unit_test(an_absolute_target_is_understood),
        cmocka_unit_test(server_errors_are_json_whatever_is_accepted),
        cmocka_unit_test(a_refusal_to_a_head_has_no_body),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
