/*
 * mutant.h - seeded mistakes, to test the tests: build with -DMUTANT=n and the suite
 * must fail.
 *
 * A mutant is one line at a guard. MUTANT is 0 in every build that is not a mutation
 * test, and the compiler then drops the line. tests/mutants.txt lists the numbers, what
 * each breaks, and which test must find it.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_MUTANT_H
#define CONSENS_BASE_MUTANT_H

#include <stdbool.h>

#ifndef MUTANT
#define MUTANT 0
#endif

#ifdef COVERAGE
#define MUTANT_IS(number) 0 // what is not planted is no branch that tests could miss
#else
// A function, since compilers warn of branches that are constant in plain sight.
#define MUTANT_IS(number) mutant_is(number)
#endif

static inline bool mutant_is(int number)
{
    return MUTANT == number;
}

#endif
