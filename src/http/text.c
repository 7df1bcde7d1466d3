#include "http/text.h"

#include "base/check.h"
#include "base/mutant.h"

enum { SHOWN_CHARACTERS = 40, U64_DIGITS = 20 };

static char lower(char character);
static bool is_space(uint8_t byte);
static int hex_value(uint8_t byte);
static void append_escape(struct cs_buffer *out, uint8_t byte);

struct cs_view text_view(const char *text)
{
    return view_of(text, text == NULL ? 0 : strlen(text));
}

bool text_equals(struct cs_view text, const char *word)
{
    return text.bytes == strlen(word) && memcmp(text.data, word, text.bytes) == 0;
}

bool text_equals_any_case(struct cs_view text, const char *word)
{
    return text.bytes == strlen(word) && text_starts_any_case(text, word);
}

bool text_starts_any_case(struct cs_view text, const char *word)
{
    size_t i = 0;
    for (; word[i] != '\0'; i++) {
        if (i == text.bytes || lower((char)text.data[i]) != lower(word[i])) {
            return false;
        }
    }
    return true;
}

struct cs_view text_trim(struct cs_view text)
{
    while (text.bytes > 0 && is_space(text.data[0])) {
        text = view_of(text.data + 1, text.bytes - 1);
    }
    while (text.bytes > 0 && is_space(text.data[text.bytes - 1])) {
        text.bytes--;
    }
    return text;
}

bool text_take_part(struct cs_view *rest, char separator, struct cs_view *out_part)
{
    if (rest->bytes == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, separator, rest->bytes);
    if (end == NULL) {
        *out_part = *rest;
        *rest = view_of(rest->data + rest->bytes, 0);
        return true;
    }
    size_t part_bytes = (size_t)(end - rest->data);
    *out_part = view_of(rest->data, part_bytes);
    *rest = view_of(end + 1, rest->bytes - part_bytes - 1);
    return true;
}

bool text_parse_u64(struct cs_view text, uint64_t *out_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return text.bytes > 0;
}

bool text_parse_duration_ms(struct cs_view text, uint64_t *out_ms)
{
    size_t digits = 0;
    while (digits < text.bytes && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    struct cs_view unit = view_of(text.data + digits, text.bytes - digits);
    uint64_t unit_ms = text_equals(unit, "ms")  ? 1
                       : text_equals(unit, "s") ? 1000
                       : text_equals(unit, "m") ? 60 * 1000
                                                : 0;
    uint64_t count = 0;
    if (unit_ms == 0 || !text_parse_u64(view_of(text.data, digits), &count) ||
        count > UINT64_MAX / unit_ms) {
        return false;
    }
    *out_ms = count * unit_ms;
    return true;
}

bool text_decode_percent(struct cs_view text,
                         uint8_t *out,
                         size_t capacity_bytes,
                         size_t *out_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = text.data[i];
        if (byte == '%') {
            int high = text.bytes - i > 2 ? hex_value(text.data[i + 1]) : -1;
            int low = text.bytes - i > 2 ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (uint8_t)(high * 16 + low);
            i += 2;
        }
        byte = MUTANT_IS(154) && byte == '+' ? ' ' : byte;
        if (bytes < capacity_bytes) {
            out[bytes] = byte;
        }
        bytes++;
    }
    *out_bytes = bytes;
    return true;
}

void text_append(struct cs_buffer *out, const char *text)
{
    buffer_append(out, text, strlen(text));
}

void text_append_u64(struct cs_buffer *out, uint64_t value)
{
    char digits[U64_DIGITS];
    size_t at = sizeof(digits);
    do {
        at--;
        digits[at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(out, digits + at, sizeof(digits) - at);
}

void text_append_json(struct cs_buffer *out, struct cs_view text)
{
    text_append(out, "\"");
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            text_append(out, "\\");
            buffer_append(out, &byte, 1);
        } else if (byte < 0x20 || byte >= 0x7f) {
            append_escape(out, byte);
        } else {
            buffer_append(out, &byte, 1);
        }
    }
    text_append(out, "\"");
}

void text_show(struct cs_view text, char out[TEXT_SHOWN_BYTES])
{
    size_t shown = 0;
    while (shown < text.bytes && shown < SHOWN_CHARACTERS) {
        bool is_printable = text.data[shown] >= 0x20 && text.data[shown] < 0x7f;
        out[shown] = is_printable ? (char)text.data[shown] : '?';
        shown++;
    }
    const char *end = shown < text.bytes ? "..." : "";
    memcpy(out + shown, end, strlen(end) + 1);
}

static char lower(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character + ('a' - 'A'))
                                                : character;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char letter = lower((char)byte);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static void append_escape(struct cs_buffer *out, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    buffer_append(out, escape, sizeof(escape));
}
