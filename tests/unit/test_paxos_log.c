/*
 * The log in memory: chains, the ring and its room, the walk that compares a message
 * with the own log, staging.
 */
#include "paxos/core.h"
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { RING = 8, MESSAGE_ENTRIES = 8 };

struct fixture {
    struct slot_record ring[RING];
    struct slot_log log;
    struct paxos_entry entries[MESSAGE_ENTRIES];
    struct paxos_message message;
};

/*
 * A log of `length` entries with the values 1, 2, ...; all durable, the first `decided`
 * decided.
 */
static void make_log(struct fixture *fixture, cs_slot length, cs_slot decided)
{
    static const struct paxos_recovered FRESH;
    *fixture = (struct fixture){0};
    log_init(&fixture->log, fixture->ring, RING, &FRESH);
    for (cs_slot slot = 1; slot <= length; slot++) {
        struct paxos_entry entry = paxos_rig_entry(slot, slot);
        if (!log_make_room(&fixture->log, slot, decided)) {
            fail();
        }
        log_append(&fixture->log, &entry);
        fixture->log.durable = slot;
        fixture->log.decided = slot < decided ? slot : decided;
    }
}

/* A message of `count` entries after `from`, its values from `value` on. */
static const struct paxos_message *
message_of(struct fixture *fixture, cs_slot from, uint32_t count, uint64_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        fixture->entries[i] = paxos_rig_entry(from + 1 + i, value + i);
    }
    fixture->message = (struct paxos_message){.type = PAXOS_ENTRIES,
                                              .entries = fixture->entries,
                                              .entry_count = count};
    return &fixture->message;
}

/* ---- chains ---- */

static void assert_chains_differ(struct paxos_digest previous,
                                 struct paxos_entry left,
                                 struct paxos_entry right)
{
    assert_false(digest_equal(paxos_chain_next(previous, &left),
                              paxos_chain_next(previous, &right)));
}

static void chain_covers_every_field_that_makes_an_entry(void **state)
{
    (void)state;
    struct paxos_digest none = {0};
    struct paxos_entry entry = paxos_rig_entry(1, 1);
    struct paxos_entry other = entry;
    other.slot++;
    assert_chains_differ(none, entry, other);
    other = entry;
    other.time_ms++;
    assert_chains_differ(none, entry, other);
    other = entry;
    other.type++;
    assert_chains_differ(none, entry, other);
    other = entry;
    other.payload_bytes++;
    assert_chains_differ(none, entry, other);
    other = entry;
    other.digest.high++;
    assert_chains_differ(none, entry, other);
    other = entry;
    other.digest.low++;
    assert_chains_differ(none, entry, other);
}

static void chain_covers_the_past_and_not_the_entrys_own_chain(void **state)
{
    (void)state;
    struct paxos_entry entry = paxos_rig_entry(1, 1);
    struct paxos_entry other = entry;
    struct paxos_digest none = {0};
    struct paxos_digest high = {.high = 1};
    struct paxos_digest low = {.low = 1};
    other.chain.high = 77;
    assert_true(
        digest_equal(paxos_chain_next(none, &entry), paxos_chain_next(none, &other)));
    assert_false(
        digest_equal(paxos_chain_next(none, &entry), paxos_chain_next(high, &entry)));
    assert_false(
        digest_equal(paxos_chain_next(none, &entry), paxos_chain_next(low, &entry)));
}

/* ---- the ring ---- */

static void ring_keeps_the_newest_slots_and_the_chain_before_them(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 20, 20);
    assert_int_equal(fixture.log.length, 20);
    assert_int_equal(fixture.log.base, 20 - RING);
    for (cs_slot slot = fixture.log.base; slot <= 20; slot++) {
        assert_true(
            digest_equal(log_chain_at(&fixture.log, slot), paxos_rig_chain(slot, 1)));
    }
    assert_int_equal(log_time_at(&fixture.log, fixture.log.base), fixture.log.base);
    assert_int_equal(log_bytes_between(&fixture.log, 15, 20), 500);
}

static void ring_never_drops_what_is_not_decided(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, RING, 3);
    assert_true(log_make_room(&fixture.log, RING + 3, UINT64_MAX));
    assert_int_equal(fixture.log.base, 3);
    assert_false(log_make_room(&fixture.log, RING + 4, UINT64_MAX));
    assert_int_equal(fixture.log.base, 3);
}

static void ring_never_drops_what_is_not_durable(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, RING, RING);
    fixture.log.durable = 2;
    assert_true(log_make_room(&fixture.log, RING + 2, UINT64_MAX));
    assert_false(log_make_room(&fixture.log, RING + 3, UINT64_MAX));
}

static void ring_never_drops_past_the_floor(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, RING, RING);
    assert_false(log_make_room(&fixture.log, RING + 3, 2));
    assert_int_equal(fixture.log.base, 2);
}

static void trimming_keeps_decided_payloads_within_their_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, RING, RING - 1);
    log_trim_bytes(&fixture.log, 300, UINT64_MAX);
    assert_int_equal(log_bytes_between(&fixture.log, fixture.log.base, RING - 1), 300);
    log_trim_bytes(&fixture.log, 0, UINT64_MAX);
    assert_int_equal(fixture.log.length, RING); // what is undecided stays
    assert_true(fixture.log.base < RING);
}

static void truncating_takes_durable_along(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 6, 2);
    log_truncate(&fixture.log, 4);
    assert_int_equal(fixture.log.length, 4);
    assert_int_equal(fixture.log.durable, 4);
    struct paxos_entry entry = paxos_rig_entry(5, 55);
    log_append(&fixture.log, &entry);
    assert_int_equal(fixture.log.durable, 4);
    assert_false(digest_equal(log_chain_at(&fixture.log, 5), paxos_rig_chain(5, 1)));
}

static void recovered_tail_goes_on_from_its_base(void **state)
{
    (void)state;
    struct fixture fixture;
    struct paxos_entry tail[3];
    for (uint32_t i = 0; i < 3; i++) {
        tail[i] = paxos_rig_entry(11 + i, 11 + i);
    }
    struct paxos_recovered recovered = {.base = 10,
                                        .base_chain = paxos_rig_chain(10, 1),
                                        .decided = 12,
                                        .length = 13,
                                        .tail_count = 3,
                                        .tail = tail};
    log_init(&fixture.log, fixture.ring, RING, &recovered);
    assert_int_equal(fixture.log.length, 13);
    assert_int_equal(fixture.log.durable, 13);
    assert_int_equal(fixture.log.decided, 12);
    assert_true(digest_equal(log_chain_at(&fixture.log, 13), paxos_rig_chain(13, 1)));
}

/* ---- the walk ---- */

static struct walk walk_of(struct fixture *fixture, cs_slot from, uint32_t count)
{
    return log_walk(&fixture->log, from, paxos_rig_chain(from, 1),
                    message_of(fixture, from, count, from + 1));
}

static void walk_counts_the_entries_already_held(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 5, 3);
    struct walk walk = walk_of(&fixture, 2, 6);
    assert_int_equal(walk.result, WALK_HELD);
    assert_int_equal(walk.held, 3);
    walk = walk_of(&fixture, 5, 2);
    assert_int_equal(walk.result, WALK_HELD);
    assert_int_equal(walk.held, 0);
    walk = walk_of(&fixture, 1, 2);
    assert_int_equal(walk.held, 2);
    walk = walk_of(&fixture, 5, 0);
    assert_int_equal(walk.result, WALK_HELD);
}

static void walk_finds_the_first_slot_that_differs(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 5, 3);
    const struct paxos_message *message = message_of(&fixture, 2, 4, 3);
    fixture.entries[1] = paxos_rig_entry(4, 44);
    struct walk walk = log_walk(&fixture.log, 2, paxos_rig_chain(2, 1), message);
    assert_int_equal(walk.result, WALK_CONFLICT);
    assert_int_equal(walk.held, 1);
    assert_int_equal(walk.conflict_slot, 4);
}

static void walk_refuses_entries_beyond_a_gap(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 5, 3);
    assert_int_equal(walk_of(&fixture, 6, 1).result, WALK_GAP);
}

static void walk_refuses_entries_that_follow_another_past(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 5, 3);
    struct walk walk =
        log_walk(&fixture.log, 4, paxos_rig_chain(4, 2), message_of(&fixture, 4, 2, 5));
    assert_int_equal(walk.result, WALK_MISMATCH);
    assert_int_equal(walk.conflict_slot, 4);
}

static void walk_goes_up_to_base_by_the_messages_own_chain(void **state)
{
    (void)state;
    struct fixture fixture;
    make_log(&fixture, 20, 20); // base is 12
    struct walk walk = walk_of(&fixture, 9, 8);
    assert_int_equal(walk.result, WALK_HELD);
    assert_int_equal(walk.held, 8);
    assert_int_equal(walk_of(&fixture, 9, 2).result, WALK_BELOW);
    walk =
        log_walk(&fixture.log, 9, paxos_rig_chain(9, 2), message_of(&fixture, 9, 8, 10));
    assert_int_equal(walk.result, WALK_MISMATCH);
    assert_int_equal(walk.conflict_slot, 12);
    walk =
        log_walk(&fixture.log, 9, paxos_rig_chain(9, 1), message_of(&fixture, 9, 8, 99));
    assert_int_equal(walk.result, WALK_MISMATCH);
}

/* ---- staging ---- */

static void staging_chains_its_entries_to_the_prefix(void **state)
{
    (void)state;
    struct fixture fixture;
    struct paxos_entry room[RING];
    make_log(&fixture, 5, 3);
    struct staging staging = {.is_active = true,
                              .from = 4,
                              .from_chain = paxos_rig_chain(4, 1),
                              .entries = room};
    assert_true(digest_equal(staging_chain(&staging), paxos_rig_chain(4, 1)));
    const struct paxos_message *message = message_of(&fixture, 4, 3, 5);
    assert_true(staging_add(&staging, message->entries, 3, RING));
    assert_int_equal(staging_end(&staging), 7);
    assert_true(digest_equal(staging_chain(&staging), paxos_rig_chain(7, 1)));
    for (cs_slot slot = 0; slot <= 7; slot++) {
        assert_true(digest_equal(staging_chain_at(&staging, &fixture.log, slot),
                                 paxos_rig_chain(slot, 1)));
    }
}

static void staging_takes_no_more_than_it_has_room_for(void **state)
{
    (void)state;
    struct fixture fixture;
    struct paxos_entry room[RING];
    make_log(&fixture, 0, 0);
    struct staging staging = {.is_active = true, .entries = room};
    assert_true(staging_add(&staging, message_of(&fixture, 0, 6, 1)->entries, 6, RING));
    assert_false(staging_add(&staging, message_of(&fixture, 6, 3, 7)->entries, 3, RING));
    assert_int_equal(staging_end(&staging), 6);
    assert_true(staging_add(&staging, message_of(&fixture, 6, 2, 7)->entries, 2, RING));
    assert_int_equal(staging_end(&staging), RING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_covers_every_field_that_makes_an_entry),
        cmocka_unit_test(chain_covers_the_past_and_not_the_entrys_own_chain),
        cmocka_unit_test(ring_keeps_the_newest_slots_and_the_chain_before_them),
        cmocka_unit_test(ring_never_drops_what_is_not_decided),
        cmocka_unit_test(ring_never_drops_what_is_not_durable),
        cmocka_unit_test(ring_never_drops_past_the_floor),
        cmocka_unit_test(trimming_keeps_decided_payloads_within_their_bytes),
        cmocka_unit_test(truncating_takes_durable_along),
        cmocka_unit_test(recovered_tail_goes_on_from_its_base),
        cmocka_unit_test(walk_counts_the_entries_already_held),
        cmocka_unit_test(walk_finds_the_first_slot_that_differs),
        cmocka_unit_test(walk_refuses_entries_beyond_a_gap),
        cmocka_unit_test(walk_refuses_entries_that_follow_another_past),
        cmocka_unit_test(walk_goes_up_to_base_by_the_messages_own_chain),
        cmocka_unit_test(staging_chains_its_entries_to_the_prefix),
        cmocka_unit_test(staging_takes_no_more_than_it_has_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
