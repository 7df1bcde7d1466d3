/*
 * The log on a simulated disk: what is committed is read back, before and after a
 * restart.
 */
#include "wal/internal.h"
#include "wal/wal.h"

#include "support/disk.h"
#include "support/twin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEGMENT_BYTES = 64 * 1024, DISK_BYTES = 16 * 1024 * 1024 };

struct fixture {
    struct sim_disk *disk;
    struct files files;
    struct wal_settings settings;
    struct wal_recovery recovery;
    struct wal *wal;
    struct twin *twin;
    struct cs_buffer records;
};

static enum wal_status try_open(struct fixture *fixture)
{
    return wal_open(&fixture->wal, &fixture->files, &fixture->settings,
                    &fixture->recovery);
}

static void open_log(struct fixture *fixture)
{
    enum wal_status status = try_open(fixture);
    if (status != WAL_OK) {
        fail_msg("%s", fixture->recovery.sentence);
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->disk = sim_disk_new(1, DISK_BYTES);
    fixture->files = sim_disk_files(fixture->disk);
    fixture->settings = (struct wal_settings){
        .segment_bytes = SEGMENT_BYTES,
        .ready_segments = 2,
        .ring_entries = 64,
        .ring_bytes = 16 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 11, .low = 12},
    };
    fixture->twin = twin_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    wal_close(&fixture->wal);
    twin_destroy(&fixture->twin);
    sim_disk_destroy(&fixture->disk);
    buffer_fini(&fixture->records);
    free(fixture);
    return 0;
}

static enum wal_status try_commit(struct fixture *fixture)
{
    struct wal_commit commit = {0};
    enum wal_status status =
        wal_commit(fixture->wal, view_of_buffer(&fixture->records), &commit);
    fixture->records.bytes = 0;
    if (status == WAL_OK) {
        assert_int_equal(commit.token, fixture->twin->token);
    }
    return status;
}

static void commit(struct fixture *fixture)
{
    if (try_commit(fixture) != WAL_OK) {
        fail_msg("%s", wal_error(fixture->wal));
    }
}

static void append(struct fixture *fixture, uint32_t count, uint32_t payload_bytes)
{
    twin_append(fixture->twin, count, payload_bytes, &fixture->records);
    commit(fixture);
}

static void promise(struct fixture *fixture)
{
    twin_promise(fixture->twin, &fixture->records);
    commit(fixture);
}

static void assert_log_is_twin(struct fixture *fixture, uint32_t entries_max)
{
    const char *difference = twin_compare_log(fixture->twin, fixture->wal, entries_max);
    if (difference != NULL) {
        fail_msg("the log differs: %s", difference);
    }
}

static void assert_recovered_is_twin(struct fixture *fixture)
{
    const char *difference =
        twin_compare_recovered(fixture->twin, &fixture->recovery.core);
    if (difference != NULL) {
        fail_msg("recovery differs: %s", difference);
    }
}

static void restart(struct fixture *fixture)
{
    wal_close(&fixture->wal);
    open_log(fixture);
}

/* Power is lost; what follows is what the media kept. */
static void crash(struct fixture *fixture)
{
    sim_disk_crash(fixture->disk);
    restart(fixture);
}

/*
 * ---- opening
 * --------------------------------------------------------------------------
 */

static void new_directory_is_fresh_and_in_its_first_boot(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    assert_true(fixture->recovery.is_fresh);
    assert_int_equal(fixture->recovery.boot, 1);
    assert_int_equal(fixture->recovery.incarnation.high, 11);
    assert_int_equal(fixture->recovery.core.length, 0);
    assert_int_equal(fixture->recovery.core.block, 1);
    assert_null(fixture->recovery.core.tail);
    assert_true(wal_has_room(fixture->wal));
}

static void each_start_is_a_boot_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    fixture->settings.fresh_incarnation.high = 99;
    for (uint64_t boot = 2; boot < 6; boot++) {
        crash(fixture);
        assert_int_equal(fixture->recovery.boot, boot);
        assert_false(fixture->recovery.is_fresh);
        assert_int_equal(fixture->recovery.incarnation.high, 11);
    }
}

static void settings_that_make_no_log_are_refused_with_a_sentence(void **state)
{
    struct fixture *fixture = *state;
    const struct wal_settings good = fixture->settings;
    struct wal_settings bad[7] = {good, good, good, good, good, good, good};
    bad[0].segment_bytes = 60 * 1024;
    bad[1].segment_bytes = SEGMENT_BYTES + 512;
    bad[2].ready_segments = 0;
    bad[3].ready_segments = 9;
    bad[4].durability = 3;
    bad[5].ring_entries = 0;
    bad[6].window_entries = good.ring_entries;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture->settings = bad[i];
        assert_int_equal(try_open(fixture), WAL_UNUSABLE);
        assert_null(fixture->wal);
        assert_true(fixture->recovery.sentence[0] != '\0');
    }
}

/*
 * ---- committing and reading
 * -----------------------------------------------------------
 */

static void committed_entries_are_read_back(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    promise(fixture);
    append(fixture, 1, 100);
    append(fixture, 10, 300);
    append(fixture, 1, 0);
    assert_log_is_twin(fixture, 1);
    assert_log_is_twin(fixture, 5);
    assert_log_is_twin(fixture, 1000);
}

static void several_records_make_one_block(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    uint64_t before = sim_disk_counters_of(fixture->disk).syncs;
    for (int i = 0; i < 8; i++) {
        twin_append(fixture->twin, 2, 50, &fixture->records);
    }
    commit(fixture);
    assert_int_equal(sim_disk_counters_of(fixture->disk).syncs - before, 1);
    assert_log_is_twin(fixture, 3);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 3);
}

static void what_was_committed_survives_power_loss(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    twin_configure(fixture->twin, &fixture->records);
    commit(fixture);
    promise(fixture);
    for (int i = 0; i < 50; i++) {
        append(fixture, 3, 700);
        twin_decide(fixture->twin, fixture->twin->length - 2);
    }
    append(fixture, 1, 10);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_int_equal(fixture->recovery.core.decided, fixture->twin->decided);
    assert_log_is_twin(fixture, 7);
    assert_true(fixture->recovery.core.block > 50);
}

static void replaced_suffixes_read_as_replaced(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 20, 40);
    promise(fixture);
    twin_sync(fixture->twin, 11, 5, 60, &fixture->records);
    commit(fixture);
    assert_log_is_twin(fixture, 4);
    append(fixture, 6, 30);
    // Two replacements and an append within one block, the first of them far back.
    twin_decide(fixture->twin, 3);
    twin_fetch(fixture->twin, 4, 9, 90, &fixture->records);
    twin_append(fixture->twin, 2, 20, &fixture->records);
    twin_promise(fixture->twin, &fixture->records);
    twin_sync(fixture->twin, 14, 4, 33, &fixture->records);
    commit(fixture);
    assert_log_is_twin(fixture, 1);
    assert_log_is_twin(fixture, 100);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 1);
    append(fixture, 1, 1000);
    crash(fixture);
    assert_log_is_twin(fixture, 100);
}

static void a_log_may_be_cut_without_new_entries(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 9, 40);
    promise(fixture);
    twin_sync(fixture->twin, 5, 0, 0, &fixture->records);
    commit(fixture);
    assert_log_is_twin(fixture, 10);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    append(fixture, 2, 40);
    assert_log_is_twin(fixture, 10);
}

static void slices_keep_to_their_limits(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 30, 300);
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
    struct fixture *fixture = *state;
    open_log(fixture);
    size_t body_max = wal_block_body_max(&fixture->settings);
    assert_int_equal(body_max, SEGMENT_BYTES / 2);
    uint32_t payload = (uint32_t)body_max - 88 - 48 - 8;
    for (int i = 0; i < 5; i++) {
        append(fixture, 1, payload);
        append(fixture, 1, 10);
    }
    assert_log_is_twin(fixture, 3);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 3);
}

static void recovery_hands_over_no_more_than_the_ring_holds(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    for (int i = 0; i < 40; i++) {
        append(fixture, 5, 100);
        twin_decide(fixture->twin, fixture->twin->length - 4);
    }
    crash(fixture);
    const struct paxos_recovered *core = &fixture->recovery.core;
    assert_true(core->length - core->base <= 64 - 16);
    assert_true(core->base < core->decided);
    assert_recovered_is_twin(fixture);
    // Fewer bytes: nearly nothing decided comes along.
    fixture->settings.ring_bytes = 250;
    crash(fixture);
    assert_true(core->decided - core->base <= 4);
    assert_recovered_is_twin(fixture);
    wal_forget_tail(fixture->wal);
}

static void more_undecided_slots_than_the_ring_holds_are_refused(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 30, 20);
    wal_close(&fixture->wal);
    fixture->settings.ring_entries = 20;
    assert_int_equal(try_open(fixture), WAL_UNUSABLE);
    assert_non_null(strstr(fixture->recovery.sentence, "30"));
    fixture->settings.ring_entries = 64;
    open_log(fixture);
    assert_recovered_is_twin(fixture);
}

/*
 * ---- segments
 * -------------------------------------------------------------------------
 */

static void make_ready(struct fixture *fixture)
{
    uint64_t number = 0;
    while (wal_wants_segment(fixture->wal, &number)) {
        assert_int_equal(wal_prepare_segment(&fixture->files, &fixture->settings, number),
                         WAL_OK);
        wal_adopt_segment(fixture->wal, number);
    }
}

static void a_log_goes_on_over_many_segments(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    for (int i = 0; i < 60; i++) {
        append(fixture, 4, 3000);
        twin_decide(fixture->twin, fixture->twin->length);
        make_ready(fixture);
    }
    assert_true(fixture->wal->segment.number > 10);
    assert_log_is_twin(fixture, 9);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 9);
}

static void a_helper_is_waited_for_and_a_full_disk_is_told_before(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    wal_leave_preparing(fixture->wal);
    while (fixture->wal->ready_count > 0) {
        append(fixture, 1, 4000);
    }
    enum wal_status status = WAL_OK;
    struct twin *before = NULL;
    for (int i = 0; i < 20 && status == WAL_OK; i++) {
        twin_destroy(&before);
        before = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 4000, &fixture->records);
        status = try_commit(fixture);
    }
    assert_int_equal(status, WAL_FULL);
    twin_assign(fixture->twin, before); // nothing was written
    twin_destroy(&before);
    assert_log_is_twin(fixture, 50);
    make_ready(fixture);
    append(fixture, 1, 4000);
    crash(fixture);
    assert_log_is_twin(fixture, 50);
}

static void a_full_disk_refuses_commits_and_recovers_by_itself(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    sim_disk_set_capacity(fixture->disk, 0);
    uint64_t number = 0;
    append(fixture, 1, 30000);
    append(fixture, 1, 30000);
    assert_true(wal_wants_segment(fixture->wal, &number));
    assert_int_equal(wal_prepare_segment(&fixture->files, &fixture->settings, number),
                     WAL_FULL);
    wal_set_no_room(fixture->wal, true);
    assert_false(wal_has_room(fixture->wal));
    enum wal_status status = WAL_OK;
    struct twin *before = NULL;
    for (int i = 0; i < 20 && status == WAL_OK; i++) {
        twin_destroy(&before);
        before = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 30000, &fixture->records);
        status = try_commit(fixture);
    }
    assert_int_equal(status, WAL_FULL);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    assert_log_is_twin(fixture, 50);
    // It starts again on a full disk: an empty block fits what is left, or it says so.
    sim_disk_set_capacity(fixture->disk, DISK_BYTES);
    append(fixture, 1, 30000);
    assert_true(wal_has_room(fixture->wal));
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 50);
}

static void a_full_disk_is_no_reason_not_to_start(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 1, 30000);
    wal_close(&fixture->wal);
    assert_int_equal(fixture->files.remove_file(fixture->disk, "ready-0000000003"), 0);
    sim_disk_set_capacity(fixture->disk, 0);
    open_log(fixture);
    assert_false(wal_has_room(fixture->wal));
    assert_recovered_is_twin(fixture);
}

static void another_segment_size_is_taken_from_the_next_segment_on(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 3, 9000);
    wal_close(&fixture->wal);
    fixture->settings.segment_bytes = 4 * SEGMENT_BYTES;
    open_log(fixture);
    for (int i = 0; i < 4; i++) {
        append(fixture, 4, 30000);
    }
    assert_int_equal(fixture->wal->segment.bytes, 4 * SEGMENT_BYTES);
    crash(fixture);
    assert_log_is_twin(fixture, 50);
    wal_close(&fixture->wal);
    fixture->settings.segment_bytes = SEGMENT_BYTES;
    open_log(fixture);
    assert_log_is_twin(fixture, 50);
}

/* Copies the bytes of log-1 into ready-2: a file that has lived before. */
static void recycle(struct fixture *fixture)
{
    uint8_t *bytes = malloc(SEGMENT_BYTES);
    assert_non_null(bytes);
    assert_true(
        sim_disk_read_media(fixture->disk, "log-0000000001", 0, bytes, SEGMENT_BYTES));
    assert_true(
        sim_disk_overwrite(fixture->disk, "ready-0000000002", 0, bytes, SEGMENT_BYTES));
    free(bytes);
}

static void old_content_of_a_recycled_segment_never_validates(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    // The stale copy holds whole blocks, one of them where the next block will go.
    append(fixture, 1, 3000);
    append(fixture, 1, 3000);
    recycle(fixture);
    append(fixture, 1, 30000);
    append(fixture, 1, 30000);
    assert_int_equal(fixture->wal->segment.number, 2);
    assert_int_equal(fixture->wal->segment.generation, 2);
    crash(fixture);
    assert_int_equal(fixture->wal->segment.generation, 2);
    assert_recovered_is_twin(fixture);
    append(fixture, 1, 100);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_log_is_twin(fixture, 50);
}

/*
 * ---- seal, durability
 * -----------------------------------------------------------------
 */

static void a_seal_follows_each_block_once(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    assert_false(wal_wants_seal(fixture->wal));
    append(fixture, 1, 100);
    assert_true(wal_wants_seal(fixture->wal));
    uint64_t block = fixture->wal->block;
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    assert_false(wal_wants_seal(fixture->wal));
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    assert_int_equal(fixture->wal->block, block + 1);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    assert_int_equal(fixture->recovery.core.block, block + 2);
}

static void a_seal_without_room_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    wal_leave_preparing(fixture->wal);
    fixture->wal->ready_count = 0;
    while (fixture->wal->segment.offset < fixture->wal->segment.bytes) {
        append(fixture, 1, 100);
    }
    assert_int_equal(wal_seal(fixture->wal), WAL_FULL);
    assert_false(wal_wants_seal(fixture->wal));
    fixture->wal->ready_count = 2;
    append(fixture, 1, 100);
    assert_log_is_twin(fixture, 100);
}

static void without_sync_a_crash_may_lose_the_end_but_never_the_middle(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.durability = WAL_INTERVAL;
    open_log(fixture);
    for (int round = 0; round < 60; round++) {
        cs_slot synced = fixture->twin->length;
        assert_int_equal(wal_sync(fixture->wal), WAL_OK);
        for (int i = 0; i < 7; i++) {
            append(fixture, 1, 2500);
        }
        struct twin *written = twin_copy(fixture->twin);
        sim_disk_crash(fixture->disk);
        restart(fixture);
        const struct paxos_recovered *core = &fixture->recovery.core;
        assert_true(core->length >= synced);
        assert_true(core->length <= written->length);
        twin_assign(fixture->twin, written);
        fixture->twin->length = core->length;
        fixture->twin->token = core->token;
        fixture->twin->decided = core->decided;
        assert_log_is_twin(fixture, 30);
        // The next round appends anew.
        twin_decide(fixture->twin, core->length);
        twin_destroy(&written);
    }
}

static void without_sync_promises_are_durable_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.durability = WAL_NONE;
    open_log(fixture);
    append(fixture, 3, 500);
    promise(fixture);
    crash(fixture);
    assert_recovered_is_twin(fixture);
    append(fixture, 3, 500);
    wal_close(&fixture->wal); // a clean stop syncs
    sim_disk_crash(fixture->disk);
    open_log(fixture);
    assert_recovered_is_twin(fixture);
}

/*
 * ---- failures
 * -------------------------------------------------------------------------
 */

static void after_a_failed_write_nothing_is_taken_any_more(void **state)
{
    static const int ERRORS[] = {EIO, ENOSPC, SIM_DISK_SHORT_WRITE};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        open_log(fixture);
        append(fixture, 2, 100);
        sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, ERRORS[i]);
        struct twin *acknowledged = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 3000, &fixture->records);
        assert_int_equal(try_commit(fixture), WAL_FAILED);
        assert_true(wal_error(fixture->wal)[0] != '\0');
        twin_append(fixture->twin, 1, 3000, &fixture->records);
        assert_int_equal(try_commit(fixture), WAL_FAILED);
        assert_int_equal(wal_seal(fixture->wal), WAL_FAILED);
        assert_int_equal(wal_sync(fixture->wal), WAL_FAILED);
        assert_false(wal_wants_seal(fixture->wal));
        twin_assign(fixture->twin, acknowledged);
        twin_destroy(&acknowledged);
        assert_log_is_twin(fixture, 10); // what is durable can still be read
        wal_close(&fixture->wal);
        sim_disk_restart(fixture->disk);
    }
}

static void damage_found_when_reading_names_file_and_offset(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    append(fixture, 1, 3000);
    append(fixture, 1, 3000);
    const uint8_t rot = 0xa5;
    assert_true(
        sim_disk_overwrite(fixture->disk, "log-0000000001", 8192 + 1000, &rot, 1));
    struct wal_slice slice;
    assert_int_equal(wal_read(fixture->wal, 1, 2, 10, UINT64_MAX, &slice), WAL_DAMAGED);
    assert_non_null(strstr(wal_error(fixture->wal), "log-0000000001"));
    assert_non_null(strstr(wal_error(fixture->wal), "8192"));
    assert_int_equal(slice.entry_count, 0);
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 0, EIO);
    assert_int_equal(wal_read(fixture->wal, 2, 2, 10, UINT64_MAX, &slice), WAL_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(new_directory_is_fresh_and_in_its_first_boot),
        TEST(each_start_is_a_boot_of_its_own),
        TEST(settings_that_make_no_log_are_refused_with_a_sentence),
        TEST(committed_entries_are_read_back),
        TEST(several_records_make_one_block),
        TEST(what_was_committed_survives_power_loss),
        TEST(replaced_suffixes_read_as_replaced),
        TEST(a_log_may_be_cut_without_new_entries),
        TEST(slices_keep_to_their_limits),
        TEST(the_largest_block_fits_and_is_read_back),
        TEST(recovery_hands_over_no_more_than_the_ring_holds),
        TEST(more_undecided_slots_than_the_ring_holds_are_refused),
        TEST(a_log_goes_on_over_many_segments),
        TEST(a_helper_is_waited_for_and_a_full_disk_is_told_before),
        TEST(a_full_disk_refuses_commits_and_recovers_by_itself),
        TEST(a_full_disk_is_no_reason_not_to_start),
        TEST(another_segment_size_is_taken_from_the_next_segment_on),
        TEST(old_content_of_a_recycled_segment_never_validates),
        TEST(a_seal_follows_each_block_once),
        TEST(a_seal_without_room_is_left_out),
        TEST(without_sync_a_crash_may_lose_the_end_but_never_the_middle),
        TEST(without_sync_promises_are_durable_all_the_same),
        TEST(after_a_failed_write_nothing_is_taken_any_more),
        TEST(damage_found_when_reading_names_file_and_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
