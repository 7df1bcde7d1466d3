/*
 * The table of waiting clients: found by id, in order of deadlines, never more than it
 * may hold.
 */
#include "engine/waiters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void waiters_numbers_requests_from_one(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 4);
    assert_int_equal(waiters_add(&waiters, 10)->id, 1);
    assert_int_equal(waiters_add(&waiters, 10)->id, 2);
    assert_int_equal(waiters.count, 2);
    waiters_fini(&waiters);
}

static void waiters_refuses_past_its_capacity(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 3);
    for (int i = 0; i < 3; i++) {
        assert_non_null(waiters_add(&waiters, 10));
    }
    assert_null(waiters_add(&waiters, 10));
    waiters_remove(&waiters, waiters_find(&waiters, 2));
    assert_non_null(waiters_add(&waiters, 10));
    assert_null(waiters_add(&waiters, 10));
    waiters_fini(&waiters);
}

static void waiters_never_finds_an_answered_request(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 2);
    for (uint64_t id = 1; id <= 100; id++) {
        struct waiter *waiter = waiters_add(&waiters, 10);
        assert_ptr_equal(waiters_find(&waiters, id), waiter);
        assert_null(waiters_find(&waiters, id - 1));
        assert_null(waiters_find(&waiters, id + 1));
        waiters_remove(&waiters, waiter);
        assert_null(waiters_find(&waiters, id));
    }
    assert_int_equal(waiters.count, 0);
    waiters_fini(&waiters);
}

static void waiters_expires_in_order_of_deadlines(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 8);
    assert_true(waiters_next_deadline(&waiters) == UINT64_MAX);
    (void)waiters_add(&waiters, 300);
    (void)waiters_add(&waiters, 100);
    (void)waiters_add(&waiters, 200);
    assert_int_equal(waiters_next_deadline(&waiters), 100);
    assert_null(waiters_first_due(&waiters, 99));
    assert_int_equal(waiters_first_due(&waiters, 100)->id, 2);
    waiters_remove(&waiters, waiters_find(&waiters, 2));
    assert_int_equal(waiters_first_due(&waiters, 1000)->id, 3);
    waiters_remove(&waiters, waiters_find(&waiters, 3));
    assert_int_equal(waiters_first_due(&waiters, 1000)->id, 1);
    waiters_fini(&waiters);
}

static void waiters_counts_the_bytes_they_hold(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 4);
    struct waiter *first = waiters_add(&waiters, 10);
    struct waiter *second = waiters_add(&waiters, 10);
    waiters_hold_bytes(&waiters, first, 100);
    waiters_hold_bytes(&waiters, second, 50);
    assert_int_equal(waiters.held_bytes, 150);
    waiters_hold_bytes(&waiters, first, 0);
    assert_int_equal(waiters.held_bytes, 50);
    waiters_remove(&waiters, second);
    assert_int_equal(waiters.held_bytes, 0);
    waiters_fini(&waiters);
}

static void waiters_come_out_when_their_revision_is_reached(void **state)
{
    (void)state;
    struct waiters waiters;
    waiters_init(&waiters, 4);
    const uint64_t revisions[] = {9, 5, 7};
    for (int i = 0; i < 3; i++) {
        struct waiter *waiter = waiters_add(&waiters, 1000);
        waiter->min_revision = revisions[i];
        waiters_await_revision(&waiters, waiter);
    }
    assert_null(waiters_first_reached(&waiters, 4));
    assert_int_equal(waiters_first_reached(&waiters, 8)->min_revision, 5);
    waiters_remove(&waiters, waiters_first_reached(&waiters, 8));
    assert_int_equal(waiters_first_reached(&waiters, 8)->min_revision, 7);
    waiters_remove(&waiters, waiters_first_reached(&waiters, 8));
    assert_null(waiters_first_reached(&waiters, 8));
    waiters_fini(&waiters);
}

static void waiter_list_keeps_arrival_order(void **state)
{
    (void)state;
    struct waiters waiters;
    struct waiter_list list = {0};
    struct waiter_list other = {0};
    waiters_init(&waiters, 4);
    struct waiter *waiter[4];
    for (int i = 0; i < 4; i++) {
        waiter[i] = waiters_add(&waiters, 10);
        waiter_list_push(i < 2 ? &list : &other, waiter[i]);
    }
    waiter_list_splice(&list, &other);
    assert_null(other.first);
    assert_null(other.last);
    waiter_list_remove(&list, waiter[1]);
    waiter_list_remove(&list, waiter[3]);
    assert_ptr_equal(list.first, waiter[0]);
    assert_ptr_equal(list.first->list_next, waiter[2]);
    assert_ptr_equal(list.last, waiter[2]);
    waiter_list_splice(&list, &other); // of nothing
    assert_ptr_equal(list.last, waiter[2]);
    waiter_list_remove(&list, waiter[0]);
    waiter_list_remove(&list, waiter[2]);
    assert_null(list.first);
    assert_null(list.last);
    waiters_fini(&waiters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiters_numbers_requests_from_one),
        cmocka_unit_test(waiters_refuses_past_its_capacity),
        cmocka_unit_test(waiters_never_finds_an_answered_request),
        cmocka_unit_test(waiters_expires_in_order_of_deadlines),
        cmocka_unit_test(waiters_counts_the_bytes_they_hold),
        cmocka_unit_test(waiters_come_out_when_their_revision_is_reached),
        cmocka_unit_test(waiter_list_keeps_arrival_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
