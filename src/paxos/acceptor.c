#include "paxos/core.h"

/* Promises (2.7 P1) and the follower's side of phase 2 (2.8 A2-A6). */

void acceptor_nack(struct paxos_core *core, const struct paxos_message *message)
{
    struct paxos_message *nack = core_send_now(core, PAXOS_NACK, message->from);
    nack->ballot = message->ballot;
    nack->nack.promised = core->promised;
    nack->nack.leader = core->election.leader;
}

void acceptor_ask_prepare(struct paxos_core *core, uint32_t seat)
{
    if (core->stream.asked_ms != 0 &&
        core->now_ms < core->stream.asked_ms + ASK_AGAIN_MS) {
        return;
    }
    core->stream.asked_ms = core->now_ms;
    core->stream.asked_id = core->stream.id;
    struct paxos_message *message = core_send_now(core, PAXOS_PREPARE_REQUEST, seat);
    message->ballot = core->promised;
}

static void send_promise(struct paxos_core *core, const struct paxos_message *message)
{
    // After sync: everything the claims rest on was persisted before the newest token.
    struct paxos_message *out = core_send_after_sync(core, PAXOS_PROMISE, message->from);
    out->ballot = message->ballot;
    out->promise.decided = core->log.decided;
    out->promise.decided_chain = log_chain_at(&core->log, core->log.decided);
    if (core->faulty.is_active) {
        MARK(P5);
        // P5: it binds this node, and lets a leader send its log; it is no vote.
        out->promise.faulty = MUTANT_IS(106) ? 0 : 1;
        out->promise.length = core->log.decided;
        out->promise.length_chain = out->promise.decided_chain;
        return;
    }
    out->promise.accepted = core->accepted;
    out->promise.length = core->log.length;
    out->promise.length_chain = log_chain_at(&core->log, core->log.length);
}

static void adopt_promise(struct paxos_core *core, struct paxos_ballot ballot)
{
    if (core->role != PAXOS_FOLLOWER) {
        proposer_step_down(core, ballot, PAXOS_TRACE_STEP_DOWN);
    }
    MARK(P1);
    core->promised = ballot;
    core->staging.is_active = false;
    core->stream = (struct follower_stream){0};
    core_persist(core, PAXOS_PERSIST_PROMISE, 0, 0);
    core->promise_token = core->last_token;
    election_note_promise(core, ballot);
    core_trace(core, PAXOS_TRACE_PROMISED, core_seat_of(core, ballot), ballot,
               core->log.length);
}

void acceptor_receive_prepare(struct paxos_core *core,
                              const struct paxos_message *message)
{
    struct paxos_ballot ballot = message->ballot;
    if ((ballot.epoch != core->config.epoch && !MUTANT_IS(95)) ||
        (core_seat_of(core, ballot) != message->from && !MUTANT_IS(96))) {
        return;
    }
    if ((ballot_less(ballot, core->promised) && !MUTANT_IS(15)) ||
        (MUTANT_IS(24) && ballot_equal(ballot, core->promised))) {
        MARK(P1_LOWER);
        acceptor_nack(core, message);
        return;
    }
    MARK_IF(ballot_equal(ballot, core->promised), P1_AGAIN);
    if (ballot_less(core->promised, ballot)) {
        adopt_promise(core, ballot);
    }
    // b == promised: the answer was lost; promise again, change nothing (P1).
    send_promise(core, message);
    if (BUGGIFY(core->settings.buggify, PROMISE_TWICE)) {
        send_promise(core, message);
    }
}

/* True if the ballot of a phase 2 message is the promised one; answers otherwise (A9). */
bool acceptor_is_promised(struct paxos_core *core, const struct paxos_message *message)
{
    if (core_seat_of(core, message->ballot) != message->from) {
        return false;
    }
    int order = paxos_ballot_compare(message->ballot, core->promised);
    if (order < 0) {
        acceptor_nack(core, message);
    } else if (order > 0) {
        MARK(A9);
        acceptor_ask_prepare(core, message->from);
    }
    return order == 0 && core->role == PAXOS_FOLLOWER;
}

void acceptor_note_decided(struct paxos_core *core, cs_slot decided)
{
    // A6: never beyond what is held.
    cs_slot known =
        decided < core->log.length || MUTANT_IS(13) ? decided : core->log.length;
    MARK_IF(known > core->log.decided, A6);
    MARK_IF(decided > core->log.length, A6_CLIPPED);
    core->log.decided = known > core->log.decided ? known : core->log.decided;
}

/*
 * Appends the message's entries from index `first` on. False: no room in memory,
 * nothing done.
 */
bool acceptor_append(struct paxos_core *core,
                     const struct paxos_message *message,
                     uint32_t first)
{
    uint32_t count = message->entry_count - first;
    if (count == 0) {
        return true;
    }
    if (!core_make_room(core, core->log.length + count)) {
        return false;
    }
    cs_slot first_slot = core->log.length + 1;
    for (uint32_t i = first; i < message->entry_count; i++) {
        log_append(&core->log, &message->entries[i]);
    }
    core_take(core, first, count);
    core_persist(core, PAXOS_PERSIST_APPEND, first_slot, count);
    return true;
}

/* ---- Accept (A3) ---- */

/*
 * Mostly a lost frame: the leader begins the stream anew. Where frames overtake each other
 * that breaks again at once; then what is decided is fetched, or a stream a while
 * (ASK_AGAIN_MS) would be all that this node moves by.
 */
static void mend_gap(struct paxos_core *core, const struct paxos_message *message)
{
    const struct follower_stream *stream = &core->stream;
    bool is_again =
        core->now_ms < stream->asked_ms + ASK_AGAIN_MS && stream->id != stream->asked_id;
    MARK(A3_GAP);
    if (is_again && message->accept.decided > core->log.length && !MUTANT_IS(245)) {
        fetch_start(core, message->from, message->accept.decided);
    } else {
        acceptor_ask_prepare(core, message->from);
    }
}

static bool fits_stream(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_accept *accept = &message->accept;
    struct follower_stream *stream = &core->stream;
    if (MUTANT_IS(70)) {
        return true;
    }
    if (accept->stream != stream->id || accept->sequence > stream->expected) {
        if (accept->stream >= stream->id) {
            mend_gap(core, message);
        }
        return false;
    }
    if (accept->sequence < stream->expected) {
        // A duplicate or a probe: our answer may be lost. The round it carries has begun,
        // however old the number is.
        stream->read_round = accept->read_round > stream->read_round ? accept->read_round
                                                                     : stream->read_round;
        stream->wants_ack = !MUTANT_IS(71);
        MARK(A3_OLD);
        return false;
    }
    return true;
}

static void note_read_round(struct paxos_core *core, const struct paxos_message *message)
{
    struct follower_stream *stream = &core->stream;
    uint64_t round = message->accept.read_round;
    if (round > stream->read_round) {
        stream->read_round = round;
    }
    // With entries the round rides on Accepted; without, nothing is to be waited for.
    bool is_lost =
        BUGGIFY(core->settings.buggify, ROUND_ACK_LOST) && core_draw(core, 2) == 0;
    if (message->entry_count == 0 && round > stream->round_acked && !is_lost) {
        struct paxos_message *ack = core_send_now(core, PAXOS_ROUND_ACK, message->from);
        ack->ballot = core->promised;
        ack->round_ack.read_round = stream->read_round;
        stream->round_acked = stream->read_round;
    }
}

static void send_accepted(struct paxos_core *core)
{
    MARK(A4);
    struct paxos_ballot ballot = MUTANT_IS(9) ? core->promised : core->accepted;
    struct paxos_message *out =
        core_send_now(core, PAXOS_ACCEPTED, core_seat_of(core, ballot));
    out->ballot = ballot;
    out->accepted.stream = core->stream.id;
    out->accepted.durable = MUTANT_IS(3) ? core->log.length : core->log.durable;
    out->accepted.read_round = core->stream.read_round;
    out->accepted.decided = core->log.decided;
    core->stream.round_acked = core->stream.read_round;
    core->stream.wants_ack = false;
}

/* A4: cumulative, durable, and only under the ballot both promised and accepted. */
void acceptor_maybe_ack(struct paxos_core *core)
{
    bool is_under_leader = core->role == PAXOS_FOLLOWER && core->stream.id != 0 &&
                           (ballot_equal(core->accepted, core->promised) || MUTANT_IS(9));
    bool is_durable = core->durable_token >= core->accepted_token || MUTANT_IS(3);
    uint32_t seat = core_seat_of(core, core->accepted);
    bool is_lost = BUGGIFY(core->settings.buggify, ACK_LOST) && core_draw(core, 2) == 0;
    if (is_under_leader && is_durable && seat != NO_SEAT && seat != core->settings.seat &&
        !is_lost) {
        send_accepted(core);
        if (BUGGIFY(core->settings.buggify, ACK_TWICE)) {
            send_accepted(core);
        }
    }
}

void acceptor_receive_accept(struct paxos_core *core, const struct paxos_message *message)
{
    if (MUTANT_IS(82)) {
        struct paxos_message *ack = core_send_now(core, PAXOS_ROUND_ACK, message->from);
        ack->ballot = message->ballot;
        ack->round_ack.read_round = message->accept.read_round;
    }
    if (!acceptor_is_promised(core, message)) {
        return;
    }
    const struct paxos_accept *accept = &message->accept;
    if (MUTANT_IS(72)) {
        acceptor_note_decided(core, accept->decided);
    }
    if (!ballot_equal(core->accepted, message->ballot) || core->faulty.is_active) {
        if (!core->staging.is_active) {
            acceptor_ask_prepare(core, message->from);
        }
        return; // AcceptSync comes first
    }
    if (!fits_stream(core, message)) {
        if (core->stream.wants_ack) {
            acceptor_maybe_ack(core);
        }
        return;
    }
    struct walk walk =
        log_walk(&core->log, accept->previous, accept->previous_chain, message);
    if (walk.result != WALK_HELD || !acceptor_append(core, message, walk.held)) {
        acceptor_ask_prepare(core, message->from);
        return;
    }
    MARK(A3);
    core->stream.expected = accept->sequence + 1;
    acceptor_note_decided(core, accept->decided);
    note_read_round(core, message);
    if (message->entry_count > 0 && walk.held == message->entry_count) {
        MARK(A3_HELD);
        core->stream.wants_ack = true;
    }
    if (core->stream.wants_ack || MUTANT_IS(3)) {
        acceptor_maybe_ack(core);
    }
}

void acceptor_persisted(struct paxos_core *core)
{
    if (core->stream.id != 0) {
        acceptor_maybe_ack(core);
    }
}
