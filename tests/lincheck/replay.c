#include "lincheck/fast_parts.h"

struct replayed { // one key at one revision
    bool is_present;
    uint64_t revision; // 0: of a write that nobody tells of
    uint64_t version;  // 0: not told
    uint64_t since;    // the state is not older
    size_t from;       // who made it, or tells of it; NOBODY: the empty store
};

struct wanted { // of the state that an operation met
    bool is_present;
    uint64_t version; // 0: any
    uint64_t before;  // it was there before this revision
    size_t by;
};

static bool
replay_change(struct fast *fast, struct replayed *state, const struct change *change);
static bool
replay_read(struct fast *fast, struct replayed *state, size_t at, uint64_t seen);

bool fast_replay(struct fast *fast)
{
    struct replayed state = {.from = NOBODY};
    bool is_good = true;
    for (size_t i = 0; is_good && i < fast->event_count; i++) {
        const struct event *event = &fast->events[i];
        if (i > 0 && event->key != fast->events[i - 1].key) {
            state = (struct replayed){.from = NOBODY};
        }
        is_good = event->turn == 0
                      ? replay_change(fast, &state, &fast->changes[event->at])
                      : replay_read(fast, &state, event->at, event->seen);
    }
    return is_good;
}

/*
 * ---- what nobody tells of, and yet must have happened
 * --------------------------------------
 */

/* Whoever invoked later cannot have taken effect before `revision`. */
static uint64_t deadline_of(const struct fast *fast, uint64_t revision)
{
    size_t low = 0;
    size_t high = fast->deadline_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fast->deadlines[middle].seen < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < fast->deadline_count ? fast->deadlines[low].time : UINT64_MAX;
}

static size_t end_of_supplies(const struct fast *fast, uint64_t key, uint64_t time)
{
    size_t low = 0;
    size_t high = fast->supply_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct supply *supply = &fast->supplies[middle];
        if (supply->key < key || (supply->key == key && supply->invoked <= time)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The last one invoked in time: so the earlier ones are left for those with less time. */
static bool use_up(struct fast *fast, uint64_t key, uint32_t kind, uint64_t revision)
{
    size_t end = end_of_supplies(fast, key, deadline_of(fast, revision));
    while (end > 0 && fast->supplies[end - 1].key == key) {
        struct supply *supply = &fast->supplies[--end];
        if (!supply->is_used && supply->kind == kind) {
            supply->is_used = true;
            return true;
        }
    }
    return false;
}

static size_t changes_below(const struct fast *fast, uint64_t revision)
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
    return low;
}

/* Revisions after `after` and before `before` that nobody tells of. */
static uint64_t gap_of(const struct fast *fast, uint64_t after, uint64_t before)
{
    if (before <= after + 1) {
        return 0;
    }
    size_t taken = changes_below(fast, before) - changes_below(fast, after + 1);
    return before - after - 1 - taken;
}

struct missing {
    uint64_t puts;
    uint64_t deletes;
};

static struct missing missing_for(const struct replayed *state,
                                  const struct wanted *wanted)
{
    struct missing missing = {0};
    if (!wanted->is_present) {
        missing.deletes = state->is_present ? 1 : 0;
    } else if (!state->is_present) {
        missing.puts = wanted->version == 0 ? 1 : wanted->version;
    } else if (wanted->version == 0 || state->version == 0) {
        return missing;
    } else if (wanted->version >= state->version) {
        missing.puts = wanted->version - state->version;
    } else {
        missing.deletes = 1;
        missing.puts = wanted->version;
    }
    return missing;
}

static const char *sentence_for(const struct replayed *state, const struct wanted *wanted)
{
    if (!wanted->is_present) {
        return "a key is absent that no write can have deleted";
    }
    return state->is_present ? "a version counts writes that cannot have been"
                             : "a key is present that no write can have made";
}

/* Brings the key to the wanted state by writes without an answer, if it takes any. */
static bool reach(struct fast *fast, struct replayed *state, const struct wanted *wanted)
{
    struct missing missing = missing_for(state, wanted);
    uint64_t count = missing.puts + missing.deletes;
    uint64_t key = fast->operations[wanted->by].key;
    bool is_possible = count <= fast->supply_count &&
                       count <= gap_of(fast, state->since, wanted->before);
    for (uint64_t i = 0; is_possible && i < count; i++) {
        uint32_t kind = i < missing.puts ? LINCHECK_PUT : LINCHECK_DELETE;
        is_possible = use_up(fast, key, kind, wanted->before - 1);
    }
    if (!is_possible) {
        return fast_fail(fast, sentence_for(state, wanted), wanted->before - 1,
                         wanted->by, state->from);
    }
    if (count > 0) {
        state->revision = 0;
        state->since += count;
        state->from = wanted->by;
    }
    if (count > 0 || wanted->version != 0) {
        state->version = wanted->version;
    }
    state->is_present = wanted->is_present;
    return true;
}

/*
 * ---- events
 * ------------------------------------------------------------------------------
 */

static uint64_t version_or_zero(const struct lincheck_operation *operation)
{
    return operation->version == LINCHECK_NOT_TOLD ? 0 : operation->version;
}

/* It saw exactly that revision of the key. */
static bool
stands_at(struct fast *fast, const struct replayed *state, uint64_t revision, size_t by)
{
    if (state->is_present && state->revision == revision) {
        return true;
    }
    return fast_fail(fast,
                     state->is_present ? "it met a revision of the key that was replaced"
                                       : "it met a revision of the key that was deleted",
                     revision, by, state->from);
}

/* A write that succeeded: did its condition hold? */
static bool condition_held(struct fast *fast, const struct replayed *state, size_t at)
{
    const struct lincheck_operation *write = &fast->operations[at];
    switch ((enum lincheck_condition)write->condition) {
    case LINCHECK_ALWAYS:
        return true;
    case LINCHECK_IF_ABSENT:
        return !state->is_present ||
               fast_fail(fast, "a write took effect on a key that had to be absent",
                         write->seen, at, state->from);
    case LINCHECK_IF_EXISTS:
        return state->is_present ||
               fast_fail(fast, "a write took effect on a key that had to exist",
                         write->seen, at, state->from);
    case LINCHECK_IF_REVISION:
        return stands_at(fast, state, write->condition_revision, at);
    }
    return false;
}

static bool
replay_answered(struct fast *fast, struct replayed *state, const struct change *change)
{
    size_t at = change->operation;
    const struct lincheck_operation *write = &fast->operations[at];
    bool creates = write->outcome == LINCHECK_CREATED;
    uint64_t version = write->kind == LINCHECK_PUT ? version_or_zero(write) : 0;
    if ((creates && version > 1) || (!creates && version == 1)) {
        return fast_fail(fast, "an answer tells a version that does not fit it",
                         change->revision, at, NOBODY);
    }
    const struct wanted wanted = {.is_present = !creates,
                                  .version = version > 1 ? version - 1 : 0,
                                  .before = change->revision,
                                  .by = at};
    if (!reach(fast, state, &wanted) || !condition_held(fast, state, at)) {
        return false;
    }
    uint64_t counted = state->version == 0 ? 0 : state->version + 1;
    *state = (struct replayed){.is_present = write->kind == LINCHECK_PUT,
                               .revision = change->revision,
                               .version = creates ? 1 : counted,
                               .since = change->revision,
                               .from = at};
    return true;
}

/* A write without an answer that others tell of. */
static bool
replay_told(struct fast *fast, struct replayed *state, const struct change *change)
{
    const struct lincheck_operation *witness = &fast->operations[change->witness];
    uint64_t version =
        witness->kind == LINCHECK_GET || witness->outcome == LINCHECK_REFUSED
            ? version_or_zero(witness)
            : 0;
    if (version != 0) {
        const struct wanted wanted = {.is_present = version > 1,
                                      .version = version - 1,
                                      .before = change->revision,
                                      .by = change->witness};
        if (!reach(fast, state, &wanted)) {
            return false;
        }
    }
    if (change->operation == NOBODY &&
        !use_up(fast, change->key, LINCHECK_PUT, change->revision)) {
        return fast_fail(fast, "a revision is told that no write can have made",
                         change->revision, change->witness, state->from);
    }
    *state = (struct replayed){.is_present = true,
                               .revision = change->revision,
                               .version = version,
                               .since = change->revision,
                               .from = change->operation == NOBODY ? change->witness
                                                                   : change->operation};
    return true;
}

static bool
replay_change(struct fast *fast, struct replayed *state, const struct change *change)
{
    bool is_answered = change->operation != NOBODY &&
                       fast->operations[change->operation].outcome != LINCHECK_UNKNOWN;
    return is_answered ? replay_answered(fast, state, change)
                       : replay_told(fast, state, change);
}

/* Could that condition refuse a write that met this? */
static bool may_refuse(const struct lincheck_operation *refused)
{
    switch ((enum lincheck_condition)refused->condition) {
    case LINCHECK_ALWAYS:
        return false;
    case LINCHECK_IF_ABSENT:
        return refused->revision != 0;
    case LINCHECK_IF_EXISTS:
        return refused->revision == 0;
    case LINCHECK_IF_REVISION:
        return refused->revision == 0 || refused->revision != refused->condition_revision;
    }
    return false;
}

static bool may_be_absent(const struct lincheck_operation *operation)
{
    return operation->outcome != LINCHECK_ABSENT ||
           (operation->condition != LINCHECK_IF_EXISTS &&
            operation->condition != LINCHECK_IF_REVISION);
}

static bool
replay_read(struct fast *fast, struct replayed *state, size_t at, uint64_t seen)
{
    const struct lincheck_operation *read = &fast->operations[at];
    bool is_refused = read->outcome == LINCHECK_REFUSED;
    if ((is_refused && !may_refuse(read)) || !may_be_absent(read)) {
        return fast_fail(fast, "a condition was judged wrongly", seen, at, state->from);
    }
    bool is_absent =
        read->outcome == LINCHECK_ABSENT || (is_refused && read->revision == 0);
    if (is_absent) {
        const struct wanted wanted = {.before = seen + 1, .by = at};
        return reach(fast, state, &wanted);
    }
    if (!stands_at(fast, state, read->revision, at)) {
        return false;
    }
    uint64_t version = version_or_zero(read);
    if (version != 0 && state->version != 0 && version != state->version) {
        return fast_fail(fast, "a revision is seen with another version", seen, at,
                         state->from);
    }
    return true;
}
