/*
 * outcome.h - an answer with the bytes that it points into.
 *
 * Thread: any; one at a time.
 */
#ifndef CONSENS_CLIENT_OUTCOME_H
#define CONSENS_CLIENT_OUTCOME_H

#include "base/bytes.h"
#include "wire/client_call.h"

#include <consens/client.h>

struct outcome {
    struct consens_answer answer; // word == NULL: there is none
    struct cs_buffer bytes;       // texts and value
};

/* What a node said, copied: an answer may outlive its client. */
struct outcome outcome_from_reply(const struct client_reply *reply, const char *endpoint);
/* What the client says of itself; texts are copied. Retryable: OVERLOADED, UNREACHABLE and
 * OUTCOME_UNKNOWN. */
struct outcome outcome_of(enum consens_code code,
                          enum consens_applied applied,
                          const char *detail,
                          const char *endpoint);
bool outcome_is_there(const struct outcome *outcome);
/* Takes `from`, which is empty afterwards. */
void outcome_move(struct outcome *to, struct outcome *from);
void outcome_fini(struct outcome *outcome);

/* The request was carried out, or looked at: no further try can change the answer. */
bool outcome_is_result(enum cs_status status);

#endif
