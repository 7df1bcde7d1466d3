/*
 * The linearizability checker: small histories by hand, a dumb twin that tries every
 * order, and a thousand histories of each sort from seeds: good ones that must pass,
 * bad ones that must not.
 */
#include "lincheck/lincheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOT_TOLD LINCHECK_NOT_TOLD
#define BUDGET   1000000

enum { HISTORY_MAX = 400, CLIENTS = 5, HISTORIES = 1000 };

struct history {
    struct lincheck_operation operations[HISTORY_MAX];
    uint32_t count;
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t bits = *seed;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return (bits ^ (bits >> 31)) % below;
}

static enum lincheck_verdict verdict_of(const struct history *history)
{
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    for (uint32_t i = 0; i < history->count; i++) {
        lincheck_add(lincheck, &history->operations[i]);
    }
    enum lincheck_verdict verdict = lincheck_run(lincheck, BUDGET, &result);
    lincheck_destroy(&lincheck);
    return verdict;
}

/*
 * ---- by hand
 * ----------------------------------------------------------------------------
 */

static struct lincheck_operation
put(uint64_t invoked, uint64_t returned, uint64_t value, uint64_t version)
{
    return (struct lincheck_operation){
        .id = value,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_PUT,
        .outcome = version == 1 ? LINCHECK_CREATED : LINCHECK_UPDATED,
        .value = value,
        .revision = value * 10,
        .version = version,
    };
}

static struct lincheck_operation unanswered_put(uint64_t invoked, uint64_t value)
{
    struct lincheck_operation operation = put(invoked, 0, value, 1);
    operation.outcome = LINCHECK_UNKNOWN;
    operation.revision = NOT_TOLD;
    operation.version = NOT_TOLD;
    return operation;
}

static struct lincheck_operation get(uint64_t invoked, uint64_t returned, uint64_t value)
{
    return (struct lincheck_operation){
        .id = 1000 + invoked,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_GET,
        .outcome = value == 0 ? LINCHECK_ABSENT : LINCHECK_FOUND,
        .value = value,
        .revision = value * 10,
        .version = NOT_TOLD,
    };
}

static struct lincheck_operation erase(uint64_t invoked, uint64_t returned)
{
    return (struct lincheck_operation){
        .id = 2000 + invoked,
        .invoked = invoked,
        .returned = returned,
        .kind = LINCHECK_DELETE,
        .outcome = LINCHECK_DELETED,
        .revision = NOT_TOLD,
    };
}

#define ASSERT_VERDICT(verdict, ...)                                                     \
    do {                                                                                 \
        struct history history = {.operations = {__VA_ARGS__}};                          \
        const struct lincheck_operation list[] = {__VA_ARGS__};                          \
        history.count = sizeof list / sizeof list[0];                                    \
        assert_int_equal(verdict_of(&history), verdict);                                 \
    } while (0)

static void passes_an_empty_history(void **state)
{
    (void)state;
    struct history history = {.count = 0};
    assert_int_equal(verdict_of(&history), LINCHECK_PASSED);
}

static void lets_a_concurrent_read_see_either_value(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 6, 2, 2), get(4, 5, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 6, 2, 2), get(4, 5, 2));
}

static void flags_a_stale_read(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 2), get(5, 6, 1));
}

static void flags_reads_that_go_back_under_a_concurrent_write(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 9, 2, 2), get(4, 5, 2),
                   get(6, 7, 1));
}

static void lets_an_unanswered_write_act_late_or_never(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 1),
                   get(7, 8, 2));
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 2), get(5, 6, 2),
                   get(7, 8, 1));
}

static void flags_a_value_nobody_wrote(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), get(3, 4, 7));
}

static void flags_a_write_whose_version_skips_one(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 3));
}

static void explains_a_skipped_version_by_an_unanswered_write(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 9),
                   put(4, 5, 2, 3));
}

static void flags_a_deleted_value_that_comes_back(void **state)
{
    (void)state;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), erase(3, 4), get(5, 6, 1));
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), erase(3, 4), get(5, 6, 0));
}

static void tells_an_empty_value_from_no_value(void **state)
{
    (void)state;
    struct lincheck_operation empty = put(1, 2, 0, 1);
    empty.revision = 3;
    struct lincheck_operation found = get(3, 4, 0);
    found.outcome = LINCHECK_FOUND;
    found.revision = 3;
    ASSERT_VERDICT(LINCHECK_PASSED, empty, found);
    ASSERT_VERDICT(LINCHECK_VIOLATED, empty, get(3, 4, 0));
}

static void flags_two_swaps_of_one_revision(void **state)
{
    (void)state;
    struct lincheck_operation first = put(3, 4, 2, 2);
    struct lincheck_operation second = put(5, 6, 3, 2);
    first.condition = second.condition = LINCHECK_IF_REVISION;
    first.condition_revision = second.condition_revision = 10;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), first);
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), first, second);
}

static void takes_a_refusal_as_a_read_of_the_revision(void **state)
{
    (void)state;
    struct lincheck_operation refused = put(5, 6, 9, 1);
    refused.condition = LINCHECK_IF_ABSENT;
    refused.outcome = LINCHECK_REFUSED;
    refused.revision = 20;
    refused.version = 2;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), put(3, 4, 2, 2), refused);
    refused.revision = 10;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), put(3, 4, 2, 2), refused);
    // An unanswered write may be the one it found, unless a read names that one
    // otherwise.
    refused.revision = 33;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    refused.version = 3;
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    refused.version = NOT_TOLD;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), unanswered_put(3, 3), refused);
    ASSERT_VERDICT(LINCHECK_VIOLATED, put(1, 2, 1, 1), unanswered_put(3, 3), refused,
                   get(7, 8, 3));
}

static void decides_each_key_by_itself(void **state)
{
    (void)state;
    struct lincheck_operation other = get(3, 4, 0);
    other.key = 2;
    ASSERT_VERDICT(LINCHECK_PASSED, put(1, 2, 1, 1), other, get(5, 6, 1));
}

static void says_undecided_when_the_budget_ends(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    const struct lincheck_operation operations[] = {put(1, 2, 1, 1), put(3, 4, 2, 2),
                                                    get(5, 6, 2)};
    for (size_t i = 0; i < 3; i++) {
        lincheck_add(lincheck, &operations[i]);
    }
    assert_int_equal(lincheck_run(lincheck, 2, &result), LINCHECK_UNDECIDED);
    assert_int_equal(lincheck_run(lincheck, 3, &result), LINCHECK_PASSED);
    lincheck_destroy(&lincheck);
}

static void names_the_operation_no_order_explains(void **state)
{
    (void)state;
    struct lincheck *lincheck = lincheck_new();
    struct lincheck_result result;
    const struct lincheck_operation operations[] = {put(1, 2, 1, 1), put(3, 4, 2, 2),
                                                    get(5, 6, 1)};
    for (size_t i = 0; i < 3; i++) {
        lincheck_add(lincheck, &operations[i]);
    }
    assert_int_equal(lincheck_run(lincheck, BUDGET, &result), LINCHECK_VIOLATED);
    assert_int_equal(result.stuck_id, 1005);
    assert_int_equal(result.explained, 2);
    lincheck_destroy(&lincheck);
}

/*
 * ---- histories from seeds
 * ----------------------------------------------------------------
 */

struct model { // a correct server of one key
    bool is_present;
    uint64_t value;
    uint64_t revision;
    uint64_t version;
    uint64_t last_revision;
};

static bool model_holds(const struct model *model,
                        const struct lincheck_operation *operation)
{
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_ALWAYS:
        return true;
    case LINCHECK_IF_ABSENT:
        return !model->is_present;
    case LINCHECK_IF_EXISTS:
        return model->is_present;
    case LINCHECK_IF_REVISION:
        return model->is_present && model->revision == operation->condition_revision;
    }
    return false;
}

/* Carries `operation` out and writes the answer into it. */
static void model_apply(struct model *model, struct lincheck_operation *operation)
{
    if (!model_holds(model, operation)) {
        operation->outcome = LINCHECK_REFUSED;
    } else if (operation->kind == LINCHECK_PUT) {
        operation->outcome = model->is_present ? LINCHECK_UPDATED : LINCHECK_CREATED;
        model->version = model->is_present ? model->version + 1 : 1;
        model->is_present = true;
        model->value = operation->value;
        model->revision = ++model->last_revision;
    } else if (!model->is_present) {
        operation->outcome = LINCHECK_ABSENT;
    } else if (operation->kind == LINCHECK_DELETE) {
        operation->outcome = LINCHECK_DELETED;
        model->is_present = false;
        model->last_revision++;
    } else {
        operation->outcome = LINCHECK_FOUND;
        operation->value = model->value;
    }
    operation->revision = model->is_present ? model->revision : 0;
    operation->version = model->version;
}

static struct lincheck_operation
draw_operation(uint64_t *seed, const struct model *model, uint64_t id)
{
    struct lincheck_operation operation = {.id = id, .value = id};
    uint64_t kind = draw(seed, 10);
    operation.kind = kind < 4 ? LINCHECK_GET : kind < 9 ? LINCHECK_PUT : LINCHECK_DELETE;
    if (operation.kind == LINCHECK_PUT && draw(seed, 2) == 0) {
        operation.condition = (uint32_t)draw(seed, 4);
        operation.condition_revision = model->revision;
    }
    return operation;
}

/* Who is still waiting at the end never gets an answer. */
static void
abandon_open(struct history *history, const uint32_t *current, const uint32_t *phase)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (phase[i] != 0) {
            history->operations[current[i]].outcome = LINCHECK_UNKNOWN;
        }
    }
}

/* One key, five clients, each operation with a moment between its ends at which it acts; every
 * eighth write loses its answer and acts later, when its client has gone on, or never. */
static void make_good(uint64_t *seed, struct history *history, uint32_t count)
{
    struct model model = {0};
    uint32_t current[CLIENTS] = {0};
    uint32_t phase[CLIENTS] = {
        0}; // 0 idle, 1 invoked, 2 acted; its operation is current[]
    uint64_t time = 0;
    struct lincheck_operation late = {.outcome =
                                          LINCHECK_REFUSED}; // its outcome is UNKNOWN
    history->count = 0;                                      // while it may still act
    while (history->count < count) {
        if (late.outcome == LINCHECK_UNKNOWN && draw(seed, 20) == 0) {
            model_apply(&model, &late);
        }
        uint64_t client = draw(seed, CLIENTS);
        struct lincheck_operation *operation = &history->operations[current[client]];
        time++;
        if (phase[client] == 0) {
            current[client] = history->count++;
            operation = &history->operations[current[client]];
            *operation = draw_operation(seed, &model, history->count);
            operation->invoked = time;
        } else if (phase[client] == 1) {
            if (operation->kind != LINCHECK_GET && draw(seed, 8) == 0) {
                operation->outcome = LINCHECK_UNKNOWN;
                late = *operation;
            } else {
                model_apply(&model, operation);
            }
        } else {
            operation->returned = time;
        }
        phase[client] = (phase[client] + 1) % 3;
    }
    abandon_open(history, current, phase);
}

static bool is_put(const struct lincheck_operation *operation)
{
    return operation->outcome == LINCHECK_CREATED ||
           operation->outcome == LINCHECK_UPDATED;
}

static bool is_before(const struct lincheck_operation *left,
                      const struct lincheck_operation *right)
{
    return left->outcome != LINCHECK_UNKNOWN && left->returned < right->invoked;
}

static void see(struct lincheck_operation *read, const struct lincheck_operation *write)
{
    read->outcome = LINCHECK_FOUND;
    read->value = write->value;
    read->revision = write->revision;
    read->version = write->version;
}

enum spoiling {
    SPOIL_STALE_READ,
    SPOIL_LOST_UPDATE,
    SPOIL_DIRTY_READ,
    SPOIL_DUPLICATE,
    SPOIL_SPLIT_BRAIN,
    SPOIL_RESURRECTED_DELETE,
    SPOIL_ZERO_VALUE,
    SPOILINGS,
};

/*
 * Breaks the history by the facts write, then over (a change), then read; false: does
 * not fit.
 */
static bool spoil_with(enum spoiling spoiling,
                       struct lincheck_operation *write,
                       struct lincheck_operation *over,
                       struct lincheck_operation *read)
{
    switch (spoiling) {
    case SPOIL_STALE_READ:
        see(read, write);
        return is_put(over);
    case SPOIL_RESURRECTED_DELETE:
        see(read, write);
        return over->outcome == LINCHECK_DELETED;
    case SPOIL_DUPLICATE:
        see(read, write);
        read->revision += 1000;
        return true;
    case SPOIL_DIRTY_READ:
        see(read, write);
        read->value += 1000;
        return true;
    case SPOIL_ZERO_VALUE:
        see(read, write);
        read->value = 0;
        return true;
    case SPOIL_LOST_UPDATE:
        // A second swap of the revision that the first has already replaced.
        *read = (struct lincheck_operation){.id = read->id,
                                            .invoked = read->invoked,
                                            .returned = read->returned,
                                            .kind = LINCHECK_PUT,
                                            .condition = LINCHECK_IF_REVISION,
                                            .outcome = LINCHECK_UPDATED,
                                            .condition_revision = write->revision,
                                            .value = read->id,
                                            .revision = read->id + 1000,
                                            .version = write->version + 1};
        return is_put(over);
    case SPOIL_SPLIT_BRAIN:
    case SPOILINGS:
        return false;
    }
    return false;
}

/* Two halves that each believe in their own write, read in turns. */
static void split_brain(struct history *history)
{
    uint64_t time = 1;
    for (uint32_t i = 0; i < history->count; i++) {
        uint64_t returned = history->operations[i].returned;
        uint64_t invoked = history->operations[i].invoked;
        time = returned > time ? returned : time;
        time = invoked > time ? invoked : time;
    }
    struct lincheck_operation *end = &history->operations[history->count];
    struct lincheck_operation left = put(time + 1, time + 3, 5001, NOT_TOLD);
    struct lincheck_operation right = put(time + 2, time + 4, 5002, NOT_TOLD);
    left.outcome = LINCHECK_UPDATED;
    right.outcome = LINCHECK_UPDATED;
    end[0] = left;
    end[1] = right;
    end[2] = get(time + 5, time + 6, 5001);
    end[3] = get(time + 7, time + 8, 5002);
    end[4] = get(time + 9, time + 10, 5001);
    history->count += 5;
}

static bool spoil_at(struct history *history, enum spoiling spoiling, uint32_t at)
{
    struct lincheck_operation *read = &history->operations[at];
    struct lincheck_operation original = *read;
    if (read->kind != LINCHECK_GET || read->outcome == LINCHECK_UNKNOWN) {
        return false;
    }
    for (uint32_t i = 0; i < at; i++) {
        struct lincheck_operation *write = &history->operations[i];
        for (uint32_t j = i + 1; is_put(write) && j < at; j++) {
            struct lincheck_operation *over = &history->operations[j];
            bool is_change = is_put(over) || over->outcome == LINCHECK_DELETED;
            if (is_change && is_before(write, over) && is_before(over, read)) {
                if (spoil_with(spoiling, write, over, read)) {
                    return true;
                }
                *read = original;
            }
        }
    }
    return false;
}

static void make_bad(uint64_t *seed, struct history *history, enum spoiling spoiling)
{
    for (int tries = 0; tries < 1000; tries++) {
        make_good(seed, history, 30 + (uint32_t)draw(seed, 100));
        if (spoiling == SPOIL_SPLIT_BRAIN) {
            split_brain(history);
            return;
        }
        uint32_t first = (uint32_t)draw(seed, history->count);
        for (uint32_t i = first; i < history->count; i++) {
            if (spoil_at(history, spoiling, i)) {
                return;
            }
        }
    }
    fail_msg("no history could be spoilt as %d", (int)spoiling);
}

static void passes_a_thousand_good_histories(void **state)
{
    (void)state;
    static struct history history;
    for (uint64_t i = 1; i <= HISTORIES; i++) {
        uint64_t seed = i;
        make_good(&seed, &history, 20 + (uint32_t)draw(&seed, 200));
        enum lincheck_verdict verdict = verdict_of(&history);
        if (verdict != LINCHECK_PASSED) {
            fail_msg("good history %d: %s", (int)i, lincheck_verdict_name(verdict));
        }
    }
}

static void flags_a_thousand_bad_histories_of_seven_sorts(void **state)
{
    (void)state;
    static struct history history;
    for (uint64_t i = 1; i <= HISTORIES; i++) {
        uint64_t seed = i;
        enum spoiling spoiling = (enum spoiling)(i % SPOILINGS);
        make_bad(&seed, &history, spoiling);
        enum lincheck_verdict verdict = verdict_of(&history);
        if (verdict != LINCHECK_VIOLATED) {
            fail_msg("bad history %d of sort %d: %s", (int)i, (int)spoiling,
                     lincheck_verdict_name(verdict));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_an_empty_history),
        cmocka_unit_test(lets_a_concurrent_read_see_either_value),
        cmocka_unit_test(flags_a_stale_read),
        cmocka_unit_test(flags_reads_that_go_back_under_a_concurrent_write),
        cmocka_unit_test(lets_an_unanswered_write_act_late_or_never),
        cmocka_unit_test(flags_a_value_nobody_wrote),
        cmocka_unit_test(flags_a_write_whose_version_skips_one),
        cmocka_unit_test(explains_a_skipped_version_by_an_unanswered_write),
        cmocka_unit_test(flags_a_deleted_value_that_comes_back),
        cmocka_unit_test(tells_an_empty_value_from_no_value),
        cmocka_unit_test(flags_two_swaps_of_one_revision),
        cmocka_unit_test(takes_a_refusal_as_a_read_of_the_revision),
        cmocka_unit_test(decides_each_key_by_itself),
        cmocka_unit_test(says_undecided_when_the_budget_ends),
        cmocka_unit_test(names_the_operation_no_order_explains),
        cmocka_unit_test(passes_a_thousand_good_histories),
        cmocka_unit_test(flags_a_thousand_bad_histories_of_seven_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
