#include "wal/faults.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 8 };

/* Index of the first run that ends at the slot or after it. */
static size_t index_of(const struct faults *faults, cs_slot slot)
{
    size_t at = 0;
    while (at < faults->count && faults->items[at].last < slot) {
        at++;
    }
    return at;
}

static void insert(struct faults *faults, size_t at, const struct wal_fault *fault)
{
    if (faults->count == faults->capacity) {
        faults->capacity = faults->capacity == 0 ? FIRST_CAPACITY : 2 * faults->capacity;
        struct wal_fault *items =
            realloc(faults->items, faults->capacity * sizeof *faults->items);
        CHECK(items != NULL);
        faults->items = items;
    }
    memmove(&faults->items[at + 1], &faults->items[at],
            (faults->count - at) * sizeof *faults->items);
    faults->items[at] = *fault;
    faults->count++;
}

static void drop(struct faults *faults, size_t at)
{
    faults->count--;
    memmove(&faults->items[at], &faults->items[at + 1],
            (faults->count - at) * sizeof *faults->items);
}

/* A run and the one after it, where they touch, become one. */
static void join(struct faults *faults, size_t at)
{
    if (at + 1 >= faults->count ||
        faults->items[at].last + 1 < faults->items[at + 1].first) {
        return;
    }
    const struct wal_fault *next = &faults->items[at + 1];
    faults->items[at].last = next->last;
    faults->items[at].after_chain = next->after_chain;
    faults->items[at].knows_after = next->knows_after;
    drop(faults, at + 1);
}

void faults_add(struct faults *faults, const struct wal_fault *fault)
{
    CHECK(fault->first > 0);
    CHECK(fault->first <= fault->last);
    size_t at = index_of(faults, fault->first);
    CHECK(at == faults->count || faults->items[at].first > fault->last);
    insert(faults, at, fault);
    join(faults, at);
    if (at > 0) {
        join(faults, at - 1);
    }
}

void faults_cut(struct faults *faults, cs_slot first)
{
    size_t at = index_of(faults, first);
    if (at < faults->count && faults->items[at].first < first) {
        faults->items[at].last = first - 1;
        faults->items[at].knows_after = false;
        at++;
    }
    faults->count = at;
}

void faults_fill(struct faults *faults,
                 cs_slot first,
                 cs_slot last,
                 struct paxos_digest last_chain)
{
    size_t at = index_of(faults, first);
    while (at < faults->count && faults->items[at].first <= last) {
        struct wal_fault whole = faults->items[at];
        drop(faults, at);
        if (whole.first < first) {
            struct wal_fault left = whole;
            left.last = first - 1;
            left.knows_after = false;
            insert(faults, at++, &left);
        }
        if (whole.last > last) {
            struct wal_fault right = whole;
            right.first = last + 1;
            right.before_chain = last_chain;
            insert(faults, at++, &right);
        }
    }
}

const struct wal_fault *faults_find(const struct faults *faults, cs_slot slot)
{
    size_t at = index_of(faults, slot);
    bool is_found = at < faults->count && faults->items[at].first <= slot;
    return is_found ? &faults->items[at] : NULL;
}

void faults_fini(struct faults *faults)
{
    free(faults->items);
    *faults = (struct faults){0};
}
