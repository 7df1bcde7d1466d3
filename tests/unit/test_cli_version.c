#include "cli/version.h"

#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

static void version_is_one_line(void **state)
{
    (void)state;
    static struct scratch_run run;
    static const char *const WORDS[] = {"version", "--version"};
    for (size_t i = 0; i < 2; i++) {
        scratch_run(cli_main, (const char *const[]){"consens", WORDS[i], NULL}, &run);
        assert_int_equal(run.code, 0);
        assert_string_equal(run.out, "consens " CLI_VERSION "\n");
        assert_string_equal(run.err, "");
    }
}

static void version_is_json_too(void **state)
{
    (void)state;
    static struct scratch_run run;
    scratch_run(cli_main, (const char *const[]){"consens", "version", "--json", NULL},
                &run);
    assert_int_equal(run.code, 0);
    assert_string_equal(run.out, "{\"version\":\"" CLI_VERSION "\"}\n");
}

static void version_takes_no_argument(void **state)
{
    (void)state;
    static struct scratch_run run;
    scratch_run(cli_main, (const char *const[]){"consens", "version", "2", NULL}, &run);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "consens version: unexpected argument \"2\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(version_is_json_too),
        cmocka_unit_test(version_takes_no_argument),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
