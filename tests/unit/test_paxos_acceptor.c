/*
 * The acceptor's rules, one a test: promises (P1), Accept (A3), acknowledgements (A4),
 * decided (A6).
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_ballot_equal(left, right)                                                 \
    assert_int_equal(paxos_ballot_compare(left, right), 0)

/* ---- promises ---- */

static void promise_waits_for_its_record(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(4, 1));
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_PROMISE);
    assert_ballot_equal(rig.effects.persist.promised, message.ballot);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_PROMISE, 1));
    const struct paxos_message *answer =
        paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 1);
    assert_non_null(answer);
    assert_ballot_equal(answer->ballot, message.ballot);
    assert_int_equal(rig.effects.after_sync_token, rig.effects.persist.token);
    paxos_rig_fini(&rig);
}

static void promise_tells_the_log_and_what_is_decided_of_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot first = paxos_rig_make_follower(&rig, 3);
    paxos_rig_decide(&rig, first, 2);
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(2, 2));
    paxos_rig_receive(&rig, &message);
    const struct paxos_promise *promise =
        &paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 2)->promise;
    assert_ballot_equal(promise->accepted, first);
    assert_int_equal(promise->length, 3);
    assert_int_equal(promise->decided, 2);
    struct paxos_digest chain = paxos_rig_chain(3, 1);
    assert_memory_equal(&promise->length_chain, &chain, sizeof chain);
    chain = paxos_rig_chain(2, 1);
    assert_memory_equal(&promise->decided_chain, &chain, sizeof chain);
    paxos_rig_fini(&rig);
}

static void acceptor_refuses_lower_ballot(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_promise(&rig, paxos_rig_ballot(4, 1));
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(3, 2));
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.effects.after_sync_count, 0);
    const struct paxos_message *nack = paxos_rig_sent_now(&rig, PAXOS_NACK, 2);
    assert_non_null(nack);
    assert_ballot_equal(nack->ballot, message.ballot);
    assert_ballot_equal(nack->nack.promised, paxos_rig_ballot(4, 1));
    assert_ballot_equal(rig.view.promised, paxos_rig_ballot(4, 1));
    paxos_rig_fini(&rig);
}

static void acceptor_refuses_lower_ballot_after_restart(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.promised = paxos_rig_ballot(4, 1);
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(3, 2));
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_NACK, 2));
    assert_ballot_equal(rig.view.promised, paxos_rig_ballot(4, 1));
    paxos_rig_fini(&rig);
}

static void acceptor_promises_again_and_writes_nothing(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(4, 1);
    paxos_rig_follow(&rig, ballot, 2);
    struct paxos_message message = paxos_rig_prepare(&rig, ballot);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    const struct paxos_message *answer =
        paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 1);
    assert_non_null(answer);
    assert_int_equal(answer->promise.length, 2);
    assert_ballot_equal(answer->promise.accepted, ballot);
    paxos_rig_fini(&rig);
}

static void acceptor_promises_only_the_ballots_own_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(4, 1));
    paxos_rig_set_sender(&message, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.promised.round, 0);
    message = paxos_rig_prepare(&rig, paxos_rig_ballot(0, 1)); // round 0 never leads (E0)
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.after_sync_count, 0);
    message = paxos_rig_prepare(&rig, paxos_rig_ballot(4, 1));
    message.ballot.epoch = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.promised.round, 0);
    assert_int_equal(rig.effects.after_sync_count, 0);
    paxos_rig_fini(&rig);
}

static void gated_node_promises_nothing(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    paxos_rig_start(&rig);
    assert_int_equal(rig.view.role, PAXOS_GATED);
    struct paxos_message message = paxos_rig_prepare(&rig, paxos_rig_ballot(4, 1));
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.effects.after_sync_count, 0);
    paxos_rig_fini(&rig);
}

/* ---- phase 2 under another ballot ---- */

static void accept_of_a_larger_ballot_asks_for_its_prepare(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, paxos_rig_ballot(2, 2), 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 2));
    assert_int_equal(rig.view.length, 2);
    assert_ballot_equal(rig.view.promised, paxos_rig_ballot(1, 1));
    paxos_rig_fini(&rig);
}

static void accept_of_a_lower_ballot_is_nacked(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 2);
    paxos_rig_promise(&rig, paxos_rig_ballot(2, 2));
    struct paxos_message message = paxos_rig_accept(&rig, paxos_rig_ballot(1, 1), 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_NACK, 1));
    assert_int_equal(rig.view.length, 2);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    paxos_rig_fini(&rig);
}

static void nothing_is_acknowledged_after_a_larger_promise(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_receive(&rig, &message);
    struct paxos_message next = paxos_rig_prepare(&rig, paxos_rig_ballot(2, 2));
    paxos_rig_receive(&rig, &next);
    paxos_rig_persisted(&rig);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1));
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 2));
    paxos_rig_fini(&rig);
}

/* ---- Accept ---- */

static void accept_is_appended_and_acknowledged_when_durable(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 3);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_APPEND);
    assert_int_equal(rig.effects.persist.first_slot, 3);
    assert_int_equal(rig.effects.persist.entry_count, 3);
    assert_int_equal(rig.effects.taken_first, 0);
    assert_int_equal(rig.effects.taken_count, 3);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1));
    paxos_rig_persisted(&rig);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1);
    assert_non_null(answer);
    assert_int_equal(answer->accepted.durable, 5);
    assert_int_equal(answer->accepted.stream, 1);
    paxos_rig_fini(&rig);
}

static void accepted_claims_only_durable_slots(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_receive(&rig, &message);
    uint64_t first_token = rig.effects.persist.token;
    message = paxos_rig_accept(&rig, ballot, 2, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 4);
    struct paxos_event event = {.type = PAXOS_EVENT_PERSISTED,
                                .token = first_token,
                                .block = 20,
                                .sync_us = 500};
    paxos_rig_step(&rig, &event);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1)->accepted.durable, 3);
    assert_int_equal(rig.view.durable, 3);
    paxos_rig_fini(&rig);
}

static void
accept_that_comes_twice_is_acknowledged_again_and_changes_nothing(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 2);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1)->accepted.durable, 4);
    paxos_rig_fini(&rig);
}

static void accept_after_a_lost_one_asks_for_a_prepare(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 2, 1);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

/* Frames overtake each other: the stream would break for ever. */
static void a_stream_that_breaks_again_at_once_is_left_for_fetch(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 2, 1);
    message.accept.decided = 4;
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
    paxos_rig_receive(&rig, &message); // of the same stream: the answer is on its way
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 2);
    sync.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &sync);
    message = paxos_rig_accept(&rig, ballot, 2, 1);
    message.accept.stream = 2;
    message.accept.decided = 2; // nothing to fetch: it waits
    paxos_rig_receive(&rig, &message);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    message.accept.decided = 4;
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 1);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, rig.view.decided + 1);
    assert_int_equal(fetch->fetch.last, 4);
    paxos_rig_fini(&rig);
}

static void accept_of_an_old_stream_is_ignored(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    message.accept.stream = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1));
    assert_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
    paxos_rig_fini(&rig);
}

static void accept_onto_another_past_is_refused(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    message.accept.previous_chain = paxos_rig_chain(2, 9);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
    paxos_rig_fini(&rig);
}

static void accept_without_a_sync_before_it_is_refused(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 0);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
    paxos_rig_fini(&rig);
}

static void malformed_entries_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 3);
    rig.entries[1].slot = 9;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    message = paxos_rig_accept(&rig, ballot, 1, 1);
    message.accept.previous = UINT64_MAX;
    rig.entries[0].slot = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    message = paxos_rig_prepare(&rig, paxos_rig_ballot(5, 1));
    message.entry_count = 1; // a kind that carries none
    paxos_rig_receive(&rig, &message);
    assert_ballot_equal(rig.view.promised, ballot);
    paxos_rig_fini(&rig);
}

/* ---- decided and read rounds ---- */

static void decided_never_passes_what_is_held(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    message.accept.decided = 50;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 3);
    message = paxos_rig_accept(&rig, ballot, 2, 0);
    message.accept.decided = 1; // and never falls
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 3);
    paxos_rig_fini(&rig);
}

static void read_round_without_entries_is_answered_at_once(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 0);
    message.accept.read_round = 7;
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_ROUND_ACK, 1);
    assert_non_null(answer);
    assert_int_equal(answer->round_ack.read_round, 7);
    assert_ballot_equal(answer->ballot, ballot);
    paxos_rig_fini(&rig);
}

static void read_round_with_entries_rides_on_accepted(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    message.accept.read_round = 7;
    paxos_rig_receive(&rig, &message);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ROUND_ACK, 1));
    paxos_rig_persisted(&rig);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1)->accepted.read_round, 7);
    paxos_rig_fini(&rig);
}

static void probe_makes_a_follower_repeat_its_round(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 0);
    message.accept.read_round = 7;
    paxos_rig_receive(&rig, &message);
    paxos_rig_receive(&rig, &message); // under the same sequence number
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1);
    assert_non_null(answer);
    assert_int_equal(answer->accepted.read_round, 7);
    assert_int_equal(answer->accepted.durable, 2);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promise_waits_for_its_record),
        cmocka_unit_test(promise_tells_the_log_and_what_is_decided_of_it),
        cmocka_unit_test(acceptor_refuses_lower_ballot),
        cmocka_unit_test(acceptor_refuses_lower_ballot_after_restart),
        cmocka_unit_test(acceptor_promises_again_and_writes_nothing),
        cmocka_unit_test(acceptor_promises_only_the_ballots_own_proposer),
        cmocka_unit_test(gated_node_promises_nothing),
        cmocka_unit_test(accept_of_a_larger_ballot_asks_for_its_prepare),
        cmocka_unit_test(accept_of_a_lower_ballot_is_nacked),
        cmocka_unit_test(nothing_is_acknowledged_after_a_larger_promise),
        cmocka_unit_test(accept_is_appended_and_acknowledged_when_durable),
        cmocka_unit_test(accepted_claims_only_durable_slots),
        cmocka_unit_test(
            accept_that_comes_twice_is_acknowledged_again_and_changes_nothing),
        cmocka_unit_test(accept_after_a_lost_one_asks_for_a_prepare),
        cmocka_unit_test(a_stream_that_breaks_again_at_once_is_left_for_fetch),
        cmocka_unit_test(accept_of_an_old_stream_is_ignored),
        cmocka_unit_test(accept_onto_another_past_is_refused),
        cmocka_unit_test(accept_without_a_sync_before_it_is_refused),
        cmocka_unit_test(malformed_entries_are_dropped),
        cmocka_unit_test(decided_never_passes_what_is_held),
        cmocka_unit_test(read_round_without_entries_is_answered_at_once),
        cmocka_unit_test(read_round_with_entries_rides_on_accepted),
        cmocka_unit_test(probe_makes_a_follower_repeat_its_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
