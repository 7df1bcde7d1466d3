#include "models/small_world.h"

#include "base/check.h"
#include "base/digest.h"
#include "paxos/core.h"

#include <string.h>

/* Letters by content, and the hash of a node without what its core never reads again. */

enum { LETTERS_MAX = 60 * 1000, PLACES = 128 * 1024 };

static struct letter letters[LETTERS_MAX];
static uint16_t places[PLACES]; // number + 1
static uint32_t letter_count;

uint16_t letters_keep(const struct letter *letter)
{
    uint64_t at = digest_64(letter, sizeof *letter, 0) % PLACES;
    while (places[at] != 0) {
        uint16_t number = (uint16_t)(places[at] - 1);
        if (memcmp(&letters[number], letter, sizeof *letter) == 0) {
            return number;
        }
        at = (at + 1) % PLACES;
    }
    CHECK(letter_count < LETTERS_MAX);
    letters[letter_count] = *letter;
    letter_count++;
    places[at] = (uint16_t)letter_count;
    return (uint16_t)(letter_count - 1);
}

const struct letter *letters_at(uint16_t number)
{
    return &letters[number];
}

uint32_t letters_count(void)
{
    return letter_count;
}

static void clear_marks(struct paxos_core *core)
{
    struct mark kept[MARKS_MAX] = {0};
    for (uint32_t i = 0; i < core->mark_count; i++) {
        kept[i] = core->marks[(core->mark_first + i) % MARKS_MAX];
    }
    memcpy(core->marks, kept, sizeof kept);
    core->mark_first = 0;
}

static void clear_ring(const struct paxos_core *core, struct slot_record *ring)
{
    uint8_t is_used[RING] = {0};
    for (cs_slot slot = core->log.base + 1; slot <= core->log.length; slot++) {
        is_used[slot & core->log.mask] = 1;
    }
    for (uint32_t i = 0; i < RING; i++) {
        if (is_used[i] == 0) {
            memset(&ring[i], 0, sizeof ring[i]);
        }
    }
}

static void clear_staging(struct paxos_core *core, struct paxos_entry *staged)
{
    uint32_t used = core->staging.is_active ? core->staging.count : 0;
    memset(&staged[used], 0, (RING - used) * sizeof staged[0]);
    if (!core->staging.is_active) {
        core->staging = (struct staging){.entries = core->staging.entries};
    }
}

struct paxos_digest hash_node(const struct small_node *node, uint32_t message_entries)
{
    static struct small_node copy;
    copy = *node;
    const struct paxos_core *real = (const void *)node->memory;
    struct paxos_core *core = (void *)copy.memory;
    size_t ring_at = (size_t)((const uint8_t *)real->log.ring - node->memory);
    size_t staged_at = (size_t)((const uint8_t *)real->staging.entries - node->memory);
    clear_marks(core);
    clear_ring(core, (void *)(copy.memory + ring_at));
    clear_staging(core, (void *)(copy.memory + staged_at));
    // Disk times are the same for all here; only their number differs.
    core->disk = (struct disk){0};
    memset(&core->scratch, 0, sizeof core->scratch);
    copy.hash = (struct paxos_digest){0};
    memset(&copy.records[copy.record_count], 0,
           (RECORDS_MAX - copy.record_count) * sizeof copy.records[0]);
    memset(&copy.waiting[copy.waiting_count], 0,
           (WAITING_MAX - copy.waiting_count) * sizeof copy.waiting[0]);
    struct cs_digest digest = digest_128(&copy, sizeof copy, message_entries);
    return (struct paxos_digest){.high = digest.high, .low = digest.low};
}
