/*
 * A record, little endian:
 *
 *    0   4  bytes of the whole record, a multiple of 8
 *    4   4  kind (enum paxos_persist_kind)
 *    8   8  token
 *   16   8  first slot
 *   24   4  number of entries
 *   28   4  bytes of configuration and watermarks: 0 or RECORD_STATE_BYTES
 *   32  12  promised, after this record (epoch, round, node); REPAIR, NOTE: not read
 *   44  12  accepted; REPAIR, NOTE: not read
 *   56   8  decided
 *   64   8  length; REPAIR, NOTE: not read
 *   72  16  chain(length); REPAIR, NOTE: not read
 *   88      configuration and watermarks: PROMISE, SYNC, CONFIG and NOTE only
 *           entries, 48 bytes each:
 *              0   8  time
 *              8   4  payload bytes
 *             12   4  type
 *             16  16  digest of the payload
 *             32  16  chain(slot)
 *           payloads, one after the other
 *           zeros up to a multiple of 8
 *
 * Sound when: the kind is known, the sizes add up exactly, the state part is there if
 * and only if the kind has one, and a kind without entries has none. Whether it fits
 * the log before it is for log_state.c to say. The block's digest covers it.
 */
#include "wal/record.h"

#include "wal/fields.h"
#include "wal/wal.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"

enum { RECORD_ALIGN_BYTES = 8 };

// A SYNC record is atomic, so one block must hold the longest: what a leader keeps of
// decided entries (its ring) and of undecided ones (its window), either overshot by one
// entry.
_Static_assert(WAL_BLOCK_BODY_MAX >= LIMIT_RING_BYTES + LIMIT_WINDOW_BYTES +
                                         2 * LIMIT_ENTRY_BYTES +
                                         LIMIT_RING_ENTRIES * RECORD_ENTRY_BYTES +
                                         RECORD_HEAD_BYTES + RECORD_STATE_BYTES,
               "the longest SYNC record");

static size_t aligned(size_t bytes)
{
    return (bytes + RECORD_ALIGN_BYTES - 1) / RECORD_ALIGN_BYTES * RECORD_ALIGN_BYTES;
}

bool record_has_superblock(uint32_t kind)
{
    return kind == PAXOS_PERSIST_PROMISE || kind == PAXOS_PERSIST_SYNC ||
           kind == PAXOS_PERSIST_CONFIG;
}

bool record_has_state(uint32_t kind)
{
    return record_has_superblock(kind) || kind == PAXOS_PERSIST_NOTE;
}

bool record_is_bare(uint32_t kind)
{
    return kind == PAXOS_PERSIST_PROMISE || kind == PAXOS_PERSIST_CONFIG ||
           kind == PAXOS_PERSIST_NOTE;
}

bool record_is_aside(uint32_t kind)
{
    return kind == PAXOS_PERSIST_REPAIR || kind == PAXOS_PERSIST_NOTE;
}

static bool may_have_entries(uint32_t kind)
{
    return kind == PAXOS_PERSIST_APPEND || kind == PAXOS_PERSIST_SYNC ||
           kind == PAXOS_PERSIST_FETCHED || kind == PAXOS_PERSIST_REPAIR;
}

/* ---- packing ----------------------------------------------------------------------- */

static uint8_t *put_head(uint8_t *at, const struct paxos_persist *persist, size_t bytes)
{
    bool has_state = record_has_state(persist->kind);
    field_put_u32(&at, (uint32_t)bytes);
    field_put_u32(&at, persist->kind);
    field_put_u64(&at, persist->token);
    field_put_u64(&at, persist->first_slot);
    field_put_u32(&at, persist->entry_count);
    field_put_u32(&at, has_state ? (uint32_t)RECORD_STATE_BYTES : 0);
    field_put_ballot(&at, persist->promised);
    field_put_ballot(&at, persist->accepted);
    field_put_u64(&at, persist->decided);
    field_put_u64(&at, persist->length);
    field_put_chain(&at, persist->chain);
    return at;
}

static uint8_t *put_entry(uint8_t *at, const struct paxos_entry *entry)
{
    field_put_u64(&at, entry->time_ms);
    field_put_u32(&at, entry->payload_bytes);
    field_put_u32(&at, entry->type);
    field_put_chain(&at, entry->digest);
    field_put_chain(&at, entry->chain);
    return at;
}

void wal_pack_record(struct cs_buffer *out,
                     const struct paxos_persist *persist,
                     const struct paxos_entry *entries,
                     const struct cs_view *payloads,
                     const struct paxos_config *config,
                     const struct paxos_watermark *watermarks)
{
    bool has_state = record_has_state(persist->kind);
    CHECK(has_state || may_have_entries(persist->kind));
    CHECK(persist->entry_count == 0 || may_have_entries(persist->kind));
    size_t exact = RECORD_HEAD_BYTES + (has_state ? (size_t)RECORD_STATE_BYTES : 0);
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        CHECK(entries[i].slot == persist->first_slot + i);
        CHECK(entries[i].payload_bytes == payloads[i].bytes);
        exact += RECORD_ENTRY_BYTES + payloads[i].bytes;
    }
    size_t bytes = aligned(exact);
    CHECK(bytes <= UINT32_MAX);
    uint8_t *at = put_head(buffer_extend(out, bytes), persist, bytes);
    if (has_state) {
        record_pack_state(at, config, watermarks);
        at += RECORD_STATE_BYTES;
    }
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        at = put_entry(at, &entries[i]);
    }
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        if (payloads[i].bytes > 0) {
            memcpy(at, payloads[i].data, payloads[i].bytes);
            at += payloads[i].bytes;
        }
    }
    memset(at, 0, bytes - exact);
}

void record_pack_state(uint8_t *to,
                       const struct paxos_config *config,
                       const struct paxos_watermark *watermarks)
{
    uint8_t *at = to;
    field_put_id(&at, config->cluster_id);
    field_put_u32(&at, config->epoch);
    field_put_u32(&at, config->member_count);
    field_put_u32(&at, config->started);
    field_put_u32(&at, 0);
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        field_put_u32(&at, config->node[i]);
    }
    field_put_u32(&at, 0);
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        field_put_id(&at, config->incarnation[i]);
    }
    CHECK(at == to + RECORD_CONFIG_BYTES);
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        field_put_u64(&at, watermarks[i].boot);
        field_put_u64(&at, watermarks[i].block);
        field_put_ballot(&at, watermarks[i].promised);
        field_put_u32(&at, 0);
    }
    CHECK(at == to + RECORD_STATE_BYTES);
}

/* ---- unpacking --------------------------------------------------------------------- */

bool record_unpack_state(const uint8_t *from,
                         struct paxos_config *out_config,
                         struct paxos_watermark *out_watermarks)
{
    const uint8_t *at = from;
    *out_config = (struct paxos_config){0};
    out_config->cluster_id = field_take_id(&at);
    out_config->epoch = field_take_u32(&at);
    out_config->member_count = field_take_u32(&at);
    out_config->started = field_take_u32(&at);
    (void)field_take_u32(&at);
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        out_config->node[i] = field_take_u32(&at);
    }
    (void)field_take_u32(&at);
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        out_config->incarnation[i] = field_take_id(&at);
    }
    for (int i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        out_watermarks[i] = (struct paxos_watermark){.boot = field_take_u64(&at)};
        out_watermarks[i].block = field_take_u64(&at);
        out_watermarks[i].promised = field_take_ballot(&at);
        (void)field_take_u32(&at);
    }
    return out_config->member_count <= PAXOS_MEMBERS_MAX && out_config->started <= 1;
}

static void take_head(const uint8_t *at, struct record *record, uint32_t *out_state_bytes)
{
    struct paxos_persist *persist = &record->persist;
    record->bytes = field_take_u32(&at);
    persist->kind = field_take_u32(&at);
    persist->token = field_take_u64(&at);
    persist->first_slot = field_take_u64(&at);
    persist->entry_count = field_take_u32(&at);
    *out_state_bytes = field_take_u32(&at);
    persist->promised = field_take_ballot(&at);
    persist->accepted = field_take_ballot(&at);
    persist->decided = field_take_u64(&at);
    persist->length = field_take_u64(&at);
    persist->chain = field_take_chain(&at);
}

/* Sum of what the entries say. */
static uint64_t payload_sum(struct cs_view entries)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < entries.bytes; at += RECORD_ENTRY_BYTES) {
        sum += load_u32(entries.data + at + 8);
    }
    return sum;
}

bool record_unpack(struct cs_view rest, struct record *out_record)
{
    *out_record = (struct record){0};
    if (rest.bytes < RECORD_HEAD_BYTES) {
        return false;
    }
    uint32_t state_bytes = 0;
    take_head(rest.data, out_record, &state_bytes);
    const struct paxos_persist *persist = &out_record->persist;
    bool has_state = record_has_state(persist->kind);
    if (!has_state && !may_have_entries(persist->kind)) {
        return false;
    }
    if (state_bytes != (has_state ? (uint32_t)RECORD_STATE_BYTES : 0) ||
        (persist->entry_count > 0 && !may_have_entries(persist->kind))) {
        return false;
    }
    uint64_t entries_bytes = (uint64_t)persist->entry_count * RECORD_ENTRY_BYTES;
    uint64_t fixed = RECORD_HEAD_BYTES + state_bytes + entries_bytes;
    if (out_record->bytes > rest.bytes || fixed > out_record->bytes) {
        return false;
    }
    const uint8_t *at = rest.data + RECORD_HEAD_BYTES;
    out_record->state = view_of(at, state_bytes);
    out_record->entries = view_of(at + state_bytes, (size_t)entries_bytes);
    uint64_t sum = payload_sum(out_record->entries);
    out_record->payloads = view_of(rest.data + fixed, (size_t)sum);
    if (MUTANT_IS(151)) {
        return true;
    }
    return sum <= out_record->bytes &&
           aligned((size_t)(fixed + sum)) == out_record->bytes;
}

static bool counts(uint32_t kind)
{
    return (kind != PAXOS_PERSIST_CONFIG || MUTANT_IS(128)) &&
           (kind != PAXOS_PERSIST_NOTE || MUTANT_IS(310));
}

bool record_any_counts(struct cs_view records)
{
    struct cs_view rest = records;
    struct record record = {0};
    while (rest.bytes > 0 && record_unpack(rest, &record)) {
        if (counts(record.persist.kind)) {
            return true;
        }
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
    return false;
}

struct record_cursor record_entries(const struct record *record)
{
    struct record_cursor cursor = {
        .entry = record->entries.data,
        .payload = record->payloads.data,
        .slot = record->persist.first_slot,
        .left_count = record->persist.entry_count,
    };
    return cursor;
}

bool record_take_entry(struct record_cursor *cursor,
                       struct paxos_entry *out_entry,
                       struct cs_view *out_payload)
{
    if (cursor->left_count == 0) {
        return false;
    }
    struct paxos_entry entry = {.slot = cursor->slot};
    entry.time_ms = field_take_u64(&cursor->entry);
    entry.payload_bytes = field_take_u32(&cursor->entry);
    entry.type = field_take_u32(&cursor->entry);
    entry.digest = field_take_chain(&cursor->entry);
    entry.chain = field_take_chain(&cursor->entry);
    *out_payload = view_of(cursor->payload, entry.payload_bytes);
    *out_entry = entry;
    cursor->payload += entry.payload_bytes;
    cursor->slot++;
    cursor->left_count--;
    return true;
}
