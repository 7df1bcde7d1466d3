#include "lincheck/lincheck.h"

#include "base/check.h"
#include "lincheck/parts.h"

#include <stdlib.h>

struct search {
    struct register_state state;
    uint32_t holder; // of the state, if others speak of it
    struct memory_hash set;
    uint32_t depth;
    uint32_t waiting;    // returned operations not yet in order
    uint32_t tried_turn; // NO_TURN: nothing tried at this depth yet
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

/* The holder afterwards; *out_spent: the one that this step was the first to meet. */
static uint32_t holder_after(const struct lincheck *lincheck,
                             const struct search *search,
                             uint32_t operation,
                             uint32_t *out_spent)
{
    const struct lincheck_operation *taken = &lincheck->key[operation];
    uint32_t met = lincheck->meets[operation];
    *out_spent = met != NO_HOLDER && met != search->holder ? met : NO_HOLDER;
    if (register_is_pure(taken)) {
        return met != NO_HOLDER ? met : search->holder;
    }
    bool is_known_put = taken->kind == LINCHECK_PUT && !lincheck->is_anonymous[operation];
    return is_known_put ? operation : NO_HOLDER;
}

/* Reads and refusals are guests of the state they meet. */
static bool is_guest(const struct lincheck *lincheck, uint32_t operation)
{
    return lincheck->meets[operation] != NO_HOLDER &&
           register_is_pure(&lincheck->key[operation]);
}

static void take_step(struct lincheck *lincheck,
                      struct search *search,
                      uint32_t operation,
                      const struct register_state *after,
                      uint32_t turn)
{
    struct frame *frame = &lincheck->frames[search->depth++];
    *frame = (struct frame){.before = search->state,
                            .holder_before = search->holder,
                            .operation = operation,
                            .turn = turn,
                            .is_forced = turn == NO_TURN};
    search->holder = holder_after(lincheck, search, operation, &frame->spent);
    if (frame->spent != NO_HOLDER) {
        lincheck->holders[frame->spent].is_spent = true;
    }
    if (is_guest(lincheck, operation)) {
        lincheck->holders[lincheck->meets[operation]].guests--;
    }
    search->state = *after;
    search->tried_turn = NO_TURN;
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
    if (is_guest(lincheck, operation)) {
        lincheck->holders[lincheck->meets[operation]].guests++;
    }
    if (frame->spent != NO_HOLDER) {
        lincheck->holders[frame->spent].is_spent = false;
    }
    search->state = frame->before;
    search->holder = frame->holder_before;
    search->tried_turn = frame->turn;
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

/* The step of the register, without the versions that nobody tells. */
static bool step(const struct lincheck *lincheck,
                 uint32_t operation,
                 const struct register_state *state,
                 struct register_state *out_after)
{
    bool can =
        register_step(&lincheck->revisions, &lincheck->key[operation], state, out_after);
    if (!lincheck->tells_versions) {
        out_after->version = 0;
    }
    return can;
}

static bool is_same_state(const struct register_state *left,
                          const struct register_state *right)
{
    return left->is_present == right->is_present && left->value == right->value &&
           left->revision == right->revision && left->version == right->version;
}

/* The state of a named revision is there once. */
static bool meets_its_holder(const struct lincheck *lincheck,
                             const struct search *search,
                             uint32_t operation)
{
    uint32_t met = lincheck->meets[operation];
    if (met == NO_HOLDER || met == search->holder) {
        return true;
    }
    // Else it is the nameless state that turns out to have this revision.
    const struct holder *holder = &lincheck->holders[met];
    return met >= lincheck->key_count && !holder->is_spent &&
           (is_guest(lincheck, operation) || holder->guests == 0);
}

/* No read or refusal still needs the state that this write replaces, and no other write. */
static bool may_replace(const struct lincheck *lincheck,
                        const struct search *search,
                        uint32_t operation)
{
    if (search->holder == NO_HOLDER || register_is_pure(&lincheck->key[operation])) {
        return true;
    }
    const struct holder *holder = &lincheck->holders[search->holder];
    return holder->guests == 0 &&
           (holder->swap == NO_OPERATION || holder->swap == operation);
}

/* The last step, if it was an anonymous write: NULL if not. */
static const struct frame *anonymous_step(const struct lincheck *lincheck,
                                          const struct search *search)
{
    if (search->depth == 0) {
        return NULL;
    }
    const struct frame *last = &lincheck->frames[search->depth - 1];
    return lincheck->is_anonymous[last->operation] ? last : NULL;
}

/*
 * Can `operation` come next, and must such an order be looked at? Not if it would come to
 * the same without the anonymous write before it: then an order without that one does too.
 */
static bool may_take(const struct lincheck *lincheck,
                     const struct search *search,
                     uint32_t operation,
                     struct register_state *out_after)
{
    if (!step(lincheck, operation, &search->state, out_after) ||
        !meets_its_holder(lincheck, search, operation) ||
        !may_replace(lincheck, search, operation)) {
        return false;
    }
    const struct frame *anonymous = anonymous_step(lincheck, search);
    struct register_state without;
    return anonymous == NULL ||
           !step(lincheck, operation, &anonymous->before, &without) ||
           !is_same_state(&without, out_after);
}

/* Lower: of less use at another time. */
static uint32_t usefulness_of(const struct lincheck_operation *operation)
{
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_IF_REVISION:
        return 0;
    case LINCHECK_IF_ABSENT:
    case LINCHECK_IF_EXISTS:
        return 1;
    case LINCHECK_ALWAYS:
        return 2;
    }
    return 2;
}

/* Both may act in `state`: is `other` the one to be spent? */
static bool stands_in(const struct lincheck_operation *other,
                      const struct lincheck_operation *operation,
                      const struct register_state *state,
                      bool is_earlier)
{
    uint32_t usefulness = usefulness_of(operation);
    uint32_t other_usefulness = usefulness_of(other);
    bool is_nameless = state->is_present && state->revision == LINCHECK_NOT_TOLD;
    if (other->kind != operation->kind) {
        return false;
    }
    if (is_nameless && (usefulness == 0 || other_usefulness == 0)) {
        // What it would name the state is a difference.
        bool is_same = other->condition_revision == operation->condition_revision;
        return usefulness == other_usefulness && is_same && is_earlier;
    }
    return other_usefulness < usefulness ||
           (other_usefulness == usefulness && is_earlier);
}

/*
 * Of anonymous operations that may act now with the same effect one stands for the others:
 * the least useful later, then the first invoked. Else k of them make 2^k sets of no
 * difference.
 */
static bool has_stand_in(const struct lincheck *lincheck,
                         const struct search *search,
                         uint32_t candidate)
{
    const struct register_state *state = &search->state;
    bool is_earlier = true;
    struct register_state ignored;
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        uint32_t other = lincheck->entries[at].operation;
        at = lincheck->entries[at].next;
        if (other == candidate) {
            is_earlier = false;
        } else if (lincheck->is_anonymous[other] &&
                   stands_in(&lincheck->key[other], &lincheck->key[candidate], state,
                             is_earlier) &&
                   may_take(lincheck, search, other, &ignored)) {
            return true;
        }
    }
    return false;
}

/* The write of the lowest rank that may come now: in a good history it comes next, of
 * those that are known. */
static uint32_t find_leading(const struct lincheck *lincheck)
{
    uint32_t best = NO_OPERATION;
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        uint32_t candidate = lincheck->entries[at].operation;
        if (!lincheck->is_anonymous[candidate] &&
            !register_is_pure(&lincheck->key[candidate]) &&
            (best == NO_OPERATION || lincheck->rank[candidate] < lincheck->rank[best])) {
            best = candidate;
        }
        at = lincheck->entries[at].next;
    }
    return best;
}

/*
 * In which turn a candidate is tried: the leading write, then refusals that give the state a
 * revision before its own, then anonymous writes that make way for it, then other anonymous
 * ones, then the rest. A hint where to look first, no more.
 */
static uint32_t turn_of(const struct lincheck *lincheck,
                        uint32_t candidate,
                        uint32_t leading,
                        const struct register_state *after)
{
    struct register_state ignored;
    uint32_t rank = lincheck->rank[candidate];
    if (candidate == leading || leading == NO_OPERATION) {
        return rank;
    }
    if (!lincheck->is_anonymous[candidate]) {
        bool names_state =
            register_is_pure(&lincheck->key[candidate]) && rank < lincheck->rank[leading];
        return (names_state ? 1 : 4) * lincheck->key_count + rank;
    }
    bool makes_way = step(lincheck, leading, after, &ignored);
    return (makes_way ? 2 : 3) * lincheck->key_count + rank;
}

/* The possible next operation whose turn comes first after the one tried last. */
static uint32_t find_next(const struct lincheck *lincheck,
                          const struct search *search,
                          struct register_state *out_after,
                          uint32_t *out_turn)
{
    uint32_t best = NO_OPERATION;
    uint32_t leading = find_leading(lincheck);
    struct register_state after;
    *out_turn = NO_TURN;
    // Its turn is first, so most steps need not look at the others.
    if (leading != NO_OPERATION && search->tried_turn == NO_TURN &&
        may_take(lincheck, search, leading, out_after)) {
        *out_turn = lincheck->rank[leading];
        return leading;
    }
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    while (at != lincheck->entry_count && !lincheck->entries[at].is_return) {
        uint32_t candidate = lincheck->entries[at].operation;
        at = lincheck->entries[at].next;
        if (!may_take(lincheck, search, candidate, &after) ||
            (lincheck->is_anonymous[candidate] &&
             has_stand_in(lincheck, search, candidate))) {
            continue;
        }
        uint32_t turn = turn_of(lincheck, candidate, leading, &after);
        bool is_new = search->tried_turn == NO_TURN || turn > search->tried_turn;
        if (is_new && turn < *out_turn) {
            *out_turn = turn;
            best = candidate;
            *out_after = after;
        }
    }
    return best;
}

/*
 * Whom no order explains here: a read or refusal that still needs this state while others
 * want to go on, else who should have taken effect first.
 */
static uint32_t find_stuck(const struct lincheck *lincheck, const struct search *search)
{
    uint32_t at = lincheck->entries[lincheck->entry_count].next;
    bool has_guests =
        search->holder != NO_HOLDER && lincheck->holders[search->holder].guests > 0;
    while (at != lincheck->entry_count) {
        const struct entry *entry = &lincheck->entries[at];
        bool is_it = has_guests ? is_guest(lincheck, entry->operation) &&
                                      lincheck->meets[entry->operation] == search->holder
                                : entry->is_return;
        if (is_it) {
            return entry->operation;
        }
        at = entry->next;
    }
    return NO_OPERATION;
}

static void note_progress(const struct lincheck *lincheck,
                          const struct search *search,
                          struct lincheck_result *result)
{
    if (search->depth < result->explained) {
        return;
    }
    result->explained = search->depth;
    uint32_t stuck = find_stuck(lincheck, search);
    if (stuck != NO_OPERATION) {
        result->stuck_id = lincheck->key[stuck].id;
    }
}

/* What may follow an anonymous write depends on the state before it (may_take). */
static bool is_new_ground(struct lincheck *lincheck,
                          const struct search *search,
                          uint32_t next,
                          const struct register_state *after)
{
    struct memory_hash set = search->set;
    toggle(&set, next);
    if (lincheck->is_anonymous[next]) {
        set = memory_mix(set, &search->state);
    }
    return memory_add(&lincheck->memory, set, after);
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
            search->tried_turn == NO_TURN ? find_pure(lincheck, search) : NO_OPERATION;
        if (next != NO_OPERATION) {
            take_step(lincheck, search, next, &search->state, NO_TURN);
            continue;
        }
        uint32_t turn = NO_TURN;
        next = find_next(lincheck, search, &after, &turn);
        if (next == NO_OPERATION) {
            note_progress(lincheck, search, result);
            if (!go_back(lincheck, search)) {
                return LINCHECK_VIOLATED;
            }
            continue;
        }
        if (is_new_ground(lincheck, search, next, &after)) {
            take_step(lincheck, search, next, &after, turn);
        } else {
            search->tried_turn = turn;
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
    const struct lincheck_operation *impossible =
        prepare_key(lincheck, operations, count);
    memory_clear(&lincheck->memory);
    struct search search = {.tried_turn = NO_TURN, .holder = NO_HOLDER};
    for (uint32_t i = 0; i < count; i++) {
        search.waiting += operations[i].outcome != LINCHECK_UNKNOWN;
    }
    result->key = operations[0].key;
    result->explained = 0;
    result->operation_count = count;
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
    struct lincheck *lincheck = calloc(1, sizeof *lincheck);
    CHECK(lincheck != NULL);
    memory_init(&lincheck->memory);
    return lincheck;
}

void lincheck_destroy(struct lincheck **lincheck)
{
    prepare_fini(*lincheck);
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

const struct lincheck_operation *lincheck_operations(const struct lincheck *lincheck)
{
    return lincheck->operations;
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
