/*
 * dev.h - `consens dev`: the cluster that it was asked for (dev.c), laid out on this
 * machine (dev_layout.c) and run until somebody stops it (dev_run.c).
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_DEV_H
#define CONSENS_CLI_DEV_H

#include "cli/dev_chaos.h"
#include "cli/dev_nodes.h"

enum {
    DEV_PORT_STEP = 1000, // from one node's HTTP port to the next one's
    DEV_PATH_BYTES = 4096,
    DEV_UNUSABLE = 73, // the data directory
};

struct dev {
    uint32_t count; // of nodes, 1..SETTINGS_NODES_MAX
    uint32_t port;  // HTTP of n1
    const char *data;
    const char *log_level;       // NULL: the default
    char config[DEV_PATH_BYTES]; // DATA/consens.cfg
    struct dev_chaos chaos;
    struct dev_node nodes[SETTINGS_NODES_MAX];
};

/*
 * Ports are free, DATA and its file are there, each node has its settings. 0, or an exit
 * code with a sentence on stderr.
 */
int dev_lay_out(struct dev *dev);

/* Starts the nodes, says how to reach them, waits. The exit code. */
int dev_run(struct dev *dev);

#endif
