/*
 * world.h - one simulated cluster: its time, nodes, network, disks, clients, faults and
 * judges, and the borders between the files of this folder.
 *
 *   world.c     the loop: take the next event, let it happen, judge
 *   swarm.c     what this seed's world is like
 *   node.c      a process: start, turns of its loop, crash, pause; the replica's ports
 *   logging.c   a node's log thread over its simulated disk
 *   clock.c     a node's clock: drifting, jumping, freezing
 *   network.c   frames between nodes
 *   shapes.c    who reaches whom: partitions and the named shapes
 *   faults.c    what goes wrong, and when; atlas.c what disks may be lost, and what was
 *   clients.c   operations, answers; history.c what must hold of them
 *   sessions.c  clients that write in sessions, and what must hold of those answers
 *   judge.c     invariants of the logs; claims.c of what is said in messages; recovery.c of
 *               what starts find
 *   monitoring.c the monitor of each step (tests/monitor)
 *   liveness.c  the second phase
 *   report.c    transcript, trace hash, counters; workload.c which operations met
 *   variant.c   a seed's world made smaller
 *
 * All time is in microseconds of the world unless a name says otherwise.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_WORLD_H
#define CONSENS_TESTS_SIM_WORLD_H

#include "base/bytes.h"
#include "engine/replica.h"
#include "lincheck/lincheck.h"
#include "monitor/monitor.h"
#include "sim/atlas.h"
#include "sim/events.h"
#include "sim/holes.h"
#include "sim/random.h"
#include "sim/recovery.h"
#include "sim/report.h"
#include "sim/sessions.h"
#include "sim/shadow.h"
#include "sim/stats.h"
#include "sim/swarm.h"
#include "sim/variant.h"
#include "support/disk.h"
#include "wal/wal.h"
#include "wire/peer_message.h"

enum {
    NODES_MAX = 5,
    CLIENTS_MAX = 8,
    KEYS_MAX = 50,
    INBOX_MAX = 4096, // things waiting for one turn; frames past it are dropped (ZeroMQ)
    OPERATIONS_MAX = 3000, // clients stop at so many
    EVENTS_MAX = 3000000,  // a seed that needs more runs away
    LOG_READS_MAX_SIM = 16,
};

#define MS                ((uint64_t)1000)
#define SECOND            ((uint64_t)1000000)
#define NEVER             UINT64_MAX
#define HALTED_US         (500 * MS) // times the halts: then it is started again
#define DISK_BYTES        ((uint64_t)256 * 1024 * 1024)
#define LIVENESS_BOUND_US (5 * SECOND) // within it a core without faults serves everybody
#define SETTLED_US        (1 * SECOND) // then no leader changes for so long (L4)
#define THIN_US           (26 * SECOND) // a thin seed goes on, but no longer than this

enum phase { PHASE_SAFETY = 0, PHASE_LIVENESS, PHASE_SETTLED, PHASE_END };

/*
 * ---- parts
 * --------------------------------------------------------------------------------
 */

struct sim_clock {
    uint64_t base_us;     // of the world ...
    uint64_t base_own_us; // ... when it showed this
    uint32_t rate_ppm;    // 1,000,000 is right; 0 is frozen
    uint32_t usual_ppm;
    uint64_t change; // number of the last change of rate
};

enum inbox_kind {
    INBOX_FRAME = 1,
    INBOX_DURABLE,
    INBOX_SLICE,
    INBOX_REQUEST,
    INBOX_PEER_LOST,
    INBOX_DISK_SLOW,
    INBOX_ROOM, // index: there is room
    INBOX_STOP,
};

struct inbox_item {
    uint32_t kind;
    uint32_t index; // frame, operation, seat, log read
    uint64_t token; // DURABLE
    uint64_t block;
    uint64_t sync_us;
};

struct log_read {
    bool is_taken;
    uint64_t life;
    cs_slot first;
    cs_slot last;
    uint32_t max_entries;
    uint64_t max_bytes;
    uint64_t cookie;
    bool is_read;
    struct wal_slice slice;
};

struct log_thread {
    struct wal *wal;
    struct cs_buffer queued; // records
    uint32_t *queued_bytes;  // of each
    size_t queued_count;
    size_t queued_capacity;
    struct cs_buffer in_flight; // the block being written
    bool is_busy;
    bool is_sealing;         // the block under way is empty
    bool is_waiting_segment; // WAL_FULL: the block waits for the helper
    bool is_out_of_room;     // as the engine was told
    uint64_t commit_number;  // of the block under way or the last one, in all lives
    uint64_t commit_begun_us;
    uint64_t commit_ends_us;
    uint64_t last_block;  // durable
    bool is_preparing;    // a segment
    uint64_t preparation; // number of the last one begun, in all lives
    uint64_t segment_number;
    uint32_t slowness; // sync times this
    uint64_t slow_change;
    bool is_disk_full;
    bool is_start_full; // the last start found no room
    uint64_t room_change;
};

enum loss {
    LOSS_NONE = 0,
    LOSS_WIPED,       // the disk is gone: it must say so, and never vote (G1)
    LOSS_ROLLED_BACK, // it is as it was earlier: likewise (G2)
    LOSS_REFUSED,     // so much has rotted that it cannot be used, and that was said
};

struct image { // of a disk, as sim_disk_keep_image() has it
    bool is_kept;
    struct shadow_log log; // durable then
    uint64_t token;
    uint64_t block;
    uint64_t boot;
    struct paxos_watermark remembered[NODES_MAX];
    struct holes holes;
};

enum crash_plan {
    CRASH_NOT = 0,
    CRASH_IN_COMMIT,
    CRASH_AFTER_COMMIT,
    CRASH_IN_SEGMENT, // as the next one is made
};

struct node {
    uint32_t seat;
    bool is_up;
    bool is_paused;
    bool is_stopping;
    bool stays_down;     // liveness: not of the core, off
    enum loss loss;      // of what its disk held
    uint64_t halt_count; // in all lives
    bool has_bad_copy;   // of its superblock: with a torn write it may be lost
    bool has_rotted;     // ever, anything on this disk
    struct holes holes;  // slots that its disk may have lost
    struct image image;
    struct paxos_watermark remembered[NODES_MAX]; // of its peers, durably (G3)
    uint8_t old_copy[DAMAGE_PAGE_BYTES];          // of its superblock, at its last start
    bool has_old_copy;
    struct paxos_watermark noted[NODES_MAX]; // as its log was last told
    struct paxos_watermark shown[NODES_MAX]; // as its core had them ...
    uint64_t shown_ms;                       // ... then, by its clock
    uint64_t judged_ms;  // the last time this was looked at, by its clock
    cs_slot lost_length; // how long its durable log was when it was lost
    uint64_t life;       // rises with each start and each crash
    uint64_t pause_number;
    uint64_t boot;
    uint64_t starts;
    enum crash_plan crash_plan;
    struct replica *replica;
    struct sim_disk *disk;
    struct files files;
    struct log_thread log;
    struct sim_clock clock;
    struct shadow shadow;
    struct paxos_id incarnation;
    struct log_read reads[LOG_READS_MAX_SIM];
    struct inbox_item *inbox; // INBOX_MAX
    uint32_t inbox_count;
    uint64_t turn_at_us; // the planned turn; NEVER: none
    // What the judge remembers of this life:
    cs_slot decided;
    cs_slot applied;
    uint64_t local_revision;
    // ... and of all lives:
    struct paxos_ballot promise_sent; // the largest of its Promises (P1)
    cs_slot held; // chosen slots it durably held under a ballot not below theirs (I6)
    uint64_t epoch_us; // where its monotonic clock started
    struct random disk_random;
    struct random clock_random;
    struct random identity_random;
    struct monitor *monitor; // a second opinion on each step: monitoring.c
};

struct port_context { // what a replica's ports get: they have one pointer
    struct world *world;
    struct node *node;
};

struct frame {
    struct cs_buffer bytes;
    uint32_t references;
    uint32_t from;
    uint32_t to;
    uint64_t sent_us;
    uint32_t next_free;
};

struct link {
    bool is_cut;
    uint32_t latency_us;
    uint32_t jitter_us;
    uint64_t clogged_until_us;
    uint64_t last_arrival_us;
    uint32_t in_flight;
};

struct network {
    struct link links[NODES_MAX][NODES_MAX];
    struct frame *frames;
    size_t frame_count;
    size_t frame_capacity;
    uint32_t first_free;
    uint64_t fault_number;  // of the shape in force
    uint32_t loss_permille; // now
    bool is_calm;           // liveness: no loss, no delays out of the ordinary
    uint64_t calm_since_us;
};

struct operation {
    uint32_t client;
    uint32_t node;
    uint32_t kind;      // enum request_kind
    uint32_t operation; // enum command_operation, of a WRITE
    uint32_t key;
    uint32_t condition; // enum command_condition
    uint32_t consistency;
    uint32_t value_bytes;
    uint64_t condition_revision;
    uint64_t min_revision;
    uint64_t timeout_ms;
    uint64_t life;    // of the node when it was sent
    uint64_t invoked; // points of the world's order
    uint64_t returned;
    uint64_t invoked_us;
    uint64_t leaders;        // leaderships there had been when it was invoked
    uint64_t floor_revision; // highest revision acknowledged before it was invoked (I13)
    uint64_t session;        // 0: none; then what follows up to is_again says nothing
    uint64_t sequence;
    uint64_t acknowledged;
    uint64_t earliest_ms;   // log time: it is applied then or later
    uint64_t opens;         // sessions that were open for certain when it was sent
    uint32_t first;         // attempt of this write; its own number if there is one only
    uint32_t open_attempts; // of a first attempt: that may be applied, as far as is known
    bool is_again;          // not the first attempt
    bool is_told;           // of a first attempt: some attempt had the answer ...
    struct told_result told; // ... this one ...
    uint64_t told_at;        // ... at this point
    uint64_t made_revision;  // of a put, as anybody was told of it (I14)
    bool is_answered;
    bool is_abandoned; // its client has gone on
    bool is_probe;     // of the liveness phase; its client is the node
    bool was_seen;     // a put whose value somebody read
    // The answer:
    enum cs_status status;
    uint64_t revision;
    uint64_t item_revision;
    uint64_t version;
    uint64_t value; // FOUND: number of the put that wrote it
};

struct client {
    bool is_waiting;
    uint32_t operation;               // the current one
    uint64_t seen_revision[KEYS_MAX]; // of each key, as this client last saw it
    uint64_t last_revision;
};

struct key_fact { // a revision of a key, as answers tell it
    uint64_t revision;
    uint64_t version;
    uint32_t key;
    uint32_t operation; // the put; UINT32_MAX: a delete
    bool is_delete;
};

struct history {
    struct operation *operations;
    uint32_t count;
    uint32_t capacity;
    uint64_t order;          // the last point given out
    uint64_t acked_revision; // highest of any linearizable answer (I13)
    struct key_fact *facts;  // by revision; facts[0] unused
    size_t fact_capacity;
    size_t fact_count;
    struct lincheck *lincheck;
    uint64_t key_revision[KEYS_MAX]; // of each key, as anybody last saw it
};

struct ballot_fact { // what was done under a ballot (I1, I5)
    struct paxos_ballot ballot;
    uint32_t seat;
    uint64_t boot;
    bool is_leading; // sync_length and sync_chain are known
    cs_slot sync_length;
    struct paxos_digest sync_chain;
    cs_slot sent_length; // the longest log sent under it
    struct paxos_digest sent_chain;
    struct shadow_log log;    // its proposer's; of it only the chains
    cs_slot voted[NODES_MAX]; // how far nodes had voted under it when they left it
};

struct judge {
    struct shadow_log chosen;           // the chosen log
    struct paxos_ballot *chosen_ballot; // by slot: under which it was chosen
    size_t chosen_capacity;
    struct cs_digest *state_digest; // by slot; zero: nobody stood there yet
    size_t state_capacity;
    cs_slot state_length;
    struct ballot_fact *ballots;
    size_t ballot_count;
    size_t ballot_capacity;
    struct paxos_config config; // of any durable one
    struct wire_frame frame;    // scratch of claims.c
};

/* What stays wrong with one node of a core that has a quorum without it. */
enum burden {
    BURDEN_NONE = 0,
    BURDEN_FULL_DISK, // writes go on at the others (failure 11)
    BURDEN_SLOW_DISK, // a hundred times slower (failure 12): E6, or nobody notices
};

struct liveness {
    enum burden burden;
    uint32_t burdened;        // seat
    cs_slot burdened_applied; // when the phase began
    bool is_leader_burdened;  // when judged
    uint32_t core_mask;
    bool is_borne;             // its disks have all that was chosen
    bool is_timed;             // until it has a leader: nothing has to be mended first
    bool is_judged;            // the bound is over
    const struct node *leader; // then
    bool was_thin;             // too few operations at the last look
    bool probe_done[NODES_MAX];
    bool probe_answered[NODES_MAX]; // well or not
    bool must_halt[NODES_MAX];      // lost its disk and is heard by the core
    uint32_t probe[NODES_MAX];      // operation
    uint32_t leader_changes;        // after it settled
};

struct atlas {
    bool went_beyond; // more was lost than the cluster is made to bear
};

struct violation {
    bool is_found;
    char rule[24];
    char sentence[400];
    uint64_t time_us;
    uint32_t node; // NODES_MAX: none
    cs_slot slot;
    struct paxos_ballot ballot;
};

struct world {
    uint64_t seed;
    struct variant variant; // what is left out; the caller's, of all seeds
    uint64_t safety_us;     // length of the first phase
    uint32_t operations_min;
    uint64_t points_drawn; // buggify points of this seed
    uint64_t buggify;      // those that are on now; none once faults end
    uint32_t fault_count;
    bool was_formed; // all nodes had a durable START (C8)
    uint64_t now_us;
    enum phase phase;
    struct swarm_options options; // the caller's
    struct swarm swarm;
    struct sim_events events;
    struct node nodes[NODES_MAX];
    struct network network;
    struct client clients[CLIENTS_MAX];
    struct session_client session_clients[CLIENTS_MAX];
    struct session_opens opens;
    struct history history;
    struct judge judge;
    struct liveness liveness;
    struct atlas atlas;
    struct violation violation;
    struct stats *stats; // of all seeds; the caller's
    uint64_t event_count;
    uint64_t hash; // of all events and effects so far
    bool is_tracing;
    bool is_monitor_alone; // no other judge is heard: `--monitor-alone`
    struct random net_random;
    struct random work_random;
    struct random fault_random;
    struct random turn_random;
    struct random log_random;
    struct random session_random;
    struct cs_buffer scratch; // requests, corrupted frames
    struct cs_buffer scratch2;
};

/* ---- world.c ---- */
struct world *world_new(struct stats *stats);
void world_destroy(struct world **world);
/* The seed's world as it begins: swarm, points. */
void world_prepare(struct world *world, uint64_t seed);
/* Runs one seed; false: a violation was found (world->violation). */
bool world_run(struct world *world, uint64_t seed, bool is_tracing);

/* ---- clock.c ---- */
void clock_reset(struct world *world, struct node *node);
uint64_t clock_own_us(const struct world *world, const struct node *node);
uint64_t clock_own_ms(const struct world *world, const struct node *node);
/* When the node's clock will show `own_ms`; NEVER while it is frozen. */
uint64_t
clock_world_us(const struct world *world, const struct node *node, uint64_t own_ms);
void clock_set_rate(struct world *world, struct node *node, uint32_t rate_ppm);
void clock_jump(struct world *world, struct node *node, uint64_t forward_us);

/* ---- node.c ---- */
void node_reset(struct world *world, struct node *node, uint32_t seat);
void node_start(struct world *world, struct node *node);
/* The process is gone. `is_power_loss`: what its disk had not synced may be gone too. */
void node_crash(struct world *world, struct node *node, bool is_power_loss);
void node_pause(struct world *world, struct node *node, uint64_t for_us);
void node_resume(struct world *world, struct node *node);
void node_turn(struct world *world, struct node *node);
void node_plan_turn(struct world *world, struct node *node, uint64_t at_us);
/* False: no room (a frame is lost, as over a high-water mark). */
bool node_push(struct world *world, struct node *node, const struct inbox_item *item);
bool node_is_leading(const struct node *node);

/* ---- logging.c ---- */
bool logging_open(struct world *world, struct node *node, struct wal_recovery *recovery);
/* The process ends before it serves, and says why; it will be started again. */
void logging_refuse(struct world *world, struct node *node, const char *sentence);
/* The node is up: its log thread begins. */
void logging_begin(struct world *world, struct node *node);
void logging_close(struct node *node);
void logging_append(struct world *world, struct node *node, struct cs_view records);
void logging_read(struct world *world, struct node *node, const struct log_read *read);
void logging_commit_done(struct world *world, struct node *node, uint64_t commit_number);
void logging_commit_slow(struct world *world, struct node *node, uint64_t commit_number);
void logging_seal(struct world *world, struct node *node, uint64_t commit_number);
void logging_segment_done(struct world *world, struct node *node, uint64_t preparation);
void logging_read_done(struct world *world, struct node *node, uint32_t index);
void logging_retry_segment(struct world *world, struct node *node, uint64_t preparation);
/* No file of the node grows any more, or they may again. */
void logging_set_room(struct node *node, bool has_room);
void logging_fill_disk(struct world *world, struct node *node, uint64_t for_us);
void logging_make_normal(struct world *world, struct node *node);
void logging_slow_down(struct world *world,
                       struct node *node,
                       uint32_t times,
                       uint64_t for_us);

/* ---- network.c ---- */
void network_reset(struct world *world);
void network_fini(struct network *network);
void network_send(struct world *world, uint32_t from, uint32_t to, struct cs_view bytes);
void network_arrive(struct world *world, uint32_t frame_index);
void network_release(struct network *network, uint32_t frame_index);

/* ---- shapes.c ---- */
void shapes_heal(struct world *world);
/* What strikes says whether it did: one node alone has no links. */
bool shapes_partition(struct world *world);
bool shapes_isolate(struct world *world, uint32_t seat);
bool shapes_cut_one_way(struct world *world);
bool shapes_named(struct world *world, uint32_t leader);
const char *shapes_name(uint32_t shape); // NULL: there are no more
void shapes_flap(struct world *world, uint32_t from, uint64_t argument);
/* Liveness: links among the core are whole; the rest is off or half connected. */
void shapes_core(struct world *world, uint32_t core_mask, bool is_half_connected);
void shapes_star(struct world *world, uint32_t hub);
void shapes_line(struct world *world);
/* All but `without` reach a hub, and of each other one direction of some links. */
void shapes_one_way_star(struct world *world, uint32_t hub, uint32_t without);
/* Liveness: this node's links to all others are whole. */
void shapes_join(struct world *world, uint32_t seat);

/* ---- faults.c ---- */
void faults_plan_next(struct world *world);
void faults_strike(struct world *world);
const char *faults_name(uint32_t kind);

/* ---- clients.c ---- */
void clients_reset(struct world *world);
void clients_act(struct world *world, uint32_t client);
void clients_give_up(struct world *world, uint32_t operation);
void clients_deliver(struct world *world, struct node *node, uint32_t operation);
void clients_answer(struct world *world,
                    struct node *node,
                    uint64_t id,
                    const struct reply *reply);
void clients_lose_node(struct world *world, const struct node *node);
/* Liveness: a fresh write of this node's own client. */
void clients_probe(struct world *world, struct node *node);

/* ---- workload.c ---- */
void workload_note_invoked(struct world *world, struct operation *operation);
void workload_note_answered(struct world *world, const struct operation *operation);

/* ---- history.c ---- */
void history_reset(struct history *history);
void history_fini(struct history *history);
uint32_t history_add(struct history *history, const struct operation *operation);
/* Judges one answer as it comes (I13, I15, dirty reads). */
void history_judge_answer(struct world *world,
                          struct node *node,
                          struct operation *operation,
                          struct cs_view value);
/* The whole history: I12 by search, by revisions, and the final state. */
void history_judge(struct world *world);
/* The number of the put that wrote this value; UINT32_MAX: nobody did. */
uint32_t
history_put_of(const struct history *history, uint32_t key, struct cs_view value);
void history_make_value(struct cs_buffer *out, uint32_t operation, uint32_t bytes);

/* ---- judge.c ---- */
void judge_reset(struct judge *judge);
void judge_fini(struct judge *judge);
void judge_append(struct world *world, struct node *node);
void judge_durable(struct world *world, struct node *node, uint64_t token);
/* The first slot at `from` or behind it that is not chosen and known to be lost; 0: none. */
cs_slot
judge_unknown_slot(const struct world *world, const struct node *node, cs_slot from);
void judge_turn(struct world *world, struct node *node);
void judge_trace(struct world *world, struct node *node, const struct paxos_trace *trace);
void judge_acked(struct world *world, struct node *node);
struct ballot_fact *judge_ballot(struct judge *judge, struct paxos_ballot ballot);

/* ---- claims.c ---- */
void claims_judge(struct world *world,
                  struct node *node,
                  uint32_t to,
                  struct cs_view bytes);

/* ---- monitoring.c: ports ---- */
void monitoring_begun(void *context,
                      const struct paxos_settings *settings,
                      const struct paxos_recovered *recovered,
                      const struct paxos_core *core);
void monitoring_stepped(void *context,
                        const struct paxos_core *core,
                        const struct paxos_event *event,
                        const struct paxos_effects *effects,
                        const struct paxos_view *view);

/* ---- liveness.c ---- */
const char *liveness_name(uint32_t shape); // NULL: there are no more
void liveness_begin(struct world *world);
/* After each turn: how long until there is a leader. */
void liveness_note(struct world *world);
void liveness_judge(struct world *world);
void liveness_end(struct world *world);
void liveness_trace(struct world *world,
                    const struct node *node,
                    const struct paxos_trace *trace);

#endif
