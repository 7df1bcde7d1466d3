/*
 * What a node knows of its own state: how old it may be, and that it cannot go on where
 * another release decided what this one does not know.
 */
#include "base/digest.h"
#include "unit/support/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct wiretap {
    uint32_t from;
    struct cs_buffer accept; // the last Accept with entries; it is lost
};

static bool keep_accept(void *context, const struct nodes_frame *frame)
{
    struct wiretap *wiretap = context;
    struct wire_frame *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    assert_int_equal(wire_unpack(view_of_buffer(&frame->bytes), seen), WIRE_OK);
    bool is_kept = frame->from == wiretap->from && seen->kind == WIRE_CORE &&
                   seen->core.type == PAXOS_ACCEPT && seen->core.entry_count > 0;
    if (is_kept) {
        wiretap->accept.bytes = 0;
        buffer_append(&wiretap->accept, frame->bytes.data, frame->bytes.bytes);
    }
    free(seen);
    return !is_kept;
}

/* The Accept of a peer that speaks of commands which this release does not know. */
static uint32_t forge_accept(const struct wiretap *wiretap, struct cs_buffer *out)
{
    struct wire_frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    assert_int_equal(wire_unpack(view_of_buffer(&wiretap->accept), frame), WIRE_OK);
    struct cs_view payload = view_of("\xc1", 1);
    struct paxos_entry entry = frame->core.entries[0];
    entry.payload_bytes = (uint32_t)payload.bytes;
    entry.digest = wire_digest_payload(payload);
    frame->core.entry_count = 1;
    frame->core.accept.decided = entry.slot;
    wire_pack_core(out, &frame->core, &entry, &payload);
    uint32_t to = frame->core.to;
    free(frame);
    return to;
}

static void decided_commands_that_do_not_decode_end_the_node_with_a_reason(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    struct wiretap wiretap = {.from = nodes_run_until_led(nodes)};
    (void)nodes_await(nodes, nodes_put(nodes, wiretap.from, "k", "v"), 1000);
    nodes_run(nodes, 500);
    nodes->filter = keep_accept;
    nodes->context = &wiretap;
    (void)nodes_put(nodes, wiretap.from, "k", "w");
    nodes_run(nodes, 1);
    assert_true(wiretap.accept.bytes > 0);
    struct cs_buffer forged = {0};
    uint32_t to = forge_accept(&wiretap, &forged);
    struct replica *replica = nodes->node[to].replica;
    cs_slot applied = replica_applied(replica);
    uint64_t local = nodes_get(nodes, to, "k", REQUEST_LOCAL, 2);
    nodes_deliver(nodes, to, view_of_buffer(&forged));
    assert_int_equal(replica_halt(replica), PAXOS_HALT_UNREADABLE);
    assert_int_equal(replica_applied(replica), applied);
    nodes_run(nodes, 500);
    assert_null(nodes_answer_to(nodes, local));
    buffer_fini(&forged);
    buffer_fini(&wiretap.accept);
    nodes_free(&nodes);
}

static uint64_t lag_of(struct nodes *nodes, uint32_t seat)
{
    uint64_t local = nodes_get(nodes, seat, "k", REQUEST_LOCAL, 0);
    return nodes_answer_to(nodes, local)->reply.lag_ms;
}

/* It may have been away for days: how old its state is only a leader can tell. */
static void lag_is_unknown_until_a_leader_was_heard_and_reached(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    uint32_t away = (leader + 1) % 3;
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 1000);
    nodes_run(nodes, 500);
    for (uint32_t seat = 0; seat < 3; seat++) {
        assert_true(lag_of(nodes, seat) < 300);
    }
    struct paxos_recovered recovered = {
        .config = *paxos_config_of(replica_core(nodes->node[away].replica)),
        .promised = replica_view(nodes->node[away].replica).promised,
        .block = nodes->node[away].block,
        .token = replica_view(nodes->node[away].replica).last_token,
    };
    nodes_kill(nodes, away);
    nodes_kill(nodes, 3 - leader - away);
    struct replica *alone = nodes->node[leader].replica;
    nodes->node[leader].replica = NULL;
    nodes_start(nodes, away, &recovered, 2);
    nodes_run(nodes, 500);
    assert_true(lag_of(nodes, away) == REPLY_LAG_UNKNOWN);
    uint64_t status = nodes_ask(nodes, away, REQUEST_STATUS);
    const char *text = (const char *)nodes_answer_to(nodes, status)->reply.value.data;
    assert_non_null(strstr(text, "\"lag_ms\":null"));
    nodes->node[leader].replica = alone;
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "w"), 5000);
    nodes_run(nodes, 1000);
    assert_true(lag_of(nodes, away) < 300);
    nodes_kill(nodes, leader);
    nodes_run(nodes, 2000);
    assert_true(lag_of(nodes, away) >= 2000);
    nodes_free(&nodes);
}

/* As a later release would write it: only the version and the trailer are known. */
static void pack_of_another_version(struct cs_buffer *out)
{
    struct wire_refused *refused = calloc(1, sizeof *refused);
    assert_non_null(refused);
    refused->from = 1;
    refused->status = CS_NO_LEADER;
    refused->request_count = 1;
    wire_pack_refused(out, refused);
    free(refused);
    assert_int_equal(out->data[1], WIRE_VERSION);
    out->data[1]++;
    size_t trailer_at = out->bytes - sizeof(uint64_t);
    store_u64(out->data + trailer_at, digest_64(out->data, trailer_at, 0));
}

static bool status_speaks_of_releases(struct nodes *nodes)
{
    uint64_t status = nodes_ask(nodes, 0, REQUEST_STATUS);
    const char *text = (const char *)nodes_answer_to(nodes, status)->reply.value.data;
    return strstr(text, "messages of another node are refused: the frame has another "
                        "wire version: its sender runs another release") != NULL;
}

static void frames_of_another_release_are_named_while_they_come(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    (void)nodes_run_until_led(nodes);
    assert_null(replica_other_release(nodes->node[0].replica));
    assert_false(status_speaks_of_releases(nodes));
    struct cs_buffer frame = {0};
    pack_of_another_version(&frame);
    nodes_deliver(nodes, 0, view_of_buffer(&frame));
    assert_non_null(replica_other_release(nodes->node[0].replica));
    assert_true(status_speaks_of_releases(nodes));
    frame.data[1] ^= 4; // damaged on the way, and so of nobody
    nodes_run(nodes, 11 * 1000);
    nodes_deliver(nodes, 0, view_of_buffer(&frame));
    assert_false(status_speaks_of_releases(nodes));
    buffer_fini(&frame);
    nodes_free(&nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lag_is_unknown_until_a_leader_was_heard_and_reached),
        cmocka_unit_test(frames_of_another_release_are_named_while_they_come),
        cmocka_unit_test(decided_commands_that_do_not_decode_end_the_node_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
