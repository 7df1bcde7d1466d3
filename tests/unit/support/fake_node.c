#include "unit/support/fake_node.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <zmq.h>

#include <cmocka.h>

void fake_node_open(struct fake_node *node)
{
    int none = 0;
    size_t bytes = sizeof node->endpoint;
    node->context = zmq_ctx_new();
    node->router = zmq_socket(node->context, ZMQ_ROUTER);
    assert_non_null(node->router);
    (void)zmq_setsockopt(node->router, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(node->router, ZMQ_RCVHWM, &none, sizeof none);
    (void)zmq_setsockopt(node->router, ZMQ_SNDHWM, &none, sizeof none);
    assert_int_equal(zmq_bind(node->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(
        zmq_getsockopt(node->router, ZMQ_LAST_ENDPOINT, node->endpoint, &bytes), 0);
}

void fake_node_close(struct fake_node *node)
{
    if (node->router != NULL) {
        (void)zmq_close(node->router);
        (void)zmq_ctx_term(node->context);
        node->router = NULL;
    }
}

static bool has_input(struct fake_node *node, long wait_ms)
{
    zmq_pollitem_t item = {.socket = node->router, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, wait_ms) > 0;
}

bool fake_node_is_quiet(struct fake_node *node, uint32_t wait_ms)
{
    return !has_input(node, (long)wait_ms);
}

struct fake_call fake_node_take(struct fake_node *node)
{
    struct fake_call call = {0};
    struct client_message message;
    const char *reason = NULL;
    zmq_msg_t frame;
    assert_true(has_input(node, FAKE_PATIENCE_MS));
    int count = zmq_recv(node->router, call.name, sizeof call.name, ZMQ_DONTWAIT);
    assert_in_range(count, 1, sizeof call.name);
    call.name_bytes = (size_t)count;
    (void)zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, node->router, ZMQ_DONTWAIT) >= 0);
    assert_false(zmq_msg_more(&frame));
    buffer_append(&call.bytes, zmq_msg_data(&frame), zmq_msg_size(&frame));
    (void)zmq_msg_close(&frame);
    assert_true(client_message_open(view_of_buffer(&call.bytes), LIMIT_VALUE_BYTES,
                                    &message, &reason));
    client_message_take(&message, LIMIT_VALUE_BYTES, &call.request);
    return call;
}

void fake_call_fini(struct fake_call *call)
{
    buffer_fini(&call->bytes);
}

void fake_node_send(struct fake_node *node,
                    const struct fake_call *call,
                    struct cs_view bytes)
{
    assert_true(zmq_send(node->router, call->name, call->name_bytes, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(node->router, bytes.data, bytes.bytes, 0) >= 0);
}

void fake_node_answer(struct fake_node *node,
                      const struct fake_call *call,
                      const struct reply *reply)
{
    struct cs_buffer out = {0};
    struct client_answer answer = {
        .id = call->request.id,
        .reply = reply,
        .has_value = reply->status == CS_OK && call->request.request.kind == REQUEST_GET,
    };
    client_answer_pack(&out, &answer);
    fake_node_send(node, call, view_of_buffer(&out));
    buffer_fini(&out);
}

void fake_node_say(struct fake_node *node,
                   const struct fake_call *call,
                   enum cs_status status)
{
    struct reply reply = {.status = status, .revision = 3};
    fake_node_answer(node, call, &reply);
}

void fake_node_open_session(struct fake_node *node, uint64_t session)
{
    struct fake_call call = fake_node_take(node);
    struct reply reply = {.status = CS_OK, .session = session};
    assert_int_equal(call.request.request.kind, REQUEST_WRITE);
    assert_int_equal(call.request.command.operation, COMMAND_OPEN_SESSION);
    fake_node_answer(node, &call, &reply);
    fake_call_fini(&call);
}
