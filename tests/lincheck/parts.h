/*
 * parts.h - what the search (lincheck.c) and its preparation (prepare.c) share.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_LINCHECK_PARTS_H
#define CONSENS_TESTS_LINCHECK_PARTS_H

#include "lincheck/lincheck.h"
#include "lincheck/memory.h"
#include "lincheck/register.h"

#define NO_OPERATION UINT32_MAX
#define NO_TURN      UINT32_MAX
#define NO_HOLDER    UINT32_MAX

struct entry { // an operation's invocation or its return, in a list ordered by time
    uint64_t time;
    uint32_t operation; // index within the key
    uint32_t previous;
    uint32_t next;
    bool is_return;
};

/*
 * A state that others speak of: by index, that of an answered or read PUT; key_count + index,
 * the state of a revision that no known PUT has and the operation `index` is the first to
 * mention. Each is there once, so it may be left only when all that must meet it have.
 */
struct holder {
    uint32_t guests; // reads and refusals that still must meet it
    uint32_t swap;   // the answered write that replaces exactly this state
    bool is_spent;   // of the second sort: it was there
};

struct sorted { // an operation in an order of its own
    uint64_t number;
    uint64_t time;
    uint32_t operation;
};

struct frame { // one step of the order tried
    struct register_state before;
    uint32_t holder_before;
    uint32_t spent; // the holder that this step was the first to meet
    uint32_t operation;
    uint32_t turn;
    bool is_forced; // it changed nothing: no other choice here is better
};

struct lincheck {
    struct lincheck_operation *operations;
    size_t operation_count;
    size_t operation_capacity;
    // Of the key being decided:
    const struct lincheck_operation *key;
    uint32_t key_count;
    struct entry *entries; // [2 * count + 1]; the last is the list's head
    uint32_t entry_count;
    uint32_t *call_entry;   // by operation
    uint32_t *return_entry; // by operation; the head if it never returned
    uint32_t *rank;         // by operation: which to try first; a hint, never a proof
    bool *is_anonymous;     // by operation: no answer, and nobody read what it wrote
    bool tells_versions;    // any operation
    uint32_t *meets;        // by operation: the holder whose state it meets, or NO_HOLDER
    struct holder *holders; // [2 * count]
    uint64_t *known;        // revisions
    struct register_revisions revisions;
    struct frame *frames;
    struct sorted *sorted; // [2 * count]: two lists at most
    uint32_t work_capacity;
    struct memory memory;
};

/*
 * Makes the operations of one key ready for the search: entries in order of time, names
 * of unanswered writes, ranks, needs. Valid until the next call. Not NULL: an operation that
 * no order can explain, whatever else happened: no search is needed.
 */
const struct lincheck_operation *prepare_key(struct lincheck *lincheck,
                                             struct lincheck_operation *operations,
                                             uint32_t count);

void prepare_fini(struct lincheck *lincheck);

#endif
