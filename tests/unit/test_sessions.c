/*
 * Exactly once: what a session's write is told the second time, the window, expiry by log
 * time, and a dumb twin that remembers everything.
 */
#include "kv/kv.h"

#include "base/limits.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t open_session(struct kv *kv, uint64_t time_ms)
{
    struct command command = {.operation = COMMAND_OPEN_SESSION};
    struct kv_result result;
    kv_apply(kv, &command, time_ms, &result);
    assert_int_equal(result.status, CS_OK);
    assert_true(result.session > 0);
    return result.session;
}

struct write {
    uint64_t session;
    uint64_t sequence;
    uint64_t acknowledged;
    const char *value; // NULL: delete
    uint32_t condition;
};

static struct kv_result apply(struct kv *kv, struct write write, uint64_t time_ms)
{
    struct command command = {
        .operation = write.value == NULL ? COMMAND_DELETE : COMMAND_PUT,
        .condition = write.condition,
        .key = view_of("k", 1),
        .session = write.session,
        .sequence = write.sequence,
        .acknowledged = write.acknowledged,
    };
    if (write.value != NULL) {
        command.value = view_of(write.value, strlen(write.value));
    }
    struct kv_result result;
    kv_apply(kv, &command, time_ms, &result);
    return result;
}

static void assert_holds(const struct kv *kv, const char *value)
{
    struct kv_item item = {0};
    assert_int_equal(kv_get(kv, view_of("k", 1), &item), CS_OK);
    assert_int_equal(item.value.bytes, strlen(value));
    assert_memory_equal(item.value.data, value, strlen(value));
}

static void a_retry_has_one_effect_and_the_first_answer(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t session = open_session(kv, 0);
    struct write write = {.session = session, .sequence = 1, .value = "a"};
    struct kv_result first = apply(kv, write, 1);
    assert_int_equal(first.status, CS_CREATED);
    assert_false(first.is_replay);
    (void)apply(kv, (struct write){.value = "b"}, 2); // of somebody else
    struct kv_result again = apply(kv, write, 3);
    assert_true(again.is_replay);
    assert_int_equal(again.status, CS_CREATED);
    assert_int_equal(again.revision, first.revision);
    assert_int_equal(again.item_revision, first.item_revision);
    assert_int_equal(again.version, first.version);
    assert_holds(kv, "b");
    assert_int_equal(kv_revision(kv), 2);
    kv_destroy(&kv);
}

static void a_refusal_is_kept_as_well(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t session = open_session(kv, 0);
    struct write write = {.session = session, .sequence = 1};
    assert_int_equal(apply(kv, write, 1).status, CS_NOT_FOUND);
    (void)apply(kv, (struct write){.value = "b"}, 2);
    assert_int_equal(apply(kv, write, 3).status, CS_NOT_FOUND); // not deleted now
    assert_holds(kv, "b");
    kv_destroy(&kv);
}

static void writes_of_one_session_may_overtake_each_other(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t session = open_session(kv, 0);
    struct write late = {.session = session, .sequence = 1, .value = "a"};
    struct write early = {.session = session, .sequence = 16, .value = "b"};
    assert_int_equal(apply(kv, early, 1).status, CS_CREATED);
    assert_int_equal(apply(kv, late, 2).status, CS_UPDATED);
    assert_true(apply(kv, early, 3).is_replay);
    assert_true(apply(kv, late, 4).is_replay);
    assert_holds(kv, "a");
    kv_destroy(&kv);
}

static void what_the_window_has_passed_is_stale(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t session = open_session(kv, 0);
    struct write old = {.session = session, .sequence = 1, .value = "a"};
    struct write new = {.session = session, .sequence = 17, .value = "b"};
    (void)apply(kv, old, 1);
    assert_true(apply(kv, old, 2).is_replay);
    (void)apply(kv, new, 3); // takes the place of 1
    assert_int_equal(apply(kv, old, 4).status, CS_SESSION_STALE);
    assert_holds(kv, "b");
    // Never applied, but as old: nobody can tell any more.
    struct write skipped = {.session = session, .sequence = 2, .value = "c"};
    assert_int_equal(apply(kv, skipped, 5).status, CS_UPDATED);
    new.sequence = 18;
    (void)apply(kv, new, 6);
    assert_int_equal(apply(kv, skipped, 7).status, CS_SESSION_STALE);
    kv_destroy(&kv);
}

static void what_is_acknowledged_is_not_done_later(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t session = open_session(kv, 0);
    struct write third = {.session = session,
                          .sequence = 3,
                          .acknowledged = 2,
                          .value = "c"};
    struct write second = {.session = session, .sequence = 2, .value = "b"};
    (void)apply(kv, third, 1);
    assert_int_equal(apply(kv, second, 2).status, CS_SESSION_STALE);
    assert_holds(kv, "c");
    kv_destroy(&kv);
}

static void an_unknown_or_expired_session_does_nothing(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    struct write write = {.session = 77, .sequence = 1, .value = "a"};
    assert_int_equal(apply(kv, write, 1).status, CS_SESSION_EXPIRED);
    write.session = open_session(kv, 1000);
    (void)apply(kv, write, 1000 + LIMIT_SESSION_IDLE_MS); // used: it lives on
    write.sequence = 2;
    assert_int_equal(apply(kv, write, 1000 + 2 * (uint64_t)LIMIT_SESSION_IDLE_MS).status,
                     CS_UPDATED);
    write.sequence = 3;
    assert_int_equal(apply(kv, write, 1001 + 3 * (uint64_t)LIMIT_SESSION_IDLE_MS).status,
                     CS_SESSION_EXPIRED);
    assert_int_equal(kv_session_count(kv), 0);
    assert_int_equal(kv_revision(kv), 2);
    kv_destroy(&kv);
}

static void past_the_limit_the_one_unused_longest_goes(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t first = open_session(kv, 0);
    uint64_t second = open_session(kv, 0);
    for (uint32_t i = 2; i < LIMIT_SESSIONS; i++) {
        (void)open_session(kv, 1);
    }
    (void)apply(kv, (struct write){.session = first, .sequence = 1, .value = "a"}, 2);
    (void)open_session(kv, 3);
    assert_int_equal(kv_session_count(kv), LIMIT_SESSIONS);
    struct write write = {.session = second, .sequence = 1, .value = "b"};
    assert_int_equal(apply(kv, write, 4).status, CS_SESSION_EXPIRED);
    write = (struct write){.session = first, .sequence = 1, .value = "a"};
    assert_true(apply(kv, write, 5).is_replay);
    kv_destroy(&kv);
}

static bool has_digest(const struct kv *kv, struct cs_digest digest)
{
    struct cs_digest own = kv_digest(kv);
    return own.high == digest.high && own.low == digest.low;
}

static void the_digest_covers_sessions(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    struct cs_digest empty = kv_digest(kv);
    uint64_t session = open_session(kv, 0);
    assert_false(has_digest(kv, empty));
    struct cs_digest opened = kv_digest(kv);
    struct write write = {.session = session, .sequence = 1};
    (void)apply(kv, write, 0); // not found: only the session has changed
    assert_false(has_digest(kv, opened));
    struct cs_digest used = kv_digest(kv);
    write.acknowledged = 0;
    (void)apply(kv, write, 5); // a replay, but used later
    assert_false(has_digest(kv, used));
    kv_destroy(&kv);
}

enum { TWIN_SEQUENCES = 60, TWIN_STEPS = 20000 };

/* One session, random retries: applied at most once, and always the same answer. */
static void sessions_agree_with_a_twin_that_remembers_all(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 50; round++) {
        struct kv *kv = kv_new();
        uint64_t session = open_session(kv, 0);
        uint64_t item_revision[TWIN_SEQUENCES + 1] = {0};
        uint64_t highest = 0;
        uint64_t applied = 0;
        for (int step = 0; step < TWIN_STEPS / 50; step++) {
            uint64_t sequence = 1 + draw(&seed) % TWIN_SEQUENCES;
            if (sequence > highest + 20) {
                sequence = highest + 1 + draw(&seed) % 4;
            }
            struct write write = {.session = session, .sequence = sequence, .value = "v"};
            struct kv_result result = apply(kv, write, (uint64_t)step);
            if (result.status == CS_SESSION_STALE) {
                assert_true(sequence + LIMIT_SESSION_RESULTS <= highest);
            } else if (item_revision[sequence] != 0) {
                assert_true(result.is_replay);
                assert_int_equal(result.item_revision, item_revision[sequence]);
            } else {
                assert_false(result.is_replay);
                item_revision[sequence] = result.item_revision;
                applied++;
            }
            highest =
                sequence > highest && item_revision[sequence] != 0 ? sequence : highest;
            assert_int_equal(kv_revision(kv), applied);
        }
        kv_destroy(&kv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_has_one_effect_and_the_first_answer),
        cmocka_unit_test(a_refusal_is_kept_as_well),
        cmocka_unit_test(writes_of_one_session_may_overtake_each_other),
        cmocka_unit_test(what_the_window_has_passed_is_stale),
        cmocka_unit_test(what_is_acknowledged_is_not_done_later),
        cmocka_unit_test(an_unknown_or_expired_session_does_nothing),
        cmocka_unit_test(past_the_limit_the_one_unused_longest_goes),
        cmocka_unit_test(the_digest_covers_sessions),
        cmocka_unit_test(sessions_agree_with_a_twin_that_remembers_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
