/*
 * heap.h - members of a fixed set ordered by a number: deadlines, revisions waited for.
 *
 * A binary heap over member indexes 0..capacity-1; each member is in it at most once.
 * All memory is taken at init. Members of equal number come out in an order that
 * depends on the calls only.
 *
 * Thread: any; a heap belongs to its caller.
 */
#ifndef CONSENS_ENGINE_HEAP_H
#define CONSENS_ENGINE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum { HEAP_NOT_IN = 0 }; // position 0 is unused, so that zeroed memory means "not in"

struct heap {
    uint32_t count;
    uint32_t capacity;
    uint32_t *members;   // by position 1..count
    uint32_t *positions; // by member; HEAP_NOT_IN or 1..count
    uint64_t *keys;      // by member
};

void heap_init(struct heap *heap, uint32_t capacity);
void heap_fini(struct heap *heap);
void heap_add(struct heap *heap, uint32_t member, uint64_t key);
/* No-op if it is not in. */
void heap_remove(struct heap *heap, uint32_t member);
/* False: empty. */
bool heap_first(const struct heap *heap, uint32_t *out_member, uint64_t *out_key);

#endif
