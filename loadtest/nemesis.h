/*
 * nemesis.h - faults of a local cluster while it is under load, one node at a time: killed
 * and started again, paused and resumed, cut off from the others and mended.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_NEMESIS_H
#define CONSENS_LOADTEST_NEMESIS_H

#include "loadtest/chance.h"
#include "loadtest/cluster.h"

enum { NEMESIS_FAULTS_MAX = 1000 };

struct nemesis_fault {
    enum plan_fault kind;
    uint32_t node;
    uint64_t from_ns;
    uint64_t to_ns; // UINT64_MAX: not yet mended
};

struct nemesis {
    struct cluster *cluster;
    const struct plan *plan;
    struct chance chance;
    uint64_t next_ns; // 0: not yet begun
    bool is_active;   // the last of the faults
    struct nemesis_fault faults[NEMESIS_FAULTS_MAX];
    uint32_t count;
};

void nemesis_init(struct nemesis *nemesis,
                  struct cluster *cluster,
                  const struct plan *plan);
/* Does what is due. */
void nemesis_tick(struct nemesis *nemesis, uint64_t now_ns);
/* Mends what is still broken. */
void nemesis_stop(struct nemesis *nemesis, uint64_t now_ns);

const char *nemesis_fault_name(enum plan_fault kind);

#endif
