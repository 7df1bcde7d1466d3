#include "base/status.h"

struct row {
    const char *word;
    const char *text;
    int http;
    enum cs_applied applied;
    bool is_retryable;
};

static const struct row ROWS[CS_STATUS_COUNT] = {
#define X(name, word, http, applied, retryable, text)                                    \
    [name] = {word, text, http, CS_APPLIED_##applied, retryable},
    CS_STATUS_LIST(X)
#undef X
};

static const struct row UNKNOWN = {"unknown_status", "unknown status", 500,
                                   CS_APPLIED_UNKNOWN, false};

static const struct row *row_of(enum cs_status status)
{
    return (unsigned)status < CS_STATUS_COUNT ? &ROWS[status] : &UNKNOWN;
}

const char *status_word(enum cs_status status)
{
    return row_of(status)->word;
}

const char *status_text(enum cs_status status)
{
    return row_of(status)->text;
}

int status_http(enum cs_status status)
{
    return row_of(status)->http;
}

enum cs_applied status_applied(enum cs_status status)
{
    return row_of(status)->applied;
}

bool status_is_retryable(enum cs_status status)
{
    return row_of(status)->is_retryable;
}
