/*
 * Messages of the client port: what the protocol promises is taken, everything else is
 * refused with a reason, and answers have the promised form.
 */
#include "wire/client_message.h"

#include "base/limits.h"
#include "unit/support/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <msgpack.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)

enum { VALUE_MAX = 1000 };

static bool open_message(struct cs_view bytes, struct client_message *out)
{
    const char *reason = NULL;
    bool is_open = client_message_open(bytes, VALUE_MAX, out, &reason);
    assert_true(is_open == (reason == NULL));
    return is_open;
}

/* The only request of a message that must be one. */
static struct client_request take_one(struct cs_view bytes)
{
    struct client_message message;
    struct client_request request;
    assert_true(open_message(bytes, &message));
    assert_false(message.is_batch);
    assert_int_equal(message.request_count, 1);
    client_message_take(&message, VALUE_MAX, &request);
    return request;
}

static void assert_refused(struct cs_view bytes, const char *word)
{
    struct client_message message;
    const char *reason = NULL;
    assert_false(client_message_open(bytes, VALUE_MAX, &message, &reason));
    if (strstr(reason, word) == NULL) {
        fail_msg("\"%s\" does not speak of %s", reason, word);
    }
}

static void each_op_has_its_form(void **state)
{
    (void)state;
    struct client_request put = take_one(TEXT("\x94\x07\xa3put\xa1k\xa1v"));
    assert_int_equal(put.id, 7);
    assert_int_equal(put.request.kind, REQUEST_WRITE);
    assert_int_equal(put.command.operation, COMMAND_PUT);
    assert_int_equal(put.command.condition, COMMAND_ALWAYS);
    assert_int_equal(put.command.key.bytes, 1);
    assert_int_equal(put.command.value.bytes, 1);
    assert_int_equal(put.request.timeout_ms, CLIENT_TIMEOUT_DEFAULT_MS);
    struct client_request get = take_one(TEXT("\x93\x08\xa3get\xc4\x01k"));
    assert_int_equal(get.request.kind, REQUEST_GET);
    assert_int_equal(get.request.key.bytes, 1);
    struct client_request head = take_one(TEXT("\x93\x08\xa4head\xc4\x01k"));
    assert_int_equal(head.request.kind, REQUEST_HEAD);
    struct client_request gone = take_one(TEXT("\x93\x08\xa6"
                                               "delete\xc4\x01k"));
    assert_int_equal(gone.request.kind, REQUEST_WRITE);
    assert_int_equal(gone.command.operation, COMMAND_DELETE);
    assert_int_equal(gone.command.value.bytes, 0);
    struct client_request status = take_one(TEXT("\x92\x01\xa6status"));
    assert_int_equal(status.request.kind, REQUEST_STATUS);
}

static void options_say_what_is_wanted(void **state)
{
    (void)state;
    struct client_request request =
        take_one(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa9if_absent\xc3"));
    assert_int_equal(request.command.condition, COMMAND_IF_ABSENT);
    request = take_one(TEXT("\x94\x01\xa6"
                            "delete\xa1k\x81\xa9if_exists\xc3"));
    assert_int_equal(request.command.condition, COMMAND_IF_EXISTS);
    request = take_one(TEXT("\x94\x01\xa6"
                            "delete\xa1k\x81\xabif_revision\x29"));
    assert_int_equal(request.command.condition, COMMAND_IF_REVISION);
    assert_int_equal(request.command.condition_revision, 41);
    request = take_one(TEXT("\x94\x01\xa3get\xa1k\x83\xacmin_revision\x05"
                            "\xab"
                            "consistency\xa5local\xaatimeout_ms\xcd\x01\x00"));
    assert_int_equal(request.request.min_revision, 5);
    assert_int_equal(request.request.consistency, REQUEST_LOCAL);
    assert_int_equal(request.request.timeout_ms, 256);
    request = take_one(TEXT("\x94\x01\xa3get\xa1k\x81\xafunless_revision\x03"));
    assert_true(request.has_unless_revision);
    assert_int_equal(request.unless_revision, 3);
    request = take_one(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa7session\x93\x09\x02\x01"));
    assert_int_equal(request.command.session, 9);
    assert_int_equal(request.command.sequence, 2);
    assert_int_equal(request.command.acknowledged, 1);
    request = take_one(TEXT("\x92\x01\xa7session"));
    assert_int_equal(request.request.kind, REQUEST_WRITE);
    assert_int_equal(request.command.operation, COMMAND_OPEN_SESSION);
    request = take_one(TEXT("\x94\x01\xa3get\xa1k\x81\xab"
                            "consistency\xaclinearizable"));
    assert_int_equal(request.request.consistency, REQUEST_LINEARIZABLE);
    request = take_one(TEXT("\x93\x01\xa6status\x81\xaatimeout_ms\x05"));
    assert_int_equal(request.request.timeout_ms, 5);
}

static void what_is_not_of_the_protocol_is_refused_in_words(void **state)
{
    (void)state;
    assert_refused(TEXT(""), "array");
    assert_refused(TEXT("\xc0"), "array");
    assert_refused(TEXT("\xdd\xff\xff\xff\xff"), "array");
    assert_refused(TEXT("\x90"), "array");
    assert_refused(TEXT("\x92\xa1x\xa6status"), "id");
    assert_refused(TEXT("\x91\x01"), "id");
    assert_refused(TEXT("\x93\x01\xa3pot\xa1k"), "op");
    assert_refused(TEXT("\x93\x01\x05\xa1k"), "op");
    assert_refused(TEXT("\x93\x01\xa3put\xa1k"), "put");
    assert_refused(TEXT("\x92\x01\xa3get"), "get");
    assert_refused(TEXT("\x93\x01\xa3get\xa0"), "key");
    assert_refused(TEXT("\x93\x01\xa3get\x05"), "key");
    assert_refused(TEXT("\x93\x01\xa3get\xc6\xff\xff\xff\xff"), "key");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x05"), "map");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\xdf\xff\xff\xff\xff"), "map");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x81\xa3ttl\x05"), "option");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x81\xa9if_absent\xc3"), "put and delete");
    assert_refused(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa9if_absent\xc2"), "if_absent");
    assert_refused(
        TEXT("\x95\x01\xa3put\xa1k\xa1v\x82\xa9if_absent\xc3\xa9if_exists\xc3"),
        "only condition");
    assert_refused(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xacmin_revision\x01"), "get");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x81\xab"
                        "consistency\xa4sure"),
                   "local");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x81\xaatimeout_ms\x00"), "timeout_ms");
    assert_refused(TEXT("\x94\x01\xa3get\xa1k\x81\xaatimeout_ms\xcd\xff\xff"),
                   "timeout_ms");
    assert_refused(TEXT("\x93\x01\xa3get\xa1k\x01"), "follow");
    assert_refused(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa7session\x93\x00\x02\x01"),
                   "session");
    assert_refused(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa7session\x93\x09\x02\x02"),
                   "session");
    assert_refused(TEXT("\x95\x01\xa3put\xa1k\xa1v\x81\xa7session\x92\x09\x02"),
                   "session");
    assert_refused(TEXT("\x93\x01\xa7session\x81\xa9if_absent\xc3"), "put and delete");
}

static void lengths_refuse_only_their_own_request(void **state)
{
    (void)state;
    struct cs_buffer bytes = {0};
    uint8_t long_key[3 + LIMIT_KEY_BYTES + 1] = {0xda, (LIMIT_KEY_BYTES + 1) >> 8,
                                                 (LIMIT_KEY_BYTES + 1) & 0xff};
    uint8_t long_value[3 + VALUE_MAX + 1] = {0xc5, (VALUE_MAX + 1) >> 8,
                                             (VALUE_MAX + 1) & 0xff};
    buffer_append(&bytes, "\x93\x93\x01\xa3get", 7);
    buffer_append(&bytes, long_key, sizeof long_key);
    buffer_append(&bytes, "\x94\x02\xa3put\xa1k", 8);
    buffer_append(&bytes, long_value, sizeof long_value);
    buffer_append(&bytes, "\x93\x03\xa3get\xa1k", 8);
    struct client_message message;
    struct client_request request;
    assert_true(open_message(view_of_buffer(&bytes), &message));
    assert_true(message.is_batch);
    assert_int_equal(message.request_count, 3);
    client_message_take(&message, VALUE_MAX, &request);
    assert_int_equal(request.refusal, CS_KEY_TOO_LONG);
    assert_int_equal(request.limit, LIMIT_KEY_BYTES);
    assert_int_equal(request.actual, LIMIT_KEY_BYTES + 1);
    client_message_take(&message, VALUE_MAX, &request);
    assert_int_equal(request.refusal, CS_TOO_LARGE);
    assert_int_equal(request.limit, VALUE_MAX);
    assert_int_equal(request.actual, VALUE_MAX + 1);
    client_message_take(&message, VALUE_MAX, &request);
    assert_int_equal(request.refusal, CS_OK);
    assert_int_equal(request.id, 3);
    buffer_fini(&bytes);
}

/* Damage anywhere: refused or read as something else, never a crash or an over-read. */
static void damage_is_survived(void **state)
{
    (void)state;
    static const char whole[] = "\x92\x95\x01\xa3put\xa1k\xa1v\x81\xabif_revision\x29"
                                "\x94\x02\xa3get\xa1k\x82\xacmin_revision\x05\xab"
                                "consistency\xa5local";
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        size_t bytes = draw(&seed) % sizeof whole;
        uint8_t *copy = malloc(bytes + 1); // exact, for the sanitizer
        assert_non_null(copy);
        memcpy(copy, whole, bytes);
        for (uint64_t i = draw(&seed) % 3; i > 0 && bytes > 0; i--) {
            copy[draw(&seed) % bytes] = (uint8_t)draw(&seed);
        }
        struct client_message message;
        struct client_request request;
        if (open_message(view_of(copy, bytes), &message)) {
            for (uint32_t i = 0; i < message.request_count; i++) {
                client_message_take(&message, VALUE_MAX, &request);
            }
        }
        free(copy);
    }
}

/* ---- answers ---- */

static msgpack_object pack_and_read(const struct client_answer *answer,
                                    msgpack_unpacked *unpacked)
{
    static struct cs_buffer bytes; // what is unpacked looks into it
    bytes.bytes = 0;
    client_answer_pack(&bytes, answer);
    size_t at = 0;
    msgpack_unpack_return result =
        msgpack_unpack_next(unpacked, (const char *)bytes.data, bytes.bytes, &at);
    assert_int_equal(result, MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, bytes.bytes);
    assert_int_equal(unpacked->data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(unpacked->data.via.array.size, 8);
    return unpacked->data;
}

static void assert_word(const msgpack_object *object, const char *word)
{
    assert_int_equal(object->type, MSGPACK_OBJECT_STR);
    assert_int_equal(object->via.str.size, strlen(word));
    assert_memory_equal(object->via.str.ptr, word, strlen(word));
}

/* The value under that name; NULL: none. */
static const msgpack_object *find(const msgpack_object *map, const char *name)
{
    assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0) {
            return &pair->val;
        }
    }
    return NULL;
}

static void an_answer_has_eight_fields(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK,
                          .revision = 9,
                          .item_revision = 7,
                          .created_revision = 3,
                          .version = 4,
                          .value = TEXT("bytes")};
    struct client_answer answer = {.id = 5, .reply = &reply, .has_value = true};
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    const msgpack_object object = pack_and_read(&answer, &unpacked);
    const msgpack_object *fields = object.via.array.ptr;
    assert_int_equal(fields[0].via.u64, 5);
    assert_word(&fields[1], "ok");
    assert_int_equal(fields[2].via.u64, 9);
    assert_int_equal(fields[3].via.u64, 7);
    assert_int_equal(fields[4].via.u64, 3);
    assert_int_equal(fields[5].via.u64, 4);
    assert_int_equal(fields[6].type, MSGPACK_OBJECT_BIN);
    assert_int_equal(fields[6].via.bin.size, 5);
    assert_int_equal(fields[7].type, MSGPACK_OBJECT_NIL);
    msgpack_unpacked_destroy(&unpacked);
}

static void an_error_says_what_is_certain_and_what_to_do(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_UNKNOWN, .value = TEXT("no answer")};
    struct client_answer answer = {.id = 5,
                                   .reply = &reply,
                                   .leader = "n2",
                                   .durability = "none"};
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_object object = pack_and_read(&answer, &unpacked);
    const msgpack_object *info = &object.via.array.ptr[7];
    assert_word(&object.via.array.ptr[1], "outcome_unknown");
    assert_int_equal(object.via.array.ptr[6].type, MSGPACK_OBJECT_NIL);
    assert_word(find(info, "detail"), "no answer");
    assert_word(find(info, "applied"), "unknown");
    assert_true(find(info, "retryable")->via.boolean);
    assert_word(find(info, "leader"), "n2");
    assert_word(find(info, "durability"), "none");
    assert_null(find(info, "limit"));
    reply = (struct reply){.status = CS_TOO_LARGE};
    answer = (struct client_answer){.reply = &reply, .limit = 10, .actual = 12};
    object = pack_and_read(&answer, &unpacked);
    info = &object.via.array.ptr[7];
    assert_word(find(info, "applied"), "no");
    assert_false(find(info, "retryable")->via.boolean);
    assert_int_equal(find(info, "limit")->via.u64, 10);
    assert_int_equal(find(info, "actual")->via.u64, 12);
    assert_true(find(info, "detail")->via.str.size > 0);
    msgpack_unpacked_destroy(&unpacked);
}

static void a_local_read_says_how_old_it_may_be(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK, .lag_ms = 12};
    struct client_answer answer = {.reply = &reply, .has_value = true, .is_local = true};
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_object object = pack_and_read(&answer, &unpacked);
    assert_int_equal(find(&object.via.array.ptr[7], "lag_ms")->via.u64, 12);
    msgpack_unpacked_destroy(&unpacked);
}

static void a_session_is_told_and_so_is_a_replay(void **state)
{
    (void)state;
    struct reply reply = {.status = CS_OK, .session = 77};
    struct client_answer answer = {.reply = &reply};
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_object object = pack_and_read(&answer, &unpacked);
    assert_int_equal(find(&object.via.array.ptr[7], "session")->via.u64, 77);
    reply = (struct reply){.status = CS_UPDATED, .is_replay = true};
    object = pack_and_read(&answer, &unpacked);
    assert_true(find(&object.via.array.ptr[7], "replay")->via.boolean);
    // Neither is an error that needs words.
    reply = (struct reply){.status = CS_NOT_FOUND};
    assert_int_equal(pack_and_read(&answer, &unpacked).via.array.ptr[7].type,
                     MSGPACK_OBJECT_NIL);
    reply = (struct reply){.status = CS_NOT_MODIFIED};
    assert_int_equal(pack_and_read(&answer, &unpacked).via.array.ptr[7].type,
                     MSGPACK_OBJECT_NIL);
    msgpack_unpacked_destroy(&unpacked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_op_has_its_form),
        cmocka_unit_test(options_say_what_is_wanted),
        cmocka_unit_test(what_is_not_of_the_protocol_is_refused_in_words),
        cmocka_unit_test(lengths_refuse_only_their_own_request),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(an_answer_has_eight_fields),
        cmocka_unit_test(an_error_says_what_is_certain_and_what_to_do),
        cmocka_unit_test(a_local_read_says_how_old_it_may_be),
        cmocka_unit_test(a_session_is_told_and_so_is_a_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
