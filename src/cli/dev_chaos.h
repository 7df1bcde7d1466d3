/*
 * dev_chaos.h - when `consens dev` does what to which node: half of each period a fault
 * is there, half of it is not. Only says when; dev.c acts.
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_DEV_CHAOS_H
#define CONSENS_CLI_DEV_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

enum dev_fault { DEV_KILL, DEV_PAUSE, DEV_PARTITION, DEV_SLOW_DISK, DEV_FAULTS };

struct dev_chaos {
    uint32_t node[DEV_FAULTS]; // its number, from 1; 0: this fault is not wanted
    bool is_on[DEV_FAULTS];
    uint64_t next_ms[DEV_FAULTS]; // when it comes or goes
    uint64_t half_ms;             // of a period
};

/* The cluster serves: the first half without faults begins. */
void dev_chaos_begin(struct dev_chaos *chaos, uint64_t now_ms);

/* False: nothing is due. Else *out_fault has come or gone: see is_on. */
bool dev_chaos_next(struct dev_chaos *chaos, uint64_t now_ms, enum dev_fault *out_fault);

/* UINT64_MAX: never. */
uint64_t dev_chaos_due_ms(const struct dev_chaos *chaos);

#endif
