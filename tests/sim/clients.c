#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>

enum {
    RETRY_US = 50000,      // nobody was there to connect to
    PATIENCE_US = 500000,  // on top of the timeout, clocks allowed for
    WRONG_PERMILLE = 150,  // of expected revisions, made up
    THIN_TIMEOUT_MS = 200, // once the first phase left too few operations
    PROBE_TIMEOUT_MS = 2000,
    CALM_TIMEOUT_MS = 2000, // of what was asked before faults ended, from then on
    PROBE_AGAIN_US = 100000,
};

void clients_reset(struct world *world)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        world->clients[i] = (struct client){0};
    }
    for (uint32_t i = 0; i < world->swarm.client_count; i++) {
        uint64_t start = random_between(&world->work_random, 1, 500 * MS);
        events_plan(&world->events, start, SIM_CLIENT, i, 0);
    }
}

/*
 * ---- what a client does next
 * ------------------------------------------------------------
 */

static uint32_t draw_key(struct world *world)
{
    struct random *random = &world->work_random;
    if (random_permille(random, world->swarm.hot_permille)) {
        return 0;
    }
    return (uint32_t)random_below(random, world->swarm.key_count);
}

static uint64_t
draw_expected(struct world *world, const struct client *client, uint32_t key)
{
    struct random *random = &world->work_random;
    if (random_permille(random, WRONG_PERMILLE)) {
        return random_between(random, 1, 1 + world->history.acked_revision);
    }
    uint64_t own = client->seen_revision[key];
    uint64_t any = world->history.key_revision[key];
    uint64_t expected = random_permille(random, 300) && own != 0 ? own : any;
    return expected != 0 ? expected : 1;
}

static void
draw_write(struct world *world, const struct client *client, struct operation *out)
{
    uint64_t kind = random_below(&world->work_random, 100);
    out->kind = REQUEST_WRITE;
    out->operation = kind < 82 ? COMMAND_PUT : COMMAND_DELETE;
    out->condition = COMMAND_ALWAYS;
    if ((kind >= 45 && kind < 67) || kind >= 95) {
        out->condition = COMMAND_IF_REVISION;
        out->condition_revision = draw_expected(world, client, out->key);
    } else if (kind >= 67 && kind < 77) {
        out->condition = COMMAND_IF_ABSENT;
    } else if (kind >= 77 && kind < 82) {
        out->condition = COMMAND_IF_EXISTS;
    }
    uint32_t most = world->swarm.value_bytes_max;
    out->value_bytes = (uint32_t)random_skewed(&world->work_random, 8, most);
}

static void
draw_read(struct world *world, const struct client *client, struct operation *out)
{
    uint64_t kind = random_below(&world->work_random, 100);
    out->kind = kind < 92 ? REQUEST_GET : REQUEST_HEAD;
    out->consistency = kind < 70 || kind >= 85 ? REQUEST_LINEARIZABLE : REQUEST_LOCAL;
    if (kind >= 80 && kind < 90) {
        out->min_revision = client->last_revision + (kind % 3 == 0);
    }
}

static uint64_t draw_timeout_ms(struct random *random)
{
    static const uint64_t timeouts_ms[] = {50, 200, 500, 1000, 2000, 5000};
    return timeouts_ms[random_below(random, sizeof timeouts_ms / sizeof timeouts_ms[0])];
}

static struct operation draw_operation(struct world *world, uint32_t client_index)
{
    const struct client *client = &world->clients[client_index];
    struct operation operation = {.client = client_index, .key = draw_key(world)};
    operation.timeout_ms = draw_timeout_ms(&world->work_random);
    if (world->phase != PHASE_SAFETY && world->history.count < world->operations_min) {
        operation.timeout_ms = THIN_TIMEOUT_MS;
    }
    // What was lost before the calm must not fill a node's small queue long into it.
    uint64_t left_ms = THIN_US / MS;
    if (world->phase == PHASE_SAFETY && world->now_us <= world->safety_us) {
        left_ms = (world->safety_us - world->now_us) / MS + CALM_TIMEOUT_MS;
    }
    operation.timeout_ms =
        operation.timeout_ms < left_ms ? operation.timeout_ms : left_ms;
    if (random_permille(&world->work_random, 600)) {
        draw_write(world, client, &operation);
    } else {
        draw_read(world, client, &operation);
    }
    return operation;
}

/* A node that takes connections; NULL: there is none. */
static struct node *draw_node(struct world *world)
{
    uint32_t first = (uint32_t)random_below(&world->work_random, world->swarm.node_count);
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        struct node *node = &world->nodes[(first + i) % world->swarm.node_count];
        bool is_served = world->phase == PHASE_SAFETY ||
                         (world->liveness.core_mask >> node->seat & 1) != 0;
        if (node->is_up && !node->is_stopping && is_served) {
            return node;
        }
    }
    return NULL;
}

static void think(struct world *world, uint32_t client)
{
    const struct swarm *swarm = &world->swarm;
    uint64_t every_us = swarm->safety_us * swarm->client_count / swarm->operation_target;
    if (world->phase != PHASE_SAFETY && world->history.count < world->operations_min) {
        every_us = 10 * MS;
    }
    uint64_t pause = random_between(&world->work_random, 0, 2 * every_us);
    events_plan(&world->events, world->now_us + pause, SIM_CLIENT, client, 0);
}

static void send(struct world *world, struct node *node, const struct operation *drawn)
{
    struct history *history = &world->history;
    uint32_t index = history_add(history, drawn);
    struct operation *operation = &history->operations[index];
    operation->node = node->seat;
    operation->life = node->life;
    operation->invoked = ++history->order;
    operation->invoked_us = world->now_us;
    operation->first = operation->is_again ? operation->first : index;
    operation->floor_revision = operation->is_again
                                    ? history->operations[operation->first].floor_revision
                                    : history->acked_revision;
    operation->status = CS_STATUS_COUNT;
    struct inbox_item item = {.kind = INBOX_REQUEST, .index = index};
    (void)node_push(world, node, &item);
    uint64_t patience = operation->timeout_ms * MS * 5 / 4 + PATIENCE_US;
    events_plan(&world->events, world->now_us + patience, SIM_GIVE_UP, node->seat, index);
    world->stats->operations++;
    workload_note_invoked(world, operation);
    sessions_note_sent(world, index);
    if (operation->is_probe) {
        return;
    }
    world->clients[operation->client].operation = index;
    world->clients[operation->client].is_waiting = !sessions_goes_on(world, operation);
    if (!world->clients[operation->client].is_waiting) {
        think(world, operation->client);
    }
}

void clients_act(struct world *world, uint32_t client)
{
    uint32_t count = world->history.count;
    uint32_t most = world->variant.operation_count;
    bool is_over = (world->phase == PHASE_SETTLED && count >= world->operations_min) ||
                   count >= (most == 0 ? OPERATIONS_MAX : most);
    if (world->clients[client].is_waiting || is_over) {
        return;
    }
    struct node *node = draw_node(world);
    if (node == NULL) {
        events_plan(&world->events, world->now_us + RETRY_US, SIM_CLIENT, client, 0);
        return;
    }
    uint64_t pause_us = sessions_pause_us(world, client);
    if (pause_us > 0) {
        events_plan(&world->events, world->now_us + pause_us, SIM_CLIENT, client, 0);
        return;
    }
    struct operation operation;
    if (!sessions_draw(world, client, &operation)) {
        operation = draw_operation(world, client);
        sessions_number(world, client, &operation);
    }
    send(world, node, &operation);
}

void clients_probe(struct world *world, struct node *node)
{
    if (world->liveness.probe_done[node->seat] || world->phase != PHASE_LIVENESS) {
        return;
    }
    if (!node->is_up) {
        events_plan(&world->events, world->now_us + PROBE_AGAIN_US, SIM_PROBE, node->seat,
                    0);
        return;
    }
    const struct operation probe = {
        .client = CLIENTS_MAX,
        .is_probe = true,
        .kind = REQUEST_WRITE,
        .operation = COMMAND_PUT,
        .value_bytes = 8,
        .key = world->swarm.key_count - 1,
        .timeout_ms = PROBE_TIMEOUT_MS,
    };
    world->liveness.probe[node->seat] = world->history.count;
    send(world, node, &probe);
}

/*
 * ---- at the node
 * ------------------------------------------------------------------------
 */

static void pack_command(struct world *world, const struct operation *operation)
{
    char key[16];
    int key_bytes = snprintf(key, sizeof key, "k%u", operation->key);
    struct cs_buffer *value = &world->scratch2;
    value->bytes = 0;
    if (operation->operation == COMMAND_PUT) {
        history_make_value(value, operation->first, operation->value_bytes);
    }
    const struct command opens = {.operation = COMMAND_OPEN_SESSION};
    const struct command command = {
        .operation = operation->operation,
        .condition = operation->condition,
        .condition_revision = operation->condition_revision,
        .key = view_of(key, (size_t)key_bytes),
        .value = view_of_buffer(value),
        .session = operation->session,
        .sequence = operation->sequence,
        .acknowledged = operation->acknowledged,
    };
    world->scratch.bytes = 0;
    bool is_open = operation->operation == COMMAND_OPEN_SESSION;
    command_pack(&world->scratch, is_open ? &opens : &command);
}

void clients_deliver(struct world *world, struct node *node, uint32_t index)
{
    const struct operation *operation = &world->history.operations[index];
    char key[16];
    int key_bytes = snprintf(key, sizeof key, "k%u", operation->key);
    struct request request = {
        .ticket = index,
        .kind = operation->kind,
        .consistency = operation->consistency,
        .min_revision = operation->min_revision,
        .timeout_ms = operation->timeout_ms,
    };
    if (operation->kind == REQUEST_WRITE) {
        pack_command(world, operation);
        request.command = view_of_buffer(&world->scratch);
    } else {
        request.key = view_of(key, (size_t)key_bytes);
    }
    static struct cs_buffer bytes;
    bytes.bytes = 0;
    request_pack(&bytes, &request);
    TRACE(world, node,
          "request #%u %s%s k%u condition=%u/%llu session=%llu/%llu timeout=%llu ms",
          index, operation->kind == REQUEST_WRITE ? "write" : "read",
          operation->consistency == REQUEST_LOCAL ? " local" : "", operation->key,
          operation->condition, (unsigned long long)operation->condition_revision,
          (unsigned long long)operation->session, (unsigned long long)operation->sequence,
          (unsigned long long)operation->timeout_ms);
    replica_on_request(node->replica, index, view_of_buffer(&bytes),
                       clock_own_ms(world, node));
}

/*
 * ---- the end of an operation
 * -------------------------------------------------------------
 */

static void go_on(struct world *world, const struct operation *operation, uint32_t index)
{
    if (operation->is_probe) {
        return;
    }
    struct client *client = &world->clients[operation->client];
    if (client->is_waiting && client->operation == index) {
        client->is_waiting = false;
        think(world, operation->client);
    }
}

static void learn(struct world *world, const struct operation *operation)
{
    if (operation->is_probe || operation->operation == COMMAND_OPEN_SESSION ||
        status_applied(operation->status) == CS_APPLIED_UNKNOWN) {
        return;
    }
    struct client *client = &world->clients[operation->client];
    client->seen_revision[operation->key] = operation->item_revision;
    if (operation->revision > client->last_revision) {
        client->last_revision = operation->revision;
    }
    if (operation->item_revision > world->history.key_revision[operation->key]) {
        world->history.key_revision[operation->key] = operation->item_revision;
    }
}

static void
finish_probe(struct world *world, struct node *node, const struct operation *operation)
{
    struct liveness *liveness = &world->liveness;
    liveness->probe_answered[node->seat] = true;
    bool is_full = liveness->burden == BURDEN_FULL_DISK &&
                   liveness->burdened == node->seat && operation->status == CS_DISK_FULL;
    if (operation->status == CS_CREATED || operation->status == CS_UPDATED || is_full) {
        liveness->probe_done[node->seat] = true;
    } else if (!liveness->probe_done[node->seat]) {
        events_plan(&world->events, world->now_us + PROBE_AGAIN_US, SIM_PROBE, node->seat,
                    0);
    }
}

void clients_answer(struct world *world,
                    struct node *node,
                    uint64_t id,
                    const struct reply *reply)
{
    struct history *history = &world->history;
    if (id >= history->count || reply->ticket != id ||
        history->operations[id].is_answered ||
        history->operations[id].node != node->seat ||
        history->operations[id].life != node->life) {
        report_fail(world, "answer", node, 0, NO_BALLOT,
                    "answer to #%llu, which was not asked here or had its answer",
                    (unsigned long long)id);
        return;
    }
    uint32_t index = (uint32_t)id;
    struct operation *operation = &history->operations[index];
    operation->is_answered = true;
    operation->returned = ++history->order;
    operation->status = reply->status;
    operation->revision = reply->revision;
    operation->item_revision = reply->item_revision;
    operation->version = reply->version;
    world->stats->statuses[reply->status]++;
    workload_note_answered(world, operation);
    TRACE(world, node, "answer #%u %s revision=%llu item=%llu version=%llu", index,
          status_word(reply->status), (unsigned long long)reply->revision,
          (unsigned long long)reply->item_revision, (unsigned long long)reply->version);
    report_hash(world, id << 32 | reply->status);
    report_hash(world, reply->revision << 32 ^ reply->item_revision);
    sessions_judge_answer(world, node, operation, reply);
    history_judge_answer(world, node, operation, reply->value);
    if (operation->is_abandoned) {
        return;
    }
    learn(world, operation);
    if (operation->is_probe) {
        finish_probe(world, node, operation);
    }
    go_on(world, operation, index);
}

void clients_give_up(struct world *world, uint32_t index)
{
    struct operation *operation = &world->history.operations[index];
    if (operation->is_answered || operation->is_abandoned) {
        return;
    }
    // With whole clocks and no faults the node itself must answer at the deadline.
    const struct node *node = &world->nodes[operation->node];
    bool has_lived = operation->life == node->life;
    if (world->phase != PHASE_SAFETY && operation->invoked_us > world->safety_us &&
        has_lived) {
        report_fail(world, "L1", &world->nodes[operation->node], 0, NO_BALLOT,
                    "#%u has no answer after its timeout of %llu ms", index,
                    (unsigned long long)operation->timeout_ms);
    }
    operation->is_abandoned = true;
    sessions_note_lost(world, operation);
    go_on(world, operation, index);
}

void clients_lose_node(struct world *world, const struct node *node)
{
    // A probe on its way is lost with its node: a late crash of the first phase.
    events_plan(&world->events, world->now_us + PROBE_AGAIN_US, SIM_PROBE, node->seat, 0);
    for (uint32_t i = 0; i < world->swarm.client_count; i++) {
        struct client *client = &world->clients[i];
        if (!client->is_waiting) {
            continue;
        }
        struct operation *operation = &world->history.operations[client->operation];
        if (operation->node == node->seat) {
            operation->is_abandoned = true;
            sessions_note_lost(world, operation);
            go_on(world, operation, client->operation);
        }
    }
}
