#include "wal/log_state.h"

#include "wal/fields.h"

#include "base/mutant.h"

/* Ballots only rise, and accepted stays at or below promised (I4). */
static bool ballots_follow(const struct log_state *state,
                           const struct paxos_persist *persist)
{
    return (paxos_ballot_compare(state->promised, persist->promised) <= 0 ||
            MUTANT_IS(172)) &&
           paxos_ballot_compare(state->accepted, persist->accepted) <= 0 &&
           paxos_ballot_compare(persist->accepted, persist->promised) <= 0;
}

/* The slots it writes begin where the log ends, or replace its suffix. */
static bool slots_follow(const struct log_state *state,
                         const struct paxos_persist *persist)
{
    if (record_is_bare(persist->kind)) {
        return persist->length == state->length;
    }
    if (persist->first_slot == 0 || persist->first_slot > state->length + 1) {
        return false;
    }
    if (persist->kind == PAXOS_PERSIST_APPEND &&
        persist->first_slot != state->length + 1) {
        return false;
    }
    return persist->length == persist->first_slot - 1 + persist->entry_count;
}

/* Each entry's chain follows from the one before it, and the last one is the record's. */
static bool chains_follow(const struct log_state *state, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    bool is_known = persist->entry_count == 0 ? persist->length == state->length
                                              : persist->first_slot == state->length + 1;
    struct paxos_digest previous = state->chain;
    struct record_cursor cursor = record_entries(record);
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    while (record_take_entry(&cursor, &entry, &payload)) {
        // What stands before a replaced suffix is further back than this state remembers.
        if (is_known &&
            !field_same_chain(paxos_chain_next(previous, &entry), entry.chain)) {
            return false;
        }
        previous = entry.chain;
        is_known = true;
    }
    return !is_known || field_same_chain(previous, persist->chain);
}

/* Entries of a record are a chain of their own. */
static bool entries_chain(const struct record *record)
{
    struct record_cursor cursor = record_entries(record);
    struct paxos_entry entry = {0};
    struct paxos_entry next = {0};
    struct cs_view payload = {0};
    bool has_one = record_take_entry(&cursor, &entry, &payload);
    while (has_one && record_take_entry(&cursor, &next, &payload)) {
        if (!field_same_chain(paxos_chain_next(entry.chain, &next), next.chain)) {
            return false;
        }
        entry = next;
    }
    return true;
}

static bool take_state(struct log_state *state, const struct record *record)
{
    struct log_state unpacked = *state;
    if (record->state.bytes > 0 &&
        !record_unpack_state(record->state.data, &unpacked.config, unpacked.watermarks)) {
        return false;
    }
    if (record->state.bytes > 0) {
        uint64_t token = record->persist.token;
        unpacked.state_token = token != 0 ? token : state->token;
    }
    *state = unpacked;
    return true;
}

/* REPAIR and NOTE: the log is what it was. */
static bool apply_aside(struct log_state *state, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    bool has_token = persist->token != 0;
    cs_slot first = persist->first_slot;
    bool fits =
        persist->entry_count == 0 || (first > 0 && first <= state->length &&
                                      persist->entry_count <= state->length - first + 1);
    if ((has_token && persist->token <= state->token) || !fits ||
        persist->decided > state->length || !entries_chain(record) ||
        !take_state(state, record)) {
        return false;
    }
    state->token = has_token ? persist->token : state->token;
    state->decided =
        persist->decided > state->decided ? persist->decided : state->decided;
    return true;
}

bool log_state_apply(struct log_state *state, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    if (record_is_aside(persist->kind)) {
        return apply_aside(state, record);
    }
    if (persist->token <= state->token || !ballots_follow(state, persist) ||
        !slots_follow(state, persist) || !chains_follow(state, record)) {
        return false;
    }
    cs_slot decided =
        persist->decided > state->decided ? persist->decided : state->decided;
    if (decided > persist->length && !MUTANT_IS(152)) {
        return false;
    }
    if (!take_state(state, record)) {
        return false;
    }
    bool cuts = !record_is_bare(persist->kind) && persist->first_slot <= state->length;
    state->cut_count += cuts ? 1 : 0;
    state->promised = persist->promised;
    state->accepted = persist->accepted;
    state->decided = decided;
    state->length = persist->length;
    state->chain = persist->chain;
    state->token = persist->token;
    return true;
}
