/*
 * Logs on a disk with sectors that cannot be read (PAXOS 4.2; class 7 of section 5): each is
 * rot like any other. The node starts, says which slots are lost, repairs those, and nothing
 * that can be read counts as lost.
 */
#include "unit/support/damaged_log.h"

#include "wal/superblock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = DAMAGED_LOG_PAGE_BYTES, PAGES = DAMAGED_LOG_PAGES };

/* Opens, repairs and goes on; opens once more. Answers how many slots were lost. */
static uint64_t assert_recovers(struct log_fixture *fixture)
{
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
    damaged_log_assert_faults_are_true(fixture);
    uint64_t lost = damaged_log_count_lost(fixture);
    damaged_log_repair(fixture, 2);
    log_fixture_append(fixture, 1, 100);
    log_fixture_restart(fixture);
    assert_int_equal(fixture->recovery.fault_count, 0);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 7);
    return lost;
}

/* One that holds something in the middle: as if it had rotted. */
static void any_page_of_a_log_may_be_unreadable(void **state)
{
    (void)state;
    uint32_t lost = 0;
    for (uint64_t page = 0; page < PAGES; page++) {
        struct log_fixture *rotten = damaged_log_new();
        bool is_written = damaged_log_spoil_written(rotten, page, 1) > 0;
        uint64_t expected = is_written ? assert_recovers(rotten) : 0;
        log_fixture_destroy(&rotten);
        struct log_fixture *fixture = damaged_log_new();
        damaged_log_make_unreadable(fixture, page);
        assert_int_equal(assert_recovers(fixture), expected);
        lost += expected > 0;
        log_fixture_destroy(&fixture);
    }
    assert_true(lost > 10);
}

static void a_bad_sector_costs_the_slots_of_its_block_and_no_others(void **state)
{
    struct log_fixture *fixture = *state;
    enum { BLOCKS = 9, BAD = 5 };
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    wal_close(&fixture->wal);
    damaged_log_make_unreadable(fixture, BAD); // in the window with all the others
    log_fixture_open(fixture);
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, 1);
    assert_int_equal(faults[0].first, BAD - 1);
    assert_int_equal(faults[0].last, BAD - 1);
    assert_int_equal(fixture->recovery.fault_count, 1);
    (void)wal_damages(fixture->wal, &count);
    assert_int_equal(count, 1);
    wal_close(&fixture->wal);
    assert_int_equal(assert_recovers(fixture), 1);
}

/* A block in flight when power was lost: its sector may be left bad. */
static void a_last_block_that_cannot_be_read_is_torn(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    struct twin *before = twin_copy(fixture->twin);
    log_fixture_append(fixture, 1, 5000);
    wal_close(&fixture->wal);
    damaged_log_make_unreadable(fixture, 3);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.damaged_places, 0);
    assert_int_equal(fixture->recovery.torn_blocks, 1);
    wal_close(&fixture->wal);
    // What was written over it has healed it.
    assert_int_equal(assert_recovers(fixture), 0);
    assert_int_equal(fixture->recovery.torn_blocks, 0);
}

/* Behind the last block, where only zeros are. */
static void a_bad_sector_behind_the_end_costs_nothing(void **state)
{
    (void)state;
    for (uint64_t page = 3; page < DAMAGED_LOG_FILE_PAGES; page++) {
        struct log_fixture *fixture = log_fixture_new();
        log_fixture_open(fixture);
        log_fixture_append(fixture, 1, 100); // page 2
        wal_close(&fixture->wal);
        damaged_log_make_unreadable(fixture, page);
        assert_int_equal(assert_recovers(fixture), 0);
        assert_int_equal(fixture->recovery.damaged_places, 0);
        log_fixture_destroy(&fixture);
    }
}

static void what_cannot_be_read_while_the_log_is_open_is_lost_and_repaired(void **state)
{
    struct log_fixture *fixture = *state;
    enum { BLOCKS = 9, BAD = 5 };
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    damaged_log_make_unreadable(fixture, BAD);
    struct wal_slice slice = log_fixture_read(fixture, 1, BLOCKS, BLOCKS, 99999);
    assert_int_equal(slice.entry_count, BAD - 2);
    assert_int_equal(slice.fault.first, BAD - 1);
    assert_int_equal(slice.fault.last, BAD - 1);
    assert_true(slice.fault.knows_after);
    wal_slice_fini(&slice);
    assert_int_equal(damaged_log_count_lost(fixture), 1);
    damaged_log_repair(fixture, 1);
    log_fixture_assert_log(fixture, 4);
}

/* Nothing of it is read before it is written, and that heals the place. */
static void a_bad_sector_of_a_ready_segment_costs_nothing(void **state)
{
    (void)state;
    for (uint64_t page = 0; page < DAMAGED_LOG_FILE_PAGES; page++) {
        struct log_fixture *fixture = log_fixture_new();
        log_fixture_open(fixture);
        assert_true(
            sim_disk_make_unreadable(fixture->disk, "ready-0000000002", page * PAGE));
        for (uint32_t i = 0; i < 3 * DAMAGED_LOG_FILE_PAGES; i++) {
            log_fixture_append(fixture, 1, 100);
        }
        log_fixture_assert_log(fixture, 7);
        log_fixture_restart(fixture);
        assert_int_equal(fixture->recovery.damaged_places, 0);
        log_fixture_assert_log(fixture, 7);
        log_fixture_destroy(&fixture);
    }
}

static void two_copies_of_the_superblock_are_enough(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 1u << SUPERBLOCK_COPIES; bad++) {
        struct log_fixture *fixture = damaged_log_new();
        unsigned count = 0;
        for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
            if ((bad >> i & 1u) != 0) {
                assert_true(sim_disk_make_unreadable(
                    fixture->disk, SUPERBLOCK_NAME, (uint64_t)i * SUPERBLOCK_COPY_BYTES));
                count++;
            }
        }
        if (count <= SUPERBLOCK_COPIES / 2) {
            assert_int_equal(assert_recovers(fixture), 0);
        } else {
            assert_int_equal(log_fixture_try_open(fixture), WAL_DAMAGED);
            assert_non_null(strstr(fixture->recovery.sentence, "cannot be read"));
        }
        log_fixture_destroy(&fixture);
    }
}

static struct files sound_files; // behind read_or_fail()
static uint64_t reads;
static uint64_t fail_from; // 0: all succeed

static int64_t
read_or_fail(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    reads++;
    if (fail_from != 0 && reads >= fail_from) {
        return -EIO;
    }
    return sound_files.read_at(context, handle, data, bytes, offset);
}

/*
 * The last block is written once more with the bytes that are read for it: of a disk that
 * reads nothing just then, garbage must not take the place of what comes back later.
 */
static void what_cannot_be_read_for_a_while_is_not_overwritten(void **state)
{
    struct log_fixture *fixture = *state;
    uint64_t reads_of_open = 0;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 2, 100);
    for (int round = 0; round < 2; round++) {
        log_fixture_append(fixture, 1, 100);
        wal_close(&fixture->wal);
        sound_files = fixture->files;
        fixture->files.read_at = read_or_fail;
        reads = 0;
        fail_from = reads_of_open; // in the second round the last one
        log_fixture_open(fixture);
        reads_of_open = reads;
        fixture->files = sound_files;
    }
    log_fixture_restart(fixture);
    assert_int_equal(fixture->recovery.damaged_places, 0);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 7);
}

/* An errno that is not of a sector: nothing is believed, nothing is changed. */
static void other_errors_are_refused_with_the_place(void **state)
{
    struct log_fixture *fixture = *state;
    damaged_log_write(fixture);
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 1, ENXIO); // 0: the superblock
    assert_int_equal(log_fixture_try_open(fixture), WAL_DAMAGED);
    assert_non_null(strstr(fixture->recovery.sentence, "log-0000000001 cannot be read"));
    assert_int_equal(assert_recovers(fixture), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_page_of_a_log_may_be_unreadable),
        cmocka_unit_test(a_bad_sector_behind_the_end_costs_nothing),
        cmocka_unit_test(a_bad_sector_of_a_ready_segment_costs_nothing),
        cmocka_unit_test(two_copies_of_the_superblock_are_enough),
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(a_bad_sector_costs_the_slots_of_its_block_and_no_others),
        TEST(a_last_block_that_cannot_be_read_is_torn),
        TEST(what_cannot_be_read_while_the_log_is_open_is_lost_and_repaired),
        TEST(what_cannot_be_read_for_a_while_is_not_overwritten),
        TEST(other_errors_are_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
