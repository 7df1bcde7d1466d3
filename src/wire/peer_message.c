/*
 * peer_message.c - frames between nodes as bytes.
 *
 *   frame    one flat msgpack array, then 8 bytes: XXH3-64 of the array, little endian
 *   array    version kind then, by kind:
 *
 *   CORE     type from to epoch cluster_id(2) from_incarnation(2) to_incarnation(2) boot
 *            ballot(3) field... entry...      fields: by type, as the tables below say
 *     entry  time_ms type digest(2) payload   only in ACCEPT_SYNC, ACCEPT and ENTRIES
 *   FORWARD  from to cluster_id(2) boot sequence ballot(3) batch
 *   REFUSED  from to cluster_id(2) boot sequence status request_id...
 *
 *   An id or a digest is two integers (high low), a ballot three (epoch round node);
 *   payload and batch are bin, all else are integers; each form is the shortest. How many
 *   entries or request ids there are follows from the count of the array. An entry's slot
 *   is not sent: it is its place.
 *
 * Valid iff the trailer matches; version and kind are known; the array is exactly as long
 * as its kind and type say, with at most LIMIT_MESSAGE_ENTRIES entries and
 * WIRE_FORWARD_COMMANDS_MAX request ids; each field is within the range of its table row;
 * each form is the shortest; nothing follows; each payload hashes to its entry's digest;
 * a REFUSED status means "not applied".
 *
 * One table row serves packing and unpacking, so that the two cannot disagree.
 */
#include "wire/peer_message.h"

#include "base/check.h"
#include "base/digest.h"
#include "base/mutant.h"
#include "wire/writer.h"

enum {
    TRAILER_BYTES = 8,
    FRAME_FIELDS = 2, // version, kind
    ENTRY_FIELDS = 5,
    FIXED_ENTRY_BYTES_MAX = 9 + 1 + 9 + 9 + 5,
    FIXED_FRAME_BYTES_MAX = 2048, // all but entries; FORM is the longest
};

// Slots stay far below 2^64, so that sums of slots and counts cannot wrap around.
#define SLOT_MAX ((uint64_t)1 << 62)

_Static_assert(LIMIT_MESSAGE_BYTES + LIMIT_MESSAGE_ENTRIES * FIXED_ENTRY_BYTES_MAX +
                       FIXED_FRAME_BYTES_MAX <=
                   LIMIT_FRAME_BYTES,
               "the largest core message fits a frame");
_Static_assert(LIMIT_ENTRY_BYTES + FIXED_FRAME_BYTES_MAX <= LIMIT_FRAME_BYTES,
               "the largest FORWARD fits a frame");
_Static_assert(WIRE_FORWARD_COMMANDS_MAX * 9 + FIXED_FRAME_BYTES_MAX <= LIMIT_FRAME_BYTES,
               "the largest REFUSED fits a frame");

/* ---- tables ------------------------------------------------------------------------ */

struct field {
    uint32_t offset;      // in its struct
    uint32_t width_bytes; // 4 or 8
    uint64_t max;
};

struct fields {
    const struct field *rows;
    size_t count;
};

// clang-format off
#define AT(member)     ((uint32_t)offsetof(OWNER, member))
#define U64(member)    {AT(member), 8, UINT64_MAX}
#define U32(member)    {AT(member), 4, UINT32_MAX}
#define SLOT(member)   {AT(member), 8, SLOT_MAX}
#define SEAT(member)   {AT(member), 4, PAXOS_MEMBERS_MAX - 1}
#define FLAG(member)   {AT(member), 4, 1}
#define COUNT(member)  {AT(member), 4, PAXOS_MEMBERS_MAX}
// A member cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define PAIR(member)   U64(member.high), U64(member.low)
#define BALLOT(member) U32(member.epoch), U32(member.round), U32(member.node)
// NOLINTEND(bugprone-macro-parentheses)
#define MEMBER(i)      U32(form.config.node[i]), PAIR(form.config.incarnation[i])
#define FIELDS_OF(table) {table, sizeof(table) / sizeof((table)[0])}

#define OWNER struct paxos_message

static const struct field HEADER[] = {
    SEAT(from), SEAT(to), U32(epoch), PAIR(cluster_id), PAIR(from_incarnation),
    PAIR(to_incarnation), U64(boot), BALLOT(ballot),
};

static const struct field HELLO[] = {
    SEAT(hello.author), FLAG(hello.relayed), PAIR(hello.incarnation),
    PAIR(hello.cluster_id), U64(hello.boot), U64(hello.nonce), U64(hello.block),
    BALLOT(hello.promised),
};

static const struct field HELLO_REPLY[] = {
    SEAT(hello_reply.author), SEAT(hello_reply.about),
    PAIR(hello_reply.author_incarnation), PAIR(hello_reply.author_cluster_id),
    U64(hello_reply.about_boot), U64(hello_reply.about_nonce),
    U64(hello_reply.seen.boot), U64(hello_reply.seen.block),
    BALLOT(hello_reply.seen.promised), U64(hello_reply.twin_nonce),
    PAIR(hello_reply.known_incarnation),
};

_Static_assert(PAXOS_MEMBERS_MAX == 7, "FORM lists every seat");

static const struct field FORM[] = {
    PAIR(form.config.cluster_id), U32(form.config.epoch), COUNT(form.config.member_count),
    FLAG(form.config.started), MEMBER(0), MEMBER(1), MEMBER(2), MEMBER(3), MEMBER(4),
    MEMBER(5), MEMBER(6), U64(form.nonce),
};

static const struct field HEARTBEAT[] = {U64(heartbeat.round)};

static const struct field HEARTBEAT_REPLY[] = {
    U64(heartbeat_reply.round), BALLOT(heartbeat_reply.my_ballot),
    BALLOT(heartbeat_reply.leader), BALLOT(heartbeat_reply.promised),
    SLOT(heartbeat_reply.durable), SLOT(heartbeat_reply.decided),
    PAIR(heartbeat_reply.decided_chain), U64(heartbeat_reply.block),
    FLAG(heartbeat_reply.happy), FLAG(heartbeat_reply.gated),
    U32(heartbeat_reply.disk_us), FLAG(heartbeat_reply.faulty),
};

static const struct field PREPARE[] = {
    SLOT(prepare.decided), BALLOT(prepare.accepted), SLOT(prepare.length),
};

static const struct field PROMISE[] = {
    BALLOT(promise.accepted), SLOT(promise.length), PAIR(promise.length_chain),
    SLOT(promise.decided), PAIR(promise.decided_chain), FLAG(promise.faulty),
};

static const struct field NACK[] = {BALLOT(nack.promised), BALLOT(nack.leader)};

static const struct field ACCEPT_SYNC[] = {
    U64(accept_sync.stream), SLOT(accept_sync.from), PAIR(accept_sync.from_chain),
    SLOT(accept_sync.sync_length), PAIR(accept_sync.sync_chain),
    SLOT(accept_sync.decided), FLAG(accept_sync.more),
};

static const struct field ACCEPT[] = {
    U64(accept.stream), U64(accept.sequence), SLOT(accept.previous),
    PAIR(accept.previous_chain), SLOT(accept.decided), U64(accept.read_round),
};

static const struct field ACCEPTED[] = {
    U64(accepted.stream), SLOT(accepted.durable), U64(accepted.read_round),
    SLOT(accepted.decided),
};

static const struct field ROUND_ACK[] = {U64(round_ack.read_round)};

static const struct field READ[] = {U64(read.boot), U64(read.counter), SLOT(read.index)};

static const struct field FETCH[] = {SLOT(fetch.first), SLOT(fetch.last),
                                     FLAG(fetch.for_repair)};

static const struct field ENTRIES[] = {
    SLOT(log.from), PAIR(log.from_chain), SLOT(log.decided),
};

static const struct field HANDOVER[] = {SEAT(handover.target)};

#undef OWNER
#define OWNER struct wire_forward

static const struct field FORWARD[] = {
    SEAT(from), SEAT(to), PAIR(cluster_id), U64(boot), U64(sequence), BALLOT(ballot),
};

#undef OWNER
#define OWNER struct wire_refused

static const struct field REFUSED[] = {
    SEAT(from), SEAT(to), PAIR(cluster_id), U64(boot), U64(sequence),
};
// clang-format on

#undef OWNER

static const struct fields HEADER_FIELDS = FIELDS_OF(HEADER);
static const struct fields FORWARD_FIELDS = FIELDS_OF(FORWARD);
static const struct fields REFUSED_FIELDS = FIELDS_OF(REFUSED);

static const struct fields FIELDS_BY_TYPE[PAXOS_MESSAGE_TYPES] = {
    [PAXOS_HELLO] = FIELDS_OF(HELLO),
    [PAXOS_HELLO_REPLY] = FIELDS_OF(HELLO_REPLY),
    [PAXOS_FORM] = FIELDS_OF(FORM),
    [PAXOS_FORM_REPLY] = FIELDS_OF(FORM),
    [PAXOS_START] = FIELDS_OF(FORM),
    [PAXOS_HEARTBEAT] = FIELDS_OF(HEARTBEAT),
    [PAXOS_HEARTBEAT_REPLY] = FIELDS_OF(HEARTBEAT_REPLY),
    [PAXOS_PREPARE] = FIELDS_OF(PREPARE),
    [PAXOS_PROMISE] = FIELDS_OF(PROMISE),
    [PAXOS_NACK] = FIELDS_OF(NACK),
    [PAXOS_PREPARE_REQUEST] = {NULL, 0},
    [PAXOS_ACCEPT_SYNC] = FIELDS_OF(ACCEPT_SYNC),
    [PAXOS_ACCEPT] = FIELDS_OF(ACCEPT),
    [PAXOS_ACCEPTED] = FIELDS_OF(ACCEPTED),
    [PAXOS_ROUND_ACK] = FIELDS_OF(ROUND_ACK),
    [PAXOS_READ] = FIELDS_OF(READ),
    [PAXOS_READ_REPLY] = FIELDS_OF(READ),
    [PAXOS_FETCH] = FIELDS_OF(FETCH),
    [PAXOS_ENTRIES] = FIELDS_OF(ENTRIES),
    [PAXOS_HANDOVER] = FIELDS_OF(HANDOVER),
};

/* ---- the border -------------------------------------------------------------------- */

static void start_frame(struct cs_buffer *out, uint32_t kind, size_t field_count);
static void finish_frame(struct cs_buffer *out);
static void put_fields(msgpack_packer *packer, struct fields fields, const void *owner);
static uint64_t load_field(const struct field *field, const void *owner);
static void pack_entry(msgpack_packer *packer,
                       const struct paxos_entry *entry,
                       struct cs_view payload);
static enum wire_status open_frame(struct cs_view bytes, struct reader *out_reader);
static enum wire_status unpack_array(struct reader *reader, struct wire_frame *frame);
static enum wire_status
unpack_core(struct reader *reader, size_t left, struct wire_frame *frame);
static enum wire_status
unpack_forward(struct reader *reader, size_t left, struct wire_forward *forward);
static enum wire_status
unpack_refused(struct reader *reader, size_t left, struct wire_refused *refused);
static void take_fields(struct reader *reader, struct fields fields, void *owner);
static enum wire_status take_entries(struct reader *reader, struct wire_frame *frame);
static void
take_entry(struct reader *reader, struct paxos_entry *entry, struct cs_view *payload);
static bool entries_follow(const struct paxos_message *message, cs_slot *out_after);

void wire_pack_core(struct cs_buffer *out,
                    const struct paxos_message *message,
                    const struct paxos_entry *entries,
                    const struct cs_view *payloads)
{
    CHECK(message->type >= 1 && message->type < PAXOS_MESSAGE_TYPES);
    CHECK(message->entry_count <= LIMIT_MESSAGE_ENTRIES);
    cs_slot after = 0;
    bool has_entries = entries_follow(message, &after);
    CHECK(has_entries || message->entry_count == 0);
    struct fields fields = FIELDS_BY_TYPE[message->type];
    size_t entry_fields = (size_t)message->entry_count * ENTRY_FIELDS;
    start_frame(out, WIRE_CORE, 1 + HEADER_FIELDS.count + fields.count + entry_fields);
    msgpack_packer packer = writer_over(out);
    writer_put_u64(&packer, message->type);
    put_fields(&packer, HEADER_FIELDS, message);
    put_fields(&packer, fields, message);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        CHECK(entries[i].slot == after + 1 + i);
        pack_entry(&packer, &entries[i], payloads[i]);
    }
    finish_frame(out);
}

void wire_pack_forward(struct cs_buffer *out, const struct wire_forward *forward)
{
    CHECK(forward->batch.bytes <= LIMIT_ENTRY_BYTES);
    start_frame(out, WIRE_FORWARD, FORWARD_FIELDS.count + 1);
    msgpack_packer packer = writer_over(out);
    put_fields(&packer, FORWARD_FIELDS, forward);
    writer_put_bytes(&packer, forward->batch);
    finish_frame(out);
}

void wire_pack_refused(struct cs_buffer *out, const struct wire_refused *refused)
{
    CHECK(status_applied(refused->status) == CS_APPLIED_NO);
    CHECK(refused->request_count <= WIRE_FORWARD_COMMANDS_MAX);
    start_frame(out, WIRE_REFUSED, REFUSED_FIELDS.count + 1 + refused->request_count);
    msgpack_packer packer = writer_over(out);
    put_fields(&packer, REFUSED_FIELDS, refused);
    writer_put_u64(&packer, (uint64_t)refused->status);
    for (uint32_t i = 0; i < refused->request_count; i++) {
        writer_put_u64(&packer, refused->request_ids[i]);
    }
    finish_frame(out);
}

enum wire_status wire_unpack(struct cs_view bytes, struct wire_frame *out_frame)
{
    struct reader reader;
    enum wire_status status = open_frame(bytes, &reader);
    if (status == WIRE_OK) {
        status = unpack_array(&reader, out_frame);
    }
    if (status == WIRE_OK && !reader_end(&reader) && !MUTANT_IS(204)) {
        status = WIRE_MALFORMED;
    }
    return status;
}

const char *wire_status_text(enum wire_status status)
{
    switch (status) {
    case WIRE_OK:
        return "ok";
    case WIRE_TOO_SHORT:
        return "the frame is shorter than its trailer";
    case WIRE_BAD_DIGEST:
        return "the frame does not hash to its trailer: it was damaged on the way";
    case WIRE_BAD_VERSION:
        return "the frame has another wire version: its sender runs another release";
    case WIRE_BAD_KIND:
        return "the frame is of an unknown kind: its sender runs another release";
    case WIRE_MALFORMED:
        return "the frame is malformed";
    case WIRE_BAD_PAYLOAD_DIGEST:
        return "a payload does not hash to its entry's digest: damaged at its sender";
    }
    return "unknown wire status";
}

struct paxos_digest wire_digest_payload(struct cs_view payload)
{
    struct cs_digest hash = digest_128(payload.data, payload.bytes, 0);
    struct paxos_digest digest = {.high = hash.high, .low = hash.low};
    return digest;
}

/* ---- packing ----------------------------------------------------------------------- */

static void start_frame(struct cs_buffer *out, uint32_t kind, size_t field_count)
{
    out->bytes = 0;
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, FRAME_FIELDS + field_count);
    writer_put_u64(&packer, WIRE_VERSION);
    writer_put_u64(&packer, kind);
}

static void finish_frame(struct cs_buffer *out)
{
    uint64_t digest = digest_64(out->data, out->bytes, 0);
    store_u64(buffer_extend(out, TRAILER_BYTES), digest);
    CHECK(out->bytes <= LIMIT_FRAME_BYTES);
}

static void put_fields(msgpack_packer *packer, struct fields fields, const void *owner)
{
    for (size_t i = 0; i < fields.count; i++) {
        writer_put_u64(packer, load_field(&fields.rows[i], owner));
    }
}

static uint64_t load_field(const struct field *field, const void *owner)
{
    const uint8_t *from = (const uint8_t *)owner + field->offset;
    uint64_t value = 0;
    uint32_t half = 0;
    if (field->width_bytes == sizeof(value)) {
        memcpy(&value, from, sizeof(value));
        return value;
    }
    memcpy(&half, from, sizeof(half));
    // Not so for slots: the core may answer one past a slot that a peer made up.
    CHECK(half <= field->max);
    return half;
}

static void pack_entry(msgpack_packer *packer,
                       const struct paxos_entry *entry,
                       struct cs_view payload)
{
    CHECK(entry->type == PAXOS_ENTRY_BATCH);
    CHECK(payload.bytes <= LIMIT_ENTRY_BYTES);
    CHECK(payload.bytes == entry->payload_bytes);
    writer_put_u64(packer, entry->time_ms);
    writer_put_u64(packer, entry->type);
    writer_put_u64(packer, entry->digest.high);
    writer_put_u64(packer, entry->digest.low);
    writer_put_bytes(packer, payload);
}

/* ---- unpacking: untrusted from here on --------------------------------------------- */

/* Checks size and trailer; the reader is over the array alone. */
static enum wire_status open_frame(struct cs_view bytes, struct reader *out_reader)
{
    if (bytes.bytes <= TRAILER_BYTES) {
        return WIRE_TOO_SHORT;
    }
    if (bytes.bytes > LIMIT_FRAME_BYTES) {
        return WIRE_MALFORMED;
    }
    struct cs_view array = view_of(bytes.data, bytes.bytes - TRAILER_BYTES);
    uint64_t trailer = load_u64(array.data + array.bytes);
    if (digest_64(array.data, array.bytes, 0) != trailer && !MUTANT_IS(200)) {
        return WIRE_BAD_DIGEST;
    }
    *out_reader = reader_over(array, true);
    return WIRE_OK;
}

static enum wire_status unpack_array(struct reader *reader, struct wire_frame *frame)
{
    // Any count: a frame of another release is to be told from a damaged one.
    size_t count = reader_take_array(reader, FRAME_FIELDS, UINT32_MAX);
    uint64_t version = reader_take_u64(reader, UINT64_MAX);
    uint64_t kind = reader_take_u64(reader, UINT64_MAX);
    if (reader->has_failed) {
        return WIRE_MALFORMED;
    }
    if (version != WIRE_VERSION && !MUTANT_IS(202)) {
        return WIRE_BAD_VERSION;
    }
    size_t left = count - FRAME_FIELDS;
    switch (kind) {
    case WIRE_CORE:
        frame->kind = WIRE_CORE;
        return unpack_core(reader, left, frame);
    case WIRE_FORWARD:
        frame->kind = WIRE_FORWARD;
        return unpack_forward(reader, left, &frame->forward);
    case WIRE_REFUSED:
        frame->kind = WIRE_REFUSED;
        return unpack_refused(reader, left, &frame->refused);
    default:
        return WIRE_BAD_KIND;
    }
}

/* `left` is the number of elements that the array still has. */
static enum wire_status
unpack_core(struct reader *reader, size_t left, struct wire_frame *frame)
{
    struct paxos_message *message = &frame->core;
    memset(message, 0, sizeof(*message));
    message->entries = frame->entries;
    message->type = (uint32_t)reader_take_u64(reader, PAXOS_MESSAGE_TYPES - 1);
    if (message->type == 0) {
        return WIRE_MALFORMED;
    }
    struct fields fields = FIELDS_BY_TYPE[message->type];
    size_t fixed = 1 + HEADER_FIELDS.count + fields.count;
    if (left < fixed || (left - fixed) % ENTRY_FIELDS != 0 ||
        ((left - fixed) / ENTRY_FIELDS > LIMIT_MESSAGE_ENTRIES && !MUTANT_IS(208))) {
        return WIRE_MALFORMED;
    }
    message->entry_count = (uint32_t)((left - fixed) / ENTRY_FIELDS);
    take_fields(reader, HEADER_FIELDS, message);
    take_fields(reader, fields, message);
    return reader->has_failed ? WIRE_MALFORMED : take_entries(reader, frame);
}

static enum wire_status
unpack_forward(struct reader *reader, size_t left, struct wire_forward *forward)
{
    if (left != FORWARD_FIELDS.count + 1) {
        return WIRE_MALFORMED;
    }
    take_fields(reader, FORWARD_FIELDS, forward);
    forward->batch = reader_take_bytes(reader, LIMIT_ENTRY_BYTES);
    return WIRE_OK;
}

static enum wire_status
unpack_refused(struct reader *reader, size_t left, struct wire_refused *refused)
{
    size_t fixed = REFUSED_FIELDS.count + 1;
    if (left < fixed || left - fixed > WIRE_FORWARD_COMMANDS_MAX) {
        return WIRE_MALFORMED;
    }
    refused->request_count = (uint32_t)(left - fixed);
    take_fields(reader, REFUSED_FIELDS, refused);
    refused->status = (enum cs_status)reader_take_u64(reader, CS_STATUS_COUNT - 1);
    for (uint32_t i = 0; i < refused->request_count; i++) {
        refused->request_ids[i] = reader_take_u64(reader, UINT64_MAX);
    }
    bool is_certain = status_applied(refused->status) == CS_APPLIED_NO || MUTANT_IS(207);
    return is_certain ? WIRE_OK : WIRE_MALFORMED;
}

static void take_fields(struct reader *reader, struct fields fields, void *owner)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct field *field = &fields.rows[i];
        uint8_t *to = (uint8_t *)owner + field->offset;
        uint64_t max = MUTANT_IS(203) ? UINT64_MAX : field->max;
        uint64_t value = reader_take_u64(reader, max);
        uint32_t half = (uint32_t)value;
        if (field->width_bytes == sizeof(value)) {
            memcpy(to, &value, sizeof(value));
        } else {
            memcpy(to, &half, sizeof(half));
        }
    }
}

static enum wire_status take_entries(struct reader *reader, struct wire_frame *frame)
{
    cs_slot after = 0;
    if (!entries_follow(&frame->core, &after) && frame->core.entry_count > 0 &&
        !MUTANT_IS(212)) {
        return WIRE_MALFORMED;
    }
    for (uint32_t i = 0; i < frame->core.entry_count; i++) {
        struct paxos_entry *entry = &frame->entries[i];
        struct cs_view *payload = &frame->payloads[i];
        entry->slot = after + 1 + i;
        take_entry(reader, entry, payload);
        if (reader->has_failed) {
            return WIRE_MALFORMED;
        }
        struct paxos_digest digest = wire_digest_payload(*payload);
        if ((digest.high != entry->digest.high || digest.low != entry->digest.low) &&
            !MUTANT_IS(201)) {
            return WIRE_BAD_PAYLOAD_DIGEST;
        }
    }
    return WIRE_OK;
}

static void
take_entry(struct reader *reader, struct paxos_entry *entry, struct cs_view *payload)
{
    entry->time_ms = reader_take_u64(reader, UINT64_MAX);
    entry->type = (uint32_t)reader_take_u64(reader, PAXOS_ENTRY_BATCH);
    entry->digest.high = reader_take_u64(reader, UINT64_MAX);
    entry->digest.low = reader_take_u64(reader, UINT64_MAX);
    *payload = reader_take_bytes(reader, LIMIT_ENTRY_BYTES);
    entry->payload_bytes = (uint32_t)payload->bytes;
    entry->chain = (struct paxos_digest){0}; // the core computes it
    if (entry->type != PAXOS_ENTRY_BATCH) {
        reader->has_failed = true;
    }
}

/* True iff messages of this type may carry entries; they follow slot *out_after. */
static bool entries_follow(const struct paxos_message *message, cs_slot *out_after)
{
    switch (message->type) {
    case PAXOS_ACCEPT_SYNC:
        *out_after = message->accept_sync.from;
        return true;
    case PAXOS_ACCEPT:
        *out_after = message->accept.previous;
        return true;
    case PAXOS_ENTRIES:
        *out_after = message->log.from;
        return true;
    default:
        return false;
    }
}
