/*
 * Frames between two nodes over loopback: they arrive, they are lost rather than waited
 * for, and a closed connection is told.
 */
#include "base/clock.h"
#include "peers/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 5000,
    MARK_MS = 500,
    FRAME_BYTES_MAX = 4096,
    QUEUE_MAX = 100,
    BREAK_MS = 2500
};

struct world {
    void *context;
    char endpoints[2][64];
    const char *list[2];
    struct peers *peers[2];
    void *stranger; // socket of no node; NULL if none
    char error[256];
    struct fault_switch faults; // of node 0
    unsigned marks;             // sent
};

/* Ports nobody listens on: both are held until both are found. */
static void find_endpoints(struct world *world)
{
    void *sockets[2];
    for (int i = 0; i < 2; i++) {
        size_t bytes = sizeof world->endpoints[i];
        sockets[i] = zmq_socket(world->context, ZMQ_ROUTER);
        assert_non_null(sockets[i]);
        assert_int_equal(zmq_bind(sockets[i], "tcp://127.0.0.1:*"), 0);
        assert_int_equal(
            zmq_getsockopt(sockets[i], ZMQ_LAST_ENDPOINT, world->endpoints[i], &bytes),
            0);
        world->list[i] = world->endpoints[i];
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(zmq_unbind(sockets[i], world->endpoints[i]), 0);
        assert_int_equal(zmq_close(sockets[i]), 0);
    }
}

static void open_node(struct world *world, uint32_t seat)
{
    struct peers_settings settings = {
        .seat = seat,
        .seat_count = 2,
        .bind_endpoint = world->list[seat],
        .endpoints = world->list,
        .frame_bytes_max = FRAME_BYTES_MAX,
        .queue_messages_max = QUEUE_MAX,
        .faults = seat == 0 ? &world->faults : NULL,
    };
    // The port was free a moment ago, but its old socket may still be closing.
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    do {
        world->peers[seat] =
            peers_open(world->context, &settings, world->error, sizeof world->error);
    } while (world->peers[seat] == NULL && clock_now_ms() < deadline_ms);
    assert_non_null(world->peers[seat]);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->context = zmq_ctx_new();
    find_endpoints(world);
    open_node(world, 0);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    peers_close(&world->peers[0]);
    peers_close(&world->peers[1]);
    if (world->stranger != NULL) { // zmq_ctx_term() waits for every socket
        (void)zmq_close(world->stranger);
    }
    (void)zmq_ctx_term(world->context);
    free(world);
    return 0;
}

static void wait_a_little(struct peers *peers)
{
    void *sockets[PEERS_SOCKETS_MAX];
    zmq_pollitem_t items[PEERS_SOCKETS_MAX] = {{0}};
    uint32_t count = peers_sockets(peers, sockets);
    for (uint32_t i = 0; i < count; i++) {
        items[i].socket = sockets[i];
        items[i].events = ZMQ_POLLIN;
    }
    (void)zmq_poll(items, (int)count, 20);
}

/* Sends until one arrives: frames before the connection stands are lost by design. */
static struct cs_view exchange(struct world *world, uint32_t from, const char *text)
{
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    struct peers *to = world->peers[1 - from];
    struct cs_view frame = {0};
    while (clock_now_ms() < deadline_ms) {
        peers_send(world->peers[from], 1 - from, view_of(text, strlen(text)));
        wait_a_little(to);
        if (peers_receive(to, &frame)) {
            return frame;
        }
    }
    fail_msg("no frame within %d ms", PATIENCE_MS);
    return frame;
}

static void drain(struct peers *peers)
{
    struct cs_view frame;
    while (peers_receive(peers, &frame)) {
    }
}

/* Until nothing of what was sent before is under way: frames of a connection keep their order. */
static void settle(struct world *world, uint32_t from)
{
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    struct peers *to = world->peers[1 - from];
    while (clock_now_ms() < deadline_ms) {
        char mark[32];
        size_t bytes = (size_t)snprintf(mark, sizeof mark, "mark-%u", ++world->marks);
        peers_send(world->peers[from], 1 - from, view_of(mark, bytes));
        uint64_t again_ms = clock_now_ms() + MARK_MS; // it may have been lost
        while (clock_now_ms() < again_ms) {
            struct cs_view frame = {0};
            wait_a_little(to);
            while (peers_receive(to, &frame)) {
                if (frame.bytes == bytes && memcmp(frame.data, mark, bytes) == 0) {
                    return;
                }
            }
        }
    }
    fail_msg("no mark within %d ms", PATIENCE_MS);
}

static void frames_arrive_both_ways(void **state)
{
    struct world *world = *state;
    open_node(world, 1);
    struct cs_view frame = exchange(world, 0, "to one");
    assert_int_equal(frame.bytes, 6);
    assert_memory_equal(frame.data, "to one", 6);
    frame = exchange(world, 1, "to zero");
    assert_memory_equal(frame.data, "to zero", 7);
}

static void frames_of_a_node_that_is_cut_off_are_dropped(void **state)
{
    struct world *world = *state;
    open_node(world, 1);
    settle(world, 0);
    settle(world, 1);
    atomic_store(&world->faults.is_cut, true);
    struct cs_view frame = {0};
    for (int i = 0; i < 10; i++) {
        peers_send(world->peers[0], 1, view_of("out", 3));
        peers_send(world->peers[1], 0, view_of("in", 2));
        wait_a_little(world->peers[0]);
        assert_false(peers_receive(world->peers[0], &frame));
        wait_a_little(world->peers[1]);
        assert_false(peers_receive(world->peers[1], &frame));
    }
    atomic_store(&world->faults.is_cut, false);
    frame = exchange(world, 0, "after");
    assert_memory_equal(frame.data, "after", 5);
    settle(world, 1); // what was still on its way is taken again
    frame = exchange(world, 1, "after");
    assert_memory_equal(frame.data, "after", 5);
}

static void frames_to_an_absent_peer_are_lost_at_once(void **state)
{
    struct world *world = *state;
    uint64_t start_ms = clock_now_ms();
    for (int i = 0; i < 10 * QUEUE_MAX; i++) {
        peers_send(world->peers[0], 1, view_of("x", 1));
    }
    assert_true(clock_now_ms() - start_ms < 1000);
    // None of them waits for the peer to come.
    open_node(world, 1);
    struct cs_view frame = exchange(world, 0, "fresh");
    assert_memory_equal(frame.data, "fresh", 5);
}

static void closed_connection_is_told_with_its_seat(void **state)
{
    struct world *world = *state;
    open_node(world, 1);
    (void)exchange(world, 0, "hello");
    uint32_t seat = 9;
    assert_false(peers_receive_lost(world->peers[0], &seat));
    peers_close(&world->peers[1]);
    uint64_t deadline_ms = clock_now_ms() + PATIENCE_MS;
    while (!peers_receive_lost(world->peers[0], &seat) && clock_now_ms() < deadline_ms) {
        wait_a_little(world->peers[0]);
    }
    assert_int_equal(seat, 1);
    // And it is found again when it is back.
    open_node(world, 1);
    (void)exchange(world, 0, "hello again");
}

static void frame_past_the_limit_never_arrives(void **state)
{
    struct world *world = *state;
    open_node(world, 1);
    settle(world, 0);
    void *stranger = zmq_socket(world->context, ZMQ_DEALER);
    world->stranger = stranger;
    int linger = 0;
    assert_int_equal(zmq_setsockopt(stranger, ZMQ_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(zmq_connect(stranger, world->list[1]), 0);
    static char large[2 * FRAME_BYTES_MAX];
    assert_int_equal(zmq_send(stranger, large, sizeof large, 0), (int)sizeof large);
    // Parts beyond one are dropped too; a proper frame after them arrives.
    assert_int_equal(zmq_send(stranger, "a", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(stranger, "b", 1, 0), 1);
    struct cs_view frame = exchange(world, 0, "proper");
    assert_memory_equal(frame.data, "proper", 6);
}

/*
 * libzmq 4.3.4 aborts when its own heartbeat is due on a connection that broke while nobody
 * took its frames ("Assertion failed: !_io_error"). So there is none (peers.c).
 */
static void a_connection_that_breaks_under_a_full_queue_ends_nobody(void **state)
{
    struct world *world = *state;
    static const char big[FRAME_BYTES_MAX];
    open_node(world, 1);
    (void)exchange(world, 1, "hello");
    for (int i = 0; i < 50 * QUEUE_MAX; i++) {
        peers_send(world->peers[1], 0, view_of(big, sizeof big));
        if (i % QUEUE_MAX == 0) {
            (void)zmq_poll(NULL, 0, 2); // else most are lost here, not queued there
        }
    }
    peers_close(&world->peers[1]);
    (void)zmq_poll(NULL, 0,
                   BREAK_MS); // what may happen meanwhile is the end of this process
    drain(world->peers[0]);
    open_node(world, 1);
    struct cs_view frame;
    do { // what was on its way may still come
        frame = exchange(world, 1, "again");
    } while (frame.bytes == sizeof big);
    assert_int_equal(frame.bytes, strlen("again"));
}

static void busy_port_is_named_in_words(void **state)
{
    struct world *world = *state;
    struct peers_settings settings = {
        .seat = 0,
        .seat_count = 2,
        .bind_endpoint = world->list[0],
        .endpoints = world->list,
        .frame_bytes_max = FRAME_BYTES_MAX,
        .queue_messages_max = QUEUE_MAX,
    };
    assert_null(peers_open(world->context, &settings, world->error, sizeof world->error));
    assert_non_null(strstr(world->error, world->list[0]));
    assert_non_null(strstr(world->error, "is in use"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_arrive_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frames_of_a_node_that_is_cut_off_are_dropped,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(frames_to_an_absent_peer_are_lost_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(closed_connection_is_told_with_its_seat, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(frame_past_the_limit_never_arrives, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_connection_that_breaks_under_a_full_queue_ends_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_port_is_named_in_words, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
