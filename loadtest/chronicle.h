/*
 * chronicle.h - what clients asked and were told, written as tests/lincheck/lines.h reads it.
 *
 * Thread: chronicle_add() from any.
 */
#ifndef CONSENS_LOADTEST_CHRONICLE_H
#define CONSENS_LOADTEST_CHRONICLE_H

#include "loadtest/driver.h"

#include <stdio.h>

struct chronicle {
    FILE *file;
    char path[256];
    bool is_temporary;
    const char *prefix;
};

/* False: errno says why. */
bool chronicle_open(struct chronicle *history, const struct plan *plan);

struct chronicle_moment {
    uint32_t client; // of all threads
    uint64_t invoked_ns;
    uint64_t returned_ns;
};

/* Local reads are left out: they promise nothing that could be judged. */
void chronicle_add(struct chronicle *history,
                   const struct operation *operation,
                   const struct chronicle_moment *moment);

/* Judges it, printing what was found; removes a temporary file of a good one. Exit code 0, 1. */
int chronicle_judge(struct chronicle *history);

#endif
