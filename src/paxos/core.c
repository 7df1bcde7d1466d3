#include "paxos/core.h"

#include <string.h>

enum { ALIGN_BYTES = 16 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

size_t paxos_core_bytes(const struct paxos_settings *settings)
{
    return aligned(sizeof(struct paxos_core)) +
           aligned(settings->ring_entries * sizeof(struct slot_record)) +
           2 * aligned(settings->ring_entries * sizeof(struct paxos_entry));
}

static void check_settings(const struct paxos_settings *settings)
{
    CHECK(settings->member_count >= 1);
    CHECK(settings->member_count <= PAXOS_MEMBERS_MAX);
    CHECK(settings->seat < settings->member_count);
    CHECK(settings->ring_entries >= 4 * settings->window_entries);
    CHECK((settings->ring_entries & (settings->ring_entries - 1)) == 0);
    CHECK(settings->window_entries >= 1);
    CHECK(settings->message_entries >= 1);
    CHECK(settings->heartbeat_ms >= 1);
    CHECK(settings->nonce != 0);
}

static void recover_state(struct paxos_core *core,
                          const struct paxos_recovered *recovered)
{
    core->config = recovered->config;
    core->promised = core->promised_durable = recovered->promised;
    core->accepted = core->accepted_durable = recovered->accepted;
    core->last_promised = recovered->promised;
    core->last_accepted = recovered->accepted;
    core->last_decided = recovered->decided;
    core->last_token = core->durable_token = recovered->token;
    core->promise_token = core->accepted_token = recovered->token;
    core->disk.block = recovered->block;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        core->peers[seat].seen = recovered->watermarks[seat];
        core->watermarks[seat] = recovered->watermarks[seat];
    }
}

static void start_role(struct paxos_core *core)
{
    core->config_is_durable = !id_is_none(core->config.cluster_id);
    core->is_start_durable = core->config.started != 0;
    MARK_IF(core->config_is_durable && !core->is_start_durable, C8_UNFINISHED);
    core->role = PAXOS_FORMING;
    if (core->is_start_durable) {
        core->role = core->settings.member_count == 1 ? PAXOS_FOLLOWER : PAXOS_GATED;
        core->election.fast_rounds = FAST_ROUNDS;
    }
    // E7: an old leadership is never reclaimed; round 0 never counts (E0).
    MARK(E0);
    MARK_IF(core->promised.round > 0, E7);
    core->election.my_ballot.epoch = core->config.epoch;
    core->election.my_ballot.node = core->settings.seat + 1;
    core->election.leader = core->election.my_ballot;
    core->election.leader.node = 0;
}

struct paxos_core *paxos_init(void *memory,
                              const struct paxos_settings *settings,
                              const struct paxos_recovered *recovered)
{
    check_settings(settings);
    // Quorums are counted in settings.member_count seats: with another number than that of
    // the Config two of them need not meet (I1, I9).
    CHECK(id_is_none(recovered->config.cluster_id) ||
          paxos_config_fits(settings, &recovered->config) || MUTANT_IS(282));
    uint8_t *bytes = memory;
    struct paxos_core *core = memory;
    memset(core, 0, sizeof *core);
    core->settings = *settings;
    core->now_ms = settings->now_ms;
    core->random = settings->seed | 1;
    // A boot number may come twice, after a disk was put back (G3): an answer to a read of
    // the life before must not be taken for one of this life's.
    core->reads.counter = settings->nonce >> 2;
    bytes += aligned(sizeof *core);
    void *ring = bytes;
    bytes += aligned(settings->ring_entries * sizeof(struct slot_record));
    void *staged = bytes;
    core->staging.entries = staged;
    bytes += aligned(settings->ring_entries * sizeof(struct paxos_entry));
    void *rest = bytes;
    core->faulty.rest = rest;
    log_init(&core->log, ring, settings->ring_entries, recovered);
    recover_state(core, recovered);
    repair_init(core, recovered);
    core->proposer.handover_target = NO_SEAT;
    start_role(core);
    core->next_resend_ms = settings->now_ms;
    core->next_hello_ms = settings->now_ms;
    // Not having listened yet is not the same as not having heard.
    core->election.heard_last = core->election.heard_before = UINT32_MAX;
    core->election.round_end_ms = settings->now_ms;
    return core;
}

/* ---- helpers of every file ---- */

uint32_t core_quorum_promise(const struct paxos_core *core)
{
    return paxos_quorum_promise(core->settings.member_count);
}

uint32_t core_quorum_accept(const struct paxos_core *core)
{
    uint32_t quorum = paxos_quorum_accept(core->settings.member_count);
    return MUTANT_IS(6) && quorum > 1 ? quorum - 1 : quorum;
}

uint32_t core_own_node(const struct paxos_core *core)
{
    return core->config.node[core->settings.seat];
}

uint32_t core_seat_of(const struct paxos_core *core, struct paxos_ballot ballot)
{
    if (ballot.round == 0) {
        return NO_SEAT;
    }
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (core->config.node[seat] == ballot.node) {
            return seat;
        }
    }
    return NO_SEAT;
}

uint32_t core_draw(struct paxos_core *core, uint32_t below)
{
    // xorshift64*: jitter only, nothing depends on its quality.
    core->random ^= core->random >> 12;
    core->random ^= core->random << 25;
    core->random ^= core->random >> 27;
    return below == 0 ? 0
                      : (uint32_t)((core->random * 2685821657736338717u) >> 33) % below;
}

/* ---- events ---- */

static void receive_persisted(struct paxos_core *core, const struct paxos_event *event)
{
    if (event->token > core->durable_token && event->token <= core->last_token) {
        core->durable_token = event->token;
    }
    core->disk.block = event->block > core->disk.block ? event->block : core->disk.block;
    core->disk.in_flight_us = 0;
    struct disk *disk = &core->disk;
    disk->samples_us[disk->sample_count++ % SYNC_SAMPLES] = event->sync_us;
    while (core->mark_count > 0 &&
           core->marks[core->mark_first].token <= core->durable_token) {
        const struct mark *mark = &core->marks[core->mark_first];
        core->log.durable =
            mark->length > core->log.durable ? mark->length : core->log.durable;
        core->promised_durable = mark->promised;
        core->accepted_durable = mark->accepted;
        core->mark_first = (core->mark_first + 1) % MARKS_MAX;
        core->mark_count--;
    }
    forming_persisted(core);
    proposer_persisted(core);
    acceptor_persisted(core);
    fetch_persisted(core);
    repair_persisted(core);
}

static void receive_log_message(struct paxos_core *core,
                                const struct paxos_message *message)
{
    if (message->type == PAXOS_ENTRIES && !ballot_is_none(message->ballot)) {
        proposer_receive_entries(core, message);
        sync_receive_entries(core, message);
        return;
    }
    // Behind the gate nothing may be written that peers would take for the lost blocks of
    // a disk that went back in time (G2).
    if (message->type == PAXOS_ENTRIES && core->role < PAXOS_FOLLOWER) {
        return;
    }
    if (message->type == PAXOS_ENTRIES) {
        core->effects->has_entries = true;
    }
    if (message->type == PAXOS_ENTRIES && core->faulty.is_active) {
        repair_receive_entries(core, message);
    } else if (message->type == PAXOS_ENTRIES) {
        fetch_receive_entries(core, message);
    } else {
        fetch_receive(core, message);
    }
}

/* Messages a node answers before it may vote (2.12: Hello, HbReq and Fetch only). */
static bool receive_anyway(struct paxos_core *core, const struct paxos_message *message)
{
    switch ((enum paxos_message_type)message->type) {
    case PAXOS_HEARTBEAT:
        election_receive_heartbeat(core, message);
        return true;
    case PAXOS_HEARTBEAT_REPLY:
        election_receive_reply(core, message);
        return true;
    case PAXOS_FETCH:
    case PAXOS_ENTRIES:
        receive_log_message(core, message);
        return true;
    case PAXOS_HELLO:
    case PAXOS_HELLO_REPLY:
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
    case PAXOS_PREPARE:
    case PAXOS_PROMISE:
    case PAXOS_NACK:
    case PAXOS_PREPARE_REQUEST:
    case PAXOS_ACCEPT_SYNC:
    case PAXOS_ACCEPT:
    case PAXOS_ACCEPTED:
    case PAXOS_ROUND_ACK:
    case PAXOS_READ:
    case PAXOS_READ_REPLY:
    case PAXOS_HANDOVER:
    case PAXOS_MESSAGE_TYPES:
        break;
    }
    return false;
}

static void receive_voting(struct paxos_core *core, const struct paxos_message *message)
{
    switch ((enum paxos_message_type)message->type) {
    case PAXOS_PREPARE:
        acceptor_receive_prepare(core, message);
        break;
    case PAXOS_PROMISE:
        proposer_receive_promise(core, message);
        break;
    case PAXOS_NACK:
        proposer_receive_nack(core, message);
        break;
    case PAXOS_PREPARE_REQUEST:
        proposer_receive_prepare_request(core, message);
        break;
    case PAXOS_ACCEPT_SYNC:
        sync_receive(core, message);
        break;
    case PAXOS_ACCEPT:
        acceptor_receive_accept(core, message);
        break;
    case PAXOS_ACCEPTED:
        leader_receive_accepted(core, message);
        break;
    case PAXOS_ROUND_ACK:
        reads_receive_round_ack(core, message);
        break;
    case PAXOS_READ:
        reads_receive(core, message);
        break;
    case PAXOS_READ_REPLY:
        reads_receive_reply(core, message);
        break;
    case PAXOS_HANDOVER:
        leader_receive_handover(core, message);
        break;
    case PAXOS_HELLO:
    case PAXOS_HELLO_REPLY:
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
    case PAXOS_HEARTBEAT:
    case PAXOS_HEARTBEAT_REPLY:
    case PAXOS_FETCH:
    case PAXOS_ENTRIES:
    case PAXOS_MESSAGE_TYPES:
        break;
    }
}

static bool receive_identity(struct paxos_core *core, const struct paxos_message *message)
{
    switch ((int)message->type) {
    case PAXOS_HELLO:
        gate_receive_hello(core, message);
        return true;
    case PAXOS_HELLO_REPLY:
        gate_receive_hello_reply(core, message);
        return true;
    case PAXOS_FORM:
        forming_receive_form(core, message);
        return true;
    case PAXOS_FORM_REPLY:
        forming_receive_form_reply(core, message);
        return true;
    case PAXOS_START:
        forming_receive_start(core, message);
        return true;
    default:
        return false;
    }
}

static bool entries_are_sound(const struct paxos_message *message)
{
    cs_slot from = message->type == PAXOS_ACCEPT_SYNC ? message->accept_sync.from
                   : message->type == PAXOS_ACCEPT    ? message->accept.previous
                                                      : message->log.from;
    if (from > SLOT_MAX || message->entry_count > UINT32_MAX / 4) {
        return false;
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        if (message->entries[i].slot != from + 1 + i) {
            return false;
        }
    }
    return true;
}

/*
 * One round of 2^32-1, believed, would use the rounds up: there is no ballot above it for
 * anybody to lead by.
 */
static bool is_credible(const struct paxos_core *core, struct paxos_ballot ballot)
{
    uint32_t promised = core->promised.round;
    uint32_t followed = core->election.leader.round;
    uint64_t known = promised > followed ? promised : followed;
    return ballot.round <= known + ROUND_LEAP_MAX || MUTANT_IS(316);
}

static bool ballots_are_sound(const struct paxos_core *core,
                              const struct paxos_message *message)
{
    if (message->type == PAXOS_HEARTBEAT_REPLY) {
        const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
        return is_credible(core, reply->my_ballot) && is_credible(core, reply->leader) &&
               is_credible(core, reply->promised);
    }
    return message->type != PAXOS_PREPARE || is_credible(core, message->ballot);
}

/*
 * What any message must satisfy before a handler sees it: bytes from peers are not
 * trusted.
 */
static bool is_sound(const struct paxos_core *core, const struct paxos_message *message)
{
    uint32_t seats = core->settings.member_count;
    if (message->from >= seats || message->to != core->settings.seat ||
        message->from == core->settings.seat || !ballots_are_sound(core, message)) {
        return false;
    }
    bool carries_log = message->type == PAXOS_ACCEPT_SYNC ||
                       message->type == PAXOS_ACCEPT || message->type == PAXOS_ENTRIES;
    return carries_log ? entries_are_sound(message) : message->entry_count == 0;
}

static void receive_message(struct paxos_core *core, const struct paxos_message *message)
{
    if (!is_sound(core, message) || receive_identity(core, message) ||
        !core->is_start_durable || !gate_admit(core, message)) {
        return;
    }
    if (!receive_anyway(core, message) &&
        (core->role >= PAXOS_FOLLOWER || MUTANT_IS(93))) {
        receive_voting(core, message);
    }
}

static void receive_tick(struct paxos_core *core)
{
    if (core->now_ms >= core->next_hello_ms) {
        gate_tick(core);
    }
    if (core->role == PAXOS_FORMING) {
        return;
    }
    if (core->now_ms >= core->election.round_end_ms) {
        election_tick(core);
    }
    if (core->now_ms >= core->next_resend_ms) {
        core->next_resend_ms =
            core->now_ms + core->settings.resend_ms / RESEND_DIVISOR + 1;
        repair_tick(core);
        proposer_tick(core);
        sync_tick(core);
        leader_tick(core);
    }
}

/* Anything but time, the disk and what nodes say to each other all the time. */
static bool is_activity(const struct paxos_event *event)
{
    if (event->type == PAXOS_EVENT_MESSAGE) {
        return event->message->type > PAXOS_HEARTBEAT_REPLY;
    }
    return event->type != PAXOS_EVENT_TICK && event->type != PAXOS_EVENT_PERSISTED;
}

static void receive_event(struct paxos_core *core, const struct paxos_event *event)
{
    if (is_activity(event)) {
        election_note_activity(core);
    }
    switch ((enum paxos_event_type)event->type) {
    case PAXOS_EVENT_TICK:
        break;
    case PAXOS_EVENT_MESSAGE:
        receive_message(core, event->message);
        break;
    case PAXOS_EVENT_PERSISTED:
        receive_persisted(core, event);
        break;
    case PAXOS_EVENT_PROPOSE:
        leader_propose(core, event);
        break;
    case PAXOS_EVENT_READ:
        reads_add(core);
        break;
    case PAXOS_EVENT_PEER_LOST:
        if (event->peer < core->settings.member_count) {
            election_peer_lost(core, event->peer);
        }
        break;
    case PAXOS_EVENT_DISK_SLOW:
        core->disk.in_flight_us = event->sync_us;
        break;
    case PAXOS_EVENT_DISK_ROOM:
        core->disk.is_full = event->has_room == 0;
        break;
    case PAXOS_EVENT_RESIGN:
        core->election.is_resigning = true;
        leader_resign(core);
        break;
    case PAXOS_EVENT_BEHIND:
        core->is_behind = event->is_behind;
        break;
    }
}

static void begin_effects(struct paxos_core *core, struct paxos_effects *effects)
{
    // Not memset: the message arrays are large and guarded by their counts.
    effects->persist = (struct paxos_persist){0};
    effects->taken_first = effects->taken_count = 0;
    effects->now_count = effects->after_sync_count = 0;
    effects->read_id = effects->read_ready_id = effects->read_ready_slot = 0;
    effects->proposed_slot = 0;
    effects->refusal = PAXOS_REFUSED_NOT;
    effects->serve = (struct paxos_serve){0};
    effects->has_entries = false;
    effects->trace_count = 0;
    core->effects = effects;
    core->applied_floor = core->log.decided;
    if (core->staging.is_active && core->staging.from < core->applied_floor) {
        core->applied_floor = core->staging.from;
    }
    // Now, not at the end: what a step's messages name must still be there when it
    // returns.
    bool is_trimmed = BUGGIFY(core->settings.buggify, RING_TRIMMED);
    uint64_t ring_bytes = is_trimmed ? 0 : core->settings.ring_bytes;
    log_trim_bytes(&core->log, ring_bytes, core->applied_floor);
}

/* Local invariants of PAXOS 3, compared with the previous step's state too. */
static void check_invariants(struct paxos_core *core)
{
    const struct slot_log *log = &core->log;
    CHECK(!ballot_less(core->promised, core->accepted));        // I4
    CHECK(!ballot_less(core->promised, core->last_promised));   // I4
    CHECK(!ballot_less(core->accepted, core->last_accepted));   // I4
    CHECK(log->decided >= core->last_decided || MUTANT_IS(10)); // I7
    CHECK(log->decided <= log->length || MUTANT_IS(10) || MUTANT_IS(13));
    CHECK(log->durable <= log->length);
    CHECK(log->base <= log->decided);
    CHECK(log->base <= log->durable);
    CHECK(log->length - log->base <= log->mask + 1);
    CHECK(core->durable_token <= core->last_token);
    if (core->role == PAXOS_LEADER) {
        CHECK(ballot_equal(core->accepted, core->proposer.ballot));
        CHECK(ballot_equal(core->promised, core->proposer.ballot));
        CHECK(log->length >= core->proposer.sync_length);
    }
    core->last_promised = core->promised;
    core->last_accepted = core->accepted;
    core->last_decided = log->decided;
}

void paxos_step(struct paxos_core *core,
                const struct paxos_event *event,
                struct paxos_effects *effects)
{
    begin_effects(core, effects);
    // Time never goes back, whatever the caller's clock does.
    core->now_ms = event->now_ms > core->now_ms ? event->now_ms : core->now_ms;
    if (core->halt == PAXOS_HALT_NONE) {
        receive_event(core, event);
        receive_tick(core);
        leader_pump(core);
        reads_pump(core);
    }
    effects->after_sync_token = core->last_token;
    // The hint in the record is what this step has learned, not what it began with: on
    // recovery no more than a window may be undecided.
    effects->persist.decided = core->log.decided;
    effects->decided = core->log.decided;
    effects->halt = core->halt;
    effects->halt_peer = core->halt_peer;
    if (core->halt != PAXOS_HALT_NONE) {
        effects->now_count = effects->after_sync_count = 0;
    }
    check_invariants(core);
    core->effects = NULL;
}
