#include "paxos/core.h"

/*
 * A log with slots of unknown identity (2.7 P4, P5): bytes were lost on disk, and what is
 * left says only what the whole must hash to. Such a node abstains: it promises, but its
 * promise is no vote; it acks nothing and does not stand for election. It ends when
 *
 *   - a copy from any peer, decided or not, hashes to what the own log must be: then it
 *     is the own log, as it was promised with (README.md, "Damaged logs"), or
 *   - decided entries differ from it: then nothing of it from there on was chosen, and
 *     they replace it as anywhere else (A8), or
 *   - a leader's log is accepted as a whole (A2, in sync.c).
 *
 * Slots up to log.length are as they were; log.length + 1 .. last are unknown; `rest` is
 * what is known behind that, perhaps with gaps of its own.
 */

enum {
    SWEEPS_MAX =
        3, // so often every peer says that it has no copy before that is believed
    SWEEP_PAUSE_MS = 1000,
    LAST_WORDS_MS = 3000, // a node that knows still answers, so that the others know too
};

static struct paxos_entry *next_of_rest(const struct paxos_core *core)
{
    const struct faulty *faulty = &core->faulty;
    return faulty->rest_at < faulty->rest_count ? &faulty->rest[faulty->rest_at] : NULL;
}

/* Where the run of unknown slots after log.length ends. */
static void find_last(struct paxos_core *core)
{
    const struct paxos_entry *next = next_of_rest(core);
    core->faulty.last = next != NULL ? next->slot - 1 : core->faulty.length;
}

void repair_init(struct paxos_core *core, const struct paxos_recovered *recovered)
{
    struct faulty *faulty = &core->faulty;
    uint32_t used = (uint32_t)(core->log.length - recovered->base);
    faulty->length = recovered->length;
    faulty->length_chain = recovered->length_chain;
    faulty->decided = recovered->decided_whole;
    faulty->is_active = core->log.length < recovered->length && !MUTANT_IS(103);
    faulty->rest_count = 0;
    for (uint32_t i = used; i < recovered->tail_count; i++) {
        faulty->rest[faulty->rest_count++] = recovered->tail[i];
    }
    find_last(core);
}

/* ---- asking ---- */

static uint32_t others_mask(const struct paxos_core *core)
{
    return ((1u << core->settings.member_count) - 1u) & ~(1u << core->settings.seat);
}

static void send_fetch(struct paxos_core *core, uint32_t seat, cs_slot first)
{
    core->faulty.is_waiting = !core_disk_keeps_up(core, core->settings.message_bytes);
    if (core->faulty.is_waiting) {
        return;
    }
    struct paxos_message *message = core_send_now(core, PAXOS_FETCH, seat);
    message->fetch.first = first;
    message->fetch.last = core->faulty.last;
    message->fetch.for_repair = 1;
    core->faulty.asked_ms = core->now_ms;
}

/* How many others could promise, as far as they say. */
static uint32_t count_sound(const struct paxos_core *core)
{
    uint32_t count = 0;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        count += seat != core->settings.seat && core->peers[seat].reply.faulty == 0;
    }
    return count;
}

/*
 * P4: nobody has a copy. Where the others can form a quorum to promise, they decide
 * without this log, and a leader replaces it: each of them certainly never accepted these
 * slots, and n - q2 + 1 = q1. Where they cannot, what is lost may have been chosen.
 */
static void end_sweep(struct paxos_core *core)
{
    struct faulty *faulty = &core->faulty;
    faulty->lacking = 0;
    faulty->start_asked = 0;
    faulty->is_waiting = false;
    faulty->sweeps++;
    faulty->asked_ms = core->now_ms + SWEEP_PAUSE_MS;
    if (faulty->sweeps == SWEEPS_MAX) {
        faulty->halt_ms = core->now_ms + LAST_WORDS_MS;
    }
}

/* A copy is staged in part; what follows it may come from any peer. */
static bool has_part(const struct paxos_core *core)
{
    const struct staging *staging = &core->staging;
    return staging->is_active && ballot_is_none(staging->ballot) && staging->count > 0;
}

static void maybe_halt(struct paxos_core *core)
{
    struct faulty *faulty = &core->faulty;
    bool can_others_lead = count_sound(core) >= core_quorum_promise(core);
    if (can_others_lead && !MUTANT_IS(329)) {
        faulty->sweeps = 0; // if they cannot one day, what they have then counts
    }
    if (faulty->is_active && faulty->sweeps >= SWEEPS_MAX && !has_part(core) &&
        core->now_ms >= faulty->halt_ms && !can_others_lead && !MUTANT_IS(104)) {
        MARK(P5_LOST);
        core_halt(core, PAXOS_HALT_LOST, core->settings.seat);
    }
}

static void drop_part(struct paxos_core *core)
{
    if (core->staging.is_active && ballot_is_none(core->staging.ballot)) {
        core->staging.is_active = false;
    }
    core->faulty.part_seats = core->faulty.part_lacking = 0;
}

/* Nothing follows it: as good as no copy at all. */
static void give_up_part(struct paxos_core *core)
{
    core->faulty.lacking |= core->faulty.part_seats;
    drop_part(core);
}

static cs_slot first_wanted(const struct paxos_core *core)
{
    if (has_part(core) && !MUTANT_IS(360)) {
        return staging_end(&core->staging) + 1;
    }
    // Where the own log may differ from what is decided, the comparison begins there.
    return core->faulty.is_doubted ? core->log.decided + 1 : core->log.length + 1;
}

/*
 * `skips_lacking`: who has said that it has nothing is not asked now. It is asked again
 * once another one is silent: by now it may have got one, the silent one may never answer.
 * `late`: seats that then come last.
 */
static void ask_next(struct paxos_core *core, bool skips_lacking, uint32_t late)
{
    struct faulty *faulty = &core->faulty;
    uint32_t others = others_mask(core);
    if (core->settings.member_count == 1) {
        return; // the caller does not start such a node
    }
    if (has_part(core) && (faulty->part_lacking & others) == others) {
        give_up_part(core);
    }
    uint32_t lacking = has_part(core) ? faulty->part_lacking : faulty->lacking;
    if ((lacking & others) == others) {
        end_sweep(core);
        return;
    }
    uint32_t skipped = skips_lacking ? lacking | late : 0;
    if ((skipped & others) == others) {
        skipped = lacking;
    }
    do {
        faulty->seat = (faulty->seat + 1) % core->settings.member_count;
    } while (faulty->seat == core->settings.seat || (skipped >> faulty->seat & 1u) != 0);
    send_fetch(core, faulty->seat, first_wanted(core));
}

void repair_tick(struct paxos_core *core)
{
    struct faulty *faulty = &core->faulty;
    maybe_halt(core);
    if (!faulty->is_active ||
        core->now_ms < faulty->asked_ms + core->settings.resend_ms) {
        return;
    }
    if (!faulty->is_told) {
        faulty->is_told = true;
        core_trace(core, PAXOS_TRACE_FAULTY, core->settings.seat, core->accepted,
                   core->log.length + 1);
    }
    bool is_stuck =
        has_part(core) && core->now_ms >= faulty->part_grew_ms + core->settings.stall_ms;
    uint32_t givers = is_stuck ? faulty->part_seats : 0;
    if (is_stuck) {
        drop_part(core); // perhaps of no log that anybody can complete: from the start
        faulty->lacking |= MUTANT_IS(370) ? givers : 0;
    }
    ask_next(core, (is_stuck && !MUTANT_IS(368)) || MUTANT_IS(242), givers);
}

void repair_persisted(struct paxos_core *core)
{
    if (core->faulty.is_active && core->faulty.is_waiting) {
        ask_next(core, false, 0);
    }
}

static void note_lacking(struct paxos_core *core, uint32_t seat)
{
    MARK(P5_LACKING);
    core->faulty.lacking |= 1u << seat;
    if (seat == core->faulty.seat) {
        ask_next(core, true, 0);
    }
}

/* That peer has nothing that follows the part, or only what follows another one. */
static void note_part_lacking(struct paxos_core *core, uint32_t seat)
{
    core->faulty.part_lacking |= 1u << seat;
    if (seat == core->faulty.seat) {
        ask_next(core, true, 0);
    }
}

/* ---- taking ---- */

/* A copy that ends with this chain at `last` goes on to what is known behind it. */
static bool ends_right(const struct paxos_core *core, struct paxos_digest chain)
{
    const struct paxos_entry *next = next_of_rest(core);
    if (MUTANT_IS(105)) {
        return true;
    }
    return next != NULL ? digest_equal(paxos_chain_next(chain, next), next->chain)
                        : digest_equal(chain, core->faulty.length_chain);
}

/* Room for slots to `end`, and for what is known behind it if that completes the run. */
static bool make_room(struct paxos_core *core, cs_slot end)
{
    const struct faulty *faulty = &core->faulty;
    cs_slot whole = end;
    for (uint32_t i = faulty->rest_at; end == faulty->last && i < faulty->rest_count &&
                                       faulty->rest[i].slot == whole + 1;
         i++) {
        whole++;
    }
    return core_make_room(core, whole);
}

/* The run is filled: what is known behind it follows. */
static void rejoin(struct paxos_core *core)
{
    struct faulty *faulty = &core->faulty;
    const struct paxos_entry *next = next_of_rest(core);
    while (next != NULL && next->slot == core->log.length + 1) {
        log_append(&core->log, next);
        faulty->rest_at++;
        next = next_of_rest(core);
    }
    find_last(core);
    faulty->is_active = core->log.length < faulty->length;
    MARK_IF(!faulty->is_active, P5_WHOLE);
    if (!faulty->is_active && ballot_equal(core->staging.ballot, core->accepted) &&
        !MUTANT_IS(326)) {
        // That log is the own one, and grows from here on.
        core->staging.is_active = false;
    }
    if (!faulty->is_active && faulty->decided > core->log.decided && !MUTANT_IS(246)) {
        core->log.decided = faulty->decided; // it is the log that this was known of
    }
    core_trace(core, faulty->is_active ? PAXOS_TRACE_REPAIRED : PAXOS_TRACE_WHOLE,
               faulty->seat, core->accepted, core->log.length);
}

/* Slots first .. are in the log now: to disk, and on. */
static void finish_piece(struct paxos_core *core, cs_slot first, uint32_t count)
{
    struct faulty *faulty = &core->faulty;
    if (!MUTANT_IS(361)) {
        drop_part(core); // it began before what is there now
    }
    faulty->lacking = 0;
    faulty->start_asked = 0;
    faulty->sweeps = 0;
    if (core->log.length == faulty->last) {
        rejoin(core);
    }
    core_persist(core, PAXOS_PERSIST_REPAIR, first, count);
    uint32_t leader = core_seat_of(core, core->promised);
    if (faulty->is_active) {
        ask_next(core, false, 0);
    } else if (core->role == PAXOS_FOLLOWER && leader != NO_SEAT &&
               leader != core->settings.seat) {
        core->stream.asked_ms = 0;
        acceptor_ask_prepare(core, leader);
    }
}

static struct paxos_digest
chain_after(struct paxos_digest chain, const struct paxos_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        chain = paxos_chain_next(chain, &entries[i]);
    }
    return chain;
}

/* The decided log is another one from some slot on: the own one ends before that (A8). */
static void
give_up_rest(struct paxos_core *core, const struct paxos_message *message, cs_slot upto)
{
    if (upto < core->faulty.decided && !MUTANT_IS(362)) {
        core_halt(core, PAXOS_HALT_DIVERGED, message->from); // it was decided, too (I7)
        return;
    }
    core->faulty.is_active = false;
    if (!fetch_install(core, message, upto)) {
        core->faulty.is_active = true; // no room yet, or nothing new: asked again
    }
    MARK_IF(!core->faulty.is_active, P5_REPLACED);
}

/* Decided entries behind log.length: they are the own ones, or the own ones are void. */
static void
take_decided(struct paxos_core *core, const struct paxos_message *message, cs_slot upto)
{
    struct slot_log *log = &core->log;
    cs_slot first = log->length + 1;
    cs_slot room = log->decided + core->settings.ring_entries / 2;
    upto = upto < room ? upto : room;
    if (upto < first) {
        return;
    }
    uint32_t count = (uint32_t)(upto - log->length);
    struct paxos_digest end =
        chain_after(log_chain_at(log, log->length), message->entries, count);
    if (upto == core->faulty.last && !ends_right(core, end)) {
        give_up_rest(core, message, upto);
        return;
    }
    if (!make_room(core, upto)) {
        // A small ring: all but the last slot, decided then, make room for what is behind.
        upto--;
        count--;
        if (count == 0 || !core_make_room(core, upto)) {
            return;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        log_append(log, &message->entries[i]);
    }
    core_take(core, 0, count);
    log->decided = upto;
    finish_piece(core, first, count);
}

/* A copy that nobody calls decided yet: the own log if it hashes to it, else nothing. */
static void take_staged(struct paxos_core *core)
{
    struct staging *staging = &core->staging;
    bool is_right = ends_right(core, staging_chain(staging));
    cs_slot first = staging->from + 1;
    uint32_t count = staging->count;
    if (!is_right) {
        give_up_part(core);
        ask_next(core, true, 0);
        return;
    }
    staging->is_active = false;
    if (!make_room(core, core->faulty.last)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        log_append(&core->log, &staging->entries[i]);
    }
    finish_piece(core, first, count);
}

/* All of the part is decided there, and it was not asked for that in vain. */
static bool knows_decided(const struct paxos_core *core,
                          const struct paxos_message *message)
{
    uint32_t tried = core->faulty.lacking | core->faulty.start_asked;
    return message->log.decided >= message->log.from &&
           (tried >> message->from & 1u) == 0;
}

/* Decided entries are taken piece by piece, however many, and may replace the own log. */
static void ask_from_start(struct paxos_core *core, uint32_t seat, bool is_part_right)
{
    if (is_part_right) {
        drop_part(core);
    } else {
        give_up_part(core);
    }
    core->faulty.seat = seat;
    core->faulty.start_asked |= 1u << seat;
    send_fetch(core, seat, first_wanted(core));
}

/* Longer than memory holds: who began it has another log, else who goes on with it. */
static void drop_long_part(struct paxos_core *core, uint32_t seat)
{
    uint32_t others = core->faulty.part_seats & ~(1u << seat) & ~core->faulty.lacking;
    drop_part(core);
    core->faulty.lacking |= others != 0 ? others : 1u << seat;
    ask_next(core, true, 0);
}

static void stage_copy(struct paxos_core *core, const struct paxos_message *message)
{
    struct staging *staging = &core->staging;
    const struct paxos_entries *log = &message->log;
    bool is_of_leader = staging->is_active && !ballot_is_none(staging->ballot);
    if (is_of_leader && (core->election.is_happy || MUTANT_IS(327))) {
        return; // a leader's log is on its way: it replaces this one
    }
    if (log->from == core->log.length && !has_part(core)) {
        static const struct paxos_ballot NONE;
        core_stage_after(core, NONE, log->from, log_chain_at(&core->log, log->from));
        core->faulty.part_seats = core->faulty.part_lacking = 0;
        is_of_leader = false;
    }
    if (!staging->is_active || is_of_leader || log->from != staging_end(staging)) {
        return;
    }
    cs_slot left = core->faulty.last - log->from;
    uint32_t count = message->entry_count < left ? message->entry_count : (uint32_t)left;
    bool follows = digest_equal(log->from_chain, staging_chain(staging));
    if (has_part(core) && knows_decided(core, message) && !MUTANT_IS(369)) {
        ask_from_start(core, message->from, follows);
        return;
    }
    if (!follows) {
        note_part_lacking(core, message->from);
        return;
    }
    if (!staging_add(staging, message->entries, count, core->settings.ring_entries)) {
        drop_long_part(core, message->from);
        return;
    }
    core_take(core, 0, count);
    core->faulty.seat = message->from;
    core->faulty.part_seats |= 1u << message->from;
    core->faulty.part_lacking = 0;
    core->faulty.part_grew_ms = core->now_ms;
    if (staging_end(staging) == core->faulty.last) {
        take_staged(core);
    } else {
        send_fetch(core, core->faulty.seat, staging_end(staging) + 1);
    }
}

/* An answer without entries: that peer has none of what was asked for. */
static void receive_nothing(struct paxos_core *core, const struct paxos_message *message)
{
    cs_slot from = message->log.from;
    if (has_part(core) && from == staging_end(&core->staging)) {
        note_part_lacking(core, message->from);
    } else if (from == core->log.length ||
               (core->faulty.is_doubted && from == core->log.decided)) {
        note_lacking(core, message->from);
    }
}

void repair_receive_entries(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_entries *log = &message->log;
    struct faulty *faulty = &core->faulty;
    if (core->effects->persist.kind != PAXOS_PERSIST_NONE || log->from > faulty->last) {
        return;
    }
    if (message->entry_count == 0) {
        receive_nothing(core, message);
        return;
    }
    cs_slot last = log->from + message->entry_count;
    cs_slot upto = log->decided < last ? log->decided : last;
    struct walk walk = log_walk(&core->log, log->from, log->from_chain, message);
    bool differs = walk.result == WALK_CONFLICT || walk.result == WALK_MISMATCH;
    if (differs && walk.conflict_slot > log->decided) {
        note_lacking(core, message->from); // another log, and nobody calls it decided
    } else if (differs && walk.result == WALK_MISMATCH &&
               walk.conflict_slot > core->log.decided) {
        faulty->is_doubted = true;
        drop_part(core);
        ask_next(core, true, 0);
    } else if (differs) {
        give_up_rest(core, message, upto);
    } else if (log->from == core->log.length && upto > core->log.length) {
        take_decided(core, message, upto < faulty->last ? upto : faulty->last);
    } else if (faulty->is_doubted && walk.result == WALK_HELD &&
               upto > core->log.decided) {
        // Compared up to the end of what is known here: it is no other log after all.
        core->log.decided = upto < core->log.length ? upto : core->log.length;
        faulty->is_doubted = core->log.decided < core->log.length;
    } else if (walk.result == WALK_HELD || walk.result == WALK_GAP) {
        stage_copy(core, message);
    }
}
