#include "port/calls.h"

#include "base/check.h"
#include "base/mutant.h"

#include <stdlib.h>

enum { KEPT_BYTES_MAX = 4096 }; // of a call's buffer: most answers are short

// Bit 63 of a name is the port's own (PORT_CLIENT).
#define GENERATION_MASK (MUTANT_IS(290) ? UINT32_MAX : (uint32_t)INT32_MAX)

void calls_init(struct calls *calls)
{
    *calls = (struct calls){.table = calloc(CALLS_MAX, sizeof *calls->table)};
    CHECK(calls->table != NULL);
}

void calls_fini(struct calls *calls)
{
    for (uint32_t i = 0; i < calls->used; i++) {
        struct call *call = &calls->table[i];
        buffer_fini(&call->bytes);
        if (call->parts != &call->one) {
            free(call->parts);
        }
    }
    free(calls->table);
    *calls = (struct calls){0};
}

static struct call *take_free(struct calls *calls)
{
    struct call *call = calls->free_first;
    if (call != NULL) {
        calls->free_first = call->free_next;
        return call;
    }
    if (calls->used == CALLS_MAX) {
        return NULL;
    }
    call = &calls->table[calls->used];
    call->index = calls->used++;
    call->parts = &call->one;
    return call;
}

struct call *calls_begin(struct calls *calls, struct client *client, uint32_t part_count)
{
    CHECK(part_count > 0);
    struct call *call = take_free(calls);
    if (call == NULL) {
        return NULL;
    }
    call->client = client;
    call->part_count = call->open_count = part_count;
    if (part_count > 1) {
        call->parts = calloc(part_count, sizeof *call->parts);
        CHECK(call->parts != NULL);
    }
    call->bytes.bytes = 0;
    return call;
}

void calls_end(struct calls *calls, struct call *call)
{
    if (call->parts != &call->one) {
        free(call->parts);
        call->parts = &call->one;
    }
    if (call->bytes.capacity_bytes > KEPT_BYTES_MAX) {
        buffer_fini(&call->bytes);
    }
    call->client = NULL;
    call->generation = (call->generation + 1) & GENERATION_MASK;
    call->free_next = calls->free_first;
    calls->free_first = call;
}

uint64_t calls_name(const struct call *call)
{
    return (uint64_t)call->generation << 32 | call->index;
}

struct call *calls_find(const struct calls *calls, uint64_t name)
{
    uint32_t index = (uint32_t)name;
    CHECK(index < calls->used);
    struct call *call = &calls->table[index];
    return call->client != NULL && call->generation == name >> 32 ? call : NULL;
}
