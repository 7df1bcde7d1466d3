/*
 * answer.h - a reply as bytes: head and body in one buffer, for one write.
 *
 * Thread: any.
 */
#ifndef CONSENS_HTTP_ANSWER_H
#define CONSENS_HTTP_ANSWER_H

#include "base/bytes.h"

#include <stdbool.h>

enum answer_body {
    ANSWER_TEXT,  // text/plain
    ANSWER_VALUE, // a client's bytes: no type, no sniffing, sandboxed
    ANSWER_JSON,
    ANSWER_PROBLEM, // application/problem+json
    ANSWER_NOTHING, // 304
};

enum answer_consistency {
    ANSWER_UNLABELLED,
    ANSWER_LINEARIZABLE,
    ANSWER_LOCAL,
};

struct answer {
    int http_status;
    enum answer_body body_kind;
    struct cs_view body;
    bool is_head; // HEAD: all but the body
    bool is_keep_alive;
    uint64_t etag_revision; // 0: no ETag
    bool has_revision;
    uint64_t revision;
    const char *node;   // name of this one
    const char *leader; // name, or NULL
    enum answer_consistency consistency;
    uint64_t lag_ms;        // ANSWER_LOCAL
    const char *durability; // NULL: sync
    const char *allow;      // 405; NULL otherwise
};

/* Replaces what `out` held. */
void answer_render(struct cs_buffer *out, const struct answer *answer);

/* The phrase of a status line. */
const char *answer_reason(int http_status);

#endif
