/*
 * nodes.h - a few replicas in one process for unit tests: frames in a queue, disks that
 * sync when told, time that moves when told. The simulator (tests/sim) is the thorough
 * one; here a test drives each step by hand.
 *
 * Thread: the test's.
 */
#ifndef CONSENS_TESTS_NODES_H
#define CONSENS_TESTS_NODES_H

#include "engine/replica.h"
#include "wire/peer_message.h"

enum {
    NODES_MAX = 5,
    NODES_ANSWERS_MAX = 256,
    NODES_FRAMES_MAX = 4096,
    NODES_SLOTS_MAX = 512
};

struct nodes;

struct nodes_frame {
    uint32_t from;
    uint32_t to;
    uint32_t kind; // enum wire_kind
    struct cs_buffer bytes;
};

struct nodes_answer {
    uint64_t ticket;
    struct reply reply;     // value points into `value`
    struct cs_buffer value; // ends with a zero byte
};

struct nodes_entry { // what a node's disk holds of one slot
    struct paxos_entry entry;
    struct cs_buffer payload;
};

struct nodes_node {
    struct nodes *nodes;
    uint32_t seat;
    struct replica *replica; // NULL: down
    bool is_disk_held;       // nothing becomes durable
    uint64_t block;          // of the newest record that peers are told of
    bool has_unsynced;       // records, with or without a token
    uint32_t log_reads;
    uint64_t read_cookie; // a slice asked for, to be delivered by nodes_run
    cs_slot read_first;
    cs_slot read_last;
    struct wal_fault lost; // slots that the disk has lost; first = 0: none
    uint32_t notes;        // NOTE records written
    struct nodes_entry log[NODES_SLOTS_MAX]; // by slot
};

struct nodes {
    uint32_t count;
    uint64_t now_ms;
    uint64_t last_ticket;
    struct nodes_node node[NODES_MAX];
    struct nodes_frame frames[NODES_FRAMES_MAX]; // ring
    uint32_t frame_first;
    uint32_t frame_count;
    struct nodes_answer answers[NODES_ANSWERS_MAX];
    uint32_t answer_count;
    /* False: the frame is lost. NULL: all pass. */
    bool (*filter)(void *context, const struct nodes_frame *frame);
    void *context;
    uint32_t trace_counts[32]; // by paxos_trace_kind, of all nodes
    // settings of replicas made from here on
    uint32_t requests_waiting_max;
    uint32_t window_entries;
    uint32_t batch_commands_max;
    uint32_t log_io;
    uint64_t incarnation; // high half of all of them
    uint32_t durability;
};

/* `count` nodes without a past, up, at time 1,000 ms. */
struct nodes *nodes_new(uint32_t count);
void nodes_free(struct nodes **nodes);
void nodes_start(struct nodes *nodes,
                 uint32_t seat,
                 const struct paxos_recovered *recovered,
                 uint64_t boot);
void nodes_kill(struct nodes *nodes, uint32_t seat);

/* Moves time on by `ms`, one at a time: ticks, frames, syncs, flushes. */
void nodes_run(struct nodes *nodes, uint64_t ms);
/* Runs until a leader can propose; its seat. Fails the test after 5 s. */
uint32_t nodes_run_until_led(struct nodes *nodes);
/* Runs until the answer is there. Fails the test after `ms`. */
const struct nodes_answer *nodes_await(struct nodes *nodes, uint64_t ticket, uint64_t ms);

/* Ends the turn of one node without moving time. */
void nodes_flush(struct nodes *nodes, uint32_t seat);
/* Each returns the request's ticket. */
uint64_t
nodes_put(struct nodes *nodes, uint32_t seat, const char *key, const char *value);
uint64_t nodes_delete(struct nodes *nodes, uint32_t seat, const char *key);
uint64_t nodes_get(struct nodes *nodes,
                   uint32_t seat,
                   const char *key,
                   uint32_t consistency,
                   uint64_t min_revision);
uint64_t nodes_ask(struct nodes *nodes, uint32_t seat, uint32_t kind);
void nodes_request(struct nodes *nodes, uint32_t seat, const struct request *request);

/* NULL: not answered. */
const struct nodes_answer *nodes_answer_to(const struct nodes *nodes, uint64_t ticket);
enum cs_status nodes_status_of(const struct nodes *nodes, uint64_t ticket);
void nodes_deliver(struct nodes *nodes, uint32_t seat, struct cs_view bytes);

#endif
