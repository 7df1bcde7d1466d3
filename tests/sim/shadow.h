/*
 * shadow.h - what the world knows of a node's log: as the node has it in memory, and as
 * its disk holds it durably. The checkers judge by these two, never by what a node says
 * of itself.
 *
 * A shadow follows the records that the node hands to its log: at each one the log in
 * memory is compared with the shadow, the difference is kept until the record is
 * durable, and is then carried over to the durable shadow.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_SHADOW_H
#define CONSENS_TESTS_SIM_SHADOW_H

#include <consens/paxos.h>

struct shadow_log {
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    struct paxos_config config; // with START in it, or without (C8)
    cs_slot length;
    cs_slot longest;             // under this accepted ballot
    struct paxos_digest *chains; // [slot]; chains[0] is that of the empty log
    size_t chain_capacity;
};

struct shadow_record { // appended, not durable yet
    uint64_t token;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    struct paxos_config config;
    cs_slot first_slot;   // the log is its prefix below this ...
    uint64_t chain_count; // ... and so many more, next in the queue of chains
};

struct shadow {
    struct shadow_log memory;
    struct shadow_log durable;
    uint64_t memory_token;
    uint64_t durable_token;
    struct shadow_record *records; // queue
    size_t record_first;
    size_t record_count; // end of the queue
    size_t record_capacity;
    struct paxos_digest *chains; // queue: those of the records, in order
    size_t chain_first;
    size_t chain_count;
    size_t chain_capacity;
};

void shadow_clear(struct shadow *shadow);
void shadow_fini(struct shadow *shadow);

/* The node appended a record with `token`: its core's log is taken over. The first slot that
 * changed is left in *out_first_slot. */
void shadow_append(struct shadow *shadow,
                   const struct paxos_core *core,
                   const struct paxos_view *view,
                   cs_slot *out_first_slot);

/* Carries the next record over to the durable log, if its token is <= `token`. */
bool shadow_settle_one(struct shadow *shadow, uint64_t token);

/* The process is gone: what was not durable is forgotten. */
void shadow_crash(struct shadow *shadow);

/* chain(slot), for slot <= length. */
struct paxos_digest shadow_chain(const struct shadow_log *log, cs_slot slot);

/* The longest common prefix. */
cs_slot shadow_common(const struct shadow_log *left, const struct shadow_log *right);

void shadow_log_push(struct shadow_log *log, struct paxos_digest chain);
void shadow_log_cut(struct shadow_log *log, cs_slot length);
void shadow_log_copy(struct shadow_log *to, const struct shadow_log *from);

static inline bool digest_is(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

#endif
