/*
 * fast_parts.h - what the fast path (fast.c) and its replay (replay.c) share.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_FAST_PARTS_H
#define CONSENS_TESTS_LINCHECK_FAST_PARTS_H

#include "lincheck/fast.h"

#define NOBODY SIZE_MAX

struct change { // of the store, by an answered write or as others tell
    uint64_t revision;
    uint64_t key;
    size_t operation; // the write; NOBODY: one without an answer, unknown which
    size_t witness;   // who tells it
};

struct event { // what is replayed, key by key in the order of revisions
    uint64_t key;
    uint64_t seen;
    size_t at;     // of an answered operation, or of a change that only others tell
    uint32_t turn; // at one revision: the change, then what saw it
};

struct supply { // a write without an answer that nobody tells of
    uint64_t key;
    uint64_t invoked;
    uint32_t kind;
    bool is_used;
};

struct deadline { // what had taken effect by revision `seen` was invoked before `time`
    uint64_t seen;
    uint64_t time;
};

struct fast {
    const struct lincheck_operation *operations;
    size_t count;
    struct change *changes; // by revision
    size_t change_count;
    size_t answered_count; // of the changes: those of answered writes, while collecting
    struct event *events;
    size_t event_count;
    struct supply *supplies; // by key, then time
    size_t supply_count;
    struct deadline *deadlines; // by seen
    size_t deadline_count;
    struct fast_result *result;
};

/* False, always: notes what was found. `other` may be NOBODY. */
bool fast_fail(struct fast *fast,
               const char *sentence,
               uint64_t revision,
               size_t operation,
               size_t other);

/* The change of that revision, or NULL. */
const struct change *fast_find_change(const struct fast *fast, uint64_t revision);

/* Replays each key. False: the result says why not. */
bool fast_replay(struct fast *fast);

#endif
