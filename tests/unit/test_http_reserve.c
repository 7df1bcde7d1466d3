#include "http/reserve.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LONG_MS = 5000 };

static void the_share_is_not_exceeded(void **state)
{
    (void)state;
    struct reserve reserve = {.share = 3};
    for (int i = 0; i < 3; i++) {
        assert_true(reserve_enter(&reserve));
    }
    uint64_t started_ms = clock_now_ms();
    assert_false(reserve_enter(&reserve));
    assert_in_range(clock_now_ms() - started_ms, RESERVE_PATIENCE_MS, LONG_MS);
    reserve_leave(&reserve);
    assert_true(reserve_enter(&reserve));
    assert_false(reserve_enter(&reserve));
}

static void *leave_once(void *reserve)
{
    reserve_leave(reserve);
    return NULL;
}

static void what_is_given_back_in_time_is_taken(void **state)
{
    (void)state;
    struct reserve reserve = {.share = 1};
    for (int i = 0; i < 3; i++) {
        assert_true(reserve_enter(&reserve));
        pthread_t thread = 0;
        assert_int_equal(pthread_create(&thread, NULL, leave_once, &reserve), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(atomic_load(&reserve.key_count), 0);
}

static void connections_beyond_the_share_run_short(void **state)
{
    (void)state;
    struct reserve reserve = {.share = 3};
    for (int i = 0; i < 3; i++) {
        reserve_open_connection(&reserve);
        assert_false(reserve_is_short(&reserve));
    }
    reserve_open_connection(&reserve);
    assert_true(reserve_is_short(&reserve));
    reserve_close_connection(&reserve);
    assert_false(reserve_is_short(&reserve));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_is_not_exceeded),
        cmocka_unit_test(what_is_given_back_in_time_is_taken),
        cmocka_unit_test(connections_beyond_the_share_run_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
