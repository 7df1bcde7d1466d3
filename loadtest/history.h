/*
 * history.h - what clients asked and were told, written as tests/lincheck/lines.h reads it.
 *
 * Thread: history_add() from any.
 */
#ifndef CONSENS_LOADTEST_HISTORY_H
#define CONSENS_LOADTEST_HISTORY_H

#include "loadtest/driver.h"

#include <stdio.h>

struct history {
    FILE *file;
    char path[256];
    bool is_temporary;
    const char *prefix;
};

/* False: errno says why. */
bool history_open(struct history *history, const struct plan *plan);

struct history_moment {
    uint32_t client; // of all threads
    uint64_t invoked_ns;
    uint64_t returned_ns;
};

/* Local reads are left out: they promise nothing that could be judged. */
void history_add(struct history *history,
                 const struct operation *operation,
                 const struct history_moment *moment);

/* Judges it, printing what was found; removes a temporary file of a good one. Exit code 0, 1. */
int history_judge(struct history *history);

#endif
