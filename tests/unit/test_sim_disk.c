/* The simulated disk itself: a test bed that forgives too much would prove nothing. */
#include "support/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGE = 4096,
    SECTOR = SIM_DISK_SECTOR_BYTES,
    ROUNDS = 60,
    DISK_BYTES = 1024 * 1024
};

struct fixture {
    struct sim_disk *disk;
    struct files files;
    uint8_t *page;
    int handle;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->disk = sim_disk_new(1, DISK_BYTES);
    fixture->files = sim_disk_files(fixture->disk);
    fixture->page = aligned_alloc(PAGE, 2 * PAGE);
    assert_non_null(fixture->page);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sim_disk_destroy(&fixture->disk);
    free(fixture->page);
    free(fixture);
    return 0;
}

/* A durable file of one page of 'a'. */
static void begin(struct fixture *fixture, uint64_t seed)
{
    const struct files *files = &fixture->files;
    sim_disk_reset(fixture->disk, seed);
    fixture->handle = files->open_file(files->context, "file", true);
    memset(fixture->page, 'a', PAGE);
    assert_int_equal(
        files->write_at(files->context, fixture->handle, fixture->page, PAGE, 0), PAGE);
    assert_int_equal(files->sync_file(files->context, fixture->handle), 0);
    assert_int_equal(files->sync_directory(files->context), 0);
}

static int64_t write_letter(struct fixture *fixture, char letter, bool is_through)
{
    const struct files *files = &fixture->files;
    memset(fixture->page, letter, PAGE);
    return is_through
               ? files->write_through(files->context, fixture->handle, fixture->page,
                                      PAGE, 0)
               : files->write_at(files->context, fixture->handle, fixture->page, PAGE, 0);
}

static void read_page(struct fixture *fixture)
{
    const struct files *files = &fixture->files;
    int handle = files->open_file(files->context, "file", false);
    assert_true(handle >= 0);
    assert_int_equal(files->read_at(files->context, handle, fixture->page, PAGE, 0),
                     PAGE);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

/*
 * Sectors of the page that hold the letter throughout; every sector must be of one
 * letter.
 */
static int count_sectors(struct fixture *fixture, char letter)
{
    int count = 0;
    for (int sector = 0; sector < PAGE / SECTOR; sector++) {
        const uint8_t *at = fixture->page + (size_t)sector * SECTOR;
        assert_memory_equal(at, at + 1, SECTOR - 1);
        count += at[0] == (uint8_t)letter;
    }
    return count;
}

static void what_is_not_synced_survives_by_sectors_at_random(void **state)
{
    struct fixture *fixture = *state;
    int survived = 0;
    int mixed = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        assert_int_equal(write_letter(fixture, 'b', false), PAGE);
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'b'), 8); // the cache has it all
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        int count = count_sectors(fixture, 'b');
        assert_int_equal(count + count_sectors(fixture, 'a'), 8);
        survived += count;
        mixed += count > 0 && count < 8;
        sim_disk_crash(fixture->disk); // what was lost stays lost
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'b'), count);
    }
    assert_in_range(survived, ROUNDS * 3, ROUNDS * 5);
    assert_true(mixed > ROUNDS / 2);
}

static void what_is_synced_survives(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        assert_int_equal(write_letter(fixture, 'b', seed % 2 == 0), PAGE);
        if (seed % 2 == 1) {
            assert_int_equal(
                fixture->files.sync_file(fixture->files.context, fixture->handle), 0);
        }
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'b'), 8);
    }
}

static void written_through_is_what_was_written_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    int survived = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        assert_int_equal(write_letter(fixture, 'b', false), PAGE);
        assert_int_equal(files->write_through(files->context, fixture->handle,
                                              fixture->page, PAGE, PAGE),
                         PAGE);
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        survived += count_sectors(fixture, 'b');
    }
    assert_in_range(survived, 1, ROUNDS * 8 - 1);
}

static void a_failed_sync_forgets_what_was_dirty(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    begin(fixture, 1);
    assert_int_equal(write_letter(fixture, 'b', false), PAGE);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SYNC, 0, EIO);
    assert_int_equal(files->sync_file(files->context, fixture->handle), -EIO);
    assert_true(sim_disk_has_failed(fixture->disk));
    assert_int_equal(files->sync_file(files->context, fixture->handle), 0); // the lie
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'b'), 8);
    sim_disk_crash(fixture->disk);
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'a'), 8);
}

/* Through a page cache a failed write may look whole until the next power loss. */
static void a_failed_write_through_a_cache_may_be_whole_there_alone(void **state)
{
    struct fixture *fixture = *state;
    int whole = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        sim_disk_set_direct(fixture->disk, false);
        sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, EIO);
        assert_int_equal(write_letter(fixture, 'b', true), -EIO);
        sim_disk_restart(fixture->disk);
        read_page(fixture);
        whole += count_sectors(fixture, 'b') == 8;
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'a'), 8);
    }
    assert_in_range(whole, ROUNDS / 4, ROUNDS * 3 / 4);
}

static void names_are_durable_once_the_directory_is_synced(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    int survived = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        assert_int_equal(files->rename_file(files->context, "file", "other"), 0);
        bool is_synced = seed % 2 == 0;
        if (is_synced) {
            assert_int_equal(files->sync_directory(files->context), 0);
        }
        sim_disk_crash(fixture->disk);
        bool has_new = files->open_file(files->context, "other", false) >= 0;
        bool has_old = files->open_file(files->context, "file", false) >= 0;
        assert_int_equal(has_new + has_old, 1);
        assert_true(has_new || !is_synced);
        survived += has_new && !is_synced;
    }
    assert_in_range(survived, 1, ROUNDS / 2 - 1);
}

static void removed_and_created_names_come_and_go(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    int created = 0;
    int removed = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        assert_true(files->open_file(files->context, "new", true) >= 0);
        assert_int_equal(files->open_file(files->context, "new", true), -EEXIST);
        assert_int_equal(files->remove_file(files->context, "file"), 0);
        assert_int_equal(files->remove_file(files->context, "file"), -ENOENT);
        sim_disk_crash(fixture->disk);
        created += files->open_file(files->context, "new", false) >= 0;
        removed += files->open_file(files->context, "file", false) < 0;
    }
    assert_in_range(created, 1, ROUNDS - 1);
    assert_in_range(removed, 1, ROUNDS - 1);
}

static void a_chosen_call_loses_power_and_all_after_it_fail(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    begin(fixture, 1);
    sim_disk_crash_after(fixture->disk, 1);
    assert_int_equal(write_letter(fixture, 'b', true), PAGE);
    assert_false(sim_disk_is_off(fixture->disk));
    assert_int_equal(write_letter(fixture, 'c', true), -EIO);
    assert_true(sim_disk_is_off(fixture->disk));
    assert_int_equal(files->sync_directory(files->context), -EIO);
    assert_int_equal(files->open_file(files->context, "file", false), -EIO);
    sim_disk_restart(fixture->disk);
    assert_false(sim_disk_is_off(fixture->disk));
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'b') + count_sectors(fixture, 'c'), 8);
    assert_int_equal(count_sectors(fixture, 'a'), 0);
    // A handle from before is known as such.
    assert_int_equal(files->sync_file(files->context, fixture->handle), -EBADF);
    assert_int_equal(files->close_file(files->context, fixture->handle), -EBADF);
}

static void a_restart_without_power_loss_keeps_the_cache(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 1);
    assert_int_equal(write_letter(fixture, 'b', false), PAGE);
    sim_disk_restart(fixture->disk);
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'b'), 8);
}

static void a_short_write_takes_a_prefix(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        begin(fixture, seed);
        sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, SIM_DISK_SHORT_WRITE);
        int64_t taken = write_letter(fixture, 'b', false);
        assert_in_range(taken, 0, PAGE - 1);
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'b'), taken / SECTOR);
        for (int64_t i = 0; i < taken; i++) {
            assert_int_equal(fixture->page[i], 'b');
        }
    }
}

static void space_is_bounded_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    begin(fixture, 1);
    sim_disk_set_capacity(fixture->disk, PAGE);
    assert_int_equal(
        files->write_at(files->context, fixture->handle, fixture->page, PAGE, PAGE),
        -ENOSPC);
    assert_int_equal(write_letter(fixture, 'b', false),
                     PAGE); // no more space than before
    int other = files->open_file(files->context, "other", true);
    assert_int_equal(files->write_at(files->context, other, fixture->page, PAGE, 0),
                     -ENOSPC);
    assert_int_equal(files->close_file(files->context, fixture->handle), 0);
    assert_int_equal(files->remove_file(files->context, "file"), 0);
    assert_int_equal(files->write_at(files->context, other, fixture->page, PAGE, 0),
                     PAGE);
}

/* The same seed and the same calls: the same bytes. */
static void an_image_put_back_is_the_media_of_its_time(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, 3);
    assert_int_equal(write_letter(fixture, 'b', false), PAGE); // in the cache alone
    sim_disk_keep_image(fixture->disk);
    assert_int_equal(fixture->files.sync_file(fixture->files.context, fixture->handle),
                     0);
    assert_true(fixture->files.open_file(fixture->files.context, "later", true) >= 0);
    assert_int_equal(fixture->files.sync_directory(fixture->files.context), 0);
    sim_disk_put_image_back(fixture->disk);
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'a'), 8);
    assert_int_equal(fixture->files.open_file(fixture->files.context, "later", false),
                     -ENOENT);
    sim_disk_crash(fixture->disk);
    read_page(fixture);
    assert_int_equal(count_sectors(fixture, 'a'), 8);
}

static void a_page_that_cannot_be_read_is_healed_by_a_write(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    for (int is_through = 0; is_through < 2; is_through++) {
        begin(fixture, 5);
        assert_false(sim_disk_make_unreadable(fixture->disk, "file", PAGE));
        assert_false(sim_disk_make_unreadable(fixture->disk, "other", 0));
        assert_true(sim_disk_make_unreadable(fixture->disk, "file", 0));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                files->read_at(files->context, fixture->handle, fixture->page, PAGE, 0),
                -EIO);
            sim_disk_crash(fixture->disk);
            fixture->handle = files->open_file(files->context, "file", false);
        }
        assert_true(sim_disk_read_media(fixture->disk, "file", 0, fixture->page, PAGE));
        assert_int_equal(count_sectors(fixture, 'a'), 0);
        assert_int_equal(write_letter(fixture, 'b', is_through), PAGE);
        if (!is_through) {
            assert_int_equal(files->sync_file(files->context, fixture->handle), 0);
        }
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        assert_int_equal(count_sectors(fixture, 'b'), 8);
    }
}

/* Power is lost while the write is in the cache: some sectors stay bad. */
static void a_torn_write_may_not_heal_a_page(void **state)
{
    struct fixture *fixture = *state;
    const struct files *files = &fixture->files;
    begin(fixture, 6);
    assert_true(sim_disk_make_unreadable(fixture->disk, "file", 0));
    assert_int_equal(write_letter(fixture, 'b', false), PAGE);
    read_page(fixture); // from the cache
    assert_int_equal(count_sectors(fixture, 'b'), 8);
    sim_disk_crash(fixture->disk);
    fixture->handle = files->open_file(files->context, "file", false);
    assert_int_equal(
        files->read_at(files->context, fixture->handle, fixture->page, PAGE, 0), -EIO);
}

static void chance_is_the_seeds_alone(void **state)
{
    struct fixture *fixture = *state;
    uint8_t first[PAGE];
    for (int round = 0; round < 2; round++) {
        begin(fixture, 77);
        assert_int_equal(write_letter(fixture, 'b', false), PAGE);
        sim_disk_crash(fixture->disk);
        read_page(fixture);
        if (round == 0) {
            memcpy(first, fixture->page, PAGE);
        }
    }
    assert_memory_equal(first, fixture->page, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_is_not_synced_survives_by_sectors_at_random),
        TEST(what_is_synced_survives),
        TEST(written_through_is_what_was_written_and_nothing_else),
        TEST(a_failed_sync_forgets_what_was_dirty),
        TEST(a_failed_write_through_a_cache_may_be_whole_there_alone),
        TEST(names_are_durable_once_the_directory_is_synced),
        TEST(removed_and_created_names_come_and_go),
        TEST(a_chosen_call_loses_power_and_all_after_it_fail),
        TEST(a_restart_without_power_loss_keeps_the_cache),
        TEST(a_short_write_takes_a_prefix),
        TEST(space_is_bounded_and_comes_back),
        TEST(an_image_put_back_is_the_media_of_its_time),
        TEST(a_page_that_cannot_be_read_is_healed_by_a_write),
        TEST(a_torn_write_may_not_heal_a_page),
        TEST(chance_is_the_seeds_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
