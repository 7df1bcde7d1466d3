#include "config/schema.h"

#include "base/check.h"
#include "base/limits.h"
#include "config/names.h"

#include <stddef.h>
#include <string.h>

enum {
    PATH_BYTES = 640, // ZPL_DEPTH_MAX names would be cut; known paths are short
    CHILDREN_MAX = 32,
    NAME_MAX_BYTES = SETTINGS_NAME_BYTES - 1,
    NODE_DEPTH = 2, // cluster/node/NAME
};

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const char NODE_PREFIX[] = "cluster/node/*/";
static const char NODE_SHOWN[] = "cluster/node/NAME";

#define AT(field)      offsetof(struct settings, field)
#define AT_NODE(field) offsetof(struct settings_node, field)
#define ADDRESS                                                                          \
    {                                                                                    \
        .type = VALUE_ADDRESS                                                            \
    }
#define ENDPOINT                                                                         \
    {                                                                                    \
        .type = VALUE_ENDPOINT                                                           \
    }

// Ordered by section, so that `config show` names each section once.
// clang-format off
static const struct schema_key KEYS[] = {
    {"cluster/name", AT(cluster_name), {VALUE_TEXT, 0, NAME_MAX_BYTES, 0}, "consens",
     "shown to people; the nodes know each other by their directories"},
    {"cluster/insecure", AT(is_insecure), {VALUE_BOOL, 0, 1, 0}, "0",
     "1: listeners that other machines reach are allowed, in plain text"},
    {"cluster/node/*/http", AT_NODE(http), ADDRESS, "127.0.0.1:3000",
     "where this node serves HTTP"},
    {"cluster/node/*/peer", AT_NODE(peer), ENDPOINT, NULL,
     "where it hears the other nodes; default: the port of http + 10000"},
    {"cluster/node/*/peer-advertise", AT_NODE(peer_advertise), ENDPOINT, NULL,
     "where the other nodes reach it; default: peer"},
    {"cluster/node/*/client", AT_NODE(client), ENDPOINT, NULL,
     "where clients speak msgpack over ZeroMQ; default: the port of http + 20000"},
    {"cluster/node/*/events", AT_NODE(events), ENDPOINT, NULL,
     "reserved, not opened by this release; default: the port of http + 30000"},
    {"server/data", AT(data), {VALUE_TEXT, 0, 1023, 0}, "./consens-data",
     "a node named in this file keeps its data in DATA/NAME"},
    {"server/heartbeat", AT(heartbeat_ms), {VALUE_DURATION, 10, 5000, 0}, "50ms",
     "the nodes ask each other this often; a lost leader is replaced after a few"},
    {"server/http/threads", AT(http_threads), {VALUE_COUNT, 4, LIMIT_HTTP_THREADS, 0},
     "256", "one connection holds one, even when it is idle"},
    // A segment holds four of the largest blocks of the log (8 MiB and their heads).
    {"server/log/segment", AT(log_segment_bytes), {VALUE_BYTES, 40 * MIB, GIB, 4 * KIB},
     "64M", "the log is written in files of this size; two more are kept ready"},
    {"server/log/durability", AT(log_durability), {VALUE_DURABILITY, 1, 10000, 0},
     "sync", "for experiments interval:10ms or none: both can lose acknowledged writes"},
    {"server/log/level", AT(log_level), {VALUE_LEVEL, 0, 0, 0}, "info",
     "of the lines on stderr: error, warn, info or debug"},
    {"server/limits/value", AT(limit_value_bytes), {VALUE_BYTES, 1, LIMIT_VALUE_BYTES, 0},
     "1M", "the largest value that a client may write"},
};
// clang-format on

enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };

struct place { // an item of a file, on its way into settings
    const char *file;
    const struct zpl *zpl;
    const struct zpl_item *item;
    char pattern[PATH_BYTES]; // as in KEYS
    char shown[PATH_BYTES];   // with the real name of the node
};

static bool apply_item(const struct place *place,
                       struct settings *settings,
                       struct sentence *out_error);
static bool apply_section(const struct place *place,
                          struct settings *settings,
                          struct sentence *out_error);
static bool add_node(const struct place *place,
                     struct settings *settings,
                     struct sentence *out_error);
static void preset_node(struct settings_node *node);
static void find_place(const char *file,
                       const struct zpl *zpl,
                       size_t index,
                       struct place *out_place);
static void
join_path(const struct zpl *zpl, uint32_t index, bool is_pattern, char *out_path);
static bool refuse_unknown(const struct place *place, struct sentence *out_error);
static const char *find_home(const char *name, char *out_section);
static size_t list_children(const char *section, char (*out_names)[NAMES_BYTES_MAX]);
static bool is_below(const char *path, const char *section);
static bool is_section(const char *path);
static const struct schema_key *find_key(const char *path);
static void store(const struct schema_key *key,
                  const struct value *value,
                  struct settings *settings,
                  struct settings_node *node);
static void store_durability(const struct value *value, struct settings *settings);

size_t schema_key_count(void)
{
    return KEY_COUNT;
}

const struct schema_key *schema_key(size_t index)
{
    CHECK(index < KEY_COUNT);
    return &KEYS[index];
}

bool schema_is_node_key(const struct schema_key *key)
{
    return strncmp(key->path, NODE_PREFIX, sizeof NODE_PREFIX - 1) == 0;
}

void schema_apply_defaults(struct settings *settings)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct sentence error = {0};
        bool is_good =
            schema_is_node_key(&KEYS[i]) ||
            schema_apply_text(KEYS[i].path, KEYS[i].preset, "", settings, &error);
        CHECK(is_good);
    }
}

bool schema_apply_file(const char *file,
                       const struct zpl *zpl,
                       struct settings *settings,
                       struct sentence *out_error)
{
    for (size_t i = 0; i < zpl_item_count(zpl); i++) {
        struct place place;
        find_place(file, zpl, i, &place);
        if (!apply_item(&place, settings, out_error)) {
            return false;
        }
    }
    return true;
}

bool schema_apply_text(const char *path,
                       const char *text,
                       const char *label,
                       struct settings *settings,
                       struct sentence *out_error)
{
    const struct schema_key *key = find_key(path);
    CHECK(key != NULL && !schema_is_node_key(key));
    struct value value = {0};
    struct sentence why = {0};
    if (!value_parse(&key->rule, text, &value, &why)) {
        return sentence_set(out_error, "%s: %s", label, why.text);
    }
    store(key, &value, settings, NULL);
    return true;
}

void schema_format(const struct schema_key *key,
                   const struct settings *settings,
                   uint32_t node_index,
                   char *out_text,
                   size_t text_bytes)
{
    CHECK(!schema_is_node_key(key) || node_index < settings->node_count);
    const void *base = settings;
    if (schema_is_node_key(key)) {
        base = &settings->nodes[node_index];
    }
    const char *field = (const char *)base + key->offset;
    struct value value = {0};
    uint32_t number = 0;
    bool is_true = false;

    switch (key->rule.type) {
    case VALUE_TEXT:
    case VALUE_ADDRESS:
    case VALUE_ENDPOINT:
        memcpy(value.text, field, strlen(field) + 1);
        break;
    case VALUE_BOOL:
        memcpy(&is_true, field, sizeof is_true);
        value.number = is_true ? 1 : 0;
        break;
    case VALUE_BYTES:
        memcpy(&value.number, field, sizeof value.number);
        break;
    case VALUE_COUNT:
    case VALUE_DURATION:
    case VALUE_DURABILITY:
    case VALUE_LEVEL:
        memcpy(&number, field, sizeof number);
        value.number = number;
        value.interval_ms = settings->log_interval_ms;
        break;
    }
    value_format(&key->rule, &value, out_text, text_bytes);
}

static bool apply_item(const struct place *place,
                       struct settings *settings,
                       struct sentence *out_error)
{
    const struct zpl_item *item = place->item;
    if (strcmp(place->pattern, "cluster/secret-keys") == 0) {
        return sentence_set(
            out_error,
            "%s:%u: cluster/secret-keys comes with a later release; this one "
            "speaks plain text, on loopback or with insecure = 1",
            place->file, item->line);
    }
    if (is_section(place->pattern)) {
        return apply_section(place, settings, out_error);
    }
    const struct schema_key *key = find_key(place->pattern);
    if (key == NULL) {
        return refuse_unknown(place, out_error);
    }
    if (!item->has_value) {
        return sentence_set(out_error, "%s:%u: %s has no value; write \"%s = ...\"",
                            place->file, item->line, place->shown, item->name);
    }
    struct value value = {0};
    struct sentence why = {0};
    if (!value_parse(&key->rule, item->value, &value, &why)) {
        return sentence_set(out_error, "%s:%u: %s: %s", place->file, item->line,
                            place->shown, why.text);
    }
    struct settings_node *node = NULL;
    if (schema_is_node_key(key)) {
        node = &settings->nodes[settings->node_count - 1]; // the file is read in order
    }
    store(key, &value, settings, node);
    return true;
}

static bool apply_section(const struct place *place,
                          struct settings *settings,
                          struct sentence *out_error)
{
    if (place->item->has_value) {
        return sentence_set(
            out_error,
            "%s:%u: %s holds other keys, indented below it; it has no value "
            "of its own",
            place->file, place->item->line, place->shown);
    }
    if (strcmp(place->pattern, "cluster/node/*") == 0) {
        return add_node(place, settings, out_error);
    }
    return true;
}

static bool
add_node(const struct place *place, struct settings *settings, struct sentence *out_error)
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    const char *name = place->item->name;
    size_t name_bytes = strlen(name);
    // The name is also that of a directory.
    if (name_bytes >= SETTINGS_NAME_BYTES || strspn(name, LETTERS) != name_bytes ||
        name[0] == '.') {
        return sentence_set(out_error,
                            "%s:%u: \"%s\" cannot be the name of a node: give 1 to %d "
                            "letters, digits, dots, dashes and underscores, no dot first",
                            place->file, place->item->line, name,
                            SETTINGS_NAME_BYTES - 1);
    }
    if (settings->node_count == SETTINGS_NODES_MAX) {
        return sentence_set(
            out_error, "%s:%u: node %s is one too many: a cluster has at most %d nodes",
            place->file, place->item->line, name, SETTINGS_NODES_MAX);
    }
    struct settings_node *node = &settings->nodes[settings->node_count++];
    memcpy(node->name, name, name_bytes + 1);
    node->line = place->item->line;
    preset_node(node);
    return true;
}

static void preset_node(struct settings_node *node)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct value value = {0};
        struct sentence error = {0};
        if (!schema_is_node_key(&KEYS[i]) || KEYS[i].preset == NULL) {
            continue;
        }
        CHECK(value_parse(&KEYS[i].rule, KEYS[i].preset, &value, &error));
        store(&KEYS[i], &value, NULL, node);
    }
}

static void
find_place(const char *file, const struct zpl *zpl, size_t index, struct place *out_place)
{
    *out_place = (struct place){.file = file, .zpl = zpl, .item = zpl_item(zpl, index)};
    join_path(zpl, (uint32_t)index, true, out_place->pattern);
    join_path(zpl, (uint32_t)index, false, out_place->shown);
}

static void
join_path(const struct zpl *zpl, uint32_t index, bool is_pattern, char *out_path)
{
    const struct zpl_item *chain[ZPL_DEPTH_MAX] = {0};
    uint32_t depth = zpl_item(zpl, index)->depth;
    for (uint32_t at = index; at != ZPL_NO_PARENT; at = zpl_item(zpl, at)->parent) {
        chain[zpl_item(zpl, at)->depth] = zpl_item(zpl, at);
    }
    size_t used = 0;
    for (uint32_t i = 0; i <= depth && used < PATH_BYTES; i++) {
        bool is_node =
            is_pattern && i == NODE_DEPTH && strcmp(out_path, "cluster/node") == 0;
        const char *name = is_node ? "*" : chain[i]->name;
        int count =
            snprintf(out_path + used, PATH_BYTES - used, "%s%s", i > 0 ? "/" : "", name);
        used += (size_t)count;
    }
}

// Where a person likely wanted to go: another section, a near name, one of those here.
static bool refuse_unknown(const struct place *place, struct sentence *out_error)
{
    const char *name = place->item->name;
    const char *section = "";
    const char *shown = "";
    struct place above;
    if (place->item->parent != ZPL_NO_PARENT) {
        find_place(place->file, place->zpl, place->item->parent, &above);
        section = above.pattern;
        shown = above.shown;
    }
    if (find_key(section) != NULL) {
        return sentence_set(out_error,
                            "%s:%u: %s is a single value; nothing goes below it",
                            place->file, place->item->line, shown);
    }
    (void)sentence_set(out_error, "%s:%u: unknown key \"%s\" %s%s", place->file,
                       place->item->line, name, section[0] != '\0' ? "in " : "at the top",
                       shown);

    char names[CHILDREN_MAX][NAMES_BYTES_MAX];
    const char *pointers[CHILDREN_MAX];
    size_t count = list_children(section, names);
    for (size_t i = 0; i < count; i++) {
        pointers[i] = names[i];
    }
    char home[PATH_BYTES] = "";
    const char *nearest = name_find_nearest(name, pointers, count);
    if (find_home(name, home) != NULL) {
        sentence_add(out_error, "; it belongs in %s", home);
        return false;
    }
    if (nearest != NULL) {
        sentence_add(out_error, "; did you mean \"%s\"?", nearest);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        sentence_add(out_error, "%s%s", i == 0 ? "; known there: " : ", ", names[i]);
    }
    return false;
}

// The section of the key that has just this name somewhere else.
static const char *find_home(const char *name, char *out_section)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const char *slash = strrchr(KEYS[i].path, '/');
        if (strcmp(slash + 1, name) == 0) {
            const char *section =
                schema_is_node_key(&KEYS[i]) ? NODE_SHOWN : KEYS[i].path;
            size_t bytes =
                section == NODE_SHOWN ? sizeof NODE_SHOWN - 1 : (size_t)(slash - section);
            (void)snprintf(out_section, PATH_BYTES, "%.*s", (int)bytes, section);
            return out_section;
        }
    }
    return NULL;
}

// Names directly below the section, each once.
static size_t list_children(const char *section, char (*out_names)[NAMES_BYTES_MAX])
{
    size_t count = 0;
    size_t skip_bytes = section[0] == '\0' ? 0 : strlen(section) + 1;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (!is_below(KEYS[i].path, section)) {
            continue;
        }
        const char *name = KEYS[i].path + skip_bytes;
        size_t name_bytes = strcspn(name, "/");
        CHECK(count < CHILDREN_MAX && name_bytes < NAMES_BYTES_MAX);
        (void)snprintf(out_names[count], NAMES_BYTES_MAX, "%.*s", (int)name_bytes, name);
        // The table is ordered by section: an equal name can only be the one before.
        bool is_same = count > 0 && strcmp(out_names[count - 1], out_names[count]) == 0;
        count += is_same ? 0 : 1;
    }
    return count;
}

static bool is_below(const char *path, const char *section)
{
    size_t bytes = strlen(section);
    return bytes == 0 || (strncmp(path, section, bytes) == 0 && path[bytes] == '/');
}

static bool is_section(const char *path)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (is_below(KEYS[i].path, path)) {
            return true;
        }
    }
    return false;
}

static const struct schema_key *find_key(const char *path)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].path, path) == 0) {
            return &KEYS[i];
        }
    }
    return NULL;
}

// By memcpy, as the alignment of a field is only the table's word.
static void store(const struct schema_key *key,
                  const struct value *value,
                  struct settings *settings,
                  struct settings_node *node)
{
    void *base = settings;
    if (node != NULL) {
        base = node;
    }
    CHECK(base != NULL);
    char *field = (char *)base + key->offset;
    uint32_t number = (uint32_t)value->number;
    bool is_true = value->number != 0;

    switch (key->rule.type) {
    case VALUE_TEXT:
    case VALUE_ADDRESS:
    case VALUE_ENDPOINT:
        memcpy(field, value->text, strlen(value->text) + 1);
        break;
    case VALUE_BOOL:
        memcpy(field, &is_true, sizeof is_true);
        break;
    case VALUE_BYTES:
        memcpy(field, &value->number, sizeof value->number);
        break;
    case VALUE_DURABILITY:
        store_durability(value, settings);
        break;
    case VALUE_COUNT:
    case VALUE_DURATION:
    case VALUE_LEVEL:
        memcpy(field, &number, sizeof number);
        break;
    }
}

static void store_durability(const struct value *value, struct settings *settings)
{
    settings->log_durability = (uint32_t)value->number;
    settings->log_interval_ms = (uint32_t)value->interval_ms;
}
