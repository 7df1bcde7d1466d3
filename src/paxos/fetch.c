#include "paxos/core.h"

/* Decided entries from peers (A8), and serving them. */

static void send_fetch(struct paxos_core *core)
{
    struct fetch *fetch = &core->fetch;
    struct paxos_message *message = core_send_now(core, PAXOS_FETCH, fetch->seat);
    message->fetch.first = core->log.decided + 1;
    bool asks_one = BUGGIFY(core->settings.buggify, FETCH_ONE);
    message->fetch.last = asks_one ? message->fetch.first : fetch->goal;
    fetch->sent_ms = core->now_ms;
    fetch->is_waiting = false;
}

/* The next piece, once the own disk has taken enough of those before. */
static void fetch_more(struct paxos_core *core)
{
    core->fetch.is_waiting = !core_disk_keeps_up(core, core->settings.message_bytes);
    if (!core->fetch.is_waiting) {
        send_fetch(core);
    }
}

void fetch_persisted(struct paxos_core *core)
{
    struct fetch *fetch = &core->fetch;
    if (!fetch->is_active || !fetch->is_waiting || MUTANT_IS(366)) {
        return;
    }
    fetch->is_active = core->log.decided < fetch->goal; // else a stream brought it
    if (fetch->is_active) {
        fetch_more(core);
    }
}

void fetch_start(struct paxos_core *core, uint32_t seat, cs_slot goal)
{
    struct fetch *fetch = &core->fetch;
    bool is_due =
        !fetch->is_active || core->now_ms >= fetch->sent_ms + core->settings.resend_ms;
    if (core->role == PAXOS_PREPARING || core->role == PAXOS_LEADER ||
        core->faulty.is_active || // repair.c asks
        goal <= core->log.decided || goal > SLOT_MAX || !is_due) {
        return;
    }
    fetch->is_active = true;
    fetch->seat = seat;
    fetch->goal = goal;
    fetch_more(core);
}

/* The last slot that may be asked for. */
static cs_slot serve_limit(const struct paxos_core *core,
                           const struct paxos_message *message)
{
    if (!ballot_is_none(message->ballot)) {
        return core->log.length;
    }
    if (message->fetch.for_repair == 0) {
        return core->log.decided;
    }
    // Who asks knows what they must hash to. Behind slots lost here some may be on disk.
    return core->faulty.is_active && message->fetch.first > core->log.length
               ? core->faulty.length
               : core->log.durable;
}

static void send_nothing(struct paxos_core *core, const struct paxos_message *message)
{
    struct paxos_message *out = core_send_now(core, PAXOS_ENTRIES, message->from);
    out->log.from = message->fetch.first - 1;
    out->log.decided = core->log.decided;
}

/*
 * A node serves what it holds: decided slots to anybody, its log to the ballot it
 * promised, and to a damaged node whatever is durable.
 */
void fetch_receive(struct paxos_core *core, const struct paxos_message *message)
{
    bool is_decided = ballot_is_none(message->ballot);
    if (!is_decided && !ballot_equal(message->ballot, core->promised)) {
        return;
    }
    cs_slot limit = serve_limit(core, message);
    limit = MUTANT_IS(73) && is_decided ? core->log.length : limit;
    cs_slot last = message->fetch.last < limit ? message->fetch.last : limit;
    if (message->fetch.first == 0 || message->fetch.first > SLOT_MAX) {
        return;
    }
    if (message->fetch.first > last) {
        if (message->fetch.for_repair != 0) {
            send_nothing(core, message);
        }
        return;
    }
    last = BUGGIFY(core->settings.buggify, SERVE_ONE) ? message->fetch.first : last;
    core->effects->serve = (struct paxos_serve){.wanted = true,
                                                .to = message->from,
                                                .ballot = message->ballot,
                                                .for_repair = message->fetch.for_repair,
                                                .first = message->fetch.first,
                                                .last = last};
}

/*
 * Replaces what stands at the walk's end and after by the message's entries to `upto`
 * (A8).
 */
static bool replace_from(struct paxos_core *core,
                         const struct paxos_message *message,
                         uint32_t held,
                         cs_slot upto)
{
    cs_slot from = message->log.from;
    uint32_t count = (uint32_t)(upto - from);
    if (held >= count) {
        return true;
    }
    if (core->effects->persist.kind != PAXOS_PERSIST_NONE ||
        !core_make_room(core, upto)) {
        return false;
    }
    MARK(A8);
    MARK_IF(core->log.length > from + held, A8_REPLACED);
    log_truncate(&core->log, from + held);
    for (uint32_t i = held; i < count; i++) {
        log_append(&core->log, &message->entries[i]);
    }
    core_take(core, held, count - held);
    if (MUTANT_IS(11)) {
        core->accepted = core->promised;
    }
    core->log.decided = upto;
    core->stream.id =
        MUTANT_IS(74) ? core->stream.id
                      : 0; // no ack until a leader's stream connects to this log again
    core_persist(core, PAXOS_PERSIST_FETCHED, from + held + 1, count - held);
    return true;
}

bool fetch_install(struct paxos_core *core,
                   const struct paxos_message *message,
                   cs_slot upto)
{
    // What does not fit into memory beside what must stay is asked for again.
    cs_slot room = core->log.decided + core->settings.ring_entries / 2;
    upto = upto < room ? upto : room;
    const struct paxos_entries *log = &message->log;
    struct walk walk = log_walk(&core->log, log->from, log->from_chain, message);
    // A copy for a repair may begin behind what is decided, and come when all is whole.
    bool is_undecided = upto < log->from && !MUTANT_IS(251);
    if (walk.result == WALK_GAP || walk.result == WALK_BELOW ||
        upto <= core->log.decided || is_undecided) {
        return false;
    }
    if (walk.result != WALK_HELD && walk.conflict_slot <= core->log.decided) {
        core_halt(core, PAXOS_HALT_DIVERGED,
                  message->from); // both say decided, and differ
        return false;
    }
    // Staged entries follow a prefix that changes now: they are sent again.
    core->staging.is_active = false;
    if (walk.result == WALK_MISMATCH || !replace_from(core, message, walk.held, upto)) {
        return false;
    }
    core->log.decided = upto;
    core_trace(core, PAXOS_TRACE_FETCHED, message->from, core->accepted, upto);
    return true;
}

void fetch_receive_entries(struct paxos_core *core, const struct paxos_message *message)
{
    struct fetch *fetch = &core->fetch;
    if (core->role == PAXOS_PREPARING || core->role == PAXOS_LEADER ||
        message->entry_count == 0) {
        return;
    }
    cs_slot last = message->log.from + message->entry_count;
    cs_slot upto =
        message->log.decided < last && !MUTANT_IS(73) ? message->log.decided : last;
    if (!fetch_install(core, message, upto)) {
        return;
    }
    if (fetch->is_active && fetch->seat == message->from) {
        fetch->goal =
            message->log.decided > fetch->goal && message->log.decided <= SLOT_MAX
                ? message->log.decided
                : fetch->goal;
        if (core->log.decided < fetch->goal) {
            fetch_more(core);
            return;
        }
        fetch->is_active = false;
    }
    // Caught up: ask the leader for a place in its stream.
    uint32_t leader = core_seat_of(core, core->promised);
    bool is_in_stream =
        core->stream.id != 0 && ballot_equal(core->accepted, core->promised);
    if (core->role == PAXOS_FOLLOWER && leader != NO_SEAT && !is_in_stream &&
        leader != core->settings.seat) {
        core->stream.asked_ms = 0;
        acceptor_ask_prepare(core, leader);
    }
}

/* The peer that knows most decided, in this round's replies. */
static uint32_t furthest_peer(const struct paxos_core *core)
{
    uint32_t best = NO_SEAT;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        const struct peer *peer = &core->peers[seat];
        if (peer->has_replied && peer->reply.decided > core->log.decided &&
            (best == NO_SEAT || peer->reply.decided > core->peers[best].reply.decided)) {
            best = seat;
        }
    }
    return best;
}

/* At each round's end: a node that hears of decisions and does not move asks for them. */
void fetch_tick(struct paxos_core *core)
{
    struct election *election = &core->election;
    uint32_t best = furthest_peer(core);
    bool is_eager = BUGGIFY(core->settings.buggify, FETCH_EAGER);
    bool is_still = core->log.decided == election->lag_decided;
    bool is_behind = best != NO_SEAT && (is_still || is_eager);
    election->lag_rounds = is_behind ? election->lag_rounds + 1 : 0;
    election->lag_decided = core->log.decided;
    if (election->lag_rounds >= (is_eager ? 1u : 2u) && !MUTANT_IS(37)) {
        election->lag_rounds = 0;
        fetch_start(core, best, core->peers[best].reply.decided);
    }
}
