/*
 * monitored.h - each step of a rig's core before tests/monitor: a test fails at the first
 * that breaks a rule.
 *
 * Thread: one; a monitor for the whole program.
 */
#ifndef CONSENS_TESTS_UNIT_MONITORED_H
#define CONSENS_TESTS_UNIT_MONITORED_H

#include "unit/support/paxos_rig.h"

/* cmocka's group setup and teardown. */
int monitored_begin(void **state);
int monitored_end(void **state);

/* Before the rig's core is made. */
void monitored_watch(struct paxos_rig *rig);

#endif
