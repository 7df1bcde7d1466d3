/*
 * queries.c - GET and HEAD: linearizable ones share one round a turn (2.9), local ones
 * are answered at once, a minimum revision is waited for.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

static enum cs_status refusal_of(const struct replica *replica,
                                 const struct request *request);
static void
fail_all(struct replica *replica, struct waiter_list *list, enum cs_status status);
static void finish_or_await(struct replica *replica, struct waiter *waiter);

void queries_add(struct replica *replica, uint64_t client, const struct request *request)
{
    bool is_local = request->consistency == REQUEST_LOCAL;
    if (is_local && kv_revision(replica->kv) >= request->min_revision) {
        MARK(READ_LOCAL);
        answers_item(replica, client, request);
        return;
    }
    enum cs_status refusal = refusal_of(replica, request);
    if (refusal != CS_OK) {
        answers_refuse(replica, client, request->ticket, refusal);
        return;
    }
    uint64_t timeout_ms = request->timeout_ms;
    timeout_ms = timeout_ms < DEADLINE_MAX_MS ? timeout_ms : DEADLINE_MAX_MS;
    struct waiter *waiter = waiters_add(&replica->waiters, replica->now_ms + timeout_ms);
    CHECK(waiter != NULL);
    waiter->client = client;
    waiter->ticket = request->ticket;
    waiter->kind = request->kind;
    waiter->consistency = request->consistency;
    waiter->min_revision = request->min_revision;
    buffer_append(&waiter->key, request->key.data, request->key.bytes);
    waiters_hold_bytes(&replica->waiters, waiter, (uint32_t)request->key.bytes);
    if (is_local) {
        waiters_await_revision(&replica->waiters, waiter);
    } else {
        waiter->state = WAITER_NEW;
        waiter_list_push(&replica->reads_new, waiter);
    }
}

void queries_flush(struct replica *replica)
{
    if (answers_quorum_is_missing(replica)) {
        fail_all(replica, &replica->reads_new, CS_NO_QUORUM);
        fail_all(replica, &replica->reads_asked, CS_NO_QUORUM);
        fail_all(replica, &replica->reads_confirmed, CS_NO_QUORUM);
        return;
    }
    uint32_t role = replica->view.role;
    bool may_ask = role != PAXOS_FORMING && role != PAXOS_GATED;
    if (replica->reads_new.first == NULL || !may_ask) {
        return;
    }
    // They join the asked ones before the step, which may confirm them already.
    struct waiter *first = replica->reads_new.first;
    uint64_t unknown_id = UINT64_MAX;
    for (struct waiter *waiter = first; waiter != NULL; waiter = waiter->list_next) {
        waiter->state = WAITER_ASKED;
        waiter->read_id = unknown_id;
    }
    waiter_list_splice(&replica->reads_asked, &replica->reads_new);
    struct paxos_event event = {.type = PAXOS_EVENT_READ, .now_ms = replica->now_ms};
    effects_step(replica, &event, NULL);
}

void queries_note_id(struct replica *replica, uint64_t read_id)
{
    struct waiter *waiter = replica->reads_asked.last;
    while (waiter != NULL && waiter->read_id == UINT64_MAX) {
        waiter->read_id = read_id;
        waiter = waiter->list_previous;
    }
}

void queries_confirm(struct replica *replica, uint64_t read_id, cs_slot slot)
{
    struct waiter *last = replica->reads_confirmed.last;
    // A later slot is as good, and keeps the list in order.
    slot = last != NULL && last->slot > slot ? last->slot : slot;
    struct waiter *waiter = replica->reads_asked.first;
    while (waiter != NULL &&
           (waiter->read_id <= read_id || (MUTANT_IS(193) && read_id > 0))) {
        struct waiter *next = waiter->list_next;
        waiter_list_remove(&replica->reads_asked, waiter);
        waiter->state = WAITER_CONFIRMED;
        waiter->slot = slot;
        waiter_list_push(&replica->reads_confirmed, waiter);
        waiter = next;
    }
}

void queries_answer(struct replica *replica)
{
    struct waiter *waiter = replica->reads_confirmed.first;
    while (waiter != NULL && (waiter->slot <= replica->applied || MUTANT_IS(61))) {
        struct waiter *next = waiter->list_next;
        finish_or_await(replica, waiter);
        waiter = next;
    }
    uint64_t revision = kv_revision(replica->kv);
    waiter = waiters_first_reached(&replica->waiters, revision);
    while (waiter != NULL) {
        answers_finish_item(replica, waiter);
        waiter = waiters_first_reached(&replica->waiters, revision);
    }
}

static enum cs_status refusal_of(const struct replica *replica,
                                 const struct request *request)
{
    const struct replica_settings *settings = &replica->settings;
    const struct waiters *waiters = &replica->waiters;
    if (replica->is_stopping) {
        return CS_STOPPING;
    }
    if (request->key.bytes == 0 || request->key.bytes > LIMIT_KEY_BYTES) {
        return CS_MALFORMED;
    }
    bool is_full =
        waiters->count >= settings->requests_waiting_max ||
        waiters->held_bytes + request->key.bytes > settings->request_bytes_waiting_max;
    return is_full ? CS_OVERLOADED : CS_OK;
}

static void
fail_all(struct replica *replica, struct waiter_list *list, enum cs_status status)
{
    while (list->first != NULL) {
        answers_finish_error(replica, list->first, status);
    }
}

static void finish_or_await(struct replica *replica, struct waiter *waiter)
{
    if (kv_revision(replica->kv) >= waiter->min_revision || MUTANT_IS(190)) {
        answers_finish_item(replica, waiter);
        return;
    }
    MARK(READ_REVISION);
    waiter_list_remove(&replica->reads_confirmed, waiter);
    waiters_await_revision(&replica->waiters, waiter);
}
