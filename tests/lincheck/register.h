/*
 * register.h - the sequential model of one key that the search steps through.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_REGISTER_H
#define CONSENS_TESTS_LINCHECK_REGISTER_H

#include "lincheck/lincheck.h"

struct register_state { // absent: all zero
    bool is_present;
    uint64_t value;
    uint64_t revision; // LINCHECK_NOT_TOLD: of a write without an answer that nobody read
    uint64_t version;
};

/* Revisions that belong to a known write of this key, sorted. */
struct register_revisions {
    const uint64_t *known;
    size_t known_count;
};

/* Can `operation` take effect in `state`? The state after it. */
bool register_step(const struct register_revisions *revisions,
                   const struct lincheck_operation *operation,
                   const struct register_state *state,
                   struct register_state *out_state);

/* Changes nothing in any state (a read, a refusal, a DELETE of nothing). */
bool register_is_pure(const struct lincheck_operation *operation);

/* Does `operation` answer exactly so in `state`, leaving it as it is? */
bool register_is_explained(const struct lincheck_operation *operation,
                           const struct register_state *state);

#endif
