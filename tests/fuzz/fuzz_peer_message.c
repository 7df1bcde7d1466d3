/*
 * peer_message: frames between nodes. What unpacks packs again to the same bytes, and says
 * to msgpack-c what it says to us; what is packed unpacks to the same values.
 *
 *   input  mode 0: the frame as it is
 *          mode 1: the frame without its trailer, which is added
 *          mode 2: a legal frame (its kind, a seed), then edits of its array; the trailer
 *                  is added
 */
#include "fuzz/input.h"

#include "unit/support/wire_samples.h"
#include "wire/peer_message.h"

enum { MODES = 3, EDITS_MAX = 16, EDIT_BYTES_MAX = 16 };

static struct wire_frame frame; // large, and replaced by each unpacking
static struct wire_sample sample;
static struct cs_buffer packed;

/* ---- what was unpacked ------------------------------------------------------------- */

static void pack_again(struct cs_buffer *out)
{
    switch (frame.kind) {
    case WIRE_CORE:
        wire_pack_core(out, &frame.core, frame.entries, frame.payloads);
        return;
    case WIRE_FORWARD:
        wire_pack_forward(out, &frame.forward);
        return;
    case WIRE_REFUSED:
        wire_pack_refused(out, &frame.refused);
        return;
    default:
        CHECK(false); // unpacked, so of a known kind
    }
}

/* A flat array of unsigned integers and byte strings, and nothing after it. */
static void check_with_msgpack(struct cs_view array)
{
    size_t used = 0;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    CHECK(msgpack_unpack_next(&unpacked, (const char *)array.data, array.bytes, &used) ==
          MSGPACK_UNPACK_SUCCESS);
    CHECK(used == array.bytes);
    CHECK(unpacked.data.type == MSGPACK_OBJECT_ARRAY);
    const msgpack_object_array *elements = &unpacked.data.via.array;
    for (uint32_t i = 0; i < elements->size; i++) {
        CHECK(elements->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
              elements->ptr[i].type == MSGPACK_OBJECT_BIN);
    }
    CHECK(elements->ptr[0].via.u64 == WIRE_VERSION);
    CHECK(elements->ptr[1].via.u64 == frame.kind);
    if (frame.kind == WIRE_CORE) {
        CHECK(elements->ptr[2].via.u64 == frame.core.type);
        CHECK(elements->ptr[3].via.u64 == frame.core.from);
    }
    msgpack_unpacked_destroy(&unpacked);
}

static void check_entries(void)
{
    for (uint32_t i = 0; i < frame.core.entry_count; i++) {
        struct paxos_digest digest = wire_digest_payload(frame.payloads[i]);
        CHECK(digest.high == frame.entries[i].digest.high);
        CHECK(digest.low == frame.entries[i].digest.low);
        CHECK(frame.payloads[i].bytes == frame.entries[i].payload_bytes);
        CHECK(i == 0 || frame.entries[i].slot == frame.entries[i - 1].slot + 1);
    }
}

static enum wire_status take(struct cs_view bytes)
{
    static struct cs_buffer again;
    enum wire_status status = wire_unpack(bytes, &frame);
    CHECK(wire_status_text(status)[0] != '\0');
    if (status != WIRE_OK) {
        return status;
    }
    pack_again(&again);
    CHECK(again.bytes == bytes.bytes);
    CHECK(memcmp(again.data, bytes.data, bytes.bytes) == 0);
    check_with_msgpack(view_of(bytes.data, bytes.bytes - WIRE_SAMPLE_TRAILER_BYTES));
    if (frame.kind == WIRE_CORE) {
        check_entries();
    } else if (frame.kind == WIRE_REFUSED) {
        CHECK(status_applied(frame.refused.status) == CS_APPLIED_NO);
    }
    return status;
}

/* ---- what was packed --------------------------------------------------------------- */

static void check_same_core(const struct paxos_message *message)
{
    struct paxos_message got = frame.core;
    CHECK(got.entries == frame.entries);
    got.entries = message->entries;
    CHECK(memcmp(&got, message, sizeof got) == 0);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        CHECK(memcmp(&frame.entries[i], &sample.entries[i], sizeof frame.entries[i]) ==
              0);
        CHECK(frame.payloads[i].bytes == sample.payloads[i].bytes);
        CHECK(memcmp(frame.payloads[i].data, sample.payloads[i].data,
                     sample.payloads[i].bytes) == 0);
    }
}

static void try_core(uint64_t seed, uint32_t type)
{
    wire_sample_draw(&seed, type, &sample);
    wire_pack_core(&packed, &sample.message, sample.entries, sample.payloads);
    CHECK(take(view_of_buffer(&packed)) == WIRE_OK);
    check_same_core(&sample.message);
}

static void try_forward(uint64_t seed)
{
    struct wire_forward forward;
    wire_sample_draw_forward(&seed, &forward);
    wire_pack_forward(&packed, &forward);
    CHECK(take(view_of_buffer(&packed)) == WIRE_OK);
    const struct cs_view batch = frame.forward.batch;
    CHECK(batch.bytes == forward.batch.bytes);
    CHECK(batch.bytes == 0 || memcmp(batch.data, forward.batch.data, batch.bytes) == 0);
    forward.batch = batch;
    CHECK(memcmp(&frame.forward, &forward, sizeof forward) == 0);
}

static void try_refused(uint64_t seed)
{
    static struct wire_refused refused;
    wire_sample_draw_refused(&seed, &refused);
    wire_pack_refused(&packed, &refused);
    CHECK(take(view_of_buffer(&packed)) == WIRE_OK);
    size_t used = offsetof(struct wire_refused, request_ids) +
                  refused.request_count * sizeof refused.request_ids[0];
    CHECK(memcmp(&frame.refused, &refused, used) == 0);
}

static void draw_legal(struct input *input)
{
    uint32_t kind = input_take_below(input, PAXOS_MESSAGE_TYPES + 2);
    uint64_t seed = input_take_number(input, 2);
    if (kind == 0) {
        try_refused(seed);
    } else if (kind < PAXOS_MESSAGE_TYPES) {
        try_core(seed, kind);
    } else {
        try_forward(seed);
    }
}

/* ---- edits ------------------------------------------------------------------------- */

/* Bytes are overwritten, put in between or taken out. */
static void edit(struct input *input, struct cs_buffer *bytes)
{
    uint8_t how = input_take_byte(input);
    size_t at = input_take_below(input, (uint32_t)bytes->bytes);
    struct cs_view given = input_take(input, how / 3 % EDIT_BYTES_MAX);
    size_t count = given.bytes;
    size_t after = bytes->bytes - at;
    if (how % 3 == 0) {
        count = count < after ? count : after;
        memcpy(bytes->data + at, given.data, count);
    } else if (how % 3 == 1) {
        (void)buffer_extend(bytes, count);
        memmove(bytes->data + at + count, bytes->data + at, after);
        memcpy(bytes->data + at, given.data, count);
    } else {
        count = count < after - 1 ? count : after - 1;
        memmove(bytes->data + at, bytes->data + at + count, after - count);
        bytes->bytes -= count;
    }
}

static void take_edited(struct input *input)
{
    draw_legal(input);
    packed.bytes -= WIRE_SAMPLE_TRAILER_BYTES;
    for (int i = 0; i < EDITS_MAX && input->left_bytes > 0; i++) {
        edit(input, &packed);
    }
    wire_sample_seal(&packed);
    (void)take(view_of_buffer(&packed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    switch (input_take_below(&input, MODES)) {
    case 0:
        (void)take(input_rest(&input));
        break;
    case 1:
        packed.bytes = 0;
        buffer_append(&packed, input.at, input.left_bytes);
        wire_sample_seal(&packed);
        (void)take(view_of_buffer(&packed));
        break;
    default:
        take_edited(&input);
        break;
    }
    return 0;
}
