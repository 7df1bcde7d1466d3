/*
 * recovery.c - what a start finds on its disk, against what was durable there; what a read
 * of the log gives; and what the log must remember of the node's peers.
 */
#include "sim/world.h"

#include "wal/record.h"

enum {
    NOTED_WITHIN_MS = 11 * 1000, // G3: each 10 s, with the next tick
    GAP_MS = 200,                // of several ticks
};

static bool is_at_least(const struct paxos_watermark *left,
                        const struct paxos_watermark *right)
{
    return left->boot >= right->boot && left->block >= right->block &&
           paxos_ballot_compare(left->promised, right->promised) >= 0;
}

/* The first seat of which less is remembered than before; NODES_MAX: none. */
static uint32_t find_forgotten(const struct world *world,
                               const struct paxos_watermark *now,
                               const struct paxos_watermark *before)
{
    uint32_t seat = 0;
    while (seat < world->swarm.node_count && is_at_least(&now[seat], &before[seat])) {
        seat++;
    }
    return seat < world->swarm.node_count ? seat : NODES_MAX;
}

/* A block that has rotted may have held the newest; the superblock holds the ones before. */
static void
judge_state_of(struct world *world, struct node *node, const struct paxos_recovered *core)
{
    const struct paxos_config *config = &node->shadow.durable.config;
    if (!atlas_same_config(&core->config, config) ||
        core->config.started != config->started) {
        report_fail(world, "I21", node, 0, core->promised,
                    "recovered another Config (started %u) than was durable (%u)",
                    core->config.started, config->started);
    }
    uint32_t seat = find_forgotten(world, core->watermarks, node->remembered);
    if (seat != NODES_MAX && !node->has_rotted) {
        report_fail(world, "G3", node, 0, core->promised,
                    "recovered block %llu of n%u; block %llu was durably remembered",
                    (unsigned long long)core->watermarks[seat].block, seat,
                    (unsigned long long)node->remembered[seat].block);
    }
}

/* I11, I21: exactly what was durable, and possibly the one block that was on the way. */
void judge_recovery(struct world *world,
                    struct node *node,
                    const struct wal_recovery *recovery)
{
    struct shadow *shadow = &node->shadow;
    const struct paxos_recovered *core = &recovery->core;
    if (core->token < shadow->durable_token || core->token > shadow->memory_token) {
        report_fail(world, "I11", node, core->length, core->promised,
                    "recovered record %llu; %llu was durable, %llu the last one",
                    (unsigned long long)core->token,
                    (unsigned long long)shadow->durable_token,
                    (unsigned long long)shadow->memory_token);
        return;
    }
    judge_durable(world, node, core->token);
    shadow_crash(shadow);
    judge_state_of(world, node, core);
    memcpy(node->remembered, core->watermarks, sizeof node->remembered);
    memcpy(node->noted, core->watermarks, sizeof node->noted);
    memcpy(node->shown, core->watermarks, sizeof node->shown);
    node->shown_ms = clock_own_ms(world, node);
    const struct shadow_log *log = &shadow->durable;
    bool is_same = paxos_ballot_compare(core->promised, log->promised) == 0 &&
                   paxos_ballot_compare(core->accepted, log->accepted) == 0 &&
                   core->length == log->length && core->decided <= core->length &&
                   core->base <= core->decided &&
                   digest_is(core->base_chain, shadow_chain(log, core->base));
    if (!is_same || (node->boot > 0 && recovery->is_fresh)) {
        report_fail(
            world, "I21", node, core->length, core->promised,
            "recovered promised %s accepted %s length %llu; durable were %s, %s, %llu",
            report_ballot(core->promised), report_ballot(core->accepted),
            (unsigned long long)core->length, report_ballot(log->promised),
            report_ballot(log->accepted), (unsigned long long)log->length);
        return;
    }
    if (recovery->boot <= node->boot) {
        report_fail(world, "2.2", node, 0, NO_BALLOT, "boot %llu comes after boot %llu",
                    (unsigned long long)recovery->boot, (unsigned long long)node->boot);
    }
    if (shadow_common(log, &world->judge.chosen) < core->decided) {
        report_fail(world, "I7", node, core->decided, core->promised,
                    "recovered as decided what is not chosen");
    }
}

/* Nothing is reported lost that is not, and what is known of it is right. */
static void
judge_fault(struct world *world, struct node *node, const struct wal_fault *fault)
{
    const struct shadow_log *log = &node->shadow.durable;
    bool is_right = fault->first > 0 && fault->first <= fault->last &&
                    fault->last <= log->length &&
                    digest_is(fault->before_chain, shadow_chain(log, fault->first - 1)) &&
                    (!fault->knows_after ||
                     digest_is(fault->after_chain, shadow_chain(log, fault->last)));
    for (cs_slot slot = fault->first; is_right && slot <= fault->last; slot++) {
        is_right = holes_at(&node->holes, slot) != HOLE_NONE;
    }
    if (!is_right) {
        report_fail(world, "I21", node, fault->first, log->promised,
                    "slots %llu to %llu are reported lost; not so, or not what they "
                    "hash to",
                    (unsigned long long)fault->first, (unsigned long long)fault->last);
    }
}

void judge_damages(struct world *world, struct node *node)
{
    size_t damage_count = 0;
    size_t fault_count = 0;
    (void)wal_damages(node->log.wal, &damage_count);
    const struct wal_fault *faults = wal_faults(node->log.wal, &fault_count);
    if (damage_count > 0 && !node->has_rotted) {
        report_fail(world, "I21", node, 0, NO_BALLOT,
                    "%zu places are reported damaged, and nothing has rotted",
                    damage_count);
    }
    for (size_t i = 0; i < fault_count; i++) {
        judge_fault(world, node, &faults[i]);
    }
    // All else is read now, and compared (node.c).
    holes_clear(&node->holes);
    for (size_t i = 0; i < fault_count; i++) {
        holes_mark(&node->holes, faults[i].first, faults[i].last, HOLE_LOST);
        world->stats->slots_lost += faults[i].last + 1 - faults[i].first;
    }
}

void judge_slice(struct world *world, struct node *node, const struct wal_slice *slice)
{
    const struct shadow_log *log = &node->shadow.durable;
    bool is_right = true;
    for (cs_slot slot = slice->fault.first; slot != 0 && slot <= slice->fault.last;
         slot++) {
        is_right = is_right && !holes_can_serve(&node->holes, slot);
    }
    for (uint32_t i = 0; is_right && i < slice->entry_count; i++) {
        const struct paxos_entry *entry = &slice->entries[i];
        is_right = entry->slot <= log->length &&
                   digest_is(entry->chain, shadow_chain(log, entry->slot));
    }
    if (!is_right) {
        report_fail(world, "I21", node, slice->fault.first, NO_BALLOT,
                    "a read of the log gives other entries than it holds");
    }
}

/* ---- what the log remembers of peers ----------------------------------------------- */

void recovery_take_watermarks(struct cs_view records, struct paxos_watermark *watermarks)
{
    struct record record = {0};
    struct paxos_config config;
    struct paxos_watermark seen[PAXOS_MEMBERS_MAX];
    while (records.bytes > 0 && record_unpack(records, &record)) {
        if (record.state.bytes > 0 &&
            record_unpack_state(record.state.data, &config, seen)) {
            memcpy(watermarks, seen, NODES_MAX * sizeof *watermarks);
        }
        records = view_of(records.data + record.bytes, records.bytes - record.bytes);
    }
}

static void look(struct node *node, uint64_t own_ms)
{
    memcpy(node->shown, paxos_watermarks_of(replica_core(node->replica)),
           sizeof node->shown);
    node->shown_ms = own_ms;
}

void judge_notes(struct world *world, struct node *node)
{
    uint64_t own_ms = clock_own_ms(world, node);
    struct paxos_view view = replica_view(node->replica);
    if (own_ms > node->judged_ms + GAP_MS) {
        node->shown_ms += own_ms - node->judged_ms; // its clock jumped, or it stood still
    }
    node->judged_ms = own_ms;
    if (view.role < PAXOS_FOLLOWER) {
        look(node, own_ms); // behind the gate nothing is noted (G2)
    }
    if (own_ms <= node->shown_ms + NOTED_WITHIN_MS) {
        return;
    }
    uint32_t seat = find_forgotten(world, node->noted, node->shown);
    if (seat != NODES_MAX) {
        report_fail(world, "G3", node, 0, view.promised,
                    "its log has block %llu of n%u, %llu ms after it showed block %llu",
                    (unsigned long long)node->noted[seat].block, seat,
                    (unsigned long long)(own_ms - node->shown_ms),
                    (unsigned long long)node->shown[seat].block);
    }
    look(node, own_ms);
}
