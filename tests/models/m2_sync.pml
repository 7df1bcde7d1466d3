/*
 * m2_sync.pml - how a follower comes into a leader's stream piece by piece: AcceptSync
 * with what fits, Fetch of the rest under the ballot, one atomic flip; streams that begin
 * again when the follower holds the ballot's log already.
 *
 * It models what is built (src/paxos/sync.c): AcceptSync is pulled, not pushed in chunks.
 * Rules: A1, A2, A3, A8 with staging, on top of all of m1_core.pml, which is included.
 * Properties: I5, I6 above all; and all others of m1_core.pml.
 * Bounds: 3 nodes, logs of 3. Ballot 1 is over: its leader proposed three entries, node n
 * holds the first few of them, each combination is a start. Ballots 2 and 3 run in full.
 * A message carries one entry.
 *
 * Abstracted away, and why that is sound:
 *   Messages of ballot 1: each combination of what they have brought is a start.
 *   Un-synced records: each is durable at once here. The flip is one record, so that what a
 *     crash may lose of it is what it may lose of m1_core.pml's; what is new, the staging, is
 *     in memory only and lost by every crash.
 *   Stream and sequence numbers: a receiver that takes a piece of any stream at any time
 *     does more than one that compares numbers.
 *   Where the leader begins (A1): any `from`; the follower compares chain@from, here the
 *     prefix itself.
 *   The proposer's own Fetch (P3) is one step: what does not hash to the promise is refused.
 *
 * With three nodes and three ballots two more mistakes do no harm, and are no mutants here:
 * staging that survives a Fetch or a promise. The leader of the staged ballot is then itself
 * in the quorum of the ballot that could differ.
 *
 * State counts: tests/models/README.md.
 */
#define CHUNKED
#define BALLOTS 3
#define SLOTS 3
#ifndef OLD_MAX /* entries of ballot 1 */
#define OLD_MAX 3
#endif

bit started;
bit staging[3];
byte staged_from[3]; /* the staged entries follow this slot of the own log */
byte staged_end[3];

#define DROP_STAGING(n) \
    staging[n] = 0; \
    staged_from[n] = 0; \
    staged_end[n] = 0
#define DROP_STAGING_ON_PROMISE(n) DROP_STAGING(n)
#define DROP_STAGING_ON_FETCH(n) DROP_STAGING(n)

#define OLD(k) (21 & ((1 << (2 * (k))) - 1)) /* k entries of ballot 1: 1 + 4 + 16 */

#ifdef FIRST_0 /* one start only */
#define HOW_MANY(m) x = (m == 0 -> FIRST_0 : (m == 1 -> FIRST_1 : FIRST_2))
#else
#define HOW_MANY(m) select(x : 0 .. OLD_MAX)
#endif
#define HOLD_OLD(m) \
    HOW_MANY(m); \
    log[m] = OLD(x); \
    disk_log[m] = OLD(x); \
    acked[3 + m] = x; \
    promised[m] = 1; \
    disk_promised[m] = 1; \
    accepted[m] = 1; \
    disk_accepted[m] = 1; \
    in_stream[m] = 1

/* The world after ballot 1: node 0 led it. */
#define BEGIN \
    if \
    :: (n == 0) -> atomic { \
        HOLD_OLD(0); \
        HOLD_OLD(1); \
        HOLD_OLD(2); \
        sent[1] = OLD(OLD_MAX); \
        choose_slot(1, 1); \
        choose_slot(1, 2); \
        choose_slot(1, 3); \
        told[1] = LENGTH(chosen); \
        decided_max = told[1]; \
        x = 0; \
        started = 1 } \
    :: else -> (started) \
    fi;

#if MUTANT == 21 /* a = b after the first piece */
#define IS_COMPLETE(b) true
#else
#define IS_COMPLETE(b) (staged_end[n] >= sync_length[b])
#endif
#if MUTANT == 23 /* two records: a = b first, the log at the next sync or never */
#define FLIP_ON_DISK(b) disk_accepted[n] = b
#define WRITTEN(n) \
    if \
    :: (accepted[n] == disk_accepted[n] && log[n] != disk_log[n]) \
    :: else -> write(n) \
    fi
#else
#define FLIP_ON_DISK(b) skip
#define WRITTEN(n) write(n)
#endif
#if MUTANT == 25 /* the flip may lose decided slots */
#define FLIP_KEEPS_DECIDED(b) true
#else
#define FLIP_KEEPS_DECIDED(b) (LENGTH(x) >= decided[n] && SAME(x, log[n], decided[n]))
#endif
/* x: the prefix of the own log, then what is staged of the leader's. */
#define FLIP_IF_COMPLETE(b) \
    if \
    :: IS_COMPLETE(b) -> \
        x = PREFIX(log[n], staged_from[n]) | \
            (PREFIX(sent[b], staged_end[n]) - PREFIX(sent[b], staged_from[n])); \
        if \
        :: FLIP_KEEPS_DECIDED(b) -> \
            assert(MUTANT == 21 || x == PREFIX(sent[b], staged_end[n])); /* A2 */ \
            log[n] = x; \
            accepted[n] = b; \
            in_stream[n] = 1; \
            FLIP_ON_DISK(b) \
        :: else \
        fi; \
        x = 0; \
        DROP_STAGING(n) \
    :: else \
    fi; \
    check(n)

#if MUTANT == 24 /* chain@from is not compared */
#define CONNECTS(b, from) ((from) <= LENGTH(log[n]))
#else
#define CONNECTS(b, from) ((from) <= LENGTH(log[n]) && SAME(log[n], sent[b], from))
#endif
#define CONTRADICTS(b, slot) \
    ((slot) <= decided[n] && AT(log[n], slot) != AT(sent[b], slot))

/* AcceptSync with the entry after `from` (if there is one), a < b. */
#define STAGE_SYNC(b, from) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 accepted[n] < b && from <= LENGTH(sent[b]) && CONNECTS(b, from) && \
                 !CONTRADICTS(b, (from) + 1)) -> \
        staging[n] = 1; \
        staged_from[n] = from; \
        staged_end[n] = MIN((from) + 1, LENGTH(sent[b])); \
        FLIP_IF_COMPLETE(b) }

/* The next entry, Fetched under the ballot. */
#define STAGE_ENTRY(b) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && promised[n] == b && staging[n] && \
                 OWNER(b) != n && \
                 accepted[n] < b && staged_end[n] < sync_length[b]) -> \
        staged_end[n]++; \
        FLIP_IF_COMPLETE(b) }

/* AcceptSync or Accept with the entry after `from`, a == b: extends, never truncates. */
#if MUTANT == 22 /* AcceptSync truncates when a == b */
#define KEEP_OWN(from) log[n] = PREFIX(log[n], from)
#else
#define KEEP_OWN(from) skip
#endif
#define FITS(b, from) (CONNECTS(b, from) && SAME(log[n], sent[b], \
    MIN(MIN((from) + 1, LENGTH(sent[b])), LENGTH(log[n]))))
#define EXTEND(b, from) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 accepted[n] == b && from <= LENGTH(sent[b]) && FITS(b, from) && \
                 (MUTANT == 22 || !in_stream[n] || \
                  ((from) == LENGTH(log[n]) && (from) < LENGTH(sent[b])))) -> \
        KEEP_OWN(from); \
        if \
        :: ((from) == LENGTH(log[n]) && (from) < LENGTH(sent[b])) -> \
            log[n] = log[n] | (AT(sent[b], (from) + 1) << (2 * (from))) \
        :: else \
        fi; \
        in_stream[n] = 1; \
        maybe_ack(n); \
        check(n) }

#define ACCEPT_PIECES(b) \
    STAGE_SYNC(b, 0) \
    STAGE_SYNC(b, 1) \
    STAGE_SYNC(b, 2) \
    STAGE_SYNC(b, 3) \
    STAGE_ENTRY(b) \
    EXTEND(b, 0) \
    EXTEND(b, 1) \
    EXTEND(b, 2) \
    EXTEND(b, 3)

#include "m1_core.pml"
