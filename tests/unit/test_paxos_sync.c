/*
 * How a follower takes over a leader's log (A2): the flip to a = b, what it fetches,
 * what it refuses.
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_ballot_equal(left, right)                                                 \
    assert_int_equal(paxos_ballot_compare(left, right), 0)

static const uint32_t LEADER = 1;

/* An AcceptSync to slot `length` that carries the first `count` entries only. */
static struct paxos_message sync_in_part(struct paxos_rig *rig,
                                         struct paxos_ballot ballot,
                                         cs_slot length,
                                         uint32_t count)
{
    struct paxos_message message = paxos_rig_sync(rig, ballot, length);
    message.entry_count = count;
    message.accept_sync.more = 1;
    return message;
}

/*
 * What a Fetch under the ballot brings: `count` entries after `from`, values from
 * `value` on.
 */
static struct paxos_message entries_under(struct paxos_rig *rig,
                                          struct paxos_ballot ballot,
                                          cs_slot from,
                                          uint32_t count,
                                          uint64_t value)
{
    struct paxos_message message = paxos_rig_entries(rig, LEADER, from, count, 1);
    message.ballot = ballot;
    paxos_rig_fill(rig, &message, from, count, value);
    return message;
}

static void sync_is_one_record_of_entries_and_ballot(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.effects.persist.first_slot, 1);
    assert_int_equal(rig.effects.persist.entry_count, 3);
    assert_int_equal(rig.effects.persist.length, 3);
    assert_ballot_equal(rig.effects.persist.accepted, ballot);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, LEADER));
    paxos_rig_persisted(&rig);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, LEADER);
    assert_non_null(answer);
    assert_int_equal(answer->accepted.durable, 3);
    paxos_rig_fini(&rig);
}

static void follower_flips_only_at_sync_length(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = sync_in_part(&rig, ballot, 5, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.accepted.round, 0);
    assert_int_equal(rig.view.length, 0);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 3);
    assert_int_equal(fetch->fetch.last, 5);
    assert_ballot_equal(fetch->ballot, ballot);
    message = entries_under(&rig, ballot, 2, 2, 3);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.accepted.round, 0);
    message = entries_under(&rig, ballot, 4, 1, 5);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_ballot_equal(rig.view.accepted, ballot);
    assert_int_equal(rig.view.length, 5);
    paxos_rig_fini(&rig);
}

static void sync_whose_rest_is_lost_is_fetched_again(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = sync_in_part(&rig, ballot, 5, 2);
    paxos_rig_receive(&rig, &message);
    bool is_asked = false;
    for (int i = 0; i < 30 && !is_asked; i++) {
        paxos_rig_wait(&rig, 10);
        is_asked = paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER) != NULL;
    }
    assert_true(is_asked);
    paxos_rig_fini(&rig);
}

static void another_sync_of_one_ballot_goes_on_where_the_first_one_was(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = sync_in_part(&rig, ballot, 4, 1);
    paxos_rig_receive(&rig, &message);
    message = entries_under(&rig, ballot, 1, 1, 2);
    paxos_rig_receive(&rig, &message);
    message = sync_in_part(&rig, ballot, 4, 1);
    message.accept_sync.stream++;
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 3);
    message = sync_in_part(&rig, ballot, 4, 3); // it brings more than is there
    message.accept_sync.stream += 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.taken_first, 2);
    assert_int_equal(rig.effects.taken_count, 1);
    message = entries_under(&rig, ballot, 3, 1, 4);
    paxos_rig_receive(&rig, &message);
    assert_ballot_equal(rig.view.accepted, ballot);
    assert_int_equal(rig.view.length, 4);
    paxos_rig_fini(&rig);
}

static void fetched_entries_count_only_where_they_connect(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = sync_in_part(&rig, ballot, 3, 2);
    paxos_rig_receive(&rig, &message);
    message = entries_under(&rig, ballot, 1, 2, 2); // not where the staged ones end
    paxos_rig_receive(&rig, &message);
    message = entries_under(&rig, ballot, 2, 1, 3);
    message.log.from_chain = paxos_rig_chain(2, 8); // after another past
    paxos_rig_receive(&rig, &message);
    message = entries_under(&rig, paxos_rig_ballot(2, LEADER), 2, 1, 3); // another ballot
    paxos_rig_receive(&rig, &message);
    message = entries_under(&rig, ballot, 2, 1, 3);
    paxos_rig_set_sender(&message, 2); // from somebody else
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.accepted.round, 0);
    message = entries_under(&rig, ballot, 2, 1, 3);
    paxos_rig_receive(&rig, &message);
    assert_ballot_equal(rig.view.accepted, ballot);
    paxos_rig_fini(&rig);
}

static void sync_that_does_not_hash_to_its_chain_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    message.accept_sync.sync_chain = paxos_rig_chain(3, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.accepted.round, 0);
    assert_int_equal(rig.view.length, 0);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, LEADER));
    paxos_rig_fini(&rig);
}

static void larger_promise_forgets_what_was_staged(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = sync_in_part(&rig, ballot, 3, 2);
    paxos_rig_receive(&rig, &message);
    paxos_rig_promise(&rig, paxos_rig_ballot(2, 2));
    message = entries_under(&rig, ballot, 2, 1, 3);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.accepted.round, 0);
    assert_int_equal(rig.view.length, 0);
    paxos_rig_fini(&rig);
}

static void sync_replaces_an_undecided_suffix(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 4);
    struct paxos_ballot ballot = paxos_rig_ballot(2, LEADER);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    rig.entries[2] = paxos_rig_entry(3, 33); // the same to slot 2, another third
    message.accept_sync.sync_chain =
        paxos_chain_next(paxos_rig_chain(2, 1), &rig.entries[2]);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.effects.persist.first_slot,
                     3); // what is held is not written anew
    assert_int_equal(rig.effects.persist.entry_count, 1);
    assert_int_equal(rig.view.length, 3);
    assert_int_equal(rig.view.durable, 2);
    assert_int_equal(paxos_entry_at(rig.core, 3)->digest.low, 33);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.durable, 3);
    paxos_rig_fini(&rig);
}

static void record_under_way_does_not_vouch_for_what_replaced_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot first = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, first, 1, 2);
    paxos_rig_receive(&rig, &message); // slots 3 and 4: not durable yet
    uint64_t append_token = rig.effects.persist.token;
    struct paxos_ballot ballot = paxos_rig_ballot(2, LEADER);
    message = paxos_rig_message(PAXOS_PREPARE, LEADER, &rig);
    message.ballot = ballot;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_sync(&rig, ballot, 3);
    rig.entries[2] = paxos_rig_entry(3, 33);
    message.accept_sync.sync_chain =
        paxos_chain_next(paxos_rig_chain(2, 1), &rig.entries[2]);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    struct paxos_event event = {.type = PAXOS_EVENT_PERSISTED,
                                .token = append_token,
                                .block = 20,
                                .sync_us = 500};
    paxos_rig_step(&rig, &event);
    assert_int_equal(rig.view.durable, 2);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, LEADER));
    paxos_rig_fini(&rig);
}

static void sync_under_the_accepted_ballot_never_truncates(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 5);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    message.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 5);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, LEADER);
    assert_non_null(answer); // it is in the new stream, with all that it holds
    assert_int_equal(answer->accepted.stream, 2);
    assert_int_equal(answer->accepted.durable, 5);
    paxos_rig_fini(&rig);
}

static void sync_under_the_accepted_ballot_extends(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_APPEND);
    assert_int_equal(rig.effects.persist.first_slot, 3);
    assert_int_equal(rig.view.length, 4);
    paxos_rig_fini(&rig);
}

static void sync_of_an_older_stream_is_ignored(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.accept_sync.stream = 0;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

/* A follower with two decided entries of ballot 1.1 that has promised 2.2, seat 2's. */
static void decide_two_then_promise(struct paxos_rig *rig)
{
    struct paxos_ballot first = paxos_rig_make_follower(rig, 2);
    paxos_rig_decide(rig, first, 2);
    assert_int_equal(rig->view.decided, 2);
    paxos_rig_promise(rig, paxos_rig_ballot(2, 2));
}

static void sync_that_contradicts_the_decided_prefix_is_nacked(void **state)
{
    (void)state;
    struct paxos_rig rig;
    decide_two_then_promise(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, paxos_rig_ballot(2, 2), 3);
    rig.entries[1] = paxos_rig_entry(2, 22);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_NACK, 2));
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE); // the leader is stale, no more
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

static void fetched_rest_that_contradicts_the_decided_prefix_is_refused(void **state)
{
    (void)state;
    struct paxos_rig rig;
    decide_two_then_promise(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(2, 2);
    struct paxos_entry other = paxos_rig_entry(2, 22);
    struct paxos_message message = sync_in_part(&rig, ballot, 2, 1);
    message.accept_sync.sync_chain = paxos_chain_next(paxos_rig_chain(1, 1), &other);
    paxos_rig_receive(&rig, &message); // the first entry is the same
    message = entries_under(&rig, ballot, 1, 1, 22);
    paxos_rig_set_sender(&message, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_ballot_equal(rig.view.accepted, paxos_rig_ballot(1, LEADER));
    assert_int_equal(paxos_entry_at(rig.core, 2)->digest.low, 2);
    paxos_rig_fini(&rig);
}

static void sync_shorter_than_the_decided_prefix_is_refused(void **state)
{
    (void)state;
    struct paxos_rig rig;
    decide_two_then_promise(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, paxos_rig_ballot(2, 2), 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    assert_ballot_equal(rig.view.accepted, paxos_rig_ballot(1, LEADER));
    paxos_rig_fini(&rig);
}

static void sync_beyond_the_own_log_makes_the_follower_fetch(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_ACCEPT_SYNC, LEADER, &rig);
    message.ballot = ballot;
    message.accept_sync.stream = 1;
    message.accept_sync.from = 20;
    message.accept_sync.from_chain = paxos_rig_chain(20, 1);
    message.accept_sync.sync_length = 20;
    message.accept_sync.sync_chain = message.accept_sync.from_chain;
    message.accept_sync.decided = 20;
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER);
    assert_non_null(fetch);
    assert_int_equal(fetch->ballot.round, 0); // decided entries, from anybody (A8)
    assert_int_equal(fetch->fetch.first, 1);
    assert_int_equal(fetch->fetch.last, 20);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_is_one_record_of_entries_and_ballot),
        cmocka_unit_test(follower_flips_only_at_sync_length),
        cmocka_unit_test(sync_whose_rest_is_lost_is_fetched_again),
        cmocka_unit_test(another_sync_of_one_ballot_goes_on_where_the_first_one_was),
        cmocka_unit_test(fetched_entries_count_only_where_they_connect),
        cmocka_unit_test(sync_that_does_not_hash_to_its_chain_is_dropped),
        cmocka_unit_test(larger_promise_forgets_what_was_staged),
        cmocka_unit_test(sync_replaces_an_undecided_suffix),
        cmocka_unit_test(record_under_way_does_not_vouch_for_what_replaced_it),
        cmocka_unit_test(sync_under_the_accepted_ballot_never_truncates),
        cmocka_unit_test(sync_under_the_accepted_ballot_extends),
        cmocka_unit_test(sync_of_an_older_stream_is_ignored),
        cmocka_unit_test(sync_that_contradicts_the_decided_prefix_is_nacked),
        cmocka_unit_test(fetched_rest_that_contradicts_the_decided_prefix_is_refused),
        cmocka_unit_test(sync_shorter_than_the_decided_prefix_is_refused),
        cmocka_unit_test(sync_beyond_the_own_log_makes_the_follower_fetch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
