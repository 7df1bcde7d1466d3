#include "lincheck/sample.h"

#include "base/check.h"
#include "unit/support/draw.h"

#include <stdlib.h>
#include <string.h>

enum { IDLE, INVOKED, ACTED }; // phases of a client
enum { SPARE_OPERATIONS = 16 };

struct sample *sample_new(void)
{
    struct sample *sample = calloc(1, sizeof *sample);
    CHECK(sample != NULL);
    return sample;
}

void sample_destroy(struct sample **sample)
{
    free((*sample)->operations);
    free(*sample);
    *sample = NULL;
}

struct lincheck_operation *sample_append(struct sample *sample)
{
    CHECK(sample->count < sample->capacity);
    struct lincheck_operation *operation = &sample->operations[sample->count++];
    *operation = (struct lincheck_operation){.id = sample->count, .value = sample->count};
    return operation;
}

/*
 * ---- a correct store
 * ---------------------------------------------------------------------
 */

static bool condition_holds(const struct sample_item *item,
                            const struct lincheck_operation *operation)
{
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_ALWAYS:
        return true;
    case LINCHECK_IF_ABSENT:
        return !item->is_present;
    case LINCHECK_IF_EXISTS:
        return item->is_present;
    case LINCHECK_IF_REVISION:
        return item->is_present && item->revision == operation->condition_revision;
    }
    return false;
}

void sample_apply(struct sample *sample, struct lincheck_operation *operation)
{
    struct sample_item *item = &sample->items[operation->key];
    if (!condition_holds(item, operation)) {
        operation->outcome = LINCHECK_REFUSED;
    } else if (operation->kind == LINCHECK_PUT) {
        operation->outcome = item->is_present ? LINCHECK_UPDATED : LINCHECK_CREATED;
        item->version = item->is_present ? item->version + 1 : 1;
        item->is_present = true;
        item->value = operation->value;
        item->revision = ++sample->revision;
    } else if (!item->is_present) {
        operation->outcome = LINCHECK_ABSENT;
    } else if (operation->kind == LINCHECK_DELETE) {
        operation->outcome = LINCHECK_DELETED;
        item->is_present = false;
        item->revision = ++sample->revision;
    } else {
        operation->outcome = LINCHECK_FOUND;
        operation->value = item->value;
    }
    operation->seen = sample->revision;
    operation->version = item->version;
    operation->revision =
        item->is_present || operation->outcome == LINCHECK_DELETED ? item->revision : 0;
}

/*
 * ---- its clients
 * -------------------------------------------------------------------------
 */

static void draw_operation(struct sample *sample,
                           const struct sample_shape *shape,
                           struct lincheck_operation *out)
{
    static const uint32_t kinds[10] = {
        LINCHECK_GET, LINCHECK_GET, LINCHECK_GET, LINCHECK_GET, LINCHECK_PUT,
        LINCHECK_PUT, LINCHECK_PUT, LINCHECK_PUT, LINCHECK_PUT, LINCHECK_DELETE};
    uint64_t *seed = &sample->seed;
    out->kind = kinds[draw_below(seed, 10)];
    out->key = draw_below(seed, shape->keys);
    bool has_condition = out->kind == LINCHECK_PUT      ? draw_below(seed, 2) == 0
                         : out->kind == LINCHECK_DELETE ? draw_below(seed, 4) == 0
                                                        : false;
    if (has_condition) {
        out->condition = draw_below(seed, 4);
        out->condition_revision = sample->items[out->key].revision;
        if (draw_below(seed, 6) == 0) {
            out->condition_revision =
                1 + draw_below(seed, (uint32_t)sample->revision + 1);
        }
    }
}

static void lose(struct sample *sample, uint32_t index)
{
    sample->operations[index].outcome = LINCHECK_UNKNOWN;
    uint32_t at = sample->late_count;
    if (at == SAMPLE_LATE_MAX) {
        at = draw_below(&sample->seed, SAMPLE_LATE_MAX); // that one never acts
    } else {
        sample->late_count++;
    }
    sample->late[at] = index;
}

/* A write whose answer was lost takes effect now: nobody is told. */
static void act_late(struct sample *sample)
{
    if (sample->late_count == 0 || draw_below(&sample->seed, 30) != 0) {
        return;
    }
    uint32_t at = draw_below(&sample->seed, sample->late_count);
    struct lincheck_operation unseen = sample->operations[sample->late[at]];
    sample->late[at] = sample->late[--sample->late_count];
    sample_apply(sample, &unseen);
}

static void act(struct sample *sample, const struct sample_shape *shape, uint32_t index)
{
    struct lincheck_operation *operation = &sample->operations[index];
    bool is_lost = operation->kind != LINCHECK_GET &&
                   draw_below(&sample->seed, 1000) < shape->lost_permille;
    if (is_lost) {
        lose(sample, index);
    } else {
        sample_apply(sample, operation);
    }
}

static void
begin(struct sample *sample, const struct sample_shape *shape, uint32_t client)
{
    sample->current[client] = sample->count;
    struct lincheck_operation *operation = sample_append(sample);
    draw_operation(sample, shape, operation);
    operation->client = client;
    operation->invoked = sample->time;
}

static void turn(struct sample *sample, const struct sample_shape *shape)
{
    uint32_t client = draw_below(&sample->seed, shape->clients);
    struct lincheck_operation *current = &sample->operations[sample->current[client]];
    sample->time++;
    act_late(sample);
    if (sample->phase[client] == IDLE) {
        begin(sample, shape, client);
        sample->phase[client] = INVOKED;
    } else if (sample->phase[client] == INVOKED) {
        act(sample, shape, sample->current[client]);
        bool is_lost = current->outcome == LINCHECK_UNKNOWN;
        sample->phase[client] = is_lost ? IDLE : ACTED;
    } else {
        current->returned = sample->time;
        sample->phase[client] = IDLE;
    }
}

/* Who still waits at the end gets no answer; of reads without one nothing is known. */
static void abandon_open(struct sample *sample, const struct sample_shape *shape)
{
    for (uint32_t i = 0; i < shape->clients; i++) {
        if (sample->phase[i] != IDLE) {
            sample->operations[sample->current[i]].outcome = LINCHECK_UNKNOWN;
        }
    }
}

static void hide_versions(struct sample *sample)
{
    for (uint32_t i = 0; i < sample->count; i++) {
        sample->operations[i].version = LINCHECK_NOT_TOLD;
    }
}

void sample_make_good(struct sample *sample,
                      const struct sample_shape *shape,
                      uint64_t seed)
{
    CHECK(shape->clients <= SAMPLE_CLIENTS_MAX);
    CHECK(shape->keys <= SAMPLE_KEYS_MAX);
    if (sample->capacity < shape->operations + SPARE_OPERATIONS) {
        free(sample->operations);
        sample->capacity = shape->operations + SPARE_OPERATIONS;
        sample->operations = calloc(sample->capacity, sizeof *sample->operations);
        CHECK(sample->operations != NULL);
    }
    memset(sample->items, 0, shape->keys * sizeof sample->items[0]);
    memset(sample->phase, IDLE, sizeof sample->phase);
    sample->count = 0;
    sample->revision = 0;
    sample->time = 0;
    sample->late_count = 0;
    sample->seed = seed;
    while (sample->count < shape->operations) {
        turn(sample, shape);
    }
    abandon_open(sample, shape);
    if (!shape->tells_versions) {
        hide_versions(sample);
    }
}

struct sample_shape sample_draw_shape(uint64_t *seed)
{
    struct sample_shape shape = {.operations = 30 + draw_below(seed, 200)};
    shape.clients = 1 + draw_below(seed, 8);
    shape.keys = 1 + draw_below(seed, 4);
    shape.lost_permille = draw_below(seed, 3) * draw_below(seed, 150);
    shape.tells_versions = draw_below(seed, 2) == 0;
    return shape;
}
