/*
 * Reads of a log that go wrong (PAXOS 4.2): what rots while the log is open is lost and
 * repaired, and nothing else is; a call to the disk that fails loses nothing.
 */
#include "unit/support/damaged_log.h"

#include "wal/internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGE = DAMAGED_LOG_PAGE_BYTES,
    FILE_PAGES = DAMAGED_LOG_FILE_PAGES,
    PAGES = DAMAGED_LOG_PAGES
};

/* ---- what rots while the log is open ----------------------------------------------- */

/* From the first slot to the last: each is there as it was, or said to be lost. */
static void read_forward(struct log_fixture *fixture)
{
    const struct twin *twin = fixture->twin;
    cs_slot next = 1;
    while (next <= twin->length) {
        struct wal_slice slice = log_fixture_read(fixture, next, twin->length, 4, 9999);
        for (uint32_t i = 0; i < slice.entry_count; i++, next++) {
            assert_true(damaged_log_is_chain(slice.entries[i].chain, twin, next));
        }
        next = slice.fault.first != 0 ? slice.fault.last + 1 : next;
        wal_slice_fini(&slice);
    }
}

/* Slot by slot from behind, each with its chain. */
static void read_backward(struct log_fixture *fixture, uint64_t bytes_max)
{
    for (cs_slot slot = fixture->twin->length; slot > 0; slot--) {
        struct wal_slice slice = log_fixture_read(fixture, slot, slot, 1, bytes_max);
        assert_true(slice.entry_count == 1 || slice.fault.first != 0);
        wal_slice_fini(&slice);
    }
}

static void what_rots_while_the_log_is_open_is_lost_and_repaired(void **state)
{
    (void)state;
    for (uint64_t page = 0; page < PAGES; page++) {
        struct log_fixture *fixture = damaged_log_new();
        log_fixture_open(fixture);
        bool is_header = page % FILE_PAGES == 0; // read when the log is opened only
        if (!is_header && damaged_log_spoil_written(fixture, page, 1) > 0) {
            read_forward(fixture);
            damaged_log_repair(fixture, 3);
            log_fixture_restart(fixture);
            // A log that nobody read to its end may still have some.
            damaged_log_repair(fixture, 3);
        }
        log_fixture_destroy(&fixture);
    }
}

/* Slot by slot in blocks of their own: only those that rotted are lost. */
static void of_an_open_log_only_what_rotted_is_lost(void **state)
{
    struct log_fixture *fixture = *state;
    enum { BLOCKS = 9, FIRST = 4, LAST = 6 };
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    damaged_log_spoil(fixture, FIRST);
    damaged_log_spoil(fixture, LAST);
    read_backward(fixture, 99999);
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, 2);
    assert_int_equal(damaged_log_count_lost(fixture), 2);
    for (size_t i = 0; i < count; i++) {
        assert_true(faults[i].knows_after);
        assert_true(
            damaged_log_is_chain(faults[i].after_chain, fixture->twin, faults[i].last));
    }
    damaged_log_repair(fixture, 1);
}

/* Two pages rot while the log is open; it is read from its end. */
static void what_rots_before_a_slot_that_rots_is_lost_with_it(void **state)
{
    (void)state;
    for (uint64_t page = 1; page + 1 < PAGES; page++) {
        struct log_fixture *fixture = damaged_log_new();
        log_fixture_open(fixture);
        (void)damaged_log_spoil_written(fixture, page, 2);
        read_backward(fixture, 1);
        damaged_log_repair(fixture, 3);
        log_fixture_destroy(&fixture);
    }
}

/* In the way of a reader, but without a slot. */
static void what_rots_between_slots_costs_nothing(void **state)
{
    (void)state;
    enum { SEAL, PROMISE, BOTH, WAYS, BAD = 3 };
    for (int way = 0; way < WAYS; way++) {
        for (cs_slot first = 1; first <= 3; first++) {
            struct log_fixture *fixture = log_fixture_new();
            log_fixture_open(fixture);
            log_fixture_append(fixture, 1, 100); // page 2
            if (way != PROMISE) {
                assert_int_equal(wal_seal(fixture->wal), WAL_OK);
            }
            if (way != SEAL) {
                log_fixture_promise(fixture);
            }
            log_fixture_append(fixture, 1, 100);
            log_fixture_append(fixture, 1, 100);
            damaged_log_spoil(fixture, BAD);
            struct wal_slice slice = log_fixture_read(fixture, first, 3, 9, 9999);
            assert_int_equal(slice.entry_count, 4 - first);
            assert_int_equal(slice.fault.first, 0);
            wal_slice_fini(&slice);
            assert_int_equal(damaged_log_count_lost(fixture), 0);
            log_fixture_assert_log(fixture, 2);
            log_fixture_destroy(&fixture);
        }
    }
}

/*
 * A write that went to a wrong place has put a block of a suffix that was replaced into a
 * longer block: what it says of the log was never so behind that one.
 */
static void a_copy_of_a_replaced_block_does_not_say_what_is_lost(void **state)
{
    struct log_fixture *fixture = *state;
    struct twin *twin = fixture->twin;
    enum { LENGTH = 5, OLD_FOUR = 6, NEW_THREE = 9 }; // slots; pages
    log_fixture_open(fixture);
    log_fixture_promise(fixture); // page 2
    for (int i = 0; i < LENGTH; i++) {
        log_fixture_append(fixture, 1, 100); // pages 3 to 7
    }
    log_fixture_promise(fixture); // page 8
    twin_sync(twin, 3, 1, PAGE, &fixture->records);
    log_fixture_commit(fixture); // pages 9 and 10
    log_fixture_append(fixture, 1, 100);
    log_fixture_append(fixture, 1, 100);
    uint8_t bytes[PAGE];
    damaged_log_read_page(fixture, OLD_FOUR, bytes);
    damaged_log_write_page(fixture, NEW_THREE + 1, bytes);
    struct wal_slice slice = log_fixture_read(fixture, 1, LENGTH, 9, 99999);
    assert_int_equal(slice.entry_count, 2);
    assert_int_equal(slice.fault.first, 3);
    assert_int_equal(slice.fault.last, 3);
    assert_true(slice.fault.knows_after);
    assert_true(damaged_log_is_chain(slice.fault.after_chain, twin, 3));
    wal_slice_fini(&slice);
    damaged_log_repair(fixture, 1);
    log_fixture_assert_log(fixture, 2);
}

/* ---- calls that fail --------------------------------------------------------------- */

enum shape {
    SOUND,
    ONE_BLOCK,
    ONE_HEADER,
    TORN_END,
    ONLY_LAST_WORDS,
    LARGE,        // one segment, read in several pieces
    LARGE_ROTTEN, // ... whose first pieces do not hash
    SHAPES
};

/* The pages of each shape that are spoiled. */
static const struct {
    uint64_t first;
    uint64_t count;
} SPOILED[SHAPES] = {
    [ONE_BLOCK] = {FILE_PAGES + 3, 1},
    [ONE_HEADER] = {FILE_PAGES, 1},
    [TORN_END] = {3 * FILE_PAGES + 2, FILE_PAGES - 2},
    [ONLY_LAST_WORDS] = {5, PAGES - 5},
    [LARGE_ROTTEN] = {1, 299},
};

static struct log_fixture *new_large_log(void)
{
    enum { BYTES = 4 * 1024 * 1024, BLOCKS = 200 };
    struct log_fixture *fixture = log_fixture_new();
    fixture->settings.segment_bytes = BYTES;
    fixture->settings.ready_segments = 1;
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        twin_decide(fixture->twin, fixture->twin->length);
        log_fixture_append(fixture, 2, 4500);
    }
    log_fixture_promise(fixture);
    wal_close(&fixture->wal);
    return fixture;
}

static struct log_fixture *new_log(enum shape shape)
{
    struct log_fixture *fixture = shape >= LARGE ? new_large_log() : damaged_log_new();
    uint64_t spoiled =
        damaged_log_spoil_written(fixture, SPOILED[shape].first, SPOILED[shape].count);
    assert_int_equal(spoiled > 0, SPOILED[shape].count > 0);
    assert_true(shape != LARGE_ROTTEN || spoiled == SPOILED[shape].count);
    return fixture;
}

/* The call of that kind after `calls` others fails. False: there is none. */
static bool
fail_one_call(enum shape shape, enum sim_disk_call call, uint64_t calls, int error)
{
    struct log_fixture *fixture = new_log(shape);
    sim_disk_fail_next(fixture->disk, call, calls, error);
    enum wal_status status = log_fixture_try_open(fixture);
    bool has_failed = sim_disk_has_failed(fixture->disk);
    // A place that could not be read once is read again.
    bool is_read_again = call == SIM_DISK_READ && error == EIO;
    // Of a segment that is made ready: no room for it yet.
    bool may_go_on = error == SIM_DISK_SHORT_WRITE && status == WAL_OK;
    assert_int_equal(status == WAL_OK, may_go_on || is_read_again || !has_failed);
    if (status != WAL_OK) {
        assert_non_null(strstr(fixture->recovery.sentence, "cannot"));
        log_fixture_restart(fixture); // nothing was changed that says something else
    }
    log_fixture_assert_recovered(fixture);
    if (has_failed) { // else it would strike now
        damaged_log_assert_faults_are_true(fixture);
    }
    log_fixture_destroy(&fixture);
    return has_failed;
}

static void a_call_that_fails_while_opening_loses_nothing(void **state)
{
    (void)state;
    static const struct {
        enum sim_disk_call kind;
        int error;
    } CALLS[] = {{SIM_DISK_READ, EIO},  {SIM_DISK_READ, ENXIO},
                 {SIM_DISK_OPEN, EIO},  {SIM_DISK_SIZE, EIO},
                 {SIM_DISK_WRITE, EIO}, {SIM_DISK_WRITE, SIM_DISK_SHORT_WRITE}};
    for (int shape = 0; shape < SHAPES; shape++) {
        for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
            uint64_t calls = 0;
            while (
                fail_one_call((enum shape)shape, CALLS[i].kind, calls, CALLS[i].error)) {
                calls++;
            }
            assert_true(calls >= 3);
        }
    }
}

static void a_read_that_fails_says_so_and_can_be_tried_again(void **state)
{
    struct log_fixture *fixture = *state;
    damaged_log_write(fixture);
    for (cs_slot slot = 1; slot <= fixture->twin->length; slot++) {
        for (uint64_t calls = 0; calls < 2; calls++) {
            log_fixture_restart(fixture);
            sim_disk_fail_next(fixture->disk, SIM_DISK_READ, calls, ENXIO);
            struct wal_slice slice = {0};
            enum wal_status status = wal_read(fixture->wal, slot, slot, 1, 1, &slice);
            wal_slice_fini(&slice);
            assert_int_equal(status,
                             sim_disk_has_failed(fixture->disk) ? WAL_DAMAGED : WAL_OK);
            assert_int_equal(damaged_log_count_lost(fixture), 0);
            sim_disk_restart(fixture->disk); // a fault that did not strike is gone
        }
    }
    log_fixture_assert_log(fixture, 10);
}

/*
 * The first block of a segment has rotted; while what stood before it is looked up, in the
 * segment before, a call fails: that says nothing about those slots.
 */
static bool fail_while_losing(enum sim_disk_call call, uint64_t calls, int error)
{
    struct log_fixture *fixture = log_fixture_new();
    log_fixture_open(fixture);
    while (fixture->wal->segment.number < 2) {
        log_fixture_append(fixture, 1, 5000);
    }
    cs_slot slot = fixture->twin->length;
    log_fixture_append(fixture, 1, 100);
    damaged_log_spoil(fixture, FILE_PAGES + 1);
    sim_disk_fail_next(fixture->disk, call, calls, error);
    struct wal_slice slice = {0};
    enum wal_status status = wal_read(fixture->wal, slot, slot + 1, 9, 99999, &slice);
    bool has_failed = sim_disk_has_failed(fixture->disk);
    assert_int_equal(status, has_failed ? WAL_DAMAGED : WAL_OK);
    assert_int_equal(damaged_log_count_lost(fixture), has_failed ? 0 : 1);
    wal_slice_fini(&slice);
    if (has_failed) { // else it would strike now
        slice = log_fixture_read(fixture, slot, slot + 1, 9, 99999);
        assert_int_equal(damaged_log_count_lost(fixture), 1);
        wal_slice_fini(&slice);
    }
    sim_disk_restart(fixture->disk); // a fault that did not strike is gone
    log_fixture_destroy(&fixture);
    return has_failed;
}

static void a_call_that_fails_while_slots_are_lost_loses_no_others(void **state)
{
    (void)state;
    static const struct {
        enum sim_disk_call kind;
        int error;
    } CALLS[] = {{SIM_DISK_READ, ENXIO}, {SIM_DISK_OPEN, EMFILE}, {SIM_DISK_SIZE, EIO}};
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        uint64_t calls = 0;
        while (fail_while_losing(CALLS[i].kind, calls, CALLS[i].error)) {
            calls++;
        }
        assert_true(calls >= 3); // the segment before, the one after, and it again
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_rots_while_the_log_is_open_is_lost_and_repaired),
        cmocka_unit_test(what_rots_before_a_slot_that_rots_is_lost_with_it),
        cmocka_unit_test(a_call_that_fails_while_opening_loses_nothing),
        cmocka_unit_test(what_rots_between_slots_costs_nothing),
        cmocka_unit_test(a_call_that_fails_while_slots_are_lost_loses_no_others),
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(of_an_open_log_only_what_rotted_is_lost),
        TEST(a_copy_of_a_replaced_block_does_not_say_what_is_lost),
        TEST(a_read_that_fails_says_so_and_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
