/*
 * Reading the log from its first block to its end, once, at start.
 */
#include "wal/scan.h"

#include "wal/recovery.h"

#include "base/check.h"
#include "base/mutant.h"

#include <inttypes.h>
#include <string.h>

struct found { // at one place
    struct recovery_observation observation;
    const uint8_t *block; // if valid: all of it. Valid until the next read
    struct block_header header;
    struct log_state after; // if chained
};

static const char WHAT_TO_DO[] =
    "Nothing was changed. The other nodes have this data: leave this node off, keep its "
    "directory aside, and put back a good copy of the file if there is one.";

/* ---- sentences --------------------------------------------------------------------- */

enum wal_status scan_say_unreadable(struct scan *scan, uint64_t offset)
{
    return wal_say(scan->wal, WAL_DAMAGED,
                   "%s cannot be read at offset %" PRIu64 ": %s. %s", scan->reader.name,
                   offset,
                   scan->reader.error == 0 ? "the file ends there"
                                           : files_words_of(scan->reader.error).text,
                   WHAT_TO_DO);
}

static enum wal_status say_missing(struct scan *scan)
{
    return wal_say(
        scan->wal, WAL_AMNESIA,
        "the log ends after block %" PRIu64 ", but block %" PRIu64
        " was on disk once (in log-%010" PRIu64
        "): this directory lost files or is an old copy. A node that forgot what it "
        "promised must not vote. %s",
        scan->wal->block, scan->wal->superblock.floor_block,
        scan->wal->superblock.floor_segment, WHAT_TO_DO);
}

/* ---- segments ---------------------------------------------------------------------- */

enum wal_status scan_peek_segment(struct scan *scan,
                                  struct segment_header *out_header,
                                  bool *out_is_sound)
{
    if (!segment_reader_open(&scan->reader, scan->number + 1)) {
        return scan_say_unreadable(scan, 0);
    }
    const uint8_t *page = segment_reader_at(&scan->reader, 0, SEGMENT_HEADER_BYTES);
    if (page == NULL) {
        return scan_say_unreadable(scan, 0);
    }
    enum segment_sight sight = segment_unpack_header(page, out_header);
    if (sight == SEGMENT_OTHER) {
        return wal_say(scan->wal, WAL_VERSION,
                       "%s was written by another release of consens: start that one. "
                       "Nothing was changed.",
                       scan->reader.name);
    }
    if (sight == SEGMENT_SOUND &&
        !field_same_id(out_header->incarnation, scan->wal->superblock.incarnation)) {
        return wal_say(scan->wal, WAL_DAMAGED,
                       "the header of %s is that of another node's log: a file was put "
                       "into the wrong directory. Nothing was changed. Put the right one "
                       "back.",
                       scan->reader.name);
    }
    *out_is_sound = sight == SEGMENT_SOUND && out_header->number == scan->number + 1;
    return WAL_OK;
}

/* Whether the next segment continues where the last one ended. */
static enum wal_status
look_into_next(struct scan *scan, struct segment_header *header, bool *out_follows)
{
    const struct wal *wal = scan->wal;
    bool is_sound = false;
    enum wal_status status = scan_peek_segment(scan, header, &is_sound);
    *out_follows = status == WAL_OK && is_sound &&
                   header->first_block == wal->block + 1 &&
                   field_same_digest(header->previous, wal->digest);
    return status;
}

void scan_enter_segment(struct scan *scan, const struct segment_header *header)
{
    scan->number = header->number;
    scan->generation = header->generation;
    scan->offset = SEGMENT_HEADER_BYTES;
    scan->seed = block_seed(header->incarnation, header->number, header->generation);
    scan->result->blank_bytes = scan->offset;
    wal_add_seed(scan->wal, scan->seed);
}

/* ---- looking ----------------------------------------------------------------------- */

bool scan_is_zero(const uint8_t *data, size_t bytes)
{
    return data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0;
}

bool scan_is_inside(const struct scan *scan, uint64_t offset, size_t bytes)
{
    return offset <= scan->reader.file_bytes && bytes <= scan->reader.file_bytes - offset;
}

const uint8_t *
scan_read_block(struct scan *scan, uint64_t offset, struct block_header *out_header)
{
    size_t bytes = 0;
    const uint8_t *page = segment_reader_at(&scan->reader, offset, BLOCK_ALIGN_BYTES);
    if (page == NULL || !block_peek(page, &bytes) ||
        !scan_is_inside(scan, offset, bytes)) {
        return NULL;
    }
    const uint8_t *block = segment_reader_at(&scan->reader, offset, bytes);
    bool is_sound = block != NULL &&
                    block_unpack(view_of(block, bytes), scan->seed, offset, out_header);
    return is_sound ? block : NULL;
}

/*
 * Applies the block's records to `after`; false: they do not follow, or do not match
 * the header.
 */
static bool apply_records(const struct found *found, struct log_state *after)
{
    const struct block_header *header = &found->header;
    struct cs_view rest = block_body(found->block, header);
    uint32_t count = 0;
    while (rest.bytes > 0) {
        struct record record = {0};
        if (!record_unpack(rest, &record) || !log_state_apply(after, &record)) {
            return false;
        }
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
        count++;
    }
    return count == header->record_count && after->length == header->length &&
           field_same_chain(after->chain, header->chain) &&
           after->token == header->token && after->cut_count == header->cut_count &&
           paxos_ballot_compare(after->promised, header->promised) == 0 &&
           paxos_ballot_compare(after->accepted, header->accepted) == 0;
}

bool scan_is_in_place(const struct scan *scan, const struct block_header *header)
{
    const struct wal *wal = scan->wal;
    return header->number == wal->block + 1 &&
           field_same_digest(header->previous, wal->digest) &&
           header->length_before == wal->state.length &&
           field_same_chain(header->chain_before, wal->state.chain);
}

/* What lies at scan->offset; nothing about what comes later. */
static enum wal_status look_here(struct scan *scan, struct found *found)
{
    struct recovery_observation *observation = &found->observation;
    const struct superblock *superblock = &scan->wal->superblock;
    *found = (struct found){0};
    observation->superblock = SUPERBLOCK_SOUND;
    observation->asks_block = true;
    observation->is_below_floor =
        scan->wal->block + 1 <= superblock->floor_block && !MUTANT_IS(49);
    if (!scan_is_inside(scan, scan->offset, BLOCK_ALIGN_BYTES)) {
        observation->is_blank = true; // the segment is full
        return WAL_OK;
    }
    const uint8_t *page =
        segment_reader_at(&scan->reader, scan->offset, BLOCK_ALIGN_BYTES);
    if (page == NULL) {
        return scan_say_unreadable(scan, scan->offset);
    }
    observation->is_blank = scan_is_zero(page, BLOCK_ALIGN_BYTES);
    found->block = scan_read_block(scan, scan->offset, &found->header);
    if (scan->reader.error != 0) {
        return scan_say_unreadable(scan, scan->offset);
    }
    observation->is_valid = found->block != NULL;
    if (observation->is_valid && scan_is_in_place(scan, &found->header)) {
        found->after = scan->wal->state;
        observation->is_chained = apply_records(found, &found->after);
        // Whole and in its place, but not what a log can say: never a tear.
        observation->has_evidence = !observation->is_chained;
    }
    return WAL_OK;
}

/*
 * Whether anything later in the last segment says that the block at scan->offset was
 * durable.
 */
static enum wal_status look_ahead(struct scan *scan, bool *has_evidence)
{
    uint64_t missing = scan->wal->block + 1;
    uint64_t offset = scan->offset;
    while (scan_is_inside(scan, offset, BLOCK_ALIGN_BYTES)) {
        const uint8_t *page = segment_reader_at(&scan->reader, offset, BLOCK_ALIGN_BYTES);
        if (page != NULL && !scan_is_zero(page, BLOCK_ALIGN_BYTES)) {
            scan->result->blank_bytes = offset + BLOCK_ALIGN_BYTES;
            struct block_header header = {0};
            bool is_sound = scan_read_block(scan, offset, &header) != NULL;
            if (is_sound && header.floor >= missing && !MUTANT_IS(43)) {
                *has_evidence = true;
            }
        }
        if (scan->reader.error != 0) {
            return scan_say_unreadable(scan, offset);
        }
        offset += BLOCK_ALIGN_BYTES;
    }
    return WAL_OK;
}

/*
 * What lies at scan->offset, and what speaks for it. Moves on to the next segment where
 * the log does.
 */
static enum wal_status observe(struct scan *scan, struct found *found)
{
    enum wal_status status = look_here(scan, found);
    struct recovery_observation *observation = &found->observation;
    while (status == WAL_OK && !observation->is_chained &&
           scan->number < scan->segment_count) {
        struct segment_header header = {0};
        bool follows = false;
        status = look_into_next(scan, &header, &follows);
        if (status != WAL_OK || !follows) {
            // log-N exists once all before it is durable.
            observation->has_evidence = true;
            break;
        }
        scan_enter_segment(scan, &header);
        status = look_here(scan, found);
    }
    if (status == WAL_OK && !observation->is_chained && !observation->has_evidence &&
        scan->number > 0) {
        status = look_ahead(scan, &observation->has_evidence);
    }
    return status;
}

/* ---- accepting --------------------------------------------------------------------- */

static void keep_entries(struct scan *scan, const struct record *record)
{
    bool is_repair = record->persist.kind == PAXOS_PERSIST_REPAIR;
    if (!is_repair && !record_is_bare(record->persist.kind)) {
        tail_cut(scan->tail, record->persist.first_slot - 1);
    }
    struct record_cursor cursor = record_entries(record);
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    while (record_take_entry(&cursor, &entry, &payload)) {
        if (is_repair) {
            tail_fill(scan->tail, &entry);
        } else {
            tail_append(scan->tail, &entry);
        }
    }
}

static void keep_in_tail(struct scan *scan, struct cs_view body)
{
    struct cs_view rest = body;
    struct record record = {0};
    while (rest.bytes > 0 && record_unpack(rest, &record)) {
        keep_entries(scan, &record);
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
}

static void accept_block(struct scan *scan, const struct found *found)
{
    struct wal *wal = scan->wal;
    struct cs_view body = block_body(found->block, &found->header);
    wal->block = found->header.number;
    wal_note_entries(wal, body, scan->number, scan->offset);
    keep_in_tail(scan, body);
    wal->state = found->after;
    wal->record_block = record_any_counts(body) ? wal->block : wal->record_block;
    wal->digest = found->header.digest;
    scan->result->last_segment = scan->number;
    scan->result->last_offset = scan->offset;
    scan->result->last_bytes = block_disk_bytes(found->header.body_bytes);
    if (found->header.boot > scan->result->highest_boot) {
        scan->result->highest_boot = found->header.boot;
    }
    scan->offset += scan->result->last_bytes;
    scan->result->blank_bytes = scan->offset;
}

static void finish(struct scan *scan)
{
    struct wal *wal = scan->wal;
    wal->segment = (struct wal_segment){
        .number = scan->number,
        .generation = scan->generation,
        .seed = scan->seed,
        .bytes = scan->number == 0 ? 0 : scan->reader.file_bytes,
        .offset = scan->offset,
    };
}

/*
 * What the table says about a place where no block of the log begins. `*out_goes_on`:
 * there are more at scan->offset.
 */
static enum wal_status
conclude(struct scan *scan, enum recovery_decision decision, bool *out_goes_on)
{
    *out_goes_on = false;
    switch (decision) {
    case RECOVERY_CUT:
    case RECOVERY_END:
        scan->result->is_torn = decision == RECOVERY_CUT;
        return WAL_OK;
    case RECOVERY_DAMAGED:
        return damage_skip(scan, out_goes_on);
    case RECOVERY_AMNESIA:
        return say_missing(scan);
    case RECOVERY_ACCEPT:
    case RECOVERY_FORMAT:
    case RECOVERY_OTHER:
    case RECOVERY_UNREADABLE:
        break;
    }
    CHECK(false); // the log goes on, or the answer is about the superblock
}

static enum wal_status scan_blocks(struct scan *scan)
{
    bool goes_on = true;
    while (goes_on) {
        struct found found;
        enum wal_status status = observe(scan, &found);
        if (status != WAL_OK) {
            return status;
        }
        enum recovery_decision decision = recovery_decide(&found.observation);
        if (decision == RECOVERY_ACCEPT) {
            accept_block(scan, &found);
            continue;
        }
        status = conclude(scan, decision, &goes_on);
        if (status != WAL_OK) {
            return status;
        }
    }
    finish(scan);
    return WAL_OK;
}

enum wal_status scan_log(struct wal *wal,
                         uint64_t segment_count,
                         struct tail *tail,
                         struct scan_result *out_result)
{
    *out_result = (struct scan_result){0};
    struct scan scan = {.wal = wal,
                        .tail = tail,
                        .result = out_result,
                        .segment_count = segment_count};
    segment_reader_init(&scan.reader, &wal->files, SEGMENT_CHUNK_BYTES);
    enum wal_status status = scan_blocks(&scan);
    segment_reader_fini(&scan.reader);
    return status;
}
