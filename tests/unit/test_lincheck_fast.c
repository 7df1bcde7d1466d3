/*
 * The fast path of the linearizability checker: what each sentence needs to be said, and that
 * writes without an answer explain what they can and no more.
 */
#include "lincheck/fast.h"
#include "lincheck/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOT_TOLD LINCHECK_NOT_TOLD

enum { HISTORIES = 1000 };

static struct lincheck_operation
put(uint64_t invoked, uint64_t value, uint64_t revision, bool creates)
{
    return (struct lincheck_operation){
        .id = value,
        .invoked = invoked,
        .returned = invoked + 1,
        .kind = LINCHECK_PUT,
        .outcome = creates ? LINCHECK_CREATED : LINCHECK_UPDATED,
        .value = value,
        .revision = revision,
        .version = NOT_TOLD,
        .seen = revision,
    };
}

static struct lincheck_operation
get(uint64_t invoked, uint64_t value, uint64_t revision, uint64_t seen)
{
    return (struct lincheck_operation){
        .invoked = invoked,
        .returned = invoked + 1,
        .kind = LINCHECK_GET,
        .outcome = revision == 0 ? LINCHECK_ABSENT : LINCHECK_FOUND,
        .value = value,
        .revision = revision,
        .version = NOT_TOLD,
        .seen = seen,
    };
}

static struct lincheck_operation
refused(uint64_t invoked, uint64_t revision, uint64_t seen)
{
    struct lincheck_operation operation = put(invoked, 900 + invoked, revision, false);
    operation.outcome = LINCHECK_REFUSED;
    operation.condition = LINCHECK_IF_ABSENT;
    operation.seen = seen;
    return operation;
}

static struct lincheck_operation
swap(uint64_t invoked, uint64_t value, uint64_t revision, uint64_t condition_revision)
{
    struct lincheck_operation operation = put(invoked, value, revision, false);
    operation.condition = LINCHECK_IF_REVISION;
    operation.condition_revision = condition_revision;
    return operation;
}

static struct lincheck_operation erase(uint64_t invoked, uint64_t seen)
{
    return (struct lincheck_operation){.invoked = invoked,
                                       .returned = invoked + 1,
                                       .kind = LINCHECK_DELETE,
                                       .outcome = LINCHECK_DELETED,
                                       .revision = seen,
                                       .seen = seen};
}

static struct lincheck_operation unanswered(struct lincheck_operation operation)
{
    operation.outcome = LINCHECK_UNKNOWN;
    operation.revision = NOT_TOLD;
    operation.seen = NOT_TOLD;
    return operation;
}

#define ASSERT_SAYS(expected, ...)                                                       \
    do {                                                                                 \
        const struct lincheck_operation list[] = {__VA_ARGS__};                          \
        struct fast_result result;                                                       \
        (void)fast_check(list, sizeof list / sizeof list[0], &result);                   \
        assert_string_equal(result.sentence == NULL ? "good" : result.sentence,          \
                            expected);                                                   \
    } while (0)

static void passes_what_follows_the_told_order(void **state)
{
    (void)state;
    struct fast_result nothing;
    assert_true(fast_check(NULL, 0, &nothing));
    ASSERT_SAYS("good", put(1, 1, 1, true), get(3, 1, 1, 1), put(5, 2, 2, false),
                swap(7, 3, 3, 2), refused(9, 3, 3), erase(11, 4), get(13, 0, 0, 4));
}

static void flags_what_contradicts_real_time(void **state)
{
    (void)state;
    ASSERT_SAYS("an older state after a newer one was seen", put(1, 1, 1, true),
                put(3, 2, 2, false), get(5, 1, 1, 1));
    ASSERT_SAYS("a write made a revision that was there before", get(1, 0, 0, 1),
                put(3, 1, 1, true));
    struct lincheck_operation late = unanswered(put(9, 5, 0, false));
    ASSERT_SAYS("a value is read before it was written", put(1, 1, 1, true),
                get(3, 5, 2, 2), late);
    // One that returned before another began, though its revision is higher.
    late.invoked = 7;
    ASSERT_SAYS("an older state after a newer one was seen", put(1, 1, 1, true),
                put(3, 2, 3, false), late, get(8, 5, 2, 3));
}

static void flags_what_does_not_replay(void **state)
{
    (void)state;
    ASSERT_SAYS("it met a revision of the key that was replaced", put(1, 1, 1, true),
                put(3, 2, 2, false), get(5, 1, 1, 2));
    ASSERT_SAYS("it met a revision of the key that was deleted", put(1, 1, 1, true),
                erase(3, 2), get(5, 1, 1, 2));
    ASSERT_SAYS("it met a revision of the key that was replaced", put(1, 1, 1, true),
                swap(3, 2, 2, 1), swap(5, 3, 3, 1));
    ASSERT_SAYS("a revision is read with a value that it did not write",
                put(1, 1, 1, true), get(3, 7, 1, 1));
    ASSERT_SAYS("a value is read that no write can have left there", put(1, 1, 1, true),
                get(3, 7, 2, 2));
    ASSERT_SAYS("a key is present that no write can have made", put(1, 1, 1, false));
    ASSERT_SAYS("a key is absent that no write can have deleted", put(1, 1, 1, true),
                get(3, 0, 0, 5));
    ASSERT_SAYS("a key is absent that no write can have deleted", put(1, 1, 1, true),
                put(3, 2, 3, true));
    ASSERT_SAYS("a revision is told that no write can have made", put(1, 1, 1, true),
                refused(3, 2, 2));
    ASSERT_SAYS("two writes made one revision", put(1, 1, 1, true), put(3, 2, 1, false));
    struct lincheck_operation wrong = swap(3, 2, 2, 2);
    wrong.outcome = LINCHECK_REFUSED;
    wrong.revision = 1;
    wrong.condition_revision = 1;
    ASSERT_SAYS("a condition was judged wrongly", put(1, 1, 1, true), wrong);
}

static void flags_answers_that_tell_nonsense(void **state)
{
    (void)state;
    struct lincheck_operation silent = put(1, 1, 1, true);
    silent.seen = NOT_TOLD;
    ASSERT_SAYS("an answer does not tell its revisions", silent);
    ASSERT_SAYS("a key is newer than the store that holds it", get(1, 1, 5, 4));
    struct lincheck_operation other = put(1, 1, 1, true);
    other.seen = 2;
    ASSERT_SAYS("a write did not make the revision it tells", other);
}

static void lets_unanswered_writes_fill_gaps(void **state)
{
    (void)state;
    struct lincheck_operation lost_put = unanswered(put(2, 9, 0, false));
    struct lincheck_operation lost_delete = unanswered(erase(2, 0));
    ASSERT_SAYS("good", put(1, 1, 1, true), lost_put, get(4, 9, 2, 2));
    ASSERT_SAYS("good", put(1, 1, 1, true), lost_delete, get(4, 0, 0, 2));
    ASSERT_SAYS("good", put(1, 1, 1, true), lost_put, refused(4, 2, 2));
    ASSERT_SAYS("good", lost_put, put(4, 1, 2, false));
    // Each acts once, in a revision that is free, and not before it was invoked.
    ASSERT_SAYS("one write is seen at two revisions", put(1, 1, 1, true), lost_put,
                get(4, 9, 2, 2), get(6, 9, 3, 3));
    ASSERT_SAYS("a revision is told that no write can have made", put(1, 1, 1, true),
                lost_put, refused(4, 2, 2), refused(6, 3, 3));
    ASSERT_SAYS("a key is absent that no write can have deleted", put(1, 1, 1, true),
                lost_delete, get(4, 0, 0, 1));
    lost_delete.invoked = 6;
    ASSERT_SAYS("a key is absent that no write can have deleted", put(1, 1, 1, true),
                lost_delete, get(4, 0, 0, 2), get(9, 0, 0, 2));
}

static void counts_versions_where_they_are_told(void **state)
{
    (void)state;
    struct lincheck_operation first = put(1, 1, 1, true);
    struct lincheck_operation second = put(3, 2, 3, false);
    first.version = 1;
    second.version = 3;
    ASSERT_SAYS("a version counts writes that cannot have been", first, second);
    ASSERT_SAYS("good", first, unanswered(put(2, 9, 0, false)), second);
    second.version = 1;
    ASSERT_SAYS("an answer tells a version that does not fit it", first, second);
}

static void tells_good_histories_from_seven_sorts_of_bad_ones(void **state)
{
    (void)state;
    struct sample *sample = sample_new();
    for (uint32_t sort = 0; sort < SAMPLE_SORTS; sort++) {
        for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
            struct fast_result result;
            sample_make(sample, sort, seed);
            bool is_good = fast_check(sample->operations, sample->count, &result);
            if (is_good != (sort == SAMPLE_GOOD)) {
                fail_msg("%s history %d: %s", sample_sort_name(sort), (int)seed,
                         is_good ? "good" : result.sentence);
            }
        }
    }
    sample_destroy(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_what_follows_the_told_order),
        cmocka_unit_test(flags_what_contradicts_real_time),
        cmocka_unit_test(flags_what_does_not_replay),
        cmocka_unit_test(flags_answers_that_tell_nonsense),
        cmocka_unit_test(lets_unanswered_writes_fill_gaps),
        cmocka_unit_test(counts_versions_where_they_are_told),
        cmocka_unit_test(tells_good_histories_from_seven_sorts_of_bad_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
