/* The newest identities kept while a log is scanned, and how far back recovery goes. */
#include "wal/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CAPACITY = 10 };

static void append(struct tail *tail, cs_slot slot, uint64_t mark)
{
    const struct paxos_entry entry = {.slot = slot,
                                      .payload_bytes = 100,
                                      .chain = {.high = mark, .low = slot}};
    tail_append(tail, &entry);
}

static struct tail tail_of(cs_slot length)
{
    struct tail tail;
    tail_init(&tail, CAPACITY);
    for (cs_slot slot = 1; slot <= length; slot++) {
        append(&tail, slot, 1);
    }
    return tail;
}

struct choice {
    bool is_possible;
    cs_slot base;
    struct paxos_digest chain;
};

static struct choice
choose(const struct tail *tail, cs_slot decided, uint32_t wanted, uint64_t bytes)
{
    const struct tail_wish wish = {
        .decided = decided,
        .entries_max = CAPACITY,
        .entries_wanted = wanted,
        .decided_bytes_max = bytes,
    };
    struct choice choice = {0};
    choice.is_possible = tail_choose_base(tail, &wish, &choice.base, &choice.chain);
    return choice;
}

static void an_empty_log_has_an_empty_tail(void **state)
{
    (void)state;
    struct tail tail = tail_of(0);
    struct choice choice = choose(&tail, 0, 8, 1000);
    assert_true(choice.is_possible);
    assert_int_equal(choice.base, 0);
    uint32_t count = 0;
    assert_null(tail_copy(&tail, 0, &count));
    assert_int_equal(count, 0);
    tail_fini(&tail);
}

static void as_many_decided_slots_come_along_as_are_wanted(void **state)
{
    (void)state;
    struct tail tail = tail_of(25);
    struct choice choice = choose(&tail, 24, 8, 10000);
    assert_true(choice.is_possible);
    assert_int_equal(choice.base, 17);
    assert_int_equal(choice.chain.low, 17);
    uint32_t count = 0;
    struct paxos_entry *copy = tail_copy(&tail, choice.base, &count);
    assert_int_equal(count, 8);
    for (cs_slot i = 0; i < 8; i++) {
        assert_int_equal(copy[i].slot, 18 + i);
    }
    free(copy);
    // Bytes bound it too; the last decided one is always in.
    assert_int_equal(choose(&tail, 24, 8, 250).base, 21);
    assert_int_equal(choose(&tail, 24, 8, 0).base, 23);
    // No further back than there is.
    assert_int_equal(choose(&tail, 24, CAPACITY, 10000).base, 15);
    tail_fini(&tail);
}

static void undecided_slots_must_all_be_in(void **state)
{
    (void)state;
    struct tail tail = tail_of(25);
    assert_true(choose(&tail, 16, 2, 10000).is_possible);
    assert_int_equal(choose(&tail, 16, 2, 10000).base, 15);
    assert_false(choose(&tail, 15, 2, 10000).is_possible);
    assert_false(choose(&tail, 0, 2, 10000).is_possible);
    const struct tail_wish narrow = {.decided = 20, .entries_max = 5};
    struct choice choice = {0};
    assert_false(tail_choose_base(&tail, &narrow, &choice.base, &choice.chain));
    assert_false(choose(&tail, 26, 2, 10000).is_possible); // it is not there
    tail_fini(&tail);
    tail = tail_of(CAPACITY);
    assert_true(choose(&tail, 0, 2, 10000).is_possible);
    assert_int_equal(choose(&tail, 0, 2, 10000).base, 0);
    tail_fini(&tail);
}

static void a_replaced_suffix_is_forgotten(void **state)
{
    (void)state;
    struct tail tail = tail_of(9);
    tail_cut(&tail, 5);
    append(&tail, 6, 2);
    append(&tail, 7, 2);
    uint32_t count = 0;
    struct paxos_entry *copy = tail_copy(&tail, 3, &count);
    assert_int_equal(count, 4);
    assert_int_equal(copy[0].chain.high, 1);
    assert_int_equal(copy[1].chain.high, 1);
    assert_int_equal(copy[2].chain.high, 2);
    assert_int_equal(copy[3].slot, 7);
    free(copy);
    tail_cut(&tail, 20); // nothing there
    assert_int_equal(tail.count, 7);
    tail_fini(&tail);
}

static void a_cut_below_what_is_held_begins_anew(void **state)
{
    (void)state;
    struct tail tail = tail_of(30);
    tail_cut(&tail, 12);
    assert_false(choose(&tail, 12, 5, 1000).is_possible);
    append(&tail, 13, 2); // its chain is known, that before it is not
    assert_false(choose(&tail, 12, 5, 1000).is_possible);
    append(&tail, 14, 2);
    append(&tail, 15, 2);
    struct choice choice = choose(&tail, 14, 5, 1000);
    assert_true(choice.is_possible);
    assert_int_equal(choice.base, 13);
    assert_int_equal(choice.chain.high, 2);
    // Cut to nothing, nothing is lost.
    tail_cut(&tail, 0);
    assert_true(choose(&tail, 0, 5, 1000).is_possible);
    append(&tail, 1, 3);
    assert_int_equal(choose(&tail, 1, 5, 1000).base, 0);
    tail_fini(&tail);
}

static void fill(struct tail *tail, cs_slot slot)
{
    const struct paxos_entry entry = {.slot = slot, .chain = {.high = 3, .low = slot}};
    tail_fill(tail, &entry);
}

static void slots_repaired_later_come_into_their_places(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, CAPACITY);
    append(&tail, 2, 1);
    append(&tail, 5, 1);
    fill(&tail, 3);
    fill(&tail, 1);
    fill(&tail, 5); // it is there
    assert_int_equal(tail.count, 4);
    struct paxos_digest chain;
    assert_true(tail_chain_of(&tail, 3, &chain));
    assert_int_equal(chain.high, 3);
    assert_true(tail_chain_of(&tail, 5, &chain));
    assert_int_equal(chain.high, 1);
    assert_false(tail_chain_of(&tail, 4, &chain));
    tail_fini(&tail);
}

static void a_full_tail_takes_a_repaired_slot_for_its_oldest(void **state)
{
    (void)state;
    struct tail tail;
    tail_init(&tail, CAPACITY);
    for (cs_slot slot = 5; slot <= 2 + CAPACITY + 3; slot++) {
        if (slot != 8) {
            append(&tail, slot, 1);
        }
    }
    assert_int_equal(tail.count, CAPACITY);
    fill(&tail, 4); // older than all that is kept
    struct paxos_digest chain;
    assert_false(tail_chain_of(&tail, 4, &chain));
    fill(&tail, 8);
    assert_int_equal(tail.count, CAPACITY);
    assert_int_equal(tail.base, 5);
    assert_true(tail_chain_of(&tail, 8, &chain));
    fill(&tail, 5); // the base now
    assert_int_equal(tail.count, CAPACITY);
    tail_cut(&tail, 3);
    fill(&tail, 3); // nothing is known there any more
    assert_int_equal(tail.count, 0);
    tail_fini(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_has_an_empty_tail),
        cmocka_unit_test(as_many_decided_slots_come_along_as_are_wanted),
        cmocka_unit_test(undecided_slots_must_all_be_in),
        cmocka_unit_test(a_replaced_suffix_is_forgotten),
        cmocka_unit_test(a_cut_below_what_is_held_begins_anew),
        cmocka_unit_test(slots_repaired_later_come_into_their_places),
        cmocka_unit_test(a_full_tail_takes_a_repaired_slot_for_its_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
