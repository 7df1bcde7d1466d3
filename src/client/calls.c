/*
 * calls.c - what becomes of a call.
 *
 *   waiting --sent--> sent --a result, or a refusal that is the end--> over
 *      ^                |
 *      |                +-- refused, certainly not applied, retryable --> waiting
 *      |                +-- no answer: silence, connection lost; or the outcome unknown
 *      +----------------+     reads, writes in the session: waiting
 *                             other writes: over, OUTCOME_UNKNOWN
 *   at the deadline: over
 *
 * is_doubtful: a try of this write was lost. From then on it is over only with the result
 * of the write itself, or as unknown; no refusal of a later try can say "no" for it.
 *
 * The id on the wire is number, try and slot: an answer finds its call in one step, and one
 * of an earlier try is told apart. Results count whichever try they answer, refusals only
 * of the last.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "client/agent.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ATTEMPT_MS = 1000,   // silence after which another node is asked: some times
                         // what replacing a leader takes
    MARGIN_MAX_MS = 200, // for the way back of a node's last word
    AGAIN_MS = 20,       // after all nodes have refused, doubled each time
    AGAIN_DOUBLINGS_MAX = 4,
    TRY_MS_MIN = 50, // with less left a certain "no" is kept: a try that is under way at
                     // the deadline would make it "unknown"
    SLOT_BITS = 11,
    TRY_BITS = 16,
    NUMBER_BITS = 64 - TRY_BITS - SLOT_BITS,
    DETAIL_BYTES = 512,
};

_Static_assert(AGENT_SLOTS <= 1 << SLOT_BITS, "a slot's number fits");

#define TRY_MASK  (((uint64_t)1 << TRY_BITS) - 1)
#define SLOT_MASK (((uint64_t)1 << SLOT_BITS) - 1)
// Numbers begin again at 1 after that many, as only so much of one goes over the wire.
#define NUMBER_MAX (((uint64_t)1 << NUMBER_BITS) - 1)

static uint64_t wire_id(const struct call *call)
{
    return call->number << (TRY_BITS + SLOT_BITS) |
           (call->try_count & TRY_MASK) << SLOT_BITS | call->slot;
}

/* May be sent again although an earlier try may have been applied. */
static bool is_repeatable(const struct consens_future *future)
{
    return !request_is_write(future->request) || request_is_in_session(future->request);
}

/* ---- the ends ---------------------------------------------------------------------- */

void calls_take(struct agent *agent, struct consens_future *future)
{
    struct call *call = &future->call;
    CHECK(agent->free_count > 0);
    call->slot = agent->free_slots[--agent->free_count];
    if (agent->last_number == NUMBER_MAX && !MUTANT_IS(296)) {
        agent->last_number = 0;
    }
    call->number = ++agent->last_number;
    call->state = CALL_WAITING;
    agent->slots[call->slot] = future;
    TAILQ_INSERT_TAIL(&agent->active, future, call.links);
    agent->must_scan = true;
}

static void drop(struct agent *agent, struct consens_future *future)
{
    struct call *call = &future->call;
    if (call->sequence != 0) {
        session_release(&agent->session, call->session, call->sequence);
        agent->must_scan = true; // others may have waited for the window
    }
    TAILQ_REMOVE(&agent->active, future, call.links);
    agent->slots[call->slot] = NULL;
    agent->free_slots[agent->free_count++] = call->slot;
    outcome_fini(&call->refusal);
    if (agent->opener == future) {
        agent->opener = NULL;
    }
    future_land(future);
}

/* Takes the outcome. */
static void
end(struct agent *agent, struct consens_future *future, struct outcome *outcome)
{
    outcome->answer.try_count = future->call.try_count;
    if (future == agent->opener) {
        outcome_move(&agent->session_refusal, outcome);
    } else {
        future_finish(future, outcome);
    }
    drop(agent, future);
}

static const char *name_of(const struct agent *agent, const struct call *call)
{
    return call->try_count > 0 ? agent->links[call->link].endpoint.name : NULL;
}

static void
end_unknown(struct agent *agent, struct consens_future *future, const char *reason)
{
    char detail[DETAIL_BYTES];
    const char *name = name_of(agent, &future->call);
    (void)snprintf(detail, sizeof detail,
                   "it is not known whether the write was applied: an answer of %s was "
                   "lost (%s)",
                   name, reason);
    struct outcome outcome =
        outcome_of(CONSENS_OUTCOME_UNKNOWN, CONSENS_APPLIED_UNKNOWN, detail, name);
    end(agent, future, &outcome);
}

/* A refusal that is the end. What an earlier try may have done it does not undo. */
static void
end_refused(struct agent *agent, struct consens_future *future, struct outcome *refusal)
{
    struct consens_answer *answer = &refusal->answer;
    if (!request_is_write(future->request)) {
        if (future != agent->opener) { // see outcome_without_session()
            answer->applied = CONSENS_APPLIED_NO;
        }
    } else if (future->call.is_doubtful && answer->applied == CONSENS_APPLIED_NO) {
        end_unknown(agent, future, answer->detail);
        outcome_fini(refusal);
        return;
    }
    end(agent, future, refusal);
}

/* ---- tries ------------------------------------------------------------------------- */

static void avoid_link(struct agent *agent, uint32_t link)
{
    if (agent->preferred == link) {
        agent->preferred = (link + 1) % agent->link_count;
    }
}

static void wait_again(struct agent *agent, struct call *call, uint64_t now_ms)
{
    uint32_t rounds =
        call->try_count < agent->link_count ? 0 : call->try_count - agent->link_count + 1;
    uint32_t doublings = rounds < AGAIN_DOUBLINGS_MAX ? rounds : AGAIN_DOUBLINGS_MAX;
    call->state = CALL_WAITING;
    call->due_ms = rounds == 0 ? now_ms : now_ms + ((uint64_t)AGAIN_MS << doublings);
    agent->must_scan = true;
}

/* The answer to the last try will not come. */
static void lose(struct agent *agent,
                 struct consens_future *future,
                 const char *reason,
                 uint64_t now_ms)
{
    struct call *call = &future->call;
    call->is_doubtful =
        call->is_doubtful || (request_is_write(future->request) && !MUTANT_IS(230));
    avoid_link(agent, call->link);
    if (is_repeatable(future) || MUTANT_IS(231)) {
        wait_again(agent, call, now_ms);
    } else {
        end_unknown(agent, future, reason);
    }
}

void calls_lose_link(struct agent *agent, uint32_t link, uint64_t now_ms)
{
    struct consens_future *future = TAILQ_FIRST(&agent->active);
    while (future != NULL) {
        struct consens_future *next = TAILQ_NEXT(future, call.links);
        if (future->call.state == CALL_SENT && future->call.link == link) {
            lose(agent, future, agent->links[link].trouble, now_ms);
        }
        future = next;
    }
    avoid_link(agent, link);
    agent->must_scan = true;
}

/*
 * The first that is ready, from the preferred one on; one that is being connected is waited
 * for, one that failed of late is passed over. False: none now; scan_at_ms says when to ask
 * again if no news come before.
 */
static bool choose_link(struct agent *agent, uint64_t now_ms, uint32_t *out_index)
{
    for (uint32_t i = 0; i < agent->link_count; i++) {
        uint32_t index = (agent->preferred + i) % agent->link_count;
        struct link *link = &agent->links[index];
        if (link->state == LINK_CLOSED && now_ms >= link->due_ms) {
            link_connect(link, agent->zmq_context, now_ms);
        }
        if (link->state != LINK_CLOSED) {
            *out_index = index;
            return link->state == LINK_READY;
        }
    }
    for (uint32_t i = 0; i < agent->link_count; i++) {
        if (agent->links[i].due_ms < agent->scan_at_ms) {
            agent->scan_at_ms = agent->links[i].due_ms;
        }
    }
    return false;
}

/* False: it has to wait for a session, or for its turn in it. */
static bool get_number(struct agent *agent, struct consens_future *future)
{
    struct call *call = &future->call;
    if (!request_is_in_session(future->request) || call->sequence != 0) {
        return true;
    }
    if (agent->session.id == 0) {
        agent->wants_session = true;
        return false;
    }
    call->session = agent->session.id;
    call->sequence = session_take_number(&agent->session);
    return call->sequence != 0;
}

static void
pack(struct agent *agent, const struct consens_future *future, uint64_t wait_ms)
{
    const struct call *call = &future->call;
    struct client_request wire = request_for_wire(future->request);
    wire.id = wire_id(call);
    wire.request.timeout_ms = wait_ms;
    if (call->sequence != 0) {
        wire.command.session = call->session;
        wire.command.sequence = call->sequence;
        // A session that was given up since has nothing to acknowledge.
        wire.command.acknowledged = call->session == agent->session.id
                                        ? session_acknowledged(&agent->session)
                                        : 0;
    }
    agent->packed.bytes = 0;
    client_request_pack(&agent->packed, &wire);
}

/* This write was refused, no try of it was lost, and another could hardly be answered. */
static bool is_certain_enough(const struct consens_future *future, uint64_t now_ms)
{
    const struct call *call = &future->call;
    return request_is_write(future->request) && !call->is_doubtful &&
           outcome_is_there(&call->refusal) &&
           future->deadline_ms - now_ms < TRY_MS_MIN && !MUTANT_IS(351);
}

static void try_send(struct agent *agent, struct consens_future *future, uint64_t now_ms)
{
    struct call *call = &future->call;
    uint32_t index = 0;
    if (is_certain_enough(future, now_ms)) {
        return; // the deadline is next
    }
    if (!get_number(agent, future) || !choose_link(agent, now_ms, &index)) {
        return;
    }
    if (!future_mark_sent(future)) {
        return; // cancelled; the next scan drops it
    }
    uint64_t left_ms = future->deadline_ms - now_ms;
    uint64_t margin_ms = left_ms / 8 < MARGIN_MAX_MS ? left_ms / 8 : MARGIN_MAX_MS;
    uint64_t wait_ms = left_ms - margin_ms;
    if (is_repeatable(future) && wait_ms > ATTEMPT_MS) {
        wait_ms = ATTEMPT_MS;
    }
    call->try_count++;
    call->link = index;
    pack(agent, future, wait_ms);
    if (!link_send(&agent->links[index], view_of_buffer(&agent->packed))) {
        avoid_link(agent, index); // its queue is full: nothing has left
        wait_again(agent, call, now_ms);
        return;
    }
    call->state = CALL_SENT;
    call->due_ms = now_ms + wait_ms + margin_ms;
}

/* ---- the deadline ------------------------------------------------------------------ */

/* Whatever became of the opening: the write was not sent. A code that speaks of a write that
 * may be applied would say of this one what is not so. */
static struct outcome outcome_without_session(const struct consens_answer *refusal,
                                              const char *what)
{
    char detail[DETAIL_BYTES];
    bool is_no = refusal->applied == CONSENS_APPLIED_NO || MUTANT_IS(350);
    (void)snprintf(detail, sizeof detail, "%s: %s", what,
                   is_no ? refusal->detail : "whether one was opened is not known");
    struct outcome outcome = outcome_of(is_no ? refusal->code : CONSENS_UNREACHABLE,
                                        CONSENS_APPLIED_NO, detail, refusal->endpoint);
    outcome.answer.is_retryable = refusal->is_retryable;
    return outcome;
}

/* False: it waits for no session, or no node has been asked for one. */
static bool maybe_end_without_session(struct agent *agent, struct consens_future *future)
{
    static const char what[] = "no session could be opened in time";
    const struct consens_future *opener = agent->opener;
    const struct outcome *refusal = &agent->session_refusal;
    struct outcome outcome;
    if (opener != NULL && outcome_is_there(&opener->call.refusal)) {
        refusal = &opener->call.refusal;
    }
    if (!request_is_in_session(future->request) || future->call.sequence != 0) {
        return false;
    }
    if (outcome_is_there(refusal)) {
        outcome = outcome_without_session(&refusal->answer, what);
    } else if (opener != NULL && opener->call.try_count > 0) {
        char detail[DETAIL_BYTES];
        const char *name = name_of(agent, &opener->call);
        (void)snprintf(detail, sizeof detail, "%s: %s did not answer", what, name);
        outcome = outcome_of(CONSENS_UNREACHABLE, CONSENS_APPLIED_NO, detail, name);
    } else {
        return false;
    }
    end(agent, future, &outcome);
    return true;
}

/* What kept it from being sent: no session, or no node. */
static void end_unsent(struct agent *agent, struct consens_future *future)
{
    char detail[DETAIL_BYTES] = "no node could be reached in time";
    size_t used = strlen(detail);
    if (maybe_end_without_session(agent, future)) {
        return;
    }
    const char *separator = ": ";
    for (uint32_t i = 0; i < agent->link_count && used < sizeof detail; i++) {
        const struct link *link = &agent->links[i];
        if (link->trouble[0] != '\0') {
            int count = snprintf(detail + used, sizeof detail - used, "%s%s: %s",
                                 separator, link->endpoint.name, link->trouble);
            used += count > 0 ? (size_t)count : 0;
            separator = "; ";
        }
    }
    struct outcome outcome =
        outcome_of(CONSENS_UNREACHABLE, CONSENS_APPLIED_NO, detail, NULL);
    end(agent, future, &outcome);
}

static void end_at_deadline(struct agent *agent, struct consens_future *future)
{
    struct call *call = &future->call;
    bool is_write = request_is_write(future->request);
    if (call->state == CALL_SENT) {
        avoid_link(agent, call->link);
    }
    if (call->state == CALL_SENT && is_write) {
        end_unknown(agent, future, "there was none until the deadline");
    } else if (outcome_is_there(&call->refusal)) {
        struct outcome refusal = {0};
        outcome_move(&refusal, &call->refusal);
        end_refused(agent, future, &refusal);
    } else if (call->is_doubtful) {
        end_unknown(agent, future, "and no other node was reached in time");
    } else if (call->try_count > 0) {
        char detail[DETAIL_BYTES];
        const char *name = name_of(agent, call);
        (void)snprintf(detail, sizeof detail, "%s did not answer in time", name);
        struct outcome outcome =
            outcome_of(CONSENS_UNREACHABLE, CONSENS_APPLIED_NO, detail, name);
        end(agent, future, &outcome);
    } else {
        end_unsent(agent, future);
    }
}

/* ---- scanning ---------------------------------------------------------------------- */

static void note_time(struct agent *agent, uint64_t time_ms)
{
    if (time_ms < agent->scan_at_ms) {
        agent->scan_at_ms = time_ms;
    }
}

static void scan_call(struct agent *agent, struct consens_future *future, uint64_t now_ms)
{
    struct call *call = &future->call;
    if (atomic_load(&future->is_done)) { // cancelled
        drop(agent, future);
        return;
    }
    if (now_ms >= future->deadline_ms) {
        end_at_deadline(agent, future);
        return;
    }
    note_time(agent, future->deadline_ms);
    if (call->state == CALL_SENT && now_ms >= call->due_ms) {
        lose(agent, future, "it did not come in time", now_ms); // repeatable: lives on
    }
    if (call->state == CALL_WAITING && now_ms >= call->due_ms) {
        try_send(agent, future, now_ms);
    }
    if (call->due_ms > now_ms) { // else it waits for news
        note_time(agent, call->due_ms);
    }
}

static void open_session(struct agent *agent, uint64_t now_ms)
{
    struct consens_request *request = request_new(OP_SESSION);
    agent->opener = future_new(agent->client, request, now_ms + request->timeout_ms);
    agent->opener->is_in_flight = true; // and nobody else's
    calls_take(agent, agent->opener);
}

void calls_scan(struct agent *agent, uint64_t now_ms)
{
    agent->must_scan = false;
    agent->wants_session = false;
    agent->scan_at_ms = UINT64_MAX;
    struct consens_future *future = TAILQ_FIRST(&agent->active);
    while (future != NULL) {
        struct consens_future *next = TAILQ_NEXT(future, call.links);
        scan_call(agent, future, now_ms);
        future = next;
    }
    if (agent->wants_session && agent->opener == NULL) {
        open_session(agent, now_ms); // must_scan: it is sent in the next turn
    }
}

void calls_end_all(struct agent *agent)
{
    while (!TAILQ_EMPTY(&agent->active)) {
        struct consens_future *future = TAILQ_FIRST(&agent->active);
        const struct call *call = &future->call;
        bool is_in_doubt = request_is_write(future->request) &&
                           (call->is_doubtful || call->state == CALL_SENT);
        struct outcome outcome = outcome_of(
            CONSENS_CLOSED, is_in_doubt ? CONSENS_APPLIED_UNKNOWN : CONSENS_APPLIED_NO,
            is_in_doubt ? "the client was closed before the answer came: whether it was "
                          "applied is not known"
                        : "the client was closed; nothing was done",
            name_of(agent, call));
        end(agent, future, &outcome);
    }
}

/* ---- answers ----------------------------------------------------------------------- */

/* NULL: it is over, or nobody ever asked. */
static struct consens_future *find(const struct agent *agent, uint64_t id)
{
    uint64_t slot = id & SLOT_MASK;
    struct consens_future *future = slot < AGENT_SLOTS ? agent->slots[slot] : NULL;
    bool is_it = future != NULL && future->call.number == id >> (TRY_BITS + SLOT_BITS);
    return is_it ? future : NULL;
}

/* A message was refused whole, and its id not read: whose it was is clear only if one call
 * waits for an answer over this link. */
static struct consens_future *find_only(const struct agent *agent, uint32_t link)
{
    struct consens_future *found = NULL;
    struct consens_future *future = NULL;
    uint32_t count = 0;
    TAILQ_FOREACH(future, &agent->active, call.links)
    {
        if (future->call.state == CALL_SENT && future->call.link == link) {
            count++;
            found = future;
        }
    }
    return count == 1 ? found : NULL;
}

static void end_with_session(struct agent *agent, const struct client_reply *reply)
{
    session_start(&agent->session, reply->session);
    outcome_fini(&agent->session_refusal);
    drop(agent, agent->opener);
    agent->must_scan = true;
}

/* It cannot be opened, and trying again makes no sense: so for all who wait for it. */
static void end_waiting_for_session(struct agent *agent, const struct outcome *refusal)
{
    struct consens_future *future = TAILQ_FIRST(&agent->active);
    while (future != NULL) {
        struct consens_future *next = TAILQ_NEXT(future, call.links);
        if (request_is_in_session(future->request) && future->call.sequence == 0) {
            struct outcome outcome =
                outcome_without_session(&refusal->answer, "no session could be opened");
            end(agent, future, &outcome);
        }
        future = next;
    }
}

static void refuse(struct agent *agent,
                   struct consens_future *future,
                   const struct client_reply *reply,
                   uint64_t now_ms)
{
    struct call *call = &future->call;
    struct outcome refusal = outcome_from_reply(reply, name_of(agent, call));
    bool is_expired = reply->status == CS_SESSION_EXPIRED && call->sequence != 0;
    // What has expired was not applied by this try: only the tries before count.
    bool is_unknown = reply->applied != CS_APPLIED_NO && !is_expired &&
                      request_is_write(future->request);
    bool may_repeat = is_unknown ? is_repeatable(future) : true;
    bool is_again = reply->is_retryable && may_repeat && now_ms < future->deadline_ms;
    call->is_doubtful = call->is_doubtful || is_unknown;
    if (is_expired && agent->session.id == call->session) {
        agent->session = (struct session){0}; // whoever comes next opens another
    }
    if (is_expired && (!call->is_doubtful || MUTANT_IS(232))) {
        call->session = 0; // nothing of it was done: it may have a number of another
        call->sequence = 0;
        refusal.answer.applied =
            MUTANT_IS(297) ? CONSENS_APPLIED_UNKNOWN : CONSENS_APPLIED_NO;
        is_again = true;
    }
    if (is_again) {
        outcome_move(&call->refusal, &refusal);
        avoid_link(agent, call->link);
        wait_again(agent, call, now_ms);
        return;
    }
    if (future == agent->opener) {
        end_waiting_for_session(agent, &refusal);
    }
    end_refused(agent, future, &refusal);
}

void calls_answer(struct agent *agent,
                  uint32_t link,
                  const struct client_reply *reply,
                  uint64_t now_ms)
{
    bool is_whole = reply->id == 0;
    struct consens_future *future =
        is_whole ? find_only(agent, link) : find(agent, reply->id);
    if (future == NULL) {
        return;
    }
    const struct call *call = &future->call;
    bool is_last_try = call->state == CALL_SENT && call->link == link &&
                       (is_whole || reply->id == wire_id(call));
    if (!outcome_is_result(reply->status)) {
        if (is_last_try || MUTANT_IS(233)) {
            refuse(agent, future, reply, now_ms);
        }
        return;
    }
    if (future != agent->opener) {
        struct outcome outcome =
            outcome_from_reply(reply, agent->links[link].endpoint.name);
        end(agent, future, &outcome);
    } else if (reply->session != 0) {
        end_with_session(agent, reply);
    }
}
