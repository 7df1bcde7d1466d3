/*
 * tail.h - the identities of the newest slots while the log is scanned: what recovery
 * hands to the core. A fixed ring; older slots drop out at the front. Slots whose bytes
 * are lost are missing in it.
 *
 *   entries are in order of slots, all above base; count <= capacity
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_TAIL_H
#define CONSENS_WAL_TAIL_H

#include <consens/paxos.h>

#include <stdbool.h>

struct tail {
    struct paxos_entry *entries; // the i-th at (start + i) % capacity
    uint32_t capacity;
    uint32_t start;
    uint32_t count;
    cs_slot base;
    struct paxos_digest base_chain; // chain(base), unless is_lost
    bool is_lost; // a replaced suffix reached below base: chain(base) is not known
};

void tail_init(struct tail *tail, uint32_t capacity);
void tail_fini(struct tail *tail);

/* Slots after `length` are gone. */
void tail_cut(struct tail *tail, cs_slot length);

/* A slot after the last one. */
void tail_append(struct tail *tail, const struct paxos_entry *entry);

/* A slot that was missing. */
void tail_fill(struct tail *tail, const struct paxos_entry *entry);

/* chain(slot). False: it is not known any more, or the slot is missing. */
bool tail_chain_of(const struct tail *tail, cs_slot slot, struct paxos_digest *out_chain);

struct tail_wish {
    cs_slot decided;         // it must be in, unless 0, and all that is known after it
    uint32_t entries_max;    // in all
    uint32_t entries_wanted; // with decided ones, as far as there are some
    uint64_t decided_bytes_max;
};

/*
 * How far back to go: sets base and its chain; no slot from base to decided is missing.
 * False: what must be in does not fit, or is not there.
 */
bool tail_choose_base(const struct tail *tail,
                      const struct tail_wish *wish,
                      cs_slot *out_base,
                      struct paxos_digest *out_chain);

/* The entries after slot `base`, in order; free() it. NULL if there are none. */
struct paxos_entry *tail_copy(const struct tail *tail, cs_slot base, uint32_t *out_count);

#endif
