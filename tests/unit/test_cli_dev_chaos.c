/* Faults of `consens dev` come and go in halves of their period. */
#include "cli/dev_chaos.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void nothing_is_due_without_a_fault(void **state)
{
    (void)state;
    struct dev_chaos chaos = {.half_ms = 100};
    enum dev_fault fault = DEV_FAULTS;
    dev_chaos_begin(&chaos, 1000);
    assert_true(dev_chaos_due_ms(&chaos) == UINT64_MAX);
    assert_false(dev_chaos_next(&chaos, 1000000, &fault));
}

static void a_fault_comes_after_a_half_and_goes_after_another(void **state)
{
    (void)state;
    struct dev_chaos chaos = {.half_ms = 100, .node = {[DEV_PAUSE] = 2}};
    enum dev_fault fault = DEV_FAULTS;
    dev_chaos_begin(&chaos, 1000);
    assert_int_equal(dev_chaos_due_ms(&chaos), 1100);
    assert_false(dev_chaos_next(&chaos, 1099, &fault));
    assert_true(dev_chaos_next(&chaos, 1100, &fault));
    assert_int_equal(fault, DEV_PAUSE);
    assert_true(chaos.is_on[DEV_PAUSE]);
    assert_false(dev_chaos_next(&chaos, 1100, &fault));
    assert_true(dev_chaos_next(&chaos, 1205, &fault)); // late: the next half is whole
    assert_false(chaos.is_on[DEV_PAUSE]);
    assert_int_equal(dev_chaos_due_ms(&chaos), 1305);
}

static void faults_of_several_kinds_come_one_by_one(void **state)
{
    (void)state;
    struct dev_chaos chaos = {.half_ms = 100,
                              .node = {[DEV_KILL] = 1, [DEV_SLOW_DISK] = 1}};
    enum dev_fault fault = DEV_FAULTS;
    dev_chaos_begin(&chaos, 0);
    assert_true(dev_chaos_next(&chaos, 100, &fault));
    assert_int_equal(fault, DEV_KILL);
    assert_true(dev_chaos_next(&chaos, 100, &fault));
    assert_int_equal(fault, DEV_SLOW_DISK);
    assert_false(dev_chaos_next(&chaos, 100, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_without_a_fault),
        cmocka_unit_test(a_fault_comes_after_a_half_and_goes_after_another),
        cmocka_unit_test(faults_of_several_kinds_come_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
