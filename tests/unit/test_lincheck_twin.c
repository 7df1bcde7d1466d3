/*
 * The linearizability checker against a dumb twin, which tries every order of every
 * subset of a small history, with every revision that an unanswered write might have
 * got.
 */
#include "lincheck/lincheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOT_TOLD LINCHECK_NOT_TOLD

enum { OPERATIONS_MAX = 5, HISTORIES = 40000, REVISIONS = 5 };

struct small {
    struct lincheck_operation operations[OPERATIONS_MAX];
    uint32_t count;
};

struct register_value {
    bool is_present;
    uint64_t value;
    uint64_t revision;
    uint64_t version;
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t bits = *seed;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return (bits ^ (bits >> 31)) % below;
}

/*
 * ---- the twin
 * ----------------------------------------------------------------------------
 */

static bool holds(const struct lincheck_operation *operation,
                  const struct register_value *now)
{
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_ALWAYS:
        return true;
    case LINCHECK_IF_ABSENT:
        return !now->is_present;
    case LINCHECK_IF_EXISTS:
        return now->is_present;
    case LINCHECK_IF_REVISION:
        return now->is_present && now->revision == operation->condition_revision;
    }
    return false;
}

static bool is_answer(uint64_t told, uint64_t truth)
{
    return told == NOT_TOLD || told == truth;
}

/* What a server would have answered, from the state alone. */
static uint32_t answer_to(const struct lincheck_operation *operation,
                          const struct register_value *now)
{
    if (!holds(operation, now)) {
        return LINCHECK_REFUSED;
    }
    if (operation->kind == LINCHECK_PUT) {
        return now->is_present ? LINCHECK_UPDATED : LINCHECK_CREATED;
    }
    if (!now->is_present) {
        return LINCHECK_ABSENT;
    }
    return operation->kind == LINCHECK_GET ? LINCHECK_FOUND : LINCHECK_DELETED;
}

static bool carry_out(const struct lincheck_operation *operation,
                      uint64_t revision,
                      struct register_value *now)
{
    uint32_t answer = answer_to(operation, now);
    bool is_blind = operation->outcome == LINCHECK_UNKNOWN;
    if (!is_blind && answer != operation->outcome) {
        return false;
    }
    if (answer == LINCHECK_REFUSED) {
        return is_blind ||
               (is_answer(operation->revision, now->is_present ? now->revision : 0) &&
                (!now->is_present || is_answer(operation->version, now->version)));
    }
    if (answer == LINCHECK_FOUND) {
        return operation->value == now->value &&
               is_answer(operation->revision, now->revision) &&
               is_answer(operation->version, now->version);
    }
    if (answer == LINCHECK_DELETED) {
        *now = (struct register_value){0};
    } else if (answer != LINCHECK_ABSENT) {
        now->version = answer == LINCHECK_CREATED ? 1 : now->version + 1;
        now->is_present = true;
        now->value = operation->value;
        now->revision = revision;
        return is_blind || is_answer(operation->version, now->version);
    }
    return true;
}

/* Is `order` (of all operations) explained, leaving out those of the mask `never`? */
static bool order_fits(const struct small *history,
                       const uint32_t *order,
                       uint32_t never,
                       const uint64_t *revisions)
{
    struct register_value now = {0};
    for (uint32_t i = 0; i < history->count; i++) {
        const struct lincheck_operation *operation = &history->operations[order[i]];
        if (never >> order[i] & 1) {
            continue;
        }
        for (uint32_t j = i + 1; j < history->count; j++) {
            const struct lincheck_operation *later = &history->operations[order[j]];
            if (!(never >> order[j] & 1) && later->outcome != LINCHECK_UNKNOWN &&
                later->returned < operation->invoked) {
                return false;
            }
        }
        if (!carry_out(operation, revisions[order[i]], &now)) {
            return false;
        }
    }
    return true;
}

static bool next_order(uint32_t *order, uint32_t count)
{
    uint32_t i = count - 1;
    while (i > 0 && order[i - 1] > order[i]) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    uint32_t j = count - 1;
    while (order[j] < order[i - 1]) {
        j--;
    }
    uint32_t swapped = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swapped;
    for (uint32_t low = i, high = count - 1; low < high; low++, high--) {
        swapped = order[low];
        order[low] = order[high];
        order[high] = swapped;
    }
    return true;
}

static bool
some_order_fits(const struct small *history, uint32_t never, const uint64_t *revisions)
{
    uint32_t order[OPERATIONS_MAX] = {0, 1, 2, 3, 4};
    do {
        if (order_fits(history, order, never, revisions)) {
            return true;
        }
    } while (next_order(order, history->count));
    return false;
}

/*
 * Revisions of unanswered writes: the digits of `choice`; each revision belongs to one
 * write.
 */
static bool
assign_revisions(const struct small *history, uint32_t choice, uint64_t *revisions)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct lincheck_operation *operation = &history->operations[i];
        revisions[i] = operation->revision;
        if (operation->kind == LINCHECK_PUT && operation->outcome == LINCHECK_UNKNOWN) {
            revisions[i] = 10 * (1 + choice % REVISIONS);
            choice /= REVISIONS;
        } else if (operation->outcome != LINCHECK_CREATED &&
                   operation->outcome != LINCHECK_UPDATED) {
            revisions[i] = 0;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (revisions[i] != 0 && revisions[j] == revisions[i]) {
                return false;
            }
        }
    }
    return choice == 0;
}

static bool twin_passes(const struct small *history)
{
    uint32_t unanswered = 0;
    uint32_t choices = 1;
    for (uint32_t i = 0; i < history->count; i++) {
        bool is_blind = history->operations[i].outcome == LINCHECK_UNKNOWN;
        unanswered |= (uint32_t)is_blind << i;
        choices *= is_blind ? REVISIONS : 1;
    }
    uint64_t revisions[OPERATIONS_MAX];
    for (uint32_t never = 0; never < 1u << history->count; never++) {
        if ((never & ~unanswered) != 0) {
            continue;
        }
        for (uint32_t choice = 0; choice < choices; choice++) {
            if (assign_revisions(history, choice, revisions) &&
                some_order_fits(history, never, revisions)) {
                return true;
            }
        }
    }
    return false;
}

/*
 * ---- histories
 * ---------------------------------------------------------------------------
 */

/* Claims at random from few values, so that a good part is linearizable by luck. */
static struct lincheck_operation draw_claim(uint64_t *seed, uint32_t index)
{
    struct lincheck_operation operation = {.id = index,
                                           .value = 1 + index,
                                           .version = NOT_TOLD};
    operation.kind = (uint32_t)(1 + draw(seed, 8) / 3);
    if (operation.kind == LINCHECK_PUT) {
        operation.outcome = (uint32_t)draw(seed, 3);
        operation.revision = 10 * operation.value;
        operation.version = draw(seed, 2) == 0 ? NOT_TOLD : 1 + draw(seed, 3);
        operation.condition = (uint32_t)draw(seed, 4);
        if (operation.condition != LINCHECK_ALWAYS && draw(seed, 3) == 0) {
            operation.outcome = LINCHECK_REFUSED;
            operation.revision = 10 * draw(seed, OPERATIONS_MAX);
        }
        operation.condition_revision = 10 * (1 + draw(seed, 3));
    } else if (operation.kind == LINCHECK_GET) {
        operation.outcome = draw(seed, 3) == 0 ? LINCHECK_ABSENT : LINCHECK_FOUND;
        operation.value = 1 + draw(seed, OPERATIONS_MAX);
        operation.revision = draw(seed, 4) == 0 ? NOT_TOLD : 10 * operation.value;
    } else {
        static const uint32_t outcomes[6] = {LINCHECK_UNKNOWN, LINCHECK_UNKNOWN,
                                             LINCHECK_DELETED, LINCHECK_DELETED,
                                             LINCHECK_ABSENT,  LINCHECK_REFUSED};
        operation.outcome = outcomes[draw(seed, 6)];
        operation.condition = draw(seed, 3) == 0 ? (uint32_t)draw(seed, 4) : 0;
        operation.condition_revision = 10 * (1 + draw(seed, 3));
        bool is_refused = operation.outcome == LINCHECK_REFUSED;
        operation.revision = is_refused ? 10 * draw(seed, OPERATIONS_MAX) : NOT_TOLD;
    }
    return operation;
}

static void draw_history(uint64_t *seed, struct small *history)
{
    history->count = 2 + (uint32_t)draw(seed, OPERATIONS_MAX - 1);
    uint64_t time = 0;
    uint32_t open = 0;
    for (uint32_t i = 0; i < history->count; i++) {
        history->operations[i] = draw_claim(seed, i);
        history->operations[i].invoked = ++time;
        open |= 1u << i;
        for (uint32_t j = 0; j <= i; j++) {
            if (open >> j & 1 && draw(seed, 2) == 0) {
                history->operations[j].returned = ++time;
                open &= ~(1u << j);
            }
        }
    }
    for (uint32_t j = 0; j < history->count; j++) {
        if (open >> j & 1) {
            history->operations[j].returned = ++time;
        }
    }
}

static void agrees_with_a_search_of_every_order(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    uint32_t passed = 0;
    for (uint64_t i = 1; i <= HISTORIES; i++) {
        struct small history;
        uint64_t seed = i;
        draw_history(&seed, &history);
        lincheck_clear(lincheck);
        for (uint32_t j = 0; j < history.count; j++) {
            lincheck_add(lincheck, &history.operations[j]);
        }
        bool expected = twin_passes(&history);
        bool found = lincheck_run(lincheck, 100000, &result) == LINCHECK_PASSED;
        if (expected != found) {
            fail_msg("history %d: twin says %d, search says %d", (int)i, expected, found);
        }
        passed += found;
    }
    // Neither sort may be so rare that the comparison says nothing.
    assert_true(passed > HISTORIES / 20 && passed < HISTORIES * 19 / 20);
    lincheck_destroy(&lincheck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_search_of_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
