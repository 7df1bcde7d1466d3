#include "scenarios/world.h"

/*
 * What must hold of the whole world (PAXOS section 3), looked at after every step and
 * every durable record. The disks are the witnesses: a slot is chosen once an accept
 * quorum of them has held it under one accepted ballot (I2), whatever the cores
 * believe.
 */

bool digests_equal(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

/* ---- I2: chosen ---- */

static struct votes *votes_of(struct world *world, struct paxos_ballot ballot)
{
    for (uint32_t i = 0; i < world->ballot_count; i++) {
        if (paxos_ballot_compare(world->votes[i].ballot, ballot) == 0) {
            return &world->votes[i];
        }
    }
    CHECK(world->ballot_count < BALLOTS_MAX);
    struct votes *votes = &world->votes[world->ballot_count++];
    *votes = (struct votes){.ballot = ballot, .sender = NOBODY};
    return votes;
}

/* I1: the logs accepted under one ballot are prefixes of one another. */
static void note_vote(struct world *world, struct votes *votes, int at)
{
    const struct storage *storage = &world->processes[at].disk.durable;
    cs_slot common = storage->length < votes->length ? storage->length : votes->length;
    if (!digests_equal(votes->chain[common], storage_chain_at(storage, common))) {
        print_violation(world, "I1 %s holds another log under ballot %u.%u.%u",
                        world->processes[at].name, votes->ballot.epoch,
                        votes->ballot.round, votes->ballot.node);
        return;
    }
    for (cs_slot slot = common + 1; slot <= storage->length; slot++) {
        votes->chain[slot] = storage_chain_at(storage, slot);
        votes->length = slot;
    }
    cs_slot *voted = &votes->voted[world->processes[at].seat];
    *voted = storage->length > *voted ? storage->length : *voted;
}

/* The largest slot that an accept quorum voted for. */
static cs_slot chosen_by(const struct world *world, const struct votes *votes)
{
    for (cs_slot slot = votes->length; slot > 0; slot--) {
        uint32_t count = 0;
        for (uint32_t seat = 0; seat < world->options.members; seat++) {
            count += votes->voted[seat] >= slot;
        }
        if (count >= paxos_quorum_accept(world->options.members)) {
            return slot;
        }
    }
    return 0;
}

static void note_chosen(struct world *world, const struct votes *votes, cs_slot chosen)
{
    struct checks *checks = &world->checks;
    cs_slot common = chosen < checks->chosen ? chosen : checks->chosen;
    if (!digests_equal(checks->chosen_chain[common], votes->chain[common])) {
        print_violation(world, "I2 two values chosen at or below slot %llu",
                        (unsigned long long)common);
        return;
    }
    for (cs_slot slot = common + 1; slot <= chosen; slot++) {
        checks->chosen_chain[slot] = votes->chain[slot];
        checks->chosen = slot;
    }
}

void checks_after_record(struct world *world, int at, uint32_t kind)
{
    const struct storage *storage = &world->processes[at].disk.durable;
    if (paxos_ballot_compare(storage->promised, storage->accepted) < 0) {
        print_violation(world, "I4 %s accepted above its promise",
                        world->processes[at].name);
    }
    // A promise is no vote, and entries fetched as decided are none for the old ballot
    // (A8).
    if (kind == PAXOS_PERSIST_SYNC || kind == PAXOS_PERSIST_APPEND) {
        struct votes *votes = votes_of(world, storage->accepted);
        note_vote(world, votes, at);
        note_chosen(world, votes, chosen_by(world, votes));
    }
}

/* ---- I7: decided ---- */

void checks_after_step(struct world *world, int at)
{
    struct checks *checks = &world->checks;
    const struct process *process = &world->processes[at];
    cs_slot decided = process->view.decided;
    if (decided > checks->chosen) {
        print_violation(world, "I2 %s decided slot %llu, which was never chosen",
                        process->name, (unsigned long long)decided);
        return;
    }
    if (decided >= process->view.base &&
        !digests_equal(paxos_chain_at(process->core, decided),
                       checks->chosen_chain[decided])) {
        print_violation(world, "I7 %s decided another value at or below slot %llu",
                        process->name, (unsigned long long)decided);
    }
    checks->decided = decided > checks->decided ? decided : checks->decided;
}

/* ---- I1, I3: ballots and leaders ---- */

/*
 * A ballot belongs to the life that first sent it: one that only took it and crashed
 * did not.
 */
static void note_sender(struct world *world, int at, struct paxos_ballot ballot)
{
    struct votes *votes = votes_of(world, ballot);
    uint64_t start = world->processes[at].starts;
    if (votes->sender == NOBODY) {
        votes->sender = at;
        votes->sender_start = start;
    }
    if (votes->sender != at || votes->sender_start != start) {
        print_violation(world, "I1 ballot %u.%u.%u is taken twice", ballot.epoch,
                        ballot.round, ballot.node);
    }
}

/*
 * Slots chosen under a larger ballot are no claim on a leader that is overtaken
 * already.
 */
static bool is_overtaken(const struct world *world, struct paxos_ballot ballot)
{
    for (uint32_t i = 0; i < world->ballot_count; i++) {
        if (paxos_ballot_compare(world->votes[i].ballot, ballot) > 0) {
            return true;
        }
    }
    return false;
}

void checks_leading(struct world *world, int at)
{
    const struct checks *checks = &world->checks;
    const struct process *process = &world->processes[at];
    if (is_overtaken(world, process->view.promised)) {
        return;
    }
    cs_slot chosen = checks->chosen;
    if (process->view.length < chosen ||
        (chosen >= process->view.base &&
         !digests_equal(paxos_chain_at(process->core, chosen),
                        checks->chosen_chain[chosen]))) {
        print_violation(world, "I3 %s leads without the chosen slot %llu", process->name,
                        (unsigned long long)chosen);
    }
}

/* ---- I10: claims are durable ---- */

static bool is_durable_claim(const struct storage *durable,
                             const struct paxos_message *message)
{
    switch ((int)message->type) {
    case PAXOS_PREPARE:
        return paxos_ballot_compare(durable->promised, message->ballot) >= 0;
    case PAXOS_PROMISE:
        return paxos_ballot_compare(durable->promised, message->ballot) >= 0 &&
               paxos_ballot_compare(durable->accepted, message->promise.accepted) >= 0;
    case PAXOS_ACCEPTED:
        return paxos_ballot_compare(durable->accepted, message->ballot) == 0 &&
               durable->length >= message->accepted.durable;
    case PAXOS_HEARTBEAT_REPLY:
        return paxos_ballot_compare(durable->promised,
                                    message->heartbeat_reply.promised) >= 0 &&
               durable->length >= message->heartbeat_reply.durable;
    default:
        return true;
    }
}

void checks_before_send(struct world *world,
                        int from,
                        const struct paxos_message *message)
{
    const struct process *process = &world->processes[from];
    if (message->type == PAXOS_PREPARE) {
        note_sender(world, from, message->ballot);
    }
    if (!is_durable_claim(&process->disk.durable, message)) {
        print_violation(world, "I10 %s sends %s before it is durable", process->name,
                        paxos_message_name(message->type));
    }
}

/* ---- I13: reads ---- */

void checks_read(struct world *world, int at, const struct read *read)
{
    if (read->slot < read->floor) {
        print_violation(world, "I13 %s read %llu at slot %llu misses slot %llu",
                        world->processes[at].name, (unsigned long long)read->number,
                        (unsigned long long)read->slot, (unsigned long long)read->floor);
    }
}
