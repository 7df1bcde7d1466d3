/*
 * world.h - a cluster of real cores in virtual time, for the transcripts of this folder.
 *
 * A process is one core over one directory: n1..n7 by seat, and n1b.. for a second
 * process on a copy of the directory of n1 (a twin). Only paxos_step() is driven:
 * entries are identities, the payload of the k-th proposal of a scenario is the number
 * k. Everything is deterministic.
 *
 *   world.c      time: what happens next
 *   process.c    a core's life, and its effects carried out as paxos.h demands
 *   storage.c    the disk of a process: what is durable, what is on its way
 *   network.c    messages on their way, cuts, drops, holds
 *   checks.c     the global invariants, after every step
 *   output.c     what a command prints
 *   verbs.c      the commands of a transcript
 *   transcript.c files of commands and what they print: compared, or rewritten
 *
 * Thread: the one there is.
 */
#ifndef CONSENS_TESTS_SCENARIOS_WORLD_H
#define CONSENS_TESTS_SCENARIOS_WORLD_H

#include "base/check.h"

#include <consens/paxos.h>

#include <stdio.h>

enum {
    PROCESSES_MAX = 2 * PAXOS_MEMBERS_MAX, // the seats, then their twins
    SLOTS_MAX = 1024,                      // of a scenario
    RECORDS_MAX = 512,                     // not yet durable, of one process
    ENVELOPES_MAX = 8192,                  // messages on their way
    RULES_MAX = 16,                        // drops and holds in force
    READS_MAX = 32,                        // unanswered, of one process
    BALLOTS_MAX = 512,                     // sent or accepted in a scenario
    OUTPUT_BYTES = 64 * 1024,              // of one command
    NAME_BYTES = 8,
    ANY = -1,    // of a rule: any process, any type
    NOBODY = -1, // of a ballot: not sent yet
};

/* A directory, as a restart would find it. */
struct storage {
    struct paxos_id incarnation; // none: nothing was ever written
    uint64_t boot;
    uint64_t block;
    uint64_t token;
    struct paxos_config config;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;
    cs_slot length;
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
    struct paxos_entry entries[SLOTS_MAX]; // slot s at s - 1
    bool is_lost[SLOTS_MAX + 1]; // by slot: its bytes are damaged; what is left says what
                                 // the whole log hashes to, no more
};

struct record {
    struct paxos_persist persist;
    struct paxos_config config;
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
    struct paxos_entry *entries;
};

/* One block is in flight: the first `writing` records of the queue. */
struct disk {
    struct storage durable;
    struct storage *image; // saved by `image`
    struct record queue[RECORDS_MAX];
    uint32_t queued;
    uint32_t writing;
    uint64_t started_ms;
    uint64_t told_slow_ms; // when the core last heard that the sync is slow
    uint64_t latency_ms;
    bool is_held;
};

struct read { // a linearizable read that waits
    uint64_t id;
    uint64_t number; // in the scenario, for people
    cs_slot floor;   // what it must not miss (I13)
    cs_slot slot;    // confirmed at; valid if is_confirmed
    bool is_confirmed;
};

struct process {
    bool exists;
    bool is_running;
    bool is_paused; // no time passes for it; what is sent to it piles up
    char name[NAME_BYTES];
    uint32_t seat;
    uint64_t starts; // processes begun on this directory or its copies
    void *memory;
    struct paxos_core *core;
    struct paxos_view view;
    struct disk disk;
    struct read reads[READS_MAX];
    uint32_t read_count;
    cs_slot decided_before; // when the command began
    uint64_t tick_ms; // time and number of the last ticks, to see one that never moves
    uint32_t tick_count;
};

enum envelope_state { WAITS_FOR_SYNC = 1, FLYING, HELD };

struct envelope { // a message, or the news that a connection closed
    enum envelope_state state;
    uint64_t due_ms;
    uint64_t sequence;
    uint64_t token; // WAITS_FOR_SYNC
    int from;
    int to;
    bool is_hint;
    struct paxos_message message;
    struct paxos_entry *entries;
};

struct rule {
    bool is_hold; // else drop
    int type;     // or ANY
    int from;
    int to;
    uint32_t left; // UINT32_MAX: until heal
};

struct options { // of `cluster`
    uint32_t members;
    bool is_formed;
    bool is_stopped;
    uint32_t ring_entries;
    uint32_t window_entries;
    uint32_t message_entries;
    uint64_t seed;
    uint64_t disk_ms; // a sync
    uint64_t link_ms; // a message
};

/* What was durably accepted under one ballot, and who sent it. */
struct votes {
    struct paxos_ballot ballot;
    int sender; // process, or NOBODY
    uint64_t sender_start;
    cs_slot length; // the longest log under it
    struct paxos_digest chain[SLOTS_MAX + 1];
    cs_slot voted[PAXOS_MEMBERS_MAX]; // by seat: the longest it ever held
};

/* What must hold of the whole world, see checks.c. */
struct checks {
    cs_slot chosen; // slots 1..chosen had an accept quorum under some ballot
    struct paxos_digest chosen_chain[SLOTS_MAX + 1];
    cs_slot decided; // the largest decided anywhere
};

struct world {
    uint64_t now_ms;
    uint64_t sequence;
    uint64_t proposals;
    uint64_t reads;
    struct options options;
    struct process processes[PROCESSES_MAX];
    struct envelope envelopes[ENVELOPES_MAX];
    uint32_t envelope_count;
    bool is_cut[PROCESSES_MAX][PROCESSES_MAX]; // from, to
    struct rule rules[RULES_MAX];
    uint32_t rule_count;
    struct paxos_effects effects;
    struct checks checks;
    uint32_t ballot_count;
    // From here on world_reset() changes nothing; votes beyond ballot_count mean nothing.
    uint64_t violations;
    size_t output_bytes;
    char output[OUTPUT_BYTES];
    struct votes votes[BALLOTS_MAX];
};

/* ---- world.c ---- */
struct world *world_new(void);
void world_destroy(struct world **world);
/* Everything anew, with these nodes. */
void world_reset(struct world *world, const struct options *options);
/*
 * Does the next thing due at `until_ms` or before. False: there is none, and now is
 * until_ms.
 */
bool world_advance(struct world *world, uint64_t until_ms);
void world_run(struct world *world, uint64_t duration_ms);
/* The running leader of the largest ballot, or -1. */
int world_leader(const struct world *world);

/* ---- process.c ---- */
void process_start(struct world *world, int at);
void process_crash(struct world *world, int at);
void process_fini(struct process *process);
void process_step(struct world *world, int at, const struct paxos_event *event);
void process_tick(struct world *world, int at);
/* The slot, or 0 when refused, which is printed. */
cs_slot process_propose(struct world *world, int at);
void process_read(struct world *world, int at);

/* ---- storage.c ---- */
void storage_format(struct storage *storage, uint32_t seat, uint64_t life);
void storage_form(struct storage *storage, uint32_t members);
/* What recovery hands to the core. The tail is valid until the next call. */
void storage_recover(const struct storage *storage,
                     uint32_t ring_entries,
                     struct paxos_recovered *out_recovered);
struct paxos_digest storage_chain_at(const struct storage *storage, cs_slot slot);
/* What becomes of the queue when power is lost: nothing of it was durable. */
void disk_lose(struct disk *disk);
void disk_append(struct world *world, int at, const struct paxos_persist *persist);
/* UINT64_MAX: nothing is on its way, or it is held. */
uint64_t disk_due_ms(const struct disk *disk);
/* The block in flight is durable: applies it and tells the core. */
void disk_finish(struct world *world, int at);
void disk_tell_slow(struct world *world, int at);
uint64_t disk_slow_due_ms(const struct disk *disk);

/* ---- network.c ---- */
/* Messages of a step, to every process of their seat. token 0: at once. */
void network_send(struct world *world,
                  int from,
                  const struct paxos_message *message,
                  const struct paxos_entry *entries,
                  uint64_t token);
void network_release(struct world *world, int from, uint64_t token);
void network_forget_unsent(struct world *world, int from);
void network_hint_lost(struct world *world, int gone);
/* The next envelope due, or -1. */
int network_next(const struct world *world);
void network_deliver(struct world *world, int envelope);
void network_add_rule(struct world *world, const struct rule *rule);
void network_release_held(struct world *world);
void network_clear(struct world *world);

/* ---- checks.c ---- */
void checks_after_step(struct world *world, int at);
void checks_after_record(struct world *world, int at, uint32_t kind);
void checks_before_send(struct world *world,
                        int from,
                        const struct paxos_message *message);
void checks_leading(struct world *world, int at);
void checks_read(struct world *world, int at, const struct read *read);
bool digests_equal(struct paxos_digest left, struct paxos_digest right);

/* ---- output.c ---- */
void print(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void print_violation(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void print_trace(struct world *world, int at, const struct paxos_trace *trace);
void print_decided(struct world *world);
void print_show(struct world *world);
void print_log(struct world *world, int at);

/* ---- verbs.c ---- */
/* One command line; false: it is no command, `output` says why. */
bool verbs_run(struct world *world, const char *line);

/* ---- transcript.c ---- */
/* True if the file holds what its commands print; otherwise says where not. */
bool transcript_replay(struct world *world, const char *path, bool is_rewritten);

#endif
