/*
 * Frames between nodes: every field of every message comes back; random damage behind a
 * valid trailer is refused or changes what the frame says, never more. The rules one by
 * one: test_peer_message_rules.c.
 */
#include "unit/support/draw.h"
#include "unit/support/wire_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct wire_sample sample; // too large for a stack
static struct wire_frame frame;   // the same
static struct wire_refused refused_sample;

static void pack_sample(struct cs_buffer *out)
{
    wire_pack_core(out, &sample.message, sample.entries, sample.payloads);
}

static void draw_frame(uint64_t *seed, uint32_t type, struct cs_buffer *out)
{
    wire_sample_draw(seed, type, &sample);
    pack_sample(out);
}

/* ---- round trips ------------------------------------------------------------------ */

static void assert_entries_equal(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct paxos_entry *entry = &frame.entries[i];
        assert_memory_equal(entry, &sample.entries[i], sizeof(*entry));
        assert_int_equal(frame.payloads[i].bytes, sample.payloads[i].bytes);
        assert_memory_equal(frame.payloads[i].data, sample.payloads[i].data,
                            sample.payloads[i].bytes);
    }
}

static void every_field_of_every_message_comes_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 400; i++) {
        for (uint32_t type = PAXOS_HELLO; type < PAXOS_MESSAGE_TYPES; type++) {
            msgpack_unpacked unpacked;
            draw_frame(&seed, type, &bytes);
            wire_sample_open(&bytes, &unpacked);
            msgpack_unpacked_destroy(&unpacked);
            memset(&frame, 0xa5, sizeof(frame));
            assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
            assert_int_equal(frame.kind, WIRE_CORE);
            assert_ptr_equal(frame.core.entries, frame.entries);
            frame.core.entries = NULL;
            assert_memory_equal(&frame.core, &sample.message, sizeof(frame.core));
            assert_entries_equal(sample.message.entry_count);
        }
    }
    buffer_fini(&bytes);
}

static void forward_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 2000; i++) {
        struct wire_forward forward;
        msgpack_unpacked unpacked;
        wire_sample_draw_forward(&seed, &forward);
        wire_pack_forward(&bytes, &forward);
        wire_sample_open(&bytes, &unpacked);
        msgpack_unpacked_destroy(&unpacked);
        assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
        assert_int_equal(frame.kind, WIRE_FORWARD);
        const struct wire_forward *again = &frame.forward;
        assert_int_equal(again->from, forward.from);
        assert_int_equal(again->to, forward.to);
        assert_memory_equal(&again->cluster_id, &forward.cluster_id, 16);
        assert_true(again->boot == forward.boot);
        assert_true(again->sequence == forward.sequence);
        assert_memory_equal(&again->ballot, &forward.ballot, sizeof(forward.ballot));
        assert_int_equal(again->batch.bytes, forward.batch.bytes);
        assert_memory_equal(again->batch.data, forward.batch.data, forward.batch.bytes);
    }
    buffer_fini(&bytes);
}

static void refused_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    uint64_t seed = 3;
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 2000; i++) {
        struct wire_refused *refused = &refused_sample;
        msgpack_unpacked unpacked;
        wire_sample_draw_refused(&seed, refused);
        wire_pack_refused(&bytes, refused);
        wire_sample_open(&bytes, &unpacked);
        msgpack_unpacked_destroy(&unpacked);
        assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
        assert_int_equal(frame.kind, WIRE_REFUSED);
        const struct wire_refused *again = &frame.refused;
        assert_int_equal(again->from, refused->from);
        assert_int_equal(again->to, refused->to);
        assert_memory_equal(&again->cluster_id, &refused->cluster_id, 16);
        assert_true(again->boot == refused->boot);
        assert_true(again->sequence == refused->sequence);
        assert_int_equal(again->status, refused->status);
        assert_int_equal(again->request_count, refused->request_count);
        assert_memory_equal(again->request_ids, refused->request_ids,
                            refused->request_count * sizeof(uint64_t));
    }
    buffer_fini(&bytes);
}

static void packing_replaces_what_the_buffer_held(void **state)
{
    (void)state;
    uint64_t seed = 4;
    struct cs_buffer bytes = {0};
    struct cs_buffer fresh = {0};
    buffer_append(&bytes, "what was here before", 20);
    draw_frame(&seed, PAXOS_ACCEPTED, &bytes);
    pack_sample(&fresh);
    assert_int_equal(bytes.bytes, fresh.bytes);
    assert_memory_equal(bytes.data, fresh.data, fresh.bytes);
    buffer_fini(&bytes);
    buffer_fini(&fresh);
}

/* ---- random damage ---------------------------------------------------------------- */

static void draw_any_frame(uint64_t *seed, struct cs_buffer *out)
{
    struct wire_forward forward;
    uint32_t choice = draw_below(seed, PAXOS_MESSAGE_TYPES + 4);
    if (choice >= PAXOS_HELLO && choice < PAXOS_MESSAGE_TYPES) {
        draw_frame(seed, choice, out);
    } else if (choice % 2 == 0) {
        wire_sample_draw_forward(seed, &forward);
        wire_pack_forward(out, &forward);
    } else {
        wire_sample_draw_refused(seed, &refused_sample);
        wire_pack_refused(out, &refused_sample);
    }
}

/* One change, anywhere in the array: a bit, a byte, one too many, one too few, a cut. */
static void damage(uint64_t *seed, struct cs_buffer *bytes)
{
    size_t at = draw(seed) % bytes->bytes;
    uint8_t value = (uint8_t)draw(seed);
    uint8_t *place = bytes->data + at;
    switch (draw_below(seed, 16)) {
    case 0:
        (void)buffer_extend(bytes, 1);
        place = bytes->data + at;
        memmove(place + 1, place, bytes->bytes - at - 1);
        *place = value;
        return;
    case 1:
        memmove(place, place + 1, bytes->bytes - at - 1);
        bytes->bytes -= 1;
        return;
    case 2:
        bytes->bytes = at + 1;
        return;
    case 3:
    case 4:
    case 5:
    case 6:
        *place = value;
        return;
    default:
        *place ^= (uint8_t)(1U << (value % 8));
        return;
    }
}

static void pack_frame_again(struct cs_buffer *out)
{
    switch ((enum wire_kind)frame.kind) {
    case WIRE_CORE:
        wire_pack_core(out, &frame.core, frame.entries, frame.payloads);
        return;
    case WIRE_FORWARD:
        wire_pack_forward(out, &frame.forward);
        return;
    case WIRE_REFUSED:
        wire_pack_refused(out, &frame.refused);
        return;
    }
    fail();
}

static void damaged_frame_is_refused_or_packs_to_the_same_bytes(void **state)
{
    (void)state;
    uint64_t seed = 17;
    uint32_t counts[WIRE_BAD_PAYLOAD_DIGEST + 1] = {0};
    struct cs_buffer bytes = {0};
    struct cs_buffer again = {0};
    for (uint32_t i = 0; i < 20000; i++) {
        draw_any_frame(&seed, &bytes);
        bytes.bytes -= WIRE_SAMPLE_TRAILER_BYTES;
        uint32_t changes = 1 + draw_below(&seed, 3);
        for (uint32_t j = 0; j < changes && bytes.bytes > 1; j++) {
            damage(&seed, &bytes);
        }
        wire_sample_seal(&bytes);
        // The exact size on the heap, so that the sanitizer sees a byte read too far.
        uint8_t *exact = malloc(bytes.bytes);
        memcpy(exact, bytes.data, bytes.bytes);
        enum wire_status status = wire_unpack(view_of(exact, bytes.bytes), &frame);
        counts[status] += 1;
        if (status == WIRE_OK) {
            pack_frame_again(&again);
            assert_int_equal(again.bytes, bytes.bytes);
            assert_memory_equal(again.data, exact, bytes.bytes);
        }
        free(exact);
    }
    // The damage must reach what it is meant to reach.
    assert_true(counts[WIRE_OK] > 1000);
    assert_true(counts[WIRE_MALFORMED] > 1000);
    assert_true(counts[WIRE_BAD_PAYLOAD_DIGEST] > 100);
    assert_true(counts[WIRE_BAD_VERSION] > 10);
    assert_true(counts[WIRE_BAD_KIND] > 10);
    assert_int_equal(counts[WIRE_BAD_DIGEST], 0);
    buffer_fini(&bytes);
    buffer_fini(&again);
}

static void random_bytes_behind_a_valid_trailer_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 18;
    struct cs_buffer bytes = {0};
    for (uint32_t i = 0; i < 20000; i++) {
        bytes.bytes = 0;
        size_t count = 1 + draw(&seed) % 60;
        for (size_t j = 0; j < count; j++) {
            uint8_t byte = (uint8_t)draw(&seed);
            buffer_append(&bytes, &byte, 1);
        }
        wire_sample_seal(&bytes);
        assert_int_not_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    }
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_message_comes_back),
        cmocka_unit_test(forward_comes_back_as_it_was_packed),
        cmocka_unit_test(refused_comes_back_as_it_was_packed),
        cmocka_unit_test(packing_replaces_what_the_buffer_held),
        cmocka_unit_test(damaged_frame_is_refused_or_packs_to_the_same_bytes),
        cmocka_unit_test(random_bytes_behind_a_valid_trailer_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
