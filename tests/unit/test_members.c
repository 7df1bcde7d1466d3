#include "config/members.h"

#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static void assert_environment(const char *cluster, const char *port, const char *names)
{
    const struct settings_source source = {.cluster = cluster, .port = port};
    char found[1024] = "";
    size_t used = 0;
    assert_int_equal(load(&source), 0);
    for (uint32_t i = 0; i < settings.node_count; i++) {
        used += (size_t)snprintf(found + used, sizeof found - used, "%s%s%s",
                                 i > 0 ? " " : "", settings.nodes[i].name,
                                 i == settings.node_index ? "*" : "");
    }
    assert_string_equal(found, names);
}

static void
assert_environment_refused(const char *cluster, const char *port, const char *sentence)
{
    const struct settings_source source = {.cluster = cluster, .port = port};
    assert_int_equal(load(&source), 2);
    assert_string_equal(error, sentence);
}

static void assert_file_refused(const char *text, const char *node, const char *sentence)
{
    const struct settings_source source = {.file = "three.cfg", .node = node};
    scratch_write("three.cfg", text);
    assert_int_equal(load(&source), 2);
    assert_string_equal(error, sentence);
}

static void without_anything_one_node_is_on_port_3000(void **state)
{
    (void)state;
    assert_environment(NULL, NULL, "127.0.0.1:3000*");
    assert_string_equal(settings.nodes[0].http, "127.0.0.1:3000");
    assert_string_equal(settings.nodes[0].peer, "tcp://127.0.0.1:13000");
    assert_string_equal(settings.nodes[0].peer_advertise, "tcp://127.0.0.1:13000");
    assert_string_equal(settings.nodes[0].client, "tcp://127.0.0.1:23000");
    assert_string_equal(settings.nodes[0].events, "tcp://127.0.0.1:33000");
}

static void three_nodes_derive_the_same_list(void **state)
{
    (void)state;
    assert_environment("http://localhost:4000,http://localhost:5000", NULL,
                       "127.0.0.1:3000* 127.0.0.1:4000 127.0.0.1:5000");
    struct settings_node nodes[3];
    memcpy(nodes, settings.nodes, sizeof nodes);
    assert_environment("http://localhost:3000,http://127.0.0.1:5000", "4000",
                       "127.0.0.1:3000 127.0.0.1:4000* 127.0.0.1:5000");
    assert_memory_equal(nodes, settings.nodes, sizeof nodes);
    assert_environment("http://localhost:4000/, http://127.0.0.1:3000/", "5000",
                       "127.0.0.1:3000 127.0.0.1:4000 127.0.0.1:5000*");
    assert_memory_equal(nodes, settings.nodes, sizeof nodes);
}

static void the_list_is_sorted_by_bytes_and_not_by_port(void **state)
{
    (void)state;
    assert_environment("http://localhost:900,http://localhost:12000", "3000",
                       "127.0.0.1:12000 127.0.0.1:3000* 127.0.0.1:900");
}

static void naming_a_node_twice_or_oneself_is_no_mistake(void **state)
{
    (void)state;
    assert_environment(
        "http://localhost:3000,http://127.0.0.1:3000,http://localhost:4000,"
        "http://localhost:4000",
        NULL, "127.0.0.1:3000* 127.0.0.1:4000");
}

static void more_than_seven_nodes_are_refused(void **state)
{
    (void)state;
    assert_environment(
        "http://localhost:3001,http://localhost:3002,http://localhost:3003,"
        "http://localhost:3004,http://localhost:3005,http://localhost:3006",
        NULL,
        "127.0.0.1:3000* 127.0.0.1:3001 127.0.0.1:3002 127.0.0.1:3003 "
        "127.0.0.1:3004 127.0.0.1:3005 127.0.0.1:3006");
    assert_environment_refused(
        "http://localhost:3001,http://localhost:3002,http://localhost:3003,"
        "http://localhost:3004,http://localhost:3005,http://localhost:3006,"
        "http://localhost:3007",
        NULL,
        "CLUSTER: 127.0.0.1:3007 is one too many: a cluster has at most 7 nodes, this "
        "one included");
}

static void a_port_without_room_for_the_others_is_refused(void **state)
{
    (void)state;
    assert_environment(NULL, "35535", "127.0.0.1:35535*");
    assert_environment_refused(
        NULL, "35536",
        "PORT: HTTP port 35536 would put the port for events at 65536 "
        "(35536 + 30000), past 65535; choose an HTTP port up to 35535");
    assert_environment_refused(
        "http://localhost:60000", NULL,
        "CLUSTER: HTTP port 60000 would put the port for peers at "
        "70000 (60000 + 10000), past 65535; choose an HTTP port up to "
        "35535");
    assert_environment_refused(
        NULL, "0", "PORT=0 is not usable: its port 0 is not between 1 and 65535");
    assert_environment_refused(
        NULL, "http", "PORT=http is not usable: its port \"http\" is not a number");
}

static void ports_that_two_nodes_would_share_are_refused(void **state)
{
    (void)state;
    assert_environment_refused(
        "http://localhost:13000", NULL,
        "CLUSTER: node 127.0.0.1:3000: its peer has port 13000, which "
        "is the http of node 127.0.0.1:13000 on the same machine; "
        "choose another");
}

static void members_of_another_shape_are_refused(void **state)
{
    (void)state;
    const char *const hint =
        "give the other nodes as http://localhost:4000,http://localhost:5000";
    static const char *const BAD[][2] = {
        {"localhost:4000", "it does not begin with http://"},
        {"https://localhost:4000", "it does not begin with http://"},
        {"http://localhost", "it has no port"},
        {"http://localhost:4000/x", "its port \"4000/x\" is not a number"},
        {"", "it does not begin with http://"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char sentence[SENTENCE_BYTES] = "";
        char cluster[256] = "";
        (void)snprintf(cluster, sizeof cluster, "http://localhost:5000,%s", BAD[i][0]);
        (void)snprintf(sentence, sizeof sentence, "CLUSTER: \"%s\" is not usable: %s; %s",
                       BAD[i][0], BAD[i][1], hint);
        assert_environment_refused(cluster, NULL, sentence);
    }
    assert_environment_refused("http://localhost:4000 http://localhost:5000", NULL,
                               "CLUSTER: separate the members by commas, not by spaces");
    char text[600] = "http://";
    memset(text + 7, 'x', 500);
    const struct settings_source source = {.cluster = text};
    assert_int_equal(load(&source), 2);
    assert_non_null(strstr(error, "is too long"));
}

static void other_machines_need_a_file(void **state)
{
    (void)state;
    assert_environment_refused(
        "http://10.0.0.2:3000", NULL,
        "CLUSTER: http://10.0.0.2:3000 is another machine, but a node started by CLUSTER "
        "and PORT listens on 127.0.0.1 only; name the nodes in a file and start with "
        "--config FILE --node NAME");
}

#define THREE                                                                            \
    "cluster\n"                                                                          \
    "    node\n"                                                                         \
    "        n3\n"                                                                       \
    "            http = \"127.0.0.1:5000\"\n"                                            \
    "        n1\n"                                                                       \
    "            http = \"localhost:3000\"\n"                                            \
    "        n2\n"                                                                       \
    "            http = \"127.0.0.1:4000\"\n"                                            \
    "            peer = \"tcp://127.0.0.1:14999\"\n"

static void nodes_of_a_file_are_sorted_and_completed(void **state)
{
    (void)state;
    const struct settings_source source = {.file = "three.cfg", .node = "n2"};
    scratch_write("three.cfg", THREE);
    assert_int_equal(load(&source), 0);
    assert_int_equal(settings.node_count, 3);
    assert_int_equal(settings.node_index, 1);
    assert_string_equal(settings.nodes[0].name, "n1");
    assert_string_equal(settings.nodes[0].peer, "tcp://127.0.0.1:13000");
    assert_string_equal(settings.nodes[1].peer, "tcp://127.0.0.1:14999");
    assert_string_equal(settings.nodes[1].peer_advertise, "tcp://127.0.0.1:14999");
    assert_string_equal(settings.nodes[1].client, "tcp://127.0.0.1:24000");
    assert_string_equal(settings.nodes[2].events, "tcp://127.0.0.1:35000");
}

static void several_nodes_need_a_name_that_is_known(void **state)
{
    (void)state;
    assert_file_refused(
        THREE, NULL,
        "three.cfg names 3 nodes; say which one this is with --node NAME (or "
        "CONSENS_NODE): n1, n2, n3");
    assert_file_refused(
        THREE, "n4",
        "three.cfg has no node \"n4\"; did you mean \"n1\"? known nodes: n1, "
        "n2, n3");
    assert_file_refused(THREE, "frobnicate",
                        "three.cfg has no node \"frobnicate\"; known nodes: n1, n2, n3");
}

static void a_single_node_needs_no_name(void **state)
{
    (void)state;
    const struct settings_source source = {.file = "one.cfg"};
    scratch_write("one.cfg", "cluster\n    node\n        n1\n");
    assert_int_equal(load(&source), 0);
    assert_string_equal(settings.nodes[settings.node_index].name, "n1");
    assert_string_equal(settings.nodes[0].http, "127.0.0.1:3000");
}

static void a_name_without_nodes_is_refused(void **state)
{
    (void)state;
    const struct settings_source source = {.node = "n1"};
    assert_int_equal(load(&source), 2);
    assert_string_equal(error,
                        "--node n1 (or CONSENS_NODE) needs a configuration file that "
                        "names the nodes; give one with --config, or leave it out");
}

static void listeners_that_others_reach_need_insecure(void **state)
{
    (void)state;
    assert_file_refused(
        "cluster\n    node\n        n1\n            http = \"0.0.0.0:3000\"\n", NULL,
        "three.cfg:3: node n1: http listens on 0.0.0.0:3000, which other machines can "
        "reach, and nothing would protect it: keys and tokens come with a later release; "
        "use 127.0.0.1, or set insecure = 1 under cluster if that network is trusted");
    assert_file_refused(
        "cluster\n    node\n        n1\n            peer = \"tcp://10.0.0.1:13000\"\n",
        NULL,
        "three.cfg:3: node n1: peer listens on 10.0.0.1:13000, which other machines can "
        "reach, and nothing would protect it: keys and tokens come with a later release; "
        "use 127.0.0.1, or set insecure = 1 under cluster if that network is trusted");
    assert_file_refused(
        "cluster\n    node\n        n1\n"
        "            client = \"tcp://0.0.0.0:23000\"\n",
        NULL,
        "three.cfg:3: node n1: client listens on 0.0.0.0:23000, which other machines can "
        "reach, and nothing would protect it: keys and tokens come with a later release; "
        "use 127.0.0.1, or set insecure = 1 under cluster if that network is trusted");
    assert_file_refused(
        "cluster\n    node\n        n1\n"
        "            events = \"tcp://0.0.0.0:33000\"\n",
        NULL,
        "three.cfg:3: node n1: events listens on 0.0.0.0:33000, which other machines can "
        "reach, and nothing would protect it: keys and tokens come with a later release; "
        "use 127.0.0.1, or set insecure = 1 under cluster if that network is trusted");
    const struct settings_source source = {.file = "open.cfg"};
    scratch_write("open.cfg", "cluster\n    insecure = 1\n    node\n        n1\n"
                              "            http = \"0.0.0.0:3000\"\n");
    assert_int_equal(load(&source), 0);
    assert_string_equal(settings.nodes[0].peer, "tcp://0.0.0.0:13000");
}

static void insecure_holds_wherever_it_stands_in_the_file(void **state)
{
    (void)state;
    const struct settings_source source = {.file = "open.cfg"};
    scratch_write("open.cfg", "cluster\n    node\n        n1\n"
                              "            http = \"10.0.0.1:3000\"\n    insecure = 1\n");
    assert_int_equal(load(&source), 0);
}

static void an_address_that_nobody_can_connect_to_is_not_advertised(void **state)
{
    (void)state;
    assert_file_refused("cluster\n    insecure = 1\n    node\n        n1\n"
                        "            http = \"*:3000\"\n        n2\n"
                        "            http = \"10.0.0.2:3000\"\n",
                        "n1",
                        "three.cfg:4: node n1: the other nodes cannot connect to "
                        "tcp://0.0.0.0:13000; name an address of this machine in "
                        "peer-advertise");
}

static void each_node_and_listener_has_a_port_of_its_own(void **state)
{
    (void)state;
    assert_file_refused("cluster\n    node\n        n1\n        n2\n", "n1",
                        "three.cfg:4: node n2: node n1 has the same peer address "
                        "tcp://127.0.0.1:13000; each node needs its own");
    assert_file_refused(
        "cluster\n    node\n        n1\n        n2\n"
        "            peer = \"tcp://127.0.0.1:14000\"\n",
        "n1",
        "three.cfg:4: node n2: its http has port 3000, which is the http of "
        "node n1 on the same machine; choose another");
    assert_file_refused(
        "cluster\n    node\n        n1\n"
        "            peer = \"tcp://127.0.0.1:3000\"\n",
        NULL,
        "three.cfg:3: node n1: http and peer have the same port 3000; each "
        "needs its own");
}

static void machines_may_have_the_same_ports(void **state)
{
    (void)state;
    const struct settings_source source = {.file = "two.cfg", .node = "b"};
    scratch_write("two.cfg", "cluster\n    insecure = 1\n    node\n        a\n"
                             "            peer = \"tcp://10.0.0.1:13000\"\n        b\n"
                             "            peer = \"tcp://0.0.0.0:13000\"\n"
                             "            peer-advertise = \"tcp://10.0.0.2:13000\"\n");
    assert_int_equal(load(&source), 0);
    assert_string_equal(settings.nodes[1].peer, "tcp://0.0.0.0:13000");
    assert_string_equal(settings.nodes[1].peer_advertise, "tcp://10.0.0.2:13000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_one_node_is_on_port_3000),
        cmocka_unit_test(three_nodes_derive_the_same_list),
        cmocka_unit_test(the_list_is_sorted_by_bytes_and_not_by_port),
        cmocka_unit_test(naming_a_node_twice_or_oneself_is_no_mistake),
        cmocka_unit_test(more_than_seven_nodes_are_refused),
        cmocka_unit_test(a_port_without_room_for_the_others_is_refused),
        cmocka_unit_test(ports_that_two_nodes_would_share_are_refused),
        cmocka_unit_test(members_of_another_shape_are_refused),
        cmocka_unit_test(other_machines_need_a_file),
        cmocka_unit_test(nodes_of_a_file_are_sorted_and_completed),
        cmocka_unit_test(several_nodes_need_a_name_that_is_known),
        cmocka_unit_test(a_single_node_needs_no_name),
        cmocka_unit_test(a_name_without_nodes_is_refused),
        cmocka_unit_test(listeners_that_others_reach_need_insecure),
        cmocka_unit_test(insecure_holds_wherever_it_stands_in_the_file),
        cmocka_unit_test(an_address_that_nobody_can_connect_to_is_not_advertised),
        cmocka_unit_test(each_node_and_listener_has_a_port_of_its_own),
        cmocka_unit_test(machines_may_have_the_same_ports),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
