/*
 * lincheck.h - is a history of key-value operations linearizable? An independent search.
 *
 * Each key is decided by itself (linearizability is local): a search in the manner of
 * Wing and Gong with Lowe's memory of visited configurations. It trusts nothing the
 * servers say about order: a revision is an opaque name of one write, returned by it
 * and seen by reads.
 *
 * The register: absent, or (value, revision, version). A PUT makes the version one more
 * (1 if the key was absent) and gives the key a revision nobody else has. Conditions
 * are tested against the state; a refused write changes nothing and tells the revision
 * it found.
 *
 * An operation without an answer (UNKNOWN) may take effect at any time after it was
 * invoked, or never. Values are unique among the PUTs of one key: that makes a read
 * name its write.
 *
 * Sources: Wing & Gong, "Testing and verifying concurrent objects" (1993); Lowe,
 * "Testing for linearizability" (2017), section 4; Horn & Kroening (2015) for the
 * partition by keys.
 *
 * Thread: any; a checker belongs to its caller.
 */
#ifndef CONSENS_TESTS_LINCHECK_H
#define CONSENS_TESTS_LINCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lincheck_kind { LINCHECK_GET = 1, LINCHECK_PUT, LINCHECK_DELETE };

enum lincheck_condition {
    LINCHECK_ALWAYS = 0,
    LINCHECK_IF_ABSENT,
    LINCHECK_IF_EXISTS,
    LINCHECK_IF_REVISION,
};

enum lincheck_outcome {
    LINCHECK_UNKNOWN = 0, // no answer, or "outcome unknown"
    LINCHECK_CREATED,     // PUT on an absent key
    LINCHECK_UPDATED,     // PUT on a present key
    LINCHECK_DELETED,     // DELETE on a present key
    LINCHECK_FOUND,       // GET
    LINCHECK_ABSENT,      // GET or DELETE: no such key
    LINCHECK_REFUSED,     // the condition did not hold
};

#define LINCHECK_NOT_TOLD UINT64_MAX // of revision and version

/* Certainly failed operations (never executed) do not belong in a history. */
struct lincheck_operation {
    uint64_t id; // the caller's, for reports
    uint64_t key;
    uint64_t invoked;  // of one clock; what is equal is taken as concurrent
    uint64_t returned; // >= invoked; not read if the outcome is UNKNOWN
    uint32_t kind;
    uint32_t condition;
    uint32_t outcome;
    uint32_t client; // for reports
    uint64_t condition_revision;
    uint64_t value;    // PUT: what it writes; FOUND: what it saw
    uint64_t revision; // CREATED, UPDATED, FOUND: the key's; REFUSED: found, 0 absent;
                       // DELETED: a hint where to look first, else not used
    uint64_t version;  // CREATED, UPDATED, FOUND: the key's; REFUSED: as found, if any
    uint64_t seen;     // the store's revision when it took effect: for fast.h only
};

enum lincheck_verdict {
    LINCHECK_PASSED = 0,
    LINCHECK_VIOLATED,
    LINCHECK_UNDECIDED, // the step budget ended first: a failure, never a pass
};

struct lincheck_result {
    enum lincheck_verdict verdict;
    uint64_t key;        // of the first key that did not pass
    uint64_t stuck_id;   // the operation that no order explained, at the furthest point
    uint64_t step_count; // of all keys
    uint32_t explained;  // operations in order at that point
    uint32_t operation_count; // of that key
};

struct lincheck;

struct lincheck *lincheck_new(void);
void lincheck_destroy(struct lincheck **lincheck);

/* Forgets the history, keeps the memory. */
void lincheck_clear(struct lincheck *lincheck);
void lincheck_add(struct lincheck *lincheck, const struct lincheck_operation *operation);
size_t lincheck_count(const struct lincheck *lincheck);

/* As added, until lincheck_run: that sorts them and forgets values that nobody read. */
const struct lincheck_operation *lincheck_operations(const struct lincheck *lincheck);

/* Decides the history; `step_budget` is a key's. */
enum lincheck_verdict lincheck_run(struct lincheck *lincheck,
                                   uint64_t step_budget,
                                   struct lincheck_result *out_result);

const char *lincheck_verdict_name(enum lincheck_verdict verdict);

#endif
