/*
 * recovery: a data directory, edited, is opened (I21). Whatever is on disk, opening ends
 * with a status; and if that is WAL_OK
 *
 *   - the state is that of a block whose digest is right, as a dumb reader finds it;
 *   - no block with a right digest goes on from there in its place, and nothing that lies
 *     behind speaks of a later one as durable: no gap, no older version;
 *   - every slot can be read, hashes to its digest, and the chain leads from slot 1 to it;
 *   - a restart finds the same, with the next boot.
 *
 *   input  kind of directory, edits (image.c)
 */
#include "fuzz/image.h"

#include "base/digest.h"
#include "wal/superblock.h"

enum { EDITS_MAX = 24, SLICE_ENTRIES = 50 };

static struct sim_disk *disk;
static struct image_blocks before;
static struct image_blocks after;
static struct superblock superblock_before; // zeros: it cannot be used

struct summary { // of a recovery, without what moves at each start
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    uint64_t token;
    cs_slot length;
    cs_slot decided;
    struct paxos_digest chain;
};

static bool same_ballot(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right) == 0;
}

static bool same_chain(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

/* The block that this start wrote after what it recovered. */
static const struct image_block *find_fresh(uint64_t boot)
{
    const struct image_block *found = NULL;
    for (uint32_t i = 0; i < after.count; i++) {
        const struct image_block *block = &after.items[i];
        bool is_new = image_block_of(&before, block->digest) == NULL;
        if (is_new && block->boot == boot &&
            (found == NULL || block->number > found->number)) {
            found = block;
        }
    }
    CHECK(found != NULL); // it is durable
    return found;
}

/* Does a sound block stand where the log would go on after `last`? */
static void check_nothing_follows(const struct image_block *last)
{
    for (uint32_t i = 0; i < before.count; i++) {
        const struct image_block *block = &before.items[i];
        bool is_next_place = (block->segment == last->segment &&
                              block->offset == last->offset + last->disk_bytes) ||
                             (block->segment == last->segment + 1 &&
                              block->offset == SEGMENT_HEADER_BYTES);
        bool is_next = block->number == last->number + 1 &&
                       block->previous.high == last->digest.high &&
                       block->previous.low == last->digest.low;
        CHECK(!is_next_place || !is_next);
        bool is_behind = block->segment == last->segment && block->offset > last->offset;
        CHECK(!is_behind || block->floor <= last->number);
    }
}

/*
 * No block of the end is left, but what the superblock says of its floor: else the state
 * rests on a block with a wrong digest.
 */
static void check_rests_on_superblock(const struct wal_recovery *recovery,
                                      const struct image_block *fresh)
{
    CHECK(recovery->damaged_places > 0);
    CHECK(superblock_before.floor_block + 1 == fresh->number);
    CHECK(superblock_before.length == fresh->length);
    CHECK(superblock_before.token == fresh->token);
    CHECK(same_chain(superblock_before.chain, fresh->chain));
    CHECK(same_ballot(superblock_before.promised, fresh->promised));
    CHECK(same_ballot(superblock_before.accepted, fresh->accepted));
}

static void check_end(const struct wal_recovery *recovery, struct summary *out_summary)
{
    image_find_blocks(disk, &after);
    const struct image_block *fresh = find_fresh(recovery->boot);
    const struct paxos_recovered *core = &recovery->core;
    *out_summary = (struct summary){
        .promised = core->promised,
        .accepted = core->accepted,
        .token = core->token,
        .length = core->length,
        .decided = core->decided,
        .chain = fresh->chain,
    };
    CHECK(fresh->number >
          superblock_before.floor_block); // what the superblock knew of is still there
    CHECK(fresh->length == core->length);
    CHECK(fresh->token == core->token);
    CHECK(same_ballot(fresh->promised, core->promised));
    CHECK(same_ballot(fresh->accepted, core->accepted));
    CHECK(core->decided <= core->length);
    CHECK(paxos_ballot_compare(core->accepted, core->promised) <= 0);
    if (fresh->number == 1) {
        CHECK(core->length == 0);
        return;
    }
    const struct image_block *last = image_block_of(&before, fresh->previous);
    if (last == NULL) {
        check_rests_on_superblock(recovery, fresh);
        return;
    }
    CHECK(last->number + 1 == fresh->number);
    CHECK(last->length == core->length);
    CHECK(last->token == core->token);
    CHECK(same_ballot(last->promised, core->promised));
    CHECK(same_ballot(last->accepted, core->accepted));
    CHECK(same_chain(last->chain, fresh->chain));
    check_nothing_follows(last);
}

static void check_entry(const struct paxos_entry *entry,
                        struct cs_view payload,
                        cs_slot slot,
                        struct paxos_digest *chain)
{
    struct cs_digest digest = digest_128(payload.data, payload.bytes, 0);
    CHECK(entry->slot == slot);
    CHECK(payload.bytes == entry->payload_bytes);
    CHECK(digest.high == entry->digest.high);
    CHECK(digest.low == entry->digest.low);
    if (chain != NULL) {
        CHECK(same_chain(paxos_chain_next(*chain, entry), entry->chain));
        *chain = entry->chain;
    }
}

/* Slots that lie nowhere, as the log says itself (repaired from peers). */
static bool is_lost(const struct wal *wal, cs_slot first, cs_slot last)
{
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(wal, &count);
    for (size_t i = 0; i < count; i++) {
        if (faults[i].first <= first && last <= faults[i].last) {
            return true;
        }
    }
    return false;
}

/*
 * Every slot, in order, but those that are said to be lost. Behind them the chain begins
 * anew with what the slice says of it. False: a record was forged, and reading says so.
 */
static bool check_slots(struct wal *wal, const struct summary *summary, bool is_forged)
{
    struct paxos_digest chain = {0};
    bool is_known = true;
    cs_slot next = 1;
    while (next <= summary->length) {
        struct wal_slice slice;
        enum wal_status status =
            wal_read(wal, next, summary->length, SLICE_ENTRIES, UINT64_MAX, &slice);
        if (status != WAL_OK) {
            CHECK(is_forged);
            CHECK(wal_error(wal)[0] != '\0');
            return false;
        }
        bool has_fault = slice.fault.first != 0;
        CHECK(slice.entry_count > 0 || has_fault);
        CHECK(!is_known || slice.is_before_lost ||
              same_chain(slice.before_chain, chain) || is_forged);
        chain = is_known || slice.is_before_lost ? chain : slice.before_chain;
        is_known = is_known || !slice.is_before_lost;
        for (uint32_t i = 0; i < slice.entry_count && !is_forged; i++) {
            check_entry(&slice.entries[i], slice.payloads[i], next + i,
                        is_known ? &chain : NULL);
        }
        next += slice.entry_count;
        if (has_fault) {
            CHECK(slice.fault.first <= next);
            CHECK(slice.fault.last >= next);
            CHECK(is_lost(wal, next, slice.fault.last));
            next = slice.fault.last + 1;
            is_known = false;
        }
        wal_slice_fini(&slice);
    }
    CHECK(is_forged || !is_known || same_chain(chain, summary->chain));
    return true;
}

/* In order; what is missing in it is not decided; its last entry ends the log. */
static void check_tail(const struct wal_recovery *recovery, const struct summary *summary)
{
    const struct paxos_recovered *core = &recovery->core;
    cs_slot next = core->base + 1;
    CHECK(core->base <= core->length);
    CHECK(core->tail_count <= core->length - core->base);
    for (uint32_t i = 0; i < core->tail_count; i++) {
        const struct paxos_entry *entry = &core->tail[i];
        CHECK(entry->slot >= next);
        CHECK(entry->slot <= core->length);
        CHECK(entry->slot == next || next > core->decided);
        CHECK(entry->slot < core->length || same_chain(entry->chain, summary->chain));
        next = entry->slot + 1;
    }
    CHECK(next == core->length + 1 || next > core->decided);
    CHECK(same_chain(core->length_chain, summary->chain));
}

static void look_at_superblock(const struct files *files)
{
    struct superblock_file file;
    superblock_init(&file, files);
    superblock_before = (struct superblock){0};
    if (superblock_read(&file, &superblock_before) != SUPERBLOCK_SOUND) {
        superblock_before = (struct superblock){0};
    }
    superblock_fini(&file);
}

/* What is mended must be found again. */
static void restart(struct files *files, const struct summary *summary, uint64_t boot)
{
    struct wal_settings settings = image_settings();
    struct wal_recovery recovery;
    struct wal *wal = NULL;
    sim_disk_crash(disk);
    enum wal_status status = wal_open(&wal, files, &settings, &recovery);
    CHECK(status == WAL_OK);
    CHECK(recovery.boot == boot + 1);
    CHECK(!recovery.is_fresh);
    CHECK(recovery.core.length == summary->length);
    CHECK(recovery.core.decided == summary->decided);
    CHECK(recovery.core.token == summary->token);
    CHECK(same_ballot(recovery.core.promised, summary->promised));
    CHECK(same_ballot(recovery.core.accepted, summary->accepted));
    wal_close(&wal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    if (disk == NULL) {
        disk = sim_disk_new(1, IMAGE_DISK_BYTES);
    }
    image_put(disk, input_take_byte(&input));
    bool is_forged = false;
    for (int i = 0; i < EDITS_MAX && input.left_bytes > 0; i++) {
        is_forged = image_edit(disk, &input) || is_forged;
    }
    image_find_blocks(disk, &before);
    struct files files = sim_disk_files(disk);
    look_at_superblock(&files);
    struct wal_settings settings = image_settings();
    struct wal_recovery recovery;
    struct wal *wal = NULL;
    enum wal_status status = wal_open(&wal, &files, &settings, &recovery);
    if (status != WAL_OK) {
        CHECK(wal == NULL);
        CHECK(recovery.sentence[0] != '\0');
        CHECK(status != WAL_FAILED); // the disk does what it is told
        return 0;
    }
    struct summary summary = {0};
    check_end(&recovery, &summary);
    check_tail(&recovery, &summary);
    (void)check_slots(wal, &summary, is_forged);
    wal_close(&wal);
    restart(&files, &summary, recovery.boot);
    return 0;
}
