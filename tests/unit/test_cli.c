#include "cli/cli.h"

#include "cli/commands.h"
#include "cli/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

static struct scratch_run run;

static void without_a_command_the_usage_goes_to_stderr(void **state)
{
    (void)state;
    scratch_run(cli_main, (const char *const[]){"consens", NULL}, &run);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_non_null(strstr(run.err, "usage: consens COMMAND [OPTIONS]"));
}

static void an_unknown_command_gets_the_nearest_name(void **state)
{
    (void)state;
    scratch_run(cli_main, (const char *const[]){"consens", "serve", NULL}, &run);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err,
                        "consens: unknown command \"serve\"; did you mean \"server\"?\n");
    scratch_run(cli_main, (const char *const[]){"consens", "--verzion", NULL}, &run);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.err, "consens: unknown option \"--verzion\"; did you mean "
                                 "\"--version\"?\n");
}

static void commands_of_later_releases_are_unknown(void **state)
{
    (void)state;
    static const char *const LATER[] = {"ls", "watch", "txn", "lock", "snapshot"};
    for (size_t i = 0; i < sizeof LATER / sizeof LATER[0]; i++) {
        scratch_run(cli_main, (const char *const[]){"consens", LATER[i], NULL}, &run);
        assert_int_equal(run.code, 2);
        assert_non_null(strstr(run.err, "consens: unknown command \""));
    }
    scratch_run(cli_main, (const char *const[]){"consens", "snapshot", NULL}, &run);
    assert_string_equal(run.err, "consens: unknown command \"snapshot\"; run \"consens "
                                 "help\" for what there is\n");
}

static void every_command_answers_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        assert_ptr_equal(cli_find_command(command->name), command);
        scratch_run(cli_main,
                    (const char *const[]){"consens", command->name, "--help", NULL},
                    &run);
        assert_int_equal(run.code, 0);
        assert_string_equal(run.err, "");
        assert_string_equal(run.out, command->usage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_command_the_usage_goes_to_stderr),
        cmocka_unit_test(an_unknown_command_gets_the_nearest_name),
        cmocka_unit_test(commands_of_later_releases_are_unknown),
        cmocka_unit_test(every_command_answers_help),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
