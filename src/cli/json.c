#include "cli/json.h"

#include <stdio.h>

static void say(struct json *json, const char *text)
{
    buffer_append(&json->out, text, strlen(text));
}

static void start_field(struct json *json, const char *name, const char *suffix)
{
    say(json, json->out.bytes > 1 ? ",\"" : "\"");
    say(json, name);
    say(json, suffix);
    say(json, "\":");
}

void json_begin(struct json *json)
{
    json->out.bytes = 0;
    say(json, "{");
}

/* Bytes of the UTF-8 character at the start; 0: none (RFC 3629). */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    static const struct {
        uint8_t first;
        uint8_t last;
        uint8_t second_min;
        uint8_t second_max;
        uint8_t bytes;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (at[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (at[0] < rows[i].first || at[0] > rows[i].last || left < rows[i].bytes ||
            at[1] < rows[i].second_min || at[1] > rows[i].second_max) {
            continue;
        }
        bool is_whole = true;
        for (size_t j = 2; j < rows[i].bytes; j++) {
            is_whole = is_whole && (at[j] & 0xc0U) == 0x80;
        }
        return is_whole ? rows[i].bytes : 0;
    }
    return 0;
}

static bool is_utf8(struct cs_view bytes)
{
    size_t at = 0;
    while (at < bytes.bytes) {
        size_t step = character_bytes(bytes.data + at, bytes.bytes - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

static void say_string(struct json *json, struct cs_view text)
{
    say(json, "\"");
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = text.data[i];
        char escape[8];
        if (byte == '"' || byte == '\\') {
            (void)snprintf(escape, sizeof escape, "\\%c", byte);
            say(json, escape);
        } else if (byte < 0x20 || byte == 0x7f) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", byte);
            say(json, escape);
        } else {
            buffer_append(&json->out, &byte, 1);
        }
    }
    say(json, "\"");
}

static void say_base64(struct json *json, struct cs_view bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    say(json, "\"");
    for (size_t at = 0; at < bytes.bytes; at += 3) {
        size_t left = bytes.bytes - at;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[at + 2] : 0U;
        char text[] = {digits[group >> 18], digits[group >> 12 & 63],
                       left > 1 ? digits[group >> 6 & 63] : '=',
                       left > 2 ? digits[group & 63] : '='};
        buffer_append(&json->out, text, sizeof text);
    }
    say(json, "\"");
}

void json_bytes(struct json *json, const char *name, struct cs_view bytes)
{
    if (is_utf8(bytes)) {
        start_field(json, name, "");
        say_string(json, bytes);
    } else {
        start_field(json, name, "_base64");
        say_base64(json, bytes);
    }
}

void json_text(struct json *json, const char *name, const char *text)
{
    json_bytes(json, name, view_of(text, strlen(text)));
}

void json_number(struct json *json, const char *name, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    start_field(json, name, "");
    say(json, digits);
}

void json_bool(struct json *json, const char *name, bool value)
{
    start_field(json, name, "");
    say(json, value ? "true" : "false");
}

bool json_end(struct json *json)
{
    say(json, "}\n");
    bool is_written =
        fwrite(json->out.data, 1, json->out.bytes, stdout) == json->out.bytes;
    return fflush(stdout) == 0 && is_written;
}
