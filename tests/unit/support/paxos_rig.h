/*
 * paxos_rig.h - one core under test: the other seats are messages that the test writes.
 *
 * The core is a follower of a formed cluster with its gate open, at time 1,000 ms. It is
 * stepped by paxos_step() only; records become durable when the test says so.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_UNIT_PAXOS_RIG_H
#define CONSENS_TESTS_UNIT_PAXOS_RIG_H

#include <consens/paxos.h>

enum { RIG_ENTRIES = 64 };

struct paxos_rig {
    struct paxos_settings settings;
    struct paxos_recovered recovered;
    void *memory;
    struct paxos_core *core;
    struct paxos_effects effects; // of the last step
    struct paxos_view view;
    uint64_t now_ms;
    uint64_t block;
    struct paxos_entry entries[RIG_ENTRIES]; // of the message under way
    // Who watches each step, or NULL; event NULL: the core has just been made.
    void (*watch)(void *context, const struct paxos_event *event);
    void *watch_context;
};

/* Settings and a disk as C8 leaves it; a test may change both before the start. */
void paxos_rig_init(struct paxos_rig *rig, uint32_t seat, uint32_t member_count);
void paxos_rig_start(struct paxos_rig *rig);
void paxos_rig_open_gate(struct paxos_rig *rig);
/* All of the above for seat 0 of three. */
void paxos_rig_make(struct paxos_rig *rig);
/*
 * The same, and it has promised ballot 1 of seat 1, or follows it (both return the ballot),
 * or prepares its own, with its own promise durable, or leads: see below.
 */
struct paxos_ballot paxos_rig_make_promised(struct paxos_rig *rig);
struct paxos_ballot paxos_rig_make_follower(struct paxos_rig *rig, cs_slot length);
void paxos_rig_make_preparing(struct paxos_rig *rig);
void paxos_rig_make_leader(struct paxos_rig *rig);
void paxos_rig_fini(struct paxos_rig *rig);

struct paxos_id paxos_rig_incarnation(uint32_t seat);
struct paxos_ballot paxos_rig_ballot(uint32_t round, uint32_t seat);
/* An entry of this slot; `value` stands for its payload. */
struct paxos_entry paxos_rig_entry(cs_slot slot, uint64_t value);
/* chain(slot) of a log whose values from slot 1 on are first, first + 1, ... */
struct paxos_digest paxos_rig_chain(cs_slot slot, uint64_t first);

/* A message from another seat, its header as that member would write it. */
struct paxos_message
paxos_rig_message(uint32_t type, uint32_t from, struct paxos_rig *rig);
/* The same message, as that seat would send it. */
void paxos_rig_set_sender(struct paxos_message *message, uint32_t seat);
/* Puts `count` entries after slot `from` into the message, values from `value` on. */
void paxos_rig_fill(struct paxos_rig *rig,
                    struct paxos_message *message,
                    cs_slot from,
                    uint32_t count,
                    uint64_t value);
/* Entries of `count` slots after slot `from`, of a log with values first, first + 1, ... */
struct paxos_message paxos_rig_entries(struct paxos_rig *rig,
                                       uint32_t seat,
                                       cs_slot from,
                                       uint32_t count,
                                       uint64_t first);

/* The Hello of a healthy member, and its answer to the core's own. */
struct paxos_message paxos_rig_hello(struct paxos_rig *rig, uint32_t author);
struct paxos_message paxos_rig_hello_reply(struct paxos_rig *rig, uint32_t author);

void paxos_rig_step(struct paxos_rig *rig, const struct paxos_event *event);
void paxos_rig_receive(struct paxos_rig *rig, const struct paxos_message *message);
/* The test fails unless the message does nothing at all. */
void paxos_rig_must_ignore(struct paxos_rig *rig, const struct paxos_message *message);
/* The test fails unless it ends the node for this reason. */
void paxos_rig_must_halt(struct paxos_rig *rig,
                         const struct paxos_message *message,
                         uint32_t reason);
/* Time passes until the next tick is due. */
void paxos_rig_tick(struct paxos_rig *rig);
/* Time passes, in ticks when due; the effects are the last tick's, or none. */
void paxos_rig_wait(struct paxos_rig *rig, uint64_t ms);
/* Everything asked for so far is durable. */
void paxos_rig_persisted(struct paxos_rig *rig);

/* The first message of this type to that seat that the last step sent, or NULL. */
const struct paxos_message *
paxos_rig_sent_now(const struct paxos_rig *rig, uint32_t type, uint32_t to);
const struct paxos_message *
paxos_rig_sent_after_sync(const struct paxos_rig *rig, uint32_t type, uint32_t to);
bool paxos_rig_has_traced(const struct paxos_rig *rig, uint32_t kind);

/* ---- a follower's steps ---- */
struct paxos_message paxos_rig_prepare(struct paxos_rig *rig, struct paxos_ballot ballot);
/* Prepare of `ballot` by its seat, and its promise durable. */
void paxos_rig_promise(struct paxos_rig *rig, struct paxos_ballot ballot);
/* An AcceptSync of the whole log, values 1, 2, ..., to slot `length`. */
struct paxos_message
paxos_rig_sync(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot length);
/* Promise, sync and durable: a follower of that ballot with `length` entries. */
void paxos_rig_follow(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot length);
/* Accept of `count` entries after the own log. */
struct paxos_message paxos_rig_accept(struct paxos_rig *rig,
                                      struct paxos_ballot ballot,
                                      uint64_t sequence,
                                      uint32_t count);
/* The first Accept after the sync, without entries: slots to `decided` are decided. */
void paxos_rig_decide(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot decided);

/* ---- a leader's steps ---- */
/* Makes the core take over, its own promise not durable yet. */
void paxos_rig_take_over(struct paxos_rig *rig);
/* A promise of the core's ballot from that seat. The test sets the log it claims. */
struct paxos_message paxos_rig_promise_from(struct paxos_rig *rig, uint32_t seat);
/* Leader of an empty log, with seat 1 promised and streaming; its SYNC is durable. */
void paxos_rig_lead(struct paxos_rig *rig);
/* An Accepted of seat's stream. */
struct paxos_message
paxos_rig_accepted_from(struct paxos_rig *rig, uint32_t seat, cs_slot durable);
/* The slot, or 0. */
cs_slot paxos_rig_propose(struct paxos_rig *rig);

#endif
