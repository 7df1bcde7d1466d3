/*
 * lincheck: is the history in a file linearizable? Format: lines.h.
 *
 * Exit codes: 0 it is, 1 it is not, 2 the command or the file cannot be read, 3 the search
 * ran out of steps: to be looked into, never a pass.
 */
#include "lincheck/fast.h"
#include "lincheck/lines.h"
#include "lincheck/sample.h"
#include "lincheck/self_test.h"
#include "lincheck/witness.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_GOOD = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2, EXIT_UNDECIDED = 3 };
enum { CONTEXT_LINES = 25, CLIENTS = 16 };

#define STEPS_DEFAULT UINT64_C(20000000) // of one key

static const char usage[] =
    "usage: lincheck [--fast|--search] [--steps N] FILE\n"
    "       lincheck --self-test SEED\n"
    "       lincheck --make OPERATIONS KEYS SEED\n"
    "  --fast       only the order that the answers tell: they must carry revisions\n"
    "  --search     only the search, which trusts no order\n"
    "  --steps N    of the search, a key (20,000,000)\n"
    "  --self-test  1,000 bad histories must be flagged, 10,000 good ones must not\n"
    "  --make       print a good history, to measure or to edit\n"
    "Exit code: 0 linearizable, 1 not, 2 not read, 3 undecided within the steps.\n";

struct options {
    bool wants_fast;
    bool wants_search;
    uint64_t steps;
    const char *path;
};

static bool parse_number(const char *text, uint64_t *out_number)
{
    char *end = NULL;
    errno = 0;
    *out_number = text == NULL ? 0 : strtoull(text, &end, 10);
    return text != NULL && errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse(struct options *options, int argument_count, char **arguments)
{
    *options = (struct options){true, true, STEPS_DEFAULT, NULL};
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--fast") == 0) {
            options->wants_search = false;
        } else if (strcmp(arguments[i], "--search") == 0) {
            options->wants_fast = false;
        } else if (strcmp(arguments[i], "--steps") == 0) {
            if (!parse_number(arguments[++i], &options->steps)) {
                return false;
            }
        } else if (options->path == NULL && arguments[i][0] != '-') {
            options->path = arguments[i];
        } else {
            return false;
        }
    }
    return options->path != NULL && (options->wants_fast || options->wants_search);
}

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

/*
 * ---- the two ways
 * ------------------------------------------------------------------------
 */

static int check_fast(const struct lines *lines)
{
    struct fast_result result;
    double begun = seconds_now();
    bool is_good = fast_check(lines->operations, lines->count, &result);
    (void)printf("fast: %s in %.2f s\n", is_good ? "passed" : "VIOLATED",
                 seconds_now() - begun);
    if (is_good) {
        return EXIT_GOOD;
    }
    (void)printf("  %s (revision %" PRIu64 ")\n", result.sentence, result.revision);
    for (size_t i = 0; i < result.operation_count; i++) {
        print_operation(lines, &lines->operations[result.operations[i]], " ");
    }
    return EXIT_VIOLATED;
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

static int check_search(const struct lines *lines, uint64_t steps)
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
        return EXIT_GOOD;
    }
    const struct lines_key *key = &lines->keys[result.key];
    (void)printf("  key %.*s: %" PRIu32 " of %" PRIu32
                 " operations in order, then stuck at line %" PRIu64 "\n",
                 (int)key->bytes, key->name, result.explained, result.operation_count,
                 result.stuck_id);
    if (verdict == LINCHECK_UNDECIDED) {
        return EXIT_UNDECIDED;
    }
    print_witness(lines, result.key, steps);
    return EXIT_VIOLATED;
}

static int check_file(const struct options *options)
{
    struct lines lines;
    double begun = seconds_now();
    int code = EXIT_USAGE;
    if (!lines_read(&lines, options->path)) {
        (void)fprintf(stderr, "lincheck: %s: %s\n", options->path, lines.error);
    } else {
        (void)printf("%zu operations on %zu keys, %zu of them writes without an answer; "
                     "left out: %zu never executed, %zu reads without an answer (read in "
                     "%.2f s)\n",
                     lines.count, lines.key_count, lines.unknown_count,
                     lines.failed_count, lines.unread_count, seconds_now() - begun);
        code = options->wants_fast ? check_fast(&lines) : EXIT_GOOD;
        if (options->wants_search) {
            int search_code = check_search(&lines, options->steps);
            code = code == EXIT_GOOD ? search_code : code;
        }
    }
    lines_fini(&lines);
    return code;
}

/*
 * ---- histories to try it on
 * --------------------------------------------------------------
 */

static int make_history(const char *operations, const char *keys, const char *seed_text)
{
    uint64_t count = 0;
    uint64_t key_count = 0;
    uint64_t seed = 0;
    if (!parse_number(operations, &count) || !parse_number(keys, &key_count) ||
        !parse_number(seed_text, &seed) || count > UINT32_MAX / 2 || key_count == 0 ||
        key_count > SAMPLE_KEYS_MAX) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct sample *sample = sample_new();
    const struct sample_shape shape = {.operations = (uint32_t)count,
                                       .clients = CLIENTS,
                                       .keys = (uint32_t)key_count,
                                       .lost_permille = 10,
                                       .tells_versions = false};
    sample_make_good(sample, &shape, seed);
    for (uint32_t i = 0; i < sample->count; i++) {
        char name[32];
        int bytes = snprintf(name, sizeof name, "k%" PRIu64, sample->operations[i].key);
        const struct lines_key key = {name, (size_t)bytes};
        lines_print(stdout, &sample->operations[i], &key);
    }
    sample_destroy(&sample);
    return EXIT_GOOD;
}

int main(int argument_count, char **arguments)
{
    struct options options;
    uint64_t seed = 0;
    if (argument_count == 3 && strcmp(arguments[1], "--self-test") == 0 &&
        parse_number(arguments[2], &seed)) {
        return self_test_run(seed) ? EXIT_GOOD : EXIT_VIOLATED;
    }
    if (argument_count == 5 && strcmp(arguments[1], "--make") == 0) {
        return make_history(arguments[2], arguments[3], arguments[4]);
    }
    if (!parse(&options, argument_count, arguments)) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return check_file(&options);
}
