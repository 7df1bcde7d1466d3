/*
 * Payloads by (slot, digest): what was taken is there until base passes it, and memory
 * stays bounded.
 */
#include "engine/bodies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct paxos_entry entry_of(cs_slot slot, uint64_t digest, uint32_t bytes)
{
    struct paxos_entry entry = {
        .slot = slot,
        .payload_bytes = bytes,
        .type = PAXOS_ENTRY_BATCH,
        .digest = {.high = digest, .low = ~digest},
    };
    return entry;
}

static void put(struct bodies *bodies,
                cs_slot slot,
                const char *text,
                const struct paxos_digest *in_log)
{
    struct paxos_entry entry = entry_of(slot, (uint64_t)text[0], (uint32_t)strlen(text));
    bodies_put(bodies, &entry, view_of(text, strlen(text)), in_log);
}

static bool has(const struct bodies *bodies, cs_slot slot, char letter)
{
    struct paxos_entry entry = entry_of(slot, (uint64_t)letter, 0);
    return bodies_has(bodies, &entry);
}

static void bodies_gives_back_what_was_put(void **state)
{
    (void)state;
    struct bodies bodies;
    bodies_init(&bodies, 8, 0);
    put(&bodies, 1, "alpha", NULL);
    put(&bodies, 2, "beta", NULL);
    struct paxos_entry entry = entry_of(2, 'b', 4);
    struct cs_view payload = bodies_get(&bodies, &entry);
    assert_int_equal(payload.bytes, 4);
    assert_memory_equal(payload.data, "beta", 4);
    assert_int_equal(bodies.bytes, 9);
    bodies_fini(&bodies);
}

static void bodies_keeps_two_of_one_slot(void **state)
{
    (void)state;
    struct bodies bodies;
    bodies_init(&bodies, 8, 0);
    put(&bodies, 5, "log", NULL);
    put(&bodies, 5, "staged", NULL);
    assert_true(has(&bodies, 5, 'l'));
    assert_true(has(&bodies, 5, 's'));
    assert_false(has(&bodies, 5, 'x'));
    assert_false(has(&bodies, 13, 'l')); // the same chain, another slot
    bodies_fini(&bodies);
}

static void bodies_puts_the_same_body_once(void **state)
{
    (void)state;
    struct bodies bodies;
    bodies_init(&bodies, 8, 0);
    put(&bodies, 5, "again", NULL);
    put(&bodies, 5, "again", NULL);
    assert_int_equal(bodies.count, 1);
    assert_int_equal(bodies.bytes, 5);
    bodies_fini(&bodies);
}

static void bodies_bounds_the_bodies_of_a_slot_but_spares_the_logs(void **state)
{
    (void)state;
    struct bodies bodies;
    struct paxos_digest in_log = entry_of(3, 'a', 0).digest;
    bodies_init(&bodies, 8, 0);
    const char *texts[] = {"a", "b", "c", "d", "e", "f", "g"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put(&bodies, 3, texts[i], &in_log);
    }
    assert_int_equal(bodies.count, BODIES_PER_SLOT);
    assert_true(has(&bodies, 3, 'a'));
    assert_false(has(&bodies, 3, 'b'));
    assert_true(has(&bodies, 3, 'f'));
    assert_true(has(&bodies, 3, 'g'));
    bodies_fini(&bodies);
}

static void bodies_drops_slots_up_to_base(void **state)
{
    (void)state;
    struct bodies bodies;
    bodies_init(&bodies, 8, 0);
    for (cs_slot slot = 1; slot <= 12; slot++) {
        put(&bodies, slot, "x", NULL);
    }
    bodies_drop(&bodies, 4);
    assert_false(has(&bodies, 4, 'x'));
    assert_true(has(&bodies, 5, 'x'));
    assert_true(has(&bodies, 12, 'x'));
    assert_int_equal(bodies.count, 8);
    put(&bodies, 4, "x", NULL); // late: nobody refers to it
    assert_int_equal(bodies.count, 8);
    bodies_drop(&bodies, 1000000000); // a leap visits each chain once
    assert_int_equal(bodies.count, 0);
    assert_int_equal(bodies.bytes, 0);
    bodies_fini(&bodies);
}

static void bodies_never_goes_back(void **state)
{
    (void)state;
    struct bodies bodies;
    bodies_init(&bodies, 4, 10);
    put(&bodies, 10, "x", NULL);
    assert_int_equal(bodies.count, 0);
    put(&bodies, 11, "x", NULL);
    bodies_drop(&bodies, 3);
    assert_int_equal(bodies.base, 10);
    assert_true(has(&bodies, 11, 'x'));
    bodies_fini(&bodies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_gives_back_what_was_put),
        cmocka_unit_test(bodies_keeps_two_of_one_slot),
        cmocka_unit_test(bodies_puts_the_same_body_once),
        cmocka_unit_test(bodies_bounds_the_bodies_of_a_slot_but_spares_the_logs),
        cmocka_unit_test(bodies_drops_slots_up_to_base),
        cmocka_unit_test(bodies_never_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
