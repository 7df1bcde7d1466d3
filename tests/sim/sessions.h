/*
 * sessions.h - clients of the simulator that write in sessions (PAXOS 2.13): several writes
 * under way, retries of what has no answer through other nodes, late copies, sessions left
 * to expire; and what must hold of the answers (I14, I15).
 *
 * A write of a session is one operation of the history however often it is sent. Each time
 * it is sent is an attempt: an operation of its own that names the first one.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_SESSIONS_H
#define CONSENS_TESTS_SIM_SESSIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SESSION_WRITES_KEPT = 32, // twice the window: late copies come from behind it, too
};

struct world;
struct node;
struct operation;
struct reply;

struct session_write { // at writes[sequence % SESSION_WRITES_KEPT]
    uint32_t first;    // attempt
    uint32_t last_node;
    uint32_t under_way; // attempts without an answer, not given up
    bool is_open;       // its client wants the answer still
};

/* Log times are bounds: what is certain of the entries' time is judged, no more. */
struct client_session {
    uint64_t id;   // 0: none
    uint64_t sent; // highest sequence
    uint64_t acknowledged_sent;
    struct session_write writes[SESSION_WRITES_KEPT];
    uint64_t unresolved;    // attempts that may be applied at any time, or were
    uint64_t used_after_ms; // it was used at this log time or later ...
    uint64_t used_opens;    // ... when so many sessions were known to be open
    uint64_t used_until_ms; // all that is resolved used it at this time or earlier
    uint64_t gone_at; // point of the world's order: an answer said "expired"; 0: none
};

struct session_client {
    bool has_sessions; // writes in them
    bool is_lazy;      // acknowledges nothing
    struct client_session current;
    struct client_session previous;
};

struct told_result { // of a write of a session: the first answer
    enum cs_status status;
    uint64_t revision;
    uint64_t item_revision;
    uint64_t version;
};

struct session_opens { // of all clients of a seed
    uint64_t asked;
    uint64_t answered;
};

void sessions_reset(struct world *world);

/* What the client does next, if it is a matter of its session: opens one, a retry, a copy. */
bool sessions_draw(struct world *world, uint32_t client, struct operation *out);
/* A write that was drawn gets the next number, if its client has a session with room. */
void sessions_number(struct world *world, uint32_t client, struct operation *operation);
/* How long the client leaves everything alone before it acts; mostly 0. */
uint64_t sessions_pause_us(struct world *world, uint32_t client);
void sessions_note_sent(struct world *world, uint32_t index);
/* Does its client go on without the answer? */
bool sessions_goes_on(struct world *world, const struct operation *operation);
/* The client will not hear of this attempt. */
void sessions_note_lost(struct world *world, const struct operation *operation);
void sessions_judge_answer(struct world *world,
                           struct node *node,
                           struct operation *operation,
                           const struct reply *reply);

/* All attempts were refused for certain. */
bool sessions_is_void(const struct world *world, const struct operation *operation);
/* The first attempt as the whole write, with what was told of it. */
struct operation sessions_fold(const struct operation *first);

#endif
