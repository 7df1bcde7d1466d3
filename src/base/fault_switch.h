/*
 * fault_switch.h - faults that `consens dev` plants in a node while it runs: one page of
 * memory that it shares with the node's process, which it has forked. No option, variable,
 * file or socket leads here, so no other node can have one.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_FAULT_SWITCH_H
#define CONSENS_BASE_FAULT_SWITCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fault_switch {
    atomic_bool is_cut;             // frames to and from the other nodes are dropped
    _Atomic uint32_t sync_delay_ms; // each sync of the log takes so much longer
};

#endif
