#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): RTLD_NEXT
#include "cli/resources.h"

#include "base/limits.h"
#include "unit/support/few_threads.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

#include <cmocka.h>

static void needs_grow_with_threads_and_nodes(void **state)
{
    (void)state;
    struct settings settings;
    memset(&settings, 0, sizeof settings);
    settings.http_threads = 4;
    settings.node_count = 1;
    struct cli_needs few = cli_count_needs(&settings);
    assert_int_equal(few.sockets, 1023); // never fewer than libzmq has by itself
    assert_true(few.open_files > 3 * 4);
    settings.http_threads = 4096;
    settings.node_count = 7;
    struct cli_needs many = cli_count_needs(&settings);
    assert_true(many.sockets > 4096 + 7 * 3);
    assert_true(many.open_files > 3 * 4096 + 7 * 8);
}

static void a_tenth_and_one_at_least_is_in_reserve(void **state)
{
    (void)state;
    static const uint32_t workers[][2] = {{4, 5}, {9, 10}, {20, 22}, {256, 281}};
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        struct settings settings = {.http_threads = workers[i][0]};
        assert_int_equal(settings_http_workers(&settings), workers[i][1]);
    }
}

static void as_many_threads_as_asked_for_are_tried(void **state)
{
    (void)state;
    struct sentence error = {0};
    assert_true(cli_try_threads(20, &error));
    assert_string_equal(error.text, "");
    atomic_store(&threads_left, 19);
    assert_false(cli_try_threads(20, &error));
    atomic_store(&threads_left, 1000);
    assert_non_null(strstr(error.text, "cannot start its 20 threads, only 19"));
    assert_non_null(strstr(error.text, "TasksMax="));
}

static void the_soft_limit_of_open_files_is_raised_and_never_lowered(void **state)
{
    (void)state;
    struct sentence error = {0};
    struct rlimit limit = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t hard = limit.rlim_max;
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(cli_raise_open_files(100, &error));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t raised = limit.rlim_cur;
    assert_true(raised == hard || raised >= 100 + LIMIT_CLIENT_CONNECTIONS - 64);
    assert_int_equal(limit.rlim_max, hard);
    assert_true(cli_raise_open_files(50, &error));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, raised);
}

static void clients_take_what_the_hard_limit_leaves(void **state)
{
    (void)state;
    struct sentence error = {0};
    struct rlimit limit = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    limit.rlim_max = 1000; // for the rest of this process
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(cli_raise_open_files(900, &error));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 1000);
}

static void past_the_hard_limit_the_sentence_names_the_numbers(void **state)
{
    (void)state;
    struct sentence error = {0};
    struct rlimit limit = {0};
    char expected[256] = "";
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    limit.rlim_max = 128; // for the rest of this process
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(cli_raise_open_files(129, &error));
    (void)snprintf(
        expected, sizeof expected,
        "this node needs 129 open files (3 for each HTTP thread), but the hard "
        "limit is 128; raise it");
    assert_int_equal(strncmp(error.text, expected, strlen(expected)), 0);
    assert_non_null(strstr(error.text, "or lower server/http/threads"));
}

static void a_context_allows_the_sockets_it_was_asked_for(void **state)
{
    (void)state;
    struct sentence error = {0};
    void *context = cli_open_context(5000, &error);
    assert_non_null(context);
    assert_int_equal(zmq_ctx_get(context, ZMQ_MAX_SOCKETS), 5000);
    assert_int_equal(zmq_ctx_term(context), 0);
}

static void more_sockets_than_libzmq_allows_are_refused(void **state)
{
    (void)state;
    struct sentence error = {0};
    assert_null(cli_open_context((uint64_t)INT_MAX + 1, &error));
    assert_non_null(strstr(error.text, "this node needs 2147483648 ZeroMQ sockets"));
    assert_null(cli_open_context(70000, &error));
    assert_non_null(strstr(error.text, "lower server/http/threads"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_grow_with_threads_and_nodes),
        cmocka_unit_test(a_tenth_and_one_at_least_is_in_reserve),
        cmocka_unit_test(a_context_allows_the_sockets_it_was_asked_for),
        cmocka_unit_test(more_sockets_than_libzmq_allows_are_refused),
        cmocka_unit_test(as_many_threads_as_asked_for_are_tried),
        cmocka_unit_test(the_soft_limit_of_open_files_is_raised_and_never_lowered),
        cmocka_unit_test(clients_take_what_the_hard_limit_leaves),
        cmocka_unit_test(past_the_hard_limit_the_sentence_names_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
