/*
 * Which records may follow which state; the same rules judge commits and what is found
 * on disk.
 */
#include "wal/log_state.h"

#include "support/twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct twin *twin;
    struct log_state state; // after 6 slots under ballot 1, 2 decided
    struct cs_buffer packed;
    struct record record;
};

/* The last record packed, to be bent. */
static void take(struct fixture *fixture)
{
    assert_true(record_unpack(view_of_buffer(&fixture->packed), &fixture->record));
}

static bool apply(struct fixture *fixture)
{
    return log_state_apply(&fixture->state, &fixture->record);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->twin = twin_new();
    twin_promise(fixture->twin, &fixture->packed);
    take(fixture);
    assert_true(apply(fixture));
    fixture->packed.bytes = 0;
    twin_sync(fixture->twin, 1, 6, 20, &fixture->packed);
    take(fixture);
    assert_true(apply(fixture));
    fixture->packed.bytes = 0;
    twin_decide(fixture->twin, 2);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    twin_destroy(&fixture->twin);
    buffer_fini(&fixture->packed);
    free(fixture);
    return 0;
}

/* Refused, and the state is untouched. */
static void assert_refused(struct fixture *fixture)
{
    struct log_state before = fixture->state;
    assert_false(apply(fixture));
    assert_memory_equal(&before, &fixture->state, sizeof before);
    take(fixture);
}

static void records_that_follow_are_taken(void **state)
{
    struct fixture *fixture = *state;
    twin_append(fixture->twin, 2, 20, &fixture->packed);
    take(fixture);
    assert_true(apply(fixture));
    assert_int_equal(fixture->state.length, 8);
    assert_int_equal(fixture->state.decided, 2);
    fixture->packed.bytes = 0;
    twin_fetch(fixture->twin, 4, 1, 20, &fixture->packed);
    take(fixture);
    assert_true(apply(fixture));
    assert_int_equal(fixture->state.length, 4);
    assert_int_equal(fixture->state.decided, 4);
    fixture->packed.bytes = 0;
    twin_configure(fixture->twin, &fixture->packed);
    take(fixture);
    assert_true(apply(fixture));
    assert_memory_equal(&fixture->state.config, &fixture->twin->config,
                        sizeof fixture->state.config);
}

static void tokens_rise(void **state)
{
    struct fixture *fixture = *state;
    twin_append(fixture->twin, 1, 20, &fixture->packed);
    take(fixture);
    fixture->record.persist.token = fixture->state.token;
    assert_refused(fixture);
    assert_true(apply(fixture));
    assert_false(apply(fixture)); // the same once more
}

static void ballots_never_fall_and_accepted_stays_below_promised(void **state)
{
    struct fixture *fixture = *state;
    twin_promise(fixture->twin, &fixture->packed);
    take(fixture);
    fixture->record.persist.promised.round = 0;
    assert_refused(fixture);
    fixture->record.persist.accepted.round = 0;
    assert_refused(fixture);
    fixture->record.persist.accepted = fixture->record.persist.promised;
    fixture->record.persist.accepted.round++;
    assert_refused(fixture);
    assert_true(apply(fixture));
    fixture->packed.bytes = 0;
    twin_promise(fixture->twin, &fixture->packed);
    take(fixture);
    fixture->record.persist.promised = fixture->record.persist.accepted; // lower by one
    assert_refused(fixture);
    assert_true(apply(fixture));
}

static void slots_neither_leave_a_gap_nor_stay_behind(void **state)
{
    struct fixture *fixture = *state;
    twin_append(fixture->twin, 2, 20, &fixture->packed);
    take(fixture);
    fixture->record.persist.first_slot = 8;
    fixture->record.persist.length = 9;
    assert_refused(fixture);
    fixture->record.persist.first_slot = 6; // an append does not replace
    fixture->record.persist.length = 7;
    assert_refused(fixture);
    fixture->record.persist.first_slot = 0;
    fixture->record.persist.length = 1;
    assert_refused(fixture);
    fixture->record.persist.length = 9;
    assert_refused(fixture);
    assert_true(apply(fixture));
    fixture->packed.bytes = 0;
    twin_promise(fixture->twin, &fixture->packed);
    take(fixture);
    fixture->record.persist.length = 7; // a promise changes no slots
    assert_refused(fixture);
    assert_true(apply(fixture));
}

static void decided_slots_are_never_cut(void **state)
{
    struct fixture *fixture = *state;
    twin_append(fixture->twin, 1, 20, &fixture->packed);
    take(fixture);
    fixture->record.persist.decided = 8;
    assert_refused(fixture);
    assert_true(apply(fixture));
    assert_int_equal(fixture->state.decided, 2);
    fixture->packed.bytes = 0;
    struct twin *forgetful = twin_copy(fixture->twin);
    forgetful->decided = 0;
    twin_sync(forgetful, 2, 0, 0, &fixture->packed);
    twin_destroy(&forgetful);
    take(fixture);
    assert_refused(fixture);
}

static void chains_hold_together(void **state)
{
    struct fixture *fixture = *state;
    twin_append(fixture->twin, 3, 20, &fixture->packed);
    take(fixture);
    fixture->record.persist.chain.low++;
    assert_refused(fixture);
    fixture->state.chain.low++; // they do not follow what is there
    assert_refused(fixture);
    fixture->state.chain.low--;
    uint8_t *middle = fixture->packed.data + RECORD_HEAD_BYTES + RECORD_ENTRY_BYTES;
    middle[0] ^= 1; // its time
    assert_refused(fixture);
    middle[0] ^= 1;
    assert_true(apply(fixture));
    fixture->packed.bytes = 0;
    twin_promise(fixture->twin, &fixture->packed);
    take(fixture);
    fixture->record.persist.chain.low++;
    assert_refused(fixture);
}

static void repaired_entries_are_a_chain_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct paxos_persist repair = {.kind = PAXOS_PERSIST_REPAIR,
                                   .first_slot = 2,
                                   .entry_count = 3};
    twin_repair(fixture->twin, &repair, &fixture->packed);
    take(fixture);
    uint8_t *middle = fixture->packed.data + RECORD_HEAD_BYTES + RECORD_ENTRY_BYTES;
    middle[0] ^= 1; // its time
    assert_refused(fixture);
    middle[0] ^= 1;
    fixture->record.persist.first_slot = fixture->state.length - 1; // past the end
    assert_refused(fixture);
    fixture->record.persist.decided = fixture->state.length + 1;
    assert_refused(fixture);
    assert_true(apply(fixture));
}

static void a_configuration_that_cannot_be_is_refused(void **state)
{
    struct fixture *fixture = *state;
    twin_configure(fixture->twin, &fixture->packed);
    take(fixture);
    store_u32(fixture->packed.data + RECORD_HEAD_BYTES + 20, PAXOS_MEMBERS_MAX + 1);
    assert_refused(fixture);
    store_u32(fixture->packed.data + RECORD_HEAD_BYTES + 20, 3);
    assert_true(apply(fixture));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(records_that_follow_are_taken),
        TEST(tokens_rise),
        TEST(ballots_never_fall_and_accepted_stays_below_promised),
        TEST(slots_neither_leave_a_gap_nor_stay_behind),
        TEST(decided_slots_are_never_cut),
        TEST(chains_hold_together),
        TEST(repaired_entries_are_a_chain_of_their_own),
        TEST(a_configuration_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
