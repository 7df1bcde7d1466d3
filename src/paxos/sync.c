#include "paxos/core.h"

/*
 * How a follower comes into a leader's stream (2.8 A2). AcceptSync carries what fits of
 * the leader's log behind the common point; if that ends below S_b the follower Fetches
 * the rest under the ballot, at its own pace, so that loss and reordering cost a round
 * trip and no more. The staged log replaces the own one in one atomic record.
 */

static void fetch_rest(struct paxos_core *core)
{
    struct staging *staging = &core->staging;
    uint32_t seat = core_seat_of(core, staging->ballot);
    struct paxos_message *message = core_send_now(core, PAXOS_FETCH, seat);
    message->ballot = staging->ballot;
    MARK(A2_FETCH);
    message->fetch.first = staging_end(staging) + 1;
    bool asks_one = BUGGIFY(core->settings.buggify, FETCH_ONE);
    message->fetch.last = asks_one ? message->fetch.first : staging->sync_length;
    staging->fetch_sent_ms = core->now_ms;
}

static void
enter_stream(struct paxos_core *core, struct paxos_ballot ballot, uint64_t stream)
{
    core->stream.id = stream;
    core->stream.expected = 1;
    core->stream.wants_ack = true;
    leader_note_heir(core);
    core_trace(core, PAXOS_TRACE_SYNCED, core_seat_of(core, ballot), ballot,
               core->log.length);
}

/* The staged log, which reaches S_b, hashes to what the leader says. */
static bool is_staging_right(const struct paxos_core *core)
{
    const struct staging *staging = &core->staging;
    if (staging->sync_length < core->log.base) {
        return true; // covered by the decided prefix, compared at `from`
    }
    return digest_equal(staging_chain_at(staging, &core->log, staging->sync_length),
                        staging->sync_chain);
}

/* a = b only once the staged log reaches S_b, in one atomic record (pitfall 1). */
static void flip_or_fetch(struct paxos_core *core)
{
    struct staging *staging = &core->staging;
    if (staging_end(staging) < staging->sync_length && !MUTANT_IS(1)) {
        fetch_rest(core);
        return;
    }
    bool is_right = MUTANT_IS(1) || is_staging_right(core);
    bool is_refused =
        BUGGIFY(core->settings.buggify, FLIP_REFUSED) && core_draw(core, 4) == 0;
    if (!is_right || is_refused || !core_flip(core, staging->ballot)) {
        staging->is_active = false;
        acceptor_ask_prepare(core, core_seat_of(core, core->promised));
        return;
    }
    MARK(A2_FLIP);
    enter_stream(core, staging->ballot, staging->stream);
    acceptor_note_decided(core, staging->decided);
}

/* `known`: so many of the message's entries are staged already. */
static void stage_entries(struct paxos_core *core,
                          const struct paxos_message *message,
                          uint32_t known)
{
    struct staging *staging = &core->staging;
    uint32_t count = message->entry_count - known;
    if (!staging_add(staging, message->entries + known, count,
                     core->settings.ring_entries)) {
        staging->is_active = false;
        return;
    }
    core_take(core, known, count);
    flip_or_fetch(core);
}

/* Another try at the same log: under one ballot there is but one, and it only grows (I1). */
static bool resumes_staging(const struct paxos_core *core,
                            const struct paxos_message *message)
{
    const struct staging *staging = &core->staging;
    const struct paxos_accept_sync *sync = &message->accept_sync;
    return staging->is_active && ballot_equal(staging->ballot, message->ballot) &&
           staging->from == sync->from &&
           digest_equal(staging->from_chain, sync->from_chain) && !MUTANT_IS(127);
}

/*
 * A log with unknown slots: what they held of the decided prefix cannot be compared (A2).
 * A leader that knows all of that decided holds it; another one was perhaps overtaken
 * (pitfall 12). The log that comes first must not be shorter either.
 */
static bool may_lose_decided(const struct paxos_core *core,
                             const struct paxos_accept_sync *sync)
{
    cs_slot decided = core->faulty.decided;
    if (decided <= core->log.decided && !MUTANT_IS(328)) {
        return false; // known in whole: compared as on any other node
    }
    return (sync->sync_length < decided && !MUTANT_IS(247)) ||
           (sync->decided < decided && !MUTANT_IS(311));
}

/* a < b: the leader's log is staged beside the own one. */
static void stage(struct paxos_core *core, const struct paxos_message *message)
{
    struct paxos_accept_sync sync = message->accept_sync;
    struct staging *staging = &core->staging;
    const struct faulty *faulty = &core->faulty;
    if (staging->is_active && sync.stream < staging->stream) {
        return; // an older stream of this ballot
    }
    if (faulty->is_active && ballot_equal(core->accepted, message->ballot) &&
        faulty->length > sync.sync_length && !MUTANT_IS(107)) {
        // This node has acked more than S_b under this ballot: it must hold all of that.
        sync.sync_length = faulty->length;
        sync.sync_chain = faulty->length_chain;
    }
    if (faulty->is_active && may_lose_decided(core, &sync)) {
        return; // repair goes on, and a leader that decides knows more soon
    }
    MARK(A2_STAGED);
    // What a slow link took long to bring is not asked for again.
    uint32_t known = 0;
    if (resumes_staging(core, message)) {
        known =
            message->entry_count < staging->count ? message->entry_count : staging->count;
    } else {
        core_stage_after(core, message->ballot, sync.from, sync.from_chain);
    }
    staging->stream = sync.stream;
    core->stream.id = MUTANT_IS(9) ? sync.stream : core->stream.id;
    staging->sync_length = sync.sync_length;
    staging->sync_chain = sync.sync_chain;
    staging->decided = sync.decided;
    stage_entries(core, message, known);
}

/* a == b: entries already held are skipped, never truncated (pitfall 2). */
static void extend(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_accept_sync *sync = &message->accept_sync;
    struct slot_log *log = &core->log;
    if (sync->stream < core->stream.id) {
        return; // an older stream of this ballot
    }
    if (MUTANT_IS(2) && sync->from < log->length && sync->from >= log->base) {
        log->durable = sync->from < log->durable ? sync->from : log->durable;
        log->length = sync->from;
    }
    struct walk walk = log_walk(log, sync->from, sync->from_chain, message);
    if (walk.result != WALK_HELD || !acceptor_append(core, message, walk.held)) {
        acceptor_ask_prepare(core, message->from);
        return;
    }
    // a == b says that the log reaches S_b already: nothing is left to Fetch.
    MARK(A2_EXTEND);
    enter_stream(core, message->ballot, sync->stream);
    acceptor_note_decided(core, sync->decided);
    acceptor_maybe_ack(core);
}

/*
 * Would this log contradict what we know decided? Then its leader was overtaken (pitfall
 * 12).
 */
static bool contradicts_decided(const struct paxos_core *core, const struct walk *walk)
{
    bool differs = walk->result == WALK_CONFLICT || walk->result == WALK_MISMATCH;
    return differs && walk->conflict_slot <= core->log.decided;
}

void sync_receive(struct paxos_core *core, const struct paxos_message *message)
{
    if (!acceptor_is_promised(core, message)) {
        return;
    }
    const struct paxos_accept_sync *sync = &message->accept_sync;
    // A log with unknown slots cannot be extended: it is replaced as a whole (P5).
    bool extends_own =
        ballot_equal(core->accepted, message->ballot) && !core->faulty.is_active;
    struct walk walk = log_walk(&core->log, sync->from, sync->from_chain, message);
    if (contradicts_decided(core, &walk) && !MUTANT_IS(10)) {
        MARK(A2_STALE);
        acceptor_nack(core, message);
        return;
    }
    if (walk.result == WALK_GAP && sync->decided > core->log.decided) {
        fetch_start(core, message->from, sync->decided);
    } else if (walk.result == WALK_GAP || walk.result == WALK_BELOW ||
               (!extends_own && sync->from < core->log.base) ||
               (walk.result == WALK_MISMATCH && !MUTANT_IS(10))) {
        acceptor_ask_prepare(core, message->from);
    } else if (extends_own) {
        extend(core, message);
    } else {
        stage(core, message);
    }
}

/* What was Fetched of the leader's log under its ballot. */
void sync_receive_entries(struct paxos_core *core, const struct paxos_message *message)
{
    const struct staging *staging = &core->staging;
    bool is_wanted = core->role == PAXOS_FOLLOWER && staging->is_active &&
                     ballot_equal(message->ballot, staging->ballot) &&
                     ballot_equal(core->promised, staging->ballot) &&
                     core_seat_of(core, staging->ballot) == message->from &&
                     message->entry_count > 0 &&
                     message->log.from == staging_end(staging) &&
                     digest_equal(message->log.from_chain, staging_chain(staging));
    if (is_wanted && core->effects->persist.kind == PAXOS_PERSIST_NONE) {
        stage_entries(core, message, 0);
    }
}

void sync_tick(struct paxos_core *core)
{
    const struct staging *staging = &core->staging;
    if (core->role == PAXOS_FOLLOWER && staging->is_active && !MUTANT_IS(214) &&
        !ballot_is_none(staging->ballot) &&
        core->now_ms >= staging->fetch_sent_ms + core->settings.resend_ms) {
        fetch_rest(core);
    }
}
