#include "models/small_world.h"

#include "base/check.h"

/* The invariants of PAXOS 3 that a small world can break. */

enum { QUORUM = 2 };

static void broke(struct small_world *world, const char *rule)
{
    world->broken = world->broken == NULL ? rule : world->broken;
}

static void require(struct small_world *world, bool holds, const char *rule)
{
    if (!holds) {
        broke(world, rule);
    }
}

static bool same(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

static bool equal(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right) == 0;
}

static struct led_ballot *find_ballot(struct small_world *world,
                                      struct paxos_ballot ballot)
{
    for (uint32_t i = 0; i < world->ballot_count; i++) {
        if (equal(world->ballots[i].ballot, ballot)) {
            return &world->ballots[i];
        }
    }
    CHECK(world->ballot_count < BALLOTS_MAX);
    struct led_ballot *found = &world->ballots[world->ballot_count++];
    found->ballot = ballot;
    return found;
}

/* ---- I1: one log a ballot ---- */

static void note_leaders_slot(struct small_world *world,
                              struct led_ballot *led,
                              cs_slot slot,
                              struct paxos_digest chain)
{
    if (slot == 0) {
        return;
    }
    if (slot > led->length) {
        CHECK(slot <= SLOTS_MAX);
        led->length = slot;
        led->chain[slot - 1] = chain;
    }
    require(world, same(led->chain[slot - 1], chain), "I1 two logs under one ballot");
}

/* The leader's log as it is in its memory, slot by slot. */
static void note_leaders_log(struct small_world *world, uint32_t at)
{
    struct paxos_core *core = world_core(&world->nodes[at]);
    struct paxos_view view = paxos_view_of(core);
    struct led_ballot *led = find_ballot(world, view.accepted);
    for (cs_slot slot = 1; slot <= view.length; slot++) {
        note_leaders_slot(world, led, slot, paxos_chain_at(core, slot));
    }
    require(world, led->length <= view.length, "I1 a leader's log became shorter");
}

/* I3, when phase 1 ends. */
static void note_leading(struct small_world *world, uint32_t at)
{
    struct paxos_core *core = world_core(&world->nodes[at]);
    struct paxos_view view = paxos_view_of(core);
    struct led_ballot *led = find_ballot(world, view.accepted);
    require(world, !led->has_led, "I1 a ballot led twice");
    led->has_led = true;
    led->sync_length = view.sync_length;
    for (cs_slot slot = 1; slot <= SLOTS_MAX; slot++) {
        const struct chosen_slot *chosen = &world->chosen[slot - 1];
        if (chosen->is_chosen && paxos_ballot_compare(chosen->ballot, led->ballot) < 0) {
            require(world,
                    slot <= view.length &&
                        same(paxos_chain_at(core, slot), chosen->chain),
                    "I3 a new leader lacks a chosen entry");
        }
    }
}

/* ---- what is on disk ---- */

static bool holds(const struct small_node *node, cs_slot slot, struct paxos_digest chain)
{
    return slot <= node->disk.length && same(node->disk.entries[slot - 1].chain, chain);
}

static uint32_t count_bits(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

static void choose(struct small_world *world, const struct led_ballot *led, cs_slot slot)
{
    struct chosen_slot *chosen = &world->chosen[slot - 1];
    if (!chosen->is_chosen) {
        *chosen = (struct chosen_slot){.is_chosen = true,
                                       .ballot = led->ballot,
                                       .chain = led->chain[slot - 1]};
        return;
    }
    require(world, same(chosen->chain, led->chain[slot - 1]), "I2 two entries chosen");
    if (paxos_ballot_compare(led->ballot, chosen->ballot) < 0) {
        chosen->ballot = led->ballot;
    }
}

/* I2: a vote is a log on disk under the ballot that is the leader's to that slot. */
static void count_votes(struct small_world *world, uint32_t at)
{
    const struct log_image *disk = &world->nodes[at].disk;
    if (disk->accepted.round == 0) {
        return;
    }
    struct led_ballot *led = find_ballot(world, disk->accepted);
    for (cs_slot slot = 1; slot <= disk->length && slot <= led->length; slot++) {
        if (holds(&world->nodes[at], slot, led->chain[slot - 1])) {
            led->votes[slot - 1] |= (uint8_t)(1u << at);
            if (count_bits(led->votes[slot - 1]) >= QUORUM) {
                choose(world, led, slot);
            }
        }
    }
}

/* I6: who voted for what is chosen has it. */
static bool voters_hold(const struct small_world *world, cs_slot slot)
{
    struct paxos_digest chain = world->chosen[slot - 1].chain;
    for (uint32_t i = 0; i < world->ballot_count; i++) {
        const struct led_ballot *led = &world->ballots[i];
        for (uint32_t at = 0; at < NODES; at++) {
            bool has_voted = (led->votes[slot - 1] >> at & 1u) != 0 &&
                             same(led->chain[slot - 1], chain);
            if (has_voted && !holds(&world->nodes[at], slot, chain)) {
                return false;
            }
        }
    }
    return true;
}

/* I5: a == b says that all of S_b that is chosen is there. */
static bool accepted_is_whole(struct small_world *world, uint32_t at, cs_slot slot)
{
    const struct small_node *node = &world->nodes[at];
    if (node->disk.accepted.round == 0) {
        return true;
    }
    const struct led_ballot *led = find_ballot(world, node->disk.accepted);
    const struct chosen_slot *chosen = &world->chosen[slot - 1];
    bool is_due = slot <= led->sync_length && same(led->chain[slot - 1], chosen->chain);
    return !is_due || holds(node, slot, chosen->chain);
}

static uint32_t count_holders(const struct small_world *world, cs_slot slot)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < NODES; at++) {
        count += holds(&world->nodes[at], slot, world->chosen[slot - 1].chain);
    }
    return count;
}

void judge_disk(struct small_world *world, uint32_t at, const struct log_image *before)
{
    const struct log_image *disk = &world->nodes[at].disk;
    require(world, paxos_ballot_compare(disk->promised, before->promised) >= 0,
            "I4 promised fell");
    require(world, paxos_ballot_compare(disk->accepted, before->accepted) >= 0,
            "I4 accepted fell");
    require(world, paxos_ballot_compare(disk->accepted, disk->promised) <= 0,
            "I4 accepted above promised");
    count_votes(world, at);
    for (cs_slot slot = 1; slot <= SLOTS_MAX; slot++) {
        if (!world->chosen[slot - 1].is_chosen) {
            continue;
        }
        require(world, voters_hold(world, slot), "I6 a voter lost a chosen entry");
        require(world, accepted_is_whole(world, at, slot),
                "I5 a == b without all of S_b");
        require(world,
                slot > world->decided_max ||
                    count_holders(world, slot) >= NODES - QUORUM + 1,
                "I9 a decided entry on too few disks");
    }
}

/* ---- what is sent ---- */

void judge_created(struct small_world *world, uint32_t at, const struct letter *letter)
{
    const struct paxos_message *message = &letter->message;
    struct paxos_view view = paxos_view_of(world_core(&world->nodes[at]));
    require(world,
            message->type != PAXOS_PROMISE || equal(message->ballot, view.promised),
            "P1 promised another ballot than it says");
}

static void judge_log_message(struct small_world *world, const struct letter *letter)
{
    const struct paxos_message *message = &letter->message;
    struct led_ballot *led = find_ballot(world, message->ballot);
    bool is_sync = message->type == PAXOS_ACCEPT_SYNC;
    cs_slot from = is_sync ? message->accept_sync.from : message->accept.previous;
    require(world, led->has_led && message->ballot.node == message->from + 1,
            "I1 sent under a ballot of another");
    note_leaders_slot(world, led, from,
                      is_sync ? message->accept_sync.from_chain
                              : message->accept.previous_chain);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        note_leaders_slot(world, led, from + 1 + i, letter->entries[i].chain);
    }
    if (is_sync) {
        require(world, message->accept_sync.sync_length == led->sync_length,
                "I1 two S_b of one ballot");
    }
}

void judge_sent(struct small_world *world, uint32_t at, const struct letter *letter)
{
    const struct paxos_message *message = &letter->message;
    const struct log_image *disk = &world->nodes[at].disk;
    uint32_t type = message->type;
    if (type == PAXOS_ACCEPT_SYNC || type == PAXOS_ACCEPT) {
        judge_log_message(world, letter);
    }
    if (type == PAXOS_PROMISE || type == PAXOS_PREPARE) {
        require(world, paxos_ballot_compare(disk->promised, message->ballot) >= 0,
                "I10 a promise that is not on disk");
    }
    if (type == PAXOS_PROMISE) {
        require(world,
                paxos_ballot_compare(disk->accepted, message->promise.accepted) >= 0,
                "I10 an accepted ballot that is not on disk");
    }
    if (type == PAXOS_ACCEPTED) {
        require(world,
                equal(disk->accepted, message->ballot) &&
                    message->accepted.durable <= disk->length,
                "I10 a vote that is not on disk");
    }
}

/* ---- what a node says is decided ---- */

static void judge_decided(struct small_world *world, uint32_t at)
{
    struct small_node *node = &world->nodes[at];
    struct paxos_core *core = world_core(node);
    struct paxos_view view = paxos_view_of(core);
    require(world, view.decided >= node->decided, "I7 decided fell");
    require(world, view.decided <= view.length, "I7 decided beyond the log");
    for (cs_slot slot = 1; slot <= view.decided && world->broken == NULL; slot++) {
        const struct chosen_slot *chosen = &world->chosen[slot - 1];
        require(world, chosen->is_chosen, "I9 decided without a quorum of disks");
        require(world, same(paxos_chain_at(core, slot), chosen->chain),
                "I7 decided another entry than was chosen");
    }
    node->decided = view.decided;
    world->decided_max =
        view.decided > world->decided_max ? view.decided : world->decided_max;
}

static void
judge_reads(struct small_world *world, uint32_t at, const struct paxos_effects *effects)
{
    struct small_node *node = &world->nodes[at];
    for (uint64_t id = node->read_done + 1; id <= effects->read_ready_id; id++) {
        CHECK(id <= READS_MAX);
        // The floor is kept plus one: 0 is a read that never began.
        require(world, effects->read_ready_slot + 1 >= node->read_floor[id - 1],
                "I13 a stale read");
        node->read_done = id;
    }
}

void judge_step(struct small_world *world,
                uint32_t at,
                const struct paxos_effects *effects)
{
    for (uint32_t i = 0; i < effects->trace_count; i++) {
        if (effects->traces[i].kind == PAXOS_TRACE_LEADING) {
            note_leading(world, at);
        }
    }
    if (paxos_view_of(world_core(&world->nodes[at])).role == PAXOS_LEADER) {
        note_leaders_log(world, at);
    }
    judge_decided(world, at);
    judge_reads(world, at, effects);
    require(world, effects->halt == PAXOS_HALT_NONE, "a node halted");
}
