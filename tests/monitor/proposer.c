/*
 * proposer.c - phase 1 and phase 2 (P2, P3, P7, A5, A7, A10), and what is decided, on
 * every node (A5, A6, A8).
 */
#include "monitor/model.h"

#include <string.h>

static struct model_peer *peer_of(struct monitor *monitor, uint32_t seat)
{
    return &monitor->leading.peers[seat];
}

static void receive_promise(struct monitor *monitor, const struct paxos_message *message)
{
    struct model_candidacy *candidacy = &monitor->candidacy;
    uint32_t bit = 1u << message->from;
    candidacy->promised |= bit;
    if (message->promise.faulty == 0 && (candidacy->voted & bit) == 0) { // P5
        candidacy->voted |= bit;
        candidacy->order[candidacy->count++] = message->from;
        candidacy->firsts[message->from] = message->promise;
    }
    candidacy->promises[message->from] = message->promise;
    monitor->leading.peers[message->from].is_leaving = true;
}

static void receive_round(struct model_peer *peer, uint64_t round)
{
    peer->round_acked = round > peer->round_acked ? round : peer->round_acked;
}

static void receive_accepted(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_accepted *accepted = &message->accepted;
    struct model_peer *peer = peer_of(monitor, message->from);
    receive_round(peer, accepted->read_round);
    peer->acked = slot_larger(peer->acked, accepted->durable);
    // What it holds beyond this stream is true, but need not count yet.
    if (accepted->stream == peer->stream && accepted->durable <= peer->sent) {
        peer->acked_stream = slot_larger(peer->acked_stream, accepted->durable);
    }
}

void spec_proposer_receive(struct monitor *monitor, const struct paxos_message *message)
{
    bool is_own = monitor->view.role >= PAXOS_PREPARING &&
                  ballot_equal(message->ballot, monitor->election.my_ballot);
    if (!is_own) {
        return;
    }
    if (message->type == PAXOS_PROMISE) {
        receive_promise(monitor, message);
    } else if (message->type == PAXOS_PREPARE_REQUEST) {
        monitor->leading.peers[message->from].is_leaving = true;
    } else if (message->type == PAXOS_ACCEPTED && monitor->view.role == PAXOS_LEADER) {
        receive_accepted(monitor, message);
    } else if (message->type == PAXOS_ROUND_ACK && monitor->view.role == PAXOS_LEADER) {
        receive_round(peer_of(monitor, message->from), message->round_ack.read_round);
    }
}

/*
 * ---- phase 1
 */

static bool is_better(const struct paxos_promise *left, const struct paxos_promise *right)
{
    int order = ballot_order(left->accepted, right->accepted);
    return order > 0 || (order == 0 && left->length > right->length);
}

/* The best log of own and the first `count` promises; NULL: own. */
static const struct paxos_promise *best_of(const struct monitor *monitor,
                                           const struct paxos_promise *promises,
                                           uint32_t count)
{
    struct paxos_promise own = {
        .accepted = monitor->view.accepted,
        .length = monitor->length_before,
    };
    const struct paxos_promise *best = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct paxos_promise *promise = &promises[monitor->candidacy.order[i]];
        if (is_better(promise, best == NULL ? &own : best)) {
            best = promise;
        }
    }
    return best;
}

static bool is_prefix(const struct monitor *monitor, const struct paxos_promise *promise)
{
    const struct model_log *log = &monitor->log;
    return promise->decided <= log->length &&
           spec_log_agrees(log, promise->decided, promise->decided_chain);
}

/* Does a node that has promised, once or again, say that this much is decided? */
static bool is_said(const struct monitor *monitor, cs_slot decided)
{
    const struct model_candidacy *candidacy = &monitor->candidacy;
    for (uint32_t i = 0; i < candidacy->count; i++) {
        uint32_t seat = candidacy->order[i];
        if ((candidacy->promises[seat].decided == decided &&
             is_prefix(monitor, &candidacy->promises[seat])) ||
            (candidacy->firsts[seat].decided == decided &&
             is_prefix(monitor, &candidacy->firsts[seat]))) {
            return true;
        }
    }
    return false;
}

/*
 * Is it the leader that own log and the first `count` promises make? What later ones call
 * decided may be taken over too.
 */
static bool is_led_by(const struct monitor *monitor,
                      const struct paxos_promise *promises,
                      uint32_t count)
{
    const struct model_log *log = &monitor->log;
    cs_slot decided = monitor->step->view->decided;
    const struct paxos_promise *best = best_of(monitor, promises, count);
    bool is_log =
        best == NULL
            ? log->length == monitor->length_before && monitor->kept == log->length
            : log->length == best->length &&
                  chain_equal(spec_log_at(log, log->length)->chain, best->length_chain);
    cs_slot least = monitor->view.decided;
    for (uint32_t i = 0; i < count; i++) {
        const struct paxos_promise *promise = &promises[monitor->candidacy.order[i]];
        least = slot_larger(least, promise->decided);
        is_log = is_log && is_prefix(monitor, promise);
    }
    return is_log && (decided == least || (decided > least && is_said(monitor, decided)));
}

/* Returns under which ballot the best log was accepted. */
static struct paxos_ballot judge_phase_one(struct monitor *monitor)
{
    const struct model_candidacy *candidacy = &monitor->candidacy;
    const struct paxos_view *after = monitor->step->view;
    EXPECT(monitor, RULE_P2, candidacy->count + 1 >= monitor->quorum_promise,
           "leads with %u promises, own included; expected %u", candidacy->count + 1,
           monitor->quorum_promise);
    EXPECT(monitor, RULE_P2, ballot_equal(monitor->disk.promised, after->promised),
           "leads, but its own promise of %s is not durable",
           spec_ballot(after->promised));
    uint32_t least = monitor->quorum_promise - 1;
    for (uint32_t count = least; count <= candidacy->count; count++) {
        const struct paxos_promise *logs[] = {candidacy->firsts, candidacy->promises};
        for (uint32_t i = 0; i < 2; i++) {
            if (is_led_by(monitor, logs[i], count)) {
                const struct paxos_promise *best = best_of(monitor, logs[i], count);
                return best == NULL ? monitor->view.accepted : best->accepted;
            }
        }
    }
    const struct paxos_promise *best = best_of(monitor, candidacy->firsts, least);
    EXPECT(monitor, RULE_P2, false,
           "leads with %llu slots, decided %llu; the best log is %s with %llu (or they "
           "hash to others, or a decided prefix is not one of this log)",
           ull(after->length), ull(after->decided),
           spec_ballot(best == NULL ? monitor->view.accepted : best->accepted),
           ull(best == NULL ? monitor->length_before : best->length));
    return monitor->view.accepted;
}

static void begin_leading(struct monitor *monitor)
{
    const struct paxos_view *after = monitor->step->view;
    const struct paxos_persist *record = &monitor->step->effects->persist;
    const struct model_log *log = &monitor->log;
    EXPECT(monitor, RULE_P3,
           record->kind == PAXOS_PERSIST_SYNC &&
               ballot_equal(after->accepted, after->promised) &&
               after->sync_length == log->length,
           "leads %s with accepted %s, S_b %llu of %llu slots, record kind %u",
           spec_ballot(after->promised), spec_ballot(after->accepted),
           ull(after->sync_length), ull(log->length), record->kind);
    struct paxos_ballot best_accepted = judge_phase_one(monitor);
    monitor->leading = (struct model_leading){
        .best_accepted = best_accepted,
        .sync_length = log->length,
        .began_ms = monitor->step->event->now_ms,
        .began_time_ms = spec_log_at(log, log->length)->time_ms,
        .has_began_time = log->length > log->base || log->length == 0,
    };
    monitor->round_before = 0;
    spec_reads_lead(monitor);
}

static void judge_roles(struct monitor *monitor)
{
    const struct paxos_view *before = &monitor->view;
    const struct paxos_view *after = monitor->step->view;
    bool is_same = ballot_equal(before->promised, after->promised);
    if (after->role >= PAXOS_PREPARING) {
        EXPECT(monitor, RULE_A10,
               spec_election_takes_over(monitor) ||
                   ballot_equal(after->promised, monitor->election.my_ballot),
               "still %s although it has promised %s; its ballot is %s",
               paxos_role_name(after->role), spec_ballot(after->promised),
               spec_ballot(monitor->election.my_ballot));
    }
    if (after->role == PAXOS_PREPARING) {
        EXPECT(monitor, RULE_E4,
               spec_election_takes_over(monitor) ||
                   (before->role == PAXOS_PREPARING && is_same),
               "prepares without a take-over");
    } else if (after->role == PAXOS_LEADER && before->role != PAXOS_LEADER) {
        EXPECT(monitor, RULE_E7, before->role == PAXOS_PREPARING && is_same,
               "leads without having prepared");
        begin_leading(monitor);
    } else if (monitor->step->effects->persist.kind == PAXOS_PERSIST_SYNC) {
        EXPECT(monitor, RULE_P3, before->role == PAXOS_FOLLOWER,
               "a SYNC record, and it does not lead");
    }
    const struct paxos_message *message = monitor->message;
    if (before->role >= PAXOS_PREPARING && message != NULL &&
        message->type == PAXOS_NACK && ballot_equal(message->ballot, before->promised) &&
        ballot_order(message->nack.promised, before->promised) > 0) {
        EXPECT(monitor, RULE_A10,
               after->role == PAXOS_FOLLOWER || spec_election_takes_over(monitor),
               "stays %s although %s was promised elsewhere",
               paxos_role_name(after->role), spec_ballot(message->nack.promised));
    }
}

/*
 * ---- phase 2: proposals
 */

static uint64_t window_bytes(const struct monitor *monitor)
{
    uint64_t bytes = 0;
    const struct model_log *log = &monitor->log;
    for (cs_slot slot = slot_larger(monitor->step->view->decided, log->base) + 1;
         slot <= log->length; slot++) {
        bytes += spec_log_at(log, slot)->payload_bytes;
    }
    return bytes;
}

static void judge_taken(struct monitor *monitor)
{
    const struct paxos_event *event = monitor->step->event;
    const struct paxos_effects *effects = monitor->step->effects;
    const struct paxos_settings *settings = &monitor->settings;
    const struct paxos_entry *entry = monitor->step->proposed;
    const struct model_log *log = &monitor->log;
    const struct model_leading *leading = &monitor->leading;
    EXPECT(monitor, RULE_A7, monitor->view.role == PAXOS_LEADER, "takes a proposal as %s",
           paxos_role_name(monitor->view.role));
    EXPECT(monitor, RULE_A7,
           effects->persist.kind == PAXOS_PERSIST_APPEND &&
               effects->persist.entry_count == 1 &&
               effects->proposed_slot == monitor->length_before + 1 &&
               log->length == effects->proposed_slot &&
               memcmp(&entry->digest, &event->entry.digest, sizeof entry->digest) == 0,
           "proposes slot %llu after %llu slots, or another entry than was given",
           ull(effects->proposed_slot), ull(monitor->length_before));
    uint64_t open = log->length - monitor->step->view->decided;
    EXPECT(monitor, RULE_A7, open <= settings->window_entries,
           "%llu slots are not decided, the window has %u", ull(open),
           settings->window_entries);
    uint64_t bytes = window_bytes(monitor);
    EXPECT(monitor, RULE_A7, open == 1 || bytes <= settings->window_bytes,
           "%llu bytes are not decided, the window has %llu", ull(bytes),
           ull(settings->window_bytes));
    // The log time of what left memory before this life is not known.
    bool has_last = log->length - 1 > log->base || log->length == 1;
    if (leading->has_began_time && has_last) {
        uint64_t time_ms = leading->began_time_ms + event->now_ms - leading->began_ms;
        uint64_t least_ms = spec_log_at(log, log->length - 1)->time_ms;
        uint64_t right_ms = time_ms > least_ms ? time_ms : least_ms;
        EXPECT(monitor, RULE_2_1, entry->time_ms == right_ms,
               "log time %llu, expected %llu", ull(entry->time_ms), ull(right_ms));
    }
}

static void judge_refused(struct monitor *monitor)
{
    const struct paxos_effects *effects = monitor->step->effects;
    bool is_leading = monitor->view.role == PAXOS_LEADER;
    uint64_t open = monitor->log.length - monitor->step->view->decided;
    uint64_t bytes = window_bytes(monitor) + monitor->step->event->entry.payload_bytes;
    EXPECT(monitor, RULE_A7, effects->persist.kind == PAXOS_PERSIST_NONE,
           "a refused proposal is recorded");
    EXPECT(monitor, RULE_A7, (effects->refusal == PAXOS_REFUSED_NOT_LEADER) != is_leading,
           "refuses with %u as %s", effects->refusal,
           paxos_role_name(monitor->view.role));
    if (effects->refusal == PAXOS_REFUSED_WINDOW_FULL) {
        EXPECT(monitor, RULE_A7,
               open >= monitor->settings.window_entries ||
                   (open > 0 && is_bent(monitor, BUGGIFY_WINDOW_ONE)) ||
                   (open > 0 && bytes > monitor->settings.window_bytes),
               "says the window is full: %llu of %u slots, with it %llu of %llu bytes",
               ull(open), monitor->settings.window_entries, ull(bytes),
               ull(monitor->settings.window_bytes));
    }
}

void spec_proposer_judge(struct monitor *monitor)
{
    judge_roles(monitor);
    if (monitor->step->event->type == PAXOS_EVENT_PROPOSE) {
        if (monitor->step->proposed != NULL) {
            judge_taken(monitor);
        } else {
            judge_refused(monitor);
        }
    } else {
        EXPECT(monitor, RULE_A7, monitor->step->effects->proposed_slot == 0,
               "proposes slot %llu, which nobody gave",
               ull(monitor->step->effects->proposed_slot));
    }
}

/*
 * ---- what is decided
 */

/* The q2-th largest vote: in the streams as they are, or in all of the ballot's. */
static cs_slot voted(const struct monitor *monitor, bool in_stream)
{
    cs_slot votes[PAXOS_MEMBERS_MAX] = {0};
    uint32_t own = monitor->settings.seat;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        const struct model_peer *peer = &monitor->leading.peers[i];
        cs_slot vote = in_stream ? peer->acked_stream : peer->acked;
        vote = in_stream && peer->is_leaving ? 0 : vote;
        if (i == own) {
            bool is_durable =
                ballot_equal(monitor->disk.accepted, monitor->view.promised);
            vote = is_durable ? monitor->disk.length : 0;
        }
        uint32_t at = i; // sorted, the largest first
        for (; at > 0 && votes[at - 1] < vote; at--) {
            votes[at] = votes[at - 1];
        }
        votes[at] = vote;
    }
    return slot_smaller(votes[monitor->quorum_accept - 1], monitor->log.length);
}

/* A5. */
static void judge_leader(struct monitor *monitor)
{
    cs_slot before = monitor->view.decided;
    cs_slot after = monitor->step->view->decided;
    const struct paxos_event *event = monitor->step->event;
    cs_slot most = voted(monitor, false);
    most = most >= monitor->leading.sync_length ? most : 0;
    EXPECT(monitor, RULE_A5, after <= slot_larger(before, most),
           "decided %llu, expected at most %llu: %u votes (S_b %llu)", ull(after),
           ull(slot_larger(before, most)), monitor->quorum_accept,
           ull(monitor->leading.sync_length));
    bool is_vote = event->type == PAXOS_EVENT_PERSISTED ||
                   (monitor->message != NULL && monitor->message->type == PAXOS_ACCEPTED);
    // With these a stream is given up and nothing sent shows it, or a vote comes later.
    bool is_unsure = is_bent(monitor, BUGGIFY_STREAM_RESTART) ||
                     is_bent(monitor, BUGGIFY_PROBE_AT_ONCE) ||
                     is_bent(monitor, BUGGIFY_READ_REPEAT);
    if (is_vote && !is_unsure) {
        cs_slot least = voted(monitor, true);
        EXPECT(monitor, RULE_A5, after >= least || least < monitor->leading.sync_length,
               "decided %llu, expected %llu: %u nodes have voted so far", ull(after),
               ull(least), monitor->quorum_accept);
    }
}

/* A6: under the leader that is followed. */
static void judge_follower(struct monitor *monitor, cs_slot said)
{
    const struct paxos_view *after = monitor->step->view;
    EXPECT(monitor, RULE_A6,
           ballot_equal(monitor->message->ballot, monitor->promised) &&
               ballot_equal(after->accepted, monitor->promised),
           "decided rises to %llu by %s with promised %s accepted %s",
           ull(after->decided), spec_ballot(monitor->message->ballot),
           spec_ballot(monitor->promised), spec_ballot(after->accepted));
    EXPECT(monitor, RULE_A6, after->decided <= slot_smaller(said, after->length),
           "decided %llu; the leader said %llu, the log has %llu", ull(after->decided),
           ull(said), ull(after->length));
}

/* A8: entries that their sender calls decided, or a proposer's best node has. */
static void judge_fetched(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_view *after = monitor->step->view;
    cs_slot said = message->log.decided;
    for (uint32_t i = 0; i < monitor->candidacy.count; i++) {
        uint32_t seat = monitor->candidacy.order[i];
        if (monitor->view.role == PAXOS_PREPARING) {
            said = slot_larger(said, monitor->candidacy.promises[seat].decided);
        }
    }
    cs_slot end = message->log.from + message->entry_count;
    bool is_covered = after->decided >= message->log.from && after->decided <= end;
    EXPECT(monitor, RULE_A8, is_covered && after->decided <= said,
           "decided %llu by entries %llu to %llu, decided there were %llu",
           ull(after->decided), ull(message->log.from + 1), ull(end), ull(said));
    if (is_covered) {
        struct paxos_digest chain = spec_log_chain_of(message, message->log.from_chain,
                                                      message->log.from, after->decided);
        EXPECT(monitor, RULE_A8, spec_log_agrees(&monitor->log, after->decided, chain),
               "decided %llu by entries that are not in the log", ull(after->decided));
    }
}

void spec_proposer_judge_decided(struct monitor *monitor)
{
    const struct paxos_view *after = monitor->step->view;
    const struct paxos_message *message = monitor->message;
    if (monitor->view.role == PAXOS_LEADER) {
        judge_leader(monitor);
        return;
    }
    if (after->decided == monitor->view.decided || after->role == PAXOS_LEADER) {
        return; // nothing rose, or P2 has judged it
    }
    uint32_t type = message == NULL ? 0 : message->type;
    if (monitor->step->effects->persist.kind == PAXOS_PERSIST_REPAIR &&
        !monitor->lost.is_active && after->decided == monitor->lost.decided) {
        return; // whole again, it is decided as far as was known of it (P5)
    }
    if (type == PAXOS_ACCEPT) {
        judge_follower(monitor, message->accept.decided);
    } else if (type == PAXOS_ACCEPT_SYNC) {
        judge_follower(monitor, message->accept_sync.decided);
    } else if (type == PAXOS_ENTRIES && message->ballot.round != 0 &&
               ballot_equal(after->accepted, message->ballot)) {
        judge_follower(
            monitor, slot_larger(monitor->following.sync_decided, message->log.decided));
    } else if (type == PAXOS_ENTRIES) {
        judge_fetched(monitor, message);
    } else {
        EXPECT(monitor, RULE_A6, false, "decided rises to %llu from %llu, nobody said so",
               ull(after->decided), ull(monitor->view.decided));
    }
}
