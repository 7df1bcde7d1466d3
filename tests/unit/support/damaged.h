/*
 * damaged.h - a paxos_rig whose log has slots of unknown identity (P4, P5).
 *
 * Seat 0 of three had accepted slots 1 .. length, of values 1 .. length, under ballot 2 of
 * seat 1. The two others are asked for what is lost in turn.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_UNIT_DAMAGED_H
#define CONSENS_TESTS_UNIT_DAMAGED_H

#include "unit/support/paxos_rig.h"

/* What the disk gave; bit n of `lost` marks slot n. A test may change it before the start. */
void damaged_init(struct paxos_rig *rig, cs_slot length, uint32_t lost);
/* The same, started and its gate open. */
void damaged_start(struct paxos_rig *rig, cs_slot length, uint32_t lost);
/* The same; slots to `decided` were known decided, before some were lost. */
void damaged_start_knowing(struct paxos_rig *rig,
                           cs_slot length,
                           uint32_t lost,
                           cs_slot decided);
/* Time passes until that seat is asked for a copy; else the test fails. */
void damaged_wait_until_asked(struct paxos_rig *rig, uint32_t seat);
/* What that seat has of slots after `after`; those to `decided` it calls decided. */
void damaged_receive_copy(struct paxos_rig *rig,
                          uint32_t seat,
                          cs_slot after,
                          uint32_t count,
                          cs_slot decided);
/* That seat has no copy of what comes after `after`. */
void damaged_receive_nothing(struct paxos_rig *rig, uint32_t seat, cs_slot after);

#endif
