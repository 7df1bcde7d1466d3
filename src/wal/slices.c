/*
 * Reading entries back: the extents say where a slot's run begins, a cursor walks from
 * there.
 */
#include "wal/internal.h"

#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"

#include <inttypes.h>
#include <stdlib.h>

struct cursor {
    struct wal *wal;
    const struct extent *extent;
    uint64_t offset;      // of the block
    const uint8_t *block; // in the reader's window
    struct block_header header;
    struct cs_view rest; // records of the block not yet begun
    struct record_cursor entries;
    cs_slot next; // slot that comes next
};

static enum wal_status say_damaged(struct wal *wal, const struct cursor *cursor)
{
    int error = wal->reader.error;
    return wal_say(wal, WAL_DAMAGED,
                   "%s is damaged at offset %" PRIu64 ": the block with slot %" PRIu64
                   " %s%s",
                   wal->reader.name, cursor->offset, cursor->next,
                   error == 0 ? "does not hash any more" : "cannot be read: ",
                   error == 0 ? "" : files_words_of(error).text);
}

/* The block at this place, valid until the next read; NULL: none that is sound. */
static const uint8_t *read_block(struct wal *wal,
                                 uint64_t number,
                                 uint64_t offset,
                                 struct block_header *out_header)
{
    size_t bytes = 0;
    if (!segment_reader_open(&wal->reader, number)) {
        return NULL;
    }
    const uint8_t *page = segment_reader_at(&wal->reader, offset, BLOCK_ALIGN_BYTES);
    if (page == NULL || !block_peek(page, &bytes)) {
        return NULL;
    }
    const uint8_t *block = segment_reader_at(&wal->reader, offset, bytes);
    bool is_sound =
        block != NULL &&
        block_unpack(view_of(block, bytes), wal->seeds[number - 1], offset, out_header);
    return is_sound ? block : NULL;
}

/* Reads and checks the block at cursor->offset. */
static enum wal_status load_block(struct cursor *cursor)
{
    struct wal *wal = cursor->wal;
    cursor->block =
        read_block(wal, cursor->extent->place.segment, cursor->offset, &cursor->header);
    if (cursor->block == NULL) {
        return say_damaged(wal, cursor);
    }
    cursor->rest = block_body(cursor->block, &cursor->header);
    cursor->entries = (struct record_cursor){0};
    return WAL_OK;
}

/* To the next record with entries, in this block or a later one of the run. */
static enum wal_status next_record(struct cursor *cursor)
{
    while (cursor->entries.left_count == 0) {
        struct record record = {0};
        if (cursor->rest.bytes == 0) {
            cursor->offset += block_disk_bytes(cursor->header.body_bytes);
            enum wal_status status = load_block(cursor);
            if (status != WAL_OK) {
                return status;
            }
            continue;
        }
        if (!record_unpack(cursor->rest, &record)) {
            return say_damaged(cursor->wal, cursor);
        }
        cursor->rest =
            view_of(cursor->rest.data + record.bytes, cursor->rest.bytes - record.bytes);
        bool is_aside = record_is_aside(record.persist.kind) &&
                        record.persist.first_slot != cursor->next;
        if (!is_aside) { // slots repaired elsewhere in the log
            cursor->entries = record_entries(&record);
        }
    }
    return WAL_OK;
}

/* The entry that comes next in the run. `out_payload` is valid until the next call. */
static enum wal_status take_next(struct cursor *cursor,
                                 struct paxos_entry *out_entry,
                                 struct cs_view *out_payload)
{
    enum wal_status status = next_record(cursor);
    if (status != WAL_OK) {
        return status;
    }
    (void)record_take_entry(&cursor->entries, out_entry, out_payload);
    if (out_entry->slot != cursor->next) {
        return say_damaged(cursor->wal, cursor);
    }
    cursor->next++;
    return WAL_OK;
}

/* To cursor->next in the run that holds it. */
static enum wal_status enter_extent(struct cursor *cursor)
{
    cs_slot wanted = cursor->next;
    cursor->extent = extents_find(&cursor->wal->extents, wanted);
    CHECK(cursor->extent != NULL);
    const struct extent_place *place = &cursor->extent->place;
    cursor->offset = place->offset_bytes;
    cursor->next = cursor->extent->from;
    enum wal_status status = load_block(cursor);
    if (status != WAL_OK) {
        return status;
    }
    size_t skipped = place->record_at_bytes - BLOCK_HEADER_BYTES;
    if (skipped > cursor->rest.bytes) {
        return say_damaged(cursor->wal, cursor);
    }
    cursor->rest = view_of(cursor->rest.data + skipped, cursor->rest.bytes - skipped);
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    while (status == WAL_OK && cursor->next < wanted) {
        status = take_next(cursor, &entry, &payload);
    }
    return status;
}

/*
 * The entry of slot cursor->next, which lies somewhere. `out_payload` is valid until the
 * next call.
 */
static enum wal_status
take(struct cursor *cursor, struct paxos_entry *out_entry, struct cs_view *out_payload)
{
    if (cursor->extent == NULL || cursor->next > cursor->extent->last) {
        enum wal_status status = enter_extent(cursor);
        if (status != WAL_OK) {
            return status;
        }
    }
    return take_next(cursor, out_entry, out_payload);
}

/* ---- lost slots -------------------------------------------------------------------- */

/* chain(slot), which the cursor then stands behind; slot 0 has none. */
static bool
read_chain(struct cursor *cursor, cs_slot slot, struct paxos_digest *out_chain)
{
    const struct wal *wal = cursor->wal;
    *out_chain = (struct paxos_digest){0};
    cursor->extent = NULL;
    cursor->next = slot + 1;
    const struct wal_fault *fault = faults_find(&wal->faults, slot);
    if (fault != NULL && fault->last == slot && fault->knows_after) {
        *out_chain = fault->after_chain;
        return true;
    }
    if (slot == 0 || fault != NULL) {
        return slot == 0;
    }
    cursor->next = slot;
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    bool is_read = take(cursor, &entry, &payload) == WAL_OK;
    *out_chain = entry.chain;
    return is_read;
}

/* The first slot that the cursor could not read in its run. */
static cs_slot failed_slot(const struct cursor *cursor)
{
    CHECK(cursor->extent != NULL);
    cs_slot first = cursor->extent->first;
    return cursor->next > first ? cursor->next : first;
}

/*
 * Slots from fault->first on, to the next sound block of their run, lie in what has rotted at
 * `offset`; that block says what they hash to, and the run goes on there (`place`). None are
 * lost if what has rotted held no slot.
 */
static enum wal_status find_next_block(struct wal *wal,
                                       uint64_t offset,
                                       struct wal_fault *fault,
                                       struct extent_place *out_place)
{
    const struct extent *run = extents_find(&wal->extents, fault->first);
    uint64_t end = run->place.offset_bytes + EXTENT_SPAN_BYTES;
    *out_place = (struct extent_place){0};
    fault->last = run->last;
    for (uint64_t at = offset + BLOCK_ALIGN_BYTES; at < end && !MUTANT_IS(244);
         at += BLOCK_ALIGN_BYTES) {
        struct block_header header = {0};
        const uint8_t *block = read_block(wal, run->place.segment, at, &header);
        if (block == NULL && wal->reader.error != 0) {
            const struct cursor there = {.wal = wal, .offset = at, .next = fault->first};
            return say_damaged(wal, &there);
        }
        cs_slot least = MUTANT_IS(273) ? fault->first : fault->first - 1;
        if (block == NULL || header.length_before < least ||
            header.length_before > run->last) {
            continue; // rotten, or behind the run
        }
        fault->last = header.length_before;
        fault->after_chain = header.chain_before;
        fault->knows_after = true;
        *out_place = (struct extent_place){.segment = run->place.segment,
                                           .offset_bytes = at,
                                           .record_at_bytes = BLOCK_HEADER_BYTES,
                                           .block = header.number};
        break;
    }
    return WAL_OK;
}

/*
 * The chain that lost slots go on from. Where that cannot be told, what stood there has
 * rotted too: fault->first becomes smaller.
 */
static enum wal_status find_before_lost(struct wal *wal, struct wal_fault *fault)
{
    struct cursor cursor = {.wal = wal};
    while (faults_find(&wal->faults, fault->first - 1) == NULL &&
           !read_chain(&cursor, fault->first - 1, &fault->before_chain)) {
        if (wal->reader.error != 0 && !MUTANT_IS(275)) {
            return WAL_DAMAGED; // that says nothing about the slot
        }
        fault->first--;
    }
    return WAL_OK;
}

/*
 * What stood at `slot`, in the block at `offset`, has rotted. If what stood before it has
 * too, that is lost as well. Not WAL_OK: a read failed, and nothing is lost by that.
 */
static enum wal_status lose(struct wal *wal, cs_slot slot, uint64_t offset)
{
    struct wal_fault fault = {.first = slot};
    struct extent_place place;
    enum wal_status status = find_next_block(wal, offset, &fault, &place);
    bool is_lost = fault.last >= slot;
    if (status == WAL_OK && is_lost) {
        status = find_before_lost(wal, &fault);
    }
    if (status != WAL_OK) {
        return status;
    }
    cs_slot last = extents_lose(&wal->extents, slot);
    extents_fill(&wal->extents, fault.last + 1, (uint32_t)(last - fault.last), &place);
    for (cs_slot before = slot - 1; before >= fault.first && is_lost; before--) {
        (void)extents_lose(&wal->extents, before);
    }
    if (is_lost) {
        MARK(READ_LOST);
        faults_add(&wal->faults, &fault);
    }
    return WAL_OK;
}

/* ---- slices ------------------------------------------------------------------------ */

struct limits {
    cs_slot last;
    uint32_t max_entries;
    uint64_t max_bytes;
};

static void add_entry(struct wal_slice *slice,
                      const struct paxos_entry *entry,
                      struct cs_view payload)
{
    uint32_t at = slice->entry_count++;
    slice->entries[at] = *entry;
    slice->payloads[at].bytes = payload.bytes;
    buffer_append(&slice->bytes, payload.data, payload.bytes);
}

/* The buffer does not move any more: views into it. */
static void point_payloads(struct wal_slice *slice)
{
    const uint8_t *at = slice->bytes.data;
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        slice->payloads[i].data = at;
        at = at == NULL ? NULL : at + slice->payloads[i].bytes;
    }
}

/* Slot cursor->next is lost: the slice ends here. */
static bool meets_fault(const struct cursor *cursor, struct wal_slice *slice)
{
    const struct wal_fault *fault = faults_find(&cursor->wal->faults, cursor->next);
    if (fault != NULL) {
        slice->fault = *fault;
    }
    return fault != NULL;
}

static enum wal_status
collect(struct cursor *cursor, const struct limits *limits, struct wal_slice *slice)
{
    struct paxos_digest previous = slice->before_chain;
    while (slice->entry_count < limits->max_entries && cursor->next <= limits->last) {
        struct paxos_entry entry = {0};
        struct cs_view payload = {0};
        cs_slot wanted = cursor->next;
        if (meets_fault(cursor, slice)) {
            return WAL_OK;
        }
        enum wal_status status = take(cursor, &entry, &payload);
        cs_slot failed = status == WAL_OK ? wanted : failed_slot(cursor);
        bool is_right =
            (status == WAL_OK && slice->entry_count == 0 && slice->is_before_lost) ||
            field_same_chain(paxos_chain_next(previous, &entry), entry.chain);
        if (status == WAL_OK && !is_right) {
            status = say_damaged(cursor->wal, cursor);
        }
        if (status == WAL_DAMAGED && cursor->wal->reader.error == 0) {
            // Perhaps an earlier slot of the run: then this one is looked for again.
            status = lose(cursor->wal, failed, cursor->offset);
            cursor->next = wanted;
            cursor->extent = NULL;
            if (status == WAL_OK) {
                continue;
            }
        }
        if (status != WAL_OK) {
            return status;
        }
        if (slice->entry_count > 0 &&
            slice->bytes.bytes + payload.bytes > limits->max_bytes) {
            return WAL_OK;
        }
        previous = entry.chain;
        add_entry(slice, &entry, payload);
    }
    return WAL_OK;
}

/* The chain that the slice begins with; where it cannot be told, those slots are lost. */
static enum wal_status
find_before(struct cursor *cursor, cs_slot slot, struct wal_slice *slice)
{
    struct wal *wal = cursor->wal;
    while (!read_chain(cursor, slot, &slice->before_chain)) {
        slice->is_before_lost = faults_find(&wal->faults, slot) != NULL;
        if (slice->is_before_lost) {
            break;
        }
        if (wal->reader.error != 0) {
            return WAL_DAMAGED;
        }
        enum wal_status status = lose(wal, failed_slot(cursor), cursor->offset);
        if (status != WAL_OK) {
            return status;
        }
        const struct wal_fault *fault = faults_find(&wal->faults, slot);
        if (fault != NULL) {
            slice->fault = *fault;
            break;
        }
    }
    cursor->extent = slice->fault.first != 0 ? NULL : cursor->extent;
    cursor->next = slot + 1;
    return WAL_OK;
}

/* A large window is not kept for reads that may never come. */
static void give_back_window(struct segment_reader *reader)
{
    if (reader->capacity_bytes > WAL_READ_IDLE_BYTES) {
        segment_reader_fini(reader);
    }
}

enum wal_status wal_read(struct wal *wal,
                         cs_slot first,
                         cs_slot last,
                         uint32_t max_entries,
                         uint64_t max_bytes,
                         struct wal_slice *out_slice)
{
    CHECK(first > 0);
    CHECK(first <= last);
    CHECK(max_entries > 0);
    *out_slice = (struct wal_slice){0};
    max_entries = BUGGIFY(wal->settings.buggify, READ_ONE) ? 1 : max_entries;
    struct limits limits = {.last = last,
                            .max_entries = max_entries,
                            .max_bytes = max_bytes};
    limits.last = last < wal->state.length ? last : wal->state.length;
    if (first > limits.last) {
        return WAL_OK;
    }
    uint64_t count = limits.last - first + 1;
    count = count < max_entries ? count : max_entries;
    out_slice->entries = calloc((size_t)count, sizeof *out_slice->entries);
    out_slice->payloads = calloc((size_t)count, sizeof *out_slice->payloads);
    CHECK(out_slice->entries != NULL);
    CHECK(out_slice->payloads != NULL);
    if (wal->reader.number >= wal->reader_active) {
        segment_reader_forget(&wal->reader); // blocks were added since it was read
    }
    wal->reader_active = wal->segment.number;
    // From one slot before, whose chain is asked for too.
    struct cursor cursor = {.wal = wal};
    enum wal_status status = find_before(&cursor, first - 1, out_slice);
    if (status == WAL_OK && out_slice->fault.first == 0) {
        status = collect(&cursor, &limits, out_slice);
    }
    give_back_window(&wal->reader);
    if (status != WAL_OK) {
        wal_slice_fini(out_slice);
        return status;
    }
    point_payloads(out_slice);
    return WAL_OK;
}

void wal_slice_fini(struct wal_slice *slice)
{
    free(slice->entries);
    free(slice->payloads);
    buffer_fini(&slice->bytes);
    *slice = (struct wal_slice){0};
}
