/*
 * swarm.h - what a seed's world is like: which faults are on and how strong, how large the
 * windows, rings, blocks and values are.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_SWARM_H
#define CONSENS_TESTS_SIM_SWARM_H

#include <consens/paxos.h>

#include <stdbool.h>
#include <stdint.h>

enum fault_kind {
    FAULT_CRASH = 0,
    FAULT_CRASH_LEADER,
    FAULT_CRASH_IN_COMMIT,    // while the block is being written
    FAULT_CRASH_AFTER_COMMIT, // durable, and nobody knows
    FAULT_POWER_LOSS,         // of all nodes together
    FAULT_STOP,               // SIGTERM: hands leadership over, drains
    FAULT_PAUSE,
    FAULT_PAUSE_LEADER,
    FAULT_PARTITION, // symmetric
    FAULT_ISOLATE_LEADER,
    FAULT_ONE_WAY,
    FAULT_SHAPE, // quorum-loss, constrained, chained, bridge, star
    FAULT_CLOG,
    FAULT_LOSS_BURST,
    FAULT_CLOCK_RATE,
    FAULT_CLOCK_JUMP,
    FAULT_CLOCK_FREEZE,
    FAULT_SLOW_DISK,
    FAULT_DISK_ERROR, // EIO or short write, once: the process ends
    FAULT_FALSE_PEER_LOST,
    FAULT_SLOW_LEADER_DISK, // E6: a hundred times slower
    FAULT_DISK_FULL,        // no file grows; room returns later
    FAULT_DISKS_FULL,       // of all nodes together
    FAULT_WIPE,             // a disk is lost, and an empty one put in its place (G1)
    FAULT_ROLL_BACK, // a disk is put back as it was: an old backup, a machine's snapshot
    FAULT_DAMAGE,    // bytes at rest change: flipped, of another place, as before
    FAULT_KINDS,
};

/* How long frames take, apart from the jitter. */
enum delay_kind {
    DELAY_EVEN = 0, // alike on all links
    DELAY_BY_LINK,  // each link its own, each direction too
    DELAY_FAR_NODE, // one node is far from all others
    DELAY_KINDS,
};

/* What the command line asks for, of all seeds. */
struct swarm_options {
    bool is_long;    // 120 s and 1,000 operations
    bool has_damage; // disks rot in every seed, not in a fifth
};

struct swarm {
    uint64_t safety_us;      // how long the first phase is
    uint32_t operations_min; // a seed has at least so many
    uint32_t node_count;
    uint32_t client_count;
    uint32_t key_count;
    uint32_t hot_permille; // of operations on the first key
    uint32_t operation_target;
    uint32_t value_bytes_max;
    uint32_t session_permille; // of clients that write in sessions
    uint64_t sessions_max;     // of the state machine
    uint64_t session_idle_ms;
    uint32_t turn_delay_us; // of a node's loop, at most
    // Network.
    uint32_t latency_us; // at least
    uint32_t jitter_us;  // on top, skewed
    enum delay_kind delay;
    uint32_t spike_permille; // of frames late by up to a second
    uint32_t loss_permille;
    uint32_t duplicate_permille;
    uint32_t replay_permille; // again after seconds
    uint32_t corrupt_permille;
    bool is_ordered;          // each link keeps the order
    uint32_t link_frames_max; // high-water mark
    // Disk.
    uint32_t sync_us; // usual time of a commit, at least
    uint32_t sync_jitter_us;
    uint32_t block_bytes_max;
    bool is_buffered; // no direct I/O: through the page cache
    // Core and replica.
    struct paxos_settings core;
    uint32_t batch_commands_max;
    uint32_t batch_bytes_max;
    uint32_t requests_waiting_max;
    uint32_t slots_in_flight_max;
    uint64_t segment_bytes;
    // Faults.
    uint32_t fault_weight[FAULT_KINDS]; // 0: off
    uint32_t fault_weight_sum;
    uint64_t fault_every_us; // on average
    uint64_t down_us_max;    // of a crashed node
    bool tells_peer_lost;    // a crash closes connections, and that is heard
    bool is_beyond;          // more may be lost than the cluster is made to bear
};

void swarm_draw(struct swarm *swarm, uint64_t seed, const struct swarm_options *options);

#endif
