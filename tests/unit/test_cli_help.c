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

static void help_names_every_command(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"help", "--help", "-h"};
    for (size_t i = 0; i < 3; i++) {
        scratch_run(cli_main, (const char *const[]){"consens", WORDS[i], NULL}, &run);
        assert_int_equal(run.code, 0);
        assert_string_equal(run.err, "");
        assert_int_equal(strncmp(run.out, "consens " CLI_VERSION ":", 13), 0);
        for (size_t j = 0; j < cli_command_count(); j++) {
            assert_non_null(strstr(run.out, cli_command_at(j)->about));
        }
    }
}

static void help_of_a_command_is_its_usage(void **state)
{
    (void)state;
    scratch_run(cli_main, (const char *const[]){"consens", "help", "server", NULL}, &run);
    assert_int_equal(run.code, 0);
    assert_string_equal(run.out, cli_find_command("server")->usage);
}

static void help_of_an_unknown_command_is_an_error(void **state)
{
    (void)state;
    scratch_run(cli_main, (const char *const[]){"consens", "help", "watch", NULL}, &run);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err,
                        "consens help: there is no command \"watch\"; run \"consens "
                        "help\" for those there are\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(help_of_a_command_is_its_usage),
        cmocka_unit_test(help_of_an_unknown_command_is_an_error),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
