#include "engine/heap.h"

#include "base/check.h"

#include <stdlib.h>

static void sift_up(struct heap *heap, uint32_t at);
static void sift_down(struct heap *heap, uint32_t at);

static uint64_t key_at(const struct heap *heap, uint32_t at)
{
    return heap->keys[heap->members[at]];
}

static void place(struct heap *heap, uint32_t at, uint32_t member)
{
    heap->members[at] = member;
    heap->positions[member] = at;
}

void heap_init(struct heap *heap, uint32_t capacity)
{
    CHECK(capacity > 0);
    heap->count = 0;
    heap->capacity = capacity;
    heap->members = calloc((size_t)capacity + 1, sizeof *heap->members);
    heap->positions = calloc(capacity, sizeof *heap->positions);
    heap->keys = calloc(capacity, sizeof *heap->keys);
    CHECK(heap->members != NULL);
    CHECK(heap->positions != NULL);
    CHECK(heap->keys != NULL);
}

void heap_fini(struct heap *heap)
{
    free(heap->members);
    free(heap->positions);
    free(heap->keys);
    *heap = (struct heap){0};
}

void heap_add(struct heap *heap, uint32_t member, uint64_t key)
{
    CHECK(member < heap->capacity);
    CHECK(heap->positions[member] == HEAP_NOT_IN);
    heap->keys[member] = key;
    heap->count++;
    place(heap, heap->count, member);
    sift_up(heap, heap->count);
}

void heap_remove(struct heap *heap, uint32_t member)
{
    CHECK(member < heap->capacity);
    uint32_t at = heap->positions[member];
    if (at == HEAP_NOT_IN) {
        return;
    }
    heap->positions[member] = HEAP_NOT_IN;
    uint32_t last = heap->members[heap->count];
    heap->count--;
    if (last != member) {
        place(heap, at, last);
        sift_up(heap, at);
        sift_down(heap, heap->positions[last]);
    }
}

bool heap_first(const struct heap *heap, uint32_t *out_member, uint64_t *out_key)
{
    if (heap->count == 0) {
        return false;
    }
    *out_member = heap->members[1];
    *out_key = key_at(heap, 1);
    return true;
}

static void sift_up(struct heap *heap, uint32_t at)
{
    uint32_t member = heap->members[at];
    uint64_t key = heap->keys[member];
    while (at > 1 && key_at(heap, at / 2) > key) {
        place(heap, at, heap->members[at / 2]);
        at /= 2;
    }
    place(heap, at, member);
}

static void sift_down(struct heap *heap, uint32_t at)
{
    uint32_t member = heap->members[at];
    uint64_t key = heap->keys[member];
    while (2 * at <= heap->count) {
        uint32_t child = 2 * at;
        if (child < heap->count && key_at(heap, child + 1) < key_at(heap, child)) {
            child++;
        }
        if (key_at(heap, child) >= key) {
            break;
        }
        place(heap, at, heap->members[child]);
        at = child;
    }
    place(heap, at, member);
}
