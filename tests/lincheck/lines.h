/*
 * lines.h - histories as text, one operation a line, fields parted by one space:
 *
 *   CLIENT CALL RETURN KIND KEY VALUE CONDITION OUTCOME REVISION SEEN [VERSION]
 *
 *   CLIENT     a number, for reports
 *   CALL       when it was invoked, RETURN when its answer came: numbers of one clock, any
 *              unit; what is equal counts as concurrent. RETURN is - without an answer
 *   KIND       get put delete
 *   KEY        any bytes but space and line feed, at most 4096: as in the URL
 *   VALUE      a number that names what a put writes or a get found, unique among the puts
 *              of a key; ? for bytes that nobody wrote; - for none
 *   CONDITION  - absent exists rev:N
 *   OUTCOME    created updated (put), deleted (delete), found (get), absent (get, delete),
 *              refused (the condition did not hold), unknown (no answer, or one that says so),
 *              failed (certainly never executed: such lines are counted, else left out)
 *   REVISION   of the key, as told (ETag): its own of created and updated, what was met of
 *              found and refused (0: the key was absent); - not told
 *   SEEN       the store's revision as told (Consens-Revision), its own of a change; - not told
 *   VERSION    of the key, if told
 *
 * Lines that begin with # and empty ones are skipped.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_LINES_H
#define CONSENS_TESTS_LINCHECK_LINES_H

#include "lincheck/lincheck.h"

#include <stdio.h>

#define LINES_VALUE_MAX (UINT64_MAX / 2) // above it: values that nobody wrote

enum { LINES_ERROR_BYTES = 160, LINES_KEY_BYTES_MAX = 4096 };

struct lines_key {
    const char *name; // not ended by a zero
    size_t bytes;
};

struct lines {
    struct lincheck_operation *operations; // id: the line in the file, from 1
    size_t count;
    size_t capacity;
    size_t failed_count;    // left out: certainly not executed
    size_t unread_count;    // left out: reads without an answer
    size_t unknown_count;   // writes without an answer
    struct lines_key *keys; // by number
    size_t key_count;
    char *text; // the file: names point into it
    size_t text_bytes;
    struct lines_table *names;  // key names
    struct lines_table *values; // (key, value) of puts
    char error[LINES_ERROR_BYTES];
};

/* False: `error` says why, with the line. Either way lines_fini. */
bool lines_read(struct lines *lines, const char *path);

void lines_fini(struct lines *lines);

void lines_print(FILE *out,
                 const struct lincheck_operation *operation,
                 const struct lines_key *key);

#endif
