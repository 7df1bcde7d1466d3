/*
 * m1_core.pml - the core rules: promises, the best log, acceptance by prefix, decisions,
 * decided entries fetched from peers, crashes that lose what was not synced.
 *
 * Rules: P1, P2, P3, P7 (2.7), A1-A3, A5, A6, A8, A10 (2.8), 2.5 (durable before sent).
 * Properties: I1-I7, I9 (3). Each is an assert with its id beside it.
 * Bounds: 3 nodes, BALLOTS ballots, SLOTS slots; crashes, losses, doublings and delays are
 * not bounded. BALLOTS and SLOTS are at most 3. OWNERS says whose the ballots are.
 *
 * How the network is a set. Nothing sent is ever taken back, so that loss is "never
 * delivered", doubling is "delivered again", order is free:
 *   Prepare(b)           one bit in `prepared`
 *   AcceptSync/Accept(b) `sent[b]`, the longest log sent under b: any piece of it, with any
 *                        `decided` up to told[b], may come at any time. Sound since the logs
 *                        sent under b are prefixes of one another (I1, asserted when sending).
 *   Accepted(n,b)        the largest index acked[b][n]: smaller ones change nothing
 *   Entries              any decided prefix any node ever had (I7 makes it one log)
 *   Promise(n,b)         is counted by its proposer at the moment it is sent: only the moment
 *                        it acts on its promises matters, and that is free.
 *
 * Abstracted away, and why that is sound:
 *   Values. A leader proposes one value a slot, so an entry is named by its ballot.
 *   Staging and chunks: the flip is one step (m2_sync.pml has the pieces).
 *   The queue of records: one sync covers all before it. A sync that covers a part is this
 *     model's sync at an earlier moment; nothing is disabled by being durable.
 *   Stepping down by a Nack: the same as sync, then crash.
 *   Election: anybody may take over at any time with a ballot of its own (safety must not
 *     depend on 2.6). Window, streams' numbers, timers: any piece may come at any time.
 *   `decided` falls to 0 in a crash: the least protection a restart can have.
 *   P2's test that all decided prefixes fit is here, but three nodes never fail it: the quorum
 *     of the ballot that overtook leaves out one node only, and that one is not the proposer.
 * Not modelled: P4-P6 (damaged slots, snapshots), epochs: not built.
 *
 * State counts: tests/models/README.md.
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef BALLOTS
#define BALLOTS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef PROPOSE_MAX /* proposals stop at this length */
#define PROPOSE_MAX SLOTS
#endif
#ifdef OWNERS_TWO /* 0, 1, 0: a leader comes back */
#define OWNER(b) ((b) == 2 -> 1 : 0)
#else
#define OWNER(b) ((b) - 1)
#endif
#define NODES 3
#define QUORUM 2 /* of promises and of accepts */
#if MUTANT == 4
#define ACCEPT_QUORUM 1
#else
#define ACCEPT_QUORUM QUORUM
#endif
#if MUTANT == 5
#define PROMISE_QUORUM 1
#else
#define PROMISE_QUORUM QUORUM
#endif

/* A log is one byte: two bits a slot, the ballot that proposed it. */
#define PREFIX(log, k) ((log) & ((1 << (2 * (k))) - 1))
#define AT(log, slot) (((log) >> (2 * (slot) - 2)) & 3)
#define LENGTH(log) (((log) & 3 -> 1 : 0) + ((log) & 12 -> 1 : 0) + ((log) & 48 -> 1 : 0))
#define SAME(left, right, k) (PREFIX(left, k) == PREFIX(right, k))
#define MIN(x, y) ((x) < (y) -> (x) : (y))
#define MAX(x, y) ((x) > (y) -> (x) : (y))

/* What m2_sync.pml puts in place of the one-step flip. */
#ifndef CHUNKED
#define BEGIN
#define DROP_STAGING(n) skip
#define DROP_STAGING_ON_PROMISE(n) skip
#define DROP_STAGING_ON_FETCH(n) skip
#define WRITTEN(n) skip
#endif

#define FOLLOWER 0
#define PREPARING 1
#define LEADER 2

/* In memory, by node. */
byte promised[NODES];
byte accepted[NODES];
byte log[NODES];
byte decided[NODES];
byte role[NODES];
bit in_stream[NODES]; /* may ack: its log came from the leader of `accepted` */
/* On disk, by node. */
byte disk_promised[NODES];
byte disk_accepted[NODES];
byte disk_log[NODES];
/* A preparer's promises so far, by node. */
byte promisers[NODES]; /* mask */
byte best_accepted[NODES];
byte best_log[NODES];
byte best_decided[NODES];
/* Sent, by ballot from 1. */
byte prepared;            /* mask */
byte led;                 /* mask: phase 1 is done */
byte sent[BALLOTS + 1];
byte sync_length[BALLOTS + 1];
byte told[BALLOTS + 1];   /* largest `decided` */
byte acked[(BALLOTS + 1) * NODES];
/* What the world knows. */
byte chosen;      /* the chosen log */
byte decided_max; /* of any node, ever */

#define ACKED(b, n) acked[(b) * NODES + (n)]
#define HAS(mask, bit) (((mask) >> (bit)) & 1)
#define IS_SYNCED(n) (promised[n] == disk_promised[n] && accepted[n] == disk_accepted[n] && \
                      log[n] == disk_log[n])
#define VOTES(b, k) ((ACKED(b, 0) >= (k) -> 1 : 0) + (ACKED(b, 1) >= (k) -> 1 : 0) + \
                     (ACKED(b, 2) >= (k) -> 1 : 0))
#define HOLDS(n, slot) (AT(disk_log[n], slot) == AT(chosen, slot) -> 1 : 0)
#define HOLDERS(slot) (HOLDS(0, slot) + HOLDS(1, slot) + HOLDS(2, slot))

/* I2 at slot k under b, when acks have changed: chosen by a quorum of votes, once. */
inline choose_slot(b, k)
{
    if
    :: (AT(sent[b], k) != 0 && VOTES(b, k) >= QUORUM) ->
        assert(AT(chosen, k) == 0 || AT(chosen, k) == AT(sent[b], k)); /* I2 */
        if
        :: (AT(chosen, k) == 0) -> chosen = chosen | (AT(sent[b], k) << (2 * (k) - 2))
        :: else
        fi
    :: else
    fi
}

/* I6: who voted for what is chosen has it on disk. I5: so has all of S_b who says a == b. */
inline check_slot(n, k)
{
    if
    :: (AT(chosen, k) != 0) ->
        x = 1;
        do
        :: (x <= BALLOTS) ->
            assert(!(ACKED(x, n) >= k && AT(sent[x], k) == AT(chosen, k)) ||
                   HOLDS(n, k)); /* I6 */
            x++
        :: else -> break
        od;
        x = disk_accepted[n];
        assert(!(x > 0 && HAS(led, x) && k <= sync_length[x] &&
                 AT(sent[x], k) == AT(chosen, k)) ||
               HOLDS(n, k)); /* I5 */
        assert(k > decided_max || HOLDERS(k) >= NODES - QUORUM + 1) /* I9 */
    :: else
    fi;
    x = 0
}

inline check(n)
{
    WRITTEN(n);
    assert(accepted[n] <= promised[n]);                            /* I4 */
    assert(LENGTH(log[n]) >= decided[n]);                          /* I7 */
    assert(SAME(log[n], chosen, decided[n]));                      /* I7 */
    check_slot(n, 1);
#if SLOTS >= 2
    check_slot(n, 2);
#endif
#if SLOTS >= 3
    check_slot(n, 3);
#endif
}

/* Accepted(b, index) is sent. */
inline ack(n, b, index)
{
    if
    :: (index > ACKED(b, n)) ->
        ACKED(b, n) = index;
        choose_slot(b, 1);
#if SLOTS >= 2
        choose_slot(b, 2);
#endif
#if SLOTS >= 3
        choose_slot(b, 3);
#endif
    :: else
    fi
}

/* A4: what is durable under the ballot both promised and accepted. */
inline maybe_ack(n)
{
    if
#if MUTANT == 1 /* Accepted before durable */
    :: (accepted[n] > 0 && accepted[n] == promised[n] && (in_stream[n] || role[n] == LEADER)) ->
        ack(n, accepted[n], LENGTH(log[n]))
#else
    :: (accepted[n] > 0 && accepted[n] == promised[n] && IS_SYNCED(n) &&
        (in_stream[n] || role[n] == LEADER)) ->
        ack(n, accepted[n], LENGTH(disk_log[n]))
#endif
    :: else
    fi
}

/* What is in memory is on disk, and what waited for that is sent. */
inline write(n)
{
    disk_promised[n] = promised[n];
    disk_accepted[n] = accepted[n];
    disk_log[n] = log[n];
    if
    :: (role[n] == PREPARING) -> prepared = prepared | (1 << promised[n])
    :: else
    fi;
    maybe_ack(n)
}

inline forget_promises(n)
{
    promisers[n] = 0;
    best_accepted[n] = 0;
    best_log[n] = 0;
    best_decided[n] = 0
}

#define TAKE_OVER(b) \
    :: d_step { (OWNER(b) == n && b > promised[n]) -> \
        promised[n] = b; \
        role[n] = PREPARING; \
        in_stream[n] = 0; \
        DROP_STAGING(n); \
        forget_promises(n); \
        PREPARE_EARLY(b); \
        WRITTEN(n) }
#if MUTANT == 7 /* Prepare sent before the own promise is durable */
#define PREPARE_EARLY(b) prepared = prepared | (1 << (b))
#else
#define PREPARE_EARLY(b) skip
#endif

/* P1. Lower ones are refused. */
#if MUTANT == 12 /* a lower ballot is promised too, and accepted */
#define MAY_PROMISE(b) (b != promised[n] && accepted[n] <= b)
#else
#define MAY_PROMISE(b) (b > promised[n])
#endif
#define RECEIVE_PREPARE(b) \
    :: d_step { (HAS(prepared, b) && OWNER(b) != n && MAY_PROMISE(b)) -> \
        promised[n] = b; \
        role[n] = FOLLOWER; \
        in_stream[n] = 0; \
        DROP_STAGING_ON_PROMISE(n); \
        forget_promises(n); \
        check(n) }

/* Promise(b), counted by its proposer o. P1: b == promised promises again. */
#if MUTANT == 2 /* Promise before durable */
#define MAY_SAY_PROMISED(b) (promised[n] == b)
#else
#define MAY_SAY_PROMISED(b) (promised[n] == b && IS_SYNCED(n))
#endif
#if MUTANT == 6 /* best log by length only */
#define BETTER(a, l, a2, l2) (LENGTH(l) > LENGTH(l2))
#else
#define BETTER(a, l, a2, l2) ((a) > (a2) || ((a) == (a2) && LENGTH(l) > LENGTH(l2)))
#endif
#define SEND_PROMISE(b) \
    :: d_step { (OWNER(b) != n && MAY_SAY_PROMISED(b) && role[OWNER(b)] == PREPARING && \
                 promised[OWNER(b)] == b && !HAS(promisers[OWNER(b)], n)) -> \
        x = OWNER(b); \
        promisers[x] = promisers[x] | (1 << n); \
        best_decided[x] = MAX(best_decided[x], decided[n]); \
        if \
        :: BETTER(accepted[n], log[n], best_accepted[x], best_log[x]) -> \
            best_accepted[x] = accepted[n]; \
            best_log[x] = log[n] \
        :: else \
        fi; \
        x = 0 }

/* I3: the new leader's log has all that smaller ballots chose. */
inline check_complete(b)
{
    x = 1;
    do
    :: (x < b) ->
        assert(!(AT(sent[x], 1) != 0 && VOTES(x, 1) >= QUORUM) ||
               AT(sent[b], 1) == AT(sent[x], 1)); /* I3 */
#if SLOTS >= 2
        assert(!(AT(sent[x], 2) != 0 && VOTES(x, 2) >= QUORUM) ||
               AT(sent[b], 2) == AT(sent[x], 2)); /* I3 */
#endif
#if SLOTS >= 3
        assert(!(AT(sent[x], 3) != 0 && VOTES(x, 3) >= QUORUM) ||
               AT(sent[b], 3) == AT(sent[x], 3)); /* I3 */
#endif
        x++
    :: else -> break
    od;
    x = 0
}

/* P2, P3: the best of a quorum's logs, if all decided prefixes seen are prefixes of it. */
inline choose_best(n)
{
    if
    :: BETTER(accepted[n], log[n], best_accepted[n], best_log[n]) -> best_log[n] = log[n]
    :: else
    fi;
    best_decided[n] = MAX(best_decided[n], decided[n]);
    if
    :: (LENGTH(best_log[n]) >= best_decided[n] &&
        SAME(best_log[n], chosen, best_decided[n])) ->
#if MUTANT == 13 /* phase 1 ignored: the own log is the best */
        best_log[n] = log[n];
#endif
        x = promised[n];
        assert(!HAS(led, x)); /* I1 */
        log[n] = best_log[n];
        accepted[n] = x;
        role[n] = LEADER;
        decided[n] = MAX(decided[n], MIN(best_decided[n], LENGTH(log[n])));
        led = led | (1 << x);
        sent[x] = log[n];
        sync_length[x] = LENGTH(log[n]);
        told[x] = MAX(told[x], decided[n]);
        check_complete(promised[n]);
        if
        :: (MUTANT == 1) -> maybe_ack(n)
        :: else
        fi
    :: else -> role[n] = FOLLOWER
    fi;
    forget_promises(n);
    check(n)
}

/* A2, A3: a piece of sent[b] that ends at `end`, from any common point. */
#if MUTANT == 10 /* a smaller ballot than the promised one is accepted */
#define MAY_ACCEPT(b) (promised[n] >= b && accepted[n] <= b)
#else
#define MAY_ACCEPT(b) (promised[n] == b)
#endif
#if MUTANT == 9 /* a stale leader may overwrite a decided prefix */
#define KEEPS_DECIDED(b, end) true
#else
#define KEEPS_DECIDED(b, end) ((end) >= decided[n] && SAME(log[n], sent[b], decided[n]))
#endif
#define ACCEPT(b, end) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && MAY_ACCEPT(b) && \
                 accepted[n] < b && end >= sync_length[b] && end <= LENGTH(sent[b]) && \
                 KEEPS_DECIDED(b, end)) -> \
        log[n] = PREFIX(sent[b], end); \
        accepted[n] = b; \
        in_stream[n] = 1; \
        maybe_ack(n); \
        check(n) } \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 accepted[n] == b && end <= LENGTH(sent[b]) && \
                 (end > LENGTH(log[n]) || !in_stream[n]) && \
                 SAME(log[n], sent[b], MIN(end, LENGTH(log[n])))) -> \
        log[n] = (end > LENGTH(log[n]) -> PREFIX(sent[b], end) : log[n]); \
        in_stream[n] = 1; \
        maybe_ack(n); \
        check(n) }

#if MUTANT == 14 /* acks while a < b: Accepted says the own log is the leader's */
#define ACK_BEFORE_FLIP(b) \
    :: d_step { (HAS(led, b) && promised[n] == b && accepted[n] < b && IS_SYNCED(n) && \
                 LENGTH(log[n]) <= LENGTH(sent[b]) && ACKED(b, n) < LENGTH(log[n])) -> \
        ack(n, b, LENGTH(log[n])); check(n) }
#else
#define ACK_BEFORE_FLIP(b)
#endif

/* A6 */
#if MUTANT == 11 /* decided taken without min(len) */
#define KNOWN(b) told[b]
#else
#define KNOWN(b) MIN(told[b], LENGTH(log[n]))
#endif
#define LEARN(b) \
    :: d_step { (role[n] == FOLLOWER && promised[n] == b && accepted[n] == b && \
                 in_stream[n] && KNOWN(b) > decided[n]) -> \
        decided[n] = KNOWN(b); \
        check(n) }

/* A8: decided entries replace what differs; `accepted` stays. */
#define FETCH(k) \
    :: d_step { (role[n] == FOLLOWER && k <= decided_max && k > decided[n]) -> \
        if \
        :: (LENGTH(log[n]) >= k && SAME(log[n], chosen, k)) \
        :: else -> \
            log[n] = PREFIX(chosen, k); \
            in_stream[n] = 0; \
            FETCH_SETS_ACCEPTED \
        fi; \
        decided[n] = k; \
        DROP_STAGING_ON_FETCH(n); \
        check(n) }
#if MUTANT == 8 /* Fetch also sets a */
#define FETCH_SETS_ACCEPTED accepted[n] = promised[n]; in_stream[n] = 1
#else
#define FETCH_SETS_ACCEPTED skip
#endif

/* A5 */
#if MUTANT == 3 /* the leader counts its own vote before it is durable */
#define OWN_VOTE(k) (LENGTH(log[n]) >= (k) && ACKED(promised[n], n) < (k) -> 1 : 0)
#else
#define OWN_VOTE(k) 0
#endif
#define DECIDE(k) \
    :: d_step { (role[n] == LEADER && k > decided[n] && k >= sync_length[promised[n]] && \
                 k <= LENGTH(log[n]) && VOTES(promised[n], k) + OWN_VOTE(k) >= ACCEPT_QUORUM) -> \
        decided[n] = k; \
        told[promised[n]] = MAX(told[promised[n]], k); \
        decided_max = MAX(decided_max, k); \
        assert(HOLDERS(k) >= QUORUM); /* I9: at the moment of acknowledgement */ \
        check(n) }

#define FOR_BALLOT(b) \
    TAKE_OVER(b) \
    RECEIVE_PREPARE(b) \
    SEND_PROMISE(b) \
    ACCEPT_PIECES(b) \
    ACK_BEFORE_FLIP(b) \
    LEARN(b)
#ifndef CHUNKED
#if SLOTS == 1
#define ACCEPT_PIECES(b) ACCEPT(b, 0) ACCEPT(b, 1)
#elif SLOTS == 2
#define ACCEPT_PIECES(b) ACCEPT(b, 0) ACCEPT(b, 1) ACCEPT(b, 2)
#else
#define ACCEPT_PIECES(b) ACCEPT(b, 0) ACCEPT(b, 1) ACCEPT(b, 2) ACCEPT(b, 3)
#endif
#endif

active [NODES] proctype node()
{
    byte n = _pid;
    byte x;
    BEGIN
    do
    FOR_BALLOT(1)
    FOR_BALLOT(2)
#if BALLOTS >= 3
    FOR_BALLOT(3)
#endif
    DECIDE(1)
    FETCH(1)
#if SLOTS >= 2
    DECIDE(2)
    FETCH(2)
#endif
#if SLOTS >= 3
    DECIDE(3)
    FETCH(3)
#endif
    :: d_step { /* phase 1 ends */
        (role[n] == PREPARING && (disk_promised[n] == promised[n] || MUTANT == 7) &&
         HAS(promisers[n], 0) + HAS(promisers[n], 1) + HAS(promisers[n], 2) + 1 >=
             PROMISE_QUORUM) ->
        choose_best(n) }
    :: d_step { /* a proposal: sent before the own sync */
        (role[n] == LEADER && LENGTH(log[n]) < PROPOSE_MAX) ->
        assert(SAME(log[n], sent[promised[n]], LENGTH(sent[promised[n]]))); /* I1 */
        log[n] = log[n] | (promised[n] << (2 * LENGTH(log[n])));
        sent[promised[n]] = log[n];
        if
        :: (MUTANT == 1) -> maybe_ack(n)
        :: else
        fi;
        WRITTEN(n) }
    :: d_step { /* a sync ends */
        !IS_SYNCED(n) ->
        assert(MUTANT == 12 || promised[n] >= disk_promised[n]); /* I4 */
        assert(accepted[n] >= disk_accepted[n]); /* I4 */
        write(n);
        check(n) }
    :: d_step { /* the power fails: what was not synced is gone */
        (!IS_SYNCED(n) || role[n] != FOLLOWER || in_stream[n] || decided[n] > 0) ->
        promised[n] = disk_promised[n];
        accepted[n] = disk_accepted[n];
        log[n] = disk_log[n];
        decided[n] = 0;
        role[n] = FOLLOWER;
        in_stream[n] = 0;
        DROP_STAGING(n);
        forget_promises(n);
        check(n) }
    od
}
