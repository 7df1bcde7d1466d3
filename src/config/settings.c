#include "config/settings.h"

#include "base/check.h"
#include "config/members.h"
#include "config/schema.h"
#include "config/sentence.h"
#include "config/zpl.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXIT_CONFIGURATION = 2,
    FILES_PER_NODE = 16,    // connections both ways, reconnecting, the sockets' eventfds
    HTTP_RESERVE_PART = 10, // one for /-/ to so many for keys
    FILES_BESIDES = 256,    // log segments, listeners, standard streams, libraries
};

static const char *variable(const char *name);
static bool load(const struct settings_source *source,
                 struct settings *settings,
                 struct sentence *out_error);
static bool load_file(const struct settings_source *source,
                      struct settings *settings,
                      struct sentence *out_error);
static bool choose_members(const struct settings_source *source,
                           struct settings *settings,
                           struct sentence *out_error);
static bool apply_flags(const struct settings_source *source,
                        struct settings *settings,
                        struct sentence *out_error);
static bool apply_flag(const char *path,
                       const char *text,
                       const char *label,
                       struct settings *settings,
                       struct sentence *out_error);
static bool
parse_join(const char *text, struct settings *settings, struct sentence *out_error);
static bool
parse_step_trace(const char *text, struct settings *settings, struct sentence *out_error);
static void choose_directory(const struct settings_source *source,
                             struct settings *settings);

void settings_source_from_environment(struct settings_source *out_source)
{
    *out_source = (struct settings_source){
        .file = variable("CONSENS_CONFIG"),
        .node = variable("CONSENS_NODE"),
        .cluster = variable("CLUSTER"),
        .port = variable("PORT"),
        .join = variable("JOIN"),
        .data = variable("CONSENS_DATA"),
        .step_trace = variable("CONSENS_TRACE"),
    };
}

int settings_load(const struct settings_source *source,
                  struct settings *out_settings,
                  char *out_error,
                  size_t error_bytes)
{
    struct settings settings;
    // Byte by byte, padding too: equal settings compare equal.
    memset(&settings, 0, sizeof settings);
    struct sentence error = {0};
    if (!load(source, &settings, &error)) {
        (void)snprintf(out_error, error_bytes, "%s", error.text);
        return EXIT_CONFIGURATION;
    }
    memcpy(out_settings, &settings, sizeof settings);
    return 0;
}

static const char *variable(const char *name)
{
    // Nothing in this program calls setenv(). NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static bool load(const struct settings_source *source,
                 struct settings *settings,
                 struct sentence *out_error)
{
    schema_apply_defaults(settings);
    settings->data[0] = '\0'; // its default depends on where the members come from
    if (source->file != NULL && !load_file(source, settings, out_error)) {
        return false;
    }
    if (!choose_members(source, settings, out_error) ||
        !apply_flags(source, settings, out_error)) {
        return false;
    }
    choose_directory(source, settings);
    CHECK(settings->node_index < settings->node_count);
    return true;
}

static bool load_file(const struct settings_source *source,
                      struct settings *settings,
                      struct sentence *out_error)
{
    struct zpl *zpl = zpl_load(source->file, out_error);
    if (zpl == NULL) {
        return false;
    }
    bool is_good = schema_apply_file(source->file, zpl, settings, out_error);
    zpl_destroy(&zpl);
    return is_good;
}

static bool choose_members(const struct settings_source *source,
                           struct settings *settings,
                           struct sentence *out_error)
{
    settings->is_file_cluster = settings->node_count > 0;
    if (!settings->is_file_cluster) {
        return members_from_environment(source, settings, out_error);
    }
    if (source->cluster != NULL || source->port != NULL) {
        return sentence_set(
            out_error,
            "%s names the nodes of the cluster, and %s is set too: it is not "
            "clear which holds; unset %s, or start without the file "
            "(--config, CONSENS_CONFIG)",
            source->file, source->cluster != NULL ? "CLUSTER" : "PORT",
            source->cluster != NULL ? "CLUSTER" : "PORT");
    }
    return members_from_file(source, settings, out_error);
}

static bool apply_flags(const struct settings_source *source,
                        struct settings *settings,
                        struct sentence *out_error)
{
    return apply_flag("server/data", source->data, "--data (or CONSENS_DATA)", settings,
                      out_error) &&
           apply_flag("server/log/durability", source->durability, "--durability",
                      settings, out_error) &&
           apply_flag("server/log/level", source->log_level, "--log-level", settings,
                      out_error) &&
           parse_join(source->join, settings, out_error) &&
           parse_step_trace(source->step_trace, settings, out_error);
}

static bool apply_flag(const char *path,
                       const char *text,
                       const char *label,
                       struct settings *settings,
                       struct sentence *out_error)
{
    return text == NULL || schema_apply_text(path, text, label, settings, out_error);
}

static bool
parse_join(const char *text, struct settings *settings, struct sentence *out_error)
{
    if (text == NULL || strcmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        return true;
    }
    if (strcmp(text, "true") != 0 && strcmp(text, "1") != 0) {
        return sentence_set(out_error, "JOIN=%.64s is not usable: give true or false",
                            text);
    }
    if (settings->node_count == 1) {
        return sentence_set(
            out_error,
            "JOIN=%s, but this node is alone and there is nobody to join; "
            "name the other nodes in CLUSTER or in the file, or unset JOIN",
            text);
    }
    settings->is_join = true;
    return true;
}

static bool
parse_step_trace(const char *text, struct settings *settings, struct sentence *out_error)
{
    if (text == NULL) {
        return true;
    }
    if (strlen(text) >= sizeof settings->step_trace) {
        return sentence_set(
            out_error,
            "CONSENS_TRACE is not usable: give a file name of at most %zu "
            "characters",
            sizeof settings->step_trace - 1);
    }
    memcpy(settings->step_trace, text, strlen(text) + 1);
    return true;
}

static void choose_directory(const struct settings_source *source,
                             struct settings *settings)
{
    const struct settings_node *own = &settings->nodes[settings->node_index];
    char *data = settings->data;
    size_t data_bytes = sizeof settings->data;
    bool is_given = data[0] != '\0';
    bool is_numbered = source->port != NULL || source->cluster != NULL;
    if (!is_given) {
        (void)snprintf(data, data_bytes, "./consens-data");
    }
    if (!is_given && is_numbered) {
        (void)snprintf(data, data_bytes, "./consens-data-%s",
                       strrchr(own->http, ':') + 1);
    }
    (void)snprintf(settings->data_directory, sizeof settings->data_directory, "%s%s%s",
                   data, settings->is_file_cluster ? "/" : "",
                   settings->is_file_cluster ? own->name : "");
}

uint32_t settings_http_workers(const struct settings *settings)
{
    uint32_t reserve = settings->http_threads / HTTP_RESERVE_PART;
    return settings->http_threads + (reserve > 0 ? reserve : 1);
}

uint64_t settings_count_files(const struct settings *settings)
{
    return (uint64_t)SETTINGS_FILES_PER_THREAD * settings_http_workers(settings) +
           (uint64_t)FILES_PER_NODE * settings->node_count + FILES_BESIDES;
}

const char *settings_durability_word(uint32_t durability)
{
    return durability == SETTINGS_INTERVAL ? "interval"
           : durability == SETTINGS_NONE   ? "none"
                                           : NULL;
}
