/*
 * What no sound peer says: each such message is dropped, or ends who heard it, before it
 * can touch a log. Bytes of peers are not trusted.
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint32_t LEADER = 1;

/* The last step did nothing at all. */
static void assert_ignored(const struct paxos_rig *rig)
{
    assert_int_equal(rig->effects.now_count, 0);
    assert_int_equal(rig->effects.after_sync_count, 0);
    assert_int_equal(rig->effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig->effects.halt, PAXOS_HALT_NONE);
    assert_false(rig->effects.serve.wanted);
}

static void receive_and_ignore(struct paxos_rig *rig, const struct paxos_message *message)
{
    paxos_rig_receive(rig, message);
    assert_ignored(rig);
}

/* ---- any message ---- */

static void a_node_does_not_hear_itself(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT, 0, &rig);
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void entries_beyond_what_can_be_are_not_looked_at(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, &rig);
    message.log.from = SLOT_MAX + 1;
    paxos_rig_fill(&rig, &message, SLOT_MAX + 1, 1, 1);
    receive_and_ignore(&rig, &message);
    message.log.from = 0;
    message.entry_count = UINT32_MAX; // there is one
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

/* ---- first contact ---- */

static void hello_in_the_name_of_nobody_is_not_answered(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO, 1, &rig);
    message.hello.incarnation = paxos_rig_incarnation(1);
    message.hello.boot = 5;
    message.hello.nonce = 501;
    message.hello.author = 3; // there is no such seat
    receive_and_ignore(&rig, &message);
    message.hello.author = 0; // that is the hearer
    message.hello.relayed = 1;
    receive_and_ignore(&rig, &message);
    message.hello.author = 1; // passed on by its author
    receive_and_ignore(&rig, &message);
    message.hello.author = 2; // not passed on, and another one's
    message.hello.relayed = 0;
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void answer_about_nobody_is_not_passed_on(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO_REPLY, 1, &rig);
    message.hello_reply.author = 1;
    message.hello_reply.about = 3;
    receive_and_ignore(&rig, &message);
    message.hello_reply.about = 1; // about its author
    receive_and_ignore(&rig, &message);
    message.hello_reply.author = 2; // of seat 2, which may send it itself
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

/* ---- first boot ---- */

static struct paxos_message
form_of(struct paxos_rig *rig, uint32_t type, const struct paxos_config *config)
{
    struct paxos_message message = paxos_rig_message(type, 0, rig);
    message.form.config = *config;
    message.form.nonce = 77;
    return message;
}

/* Seat 1 of three, without a past; what seat 0 would send it. */
static struct paxos_config make_fresh(struct paxos_rig *rig)
{
    paxos_rig_init(rig, 1, 3);
    struct paxos_config config = rig->recovered.config;
    config.started = 0;
    rig->recovered.config = (struct paxos_config){0};
    rig->recovered.block = 0;
    paxos_rig_start(rig);
    return config;
}

static void configuration_that_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    struct paxos_rig rig;
    const struct paxos_config good = make_fresh(&rig);
    struct paxos_config bad[5] = {good, good, good, good, good};
    bad[0].cluster_id = (struct paxos_id){0};
    bad[1].epoch = 2;
    bad[2].member_count = 5;
    bad[3].incarnation[1] = paxos_rig_incarnation(6);
    bad[4].node[1] = 3;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct paxos_message message = form_of(&rig, PAXOS_FORM, &bad[i]);
        receive_and_ignore(&rig, &message);
    }
    struct paxos_message message = form_of(&rig, PAXOS_FORM, &good);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    paxos_rig_fini(&rig);
}

static void only_the_configuration_taken_can_start(void **state)
{
    (void)state;
    struct paxos_rig rig;
    const struct paxos_config good = make_fresh(&rig);
    struct paxos_message message = form_of(&rig, PAXOS_FORM, &good);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    struct paxos_config bad[5] = {good, good, good, good, good};
    bad[0].cluster_id.low++;
    bad[1].epoch = 2;
    bad[2].member_count = 5;
    bad[3].node[2] = 4;
    bad[4].incarnation[2] = paxos_rig_incarnation(6);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i].started = 1;
        message = form_of(&rig, PAXOS_START, &bad[i]);
        receive_and_ignore(&rig, &message);
    }
    message = form_of(&rig, PAXOS_FORM_REPLY, &good); // seat 0 collects these
    receive_and_ignore(&rig, &message);
    struct paxos_config started = good;
    started.started = 1;
    message = form_of(&rig, PAXOS_START, &started);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    paxos_rig_fini(&rig);
}

/* ---- a follower ---- */

static void ballot_of_another_seat_counts_from_that_seat_only(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_follow(&rig, ballot, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_set_sender(&message, 2);
    receive_and_ignore(&rig, &message);
    message.ballot.node = 77; // nobody's
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void fetch_of_slots_that_cannot_be_is_not_served(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_follow(&rig, paxos_rig_ballot(1, LEADER), 2);
    struct paxos_message message = paxos_rig_message(PAXOS_FETCH, 2, &rig);
    message.fetch.for_repair = 1;
    message.fetch.first = 0;
    message.fetch.last = 2;
    receive_and_ignore(&rig, &message);
    message.fetch.first = SLOT_MAX + 1;
    message.fetch.last = SLOT_MAX + 1;
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void decided_slots_that_cannot_be_are_not_fetched(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    message.accept_sync.from = 20;
    message.accept_sync.decided = SLOT_MAX + 1;
    paxos_rig_fill(&rig, &message, 20, 1, 1);
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void sync_of_more_than_memory_holds_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message =
        paxos_rig_sync(&rig, ballot, rig.settings.ring_entries + 1);
    receive_and_ignore(&rig, &message);
    message = paxos_rig_sync(&rig, ballot, 2); // and it can be tried again
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

static void sync_of_an_older_stream_does_not_touch_what_is_staged(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.entry_count = 2;
    message.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER));
    message.accept_sync.stream = 1;
    receive_and_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void sync_that_differs_under_one_ballot_asks_for_another(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_follow(&rig, ballot, 4);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.accept_sync.stream = 2;
    rig.entries[3] = paxos_rig_entry(4, 44); // there is but one log of a ballot (I1)
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, LEADER));
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(paxos_entry_at(rig.core, 4)->digest.low, 4);
    paxos_rig_fini(&rig);
}

static void sync_after_another_past_asks_for_another(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_follow(&rig, paxos_rig_ballot(1, LEADER), 4);
    struct paxos_ballot ballot = paxos_rig_ballot(2, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.accept_sync.from = 3;
    message.accept_sync.from_chain = paxos_rig_chain(3, 60);
    paxos_rig_fill(&rig, &message, 3, 1, 63);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, LEADER));
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    paxos_rig_fini(&rig);
}

static void empty_answer_under_the_ballot_moves_nothing(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.entry_count = 2;
    paxos_rig_receive(&rig, &message);
    struct paxos_message empty = paxos_rig_message(PAXOS_ENTRIES, LEADER, &rig);
    empty.ballot = ballot;
    empty.log.from = 2;
    empty.log.from_chain = paxos_rig_chain(2, 1);
    receive_and_ignore(&rig, &empty);
    paxos_rig_fini(&rig);
}

static void sync_from_another_place_is_staged_anew(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_follow(&rig, paxos_rig_ballot(1, LEADER), 3);
    struct paxos_ballot ballot = paxos_rig_ballot(2, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 6);
    message.entry_count = 4;
    paxos_rig_receive(&rig, &message);
    message.accept_sync.stream = 2;
    message.accept_sync.from = 2;
    message.accept_sync.from_chain = paxos_rig_chain(2, 1);
    paxos_rig_fill(&rig, &message, 2, 1, 3);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 4);
    paxos_rig_fini(&rig);
}

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

static void prepare_waits_until_its_own_promise_is_durable(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_take_over(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_PREPARE_REQUEST, 1, &rig);
    receive_and_ignore(&rig, &message);
    paxos_rig_persisted(&rig);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE, 1));
    paxos_rig_fini(&rig);
}

static void nack_of_a_smaller_promise_ends_nobody(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_lead(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_NACK, 1, &rig);
    message.ballot = rig.view.promised;
    message.nack.promised = paxos_rig_ballot(0, 1);
    receive_and_ignore(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    paxos_rig_fini(&rig);
}

static void promise_of_more_than_a_leader_ever_had_begins_at_what_is_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_lead(&rig);
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
    paxos_rig_make(&rig);
    paxos_rig_lead(&rig);
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

static void promise_that_knows_of_more_decided_ends_a_leader(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    paxos_rig_lead(&rig);
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
static void prepare(struct paxos_rig *rig, cs_slot decided)
{
    struct paxos_ballot ballot = paxos_rig_ballot(1, LEADER);
    paxos_rig_make(rig);
    paxos_rig_follow(rig, ballot, 3);
    struct paxos_message decide = paxos_rig_accept(rig, ballot, 1, 0);
    decide.accept.decided = decided;
    paxos_rig_receive(rig, &decide);
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

/* A log of `length` slots under ballot `round` of seat 2. */
static void promise(struct paxos_rig *rig, uint32_t round, cs_slot length)
{
    struct paxos_message message = paxos_rig_promise_from(rig, 1);
    message.promise.accepted = paxos_rig_ballot(round, 2);
    message.promise.length = length;
    message.promise.length_chain = paxos_rig_chain(length, 1);
    paxos_rig_receive(rig, &message);
}

static void best_log_that_ends_before_what_is_decided_ends_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare(&rig, 3);
    promise(&rig, 1, 2);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void best_log_without_what_a_peer_calls_decided_ends_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare(&rig, 0);
    struct paxos_message message = paxos_rig_promise_from(&rig, 1);
    message.promise.length = 5; // of an older ballot: not the best
    message.promise.decided = 5;
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

/* The best log is seat 1's, of five slots: what it sends of it. */
static struct paxos_message
entries_of_best(struct paxos_rig *rig, cs_slot from, uint32_t count)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 1, rig);
    message.ballot = rig->view.promised;
    message.log.from = from;
    message.log.from_chain = paxos_rig_chain(from, 1);
    paxos_rig_fill(rig, &message, from, count, from + 1);
    return message;
}

static void entries_of_another_past_end_a_proposer(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare(&rig, 3);
    promise(&rig, 1, 5);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
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
    prepare(&rig, 3);
    promise(&rig, 1, 5);
    struct paxos_message message = entries_of_best(&rig, 3, 3);
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
    prepare(&rig, 3);
    promise(&rig, 1, 5);
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
    prepare(&rig, 3);
    promise(&rig, 1, 40);
    struct paxos_message message = entries_of_best(&rig, 3, 20);
    paxos_rig_receive(&rig, &message);
    assert_overtaken(&rig);
    paxos_rig_fini(&rig);
}

static void entries_that_nobody_asked_for_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    prepare(&rig, 3);
    struct paxos_message message = entries_of_best(&rig, 3, 2);
    receive_and_ignore(&rig, &message); // nobody has promised yet
    promise(&rig, 1, 5);
    paxos_rig_set_sender(&message, 2);
    receive_and_ignore(&rig, &message);
    message = entries_of_best(&rig, 4, 1);
    receive_and_ignore(&rig, &message);
    message = entries_of_best(&rig, 3, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    assert_int_equal(rig.view.length, 5);
    message = entries_of_best(&rig, 5, 1);
    receive_and_ignore(&rig, &message); // it leads already
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_does_not_hear_itself),
        cmocka_unit_test(entries_beyond_what_can_be_are_not_looked_at),
        cmocka_unit_test(hello_in_the_name_of_nobody_is_not_answered),
        cmocka_unit_test(answer_about_nobody_is_not_passed_on),
        cmocka_unit_test(configuration_that_does_not_fit_is_not_taken),
        cmocka_unit_test(only_the_configuration_taken_can_start),
        cmocka_unit_test(ballot_of_another_seat_counts_from_that_seat_only),
        cmocka_unit_test(fetch_of_slots_that_cannot_be_is_not_served),
        cmocka_unit_test(decided_slots_that_cannot_be_are_not_fetched),
        cmocka_unit_test(sync_of_more_than_memory_holds_is_dropped),
        cmocka_unit_test(sync_of_an_older_stream_does_not_touch_what_is_staged),
        cmocka_unit_test(sync_that_differs_under_one_ballot_asks_for_another),
        cmocka_unit_test(sync_after_another_past_asks_for_another),
        cmocka_unit_test(empty_answer_under_the_ballot_moves_nothing),
        cmocka_unit_test(sync_from_another_place_is_staged_anew),
        cmocka_unit_test(ballot_of_another_epoch_is_not_followed),
        cmocka_unit_test(chain_of_an_empty_log_is_not_compared),
        cmocka_unit_test(when_rounds_are_used_up_nobody_is_elected),
        cmocka_unit_test(prepare_waits_until_its_own_promise_is_durable),
        cmocka_unit_test(nack_of_a_smaller_promise_ends_nobody),
        cmocka_unit_test(
            promise_of_more_than_a_leader_ever_had_begins_at_what_is_decided),
        cmocka_unit_test(ack_of_what_was_never_sent_does_not_count),
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
