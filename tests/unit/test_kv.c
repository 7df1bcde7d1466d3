/*
 * The state machine: each answer of a write by example, then a sorted array as dumb twin
 * over 100,000 random operations, the digest computed anew from its definition, and
 * memory.
 */
#include "kv/kv.h"

#include "base/limits.h"
#include "unit/support/draw.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)

/* ---- by example ------------------------------------------------------------------- */

static struct kv_result apply(struct kv *kv, const struct command *command)
{
    struct kv_result result;
    memset(&result, 0xa5, sizeof(result));
    kv_apply(kv, command, 1000, &result);
    return result;
}

static struct kv_result put(struct kv *kv, const char *key, const char *value)
{
    struct command command = {.operation = COMMAND_PUT,
                              .key = view_of(key, strlen(key)),
                              .value = view_of(value, strlen(value))};
    return apply(kv, &command);
}

static struct kv_result erase(struct kv *kv, const char *key)
{
    struct command command = {.operation = COMMAND_DELETE,
                              .key = view_of(key, strlen(key))};
    return apply(kv, &command);
}

static struct kv_result write_if(struct kv *kv,
                                 uint32_t operation,
                                 const char *key,
                                 uint32_t condition,
                                 uint64_t revision)
{
    struct command command = {.operation = operation,
                              .condition = condition,
                              .condition_revision = revision,
                              .key = view_of(key, strlen(key)),
                              .value = operation == COMMAND_PUT ? TEXT("new") : TEXT("")};
    return apply(kv, &command);
}

static void assert_result(struct kv_result result,
                          enum cs_status status,
                          uint64_t revision,
                          uint64_t item_revision,
                          uint64_t created_revision,
                          uint64_t version)
{
    assert_string_equal(status_word(result.status), status_word(status));
    assert_int_equal(result.revision, revision);
    assert_int_equal(result.item_revision, item_revision);
    assert_int_equal(result.created_revision, created_revision);
    assert_int_equal(result.version, version);
}

static void assert_view_is(struct cs_view view, const char *text)
{
    assert_int_equal(view.bytes, strlen(text));
    assert_true(view.bytes == 0 || memcmp(view.data, text, view.bytes) == 0);
}

static void fresh_table_has_nothing_and_revision_zero(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    struct kv_item item;
    assert_int_equal(kv_revision(kv), 0);
    assert_int_equal(kv_item_count(kv), 0);
    assert_int_equal(kv_bytes(kv), 0);
    assert_int_equal(kv_get(kv, TEXT("a"), &item), CS_NOT_FOUND);
    assert_int_equal(kv_next(kv, TEXT(""), &item), CS_NOT_FOUND);
    kv_destroy(&kv);
    assert_null(kv);
    kv_destroy(&kv);
}

static void put_creates_then_updates_and_delete_forgets(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    struct kv_item item;
    assert_result(put(kv, "a", "one"), CS_CREATED, 1, 1, 1, 1);
    assert_result(put(kv, "b", "two"), CS_CREATED, 2, 2, 2, 1);
    assert_result(put(kv, "a", "three!"), CS_UPDATED, 3, 3, 1, 2);
    assert_int_equal(kv_get(kv, TEXT("a"), &item), CS_OK);
    assert_view_is(item.key, "a");
    assert_view_is(item.value, "three!");
    assert_int_equal(item.created_revision, 1);
    assert_int_equal(item.modified_revision, 3);
    assert_int_equal(item.version, 2);
    assert_result(erase(kv, "a"), CS_DELETED, 4, 0, 0, 0);
    assert_int_equal(kv_get(kv, TEXT("a"), &item), CS_NOT_FOUND);
    assert_result(erase(kv, "a"), CS_NOT_FOUND, 4, 0, 0, 0);
    assert_result(put(kv, "a", ""), CS_CREATED, 5, 5, 5, 1);
    assert_int_equal(kv_get(kv, TEXT("a"), &item), CS_OK);
    assert_view_is(item.value, "");
    assert_int_equal(kv_item_count(kv), 2);
    kv_destroy(&kv);
}

static void conditions_of_put_hold_or_change_nothing(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    const uint32_t operation = COMMAND_PUT;
    assert_result(write_if(kv, operation, "k", COMMAND_IF_EXISTS, 0), CS_PRECONDITION, 0,
                  0, 0, 0);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 0), CS_PRECONDITION,
                  0, 0, 0, 0);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_ABSENT, 0), CS_CREATED, 1, 1, 1,
                  1);
    struct cs_digest before = kv_digest(kv);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_ABSENT, 0), CS_PRECONDITION, 1,
                  1, 1, 1);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 2), CS_PRECONDITION,
                  1, 1, 1, 1);
    struct cs_digest after = kv_digest(kv);
    assert_memory_equal(&before, &after, sizeof(after));
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 1), CS_UPDATED, 2, 2,
                  1, 2);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 1), CS_PRECONDITION,
                  2, 2, 1, 2);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_EXISTS, 0), CS_UPDATED, 3, 3, 1,
                  3);
    kv_destroy(&kv);
}

static void conditions_of_delete_come_before_not_found(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    const uint32_t operation = COMMAND_DELETE;
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 1), CS_PRECONDITION,
                  0, 0, 0, 0);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_EXISTS, 0), CS_PRECONDITION, 0,
                  0, 0, 0);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_ABSENT, 0), CS_NOT_FOUND, 0, 0,
                  0, 0);
    (void)put(kv, "k", "v");
    assert_result(write_if(kv, operation, "k", COMMAND_IF_ABSENT, 0), CS_PRECONDITION, 1,
                  1, 1, 1);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 9), CS_PRECONDITION,
                  1, 1, 1, 1);
    assert_result(write_if(kv, operation, "k", COMMAND_IF_REVISION, 1), CS_DELETED, 2, 0,
                  0, 0);
    (void)put(kv, "k", "v");
    assert_result(write_if(kv, operation, "k", COMMAND_IF_EXISTS, 0), CS_DELETED, 4, 0, 0,
                  0);
    kv_destroy(&kv);
}

static void keys_are_walked_bytewise_shorter_first_from_any_point(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    const struct cs_view keys[] = {TEXT("\0"),   TEXT("\0\0"), TEXT("A"),   TEXT("a"),
                                   TEXT("a\0"),  TEXT("a/"),   TEXT("aa"),  TEXT("b"),
                                   TEXT("\x7f"), TEXT("\x80"), TEXT("\xff")};
    const size_t count = sizeof(keys) / sizeof(keys[0]);
    for (size_t i = 0; i < count; i++) {
        struct command command = {.operation = COMMAND_PUT, .key = keys[(i * 7) % count]};
        assert_int_equal(apply(kv, &command).status, CS_CREATED);
    }
    struct kv_item item;
    struct cs_view after = TEXT("");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kv_next(kv, after, &item), CS_OK);
        assert_int_equal(item.key.bytes, keys[i].bytes);
        assert_memory_equal(item.key.data, keys[i].data, keys[i].bytes);
        after = item.key;
    }
    assert_int_equal(kv_next(kv, after, &item), CS_NOT_FOUND);
    assert_int_equal(kv_next(kv, TEXT("a."), &item), CS_OK); // no key itself
    assert_view_is(item.key, "a/");
    kv_destroy(&kv);
}

static void largest_key_and_value_are_kept(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    uint64_t seed = 1;
    uint8_t *bytes = malloc(LIMIT_VALUE_BYTES);
    draw_bytes(&seed, bytes, LIMIT_VALUE_BYTES);
    struct command command = {.operation = COMMAND_PUT,
                              .key = view_of(bytes, LIMIT_KEY_BYTES),
                              .value = view_of(bytes, LIMIT_VALUE_BYTES)};
    assert_int_equal(apply(kv, &command).status, CS_CREATED);
    struct kv_item item;
    assert_int_equal(kv_get(kv, command.key, &item), CS_OK);
    assert_int_equal(item.value.bytes, LIMIT_VALUE_BYTES);
    assert_memory_equal(item.value.data, bytes, LIMIT_VALUE_BYTES);
    assert_true(kv_bytes(kv) > LIMIT_KEY_BYTES + LIMIT_VALUE_BYTES);
    kv_destroy(&kv);
    free(bytes);
}

/* ---- the digest ------------------------------------------------------------------- */

static bool are_equal(struct cs_digest left, struct cs_digest right)
{
    return left.high == right.high && left.low == right.low;
}

/* Each letter is put as a key with itself as value; after '-' it is deleted. */
static struct cs_digest digest_after(const char *script)
{
    struct kv *kv = kv_new();
    for (const char *at = script; *at != '\0'; at++) {
        char key[2] = {*at == '-' ? at[1] : *at, '\0'};
        if (*at == '-') {
            assert_int_equal(erase(kv, key).status, CS_DELETED);
            at++;
        } else {
            (void)put(kv, key, key);
        }
    }
    struct cs_digest digest = kv_digest(kv);
    kv_destroy(&kv);
    return digest;
}

static void digests_are_equal_exactly_when_states_are(void **state)
{
    (void)state;
    const struct {
        const char *left;
        const char *right;
        bool are_states_equal;
    } rows[] = {
        {"y-yy", "x-xy", true},   // y: created 3, modified 3, version 1
        {"xyx-x", "zyz-z", true}, // what is gone leaves no trace but the revision
        {"aby", "aby", true},
        {"xy", "yx", false},         // revisions of the two are swapped
        {"y", "x", false},           // key
        {"y", "yx-x", false},        // revision alone
        {"yyyx-x", "yxyx-x", false}, // version 3 or 2; created 1, modified 3
        {"yxy-x", "xyy-x", false},   // created 1 or 2; modified 3, version 2
        {"yyx-x", "yxy-x", false},   // modified 2 or 3; created 1, version 2
        {"", "x-x", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            are_equal(digest_after(rows[i].left), digest_after(rows[i].right)),
            rows[i].are_states_equal);
    }
}

static void digest_tells_values_and_the_border_between_key_and_value(void **state)
{
    (void)state;
    const char *const rows[][2] = {{"k", "v"}, {"k", "w"}, {"kv", ""}, {"k", ""}};
    struct cs_digest digests[4];
    for (size_t i = 0; i < 4; i++) {
        struct kv *kv = kv_new();
        (void)put(kv, rows[i][0], rows[i][1]);
        digests[i] = kv_digest(kv);
        kv_destroy(&kv);
        for (size_t j = 0; j < i; j++) {
            assert_false(are_equal(digests[i], digests[j]));
        }
    }
}

/* ---- the twin --------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 u128;

enum { TWIN_KEYS = 300, TWIN_VALUE_BYTES = 48, TWIN_KEY_BYTES = 6 };

struct twin_item {
    uint8_t key[TWIN_KEY_BYTES];
    size_t key_bytes;
    uint8_t value[TWIN_VALUE_BYTES];
    size_t value_bytes;
    uint64_t created_revision;
    uint64_t modified_revision;
    uint64_t version;
};

struct twin { // items[0 .. item_count) in order of their keys
    struct twin_item items[TWIN_KEYS];
    size_t item_count;
    uint64_t revision;
};

static struct twin twin;

static int compare_to(const struct twin_item *item, struct cs_view key)
{
    for (size_t i = 0; i < item->key_bytes && i < key.bytes; i++) {
        if (item->key[i] != key.data[i]) {
            return item->key[i] < key.data[i] ? -1 : 1;
        }
    }
    return (item->key_bytes > key.bytes) - (item->key_bytes < key.bytes);
}

/* Where the key is, or would go. */
static size_t twin_place(struct cs_view key, bool *out_is_there)
{
    size_t place = 0;
    while (place < twin.item_count && compare_to(&twin.items[place], key) < 0) {
        place++;
    }
    *out_is_there = place < twin.item_count && compare_to(&twin.items[place], key) == 0;
    return place;
}

static bool
twin_condition_holds(const struct command *command, bool is_there, size_t place)
{
    if (command->condition == COMMAND_ALWAYS) {
        return true;
    }
    if (command->condition == COMMAND_IF_ABSENT) {
        return !is_there;
    }
    return is_there &&
           (command->condition == COMMAND_IF_EXISTS ||
            twin.items[place].modified_revision == command->condition_revision);
}

static void twin_write(struct twin_item *item, const struct command *command)
{
    memcpy(item->key, command->key.data, command->key.bytes);
    item->key_bytes = command->key.bytes;
    memcpy(item->value, command->value.data, command->value.bytes);
    item->value_bytes = command->value.bytes;
    item->modified_revision = twin.revision;
    item->version += 1;
}

static enum cs_status twin_apply(const struct command *command)
{
    bool is_there = false;
    size_t place = twin_place(command->key, &is_there);
    struct twin_item *item = &twin.items[place];
    if (!twin_condition_holds(command, is_there, place)) {
        return CS_PRECONDITION;
    }
    if (command->operation == COMMAND_DELETE && !is_there) {
        return CS_NOT_FOUND;
    }
    twin.revision += 1;
    size_t behind_count = twin.item_count - place;
    if (command->operation == COMMAND_DELETE) {
        twin.item_count -= 1;
        memmove(item, item + 1, (behind_count - 1) * sizeof(*item));
        return CS_DELETED;
    }
    if (!is_there) {
        assert_true(twin.item_count < TWIN_KEYS);
        twin.item_count += 1;
        memmove(item + 1, item, behind_count * sizeof(*item));
        memset(item, 0, sizeof(*item));
        item->created_revision = twin.revision;
    }
    twin_write(item, command);
    return is_there ? CS_UPDATED : CS_CREATED;
}

/* From the definition in kv.c, over all items. */
static struct cs_digest twin_digest(void)
{
    u128 sum = 0;
    uint8_t bytes[72];
    for (size_t i = 0; i < twin.item_count; i++) {
        const struct twin_item *item = &twin.items[i];
        struct cs_digest key = digest_128(item->key, item->key_bytes, 0);
        struct cs_digest value = digest_128(item->value, item->value_bytes, 0);
        store_u64(bytes, item->key_bytes);
        store_u64(bytes + 8, item->value_bytes);
        store_u64(bytes + 16, item->created_revision);
        store_u64(bytes + 24, item->modified_revision);
        store_u64(bytes + 32, item->version);
        store_u64(bytes + 40, key.high);
        store_u64(bytes + 48, key.low);
        store_u64(bytes + 56, value.high);
        store_u64(bytes + 64, value.low);
        struct cs_digest digest = digest_128(bytes, 72, 0);
        sum += ((u128)digest.high << 64) + digest.low;
    }
    store_u64(bytes, (uint64_t)(sum >> 64));
    store_u64(bytes + 8, (uint64_t)sum);
    store_u64(bytes + 16, twin.revision);
    store_u64(bytes + 24, twin.item_count);
    memset(bytes + 32, 0, 16); // no sessions
    return digest_128(bytes, 48, 0);
}

static void assert_equals_twin(const struct kv *kv)
{
    struct kv_item item;
    struct cs_view after = TEXT("");
    for (size_t i = 0; i < twin.item_count; i++) {
        const struct twin_item *expected = &twin.items[i];
        assert_int_equal(kv_next(kv, after, &item), CS_OK);
        assert_int_equal(item.key.bytes, expected->key_bytes);
        assert_memory_equal(item.key.data, expected->key, expected->key_bytes);
        assert_int_equal(item.value.bytes, expected->value_bytes);
        assert_true(item.value.bytes == 0 ||
                    memcmp(item.value.data, expected->value, item.value.bytes) == 0);
        assert_int_equal(item.created_revision, expected->created_revision);
        assert_int_equal(item.modified_revision, expected->modified_revision);
        assert_int_equal(item.version, expected->version);
        after = item.key;
    }
    assert_int_equal(kv_next(kv, after, &item), CS_NOT_FOUND);
    assert_int_equal(kv_item_count(kv), twin.item_count);
    assert_int_equal(kv_revision(kv), twin.revision);
    assert_true(are_equal(kv_digest(kv), twin_digest()));
}

/* The key's own revision now and then, so that conditions on it hold often enough. */
static struct command draw_command(uint64_t *seed, uint8_t *key, const uint8_t *values)
{
    uint32_t number = draw_below(seed, TWIN_KEYS - 1);
    (void)snprintf((char *)key, TWIN_KEY_BYTES, "%x%s", number,
                   number % 3 == 0 ? "/" : "");
    struct command command = {.operation = COMMAND_PUT};
    command.key = view_of(key, strlen((const char *)key));
    command.value = view_of(values, draw_below(seed, TWIN_VALUE_BYTES));
    if (draw_below(seed, 5) < 2) {
        command.operation = COMMAND_DELETE;
        command.value = TEXT("");
    }
    command.condition = draw_below(seed, 2 * COMMAND_CONDITIONS);
    command.condition = command.condition < COMMAND_CONDITIONS ? command.condition : 0;
    bool is_there = false;
    size_t place = twin_place(command.key, &is_there);
    command.condition_revision = twin.revision;
    if (is_there && draw_below(seed, 3) > 0) {
        command.condition_revision = twin.items[place].modified_revision;
    }
    return command;
}

static void table_agrees_with_a_sorted_array_over_random_operations(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint32_t counts[CS_STATUS_COUNT] = {0};
    struct kv *kv = kv_new();
    memset(&twin, 0, sizeof(twin));
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t key[TWIN_KEY_BYTES];
        uint8_t values[TWIN_VALUE_BYTES];
        bool is_there = false;
        draw_bytes(&seed, values, sizeof(values));
        struct command command = draw_command(&seed, key, values);
        struct kv_result result = apply(kv, &command);
        enum cs_status expected = twin_apply(&command);
        counts[expected] += 1;
        size_t place = twin_place(command.key, &is_there);
        const struct twin_item *item = &twin.items[place];
        assert_result(
            result, expected, twin.revision, is_there ? item->modified_revision : 0,
            is_there ? item->created_revision : 0, is_there ? item->version : 0);
        if (i % 500 == 0) {
            assert_equals_twin(kv);
        }
    }
    assert_equals_twin(kv);
    const enum cs_status wanted[] = {CS_CREATED, CS_UPDATED, CS_DELETED, CS_NOT_FOUND,
                                     CS_PRECONDITION};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(counts[wanted[i]] > 5000);
    }
    kv_destroy(&kv);
}

/* ---- memory ----------------------------------------------------------------------- */

static void bytes_are_counted_up_and_down_to_nothing(void **state)
{
    (void)state;
    struct kv *kv = kv_new();
    (void)put(kv, "k", "12345");
    uint64_t five_bytes = kv_bytes(kv);
    (void)put(kv, "k", "1234567");
    assert_int_equal(kv_bytes(kv), five_bytes + 2);
    (void)put(kv, "k", "");
    assert_int_equal(kv_bytes(kv), five_bytes - 5);
    (void)put(kv, "key", "");
    assert_int_equal(kv_bytes(kv), 2 * (five_bytes - 5) + 2);
    (void)erase(kv, "k");
    (void)erase(kv, "key");
    assert_int_equal(kv_bytes(kv), 0);
    kv_destroy(&kv);
}

static void hundred_thousand_keys_of_100_bytes_take_at_most_25_mb(void **state)
{
    (void)state;
    enum { KEYS = 100000, TARGET_BYTES = 25 * 1000 * 1000 };
    static const uint8_t value[100] = {1};
    struct kv *kv = kv_new();
    size_t before_bytes = mallinfo2().uordblks; // 0 under a sanitizer's allocator
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[24];
        (void)snprintf(key, sizeof(key), "key-%016x", i * 2654435761u);
        struct command command = {.operation = COMMAND_PUT,
                                  .key = view_of(key, strlen(key)),
                                  .value = view_of(value, sizeof(value))};
        assert_int_equal(apply(kv, &command).status, CS_CREATED);
    }
    size_t grown_bytes = mallinfo2().uordblks - before_bytes;
    assert_true(grown_bytes <= TARGET_BYTES);
    assert_true(kv_bytes(kv) <= TARGET_BYTES);
    assert_true(kv_bytes(kv) >= KEYS * (100 + 20));
    // What is reported is what is used, within a tenth.
    assert_true(grown_bytes == 0 || (kv_bytes(kv) > grown_bytes / 10 * 9 &&
                                     kv_bytes(kv) < grown_bytes / 10 * 11));
    kv_destroy(&kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_table_has_nothing_and_revision_zero),
        cmocka_unit_test(put_creates_then_updates_and_delete_forgets),
        cmocka_unit_test(conditions_of_put_hold_or_change_nothing),
        cmocka_unit_test(conditions_of_delete_come_before_not_found),
        cmocka_unit_test(keys_are_walked_bytewise_shorter_first_from_any_point),
        cmocka_unit_test(largest_key_and_value_are_kept),
        cmocka_unit_test(digests_are_equal_exactly_when_states_are),
        cmocka_unit_test(digest_tells_values_and_the_border_between_key_and_value),
        cmocka_unit_test(table_agrees_with_a_sorted_array_over_random_operations),
        cmocka_unit_test(bytes_are_counted_up_and_down_to_nothing),
        cmocka_unit_test(hundred_thousand_keys_of_100_bytes_take_at_most_25_mb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
