/*
 * stats.h - how often each thing happened in all seeds run: what never happens is not
 * tested.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_STATS_H
#define CONSENS_TESTS_SIM_STATS_H

#include "base/status.h"
#include "sim/workload.h"

#include <consens/paxos.h>
#include <stdint.h>

enum {
    STATS_FAULTS_MAX = 32,
    STATS_TRACES_MAX = 32,
    STATS_NODES_MAX = 8,
    STATS_SHAPES_MAX = 8,
    STATS_HALTS_MAX = 8,
    STATS_ROTS_MAX = 8,
    STATS_LEADER_BUCKETS = 512,
    STATS_LEADER_BUCKET_US = 10000,
};

struct stats {
    uint64_t seeds;
    uint64_t simulated_us;
    uint64_t events;
    uint64_t operations;
    uint64_t operations_written; // definitely applied
    uint64_t operations_read;    // linearizable, answered
    uint64_t operations_unknown;
    uint64_t local_reads;
    uint64_t condition_held;
    uint64_t condition_failed;
    uint64_t frames_sent;
    uint64_t frames_lost;
    uint64_t frames_cut;
    uint64_t frames_over_mark;
    uint64_t frames_doubled;
    uint64_t frames_replayed;
    uint64_t frames_corrupted;
    uint64_t frames_to_nobody;
    uint64_t commits;
    uint64_t records;
    uint64_t seals;
    uint64_t segments;
    uint64_t segments_without_room;
    uint64_t log_reads;
    uint64_t starts;
    uint64_t restarts_with_log;
    uint64_t crashes_in_open;
    uint64_t crashes_in_commit;
    uint64_t crashes_in_segment;
    uint64_t disk_errors; // met by a commit
    uint64_t torn_blocks;
    uint64_t leaders;
    uint64_t wiped;
    uint64_t rolled_back;
    uint64_t rots[STATS_ROTS_MAX];      // of the log
    uint64_t copy_rots[STATS_ROTS_MAX]; // of superblocks
    uint64_t slots_lost;                // as starts reported them
    uint64_t refused_starts;
    uint64_t halts[STATS_HALTS_MAX];
    uint64_t search_steps;
    uint64_t search_steps_most; // of one seed
    uint64_t search_seed;       // that one
    uint64_t faults[STATS_FAULTS_MAX];
    uint64_t shapes[STATS_SHAPES_MAX];
    uint64_t messages[PAXOS_MESSAGE_TYPES];
    uint64_t forwards;
    uint64_t refusals;
    uint64_t traces[STATS_TRACES_MAX];
    uint64_t statuses[CS_STATUS_COUNT];
    uint64_t sizes[STATS_NODES_MAX]; // seeds by number of nodes
    uint64_t liveness_shapes[STATS_SHAPES_MAX];
    uint64_t burdens[3];
    // Seeds by how long after faults ended a core with nothing to mend had its leader.
    uint64_t leader_after[STATS_LEADER_BUCKETS];
    uint64_t leader_after_most_us;
    uint64_t leader_after_seed; // of the most
    struct workload workload;
};

/* The coverage table on stdout; what never happened is listed at its end. */
void stats_print(const struct stats *stats);

#endif
