/*
 * The log on a simulated disk: what is committed is read back, before and after a
 * restart.
 */
#include "wal/internal.h"

#include "support/log_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- opening ----------------------------------------------------------------------- */

static void new_directory_is_fresh_and_in_its_first_boot(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    assert_true(fixture->recovery.is_fresh);
    assert_int_equal(fixture->recovery.boot, 1);
    assert_int_equal(fixture->recovery.incarnation.high, 11);
    assert_int_equal(fixture->recovery.core.length, 0);
    assert_int_equal(fixture->recovery.core.block, 0); // none with records
    assert_null(fixture->recovery.core.tail);
    assert_true(wal_has_room(fixture->wal));
}

static void each_start_is_a_boot_of_its_own(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    fixture->settings.fresh_incarnation.high = 99;
    for (uint64_t boot = 2; boot < 6; boot++) {
        log_fixture_crash(fixture);
        assert_int_equal(fixture->recovery.boot, boot);
        assert_false(fixture->recovery.is_fresh);
        assert_int_equal(fixture->recovery.incarnation.high, 11);
    }
}

static void settings_that_make_no_log_are_refused_with_a_sentence(void **state)
{
    struct log_fixture *fixture = *state;
    const struct wal_settings good = fixture->settings;
    struct wal_settings bad[7] = {good, good, good, good, good, good, good};
    bad[0].segment_bytes = 60 * 1024;
    bad[1].segment_bytes = LOG_FIXTURE_SEGMENT_BYTES + 512;
    bad[2].ready_segments = 0;
    bad[3].ready_segments = 9;
    bad[4].durability = 3;
    bad[5].ring_entries = 0;
    bad[6].window_entries = good.ring_entries;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture->settings = bad[i];
        assert_int_equal(log_fixture_try_open(fixture), WAL_UNUSABLE);
        assert_null(fixture->wal);
        assert_true(fixture->recovery.sentence[0] != '\0');
    }
}

/* ---- committing and reading -------------------------------------------------------- */

static void committed_entries_are_read_back(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_promise(fixture);
    log_fixture_append(fixture, 1, 100);
    log_fixture_append(fixture, 10, 300);
    log_fixture_append(fixture, 1, 0);
    log_fixture_assert_log(fixture, 1);
    log_fixture_assert_log(fixture, 5);
    log_fixture_assert_log(fixture, 1000);
}

static void several_records_make_one_block(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    uint64_t before = sim_disk_counters_of(fixture->disk).syncs;
    for (int i = 0; i < 8; i++) {
        twin_append(fixture->twin, 2, 50, &fixture->records);
    }
    log_fixture_commit(fixture);
    assert_int_equal(sim_disk_counters_of(fixture->disk).syncs - before, 1);
    log_fixture_assert_log(fixture, 3);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 3);
}

static void what_was_committed_survives_power_loss(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    twin_configure(fixture->twin, &fixture->records);
    log_fixture_commit(fixture);
    log_fixture_promise(fixture);
    for (int i = 0; i < 50; i++) {
        log_fixture_append(fixture, 3, 700);
        twin_decide(fixture->twin, fixture->twin->length - 2);
    }
    log_fixture_append(fixture, 1, 10);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.core.decided, fixture->twin->decided);
    log_fixture_assert_log(fixture, 7);
    assert_true(fixture->recovery.core.block > 50);
}

/* Else a disk that went back in time would catch up with what peers remember (G2). */
static void starting_again_and_again_counts_for_no_block(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    uint64_t block = fixture->wal->block;
    for (int i = 0; i < 3; i++) {
        log_fixture_crash(fixture);
        log_fixture_assert_recovered(fixture);
        assert_int_equal(fixture->recovery.core.block, block);
    }
    log_fixture_append(fixture, 1, 100);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.core.block, block + 4);
}

static void a_config_counts_for_no_block(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    struct wal_commit commit = {0};
    twin_configure(fixture->twin, &fixture->records);
    assert_int_equal(wal_commit(fixture->wal, view_of_buffer(&fixture->records), &commit),
                     WAL_OK);
    fixture->records.bytes = 0;
    assert_int_equal(commit.block, 0);
    assert_int_equal(commit.token, fixture->twin->token);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.core.block, 0);
    // Beside another record it does.
    twin_configure(fixture->twin, &fixture->records);
    twin_promise(fixture->twin, &fixture->records);
    log_fixture_commit(fixture);
    uint64_t block = fixture->wal->block;
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.core.block, block);
}

static void a_note_counts_for_no_block(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    uint64_t block = fixture->wal->block;
    struct paxos_persist record = {.kind = PAXOS_PERSIST_NOTE};
    fixture->twin->watermarks[1].block = 77;
    wal_pack_record(&fixture->records, &record, NULL, NULL, &fixture->twin->config,
                    fixture->twin->watermarks);
    struct wal_commit commit = {0};
    assert_int_equal(wal_commit(fixture->wal, view_of_buffer(&fixture->records), &commit),
                     WAL_OK);
    fixture->records.bytes = 0;
    assert_int_equal(fixture->wal->block, block + 1);
    assert_int_equal(commit.block, block);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.core.block, block);
}

static void replaced_suffixes_read_as_replaced(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 20, 40);
    log_fixture_promise(fixture);
    twin_sync(fixture->twin, 11, 5, 60, &fixture->records);
    log_fixture_commit(fixture);
    log_fixture_assert_log(fixture, 4);
    log_fixture_append(fixture, 6, 30);
    // Two replacements and an append within one block, the first of them far back.
    twin_decide(fixture->twin, 3);
    twin_fetch(fixture->twin, 4, 9, 90, &fixture->records);
    twin_append(fixture->twin, 2, 20, &fixture->records);
    twin_promise(fixture->twin, &fixture->records);
    twin_sync(fixture->twin, 14, 4, 33, &fixture->records);
    log_fixture_commit(fixture);
    log_fixture_assert_log(fixture, 1);
    log_fixture_assert_log(fixture, 100);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 1);
    log_fixture_append(fixture, 1, 1000);
    log_fixture_crash(fixture);
    log_fixture_assert_log(fixture, 100);
}

static void a_log_may_be_cut_without_new_entries(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 9, 40);
    log_fixture_promise(fixture);
    twin_sync(fixture->twin, 5, 0, 0, &fixture->records);
    log_fixture_commit(fixture);
    log_fixture_assert_log(fixture, 10);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_append(fixture, 2, 40);
    log_fixture_assert_log(fixture, 10);
}

static void slices_keep_to_their_limits(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 30, 300);
    struct wal_slice slice;
    assert_int_equal(wal_read(fixture->wal, 10, 30, 4, UINT64_MAX, &slice), WAL_OK);
    assert_int_equal(slice.entry_count, 4);
    wal_slice_fini(&slice);
    assert_int_equal(wal_read(fixture->wal, 10, 30, 100, 1000, &slice), WAL_OK);
    assert_int_equal(slice.entry_count, 3);
    wal_slice_fini(&slice);
    assert_int_equal(wal_read(fixture->wal, 10, 30, 100, 1, &slice), WAL_OK);
    assert_int_equal(slice.entry_count, 1);
    wal_slice_fini(&slice);
    assert_int_equal(wal_read(fixture->wal, 28, 90, 100, UINT64_MAX, &slice), WAL_OK);
    assert_int_equal(slice.entry_count, 3);
    wal_slice_fini(&slice);
    assert_int_equal(wal_read(fixture->wal, 31, 90, 100, UINT64_MAX, &slice), WAL_OK);
    assert_int_equal(slice.entry_count, 0);
    wal_slice_fini(&slice);
}

static void the_largest_block_fits_and_is_read_back(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    size_t body_max = wal_block_body_max(&fixture->settings);
    assert_int_equal(body_max, LOG_FIXTURE_SEGMENT_BYTES / 2);
    uint32_t payload = (uint32_t)body_max - 88 - 48 - 8;
    for (int i = 0; i < 5; i++) {
        log_fixture_append(fixture, 1, payload);
        log_fixture_append(fixture, 1, 10);
    }
    log_fixture_assert_log(fixture, 3);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 3);
}

static void recovery_hands_over_no_more_than_the_ring_holds(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    for (int i = 0; i < 40; i++) {
        log_fixture_append(fixture, 5, 100);
        twin_decide(fixture->twin, fixture->twin->length - 4);
    }
    log_fixture_crash(fixture);
    const struct paxos_recovered *core = &fixture->recovery.core;
    assert_true(core->length - core->base <= 64 - 16);
    assert_true(core->base < core->decided);
    log_fixture_assert_recovered(fixture);
    // Fewer bytes: nearly nothing decided comes along.
    fixture->settings.ring_bytes = 250;
    log_fixture_crash(fixture);
    assert_true(core->decided - core->base <= 4);
    log_fixture_assert_recovered(fixture);
    wal_forget_tail(fixture->wal);
}

static void more_undecided_slots_than_the_ring_holds_are_refused(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 30, 20);
    wal_close(&fixture->wal);
    fixture->settings.ring_entries = 20;
    assert_int_equal(log_fixture_try_open(fixture), WAL_UNUSABLE);
    assert_non_null(strstr(fixture->recovery.sentence, "30"));
    fixture->settings.ring_entries = 64;
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
}

/* ---- failures ---------------------------------------------------------------------- */

static void after_a_failed_write_nothing_is_taken_any_more(void **state)
{
    static const int ERRORS[] = {EIO, ENOSPC, SIM_DISK_SHORT_WRITE};
    struct log_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        log_fixture_open(fixture);
        log_fixture_append(fixture, 2, 100);
        sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, ERRORS[i]);
        struct twin *acknowledged = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 3000, &fixture->records);
        assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
        assert_true(wal_error(fixture->wal)[0] != '\0');
        twin_append(fixture->twin, 1, 3000, &fixture->records);
        assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
        assert_int_equal(wal_seal(fixture->wal), WAL_FAILED);
        assert_int_equal(wal_sync(fixture->wal), WAL_FAILED);
        assert_false(wal_wants_seal(fixture->wal));
        twin_assign(fixture->twin, acknowledged);
        twin_destroy(&acknowledged);
        log_fixture_assert_log(fixture, 10); // what is durable can still be read
        wal_close(&fixture->wal);
        sim_disk_restart(fixture->disk);
    }
}

static void a_failed_sync_is_not_tried_again(void **state)
{
    struct log_fixture *fixture = *state;
    fixture->settings.durability = WAL_NONE;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 2, 100);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SYNC, 0, EIO);
    // The pages are clean now and nowhere: a second sync would succeed (fsyncgate).
    assert_int_equal(wal_sync(fixture->wal), WAL_FAILED);
    assert_int_equal(wal_sync(fixture->wal), WAL_FAILED);
    twin_append(fixture->twin, 1, 100, &fixture->records);
    assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
}

static void damage_found_when_reading_ends_the_slice(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 3000);
    log_fixture_append(fixture, 1, 3000);
    const uint8_t rot = 0xa5;
    assert_true(
        sim_disk_overwrite(fixture->disk, "log-0000000001", 8192 + 1000, &rot, 1));
    struct wal_slice slice;
    assert_int_equal(wal_read(fixture->wal, 1, 2, 10, UINT64_MAX, &slice), WAL_OK);
    assert_non_null(strstr(wal_error(fixture->wal), "log-0000000001"));
    assert_non_null(strstr(wal_error(fixture->wal), "8192"));
    assert_int_equal(slice.entry_count, 0);
    assert_int_equal(slice.fault.first, 1);
    assert_int_equal(slice.fault.last, 1); // the next block is sound
    wal_slice_fini(&slice);
}

static void a_disk_that_does_not_read_is_no_damage(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 2, 3000);
    struct wal_slice slice;
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 0, ENXIO);
    assert_int_equal(wal_read(fixture->wal, 2, 2, 10, UINT64_MAX, &slice), WAL_DAMAGED);
}

static void a_window_that_one_large_block_needed_is_given_back(void **state)
{
    struct log_fixture *fixture = *state;
    fixture->settings.segment_bytes = 4 * 1024 * 1024;
    fixture->settings.ready_segments = 1;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, WAL_READ_IDLE_BYTES + 100);
    log_fixture_append(fixture, 1, 10);
    for (int i = 0; i < 2; i++) {
        struct wal_slice slice = {0};
        assert_int_equal(wal_read(fixture->wal, 1, 2, 9, UINT64_MAX, &slice), WAL_OK);
        assert_int_equal(slice.entry_count, 2);
        wal_slice_fini(&slice);
        assert_true(fixture->wal->reader.capacity_bytes <= WAL_READ_IDLE_BYTES);
    }
}

/* The write after `calls` others says `error` while a directory is made. */
static enum wal_status
open_with_failing_write(uint64_t calls, int error, bool *has_failed)
{
    struct log_fixture *fixture = log_fixture_new();
    sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, calls, error);
    enum wal_status status = log_fixture_try_open(fixture);
    *has_failed = sim_disk_has_failed(fixture->disk);
    log_fixture_destroy(&fixture);
    return status;
}

static void a_used_up_quota_is_a_full_disk(void **state)
{
    (void)state;
    bool has_failed = true;
    uint64_t full_count = 0;
    for (uint64_t calls = 0; has_failed; calls++) {
        enum wal_status full = open_with_failing_write(calls, ENOSPC, &has_failed);
        enum wal_status quota = open_with_failing_write(calls, EDQUOT, &has_failed);
        assert_int_equal(full, quota);
        full_count += full == WAL_FULL;
    }
    assert_true(full_count > 0);
}

static void what_cannot_be_made_durable_is_not_promised_over(void **state)
{
    struct log_fixture *fixture = *state;
    fixture->settings.durability = WAL_INTERVAL;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SYNC, 0, EIO);
    twin_promise(fixture->twin, &fixture->records);
    assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
    assert_true(sim_disk_has_failed(fixture->disk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(new_directory_is_fresh_and_in_its_first_boot),
        TEST(each_start_is_a_boot_of_its_own),
        TEST(settings_that_make_no_log_are_refused_with_a_sentence),
        TEST(committed_entries_are_read_back),
        TEST(several_records_make_one_block),
        TEST(what_was_committed_survives_power_loss),
        TEST(starting_again_and_again_counts_for_no_block),
        TEST(a_config_counts_for_no_block),
        TEST(a_note_counts_for_no_block),
        TEST(replaced_suffixes_read_as_replaced),
        TEST(a_log_may_be_cut_without_new_entries),
        TEST(slices_keep_to_their_limits),
        TEST(the_largest_block_fits_and_is_read_back),
        TEST(recovery_hands_over_no_more_than_the_ring_holds),
        TEST(more_undecided_slots_than_the_ring_holds_are_refused),
        TEST(after_a_failed_write_nothing_is_taken_any_more),
        TEST(a_failed_sync_is_not_tried_again),
        TEST(damage_found_when_reading_ends_the_slice),
        TEST(a_disk_that_does_not_read_is_no_damage),
        TEST(a_window_that_one_large_block_needed_is_given_back),
        TEST(a_used_up_quota_is_a_full_disk),
        TEST(what_cannot_be_made_durable_is_not_promised_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
