#include "wal/extents.h"

#include "base/check.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

void extents_cut(struct extents *extents, cs_slot first)
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

void extents_end_run(struct extents *extents)
{
    extents->is_open = false;
}

/* Room for one more at index `at`. */
static struct extent *add(struct extents *extents, size_t at)
{
    if (extents->count == extents->capacity) {
        extents->capacity =
            extents->capacity == 0 ? FIRST_CAPACITY : 2 * extents->capacity;
        struct extent *items =
            realloc(extents->items, extents->capacity * sizeof *extents->items);
        CHECK(items != NULL);
        extents->items = items;
    }
    memmove(&extents->items[at + 1], &extents->items[at],
            (extents->count - at) * sizeof *extents->items);
    extents->count++;
    return &extents->items[at];
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
    extents_cut(extents, first);
    if (count == 0) {
        return;
    }
    if (grows(extents, first, place)) {
        extents->items[extents->count - 1].last = first + count - 1;
        return;
    }
    *add(extents, extents->count) = (struct extent){.first = first,
                                                    .last = first + count - 1,
                                                    .from = first,
                                                    .place = *place};
    extents->is_open = true;
}

/* Index of the first run that ends at the slot or after it. */
static size_t index_of(const struct extents *extents, cs_slot slot)
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
    return low;
}

const struct extent *extents_find(const struct extents *extents, cs_slot slot)
{
    size_t at = index_of(extents, slot);
    bool is_found = at < extents->count && extents->items[at].first <= slot;
    return is_found ? &extents->items[at] : NULL;
}

void extents_fill(struct extents *extents,
                  cs_slot first,
                  uint32_t count,
                  const struct extent_place *place)
{
    CHECK(first > 0);
    cs_slot end = first + count; // the slot after the last
    cs_slot slot = first;
    while (slot < end) {
        size_t at = index_of(extents, slot);
        cs_slot next = at < extents->count ? extents->items[at].first : end;
        next = next < end ? next : end;
        if (next > slot) {
            *add(extents, at) = (struct extent){.first = slot,
                                                .last = next - 1,
                                                .from = first,
                                                .place = *place};
            // Its reader would not meet what comes next.
            extents->is_open = extents->is_open && at + 1 < extents->count;
            slot = next;
        } else {
            slot = extents->items[at].last + 1;
        }
    }
}

cs_slot extents_lose(struct extents *extents, cs_slot slot)
{
    size_t at = index_of(extents, slot);
    CHECK(at < extents->count);
    struct extent *extent = &extents->items[at];
    CHECK(extent->first <= slot);
    cs_slot last = extent->last;
    extents->is_open = extents->is_open && at + 1 < extents->count;
    if (extent->first < slot) {
        extent->last = slot - 1;
        return last;
    }
    extents->count--;
    memmove(extent, extent + 1, (extents->count - at) * sizeof *extent);
    return last;
}

void extents_fini(struct extents *extents)
{
    free(extents->items);
    *extents = (struct extents){0};
}
