/* Slots of unknown identity (P4, P5): which copies of them are taken from which peer. */
#include "paxos/core.h"
#include "unit/support/damaged.h"
#include "unit/support/monitored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Seat 1's copy of slots after `after`: from there on its log is another one. */
static struct paxos_message
forked_copy(struct paxos_rig *rig, cs_slot after, uint32_t count, uint64_t value)
{
    struct paxos_message message = paxos_rig_entries(rig, 1, after, count, 1);
    paxos_rig_fill(rig, &message, after, count, value);
    return message;
}

static void assert_still_faulty(const struct paxos_rig *rig, cs_slot first)
{
    assert_int_equal(rig->effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig->view.faulty_first, first);
    assert_int_equal(rig->view.length, first - 1);
}

/* ---- copies ---- */

static void a_copy_that_hashes_to_its_log_is_its_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0); // the first half proves nothing yet
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.length, 3);
    damaged_receive_copy(&rig, 1, 4, 2, 0); // more than was asked for
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
    struct paxos_message prepare = paxos_rig_prepare(&rig, paxos_rig_ballot(3, 2));
    paxos_rig_receive(&rig, &prepare);
    const struct paxos_message *promise =
        paxos_rig_sent_after_sync(&rig, PAXOS_PROMISE, 2);
    assert_int_equal(promise->promise.faulty, 0);
    assert_int_equal(promise->promise.length, 6);
    paxos_rig_fini(&rig);
}

static void another_copy_is_not(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 1);
    struct paxos_message message = forked_copy(&rig, 3, 1, 77);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig.view.faulty_first, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2)); // another peer is asked
    paxos_rig_fini(&rig);
}

static void several_runs_are_repaired_one_after_the_other(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 8, 1u << 2 | 1u << 5 | 1u << 8);
    assert_int_equal(rig.view.length, 1);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 1, 1, 0);
    assert_int_equal(rig.view.length, 4);
    assert_int_equal(rig.view.faulty_first, 5);
    paxos_rig_persisted(&rig);
    damaged_wait_until_asked(&rig, 2);
    damaged_receive_copy(&rig, 2, 4, 1, 0);
    assert_int_equal(rig.view.length, 7);
    assert_int_equal(rig.view.faulty_first, 8);
    paxos_rig_persisted(&rig);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 7, 1, 0);
    assert_int_equal(rig.view.length, 8);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/* A slow answer comes when another peer has been asked already: it is as good as ever. */
static void a_copy_is_taken_from_whoever_brings_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 2, 3, 1, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/* Each peer has lost another part: together they have all of it (P5). */
static void a_copy_is_put_together_from_what_peers_have(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 10, 0x7eu << 4); // slots 5 .. 10
    damaged_wait_until_asked(&rig, 2);
    damaged_receive_nothing(&rig, 2, 4);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 4, 3, 0);
    damaged_receive_nothing(&rig, 1, 7);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 8);
    damaged_receive_copy(&rig, 2, 7, 3, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 10);
    assert_true(digest_equal(paxos_chain_at(rig.core, 10), paxos_rig_chain(10, 1)));
    paxos_rig_fini(&rig);
}

/* Its first part is of another log: nobody has what follows it, and others come to word. */
static void a_part_that_nobody_can_complete_makes_way(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    damaged_wait_until_asked(&rig, 1);
    struct paxos_message message = forked_copy(&rig, 3, 1, 77);
    paxos_rig_receive(&rig, &message);
    damaged_receive_nothing(&rig, 1, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    damaged_receive_copy(&rig, 2, 4, 1, 0); // follows slot 4 as it was
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.first, 4);
    damaged_receive_copy(&rig, 2, 3, 2, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/* The first that is asked from the start once a part of seat 1 has not grown for so long. */
static uint32_t asked_after_stall(uint32_t stall_ms)
{
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    rig.core->settings.stall_ms = stall_ms;
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    damaged_wait_until_asked(&rig, 2);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2)->fetch.first, 5);
    uint32_t asked = 0;
    for (int i = 0; i < 500 && asked == 0; i++) {
        paxos_rig_wait(&rig, 10);
        for (uint32_t seat = 1; seat <= 2; seat++) {
            const struct paxos_message *fetch =
                paxos_rig_sent_now(&rig, PAXOS_FETCH, seat);
            asked = fetch != NULL && fetch->fetch.first == 4 ? seat : asked;
        }
    }
    paxos_rig_fini(&rig);
    return asked;
}

/* Who gave it is silent now, and so is who has the rest: others come to word, then. */
static void a_part_that_does_not_grow_is_dropped(void **state)
{
    (void)state;
    for (uint32_t ms = 1000; ms < 1400; ms += 50) { // whoever was asked last
        assert_int_equal(asked_after_stall(ms), 2);
    }
}

/* What was staged begins before them. */
static void decided_entries_end_a_part(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 7, 1u << 4 | 1u << 5 | 1u << 6);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 2, 0);
    damaged_receive_copy(&rig, 2, 3, 1, 4);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.faulty_first, 5);
    damaged_receive_copy(&rig, 1, 5, 1, 0); // would have completed the part
    assert_int_equal(rig.view.faulty_first, 5);
    damaged_receive_copy(&rig, 1, 4, 2, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/* Who knows the part decided is asked for all of it: that is taken piece by piece. */
static void a_part_makes_way_for_decided_entries(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 8, 0xfu << 4); // slots 4 .. 7
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 2, 0);
    damaged_receive_nothing(&rig, 1, 5);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2)->fetch.first, 6);
    damaged_receive_copy(&rig, 2, 5, 1, 8);
    assert_still_faulty(&rig, 4);
    assert_int_equal(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2)->fetch.first, 4);
    damaged_receive_copy(&rig, 2, 3, 2, 8);
    assert_int_equal(rig.view.decided, 5);
    paxos_rig_persisted(&rig);
    damaged_receive_copy(&rig, 2, 5, 2, 8);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

/* Unless it has lost the begin of them itself. */
static void a_part_is_completed_by_who_lacks_only_its_begin(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 8, 0xfu << 4);
    damaged_wait_until_asked(&rig, 2);
    damaged_receive_nothing(&rig, 2, 3);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 2, 0);
    damaged_receive_copy(&rig, 2, 5, 2, 8);
    assert_int_equal(rig.view.faulty_first, 0);
    assert_int_equal(rig.view.length, 8);
    paxos_rig_fini(&rig);
}

/* It may have got one since, and the other may never answer. */
static void who_had_no_copy_is_asked_again_while_another_is_silent(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_nothing(&rig, 1, 3);
    damaged_wait_until_asked(&rig, 2);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void decided_entries_are_taken_piece_by_piece(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    damaged_receive_copy(&rig, 2, 3, 1, 4);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_REPAIR);
    assert_int_equal(rig.effects.persist.length, 6);
    assert_int_equal(rig.view.decided, 4);
    assert_int_equal(rig.view.faulty_first, 5);
    damaged_receive_copy(&rig, 2, 4, 1, 5);
    assert_int_equal(rig.view.length, 6);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void decided_entries_that_differ_replace_the_rest(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    struct paxos_message message = forked_copy(&rig, 3, 1, 77);
    message.log.decided = 4;
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

/* What was lost was decided here, and something else there (I7). */
static void decided_entries_that_differ_from_decided_ones_halt_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start_knowing(&rig, 6, 1u << 4, 5);
    struct paxos_message message = forked_copy(&rig, 3, 1, 77);
    message.log.decided = 4;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_DIVERGED);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    paxos_rig_fini(&rig);
}

/* ---- copies that are of no use ---- */

static void a_copy_is_taken_from_its_beginning(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 7, 1u << 4 | 1u << 5 | 1u << 6);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 4, 2, 0); // slot 4 is missing
    assert_still_faulty(&rig, 4);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    damaged_receive_copy(&rig, 1, 5, 1, 0); // slot 5 is
    assert_still_faulty(&rig, 4);
    damaged_receive_copy(&rig, 1, 9, 1, 0); // nobody asked for that
    assert_still_faulty(&rig, 4);
    damaged_receive_copy(&rig, 1, 4, 2, 0);
    assert_int_equal(rig.view.faulty_first, 0);
    damaged_receive_copy(&rig, 1, 4, 2, 0); // once more
    assert_int_equal(rig.view.length, 7);
    paxos_rig_fini(&rig);
}

static void a_copy_that_breaks_off_into_another_log_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    struct paxos_message message = paxos_rig_entries(&rig, 1, 4, 1, 70);
    paxos_rig_receive(&rig, &message);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_that_memory_cannot_hold_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 25, ((1u << 25) - 1u) & ~((1u << 4) - 1u));
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 21, 0);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_waits_until_there_is_room_for_the_whole_log(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 17, 1u << 4); // of 16
    damaged_wait_until_asked(&rig, 1);
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    assert_still_faulty(&rig, 4);
    damaged_receive_copy(&rig, 1, 3, 1, 4);
    assert_still_faulty(&rig, 4);
    paxos_rig_fini(&rig);
    damaged_start(&rig, 14, 1u << 13); // half a ring behind what is decided here
    damaged_receive_copy(&rig, 1, 12, 1, 13);
    assert_still_faulty(&rig, 13);
    paxos_rig_fini(&rig);
}

static void another_log_that_nobody_calls_decided_is_no_copy(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 1);
    struct paxos_message message = forked_copy(&rig, 2, 2, 63);
    paxos_rig_receive(&rig, &message);
    assert_still_faulty(&rig, 4);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    paxos_rig_fini(&rig);
}

static void a_copy_does_not_disturb_a_leaders_log_on_its_way(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4);
    damaged_wait_until_asked(&rig, 1);
    struct paxos_ballot ballot = paxos_rig_ballot(3, 2);
    paxos_rig_promise(&rig, ballot);
    struct paxos_message sync = paxos_rig_sync(&rig, ballot, 6);
    sync.entry_count = 2;
    paxos_rig_receive(&rig, &sync);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FETCH, 2));
    damaged_receive_copy(&rig, 1, 3, 1, 0);
    assert_still_faulty(&rig, 4);
    struct paxos_message rest = paxos_rig_entries(&rig, 2, 2, 4, 1);
    rest.ballot = ballot;
    paxos_rig_receive(&rig, &rest);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_SYNC);
    assert_int_equal(rig.view.length, 6);
    paxos_rig_fini(&rig);
}

static void two_logs_that_are_both_called_decided_halt_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    damaged_start(&rig, 6, 1u << 4 | 1u << 5);
    damaged_receive_copy(&rig, 2, 3, 1, 4);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.decided, 4);
    struct paxos_message message = paxos_rig_entries(&rig, 1, 4, 1, 60);
    message.log.decided = 5;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_DIVERGED);
    paxos_rig_fini(&rig);
}

/* ---- doubt ---- */

/*
 * Decided at seat 1: another slot 3 than the one known here, which this node has not decided.
 * Who is right? Seat 2 is asked.
 */
static void make_doubt(struct paxos_rig *rig)
{
    damaged_start(rig, 6, 1u << 4);
    damaged_wait_until_asked(rig, 1);
    struct paxos_message message = paxos_rig_entries(rig, 1, 3, 2, 50);
    message.log.decided = 5;
    paxos_rig_receive(rig, &message);
    assert_non_null(paxos_rig_sent_now(rig, PAXOS_FETCH, 2));
}

static void what_is_known_before_the_run_may_be_another_log_too(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_doubt(&rig);
    assert_int_equal(rig.view.length, 3);
    const struct paxos_message *fetch = paxos_rig_sent_now(&rig, PAXOS_FETCH, 2);
    assert_int_equal(fetch->fetch.first, 1); // compared from what is decided here
    struct paxos_message message = paxos_rig_entries(&rig, 2, 0, 5, 50);
    message.log.decided = 5;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_FETCHED);
    assert_int_equal(rig.view.decided, 5);
    assert_int_equal(rig.view.length, 5);
    assert_int_equal(rig.view.faulty_first, 0);
    paxos_rig_fini(&rig);
}

static void a_doubt_ends_where_the_logs_are_the_same(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_doubt(&rig);
    damaged_receive_copy(&rig, 2, 0, 2, 2); // as far as they go, they are
    assert_int_equal(rig.view.decided, 2);
    damaged_receive_copy(&rig, 2, 2, 1, 4);
    assert_int_equal(rig.view.decided, 3);
    assert_still_faulty(&rig, 4);
    damaged_receive_copy(&rig, 2, 3, 1, 4);
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
        cmocka_unit_test(a_copy_that_hashes_to_its_log_is_its_log),
        cmocka_unit_test(another_copy_is_not),
        cmocka_unit_test(several_runs_are_repaired_one_after_the_other),
        cmocka_unit_test(a_copy_is_taken_from_whoever_brings_it),
        cmocka_unit_test(a_copy_is_put_together_from_what_peers_have),
        cmocka_unit_test(a_part_that_nobody_can_complete_makes_way),
        cmocka_unit_test(a_part_that_does_not_grow_is_dropped),
        cmocka_unit_test(decided_entries_end_a_part),
        cmocka_unit_test(a_part_makes_way_for_decided_entries),
        cmocka_unit_test(a_part_is_completed_by_who_lacks_only_its_begin),
        cmocka_unit_test(who_had_no_copy_is_asked_again_while_another_is_silent),
        cmocka_unit_test(decided_entries_are_taken_piece_by_piece),
        cmocka_unit_test(decided_entries_that_differ_replace_the_rest),
        cmocka_unit_test(decided_entries_that_differ_from_decided_ones_halt_it),
        cmocka_unit_test(a_copy_is_taken_from_its_beginning),
        cmocka_unit_test(a_copy_that_breaks_off_into_another_log_is_dropped),
        cmocka_unit_test(a_copy_that_memory_cannot_hold_is_dropped),
        cmocka_unit_test(a_copy_waits_until_there_is_room_for_the_whole_log),
        cmocka_unit_test(another_log_that_nobody_calls_decided_is_no_copy),
        cmocka_unit_test(a_copy_does_not_disturb_a_leaders_log_on_its_way),
        cmocka_unit_test(two_logs_that_are_both_called_decided_halt_it),
        cmocka_unit_test(what_is_known_before_the_run_may_be_another_log_too),
        cmocka_unit_test(a_doubt_ends_where_the_logs_are_the_same),
        cmocka_unit_test(who_has_nothing_to_compare_says_so),
    };
    return cmocka_run_group_tests(tests, monitored_begin, monitored_end);
}
