/*
 * tally.h - what a run came through, a line each for tests/tools/coverage.awk: many
 * processes share the seeds of one run, and only their sums say whether something was
 * missed.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_TALLY_H
#define CONSENS_TESTS_SIM_TALLY_H

#include "sim/stats.h"

void tally_print(const struct stats *stats);

#endif
