/*
 * election.c - ballot leader election: heartbeat rounds, happy, take-overs (E0-E8). A
 * round ends where the next one begins: at the step that sends its HEARTBEATs.
 */
#include "monitor/model.h"

void spec_election_begin(struct monitor *monitor)
{
    monitor->election = (struct model_election){0};
}

void spec_election_receive(struct monitor *monitor, const struct paxos_message *message)
{
    struct model_election *election = &monitor->election;
    if (message->type == PAXOS_NACK) {
        if (ballot_equal(message->ballot, election->my_ballot) &&
            ballot_order(message->nack.promised, election->my_ballot) > 0) {
            election->was_nacked = true;
        }
        return;
    }
    if (message->type != PAXOS_HEARTBEAT_REPLY) {
        return;
    }
    const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
    struct paxos_ballot highest = ballot_larger(reply->my_ballot, reply->leader);
    highest = ballot_larger(highest, reply->promised);
    election->highest = ballot_larger(election->highest, highest);
    if (reply->round == election->round) {
        election->heard |= 1u << message->from;
        election->replies[message->from] = *reply;
    }
}

bool spec_election_takes_over(const struct monitor *monitor)
{
    const struct paxos_effects *effects = monitor->step->effects;
    for (uint32_t i = 0; i < effects->trace_count; i++) {
        if (effects->traces[i].kind == PAXOS_TRACE_TAKE_OVER) {
            return true;
        }
    }
    return false;
}

/* The number of the round that this step begins; 0: none. */
static uint64_t round_begun(const struct monitor *monitor)
{
    const struct paxos_effects *effects = monitor->step->effects;
    for (uint32_t i = 0; i < effects->now_count; i++) {
        const struct paxos_message *message = &effects->messages_now[i];
        if (message->type == PAXOS_HEARTBEAT &&
            message->heartbeat.round != monitor->election.round) {
            return message->heartbeat.round;
        }
    }
    return 0;
}

/*
 * ---- the end of a round
 */

/*
 * A tick comes with each event, after it: a round may end in a step that has another event.
 * What that event made of the node is what the round finds.
 */
static uint32_t role_at_end(const struct monitor *monitor)
{
    const struct paxos_message *message = monitor->message;
    if (!spec_election_takes_over(monitor)) {
        return monitor->step->view->role;
    }
    bool is_nacked = message != NULL && message->type == PAXOS_NACK &&
                     ballot_equal(message->ballot, monitor->election.my_ballot) &&
                     monitor->election.was_nacked;
    return is_nacked ? (uint32_t)PAXOS_FOLLOWER : monitor->view.role;
}

/*
 * README.md: a ballot that nobody claims any more gives way to the smaller one that is
 * promised here and that a happy node claims, after two unhappy rounds.
 */
static bool is_lost(const struct monitor *monitor, struct paxos_ballot leader)
{
    const struct model_election *election = &monitor->election;
    struct paxos_ballot promised = monitor->promised;
    bool is_led = false;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        const struct paxos_heartbeat_reply *reply = &election->replies[i];
        bool is_heard = (election->heard >> i & 1) != 0;
        if (is_heard && ballot_equal(reply->my_ballot, leader)) {
            return false;
        }
        is_led = is_led || (is_heard && reply->happy != 0 &&
                            ballot_equal(reply->my_ballot, promised));
    }
    return is_led && role_at_end(monitor) == PAXOS_FOLLOWER &&
           ballot_order(promised, leader) < 0 &&
           (election->unhappy_least >= 2 ||
            (election->unhappy_most >= 2 &&
             ballot_equal(monitor->step->view->leader, promised)));
}

/* E1. */
static struct paxos_ballot leader_heard(const struct monitor *monitor)
{
    const struct model_election *election = &monitor->election;
    struct paxos_ballot leader = election->leader;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        if ((election->heard >> i & 1) != 0 && election->replies[i].my_ballot.round > 0) {
            leader = ballot_larger(leader, election->replies[i].my_ballot);
        }
    }
    return is_lost(monitor, leader) ? monitor->promised : leader;
}

/* E2: own candidacy or leadership. */
static bool is_happy_candidate(const struct monitor *monitor)
{
    const struct model_election *election = &monitor->election;
    bool is_leading = role_at_end(monitor) == PAXOS_LEADER;
    uint32_t count = 1;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        const struct paxos_heartbeat_reply *reply = &election->replies[i];
        count += (election->heard >> i & 1) != 0 && reply->gated == 0 &&
                 ballot_order(reply->leader, election->my_ballot) <= 0 &&
                 ballot_order(reply->promised, election->my_ballot) <= 0;
    }
    return count >= (is_leading ? monitor->quorum_accept : monitor->quorum_promise) &&
           (is_leading || !election->was_nacked);
}

/* E3: somebody else's. */
static bool is_happy_follower(const struct monitor *monitor, struct paxos_ballot leader)
{
    const struct model_election *election = &monitor->election;
    if (ballot_order(monitor->promised, leader) > 0) {
        return false;
    }
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        if ((election->heard >> i & 1) != 0 && election->replies[i].happy != 0 &&
            ballot_equal(election->replies[i].my_ballot, leader)) {
            return true;
        }
    }
    return false;
}

static bool is_candidate(const struct monitor *monitor, struct paxos_ballot leader)
{
    struct paxos_ballot own = monitor->election.my_ballot;
    return role_at_end(monitor) >= PAXOS_PREPARING && ballot_equal(leader, own) &&
           ballot_equal(monitor->promised, own);
}

/* E4, its first half: who may try. */
static void judge_wish(struct monitor *monitor, struct paxos_ballot leader)
{
    const struct model_election *election = &monitor->election;
    uint32_t heard = 1;
    uint32_t happy = 0;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        if ((election->heard >> i & 1) != 0) {
            heard += election->replies[i].gated == 0;
            happy += election->replies[i].happy != 0;
        }
    }
    EXPECT(monitor, RULE_E4, happy == 0, "takes over although %u voters are happy",
           happy);
    EXPECT(monitor, RULE_E4, heard >= monitor->quorum_promise,
           "takes over and hears %u voters, expected %u", heard, monitor->quorum_promise);
    // The round that ends now is one of the two. A preparer may also have stalled (E2).
    bool is_happy = is_candidate(monitor, leader) ? monitor->view.role == PAXOS_LEADER &&
                                                        is_happy_candidate(monitor)
                                                  : is_happy_follower(monitor, leader);
    // Rounds of a node alone cannot be seen.
    bool is_alone = monitor->settings.member_count == 1;
    EXPECT(monitor, RULE_E4,
           is_alone ||
               (!is_happy && election->grace_least == 0 && election->unhappy_most >= 1),
           "takes over: happy %d in this round, unhappy in %u before it, %u of grace",
           is_happy, election->unhappy_most, election->grace_least);
}

/* E4, its second half: the ballot. */
static void
judge_ballot(struct monitor *monitor, struct paxos_ballot leader, bool is_round)
{
    const struct model_election *election = &monitor->election;
    struct paxos_ballot drawn = monitor->step->view->promised;
    struct paxos_ballot least = ballot_larger(monitor->view.promised, leader);
    least = ballot_larger(least, election->my_ballot);
    struct paxos_ballot most = ballot_larger(least, election->highest);
    for (uint32_t i = 0; is_round && i < monitor->settings.member_count; i++) {
        const struct paxos_heartbeat_reply *reply = &election->replies[i];
        if ((election->heard >> i & 1) != 0) {
            least = ballot_larger(least, ballot_larger(reply->leader, reply->promised));
            least = ballot_larger(least, reply->my_ballot);
        }
    }
    most = is_round ? least : most;
    EXPECT(monitor, RULE_E4, drawn.round > least.round && drawn.round <= most.round + 1,
           "draws round %u, expected %u to %u", drawn.round, least.round + 1,
           most.round + 1);
    EXPECT(monitor, RULE_E4,
           drawn.epoch == monitor->config.epoch &&
               drawn.node == monitor->config.node[monitor->settings.seat],
           "draws ballot %s, it is node %u in epoch %u", spec_ballot(drawn),
           monitor->config.node[monitor->settings.seat], monitor->config.epoch);
}

static void take_over(struct monitor *monitor, struct paxos_ballot leader, bool is_round)
{
    struct model_election *election = &monitor->election;
    const struct paxos_view *after = monitor->step->view;
    const struct paxos_message *message = monitor->message;
    bool is_handed = message != NULL && message->type == PAXOS_HANDOVER &&
                     message->handover.target == monitor->settings.seat &&
                     ballot_equal(message->ballot, monitor->view.promised);
    EXPECT(monitor, RULE_E4, is_round || is_handed,
           "takes over at no round's end and without a Handover");
    EXPECT(monitor, RULE_P5, monitor->view.faulty_first == 0,
           "takes over with slots of unknown identity");
    if (!is_handed) {
        judge_wish(monitor, leader);
    }
    judge_ballot(monitor, leader, is_round);
    EXPECT(monitor, RULE_E4,
           monitor->step->effects->persist.kind == PAXOS_PERSIST_PROMISE &&
               (after->happy || is_handed) && after->role == PAXOS_PREPARING &&
               ballot_equal(after->leader, after->promised),
           "takes over: record %u, happy %d, role %s, leader %s",
           monitor->step->effects->persist.kind, after->happy,
           paxos_role_name(after->role), spec_ballot(after->leader));
    election->my_ballot = after->promised;
    election->unhappy_least = 0;
    election->unhappy_most = 0;
    election->grace_least = 0;
    election->grace_most = 0;
    election->was_nacked = false;
    monitor->seats_before = monitor->candidacy.promised;
    monitor->candidacy = (struct model_candidacy){0};
}

static void judge_happy(struct monitor *monitor, struct paxos_ballot leader)
{
    const struct model_election *election = &monitor->election;
    bool is_happy = monitor->step->view->happy;
    uint32_t role = role_at_end(monitor);
    if (!spec_identity_votes(&monitor->view)) {
        return; // it may not vote yet: nobody counts on it
    }
    if (election->grace_least > 0) {
        EXPECT(monitor, RULE_P1, is_happy,
               "unhappy in one of the two rounds after it promised %s",
               spec_ballot(monitor->promised));
        return;
    }
    bool is_right = true;
    if (is_candidate(monitor, leader)) {
        is_right = is_happy_candidate(monitor);
        bool may_stall = role == PAXOS_PREPARING && !is_happy;
        EXPECT(monitor, RULE_E2, is_happy == is_right || may_stall,
               "as %s under %s it says happy %d, expected %d", paxos_role_name(role),
               spec_ballot(leader), is_happy, is_right);
        return;
    }
    is_right = is_happy_follower(monitor, leader);
    EXPECT(monitor, RULE_E3, is_happy == is_right || election->grace_most > 0,
           "under leader %s it says happy %d, expected %d", spec_ballot(leader), is_happy,
           is_right);
}

static void note_unhappy(struct monitor *monitor, bool is_certain)
{
    struct model_election *election = &monitor->election;
    election->unhappy_least += is_certain;
    election->unhappy_most++;
    if (monitor->step->view->happy) {
        election->unhappy_least = 0;
        election->unhappy_most = 0;
    }
}

static void end_round(struct monitor *monitor, struct paxos_ballot leader)
{
    struct model_election *election = &monitor->election;
    const struct paxos_view *after = monitor->step->view;
    bool is_lost = monitor->step->event->type == PAXOS_EVENT_PEER_LOST;
    bool is_unjudged = is_lost && after->happy == monitor->view.happy &&
                       ballot_equal(after->leader, monitor->view.leader);
    if (is_unjudged) {
        // README.md: the round under way may just begin anew.
        election->leader = monitor->view.leader;
    } else {
        judge_happy(monitor, leader);
        election->grace_most -= election->grace_most > 0;
    }
    election->grace_least -= election->grace_least > 0;
    note_unhappy(monitor, !is_unjudged);
}

/* P1, its last sentence: a promise is a reason to be patient. */
static void note_promise(struct monitor *monitor)
{
    struct model_election *election = &monitor->election;
    struct paxos_ballot promised = monitor->step->view->promised;
    if (ballot_order(promised, monitor->view.promised) > 0 &&
        ballot_order(promised, election->leader) > 0) {
        election->leader = promised;
        election->unhappy_least = 0;
        election->unhappy_most = 0;
        election->grace_least = 2;
        election->grace_most = 2;
        EXPECT(monitor, RULE_P1, monitor->step->view->happy,
               "unhappy with the ballot it has just promised");
    }
}

void spec_election_judge(struct monitor *monitor)
{
    struct model_election *election = &monitor->election;
    const struct paxos_view *after = monitor->step->view;
    uint64_t round = round_begun(monitor);
    bool takes_over = spec_election_takes_over(monitor);
    // A node alone asks nobody: where its rounds end cannot be seen.
    bool is_round = round != 0 || monitor->settings.member_count == 1;
    if (!takes_over) {
        note_promise(monitor);
    }
    if (is_round) {
        election->leader = leader_heard(monitor);
    }
    if (takes_over) {
        take_over(monitor, election->leader, is_round);
        election->leader = after->promised;
        note_unhappy(monitor, true); // a Handover, and a round's end
    } else if (round != 0 && election->round != 0) {
        end_round(monitor, election->leader);
    }
    if (round != 0) {
        EXPECT(monitor, RULE_E1, round > election->round, "round %llu after round %llu",
               ull(round), ull(election->round));
        election->round = round;
        election->heard = 0;
    }
    // A round that ends in the step that halts is not seen: no heartbeat leaves any more.
    bool is_over = monitor->step->effects->halt != PAXOS_HALT_NONE;
    // E0: a ballot of round 0 is no leader, whatever its epoch.
    EXPECT(monitor, RULE_E1,
           is_over || ballot_equal(after->leader, election->leader) ||
               (after->leader.round == 0 && election->leader.round == 0),
           "names %s its leader, expected %s", spec_ballot(after->leader),
           spec_ballot(election->leader));
}
