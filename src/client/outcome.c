#include "client/outcome.h"

#include "base/mutant.h"

#include <stdlib.h>

// clang-format off
// X(code of the header, status of ours)
#define CODES(X)                                        \
    X(CONSENS_OK, CS_OK)                                \
    X(CONSENS_CREATED, CS_CREATED)                      \
    X(CONSENS_UPDATED, CS_UPDATED)                      \
    X(CONSENS_DELETED, CS_DELETED)                      \
    X(CONSENS_NOT_MODIFIED, CS_NOT_MODIFIED)            \
    X(CONSENS_NOT_FOUND, CS_NOT_FOUND)                  \
    X(CONSENS_PRECONDITION_FAILED, CS_PRECONDITION)     \
    X(CONSENS_MALFORMED, CS_MALFORMED)                  \
    X(CONSENS_TOO_LARGE, CS_TOO_LARGE)                  \
    X(CONSENS_KEY_TOO_LONG, CS_KEY_TOO_LONG)            \
    X(CONSENS_OVERLOADED, CS_OVERLOADED)                \
    X(CONSENS_NO_QUORUM, CS_NO_QUORUM)                  \
    X(CONSENS_NO_LEADER, CS_NO_LEADER)                  \
    X(CONSENS_STARTING, CS_STARTING)                    \
    X(CONSENS_STOPPING, CS_STOPPING)                    \
    X(CONSENS_TIMED_OUT, CS_TIMED_OUT)                  \
    X(CONSENS_DISK_FULL, CS_DISK_FULL)                  \
    X(CONSENS_SESSION_EXPIRED, CS_SESSION_EXPIRED)      \
    X(CONSENS_SESSION_STALE, CS_SESSION_STALE)          \
    X(CONSENS_OUTCOME_UNKNOWN, CS_UNKNOWN)
// clang-format on

static enum consens_code code_of(enum cs_status status)
{
#define X(code, known)                                                                   \
    if (status == (known)) {                                                             \
        return code;                                                                     \
    }
    CODES(X)
#undef X
    return CONSENS_OTHER;
}

const char *consens_code_word(enum consens_code code)
{
#define X(known, status)                                                                 \
    if (code == (known)) {                                                               \
        return status_word(status);                                                      \
    }
    CODES(X)
#undef X
    return code == CONSENS_UNREACHABLE ? "unreachable"
           : code == CONSENS_CANCELLED ? "cancelled"
           : code == CONSENS_CLOSED    ? "closed"
                                       : "unknown_code";
}

static enum consens_applied applied_of(enum cs_applied applied)
{
    switch (applied) {
    case CS_APPLIED_NO:
        return CONSENS_APPLIED_NO;
    case CS_APPLIED_YES:
        return CONSENS_APPLIED_YES;
    case CS_APPLIED_UNKNOWN:
        break;
    }
    return CONSENS_APPLIED_UNKNOWN;
}

/* Copies with a zero byte after it into room that is there already. */
static const char *keep(uint8_t **at, struct cs_view view)
{
    uint8_t *start = *at;
    if (view.bytes > 0) {
        memcpy(start, view.data, view.bytes);
    }
    start[view.bytes] = 0;
    *at = start + view.bytes + 1;
    return (const char *)start;
}

static const char *keep_if_any(uint8_t **at, struct cs_view view)
{
    return view.bytes > 0 ? keep(at, view) : NULL;
}

static struct cs_view view_of_text(const char *text)
{
    return view_of(text, strlen(text));
}

static struct cs_view view_of_text_if_any(const char *text)
{
    return text != NULL ? view_of_text(text) : view_of(NULL, 0);
}

struct outcome outcome_from_reply(const struct client_reply *reply, const char *endpoint)
{
    struct outcome outcome = {
        .answer = {.code = code_of(reply->status),
                   .applied = applied_of(reply->applied),
                   .is_retryable = reply->is_retryable,
                   .is_replay = reply->is_replay,
                   .revision = reply->revision,
                   .item_revision = reply->item_revision,
                   .created_revision = reply->created_revision,
                   .version = reply->version,
                   .value_bytes = reply->value.bytes,
                   .limit = reply->limit,
                   .actual = reply->actual,
                   .lag_ms = reply->lag_ms},
    };
    struct consens_answer *answer = &outcome.answer;
    struct cs_view detail = reply->detail;
    if (detail.bytes == 0) {
        detail = reply->status < CS_STATUS_COUNT
                     ? view_of_text(status_text(reply->status))
                     : view_of_text("the node answered with a code that this release of "
                                    "libconsens does not know");
    }
    struct cs_view name = view_of_text_if_any(endpoint);
    size_t room = reply->word.bytes + detail.bytes + reply->leader.bytes +
                  reply->durability.bytes + reply->value.bytes + name.bytes + 6;
    uint8_t *at = buffer_extend(&outcome.bytes, room);
    answer->word = keep(&at, reply->word);
    answer->detail = keep(&at, detail);
    answer->leader = keep_if_any(&at, reply->leader);
    answer->durability = keep_if_any(&at, reply->durability);
    answer->value = reply->has_value ? keep(&at, reply->value) : NULL;
    answer->endpoint = MUTANT_IS(293) ? endpoint : keep_if_any(&at, name);
    return outcome;
}

struct outcome outcome_of(enum consens_code code,
                          enum consens_applied applied,
                          const char *detail,
                          const char *endpoint)
{
    struct outcome outcome = {
        .answer = {.code = code,
                   .applied = applied,
                   .word = consens_code_word(code),
                   .is_retryable = code == CONSENS_OVERLOADED ||
                                   code == CONSENS_UNREACHABLE ||
                                   code == CONSENS_OUTCOME_UNKNOWN},
    };
    struct cs_view sentence = view_of_text(detail);
    struct cs_view name = view_of_text_if_any(endpoint);
    uint8_t *at = buffer_extend(&outcome.bytes, sentence.bytes + name.bytes + 2);
    outcome.answer.detail = keep(&at, sentence);
    outcome.answer.endpoint = MUTANT_IS(294) ? endpoint : keep_if_any(&at, name);
    return outcome;
}

bool outcome_is_there(const struct outcome *outcome)
{
    return outcome->answer.word != NULL;
}

void outcome_move(struct outcome *to, struct outcome *from)
{
    outcome_fini(to);
    *to = *from;
    *from = (struct outcome){0};
}

void outcome_fini(struct outcome *outcome)
{
    buffer_fini(&outcome->bytes);
    *outcome = (struct outcome){0};
}

bool outcome_is_result(enum cs_status status)
{
    return status == CS_OK || status == CS_CREATED || status == CS_UPDATED ||
           status == CS_DELETED || status == CS_NOT_MODIFIED || status == CS_NOT_FOUND ||
           status == CS_PRECONDITION;
}
