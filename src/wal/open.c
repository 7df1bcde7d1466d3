/*
 * Opening: look at the directory, scan the log, mend its end, begin a new boot.
 *
 * Until the log is known to be sound nothing on disk is changed. Then, in this order,
 * each step durable before the next:
 *   1  zeros over a torn end, and the last block written once more: a restart after a
 *      failed sync may have read it from a page cache that will not write it (fsyncgate)
 *   2  the superblock's copies written once more, and the directory synced: likewise
 *   3  an empty block with the recovered state: something follows the last real block
 *   4  the superblock, with boot + 1 and that block as floor
 */
#include "wal/scan.h"

#include "wal/recovery.h"

#include "base/check.h"
#include "base/mutant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct named_segment {
    enum segment_kind kind;
    uint64_t number;
};

struct catalog { // of the directory's segments
    struct named_segment *items;
    size_t count;
    size_t capacity;
    uint64_t log_count;
    uint64_t log_highest;
};

/* ---- the directory ----------------------------------------------------------------- */

static void note_name(void *context, const char *name)
{
    struct catalog *catalog = context;
    struct named_segment item = {0};
    if (!segment_parse_name(name, &item.kind, &item.number)) {
        return;
    }
    if (catalog->count == catalog->capacity) {
        catalog->capacity = catalog->capacity * 2 + 16;
        struct named_segment *items =
            realloc(catalog->items, catalog->capacity * sizeof *items);
        CHECK(items != NULL);
        catalog->items = items;
    }
    catalog->items[catalog->count++] = item;
    if (item.kind == SEGMENT_LOG) {
        catalog->log_count++;
        catalog->log_highest =
            item.number > catalog->log_highest ? item.number : catalog->log_highest;
    }
}

static enum wal_status list_directory(struct wal *wal, struct catalog *catalog)
{
    const struct files_listing listing = {.on_name = note_name, .context = catalog};
    int error = -wal->files.list(wal->files.context, &listing);
    if (error != 0) {
        return wal_say(wal, WAL_UNUSABLE, "the data directory cannot be listed: %s",
                       files_words_of(error).text);
    }
    return WAL_OK;
}

static bool
has_item(const struct catalog *catalog, enum segment_kind kind, uint64_t number)
{
    for (size_t i = 0; i < catalog->count; i++) {
        if (catalog->items[i].kind == kind && catalog->items[i].number == number) {
            return true;
        }
    }
    return false;
}

/* The log is kept whole: log-1 .. log-N. */
static enum wal_status check_no_gap(struct wal *wal, const struct catalog *catalog)
{
    if (catalog->log_count == catalog->log_highest || MUTANT_IS(167)) {
        return WAL_OK;
    }
    uint64_t missing = 1;
    while (has_item(catalog, SEGMENT_LOG, missing)) {
        missing++;
    }
    return wal_say(wal, WAL_AMNESIA,
                   "log-%010" PRIu64
                   " is missing, though later ones are there. Put the file "
                   "back; without it this node must not vote. Nothing was changed.",
                   missing);
}

/* ---- the superblock ---------------------------------------------------------------- */

static enum wal_status format_directory(struct wal *wal)
{
    CHECK(wal->settings.fresh_incarnation.high != 0 ||
          wal->settings.fresh_incarnation.low != 0);
    wal->superblock = (struct superblock){.incarnation = wal->settings.fresh_incarnation};
    int error = superblock_format(&wal->superblock_file, &wal->superblock);
    if (error == ENOSPC || error == EDQUOT) {
        return wal_say(wal, WAL_FULL,
                       "the disk is full: the data directory cannot be made");
    }
    if (error != 0) {
        return wal_say(wal, WAL_FAILED, "the data directory cannot be formatted: %s",
                       files_words_of(error).text);
    }
    return WAL_OK;
}

static enum wal_status read_superblock(struct wal *wal, const struct catalog *catalog)
{
    struct recovery_observation observation = {.has_segments = catalog->log_count > 0};
    observation.superblock = superblock_read(&wal->superblock_file, &wal->superblock);
    switch (recovery_decide(&observation)) {
    case RECOVERY_ACCEPT:
        return WAL_OK;
    case RECOVERY_FORMAT:
        return format_directory(wal);
    case RECOVERY_OTHER:
        return wal_say(
            wal, WAL_VERSION,
            "the data directory was written by another release of consens: start "
            "that one. Nothing was changed.");
    case RECOVERY_UNREADABLE:
        return wal_say(wal, WAL_DAMAGED,
                       "the %s cannot be read: %s. Nothing was changed.", SUPERBLOCK_NAME,
                       files_words_of(wal->superblock_file.error).text);
    case RECOVERY_AMNESIA:
        break;
    case RECOVERY_END:
    case RECOVERY_CUT:
    case RECOVERY_DAMAGED:
        CHECK(false); // answers about blocks only
    }
    return wal_say(
        wal, WAL_AMNESIA,
        "the %s is %s: this node no longer knows what it promised, so it must not "
        "vote. Put the file back if there is a copy as new as the log. Nothing was "
        "changed.",
        SUPERBLOCK_NAME,
        observation.superblock == SUPERBLOCK_ABSENT
            ? "missing, though the log is there"
            : "damaged: no two of its four copies agree");
}

/* ---- what was found ---------------------------------------------------------------- */

/* Superblock and log were written in turn: neither may be far behind the other. */
static enum wal_status check_agreement(struct wal *wal, const struct scan_result *result)
{
    const struct superblock *superblock = &wal->superblock;
    if (paxos_ballot_compare(wal->state.promised, superblock->promised) < 0 &&
        !MUTANT_IS(165)) {
        return wal_say(
            wal, WAL_AMNESIA,
            "the log knows of a smaller promise than the %s: part of it is an old "
            "copy. This node must not vote with it. Nothing was changed.",
            SUPERBLOCK_NAME);
    }
    // The first block of a boot is written before the superblock learns of that boot.
    if (result->highest_boot > superblock->boot + 1 && !MUTANT_IS(166)) {
        return wal_say(
            wal, WAL_AMNESIA,
            "the log was written in boot %" PRIu64 ", the %s is of boot %" PRIu64
            ": it is an old copy. This node must not vote with it. Nothing was "
            "changed.",
            result->highest_boot, SUPERBLOCK_NAME, superblock->boot);
    }
    return WAL_OK;
}

/*
 * Up to where the core may take the log as decided: a run of lost slots counts as below
 * its memory if the slot behind it is decided too; the others it must know of (P5).
 */
static cs_slot known_decided(const struct wal *wal)
{
    cs_slot decided = wal->state.decided;
    for (size_t i = wal->faults.count; i > 0; i--) {
        const struct wal_fault *fault = &wal->faults.items[i - 1];
        if (fault->last + 1 >= decided && fault->first <= decided) {
            decided = fault->first - 1;
        }
    }
    return decided;
}

/* The record with the newest configuration and watermarks may be damaged. */
static void prefer_superblock(struct wal *wal)
{
    if (wal->state.state_token < wal->superblock.token) {
        wal->state.config = wal->superblock.config;
        memcpy(wal->state.watermarks, wal->superblock.watermarks,
               sizeof wal->state.watermarks);
    }
}

static enum wal_status
take_tail(struct wal *wal, const struct tail *tail, struct paxos_recovered *out)
{
    const struct wal_settings *settings = &wal->settings;
    uint32_t wanted = settings->ring_entries - (uint32_t)settings->window_entries;
    out->decided = known_decided(wal);
    out->decided_whole = wal->state.decided;
    struct tail_wish wish = {
        .decided = out->decided,
        .entries_max = settings->ring_entries,
        .entries_wanted = BUGGIFY(settings->buggify, TAIL_SHORT) ? 0 : wanted,
        .decided_bytes_max = settings->ring_bytes,
    };
    if (!tail_choose_base(tail, &wish, &out->base, &out->base_chain)) {
        return wal_say(
            wal, WAL_UNUSABLE,
            "slots %" PRIu64 " to %" PRIu64
            " are not known to be decided; that is more than this node can hold "
            "(%u slots). Start it with the limits it had before.",
            wal->state.decided + 1, wal->state.length, (unsigned)settings->ring_entries);
    }
    wal->tail = tail_copy(tail, out->base, &out->tail_count);
    out->tail = wal->tail;
    return WAL_OK;
}

static enum wal_status recover(struct wal *wal,
                               const struct catalog *catalog,
                               struct scan_result *result,
                               struct wal_recovery *out)
{
    wal->state.config = wal->superblock.config;
    memcpy(wal->state.watermarks, wal->superblock.watermarks,
           sizeof wal->state.watermarks);
    struct tail tail;
    tail_init(&tail, wal->settings.ring_entries);
    enum wal_status status = check_no_gap(wal, catalog);
    if (status == WAL_OK) {
        status = scan_log(wal, catalog->log_highest, &tail, result);
    }
    if (status == WAL_OK) {
        prefer_superblock(wal);
        status = check_agreement(wal, result);
    }
    if (status == WAL_OK) {
        status = take_tail(wal, &tail, &out->core);
    }
    tail_fini(&tail);
    wal->synced_block = wal->block;
    out->torn_blocks = result->is_torn ? 1 : 0;
    return status;
}

/* ---- mending ----------------------------------------------------------------------- */

static enum wal_status fail(struct wal *wal, const char *what, int error)
{
    return wal_say(wal, WAL_FAILED, "cannot %s: %s", what, files_words_of(error).text);
}

/* Zeros from the end of the log to the last byte that is not. 0 or an errno. */
static int write_zeros(struct wal *wal, uint64_t to_bytes)
{
    const struct files *files = &wal->files;
    size_t room = block_disk_bytes(0);
    memset(wal->buffer, 0, room);
    for (uint64_t at = wal->segment.offset; at < to_bytes; at += room) {
        int64_t written =
            files->write_at(files->context, wal->segment.handle, wal->buffer, room, at);
        if (written < 0 || (size_t)written < room) {
            return written < 0 ? (int)-written : EIO;
        }
    }
    return 0;
}

/* The last block, as it was read, to where it was read from. 0 or an errno. */
static int write_last_block(struct wal *wal, const struct scan_result *result)
{
    const struct files *files = &wal->files;
    struct segment_reader *reader = &wal->reader;
    if (!segment_reader_open(reader, result->last_segment)) {
        return reader->error;
    }
    const uint8_t *block =
        segment_reader_at(reader, result->last_offset, result->last_bytes);
    if (block == NULL) {
        return reader->error == 0 ? EIO : reader->error;
    }
    struct block_header header = {0};
    uint64_t seed = wal->seeds[result->last_segment - 1];
    bool is_sound = block_unpack(view_of(block, result->last_bytes), seed,
                                 result->last_offset, &header);
    if (!is_sound && !MUTANT_IS(272)) {
        return 0; // it was a moment ago: what is read now must not take its place
    }
    MARK(MEND_BLOCK);
    int64_t written = files->write_at(files->context, wal->segment.handle, block,
                                      result->last_bytes, result->last_offset);
    if (written < 0 || (size_t)written < result->last_bytes) {
        return written < 0 ? (int)-written : EIO;
    }
    return 0;
}

static int mend_segment(struct wal *wal, const struct scan_result *result)
{
    const struct files *files = &wal->files;
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, wal->segment.number);
    wal->segment.handle = files->open_file(files->context, name, false);
    if (wal->segment.handle < 0) {
        return -wal->segment.handle;
    }
    wal->segment.is_open = true;
    int error = MUTANT_IS(54) ? 0 : write_zeros(wal, result->blank_bytes);
    // A block in an earlier segment was synced before this segment began.
    if (error == 0 && result->last_segment == wal->segment.number && !MUTANT_IS(55)) {
        error = write_last_block(wal, result);
    }
    return error == 0 ? -files->sync_file(files->context, wal->segment.handle) : error;
}

static enum wal_status mend(struct wal *wal, const struct scan_result *result)
{
    int error = wal->segment.number == 0 ? 0 : mend_segment(wal, result);
    if (error != 0) {
        return fail(wal, "mend the end of the log", error);
    }
    error = superblock_rewrite(&wal->superblock_file);
    if (error != 0) {
        return fail(wal, "write the " SUPERBLOCK_NAME, error);
    }
    error = -wal->files.sync_directory(wal->files.context);
    return error == 0 ? WAL_OK : fail(wal, "sync the data directory", error);
}

/* ---- segments to come -------------------------------------------------------------- */

/* 1: it has the size of a segment; 0: not; or a negated errno. */
static int has_right_size(struct wal *wal, const char *name)
{
    const struct files *files = &wal->files;
    int handle = files->open_file(files->context, name, false);
    if (handle < 0) {
        return handle;
    }
    int64_t bytes = files->size_of(files->context, handle);
    int closed = files->close_file(files->context, handle);
    if (bytes < 0 || closed < 0) {
        return bytes < 0 ? (int)bytes : closed;
    }
    return (uint64_t)bytes == wal->settings.segment_bytes;
}

/* ready-N that follow the log stay; 0 or an errno. */
static int adopt_ready(struct wal *wal, const struct catalog *catalog)
{
    uint64_t number = 0;
    while (wal_wants_segment(wal, &number) && has_item(catalog, SEGMENT_READY, number)) {
        char name[FILES_NAME_BYTES];
        segment_name(name, SEGMENT_READY, number);
        int is_right = has_right_size(wal, name);
        if (is_right <= 0) {
            return -is_right;
        }
        wal_adopt_segment(wal, number);
    }
    return 0;
}

/* Everything else that was being prepared goes; 0 or an errno. */
static int remove_leftovers(struct wal *wal, const struct catalog *catalog)
{
    const struct files *files = &wal->files;
    uint64_t first = wal->segment.number + 1;
    for (size_t i = 0; i < catalog->count; i++) {
        const struct named_segment *item = &catalog->items[i];
        bool is_adopted = item->kind == SEGMENT_READY && item->number >= first &&
                          item->number < first + wal->ready_count;
        if (item->kind == SEGMENT_LOG || is_adopted) {
            continue;
        }
        char name[FILES_NAME_BYTES];
        segment_name(name, item->kind, item->number);
        int removed = files->remove_file(files->context, name);
        if (removed != 0) {
            return -removed;
        }
    }
    return 0;
}

static enum wal_status tidy_segments(struct wal *wal, const struct catalog *catalog)
{
    int error = adopt_ready(wal, catalog);
    if (error == 0) {
        error = remove_leftovers(wal, catalog);
    }
    return error == 0 ? WAL_OK : fail(wal, "tidy up the data directory", error);
}

/*
 * A disk without room for them is no reason not to start (growing writes get 507), nor
 * are too many open files: both may pass.
 */
static enum wal_status prepare_segments(struct wal *wal)
{
    uint64_t number = 0;
    while (wal_wants_segment(wal, &number)) {
        char error[WAL_SENTENCE_BYTES] = "";
        enum wal_status status = segment_prepare(&wal->files, wal->settings.segment_bytes,
                                                 number, error, sizeof error);
        if (status == WAL_FULL || status == WAL_UNUSABLE) {
            wal_set_no_room(wal, status == WAL_FULL);
            return WAL_OK;
        }
        if (status != WAL_OK) {
            return wal_say(wal, status, "%s", error);
        }
        wal_adopt_segment(wal, number);
    }
    return WAL_OK;
}

/* ---- opening ----------------------------------------------------------------------- */

static enum wal_status begin_boot(struct wal *wal)
{
    wal->boot = wal->superblock.boot + (MUTANT_IS(45) ? 0 : 1);
    struct wal_block_plan plan = {.is_durable = true};
    enum wal_status status = wal_write_block(wal, &plan, &wal->state);
    return status == WAL_OK ? wal_write_superblock(wal) : status;
}

static void describe(const struct wal *wal, struct wal_recovery *out)
{
    const struct log_state *state = &wal->state;
    out->incarnation = wal->superblock.incarnation;
    out->boot = wal->boot;
    out->core.config = state->config;
    out->core.promised = state->promised;
    out->core.accepted = state->accepted;
    out->core.length = state->length;
    out->core.length_chain = state->chain;
    // Peers remember it (G2). Every start adds an empty block: counted, a disk that went
    // back in time would catch up with their memory by being started often enough.
    out->core.block = MUTANT_IS(120) ? wal->block : wal->record_block;
    out->core.token = state->token;
    out->damaged_places = (uint32_t)wal->damage_count;
    out->fault_count = (uint32_t)wal->faults.count;
    memcpy(out->core.watermarks, state->watermarks, sizeof out->core.watermarks);
}

static enum wal_status
open_log(struct wal *wal, struct catalog *catalog, struct wal_recovery *out)
{
    struct scan_result result = {0};
    enum wal_status status = list_directory(wal, catalog);
    if (status == WAL_OK) {
        status = read_superblock(wal, catalog);
    }
    if (status == WAL_OK) {
        out->is_fresh = wal->superblock.boot == 0;
        status = recover(wal, catalog, &result, out);
    }
    if (status == WAL_OK) {
        status = tidy_segments(wal, catalog);
    }
    if (status == WAL_OK) {
        status = mend(wal, &result);
    }
    if (status == WAL_OK) {
        status = begin_boot(wal);
    }
    if (status == WAL_OK) {
        status = prepare_segments(wal);
    }
    if (status == WAL_OK) {
        describe(wal, out);
    }
    return status;
}

static bool are_settings_usable(const struct wal_settings *settings)
{
    return settings->segment_bytes >= SEGMENT_BYTES_MIN &&
           settings->segment_bytes % FILES_ALIGN_BYTES == 0 &&
           settings->ready_segments >= 1 &&
           settings->ready_segments <= WAL_READY_SEGMENTS_MAX &&
           settings->durability <= WAL_NONE && settings->ring_entries > 0 &&
           settings->window_entries < settings->ring_entries;
}

static struct wal *new_wal(const struct files *files, const struct wal_settings *settings)
{
    struct wal *wal = calloc(1, sizeof *wal);
    CHECK(wal != NULL);
    wal->files = *files;
    wal->settings = *settings;
    // Touched only as far as blocks are long, so its size costs nothing.
    wal->buffer = segment_alloc(block_disk_bytes(wal_block_body_max(settings)));
    superblock_init(&wal->superblock_file, &wal->files);
    segment_reader_init(&wal->reader, &wal->files, WAL_READ_CHUNK_BYTES);
    return wal;
}

enum wal_status wal_open(struct wal **out_wal,
                         const struct files *files,
                         const struct wal_settings *settings,
                         struct wal_recovery *out_recovery)
{
    *out_wal = NULL;
    *out_recovery = (struct wal_recovery){0};
    if (!are_settings_usable(settings)) {
        (void)snprintf(out_recovery->sentence, sizeof out_recovery->sentence,
                       "segments of %" PRIu64
                       " bytes (a multiple of %d, at least %d), %u of "
                       "them ready (1 to %d) and a ring of %u slots cannot make a log",
                       settings->segment_bytes, (int)FILES_ALIGN_BYTES,
                       (int)SEGMENT_BYTES_MIN, (unsigned)settings->ready_segments,
                       (int)WAL_READY_SEGMENTS_MAX, (unsigned)settings->ring_entries);
        return WAL_UNUSABLE;
    }
    struct wal *wal = new_wal(files, settings);
    struct catalog catalog = {0};
    enum wal_status status = open_log(wal, &catalog, out_recovery);
    free(catalog.items);
    if (status == WAL_OK) {
        *out_wal = wal;
        return WAL_OK;
    }
    memcpy(out_recovery->sentence, wal->error, sizeof out_recovery->sentence);
    out_recovery->core = (struct paxos_recovered){0};
    wal->has_failed = true; // closing must not touch the disk either
    wal_close(&wal);
    return status;
}
