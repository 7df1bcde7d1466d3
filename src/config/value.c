#include "config/value.h"

#include "base/log.h"
#include "config/address.h"
#include "config/settings.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 15, BOUND_BYTES = 32, WANT_BYTES = 160 };

static const char *const LEVELS[] = {"error", "warn", "info", "debug"}; // enum log_level
static const char INTERVAL[] = "interval:";

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit BYTE_UNITS[] = {{"G", 1U << 30},
                                         {"M", 1U << 20},
                                         {"K", 1U << 10},
                                         {"", 1}};
static const struct unit TIME_UNITS[] = {{"s", 1000}, {"ms", 1}};
enum { BYTE_UNIT_COUNT = 4, TIME_UNIT_COUNT = 2 };

static bool
parse_kind(const struct value_rule *rule, const char *text, struct value *out);
static void describe_want(const struct value_rule *rule, char *out_want);
static bool parse_address(const struct value_rule *rule,
                          const char *text,
                          struct value *out_value,
                          struct sentence *out_error);
static bool
parse_text(const struct value_rule *rule, const char *text, struct value *out);
static bool parse_bool(const char *text, struct value *out);
static bool parse_level(const char *text, struct value *out);
static bool
parse_durability(const struct value_rule *rule, const char *text, struct value *out);
static bool parse_number(const char *text,
                         const struct unit *units,
                         size_t unit_count,
                         uint64_t *out_number);
static bool is_in_range(const struct value_rule *rule, uint64_t number);
static void format_number(uint64_t number,
                          const struct unit *units,
                          size_t unit_count,
                          char *out_text,
                          size_t text_bytes);
static void
format_durability(const struct value *value, char *out_text, size_t text_bytes);

bool value_parse(const struct value_rule *rule,
                 const char *text,
                 struct value *out_value,
                 struct sentence *out_error)
{
    struct value value = {0};
    if (rule->type == VALUE_ADDRESS || rule->type == VALUE_ENDPOINT) {
        return parse_address(rule, text, out_value, out_error);
    }
    if (!parse_kind(rule, text, &value)) {
        char want[WANT_BYTES] = "";
        describe_want(rule, want);
        return sentence_set(out_error, "\"%.64s\" is not usable: give %s", text, want);
    }
    *out_value = value;
    return true;
}

void value_format(const struct value_rule *rule,
                  const struct value *value,
                  char *out_text,
                  size_t text_bytes)
{
    switch (rule->type) {
    case VALUE_TEXT:
    case VALUE_ADDRESS:
    case VALUE_ENDPOINT:
        (void)snprintf(out_text, text_bytes, "\"%s\"", value->text);
        break;
    case VALUE_BOOL:
    case VALUE_COUNT:
        (void)snprintf(out_text, text_bytes, "%llu", (unsigned long long)value->number);
        break;
    case VALUE_BYTES:
        format_number(value->number, BYTE_UNITS, BYTE_UNIT_COUNT, out_text, text_bytes);
        break;
    case VALUE_DURATION:
        format_number(value->number, TIME_UNITS, TIME_UNIT_COUNT, out_text, text_bytes);
        break;
    case VALUE_DURABILITY:
        format_durability(value, out_text, text_bytes);
        break;
    case VALUE_LEVEL:
        (void)snprintf(out_text, text_bytes, "\"%s\"", LEVELS[value->number]);
        break;
    }
}

static bool parse_kind(const struct value_rule *rule, const char *text, struct value *out)
{
    switch (rule->type) {
    case VALUE_TEXT:
        return parse_text(rule, text, out);
    case VALUE_BOOL:
        return parse_bool(text, out);
    case VALUE_LEVEL:
        return parse_level(text, out);
    case VALUE_COUNT:
        return parse_number(text, &BYTE_UNITS[BYTE_UNIT_COUNT - 1], 1, &out->number) &&
               is_in_range(rule, out->number);
    case VALUE_BYTES:
        return parse_number(text, BYTE_UNITS, BYTE_UNIT_COUNT, &out->number) &&
               is_in_range(rule, out->number);
    case VALUE_DURATION:
        return parse_number(text, TIME_UNITS, TIME_UNIT_COUNT, &out->number) &&
               is_in_range(rule, out->number);
    case VALUE_DURABILITY:
        return parse_durability(rule, text, out);
    case VALUE_ADDRESS:
    case VALUE_ENDPOINT:
        break;
    }
    return false;
}

static void describe_want(const struct value_rule *rule, char *out_want)
{
    bool is_bytes = rule->type == VALUE_BYTES;
    const struct unit *units = is_bytes ? BYTE_UNITS : TIME_UNITS;
    size_t unit_count = is_bytes ? BYTE_UNIT_COUNT : TIME_UNIT_COUNT;
    char min[BOUND_BYTES] = "";
    char max[BOUND_BYTES] = "";
    format_number(rule->min, units, unit_count, min, sizeof min);
    format_number(rule->max, units, unit_count, max, sizeof max);

    switch (rule->type) {
    case VALUE_TEXT:
        (void)snprintf(
            out_want, WANT_BYTES,
            "1 to %llu characters, without double quotes or control characters",
            (unsigned long long)rule->max);
        break;
    case VALUE_BOOL:
        (void)snprintf(out_want, WANT_BYTES, "0 or 1");
        break;
    case VALUE_COUNT:
        (void)snprintf(out_want, WANT_BYTES, "a whole number from %llu to %llu",
                       (unsigned long long)rule->min, (unsigned long long)rule->max);
        break;
    case VALUE_BYTES:
        (void)snprintf(out_want, WANT_BYTES, "a size from %s to %s such as 512K or 64M%s",
                       min, max, rule->multiple == 0 ? "" : ", a multiple of 4K");
        break;
    case VALUE_DURATION:
        (void)snprintf(out_want, WANT_BYTES, "a time from %s to %s such as 50ms or 2s",
                       min, max);
        break;
    case VALUE_DURABILITY:
        (void)snprintf(out_want, WANT_BYTES, "sync, interval:TIME (%s to %s) or none",
                       min, max);
        break;
    case VALUE_LEVEL:
        (void)snprintf(out_want, WANT_BYTES, "error, warn, info or debug");
        break;
    case VALUE_ADDRESS:
    case VALUE_ENDPOINT:
        break;
    }
}

static bool parse_address(const struct value_rule *rule,
                          const char *text,
                          struct value *out_value,
                          struct sentence *out_error)
{
    const char *prefix = rule->type == VALUE_ENDPOINT ? "tcp://" : "";
    struct address address = {0};
    struct sentence why = {0};
    if (!address_parse(prefix, text, &address, &why)) {
        return sentence_set(out_error,
                            "\"%.64s\" is not usable: %.400s; give %shost:port", text,
                            why.text, prefix);
    }
    struct value value = {0};
    address_format(prefix, &address, value.text, sizeof value.text);
    *out_value = value;
    return true;
}

static bool parse_text(const struct value_rule *rule, const char *text, struct value *out)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > rule->max || bytes >= sizeof out->text) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        // A double quote could not be written back: ZPL has no escapes.
        if (byte < ' ' || byte == 127 || byte == '"') {
            return false;
        }
    }
    memcpy(out->text, text, bytes + 1);
    return true;
}

static bool parse_bool(const char *text, struct value *out)
{
    bool is_true = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
    bool is_false = strcmp(text, "0") == 0 || strcmp(text, "false") == 0;
    out->number = is_true ? 1 : 0;
    return is_true || is_false;
}

static bool parse_level(const char *text, struct value *out)
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++) {
        if (strcmp(text, LEVELS[i]) == 0) {
            out->number = i;
            return true;
        }
    }
    return false;
}

static bool
parse_durability(const struct value_rule *rule, const char *text, struct value *out)
{
    if (strcmp(text, "sync") == 0) {
        out->number = SETTINGS_SYNC;
        return true;
    }
    if (strcmp(text, "none") == 0) {
        out->number = SETTINGS_NONE;
        return true;
    }
    size_t prefix_bytes = sizeof INTERVAL - 1;
    if (strncmp(text, INTERVAL, prefix_bytes) != 0) {
        return false;
    }
    out->number = SETTINGS_INTERVAL;
    return parse_number(text + prefix_bytes, TIME_UNITS, TIME_UNIT_COUNT,
                        &out->interval_ms) &&
           is_in_range(rule, out->interval_ms);
}

// Digits and one of the suffixes, nothing else.
static bool parse_number(const char *text,
                         const struct unit *units,
                         size_t unit_count,
                         uint64_t *out_number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    for (size_t i = 0; i < unit_count; i++) {
        bool is_small = number <= UINT64_MAX / units[i].factor;
        if (is_small && strcmp(text + digits, units[i].suffix) == 0) {
            *out_number = number * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool is_in_range(const struct value_rule *rule, uint64_t number)
{
    bool is_multiple = rule->multiple == 0 || number % rule->multiple == 0;
    return number >= rule->min && number <= rule->max && is_multiple;
}

// In the largest unit that divides it; `units` fall and the last has factor 1.
static void format_number(uint64_t number,
                          const struct unit *units,
                          size_t unit_count,
                          char *out_text,
                          size_t text_bytes)
{
    size_t i = 0;
    while (i + 1 < unit_count && (number == 0 || number % units[i].factor != 0)) {
        i++;
    }
    (void)snprintf(out_text, text_bytes, "%llu%s",
                   (unsigned long long)(number / units[i].factor), units[i].suffix);
}

static void
format_durability(const struct value *value, char *out_text, size_t text_bytes)
{
    char interval[BOUND_BYTES] = "";
    format_number(value->interval_ms, TIME_UNITS, TIME_UNIT_COUNT, interval,
                  sizeof interval);
    switch ((enum settings_durability)value->number) {
    case SETTINGS_SYNC:
        (void)snprintf(out_text, text_bytes, "\"sync\"");
        break;
    case SETTINGS_INTERVAL:
        (void)snprintf(out_text, text_bytes, "\"%s%s\"", INTERVAL, interval);
        break;
    case SETTINGS_NONE:
        (void)snprintf(out_text, text_bytes, "\"none\"");
        break;
    }
}
