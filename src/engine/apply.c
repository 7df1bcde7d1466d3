/*
 * apply.c - decided slots into the state machine, in order, each once (I8).
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

void apply_decided(struct replica *replica, cs_slot decided)
{
    // Below base the log is read from disk first: mend.c.
    while (replica->applied < decided && !mend_is_behind(replica)) {
        const struct paxos_entry *entry =
            paxos_entry_at(replica->core, replica->applied + 1);
        struct cs_view payload = bodies_get(&replica->bodies, entry);
        if (!apply_entry(replica, entry, payload) && !MUTANT_IS(287)) {
            apply_halt(replica);
            return;
        }
        replica->applied = entry->slot;
    }
}

void apply_halt(struct replica *replica)
{
    replica->halt = PAXOS_HALT_UNREADABLE;
    replica->halt_peer = replica->settings.core.seat;
}

bool apply_entry(struct replica *replica,
                 const struct paxos_entry *entry,
                 struct cs_view payload)
{
    const struct paxos_settings *self = &replica->settings.core;
    struct reader reader = {0};
    uint32_t count = 0;
    if (entry->type != PAXOS_ENTRY_BATCH || !batch_open(payload, &reader, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct command_origin origin = {0};
        struct command command = {0};
        struct kv_result result = {0};
        if (!batch_take(&reader, &origin, &command)) {
            return false;
        }
        uint64_t time_ms = MUTANT_IS(222) ? replica->now_ms : entry->time_ms;
        kv_apply(replica->kv, &command, time_ms, &result);
        replica->stats.writes_applied++;
        if (MUTANT_IS(179)) {
            kv_apply(replica->kv, &command, entry->time_ms, &result);
        }
        if (origin.seat == self->seat && origin.boot == self->boot) {
            writes_finish(replica, &origin, &result);
        }
    }
    replica->stats.batches_applied++;
    return reader_end(&reader);
}
