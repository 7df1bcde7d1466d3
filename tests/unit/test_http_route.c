#include "http/route.h"

#include "http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct route route;
static struct refusal refusal;

static bool find(const char *method, const char *path)
{
    memset(&route, 0, sizeof(route));
    memset(&refusal, 0, sizeof(refusal));
    return route_find(text_view(method), text_view(path), &route, &refusal);
}

static void expect_key(const char *path, const char *key, size_t key_bytes)
{
    assert_true(find("GET", path));
    assert_int_equal(route.kind, ROUTE_KEY);
    assert_int_equal(route.key_bytes, key_bytes);
    assert_memory_equal(route.key, key, key_bytes);
}

static void expect_refused(const char *method, const char *path, enum cs_status status)
{
    assert_false(find(method, path));
    assert_int_equal(refusal.status, status);
    assert_false(refusal.must_close);
    assert_true(strlen(refusal.detail) > 10);
}

static void methods_have_their_exact_names(void **state)
{
    (void)state;
    assert_int_equal(method_of(text_view("GET")), METHOD_GET);
    assert_int_equal(method_of(text_view("HEAD")), METHOD_HEAD);
    assert_int_equal(method_of(text_view("PUT")), METHOD_PUT);
    assert_int_equal(method_of(text_view("DELETE")), METHOD_DELETE);
    assert_int_equal(method_of(text_view("POST")), METHOD_OTHER);
    assert_int_equal(method_of(text_view("put")), METHOD_OTHER);
    assert_int_equal(method_of(text_view("")), METHOD_OTHER);
}

static void a_path_is_a_key_byte_for_byte(void **state)
{
    (void)state;
    expect_key("/mykey", "mykey", 5);
    expect_key("/a/./b/../c", "a/./b/../c", 10);
    expect_key("//x", "/x", 2);
}

static void escapes_are_data(void **state)
{
    (void)state;
    expect_key("/a%2Fb", "a/b", 3);
    expect_key("/%00", "\0", 1);
    expect_key("/%25", "%", 1);
    expect_key("/dir%2F", "dir/", 4);
    expect_key("/a?b", "a?b", 3);
}

static void the_servers_prefix_reaches_any_key(void **state)
{
    (void)state;
    expect_key("/-/kv/a", "a", 1);
    expect_key("/-/kv//", "/", 1);
    expect_key("/-/kv/dir/", "dir/", 4);
    expect_key("/-/kv/-/status", "-/status", 8);
}

static void the_servers_own_routes_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route_kind kind;
    } rows[] = {{"/-/status", ROUTE_STATUS},
                {"/-/live", ROUTE_LIVE},
                {"/-/ready", ROUTE_READY},
                {"/-/version", ROUTE_VERSION}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(find("GET", rows[i].path));
        assert_int_equal(route.kind, rows[i].kind);
        assert_true(find("HEAD", rows[i].path));
        expect_refused("PUT", rows[i].path, CS_METHOD);
        assert_string_equal(refusal.allow, "GET, HEAD");
        assert_true(route_is_server(text_view(rows[i].path)));
    }
    assert_false(route_is_server(text_view("/-/kv/x")));
    assert_false(route_is_server(text_view("/x")));
}

static void other_server_paths_are_not_there(void **state)
{
    (void)state;
    expect_refused("GET", "/-/", CS_NOT_FOUND);
    expect_refused("GET", "/-/status/", CS_NOT_FOUND);
    expect_refused("POST", "/-/txn", CS_NOT_FOUND);
    expect_refused("GET", "/-/kv", CS_NOT_FOUND);
    expect_refused("GET", "/-//kv/x", CS_NOT_FOUND);
}

static void collections_are_not_pretended(void **state)
{
    (void)state;
    expect_refused("GET", "/", CS_NOT_FOUND);
    expect_refused("HEAD", "/", CS_NOT_FOUND);
    expect_refused("PUT", "/", CS_METHOD);
    expect_refused("GET", "/dir/", CS_METHOD);
    expect_refused("DELETE", "/dir/", CS_METHOD);
    expect_refused("POST", "/dir/", CS_METHOD);
    expect_refused("GET", "//", CS_METHOD);
    assert_string_equal(refusal.allow, "");
}

static void other_methods_are_refused_with_those_that_work(void **state)
{
    (void)state;
    expect_refused("POST", "/k", CS_METHOD);
    assert_string_equal(refusal.allow, "GET, HEAD, PUT, DELETE");
    expect_refused("OPTIONS", "/-/kv/k", CS_METHOD);
    assert_string_equal(refusal.allow, "GET, HEAD, PUT, DELETE");
}

static void bad_paths_are_malformed(void **state)
{
    (void)state;
    expect_refused("GET", "", CS_MALFORMED);
    expect_refused("GET", "k", CS_MALFORMED);
    expect_refused("GET", "/%", CS_MALFORMED);
    expect_refused("GET", "/-/kv/", CS_MALFORMED);
    expect_refused("GET", "/-/kv/%4", CS_MALFORMED);
}

static void a_disguised_server_path_is_refused(void **state)
{
    (void)state;
    expect_refused("PUT", "/%2D/status", CS_MALFORMED);
    expect_refused("PUT", "/-%2Fstatus", CS_MALFORMED);
    expect_key("/-", "-", 1);
    expect_key("/--%2F", "--/", 3);
}

static void a_key_has_a_limit(void **state)
{
    (void)state;
    char *path = calloc(1, LIMIT_KEY_BYTES * 3 + 8);
    assert_non_null(path);
    path[0] = '/';
    for (int i = 0; i < LIMIT_KEY_BYTES; i++) {
        memcpy(path + 1 + 3 * i, "%6b", 3);
    }
    assert_true(find("PUT", path));
    assert_int_equal(route.key_bytes, LIMIT_KEY_BYTES);
    memcpy(path + 1 + 3 * LIMIT_KEY_BYTES, "k", 2);
    expect_refused("PUT", path, CS_KEY_TOO_LONG);
    assert_int_equal(refusal.limit, LIMIT_KEY_BYTES);
    assert_int_equal(refusal.actual, LIMIT_KEY_BYTES + 1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_have_their_exact_names),
        cmocka_unit_test(a_path_is_a_key_byte_for_byte),
        cmocka_unit_test(escapes_are_data),
        cmocka_unit_test(the_servers_prefix_reaches_any_key),
        cmocka_unit_test(the_servers_own_routes_are_found),
        cmocka_unit_test(other_server_paths_are_not_there),
        cmocka_unit_test(collections_are_not_pretended),
        cmocka_unit_test(other_methods_are_refused_with_those_that_work),
        cmocka_unit_test(bad_paths_are_malformed),
        cmocka_unit_test(a_disguised_server_path_is_refused),
        cmocka_unit_test(a_key_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
