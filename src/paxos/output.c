#include "paxos/core.h"

#include <string.h>

/*
 * What a step puts out: messages with their headers, the one record, traces, a halt. The
 * tables are fixed; a message that finds no room is lost, as any may be.
 */

void paxos_stamp(const struct paxos_core *core,
                 uint32_t type,
                 uint32_t to,
                 struct paxos_message *out_message)
{
    memset(out_message, 0, sizeof *out_message);
    out_message->type = type;
    out_message->from = core->settings.seat;
    out_message->to = to;
    out_message->epoch = core->config.epoch;
    out_message->cluster_id = core->config.cluster_id;
    out_message->from_incarnation = core->settings.incarnation;
    out_message->to_incarnation = core->config.incarnation[to];
    out_message->boot = core->settings.boot;
}

static struct paxos_message *send_into(struct paxos_core *core,
                                       struct paxos_message *messages,
                                       uint32_t *count,
                                       uint32_t to)
{
    CHECK(to < core->settings.member_count);
    CHECK(to != core->settings.seat);
    if (*count == PAXOS_MESSAGES_MAX) {
        return &core->scratch;
    }
    return &messages[(*count)++];
}

struct paxos_message *core_send_now(struct paxos_core *core, uint32_t type, uint32_t to)
{
    struct paxos_effects *effects = core->effects;
    struct paxos_message *message =
        send_into(core, effects->messages_now, &effects->now_count, to);
    paxos_stamp(core, type, to, message);
    return message;
}

struct paxos_message *
core_send_after_sync(struct paxos_core *core, uint32_t type, uint32_t to)
{
    if (MUTANT_IS(4)) {
        return core_send_now(core, type, to);
    }
    struct paxos_effects *effects = core->effects;
    struct paxos_message *message =
        send_into(core, effects->messages_after_sync, &effects->after_sync_count, to);
    paxos_stamp(core, type, to, message);
    return message;
}

static void push_mark(struct paxos_core *core)
{
    if (core->mark_count == MARKS_MAX) {
        core->mark_count--; // the newest then stands for two records: acknowledged later
    }
    uint32_t at = (core->mark_first + core->mark_count) % MARKS_MAX;
    core->mark_count++;
    core->marks[at] = (struct mark){.token = core->last_token,
                                    .length = core->log.length,
                                    .promised = core->promised,
                                    .accepted = core->accepted};
}

/* What a record replaced is not there any more once earlier records are durable. */
static void clamp_marks(struct paxos_core *core, cs_slot length)
{
    for (uint32_t i = 0; i < core->mark_count; i++) {
        struct mark *mark = &core->marks[(core->mark_first + i) % MARKS_MAX];
        mark->length = mark->length < length || MUTANT_IS(75) ? mark->length : length;
    }
}

void core_persist(struct paxos_core *core,
                  uint32_t kind,
                  cs_slot first_slot,
                  uint32_t entry_count)
{
    struct paxos_persist *persist = &core->effects->persist;
    CHECK(persist->kind == PAXOS_PERSIST_NONE);
    core->last_token++;
    persist->kind = kind;
    persist->token = core->last_token;
    persist->first_slot = first_slot;
    persist->entry_count = entry_count;
    persist->promised = core->promised;
    persist->accepted = core->accepted;
    persist->decided = core->log.decided;
    // Also while part of it is unknown, the log on disk is what it was.
    const struct faulty *faulty = &core->faulty;
    persist->length = faulty->is_active ? faulty->length : core->log.length;
    persist->chain = faulty->is_active ? faulty->length_chain
                                       : log_chain_at(&core->log, core->log.length);
    if (kind == PAXOS_PERSIST_SYNC || kind == PAXOS_PERSIST_FETCHED) {
        clamp_marks(core, first_slot - 1);
    }
    push_mark(core);
}

void core_trace(struct paxos_core *core,
                uint32_t kind,
                uint32_t peer,
                struct paxos_ballot ballot,
                cs_slot slot)
{
    struct paxos_effects *effects = core->effects;
    if (effects->trace_count < PAXOS_TRACES_MAX) {
        effects->traces[effects->trace_count++] = (struct paxos_trace){.kind = kind,
                                                                       .peer = peer,
                                                                       .ballot = ballot,
                                                                       .slot = slot};
    }
}

void core_halt(struct paxos_core *core, uint32_t reason, uint32_t peer)
{
    if (core->halt == PAXOS_HALT_NONE) {
        core->halt = reason;
        core->halt_peer = peer;
    }
}

void core_take(struct paxos_core *core, uint32_t first, uint32_t count)
{
    core->effects->taken_first = first;
    core->effects->taken_count = count;
}
