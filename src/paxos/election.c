#include "paxos/core.h"

#include <string.h>

/*
 * Ballot leader election (2.6), after OmniPaxos section 5 with the `happy` flag. It
 * decides who tries to lead; safety never depends on it.
 */

static bool is_candidate(const struct paxos_core *core)
{
    return core->role == PAXOS_PREPARING || core->role == PAXOS_LEADER;
}

/* E5 */
bool election_is_eligible(const struct paxos_core *core)
{
    const struct election *election = &core->election;
    return core->role >= PAXOS_FOLLOWER && !election->is_resigning &&
           !core->faulty.is_active && !core->is_behind &&
           core->now_ms >= election->cool_until_ms &&
           core->disk.in_flight_us < DISK_STUCK_US;
}

/* E1 */
static void follow_largest(struct paxos_core *core)
{
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_replied && peer->reply.my_ballot.round > 0 && !MUTANT_IS(217) &&
            peer->reply.my_ballot.epoch == core->config.epoch &&
            ballot_less(core->election.leader, peer->reply.my_ballot)) {
            MARK(E1);
            core->election.leader = peer->reply.my_ballot;
        }
    }
}

/*
 * E1 never forgets, but a ballot may be gone: told in a heartbeat, then lost by a crash
 * before any Prepare left, while another node was elected below it. When nobody claims
 * it any more and a happy node claims the ballot promised here, that one leads; else
 * this node would stay unhappy and without a leader to ask for as long as the others
 * are content.
 */
static void return_to_promised(struct paxos_core *core)
{
    struct election *election = &core->election;
    bool is_led = false;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_replied && ballot_equal(peer->reply.my_ballot, election->leader)) {
            return;
        }
        is_led = is_led || (peer->has_replied && peer->reply.happy &&
                            ballot_equal(peer->reply.my_ballot, core->promised));
    }
    if (is_led && core->role == PAXOS_FOLLOWER && !MUTANT_IS(218) &&
        election->unhappy_rounds >= TAKEOVER_ROUNDS &&
        ballot_less(core->promised, election->leader)) {
        MARK(E1_RETURN);
        election->leader = core->promised;
    }
}

/* E2: a candidate is happy while a quorum stands under its ballot. */
static bool is_candidate_happy(const struct paxos_core *core)
{
    const struct proposer *proposer = &core->proposer;
    if (core->role == PAXOS_PREPARING &&
        core->now_ms - proposer->progress_ms >= core->settings.stall_ms) {
        MARK(E2_STALLED);
        return false;
    }
    uint32_t count = 1;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        count += peer->has_replied && !peer->reply.gated &&
                 (!ballot_less(core->election.my_ballot, peer->reply.leader) ||
                  MUTANT_IS(26)) &&
                 (!ballot_less(core->election.my_ballot, peer->reply.promised) ||
                  MUTANT_IS(26));
    }
    count += MUTANT_IS(25) ? PAXOS_MEMBERS_MAX : 0;
    uint32_t quorum =
        core->role == PAXOS_LEADER ? core_quorum_accept(core) : core_quorum_promise(core);
    MARK_IF(count >= quorum, E2);
    MARK_IF(count < quorum, E2_UNHAPPY);
    return count >= quorum;
}

/* E3: everybody else is happy while a happy node claims the ballot it follows. */
static bool is_follower_happy(const struct paxos_core *core)
{
    if (ballot_less(core->election.leader, core->promised) && !MUTANT_IS(216)) {
        MARK(E3_PROMISED);
        return false;
    }
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_replied && peer->reply.happy &&
            ballot_equal(peer->reply.my_ballot, core->election.leader)) {
            MARK(E3);
            return true;
        }
    }
    MARK(E3_UNHAPPY);
    return false;
}

static void judge_happiness(struct paxos_core *core)
{
    struct election *election = &core->election;
    bool leads = is_candidate(core) &&
                 ballot_equal(election->leader, election->my_ballot) &&
                 ballot_equal(core->promised, election->my_ballot);
    election->is_happy = leads ? is_candidate_happy(core) : is_follower_happy(core);
    if (!leads && election->grace_rounds > 0) {
        MARK_IF(!election->is_happy, P1_GRACE);
        election->grace_rounds--;
        election->is_happy = true;
    }
    if (MUTANT_IS(18)) {
        election->is_happy = true;
    }
    election->unhappy_rounds = election->is_happy ? 0 : election->unhappy_rounds + 1;
}

/* E4 */
static bool should_take_over(const struct paxos_core *core)
{
    uint32_t rounds = MUTANT_IS(29) ? 1 : TAKEOVER_ROUNDS;
    MARK_IF(core->election.unhappy_rounds >= rounds && !election_is_eligible(core), E5);
    if (core->election.unhappy_rounds < rounds || !election_is_eligible(core)) {
        return false;
    }
    uint32_t count = 1;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (!peer->has_replied) {
            continue;
        }
        if (peer->reply.happy && !MUTANT_IS(19)) {
            MARK(E4_HAPPY_PEER);
            return false;
        }
        count += !peer->reply.gated || MUTANT_IS(94);
    }
    MARK_IF(count < core_quorum_promise(core), E4_ALONE);
    return count >= core_quorum_promise(core) || MUTANT_IS(30);
}

/*
 * Nobody waits for anything, so that a failure noticed later hurts nobody: heartbeats are
 * most of what an idle node costs. Resend timers, looked at when rounds end, have nothing
 * to do either.
 */
static bool is_idle(const struct paxos_core *core)
{
    const struct election *election = &core->election;
    return core->role >= PAXOS_FOLLOWER && core->role != PAXOS_PREPARING &&
           election->is_happy && election->grace_rounds == 0 &&
           election->quiet_rounds >= IDLE_ROUNDS && !core->staging.is_active &&
           core->log.decided == core->log.length;
}

static uint32_t round_length_ms(struct paxos_core *core)
{
    const struct paxos_settings *settings = &core->settings;
    struct election *election = &core->election;
    if (BUGGIFY(settings->buggify, ROUNDS_FAST) && core_draw(core, 4) == 0) {
        return settings->heartbeat_ms / FAST_DIVISOR + 1;
    }
    if (election->fast_rounds > 0) {
        election->fast_rounds--;
        return settings->heartbeat_ms / FAST_DIVISOR + 1;
    }
    bool is_long = settings->idle_heartbeat_ms > settings->heartbeat_ms && is_idle(core);
    return is_long ? settings->idle_heartbeat_ms : settings->heartbeat_ms;
}

void election_note_activity(struct paxos_core *core)
{
    struct election *election = &core->election;
    uint64_t end_ms = core->now_ms + core->settings.heartbeat_ms;
    election->quiet_rounds = 0;
    if (election->round_end_ms > end_ms && core->settings.idle_heartbeat_ms > 0) {
        election->round_end_ms = end_ms;
    }
}

static void start_round(struct paxos_core *core)
{
    struct election *election = &core->election;
    uint32_t length_ms = round_length_ms(core);
    election->quiet_rounds += election->quiet_rounds < IDLE_ROUNDS;
    election->round++;
    // Up to a tenth longer, so that two candidates do not stay in step.
    election->round_end_ms =
        core->now_ms + length_ms + core_draw(core, length_ms / 10 + 1);
    // Shortened rounds are too short to say that a peer is silent.
    if (core->now_ms >= election->heard_since_ms + core->settings.heartbeat_ms ||
        MUTANT_IS(322)) {
        election->heard_since_ms = core->now_ms;
        election->heard_before = election->heard_last;
        election->heard_last = election->heard_now;
        election->heard_now = 0;
    }
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        core->peers[seat].has_replied = false;
        if (seat != core->settings.seat) {
            core_send_now(core, PAXOS_HEARTBEAT, seat)->heartbeat.round = election->round;
        }
    }
}

void election_tick(struct paxos_core *core)
{
    struct election *election = &core->election;
    if (election->round > 0) {
        follow_largest(core);
        return_to_promised(core);
        judge_happiness(core);
    }
    if (core->role >= PAXOS_FOLLOWER && should_take_over(core) &&
        core->effects->persist.kind == PAXOS_PERSIST_NONE) {
        MARK(E4);
        proposer_take_over(core);
    }
    fetch_tick(core);
    start_round(core);
}

void election_receive_heartbeat(struct paxos_core *core,
                                const struct paxos_message *message)
{
    const struct election *election = &core->election;
    struct paxos_message *out = core_send_now(core, PAXOS_HEARTBEAT_REPLY, message->from);
    struct paxos_heartbeat_reply *reply = &out->heartbeat_reply;
    // Claims are durable ones: peers remember them as watermarks (G2, I10).
    cs_slot decided =
        core->log.decided < core->log.durable ? core->log.decided : core->log.durable;
    reply->round = message->heartbeat.round;
    reply->my_ballot = election->my_ballot;
    reply->leader = election->leader;
    reply->promised = core->promised_durable;
    reply->durable = core->log.durable;
    reply->decided = decided;
    reply->decided_chain = log_chain_at(&core->log, decided);
    reply->block = core->disk.block;
    reply->faulty = core->faulty.is_active;
    reply->gated = core->role < PAXOS_FOLLOWER || core->faulty.is_active;
    reply->happy = election->is_happy && !reply->gated;
    reply->disk_us = (uint32_t)disk_median_us(&core->disk);
    // No heir to a leader that resigns.
    if (election->is_resigning || core->is_behind ||
        core->disk.in_flight_us >= DISK_STUCK_US || core->disk.is_full) {
        reply->disk_us = UINT32_MAX;
    }
}

/* Two nodes that both hold a slot decided must agree on it (I7). */
static void compare_decided(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
    if (reply->decided >= core->log.base && reply->decided <= core->log.decided &&
        !digest_equal(reply->decided_chain, log_chain_at(&core->log, reply->decided)) &&
        reply->decided > 0 && !MUTANT_IS(98)) {
        core_halt(core, PAXOS_HALT_DIVERGED, message->from);
    }
}

void election_receive_reply(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
    struct election *election = &core->election;
    struct paxos_watermark shown = {.boot = message->boot,
                                    .block = reply->block,
                                    .promised = reply->promised};
    gate_note(core, message->from, shown);
    compare_decided(core, message);
    if (reply->round != election->round) {
        return; // of an older round: it must not count for this one
    }
    struct peer *peer = &core->peers[message->from];
    peer->reply = *reply;
    peer->has_replied = true;
    election->heard_now |= 1u << message->from;
    if (message->from == core_seat_of(core, election->leader)) {
        election->leader_heard_ms = core->now_ms;
        election->is_told = true;
        election->told_ms = core->now_ms;
        election->told_decided = reply->decided;
    }
}

void election_peer_lost(struct paxos_core *core, uint32_t seat)
{
    struct election *election = &core->election;
    if (core->role < PAXOS_FOLLOWER || seat != core_seat_of(core, election->leader) ||
        seat == core->settings.seat || election->fast_rounds > 0) {
        return;
    }
    // A hint, not a verdict: the same rounds, only shorter and at once (DESIGN 5.2).
    election->fast_rounds = FAST_ROUNDS;
    start_round(core);
}

/* P1: on promising b > leader, follow it and give it time. */
void election_note_promise(struct paxos_core *core, struct paxos_ballot ballot)
{
    struct election *election = &core->election;
    if (ballot_less(election->leader, ballot)) {
        election->leader = ballot;
        election->is_happy = true;
        election->unhappy_rounds = 0;
        election->grace_rounds = MUTANT_IS(31) ? 0 : PROMISE_GRACE_ROUNDS;
        election->leader_heard_ms = core->now_ms;
    }
}

uint64_t disk_median_us(const struct disk *disk)
{
    // Places never filled are 0 and sort last: they count as fast syncs until there are some.
    uint64_t sorted[SYNC_SAMPLES];
    memcpy(sorted, disk->samples_us, sizeof sorted);
    uint64_t median = quorum_slot(sorted, SYNC_SAMPLES, SYNC_SAMPLES / 2 + 1);
    return median < UINT32_MAX ? median : UINT32_MAX - 1;
}
