// Heads as civetweb leaves them. test_http_worker.c sends the odd ones through civetweb
// itself.
#include "http/head.h"

#include "http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char buffer[HEAD_BUFFER_BYTES];
static struct mg_request_info info;
static struct head head;
static struct refusal refusal;

// Splits "GET /k HTTP/1.1 CR LF fields CR LF" in place, as head.c says that civetweb
// does.
static void split(const char *fields, const char *version)
{
    memset(&info, 0, sizeof(info));
    memset(buffer, 'B', sizeof(buffer)); // what follows a head is not NUL
    int bytes =
        snprintf(buffer, sizeof(buffer), "GET /k HTTP/%s\r\n%s\r\n", version, fields);
    buffer[bytes - 1] = '\0';
    buffer[bytes] = 'B';
    info.request_method = buffer;
    info.request_uri = buffer + strlen("GET ");
    info.http_version = buffer + strlen("GET /k HTTP/");
    buffer[strlen("GET")] = '\0';
    buffer[strlen("GET /k")] = '\0';
    char *at = buffer + strlen("GET /k HTTP/1.1");
    while (*at == '\r' || *at == '\n') {
        *at++ = '\0';
    }
    while (*at != '\0' && *at != '\r' && info.num_headers < MG_MAX_HEADERS) {
        struct mg_header *field = &info.http_headers[info.num_headers++];
        field->name = at;
        at = strchr(at, ':');
        *at++ = '\0';
        field->value = at + strspn(at, " \t");
        at += strcspn(at, "\r\n");
        if (*at == '\r') {
            *at++ = '\0';
        }
        *at++ = '\0';
    }
}

static bool read_head(const char *fields)
{
    split(fields, "1.1");
    memset(&refusal, 0, sizeof(refusal));
    return head_read(&info, buffer, &head, &refusal);
}

static void expect_closing(const char *fields, enum cs_status status)
{
    assert_false(read_head(fields));
    assert_int_equal(refusal.status, status);
    assert_true(refusal.must_close);
}

static void a_head_may_be_empty(void **state)
{
    (void)state;
    assert_true(read_head(""));
    assert_false(head.is_keep_alive); // it may be a longer one that civetweb cut
    assert_false(head.wants_json || head.is_chunked || head.expects_continue);
    assert_int_equal(head.content_bytes, 0);
    for (int i = 0; i < HEAD_FIELDS; i++) {
        assert_null(head.fields[i].data);
    }
}

static void fields_are_found_in_any_case_and_trimmed(void **state)
{
    (void)state;
    assert_true(read_head("HOST: x\r\nif-match:   \"41\" \t\r\nCONTENT-LENGTH: 12\r\n"
                          "Consens-Min-Revision:\r\n"));
    assert_true(text_equals(head.fields[HEAD_IF_MATCH], "\"41\""));
    assert_int_equal(head.content_bytes, 12);
    assert_non_null(head.fields[HEAD_CONSENS_MIN_REVISION].data);
    assert_int_equal(head.fields[HEAD_CONSENS_MIN_REVISION].bytes, 0);
}

static void json_is_wanted_if_accept_names_it(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "Accept: application/json\r\n",
        "Accept: text/html, Application/JSON;q=0.5\r\n",
        "Accept: application/problem+json\r\n",
        "Accept: text/html\r\nAccept: application/json\r\n",
        "Accept: application/json\r\nAccept: text/html\r\n",
    };
    static const char *const not_wanted[] = {
        "Accept: */*\r\n", "Accept: application/jsonp\r\n",
        "Accept: application/json;q=0\r\n", "Accept:\r\n", "Accept: ,;,\r\n"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(read_head(wanted[i]) && head.wants_json);
    }
    for (size_t i = 0; i < sizeof(not_wanted) / sizeof(not_wanted[0]); i++) {
        assert_true(read_head(not_wanted[i]) && !head.wants_json);
    }
}

static void a_connection_is_kept_as_the_client_says(void **state)
{
    (void)state;
    assert_true(read_head("Connection: close\r\n") && !head.is_keep_alive);
    assert_true(read_head("Connection: keep-alive\r\n") && head.is_keep_alive);
    assert_true(read_head("Connection: TE, Keep-Alive\r\n") && head.is_keep_alive);
    assert_true(read_head("Connection: keep-alive, close\r\n") && !head.is_keep_alive);
    assert_true(read_head("Upgrade: websocket\r\n") && !head.is_keep_alive);
    split("", "1.0");
    assert_true(head_read(&info, buffer, &head, &refusal) && !head.is_keep_alive);
    split("Connection: keep-alive\r\n", "1.0");
    assert_true(head_read(&info, buffer, &head, &refusal) && head.is_keep_alive);
}

static void the_end_of_the_body_is_beyond_doubt(void **state)
{
    (void)state;
    assert_true(read_head("Transfer-Encoding: chunked\r\n") && head.is_chunked);
    assert_true(read_head("Content-Length: 9223372036854775807\r\n"));
    expect_closing("Content-Length: 9223372036854775808\r\n", CS_MALFORMED);
    expect_closing("Content-Length: 3x\r\n", CS_MALFORMED);
    expect_closing("Content-Length: 1\r\ncontent-length: 1\r\n", CS_MALFORMED);
    expect_closing("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", CS_MALFORMED);
    expect_closing("Transfer-Encoding: chunked, gzip\r\n", CS_MALFORMED);
}

static void an_expectation_needs_a_body(void **state)
{
    (void)state;
    assert_true(read_head("Expect: 100-continue\r\n") && !head.expects_continue);
    assert_true(read_head("Expect: 100-CONTINUE\r\nContent-Length: 1\r\n"));
    assert_true(head.expects_continue);
    expect_closing("Expect: 200-ok\r\nContent-Length: 1\r\n", CS_MALFORMED);
}

static void promises_not_kept_are_refused_but_the_body_is_still_known(void **state)
{
    (void)state;
    assert_false(read_head("Idempotency-Key: a\r\nContent-Length: 7\r\n"));
    assert_int_equal(refusal.status, CS_MALFORMED);
    assert_false(refusal.must_close);
    assert_int_equal(head.content_bytes, 7);
    expect_closing("Consens-New: a\r\nContent-Length: 7\r\nContent-Length: 8\r\n",
                   CS_MALFORMED);
    assert_true(read_head("X-Idempotency-Key: a\r\nConsen: b\r\n"));
}

static void an_incomplete_head_is_refused(void **state)
{
    (void)state;
    split("A: b\r\nC: d\r\n", "1.1");
    info.num_headers = 1; // as if civetweb had stopped there
    assert_false(head_read(&info, buffer, &head, &refusal));
    assert_true(refusal.must_close);
    info.num_headers = 0;
    assert_false(head_read(&info, buffer, &head, &refusal));
}

static void a_space_before_the_colon_is_refused(void **state)
{
    (void)state;
    split("A: b\r\nContent-Length : 5\r\n", "1.1");
    char *space = strchr(info.http_headers[1].name, ' ');
    *space = '\0';
    memset(&refusal, 0, sizeof(refusal));
    assert_false(head_read(&info, buffer, &head, &refusal));
    assert_true(refusal.must_close);
    assert_non_null(strstr(refusal.detail, "colon"));
}

static void a_head_that_does_not_begin_the_buffer_is_refused(void **state)
{
    (void)state;
    split("A: b\r\n", "1.1");
    assert_true(head_read(&info, buffer, &head, &refusal));
    assert_false(head_read(&info, NULL, &head, &refusal));
    memset(&refusal, 0, sizeof(refusal));
    info.request_method = buffer + 4;
    assert_false(head_read(&info, buffer, &head, &refusal));
    assert_true(refusal.must_close);
}

// A head of so many bytes, in one field.
static bool read_head_of(size_t bytes)
{
    static char fields[HEAD_BUFFER_BYTES];
    size_t fixed = strlen("GET /k HTTP/1.1\r\nA: \r\n\r\n");
    (void)snprintf(fields, sizeof(fields), "A: ");
    memset(fields + strlen("A: "), 'v', bytes - fixed);
    memcpy(fields + strlen("A: ") + bytes - fixed, "\r\n", 3);
    return read_head(fields);
}

static void a_head_has_at_most_16_kib(void **state)
{
    (void)state;
    assert_true(read_head_of(HEAD_BYTES_MAX));
    static const size_t sizes[] = {HEAD_BYTES_MAX + 1, HEAD_BUFFER_BYTES - 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_false(read_head_of(sizes[i]));
        assert_int_equal(refusal.status, CS_HEAD_TOO_LARGE);
        assert_int_equal(refusal.limit, HEAD_BYTES_MAX);
        assert_int_equal(refusal.actual, sizes[i]);
        assert_false(head.is_keep_alive);
    }
}

static void a_head_that_fills_the_buffer_is_not_read_past(void **state)
{
    (void)state;
    (void)read_head_of(HEAD_BUFFER_BYTES - 1);
    // One that ends with bare LFs could end with the buffer itself.
    info.num_headers = 1;
    memset(buffer + HEAD_BUFFER_BYTES - 8, 'v', 6);
    buffer[HEAD_BUFFER_BYTES - 2] = '\0';
    buffer[HEAD_BUFFER_BYTES - 1] = '\0';
    assert_false(head_read(&info, buffer, &head, &refusal));
    assert_int_equal(refusal.status, CS_MALFORMED);
}

static void a_line_ends_with_cr_lf_and_nothing_else(void **state)
{
    (void)state;
    expect_closing("A: b\nContent-Length: 3\r\n", CS_MALFORMED);
    expect_closing("A: b\nC: d\r\nE: f\r\n", CS_MALFORMED);
    assert_true(read_head("A: b\r\nC: d\r\nE: f\r\n"));
}

static void a_request_line_has_single_spaces(void **state)
{
    (void)state;
    split("A: b\r\n", "1.1");
    info.request_uri++; // as after two spaces
    assert_false(head_read(&info, buffer, &head, &refusal));
    split("A: b\r\n", "1.1");
    buffer[strlen("GET /")] = '\0'; // as if the target were shorter
    assert_false(head_read(&info, buffer, &head, &refusal));
    split("A: b\r\n", "1.1");
    buffer[strlen("GET /")] = '\0';
    info.query_string = buffer + strlen("GET /k");
    assert_true(head_read(&info, buffer, &head, &refusal));
}

static void sixty_four_fields_are_too_many(void **state)
{
    (void)state;
    static char fields[64 * 16];
    int bytes = 0;
    for (int i = 0; i < 64; i++) {
        bytes +=
            snprintf(fields + bytes, sizeof(fields) - (size_t)bytes, "F%d: v\r\n", i);
    }
    expect_closing(fields, CS_HEAD_TOO_LARGE);
    assert_int_equal(refusal.limit, 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_may_be_empty),
        cmocka_unit_test(fields_are_found_in_any_case_and_trimmed),
        cmocka_unit_test(json_is_wanted_if_accept_names_it),
        cmocka_unit_test(a_connection_is_kept_as_the_client_says),
        cmocka_unit_test(the_end_of_the_body_is_beyond_doubt),
        cmocka_unit_test(an_expectation_needs_a_body),
        cmocka_unit_test(promises_not_kept_are_refused_but_the_body_is_still_known),
        cmocka_unit_test(an_incomplete_head_is_refused),
        cmocka_unit_test(a_space_before_the_colon_is_refused),
        cmocka_unit_test(a_head_that_does_not_begin_the_buffer_is_refused),
        cmocka_unit_test(a_head_has_at_most_16_kib),
        cmocka_unit_test(a_head_that_fills_the_buffer_is_not_read_past),
        cmocka_unit_test(a_line_ends_with_cr_lf_and_nothing_else),
        cmocka_unit_test(a_request_line_has_single_spaces),
        cmocka_unit_test(sixty_four_fields_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
