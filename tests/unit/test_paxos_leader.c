/*
 * Phase 1 and 2 from the proposer's side: which log is the best (P2), what decides
 * (A5), the window (A7), when it gives up (A10).
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_ballot_equal(left, right)                                                 \
    assert_int_equal(paxos_ballot_compare(left, right), 0)

/* ---- phase 1 ---- */

static void new_ballot_is_above_everything_heard(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.promised = paxos_rig_ballot(41, 2);
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    paxos_rig_take_over(&rig);
    assert_ballot_equal(rig.view.promised, paxos_rig_ballot(42, 0));
    paxos_rig_fini(&rig);
}

static void prepare_waits_for_the_own_promise(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_take_over(&rig);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_PROMISE);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE, 1));
    assert_non_null(paxos_rig_sent_after_sync(&rig, PAXOS_PREPARE, 1));
    assert_non_null(paxos_rig_sent_after_sync(&rig, PAXOS_PREPARE, 2));
    paxos_rig_fini(&rig);
}

static void proposer_counts_its_own_promise_once_durable(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_take_over(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    paxos_rig_fini(&rig);
}

static void one_promise_twice_is_no_quorum(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 5);
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    paxos_rig_take_over(&rig);
    paxos_rig_persisted(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 1);
    paxos_rig_receive(&rig, &message);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    message = paxos_rig_promise_from(&rig, 2);
    message.ballot = paxos_rig_ballot(message.ballot.round, 3); // of another ballot
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    message = paxos_rig_promise_from(&rig, 2);
    message.from_incarnation =
        paxos_rig_incarnation(4); // of a disk not in the Config (G1)
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    message = paxos_rig_promise_from(&rig, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    paxos_rig_fini(&rig);
}

static void impossible_promises_are_ignored(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_preparing(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 1);
    message.promise.decided = 1; // beyond its own length
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_promise_from(&rig, 1);
    message.promise.accepted = paxos_rig_ballot(99, 1); // above what it promises
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_promise_from(&rig, 1);
    message.promise.length = UINT64_MAX;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    paxos_rig_fini(&rig);
}

/* A node with two entries of ballot 1.1 that prepares 2.0. */
static void prepare_with_two_entries(struct paxos_rig *rig)
{
    paxos_rig_make_follower(rig, 2);
    paxos_rig_take_over(rig);
    paxos_rig_persisted(rig);
}

/* Seat 2 promises: its log is of one slot, of this value. */
static struct paxos_message
promise_of_one(struct paxos_rig *rig, struct paxos_ballot accepted, uint64_t value)
{
    struct paxos_message message = paxos_rig_promise_from(rig, 2);
    message.promise.accepted = accepted;
    message.promise.length = 1;
    message.promise.length_chain = paxos_rig_chain(1, value);
    return message;
}

static void best_log_is_the_one_of_the_largest_accepted_ballot(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    // Larger, and shorter.
    struct paxos_message message = promise_of_one(&rig, paxos_rig_ballot(1, 2), 7);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 1);
    assert_int_equal(fetch->fetch.last, 1);
    message = paxos_rig_message(PAXOS_ENTRIES, 2, &rig);
    message.ballot = rig.view.promised;
    paxos_rig_fill(&rig, &message, 0, 1, 7);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.length, 1);
    assert_int_equal(rig.view.sync_length, 1);
    assert_int_equal(paxos_entry_at(rig.core, 1)->digest.low, 7);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_ballot_equal(rig.effects.persist.accepted, rig.view.promised);
    paxos_rig_fini(&rig);
}

/* Seat 2 promises: its log is of four slots under another ballot, these values from 3 on. */
static void receive_promise_of_four(struct paxos_rig *rig, uint64_t first)
{
    struct paxos_message message = paxos_rig_promise_from(rig, 2);
    message.promise.accepted = paxos_rig_ballot(1, 2);
    message.promise.length = 4;
    message.promise.length_chain = paxos_rig_chain(4, first);
    paxos_rig_receive(rig, &message);
}

static void what_a_proposer_holds_of_the_best_log_is_not_fetched(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    receive_promise_of_four(&rig, 1);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 3);
    assert_int_equal(fetch->fetch.last, 4);
    struct paxos_message rest = paxos_rig_entries(&rig, 2, 2, 2, 1);
    rest.ballot = rig.view.promised;
    paxos_rig_receive(&rig, &rest);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.sync_length, 4);
    assert_int_equal(rig.effects.persist.first_slot, 3);
    paxos_rig_fini(&rig);
}

/* It holds nothing of it, which only the best one's chain tells. */
static void a_proposer_with_another_log_fetches_from_what_is_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    receive_promise_of_four(&rig, 50);
    struct paxos_message rest = paxos_rig_entries(&rig, 2, 2, 2, 50);
    rest.ballot = rig.view.promised;
    paxos_rig_receive(&rig, &rest);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 1);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    struct paxos_message whole = paxos_rig_entries(&rig, 2, 0, 4, 50);
    whole.ballot = rig.view.promised;
    paxos_rig_receive(&rig, &whole);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(paxos_entry_at(rig.core, 1)->digest.low, 50);
    paxos_rig_fini(&rig);
}

static void of_one_accepted_ballot_the_longest_log_is_the_best(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    struct paxos_message message = promise_of_one(&rig, paxos_rig_ballot(1, 1), 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.length, 2);
    assert_int_equal(rig.view.sync_length, 2);
    paxos_rig_fini(&rig);
}

static void proposer_is_overtaken_by_a_decided_prefix_the_best_log_lacks(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    struct paxos_message message = promise_of_one(&rig, paxos_rig_ballot(1, 1), 7);
    message.promise.decided = 1;
    message.promise.decided_chain = paxos_rig_chain(1, 7);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    assert_true(paxos_rig_has_traced(&rig, PAXOS_TRACE_OVERTAKEN));
    assert_int_equal(rig.view.accepted.round, 1);
    paxos_rig_fini(&rig);
}

static void leader_takes_over_what_is_known_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare_with_two_entries(&rig);
    struct paxos_message message = promise_of_one(&rig, paxos_rig_ballot(1, 1), 1);
    message.promise.decided = 1;
    message.promise.decided_chain = paxos_rig_chain(1, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.decided, 1);
    paxos_rig_fini(&rig);
}

static void nack_of_a_larger_promise_ends_a_preparer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_preparing(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_NACK, 1, &rig);
    message.ballot = rig.view.promised;
    message.nack.promised = paxos_rig_ballot(9, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    assert_false(rig.view.happy);
    paxos_rig_fini(&rig);
}

/* ---- phase 2 ---- */

static void accept_leaves_before_the_leaders_own_sync(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    assert_int_equal(paxos_rig_propose(&rig), 1);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_APPEND);
    const struct paxos_message *accept = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1);
    assert_non_null(accept);
    assert_int_equal(accept->entry_count, 1);
    assert_int_equal(accept->accept.previous, 0);
    paxos_rig_fini(&rig);
}

static void leader_counts_its_own_vote_once_durable(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    (void)paxos_rig_propose(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 0);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.decided, 1);
    assert_int_equal(rig.effects.decided, 1);
    paxos_rig_fini(&rig);
}

static void others_votes_decide_without_the_leaders_disk(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 2);
    paxos_rig_receive(&rig, &message);
    (void)paxos_rig_propose(&rig);
    message = paxos_rig_accepted_from(&rig, 1, 1);
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_accepted_from(&rig, 2, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.durable, 0);
    assert_int_equal(rig.view.decided, 1);
    paxos_rig_fini(&rig);
}

/* What it has not taken stays in memory: no more of that than what is kept for peers. */
static void a_leader_waits_for_its_own_disk_when_too_much_is_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    rig.core->settings.ring_bytes = 250; // two entries
    struct paxos_message message = paxos_rig_promise_from(&rig, 2);
    paxos_rig_receive(&rig, &message);
    for (cs_slot slot = 1; slot <= 3; slot++) {
        assert_int_equal(paxos_rig_propose(&rig), slot);
        for (uint32_t seat = 1; seat <= 2; seat++) {
            message = paxos_rig_accepted_from(&rig, seat, slot);
            paxos_rig_receive(&rig, &message);
        }
    }
    assert_int_equal(rig.view.decided, 3);
    assert_int_equal(rig.view.durable, 0);
    assert_false(rig.view.can_propose);
    assert_int_equal(paxos_rig_propose(&rig), 0);
    paxos_rig_persisted(&rig);
    assert_true(rig.view.can_propose);
    paxos_rig_fini(&rig);
}

static void votes_of_another_stream_or_ballot_do_not_count(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    (void)paxos_rig_propose(&rig);
    paxos_rig_persisted(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 1);
    message.accepted.stream = 7;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_accepted_from(&rig, 1, 1);
    message.ballot.round--;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_accepted_from(&rig, 2, 1); // it has not promised
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_accepted_from(&rig, 1, 2); // of what was never sent
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 0);
    message = paxos_rig_accepted_from(&rig, 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 1);
    paxos_rig_fini(&rig);
}

static void full_window_refuses_and_opens_with_a_decision(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    for (cs_slot slot = 1; slot <= 4; slot++) {
        assert_int_equal(paxos_rig_propose(&rig), slot);
    }
    assert_false(rig.view.can_propose);
    assert_int_equal(paxos_rig_propose(&rig), 0);
    assert_int_equal(rig.effects.refusal, PAXOS_REFUSED_WINDOW_FULL);
    assert_int_equal(rig.view.length, 4);
    paxos_rig_persisted(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 2);
    paxos_rig_receive(&rig, &message);
    assert_true(rig.view.can_propose);
    assert_int_equal(paxos_rig_propose(&rig), 5);
    paxos_rig_fini(&rig);
}

static void window_of_bytes_always_takes_one_entry(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.settings.window_bytes = 50;
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    paxos_rig_lead(&rig);
    assert_int_equal(paxos_rig_propose(&rig), 1); // of 100 bytes
    assert_int_equal(paxos_rig_propose(&rig), 0);
    assert_int_equal(rig.effects.refusal, PAXOS_REFUSED_WINDOW_FULL);
    paxos_rig_fini(&rig);
}

static void follower_refuses_proposals(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    assert_int_equal(paxos_rig_propose(&rig), 0);
    assert_int_equal(rig.effects.refusal, PAXOS_REFUSED_NOT_LEADER);
    paxos_rig_fini(&rig);
}

static void log_time_goes_on_where_the_log_ended_and_never_falls(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot first = paxos_rig_make_follower(&rig, 2); // of times 1 and 2
    paxos_rig_decide(&rig, first, 2);
    paxos_rig_lead(&rig);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    (void)paxos_rig_propose(&rig);
    assert_int_equal(paxos_entry_at(rig.core, 3)->time_ms, 2);
    rig.now_ms += 30; // the time without a leader is not charged
    (void)paxos_rig_propose(&rig);
    assert_int_equal(paxos_entry_at(rig.core, 4)->time_ms, 32);
    rig.now_ms -= 20; // the caller's clock went back: the core's does not
    (void)paxos_rig_propose(&rig);
    assert_int_equal(paxos_entry_at(rig.core, 5)->time_ms, 32);
    paxos_rig_fini(&rig);
}

static void nack_of_a_larger_promise_ends_a_leader(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_NACK, 1, &rig);
    message.ballot = rig.view.promised;
    message.ballot.round--; // an answer to an older ballot of ours
    message.nack.promised = paxos_rig_ballot(9, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    message.ballot = rig.view.promised;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    assert_true(paxos_rig_has_traced(&rig, PAXOS_TRACE_STEP_DOWN));
    assert_false(rig.view.happy); // or it would block everyone (E2)
    paxos_rig_fini(&rig);
}

static void prepare_of_a_larger_ballot_ends_a_leader(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    (void)paxos_rig_propose(&rig);
    paxos_rig_promise(&rig, paxos_rig_ballot(9, 1));
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 1);
    message.ballot = rig.view.accepted;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 0);
    paxos_rig_fini(&rig);
}

static void lost_vote_is_asked_for_under_the_last_number(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    (void)paxos_rig_propose(&rig);
    uint64_t sequence = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1)->accept.sequence;
    paxos_rig_persisted(&rig);
    const struct paxos_message *probe = NULL;
    for (int i = 0; i < 30 && probe == NULL; i++) {
        paxos_rig_wait(&rig, 10);
        probe = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1);
    }
    assert_non_null(probe);
    assert_int_equal(probe->accept.sequence, sequence);
    assert_int_equal(probe->entry_count, 0);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ballot_is_above_everything_heard),
        cmocka_unit_test(prepare_waits_for_the_own_promise),
        cmocka_unit_test(proposer_counts_its_own_promise_once_durable),
        cmocka_unit_test(one_promise_twice_is_no_quorum),
        cmocka_unit_test(impossible_promises_are_ignored),
        cmocka_unit_test(best_log_is_the_one_of_the_largest_accepted_ballot),
        cmocka_unit_test(what_a_proposer_holds_of_the_best_log_is_not_fetched),
        cmocka_unit_test(a_proposer_with_another_log_fetches_from_what_is_decided),
        cmocka_unit_test(of_one_accepted_ballot_the_longest_log_is_the_best),
        cmocka_unit_test(proposer_is_overtaken_by_a_decided_prefix_the_best_log_lacks),
        cmocka_unit_test(leader_takes_over_what_is_known_decided),
        cmocka_unit_test(nack_of_a_larger_promise_ends_a_preparer),
        cmocka_unit_test(accept_leaves_before_the_leaders_own_sync),
        cmocka_unit_test(leader_counts_its_own_vote_once_durable),
        cmocka_unit_test(others_votes_decide_without_the_leaders_disk),
        cmocka_unit_test(a_leader_waits_for_its_own_disk_when_too_much_is_decided),
        cmocka_unit_test(votes_of_another_stream_or_ballot_do_not_count),
        cmocka_unit_test(full_window_refuses_and_opens_with_a_decision),
        cmocka_unit_test(window_of_bytes_always_takes_one_entry),
        cmocka_unit_test(follower_refuses_proposals),
        cmocka_unit_test(log_time_goes_on_where_the_log_ended_and_never_falls),
        cmocka_unit_test(nack_of_a_larger_promise_ends_a_leader),
        cmocka_unit_test(prepare_of_a_larger_ballot_ends_a_leader),
        cmocka_unit_test(lost_vote_is_asked_for_under_the_last_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
