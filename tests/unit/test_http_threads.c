// Too few threads for the HTTP server: pthread_create() is ours, and fails when it is to.
#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): RTLD_NEXT
#include "http/http.h"

#include "unit/support/few_threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

enum { THREADS = 8, ENOUGH = 1000 };

// civetweb forgets its list of listeners where it gets no thread at all.
const char *__lsan_default_suppressions(void); // NOLINT(bugprone-reserved-identifier)

const char *__lsan_default_suppressions(void) // NOLINT(bugprone-reserved-identifier)
{
    return "leak:mg_start2";
}

static uint32_t port; // 0: any

static struct http *start_with(void *context, int threads, int *out_code, char error[512])
{
    static struct settings settings;
    settings.node_count = 1;
    settings.http_threads = THREADS - 1; // and one in reserve
    (void)snprintf(settings.nodes[0].http, sizeof(settings.nodes[0].http), "127.0.0.1:%u",
                   port);
    atomic_store(&threads_left, threads);
    *out_code = 0;
    error[0] = '\0';
    return http_start(context, &settings, "v", out_code, error, 512);
}

static void with_all_threads_it_starts(void **state)
{
    void *context = *state;
    char error[512];
    int code = 0;
    struct http *http = start_with(context, THREADS + 1, &code, error);
    assert_non_null(http);
    assert_int_equal(atomic_load(&threads_left), 0);
    port = http_port(http); // the next one is not to find it busy
    http_stop(&http);
}

static void with_fewer_it_says_which_limit_to_raise(void **state)
{
    void *context = *state;
    // None; one worker; all workers, but not the thread that accepts.
    static const int few[] = {0, 1, THREADS};
    for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
        char error[512];
        int code = 0;
        assert_null(start_with(context, few[i], &code, error));
        assert_int_equal(code, HTTP_EXIT_OS_ERROR);
        assert_non_null(strstr(error, "8 HTTP threads"));
        assert_non_null(strstr(error, "TasksMax="));
        port = 0; // civetweb did not close it
    }
}

static int open_context(void **state)
{
    atomic_store(&threads_left, ENOUGH);
    *state = zmq_ctx_new();
    return *state == NULL ? -1 : 0;
}

static int close_context(void **state)
{
    return zmq_ctx_term(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_all_threads_it_starts),
        cmocka_unit_test(with_fewer_it_says_which_limit_to_raise),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
