#include "paxos/core.h"

/*
 * Linearizable reads on every node (2.9). The leader numbers its rounds itself; one
 * round is in flight, all reads that come meanwhile share the next. Other nodes ask the
 * leader, one request at a time.
 */

static bool has_remote(const struct read_group *group)
{
    for (uint32_t seat = 0; seat < PAXOS_MEMBERS_MAX; seat++) {
        if (group->remote[seat].is_waiting) {
            return true;
        }
    }
    return false;
}

void reads_add(struct paxos_core *core)
{
    core->effects->read_id = ++core->reads.last_id;
}

static void finish_own(struct paxos_core *core, uint64_t read_id, cs_slot index)
{
    if (read_id > core->reads.done_id) {
        core->reads.done_id = read_id;
        core->effects->read_ready_id = read_id;
        core->effects->read_ready_slot = index;
    }
}

/* Both roles begin afresh: unanswered own reads are asked again under the next leader. */
void reads_forget_role(struct paxos_core *core)
{
    struct reads *reads = &core->reads;
    reads->flying = (struct read_group){0};
    reads->open = (struct read_group){0};
    reads->round = 0;
    reads->is_asking = false;
}

/* ---- leader ---- */

void reads_receive(struct paxos_core *core, const struct paxos_message *message)
{
    // A preparer keeps what is asked of its ballot until it leads: followers know of it first.
    bool may_lead = core->role == PAXOS_LEADER || core->role == PAXOS_PREPARING;
    if (!may_lead || !ballot_equal(message->ballot, core->proposer.ballot)) {
        return;
    }
    struct remote_read *remote = &core->reads.open.remote[message->from];
    remote->is_waiting = true;
    remote->boot = message->read.boot;
    remote->counter = message->read.counter;
}

static void send_round(struct paxos_core *core)
{
    core->reads.flying.sent_ms = core->now_ms;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        leader_send_decide(core, seat); // an empty Accept that carries the round
    }
}

/* An answer may be lost: a plain new Accept would not be answered a second time. */
static void repeat_round(struct paxos_core *core)
{
    core->reads.flying.sent_ms = core->now_ms;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (core->peers[seat].read_round_acked < core->reads.flying.round) {
            leader_probe(core, seat);
        }
    }
}

/* Closes the open group: its reads all came before this round's first message. */
static void launch(struct paxos_core *core)
{
    struct reads *reads = &core->reads;
    reads->flying = reads->open;
    reads->flying.is_active = true;
    reads->flying.read_id = reads->last_id;
    if (!MUTANT_IS(17)) {
        reads->round++;
    }
    reads->flying.round = reads->round;
    reads->flying.index = core->log.decided;
    reads->open = (struct read_group){0};
    send_round(core);
}

static bool is_confirmed(const struct paxos_core *core)
{
    uint32_t count = 1;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        count += seat != core->settings.seat && peer->has_promised &&
                 peer->read_round_acked >= core->reads.flying.round;
    }
    uint32_t quorum = core_quorum_accept(core);
    return count >= (MUTANT_IS(7) && quorum > 1 ? quorum - 1 : quorum);
}

static void confirm(struct paxos_core *core)
{
    struct read_group *group = &core->reads.flying;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (!group->remote[seat].is_waiting) {
            continue;
        }
        MARK(READ_FOR_PEER);
        leader_send_decide(core, seat); // it must learn `decided` to answer
        struct paxos_message *message = core_send_now(core, PAXOS_READ_REPLY, seat);
        message->ballot = core->proposer.ballot;
        message->read.boot = group->remote[seat].boot;
        message->read.counter = group->remote[seat].counter;
        message->read.index = group->index;
    }
    MARK_IF(group->read_id > core->reads.done_id, READ_LEADER);
    finish_own(core, MUTANT_IS(83) ? core->reads.last_id : group->read_id, group->index);
    *group = (struct read_group){0};
}

static void pump_leader(struct paxos_core *core)
{
    struct reads *reads = &core->reads;
    // Pitfall 4: before the inherited prefix is decided, `decided` may lack
    // acknowledged writes.
    if (core->log.decided < core->proposer.sync_length && !MUTANT_IS(12)) {
        MARK_IF(reads->last_id > reads->done_id || has_remote(&reads->open),
                READ_BARRIER);
        return;
    }
    if (reads->flying.is_active && is_confirmed(core)) {
        confirm(core);
    }
    uint32_t resend_ms = BUGGIFY(core->settings.buggify, READ_REPEAT)
                             ? HASTE_MS
                             : core->settings.resend_ms;
    bool is_wanted = reads->last_id > reads->done_id || has_remote(&reads->open);
    if (!reads->flying.is_active && is_wanted) {
        launch(core);
        if (is_confirmed(core)) {
            confirm(core); // one node alone
        }
    } else if (reads->flying.is_active &&
               core->now_ms >= reads->flying.sent_ms + resend_ms && !MUTANT_IS(219)) {
        MARK(READ_ROUND_AGAIN);
        repeat_round(core);
    }
}

void reads_receive_round_ack(struct paxos_core *core, const struct paxos_message *message)
{
    struct peer *peer = &core->peers[message->from];
    uint64_t round = message->round_ack.read_round;
    if (core->role == PAXOS_LEADER && round <= core->reads.round &&
        (ballot_equal(message->ballot, core->proposer.ballot) || MUTANT_IS(81)) &&
        round > peer->read_round_acked) {
        peer->read_round_acked = round;
    }
}

/* ---- other nodes ---- */

void reads_receive_reply(struct paxos_core *core, const struct paxos_message *message)
{
    struct reads *reads = &core->reads;
    const struct paxos_read *read = &message->read;
    // An answer for an older number or another ballot is dropped (pitfall 3).
    if (reads->is_asking && (read->boot == core->settings.boot || MUTANT_IS(80)) &&
        (read->counter == reads->counter || MUTANT_IS(79)) && read->index <= SLOT_MAX &&
        ballot_equal(message->ballot, reads->asked_ballot)) {
        reads->is_asking = false;
        finish_own(core, MUTANT_IS(84) ? reads->last_id : reads->asked_id, read->index);
    } else {
        MARK(READ_OLD_ANSWER);
    }
}

static void pump_follower(struct paxos_core *core)
{
    struct reads *reads = &core->reads;
    uint32_t leader = core_seat_of(core, core->election.leader);
    if (reads->last_id == reads->done_id || leader == NO_SEAT ||
        leader == core->settings.seat) {
        return;
    }
    bool is_hasty = BUGGIFY(core->settings.buggify, READ_ASK_AGAIN);
    uint32_t retry_ms = core->settings.read_retry_ms / (is_hasty ? 4 : 1);
    bool is_stale =
        reads->is_asking && (core->now_ms >= reads->asked_ms + retry_ms ||
                             !ballot_equal(reads->asked_ballot, core->election.leader));
    if (reads->is_asking && !is_stale) {
        return;
    }
    MARK(READ_ASKED);
    MARK_IF(is_stale, READ_ASKED_AGAIN);
    reads->is_asking = true;
    reads->counter++;
    reads->asked_id = reads->last_id;
    reads->asked_ballot = core->election.leader;
    reads->asked_ms = core->now_ms;
    struct paxos_message *message = core_send_now(core, PAXOS_READ, leader);
    message->ballot = core->election.leader;
    message->read.boot = core->settings.boot;
    message->read.counter = reads->counter;
}

void reads_pump(struct paxos_core *core)
{
    if (core->role == PAXOS_LEADER) {
        pump_leader(core);
    } else if (core->role == PAXOS_FOLLOWER) {
        pump_follower(core);
    }
}
