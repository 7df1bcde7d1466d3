/*
 * status.h - outcomes a caller expects, in one list: name, code word, HTTP status,
 * whether the request was applied, whether trying again makes sense, and the sentence a
 * person reads.
 *
 * 503 and 429 mean certainly not applied; 504 means unknown. Nothing else may use them.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_STATUS_H
#define CONSENS_BASE_STATUS_H

#include <stdbool.h>

enum cs_applied { CS_APPLIED_NO, CS_APPLIED_YES, CS_APPLIED_UNKNOWN };

// clang-format off
// X(name, word, HTTP status, applied, is retryable, sentence)
#define CS_STATUS_LIST(X)                                                    \
    X(CS_OK, "ok", 200, YES, false, "ok")                                           \
    X(CS_CREATED, "created", 201, YES, false, "created")                            \
    X(CS_UPDATED, "updated", 200, YES, false, "updated")                            \
    X(CS_DELETED, "deleted", 200, YES, false, "deleted")                            \
    X(CS_NOT_MODIFIED, "not_modified", 304, NO, false, "not modified")              \
    X(CS_NOT_FOUND, "not_found", 404, NO, false, "not found")                       \
    X(CS_PRECONDITION, "precondition_failed", 412, NO, false,                       \
      "the condition does not hold")                                                \
    X(CS_MALFORMED, "malformed", 400, NO, false, "the request is malformed")        \
    X(CS_METHOD, "method_not_allowed", 405, NO, false,                              \
      "this method is not offered here")                                            \
    X(CS_TOO_LARGE, "too_large", 413, NO, false, "the value is too large")          \
    X(CS_KEY_TOO_LONG, "key_too_long", 414, NO, false, "the key is too long")       \
    X(CS_HEAD_TOO_LARGE, "head_too_large", 431, NO, false,                          \
      "the request head is too large")                                              \
    X(CS_OVERLOADED, "overloaded", 429, NO, true, "too many requests are waiting")  \
    X(CS_NO_QUORUM, "no_quorum", 503, NO, true,                                     \
      "a majority of nodes cannot be reached")                                      \
    X(CS_NO_LEADER, "no_leader", 503, NO, true, "no leader is known")               \
    X(CS_STARTING, "starting", 503, NO, true, "this node is still starting")        \
    X(CS_STOPPING, "stopping", 503, NO, true, "this node is shutting down")         \
    X(CS_UNKNOWN, "outcome_unknown", 504, UNKNOWN, true,                            \
      "no answer in time: the outcome is unknown")                                  \
    X(CS_TIMED_OUT, "timed_out", 503, NO, true, "not proposed in time")             \
    X(CS_SESSION_EXPIRED, "session_expired", 504, UNKNOWN, false,                   \
      "the session is unknown or has expired: this try was not applied, but an "    \
      "earlier try of the same write may have been")                                \
    X(CS_SESSION_STALE, "session_stale", 504, UNKNOWN, false,                       \
      "this write of the session is too old for its answer to be known")            \
    X(CS_DISK_FULL, "disk_full", 507, NO, true, "the disk is full")
// clang-format on

enum cs_status {
#define X(name, word, http, applied, retryable, text) name,
    CS_STATUS_LIST(X)
#undef X
        CS_STATUS_COUNT
};

/* All answer for any value; an unknown one is "unknown_status" / 500. */
const char *status_word(enum cs_status status);
const char *status_text(enum cs_status status);
int status_http(enum cs_status status);
enum cs_applied status_applied(enum cs_status status);
bool status_is_retryable(enum cs_status status);

#endif
