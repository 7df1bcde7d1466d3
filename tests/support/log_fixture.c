#include "support/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum wal_status log_fixture_try_open(struct log_fixture *fixture)
{
    return wal_open(&fixture->wal, &fixture->files, &fixture->settings,
                    &fixture->recovery);
}

void log_fixture_open(struct log_fixture *fixture)
{
    enum wal_status status = log_fixture_try_open(fixture);
    if (status != WAL_OK) {
        fail_msg("%s", fixture->recovery.sentence);
    }
}

struct log_fixture *log_fixture_new(void)
{
    struct log_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->disk = sim_disk_new(1, LOG_FIXTURE_DISK_BYTES);
    fixture->files = sim_disk_files(fixture->disk);
    fixture->settings = (struct wal_settings){
        .segment_bytes = LOG_FIXTURE_SEGMENT_BYTES,
        .ready_segments = 2,
        .ring_entries = 64,
        .ring_bytes = 16 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 11, .low = 12},
    };
    fixture->twin = twin_new();
    return fixture;
}

void log_fixture_destroy(struct log_fixture **fixture)
{
    struct log_fixture *old = *fixture;
    wal_close(&old->wal);
    twin_destroy(&old->twin);
    sim_disk_destroy(&old->disk);
    buffer_fini(&old->records);
    free(old);
    *fixture = NULL;
}

int log_fixture_set_up(void **state)
{
    *state = log_fixture_new();
    return 0;
}

int log_fixture_tear_down(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_destroy(&fixture);
    return 0;
}

enum wal_status log_fixture_try_commit(struct log_fixture *fixture)
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

void log_fixture_commit(struct log_fixture *fixture)
{
    if (log_fixture_try_commit(fixture) != WAL_OK) {
        fail_msg("%s", wal_error(fixture->wal));
    }
}

void log_fixture_append(struct log_fixture *fixture,
                        uint32_t count,
                        uint32_t payload_bytes)
{
    twin_append(fixture->twin, count, payload_bytes, &fixture->records);
    log_fixture_commit(fixture);
}

void log_fixture_promise(struct log_fixture *fixture)
{
    twin_promise(fixture->twin, &fixture->records);
    log_fixture_commit(fixture);
}

struct wal_slice log_fixture_read(struct log_fixture *fixture,
                                  cs_slot first,
                                  cs_slot last,
                                  uint32_t entries_max,
                                  uint64_t bytes_max)
{
    struct wal_slice slice = {0};
    assert_int_equal(wal_read(fixture->wal, first, last, entries_max, bytes_max, &slice),
                     WAL_OK);
    return slice;
}

void log_fixture_assert_log(struct log_fixture *fixture, uint32_t entries_max)
{
    const char *difference = twin_compare_log(fixture->twin, fixture->wal, entries_max);
    if (difference != NULL) {
        fail_msg("the log differs: %s", difference);
    }
}

void log_fixture_assert_recovered(struct log_fixture *fixture)
{
    const char *difference =
        twin_compare_recovered(fixture->twin, &fixture->recovery.core);
    if (difference != NULL) {
        fail_msg("recovery differs: %s", difference);
    }
}

void log_fixture_restart(struct log_fixture *fixture)
{
    wal_close(&fixture->wal);
    log_fixture_open(fixture);
}

void log_fixture_crash(struct log_fixture *fixture)
{
    sim_disk_crash(fixture->disk);
    log_fixture_restart(fixture);
}
