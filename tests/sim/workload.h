/*
 * workload.h - is the workload worth judging? Which kinds of operations were under way
 * together, conditions that held, reads that a change of leader overtook.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_WORKLOAD_H
#define CONSENS_TESTS_SIM_WORKLOAD_H

#include <stdint.h>

enum work_kind {
    WORK_GET = 0,
    WORK_HEAD,
    WORK_LOCAL, // a local read
    WORK_PUT,
    WORK_PUT_IF,
    WORK_DELETE,
    WORK_DELETE_IF,
    WORK_KINDS,
};

struct workload {
    uint64_t pairs[WORK_KINDS][WORK_KINDS]; // of one key; [smaller kind][larger kind]
    uint64_t reads_over_change;  // answered, and asked before the leadership that answers
    uint64_t writes_over_change; // likewise
};

const char *workload_name(uint32_t kind);

#endif
