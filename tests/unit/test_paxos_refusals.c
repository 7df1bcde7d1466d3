/*
 * What no sound peer says to a node or to a follower: each such message is dropped before it
 * can touch a log, or makes it ask again. Bytes of peers are not trusted.
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint32_t LEADER = 1;

/* ---- any message ---- */

static void a_node_does_not_hear_itself(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_message(PAXOS_HEARTBEAT, 0, &rig);
    paxos_rig_must_ignore(&rig, &message);
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
    paxos_rig_must_ignore(&rig, &message);
    message.log.from = 0;
    message.entry_count = UINT32_MAX; // there is one
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

/* ---- first contact ---- */

static void hello_in_the_name_of_nobody_is_not_answered(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello(&rig, 1);
    message.hello.author = 3; // there is no such seat
    paxos_rig_must_ignore(&rig, &message);
    message.hello.author = 0; // that is the hearer
    message.hello.relayed = 1;
    paxos_rig_must_ignore(&rig, &message);
    message.hello.author = 1; // passed on by its author
    paxos_rig_must_ignore(&rig, &message);
    message.hello.author = 2; // not passed on, and another one's
    message.hello.relayed = 0;
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void answer_about_nobody_is_not_passed_on(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.about = 3;
    paxos_rig_must_ignore(&rig, &message);
    message.hello_reply.about = 1; // about its author
    paxos_rig_must_ignore(&rig, &message);
    message.hello_reply.author = 2; // of seat 2, which may send it itself
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

/* ---- a follower ---- */

static void ballot_of_another_seat_counts_from_that_seat_only(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_accept(&rig, ballot, 1, 1);
    paxos_rig_set_sender(&message, 2);
    paxos_rig_must_ignore(&rig, &message);
    message.ballot.node = 77; // nobody's
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void fetch_of_slots_that_cannot_be_is_not_served(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 2);
    struct paxos_message message = paxos_rig_message(PAXOS_FETCH, 2, &rig);
    message.fetch.for_repair = 1;
    message.fetch.first = 0;
    message.fetch.last = 2;
    paxos_rig_must_ignore(&rig, &message);
    message.fetch.first = SLOT_MAX + 1;
    message.fetch.last = SLOT_MAX + 1;
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void decided_slots_that_cannot_be_are_not_fetched(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 3);
    message.accept_sync.from = 20;
    message.accept_sync.decided = SLOT_MAX + 1;
    paxos_rig_fill(&rig, &message, 20, 1, 1);
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void sync_of_more_than_memory_holds_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message =
        paxos_rig_sync(&rig, ballot, rig.settings.ring_entries + 1);
    paxos_rig_must_ignore(&rig, &message);
    message = paxos_rig_sync(&rig, ballot, 2); // and it can be tried again
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.length, 2);
    paxos_rig_fini(&rig);
}

static void sync_of_an_older_stream_does_not_touch_what_is_staged(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.entry_count = 2;
    message.accept_sync.stream = 2;
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, LEADER));
    message.accept_sync.stream = 1;
    paxos_rig_must_ignore(&rig, &message);
    paxos_rig_fini(&rig);
}

static void sync_that_differs_under_one_ballot_asks_for_another(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 4);
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
    paxos_rig_make_follower(&rig, 4);
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
    struct paxos_ballot ballot = paxos_rig_make_promised(&rig);
    struct paxos_message message = paxos_rig_sync(&rig, ballot, 4);
    message.entry_count = 2;
    paxos_rig_receive(&rig, &message);
    struct paxos_message empty = paxos_rig_entries(&rig, LEADER, 2, 0, 1);
    empty.ballot = ballot;
    paxos_rig_must_ignore(&rig, &empty);
    paxos_rig_fini(&rig);
}

static void sync_from_another_place_is_staged_anew(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_does_not_hear_itself),
        cmocka_unit_test(entries_beyond_what_can_be_are_not_looked_at),
        cmocka_unit_test(hello_in_the_name_of_nobody_is_not_answered),
        cmocka_unit_test(answer_about_nobody_is_not_passed_on),
        cmocka_unit_test(ballot_of_another_seat_counts_from_that_seat_only),
        cmocka_unit_test(fetch_of_slots_that_cannot_be_is_not_served),
        cmocka_unit_test(decided_slots_that_cannot_be_are_not_fetched),
        cmocka_unit_test(sync_of_more_than_memory_holds_is_dropped),
        cmocka_unit_test(sync_of_an_older_stream_does_not_touch_what_is_staged),
        cmocka_unit_test(sync_that_differs_under_one_ballot_asks_for_another),
        cmocka_unit_test(sync_after_another_past_asks_for_another),
        cmocka_unit_test(empty_answer_under_the_ballot_moves_nothing),
        cmocka_unit_test(sync_from_another_place_is_staged_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
