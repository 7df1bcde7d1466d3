/*
 * judge.c - the invariants of PAXOS 3 over the logs, judged by the shadows (what is
 * really in memory and on disk) and by one chosen log of the whole world.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdlib.h>

static const struct paxos_ballot no_ballot;

void judge_reset(struct judge *judge)
{
    judge->chosen.length = 0;
    judge->state_length = 0;
    judge->ballot_count = 0;
    judge->config = (struct paxos_config){0};
    for (size_t i = 0; i < judge->state_capacity; i++) {
        judge->state_digest[i] = (struct cs_digest){0};
    }
}

void judge_fini(struct judge *judge)
{
    free(judge->chosen.chains);
    free(judge->chosen_ballot);
    free(judge->state_digest);
    for (size_t i = 0; i < judge->ballot_capacity; i++) {
        free(judge->ballots[i].log.chains);
    }
    free(judge->ballots);
    judge->chosen = (struct shadow_log){0};
}

static int compare(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right);
}

struct ballot_fact *judge_ballot(struct judge *judge, struct paxos_ballot ballot)
{
    for (size_t i = judge->ballot_count; i-- > 0;) {
        if (compare(judge->ballots[i].ballot, ballot) == 0) {
            return &judge->ballots[i];
        }
    }
    if (judge->ballot_count == judge->ballot_capacity) {
        size_t capacity = judge->ballot_capacity * 2 + 64;
        judge->ballots = realloc(judge->ballots, capacity * sizeof *judge->ballots);
        CHECK(judge->ballots != NULL);
        memset(judge->ballots + judge->ballot_capacity, 0,
               (capacity - judge->ballot_capacity) * sizeof *judge->ballots);
        judge->ballot_capacity = capacity;
    }
    struct ballot_fact *fact = &judge->ballots[judge->ballot_count++];
    struct shadow_log log = fact->log; // its memory is kept from seed to seed
    log.length = 0;
    *fact = (struct ballot_fact){.ballot = ballot, .seat = NODES_MAX, .log = log};
    return fact;
}

/*
 * ---- records
 * ------------------------------------------------------------------------------
 */

/* The log under a ballot is its proposer's, and only grows (I1). */
static void extend_ballot_log(struct world *world,
                              const struct node *node,
                              struct paxos_ballot ballot,
                              cs_slot first_slot)
{
    const struct shadow_log *log = &node->shadow.memory;
    struct ballot_fact *fact = judge_ballot(&world->judge, ballot);
    if (first_slot <= fact->log.length) {
        report_fail(world, "I1", node, first_slot, ballot,
                    "the log under %s is changed by its own proposer",
                    report_ballot(ballot));
        return;
    }
    while (fact->log.length < log->length) {
        shadow_log_push(&fact->log, shadow_chain(log, fact->log.length + 1));
    }
}

/* 2.1: log time never falls. */
static void judge_times(struct world *world,
                        const struct node *node,
                        const struct paxos_view *view,
                        cs_slot first)
{
    const struct paxos_core *core = replica_core(node->replica);
    cs_slot slot = first > view->base + 2 ? first : view->base + 2;
    for (; first > 0 && slot <= view->length; slot++) {
        uint64_t before_ms = paxos_entry_at(core, slot - 1)->time_ms;
        if (paxos_entry_at(core, slot)->time_ms < before_ms) {
            report_fail(world, "2.1", node, slot, view->promised,
                        "its time is %llu, that of the slot before %llu",
                        (unsigned long long)paxos_entry_at(core, slot)->time_ms,
                        (unsigned long long)before_ms);
        }
    }
}

void judge_append(struct world *world, struct node *node)
{
    struct shadow *shadow = &node->shadow;
    struct paxos_view view = replica_view(node->replica);
    cs_slot first = 0;
    if (view.last_token != shadow->memory_token + 1) {
        report_fail(world, "2.2", node, 0, view.promised,
                    "record %llu follows record %llu",
                    (unsigned long long)view.last_token,
                    (unsigned long long)shadow->memory_token);
    }
    shadow_append(shadow, replica_core(node->replica), &view, &first);
    judge_times(world, node, &view, first);
    if (first <= node->decided) {
        report_fail(world, "I7", node, first, view.promised,
                    "a record replaces slots from %llu, but %llu were decided here",
                    (unsigned long long)first, (unsigned long long)node->decided);
    }
    bool is_candidate = view.role == PAXOS_LEADER || view.role == PAXOS_PREPARING;
    if (is_candidate && view.accepted.node == node->seat + 1 &&
        compare(view.accepted, view.promised) == 0) {
        extend_ballot_log(world, node, view.accepted, first);
    }
}

/* How many slots the node durably holds that were chosen under no larger ballot than it has
 * accepted: it may have voted for these. */
static cs_slot held_of(const struct judge *judge, const struct shadow_log *log)
{
    cs_slot slot = shadow_common(log, &judge->chosen);
    while (slot > 0 && compare(judge->chosen_ballot[slot], log->accepted) > 0) {
        slot--;
    }
    return slot;
}

/*
 * Slots of the ballot's log that a quorum has durably held with that accepted ballot
 * (I2). Not all at one moment: a vote stands although its node has gone on since.
 * Entries fetched as decided (A8) are no votes: they are not in the ballot's log.
 */
static cs_slot chosen_of(const struct world *world, const struct ballot_fact *fact)
{
    cs_slot votes[NODES_MAX] = {0};
    uint32_t count = world->swarm.node_count;
    for (uint32_t i = 0; i < count; i++) {
        // Sorted, the longest first.
        uint32_t at = i;
        while (at > 0 && votes[at - 1] < fact->voted[i]) {
            votes[at] = votes[at - 1];
            at--;
        }
        votes[at] = fact->voted[i];
    }
    return votes[paxos_quorum_accept(count) - 1];
}

/* What the node durably holds now is its vote, as far as it is the ballot's log. */
static void note_vote(struct world *world, const struct node *node)
{
    const struct shadow_log *log = &node->shadow.durable;
    struct ballot_fact *fact = judge_ballot(&world->judge, log->accepted);
    cs_slot vote = shadow_common(log, &fact->log);
    // Of what it knows to be lost it cannot say that it holds it.
    cs_slot unknown = judge_unknown_slot(world, node, 1);
    vote = unknown != 0 && vote >= unknown ? unknown - 1 : vote;
    if (vote > fact->voted[node->seat]) {
        fact->voted[node->seat] = vote;
    }
}

static void
extend_chosen(struct judge *judge, const struct ballot_fact *fact, cs_slot length)
{
    while (judge->chosen.length < length) {
        cs_slot slot = judge->chosen.length + 1;
        shadow_log_push(&judge->chosen, shadow_chain(&fact->log, slot));
        if (slot >= judge->chosen_capacity) {
            judge->chosen_capacity = (size_t)slot * 2 + 256;
            judge->chosen_ballot =
                realloc(judge->chosen_ballot,
                        judge->chosen_capacity * sizeof *judge->chosen_ballot);
            CHECK(judge->chosen_ballot != NULL);
        }
        judge->chosen_ballot[slot] = fact->ballot;
    }
}

static void judge_chosen(struct world *world, struct node *node)
{
    struct judge *judge = &world->judge;
    const struct ballot_fact *fact = judge_ballot(judge, node->shadow.durable.accepted);
    cs_slot length = chosen_of(world, fact);
    cs_slot common = shadow_common(&fact->log, &judge->chosen);
    if (common < length && common < judge->chosen.length) {
        report_fail(world, "I2", node, common + 1, fact->ballot,
                    "two entries are chosen at one slot; the other under %s",
                    report_ballot(judge->chosen_ballot[common + 1]));
        return;
    }
    extend_chosen(judge, fact, length);
}

/* I5: accepted = b says that the whole log that b's leader synced is here. */
static void
judge_flip(struct world *world, const struct node *node, struct paxos_ballot before)
{
    const struct shadow_log *log = &node->shadow.durable;
    if (compare(before, log->accepted) == 0) {
        return;
    }
    const struct ballot_fact *fact = judge_ballot(&world->judge, log->accepted);
    if (!fact->is_leading) {
        return;
    }
    bool is_whole = log->length >= fact->sync_length &&
                    digest_is(shadow_chain(log, fact->sync_length), fact->sync_chain);
    if (!is_whole) {
        report_fail(world, "I5", node, fact->sync_length, log->accepted,
                    "accepted without the %llu slots its leader synced (%llu here)",
                    (unsigned long long)fact->sync_length,
                    (unsigned long long)log->length);
    }
}

static void
judge_record(struct world *world, struct node *node, const struct shadow_log *before)
{
    const struct shadow_log *log = &node->shadow.durable;
    if (compare(log->promised, before->promised) < 0 ||
        compare(log->accepted, before->accepted) < 0 ||
        compare(log->accepted, log->promised) > 0) {
        report_fail(world, "I4", node, log->length, log->promised,
                    "durable promised %s accepted %s after promised %s accepted %s",
                    report_ballot(log->promised), report_ballot(log->accepted),
                    report_ballot(before->promised), report_ballot(before->accepted));
    }
    judge_flip(world, node, before->accepted);
}

static void settle(struct world *world, struct node *node, uint64_t token)
{
    struct shadow *shadow = &node->shadow;
    const struct judge *judge = &world->judge;
    cs_slot held = held_of(judge, &shadow->durable);
    node->held = held > node->held ? held : node->held;
    struct shadow_log before = shadow->durable;
    while (shadow_settle_one(shadow, token)) {
        judge_record(world, node, &before);
        note_vote(world, node);
        before = shadow->durable;
    }
    atlas_judge_config(world, node);
    judge_chosen(world, node);
    if (shadow_common(&shadow->durable, &judge->chosen) < node->held) {
        report_fail(world, "I6", node, node->held, shadow->durable.accepted,
                    "chosen slots to %llu were voted for here and are gone (log to %llu)",
                    (unsigned long long)node->held,
                    (unsigned long long)shadow->durable.length);
    }
}

void judge_durable(struct world *world, struct node *node, uint64_t token)
{
    if (token > node->shadow.memory_token || token < node->shadow.durable_token) {
        report_fail(world, "2.2", node, 0, no_ballot,
                    "the log says token %llu is durable", (unsigned long long)token);
        return;
    }
    settle(world, node, token);
}

/*
 * ---- what is lost
 * ----------------------------------------------------------------------------
 */

cs_slot
judge_unknown_slot(const struct world *world, const struct node *node, cs_slot from)
{
    const struct shadow_log *log = &node->shadow.durable;
    cs_slot chosen = shadow_common(log, &world->judge.chosen);
    cs_slot slot = from > chosen ? from : chosen + 1;
    while (slot <= log->length && holes_at(&node->holes, slot) != HOLE_LOST) {
        slot++;
    }
    return slot <= log->length ? slot : 0;
}

/*
 * ---- after a turn
 * -------------------------------------------------------------------------
 */

/* Of a log with slots of unknown identity it has what is known before the first (P5). */
static bool has_right_length(const struct node *node, const struct paxos_view *view)
{
    const struct shadow_log *log = &node->shadow.memory;
    if (view->faulty_first == 0) {
        return view->length == log->length;
    }
    return view->length < log->length && view->faulty_first == view->length + 1 &&
           holes_at(&node->holes, view->faulty_first) == HOLE_LOST;
}

/* What a node has in memory must be what it has handed to its log (2.2, 2.5). */
static void
judge_memory(struct world *world, struct node *node, const struct paxos_view *view)
{
    const struct shadow_log *log = &node->shadow.memory;
    bool is_same = compare(view->promised, log->promised) == 0 &&
                   compare(view->accepted, log->accepted) == 0 &&
                   has_right_length(node, view) &&
                   digest_is(paxos_chain_at(replica_core(node->replica), view->length),
                             shadow_chain(log, view->length));
    if (!is_same) {
        report_fail(
            world, "2.2", node, view->length, view->promised,
            "promised %s accepted %s length %llu in memory were never handed to the log",
            report_ballot(view->promised), report_ballot(view->accepted),
            (unsigned long long)view->length);
    }
}

static void
judge_decided(struct world *world, struct node *node, const struct paxos_view *view)
{
    const struct shadow_log *chosen = &world->judge.chosen;
    if (view->decided < node->decided) {
        report_fail(world, "I7", node, view->decided, view->promised,
                    "decided went back from %llu to %llu",
                    (unsigned long long)node->decided, (unsigned long long)view->decided);
    }
    if (view->decided > node->decided &&
        (view->decided > chosen->length ||
         shadow_common(&node->shadow.memory, chosen) < view->decided)) {
        report_fail(world, "I7", node, view->decided, view->promised,
                    "decided to %llu, but chosen are %llu and common %llu",
                    (unsigned long long)view->decided, (unsigned long long)chosen->length,
                    (unsigned long long)shadow_common(&node->shadow.memory, chosen));
    }
    node->decided = view->decided;
}

/* I8: the state is a function of the slots applied. */
static void
judge_state(struct world *world, struct node *node, const struct paxos_view *view)
{
    struct judge *judge = &world->judge;
    cs_slot applied = replica_applied(node->replica);
    if (applied == node->applied) {
        return;
    }
    if (applied < node->applied || applied > view->decided) {
        report_fail(world, "I8", node, applied, view->promised,
                    "applied %llu after %llu, decided %llu", (unsigned long long)applied,
                    (unsigned long long)node->applied, (unsigned long long)view->decided);
        return;
    }
    node->applied = applied;
    if (applied >= judge->state_capacity) {
        size_t capacity = (size_t)applied * 2 + 256;
        judge->state_digest =
            realloc(judge->state_digest, capacity * sizeof *judge->state_digest);
        CHECK(judge->state_digest != NULL);
        memset(judge->state_digest + judge->state_capacity, 0,
               (capacity - judge->state_capacity) * sizeof *judge->state_digest);
        judge->state_capacity = capacity;
    }
    struct cs_digest digest = kv_digest(replica_state(node->replica));
    struct cs_digest *known = &judge->state_digest[applied];
    if (known->high == 0 && known->low == 0) {
        *known = digest;
    } else if (known->high != digest.high || known->low != digest.low) {
        report_fail(world, "I8", node, applied, view->promised,
                    "two nodes have applied slot %llu and differ",
                    (unsigned long long)applied);
    }
}

void judge_turn(struct world *world, struct node *node)
{
    struct paxos_view view = replica_view(node->replica);
    uint32_t halt = replica_halt(node->replica);
    if (halt != PAXOS_HALT_NONE && atlas_explains_halt(world, node, halt)) {
        TRACE(world, node, "halts: %s", paxos_halt_name(halt));
        world->stats->halts[halt]++;
        return;
    }
    if (halt != PAXOS_HALT_NONE) {
        report_fail(world, "halt", node, view.decided, view.promised,
                    "halts (%s), shown by n%u, though no disk was damaged",
                    paxos_halt_name(halt), replica_halt_peer(node->replica));
        return;
    }
    judge_memory(world, node, &view);
    judge_decided(world, node, &view);
    judge_state(world, node, &view);
    report_hash(world, view.decided << 32 ^ view.length << 8 ^ view.role);
    report_hash(world, (uint64_t)view.promised.round << 32 ^ view.promised.node);
}

/*
 * I9: the answer goes out while a quorum durably holds what it rests on. Copies that have
 * gone with a disk, or rotted, were held; one at least must be readable.
 */
void judge_acked(struct world *world, struct node *node)
{
    cs_slot slot = replica_view(node->replica).decided;
    const struct shadow_log *chosen = &world->judge.chosen;
    uint32_t held = 0;
    uint32_t readable = 0;
    for (uint32_t i = 0; i < world->swarm.node_count; i++) {
        const struct node *peer = &world->nodes[i];
        const struct shadow_log *log = &peer->shadow.durable;
        bool is_held = slot <= log->length && slot <= chosen->length &&
                       digest_is(shadow_chain(log, slot), shadow_chain(chosen, slot));
        held += is_held || slot <= peer->lost_length;
        readable += is_held && holes_at(&peer->holes, slot) == HOLE_NONE;
    }
    bool is_readable = readable > 0 || slot == 0 || world->atlas.went_beyond;
    if (held < paxos_quorum_accept(world->swarm.node_count) || !is_readable) {
        report_fail(
            world, "I9", node, slot, no_ballot,
            "a write is acknowledged and only %u nodes durably hold slot %llu, %u "
            "readable",
            held, (unsigned long long)slot, readable);
    }
}

/*
 * ---- role changes
 * -------------------------------------------------------------------------
 */

/* I1, I3: phase 1 has ended. */
static void
judge_leading(struct world *world, struct node *node, const struct paxos_trace *trace)
{
    struct judge *judge = &world->judge;
    const struct shadow_log *log = &node->shadow.memory;
    struct ballot_fact *fact = judge_ballot(judge, trace->ballot);
    if (fact->is_leading || trace->ballot.node != node->seat + 1 ||
        trace->slot > log->length) {
        report_fail(world, "I1", node, trace->slot, trace->ballot,
                    "ballot %s leads twice, or is not this node's",
                    report_ballot(trace->ballot));
        return;
    }
    fact->is_leading = true;
    fact->seat = node->seat;
    fact->boot = node->boot;
    fact->sync_length = trace->slot;
    fact->sync_chain = shadow_chain(log, trace->slot);
    cs_slot slot = judge->chosen.length;
    while (slot > 0 && compare(judge->chosen_ballot[slot], trace->ballot) >= 0) {
        slot--;
    }
    if (shadow_common(log, &judge->chosen) < slot) {
        report_fail(world, "I3", node, slot, trace->ballot,
                    "leads without slot %llu, chosen under %s", (unsigned long long)slot,
                    report_ballot(judge->chosen_ballot[slot]));
    }
}

void judge_trace(struct world *world, struct node *node, const struct paxos_trace *trace)
{
    TRACE(world, node, "%s ballot=%s slot=%llu peer=%u", paxos_trace_name(trace->kind),
          report_ballot(trace->ballot), (unsigned long long)trace->slot, trace->peer);
    if (trace->kind < STATS_TRACES_MAX) {
        world->stats->traces[trace->kind]++;
    }
    report_hash(world, (uint64_t)trace->kind << 56 ^ trace->slot);
    if (trace->kind == PAXOS_TRACE_LEADING) {
        world->stats->leaders++;
        judge_leading(world, node, trace);
    }
}
