/*
 * One wait for several sockets: nothing that came is missed, although a socket's
 * descriptor tells of it only once.
 */
#include "base/poll_set.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10 * 1000, SHORT_MS = 30 };

struct world {
    void *context;
    void *near;
    void *far;
};

static int set_up(void **state)
{
    static struct world world;
    world.context = zmq_ctx_new();
    world.near = zmq_socket(world.context, ZMQ_PAIR);
    world.far = zmq_socket(world.context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(world.near, "inproc://poll-set"), 0);
    assert_int_equal(zmq_connect(world.far, "inproc://poll-set"), 0);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    int none = 0;
    (void)zmq_setsockopt(world->near, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(world->far, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_close(world->near);
    (void)zmq_close(world->far);
    return zmq_ctx_term(world->context);
}

static void send_from_far(struct world *world)
{
    assert_int_equal(zmq_send(world->far, "x", 1, ZMQ_DONTWAIT), 1);
}

static uint32_t drain(struct world *world)
{
    uint32_t count = 0;
    char byte = 0;
    while (zmq_recv(world->near, &byte, 1, ZMQ_DONTWAIT) == 1) {
        count++;
    }
    return count;
}

static void a_message_from_before_it_was_added_is_seen(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    send_from_far(world);
    // Asking takes the news from the descriptor, as any call on the socket may.
    int events = 0;
    size_t bytes = sizeof events;
    assert_int_equal(zmq_getsockopt(world->near, ZMQ_EVENTS, &events, &bytes), 0);
    uint32_t member = poll_set_add_socket(&set, world->near);
    poll_set_wait(&set, PATIENCE_MS);
    assert_true(poll_set_is_ready(&set, member));
    assert_int_equal(drain(world), 1);
}

static void each_message_after_a_drain_is_seen(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    uint32_t member = poll_set_add_socket(&set, world->near);
    for (int i = 0; i < 1000; i++) {
        send_from_far(world);
        poll_set_wait(&set, PATIENCE_MS);
        assert_true(poll_set_is_ready(&set, member));
        assert_int_equal(drain(world), 1);
    }
}

static void what_a_send_has_hidden_is_seen_when_asked_for(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    uint32_t member = poll_set_add_socket(&set, world->near);
    poll_set_wait(&set, 0);
    (void)drain(world);
    send_from_far(world);
    int events = 0;
    size_t bytes = sizeof events;
    assert_int_equal(zmq_getsockopt(world->near, ZMQ_EVENTS, &events, &bytes), 0);
    poll_set_wait(&set, SHORT_MS);
    assert_false(poll_set_is_ready(&set, member)); // this is why one asks
    poll_set_ask(&set, member);
    poll_set_wait(&set, PATIENCE_MS);
    assert_true(poll_set_is_ready(&set, member));
    assert_int_equal(drain(world), 1);
}

static void what_was_left_is_seen_when_asked_for(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    uint32_t member = poll_set_add_socket(&set, world->near);
    char byte = 0;
    send_from_far(world);
    send_from_far(world);
    poll_set_wait(&set, PATIENCE_MS);
    assert_int_equal(zmq_recv(world->near, &byte, 1, ZMQ_DONTWAIT), 1);
    poll_set_ask(&set, member);
    poll_set_wait(&set, PATIENCE_MS);
    assert_true(poll_set_is_ready(&set, member));
    assert_int_equal(drain(world), 1);
}

static void silence_lasts_as_long_as_it_may(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    uint32_t member = poll_set_add_socket(&set, world->near);
    uint64_t begun_ms = clock_now_ms();
    poll_set_wait(&set, SHORT_MS);
    (void)drain(world); // commands of the connection may have woken it
    poll_set_wait(&set, SHORT_MS);
    assert_false(poll_set_is_ready(&set, member));
    assert_true(clock_now_ms() - begun_ms >= SHORT_MS - 1);
}

static void a_descriptor_is_ready_until_it_is_read(void **state)
{
    struct world *world = *state;
    struct poll_set set = {0};
    int wake = eventfd(0, EFD_NONBLOCK);
    uint64_t count = 1;
    uint32_t socket = poll_set_add_socket(&set, world->near);
    uint32_t member = poll_set_add_descriptor(&set, wake);
    poll_set_wait(&set, 0);
    (void)drain(world);
    assert_int_equal(write(wake, &count, sizeof count), sizeof count);
    for (int i = 0; i < 2; i++) {
        poll_set_wait(&set, UINT64_MAX);
        assert_true(poll_set_is_ready(&set, member));
        assert_false(poll_set_is_ready(&set, socket));
    }
    assert_int_equal(read(wake, &count, sizeof count), sizeof count);
    poll_set_wait(&set, 0);
    assert_false(poll_set_is_ready(&set, member));
    assert_int_equal(close(wake), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_from_before_it_was_added_is_seen),
        TEST(each_message_after_a_drain_is_seen),
        TEST(what_a_send_has_hidden_is_seen_when_asked_for),
        TEST(what_was_left_is_seen_when_asked_for),
        TEST(silence_lasts_as_long_as_it_may),
        TEST(a_descriptor_is_ready_until_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
