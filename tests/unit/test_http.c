#include "http/http.h"

#include "base/clock.h"
#include "unit/support/http_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { STOP_MS_MAX = 4000, CLIENTS = 12, REQUESTS = 50, FEW_THREADS = 4 };

static char error[256];
static int code;

static void it_starts_on_a_free_port_and_stops(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    assert_in_range(http_port(rig.http), 1, 65535);
    struct response response = {0};
    rig_ask(&rig, "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n", &response);
    assert_int_equal(response.status, 200);
    response_fini(&response);
    rig_stop(&rig);
}

static void a_busy_port_is_said_in_a_sentence(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    struct settings settings = rig.settings;
    char expected[128];
    (void)snprintf(settings.nodes[1].http, sizeof(settings.nodes[1].http), "127.0.0.1:%u",
                   http_port(rig.http));
    (void)snprintf(expected, sizeof(expected), "port %u is in use by another process",
                   http_port(rig.http));
    assert_null(http_start(rig.zmq_context, &settings, "v", &code, error, sizeof(error)));
    assert_non_null(strstr(error, expected));
    assert_int_equal(code, HTTP_EXIT_UNAVAILABLE);
    rig_stop(&rig);
}

static void more_threads_than_sockets_are_refused(void **state)
{
    (void)state;
    void *context = zmq_ctx_new();
    assert_int_equal(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 100), 0);
    struct settings settings = {.node_count = 1, .http_threads = 37};
    (void)snprintf(settings.nodes[0].http, sizeof(settings.nodes[0].http), "127.0.0.1:0");
    assert_null(http_start(context, &settings, "v", &code, error, sizeof(error)));
    assert_non_null(strstr(error, "it and 67 more are wanted"));
    assert_int_equal(code, HTTP_EXIT_OS_ERROR);
    settings.http_threads = 2;
    struct http *http = http_start(context, &settings, "v", &code, error, sizeof(error));
    assert_non_null(http);
    http_stop(&http);
    assert_null(http);
    assert_int_equal(zmq_ctx_term(context), 0);
}

// Each is the first request of a worker, or one that follows such: how its buffer's address
// ends must not make it believe that a method which stands further on begins it.
static void white_space_before_the_first_request_is_refused(void **state)
{
    (void)state;
    static const char request[] =
        "PUT /k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    static const char blank[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    struct rig rig;
    struct response response = {0};
    rig_start(&rig);
    for (int i = 0; i < 4; i++) {
        int connection = rig_connect(&rig);
        char text[256];
        (void)snprintf(text, sizeof(text), "%s%s%s", i == 1 ? "                " : blank,
                       i == 2 ? blank : "", request);
        rig_send_text(connection, text);
        rig_receive(connection, &response, true);
        assert_int_equal(response.status, 400);
        assert_string_equal(response_field(&response, "Connection"), "close");
        (void)close(connection);
    }
    assert_int_equal(rig_seen_count(&rig), 0);
    response_fini(&response);
    rig_stop(&rig);
}

static void stopping_answers_a_request_that_waits(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    rig_set_silent(&rig, true);
    int waiting = rig_connect(&rig);
    rig_send_text(waiting, "PUT /k?timeout=60s HTTP/1.1\r\nHost: x\r\n\r\n");
    while (rig_seen_count(&rig) == 0) {
        (void)poll(NULL, 0, 1);
    }
    uint64_t started_ms = clock_now_ms();
    http_stop(&rig.http);
    assert_in_range(clock_now_ms() - started_ms, 0, STOP_MS_MAX);
    struct response response = {0};
    rig_receive(waiting, &response, true);
    assert_int_equal(response.status, 504);
    assert_string_equal(response_field(&response, "Connection"), "close");
    assert_true(rig_is_closed(waiting, RIG_PATIENCE_MS));
    response_fini(&response);
    (void)close(waiting);
    rig_stop(&rig);
}

static void stopping_does_not_wait_for_idle_clients(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig);
    struct response response = {0};
    int idle = rig_connect(&rig);
    rig_send_text(idle, "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_receive(idle, &response, true);
    int half_open = rig_connect(&rig);
    rig_send_text(half_open, "GET /-/ver");
    uint64_t started_ms = clock_now_ms();
    rig_stop(&rig);
    assert_in_range(clock_now_ms() - started_ms, 0, STOP_MS_MAX);
    (void)close(idle);
    (void)close(half_open);
    response_fini(&response);
}

// More clients than workers: those that wait are served when others have gone.
static void *put_and_leave(void *rig_pointer)
{
    struct rig *rig = rig_pointer;
    struct response response = {0};
    uintptr_t wrong = 0;
    for (int done = 0; done < REQUESTS;) {
        rig_ask(rig,
                "PUT /k HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
                &response);
        bool is_to_be_repeated = response.status == 429;
        done += is_to_be_repeated ? 0 : 1;
        wrong += response.status == 201 || is_to_be_repeated ? 0 : 1;
    }
    response_fini(&response);
    return (void *)wrong; // NOLINT(performance-no-int-to-ptr)
}

static void many_clients_share_few_workers(void **state)
{
    (void)state;
    struct rig rig;
    rig_start_with(&rig, FEW_THREADS - 1); // and one in reserve
    struct reply reply = {.status = CS_CREATED, .revision = 1, .item_revision = 1};
    rig_set_reply(&rig, &reply);
    pthread_t clients[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_create(&clients[i], NULL, put_and_leave, &rig), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(clients[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_int_equal(rig_seen_count(&rig), CLIENTS * REQUESTS);
    rig_stop(&rig);
}

static void ask_on(int connection, struct response *response, const char *text)
{
    rig_send_text(connection, text);
    rig_receive(connection, response, true);
}

static void keys_that_wait_leave_a_worker_for_the_rest(void **state)
{
    (void)state;
    struct rig rig;
    struct response response = {0};
    int waiting[FEW_THREADS - 1];
    rig_start_with(&rig, FEW_THREADS - 1); // and one in reserve
    rig_set_silent(&rig, true);
    for (uint32_t i = 0; i < FEW_THREADS - 1; i++) {
        waiting[i] = rig_connect(&rig);
        rig_send_text(waiting[i],
                      "GET /k?consistency=local&min-revision=99999&timeout=60s "
                      "HTTP/1.1\r\nHost: x\r\n\r\n");
        while (rig_seen_count(&rig) <= i) {
            (void)poll(NULL, 0, 1);
        }
    }
    rig_ask(&rig,
            "PUT /k HTTP/1.1\r\nAccept: application/json\r\nContent-Length: 3\r\n\r\nabc",
            &response);
    assert_int_equal(response.status, 429);
    assert_string_equal(response_field(&response, "Retry-After"), "1");
    assert_string_equal(response_field(&response, "Connection"), "close");
    assert_non_null(strstr(response_text(&response), "server/http/threads"));
    assert_int_equal(rig_seen_count(&rig), FEW_THREADS - 1);
    struct reply ready = {.status = CS_OK};
    rig_set_reply(&rig, &ready);
    rig_ask(&rig, "GET /-/live HTTP/1.1\r\nHost: x\r\n\r\n", &response);
    assert_int_equal(response.status, 200);
    for (int i = 0; i < FEW_THREADS - 1; i++) {
        (void)close(waiting[i]);
    }
    response_fini(&response);
    rig_stop(&rig);
}

static void the_last_workers_do_not_wait_for_idle_clients(void **state)
{
    (void)state;
    struct rig rig;
    struct response response = {0};
    int kept[FEW_THREADS - 1];
    rig_start_with(&rig, FEW_THREADS - 1); // and one in reserve
    static const char request[] = "GET /-/version HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < FEW_THREADS - 1; i++) {
        kept[i] = rig_connect(&rig);
        ask_on(kept[i], &response, request);
        assert_string_equal(response_field(&response, "Connection"), "keep-alive");
    }
    int last = rig_connect(&rig);
    ask_on(last, &response, request);
    assert_string_equal(response_field(&response, "Connection"), "close");
    assert_true(rig_is_closed(last, RIG_PATIENCE_MS));
    (void)close(last);
    for (int i = 0; i < FEW_THREADS - 1; i++) {
        (void)close(kept[i]);
    }
    response_fini(&response);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_on_a_free_port_and_stops),
        cmocka_unit_test(a_busy_port_is_said_in_a_sentence),
        cmocka_unit_test(more_threads_than_sockets_are_refused),
        cmocka_unit_test(white_space_before_the_first_request_is_refused),
        cmocka_unit_test(stopping_answers_a_request_that_waits),
        cmocka_unit_test(stopping_does_not_wait_for_idle_clients),
        cmocka_unit_test(many_clients_share_few_workers),
        cmocka_unit_test(keys_that_wait_leave_a_worker_for_the_rest),
        cmocka_unit_test(the_last_workers_do_not_wait_for_idle_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
