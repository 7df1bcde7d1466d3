#include "scenarios/world.h"

#include <stdlib.h>
#include <string.h>

/*
 * The disk of a process. As the real log: records queue while a block is in flight; the
 * block takes all that is queued and is durable as a whole after one sync; a crash
 * loses what is not durable.
 */

enum { SLOW_SYNC_MS = 1000 }; // a sync in flight this long is told to the core, and again

static struct paxos_id make_id(uint64_t high, uint64_t low)
{
    struct paxos_id id = {.high = high, .low = low};
    return id;
}

void storage_format(struct storage *storage, uint32_t seat, uint64_t life)
{
    memset(storage, 0, sizeof *storage);
    storage->incarnation = make_id(1 + life, 1 + seat);
}

void storage_form(struct storage *storage, uint32_t members)
{
    struct paxos_config *config = &storage->config;
    config->cluster_id = make_id(0xc0de, 1);
    config->epoch = 1;
    config->member_count = members;
    config->started = 1;
    for (uint32_t seat = 0; seat < members; seat++) {
        config->node[seat] = seat + 1;
        config->incarnation[seat] = make_id(1, 1 + seat);
    }
}

struct paxos_digest storage_chain_at(const struct storage *storage, cs_slot slot)
{
    struct paxos_digest none = {0};
    CHECK(slot <= storage->length);
    return slot == 0 ? none : storage->entries[slot - 1].chain;
}

/*
 * As the log does (src/wal/open.c): a lost slot is below the core's memory if the slot
 * behind it is decided too; else the core takes less for decided.
 */
static cs_slot known_decided(const struct storage *storage)
{
    cs_slot decided = storage->decided;
    for (cs_slot slot = storage->length; slot > 0; slot--) {
        if (storage->is_lost[slot] && slot + 1 >= decided && slot <= decided) {
            decided = slot - 1;
        }
    }
    return decided;
}

void storage_recover(const struct storage *storage,
                     uint32_t ring_entries,
                     struct paxos_recovered *out_recovered)
{
    static struct paxos_entry tail[SLOTS_MAX];
    uint32_t count = 0;
    cs_slot decided = known_decided(storage);
    cs_slot base = storage->length > ring_entries ? storage->length - ring_entries : 0;
    for (cs_slot slot = base + 1; slot < decided; slot++) {
        base = storage->is_lost[slot] ? slot + 1 : base;
    }
    CHECK(base == 0 || base < decided);
    for (cs_slot slot = base + 1; slot <= storage->length; slot++) {
        if (!storage->is_lost[slot]) {
            tail[count++] = storage->entries[slot - 1];
        }
    }
    *out_recovered = (struct paxos_recovered){
        .config = storage->config,
        .promised = storage->promised,
        .accepted = storage->accepted,
        .decided = decided,
        .decided_whole = storage->decided,
        .length = storage->length,
        .block = storage->block,
        .token = storage->token,
        .base = base,
        .base_chain = storage_chain_at(storage, base),
        .length_chain = storage_chain_at(storage, storage->length),
        .tail_count = count,
        .tail = tail,
    };
    memcpy(out_recovered->watermarks, storage->watermarks, sizeof storage->watermarks);
}

/* ---- records on their way ---- */

static void free_records(struct disk *disk, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(disk->queue[i].entries);
    }
    disk->queued -= count;
    memmove(disk->queue, disk->queue + count, disk->queued * sizeof disk->queue[0]);
}

void disk_lose(struct disk *disk)
{
    free_records(disk, disk->queued);
    disk->writing = 0;
}

static void start_block(struct disk *disk, uint64_t now_ms)
{
    if (disk->writing == 0 && disk->queued > 0) {
        disk->writing = disk->queued;
        disk->started_ms = now_ms;
        disk->told_slow_ms = now_ms;
    }
}

void disk_append(struct world *world, int at, const struct paxos_persist *persist)
{
    const struct process *process = &world->processes[at];
    struct disk *disk = &world->processes[at].disk;
    CHECK(disk->queued < RECORDS_MAX);
    struct record *record = &disk->queue[disk->queued++];
    *record = (struct record){.persist = *persist};
    record->config = *paxos_config_of(process->core);
    memcpy(record->watermarks, paxos_watermarks_of(process->core),
           sizeof record->watermarks);
    record->entries = calloc(persist->entry_count + 1, sizeof *record->entries);
    CHECK(record->entries != NULL);
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        record->entries[i] = *paxos_entry_at(process->core, persist->first_slot + i);
    }
    start_block(disk, world->now_ms);
}

uint64_t disk_due_ms(const struct disk *disk)
{
    bool is_moving = disk->writing > 0 && !disk->is_held;
    return is_moving ? disk->started_ms + disk->latency_ms : UINT64_MAX;
}

uint64_t disk_slow_due_ms(const struct disk *disk)
{
    return disk->writing > 0 ? disk->told_slow_ms + SLOW_SYNC_MS : UINT64_MAX;
}

void disk_tell_slow(struct world *world, int at)
{
    struct disk *disk = &world->processes[at].disk;
    disk->told_slow_ms = world->now_ms;
    struct paxos_event event = {
        .type = PAXOS_EVENT_DISK_SLOW,
        .sync_us = 1000 * (world->now_ms - disk->started_ms),
    };
    process_step(world, at, &event);
}

/* ---- durable ---- */

static void keep_entries(struct storage *storage, const struct record *record)
{
    cs_slot first = record->persist.first_slot;
    for (uint32_t i = 0; i < record->persist.entry_count; i++) {
        storage->entries[first - 1 + i] = record->entries[i];
        storage->is_lost[first + i] = false;
    }
}

/* The log is what it was, and slots of it that were lost are there again. */
static void write_repaired(struct storage *storage, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    for (uint32_t i = 0; i < persist->entry_count; i++) {
        cs_slot slot = persist->first_slot + i;
        // Decided entries may come before it is known that the log was another one.
        bool is_same =
            digests_equal(storage->entries[slot - 1].chain, record->entries[i].chain);
        CHECK(slot <= storage->length);
        CHECK(is_same || slot <= persist->decided);
    }
    keep_entries(storage, record);
}

static void write_entries(struct storage *storage, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    if (persist->kind == PAXOS_PERSIST_REPAIR) {
        write_repaired(storage, record);
        return;
    }
    CHECK(persist->first_slot >= 1);
    CHECK(persist->first_slot <= storage->length + 1);
    CHECK(persist->length <= SLOTS_MAX);
    CHECK(persist->length == persist->first_slot - 1 + persist->entry_count);
    if (persist->kind == PAXOS_PERSIST_APPEND) {
        CHECK(persist->first_slot == storage->length + 1);
    }
    keep_entries(storage, record);
    storage->length = persist->length;
}

static void apply(struct storage *storage, const struct record *record)
{
    const struct paxos_persist *persist = &record->persist;
    CHECK(persist->token == storage->token + 1);
    storage->token = persist->token;
    storage->promised = persist->promised;
    storage->accepted = persist->accepted;
    // What the log was known to have decided is not forgotten with a lost slot.
    storage->decided =
        persist->decided > storage->decided ? persist->decided : storage->decided;
    bool has_superblock = persist->kind == PAXOS_PERSIST_PROMISE ||
                          persist->kind == PAXOS_PERSIST_SYNC ||
                          persist->kind == PAXOS_PERSIST_CONFIG;
    if (has_superblock) {
        storage->config = record->config;
        memcpy(storage->watermarks, record->watermarks, sizeof storage->watermarks);
    }
    if (persist->first_slot != 0) {
        write_entries(storage, record);
    }
    CHECK(persist->length == storage->length);
    CHECK(storage->decided <= storage->length);
    CHECK(digests_equal(persist->chain, storage_chain_at(storage, storage->length)));
}

void disk_finish(struct world *world, int at)
{
    struct disk *disk = &world->processes[at].disk;
    uint32_t count = disk->writing;
    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        apply(&disk->durable, &disk->queue[i]);
        checks_after_record(world, at, disk->queue[i].persist.kind);
    }
    free_records(disk, count);
    disk->durable.block++;
    disk->writing = 0;
    struct paxos_event event = {
        .type = PAXOS_EVENT_PERSISTED,
        .token = disk->durable.token,
        .block = disk->durable.block,
        .sync_us = 1000 * (world->now_ms - disk->started_ms),
    };
    start_block(disk, world->now_ms);
    process_step(world, at, &event);
    if (world->processes[at].is_running) {
        network_release(world, at, event.token);
    }
}
