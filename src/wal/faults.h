/*
 * faults.h - slots of the log whose bytes the disk has lost: runs, each with what is
 * still known of it. They are repaired from peers (src/wal/README.md, "Damage").
 *
 *   items are in order of slots and apart: item[i].last + 1 < item[i + 1].first
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_FAULTS_H
#define CONSENS_WAL_FAULTS_H

#include "wal/wal.h"

struct faults {
    struct wal_fault *items;
    size_t count;
    size_t capacity;
};

/* A new run; one that touches the last one makes it longer. */
void faults_add(struct faults *faults, const struct wal_fault *fault);

/* Slots from `first` on are no longer what they were. */
void faults_cut(struct faults *faults, cs_slot first);

/* Slots first .. last have been written anew; the chain at `last`. */
void faults_fill(struct faults *faults,
                 cs_slot first,
                 cs_slot last,
                 struct paxos_digest last_chain);

/* The run that holds the slot, or NULL. Valid until the next change. */
const struct wal_fault *faults_find(const struct faults *faults, cs_slot slot);

void faults_fini(struct faults *faults);

#endif
