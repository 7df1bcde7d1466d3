#include "lincheck/memory.h"

#include "base/check.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 1024 };

static struct memory_slot *make_slots(size_t count)
{
    struct memory_slot *slots = calloc(count, sizeof *slots);
    CHECK(slots != NULL);
    return slots;
}

void memory_init(struct memory *memory)
{
    memory->slots = make_slots(SLOTS_FIRST);
    memory->slot_count = SLOTS_FIRST;
    memory->taken_count = 0;
    memory->generation = 1;
}

void memory_fini(struct memory *memory)
{
    free(memory->slots);
    *memory = (struct memory){0};
}

void memory_clear(struct memory *memory)
{
    memory->generation++;
    memory->taken_count = 0;
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t bits)
{
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

struct memory_hash memory_name_of(uint64_t operation)
{
    struct memory_hash name = {
        .high = mix(operation * 2 + 0x9e3779b97f4a7c15u),
        .low = mix(operation * 2 + 1 + 0xd1b54a32d192ed03u),
    };
    return name;
}

struct memory_hash memory_mix(struct memory_hash set, const struct register_state *state)
{
    uint64_t bits = mix(state->value + 0x632be59bd9b4e019u);
    bits = mix(bits ^ state->revision);
    bits = mix(bits ^ (state->version * 2 + state->is_present));
    struct memory_hash hash = {.high = mix(set.high ^ bits), .low = mix(set.low + bits)};
    return hash;
}

/* The slot that holds the hash, or the free one where it belongs. */
static struct memory_slot *find(struct memory *memory, struct memory_hash hash)
{
    size_t at = (size_t)hash.low & (memory->slot_count - 1);
    while (memory->slots[at].generation == memory->generation &&
           (memory->slots[at].hash.low != hash.low ||
            memory->slots[at].hash.high != hash.high)) {
        at = (at + 1) & (memory->slot_count - 1);
    }
    return &memory->slots[at];
}

static void grow(struct memory *memory)
{
    struct memory_slot *old = memory->slots;
    size_t old_count = memory->slot_count;
    memory->slot_count *= 2;
    memory->slots = make_slots(memory->slot_count);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].generation == memory->generation) {
            *find(memory, old[i].hash) = old[i];
        }
    }
    free(old);
}

bool memory_add(struct memory *memory,
                struct memory_hash set,
                const struct register_state *state)
{
    struct memory_hash hash = memory_mix(set, state);
    struct memory_slot *slot = find(memory, hash);
    if (slot->generation == memory->generation) {
        return false;
    }
    slot->hash = hash;
    slot->generation = memory->generation;
    memory->taken_count++;
    if (memory->taken_count * 2 > memory->slot_count) {
        grow(memory);
    }
    return true;
}
