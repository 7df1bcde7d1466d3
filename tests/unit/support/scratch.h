/*
 * scratch.h - a directory of its own for a test, and what a command prints.
 *
 * Thread: the test's.
 */
#ifndef CONSENS_TESTS_SCRATCH_H
#define CONSENS_TESTS_SCRATCH_H

#include <stddef.h>

/* cmocka group fixtures: a new empty current directory; all of it removed afterwards. */
int scratch_enter(void **state);
int scratch_leave(void **state);

/* Writes the whole file in the scratch directory. */
void scratch_write(const char *name, const char *text);
void scratch_write_bytes(const char *name, const void *data, size_t bytes);

struct scratch_run {
    int code;
    char out[16384]; // what went to stdout
    char err[16384]; // and to stderr
};

/* Runs `main_function` with these words (the last is NULL) and keeps what it prints. */
void scratch_run(int (*main_function)(int argc, char **argv),
                 const char *const *words,
                 struct scratch_run *out_run);

#endif
