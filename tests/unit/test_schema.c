#include "config/schema.h"

#include "base/limits.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// Run from the top of the tree, as `make test` does.
#define EVERY_KEY "config/consens.cfg"

static const char *apply(const char *text, struct settings *settings)
{
    static struct sentence error;
    error.text[0] = '\0';
    struct zpl *zpl = zpl_parse("three.cfg", text, strlen(text), &error);
    assert_non_null(zpl);
    memset(settings, 0, sizeof *settings);
    schema_apply_defaults(settings);
    bool is_good = schema_apply_file("three.cfg", zpl, settings, &error);
    assert_int_equal(is_good, error.text[0] == '\0');
    zpl_destroy(&zpl);
    return error.text;
}

static void assert_refused(const char *text, const char *sentence)
{
    struct settings settings;
    assert_string_equal(apply(text, &settings), sentence);
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    struct settings settings;
    assert_string_equal(apply("", &settings), "");
    assert_string_equal(settings.cluster_name, "consens");
    assert_false(settings.is_insecure);
    assert_int_equal(settings.node_count, 0);
    assert_string_equal(settings.data, "./consens-data");
    assert_int_equal(settings.http_threads, 256);
    assert_int_equal(settings.log_durability, SETTINGS_SYNC);
    assert_int_equal(settings.log_segment_bytes, 64 << 20);
    assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
    assert_int_equal(settings.limit_value_bytes, LIMIT_VALUE_BYTES);
    assert_int_equal(settings.heartbeat_ms, 50);
}

static void every_key_reaches_its_field(void **state)
{
    (void)state;
    struct settings settings;
    const char *error = apply("cluster\n"
                              "    name = prod\n"
                              "    insecure = 1\n"
                              "    node\n"
                              "        n2\n"
                              "            http = localhost:4000\n"
                              "            peer = \"tcp://10.0.0.1:5\"\n"
                              "            peer-advertise = \"tcp://10.0.0.2:6\"\n"
                              "            client = \"tcp://10.0.0.3:7\"\n"
                              "            events = \"tcp://10.0.0.4:8\"\n"
                              "        n1\n"
                              "server\n"
                              "    data = \"/var/lib/consens\"\n"
                              "    heartbeat = 1s\n"
                              "    http\n"
                              "        threads = 17\n"
                              "    log\n"
                              "        durability = \"interval:20ms\"\n"
                              "        segment = 40M\n"
                              "        level = debug\n"
                              "    limits\n"
                              "        value = 3K\n",
                              &settings);
    assert_string_equal(error, "");
    assert_string_equal(settings.cluster_name, "prod");
    assert_true(settings.is_insecure);
    assert_int_equal(settings.node_count, 2);
    assert_string_equal(settings.nodes[0].name, "n2");
    assert_int_equal(settings.nodes[0].line, 5);
    assert_string_equal(settings.nodes[0].http, "127.0.0.1:4000");
    assert_string_equal(settings.nodes[0].peer, "tcp://10.0.0.1:5");
    assert_string_equal(settings.nodes[0].peer_advertise, "tcp://10.0.0.2:6");
    assert_string_equal(settings.nodes[0].client, "tcp://10.0.0.3:7");
    assert_string_equal(settings.nodes[0].events, "tcp://10.0.0.4:8");
    assert_string_equal(settings.nodes[1].name, "n1");
    assert_string_equal(settings.nodes[1].http, "127.0.0.1:3000");
    assert_string_equal(settings.nodes[1].peer, "");
    assert_string_equal(settings.data, "/var/lib/consens");
    assert_int_equal(settings.heartbeat_ms, 1000);
    assert_int_equal(settings.http_threads, 17);
    assert_int_equal(settings.log_durability, SETTINGS_INTERVAL);
    assert_int_equal(settings.log_interval_ms, 20);
    assert_int_equal(settings.log_segment_bytes, 40 << 20);
    assert_int_equal(settings.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(settings.limit_value_bytes, 3072);
}

static void an_unknown_key_gets_file_line_and_nearest_name(void **state)
{
    (void)state;
    assert_refused("server\n    http\n        thread = 5\n",
                   "three.cfg:3: unknown key \"thread\" in server/http; did you mean "
                   "\"threads\"?");
    assert_refused(
        "\nsever\n",
        "three.cfg:2: unknown key \"sever\" at the top; did you mean \"server\"?");
    assert_refused(
        "cluster\n    nodes\n        n1\n",
        "three.cfg:2: unknown key \"nodes\" in cluster; did you mean \"node\"?");
    assert_refused(
        "cluster\n    node\n        n1\n            peer_advertise = 1\n",
        "three.cfg:4: unknown key \"peer_advertise\" in cluster/node/n1; did you "
        "mean \"peer-advertise\"?");
}

static void an_unknown_key_near_to_nothing_gets_the_list(void **state)
{
    (void)state;
    assert_refused("frobnicate = 1\n",
                   "three.cfg:1: unknown key \"frobnicate\" at the top; "
                   "known there: cluster, server");
    assert_refused("server\n    log\n        x\n",
                   "three.cfg:3: unknown key \"x\" in server/log; known there: segment, "
                   "durability, level");
    assert_refused(
        "server\n    frobnicate\n",
        "three.cfg:2: unknown key \"frobnicate\" in server; known there: data, "
        "heartbeat, http, log, limits");
}

static void a_key_under_the_wrong_parent_is_sent_home(void **state)
{
    (void)state;
    assert_refused("server\n    threads = 5\n",
                   "three.cfg:2: unknown key \"threads\" in server; it belongs in "
                   "server/http");
    assert_refused("peer = \"tcp://127.0.0.1:1\"\n",
                   "three.cfg:1: unknown key \"peer\" at the top; it belongs in "
                   "cluster/node/NAME");
    assert_refused(
        "server\n    http\n        threads = 5\n            more = 1\n",
        "three.cfg:4: server/http/threads is a single value; nothing goes below "
        "it");
}

static void sections_take_no_value_and_keys_need_one(void **state)
{
    (void)state;
    assert_refused("server = 5\n",
                   "three.cfg:1: server holds other keys, indented below it; "
                   "it has no value of its own");
    assert_refused(
        "cluster\n    node\n        n1 = \"127.0.0.1:3000\"\n",
        "three.cfg:3: cluster/node/n1 holds other keys, indented below it; it has "
        "no value of its own");
    assert_refused("server\n    data\n",
                   "three.cfg:2: server/data has no value; write \"data = ...\"");
}

static void unusable_values_say_what_to_give(void **state)
{
    (void)state;
    assert_refused(
        "server\n    http\n        threads = many\n",
        "three.cfg:3: server/http/threads: \"many\" is not usable: give a whole "
        "number from 4 to 4096");
    assert_refused(
        "server\n    limits\n        value = 2M\n",
        "three.cfg:3: server/limits/value: \"2M\" is not usable: give a size from "
        "1 to 1M such as 512K or 64M");
    assert_refused(
        "server\n    log\n        segment = 1M\n",
        "three.cfg:3: server/log/segment: \"1M\" is not usable: give a size from "
        "40M to 1G such as 512K or 64M, a multiple of 4K");
    assert_refused(
        "server\n    data =\n",
        "three.cfg:2: server/data: \"\" is not usable: give 1 to 1023 characters, "
        "without double quotes or control characters");
    assert_refused(
        "cluster\n    node\n        n1\n            http = \"127.0.0.1:70000\"\n",
        "three.cfg:4: cluster/node/n1/http: \"127.0.0.1:70000\" is not usable: its "
        "port 70000 is not between 1 and 65535; give host:port");
    assert_refused(
        "cluster\n    node\n        n1\n            peer = \"127.0.0.1:7\"\n",
        "three.cfg:4: cluster/node/n1/peer: \"127.0.0.1:7\" is not usable: it does "
        "not begin with tcp://; give tcp://host:port");
}

static void names_of_nodes_can_name_directories(void **state)
{
    (void)state;
    struct settings settings;
    assert_string_equal(apply("cluster\n    node\n        a.b-C_1\n", &settings), "");
    assert_refused(
        "cluster\n    node\n        ..\n",
        "three.cfg:3: \"..\" cannot be the name of a node: give 1 to 63 letters, "
        "digits, dots, dashes and underscores, no dot first");
    char text[160] = "cluster\n    node\n        ";
    size_t head = strlen(text);
    memset(text + head, 'n', SETTINGS_NAME_BYTES - 1);
    assert_string_equal(apply(text, &settings), "");
    text[head + SETTINGS_NAME_BYTES - 1] = 'n';
    assert_non_null(strstr(apply(text, &settings), "cannot be the name of a node"));
}

static void an_eighth_node_is_refused(void **state)
{
    (void)state;
    assert_refused(
        "cluster\n    node\n        a\n        b\n        c\n        d\n        e\n"
        "        f\n        g\n        h\n",
        "three.cfg:10: node h is one too many: a cluster has at most 7 nodes");
}

static void secret_keys_come_later(void **state)
{
    (void)state;
    assert_refused(
        "cluster\n    secret-keys = \"/etc/consens/keys\"\n",
        "three.cfg:2: cluster/secret-keys comes with a later release; this one "
        "speaks plain text, on loopback or with insecure = 1");
}

static void the_sample_has_every_key_once(void **state)
{
    (void)state;
    struct sentence error = {0};
    struct zpl *zpl = zpl_load(EVERY_KEY, &error);
    assert_string_equal(error.text, "");
    size_t values = 0;
    for (size_t i = 0; i < zpl_item_count(zpl); i++) {
        values += zpl_item(zpl, i)->has_value ? 1 : 0;
    }
    // All are known (the next test), none is twice (zpl.c): equal numbers are equal sets.
    assert_int_equal(values, schema_key_count());
    zpl_destroy(&zpl);
}

static void the_sample_has_every_key_at_its_default(void **state)
{
    (void)state;
    const struct settings_source sample_source = {.file = EVERY_KEY};
    char error[SENTENCE_BYTES] = "";
    struct settings sample;
    struct settings bare;
    assert_int_equal(settings_load(&sample_source, &sample, error, sizeof error), 0);
    assert_int_equal(sample.node_count, 1);

    const struct settings_source bare_source = {0};
    assert_int_equal(settings_load(&bare_source, &bare, error, sizeof error), 0);
    for (size_t i = 0; i < schema_key_count(); i++) {
        char expected[SENTENCE_BYTES] = "";
        char found[SENTENCE_BYTES] = "";
        schema_format(schema_key(i), &bare, 0, expected, sizeof expected);
        schema_format(schema_key(i), &sample, 0, found, sizeof found);
        assert_string_equal(found, expected);
    }
}

static void every_key_has_a_meaning_of_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_key_count(); i++) {
        const struct schema_key *key = schema_key(i);
        assert_true(strlen(key->about) > 10 && strlen(key->about) < 90);
        assert_null(strchr(key->about, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(every_key_reaches_its_field),
        cmocka_unit_test(an_unknown_key_gets_file_line_and_nearest_name),
        cmocka_unit_test(an_unknown_key_near_to_nothing_gets_the_list),
        cmocka_unit_test(a_key_under_the_wrong_parent_is_sent_home),
        cmocka_unit_test(sections_take_no_value_and_keys_need_one),
        cmocka_unit_test(unusable_values_say_what_to_give),
        cmocka_unit_test(names_of_nodes_can_name_directories),
        cmocka_unit_test(an_eighth_node_is_refused),
        cmocka_unit_test(secret_keys_come_later),
        cmocka_unit_test(the_sample_has_every_key_once),
        cmocka_unit_test(the_sample_has_every_key_at_its_default),
        cmocka_unit_test(every_key_has_a_meaning_of_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
