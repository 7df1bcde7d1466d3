/*
 * recovery.h - what starts and reads find of a log, against what was durable; what it must
 * remember of peers.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_RECOVERY_H
#define CONSENS_TESTS_SIM_RECOVERY_H

#include "wal/wal.h"

struct node;
struct world;

void judge_recovery(struct world *world,
                    struct node *node,
                    const struct wal_recovery *recovery);
/* What was found damaged as the log was opened; call after judge_recovery(). */
void judge_damages(struct world *world, struct node *node);
/* Entries of the node's log as they were read now. */
void judge_slice(struct world *world, struct node *node, const struct wal_slice *slice);
/* G3: what a core was shown of its peers is told to its log within some seconds. */
void judge_notes(struct world *world, struct node *node);
/* What these records remember of peers, if anything, replaces `watermarks`. */
void recovery_take_watermarks(struct cs_view records, struct paxos_watermark *watermarks);

#endif
