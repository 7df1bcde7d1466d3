/*
 * damage.c - rot: bytes at rest on a disk are no longer those that were written. A bit is
 * flipped; a place holds what was meant for another one (a misdirected write); a place is
 * as it was before (a stale sector: a write that was confirmed and never done).
 *
 * The last block of a log is left alone: without anything after it, it cannot be told from
 * a torn one (PAXOS 4.2), which is why it is sealed within milliseconds.
 */
#include "sim/world.h"

#include "wal/block.h"
#include "wal/segment.h"
#include "wal/superblock.h"

#include "base/check.h"

#include <stdlib.h>

enum { PLACES_MAX = 4096, BLOCK_PAGE_BYTES = BLOCK_ALIGN_BYTES };

struct place {
    uint64_t segment;
    uint64_t offset;
    size_t bytes;
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

/* What of a sound block follows its first page; false: it is not all there. */
static bool is_block(struct survey *survey,
                     const struct node *node,
                     const struct place *place,
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
    return sim_disk_read_media(node->disk, name, place->offset, survey->block,
                               place->bytes) &&
           block_unpack(view_of(survey->block, place->bytes), seed, &header);
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
    struct place place = {.segment = number, .bytes = SEGMENT_HEADER_BYTES};
    add_place(survey, &place);
    place.offset = SEGMENT_HEADER_BYTES;
    while (read_page(node, number, place.offset, page)) {
        bool is_sound =
            block_peek(page, &place.bytes) && is_block(survey, node, &place, seed);
        place.bytes = is_sound ? place.bytes : BLOCK_PAGE_BYTES;
        if (is_sound) {
            add_place(survey, &place);
        }
        place.offset += place.bytes;
    }
}

static void survey_log(struct survey *survey, const struct node *node)
{
    uint8_t page[BLOCK_PAGE_BYTES];
    survey->count = 0;
    for (uint64_t number = 1; read_page(node, number, 0, page); number++) {
        survey_segment(survey, node, number);
    }
}

static void flip_bit(struct random *random, uint8_t *bytes, size_t count)
{
    uint64_t bit = random_below(random, count * 8);
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

enum rot { ROT_FLIP = 0, ROT_MISDIRECTED, ROT_STALE_SECTOR, ROT_STALE_PAGE, ROTS };

/* One page of a block, at `at`, becomes another. */
static void rot_page(struct world *world,
                     struct node *node,
                     const struct survey *survey,
                     const struct place *target)
{
    static const char *const names[] = {"flip", "misdirected", "stale sector",
                                        "stale page"};
    struct random *random = &world->fault_random;
    uint64_t pages = target->bytes / BLOCK_PAGE_BYTES;
    uint64_t at = target->offset + random_below(random, pages) * BLOCK_PAGE_BYTES;
    uint8_t page[BLOCK_PAGE_BYTES];
    CHECK(read_page(node, target->segment, at, page));
    enum rot rot = (enum rot)random_below(random, ROTS);
    uint64_t other = random_below(random, survey->count);
    uint64_t sector = random_below(random, BLOCK_PAGE_BYTES / SIM_DISK_SECTOR_BYTES);
    if (rot == ROT_FLIP) {
        flip_bit(random, page, sizeof page);
    } else if (rot == ROT_MISDIRECTED) {
        const struct place *from = &survey->places[other];
        CHECK(read_page(node, from->segment, from->offset, page));
    } else if (rot == ROT_STALE_SECTOR) {
        memset(page + sector * SIM_DISK_SECTOR_BYTES, 0, SIM_DISK_SECTOR_BYTES);
    } else {
        memset(page, 0, sizeof page);
    }
    char name[FILES_NAME_BYTES];
    segment_name(name, SEGMENT_LOG, target->segment);
    TRACE(world, node, "rot in %s at %llu: %s", name, (unsigned long long)at, names[rot]);
    CHECK(sim_disk_overwrite(node->disk, name, at, page, sizeof page));
}

bool damage_log(struct world *world, struct node *node)
{
    static struct survey survey; // its memory is kept
    survey_log(&survey, node);
    if (survey.count < 2) {
        return false;
    }
    uint64_t index = random_below(&world->fault_random, survey.count - 1);
    rot_page(world, node, &survey, &survey.places[index]);
    world->stats->damaged_blocks++;
    return true;
}

bool damage_superblock(struct world *world, struct node *node)
{
    struct random *random = &world->fault_random;
    uint8_t copy[SUPERBLOCK_COPY_BYTES];
    uint64_t at = random_below(random, SUPERBLOCK_COPIES) * SUPERBLOCK_COPY_BYTES;
    if (!sim_disk_read_media(node->disk, SUPERBLOCK_NAME, at, copy, sizeof copy)) {
        return false;
    }
    if (random_permille(random, 500)) {
        flip_bit(random, copy, sizeof copy);
    } else {
        memset(copy, 0, sizeof copy);
    }
    TRACE(world, node, "rot in its superblock at %llu", (unsigned long long)at);
    world->stats->damaged_copies++;
    return sim_disk_overwrite(node->disk, SUPERBLOCK_NAME, at, copy, sizeof copy);
}
