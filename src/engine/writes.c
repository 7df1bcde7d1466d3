/*
 * writes.c - writes of this node's clients: taken in, queued, proposed here or
 * forwarded, and answered when applied here. Natural batching: what gathers while the
 * core cannot take more is the next batch (A7).
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

static enum cs_status refusal_of(const struct replica *replica,
                                 const struct request *request,
                                 const struct command *command);
static void propose_pending(struct replica *replica);
static void fail_pending(struct replica *replica, enum cs_status status);

void writes_add(struct replica *replica, uint64_t client, const struct request *request)
{
    struct reader reader = reader_over(request->command, true);
    struct command command = {0};
    if (!command_unpack(&reader, &command) || !reader_end(&reader)) {
        answers_refuse(replica, client, request->ticket, CS_MALFORMED);
        return;
    }
    enum cs_status refusal = refusal_of(replica, request, &command);
    if (refusal != CS_OK) {
        answers_refuse(replica, client, request->ticket, refusal);
        return;
    }
    uint64_t timeout_ms = request->timeout_ms;
    timeout_ms = timeout_ms < DEADLINE_MAX_MS ? timeout_ms : DEADLINE_MAX_MS;
    struct waiter *waiter = waiters_add(&replica->waiters, replica->now_ms + timeout_ms);
    CHECK(waiter != NULL);
    struct command_origin origin = {
        .seat = replica->settings.core.seat,
        .boot = replica->settings.core.boot,
        .request_id = waiter->id,
    };
    waiter->client = client;
    waiter->ticket = request->ticket;
    waiter->kind = REQUEST_WRITE;
    waiter->state = WAITER_PENDING;
    waiter->item = write_item_new(&origin, request->command);
    waiter->item->waiter = waiter;
    waiters_hold_bytes(&replica->waiters, waiter, waiter->item->command_bytes);
    write_queue_push(&replica->writes, waiter->item);
}

void writes_flush(struct replica *replica)
{
    forward_refuse_orphans(replica);
    if (answers_quorum_is_missing(replica)) {
        forward_refuse_all(replica);
        replica->barrier_seats = 0;
        fail_pending(replica, CS_NO_QUORUM);
        return;
    }
    settle_flush(replica);
    if (writes_is_candidate(replica)) {
        propose_pending(replica);
    } else {
        replica->barrier_seats = 0;
        forward_pending(replica);
    }
}

void writes_finish(struct replica *replica,
                   const struct command_origin *origin,
                   const struct kv_result *result)
{
    struct waiter *waiter = waiters_find(&replica->waiters, origin->request_id);
    if (waiter == NULL) {
        return; // answered at its deadline
    }
    struct reply reply = {
        .status = result->status,
        .revision = result->revision,
        .item_revision = result->item_revision,
        .created_revision = result->created_revision,
        .version = result->version,
        .session = result->session,
        .is_replay = result->is_replay,
    };
    answers_finish(replica, waiter, &reply);
}

bool writes_is_candidate(const struct replica *replica)
{
    uint32_t role = replica->view.role;
    return role == PAXOS_LEADER || role == PAXOS_PREPARING;
}

bool writes_needs_room(const struct command *command)
{
    // What libconsens deletes it deletes in a session, so the opening passes, too. Both go
    // to the segments that lie ready when the next cannot be made: an opening is smaller
    // there than any delete, and the state holds a bounded number of sessions.
    return command->operation != COMMAND_DELETE &&
           (command->operation != COMMAND_OPEN_SESSION || MUTANT_IS(283));
}

static enum cs_status refusal_of(const struct replica *replica,
                                 const struct request *request,
                                 const struct command *command)
{
    const struct replica_settings *settings = &replica->settings;
    const struct waiters *waiters = &replica->waiters;
    if (replica->is_stopping) {
        return CS_STOPPING;
    }
    if (!replica->has_room && (writes_needs_room(command) || MUTANT_IS(126))) {
        return CS_DISK_FULL;
    }
    bool is_refused =
        BUGGIFY(settings->core.buggify, REQUEST_REFUSED) && request->ticket % 8 == 0;
    bool is_full = is_refused || waiters->count >= settings->requests_waiting_max ||
                   waiters->held_bytes + request->command.bytes >
                       settings->request_bytes_waiting_max;
    return is_full && !MUTANT_IS(192) ? CS_OVERLOADED : CS_OK;
}

/* The first `count` items are in a proposed slot: the log decides their outcome now. */
static void note_proposed(struct replica *replica, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct write_item *item = replica->writes.first;
        struct waiter *waiter = item->waiter;
        write_queue_remove(&replica->writes, item);
        if (waiter == NULL) {
            write_item_destroy(&item);
            continue;
        }
        waiter->state = WAITER_PROPOSED;
        settle_add(replica, waiter, replica->view.promised);
        if (MUTANT_IS(64)) {
            answers_finish(replica, waiter, &(struct reply){.status = CS_UPDATED});
        }
    }
}

static bool propose_batch(struct replica *replica)
{
    const uint64_t *buggify = replica->settings.core.buggify;
    const struct batch_limits limits = {
        .commands =
            BUGGIFY(buggify, BATCH_ONE) ? 1 : replica->settings.batch_commands_max,
        .bytes = replica->settings.batch_bytes_max,
    };
    struct write_pack pack =
        write_queue_pack(&replica->writes, &limits, &replica->builder);
    struct cs_view payload = batch_seal(&replica->builder);
    uint32_t seats_mask = pack.seats_mask | replica->barrier_seats;
    CHECK(payload.bytes <= LIMIT_ENTRY_BYTES);
    struct paxos_event event = {
        .type = PAXOS_EVENT_PROPOSE,
        .now_ms = replica->now_ms,
        .waiting_seats = BUGGIFY(buggify, HINTS_DROPPED) ? 0 : seats_mask,
        .entry =
            {
                .type = PAXOS_ENTRY_BATCH,
                .payload_bytes = (uint32_t)payload.bytes,
                .digest = wire_digest_payload(payload),
            },
    };
    effects_step(replica, &event, &payload);
    cs_slot slot = replica->effects.proposed_slot;
    if (slot == 0) {
        return false;
    }
    CHECK(slot > replica->applied);
    note_proposed(replica, pack.count);
    replica->barrier_seats = 0;
    return true;
}

static void propose_pending(struct replica *replica)
{
    uint32_t in_flight_max = replica->settings.slots_in_flight_max;
    while ((replica->writes.first != NULL || replica->barrier_seats != 0) &&
           replica->view.can_propose) {
        uint64_t in_flight = replica->view.length - replica->view.decided;
        bool is_full = in_flight_max > 0 && in_flight >= in_flight_max;
        if (is_full || !propose_batch(replica)) {
            return;
        }
    }
}

/* Own writes that were never handed on: certainly not applied. */
static void fail_pending(struct replica *replica, enum cs_status status)
{
    while (replica->writes.own_count > 0) {
        CHECK(replica->writes.first->waiter != NULL);
        answers_finish_error(replica, replica->writes.first->waiter, status);
    }
}
