/*
 * Decided entries from peers (A8), and what is served to whom; tokens and records of one
 * step.
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct paxos_message decided_entries(struct paxos_rig *rig,
                                            uint32_t from_seat,
                                            cs_slot from,
                                            uint32_t count,
                                            uint64_t first_value)
{
    struct paxos_message message =
        paxos_rig_entries(rig, from_seat, from, count, first_value);
    message.log.decided = from + count;
    return message;
}

static struct paxos_message fetch(struct paxos_rig *rig, cs_slot first, cs_slot last)
{
    struct paxos_message message = paxos_rig_message(PAXOS_FETCH, 2, rig);
    message.fetch.first = first;
    message.fetch.last = last;
    return message;
}

/* ---- serving ---- */

static void decided_slots_are_served_to_anybody_and_no_others(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 4);
    paxos_rig_decide(&rig, ballot, 2);
    struct paxos_message message = fetch(&rig, 1, 9);
    paxos_rig_receive(&rig, &message);
    assert_true(rig.effects.serve.wanted);
    assert_int_equal(rig.effects.serve.to, 2);
    assert_int_equal(rig.effects.serve.first, 1);
    assert_int_equal(rig.effects.serve.last, 2);
    message = fetch(&rig, 3, 4);
    paxos_rig_receive(&rig, &message);
    assert_false(rig.effects.serve.wanted);
    message = fetch(&rig, 0, 2);
    paxos_rig_receive(&rig, &message);
    assert_false(rig.effects.serve.wanted);
    paxos_rig_fini(&rig);
}

static void whole_log_is_served_to_the_promised_ballot_only(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 4);
    paxos_rig_promise(&rig, paxos_rig_ballot(2, 2));
    struct paxos_message message = fetch(&rig, 2, 9);
    message.ballot = paxos_rig_ballot(2, 2);
    paxos_rig_receive(&rig, &message);
    assert_true(rig.effects.serve.wanted);
    assert_int_equal(rig.effects.serve.first, 2);
    assert_int_equal(rig.effects.serve.last, 4);
    assert_int_equal(rig.effects.serve.ballot.round, 2);
    message.ballot = paxos_rig_ballot(1, 2);
    paxos_rig_receive(&rig, &message);
    assert_false(rig.effects.serve.wanted);
    paxos_rig_fini(&rig);
}

/* ---- installing ---- */

static void decided_entries_replace_an_undecided_suffix_and_keep_the_ballot(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 3);
    paxos_rig_promise(&rig, paxos_rig_ballot(2, 2)); // not accepted yet, nor now
    struct paxos_message message = decided_entries(&rig, 2, 0, 2, 7);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_FETCHED);
    assert_int_equal(rig.effects.persist.first_slot, 1);
    assert_int_equal(paxos_ballot_compare(rig.effects.persist.accepted, ballot), 0);
    assert_int_equal(rig.view.length, 2);
    assert_int_equal(rig.view.decided, 2);
    assert_int_equal(rig.view.durable, 0);
    assert_int_equal(paxos_entry_at(rig.core, 1)->digest.low, 7);
    paxos_rig_fini(&rig);
}

static void nothing_is_acknowledged_after_fetched_entries_until_a_sync(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 3);
    struct paxos_message message = decided_entries(&rig, 2, 0, 2, 7);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_ACCEPTED, 1));
    paxos_rig_fini(&rig);
}

static void entries_already_held_are_only_noted_as_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 3);
    struct paxos_message message = decided_entries(&rig, 2, 0, 2, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.decided, 2);
    assert_int_equal(rig.view.length, 3);
    paxos_rig_fini(&rig);
}

static void entries_beyond_the_senders_decided_are_left_out(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = decided_entries(&rig, 2, 0, 4, 1);
    message.log.decided = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 2);
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

/* A copy that was asked for to repair a log, and comes when that is whole already. */
static void entries_behind_what_is_decided_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 4);
    paxos_rig_decide(&rig, ballot, 1);
    struct paxos_message message = paxos_rig_entries(&rig, 2, 3, 1, 1);
    message.log.decided = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 1);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    paxos_rig_fini(&rig);
}

static void entries_that_do_not_connect_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = decided_entries(&rig, 2, 3, 2, 1);
    paxos_rig_receive(&rig, &message); // a gap
    message = decided_entries(&rig, 2, 0, 0, 1);
    paxos_rig_receive(&rig, &message); // nothing in it
    assert_int_equal(rig.view.length, 0);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    paxos_rig_fini(&rig);
}

static void two_values_both_said_decided_halt(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = decided_entries(&rig, 1, 0, 2, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 2);
    message = decided_entries(&rig, 2, 0, 3, 7);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_DIVERGED);
    assert_int_equal(rig.effects.halt_peer, 2);
    paxos_rig_fini(&rig);
}

static void node_that_hears_of_decisions_and_does_not_move_asks(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    const struct paxos_message *asked = NULL;
    for (int i = 0; i < 300 && asked == NULL; i++) {
        paxos_rig_wait(&rig, 1);
        const struct paxos_message *heartbeat =
            paxos_rig_sent_now(&rig, PAXOS_HEARTBEAT, 2);
        asked = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
        if (heartbeat != NULL && asked == NULL) {
            struct paxos_message message =
                paxos_rig_message(PAXOS_HEARTBEAT_REPLY, 2, &rig);
            message.heartbeat_reply.round = heartbeat->heartbeat.round;
            message.heartbeat_reply.decided = 40;
            message.heartbeat_reply.happy = 1; // no reason to take over
            paxos_rig_receive(&rig, &message);
        }
    }
    assert_non_null(asked);
    assert_int_equal(asked->fetch.first, 1);
    assert_int_equal(asked->fetch.last, 40);
    paxos_rig_fini(&rig);
}

/* An AcceptSync that begins where the own log, which is empty, does not reach. */
static void begin_fetch_of_20(struct paxos_rig *rig)
{
    struct paxos_ballot ballot = paxos_rig_make_promised(rig);
    struct paxos_message message = paxos_rig_message(PAXOS_ACCEPT_SYNC, 1, rig);
    message.ballot = ballot;
    message.accept_sync.stream = 1;
    message.accept_sync.from = 20;
    message.accept_sync.sync_length = 20;
    message.accept_sync.decided = 20;
    paxos_rig_receive(rig, &message);
}

static void fetch_goes_on_until_its_goal(void **state)
{
    (void)state;
    struct paxos_rig rig;
    begin_fetch_of_20(&rig);
    for (cs_slot from = 0; from < 20; from += 5) {
        struct paxos_message message = decided_entries(&rig, 1, from, 5, 1);
        message.log.decided = 20;
        paxos_rig_receive(&rig, &message);
        const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_FETCH, 1);
        if (from + 5 < 20) {
            assert_non_null(asked);
            assert_int_equal(asked->fetch.first, from + 6);
        } else {
            assert_null(asked);
            assert_non_null(paxos_rig_sent_now(&rig, PAXOS_PREPARE_REQUEST, 1));
        }
        paxos_rig_persisted(&rig);
    }
    assert_int_equal(rig.view.decided, 20);
    assert_int_equal(rig.view.base, 20 - rig.settings.ring_entries);
    paxos_rig_fini(&rig);
}

/* Peers may be faster than the own disk: what it has not taken yet stays in memory. */
static void fetch_waits_for_the_own_disk(void **state)
{
    (void)state;
    struct paxos_rig rig;
    begin_fetch_of_20(&rig);
    rig.core->settings.ring_bytes = 1000;
    rig.core->settings.message_bytes = 500;
    for (cs_slot from = 0; from < 10; from += 5) { // 500 bytes each
        struct paxos_message message = decided_entries(&rig, 1, from, 5, 1);
        message.log.decided = 20;
        paxos_rig_receive(&rig, &message);
        assert_true((paxos_rig_sent_now(&rig, PAXOS_FETCH, 1) != NULL) == (from == 0));
    }
    assert_int_equal(rig.view.decided, 10);
    assert_int_equal(rig.view.durable, 0);
    paxos_rig_persisted(&rig);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_FETCH, 1);
    assert_non_null(asked);
    assert_int_equal(asked->fetch.first, 11);
    // A stream may bring the rest while it waits: then nothing is asked for.
    struct paxos_message message = decided_entries(&rig, 1, 10, 5, 1);
    message.log.decided = 20;
    paxos_rig_receive(&rig, &message);
    message = decided_entries(&rig, 1, 15, 5, 1);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 1));
    paxos_rig_fini(&rig);
}

/* ---- tokens ---- */

static void one_completion_may_stand_for_several_records(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 1);
    uint64_t token = rig.view.last_token;
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        struct paxos_message message = paxos_rig_accept(&rig, ballot, sequence, 1);
        paxos_rig_receive(&rig, &message);
        assert_int_equal(rig.effects.persist.token, token + sequence);
        assert_int_equal(rig.view.durable, 1);
    }
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.durable, 4);
    assert_int_equal(rig.view.durable_token, token + 3);
    paxos_rig_fini(&rig);
}

static void completion_of_what_was_never_asked_for_is_ignored(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 1);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_receive(&rig, &message);
    struct paxos_event event = {.type = PAXOS_EVENT_PERSISTED,
                                .token = rig.view.last_token + 1};
    paxos_rig_step(&rig, &event);
    assert_int_equal(rig.view.durable, 1);
    paxos_rig_fini(&rig);
}

static void more_records_than_marks_are_acknowledged_late_and_never_early(void **state)
{
    (void)state;
    enum { RECORDS = 90 };
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.settings.ring_entries = 256;
    paxos_rig_start(&rig);
    paxos_rig_open_gate(&rig);
    struct paxos_ballot ballot = paxos_rig_ballot(1, 1);
    paxos_rig_follow(&rig, ballot, 1);
    uint64_t token = rig.view.last_token;
    for (uint64_t sequence = 1; sequence <= RECORDS; sequence++) {
        struct paxos_message message = paxos_rig_accept(&rig, ballot, sequence, 1);
        paxos_rig_receive(&rig, &message);
    }
    assert_int_equal(rig.view.length, RECORDS + 1);
    for (uint64_t done = 1; done <= RECORDS; done++) {
        struct paxos_event event = {.type = PAXOS_EVENT_PERSISTED,
                                    .token = token + done,
                                    .block = 100 + done,
                                    .sync_us = 500};
        paxos_rig_step(&rig, &event);
        assert_true(rig.view.durable <= 1 + done);
    }
    assert_int_equal(rig.view.durable, RECORDS + 1);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decided_slots_are_served_to_anybody_and_no_others),
        cmocka_unit_test(whole_log_is_served_to_the_promised_ballot_only),
        cmocka_unit_test(decided_entries_replace_an_undecided_suffix_and_keep_the_ballot),
        cmocka_unit_test(nothing_is_acknowledged_after_fetched_entries_until_a_sync),
        cmocka_unit_test(entries_already_held_are_only_noted_as_decided),
        cmocka_unit_test(entries_beyond_the_senders_decided_are_left_out),
        cmocka_unit_test(entries_behind_what_is_decided_are_dropped),
        cmocka_unit_test(entries_that_do_not_connect_are_dropped),
        cmocka_unit_test(two_values_both_said_decided_halt),
        cmocka_unit_test(node_that_hears_of_decisions_and_does_not_move_asks),
        cmocka_unit_test(fetch_goes_on_until_its_goal),
        cmocka_unit_test(fetch_waits_for_the_own_disk),
        cmocka_unit_test(one_completion_may_stand_for_several_records),
        cmocka_unit_test(completion_of_what_was_never_asked_for_is_ignored),
        cmocka_unit_test(more_records_than_marks_are_acknowledged_late_and_never_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
