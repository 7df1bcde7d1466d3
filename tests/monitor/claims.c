/*
 * claims.c - messages of phases 1 and 2 as the step sends them: who may say it, that it is
 * so, and that it is durable before it leaves (2.4, 2.5, A1, A4). A message is covered by
 * the records up to `token`: those that are durable, or that it waits for.
 */
#include "monitor/model.h"

struct speaker { // as whom the node says what is of its own ballot
    const struct paxos_view *view;
    struct paxos_ballot my_ballot;
    uint32_t seats; // mask: they have promised my_ballot
};

/* A tick comes with each event, after it: what the event called for is of the ballot before. */
static struct speaker speaker_of(const struct monitor *monitor, const struct sent *sent)
{
    if (sent->is_before && ballot_equal(sent->message->ballot, monitor->drawn_before)) {
        return (struct speaker){.view = &monitor->view,
                                .my_ballot = monitor->drawn_before,
                                .seats = monitor->seats_before};
    }
    return (struct speaker){.view = monitor->step->view,
                            .my_ballot = monitor->election.my_ballot,
                            .seats = monitor->candidacy.promised};
}

static void judge_header(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_config *config = monitor->step->config;
    EXPECT(monitor, RULE_2_4,
           message->from == monitor->settings.seat && message->to != message->from &&
               message->to < monitor->settings.member_count &&
               message->boot == monitor->settings.boot &&
               id_equal(message->from_incarnation, monitor->settings.incarnation),
           "%s from n%u to n%u with another sender or boot %llu", sent->name,
           message->from, message->to, ull(message->boot));
    if (message->type > PAXOS_START) {
        EXPECT(monitor, RULE_2_4,
               id_equal(message->cluster_id, config->cluster_id) &&
                   message->epoch == config->epoch &&
                   id_equal(message->to_incarnation, config->incarnation[message->to]),
               "%s to n%u with another cluster, epoch or incarnation", sent->name,
               message->to);
    }
}

/* G2, C8: before it may vote a node says nothing that counts. */
static void judge_gate(struct monitor *monitor, const struct sent *sent)
{
    uint32_t type = sent->message->type;
    bool is_harmless =
        type <= PAXOS_HEARTBEAT_REPLY || type == PAXOS_FETCH || type == PAXOS_ENTRIES;
    EXPECT(monitor, RULE_G2, is_harmless || spec_identity_votes(monitor->step->view),
           "%s as %s", sent->name, paxos_role_name(monitor->step->view->role));
}

/*
 * ---- phase 1
 */

/* 2.5: ballot, accepted and length are on the disk when it leaves. */
static void judge_durable(struct monitor *monitor,
                          const struct sent *sent,
                          struct paxos_ballot accepted,
                          cs_slot length)
{
    struct model_disk disk = spec_log_disk_at(monitor, sent->token);
    // What was durable before it waited is so still.
    const struct model_disk *now = &monitor->disk;
    EXPECT(monitor, RULE_2_5,
           ballot_order(disk.promised, sent->message->ballot) >= 0 &&
               ((ballot_equal(disk.accepted, accepted) && length <= disk.length) ||
                (ballot_equal(now->accepted, accepted) && length <= now->length)),
           "%s(%s) says accepted %s, %llu slots; when it leaves the disk holds promised "
           "%s accepted %s, %llu slots",
           sent->name, spec_ballot(sent->message->ballot), spec_ballot(accepted),
           ull(length), spec_ballot(disk.promised), spec_ballot(disk.accepted),
           ull(disk.length));
}

static void judge_prepare(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_prepare *prepare = &message->prepare;
    const struct paxos_view *after = monitor->step->view;
    struct speaker speaker = speaker_of(monitor, sent);
    EXPECT(monitor, RULE_2_4,
           speaker.view->role >= PAXOS_PREPARING &&
               ballot_equal(message->ballot, speaker.my_ballot) &&
               ballot_equal(message->ballot, speaker.view->promised),
           "Prepare(%s) as %s of %s", spec_ballot(message->ballot),
           paxos_role_name(speaker.view->role), spec_ballot(speaker.my_ballot));
    // Of records under way it need not speak.
    EXPECT(monitor, RULE_2_4,
           ballot_order(prepare->accepted, after->accepted) <= 0 &&
               prepare->length <= after->length && prepare->decided <= after->decided,
           "Prepare says accepted %s, %llu slots, decided %llu; they are %s, %llu, %llu",
           spec_ballot(prepare->accepted), ull(prepare->length), ull(prepare->decided),
           spec_ballot(after->accepted), ull(after->length), ull(after->decided));
    judge_durable(monitor, sent, prepare->accepted, prepare->length);
    monitor->leading.peers[message->to].is_leaving = true;
}

static void judge_promise(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_promise *promise = &message->promise;
    const struct paxos_view *after = monitor->step->view;
    const struct paxos_message *asked = monitor->message;
    EXPECT(monitor, RULE_P1,
           asked != NULL && asked->type == PAXOS_PREPARE && asked->from == message->to &&
               ballot_equal(asked->ballot, message->ballot) &&
               ballot_equal(monitor->promised, message->ballot),
           "Promise(%s) to n%u that did not ask, or promised %s instead",
           spec_ballot(message->ballot), message->to, spec_ballot(monitor->promised));
    bool is_lost = monitor->lost.is_active;
    EXPECT(monitor, RULE_P5, (promise->faulty != 0) == is_lost,
           "Promise says faulty %u, slots of unknown identity: %d", promise->faulty,
           is_lost);
    // With lost slots it binds the node and says what is decided: it is no vote.
    struct paxos_ballot accepted = is_lost ? (struct paxos_ballot){0} : after->accepted;
    cs_slot length = is_lost ? after->decided : after->length;
    EXPECT(monitor, RULE_P1,
           ballot_equal(promise->accepted, accepted) && promise->length == length &&
               promise->decided == after->decided,
           "Promise says accepted %s, %llu slots, decided %llu; they are %s, %llu, %llu",
           spec_ballot(promise->accepted), ull(promise->length), ull(promise->decided),
           spec_ballot(accepted), ull(length), ull(after->decided));
    EXPECT(monitor, RULE_P1,
           spec_log_agrees(&monitor->log, promise->length, promise->length_chain) &&
               spec_log_agrees(&monitor->log, promise->decided, promise->decided_chain),
           "Promise names chains that are not those of its log");
    judge_durable(monitor, sent, after->accepted, promise->length);
}

static void judge_nack(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_message *asked = monitor->message;
    struct paxos_ballot promised = monitor->promised;
    EXPECT(monitor, RULE_2_4,
           asked != NULL && asked->from == message->to &&
               ballot_equal(asked->ballot, message->ballot) &&
               ballot_equal(message->nack.promised, promised),
           "Nack(%s) says promised %s, it is %s, or n%u did not ask",
           spec_ballot(message->ballot), spec_ballot(message->nack.promised),
           spec_ballot(promised), message->to);
    // A2: a leader whose log the decided prefix contradicts is told so as well.
    EXPECT(monitor, RULE_P1,
           ballot_order(message->ballot, promised) < 0 ||
               (asked != NULL && asked->type != PAXOS_PREPARE),
           "Nack(%s) and has promised no more", spec_ballot(message->ballot));
}

/* To whoever uses a ballot that is not promised here, or a stream with a gap (A3, A9). */
static void judge_prepare_request(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    EXPECT(monitor, RULE_A9, ballot_order(message->ballot, monitor->promised) >= 0,
           "PrepareReq(%s) and has promised %s", spec_ballot(message->ballot),
           spec_ballot(monitor->promised));
    monitor->asked = message->ballot;
}

/*
 * ---- phase 2, the leader
 */

static void judge_leader(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    struct speaker speaker = speaker_of(monitor, sent);
    EXPECT(monitor, RULE_A1,
           speaker.view->role == PAXOS_LEADER &&
               ballot_equal(message->ballot, speaker.my_ballot) &&
               ballot_equal(message->ballot, speaker.view->accepted),
           "%s of %s as %s of %s", sent->name, spec_ballot(message->ballot),
           paxos_role_name(speaker.view->role), spec_ballot(speaker.my_ballot));
    EXPECT(monitor, RULE_A1, (speaker.seats >> message->to & 1) != 0,
           "%s to n%u, which has not promised %s", sent->name, message->to,
           spec_ballot(message->ballot));
}

static void judge_run(struct monitor *monitor,
                      const struct sent *sent,
                      cs_slot from,
                      struct paxos_digest from_chain,
                      cs_slot decided)
{
    const struct paxos_view *after = monitor->step->view;
    EXPECT(monitor, RULE_A1,
           from + sent->message->entry_count <= after->length &&
               spec_log_agrees(&monitor->log, from, from_chain),
           "%s of %u entries after slot %llu of %llu, or with another chain", sent->name,
           sent->message->entry_count, ull(from), ull(after->length));
    EXPECT(monitor, RULE_A1, decided <= after->decided,
           "%s says decided %llu, it is %llu", sent->name, ull(decided),
           ull(after->decided));
}

/*
 * How far a peer's log is proved to be ours (A1): by its ballots; or, which proves as
 * much, by its chain.
 */
static cs_slot proved_by_ballot(const struct monitor *monitor,
                                const struct paxos_promise *promise)
{
    bool is_ours = ballot_equal(promise->accepted, monitor->leading.best_accepted) ||
                   ballot_equal(promise->accepted, monitor->election.my_ballot);
    return is_ours ? slot_smaller(promise->length, monitor->log.length)
                   : promise->decided;
}

static cs_slot proved_by_chain(const struct monitor *monitor,
                               const struct paxos_promise *promise)
{
    bool is_prefix =
        spec_log_knows(&monitor->log, promise->length) &&
        spec_log_agrees(&monitor->log, promise->length, promise->length_chain);
    return is_prefix ? promise->length : 0;
}

static cs_slot proved_by(const struct monitor *monitor,
                         uint32_t seat,
                         const struct paxos_promise *promise)
{
    cs_slot proved = slot_larger(proved_by_ballot(monitor, promise),
                                 proved_by_chain(monitor, promise));
    return slot_larger(proved, monitor->leading.peers[seat].acked);
}

/* What left memory cannot be sent: then it need not connect, and the peer fetches. */
static bool is_from_proved(const struct monitor *monitor,
                           uint32_t seat,
                           const struct paxos_promise *promise,
                           cs_slot from)
{
    return from <= proved_by(monitor, seat, promise) ||
           promise->decided < monitor->step->view->base;
}

/* A1. A node that begins to lead may rest on a promise as it came first: they overtake. */
static void judge_common(struct monitor *monitor, uint32_t seat, cs_slot from)
{
    const struct model_candidacy *candidacy = &monitor->candidacy;
    const struct paxos_promise *newest = &candidacy->promises[seat];
    bool has_first =
        monitor->view.role != PAXOS_LEADER && (candidacy->voted >> seat & 1) != 0;
    EXPECT(
        monitor, RULE_A1,
        is_from_proved(monitor, seat, newest, from) ||
            (has_first && is_from_proved(monitor, seat, &candidacy->firsts[seat], from)),
        "AcceptSync follows slot %llu, n%u has proved %llu, in memory are %llu on",
        ull(from), seat, ull(proved_by(monitor, seat, newest)),
        ull(monitor->step->view->base + 1));
}

static void judge_accept_sync(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_accept_sync *sync = &message->accept_sync;
    judge_leader(monitor, sent);
    judge_run(monitor, sent, sync->from, sync->from_chain, sync->decided);
    EXPECT(monitor, RULE_A1,
           sync->sync_length >= monitor->leading.sync_length &&
               sync->sync_length <= monitor->log.length &&
               spec_log_agrees(&monitor->log, sync->sync_length, sync->sync_chain),
           "AcceptSync names %llu slots to sync of %llu, S_b is %llu, or another chain",
           ull(sync->sync_length), ull(monitor->log.length),
           ull(monitor->leading.sync_length));
    judge_common(monitor, message->to, sync->from);
    EXPECT(monitor, RULE_A1,
           (sync->more != 0) == (sync->from + message->entry_count < sync->sync_length),
           "AcceptSync ends at %llu of %llu and says more %u",
           ull(sync->from + message->entry_count), ull(sync->sync_length), sync->more);
    struct model_peer *peer = &monitor->leading.peers[message->to];
    EXPECT(monitor, RULE_A1, sync->stream >= peer->stream,
           "AcceptSync of stream %llu after %llu", ull(sync->stream), ull(peer->stream));
    if (sync->stream != peer->stream) {
        peer->stream = sync->stream;
        peer->sequence = 0;
        peer->acked_stream = 0;
        peer->sent = 0;
        peer->is_leaving = false;
    }
    peer->sent = slot_larger(peer->sent, sync->from + message->entry_count);
}

static void judge_accept(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_accept *accept = &message->accept;
    struct model_leading *leading = &monitor->leading;
    struct model_peer *peer = &leading->peers[message->to];
    judge_leader(monitor, sent);
    judge_run(monitor, sent, accept->previous, accept->previous_chain, accept->decided);
    bool is_probe = message->entry_count == 0 && is_bent(monitor, BUGGIFY_PROBE_AT_ONCE);
    EXPECT(monitor, RULE_A1,
           is_probe ||
               (accept->stream == peer->stream &&
                (accept->sequence == peer->sequence + 1 ||
                 (accept->sequence == peer->sequence && message->entry_count == 0))),
           "Accept number %llu of stream %llu comes after number %llu of %llu",
           ull(accept->sequence), ull(accept->stream), ull(peer->sequence),
           ull(peer->stream));
    if (accept->stream == peer->stream) { // else a probe, before its stream
        peer->sequence = accept->sequence;
        peer->sent = slot_larger(peer->sent, accept->previous + message->entry_count);
    }
    if (accept->read_round > leading->round_sent) {
        leading->round_sent = accept->read_round;
    }
}

/*
 * ---- phase 2, the follower
 */

static void judge_accepted(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_accepted *accepted = &message->accepted;
    const struct paxos_view *after = monitor->step->view;
    struct model_disk disk = spec_log_disk_at(monitor, sent->token);
    EXPECT(monitor, RULE_P5, !monitor->lost.is_active,
           "Accepted(%s) with slots of unknown identity", spec_ballot(message->ballot));
    EXPECT(monitor, RULE_A4,
           ballot_equal(message->ballot, after->accepted) &&
               ballot_equal(message->ballot, monitor->promised),
           "Accepted(%s) with promised %s accepted %s", spec_ballot(message->ballot),
           spec_ballot(monitor->promised), spec_ballot(after->accepted));
    EXPECT(monitor, RULE_2_5,
           ballot_equal(disk.accepted, message->ballot) &&
               accepted->durable <= disk.length,
           "Accepted(%s, %llu) leaves when the disk holds accepted %s and %llu slots",
           spec_ballot(message->ballot), ull(accepted->durable),
           spec_ballot(disk.accepted), ull(disk.length));
    EXPECT(monitor, RULE_2_4, accepted->decided <= after->decided,
           "Accepted says decided %llu, it is %llu", ull(accepted->decided),
           ull(after->decided));
    EXPECT(monitor, RULE_2_9, accepted->read_round <= monitor->following.round_heard,
           "Accepted says read round %llu, heard was %llu", ull(accepted->read_round),
           ull(monitor->following.round_heard));
    EXPECT(monitor, RULE_A4, spec_acceptor_stream(monitor, accepted->stream) != NULL,
           "Accepted in stream %llu, which is not one of %s", ull(accepted->stream),
           spec_ballot(message->ballot));
}

static void judge_round_ack(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    EXPECT(monitor, RULE_2_9,
           ballot_equal(message->ballot, monitor->promised) &&
               ballot_equal(message->ballot, monitor->following.ballot) &&
               message->round_ack.read_round <= monitor->following.round_heard,
           "RrAck(%s, %llu) with promised %s, heard was round %llu",
           spec_ballot(message->ballot), ull(message->round_ack.read_round),
           spec_ballot(monitor->promised), ull(monitor->following.round_heard));
}

static void judge_handover(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    uint32_t target = message->handover.target;
    bool is_peer = target < monitor->settings.member_count && target == message->to;
    EXPECT(monitor, RULE_E8,
           is_peer && monitor->view.role == PAXOS_LEADER &&
               ballot_equal(message->ballot, speaker_of(monitor, sent).my_ballot),
           "Handover(%s) to n%u naming n%u as %s", spec_ballot(message->ballot),
           message->to, target, paxos_role_name(monitor->view.role));
    if (is_peer) {
        EXPECT(monitor, RULE_E8,
               monitor->leading.peers[target].acked == monitor->log.length,
               "Handover to n%u, which has %llu of %llu slots", target,
               ull(monitor->leading.peers[target].acked), ull(monitor->log.length));
    }
}

static void judge_one(struct monitor *monitor, const struct sent *sent)
{
    judge_header(monitor, sent);
    judge_gate(monitor, sent);
    switch ((enum paxos_message_type)sent->message->type) {
    case PAXOS_PREPARE:
        judge_prepare(monitor, sent);
        return;
    case PAXOS_PROMISE:
        judge_promise(monitor, sent);
        return;
    case PAXOS_NACK:
        judge_nack(monitor, sent);
        return;
    case PAXOS_ACCEPT_SYNC:
        judge_accept_sync(monitor, sent);
        return;
    case PAXOS_ACCEPT:
        judge_accept(monitor, sent);
        return;
    case PAXOS_ACCEPTED:
        judge_accepted(monitor, sent);
        return;
    case PAXOS_ROUND_ACK:
        judge_round_ack(monitor, sent);
        return;
    case PAXOS_HANDOVER:
        judge_handover(monitor, sent);
        return;
    case PAXOS_PREPARE_REQUEST:
        judge_prepare_request(monitor, sent);
        return;
    case PAXOS_HELLO:
    case PAXOS_HELLO_REPLY:
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
    case PAXOS_HEARTBEAT:
    case PAXOS_HEARTBEAT_REPLY:
    case PAXOS_READ:
    case PAXOS_READ_REPLY:
    case PAXOS_FETCH:
    case PAXOS_ENTRIES:
        spec_answers_judge(monitor, sent);
        return;
    case PAXOS_MESSAGE_TYPES:
        return;
    }
}

void spec_claims_judge_sent(struct monitor *monitor)
{
    const struct paxos_effects *effects = monitor->step->effects;
    struct sent sent = {
        .token = monitor->disk.token,
        .is_before = spec_election_takes_over(monitor),
    };
    for (uint32_t i = 0; i < effects->now_count; i++) {
        sent.message = &effects->messages_now[i];
        sent.name = paxos_message_name(sent.message->type);
        // The round that ended was before the one that begins.
        sent.is_before = sent.is_before && sent.message->type != PAXOS_HEARTBEAT;
        monitor->tally.sent[sent.message->type]++;
        judge_one(monitor, &sent);
    }
    sent.is_before = false;
    if (effects->after_sync_count > 0) {
        EXPECT(monitor, RULE_2_5, effects->after_sync_token <= monitor->token,
               "messages wait for record %llu, the last one is %llu",
               ull(effects->after_sync_token), ull(monitor->token));
        if (effects->after_sync_token > sent.token) {
            sent.token = effects->after_sync_token;
        }
    }
    for (uint32_t i = 0; i < effects->after_sync_count; i++) {
        sent.message = &effects->messages_after_sync[i];
        sent.name = paxos_message_name(sent.message->type);
        monitor->tally.sent[sent.message->type]++;
        judge_one(monitor, &sent);
    }
    if (effects->serve.wanted) {
        spec_answers_judge_serve(monitor);
    }
}
