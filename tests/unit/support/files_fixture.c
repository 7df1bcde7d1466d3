#include "unit/support/files_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int files_fixture_set_up(void **state)
{
    struct files_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    const char *place = getenv("TMPDIR");
    (void)snprintf(fixture->base, sizeof fixture->base, "%s/consens-files-XXXXXX",
                   place != NULL ? place : "/tmp");
    assert_non_null(mkdtemp(fixture->base));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/data", fixture->base);
    fixture->page = aligned_alloc(FILES_ALIGN_BYTES, 2 * FILES_ALIGN_BYTES);
    assert_non_null(fixture->page);
    memset(fixture->page, 'a', 2 * FILES_ALIGN_BYTES);
    *state = fixture;
    return 0;
}

int files_fixture_tear_down(void **state)
{
    struct files_fixture *fixture = *state;
    static const char *const NAMES[] = {"one", "two"};
    files_close_directory(&fixture->files);
    char path[sizeof fixture->path + 16];
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", fixture->path, NAMES[i]);
        (void)unlink(path);
    }
    (void)rmdir(fixture->path);
    (void)rmdir(fixture->base);
    free(fixture->page);
    free(fixture);
    return 0;
}

int files_fixture_open(struct files_fixture *fixture)
{
    return files_open_directory(&fixture->files, fixture->path, fixture->error,
                                sizeof fixture->error);
}
