#include "http/refusal.h"

#include "http/answer.h"
#include "http/text.h"

#include <stdarg.h>
#include <stdio.h>

static void
set(struct refusal *refusal, enum cs_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
static void append_limits(struct cs_buffer *out, const struct refusal *refusal);
static const char *applied_word(enum cs_applied applied);

bool refuse(struct refusal *refusal, enum cs_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(refusal, status, format, arguments);
    va_end(arguments);
    return false;
}

bool refuse_and_close(struct refusal *refusal,
                      enum cs_status status,
                      const char *format,
                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(refusal, status, format, arguments);
    va_end(arguments);
    refusal->must_close = true;
    return false;
}

void refusal_take_detail(struct refusal *refusal, struct cs_view sentence)
{
    size_t bytes =
        sentence.bytes < REFUSAL_DETAIL_BYTES ? sentence.bytes : REFUSAL_DETAIL_BYTES - 1;
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = sentence.data[i];
        refusal->detail[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    refusal->detail[bytes] = '\0';
}

const char *refusal_detail(const struct refusal *refusal)
{
    return refusal->detail[0] != '\0' ? refusal->detail : status_text(refusal->status);
}

void refusal_render_text(struct cs_buffer *out, const struct refusal *refusal)
{
    text_append(out, refusal_detail(refusal));
    text_append(out, "\n");
}

void refusal_render_json(struct cs_buffer *out, const struct refusal *refusal)
{
    int http_status = status_http(refusal->status);
    text_append(out, "{\"type\":\"about:blank\",\"title\":");
    text_append_json(out, text_view(answer_reason(http_status)));
    text_append(out, ",\"status\":");
    text_append_u64(out, (uint64_t)http_status);
    text_append(out, ",\"code\":");
    text_append_json(out, text_view(status_word(refusal->status)));
    text_append(out, ",\"detail\":");
    text_append_json(out, text_view(refusal_detail(refusal)));
    text_append(out, ",\"applied\":");
    text_append_json(out, text_view(applied_word(status_applied(refusal->status))));
    text_append(out, ",\"retryable\":");
    text_append(out, status_is_retryable(refusal->status) ? "true" : "false");
    append_limits(out, refusal);
    text_append(out, "}\n");
}

static void
set(struct refusal *refusal, enum cs_status status, const char *format, va_list arguments)
{
    refusal->status = status;
    (void)vsnprintf(refusal->detail, sizeof(refusal->detail), format, arguments);
}

static void append_limits(struct cs_buffer *out, const struct refusal *refusal)
{
    if (refusal->limit == 0) {
        return;
    }
    text_append(out, ",\"limit\":");
    text_append_u64(out, refusal->limit);
    text_append(out, ",\"actual\":");
    text_append(out, refusal->is_more_than_actual ? "\"more than " : "");
    text_append_u64(out, refusal->actual);
    text_append(out, refusal->is_more_than_actual ? "\"" : "");
}

static const char *applied_word(enum cs_applied applied)
{
    switch (applied) {
    case CS_APPLIED_NO:
        return "no";
    case CS_APPLIED_YES:
        return "yes";
    case CS_APPLIED_UNKNOWN:
        break;
    }
    return "unknown";
}
