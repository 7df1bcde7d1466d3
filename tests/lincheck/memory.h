/*
 * memory.h - the configurations a search has already visited (Lowe's improvement).
 *
 * A configuration is kept as 128 hashed bits; two that collide could only make a good
 * history look bad, never a bad one good.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_MEMORY_H
#define CONSENS_TESTS_LINCHECK_MEMORY_H

#include "lincheck/register.h"

struct memory_hash {
    uint64_t high;
    uint64_t low;
};

struct memory_slot {
    struct memory_hash hash;
    uint64_t generation; // of the memory when it was taken
};

struct memory {
    struct memory_slot *slots;
    size_t slot_count; // a power of two
    size_t taken_count;
    uint64_t generation;
};

void memory_init(struct memory *memory);
void memory_fini(struct memory *memory);
void memory_clear(struct memory *memory);

/*
 * A random-looking name of an operation; a set of them is the exclusive or of its
 * names.
 */
struct memory_hash memory_name_of(uint64_t operation);

/* A set in a state as one name. */
struct memory_hash memory_mix(struct memory_hash set, const struct register_state *state);

/* True iff (set, state) was not there before. */
bool memory_add(struct memory *memory,
                struct memory_hash set,
                const struct register_state *state);

#endif
