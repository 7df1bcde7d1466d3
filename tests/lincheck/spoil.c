#include "lincheck/sample.h"

#include "base/check.h"
#include "unit/support/draw.h"

enum { TRIES_MAX = 10000, FAR = 1000000 };

static const char *const NAMES[SAMPLE_SORTS] = {
    [SAMPLE_GOOD] = "good",
    [SAMPLE_STALE_READ] = "stale-read",
    [SAMPLE_LOST_UPDATE] = "lost-update",
    [SAMPLE_DIRTY_READ] = "dirty-read",
    [SAMPLE_DUPLICATE] = "duplicate",
    [SAMPLE_SPLIT_BRAIN] = "split-brain",
    [SAMPLE_RESURRECTED_DELETE] = "resurrected-delete",
    [SAMPLE_ZERO_VALUE] = "zero-value",
};

/* A write, a change of the same key after it, and a read after that: one after the other. */
struct triple {
    const struct lincheck_operation *write;
    const struct lincheck_operation *over;
    struct lincheck_operation *read;
};

const char *sample_sort_name(enum sample_sort sort)
{
    return NAMES[sort];
}

static bool is_put(const struct lincheck_operation *operation)
{
    return operation->outcome == LINCHECK_CREATED ||
           operation->outcome == LINCHECK_UPDATED;
}

static bool is_before(const struct lincheck_operation *left,
                      const struct lincheck_operation *right)
{
    return left->key == right->key && left->outcome != LINCHECK_UNKNOWN &&
           left->returned < right->invoked;
}

static void see(struct lincheck_operation *read, const struct lincheck_operation *write)
{
    read->outcome = LINCHECK_FOUND;
    read->value = write->value;
    read->revision = write->revision;
    read->version = write->version;
}

/* What a node answers that is behind: all of its state is old, or only this value. */
static void see_old(struct sample *sample, const struct triple *triple)
{
    see(triple->read, triple->write);
    if (draw_below(&sample->seed, 2) == 0) {
        triple->read->seen = triple->write->seen;
    }
}

static void swap_again(struct sample *sample, const struct triple *triple)
{
    struct lincheck_operation *swap = triple->read;
    swap->kind = LINCHECK_PUT;
    swap->condition = LINCHECK_IF_REVISION;
    swap->condition_revision = triple->write->revision;
    swap->outcome = LINCHECK_UPDATED;
    swap->value = swap->id;
    swap->revision = sample->revision + FAR;
    swap->seen = swap->revision;
    swap->version = triple->write->version == LINCHECK_NOT_TOLD
                        ? LINCHECK_NOT_TOLD
                        : triple->write->version + 1;
}

/* The value of a write that was refused, or of none. */
static void see_unwritten(struct sample *sample, const struct triple *triple)
{
    see(triple->read, triple->write);
    triple->read->value = FAR + triple->read->id;
    for (uint32_t i = 0; i < sample->count; i++) {
        const struct lincheck_operation *refused = &sample->operations[i];
        if (refused->outcome == LINCHECK_REFUSED && refused->kind == LINCHECK_PUT &&
            is_before(refused, triple->read)) {
            triple->read->value = refused->value;
        }
    }
    if (draw_below(&sample->seed, 2) == 0) {
        triple->read->revision = triple->read->seen;
    }
}

static bool
spoil_triple(struct sample *sample, enum sample_sort sort, const struct triple *triple)
{
    switch (sort) {
    case SAMPLE_STALE_READ:
        see_old(sample, triple);
        return is_put(triple->over);
    case SAMPLE_RESURRECTED_DELETE:
        see_old(sample, triple);
        return triple->over->outcome == LINCHECK_DELETED;
    case SAMPLE_DUPLICATE:
        see(triple->read, triple->write);
        triple->read->revision = sample->revision + FAR;
        triple->read->seen = triple->read->revision;
        return true;
    case SAMPLE_DIRTY_READ:
        see_unwritten(sample, triple);
        return true;
    case SAMPLE_ZERO_VALUE:
        see(triple->read, triple->write);
        triple->read->value = 0;
        return true;
    case SAMPLE_LOST_UPDATE:
        swap_again(sample, triple);
        return is_put(triple->over);
    case SAMPLE_SPLIT_BRAIN:
    case SAMPLE_GOOD:
    case SAMPLE_SORTS:
        return false;
    }
    return false;
}

static bool spoil_at(struct sample *sample, enum sample_sort sort, uint32_t at)
{
    struct triple triple = {.read = &sample->operations[at]};
    struct lincheck_operation original = *triple.read;
    if (triple.read->kind != LINCHECK_GET || triple.read->outcome == LINCHECK_UNKNOWN) {
        return false;
    }
    for (uint32_t i = 0; i < at; i++) {
        triple.write = &sample->operations[i];
        for (uint32_t j = i + 1; is_put(triple.write) && j < at; j++) {
            triple.over = &sample->operations[j];
            bool is_change =
                is_put(triple.over) || triple.over->outcome == LINCHECK_DELETED;
            if (is_change && is_before(triple.write, triple.over) &&
                is_before(triple.over, triple.read)) {
                if (spoil_triple(sample, sort, &triple)) {
                    return true;
                }
                *triple.read = original;
            }
        }
    }
    return false;
}

/* ---- two halves that each believe in their own write, read in turns ------------------ */

static struct lincheck_operation *
append_put(struct sample *sample, uint64_t invoked, uint64_t returned)
{
    struct lincheck_operation *put = sample_append(sample);
    put->kind = LINCHECK_PUT;
    put->invoked = sample->time + invoked;
    put->returned = sample->time + returned;
    return put;
}

static void append_read(struct sample *sample,
                        uint64_t invoked,
                        const struct lincheck_operation *write)
{
    struct lincheck_operation *read = sample_append(sample);
    read->kind = LINCHECK_GET;
    read->invoked = sample->time + invoked;
    read->returned = sample->time + invoked + 1;
    read->seen = write->seen;
    see(read, write);
}

static void split_brain(struct sample *sample)
{
    bool tells_versions = sample->operations[0].version != LINCHECK_NOT_TOLD;
    struct lincheck_operation *before = append_put(sample, 1, 2);
    sample_apply(sample, before);
    struct lincheck_operation *left = append_put(sample, 3, 5);
    struct lincheck_operation *right = append_put(sample, 4, 6);
    struct sample_item item = sample->items[0];
    sample_apply(sample, left);
    sample->items[0] = item;
    sample->revision -= draw_below(&sample->seed, 2); // each counts for itself, or not
    sample_apply(sample, right);
    if (!tells_versions) {
        before->version = left->version = right->version = LINCHECK_NOT_TOLD;
    }
    append_read(sample, 7, left);
    append_read(sample, 9, right);
    append_read(sample, 11, left);
}

static bool spoil(struct sample *sample, enum sample_sort sort)
{
    if (sort == SAMPLE_GOOD) {
        return true;
    }
    if (sort == SAMPLE_SPLIT_BRAIN) {
        split_brain(sample);
        return true;
    }
    uint32_t first = draw_below(&sample->seed, sample->count);
    for (uint32_t i = first; i < sample->count; i++) {
        if (spoil_at(sample, sort, i)) {
            return true;
        }
    }
    return false;
}

void sample_make(struct sample *sample, enum sample_sort sort, uint64_t seed)
{
    CHECK(sort < SAMPLE_SORTS);
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        struct sample_shape shape = sample_draw_shape(&seed);
        sample_make_good(sample, &shape, draw(&seed));
        if (spoil(sample, sort)) {
            return;
        }
    }
    CHECK(false); // no history of ten thousand could be spoilt so
}
