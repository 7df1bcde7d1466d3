/*
 * acceptor.c - promises, and the follower's log under its leader's messages (P1, A2, A3,
 * A8, A9). What a message did is read off the step's record.
 */
#include "monitor/model.h"

static bool is_followed(const struct monitor *monitor,
                        const struct paxos_message *message)
{
    return spec_identity_votes(&monitor->view) &&
           ballot_equal(message->ballot, monitor->view.promised);
}

struct model_stream *spec_acceptor_stream(struct monitor *monitor, uint64_t stream)
{
    struct model_following *following = &monitor->following;
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        if (following->streams[i].stream == stream &&
            following->streams[i].expected > 0) {
            return &following->streams[i];
        }
    }
    return NULL;
}

/*
 * The place of a stream not noted yet: that of one that was left, else of the oldest, for
 * old AcceptSyncs may come late and many at once. NULL: it is older than all.
 */
static struct model_stream *place_of(struct model_following *following, uint64_t stream)
{
    struct model_stream *oldest = &following->streams[0];
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        struct model_stream *place = &following->streams[i];
        if (place->expected == 0 || place->is_left) {
            return place;
        }
        oldest = place->stream < oldest->stream ? place : oldest;
    }
    return stream > oldest->stream ? oldest : NULL;
}

static void note_sync(struct monitor *monitor, const struct paxos_message *message)
{
    struct model_following *following = &monitor->following;
    const struct paxos_accept_sync *sync = &message->accept_sync;
    following->has_sync = true;
    following->sync_length = sync->sync_length;
    following->sync_chain = sync->sync_chain;
    following->sync_decided = slot_larger(following->sync_decided, sync->decided);
    struct model_stream *stream = spec_acceptor_stream(monitor, sync->stream);
    if (stream == NULL) {
        stream = place_of(following, sync->stream);
        if (stream == NULL) {
            return;
        }
        *stream = (struct model_stream){.stream = sync->stream, .expected = 1};
    }
    stream->is_left = false;
}

void spec_acceptor_note(struct monitor *monitor)
{
    struct model_following *following = &monitor->following;
    if (!ballot_equal(following->ballot, monitor->view.promised)) {
        *following = (struct model_following){.ballot = monitor->view.promised};
    }
    const struct paxos_message *message = monitor->message;
    if (message == NULL || !is_followed(monitor, message)) {
        return;
    }
    if (message->type == PAXOS_ACCEPT_SYNC) {
        note_sync(monitor, message);
    } else if (message->type == PAXOS_ACCEPT) {
        uint64_t round = message->accept.read_round;
        following->round_heard =
            round > following->round_heard ? round : following->round_heard;
    }
}

/*
 * ---- promises
 */

static bool sends(const struct monitor *monitor,
                  uint32_t type,
                  uint32_t to,
                  struct paxos_ballot ballot)
{
    const struct paxos_effects *effects = monitor->step->effects;
    for (uint32_t i = 0; i < effects->now_count; i++) {
        const struct paxos_message *message = &effects->messages_now[i];
        if (message->type == type && message->to == to &&
            ballot_equal(message->ballot, ballot)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < effects->after_sync_count; i++) {
        const struct paxos_message *message = &effects->messages_after_sync[i];
        if (message->type == type && message->to == to &&
            ballot_equal(message->ballot, ballot)) {
            return true;
        }
    }
    return false;
}

static void judge_promise_record(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    struct paxos_ballot promised = monitor->step->view->promised;
    if (spec_election_takes_over(monitor)) {
        return; // E4
    }
    bool is_asked = message != NULL && message->type == PAXOS_PREPARE &&
                    spec_identity_votes(&monitor->view);
    EXPECT(monitor, RULE_P1,
           is_asked && ballot_equal(promised, message->ballot) &&
               ballot_order(promised, monitor->view.promised) > 0,
           "promises %s after %s, and no such Prepare came", spec_ballot(promised),
           spec_ballot(monitor->view.promised));
}

static void judge_prepare(struct monitor *monitor, const struct paxos_message *message)
{
    struct paxos_ballot before = monitor->view.promised;
    struct paxos_ballot after = monitor->step->view->promised;
    if (!spec_identity_votes(&monitor->view)) {
        return; // what a gated node sends is judged by G2
    }
    if (ballot_order(message->ballot, before) < 0) {
        EXPECT(monitor, RULE_P1,
               ballot_equal(monitor->promised, before) &&
                   sends(monitor, PAXOS_NACK, message->from, message->ballot) &&
                   !sends(monitor, PAXOS_PROMISE, message->from, message->ballot),
               "Prepare(%s) after the promise of %s must be nacked",
               spec_ballot(message->ballot), spec_ballot(before));
        return;
    }
    if (spec_election_takes_over(monitor)) {
        return; // by the tick after it: the promise of a smaller ballot need not be sent
    }
    EXPECT(monitor, RULE_P1,
           ballot_equal(after, message->ballot) &&
               sends(monitor, PAXOS_PROMISE, message->from, message->ballot) &&
               !sends(monitor, PAXOS_NACK, message->from, message->ballot),
           "Prepare(%s) after the promise of %s must be promised",
           spec_ballot(message->ballot), spec_ballot(before));
}

/*
 * ---- the follower's log
 */

/* Is the log, to its end, what the message's entries make of what they follow? */
static bool ends_in_message(const struct monitor *monitor,
                            const struct paxos_message *message,
                            cs_slot from,
                            struct paxos_digest from_chain)
{
    const struct model_log *log = &monitor->log;
    if (log->length < from || log->length - from > message->entry_count) {
        return false;
    }
    struct paxos_digest chain = spec_log_chain_of(message, from_chain, from, log->length);
    return chain_equal(chain, spec_log_at(log, log->length)->chain);
}

static void judge_accept(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_accept *accept = &message->accept;
    const struct model_stream *stream = spec_acceptor_stream(monitor, accept->stream);
    EXPECT(monitor, RULE_A3, ballot_equal(monitor->view.accepted, message->ballot),
           "accepts an Accept(%s) and has accepted %s", spec_ballot(message->ballot),
           spec_ballot(monitor->view.accepted));
    EXPECT(monitor, RULE_A3,
           stream != NULL && !stream->is_left && accept->sequence <= stream->expected,
           "accepts number %llu of stream %llu, the next is %llu (0: not in this stream)",
           ull(accept->sequence), ull(accept->stream),
           ull(stream != NULL && !stream->is_left ? stream->expected : 0));
    EXPECT(monitor, RULE_A3, accept->previous <= monitor->length_before,
           "accepts entries that follow slot %llu, the log ends at %llu",
           ull(accept->previous), ull(monitor->length_before));
    EXPECT(monitor, RULE_A3,
           ends_in_message(monitor, message, accept->previous, accept->previous_chain),
           "the log after an Accept is not the leader's");
}

static void judge_append(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    if (monitor->step->event->type == PAXOS_EVENT_PROPOSE) {
        return; // proposer.c
    }
    EXPECT(monitor, RULE_P7, monitor->view.role != PAXOS_LEADER,
           "a leader appends what nobody proposed");
    EXPECT(monitor, RULE_P5, monitor->view.faulty_first == 0,
           "appends to a log with slots of unknown identity");
    EXPECT(monitor, RULE_A3, monitor->kept == monitor->length_before,
           "an append that changes slot %llu", ull(monitor->kept + 1));
    bool may_be = message != NULL && is_followed(monitor, message) &&
                  ballot_equal(monitor->view.accepted, message->ballot) &&
                  (message->type == PAXOS_ACCEPT || message->type == PAXOS_ACCEPT_SYNC ||
                   message->type == PAXOS_ENTRIES);
    EXPECT(monitor, RULE_A3, may_be,
           "appends entries of ballot %s with promised %s accepted %s",
           spec_ballot(message != NULL ? message->ballot : (struct paxos_ballot){0}),
           spec_ballot(monitor->view.promised), spec_ballot(monitor->view.accepted));
    if (!may_be) {
        return;
    }
    if (message->type == PAXOS_ACCEPT) {
        judge_accept(monitor, message);
    } else if (message->type == PAXOS_ACCEPT_SYNC) {
        EXPECT(monitor, RULE_A2,
               ends_in_message(monitor, message, message->accept_sync.from,
                               message->accept_sync.from_chain),
               "the log after an AcceptSync is not the leader's");
    } else {
        EXPECT(monitor, RULE_A2,
               monitor->following.has_sync &&
                   ends_in_message(monitor, message, message->log.from,
                                   message->log.from_chain),
               "the log after Entries is not the leader's");
    }
}

/*
 * P5, I6: a leader's log in place of one with lost slots holds all that was acked or known to
 * be decided.
 */
static void judge_replaced(struct monitor *monitor)
{
    const struct paxos_view *before = &monitor->view;
    const struct model_lost *lost = &monitor->lost;
    if (before->faulty_first == 0) {
        return;
    }
    EXPECT(monitor, RULE_P5, monitor->log.length >= lost->decided,
           "accepts %llu slots, %llu were known to be decided", ull(monitor->log.length),
           ull(lost->decided));
    EXPECT(monitor, RULE_P5,
           !ballot_equal(before->accepted, before->promised) ||
               (monitor->log.length >= lost->length &&
                spec_log_agrees(&monitor->log, lost->length, lost->chain)),
           "accepts %s again with %llu slots, of which it had %llu, or others",
           spec_ballot(before->promised), ull(monitor->log.length), ull(lost->length));
}

static void judge_sync(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    const struct model_following *following = &monitor->following;
    const struct paxos_view *after = monitor->step->view;
    if (monitor->view.role == PAXOS_PREPARING) {
        return; // proposer.c
    }
    bool may_be = message != NULL && is_followed(monitor, message) &&
                  (message->type == PAXOS_ACCEPT_SYNC || message->type == PAXOS_ENTRIES);
    EXPECT(monitor, RULE_A2,
           may_be && monitor->view.role == PAXOS_FOLLOWER && following->has_sync,
           "takes a leader's log over without an AcceptSync of promised %s",
           spec_ballot(monitor->view.promised));
    EXPECT(monitor, RULE_A2, ballot_equal(after->accepted, monitor->view.promised),
           "accepts %s, promised was %s", spec_ballot(after->accepted),
           spec_ballot(monitor->view.promised));
    EXPECT(monitor, RULE_A2,
           !ballot_equal(monitor->view.accepted, monitor->view.promised) ||
               monitor->kept == monitor->length_before,
           "an AcceptSync of the accepted ballot changes slot %llu",
           ull(monitor->kept + 1));
    EXPECT(
        monitor, RULE_A2,
        monitor->log.length >= following->sync_length &&
            spec_log_agrees(&monitor->log, following->sync_length, following->sync_chain),
        "accepts %s with %llu slots, its leader synced %llu, or others",
        spec_ballot(after->accepted), ull(monitor->log.length),
        ull(following->sync_length));
    judge_replaced(monitor);
    if (may_be) {
        bool is_sync = message->type == PAXOS_ACCEPT_SYNC;
        EXPECT(monitor, RULE_A2,
               ends_in_message(monitor, message,
                               is_sync ? message->accept_sync.from : message->log.from,
                               is_sync ? message->accept_sync.from_chain
                                       : message->log.from_chain),
               "the log after %s is not the leader's", paxos_message_name(message->type));
    }
}

static void judge_fetched(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    const struct paxos_view *after = monitor->step->view;
    bool may_be = message != NULL && message->type == PAXOS_ENTRIES &&
                  (message->ballot.round == 0 || is_followed(monitor, message));
    EXPECT(monitor, RULE_A8, may_be, "installs decided entries that nobody sent");
    EXPECT(monitor, RULE_A8,
           ballot_equal(after->accepted, monitor->view.accepted) &&
               ballot_equal(after->promised, monitor->view.promised),
           "fetched entries make promised %s accepted %s of %s and %s",
           spec_ballot(after->promised), spec_ballot(after->accepted),
           spec_ballot(monitor->view.promised), spec_ballot(monitor->view.accepted));
    EXPECT(monitor, RULE_A8, after->decided == after->length,
           "installs %llu slots as decided, but says decided %llu", ull(after->length),
           ull(after->decided));
    if (may_be) {
        EXPECT(
            monitor, RULE_A8,
            ends_in_message(monitor, message, message->log.from, message->log.from_chain),
            "the log after fetched entries is not the sender's");
    }
    for (uint32_t i = 0; i < STREAMS_MAX; i++) {
        monitor->following.streams[i].is_left = true;
    }
}

/*
 * P5: slots that were lost come back as a whole run, which hashes to what it must (log.c),
 * or as entries that are decided.
 */
static void judge_repair(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    const struct paxos_view *before = &monitor->view;
    const struct paxos_view *after = monitor->step->view;
    bool may_be = message != NULL && message->type == PAXOS_ENTRIES;
    EXPECT(monitor, RULE_P5, may_be && before->faulty_first != 0,
           "repairs slots that nobody sent, or none are lost");
    EXPECT(monitor, RULE_P5,
           ballot_equal(after->accepted, before->accepted) &&
               ballot_equal(after->promised, before->promised) &&
               monitor->kept == monitor->length_before,
           "a repair makes promised %s accepted %s of %s and %s, or changes slot %llu",
           spec_ballot(after->promised), spec_ballot(after->accepted),
           spec_ballot(before->promised), spec_ballot(before->accepted),
           ull(monitor->kept + 1));
    cs_slot length = monitor->log.length;
    EXPECT(monitor, RULE_P5,
           length >= before->faulty_last ||
               (may_be && message->log.decided >= length && after->decided == length),
           "takes slots to %llu of a lost run to %llu, and they are not decided",
           ull(length), ull(before->faulty_last));
    EXPECT(monitor, RULE_I7,
           monitor->lost.is_active || after->decided >= monitor->lost.decided,
           "whole again it says decided %llu, known was %llu", ull(after->decided),
           ull(monitor->lost.decided));
}

/* A9. */
static void judge_larger(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_effects *effects = monitor->step->effects;
    if (message->type <= PAXOS_START || message->type == PAXOS_PREPARE ||
        ballot_order(message->ballot, monitor->view.promised) <= 0) {
        return;
    }
    EXPECT(monitor, RULE_A9,
           (effects->persist.kind == PAXOS_PERSIST_NONE ||
            spec_election_takes_over(monitor)) &&
               effects->decided == monitor->view.decided,
           "a message of %s, larger than promised %s, has an effect",
           spec_ballot(message->ballot), spec_ballot(monitor->view.promised));
    bool is_leaders = message->type == PAXOS_ACCEPT || message->type == PAXOS_ACCEPT_SYNC;
    if (spec_identity_votes(&monitor->view) && is_leaders) {
        // Asked once, it need not ask at every message.
        EXPECT(monitor, RULE_A9,
               ballot_equal(monitor->asked, message->ballot) ||
                   sends(monitor, PAXOS_PREPARE_REQUEST, message->from, message->ballot),
               "a message of %s, larger than promised %s, must be answered PrepareReq",
               spec_ballot(message->ballot), spec_ballot(monitor->view.promised));
    }
}

static void advance_stream(struct monitor *monitor, const struct paxos_message *message)
{
    if (message->type == PAXOS_ACCEPT && is_followed(monitor, message)) {
        struct model_stream *stream =
            spec_acceptor_stream(monitor, message->accept.stream);
        if (stream != NULL && stream->expected == message->accept.sequence) {
            stream->expected++;
        }
    }
}

void spec_acceptor_judge(struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    if (message != NULL) {
        judge_larger(monitor, message);
    }
    switch ((enum paxos_persist_kind)monitor->step->effects->persist.kind) {
    case PAXOS_PERSIST_NONE:
    case PAXOS_PERSIST_CONFIG:
    case PAXOS_PERSIST_NOTE: // of the caller, not of a step
        break;
    case PAXOS_PERSIST_REPAIR:
        judge_repair(monitor);
        break;
    case PAXOS_PERSIST_PROMISE:
        judge_promise_record(monitor);
        break;
    case PAXOS_PERSIST_APPEND:
        judge_append(monitor);
        break;
    case PAXOS_PERSIST_SYNC:
        judge_sync(monitor);
        break;
    case PAXOS_PERSIST_FETCHED:
        judge_fetched(monitor);
        break;
    }
    if (message == NULL) {
        return;
    }
    if (message->type == PAXOS_PREPARE) {
        judge_prepare(monitor, message);
    }
    advance_stream(monitor, message);
}
