/* The real disk: what files_open_directory() makes, refuses and says. */
#include "unit/support/files_fixture.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

static void open_directory(struct files_fixture *fixture)
{
    if (files_fixture_open(fixture) != 0) {
        fail_msg("%s", fixture->error);
    }
}

static void new_directory_is_for_its_owner_alone(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    int handle = fixture->files.open_file(fixture->files.context, "one", true);
    assert_true(handle >= 0);
    char path[sizeof fixture->path + 16];
    (void)snprintf(path, sizeof path, "%s/one", fixture->path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(fixture->files.close_file(fixture->files.context, handle), 0);
}

static void second_process_is_told_that_the_directory_is_taken(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    struct files second;
    assert_int_equal(files_open_directory(&second, fixture->path, fixture->error,
                                          sizeof fixture->error),
                     -EWOULDBLOCK);
    assert_non_null(strstr(fixture->error, fixture->path));
    assert_non_null(strstr(fixture->error, "another process"));
    files_close_directory(&second); // of what was never opened: nothing happens
    files_close_directory(&fixture->files);
    open_directory(fixture);
}

static void only_the_last_component_is_made(void **state)
{
    struct files_fixture *fixture = *state;
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/no/data", fixture->base);
    assert_int_equal(files_fixture_open(fixture), -ENOENT);
    assert_non_null(strstr(fixture->error, "above it does not exist"));
}

static void a_file_in_the_place_of_the_directory_is_refused(void **state)
{
    struct files_fixture *fixture = *state;
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/data", fixture->base);
    FILE *stream = fopen(fixture->path, "w");
    assert_non_null(stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(files_fixture_open(fixture), -ENOTDIR);
    assert_non_null(strstr(fixture->error, "cannot be opened"));
    assert_int_equal(unlink(fixture->path), 0);
}

static void an_unwritable_file_system_is_refused(void **state)
{
    struct files_fixture *fixture = *state;
    // proc takes no new files, whoever asks.
    (void)snprintf(fixture->path, sizeof fixture->path, "/proc/self/consens-data");
    assert_true(files_fixture_open(fixture) < 0);
    assert_non_null(strstr(fixture->error, "cannot be made"));
}

static void what_is_written_is_read_back(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    const struct files *files = &fixture->files;
    int handle = files->open_file(files->context, "one", true);
    assert_true(handle >= 0);
    memset(fixture->page, 'a', 2 * FILES_ALIGN_BYTES);
    assert_int_equal(
        files->write_at(files->context, handle, fixture->page, 2 * FILES_ALIGN_BYTES, 0),
        2 * FILES_ALIGN_BYTES);
    memset(fixture->page, 'b', FILES_ALIGN_BYTES);
    assert_int_equal(files->write_through(files->context, handle, fixture->page,
                                          FILES_ALIGN_BYTES, FILES_ALIGN_BYTES),
                     FILES_ALIGN_BYTES);
    assert_int_equal(files->sync_file(files->context, handle), 0);
    assert_int_equal(files->size_of(files->context, handle), 2 * FILES_ALIGN_BYTES);
    assert_int_equal(
        files->read_at(files->context, handle, fixture->page, 2 * FILES_ALIGN_BYTES, 0),
        2 * FILES_ALIGN_BYTES);
    assert_int_equal(fixture->page[0], 'a');
    assert_int_equal(fixture->page[FILES_ALIGN_BYTES], 'b');
    // At the end of the file there is less.
    assert_int_equal(files->read_at(files->context, handle, fixture->page,
                                    2 * FILES_ALIGN_BYTES, FILES_ALIGN_BYTES),
                     FILES_ALIGN_BYTES);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

struct names {
    int one_count;
    int two_count;
    int probe_count;
};

static void count_name(void *context, const char *name)
{
    struct names *names = context;
    names->one_count += strcmp(name, "one") == 0;
    names->two_count += strcmp(name, "two") == 0;
    names->probe_count += strncmp(name, "prepare-", 8) == 0;
}

static void files_are_renamed_listed_and_removed(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    const struct files *files = &fixture->files;
    assert_int_equal(files->open_file(files->context, "one", false), -ENOENT);
    int handle = files->open_file(files->context, "one", true);
    assert_true(handle >= 0);
    assert_int_equal(files->close_file(files->context, handle), 0);
    assert_int_equal(files->open_file(files->context, "one", true), -EEXIST);
    assert_int_equal(files->rename_file(files->context, "one", "two"), 0);
    assert_int_equal(files->sync_directory(files->context), 0);
    struct names names = {0};
    const struct files_listing listing = {.on_name = count_name, .context = &names};
    assert_int_equal(files->list(files->context, &listing), 0);
    assert_int_equal(names.one_count, 0);
    assert_int_equal(names.two_count, 1);
    assert_int_equal(names.probe_count, 0);
    assert_int_equal(files->remove_file(files->context, "two"), 0);
    assert_int_equal(files->remove_file(files->context, "two"), -ENOENT);
    assert_int_equal(files->rename_file(files->context, "one", "two"), -ENOENT);
}

static void bad_handles_are_errors_not_crashes(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    const struct files *files = &fixture->files;
    enum { NO_HANDLE = 1000000 };
    assert_int_equal(
        files->read_at(files->context, NO_HANDLE, fixture->page, FILES_ALIGN_BYTES, 0),
        -EBADF);
    assert_int_equal(
        files->write_at(files->context, NO_HANDLE, fixture->page, FILES_ALIGN_BYTES, 0),
        -EBADF);
    assert_int_equal(files->sync_file(files->context, NO_HANDLE), -EBADF);
    assert_int_equal(files->size_of(files->context, NO_HANDLE), -EBADF);
    assert_int_equal(files->close_file(files->context, NO_HANDLE), -EBADF);
}

static void memory_file_systems_are_not_called_direct(void **state)
{
    struct files_fixture *fixture = *state;
    if (access("/dev/shm", W_OK) != 0) {
        skip();
    }
    (void)snprintf(fixture->path, sizeof fixture->path, "/dev/shm/consens-files-%ld",
                   (long)getpid());
    open_directory(fixture);
    assert_false(fixture->files.is_direct(fixture->files.context));
}

static void the_name_of_a_directory_is_made_durable(void **state)
{
    struct files_fixture *fixture = *state;
    assert_int_equal(files_sync_parent(fixture->path), 0); // whether it is there or not
    open_directory(fixture);
    assert_int_equal(files_sync_parent(fixture->path), 0);
    char path[sizeof fixture->path + 32];
    (void)snprintf(path, sizeof path, "%s/missing/name", fixture->path);
    assert_int_equal(files_sync_parent(path), ENOENT);
    assert_int_equal(files_sync_parent("name"), 0);
    assert_int_equal(files_sync_parent("/name/"), 0);
    assert_int_equal(files_sync_parent("/proc/name"), 0); // nothing is durable there
}

/* Others use the disk, too: a file of ours takes some of what there is, about. */
static void the_room_of_the_disk_is_told(void **state)
{
    struct files_fixture *fixture = *state;
    open_directory(fixture);
    struct statvfs status;
    assert_int_equal(statvfs(fixture->path, &status), 0);
    uint64_t room = fixture->files.room_of(fixture->files.context);
    assert_in_range(room, 1, (uint64_t)status.f_blocks * status.f_frsize);
    assert_true(room >= (uint64_t)status.f_bavail * status.f_frsize / 2);
    uid_t user = geteuid();
    if (user == 0) { // what is kept for it is room for nobody else
        assert_int_equal(seteuid(1), 0);
        uint64_t others = fixture->files.room_of(fixture->files.context);
        assert_int_equal(seteuid(user), 0);
        assert_true(others <= room + room / 2);
    }
}

static void planted_faults_make_each_sync_slow(void **state)
{
    struct files_fixture *fixture = *state;
    struct fault_switch faults = {0};
    open_directory(fixture);
    struct files *files = &fixture->files;
    files_plant(files, &faults);
    int handle = files->open_file(files->context, "one", true);
    assert_true(handle >= 0);
    memset(fixture->page, 7, FILES_ALIGN_BYTES);
    atomic_store(&faults.sync_delay_ms, 30);
    uint64_t start_ms = clock_now_ms();
    assert_int_equal(
        files->write_through(files->context, handle, fixture->page, FILES_ALIGN_BYTES, 0),
        FILES_ALIGN_BYTES);
    assert_int_equal(files->sync_file(files->context, handle), 0);
    assert_true(clock_now_ms() - start_ms >= 60);
    assert_int_equal(files->close_file(files->context, handle), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, files_fixture_set_up, files_fixture_tear_down)
        TEST(new_directory_is_for_its_owner_alone),
        TEST(second_process_is_told_that_the_directory_is_taken),
        TEST(only_the_last_component_is_made),
        TEST(a_file_in_the_place_of_the_directory_is_refused),
        TEST(an_unwritable_file_system_is_refused),
        TEST(what_is_written_is_read_back),
        TEST(files_are_renamed_listed_and_removed),
        TEST(bad_handles_are_errors_not_crashes),
        TEST(memory_file_systems_are_not_called_direct),
        TEST(the_name_of_a_directory_is_made_durable),
        TEST(the_room_of_the_disk_is_told),
        TEST(planted_faults_make_each_sync_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
