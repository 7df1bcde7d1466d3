/*
 * How `consens dev` refuses what it is asked. That it starts, plants faults and stops is
 * shown with real processes: tests/system/95_dev.sh.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

enum { WORDS_MAX = 5 };

struct refusal {
    const char *words[WORDS_MAX]; // behind `consens dev`
    const char *sentence;         // a part of it
};

static const struct refusal refusals[] = {
    {{"0"}, "\"0\" is not a number of nodes: give 1 to 7"},
    {{"8"}, "\"8\" is not a number of nodes: give 1 to 7"},
    {{"three"}, "\"three\" is not a number of nodes"},
    {{"3", "4"}, "unexpected argument \"4\""},
    {{"3", "--kill", "4"}, "--kill \"4\" is not a node: give 1 to 3"},
    {{"3", "--pause", "0"}, "--pause \"0\" is not a node: give 1 to 3"},
    {{"--partition", "n2"}, "--partition \"n2\" is not a node: give 1 to 3"},
    {{"--slow-disk", "-1"}, "--slow-disk \"-1\" is not a node"},
    {{"1", "--partition", "1"}, "--partition needs a second node"},
    {{"--port", "0"}, "--port \"0\" is not usable: give 1 to 33535"},
    {{"7", "--port", "29536"}, "give 1 to 29535"},
    {{"--every", "5s"}, "give one of --kill, --pause, --partition, --slow-disk"},
    {{"--kill", "1", "--every", "999ms"}, "--every: \"999ms\" is not usable"},
    {{"--kill"}, "option --kill needs a value"},
    {{"--slow-disc", "1"}, "did you mean \"--slow-disk\"?"},
};

static void what_cannot_be_is_refused_with_code_2(void **state)
{
    (void)state;
    static struct scratch_run run;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const char *words[WORDS_MAX + 3] = {"consens", "dev"};
        memcpy(words + 2, refusals[i].words, sizeof refusals[i].words);
        scratch_run(cli_main, words, &run);
        assert_int_equal(run.code, 2);
        assert_string_equal(run.out, "");
        if (strstr(run.err, refusals[i].sentence) == NULL) {
            fail_msg("expected [%s] in [%s]", refusals[i].sentence, run.err);
        }
        assert_int_equal(access("consens-dev", F_OK), -1); // nothing was begun
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused_with_code_2),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
