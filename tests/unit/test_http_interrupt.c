#include "http/interrupt.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

enum { PATIENCE_MS = 5000, SHORT_MS = 50 };

static void a_wait_ends_and_so_does_the_next_until_it_is_stopped(void **state)
{
    (void)state;
    struct interrupt interrupt = {0};
    uint64_t started_ms = clock_now_ms();
    assert_true(interrupt_start(&interrupt, SHORT_MS));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll(NULL, 0, PATIENCE_MS), -1);
        assert_int_equal(errno, EINTR);
    }
    assert_in_range(clock_now_ms() - started_ms, SHORT_MS, PATIENCE_MS);
    interrupt_stop(&interrupt);
    assert_int_equal(poll(NULL, 0, SHORT_MS), 0);
    assert_true(interrupt_start(&interrupt, SHORT_MS));
    assert_int_equal(poll(NULL, 0, PATIENCE_MS), -1);
    interrupt_fini(&interrupt);
    assert_int_equal(poll(NULL, 0, SHORT_MS), 0);
}

static void one_that_is_stopped_in_time_ends_nothing(void **state)
{
    (void)state;
    struct interrupt interrupt = {0};
    assert_true(interrupt_start(&interrupt, PATIENCE_MS));
    assert_int_equal(poll(NULL, 0, SHORT_MS), 0);
    interrupt_stop(&interrupt);
    interrupt_fini(&interrupt);
    interrupt_fini(&interrupt);
}

static void without_a_timer_it_says_so(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    struct interrupt interrupt = {0};
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    assert_false(interrupt_start(&interrupt, SHORT_MS));
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    assert_true(interrupt_start(&interrupt, SHORT_MS));
    interrupt_fini(&interrupt);
}

static int prepare(void **state)
{
    (void)state;
    interrupt_prepare();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_and_so_does_the_next_until_it_is_stopped),
        cmocka_unit_test(one_that_is_stopped_in_time_ends_nothing),
        cmocka_unit_test(without_a_timer_it_says_so),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
