/*
 * The linearizability checker: small histories by hand, a dumb twin that tries every
 * order, and a thousand histories of each sort from seeds: good ones that must pass,
 * bad ones that must not.
 */
#include "lincheck/lincheck.h"
#include "lincheck/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOT_TOLD LINCHECK_NOT_TOLD
#define BUDGET   1000000

enum { HISTORY_MAX = 16, HISTORIES = 1000 };

struct history {
    struct lincheck_operation operations[HISTORY_MAX];
    uint32_t count;
};

static enum lincheck_verdict verdict_of(const struct history *history)
{
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    for (uint32_t i = 0; i < history->count; i++) {
        lincheck_add(lincheck, &history->operations[i]);
    }
    enum lincheck_verdict verdict = lincheck_run(lincheck, BUDGET, &result);
    lincheck_destroy(&lincheck);
    return verdict;
}

/*
 * ---- by hand
 * ----------------------------------------------------------------------------
 */

static struct lincheck_operation
put(uint64_t invoked, uint64_t returned, uint64_t value, uint64_t version)
{
    return (struct lincheck_operation){
        .id = value,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_PUT,
        .outcome = version == 1 ? LINCHECK_CREATED : LINCHECK_UPDATED,
        .value = value,
        .revision = value * 10,
        .version = version,
    };
}

static struct lincheck_operation unanswered_put(uint64_t invoked, uint64_t value)
{
    struct lincheck_operation operation = put(invoked, 0, value, 1);
    operation.outcome = LINCHECK_UNKNOWN;
    operation.revision = NOT_TOLD;
    operation.version = NOT_TOLD;
    return operation;
}

static struct lincheck_operation without_version(struct lincheck_operation operation)
{
    operation.version = NOT_TOLD;
    return operation;
}

static struct lincheck_operation get(uint64_t invoked, uint64_t returned, uint64_t value)
{
    return (struct lincheck_operation){
        .id = 1000 + invoked,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_GET,
        .outcome = value == 0 ? LINCHECK_ABSENT : LINCHECK_FOUND,
        .value = value,
        .revision = value * 10,
        .version = NOT_TOLD,
    };
}

static struct lincheck_operation erase(uint64_t invoked, uint64_t returned)
{
    return (struct lincheck_operation){
        .id = 2000 + invoked,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_DELETE,
        .outcome = LINCHECK_DELETED,
        .revision = NOT_TOLD,
    };
}

#define ASSERT_VERDICT(verdict, ...)                                                     \
    do {                                                                                 \
        struct history history = {.operations = {__VA_ARGS__}};                          \
        const struct lincheck_operation list[] = {__VA_ARGS__};                          \
        history.count = sizeof list / sizeof list[0];                                    \
        assert_int_equal(verdict_of(&history), verdict);                                 \
    } while (0)

static void passes_an_empty_history(void **state)
{
    (void)state;
    struct history history = {.count = 0};
    assert_int_equal(verdict_of(&history), LINCHECK_PASSED);
}

static void lets_a_concurrent_read_see_either_value(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 6, 2, 2), get(4, 5, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 6, 2, 2), get(4, 5, 2));
}

static void flags_a_stale_read(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 2), get(5, 6, 1));
}

static void flags_reads_that_go_back_under_a_concurrent_write(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 9, 2, 2), get(4, 5, 2),
                   get(6, 7, 1));
}

static void lets_an_unanswered_write_act_late_or_never(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 1),
                   get(7, 8, 2));
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 2),
                   get(7, 8, 1));
}

static void flags_a_value_nobody_wrote(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), get(3, 4, 7));
}

static void flags_a_write_whose_version_skips_one(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 3));
}

static void explains_a_skipped_version_by_an_unanswered_write(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 9),
                   put(4, 5, 2, 3));
}

static void flags_a_deleted_value_that_comes_back(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), erase(3, 4), get(5, 6, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), erase(3, 4), get(5, 6, 0));
}

static void tells_an_empty_value_from_no_value(void **state)
{
    (void)state;
    struct lincheck_operation empty = put(1, 2, 0, 1);
    empty.revision = 3;
    struct lincheck_operation found = get(3, 4, 0);
    found.outcome = LINCHECK_FOUND;
    found.revision = 3;
    ASSERT_VERDICT(LINCHECK_PASSED, empty, found);
    ASSERT_VERDICT(LINCHECK_VIOLATED, empty, get(3, 4, 0));
}

static void flags_two_swaps_of_one_revision(void **state)
{
    (void)state;
    struct lincheck_operation first = put(3, 4, 2, 2);
    struct lincheck_operation second = put(5, 6, 3, 2);
    first.condition = second.condition = LINCHECK_IF_REVISION;
    first.condition_revision = second.condition_revision = 10;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), first);
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), first, second);
}

static void takes_a_refusal_as_a_read_of_the_revision(void **state)
{
    (void)state;
    struct lincheck_operation refused = put(5, 6, 9, 1);
    refused.condition = LINCHECK_IF_ABSENT;
    refused.outcome = LINCHECK_REFUSED;
    refused.revision = 20;
    refused.version = 2;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 4, 2, 2), refused);
    refused.revision = 10;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 2), refused);
    // An unanswered write may be the one it found, unless a read names that one
    // otherwise.
    refused.revision = 33;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    refused.version = 3;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    refused.version = NOT_TOLD;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 3), refused,
                   get(7, 8, 3));
}

/* No other answer tells a version. */
static void takes_the_version_of_a_refused_delete(void **state)
{
    (void)state;
    struct lincheck_operation refused = erase(5, 6);
    refused.condition = LINCHECK_IF_REVISION;
    refused.condition_revision = 7;
    refused.outcome = LINCHECK_REFUSED;
    refused.revision = 33;
    refused.version = 1;
    ASSERT_VERDICT(LINCHECK_PASSED, unanswered_put(1, 1), refused);
    refused.version = 2;
    ASSERT_VERDICT(LINCHECK_VIOLATED, unanswered_put(1, 1), refused);
}

/* Two unanswered writes cannot both turn out to be the one revision. */
static void flags_a_revision_that_is_there_twice(void **state)
{
    (void)state;
    struct lincheck_operation first = put(5, 6, 9, 1);
    first.condition = LINCHECK_IF_ABSENT;
    first.outcome = LINCHECK_REFUSED;
    first.revision = 33;
    first.version = NOT_TOLD;
    struct lincheck_operation second = first;
    second.invoked = 9;
    second.returned = 10;
    ASSERT_VERDICT(LINCHECK_PASSED, unanswered_put(1, 2), unanswered_put(3, 3), first,
                   second);
    ASSERT_VERDICT(LINCHECK_VIOLATED, unanswered_put(1, 2), unanswered_put(3, 3), first,
                   without_version(put(7, 8, 4, 3)), second);
}

static void decides_each_key_by_itself(void **state)
{
    (void)state;
    struct lincheck_operation other = get(3, 4, 0);
    other.key = 2;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), other, get(5, 6, 1));
}

static void says_undecided_when_the_budget_ends(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    const struct lincheck_operation operations[] = {put(1, 2, 1, 1), put(3, 4, 2, 2),
                                                    get(5, 6, 2)};
    for (size_t i = 0; i < 3; i++) {
        lincheck_add(lincheck, &operations[i]);
    }
    assert_int_equal(lincheck_run(lincheck, 2, &result), LINCHECK_UNDECIDED);
    assert_int_equal(lincheck_run(lincheck, 3, &result), LINCHECK_PASSED);
    lincheck_destroy(&lincheck);
}

static void names_the_operation_no_order_explains(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    const struct lincheck_operation operations[] = {put(1, 2, 1, 1), put(3, 4, 2, 2),
                                                    get(5, 6, 1)};
    for (size_t i = 0; i < 3; i++) {
        lincheck_add(lincheck, &operations[i]);
    }
    assert_int_equal(lincheck_run(lincheck, BUDGET, &result), LINCHECK_VIOLATED);
    assert_int_equal(result.stuck_id, 1005);
    assert_int_equal(result.explained, 1);
    lincheck_destroy(&lincheck);
}

/*
 * ---- histories from seeds
 * ----------------------------------------------------------------
 */

static enum lincheck_verdict verdict_of_sample(enum sample_sort sort, uint64_t seed)
{
    struct lincheck_result result;
    struct lincheck *lincheck = lincheck_new();
    struct sample *sample = sample_new();
    sample_make(sample, sort, seed);
    for (uint32_t i = 0; i < sample->count; i++) {
        lincheck_add(lincheck, &sample->operations[i]);
    }
    enum lincheck_verdict verdict = lincheck_run(lincheck, BUDGET, &result);
    sample_destroy(&sample);
    lincheck_destroy(&lincheck);
    return verdict;
}

static void decides_a_thousand_histories_of_each_sort(void **state)
{
    (void)state;
    for (uint32_t sort = 0; sort < SAMPLE_SORTS; sort++) {
        enum lincheck_verdict expected =
            sort == SAMPLE_GOOD ? LINCHECK_PASSED : LINCHECK_VIOLATED;
        for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
            enum lincheck_verdict verdict = verdict_of_sample(sort, seed);
            if (verdict != expected) {
                fail_msg("%s history %d: %s", sample_sort_name(sort), (int)seed,
                         lincheck_verdict_name(verdict));
            }
        }
    }
}

/* Hundreds of writes that may act at any later time, and the search stays near a straight line. */
static void decides_a_key_full_of_unanswered_writes(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    struct sample *sample = sample_new();
    const struct sample_shape shape = {.operations = 400,
                                       .clients = 8,
                                       .keys = 1,
                                       .lost_permille = 250,
                                       .tells_versions = false};
    sample_make_good(sample, &shape, 7);
    for (uint32_t i = 0; i < sample->count; i++) {
        lincheck_add(lincheck, &sample->operations[i]);
    }
    assert_int_equal(lincheck_run(lincheck, BUDGET, &result), LINCHECK_PASSED);
    assert_in_range(result.step_count, 1, 50000);
    sample_destroy(&sample);
    lincheck_destroy(&lincheck);
}

/*
 * A revision that only a refusal names, among writes that all run at once: the swap of it
 * comes when the refusal has been put in order, not when every other write was tried there.
 */
static void looks_for_the_state_that_a_refusal_names(void **state)
{
    (void)state;
    enum { WRITES = 16, NAMED = 5000, END = 9000 };
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    for (uint64_t i = 0; i < WRITES; i++) {
        const struct lincheck_operation lost = unanswered_put(2, 100 + i);
        const struct lincheck_operation known = put(2, END, 502 + i, 4 + i);
        lincheck_add(lincheck, &lost);
        lincheck_add(lincheck, &known);
    }
    const struct lincheck_operation first = put(1, END, 1, 1);
    struct lincheck_operation swap = put(2, END, 501, 3);
    swap.condition = LINCHECK_IF_REVISION;
    swap.condition_revision = NAMED;
    struct lincheck_operation refused = put(2, END, 9, 2);
    refused.condition = LINCHECK_IF_ABSENT;
    refused.outcome = LINCHECK_REFUSED;
    refused.revision = NAMED;
    lincheck_add(lincheck, &first);
    lincheck_add(lincheck, &swap);
    lincheck_add(lincheck, &refused);
    assert_int_equal(lincheck_run(lincheck, BUDGET, &result), LINCHECK_PASSED);
    assert_in_range(result.step_count, 1, 100);
    lincheck_destroy(&lincheck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_an_empty_history),
        cmocka_unit_test(lets_a_concurrent_read_see_either_value),
        cmocka_unit_test(flags_a_stale_read),
        cmocka_unit_test(flags_reads_that_go_back_under_a_concurrent_write),
        cmocka_unit_test(lets_an_unanswered_write_act_late_or_never),
        cmocka_unit_test(flags_a_value_nobody_wrote),
        cmocka_unit_test(flags_a_write_whose_version_skips_one),
        cmocka_unit_test(explains_a_skipped_version_by_an_unanswered_write),
        cmocka_unit_test(flags_a_deleted_value_that_comes_back),
        cmocka_unit_test(tells_an_empty_value_from_no_value),
        cmocka_unit_test(flags_two_swaps_of_one_revision),
        cmocka_unit_test(takes_a_refusal_as_a_read_of_the_revision),
        cmocka_unit_test(takes_the_version_of_a_refused_delete),
        cmocka_unit_test(flags_a_revision_that_is_there_twice),
        cmocka_unit_test(decides_each_key_by_itself),
        cmocka_unit_test(says_undecided_when_the_budget_ends),
        cmocka_unit_test(names_the_operation_no_order_explains),
        cmocka_unit_test(decides_a_thousand_histories_of_each_sort),
        cmocka_unit_test(decides_a_key_full_of_unanswered_writes),
        cmocka_unit_test(looks_for_the_state_that_a_refusal_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
