#include "base/check.h"
#include "lincheck/fast_parts.h"

#include <stdlib.h>

static bool is_complete(struct fast *fast);
static bool collect_answered_changes(struct fast *fast);
static bool collect_told_changes(struct fast *fast);
static void collect_supplies(struct fast *fast);
static void collect_events(struct fast *fast);
static void collect_deadlines(struct fast *fast);
static bool keeps_to_real_time(struct fast *fast);

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, bytes);
    CHECK(memory != NULL);
    return memory;
}

bool fast_check(const struct lincheck_operation *operations,
                size_t count,
                struct fast_result *out_result)
{
    *out_result = (struct fast_result){0};
    struct fast fast = {.operations = operations, .count = count, .result = out_result};
    // A swap may tell two: its own and the one it replaced.
    fast.changes = allocate(2 * count, sizeof *fast.changes);
    fast.events = allocate(2 * count, sizeof *fast.events);
    fast.supplies = allocate(count, sizeof *fast.supplies);
    fast.deadlines = allocate(count, sizeof *fast.deadlines);
    bool is_good = is_complete(&fast) && collect_answered_changes(&fast) &&
                   collect_told_changes(&fast) && keeps_to_real_time(&fast);
    if (is_good) {
        collect_supplies(&fast);
        collect_deadlines(&fast);
        collect_events(&fast);
        is_good = fast_replay(&fast);
    }
    free(fast.changes);
    free(fast.events);
    free(fast.supplies);
    free(fast.deadlines);
    return is_good;
}

bool fast_fail(struct fast *fast,
               const char *sentence,
               uint64_t revision,
               size_t operation,
               size_t other)
{
    struct fast_result *result = fast->result;
    result->sentence = sentence;
    result->revision = revision;
    result->operation_count = 0;
    if (other != NOBODY && other != operation) {
        result->operations[result->operation_count++] = other;
    }
    if (operation != NOBODY) {
        result->operations[result->operation_count++] = operation;
    }
    return false;
}

/*
 * ---- what each answer must tell
 * ----------------------------------------------------------
 */

static bool is_answered(const struct lincheck_operation *operation)
{
    return operation->outcome != LINCHECK_UNKNOWN;
}

static bool is_change(const struct lincheck_operation *operation)
{
    return operation->outcome == LINCHECK_CREATED ||
           operation->outcome == LINCHECK_UPDATED ||
           operation->outcome == LINCHECK_DELETED;
}

static bool is_complete(struct fast *fast)
{
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *operation = &fast->operations[i];
        bool needs_revision = operation->outcome == LINCHECK_CREATED ||
                              operation->outcome == LINCHECK_UPDATED ||
                              operation->outcome == LINCHECK_FOUND ||
                              operation->outcome == LINCHECK_REFUSED;
        if (!is_answered(operation)) {
            continue;
        }
        if (operation->seen == LINCHECK_NOT_TOLD ||
            (needs_revision && operation->revision == LINCHECK_NOT_TOLD)) {
            return fast_fail(fast, "an answer does not tell its revisions", 0, i, NOBODY);
        }
        if (needs_revision && operation->revision > operation->seen) {
            return fast_fail(fast, "a key is newer than the store that holds it",
                             operation->revision, i, NOBODY);
        }
        if (is_change(operation) && needs_revision &&
            operation->revision != operation->seen) {
            return fast_fail(fast, "a write did not make the revision it tells",
                             operation->revision, i, NOBODY);
        }
    }
    return true;
}

/*
 * ---- changes by revision
 * -------------------------------------------------------------------
 */

static int by_revision(const void *left, const void *right)
{
    const struct change *a = left;
    const struct change *b = right;
    if (a->revision != b->revision) {
        return a->revision < b->revision ? -1 : 1;
    }
    return (a->witness > b->witness) - (a->witness < b->witness);
}

const struct change *fast_find_change(const struct fast *fast, uint64_t revision)
{
    size_t low = 0;
    size_t high = fast->change_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fast->changes[middle].revision < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < fast->change_count && fast->changes[low].revision == revision;
    return is_found ? &fast->changes[low] : NULL;
}

static bool collect_answered_changes(struct fast *fast)
{
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *operation = &fast->operations[i];
        if (is_change(operation)) {
            fast->changes[fast->change_count++] =
                (struct change){.revision = operation->seen,
                                .key = operation->key,
                                i,
                                .witness = i};
        }
    }
    qsort(fast->changes, fast->change_count, sizeof *fast->changes, by_revision);
    for (size_t i = 1; i < fast->change_count; i++) {
        if (fast->changes[i].revision == fast->changes[i - 1].revision) {
            return fast_fail(fast, "two writes made one revision",
                             fast->changes[i].revision, fast->changes[i].operation,
                             fast->changes[i - 1].operation);
        }
    }
    fast->answered_count = fast->change_count;
    return true;
}

struct written { // by a PUT without an answer
    uint64_t key;
    uint64_t value;
    size_t operation;
};

static int by_value(const void *left, const void *right)
{
    const struct written *a = left;
    const struct written *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->value > b->value) - (a->value < b->value);
}

static size_t list_written(const struct fast *fast, struct written *out_list)
{
    size_t count = 0;
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *put = &fast->operations[i];
        if (!is_answered(put) && put->kind == LINCHECK_PUT) {
            out_list[count++] =
                (struct written){.key = put->key, .value = put->value, .operation = i};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_value);
    return count;
}

/* The revision of this key that an operation tells beside its own; 0: none. */
static uint64_t told_by(const struct lincheck_operation *operation)
{
    switch ((enum lincheck_outcome)operation->outcome) {
    case LINCHECK_FOUND:
    case LINCHECK_REFUSED:
        return operation->revision;
    case LINCHECK_UPDATED:
    case LINCHECK_DELETED:
        return operation->condition == LINCHECK_IF_REVISION
                   ? operation->condition_revision
                   : 0;
    case LINCHECK_UNKNOWN:
    case LINCHECK_CREATED:
    case LINCHECK_ABSENT:
        return 0;
    }
    return 0;
}

/* A revision that an answered write made: is it what operation `at` tells of it? */
static bool agrees(struct fast *fast, const struct change *change, size_t at)
{
    const struct lincheck_operation *told = &fast->operations[at];
    const struct lincheck_operation *write = &fast->operations[change->operation];
    if (change->key != told->key || write->kind != LINCHECK_PUT) {
        return fast_fail(fast, "a revision is told of a key that it did not write",
                         change->revision, at, change->operation);
    }
    if (told->outcome == LINCHECK_FOUND && told->value != write->value) {
        return fast_fail(fast, "a revision is read with a value that it did not write",
                         change->revision, at, change->operation);
    }
    if (told->outcome == LINCHECK_FOUND && told->version != LINCHECK_NOT_TOLD &&
        write->version != LINCHECK_NOT_TOLD && told->version != write->version) {
        return fast_fail(fast, "a revision is read with another version",
                         change->revision, at, change->operation);
    }
    return true;
}

/* Told by `at` of a write without an answer: which, if it was read. */
static bool add_told(struct fast *fast,
                     size_t at,
                     uint64_t revision,
                     const struct written *list,
                     size_t list_count)
{
    const struct lincheck_operation *told = &fast->operations[at];
    size_t writer = NOBODY;
    if (told->outcome == LINCHECK_FOUND) {
        const struct written wanted = {.key = told->key, .value = told->value};
        const struct written *found =
            bsearch(&wanted, list, list_count, sizeof *list, by_value);
        if (found == NULL) {
            return fast_fail(fast, "a value is read that no write can have left there",
                             revision, at, NOBODY);
        }
        writer = found->operation;
        if (fast->operations[writer].invoked > told->returned) {
            return fast_fail(fast, "a value is read before it was written", revision, at,
                             writer);
        }
    }
    fast->changes[fast->change_count++] =
        (struct change){revision, told->key, .operation = writer, .witness = at};
    return true;
}

/* Two who tell of one revision: one story. */
static bool join(struct fast *fast, struct change *kept, const struct change *other)
{
    bool differs = kept->operation != NOBODY && other->operation != NOBODY &&
                   kept->operation != other->operation;
    if (kept->key != other->key || differs) {
        return fast_fail(fast, "one revision is told as two writes", kept->revision,
                         other->witness, kept->witness);
    }
    kept->operation = kept->operation == NOBODY ? other->operation : kept->operation;
    return true;
}

/* Of changes that only others tell there may be several of one revision. */
static bool merge_told(struct fast *fast)
{
    if (fast->change_count == fast->answered_count) {
        return true;
    }
    qsort(fast->changes, fast->change_count, sizeof *fast->changes, by_revision);
    size_t kept = 0;
    for (size_t i = 1; i < fast->change_count; i++) {
        if (fast->changes[i].revision != fast->changes[kept].revision) {
            fast->changes[++kept] = fast->changes[i];
        } else if (!join(fast, &fast->changes[kept], &fast->changes[i])) {
            return false;
        }
    }
    fast->change_count = kept + 1;
    return true;
}

/* One write without an answer was seen at two revisions? */
static bool acts_once(struct fast *fast)
{
    size_t *change_of = allocate(fast->count, sizeof *change_of);
    bool is_good = true;
    for (size_t i = 0; is_good && i < fast->change_count; i++) {
        const struct change *change = &fast->changes[i];
        if (change->operation == NOBODY) {
            continue;
        }
        if (change_of[change->operation] != 0) {
            const struct change *first = &fast->changes[change_of[change->operation] - 1];
            is_good = fast_fail(fast, "one write is seen at two revisions",
                                change->revision, change->witness, first->witness);
        }
        change_of[change->operation] = i + 1;
    }
    free(change_of);
    return is_good;
}

static bool collect_told_changes(struct fast *fast)
{
    struct written *list = allocate(fast->count, sizeof *list);
    size_t list_count = list_written(fast, list);
    size_t answered_count = fast->answered_count;
    bool is_good = true;
    for (size_t i = 0; is_good && i < fast->count; i++) {
        uint64_t revision = told_by(&fast->operations[i]);
        if (revision == 0) {
            continue;
        }
        size_t all = fast->change_count;
        fast->change_count = answered_count; // the others are not in order yet
        const struct change *change = fast_find_change(fast, revision);
        fast->change_count = all;
        is_good = change != NULL ? agrees(fast, change, i)
                                 : add_told(fast, i, revision, list, list_count);
    }
    free(list);
    return is_good && merge_told(fast) && acts_once(fast);
}

/*
 * ---- writes that may have filled gaps
 * ----------------------------------------------------
 */

static int by_key_and_time(const void *left, const void *right)
{
    const struct supply *a = left;
    const struct supply *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->invoked > b->invoked) - (a->invoked < b->invoked);
}

static void collect_supplies(struct fast *fast)
{
    bool *is_seen = allocate(fast->count, sizeof *is_seen);
    for (size_t i = 0; i < fast->change_count; i++) {
        if (fast->changes[i].operation != NOBODY) {
            is_seen[fast->changes[i].operation] = true;
        }
    }
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *write = &fast->operations[i];
        if (!is_answered(write) && write->kind != LINCHECK_GET && !is_seen[i]) {
            fast->supplies[fast->supply_count++] =
                (struct supply){.key = write->key,
                                .invoked = write->invoked,
                                .kind = write->kind};
        }
    }
    free(is_seen);
    qsort(fast->supplies, fast->supply_count, sizeof *fast->supplies, by_key_and_time);
}

static int by_seen(const void *left, const void *right)
{
    const struct deadline *a = left;
    const struct deadline *b = right;
    return (a->seen > b->seen) - (a->seen < b->seen);
}

/* Whoever saw a later revision saw it before it returned. */
static void collect_deadlines(struct fast *fast)
{
    for (size_t i = 0; i < fast->count; i++) {
        if (is_answered(&fast->operations[i])) {
            fast->deadlines[fast->deadline_count++] =
                (struct deadline){.seen = fast->operations[i].seen,
                                  .time = fast->operations[i].returned};
        }
    }
    qsort(fast->deadlines, fast->deadline_count, sizeof *fast->deadlines, by_seen);
    for (size_t i = fast->deadline_count; i-- > 1;) {
        if (fast->deadlines[i].time < fast->deadlines[i - 1].time) {
            fast->deadlines[i - 1].time = fast->deadlines[i].time;
        }
    }
}

/*
 * ---- the one order
 * ---------------------------------------------------------------------------
 */

static int by_order(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    if (a->seen != b->seen) {
        return a->seen < b->seen ? -1 : 1;
    }
    if (a->turn != b->turn) {
        return a->turn < b->turn ? -1 : 1;
    }
    return (a->at > b->at) - (a->at < b->at);
}

static void collect_events(struct fast *fast)
{
    for (size_t i = 0; i < fast->change_count; i++) {
        const struct change *change = &fast->changes[i];
        fast->events[fast->event_count++] = (struct event){.key = change->key,
                                                           .seen = change->revision,
                                                           .at = i,
                                                           .turn = 0};
    }
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *operation = &fast->operations[i];
        if (is_answered(operation) && !is_change(operation)) {
            fast->events[fast->event_count++] = (struct event){.key = operation->key,
                                                               .seen = operation->seen,
                                                               .at = i,
                                                               .turn = 1};
        }
    }
    qsort(fast->events, fast->event_count, sizeof *fast->events, by_order);
}

/* ---- real time: who began after another had returned saw no less ----------------- */

struct moment {
    uint64_t time;
    uint64_t seen;
    size_t operation;
};

static int by_time(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;
    return (a->time > b->time) - (a->time < b->time);
}

static size_t list_returns(const struct fast *fast, struct moment *out_list)
{
    size_t count = 0;
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *operation = &fast->operations[i];
        if (is_answered(operation)) {
            out_list[count++] =
                (struct moment){operation->returned, operation->seen, .operation = i};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_time);
    return count;
}

/* Also the writes without an answer that others tell of. */
static size_t list_calls(const struct fast *fast, struct moment *out_list)
{
    size_t count = 0;
    for (size_t i = 0; i < fast->count; i++) {
        const struct lincheck_operation *operation = &fast->operations[i];
        if (is_answered(operation)) {
            out_list[count++] =
                (struct moment){operation->invoked, operation->seen, .operation = i};
        }
    }
    for (size_t i = 0; i < fast->change_count; i++) {
        size_t at = fast->changes[i].operation;
        if (at != NOBODY && !is_answered(&fast->operations[at])) {
            out_list[count++] = (struct moment){
                fast->operations[at].invoked, fast->changes[i].revision, .operation = at};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_time);
    return count;
}

static bool keeps_to_real_time(struct fast *fast)
{
    struct moment *returns = allocate(fast->count, sizeof *returns);
    struct moment *calls = allocate(fast->count, sizeof *calls);
    size_t return_count = list_returns(fast, returns);
    size_t call_count = list_calls(fast, calls);
    struct moment newest = {.operation = NOBODY};
    size_t next = 0;
    bool is_good = true;
    for (size_t i = 0; is_good && i < call_count; i++) {
        for (; next < return_count && returns[next].time < calls[i].time; next++) {
            newest = returns[next].seen > newest.seen ? returns[next] : newest;
        }
        size_t at = calls[i].operation;
        bool writes =
            is_change(&fast->operations[at]) || !is_answered(&fast->operations[at]);
        if (calls[i].seen < newest.seen) {
            is_good = fast_fail(fast, "an older state after a newer one was seen",
                                calls[i].seen, at, newest.operation);
        } else if (writes && calls[i].seen == newest.seen && newest.operation != NOBODY) {
            is_good = fast_fail(fast, "a write made a revision that was there before",
                                calls[i].seen, at, newest.operation);
        }
    }
    free(returns);
    free(calls);
    return is_good;
}
