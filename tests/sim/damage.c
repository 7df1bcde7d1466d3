/*
 * damage.c - rot: bytes at rest on a disk are no longer those that were written. A bit is
 * flipped; a page cannot be read; a place holds what was meant for another one (a
 * misdirected write); a place is as it was before (a stale sector: a write that was
 * confirmed and never done). Of the log that is zeros, since segments are written once; of
 * a superblock it is an older one.
 *
 * The last block of a log is left alone: without anything after it, it cannot be told from
 * a torn one (PAXOS 4.2), which is why it is sealed within milliseconds.
 */
#include "sim/world.h"

#include "wal/block.h"
#include "wal/record.h"
#include "wal/segment.h"
#include "wal/superblock.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 4096, LATE_PLACES = 6, BLOCK_PAGE_BYTES = DAMAGE_PAGE_BYTES };

_Static_assert((int)DAMAGE_PAGE_BYTES == (int)BLOCK_ALIGN_BYTES, "a page of a block");
_Static_assert((int)DAMAGE_PAGE_BYTES == (int)SUPERBLOCK_COPY_BYTES, "of a superblock");

struct place {
    uint64_t segment;
    uint64_t offset;
    size_t bytes;
    size_t used;        // of them; zeros up to `bytes` say nothing
    cs_slot decided;    // before it; as it is read, after it
    cs_slot length;     // after it, or before if that is longer
    cs_slot first_slot; // of its entries; 0: it has none
    cs_slot last_slot;
};

struct survey { // of a log's sound blocks and segment headers, in order
    struct place places[PLACES_MAX];
    uint32_t count;
    uint8_t *block; // scratch
    size_t block_bytes;
};

static bool read_page(const struct node *node, uint64_t segment, uint64_t at, uint8_t *to)
{
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, segment);
    return sim_disk_read_media(node->disk, name, at, to, BLOCK_PAGE_BYTES);
}

/* Which slots have their bytes here. */
static void note_slots(struct place *place, struct cs_view body)
{
    struct record record = {0};
    while (body.bytes > 0 && record_unpack(body, &record)) {
        const struct paxos_persist *persist = &record.persist;
        cs_slot last = persist->first_slot + persist->entry_count - 1;
        if (persist->entry_count > 0) {
            bool is_lower =
                place->first_slot == 0 || persist->first_slot < place->first_slot;
            place->first_slot = is_lower ? persist->first_slot : place->first_slot;
            place->last_slot = last > place->last_slot ? last : place->last_slot;
        }
        body = view_of(body.data + record.bytes, body.bytes - record.bytes);
    }
}

/* Reads all of a block; false: it is not sound. */
static bool is_block(struct survey *survey,
                     const struct node *node,
                     struct place *place,
                     uint64_t seed)
{
    char name[FILES_NAME_BYTES];
    struct block_header header;
    segment_name(name, SEGMENT_LOG, place->segment);
    if (place->bytes > survey->block_bytes) {
        survey->block = realloc(survey->block, place->bytes);
        survey->block_bytes = place->bytes;
        CHECK(survey->block != NULL);
    }
    if (!sim_disk_read_media(node->disk, name, place->offset, survey->block,
                             place->bytes) ||
        !block_unpack(view_of(survey->block, place->bytes), seed, place->offset,
                      &header)) {
        return false;
    }
    place->used = BLOCK_HEADER_BYTES + (size_t)header.body_bytes;
    place->decided = header.decided;
    place->length =
        header.length > header.length_before ? header.length : header.length_before;
    note_slots(place, block_body(survey->block, &header));
    return true;
}

static void add_place(struct survey *survey, const struct place *place)
{
    if (survey->count < PLACES_MAX) {
        survey->places[survey->count++] = *place;
    }
}

static void
survey_segment(struct survey *survey, const struct node *node, uint64_t number)
{
    uint8_t page[BLOCK_PAGE_BYTES];
    struct segment_header header;
    if (!read_page(node, number, 0, page) ||
        segment_unpack_header(page, &header) != SEGMENT_SOUND) {
        return;
    }
    uint64_t seed = block_seed(header.incarnation, header.number, header.generation);
    struct place place = {.segment = number,
                          .bytes = SEGMENT_HEADER_BYTES,
                          .used = SEGMENT_HEADER_BYTES};
    add_place(survey, &place);
    place.offset = SEGMENT_HEADER_BYTES;
    while (read_page(node, number, place.offset, page)) {
        uint64_t offset = place.offset;
        place = (struct place){.segment = number, .offset = offset};
        bool is_sound =
            block_peek(page, &place.bytes) && is_block(survey, node, &place, seed);
        place.bytes = is_sound ? place.bytes : BLOCK_PAGE_BYTES;
        if (is_sound) {
            add_place(survey, &place);
        }
        place.offset += place.bytes;
    }
}

static bool is_header(const struct place *place)
{
    return place->offset == 0;
}

/* What was decided before each. */
static void shift_decided(struct survey *survey)
{
    cs_slot decided = 0;
    for (uint32_t i = 0; i < survey->count; i++) {
        struct place *place = &survey->places[i];
        cs_slot after = is_header(place) ? decided : place->decided;
        place->decided = decided;
        decided = after;
    }
}

static void survey_log(struct survey *survey, const struct node *node)
{
    uint8_t page[BLOCK_PAGE_BYTES];
    survey->count = 0;
    for (uint64_t number = 1; read_page(node, number, 0, page); number++) {
        survey_segment(survey, node, number);
    }
    shift_decided(survey);
}

static void flip_bit(struct random *random, uint8_t *bytes, size_t count)
{
    uint64_t bit = random_below(random, count * 8);
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

static const char *const rot_names[ROTS] = {
    [ROT_FLIP] = "flip",
    [ROT_MISDIRECTED] = "misdirected",
    [ROT_STALE_SECTOR] = "stale-sector",
    [ROT_STALE_PAGE] = "stale-page",
    [ROT_UNREADABLE] = "unreadable",
};

const char *damage_rot_name(uint32_t rot)
{
    CHECK(rot < ROTS);
    return rot_names[rot];
}

static struct survey survey; // its memory is kept

/*
 * One page becomes another, in bytes that say something: of most pages the greater part is
 * zeros behind the block's body, and nobody misses these.
 */
static void
draw_rot(struct random *random, const struct node *node, size_t used, struct harm *harm)
{
    uint64_t pages = (used + BLOCK_PAGE_BYTES - 1) / BLOCK_PAGE_BYTES;
    uint64_t index = random_below(random, pages);
    uint64_t rest = used - index * BLOCK_PAGE_BYTES;
    size_t count = rest < BLOCK_PAGE_BYTES ? (size_t)rest : BLOCK_PAGE_BYTES;
    uint8_t before[BLOCK_PAGE_BYTES];
    harm->offset += index * BLOCK_PAGE_BYTES;
    CHECK(read_page(node, harm->segment, harm->offset, before));
    memcpy(harm->page, before, sizeof before);
    harm->rot = (uint32_t)random_below(random, ROTS);
    uint64_t other = random_below(random, survey.count);
    uint64_t sector =
        random_below(random, (count + SIM_DISK_SECTOR_BYTES - 1) / SIM_DISK_SECTOR_BYTES);
    if (harm->rot == ROT_MISDIRECTED) {
        const struct place *from = &survey.places[other];
        CHECK(read_page(node, from->segment, from->offset, harm->page));
    } else if (harm->rot == ROT_STALE_SECTOR) {
        memset(harm->page + sector * SIM_DISK_SECTOR_BYTES, 0, SIM_DISK_SECTOR_BYTES);
    } else if (harm->rot == ROT_STALE_PAGE) {
        memset(harm->page, 0, sizeof harm->page);
    }
    bool is_changed =
        harm->rot == ROT_UNREADABLE || memcmp(harm->page, before, count) != 0;
    if (!is_changed) { // or it was a flip, or was so before
        harm->rot = ROT_FLIP;
        memcpy(harm->page, before, sizeof before);
        flip_bit(random, harm->page, count);
    }
}

void damage_log(struct world *world, struct node *node, const struct harm *harm)
{
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, harm->segment);
    TRACE(world, node, "rot in %s at %llu: %s; slots %llu to %llu", name,
          (unsigned long long)harm->offset, rot_names[harm->rot],
          (unsigned long long)harm->first, (unsigned long long)harm->last);
    bool is_done = harm->rot == ROT_UNREADABLE
                       ? sim_disk_make_unreadable(node->disk, name, harm->offset)
                       : sim_disk_overwrite(node->disk, name, harm->offset, harm->page,
                                            sizeof harm->page);
    CHECK(is_done);
    world->stats->rots[harm->rot]++;
}

/*
 * Lost with a block are the entries in it, and, as nobody can say whether it replaced a
 * suffix, all that was not decided before it, up to the length after it.
 */
bool damage_choose(struct world *world, struct node *node, struct harm *out_harm)
{
    survey_log(&survey, node);
    if (survey.count < 2) {
        return false;
    }
    // Near the end it costs what is not decided: then the log is faulty (P5).
    bool is_late = random_permille(&world->fault_random, 500);
    uint64_t count = survey.count - 1;
    uint64_t late = count < LATE_PLACES ? count : LATE_PLACES;
    uint64_t back = random_below(&world->fault_random, is_late ? late : count);
    uint64_t index = count - 1 - back;
    const struct place *place = &survey.places[index];
    *out_harm = (struct harm){.segment = place->segment,
                              .offset = place->offset,
                              .first = place->decided + 1,
                              .last = place->length}; // 0 of a segment's header
    if (place->first_slot != 0) {
        cs_slot first = out_harm->first;
        out_harm->first = place->first_slot < first ? place->first_slot : first;
        cs_slot last = out_harm->last;
        out_harm->last = place->last_slot > last ? place->last_slot : last;
    }
    draw_rot(&world->fault_random, node, place->used, out_harm);
    return true;
}

static const char *const copy_rot_names[COPY_ROTS] = {
    [COPY_ROT_FLIP] = "copy-flip",
    [COPY_ROT_ZEROS] = "copy-zeros",
    [COPY_ROT_OLDER] = "copy-older",
};

const char *damage_copy_rot_name(uint32_t rot)
{
    CHECK(rot < COPY_ROTS);
    return copy_rot_names[rot];
}

bool damage_has_whole_superblock(const struct node *node)
{
    uint8_t copies[SUPERBLOCK_FILE_BYTES];
    bool is_whole =
        sim_disk_read_media(node->disk, SUPERBLOCK_NAME, 0, copies, sizeof copies);
    for (size_t i = 1; is_whole && i < SUPERBLOCK_COPIES; i++) {
        is_whole = memcmp(copies, copies + i * SUPERBLOCK_COPY_BYTES,
                          SUPERBLOCK_COPY_BYTES) == 0;
    }
    return is_whole;
}

/* Of all versions: magic, version at byte 8, digest of all behind byte 32 at byte 16. */
static bool is_sound_copy(const uint8_t *copy)
{
    enum { VERSION_AT = 8, DIGEST_AT = 16, DIGESTED_FROM = 32 };
    struct cs_digest digest =
        digest_128(copy + DIGESTED_FROM, SUPERBLOCK_COPY_BYTES - DIGESTED_FROM,
                   load_u32(copy + VERSION_AT));
    const uint8_t *at = copy + DIGEST_AT;
    return field_same_digest(digest, field_take_digest(&at));
}

bool damage_has_superblock_pair(const struct node *node)
{
    uint8_t copies[SUPERBLOCK_COPIES][SUPERBLOCK_COPY_BYTES];
    bool is_there =
        sim_disk_read_media(node->disk, SUPERBLOCK_NAME, 0, copies, sizeof copies);
    bool is_pair = false;
    for (size_t i = 0; is_there && i < SUPERBLOCK_COPIES; i++) {
        for (size_t j = 0; j < i; j++) {
            is_pair = is_pair || (memcmp(copies[i], copies[j], sizeof copies[i]) == 0 &&
                                  is_sound_copy(copies[i]));
        }
    }
    return is_pair;
}

void damage_note_superblock(struct node *node)
{
    node->has_old_copy = sim_disk_read_media(node->disk, SUPERBLOCK_NAME, 0,
                                             node->old_copy, sizeof node->old_copy);
}

bool damage_superblock(struct world *world, struct node *node)
{
    struct random *random = &world->fault_random;
    uint8_t copy[SUPERBLOCK_COPY_BYTES];
    uint64_t at = random_below(random, SUPERBLOCK_COPIES) * SUPERBLOCK_COPY_BYTES;
    if (!damage_has_whole_superblock(node)) {
        return false;
    }
    CHECK(sim_disk_read_media(node->disk, SUPERBLOCK_NAME, at, copy, sizeof copy));
    enum copy_rot rot = (enum copy_rot)random_below(random, COPY_ROTS);
    bool is_older = node->has_old_copy && memcmp(copy, node->old_copy, sizeof copy) != 0;
    rot = rot == COPY_ROT_OLDER && !is_older ? COPY_ROT_FLIP : rot;
    if (rot == COPY_ROT_FLIP) {
        flip_bit(random, copy, sizeof copy);
    } else if (rot == COPY_ROT_OLDER) {
        memcpy(copy, node->old_copy, sizeof copy); // a write that was never done
    } else {
        memset(copy, 0, sizeof copy);
    }
    TRACE(world, node, "rot in its superblock at %llu: %s", (unsigned long long)at,
          copy_rot_names[rot]);
    world->stats->copy_rots[rot]++;
    return sim_disk_overwrite(node->disk, SUPERBLOCK_NAME, at, copy, sizeof copy);
}
