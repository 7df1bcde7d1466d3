/*
 * log.c - the model's log: in memory, in records under way, on the disk (2.2). It knows
 * entries by identity and chain only, as the core does.
 */
#include "monitor/model.h"

#include "base/check.h"

#include <stdlib.h>

static void reserve(struct model_log *log, cs_slot length)
{
    size_t needed = (size_t)(length - log->base) + 1;
    if (needed > log->capacity) {
        log->capacity = needed * 2 + 64;
        log->entries = realloc(log->entries, log->capacity * sizeof *log->entries);
        CHECK(log->entries != NULL);
    }
}

static void push(struct model_log *log, const struct paxos_entry *entry)
{
    reserve(log, log->length + 1);
    struct model_entry *last = &log->entries[log->length - log->base];
    last[1] = (struct model_entry){
        .chain = paxos_chain_next(last->chain, entry),
        .time_ms = entry->time_ms,
        .payload_bytes = entry->payload_bytes,
    };
    log->length++;
}

bool spec_log_knows(const struct model_log *log, cs_slot slot)
{
    return slot >= log->base && slot <= log->length;
}

const struct model_entry *spec_log_at(const struct model_log *log, cs_slot slot)
{
    CHECK(spec_log_knows(log, slot));
    return &log->entries[slot - log->base];
}

bool spec_log_agrees(const struct model_log *log, cs_slot slot, struct paxos_digest chain)
{
    return !spec_log_knows(log, slot) ||
           chain_equal(spec_log_at(log, slot)->chain, chain);
}

struct paxos_digest spec_log_chain_of(const struct paxos_message *message,
                                      struct paxos_digest from_chain,
                                      cs_slot from,
                                      cs_slot slot)
{
    CHECK(slot >= from);
    CHECK(slot - from <= message->entry_count);
    for (cs_slot i = 0; i < slot - from; i++) {
        from_chain = paxos_chain_next(from_chain, &message->entries[i]);
    }
    return from_chain;
}

void spec_log_fini(struct monitor *monitor)
{
    free(monitor->log.entries);
    free(monitor->lost.rest);
    free(monitor->records.ring);
}

/*
 * ---- a process begins
 */

/* What an earlier life left, and possibly records that were on their way (I11). */
static void judge_recovered(struct monitor *monitor, const struct paxos_recovered *found)
{
    bool is_known = found->token >= monitor->disk.token && found->token <= monitor->token;
    EXPECT(monitor, RULE_I11, is_known,
           "recovered to record %llu, expected %llu (durable) to %llu (the last)",
           ull(found->token), ull(monitor->disk.token), ull(monitor->token));
    if (!is_known) {
        return;
    }
    spec_log_settle(monitor, found->token, found->block);
    const struct model_disk *disk = &monitor->disk;
    EXPECT(monitor, RULE_I4,
           ballot_equal(found->promised, disk->promised) &&
               ballot_equal(found->accepted, disk->accepted),
           "recovered promised %s accepted %s, the disk held %s and %s",
           spec_ballot(found->promised), spec_ballot(found->accepted),
           spec_ballot(disk->promised), spec_ballot(disk->accepted));
    if (monitor->records.count == 0) {
        EXPECT(monitor, RULE_I11, found->length == monitor->log.length,
               "recovered %llu slots, the disk held %llu", ull(found->length),
               ull(monitor->log.length));
    }
    EXPECT(monitor, RULE_I11, found->length >= disk->length,
           "recovered %llu slots, the disk held %llu", ull(found->length),
           ull(disk->length));
    EXPECT(
        monitor, RULE_I11, spec_log_agrees(&monitor->log, found->base, found->base_chain),
        "the recovered log differs from the one written at slot %llu", ull(found->base));
    for (uint32_t i = 0; i < found->tail_count; i++) { // slots may be lost among them
        const struct paxos_entry *entry = &found->tail[i];
        EXPECT(monitor, RULE_I11,
               entry->slot > disk->length ||
                   spec_log_agrees(&monitor->log, entry->slot, entry->chain),
               "the recovered log differs from the one written at slot %llu",
               ull(entry->slot));
    }
}

/* What is known of the log is its tail's first `used` entries, and what follows a gap. */
static void
begin_lost(struct monitor *monitor, const struct paxos_recovered *found, uint32_t used)
{
    struct model_lost *lost = &monitor->lost;
    size_t count = found->tail_count - used;
    if (count > lost->rest_capacity) {
        lost->rest = realloc(lost->rest, count * sizeof *lost->rest);
        CHECK(lost->rest != NULL);
        lost->rest_capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        lost->rest[i] = found->tail[used + i];
    }
    lost->rest_first = 0;
    lost->rest_count = count;
    lost->length = found->length;
    lost->chain = found->length_chain;
    lost->decided = found->decided_whole;
    lost->is_active = monitor->log.length < found->length;
}

void spec_log_begin(struct monitor *monitor, const struct paxos_recovered *recovered)
{
    if (monitor->is_known) {
        judge_recovered(monitor, recovered);
    }
    struct model_log *log = &monitor->log;
    log->base = recovered->base;
    log->length = recovered->base;
    reserve(log, recovered->length);
    log->entries[0] = (struct model_entry){.chain = recovered->base_chain};
    uint32_t used = 0;
    while (used < recovered->tail_count &&
           recovered->tail[used].slot == log->length + 1) {
        push(log, &recovered->tail[used++]);
    }
    begin_lost(monitor, recovered, used);
    monitor->records.first = 0;
    monitor->records.count = 0;
    monitor->token = recovered->token;
    monitor->disk = (struct model_disk){
        .token = recovered->token,
        .block = recovered->block,
        .length = log->length,
        .promised = recovered->promised,
        .accepted = recovered->accepted,
        .is_formed = !id_is_none(recovered->config.cluster_id),
        .is_started = recovered->config.started != 0,
    };
}

/*
 * ---- records
 */

static void queue(struct model_records *records, const struct model_record *record)
{
    if (records->first + records->count == records->capacity) {
        if (records->first > records->capacity / 2) {
            for (size_t i = 0; i < records->count; i++) {
                records->ring[i] = records->ring[records->first + i];
            }
            records->first = 0;
        } else {
            records->capacity = records->capacity * 2 + 64;
            records->ring =
                realloc(records->ring, records->capacity * sizeof *records->ring);
            CHECK(records->ring != NULL);
        }
    }
    records->ring[records->first + records->count++] = *record;
}

/* Slots of the log as it is that its replacement from `first` on leaves as they are. */
static cs_slot count_kept(const struct monitor *monitor, cs_slot first)
{
    const struct model_log *log = &monitor->log;
    const struct paxos_persist *record = &monitor->step->effects->persist;
    cs_slot slot = first - 1;
    struct paxos_digest chain = spec_log_at(log, slot)->chain;
    for (uint32_t i = 0; i < record->entry_count && slot < log->length; i++) {
        chain = paxos_chain_next(chain, &monitor->step->entries[i]);
        if (!chain_equal(chain, log->entries[slot + 1 - log->base].chain)) {
            break;
        }
        slot++;
    }
    return slot;
}

static void replace(struct monitor *monitor)
{
    struct model_log *log = &monitor->log;
    const struct paxos_persist *record = &monitor->step->effects->persist;
    bool is_connected =
        record->first_slot > log->base && record->first_slot <= log->length + 1;
    EXPECT(monitor, RULE_2_2, is_connected,
           "a record of slots from %llu on, the log has %llu to %llu",
           ull(record->first_slot), ull(log->base + 1), ull(log->length));
    if (!is_connected) {
        return;
    }
    monitor->kept = count_kept(monitor, record->first_slot);
    EXPECT(monitor, RULE_I7, monitor->kept >= monitor->view.decided,
           "a record changes slot %llu, decided here to %llu", ull(monitor->kept + 1),
           ull(monitor->view.decided));
    log->length = record->first_slot - 1;
    for (uint32_t i = 0; i < record->entry_count; i++) {
        const struct paxos_entry *entry = &monitor->step->entries[i];
        uint64_t before_ms = spec_log_at(log, log->length)->time_ms;
        EXPECT(monitor, RULE_2_1, entry->time_ms >= before_ms,
               "log time falls from %llu to %llu at slot %llu", ull(before_ms),
               ull(entry->time_ms), ull(entry->slot));
        push(log, entry);
    }
}

/*
 * ---- slots of unknown identity (P5)
 */

static const struct paxos_entry *next_known(const struct model_lost *lost)
{
    return lost->rest_first < lost->rest_count ? &lost->rest[lost->rest_first] : NULL;
}

cs_slot spec_log_last_lost(const struct monitor *monitor)
{
    const struct paxos_entry *next = next_known(&monitor->lost);
    return next != NULL ? next->slot - 1 : monitor->lost.length;
}

/* Is the first run of unknown slots filled? Then the log goes on to what is known there. */
static void rejoin(struct monitor *monitor)
{
    struct model_lost *lost = &monitor->lost;
    struct model_log *log = &monitor->log;
    if (log->length != spec_log_last_lost(monitor)) {
        return;
    }
    const struct paxos_entry *next = next_known(lost);
    struct paxos_digest chain = spec_log_at(log, log->length)->chain;
    bool is_right = next != NULL ? chain_equal(paxos_chain_next(chain, next), next->chain)
                                 : chain_equal(chain, lost->chain);
    EXPECT(monitor, RULE_P5, is_right,
           "a copy of lost slots is taken that ends in another chain at slot %llu",
           ull(log->length));
    while (next != NULL && next->slot == log->length + 1) {
        push(log, next);
        lost->rest_first++;
        next = next_known(lost);
    }
    lost->is_active = log->length < lost->length;
}

static void judge_record(struct monitor *monitor, const struct paxos_persist *record)
{
    const struct paxos_view *after = monitor->step->view;
    const struct model_log *log = &monitor->log;
    const struct model_lost *lost = &monitor->lost;
    // While slots are unknown the log on disk is still the one it was.
    cs_slot length = lost->is_active ? lost->length : log->length;
    struct paxos_digest chain =
        lost->is_active ? lost->chain : spec_log_at(log, log->length)->chain;
    EXPECT(monitor, RULE_2_2, record->token == monitor->token + 1,
           "record %llu comes after record %llu", ull(record->token),
           ull(monitor->token));
    EXPECT(monitor, RULE_2_2,
           ballot_equal(record->promised, after->promised) &&
               ballot_equal(record->accepted, after->accepted),
           "the record says promised %s accepted %s, the node %s and %s",
           spec_ballot(record->promised), spec_ballot(record->accepted),
           spec_ballot(after->promised), spec_ballot(after->accepted));
    EXPECT(monitor, RULE_2_2,
           record->length == length && chain_equal(record->chain, chain),
           "the record says %llu slots, its entries make %llu, or hash to another chain",
           ull(record->length), ull(length));
    EXPECT(monitor, RULE_2_2, record->decided <= after->decided,
           "the record says decided %llu, the node %llu", ull(record->decided),
           ull(after->decided));
}

void spec_log_append(struct monitor *monitor)
{
    const struct paxos_persist *record = &monitor->step->effects->persist;
    monitor->length_before = monitor->log.length;
    monitor->kept = monitor->log.length;
    if (record->kind == PAXOS_PERSIST_NONE) {
        return;
    }
    bool has_log =
        record->kind != PAXOS_PERSIST_PROMISE && record->kind != PAXOS_PERSIST_CONFIG;
    if (has_log) {
        replace(monitor);
    }
    if (record->kind == PAXOS_PERSIST_REPAIR && monitor->lost.is_active) {
        rejoin(monitor);
    } else if (has_log) {
        monitor->lost.is_active = false; // another log, whole
    }
    judge_record(monitor, record);
    monitor->token = record->token;
    monitor->disk.length = slot_smaller(monitor->disk.length, monitor->kept);
    const struct paxos_config *config = monitor->step->config;
    const struct model_record queued = {
        .token = record->token,
        .kept = monitor->kept,
        .length = monitor->log.length,
        .promised = record->promised,
        .accepted = record->accepted,
        .is_formed = !id_is_none(config->cluster_id),
        .is_started = config->started != 0,
    };
    queue(&monitor->records, &queued);
}

/*
 * ---- durable
 */

static void carry_over(struct model_disk *disk, const struct model_record *record)
{
    disk->token = record->token;
    disk->length = record->length;
    disk->promised = record->promised;
    disk->accepted = record->accepted;
    disk->is_formed = record->is_formed;
    disk->is_started = record->is_started;
}

struct model_disk spec_log_disk_at(const struct monitor *monitor, uint64_t token)
{
    struct model_disk disk = monitor->disk;
    const struct model_records *records = &monitor->records;
    size_t i = 0;
    for (; i < records->count; i++) {
        const struct model_record *record = &records->ring[records->first + i];
        if (record->token > token) {
            break;
        }
        carry_over(&disk, record);
    }
    // What later records replace is not in the log in memory any more.
    for (; i < records->count; i++) {
        const struct model_record *record = &records->ring[records->first + i];
        disk.length = slot_smaller(disk.length, record->kept);
    }
    return disk;
}

void spec_log_settle(struct monitor *monitor, uint64_t token, uint64_t block)
{
    struct model_records *records = &monitor->records;
    if (token > monitor->disk.token) {
        monitor->disk = spec_log_disk_at(monitor, token);
    }
    if (block > monitor->disk.block) {
        monitor->disk.block = block;
    }
    while (records->count > 0 && records->ring[records->first].token <= token) {
        records->first++;
        records->count--;
    }
    if (records->count == 0) {
        records->first = 0;
    }
}
