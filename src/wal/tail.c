#include "wal/tail.h"

#include "base/check.h"

#include <stdlib.h>

void tail_init(struct tail *tail, uint32_t capacity)
{
    CHECK(capacity > 0);
    *tail = (struct tail){.capacity = capacity};
    tail->entries = calloc(capacity, sizeof *tail->entries);
    CHECK(tail->entries != NULL);
}

void tail_fini(struct tail *tail)
{
    free(tail->entries);
    *tail = (struct tail){0};
}

static struct paxos_entry *nth(const struct tail *tail, uint32_t index)
{
    CHECK(tail->capacity > 0);
    return &tail->entries[(tail->start + index) % tail->capacity];
}

/* How many entries have slots below this one. */
static uint32_t count_below(const struct tail *tail, cs_slot slot)
{
    uint32_t low = 0;
    uint32_t high = tail->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (nth(tail, middle)->slot < slot) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct paxos_entry *find(const struct tail *tail, cs_slot slot)
{
    uint32_t at = count_below(tail, slot);
    bool is_there = at < tail->count && nth(tail, at)->slot == slot;
    return is_there ? nth(tail, at) : NULL;
}

void tail_cut(struct tail *tail, cs_slot length)
{
    if (length < tail->base) {
        tail->base = length;
        tail->is_lost = length > 0;
        tail->base_chain = (struct paxos_digest){0};
    }
    tail->count = count_below(tail, length + 1);
}

/* The oldest entry becomes the base. */
static void drop_first(struct tail *tail)
{
    tail->base = nth(tail, 0)->slot;
    tail->base_chain = nth(tail, 0)->chain;
    tail->start = (tail->start + 1) % tail->capacity;
    tail->count--;
}

void tail_append(struct tail *tail, const struct paxos_entry *entry)
{
    CHECK(entry->slot > tail->base);
    CHECK(tail->count == 0 || entry->slot > nth(tail, tail->count - 1)->slot);
    if (tail->is_lost) {
        tail->is_lost = false;
        tail->base = entry->slot;
        tail->base_chain = entry->chain;
        return;
    }
    if (tail->count == tail->capacity) {
        drop_first(tail);
    }
    *nth(tail, tail->count) = *entry;
    tail->count++;
}

void tail_fill(struct tail *tail, const struct paxos_entry *entry)
{
    if (tail->is_lost || entry->slot <= tail->base || find(tail, entry->slot) != NULL) {
        return;
    }
    uint32_t at = count_below(tail, entry->slot);
    if (tail->count == tail->capacity) {
        if (at == 0) {
            return; // older than all that is kept
        }
        drop_first(tail);
        at--;
    }
    for (uint32_t i = tail->count; i > at; i--) {
        *nth(tail, i) = *nth(tail, i - 1);
    }
    *nth(tail, at) = *entry;
    tail->count++;
}

bool tail_chain_of(const struct tail *tail, cs_slot slot, struct paxos_digest *out_chain)
{
    if (slot == tail->base) {
        *out_chain = tail->base_chain;
        return !tail->is_lost;
    }
    const struct paxos_entry *entry = find(tail, slot);
    if (entry != NULL) {
        *out_chain = entry->chain;
    }
    return entry != NULL;
}

bool tail_choose_base(const struct tail *tail,
                      const struct tail_wish *wish,
                      cs_slot *out_base,
                      struct paxos_digest *out_chain)
{
    // The core asks for base < decided, or 0.
    cs_slot base = wish->decided == 0 ? 0 : wish->decided - 1;
    uint32_t count = tail->count - count_below(tail, base + 1);
    bool is_in = wish->decided == 0 || find(tail, wish->decided) != NULL;
    if (base < tail->base || !is_in || !tail_chain_of(tail, base, out_chain) ||
        count > wish->entries_max) {
        return false;
    }
    uint64_t bytes = 0;
    struct paxos_digest chain = {0};
    while (base > tail->base && count < wish->entries_wanted) {
        const struct paxos_entry *entry = find(tail, base);
        bytes += entry == NULL ? 0 : entry->payload_bytes;
        if (entry == NULL || !tail_chain_of(tail, base - 1, &chain) ||
            bytes > wish->decided_bytes_max) {
            break;
        }
        base--;
        count++;
        *out_chain = chain;
    }
    *out_base = base;
    return true;
}

struct paxos_entry *tail_copy(const struct tail *tail, cs_slot base, uint32_t *out_count)
{
    uint32_t below = count_below(tail, base + 1);
    *out_count = tail->count - below;
    if (*out_count == 0) {
        return NULL;
    }
    struct paxos_entry *copy = calloc(*out_count, sizeof *copy);
    CHECK(copy != NULL);
    for (uint32_t i = 0; i < *out_count; i++) {
        copy[i] = *nth(tail, below + i);
    }
    return copy;
}
