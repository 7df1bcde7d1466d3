/*
 * answers.c - what a client is told, once. 503 and 429 only for what was certainly
 * never handed on; a write that was sent or proposed is unknown (504) at its deadline
 * (PRODUCT 3, I15).
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

static void detach(struct replica *replica, struct waiter *waiter);
static void fill_item(const struct replica *replica,
                      struct cs_view key,
                      uint32_t kind,
                      struct reply *reply);
static enum cs_status status_at_deadline(const struct replica *replica,
                                         const struct waiter *waiter);

void answers_send(struct replica *replica, uint64_t client, struct reply *reply)
{
    // A replay has that of the first answer, also if nothing had been written then.
    if (reply->revision == 0 && (!reply->is_replay || MUTANT_IS(235))) {
        reply->revision = kv_revision(replica->kv);
    }
    reply->leader_seat = replica->view.leader_seat;
    reply->lag_ms = answers_lag_ms(replica);
    reply->durability = replica->settings.durability;
    replica->ports.answer(replica->ports.context, client, reply);
}

void answers_refuse(struct replica *replica,
                    uint64_t client,
                    uint64_t ticket,
                    enum cs_status status)
{
    struct reply reply = {.ticket = ticket, .status = status};
    reply.value = sentence_for(replica, status, NULL);
    replica->stats.requests_refused++;
    answers_send(replica, client, &reply);
}

void answers_item(struct replica *replica, uint64_t client, const struct request *request)
{
    struct reply reply = {.ticket = request->ticket};
    fill_item(replica, request->key, request->kind, &reply);
    replica->stats.reads_answered++;
    answers_send(replica, client, &reply);
}

void answers_finish(struct replica *replica, struct waiter *waiter, struct reply *reply)
{
    reply->ticket = waiter->ticket;
    answers_send(replica, waiter->client, reply);
    detach(replica, waiter);
    waiters_remove(&replica->waiters, waiter);
}

void answers_finish_item(struct replica *replica, struct waiter *waiter)
{
    struct reply reply = {0};
    fill_item(replica, view_of_buffer(&waiter->key), waiter->kind, &reply);
    replica->stats.reads_answered++;
    answers_finish(replica, waiter, &reply);
}

void answers_finish_error(struct replica *replica,
                          struct waiter *waiter,
                          enum cs_status status)
{
    struct reply reply = {.status = status};
    reply.value = sentence_for(replica, status, waiter);
    replica->stats.requests_refused++;
    answers_finish(replica, waiter, &reply);
}

void answers_expire(struct replica *replica)
{
    if (replica->halt != PAXOS_HALT_NONE) {
        return;
    }
    struct waiter *waiter = waiters_first_due(&replica->waiters, replica->now_ms);
    while (waiter != NULL && !MUTANT_IS(191)) {
        answers_finish_error(replica, waiter, status_at_deadline(replica, waiter));
        waiter = waiters_first_due(&replica->waiters, replica->now_ms);
    }
}

bool answers_quorum_is_missing(const struct replica *replica)
{
    const struct paxos_view *view = &replica->view;
    // While the cluster forms, requests wait for it up to their deadline. After a start
    // a quorum gets a moment to be heard at all.
    bool is_starting = view->role == PAXOS_FORMING ||
                       replica->now_ms < replica->started_ms + STARTING_GRACE_MS;
    // A leader that is heard and happy hears a quorum, even where this node does not.
    bool is_led =
        view->leader_seat != NO_SEAT && view->leader_seat != replica->settings.core.seat;
    return !view->quorum_heard && !is_led && !is_starting;
}

uint64_t answers_lag_ms(const struct replica *replica)
{
    const struct freshness *fresh = &replica->freshness;
    bool is_known = fresh->is_known || MUTANT_IS(286);
    return is_known ? replica->now_ms - fresh->fresh_ms : REPLY_LAG_UNKNOWN;
}

/* Out of queues and lists; what it owned is freed. */
static void detach(struct replica *replica, struct waiter *waiter)
{
    switch ((enum waiter_state)waiter->state) {
    case WAITER_PENDING:
        write_queue_remove(&replica->writes, waiter->item);
        write_item_destroy(&waiter->item);
        break;
    case WAITER_SENT:
    case WAITER_PROPOSED:
        settle_forget(replica, waiter);
        write_item_destroy(&waiter->item);
        break;
    case WAITER_NEW:
        waiter_list_remove(&replica->reads_new, waiter);
        break;
    case WAITER_ASKED:
        waiter_list_remove(&replica->reads_asked, waiter);
        break;
    case WAITER_CONFIRMED:
        waiter_list_remove(&replica->reads_confirmed, waiter);
        break;
    case WAITER_REVISION:
        break;
    case WAITER_FREE:
        CHECK(waiter->state != WAITER_FREE);
        break;
    }
}

static void fill_item(const struct replica *replica,
                      struct cs_view key,
                      uint32_t kind,
                      struct reply *reply)
{
    struct kv_item item = {0};
    reply->status = kv_get(replica->kv, key, &item);
    reply->revision = kv_revision(replica->kv);
    if (reply->status == CS_OK) {
        reply->item_revision = item.modified_revision;
        reply->created_revision = item.created_revision;
        reply->version = item.version + (kind == REQUEST_HEAD && MUTANT_IS(320));
        reply->value = kind == REQUEST_GET ? item.value : view_of(NULL, 0);
    }
}

static enum cs_status status_at_deadline(const struct replica *replica,
                                         const struct waiter *waiter)
{
    if (waiter->state == WAITER_PROPOSED) {
        return MUTANT_IS(176) ? CS_TIMED_OUT : CS_UNKNOWN;
    }
    if (waiter->state == WAITER_SENT) {
        return MUTANT_IS(60) ? CS_TIMED_OUT : CS_UNKNOWN;
    }
    if (waiter->state == WAITER_REVISION) {
        return CS_TIMED_OUT;
    }
    uint32_t role = replica->view.role;
    if (role == PAXOS_FORMING || role == PAXOS_GATED) {
        return CS_STARTING;
    }
    if (replica->view.leader_seat != NO_SEAT) {
        return CS_TIMED_OUT;
    }
    return replica->view.quorum_heard ? CS_NO_LEADER : CS_NO_QUORUM;
}
