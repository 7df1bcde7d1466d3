#include "support/twin.h"

#include "base/check.h"
#include "base/digest.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- payloads ---------------------------------------------------------------------- */

static void fill_payload(uint8_t *to, size_t bytes, uint64_t seed)
{
    uint64_t value = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < bytes; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        to[i] = (uint8_t)(value >> 56);
    }
}

static struct paxos_digest payload_digest(const uint8_t *data, size_t bytes)
{
    struct cs_digest digest = digest_128(data, bytes, 0);
    return (struct paxos_digest){.high = digest.high, .low = digest.low};
}

/* ---- the twin ---------------------------------------------------------------------- */

struct twin *twin_new(void)
{
    struct twin *twin = calloc(1, sizeof *twin);
    CHECK(twin != NULL);
    return twin;
}

void twin_destroy(struct twin **twin)
{
    free(*twin);
    *twin = NULL;
}

struct twin *twin_copy(const struct twin *twin)
{
    struct twin *copy = twin_new();
    twin_assign(copy, twin);
    return copy;
}

void twin_assign(struct twin *to, const struct twin *from)
{
    // Slots past the end are never looked at, and there are many.
    size_t slots = (size_t)(from->length + 1) * sizeof from->slots[0];
    memcpy(to, from, offsetof(struct twin, slots) + slots);
}

struct paxos_digest twin_chain_at(const struct twin *twin, cs_slot slot)
{
    return slot == 0 ? (struct paxos_digest){0} : twin->slots[slot].entry.chain;
}

/* ---- records ----------------------------------------------------------------------- */

struct writing {
    uint32_t kind;
    cs_slot first;
    uint32_t count;
    uint32_t payload_bytes;
};

/* Payload lengths vary, so that records do not all end alike. */
static void
make_entry(struct twin *twin, cs_slot slot, uint32_t payload_bytes, uint8_t *payload)
{
    struct twin_slot *at = &twin->slots[slot];
    *at = (struct twin_slot){.payload_seed = twin->token * 1000 + slot};
    uint32_t bytes = payload_bytes == 0 ? 0 : payload_bytes - (uint32_t)(slot % 3);
    fill_payload(payload, bytes, at->payload_seed);
    at->entry = (struct paxos_entry){
        .slot = slot,
        .time_ms = 1000 + slot,
        .payload_bytes = bytes,
        .type = PAXOS_ENTRY_BATCH,
        .digest = payload_digest(payload, bytes),
    };
    at->entry.chain = paxos_chain_next(twin_chain_at(twin, slot - 1), &at->entry);
}

static void pack(struct twin *twin, const struct writing *writing, struct cs_buffer *out)
{
    twin->token++;
    size_t count = writing->count == 0 ? 1 : writing->count;
    struct paxos_entry *entries = calloc(count, sizeof *entries);
    struct cs_view *payloads = calloc(count, sizeof *payloads);
    uint8_t *bytes = calloc(count, (size_t)writing->payload_bytes + 1);
    CHECK(entries != NULL);
    CHECK(payloads != NULL);
    CHECK(bytes != NULL);
    for (uint32_t i = 0; i < writing->count; i++) {
        uint8_t *payload = bytes + (size_t)i * writing->payload_bytes;
        CHECK(writing->first + i <= TWIN_SLOTS_MAX);
        make_entry(twin, writing->first + i, writing->payload_bytes, payload);
        entries[i] = twin->slots[writing->first + i].entry;
        payloads[i] = view_of(payload, entries[i].payload_bytes);
    }
    if (writing->first > 0) {
        twin->length = writing->first - 1 + writing->count;
    }
    if (writing->kind == PAXOS_PERSIST_FETCHED && twin->length > twin->decided) {
        twin->decided = twin->length;
    }
    const struct paxos_persist persist = {
        .kind = writing->kind,
        .entry_count = writing->count,
        .token = twin->token,
        .first_slot = writing->first,
        .promised = twin->promised,
        .accepted = twin->accepted,
        .decided = twin->decided,
        .length = twin->length,
        .chain = twin_chain_at(twin, twin->length),
    };
    wal_pack_record(out, &persist, entries, payloads, &twin->config, twin->watermarks);
    free(entries);
    free(payloads);
    free(bytes);
}

void twin_append(struct twin *twin,
                 uint32_t count,
                 uint32_t payload_bytes,
                 struct cs_buffer *out)
{
    const struct writing writing = {
        .kind = PAXOS_PERSIST_APPEND,
        .first = twin->length + 1,
        .count = count,
        .payload_bytes = payload_bytes,
    };
    pack(twin, &writing, out);
}

void twin_promise(struct twin *twin, struct cs_buffer *out)
{
    const struct writing writing = {.kind = PAXOS_PERSIST_PROMISE};
    twin->promised.epoch = 1;
    twin->promised.round++;
    twin->promised.node = 1 + twin->promised.round % 3;
    twin->watermarks[0].boot++;
    pack(twin, &writing, out);
}

void twin_sync(struct twin *twin,
               cs_slot first,
               uint32_t count,
               uint32_t payload_bytes,
               struct cs_buffer *out)
{
    CHECK(first > twin->decided);
    const struct writing writing = {
        .kind = PAXOS_PERSIST_SYNC,
        .first = first,
        .count = count,
        .payload_bytes = payload_bytes,
    };
    twin->accepted = twin->promised;
    pack(twin, &writing, out);
}

void twin_fetch(struct twin *twin,
                cs_slot first,
                uint32_t count,
                uint32_t payload_bytes,
                struct cs_buffer *out)
{
    CHECK(first > twin->decided);
    const struct writing writing = {
        .kind = PAXOS_PERSIST_FETCHED,
        .first = first,
        .count = count,
        .payload_bytes = payload_bytes,
    };
    pack(twin, &writing, out);
}

void twin_configure(struct twin *twin, struct cs_buffer *out)
{
    const struct writing writing = {.kind = PAXOS_PERSIST_CONFIG};
    twin->config.cluster_id = (struct paxos_id){.high = 7, .low = 8};
    twin->config.epoch = 1;
    twin->config.member_count = 3;
    twin->config.started = 1;
    for (uint32_t i = 0; i < 3; i++) {
        twin->config.node[i] = i + 1;
        twin->config.incarnation[i] =
            (struct paxos_id){.high = 100 + i, .low = twin->token};
    }
    pack(twin, &writing, out);
}

void twin_repair(const struct twin *twin,
                 const struct paxos_persist *record,
                 struct cs_buffer *out)
{
    struct paxos_entry *entries = calloc(record->entry_count, sizeof *entries);
    struct cs_view *payloads = calloc(record->entry_count, sizeof *payloads);
    struct cs_buffer bytes = {0};
    CHECK(entries != NULL);
    CHECK(payloads != NULL);
    for (uint32_t i = 0; i < record->entry_count; i++) {
        const struct twin_slot *slot = &twin->slots[record->first_slot + i];
        entries[i] = slot->entry;
        size_t count = slot->entry.payload_bytes;
        if (count > 0) {
            fill_payload(buffer_extend(&bytes, count), (uint32_t)count,
                         slot->payload_seed);
        }
    }
    const uint8_t *at = bytes.data;
    for (uint32_t i = 0; i < record->entry_count; i++) {
        payloads[i] = view_of(at, entries[i].payload_bytes);
        at = at == NULL ? NULL : at + entries[i].payload_bytes;
    }
    wal_pack_record(out, record, entries, payloads, &twin->config, twin->watermarks);
    free(entries);
    free(payloads);
    buffer_fini(&bytes);
}

void twin_decide(struct twin *twin, cs_slot decided)
{
    CHECK(decided <= twin->length);
    if (decided > twin->decided) {
        twin->decided = decided;
    }
}

/* ---- comparing --------------------------------------------------------------------- */

static bool same_chain(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

static bool same_entry(const struct paxos_entry *left, const struct paxos_entry *right)
{
    return left->slot == right->slot && left->time_ms == right->time_ms &&
           left->payload_bytes == right->payload_bytes && left->type == right->type &&
           same_chain(left->digest, right->digest) &&
           same_chain(left->chain, right->chain);
}

static const char *compare_tail(const struct twin *twin,
                                const struct paxos_recovered *core)
{
    if (core->base > 0 && core->base >= core->decided) {
        return "base";
    }
    if (!same_chain(core->base_chain, twin_chain_at(twin, core->base))) {
        return "base_chain";
    }
    cs_slot slot = core->base;
    for (uint32_t i = 0; i < core->tail_count; i++) {
        const struct paxos_entry *entry = &core->tail[i];
        if (entry->slot <= slot || entry->slot > twin->length ||
            !same_entry(entry, &twin->slots[entry->slot].entry)) {
            return "tail";
        }
        slot = entry->slot;
    }
    return same_chain(core->length_chain, twin_chain_at(twin, core->length))
               ? NULL
               : "length_chain";
}

static bool same_state(const struct twin *twin, const struct paxos_recovered *core)
{
    if (memcmp(&twin->config, &core->config, sizeof twin->config) != 0) {
        return false;
    }
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        const struct paxos_watermark *left = &twin->watermarks[i];
        const struct paxos_watermark *right = &core->watermarks[i];
        if (left->boot != right->boot || left->block != right->block ||
            paxos_ballot_compare(left->promised, right->promised) != 0) {
            return false;
        }
    }
    return true;
}

const char *twin_compare_recovered(const struct twin *twin,
                                   const struct paxos_recovered *core)
{
    if (paxos_ballot_compare(twin->promised, core->promised) != 0) {
        return "promised";
    }
    if (paxos_ballot_compare(twin->accepted, core->accepted) != 0) {
        return "accepted";
    }
    if (twin->length != core->length) {
        return "length";
    }
    if (core->decided > twin->decided) {
        return "decided leads";
    }
    if (twin->token != core->token) {
        return "token";
    }
    if (!same_state(twin, core)) {
        return "configuration or watermarks";
    }
    return compare_tail(twin, core);
}

static const char *compare_slice(const struct twin *twin, const struct wal_slice *slice)
{
    cs_slot first = slice->entries[0].slot;
    if (!same_chain(slice->before_chain, twin_chain_at(twin, first - 1))) {
        return "chain before a slice";
    }
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        const struct twin_slot *at = &twin->slots[first + i];
        if (!same_entry(&slice->entries[i], &at->entry)) {
            return "entry of a slice";
        }
        struct paxos_digest digest =
            payload_digest(slice->payloads[i].data, slice->payloads[i].bytes);
        if (slice->payloads[i].bytes != at->entry.payload_bytes ||
            !same_chain(digest, at->entry.digest)) {
            return "payload of a slice";
        }
    }
    return NULL;
}

const char *
twin_compare_log(const struct twin *twin, struct wal *wal, uint32_t entries_max)
{
    cs_slot next = 1;
    const char *difference = NULL;
    while (difference == NULL && next <= twin->length) {
        struct wal_slice slice;
        if (wal_read(wal, next, twin->length, entries_max, UINT64_MAX, &slice) !=
            WAL_OK) {
            return wal_error(wal);
        }
        if (slice.entry_count == 0 || slice.entries[0].slot != next) {
            difference = "first slot of a slice";
        } else {
            difference = compare_slice(twin, &slice);
            next += slice.entry_count;
        }
        wal_slice_fini(&slice);
    }
    return difference;
}
