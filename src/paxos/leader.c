#include "paxos/core.h"

/* Phase 2 from the leader's side (2.8), handing over (E6, E8). */

/*
 * E8: it came back, or nobody took it. In a star of links only the hub can lead; a hub
 * that tried again at once would leave the cluster without a leader most of the time.
 */
static void note_vain(struct paxos_core *core)
{
    struct election *election = &core->election;
    uint64_t pause_ms = 2 * election->vain_pause_ms;
    pause_ms = pause_ms > VAIN_PAUSE_MS ? pause_ms : VAIN_PAUSE_MS;
    pause_ms = pause_ms < VAIN_PAUSE_MAX_MS ? pause_ms : VAIN_PAUSE_MAX_MS;
    MARK(E8_IN_VAIN);
    election->has_handed_over = false;
    election->vain_pause_ms = pause_ms;
    election->vain_until_ms = core->now_ms + pause_ms;
}

void leader_note_heir(struct paxos_core *core)
{
    core->election.has_handed_over = false;
    core->election.vain_pause_ms = 0;
    core->election.vain_until_ms = 0;
}

void leader_become(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    MARK(P7);
    if (core->election.has_handed_over) {
        note_vain(core);
    }
    core->role = PAXOS_LEADER;
    proposer->leading_since_ms = core->now_ms;
    proposer->sync_time_ms = log_time_at(&core->log, proposer->sync_length);
    proposer->commit_progress_ms = core->now_ms;
    core_trace(core, PAXOS_TRACE_LEADING, core->settings.seat, proposer->ballot,
               proposer->sync_length);
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (core->peers[seat].has_promised) {
            leader_start_stream(core, seat);
        }
    }
}

/* ---- proposals ---- */

bool leader_can_propose(const struct paxos_core *core, uint32_t payload_bytes)
{
    const struct slot_log *log = &core->log;
    if (core->role != PAXOS_LEADER || core->proposer.handover_target != NO_SEAT) {
        return false;
    }
    uint64_t open_entries = log->length - log->decided;
    bool is_narrow = BUGGIFY(core->settings.buggify, WINDOW_ONE) && open_entries > 0;
    bool is_shut = open_entries >= core->settings.window_entries && !MUTANT_IS(77);
    if (is_shut || is_narrow) {
        MARK(A7);
        return false; // A7
    }
    uint64_t open_bytes = log_bytes_between(log, log->decided, log->length);
    if (open_entries > 0 && open_bytes + payload_bytes > core->settings.window_bytes) {
        return false;
    }
    if (!core_disk_keeps_up(core, 0)) {
        return false;
    }
    // Room in the ring after moving base: the own disk may lag behind the quorum's.
    cs_slot floor = log->durable < log->decided ? log->durable : log->decided;
    return log->length - floor < log->mask;
}

/* 2.1: never falls; time without a leader is not charged. */
static uint64_t next_time_ms(const struct paxos_core *core)
{
    const struct proposer *proposer = &core->proposer;
    uint64_t last = log_time_at(&core->log, core->log.length);
    uint64_t now = proposer->sync_time_ms + (core->now_ms - proposer->leading_since_ms);
    now = MUTANT_IS(78) ? core->now_ms : now > last ? now : last;
    return now;
}

void leader_propose(struct paxos_core *core, const struct paxos_event *event)
{
    struct paxos_effects *effects = core->effects;
    if (core->role != PAXOS_LEADER) {
        effects->refusal = PAXOS_REFUSED_NOT_LEADER;
        return;
    }
    if (core->proposer.handover_target != NO_SEAT) {
        effects->refusal = PAXOS_REFUSED_HANDING_OVER;
        return;
    }
    if (!leader_can_propose(core, event->entry.payload_bytes) ||
        !core_make_room(core, core->log.length + 1)) {
        effects->refusal = PAXOS_REFUSED_WINDOW_FULL;
        return;
    }
    if (core->log.length == core->log.decided) {
        core->proposer.commit_progress_ms = core->now_ms;
    }
    struct paxos_entry entry = event->entry;
    entry.slot = core->log.length + 1;
    entry.time_ms = next_time_ms(core);
    log_append(&core->log, &entry);
    log_record(&core->log, entry.slot)->waiting_seats = event->waiting_seats;
    core_persist(core, PAXOS_PERSIST_APPEND, entry.slot, 1);
    effects->proposed_slot = entry.slot;
}

/* ---- streams ---- */

void leader_start_stream(struct paxos_core *core, uint32_t seat)
{
    struct peer *peer = &core->peers[seat];
    const struct slot_log *log = &core->log;
    bool is_same = ballot_equal(peer->promise.accepted, core->proposer.ballot);
    cs_slot common = is_same && peer->promise.length <= log->length
                         ? peer->promise.length
                         : peer->promise.decided;
    if (peer->promise.decided > log->length) {
        // It learned of decisions that this ballot does not hold: overtaken (A2,
        // pitfall 12).
        proposer_step_down(core, core->proposer.ballot, PAXOS_TRACE_OVERTAKEN);
        return;
    }
    if (common > peer->promise.decided &&
        BUGGIFY(core->settings.buggify, STREAM_BEFORE)) {
        common--;
    }
    MARK_IF(is_same, A1_SAME);
    MARK_IF(!is_same, A1_DECIDED);
    MARK_IF(common < log->base, A1_FAR);
    // Too far behind for the ring: the gap makes the peer Fetch and come back (A1).
    peer->next = common >= log->base ? common : log->decided;
    peer->stream = ++core->proposer.stream_counter;
    peer->sequence = 0;
    peer->acked = 0;
    peer->flow = peer->next;
    peer->has_acked = false;
    peer->is_streaming = true;
    peer->is_sent = false;
    peer->is_syncing = true;
    peer->decided_told = 0;
    peer->sent_ms = core->now_ms;
    peer->progress_ms = core->now_ms;
}

/* How many entries after peer->next go into one message. */
static uint32_t count_fitting(const struct paxos_core *core, cs_slot from)
{
    const struct paxos_settings *settings = &core->settings;
    uint64_t bytes = 0;
    uint32_t count = 0;
    // Never more than a window: a follower's ring of four always has room for that.
    uint32_t limit = settings->message_entries < settings->window_entries
                         ? settings->message_entries
                         : settings->window_entries;
    limit = BUGGIFY(settings->buggify, CHUNK_ONE) ? 1 : limit;
    while (count < limit && from + count < core->log.length) {
        bytes += log_record(&core->log, from + count + 1)->entry.payload_bytes;
        if (count > 0 && bytes > settings->message_bytes) {
            break;
        }
        count++;
    }
    return count;
}

/*
 * The follower Fetches what does not fit; Accepts begin behind S_b or behind what fits.
 */
static void send_sync(struct paxos_core *core, uint32_t seat)
{
    struct peer *peer = &core->peers[seat];
    const struct slot_log *log = &core->log;
    const struct proposer *proposer = &core->proposer;
    bool is_empty = BUGGIFY(core->settings.buggify, SYNC_EMPTY) &&
                    peer->next < core->proposer.sync_length;
    uint32_t count = is_empty ? 0 : count_fitting(core, peer->next);
    cs_slot end = peer->next + count;
    cs_slot sync = proposer->sync_length;
    struct paxos_message *message = core_send_now(core, PAXOS_ACCEPT_SYNC, seat);
    message->ballot = proposer->ballot;
    message->entry_count = count;
    message->accept_sync.stream = peer->stream;
    message->accept_sync.from = peer->next;
    message->accept_sync.from_chain = log_chain_at(log, peer->next);
    message->accept_sync.sync_length = sync;
    message->accept_sync.sync_chain =
        sync >= log->base ? log_chain_at(log, sync) : proposer->sync_chain;
    message->accept_sync.decided = log->decided;
    message->accept_sync.more = end < sync;
    peer->next = end < sync ? sync : end;
    peer->is_sent = true;
    peer->is_syncing = end < sync;
    peer->decided_told = log->decided;
    peer->sent_ms = core->now_ms;
}

static void pack_accept(struct paxos_core *core, uint32_t seat, uint32_t count)
{
    struct peer *peer = &core->peers[seat];
    struct paxos_message *message = core_send_now(core, PAXOS_ACCEPT, seat);
    message->ballot = core->proposer.ballot;
    message->entry_count = count;
    message->accept.stream = peer->stream;
    message->accept.sequence = peer->sequence;
    message->accept.previous = peer->next;
    message->accept.previous_chain = log_chain_at(&core->log, peer->next);
    message->accept.decided = core->log.decided;
    message->accept.read_round = core->reads.round;
    peer->sent_ms = core->now_ms;
}

static void send_accept(struct paxos_core *core, uint32_t seat, uint32_t count)
{
    struct peer *peer = &core->peers[seat];
    peer->sequence++;
    pack_accept(core, seat, count);
    if (peer->has_acked && peer->acked >= peer->next) {
        peer->progress_ms = core->now_ms; // from here on it owes an answer
    }
    peer->next += count;
    peer->decided_told = core->log.decided;
}

/* Not more on its way than twice the window: a slow peer must not fill queues. */
static bool may_send_more(const struct paxos_core *core, const struct peer *peer)
{
    cs_slot flow = peer->flow > core->log.base ? peer->flow : core->log.base;
    if (peer->next >= core->log.length) {
        return false;
    }
    return flow >= peer->next ||
           (peer->next - flow < 2 * (uint64_t)core->settings.window_entries &&
            log_bytes_between(&core->log, flow, peer->next) <
                2 * core->settings.window_bytes);
}

static void pump_peer(struct paxos_core *core, uint32_t seat)
{
    struct peer *peer = &core->peers[seat];
    if (peer->next < core->log.base) {
        peer->is_streaming = false; // fell out of memory: promise again, then Fetch
        peer->has_promised = false;
        return;
    }
    for (int sent = 0; sent < CHUNKS_PER_STEP; sent++) {
        if (!peer->is_sent) {
            send_sync(core, seat);
        } else if (!peer->is_syncing && may_send_more(core, peer)) {
            send_accept(core, seat, count_fitting(core, peer->next));
        } else {
            return;
        }
    }
}

void leader_pump(struct paxos_core *core)
{
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (core->role == PAXOS_LEADER && core->peers[seat].is_streaming) {
            pump_peer(core, seat);
        }
    }
}

void leader_send_decide(struct paxos_core *core, uint32_t seat)
{
    const struct peer *peer = &core->peers[seat];
    if (seat != core->settings.seat && peer->is_streaming && !peer->is_syncing &&
        peer->next >= core->log.base) {
        send_accept(core, seat, 0);
    }
}

void leader_probe(struct paxos_core *core, uint32_t seat)
{
    const struct peer *peer = &core->peers[seat];
    if (seat != core->settings.seat && peer->is_streaming &&
        peer->next >= core->log.base) {
        pack_accept(core, seat, 0);
    }
}

/* ---- decisions (A5) ---- */

static uint32_t waiting_between(const struct paxos_core *core, cs_slot from, cs_slot to)
{
    uint32_t mask = 0;
    for (cs_slot slot = from + 1; slot <= to; slot++) {
        mask |= log_record(&core->log, slot)->waiting_seats;
    }
    return mask;
}

static void tell_waiting(struct paxos_core *core, uint32_t mask)
{
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if ((mask >> seat & 1u) != 0) {
            leader_send_decide(core, seat);
        }
    }
}

void leader_decide(struct paxos_core *core)
{
    cs_slot acked[PAXOS_MEMBERS_MAX];
    uint32_t count = core->settings.member_count;
    for (uint32_t seat = 0; seat < count; seat++) {
        acked[seat] = core->peers[seat].is_streaming ? core->peers[seat].acked : 0;
    }
    // The own vote counts as everybody's: once durable (pitfall 5).
    bool is_synced = core->durable_token >= core->accepted_token || MUTANT_IS(69);
    acked[core->settings.seat] = is_synced ? core->log.durable : 0;
    if (MUTANT_IS(5)) {
        acked[core->settings.seat] = core->log.length;
    }
    cs_slot decided = quorum_slot(acked, count, core_quorum_accept(core));
    if (decided <= core->log.decided) {
        return;
    }
    CHECK(decided >= core->proposer.sync_length || MUTANT_IS(1));
    uint32_t mask = waiting_between(core, core->log.decided, decided);
    MARK(A5);
    core->log.decided = decided;
    core->proposer.commit_progress_ms = core->now_ms;
    mask = BUGGIFY(core->settings.buggify, DECIDE_TO_ALL) ? UINT32_MAX : mask;
    mask = BUGGIFY(core->settings.buggify, DECIDE_HINT_LOST) ? 0 : mask;
    tell_waiting(core, mask);
}

static void drive_handover(struct paxos_core *core);

void leader_receive_accepted(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_accepted *accepted = &message->accepted;
    struct peer *peer = &core->peers[message->from];
    bool is_ours =
        core->role == PAXOS_LEADER && peer->is_streaming &&
        (ballot_equal(message->ballot, core->proposer.ballot) || MUTANT_IS(68));
    if (!is_ours || accepted->stream != peer->stream) {
        return;
    }
    bool is_too_far = accepted->durable > peer->next && !MUTANT_IS(97);
    // An ack says a = b, and that the log reaches S_b (A2).
    bool is_too_short = accepted->durable < core->proposer.sync_length && !MUTANT_IS(314);
    if (is_too_far || is_too_short || accepted->read_round > core->reads.round) {
        return; // claims what was never sent, or what cannot be
    }
    if (accepted->durable > peer->acked || !peer->has_acked) {
        peer->acked = accepted->durable > peer->acked ? accepted->durable : peer->acked;
        peer->flow = peer->acked > peer->flow ? peer->acked : peer->flow;
        peer->has_acked = true;
        peer->is_syncing = false; // an ack in this stream says a = b
        peer->progress_ms = core->now_ms;
    }
    if (accepted->read_round > peer->read_round_acked) {
        peer->read_round_acked = accepted->read_round;
    }
    if (accepted->decided < peer->decided_told) {
        peer->decided_told = accepted->decided;
    }
    leader_decide(core);
    drive_handover(core); // the heir may hold everything now
}

/* ---- time ---- */

/*
 * Nothing came back for what was sent: begin again with a promise (messages may be
 * lost).
 */
static void revive_peer(struct paxos_core *core, uint32_t seat)
{
    struct peer *peer = &core->peers[seat];
    bool is_behind = (!peer->has_acked || peer->acked < peer->next) && !MUTANT_IS(35);
    uint64_t patience_ms = 2 * (uint64_t)core->settings.resend_ms;
    bool is_hasty = BUGGIFY(core->settings.buggify, PROBE_AT_ONCE) && peer->is_sent;
    bool is_again = is_hasty || core->now_ms >= peer->sent_ms + core->settings.resend_ms;
    bool is_restarted =
        BUGGIFY(core->settings.buggify, STREAM_RESTART) && core_draw(core, 8) == 0;
    if ((is_behind && core->now_ms >= peer->progress_ms + 5 * patience_ms) ||
        is_restarted) {
        peer->is_streaming = false;
        peer->has_promised = false;
        proposer_send_prepare(core, seat, false);
    } else if (is_behind && is_again) {
        leader_probe(core, seat);
    }
}

static void tell_decided(struct paxos_core *core, uint32_t seat)
{
    // A peer learns the last decision even when nothing follows it.
    struct peer *peer = &core->peers[seat];
    bool knows = peer->reply.decided >= core->log.decided || MUTANT_IS(36);
    bool is_due = core->now_ms >= peer->sent_ms + core->settings.resend_ms / 2;
    if ((!knows && is_due) || peer->decided_told < core->log.decided) {
        leader_send_decide(core, seat);
    }
}

static bool is_caught_up(const struct paxos_core *core, uint32_t seat)
{
    const struct peer *peer = &core->peers[seat];
    uint32_t heard = core->election.heard_now | core->election.heard_last;
    return seat != core->settings.seat && peer->is_streaming && peer->has_acked &&
           peer->acked >= core->log.decided && (heard >> seat & 1u) != 0 &&
           peer->reply.disk_us != UINT32_MAX;
}

/* The caught-up voter with the best disk, or NO_SEAT. */
static uint32_t best_heir(const struct paxos_core *core)
{
    uint32_t best = NO_SEAT;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (is_caught_up(core, seat) &&
            (best == NO_SEAT ||
             core->peers[seat].reply.disk_us < core->peers[best].reply.disk_us)) {
            best = seat;
        }
    }
    return best;
}

static void start_handover(struct paxos_core *core, uint32_t target)
{
    struct proposer *proposer = &core->proposer;
    MARK(E8);
    proposer->handover_target = target;
    proposer->handover_until_ms = core->now_ms + core->settings.stall_ms;
    proposer->handover_sent_ms = 0;
    core->election.cool_until_ms = core->now_ms + COOL_DOWN_MS;
    core_trace(core, PAXOS_TRACE_HANDOVER, target, proposer->ballot, core->log.length);
}

/* E6: slow disk or no progress, and somebody better is there. */
static bool is_disk_slow(const struct paxos_core *core, uint32_t heir)
{
    uint64_t limit_us = 10 * (uint64_t)core->peers[heir].reply.disk_us;
    limit_us = limit_us > DISK_SLOW_FLOOR_US ? limit_us : DISK_SLOW_FLOOR_US;
    const struct disk *disk = &core->disk;
    uint32_t slow = 0;
    for (uint32_t i = 0; i < SLOW_SYNCS && i < disk->sample_count; i++) {
        slow += disk->samples_us[(disk->sample_count - 1 - i) % SYNC_SAMPLES] > limit_us;
    }
    return (slow == SLOW_SYNCS || disk->in_flight_us >= DISK_STUCK_US) && !MUTANT_IS(99);
}

static void maybe_resign(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    uint32_t heir = best_heir(core);
    if (heir == NO_SEAT || proposer->handover_target != NO_SEAT) {
        MARK_IF(heir == NO_SEAT && core->election.is_resigning, E6_NO_HEIR);
        return; // a resignation to nobody helps nobody
    }
    bool is_stalled =
        core->log.length > core->log.decided &&
        core->now_ms >= proposer->commit_progress_ms + core->settings.stall_ms;
    bool is_forced = BUGGIFY(core->settings.buggify, RESIGN) && core_draw(core, 64) == 0;
    // A full disk refuses writes that another one has room for (4.2).
    bool is_full = core->disk.is_full && !MUTANT_IS(122);
    bool is_in_vain = core->now_ms < core->election.vain_until_ms && !MUTANT_IS(317);
    bool is_burdened = (is_full || is_disk_slow(core, heir)) && !is_in_vain;
    MARK_IF(is_stalled, E6_STALLED);
    MARK_IF(is_burdened, E6_DISK);
    if (is_stalled || is_forced || is_burdened || core->election.is_resigning) {
        start_handover(core, heir);
    }
}

/* E8: when the heir holds everything, ask it to take over; give up after T_stall. */
static void drive_handover(struct paxos_core *core)
{
    struct proposer *proposer = &core->proposer;
    uint32_t target = proposer->handover_target;
    if (target == NO_SEAT) {
        return;
    }
    if (core->now_ms >= proposer->handover_until_ms && !MUTANT_IS(38)) {
        note_vain(core);
        proposer->handover_target = NO_SEAT;
        return;
    }
    if (core->peers[target].acked == core->log.length &&
        core->now_ms >= proposer->handover_sent_ms + ASK_AGAIN_MS) {
        MARK(E8_SENT);
        struct paxos_message *message = core_send_now(core, PAXOS_HANDOVER, target);
        message->ballot = proposer->ballot;
        message->handover.target = target;
        proposer->handover_sent_ms = core->now_ms;
        core->election.has_handed_over = true;
    }
}

void leader_resign(struct paxos_core *core)
{
    if (core->role == PAXOS_LEADER) {
        maybe_resign(core);
        drive_handover(core);
    }
}

void leader_receive_handover(struct paxos_core *core, const struct paxos_message *message)
{
    bool is_leaders = core->role == PAXOS_FOLLOWER &&
                      ballot_equal(message->ballot, core->promised) &&
                      core_seat_of(core, message->ballot) == message->from &&
                      message->handover.target == core->settings.seat;
    if (is_leaders && election_is_eligible(core) &&
        core->effects->persist.kind == PAXOS_PERSIST_NONE) {
        MARK(E8_TAKEN);
        proposer_take_over(core);
    }
}

void leader_tick(struct paxos_core *core)
{
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (core->role == PAXOS_LEADER && core->peers[seat].is_streaming) {
            tell_decided(core, seat);
            revive_peer(core, seat);
        }
    }
    if (core->role == PAXOS_LEADER) {
        maybe_resign(core);
        drive_handover(core);
    }
}
