/*
 * Requests and replies between HTTP threads and the engine: round trips, each rule of
 * validity broken once, random damage.
 */
#include "wire/request.h"

#include "base/limits.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <consens/paxos.h>
#include <msgpack.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)
#define COMMAND    "\x95\x01\xc4\x01k\xc4\x02va\x00\x00"

static void assert_views_equal(struct cs_view left, struct cs_view right)
{
    assert_int_equal(left.bytes, right.bytes);
    assert_true(left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static struct request draw_request(uint64_t *seed)
{
    static const uint8_t pool[LIMIT_KEY_BYTES] = "a key";
    struct request request = {.ticket = draw_any_width(seed)};
    request.kind = (uint32_t)(1 + draw(seed) % (REQUEST_KINDS - 1));
    request.consistency = (uint32_t)(draw(seed) % 2);
    request.min_revision = draw_any_width(seed);
    request.timeout_ms = draw_any_width(seed);
    if (request.kind == REQUEST_WRITE) {
        request.command = TEXT(COMMAND);
    } else if (request.kind == REQUEST_GET || request.kind == REQUEST_HEAD) {
        request.key = view_of(pool, 1 + draw(seed) % LIMIT_KEY_BYTES);
    }
    return request;
}

static struct reply draw_reply(uint64_t *seed)
{
    static const uint8_t pool[70000] = "a value";
    struct reply reply = {.ticket = draw_any_width(seed)};
    reply.status = (enum cs_status)(draw(seed) % CS_STATUS_COUNT);
    reply.revision = draw_any_width(seed);
    reply.item_revision = draw_any_width(seed);
    reply.created_revision = draw_any_width(seed);
    reply.version = draw_any_width(seed);
    reply.leader_seat = (uint32_t)(draw(seed) % (PAXOS_MEMBERS_MAX + 1));
    reply.lag_ms = draw_any_width(seed);
    reply.durability = (uint32_t)(draw(seed) % 3);
    reply.session = draw_any_width(seed);
    reply.is_replay = draw(seed) % 2 != 0;
    reply.value = view_of(pool, draw_any_width(seed) % sizeof(pool));
    return reply;
}

static bool is_one_array_to_msgpack(struct cs_view bytes, uint32_t count)
{
    msgpack_unpacked unpacked;
    size_t at = 0;
    msgpack_unpacked_init(&unpacked);
    bool is_array = msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.bytes,
                                        &at) == MSGPACK_UNPACK_SUCCESS &&
                    at == bytes.bytes && unpacked.data.type == MSGPACK_OBJECT_ARRAY &&
                    unpacked.data.via.array.size == count;
    msgpack_unpacked_destroy(&unpacked);
    return is_array;
}

static void request_of_each_kind_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 20000; i++) {
        struct request request = draw_request(&seed);
        struct request again;
        request_pack(&bytes, &request);
        assert_true(is_one_array_to_msgpack(view_of_buffer(&bytes), 6));
        assert_true(request_unpack(view_of_buffer(&bytes), &again));
        assert_true(again.ticket == request.ticket);
        assert_int_equal(again.kind, request.kind);
        assert_int_equal(again.consistency, request.consistency);
        assert_true(again.min_revision == request.min_revision);
        assert_true(again.timeout_ms == request.timeout_ms);
        assert_views_equal(again.key, request.key);
        assert_views_equal(again.command, request.command);
    }
    buffer_fini(&bytes);
}

static void reply_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct cs_buffer bytes = {0};
    for (int i = 0; i < 20000; i++) {
        struct reply reply = draw_reply(&seed);
        struct reply again;
        reply_pack(&bytes, &reply);
        assert_true(is_one_array_to_msgpack(view_of_buffer(&bytes), 12));
        assert_true(reply_unpack(view_of_buffer(&bytes), &again));
        assert_true(again.ticket == reply.ticket);
        assert_int_equal(again.status, reply.status);
        assert_true(again.revision == reply.revision);
        assert_true(again.item_revision == reply.item_revision);
        assert_true(again.created_revision == reply.created_revision);
        assert_true(again.version == reply.version);
        assert_int_equal(again.leader_seat, reply.leader_seat);
        assert_true(again.lag_ms == reply.lag_ms);
        assert_int_equal(again.durability, reply.durability);
        assert_true(again.session == reply.session);
        assert_int_equal(again.is_replay, reply.is_replay);
        assert_views_equal(again.value, reply.value);
    }
    buffer_fini(&bytes);
}

static void request_unpack_refuses_each_broken_rule(void **state)
{
    (void)state;
    const struct cs_view rows[] = {
        TEXT(""),
        TEXT("\x95\x01\x02\x00\x00\x00"),                // five fields
        TEXT("\x96\x01\x00\x00\x00\x00\xc4\x01k"),       // kind 0
        TEXT("\x96\x01\x06\x00\x00\x00\xc4\x01k"),       // kind 6
        TEXT("\x96\x01\x02\x02\x00\x00\xc4\x01k"),       // consistency 2
        TEXT("\x96\x01\x02\x00\x00\x00\xc4\x00"),        // GET of an empty key
        TEXT("\x96\x01\x03\x00\x00\x00\xc4\x00"),        // HEAD of an empty key
        TEXT("\x96\x01\x04\x00\x00\x00\xc4\x01k"),       // STATUS with a key
        TEXT("\x96\x01\x05\x00\x00\x00\xc4\x01k"),       // READY with a key
        TEXT("\x96\x01\x01\x00\x00\x00\xc4\x01k"),       // WRITE of a key
        TEXT("\x96\x01\x02\x00\x00\x00" COMMAND),        // GET of a command
        TEXT("\x96\x01\x02\x00\x00\x00\xc4\x01k\x00"),   // something follows
        TEXT("\x96\x01\x01\x00\x00\x00" COMMAND "\x00"), // something follows
        TEXT("\x96\xcc\x01\x02\x00\x00\x00\xc4\x01k"),   // long form
        TEXT("\x96\x01\x01\x00\x00\x00\x95\x03\xc4\x01k\xc4\x00\x00\x00"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request request;
        assert_false(request_unpack(rows[i], &request));
    }
    struct request request;
    assert_true(request_unpack(TEXT("\x96\x01\x02\x00\x00\x00\xc4\x01k"), &request));
}

static void request_takes_the_longest_key_and_not_a_byte_more(void **state)
{
    (void)state;
    static const uint8_t pool[LIMIT_KEY_BYTES + 1];
    struct cs_buffer bytes = {0};
    struct request request = {.kind = REQUEST_GET, .key = view_of(pool, LIMIT_KEY_BYTES)};
    struct request again;
    request_pack(&bytes, &request);
    assert_true(request_unpack(view_of_buffer(&bytes), &again));
    request.key.bytes += 1;
    request_pack(&bytes, &request);
    assert_false(request_unpack(view_of_buffer(&bytes), &again));
    buffer_fini(&bytes);
}

static void reply_unpack_refuses_unknown_status_seat_and_too_large_value(void **state)
{
    (void)state;
    uint8_t *zeros = calloc(1, LIMIT_VALUE_BYTES + 1);
    struct cs_buffer bytes = {0};
    struct reply again;
    for (int i = 0; i < 4; i++) {
        struct reply reply = {.value = view_of(zeros, LIMIT_VALUE_BYTES)};
        reply.status = i == 1 ? (enum cs_status)CS_STATUS_COUNT : CS_OK;
        reply.leader_seat = i == 2 ? PAXOS_MEMBERS_MAX + 1 : PAXOS_MEMBERS_MAX;
        reply.value.bytes += i == 3 ? 1 : 0;
        reply_pack(&bytes, &reply);
        assert_int_equal(reply_unpack(view_of_buffer(&bytes), &again), i == 0);
    }
    buffer_fini(&bytes);
    free(zeros);
}

static void damaged_bytes_are_refused_or_pack_to_the_same(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint32_t taken_count = 0;
    struct cs_buffer bytes = {0};
    struct cs_buffer again = {0};
    for (uint32_t i = 0; i < 20000; i++) {
        struct request request = draw_request(&seed);
        struct reply reply = draw_reply(&seed);
        if (i % 2 == 0) {
            request_pack(&bytes, &request);
        } else {
            reply_pack(&bytes, &reply);
        }
        size_t at = draw(&seed) % (bytes.bytes < 60 ? bytes.bytes : 60);
        bytes.data[at] = (uint8_t)draw(&seed);
        bytes.bytes -= draw(&seed) % 8 == 0 ? 1 : 0;
        bool is_taken = false;
        if (i % 2 == 0 && request_unpack(view_of_buffer(&bytes), &request)) {
            request_pack(&again, &request);
            is_taken = true;
        } else if (i % 2 == 1 && reply_unpack(view_of_buffer(&bytes), &reply)) {
            reply_pack(&again, &reply);
            is_taken = true;
        }
        if (is_taken) {
            taken_count += 1;
            assert_views_equal(view_of_buffer(&bytes), view_of_buffer(&again));
        }
    }
    assert_in_range(taken_count, 2000, 19000);
    buffer_fini(&bytes);
    buffer_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_of_each_kind_comes_back_as_it_was_packed),
        cmocka_unit_test(reply_comes_back_as_it_was_packed),
        cmocka_unit_test(request_unpack_refuses_each_broken_rule),
        cmocka_unit_test(request_takes_the_longest_key_and_not_a_byte_more),
        cmocka_unit_test(reply_unpack_refuses_unknown_status_seat_and_too_large_value),
        cmocka_unit_test(damaged_bytes_are_refused_or_pack_to_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
