/*
 * tail.h - the identities of the newest slots while the log is scanned: what recovery
 * hands to the core. A fixed ring; older slots drop out at the front.
 *
 *   it holds slots base + 1 .. length; length - base <= capacity
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_TAIL_H
#define CONSENS_WAL_TAIL_H

#include <consens/paxos.h>

#include <stdbool.h>

struct tail {
    struct paxos_entry *entries; // slot s at s % capacity
    uint32_t capacity;
    cs_slot base;
    cs_slot length;
    struct paxos_digest base_chain; // chain(base), unless is_lost
    bool is_lost; // a replaced suffix reached below base: chain(base) is not known
};

void tail_init(struct tail *tail, uint32_t capacity);
void tail_fini(struct tail *tail);

/* Slots after `length` are gone. */
void tail_cut(struct tail *tail, cs_slot length);

/* The slot after the last one, or, where that is not known any more, any. */
void tail_append(struct tail *tail, const struct paxos_entry *entry);

struct tail_wish {
    cs_slot decided;         // slots after it must be in, and it itself, unless 0
    uint32_t entries_max;    // in all
    uint32_t entries_wanted; // with decided ones, as far as there are some
    uint64_t decided_bytes_max;
};

/*
 * How far back to go: sets base and its chain. False: what must be in does not fit, or
 * is not there.
 */
bool tail_choose_base(const struct tail *tail,
                      const struct tail_wish *wish,
                      cs_slot *out_base,
                      struct paxos_digest *out_chain);

/* Entries base + 1 .. length, in order; free() it. NULL if there are none. */
struct paxos_entry *tail_copy(const struct tail *tail, cs_slot base);

#endif
