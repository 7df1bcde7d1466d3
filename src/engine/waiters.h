/*
 * waiters.h - clients waiting for an answer: a fixed table, found by request id, with
 * deadlines.
 *
 * What a client may be told at its deadline depends on the state: a write that was
 * never handed on is certainly not applied (503); one that was sent to a leader or
 * proposed here is unknown (504). See answers.h.
 *
 *   write:  PENDING -> PROPOSED (here) or SENT (forwarded)     answered by apply
 *           -> PENDING (refused, or certainly not applied: settle.c)
 *   read:   NEW -> ASKED (read id) -> CONFIRMED (slot) -> [REVISION]   answered by kv_get
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_WAITERS_H
#define CONSENS_ENGINE_WAITERS_H

#include "engine/heap.h"
#include "wire/request.h"

#include <consens/paxos.h>

struct write_item;

enum waiter_state {
    WAITER_FREE = 0,
    WAITER_PENDING,
    WAITER_SENT,
    WAITER_PROPOSED,
    WAITER_NEW,
    WAITER_ASKED,
    WAITER_CONFIRMED,
    WAITER_REVISION,
};

struct waiter {
    uint64_t id;                // request id: rises by one with each waiter, from 1
    uint64_t client;            // of the hand-off
    uint64_t ticket;            // the client's own
    uint64_t min_revision;      // reads; 0: any
    uint64_t sequence;          // SENT: of the FORWARD frame
    uint64_t read_id;           // ASKED
    cs_slot slot;               // CONFIRMED: answer when applied >= slot
    struct paxos_ballot ballot; // SENT, PROPOSED: the leadership it was handed to
    struct write_item *item;    // writes; PENDING: in the queue, else kept aside
    struct cs_buffer key;       // reads
    struct waiter *next;        // in its hash chain, or in the free list
    struct waiter *list_next;   // in the list of its state (reads)
    struct waiter *list_previous;
    uint32_t state; // enum waiter_state
    uint32_t kind;  // enum request_kind
    uint32_t consistency;
    uint32_t held_bytes; // counted against request_bytes_waiting_max
};

struct waiter_list { // first in, first out; a waiter is in at most one
    struct waiter *first;
    struct waiter *last;
};

struct waiters {
    struct waiter *table;
    uint32_t capacity;
    uint32_t count;
    uint32_t used; // table[used..] was never given out
    struct waiter *free_first;
    struct waiter **chains; // chains[id & mask]
    uint64_t mask;
    uint64_t last_id;
    uint64_t held_bytes; // sum over all
    struct heap deadlines;
    struct heap revisions; // those in state REVISION
};

void waiters_init(struct waiters *waiters, uint32_t capacity);
/* Frees the keys too; items belong to the write queue's owner: NULL by now. */
void waiters_fini(struct waiters *waiters);

/* A new waiter with the next id, zeroed but for `id`; NULL: the table is full. */
struct waiter *waiters_add(struct waiters *waiters, uint64_t deadline_ms);
/* NULL: no such request (answered long ago, or never ours). */
struct waiter *waiters_find(const struct waiters *waiters, uint64_t id);
/* It must be in no list and hold no item. Frees its key. */
void waiters_remove(struct waiters *waiters, struct waiter *waiter);
void waiters_hold_bytes(struct waiters *waiters, struct waiter *waiter, uint32_t bytes);

/* UINT64_MAX: none. */
uint64_t waiters_next_deadline(const struct waiters *waiters);
/* One whose deadline is <= now, earliest first; NULL: none. */
struct waiter *waiters_first_due(const struct waiters *waiters, uint64_t now_ms);

/* Those that wait for a revision, lowest first. */
void waiters_await_revision(struct waiters *waiters, struct waiter *waiter);
struct waiter *waiters_first_reached(const struct waiters *waiters, uint64_t revision);

void waiter_list_push(struct waiter_list *list, struct waiter *waiter);
void waiter_list_remove(struct waiter_list *list, struct waiter *waiter);
/* Moves all of `from` to the end of `to`. */
void waiter_list_splice(struct waiter_list *to, struct waiter_list *from);

#endif
