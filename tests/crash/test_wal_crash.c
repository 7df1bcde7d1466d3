/*
 * The log under power loss and failing calls, at every single file call of a workload.
 *
 * A workload of commits (appends, promises, syncs that replace suffixes, fetches,
 * configurations, seals, segment switches, restarts) runs on the simulated disk beside
 * its dumb twin. What is right after a restart: the state is the acknowledged one, or
 * that with the one block that was in flight (I11, I21); the boot counter has risen;
 * after a failed call nothing more was acknowledged (I22).
 */
#include "wal/wal.h"

#include "support/disk.h"
#include "support/twin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    STEPS = 60,
    SEEDS = 4,
    FAULT_SEEDS = 2,
    SEGMENT_BYTES = 64 * 1024,
    DISK_BYTES = 8 * 1024 * 1024,
    UNDECIDED_MAX = 30,
};

struct run {
    uint64_t seed; // of the workload
    uint64_t random;
    struct sim_disk *disk;
    struct files files;
    struct wal_settings settings;
    struct wal_recovery recovery;
    struct wal *wal;
    struct twin *twin; // with what is in flight
    struct twin *acknowledged;
    struct cs_buffer records;
    struct paxos_id incarnation; // once told; else none
    uint64_t boot;               // last one told
    const char *problem;
};

static uint64_t draw_below(struct run *run, uint64_t bound)
{
    run->random = run->random * 6364136223846793005u + 1442695040888963407u;
    return (run->random >> 33) % bound;
}

/* ---- opening and judging ----------------------------------------------------------- */

static bool complain(struct run *run, const char *problem)
{
    if (run->problem == NULL) {
        run->problem = problem;
    }
    return false;
}

static const char *compare(const struct run *run, const struct twin *twin)
{
    const char *difference = twin_compare_recovered(twin, &run->recovery.core);
    if (difference == NULL && twin->decided != run->recovery.core.decided) {
        difference = "decided";
    }
    return difference;
}

/* The state is the acknowledged one or the one in flight; the twin follows what it is. */
static bool judge(struct run *run)
{
    const char *difference = compare(run, run->acknowledged);
    if (difference == NULL) {
        twin_assign(run->twin, run->acknowledged);
    } else if (compare(run, run->twin) == NULL) {
        twin_assign(run->acknowledged, run->twin);
    } else {
        return complain(run, difference);
    }
    if (run->recovery.boot <= run->boot) {
        return complain(run, "boot has not risen");
    }
    if (run->boot > 0 && (run->recovery.is_fresh ||
                          run->recovery.incarnation.low != run->incarnation.low)) {
        return complain(run, "formatted again");
    }
    run->boot = run->recovery.boot;
    run->incarnation = run->recovery.incarnation;
    bool had_failed = sim_disk_has_failed(run->disk);
    difference = twin_compare_log(run->twin, run->wal, 50);
    if (sim_disk_is_off(run->disk) || (sim_disk_has_failed(run->disk) && !had_failed)) {
        return true; // the armed fault hit one of these reads: nothing was learned
    }
    return difference == NULL || complain(run, difference);
}

/* A new process. Only an armed fault or power loss is a reason to fail. */
static enum wal_status open_log(struct run *run)
{
    run->settings.fresh_incarnation.low++;
    return wal_open(&run->wal, &run->files, &run->settings, &run->recovery);
}

/* The disk works: this must succeed, and find what is right. */
static bool reopen(struct run *run)
{
    wal_close(&run->wal);
    run->records.bytes = 0;
    if (open_log(run) != WAL_OK) {
        return complain(run, run->recovery.sentence);
    }
    return judge(run);
}

/* ---- the workload ------------------------------------------------------------------ */

static cs_slot draw_undecided(struct run *run)
{
    const struct twin *twin = run->twin;
    return twin->decided + 1 + draw_below(run, twin->length - twin->decided + 1);
}

static void add_record(struct run *run)
{
    struct twin *twin = run->twin;
    uint32_t count = (uint32_t)draw_below(run, 4);
    uint32_t bytes = (uint32_t)draw_below(run, 8) * 400;
    uint64_t choice = draw_below(run, 100);
    if (choice < 20) {
        twin_promise(twin, &run->records);
    } else if (choice < 32) {
        twin_sync(twin, draw_undecided(run), count, bytes, &run->records);
    } else if (choice < 44) {
        twin_fetch(twin, draw_undecided(run), count + 1, bytes, &run->records);
    } else if (choice < 48) {
        twin_configure(twin, &run->records);
    } else {
        twin_append(twin, count + 1, bytes, &run->records);
    }
}

static void decide_some(struct run *run)
{
    struct twin *twin = run->twin;
    cs_slot undecided = twin->length - twin->decided;
    if (undecided > UNDECIDED_MAX) {
        twin_decide(twin, twin->length - UNDECIDED_MAX / 2);
    } else {
        twin_decide(twin, twin->decided + draw_below(run, undecided / 4 + 1));
    }
}

static enum wal_status commit_some(struct run *run)
{
    uint64_t count = draw_below(run, 3) == 0 ? 1 + draw_below(run, 3) : 1;
    decide_some(run);
    for (uint64_t i = 0; i < count; i++) {
        add_record(run);
    }
    struct wal_commit commit = {0};
    enum wal_status status = wal_commit(run->wal, view_of_buffer(&run->records), &commit);
    run->records.bytes = 0;
    if (status == WAL_OK) {
        twin_assign(run->acknowledged, run->twin);
    }
    return status;
}

static enum wal_status prepare(struct run *run)
{
    uint64_t number = 0;
    if (!wal_wants_segment(run->wal, &number)) {
        return WAL_OK;
    }
    enum wal_status status = wal_prepare_segment(&run->files, &run->settings, number);
    if (status == WAL_OK) {
        wal_adopt_segment(run->wal, number);
    } else if (status == WAL_FAILED) {
        wal_close(&run->wal); // the process ends
    }
    return status;
}

/* Restarts in the workload are part of it: their calls too may fail or lose power. */
static enum wal_status restart(struct run *run)
{
    wal_close(&run->wal);
    enum wal_status status = open_log(run);
    if (status == WAL_OK && !judge(run)) {
        return WAL_UNUSABLE;
    }
    return status;
}

static enum wal_status step(struct run *run)
{
    uint64_t choice = draw_below(run, 100);
    if (run->wal == NULL || choice < 4) {
        return restart(run);
    }
    if (choice < 12) {
        return wal_seal(run->wal);
    }
    if (choice < 30) {
        return prepare(run);
    }
    return commit_some(run);
}

/* Steps until one does not succeed; true: all did. */
static bool work(struct run *run, uint32_t *steps_left, enum wal_status *out_status)
{
    *out_status = WAL_OK;
    while (*steps_left > 0) {
        (*steps_left)--;
        *out_status = step(run);
        if (*out_status != WAL_OK || run->problem != NULL) {
            return false;
        }
    }
    return true;
}

/* ---- runs -------------------------------------------------------------------------- */

static void begin(struct run *run, uint64_t seed, uint64_t disk_seed)
{
    sim_disk_reset(run->disk, disk_seed);
    sim_disk_set_capacity(run->disk, DISK_BYTES);
    run->seed = seed;
    run->random = seed;
    memset(run->twin, 0, sizeof *run->twin);
    twin_assign(run->acknowledged, run->twin);
    run->records.bytes = 0;
    run->boot = 0;
    run->problem = NULL;
    wal_close(&run->wal);
}

static int set_up(void **state)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->disk = sim_disk_new(0, DISK_BYTES);
    run->files = sim_disk_files(run->disk);
    run->twin = twin_new();
    run->acknowledged = twin_new();
    run->settings = (struct wal_settings){
        .segment_bytes = SEGMENT_BYTES,
        .ready_segments = 1,
        .ring_entries = 64,
        .ring_bytes = 32 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 1, .low = 1},
    };
    *state = run;
    return 0;
}

static int tear_down(void **state)
{
    struct run *run = *state;
    wal_close(&run->wal);
    twin_destroy(&run->twin);
    twin_destroy(&run->acknowledged);
    sim_disk_destroy(&run->disk);
    buffer_fini(&run->records);
    free(run);
    return 0;
}

static uint64_t calls_of(const struct run *run)
{
    return sim_disk_counters_of(run->disk).calls;
}

/* How many file calls the workload makes when nothing goes wrong. */
static uint64_t count_calls(struct run *run, uint64_t seed)
{
    uint32_t steps_left = STEPS;
    enum wal_status status = WAL_OK;
    begin(run, seed, seed);
    if (!work(run, &steps_left, &status) || !reopen(run)) {
        fail_msg("seed %llu: %s", (unsigned long long)seed,
                 run->problem != NULL ? run->problem : "a call failed on a sound disk");
    }
    assert_true(run->twin->length > 20);
    return calls_of(run);
}

/* Power is lost at call `at`, and, in the restart or later, once more at a drawn one. */
static void lose_power_at(struct run *run, uint64_t seed, uint64_t at)
{
    uint32_t steps_left = STEPS;
    enum wal_status status = WAL_OK;
    begin(run, seed, seed * 1000003 + at);
    sim_disk_crash_after(run->disk, at);
    if (work(run, &steps_left, &status)) {
        return; // the armed call belongs to the last opening of count_calls()
    }
    assert_true(sim_disk_is_off(run->disk) || run->problem != NULL);
    sim_disk_restart(run->disk);
    sim_disk_crash_after(run->disk, draw_below(run, 60));
    wal_close(&run->wal);
    run->records.bytes = 0;
    status = open_log(run);
    if (status == WAL_OK && judge(run)) {
        (void)work(run, &steps_left, &status);
    }
    if (sim_disk_is_off(run->disk)) {
        sim_disk_restart(run->disk);
    }
    sim_disk_crash(run->disk);
    if (run->problem == NULL && reopen(run) && work(run, &steps_left, &status)) {
        sim_disk_crash(run->disk);
        (void)reopen(run);
    }
}

static void power_loss_at_any_call_loses_nothing_acknowledged(void **state)
{
    struct run *run = *state;
    uint64_t tried = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t calls = count_calls(run, seed);
        for (uint64_t at = 0; at < calls; at++) {
            lose_power_at(run, seed, at);
            if (run->problem != NULL) {
                fail_msg("seed %llu, power lost at call %llu: %s",
                         (unsigned long long)seed, (unsigned long long)at, run->problem);
            }
            tried++;
        }
    }
    print_message("power lost at %llu calls\n", (unsigned long long)tried);
}

/* I22: once failed, always failed. Any other status leaves the log as it was. */
static void try_to_go_on(struct run *run, enum wal_status status)
{
    if (run->wal == NULL || status != WAL_FAILED) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        struct twin *before = twin_copy(run->twin);
        twin_append(run->twin, 1, 100, &run->records);
        struct wal_commit commit = {0};
        enum wal_status later =
            wal_commit(run->wal, view_of_buffer(&run->records), &commit);
        run->records.bytes = 0;
        twin_assign(run->twin, before);
        twin_destroy(&before);
        if (later == WAL_OK) {
            (void)complain(run, "a commit succeeded after a failure");
        }
    }
}

struct fault {
    int error;
    bool is_direct;
};

/* Call `at` fails; the process ends and starts again; later power is lost, too. */
static bool
fail_call_at(struct run *run, uint64_t seed, uint64_t at, const struct fault *fault)
{
    uint32_t steps_left = STEPS;
    enum wal_status status = WAL_OK;
    begin(run, seed, seed * 1000003 + at);
    sim_disk_set_direct(run->disk, fault->is_direct);
    sim_disk_fail_next(run->disk, SIM_DISK_ANY, at, fault->error);
    bool is_whole = work(run, &steps_left, &status);
    bool has_failed = sim_disk_has_failed(run->disk);
    if (run->problem != NULL) {
        return has_failed;
    }
    if (!is_whole && status != WAL_FAILED && run->wal != NULL && status != WAL_FULL) {
        (void)complain(run, "a failed call was answered neither with failed nor full");
    }
    // A write refused for want of room by a disk that has room: preparing only.
    bool goes_on = status == WAL_FULL && run->wal != NULL;
    if (goes_on) {
        twin_assign(run->twin, run->acknowledged);
        (void)work(run, &steps_left, &status);
    }
    try_to_go_on(run, status);
    sim_disk_restart(run->disk);
    if (reopen(run) && draw_below(run, 2) == 0) {
        (void)work(run, &steps_left, &status);
    }
    // What the restart has shown must now be on the media, whatever a page cache said
    // (fsyncgate).
    sim_disk_crash(run->disk);
    if (run->problem == NULL && reopen(run) && work(run, &steps_left, &status)) {
        sim_disk_crash(run->disk);
        (void)reopen(run);
    }
    return has_failed;
}

static void fail_every_call(struct run *run, const struct fault *fault)
{
    uint64_t struck = 0;
    for (uint64_t seed = 1; seed <= FAULT_SEEDS; seed++) {
        uint64_t calls = count_calls(run, seed);
        for (uint64_t at = 0; at < calls; at++) {
            struck += fail_call_at(run, seed, at, fault);
            if (run->problem != NULL) {
                fail_msg("seed %llu, call %llu fails: %s", (unsigned long long)seed,
                         (unsigned long long)at, run->problem);
            }
        }
    }
    assert_true(struck > 100);
    print_message("%llu calls failed\n", (unsigned long long)struck);
}

static void an_io_error_at_any_call_ends_voting_and_loses_nothing(void **state)
{
    const struct fault fault = {.error = EIO, .is_direct = true};
    fail_every_call(*state, &fault);
}

static void an_io_error_behind_a_page_cache_loses_nothing(void **state)
{
    const struct fault fault = {.error = EIO, .is_direct = false};
    fail_every_call(*state, &fault);
}

static void a_full_disk_at_any_call_ends_voting_or_is_said(void **state)
{
    const struct fault fault = {.error = ENOSPC, .is_direct = true};
    fail_every_call(*state, &fault);
}

static void a_short_write_at_any_call_ends_voting_and_loses_nothing(void **state)
{
    const struct fault fault = {.error = SIM_DISK_SHORT_WRITE, .is_direct = false};
    fail_every_call(*state, &fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(power_loss_at_any_call_loses_nothing_acknowledged),
        TEST(an_io_error_at_any_call_ends_voting_and_loses_nothing),
        TEST(an_io_error_behind_a_page_cache_loses_nothing),
        TEST(a_full_disk_at_any_call_ends_voting_or_is_said),
        TEST(a_short_write_at_any_call_ends_voting_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
