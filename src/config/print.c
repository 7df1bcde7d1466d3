#include "config/schema.h"
#include "config/settings.h"

#include <string.h>

enum { INDENT_SPACES = 4, VALUE_SHOWN_BYTES = VALUE_TEXT_BYTES + 8 };

static void print_head(const struct settings *settings, FILE *stream);
static void print_nodes(const struct settings *settings, FILE *stream);
static void print_key(const struct settings *settings,
                      const struct schema_key *key,
                      uint32_t node_index,
                      FILE *stream);
static void print_sections(const char *path, const char *path_before, FILE *stream);
static size_t shared_bytes(const char *path, const char *path_before);
static int depth_of(const char *path, size_t bytes);

void settings_print(const struct settings *settings, FILE *stream)
{
    const char *path_before = "";
    print_head(settings, stream);
    for (size_t i = 0; i < schema_key_count(); i++) {
        const struct schema_key *key = schema_key(i);
        if (!schema_is_node_key(key)) {
            print_sections(key->path, path_before, stream);
            print_key(settings, key, 0, stream);
            path_before = key->path;
        } else if (!schema_is_node_key(schema_key(i - 1))) {
            print_nodes(settings, stream); // all keys of all nodes
        }
    }
}

static void print_head(const struct settings *settings, FILE *stream)
{
    (void)fprintf(stream, "# What holds after defaults, file, environment and flags.\n");
    if (settings->is_file_cluster) {
        (void)fprintf(stream, "# Node NAME keeps its data in DATA/NAME.\n");
        return;
    }
    (void)fprintf(stream, "# The nodes come from CLUSTER and PORT; this one is %s.\n",
                  settings->nodes[settings->node_index].name);
    (void)fprintf(stream,
                  "# Their addresses are their names, which a file cannot hold.\n");
}

static void print_nodes(const struct settings *settings, FILE *stream)
{
    const char *mark = settings->is_file_cluster ? "" : "#";
    (void)fprintf(stream, "%s%*snode\n", mark, INDENT_SPACES, "");
    for (uint32_t node = 0; node < settings->node_count; node++) {
        (void)fprintf(stream, "%s%*s%s\n", mark, 2 * INDENT_SPACES, "",
                      settings->nodes[node].name);
        for (size_t i = 0; i < schema_key_count(); i++) {
            if (schema_is_node_key(schema_key(i))) {
                (void)fprintf(stream, "%s", mark);
                print_key(settings, schema_key(i), node, stream);
            }
        }
    }
}

static void print_key(const struct settings *settings,
                      const struct schema_key *key,
                      uint32_t node_index,
                      FILE *stream)
{
    char value[VALUE_SHOWN_BYTES] = "";
    const char *name = strrchr(key->path, '/') + 1;
    int depth = depth_of(key->path, strlen(key->path));
    schema_format(key, settings, node_index, value, sizeof value);
    (void)fprintf(stream, "%*s%s = %s\n", depth * INDENT_SPACES, "", name, value);
}

// The names of the sections that were left and must be opened for this key.
static void print_sections(const char *path, const char *path_before, FILE *stream)
{
    size_t at = shared_bytes(path, path_before);
    const char *slash = strchr(path + at, '/');
    while (slash != NULL) {
        int name_bytes = (int)(slash - path - (ptrdiff_t)at);
        (void)fprintf(stream, "%*s%.*s\n", depth_of(path, at) * INDENT_SPACES, "",
                      name_bytes, path + at);
        at = (size_t)(slash - path) + 1;
        slash = strchr(path + at, '/');
    }
}

// Up to and with the last slash of what both begin with.
static size_t shared_bytes(const char *path, const char *path_before)
{
    size_t shared = 0;
    for (size_t i = 0; path[i] != '\0' && path[i] == path_before[i]; i++) {
        if (path[i] == '/') {
            shared = i + 1;
        }
    }
    return shared;
}

static int depth_of(const char *path, size_t bytes)
{
    int depth = 0;
    for (size_t i = 0; i < bytes; i++) {
        depth += path[i] == '/' ? 1 : 0;
    }
    return depth;
}
