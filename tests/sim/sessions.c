#include "sim/sessions.h"

#include "sim/world.h"

#include "base/check.h"
#include "base/limits.h"

enum {
    OPEN_PERMILLE = 500,  // of the acts of a client that has no session
    RETRY_PERMILLE = 700, // ... while a write is open and not under way
    COPY_PERMILLE = 80,
    GIVE_UP_PERMILLE = 60, // of open writes looked at: unknown for ever
    NUMBER_PERMILLE = 850, // of its writes
    ALONE_PERMILLE = 40,   // of its acts, where sessions expire
    GOES_ON_PERMILLE = 600,
};

void sessions_reset(struct world *world)
{
    world->opens = (struct session_opens){0};
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct session_client *client = &world->session_clients[i];
        *client = (struct session_client){0};
        client->has_sessions =
            random_permille(&world->session_random, world->swarm.session_permille);
        client->is_lazy = random_permille(&world->session_random, 300);
    }
}

static struct session_write *write_of(struct client_session *session, uint64_t sequence)
{
    return &session->writes[sequence % SESSION_WRITES_KEPT];
}

/* The session of an attempt, if its client remembers it. */
static struct client_session *session_of(struct world *world,
                                         const struct operation *operation)
{
    if (operation->session == 0) {
        return NULL;
    }
    struct session_client *client = &world->session_clients[operation->client];
    if (client->current.id == operation->session) {
        return &client->current;
    }
    return client->previous.id == operation->session ? &client->previous : NULL;
}

/* The lowest number whose answer is wanted still; one past the highest if there is none. */
static uint64_t lowest_open(const struct client_session *session)
{
    uint64_t sequence =
        session->sent < SESSION_WRITES_KEPT ? 1 : session->sent - SESSION_WRITES_KEPT + 1;
    while (sequence <= session->sent &&
           !session->writes[sequence % SESSION_WRITES_KEPT].is_open) {
        sequence++;
    }
    return sequence;
}

static uint64_t acknowledged_of(const struct session_client *client)
{
    return client->is_lazy ? 0 : lowest_open(&client->current) - 1;
}

/*
 * ---- what a client does next
 * ------------------------------------------------------------
 */

static struct operation attempt_at(struct world *world, const struct session_write *write)
{
    struct random *random = &world->session_random;
    const struct operation *first = &world->history.operations[write->first];
    struct operation attempt = {
        .client = first->client,
        .kind = first->kind,
        .operation = first->operation,
        .key = first->key,
        .condition = first->condition,
        .condition_revision = first->condition_revision,
        .value_bytes = first->value_bytes,
        .session = first->session,
        .sequence = first->sequence,
        .acknowledged = first->acknowledged,
        .first = write->first,
        .is_again = true,
    };
    attempt.timeout_ms = random_permille(random, 500) ? 200 : 1000;
    return attempt;
}

static bool
draw_retry(struct world *world, struct session_client *client, struct operation *out)
{
    struct client_session *session = &client->current;
    for (uint64_t i = lowest_open(session); i <= session->sent; i++) {
        struct session_write *write = write_of(session, i);
        if (!write->is_open || write->under_way > 0) {
            continue;
        }
        if (random_permille(&world->session_random, GIVE_UP_PERMILLE)) {
            write->is_open = false;
            continue;
        }
        *out = attempt_at(world, write);
        out->acknowledged = acknowledged_of(client);
        return true;
    }
    return false;
}

/* A copy of a write that was delayed on its way, often from the very edge of the window. */
static bool
draw_copy(struct world *world, struct session_client *client, struct operation *out)
{
    struct random *random = &world->session_random;
    bool is_old = client->previous.id != 0 && random_permille(random, 200);
    struct client_session *session = is_old ? &client->previous : &client->current;
    uint64_t back = random_below(random, SESSION_WRITES_KEPT);
    back = random_permille(random, 400) ? LIMIT_SESSION_RESULTS : back;
    if (session->sent <= back) {
        return false;
    }
    *out = attempt_at(world, write_of(session, session->sent - back));
    return true;
}

bool sessions_draw(struct world *world, uint32_t client_index, struct operation *out)
{
    struct session_client *client = &world->session_clients[client_index];
    struct random *random = &world->session_random;
    if (!client->has_sessions) {
        return false;
    }
    struct client_session *session = &client->current;
    if (session->id == 0 || session->gone_at != 0) {
        *out = (struct operation){.client = client_index,
                                  .kind = REQUEST_WRITE,
                                  .operation = COMMAND_OPEN_SESSION,
                                  .key = UINT32_MAX,
                                  .timeout_ms = 500};
        return random_permille(random, OPEN_PERMILLE);
    }
    if (random_permille(random, COPY_PERMILLE)) {
        return draw_copy(world, client, out);
    }
    return random_permille(random, RETRY_PERMILLE) && draw_retry(world, client, out);
}

void sessions_number(struct world *world,
                     uint32_t client_index,
                     struct operation *operation)
{
    struct session_client *client = &world->session_clients[client_index];
    struct client_session *session = &client->current;
    bool is_fit = client->has_sessions && session->id != 0 && session->gone_at == 0 &&
                  operation->kind == REQUEST_WRITE &&
                  session->sent + 1 < lowest_open(session) + LIMIT_SESSION_RESULTS;
    if (is_fit && random_permille(&world->session_random, NUMBER_PERMILLE)) {
        operation->session = session->id;
        operation->sequence = session->sent + 1;
        operation->acknowledged = acknowledged_of(client);
    }
}

uint64_t sessions_pause_us(struct world *world, uint32_t client_index)
{
    struct random *random = &world->session_random;
    const struct session_client *client = &world->session_clients[client_index];
    uint64_t idle_ms = world->swarm.session_idle_ms;
    if (client->current.id == 0 || idle_ms >= LIMIT_SESSION_IDLE_MS ||
        world->phase != PHASE_SAFETY || !random_permille(random, ALONE_PERMILLE)) {
        return 0;
    }
    // Around the boundary, as the log's time goes.
    uint64_t around_ms = random_between(random, 0, 40);
    return (idle_ms + around_ms - (idle_ms < 20 ? idle_ms : 20)) * MS;
}

bool sessions_goes_on(struct world *world, const struct operation *operation)
{
    return operation->session != 0 && world->phase == PHASE_SAFETY &&
           random_permille(&world->session_random, GOES_ON_PERMILLE);
}

/*
 * ---- attempts
 * --------------------------------------------------------------------------
 */

/* Log time of this slot, if the node has it in memory. */
static uint64_t log_time_ms(const struct node *node, cs_slot slot, uint64_t otherwise)
{
    struct paxos_view view = replica_view(node->replica);
    bool is_there = slot > view.base && slot <= view.length;
    return is_there ? paxos_entry_at(replica_core(node->replica), slot)->time_ms
                    : otherwise;
}

/* What is decided anywhere has an earlier slot than what is asked for only now. */
static uint64_t earliest_ms(const struct world *world)
{
    uint64_t time_ms = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->is_up && node->replica != NULL) {
            uint64_t decided_ms =
                log_time_ms(node, replica_view(node->replica).decided, 0);
            time_ms = decided_ms > time_ms ? decided_ms : time_ms;
        }
    }
    return time_ms;
}

void sessions_note_sent(struct world *world, uint32_t index)
{
    struct operation *operation = &world->history.operations[index];
    if (operation->operation == COMMAND_OPEN_SESSION) {
        world->opens.asked++;
        operation->earliest_ms = earliest_ms(world);
        operation->opens = world->opens.answered;
        return;
    }
    struct client_session *session = session_of(world, operation);
    if (session == NULL) {
        return;
    }
    operation->earliest_ms = earliest_ms(world);
    operation->opens = world->opens.answered;
    world->history.operations[operation->first].open_attempts++;
    session->unresolved++;
    if (operation->acknowledged > session->acknowledged_sent) {
        session->acknowledged_sent = operation->acknowledged;
    }
    struct session_write *write = write_of(session, operation->sequence);
    if (!operation->is_again) {
        session->sent = operation->sequence;
        *write = (struct session_write){.first = index, .is_open = true};
    }
    write->last_node = operation->node;
    write->under_way++;
}

void sessions_note_lost(struct world *world, const struct operation *operation)
{
    struct client_session *session = session_of(world, operation);
    if (session == NULL) {
        return;
    }
    struct session_write *write = write_of(session, operation->sequence);
    if (write->first == operation->first && write->under_way > 0) {
        write->under_way--;
    }
}

/*
 * ---- answers
 * ---------------------------------------------------------------------------
 */

static void begin_session(struct world *world,
                          const struct node *node,
                          const struct operation *operation,
                          uint64_t id)
{
    struct session_client *client = &world->session_clients[operation->client];
    client->previous = client->current;
    client->current = (struct client_session){
        .id = id,
        .used_after_ms = operation->earliest_ms,
        .used_opens = operation->opens,
        .used_until_ms = log_time_ms(node, replica_view(node->replica).length, NEVER),
    };
}

/* The session was there when this attempt was applied. */
static void judge_alive(struct world *world,
                        const struct node *node,
                        struct client_session *session,
                        const struct operation *operation)
{
    uint32_t index = (uint32_t)(operation - world->history.operations);
    if (session->gone_at != 0 && operation->invoked > session->gone_at) {
        report_fail(world, "I14", node, 0, NO_BALLOT,
                    "#%u is answered %s in session %llu, which had expired", index,
                    status_word(operation->status),
                    (unsigned long long)operation->session);
    }
    uint64_t until_ms = session->used_until_ms;
    if (session->unresolved == 0 && until_ms != NEVER &&
        operation->earliest_ms > until_ms + world->swarm.session_idle_ms) {
        report_fail(
            world, "I14", node, 0, NO_BALLOT,
            "#%u is answered %s in session %llu, unused since %llu ms; it is past "
            "%llu ms",
            index, status_word(operation->status), (unsigned long long)operation->session,
            (unsigned long long)until_ms, (unsigned long long)operation->earliest_ms);
    }
    uint64_t latest_ms = log_time_ms(node, replica_view(node->replica).length, NEVER);
    session->used_until_ms = latest_ms > until_ms ? latest_ms : until_ms;
    if (operation->earliest_ms >= session->used_after_ms) {
        session->used_after_ms = operation->earliest_ms;
    }
    if (operation->opens > session->used_opens) {
        session->used_opens = operation->opens;
    }
}

/* Sessions that were certainly used before this one was, last: they are evicted before it. */
static uint64_t count_idler(const struct world *world, const struct client_session *than)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct session_client *client = &world->session_clients[i];
        const struct client_session *both[] = {&client->current, &client->previous};
        for (uint32_t j = 0; j < 2; j++) {
            count += both[j]->id != 0 && both[j] != than && both[j]->unresolved == 0 &&
                     both[j]->used_until_ms < than->used_after_ms;
        }
    }
    return count;
}

static void judge_expired(struct world *world,
                          const struct node *node,
                          struct client_session *session,
                          const struct operation *operation)
{
    uint64_t latest_ms = log_time_ms(node, replica_view(node->replica).length, NEVER);
    bool may_be_idle = latest_ms > session->used_after_ms &&
                       latest_ms - session->used_after_ms > world->swarm.session_idle_ms;
    // By one opened since, if there are others enough that were used later.
    uint64_t idler = count_idler(world, session);
    bool may_be_evicted = world->opens.asked > world->swarm.sessions_max + idler &&
                          world->opens.asked > session->used_opens;
    session->gone_at = session->gone_at == 0 ? operation->returned : session->gone_at;
    if (!may_be_idle && !may_be_evicted) {
        report_fail(world, "I14", node, 0, NO_BALLOT,
                    "#%u: session %llu is gone, though used at %llu ms; it is %llu ms",
                    (uint32_t)(operation - world->history.operations),
                    (unsigned long long)operation->session,
                    (unsigned long long)session->used_after_ms,
                    (unsigned long long)latest_ms);
    }
}

static void judge_stale(struct world *world,
                        const struct node *node,
                        const struct client_session *session,
                        const struct operation *operation)
{
    bool is_behind = operation->sequence <= session->acknowledged_sent ||
                     operation->sequence + LIMIT_SESSION_RESULTS <= session->sent;
    if (!is_behind) {
        report_fail(world, "I14", node, 0, NO_BALLOT,
                    "#%u is stale as number %llu of session %llu, in its window (%llu)",
                    (uint32_t)(operation - world->history.operations),
                    (unsigned long long)operation->sequence,
                    (unsigned long long)operation->session,
                    (unsigned long long)session->sent);
    }
}

/* I14: whoever answers, and however often, it is the first answer. */
static void judge_told(struct world *world,
                       const struct node *node,
                       const struct operation *operation)
{
    struct operation *first = &world->history.operations[operation->first];
    if (!first->is_told) {
        first->is_told = true;
        first->told_at = operation->returned;
        first->told = (struct told_result){
            .status = operation->status,
            .revision = operation->revision,
            .item_revision = operation->item_revision,
            .version = operation->version,
        };
        return;
    }
    const struct told_result *told = &first->told;
    if (told->status != operation->status || told->revision != operation->revision ||
        told->item_revision != operation->item_revision ||
        told->version != operation->version) {
        report_fail(
            world, "I14", node, 0, NO_BALLOT,
            "#%u of session %llu was answered %s (revision %llu), and is answered "
            "%s (revision %llu) in #%u",
            operation->first, (unsigned long long)operation->session,
            status_word(told->status), (unsigned long long)told->revision,
            status_word(operation->status), (unsigned long long)operation->revision,
            (uint32_t)(operation - world->history.operations));
    }
}

static bool is_result(enum cs_status status)
{
    return status == CS_CREATED || status == CS_UPDATED || status == CS_DELETED ||
           status == CS_NOT_FOUND || status == CS_PRECONDITION;
}

static void close_write(struct client_session *session, const struct operation *operation)
{
    struct session_write *write = write_of(session, operation->sequence);
    if (write->first != operation->first) {
        return;
    }
    write->under_way -= write->under_way > 0 && !operation->is_abandoned;
    if (is_result(operation->status) || operation->status == CS_SESSION_STALE) {
        write->is_open = false;
    }
}

static void judge_in_session(struct world *world,
                             const struct node *node,
                             struct client_session *session,
                             const struct operation *operation)
{
    enum cs_status status = operation->status;
    close_write(session, operation);
    session->unresolved -= status != CS_UNKNOWN;
    if (status == CS_SESSION_EXPIRED) {
        judge_expired(world, node, session, operation);
    } else if (status == CS_SESSION_STALE) {
        judge_stale(world, node, session, operation);
        judge_alive(world, node, session, operation);
    } else if (is_result(status)) {
        judge_alive(world, node, session, operation);
    }
}

void sessions_judge_answer(struct world *world,
                           struct node *node,
                           struct operation *operation,
                           const struct reply *reply)
{
    bool is_opened = !operation->is_abandoned &&
                     operation->operation == COMMAND_OPEN_SESSION &&
                     operation->kind == REQUEST_WRITE && operation->status == CS_OK;
    if (reply->is_replay && operation->session == 0) {
        report_fail(world, "I14", node, 0, NO_BALLOT,
                    "an answer is a replay, and of no session");
    }
    report_hash(world, reply->session);
    if (is_opened) {
        world->opens.answered++;
        begin_session(world, node, operation, reply->session);
    }
    if (operation->session == 0) {
        return;
    }
    world->history.operations[operation->first].open_attempts -=
        operation->status != CS_UNKNOWN;
    if (is_result(operation->status)) {
        judge_told(world, node, operation);
    }
    struct client_session *session = session_of(world, operation);
    if (session != NULL) {
        judge_in_session(world, node, session, operation);
    }
}

/*
 * ---- the history
 * -----------------------------------------------------------------------
 */

bool sessions_is_void(const struct world *world, const struct operation *operation)
{
    const struct operation *first = &world->history.operations[operation->first];
    return !first->is_told && first->open_attempts == 0;
}

struct operation sessions_fold(const struct operation *first)
{
    struct operation whole = *first;
    whole.is_answered = first->is_told;
    whole.returned = first->told_at;
    whole.status = first->told.status;
    whole.revision = first->told.revision;
    whole.item_revision = first->told.item_revision;
    whole.version = first->told.version;
    return whole;
}
