#include "sim/events.h"

#include "base/check.h"

#include <stdlib.h>

void events_clear(struct sim_events *events)
{
    events->count = 0;
    events->last_sequence = 0;
}

void events_fini(struct sim_events *events)
{
    free(events->heap);
    *events = (struct sim_events){0};
}

static bool is_before(const struct sim_event *left, const struct sim_event *right)
{
    if (left->time_us != right->time_us) {
        return left->time_us < right->time_us;
    }
    return left->sequence < right->sequence;
}

void events_plan(struct sim_events *events,
                 uint64_t time_us,
                 enum sim_event_kind kind,
                 uint32_t node,
                 uint64_t argument)
{
    if (events->count == events->capacity) {
        events->capacity = events->capacity * 2 + 256;
        events->heap = realloc(events->heap, events->capacity * sizeof *events->heap);
        CHECK(events->heap != NULL);
    }
    struct sim_event event = {.time_us = time_us,
                              .sequence = ++events->last_sequence,
                              .kind = (uint32_t)kind,
                              .node = node,
                              .argument = argument};
    size_t at = events->count++;
    while (at > 0 && is_before(&event, &events->heap[(at - 1) / 2])) {
        events->heap[at] = events->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    events->heap[at] = event;
}

/* Puts `event` where the root was. */
static void sink(struct sim_events *events, const struct sim_event *event)
{
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= events->count) {
            break;
        }
        if (child + 1 < events->count &&
            is_before(&events->heap[child + 1], &events->heap[child])) {
            child++;
        }
        if (!is_before(&events->heap[child], event)) {
            break;
        }
        events->heap[at] = events->heap[child];
        at = child;
    }
    events->heap[at] = *event;
}

bool events_take(struct sim_events *events, struct sim_event *out_event)
{
    if (events->count == 0) {
        return false;
    }
    *out_event = events->heap[0];
    events->count--;
    if (events->count > 0) {
        struct sim_event last = events->heap[events->count];
        sink(events, &last);
    }
    return true;
}
