#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/commands.h"
#include "unit/support/scratch.h"

static const char *file;
static const char *node;
static struct cli_arguments arguments;
static char words_left[256];
static struct scratch_run run;

static int parse(int argc, char **argv)
{
    const struct cli_option options[] = {{"config", &file}, {"node", &node}};
    file = NULL;
    node = NULL;
    int code = cli_parse_options(argc, argv, options, 2, &arguments);
    words_left[0] = '\0';
    for (int i = 0; code == CLI_GO_ON && i < arguments.count; i++) {
        size_t used = strlen(words_left);
        (void)snprintf(words_left + used, sizeof words_left - used, "[%s]",
                       arguments.values[i]);
    }
    return code;
}

static void options_take_values_in_both_forms(void **state)
{
    (void)state;
    scratch_run(parse,
                (const char *const[]){"server", "--config", "a.cfg", "--node=n1", NULL},
                &run);
    assert_int_equal(run.code, CLI_GO_ON);
    assert_string_equal(file, "a.cfg");
    assert_string_equal(node, "n1");
    assert_string_equal(words_left, "");
}

static void the_last_of_one_option_counts(void **state)
{
    (void)state;
    scratch_run(parse, (const char *const[]){"server", "--node=n1", "--node", "n2", NULL},
                &run);
    assert_string_equal(node, "n2");
    assert_null(file);
}

static void arguments_may_stand_between_options(void **state)
{
    (void)state;
    scratch_run(parse,
                (const char *const[]){"config", "show", "--node", "n1", "more", NULL},
                &run);
    assert_int_equal(run.code, CLI_GO_ON);
    assert_string_equal(words_left, "[show][more]");
    scratch_run(parse, (const char *const[]){"config", "--", "--node", NULL}, &run);
    assert_string_equal(words_left, "[--node]");
    assert_null(node);
}

static void unknown_options_get_the_nearest_name(void **state)
{
    (void)state;
    scratch_run(parse, (const char *const[]){"server", "--noed", "n1", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
    assert_string_equal(run.err,
                        "consens server: unknown option \"--noed\"; did you mean "
                        "\"--node\"?\n");
    scratch_run(parse, (const char *const[]){"server", "--confg=a", NULL}, &run);
    assert_string_equal(run.err,
                        "consens server: unknown option \"--confg=a\"; did you mean "
                        "\"--config\"?\n");
    scratch_run(parse, (const char *const[]){"server", "-x", NULL}, &run);
    assert_string_equal(run.err,
                        "consens server: unknown option \"-x\"; run \"consens help "
                        "server\" for what there is\n");
    scratch_run(parse, (const char *const[]){"server", "--frobnicate", NULL}, &run);
    assert_string_equal(run.err, "consens server: unknown option \"--frobnicate\"; run "
                                 "\"consens help server\" for what there is\n");
}

static void shortened_options_are_unknown(void **state)
{
    (void)state;
    scratch_run(parse, (const char *const[]){"server", "--conf", "a", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
    assert_string_equal(run.err,
                        "consens server: unknown option \"--conf\"; did you mean "
                        "\"--config\"?\n");
    scratch_run(parse, (const char *const[]){"server", "--nod=n1", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
}

static bool is_json;

static int parse_flags(int argc, char **argv)
{
    const struct cli_option options[] = {{"config", &file}};
    const struct cli_flag flags[] = {{"json", &is_json}};
    const struct cli_syntax syntax = {.options = options,
                                      .option_count = 1,
                                      .flags = flags,
                                      .flag_count = 1};
    file = NULL;
    is_json = false;
    return cli_parse(argc, argv, &syntax, &arguments);
}

static void flags_take_no_value(void **state)
{
    (void)state;
    scratch_run(parse_flags,
                (const char *const[]){"get", "--json", "k", "--config", "a", NULL}, &run);
    assert_int_equal(run.code, CLI_GO_ON);
    assert_true(is_json);
    assert_string_equal(file, "a");
    assert_int_equal(arguments.count, 1);
    scratch_run(parse_flags, (const char *const[]){"get", "--json=1", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
    assert_string_equal(run.err, "consens get: unknown option \"--json=1\"; did you mean "
                                 "\"--json\"?\n");
    scratch_run(parse_flags, (const char *const[]){"get", "--jsno", NULL}, &run);
    assert_string_equal(run.err, "consens get: unknown option \"--jsno\"; did you mean "
                                 "\"--json\"?\n");
    scratch_run(parse_flags, (const char *const[]){"get", "k", NULL}, &run);
    assert_int_equal(run.code, CLI_GO_ON);
    assert_false(is_json);
}

static void an_option_without_its_value_is_named(void **state)
{
    (void)state;
    scratch_run(parse, (const char *const[]){"server", "--config", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
    assert_string_equal(run.err, "consens server: option --config needs a value\n");
    scratch_run(parse, (const char *const[]){"server", "--help=x", NULL}, &run);
    assert_int_equal(run.code, CLI_USAGE);
}

static void help_prints_the_usage_of_the_command(void **state)
{
    (void)state;
    static const char *const HELP[] = {"--help", "-h"};
    for (size_t i = 0; i < 2; i++) {
        scratch_run(parse, (const char *const[]){"server", "--node", "n1", HELP[i], NULL},
                    &run);
        assert_int_equal(run.code, CLI_OK);
        assert_non_null(strstr(run.out, "usage: consens server [OPTIONS]"));
        assert_string_equal(run.err, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_take_values_in_both_forms),
        cmocka_unit_test(the_last_of_one_option_counts),
        cmocka_unit_test(arguments_may_stand_between_options),
        cmocka_unit_test(unknown_options_get_the_nearest_name),
        cmocka_unit_test(shortened_options_are_unknown),
        cmocka_unit_test(flags_take_no_value),
        cmocka_unit_test(an_option_without_its_value_is_named),
        cmocka_unit_test(help_prints_the_usage_of_the_command),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
