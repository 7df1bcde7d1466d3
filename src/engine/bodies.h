/*
 * bodies.h - payloads of the slots the core keeps in memory, by (slot, digest).
 *
 * The core knows entries by identity only; their bytes lie here from the step that took
 * them until the core's base passes their slot. Two bodies of one slot may live at once
 * (one in the log, one in staging, A2): at most BODIES_PER_SLOT are kept, the least
 * recently taken goes first, never the one the caller names as being in the log.
 *
 * Bounded by: slots in (base, base + capacity] x BODIES_PER_SLOT.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_BODIES_H
#define CONSENS_ENGINE_BODIES_H

#include "base/bytes.h"

#include <consens/paxos.h>

enum { BODIES_PER_SLOT = 4 };

struct body;

struct bodies {
    struct body **chains; // chains[slot & mask], most recently taken first
    uint64_t mask;
    cs_slot base;   // slots <= base are gone
    uint64_t bytes; // of all payloads kept
    uint64_t count;
};

/* `capacity`: a power of two, the core's ring_entries. */
void bodies_init(struct bodies *bodies, uint64_t capacity, cs_slot base);
void bodies_fini(struct bodies *bodies);

/* Copies `payload`. `in_log` is the digest the log has at this slot, or NULL. */
void bodies_put(struct bodies *bodies,
                const struct paxos_entry *entry,
                struct cs_view payload,
                const struct paxos_digest *in_log);

/*
 * CHECKs that it is there: the core refers only to what was taken. Valid until it is
 * dropped.
 */
struct cs_view bodies_get(const struct bodies *bodies, const struct paxos_entry *entry);
bool bodies_has(const struct bodies *bodies, const struct paxos_entry *entry);

/* Forgets slots <= base. */
void bodies_drop(struct bodies *bodies, cs_slot base);

#endif
