/* Where slots lie, against a twin that remembers a place for every single slot. */
#include "wal/extents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SLOTS_MAX = 4000, STEPS = 3000, PAGE = 4096, SEGMENT_BYTES = 1024 * 1024 };

struct written { // one record
    cs_slot first;
    uint32_t count;
    struct extent_place place;
};

struct twin {
    struct written records[STEPS];
    int record_count;
    int record_of[SLOTS_MAX + 1]; // by slot
    cs_slot length;
};

static bool same_place(const struct extent_place *left, const struct extent_place *right)
{
    return left->segment == right->segment && left->offset_bytes == right->offset_bytes &&
           left->record_at_bytes == right->record_at_bytes;
}

/*
 * What a reader does: from the run's place, records in order of writing, all in one
 * segment; the wanted slot's record must come before any that overwrote the run.
 */
static void
assert_reaches(const struct twin *twin, const struct extents *extents, cs_slot slot)
{
    const struct extent *extent = extents_find(extents, slot);
    assert_non_null(extent);
    assert_true(extent->first <= slot && slot <= extent->last);
    int wanted = twin->record_of[slot];
    int at = 0;
    while (!same_place(&twin->records[at].place, &extent->place)) {
        at++;
        assert_true(at < twin->record_count);
    }
    assert_int_equal(twin->records[at].first, extent->first);
    cs_slot next = extent->first;
    while (at <= wanted && next <= slot) {
        const struct written *record = &twin->records[at];
        assert_int_equal(record->place.segment, extent->place.segment);
        assert_true(record->place.offset_bytes - extent->place.offset_bytes <
                    EXTENT_SPAN_BYTES);
        assert_int_equal(record->first, next);
        if (slot < next + record->count) {
            assert_int_equal(at, wanted);
            return;
        }
        next += record->count;
        at++;
    }
    fail_msg("slot %llu is not reached", (unsigned long long)slot);
}

static void every_slot_is_found_where_it_was_written_last(void **state)
{
    (void)state;
    struct twin *twin = calloc(1, sizeof *twin);
    assert_non_null(twin);
    struct extents extents = {0};
    struct extent_place place = {.segment = 1,
                                 .offset_bytes = PAGE,
                                 .record_at_bytes = 200};
    uint64_t random = 42;
    while (twin->record_count < STEPS && twin->length + 4 < SLOTS_MAX) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t back = (random >> 40) % 16 == 0 ? (random >> 50) % 40 : 0;
        cs_slot first = twin->length + 1 - (back < twin->length ? back : 0);
        uint32_t count = (uint32_t)(random >> 33) % 4;
        if ((random >> 60) % 4 == 0) {
            place.record_at_bytes += 300; // another record of the same block
        } else {
            place.offset_bytes += PAGE;
            place.record_at_bytes = 200;
        }
        if (place.offset_bytes >= SEGMENT_BYTES) {
            place = (struct extent_place){place.segment + 1, PAGE, 200, 0};
        }
        extents_put(&extents, first, count, &place);
        if (count > 0) {
            int at = twin->record_count++;
            twin->records[at] = (struct written){first, count, place};
            for (uint32_t i = 0; i < count; i++) {
                twin->record_of[first + i] = at;
            }
        }
        twin->length = first + count - 1;
        assert_null(extents_find(&extents, twin->length + 1));
        assert_null(extents_find(&extents, 0));
    }
    for (cs_slot slot = 1; slot <= twin->length; slot++) {
        assert_reaches(twin, &extents, slot);
    }
    assert_true(extents.count < twin->length / 2);
    extents_fini(&extents);
    free(twin);
}

static void a_long_log_takes_little_memory(void **state)
{
    (void)state;
    struct extents extents = {0};
    struct extent_place place = {.segment = 1, .record_at_bytes = 200};
    for (cs_slot slot = 1; slot <= 1000000; slot++) {
        place.offset_bytes += PAGE;
        if (place.offset_bytes >= 64 * SEGMENT_BYTES) {
            place.segment++;
            place.offset_bytes = PAGE;
        }
        extents_put(&extents, slot, 1, &place);
    }
    assert_true(extents.capacity * sizeof(struct extent) < 4 * 1024 * 1024);
    assert_int_equal(extents_find(&extents, 500000)->place.segment > 1, 1);
    extents_fini(&extents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_is_found_where_it_was_written_last),
        cmocka_unit_test(a_long_log_takes_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
