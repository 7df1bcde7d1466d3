#include "loadtest/command_line.h"

#include "base/entropy.h"
#include "base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_STAMP_BYTES = 16, ITEM_BYTES_MAX = 96 };

struct reading {
    struct plan *plan;
    char *error;
    const char *flag; // for sentences
    enum plan_protocol endpoints_speak;
    bool has_protocol;
    bool has_prefix;
};

static bool refuse(const struct reading *reading, const char *value, const char *wanted)
{
    (void)snprintf(reading->error, COMMAND_LINE_ERROR_BYTES, "%s %s: %s", reading->flag,
                   value, wanted);
    return false;
}

static bool read_number(const char *text, uint64_t max, uint64_t *out_number)
{
    char *end = NULL;
    errno = 0;
    *out_number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' &&
           *out_number <= max;
}

/* 10s, 250ms, 2m; a bare number is seconds. */
static bool read_duration(const char *text, uint64_t *out_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", UINT64_C(60) * 1000}};
    char *end = NULL;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || text[0] == '-' ||
        number > PLAN_SECONDS_MAX * UINT64_C(1000)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *out_ms = number * units[i].ms;
            return *out_ms <= PLAN_SECONDS_MAX * UINT64_C(1000);
        }
    }
    return false;
}

/* The next of a list parted by commas; false at its end or if one is too long. */
static bool next_item(const char **list, char out_item[ITEM_BYTES_MAX])
{
    size_t bytes = strcspn(*list, ",");
    if (bytes == 0 || bytes >= ITEM_BYTES_MAX) {
        return false;
    }
    memcpy(out_item, *list, bytes);
    out_item[bytes] = '\0';
    *list += bytes;
    *list += **list == ',' ? 1 : 0;
    return true;
}

/* tcp://HOST:PORT or http://HOST:PORT */
static bool read_endpoint(struct reading *reading, const char *text)
{
    struct plan *plan = reading->plan;
    bool is_tcp = strncmp(text, "tcp://", 6) == 0;
    bool is_http = strncmp(text, "http://", 7) == 0;
    const char *host = text + (is_tcp ? 6 : 7);
    const char *colon = is_tcp || is_http ? strrchr(host, ':') : NULL;
    uint64_t port = 0;
    if (colon == NULL || colon == host || colon - host >= PLAN_ADDRESS_BYTES ||
        !read_number(colon + 1, UINT16_MAX, &port) || port == 0) {
        return refuse(reading, text,
                      "an endpoint is tcp://HOST:PORT or http://HOST:PORT");
    }
    if (plan->endpoint_count == PLAN_ENDPOINTS_MAX) {
        return refuse(reading, text, "at most 16 endpoints");
    }
    enum plan_protocol protocol = is_tcp ? PLAN_ZEROMQ : PLAN_HTTP;
    if (plan->endpoint_count > 0 && protocol != reading->endpoints_speak) {
        return refuse(reading, text, "endpoints are all tcp:// or all http://");
    }
    struct plan_endpoint *endpoint = &plan->endpoints[plan->endpoint_count++];
    memcpy(endpoint->host, host, (size_t)(colon - host));
    endpoint->host[colon - host] = '\0';
    endpoint->port = (uint16_t)port;
    reading->endpoints_speak = protocol;
    return true;
}

static bool read_endpoints(struct reading *reading, const char *value)
{
    char item[ITEM_BYTES_MAX];
    while (next_item(&value, item)) {
        if (!read_endpoint(reading, item)) {
            return false;
        }
    }
    return *value == '\0' || refuse(reading, value, "a list parted by commas");
}

static bool read_protocol(struct reading *reading, const char *value)
{
    for (uint32_t i = PLAN_ZEROMQ; i <= PLAN_ETCD; i++) {
        if (strcmp(value, plan_protocol_name(i)) == 0) {
            reading->plan->protocol = i;
            reading->has_protocol = true;
            return true;
        }
    }
    return refuse(reading, value, "zeromq, http or etcd");
}

/* put=50,get=50 */
static bool read_mix(struct reading *reading, const char *value)
{
    struct plan *plan = reading->plan;
    char item[ITEM_BYTES_MAX];
    memset(plan->mix, 0, sizeof plan->mix);
    plan->mix_sum = 0;
    while (next_item(&value, item)) {
        char *equals = strchr(item, '=');
        uint64_t share = 1;
        if (equals != NULL) {
            *equals = '\0';
        }
        uint32_t kind = 0;
        while (kind < OPERATION_KINDS && strcmp(item, operation_kind_name(kind)) != 0) {
            kind++;
        }
        if (kind == OPERATION_KINDS ||
            (equals != NULL && !read_number(equals + 1, 1000000, &share))) {
            return refuse(reading, item,
                          "shares of put, get, local, delete, cas: put=50,get=50");
        }
        plan->mix_sum += (uint32_t)share - plan->mix[kind];
        plan->mix[kind] = (uint32_t)share;
    }
    return (*value == '\0' && plan->mix_sum > 0) ||
           refuse(reading, value, "shares of put, get, local, delete, cas");
}

/* 100 or 16..4096 */
static bool read_sizes(struct reading *reading, const char *value)
{
    char item[ITEM_BYTES_MAX];
    uint64_t min = 0;
    uint64_t max = 0;
    const char *dots = strstr(value, "..");
    size_t bytes = dots == NULL ? strlen(value) : (size_t)(dots - value);
    if (bytes >= sizeof item) {
        return refuse(reading, value, "too long");
    }
    memcpy(item, value, bytes);
    item[bytes] = '\0';
    if (!read_number(item, LIMIT_VALUE_BYTES, &min) ||
        !read_number(dots == NULL ? item : dots + 2, LIMIT_VALUE_BYTES, &max) ||
        min < VALUE_STAMP_BYTES || max < min) {
        return refuse(reading, value, "bytes of a value: 16 to 1048576, or MIN..MAX");
    }
    reading->plan->value_bytes_min = (uint32_t)min;
    reading->plan->value_bytes_max = (uint32_t)max;
    return true;
}

/* uniform, zipf or zipf:EXPONENT */
static bool read_distribution(struct reading *reading, const char *value)
{
    char *end = NULL;
    reading->plan->zipf_exponent = 0.99;
    if (strcmp(value, "uniform") == 0) {
        reading->plan->zipf_exponent = 0;
    } else if (strncmp(value, "zipf:", 5) == 0) {
        double exponent = strtod(value + 5, &end);
        if (end == value + 5 || *end != '\0' || !(exponent >= 0.01 && exponent <= 10)) {
            return refuse(reading, value, "an exponent from 0.01 to 10");
        }
        reading->plan->zipf_exponent = exponent;
    } else if (strcmp(value, "zipf") != 0) {
        return refuse(reading, value, "uniform, zipf or zipf:EXPONENT");
    }
    return true;
}

static bool read_faults(struct reading *reading, const char *value)
{
    static const char *const names[] = {"kill", "pause", "partition"};
    char item[ITEM_BYTES_MAX];
    while (next_item(&value, item)) {
        uint32_t i = 0;
        while (i < 3 && strcmp(item, names[i]) != 0) {
            i++;
        }
        if (i == 3) {
            return refuse(reading, item, "a list of kill, pause, partition");
        }
        reading->plan->faults |= 1U << i;
    }
    return *value == '\0' || refuse(reading, value, "a list of kill, pause, partition");
}

static bool read_pids(struct reading *reading, const char *value)
{
    struct plan *plan = reading->plan;
    char item[ITEM_BYTES_MAX];
    while (next_item(&value, item)) {
        uint64_t pid = 0;
        if (plan->pid_count == PLAN_PIDS_MAX || !read_number(item, INT32_MAX, &pid) ||
            pid == 0) {
            return refuse(reading, item, "a list of at most 16 process numbers");
        }
        plan->pids[plan->pid_count++] = (int)pid;
    }
    return *value == '\0' || refuse(reading, value, "a list parted by commas");
}

static bool read_prefix(struct reading *reading, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes >= PLAN_PREFIX_BYTES ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789-_.") != bytes) {
        return refuse(reading, value, "1 to 31 letters, digits, - _ .");
    }
    memcpy(reading->plan->prefix, value, bytes + 1);
    reading->has_prefix = true;
    return true;
}

enum form { FORM_NUMBER, FORM_BIG, FORM_TIME, FORM_TEXT, FORM_SWITCH, FORM_OWN };

struct flag {
    const char *name;
    const char *argument; // NULL: none
    const char *help;
    enum form form;
    size_t offset; // in struct plan, of all but OWN
    uint64_t min;
    uint64_t max;
    bool (*read)(struct reading *reading, const char *value);
};

#define AT(member) offsetof(struct plan, member)

// clang-format off
static const struct flag flags[] = {
    {"endpoints", "LIST", "tcp://HOST:PORT,... (ZeroMQ) or http://HOST:PORT,...",
     FORM_OWN, 0, 0, 0, read_endpoints},
    {"protocol", "NAME", "zeromq, http or etcd (JSON gateway): told by the endpoints",
     FORM_OWN, 0, 0, 0, read_protocol},
    {"clients", "N", "each has one message under way [1]",
     FORM_NUMBER, AT(clients), 1, PLAN_CLIENTS_MAX, NULL},
    {"batch", "N", "operations in a message, ZeroMQ only [1]",
     FORM_NUMBER, AT(batch), 1, PLAN_BATCH_MAX, NULL},
    {"threads", "N", "of this program [1]",
     FORM_NUMBER, AT(threads), 1, PLAN_THREADS_MAX, NULL},
    {"connections", "N", "ZeroMQ: sockets that clients share [one an endpoint]",
     FORM_NUMBER, AT(connections), 1, PLAN_CLIENTS_MAX, NULL},
    {"rate", "N", "open loop: operations a second, timed from when they were due",
     FORM_BIG, AT(rate), 1, UINT64_C(100000000), NULL},
    {"duration", "TIME", "measured: 10s, 500ms, 2m [10s]",
     FORM_TIME, AT(duration_ms), 100, PLAN_SECONDS_MAX * UINT64_C(1000), NULL},
    {"warmup", "TIME", "before that, not counted [1s]",
     FORM_TIME, AT(warmup_ms), 0, PLAN_SECONDS_MAX * UINT64_C(1000), NULL},
    {"timeout", "TIME", "an operation without an answer has failed [5s]",
     FORM_TIME, AT(timeout_ms), 10, 60 * UINT64_C(1000), NULL},
    {"mix", "LIST", "shares of put, get, local, delete, cas [put]",
     FORM_OWN, 0, 0, 0, read_mix},
    {"value-size", "N", "bytes, or MIN..MAX [100]", FORM_OWN, 0, 0, 0, read_sizes},
    {"keys", "N", "how many [1000]", FORM_BIG, AT(key_count), 1, PLAN_KEYS_MAX, NULL},
    {"distribution", "NAME", "of the keys: uniform, zipf or zipf:EXPONENT [uniform]",
     FORM_OWN, 0, 0, 0, read_distribution},
    {"prefix", "TEXT", "of the keys [bench-; with --check one that is new]",
     FORM_OWN, 0, 0, 0, read_prefix},
    {"preload", NULL, "write every key once before the start",
     FORM_SWITCH, AT(must_preload), 0, 0, NULL},
    {"seed", "N", "of keys, values, mix and faults [drawn and printed]",
     FORM_BIG, AT(seed), 0, UINT64_MAX, NULL},
    {"check", NULL, "record the history; exit 1 unless it is linearizable",
     FORM_SWITCH, AT(must_check), 0, 0, NULL},
    {"history", "FILE", "keep the history of --check there",
     FORM_TEXT, AT(history_path), 0, 0, NULL},
    {"local", "N", "start N nodes here for the run, of --program",
     FORM_NUMBER, AT(local_nodes), 1, PLAN_NODES_MAX, NULL},
    {"program", "FILE", "of --local [build/consens]", FORM_TEXT, AT(program), 0, 0, NULL},
    {"nemesis", "LIST", "faults of the --local nodes: kill, pause, partition",
     FORM_OWN, 0, 0, 0, read_faults},
    {"fault-every", "TIME", "from the end of one fault to the next [2s]",
     FORM_TIME, AT(fault_every_ms), 100, 3600 * UINT64_C(1000), NULL},
    {"fault-hold", "TIME", "how long a fault lasts [1s]",
     FORM_TIME, AT(fault_hold_ms), 10, 3600 * UINT64_C(1000), NULL},
    {"pids", "LIST", "processes of the servers: their processor and memory are told",
     FORM_OWN, 0, 0, 0, read_pids},
    {"json", "FILE", "the report as JSON (- is standard output)",
     FORM_TEXT, AT(json_path), 0, 0, NULL},
    {"html", "FILE", "the report as one page with plots",
     FORM_TEXT, AT(html_path), 0, 0, NULL},
    {"label", "TEXT", "title of the report", FORM_TEXT, AT(label), 0, 0, NULL},
    {"quiet", NULL, "no progress line", FORM_SWITCH, AT(is_quiet), 0, 0, NULL},
};
// clang-format on

enum { FLAG_COUNT = sizeof flags / sizeof *flags };

void command_line_print_usage(FILE *out)
{
    (void)fputs(
        "usage: loadtest --endpoints LIST [--FLAG VALUE]...\n"
        "       loadtest --local N [--FLAG VALUE]...\n"
        "Drives a store over ZeroMQ or HTTP, or etcd over its JSON gateway, and tells\n"
        "throughput and latency. Closed loop: each client sends again once it has its\n"
        "answer. Open loop (--rate): sends at fixed moments.\n",
        out);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s%s%s", flags[i].name,
                       flags[i].argument == NULL ? "" : " ",
                       flags[i].argument == NULL ? "" : flags[i].argument);
        (void)fprintf(out, "  --%-18s %s\n", name, flags[i].help);
    }
    (void)fputs("Exit code: 0 done, 1 not linearizable or undecided, 2 usage, 3 nothing "
                "was answered.\n",
                out);
}

static bool
read_ranged(struct reading *reading, const struct flag *flag, const char *value)
{
    uint64_t number = 0;
    bool is_read = flag->form == FORM_TIME ? read_duration(value, &number)
                                           : read_number(value, flag->max, &number);
    if (!is_read || number < flag->min || number > flag->max) {
        char wanted[96];
        const char *unit = flag->form == FORM_TIME ? " ms" : "";
        (void)snprintf(wanted, sizeof wanted, "from %" PRIu64 "%s to %" PRIu64 "%s",
                       flag->min, unit, flag->max, unit);
        return refuse(reading, value, wanted);
    }
    char *field = (char *)reading->plan + flag->offset;
    if (flag->form == FORM_NUMBER) {
        uint32_t narrow = (uint32_t)number;
        memcpy(field, &narrow, sizeof narrow);
    } else {
        memcpy(field, &number, sizeof number);
    }
    return true;
}

static bool read_flag(struct reading *reading, const struct flag *flag, char *value)
{
    char *field = (char *)reading->plan + flag->offset;
    switch (flag->form) {
    case FORM_NUMBER:
    case FORM_BIG:
    case FORM_TIME:
        return read_ranged(reading, flag, value);
    case FORM_TEXT:
        memcpy(field, &value, sizeof value);
        return true;
    case FORM_SWITCH:
        *(bool *)field = true;
        return true;
    case FORM_OWN:
        return flag->read(reading, value);
    }
    return false;
}

static const struct flag *find_flag(const char *argument)
{
    for (size_t i = 0; i < FLAG_COUNT && strncmp(argument, "--", 2) == 0; i++) {
        if (strcmp(argument + 2, flags[i].name) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static struct plan preset(void)
{
    struct plan plan = {.program = "build/consens",
                        .fault_every_ms = 2000,
                        .fault_hold_ms = 1000,
                        .clients = 1,
                        .batch = 1,
                        .threads = 1,
                        .warmup_ms = 1000,
                        .duration_ms = 10000,
                        .timeout_ms = 5000,
                        .mix = {[OPERATION_PUT] = 1},
                        .mix_sum = 1,
                        .value_bytes_min = 100,
                        .value_bytes_max = 100,
                        .key_count = 1000,
                        .prefix = "bench-",
                        .seed = entropy_draw_u64() >> 40,
                        .label = ""};
    return plan;
}

/* What two options together must hold. NULL, or a sentence. */
static const char *find_conflict(const struct reading *reading)
{
    const struct plan *plan = reading->plan;
    bool is_plain_http = plan->protocol != PLAN_ZEROMQ;
    if ((plan->endpoint_count > 0) == (plan->local_nodes > 0)) {
        return "give either --endpoints or --local";
    }
    if (plan->endpoint_count > 0 &&
        is_plain_http != (reading->endpoints_speak == PLAN_HTTP)) {
        return "the endpoints do not speak that --protocol";
    }
    if (plan->local_nodes > 0 && plan->protocol == PLAN_ETCD) {
        return "--local starts nodes of consens, not etcd";
    }
    if (is_plain_http && plan->batch > 1) {
        return "--batch is of ZeroMQ only";
    }
    if (plan->protocol == PLAN_ETCD && (plan->must_check || plan->mix[OPERATION_CAS])) {
        return "etcd is measured only: neither --check nor cas";
    }
    if (plan->faults != 0 && plan->local_nodes == 0) {
        return "--nemesis is for the nodes of --local";
    }
    if (plan->history_path != NULL && !plan->must_check) {
        return "--history is of --check";
    }
    if (plan->protocol == PLAN_ZEROMQ &&
        plan->connections > PLAN_LANES_MAX * plan->threads) {
        return "at most 7 --connections for each of --threads";
    }
    if (plan->threads > plan->clients) {
        return "more --threads than --clients";
    }
    return plan->rate > 0 && plan->rate < plan->batch ? "--rate is less than one --batch"
                                                      : NULL;
}

static bool finish_reading(struct reading *reading)
{
    struct plan *plan = reading->plan;
    if (plan->endpoint_count > 0 && !reading->has_protocol) {
        plan->protocol = reading->endpoints_speak;
    }
    if (plan->connections == 0) {
        uint32_t endpoints =
            plan->local_nodes > 0 ? plan->local_nodes : plan->endpoint_count;
        uint32_t most = PLAN_LANES_MAX * plan->threads;
        plan->connections = plan->threads > endpoints ? plan->threads : endpoints;
        plan->connections = plan->connections > most ? most : plan->connections;
    }
    // A history begins with keys that do not exist.
    if (plan->must_check && !reading->has_prefix) {
        (void)snprintf(plan->prefix, sizeof plan->prefix, "check-%016" PRIx64 "-",
                       entropy_draw_u64());
    }
    const char *conflict = find_conflict(reading);
    if (conflict != NULL) {
        (void)snprintf(reading->error, COMMAND_LINE_ERROR_BYTES, "%s", conflict);
    }
    return conflict == NULL;
}

bool command_line_read(int argument_count,
                       char **arguments,
                       struct plan *out_plan,
                       char error[COMMAND_LINE_ERROR_BYTES])
{
    struct reading reading = {.plan = out_plan, .error = error};
    *out_plan = preset();
    error[0] = '\0';
    for (int i = 1; i < argument_count; i++) {
        const struct flag *flag = find_flag(arguments[i]);
        reading.flag = arguments[i];
        if (strcmp(arguments[i], "--help") == 0) {
            return false;
        }
        if (flag == NULL) {
            return refuse(&reading, "", "no such option; --help lists them");
        }
        if (flag->argument != NULL && i + 1 == argument_count) {
            return refuse(&reading, "", "its value is missing");
        }
        static char none[] = "";
        char *value = flag->argument == NULL ? none : arguments[++i];
        if (!read_flag(&reading, flag, value)) {
            return false;
        }
    }
    return finish_reading(&reading);
}

const char *operation_kind_name(enum operation_kind kind)
{
    static const char *const names[] = {"put", "get", "local", "delete", "cas"};
    return kind < OPERATION_KINDS ? names[kind] : "unknown";
}

const char *plan_protocol_name(enum plan_protocol protocol)
{
    static const char *const names[] = {"zeromq", "http", "etcd"};
    return protocol <= PLAN_ETCD ? names[protocol] : "unknown";
}
