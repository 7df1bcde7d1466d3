/*
 * liveness.c - the second phase: faults end for a chosen core, a quorum at least; the
 * rest stays down, cut off or half connected. Within LIVENESS_BOUND_US the core must
 * serve everybody (L1, L2), then agree on one state (L3) under one leader that does not
 * change (L4).
 */
#include "sim/world.h"

#include <errno.h>

enum liveness_shape {
    LIVENESS_REST_DOWN = 0,
    LIVENESS_REST_CUT,
    LIVENESS_REST_HALF_CONNECTED,
    // One quorum-connected node is enough (L2):
    LIVENESS_STAR, // everybody is in the core, but reaches only one hub
    LIVENESS_CHAINED,
    LIVENESS_CONSTRAINED, // the leader is cut off, the others reach only one hub
    LIVENESS_ONE_WAY,     // a hub, and of other links one direction
    LIVENESS_SHAPES,
};

enum {
    THIN_PERMILLE = 250,
    ADMITTED_PERMILLE = 700,
    BURDEN_PERMILLE = 300,
    BURDEN_SLOWNESS = 100
};

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

const char *liveness_name(uint32_t shape)
{
    static const char *const names[LIVENESS_SHAPES] = {
        "rest-down",   "rest-cut", "rest-half-connected", "star", "chained",
        "constrained", "one-way"};
    return shape < LIVENESS_SHAPES ? names[shape] : NULL;
}

/* Of the nodes whose disks are whole any quorum, or more. */
static uint32_t draw_core(struct world *world)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    uint32_t all = atlas_whole_mask(world);
    uint32_t mask = all;
    uint32_t left = count_bits(mask);
    uint32_t least = paxos_quorum_promise(count);
    if (left <= least || !atlas_is_formed(world)) {
        return mask;
    }
    uint32_t wanted = (uint32_t)random_between(random, least, left);
    while (left > wanted) {
        uint32_t out = (uint32_t)random_below(random, count);
        left -= mask >> out & 1;
        mask &= ~(1u << out);
    }
    // What one of them has lost, another one must have.
    return atlas_bears(world, mask) ? mask : all;
}

static void make_whole(struct world *world, struct node *node)
{
    struct sim_clock *clock = &node->clock;
    node->crash_plan = CRASH_NOT;
    sim_disk_fail_next(node->disk, SIM_DISK_ANY, UINT64_MAX,
                       EIO); // none that will strike
    if (node->is_stopping) {
        node_crash(world, node, false); // its supervisor would not wait for ever
    }
    node_resume(world, node);
    logging_make_normal(world, node);
    clock_set_rate(world, node, clock->usual_ppm);
    if (!node->is_up) {
        events_plan(&world->events, world->now_us, SIM_RESTART, node->seat, node->life);
    }
}

static void leave_out(struct world *world, struct node *node, enum liveness_shape shape)
{
    if (shape == LIVENESS_REST_DOWN) {
        node->stays_down = true;
        node_crash(world, node, false);
        // A restart planned before finds another life.
        node->life++;
    } else {
        make_whole(world, node);
    }
}

/* A quorum of the core has promised its ballot, and no later one. */
static bool is_backed(const struct world *world, const struct node *leader)
{
    struct paxos_ballot ballot = replica_view(leader->replica).promised;
    uint32_t backers = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        backers +=
            (world->liveness.core_mask >> i & 1) && node->is_up &&
            paxos_ballot_compare(replica_view(node->replica).promised, ballot) == 0;
    }
    return backers >= paxos_quorum_accept(world->swarm.node_count);
}

/*
 * An old leader at the rim of a star may never hear who follows it: it does not count. Nor
 * does what a leader thinks of itself: over a slow link one round may miss a reply.
 */
static struct node *core_leader(struct world *world, uint32_t *out_count)
{
    struct node *leader = NULL;
    *out_count = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[i];
        if ((world->liveness.core_mask >> i & 1) && node_is_leading(node) &&
            is_backed(world, node)) {
            leader = node;
            ++*out_count;
        }
    }
    return leader;
}

/* The leader more often than not: the others must notice and take over. */
static void draw_burden(struct world *world)
{
    struct random *random = &world->fault_random;
    struct liveness *liveness = &world->liveness;
    uint32_t count = world->swarm.node_count;
    bool is_borne = count_bits(liveness->core_mask) > paxos_quorum_promise(count) &&
                    !atlas_has_holes(world, liveness->core_mask) &&
                    atlas_is_formed(world);
    if (!is_borne || !random_permille(random, BURDEN_PERMILLE)) {
        return;
    }
    uint32_t leader_count = 0;
    const struct node *leader = core_leader(world, &leader_count);
    liveness->burdened = (uint32_t)random_below(random, count);
    while (!(liveness->core_mask >> liveness->burdened & 1)) {
        liveness->burdened = (liveness->burdened + 1) % count;
    }
    if (leader != NULL && random_permille(random, 700)) {
        liveness->burdened = leader->seat;
    }
    bool is_full = random_permille(random, 500);
    liveness->burden = is_full ? BURDEN_FULL_DISK : BURDEN_SLOW_DISK;
    struct node *node = &world->nodes[liveness->burdened];
    liveness->burdened_applied = node->is_up ? replica_applied(node->replica) : 0;
    if (is_full) {
        logging_set_room(node, false);
    } else {
        logging_slow_down(world, node, BURDEN_SLOWNESS, THIN_US);
    }
    world->stats->burdens[liveness->burden]++;
    TRACE(world, node, "stays burdened: %s disk (a sync took up to %u us)",
          is_full ? "full" : "slow", world->swarm.sync_us + world->swarm.sync_jitter_us);
}

/* Who has lost its disk knocks at everybody's door: it must say so, and disturb nobody. */
static void admit_lost(struct world *world, enum liveness_shape shape)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[i];
        node->halt_count = 0;
        bool is_admitted = atlas_has_forgotten(node) && shape != LIVENESS_REST_DOWN &&
                           random_permille(&world->fault_random, ADMITTED_PERMILLE);
        if (is_admitted) {
            shapes_join(world, i);
            world->liveness.must_halt[i] = true;
        }
    }
}

/* Everybody is there, but only some hub is connected to a quorum (L2). */
static void make_thin_links(struct world *world, enum liveness_shape shape)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    uint32_t leader_count = 0;
    const struct node *leader = core_leader(world, &leader_count);
    uint32_t hub = (uint32_t)random_below(random, count);
    if (shape == LIVENESS_CHAINED) {
        shapes_line(world);
    } else if (shape == LIVENESS_CONSTRAINED) {
        uint32_t without = leader != NULL ? leader->seat : (hub + 1) % count;
        hub = hub == without ? (hub + 1) % count : hub;
        world->liveness.core_mask &= ~(1u << without);
        shapes_one_way_star(world, hub, without);
    } else if (shape == LIVENESS_ONE_WAY) {
        shapes_one_way_star(world, hub, NODES_MAX);
    } else {
        shapes_star(world, hub);
    }
}

static enum liveness_shape draw_shape(struct world *world)
{
    struct random *random = &world->fault_random;
    uint32_t count = world->swarm.node_count;
    uint32_t all = (1u << count) - 1;
    enum liveness_shape shape = (enum liveness_shape)random_below(random, LIVENESS_STAR);
    world->liveness.core_mask = draw_core(world);
    if (count < 3 || atlas_whole_mask(world) != all || atlas_has_holes(world, all) ||
        !atlas_is_formed(world) || !random_permille(random, THIN_PERMILLE)) {
        shapes_core(world, world->liveness.core_mask,
                    shape == LIVENESS_REST_HALF_CONNECTED);
        return shape;
    }
    shape =
        (enum liveness_shape)random_between(random, LIVENESS_STAR, LIVENESS_SHAPES - 1);
    world->liveness.core_mask = all;
    make_thin_links(world, shape);
    return shape;
}

void liveness_begin(struct world *world)
{
    uint32_t count = world->swarm.node_count;
    world->network.is_calm = true;
    world->network.calm_since_us = world->now_us;
    world->network.loss_permille = 0;
    atlas_note_superblocks(world);
    enum liveness_shape shape = draw_shape(world);
    admit_lost(world, shape);
    world->stats->liveness_shapes[shape]++;
    world->liveness.is_borne =
        atlas_is_formed(world) && atlas_bears(world, world->liveness.core_mask);
    TRACE(world, NULL, "liveness core=%x shape=%d", world->liveness.core_mask,
          (int)shape);
    bool is_ready =
        atlas_is_formed(world) && !atlas_has_holes(world, world->liveness.core_mask);
    for (uint32_t i = 0; i < count; i++) {
        struct node *node = &world->nodes[i];
        if (world->liveness.core_mask >> i & 1) {
            is_ready = is_ready && node->is_up && !node->is_stopping;
            make_whole(world, node);
            events_plan(&world->events, world->now_us + 100 * MS, SIM_PROBE, i, 0);
        } else {
            leave_out(world, node, shape);
        }
    }
    if (shape < LIVENESS_STAR) {
        draw_burden(world);
    }
    world->liveness.is_timed = is_ready && world->liveness.burden == BURDEN_NONE;
}

void liveness_note(struct world *world)
{
    struct stats *stats = world->stats;
    uint32_t count = 0;
    if (!world->liveness.is_timed) {
        return;
    }
    (void)core_leader(world, &count);
    if (count == 0) {
        return;
    }
    uint64_t after_us = world->now_us - world->network.calm_since_us;
    uint64_t bucket = after_us / STATS_LEADER_BUCKET_US;
    stats->leader_after[bucket < STATS_LEADER_BUCKETS ? bucket
                                                      : STATS_LEADER_BUCKETS - 1]++;
    if (after_us > stats->leader_after_most_us) {
        stats->leader_after_most_us = after_us;
        stats->leader_after_seed = world->seed;
    }
    world->liveness.is_timed = false;
}

/* In a star of three a leaf may lead: the other leaf then cannot reach it, nor serve. */
static bool can_reach(const struct world *world, uint32_t seat, const struct node *leader)
{
    return leader == NULL || seat == leader->seat ||
           (!world->network.links[seat][leader->seat].is_cut &&
            !world->network.links[leader->seat][seat].is_cut);
}

/*
 * More was lost than a cluster is made to bear, and these nodes cannot do without it. Where
 * their disks have all that was chosen, all is judged as ever.
 */
static bool is_beyond(struct world *world)
{
    struct liveness *liveness = &world->liveness;
    liveness->is_borne = liveness->is_borne &&
                         (liveness->core_mask & ~atlas_whole_mask(world)) == 0 &&
                         atlas_bears(world, liveness->core_mask);
    return world->atlas.went_beyond && !liveness->is_borne;
}

/* More was lost than a cluster can bear: still everybody answers, or says why not. */
static void judge_honesty(struct world *world)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        bool is_due = (world->liveness.core_mask >> i & 1) && node->halt_count == 0;
        if (is_due && (!node->is_up || !world->liveness.probe_answered[i])) {
            report_fail(world, "L1", node, 0, NO_BALLOT,
                        "%s, though it has not halted and nothing is wrong with it",
                        node->is_up ? "does not answer" : "is not up");
        }
    }
    world->liveness.is_judged = true;
}

static void judge_lost(struct world *world)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (world->liveness.must_halt[i] && world->nodes[i].halt_count == 0) {
            report_fail(world, "G2", &world->nodes[i], 0, NO_BALLOT,
                        "its disk was lost, the core hears it, and it has not halted");
        }
    }
}

/* Who leads, though the bound is over. A full leader hands over when its segments end, a
 * slow one when somebody has caught up and three syncs were slow (E6). */
static bool may_change(struct world *world)
{
    return is_beyond(world) || world->liveness.is_leader_burdened ||
           world->liveness.burden == BURDEN_FULL_DISK;
}

/*
 * Behind a disk a hundred times as slow as the others' a node falls behind, but it moves.
 * Where no segment is left a full disk lets its log not even be opened.
 */
static bool is_excused(const struct world *world, uint32_t seat)
{
    const struct liveness *liveness = &world->liveness;
    const struct node *node = &world->nodes[seat];
    if (liveness->burden == BURDEN_NONE || liveness->burdened != seat) {
        return false;
    }
    return liveness->burden == BURDEN_FULL_DISK
               ? !node->is_up && node->log.is_start_full
               : node->is_up &&
                     replica_applied(node->replica) > liveness->burdened_applied;
}

void liveness_judge(struct world *world)
{
    uint32_t leader_count = 0;
    if (is_beyond(world)) {
        judge_honesty(world);
        return;
    }
    judge_lost(world);
    const struct node *leader = core_leader(world, &leader_count);
    bool is_burdened = world->liveness.burden != BURDEN_NONE;
    if (leader_count != 1 && !is_burdened) {
        report_fail(world, "L1", NULL, 0, NO_BALLOT,
                    "%u leaders after %llu s without faults", leader_count,
                    (unsigned long long)(LIVENESS_BOUND_US / SECOND));
    }
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        bool is_due = (world->liveness.core_mask >> i & 1) && can_reach(world, i, leader);
        if (is_due && !world->liveness.probe_done[i] && !is_excused(world, i)) {
            report_fail(world, "L1", &world->nodes[i], 0, NO_BALLOT,
                        "no fresh write succeeds here after %llu s without faults",
                        (unsigned long long)(LIVENESS_BOUND_US / SECOND));
        }
    }
    world->liveness.is_judged = true;
    world->liveness.leader = leader;
    world->liveness.is_leader_burdened =
        is_burdened && (leader_count != 1 || leader->seat == world->liveness.burdened);
}

void liveness_trace(struct world *world,
                    const struct node *node,
                    const struct paxos_trace *trace)
{
    // An old leader that nobody follows any more may notice late.
    bool is_end = trace->kind == PAXOS_TRACE_STEP_DOWN && node == world->liveness.leader;
    bool is_change = trace->kind == PAXOS_TRACE_TAKE_OVER || is_end;
    if (world->liveness.is_judged && !may_change(world) &&
        (world->liveness.core_mask >> node->seat & 1) && is_change) {
        report_fail(world, "L4", node, 0, trace->ballot,
                    "%s though nothing is wrong and a leader was there",
                    paxos_trace_name(trace->kind));
    }
}

/* All keys as one node of the core has them are read last, by everybody's history. */
static void read_everything(struct world *world, struct node *node)
{
    struct history *history = &world->history;
    const struct kv *kv = replica_state(node->replica);
    struct kv_item item = {0};
    struct cs_view after = {0};
    while (kv_next(kv, after, &item) == CS_OK) {
        uint32_t key = 0;
        for (size_t i = 1; i < item.key.bytes; i++) {
            key = key * 10 + (uint32_t)(item.key.data[i] - '0');
        }
        struct operation operation = {
            .client = CLIENTS_MAX,
            .node = node->seat,
            .kind = REQUEST_GET,
            .key = key,
            .is_answered = true,
            .status = CS_OK,
            .life = node->life,
            .invoked = ++history->order,
            .floor_revision = history->acked_revision,
            .revision = kv_revision(kv),
            .item_revision = item.modified_revision,
            .version = item.version,
        };
        operation.returned = ++history->order;
        uint32_t index = history_add(history, &operation);
        history_judge_answer(world, node, &history->operations[index], item.value);
        after = item.key;
    }
}

void liveness_end(struct world *world)
{
    uint32_t leader_count = 0;
    struct node *leader = core_leader(world, &leader_count);
    if (is_beyond(world) || (may_change(world) && leader_count != 1)) {
        if (leader_count == 1) {
            read_everything(world, leader);
        }
        return;
    }
    if (leader == NULL || leader_count != 1) {
        report_fail(world, "L4", NULL, 0, NO_BALLOT, "%u leaders at the end",
                    leader_count);
        return;
    }
    struct cs_digest digest = kv_digest(replica_state(leader->replica));
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[i];
        if (!(world->liveness.core_mask >> i & 1)) {
            continue;
        }
        if (!node->is_up && is_excused(world, i)) {
            continue;
        }
        if (!node->is_up) {
            report_fail(world, "L3", node, 0, NO_BALLOT, "is not up at the end");
            return;
        }
        struct cs_digest own = kv_digest(replica_state(node->replica));
        bool is_burdened =
            world->liveness.burden != BURDEN_NONE && world->liveness.burdened == i;
        if (!can_reach(world, i, leader) || is_burdened) {
            continue; // it may lag, as long as nobody waits for it
        }
        if (own.high != digest.high || own.low != digest.low) {
            report_fail(world, "L3", node, replica_applied(node->replica), NO_BALLOT,
                        "has applied %llu slots at the end, its leader n%u %llu",
                        (unsigned long long)replica_applied(node->replica), leader->seat,
                        (unsigned long long)replica_applied(leader->replica));
        }
    }
    read_everything(world, leader);
}
