/*
 * effects.c - what a step of the core asks for, carried out in the one legal order:
 * bodies, persist, send, apply, answer, serve, halt (include/consens/paxos.h, the law
 * on top).
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

static void take_bodies(struct replica *replica,
                        const struct paxos_event *event,
                        const struct cs_view *payloads);
static void persist(struct replica *replica);
static void send_all(struct replica *replica);
static void note_leader(struct replica *replica);
static void trace_and_halt(struct replica *replica);

void effects_step(struct replica *replica,
                  const struct paxos_event *event,
                  const struct cs_view *payloads)
{
    struct paxos_effects *effects = &replica->effects;
    if (replica->halt != PAXOS_HALT_NONE) {
        effects->proposed_slot = 0;
        return;
    }
    cs_slot decided_before = replica->view.decided;
    paxos_step(replica->core, event, effects);
    replica->view = paxos_view_of(replica->core);
    if (replica->ports.stepped != NULL) {
        replica->ports.stepped(replica->ports.context, replica->core, event, effects,
                               &replica->view);
    }
    settle_note_step(replica, event, decided_before);
    take_bodies(replica, event, payloads);
    persist(replica);
    send_all(replica);
    apply_decided(replica, effects->decided);
    if (replica->halt != PAXOS_HALT_NONE) {
        effects->proposed_slot = 0;
        return; // nothing more is sent or answered
    }
    note_leader(replica);
    settle_answer(replica);
    bodies_drop(&replica->bodies, replica->view.base);
    if (event->type == PAXOS_EVENT_READ) {
        queries_note_id(replica, effects->read_id);
    }
    queries_confirm(replica, effects->read_ready_id, effects->read_ready_slot);
    queries_answer(replica);
    if (effects->serve.wanted) {
        serve_fetch(replica, &effects->serve);
    }
    trace_and_halt(replica);
}

/* The digest the log has at a slot, so that its body is never the one to be dropped. */
static const struct paxos_digest *digest_in_log(const struct replica *replica,
                                                cs_slot slot)
{
    bool is_in_memory = slot > replica->view.base && slot <= replica->view.length;
    return is_in_memory ? &paxos_entry_at(replica->core, slot)->digest : NULL;
}

static void take_bodies(struct replica *replica,
                        const struct paxos_event *event,
                        const struct cs_view *payloads)
{
    const struct paxos_effects *effects = &replica->effects;
    if (event->type == PAXOS_EVENT_PROPOSE && effects->proposed_slot != 0) {
        const struct paxos_entry *entry =
            paxos_entry_at(replica->core, effects->proposed_slot);
        bodies_put(&replica->bodies, entry, payloads[0], &entry->digest);
        return;
    }
    for (uint32_t i = 0; i < effects->taken_count; i++) {
        CHECK(event->message != NULL);
        uint32_t at = effects->taken_first + i;
        const struct paxos_entry *entry = &event->message->entries[at];
        const struct paxos_digest *in_log = digest_in_log(replica, entry->slot);
        bodies_put(&replica->bodies, entry, payloads[at], in_log);
    }
}

/* Identities and payloads of `count` slots from `first`, into the scratch arrays. */
static void collect_entries(struct replica *replica, cs_slot first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        replica->entries[i] = *paxos_entry_at(replica->core, first + i);
        replica->payloads[i] = bodies_get(&replica->bodies, &replica->entries[i]);
    }
}

static void persist(struct replica *replica)
{
    const struct paxos_persist *record = &replica->effects.persist;
    if (record->kind == PAXOS_PERSIST_NONE) {
        return;
    }
    if (record->kind == PAXOS_PERSIST_FETCHED) {
        // A Promise still waiting speaks of the log before this record: it is lost, as any
        // message may be, rather than said when it is no longer true (I10).
        replica->held.count = MUTANT_IS(188) ? replica->held.count : 0;
    }
    collect_entries(replica, record->first_slot, record->entry_count);
    replica->record_bytes.bytes = 0;
    wal_pack_record(&replica->record_bytes, record, replica->entries, replica->payloads,
                    paxos_config_of(replica->core), paxos_watermarks_of(replica->core));
    replica->ports.append_log(replica->ports.context,
                              view_of_buffer(&replica->record_bytes));
}

/* The slot that the message's entries follow. */
static cs_slot entries_follow(const struct paxos_message *message)
{
    if (message->type == PAXOS_ACCEPT_SYNC) {
        return message->accept_sync.from;
    }
    if (message->type == PAXOS_ACCEPT) {
        return message->accept.previous;
    }
    CHECK(message->entry_count == 0);
    return 0;
}

static void pack(struct replica *replica, const struct paxos_message *message)
{
    CHECK(message->to != replica->settings.core.seat);
    CHECK(message->to < replica->settings.core.member_count);
    CHECK(message->entry_count <= LIMIT_MESSAGE_ENTRIES);
    collect_entries(replica, entries_follow(message) + 1, message->entry_count);
    wire_pack_core(&replica->frame_bytes, message, replica->entries, replica->payloads);
}

static void hold(struct replica *replica, uint32_t seat, uint64_t token)
{
    struct held_frames *held = &replica->held;
    bool is_dropped =
        BUGGIFY(replica->settings.core.buggify, HELD_DROPPED) && (token & 3) == 0;
    if (is_dropped || held->count == HELD_FRAMES_MAX) {
        return; // lost, as any frame may be: the core repeats
    }
    struct held_frame *frame = &held->ring[(held->first + held->count) % HELD_FRAMES_MAX];
    frame->token = token;
    frame->seat = seat;
    frame->bytes.bytes = 0;
    buffer_append(&frame->bytes, replica->frame_bytes.data, replica->frame_bytes.bytes);
    held->count++;
}

/* Buggify: lost before it leaves, as any message may be. */
static bool is_lost_early(const struct replica *replica,
                          const struct paxos_message *message,
                          uint32_t index)
{
    const uint64_t *points = replica->settings.core.buggify;
    bool is_nack = message->type == PAXOS_NACK && BUGGIFY(points, NACK_LOST);
    bool is_late = index >= 6 && BUGGIFY(points, MESSAGES_FEW);
    return (is_nack || is_late) && (replica->now_ms & 1) != 0;
}

static void send_all(struct replica *replica)
{
    const struct paxos_effects *effects = &replica->effects;
    const struct replica_ports *ports = &replica->ports;
    for (uint32_t i = 0; i < effects->now_count; i++) {
        const struct paxos_message *message = &effects->messages_now[i];
        if (is_lost_early(replica, message, i)) {
            continue;
        }
        pack(replica, message);
        ports->send_peer(ports->context, message->to,
                         view_of_buffer(&replica->frame_bytes));
        if (message->type > PAXOS_HEARTBEAT_REPLY &&
            BUGGIFY(replica->settings.core.buggify, SEND_TWICE)) {
            ports->send_peer(ports->context, message->to,
                             view_of_buffer(&replica->frame_bytes));
        }
    }
    uint64_t token = effects->after_sync_token;
    bool is_durable = token <= replica->view.durable_token || MUTANT_IS(62);
    for (uint32_t i = 0; i < effects->after_sync_count; i++) {
        const struct paxos_message *message = &effects->messages_after_sync[i];
        pack(replica, message);
        if (is_durable) {
            ports->send_peer(ports->context, message->to,
                             view_of_buffer(&replica->frame_bytes));
        } else {
            hold(replica, message->to, token);
        }
    }
}

void effects_release_held(struct replica *replica)
{
    struct held_frames *held = &replica->held;
    const struct replica_ports *ports = &replica->ports;
    if (replica->halt != PAXOS_HALT_NONE) {
        return;
    }
    while (held->count > 0) {
        struct held_frame *frame = &held->ring[held->first];
        if (frame->token > replica->view.durable_token && !MUTANT_IS(189)) {
            return;
        }
        ports->send_peer(ports->context, frame->seat, view_of_buffer(&frame->bytes));
        held->first = (held->first + 1) % HELD_FRAMES_MAX;
        held->count--;
    }
}

void effects_send_message(struct replica *replica,
                          const struct paxos_message *message,
                          const struct paxos_entry *entries,
                          const struct cs_view *payloads)
{
    wire_pack_core(&replica->frame_bytes, message, entries, payloads);
    replica->ports.send_peer(replica->ports.context, message->to,
                             view_of_buffer(&replica->frame_bytes));
}

/*
 * A leader with a quorum hears itself, from when it has decided what it inherited. One
 * word at a time is waited for: under load the newest is always a little ahead.
 */
static void note_leader(struct replica *replica)
{
    const struct paxos_view *view = &replica->view;
    struct freshness *fresh = &replica->freshness;
    cs_slot told = 0;
    uint64_t told_ms = 0;
    bool is_led = paxos_leader_told(replica->core, &told, &told_ms);
    bool leads = view->role == PAXOS_LEADER && view->quorum_heard &&
                 view->decided >= view->sync_length;
    if (leads) {
        told = view->decided;
        told_ms = replica->now_ms;
    }
    bool is_reached = replica->applied >= fresh->told || !fresh->is_told;
    if ((is_led || leads) && told_ms >= fresh->told_ms && (is_reached || leads)) {
        fresh->is_told = true;
        fresh->told = told;
        fresh->told_ms = told_ms;
    }
    if (fresh->is_told && (replica->applied >= fresh->told || MUTANT_IS(285))) {
        fresh->is_known = true;
        fresh->fresh_ms = fresh->told_ms;
    }
}

static void trace_and_halt(struct replica *replica)
{
    const struct paxos_effects *effects = &replica->effects;
    for (uint32_t i = 0; i < effects->trace_count; i++) {
        replica->ports.trace(replica->ports.context, &effects->traces[i]);
    }
    if (effects->halt != PAXOS_HALT_NONE) {
        replica->halt = effects->halt;
        replica->halt_peer = effects->halt_peer;
    }
}
