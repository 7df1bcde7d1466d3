/*
 * status.c - the JSON of /-/status and the answer of /-/ready.
 */
#include "base/check.h"
#include "engine/parts.h"

#include <stdio.h>

struct json { // a writer: objects and arrays are opened and closed by the caller
    struct cs_buffer *out;
    bool needs_comma;
};

static void json_open(struct json *json, const char *key, const char *bracket);
static void json_close(struct json *json, const char *bracket);
static void json_text(struct json *json, const char *key, const char *text);
static void json_number(struct json *json, const char *key, uint64_t number);
static void json_bool(struct json *json, const char *key, bool value);
static void json_null(struct json *json, const char *key);
static void write_identity(const struct replica *replica, struct json *json);
static void write_progress(const struct replica *replica, struct json *json);
static void write_log(const struct replica *replica, struct json *json);
static void write_members(const struct replica *replica, struct json *json);
static void warn_repair(const struct replica *replica, struct json *json)
{
    struct cs_buffer words = {0};
    if (sentence_repair(replica, &words)) {
        buffer_append(&words, "", 1);
        json_text(json, NULL, (const char *)words.data);
    }
    buffer_fini(&words);
}

static void warn_other_release(const struct replica *replica, struct json *json)
{
    const char *why = replica_other_release(replica);
    struct cs_buffer words = {0};
    if (why != NULL) {
        sentence_append(&words, REPLICA_OTHER_RELEASE, why);
        buffer_append(&words, "", 1);
        json_text(json, NULL, (const char *)words.data);
    }
    buffer_fini(&words);
}

static void write_warnings(const struct replica *replica, struct json *json);

static const char *const DURABILITY_WORDS[] = {"sync", "interval", "none"};

void status_answer(struct replica *replica, uint64_t client, uint64_t ticket)
{
    replica->text.bytes = 0;
    struct json json = {.out = &replica->text};
    json_open(&json, NULL, "{");
    write_identity(replica, &json);
    write_progress(replica, &json);
    write_log(replica, &json);
    write_members(replica, &json);
    write_warnings(replica, &json);
    json_close(&json, "}");
    struct reply reply = {.ticket = ticket, .status = CS_OK};
    reply.value = view_of_buffer(&replica->text);
    answers_send(replica, client, &reply);
}

void status_answer_ready(struct replica *replica, uint64_t client, uint64_t ticket)
{
    uint32_t role = replica->view.role;
    enum cs_status status = CS_OK;
    if (replica->is_stopping) {
        status = CS_STOPPING;
    } else if (answers_quorum_is_missing(replica)) {
        status = CS_NO_QUORUM;
    } else if (role == PAXOS_FORMING || role == PAXOS_GATED || mend_is_behind(replica) ||
               replica->view.faulty_first != 0) {
        status = CS_STARTING;
    } else if (replica->view.leader_seat == NO_SEAT) {
        status = CS_NO_LEADER;
    }
    struct reply reply = {.ticket = ticket, .status = status};
    reply.value = sentence_for(replica, status, NULL);
    answers_send(replica, client, &reply);
}

static const char *role_word(const struct replica *replica)
{
    return paxos_role_name(replica->view.role);
}

static void write_identity(const struct replica *replica, struct json *json)
{
    const struct paxos_config *config = paxos_config_of(replica->core);
    const struct replica_settings *settings = &replica->settings;
    char hex[33];
    (void)snprintf(hex, sizeof hex, "%016llx%016llx",
                   (unsigned long long)config->cluster_id.high,
                   (unsigned long long)config->cluster_id.low);
    json_text(json, "name", settings->cluster_name != NULL ? settings->cluster_name : "");
    json_text(json, "node", sentence_own_name(replica));
    json_number(json, "seat", settings->core.seat);
    json_text(json, "role", role_word(replica));
    if (replica->view.leader_seat < settings->core.member_count) {
        json_text(json, "leader", settings->seat_names[replica->view.leader_seat]);
    } else {
        json_null(json, "leader");
    }
    json_text(json, "cluster_id", hex);
    json_number(json, "epoch", config->epoch);
    json_text(json, "version", settings->version);
}

static void write_progress(const struct replica *replica, struct json *json)
{
    const struct paxos_view *view = &replica->view;
    struct cs_digest digest = kv_digest(replica->kv);
    char text[64];
    (void)snprintf(text, sizeof text, "%u.%u.%u", view->promised.epoch,
                   view->promised.round, view->promised.node);
    json_text(json, "ballot", text);
    json_number(json, "revision", kv_revision(replica->kv));
    json_number(json, "length", view->length);
    json_number(json, "durable", view->durable);
    json_number(json, "decided", view->decided);
    json_number(json, "applied", replica->applied);
    if (answers_lag_ms(replica) != REPLY_LAG_UNKNOWN) {
        json_number(json, "lag_ms", answers_lag_ms(replica));
    } else {
        json_null(json, "lag_ms");
    }
    json_number(json, "keys", kv_item_count(replica->kv));
    json_number(json, "bytes", kv_bytes(replica->kv));
    (void)snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)digest.high,
                   (unsigned long long)digest.low);
    json_text(json, "state_digest", text);
}

static void write_log(const struct replica *replica, struct json *json)
{
    const struct replica_settings *settings = &replica->settings;
    CHECK(settings->durability < sizeof DURABILITY_WORDS / sizeof DURABILITY_WORDS[0]);
    json_text(json, "durability", DURABILITY_WORDS[settings->durability]);
    if (settings->log_io != REPLICA_IO_UNKNOWN) {
        json_bool(json, "direct_io", settings->log_io == REPLICA_IO_DIRECT);
    }
    json_bool(json, "disk_has_room", replica->has_room);
    json_number(json, "requests_waiting", replica->waiters.count);
    json_number(json, "writes_applied", replica->stats.writes_applied);
    json_number(json, "batches_applied", replica->stats.batches_applied);
    json_number(json, "reads_answered", replica->stats.reads_answered);
    json_number(json, "requests_refused", replica->stats.requests_refused);
    json_number(json, "frames_dropped", replica->stats.frames_dropped);
    json_number(json, "slots_repaired", replica->stats.slots_repaired);
}

static uint32_t count_heard(const struct replica *replica)
{
    uint32_t count = 0;
    for (uint32_t seat = 0; seat < replica->settings.core.member_count; seat++) {
        bool is_own = seat == replica->settings.core.seat;
        bool is_heard = (replica->view.heard_mask & (1u << seat)) != 0;
        count += is_own || is_heard ? 1u : 0u;
    }
    return count;
}

static void write_members(const struct replica *replica, struct json *json)
{
    const struct replica_settings *settings = &replica->settings;
    json_open(json, "members", "[");
    for (uint32_t seat = 0; seat < settings->core.member_count; seat++) {
        bool is_own = seat == settings->core.seat;
        json_open(json, NULL, "{");
        json_text(json, "name", settings->seat_names[seat]);
        json_bool(json, "heard",
                  is_own || (replica->view.heard_mask & (1u << seat)) != 0);
        json_close(json, "}");
    }
    json_close(json, "]");
    uint32_t quorum = paxos_quorum_accept(settings->core.member_count);
    uint32_t heard = count_heard(replica);
    json_number(json, "quorum", quorum);
    json_number(json, "failures_tolerated", heard > quorum ? heard - quorum : 0);
}

static void warn_unheard(const struct replica *replica, struct json *json)
{
    struct cs_buffer words = {0};
    if (answers_quorum_is_missing(replica)) {
        sentence_no_quorum(replica, &words);
    } else if (sentence_name_unheard(replica, &words) > 0) {
        sentence_append(&words, " cannot be reached from %s", sentence_own_name(replica));
    }
    if (words.bytes > 0) {
        buffer_append(&words, "", 1);
        json_text(json, NULL, (const char *)words.data);
    }
    buffer_fini(&words);
}

static void write_warnings(const struct replica *replica, struct json *json)
{
    const struct replica_settings *settings = &replica->settings;
    uint32_t member_count = settings->core.member_count;
    json_open(json, "warnings", "[");
    warn_unheard(replica, json);
    warn_repair(replica, json);
    warn_other_release(replica, json);
    if (member_count % 2 == 0) {
        struct cs_buffer words = {0};
        sentence_append(
            &words,
            "%u nodes tolerate %u failed ones, no more than %u nodes do: use an "
            "odd number",
            member_count, member_count - paxos_quorum_accept(member_count),
            member_count - 1);
        buffer_append(&words, "", 1);
        json_text(json, NULL, (const char *)words.data);
        buffer_fini(&words);
    }
    if (settings->durability != WAL_SYNC) {
        json_text(json, NULL,
                  "durability is not sync: a power failure can lose acknowledged writes");
    }
    if (settings->log_io == REPLICA_IO_BUFFERED) {
        json_text(
            json, NULL,
            "the log is written through the page cache: this file system has no direct "
            "I/O, so a failed write may go unnoticed");
    }
    if (!replica->has_room) {
        json_text(json, NULL, "the disk is full: writes that grow are refused");
    }
    if (replica->is_stopping) {
        json_text(json, NULL, "this node is shutting down");
    }
    json_close(json, "]");
}

static void json_raw(struct json *json, const char *text)
{
    buffer_append(json->out, text, strlen(text));
}

/*
 * One character of a JSON string (RFC 8259, 7). Names of nodes are configuration, not
 * trusted.
 */
static void json_character(struct json *json, unsigned char character)
{
    char escaped[8];
    if (character == '"' || character == '\\') {
        (void)snprintf(escaped, sizeof escaped, "\\%c", character);
    } else if (character < 0x20 || character >= 0x7f) {
        // Bytes past ASCII are shown as Latin-1: the output is valid whatever they are.
        (void)snprintf(escaped, sizeof escaped, "\\u%04x", character);
    } else {
        (void)snprintf(escaped, sizeof escaped, "%c", character);
    }
    json_raw(json, escaped);
}

static void json_string(struct json *json, const char *text)
{
    json_raw(json, "\"");
    for (size_t i = 0; text[i] != '\0'; i++) {
        json_character(json, (unsigned char)text[i]);
    }
    json_raw(json, "\"");
}

/* Comma and key before a value; `key` NULL in arrays. */
static void json_start_value(struct json *json, const char *key)
{
    if (json->needs_comma) {
        json_raw(json, ",");
    }
    if (key != NULL) {
        json_string(json, key);
        json_raw(json, ":");
    }
    json->needs_comma = true;
}

static void json_open(struct json *json, const char *key, const char *bracket)
{
    json_start_value(json, key);
    json_raw(json, bracket);
    json->needs_comma = false;
}

static void json_close(struct json *json, const char *bracket)
{
    json_raw(json, bracket);
    json->needs_comma = true;
}

static void json_text(struct json *json, const char *key, const char *text)
{
    json_start_value(json, key);
    json_string(json, text);
}

static void json_number(struct json *json, const char *key, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    json_start_value(json, key);
    json_raw(json, digits);
}

static void json_bool(struct json *json, const char *key, bool value)
{
    json_start_value(json, key);
    json_raw(json, value ? "true" : "false");
}

static void json_null(struct json *json, const char *key)
{
    json_start_value(json, key);
    json_raw(json, "null");
}
