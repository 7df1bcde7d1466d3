#include "wal/extents.h"

#include "base/check.h"
#include "base/mutant.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 16 };

/* Forgets slots from `first` on. */
static void cut(struct extents *extents, cs_slot first)
{
    while (extents->count > 0 && extents->items[extents->count - 1].first >= first) {
        extents->count--;
        extents->is_open = false;
    }
    if (extents->count > 0 && extents->items[extents->count - 1].last >= first) {
        extents->items[extents->count - 1].last = first - 1;
        extents->is_open = false;
    }
}

static struct extent *add(struct extents *extents)
{
    if (extents->count == extents->capacity) {
        extents->capacity =
            extents->capacity == 0 ? FIRST_CAPACITY : 2 * extents->capacity;
        struct extent *items =
            realloc(extents->items, extents->capacity * sizeof *extents->items);
        CHECK(items != NULL);
        extents->items = items;
    }
    return &extents->items[extents->count++];
}

/* A run grows while its reader would meet the new slots next. */
static bool
grows(const struct extents *extents, cs_slot first, const struct extent_place *place)
{
    if (!extents->is_open || extents->count == 0) {
        return false;
    }
    const struct extent *last = &extents->items[extents->count - 1];
    return last->last + 1 == first && last->place.segment == place->segment &&
           place->offset_bytes - last->place.offset_bytes < EXTENT_SPAN_BYTES;
}

void extents_put(struct extents *extents,
                 cs_slot first,
                 uint32_t count,
                 const struct extent_place *place)
{
    CHECK(first > 0);
    if (MUTANT_IS(46) && extents->count > 0 &&
        first <= extents->items[extents->count - 1].last) {
        return;
    }
    cut(extents, first);
    CHECK(first ==
          (extents->count == 0 ? 1 : extents->items[extents->count - 1].last + 1));
    if (count == 0) {
        return;
    }
    if (grows(extents, first, place)) {
        extents->items[extents->count - 1].last = first + count - 1;
        return;
    }
    *add(extents) =
        (struct extent){.first = first, .last = first + count - 1, .place = *place};
    extents->is_open = true;
}

const struct extent *extents_find(const struct extents *extents, cs_slot slot)
{
    size_t low = 0;
    size_t high = extents->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (extents->items[middle].last < slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < extents->count && extents->items[low].first <= slot;
    return is_found ? &extents->items[low] : NULL;
}

void extents_fini(struct extents *extents)
{
    free(extents->items);
    *extents = (struct extents){0};
}
