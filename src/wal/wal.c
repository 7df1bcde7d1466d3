/*
 * Committing: records become a block, the block reaches the disk, then the state moves
 * on.
 */
#include "wal/wal.h"

#include "wal/internal.h"

#include "base/check.h"
#include "base/mutant.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

size_t wal_block_body_max(const struct wal_settings *settings)
{
    uint64_t half = settings->segment_bytes / 2;
    return half < WAL_BLOCK_BODY_MAX ? (size_t)half : (size_t)WAL_BLOCK_BODY_MAX;
}

size_t wal_record_bytes(struct cs_view records)
{
    CHECK(records.bytes >= RECORD_HEAD_BYTES);
    size_t bytes = load_u32(records.data);
    CHECK(bytes >= RECORD_HEAD_BYTES);
    CHECK(bytes <= records.bytes);
    return bytes;
}

const char *wal_error(const struct wal *wal)
{
    return wal->error;
}

enum wal_status wal_say(struct wal *wal, enum wal_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(wal->error, sizeof wal->error, format, arguments);
    va_end(arguments);
    if (status == WAL_FAILED && !MUTANT_IS(48)) {
        wal->has_failed = true;
    }
    return status;
}

/* The sentence of a failed call on the log's files. */
static enum wal_status
fail(struct wal *wal, const char *what, const char *name, int error)
{
    return wal_say(wal, WAL_FAILED,
                   "cannot %s %s: %s. What is on disk is unknown now, so this node stops "
                   "voting; start it again once the disk is sound.",
                   what, name, files_words_of(error).text);
}

/* ---- segments ---------------------------------------------------------------------- */

void wal_add_seed(struct wal *wal, uint64_t seed)
{
    uint64_t *seeds = realloc(wal->seeds, (wal->seed_count + 1) * sizeof *seeds);
    CHECK(seeds != NULL);
    seeds[wal->seed_count] = seed;
    wal->seeds = seeds;
    wal->seed_count++;
}

/* Makes one here if nobody else does. */
static enum wal_status have_ready_segment(struct wal *wal)
{
    if (wal->ready_count > 0) {
        return WAL_OK;
    }
    if (wal->has_helper) {
        return wal_say(wal, WAL_FULL, "the next segment of the log is not ready");
    }
    uint64_t number = wal->segment.number + 1;
    char error[WAL_SENTENCE_BYTES] = "";
    enum wal_status status = segment_prepare(&wal->files, wal->settings.segment_bytes,
                                             number, error, sizeof error);
    if (status == WAL_OK) {
        wal_adopt_segment(wal, number);
    } else if (status == WAL_FULL) {
        wal->is_full = true;
        (void)wal_say(wal, status, "no room on the disk for the next segment of the log");
    } else {
        (void)wal_say(wal, status, "%s", error);
    }
    return status;
}

/* The header of the next segment, durable; it is still named ready-N. 0 or an errno. */
static int write_header(struct wal *wal, struct wal_segment *next)
{
    const struct files *files = &wal->files;
    int64_t bytes = files->size_of(files->context, next->handle);
    if (bytes < 0) {
        return (int)-bytes;
    }
    next->bytes = (uint64_t)bytes;
    // Files are not used a second time yet. One begun before that did not get its name
    // holds no block: beginning it again makes no other generation of it, which nobody
    // could know once the header is damaged (damage.c).
    next->generation = MUTANT_IS(260) ? wal->boot : 1;
    next->offset = SEGMENT_HEADER_BYTES;
    next->seed = block_seed(wal->superblock.incarnation, next->number, next->generation);
    const struct segment_header header = {
        .incarnation = wal->superblock.incarnation,
        .cluster_id = wal->state.config.cluster_id,
        .number = next->number,
        .generation = next->generation,
        .first_block = wal->block + 1,
        .previous = wal->digest,
        .has_state = true,
        .promised = wal->state.promised,
        .accepted = wal->state.accepted,
        .decided = wal->state.decided,
        .length = wal->state.length,
        .chain = wal->state.chain,
        .token = wal->state.token,
        .cut_count = wal->state.cut_count,
    };
    // A page to borrow: it is packed anew each time.
    uint8_t *page = wal->superblock_file.pages;
    segment_pack_header(page, &header);
    int64_t written =
        files->write_through(files->context, next->handle, page, SEGMENT_HEADER_BYTES, 0);
    if (written < 0) {
        return (int)-written;
    }
    return written == SEGMENT_HEADER_BYTES ? 0 : EIO;
}

static enum wal_status close_segment(struct wal *wal)
{
    if (!wal->segment.is_open) {
        return WAL_OK;
    }
    wal->segment.is_open = false;
    int closed = wal->files.close_file(wal->files.context, wal->segment.handle);
    return closed == 0 ? WAL_OK : fail(wal, "close", "the segment", -closed);
}

/* An open or a rename failed. It changed nothing: what may pass is no failure. */
static enum wal_status cannot_begin(struct wal *wal, const char *log, int error)
{
    enum wal_status status = segment_status_of(error);
    if (status == WAL_FAILED || MUTANT_IS(264)) {
        return fail(wal, "begin segment", log, error);
    }
    return wal_say(wal, WAL_FULL, "cannot begin segment %s now: %s", log,
                   files_words_of(error).text);
}

/*
 * The name log-N says that all blocks before it are durable, so it comes last. A failed
 * sync of the directory is final whatever the reason: a later one would not tell of this
 * name any more (fsyncgate).
 */
static enum wal_status begin_segment(struct wal *wal, struct wal_segment *next)
{
    const struct files *files = &wal->files;
    char ready[FILES_NAME_BYTES];
    char log[FILES_NAME_BYTES];
    segment_name(ready, SEGMENT_READY, next->number);
    segment_name(log, SEGMENT_LOG, next->number);
    next->handle = files->open_file(files->context, ready, false);
    if (next->handle < 0) {
        return cannot_begin(wal, log, -next->handle);
    }
    next->is_open = true;
    int error = write_header(wal, next);
    if (error != 0) {
        return fail(wal, "begin segment", log, error);
    }
    error = -files->rename_file(files->context, ready, log);
    if (error != 0) {
        return cannot_begin(wal, log, error);
    }
    error = MUTANT_IS(47) ? 0 : -files->sync_directory(files->context);
    return error == 0 ? close_segment(wal) : fail(wal, "begin segment", log, error);
}

enum wal_status wal_next_segment(struct wal *wal)
{
    enum wal_status status = have_ready_segment(wal);
    if (status == WAL_OK && !MUTANT_IS(169)) {
        status = wal_sync(wal);
    }
    if (status != WAL_OK) {
        return status;
    }
    struct wal_segment next = {.number = wal->segment.number + 1};
    status = begin_segment(wal, &next);
    if (status != WAL_OK) {
        if (next.is_open) {
            (void)wal->files.close_file(wal->files.context, next.handle);
        }
        return status;
    }
    MARK(SEGMENT);
    wal_add_seed(wal, next.seed);
    wal->segment = next;
    wal->ready_count--;
    return WAL_OK;
}

bool wal_wants_segment(const struct wal *wal, uint64_t *out_number)
{
    *out_number = wal->segment.number + wal->ready_count + 1;
    return wal->ready_count < wal->settings.ready_segments;
}

enum wal_status wal_prepare_segment(const struct files *files,
                                    const struct wal_settings *settings,
                                    uint64_t number)
{
    char error[WAL_SENTENCE_BYTES] = "";
    return segment_prepare(files, settings->segment_bytes, number, error, sizeof error);
}

void wal_adopt_segment(struct wal *wal, uint64_t number)
{
    CHECK(number == wal->segment.number + wal->ready_count + 1);
    wal->ready_count++;
    wal->is_full = false;
}

void wal_leave_preparing(struct wal *wal)
{
    wal->has_helper = true;
}

bool wal_has_room(const struct wal *wal)
{
    return !wal->is_full && !wal->cannot_begin;
}

void wal_set_no_room(struct wal *wal, bool is_full)
{
    wal->is_full = is_full;
}

/* ---- blocks ------------------------------------------------------------------------ */

static struct block_header header_of(const struct wal *wal,
                                     const struct wal_block_plan *plan,
                                     const struct log_state *after)
{
    struct block_header header = {
        .body_bytes = (uint32_t)plan->body_bytes,
        .record_count = plan->record_count,
        .number = wal->block + 1,
        .floor = wal->synced_block,
        .boot = wal->boot,
        .generation = wal->segment.generation,
        .previous = wal->digest,
        .epoch = after->config.epoch,
        .promised = after->promised,
        .accepted = after->accepted,
        .token = after->token,
        .decided = after->decided,
        .first_slot = plan->first_slot,
        .length_before = wal->state.length,
        .length = after->length,
        .chain_before = wal->state.chain,
        .chain = after->chain,
        .cut_count = after->cut_count,
    };
    return header;
}

enum wal_status wal_write_block(struct wal *wal,
                                const struct wal_block_plan *plan,
                                const struct log_state *after)
{
    size_t bytes = block_disk_bytes(plan->body_bytes);
    bool is_early = BUGGIFY(wal->settings.buggify, SEGMENT_SOON) &&
                    wal->ready_count > 0 && wal->block % 64 == 0;
    if (wal->segment.number == 0 || is_early ||
        wal->segment.bytes - wal->segment.offset < bytes) {
        enum wal_status status = wal_next_segment(wal);
        if (status != WAL_OK) {
            return status;
        }
    }
    CHECK(wal->segment.bytes - wal->segment.offset >= bytes);
    CHECK(!plan->is_durable || wal->synced_block == wal->block);
    struct block_header header = header_of(wal, plan, after);
    const struct files *files = &wal->files;
    uint64_t offset = wal->segment.offset;
    block_pack(wal->buffer, &header, wal->segment.seed, offset);
    int handle = wal->segment.handle;
    int64_t written =
        plan->is_durable && !MUTANT_IS(44)
            ? files->write_through(files->context, handle, wal->buffer, bytes, offset)
            : files->write_at(files->context, handle, wal->buffer, bytes, offset);
    if (written < 0 || ((size_t)written < bytes && !MUTANT_IS(171))) {
        return fail(wal, "write a block of", "the log",
                    written < 0 ? (int)-written : ENOSPC);
    }
    wal->segment.offset += bytes;
    wal->block = header.number;
    wal->digest = header.digest;
    if (plan->is_durable) {
        wal->synced_block = wal->block;
    }
    return WAL_OK;
}

static void note_record(struct wal *wal,
                        const struct record *record,
                        const struct extent_place *place)
{
    const struct paxos_persist *persist = &record->persist;
    if (persist->kind != PAXOS_PERSIST_REPAIR) {
        extents_put(&wal->extents, persist->first_slot, persist->entry_count, place);
        faults_cut(&wal->faults, persist->first_slot);
        return;
    }
    struct record_cursor cursor = record_entries(record);
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    while (record_take_entry(&cursor, &entry, &payload)) {
        // The last one is asked for.
    }
    if (persist->entry_count > 0 && !MUTANT_IS(102)) {
        extents_fill(&wal->extents, persist->first_slot, persist->entry_count, place);
        faults_fill(&wal->faults, persist->first_slot, entry.slot, entry.chain);
    }
}

void wal_note_entries(struct wal *wal,
                      struct cs_view body,
                      uint64_t segment,
                      uint64_t offset)
{
    struct cs_view rest = body;
    struct record record = {0};
    while (rest.bytes > 0 && record_unpack(rest, &record)) {
        if (record.persist.first_slot > 0 && !record_is_bare(record.persist.kind)) {
            struct extent_place place = {
                .segment = segment,
                .offset_bytes = offset,
                .record_at_bytes =
                    (uint32_t)(BLOCK_HEADER_BYTES + (size_t)(rest.data - body.data)),
                .block = wal->block,
            };
            note_record(wal, &record, &place);
        }
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
}

/* ---- the superblock ---------------------------------------------------------------- */

enum wal_status wal_write_superblock(struct wal *wal)
{
    enum wal_status status = wal_sync(wal);
    if (status != WAL_OK) {
        return status;
    }
    struct superblock *superblock = &wal->superblock;
    const struct log_state *state = &wal->state;
    superblock->boot = wal->boot;
    superblock->floor_block = MUTANT_IS(58) ? superblock->floor_block : wal->block;
    superblock->floor_segment = wal->segment.number;
    superblock->promised = state->promised;
    superblock->accepted = state->accepted;
    superblock->decided = state->decided;
    superblock->length = state->length;
    superblock->chain = state->chain;
    superblock->token = state->token;
    superblock->config = state->config;
    memcpy(superblock->watermarks, state->watermarks, sizeof superblock->watermarks);
    int error = superblock_write(&wal->superblock_file, superblock);
    return error == 0 ? WAL_OK : fail(wal, "write the", SUPERBLOCK_NAME, error);
}

/* ---- the log's calls --------------------------------------------------------------- */

/* What the records come to. They are our own: each must follow from the one before. */
static struct wal_block_plan
plan_records(struct cs_view records, struct log_state *after, bool *out_has_state)
{
    struct wal_block_plan plan = {.body_bytes = records.bytes};
    struct cs_view rest = records;
    *out_has_state = false;
    while (rest.bytes > 0) {
        struct record record = {0};
        CHECK(record_unpack(rest, &record));
        CHECK(log_state_apply(after, &record));
        cs_slot first = record.persist.first_slot;
        if (record.persist.entry_count > 0 &&
            (plan.first_slot == 0 || first < plan.first_slot)) {
            plan.first_slot = first;
        }
        *out_has_state = *out_has_state || record_has_superblock(record.persist.kind);
        plan.record_count++;
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
    return plan;
}

enum wal_status
wal_commit(struct wal *wal, struct cs_view records, struct wal_commit *out_commit)
{
    *out_commit = (struct wal_commit){0};
    if (wal->has_failed) {
        return WAL_FAILED;
    }
    CHECK(records.bytes > 0);
    CHECK(records.bytes <= wal_block_body_max(&wal->settings));
    struct log_state after = wal->state;
    bool has_state = false;
    struct wal_block_plan plan = plan_records(records, &after, &has_state);
    plan.is_durable = wal->settings.durability == WAL_SYNC;
    memcpy(wal->buffer + BLOCK_HEADER_BYTES, records.data, records.bytes);
    enum wal_status status = wal_write_block(wal, &plan, &after);
    wal->cannot_begin = status == WAL_FULL && wal->ready_count > 0;
    if (status != WAL_OK) {
        return status;
    }
    uint64_t offset = wal->segment.offset - block_disk_bytes(records.bytes);
    wal_note_entries(wal, records, wal->segment.number, offset);
    wal->state = after;
    wal->record_block = record_any_counts(records) ? wal->block : wal->record_block;
    wal->wants_seal = true;
    has_state = has_state || BUGGIFY(wal->settings.buggify, SUPERBLOCK_ALWAYS);
    if (has_state && !MUTANT_IS(53)) {
        status = wal_write_superblock(wal);
    }
    bool has_room = wal->segment.bytes - wal->segment.offset >= block_disk_bytes(0);
    if (status == WAL_OK && has_room && BUGGIFY(wal->settings.buggify, SEAL_AT_ONCE)) {
        status = wal_seal(wal);
    }
    out_commit->token = after.token;
    out_commit->block =
        wal->record_block; // a seal behind it is not the one that peers remember (G2)
    return status;
}

enum wal_status wal_sync(struct wal *wal)
{
    if (wal->has_failed) {
        return WAL_FAILED;
    }
    if (wal->synced_block == wal->block) {
        return WAL_OK;
    }
    int error = -wal->files.sync_file(wal->files.context, wal->segment.handle);
    if (error != 0 && MUTANT_IS(170)) {
        error = -wal->files.sync_file(wal->files.context, wal->segment.handle);
    }
    if (error != 0) {
        return fail(wal, "sync", "the log", error);
    }
    wal->synced_block = wal->block;
    return WAL_OK;
}

bool wal_wants_seal(const struct wal *wal)
{
    return wal->wants_seal && !wal->has_failed &&
           !BUGGIFY(wal->settings.buggify, SEAL_NEVER);
}

enum wal_status wal_seal(struct wal *wal)
{
    if (wal->has_failed) {
        return WAL_FAILED;
    }
    if (!wal->wants_seal) {
        return WAL_OK;
    }
    MARK(SEAL);
    wal->wants_seal = false;
    struct wal_block_plan plan = {.is_durable = wal->settings.durability == WAL_SYNC};
    enum wal_status status = wal_write_block(wal, &plan, &wal->state);
    wal->wants_seal = status == WAL_FULL && !MUTANT_IS(324); // no segment for it yet
    return status;
}

void wal_close(struct wal **wal)
{
    struct wal *self = *wal;
    if (self == NULL) {
        return;
    }
    *wal = NULL;
    (void)wal_sync(self);
    (void)close_segment(self);
    segment_reader_fini(&self->reader);
    superblock_fini(&self->superblock_file);
    extents_fini(&self->extents);
    faults_fini(&self->faults);
    free(self->damages);
    free(self->seeds);
    free(self->tail);
    free(self->buffer);
    free(self);
}

void wal_forget_tail(struct wal *wal)
{
    free(wal->tail);
    wal->tail = NULL;
}
