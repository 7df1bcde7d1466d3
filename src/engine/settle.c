/*
 * settle.c - what became of writes whose leader is gone: certainty before their deadline.
 *
 * A write handed on under ballot b (forwarded to its leader, or proposed here) is
 * unknown as long as some log with b's entries might still win. It is settled once a
 * slot that was proposed under a larger ballot c is decided here and applied: then
 * every chosen log begins with that slot's prefix, and what follows it was proposed
 * under c or later (I3, P2: any later phase 1 meets the quorum that chose it, and takes
 * the log with the largest accepted ballot). A command is proposed under one ballot
 * only (forward.c), so what is not applied by then never will be, and may be handed on
 * again.
 *
 * A slot is known to be c's own if it lies above the log as it was when this node
 * accepted c (that log reaches S_c), and was decided by an Accept of c; or above S_c on
 * c's leader.
 *
 * If nothing else is written, a node that waits asks the leader for a slot without
 * commands (a FORWARD with an empty batch).
 *
 * Thread: engine only.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

enum { ASK_AGAIN_BEATS = 4 }; // heartbeats between two empty FORWARDs

static bool is_handed_on(const struct waiter *waiter)
{
    return waiter->state == WAITER_SENT || waiter->state == WAITER_PROPOSED;
}

static void note_accepted(struct replica *replica)
{
    struct settling *settling = &replica->settling;
    if (!ballot_is(settling->accepted, replica->view.accepted)) {
        settling->accepted = replica->view.accepted;
        settling->accepted_length = replica->view.length;
        settling->is_news = MUTANT_IS(65);
        settling->settled = MUTANT_IS(65) ? settling->accepted : settling->settled;
    }
}

/* Did this step decide a slot that was proposed under view.accepted itself? */
static bool decides_own_slot(const struct replica *replica,
                             const struct paxos_event *event,
                             cs_slot decided_before)
{
    const struct paxos_view *view = &replica->view;
    if (view->decided <= decided_before || !ballot_is(view->accepted, view->promised)) {
        return false;
    }
    if (view->role == PAXOS_LEADER) {
        return view->decided > view->sync_length || MUTANT_IS(187);
    }
    return event->type == PAXOS_EVENT_MESSAGE && event->message->type == PAXOS_ACCEPT &&
           ballot_is(event->message->ballot, view->accepted) &&
           (view->decided > replica->settling.accepted_length || MUTANT_IS(187));
}

void settle_note_step(struct replica *replica,
                      const struct paxos_event *event,
                      cs_slot decided_before)
{
    struct settling *settling = &replica->settling;
    note_accepted(replica);
    if (decides_own_slot(replica, event, decided_before) &&
        paxos_ballot_compare(replica->view.accepted, settling->settled) > 0) {
        settling->settled = replica->view.accepted;
        settling->is_news = true;
    }
}

void settle_answer(struct replica *replica)
{
    struct settling *settling = &replica->settling;
    if (!settling->is_news || (mend_is_behind(replica) && !MUTANT_IS(131))) {
        return; // behind: once the state machine has caught up
    }
    CHECK(replica->applied == replica->view.decided);
    settling->is_news = false;
    for (uint32_t i = 0; i < replica->waiters.used; i++) {
        struct waiter *waiter = &replica->waiters.table[i];
        if (is_handed_on(waiter) &&
            paxos_ballot_compare(waiter->ballot, settling->settled) < MUTANT_IS(186)) {
            settle_forget(replica, waiter);
            waiter->state = WAITER_PENDING;
            write_queue_push(&replica->writes, waiter->item);
        }
    }
}

void settle_forget(struct replica *replica, const struct waiter *waiter)
{
    struct settling *settling = &replica->settling;
    if (is_handed_on(waiter) && !ballot_is(waiter->ballot, settling->leader)) {
        CHECK(settling->open_count > 0);
        settling->open_count--;
    }
}

void settle_add(struct replica *replica,
                struct waiter *waiter,
                struct paxos_ballot ballot)
{
    CHECK(is_handed_on(waiter));
    waiter->ballot = ballot;
    if (!ballot_is(ballot, replica->settling.leader)) {
        replica->settling.open_count++;
    }
}

/* Another leader: what was handed on to the others is open. */
static void recount(struct replica *replica)
{
    struct settling *settling = &replica->settling;
    settling->leader = replica->view.leader;
    settling->open_count = 0;
    settling->ask_at_ms = replica->now_ms;
    for (uint32_t i = 0; i < replica->waiters.used; i++) {
        const struct waiter *waiter = &replica->waiters.table[i];
        if (is_handed_on(waiter) && !ballot_is(waiter->ballot, settling->leader)) {
            settling->open_count++;
        }
    }
}

void settle_flush(struct replica *replica)
{
    struct settling *settling = &replica->settling;
    if (!ballot_is(settling->leader, replica->view.leader)) {
        recount(replica);
    }
    if (settling->open_count == 0 || replica->now_ms < settling->ask_at_ms) {
        return;
    }
    uint32_t own_seat = replica->settings.core.seat;
    if (replica->view.role == PAXOS_LEADER) {
        replica->barrier_seats |= 1u << own_seat;
    } else if (!forward_ask_barrier(replica)) {
        return;
    }
    bool is_hasty = BUGGIFY(replica->settings.core.buggify, BARRIER_OFTEN);
    uint64_t beat_ms = replica->settings.core.heartbeat_ms;
    settling->ask_at_ms =
        replica->now_ms + (is_hasty ? beat_ms / 5 : ASK_AGAIN_BEATS * beat_ms);
}
