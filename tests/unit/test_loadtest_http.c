/*
 * HTTP answers, whole and in pieces; requests of both tongues as bytes.
 */
#include "loadtest/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* On the heap and no byte longer: a sanitizer sees who reads past it. */
static enum http_progress
read_text(const char *text, size_t bytes, struct http_answer *out)
{
    static uint8_t *copy; // the answer's body points into it until the next call
    free(copy);
    copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    copy[bytes] = 'X';
    return http_read(copy, bytes, out);
}

static void check_whole_only(const char *text, const char *body)
{
    struct http_answer answer;
    size_t bytes = strlen(text);
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_int_equal(read_text(text, cut, &answer), HTTP_MORE);
    }
    assert_int_equal(read_text(text, bytes, &answer), HTTP_WHOLE);
    assert_int_equal(answer.bytes, bytes);
    assert_int_equal(answer.body.bytes, strlen(body));
    assert_memory_equal(answer.body.data, body, strlen(body));
}

static void an_answer_counts_when_it_is_whole(void **state)
{
    (void)state;
    check_whole_only("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
    check_whole_only("HTTP/1.1 304 Not Modified\r\nETag: \"4\"\r\n\r\n", "");
    check_whole_only("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5\r\nhello\r\nA;x=y\r\n, my world\r\n0\r\n\r\n",
                     "hello, my world");
}

static void labels_are_read_whatever_their_case(void **state)
{
    (void)state;
    struct http_answer answer;
    const char text[] = "HTTP/1.1 412 Precondition Failed\r\netag: \"17\"\r\n"
                        "CONSENS-REVISION: 99\r\nConnection: close\r\n"
                        "content-length: 0\r\n\r\n";
    assert_int_equal(read_text(text, sizeof text - 1, &answer), HTTP_WHOLE);
    assert_int_equal(answer.status, 412);
    assert_int_equal(answer.etag, 17);
    assert_int_equal(answer.revision, 99);
    assert_true(answer.must_close);
}

static void nonsense_is_garbled(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 999 What\r\n\r\n",
        "HTTP/1.1 \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    };
    struct http_answer answer;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(read_text(texts[i], strlen(texts[i]), &answer), HTTP_GARBLED);
    }
    struct cs_buffer endless = {0};
    memset(buffer_extend(&endless, HTTP_HEAD_BYTES_MAX + 1), 'a',
           HTTP_HEAD_BYTES_MAX + 1);
    assert_int_equal(http_read(endless.data, endless.bytes, &answer), HTTP_GARBLED);
    buffer_fini(&endless);
}

static void check_request(const struct http_tongue *tongue,
                          const struct operation *operation,
                          const char *expected)
{
    struct cs_buffer bytes = {0};
    tongue->put(&bytes, operation, "k-");
    assert_int_equal(bytes.bytes, strlen(expected));
    assert_memory_equal(bytes.data, expected, bytes.bytes);
    buffer_fini(&bytes);
}

static void requests_are_these_bytes(void **state)
{
    (void)state;
    struct operation operation = {.kind = OPERATION_PUT,
                                  .key = 1,
                                  .value = 255,
                                  .value_bytes = 18};
    check_request(
        &http_consens, &operation,
        "PUT /k-00000001 HTTP/1.1\r\nHost: loadtest\r\nContent-Length: 18\r\n\r\n"
        "00000000000000ff..");
    check_request(
        &http_etcd, &operation,
        "POST /v3/kv/put HTTP/1.1\r\nHost: loadtest\r\nContent-Length: 61\r\n\r\n"
        "{\"key\":\"ay0wMDAwMDAwMQ==\",\"value\":\"MDAwMDAwMDAwMDAwMDBmZi4u\"}");
    operation.kind = OPERATION_LOCAL;
    check_request(&http_consens, &operation,
                  "GET /k-00000001?consistency=local HTTP/1.1\r\nHost: loadtest\r\n\r\n");
    check_request(
        &http_etcd, &operation,
        "POST /v3/kv/range HTTP/1.1\r\nHost: loadtest\r\nContent-Length: 46\r\n\r\n"
        "{\"key\":\"ay0wMDAwMDAwMQ==\",\"serializable\":true}");
    operation = (struct operation){.kind = OPERATION_CAS,
                                   .key = 1,
                                   .value_bytes = 16,
                                   .condition_revision = 41};
    check_request(&http_consens, &operation,
                  "PUT /k-00000001 HTTP/1.1\r\nHost: loadtest\r\nIf-Match: \"41\"\r\n"
                  "Content-Length: 16\r\n\r\n0000000000000000");
}

static uint32_t result_of(const struct http_tongue *tongue,
                          enum operation_kind kind,
                          int status,
                          const char *body)
{
    struct operation operation = {.kind = kind};
    const struct http_answer answer = {.status = status,
                                       .body = view_of(body, strlen(body))};
    tongue->take(&answer, &operation);
    return operation.result;
}

static void answers_mean_what_the_server_means(void **state)
{
    (void)state;
    const struct http_tongue *consens = &http_consens;
    assert_int_equal(result_of(consens, OPERATION_PUT, 201, "created\n"), CS_CREATED);
    assert_int_equal(result_of(consens, OPERATION_PUT, 200, "updated\n"), CS_UPDATED);
    assert_int_equal(result_of(consens, OPERATION_DELETE, 200, ""), CS_DELETED);
    assert_int_equal(result_of(consens, OPERATION_GET, 404, ""), CS_NOT_FOUND);
    assert_int_equal(result_of(consens, OPERATION_CAS, 412, ""), CS_PRECONDITION);
    assert_int_equal(result_of(consens, OPERATION_PUT, 503, ""), DRIVER_UNAVAILABLE);
    assert_int_equal(result_of(consens, OPERATION_PUT, 504, ""), CS_UNKNOWN);
    assert_int_equal(result_of(consens, OPERATION_PUT, 302, ""), DRIVER_GARBLED);
    assert_true(driver_result_is_unknown(CS_UNKNOWN));
    assert_true(driver_result_is_unknown(DRIVER_DISCONNECTED));
    assert_false(driver_result_is_unknown(DRIVER_UNAVAILABLE));
    assert_false(driver_result_is_answer(DRIVER_UNAVAILABLE));

    const struct http_tongue *etcd = &http_etcd;
    const char head[] = "{\"header\":{\"revision\":\"2\"}}";
    assert_int_equal(result_of(etcd, OPERATION_PUT, 200, head), CS_UPDATED);
    assert_int_equal(result_of(etcd, OPERATION_GET, 200, head), CS_NOT_FOUND);
    assert_int_equal(result_of(etcd, OPERATION_DELETE, 200,
                               "{\"header\":{\"revision\":\"2\"},\"deleted\":\"1\"}"),
                     CS_DELETED);
    assert_int_equal(result_of(etcd, OPERATION_PUT, 503, "{}"), DRIVER_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_when_it_is_whole),
        cmocka_unit_test(labels_are_read_whatever_their_case),
        cmocka_unit_test(nonsense_is_garbled),
        cmocka_unit_test(requests_are_these_bytes),
        cmocka_unit_test(answers_mean_what_the_server_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
