#include "sim/workload.h"

#include "sim/world.h"

static const char *const names[WORK_KINDS] = {
    [WORK_GET] = "get",
    [WORK_HEAD] = "head",
    [WORK_LOCAL] = "local",
    [WORK_PUT] = "put",
    [WORK_PUT_IF] = "put-if",
    [WORK_DELETE] = "delete",
    [WORK_DELETE_IF] = "delete-if",
};

const char *workload_name(uint32_t kind)
{
    return names[kind];
}

static enum work_kind kind_of(const struct operation *operation)
{
    bool has_condition = operation->condition != COMMAND_ALWAYS;
    if (operation->kind != REQUEST_WRITE) {
        return operation->consistency == REQUEST_LOCAL ? WORK_LOCAL
               : operation->kind == REQUEST_HEAD       ? WORK_HEAD
                                                       : WORK_GET;
    }
    if (operation->operation == COMMAND_PUT) {
        return has_condition ? WORK_PUT_IF : WORK_PUT;
    }
    return has_condition ? WORK_DELETE_IF : WORK_DELETE;
}

void workload_note_invoked(struct world *world, struct operation *operation)
{
    struct workload *workload = &world->stats->workload;
    enum work_kind own = kind_of(operation);
    operation->leaders = world->stats->leaders;
    for (uint32_t i = 0; i < world->swarm.client_count; i++) {
        const struct client *client = &world->clients[i];
        const struct operation *other = &world->history.operations[client->operation];
        if (!client->is_waiting || other == operation || other->key != operation->key) {
            continue;
        }
        enum work_kind kind = kind_of(other);
        workload->pairs[own < kind ? own : kind][own < kind ? kind : own]++;
    }
}

void workload_note_answered(struct world *world, const struct operation *operation)
{
    struct workload *workload = &world->stats->workload;
    bool is_done = operation->status == CS_OK || operation->status == CS_NOT_FOUND ||
                   operation->status == CS_CREATED || operation->status == CS_UPDATED ||
                   operation->status == CS_DELETED;
    if (!is_done || operation->leaders == world->stats->leaders) {
        return;
    }
    if (operation->kind == REQUEST_WRITE) {
        workload->writes_over_change++;
    } else if (operation->consistency == REQUEST_LINEARIZABLE) {
        workload->reads_over_change++;
    }
}
