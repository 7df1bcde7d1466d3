/*
 * judge.h - decides the history in a file, and says in words what is wrong with it.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_JUDGE_H
#define CONSENS_TESTS_LINCHECK_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define JUDGE_STEPS_DEFAULT UINT64_C(20000000) // of one key

enum judge_verdict { // the exit codes of the programs that ask
    JUDGE_GOOD = 0,
    JUDGE_VIOLATED = 1,
    JUDGE_UNREAD = 2,
    JUDGE_UNDECIDED = 3, // the search ran out of steps: never a pass
};

struct judge_ways {
    bool fast;   // the order that the answers tell: they must carry revisions
    bool search; // trusts no order
    uint64_t steps;
};

/* Prints to standard output; why a file cannot be read (lines.h has the format) to error. */
enum judge_verdict judge_file(const char *path, const struct judge_ways *ways);

#endif
