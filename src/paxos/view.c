#include "paxos/core.h"

/* What callers may see of a core: status, identities, superblock contents. */

static bool is_quorum_heard(const struct paxos_core *core)
{
    if (core->role == PAXOS_FORMING) {
        return true; // nothing to hear yet: requests wait for the cluster to form
    }
    const struct election *election = &core->election;
    if (election->is_happy) {
        return true; // through its leader: a star of links serves on every node
    }
    uint32_t heard = election->heard_now | election->heard_last | election->heard_before;
    uint32_t count = 0;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        count += seat == core->settings.seat || (heard >> seat & 1u) != 0;
    }
    return count >= paxos_quorum_accept(core->settings.member_count);
}

static uint64_t next_tick_ms(const struct paxos_core *core)
{
    uint64_t next = core->next_hello_ms;
    if (core->role == PAXOS_FORMING) {
        return next;
    }
    // Resend timers need no wake-up of their own: they are looked at with each event, and
    // rounds end more often than they fall due.
    return core->election.round_end_ms < next ? core->election.round_end_ms : next;
}

struct paxos_view paxos_view_of(const struct paxos_core *core)
{
    const struct election *election = &core->election;
    struct paxos_view view = {
        .role = core->role,
        .leader_seat = core_seat_of(core, election->leader),
        .promised = core->promised,
        .accepted = core->accepted,
        .leader = election->leader,
        .base = core->log.base,
        .length = core->log.length,
        .durable = core->log.durable,
        .decided = core->log.decided,
        .sync_length = core->role == PAXOS_LEADER ? core->proposer.sync_length : 0,
        .can_propose = leader_can_propose(core, 0),
        .quorum_heard = is_quorum_heard(core),
        .heard_mask = election->heard_now | election->heard_last | election->heard_before,
        .happy = election->is_happy,
        .held = core->log.length,
        .next_tick_ms = next_tick_ms(core),
        .last_token = core->last_token,
        .durable_token = core->durable_token,
    };
    if (core->faulty.is_active) {
        view.faulty_first = core->log.length + 1;
        view.faulty_last = core->faulty.last;
        view.held = core->faulty.length;
    }
    view.heard_mask |= 1u << core->settings.seat;
    view.heard_mask &= (1u << core->settings.member_count) - 1u;
    // A leader that is gone is no leader to forward to.
    bool is_self = view.leader_seat == core->settings.seat;
    bool is_there = is_self ? core->role == PAXOS_LEADER : election->is_happy;
    view.leader_seat = is_there ? view.leader_seat : NO_SEAT;
    return view;
}

bool paxos_leader_told(const struct paxos_core *core,
                       cs_slot *out_decided,
                       uint64_t *out_heard_ms)
{
    *out_decided = core->election.told_decided;
    *out_heard_ms = core->election.told_ms;
    return core->election.is_told;
}

const struct paxos_entry *paxos_entry_at(const struct paxos_core *core, cs_slot slot)
{
    return &log_record(&core->log, slot)->entry;
}

struct paxos_digest paxos_chain_at(const struct paxos_core *core, cs_slot slot)
{
    return log_chain_at(&core->log, slot);
}

const struct paxos_config *paxos_config_of(const struct paxos_core *core)
{
    return &core->config;
}

const struct paxos_watermark *paxos_watermarks_of(const struct paxos_core *core)
{
    return core->watermarks;
}
