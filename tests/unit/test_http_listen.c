#include "http/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char error[256];

static const char *explain(const char *address)
{
    error[0] = '\0';
    assert_true(listen_explain(address, error, sizeof(error)));
    return error;
}

static void a_busy_port_is_named_with_what_to_do(void **state)
{
    (void)state;
    int holder = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_bytes = sizeof(at);
    assert_int_equal(bind(holder, (const void *)&at, sizeof(at)), 0);
    assert_int_equal(listen(holder, 1), 0);
    assert_int_equal(getsockname(holder, (void *)&at, &at_bytes), 0);
    char address[64];
    char expected[128];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
    (void)snprintf(
        expected, sizeof(expected),
        "port %u is in use by another process: stop it or set PORT / http to a free "
        "one",
        ntohs(at.sin_port));
    assert_string_equal(explain(address), expected);
    (void)close(holder);
    // What remains of it does not stop the next one.
    assert_false(listen_explain(address, error, sizeof(error)));
}

static void a_foreign_address_is_named(void **state)
{
    (void)state;
    assert_string_equal(
        explain("192.0.2.1:3000"),
        "192.0.2.1 is not an address of this machine: set http to one that is");
}

static void a_bad_address_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "3000",       "127.0.0.1",   "127.0.0.1:", "127.0.0.1:65536",
        "[::1]:3000", "localhost:x", ":3000",      ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(strstr(explain(bad[i]), "an IPv4 address and a port are wanted"));
    }
}

static void files_are_raised_as_far_as_allowed(void **state)
{
    (void)state;
    struct rlimit before = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(listen_raise_files(16, error, sizeof(error)));
    struct rlimit after = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, 16 * LISTEN_FILES_EACH + LISTEN_FILES_SPARE);
    assert_true(listen_raise_files(8, error, sizeof(error)));

    low.rlim_max = 1024;
    low.rlim_cur = 1024;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low),
                     0); // this process will not need more
    assert_false(listen_raise_files(300, error, sizeof(error)));
    assert_string_equal(error,
                        "server/http/threads = 300 needs 1112 open files, and this "
                        "process may have 1024: lower it, or raise the limit (ulimit "
                        "-n)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_port_is_named_with_what_to_do),
        cmocka_unit_test(a_foreign_address_is_named),
        cmocka_unit_test(a_bad_address_is_named),
        cmocka_unit_test(files_are_raised_as_far_as_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
