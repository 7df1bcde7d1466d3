#include "fuzz/image.h"

#include "base/digest.h"
#include "support/twin.h"
#include "wal/superblock.h"

#include <stdlib.h>

enum {
    FILES_MAX = 12,
    BLOCKS_PAST_FLOOR = 3,
    NAMES = 1 + IMAGE_SEGMENTS_MAX, // superblock, log-1, ...
    PAGES_MAX = IMAGE_SEGMENT_BYTES / IMAGE_PAGE_BYTES,
    SMALL_EDIT_BYTES = 32,
    BLOCK_BODY_AT = 208,
    BLOCK_DIGEST_AT = 8,
    BLOCK_DIGESTED_FROM = 24,
    BLOCK_PREVIOUS_AT = 64,
    PAGE_DIGEST_AT = 16, // of a segment's header, and of a copy of the superblock
    PAGE_DIGESTED_FROM = 32,
};

struct image_file {
    char name[FILES_NAME_BYTES];
    uint8_t *data;
    size_t bytes;
};

struct image {
    bool is_made;
    size_t count;
    struct image_file files[FILES_MAX];
};

static struct image images[IMAGE_KINDS];

struct wal_settings image_settings(void)
{
    const struct wal_settings settings = {
        .segment_bytes = IMAGE_SEGMENT_BYTES,
        .ready_segments = 1,
        .ring_entries = 64,
        .ring_bytes = 32 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 1, .low = 1},
    };
    return settings;
}

/* ---- making ------------------------------------------------------------------------ */

static struct wal *open_sound(const struct files *files)
{
    struct wal_settings settings = image_settings();
    struct wal_recovery recovery;
    struct wal *wal = NULL;
    CHECK(wal_open(&wal, files, &settings, &recovery) == WAL_OK);
    wal_forget_tail(wal);
    return wal;
}

static void commit(struct wal *wal, struct cs_buffer *records)
{
    struct wal_commit committed = {0};
    CHECK(wal_commit(wal, view_of_buffer(records), &committed) == WAL_OK);
    records->bytes = 0;
}

/* What a node does in a short life; each kind does more of it. */
static void live(struct wal *wal, struct twin *twin, uint32_t kind)
{
    struct cs_buffer records = {0};
    uint32_t large = kind >= 3 ? 4000 : 300;
    for (uint32_t i = 0; i < 1 + kind * 2; i++) {
        twin_append(twin, 1 + i % 3, large, &records);
        commit(wal, &records);
        if (i % 3 == 0) {
            twin_promise(twin, &records);
            commit(wal, &records);
            twin_sync(twin, twin->length, 2, 200, &records);
            commit(wal, &records);
        }
        twin_decide(twin, twin->length > 2 ? twin->length - 2 : 0);
        if (i % 4 == 1) {
            twin_fetch(twin, twin->length + 1, 2, 100, &records);
            twin_append(twin, 1, 100, &records);
            commit(wal, &records);
        }
    }
    twin_configure(twin, &records);
    commit(wal, &records);
    for (uint32_t i = 0; i < BLOCKS_PAST_FLOOR; i++) { // the superblock knows of none
        twin_append(twin, 1, 50, &records);
        commit(wal, &records);
    }
    if (kind % 2 == 0) {
        CHECK(wal_seal(wal) == WAL_OK);
    }
    buffer_fini(&records);
}

static void keep_file(void *context, const char *name)
{
    struct image *image = context;
    CHECK(image->count < FILES_MAX);
    struct image_file *file = &image->files[image->count++];
    CHECK(strlen(name) < sizeof file->name);
    memcpy(file->name, name, strlen(name) + 1);
}

static void keep_data(const struct files *files, struct image_file *file)
{
    int handle = files->open_file(files->context, file->name, false);
    CHECK(handle >= 0);
    int64_t bytes = files->size_of(files->context, handle);
    CHECK(bytes > 0);
    file->bytes = (size_t)bytes;
    file->data = segment_alloc(file->bytes);
    CHECK(files->read_at(files->context, handle, file->data, file->bytes, 0) == bytes);
    CHECK(files->close_file(files->context, handle) == 0);
}

static void make(struct image *image, uint32_t kind)
{
    struct sim_disk *disk = sim_disk_new(kind, IMAGE_DISK_BYTES);
    struct files files = sim_disk_files(disk);
    struct twin *twin = twin_new();
    for (uint32_t boot = 0; kind > 0 && boot < 2; boot++) {
        struct wal *wal = open_sound(&files);
        live(wal, twin, kind);
        wal_close(&wal);
    }
    const struct files_listing listing = {.on_name = keep_file, .context = image};
    CHECK(files.list(files.context, &listing) == 0);
    for (size_t i = 0; i < image->count; i++) {
        keep_data(&files, &image->files[i]);
    }
    twin_destroy(&twin);
    sim_disk_destroy(&disk);
    image->is_made = true;
}

static bool is_zero(const uint8_t *data, size_t bytes)
{
    return data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0;
}

static void put_file(const struct files *files, const struct image_file *file)
{
    int handle = files->open_file(files->context, file->name, true);
    CHECK(handle >= 0);
    for (size_t at = 0; at < file->bytes; at += IMAGE_PAGE_BYTES) {
        bool is_last = at + IMAGE_PAGE_BYTES >= file->bytes; // it makes the size
        if (is_last || !is_zero(file->data + at, IMAGE_PAGE_BYTES)) {
            CHECK(files->write_at(files->context, handle, file->data + at,
                                  IMAGE_PAGE_BYTES, at) == IMAGE_PAGE_BYTES);
        }
    }
    CHECK(files->sync_file(files->context, handle) == 0);
    CHECK(files->close_file(files->context, handle) == 0);
}

void image_put(struct sim_disk *disk, uint32_t kind)
{
    struct image *image = &images[kind % IMAGE_KINDS];
    if (!image->is_made) {
        make(image, kind % IMAGE_KINDS);
    }
    sim_disk_reset(disk, 1);
    sim_disk_set_capacity(disk, IMAGE_DISK_BYTES);
    struct files files = sim_disk_files(disk);
    for (size_t i = 0; i < image->count; i++) {
        put_file(&files, &image->files[i]);
    }
    CHECK(files.sync_directory(files.context) == 0);
}

/* ---- looking ----------------------------------------------------------------------- */

static void name_of(uint32_t index, char out_name[FILES_NAME_BYTES])
{
    if (index == 0) {
        memcpy(out_name, SUPERBLOCK_NAME, sizeof SUPERBLOCK_NAME);
    } else {
        segment_name(out_name, SEGMENT_LOG, index);
    }
}

static struct cs_digest load_digest(const uint8_t *from)
{
    struct cs_digest digest = {.high = load_u64(from), .low = load_u64(from + 8)};
    return digest;
}

static void store_digest(uint8_t *to, struct cs_digest digest)
{
    store_u64(to, digest.high);
    store_u64(to + 8, digest.low);
}

static bool same_digest(struct cs_digest left, struct cs_digest right)
{
    return left.high == right.high && left.low == right.low;
}

/* All of log-`segment`; false: it is not there, or shorter than a segment. */
static bool read_segment(const struct sim_disk *disk,
                         uint64_t segment,
                         uint8_t *to,
                         uint64_t *out_seed)
{
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, segment);
    if (!sim_disk_read_media(disk, name, 0, to, IMAGE_SEGMENT_BYTES)) {
        return false;
    }
    // XXH3-64 of incarnation, segment number, generation; a block adds its offset. A header
    // that is lost says neither: then it is the first life of the only node there is here.
    struct segment_header header = {0};
    if (segment_unpack_header(to, &header) != SEGMENT_SOUND) {
        header.incarnation = image_settings().fresh_incarnation;
        header.generation = 1;
    }
    uint8_t input[32];
    store_u64(input, header.incarnation.high);
    store_u64(input + 8, header.incarnation.low);
    store_u64(input + 16, segment);
    store_u64(input + 24, header.generation);
    *out_seed = digest_64(input, sizeof input, 0);
    return true;
}

/* Bytes on disk of the block that begins there; 0: none does. */
static size_t block_bytes_at(const uint8_t *segment, size_t offset)
{
    if (memcmp(segment + offset, "CNSBLOCK", 8) != 0) {
        return 0;
    }
    size_t body = load_u32(segment + offset + BLOCK_DIGESTED_FROM);
    size_t bytes = (BLOCK_BODY_AT + body + IMAGE_PAGE_BYTES - 1) / IMAGE_PAGE_BYTES *
                   IMAGE_PAGE_BYTES;
    return bytes <= IMAGE_SEGMENT_BYTES - offset ? bytes : 0;
}

static struct cs_digest digest_block(const uint8_t *block, uint64_t seed)
{
    size_t body = load_u32(block + BLOCK_DIGESTED_FROM);
    return digest_128(block + BLOCK_DIGESTED_FROM,
                      BLOCK_BODY_AT + body - BLOCK_DIGESTED_FROM, seed);
}

static struct paxos_ballot load_ballot(const uint8_t *from)
{
    struct paxos_ballot ballot = {.epoch = load_u32(from),
                                  .round = load_u32(from + 4),
                                  .node = load_u32(from + 8)};
    return ballot;
}

static struct image_block take_block(const uint8_t *block)
{
    struct image_block taken = {
        .number = load_u64(block + 32),
        .floor = load_u64(block + 40),
        .boot = load_u64(block + 48),
        .token = load_u64(block + 112),
        .length = load_u64(block + 144),
        .digest = load_digest(block + BLOCK_DIGEST_AT),
        .previous = load_digest(block + BLOCK_PREVIOUS_AT),
        .promised = load_ballot(block + 84),
        .accepted = load_ballot(block + 96),
        .chain = {.high = load_u64(block + 168), .low = load_u64(block + 176)},
    };
    return taken;
}

static void find_in_segment(const uint8_t *data,
                            uint64_t segment,
                            uint64_t seed,
                            struct image_blocks *blocks)
{
    for (size_t at = IMAGE_PAGE_BYTES; at < IMAGE_SEGMENT_BYTES; at += IMAGE_PAGE_BYTES) {
        size_t bytes = block_bytes_at(data, at);
        if (bytes > 0 && same_digest(load_digest(data + at + BLOCK_DIGEST_AT),
                                     digest_block(data + at, seed + at))) {
            struct image_block *block = &blocks->items[blocks->count++];
            *block = take_block(data + at);
            block->segment = segment;
            block->offset = at;
            block->disk_bytes = bytes;
        }
    }
}

void image_find_blocks(const struct sim_disk *disk, struct image_blocks *out_blocks)
{
    static uint8_t data[IMAGE_SEGMENT_BYTES];
    out_blocks->count = 0;
    for (uint64_t segment = 1; segment <= IMAGE_SEGMENTS_MAX; segment++) {
        uint64_t seed = 0;
        if (read_segment(disk, segment, data, &seed)) {
            find_in_segment(data, segment, seed, out_blocks);
        }
    }
}

const struct image_block *image_block_of(const struct image_blocks *blocks,
                                         struct cs_digest digest)
{
    for (uint32_t i = 0; i < blocks->count; i++) {
        if (same_digest(blocks->items[i].digest, digest)) {
            return &blocks->items[i];
        }
    }
    return NULL;
}

/* ---- editing ----------------------------------------------------------------------- */

struct place {
    char name[FILES_NAME_BYTES];
    uint32_t file;   // index as name_of() takes it
    uint64_t offset; // of the page
};

static struct place take_place(struct input *input)
{
    struct place place = {.file = input_take_below(input, NAMES)};
    uint32_t pages = place.file == 0 ? SUPERBLOCK_COPIES : PAGES_MAX;
    name_of(place.file, place.name);
    place.offset = (uint64_t)input_take_below(input, pages) * IMAGE_PAGE_BYTES;
    return place;
}

/* A segment's header or a copy of the superblock: its digest is made right. */
static void seal_page(struct sim_disk *disk, const struct place *place)
{
    uint8_t page[IMAGE_PAGE_BYTES];
    if (!sim_disk_read_media(disk, place->name, place->offset, page, sizeof page)) {
        return;
    }
    uint32_t version = load_u32(page + 8);
    store_digest(
        page + PAGE_DIGEST_AT,
        digest_128(page + PAGE_DIGESTED_FROM, sizeof page - PAGE_DIGESTED_FROM, version));
    (void)sim_disk_overwrite(disk, place->name, place->offset, page, sizeof page);
}

/* From the block that holds the page on, each gets a right digest and its predecessor. */
static void seal_blocks(struct sim_disk *disk, const struct place *place, bool is_chained)
{
    static uint8_t data[IMAGE_SEGMENT_BYTES];
    uint64_t seed = 0;
    if (!read_segment(disk, place->file, data, &seed)) {
        return;
    }
    struct cs_digest previous = {0};
    bool has_previous = false;
    for (size_t at = IMAGE_PAGE_BYTES; at < IMAGE_SEGMENT_BYTES;) {
        size_t bytes = block_bytes_at(data, at);
        bool is_meant = bytes > 0 && at + bytes > place->offset;
        if (is_meant && is_chained && has_previous) {
            store_digest(data + at + BLOCK_PREVIOUS_AT, previous);
        }
        if (is_meant && (is_chained || at <= place->offset)) {
            store_digest(data + at + BLOCK_DIGEST_AT, digest_block(data + at, seed + at));
        }
        if (bytes > 0) {
            previous = load_digest(data + at + BLOCK_DIGEST_AT);
            has_previous = true;
        }
        at += bytes > 0 ? bytes : IMAGE_PAGE_BYTES;
    }
    (void)sim_disk_overwrite(disk, place->name, 0, data, sizeof data);
}

static void seal(struct sim_disk *disk, const struct place *place, bool is_chained)
{
    if (place->file == 0 || place->offset == 0) {
        seal_page(disk, place);
    } else {
        seal_blocks(disk, place, is_chained);
    }
}

static void
overwrite(struct sim_disk *disk, const struct place *place, struct input *input)
{
    uint32_t at = input_take_below(input, IMAGE_PAGE_BYTES);
    uint32_t wanted = 1 + input_take_below(input, SMALL_EDIT_BYTES);
    uint32_t room = IMAGE_PAGE_BYTES - at;
    struct cs_view bytes = input_take(input, wanted < room ? wanted : room);
    if (bytes.bytes > 0) {
        (void)sim_disk_overwrite(disk, place->name, place->offset + at, bytes.data,
                                 bytes.bytes);
    }
}

/* Zeros: a page, or one sector of it. */
static void erase(struct sim_disk *disk, const struct place *place, struct input *input)
{
    static const uint8_t zeros[IMAGE_PAGE_BYTES];
    uint32_t sector =
        input_take_below(input, 1 + IMAGE_PAGE_BYTES / SIM_DISK_SECTOR_BYTES);
    if (sector == 0) {
        (void)sim_disk_overwrite(disk, place->name, place->offset, zeros, sizeof zeros);
        return;
    }
    uint64_t offset = place->offset + (uint64_t)(sector - 1) * SIM_DISK_SECTOR_BYTES;
    (void)sim_disk_overwrite(disk, place->name, offset, zeros, SIM_DISK_SECTOR_BYTES);
}

/* A write that went to the wrong place. */
static void
misdirect(struct sim_disk *disk, const struct place *from, struct input *input)
{
    uint8_t page[IMAGE_PAGE_BYTES];
    struct place to = take_place(input);
    if (sim_disk_read_media(disk, from->name, from->offset, page, sizeof page)) {
        (void)sim_disk_overwrite(disk, to.name, to.offset, page, sizeof page);
    }
}

static void
lose_file(struct sim_disk *disk, const struct place *place, struct input *input)
{
    struct files files = sim_disk_files(disk);
    struct place to = take_place(input);
    bool is_renamed = to.offset != 0 && strcmp(to.name, place->name) != 0;
    if (is_renamed) {
        (void)files.remove_file(files.context, to.name);
        (void)files.rename_file(files.context, place->name, to.name);
    } else {
        (void)files.remove_file(files.context, place->name);
    }
    CHECK(files.sync_directory(files.context) == 0);
}

bool image_edit(struct sim_disk *disk, struct input *input)
{
    uint32_t how = input_take_below(input, 8);
    struct place place = take_place(input);
    switch (how) {
    case 0:
    case 1:
    case 2:
        overwrite(disk, &place, input);
        if (how > 0) {
            seal(disk, &place, how == 2);
        }
        return how > 0;
    case 3:
        erase(disk, &place, input);
        return false;
    case 4:
        misdirect(disk, &place, input);
        return false;
    case 5:
        lose_file(disk, &place, input);
        return false;
    default:
        seal(disk, &place, how == 7);
        return true;
    }
}
