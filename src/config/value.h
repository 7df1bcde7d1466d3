/*
 * value.h - one value of the configuration: its type and range, read and written.
 *
 * value_parse(value_format(v)) gives v again, for every type.
 *
 * Thread: any.
 */
#ifndef CONSENS_CONFIG_VALUE_H
#define CONSENS_CONFIG_VALUE_H

#include "config/sentence.h"

#include <stddef.h>
#include <stdint.h>

enum { VALUE_TEXT_BYTES = 1024 };

enum value_type {
    VALUE_TEXT,       // at least one character, none of them a control character or "
    VALUE_BOOL,       // 0, 1, false, true
    VALUE_COUNT,      // decimal digits
    VALUE_BYTES,      // 4096, 64K, 1M, 1G
    VALUE_DURATION,   // 50ms, 2s; kept in milliseconds
    VALUE_DURABILITY, // sync, interval:DURATION, none
    VALUE_LEVEL,      // error, warn, info, debug
    VALUE_ADDRESS,    // host:port
    VALUE_ENDPOINT,   // tcp://host:port
};

struct value_rule {
    enum value_type type;
    uint64_t min;      // of the number; DURABILITY: of its interval; TEXT: not used
    uint64_t max;      // the same; TEXT: bytes
    uint64_t multiple; // BYTES: of this; 0: any
};

struct value {
    uint64_t number;      // DURABILITY: enum settings_durability; LEVEL: enum log_level
    uint64_t interval_ms; // DURABILITY only
    char text[VALUE_TEXT_BYTES]; // TEXT; ADDRESS and ENDPOINT, with a numeric host
};

/* The error is `"TEXT" is not usable: ...` and says what to give instead. */
bool value_parse(const struct value_rule *rule,
                 const char *text,
                 struct value *out_value,
                 struct sentence *out_error);

/* As it stands in a file after `key = `. */
void value_format(const struct value_rule *rule,
                  const struct value *value,
                  char *out_text,
                  size_t text_bytes);

#endif
