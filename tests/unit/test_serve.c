/*
 * Slots read from the disk for a peer that asks: what is said of them holds for the bytes
 * that were read, not for what the log has become since.
 */
#include "base/check.h"
#include "engine/parts.h"
#include "unit/support/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WRITES = 150 };

struct tap {
    uint32_t cut_seat; // nothing comes from or to it; NO_SEAT: all is well
    uint32_t entries;  // ENTRIES seen with slots in them
    cs_slot first;     // of the newest of them
    cs_slot last;
    cs_slot decided;
};

static bool watch(void *context, const struct nodes_frame *queued)
{
    struct tap *tap = context;
    struct wire_frame *frame = calloc(1, sizeof *frame);
    assert_non_null(frame);
    assert_int_equal(wire_unpack(view_of_buffer(&queued->bytes), frame), WIRE_OK);
    if (frame->kind == WIRE_CORE && frame->core.type == PAXOS_ENTRIES &&
        frame->core.entry_count > 0) {
        tap->entries++;
        tap->first = frame->core.log.from + 1;
        tap->last = frame->core.log.from + frame->core.entry_count;
        tap->decided = frame->core.log.decided;
    }
    free(frame);
    return queued->from != tap->cut_seat && queued->to != tap->cut_seat;
}

/* A Fetch of a damaged node, to slots whether they are decided or not. */
static void ask(struct nodes *nodes, uint32_t from, uint32_t to, cs_slot first)
{
    struct paxos_message fetch;
    struct cs_buffer bytes = {0};
    paxos_stamp(replica_core(nodes->node[from].replica), PAXOS_FETCH, to, &fetch);
    fetch.fetch.first = first;
    fetch.fetch.last = replica_view(nodes->node[to].replica).length;
    fetch.fetch.for_repair = 1;
    wire_pack_core(&bytes, &fetch, NULL, NULL);
    nodes_deliver(nodes, to, view_of_buffer(&bytes));
    buffer_fini(&bytes);
}

/* What that node's disk holds of these slots now, its bytes until the node writes again. */
static struct wal_slice
read_slots(const struct nodes_node *node, cs_slot first, cs_slot last)
{
    static struct paxos_entry entries[LIMIT_MESSAGE_ENTRIES];
    static struct cs_view payloads[LIMIT_MESSAGE_ENTRIES];
    struct wal_slice slice = {.entries = entries, .payloads = payloads};
    for (cs_slot slot = first; slot <= last; slot++) {
        entries[slice.entry_count] = node->log[slot].entry;
        payloads[slice.entry_count] = view_of_buffer(&node->log[slot].payload);
        slice.entry_count++;
    }
    slice.before_chain = node->log[first - 1].entry.chain;
    return slice;
}

static void what_was_undecided_when_read_is_not_called_decided(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    struct tap tap = {.cut_seat = NO_SEAT};
    uint32_t server = nodes_run_until_led(nodes);
    for (int i = 0; i < WRITES; i++) {
        (void)nodes_await(nodes, nodes_put(nodes, server, "k", "v"), 1000);
    }
    nodes_run(nodes, 500);
    // The last slot is the leader's alone.
    nodes->filter = watch;
    nodes->context = &tap;
    tap.cut_seat = server;
    (void)nodes_put(nodes, server, "k", "of the old leader");
    nodes_run(nodes, 5);
    struct nodes_node *node = &nodes->node[server];
    struct paxos_view view = replica_view(node->replica);
    assert_int_equal(view.length, view.decided + 1);
    assert_int_equal(view.durable, view.length);
    // It is read, with slots before it that are on disk only.
    cs_slot first = view.base;
    cs_slot last = view.length;
    assert_true(last - first < LIMIT_MESSAGE_ENTRIES);
    ask(nodes, (server + 1) % 3, server, first);
    assert_int_not_equal(node->read_cookie, 0);
    uint64_t cookie = node->read_cookie;
    node->read_cookie = 0; // the answer is late
    struct wal_slice slice = read_slots(node, first, last);
    struct paxos_entry kept = node->log[last].entry;
    struct cs_buffer payload = node->log[last].payload;
    node->log[last].payload = (struct cs_buffer){0};
    // Meanwhile the others decide another one there, and it learns of that.
    nodes_run(nodes, 1000);
    tap.cut_seat = NO_SEAT;
    nodes_run(nodes, 1000);
    assert_true(replica_view(node->replica).decided >= last);
    assert_memory_not_equal(&node->log[last].entry.digest, &kept.digest,
                            sizeof kept.digest);
    uint32_t before = tap.entries;
    replica_on_slice(node->replica, cookie, &slice, nodes->now_ms);
    assert_int_equal(tap.entries, before + 1);
    assert_int_equal(tap.first, first);
    assert_int_equal(tap.last, last);
    assert_int_equal(tap.decided, last - 1);
    buffer_fini(&payload);
    nodes_free(&nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_undecided_when_read_is_not_called_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
