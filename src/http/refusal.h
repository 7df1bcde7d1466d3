/*
 * refusal.h - why a request is not carried out: one status, one sentence, and what a
 * reply needs besides. Functions that check requests fill one in and answer false.
 *
 * Thread: any; a refusal belongs to its caller.
 */
#ifndef CONSENS_HTTP_REFUSAL_H
#define CONSENS_HTTP_REFUSAL_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>

enum { REFUSAL_DETAIL_BYTES = 320 };

struct refusal {
    enum cs_status status;
    char detail[REFUSAL_DETAIL_BYTES]; // printable ASCII, no newline; "": status_text()
    const char *allow;                 // 405: the methods; NULL otherwise
    uint64_t limit;                    // 0: no limit is concerned
    uint64_t actual;
    bool is_more_than_actual; // the rest was not even read
    bool must_close;          // where the next request begins is not known
};

/*
 * Answers false, for `return refuse(...)`. Text of the client goes through text_show
 * first.
 */
bool refuse(struct refusal *refusal, enum cs_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and the connection is to be closed. */
bool refuse_and_close(struct refusal *refusal,
                      enum cs_status status,
                      const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/* A sentence that the engine wrote. */
void refusal_take_detail(struct refusal *refusal, struct cs_view sentence);

const char *refusal_detail(const struct refusal *refusal);

/* One line of text, or application/problem+json (RFC 9457). */
void refusal_render_text(struct cs_buffer *out, const struct refusal *refusal);
void refusal_render_json(struct cs_buffer *out, const struct refusal *refusal);

#endif
