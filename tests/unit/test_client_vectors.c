/*
 * tests/interop/vectors.json against the real reader and writer: what strangers are told
 * the bytes of the client protocol are, and what they mean here. Run in the project's
 * folder.
 */
#include "wire/client_message.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char PATH[] = "tests/interop/vectors.json";

enum { LINE_BYTES = 8192, TEXT_BYTES = 1024, VECTOR_BYTES = 1024, VECTORS_MAX = 64 };

struct vector { // one line of the file
    char section[16];
    char name[64];
    uint8_t bytes[VECTOR_BYTES];
    size_t byte_count;
};

struct vectors {
    struct vector items[3 * VECTORS_MAX];
    size_t count;
};

static struct vectors vectors;

/* What stands between `before` and the next quote; the lines are our own and plain. */
static const char *
find_text(const char *line, const char *before, char *out, size_t bytes)
{
    const char *at = strstr(line, before);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(before);
    size_t count = strcspn(at, "\"");
    assert_true(count < bytes);
    memcpy(out, at, count);
    out[count] = '\0';
    return at + count;
}

static void read_hex(const char *hex, struct vector *vector)
{
    assert_int_equal(strlen(hex) % 2, 0);
    for (; *hex != '\0'; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};
        char *end = NULL;
        vector->bytes[vector->byte_count++] = (uint8_t)strtoul(digits, &end, 16);
        assert_ptr_equal(end, digits + 2);
    }
}

static int read_vectors(void **state)
{
    (void)state;
    static char line[LINE_BYTES];
    char section[16] = "";
    FILE *file = fopen(PATH, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char hex[2 * VECTOR_BYTES + 1];
        struct vector *vector = &vectors.items[vectors.count];
        if (find_text(line, "  {\"name\": \"", vector->name, sizeof vector->name) ==
            NULL) {
            (void)find_text(line, " \"", section, sizeof section);
            continue;
        }
        assert_non_null(find_text(line, "\"hex\": \"", hex, sizeof hex));
        memcpy(vector->section, section, sizeof section);
        read_hex(hex, vector);
        vectors.count++;
        assert_true(vectors.count < 3 * VECTORS_MAX);
    }
    assert_int_equal(fclose(file), 0);
    assert_true(vectors.count > 0);
    return 0;
}

/* ---- requests ---- */

static void append(char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

static void append_bytes(char *text, const char *name, struct cs_view view)
{
    append(text, " %s=", name);
    for (size_t i = 0; i < view.bytes; i++) {
        append(text, "%02x", view.data[i]);
    }
}

static void append_number(char *text, const char *name, uint64_t number)
{
    if (number != 0) {
        append(text, " %s=%llu", name, (unsigned long long)number);
    }
}

/* All that was understood, in words. */
static void describe(const struct client_request *taken, char *text)
{
    static const char *const KINDS[] = {"", "write", "get", "head", "status"};
    static const char *const OPERATIONS[] = {"", " put", " delete", " session"};
    static const char *const CONDITIONS[] = {"", " if_absent", " if_exists",
                                             " if_revision"};
    const struct request *request = &taken->request;
    const struct command *command = &taken->command;
    append(text, "%llu %s%s%s", (unsigned long long)taken->id, KINDS[request->kind],
           OPERATIONS[command->operation], CONDITIONS[command->condition]);
    append_number(text, "revision", command->condition_revision);
    append_bytes(text, "key", command->key);
    append_bytes(text, "value", command->value);
    append_number(text, "session", command->session);
    append_number(text, "sequence", command->sequence);
    append_number(text, "acknowledged", command->acknowledged);
    if (taken->has_unless_revision) {
        append(text, " unless=%llu", (unsigned long long)taken->unless_revision);
    }
    append(text, "%s", request->consistency == REQUEST_LOCAL ? " local" : "");
    append_number(text, "min", request->min_revision);
    append_number(text, "timeout", request->timeout_ms);
    assert_int_equal(taken->refusal, CS_OK);
}

struct meaning {
    const char *name;
    const char *text;
};

static const struct meaning meanings[] = {
    {"put", "1 write put key=6b value=76 timeout=5000"},
    {"put of str", "2 write put key=6b6579 value=76616c7565 timeout=5000"},
    {"put of an empty value", "3 write put key=6b value= timeout=5000"},
    {"put of any bytes", "4 write put key=002f2e2eff value=00ff timeout=5000"},
    {"get", "5 get key=6b value= timeout=5000"},
    {"head", "6 head key=6b value= timeout=5000"},
    {"delete", "7 write delete key=6b value= timeout=5000"},
    {"session", "8 write session key= value= timeout=5000"},
    {"status", "9 status key= value= timeout=5000"},
    {"the largest id that JSON holds", "9007199254740991 get key=6b value= timeout=5000"},
    {"no options", "10 get key=6b value= timeout=5000"},
    {"put if_absent", "11 write put if_absent key=6b value=76 timeout=5000"},
    {"put if_exists", "12 write put if_exists key=6b value=76 timeout=5000"},
    {"put if_revision",
     "13 write put if_revision revision=70000 key=6b value=76 timeout=5000"},
    {"delete if_absent", "14 write delete if_absent key=6b value= timeout=5000"},
    {"delete if_exists", "15 write delete if_exists key=6b value= timeout=5000"},
    {"delete if_revision",
     "16 write delete if_revision revision=5 key=6b value= timeout=5000"},
    {"put in a session",
     "17 write put key=6b value=76 session=3 sequence=2 acknowledged=1 timeout=5000"},
    {"delete in a session, if_exists",
     "18 write delete if_exists key=6b value= session=3 sequence=300 acknowledged=299 "
     "timeout=5000"},
    {"get unless_revision", "19 get key=6b value= unless=41 timeout=5000"},
    {"head unless_revision", "20 head key=6b value= unless=41 timeout=5000"},
    {"get local", "21 get key=6b value= local timeout=5000"},
    {"get linearizable", "22 get key=6b value= timeout=5000"},
    {"get local min_revision", "23 get key=6b value= local min=2 timeout=5000"},
    {"head min_revision", "24 head key=6b value= min=2 timeout=5000"},
    {"put timeout_ms", "25 write put key=6b value=76 timeout=500"},
    {"session timeout_ms", "26 write session key= value= timeout=1"},
    {"status timeout_ms", "27 status key= value= timeout=60000"},
    {"a batch", "28 write put key=6b value=76 timeout=5000; "
                "29 get key=6b value= local timeout=5000; "
                "30 write session key= value= timeout=5000"},
    {"a batch of one", "batch: 31 get key=6b value= timeout=5000"},
};

enum { MEANING_COUNT = sizeof meanings / sizeof *meanings };

static const char *meaning_of(const char *name)
{
    for (size_t i = 0; i < MEANING_COUNT; i++) {
        if (strcmp(meanings[i].name, name) == 0) {
            return meanings[i].text;
        }
    }
    fail_msg("%s: no test says what \"%s\" means", PATH, name);
    return NULL;
}

static void requests_mean_what_they_say(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *vector = &vectors.items[i];
        if (strcmp(vector->section, "requests") != 0) {
            continue;
        }
        struct client_message message;
        const char *reason = NULL;
        char text[TEXT_BYTES] = "";
        if (!client_message_open(view_of(vector->bytes, vector->byte_count),
                                 LIMIT_VALUE_BYTES, &message, &reason)) {
            fail_msg("%s: %s", vector->name, reason);
        }
        append(text, "%s",
               message.is_batch && message.request_count == 1 ? "batch: " : "");
        for (uint32_t place = 0; place < message.request_count; place++) {
            struct client_request taken;
            client_message_take(&message, LIMIT_VALUE_BYTES, &taken);
            append(text, "%s", place > 0 ? "; " : "");
            describe(&taken, text);
        }
        assert_string_equal(text, meaning_of(vector->name));
        count++;
    }
    assert_int_equal(count, MEANING_COUNT);
}

static void malformed_ones_are_refused(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *vector = &vectors.items[i];
        if (strcmp(vector->section, "malformed") == 0) {
            struct client_message message;
            const char *reason = NULL;
            if (client_message_open(view_of(vector->bytes, vector->byte_count),
                                    LIMIT_VALUE_BYTES, &message, &reason)) {
                fail_msg("\"%s\" was taken", vector->name);
            }
            assert_non_null(reason);
            count++;
        }
    }
    assert_true(count > 0);
}

/* ---- answers ---- */

struct told { // what is packed for the answer of that name
    const char *name;
    struct reply reply;
    struct client_answer answer;
};

#define AT(now, item, first, writes)                                                     \
    .revision = (now), .item_revision = (item), .created_revision = (first),             \
    .version = (writes)
#define BYTES(text)                                                                      \
    {                                                                                    \
        (const uint8_t *)(text), sizeof(text) - 1                                        \
    }

static const struct told tolds[] = {
    {"created", {.status = CS_CREATED, AT(42, 42, 42, 1)}, {.id = 1}},
    {"updated", {.status = CS_UPDATED, AT(43, 43, 42, 2)}, {.id = 2}},
    {"deleted", {.status = CS_DELETED, AT(44, 0, 0, 0)}, {.id = 3}},
    {"ok, of a get",
     {.status = CS_OK, AT(43, 43, 42, 2), .value = BYTES("v\0")},
     {.id = 4, .has_value = true}},
    {"ok, an empty value",
     {.status = CS_OK, AT(43, 43, 42, 2), .value = BYTES("")},
     {.id = 5, .has_value = true}},
    {"ok, of a head", {.status = CS_OK, AT(43, 43, 42, 2)}, {.id = 6}},
    {"ok, of a local get",
     {.status = CS_OK, AT(43, 43, 42, 2), .value = BYTES("v"), .lag_ms = 12},
     {.id = 7, .has_value = true, .is_local = true}},
    {"ok, a new session", {.status = CS_OK, AT(45, 0, 0, 0), .session = 3}, {.id = 8}},
    {"created, a replay",
     {.status = CS_CREATED, AT(42, 42, 42, 1), .is_replay = true},
     {.id = 9}},
    {"ok, of a node that is not durable",
     {.status = CS_OK, AT(43, 43, 42, 2), .value = BYTES("v")},
     {.id = 10, .has_value = true, .durability = "none"}},
    {"not_modified", {.status = CS_NOT_MODIFIED, AT(43, 43, 42, 2)}, {.id = 11}},
    {"not_found", {.status = CS_NOT_FOUND, AT(44, 0, 0, 0)}, {.id = 12}},
    {"precondition_failed", {.status = CS_PRECONDITION, AT(44, 43, 42, 2)}, {.id = 13}},
    {"malformed",
     {.status = CS_MALFORMED, .value = BYTES("bytes follow the end of the array")},
     {.id = 0}},
    {"key_too_long",
     {.status = CS_KEY_TOO_LONG},
     {.id = 14, .limit = 1024, .actual = 1025}},
    {"too_large",
     {.status = CS_TOO_LARGE},
     {.id = 15, .limit = 1048576, .actual = 1048577}},
    {"overloaded", {.status = CS_OVERLOADED}, {.id = 16}},
    {"no_quorum", {.status = CS_NO_QUORUM}, {.id = 17}},
    {"no_leader", {.status = CS_NO_LEADER}, {.id = 18}},
    {"starting", {.status = CS_STARTING}, {.id = 19}},
    {"stopping", {.status = CS_STOPPING}, {.id = 20}},
    {"timed_out", {.status = CS_TIMED_OUT}, {.id = 21, .leader = "n2"}},
    {"disk_full", {.status = CS_DISK_FULL}, {.id = 22}},
    {"session_expired", {.status = CS_SESSION_EXPIRED}, {.id = 23}},
    {"session_stale", {.status = CS_SESSION_STALE}, {.id = 24}},
    {"outcome_unknown", {.status = CS_UNKNOWN}, {.id = 25, .leader = "n2"}},
    {"an answer to a batch", {.status = CS_CREATED, AT(46, 46, 46, 1)}, {.id = 26}},
    {"an answer to a batch", {.status = CS_NOT_FOUND, AT(46, 0, 0, 0)}, {.id = 27}},
};

enum { TOLD_COUNT = sizeof tolds / sizeof *tolds };

/* All of that name: one answer, or, if there are several, those of a batch. */
static uint32_t pack_told(const char *name, struct cs_buffer *out)
{
    uint32_t count = 0;
    for (size_t i = 0; i < TOLD_COUNT; i++) {
        count += strcmp(tolds[i].name, name) == 0;
    }
    if (count > 1) {
        client_batch_pack(out, count);
    }
    for (size_t i = 0; i < TOLD_COUNT; i++) {
        if (strcmp(tolds[i].name, name) == 0) {
            struct client_answer answer = tolds[i].answer;
            answer.reply = &tolds[i].reply;
            client_answer_pack(out, &answer);
        }
    }
    return count;
}

static void answers_are_sent_byte_for_byte(void **state)
{
    (void)state;
    size_t count = 0;
    struct cs_buffer bytes = {0};
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *vector = &vectors.items[i];
        if (strcmp(vector->section, "answers") != 0) {
            continue;
        }
        bytes.bytes = 0;
        uint32_t packed = pack_told(vector->name, &bytes);
        if (packed == 0 || bytes.bytes != vector->byte_count ||
            memcmp(bytes.data, vector->bytes, bytes.bytes) != 0) {
            fail_msg("\"%s\" is not what is sent", vector->name);
        }
        count += packed;
    }
    assert_int_equal(count, TOLD_COUNT);
    buffer_fini(&bytes);
}

static void every_code_of_the_port_has_an_answer(void **state)
{
    (void)state;
    for (uint32_t status = 0; status < CS_STATUS_COUNT; status++) {
        bool is_told = status == CS_METHOD || status == CS_HEAD_TOO_LARGE; // HTTP only
        for (size_t i = 0; i < TOLD_COUNT; i++) {
            is_told = is_told || tolds[i].reply.status == status;
        }
        if (!is_told) {
            fail_msg("%s has no vector", status_word((enum cs_status)status));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_mean_what_they_say),
        cmocka_unit_test(malformed_ones_are_refused),
        cmocka_unit_test(answers_are_sent_byte_for_byte),
        cmocka_unit_test(every_code_of_the_port_has_an_answer),
    };
    return cmocka_run_group_tests(tests, read_vectors, NULL);
}
