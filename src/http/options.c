#include "http/options.h"

#include "http/text.h"
#include "wire/request.h"

enum option {
    OPTION_IF_MATCH,
    OPTION_IF_NONE_MATCH,
    OPTION_CONSISTENCY,
    OPTION_MIN_REVISION,
    OPTION_TIMEOUT,
    OPTIONS,
};

enum { NO_HEADER = -1, QUERY_VALUE_BYTES_MAX = 1024 };

struct option_rule {
    const char *name;
    int header; // its twin: enum head_field, or NO_HEADER
};

static const struct option_rule option_rules[OPTIONS] = {
    [OPTION_IF_MATCH] = {"if-match", HEAD_IF_MATCH},
    [OPTION_IF_NONE_MATCH] = {"if-none-match", HEAD_IF_NONE_MATCH},
    [OPTION_CONSISTENCY] = {"consistency", HEAD_CONSENS_CONSISTENCY},
    [OPTION_MIN_REVISION] = {"min-revision", HEAD_CONSENS_MIN_REVISION},
    [OPTION_TIMEOUT] = {"timeout", NO_HEADER},
};
#define OPTION_NAMES "if-match, if-none-match, consistency, min-revision, timeout"

struct texts {                      // what was given, decoded
    struct cs_view values[OPTIONS]; // data is NULL if not given
    bool is_query[OPTIONS];
    uint8_t decoded[QUERY_VALUE_BYTES_MAX]; // of the query
    size_t decoded_bytes;
};

static bool collect(const struct head *head,
                    struct cs_view query,
                    struct texts *texts,
                    struct refusal *refusal);
static bool
take_query_part(struct cs_view part, struct texts *texts, struct refusal *refusal);
static bool
decode_value(struct cs_view value, struct texts *texts, struct cs_view *out_value);
static bool
read_timeout(struct cs_view text, struct options *options, struct refusal *refusal);
static bool read_consistency(struct cs_view text,
                             const struct route *route,
                             struct options *options,
                             struct refusal *refusal);
static bool read_min_revision(struct cs_view text,
                              const struct route *route,
                              struct options *options,
                              struct refusal *refusal);
static bool read_conditions(const struct route *route,
                            const struct texts *texts,
                            struct options *options,
                            struct refusal *refusal);
static bool read_tags(const struct texts *texts,
                      enum option option,
                      struct tags *tags,
                      struct refusal *refusal);
static bool read_tag(struct cs_view text, bool is_quoted, uint64_t *out_revision);
static bool
set_write_condition(enum method method, struct options *options, struct refusal *refusal);
static bool refuse_server_options(const struct texts *texts, struct refusal *refusal);
static bool is_write(const struct route *route);

bool options_read(const struct route *route,
                  const struct head *head,
                  struct cs_view query,
                  struct options *out_options,
                  struct refusal *refusal)
{
    memset(out_options, 0, sizeof(*out_options));
    out_options->timeout_ms = OPTIONS_TIMEOUT_DEFAULT_MS;
    struct texts texts;
    if (!collect(head, query, &texts, refusal) ||
        !read_timeout(texts.values[OPTION_TIMEOUT], out_options, refusal)) {
        return false;
    }
    if (route->kind != ROUTE_KEY) {
        return refuse_server_options(&texts, refusal);
    }
    if (route->method == METHOD_PUT && head->fields[HEAD_CONTENT_RANGE].data != NULL) {
        return refuse(refusal, CS_MALFORMED,
                      "a part of a value cannot be put (Content-Range)");
    }
    return read_consistency(texts.values[OPTION_CONSISTENCY], route, out_options,
                            refusal) &&
           read_min_revision(texts.values[OPTION_MIN_REVISION], route, out_options,
                             refusal) &&
           read_conditions(route, &texts, out_options, refusal);
}

bool tags_are_given(const struct tags *tags)
{
    return tags->is_any || tags->count > 0;
}

bool tags_match(const struct tags *tags, uint64_t item_revision)
{
    if (item_revision == 0) {
        return false;
    }
    bool matches = tags->is_any;
    for (uint32_t i = 0; i < tags->count; i++) {
        matches = matches || tags->revisions[i] == item_revision;
    }
    return matches;
}

static bool collect(const struct head *head,
                    struct cs_view query,
                    struct texts *texts,
                    struct refusal *refusal)
{
    memset(texts->values, 0, sizeof(texts->values));
    memset(texts->is_query, 0, sizeof(texts->is_query));
    texts->decoded_bytes = 0;
    for (int i = 0; i < OPTIONS; i++) {
        if (option_rules[i].header != NO_HEADER) {
            texts->values[i] = head->fields[option_rules[i].header];
        }
    }
    struct cs_view part = {0};
    while (text_take_part(&query, '&', &part)) {
        if (part.bytes > 0 && !take_query_part(part, texts, refusal)) {
            return false;
        }
    }
    return true;
}

static bool
take_query_part(struct cs_view part, struct texts *texts, struct refusal *refusal)
{
    struct cs_view value = part;
    struct cs_view name = {0};
    (void)text_take_part(&value, '=', &name);
    for (int i = 0; i < OPTIONS; i++) {
        if (!text_equals(name, option_rules[i].name)) {
            continue;
        }
        if (texts->values[i].data != NULL) {
            return refuse(refusal, CS_MALFORMED, "the option %s is given twice",
                          option_rules[i].name);
        }
        texts->is_query[i] = true;
        if (!decode_value(value, texts, &texts->values[i])) {
            return refuse(refusal, CS_MALFORMED,
                          "the query option %s is too long, or has a '%%' without two "
                          "hexadecimal digits after it",
                          option_rules[i].name);
        }
        return true;
    }
    char shown[TEXT_SHOWN_BYTES];
    text_show(name, shown);
    return refuse(
        refusal, CS_MALFORMED,
        "the query option \"%s\" is not offered by this release: it has " OPTION_NAMES,
        shown);
}

static bool
decode_value(struct cs_view value, struct texts *texts, struct cs_view *out_value)
{
    uint8_t *to = texts->decoded + texts->decoded_bytes;
    size_t room = sizeof(texts->decoded) - texts->decoded_bytes;
    size_t bytes = 0;
    if (!text_decode_percent(value, to, room, &bytes) || bytes > room) {
        return false;
    }
    texts->decoded_bytes += bytes;
    *out_value = view_of(to, bytes);
    return true;
}

static bool
read_timeout(struct cs_view text, struct options *options, struct refusal *refusal)
{
    if (text.data == NULL) {
        return true;
    }
    if (!text_parse_duration_ms(text, &options->timeout_ms) || options->timeout_ms == 0 ||
        options->timeout_ms > OPTIONS_TIMEOUT_MAX_MS) {
        return refuse(
            refusal, CS_MALFORMED,
            "the option timeout is a duration from 1ms to 60s, like 500ms or 5s");
    }
    return true;
}

static bool read_consistency(struct cs_view text,
                             const struct route *route,
                             struct options *options,
                             struct refusal *refusal)
{
    options->consistency = REQUEST_LINEARIZABLE;
    if (text.data == NULL || text_equals(text, "linearizable")) {
        return true;
    }
    if (!text_equals(text, "local")) {
        return refuse(refusal, CS_MALFORMED,
                      "the option consistency is linearizable or local");
    }
    if (is_write(route)) {
        return refuse(refusal, CS_MALFORMED, "only reads can have consistency=local");
    }
    options->consistency = REQUEST_LOCAL;
    return true;
}

static bool read_min_revision(struct cs_view text,
                              const struct route *route,
                              struct options *options,
                              struct refusal *refusal)
{
    if (text.data == NULL) {
        return true;
    }
    if (is_write(route)) {
        return refuse(refusal, CS_MALFORMED, "only reads can have a minimum revision");
    }
    if (!text_parse_u64(text, &options->min_revision)) {
        return refuse(refusal, CS_MALFORMED, "the minimum revision is not a number");
    }
    return true;
}

static bool read_conditions(const struct route *route,
                            const struct texts *texts,
                            struct options *options,
                            struct refusal *refusal)
{
    if (!read_tags(texts, OPTION_IF_MATCH, &options->if_match, refusal) ||
        !read_tags(texts, OPTION_IF_NONE_MATCH, &options->if_none_match, refusal)) {
        return false;
    }
    if (tags_are_given(&options->if_match) && tags_are_given(&options->if_none_match)) {
        return refuse(refusal, CS_MALFORMED,
                      "If-Match and If-None-Match cannot be given together");
    }
    return !is_write(route) || set_write_condition(route->method, options, refusal);
}

static bool read_tags(const struct texts *texts,
                      enum option option,
                      struct tags *tags,
                      struct refusal *refusal)
{
    struct cs_view list = texts->values[option];
    if (list.data == NULL) {
        return true;
    }
    if (text_equals(list, "*")) {
        tags->is_any = true;
        return true;
    }
    struct cs_view item = {0};
    bool is_good = list.bytes > 0;
    while (is_good && text_take_part(&list, ',', &item)) {
        is_good = tags->count < OPTIONS_TAGS_MAX &&
                  read_tag(text_trim(item), !texts->is_query[option],
                           &tags->revisions[tags->count]);
        tags->count++;
    }
    if (!is_good) {
        return refuse(
            refusal, CS_MALFORMED,
            "%s takes * or revisions in quotes, like \"41\" (at most %d, not weak)",
            option == OPTION_IF_MATCH ? "If-Match" : "If-None-Match", OPTIONS_TAGS_MAX);
    }
    return true;
}

// In a query the quotes may be left out. Revisions begin at 1.
static bool read_tag(struct cs_view text, bool is_quoted, uint64_t *out_revision)
{
    bool has_quotes =
        text.bytes >= 2 && text.data[0] == '"' && text.data[text.bytes - 1] == '"';
    if (has_quotes) {
        text = view_of(text.data + 1, text.bytes - 2);
    }
    return (has_quotes || !is_quoted) && text_parse_u64(text, out_revision) &&
           *out_revision > 0;
}

static bool
set_write_condition(enum method method, struct options *options, struct refusal *refusal)
{
    options->condition = COMMAND_ALWAYS;
    if (tags_are_given(&options->if_none_match)) {
        if (!options->if_none_match.is_any || method != METHOD_PUT) {
            return refuse(
                refusal, CS_MALFORMED,
                "on writes If-None-Match is offered as * with PUT only: create, but "
                "do not update");
        }
        options->condition = COMMAND_IF_ABSENT;
        return true;
    }
    if (options->if_match.is_any) {
        options->condition = COMMAND_IF_EXISTS;
        return true;
    }
    if (options->if_match.count > 1) {
        return refuse(refusal, CS_MALFORMED, "on writes If-Match takes one revision");
    }
    if (options->if_match.count == 1) {
        options->condition = COMMAND_IF_REVISION;
        options->condition_revision = options->if_match.revisions[0];
    }
    return true;
}

static bool refuse_server_options(const struct texts *texts, struct refusal *refusal)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (i != OPTION_TIMEOUT && texts->values[i].data != NULL) {
            return refuse(refusal, CS_MALFORMED, "the option %s has no meaning here",
                          option_rules[i].name);
        }
    }
    return true;
}

static bool is_write(const struct route *route)
{
    return route->method == METHOD_PUT || route->method == METHOD_DELETE;
}
