/*
 * Pure rules: the order of ballots, the sizes of quorums, the largest slot a quorum
 * reaches.
 */
#include "paxos/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct paxos_ballot ballot(uint32_t epoch, uint32_t round, uint32_t node)
{
    struct paxos_ballot made = {.epoch = epoch, .round = round, .node = node};
    return made;
}

static void ballots_compare_left_to_right(void **state)
{
    (void)state;
    // In rising order: each is less than all after it.
    const struct paxos_ballot rising[] = {
        ballot(0, 0, 0), ballot(0, 0, 1),          ballot(0, 1, 0), ballot(1, 0, 0),
        ballot(1, 0, 7), ballot(1, 1, 1),          ballot(1, 1, 2), ballot(1, 2, 1),
        ballot(2, 0, 0), ballot(2, UINT32_MAX, 1), ballot(3, 1, 1),
    };
    int count = sizeof rising / sizeof rising[0];
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int order = (i > j) - (i < j);
            assert_int_equal(paxos_ballot_compare(rising[i], rising[j]), order);
            assert_int_equal(ballot_less(rising[i], rising[j]), order < 0);
            assert_int_equal(ballot_equal(rising[i], rising[j]), order == 0);
        }
        assert_int_equal(ballot_is_none(rising[i]), i == 0);
    }
}

static void every_promise_quorum_meets_every_accept_quorum(void **state)
{
    (void)state;
    for (uint32_t members = 1; members <= PAXOS_MEMBERS_MAX; members++) {
        uint32_t promise = paxos_quorum_promise(members);
        uint32_t accept = paxos_quorum_accept(members);
        assert_true(promise + accept > members);
        assert_true(promise <= members);
        assert_true(accept <= members);
        // Two leaders of one ballot's log must not both decide.
        assert_true(2 * accept > members);
    }
}

static void five_members_stand_two_failures(void **state)
{
    (void)state;
    assert_int_equal(paxos_quorum_accept(1), 1);
    assert_int_equal(paxos_quorum_accept(2), 2);
    assert_int_equal(paxos_quorum_accept(3), 2);
    assert_int_equal(paxos_quorum_accept(4), 3);
    assert_int_equal(paxos_quorum_accept(5), 3);
}

/* The dumb twin: tries every slot. */
static cs_slot slow_quorum_slot(const cs_slot *slots, uint32_t count, uint32_t quorum)
{
    cs_slot best = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t reached = 0;
        for (uint32_t j = 0; j < count; j++) {
            reached += slots[j] >= slots[i];
        }
        best = reached >= quorum && slots[i] > best ? slots[i] : best;
    }
    return best;
}

static void quorum_slot_is_the_largest_that_a_quorum_reaches(void **state)
{
    (void)state;
    enum { VALUES = 4, SLOTS = 5, CASES = 4 * 4 * 4 * 4 * 4 };
    for (uint32_t code = 0; code < CASES; code++) {
        cs_slot slots[SLOTS];
        uint32_t rest = code;
        for (int i = 0; i < SLOTS; i++) {
            slots[i] = rest % VALUES;
            rest /= VALUES;
        }
        for (uint32_t quorum = 1; quorum <= SLOTS; quorum++) {
            cs_slot sorted[SLOTS];
            memcpy(sorted, slots, sizeof sorted);
            assert_int_equal(quorum_slot(sorted, SLOTS, quorum),
                             slow_quorum_slot(slots, SLOTS, quorum));
        }
    }
}

static void ids_and_digests_are_equal_in_both_halves_only(void **state)
{
    (void)state;
    struct paxos_id id = {.high = 1, .low = 2};
    struct paxos_digest digest = {.high = 1, .low = 2};
    assert_true(id_equal(id, (struct paxos_id){.high = 1, .low = 2}));
    assert_false(id_equal(id, (struct paxos_id){.high = 1, .low = 3}));
    assert_false(id_equal(id, (struct paxos_id){.high = 2, .low = 2}));
    assert_true(digest_equal(digest, (struct paxos_digest){.high = 1, .low = 2}));
    assert_false(digest_equal(digest, (struct paxos_digest){.high = 1, .low = 3}));
    assert_false(digest_equal(digest, (struct paxos_digest){.high = 2, .low = 2}));
    assert_true(id_is_none((struct paxos_id){0}));
    assert_false(id_is_none((struct paxos_id){.low = 1}));
    assert_false(id_is_none((struct paxos_id){.high = 1}));
}

static void names_answer_for_any_number(void **state)
{
    (void)state;
    assert_string_equal(paxos_message_name(PAXOS_ACCEPT_SYNC), "ACCEPT_SYNC");
    assert_string_equal(paxos_role_name(PAXOS_LEADER), "leader");
    assert_string_equal(paxos_halt_name(PAXOS_HALT_AMNESIA), "amnesia");
    assert_string_equal(paxos_trace_name(PAXOS_TRACE_TAKE_OVER), "take_over");
    for (uint32_t type = 1; type < PAXOS_MESSAGE_TYPES; type++) {
        assert_string_not_equal(paxos_message_name(type), "unknown");
    }
    for (uint32_t role = PAXOS_FORMING; role <= PAXOS_LEADER; role++) {
        assert_string_not_equal(paxos_role_name(role), "unknown");
    }
    for (uint32_t halt = PAXOS_HALT_NONE; halt <= PAXOS_HALT_UNREADABLE; halt++) {
        assert_string_not_equal(paxos_halt_name(halt), "unknown");
    }
    for (uint32_t kind = PAXOS_TRACE_FORMED; kind <= PAXOS_TRACE_NACKED; kind++) {
        assert_string_not_equal(paxos_trace_name(kind), "unknown");
    }
    assert_string_equal(paxos_message_name(0), "unknown");
    assert_string_equal(paxos_message_name(UINT32_MAX), "unknown");
    assert_string_equal(paxos_role_name(0), "unknown");
    assert_string_equal(paxos_role_name(99), "unknown");
    assert_string_equal(paxos_halt_name(99), "unknown");
    assert_string_equal(paxos_trace_name(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ballots_compare_left_to_right),
        cmocka_unit_test(every_promise_quorum_meets_every_accept_quorum),
        cmocka_unit_test(five_members_stand_two_failures),
        cmocka_unit_test(quorum_slot_is_the_largest_that_a_quorum_reaches),
        cmocka_unit_test(ids_and_digests_are_equal_in_both_halves_only),
        cmocka_unit_test(names_answer_for_any_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
