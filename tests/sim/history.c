#include "sim/world.h"

#include "base/check.h"
#include "lincheck/fast.h"

#include <stdlib.h>

#define NOBODY UINT32_MAX

enum {
    SEARCH_STEPS_MAX = 40000000, // of one key: past it "undecided", which is a failure
    REVISIONS_MAX = 1000000,     // an answer above it is nonsense
    VALUE_MAGIC = 0x51,
};

void history_reset(struct history *history)
{
    history->count = 0;
    history->order = 0;
    history->acked_revision = 0;
    for (size_t i = 0; i < history->fact_count; i++) {
        history->facts[i] = (struct key_fact){0};
    }
    history->fact_count = 0;
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        history->key_revision[i] = 0;
    }
    if (history->lincheck == NULL) {
        history->lincheck = lincheck_new();
    }
    lincheck_clear(history->lincheck);
}

void history_fini(struct history *history)
{
    free(history->operations);
    free(history->facts);
    lincheck_destroy(&history->lincheck);
    *history = (struct history){0};
}

uint32_t history_add(struct history *history, const struct operation *operation)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity * 2 + 512;
        history->operations =
            realloc(history->operations, history->capacity * sizeof *history->operations);
        CHECK(history->operations != NULL);
    }
    history->operations[history->count] = *operation;
    return history->count++;
}

/*
 * ---- values
 * -------------------------------------------------------------------------------
 */

/* Value = number of its put (4 bytes), then a pattern that depends on it. */
void history_make_value(struct cs_buffer *out, uint32_t operation, uint32_t bytes)
{
    CHECK(bytes >= 4);
    uint8_t *at = buffer_extend(out, bytes);
    store_u32(at, operation);
    memset(at + 4, (int)(VALUE_MAGIC ^ (operation & 0x7f)), bytes - 4);
}

uint32_t history_put_of(const struct history *history, uint32_t key, struct cs_view value)
{
    if (value.bytes < 4) {
        return NOBODY;
    }
    uint32_t index = load_u32(value.data);
    if (index >= history->count) {
        return NOBODY;
    }
    const struct operation *put = &history->operations[index];
    if (put->kind != REQUEST_WRITE || put->operation != COMMAND_PUT || put->key != key ||
        put->value_bytes != value.bytes) {
        return NOBODY;
    }
    for (size_t i = 4; i < value.bytes; i++) {
        if (value.data[i] != (VALUE_MAGIC ^ (index & 0x7f))) {
            return NOBODY;
        }
    }
    return index;
}

/*
 * ---- one answer
 * ---------------------------------------------------------------------------
 */

static bool is_executed(const struct operation *operation)
{
    enum cs_status status = operation->status;
    return operation->is_answered &&
           (status == CS_OK || status == CS_CREATED || status == CS_UPDATED ||
            status == CS_DELETED || status == CS_NOT_FOUND || status == CS_PRECONDITION);
}

static bool is_certainly_not_applied(const struct world *world,
                                     const struct operation *operation)
{
    if (operation->session != 0) {
        return sessions_is_void(world, operation);
    }
    return operation->is_answered && !is_executed(operation) &&
           status_applied(operation->status) == CS_APPLIED_NO;
}

static bool has_changed(const struct operation *operation)
{
    return operation->is_answered &&
           (operation->status == CS_CREATED || operation->status == CS_UPDATED ||
            operation->status == CS_DELETED);
}

/* I14: a put has one effect, however often it was sent. */
static void note_made(struct world *world, struct node *node, const struct key_fact *fact)
{
    if (fact->operation == NOBODY) {
        return; // a delete, or a put that a HEAD does not name
    }
    struct operation *put = &world->history.operations[fact->operation];
    if (put->made_revision == 0) {
        put->made_revision = fact->revision;
    } else if (put->made_revision != fact->revision) {
        report_fail(world, "I14", node, 0, NO_BALLOT,
                    "#%u made revision %llu and revision %llu", fact->operation,
                    (unsigned long long)put->made_revision,
                    (unsigned long long)fact->revision);
    }
}

/* Everything ever told of a revision must be one story. */
static void note_fact(struct world *world, struct node *node, const struct key_fact *fact)
{
    struct history *history = &world->history;
    if (fact->revision == 0 || fact->revision > REVISIONS_MAX) {
        report_fail(world, "I12", node, 0, NO_BALLOT, "an answer names revision %llu",
                    (unsigned long long)fact->revision);
        return;
    }
    size_t at = (size_t)fact->revision;
    if (at >= history->fact_capacity) {
        size_t capacity = at * 2 + 1024;
        history->facts = realloc(history->facts, capacity * sizeof *history->facts);
        CHECK(history->facts != NULL);
        memset(history->facts + history->fact_capacity, 0,
               (capacity - history->fact_capacity) * sizeof *history->facts);
        history->fact_capacity = capacity;
    }
    history->fact_count = at >= history->fact_count ? at + 1 : history->fact_count;
    note_made(world, node, fact);
    struct key_fact *known = &history->facts[at];
    bool is_named = known->operation != NOBODY && fact->operation != NOBODY;
    if (known->revision == 0) {
        *known = *fact;
    } else if (known->key == fact->key && known->is_delete == fact->is_delete &&
               known->version == fact->version &&
               (!is_named || known->operation == fact->operation)) {
        known->operation =
            known->operation != NOBODY ? known->operation : fact->operation;
    } else {
        report_fail(
            world, "I12", node, 0, NO_BALLOT,
            "revision %llu is k%u #%u version %llu in one answer, k%u #%u version "
            "%llu in another",
            (unsigned long long)fact->revision, known->key, known->operation,
            (unsigned long long)known->version, fact->key, fact->operation,
            (unsigned long long)fact->version);
    }
}

static void note_read(struct world *world,
                      struct node *node,
                      struct operation *operation,
                      struct cs_view value)
{
    uint32_t put = history_put_of(&world->history, operation->key, value);
    if (put == NOBODY) {
        report_fail(world, "I12", node, 0, NO_BALLOT,
                    "a read of k%u gives bytes that nobody wrote", operation->key);
        return;
    }
    struct operation *writer = &world->history.operations[put];
    operation->value = put;
    writer->was_seen = true;
    if (is_certainly_not_applied(world, writer)) {
        report_fail(world, "I15", node, 0, NO_BALLOT,
                    "#%u was answered %s (not applied), and k%u holds its value", put,
                    status_word(writer->status), operation->key);
    }
    const struct key_fact fact = {.revision = operation->item_revision,
                                  .version = operation->version,
                                  .key = operation->key,
                                  .operation = put};
    note_fact(world, node, &fact);
}

/* Of a key without its value: which put it was, others may tell. */
static void
note_head(struct world *world, struct node *node, const struct operation *operation)
{
    const struct key_fact fact = {.revision = operation->item_revision,
                                  .version = operation->version,
                                  .key = operation->key,
                                  .operation = NOBODY};
    note_fact(world, node, &fact);
}

static void
note_write(struct world *world, struct node *node, const struct operation *operation)
{
    uint32_t index = operation->first;
    bool is_delete = operation->operation == COMMAND_DELETE;
    const struct key_fact fact = {.revision = is_delete ? operation->revision
                                                        : operation->item_revision,
                                  .version = is_delete ? 0 : operation->version,
                                  .key = operation->key,
                                  .operation = is_delete ? NOBODY : index,
                                  .is_delete = is_delete};
    note_fact(world, node, &fact);
    world->stats->operations_written++;
    judge_acked(world, node);
    if (!is_delete && operation->revision != operation->item_revision) {
        report_fail(world, "I12", node, 0, NO_BALLOT, "#%u made revision %llu and %llu",
                    index, (unsigned long long)operation->revision,
                    (unsigned long long)operation->item_revision);
    }
}

/* I13: what was acknowledged before is in what is seen now. */
static void
judge_floor(struct world *world, struct node *node, const struct operation *operation)
{
    bool is_change = has_changed(operation);
    uint64_t least = operation->floor_revision + (is_change ? 1 : 0);
    if (operation->revision < least) {
        report_fail(world, "I13", node, 0, NO_BALLOT,
                    "#%u sees revision %llu; %llu was acknowledged before it was asked",
                    (uint32_t)(operation - world->history.operations),
                    (unsigned long long)operation->revision,
                    (unsigned long long)operation->floor_revision);
    }
    if (operation->revision > world->history.acked_revision) {
        world->history.acked_revision = operation->revision;
    }
}

static void
judge_local(struct world *world, struct node *node, const struct operation *operation)
{
    world->stats->local_reads++;
    if (operation->revision < node->local_revision) {
        report_fail(world, "I8", node, 0, NO_BALLOT,
                    "the state went back from revision %llu",
                    (unsigned long long)node->local_revision);
    }
    node->local_revision = operation->revision;
}

/* Refusals that say how it stands here: is it so? */
static bool
is_so(const struct world *world, const struct node *node, enum cs_status status)
{
    if (status == CS_STOPPING) {
        return node->is_stopping;
    }
    if (status == CS_STARTING) {
        return replica_view(node->replica).role < PAXOS_FOLLOWER;
    }
    bool was_full = false; // anywhere: the leader's word is passed on
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct log_thread *log = &world->nodes[i].log;
        was_full = was_full || log->is_disk_full || log->room_change > 0;
    }
    return status != CS_DISK_FULL || was_full;
}

/* Is this a status that this request may get? */
static bool is_plausible(const struct operation *operation)
{
    enum cs_status status = operation->status;
    bool is_write = operation->kind == REQUEST_WRITE;
    bool is_put = is_write && operation->operation == COMMAND_PUT;
    bool is_in_session = operation->session != 0;
    bool is_refusal = status == CS_OVERLOADED || status == CS_NO_QUORUM ||
                      status == CS_NO_LEADER || status == CS_STARTING ||
                      status == CS_STOPPING || status == CS_TIMED_OUT ||
                      (status == CS_DISK_FULL && is_put); // the rest goes on
    if (operation->operation == COMMAND_OPEN_SESSION) {
        return is_refusal || status == CS_DISK_FULL || status == CS_OK ||
               status == CS_UNKNOWN;
    }
    return is_refusal || (status == CS_OK && !is_write) ||
           (status == CS_SESSION_EXPIRED && is_in_session) ||
           (status == CS_SESSION_STALE && is_in_session) ||
           (status == CS_NOT_FOUND && !is_put) || (status == CS_CREATED && is_put) ||
           (status == CS_UPDATED && is_put) ||
           (status == CS_DELETED && is_write && !is_put) ||
           (status == CS_PRECONDITION && operation->condition != COMMAND_ALWAYS) ||
           (status == CS_UNKNOWN && is_write);
}

static void count_answer(struct stats *stats, const struct operation *operation)
{
    stats->operations_unknown += operation->status == CS_UNKNOWN;
    stats->operations_read += is_executed(operation) &&
                              operation->kind != REQUEST_WRITE &&
                              operation->consistency == REQUEST_LINEARIZABLE;
    if (is_executed(operation) && operation->condition != COMMAND_ALWAYS) {
        stats->condition_failed += operation->status == CS_PRECONDITION;
        stats->condition_held += operation->status != CS_PRECONDITION;
    }
}

void history_judge_answer(struct world *world,
                          struct node *node,
                          struct operation *operation,
                          struct cs_view value)
{
    uint32_t index = (uint32_t)(operation - world->history.operations);
    count_answer(world->stats, operation);
    if (!is_plausible(operation) || !is_so(world, node, operation->status)) {
        report_fail(world, "answer", node, 0, NO_BALLOT, "#%u is answered %s", index,
                    status_word(operation->status));
        return;
    }
    if (is_certainly_not_applied(world, operation) &&
        world->history.operations[operation->first].was_seen) {
        report_fail(world, "I15", node, 0, NO_BALLOT,
                    "#%u is answered %s (not applied), but its value was read", index,
                    status_word(operation->status));
    }
    if (!is_executed(operation)) {
        return;
    }
    if (operation->revision < operation->min_revision) {
        report_fail(world, "I13", node, 0, NO_BALLOT,
                    "#%u asked for revision %llu, got %llu", index,
                    (unsigned long long)operation->min_revision,
                    (unsigned long long)operation->revision);
    }
    if (operation->kind == REQUEST_GET && operation->status == CS_OK) {
        note_read(world, node, operation, value);
    } else if (operation->kind == REQUEST_HEAD && operation->status == CS_OK) {
        note_head(world, node, operation);
    } else if (has_changed(operation)) {
        note_write(world, node, operation);
    }
    if (operation->kind != REQUEST_WRITE && operation->consistency == REQUEST_LOCAL) {
        judge_local(world, node, operation);
    } else {
        judge_floor(world, node, operation);
    }
}

/*
 * ---- the whole history
 * --------------------------------------------------------------------
 */

static uint32_t outcome_of(const struct operation *operation)
{
    static const uint32_t outcomes[CS_STATUS_COUNT] = {
        [CS_OK] = LINCHECK_FOUND,         [CS_CREATED] = LINCHECK_CREATED,
        [CS_UPDATED] = LINCHECK_UPDATED,  [CS_DELETED] = LINCHECK_DELETED,
        [CS_NOT_FOUND] = LINCHECK_ABSENT, [CS_PRECONDITION] = LINCHECK_REFUSED,
    };
    return is_executed(operation) ? outcomes[operation->status] : LINCHECK_UNKNOWN;
}

static uint32_t condition_of(const struct operation *operation)
{
    switch ((enum command_condition)operation->condition) {
    case COMMAND_IF_ABSENT:
        return LINCHECK_IF_ABSENT;
    case COMMAND_IF_EXISTS:
        return LINCHECK_IF_EXISTS;
    case COMMAND_IF_REVISION:
        return LINCHECK_IF_REVISION;
    case COMMAND_ALWAYS:
    case COMMAND_CONDITIONS:
        return LINCHECK_ALWAYS;
    }
    return LINCHECK_ALWAYS;
}

static void add_to_search(struct world *world, uint32_t index)
{
    struct history *history = &world->history;
    struct operation whole = history->operations[index];
    bool is_void = is_certainly_not_applied(world, &whole);
    if (whole.is_again || whole.operation == COMMAND_OPEN_SESSION) {
        return; // its first attempt stands for it; no key
    }
    if (whole.session != 0) {
        whole = sessions_fold(&history->operations[index]);
    }
    const struct operation *operation = &whole;
    bool is_read = operation->kind != REQUEST_WRITE;
    bool is_outside = (is_read && operation->consistency == REQUEST_LOCAL) || is_void ||
                      (is_read && !is_executed(operation));
    if (is_outside) {
        return;
    }
    // Another answer may say which put made what a HEAD has found: then it is as good as a GET.
    // Else it tells what a put "if absent" that was refused tells.
    bool is_found = operation->kind == REQUEST_HEAD && operation->status == CS_OK;
    uint64_t value = is_found  ? history->facts[operation->item_revision].operation
                     : is_read ? operation->value
                               : index;
    bool is_head = is_found && value == NOBODY;
    const struct lincheck_operation entry = {
        .id = index,
        .key = operation->key,
        .invoked = operation->invoked,
        .returned = operation->returned,
        .kind = is_read && !is_head                      ? LINCHECK_GET
                : operation->operation == COMMAND_DELETE ? LINCHECK_DELETE
                                                         : LINCHECK_PUT,
        .condition = is_head ? LINCHECK_IF_ABSENT : condition_of(operation),
        .outcome = is_head ? LINCHECK_REFUSED : outcome_of(operation),
        .condition_revision = operation->condition_revision,
        .value = is_head ? index : value,
        .revision = operation->status == CS_DELETED ? operation->revision
                                                    : operation->item_revision,
        .version = operation->version,
        .seen = operation->revision,
    };
    lincheck_add(history->lincheck, &entry);
}

static void note_steps(struct world *world, uint64_t steps)
{
    struct stats *stats = world->stats;
    stats->search_steps += steps;
    if (steps > stats->search_steps_most) {
        stats->search_steps_most = steps;
        stats->search_seed = world->seed;
    }
}

/* In the order that the answers tell. */
static void replay(struct world *world)
{
    struct fast_result result;
    const struct lincheck_operation *operations =
        lincheck_operations(world->history.lincheck);
    if (fast_check(operations, lincheck_count(world->history.lincheck), &result)) {
        return;
    }
    uint64_t first = operations[result.operations[0]].id;
    uint64_t last = operations[result.operations[result.operation_count - 1]].id;
    report_fail(world, "I12", NULL, 0, NO_BALLOT,
                "linearizability of k%llu: #%llu after #%llu: %s (revision %llu)",
                (unsigned long long)operations[result.operations[0]].key,
                (unsigned long long)last, (unsigned long long)first, result.sentence,
                (unsigned long long)result.revision);
}

static void search(struct world *world)
{
    struct history *history = &world->history;
    struct lincheck_result result;
    enum lincheck_verdict verdict =
        lincheck_run(history->lincheck, SEARCH_STEPS_MAX, &result);
    note_steps(world, result.step_count);
    if (verdict != LINCHECK_PASSED) {
        report_fail(world, "I12", NULL, 0, NO_BALLOT,
                    "linearizability of k%llu %s: no order explains #%llu (%u of %u "
                    "operations in order before it)",
                    (unsigned long long)result.key, lincheck_verdict_name(verdict),
                    (unsigned long long)result.stuck_id, result.explained,
                    result.operation_count);
    }
}

/* A delete of its key whose outcome nobody was told: it may explain what the read missed. */
static bool may_be_deleted(const struct history *history, const struct operation *read)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        bool is_open = operation->session != 0
                           ? !history->operations[operation->first].is_told
                           : !operation->is_answered || operation->status == CS_UNKNOWN;
        if (is_open && operation->kind == REQUEST_WRITE && operation->key == read->key &&
            operation->operation == COMMAND_DELETE &&
            operation->invoked < read->returned) {
            return true;
        }
    }
    return false;
}

/*
 * The fast way, which trusts revisions: what a read saw at state revision R is the last
 * write of its key at or below R that anybody was told of. Local reads are judged so
 * only.
 */
static void judge_read_by_revision(struct world *world, const struct operation *operation)
{
    const struct history *history = &world->history;
    uint64_t revision = operation->revision;
    uint64_t last = history->fact_count == 0 ? 0 : history->fact_count - 1;
    revision = revision < last ? revision : last;
    while (revision > operation->item_revision &&
           (history->facts[revision].revision == 0 ||
            history->facts[revision].key != operation->key)) {
        revision--;
    }
    bool is_absent = operation->item_revision == 0;
    bool is_explained = revision <= operation->item_revision ||
                        (is_absent && (history->facts[revision].is_delete ||
                                       may_be_deleted(history, operation)));
    if (!is_explained || operation->item_revision > operation->revision) {
        report_fail(
            world, "I12", &world->nodes[operation->node], 0, NO_BALLOT,
            "#%u read k%u at revision %llu and saw %llu; revision %llu had changed it",
            (uint32_t)(operation - history->operations), operation->key,
            (unsigned long long)operation->revision,
            (unsigned long long)operation->item_revision, (unsigned long long)revision);
    }
}

/* May it have made a revision that nobody was told of? */
static bool may_be_untold(const struct world *world, const struct operation *operation)
{
    bool is_write = operation->kind == REQUEST_WRITE && !operation->is_again &&
                    operation->operation != COMMAND_OPEN_SESSION;
    bool is_told = operation->session != 0 ? operation->is_told : is_executed(operation);
    return is_write && !is_told && operation->made_revision == 0 &&
           !is_certainly_not_applied(world, operation);
}

/*
 * I15 without a reader: each revision is a write's. One that was refused for certain, took
 * effect all the same and was overwritten unread leaves a gap that no other write explains.
 */
static void judge_gaps(struct world *world)
{
    const struct history *history = &world->history;
    uint64_t last = history->fact_count == 0 ? 0 : history->fact_count - 1;
    uint64_t told = 0;
    uint64_t untold = 0;
    for (size_t i = 0; i < history->fact_count; i++) {
        told += history->facts[i].revision != 0;
    }
    for (uint32_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        last = is_executed(operation) && operation->revision > last ? operation->revision
                                                                    : last;
        untold += may_be_untold(world, operation);
    }
    if (last - told > untold) {
        report_fail(world, "I15", NULL, 0, NO_BALLOT,
                    "of %llu revisions %llu were told; only %llu writes may have made "
                    "the others",
                    (unsigned long long)last, (unsigned long long)told,
                    (unsigned long long)untold);
    }
}

void history_judge(struct world *world)
{
    struct history *history = &world->history;
    judge_gaps(world);
    for (uint32_t i = 0; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->kind != REQUEST_WRITE && is_executed(operation)) {
            judge_read_by_revision(world, operation);
        }
    }
    for (uint32_t i = 0; i < history->count; i++) {
        add_to_search(world, i);
    }
    replay(world);
    search(world);
}
