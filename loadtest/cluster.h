/*
 * cluster.h - nodes of consens on loopback for the time of a run: free ports, data in a
 * directory of its own that goes with them.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_CLUSTER_H
#define CONSENS_LOADTEST_CLUSTER_H

#include "loadtest/plan.h"
#include "loadtest/relay.h"

#include <sys/types.h>

enum { CLUSTER_ERROR_BYTES = 240, CLUSTER_PATH_BYTES = 200 };

struct cluster_node {
    pid_t pid; // 0: not running
    uint16_t http;
    uint16_t peer;
    uint16_t client;
    uint16_t events;
};

struct cluster {
    char directory[CLUSTER_PATH_BYTES];
    const char *program;
    struct cluster_node nodes[PLAN_NODES_MAX];
    uint32_t count;
    struct relay *relay; // NULL: no partitions are planned
    char error[CLUSTER_ERROR_BYTES];
};

/* Starts the plan's local nodes, waits until they are ready and names them in the plan's
 * endpoints. False: `error` says why. Either way cluster_stop(). */
bool cluster_start(struct cluster *cluster, struct plan *plan);
void cluster_stop(struct cluster *cluster);

void cluster_kill(struct cluster *cluster, uint32_t node);
bool cluster_restart(struct cluster *cluster, uint32_t node);
void cluster_pause(const struct cluster *cluster, uint32_t node, bool is_paused);
void cluster_isolate(struct cluster *cluster, uint32_t node, bool is_cut);

#endif
