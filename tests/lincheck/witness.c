#include "lincheck/witness.h"

#include "base/check.h"

#include <stdlib.h>

static int by_time(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static int by_invocation(const void *left, const void *right)
{
    const struct lincheck_operation *a = left;
    const struct lincheck_operation *b = right;
    if (a->invoked != b->invoked) {
        return a->invoked < b->invoked ? -1 : 1;
    }
    return (a->id > b->id) - (a->id < b->id);
}

static bool is_in_prefix(const struct lincheck_operation *operation, uint64_t end)
{
    bool is_open = operation->outcome == LINCHECK_UNKNOWN || operation->returned > end;
    return operation->invoked <= end && !(is_open && operation->kind == LINCHECK_GET);
}

static struct lincheck_operation cut_one(const struct lincheck_operation *operation,
                                         uint64_t end)
{
    struct lincheck_operation cut = *operation;
    if (cut.outcome != LINCHECK_UNKNOWN && cut.returned > end) {
        cut.outcome = LINCHECK_UNKNOWN;
    }
    return cut;
}

static bool is_violated(struct lincheck *lincheck,
                        const struct lincheck_operation *operations,
                        size_t count,
                        uint64_t end,
                        uint64_t step_budget)
{
    struct lincheck_result result;
    lincheck_clear(lincheck);
    for (size_t i = 0; i < count; i++) {
        if (is_in_prefix(&operations[i], end)) {
            struct lincheck_operation cut = cut_one(&operations[i], end);
            lincheck_add(lincheck, &cut);
        }
    }
    return lincheck_run(lincheck, step_budget, &result) == LINCHECK_VIOLATED;
}

/* The first return at which the prefix is violated. */
static uint64_t
find_end(const struct lincheck_operation *operations, size_t count, uint64_t step_budget)
{
    uint64_t *returns = calloc(count, sizeof *returns);
    CHECK(returns != NULL);
    size_t return_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (operations[i].outcome != LINCHECK_UNKNOWN) {
            returns[return_count++] = operations[i].returned;
        }
    }
    CHECK(return_count > 0);
    qsort(returns, return_count, sizeof *returns, by_time);
    struct lincheck *lincheck = lincheck_new();
    size_t low = 0;
    size_t high = return_count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_violated(lincheck, operations, count, returns[middle], step_budget)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    lincheck_destroy(&lincheck);
    uint64_t end = returns[low];
    free(returns);
    return end;
}

size_t witness_cut(struct lincheck_operation *operations,
                   size_t count,
                   uint64_t step_budget,
                   size_t *out_last)
{
    uint64_t end = find_end(operations, count, step_budget);
    size_t kept = 0;
    qsort(operations, count, sizeof *operations, by_invocation);
    *out_last = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_in_prefix(&operations[i], end)) {
            operations[kept] = cut_one(&operations[i], end);
            bool is_last = operations[kept].outcome != LINCHECK_UNKNOWN &&
                           operations[kept].returned == end;
            *out_last = is_last ? kept : *out_last;
            kept++;
        }
    }
    return kept;
}
