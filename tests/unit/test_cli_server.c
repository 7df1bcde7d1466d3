/*
 * How `consens server` refuses to start. That it starts, serves and stops is shown with real
 * processes: tests/system.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

static struct scratch_run run;

static void server(const char *first, const char *second)
{
    scratch_run(cli_main, (const char *const[]){"consens", "server", first, second, NULL},
                &run);
    assert_string_equal(run.out, "");
    assert_int_equal(access("consens-data", F_OK), -1); // nothing was begun
}

static int clear_environment(void **state)
{
    static const char *const NAMES[] = {"CONSENS_CONFIG", "CONSENS_NODE", "CLUSTER",
                                        "PORT",           "JOIN",         "CONSENS_DATA"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        (void)unsetenv(NAMES[i]);
    }
    return scratch_enter(state);
}

static void wrong_usage_is_code_2(void **state)
{
    (void)state;
    server("--threads", "5");
    assert_int_equal(run.code, 2);
    assert_string_equal(run.err,
                        "consens server: unknown option \"--threads\"; run \"consens "
                        "help server\" for what there is\n");
    server("n1", NULL);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.err,
                        "consens server: unexpected argument \"n1\"; run \"consens "
                        "help server\" for the options\n");
}

static void bad_settings_are_code_2_and_one_sentence(void **state)
{
    (void)state;
    server("--durability", "fast");
    assert_int_equal(run.code, 2);
    assert_string_equal(run.err, "--durability: \"fast\" is not usable: give sync, "
                                 "interval:TIME (1ms to 10s) or none\n");
    server("--config", "missing.cfg");
    assert_int_equal(run.code, 2);
    assert_string_equal(
        run.err, "missing.cfg: the configuration file cannot be read (No such file or "
                 "directory); check the path and its permissions\n");
}

static void the_environment_is_read(void **state)
{
    (void)state;
    assert_int_equal(setenv("PORT", "60000", 1), 0);
    server(NULL, NULL);
    assert_int_equal(unsetenv("PORT"), 0);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "70000 (60000 + 10000), past 65535"));
}

static void a_flag_beats_the_environment(void **state)
{
    (void)state;
    scratch_write("flag.cfg", "flag = 1\n");
    assert_int_equal(setenv("CONSENS_CONFIG", "environment.cfg", 1), 0);
    server("--config", "flag.cfg");
    assert_int_equal(unsetenv("CONSENS_CONFIG"), 0);
    assert_int_equal(run.code, 2);
    assert_int_equal(strncmp(run.err, "flag.cfg:1: unknown key \"flag\"", 29), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_code_2),
        cmocka_unit_test(bad_settings_are_code_2_and_one_sentence),
        cmocka_unit_test(the_environment_is_read),
        cmocka_unit_test(a_flag_beats_the_environment),
    };
    return cmocka_run_group_tests(tests, clear_environment, scratch_leave);
}
