/*
 * wire_samples.c - every field is drawn by hand, type by type: a second opinion on the
 * tables of src/wire/peer_message.c.
 */
#include "unit/support/wire_samples.h"

#include "base/digest.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ENTRIES_DRAWN_MAX = 5 };

static uint8_t pool[WIRE_SAMPLE_POOL_BYTES];

static uint32_t draw_u32(uint64_t *seed)
{
    return (uint32_t)draw_any_width(seed);
}

static cs_slot draw_slot(uint64_t *seed)
{
    cs_slot slot = draw_any_width(seed);
    return slot > WIRE_SAMPLE_SLOT_MAX ? WIRE_SAMPLE_SLOT_MAX : slot;
}

static struct paxos_ballot draw_ballot(uint64_t *seed)
{
    struct paxos_ballot ballot = {.epoch = draw_u32(seed)};
    ballot.round = draw_u32(seed);
    ballot.node = draw_u32(seed);
    return ballot;
}

static struct paxos_id draw_id(uint64_t *seed)
{
    struct paxos_id id = {.high = draw_any_width(seed)};
    id.low = draw_any_width(seed);
    return id;
}

static struct paxos_digest draw_digest(uint64_t *seed)
{
    struct paxos_digest digest = {.high = draw_any_width(seed)};
    digest.low = draw_any_width(seed);
    return digest;
}

static void draw_hello(uint64_t *seed, struct paxos_hello *hello)
{
    hello->author = draw_below(seed, PAXOS_MEMBERS_MAX);
    hello->relayed = draw_below(seed, 2);
    hello->incarnation = draw_id(seed);
    hello->cluster_id = draw_id(seed);
    hello->boot = draw_any_width(seed);
    hello->nonce = draw_any_width(seed);
    hello->block = draw_any_width(seed);
    hello->promised = draw_ballot(seed);
}

static void draw_hello_reply(uint64_t *seed, struct paxos_hello_reply *reply)
{
    reply->author = draw_below(seed, PAXOS_MEMBERS_MAX);
    reply->about = draw_below(seed, PAXOS_MEMBERS_MAX);
    reply->author_incarnation = draw_id(seed);
    reply->author_cluster_id = draw_id(seed);
    reply->about_boot = draw_any_width(seed);
    reply->about_nonce = draw_any_width(seed);
    reply->seen.boot = draw_any_width(seed);
    reply->seen.block = draw_any_width(seed);
    reply->seen.promised = draw_ballot(seed);
    reply->twin_nonce = draw_any_width(seed);
}

static void draw_form(uint64_t *seed, struct paxos_form *form)
{
    form->config.cluster_id = draw_id(seed);
    form->config.epoch = draw_u32(seed);
    form->config.member_count = draw_below(seed, PAXOS_MEMBERS_MAX + 1);
    form->config.started = draw_below(seed, 2);
    for (uint32_t i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        form->config.node[i] = draw_u32(seed);
        form->config.incarnation[i] = draw_id(seed);
    }
    form->nonce = draw_any_width(seed);
}

static void draw_heartbeat_reply(uint64_t *seed, struct paxos_heartbeat_reply *reply)
{
    reply->round = draw_any_width(seed);
    reply->my_ballot = draw_ballot(seed);
    reply->leader = draw_ballot(seed);
    reply->promised = draw_ballot(seed);
    reply->durable = draw_slot(seed);
    reply->decided = draw_slot(seed);
    reply->decided_chain = draw_digest(seed);
    reply->block = draw_any_width(seed);
    reply->happy = draw_below(seed, 2);
    reply->gated = draw_below(seed, 2);
    reply->disk_us = draw_u32(seed);
}

static void draw_promise(uint64_t *seed, struct paxos_promise *promise)
{
    promise->accepted = draw_ballot(seed);
    promise->length = draw_slot(seed);
    promise->length_chain = draw_digest(seed);
    promise->decided = draw_slot(seed);
    promise->decided_chain = draw_digest(seed);
}

static void draw_accept_sync(uint64_t *seed, struct paxos_accept_sync *sync)
{
    sync->stream = draw_any_width(seed);
    sync->from = draw_slot(seed);
    sync->from_chain = draw_digest(seed);
    sync->sync_length = draw_slot(seed);
    sync->sync_chain = draw_digest(seed);
    sync->decided = draw_slot(seed);
    sync->more = draw_below(seed, 2);
}

static void draw_accept(uint64_t *seed, struct paxos_accept *accept)
{
    accept->stream = draw_any_width(seed);
    accept->sequence = draw_any_width(seed);
    accept->previous = draw_slot(seed);
    accept->previous_chain = draw_digest(seed);
    accept->decided = draw_slot(seed);
    accept->read_round = draw_any_width(seed);
}

static void draw_accepted(uint64_t *seed, struct paxos_accepted *accepted)
{
    accepted->stream = draw_any_width(seed);
    accepted->durable = draw_slot(seed);
    accepted->read_round = draw_any_width(seed);
    accepted->decided = draw_slot(seed);
}

/* Every field of the union's member, by hand: a second opinion on the tables. */
static void draw_member(uint64_t *seed, struct paxos_message *message)
{
    switch ((enum paxos_message_type)message->type) {
    case PAXOS_HELLO:
        draw_hello(seed, &message->hello);
        return;
    case PAXOS_HELLO_REPLY:
        draw_hello_reply(seed, &message->hello_reply);
        return;
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
        draw_form(seed, &message->form);
        return;
    case PAXOS_HEARTBEAT:
        message->heartbeat.round = draw_any_width(seed);
        return;
    case PAXOS_HEARTBEAT_REPLY:
        draw_heartbeat_reply(seed, &message->heartbeat_reply);
        return;
    case PAXOS_PREPARE:
        message->prepare.decided = draw_slot(seed);
        message->prepare.accepted = draw_ballot(seed);
        message->prepare.length = draw_slot(seed);
        return;
    case PAXOS_PROMISE:
        draw_promise(seed, &message->promise);
        return;
    case PAXOS_NACK:
        message->nack.promised = draw_ballot(seed);
        message->nack.leader = draw_ballot(seed);
        return;
    case PAXOS_ACCEPT_SYNC:
        draw_accept_sync(seed, &message->accept_sync);
        return;
    case PAXOS_ACCEPT:
        draw_accept(seed, &message->accept);
        return;
    case PAXOS_ACCEPTED:
        draw_accepted(seed, &message->accepted);
        return;
    case PAXOS_ROUND_ACK:
        message->round_ack.read_round = draw_any_width(seed);
        return;
    case PAXOS_READ:
    case PAXOS_READ_REPLY:
        message->read.boot = draw_any_width(seed);
        message->read.counter = draw_any_width(seed);
        message->read.index = draw_slot(seed);
        return;
    case PAXOS_FETCH:
        message->fetch.first = draw_slot(seed);
        message->fetch.last = draw_slot(seed);
        return;
    case PAXOS_ENTRIES:
        message->log.from = draw_slot(seed);
        message->log.from_chain = draw_digest(seed);
        message->log.decided = draw_slot(seed);
        return;
    case PAXOS_HANDOVER:
        message->handover.target = draw_below(seed, PAXOS_MEMBERS_MAX);
        return;
    case PAXOS_PREPARE_REQUEST:
    case PAXOS_MESSAGE_TYPES:
        return;
    }
}

bool wire_sample_carries_entries(uint32_t type)
{
    return type == PAXOS_ACCEPT_SYNC || type == PAXOS_ACCEPT || type == PAXOS_ENTRIES;
}

static cs_slot slot_before_entries(const struct paxos_message *message)
{
    if (message->type == PAXOS_ACCEPT_SYNC) {
        return message->accept_sync.from;
    }
    return message->type == PAXOS_ACCEPT ? message->accept.previous : message->log.from;
}

void wire_sample_draw_entries(uint64_t *seed, struct wire_sample *out, uint32_t count)
{
    out->message.entry_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct paxos_entry *entry = &out->entries[i];
        size_t bytes = draw(seed) % WIRE_SAMPLE_POOL_BYTES;
        out->payloads[i] =
            view_of(pool + draw(seed) % (WIRE_SAMPLE_POOL_BYTES - bytes), bytes);
        memset(entry, 0, sizeof(*entry));
        entry->slot = slot_before_entries(&out->message) + 1 + i;
        entry->time_ms = draw_any_width(seed);
        entry->payload_bytes = (uint32_t)bytes;
        entry->type = PAXOS_ENTRY_BATCH;
        entry->digest = wire_digest_payload(out->payloads[i]);
    }
}

void wire_sample_draw(uint64_t *seed, uint32_t type, struct wire_sample *out)
{
    draw_bytes(seed, pool, sizeof(pool));
    struct paxos_message *message = &out->message;
    memset(message, 0, sizeof(*message));
    message->type = type;
    message->from = draw_below(seed, PAXOS_MEMBERS_MAX);
    message->to = draw_below(seed, PAXOS_MEMBERS_MAX);
    message->epoch = draw_u32(seed);
    message->cluster_id = draw_id(seed);
    message->from_incarnation = draw_id(seed);
    message->to_incarnation = draw_id(seed);
    message->boot = draw_any_width(seed);
    message->ballot = draw_ballot(seed);
    draw_member(seed, message);
    wire_sample_draw_entries(
        seed, out,
        wire_sample_carries_entries(type) ? draw_below(seed, ENTRIES_DRAWN_MAX) : 0);
}

void wire_sample_draw_forward(uint64_t *seed, struct wire_forward *forward)
{
    memset(forward, 0, sizeof(*forward));
    forward->from = draw_below(seed, PAXOS_MEMBERS_MAX);
    forward->to = draw_below(seed, PAXOS_MEMBERS_MAX);
    forward->cluster_id = draw_id(seed);
    forward->boot = draw_any_width(seed);
    forward->sequence = draw_any_width(seed);
    forward->ballot = draw_ballot(seed);
    forward->batch = view_of(pool, draw(seed) % WIRE_SAMPLE_POOL_BYTES);
}

void wire_sample_draw_refused(uint64_t *seed, struct wire_refused *refused)
{
    memset(refused, 0, sizeof(*refused));
    refused->from = draw_below(seed, PAXOS_MEMBERS_MAX);
    refused->to = draw_below(seed, PAXOS_MEMBERS_MAX);
    refused->cluster_id = draw_id(seed);
    refused->boot = draw_any_width(seed);
    refused->sequence = draw_any_width(seed);
    do {
        refused->status = (enum cs_status)draw_below(seed, CS_STATUS_COUNT);
    } while (status_applied(refused->status) != CS_APPLIED_NO);
    refused->request_count = draw_below(seed, 20);
    for (uint32_t i = 0; i < refused->request_count; i++) {
        refused->request_ids[i] = draw_any_width(seed);
    }
}

void wire_sample_seal(struct cs_buffer *bytes)
{
    uint64_t digest = digest_64(bytes->data, bytes->bytes, 0);
    store_u64(buffer_extend(bytes, WIRE_SAMPLE_TRAILER_BYTES), digest);
}

int wire_sample_write(void *buffer, const char *data, size_t bytes)
{
    buffer_append(buffer, data, bytes);
    return 0;
}

void wire_sample_open(const struct cs_buffer *bytes, msgpack_unpacked *unpacked)
{
    size_t at = 0;
    msgpack_unpacked_init(unpacked);
    assert_true(bytes->bytes > WIRE_SAMPLE_TRAILER_BYTES);
    assert_int_equal(msgpack_unpack_next(unpacked, (const char *)bytes->data,
                                         bytes->bytes - WIRE_SAMPLE_TRAILER_BYTES, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, bytes->bytes - WIRE_SAMPLE_TRAILER_BYTES);
    assert_int_equal(unpacked->data.type, MSGPACK_OBJECT_ARRAY);
}

void wire_sample_rewrite(const struct cs_buffer *from,
                         uint32_t index,
                         uint64_t value,
                         uint32_t cut,
                         struct cs_buffer *out)
{
    msgpack_unpacked unpacked;
    msgpack_packer packer;
    wire_sample_open(from, &unpacked);
    const msgpack_object_array *array = &unpacked.data.via.array;
    uint32_t kept = array->size - cut;
    out->bytes = 0;
    msgpack_packer_init(&packer, out, wire_sample_write);
    (void)msgpack_pack_array(&packer, kept + (index == WIRE_SAMPLE_ARRAY_END ? 1 : 0));
    for (uint32_t i = 0; i < kept; i++) {
        if (i == index) {
            (void)msgpack_pack_uint64(&packer, value);
        } else {
            (void)msgpack_pack_object(&packer, array->ptr[i]);
        }
    }
    if (index == WIRE_SAMPLE_ARRAY_END) {
        (void)msgpack_pack_uint64(&packer, value);
    }
    wire_sample_seal(out);
    msgpack_unpacked_destroy(&unpacked);
}
