#include "cli/ask.h"

#include "base/log.h"
#include "base/mutant.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "config/settings.h"
#include "config/value.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ENDPOINTS_BYTES = SETTINGS_NODES_MAX * (SETTINGS_TEXT_BYTES + 1),
    SHOWN_BYTES = 1024
};

/* ---- options ----------------------------------------------------------------------- */

static int parse(struct ask *ask, enum ask_kind kind, int argc, char **argv)
{
    const struct cli_option options[] = {
        {"endpoints", &ask->endpoints},
        {"config", &ask->config},
        {"timeout", &ask->timeout},
        {kind == ASK_GET ? "min-revision" : "if-revision",
         kind == ASK_GET ? &ask->min_revision : &ask->revision},
    };
    const struct cli_flag get_flags[] = {{"json", &ask->is_json},
                                         {"local", &ask->is_local}};
    const struct cli_flag write_flags[] = {{"json", &ask->is_json},
                                           {"at-most-once", &ask->at_most_once},
                                           {"if-exists", &ask->if_exists},
                                           {"if-absent", &ask->if_absent}};
    struct cli_syntax syntax = {.options = options,
                                .option_count = kind == ASK_STATUS ? 3 : 4,
                                .flags = write_flags,
                                .flag_count = 1};
    if (kind == ASK_GET) {
        syntax.flags = get_flags;
        syntax.flag_count = 2;
    } else if (kind != ASK_STATUS) {
        syntax.flag_count = kind == ASK_PUT ? 4 : 3; // a delete of what is absent is none
    }
    return cli_parse(argc, argv, &syntax, &ask->arguments);
}

bool ask_parse(struct ask *ask, enum ask_kind kind, int argc, char **argv, int *out_code)
{
    static const int wanted[] =
        {[ASK_STATUS] = 0, [ASK_GET] = 1, [ASK_DELETE] = 1, [ASK_PUT] = 2};
    *ask = (struct ask){.command = argv[0]};
    *out_code = parse(ask, kind, argc, argv);
    if (*out_code != CLI_GO_ON) {
        return false;
    }
    *out_code = CLI_USAGE;
    if (ask->arguments.count != wanted[kind]) {
        cli_print_command_usage(argv[0], stderr);
        return false;
    }
    int conditions = (ask->revision != NULL) + ask->if_exists + ask->if_absent;
    if (conditions > 1) {
        log_sentence(
            "consens %s: at most one of --if-absent, --if-exists and --if-revision",
            argv[0]);
        return false;
    }
    return true;
}

/* ---- the client -------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    // Only the main thread is there. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The client ports of a file's nodes, in their order. */
static bool read_config(const struct ask *ask, const char *file, char *out, size_t bytes)
{
    const struct settings_source source = {.file = file, .is_any_node = true};
    struct settings settings = {0};
    struct sentence error = {0};
    size_t used = 0;
    if (settings_load(&source, &settings, error.text, sizeof error.text) != 0) {
        log_sentence("consens %s: %s", ask->command, error.text);
        return false;
    }
    if (!settings.is_file_cluster) {
        log_sentence("consens %s: %s names no nodes; give their client ports with "
                     "--endpoints tcp://HOST:PORT,...",
                     ask->command, file);
        return false;
    }
    for (uint32_t i = 0; i < settings.node_count && used < bytes; i++) {
        int count = snprintf(out + used, bytes - used, "%s%s", i > 0 ? "," : "",
                             settings.nodes[i].client);
        used += count > 0 ? (size_t)count : 0;
    }
    return true;
}

/* A flag beats the environment, endpoints beat a file. NULL: said why. */
static consens_client_t *open_client(const struct ask *ask)
{
    char from_file[ENDPOINTS_BYTES] = "";
    char error[SENTENCE_BYTES] = "";
    const char *endpoints = ask->endpoints;
    const char *file = ask->config;
    if (endpoints == NULL && file == NULL) {
        endpoints = variable("CONSENS_ENDPOINTS");
        file = variable("CONSENS_CONFIG");
    }
    if (endpoints == NULL && file != NULL) {
        if (!read_config(ask, file, from_file, sizeof from_file)) {
            return NULL;
        }
        endpoints = from_file;
    }
    consens_client_t *client = consens_client_new(endpoints, error, sizeof error);
    if (client == NULL) {
        log_sentence("consens %s: %s", ask->command, error);
    }
    return client;
}

/* ---- sending ----------------------------------------------------------------------- */

static bool take_number(const struct ask *ask,
                        const char *option,
                        const char *text,
                        uint64_t *out_number)
{
    const bool is_time = text == ask->timeout;
    const struct value_rule rule = {.type = is_time ? VALUE_DURATION : VALUE_COUNT,
                                    .min = is_time ? 1 : 0,
                                    .max = is_time ? CONSENS_TIMEOUT_MAX_MS : INT64_MAX};
    struct value value = {0};
    struct sentence error = {0};
    if (!value_parse(&rule, text, &value, &error)) {
        log_sentence("consens %s: --%s: %s", ask->command, option, error.text);
        return false;
    }
    *out_number = value.number;
    return true;
}

static bool give_options(const struct ask *ask, consens_request_t *request)
{
    uint64_t number = 0;
    if (ask->timeout != NULL) {
        if (!take_number(ask, "timeout", ask->timeout, &number)) {
            return false;
        }
        consens_request_set_timeout(request, (uint32_t)number);
    }
    if (ask->revision != NULL) {
        if (!take_number(ask, "if-revision", ask->revision, &number)) {
            return false;
        }
        consens_request_set_condition(request, CONSENS_IF_REVISION, number);
    }
    if (ask->min_revision != NULL) {
        if (!take_number(ask, "min-revision", ask->min_revision, &number)) {
            return false;
        }
        consens_request_set_min_revision(request, number);
    }
    if (ask->if_absent || ask->if_exists) {
        consens_request_set_condition(
            request, ask->if_absent ? CONSENS_IF_ABSENT : CONSENS_IF_EXISTS, 0);
    }
    if (ask->at_most_once) {
        consens_request_set_delivery(request, CONSENS_AT_MOST_ONCE);
    }
    if (ask->is_local) {
        consens_request_set_consistency(request, CONSENS_LOCAL);
    }
    return true;
}

static int code_of(const struct consens_answer *answer)
{
    if (answer->applied == CONSENS_APPLIED_UNKNOWN) {
        return CLI_UNKNOWN;
    }
    if (answer->code <= CONSENS_DELETED) {
        return CLI_OK;
    }
    switch ((int)answer->code) {
    case CONSENS_NOT_FOUND:
        return CLI_NOT_FOUND;
    case CONSENS_PRECONDITION_FAILED:
        return CLI_CONFLICT;
    case CONSENS_MALFORMED:
    case CONSENS_TOO_LARGE:
    case CONSENS_KEY_TOO_LONG:
        return CLI_USAGE;
    case CONSENS_TIMED_OUT:
        return MUTANT_IS(352) ? CLI_NOT_APPLIED : CLI_TIMED_OUT;
    default:
        return CLI_NOT_APPLIED;
    }
}

/* Sentences come from nodes: nothing in them reaches the terminal as a command to it. */
static void say_error(const struct ask *ask, const struct consens_answer *answer)
{
    char shown[SHOWN_BYTES];
    (void)snprintf(shown, sizeof shown, "%s: %s", answer->word, answer->detail);
    for (char *at = shown; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        *at = byte < 0x20 || byte == 0x7f ? '?' : *at;
    }
    log_sentence("consens %s: %s", ask->command, shown);
}

consens_future_t *
ask_send(const struct ask *ask, consens_request_t **request, int *out_code)
{
    *out_code = CLI_USAGE;
    consens_client_t *client = give_options(ask, *request) ? open_client(ask) : NULL;
    consens_future_t *future = NULL;
    if (client != NULL) {
        future = consens_send(client, *request);
        const struct consens_answer *answer = consens_future_get(future);
        *out_code = code_of(answer);
        if (*out_code != CLI_OK && !ask->is_json) {
            say_error(ask, answer);
        }
        consens_client_destroy(&client);
    }
    consens_request_destroy(request);
    return future;
}

/* ---- printing ---------------------------------------------------------------------- */

static void say_state(struct json *json, const struct consens_answer *answer)
{
    json_number(json, "revision", answer->revision);
    json_number(json, "item_revision", answer->item_revision);
    json_number(json, "created_revision", answer->created_revision);
    json_number(json, "version", answer->version);
}

static void say_refusal(struct json *json, const struct consens_answer *answer)
{
    json_text(json, "applied", answer->applied == CONSENS_APPLIED_NO ? "no" : "unknown");
    json_bool(json, "retryable", answer->is_retryable);
    json_text(json, "detail", answer->detail);
    if (answer->limit != 0) {
        json_number(json, "limit", answer->limit);
        json_number(json, "actual", answer->actual);
    }
    if (answer->leader != NULL) {
        json_text(json, "leader", answer->leader);
    }
}

bool ask_print_json(const struct ask *ask, const struct consens_answer *answer)
{
    struct json json = {0};
    json_begin(&json);
    json_text(&json, "code", answer->word);
    if (ask->arguments.count > 0) {
        json_text(&json, "key", ask->arguments.values[0]);
    }
    if (answer->value != NULL) {
        json_bytes(&json, "value", view_of(answer->value, answer->value_bytes));
    }
    if (answer->code <= CONSENS_PRECONDITION_FAILED) {
        say_state(&json, answer);
    }
    if (answer->applied != CONSENS_APPLIED_YES && answer->code != CONSENS_NOT_FOUND) {
        say_refusal(&json, answer);
    }
    if (answer->is_replay) {
        json_bool(&json, "replay", true);
    }
    if (ask->is_local && answer->code <= CONSENS_NOT_FOUND) {
        json_number(&json, "lag_ms", answer->lag_ms);
    }
    if (answer->durability != NULL) {
        json_text(&json, "durability", answer->durability);
    }
    bool is_written = json_end(&json);
    buffer_fini(&json.out);
    return is_written;
}

int ask_end(consens_future_t **future, int code, bool is_written)
{
    consens_future_destroy(future);
    if (!is_written) {
        log_sentence("consens: stdout could not be written");
        return CLI_IO_ERROR;
    }
    return code;
}
