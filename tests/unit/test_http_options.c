#include "http/options.h"

#include "http/text.h"
#include "wire/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct route route;
static struct head head;
static struct options options;
static struct refusal refusal;

static void begin(enum method method)
{
    memset(&route, 0, sizeof(route));
    memset(&head, 0, sizeof(head));
    memset(&refusal, 0, sizeof(refusal));
    route.kind = ROUTE_KEY;
    route.method = method;
}

static bool read_query(const char *query)
{
    return options_read(&route, &head, text_view(query), &options, &refusal);
}

static bool read_field(enum method method, enum head_field field, const char *value)
{
    begin(method);
    head.fields[field] = text_view(value);
    return read_query("");
}

static void expect_malformed(enum method method, const char *query, const char *words)
{
    begin(method);
    assert_false(read_query(query));
    assert_int_equal(refusal.status, CS_MALFORMED);
    assert_false(refusal.must_close);
    if (strstr(refusal.detail, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, refusal.detail);
    }
}

static void nothing_given_means_the_defaults(void **state)
{
    (void)state;
    begin(METHOD_PUT);
    assert_true(read_query(""));
    assert_int_equal(options.condition, COMMAND_ALWAYS);
    assert_int_equal(options.consistency, REQUEST_LINEARIZABLE);
    assert_int_equal(options.min_revision, 0);
    assert_int_equal(options.timeout_ms, OPTIONS_TIMEOUT_DEFAULT_MS);
    begin(METHOD_GET);
    assert_true(options_read(&route, &head, text_view(NULL), &options, &refusal));
    assert_true(read_query("&&"));
}

static void time_limits_have_bounds(void **state)
{
    (void)state;
    begin(METHOD_PUT);
    assert_true(read_query("timeout=1ms"));
    assert_int_equal(options.timeout_ms, 1);
    assert_true(read_query("timeout=60s"));
    assert_int_equal(options.timeout_ms, OPTIONS_TIMEOUT_MAX_MS);
    static const char *const bad[] = {"timeout=0s", "timeout=60001ms", "timeout=2m",
                                      "timeout=5",  "timeout=",        "timeout",
                                      "timeout=-1s"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_malformed(METHOD_PUT, bad[i], "timeout");
    }
}

static void consistency_is_for_reads(void **state)
{
    (void)state;
    begin(METHOD_GET);
    assert_true(read_query("consistency=local"));
    assert_int_equal(options.consistency, REQUEST_LOCAL);
    assert_true(read_query("consistency=linearizable"));
    assert_int_equal(options.consistency, REQUEST_LINEARIZABLE);
    assert_true(read_field(METHOD_HEAD, HEAD_CONSENS_CONSISTENCY, "local"));
    assert_int_equal(options.consistency, REQUEST_LOCAL);
    expect_malformed(METHOD_GET, "consistency=stale", "linearizable or local");
    expect_malformed(METHOD_GET, "consistency=Local", "linearizable or local");
    expect_malformed(METHOD_GET, "consistency", "linearizable or local");
    expect_malformed(METHOD_PUT, "consistency=local", "only reads");
    begin(METHOD_DELETE);
    assert_true(read_query("consistency=linearizable"));
}

static void a_minimum_revision_is_for_reads(void **state)
{
    (void)state;
    begin(METHOD_GET);
    assert_true(read_query("min-revision=18446744073709551615"));
    assert_true(options.min_revision == UINT64_MAX);
    assert_true(read_field(METHOD_GET, HEAD_CONSENS_MIN_REVISION, "12"));
    assert_int_equal(options.min_revision, 12);
    assert_false(read_field(METHOD_GET, HEAD_CONSENS_MIN_REVISION, "\"12\""));
    expect_malformed(METHOD_GET, "min-revision=", "not a number");
    expect_malformed(METHOD_PUT, "min-revision=1", "only reads");
}

static void conditions_of_writes(void **state)
{
    (void)state;
    assert_true(read_field(METHOD_PUT, HEAD_IF_NONE_MATCH, "*"));
    assert_int_equal(options.condition, COMMAND_IF_ABSENT);
    assert_true(read_field(METHOD_PUT, HEAD_IF_MATCH, "*"));
    assert_int_equal(options.condition, COMMAND_IF_EXISTS);
    assert_true(read_field(METHOD_DELETE, HEAD_IF_MATCH, "\"41\""));
    assert_int_equal(options.condition, COMMAND_IF_REVISION);
    assert_int_equal(options.condition_revision, 41);
    begin(METHOD_PUT);
    assert_true(read_query("if-match=18446744073709551615"));
    assert_true(options.condition_revision == UINT64_MAX);
    // Not offered, so not guessed at.
    assert_false(read_field(METHOD_PUT, HEAD_IF_NONE_MATCH, "\"41\""));
    assert_false(read_field(METHOD_DELETE, HEAD_IF_NONE_MATCH, "*"));
    assert_false(read_field(METHOD_PUT, HEAD_IF_MATCH, "\"41\", \"42\""));
}

static void tags_of_reads(void **state)
{
    (void)state;
    assert_true(read_field(METHOD_GET, HEAD_IF_NONE_MATCH, "\"7\", \"41\" ,\"3\""));
    assert_true(tags_are_given(&options.if_none_match));
    assert_int_equal(options.if_none_match.count, 3);
    assert_true(tags_match(&options.if_none_match, 41));
    assert_false(tags_match(&options.if_none_match, 42));
    assert_false(tags_match(&options.if_none_match, 0));
    assert_false(tags_are_given(&options.if_match));
    assert_true(read_field(METHOD_GET, HEAD_IF_NONE_MATCH, "*"));
    assert_true(tags_match(&options.if_none_match, 1));
    assert_false(tags_match(&options.if_none_match, 0));
    begin(METHOD_GET);
    assert_true(read_query("if-none-match=7,%2241%22"));
    assert_true(tags_match(&options.if_none_match, 7));
    assert_true(tags_match(&options.if_none_match, 41));
}

static void garbled_tags_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "W/\"41\"", "41",    "\"\"",           "\"0\"",     "\"41",
        "41\"",     "\"x\"", "\"-1\"",         "\"41\",",   "\"41\" \"42\"",
        "",         ",",     "\"41\",,\"42\"", "*, \"41\"", "\"18446744073709551616\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool is_trailing_comma =
            strcmp(bad[i], "\"41\",") == 0; // an empty last item is legal
        assert_int_equal(read_field(METHOD_GET, HEAD_IF_NONE_MATCH, bad[i]),
                         is_trailing_comma);
        assert_int_equal(read_field(METHOD_PUT, HEAD_IF_MATCH, bad[i]),
                         is_trailing_comma);
    }
    expect_malformed(METHOD_PUT, "if-match=", "If-Match");
    expect_malformed(METHOD_PUT, "if-match", "If-Match");
    expect_malformed(METHOD_PUT, "if-none-match=x", "If-None-Match");
}

static void tags_have_a_limit(void **state)
{
    (void)state;
    char list[OPTIONS_TAGS_MAX * 8 + 16] = "";
    size_t bytes = 0;
    for (int i = 0; i < OPTIONS_TAGS_MAX; i++) {
        bytes += (size_t)snprintf(list + bytes, sizeof(list) - bytes, "\"%d\",", i + 1);
    }
    assert_true(read_field(METHOD_GET, HEAD_IF_NONE_MATCH, list));
    assert_true(tags_match(&options.if_none_match, OPTIONS_TAGS_MAX));
    (void)snprintf(list + bytes, sizeof(list) - bytes, "\"99\"");
    assert_false(read_field(METHOD_GET, HEAD_IF_NONE_MATCH, list));
}

static void an_option_is_given_once(void **state)
{
    (void)state;
    expect_malformed(METHOD_GET, "timeout=1s&timeout=1s", "twice");
    begin(METHOD_GET);
    head.fields[HEAD_CONSENS_CONSISTENCY] = text_view("local");
    assert_false(read_query("consistency=local"));
    assert_non_null(strstr(refusal.detail, "twice"));
    expect_malformed(METHOD_PUT, "if-match=*&if-none-match=*", "together");
}

static void unknown_options_are_named(void **state)
{
    (void)state;
    expect_malformed(METHOD_PUT, "ttl=30s", "\"ttl\"");
    expect_malformed(METHOD_GET, "timeout=1s&watch", "\"watch\"");
    expect_malformed(METHOD_GET, "Timeout=1s", "\"Timeout\"");
    expect_malformed(METHOD_GET, "time%6fut=1s", "\"time%6fut\"");
    expect_malformed(METHOD_GET, "=x", "\"\"");
    route.kind = ROUTE_STATUS;
    assert_false(read_query("pretty"));
}

static void bad_escapes_and_endless_values_are_refused(void **state)
{
    (void)state;
    expect_malformed(METHOD_GET, "min-revision=%4", "hexadecimal");
    char query[4096] = "min-revision=";
    memset(query + strlen(query), '1', 2000);
    expect_malformed(METHOD_GET, query, "too long");
}

static void the_servers_routes_take_only_a_time_limit(void **state)
{
    (void)state;
    begin(METHOD_GET);
    route.kind = ROUTE_READY;
    assert_true(read_query("timeout=10ms"));
    assert_int_equal(options.timeout_ms, 10);
    assert_false(read_query("consistency=local"));
    assert_false(read_query("if-none-match=*"));
}

static void a_part_of_a_value_cannot_be_put(void **state)
{
    (void)state;
    assert_false(read_field(METHOD_PUT, HEAD_CONTENT_RANGE, "bytes 0-1/2"));
    assert_true(read_field(METHOD_GET, HEAD_CONTENT_RANGE, "bytes 0-1/2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_means_the_defaults),
        cmocka_unit_test(time_limits_have_bounds),
        cmocka_unit_test(consistency_is_for_reads),
        cmocka_unit_test(a_minimum_revision_is_for_reads),
        cmocka_unit_test(conditions_of_writes),
        cmocka_unit_test(tags_of_reads),
        cmocka_unit_test(garbled_tags_are_refused),
        cmocka_unit_test(tags_have_a_limit),
        cmocka_unit_test(an_option_is_given_once),
        cmocka_unit_test(unknown_options_are_named),
        cmocka_unit_test(bad_escapes_and_endless_values_are_refused),
        cmocka_unit_test(the_servers_routes_take_only_a_time_limit),
        cmocka_unit_test(a_part_of_a_value_cannot_be_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
