#include "lincheck/register.h"

static bool is_known(const struct register_revisions *revisions, uint64_t revision)
{
    size_t low = 0;
    size_t high = revisions->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (revisions->known[middle] < revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < revisions->known_count && revisions->known[low] == revision;
}

static bool is_told(uint64_t claim, uint64_t truth)
{
    return claim == LINCHECK_NOT_TOLD || claim == truth;
}

/* A nameless write may turn out to have `revision`, if that is nobody else's. */
static bool may_be_revision(const struct register_revisions *revisions,
                            const struct register_state *state,
                            uint64_t revision)
{
    if (!state->is_present) {
        return false;
    }
    if (state->revision == LINCHECK_NOT_TOLD) {
        return !is_known(revisions, revision);
    }
    return state->revision == revision;
}

static bool condition_holds(const struct register_revisions *revisions,
                            const struct lincheck_operation *operation,
                            const struct register_state *state)
{
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_ALWAYS:
        return true;
    case LINCHECK_IF_ABSENT:
        return !state->is_present;
    case LINCHECK_IF_EXISTS:
        return state->is_present;
    case LINCHECK_IF_REVISION:
        return may_be_revision(revisions, state, operation->condition_revision);
    }
    return false;
}

static bool put_step(const struct lincheck_operation *operation,
                     const struct register_state *state,
                     struct register_state *out_state)
{
    bool creates = !state->is_present;
    if ((operation->outcome == LINCHECK_CREATED && !creates) ||
        (operation->outcome == LINCHECK_UPDATED && creates)) {
        return false;
    }
    out_state->is_present = true;
    out_state->value = operation->value;
    out_state->revision = operation->revision;
    out_state->version = creates ? 1 : state->version + 1;
    return is_told(operation->version, out_state->version);
}

/* The refusal names the state's revision where no answer did before. */
static bool refused_step(const struct register_revisions *revisions,
                         const struct lincheck_operation *operation,
                         const struct register_state *state,
                         struct register_state *out_state)
{
    if (!state->is_present || state->revision != LINCHECK_NOT_TOLD) {
        return register_is_explained(operation, state);
    }
    if (operation->condition == LINCHECK_ALWAYS ||
        operation->condition == LINCHECK_IF_EXISTS ||
        (operation->condition == LINCHECK_IF_REVISION &&
         operation->revision == operation->condition_revision)) {
        return false;
    }
    if (!is_told(operation->version, state->version)) {
        return false;
    }
    if (operation->revision == LINCHECK_NOT_TOLD) {
        return true;
    }
    out_state->revision = operation->revision;
    return operation->revision != 0 && !is_known(revisions, operation->revision);
}

bool register_step(const struct register_revisions *revisions,
                   const struct lincheck_operation *operation,
                   const struct register_state *state,
                   struct register_state *out_state)
{
    *out_state = *state;
    if (operation->outcome == LINCHECK_REFUSED) {
        return refused_step(revisions, operation, state, out_state);
    }
    if (register_is_pure(operation)) {
        return register_is_explained(operation, state);
    }
    // A write whose condition fails did nothing: as if it had never been.
    if (!condition_holds(revisions, operation, state)) {
        return false;
    }
    if (operation->kind == LINCHECK_PUT) {
        return put_step(operation, state, out_state);
    }
    *out_state = (struct register_state){0};
    return state->is_present;
}

bool register_is_pure(const struct lincheck_operation *operation)
{
    return operation->kind == LINCHECK_GET || operation->outcome == LINCHECK_REFUSED ||
           operation->outcome == LINCHECK_ABSENT;
}

static bool refusal_is_explained(const struct lincheck_operation *operation,
                                 const struct register_state *state)
{
    uint64_t found = state->is_present ? state->revision : 0;
    if (found == LINCHECK_NOT_TOLD || !is_told(operation->revision, found) ||
        (state->is_present && !is_told(operation->version, state->version))) {
        return false;
    }
    switch ((enum lincheck_condition)operation->condition) {
    case LINCHECK_ALWAYS:
        return false;
    case LINCHECK_IF_ABSENT:
        return state->is_present;
    case LINCHECK_IF_EXISTS:
        return !state->is_present;
    case LINCHECK_IF_REVISION:
        return !state->is_present || found != operation->condition_revision;
    }
    return false;
}

bool register_is_explained(const struct lincheck_operation *operation,
                           const struct register_state *state)
{
    switch ((enum lincheck_outcome)operation->outcome) {
    case LINCHECK_UNKNOWN:
        return operation->kind == LINCHECK_GET;
    case LINCHECK_FOUND:
        return state->is_present && state->value == operation->value &&
               is_told(operation->revision, state->revision) &&
               is_told(operation->version, state->version);
    case LINCHECK_ABSENT:
        return !state->is_present && operation->condition != LINCHECK_IF_EXISTS &&
               operation->condition != LINCHECK_IF_REVISION;
    case LINCHECK_REFUSED:
        return refusal_is_explained(operation, state);
    case LINCHECK_CREATED:
    case LINCHECK_UPDATED:
    case LINCHECK_DELETED:
        return false;
    }
    return false;
}
