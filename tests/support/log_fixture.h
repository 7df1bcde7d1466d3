/*
 * log_fixture.h - a log on a simulated disk beside its twin, for unit tests (cmocka).
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SUPPORT_LOG_FIXTURE_H
#define CONSENS_TESTS_SUPPORT_LOG_FIXTURE_H

#include "support/disk.h"
#include "support/twin.h"

enum {
    LOG_FIXTURE_SEGMENT_BYTES = 64 * 1024,
    LOG_FIXTURE_DISK_BYTES = 16 * 1024 * 1024,
};

struct log_fixture {
    struct sim_disk *disk;
    struct files files;
    struct wal_settings settings;
    struct wal_recovery recovery;
    struct wal *wal; // NULL until opened
    struct twin *twin;
    struct cs_buffer records;
};

struct log_fixture *log_fixture_new(void);
void log_fixture_destroy(struct log_fixture **fixture);
/* The same for cmocka: *state becomes the fixture. */
int log_fixture_set_up(void **state);
int log_fixture_tear_down(void **state);

enum wal_status log_fixture_try_open(struct log_fixture *fixture);
/* Must succeed. */
void log_fixture_open(struct log_fixture *fixture);

/* Commits what the twin has packed into `records`. */
enum wal_status log_fixture_try_commit(struct log_fixture *fixture);
/* Must succeed, as the next two. */
void log_fixture_commit(struct log_fixture *fixture);
void log_fixture_append(struct log_fixture *fixture,
                        uint32_t count,
                        uint32_t payload_bytes);
void log_fixture_promise(struct log_fixture *fixture);

/* One read, which must succeed. The caller owns the slice: wal_slice_fini(). */
struct wal_slice log_fixture_read(struct log_fixture *fixture,
                                  cs_slot first,
                                  cs_slot last,
                                  uint32_t entries_max,
                                  uint64_t bytes_max);

/* Every slot, read in slices of `entries_max`, is the twin's. */
void log_fixture_assert_log(struct log_fixture *fixture, uint32_t entries_max);
/* What the last opening recovered is the twin's state. */
void log_fixture_assert_recovered(struct log_fixture *fixture);

/* A new process. */
void log_fixture_restart(struct log_fixture *fixture);
/* The same after power was lost: it finds what the media kept. */
void log_fixture_crash(struct log_fixture *fixture);

#endif
