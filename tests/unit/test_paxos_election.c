/*
 * Ballot leader election (2.6): who is happy, who takes over, who hands over.
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROUNDS = 12 };

/* What the other seats answer in each round. silent: nothing. */
struct answer {
    bool is_silent;
    struct paxos_heartbeat_reply reply;
};

static struct answer unhappy(uint32_t seat)
{
    struct answer answer = {.reply = {.my_ballot = paxos_rig_ballot(0, seat)}};
    return answer;
}

/* Happy under its own ballot, the largest. */
static struct answer leading(uint32_t seat)
{
    struct answer answer = {
        .reply = {.my_ballot = paxos_rig_ballot(3, seat), .happy = 1}};
    return answer;
}

static uint64_t round_asked(const struct paxos_rig *rig)
{
    const struct paxos_message *asked = paxos_rig_sent_now(rig, PAXOS_HEARTBEAT, 1);
    return asked == NULL ? 0 : asked->heartbeat.round;
}

static void
answer_round(struct paxos_rig *rig, uint64_t round, const struct answer *answers)
{
    for (uint32_t seat = 1; seat < rig->settings.member_count; seat++) {
        struct paxos_message message =
            paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, rig);
        message.heartbeat_reply = answers[seat].reply;
        message.heartbeat_reply.round = round;
        if (!answers[seat].is_silent) {
            paxos_rig_receive(rig, &message);
        }
    }
}

/* Some ticks, at which the others answer so if a round has begun. */
static void run_rounds(struct paxos_rig *rig, const struct answer *answers, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t round = round_asked(rig);
        if (round != 0) {
            answer_round(rig, round, answers);
        }
        paxos_rig_tick(rig);
    }
}

/* Runs rounds in which the others answer so, until it takes over. False: it does not. */
static bool takes_over(struct paxos_rig *rig, const struct answer *answers)
{
    for (int i = 0; i < 4 * ROUNDS && rig->view.role != PAXOS_PREPARING; i++) {
        run_rounds(rig, answers, 1);
    }
    return rig->view.role == PAXOS_PREPARING;
}

static void leader_is_happy_while_a_quorum_stands_under_its_ballot(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].reply.leader = answers[1].reply.promised = rig.view.promised;
    answers[2].is_silent = true;
    run_rounds(&rig, answers, 2);
    assert_true(rig.view.happy);
    answers[1].reply.promised = paxos_rig_ballot(9, 2);
    run_rounds(&rig, answers, 1);
    assert_false(rig.view.happy);
    answers[1].reply.promised = rig.view.promised;
    run_rounds(&rig, answers, 1);
    assert_true(rig.view.happy);
    answers[1].reply.leader = paxos_rig_ballot(9, 2);
    run_rounds(&rig, answers, 1);
    assert_false(rig.view.happy);
    answers[1].reply.leader = rig.view.promised;
    run_rounds(&rig, answers, 1);
    assert_true(rig.view.happy);
    answers[1].is_silent = true;
    run_rounds(&rig, answers, 1);
    assert_false(rig.view.happy);
    paxos_rig_fini(&rig);
}

static void node_takes_over_when_a_quorum_is_unhappy(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[2].is_silent = true;
    assert_true(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void node_does_not_take_over_alone(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].is_silent = answers[2].is_silent = true;
    assert_false(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void gated_voters_do_not_make_a_quorum(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].reply.gated = answers[2].reply.gated = 1;
    assert_false(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void one_happy_voter_holds_everybody_back(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[2].reply.happy = 1; // it hears a leader that we do not
    answers[2].reply.leader = paxos_rig_ballot(3, 1);
    assert_false(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void happy_leader_is_followed(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, leading(1), unhappy(2)};
    assert_false(takes_over(&rig, answers));
    assert_true(rig.view.happy);
    assert_int_equal(rig.view.leader_seat, 1);
    assert_int_equal(rig.view.leader.round, 3);
    answers[1].is_silent = true; // it is gone
    assert_true(takes_over(&rig, answers));
    assert_int_equal(rig.view.promised.round, 4);
    paxos_rig_fini(&rig);
}

static void ballots_of_round_zero_never_lead(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].reply.happy = 1;
    assert_false(takes_over(&rig, answers)); // happy, whatever it means
    assert_int_equal(rig.view.leader_seat, PAXOS_MEMBERS_MAX);
    assert_int_equal(rig.view.leader.round, 0);
    paxos_rig_fini(&rig);
}

static void answers_to_an_earlier_round_do_not_count(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    for (int i = 0; i < 4 * ROUNDS; i++) {
        uint64_t round = round_asked(&rig);
        if (round > 1) {
            answer_round(&rig, round - 1, answers);
        }
        paxos_rig_tick(&rig);
    }
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    paxos_rig_fini(&rig);
}

static void promised_ballot_above_the_leaders_makes_unhappy(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_promise(&rig, paxos_rig_ballot(5, 2)); // whose proposer then vanished
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].reply.my_ballot = paxos_rig_ballot(3, 1);
    assert_true(takes_over(&rig, answers));
    assert_int_equal(rig.view.promised.round, 6);
    paxos_rig_fini(&rig);
}

static void promiser_gives_its_proposer_time(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_wait(&rig, 300); // past the short rounds of the start
    paxos_rig_promise(&rig, paxos_rig_ballot(5, 2));
    assert_true(rig.view.happy); // P1, though nobody has said a word yet
    assert_int_equal(rig.view.leader_seat, 2);
    paxos_rig_wait(&rig, 60);
    assert_true(rig.view.happy);
    paxos_rig_wait(&rig, 200);
    assert_false(rig.view.happy);
    paxos_rig_fini(&rig);
}

static void ballot_nobody_claims_gives_way_to_the_promised_one(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[2].reply.my_ballot = paxos_rig_ballot(5, 2); // heard of, lost in a crash
    answers[2].reply.happy = 1;
    assert_false(takes_over(&rig, answers));
    assert_int_equal(rig.view.leader.round, 5);
    paxos_rig_promise(&rig, paxos_rig_ballot(4, 1));
    answers[1].reply.my_ballot = paxos_rig_ballot(4, 1);
    answers[1].reply.happy = 1;
    answers[2] = unhappy(2);
    assert_false(takes_over(&rig, answers));
    assert_int_equal(rig.view.leader.round, 4);
    assert_int_equal(rig.view.leader_seat, 1);
    paxos_rig_fini(&rig);
}

static void closed_connection_of_the_leader_shortens_the_rounds(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, leading(1), unhappy(2)};
    (void)takes_over(&rig, answers);
    struct paxos_event lost = {.type = PAXOS_EVENT_PEER_LOST, .peer = 2};
    uint64_t due_ms = rig.view.next_tick_ms;
    paxos_rig_step(&rig, &lost); // not the leader's: nothing changes
    assert_int_equal(round_asked(&rig), 0);
    lost.peer = 1;
    paxos_rig_step(&rig, &lost);
    assert_int_not_equal(round_asked(&rig), 0);      // a round begins at once
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER); // a hint is no verdict
    assert_true(rig.view.next_tick_ms <= due_ms);
    assert_false(takes_over(&rig, answers)); // it answers: it was only the connection
    lost.peer = 99;
    paxos_rig_step(&rig, &lost);
    paxos_rig_fini(&rig);
}

/* Who does not answer within a shortened round is not silent yet: requests wait for it. */
static void shortened_rounds_do_not_end_the_hearing_of_a_quorum(void **state)
{
    (void)state;
    enum { SHORT_ROUNDS = 4, LONG_MS = 4 * 55 };
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct answer answers[] = {{0}, leading(1), unhappy(2)};
    (void)takes_over(&rig, answers);
    const struct paxos_event lost = {.type = PAXOS_EVENT_PEER_LOST, .peer = 1};
    paxos_rig_step(&rig, &lost);
    answers[1].is_silent = answers[2].is_silent = true;
    uint64_t lost_ms = rig.now_ms;
    uint64_t round = round_asked(&rig);
    for (int rounds = 0; rounds < SHORT_ROUNDS;) {
        run_rounds(&rig, answers, 1);
        rounds += round_asked(&rig) > round;
        round = round_asked(&rig) > round ? round_asked(&rig) : round;
    }
    assert_in_range(rig.now_ms - lost_ms, SHORT_ROUNDS * 11, SHORT_ROUNDS * 13);
    assert_false(rig.view.happy);
    assert_true(rig.view.quorum_heard);
    while (rig.now_ms < lost_ms + LONG_MS) {
        run_rounds(&rig, answers, 1);
    }
    assert_false(rig.view.quorum_heard);
    paxos_rig_fini(&rig);
}

/* Rounds of a happy follower, answered in full; how long the last whole one was. */
static uint64_t happy_round_ms(struct paxos_rig *rig, int rounds)
{
    struct answer answers[] = {{0}, leading(1), unhappy(2)};
    uint64_t length_ms = 0;
    uint64_t begun_ms = rig->now_ms;
    for (int i = 0; i < rounds;) {
        paxos_rig_tick(rig);
        uint64_t round = round_asked(rig);
        if (round > 0) {
            length_ms = rig->now_ms - begun_ms;
            begun_ms = rig->now_ms;
            answer_round(rig, round, answers);
            i++;
        }
    }
    return length_ms;
}

static void rounds_are_longer_while_nothing_happens(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.settings.idle_heartbeat_ms = 200;
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    (void)happy_round_ms(&rig, 4); // the short rounds of the start
    assert_in_range(happy_round_ms(&rig, 2), 50, 55);
    assert_in_range(happy_round_ms(&rig, 12), 200, 220);
    // A client comes: the round under way is cut short, and the next ones are short.
    struct paxos_event read = {.type = PAXOS_EVENT_READ};
    paxos_rig_step(&rig, &read);
    assert_in_range(happy_round_ms(&rig, 1), 1, 50);
    assert_in_range(happy_round_ms(&rig, 2), 50, 55);
    assert_in_range(happy_round_ms(&rig, 12), 200, 220);
    // The leader falls silent: the first unhappy round ends, and short ones follow.
    paxos_rig_wait(&rig, 420);
    assert_false(rig.view.happy);
    assert_in_range(rig.view.next_tick_ms, rig.now_ms, rig.now_ms + 55);
    paxos_rig_fini(&rig);
}

static void resigned_node_never_competes(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_event resign = {.type = PAXOS_EVENT_RESIGN};
    paxos_rig_step(&rig, &resign);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    assert_false(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void node_whose_sync_hangs_does_not_compete(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_event slow = {.type = PAXOS_EVENT_DISK_SLOW, .sync_us = 1000 * 1000};
    paxos_rig_step(&rig, &slow);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    assert_false(takes_over(&rig, answers));
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT, 1, &rig);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HEARTBEAT_REPLY, 1)->heartbeat_reply.disk_us,
        UINT32_MAX); // and says so
    paxos_rig_persisted(&rig);
    assert_true(takes_over(&rig, answers));
    paxos_rig_fini(&rig);
}

static void heartbeats_are_answered_with_durable_claims(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 2);
    message.accept.decided = 4;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_message(PAXOS_PREPARE, 2, &rig);
    message.ballot = paxos_rig_ballot(7, 2);
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_message(PAXOS_HEARTBEAT, 1, &rig);
    message.heartbeat.round = 17;
    paxos_rig_receive(&rig, &message);
    const struct paxos_heartbeat_reply *reply =
        &paxos_rig_sent_now(&rig, PAXOS_HEARTBEAT_REPLY, 1)->heartbeat_reply;
    assert_int_equal(reply->round, 17);
    assert_int_equal(reply->durable, 2);
    assert_int_equal(reply->decided, 2);
    assert_int_equal(reply->promised.round, 1);
    paxos_rig_fini(&rig);
}

static void two_decided_prefixes_that_differ_halt(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    paxos_rig_decide(&rig, ballot, 2);
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT_REPLY, 2, &rig);
    message.heartbeat_reply.decided = 2;
    message.heartbeat_reply.decided_chain = paxos_rig_chain(2, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    message.heartbeat_reply.decided_chain = paxos_rig_chain(2, 8);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_DIVERGED);
    assert_int_equal(rig.effects.halt_peer, 2);
    paxos_rig_fini(&rig);
}

/* ---- handing over (E6, E8) ---- */

static void handover_is_taken_only_from_the_promised_leader(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_message(PAXOS_HANDOVER, 2, &rig);
    message.ballot = ballot;
    paxos_rig_receive(&rig, &message); // from another seat
    message = paxos_rig_message(PAXOS_HANDOVER, 1, &rig);
    message.ballot = paxos_rig_ballot(2, 1);
    paxos_rig_receive(&rig, &message); // of another ballot
    message.ballot = ballot;
    message.handover.target = 2;
    paxos_rig_receive(&rig, &message); // to another heir
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    message.handover.target = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING); // no happiness is asked about
    assert_int_equal(rig.view.promised.round, 2);
    paxos_rig_fini(&rig);
}

static void resigning_leader_waits_until_the_heir_holds_everything(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 0);
    paxos_rig_receive(&rig, &message);
    (void)paxos_rig_propose(&rig);
    struct paxos_event resign = {.type = PAXOS_EVENT_RESIGN};
    paxos_rig_step(&rig, &resign);
    assert_true(paxos_rig_has_traced(&rig, PAXOS_TRACE_HANDOVER));
    assert_null(paxos_rig_sent_now(&rig, PAXOS_HANDOVER, 1));
    assert_int_equal(paxos_rig_propose(&rig), 0);
    assert_int_equal(rig.effects.refusal, PAXOS_REFUSED_HANDING_OVER);
    message = paxos_rig_accepted_from(&rig, 1, 1);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_HANDOVER, 1));
    paxos_rig_fini(&rig);
}

/* The others answer so for `ms`, or until it hands over. False: it does not. */
static bool hands_over(struct paxos_rig *rig, const struct answer *answers, int ms)
{
    for (int i = 0; i < ms; i++) {
        paxos_rig_wait(rig, 1);
        if (paxos_rig_has_traced(rig, PAXOS_TRACE_HANDOVER)) {
            return true;
        }
        if (round_asked(rig) != 0) {
            answer_round(rig, round_asked(rig), answers);
        }
    }
    return false;
}

static void handover_that_nobody_takes_ends_by_itself(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 0);
    paxos_rig_receive(&rig, &message);
    struct paxos_event slow = {.type = PAXOS_EVENT_DISK_SLOW, .sync_us = 1000 * 1000};
    paxos_rig_step(&rig, &slow);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    assert_true(hands_over(&rig, answers, 200));
    assert_false(rig.view.can_propose);
    paxos_rig_persisted(&rig); // the disk is well again
    paxos_rig_wait(&rig, 1200);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_true(rig.view.can_propose);
    paxos_rig_fini(&rig);
}

static void leader_whose_disk_is_full_hands_over_to_one_with_room(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 0);
    paxos_rig_receive(&rig, &message);
    struct paxos_event full = {.type = PAXOS_EVENT_DISK_ROOM, .has_room = 0};
    paxos_rig_step(&rig, &full);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    answers[1].reply.disk_us = UINT32_MAX; // is full too
    answers[2].reply.disk_us = UINT32_MAX;
    assert_false(hands_over(&rig, answers, 200));
    assert_true(rig.view.can_propose);
    answers[1].reply.disk_us = 100;
    assert_true(hands_over(&rig, answers, 200));
    paxos_rig_fini(&rig);
}

/* Else it would lead and not take writes most of the time. */
static void handover_in_vain_is_not_tried_again_at_once(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig);
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 0);
    paxos_rig_receive(&rig, &message);
    struct paxos_event full = {.type = PAXOS_EVENT_DISK_ROOM, .has_room = 0};
    paxos_rig_step(&rig, &full);
    struct answer answers[] = {{0}, unhappy(1), unhappy(2)};
    assert_true(hands_over(&rig, answers, 200));
    assert_false(hands_over(&rig, answers, 1800)); // a second of it in vain
    assert_true(rig.view.can_propose);
    assert_true(hands_over(&rig, answers, 1000));
    assert_false(hands_over(&rig, answers, 2800)); // twice as long
    assert_true(hands_over(&rig, answers, 1000));
    paxos_rig_fini(&rig);
}

static void leader_stays_when_nobody_is_fit_to_follow_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_leader(&rig); // seat 1 never acknowledged anything
    struct paxos_event resign = {.type = PAXOS_EVENT_RESIGN};
    paxos_rig_step(&rig, &resign);
    assert_false(paxos_rig_has_traced(&rig, PAXOS_TRACE_HANDOVER));
    assert_true(rig.view.can_propose);
    paxos_rig_fini(&rig);
}

static void grace_of_a_promise_ends_with_a_take_over(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_promised(&rig);
    assert_true(rig.view.happy); // for two rounds, whatever they bring
    struct paxos_message message = paxos_rig_message(PAXOS_HANDOVER, 1, &rig);
    message.ballot = paxos_rig_ballot(1, 1);
    message.handover.target = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_PREPARING);
    message = paxos_rig_message(PAXOS_NACK, 1, &rig);
    message.ballot = rig.view.promised;
    message.nack.promised = paxos_rig_ballot(9, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    uint64_t round = 0;
    while (round == 0) {
        paxos_rig_wait(&rig, 1);
        round = round_asked(&rig);
    }
    assert_false(rig.view.happy); // at the first round's end
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leader_is_happy_while_a_quorum_stands_under_its_ballot),
        cmocka_unit_test(node_takes_over_when_a_quorum_is_unhappy),
        cmocka_unit_test(node_does_not_take_over_alone),
        cmocka_unit_test(gated_voters_do_not_make_a_quorum),
        cmocka_unit_test(one_happy_voter_holds_everybody_back),
        cmocka_unit_test(happy_leader_is_followed),
        cmocka_unit_test(ballots_of_round_zero_never_lead),
        cmocka_unit_test(answers_to_an_earlier_round_do_not_count),
        cmocka_unit_test(promised_ballot_above_the_leaders_makes_unhappy),
        cmocka_unit_test(promiser_gives_its_proposer_time),
        cmocka_unit_test(grace_of_a_promise_ends_with_a_take_over),
        cmocka_unit_test(ballot_nobody_claims_gives_way_to_the_promised_one),
        cmocka_unit_test(closed_connection_of_the_leader_shortens_the_rounds),
        cmocka_unit_test(shortened_rounds_do_not_end_the_hearing_of_a_quorum),
        cmocka_unit_test(rounds_are_longer_while_nothing_happens),
        cmocka_unit_test(resigned_node_never_competes),
        cmocka_unit_test(node_whose_sync_hangs_does_not_compete),
        cmocka_unit_test(heartbeats_are_answered_with_durable_claims),
        cmocka_unit_test(two_decided_prefixes_that_differ_halt),
        cmocka_unit_test(handover_is_taken_only_from_the_promised_leader),
        cmocka_unit_test(resigning_leader_waits_until_the_heir_holds_everything),
        cmocka_unit_test(handover_that_nobody_takes_ends_by_itself),
        cmocka_unit_test(leader_whose_disk_is_full_hands_over_to_one_with_room),
        cmocka_unit_test(handover_in_vain_is_not_tried_again_at_once),
        cmocka_unit_test(leader_stays_when_nobody_is_fit_to_follow_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
