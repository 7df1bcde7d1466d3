/*
 * A node whose log has slots of unknown identity (P4, P5): what it says, who may lead, what
 * ends it, and how it takes a leader's log.
 */
#include "paxos/core.h"
#include "unit/support/damaged.h"
#include "unit/support/monitored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- its votes ---- */

static void its_promise_binds_it_and_is_no_vote(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    assert_int_equal(rig.view.length, 3);
    assert_int_equal(rig.view.faulty_first, 4);
    assert_int_equal(rig.view.faulty_last, 4);
    assert_int_equal(rig.view.held, 6);
    struct paxos_message prepare = paxos_rig_prepare(&rig, paxos_rig_ballot(3, 2));
    paxos_rig_receive(&rig, &prepare);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_PROMISE);
    assert_int_equal(rig.effects.persist.length, 6); // the log on disk is what it was
    assert_true(digest_equal(rig.effects.persist.chain, paxos_rig_chain(6, 1)));
    const struct paxos_message *promise =
        paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 2);
    assert_non_null(promise);
    assert_int_equal(promise->promise.faulty, 1);
    assert_int_equal(promise->promise.length, 0);
    assert_true(ballot_is_none(promise->promise.accepted));
    paxos_rig_fini(&rig);
}

static void it_neither_leads_nor_looks_fit_to(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT, 1, &rig);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *reply =
        paxos_rig_sent_now(&rig, PAXOS_HEARTBEAT_REPLY, 1);
    assert_int_equal(reply->heartbeat_reply.faulty, 1);
    assert_int_equal(reply->heartbeat_reply.gated, 1);
    assert_false(election_is_eligible(rig.core));
    paxos_rig_fini(&rig);
}

static void a_proposer_counts_no_vote_of_it_and_a_leader_sends_it_its_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_preparing(&rig);
    struct paxos_message promise = paxos_rig_promise_from(&rig, 1);
    promise.promise.faulty = 1;
    paxos_rig_receive(&rig, &promise);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    struct paxos_message vote = paxos_rig_promise_from(&rig, 2);
    paxos_rig_receive(&rig, &vote);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPT_SYNC, 1));
    paxos_rig_receive(&rig, &promise);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPT_SYNC, 1));
    paxos_rig_fini(&rig);
}

static void a_node_that_is_behind_does_not_lead(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    assert_true(election_is_eligible(rig.core));
    struct paxos_event event = {.type = PAXOS_EVENT_BEHIND, .is_behind = true};
    paxos_rig_step(&rig, &event);
    assert_false(election_is_eligible(rig.core));
    event.is_behind = false;
    paxos_rig_step(&rig, &event);
    assert_true(election_is_eligible(rig.core));
    paxos_rig_fini(&rig);
}

/* ---- what is lost everywhere ---- */

static void who_lacks_it_too_says_so(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    struct paxos_message fetch = paxos_rig_message(PAXOS_FETCH, 1, &rig);
    fetch.fetch.first = 9;
    fetch.fetch.last = 9;
    paxos_rig_receive(&rig, &fetch);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ENTRIES, 1)); // an ordinary one
    fetch.fetch.for_repair = 1;
    paxos_rig_receive(&rig, &fetch);
    const struct paxos_message *nothing = paxos_rig_sent_now(&rig, PAXOS_ENTRIES, 1);
    assert_non_null(nothing);
    assert_int_equal(nothing->entry_count, 0);
    assert_int_equal(nothing->log.from, 8);
    // What is known behind the lost slots lies on disk and is given, decided or not.
    fetch.fetch.first = 5;
    fetch.fetch.last = 9;
    paxos_rig_receive(&rig, &fetch);
    assert_true(rig.effects.serve.wanted);
    assert_int_equal(rig.effects.serve.first, 5);
    assert_int_equal(rig.effects.serve.last, 6);
    paxos_rig_fini(&rig);
}

/*
 * Every peer says again and again that it has no copy, from turn `faulty_from` on also that
 * it could not promise either. The turn of the halt; 0: none.
 */
static int turn_of_halt(int faulty_from)
{
    enum { TURNS = 2000, TURN_MS = 10 };
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    int turn = 0;
    while (turn < TURNS && rig.effects.halt == PAXOS_HALT_NONE) {
        turn++;
        for (uint32_t seat = 1; seat < 3 && rig.effects.halt == PAXOS_HALT_NONE; seat++) {
            struct paxos_message reply =
                paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, &rig);
            reply.heartbeat_reply.faulty = turn >= faulty_from;
            reply.heartbeat_reply.gated = turn >= faulty_from;
            reply.heartbeat_reply.round = rig.core->election.round;
            paxos_rig_receive(&rig, &reply);
            if (rig.effects.halt == PAXOS_HALT_NONE) {
                damaged_receive_nothing(&rig, seat, 3);
            }
        }
        if (rig.effects.halt == PAXOS_HALT_NONE) {
            paxos_rig_wait(&rig, TURN_MS);
        }
    }
    uint32_t halt = rig.effects.halt;
    assert_int_equal(rig.view.faulty_first, 4);
    assert_true(halt == PAXOS_HALT_NONE || halt == PAXOS_HALT_LOST);
    paxos_rig_fini(&rig);
    return halt == PAXOS_HALT_LOST ? turn : 0;
}

static void it_halts_if_nobody_can_decide_without_what_is_lost(void **state)
{
    (void)state;
    assert_in_range(turn_of_halt(0), 1, 999);
    // Two sound logs are a quorum to promise: they decide, and a leader's log comes (P4).
    assert_int_equal(turn_of_halt(99999), 0);
}

/*
 * One that gives the first part and no more has not said that it has no copy: silence is no
 * answer (P4).
 */
static void a_part_that_stalls_is_no_answer(void **state)
{
    (void)state;
    enum { TURNS = 1500, TURN_MS = 10 };
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    for (int turn = 0; turn < TURNS; turn++) {
        for (uint32_t seat = 1; seat < 3; seat++) {
            struct paxos_message reply =
                paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, &rig);
            reply.heartbeat_reply.faulty = reply.heartbeat_reply.gated = 1;
            reply.heartbeat_reply.round = rig.core->election.round;
            paxos_rig_receive(&rig, &reply);
        }
        if (turn < TURNS / 2) { // then it says nothing at all
            damaged_receive_copy(&rig, 1, 3, 1, 0);
        }
        damaged_receive_nothing(&rig, 2, 3);
        damaged_receive_nothing(&rig, 2, 4);
        assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
        paxos_rig_wait(&rig, TURN_MS);
        assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    }
    paxos_rig_fini(&rig);
}

/* Who could lead all the time and cannot for a moment has not lost anything by that. */
static void it_does_not_halt_because_others_falter_later(void **state)
{
    (void)state;
    enum { SOUND_TURNS = 900, HALF_TOLD_TURNS = 300 };
    assert_in_range(turn_of_halt(SOUND_TURNS), SOUND_TURNS + HALF_TOLD_TURNS, 1999);
}

/* ---- a leader's log ---- */

static void a_leaders_whole_log_replaces_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    paxos_rig_promise(&rig, paxos_rig_ballot(3, 2));
    struct paxos_message sync = paxos_rig_sync(&rig, paxos_rig_ballot(3, 2), 4);
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.effects.persist.length, 4);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 4);
    paxos_rig_fini(&rig);
}

/* S_b is 4, but this node has acked 6 under the same ballot (I6). */
static void under_its_own_ballot_the_log_must_reach_what_it_acked(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    struct paxos_message prepare = paxos_rig_prepare(&rig, paxos_rig_ballot(2, 1));
    paxos_rig_receive(&rig, &prepare);
    struct paxos_message sync = paxos_rig_sync(&rig, paxos_rig_ballot(2, 1), 4);
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 1);
    assert_non_null(fetch);
    assert_true(ballot_equal(fetch->ballot, paxos_rig_ballot(2, 1)));
    assert_int_equal(fetch->fetch.last, 6);
    struct paxos_message rest = paxos_rig_entries(&rig, 1, 4, 2, 1);
    rest.ballot = paxos_rig_ballot(2, 1);
    paxos_rig_receive(&rig, &rest);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/*
 * It becomes whole while a leader's log is still staged beside it, and acks more under that
 * ballot: what comes late of the staged one must not cut that off again (I9, pitfall 2).
 */
static void what_was_staged_before_it_is_whole_cuts_nothing_off(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    struct paxos_ballot ballot = paxos_rig_ballot(2, 1);
    struct paxos_message prepare = paxos_rig_prepare(&rig, ballot);
    paxos_rig_receive(&rig, &prepare);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 4);
    paxos_rig_receive(&rig, &sync);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1)); // the rest of it
    damaged_wait_until_asked(&rig, 2);
    damaged_receive_copy(&rig, 2, 3, 1, 4);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 6);
    paxos_rig_persisted(&rig);
    sync = paxos_rig_sync(&rig, ballot, 8);
    sync.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.view.length, 8);
    paxos_rig_persisted(&rig);
    struct paxos_message late = paxos_rig_entries(&rig, 1, 4, 2, 1);
    late.ballot = ballot;
    paxos_rig_receive(&rig, &late);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.length, 8);
    paxos_rig_fini(&rig);
}

/* What its leader had sent when it died waits for nobody: a peer's copy is taken (L1). */
static void a_dead_leaders_half_staged_log_does_not_keep_copies_out(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 2);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 6);
    sync.entry_count = 4;
    paxos_rig_receive(&rig, &sync);
    assert_true(rig.view.happy);
    damaged_receive_copy(&rig, 2, 3, 1, 0); // the leader lives: its log comes
    assert_int_equal(rig.view.faulty_first, 4);
    while (rig.view.happy) {
        paxos_rig_wait(&rig, 10);
    }
    damaged_wait_until_asked(&rig, 1);
    damaged_wait_until_asked(&rig, 2);
    damaged_receive_copy(&rig, 2, 4, 1, 0); // not the begin of a copy
    assert_int_equal(rig.view.faulty_first, 4);
    damaged_receive_copy(&rig, 2, 3, 1, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 6);
    paxos_rig_fini(&rig);
}

/* What it knows decided is whole, only the end is lost: any leader's log may come (L1). */
static void a_leader_who_knows_less_decided_replaces_a_lost_end(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_init(&rig, 6, 1u << 6);
    rig.recovered.decided = rig.recovered.decided_whole = 4;
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 5);
    sync.accept_sync.decided = 2;
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 5);
    assert_int_equal(rig.view.decided, 4);
    paxos_rig_fini(&rig);
}

/* Else what was decided before the loss could be replaced (I7). */
static void what_was_known_decided_is_so_again_once_it_is_whole(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start_knowing(&rig, 6, 1u << 4, 5);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 4); // shorter than that
    sync.accept_sync.decided = 5;
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.decided, 5);
    paxos_rig_fini(&rig);
}

/*
 * Pitfall 12 with a damaged disk: this node knew slots to 5 decided, by Fetch. A leader
 * that does not was perhaps overtaken; its log is long enough, but need not hold them.
 */
static void a_leader_who_knows_less_decided_does_not_replace_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start_knowing(&rig, 6, 1u << 4, 5);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 8);
    sync.accept_sync.decided = 4;
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    // One that knows them decided holds them: its decisions are those of all.
    sync = paxos_rig_sync(&rig, ballot, 8);
    sync.accept_sync.decided = 5;
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 8);
    assert_int_equal(rig.view.decided, 5);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_promise_binds_it_and_is_no_vote),
        cmocka_unit_test(it_neither_leads_nor_looks_fit_to),
        cmocka_unit_test(a_proposer_counts_no_vote_of_it_and_a_leader_sends_it_its_log),
        cmocka_unit_test(a_node_that_is_behind_does_not_lead),
        cmocka_unit_test(who_lacks_it_too_says_so),
        cmocka_unit_test(it_halts_if_nobody_can_decide_without_what_is_lost),
        cmocka_unit_test(a_part_that_stalls_is_no_answer),
        cmocka_unit_test(it_does_not_halt_because_others_falter_later),
        cmocka_unit_test(a_leaders_whole_log_replaces_it),
        cmocka_unit_test(under_its_own_ballot_the_log_must_reach_what_it_acked),
        cmocka_unit_test(what_was_staged_before_it_is_whole_cuts_nothing_off),
        cmocka_unit_test(a_dead_leaders_half_staged_log_does_not_keep_copies_out),
        cmocka_unit_test(a_leader_who_knows_less_decided_replaces_a_lost_end),
        cmocka_unit_test(what_was_known_decided_is_so_again_once_it_is_whole),
        cmocka_unit_test(a_leader_who_knows_less_decided_does_not_replace_it),
    };
    return cmocka_run_group_tests(tests, monitored_begin, monitored_end);
}
