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

static struct paxos_entry *entry_at(const struct tail *tail, cs_slot slot)
{
    return &tail->entries[slot % tail->capacity];
}

void tail_cut(struct tail *tail, cs_slot length)
{
    if (length < tail->base) {
        tail->base = length;
        tail->is_lost = length > 0;
        tail->base_chain = (struct paxos_digest){0};
    }
    if (length < tail->length) {
        tail->length = length;
    }
}

void tail_append(struct tail *tail, const struct paxos_entry *entry)
{
    CHECK(entry->slot == tail->length + 1);
    if (tail->is_lost) {
        tail->is_lost = false;
        tail->base = entry->slot;
        tail->base_chain = entry->chain;
        tail->length = entry->slot;
        return;
    }
    if (tail->length - tail->base == tail->capacity) {
        tail->base++;
        tail->base_chain = entry_at(tail, tail->base)->chain;
    }
    *entry_at(tail, entry->slot) = *entry;
    tail->length = entry->slot;
}

bool tail_choose_base(const struct tail *tail,
                      const struct tail_wish *wish,
                      cs_slot *out_base,
                      struct paxos_digest *out_chain)
{
    // The core asks for base < decided, or 0.
    cs_slot base = wish->decided == 0 ? 0 : wish->decided - 1;
    if (tail->is_lost || base < tail->base || tail->length - base > wish->entries_max) {
        return false;
    }
    uint64_t bytes = 0;
    while (base > tail->base && tail->length - base < wish->entries_wanted) {
        bytes += entry_at(tail, base)->payload_bytes;
        if (bytes > wish->decided_bytes_max) {
            break;
        }
        base--;
    }
    *out_base = base;
    *out_chain = base == tail->base ? tail->base_chain : entry_at(tail, base)->chain;
    return true;
}

struct paxos_entry *tail_copy(const struct tail *tail, cs_slot base)
{
    size_t count = (size_t)(tail->length - base);
    if (count == 0) {
        return NULL;
    }
    struct paxos_entry *copy = calloc(count, sizeof *copy);
    CHECK(copy != NULL);
    for (size_t i = 0; i < count; i++) {
        copy[i] = *entry_at(tail, base + 1 + i);
    }
    return copy;
}
