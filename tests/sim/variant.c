#include "sim/variant.h"

#include "sim/world.h"

#include "base/buggify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define POINT_NAME(name, what) #name,
static const char *const points[] = {BUGGIFY_POINTS(POINT_NAME)};

static const char *const calms[CALM_KINDS] = {
    [CALM_LOSS] = "loss",       [CALM_DUPLICATES] = "duplicates",
    [CALM_REPLAYS] = "replays", [CALM_CORRUPTION] = "corruption",
    [CALM_SPIKES] = "spikes",   [CALM_JITTER] = "jitter",
};

static const char *point_name(uint32_t index)
{
    return points[index];
}

static const char *calm_name(uint32_t index)
{
    return calms[index];
}

bool variant_is_whole(const struct variant *variant)
{
    static const struct variant whole;
    return memcmp(variant, &whole, sizeof whole) == 0;
}

void variant_apply(const struct variant *variant, struct swarm *swarm)
{
    static const uint32_t nodes_max = NODES_MAX;
    if (variant->node_count > 0 && variant->node_count <= nodes_max) {
        swarm->node_count = variant->node_count;
    }
    if (variant->client_count > 0 && variant->client_count <= CLIENTS_MAX) {
        swarm->client_count = variant->client_count;
    }
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        if ((variant->faults_off >> i & 1) != 0) {
            swarm->fault_weight_sum -= swarm->fault_weight[i];
            swarm->fault_weight[i] = 0;
        }
    }
    uint32_t *const troubles[CALM_KINDS] = {
        [CALM_LOSS] = &swarm->loss_permille,
        [CALM_DUPLICATES] = &swarm->duplicate_permille,
        [CALM_REPLAYS] = &swarm->replay_permille,
        [CALM_CORRUPTION] = &swarm->corrupt_permille,
        [CALM_SPIKES] = &swarm->spike_permille,
        [CALM_JITTER] = &swarm->jitter_us,
    };
    for (uint32_t i = 0; i < CALM_KINDS; i++) {
        if ((variant->calm >> i & 1) != 0) {
            *troubles[i] = 0;
        }
    }
    if ((variant->calm >> CALM_JITTER & 1) != 0) {
        swarm->sync_jitter_us = 0;
        swarm->turn_delay_us = 0;
    }
}

bool variant_keeps_strike(const struct variant *variant, uint32_t number)
{
    return number >= variant->fault_first &&
           (variant->fault_last == 0 || number <= variant->fault_last);
}

/*
 * ---- flags
 * ---------------------------------------------------------------------------------
 */

static bool parse_number(const char *text, uint64_t most, uint64_t *out_number)
{
    char *end = NULL;
    errno = 0;
    *out_number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' &&
           *out_number <= most;
}

static uint64_t all_of(uint32_t count)
{
    return UINT64_MAX >> (64 - count);
}

/* Names with commas between, or "none". */
static bool parse_names(const char *text,
                        const char *(*name_of)(uint32_t),
                        uint32_t count,
                        uint64_t *out_set)
{
    *out_set = 0;
    if (strcmp(text, "none") == 0) {
        return true;
    }
    while (*text != '\0') {
        size_t bytes = strcspn(text, ",");
        uint32_t at = 0;
        while (at < count &&
               (strlen(name_of(at)) != bytes || strncmp(name_of(at), text, bytes) != 0)) {
            at++;
        }
        if (at == count) {
            return false;
        }
        *out_set |= (uint64_t)1 << at;
        text += bytes + (text[bytes] == ',');
    }
    return *out_set != 0;
}

static bool parse_set(struct variant *variant, const char *flag, const char *value)
{
    uint64_t set = 0;
    if (strcmp(flag, "--points") == 0) {
        bool is_good = parse_names(value, point_name, BUGGIFY_COUNT, &set);
        variant->points_off = all_of(BUGGIFY_COUNT) & ~set;
        return is_good;
    }
    if (strcmp(flag, "--faults") == 0) {
        bool is_good = parse_names(value, faults_name, FAULT_KINDS, &set);
        variant->faults_off = all_of(FAULT_KINDS) & ~set;
        return is_good;
    }
    bool is_good =
        strcmp(flag, "--without") == 0 && parse_names(value, calm_name, CALM_KINDS, &set);
    variant->calm = is_good ? (uint32_t)set : variant->calm;
    return is_good;
}

bool variant_parse(struct variant *variant, const char *flag, const char *value)
{
    uint64_t number = 0;
    if (value == NULL || !parse_number(value, UINT32_MAX, &number)) {
        return value != NULL && parse_set(variant, flag, value);
    }
    uint32_t small = (uint32_t)number;
    if (strcmp(flag, "--salt") == 0) {
        variant->salt = number;
    } else if (strcmp(flag, "--nodes") == 0) {
        variant->node_count = small;
    } else if (strcmp(flag, "--clients") == 0) {
        variant->client_count = small;
    } else if (strcmp(flag, "--operations") == 0) {
        variant->operation_count = small;
    } else if (strcmp(flag, "--safety-ms") == 0) {
        variant->safety_ms = number;
    } else if (strcmp(flag, "--first-fault") == 0) {
        variant->fault_first = small;
    } else if (strcmp(flag, "--last-fault") == 0) {
        variant->fault_last = small;
    } else {
        return false;
    }
    return true;
}

struct text {
    char *at;
    size_t room;
};

static void append(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    size_t written = bytes < 0 ? 0 : (size_t)bytes;
    written = written < text->room ? written : text->room - 1;
    text->at += written;
    text->room -= written;
}

static void append_number(struct text *text, const char *flag, uint64_t number)
{
    if (number != 0) {
        append(text, " %s %" PRIu64, flag, number);
    }
}

static void append_names(struct text *text,
                         const char *flag,
                         uint64_t set,
                         const char *(*name_of)(uint32_t),
                         uint32_t count)
{
    append(text, " %s ", flag);
    const char *before = "";
    for (uint32_t i = 0; i < count; i++) {
        if ((set >> i & 1) != 0) {
            append(text, "%s%s", before, name_of(i));
            before = ",";
        }
    }
    if (set == 0) {
        append(text, "none");
    }
}

void variant_print(const struct variant *variant, char *text, size_t bytes)
{
    struct text out = {.at = text, .room = bytes};
    text[0] = '\0';
    append_number(&out, "--salt", variant->salt);
    append_number(&out, "--nodes", variant->node_count);
    append_number(&out, "--clients", variant->client_count);
    append_number(&out, "--operations", variant->operation_count);
    append_number(&out, "--safety-ms", variant->safety_ms);
    append_number(&out, "--first-fault", variant->fault_first);
    append_number(&out, "--last-fault", variant->fault_last);
    if (variant->points_off != 0) {
        append_names(&out, "--points", all_of(BUGGIFY_COUNT) & ~variant->points_off,
                     point_name, BUGGIFY_COUNT);
    }
    if (variant->faults_off != 0) {
        append_names(&out, "--faults", all_of(FAULT_KINDS) & ~variant->faults_off,
                     faults_name, FAULT_KINDS);
    }
    if (variant->calm != 0) {
        append_names(&out, "--without", variant->calm, calm_name, CALM_KINDS);
    }
}
