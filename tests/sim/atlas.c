/*
 * atlas.c - the fault atlas: what disks have lost, and what they may lose yet. The
 * cluster is made to bear the loss of any minority; what goes beyond that is done in a
 * few seeds only, and there a halt that says why, or an honest 503, is right too.
 */
#include "sim/world.h"

#include "wal/record.h"

#include <string.h>

uint32_t atlas_whole_mask(const struct world *world)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        bool is_usable = node->is_up || !node->has_bad_copy;
        mask |= (uint32_t)(node->loss == LOSS_NONE && is_usable) << i;
    }
    return mask;
}

bool atlas_explains_halt(const struct world *world,
                         const struct node *node,
                         uint32_t halt)
{
    switch (node->loss) {
    case LOSS_WIPED:
        return halt == PAXOS_HALT_WIPED;
    case LOSS_ROLLED_BACK:
        // Its boot number is that of a life not long ago: to a peer both seem alive.
        return halt == PAXOS_HALT_AMNESIA || halt == PAXOS_HALT_TWIN;
    case LOSS_REFUSED:
    case LOSS_NONE:
        break;
    }
    // What is lost may be lost everywhere; before START a Config may be (C8). Nothing else.
    return world->atlas.went_beyond &&
           (halt == PAXOS_HALT_LOST ? !atlas_bears(world, atlas_whole_mask(world))
                                    : !world->was_formed && halt != PAXOS_HALT_TWIN);
}

/*
 * Before START nobody may lose a disk (C8): the others wait for it, and say so, until
 * somebody empties them all.
 */
bool atlas_is_formed(const struct world *world)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (world->nodes[i].loss == LOSS_NONE &&
            !world->nodes[i].shadow.durable.config.started) {
            return false;
        }
    }
    return true;
}

/* What a peer remembers of it, the image does not hold (G2). */
static bool is_ahead(const struct paxos_watermark *seen, const struct image *image)
{
    // Of boots an image lacks at most some that wrote nothing.
    return seen->block > image->block ||
           paxos_ballot_compare(seen->promised, image->log.promised) > 0;
}

/*
 * A roll-back shows once somebody who remembers is heard (G3). So of the others so many
 * must durably remember that its gate cannot open by those who do not; `but` is about to
 * forget.
 */
static bool
is_remembered(const struct world *world, const struct node *node, const struct node *but)
{
    uint32_t count = world->swarm.node_count;
    uint32_t knowing = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *peer = &world->nodes[i];
        knowing += peer != node && peer != but && peer->loss == LOSS_NONE &&
                   is_ahead(&peer->remembered[node->seat], &node->image);
    }
    return knowing >= count + 1 - paxos_quorum_promise(count);
}

static bool are_remembered_without(const struct world *world, const struct node *but)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->loss == LOSS_ROLLED_BACK && !is_remembered(world, node, but)) {
            return false;
        }
    }
    return true;
}

/* Disks that are there and cannot but be usable, without one. */
static uint32_t safe_mask(const struct world *world, const struct node *but)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        bool is_safe = node != but && node->loss == LOSS_NONE && !node->has_bad_copy;
        mask |= (uint32_t)is_safe << i;
    }
    return mask;
}

/*
 * May one more disk be lost? Those left must be a quorum that knows the cluster; in a
 * seed beyond the limit one that does.
 */
static bool may_lose(const struct world *world, const struct node *node)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        left += i != node->seat && world->nodes[i].loss == LOSS_NONE;
    }
    bool is_within = atlas_is_formed(world) && atlas_bears(world, safe_mask(world, node));
    return node->loss == LOSS_NONE && are_remembered_without(world, node) &&
           (is_within || (world->swarm.is_beyond && left > 0));
}

static void lose(struct world *world, struct node *node, enum loss loss)
{
    uint32_t left = 0;
    bool was_formed = atlas_is_formed(world);
    node->loss = loss;
    node->lost_length = node->shadow.durable.length;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        left += world->nodes[i].loss == LOSS_NONE;
    }
    bool is_borne = left >= paxos_quorum_promise(world->swarm.node_count) &&
                    atlas_bears(world, atlas_whole_mask(world));
    world->atlas.went_beyond = world->atlas.went_beyond || !was_formed || !is_borne;
}

bool atlas_same_id(struct paxos_id left, struct paxos_id right)
{
    return left.high == right.high && left.low == right.low;
}

bool atlas_has_forgotten(const struct node *node)
{
    return node->loss == LOSS_WIPED || node->loss == LOSS_ROLLED_BACK;
}

static bool has_config(const struct paxos_config *config)
{
    return !atlas_same_id(config->cluster_id, (struct paxos_id){0});
}

/* A Config that only this disk held was never made. */
static void forget_config(struct world *world, const struct node *node)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (i != node->seat && has_config(&world->nodes[i].shadow.durable.config)) {
            return;
        }
    }
    world->judge.config = (struct paxos_config){0};
}

bool atlas_same_config(const struct paxos_config *left, const struct paxos_config *right)
{
    bool is_same = atlas_same_id(left->cluster_id, right->cluster_id);
    for (uint32_t i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        is_same = is_same && left->node[i] == right->node[i] &&
                  atlas_same_id(left->incarnation[i], right->incarnation[i]);
    }
    return is_same;
}

void atlas_judge_config(struct world *world, struct node *node)
{
    struct paxos_config *known = &world->judge.config;
    const struct paxos_config *own = &node->shadow.durable.config;
    if (!has_config(own)) {
        return;
    }
    // Once the first seat has lost its disk before START there may be two; START, of one.
    bool is_idle = world->atlas.went_beyond && !known->started && !own->started;
    if (has_config(known) && !atlas_same_config(known, own) && !is_idle) {
        report_fail(world, "I16", node, 0, NO_BALLOT, "two clusters were formed (C8)");
    }
    *known = *own;
    // It started, with the disk that it has now: the lost one was never a member.
    bool is_member = own->started != 0 &&
                     atlas_same_id(own->incarnation[node->seat], node->incarnation);
    if (node->loss == LOSS_WIPED && is_member) {
        TRACE(world, node, "starts with its new disk");
        node->loss = LOSS_NONE;
    }
}

bool atlas_wipe(struct world *world, struct node *node)
{
    if (node->boot == 0 || !may_lose(world, node)) {
        return false; // nothing was ever on it, or it must not be lost
    }
    TRACE(world, node, "its disk is lost");
    node_crash(world, node, true);
    lose(world, node, LOSS_WIPED);
    forget_config(world, node);
    sim_disk_reset(node->disk, random_draw(&node->disk_random));
    sim_disk_set_direct(node->disk, !world->swarm.is_buffered);
    sim_disk_set_says_room(node->disk, world->seed % 2 == 0);
    shadow_clear(&node->shadow);
    node->boot = 0;
    node->held = 0;
    holes_clear(&node->holes);
    node->has_bad_copy = false;
    node->has_rotted = false;
    node->has_old_copy = false;
    memset(node->remembered, 0, sizeof node->remembered);
    node->image.is_kept = false;
    node->log.last_block = 0;
    world->stats->wiped++;
    return true;
}

void atlas_keep_image(struct world *world, struct node *node)
{
    struct image *image = &node->image;
    // While it is up its disk holds exactly what the shadow has as durable.
    if (!node->is_up || node->loss != LOSS_NONE) {
        return;
    }
    TRACE(world, node, "an image of its disk is kept");
    image->is_kept = true;
    image->token = node->shadow.durable_token;
    image->block = node->log.last_block;
    image->boot = node->boot;
    shadow_log_copy(&image->log, &node->shadow.durable);
    memcpy(image->remembered, node->remembered, sizeof image->remembered);
    holes_copy(&image->holes, &node->holes);
    sim_disk_keep_image(node->disk);
}

bool atlas_roll_back(struct world *world, struct node *node)
{
    const struct image *image = &node->image;
    if (!image->is_kept || !may_lose(world, node) || !is_remembered(world, node, node)) {
        return false;
    }
    TRACE(world, node, "its disk is as it was in boot %llu at block %llu",
          (unsigned long long)image->boot, (unsigned long long)image->block);
    node_crash(world, node, true);
    lose(world, node, LOSS_ROLLED_BACK);
    sim_disk_put_image_back(node->disk);
    shadow_log_copy(&node->shadow.durable, &image->log);
    node->shadow.durable_token = image->token;
    shadow_crash(&node->shadow);
    memcpy(node->remembered, image->remembered, sizeof node->remembered);
    holes_copy(&node->holes, &image->holes);
    node->boot = image->boot;
    node->held = 0;
    node->log.last_block = image->block;
    world->stats->rolled_back++;
    return true;
}

void atlas_note_durable(struct node *node, struct cs_view records)
{
    struct cs_view rest = records;
    struct record record = {0};
    recovery_take_watermarks(records, node->remembered);
    while (rest.bytes > 0 && record_unpack(rest, &record)) {
        holes_fill(&node->holes, record.persist.first_slot, record.persist.entry_count);
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
}

/*
 * ---- rot
 * ---------------------------------------------------------------------------------
 */

/* Has some other node of `mask` the same slot, and can it give it? */
static bool
has_copy(const struct world *world, const struct node *node, cs_slot slot, uint32_t mask)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *peer = &world->nodes[i];
        const struct shadow_log *log = &peer->shadow.durable;
        if (peer != node && (mask >> i & 1) && slot <= log->length &&
            holes_can_serve(&peer->holes, slot) &&
            digest_is(shadow_chain(log, slot),
                      shadow_chain(&node->shadow.durable, slot))) {
            return true;
        }
    }
    return false;
}

enum bearing {
    BEARING_WHOLE,  // peers can fill all its holes
    BEARING_FAULTY, // not all: it does not vote until a leader's log replaces its own
    BEARING_LOST,   // what was chosen is gone
};

static enum bearing
bearing_of(const struct world *world, const struct node *node, uint32_t mask)
{
    enum bearing bearing = BEARING_WHOLE;
    const struct shadow_log *log = &node->shadow.durable;
    cs_slot chosen = shadow_common(log, &world->judge.chosen);
    for (cs_slot slot = 1; slot <= log->length && slot <= node->holes.last; slot++) {
        if (holes_at(&node->holes, slot) == HOLE_NONE ||
            has_copy(world, node, slot, mask)) {
            continue;
        }
        if (slot <= chosen) {
            return BEARING_LOST;
        }
        bearing = BEARING_FAULTY;
    }
    return bearing;
}

bool atlas_bears(const struct world *world, uint32_t mask)
{
    uint32_t whole = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (!(mask >> i & 1)) {
            continue;
        }
        enum bearing bearing = bearing_of(world, &world->nodes[i], mask);
        if (bearing == BEARING_LOST) {
            return false;
        }
        whole += bearing == BEARING_WHOLE;
    }
    return whole >= paxos_quorum_promise(world->swarm.node_count);
}

bool atlas_has_holes(const struct world *world, uint32_t mask)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct holes *holes = &world->nodes[i].holes;
        for (cs_slot slot = 1; (mask >> i & 1) && slot <= holes->last; slot++) {
            if (holes_at(holes, slot) != HOLE_NONE) {
                return true;
            }
        }
    }
    return false;
}

bool atlas_explains_refusal(const struct world *world, const struct node *node)
{
    return node->loss == LOSS_REFUSED ||
           (node->has_bad_copy && !damage_has_superblock_pair(node)) ||
           (world->atlas.went_beyond && node->has_rotted);
}

void atlas_note_refused(struct world *world, struct node *node)
{
    if (node->loss == LOSS_NONE) {
        lose(world, node, LOSS_REFUSED);
    }
}

/*
 * One copy of four may be bad without any harm; if a write is torn then, there may be no
 * pair left, so such a disk is counted as one that may be lost.
 */
static bool rot_superblock(struct world *world, struct node *node)
{
    if (!may_lose(world, node) || !damage_superblock(world, node)) {
        return false;
    }
    node->has_bad_copy = true;
    node->has_rotted = true;
    return true;
}

static bool rot_log(struct world *world, struct node *node)
{
    static struct holes before; // its memory is kept
    struct harm harm;
    struct holes *holes = &node->holes;
    if (!damage_choose(world, node, &harm)) {
        return false;
    }
    holes_copy(&before, holes);
    if (harm.first <= harm.last) {
        holes_mark(holes, harm.first, harm.last, HOLE_ROTTEN);
        bool is_first = holes->doubtful_from == 0 || harm.first < holes->doubtful_from;
        holes->doubtful_from =
            node->is_up && is_first ? harm.first : holes->doubtful_from;
    }
    if (!atlas_bears(world, safe_mask(world, NULL))) {
        if (!world->swarm.is_beyond) {
            holes_copy(holes, &before);
            return false;
        }
        world->atlas.went_beyond = true;
    }
    node->has_rotted = true;
    damage_log(world, node, &harm);
    return true;
}

void atlas_note_superblocks(struct world *world)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[i];
        node->has_bad_copy = node->has_bad_copy && !damage_has_whole_superblock(node);
    }
}

bool atlas_damage(struct world *world, struct node *node)
{
    struct random *random = &world->fault_random;
    bool is_superblock = random_permille(random, 150);
    bool is_followed = random_permille(random, 500);
    atlas_note_superblocks(world);
    if (node->loss != LOSS_NONE || !atlas_is_formed(world)) {
        return false;
    }
    bool is_done = is_superblock ? rot_superblock(world, node) : rot_log(world, node);
    if (is_done && is_followed) {
        node_crash(world, node, random_permille(random, 500)); // else nobody notices
    }
    return is_done;
}
