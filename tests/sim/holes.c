#include "sim/holes.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static void make_room(struct holes *holes, cs_slot slot)
{
    if (slot < holes->capacity) {
        return;
    }
    size_t capacity = (size_t)slot * 2 + 256;
    holes->slots = realloc(holes->slots, capacity);
    CHECK(holes->slots != NULL);
    memset(holes->slots + holes->capacity, HOLE_NONE, capacity - holes->capacity);
    holes->capacity = capacity;
}

void holes_mark(struct holes *holes, cs_slot first, cs_slot last, enum hole hole)
{
    make_room(holes, last);
    for (cs_slot slot = first; slot <= last; slot++) {
        // What is known to be lost stays so, whatever happens to its bytes.
        if (hole > holes->slots[slot]) {
            holes->slots[slot] = (uint8_t)hole;
        }
    }
    holes->last = last > holes->last ? last : holes->last;
}

void holes_fill(struct holes *holes, cs_slot first, cs_slot count)
{
    for (cs_slot slot = first; slot < first + count && slot <= holes->last; slot++) {
        holes->slots[slot] = HOLE_NONE;
    }
}

void holes_clear(struct holes *holes)
{
    if (holes->last > 0) {
        memset(holes->slots, HOLE_NONE, (size_t)holes->last + 1);
    }
    holes->last = 0;
    holes->doubtful_from = 0;
}

void holes_copy(struct holes *to, const struct holes *from)
{
    holes_clear(to);
    if (from->last > 0) {
        make_room(to, from->last);
        memcpy(to->slots, from->slots, (size_t)from->last + 1);
    }
    to->last = from->last;
    to->doubtful_from = from->doubtful_from;
}

void holes_fini(struct holes *holes)
{
    free(holes->slots);
    *holes = (struct holes){0};
}

enum hole holes_at(const struct holes *holes, cs_slot slot)
{
    return slot <= holes->last ? (enum hole)holes->slots[slot] : HOLE_NONE;
}

bool holes_can_serve(const struct holes *holes, cs_slot slot)
{
    bool is_doubtful = holes->doubtful_from != 0 && slot >= holes->doubtful_from;
    return !is_doubtful && holes_at(holes, slot) == HOLE_NONE;
}
