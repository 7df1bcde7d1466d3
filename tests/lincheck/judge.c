#include "lincheck/judge.h"

#include "base/check.h"
#include "lincheck/fast.h"
#include "lincheck/lines.h"
#include "lincheck/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CONTEXT_LINES = 25 };

/* Of the processor: the machine may have other work. */
static double seconds_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_operation(const struct lines *lines,
                            const struct lincheck_operation *operation,
                            const char *mark)
{
    (void)printf("%s line %-7" PRIu64 " ", mark, operation->id);
    lines_print(stdout, operation, &lines->keys[operation->key]);
}

static enum judge_verdict judge_fast(const struct lines *lines)
{
    struct fast_result result;
    double begun = seconds_now();
    bool is_good = fast_check(lines->operations, lines->count, &result);
    (void)printf("fast: %s in %.2f s\n", is_good ? "passed" : "VIOLATED",
                 seconds_now() - begun);
    if (is_good) {
        return JUDGE_GOOD;
    }
    (void)printf("  %s (revision %" PRIu64 ")\n", result.sentence, result.revision);
    for (size_t i = 0; i < result.operation_count; i++) {
        print_operation(lines, &lines->operations[result.operations[i]], " ");
    }
    return JUDGE_VIOLATED;
}

/* What led there: the operations of the key up to the first return that fits no order. */
static void print_witness(const struct lines *lines, uint64_t key, uint64_t steps)
{
    struct lincheck_operation *all =
        calloc(lines->count == 0 ? 1 : lines->count, sizeof *all);
    CHECK(all != NULL);
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->operations[i].key == key) {
            all[count++] = lines->operations[i];
        }
    }
    size_t last = 0;
    count = witness_cut(all, count, steps, &last);
    (void)printf("  no order explains the key up to the return of line %" PRIu64
                 ", of %zu operations the last:\n",
                 all[last].id, count);
    for (size_t i = 0; i < count; i++) {
        if (i + CONTEXT_LINES >= count || i == last) {
            print_operation(lines, &all[i], i == last ? "*" : " ");
        }
    }
    free(all);
}

static enum judge_verdict judge_search(const struct lines *lines, uint64_t steps)
{
    struct lincheck_result result;
    struct lincheck *lincheck = lincheck_new();
    double begun = seconds_now();
    for (size_t i = 0; i < lines->count; i++) {
        lincheck_add(lincheck, &lines->operations[i]);
    }
    enum lincheck_verdict verdict = lincheck_run(lincheck, steps, &result);
    lincheck_destroy(&lincheck);
    (void)printf("search: %s after %" PRIu64 " steps in %.2f s\n",
                 verdict == LINCHECK_PASSED     ? "passed"
                 : verdict == LINCHECK_VIOLATED ? "VIOLATED"
                                                : "UNDECIDED",
                 result.step_count, seconds_now() - begun);
    if (verdict == LINCHECK_PASSED) {
        return JUDGE_GOOD;
    }
    const struct lines_key *key = &lines->keys[result.key];
    (void)printf("  key %.*s: %" PRIu32 " of %" PRIu32
                 " operations in order, then stuck at line %" PRIu64 "\n",
                 (int)key->bytes, key->name, result.explained, result.operation_count,
                 result.stuck_id);
    if (verdict == LINCHECK_UNDECIDED) {
        return JUDGE_UNDECIDED;
    }
    print_witness(lines, result.key, steps);
    return JUDGE_VIOLATED;
}

enum judge_verdict judge_file(const char *path, const struct judge_ways *ways)
{
    struct lines lines;
    double begun = seconds_now();
    enum judge_verdict verdict = JUDGE_UNREAD;
    if (!lines_read(&lines, path)) {
        (void)fprintf(stderr, "%s: %s\n", path, lines.error);
    } else {
        (void)printf("%zu operations on %zu keys, %zu of them writes without an answer; "
                     "left out: %zu never executed, %zu reads without an answer (read in "
                     "%.2f s)\n",
                     lines.count, lines.key_count, lines.unknown_count,
                     lines.failed_count, lines.unread_count, seconds_now() - begun);
        verdict = ways->fast ? judge_fast(&lines) : JUDGE_GOOD;
        if (ways->search) {
            enum judge_verdict searched = judge_search(&lines, ways->steps);
            verdict = verdict == JUDGE_GOOD ? searched : verdict;
        }
    }
    lines_fini(&lines);
    return verdict;
}
