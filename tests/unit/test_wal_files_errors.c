/*
 * The real disk when the system refuses: the calls of files.c are defined here again, and
 * one of them fails as planned; all others go to the kernel.
 */
#undef _FORTIFY_SOURCE // its wrappers would be defined twice
#define _GNU_SOURCE
#include "unit/support/files_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

enum { NFS_TYPE = 0x6969 };

enum call {
    NO_CALL,
    MKDIR,
    OPEN,
    OPENAT,
    CLOSE,
    READ,
    WRITE,
    FDATASYNC,
    FSYNC,
    LOCK,
    STATFS,
    STATFS_NFS, // says that the directory is a network's
    OPENAT_FILE // opens a file instead
};

/*
 * `call` answers -1 with `error`, or `result` if that is not 0; `times` times, then never.
 * The first `skips` are left alone.
 */
static struct {
    enum call call;
    int error;
    int skips;
    int times;
    long result;
} plan;

static bool is_planned(enum call call)
{
    if (plan.call != call || plan.times == 0) {
        return false;
    }
    if (plan.skips > 0) {
        plan.skips--;
        return false;
    }
    plan.times--;
    errno = plan.error;
    return true;
}

static void fail_once(enum call call, int error)
{
    plan.call = call;
    plan.error = error;
    plan.times = 1;
    plan.skips = 0;
    plan.result = 0;
}

static long planned_result(void)
{
    return plan.result != 0 ? plan.result : -1;
}

int open(const char *path, int flags, ...)
{
    return is_planned(OPEN) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

int mkdir(const char *path, mode_t mode)
{
    return is_planned(MKDIR) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    if (is_planned(OPENAT_FILE)) {
        return (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0);
    }
    return is_planned(OPENAT) ? -1
                              : (int)syscall(SYS_openat, directory, path, flags, 0600);
}

int close(int handle)
{
    int result = (int)syscall(SYS_close, handle); // Linux closes in any case
    return is_planned(CLOSE) ? -1 : result;
}

ssize_t pread(int handle, void *data, size_t bytes, off_t offset)
{
    return is_planned(READ) ? planned_result()
                            : syscall(SYS_pread64, handle, data, bytes, offset);
}

ssize_t
pwritev2(int handle, const struct iovec *vectors, int count, off_t offset, int flags)
{
    return is_planned(WRITE)
               ? planned_result()
               : syscall(SYS_pwritev2, handle, vectors, count, offset, 0, flags);
}

int fdatasync(int handle)
{
    return is_planned(FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, handle);
}

int fsync(int handle)
{
    return is_planned(FSYNC) ? -1 : (int)syscall(SYS_fsync, handle);
}

int flock(int handle, int operation)
{
    return is_planned(LOCK) ? -1 : (int)syscall(SYS_flock, handle, operation);
}

int fstatfs(int handle, struct statfs *status)
{
    if (is_planned(STATFS)) {
        return -1;
    }
    int result = (int)syscall(SYS_fstatfs, handle, status);
    if (is_planned(STATFS_NFS)) {
        status->f_type = NFS_TYPE;
    }
    return result;
}

/* ---- the tests --------------------------------------------------------------------- */

static int set_up(void **state)
{
    plan.call = NO_CALL;
    return files_fixture_set_up(state);
}

static int tear_down(void **state)
{
    plan.call = NO_CALL;
    return files_fixture_tear_down(state);
}

static int open_one(struct files_fixture *fixture)
{
    assert_int_equal(files_fixture_open(fixture), 0);
    int handle = fixture->files.open_file(fixture->files.context, "one", true);
    assert_true(handle >= 0);
    return handle;
}

static void each_failure_of_opening_is_one_sentence(void **state)
{
    struct files_fixture *fixture = *state;
    static const struct {
        enum call call;
        int error;
        int result;
        const char *words;
    } ROWS[] = {
        {MKDIR, EACCES, -EACCES, "cannot be made"},
        {OPEN, EMFILE, -EMFILE, "cannot be opened"},
        {LOCK, ENOLCK, -ENOLCK, "cannot be locked"},
        {STATFS, EIO, -EIO, "cannot be looked at"},
        {STATFS_NFS, 0, -EOPNOTSUPP, "network file system (NFS)"},
        {FSYNC, EIO, -EIO, "cannot be made durable"},
        {OPENAT, EACCES, -EACCES, "cannot be written"},
        {OPENAT, EPERM, -EPERM, "cannot be written"},
        {OPENAT, EROFS, -EROFS, "cannot be written"},
        {WRITE, EIO, -EIO, "cannot be written"},
        {READ, EIO, -EIO, "cannot be written"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        fail_once(ROWS[i].call, ROWS[i].error);
        assert_int_equal(files_fixture_open(fixture), ROWS[i].result);
        assert_int_equal(plan.times, 0);
        assert_non_null(strstr(fixture->error, ROWS[i].words));
        assert_non_null(strstr(fixture->error, fixture->path));
        assert_int_equal(files_fixture_open(fixture), 0); // the lock has been given back
        files_close_directory(&fixture->files);
    }
}

static void sentence_that_does_not_fit_is_cut(void **state)
{
    struct files_fixture *fixture = *state;
    fail_once(LOCK, ENOLCK);
    char words[24];
    assert_int_equal(
        files_open_directory(&fixture->files, fixture->path, words, sizeof words),
        -ENOLCK);
    assert_int_equal(strlen(words), sizeof words - 1);
}

static void parent_that_cannot_be_read_is_its_owners(void **state)
{
    struct files_fixture *fixture = *state;
    fail_once(FSYNC, EACCES);
    assert_int_equal(files_fixture_open(fixture), 0);
    assert_int_equal(plan.times, 0);
    files_close_directory(&fixture->files);
    fail_once(OPEN, EACCES);
    plan.skips = 1; // the directory itself
    assert_int_equal(files_fixture_open(fixture), 0);
    assert_int_equal(plan.times, 0);
}

static void errors_without_a_name_have_words_too(void **state)
{
    (void)state;
    assert_non_null(strstr(files_words_of(9999).text, "9999"));
    assert_string_equal(files_words_of(EIO).text, "Input/output error");
}

static void full_disk_is_left_to_the_log_to_find(void **state)
{
    struct files_fixture *fixture = *state;
    static const int ERRORS[] = {ENOSPC, EDQUOT};
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        fail_once(WRITE, ERRORS[i]);
        assert_int_equal(files_fixture_open(fixture), 0);
        assert_int_equal(plan.times, 0);
        files_close_directory(&fixture->files);
    }
    fail_once(WRITE, 0);
    plan.result = 512; // a short write
    assert_int_equal(files_fixture_open(fixture), 0);
    assert_int_equal(plan.times, 0);
}

static void without_direct_io_the_page_cache_is_used(void **state)
{
    struct files_fixture *fixture = *state;
    fail_once(OPENAT, EINVAL);
    int handle = open_one(fixture);
    assert_false(fixture->files.is_direct(fixture->files.context));
    assert_int_equal(fixture->files.close_file(fixture->files.context, handle), 0);
}

static void a_path_may_end_with_slashes(void **state)
{
    struct files_fixture *fixture = *state;
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/data//", fixture->base);
    assert_int_equal(files_fixture_open(fixture), 0);
}

static void a_name_without_slash_is_in_the_current_directory(void **state)
{
    struct files_fixture *fixture = *state;
    char *here = getcwd(NULL, 0);
    assert_non_null(here);
    assert_int_equal(chdir(fixture->base), 0);
    int result = files_open_directory(&fixture->files, "data", fixture->error,
                                      sizeof fixture->error);
    assert_int_equal(chdir(here), 0);
    free(here);
    assert_int_equal(result, 0);
}

static void signals_interrupt_nothing(void **state)
{
    struct files_fixture *fixture = *state;
    fail_once(LOCK, EINTR);
    int handle = open_one(fixture);
    assert_int_equal(plan.times, 0);
    const struct files *files = &fixture->files;
    fail_once(WRITE, EINTR);
    assert_int_equal(
        files->write_through(files->context, handle, fixture->page, FILES_ALIGN_BYTES, 0),
        FILES_ALIGN_BYTES);
    fail_once(READ, EINTR);
    assert_int_equal(
        files->read_at(files->context, handle, fixture->page, FILES_ALIGN_BYTES, 0),
        FILES_ALIGN_BYTES);
    fail_once(FDATASYNC, EINTR);
    assert_int_equal(files->sync_file(files->context, handle), 0);
    fail_once(FSYNC, EINTR);
    assert_int_equal(files->sync_directory(files->context), 0);
    fail_once(CLOSE, EINTR);
    assert_int_equal(files->close_file(files->context, handle), 0);
    fail_once(OPENAT, EINTR);
    handle = files->open_file(files->context, "one", false);
    assert_true(handle >= 0);
    assert_int_equal(plan.times, 0);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

static void what_fails_says_why(void **state)
{
    struct files_fixture *fixture = *state;
    int handle = open_one(fixture);
    const struct files *files = &fixture->files;
    fail_once(FSYNC, EIO);
    assert_int_equal(files->sync_directory(files->context), -EIO);
    fail_once(FDATASYNC, EIO);
    assert_int_equal(files->sync_file(files->context, handle), -EIO);
    const struct files_listing nobody = {0};
    fail_once(OPENAT, EMFILE);
    assert_int_equal(files->list(files->context, &nobody), -EMFILE);
    fail_once(OPENAT_FILE, 0);
    assert_int_equal(files->list(files->context, &nobody), -ENOTDIR);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

static void read_that_ends_within_a_block_has_met_the_end(void **state)
{
    struct files_fixture *fixture = *state;
    int handle = open_one(fixture);
    const struct files *files = &fixture->files;
    fail_once(READ, 0);
    plan.result = 512;
    assert_int_equal(
        files->read_at(files->context, handle, fixture->page, FILES_ALIGN_BYTES, 0), 512);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

static void on_name(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
}

static void names_too_long_to_be_ours_are_not_listed(void **state)
{
    struct files_fixture *fixture = *state;
    assert_int_equal(files_fixture_open(fixture), 0);
    const struct files *files = &fixture->files;
    char name[FILES_NAME_BYTES + 1];
    memset(name, 'n', FILES_NAME_BYTES);
    name[FILES_NAME_BYTES] = '\0';
    int handle = files->open_file(files->context, name, true);
    assert_true(handle >= 0);
    assert_int_equal(files->close_file(files->context, handle), 0);
    int count = 0;
    const struct files_listing listing = {.on_name = on_name, .context = &count};
    assert_int_equal(files->list(files->context, &listing), 0);
    assert_int_equal(count, 2); // . and ..
    assert_int_equal(files->remove_file(files->context, name), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(each_failure_of_opening_is_one_sentence),
        TEST(sentence_that_does_not_fit_is_cut),
        TEST(parent_that_cannot_be_read_is_its_owners),
        TEST(errors_without_a_name_have_words_too),
        TEST(full_disk_is_left_to_the_log_to_find),
        TEST(without_direct_io_the_page_cache_is_used),
        TEST(a_path_may_end_with_slashes),
        TEST(a_name_without_slash_is_in_the_current_directory),
        TEST(signals_interrupt_nothing),
        TEST(what_fails_says_why),
        TEST(read_that_ends_within_a_block_has_met_the_end),
        TEST(names_too_long_to_be_ours_are_not_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
