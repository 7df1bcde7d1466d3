/*
 * The superblock: whatever happens during a write, the old or the new value is read,
 * never neither; what was returned as durable is never lost; what cannot be trusted is
 * refused.
 */
#include "wal/segment.h"
#include "wal/superblock.h"

#include "support/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DISK_BYTES = 1024 * 1024, DIGESTED_FROM_BYTES = 32, DIGEST_AT_BYTES = 16 };

struct fixture {
    struct sim_disk *disk;
    struct files files;
    struct superblock_file file;
    bool is_open;
    uint8_t *pages;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->disk = sim_disk_new(1, DISK_BYTES);
    fixture->files = sim_disk_files(fixture->disk);
    fixture->pages = segment_alloc(SUPERBLOCK_FILE_BYTES);
    *state = fixture;
    return 0;
}

static void close_file(struct fixture *fixture)
{
    if (fixture->is_open) {
        superblock_fini(&fixture->file);
        fixture->is_open = false;
    }
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    close_file(fixture);
    sim_disk_destroy(&fixture->disk);
    free(fixture->pages);
    free(fixture);
    return 0;
}

static enum superblock_sight read_again(struct fixture *fixture, struct superblock *out)
{
    close_file(fixture);
    superblock_init(&fixture->file, &fixture->files);
    fixture->is_open = true;
    return superblock_read(&fixture->file, out);
}

/* A new file with boot 0 in it. */
static void format(struct fixture *fixture, uint64_t seed)
{
    sim_disk_reset(fixture->disk, seed);
    close_file(fixture);
    superblock_init(&fixture->file, &fixture->files);
    fixture->is_open = true;
    struct superblock superblock = {.incarnation = {.high = 3, .low = 4}};
    assert_int_equal(superblock_format(&fixture->file, &superblock), 0);
}

static int write_boot(struct fixture *fixture, uint64_t boot)
{
    struct superblock superblock = {.boot = boot, .incarnation = {.high = 3, .low = 4}};
    return superblock_write(&fixture->file, &superblock);
}

static uint64_t calls_of(const struct fixture *fixture)
{
    return sim_disk_counters_of(fixture->disk).calls;
}

static uint64_t read_boot(struct fixture *fixture)
{
    struct superblock superblock;
    enum superblock_sight sight = read_again(fixture, &superblock);
    if (sight != SUPERBLOCK_SOUND) {
        fail_msg("sight %d", (int)sight);
    }
    return superblock.boot;
}

/* ---- values ------------------------------------------------------------------------ */

static void every_field_is_read_back(void **state)
{
    struct fixture *fixture = *state;
    format(fixture, 1);
    struct superblock written = {
        .incarnation = {.high = 1, .low = 2},
        .boot = 3,
        .floor_block = 4,
        .floor_segment = 5,
        .promised = {.epoch = 6, .round = 7, .node = 8},
        .accepted = {.epoch = 6, .round = 6, .node = 9},
        .decided = 10,
        .length = 11,
        .chain = {.high = 12, .low = 13},
        .token = 14,
    };
    written.config.cluster_id = (struct paxos_id){.high = 15, .low = 16};
    written.config.epoch = 1;
    written.config.member_count = PAXOS_MEMBERS_MAX;
    written.config.started = 1;
    for (uint32_t i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        written.config.node[i] = 20 + i;
        written.config.incarnation[i] = (struct paxos_id){.high = 30 + i, .low = 40 + i};
        written.watermarks[i].boot = 50 + i;
        written.watermarks[i].block = 60 + i;
        written.watermarks[i].promised =
            (struct paxos_ballot){.epoch = 1, .round = 70 + i, .node = i};
    }
    assert_int_equal(superblock_write(&fixture->file, &written), 0);
    struct superblock read;
    assert_int_equal(read_again(fixture, &read), SUPERBLOCK_SOUND);
    assert_int_equal(read.sequence, 2);
    assert_memory_equal(&read, &written, sizeof read);
}

static void a_directory_without_one_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock;
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_ABSENT);
    sim_disk_fail_next(fixture->disk, SIM_DISK_OPEN, 0, EIO);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_UNREADABLE);
    assert_int_equal(fixture->file.error, EIO);
    format(fixture, 1);
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 0, ENXIO);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_UNREADABLE);
    assert_int_equal(fixture->file.error, ENXIO);
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 0, EIO); // once only
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_SOUND);
}

/* Two equal ones that can be read are enough, and the next write heals the others. */
static void a_copy_that_cannot_be_read_is_a_bad_copy(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned bad = 0; bad < 1u << SUPERBLOCK_COPIES; bad++) {
        format(fixture, bad);
        unsigned count = 0;
        for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++) {
            if ((bad >> i & 1u) != 0) {
                assert_true(sim_disk_make_unreadable(
                    fixture->disk, SUPERBLOCK_NAME, (uint64_t)i * SUPERBLOCK_COPY_BYTES));
                count++;
            }
        }
        struct superblock superblock;
        enum superblock_sight sight = read_again(fixture, &superblock);
        if (count > SUPERBLOCK_COPIES / 2) {
            assert_int_equal(sight, SUPERBLOCK_UNREADABLE);
            assert_int_equal(fixture->file.error, EIO);
            continue;
        }
        assert_int_equal(sight, SUPERBLOCK_SOUND);
        assert_int_equal(superblock_rewrite(&fixture->file), 0);
        assert_int_equal(superblock_write(&fixture->file, &superblock), 0);
        assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_SOUND);
        assert_int_equal(fixture->file.error, 0);
        assert_int_equal(superblock.sequence, 2);
    }
}

static void formatting_cut_short_leaves_none_or_a_whole_one(void **state)
{
    struct fixture *fixture = *state;
    uint64_t absent = 0;
    uint64_t sound = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        for (uint64_t at = 0; at < 6; at++) {
            sim_disk_reset(fixture->disk, seed);
            close_file(fixture);
            superblock_init(&fixture->file, &fixture->files);
            fixture->is_open = true;
            struct superblock superblock = {.boot = 0};
            sim_disk_crash_after(fixture->disk, at);
            (void)superblock_format(&fixture->file, &superblock);
            sim_disk_crash(fixture->disk);
            enum superblock_sight sight = read_again(fixture, &superblock);
            absent += sight == SUPERBLOCK_ABSENT;
            sound += sight == SUPERBLOCK_SOUND;
        }
    }
    assert_int_equal(absent + sound, 40 * 6);
    assert_true(absent > 0);
    assert_true(sound > 0);
}

static void formatting_again_after_a_full_disk_leaves_none_or_a_whole_one(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock = {.boot = 0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        for (uint64_t at = 0; at < 12; at++) {
            sim_disk_reset(fixture->disk, seed);
            close_file(fixture);
            superblock_init(&fixture->file, &fixture->files);
            fixture->is_open = true;
            sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, ENOSPC);
            assert_int_equal(superblock_format(&fixture->file, &superblock), ENOSPC);
            assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_ABSENT);
            sim_disk_crash_after(fixture->disk, at);
            bool is_made = superblock_format(&fixture->file, &superblock) == 0;
            sim_disk_crash(fixture->disk);
            enum superblock_sight sight = read_again(fixture, &superblock);
            assert_true(sight == SUPERBLOCK_SOUND ||
                        (sight == SUPERBLOCK_ABSENT && !is_made));
        }
    }
}

/* ---- crashes ----------------------------------------------------------------------- */

/*
 * Power is lost at call `first_at` of one write, and, after what a restart does, at call
 * `second_at` of the next: values 2, then 3 over the durable 1.
 */
static void
crash_twice(struct fixture *fixture, uint64_t seed, uint64_t first_at, uint64_t second_at)
{
    format(fixture, seed);
    assert_int_equal(write_boot(fixture, 1), 0);
    sim_disk_crash_after(fixture->disk, first_at);
    bool is_second_durable = write_boot(fixture, 2) == 0;
    sim_disk_crash(fixture->disk);
    uint64_t boot = read_boot(fixture);
    assert_true(boot == 2 || (boot == 1 && !is_second_durable));
    // What is read stays: a second look, and another crash, find the same.
    sim_disk_crash(fixture->disk);
    assert_int_equal(read_boot(fixture), boot);
    sim_disk_crash_after(fixture->disk, second_at);
    bool is_third_durable = write_boot(fixture, 3) == 0;
    sim_disk_crash(fixture->disk);
    uint64_t last = read_boot(fixture);
    assert_true(last == 3 || (last == boot && !is_third_durable));
}

static void a_crash_leaves_the_old_or_the_new_value(void **state)
{
    struct fixture *fixture = *state;
    format(fixture, 1);
    uint64_t before = calls_of(fixture);
    assert_int_equal(write_boot(fixture, 1), 0);
    uint64_t calls = calls_of(fixture) - before;
    assert_true(calls >= 2); // two halves
    for (uint64_t seed = 1; seed <= 200; seed++) {
        for (uint64_t first_at = 0; first_at <= calls; first_at++) {
            for (uint64_t second_at = 0; second_at <= calls + 2; second_at++) {
                crash_twice(fixture, seed, first_at, second_at);
            }
        }
    }
}

static void a_chain_of_crashes_never_loses_what_was_durable(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        format(fixture, seed);
        uint64_t durable = 0;
        for (uint64_t boot = 1; boot < 100; boot++) {
            sim_disk_crash_after(fixture->disk, (boot * 7 + seed) % 5);
            bool is_durable = write_boot(fixture, boot) == 0;
            sim_disk_crash(fixture->disk);
            uint64_t read = read_boot(fixture);
            assert_true(read == boot || (read == durable && !is_durable));
            durable = read;
        }
    }
}

static void one_rotten_copy_does_not_make_a_crash_fatal(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        for (uint64_t rotten = 0; rotten < SUPERBLOCK_COPIES * 2; rotten++) {
            format(fixture, seed);
            assert_int_equal(write_boot(fixture, 1), 0);
            // One copy, or two: then none is to spare.
            const uint8_t rot = 0xee;
            uint64_t copy = rotten % SUPERBLOCK_COPIES;
            assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME,
                                           copy * SUPERBLOCK_COPY_BYTES + 200, &rot, 1));
            if (rotten >= SUPERBLOCK_COPIES) {
                copy = (rotten + 2) % SUPERBLOCK_COPIES;
                assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME,
                                               copy * SUPERBLOCK_COPY_BYTES + 200, &rot,
                                               1));
            }
            assert_int_equal(read_boot(fixture), 1);
            sim_disk_crash_after(fixture->disk, seed % 5);
            bool is_durable = write_boot(fixture, 2) == 0;
            sim_disk_crash(fixture->disk);
            uint64_t boot = read_boot(fixture);
            assert_true(boot == 2 || (boot == 1 && !is_durable));
        }
    }
}

/* ---- refusals ---------------------------------------------------------------------- */

static void load_pages(struct fixture *fixture)
{
    assert_true(sim_disk_read_media(fixture->disk, SUPERBLOCK_NAME, 0, fixture->pages,
                                    SUPERBLOCK_FILE_BYTES));
}

static void store_pages(struct fixture *fixture)
{
    assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME, 0, fixture->pages,
                                   SUPERBLOCK_FILE_BYTES));
}

static uint8_t *copy_at(struct fixture *fixture, int index)
{
    return fixture->pages + (size_t)index * SUPERBLOCK_COPY_BYTES;
}

/* Makes the digest of a changed copy right. */
static void digest_again(uint8_t *page)
{
    struct cs_digest digest =
        digest_128(page + DIGESTED_FROM_BYTES,
                   SUPERBLOCK_COPY_BYTES - DIGESTED_FROM_BYTES, load_u32(page + 8));
    uint8_t *at = page + DIGEST_AT_BYTES;
    field_put_digest(&at, digest);
}

static void two_equal_copies_are_needed(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock;
    for (uint32_t kept = 0; kept < 16; kept++) {
        format(fixture, 1);
        assert_int_equal(write_boot(fixture, 1), 0);
        load_pages(fixture);
        int kept_count = 0;
        for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
            bool is_kept = (kept >> i & 1u) != 0;
            kept_count += is_kept;
            copy_at(fixture, i)[77] ^= is_kept ? 0 : 1;
        }
        store_pages(fixture);
        assert_int_equal(read_again(fixture, &superblock),
                         kept_count >= 2 ? SUPERBLOCK_SOUND : SUPERBLOCK_BROKEN);
    }
}

static void copies_that_contradict_each_other_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock;
    format(fixture, 1);
    assert_int_equal(write_boot(fixture, 1), 0);
    // Two pairs of one sequence.
    load_pages(fixture);
    for (int i = 2; i < SUPERBLOCK_COPIES; i++) {
        store_u64(copy_at(fixture, i) + 72, 9);
        digest_again(copy_at(fixture, i));
    }
    store_pages(fixture);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_BROKEN);
    // A pair whose parent is not the other one.
    for (int i = 2; i < SUPERBLOCK_COPIES; i++) {
        store_u64(copy_at(fixture, i) + 32, 3);
        digest_again(copy_at(fixture, i));
    }
    store_pages(fixture);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_BROKEN);
}

static void another_release_is_recognised(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock;
    format(fixture, 1);
    load_pages(fixture);
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        store_u32(copy_at(fixture, i) + 8, SUPERBLOCK_FORMAT_VERSION + 1);
        digest_again(copy_at(fixture, i));
    }
    store_pages(fixture);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_OTHER);
}

static void a_configuration_that_cannot_be_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct superblock superblock;
    format(fixture, 1);
    load_pages(fixture);
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        store_u32(copy_at(fixture, i) + 160 + 20, PAXOS_MEMBERS_MAX + 1);
        digest_again(copy_at(fixture, i));
    }
    store_pages(fixture);
    assert_int_equal(read_again(fixture, &superblock), SUPERBLOCK_BROKEN);
}

static void failed_calls_are_told(void **state)
{
    struct fixture *fixture = *state;
    format(fixture, 1);
    for (uint64_t at = 0; at < 2; at++) {
        sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, at, EIO);
        assert_int_equal(write_boot(fixture, 5), EIO);
    }
    sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, SIM_DISK_SHORT_WRITE);
    assert_int_equal(write_boot(fixture, 5), EIO);
    sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, ENOSPC);
    assert_int_equal(superblock_rewrite(&fixture->file), ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(every_field_is_read_back),
        TEST(a_directory_without_one_says_so),
        TEST(a_copy_that_cannot_be_read_is_a_bad_copy),
        TEST(formatting_cut_short_leaves_none_or_a_whole_one),
        TEST(formatting_again_after_a_full_disk_leaves_none_or_a_whole_one),
        TEST(a_crash_leaves_the_old_or_the_new_value),
        TEST(a_chain_of_crashes_never_loses_what_was_durable),
        TEST(one_rotten_copy_does_not_make_a_crash_fatal),
        TEST(two_equal_copies_are_needed),
        TEST(copies_that_contradict_each_other_are_refused),
        TEST(another_release_is_recognised),
        TEST(a_configuration_that_cannot_be_is_refused),
        TEST(failed_calls_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
