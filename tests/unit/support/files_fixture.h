/*
 * files_fixture.h - a place on the real disk for a directory of files (wal/files.h).
 *
 * Thread: the test's.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_FILES_FIXTURE_H
#define CONSENS_TESTS_UNIT_SUPPORT_FILES_FIXTURE_H

#include "wal/files.h"

enum { FILES_FIXTURE_PATH_BYTES = 512, FILES_FIXTURE_ERROR_BYTES = 512 };

struct files_fixture {
    char base[FILES_FIXTURE_PATH_BYTES];      // a new directory
    char path[FILES_FIXTURE_PATH_BYTES + 64]; // in it, of the directory to open
    char error[FILES_FIXTURE_ERROR_BYTES];
    struct files files; // once opened
    uint8_t *page;      // two blocks of 'a', aligned
};

/* For cmocka: *state becomes the fixture. Files `one` and `two` are removed at the end. */
int files_fixture_set_up(void **state);
int files_fixture_tear_down(void **state);

/* As files_open_directory(). */
int files_fixture_open(struct files_fixture *fixture);

#endif
