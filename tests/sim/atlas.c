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
        mask |= (uint32_t)(world->nodes[i].loss == LOSS_NONE) << i;
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
    case LOSS_DAMAGED:
    case LOSS_NONE:
        break;
    }
    return world->atlas.went_beyond;
}

/*
 * Before START nobody may lose a disk (C8): the others wait for it, and say so, until
 * somebody empties them all.
 */
static bool is_formed(const struct world *world)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        if (world->nodes[i].loss == LOSS_NONE &&
            !world->nodes[i].shadow.durable.is_started) {
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
    bool is_within =
        is_formed(world) && left >= paxos_quorum_promise(world->swarm.node_count);
    return node->loss == LOSS_NONE && are_remembered_without(world, node) &&
           (is_within || (world->swarm.is_beyond && left > 0));
}

static void lose(struct world *world, struct node *node, enum loss loss)
{
    uint32_t left = 0;
    bool was_formed = is_formed(world);
    node->loss = loss;
    node->lost_length = node->shadow.durable.length;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        left += world->nodes[i].loss == LOSS_NONE;
    }
    world->atlas.went_beyond = world->atlas.went_beyond || !was_formed ||
                               left < paxos_quorum_promise(world->swarm.node_count);
}

bool atlas_has_forgotten(const struct node *node)
{
    return node->loss == LOSS_WIPED || node->loss == LOSS_ROLLED_BACK;
}

/* A Config that only this disk held was never made. */
static void forget_config(struct world *world, const struct node *node)
{
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct paxos_id *id = &world->nodes[i].shadow.durable.cluster_id;
        if (i != node->seat && (id->high != 0 || id->low != 0)) {
            return;
        }
    }
    world->judge.cluster_id = (struct paxos_id){0};
}

bool atlas_wipe(struct world *world, struct node *node)
{
    if (!may_lose(world, node)) {
        return false;
    }
    TRACE(world, node, "its disk is lost");
    node_crash(world, node, true);
    lose(world, node, LOSS_WIPED);
    forget_config(world, node);
    sim_disk_reset(node->disk, random_draw(&node->disk_random));
    sim_disk_set_direct(node->disk, !world->swarm.is_buffered);
    shadow_clear(&node->shadow);
    node->boot = 0;
    node->held = 0;
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
    struct paxos_config config;
    struct paxos_watermark seen[PAXOS_MEMBERS_MAX];
    while (rest.bytes > 0 && record_unpack(rest, &record)) {
        if (record.state.bytes > 0 &&
            record_unpack_state(record.state.data, &config, seen)) {
            memcpy(node->remembered, seen, sizeof node->remembered);
        }
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
}

/* One copy of four may be bad without any harm; a second one may be too many. */
static bool may_damage_superblock(const struct world *world, const struct node *node)
{
    return !node->has_bad_copy || (world->swarm.is_beyond && node->loss == LOSS_DAMAGED);
}

bool atlas_damage(struct world *world, struct node *node)
{
    struct random *random = &world->fault_random;
    if (atlas_has_forgotten(node)) {
        return false;
    }
    if (random_permille(random, 250) && may_damage_superblock(world, node)) {
        node->has_bad_copy = damage_superblock(world, node) || node->has_bad_copy;
        return true;
    }
    bool is_new = node->loss == LOSS_NONE;
    if ((is_new && !may_lose(world, node)) || !damage_log(world, node)) {
        return false;
    }
    if (is_new) {
        lose(world, node, LOSS_DAMAGED);
    }
    return true;
}
