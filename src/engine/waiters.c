#include "engine/waiters.h"

#include "base/check.h"

#include <stdlib.h>

static uint32_t index_of(const struct waiters *waiters, const struct waiter *waiter)
{
    return (uint32_t)(waiter - waiters->table);
}

static struct waiter **chain_of(const struct waiters *waiters, uint64_t id)
{
    return &waiters->chains[id & waiters->mask];
}

void waiters_init(struct waiters *waiters, uint32_t capacity)
{
    CHECK(capacity > 0);
    *waiters = (struct waiters){.capacity = capacity, .mask = 1};
    while (waiters->mask < capacity) {
        waiters->mask *= 2;
    }
    // Large zeroed memory costs nothing until it is used: a replica is cheap to make.
    waiters->chains = calloc(waiters->mask, sizeof(struct waiter *));
    waiters->table = calloc(capacity, sizeof *waiters->table);
    CHECK(waiters->chains != NULL);
    CHECK(waiters->table != NULL);
    waiters->mask--;
    heap_init(&waiters->deadlines, capacity);
    heap_init(&waiters->revisions, capacity);
}

void waiters_fini(struct waiters *waiters)
{
    for (uint32_t i = 0; i < waiters->used; i++) {
        buffer_fini(&waiters->table[i].key);
    }
    heap_fini(&waiters->deadlines);
    heap_fini(&waiters->revisions);
    free(waiters->chains);
    free(waiters->table);
    *waiters = (struct waiters){0};
}

static struct waiter *take_free(struct waiters *waiters)
{
    struct waiter *waiter = waiters->free_first;
    if (waiter != NULL) {
        waiters->free_first = waiter->next;
    } else if (waiters->used < waiters->capacity) {
        waiter = &waiters->table[waiters->used];
        waiters->used++;
    }
    return waiter;
}

struct waiter *waiters_add(struct waiters *waiters, uint64_t deadline_ms)
{
    struct waiter *waiter = take_free(waiters);
    if (waiter == NULL) {
        return NULL;
    }
    waiters->last_id++;
    waiters->count++;
    *waiter = (struct waiter){.id = waiters->last_id};
    struct waiter **chain = chain_of(waiters, waiter->id);
    waiter->next = *chain;
    *chain = waiter;
    heap_add(&waiters->deadlines, index_of(waiters, waiter), deadline_ms);
    return waiter;
}

struct waiter *waiters_find(const struct waiters *waiters, uint64_t id)
{
    struct waiter *waiter = *chain_of(waiters, id);
    while (waiter != NULL && waiter->id != id) {
        waiter = waiter->next;
    }
    return waiter;
}

void waiters_remove(struct waiters *waiters, struct waiter *waiter)
{
    CHECK(waiter->item == NULL);
    CHECK(waiter->list_next == NULL);
    CHECK(waiter->list_previous == NULL);
    heap_remove(&waiters->deadlines, index_of(waiters, waiter));
    heap_remove(&waiters->revisions, index_of(waiters, waiter));
    struct waiter **at = chain_of(waiters, waiter->id);
    while (*at != waiter) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = waiter->next;
    buffer_fini(&waiter->key);
    waiters->held_bytes -= waiter->held_bytes;
    waiters->count--;
    *waiter = (struct waiter){.next = waiters->free_first};
    waiters->free_first = waiter;
}

void waiters_hold_bytes(struct waiters *waiters, struct waiter *waiter, uint32_t bytes)
{
    waiters->held_bytes -= waiter->held_bytes;
    waiter->held_bytes = bytes;
    waiters->held_bytes += bytes;
}

uint64_t waiters_next_deadline(const struct waiters *waiters)
{
    uint32_t member = 0;
    uint64_t deadline_ms = UINT64_MAX;
    (void)heap_first(&waiters->deadlines, &member, &deadline_ms);
    return deadline_ms;
}

struct waiter *waiters_first_due(const struct waiters *waiters, uint64_t now_ms)
{
    uint32_t member = 0;
    uint64_t deadline_ms = 0;
    bool is_due =
        heap_first(&waiters->deadlines, &member, &deadline_ms) && deadline_ms <= now_ms;
    return is_due ? &waiters->table[member] : NULL;
}

void waiters_await_revision(struct waiters *waiters, struct waiter *waiter)
{
    waiter->state = WAITER_REVISION;
    heap_add(&waiters->revisions, index_of(waiters, waiter), waiter->min_revision);
}

struct waiter *waiters_first_reached(const struct waiters *waiters, uint64_t revision)
{
    uint32_t member = 0;
    uint64_t wanted = 0;
    bool is_reached =
        heap_first(&waiters->revisions, &member, &wanted) && wanted <= revision;
    return is_reached ? &waiters->table[member] : NULL;
}

void waiter_list_push(struct waiter_list *list, struct waiter *waiter)
{
    CHECK(waiter->list_next == NULL);
    CHECK(waiter->list_previous == NULL);
    waiter->list_previous = list->last;
    if (list->last != NULL) {
        list->last->list_next = waiter;
    } else {
        list->first = waiter;
    }
    list->last = waiter;
}

void waiter_list_remove(struct waiter_list *list, struct waiter *waiter)
{
    if (waiter->list_previous != NULL) {
        waiter->list_previous->list_next = waiter->list_next;
    } else {
        CHECK(list->first == waiter);
        list->first = waiter->list_next;
    }
    if (waiter->list_next != NULL) {
        waiter->list_next->list_previous = waiter->list_previous;
    } else {
        CHECK(list->last == waiter);
        list->last = waiter->list_previous;
    }
    waiter->list_next = NULL;
    waiter->list_previous = NULL;
}

void waiter_list_splice(struct waiter_list *to, struct waiter_list *from)
{
    if (from->first == NULL) {
        return;
    }
    from->first->list_previous = to->last;
    if (to->last != NULL) {
        to->last->list_next = from->first;
    } else {
        to->first = from->first;
    }
    to->last = from->last;
    *from = (struct waiter_list){0};
}
