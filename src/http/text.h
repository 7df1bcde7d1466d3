/*
 * text.h - small parsers and writers for the text of HTTP: what clients sent comes in as
 * views and is never trusted; what goes out is appended to a buffer.
 *
 * Thread: any.
 */
#ifndef CONSENS_HTTP_TEXT_H
#define CONSENS_HTTP_TEXT_H

#include "base/bytes.h"

#include <stdbool.h>

struct cs_view text_view(const char *text); // NULL: the empty view, data NULL

bool text_equals(struct cs_view text, const char *word);
/* ASCII letters only; whatever the locale. */
bool text_equals_any_case(struct cs_view text, const char *word);
bool text_starts_any_case(struct cs_view text, const char *word);
/* Without spaces and tabs at both ends. */
struct cs_view text_trim(struct cs_view text);
/* Takes what stands before the next `separator` off `rest`. False: nothing was left. */
bool text_take_part(struct cs_view *rest, char separator, struct cs_view *out_part);

/* Digits only, at least one, no overflow. */
bool text_parse_u64(struct cs_view text, uint64_t *out_value);
/* "500ms", "5s", "1m". */
bool text_parse_duration_ms(struct cs_view text, uint64_t *out_ms);

/*
 * %XX become bytes, all else stays ('+' too). `out_bytes` counts the decoded bytes even
 * past capacity_bytes, where they are no longer written. False: a bad escape.
 */
bool text_decode_percent(struct cs_view text,
                         uint8_t *out,
                         size_t capacity_bytes,
                         size_t *out_bytes);

void text_append(struct cs_buffer *out, const char *text);
void text_append_u64(struct cs_buffer *out, uint64_t value);
/* As a JSON string with its quotes; bytes outside ASCII as \u00XX. */
void text_append_json(struct cs_buffer *out, struct cs_view text);

/*
 * Into a message: at most 40 characters, all but printable ASCII as '?'. Always
 * terminated.
 */
enum { TEXT_SHOWN_BYTES = 48 };
void text_show(struct cs_view text, char out[TEXT_SHOWN_BYTES]);

#endif
