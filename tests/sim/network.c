#include "sim/world.h"

#include "base/check.h"

#include <stdlib.h>

#define NO_FRAME UINT32_MAX

/* How long frames take on this link; `far` is the seat of the far node. */
static void draw_delay(struct world *world, struct link *link, bool is_far)
{
    const struct swarm *swarm = &world->swarm;
    struct random *random = &world->net_random;
    link->latency_us = swarm->latency_us;
    link->jitter_us = swarm->jitter_us;
    if (swarm->delay == DELAY_BY_LINK) {
        link->latency_us = (uint32_t)random_skewed(random, 20, 10000);
        link->jitter_us = (uint32_t)random_skewed(random, 1, 10000);
    } else if (swarm->delay == DELAY_FAR_NODE && is_far) {
        // There and back within a heartbeat round, or no leader could stay one.
        link->latency_us += 10000;
        link->jitter_us = (uint32_t)random_skewed(random, 1, 10000);
    }
}

void network_reset(struct world *world)
{
    struct network *network = &world->network;
    for (uint32_t from = 0; from < NODES_MAX; from++) {
        for (uint32_t to = 0; to < NODES_MAX; to++) {
            network->links[from][to] = (struct link){0};
        }
    }
    uint32_t count = world->swarm.node_count;
    uint32_t far = (uint32_t)random_below(&world->net_random, count);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < count; to++) {
            draw_delay(world, &network->links[from][to], from == far || to == far);
        }
    }
    network->first_free = NO_FRAME;
    for (size_t i = network->frame_count; i-- > 0;) {
        network->frames[i].references = 0;
        network->frames[i].next_free = network->first_free;
        network->first_free = (uint32_t)i;
    }
    network->fault_number = 0;
    network->loss_permille = world->swarm.loss_permille;
    network->is_calm = false;
}

void network_fini(struct network *network)
{
    for (size_t i = 0; i < network->frame_count; i++) {
        buffer_fini(&network->frames[i].bytes);
    }
    free(network->frames);
    network->frames = NULL;
    network->frame_count = 0;
    network->frame_capacity = 0;
}

static uint32_t take_frame(struct network *network)
{
    if (network->first_free == NO_FRAME) {
        if (network->frame_count == network->frame_capacity) {
            network->frame_capacity = network->frame_capacity * 2 + 256;
            network->frames = realloc(network->frames,
                                      network->frame_capacity * sizeof *network->frames);
            CHECK(network->frames != NULL);
        }
        network->frames[network->frame_count] = (struct frame){.next_free = NO_FRAME};
        network->first_free = (uint32_t)network->frame_count++;
    }
    uint32_t index = network->first_free;
    network->first_free = network->frames[index].next_free;
    return index;
}

void network_release(struct network *network, uint32_t frame_index)
{
    struct frame *frame = &network->frames[frame_index];
    CHECK(frame->references > 0);
    if (--frame->references == 0) {
        frame->next_free = network->first_free;
        network->first_free = frame_index;
    }
}

/* When a frame sent now arrives. */
static uint64_t draw_arrival(struct world *world, struct link *link)
{
    const struct swarm *swarm = &world->swarm;
    struct random *random = &world->net_random;
    uint64_t arrival = world->now_us + link->latency_us;
    if (link->jitter_us > 0) {
        arrival += random_skewed(random, 1, link->jitter_us);
    }
    if (!world->network.is_calm && random_permille(random, swarm->spike_permille)) {
        arrival += random_skewed(random, MS, SECOND);
    }
    if (arrival < link->clogged_until_us) {
        arrival = link->clogged_until_us;
    }
    if (swarm->is_ordered) {
        arrival = arrival < link->last_arrival_us ? link->last_arrival_us : arrival;
        link->last_arrival_us = arrival;
    }
    return arrival;
}

static void plan_arrival(struct world *world, uint32_t index, uint64_t arrival)
{
    struct frame *frame = &world->network.frames[index];
    frame->references++;
    world->network.links[frame->from][frame->to].in_flight++;
    events_plan(&world->events, arrival, SIM_FRAME, frame->to, index);
}

/* One bit of the bytes as they travel is not as it was. */
static void maybe_corrupt(struct world *world, struct frame *frame)
{
    struct random *random = &world->net_random;
    if (world->network.is_calm ||
        !random_permille(random, world->swarm.corrupt_permille)) {
        return;
    }
    uint64_t bit = random_below(random, frame->bytes.bytes * 8);
    frame->bytes.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    world->stats->frames_corrupted++;
}

static void maybe_double(struct world *world, uint32_t index)
{
    struct random *random = &world->net_random;
    const struct swarm *swarm = &world->swarm;
    if (world->network.is_calm) {
        return;
    }
    if (random_permille(random, swarm->duplicate_permille)) {
        uint64_t late = random_skewed(random, 1, 50 * MS);
        plan_arrival(world, index, world->now_us + swarm->latency_us + late);
        world->stats->frames_doubled++;
    }
    // As from a queue of a connection that is long gone.
    if (random_permille(random, swarm->replay_permille)) {
        uint64_t late = random_between(random, SECOND / 2, 10 * SECOND);
        plan_arrival(world, index, world->now_us + late);
        world->stats->frames_replayed++;
    }
}

void network_send(struct world *world, uint32_t from, uint32_t to, struct cs_view bytes)
{
    struct network *network = &world->network;
    struct link *link = &network->links[from][to];
    world->stats->frames_sent++;
    if (link->is_cut) {
        world->stats->frames_cut++;
        return;
    }
    if (random_permille(&world->net_random, network->loss_permille)) {
        world->stats->frames_lost++;
        return;
    }
    if (link->in_flight >= world->swarm.link_frames_max) {
        world->stats->frames_over_mark++;
        return;
    }
    uint32_t index = take_frame(network);
    struct frame *frame = &network->frames[index];
    frame->from = from;
    frame->to = to;
    frame->sent_us = world->now_us;
    frame->bytes.bytes = 0;
    buffer_append(&frame->bytes, bytes.data, bytes.bytes);
    maybe_corrupt(world, frame);
    plan_arrival(world, index, draw_arrival(world, link));
    maybe_double(world, index);
}

/* A Handover from before may end a leader at any time; not while none may end (L4). */
static bool is_old_handover(struct world *world, const struct frame *frame)
{
    struct wire_frame *contents = &world->judge.frame;
    return world->liveness.is_judged && frame->sent_us < world->network.calm_since_us &&
           wire_unpack(view_of_buffer(&frame->bytes), contents) == WIRE_OK &&
           contents->kind == WIRE_CORE && contents->core.type == PAXOS_HANDOVER;
}

void network_arrive(struct world *world, uint32_t frame_index)
{
    struct network *network = &world->network;
    struct frame *frame = &network->frames[frame_index];
    struct node *node = &world->nodes[frame->to];
    struct link *link = &network->links[frame->from][frame->to];
    link->in_flight--;
    struct inbox_item item = {.kind = INBOX_FRAME, .index = frame_index};
    if (link->is_cut || is_old_handover(world, frame)) {
        world->stats->frames_cut++;
        network_release(network, frame_index);
    } else if (!node->is_up) {
        world->stats->frames_to_nobody++;
        network_release(network, frame_index);
    } else if (!node_push(world, node, &item)) {
        world->stats->frames_over_mark++;
        network_release(network, frame_index);
    }
}
