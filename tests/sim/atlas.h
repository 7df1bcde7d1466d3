/*
 * atlas.h - what disks have lost and may lose yet (atlas.c), and how bytes on them change
 * (damage.c).
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_ATLAS_H
#define CONSENS_TESTS_SIM_ATLAS_H

#include "base/bytes.h"

#include <consens/paxos.h>

#include <stdbool.h>
#include <stddef.h>

struct node;
struct paxos_config;
struct world;

/* ---- atlas.c ---- */
/* An empty disk in place of the node's; false: that would be more than may be lost. */
bool atlas_wipe(struct world *world, struct node *node);
/* An image of the disk is kept, unless its process is down. */
void atlas_keep_image(struct world *world, struct node *node);
/* False: there is no image, or not enough others durably remember what it lacks (G3). */
bool atlas_roll_back(struct world *world, struct node *node);
/* Records of the node are durable: what they remember of its peers. */
void atlas_note_durable(struct node *node, struct cs_view records);
/*
 * Something at rest on the node's disk is no longer as it was written; false: that would be
 * more than may be lost.
 */
bool atlas_damage(struct world *world, struct node *node);
/*
 * Could these nodes come back to all that was chosen, whole logs at a quorum of them, with
 * nothing but their disks as they are now?
 */
bool atlas_bears(const struct world *world, uint32_t mask);
/* Has everybody heard START? Before, all seats are needed (C8). */
bool atlas_is_formed(const struct world *world);
/* Has any of these nodes slots that its disk may have lost? */
bool atlas_has_holes(const struct world *world, uint32_t mask);
/* May the node's log refuse to be opened? Then its disk counts as lost. */
bool atlas_explains_refusal(const struct world *world, const struct node *node);
void atlas_note_refused(struct world *world, struct node *node);
/* Bad copies that have been written anew since are none. */
void atlas_note_superblocks(struct world *world);
/*
 * I16: all durable Configs are one. A node that wrote down START with the incarnation of the
 * disk that it has now is a member, whatever it lost before (C8).
 */
void atlas_judge_config(struct world *world, struct node *node);
bool atlas_same_id(struct paxos_id left, struct paxos_id right);
/* But for START. */
bool atlas_same_config(const struct paxos_config *left, const struct paxos_config *right);
/* Its disk forgot what it promised. */
bool atlas_has_forgotten(const struct node *node);
/* May the node halt for this reason? */
bool atlas_explains_halt(const struct world *world,
                         const struct node *node,
                         uint32_t halt);
/* Nodes whose disks are there and can be used, a bit a seat. */
uint32_t atlas_whole_mask(const struct world *world);

/* ---- damage.c ---- */
enum { DAMAGE_PAGE_BYTES = 4096 };

enum rot {
    ROT_FLIP = 0,
    ROT_MISDIRECTED,
    ROT_STALE_SECTOR,
    ROT_STALE_PAGE,
    ROT_UNREADABLE,
    ROTS
};
enum copy_rot { COPY_ROT_FLIP = 0, COPY_ROT_ZEROS, COPY_ROT_OLDER, COPY_ROTS };

struct harm { // a page of the log that becomes another, and what that may cost
    uint64_t segment;
    uint64_t offset; // of the page
    uint32_t rot;    // enum rot
    uint8_t page[DAMAGE_PAGE_BYTES];
    cs_slot first; // slots first .. last; none if last < first
    cs_slot last;
};

/*
 * Chooses a page of a block or of a segment's header, and another for it that differs in
 * what is used of it. False: there is nothing to damage.
 */
bool damage_choose(struct world *world, struct node *node, struct harm *out_harm);
void damage_log(struct world *world, struct node *node, const struct harm *harm);
/* False: its copies are not all there and alike. */
bool damage_superblock(struct world *world, struct node *node);
bool damage_has_whole_superblock(const struct node *node);
/* Are two of its copies sound and alike? */
bool damage_has_superblock_pair(const struct node *node);
/* As it is on the disk now: later that is an older one. */
void damage_note_superblock(struct node *node);
const char *damage_rot_name(uint32_t rot);
const char *damage_copy_rot_name(uint32_t rot);

#endif
