/*
 * Writes between nodes: taken at most once whatever the network does to a frame, and a
 * refusal only of what was certainly not proposed (I15).
 */
#include "unit/support/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct wiretap {        // what a test sees of frames, and which it loses
    uint32_t lose_core; // NODES_MAX: nobody; CORE frames from and to it are lost
    uint32_t lose_kind; // 0: none; frames of this kind are lost
    uint32_t forward_count;
    uint32_t refused_count;
    struct cs_buffer forward; // the newest
    struct cs_buffer refused;
};

struct world {
    struct nodes *nodes;
    struct wiretap tap;
    uint32_t leader;
    uint32_t follower;
    uint32_t other;
};

static bool tap(void *context, const struct nodes_frame *frame)
{
    struct wiretap *wiretap = context;
    struct cs_buffer *kept = NULL;
    if (frame->kind == WIRE_FORWARD) {
        wiretap->forward_count++;
        kept = &wiretap->forward;
    } else if (frame->kind == WIRE_REFUSED) {
        wiretap->refused_count++;
        kept = &wiretap->refused;
    }
    if (kept != NULL) {
        kept->bytes = 0;
        buffer_append(kept, frame->bytes.data, frame->bytes.bytes);
    }
    bool is_lost = frame->kind == wiretap->lose_kind ||
                   (frame->kind == WIRE_CORE && (frame->from == wiretap->lose_core ||
                                                 frame->to == wiretap->lose_core));
    return !is_lost;
}

static void set_up(struct world *world)
{
    *world = (struct world){.tap = {.lose_core = NODES_MAX}};
    world->nodes = nodes_new(3);
    world->leader = nodes_run_until_led(world->nodes);
    world->follower = (world->leader + 1) % 3;
    world->other = (world->leader + 2) % 3;
    nodes_run(world->nodes, 200);
    world->nodes->filter = tap;
    world->nodes->context = &world->tap;
}

static void tear_down(struct world *world)
{
    nodes_free(&world->nodes);
    buffer_fini(&world->tap.forward);
    buffer_fini(&world->tap.refused);
}

static struct replica *replica_at(const struct world *world, uint32_t seat)
{
    return world->nodes->node[seat].replica;
}

static uint64_t revision_at(const struct world *world, uint32_t seat)
{
    return kv_revision(replica_state(replica_at(world, seat)));
}

/* A frame as `from` would send it to `to`. */
struct forgery {
    uint32_t from;
    uint32_t to;
    uint32_t origin_seat;
    uint64_t boot;
    uint64_t sequence;
    struct paxos_ballot ballot;
    uint32_t operation;
};

static void forge_forward(const struct world *world,
                          const struct forgery *forgery,
                          struct cs_buffer *out)
{
    struct batch_builder builder = {0};
    struct cs_buffer packed = {0};
    struct command_origin origin = {
        .seat = forgery->origin_seat,
        .boot = forgery->boot,
        .request_id = 1000 + forgery->sequence,
    };
    struct command command = {.operation = forgery->operation, .key = view_of("f", 1)};
    command_pack(&packed, &command);
    batch_start(&builder);
    batch_append(&builder, &origin, view_of_buffer(&packed));
    struct wire_forward forward = {
        .from = forgery->from,
        .to = forgery->to,
        .cluster_id = paxos_config_of(replica_core(replica_at(world, 0)))->cluster_id,
        .boot = forgery->boot,
        .sequence = forgery->sequence,
        .ballot = forgery->ballot,
        .batch = batch_seal(&builder),
    };
    wire_pack_forward(out, &forward);
    batch_fini(&builder);
    buffer_fini(&packed);
}

static struct forgery usual_forgery(const struct world *world)
{
    struct forgery forgery = {
        .from = world->follower,
        .to = world->leader,
        .origin_seat = world->follower,
        .boot = 1,
        .sequence = 50,
        .ballot = replica_view(replica_at(world, world->leader)).promised,
        .operation = COMMAND_PUT,
    };
    return forgery;
}

static void deliver_forgery(struct world *world, const struct forgery *forgery)
{
    struct cs_buffer bytes = {0};
    forge_forward(world, forgery, &bytes);
    nodes_deliver(world->nodes, forgery->to, view_of_buffer(&bytes));
    nodes_flush(world->nodes, forgery->to);
    buffer_fini(&bytes);
}

static void deliver_refusal(struct world *world,
                            uint64_t boot,
                            uint64_t sequence,
                            uint64_t id,
                            enum cs_status status)
{
    static struct wire_refused refused;
    struct cs_buffer bytes = {0};
    refused.from = world->leader;
    refused.to = world->follower;
    refused.cluster_id = paxos_config_of(replica_core(replica_at(world, 0)))->cluster_id;
    refused.boot = boot;
    refused.sequence = sequence;
    refused.status = status;
    refused.request_count = 1;
    // Numbers of a life begin at its nonce (support/nodes.c): boots may be used again.
    refused.request_ids[0] = id + ((1000 + world->follower + 1) >> 2);
    wire_pack_refused(&bytes, &refused);
    nodes_deliver(world->nodes, world->follower, view_of_buffer(&bytes));
    buffer_fini(&bytes);
}

static void follower_forwards_and_answers_from_its_own_apply(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    assert_int_equal(world.tap.forward_count, 1);
    const struct nodes_answer *found = nodes_await(world.nodes, put, 200);
    assert_int_equal(found->reply.status, CS_CREATED);
    assert_int_equal(found->reply.leader_seat, world.leader);
    assert_int_equal(revision_at(&world, world.follower), 1);
    tear_down(&world);
}

static void leader_takes_a_doubled_frame_once(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    for (int i = 0; i < 3; i++) {
        nodes_deliver(world.nodes, world.leader, view_of_buffer(&world.tap.forward));
    }
    assert_int_equal(nodes_await(world.nodes, put, 200)->reply.status, CS_CREATED);
    nodes_deliver(world.nodes, world.leader, view_of_buffer(&world.tap.forward));
    nodes_run(world.nodes, 200);
    assert_int_equal(revision_at(&world, world.leader), 1);
    assert_int_equal(world.tap.refused_count, 0);
    tear_down(&world);
}

static void leader_drops_frames_older_than_the_newest_and_of_older_boots(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct forgery forgery = usual_forgery(&world);
    deliver_forgery(&world, &forgery);
    forgery.sequence--;
    deliver_forgery(&world, &forgery);
    nodes_run(world.nodes, 50);
    assert_int_equal(revision_at(&world, world.leader), 1);
    forgery.boot = 2; // restarted: numbers begin again
    forgery.sequence = 1;
    deliver_forgery(&world, &forgery);
    forgery.boot = 1;
    forgery.sequence = 60;
    deliver_forgery(&world, &forgery);
    nodes_run(world.nodes, 50);
    assert_int_equal(revision_at(&world, world.leader), 2);
    assert_int_equal(world.tap.refused_count, 0);
    tear_down(&world);
}

static void frame_for_another_leadership_is_refused(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct forgery forgery = usual_forgery(&world);
    forgery.ballot.round++;
    deliver_forgery(&world, &forgery);
    assert_int_equal(world.tap.refused_count, 1);
    deliver_forgery(&world, &forgery); // doubled: said once, since it was seen
    assert_int_equal(world.tap.refused_count, 1);
    nodes_run(world.nodes, 50);
    assert_int_equal(revision_at(&world, world.leader), 0);
    tear_down(&world);
}

static void restarted_leader_says_nothing_about_ballots_it_may_have_led(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct forgery forgery = usual_forgery(&world);
    const struct paxos_core *core = replica_core(replica_at(&world, world.leader));
    struct paxos_view view = replica_view(replica_at(&world, world.leader));
    struct paxos_recovered recovered = {
        .config = *paxos_config_of(core),
        .promised = view.promised,
        .accepted = view.accepted,
        .token = view.last_token,
        .block = world.nodes->node[world.leader].block,
    };
    nodes_kill(world.nodes, world.leader);
    nodes_start(world.nodes, world.leader, &recovered, 2);
    // Its earlier life may have proposed this frame: silence, the origin says unknown.
    deliver_forgery(&world, &forgery);
    assert_int_equal(world.tap.refused_count, 0);
    // Nor can it tell behind the gate: its disk may have gone back in time (G2), and what
    // it promised then is not what it had promised.
    assert_int_equal(replica_view(replica_at(&world, world.leader)).role, PAXOS_GATED);
    forgery.sequence++;
    forgery.ballot.round += 5;
    deliver_forgery(&world, &forgery);
    assert_int_equal(world.tap.refused_count, 0);
    nodes_run(world.nodes, 500);
    assert_true(replica_view(replica_at(&world, world.leader)).role >= PAXOS_FOLLOWER);
    forgery.sequence++;
    forgery.ballot = view.promised;
    deliver_forgery(&world, &forgery);
    assert_int_equal(world.tap.refused_count, 0);
    forgery.sequence++;
    forgery.ballot.round += 5; // an earlier life cannot have led under this one
    deliver_forgery(&world, &forgery);
    assert_int_equal(world.tap.refused_count, 1);
    tear_down(&world);
}

static void frame_with_commands_of_another_origin_is_dropped(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    struct forgery forgery = usual_forgery(&world);
    forgery.origin_seat = world.leader;
    uint64_t dropped = replica_stats_of(replica_at(&world, world.leader)).frames_dropped;
    deliver_forgery(&world, &forgery);
    assert_int_equal(replica_stats_of(replica_at(&world, world.leader)).frames_dropped,
                     dropped + 1);
    forgery = usual_forgery(&world);
    forgery.to = world.leader;
    forgery.from = world.leader; // "from itself"
    forgery.origin_seat = world.leader;
    deliver_forgery(&world, &forgery);
    nodes_run(world.nodes, 50);
    assert_int_equal(revision_at(&world, world.leader), 0);
    tear_down(&world);
}

static void lost_forward_is_unknown_at_its_deadline(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    world.tap.lose_kind = WIRE_FORWARD;
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_run(world.nodes, 4999);
    assert_null(nodes_answer_to(world.nodes, put));
    nodes_run(world.nodes, 2);
    assert_int_equal(nodes_status_of(world.nodes, put), CS_UNKNOWN);
    assert_int_equal(world.tap.forward_count, 1); // never sent again by itself
    tear_down(&world);
}

static void refused_write_is_sent_again_in_a_new_frame(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    world.tap.lose_kind = WIRE_FORWARD;
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    world.tap.lose_kind = 0;
    deliver_refusal(&world, 1, 99, 1, CS_NO_LEADER); // of another frame
    deliver_refusal(&world, 2, 1, 1, CS_NO_LEADER);  // of another boot
    deliver_refusal(&world, 1, 1, 7, CS_NO_LEADER);  // of another request
    nodes_run(world.nodes, 200);
    assert_int_equal(world.tap.forward_count, 1);
    deliver_refusal(&world, 1, 1, 1, CS_NO_LEADER);
    nodes_flush(world.nodes, world.follower);
    assert_int_equal(world.tap.forward_count, 1); // not at once to who just refused
    assert_int_equal(nodes_await(world.nodes, put, 200)->reply.status, CS_CREATED);
    assert_int_equal(world.tap.forward_count, 2);
    deliver_refusal(&world, 1, 1, 1, CS_NO_LEADER); // an old copy: nothing waits for it
    nodes_run(world.nodes, 100);
    assert_int_equal(revision_at(&world, world.leader), 1);
    tear_down(&world);
}

static void refusals_that_mean_full_are_told_to_the_client(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    world.tap.lose_kind = WIRE_FORWARD;
    uint64_t first = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    uint64_t second = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    deliver_refusal(&world, 1, 1, 1, CS_OVERLOADED);
    assert_int_equal(nodes_status_of(world.nodes, first), CS_OVERLOADED);
    deliver_refusal(&world, 1, 2, 2, CS_DISK_FULL);
    assert_int_equal(nodes_status_of(world.nodes, second), CS_DISK_FULL);
    tear_down(&world);
}

static void leader_without_room_refuses_forwarded_puts_only(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    (void)nodes_await(world.nodes, put, 200);
    replica_on_room(replica_at(&world, world.leader), false);
    put = nodes_put(world.nodes, world.follower, "k", "w");
    uint64_t gone = nodes_delete(world.nodes, world.follower, "k");
    assert_int_equal(nodes_await(world.nodes, put, 200)->reply.status, CS_DISK_FULL);
    assert_int_equal(nodes_await(world.nodes, gone, 200)->reply.status, CS_DELETED);
    tear_down(&world);
}

static void hold_disks(struct world *world, bool is_held)
{
    for (uint32_t seat = 0; seat < 3; seat++) {
        world->nodes->node[seat].is_disk_held = is_held;
    }
}

static void leader_bounds_what_it_holds_for_others(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    hold_disks(&world, true);
    uint64_t tickets[128];
    for (int i = 0; i < 64; i++) {
        tickets[i] = nodes_put(world.nodes, world.follower, "k", "v");
        tickets[64 + i] = nodes_put(world.nodes, world.other, "k", "v");
        nodes_flush(world.nodes, world.follower);
        nodes_flush(world.nodes, world.other);
        nodes_run(world.nodes, 1);
    }
    hold_disks(&world, false);
    uint32_t refused = 0;
    for (int i = 0; i < 128; i++) {
        enum cs_status status = nodes_await(world.nodes, tickets[i], 500)->reply.status;
        assert_true(status == CS_OVERLOADED || status == CS_CREATED ||
                    status == CS_UPDATED);
        refused += status == CS_OVERLOADED;
    }
    assert_true(refused > 0);
    assert_int_equal(revision_at(&world, world.leader), 128 - refused);
    tear_down(&world);
}

static void
commands_queued_when_a_leadership_ends_are_refused_and_applied_once(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    hold_disks(&world, true);
    uint64_t tickets[24];
    for (int i = 0; i < 24; i++) { // more than the window of 8
        tickets[i] = nodes_put(world.nodes, world.follower, "k", "v");
        nodes_flush(world.nodes, world.follower);
        nodes_run(world.nodes, 1);
    }
    world.tap.lose_core = world.leader; // its REFUSED frames still arrive
    hold_disks(&world, false);
    world.nodes->node[world.leader].is_disk_held = true;
    nodes_run(world.nodes, 1000);
    world.tap.lose_core = NODES_MAX;
    world.nodes->node[world.leader].is_disk_held = false;
    nodes_run(world.nodes, 5000);
    assert_true(world.tap.refused_count > 0);
    uint32_t applied = 0;
    for (int i = 0; i < 24; i++) {
        enum cs_status status = nodes_status_of(world.nodes, tickets[i]);
        assert_true(status == CS_UNKNOWN || status == CS_CREATED || status == CS_UPDATED);
        applied += status != CS_UNKNOWN;
    }
    assert_true(applied >= 16);
    uint64_t revision = revision_at(&world, world.follower);
    assert_true(revision >= applied && revision <= 24);
    tear_down(&world);
}

static void write_lost_with_its_leader_is_settled_and_applied_once(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    world.tap.lose_kind = WIRE_FORWARD;
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    nodes_kill(world.nodes, world.leader);
    world.tap.lose_kind = 0;
    // Nobody else writes: the node asks for a slot, and then knows.
    assert_int_equal(nodes_await(world.nodes, put, 1500)->reply.status, CS_CREATED);
    assert_int_equal(revision_at(&world, world.follower), 1);
    nodes_run(world.nodes, 6000);
    assert_int_equal(revision_at(&world, world.follower), 1);
    tear_down(&world);
}

static void write_that_outlived_its_leader_is_applied_once(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    hold_disks(&world, true);
    uint64_t put = nodes_put(world.nodes, world.follower, "k", "v");
    nodes_flush(world.nodes, world.follower);
    nodes_run(world.nodes, 2); // in all logs, durable in none
    assert_int_equal(replica_view(replica_at(&world, world.other)).length, 1);
    nodes_kill(world.nodes, world.leader);
    hold_disks(&world, false);
    assert_int_equal(nodes_await(world.nodes, put, 1500)->reply.status, CS_CREATED);
    nodes_run(world.nodes, 6000);
    assert_int_equal(revision_at(&world, world.follower), 1);
    tear_down(&world);
}

static void write_of_a_deposed_leader_is_settled_and_applied_once(void **state)
{
    (void)state;
    struct world world;
    set_up(&world);
    world.tap.lose_core = world.leader;
    uint64_t put = nodes_put(world.nodes, world.leader, "k", "v");
    nodes_flush(world.nodes, world.leader);
    assert_int_equal(replica_view(replica_at(&world, world.leader)).length, 1);
    nodes_run(world.nodes, 1000); // the others have a leader of their own
    assert_null(nodes_answer_to(world.nodes, put));
    world.tap.lose_core = NODES_MAX;
    assert_int_equal(nodes_await(world.nodes, put, 2000)->reply.status, CS_CREATED);
    nodes_run(world.nodes, 6000);
    assert_int_equal(revision_at(&world, world.follower), 1);
    tear_down(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follower_forwards_and_answers_from_its_own_apply),
        cmocka_unit_test(leader_takes_a_doubled_frame_once),
        cmocka_unit_test(leader_drops_frames_older_than_the_newest_and_of_older_boots),
        cmocka_unit_test(frame_for_another_leadership_is_refused),
        cmocka_unit_test(restarted_leader_says_nothing_about_ballots_it_may_have_led),
        cmocka_unit_test(frame_with_commands_of_another_origin_is_dropped),
        cmocka_unit_test(lost_forward_is_unknown_at_its_deadline),
        cmocka_unit_test(refused_write_is_sent_again_in_a_new_frame),
        cmocka_unit_test(refusals_that_mean_full_are_told_to_the_client),
        cmocka_unit_test(leader_without_room_refuses_forwarded_puts_only),
        cmocka_unit_test(leader_bounds_what_it_holds_for_others),
        cmocka_unit_test(write_lost_with_its_leader_is_settled_and_applied_once),
        cmocka_unit_test(write_that_outlived_its_leader_is_applied_once),
        cmocka_unit_test(write_of_a_deposed_leader_is_settled_and_applied_once),
        cmocka_unit_test(
            commands_queued_when_a_leadership_ends_are_refused_and_applied_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
