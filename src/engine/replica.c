#include "engine/replica.h"

#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

#include <stdlib.h>

static void check_settings(const struct replica_settings *settings);
static void make_scratch(struct replica *replica);

struct replica *replica_new(const struct replica_settings *settings,
                            const struct replica_ports *ports,
                            const struct paxos_recovered *recovered)
{
    check_settings(settings);
    struct replica *replica = calloc(1, sizeof *replica);
    CHECK(replica != NULL);
    replica->settings = *settings;
    replica->ports = *ports;
    replica->has_room = true;
    replica->now_ms = settings->core.now_ms;
    replica->started_ms = settings->core.now_ms;
    replica->promised_at_boot = recovered->promised;
    replica->settling.accepted = recovered->accepted;
    replica->settling.accepted_length = recovered->length;
    make_scratch(replica);
    bodies_init(&replica->bodies, settings->core.ring_entries, recovered->base);
    waiters_init(&replica->waiters, settings->requests_waiting_max);
    // A disk that was put back as it was makes this boot's number one that was used before
    // (G3): what that life proposed must answer nobody now.
    replica->waiters.last_id = settings->core.nonce >> 2;
    replica->kv = kv_new();
    CHECK(replica->kv != NULL);
    if (settings->sessions_max > 0) {
        kv_bound_sessions(replica->kv, settings->sessions_max, settings->session_idle_ms);
    }
    replica->core = paxos_init(replica->core_memory, &settings->core, recovered);
    replica->view = paxos_view_of(replica->core);
    if (ports->begun != NULL) {
        ports->begun(ports->context, &settings->core, recovered, replica->core);
    }
    return replica;
}

void replica_destroy(struct replica **replica_slot)
{
    struct replica *replica = *replica_slot;
    if (replica == NULL) {
        return;
    }
    for (uint32_t i = 0; i < replica->waiters.used; i++) {
        struct waiter *waiter = &replica->waiters.table[i];
        if (waiter->state == WAITER_SENT || waiter->state == WAITER_PROPOSED) {
            write_item_destroy(&waiter->item);
        }
    }
    write_queue_fini(&replica->writes);
    waiters_fini(&replica->waiters);
    bodies_fini(&replica->bodies);
    kv_destroy(&replica->kv);
    for (uint32_t i = 0; i < HELD_FRAMES_MAX; i++) {
        buffer_fini(&replica->held.ring[i].bytes);
    }
    free(replica->held.ring);
    batch_fini(&replica->builder);
    buffer_fini(&replica->frame_bytes);
    buffer_fini(&replica->record_bytes);
    buffer_fini(&replica->command_bytes);
    buffer_fini(&replica->text);
    free(replica->entries);
    free(replica->payloads);
    free(replica->core_memory);
    free(replica);
    *replica_slot = NULL;
}

bool replica_replay(struct replica *replica,
                    const struct paxos_entry *entry,
                    struct cs_view payload)
{
    if (entry->slot <= replica->view.decided && entry->slot == replica->applied + 1) {
        if (!apply_entry(replica, entry, payload)) {
            return false;
        }
        replica->applied = entry->slot;
    }
    bodies_put(&replica->bodies, entry, payload, NULL);
    return true;
}

cs_slot replica_replay_past(struct replica *replica, const struct wal_fault *fault)
{
    // What follows cannot be applied before they are repaired; what the core refers to is
    // kept.
    cs_slot last = fault->last < replica->view.base ? replica->view.base : fault->last;
    return last + 1;
}

void replica_on_tick(struct replica *replica, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    if (!replica->has_ticked && !MUTANT_IS(325)) {
        replica->started_ms = now_ms; // the log may have taken long to replay
    }
    if (!replica->has_ticked || now_ms >= replica->view.next_tick_ms) {
        replica->has_ticked = true;
        struct paxos_event event = {.type = PAXOS_EVENT_TICK, .now_ms = now_ms};
        effects_step(replica, &event, NULL);
        mend_tick(replica);
        mend_note_watermarks(replica);
    }
    answers_expire(replica);
}

static void receive_core(struct replica *replica)
{
    struct paxos_message *message = &replica->frame.core;
    struct paxos_event event = {
        .type = PAXOS_EVENT_MESSAGE,
        .now_ms = replica->now_ms,
        .message = message,
    };
    effects_step(replica, &event, replica->frame.payloads);
    if (replica->halt == PAXOS_HALT_NONE && replica->effects.has_entries) {
        mend_receive(replica, message, replica->frame.payloads);
    }
}

static bool is_for_us(const struct replica *replica,
                      uint32_t from,
                      uint32_t to,
                      struct paxos_id cluster_id)
{
    struct paxos_id own = paxos_config_of(replica->core)->cluster_id;
    bool has_past = own.high != 0 || own.low != 0;
    return has_past && cluster_id.high == own.high && cluster_id.low == own.low &&
           to == replica->settings.core.seat && from != to &&
           from < replica->settings.core.member_count;
}

void replica_on_frame(struct replica *replica, struct cs_view bytes, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    struct wire_frame *frame = &replica->frame;
    if (replica->halt != PAXOS_HALT_NONE) {
        return;
    }
    enum wire_status status = wire_unpack(bytes, frame);
    if (status != WIRE_OK) {
        replica->stats.frames_dropped++;
        bool is_other = status == WIRE_BAD_VERSION || status == WIRE_BAD_KIND;
        if (is_other && !MUTANT_IS(288)) {
            replica->other_release = status;
            replica->other_release_ms = now_ms;
        }
        return;
    }
    if (frame->kind == WIRE_CORE) {
        receive_core(replica);
        return;
    }
    const struct wire_forward *forward = &frame->forward;
    const struct wire_refused *refused = &frame->refused;
    if (frame->kind == WIRE_FORWARD &&
        is_for_us(replica, forward->from, forward->to, forward->cluster_id)) {
        forward_receive(replica, forward);
    } else if (frame->kind == WIRE_REFUSED &&
               is_for_us(replica, refused->from, refused->to, refused->cluster_id)) {
        forward_receive_refusal(replica, refused);
    } else {
        replica->stats.frames_dropped++;
    }
}

void replica_on_durable(struct replica *replica,
                        uint64_t token,
                        uint64_t block,
                        uint64_t sync_us,
                        uint64_t now_ms)
{
    replica->now_ms = now_ms;
    struct paxos_event event = {
        .type = PAXOS_EVENT_PERSISTED,
        .now_ms = now_ms,
        .token = token,
        .block = block,
        .sync_us = sync_us,
    };
    effects_step(replica, &event, NULL);
    effects_release_held(replica);
}

void replica_on_slice(struct replica *replica,
                      uint64_t cookie,
                      const struct wal_slice *slice,
                      uint64_t now_ms)
{
    replica->now_ms = now_ms;
    if (replica->halt == PAXOS_HALT_NONE && !mend_take_slice(replica, cookie, slice)) {
        serve_slice(replica, cookie, slice);
    }
}

void replica_take_request(struct replica *replica,
                          uint64_t client,
                          const struct request *request,
                          uint64_t now_ms)
{
    replica->now_ms = now_ms;
    if (replica->halt != PAXOS_HALT_NONE) {
        return; // as above
    }
    switch ((enum request_kind)request->kind) {
    case REQUEST_WRITE:
        writes_add(replica, client, request);
        return;
    case REQUEST_GET:
    case REQUEST_HEAD:
        queries_add(replica, client, request);
        return;
    case REQUEST_STATUS:
        status_answer(replica, client, request->ticket);
        return;
    case REQUEST_READY:
        status_answer_ready(replica, client, request->ticket);
        return;
    case REQUEST_KINDS:
        break;
    }
    answers_refuse(replica, client, request->ticket, CS_MALFORMED);
}

void replica_on_request(struct replica *replica,
                        uint64_t client,
                        struct cs_view bytes,
                        uint64_t now_ms)
{
    replica->now_ms = now_ms;
    struct request request = {0};
    if (replica->halt != PAXOS_HALT_NONE) {
        return; // the process is about to end; the client's end sees it go
    }
    if (!request_unpack(bytes, &request)) {
        answers_refuse(replica, client, request.ticket, CS_MALFORMED);
        return;
    }
    replica_take_request(replica, client, &request, now_ms);
    if (BUGGIFY(replica->settings.core.buggify, FLUSH_EARLY)) {
        replica_flush(replica, now_ms);
    }
}

void replica_on_peer_lost(struct replica *replica, uint32_t seat, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    struct paxos_event event = {
        .type = PAXOS_EVENT_PEER_LOST,
        .now_ms = now_ms,
        .peer = seat,
    };
    effects_step(replica, &event, NULL);
}

void replica_on_room(struct replica *replica, bool has_room)
{
    replica->has_room = has_room;
    struct paxos_event event = {
        .type = PAXOS_EVENT_DISK_ROOM,
        .now_ms = replica->now_ms,
        .has_room = has_room,
    };
    effects_step(replica, &event, NULL);
}

void replica_on_disk_slow(struct replica *replica, uint64_t sync_us, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    struct paxos_event event = {
        .type = PAXOS_EVENT_DISK_SLOW,
        .now_ms = now_ms,
        .sync_us = sync_us,
    };
    effects_step(replica, &event, NULL);
}

void replica_stop(struct replica *replica, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    replica->is_stopping = true;
    struct paxos_event event = {.type = PAXOS_EVENT_RESIGN, .now_ms = now_ms};
    effects_step(replica, &event, NULL);
}

void replica_flush(struct replica *replica, uint64_t now_ms)
{
    replica->now_ms = now_ms;
    if (replica->halt != PAXOS_HALT_NONE) {
        return;
    }
    // Reads first: the round they ask for can then ride on the Accepts of the writes.
    queries_flush(replica);
    if (BUGGIFY(replica->settings.core.buggify, FLUSH_LATE) && (now_ms & 3) != 0) {
        return;
    }
    writes_flush(replica);
}

bool replica_is_drained(const struct replica *replica)
{
    uint32_t own_mask = 1u << replica->settings.core.seat;
    bool is_leading = writes_is_candidate(replica);
    bool is_alone = (replica->view.heard_mask & ~own_mask) == 0;
    return replica->waiters.count == 0 && (!is_leading || is_alone);
}

uint64_t replica_next_tick_ms(const struct replica *replica)
{
    uint64_t next_ms = replica->view.next_tick_ms;
    uint64_t deadline_ms = waiters_next_deadline(&replica->waiters);
    next_ms = deadline_ms < next_ms ? deadline_ms : next_ms;
    uint64_t hold_ms = replica->forwarding.hold_until_ms;
    if (replica->writes.first != NULL && hold_ms > replica->now_ms && hold_ms < next_ms) {
        next_ms = hold_ms;
    }
    uint64_t grace_ms = replica->started_ms + STARTING_GRACE_MS;
    if (replica->waiters.count > 0 && grace_ms > replica->now_ms && grace_ms < next_ms) {
        next_ms = grace_ms;
    }
    return next_ms;
}

const char *replica_other_release(const struct replica *replica)
{
    bool is_now = replica->other_release != WIRE_OK &&
                  replica->now_ms <= replica->other_release_ms + OTHER_RELEASE_MS;
    return is_now ? wire_status_text(replica->other_release) : NULL;
}

uint32_t replica_halt(const struct replica *replica)
{
    return replica->halt;
}

uint32_t replica_halt_peer(const struct replica *replica)
{
    return replica->halt_peer;
}

void replica_lost_slots(const struct replica *replica,
                        cs_slot *out_first,
                        cs_slot *out_last)
{
    const struct wal_fault *fault = &replica->mend.fault;
    bool is_decided = fault->first != 0;
    *out_first = is_decided ? fault->first : replica->view.faulty_first;
    *out_last = is_decided ? fault->last : replica->view.faulty_last;
}

struct paxos_view replica_view(const struct replica *replica)
{
    return replica->view;
}

cs_slot replica_applied(const struct replica *replica)
{
    return replica->applied;
}

const struct kv *replica_state(const struct replica *replica)
{
    return replica->kv;
}

const struct paxos_core *replica_core(const struct replica *replica)
{
    return replica->core;
}

struct replica_stats replica_stats_of(const struct replica *replica)
{
    struct replica_stats stats = replica->stats;
    stats.requests_waiting = replica->waiters.count;
    return stats;
}

static void check_settings(const struct replica_settings *settings)
{
    CHECK(settings->core.member_count >= 1);
    CHECK(settings->core.member_count <= PAXOS_MEMBERS_MAX);
    CHECK(settings->core.seat < settings->core.member_count);
    CHECK(settings->core.message_entries <= LIMIT_MESSAGE_ENTRIES);
    CHECK(settings->core.message_bytes <= LIMIT_MESSAGE_BYTES);
    CHECK(settings->requests_waiting_max > 0);
    CHECK(settings->batch_commands_max > 0);
    CHECK(settings->batch_commands_max <= LIMIT_BATCH_COMMANDS);
    CHECK(settings->batch_bytes_max <= LIMIT_ENTRY_BYTES);
    CHECK(settings->seat_names != NULL);
}

static void make_scratch(struct replica *replica)
{
    const struct paxos_settings *core = &replica->settings.core;
    size_t count = core->ring_entries;
    count = count < LIMIT_MESSAGE_ENTRIES ? LIMIT_MESSAGE_ENTRIES : count;
    replica->entries = calloc(count, sizeof *replica->entries);
    replica->payloads = calloc(count, sizeof *replica->payloads);
    replica->held.ring = calloc(HELD_FRAMES_MAX, sizeof *replica->held.ring);
    size_t core_bytes = (paxos_core_bytes(core) + 15) / 16 * 16;
    replica->core_memory = aligned_alloc(16, core_bytes);
    CHECK(replica->entries != NULL);
    CHECK(replica->payloads != NULL);
    CHECK(replica->held.ring != NULL);
    CHECK(replica->core_memory != NULL);
}
