/*
 * witness.h - where a history stops being linearizable: its shortest prefix that is not.
 *
 * A prefix of a good history is good (who has not returned yet is without an answer), so the
 * operation at whose return the first bad prefix ends is the one to look at.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_WITNESS_H
#define CONSENS_TESTS_LINCHECK_WITNESS_H

#include "lincheck/lincheck.h"

/*
 * `operations`, all of one key, are a violated history. Cuts them to the shortest violated
 * prefix, in order of invocation; answers how many are left. *out_last: the index of the
 * operation whose return ends it. `step_budget` is a search's.
 */
size_t witness_cut(struct lincheck_operation *operations,
                   size_t count,
                   uint64_t step_budget,
                   size_t *out_last);

#endif
