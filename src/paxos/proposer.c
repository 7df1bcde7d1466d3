#include "paxos/core.h"

/*
 * Phase 1 from the proposer's side (2.7): promises from q1, the best log by (a, len),
 * its missing entries from the node that has it, one atomic SYNC. Then leader.c.
 */

static uint32_t larger(uint32_t left, uint32_t right)
{
    return left > right ? left : right;
}

/* E4: above everything this node and the replies have seen. */
static struct paxos_ballot next_ballot(const struct paxos_core *core)
{
    uint32_t round =
        larger(MUTANT_IS(27) ? 0 : core->promised.round, core->election.leader.round);
    round = larger(round, core->election.my_ballot.round);
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_replied && !MUTANT_IS(28)) {
            round = larger(round, peer->reply.my_ballot.round);
            round = larger(round, peer->reply.leader.round);
            round = larger(round, peer->reply.promised.round);
        }
    }
    struct paxos_ballot ballot = {.epoch = core->config.epoch,
                                  .round = round + 1,
                                  .node = core_own_node(core)};
    return ballot;
}

void proposer_send_prepare(struct paxos_core *core, uint32_t seat, bool after_sync)
{
    struct paxos_message *message = after_sync
                                        ? core_send_after_sync(core, PAXOS_PREPARE, seat)
                                        : core_send_now(core, PAXOS_PREPARE, seat);
    message->ballot = core->proposer.ballot;
    // Durable values, as every claim (I10): a leader repeats Prepare while its SYNC is on
    // its way to disk.
    message->prepare.decided =
        core->log.decided < core->log.durable ? core->log.decided : core->log.durable;
    message->prepare.accepted = core->accepted_durable;
    message->prepare.length = core->log.durable;
    core->peers[seat].prepare_sent_ms = core->now_ms;
}

static void forget_peers(struct paxos_core *core)
{
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        struct peer *peer = &core->peers[seat];
        peer->has_promised = false;
        peer->is_streaming = false;
        peer->is_syncing = false;
        peer->stream = 0;
        peer->acked = 0;
        peer->has_acked = false;
        peer->read_round_acked = 0;
    }
}

void proposer_take_over(struct paxos_core *core)
{
    struct paxos_ballot ballot = next_ballot(core);
    struct election *election = &core->election;
    if (ballot.round == 0) {
        return; // rounds are used up: 2^32 elections
    }
    election->my_ballot = ballot;
    election->leader = ballot;
    election->is_happy = true;
    election->unhappy_rounds = 0;
    election->grace_rounds = 0; // else it would outlive this candidacy: E2, E3 after it
    core->promised = ballot;
    core->staging.is_active = false;
    core->stream = (struct follower_stream){0};
    core->fetch.is_active = false;
    core->role = PAXOS_PREPARING;
    core->proposer = (struct proposer){.phase = PHASE_COLLECT,
                                       .ballot = ballot,
                                       .started_ms = core->now_ms,
                                       .progress_ms = core->now_ms,
                                       .handover_target = NO_SEAT};
    forget_peers(core);
    reads_forget_role(core);
    core_trace(core, PAXOS_TRACE_TAKE_OVER, core->settings.seat, ballot,
               core->log.length);
    if (MUTANT_IS(16)) {
        core->effects->persist.kind = PAXOS_PERSIST_NONE;
        core->proposer.own_promise_durable = true;
    } else {
        core_persist(core, PAXOS_PERSIST_PROMISE, 0, 0);
        core->promise_token = core->last_token;
    }
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        bool is_late =
            BUGGIFY(core->settings.buggify, PREPARE_FEW) && core_draw(core, 2) == 0;
        core->peers[seat].prepare_sent_ms =
            core->now_ms + (is_late ? 4 * core->settings.resend_ms : 0);
        if (seat != core->settings.seat && !is_late) {
            proposer_send_prepare(core, seat, true);
        }
    }
}

void proposer_step_down(struct paxos_core *core,
                        struct paxos_ballot because,
                        uint32_t kind)
{
    core_trace(core, kind, core_seat_of(core, because), because, core->log.decided);
    core->role = PAXOS_FOLLOWER;
    core->staging.is_active = false;
    core->stream = (struct follower_stream){0};
    core->proposer.handover_target = NO_SEAT;
    core->election.is_happy = false;
    forget_peers(core);
    reads_forget_role(core);
}

/* ---- choosing the best log (P2) ---- */

static uint32_t count_promises(const struct paxos_core *core)
{
    uint32_t count = core->proposer.own_promise_durable;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        count += core->peers[seat].has_promised;
    }
    return count;
}

static bool is_better(const struct paxos_promise *promise,
                      struct paxos_ballot accepted,
                      cs_slot length)
{
    int order = paxos_ballot_compare(promise->accepted, accepted);
    if (MUTANT_IS(8)) {
        order = 0;
    }
    return order > 0 || (order == 0 && promise->length > length);
}

static void choose_best(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    struct paxos_ballot accepted = core->accepted;
    proposer->best_seat = core->settings.seat;
    proposer->sync_length = core->log.length;
    proposer->sync_chain = log_chain_at(&core->log, core->log.length);
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_promised && !MUTANT_IS(66) &&
            is_better(&peer->promise, accepted, proposer->sync_length)) {
            accepted = peer->promise.accepted;
            proposer->best_seat = seat;
            proposer->sync_length = peer->promise.length;
            proposer->sync_chain = peer->promise.length_chain;
        }
    }
}

static void be_overtaken(struct paxos_core *core)
{
    MARK(P2_OVERTAKEN);
    proposer_step_down(core, core->proposer.ballot, PAXOS_TRACE_OVERTAKEN);
}

/*
 * P2: every decided prefix seen must be a prefix of the assembled log (own prefix +
 * staging); otherwise a larger ballot decided what this one does not know of. Answers
 * the largest decided.
 */
static bool all_decided_fit(const struct paxos_core *core, cs_slot *out_decided)
{
    cs_slot decided = core->log.decided;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (!peer->has_promised || peer->promise.decided < core->log.base) {
            continue;
        }
        if (peer->promise.decided > staging_end(&core->staging)) {
            return MUTANT_IS(23);
        }
        struct paxos_digest chain =
            staging_chain_at(&core->staging, &core->log, peer->promise.decided);
        if (!digest_equal(chain, peer->promise.decided_chain) && !MUTANT_IS(23)) {
            return false;
        }
        decided = peer->promise.decided > decided ? peer->promise.decided : decided;
    }
    *out_decided = decided;
    return true;
}

static void finish(struct paxos_core *core)
{
    cs_slot decided = 0;
    struct proposer *proposer = &core->proposer;
    bool hashes = digest_equal(staging_chain(&core->staging), proposer->sync_chain);
    // Not in a step that has repeated Prepare already.
    bool gives_up = BUGGIFY(core->settings.buggify, PROPOSER_GIVES_UP) &&
                    core->effects->now_count == 0 && core_draw(core, 4) == 0;
    if (!hashes || gives_up || !all_decided_fit(core, &decided) ||
        !core_flip(core, proposer->ballot)) {
        core->staging.is_active = false;
        be_overtaken(core);
        return;
    }
    MARK(P3);
    core->log.decided = decided > core->log.decided ? decided : core->log.decided;
    leader_become(core);
}

static void send_fetch(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    struct paxos_message *message = core_send_now(core, PAXOS_FETCH, proposer->best_seat);
    message->ballot = proposer->ballot;
    MARK(P3_FETCH);
    message->fetch.first = staging_end(&core->staging) + 1;
    bool asks_one = BUGGIFY(core->settings.buggify, FETCH_ONE);
    message->fetch.last = asks_one ? message->fetch.first : proposer->sync_length;
    proposer->fetch_sent_ms = core->now_ms;
}

/* The best log is assembled behind this slot of the own one. */
static void stage_after(struct paxos_core *core, cs_slot slot)
{
    core_stage_after(core, core->proposer.ballot, slot, log_chain_at(&core->log, slot));
}

/* The own log already holds what the best one has. */
static bool holds_best(const struct paxos_core *core)
{
    const struct proposer *proposer = &core->proposer;
    return proposer->sync_length <= core->log.length &&
           proposer->sync_length >= core->log.base &&
           digest_equal(log_chain_at(&core->log, proposer->sync_length),
                        proposer->sync_chain);
}

static void choose(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    choose_best(core);
    MARK(P2);
    MARK_IF(proposer->best_seat != core->settings.seat, P2_REMOTE);
    proposer->phase = PHASE_FETCH;
    proposer->progress_ms = core->now_ms;
    if (proposer->sync_length < core->log.decided) {
        be_overtaken(core);
        return;
    }
    if (holds_best(core)) {
        core_stage_after(core, proposer->ballot, proposer->sync_length,
                         proposer->sync_chain);
        finish(core);
        return;
    }
    // What both hold need not come, and the best one may have lost it (P4). Whether they
    // both hold it the answer tells.
    bool is_longer = proposer->sync_length > core->log.length && !MUTANT_IS(363);
    stage_after(core, is_longer ? core->log.length : core->log.decided);
    send_fetch(core);
}

static void maybe_choose(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    if (core->role == PAXOS_PREPARING && proposer->phase == PHASE_COLLECT &&
        proposer->own_promise_durable &&
        count_promises(core) >= core_quorum_promise(core) - MUTANT_IS(39) &&
        core->effects->persist.kind == PAXOS_PERSIST_NONE) {
        choose(core);
    }
}

static void finish_if_complete(struct paxos_core *core)
{
    const struct proposer *proposer = &core->proposer;
    if (core->role == PAXOS_PREPARING && proposer->phase == PHASE_FETCH &&
        core->staging.is_active && staging_end(&core->staging) == proposer->sync_length &&
        core->effects->persist.kind == PAXOS_PERSIST_NONE) {
        finish(core);
    }
}

/* ---- events ---- */

void proposer_persisted(struct paxos_core *core)
{
    if (core->role == PAXOS_PREPARING && !core->proposer.own_promise_durable &&
        core->durable_token >= core->promise_token) {
        core->proposer.own_promise_durable = true;
        core->proposer.progress_ms = core->now_ms;
        maybe_choose(core);
    }
    if (core->log.durable != core->proposer.durable_seen) {
        core->proposer.durable_seen = core->log.durable;
        core->proposer.progress_ms = core->now_ms;
    }
    finish_if_complete(core);
    if (core->role == PAXOS_LEADER) {
        leader_decide(core);
    }
}

static bool is_for_us(const struct paxos_core *core, const struct paxos_message *message)
{
    return (core->role == PAXOS_PREPARING || core->role == PAXOS_LEADER) &&
           (ballot_equal(message->ballot, core->proposer.ballot) || MUTANT_IS(67));
}

void proposer_receive_promise(struct paxos_core *core,
                              const struct paxos_message *message)
{
    const struct paxos_promise *promise = &message->promise;
    struct peer *peer = &core->peers[message->from];
    bool is_possible = promise->decided <= promise->length &&
                       promise->length <= SLOT_MAX &&
                       !ballot_less(core->proposer.ballot, promise->accepted);
    if (!is_for_us(core, message) || !is_possible || peer->has_promised) {
        return;
    }
    if (promise->faulty != 0 && core->role != PAXOS_LEADER) {
        return; // P5: no vote. Once there is a leader, its log goes there as to all
    }
    peer->promise = *promise;
    peer->has_promised = true;
    core->proposer.progress_ms = core->now_ms;
    if (core->role == PAXOS_LEADER) {
        leader_start_stream(core, message->from);
    } else {
        maybe_choose(core);
    }
}

void proposer_receive_nack(struct paxos_core *core, const struct paxos_message *message)
{
    if (!is_for_us(core, message) || MUTANT_IS(32)) {
        return;
    }
    core_trace(core, PAXOS_TRACE_NACKED, message->from, message->nack.promised, 0);
    // A10, E2: promised > b ends us, preparing or leading (a preparer that stayed one could
    // neither follow nor Fetch); promised == b says our log contradicts a decided
    // prefix (A2).
    if (!ballot_less(message->nack.promised, core->proposer.ballot)) {
        MARK(A10);
        proposer_step_down(core, message->nack.promised, PAXOS_TRACE_STEP_DOWN);
    }
}

void proposer_receive_prepare_request(struct paxos_core *core,
                                      const struct paxos_message *message)
{
    if ((core->role != PAXOS_PREPARING && core->role != PAXOS_LEADER) || MUTANT_IS(34)) {
        return;
    }
    struct peer *peer = &core->peers[message->from];
    if (core->role == PAXOS_LEADER) {
        peer->has_promised = false;
        peer->is_streaming = false;
    }
    if (!peer->has_promised && core->durable_token >= core->promise_token) {
        proposer_send_prepare(core, message->from, false);
    }
}

/*
 * Entries of the best log on their way to SYNC; those decided there are installed at
 * once.
 */
void proposer_receive_entries(struct paxos_core *core,
                              const struct paxos_message *message)
{
    const struct paxos_entries *log = &message->log;
    struct proposer *proposer = &core->proposer;
    struct staging *staging = &core->staging;
    if (!is_for_us(core, message) || core->role != PAXOS_PREPARING ||
        proposer->phase != PHASE_FETCH || message->from != proposer->best_seat ||
        log->from != staging_end(staging) || !staging->is_active) {
        return;
    }
    bool is_same = digest_equal(log->from_chain, staging_chain(staging));
    if (!is_same && staging->count == 0 && staging->from > core->log.decided &&
        !MUTANT_IS(364)) {
        stage_after(core, core->log.decided); // not the same log up to there
        send_fetch(core);
        return;
    }
    if (!is_same) {
        be_overtaken(core);
        return;
    }
    proposer->progress_ms = core->now_ms;
    cs_slot last = log->from + message->entry_count;
    if (staging->count == 0 && log->decided >= last && message->entry_count > 0 &&
        last <= proposer->sync_length) {
        // Far behind: a decided prefix need not be staged (and would not fit).
        MARK(P3_DECIDED);
        (void)fetch_install(core, message, last); // no room yet: the timer asks again
        stage_after(core, core->log.decided);
    } else if (last > proposer->sync_length ||
               !staging_add(staging, message->entries, message->entry_count,
                            core->settings.ring_entries)) {
        be_overtaken(core);
        return;
    } else {
        core_take(core, 0, message->entry_count);
    }
    bool has_moved = staging_end(staging) > log->from;
    if (has_moved && staging_end(staging) < proposer->sync_length &&
        core_disk_keeps_up(core, core->settings.message_bytes)) {
        send_fetch(core); // else the timer does
    }
    finish_if_complete(core);
}

void proposer_tick(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    if (core->role != PAXOS_PREPARING && core->role != PAXOS_LEADER) {
        return;
    }
    bool is_durable = core->durable_token >= core->promise_token;
    uint32_t resend_ms =
        BUGGIFY(core->settings.buggify, PREPARE_AT_ONCE) ? 1 : core->settings.resend_ms;
    for (uint32_t seat = 0; seat < core->settings.member_count && is_durable; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (seat != core->settings.seat && !peer->has_promised && !MUTANT_IS(33) &&
            core->now_ms >= peer->prepare_sent_ms + resend_ms) {
            MARK(A9_RESENT);
            proposer_send_prepare(core, seat, false); // A9
        }
    }
    bool is_again = BUGGIFY(core->settings.buggify, FETCH_AT_ONCE) ||
                    core->now_ms >= proposer->fetch_sent_ms + core->settings.resend_ms;
    is_again = is_again && core_disk_keeps_up(core, core->settings.message_bytes) &&
               !MUTANT_IS(215);
    if (core->role == PAXOS_PREPARING && proposer->phase == PHASE_FETCH && is_again &&
        core->staging.is_active && staging_end(&core->staging) < proposer->sync_length) {
        send_fetch(core);
    }
    finish_if_complete(core);
}
