/*
 * The recovery table: exactly one row for everything that can be observed; and what a
 * log does with damage, tears, missing files and newer formats, made by hand.
 */
#include "wal/internal.h"
#include "wal/recovery.h"

#include "support/disk.h"
#include "support/twin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SEGMENT_BYTES = 64 * 1024,
    DISK_BYTES = 16 * 1024 * 1024,
    PAGE = 4096,
    OBSERVATIONS = 5 * 128,
};

#define LOG_1 "log-0000000001"
#define LOG_2 "log-0000000002"

/* ---- the table --------------------------------------------------------------------- */

static struct recovery_observation observation_of(int number)
{
    int bits = number / 5;
    struct recovery_observation observation = {
        .superblock = (enum superblock_sight)(number % 5),
        .has_segments = (bits & 1) != 0,
        .asks_block = (bits & 2) != 0,
        .is_valid = (bits & 4) != 0,
        .is_chained = (bits & 8) != 0,
        .is_blank = (bits & 16) != 0,
        .has_evidence = (bits & 32) != 0,
        .is_below_floor = (bits & 64) != 0,
    };
    return observation;
}

static void every_observation_matches_exactly_one_row(void **state)
{
    (void)state;
    for (int i = 0; i < OBSERVATIONS; i++) {
        struct recovery_observation observation = observation_of(i);
        assert_int_equal(recovery_count_rows(&observation), 1);
    }
}

/* What the table must never say, said without the table. */
static void the_table_never_discards_what_may_have_been_acknowledged(void **state)
{
    (void)state;
    for (int i = 0; i < OBSERVATIONS; i++) {
        struct recovery_observation observation = observation_of(i);
        enum recovery_decision decision = recovery_decide(&observation);
        bool is_discarded = decision == RECOVERY_CUT || decision == RECOVERY_END;
        if (is_discarded) {
            assert_false(observation.has_evidence);
            assert_false(observation.is_below_floor);
            assert_int_equal(observation.superblock, SUPERBLOCK_SOUND);
        }
        if (decision == RECOVERY_ACCEPT && observation.asks_block) {
            assert_true(observation.is_valid);
            assert_true(observation.is_chained);
        }
        if (decision == RECOVERY_FORMAT) {
            assert_int_equal(observation.superblock, SUPERBLOCK_ABSENT);
            assert_false(observation.has_segments);
        }
        bool is_about_block =
            observation.asks_block && observation.superblock == SUPERBLOCK_SOUND;
        if (is_about_block) {
            assert_int_not_equal(decision, RECOVERY_OTHER);
            assert_int_not_equal(decision, RECOVERY_UNREADABLE);
        } else {
            assert_false(is_discarded || decision == RECOVERY_DAMAGED);
        }
    }
}

/* ---- a log to damage --------------------------------------------------------------- */

struct fixture {
    struct sim_disk *disk;
    struct files files;
    struct wal_settings settings;
    struct wal_recovery recovery;
    struct wal *wal;
    struct twin *twin;
    struct cs_buffer records;
    uint8_t *before; // an image of what must not change
};

static enum wal_status try_open(struct fixture *fixture)
{
    return wal_open(&fixture->wal, &fixture->files, &fixture->settings,
                    &fixture->recovery);
}

static void open_log(struct fixture *fixture)
{
    if (try_open(fixture) != WAL_OK) {
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
        .ready_segments = 1,
        .ring_entries = 256,
        .ring_bytes = 16 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 11, .low = 12},
    };
    fixture->twin = twin_new();
    fixture->before = malloc(SEGMENT_BYTES);
    assert_non_null(fixture->before);
    *state = fixture;
    open_log(fixture);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    wal_close(&fixture->wal);
    twin_destroy(&fixture->twin);
    sim_disk_destroy(&fixture->disk);
    buffer_fini(&fixture->records);
    free(fixture->before);
    free(fixture);
    return 0;
}

static void commit(struct fixture *fixture)
{
    struct wal_commit done = {0};
    assert_int_equal(wal_commit(fixture->wal, view_of_buffer(&fixture->records), &done),
                     WAL_OK);
    fixture->records.bytes = 0;
}

static void append(struct fixture *fixture, uint32_t payload_bytes)
{
    twin_append(fixture->twin, 1, payload_bytes, &fixture->records);
    commit(fixture);
}

static void promise(struct fixture *fixture)
{
    twin_promise(fixture->twin, &fixture->records);
    commit(fixture);
}

/* The place of the last block written. */
static uint64_t last_offset(const struct fixture *fixture, uint32_t payload_bytes)
{
    return fixture->wal->segment.offset -
           block_disk_bytes(RECORD_HEAD_BYTES + 48 + payload_bytes);
}

static void spoil(struct fixture *fixture, const char *name, uint64_t offset)
{
    const uint8_t rot = 0xe7;
    assert_true(sim_disk_overwrite(fixture->disk, name, offset, &rot, 1));
}

static void
blank(struct fixture *fixture, const char *name, uint64_t offset, size_t bytes)
{
    uint8_t *zeros = calloc(1, bytes);
    assert_non_null(zeros);
    assert_true(sim_disk_overwrite(fixture->disk, name, offset, zeros, bytes));
    free(zeros);
}

/*
 * Opening is refused with this status and a sentence that has these words; nothing has
 * changed.
 */
static void assert_refused(struct fixture *fixture,
                           enum wal_status expected,
                           const char *first_word,
                           const char *second_word)
{
    wal_close(&fixture->wal);
    const struct sim_disk_counters before = sim_disk_counters_of(fixture->disk);
    assert_int_equal(try_open(fixture), expected);
    assert_null(fixture->wal);
    if (strstr(fixture->recovery.sentence, first_word) == NULL ||
        strstr(fixture->recovery.sentence, second_word) == NULL) {
        fail_msg("\"%s\" has not \"%s\" and \"%s\"", fixture->recovery.sentence,
                 first_word, second_word);
    }
    const struct sim_disk_counters after = sim_disk_counters_of(fixture->disk);
    assert_int_equal(after.bytes_written, before.bytes_written);
    assert_int_equal(after.syncs, before.syncs);
}

static void assert_opens_as_twin(struct fixture *fixture)
{
    wal_close(&fixture->wal);
    open_log(fixture);
    const char *difference =
        twin_compare_recovered(fixture->twin, &fixture->recovery.core);
    if (difference == NULL) {
        difference = twin_compare_log(fixture->twin, fixture->wal, 10);
    }
    if (difference != NULL) {
        fail_msg("%s", difference);
    }
}

/* ---- tears ------------------------------------------------------------------------- */

static void a_torn_last_block_is_cut_and_zeroed(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 100);
    struct twin *before = twin_copy(fixture->twin);
    append(fixture, 9000);
    uint64_t offset = last_offset(fixture, 9000);
    spoil(fixture, LOG_1, offset + 5000);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    assert_opens_as_twin(fixture);
    assert_int_equal(fixture->recovery.torn_blocks, 1);
    // The first 4 KiB are the new block's; the rest of the torn one is gone.
    assert_int_equal(fixture->wal->segment.offset, offset + PAGE);
    assert_true(sim_disk_read_media(fixture->disk, LOG_1, offset + PAGE, fixture->before,
                                    2 * PAGE));
    for (size_t i = 0; i < 2 * PAGE; i++) {
        assert_int_equal(fixture->before[i], 0);
    }
    append(fixture, 100);
    assert_opens_as_twin(fixture);
    assert_int_equal(fixture->recovery.torn_blocks, 0);
}

static void a_block_torn_in_its_first_sector_is_cut(void **state)
{
    struct fixture *fixture = *state;
    struct twin *before = twin_copy(fixture->twin);
    append(fixture, 9000);
    blank(fixture, LOG_1, last_offset(fixture, 9000), 512);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    assert_opens_as_twin(fixture);
    assert_int_equal(fixture->recovery.torn_blocks, 1);
}

static void a_stale_block_at_the_end_is_cut(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 100);
    append(fixture, 100);
    // A whole block of this segment, in a place where another one belongs.
    uint64_t offset = last_offset(fixture, 100);
    assert_true(sim_disk_read_media(fixture->disk, LOG_1, offset, fixture->before, PAGE));
    assert_true(
        sim_disk_overwrite(fixture->disk, LOG_1, offset + PAGE, fixture->before, PAGE));
    assert_opens_as_twin(fixture);
    assert_int_equal(fixture->recovery.torn_blocks, 1);
}

/* ---- damage ------------------------------------------------------------------------ */

static void damage_with_nothing_sound_behind_it_is_reported(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 30000);
    uint64_t offset = last_offset(fixture, 30000);
    append(fixture, 30000);
    assert_int_equal(fixture->wal->segment.number, 2);
    // The new segment's name says that all before it was durable; nothing says what it was.
    blank(fixture, LOG_1, offset, SEGMENT_BYTES - (size_t)offset);
    blank(fixture, LOG_2, 0, SEGMENT_BYTES);
    assert_refused(fixture, WAL_DAMAGED, "damaged at offset", "block 2");
    // And it stays so: nothing was mended behind the operator's back.
    assert_refused(fixture, WAL_DAMAGED, "damaged at offset", "promised");
}

static void a_log_that_cannot_be_read_is_reported(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 100);
    wal_close(&fixture->wal);
    for (uint64_t at = 0; at < 2; at++) {
        sim_disk_fail_next(fixture->disk, SIM_DISK_READ, at, ENXIO);
        assert_int_equal(try_open(fixture), WAL_DAMAGED);
        assert_non_null(strstr(fixture->recovery.sentence, "cannot be read"));
    }
    sim_disk_fail_next(fixture->disk, SIM_DISK_LIST, 0, EIO);
    assert_int_equal(try_open(fixture), WAL_UNUSABLE);
    sim_disk_fail_next(fixture->disk, SIM_DISK_OPEN, 0, EIO);
    assert_int_equal(try_open(fixture), WAL_DAMAGED);
    sim_disk_fail_next(fixture->disk, SIM_DISK_OPEN, 1, EIO);
    assert_int_equal(try_open(fixture), WAL_DAMAGED);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SIZE, 0, EIO);
    assert_int_equal(try_open(fixture), WAL_DAMAGED);
    assert_opens_as_twin(fixture);
}

/* ---- amnesia ----------------------------------------------------------------------- */

static void a_wiped_promise_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    promise(fixture);
    uint64_t offset = fixture->wal->segment.offset - PAGE;
    blank(fixture, LOG_1, offset, PAGE);
    assert_refused(fixture, WAL_AMNESIA, "block 2", "must not vote");
}

static void a_missing_superblock_beside_a_log_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture->files.remove_file(fixture->disk, SUPERBLOCK_NAME), 0);
    assert_refused(fixture, WAL_AMNESIA, SUPERBLOCK_NAME, "missing");
}

static void a_broken_superblock_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t copy = 0; copy < 3; copy++) {
        spoil(fixture, SUPERBLOCK_NAME, copy * PAGE + 99);
    }
    assert_refused(fixture, WAL_AMNESIA, SUPERBLOCK_NAME, "copies");
}

static void missing_segments_are_amnesia(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 30000);
    append(fixture, 30000);
    append(fixture, 30000);
    assert_int_equal(fixture->wal->segment.number, 3);
    promise(fixture);
    assert_int_equal(fixture->files.rename_file(fixture->disk, LOG_2, "kept"), 0);
    assert_refused(fixture, WAL_AMNESIA, LOG_2, "missing");
    assert_int_equal(fixture->files.rename_file(fixture->disk, "kept", LOG_2), 0);
    assert_int_equal(fixture->files.rename_file(fixture->disk, "log-0000000003", "kept"),
                     0);
    assert_refused(fixture, WAL_AMNESIA, "log-0000000003", "lost files");
    assert_int_equal(fixture->files.rename_file(fixture->disk, "kept", "log-0000000003"),
                     0);
    assert_opens_as_twin(fixture);
}

static void all_segments_missing_are_amnesia(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture->files.remove_file(fixture->disk, LOG_1), 0);
    assert_refused(fixture, WAL_AMNESIA, "block 1", "must not vote");
}

static void an_old_copy_of_the_superblock_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *old = malloc(SUPERBLOCK_FILE_BYTES);
    assert_non_null(old);
    assert_true(sim_disk_read_media(fixture->disk, SUPERBLOCK_NAME, 0, old,
                                    SUPERBLOCK_FILE_BYTES));
    assert_opens_as_twin(fixture); // boot 2
    assert_opens_as_twin(fixture); // boot 3
    assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME, 0, old,
                                   SUPERBLOCK_FILE_BYTES));
    free(old);
    assert_refused(fixture, WAL_AMNESIA, "boot 3", "old copy");
}

static void an_old_copy_of_the_log_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 100);
    assert_true(
        sim_disk_read_media(fixture->disk, LOG_1, 0, fixture->before, SEGMENT_BYTES));
    promise(fixture);
    append(fixture, 100);
    assert_true(
        sim_disk_overwrite(fixture->disk, LOG_1, 0, fixture->before, SEGMENT_BYTES));
    assert_refused(fixture, WAL_AMNESIA, "block 3", "old copy");
}

static void a_log_with_an_older_promise_than_the_superblock_is_amnesia(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *old = malloc(SUPERBLOCK_FILE_BYTES);
    uint8_t *new = malloc(SUPERBLOCK_FILE_BYTES);
    assert_non_null(old);
    assert_non_null(new);
    assert_true(sim_disk_read_media(fixture->disk, SUPERBLOCK_NAME, 0, old,
                                    SUPERBLOCK_FILE_BYTES));
    assert_true(
        sim_disk_read_media(fixture->disk, LOG_1, 0, fixture->before, SEGMENT_BYTES));
    struct twin *twin = twin_copy(fixture->twin);
    promise(fixture);
    assert_true(sim_disk_read_media(fixture->disk, SUPERBLOCK_NAME, 0, new,
                                    SUPERBLOCK_FILE_BYTES));
    // Back in time, and on without that promise until the log is as long as it was.
    wal_close(&fixture->wal);
    assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME, 0, old,
                                   SUPERBLOCK_FILE_BYTES));
    assert_true(
        sim_disk_overwrite(fixture->disk, LOG_1, 0, fixture->before, SEGMENT_BYTES));
    twin_assign(fixture->twin, twin);
    open_log(fixture);
    append(fixture, 100);
    append(fixture, 100);
    assert_true(sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME, 0, new,
                                   SUPERBLOCK_FILE_BYTES));
    assert_refused(fixture, WAL_AMNESIA, "smaller promise", "old copy");
    twin_destroy(&twin);
    free(old);
    free(new);
}

/* ---- other ------------------------------------------------------------------------- */

static void the_log_of_another_node_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    struct segment_header header = {.incarnation = {.high = 99, .low = 99},
                                    .number = 1,
                                    .generation = 1,
                                    .first_block = 1};
    segment_pack_header(fixture->before, &header);
    assert_true(sim_disk_overwrite(fixture->disk, LOG_1, 0, fixture->before, PAGE));
    assert_refused(fixture, WAL_DAMAGED, LOG_1, "header");
}

static void a_segment_of_another_release_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct segment_header header = {.number = 1};
    uint8_t *page = fixture->before;
    segment_pack_header(page, &header);
    store_u32(page + 8, SEGMENT_FORMAT_VERSION + 1);
    struct cs_digest digest =
        digest_128(page + 32, PAGE - 32, SEGMENT_FORMAT_VERSION + 1);
    uint8_t *at = page + 16;
    field_put_digest(&at, digest);
    assert_true(sim_disk_overwrite(fixture->disk, LOG_1, 0, page, PAGE));
    assert_refused(fixture, WAL_VERSION, LOG_1, "another");
}

static void a_superblock_of_another_release_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t copy = 0; copy < SUPERBLOCK_COPIES; copy++) {
        uint8_t *page = fixture->before;
        assert_true(
            sim_disk_read_media(fixture->disk, SUPERBLOCK_NAME, copy * PAGE, page, PAGE));
        store_u32(page + 8, SUPERBLOCK_FORMAT_VERSION + 1);
        struct cs_digest digest =
            digest_128(page + 32, PAGE - 32, SUPERBLOCK_FORMAT_VERSION + 1);
        uint8_t *at = page + 16;
        field_put_digest(&at, digest);
        assert_true(
            sim_disk_overwrite(fixture->disk, SUPERBLOCK_NAME, copy * PAGE, page, PAGE));
    }
    assert_refused(fixture, WAL_VERSION, "another", "release");
}

/* A block whose digest is right and whose records are not what a log can say. */
static void sound_bytes_that_make_no_sense_are_damage_not_a_tear(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 100);
    uint64_t offset = last_offset(fixture, 100);
    uint8_t *block = segment_alloc(PAGE);
    assert_true(sim_disk_read_media(fixture->disk, LOG_1, offset, block, PAGE));
    struct block_header header = {0};
    assert_true(
        block_unpack(view_of(block, PAGE), fixture->wal->segment.seed, offset, &header));
    store_u64(block + BLOCK_HEADER_BYTES + 16, 5); // first slot: there is a gap before it
    block_pack(block, &header, fixture->wal->segment.seed, offset);
    assert_true(sim_disk_overwrite(fixture->disk, LOG_1, offset, block, PAGE));
    free(block);
    assert_refused(fixture, WAL_DAMAGED, LOG_1, "block 2"); // it was the last one
}

static void leftovers_of_preparing_are_removed(void **state)
{
    struct fixture *fixture = *state;
    static const char *const NAMES[] = {"prepare-0000000009", "ready-0000000007",
                                        "ready-0000000001"};
    wal_close(&fixture->wal);
    for (size_t i = 0; i < 3; i++) {
        int handle = fixture->files.open_file(fixture->disk, NAMES[i], true);
        assert_true(handle >= 0);
        assert_int_equal(fixture->files.close_file(fixture->disk, handle), 0);
    }
    int handle = fixture->files.open_file(fixture->disk, "log-12x", true);
    assert_true(handle >= 0);
    open_log(fixture);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture->files.open_file(fixture->disk, NAMES[i], false),
                         -ENOENT);
    }
    // What is not ours stays.
    assert_true(fixture->files.open_file(fixture->disk, "log-12x", false) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_observation_matches_exactly_one_row),
        cmocka_unit_test(the_table_never_discards_what_may_have_been_acknowledged),
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_torn_last_block_is_cut_and_zeroed),
        TEST(a_block_torn_in_its_first_sector_is_cut),
        TEST(a_stale_block_at_the_end_is_cut),
        TEST(damage_with_nothing_sound_behind_it_is_reported),
        TEST(a_log_that_cannot_be_read_is_reported),
        TEST(a_wiped_promise_is_amnesia),
        TEST(a_missing_superblock_beside_a_log_is_amnesia),
        TEST(a_broken_superblock_is_amnesia),
        TEST(missing_segments_are_amnesia),
        TEST(all_segments_missing_are_amnesia),
        TEST(an_old_copy_of_the_superblock_is_amnesia),
        TEST(an_old_copy_of_the_log_is_amnesia),
        TEST(a_log_with_an_older_promise_than_the_superblock_is_amnesia),
        TEST(the_log_of_another_node_is_not_taken),
        TEST(a_segment_of_another_release_is_refused),
        TEST(a_superblock_of_another_release_is_refused),
        TEST(sound_bytes_that_make_no_sense_are_damage_not_a_tear),
        TEST(leftovers_of_preparing_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
