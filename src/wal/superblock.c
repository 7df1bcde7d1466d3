/*
 * One copy, little endian (4 KiB; four of them in the file, all equal when nothing is
 * being written):
 *
 *    0   8  "CNSSUPER"
 *    8   4  format version (1)
 *   12   4  zero
 *   16  16  XXH3-128 of bytes 32 .. 4095, seeded by the version. In every version so.
 *   32   8  sequence
 *   40  16  digest of the value before
 *   56  16  incarnation
 *   72   8  boot
 *   80   8  floor: number of a block
 *   88   8  the segment that block lies in
 *   96  12  promised
 * 108  12  accepted 120   8  decided 128   8  length 136  16  chain(length) 152   8 token
 * 160      configuration and watermarks (record_pack_state)
 *           zeros up to 4 KiB
 *
 * A copy is sound when magic and digest are right. The value is that of the highest
 * sequence that two equal sound copies have. Why a crash at any point leaves the old or
 * the new one, never neither:
 *
 *   Before a write at least two copies hold the old value. The two to be written first
 *   are chosen so that those not holding it come first; hence two copies with the old
 *   value stay until the first two are durable with the new one. Then the other two may
 *   tear. A lone copy left by a torn first half cannot pair with a later value: sequences
 *   seen in any copy are not used again, and, no holder of the value, it is overwritten
 *   in the next first half.
 */
#include "wal/superblock.h"

#include "wal/pages.h"
#include "wal/record.h"
#include "wal/segment.h"

#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"

#include <errno.h>
#include <stdlib.h>

enum {
    DIGEST_AT_BYTES = 16,
    DIGESTED_FROM_BYTES = 32,
    STATE_AT_BYTES = 160,
    HALF_COPIES = SUPERBLOCK_COPIES / 2,
    ALL_COPIES = (1 << SUPERBLOCK_COPIES) - 1,
};

static const uint8_t MAGIC[8] = {'C', 'N', 'S', 'S', 'U', 'P', 'E', 'R'};

struct copy {
    bool is_sound;
    uint32_t version;
    uint64_t sequence;
    struct cs_digest digest;
    struct cs_digest parent;
};

/* ---- one copy ---------------------------------------------------------------------- */

static struct cs_digest digest_of(const uint8_t *page, uint32_t version)
{
    size_t bytes = SUPERBLOCK_COPY_BYTES - DIGESTED_FROM_BYTES;
    return digest_128(page + DIGESTED_FROM_BYTES, bytes, version);
}

static struct cs_digest pack(uint8_t *page, const struct superblock *superblock)
{
    memset(page, 0, SUPERBLOCK_COPY_BYTES);
    memcpy(page, MAGIC, sizeof MAGIC);
    store_u32(page + sizeof MAGIC, SUPERBLOCK_FORMAT_VERSION);
    uint8_t *at = page + DIGESTED_FROM_BYTES;
    field_put_u64(&at, superblock->sequence);
    field_put_digest(&at, superblock->parent);
    field_put_id(&at, superblock->incarnation);
    field_put_u64(&at, superblock->boot);
    field_put_u64(&at, superblock->floor_block);
    field_put_u64(&at, superblock->floor_segment);
    field_put_ballot(&at, superblock->promised);
    field_put_ballot(&at, superblock->accepted);
    field_put_u64(&at, superblock->decided);
    field_put_u64(&at, superblock->length);
    field_put_chain(&at, superblock->chain);
    field_put_u64(&at, superblock->token);
    CHECK(at == page + STATE_AT_BYTES);
    record_pack_state(at, &superblock->config, superblock->watermarks);
    struct cs_digest digest = digest_of(page, SUPERBLOCK_FORMAT_VERSION);
    at = page + DIGEST_AT_BYTES;
    field_put_digest(&at, digest);
    return digest;
}

static bool unpack(const uint8_t *page, struct superblock *out)
{
    const uint8_t *at = page + DIGESTED_FROM_BYTES;
    *out = (struct superblock){.sequence = field_take_u64(&at)};
    out->parent = field_take_digest(&at);
    out->incarnation = field_take_id(&at);
    out->boot = field_take_u64(&at);
    out->floor_block = field_take_u64(&at);
    out->floor_segment = field_take_u64(&at);
    out->promised = field_take_ballot(&at);
    out->accepted = field_take_ballot(&at);
    out->decided = field_take_u64(&at);
    out->length = field_take_u64(&at);
    out->chain = field_take_chain(&at);
    out->token = field_take_u64(&at);
    return record_unpack_state(at, &out->config, out->watermarks);
}

static struct copy look_at(const uint8_t *page)
{
    const uint8_t *at = page + DIGEST_AT_BYTES;
    struct copy copy = {.version = load_u32(page + sizeof MAGIC)};
    copy.digest = field_take_digest(&at);
    copy.sequence = field_take_u64(&at);
    copy.parent = field_take_digest(&at);
    copy.is_sound = memcmp(page, MAGIC, sizeof MAGIC) == 0 &&
                    field_same_digest(copy.digest, digest_of(page, copy.version));
    return copy;
}

/* ---- reading ----------------------------------------------------------------------- */

/* The copies equal to this one, itself included. */
static uint32_t equals_of(const struct copy *copies, int index)
{
    uint32_t mask = 0;
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        if (copies[i].is_sound && copies[i].version == copies[index].version &&
            copies[i].sequence == copies[index].sequence &&
            field_same_digest(copies[i].digest, copies[index].digest)) {
            mask |= 1u << i;
        }
    }
    return mask;
}

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

/* A copy of the highest sequence that has an equal one; -1: none has. */
static int find_pair(const struct copy *copies)
{
    int best = -1;
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        uint32_t needed = MUTANT_IS(163) ? 1 : HALF_COPIES;
        if (copies[i].is_sound && count_bits(equals_of(copies, i)) >= needed &&
            (best < 0 || copies[i].sequence > copies[best].sequence)) {
            best = i;
        }
    }
    return best;
}

/*
 * False: another copy contradicts the pair: same sequence, or one before that it does
 * not name.
 */
static bool descends(const struct copy *copies, int pair)
{
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        bool is_same = field_same_digest(copies[i].digest, copies[pair].digest);
        if (!copies[i].is_sound || is_same) {
            continue;
        }
        if (copies[i].sequence == copies[pair].sequence) {
            return false;
        }
        if (copies[i].sequence + 1 == copies[pair].sequence &&
            !field_same_digest(copies[i].digest, copies[pair].parent)) {
            return false;
        }
    }
    return true;
}

static enum superblock_sight read_pages(struct superblock_file *file)
{
    const struct files *files = file->files;
    int handle = files->open_file(files->context, SUPERBLOCK_NAME, false);
    if (handle == -ENOENT) {
        return SUPERBLOCK_ABSENT;
    }
    file->error = handle < 0 ? -handle : 0;
    if (handle < 0) {
        return SUPERBLOCK_UNREADABLE;
    }
    file->handle = handle;
    file->is_open = true;
    memset(file->pages, 0, SUPERBLOCK_FILE_BYTES);
    // A copy that cannot be read is a bad one.
    int64_t got =
        pages_read(files, handle, file->pages, SUPERBLOCK_FILE_BYTES, 0, &file->error);
    if (got < 0) {
        file->error = (int)-got;
        return SUPERBLOCK_UNREADABLE;
    }
    return got == SUPERBLOCK_FILE_BYTES ? SUPERBLOCK_SOUND : SUPERBLOCK_BROKEN;
}

enum superblock_sight superblock_read(struct superblock_file *file,
                                      struct superblock *out)
{
    enum superblock_sight sight = read_pages(file);
    if (sight != SUPERBLOCK_SOUND) {
        return sight;
    }
    struct copy copies[SUPERBLOCK_COPIES];
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        copies[i] = look_at(file->pages + (size_t)i * SUPERBLOCK_COPY_BYTES);
        if (copies[i].is_sound && copies[i].sequence > file->highest_sequence) {
            file->highest_sequence = copies[i].sequence;
        }
    }
    int pair = find_pair(copies);
    if (pair < 0 || (!descends(copies, pair) && !MUTANT_IS(164))) {
        return file->error == 0 ? SUPERBLOCK_BROKEN : SUPERBLOCK_UNREADABLE;
    }
    if (copies[pair].version != SUPERBLOCK_FORMAT_VERSION && !MUTANT_IS(175)) {
        return SUPERBLOCK_OTHER;
    }
    file->current_mask = equals_of(copies, pair);
    MARK_IF(file->current_mask != ALL_COPIES, SUPERBLOCK_HALF);
    file->digest = copies[pair].digest;
    bool is_sound = unpack(file->pages + (size_t)pair * SUPERBLOCK_COPY_BYTES, out);
    return is_sound ? SUPERBLOCK_SOUND : SUPERBLOCK_BROKEN;
}

/* ---- writing ----------------------------------------------------------------------- */

static int
write_copies(struct superblock_file *file, int first, int count, bool is_through)
{
    const struct files *files = file->files;
    uint64_t offset = (uint64_t)first * SUPERBLOCK_COPY_BYTES;
    size_t bytes = (size_t)count * SUPERBLOCK_COPY_BYTES;
    const uint8_t *data = file->pages + offset;
    int64_t written =
        is_through
            ? files->write_through(files->context, file->handle, data, bytes, offset)
            : files->write_at(files->context, file->handle, data, bytes, offset);
    if (written < 0) {
        return (int)-written;
    }
    return (size_t)written == bytes ? 0 : EIO;
}

/* The copies of the mask, neighbours in one go. */
static int write_mask(struct superblock_file *file, uint32_t mask)
{
    for (int first = 0; first < SUPERBLOCK_COPIES; first++) {
        int count = 0;
        while (first + count < SUPERBLOCK_COPIES && (mask >> (first + count) & 1u) != 0) {
            count++;
        }
        if (count > 0) {
            int error = write_copies(file, first, count, true);
            if (error != 0) {
                return error;
            }
            first += count;
        }
    }
    return 0;
}

/*
 * The two copies to be written first: those that do not hold the current value come
 * first.
 */
static uint32_t first_half(uint32_t current_mask)
{
    uint32_t half = 0;
    for (int round = 0; round < 2; round++) {
        bool wants_current = round == 1;
        for (int i = 0; i < SUPERBLOCK_COPIES && count_bits(half) < HALF_COPIES; i++) {
            bool is_current = (current_mask >> i & 1u) != 0 || MUTANT_IS(52);
            if (is_current == wants_current) {
                half |= 1u << i;
            }
        }
    }
    return half;
}

static void pack_all(struct superblock_file *file, struct superblock *superblock)
{
    file->highest_sequence++;
    superblock->sequence =
        MUTANT_IS(174) ? superblock->sequence + 1 : file->highest_sequence;
    superblock->parent = file->digest;
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        file->digest = pack(file->pages + (size_t)i * SUPERBLOCK_COPY_BYTES, superblock);
    }
}

int superblock_write(struct superblock_file *file, struct superblock *superblock)
{
    CHECK(file->is_open);
    uint32_t half = first_half(file->current_mask);
    pack_all(file, superblock);
    if (MUTANT_IS(42)) {
        file->current_mask = ALL_COPIES;
        return write_copies(file, 0, SUPERBLOCK_COPIES, false);
    }
    int error = write_mask(file, half);
    if (error == 0) {
        error = write_mask(file, ALL_COPIES & ~half);
    }
    file->current_mask = ALL_COPIES;
    return error;
}

int superblock_rewrite(struct superblock_file *file)
{
    CHECK(file->is_open);
    return write_mask(file, file->current_mask);
}

static int make_file(struct superblock_file *file)
{
    const struct files *files = file->files;
    int error = write_copies(file, 0, SUPERBLOCK_COPIES, false);
    if (error == 0) {
        error = -files->sync_file(files->context, file->handle);
    }
    if (error == 0) {
        error =
            -files->rename_file(files->context, SUPERBLOCK_PREPARE_NAME, SUPERBLOCK_NAME);
    }
    return error == 0 ? -files->sync_directory(files->context) : error;
}

int superblock_format(struct superblock_file *file, struct superblock *superblock)
{
    CHECK(!file->is_open);
    const struct files *files = file->files;
    int removed = files->remove_file(files->context, SUPERBLOCK_PREPARE_NAME);
    if (removed != 0 && removed != -ENOENT) {
        return -removed;
    }
    // What an attempt has left that a full disk ended: unless its name has gone for good, a
    // crash may leave the renamed name with that file instead of the new one.
    int error =
        removed == 0 && !MUTANT_IS(129) ? -files->sync_directory(files->context) : 0;
    if (error != 0) {
        return error;
    }
    int handle = files->open_file(files->context, SUPERBLOCK_PREPARE_NAME, true);
    if (handle < 0) {
        return -handle;
    }
    file->handle = handle;
    file->is_open = true;
    file->current_mask = ALL_COPIES;
    pack_all(file, superblock);
    return make_file(file);
}

void superblock_init(struct superblock_file *file, const struct files *files)
{
    *file = (struct superblock_file){.files = files};
    file->pages = segment_alloc(SUPERBLOCK_FILE_BYTES);
}

void superblock_fini(struct superblock_file *file)
{
    if (file->is_open) {
        (void)file->files->close_file(file->files->context, file->handle);
    }
    free(file->pages);
    *file = (struct superblock_file){0};
}
