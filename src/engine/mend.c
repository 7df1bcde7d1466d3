/*
 * mend.c - decided slots whose bytes the disk has lost, below what the core keeps: its
 * promises and acks do not need them, the state machine does (src/wal/README.md,
 * "Damage"). They are fetched from peers as decided entries, compared with what the log
 * must hash to, and written anew; the state machine waits for them and then catches up
 * from the log, while the node votes and acks.
 *
 *   applied == view.decided, or applied < view.base: it is behind
 */
#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"
#include "engine/parts.h"

enum {
    SWEEPS_MAX =
        3, // so often every peer says that it has no copy before that is believed
    SWEEP_PAUSE_MS = 1000,
    LAST_WORDS_MS = 3000, // a node that knows still answers, so that the others know too
};

static bool is_under_way(const struct replica *replica)
{
    return replica->mend.fault.first != 0;
}

bool mend_is_behind(const struct replica *replica)
{
    return replica->applied < replica->view.base;
}

static void trace(const struct replica *replica, uint32_t kind, uint32_t peer)
{
    struct paxos_trace trace = {.kind = kind,
                                .peer = peer,
                                .ballot = replica->view.accepted,
                                .slot = replica->mend.fault.first};
    replica->ports.trace(replica->ports.context, &trace);
}

/* ---- asking peers ---- */

static void ask(struct replica *replica, uint32_t seat)
{
    struct mend *mend = &replica->mend;
    struct paxos_message message = {0};
    paxos_stamp(replica->core, PAXOS_FETCH, seat, &message);
    message.fetch.first = mend->fault.first;
    message.fetch.last = mend->fault.last;
    message.fetch.for_repair = 1;
    mend->seat = seat;
    mend->asked_ms = replica->now_ms;
    effects_send_message(replica, &message, NULL, NULL);
}

/* Every peer says that it has no copy. Where the state machine needs it, that is final. */
static void end_sweep(struct replica *replica)
{
    struct mend *mend = &replica->mend;
    mend->lacking = 0;
    mend->sweeps++;
    mend->asked_ms = replica->now_ms + SWEEP_PAUSE_MS;
    if (mend->sweeps == SWEEPS_MAX) {
        mend->halt_ms = replica->now_ms + LAST_WORDS_MS;
    }
}

static void maybe_halt(struct replica *replica)
{
    const struct mend *mend = &replica->mend;
    if (mend->sweeps >= SWEEPS_MAX && replica->now_ms >= mend->halt_ms &&
        replica->applied < mend->fault.first && replica->halt == PAXOS_HALT_NONE) {
        MARK(P4_LOST);
        replica->halt = PAXOS_HALT_LOST;
        replica->halt_peer = replica->settings.core.seat;
    }
}

/*
 * `skipped`: peers not to be asked now. Who has said that it has no copy is asked again
 * once another one is silent: by now it may have got one, the silent one may never answer.
 */
static void ask_next(struct replica *replica, uint32_t skipped)
{
    struct mend *mend = &replica->mend;
    uint32_t own = replica->settings.core.seat;
    uint32_t count = replica->settings.core.member_count;
    uint32_t others = ((1u << count) - 1u) & ~(1u << own);
    if ((mend->lacking & others) == others) {
        end_sweep(replica);
        return;
    }
    uint32_t seat = mend->seat;
    do {
        seat = (seat + 1) % count;
    } while (seat == own || (skipped >> seat & 1u) != 0);
    ask(replica, seat);
}

void mend_begin(struct replica *replica, const struct wal_fault *fault)
{
    struct mend *mend = &replica->mend;
    CHECK(fault->first <= replica->view.decided);
    if (is_under_way(replica)) {
        return; // one run at a time; the other one is met again
    }
    mend->fault = *fault;
    // What is lost beyond is not decided, and may be replaced any time: others may have
    // decided it differently. It is in memory, and met again should it come to be decided.
    cs_slot decided = replica->view.decided;
    if (fault->last > decided && !MUTANT_IS(284)) {
        mend->fault.last = decided;
        mend->fault.after_chain = paxos_chain_at(replica->core, decided);
        mend->fault.knows_after = true;
    }
    mend->lacking = 0;
    mend->sweeps = 0;
    MARK(P4);
    trace(replica, PAXOS_TRACE_DAMAGED, replica->settings.core.seat);
    ask_next(replica, 0);
}

/* ---- what comes back ---- */

/* Entries of the message that are decided there and lost here. */
static uint32_t count_wanted(const struct replica *replica,
                             const struct paxos_message *message)
{
    const struct wal_fault *fault = &replica->mend.fault;
    cs_slot from = message->log.from;
    cs_slot last = from + message->entry_count;
    last = last < message->log.decided ? last : message->log.decided;
    last = last < fault->last ? last : fault->last;
    return last > from ? (uint32_t)(last - from) : 0;
}

/*
 * Chains the entries, in the scratch array. False: they are not what the log must be. They
 * are decided there and were decided here, so that cannot be (I7).
 */
static bool chain_entries(struct replica *replica,
                          const struct paxos_message *message,
                          uint32_t count)
{
    const struct wal_fault *fault = &replica->mend.fault;
    struct paxos_digest chain = fault->before_chain;
    for (uint32_t i = 0; i < count; i++) {
        struct paxos_entry *entry = &replica->entries[i];
        *entry = message->entries[i];
        entry->chain = chain = paxos_chain_next(chain, entry);
    }
    bool is_end = message->log.from + count == fault->last && fault->knows_after;
    return MUTANT_IS(108) || !is_end ||
           (chain.high == fault->after_chain.high && chain.low == fault->after_chain.low);
}

/*
 * All that is lost, if it hashes to what the log must be: then it is the same, and the peer
 * need not know it decided. A proposer that waits for a log with lost slots cannot.
 */
static uint32_t count_proven(struct replica *replica, const struct paxos_message *message)
{
    const struct wal_fault *fault = &replica->mend.fault;
    uint64_t count = fault->last - message->log.from;
    bool is_whole = fault->knows_after && message->entry_count >= count;
    bool is_proven =
        is_whole && !MUTANT_IS(250) && chain_entries(replica, message, (uint32_t)count);
    MARK_IF(is_proven && message->log.decided < fault->last, P4_PROVEN);
    return is_proven ? (uint32_t)count : 0;
}

static void
write_anew(struct replica *replica, const struct cs_view *payloads, uint32_t count)
{
    struct wal_fault *fault = &replica->mend.fault;
    struct paxos_persist record = {.kind = PAXOS_PERSIST_REPAIR,
                                   .first_slot = fault->first,
                                   .entry_count = count};
    replica->record_bytes.bytes = 0;
    wal_pack_record(&replica->record_bytes, &record, replica->entries, payloads,
                    paxos_config_of(replica->core), paxos_watermarks_of(replica->core));
    replica->ports.append_log(replica->ports.context,
                              view_of_buffer(&replica->record_bytes));
    fault->first += count;
    fault->before_chain = replica->entries[count - 1].chain;
    replica->stats.slots_repaired += count;
}

static void halt_diverged(struct replica *replica, uint32_t peer)
{
    replica->halt = PAXOS_HALT_DIVERGED;
    replica->halt_peer = peer;
}

void mend_receive(struct replica *replica,
                  const struct paxos_message *message,
                  const struct cs_view *payloads)
{
    struct mend *mend = &replica->mend;
    struct wal_fault *fault = &mend->fault;
    if (!is_under_way(replica) || message->log.from + 1 != fault->first) {
        return;
    }
    if (message->entry_count == 0) {
        MARK(P4_LACKING);
        mend->lacking |= 1u << message->from;
        ask_next(replica, mend->lacking);
        return;
    }
    bool is_same = message->log.from_chain.high == fault->before_chain.high &&
                   message->log.from_chain.low == fault->before_chain.low;
    uint32_t count = is_same ? count_proven(replica, message) : 0;
    if (count == 0) {
        count = count_wanted(replica, message);
        if (count == 0) {
            return; // not known to be decided there yet
        }
        if (!is_same || !chain_entries(replica, message, count)) {
            halt_diverged(replica, message->from);
            return;
        }
    }
    write_anew(replica, payloads, count);
    mend->lacking = 0;
    mend->sweeps = 0;
    trace(replica, PAXOS_TRACE_REPAIRED, message->from);
    if (fault->first <= fault->last) {
        ask(replica, message->from);
        return;
    }
    MARK(P4_MENDED);
    *fault = (struct wal_fault){0};
    mend_go_on(replica);
}

/* ---- catching up ---- */

void mend_go_on(struct replica *replica)
{
    struct mend *mend = &replica->mend;
    bool is_waiting = mend->cookie != 0 || (is_under_way(replica) &&
                                            mend->fault.first <= replica->applied + 1);
    if (!mend_is_behind(replica) || is_waiting || replica->halt != PAXOS_HALT_NONE) {
        return;
    }
    mend->cookie = ++replica->last_cookie;
    replica->ports.read_log(replica->ports.context, replica->applied + 1,
                            replica->view.base, replica->settings.core.message_entries,
                            replica->settings.core.message_bytes, mend->cookie);
}

static void apply_slice(struct replica *replica, const struct wal_slice *slice)
{
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        const struct paxos_entry *entry = &slice->entries[i];
        if (entry->slot != replica->applied + 1 || entry->slot > replica->view.decided) {
            return;
        }
        if (!apply_entry(replica, entry, slice->payloads[i])) {
            apply_halt(replica);
            return;
        }
        replica->applied = entry->slot;
    }
}

bool mend_take_slice(struct replica *replica,
                     uint64_t cookie,
                     const struct wal_slice *slice)
{
    struct mend *mend = &replica->mend;
    if (cookie == 0 || cookie != mend->cookie) {
        return false;
    }
    mend->cookie = 0;
    if (slice == NULL) {
        return true; // unreadable now: the next tick asks again
    }
    apply_slice(replica, slice);
    if (replica->halt != PAXOS_HALT_NONE) {
        return true;
    }
    if (slice->fault.first != 0) {
        mend_begin(replica, &slice->fault);
    }
    apply_decided(replica, replica->view.decided);
    if (replica->halt != PAXOS_HALT_NONE) {
        return true;
    }
    settle_answer(replica);
    queries_answer(replica);
    mend_go_on(replica);
    return true;
}

void mend_tick(struct replica *replica)
{
    struct mend *mend = &replica->mend;
    bool is_behind = mend_is_behind(replica);
    if (is_behind != mend->is_behind_told) {
        mend->is_behind_told = is_behind;
        struct paxos_event event = {.type = PAXOS_EVENT_BEHIND,
                                    .now_ms = replica->now_ms,
                                    .is_behind = is_behind};
        effects_step(replica, &event, NULL);
    }
    if (is_under_way(replica)) {
        maybe_halt(replica);
    }
    if (is_under_way(replica) && replica->halt == PAXOS_HALT_NONE &&
        replica->now_ms >= mend->asked_ms + replica->settings.core.resend_ms) {
        ask_next(replica, MUTANT_IS(241) ? mend->lacking : 0);
    }
    mend_go_on(replica);
}

void mend_note_watermarks(struct replica *replica)
{
    struct mend *mend = &replica->mend;
    const struct paxos_watermark *now = paxos_watermarks_of(replica->core);
    // Behind the gate nothing may be written that peers would take for the lost blocks of
    // a disk that went back in time (G2).
    bool is_open = replica->view.role >= PAXOS_FOLLOWER || MUTANT_IS(130);
    if (!is_open || replica->now_ms < mend->noted_ms + NOTE_EVERY_MS ||
        memcmp(now, mend->noted, sizeof mend->noted) == 0 || MUTANT_IS(109)) {
        return;
    }
    mend->noted_ms = replica->now_ms;
    memcpy(mend->noted, now, sizeof mend->noted);
    struct paxos_persist record = {.kind = PAXOS_PERSIST_NOTE};
    replica->record_bytes.bytes = 0;
    wal_pack_record(&replica->record_bytes, &record, NULL, NULL,
                    paxos_config_of(replica->core), now);
    replica->ports.append_log(replica->ports.context,
                              view_of_buffer(&replica->record_bytes));
}
