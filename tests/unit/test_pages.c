/* Reads of a disk with bad sectors: one costs its page, any other error is an error. */
#include "wal/pages.h"

#include "support/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = FILES_ALIGN_BYTES, PAGES = 8, BYTES = PAGES * PAGE };

/* A disk that answers `error` for the pages of a mask. */
struct bad_disk {
    unsigned mask;
    int error;
    uint64_t calls;
    uint64_t file_bytes;
};

static int64_t
read_bad(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    struct bad_disk *disk = context;
    assert_int_equal(handle, 7);
    disk->calls++;
    uint64_t left = offset < disk->file_bytes ? disk->file_bytes - offset : 0;
    size_t taken = bytes < left ? bytes : (size_t)left;
    for (size_t at = 0; at < taken; at++) {
        uint64_t page = (offset + at) / PAGE;
        if ((disk->mask >> page & 1u) != 0) {
            return -disk->error;
        }
        ((uint8_t *)data)[at] = (uint8_t)(page + 1);
    }
    return (int64_t)taken;
}

static int64_t read_all(struct bad_disk *disk, uint8_t *data, int *out_error)
{
    const struct files files = {.context = disk, .read_at = read_bad};
    disk->calls = 0;
    memset(data, 0, BYTES);
    return pages_read(&files, 7, data, BYTES, 0, out_error);
}

static void only_pages_that_fail_are_garbage(void **state)
{
    (void)state;
    static const int ERRORS[] = {EIO, ENODATA, EREMOTEIO, EILSEQ};
    static uint8_t data[BYTES];
    for (unsigned mask = 0; mask < 1u << PAGES; mask++) {
        struct bad_disk disk = {.mask = mask,
                                .error = ERRORS[mask % 4],
                                .file_bytes = BYTES};
        int error = -1;
        assert_int_equal(read_all(&disk, data, &error), BYTES);
        assert_int_equal(error, mask == 0 ? 0 : disk.error);
        assert_int_equal(disk.calls, mask == 0 ? 1 : 1 + PAGES);
        for (unsigned page = 0; page < PAGES; page++) {
            const uint8_t *at = data + (size_t)page * PAGE;
            bool is_bad = (mask >> page & 1u) != 0;
            assert_memory_equal(at, at + 1, PAGE - 1);
            assert_int_equal(at[0] == page + 1, !is_bad);
            assert_int_not_equal(at[0], 0);
        }
    }
}

static void what_is_said_of_no_single_place_is_an_error(void **state)
{
    (void)state;
    static const int ERRORS[] = {ENXIO, EACCES, EBADF, EINVAL, ENOMEM, ETIMEDOUT, ESTALE};
    static uint8_t data[BYTES];
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        struct bad_disk disk = {.mask = 4, .error = ERRORS[i], .file_bytes = BYTES};
        int error = 0;
        assert_int_equal(read_all(&disk, data, &error), -ERRORS[i]);
        assert_int_equal(disk.calls, 1);
    }
}

/* The disk goes while its pages are read one by one. */
static void an_error_later_is_one_too(void **state)
{
    (void)state;
    static _Alignas(PAGE) uint8_t data[BYTES];
    struct sim_disk *disk = sim_disk_new(1, 4 * BYTES);
    struct files files = sim_disk_files(disk);
    int handle = files.open_file(disk, "file", true);
    memset(data, 1, BYTES);
    assert_int_equal(files.write_through(disk, handle, data, BYTES, 0), BYTES);
    assert_true(sim_disk_make_unreadable(disk, "file", PAGE));
    assert_int_equal(pages_read(&files, handle, data, BYTES, 0, NULL), BYTES);
    sim_disk_fail_next(disk, SIM_DISK_READ, 3, ENXIO);
    assert_int_equal(pages_read(&files, handle, data, BYTES, 0, NULL), -ENXIO);
    sim_disk_destroy(&disk);
}

static void the_end_of_the_file_is_where_it_is(void **state)
{
    (void)state;
    static uint8_t data[BYTES];
    for (uint64_t file_bytes = 0; file_bytes <= BYTES; file_bytes += PAGE / 2) {
        struct bad_disk disk = {.mask = 1, .error = EIO, .file_bytes = file_bytes};
        assert_int_equal(read_all(&disk, data, NULL),
                         file_bytes == PAGE / 2 ? PAGE : file_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_pages_that_fail_are_garbage),
        cmocka_unit_test(what_is_said_of_no_single_place_is_an_error),
        cmocka_unit_test(an_error_later_is_one_too),
        cmocka_unit_test(the_end_of_the_file_is_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
