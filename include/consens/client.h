/*
 * consens/client.h - libconsens: a client of a consens cluster.
 *
 *     request = consens_request_put(...)      build: nothing is sent, nothing changes
 *     future  = consens_send(client, request) send: returns at once
 *     answer  = consens_future_get(future)    wait; or poll, or a callback, or cancel
 *
 * A request is a value: it may be inspected, sent many times, by several clients. A
 * future is done once, at the latest at the deadline of its request, with an answer that
 * says what happened and, if it went wrong, whether the request was applied: "no" means
 * certainly not, "unknown" that it may have been. Nothing here ever guesses.
 *
 * What a client does by itself, until a request's deadline:
 *   - it knows several endpoints of one cluster, speaks to one, and goes on with the next
 *     when that one is unreachable, silent, or refuses with `retryable`;
 *   - reads are asked again, as often as it takes;
 *   - writes are put into a session that the client opens: a write whose answer was lost is
 *     sent again, through any node, and is applied once. If the session is gone and the
 *     write may have been applied in it, that is the answer (SESSION_EXPIRED, applied
 *     UNKNOWN): it is not done again under another session;
 *   - a write that asks for CONSENS_AT_MOST_ONCE has no session, which saves the round trip
 *     that opens one. It is sent again only when it was certainly not applied, and is
 *     OUTCOME_UNKNOWN when its answer is lost;
 *   - a write that was refused, and so certainly not applied, is not sent again with less
 *     than 50 ms left: its "no" is worth more than a try that ends as "unknown".
 *
 * Requests under way together are not ordered: where one must come after another, wait
 * for the first one's answer.
 *
 * No global state: clients know nothing of each other. No call but consens_client_new()
 * and those that say so blocks. Memory that cannot be had ends the process (abort).
 *
 * Thread: any, where nothing else is said; all of a client, its futures and their answers
 * may be used by several threads at once, but of the threads that use one object only the
 * last may destroy it. Each client has one I/O thread of its own (libzmq adds two) with
 * all signals blocked; callbacks run on it. A request belongs to one thread while it is
 * being built. A child made by fork() may not use its parent's clients.
 */
#ifndef CONSENS_CLIENT_H
#define CONSENS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONSENS_API __attribute__((visibility("default")))

#define CONSENS_DEFAULT_ENDPOINT "tcp://127.0.0.1:23000"

enum {
    CONSENS_ENDPOINTS_MAX = 16,   // twice the largest cluster: each member and its spare
    CONSENS_KEY_BYTES_MAX = 1024, // of the protocol; 1 at least
    CONSENS_VALUE_BYTES_MAX = 1024 * 1024, // of the protocol; a node may allow less
    CONSENS_TIMEOUT_MS = 5 * 1000,         // of a request that does not say
    CONSENS_TIMEOUT_MAX_MS = 60 * 1000,    // of the protocol
    CONSENS_IN_FLIGHT_MAX = 1024, // requests of one client that are not done: an eighth
                                  // of what a node takes from one client
    CONSENS_IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024, // their keys and values: a quarter of
                                                    // what a node holds of all clients
    CONSENS_SESSION_WRITES_MAX = 16, // of the protocol: writes of one session under way;
                                     // further ones wait for their turn inside the client
};

/* ---- answers ----------------------------------------------------------------------- */

enum consens_code { // numbers are for ever; new ones may come
    CONSENS_OK = 0,
    CONSENS_CREATED = 1,
    CONSENS_UPDATED = 2,
    CONSENS_DELETED = 3,
    CONSENS_NOT_MODIFIED = 4,
    CONSENS_NOT_FOUND = 5,
    CONSENS_PRECONDITION_FAILED = 6,
    CONSENS_MALFORMED = 7,
    CONSENS_TOO_LARGE = 8,
    CONSENS_KEY_TOO_LONG = 9,
    CONSENS_OVERLOADED = 10, // by the node, or by CONSENS_IN_FLIGHT_... of this client
    CONSENS_NO_QUORUM = 11,
    CONSENS_NO_LEADER = 12,
    CONSENS_STARTING = 13,
    CONSENS_STOPPING = 14,
    CONSENS_TIMED_OUT = 15,
    CONSENS_DISK_FULL = 16,
    CONSENS_SESSION_EXPIRED = 17,
    CONSENS_SESSION_STALE = 18,
    CONSENS_OUTCOME_UNKNOWN = 19,
    // Of the client itself:
    CONSENS_UNREACHABLE = 64, // no node was reached, none answered a read, or none told
                              // in time whether it opened the session of a write
    CONSENS_CANCELLED = 65,   // by consens_future_cancel()
    CONSENS_CLOSED = 66,      // by consens_client_destroy()
    CONSENS_OTHER = 127,      // a code that this release does not know: see `word`
};

enum consens_applied {
    CONSENS_APPLIED_NO,      // certainly not, and never will be
    CONSENS_APPLIED_YES,     // and durable on a majority, if it was a write
    CONSENS_APPLIED_UNKNOWN, // it may have been, or may still be
};

/*
 * Made by the library only; read it in place, as later releases add fields at its end.
 * Valid until its future is destroyed.
 */
struct consens_answer {
    enum consens_code code;
    enum consens_applied applied;
    const char *word;       // of the code, as the protocol spells it: "not_found"
    const char *detail;     // a sentence: what happened, why, what to do; never NULL
    bool is_retryable;      // sending it again makes sense
    bool is_replay;         // this write had been applied by an earlier try
    uint64_t revision;      // of the state that this answer speaks of; 0: none was asked
    uint64_t item_revision; // that last changed the key; 0: it does not exist
    uint64_t created_revision; // that created it
    uint64_t version;          // its writes, from 1
    const void *value;         // of get and status, a zero byte after it; or NULL
    size_t value_bytes;
    uint64_t limit;         // 0: none was passed
    uint64_t actual;        // what passed the limit
    uint64_t lag_ms;        // of a local read: since the node had all that the leader
                            // then called decided; UINT64_MAX: not since its start
    const char *leader;     // node, of a refusal that knows it; else NULL
    const char *durability; // NULL: sync. Else acknowledged writes can be lost
    const char *endpoint;   // that was asked last; NULL: none was
    uint32_t try_count;     // how often it was sent
};

/* As the protocol spells it; "unknown_code" for a number that has none. */
CONSENS_API const char *consens_code_word(enum consens_code code);

/* ---- requests ---------------------------------------------------------------------- */

typedef struct consens_request consens_request_t;

enum consens_condition {
    CONSENS_ALWAYS,
    CONSENS_IF_ABSENT,   // only if the key does not exist
    CONSENS_IF_EXISTS,   // only if it does
    CONSENS_IF_REVISION, // only if its revision is the one given: compare and set
};

enum consens_consistency {
    CONSENS_LINEARIZABLE,
    CONSENS_LOCAL, // from the state of the node that is asked, without a quorum
};

enum consens_delivery {
    CONSENS_EXACTLY_ONCE, // in the client's session
    CONSENS_AT_MOST_ONCE,
};

/*
 * Key and value are copied. Whatever is given, a request comes out: one that cannot be
 * sent (an empty key, a value that is too large, a condition of a read) says so in
 * consens_request_check(), and in the answer if it is sent all the same.
 */
CONSENS_API consens_request_t *consens_request_put(const void *key,
                                                   size_t key_bytes,
                                                   const void *value,
                                                   size_t value_bytes);
CONSENS_API consens_request_t *consens_request_get(const void *key, size_t key_bytes);
/* As get, without the value. */
CONSENS_API consens_request_t *consens_request_head(const void *key, size_t key_bytes);
CONSENS_API consens_request_t *consens_request_delete(const void *key, size_t key_bytes);
/* Of the node that is spoken to; the value is JSON. */
CONSENS_API consens_request_t *consens_request_status(void);

/* Of put and delete. The last one counts; `revision` is for CONSENS_IF_REVISION only. */
CONSENS_API void consens_request_set_condition(consens_request_t *request,
                                               enum consens_condition condition,
                                               uint64_t revision);
/* Of put and delete: CONSENS_EXACTLY_ONCE if not set. */
CONSENS_API void consens_request_set_delivery(consens_request_t *request,
                                              enum consens_delivery delivery);
/* Of get and head: CONSENS_LINEARIZABLE if not set. */
CONSENS_API void consens_request_set_consistency(consens_request_t *request,
                                                 enum consens_consistency consistency);
/* Of get and head: the node waits until it has this revision. Read your writes anywhere. */
CONSENS_API void consens_request_set_min_revision(consens_request_t *request,
                                                  uint64_t revision);
/* Of get and head: CONSENS_NOT_MODIFIED if the key's revision is still this one. */
CONSENS_API void consens_request_set_unless_revision(consens_request_t *request,
                                                     uint64_t revision);
/* 1 to CONSENS_TIMEOUT_MAX_MS, from consens_send() on; all tries together. */
CONSENS_API void consens_request_set_timeout(consens_request_t *request,
                                             uint32_t timeout_ms);

/* CONSENS_OK, or why it cannot be sent. */
CONSENS_API enum consens_code consens_request_check(const consens_request_t *request);
/* Bytes of the request; valid until it is destroyed. NULL and 0 where there are none. */
CONSENS_API const void *consens_request_key(const consens_request_t *request,
                                            size_t *out_bytes);
CONSENS_API const void *consens_request_value(const consens_request_t *request,
                                              size_t *out_bytes);
/*
 * One line for a person: `put "a\x00b" 12 bytes if_revision=4 timeout_ms=5000`. Cut to
 * text_bytes - 1 characters; returns how many there are, as snprintf() does.
 */
CONSENS_API size_t consens_request_format(const consens_request_t *request,
                                          char *out_text,
                                          size_t text_bytes);
/* Takes it, sets it NULL; NULL does nothing. Futures of it live on. */
CONSENS_API void consens_request_destroy(consens_request_t **request);

/* ---- client ------------------------------------------------------------------------ */

typedef struct consens_client consens_client_t;

/*
 * endpoints: "tcp://HOST:PORT,tcp://HOST:PORT", client ports of one cluster, the preferred
 * one first; 1 to CONSENS_ENDPOINTS_MAX, spaces allowed; NULL: CONSENS_DEFAULT_ENDPOINT.
 * IPv4. Names are looked up here and now, which may block on a name server, and not again;
 * one that cannot be is left out as long as another can.
 * Connects in the background: a cluster that is down is no error here.
 * NULL: out_error has one sentence (256 bytes are enough).
 */
CONSENS_API consens_client_t *
consens_client_new(const char *endpoints, char *out_error, size_t error_bytes);

/*
 * Takes it, sets it NULL; NULL does nothing. Ends what is under way (CONSENS_CLOSED), lets
 * the callbacks run and joins the I/O thread: blocks for that long, and may not be called
 * from a callback. Futures and their answers stay valid until they are destroyed.
 */
CONSENS_API void consens_client_destroy(consens_client_t **client);

/* ---- futures ----------------------------------------------------------------------- */

typedef struct consens_future consens_future_t;

/* The caller destroys it. The request is not kept. Never NULL: what cannot be sent is done
 * at once. */
CONSENS_API consens_future_t *consens_send(consens_client_t *client,
                                           const consens_request_t *request);

/* Poll. */
CONSENS_API bool consens_future_is_done(const consens_future_t *future);

/* Blocks until it is done or the time is over; true: it is done. Inside a callback it does
 * not block. */
CONSENS_API bool consens_future_wait(consens_future_t *future, uint64_t timeout_ms);

/* Blocks until it is done: at the deadline of the request at the latest. Inside a callback
 * it does not block; NULL there: it is not done. */
CONSENS_API const struct consens_answer *consens_future_get(consens_future_t *future);

/*
 * Called once, on the client's I/O thread, after the future is done; also if it is already.
 * One a future: the last one set counts; NULL takes it back. It must not block: all of the
 * client's answers wait for it. It may send, cancel, and destroy futures, this one too.
 * Of a client that has been destroyed: called at once, by the caller.
 */
typedef void consens_callback_t(consens_future_t *future, void *context);
CONSENS_API void consens_future_then(consens_future_t *future,
                                     consens_callback_t *callback,
                                     void *context);

/*
 * False: it was done before. Else it is done now, CONSENS_CANCELLED, applied NO if it had not
 * been sent and UNKNOWN if it had: what has left cannot be called back.
 */
CONSENS_API bool consens_future_cancel(consens_future_t *future);

/*
 * Takes it, sets it NULL; NULL does nothing. Cancels it if it is not done. When this
 * returns its callback is not running and will not be called (but for the one this is
 * called from).
 */
CONSENS_API void consens_future_destroy(consens_future_t **future);

#ifdef __cplusplus
}
#endif

#endif
