/*
 * dev_nodes.h - the nodes of `consens dev`: child processes, forked and never executed
 * anew, so that they share a page of faults with their parent, and their words.
 *
 * A child ends with its parent, whatever ends that (PR_SET_PDEATHSIG). It has a process
 * group of its own: Ctrl-C reaches the parent alone, which stops all in order.
 *
 * Thread: main only, the only one of its process.
 */
#ifndef CONSENS_CLI_DEV_NODES_H
#define CONSENS_CLI_DEV_NODES_H

#include "base/bytes.h"
#include "base/fault_switch.h"
#include "config/settings.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { DEV_NODE_NAME_BYTES = 16 };

struct dev_node {
    char name[DEV_NODE_NAME_BYTES]; // n1
    uint32_t number;                // 1
    uint32_t port;                  // of HTTP
    struct settings settings;       // of this node; `faults` are the shared ones
    struct fault_switch *faults;    // shared with the child
    pid_t pid;                      // 0: it does not run
    int words;                      // pipe from its stdout and stderr; -1: closed
    struct cs_buffer line;          // begun, not yet printed
};

/* Maps the shared faults. False: no memory. */
bool dev_node_init(struct dev_node *node);
void dev_node_fini(struct dev_node *node);

/* `mask`: signals that the child blocks. False: the system refuses; errno says why. */
bool dev_node_start(struct dev_node *node, const sigset_t *mask);
/* 0: it does not run. */
void dev_node_signal(const struct dev_node *node, int number);
/* True: it has ended since, with *out_status as of waitpid(2). */
bool dev_node_reap(struct dev_node *node, int *out_status);

/* Prints the whole lines that have come, each with the node's name before it. */
void dev_node_print(struct dev_node *node, bool is_coloured);

/* Whether GET /-/ready says 200. Waits for half a second at most. */
bool dev_node_is_ready(const struct dev_node *node);

#endif
