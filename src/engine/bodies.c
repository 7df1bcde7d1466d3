#include "engine/bodies.h"

#include "base/check.h"
#include "base/mutant.h"

#include <stdlib.h>

struct body {
    struct body *next;
    cs_slot slot;
    struct paxos_digest digest;
    size_t bytes;
    uint8_t data[];
};

static struct body *
find(const struct bodies *bodies, cs_slot slot, struct paxos_digest digest);
static void unlink_body(struct bodies *bodies, struct body *body);
static void prune(struct bodies *bodies, cs_slot slot, const struct paxos_digest *in_log);

static struct body **chain_of(const struct bodies *bodies, cs_slot slot)
{
    return &bodies->chains[slot & bodies->mask];
}

static bool is_same(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

void bodies_init(struct bodies *bodies, uint64_t capacity, cs_slot base)
{
    CHECK(capacity > 0);
    CHECK((capacity & (capacity - 1)) == 0);
    *bodies = (struct bodies){.mask = capacity - 1, .base = base};
    bodies->chains = calloc(capacity, sizeof(void *));
    CHECK(bodies->chains != NULL);
}

void bodies_fini(struct bodies *bodies)
{
    for (uint64_t i = 0; bodies->chains != NULL && i <= bodies->mask; i++) {
        while (bodies->chains[i] != NULL) {
            unlink_body(bodies, bodies->chains[i]);
        }
    }
    free(bodies->chains);
    *bodies = (struct bodies){0};
}

void bodies_put(struct bodies *bodies,
                const struct paxos_entry *entry,
                struct cs_view payload,
                const struct paxos_digest *in_log)
{
    if (entry->slot <= bodies->base) {
        return;
    }
    struct body *old = find(bodies, entry->slot, entry->digest);
    if (old != NULL) {
        unlink_body(bodies, old);
    }
    struct body *body = malloc(sizeof *body + payload.bytes);
    CHECK(body != NULL);
    body->slot = entry->slot;
    body->digest = entry->digest;
    body->bytes = payload.bytes;
    if (payload.bytes > 0) {
        memcpy(body->data, payload.data, payload.bytes);
    }
    struct body **chain = chain_of(bodies, entry->slot);
    body->next = *chain;
    *chain = body;
    bodies->bytes += body->bytes;
    bodies->count++;
    prune(bodies, entry->slot, in_log);
}

struct cs_view bodies_get(const struct bodies *bodies, const struct paxos_entry *entry)
{
    const struct body *body = find(bodies, entry->slot, entry->digest);
    CHECK(body != NULL);
    CHECK(body->bytes == entry->payload_bytes);
    return view_of(body->data, body->bytes);
}

bool bodies_has(const struct bodies *bodies, const struct paxos_entry *entry)
{
    return find(bodies, entry->slot, entry->digest) != NULL;
}

/* Slots <= base of one chain. */
static void drop_chain(struct bodies *bodies, cs_slot slot, cs_slot base)
{
    struct body *body = *chain_of(bodies, slot);
    while (body != NULL) {
        struct body *next = body->next;
        if (body->slot <= base) {
            unlink_body(bodies, body);
        }
        body = next;
    }
}

void bodies_drop(struct bodies *bodies, cs_slot base)
{
    // A base that leaps by more than the ring visits each chain once, not each slot.
    cs_slot first = bodies->base + 1;
    if (base > bodies->base && base - bodies->base > bodies->mask) {
        first = base - bodies->mask;
    }
    for (cs_slot slot = first; slot <= base; slot++) {
        drop_chain(bodies, slot, base);
    }
    if (base > bodies->base) {
        bodies->base = base;
    }
}

static struct body *
find(const struct bodies *bodies, cs_slot slot, struct paxos_digest digest)
{
    struct body *body = *chain_of(bodies, slot);
    while (body != NULL && (body->slot != slot || !is_same(body->digest, digest))) {
        body = body->next;
    }
    return body;
}

static void unlink_body(struct bodies *bodies, struct body *body)
{
    struct body **at = chain_of(bodies, body->slot);
    while (*at != body) {
        at = &(*at)->next;
    }
    *at = body->next;
    bodies->bytes -= body->bytes;
    bodies->count--;
    free(body);
}

/* Drops the least recently taken body of a slot that has too many, but not the log's. */
static void prune(struct bodies *bodies, cs_slot slot, const struct paxos_digest *in_log)
{
    uint32_t count = 0;
    struct body *last = NULL;
    for (struct body *body = *chain_of(bodies, slot); body != NULL; body = body->next) {
        if (body->slot != slot) {
            continue;
        }
        count++;
        if (in_log == NULL || !is_same(body->digest, *in_log) || MUTANT_IS(194)) {
            last = body;
        }
    }
    if (count > BODIES_PER_SLOT && last != NULL) {
        unlink_body(bodies, last);
    }
}
