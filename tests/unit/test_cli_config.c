#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

#define THREE                                                                            \
    "cluster\n"                                                                          \
    "    node\n"                                                                         \
    "        n1\n"                                                                       \
    "        n2\n"                                                                       \
    "            http = \"127.0.0.1:4000\"\n"                                            \
    "        n3\n"                                                                       \
    "            http = \"127.0.0.1:5000\"\n"

static struct scratch_run run;

static void config(const char *word, const char *first, const char *second)
{
    scratch_run(cli_main,
                (const char *const[]){"consens", "config", word, first, second, NULL},
                &run);
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

static void a_good_file_is_counted(void **state)
{
    (void)state;
    scratch_write("three.cfg", THREE);
    config("check", "three.cfg", NULL);
    assert_int_equal(run.code, 0);
    assert_string_equal(run.out, "three.cfg: ok, 3 nodes\n");
    assert_string_equal(run.err, "");
    scratch_write("one.cfg", "cluster\n    node\n        n1\n");
    config("check", "one.cfg", NULL);
    assert_string_equal(run.out, "one.cfg: ok, 1 node\n");
    scratch_write("none.cfg", "server\n");
    config("check", "none.cfg", NULL);
    assert_string_equal(run.out,
                        "none.cfg: ok, no nodes: they come from CLUSTER and PORT\n");
}

static void a_bad_file_is_one_sentence_and_code_2(void **state)
{
    (void)state;
    scratch_write("three.cfg", THREE "server\n    http\n        thread = 5\n");
    config("check", "three.cfg", NULL);
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err,
                        "three.cfg:10: unknown key \"thread\" in server/http; did "
                        "you mean \"threads\"?\n");
}

static void check_looks_at_the_file_alone(void **state)
{
    (void)state;
    scratch_write("three.cfg", THREE);
    assert_int_equal(setenv("CLUSTER", "nonsense", 1), 0);
    assert_int_equal(setenv("JOIN", "nonsense", 1), 0);
    config("check", "three.cfg", NULL);
    assert_int_equal(unsetenv("CLUSTER"), 0);
    assert_int_equal(unsetenv("JOIN"), 0);
    assert_int_equal(run.code, 0);
}

static void show_prints_what_holds(void **state)
{
    (void)state;
    config("show", NULL, NULL);
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "\n    data = \"./consens-data\"\n"));
    scratch_write("three.cfg", THREE "server\n    data = \"/x\"\n");
    config("show", "--config=three.cfg", NULL);
    assert_int_equal(run.code, 0);
    assert_non_null(
        strstr(run.out, "\n        n3\n            http = \"127.0.0.1:5000\"\n"));
    assert_non_null(strstr(run.out, "\n    data = \"/x\"\n"));
}

static void show_refuses_a_node_that_is_not_there(void **state)
{
    (void)state;
    scratch_write("three.cfg", THREE);
    config("show", "--config=three.cfg", "--node=n9");
    assert_int_equal(run.code, 2);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err,
                        "three.cfg has no node \"n9\"; did you mean \"n1\"? known "
                        "nodes: n1, n2, n3\n");
}

static void other_words_are_refused(void **state)
{
    (void)state;
    config("chekc", "three.cfg", NULL);
    assert_int_equal(run.code, 2);
    assert_string_equal(
        run.err, "consens config: unknown command \"chekc\"; did you mean \"check\"?\n");
    config("frobnicate", NULL, NULL);
    assert_string_equal(run.err,
                        "consens config: unknown command \"frobnicate\"; there are "
                        "check and show\n");
    config("check", NULL, NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "usage: consens config check FILE"));
    config("check", "a", "b");
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "usage: consens config check FILE"));
    config("check", "--node=n1", "a");
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "usage: consens config check FILE"));
    config(NULL, NULL, NULL);
    assert_int_equal(run.code, 2);
    assert_non_null(strstr(run.err, "usage: consens config check FILE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_counted),
        cmocka_unit_test(a_bad_file_is_one_sentence_and_code_2),
        cmocka_unit_test(check_looks_at_the_file_alone),
        cmocka_unit_test(show_prints_what_holds),
        cmocka_unit_test(show_refuses_a_node_that_is_not_there),
        cmocka_unit_test(other_words_are_refused),
    };
    return cmocka_run_group_tests(tests, clear_environment, scratch_leave);
}
