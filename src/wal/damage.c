/*
 * Going on behind damage (PAXOS 4.2). What was in the bad blocks is lost, but not what
 * they came to: each block header, each segment header and the superblock say again what
 * the log was, its ballots, length and chain. The first of them behind the bad place
 * tells which slots have to be fetched from peers, and what those must hash to.
 *
 *   the log before the bad blocks   length, chain, number of cuts
 *   the log behind them             length', chain', number of cuts'
 *
 *   no cut between them: slots length + 1 .. length' are lost, the others as they were
 *   else, chain(length') known and equal: only a suffix went, nothing is lost
 *   else: all that was not decided before the bad blocks may have been replaced: lost
 *
 * Nothing decided is ever replaced (I7), so what was decided before them stays.
 */
#include "wal/scan.h"

#include "base/check.h"
#include "base/mutant.h"

#include <inttypes.h>
#include <stdlib.h>

/* What the log was after block `number`. */
struct resume {
    uint64_t number;
    struct cs_digest digest; // of that block
    struct log_state state;  // its configuration and watermarks are not used
    bool knows_cuts;
};

static const char WHAT_TO_DO[] =
    "The other nodes have this data: leave this node off, keep its directory aside, and "
    "put back a good copy of the file if there is one.";

static enum wal_status say_beyond_repair(struct scan *scan)
{
    char name[FILES_NAME_BYTES];
    const struct wal_damage *damage = &scan->wal->damages[scan->wal->damage_count - 1];
    segment_name(name, SEGMENT_LOG, damage->segment);
    return wal_say(scan->wal, WAL_DAMAGED,
                   "%s is damaged at offset %" PRIu64 ": block %" PRIu64
                   " was on disk once and does not hash any more, and nothing sound "
                   "behind it says what this node promised then. Nothing was changed. %s",
                   name, damage->from_bytes, damage->first_block, WHAT_TO_DO);
}

static enum wal_status
say_end_is_lost(struct scan *scan, uint64_t segment, uint64_t from_bytes)
{
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, segment == 0 ? 1 : segment);
    return wal_say(scan->wal, WAL_DAMAGED,
                   "%s is damaged from offset %" PRIu64
                   " to its end: what was written after block %" PRIu64
                   " is lost, and this node has no others that know of it. Nothing was "
                   "changed. Put back a good copy of the directory, or start on an empty "
                   "one",
                   name, from_bytes, scan->wal->superblock.floor_block);
}

/* ---- the list of places ------------------------------------------------------------ */

static void begin_damage(struct scan *scan)
{
    struct wal *wal = scan->wal;
    struct wal_damage *damages =
        realloc(wal->damages, (wal->damage_count + 1) * sizeof *damages);
    CHECK(damages != NULL);
    wal->damages = damages;
    wal->damages[wal->damage_count++] = (struct wal_damage){
        .segment = scan->number == 0 ? 1 : scan->number,
        .from_bytes = scan->offset,
        .first_block = wal->block + 1,
    };
}

/* Nothing is wrong where the scan is, but the header of the next segment is. */
static void move_damage(struct scan *scan)
{
    struct wal_damage *damage = &scan->wal->damages[scan->wal->damage_count - 1];
    damage->segment = scan->number + 1;
    damage->from_bytes = 0;
}

/* The place that the last entry of the list begins: it ends where the scan is now. */
static void end_damage(struct scan *scan, uint64_t last_block)
{
    extents_end_run(&scan->wal->extents);
    struct wal_damage *damage = &scan->wal->damages[scan->wal->damage_count - 1];
    damage->to_bytes = damage->segment == scan->number ? scan->offset : UINT64_MAX;
    damage->last_block = last_block;
}

/* ---- what the log must be now ------------------------------------------------------ */

/* The last slot that is certainly still what it was, and its chain. False: not known. */
static bool find_kept(const struct scan *scan,
                      const struct resume *resume,
                      cs_slot *out_kept,
                      struct paxos_digest *out_chain)
{
    const struct log_state *before = &scan->wal->state;
    const struct log_state *behind = &resume->state;
    *out_kept = before->length;
    *out_chain = before->chain;
    bool is_same_length = behind->length == before->length;
    bool is_longer = behind->length > before->length;
    if (resume->knows_cuts && behind->cut_count == before->cut_count &&
        (is_longer ||
         (is_same_length && field_same_chain(behind->chain, before->chain)))) {
        return true;
    }
    struct paxos_digest chain = {0};
    if (tail_chain_of(scan->tail, behind->length, &chain) &&
        field_same_chain(chain, behind->chain)) {
        *out_kept = behind->length;
        *out_chain = chain;
        return true;
    }
    const struct wal_fault *fault = faults_find(&scan->wal->faults, before->decided);
    if (fault != NULL) { // lost before already, and its chain is not known
        *out_kept = fault->first - 1;
        *out_chain = fault->before_chain;
        return true;
    }
    *out_kept = before->decided;
    return tail_chain_of(scan->tail, before->decided, out_chain);
}

static void lose_slots(struct scan *scan,
                       cs_slot kept,
                       struct paxos_digest kept_chain,
                       const struct log_state *behind)
{
    struct wal *wal = scan->wal;
    tail_cut(scan->tail, kept);
    extents_cut(&wal->extents, kept + 1);
    faults_cut(&wal->faults, kept + 1);
    if (behind->length > kept && !MUTANT_IS(100)) {
        const struct wal_fault fault = {.first = kept + 1,
                                        .last = behind->length,
                                        .before_chain = kept_chain,
                                        .after_chain = behind->chain,
                                        .knows_after = true};
        faults_add(&wal->faults, &fault);
    }
}

/* False: that is no later state of this log. */
static bool follows(const struct log_state *before, const struct log_state *behind)
{
    return behind->length >= before->decided && behind->decided <= behind->length &&
           paxos_ballot_compare(behind->promised, before->promised) >= 0 &&
           paxos_ballot_compare(behind->accepted, before->accepted) >= 0;
}

static bool go_on_from(struct scan *scan, const struct resume *resume)
{
    struct wal *wal = scan->wal;
    struct log_state *state = &wal->state;
    const struct log_state *behind = &resume->state;
    cs_slot kept = 0;
    struct paxos_digest kept_chain = {0};
    if (!follows(state, behind) || !find_kept(scan, resume, &kept, &kept_chain)) {
        return false;
    }
    lose_slots(scan, kept, kept_chain, behind);
    state->promised = behind->promised;
    state->accepted = behind->accepted;
    state->decided = behind->decided > state->decided ? behind->decided : state->decided;
    state->length = behind->length;
    state->chain = behind->chain;
    state->token = behind->token > state->token ? behind->token : state->token;
    // Unknown: so that a later reader of this place does not take it for no cut.
    state->cut_count = resume->knows_cuts ? behind->cut_count : state->cut_count + 1;
    wal->block = resume->number;
    // Which of the bad blocks held records is not known; peers may have been told of any.
    wal->record_block = resume->number;
    wal->digest = resume->digest;
    end_damage(scan, resume->number);
    return true;
}

/* ---- a block ----------------------------------------------------------------------- */

/* What the log was before this block, by its header and records. */
static bool look_before(const struct scan *scan,
                        const uint8_t *block,
                        const struct block_header *header,
                        struct resume *out_resume)
{
    struct log_state after = {.length = header->length_before,
                              .chain = header->chain_before};
    struct cs_view rest = block_body(block, header);
    bool restates = false; // a record says promised and accepted itself
    while (rest.bytes > 0) {
        struct record record = {0};
        if (!record_unpack(rest, &record) || !log_state_apply(&after, &record)) {
            return false;
        }
        restates = restates || !record_is_aside(record.persist.kind);
        rest = view_of(rest.data + record.bytes, rest.bytes - record.bytes);
    }
    const struct log_state *known = &scan->wal->state;
    *out_resume = (struct resume){
        .number = header->number - 1,
        .digest = header->previous,
        .knows_cuts = true,
        .state =
            {
                .promised = restates ? known->promised : header->promised,
                .accepted = restates ? known->accepted : header->accepted,
                .decided = restates ? known->decided : header->decided,
                .token = restates || after.token > 0 ? known->token : header->token,
                .length = header->length_before,
                .chain = header->chain_before,
                .cut_count = header->cut_count - after.cut_count,
            },
    };
    return header->cut_count >= after.cut_count;
}

/* The block at `at` is the first behind the damage, and the scan goes on with it. */
static bool try_block(struct scan *scan, uint64_t at)
{
    struct block_header header = {0};
    const uint8_t *block = scan_read_block(scan, at, &header);
    if (block == NULL) {
        return false;
    }
    struct wal *wal = scan->wal;
    bool is_next = scan_is_in_place(scan, &header);
    bool is_possible = header.number > wal->block + 1 && header.floor > wal->block;
    struct resume resume = {0};
    if (!is_next && (!is_possible || !look_before(scan, block, &header, &resume))) {
        return false;
    }
    uint64_t offset = scan->offset;
    scan->offset = at;
    if (is_next) {
        end_damage(scan, wal->block);
        return true;
    }
    if (go_on_from(scan, &resume)) {
        return true;
    }
    scan->offset = offset;
    return false;
}

/* Of the segment that is open. Also notes from where on it holds only zeros. */
static enum wal_status search_segment(struct scan *scan, uint64_t first, bool *found)
{
    for (uint64_t at = first; scan_is_inside(scan, at, BLOCK_ALIGN_BYTES);
         at += BLOCK_ALIGN_BYTES) {
        const uint8_t *page = segment_reader_at(&scan->reader, at, BLOCK_ALIGN_BYTES);
        if (page == NULL) {
            return scan_say_unreadable(scan, at);
        }
        if (scan_is_zero(page, BLOCK_ALIGN_BYTES)) {
            continue;
        }
        scan->result->blank_bytes = at + BLOCK_ALIGN_BYTES;
        *found = try_block(scan, at);
        if (*found || scan->reader.error != 0) {
            return *found ? WAL_OK : scan_say_unreadable(scan, at);
        }
    }
    return WAL_OK;
}

/* ---- segments, the superblock ------------------------------------------------------ */

static struct resume resume_of_segment(const struct segment_header *header)
{
    struct resume resume = {
        .number = header->first_block - 1,
        .digest = header->previous,
        .knows_cuts = true,
        .state = {.promised = header->promised,
                  .accepted = header->accepted,
                  .decided = header->decided,
                  .length = header->length,
                  .chain = header->chain,
                  .token = header->token,
                  .cut_count = header->cut_count},
    };
    return resume;
}

/*
 * Into the next segment, by its header or, where that is damaged too, by its name.
 * `*found`: its header says what the log was.
 */
static enum wal_status enter_next(struct scan *scan, bool *found)
{
    struct segment_header header = {0};
    bool is_sound = false;
    enum wal_status status = scan_peek_segment(scan, &header, &is_sound);
    if (status != WAL_OK) {
        return status;
    }
    if (!is_sound && scan->result->blank_bytes == scan->offset) {
        move_damage(scan);
    }
    if (!is_sound) {
        // Segments are not used a second time yet, so there is but one generation.
        header = (struct segment_header){.incarnation = scan->wal->superblock.incarnation,
                                         .number = scan->number + 1,
                                         .generation = 1,
                                         .first_block = UINT64_MAX};
    }
    scan_enter_segment(scan, &header);
    if (is_sound && header.has_state && header.first_block > scan->wal->block) {
        const struct resume resume = resume_of_segment(&header);
        *found = go_on_from(scan, &resume);
    }
    return WAL_OK;
}

/*
 * Whether more was written from there on than the blocks up to the superblock's floor, each
 * of a page at least.
 */
static bool has_more_than_floor(const struct scan *scan, uint64_t segment, uint64_t from)
{
    uint64_t missing = scan->wal->superblock.floor_block - scan->wal->block;
    return scan->number != segment ||
           scan->result->blank_bytes - from > missing * BLOCK_ALIGN_BYTES;
}

/*
 * Nothing sound is left from that place on. The superblock knows the log as of its floor;
 * what came after that was never acknowledged, or is told by the peers (G2), if there are
 * any.
 */
static enum wal_status
end_by_superblock(struct scan *scan, uint64_t segment, uint64_t from)
{
    const struct superblock *superblock = &scan->wal->superblock;
    const struct resume resume = {
        .number = superblock->floor_block,
        .state = {.promised = superblock->promised,
                  .accepted = superblock->accepted,
                  .decided = superblock->decided,
                  .length = superblock->length,
                  .chain = superblock->chain,
                  .token = superblock->token},
    };
    if (superblock->floor_block <= scan->wal->block) {
        return say_beyond_repair(scan);
    }
    if (scan->wal->settings.is_alone && has_more_than_floor(scan, segment, from) &&
        !MUTANT_IS(276)) {
        return say_end_is_lost(scan, segment, from);
    }
    // New blocks go behind the bad bytes: those stay as the trace of what was there.
    scan->offset = scan->result->blank_bytes;
    return go_on_from(scan, &resume) ? WAL_OK : say_beyond_repair(scan);
}

enum wal_status damage_skip(struct scan *scan, bool *out_goes_on)
{
    uint64_t segment = scan->number;
    uint64_t from = scan->offset;
    uint64_t first = from;
    enum wal_status status = WAL_OK;
    *out_goes_on = false;
    begin_damage(scan);
    scan->result->blank_bytes = first;
    if (scan->number > 0 && !segment_reader_open(&scan->reader, scan->number)) {
        return scan_say_unreadable(scan, first);
    }
    if (scan->number > 0 && scan_is_inside(scan, first, BLOCK_ALIGN_BYTES)) {
        const uint8_t *page = segment_reader_at(&scan->reader, first, BLOCK_ALIGN_BYTES);
        if (page == NULL) {
            return scan_say_unreadable(scan, first);
        }
        bool is_blank = scan_is_zero(page, BLOCK_ALIGN_BYTES);
        first += BLOCK_ALIGN_BYTES; // a block that begins here is not part of the log
        scan->result->blank_bytes = is_blank ? scan->offset : first;
        status = search_segment(scan, first, out_goes_on);
    }
    while (status == WAL_OK && !*out_goes_on && scan->number < scan->segment_count) {
        status = enter_next(scan, out_goes_on);
        if (status == WAL_OK && !*out_goes_on) {
            status = search_segment(scan, scan->offset, out_goes_on);
        }
    }
    if (status == WAL_OK && !*out_goes_on) {
        status = end_by_superblock(scan, segment, from);
    }
    return status;
}

/* ---- for callers ------------------------------------------------------------------- */

const struct wal_damage *wal_damages(const struct wal *wal, size_t *out_count)
{
    *out_count = wal->damage_count;
    return wal->damages;
}

const struct wal_fault *wal_faults(const struct wal *wal, size_t *out_count)
{
    *out_count = wal->faults.count;
    return wal->faults.items;
}
