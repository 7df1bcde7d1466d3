#include "sim/world.h"

#include "base/check.h"

#define PAUSE_OF_PARTITION_US (4 * SECOND)

enum shape {
    SHAPE_QUORUM_LOSS = 0, // all reach one hub, which does not lead, and nobody else
    SHAPE_CONSTRAINED,     // the leader is cut off, the others reach only one hub
    SHAPE_CHAINED,         // a line
    SHAPE_BRIDGE,          // two halves, and one node that reaches both
    SHAPE_STAR,            // all reach one hub, whoever leads
    SHAPE_RING,
    SHAPE_FLAPPING, // links come and go
    SHAPE_SWIZZLE,  // links clog one after another, and end so in another order
    SHAPES,
};

static void cut_all(struct world *world)
{
    for (uint32_t from = 0; from < NODES_MAX; from++) {
        for (uint32_t to = 0; to < NODES_MAX; to++) {
            world->network.links[from][to].is_cut = true;
        }
    }
}

static void join(struct world *world, uint32_t left, uint32_t right)
{
    world->network.links[left][right].is_cut = false;
    world->network.links[right][left].is_cut = false;
}

static void make_whole(struct world *world)
{
    for (uint32_t from = 0; from < NODES_MAX; from++) {
        for (uint32_t to = 0; to < NODES_MAX; to++) {
            world->network.links[from][to].is_cut = false;
            world->network.links[from][to].clogged_until_us = 0;
        }
    }
}

/* A new state of the network begins, over what was before; it heals by itself. */
static void begin(struct world *world)
{
    struct network *network = &world->network;
    uint64_t for_us = random_skewed(&world->fault_random, 20 * MS, PAUSE_OF_PARTITION_US);
    network->fault_number++;
    make_whole(world);
    events_plan(&world->events, world->now_us + for_us, SIM_HEAL, 0,
                network->fault_number);
}

void shapes_heal(struct world *world)
{
    make_whole(world);
    world->network.loss_permille =
        world->network.is_calm ? 0 : world->swarm.loss_permille;
}

/* Any seat but `from`, of at least two. */
static uint32_t draw_other(struct random *random, uint32_t from, uint32_t count)
{
    return (from + 1 + (uint32_t)random_below(random, count - 1)) % count;
}

/* Sides by the bits of `mask`. */
static void split(struct world *world, uint32_t mask)
{
    for (uint32_t from = 0; from < world->swarm.node_count; from++) {
        for (uint32_t to = 0; to < world->swarm.node_count; to++) {
            bool is_across = (mask >> from & 1) != (mask >> to & 1);
            world->network.links[from][to].is_cut = is_across;
        }
    }
}

bool shapes_partition(struct world *world)
{
    if (world->swarm.node_count < 2) {
        return false;
    }
    begin(world);
    uint32_t all = (1u << world->swarm.node_count) - 1;
    // Somebody on each side.
    uint32_t mask = (uint32_t)random_between(&world->fault_random, 1, all - 1);
    split(world, mask);
    TRACE(world, NULL, "fault partition mask=%x", mask);
    return true;
}

bool shapes_isolate(struct world *world, uint32_t seat)
{
    begin(world);
    split(world, 1u << seat);
    TRACE(world, NULL, "fault isolate n%u", seat);
    return world->swarm.node_count > 1;
}

bool shapes_cut_one_way(struct world *world)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    if (count < 2) {
        return false;
    }
    begin(world);
    uint64_t cuts = random_between(random, 1, count);
    for (uint64_t i = 0; i < cuts; i++) {
        uint32_t from = (uint32_t)random_below(random, count);
        uint32_t to = draw_other(random, from, count);
        world->network.links[from][to].is_cut = true;
        TRACE(world, NULL, "fault one-way n%u -x-> n%u", from, to);
    }
    return true;
}

static void make_star(struct world *world, uint32_t hub, uint32_t without)
{
    cut_all(world);
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (i != hub && i != without) {
            join(world, i, hub);
        }
    }
}

static void make_line(struct world *world, bool is_closed)
{
    uint32_t order[NODES_MAX];
    uint32_t count = world->swarm.node_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)random_below(&world->fault_random, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    cut_all(world);
    for (uint32_t i = 0; i + 1 < count; i++) {
        join(world, order[i], order[i + 1]);
    }
    if (is_closed) {
        join(world, order[0], order[count - 1]);
    }
}

static void make_bridge(struct world *world, uint32_t bridge)
{
    uint32_t count = world->swarm.node_count;
    uint32_t mask = (uint32_t)random_draw(&world->fault_random);
    // Somebody on each side.
    mask |= 1u << (bridge + 1) % count;
    mask &= ~(1u << (bridge + 2) % count);
    split(world, mask);
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        join(world, i, bridge);
    }
}

enum { FLAPS_MAX = 4 };

static void flap_some(struct world *world)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    uint64_t flaps = random_between(random, 1, FLAPS_MAX);
    for (uint64_t i = 0; i < flaps; i++) {
        uint32_t from = (uint32_t)random_below(random, count);
        uint64_t to = draw_other(random, from, count);
        events_plan(&world->events, world->now_us, SIM_FLAP, from,
                    world->network.fault_number << 8 | to);
    }
}

void shapes_flap(struct world *world, uint32_t from, uint64_t argument)
{
    uint32_t to = (uint32_t)argument & 0xff;
    if (argument >> 8 != world->network.fault_number) {
        return;
    }
    struct link *link = &world->network.links[from][to];
    link->is_cut = !link->is_cut;
    uint64_t for_us = random_skewed(&world->fault_random, 5 * MS, 400 * MS);
    events_plan(&world->events, world->now_us + for_us, SIM_FLAP, from, argument);
}

static void clog_some(struct world *world)
{
    struct random *random = &world->fault_random;
    for (uint32_t from = 0; from < world->swarm.node_count; from++) {
        for (uint32_t to = 0; to < world->swarm.node_count; to++) {
            if (random_permille(random, 400)) {
                uint64_t for_us = random_skewed(random, 5 * MS, 2 * SECOND);
                world->network.links[from][to].clogged_until_us = world->now_us + for_us;
            }
        }
    }
}

/* The shape drawn, or one like it that so few nodes can be in. */
static enum shape fit_shape(uint32_t shape, uint32_t count)
{
    bool is_of_links = shape == SHAPE_FLAPPING || shape == SHAPE_SWIZZLE;
    // The leader and the hub are a quorum of three.
    bool is_constrained =
        (count == 2 && !is_of_links) || (count == 3 && shape == SHAPE_QUORUM_LOSS);
    if (is_constrained) {
        return SHAPE_CONSTRAINED;
    }
    return count == 3 && shape == SHAPE_RING ? SHAPE_CHAINED : (enum shape)shape;
}

const char *shapes_name(uint32_t shape)
{
    static const char *const names[SHAPES] = {"quorum-loss", "constrained", "chained",
                                              "bridge",      "star",        "ring",
                                              "flapping",    "swizzle"};
    return shape < SHAPES ? names[shape] : NULL;
}

bool shapes_named(struct world *world, uint32_t leader)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    if (count < 2) {
        return false;
    }
    begin(world);
    uint32_t drawn = (uint32_t)random_below(random, SHAPES);
    uint32_t hub = (uint32_t)random_below(random, count);
    uint32_t other = draw_other(random, leader, count);
    enum shape shape = fit_shape(drawn, count);
    switch (shape) {
    case SHAPE_QUORUM_LOSS:
        make_star(world, other, NODES_MAX);
        break;
    case SHAPE_CONSTRAINED:
        make_star(world, other, leader);
        break;
    case SHAPE_CHAINED:
        make_line(world, false);
        break;
    case SHAPE_RING:
        make_line(world, true);
        break;
    case SHAPE_BRIDGE:
        make_bridge(world, hub);
        break;
    case SHAPE_STAR:
        make_star(world, hub, NODES_MAX);
        break;
    case SHAPE_FLAPPING:
        flap_some(world);
        break;
    case SHAPE_SWIZZLE:
        clog_some(world);
        break;
    case SHAPES:
        break;
    }
    CHECK(shape < SHAPES);
    world->stats->shapes[shape]++;
    TRACE(world, NULL, "fault shape %s hub=n%u leader=n%u", shapes_name(shape), hub,
          leader);
    return true;
}

void shapes_core(struct world *world, uint32_t core_mask, bool is_half_connected)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    bool is_heard = random_permille(random, 500);
    world->network.fault_number++;
    make_whole(world);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            bool is_in = core_mask >> i & 1;
            if (!is_in || i == j) {
                continue;
            }
            bool is_core_link = core_mask >> j & 1;
            bool is_outward_cut = !is_core_link && (!is_half_connected || is_heard);
            bool is_inward_cut = !is_core_link && (!is_half_connected || !is_heard);
            world->network.links[i][j].is_cut = is_outward_cut;
            world->network.links[j][i].is_cut = is_core_link ? false : is_inward_cut;
        }
    }
}

void shapes_star(struct world *world, uint32_t hub)
{
    world->network.fault_number++;
    make_whole(world);
    make_star(world, hub, NODES_MAX);
}

void shapes_join(struct world *world, uint32_t seat)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        join(world, seat, i);
    }
}

void shapes_line(struct world *world)
{
    world->network.fault_number++;
    make_whole(world);
    make_line(world, false);
}

void shapes_one_way_star(struct world *world, uint32_t hub, uint32_t without)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    world->network.fault_number++;
    make_whole(world);
    make_star(world, hub, without);
    for (uint32_t from = 0; from < count; from++) {
        for (uint32_t to = 0; to < from; to++) {
            bool is_link = from != hub && to != hub && from != without && to != without;
            bool is_there = random_permille(random, 700);
            bool is_forth = random_permille(random, 500);
            if (is_link && is_there) {
                world->network.links[is_forth ? from : to][is_forth ? to : from].is_cut =
                    false;
            }
        }
    }
}
