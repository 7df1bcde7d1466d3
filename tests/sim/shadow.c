#include "sim/shadow.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static void clear_log(struct shadow_log *log)
{
    struct paxos_digest *chains = log->chains;
    size_t capacity = log->chain_capacity;
    *log = (struct shadow_log){.chains = chains, .chain_capacity = capacity};
}

void shadow_clear(struct shadow *shadow)
{
    clear_log(&shadow->memory);
    clear_log(&shadow->durable);
    shadow->memory_token = 0;
    shadow->durable_token = 0;
    shadow->record_first = 0;
    shadow->record_count = 0;
    shadow->chain_first = 0;
    shadow->chain_count = 0;
}

void shadow_fini(struct shadow *shadow)
{
    free(shadow->memory.chains);
    free(shadow->durable.chains);
    free(shadow->records);
    free(shadow->chains);
    *shadow = (struct shadow){0};
}

void shadow_log_push(struct shadow_log *log, struct paxos_digest chain)
{
    if (log->length + 1 >= log->chain_capacity) {
        log->chain_capacity = log->chain_capacity * 2 + 256;
        log->chains = realloc(log->chains, log->chain_capacity * sizeof *log->chains);
        CHECK(log->chains != NULL);
    }
    log->chains[++log->length] = chain;
}

void shadow_log_cut(struct shadow_log *log, cs_slot length)
{
    CHECK(length <= log->length);
    log->length = length;
}

struct paxos_digest shadow_chain(const struct shadow_log *log, cs_slot slot)
{
    CHECK(slot <= log->length);
    return slot == 0 ? (struct paxos_digest){0} : log->chains[slot];
}

cs_slot shadow_common(const struct shadow_log *left, const struct shadow_log *right)
{
    cs_slot high = left->length < right->length ? left->length : right->length;
    cs_slot low = 0;
    // A chain names the whole prefix: equal at one slot, equal below it.
    while (low < high) {
        cs_slot middle = high - (high - low) / 2;
        if (digest_is(shadow_chain(left, high), shadow_chain(right, high))) {
            return high;
        }
        if (digest_is(shadow_chain(left, middle), shadow_chain(right, middle))) {
            low = middle;
            high = high - 1;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* The first slot at which the core's log is not the shadow's. */
static cs_slot find_first_changed(const struct shadow_log *log,
                                  const struct paxos_core *core,
                                  const struct paxos_view *view)
{
    cs_slot same = view->length < log->length ? view->length : log->length;
    while (same > view->base &&
           !digest_is(paxos_chain_at(core, same), shadow_chain(log, same))) {
        same--;
    }
    return same + 1;
}

static void push_record(struct shadow *shadow, const struct shadow_record *record)
{
    if (shadow->record_first == shadow->record_count) {
        shadow->record_first = 0;
        shadow->record_count = 0;
        shadow->chain_first = 0;
        shadow->chain_count = 0;
    }
    if (shadow->record_count == shadow->record_capacity) {
        shadow->record_capacity = shadow->record_capacity * 2 + 64;
        shadow->records =
            realloc(shadow->records, shadow->record_capacity * sizeof *shadow->records);
        CHECK(shadow->records != NULL);
    }
    shadow->records[shadow->record_count++] = *record;
}

static void push_chain(struct shadow *shadow, struct paxos_digest chain)
{
    if (shadow->chain_count == shadow->chain_capacity) {
        shadow->chain_capacity = shadow->chain_capacity * 2 + 256;
        shadow->chains =
            realloc(shadow->chains, shadow->chain_capacity * sizeof *shadow->chains);
        CHECK(shadow->chains != NULL);
    }
    shadow->chains[shadow->chain_count++] = chain;
}

void shadow_append(struct shadow *shadow,
                   const struct paxos_core *core,
                   const struct paxos_view *view,
                   cs_slot *out_first_slot)
{
    struct shadow_log *log = &shadow->memory;
    // While the core knows only part of it (P5), the log on disk is what it was.
    bool is_faulty = view->faulty_first != 0;
    cs_slot first = is_faulty ? log->length + 1 : find_first_changed(log, core, view);
    cs_slot length = is_faulty ? log->length : view->length;
    struct shadow_record record = {
        .token = view->last_token,
        .promised = view->promised,
        .accepted = view->accepted,
        .config = *paxos_config_of(core),
        .first_slot = first,
        .chain_count = length + 1 - first,
    };
    push_record(shadow, &record);
    shadow_log_cut(log, first - 1);
    for (cs_slot slot = first; slot <= length; slot++) {
        struct paxos_digest chain = paxos_chain_at(core, slot);
        push_chain(shadow, chain);
        shadow_log_push(log, chain);
    }
    log->promised = record.promised;
    log->accepted = record.accepted;
    log->config = record.config;
    shadow->memory_token = record.token;
    *out_first_slot = first;
}

bool shadow_settle_one(struct shadow *shadow, uint64_t token)
{
    if (shadow->record_first == shadow->record_count) {
        return false;
    }
    const struct shadow_record *record = &shadow->records[shadow->record_first];
    if (record->token > token) {
        return false;
    }
    struct shadow_log *log = &shadow->durable;
    shadow_log_cut(log, record->first_slot - 1);
    for (uint64_t i = 0; i < record->chain_count; i++) {
        shadow_log_push(log, shadow->chains[shadow->chain_first++]);
    }
    bool is_same = paxos_ballot_compare(log->accepted, record->accepted) == 0;
    log->longest = is_same && log->longest > log->length ? log->longest : log->length;
    log->promised = record->promised;
    log->accepted = record->accepted;
    log->config = record->config;
    shadow->durable_token = record->token;
    shadow->record_first++;
    return true;
}

void shadow_log_copy(struct shadow_log *to, const struct shadow_log *from)
{
    struct paxos_digest *chains = to->chains;
    size_t capacity = to->chain_capacity;
    *to = *from;
    to->chains = chains;
    to->chain_capacity = capacity;
    to->length = 0;
    for (cs_slot slot = 1; slot <= from->length; slot++) {
        shadow_log_push(to, from->chains[slot]);
    }
}

void shadow_crash(struct shadow *shadow)
{
    shadow->record_first = shadow->record_count;
    shadow_log_copy(&shadow->memory, &shadow->durable);
    shadow->memory_token = shadow->durable_token;
}
