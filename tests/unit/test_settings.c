#include "config/settings.h"

#include "base/log.h"
#include "config/sentence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

static struct settings settings;
static char error[SENTENCE_BYTES];

static int load(const struct settings_source *source)
{
    memset(&settings, 0, sizeof settings);
    error[0] = '\0';
    return settings_load(source, &settings, error, sizeof error);
}

static void assert_refused(const struct settings_source *source, const char *sentence)
{
    assert_int_equal(load(source), 2);
    assert_string_equal(error, sentence);
}

static void assert_directory(const struct settings_source *source, const char *directory)
{
    assert_int_equal(load(source), 0);
    assert_string_equal(settings.data_directory, directory);
}

static void environment_gives_each_port_a_directory(void **state)
{
    (void)state;
    assert_directory(&(struct settings_source){0}, "./consens-data");
    assert_directory(&(struct settings_source){.port = "4000"}, "./consens-data-4000");
    assert_directory(&(struct settings_source){.port = "3000"}, "./consens-data-3000");
    assert_directory(&(struct settings_source){.cluster = "http://localhost:4000"},
                     "./consens-data-3000");
    assert_directory(&(struct settings_source){.port = "4000", .data = "/x/y"}, "/x/y");
}

static void a_file_gives_each_node_a_directory(void **state)
{
    (void)state;
    scratch_write("one.cfg", "cluster\n    node\n        n1\n");
    assert_directory(&(struct settings_source){.file = "one.cfg"}, "./consens-data/n1");
    assert_directory(&(struct settings_source){.file = "one.cfg", .data = "d"}, "d/n1");
    scratch_write("two.cfg",
                  "cluster\n    node\n        n1\nserver\n    data = \"/x\"\n");
    assert_directory(&(struct settings_source){.file = "two.cfg"}, "/x/n1");
    assert_directory(&(struct settings_source){.file = "two.cfg", .data = "/y"}, "/y/n1");
}

static void a_file_without_nodes_leaves_them_to_the_environment(void **state)
{
    (void)state;
    scratch_write("server.cfg", "server\n    http\n        threads = 8\n");
    assert_directory(&(struct settings_source){.file = "server.cfg", .port = "4000"},
                     "./consens-data-4000");
    assert_int_equal(settings.http_threads, 8);
    assert_string_equal(settings.nodes[0].http, "127.0.0.1:4000");
    scratch_write("data.cfg", "server\n    data = \"/x\"\n");
    assert_directory(&(struct settings_source){.file = "data.cfg", .port = "4000"}, "/x");
}

static void a_file_with_nodes_and_cluster_or_port_are_refused(void **state)
{
    (void)state;
    scratch_write("one.cfg", "cluster\n    node\n        n1\n");
    assert_refused(
        &(struct settings_source){.file = "one.cfg", .port = "4000"},
        "one.cfg names the nodes of the cluster, and PORT is set too: it is not "
        "clear which holds; unset PORT, or start without the file (--config, "
        "CONSENS_CONFIG)");
    assert_refused(
        &(struct settings_source){.file = "one.cfg", .cluster = "http://localhost:4000"},
        "one.cfg names the nodes of the cluster, and CLUSTER is set too: it is not "
        "clear which holds; unset CLUSTER, or start without the file (--config, "
        "CONSENS_CONFIG)");
}

static void flags_beat_the_file(void **state)
{
    (void)state;
    scratch_write("log.cfg",
                  "server\n    log\n        durability = none\n        level = warn\n");
    struct settings_source source = {.file = "log.cfg"};
    assert_int_equal(load(&source), 0);
    assert_int_equal(settings.log_durability, SETTINGS_NONE);
    assert_int_equal(settings.log_level, LOG_LEVEL_WARN);
    source.durability = "interval:5ms";
    source.log_level = "debug";
    assert_int_equal(load(&source), 0);
    assert_int_equal(settings.log_durability, SETTINGS_INTERVAL);
    assert_int_equal(settings.log_interval_ms, 5);
    assert_int_equal(settings.log_level, LOG_LEVEL_DEBUG);
    source.durability = "sync";
    assert_int_equal(load(&source), 0);
    assert_int_equal(settings.log_durability, SETTINGS_SYNC);
    assert_int_equal(settings.log_interval_ms, 0);
}

static void unusable_flags_are_named(void **state)
{
    (void)state;
    assert_refused(
        &(struct settings_source){.durability = "fast"},
        "--durability: \"fast\" is not usable: give sync, interval:TIME (1ms to "
        "10s) or none");
    assert_refused(
        &(struct settings_source){.log_level = "loud"},
        "--log-level: \"loud\" is not usable: give error, warn, info or debug");
    assert_refused(
        &(struct settings_source){.data = ""},
        "--data (or CONSENS_DATA): \"\" is not usable: give 1 to 1023 characters, "
        "without double quotes or control characters");
}

static void join_is_true_or_false_and_needs_others(void **state)
{
    (void)state;
    struct settings_source source = {.cluster = "http://localhost:4000", .join = "true"};
    assert_int_equal(load(&source), 0);
    assert_true(settings.is_join);
    source.join = "1";
    assert_int_equal(load(&source), 0);
    assert_true(settings.is_join);
    source.join = "false";
    assert_int_equal(load(&source), 0);
    assert_false(settings.is_join);
    source.join = "0";
    assert_int_equal(load(&source), 0);
    assert_false(settings.is_join);
    source.join = "yes";
    assert_refused(&source, "JOIN=yes is not usable: give true or false");
    assert_refused(
        &(struct settings_source){.join = "true"},
        "JOIN=true, but this node is alone and there is nobody to join; name the "
        "other nodes in CLUSTER or in the file, or unset JOIN");
}

static void errors_of_the_file_come_with_its_name(void **state)
{
    (void)state;
    scratch_write("three.cfg", "server\n    http\n        thread = 5\n");
    assert_refused(&(struct settings_source){.file = "three.cfg"},
                   "three.cfg:3: unknown key \"thread\" in server/http; did you mean "
                   "\"threads\"?");
    assert_refused(&(struct settings_source){.file = "no/such.cfg"},
                   "no/such.cfg: the configuration file cannot be read (No such file or "
                   "directory); check the path and its permissions");
}

static void a_short_buffer_cuts_the_sentence(void **state)
{
    (void)state;
    const struct settings_source source = {.join = "yes"};
    struct settings before;
    memset(&before, 0x5a, sizeof before);
    memcpy(&settings, &before, sizeof before);
    assert_int_equal(settings_load(&source, &settings, error, 9), 2);
    assert_string_equal(error, "JOIN=yes");
    assert_memory_equal(&settings, &before, sizeof before); // untouched on an error
}

static void step_trace_is_off_unless_a_file_is_named(void **state)
{
    (void)state;
    char name[1025];
    struct settings_source source = {0};
    assert_int_equal(settings_load(&source, &settings, error, sizeof error), 0);
    assert_string_equal(settings.step_trace, "");
    memset(name, 'x', sizeof name);
    name[1023] = '\0';
    source.step_trace = name;
    assert_int_equal(settings_load(&source, &settings, error, sizeof error), 0);
    assert_string_equal(settings.step_trace, name);
    name[1023] = 'x';
    name[1024] = '\0';
    assert_int_equal(settings_load(&source, &settings, error, sizeof error), 2);
    assert_string_equal(error, "CONSENS_TRACE is not usable: give a file name of at most "
                               "1023 characters");
}

static void variables_are_read_and_empty_ones_are_not_set(void **state)
{
    (void)state;
    struct settings_source source = {0};
    static const char *const NAMES[] = {"CONSENS_CONFIG", "CONSENS_NODE", "CLUSTER",
                                        "PORT",           "JOIN",         "CONSENS_DATA",
                                        "CONSENS_TRACE"};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(setenv(NAMES[i], NAMES[i], 1), 0);
    }
    settings_source_from_environment(&source);
    assert_string_equal(source.file, "CONSENS_CONFIG");
    assert_string_equal(source.node, "CONSENS_NODE");
    assert_string_equal(source.cluster, "CLUSTER");
    assert_string_equal(source.port, "PORT");
    assert_string_equal(source.join, "JOIN");
    assert_string_equal(source.data, "CONSENS_DATA");
    assert_string_equal(source.step_trace, "CONSENS_TRACE");
    assert_null(source.durability);
    assert_null(source.log_level);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(setenv(NAMES[i], "", 1), 0);
    }
    settings_source_from_environment(&source);
    assert_null(source.file);
    assert_null(source.node);
    assert_null(source.cluster);
    assert_null(source.port);
    assert_null(source.join);
    assert_null(source.data);
    assert_null(source.step_trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment_gives_each_port_a_directory),
        cmocka_unit_test(a_file_gives_each_node_a_directory),
        cmocka_unit_test(a_file_without_nodes_leaves_them_to_the_environment),
        cmocka_unit_test(a_file_with_nodes_and_cluster_or_port_are_refused),
        cmocka_unit_test(flags_beat_the_file),
        cmocka_unit_test(unusable_flags_are_named),
        cmocka_unit_test(join_is_true_or_false_and_needs_others),
        cmocka_unit_test(errors_of_the_file_come_with_its_name),
        cmocka_unit_test(a_short_buffer_cuts_the_sentence),
        cmocka_unit_test(step_trace_is_off_unless_a_file_is_named),
        cmocka_unit_test(variables_are_read_and_empty_ones_are_not_set),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
