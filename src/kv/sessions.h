/*
 * sessions.h - exactly once: what each client session has had done (PAXOS 2.13).
 *
 * A session's writes are numbered from 1; up to LIMIT_SESSION_RESULTS of them may be under
 * way, in any order and through any nodes. The result of each is kept until the client
 * acknowledges it or the window has moved past it; a retry gets it again.
 *
 * Part of the replicated state: opened, used, expired and evicted by log time and the
 * order of the log alone.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_KV_SESSIONS_H
#define CONSENS_KV_SESSIONS_H

#include "base/digest.h"
#include "kv/kv.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

struct session;

RB_HEAD(session_tree, session);
TAILQ_HEAD(session_queue, session);

struct sessions { // count <= count_max; the sum is over all
    struct session_tree tree;
    struct session_queue used; // longest ago first
    uint64_t count;
    uint64_t last_id; // ever given out
    uint64_t count_max;
    uint64_t idle_ms;
    struct cs_digest sum;
};

enum session_verdict {
    SESSION_NEW_WRITE, // apply it, then sessions_keep()
    SESSION_REPLAY,    // applied before: *out_result is its result
    SESSION_STALE,     // acknowledged, or the window has passed it: its result is gone
    SESSION_EXPIRED,   // no such session (any more)
};

/* Bounds: LIMIT_SESSIONS and LIMIT_SESSION_IDLE_MS, until the caller sets others. */
void sessions_init(struct sessions *sessions);
void sessions_fini(struct sessions *sessions);

/* Its number, never given out before. Past count_max the one unused longest goes. */
uint64_t sessions_open(struct sessions *sessions, uint64_t time_ms);
/* Those unused for longer than idle_ms go. */
void sessions_expire(struct sessions *sessions, uint64_t time_ms);

enum session_verdict sessions_meet(struct sessions *sessions,
                                   const struct command *command,
                                   uint64_t time_ms,
                                   struct kv_result *out_result);
/* The result of a new write, right after sessions_meet(). */
void sessions_keep(struct sessions *sessions,
                   const struct command *command,
                   const struct kv_result *result);

struct cs_digest sessions_digest(const struct sessions *sessions);

#endif
