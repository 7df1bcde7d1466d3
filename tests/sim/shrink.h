/*
 * shrink.h - a failing seed made smaller: fewer nodes, clients, faults, buggify points,
 * a shorter first phase, other chance; whatever still breaks the same rule and takes
 * fewer events is kept, until nothing helps any more or the time is over.
 *
 * Each trial runs in a process of its own, so that crashes and failed CHECKs can be made
 * smaller too.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_SHRINK_H
#define CONSENS_TESTS_SIM_SHRINK_H

#include "sim/world.h"

/*
 * Prints how small it became and the line that replays it. False: the seed does not
 * fail, or no process can be made.
 */
bool shrink_seed(struct world *world,
                 uint64_t seed,
                 uint64_t seconds_max,
                 const char *program);

#endif
