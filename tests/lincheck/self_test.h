/*
 * self_test.h - who checks the checker: thousands of good and bad histories, both ways.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_SELF_TEST_H
#define CONSENS_TESTS_LINCHECK_SELF_TEST_H

#include <stdbool.h>
#include <stdint.h>

enum { SELF_TEST_GOOD = 10000, SELF_TEST_BAD = 1000 };

/* Prints a line a sort, then `N passed, N failed`. True: all were told apart. */
bool self_test_run(uint64_t seed);

#endif
