/*
 * What no sound peer answers: who wants to lead, prepares or leads drops it, or gives up,
 * before it can touch a log. Bytes of peers are not trusted.
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- elections ---- */

static struct paxos_message reply_of(struct paxos_rig *rig, uint32_t seat)
{
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, rig);
    message.heartbeat_reply.round = rig->core->election.round;
    return message;
}

static void ballot_of_another_epoch_is_not_followed(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = reply_of(&rig, 1);
    message.heartbeat_reply.my_ballot = paxos_rig_ballot(9, 1);
    message.heartbeat_reply.my_ballot.epoch = 2;
    paxos_rig_receive(&rig, &message);
    paxos_rig_wait(&rig, 100);
    assert_int_equal(rig.core->election.leader.round, 0);
    paxos_rig_fini(&rig);
}

static void chain_of_an_empty_log_is_not_compared(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = reply_of(&rig, 1);
    message.heartbeat_reply.decided_chain = paxos_rig_chain(1, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    paxos_rig_fini(&rig);
}

static void when_rounds_are_used_up_nobody_is_elected(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.promised = paxos_rig_ballot(UINT32_MAX, 1);
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    proposer_take_over(rig.core);
    assert_int_equal(paxos_view_of(rig.core).role, PAXOS_FOLLOWER);
    assert_int_equal(paxos_view_of(rig.core).promised.round, UINT32_MAX);
    paxos_rig_fini(&rig);
}

/* One frame must not use the rounds up: there would be no ballot above it for anybody. */
static void rounds_that_no_election_leads_to_are_not_believed(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    for (int field = 0; field < 3; field++) {
        struct paxos_message message = reply_of(&rig, 1);
        struct paxos_heartbeat_reply *reply = &message.heartbeat_reply;
        struct paxos_ballot *ballot = field == 0   ? &reply->my_ballot
                                      : field == 1 ? &reply->leader
                                                   : &reply->promised;
        *ballot = paxos_rig_ballot(UINT32_MAX, 1);
        paxos_rig_must_ignore(&rig, &message);
        assert_false(rig.core->peers[1].has_replied);
    }
    struct paxos_message prepare =
        paxos_rig_prepare(&rig, paxos_rig_ballot(UINT32_MAX, 1));
    paxos_rig_must_ignore(&rig, &prepare);
    paxos_rig_take_over(&rig);
    assert_int_equal(rig.view.promised.round, 1);
    paxos_rig_fini(&rig);
}

static void prepare_waits_until_its_own_promise_is_durable(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_take_over(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_PREPARE_REQUEST, 1, &rig);
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_persisted(&rig);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE, 1));
    paxos_rig_fini(&rig);
}

static void nack_of_a_smaller_promise_ends_nobody(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_NACK, 1, &rig);
    message.ballot = rig.view.promised;
    message.nack.promised = paxos_rig_ballot(0, 1);
    paxos_rig_must_ignore(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    paxos_rig_fini(&rig);
}

static void promise_of_more_than_a_leader_ever_had_begins_at_what_is_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 2);
    message.promise.accepted = rig.view.promised;
    message.promise.length = 5;
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *sync = paxos_rig_sent_now(&rig, PAXOS_ACCEPT_SYNC, 2);
    assert_non_null(sync);
    assert_int_equal(sync->accept_sync.from, 0);
    paxos_rig_fini(&rig);
}

/* ---- a leader ---- */

static void ack_of_what_was_never_sent_does_not_count(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    assert_int_equal(paxos_rig_propose(&rig), 1);
    paxos_rig_persisted(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 2);
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_accepted_from(&rig, 1, 1);
    message.accepted.read_round = 1; // no round was asked for
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 0);
    message.accepted.read_round = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 1);
    paxos_rig_fini(&rig);
}

/* An ack says a = b, and that says that the log reaches S_b (A2). */
static void ack_below_what_was_inherited_does_not_count(void **state)
{
    (void)state;
    struct paxos_rig rig;
    (void)paxos_rig_make_follower(&rig, 3);
    paxos_rig_lead(&rig); // S_b = 3
    assert_int_equal(rig.core->proposer.sync_length, 3);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 2);
    paxos_rig_must_ignore(&rig, &message);
    assert_int_equal(rig.view.decided, 0);
    message = paxos_rig_accepted_from(&rig, 1, 3);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 3);
    paxos_rig_fini(&rig);
}

static void promise_that_knows_of_more_decided_ends_a_leader(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_promise_from(&rig, 2);
    message.promise.length = 5;
    message.promise.decided = 5;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    assert_true(paxos_rig_has_traced(&rig, PAXOS_TRACE_OVERTAKEN));
    paxos_rig_fini(&rig);
}

/* ---- a proposer ---- */

/* Preparing with three entries of ballot 1, `decided` of them; its promise is durable. */
static void make_preparing(struct paxos_rig *rig, cs_slot decided)
{
    struct paxos_ballot ballot = paxos_rig_make_follower(rig, 3);
    paxos_rig_decide(rig, ballot, decided);
    paxos_rig_take_over(rig);
    paxos_rig_persisted(rig);
    assert_int_equal(rig->view.decided, decided);
    assert_int_equal(rig->view.role, PAXOS_PREPARING);
}

static void assert_overtaken(const struct paxos_rig *rig)
{
    assert_int_equal(rig->view.role, PAXOS_FOLLOWER);
    assert_true(paxos_rig_has_traced(rig, PAXOS_TRACE_OVERTAKEN));
    assert_int_equal(rig->effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig->view.length, 3);
}

/* Seat 1 promises: it has the best log, of `length` slots. */
static void receive_promise(struct paxos_rig *rig, cs_slot length)
{
    struct paxos_message message = paxos_rig_promise_from(rig, 1);
    message.promise.accepted = paxos_rig_ballot(1, 2);
    message.promise.length = length;
    message.promise.length_chain = paxos_rig_chain(length, 1);
    paxos_rig_receive(rig, &message);
}

static void best_log_that_ends_before_what_is_decided_ends_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_preparing(&rig, 3);
    receive_promise(&rig, 2);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void best_log_without_what_a_peer_calls_decided_ends_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_preparing(&rig, 0);
    struct paxos_message message = paxos_rig_promise_from(&rig, 1);
    message.promise.length = 5; // of an older ballot: not the best
    message.promise.decided = 5;
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

/* Seat 1 was asked for the end of its log, the best one, which has `length` slots. */
static void make_fetching(struct paxos_rig *rig, cs_slot length)
{
    make_preparing(rig, 3);
    receive_promise(rig, length);
    assert_non_null(paxos_rig_sent_now(rig, PAXOS_FETCH, 1));
}

/* What seat 1 sends of the best log. */
static struct paxos_message
entries_of_best(struct paxos_rig *rig, cs_slot from, uint32_t count)
{
    struct paxos_message message = paxos_rig_entries(rig, 1, from, count, 1);
    message.ballot = rig->view.promised;
    return message;
}

static void entries_of_another_past_end_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fetching(&rig, 5);
    struct paxos_message message = entries_of_best(&rig, 3, 2);
    message.log.from_chain = paxos_rig_chain(3, 60);
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void more_entries_than_were_promised_end_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fetching(&rig, 5);
    struct paxos_message message = entries_of_best(&rig, 3, 3);
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
    make_fetching(&rig, 5);
    message = entries_of_best(&rig, 3, 3);
    message.log.decided = 6; // nor if they are decided
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void longer_log_than_memory_holds_ends_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fetching(&rig, 40);
    struct paxos_message message = entries_of_best(&rig, 3, 20);
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void entries_that_nobody_asked_for_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_preparing(&rig, 3);
    struct paxos_message message = entries_of_best(&rig, 3, 2);
    paxos_rig_must_ignore(&rig, &message); // nobody has promised yet
    receive_promise(&rig, 5);
    paxos_rig_set_sender(&message, 2);
    paxos_rig_must_ignore(&rig, &message);
    message = entries_of_best(&rig, 4, 1);
    paxos_rig_must_ignore(&rig, &message);
    message = entries_of_best(&rig, 3, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.length, 5);
    message = entries_of_best(&rig, 5, 1);
    paxos_rig_must_ignore(&rig, &message); // it leads already
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ballot_of_another_epoch_is_not_followed),
        cmocka_unit_test(chain_of_an_empty_log_is_not_compared),
        cmocka_unit_test(when_rounds_are_used_up_nobody_is_elected),
        cmocka_unit_test(rounds_that_no_election_leads_to_are_not_believed),
        cmocka_unit_test(prepare_waits_until_its_own_promise_is_durable),
        cmocka_unit_test(nack_of_a_smaller_promise_ends_nobody),
        cmocka_unit_test(
            promise_of_more_than_a_leader_ever_had_begins_at_what_is_decided),
        cmocka_unit_test(ack_of_what_was_never_sent_does_not_count),
        cmocka_unit_test(ack_below_what_was_inherited_does_not_count),
        cmocka_unit_test(promise_that_knows_of_more_decided_ends_a_leader),
        cmocka_unit_test(best_log_that_ends_before_what_is_decided_ends_a_proposer),
        cmocka_unit_test(best_log_without_what_a_peer_calls_decided_ends_a_proposer),
        cmocka_unit_test(entries_of_another_past_end_a_proposer),
        cmocka_unit_test(more_entries_than_were_promised_end_a_proposer),
        cmocka_unit_test(longer_log_than_memory_holds_ends_a_proposer),
        cmocka_unit_test(entries_that_nobody_asked_for_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
