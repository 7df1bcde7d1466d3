#include "base/check.h"
#include "lincheck/parts.h"

#include <stdlib.h>

static void reserve_work(struct lincheck *lincheck, uint32_t count);
static void name_unanswered_writes(const struct lincheck *lincheck,
                                   struct lincheck_operation *operations);
static void make_entries(struct lincheck *lincheck);
static void collect_revisions(struct lincheck *lincheck);
static void rank_operations(struct lincheck *lincheck,
                            struct lincheck_operation *operations);

void prepare_key(struct lincheck *lincheck,
                 struct lincheck_operation *operations,
                 uint32_t count)
{
    reserve_work(lincheck, count);
    lincheck->key = operations;
    lincheck->key_count = count;
    name_unanswered_writes(lincheck, operations);
    make_entries(lincheck);
    collect_revisions(lincheck);
    rank_operations(lincheck, operations);
}

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, bytes);
    CHECK(memory != NULL);
    return memory;
}

void prepare_fini(struct lincheck *lincheck)
{
    free(lincheck->entries);
    free(lincheck->call_entry);
    free(lincheck->return_entry);
    free(lincheck->rank);
    free(lincheck->is_anonymous);
    free(lincheck->known);
    free(lincheck->frames);
    free(lincheck->sorted);
}

static void reserve_work(struct lincheck *lincheck, uint32_t count)
{
    if (count <= lincheck->work_capacity) {
        return;
    }
    prepare_fini(lincheck);
    uint32_t capacity = count * 2;
    lincheck->entries = allocate(2 * (size_t)capacity + 1, sizeof *lincheck->entries);
    lincheck->call_entry = allocate(capacity, sizeof *lincheck->call_entry);
    lincheck->return_entry = allocate(capacity, sizeof *lincheck->return_entry);
    lincheck->rank = allocate(capacity, sizeof *lincheck->rank);
    lincheck->is_anonymous = allocate(capacity, sizeof *lincheck->is_anonymous);
    lincheck->known = allocate(capacity, sizeof *lincheck->known);
    lincheck->frames = allocate(capacity, sizeof *lincheck->frames);
    lincheck->sorted = allocate(capacity, sizeof *lincheck->sorted);
    lincheck->work_capacity = capacity;
}

/*
 * ---- preparing a key
 * -------------------------------------------------------------------
 */

static int entries_by_time(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    return (a->time > b->time) - (a->time < b->time);
}

static bool has_returned(const struct lincheck_operation *operation)
{
    return operation->outcome != LINCHECK_UNKNOWN;
}

static void link_entries(struct lincheck *lincheck)
{
    uint32_t head = lincheck->entry_count;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        lincheck->return_entry[i] = head;
    }
    for (uint32_t i = 0; i <= head; i++) {
        struct entry *entry = &lincheck->entries[i];
        entry->previous = i == 0 ? head : i - 1;
        entry->next = i == head ? 0 : i + 1;
        if (i < head && entry->is_return) {
            lincheck->return_entry[entry->operation] = i;
        } else if (i < head) {
            lincheck->call_entry[entry->operation] = i;
        }
    }
}

static void make_entries(struct lincheck *lincheck)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        const struct lincheck_operation *operation = &lincheck->key[i];
        lincheck->entries[count++] =
            (struct entry){.time = operation->invoked, .operation = i};
        if (has_returned(operation)) {
            CHECK(operation->returned > operation->invoked);
            lincheck->entries[count++] = (struct entry){.time = operation->returned,
                                                        .operation = i,
                                                        .is_return = true};
        }
    }
    qsort(lincheck->entries, count, sizeof *lincheck->entries, entries_by_time);
    lincheck->entry_count = count;
    link_entries(lincheck);
}

static bool is_executed_put(const struct lincheck_operation *operation)
{
    return operation->kind == LINCHECK_PUT && (operation->outcome == LINCHECK_UNKNOWN ||
                                               operation->outcome == LINCHECK_CREATED ||
                                               operation->outcome == LINCHECK_UPDATED);
}

/*
 * A write without an answer whose value somebody read has the revision and version that
 * he was told.
 */
static void name_unanswered_writes(const struct lincheck *lincheck,
                                   struct lincheck_operation *operations)
{
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        struct lincheck_operation *write = &operations[i];
        lincheck->is_anonymous[i] =
            write->outcome == LINCHECK_UNKNOWN && write->kind != LINCHECK_GET;
        if (!is_executed_put(write) || write->outcome != LINCHECK_UNKNOWN) {
            continue;
        }
        write->revision = LINCHECK_NOT_TOLD;
        write->version = LINCHECK_NOT_TOLD;
        for (uint32_t j = 0; j < lincheck->key_count; j++) {
            const struct lincheck_operation *read = &operations[j];
            if (read->outcome == LINCHECK_FOUND && read->value == write->value) {
                lincheck->is_anonymous[i] = false;
                write->revision = read->revision;
                write->version = read->version;
            }
            if (write->revision != LINCHECK_NOT_TOLD) {
                break;
            }
        }
        if (lincheck->is_anonymous[i]) {
            write->value = UINT64_MAX; // nobody read it: all such states are one
        }
    }
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/*
 * A read of what no write here can have left behind needs no search. NULL: there is
 * none.
 */
const struct lincheck_operation *prepare_find_impossible(const struct lincheck *lincheck)
{
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        const struct lincheck_operation *read = &lincheck->key[i];
        bool is_possible = read->outcome != LINCHECK_FOUND;
        for (uint32_t j = 0; !is_possible && j < lincheck->key_count; j++) {
            const struct lincheck_operation *write = &lincheck->key[j];
            is_possible = is_executed_put(write) && write->value == read->value &&
                          write->invoked < read->returned &&
                          (read->revision == LINCHECK_NOT_TOLD ||
                           read->revision == write->revision);
        }
        if (!is_possible) {
            return read;
        }
    }
    return NULL;
}

static void collect_revisions(struct lincheck *lincheck)
{
    size_t count = 0;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        const struct lincheck_operation *operation = &lincheck->key[i];
        if (is_executed_put(operation) && operation->revision != LINCHECK_NOT_TOLD) {
            lincheck->known[count++] = operation->revision;
        }
    }
    qsort(lincheck->known, count, sizeof *lincheck->known, by_number);
    lincheck->revisions.known = lincheck->known;
    lincheck->revisions.known_count = count;
}

static uint64_t hint_of(const struct lincheck_operation *operation)
{
    bool is_nameless =
        operation->outcome == LINCHECK_UNKNOWN && operation->kind != LINCHECK_PUT;
    return is_nameless ? LINCHECK_NOT_TOLD : operation->revision;
}

static int by_hint(const void *left, const void *right)
{
    const struct lincheck_operation *a = *(struct lincheck_operation *const *)left;
    const struct lincheck_operation *b = *(struct lincheck_operation *const *)right;
    uint64_t hint_a = hint_of(a);
    uint64_t hint_b = hint_of(b);
    if (hint_a != hint_b) {
        return hint_a < hint_b ? -1 : 1;
    }
    return (a->invoked > b->invoked) - (a->invoked < b->invoked);
}

static void rank_operations(struct lincheck *lincheck,
                            struct lincheck_operation *operations)
{
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        lincheck->sorted[i] = &operations[i];
    }
    qsort(lincheck->sorted, lincheck->key_count, sizeof *lincheck->sorted, by_hint);
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        lincheck->rank[lincheck->sorted[i] - operations] = i;
    }
}

/*
 * ---- the search
 * ------------------------------------------------------------------------
 */
