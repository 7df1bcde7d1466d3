/*
 * The real loop on real threads, disk and loopback: a node serves, restarts with what
 * it acknowledged, refuses to start where it must not, and ends with the promised exit
 * codes.
 */
#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): RTLD_NEXT
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"
#include "handoff/handoff.h"
#include "unit/support/few_threads.h"
#include "wire/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

enum { NODES = 2, WAIT_MS = 10000 };

struct node {
    struct settings settings;
    void *context;
    struct engine *engine;
    struct handoff_client *client;
    char error[1024];
    int exit_code;
};

struct world {
    char directory[64];
    struct node nodes[NODES];
};

/* ---- the world ---- */

/* Ports nobody listens on: all are held until all are found. */
static void find_endpoints(char (*endpoints)[SETTINGS_TEXT_BYTES])
{
    void *context = zmq_ctx_new();
    void *sockets[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        size_t bytes = SETTINGS_TEXT_BYTES;
        sockets[i] = zmq_socket(context, ZMQ_ROUTER);
        assert_int_equal(zmq_bind(sockets[i], "tcp://127.0.0.1:*"), 0);
        assert_int_equal(
            zmq_getsockopt(sockets[i], ZMQ_LAST_ENDPOINT, endpoints[i], &bytes), 0);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        (void)zmq_close(sockets[i]);
    }
    (void)zmq_ctx_term(context);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    (void)snprintf(world->directory, sizeof world->directory,
                   "/tmp/consens-engine-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    char endpoints[NODES][SETTINGS_TEXT_BYTES];
    find_endpoints(endpoints);
    for (uint32_t seat = 0; seat < NODES; seat++) {
        struct settings *settings = &world->nodes[seat].settings;
        settings->node_index = seat;
        settings->log_segment_bytes = 1024 * 1024;
        settings->heartbeat_ms = 50;
        (void)snprintf(settings->data_directory, sizeof settings->data_directory,
                       "%s/n%u", world->directory, seat + 1);
        for (uint32_t i = 0; i < NODES; i++) {
            struct settings_node *node = &settings->nodes[i];
            (void)snprintf(node->name, sizeof node->name, "n%u", i + 1);
            (void)snprintf(node->peer, sizeof node->peer, "%.200s", endpoints[i]);
            (void)snprintf(node->peer_advertise, sizeof node->peer_advertise, "%.200s",
                           endpoints[i]);
        }
    }
    *state = world;
    return 0;
}

static void remove_files(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        char name[512];
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(directory);
    (void)rmdir(path);
}

static bool try_start(struct world *world, uint32_t seat, uint32_t node_count)
{
    struct node *node = &world->nodes[seat];
    node->settings.node_count = node_count;
    node->context = zmq_ctx_new();
    node->engine = engine_open(node->context, &node->settings, "0.0-test",
                               &node->exit_code, node->error, sizeof node->error);
    if (node->engine == NULL) {
        (void)zmq_ctx_term(node->context);
        node->context = NULL;
        return false;
    }
    node->client = handoff_client_open(node->context);
    assert_non_null(node->client);
    assert_true(engine_start(node->engine, node->error, sizeof node->error));
    return true;
}

static void start(struct world *world, uint32_t seat, uint32_t node_count)
{
    if (!try_start(world, seat, node_count)) {
        fail_msg("%s", world->nodes[seat].error);
    }
}

/* Waits for the engine to end by itself or because it was asked to. */
static int finish(struct world *world, uint32_t seat)
{
    struct node *node = &world->nodes[seat];
    int code = engine_join(node->engine);
    handoff_client_close(&node->client);
    assert_int_equal(engine_close(&node->engine), 0);
    (void)zmq_ctx_term(node->context);
    node->context = NULL;
    return code;
}

static int stop(struct world *world, uint32_t seat)
{
    engine_ask_stop(world->nodes[seat].engine);
    return finish(world, seat);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (uint32_t seat = 0; seat < NODES; seat++) {
        if (world->nodes[seat].engine != NULL) {
            (void)stop(world, seat);
        }
        remove_files(world->nodes[seat].settings.data_directory);
    }
    (void)rmdir(world->directory);
    free(world);
    return 0;
}

/* ---- requests ---- */

static enum cs_status
put(struct world *world, uint32_t seat, const char *key, const char *value)
{
    struct command command = {
        .operation = COMMAND_PUT,
        .key = view_of(key, strlen(key)),
        .value = view_of(value, strlen(value)),
    };
    struct cs_buffer packed = {0};
    command_pack(&packed, &command);
    struct request request = {
        .kind = REQUEST_WRITE,
        .timeout_ms = WAIT_MS,
        .command = view_of_buffer(&packed),
    };
    struct reply reply = {0};
    bool is_answered =
        handoff_call(world->nodes[seat].client, &request, WAIT_MS + 1000, &reply);
    buffer_fini(&packed);
    assert_true(is_answered);
    return reply.status;
}

static void
assert_holds(struct world *world, uint32_t seat, const char *key, const char *value)
{
    struct request request = {
        .kind = REQUEST_GET,
        .timeout_ms = WAIT_MS,
        .key = view_of(key, strlen(key)),
    };
    struct reply reply = {0};
    assert_true(
        handoff_call(world->nodes[seat].client, &request, WAIT_MS + 1000, &reply));
    assert_int_equal(reply.status, CS_OK);
    assert_int_equal(reply.value.bytes, strlen(value));
    assert_memory_equal(reply.value.data, value, strlen(value));
}

/* ---- tests ---- */

static void no_thread_left_is_said_in_a_sentence(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    node->settings.node_count = 1;
    node->context = zmq_ctx_new();
    node->engine = engine_open(node->context, &node->settings, "0.0-test",
                               &node->exit_code, node->error, sizeof node->error);
    assert_non_null(node->engine);
    int before = atomic_exchange(&threads_left, 0);
    assert_false(engine_start(node->engine, node->error, sizeof node->error));
    atomic_store(&threads_left, before);
    assert_non_null(strstr(node->error, "the engine's thread"));
    assert_int_equal(engine_close(&node->engine), 0);
    assert_int_equal(zmq_ctx_term(node->context), 0);
}

static void single_node_serves_and_keeps_what_it_acknowledged(void **state)
{
    struct world *world = *state;
    start(world, 0, 1);
    for (int i = 0; i < 50; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(put(world, 0, "k", value), i == 0 ? CS_CREATED : CS_UPDATED);
    }
    assert_holds(world, 0, "k", "v49");
    assert_int_equal(stop(world, 0), 0);
    start(world, 0, 1);
    assert_holds(world, 0, "k", "v49");
    assert_int_equal(put(world, 0, "k", "v50"), CS_UPDATED);
    assert_int_equal(stop(world, 0), 0);
}

static void second_process_on_a_directory_is_refused(void **state)
{
    struct world *world = *state;
    start(world, 0, 1);
    struct node *second = &world->nodes[1];
    (void)snprintf(second->settings.data_directory,
                   sizeof second->settings.data_directory, "%s",
                   world->nodes[0].settings.data_directory);
    assert_false(try_start(world, 1, 1));
    assert_int_equal(second->exit_code, 73);
    assert_non_null(strstr(second->error, second->settings.data_directory));
}

static void unusable_directory_is_refused(void **state)
{
    struct world *world = *state;
    struct settings *settings = &world->nodes[0].settings;
    (void)snprintf(settings->data_directory, sizeof settings->data_directory,
                   "/proc/consens-cannot-be-here");
    assert_false(try_start(world, 0, 1));
    assert_int_equal(world->nodes[0].exit_code, 73);
    assert_true(strlen(world->nodes[0].error) > 0);
}

static void busy_peer_port_is_refused(void **state)
{
    struct world *world = *state;
    start(world, 0, 2);
    struct settings *second = &world->nodes[1].settings;
    (void)snprintf(second->nodes[1].peer, sizeof second->nodes[1].peer, "%s",
                   world->nodes[0].settings.nodes[0].peer);
    assert_false(try_start(world, 1, 2));
    assert_int_equal(world->nodes[1].exit_code, 69);
    assert_non_null(strstr(world->nodes[1].error, second->nodes[1].peer));
}

static void two_nodes_form_a_cluster_and_answer_alike(void **state)
{
    struct world *world = *state;
    start(world, 0, 2);
    start(world, 1, 2);
    assert_int_equal(put(world, 0, "a", "one"), CS_CREATED);
    assert_int_equal(put(world, 1, "b", "two"), CS_CREATED);
    for (uint32_t seat = 0; seat < 2; seat++) {
        assert_holds(world, seat, "a", "one");
        assert_holds(world, seat, "b", "two");
    }
    assert_int_equal(stop(world, 0), 0);
    start(world, 0, 2);
    assert_holds(world, 0, "b", "two");
    assert_int_equal(put(world, 0, "b", "three"), CS_UPDATED);
    assert_holds(world, 1, "b", "three");
}

static void wiped_node_ends_with_65(void **state)
{
    struct world *world = *state;
    start(world, 0, 2);
    start(world, 1, 2);
    assert_int_equal(put(world, 0, "a", "one"), CS_CREATED);
    assert_int_equal(stop(world, 1), 0);
    remove_files(world->nodes[1].settings.data_directory);
    start(world, 1, 2);
    assert_int_equal(finish(world, 1), 65);
}

/* Counted in a list of one, the majority of two would be one: it would acknowledge alone. */
static void node_of_two_does_not_start_alone(void **state)
{
    struct world *world = *state;
    start(world, 0, 2);
    start(world, 1, 2);
    assert_int_equal(put(world, 0, "a", "one"), CS_CREATED);
    assert_int_equal(stop(world, 0), 0);
    const struct node *node = &world->nodes[0];
    assert_false(try_start(world, 0, 1));
    assert_int_equal(node->exit_code, 65);
    assert_non_null(strstr(node->error, node->settings.data_directory));
    assert_non_null(strstr(node->error, "a cluster of 2, and this start names 1"));
    start(world, 0, 2); // with the list it ran with it serves again
    assert_holds(world, 0, "a", "one");
}

static void node_alone_does_not_start_as_one_of_two(void **state)
{
    struct world *world = *state;
    start(world, 0, 1);
    assert_int_equal(put(world, 0, "a", "one"), CS_CREATED);
    assert_int_equal(stop(world, 0), 0);
    assert_false(try_start(world, 0, 2));
    assert_int_equal(world->nodes[0].exit_code, 65);
    assert_non_null(strstr(world->nodes[0].error, "of 1, and this start names 2"));
}

static void directory_of_another_seat_is_refused(void **state)
{
    struct world *world = *state;
    start(world, 0, 2);
    start(world, 1, 2);
    assert_int_equal(put(world, 0, "a", "one"), CS_CREATED);
    assert_int_equal(stop(world, 0), 0);
    struct node *node = &world->nodes[0];
    node->settings.node_index = 1; // as if its name came second now
    assert_false(try_start(world, 0, 2));
    assert_int_equal(node->exit_code, 65);
    assert_non_null(strstr(node->error, node->settings.data_directory));
    assert_non_null(strstr(node->error, "is not that of n2, node 2 of 2"));
}

static void stopping_with_nobody_waiting_is_quick(void **state)
{
    struct world *world = *state;
    start(world, 0, 1);
    assert_int_equal(put(world, 0, "k", "v"), CS_CREATED);
    uint64_t start_ms = clock_now_ms();
    assert_int_equal(stop(world, 0), 0);
    assert_true(clock_now_ms() - start_ms < 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_thread_left_is_said_in_a_sentence, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(single_node_serves_and_keeps_what_it_acknowledged,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(second_process_on_a_directory_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unusable_directory_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_peer_port_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_nodes_form_a_cluster_and_answer_alike, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(wiped_node_ends_with_65, set_up, tear_down),
        cmocka_unit_test_setup_teardown(node_of_two_does_not_start_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(node_alone_does_not_start_as_one_of_two, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(directory_of_another_seat_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopping_with_nobody_waiting_is_quick, set_up,
                                        tear_down),
    };
    log_set_level(LOG_LEVEL_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
