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

struct entry { // an operation's invocation or its return, in a list ordered by time
    uint64_t time;
    uint32_t operation; // index within the key
    bool is_return;
    uint32_t previous;
    uint32_t next;
};

struct frame { // one step of the order tried
    struct register_state before;
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
    uint64_t *known;        // revisions
    struct register_revisions revisions;
    struct frame *frames;
    struct lincheck_operation **sorted; // for ranks
    uint32_t work_capacity;
    struct memory memory;
};

/*
 * Makes the operations of one key ready for the search: entries in order of time, names
 * of unanswered writes, ranks. Valid until the next call.
 */
void prepare_key(struct lincheck *lincheck,
                 struct lincheck_operation *operations,
                 uint32_t count);

/* A read of what no write here can have left behind needs no search. NULL: there is none. */
const struct lincheck_operation *prepare_find_impossible(const struct lincheck *lincheck);

void prepare_fini(struct lincheck *lincheck);

#endif
