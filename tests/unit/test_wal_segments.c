/* The log over its segments: switching, preparing, a full disk, recycled files, seals. */
#include "wal/internal.h"
#include "wal/wal.h"

#include "support/log_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- segments ---------------------------------------------------------------------- */

static void make_ready(struct log_fixture *fixture)
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
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    for (int i = 0; i < 60; i++) {
        log_fixture_append(fixture, 4, 3000);
        twin_decide(fixture->twin, fixture->twin->length);
        make_ready(fixture);
    }
    assert_true(fixture->wal->segment.number > 10);
    log_fixture_assert_log(fixture, 9);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 9);
}

static void a_helper_is_waited_for_and_a_full_disk_is_told_before(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    wal_leave_preparing(fixture->wal);
    while (fixture->wal->ready_count > 0) {
        log_fixture_append(fixture, 1, 4000);
    }
    enum wal_status status = WAL_OK;
    struct twin *before = NULL;
    for (int i = 0; i < 20 && status == WAL_OK; i++) {
        twin_destroy(&before);
        before = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 4000, &fixture->records);
        status = log_fixture_try_commit(fixture);
    }
    assert_int_equal(status, WAL_FULL);
    twin_assign(fixture->twin, before); // nothing was written
    twin_destroy(&before);
    log_fixture_assert_log(fixture, 50);
    make_ready(fixture);
    log_fixture_append(fixture, 1, 4000);
    log_fixture_crash(fixture);
    log_fixture_assert_log(fixture, 50);
}

static void a_full_disk_refuses_commits_and_recovers_by_itself(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    sim_disk_set_capacity(fixture->disk, 0);
    uint64_t number = 0;
    log_fixture_append(fixture, 1, 30000);
    log_fixture_append(fixture, 1, 30000);
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
        status = log_fixture_try_commit(fixture);
    }
    assert_int_equal(status, WAL_FULL);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    log_fixture_assert_log(fixture, 50);
    // It starts again on a full disk: an empty block fits what is left, or it says so.
    sim_disk_set_capacity(fixture->disk, LOG_FIXTURE_DISK_BYTES);
    log_fixture_append(fixture, 1, 30000);
    assert_true(wal_has_room(fixture->wal));
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 50);
}

static void a_full_disk_is_no_reason_not_to_start(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 30000);
    wal_close(&fixture->wal);
    assert_int_equal(fixture->files.remove_file(fixture->disk, "ready-0000000003"), 0);
    sim_disk_set_capacity(fixture->disk, 0);
    log_fixture_open(fixture);
    assert_false(wal_has_room(fixture->wal));
    log_fixture_assert_recovered(fixture);
}

static void too_many_open_files_are_no_reason_not_to_start(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    wal_close(&fixture->wal);
    assert_int_equal(fixture->files.remove_file(fixture->disk, "ready-0000000003"), 0);
    enum { OPENS = 5 }; // before the segment is made that is missing
    sim_disk_fail_next(fixture->disk, SIM_DISK_OPEN, OPENS, EMFILE);
    log_fixture_open(fixture);
    assert_true(sim_disk_has_failed(fixture->disk));
    assert_true(wal_has_room(fixture->wal));
    assert_int_equal(fixture->wal->ready_count, 1);
    log_fixture_assert_recovered(fixture);
}

/* A segment that cannot be begun now is begun later. */
static void wait_at(struct log_fixture *fixture, enum sim_disk_call call, int error)
{
    uint64_t number = fixture->wal->segment.number;
    struct twin *before = NULL;
    enum wal_status status = WAL_OK;
    sim_disk_fail_next(fixture->disk, call, 0, error);
    while (status == WAL_OK) {
        assert_true(wal_has_room(fixture->wal));
        twin_destroy(&before);
        before = twin_copy(fixture->twin);
        twin_append(fixture->twin, 1, 9000, &fixture->records);
        status = log_fixture_try_commit(fixture);
    }
    assert_int_equal(status, WAL_FULL);
    assert_false(wal_has_room(fixture->wal));
    assert_non_null(strstr(wal_error(fixture->wal), "log-000000000"));
    assert_int_equal(fixture->wal->segment.number, number);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    log_fixture_append(fixture, 1, 9000);
    assert_int_equal(fixture->wal->segment.number, number + 1);
    assert_true(wal_has_room(fixture->wal));
    make_ready(fixture);
}

static void what_may_pass_ends_no_log(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    wait_at(fixture, SIM_DISK_OPEN, EMFILE);
    wait_at(fixture, SIM_DISK_OPEN, ENFILE);
    wait_at(fixture, SIM_DISK_OPEN, ENOMEM);
    wait_at(fixture, SIM_DISK_RENAME, ENOSPC);
    wait_at(fixture, SIM_DISK_RENAME, EDQUOT);
    log_fixture_assert_log(fixture, 50);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 50);
}

/* Not even for want of room: nobody could tell later whether the name is durable. */
static void a_name_that_is_not_synced_ends_the_log(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 30000);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SYNC_DIRECTORY, 0, ENOSPC);
    twin_append(fixture->twin, 1, 30000, &fixture->records);
    assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
    twin_append(fixture->twin, 1, 100, &fixture->records);
    assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
}

static void another_segment_size_is_taken_from_the_next_segment_on(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 3, 9000);
    wal_close(&fixture->wal);
    fixture->settings.segment_bytes = 4 * LOG_FIXTURE_SEGMENT_BYTES;
    log_fixture_open(fixture);
    for (int i = 0; i < 4; i++) {
        log_fixture_append(fixture, 4, 30000);
    }
    assert_int_equal(fixture->wal->segment.bytes, 4 * LOG_FIXTURE_SEGMENT_BYTES);
    log_fixture_crash(fixture);
    log_fixture_assert_log(fixture, 50);
    wal_close(&fixture->wal);
    fixture->settings.segment_bytes = LOG_FIXTURE_SEGMENT_BYTES;
    log_fixture_open(fixture);
    log_fixture_assert_log(fixture, 50);
}

/* Copies the bytes of log-1 into ready-2: a file that has lived before. */
static void recycle(struct log_fixture *fixture)
{
    uint8_t *bytes = malloc(LOG_FIXTURE_SEGMENT_BYTES);
    assert_non_null(bytes);
    assert_true(sim_disk_read_media(fixture->disk, "log-0000000001", 0, bytes,
                                    LOG_FIXTURE_SEGMENT_BYTES));
    assert_true(sim_disk_overwrite(fixture->disk, "ready-0000000002", 0, bytes,
                                   LOG_FIXTURE_SEGMENT_BYTES));
    free(bytes);
}

static void old_content_of_a_recycled_segment_never_validates(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    // The stale copy holds whole blocks, one of them where the next block will go.
    log_fixture_append(fixture, 1, 3000);
    log_fixture_append(fixture, 1, 3000);
    recycle(fixture);
    log_fixture_append(fixture, 1, 30000);
    log_fixture_append(fixture, 1, 30000);
    assert_int_equal(fixture->wal->segment.number, 2);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_append(fixture, 1, 100);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 50);
}

/* Power is lost between a segment's header and its name: it is begun a second time. */
static void a_segment_begun_twice_survives_the_loss_of_its_header(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 30000);
    struct twin *before = twin_copy(fixture->twin);
    sim_disk_fail_next(fixture->disk, SIM_DISK_RENAME, 0, EIO);
    twin_append(fixture->twin, 1, 30000, &fixture->records);
    assert_int_equal(log_fixture_try_commit(fixture), WAL_FAILED);
    uint8_t magic = 0;
    assert_true(sim_disk_read_media(fixture->disk, "ready-0000000002", 0, &magic, 1));
    assert_int_equal(magic, 'C'); // the header was durable
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    log_fixture_crash(fixture);
    log_fixture_append(fixture, 1, 30000);
    log_fixture_append(fixture, 3, 100);
    assert_int_equal(fixture->wal->segment.number, 2);
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    wal_close(&fixture->wal);
    const uint8_t rot[64] = {0};
    assert_true(sim_disk_overwrite(fixture->disk, "log-0000000002", 0, rot, sizeof rot));
    log_fixture_open(fixture);
    assert_int_equal(fixture->recovery.damaged_places, 1);
    assert_int_equal(fixture->recovery.fault_count, 0);
    log_fixture_assert_recovered(fixture);
    log_fixture_assert_log(fixture, 50);
}

/* ---- seal, durability -------------------------------------------------------------- */

static void a_seal_follows_each_block_once(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    assert_false(wal_wants_seal(fixture->wal));
    log_fixture_append(fixture, 1, 100);
    assert_true(wal_wants_seal(fixture->wal));
    uint64_t block = fixture->wal->block;
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    assert_false(wal_wants_seal(fixture->wal));
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    assert_int_equal(fixture->wal->block, block + 1);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->wal->block, block + 2); // the seal, this start's
}

static void a_seal_without_room_is_made_up_for(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    wal_leave_preparing(fixture->wal);
    fixture->wal->ready_count = 0;
    while (fixture->wal->segment.offset < fixture->wal->segment.bytes) {
        log_fixture_append(fixture, 1, 100);
    }
    assert_int_equal(wal_seal(fixture->wal), WAL_FULL);
    assert_true(wal_wants_seal(fixture->wal));
    uint64_t block = fixture->wal->block;
    fixture->wal->ready_count = 2;
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    assert_int_equal(fixture->wal->block, block + 1);
    assert_false(wal_wants_seal(fixture->wal));
    log_fixture_append(fixture, 1, 100);
    log_fixture_assert_log(fixture, 100);
}

static void without_sync_a_crash_may_lose_the_end_but_never_the_middle(void **state)
{
    struct log_fixture *fixture = *state;
    fixture->settings.durability = WAL_INTERVAL;
    log_fixture_open(fixture);
    for (int round = 0; round < 60; round++) {
        cs_slot synced = fixture->twin->length;
        assert_int_equal(wal_sync(fixture->wal), WAL_OK);
        for (int i = 0; i < 7; i++) {
            log_fixture_append(fixture, 1, 2500);
        }
        struct twin *written = twin_copy(fixture->twin);
        sim_disk_crash(fixture->disk);
        log_fixture_restart(fixture);
        const struct paxos_recovered *core = &fixture->recovery.core;
        assert_true(core->length >= synced);
        assert_true(core->length <= written->length);
        twin_assign(fixture->twin, written);
        fixture->twin->length = core->length;
        fixture->twin->token = core->token;
        fixture->twin->decided = core->decided;
        log_fixture_assert_log(fixture, 30);
        // The next round appends anew.
        twin_decide(fixture->twin, core->length);
        twin_destroy(&written);
    }
}

static void without_sync_promises_are_durable_all_the_same(void **state)
{
    struct log_fixture *fixture = *state;
    fixture->settings.durability = WAL_NONE;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 3, 500);
    log_fixture_promise(fixture);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
    log_fixture_append(fixture, 3, 500);
    wal_close(&fixture->wal); // a clean stop syncs
    sim_disk_crash(fixture->disk);
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(a_log_goes_on_over_many_segments),
        TEST(a_helper_is_waited_for_and_a_full_disk_is_told_before),
        TEST(a_full_disk_refuses_commits_and_recovers_by_itself),
        TEST(a_full_disk_is_no_reason_not_to_start),
        TEST(too_many_open_files_are_no_reason_not_to_start),
        TEST(what_may_pass_ends_no_log),
        TEST(a_name_that_is_not_synced_ends_the_log),
        TEST(another_segment_size_is_taken_from_the_next_segment_on),
        TEST(old_content_of_a_recycled_segment_never_validates),
        TEST(a_segment_begun_twice_survives_the_loss_of_its_header),
        TEST(a_seal_follows_each_block_once),
        TEST(a_seal_without_room_is_made_up_for),
        TEST(without_sync_a_crash_may_lose_the_end_but_never_the_middle),
        TEST(without_sync_promises_are_durable_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
