/* Segment files: names, headers, zero-filling, reading through a window. */
#include "wal/segment.h"

#include "support/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BYTES = 64 * 1024, PAGE = 4096 };

struct fixture {
    struct sim_disk *disk;
    struct files files;
    char error[256];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->disk = sim_disk_new(1, 4 * BYTES);
    fixture->files = sim_disk_files(fixture->disk);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    sim_disk_destroy(&fixture->disk);
    free(fixture);
    return 0;
}

static enum wal_status prepare(struct fixture *fixture, uint64_t number)
{
    return segment_prepare(&fixture->files, BYTES, number, fixture->error,
                           sizeof fixture->error);
}

static bool is_there(struct fixture *fixture, const char *name)
{
    int handle = fixture->files.open_file(fixture->disk, name, false);
    if (handle >= 0) {
        assert_int_equal(fixture->files.close_file(fixture->disk, handle), 0);
    }
    return handle >= 0;
}

static void names_are_read_as_written(void **state)
{
    (void)state;
    static const uint64_t NUMBERS[] = {1, 42, 9999999999u, 12345678901u};
    for (int kind = SEGMENT_LOG; kind <= SEGMENT_PREPARE; kind++) {
        for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
            char name[FILES_NAME_BYTES];
            enum segment_kind read_kind;
            uint64_t number = 0;
            segment_name(name, (enum segment_kind)kind, NUMBERS[i]);
            assert_true(segment_parse_name(name, &read_kind, &number));
            assert_int_equal(read_kind, kind);
            assert_int_equal(number, NUMBERS[i]);
        }
    }
}

static void other_names_are_left_alone(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"",
                                        "log-",
                                        "log-1",
                                        "log-000000000x",
                                        "log-00000000001x",
                                        "LOG",
                                        "log-0000000000",
                                        "prepare-probe",
                                        "superblock",
                                        "ready 0000000001",
                                        "log-99999999999999999999999",
                                        "prepare-superblock"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        enum segment_kind kind;
        uint64_t number = 0;
        assert_false(segment_parse_name(NAMES[i], &kind, &number));
    }
}

static void headers_are_read_as_written_and_any_changed_byte_is_seen(void **state)
{
    (void)state;
    uint8_t *page = segment_alloc(PAGE);
    const struct segment_header written = {
        .incarnation = {.high = 1, .low = 2},
        .cluster_id = {.high = 3, .low = 4},
        .number = 5,
        .generation = 6,
        .first_block = 7,
        .previous = {.high = 8, .low = 9},
    };
    struct segment_header read;
    segment_pack_header(page, &written);
    assert_int_equal(segment_unpack_header(page, &read), SEGMENT_SOUND);
    assert_memory_equal(&read, &written, sizeof read);
    for (size_t i = 0; i < PAGE; i++) {
        bool is_unused = i >= 12 && i < 16;
        page[i] ^= 1;
        assert_int_equal(segment_unpack_header(page, &read),
                         is_unused ? SEGMENT_SOUND : SEGMENT_BAD);
        page[i] ^= 1;
    }
    free(page);
}

static void a_prepared_segment_is_zeros_and_durable(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(prepare(fixture, 3), WAL_OK);
    sim_disk_crash(fixture->disk);
    uint8_t *bytes = malloc(BYTES);
    assert_non_null(bytes);
    assert_true(sim_disk_read_media(fixture->disk, "ready-0000000003", 0, bytes, BYTES));
    for (size_t i = 0; i < BYTES; i++) {
        assert_int_equal(bytes[i], 0);
    }
    free(bytes);
    assert_false(is_there(fixture, "prepare-0000000003"));
}

static void a_full_disk_is_told_and_nothing_is_left_behind(void **state)
{
    struct fixture *fixture = *state;
    sim_disk_set_capacity(fixture->disk, BYTES - PAGE);
    assert_int_equal(prepare(fixture, 1), WAL_FULL);
    assert_false(is_there(fixture, "prepare-0000000001"));
    assert_false(is_there(fixture, "ready-0000000001"));
    sim_disk_set_capacity(fixture->disk, BYTES);
    sim_disk_fail_next(fixture->disk, SIM_DISK_WRITE, 0, SIM_DISK_SHORT_WRITE);
    assert_int_equal(prepare(fixture, 1), WAL_FULL);
    assert_int_equal(prepare(fixture, 1), WAL_OK);
}

static void a_disk_that_says_it_has_no_room_is_not_filled_up(void **state)
{
    struct fixture *fixture = *state;
    sim_disk_set_says_room(fixture->disk, true);
    sim_disk_set_capacity(fixture->disk, BYTES - PAGE);
    assert_int_equal(prepare(fixture, 1), WAL_FULL);
    assert_int_equal(sim_disk_counters_of(fixture->disk).writes, 0);
    sim_disk_set_capacity(fixture->disk, BYTES);
    assert_int_equal(prepare(fixture, 1), WAL_OK);
}

static void every_failing_call_of_preparing_is_told(void **state)
{
    struct fixture *fixture = *state;
    static const enum sim_disk_call CALLS[] = {
        SIM_DISK_REMOVE, SIM_DISK_OPEN,   SIM_DISK_WRITE,         SIM_DISK_SYNC,
        SIM_DISK_CLOSE,  SIM_DISK_RENAME, SIM_DISK_SYNC_DIRECTORY};
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        sim_disk_reset(fixture->disk, i);
        sim_disk_fail_next(fixture->disk, CALLS[i], 0, EIO);
        assert_int_equal(prepare(fixture, 1), WAL_FAILED);
        assert_non_null(strstr(fixture->error, "prepare-0000000001"));
    }
}

static void what_may_pass_fails_no_segment(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum sim_disk_call call;
        int error;
        enum wal_status status;
    } CASES[] = {
        {SIM_DISK_OPEN, EMFILE, WAL_UNUSABLE},   {SIM_DISK_OPEN, ENFILE, WAL_UNUSABLE},
        {SIM_DISK_OPEN, ENOMEM, WAL_UNUSABLE},   {SIM_DISK_OPEN, ENOSPC, WAL_FULL},
        {SIM_DISK_REMOVE, ENOMEM, WAL_UNUSABLE}, {SIM_DISK_RENAME, ENOMEM, WAL_UNUSABLE},
        {SIM_DISK_RENAME, ENOSPC, WAL_FULL},     {SIM_DISK_RENAME, EDQUOT, WAL_FULL},
        {SIM_DISK_SYNC, ENOSPC, WAL_FULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sim_disk_reset(fixture->disk, i);
        fixture->error[0] = '\0';
        sim_disk_fail_next(fixture->disk, CASES[i].call, 0, CASES[i].error);
        assert_int_equal(prepare(fixture, 1), CASES[i].status);
        assert_int_equal(fixture->error[0] != '\0', CASES[i].status == WAL_UNUSABLE);
        assert_false(is_there(fixture, "ready-0000000001"));
        assert_true(CASES[i].status == WAL_UNUSABLE ||
                    !is_there(fixture, "prepare-0000000001"));
        assert_int_equal(prepare(fixture, 1), WAL_OK);
    }
}

/* The write to the disk that failed may be that of another name. */
static void a_directory_that_is_not_synced_is_final(void **state)
{
    struct fixture *fixture = *state;
    sim_disk_fail_next(fixture->disk, SIM_DISK_SYNC_DIRECTORY, 0, ENOSPC);
    assert_int_equal(prepare(fixture, 1), WAL_FAILED);
}

static void a_reader_reads_what_is_there_and_no_further(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(prepare(fixture, 1), WAL_OK);
    assert_int_equal(
        fixture->files.rename_file(fixture->disk, "ready-0000000001", "log-0000000001"),
        0);
    const uint8_t marks[2] = {7, 9};
    assert_true(sim_disk_overwrite(fixture->disk, "log-0000000001", PAGE, &marks[0], 1));
    assert_true(
        sim_disk_overwrite(fixture->disk, "log-0000000001", BYTES - PAGE, &marks[1], 1));
    struct segment_reader reader;
    segment_reader_init(&reader, &fixture->files, 2 * PAGE);
    assert_false(segment_reader_open(&reader, 2));
    assert_int_equal(reader.error, ENOENT);
    assert_true(segment_reader_open(&reader, 1));
    assert_int_equal(segment_reader_at(&reader, PAGE, PAGE)[0], 7);
    assert_int_equal(segment_reader_at(&reader, 0, BYTES)[PAGE], 7);
    assert_int_equal(segment_reader_at(&reader, BYTES - PAGE, PAGE)[0], 9);
    assert_null(segment_reader_at(&reader, BYTES - PAGE, 2 * PAGE));
    assert_int_equal(reader.error, 0);
    assert_null(segment_reader_at(&reader, BYTES + PAGE, PAGE));
    // The window answers until it is told to forget.
    uint64_t before = sim_disk_counters_of(fixture->disk).bytes_read;
    assert_int_equal(segment_reader_at(&reader, BYTES - PAGE, PAGE)[0], 9);
    assert_int_equal(sim_disk_counters_of(fixture->disk).bytes_read, before);
    segment_reader_forget(&reader);
    sim_disk_fail_next(fixture->disk, SIM_DISK_READ, 0, ENXIO);
    assert_null(segment_reader_at(&reader, BYTES - PAGE, PAGE));
    assert_int_equal(reader.error, ENXIO);
    segment_reader_fini(&reader);
    sim_disk_fail_next(fixture->disk, SIM_DISK_SIZE, 0, EIO);
    assert_false(segment_reader_open(&reader, 1));
    assert_int_equal(reader.error, EIO);
    segment_reader_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_written),
        cmocka_unit_test(other_names_are_left_alone),
        cmocka_unit_test(headers_are_read_as_written_and_any_changed_byte_is_seen),
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_prepared_segment_is_zeros_and_durable),
        TEST(a_full_disk_is_told_and_nothing_is_left_behind),
        TEST(a_disk_that_says_it_has_no_room_is_not_filled_up),
        TEST(every_failing_call_of_preparing_is_told),
        TEST(what_may_pass_fails_no_segment),
        TEST(a_directory_that_is_not_synced_is_final),
        TEST(a_reader_reads_what_is_there_and_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
