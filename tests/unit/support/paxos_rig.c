#include "unit/support/paxos_rig.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 1000, PAYLOAD_BYTES = 100, TICKS_MAX = 100 * 1000 };

struct paxos_id paxos_rig_incarnation(uint32_t seat)
{
    struct paxos_id id = {.high = 7, .low = 1 + seat};
    return id;
}

struct paxos_ballot paxos_rig_ballot(uint32_t round, uint32_t seat)
{
    struct paxos_ballot ballot = {.epoch = 1, .round = round, .node = seat + 1};
    return ballot;
}

struct paxos_entry paxos_rig_entry(cs_slot slot, uint64_t value)
{
    struct paxos_entry entry = {.slot = slot,
                                .time_ms = slot,
                                .payload_bytes = PAYLOAD_BYTES,
                                .type = PAXOS_ENTRY_BATCH,
                                .digest = {.high = 1, .low = value}};
    return entry;
}

struct paxos_digest paxos_rig_chain(cs_slot slot, uint64_t first)
{
    struct paxos_digest chain = {0};
    for (cs_slot at = 1; at <= slot; at++) {
        struct paxos_entry entry = paxos_rig_entry(at, first + at - 1);
        chain = paxos_chain_next(chain, &entry);
    }
    return chain;
}

/* ---- life ---- */

void paxos_rig_init(struct paxos_rig *rig, uint32_t seat, uint32_t member_count)
{
    *rig = (struct paxos_rig){.now_ms = START_MS, .block = 10};
    rig->settings = (struct paxos_settings){.seat = seat,
                                            .member_count = member_count,
                                            .incarnation = paxos_rig_incarnation(seat),
                                            .fresh_cluster_id = {.high = 99, .low = 1},
                                            .boot = 3,
                                            .nonce = 33,
                                            .seed = 1,
                                            .now_ms = START_MS,
                                            .heartbeat_ms = 50,
                                            .resend_ms = 100,
                                            .stall_ms = 1000,
                                            .read_retry_ms = 150,
                                            .window_entries = 4,
                                            .window_bytes = 1000 * 1000,
                                            .ring_entries = 16,
                                            .ring_bytes = 4 * 1000 * 1000,
                                            .message_entries = 8,
                                            .message_bytes = 1000 * 1000};
    struct paxos_config *config = &rig->recovered.config;
    config->cluster_id = (struct paxos_id){.high = 9, .low = 9};
    config->epoch = 1;
    config->member_count = member_count;
    config->started = 1;
    for (uint32_t at = 0; at < member_count; at++) {
        config->node[at] = at + 1;
        config->incarnation[at] = paxos_rig_incarnation(at);
    }
    rig->recovered.block = rig->block;
}

void paxos_rig_start(struct paxos_rig *rig)
{
    size_t bytes = (paxos_core_bytes(&rig->settings) + 15) / 16 * 16;
    rig->memory = aligned_alloc(16, bytes);
    CHECK(rig->memory != NULL);
    memset(rig->memory, 0xa5, bytes); // nothing may rely on zeros
    rig->core = paxos_init(rig->memory, &rig->settings, &rig->recovered);
    rig->view = paxos_view_of(rig->core);
    if (rig->watch != NULL) {
        rig->watch(rig->watch_context, NULL);
    }
    struct paxos_event tick = {.type = PAXOS_EVENT_TICK};
    paxos_rig_step(rig, &tick);
}

void paxos_rig_open_gate(struct paxos_rig *rig)
{
    for (uint32_t seat = 0; seat < rig->settings.member_count; seat++) {
        if (seat == rig->settings.seat) {
            continue;
        }
        struct paxos_message message = paxos_rig_hello_reply(rig, seat);
        paxos_rig_receive(rig, &message);
    }
    CHECK(rig->view.role == PAXOS_FOLLOWER);
}

void paxos_rig_make(struct paxos_rig *rig)
{
    paxos_rig_init(rig, 0, 3);
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
}

struct paxos_ballot paxos_rig_make_promised(struct paxos_rig *rig)
{
    struct paxos_ballot ballot = paxos_rig_ballot(1, 1);
    paxos_rig_make(rig);
    paxos_rig_promise(rig, ballot);
    return ballot;
}

struct paxos_ballot paxos_rig_make_follower(struct paxos_rig *rig, cs_slot length)
{
    struct paxos_ballot ballot = paxos_rig_ballot(1, 1);
    paxos_rig_make(rig);
    paxos_rig_follow(rig, ballot, length);
    return ballot;
}

void paxos_rig_make_preparing(struct paxos_rig *rig)
{
    paxos_rig_make(rig);
    paxos_rig_take_over(rig);
    paxos_rig_persisted(rig);
}

void paxos_rig_make_leader(struct paxos_rig *rig)
{
    paxos_rig_make(rig);
    paxos_rig_lead(rig);
}

void paxos_rig_fini(struct paxos_rig *rig)
{
    free(rig->memory);
    *rig = (struct paxos_rig){0};
}

/* ---- messages and time ---- */

struct paxos_message
paxos_rig_message(uint32_t type, uint32_t from, struct paxos_rig *rig)
{
    struct paxos_message message = {.type = type,
                                    .from = from,
                                    .to = rig->settings.seat,
                                    .epoch = rig->recovered.config.epoch,
                                    .cluster_id = rig->recovered.config.cluster_id,
                                    .from_incarnation = paxos_rig_incarnation(from),
                                    .to_incarnation = rig->settings.incarnation,
                                    .boot = 5};
    return message;
}

void paxos_rig_set_sender(struct paxos_message *message, uint32_t seat)
{
    message->from = seat;
    message->from_incarnation = paxos_rig_incarnation(seat);
}

void paxos_rig_fill(struct paxos_rig *rig,
                    struct paxos_message *message,
                    cs_slot from,
                    uint32_t count,
                    uint64_t value)
{
    CHECK(count <= RIG_ENTRIES);
    for (uint32_t i = 0; i < count; i++) {
        rig->entries[i] = paxos_rig_entry(from + 1 + i, value + i);
    }
    message->entries = rig->entries;
    message->entry_count = count;
}

struct paxos_message paxos_rig_entries(struct paxos_rig *rig,
                                       uint32_t seat,
                                       cs_slot from,
                                       uint32_t count,
                                       uint64_t first)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, seat, rig);
    message.log.from = from;
    message.log.from_chain = paxos_rig_chain(from, first);
    paxos_rig_fill(rig, &message, from, count, first + from);
    return message;
}

struct paxos_message paxos_rig_hello(struct paxos_rig *rig, uint32_t author)
{
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO, author, rig);
    message.hello.author = author;
    message.hello.incarnation = paxos_rig_incarnation(author);
    message.hello.cluster_id = rig->recovered.config.cluster_id;
    message.hello.boot = 5;
    message.hello.nonce = 500 + author;
    message.hello.block = 8;
    return message;
}

struct paxos_message paxos_rig_hello_reply(struct paxos_rig *rig, uint32_t author)
{
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO_REPLY, author, rig);
    struct paxos_hello_reply *reply = &message.hello_reply;
    reply->author = author;
    reply->about = rig->settings.seat;
    reply->author_incarnation = paxos_rig_incarnation(author);
    reply->author_cluster_id = rig->recovered.config.cluster_id;
    reply->about_boot = rig->settings.boot;
    reply->about_nonce = rig->settings.nonce;
    reply->known_incarnation = rig->settings.incarnation;
    return message;
}

void paxos_rig_step(struct paxos_rig *rig, const struct paxos_event *event)
{
    struct paxos_event now = *event;
    now.now_ms = rig->now_ms;
    paxos_step(rig->core, &now, &rig->effects);
    rig->view = paxos_view_of(rig->core);
    if (rig->watch != NULL) {
        rig->watch(rig->watch_context, &now);
    }
}

void paxos_rig_receive(struct paxos_rig *rig, const struct paxos_message *message)
{
    struct paxos_event event = {.type = PAXOS_EVENT_MESSAGE, .message = message};
    paxos_rig_step(rig, &event);
}

void paxos_rig_must_ignore(struct paxos_rig *rig, const struct paxos_message *message)
{
    paxos_rig_receive(rig, message);
    assert_int_equal(rig->effects.now_count, 0);
    assert_int_equal(rig->effects.after_sync_count, 0);
    assert_int_equal(rig->effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_int_equal(rig->effects.halt, PAXOS_HALT_NONE);
    assert_false(rig->effects.serve.wanted);
}

void paxos_rig_must_halt(struct paxos_rig *rig,
                         const struct paxos_message *message,
                         uint32_t reason)
{
    paxos_rig_receive(rig, message);
    assert_int_equal(rig->effects.halt, reason);
    assert_int_equal(rig->effects.now_count, 0); // nothing is sent any more
    assert_int_equal(rig->effects.after_sync_count, 0);
}

void paxos_rig_tick(struct paxos_rig *rig)
{
    struct paxos_event tick = {.type = PAXOS_EVENT_TICK};
    if (rig->now_ms < rig->view.next_tick_ms) {
        rig->now_ms = rig->view.next_tick_ms;
    }
    paxos_rig_step(rig, &tick);
}

void paxos_rig_wait(struct paxos_rig *rig, uint64_t ms)
{
    uint64_t until_ms = rig->now_ms + ms;
    rig->effects = (struct paxos_effects){0};
    for (int i = 0; i < TICKS_MAX && rig->view.next_tick_ms <= until_ms; i++) {
        paxos_rig_tick(rig);
    }
    rig->now_ms = until_ms;
}

void paxos_rig_persisted(struct paxos_rig *rig)
{
    rig->block++;
    struct paxos_event event = {.type = PAXOS_EVENT_PERSISTED,
                                .token = rig->view.last_token,
                                .block = rig->block,
                                .sync_us = 500};
    paxos_rig_step(rig, &event);
}

static const struct paxos_message *
find(const struct paxos_message *messages, uint32_t count, uint32_t type, uint32_t to)
{
    for (uint32_t i = 0; i < count; i++) {
        if (messages[i].type == type && messages[i].to == to) {
            return &messages[i];
        }
    }
    return NULL;
}

const struct paxos_message *
paxos_rig_sent_now(const struct paxos_rig *rig, uint32_t type, uint32_t to)
{
    return find(rig->effects.messages_now, rig->effects.now_count, type, to);
}

const struct paxos_message *
paxos_rig_sent_after_sync(const struct paxos_rig *rig, uint32_t type, uint32_t to)
{
    return find(rig->effects.messages_after_sync, rig->effects.after_sync_count, type,
                to);
}

bool paxos_rig_has_traced(const struct paxos_rig *rig, uint32_t kind)
{
    for (uint32_t i = 0; i < rig->effects.trace_count; i++) {
        if (rig->effects.traces[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* ---- a follower's steps ---- */

struct paxos_message paxos_rig_prepare(struct paxos_rig *rig, struct paxos_ballot ballot)
{
    struct paxos_message message = paxos_rig_message(PAXOS_PREPARE, ballot.node - 1, rig);
    message.ballot = ballot;
    return message;
}

void paxos_rig_promise(struct paxos_rig *rig, struct paxos_ballot ballot)
{
    struct paxos_message message = paxos_rig_prepare(rig, ballot);
    paxos_rig_receive(rig, &message);
    paxos_rig_persisted(rig);
}

struct paxos_message
paxos_rig_sync(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot length)
{
    struct paxos_message message =
        paxos_rig_message(PAXOS_ACCEPT_SYNC, ballot.node - 1, rig);
    message.ballot = ballot;
    message.accept_sync.stream = 1;
    message.accept_sync.sync_length = length;
    message.accept_sync.sync_chain = paxos_rig_chain(length, 1);
    paxos_rig_fill(rig, &message, 0, (uint32_t)length, 1);
    return message;
}

void paxos_rig_follow(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot length)
{
    paxos_rig_promise(rig, ballot);
    struct paxos_message message = paxos_rig_sync(rig, ballot, length);
    paxos_rig_receive(rig, &message);
    paxos_rig_persisted(rig);
}

struct paxos_message paxos_rig_accept(struct paxos_rig *rig,
                                      struct paxos_ballot ballot,
                                      uint64_t sequence,
                                      uint32_t count)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ACCEPT, ballot.node - 1, rig);
    message.ballot = ballot;
    message.accept.stream = 1;
    message.accept.sequence = sequence;
    message.accept.previous = rig->view.length;
    message.accept.previous_chain = paxos_chain_at(rig->core, rig->view.length);
    paxos_rig_fill(rig, &message, rig->view.length, count, rig->view.length + 1);
    return message;
}

void paxos_rig_decide(struct paxos_rig *rig, struct paxos_ballot ballot, cs_slot decided)
{
    struct paxos_message message = paxos_rig_accept(rig, ballot, 1, 0);
    message.accept.decided = decided;
    paxos_rig_receive(rig, &message);
}

/* ---- a leader's steps ---- */

/* All others answer that they are unhappy, until two rounds have passed (E4). */
void paxos_rig_take_over(struct paxos_rig *rig)
{
    for (int round = 0; round < TICKS_MAX && rig->view.role != PAXOS_PREPARING; round++) {
        uint64_t number = 0;
        for (uint32_t seat = 0; seat < rig->settings.member_count; seat++) {
            const struct paxos_message *asked =
                paxos_rig_sent_now(rig, PAXOS_HEARTBEAT, seat);
            number = asked != NULL ? asked->heartbeat.round : number;
        }
        for (uint32_t seat = 0; seat < rig->settings.member_count && number != 0;
             seat++) {
            struct paxos_message reply =
                paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, rig);
            reply.heartbeat_reply.round = number;
            reply.heartbeat_reply.my_ballot = paxos_rig_ballot(0, seat);
            if (seat != rig->settings.seat) {
                paxos_rig_receive(rig, &reply);
            }
        }
        paxos_rig_tick(rig);
    }
    CHECK(rig->view.role == PAXOS_PREPARING);
}

struct paxos_message paxos_rig_promise_from(struct paxos_rig *rig, uint32_t seat)
{
    struct paxos_message message = paxos_rig_message(PAXOS_PROMISE, seat, rig);
    message.ballot = rig->view.promised;
    return message;
}

void paxos_rig_lead(struct paxos_rig *rig)
{
    paxos_rig_take_over(rig);
    paxos_rig_persisted(rig);
    for (uint32_t seat = 1; rig->view.role != PAXOS_LEADER; seat++) {
        struct paxos_message message = paxos_rig_promise_from(rig, seat);
        paxos_rig_receive(rig, &message);
    }
    paxos_rig_persisted(rig);
}

struct paxos_message
paxos_rig_accepted_from(struct paxos_rig *rig, uint32_t seat, cs_slot durable)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ACCEPTED, seat, rig);
    message.ballot = rig->view.promised;
    message.accepted.stream = seat; // streams are numbered as seats promise: 1, 2, ...
    message.accepted.durable = durable;
    return message;
}

cs_slot paxos_rig_propose(struct paxos_rig *rig)
{
    struct paxos_event event = {.type = PAXOS_EVENT_PROPOSE,
                                .entry = paxos_rig_entry(0, rig->view.length + 1)};
    paxos_rig_step(rig, &event);
    return rig->effects.proposed_slot;
}
