/* A log with slots of unknown identity (P4, P5): what such a node says, and what ends it. */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Slots 1 .. length of values 1 .. length under ballot 2 of seat 1; `lost` marks slots. */
static void make_damaged(struct paxos_rig *rig, cs_slot length, uint32_t lost)
{
    static struct paxos_entry tail[16];
    uint32_t count = 0;
    paxos_rig_init(rig, 0, 3);
    struct paxos_digest chain = {0};
    for (cs_slot slot = 1; slot <= length; slot++) {
        struct paxos_entry entry = paxos_rig_entry(slot, slot);
        entry.chain = chain = paxos_chain_next(chain, &entry);
        if ((lost >> slot & 1u) == 0) {
            tail[count++] = entry;
        }
    }
    rig->recovered.promised = paxos_rig_ballot(2, 1);
    rig->recovered.accepted = paxos_rig_ballot(2, 1);
    rig->recovered.length = length;
    rig->recovered.length_chain = chain;
    rig->recovered.tail = tail;
    rig->recovered.tail_count = count;
}

static void start_damaged(struct paxos_rig *rig, cs_slot length, uint32_t lost)
{
    make_damaged(rig, length, lost);
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
}

/* What seat `from` has of slots after `after`; `decided` of them it calls decided. */
static void receive_copy(struct paxos_rig *rig,
                         uint32_t from,
                         cs_slot after,
                         uint32_t count,
                         cs_slot decided)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, from, rig);
    message.log.from = after;
    message.log.from_chain = paxos_rig_chain(after, 1);
    message.log.decided = decided;
    paxos_rig_fill(rig, &message, after, count, after + 1);
    paxos_rig_receive(rig, &message);
}

/* Both others are asked in turn; has the copy been asked of this one now? */
static void wait_until_asked(struct paxos_rig *rig, uint32_t seat)
{
    for (int i = 0; i < 50; i++) {
        if (paxos_rig_sent_now(rig, PAXOS_FETCH, seat) != NULL) {
            return;
        }
        paxos_rig_wait(rig, 10);
    }
    fail_msg("seat %u is not asked", seat);
}

static void prepare(struct paxos_rig *rig, struct paxos_ballot ballot)
{
    struct paxos_message message = paxos_rig_message(PAXOS_PREPARE, ballot.node - 1, rig);
    message.ballot = ballot;
    paxos_rig_receive(rig, &message);
}

static void its_promise_binds_it_and_is_no_vote(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    assert_int_equal(rig.view.length, 3);
    assert_int_equal(rig.view.faulty_first, 4);
    assert_int_equal(rig.view.faulty_last, 4);
    assert_int_equal(rig.view.held, 6);
    prepare(&rig, paxos_rig_ballot(3, 2));
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
    start_damaged(&rig, 6, 1u << 4);
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT, 1, &rig);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *reply =
        paxos_rig_sent_now(&rig, PAXOS_HEARTBEAT_REPLY, 1);
    assert_int_equal(reply->heartbeat_reply.faulty, 1);
    assert_int_equal(reply->heartbeat_reply.gated, 1);
    assert_false(election_is_eligible(rig.core));
    paxos_rig_fini(&rig);
}

static void a_copy_that_hashes_to_its_log_is_its_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4 | 1u << 5);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 1, 0); // the first half proves nothing yet
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.length, 3);
    receive_copy(&rig, 1, 4, 2, 0); // more than was asked for
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_REPAIR);
    assert_int_equal(rig.effects.persist.first_slot, 4);
    assert_int_equal(rig.effects.persist.entry_count, 2);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_true(digest_equal(paxos_chain_at(rig.core, 6), paxos_rig_chain(6, 1)));
    assert_true(paxos_rig_has_traced(&rig, PAXOS_TRACE_WHOLE));
    assert_int_equal(rig.view.durable, 3); // a vote waits for the disk, as ever
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.durable, 6);
    prepare(&rig, paxos_rig_ballot(3, 2));
    const struct paxos_message *promise =
        paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 2);
    assert_int_equal(promise->promise.faulty, 0);
    assert_int_equal(promise->promise.length, 6);
    paxos_rig_fini(&rig);
}

/* Else what was decided before the loss could be replaced (I7). */
static void what_was_known_decided_is_so_again_once_it_is_whole(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_damaged(&rig, 6, 1u << 4);
    rig.recovered.decided_whole = 5;
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    prepare(&rig, ballot);
    paxos_rig_persisted(&rig);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 4);
    paxos_rig_receive(&rig, &sync); // shorter than that
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 1, 0);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.decided, 5);
    paxos_rig_fini(&rig);
}

static void another_copy_is_not(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    wait_until_asked(&rig, 1);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 3;
    message.log.from_chain = paxos_rig_chain(3, 1);
    paxos_rig_fill(&rig, &message, 3, 1, 77);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2)); // another peer is asked
    paxos_rig_fini(&rig);
}

static void decided_entries_are_taken_piece_by_piece(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4 | 1u << 5);
    receive_copy(&rig, 2, 3, 1, 4);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_REPAIR);
    assert_int_equal(rig.effects.persist.length, 6);
    assert_int_equal(rig.view.decided, 4);
    assert_int_equal(rig.view.faulty_first, 5);
    receive_copy(&rig, 2, 4, 1, 5);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void decided_entries_that_differ_replace_the_rest(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 3;
    message.log.from_chain = paxos_rig_chain(3, 1);
    message.log.decided = 4;
    paxos_rig_fill(&rig, &message, 3, 1, 77);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_FETCHED);
    assert_int_equal(rig.effects.persist.first_slot, 4);
    assert_int_equal(rig.effects.persist.length, 4);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(rig.view.decided, 4);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_true(ballot_equal(rig.view.accepted, paxos_rig_ballot(2, 1)));
    paxos_rig_fini(&rig);
}

static void what_is_known_before_the_run_may_be_another_log_too(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    wait_until_asked(&rig, 1);
    // Decided at seat 1: another slot 3, which this node has not decided.
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 3;
    message.log.from_chain = paxos_rig_chain(3, 50);
    message.log.decided = 5;
    paxos_rig_fill(&rig, &message, 3, 2, 53);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 3);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 1); // compared from what is decided here
    message.from = 2;
    message.from_incarnation = paxos_rig_incarnation(2);
    message.log.from = 0;
    message.log.from_chain = (struct paxos_digest){0};
    paxos_rig_fill(&rig, &message, 0, 5, 50);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_FETCHED);
    assert_int_equal(rig.view.decided, 5);
    assert_int_equal(rig.view.length, 5);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void several_runs_are_repaired_one_after_the_other(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 8, 1u << 2 | 1u << 5 | 1u << 8);
    assert_int_equal(rig.view.length, 1);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 1, 1, 0);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(rig.view.faulty_first, 5);
    paxos_rig_persisted(&rig);
    wait_until_asked(&rig, 2);
    receive_copy(&rig, 2, 4, 1, 0);
    assert_int_equal(rig.view.length, 7);
    assert_int_equal(rig.view.faulty_first, 8);
    paxos_rig_persisted(&rig);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 7, 1, 0);
    assert_int_equal(rig.view.length, 8);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void a_leaders_whole_log_replaces_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    prepare(&rig, paxos_rig_ballot(3, 2));
    paxos_rig_persisted(&rig);
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
    start_damaged(&rig, 6, 1u << 4);
    prepare(&rig, paxos_rig_ballot(2, 1));
    struct paxos_message sync = paxos_rig_sync(&rig, paxos_rig_ballot(2, 1), 4);
    paxos_rig_receive(&rig, &sync);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 1);
    assert_non_null(fetch);
    assert_true(ballot_equal(fetch->ballot, paxos_rig_ballot(2, 1)));
    assert_int_equal(fetch->fetch.last, 6);
    struct paxos_message rest = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    rest.ballot = paxos_rig_ballot(2, 1);
    rest.log.from = 4;
    rest.log.from_chain = paxos_rig_chain(4, 1);
    paxos_rig_fill(&rig, &rest, 4, 2, 5);
    paxos_rig_receive(&rig, &rest);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void say_nothing(struct paxos_rig *rig, uint32_t from, cs_slot after)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, from, rig);
    message.log.from = after;
    paxos_rig_receive(rig, &message);
}

/* Every peer says again and again that it has no copy; `faulty` says of itself the same. */
static uint32_t halt_after(bool faulty)
{
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    for (int i = 0; i < 900 && rig.effects.halt == PAXOS_HALT_NONE; i++) {
        for (uint32_t seat = 1; seat < 3; seat++) {
            struct paxos_message reply =
                paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, &rig);
            reply.heartbeat_reply.faulty = faulty;
            reply.heartbeat_reply.gated = faulty;
            reply.heartbeat_reply.round = rig.core->election.round;
            paxos_rig_receive(&rig, &reply);
            if (rig.effects.halt == PAXOS_HALT_NONE) {
                say_nothing(&rig, seat, 3);
            }
        }
        if (rig.effects.halt == PAXOS_HALT_NONE) {
            paxos_rig_wait(&rig, 10);
        }
    }
    uint32_t halt = rig.effects.halt;
    assert_int_equal(rig.view.faulty_first, 4);
    paxos_rig_fini(&rig);
    return halt;
}

/* It may have got one since, and the other may never answer. */
static void who_had_no_copy_is_asked_again_while_another_is_silent(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    wait_until_asked(&rig, 1);
    say_nothing(&rig, 1, 3);
    wait_until_asked(&rig, 2);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 1, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void it_halts_if_nobody_can_decide_without_what_is_lost(void **state)
{
    (void)state;
    assert_int_equal(halt_after(true), PAXOS_HALT_LOST);
    // Two sound logs are a quorum to promise: they decide, and a leader's log comes (P4).
    assert_int_equal(halt_after(false), PAXOS_HALT_NONE);
}

static void who_lacks_it_too_says_so(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
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

static void a_proposer_counts_no_vote_of_it_and_a_leader_sends_it_its_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_take_over(&rig);
    paxos_rig_persisted(&rig);
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

/* ---- copies that are of no use ---- */

static void assert_still_faulty(const struct paxos_rig *rig, cs_slot first)
{
    assert_int_equal(rig->effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig->view.faulty_first, first);
    assert_int_equal(rig->view.length, first - 1);
}

static void one_copy_at_a_time_is_taken_from_its_beginning(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 7, 1u << 4 | 1u << 5 | 1u << 6);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 2, 3, 3, 0); // another seat was asked
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 1, 4, 2, 0); // slot 4 is missing
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 1, 3, 1, 0);
    receive_copy(&rig, 1, 5, 1, 0); // slot 5 is
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 1, 9, 1, 0); // nobody asked for that
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 1, 4, 2, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    receive_copy(&rig, 1, 4, 2, 0); // once more
    assert_int_equal(rig.view.length, 7);
    paxos_rig_fini(&rig);
}

static void a_copy_that_breaks_off_into_another_log_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4 | 1u << 5);
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 1, 0);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 4;
    message.log.from_chain = paxos_rig_chain(4, 70);
    paxos_rig_fill(&rig, &message, 4, 1, 74);
    paxos_rig_receive(&rig, &message);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_that_memory_cannot_hold_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 25, ((1u << 25) - 1u) & ~((1u << 4) - 1u));
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 21, 0);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_waits_until_there_is_room_for_the_whole_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 17, 1u << 4); // of 16
    wait_until_asked(&rig, 1);
    receive_copy(&rig, 1, 3, 1, 0);
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 1, 3, 1, 4);
    assert_still_faulty(&rig, 4);
    paxos_rig_fini(&rig);
    start_damaged(&rig, 14, 1u << 13); // half a ring behind what is decided here
    receive_copy(&rig, 1, 12, 1, 13);
    assert_still_faulty(&rig, 13);
    paxos_rig_fini(&rig);
}

static void another_log_that_nobody_calls_decided_is_no_copy(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    wait_until_asked(&rig, 1);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 2;
    message.log.from_chain = paxos_rig_chain(2, 1);
    paxos_rig_fill(&rig, &message, 2, 2, 63);
    paxos_rig_receive(&rig, &message);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_does_not_disturb_a_leaders_log_on_its_way(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4);
    wait_until_asked(&rig, 1);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 2);
    prepare(&rig, ballot);
    paxos_rig_persisted(&rig);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 6);
    sync.entry_count = 2;
    paxos_rig_receive(&rig, &sync);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    receive_copy(&rig, 1, 3, 1, 0);
    assert_still_faulty(&rig, 4);
    struct paxos_message rest = paxos_rig_message(PAXOS_ENTRIES, 2, &rig);
    rest.ballot = ballot;
    rest.log.from = 2;
    rest.log.from_chain = paxos_rig_chain(2, 1);
    paxos_rig_fill(&rig, &rest, 2, 4, 3);
    paxos_rig_receive(&rig, &rest);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.length, 6);
    paxos_rig_fini(&rig);
}

static void two_logs_that_are_both_called_decided_halt_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    start_damaged(&rig, 6, 1u << 4 | 1u << 5);
    receive_copy(&rig, 2, 3, 1, 4);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.decided, 4);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = 4;
    message.log.from_chain = paxos_rig_chain(4, 60);
    message.log.decided = 5;
    paxos_rig_fill(&rig, &message, 4, 1, 64);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_DIVERGED);
    paxos_rig_fini(&rig);
}

/* Slot 3 of seat 1's decided log is not what is known here: who is right? */
static void make_doubt(struct paxos_rig *rig)
{
    start_damaged(rig, 6, 1u << 4);
    wait_until_asked(rig, 1);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, rig);
    message.log.from = 3;
    message.log.from_chain = paxos_rig_chain(3, 50);
    message.log.decided = 5;
    paxos_rig_fill(rig, &message, 3, 2, 53);
    paxos_rig_receive(rig, &message);
    assert_non_null(paxos_rig_sent_now(rig, PAXOS_FETCH, 2));
}

static void a_doubt_ends_where_the_logs_are_the_same(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_doubt(&rig);
    receive_copy(&rig, 2, 0, 2, 2); // as far as they go, they are
    assert_int_equal(rig.view.decided, 2);
    receive_copy(&rig, 2, 2, 1, 4);
    assert_int_equal(rig.view.decided, 3);
    assert_still_faulty(&rig, 4);
    receive_copy(&rig, 2, 3, 1, 4);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.decided, 4);
    paxos_rig_fini(&rig);
}

static void who_has_nothing_to_compare_says_so(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_doubt(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 2, &rig);
    message.log.from = 1; // not what was asked for
    paxos_rig_receive(&rig, &message);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    message.log.from = 0;
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_promise_binds_it_and_is_no_vote),
        cmocka_unit_test(it_neither_leads_nor_looks_fit_to),
        cmocka_unit_test(a_copy_that_hashes_to_its_log_is_its_log),
        cmocka_unit_test(what_was_known_decided_is_so_again_once_it_is_whole),
        cmocka_unit_test(another_copy_is_not),
        cmocka_unit_test(decided_entries_are_taken_piece_by_piece),
        cmocka_unit_test(decided_entries_that_differ_replace_the_rest),
        cmocka_unit_test(what_is_known_before_the_run_may_be_another_log_too),
        cmocka_unit_test(several_runs_are_repaired_one_after_the_other),
        cmocka_unit_test(a_leaders_whole_log_replaces_it),
        cmocka_unit_test(under_its_own_ballot_the_log_must_reach_what_it_acked),
        cmocka_unit_test(it_halts_if_nobody_can_decide_without_what_is_lost),
        cmocka_unit_test(who_lacks_it_too_says_so),
        cmocka_unit_test(who_had_no_copy_is_asked_again_while_another_is_silent),
        cmocka_unit_test(a_proposer_counts_no_vote_of_it_and_a_leader_sends_it_its_log),
        cmocka_unit_test(a_node_that_is_behind_does_not_lead),
        cmocka_unit_test(one_copy_at_a_time_is_taken_from_its_beginning),
        cmocka_unit_test(a_copy_that_breaks_off_into_another_log_is_dropped),
        cmocka_unit_test(a_copy_that_memory_cannot_hold_is_dropped),
        cmocka_unit_test(a_copy_waits_until_there_is_room_for_the_whole_log),
        cmocka_unit_test(another_log_that_nobody_calls_decided_is_no_copy),
        cmocka_unit_test(a_copy_does_not_disturb_a_leaders_log_on_its_way),
        cmocka_unit_test(two_logs_that_are_both_called_decided_halt_it),
        cmocka_unit_test(a_doubt_ends_where_the_logs_are_the_same),
        cmocka_unit_test(who_has_nothing_to_compare_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
