#include "paxos/core.h"

#include <string.h>

// XXH3 inlined: the core's objects may call nothing (see `make purity`).
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { CHAIN_INPUT_BYTES = 16 + 8 + 8 + 8 + 16 };

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

/*
 * chain(s) = H(chain(s-1), slot, type, ts, payload digest), 2.1. Little endian on every
 * machine.
 */
struct paxos_digest paxos_chain_next(struct paxos_digest previous,
                                     const struct paxos_entry *entry)
{
    uint8_t input[CHAIN_INPUT_BYTES];
    put_u64(input, previous.high);
    put_u64(input + 8, previous.low);
    put_u64(input + 16, entry->slot);
    put_u64(input + 24, entry->time_ms);
    put_u64(input + 32, ((uint64_t)entry->type << 32) | entry->payload_bytes);
    put_u64(input + 40, entry->digest.high);
    put_u64(input + 48, entry->digest.low);
    XXH128_hash_t hash = XXH3_128bits(input, sizeof input);
    struct paxos_digest chain = {.high = hash.high64, .low = hash.low64};
    return chain;
}

void log_init(struct slot_log *log,
              struct slot_record *ring,
              uint64_t ring_entries,
              const struct paxos_recovered *recovered)
{
    *log = (struct slot_log){.ring = ring, .mask = ring_entries - 1};
    log->base = recovered->base;
    log->base_chain = recovered->base_chain;
    log->length = recovered->base;
    CHECK(recovered->base == 0 || recovered->base < recovered->decided);
    CHECK(recovered->decided <= recovered->length);
    CHECK(recovered->tail_count <= ring_entries);
    // Up to the first slot that is missing; repair.c takes the others.
    for (uint32_t i = 0;
         i < recovered->tail_count && recovered->tail[i].slot == log->length + 1; i++) {
        log_append(log, &recovered->tail[i]);
    }
    CHECK(recovered->decided <= log->length);
    log->durable = log->length;
    log->decided = recovered->decided;
}

struct slot_record *log_record(const struct slot_log *log, cs_slot slot)
{
    CHECK(slot > log->base);
    CHECK(slot <= log->length);
    return &log->ring[slot & log->mask];
}

struct paxos_digest log_chain_at(const struct slot_log *log, cs_slot slot)
{
    return slot == log->base ? log->base_chain : log_record(log, slot)->entry.chain;
}

uint64_t log_time_at(const struct slot_log *log, cs_slot slot)
{
    return slot == log->base ? log->base_time_ms : log_record(log, slot)->entry.time_ms;
}

static uint64_t cumulative_at(const struct slot_log *log, cs_slot slot)
{
    return slot == log->base ? log->base_cumulative_bytes
                             : log_record(log, slot)->cumulative_bytes;
}

uint64_t log_bytes_between(const struct slot_log *log, cs_slot from, cs_slot to)
{
    return cumulative_at(log, to) - cumulative_at(log, from);
}

void log_append(struct slot_log *log, const struct paxos_entry *entry)
{
    CHECK(log->length - log->base <= log->mask);
    CHECK(entry->slot == log->length + 1);
    struct paxos_digest previous = log_chain_at(log, log->length);
    uint64_t cumulative = cumulative_at(log, log->length) + entry->payload_bytes;
    struct slot_record *record = &log->ring[entry->slot & log->mask];
    *record = (struct slot_record){.entry = *entry, .cumulative_bytes = cumulative};
    record->entry.chain = paxos_chain_next(previous, entry);
    log->length = entry->slot;
}

void log_truncate(struct slot_log *log, cs_slot length)
{
    CHECK(length >= log->decided || MUTANT_IS(10));
    CHECK(length <= log->length);
    log->length = length;
    if (log->durable > length && !MUTANT_IS(76)) {
        log->durable = length;
    }
}

static void drop_first(struct slot_log *log)
{
    const struct slot_record *record = log_record(log, log->base + 1);
    log->base_chain = record->entry.chain;
    log->base_time_ms = record->entry.time_ms;
    log->base_cumulative_bytes = record->cumulative_bytes;
    log->base++;
}

static bool may_drop_first(const struct slot_log *log, cs_slot floor)
{
    // One entry stays: its time and chain are the log's last.
    return log->base + 1 < log->length && log->base < floor && log->base < log->decided &&
           log->base < log->durable;
}

bool log_make_room(struct slot_log *log, cs_slot length, cs_slot floor)
{
    while (length > log->base && length - log->base > log->mask + 1) {
        if (!may_drop_first(log, floor)) {
            return false;
        }
        drop_first(log);
    }
    return true;
}

void log_trim_bytes(struct slot_log *log, uint64_t bytes_max, cs_slot floor)
{
    while (may_drop_first(log, floor) &&
           log_bytes_between(log, log->base, log->decided) > bytes_max) {
        drop_first(log);
    }
}

bool core_disk_keeps_up(const struct paxos_core *core, uint64_t more_bytes)
{
    const struct slot_log *log = &core->log;
    if (log->durable >= log->decided || MUTANT_IS(365)) {
        return true;
    }
    uint64_t bytes = log_bytes_between(log, log->durable, log->decided);
    return bytes + more_bytes <= core->settings.ring_bytes;
}

bool core_make_room(struct paxos_core *core, cs_slot length)
{
    return log_make_room(&core->log, length, core->applied_floor);
}

/* Compares entries of the message with own ones from slot `at`+1 on; `walk` counts. */
static void walk_along(const struct slot_log *log,
                       const struct paxos_message *message,
                       struct paxos_digest chain,
                       struct walk *walk)
{
    for (uint32_t i = walk->held; i < message->entry_count; i++) {
        const struct paxos_entry *entry = &message->entries[i];
        chain = paxos_chain_next(chain, entry);
        if (entry->slot > log->length) {
            return;
        }
        if (!digest_equal(chain, log_chain_at(log, entry->slot))) {
            walk->result = WALK_CONFLICT;
            walk->conflict_slot = entry->slot;
            return;
        }
        walk->held = i + 1;
    }
}

struct walk log_walk(const struct slot_log *log,
                     cs_slot from,
                     struct paxos_digest from_chain,
                     const struct paxos_message *message)
{
    struct walk walk = {.result = WALK_HELD, .conflict_slot = from};
    if (from > log->length) {
        walk.result = WALK_GAP;
        return walk;
    }
    struct paxos_digest chain = from_chain;
    if (from < log->base) {
        // Below base nothing is kept to compare with: go up to base by the message's
        // own chain.
        if (message->entry_count < log->base - from) {
            walk.result = WALK_BELOW;
            return walk;
        }
        walk.held = (uint32_t)(log->base - from);
        for (uint32_t i = 0; i < walk.held; i++) {
            chain = paxos_chain_next(chain, &message->entries[i]);
        }
        walk.conflict_slot = log->base;
    }
    if (!digest_equal(chain, log_chain_at(log, from + walk.held))) {
        walk.result = WALK_MISMATCH;
        return walk;
    }
    walk_along(log, message, chain, &walk);
    return walk;
}

void core_stage_after(struct paxos_core *core,
                      struct paxos_ballot ballot,
                      cs_slot from,
                      struct paxos_digest from_chain)
{
    struct staging *staging = &core->staging;
    staging->is_active = true;
    staging->ballot = ballot;
    staging->stream = 0;
    staging->from = from;
    staging->from_chain = from_chain;
    staging->count = 0;
    core->applied_floor = from < core->applied_floor ? from : core->applied_floor;
}

cs_slot staging_end(const struct staging *staging)
{
    return staging->from + staging->count;
}

struct paxos_digest staging_chain(const struct staging *staging)
{
    return staging->count == 0 ? staging->from_chain
                               : staging->entries[staging->count - 1].chain;
}

bool staging_add(struct staging *staging,
                 const struct paxos_entry *entries,
                 uint32_t count,
                 uint64_t capacity)
{
    if (count > capacity - staging->count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct paxos_digest chain = paxos_chain_next(staging_chain(staging), &entries[i]);
        staging->entries[staging->count] = entries[i];
        staging->entries[staging->count].chain = chain;
        staging->count++;
    }
    return true;
}

struct paxos_digest
staging_chain_at(const struct staging *staging, const struct slot_log *log, cs_slot slot)
{
    CHECK(slot <= staging_end(staging));
    return slot <= staging->from ? log_chain_at(log, slot)
                                 : staging->entries[slot - staging->from - 1].chain;
}

/* How many staged entries the log already holds: they need not be written again. */
static uint32_t count_held(const struct paxos_core *core)
{
    const struct staging *staging = &core->staging;
    uint32_t held = 0;
    while (held < staging->count && staging->from + held < core->log.length &&
           digest_equal(staging->entries[held].chain,
                        log_chain_at(&core->log, staging->from + held + 1))) {
        held++;
    }
    return held;
}

bool core_flip(struct paxos_core *core, struct paxos_ballot ballot)
{
    struct staging *staging = &core->staging;
    staging->is_active = false;
    uint32_t held = count_held(core);
    // A2, pitfall 12: too short for the decided prefix, or another one. sync.c compares what
    // AcceptSync carries; of what was Fetched after it nothing was compared yet.
    bool loses_decided = staging->from + held < core->log.decided && !MUTANT_IS(10);
    if (loses_decided || !core_make_room(core, staging_end(staging))) {
        return false;
    }
    core->faulty.is_active = false; // whatever was lost is replaced as a whole
    log_truncate(&core->log, staging->from + held);
    for (uint32_t i = held; i < staging->count; i++) {
        log_append(&core->log, &staging->entries[i]);
    }
    core->accepted = ballot;
    core_persist(core, PAXOS_PERSIST_SYNC, staging->from + held + 1,
                 staging->count - held);
    core->accepted_token = core->last_token;
    return true;
}
