/*
 * kv.c - a red-black tree of items (libbsd's sys/tree.h), ordered bytewise by key.
 *
 * An item is one allocation with its key behind it, and one for its value: a write of
 * another length then never moves the item, so the tree is touched only when keys come
 * and go.
 *
 * Digest: H is XXH3-128, all integers are 8 bytes little endian, "," joins bytes.
 *   item   H(key bytes, value bytes, created, modified, version, H(key), H(value))
 *   state  H(sum of items mod 2^128 (high, low), revision, item count, sum of sessions)
 * The sum depends neither on order nor on how the state came about, and costs two items a
 * write.
 */
#include "kv/kv.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "kv/sessions.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

struct item {
    uint64_t created_revision;
    uint64_t modified_revision;
    uint64_t version;
    uint8_t *value; // NULL: empty
    uint32_t value_bytes;
    uint32_t key_bytes; // from here on what a search reads, close together
    RB_ENTRY(item) links;
    uint8_t key[];
};

RB_HEAD(tree, item);

/* Each item: version <= modified_revision <= revision. Counts and sum are over items. */
struct kv {
    struct tree tree;
    uint64_t revision;
    uint64_t item_count;
    uint64_t bytes;
    struct cs_digest item_sum;
    struct sessions sessions;
};

enum {
    ALLOCATION_BYTES = 8, // what malloc keeps beside each block
    ITEM_BYTES = sizeof(struct item) + 2UL * ALLOCATION_BYTES,
};

_Static_assert(LIMIT_VALUE_BYTES <= UINT32_MAX, "value_bytes holds any");

static int compare_items(const struct item *left, const struct item *right);

// What RB_GENERATE_STATIC does, but its __unused is missing from libbsd's own header.
// clang-format off
// cppcheck-suppress unknownMacro
RB_GENERATE_INTERNAL(tree, item, links, compare_items, static __attribute__((unused)))
// clang-format on

static struct item *find(const struct kv *kv, struct cs_view key);
static struct item *find_after(const struct kv *kv, struct cs_view key);
static bool holds(const struct command *command, const struct item *item);
static struct item *create_item(struct kv *kv, const struct command *command);
static void update_item(struct kv *kv, struct item *item, struct cs_view value);
static void remove_item(struct kv *kv, struct item *item);
static void count_in(struct kv *kv, const struct item *item);
static void count_out(struct kv *kv, const struct item *item);
static struct cs_digest digest_item(const struct item *item);
static struct cs_digest digest_of_words(const uint64_t *words, size_t word_count);
static void set_value(struct item *item, struct cs_view value);
static void free_item(struct item *item);
static struct kv_item show(const struct item *item);

struct kv *kv_new(void)
{
    struct kv *kv = calloc(1, sizeof(*kv));
    CHECK(kv != NULL); // no memory: nothing sensible is left to do
    RB_INIT(&kv->tree);
    sessions_init(&kv->sessions);
    return kv;
}

void kv_destroy(struct kv **kv)
{
    if (*kv == NULL) {
        return;
    }
    while (!RB_EMPTY(&(*kv)->tree)) {
        remove_item(*kv, RB_ROOT(&(*kv)->tree));
    }
    sessions_fini(&(*kv)->sessions);
    free(*kv);
    *kv = NULL;
}

void kv_bound_sessions(struct kv *kv, uint64_t count_max, uint64_t idle_ms)
{
    CHECK(count_max > 0);
    kv->sessions.count_max = count_max;
    kv->sessions.idle_ms = idle_ms;
}

static void
write_key(struct kv *kv, const struct command *command, struct kv_result *out_result)
{
    struct item *item = find(kv, command->key);
    enum cs_status status = CS_PRECONDITION;
    kv->revision += MUTANT_IS(197) && !holds(command, item) ? 1 : 0;
    if (holds(command, item)) {
        if (command->operation == COMMAND_PUT) {
            status = item == NULL ? CS_CREATED : CS_UPDATED;
            kv->revision += 1;
            if (item == NULL) {
                item = create_item(kv, command);
            } else {
                update_item(kv, item, command->value);
            }
        } else if (item == NULL) {
            status = CS_NOT_FOUND;
        } else {
            status = CS_DELETED;
            kv->revision += MUTANT_IS(199) ? 0 : 1;
            if (!MUTANT_IS(51)) {
                remove_item(kv, item);
            }
            item = NULL;
        }
    }
    out_result->status = status;
    out_result->revision = kv->revision;
    out_result->item_revision = item == NULL ? 0 : item->modified_revision;
    out_result->created_revision = item == NULL ? 0 : item->created_revision;
    out_result->version = item == NULL ? 0 : item->version;
}

/* Deduplicated here, at apply, never when it is proposed (PAXOS 1.2, 2.13). */
static void write_in_session(struct kv *kv,
                             const struct command *command,
                             uint64_t time_ms,
                             struct kv_result *out_result)
{
    switch (sessions_meet(&kv->sessions, command, time_ms, out_result)) {
    case SESSION_NEW_WRITE:
        write_key(kv, command, out_result);
        sessions_keep(&kv->sessions, command, out_result);
        return;
    case SESSION_REPLAY:
        out_result->is_replay = true;
        out_result->revision = MUTANT_IS(224) ? kv->revision : out_result->revision;
        return;
    case SESSION_STALE:
        out_result->status = CS_SESSION_STALE;
        break;
    case SESSION_EXPIRED:
        if (MUTANT_IS(225)) {
            write_key(kv, command, out_result);
        }
        out_result->status = CS_SESSION_EXPIRED;
        break;
    }
    out_result->revision = kv->revision;
}

void kv_apply(struct kv *kv,
              const struct command *command,
              uint64_t time_ms,
              struct kv_result *out_result)
{
    *out_result = (struct kv_result){0};
    sessions_expire(&kv->sessions, time_ms);
    if (command->operation == COMMAND_OPEN_SESSION) {
        out_result->status = CS_OK;
        out_result->revision = kv->revision;
        out_result->session = sessions_open(&kv->sessions, time_ms);
    } else if (command->session != 0) {
        write_in_session(kv, command, time_ms, out_result);
    } else {
        write_key(kv, command, out_result);
    }
}

enum cs_status kv_get(const struct kv *kv, struct cs_view key, struct kv_item *out_item)
{
    const struct item *item = find(kv, key);
    if (item == NULL) {
        return CS_NOT_FOUND;
    }
    *out_item = show(item);
    return CS_OK;
}

enum cs_status
kv_next(const struct kv *kv, struct cs_view after, struct kv_item *out_item)
{
    const struct item *item = find_after(kv, after);
    if (item == NULL) {
        return CS_NOT_FOUND;
    }
    *out_item = show(item);
    return CS_OK;
}

uint64_t kv_revision(const struct kv *kv)
{
    return kv->revision;
}

uint64_t kv_item_count(const struct kv *kv)
{
    return kv->item_count;
}

uint64_t kv_session_count(const struct kv *kv)
{
    return kv->sessions.count;
}

uint64_t kv_bytes(const struct kv *kv)
{
    return kv->bytes;
}

struct cs_digest kv_digest(const struct kv *kv)
{
    struct cs_digest sessions = sessions_digest(&kv->sessions);
    const uint64_t words[] = {kv->item_sum.high, kv->item_sum.low, kv->revision,
                              kv->item_count,    sessions.high,    sessions.low};
    return digest_of_words(words, sizeof(words) / sizeof(words[0]));
}

/* ---- looking up -------------------------------------------------------------------- */

static int compare_keys(struct cs_view left, struct cs_view right)
{
    size_t shorter = left.bytes < right.bytes ? left.bytes : right.bytes;
    int order = shorter == 0 ? 0 : memcmp(left.data, right.data, shorter);
    if (order != 0) {
        return order;
    }
    return (left.bytes > right.bytes) - (left.bytes < right.bytes);
}

static struct cs_view key_of(const struct item *item)
{
    return view_of(item->key, item->key_bytes);
}

static int compare_items(const struct item *left, const struct item *right)
{
    return compare_keys(key_of(left), key_of(right));
}

static struct item *find(const struct kv *kv, struct cs_view key)
{
    struct item *item = RB_ROOT(&kv->tree);
    while (item != NULL) {
        int order = compare_keys(key, key_of(item));
        if (order == 0) {
            return item;
        }
        item = order < 0 ? RB_LEFT(item, links) : RB_RIGHT(item, links);
    }
    return NULL;
}

/* The first item whose key is greater. */
static struct item *find_after(const struct kv *kv, struct cs_view key)
{
    struct item *item = RB_ROOT(&kv->tree);
    struct item *best = NULL;
    while (item != NULL) {
        if (compare_keys(key, key_of(item)) < 0) {
            best = item;
            item = RB_LEFT(item, links);
        } else {
            item = RB_RIGHT(item, links);
        }
    }
    return best;
}

static bool holds(const struct command *command, const struct item *item)
{
    switch (command->condition) {
    case COMMAND_IF_ABSENT:
        return item == NULL || MUTANT_IS(195);
    case COMMAND_IF_EXISTS:
        return item != NULL || MUTANT_IS(196);
    case COMMAND_IF_REVISION:
        return item != NULL &&
               (item->modified_revision == command->condition_revision || MUTANT_IS(50));
    default:
        return true; // COMMAND_ALWAYS: command_unpack() lets nothing else through
    }
}

static struct kv_item show(const struct item *item)
{
    struct kv_item shown = {
        .key = key_of(item),
        .value = view_of(item->value, item->value_bytes),
        .created_revision = item->created_revision,
        .modified_revision = item->modified_revision,
        .version = item->version,
    };
    return shown;
}

/* ---- changing: the revision has risen already -------------------------------------- */

static struct item *create_item(struct kv *kv, const struct command *command)
{
    CHECK(command->key.bytes >= 1);
    CHECK(command->key.bytes <= LIMIT_KEY_BYTES);
    struct item *item = calloc(1, sizeof(*item) + command->key.bytes);
    CHECK(item != NULL);
    item->key_bytes = (uint32_t)command->key.bytes;
    memcpy(item->key, command->key.data, command->key.bytes);
    item->created_revision = kv->revision;
    item->modified_revision = kv->revision;
    item->version = 1;
    set_value(item, command->value);
    const struct item *twin = RB_INSERT(tree, &kv->tree, item);
    CHECK(twin == NULL); // find() has seen none
    count_in(kv, item);
    return item;
}

static void update_item(struct kv *kv, struct item *item, struct cs_view value)
{
    count_out(kv, item);
    set_value(item, value);
    item->modified_revision = kv->revision;
    item->version += MUTANT_IS(198) ? 0 : 1;
    count_in(kv, item);
}

static void remove_item(struct kv *kv, struct item *item)
{
    count_out(kv, item);
    (void)RB_REMOVE(tree, &kv->tree, item);
    free_item(item);
}

static void set_value(struct item *item, struct cs_view value)
{
    CHECK(value.bytes <= LIMIT_VALUE_BYTES);
    if (value.bytes != item->value_bytes) {
        free(item->value);
        item->value = value.bytes == 0 ? NULL : malloc(value.bytes);
        CHECK(value.bytes == 0 || item->value != NULL);
        item->value_bytes = (uint32_t)value.bytes;
    }
    if (value.bytes > 0) {
        memcpy(item->value, value.data, value.bytes);
    }
}

static void free_item(struct item *item)
{
    free(item->value);
    free(item);
}

/* ---- counting: bytes, items and the sum of their digests --------------------------- */

static void count_in(struct kv *kv, const struct item *item)
{
    struct cs_digest digest = digest_item(item);
    kv->item_sum.low += digest.low;
    kv->item_sum.high += digest.high + (kv->item_sum.low < digest.low);
    kv->item_count += 1;
    kv->bytes += ITEM_BYTES + (uint64_t)item->key_bytes + item->value_bytes;
}

static void count_out(struct kv *kv, const struct item *item)
{
    struct cs_digest digest = digest_item(item);
    kv->item_sum.high -= digest.high + (kv->item_sum.low < digest.low);
    kv->item_sum.low -= digest.low;
    kv->item_count -= 1;
    kv->bytes -= ITEM_BYTES + (uint64_t)item->key_bytes + item->value_bytes;
}

/* Computed from the bytes each time: a bit that flips in memory shows in the sum. */
static struct cs_digest digest_item(const struct item *item)
{
    struct cs_digest key = digest_128(item->key, item->key_bytes, 0);
    struct cs_digest value = digest_128(item->value, item->value_bytes, 0);
    const uint64_t words[] = {item->key_bytes,
                              item->value_bytes,
                              item->created_revision,
                              item->modified_revision,
                              item->version,
                              key.high,
                              key.low,
                              value.high,
                              value.low};
    return digest_of_words(words, sizeof(words) / sizeof(words[0]));
}

enum { DIGEST_WORDS_MAX = 9 };

static struct cs_digest digest_of_words(const uint64_t *words, size_t word_count)
{
    uint8_t bytes[DIGEST_WORDS_MAX * sizeof(uint64_t)];
    CHECK(word_count <= DIGEST_WORDS_MAX);
    for (size_t i = 0; i < word_count; i++) {
        store_u64(bytes + i * sizeof(uint64_t), words[i]);
    }
    return digest_128(bytes, word_count * sizeof(uint64_t), 0);
}
