/*
 * Frames between nodes: each rule of validity is kept at its bound and broken once, by
 * rewriting a valid frame with msgpack-c.
 */
#include "unit/support/draw.h"
#include "unit/support/wire_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIRST_FIELD = 16 }; // of a message: version, kind and header come before

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

static void assert_entries_equal(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct paxos_entry *entry = &frame.entries[i];
        assert_memory_equal(entry, &sample.entries[i], sizeof(*entry));
        assert_int_equal(frame.payloads[i].bytes, sample.payloads[i].bytes);
    }
}

static enum wire_status unpack_rewritten(const struct cs_buffer *from,
                                         uint32_t index,
                                         uint64_t value,
                                         uint32_t cut)
{
    struct cs_buffer other = {0};
    wire_sample_rewrite(from, index, value, cut, &other);
    enum wire_status status = wire_unpack(view_of_buffer(&other), &frame);
    buffer_fini(&other);
    return status;
}

/* The same frame, and valid trailer, with one valid entry more at its end. */
static void add_entry(const struct cs_buffer *from, struct cs_buffer *out)
{
    msgpack_unpacked unpacked;
    msgpack_packer packer;
    struct paxos_digest digest = wire_digest_payload(view_of("ab", 2));
    wire_sample_open(from, &unpacked);
    const msgpack_object_array *array = &unpacked.data.via.array;
    out->bytes = 0;
    msgpack_packer_init(&packer, out, wire_sample_write);
    (void)msgpack_pack_array(&packer, array->size + 5);
    for (uint32_t i = 0; i < array->size; i++) {
        (void)msgpack_pack_object(&packer, array->ptr[i]);
    }
    (void)msgpack_pack_uint64(&packer, 77);
    (void)msgpack_pack_uint64(&packer, PAXOS_ENTRY_BATCH);
    (void)msgpack_pack_uint64(&packer, digest.high);
    (void)msgpack_pack_uint64(&packer, digest.low);
    (void)msgpack_pack_bin_with_body(&packer, "ab", 2);
    wire_sample_seal(out);
    msgpack_unpacked_destroy(&unpacked);
}

/* ---- sizes ------------------------------------------------------------------------ */

static void largest_frames_fit_and_one_more_of_anything_does_not(void **state)
{
    (void)state;
    uint64_t seed = 5;
    struct cs_buffer bytes = {0};
    wire_sample_draw(&seed, PAXOS_ENTRIES, &sample);
    wire_sample_draw_entries(&seed, &sample, LIMIT_MESSAGE_ENTRIES);
    pack_sample(&bytes);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    assert_int_equal(frame.core.entry_count, LIMIT_MESSAGE_ENTRIES);
    assert_entries_equal(LIMIT_MESSAGE_ENTRIES);
    struct cs_buffer more = {0};
    add_entry(&bytes, &more);
    assert_int_equal(wire_unpack(view_of_buffer(&more), &frame), WIRE_MALFORMED);
    struct wire_refused *refused = &refused_sample;
    wire_sample_draw_refused(&seed, refused);
    refused->request_count = WIRE_FORWARD_COMMANDS_MAX;
    refused->request_ids[WIRE_FORWARD_COMMANDS_MAX - 1] = UINT64_MAX;
    wire_pack_refused(&bytes, refused);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    assert_int_equal(frame.refused.request_count, WIRE_FORWARD_COMMANDS_MAX);
    assert_int_equal(unpack_rewritten(&bytes, WIRE_SAMPLE_ARRAY_END, 1, 0),
                     WIRE_MALFORMED);
    buffer_fini(&bytes);
    buffer_fini(&more);
}

static void largest_payloads_fit_and_not_a_byte_more(void **state)
{
    (void)state;
    uint64_t seed = 6;
    uint8_t *zeros = calloc(1, LIMIT_ENTRY_BYTES + 1);
    struct cs_buffer bytes = {0};
    wire_sample_draw(&seed, PAXOS_ACCEPT, &sample);
    wire_sample_draw_entries(&seed, &sample, 2);
    for (int i = 0; i < 2; i++) {
        sample.payloads[i] = view_of(zeros, LIMIT_ENTRY_BYTES);
        sample.entries[i].payload_bytes = LIMIT_ENTRY_BYTES;
        sample.entries[i].digest = wire_digest_payload(sample.payloads[i]);
    }
    pack_sample(&bytes);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    assert_entries_equal(2);
    struct wire_forward forward;
    wire_sample_draw_forward(&seed, &forward);
    forward.batch = view_of(zeros, LIMIT_ENTRY_BYTES);
    wire_pack_forward(&bytes, &forward);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    // The same with a batch that is a byte longer, which nobody may pack.
    bytes.bytes -= WIRE_SAMPLE_TRAILER_BYTES;
    bytes.data[bytes.bytes - LIMIT_ENTRY_BYTES - 1] += 1;
    buffer_append(&bytes, "", 1);
    wire_sample_seal(&bytes);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_MALFORMED);
    (void)buffer_extend(&bytes, LIMIT_FRAME_BYTES);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_MALFORMED);
    buffer_fini(&bytes);
    free(zeros);
}

/* ---- forms and bounds ------------------------------------------------------------- */

static void frame_with_any_bit_flipped_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct cs_buffer bytes = {0};
    draw_frame(&seed, PAXOS_ACCEPT, &bytes);
    for (size_t i = 0; i < bytes.bytes * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1U << (i % 8));
        assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_BAD_DIGEST);
        bytes.data[i / 8] ^= (uint8_t)(1U << (i % 8));
    }
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    for (size_t i = 0; i < bytes.bytes; i++) {
        enum wire_status status = wire_unpack(view_of(bytes.data, i), &frame);
        assert_int_equal(status, i <= WIRE_SAMPLE_TRAILER_BYTES ? WIRE_TOO_SHORT
                                                                : WIRE_BAD_DIGEST);
    }
    buffer_fini(&bytes);
}

static void array_cut_anywhere_is_refused_behind_a_valid_trailer(void **state)
{
    (void)state;
    uint64_t seed = 8;
    struct cs_buffer bytes = {0};
    struct cs_buffer cut = {0};
    for (uint32_t type = PAXOS_HELLO; type < PAXOS_MESSAGE_TYPES; type++) {
        draw_frame(&seed, type, &bytes);
        for (size_t i = 1; i < bytes.bytes - WIRE_SAMPLE_TRAILER_BYTES; i++) {
            cut.bytes = 0;
            buffer_append(&cut, bytes.data, i);
            wire_sample_seal(&cut);
            assert_int_equal(wire_unpack(view_of_buffer(&cut), &frame), WIRE_MALFORMED);
        }
        bytes.bytes -= WIRE_SAMPLE_TRAILER_BYTES;
        buffer_append(&bytes, "", 1);
        wire_sample_seal(&bytes);
        assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_MALFORMED);
    }
    buffer_fini(&bytes);
    buffer_fini(&cut);
}

static void other_versions_and_kinds_are_told_from_damage(void **state)
{
    (void)state;
    uint64_t seed = 9;
    struct cs_buffer bytes = {0};
    draw_frame(&seed, PAXOS_ACCEPTED, &bytes);
    assert_int_equal(unpack_rewritten(&bytes, 0, 0, 0), WIRE_BAD_VERSION);
    assert_int_equal(unpack_rewritten(&bytes, 0, 2, 0), WIRE_BAD_VERSION);
    assert_int_equal(unpack_rewritten(&bytes, 0, UINT64_MAX, 0), WIRE_BAD_VERSION);
    assert_int_equal(unpack_rewritten(&bytes, 0, 2, 9), WIRE_BAD_VERSION);
    assert_int_equal(unpack_rewritten(&bytes, 1, 0, 0), WIRE_BAD_KIND);
    assert_int_equal(unpack_rewritten(&bytes, 1, WIRE_REFUSED + 1, 0), WIRE_BAD_KIND);
    assert_int_equal(unpack_rewritten(&bytes, 1, UINT64_MAX, 0), WIRE_BAD_KIND);
    assert_int_equal(unpack_rewritten(&bytes, 0, WIRE_VERSION, 0), WIRE_OK);
    buffer_fini(&bytes);
}

static void count_that_does_not_fit_the_type_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 10;
    struct cs_buffer bytes = {0};
    for (uint32_t type = PAXOS_HELLO; type < PAXOS_MESSAGE_TYPES; type++) {
        draw_frame(&seed, type, &bytes);
        assert_int_equal(unpack_rewritten(&bytes, WIRE_SAMPLE_ARRAY_END, 0, 0),
                         WIRE_MALFORMED);
        assert_int_equal(unpack_rewritten(&bytes, 0, WIRE_VERSION, 1), WIRE_MALFORMED);
        assert_int_equal(unpack_rewritten(&bytes, 2, 0, 0), WIRE_MALFORMED);
        assert_int_equal(unpack_rewritten(&bytes, 2, PAXOS_MESSAGE_TYPES, 0),
                         WIRE_MALFORMED);
    }
    struct wire_forward forward;
    wire_sample_draw_forward(&seed, &forward);
    wire_pack_forward(&bytes, &forward);
    assert_int_equal(unpack_rewritten(&bytes, WIRE_SAMPLE_ARRAY_END, 0, 0),
                     WIRE_MALFORMED);
    assert_int_equal(unpack_rewritten(&bytes, 0, WIRE_VERSION, 1), WIRE_MALFORMED);
    wire_sample_draw_refused(&seed, &refused_sample);
    refused_sample.request_count = 0;
    wire_pack_refused(&bytes, &refused_sample);
    assert_int_equal(unpack_rewritten(&bytes, 0, WIRE_VERSION, 0), WIRE_OK);
    assert_int_equal(unpack_rewritten(&bytes, 0, WIRE_VERSION, 1), WIRE_MALFORMED);
    buffer_fini(&bytes);
}

/* Elements of a frame by index (a type's fields begin at FIRST_FIELD) with their max. */
struct bound {
    uint32_t type;
    uint32_t index;
    uint64_t max;
};

#define FIELD(number) (FIRST_FIELD + (number))

static const struct bound BOUNDS[] = {
    {PAXOS_ACCEPTED, 3, PAXOS_MEMBERS_MAX - 1},
    {PAXOS_ACCEPTED, 4, PAXOS_MEMBERS_MAX - 1},
    {PAXOS_ACCEPTED, 5, UINT32_MAX},
    {PAXOS_ACCEPTED, 13, UINT32_MAX},
    {PAXOS_ACCEPTED, 14, UINT32_MAX},
    {PAXOS_ACCEPTED, 15, UINT32_MAX},
    {PAXOS_HELLO, FIELD(0), PAXOS_MEMBERS_MAX - 1},
    {PAXOS_HELLO, FIELD(1), 1},
    {PAXOS_HELLO, FIELD(9), UINT32_MAX},
    {PAXOS_HELLO_REPLY, FIELD(0), PAXOS_MEMBERS_MAX - 1},
    {PAXOS_HELLO_REPLY, FIELD(1), PAXOS_MEMBERS_MAX - 1},
    {PAXOS_FORM, FIELD(2), UINT32_MAX},
    {PAXOS_FORM, FIELD(3), PAXOS_MEMBERS_MAX},
    {PAXOS_FORM_REPLY, FIELD(3), PAXOS_MEMBERS_MAX},
    {PAXOS_START, FIELD(3), PAXOS_MEMBERS_MAX},
    {PAXOS_START, FIELD(4), 1},
    {PAXOS_START, FIELD(5), UINT32_MAX},
    {PAXOS_HEARTBEAT_REPLY, FIELD(10), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_HEARTBEAT_REPLY, FIELD(11), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_HEARTBEAT_REPLY, FIELD(15), 1},
    {PAXOS_HEARTBEAT_REPLY, FIELD(16), 1},
    {PAXOS_HEARTBEAT_REPLY, FIELD(17), UINT32_MAX},
    {PAXOS_PREPARE, FIELD(0), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_PREPARE, FIELD(4), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_PROMISE, FIELD(3), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_PROMISE, FIELD(6), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPT_SYNC, FIELD(1), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPT_SYNC, FIELD(4), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPT_SYNC, FIELD(7), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPT_SYNC, FIELD(8), 1},
    {PAXOS_ACCEPT, FIELD(2), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPT, FIELD(5), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPTED, FIELD(1), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ACCEPTED, FIELD(3), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_READ, FIELD(2), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_READ_REPLY, FIELD(2), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_FETCH, FIELD(0), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_FETCH, FIELD(1), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ENTRIES, FIELD(0), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_ENTRIES, FIELD(3), WIRE_SAMPLE_SLOT_MAX},
    {PAXOS_HANDOVER, FIELD(0), PAXOS_MEMBERS_MAX - 1},
    {PAXOS_HEARTBEAT, FIELD(0), UINT64_MAX},
};

static void field_is_taken_up_to_its_max_and_refused_above(void **state)
{
    (void)state;
    uint64_t seed = 11;
    struct cs_buffer bytes = {0};
    for (size_t i = 0; i < sizeof(BOUNDS) / sizeof(BOUNDS[0]); i++) {
        const struct bound *bound = &BOUNDS[i];
        draw_frame(&seed, bound->type, &bytes);
        assert_int_equal(unpack_rewritten(&bytes, bound->index, bound->max, 0), WIRE_OK);
        assert_int_equal(unpack_rewritten(&bytes, bound->index, 0, 0), WIRE_OK);
        if (bound->max == UINT64_MAX) {
            continue;
        }
        assert_int_equal(unpack_rewritten(&bytes, bound->index, bound->max + 1, 0),
                         WIRE_MALFORMED);
        assert_int_equal(unpack_rewritten(&bytes, bound->index, UINT64_MAX, 0),
                         WIRE_MALFORMED);
    }
    buffer_fini(&bytes);
}

static void entries_of_the_largest_slot_do_not_wrap_around(void **state)
{
    (void)state;
    uint64_t seed = 12;
    struct cs_buffer bytes = {0};
    wire_sample_draw(&seed, PAXOS_ENTRIES, &sample);
    sample.message.log.from = WIRE_SAMPLE_SLOT_MAX;
    wire_sample_draw_entries(&seed, &sample, LIMIT_MESSAGE_ENTRIES);
    pack_sample(&bytes);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame), WIRE_OK);
    assert_true(frame.entries[LIMIT_MESSAGE_ENTRIES - 1].slot ==
                WIRE_SAMPLE_SLOT_MAX + LIMIT_MESSAGE_ENTRIES);
    buffer_fini(&bytes);
}

static void entry_of_unknown_type_or_with_another_payload_is_refused(void **state)
{
    (void)state;
    enum { FIRST_ENTRY = FIELD(7) }; // ACCEPT has seven fields
    uint64_t seed = 13;
    struct cs_buffer bytes = {0};
    wire_sample_draw(&seed, PAXOS_ACCEPT, &sample);
    wire_sample_draw_entries(&seed, &sample, 2);
    pack_sample(&bytes);
    const uint32_t second = FIRST_ENTRY + 5;
    assert_int_equal(unpack_rewritten(&bytes, second, 1, 0), WIRE_OK); // its time
    assert_int_equal(unpack_rewritten(&bytes, second + 1, PAXOS_ENTRY_BATCH, 0), WIRE_OK);
    assert_int_equal(unpack_rewritten(&bytes, second + 1, 0, 0), WIRE_MALFORMED);
    assert_int_equal(unpack_rewritten(&bytes, second + 1, 2, 0), WIRE_MALFORMED);
    assert_int_equal(unpack_rewritten(&bytes, second + 2, 1, 0), WIRE_BAD_PAYLOAD_DIGEST);
    assert_int_equal(unpack_rewritten(&bytes, second + 3, 1, 0), WIRE_BAD_PAYLOAD_DIGEST);
    assert_int_equal(unpack_rewritten(&bytes, second + 4, 1, 0), WIRE_MALFORMED);
    sample.entries[0].digest.low ^= 1;
    pack_sample(&bytes);
    assert_int_equal(wire_unpack(view_of_buffer(&bytes), &frame),
                     WIRE_BAD_PAYLOAD_DIGEST);
    buffer_fini(&bytes);
}

static void entries_are_refused_where_they_do_not_belong(void **state)
{
    (void)state;
    uint64_t seed = 14;
    struct cs_buffer bytes = {0};
    struct cs_buffer more = {0};
    for (uint32_t type = PAXOS_HELLO; type < PAXOS_MESSAGE_TYPES; type++) {
        wire_sample_draw(&seed, type, &sample);
        sample.message.entry_count = 0;
        pack_sample(&bytes);
        add_entry(&bytes, &more);
        assert_int_equal(wire_unpack(view_of_buffer(&more), &frame),
                         wire_sample_carries_entries(type) ? WIRE_OK : WIRE_MALFORMED);
    }
    buffer_fini(&bytes);
    buffer_fini(&more);
}

static void refusal_must_mean_that_nothing_was_applied(void **state)
{
    (void)state;
    enum { STATUS_INDEX = 8 };
    uint64_t seed = 15;
    struct cs_buffer bytes = {0};
    wire_sample_draw_refused(&seed, &refused_sample);
    wire_pack_refused(&bytes, &refused_sample);
    for (uint64_t i = 0; i < CS_STATUS_COUNT + 2; i++) {
        bool is_refusal =
            i < CS_STATUS_COUNT && status_applied((enum cs_status)i) == CS_APPLIED_NO;
        assert_int_equal(unpack_rewritten(&bytes, STATUS_INDEX, i, 0),
                         is_refusal ? WIRE_OK : WIRE_MALFORMED);
    }
    buffer_fini(&bytes);
}

static void bounds_of_forward_and_refused_hold(void **state)
{
    (void)state;
    uint64_t seed = 16;
    struct cs_buffer bytes = {0};
    struct wire_forward forward;
    wire_sample_draw_forward(&seed, &forward);
    wire_sample_draw_refused(&seed, &refused_sample);
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            wire_pack_forward(&bytes, &forward);
        } else {
            wire_pack_refused(&bytes, &refused_sample);
        }
        assert_int_equal(unpack_rewritten(&bytes, 2, 6, 0), WIRE_OK);
        assert_int_equal(unpack_rewritten(&bytes, 2, 7, 0), WIRE_MALFORMED);
        assert_int_equal(unpack_rewritten(&bytes, 3, 6, 0), WIRE_OK);
        assert_int_equal(unpack_rewritten(&bytes, 3, 7, 0), WIRE_MALFORMED);
    }
    wire_pack_forward(&bytes, &forward);
    assert_int_equal(unpack_rewritten(&bytes, 8, UINT64_MAX, 0), WIRE_MALFORMED);
    assert_int_equal(unpack_rewritten(&bytes, 11, 5, 0), WIRE_MALFORMED); // no bin
    buffer_fini(&bytes);
}

static void every_status_has_a_sentence(void **state)
{
    (void)state;
    for (int i = WIRE_OK; i <= WIRE_BAD_PAYLOAD_DIGEST; i++) {
        for (int j = WIRE_OK; j < i; j++) {
            assert_string_not_equal(wire_status_text((enum wire_status)i),
                                    wire_status_text((enum wire_status)j));
        }
    }
    assert_string_equal(wire_status_text((enum wire_status)99), "unknown wire status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_frames_fit_and_one_more_of_anything_does_not),
        cmocka_unit_test(largest_payloads_fit_and_not_a_byte_more),
        cmocka_unit_test(frame_with_any_bit_flipped_is_refused),
        cmocka_unit_test(array_cut_anywhere_is_refused_behind_a_valid_trailer),
        cmocka_unit_test(other_versions_and_kinds_are_told_from_damage),
        cmocka_unit_test(count_that_does_not_fit_the_type_is_refused),
        cmocka_unit_test(field_is_taken_up_to_its_max_and_refused_above),
        cmocka_unit_test(entries_of_the_largest_slot_do_not_wrap_around),
        cmocka_unit_test(entry_of_unknown_type_or_with_another_payload_is_refused),
        cmocka_unit_test(entries_are_refused_where_they_do_not_belong),
        cmocka_unit_test(refusal_must_mean_that_nothing_was_applied),
        cmocka_unit_test(bounds_of_forward_and_refused_hold),
        cmocka_unit_test(every_status_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
