#include "base/check.h"
#include "lincheck/parts.h"

#include <stdlib.h>

static void reserve_work(struct lincheck *lincheck, uint32_t count);
static void make_entries(struct lincheck *lincheck);
static void rank_operations(struct lincheck *lincheck);
static const struct lincheck_operation *
name_unanswered_writes(struct lincheck *lincheck, struct lincheck_operation *operations);
static const struct lincheck_operation *collect_revisions(struct lincheck *lincheck);
static const struct lincheck_operation *find_holders(struct lincheck *lincheck);

const struct lincheck_operation *prepare_key(struct lincheck *lincheck,
                                             struct lincheck_operation *operations,
                                             uint32_t count)
{
    reserve_work(lincheck, count);
    lincheck->key = operations;
    lincheck->key_count = count;
    lincheck->tells_versions = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct lincheck_operation *operation = &operations[i];
        lincheck->meets[i] = NO_HOLDER;
        lincheck->is_anonymous[i] =
            operation->outcome == LINCHECK_UNKNOWN && operation->kind != LINCHECK_GET;
        lincheck->holders[i] = (struct holder){.swap = NO_OPERATION};
        lincheck->holders[count + i] = lincheck->holders[i];
    }
    make_entries(lincheck);
    const struct lincheck_operation *impossible =
        name_unanswered_writes(lincheck, operations);
    if (impossible == NULL) {
        impossible = collect_revisions(lincheck);
    }
    if (impossible == NULL) {
        impossible = find_holders(lincheck);
    }
    rank_operations(lincheck);
    return impossible;
}

/*
 * ---- memory
 * ----------------------------------------------------------------------------
 */

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
    free(lincheck->meets);
    free(lincheck->holders);
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
    size_t capacity = (size_t)count * 2;
    lincheck->entries = allocate(2 * capacity + 1, sizeof *lincheck->entries);
    lincheck->call_entry = allocate(capacity, sizeof *lincheck->call_entry);
    lincheck->return_entry = allocate(capacity, sizeof *lincheck->return_entry);
    lincheck->rank = allocate(capacity, sizeof *lincheck->rank);
    lincheck->is_anonymous = allocate(capacity, sizeof *lincheck->is_anonymous);
    lincheck->meets = allocate(capacity, sizeof *lincheck->meets);
    lincheck->holders = allocate(2 * capacity, sizeof *lincheck->holders);
    lincheck->known = allocate(capacity, sizeof *lincheck->known);
    lincheck->frames = allocate(capacity, sizeof *lincheck->frames);
    lincheck->sorted = allocate(2 * capacity, sizeof *lincheck->sorted);
    lincheck->work_capacity = (uint32_t)capacity;
}

/*
 * ---- invocations and returns in order of time
 * ------------------------------------------
 */

/* Of two ends at one time the invocation is first: then the operations are concurrent. */
static int entries_by_time(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    if (a->is_return != b->is_return) {
        return a->is_return ? 1 : -1;
    }
    return (a->operation > b->operation) - (a->operation < b->operation);
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
            CHECK(operation->returned >= operation->invoked);
            lincheck->entries[count++] = (struct entry){.time = operation->returned,
                                                        .operation = i,
                                                        .is_return = true};
        }
    }
    qsort(lincheck->entries, count, sizeof *lincheck->entries, entries_by_time);
    lincheck->entry_count = count;
    link_entries(lincheck);
}

/*
 * ---- lists to look something up in
 * ------------------------------------------------------
 */

static int by_number(const void *left, const void *right)
{
    const struct sorted *a = left;
    const struct sorted *b = right;
    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return (a->operation > b->operation) - (a->operation < b->operation);
}

/* The first operation of that number, or NO_OPERATION. */
static uint32_t look_up(const struct sorted *list, uint32_t count, uint64_t number)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < count && list[low].number == number;
    return is_found ? list[low].operation : NO_OPERATION;
}

static bool is_executed_put(const struct lincheck_operation *operation)
{
    return operation->kind == LINCHECK_PUT && (operation->outcome == LINCHECK_UNKNOWN ||
                                               operation->outcome == LINCHECK_CREATED ||
                                               operation->outcome == LINCHECK_UPDATED);
}

static uint32_t list_values(const struct lincheck *lincheck, struct sorted *out_list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        if (is_executed_put(&lincheck->key[i])) {
            out_list[count++] =
                (struct sorted){.number = lincheck->key[i].value, .operation = i};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_number);
    for (uint32_t i = 1; i < count; i++) {
        CHECK(out_list[i].number != out_list[i - 1].number); // or a read names no write
    }
    return count;
}

/* Known PUTs by revision. */
static uint32_t list_revisions(const struct lincheck *lincheck, struct sorted *out_list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        const struct lincheck_operation *put = &lincheck->key[i];
        if (is_executed_put(put) && put->revision != LINCHECK_NOT_TOLD) {
            out_list[count++] = (struct sorted){.number = put->revision, .operation = i};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_number);
    return count;
}

/*
 * ---- reads name their writes
 * -------------------------------------------------------------
 */

/* A write without an answer has the revision and version that its readers were told. */
static void learn_from_read(struct lincheck *lincheck,
                            uint32_t write,
                            struct lincheck_operation *operations,
                            const struct lincheck_operation *read)
{
    struct lincheck_operation *put = &operations[write];
    if (put->outcome != LINCHECK_UNKNOWN) {
        return;
    }
    if (lincheck->is_anonymous[write]) {
        put->revision = LINCHECK_NOT_TOLD;
        put->version = LINCHECK_NOT_TOLD;
    }
    lincheck->is_anonymous[write] = false;
    if (put->revision == LINCHECK_NOT_TOLD) {
        put->revision = read->revision;
    }
    if (put->version == LINCHECK_NOT_TOLD) {
        put->version = read->version;
    }
}

static bool is_told_otherwise(uint64_t told, uint64_t truth)
{
    return told != LINCHECK_NOT_TOLD && truth != LINCHECK_NOT_TOLD && told != truth;
}

static bool may_have_read(const struct lincheck_operation *read,
                          const struct lincheck_operation *put)
{
    return put->invoked <= read->returned &&
           !is_told_otherwise(read->revision, put->revision) &&
           !is_told_otherwise(read->version, put->version);
}

static const struct lincheck_operation *
name_unanswered_writes(struct lincheck *lincheck, struct lincheck_operation *operations)
{
    struct sorted *values = lincheck->sorted;
    uint32_t value_count = list_values(lincheck, values);
    const struct lincheck_operation *impossible = NULL;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        if (operations[i].outcome != LINCHECK_FOUND) {
            continue;
        }
        uint32_t write = look_up(values, value_count, operations[i].value);
        lincheck->meets[i] = write == NO_OPERATION ? NO_HOLDER : write;
        if (write != NO_OPERATION) {
            learn_from_read(lincheck, write, operations, &operations[i]);
            lincheck->holders[write].guests++;
        }
        if (impossible == NULL && (write == NO_OPERATION ||
                                   !may_have_read(&operations[i], &operations[write]))) {
            impossible = &operations[i];
        }
    }
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        if (lincheck->is_anonymous[i] && operations[i].kind == LINCHECK_PUT) {
            operations[i].revision = LINCHECK_NOT_TOLD;
            operations[i].version = LINCHECK_NOT_TOLD;
            operations[i].value = UINT64_MAX; // nobody read it: all such states are one
        }
        lincheck->tells_versions =
            lincheck->tells_versions ||
            (has_returned(&operations[i]) && operations[i].version != LINCHECK_NOT_TOLD &&
             (operations[i].kind != LINCHECK_DELETE ||
              operations[i].outcome == LINCHECK_REFUSED));
    }
    return impossible;
}

/*
 * ---- who speaks of which state
 * ---------------------------------------------------------
 */

static const struct lincheck_operation *collect_revisions(struct lincheck *lincheck)
{
    struct sorted *list = lincheck->sorted;
    uint32_t count = list_revisions(lincheck, list);
    const struct lincheck_operation *doubled = NULL;
    for (uint32_t i = 0; i < count; i++) {
        lincheck->known[i] = list[i].number;
        if (i > 0 && list[i].number == list[i - 1].number) {
            doubled = &lincheck->key[list[i].operation];
        }
    }
    lincheck->revisions.known = lincheck->known;
    lincheck->revisions.known_count = count;
    return doubled;
}

static bool is_refusal_of_present(const struct lincheck_operation *operation)
{
    return operation->outcome == LINCHECK_REFUSED && operation->revision != 0 &&
           operation->revision != LINCHECK_NOT_TOLD;
}

static bool is_swap(const struct lincheck_operation *operation)
{
    return operation->condition == LINCHECK_IF_REVISION &&
           operation->kind != LINCHECK_GET && operation->outcome != LINCHECK_REFUSED &&
           operation->outcome != LINCHECK_ABSENT;
}

/* The revision whose state this operation must meet; 0: none. */
static uint64_t revision_met_by(const struct lincheck_operation *operation)
{
    if (is_refusal_of_present(operation)) {
        return operation->revision;
    }
    return is_swap(operation) ? operation->condition_revision : 0;
}

/* Revisions that no known PUT has, with who mentions them. */
static uint32_t list_mentions(const struct lincheck *lincheck,
                              const struct sorted *revisions,
                              struct sorted *out_list)
{
    uint32_t count = 0;
    uint32_t revision_count = (uint32_t)lincheck->revisions.known_count;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        uint64_t revision = revision_met_by(&lincheck->key[i]);
        if (revision != 0 &&
            look_up(revisions, revision_count, revision) == NO_OPERATION) {
            out_list[count++] = (struct sorted){.number = revision, .operation = i};
        }
    }
    qsort(out_list, count, sizeof *out_list, by_number);
    return count;
}

static const struct lincheck_operation *find_holders(struct lincheck *lincheck)
{
    const struct lincheck_operation *impossible = NULL;
    struct sorted *revisions = lincheck->sorted;
    uint32_t revision_count = list_revisions(lincheck, revisions);
    struct sorted *mentions = lincheck->sorted + lincheck->key_count;
    uint32_t mention_count = list_mentions(lincheck, revisions, mentions);
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        const struct lincheck_operation *operation = &lincheck->key[i];
        uint64_t revision = revision_met_by(operation);
        if (revision == 0) {
            continue;
        }
        uint32_t met = look_up(revisions, revision_count, revision);
        if (met == NO_OPERATION) {
            met = lincheck->key_count + look_up(mentions, mention_count, revision);
        }
        lincheck->meets[i] = met;
        struct holder *holder = &lincheck->holders[met];
        holder->guests += operation->outcome == LINCHECK_REFUSED;
        if (is_swap(operation) && has_returned(operation)) {
            impossible = holder->swap != NO_OPERATION ? operation : impossible;
            holder->swap = i;
        }
    }
    return impossible;
}

/*
 * ---- where to look first
 * -----------------------------------------------------------------
 */

static uint64_t hint_of(const struct lincheck_operation *operation)
{
    bool is_nameless =
        operation->outcome == LINCHECK_UNKNOWN && operation->kind != LINCHECK_PUT;
    return is_nameless ? LINCHECK_NOT_TOLD : operation->revision;
}

static void rank_operations(struct lincheck *lincheck)
{
    struct sorted *list = lincheck->sorted;
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        list[i] = (struct sorted){.number = hint_of(&lincheck->key[i]),
                                  .time = lincheck->key[i].invoked,
                                  .operation = i};
    }
    qsort(list, lincheck->key_count, sizeof *list, by_number);
    for (uint32_t i = 0; i < lincheck->key_count; i++) {
        lincheck->rank[list[i].operation] = i;
    }
}
