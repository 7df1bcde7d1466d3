/*
 * log_state.h - what the log says at its end: promise, accepted ballot, length, chain,
 * decided hint, configuration, watermarks. Commit and recovery apply records by the same
 * function.
 *
 *   accepted <= promised (I4); decided <= length
 *   promised, accepted and decided never fall
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_LOG_STATE_H
#define CONSENS_WAL_LOG_STATE_H

#include "wal/record.h"

struct log_state {
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;
    cs_slot length;
    struct paxos_digest chain; // chain(length)
    uint64_t token;
    uint64_t cut_count;   // records so far that replaced a suffix of the log
    uint64_t state_token; // token of the record that the following came with
    struct paxos_config config;
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
};

/* False, and nothing changed: the record does not follow from the state. */
bool log_state_apply(struct log_state *state, const struct record *record);

#endif
