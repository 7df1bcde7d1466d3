/*
 * fast.h - is a history linearizable in the order that its answers tell? The fast path.
 *
 * Every answer carries the revision of the store that it saw (`seen`): that puts all of
 * them in one order, which must keep to real time and must replay. O(n log n). It trusts
 * what the servers say of order, which lincheck.h does not.
 *
 * Writes without an answer may fill revisions that no answer tells. What a read or refusal
 * shows of them is replayed; of what else must have happened only the count is judged: so many
 * writes must be there, invoked in time, and so many revisions free. This explains too much
 * rather than too little: a good history is never flagged.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_FAST_H
#define CONSENS_TESTS_LINCHECK_FAST_H

#include "lincheck/lincheck.h"

enum { FAST_OPERATIONS_MAX = 2 };

struct fast_result {
    const char *sentence;                   // NULL: nothing found
    uint64_t revision;                      // that the sentence speaks of
    size_t operations[FAST_OPERATIONS_MAX]; // indexes of those that contradict each other
    size_t operation_count;
};

/*
 * Of answered operations `seen` must be told and of CREATED, UPDATED, FOUND and
 * REFUSED the `revision` too. True: no contradiction.
 */
bool fast_check(const struct lincheck_operation *operations,
                size_t count,
                struct fast_result *out_result);

#endif
