/* Runs of lost slots, against a twin that remembers each slot. */
#include "wal/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 60, STEPS = 20000 };

struct twin {
    bool is_lost[SLOTS + 2];
    bool is_known[SLOTS + 2]; // chain(slot), as the end of a run
};

static struct paxos_digest chain_of(cs_slot slot)
{
    struct paxos_digest chain = {.high = 5, .low = slot};
    return chain;
}

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

/* The runs are exactly the twin's, and say nothing that is not so. */
static void assert_same(const struct faults *faults, const struct twin *twin)
{
    size_t at = 0;
    for (cs_slot slot = 1; slot <= SLOTS; slot++) {
        const struct wal_fault *fault = faults_find(faults, slot);
        assert_int_equal(fault != NULL, twin->is_lost[slot]);
        if (fault == NULL || twin->is_lost[slot - 1]) {
            continue;
        }
        cs_slot last = slot;
        while (twin->is_lost[last + 1]) {
            last++;
        }
        assert_ptr_equal(fault, &faults->items[at++]);
        assert_int_equal(fault->first, slot);
        assert_int_equal(fault->last, last);
        assert_int_equal(fault->before_chain.low, slot - 1);
        assert_int_equal(fault->knows_after, twin->is_known[last]);
        assert_true(!fault->knows_after || fault->after_chain.low == last);
    }
    assert_int_equal(at, faults->count);
}

static void lose(struct faults *faults, struct twin *twin, cs_slot first, cs_slot last)
{
    for (cs_slot slot = first; slot <= last; slot++) {
        if (twin->is_lost[slot]) {
            return; // only what was there can be lost
        }
    }
    for (cs_slot slot = first; slot <= last; slot++) {
        twin->is_lost[slot] = true;
        twin->is_known[slot] = false;
    }
    twin->is_known[last] = true;
    const struct wal_fault fault = {.first = first,
                                    .last = last,
                                    .before_chain = chain_of(first - 1),
                                    .after_chain = chain_of(last),
                                    .knows_after = true};
    faults_add(faults, &fault);
}

static void fill(struct faults *faults, struct twin *twin, cs_slot first, cs_slot last)
{
    bool is_split = twin->is_lost[first - 1] && twin->is_lost[first];
    twin->is_known[first - 1] = twin->is_known[first - 1] && !is_split;
    for (cs_slot slot = first; slot <= last; slot++) {
        twin->is_lost[slot] = false;
    }
    faults_fill(faults, first, last, chain_of(last));
}

static void cut(struct faults *faults, struct twin *twin, cs_slot first)
{
    if (!twin->is_lost[first] && twin->is_lost[first - 1]) {
        first++; // a run keeps its end if that is all that is left of it
    }
    for (cs_slot slot = first; slot <= SLOTS; slot++) {
        twin->is_lost[slot] = false;
    }
    twin->is_known[first - 1] = false;
    faults_cut(faults, first);
}

static void runs_are_what_a_twin_says(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct twin twin = {0};
    uint64_t seed = 11;
    for (int step = 0; step < STEPS; step++) {
        cs_slot first = 1 + draw(&seed, SLOTS - 1);
        cs_slot last = first + draw(&seed, 9);
        last = last < SLOTS ? last : SLOTS;
        switch (draw(&seed, 8)) {
        case 0:
            cut(&faults, &twin, first);
            break;
        case 1:
        case 2:
        case 3:
            fill(&faults, &twin, first, last);
            break;
        default:
            lose(&faults, &twin, first, last);
            break;
        }
        assert_same(&faults, &twin);
    }
    faults_fini(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_what_a_twin_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
