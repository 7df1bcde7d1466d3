/*
 * The log on its thread over a disk that rots, fails or is full: what the engine is told,
 * and what goes on.
 */
#define _GNU_SOURCE 1 // pthread_getattr_default_np
#include "unit/support/wal_rig.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

static void damage_met_by_a_read_is_told_and_commits_go_on(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_append(rig, 1, 2000);
    wal_rig_receive_durable(rig);
    const uint8_t rot = 0x5a;
    assert_true(shared_disk_overwrite(&rig->disk, "log-0000000001", 8192 + 500,
                                      view_of(&rot, 1)));
    wal_rig_read(rig, 1, 1, 5, 7);
    const struct wal_completion *completion = wal_rig_receive_slice(rig, 7);
    assert_int_equal(completion->status, WAL_OK);
    assert_int_equal(completion->slice.entry_count, 0);
    assert_int_equal(completion->slice.fault.first, 1);
    assert_int_equal(completion->slice.fault.last, 1);
    wal_slice_fini(&rig->completion.slice);
    wal_rig_append(rig, 1, 2000);
    wal_rig_receive_durable(rig);
}

static void a_read_that_fails_is_told_and_can_be_tried_again(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_append(rig, 1, 2000);
    wal_rig_receive_durable(rig);
    shared_disk_fail_next(&rig->disk, SIM_DISK_READ, ENXIO);
    wal_rig_read(rig, 1, 1, 5, 7);
    const struct wal_completion *completion = wal_rig_receive_slice(rig, 7);
    assert_int_equal(completion->status, WAL_DAMAGED);
    assert_true(completion->sentence[0] != '\0');
    wal_rig_read(rig, 1, 1, 5, 8);
    completion = wal_rig_receive_slice(rig, 8);
    assert_int_equal(completion->status, WAL_OK);
    assert_int_equal(completion->slice.entry_count, 1);
    wal_slice_fini(&rig->completion.slice);
}

static void a_failed_sync_is_the_last_word(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_append(rig, 1, 100);
    wal_rig_receive_durable(rig);
    cs_slot acknowledged = rig->log->twin->length;
    shared_disk_fail_next(&rig->disk, SIM_DISK_WRITE, EIO);
    wal_rig_append(rig, 1, 100);
    const struct wal_completion *completion =
        wal_rig_receive_kind(rig, WAL_COMPLETION_FAILED);
    assert_int_equal(completion->status, WAL_FAILED);
    assert_true(completion->sentence[0] != '\0');
    wal_rig_append(rig, 1, 100);
    wal_rig_read(rig, 1, 1, 1, 9);
    // The read is answered, and nothing was made durable before it.
    assert_int_equal(wal_rig_receive_slice(rig, 9)->status, WAL_OK);
    wal_slice_fini(&rig->completion.slice);
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_FAILED);
    log_fixture_crash(rig->log);
    // What failed may be on the disk or not; what came after it is not.
    assert_in_range(rig->log->recovery.core.length, acknowledged, acknowledged + 1);
}

/* Receives up to a completion of this kind; how far the log is durable by then. */
static void
receive_until(struct wal_rig *rig, enum wal_completion_kind kind, uint64_t *durable_token)
{
    while (wal_rig_receive(rig)->kind != kind) {
        if (rig->completion.kind == WAL_COMPLETION_DURABLE) {
            *durable_token = rig->completion.token;
        }
    }
}

/* Writes until it is told that there is no room: how far the log is durable by then. */
static uint64_t append_until_no_room(struct wal_rig *rig)
{
    for (int i = 0; i < 20; i++) {
        wal_rig_append(rig, 1, 20000);
    }
    uint64_t durable = 0;
    receive_until(rig, WAL_COMPLETION_ROOM, &durable);
    assert_false(rig->completion.has_room);
    return durable;
}

/* It is told that there is room, and all that was appended becomes durable. */
static void assert_resumes(struct wal_rig *rig)
{
    bool has_room = false;
    bool is_durable = false;
    while (!is_durable || !has_room) {
        const struct wal_completion *completion = wal_rig_receive(rig);
        if (completion->kind == WAL_COMPLETION_ROOM) {
            has_room = completion->has_room;
        } else if (completion->kind == WAL_COMPLETION_DURABLE) {
            is_durable = completion->token == rig->log->twin->token;
        }
    }
    wal_rig_assert_durable(rig);
}

static void a_full_disk_is_told_and_commits_wait_for_room(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_set_capacity(&rig->disk, 0);
    uint64_t durable = append_until_no_room(rig);
    // More than fits is queued: reads and stopping still work.
    wal_rig_read(rig, 1, 1, 1, 5);
    receive_until(rig, WAL_COMPLETION_SLICE, &durable);
    wal_slice_fini(&rig->completion.slice);
    assert_true(durable < rig->log->twin->token);
    shared_disk_set_capacity(&rig->disk, LOG_FIXTURE_DISK_BYTES);
    assert_resumes(rig);
}

static void a_helper_without_descriptors_is_asked_again(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_fail_opens(&rig->disk, 0, EMFILE);
    // First those that are ready are used up.
    assert_in_range(append_until_no_room(rig), 6, 19);
    shared_disk_fail_opens(&rig->disk, 0, 0);
    assert_resumes(rig);
}

static void a_log_without_descriptors_waits_for_one(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_fail_opens(&rig->disk, EMFILE, 0);
    assert_in_range(append_until_no_room(rig), 1, 5);
    shared_disk_fail_opens(&rig->disk, 0, 0);
    assert_resumes(rig);
}

static void
stopping_a_thread_that_waits_for_room_drops_what_was_never_durable(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_set_capacity(&rig->disk, 0);
    for (int i = 0; i < 12; i++) {
        wal_rig_append(rig, 1, 30000);
    }
    uint64_t durable = 0;
    receive_until(rig, WAL_COMPLETION_ROOM, &durable);
    assert_false(rig->completion.has_room);
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_OK);
    shared_disk_set_capacity(&rig->disk, LOG_FIXTURE_DISK_BYTES);
    log_fixture_crash(rig->log);
    assert_true(rig->log->recovery.core.length < rig->log->twin->length);
    rig->log->twin->length = rig->log->recovery.core.length;
    log_fixture_assert_log(rig->log, 100);
}

static void a_helper_that_fails_ends_the_log(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_fail_next(&rig->disk, SIM_DISK_OPEN, EIO);
    // The first open after this is of a segment, by the helper or the log thread.
    for (int i = 0; i < 4; i++) {
        wal_rig_append(rig, 1, 30000);
    }
    const struct wal_completion *completion = wal_rig_receive(rig);
    while (completion->kind == WAL_COMPLETION_DURABLE ||
           completion->kind == WAL_COMPLETION_SLOW) {
        completion = wal_rig_receive(rig);
    }
    assert_int_equal(completion->kind, WAL_COMPLETION_FAILED);
}

static void a_failed_seal_ends_the_log(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_hold_seal(rig);
    shared_disk_fail_next(&rig->disk, SIM_DISK_WRITE, EIO);
    shared_disk_hold(&rig->disk, false);
    (void)wal_rig_receive_kind(rig, WAL_COMPLETION_FAILED);
}

static void a_failed_sync_of_an_interval_ends_the_log(void **state)
{
    struct wal_rig *rig = *state;
    rig->log->settings.durability = WAL_INTERVAL;
    wal_rig_start(rig);
    shared_disk_fail_next(&rig->disk, SIM_DISK_SYNC, EIO);
    wal_rig_append(rig, 1, 100);
    (void)wal_rig_receive_kind(rig, WAL_COMPLETION_DURABLE);
    (void)wal_rig_receive_kind(rig, WAL_COMPLETION_FAILED);
}

static void a_last_sync_that_fails_is_told(void **state)
{
    struct wal_rig *rig = *state;
    rig->log->settings.durability = WAL_NONE;
    wal_rig_start(rig);
    wal_rig_append(rig, 1, 100);
    wal_rig_receive_durable(rig);
    shared_disk_fail_next(&rig->disk, SIM_DISK_SYNC, EIO);
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_FAILED);
}

// The shadow memory of the sanitizers knows no limit of the address space.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Of the address space. */
static rlim_t used_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1); // NOLINT(cert-err34-c)
    assert_int_equal(fclose(file), 0);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Room for the stack of one more thread, not of two: the first is stopped again. */
static void without_a_second_thread_the_wal_stays_with_the_caller(void **state)
{
    struct wal_rig *rig = *state;
    struct log_fixture *log = rig->log;
    log_fixture_open(log);
    void *socket = zmq_socket(rig->zmq_context, ZMQ_PAIR); // starts ZeroMQ's own threads
    assert_non_null(socket);
    pthread_attr_t attributes;
    size_t stack_bytes = 0;
    assert_int_equal(pthread_getattr_default_np(&attributes), 0);
    assert_int_equal(pthread_attr_getstacksize(&attributes, &stack_bytes), 0);
    struct rlimit before = {0};
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    const struct rlimit tight = {.rlim_cur = used_bytes() + stack_bytes * 3 / 2,
                                 .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    struct wal_thread *thread = wal_thread_start(rig->zmq_context, &log->wal, &log->files,
                                                 &log->settings, WAL_RIG_INTERVAL_MS);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_null(thread);
    assert_non_null(log->wal);
    assert_int_equal(zmq_close(socket), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        // First: stacks of threads that have ended are used again.
        TEST(without_a_second_thread_the_wal_stays_with_the_caller),
#endif
        TEST(damage_met_by_a_read_is_told_and_commits_go_on),
        TEST(a_read_that_fails_is_told_and_can_be_tried_again),
        TEST(a_failed_sync_is_the_last_word),
        TEST(a_full_disk_is_told_and_commits_wait_for_room),
        TEST(a_helper_without_descriptors_is_asked_again),
        TEST(a_log_without_descriptors_waits_for_one),
        TEST(stopping_a_thread_that_waits_for_room_drops_what_was_never_durable),
        TEST(a_helper_that_fails_ends_the_log),
        TEST(a_failed_seal_ends_the_log),
        TEST(a_failed_sync_of_an_interval_ends_the_log),
        TEST(a_last_sync_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
