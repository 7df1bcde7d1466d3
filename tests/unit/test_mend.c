/*
 * Decided slots lost on a node's disk: fetched from the others, compared, written anew, while
 * the state machine waits and the node votes.
 */
#include "base/check.h"
#include "unit/support/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WRITES = 150 };

struct world {
    struct nodes *nodes;
    uint32_t leader;
    uint32_t damaged; // a follower, down
    struct paxos_recovered recovered;
    struct paxos_entry tail[NODES_SLOTS_MAX];
};

static struct replica *replica_of(const struct world *world, uint32_t seat)
{
    return world->nodes->node[seat].replica;
}

/* Slots first .. last are lost on this node's disk. */
static void lose(struct world *world, uint32_t seat, cs_slot first, cs_slot last)
{
    struct nodes_node *node = &world->nodes->node[seat];
    node->lost = (struct wal_fault){.first = first,
                                    .last = last,
                                    .before_chain = node->log[first - 1].entry.chain,
                                    .after_chain = node->log[last].entry.chain,
                                    .knows_after = true};
}

/* Three nodes with a long log; one of them is down. */
static struct world *set_up(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    struct nodes *nodes = nodes_new(3);
    world->nodes = nodes;
    world->leader = nodes_run_until_led(nodes);
    for (int i = 0; i < WRITES; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        (void)nodes_await(nodes, nodes_put(nodes, world->leader, key, "v"), 1000);
    }
    nodes_run(nodes, 500);
    world->damaged = (world->leader + 1) % 3;
    const struct paxos_core *core = replica_core(replica_of(world, world->damaged));
    struct paxos_view view = replica_view(replica_of(world, world->damaged));
    assert_true(view.base > 20);
    world->recovered = (struct paxos_recovered){
        .config = *paxos_config_of(core),
        .promised = view.promised,
        .accepted = view.accepted,
        .decided = view.decided,
        .length = view.length,
        .block = nodes->node[world->damaged].block,
        .token = view.last_token,
        .base = view.base,
        .base_chain = paxos_chain_at(core, view.base),
        .length_chain = paxos_chain_at(core, view.length),
        .tail_count = (uint32_t)(view.length - view.base),
        .tail = world->tail,
    };
    for (uint32_t i = 0; i < world->recovered.tail_count; i++) {
        world->tail[i] = *paxos_entry_at(core, view.base + 1 + i);
    }
    nodes_kill(nodes, world->damaged);
    return world;
}

static void tear_down(struct world **world)
{
    nodes_free(&(*world)->nodes);
    free(*world);
    *world = NULL;
}

/* As boot does: what is there is replayed, what is lost is passed by. */
static void start_damaged(struct world *world)
{
    struct nodes_node *node = &world->nodes->node[world->damaged];
    nodes_start(world->nodes, world->damaged, &world->recovered, 2);
    cs_slot slot = 1;
    while (slot <= world->recovered.length) {
        if (slot >= node->lost.first && slot <= node->lost.last) {
            slot = replica_replay_past(node->replica, &node->lost);
            continue;
        }
        const struct nodes_entry *kept = &node->log[slot];
        assert_true(
            replica_replay(node->replica, &kept->entry, view_of_buffer(&kept->payload)));
        slot++;
    }
}

static void lost_slots_come_back_and_the_state_with_them(void **state)
{
    (void)state;
    struct world *world = set_up();
    lose(world, world->damaged, 7, 19);
    start_damaged(world);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)), 6);
    (void)nodes_await(world->nodes, nodes_put(world->nodes, world->leader, "k1", "w"),
                      1000);
    nodes_run(world->nodes, 2000);
    struct replica *damaged = replica_of(world, world->damaged);
    struct replica *leader = replica_of(world, world->leader);
    assert_int_equal(world->nodes->node[world->damaged].lost.first, 0);
    assert_int_equal(replica_applied(damaged), replica_applied(leader));
    struct cs_digest left = kv_digest(replica_state(damaged));
    struct cs_digest right = kv_digest(replica_state(leader));
    assert_true(left.high == right.high && left.low == right.low);
    assert_int_equal(replica_stats_of(damaged).slots_repaired, 13);
    tear_down(&world);
}

static void while_it_waits_it_votes_says_so_and_is_not_ready(void **state)
{
    (void)state;
    struct world *world = set_up();
    lose(world, world->damaged, 7, 19);
    // The leader has lost them too, and the third is away: nobody can help yet.
    lose(world, world->leader, 7, 19);
    nodes_kill(world->nodes, 3 - world->leader - world->damaged);
    start_damaged(world);
    nodes_run(world->nodes, 1000);
    uint64_t put = nodes_put(world->nodes, world->leader, "k1", "w");
    assert_int_equal(nodes_await(world->nodes, put, 1000)->reply.status, CS_UPDATED);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)), 6);
    uint64_t ready = nodes_ask(world->nodes, world->damaged, REQUEST_READY);
    assert_int_equal(nodes_await(world->nodes, ready, 100)->reply.status, CS_STARTING);
    uint64_t status = nodes_ask(world->nodes, world->damaged, REQUEST_STATUS);
    const char *text =
        (const char *)nodes_await(world->nodes, status, 100)->reply.value.data;
    assert_non_null(strstr(text, "slots 7 to 19 of the log of"));
    assert_non_null(strstr(text, "are damaged on its disk and are being repaired"));
    // It hears its leader, but its state is older than that.
    assert_non_null(strstr(text, "\"lag_ms\":null"));
    tear_down(&world);
}

/* The leader has lost them too, and the third is away: until the leader has them again. */
static void who_had_no_copy_is_asked_again_while_another_is_silent(void **state)
{
    (void)state;
    struct world *world = set_up();
    lose(world, world->damaged, 7, 19);
    lose(world, world->leader, 7, 19);
    nodes_kill(world->nodes, 3 - world->leader - world->damaged);
    start_damaged(world);
    nodes_run(world->nodes, 1000);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)), 6);
    world->nodes->node[world->leader].lost = (struct wal_fault){0};
    nodes_run(world->nodes, 1000);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)),
                     replica_applied(replica_of(world, world->leader)));
    tear_down(&world);
}

/*
 * The only copy of what the leader has lost lies with a node that does not know it to be
 * decided, and only the leader could tell.
 */
static void what_is_lost_comes_back_from_who_did_not_know_it_decided(void **state)
{
    (void)state;
    struct world *world = set_up();
    // More than one message holds: no copy proves itself by its hash.
    enum { LOST = 20 };
    cs_slot last = world->recovered.length;
    world->recovered.decided = last - LOST;
    assert_true(world->recovered.decided >= world->recovered.base);
    for (int i = 0; i < 100; i++) { // until the leader's memory has let go of it
        (void)nodes_await(world->nodes, nodes_put(world->nodes, world->leader, "k", "v"),
                          1000);
    }
    assert_true(replica_view(replica_of(world, world->leader)).base > last);
    nodes_kill(world->nodes, 3 - world->leader - world->damaged);
    lose(world, world->leader, last - LOST + 1, last);
    start_damaged(world);
    nodes_run(world->nodes, 3000);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)),
                     replica_applied(replica_of(world, world->leader)));
    assert_int_equal(world->nodes->node[world->leader].lost.first, 0);
    tear_down(&world);
}

static void entries_that_do_not_end_in_the_known_chain_are_not_taken(void **state)
{
    (void)state;
    struct world *world = set_up();
    lose(world, world->damaged, 7, 19);
    world->nodes->node[world->damaged].lost.after_chain.low ^= 1;
    start_damaged(world);
    nodes_run(world->nodes, 2000);
    // Both are decided and differ: that must never be, so the node stops.
    assert_int_equal(replica_halt(replica_of(world, world->damaged)),
                     PAXOS_HALT_DIVERGED);
    assert_int_equal(replica_applied(replica_of(world, world->damaged)), 6);
    tear_down(&world);
}

static bool passes_by(void *context, const struct nodes_frame *frame)
{
    const uint32_t *isolated = context;
    return frame->from != *isolated && frame->to != *isolated;
}

/* A peer's Fetch of decided slots that have left memory: the disk is read. */
static void make_it_read(struct world *world, uint32_t seat, cs_slot first, cs_slot last)
{
    struct paxos_message message = {0};
    paxos_stamp(replica_core(replica_of(world, (seat + 1) % 3)), PAXOS_FETCH, seat,
                &message);
    message.fetch.first = first;
    message.fetch.last = last;
    struct cs_buffer bytes = {0};
    wire_pack_core(&bytes, &message, NULL, NULL);
    nodes_deliver(world->nodes, seat, view_of_buffer(&bytes));
    buffer_fini(&bytes);
}

/* So that memory holds a few slots only, and one read of the disk reaches the last. */
static void put_large(struct world *world)
{
    char value[400] = {0};
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 20; i++) {
        (void)nodes_await(world->nodes,
                          nodes_put(world->nodes, world->leader, "large", value), 1000);
    }
    nodes_run(world->nodes, 500);
}

static uint32_t run_until_another_leads(struct world *world)
{
    for (int i = 0; i < 5000; i++) {
        nodes_run(world->nodes, 1);
        for (uint32_t seat = 0; seat < 3; seat++) {
            struct replica *replica = replica_of(world, seat);
            if (seat != world->leader && replica != NULL &&
                replica_view(replica).can_propose) {
                return seat;
            }
        }
    }
    fail_msg("no other leader within 5 s");
    return 0;
}

static bool passes_entries_not_from(void *context, const struct nodes_frame *frame)
{
    static struct wire_frame unpacked;
    const uint32_t *sender = context;
    bool is_core = frame->kind == WIRE_CORE;
    return frame->from != *sender || !is_core ||
           wire_unpack(view_of_buffer(&frame->bytes), &unpacked) != WIRE_OK ||
           unpacked.core.type != PAXOS_ENTRIES;
}

/* A proposer asks for the log that the other one has lost in part, and waits for it. */
static void what_hashes_right_is_taken_from_who_never_learns_it_decided(void **state)
{
    (void)state;
    struct world *world = set_up();
    cs_slot last = world->recovered.length;
    world->recovered.decided = last - 1;
    for (int i = 0; i < 100; i++) {
        (void)nodes_await(world->nodes, nodes_put(world->nodes, world->leader, "k", "v"),
                          1000);
    }
    nodes_kill(world->nodes, 3 - world->leader - world->damaged);
    lose(world, world->leader, last, last);
    world->nodes->filter = passes_entries_not_from;
    world->nodes->context = &world->leader;
    start_damaged(world);
    struct replica *leader = replica_of(world, world->leader);
    make_it_read(world, world->leader, last, last);
    nodes_run(world->nodes, 3000);
    assert_int_equal(world->nodes->node[world->leader].lost.first, 0);
    assert_int_equal(replica_stats_of(leader).slots_repaired, 1);
    assert_true(replica_view(replica_of(world, world->damaged)).decided < last);
    tear_down(&world);
}

/*
 * A leader that was cut off wrote what was never chosen, and the block of the last decided
 * slots and of these has rotted: the others have decided something else there.
 */
static void of_a_block_with_undecided_slots_only_the_decided_are_mended(void **state)
{
    (void)state;
    for (int knows_after = 0; knows_after < 2; knows_after++) {
        struct world *world = set_up();
        struct nodes *nodes = world->nodes;
        uint32_t old = world->leader;
        start_damaged(world);
        put_large(world);
        nodes->filter = passes_by;
        nodes->context = &old;
        for (int i = 0; i < 3; i++) {
            (void)nodes_put(nodes, old, "never", "chosen");
            nodes_run(nodes, 1);
        }
        struct paxos_view view = replica_view(replica_of(world, old));
        assert_true(view.durable >= view.decided + 2);
        lose(world, old, view.decided - 1, view.durable);
        nodes->node[old].lost.knows_after = knows_after != 0;
        uint32_t leader = run_until_another_leads(world);
        (void)nodes_await(nodes, nodes_put(nodes, leader, "k1", "w"), 1000);
        make_it_read(world, old, view.base, view.decided);
        nodes_run(nodes, 10);
        assert_int_equal(replica_view(replica_of(world, old)).decided, view.decided);
        // Its question is answered before it hears of the new leader.
        nodes->filter = NULL;
        nodes_run(nodes, 3000);
        assert_int_equal(replica_halt(replica_of(world, old)), PAXOS_HALT_NONE);
        assert_int_equal(replica_stats_of(replica_of(world, old)).slots_repaired, 2);
        assert_int_equal(nodes->node[old].lost.first, 0);
        assert_int_equal(replica_applied(replica_of(world, old)),
                         replica_applied(replica_of(world, leader)));
        tear_down(&world);
    }
}

static void slots_that_nobody_has_end_the_node_that_needs_them(void **state)
{
    (void)state;
    struct world *world = set_up();
    for (uint32_t seat = 0; seat < 3; seat++) {
        lose(world, seat, 7, 19);
    }
    start_damaged(world);
    nodes_run(world->nodes, 12000);
    assert_int_equal(replica_halt(replica_of(world, world->damaged)), PAXOS_HALT_LOST);
    cs_slot first = 0;
    cs_slot last = 0;
    replica_lost_slots(replica_of(world, world->damaged), &first, &last);
    assert_int_equal(first, 7);
    assert_int_equal(last, 19);
    // The others have applied them long ago and go on.
    assert_int_equal(replica_halt(replica_of(world, world->leader)), PAXOS_HALT_NONE);
    uint64_t put = nodes_put(world->nodes, world->leader, "k1", "w");
    assert_int_equal(nodes_await(world->nodes, put, 1000)->reply.status, CS_UPDATED);
    tear_down(&world);
}

/* A slot behind those that were lost was written by a release that knows more. */
static void decided_commands_that_do_not_decode_end_the_node_that_mends(void **state)
{
    (void)state;
    struct world *world = set_up();
    lose(world, world->damaged, 7, 19);
    struct cs_buffer *payload = &world->nodes->node[world->damaged].log[20].payload;
    payload->bytes = 0;
    buffer_append(payload, "\xc1", 1);
    start_damaged(world);
    nodes_run(world->nodes, 2000);
    struct replica *damaged = replica_of(world, world->damaged);
    assert_int_equal(replica_halt(damaged), PAXOS_HALT_UNREADABLE);
    assert_int_equal(replica_applied(damaged), 19);
    tear_down(&world);
}

/* Else a disk that went back in time outgrows what peers remember of it (G2). */
static void nothing_is_noted_behind_the_gate(void **state)
{
    (void)state;
    struct world *world = set_up();
    for (uint32_t seat = 0; seat < world->nodes->count; seat++) {
        if (seat != world->damaged) {
            nodes_kill(world->nodes, seat);
        }
    }
    world->recovered.watermarks[world->leader].block = 9;
    start_damaged(world);
    uint32_t before = world->nodes->node[world->damaged].notes;
    nodes_run(world->nodes, 12 * 1000);
    struct paxos_view view = replica_view(replica_of(world, world->damaged));
    assert_int_equal(view.role, PAXOS_GATED);
    assert_int_equal(world->nodes->node[world->damaged].notes, before);
    tear_down(&world);
}

static void what_peers_have_shown_reaches_the_log_now_and_then(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    nodes_run(nodes, 500);
    uint32_t before = nodes->node[leader].notes;
    for (int i = 0; i < 30; i++) {
        (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 1000);
        nodes_run(nodes, 1000);
    }
    uint32_t notes = nodes->node[leader].notes - before;
    assert_true(notes >= 2);
    assert_true(notes <= 4);
    nodes_free(&nodes);
}

static uint32_t notes_of_all(const struct nodes *nodes)
{
    uint32_t notes = 0;
    for (uint32_t seat = 0; seat < nodes->count; seat++) {
        notes += nodes->node[seat].notes;
    }
    return notes;
}

/* A note is no news to peers: else three idle nodes would feed each other for ever. */
static void idle_nodes_stop_writing(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 1000);
    nodes_run(nodes, 25 * 1000); // the last news
    uint32_t notes = notes_of_all(nodes);
    assert_true(notes > 0);
    nodes_run(nodes, 60 * 1000);
    assert_int_equal(notes_of_all(nodes), notes);
    nodes_free(&nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_slots_come_back_and_the_state_with_them),
        cmocka_unit_test(while_it_waits_it_votes_says_so_and_is_not_ready),
        cmocka_unit_test(who_had_no_copy_is_asked_again_while_another_is_silent),
        cmocka_unit_test(what_is_lost_comes_back_from_who_did_not_know_it_decided),
        cmocka_unit_test(what_hashes_right_is_taken_from_who_never_learns_it_decided),
        cmocka_unit_test(entries_that_do_not_end_in_the_known_chain_are_not_taken),
        cmocka_unit_test(of_a_block_with_undecided_slots_only_the_decided_are_mended),
        cmocka_unit_test(slots_that_nobody_has_end_the_node_that_needs_them),
        cmocka_unit_test(decided_commands_that_do_not_decode_end_the_node_that_mends),
        cmocka_unit_test(nothing_is_noted_behind_the_gate),
        cmocka_unit_test(what_peers_have_shown_reaches_the_log_now_and_then),
        cmocka_unit_test(idle_nodes_stop_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
