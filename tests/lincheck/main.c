/*
 * lincheck: is the history in a file linearizable? Format: lines.h.
 *
 * Exit codes: 0 it is, 1 it is not, 2 the command or the file cannot be read, 3 the search
 * ran out of steps: to be looked into, never a pass.
 */
#include "lincheck/judge.h"
#include "lincheck/lines.h"
#include "lincheck/sample.h"
#include "lincheck/self_test.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_GOOD = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2, CLIENTS = 16 };

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
    struct judge_ways ways;
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
    *options = (struct options){{true, true, JUDGE_STEPS_DEFAULT}, NULL};
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--fast") == 0) {
            options->ways.search = false;
        } else if (strcmp(arguments[i], "--search") == 0) {
            options->ways.fast = false;
        } else if (strcmp(arguments[i], "--steps") == 0) {
            if (!parse_number(arguments[++i], &options->ways.steps)) {
                return false;
            }
        } else if (options->path == NULL && arguments[i][0] != '-') {
            options->path = arguments[i];
        } else {
            return false;
        }
    }
    return options->path != NULL && (options->ways.fast || options->ways.search);
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
    return (int)judge_file(options.path, &options.ways);
}
