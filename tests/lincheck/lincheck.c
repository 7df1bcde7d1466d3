#include "lincheck/lincheck.h"

#include "base/check.h"
#include "lincheck/memory.h"
#include "lincheck/register.h"

#include <stdlib.h>
#include <string.h>

#define NO_OPERATION UINT32_MAX
#define NO_RANK      UINT32_MAX

struct entry { // an operation's invocation or its return, in a list ordered by time
    uint64_t time;
    uint32_t operation; // index within the key
    bool is_return;
    uint32_t previous;
    uint32_t next;
};

struct frame { // one step of the order tried
    struct register_state before;
    uint32_t operation;
    bool is_forced; // it changed nothing: no other choice here is better
};

struct lincheck {
    struct lincheck_operation *operations;
    size_t operation_count;
    size_t operation_capacity;
    // Of the key being decided:
    const struct lincheck_operation *key;
    uint32_t key_count;
    struct entry *entries; // [2 * count + 1]; the last is the list's head
    uint32_t entry_count;
    uint32_t *call_entry;   // by operation
    uint32_t *return_entry; // by operation; the head if it never returned
    uint32_t *rank;         // by operation: which to try first; a hint, never a proof
    bool *is_anonymous;     // by operation: no answer, and nobody read what it wrote
    uint64_t *known;        // revisions
    struct register_revisions revisions;
    struct frame *frames;
    struct lincheck_operation **sorted; // for ranks
    uint32_t work_capacity;
    struct memory memory;
};

struct search {
    struct register_state state;
    struct memory_hash set;
    uint32_t depth;
    uint32_t waiting;    // returned operations not yet in order
    uint32_t tried_rank; // NO_RANK: nothing tried at this depth yet
};

static int by_key_then_time(const void *left, const void *right)
{
    const struct lincheck_operation *a = left;
    const struct lincheck_operation *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->invoked > b->invoked) - (a->invoked < b->invoked);
}

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, bytes);
    CHECK(memory != NULL);
    return memory;
}

static void free_work(struct lincheck *lincheck)
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
    free_work(lincheck);
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
 * A write without an answer whose value somebody read has the revision that he was
 * told.
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
        for (uint32_t j = 0; j < lincheck->key_count; j++) {
            const struct lincheck_operation *read = &operations[j];
            if (read->outcome == LINCHECK_FOUND && read->value == write->value) {
                lincheck->is_anonymous[i] = false;
                write->revision = read->revision;
            }
            if (write->revision != LINCHECK_NOT_TOLD) {
                break;
            }
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
static const struct lincheck_operation *
find_impossible_read(const struct lincheck *lincheck)
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

static void unlink_entry(struct lincheck *lincheck, uint32_t at)
{
    struct entry *entries = lincheck->entries;
    entries[entries[at].previous].next = entries[at].next;
    entries[entries[at].next].previous = entries[at].previous;
}

static void relink_entry(struct lincheck *lincheck, uint32_t at)
{
    struct entry *entries = lincheck->entries;
    entries[entries[at].previous].next = at;
    entries[entries[at].next].previous = at;
}

static void toggle(struct memory_hash *set, uint32_t operation)
{
    struct memory_hash name = memory_name_of(operation);
    set->high ^= name.high;
    set->low ^= name.low;
}

static void take_step(struct lincheck *lincheck,
                      struct search *search,
                      uint32_t operation,
                      const struct register_state *after,
                      bool is_forced)
{
    lincheck->frames[search->depth++] = (struct frame){.before = search->state,
                                                       .operation = operation,
                                                       .is_forced = is_forced};
    search->state = *after;
    search->tried_rank = NO_RANK;
    toggle(&search->set, operation);
    unlink_entry(lincheck, lincheck->call_entry[operation]);
    if (lincheck->return_entry[operation] != lincheck->entry_count) {
        unlink_entry(lincheck, lincheck->return_entry[operation]);
        search->waiting--;
    }
}

static void undo_step(struct lincheck *lincheck, struct search *search)
{
    const struct frame *frame = &lincheck->frames[--search->depth];
    uint32_t operation = frame->operation;
    if (lincheck->return_entry[operation] != lincheck->entry_count) {
        relink_entry(lincheck, lincheck->return_entry[operation]);
        search->waiting++;
    }
    relink_entry(lincheck, lincheck->call_entry[operation]);
    toggle(&search->set, operation);
    search->state = frame->before;
    search->tried_rank = lincheck->rank[operation];
}

/* Goes back to the last step that had another choice. False: there is none. */
static bool go_back(struct lincheck *lincheck, struct search *search)
{
    while (search->depth > 0) {
        bool was_forced = lincheck->frames[search->depth - 1].is_forced;
        undo_step(lincheck, search);
        if (!was_forced) {
            return true;
        }
    }
    return false;
}

/*
 * An operation that may come next (invoked before any waiting one returned), changes
 * nothing and is explained by the state: taking it now forecloses nothing.
 */
static uint32_t find_pure(const struct lincheck *lincheck, const struct search *search)
{
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        const struct lincheck_operation *operation =
            &lincheck->key[lincheck->entries[at].operation];
        if (register_is_pure(operation) &&
            register_is_explained(operation, &search->state)) {
            return lincheck->entries[at].operation;
        }
        at = lincheck->entries[at].next;
    }
    return NO_OPERATION;
}

/*
 * Of anonymous operations that do the same and may come now, any may stand for the
 * others, so only the first invoked is tried: else k of them make 2^k sets of no
 * difference.
 */
static bool has_stand_in(const struct lincheck *lincheck, uint32_t candidate)
{
    const struct lincheck_operation *operation = &lincheck->key[candidate];
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (lincheck->entries[at].operation != candidate) {
        uint32_t other = lincheck->entries[at].operation;
        const struct lincheck_operation *earlier = &lincheck->key[other];
        if (lincheck->is_anonymous[other] && earlier->kind == operation->kind &&
            earlier->condition == operation->condition &&
            earlier->condition_revision == operation->condition_revision) {
            return true;
        }
        at = lincheck->entries[at].next;
    }
    return false;
}

/* The possible next operation of the lowest rank above the one tried last. */
static uint32_t find_next(const struct lincheck *lincheck,
                          const struct search *search,
                          struct register_state *out_after)
{
    uint32_t best = NO_OPERATION;
    struct register_state after;
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        uint32_t candidate = lincheck->entries[at].operation;
        uint32_t rank = lincheck->rank[candidate];
        bool is_new = search->tried_rank == NO_RANK || rank > search->tried_rank;
        bool is_better = best == NO_OPERATION || rank < lincheck->rank[best];
        if (is_new && is_better &&
            !(lincheck->is_anonymous[candidate] && has_stand_in(lincheck, candidate)) &&
            register_step(&lincheck->revisions, &lincheck->key[candidate], &search->state,
                          &after)) {
            best = candidate;
            *out_after = after;
        }
        at = lincheck->entries[at].next;
    }
    return best;
}

static void note_progress(const struct lincheck *lincheck,
                          const struct search *search,
                          struct lincheck_result *result)
{
    if (search->depth < result->explained) {
        return;
    }
    result->explained = search->depth;
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        at = lincheck->entries[at].next;
    }
    if (at != lincheck->entry_count) {
        result->stuck_id = lincheck->key[lincheck->entries[at].operation].id;
    }
}

static enum lincheck_verdict search_key(struct lincheck *lincheck,
                                        struct search *search,
                                        uint64_t step_budget,
                                        struct lincheck_result *result)
{
    struct register_state after;
    for (uint64_t step = 0; search->waiting > 0; step++) {
        result->step_count++;
        if (step >= step_budget) {
            return LINCHECK_UNDECIDED;
        }
        uint32_t next =
            search->tried_rank == NO_RANK ? find_pure(lincheck, search) : NO_OPERATION;
        if (next != NO_OPERATION) {
            take_step(lincheck, search, next, &search->state, true);
            continue;
        }
        next = find_next(lincheck, search, &after);
        if (next == NO_OPERATION) {
            note_progress(lincheck, search, result);
            if (!go_back(lincheck, search)) {
                return LINCHECK_VIOLATED;
            }
            continue;
        }
        struct memory_hash set = search->set;
        toggle(&set, next);
        if (memory_add(&lincheck->memory, set, &after)) {
            take_step(lincheck, search, next, &after, false);
        } else {
            search->tried_rank = lincheck->rank[next];
        }
    }
    return LINCHECK_PASSED;
}

static enum lincheck_verdict decide_key(struct lincheck *lincheck,
                                        struct lincheck_operation *operations,
                                        uint32_t count,
                                        uint64_t step_budget,
                                        struct lincheck_result *result)
{
    reserve_work(lincheck, count);
    lincheck->key = operations;
    lincheck->key_count = count;
    name_unanswered_writes(lincheck, operations);
    make_entries(lincheck);
    collect_revisions(lincheck);
    rank_operations(lincheck, operations);
    memory_clear(&lincheck->memory);
    struct search search = {.tried_rank = NO_RANK};
    for (uint32_t i = 0; i < count; i++) {
        search.waiting += has_returned(&operations[i]);
    }
    result->key = operations[0].key;
    result->explained = 0;
    result->operation_count = count;
    const struct lincheck_operation *impossible = find_impossible_read(lincheck);
    if (impossible != NULL) {
        result->stuck_id = impossible->id;
        return LINCHECK_VIOLATED;
    }
    return search_key(lincheck, &search, step_budget, result);
}

/*
 * ---- exported
 * --------------------------------------------------------------------------
 */

struct lincheck *lincheck_new(void)
{
    struct lincheck *lincheck = allocate(1, sizeof *lincheck);
    memory_init(&lincheck->memory);
    reserve_work(lincheck, 64);
    return lincheck;
}

void lincheck_destroy(struct lincheck **lincheck)
{
    free_work(*lincheck);
    memory_fini(&(*lincheck)->memory);
    free((*lincheck)->operations);
    free(*lincheck);
    *lincheck = NULL;
}

void lincheck_clear(struct lincheck *lincheck)
{
    lincheck->operation_count = 0;
}

void lincheck_add(struct lincheck *lincheck, const struct lincheck_operation *operation)
{
    if (lincheck->operation_count == lincheck->operation_capacity) {
        size_t capacity = lincheck->operation_capacity * 2 + 64;
        lincheck->operations =
            realloc(lincheck->operations, capacity * sizeof *lincheck->operations);
        CHECK(lincheck->operations != NULL);
        lincheck->operation_capacity = capacity;
    }
    lincheck->operations[lincheck->operation_count++] = *operation;
}

size_t lincheck_count(const struct lincheck *lincheck)
{
    return lincheck->operation_count;
}

enum lincheck_verdict lincheck_run(struct lincheck *lincheck,
                                   uint64_t step_budget,
                                   struct lincheck_result *out_result)
{
    struct lincheck_operation *all = lincheck->operations;
    *out_result = (struct lincheck_result){0};
    if (lincheck->operation_count == 0) {
        return LINCHECK_PASSED;
    }
    qsort(all, lincheck->operation_count, sizeof *all, by_key_then_time);
    size_t first = 0;
    for (size_t i = 1; i <= lincheck->operation_count; i++) {
        if (i < lincheck->operation_count && all[i].key == all[first].key) {
            continue;
        }
        out_result->verdict = decide_key(lincheck, &all[first], (uint32_t)(i - first),
                                         step_budget, out_result);
        if (out_result->verdict != LINCHECK_PASSED) {
            return out_result->verdict;
        }
        first = i;
    }
    return LINCHECK_PASSED;
}

const char *lincheck_verdict_name(enum lincheck_verdict verdict)
{
    switch (verdict) {
    case LINCHECK_PASSED:
        return "passed";
    case LINCHECK_VIOLATED:
        return "violated";
    case LINCHECK_UNDECIDED:
        return "undecided";
    }
    return "unknown";
}
