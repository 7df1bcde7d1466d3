/*
 * The door of the client port, with connections that say nothing at all.
 */
#include "port/door.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10 * 1000, QUIET_MS = 200, ROOM = 40, CONNECTIONS = 30 };

struct world {
    void *context;
    void *router;
    struct door door;
    struct sockaddr_in address;
    int connections[CONNECTIONS];
};

static int lowest_free(void)
{
    int descriptor = dup(STDERR_FILENO);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    return descriptor;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct rlimit limit;
    char endpoint[64];
    size_t bytes = sizeof endpoint;
    assert_non_null(world);
    (void)signal(SIGPIPE, SIG_IGN);
    world->context = zmq_ctx_new();
    world->router = zmq_socket(world->context, ZMQ_ROUTER);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    uint64_t kept = limit.rlim_cur - (uint64_t)(lowest_free() + ROOM);
    assert_true(door_open(&world->door, world->context, world->router, kept));
    assert_int_equal(zmq_bind(world->router, "tcp://127.0.0.1:*"), 0);
    (void)zmq_getsockopt(world->router, ZMQ_LAST_ENDPOINT, endpoint, &bytes);
    world->address.sin_family = AF_INET;
    world->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world->address.sin_port =
        htons((uint16_t)strtoul(strrchr(endpoint, ':') + 1, NULL, 10));
    for (int i = 0; i < CONNECTIONS; i++) {
        world->connections[i] = -1;
    }
    *state = world;
    return 0;
}

static void drop(struct world *world, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (world->connections[i] >= 0) {
            (void)close(world->connections[i]);
        }
        world->connections[i] = -1;
    }
}

static int tear_down(void **state)
{
    struct world *world = *state;
    drop(world, 0, CONNECTIONS);
    door_close(&world->door);
    (void)zmq_close(world->router);
    (void)zmq_ctx_term(world->context);
    free(world);
    return 0;
}

static void start_connection(struct world *world, int index)
{
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(connection >= 0);
    assert_int_equal(connect(connection, (void *)&world->address, sizeof world->address),
                     0);
    world->connections[index] = connection;
}

/* Whether it ends within so long; what is read before is ZeroMQ's greeting. */
static bool ends(struct world *world, int index, uint64_t within_ms)
{
    uint64_t until_ms = clock_now_ms() + within_ms;
    while (clock_now_ms() < until_ms) {
        char bytes[64];
        struct pollfd item = {.fd = world->connections[index], .events = POLLIN};
        door_watch(&world->door);
        if (poll(&item, 1, 5) > 0 && recv(item.fd, bytes, sizeof bytes, 0) <= 0) {
            return true;
        }
    }
    return false;
}

static void connections_leave_descriptors_to_others(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < CONNECTIONS; i++) { // each takes two: both ends are ours
        start_connection(world, i);
    }
    assert_true(ends(world, CONNECTIONS - 1, PATIENCE_MS));
    assert_false(ends(world, 0, QUIET_MS));
    assert_true(world->door.said_ms > 0);
    drop(world, 1, CONNECTIONS);
    uint64_t until_ms = clock_now_ms() + PATIENCE_MS; // for their other ends to close
    while ((uint64_t)lowest_free() + 2 > world->door.descriptor_max - ROOM / 2) {
        assert_true(clock_now_ms() < until_ms);
    }
    start_connection(world, 1);
    assert_false(ends(world, 1, QUIET_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_leave_descriptors_to_others, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
