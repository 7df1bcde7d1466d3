/*
 * control.h - the file by which the driver tells a running node's preloaded libraries what goes
 * wrong: 64 bytes, mapped by both (CHAOS_CONTROL names it). All zero: nothing.
 *
 * Thread: any; each field is read and written as a whole.
 */
#ifndef CONSENS_TESTS_CHAOS_CONTROL_H
#define CONSENS_TESTS_CHAOS_CONTROL_H

#include <stdint.h>

/* chaos/control.py packs the same fields. */
struct chaos_control {
    uint32_t write_errno; // of writes to regular files
    uint32_t sync_errno; // of syncs, and of writes that sync; the bytes are written first
    uint32_t is_short;   // writes take half of their bytes
    uint32_t delay_us;   // before each sync, and each write that syncs
    int64_t wall_clock_ns; // added to CLOCK_REALTIME
    uint64_t write_count;  // counted here: calls that a fault struck
    uint32_t is_lying; // syncs are said to be done and are not: a power loss takes all
    uint32_t unused;
    uint64_t unused_more[3];
};

_Static_assert(sizeof(struct chaos_control) == 64, "as chaos/control.py packs it");

/* The mapped file, or NULL without CHAOS_CONTROL. Ends the process if it cannot be mapped. */
struct chaos_control *chaos_control(void);

#endif
