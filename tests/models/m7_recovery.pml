/*
 * m7_recovery.pml - disks that lose what they had: slots rot between durable and a restart,
 * tails tear, promises stand; damaged nodes abstain, are repaired from peers, or all halt.
 *
 * Rules: 4.2's table for blocks (torn tail, damage, floor), P4 and P5 as built
 * (src/paxos/repair.c, src/wal/README.md "Damage"), E5, A2 and A8 over a damaged log, G2
 * for a tail that rots, and M1's rules below them.
 * Properties: I11 and I21 (what was acked is never cut off, nor replaced by an older
 * version: it is held, or known to be lost), I2-I7, I9; with BOUND, nobody ever halts LOST
 * and a good copy of each chosen slot stays. Each is an assert with its id beside it.
 * Bounds: 3 nodes, BALLOTS ballots, SLOTS slots, damage ROTS times (of any slots of one
 * node at once). Crashes, losses, doublings, delays are not bounded.
 *   BOUND=1  a slot rots only while another node has a good copy of that very entry. (That
 *            each chosen slot keeps one is not enough against a halt: of an entry that two
 *            nodes lost and nobody else has, nobody knows that it was not chosen.)
 *   BOUND=0  anything rots anywhere: correct service or a halt, nothing else
 *   CALM     nobody restarts without damage
 *   TAILS    the last block may be without a seal. The assumption of src/wal/README.md:
 *            it rots only once a seal, a floor or the peers' memory of its number is
 *            there. Mutant 14 shows that safety rests on it.
 *
 * `log` is what the node's log must hash to; `lost` says which slots of it cannot be read.
 * That much the code always knows: each header behind a bad block has length and chain.
 *
 * Abstracted away, and why that is sound:
 *   What was not synced (m1_core.pml): a step of a follower is on disk when it ends, so a
 *     crash in the middle is the step not done: the torn block is cut. A leader's entries
 *     leave before they are on disk: `sent` and `log` are apart.
 *   Acks: sent as soon as they may be; one that never arrives is one not counted.
 *   Which slots a bad block costs (find_kept): any set of them may be lost.
 *   A record that replaced a suffix by fetched entries counts as sealed at once: until then
 *     its tail is under the assumption above.
 *   The three sweeps before a halt are one moment in which no damaged node can go on.
 *   The gate itself, and copies of directories: m8_incarnations.pml.
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
#ifndef ROTS
#define ROTS 2
#endif
#ifndef BOUND
#define BOUND 1
#endif
#define OWNER(b) ((b) - 1)
#define NODES 3
#define QUORUM 2
#if MUTANT == 15
#define PROMISE_QUORUM 1
#else
#define PROMISE_QUORUM QUORUM
#endif

/* A log is one byte: two bits a slot, the ballot that proposed it. */
#define PREFIX(l, k) ((l) & ((1 << (2 * (k))) - 1))
#define AT(l, slot) (((l) >> (2 * (slot) - 2)) & 3)
#define LENGTH(l) (((l) & 3 -> 1 : 0) + ((l) & 12 -> 1 : 0))
#define SAME(left, right, k) (PREFIX(left, k) == PREFIX(right, k))
#define MIN(x, y) ((x) < (y) -> (x) : (y))
#define MAX(x, y) ((x) > (y) -> (x) : (y))
#define HAS(mask, bit) (((mask) >> (bit)) & 1)

#define FOLLOWER 0
#define PREPARING 1
#define LEADER 2

/* On disk, by node. */
byte promised[NODES];
byte accepted[NODES];
byte log[NODES];
byte lost[NODES]; /* mask of slots, from bit 0 */
byte hint[NODES]; /* what was known decided when the last record was written */
#ifdef TAILS
byte tail[NODES]; /* 0: sealed; else 1 + the length before the last block */
bit heard[NODES]; /* all peers remember that block's number */
#endif
#if MUTANT == 11
byte promised_before[NODES];
#endif
/* In memory, by node. */
byte decided[NODES]; /* of a damaged log too: see DECIDED */
byte role[NODES];
bit in_stream[NODES];
bit dead[NODES]; /* halted */
/* A preparer's promises so far, by node. */
byte promisers[NODES]; /* mask */
byte best_accepted[NODES];
byte best_log[NODES];
byte best_decided[NODES];
/* Sent, by ballot from 1. */
byte prepared; /* mask */
byte led;      /* mask: phase 1 is done */
byte sent[BALLOTS + 1];
byte sync_length[BALLOTS + 1];
byte told[BALLOTS + 1]; /* largest `decided` */
byte acked[(BALLOTS + 1) * NODES];
/* What the world knows. */
byte chosen;      /* the chosen log */
byte decided_max; /* of any node, ever */
byte rots;

#define ACKED(b, n) acked[(b) * NODES + (n)]
#define VOTES(b, k) ((ACKED(b, 0) >= (k) -> 1 : 0) + (ACKED(b, 1) >= (k) -> 1 : 0) + \
                     (ACKED(b, 2) >= (k) -> 1 : 0))
#define HOLDS(n, slot) (AT(log[n], slot) == AT(chosen, slot) -> 1 : 0)
#define HOLDERS(slot) (HOLDS(0, slot) + HOLDS(1, slot) + HOLDS(2, slot))

/* Up to where a log can be read, and up to where it is known to be decided. */
#define KNOWN(n) (lost[n] == 0 -> LENGTH(log[n]) : (lost[n] & 1 -> 0 : 1))
#define DECIDED(n) (lost[n] == 0 -> decided[n] : MIN(decided[n], KNOWN(n)))
/* The first run of lost slots. */
#define LAST(n) (lost[n] == 1 -> 1 : 2)
#define IS_SOUND(n) (!dead[n] && lost[n] == 0 -> 1 : 0)
#define OTHER(n, i) (((n) + (i)) % NODES)

/* An entry that can be read at p. */
#define COPY(p, slot, entry) (!dead[p] && !HAS(lost[p], (slot) - 1) && \
                              AT(log[p], slot) == (entry))
#define COPY_BESIDES(n, slot, entry) (COPY(OTHER(n, 1), slot, entry) || \
                                      COPY(OTHER(n, 2), slot, entry))
#define CHOSEN_COPY(slot) (COPY(0, slot, AT(chosen, slot)) || \
                           COPY(1, slot, AT(chosen, slot)) || \
                           COPY(2, slot, AT(chosen, slot)))
/* The whole run is at p, and hashes to what it must be (repair.c: take_staged). */
#define CAN_COPY(n, p) (!dead[p] && SAME(log[n], log[p], LAST(n)) && (lost[p] & lost[n]) == 0)
#define CAN_TAKE(n, p) (CAN_COPY(n, p) || (!dead[p] && DECIDED(p) > KNOWN(n)))
#define CAN_GO_ON(n) (lost[n] != 0 && !dead[n] && \
                      (CAN_TAKE(n, OTHER(n, 1)) || CAN_TAKE(n, OTHER(n, 2))))

#define HINT(n) hint[n] = MAX(hint[n], DECIDED(n))
#ifdef TAILS
#define SEAL(n) tail[n] = 0; heard[n] = 0
#define OPEN(n, before) tail[n] = 1 + (before); heard[n] = 0
#define IS_IN_TAIL(n, mask) (tail[n] != 0 && ((mask) >> (tail[n] - 1)) != 0)
#else
#define SEAL(n) skip
#define OPEN(n, before) skip
#define IS_IN_TAIL(n, mask) false
#endif

/* I2 at slot k under b: chosen by a quorum of votes, once. */
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

inline check_slot(n, k)
{
    if
    :: (AT(chosen, k) != 0) ->
        x = 1;
        do
        :: (x <= BALLOTS) ->
            assert(!(ACKED(x, n) >= k && AT(sent[x], k) == AT(chosen, k)) ||
                   HOLDS(n, k)); /* I6, I11 */
            x++
        :: else -> break
        od;
        x = accepted[n];
        assert(!(x > 0 && HAS(led, x) && k <= sync_length[x] &&
                 AT(sent[x], k) == AT(chosen, k)) ||
               HOLDS(n, k)); /* I5 */
        assert(k > decided_max || HOLDERS(k) >= NODES - QUORUM + 1); /* I9 */
        assert(!BOUND || CHOSEN_COPY(k))
    :: else
    fi;
    x = 0
}

inline check(n)
{
    assert(accepted[n] <= promised[n]); /* I4 */
    x = (role[n] == LEADER -> sent[promised[n]] : log[n]);
    assert(LENGTH(x) >= decided[n]);         /* I7 */
    assert(SAME(x, chosen, DECIDED(n)));     /* I7 */
    check_slot(n, 1);
#if SLOTS >= 2
    x = AT(log[n], 2);
    assert(lost[n] != 0 || x == 0 || SAME(log[n], sent[x], 2)); /* I21: no mixture of logs */
    check_slot(n, 2);
#endif
}

/* A4: all of the log is on disk. */
inline maybe_ack(n)
{
    if
    :: (accepted[n] > 0 && accepted[n] == promised[n] && (in_stream[n] || role[n] == LEADER) &&
        LENGTH(log[n]) > ACKED(accepted[n], n)) ->
        assert(lost[n] == 0); /* I10 */
        ACKED(accepted[n], n) = LENGTH(log[n]);
        x = accepted[n];
        choose_slot(x, 1);
#if SLOTS >= 2
        choose_slot(x, 2);
#endif
        x = 0
    :: else
    fi
}

inline forget_promises(n)
{
    promisers[n] = 0;
    best_accepted[n] = 0;
    best_log[n] = 0;
    best_decided[n] = 0
}

inline promise(n, b)
{
#if MUTANT == 11 /* the superblock is not written with it: the block is the open tail */
    promised_before[n] = promised[n];
#endif
    promised[n] = b;
    in_stream[n] = 0;
    decided[n] = (role[n] == LEADER -> MIN(decided[n], LENGTH(log[n])) : decided[n]);
    forget_promises(n);
    SEAL(n);
    HINT(n)
}

#if MUTANT == 7 /* a damaged node stands for election */
#define MAY_STAND(n) true
#else
#define MAY_STAND(n) (lost[n] == 0) /* E5 */
#endif
#define TAKE_OVER(b) \
    :: d_step { (OWNER(b) == n && b > promised[n] && MAY_STAND(n)) -> \
        promise(n, b); \
        role[n] = PREPARING; \
        prepared = prepared | (1 << (b)) }

/* P1, by a damaged node too: that binds it. */
#define RECEIVE_PREPARE(b) \
    :: d_step { (HAS(prepared, b) && OWNER(b) != n && b > promised[n]) -> \
        promise(n, b); \
        role[n] = FOLLOWER; \
        check(n) }

/* P5: the promise of a damaged node is no vote. */
#if MUTANT == 3 /* it is one, for what can be read */
#define IS_VOTE(n) true
#else
#define IS_VOTE(n) (lost[n] == 0)
#endif
#define SHOWN(n) PREFIX(log[n], KNOWN(n))
#define BETTER(a, l, a2, l2) ((a) > (a2) || ((a) == (a2) && LENGTH(l) > LENGTH(l2)))
#define SEND_PROMISE(b) \
    :: d_step { (OWNER(b) != n && promised[n] == b && IS_VOTE(n) && \
                 role[OWNER(b)] == PREPARING && promised[OWNER(b)] == b && \
                 !HAS(promisers[OWNER(b)], n)) -> \
        x = OWNER(b); \
        promisers[x] = promisers[x] | (1 << n); \
        best_decided[x] = MAX(best_decided[x], DECIDED(n)); \
        if \
        :: BETTER(accepted[n], SHOWN(n), best_accepted[x], best_log[x]) -> \
            best_accepted[x] = accepted[n]; \
            best_log[x] = SHOWN(n) \
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
        x++
    :: else -> break
    od;
    x = 0
}

/* P2, P3. Its SYNC is not on disk yet. */
inline choose_best(n)
{
    if
    :: BETTER(accepted[n], SHOWN(n), best_accepted[n], best_log[n]) -> best_log[n] = SHOWN(n)
    :: else
    fi;
    best_decided[n] = MAX(best_decided[n], DECIDED(n));
    if
    :: (LENGTH(best_log[n]) >= best_decided[n] &&
        SAME(best_log[n], chosen, best_decided[n])) ->
        x = promised[n];
        assert(!HAS(led, x)); /* I1 */
        role[n] = LEADER;
        decided[n] = best_decided[n];
        led = led | (1 << x);
        sent[x] = best_log[n];
        sync_length[x] = LENGTH(best_log[n]);
        told[x] = MAX(told[x], decided[n]);
        check_complete(promised[n])
    :: else -> role[n] = FOLLOWER
    fi;
    forget_promises(n);
    check(n)
}

/* What a whole log of the leader of b must reach here. */
#if MUTANT == 6 /* S_b is enough under the ballot under which more was acked */
#define MUST_REACH(b) sync_length[b]
#else
#define MUST_REACH(b) (lost[n] != 0 && accepted[n] == (b) -> \
                           MAX(sync_length[b], LENGTH(log[n])) : sync_length[b])
#endif
#if MUTANT == 12 /* shorter than what the damaged node knew decided */
#define KEEPS_KNOWN(b) true
#else
#define KEEPS_KNOWN(b) (lost[n] == 0 || sync_length[b] >= decided[n])
#endif
#define IS_SAME_LOG(b) (lost[n] == 0 || MUST_REACH(b) == sync_length[b] || \
                        SAME(log[n], sent[b], LENGTH(log[n])))
#if MUTANT == 4 /* a damaged log is extended, and acked */
#define MAY_EXTEND(n) true
#else
#define MAY_EXTEND(n) (lost[n] == 0)
#endif
/* A2 (the flip), then A3: pieces of sent[b] that end at `end`. */
#define ACCEPT(b, end) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 (accepted[n] < b || lost[n] != 0) && end >= MUST_REACH(b) && \
                 end <= LENGTH(sent[b]) && end >= DECIDED(n) && KEEPS_KNOWN(b) && \
                 SAME(log[n], sent[b], DECIDED(n)) && IS_SAME_LOG(b)) -> \
        decided[n] = (MUTANT == 12 -> decided[n] : DECIDED(n)); \
        log[n] = PREFIX(sent[b], end); \
        lost[n] = 0; \
        accepted[n] = b; \
        in_stream[n] = 1; \
        SEAL(n); \
        HINT(n); \
        maybe_ack(n); \
        check(n) } \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 accepted[n] == b && MAY_EXTEND(n) && end <= LENGTH(sent[b]) && \
                 (end > LENGTH(log[n]) || !in_stream[n]) && \
                 SAME(log[n], sent[b], MIN(end, LENGTH(log[n])))) -> \
        if \
        :: (end > LENGTH(log[n])) -> \
            OPEN(n, LENGTH(log[n])); \
            log[n] = PREFIX(sent[b], end); \
            HINT(n) \
        :: else \
        fi; \
        in_stream[n] = 1; \
        maybe_ack(n); \
        check(n) } \
    TEAR(b, end)

#if MUTANT == 9 /* a torn block at the end counts as damage */
#define TEAR(b, end) \
    :: d_step { (HAS(led, b) && role[n] == FOLLOWER && OWNER(b) != n && promised[n] == b && \
                 accepted[n] == b && lost[n] == 0 && end <= LENGTH(sent[b]) && \
                 end > LENGTH(log[n]) && SAME(log[n], sent[b], LENGTH(log[n]))) -> \
        lost[n] = (1 << (end)) - (1 << LENGTH(log[n])); \
        log[n] = PREFIX(sent[b], end); \
        in_stream[n] = 0 }
#else
#define TEAR(b, end)
#endif

/* A6 */
#define LEARN(b) \
    :: d_step { (role[n] == FOLLOWER && promised[n] == b && accepted[n] == b && \
                 in_stream[n] && MIN(told[b], LENGTH(log[n])) > decided[n]) -> \
        decided[n] = MIN(told[b], LENGTH(log[n])); \
        check(n) }

/* A8, for a whole log: decided entries replace what differs; `accepted` stays. */
#define FETCH(k) \
    :: d_step { (role[n] == FOLLOWER && lost[n] == 0 && k <= decided_max && k > decided[n]) -> \
        decided[n] = k; \
        if \
        :: (LENGTH(log[n]) >= k && SAME(log[n], chosen, k)) \
        :: else -> \
            log[n] = PREFIX(chosen, k); \
            in_stream[n] = 0; \
            SEAL(n); \
            HINT_OF_FETCHED(n) \
        fi; \
        check(n) }
#if MUTANT == 16 /* the record of fetched entries does not say that they are decided */
#define HINT_OF_FETCHED(n) skip
#else
#define HINT_OF_FETCHED(n) HINT(n)
#endif

/* What was known behind the run that is filled follows it. */
#define FILLED(n) (lost[n] & ~((1 << LAST(n)) - 1))
#if MUTANT == 5 /* whatever a peer has there */
#define FITS(n, p) (!dead[p] && (lost[p] & lost[n]) == 0 && LENGTH(log[p]) >= LAST(n))
#define TAKE(n, p) \
    log[n] = (log[n] & ~(lost[n] & 1 -> 3 : 0) & ~(lost[n] & 2 -> 12 : 0)) | \
             (log[p] & ((lost[n] & 1 -> 3 : 0) | (lost[n] & 2 -> 12 : 0)))
#else
#define FITS(n, p) CAN_COPY(n, p)
#define TAKE(n, p) skip
#endif
#define REPAIR_BY_COPY(i) \
    :: d_step { (lost[n] != 0 && FITS(n, OTHER(n, i))) -> \
        TAKE(n, OTHER(n, i)); \
        lost[n] = FILLED(n); \
        SEAL(n); \
        HINT(n); \
        check(n) }

/* Decided entries to k: a piece of the run, its end, or another log (take_decided). */
#if MUTANT == 13 /* they are the own ones: what is known behind them stays */
#define ENDS_RIGHT(k) true
#else
#define ENDS_RIGHT(k) SAME(log[n], chosen, k)
#endif
#define PUT(k) log[n] = PREFIX(chosen, k) | (log[n] & ~((1 << (2 * (k))) - 1))
#define REPAIR_BY_DECIDED(k) \
    :: d_step { (lost[n] != 0 && k <= decided_max && k > KNOWN(n) && k <= LAST(n) && \
                 SAME(log[n], chosen, KNOWN(n))) -> \
        if \
        :: (k < LAST(n) || ENDS_RIGHT(k)) -> \
            PUT(k); \
            lost[n] = lost[n] & ~((1 << (k)) - 1) \
        :: else -> \
            log[n] = PREFIX(chosen, k); \
            lost[n] = 0 \
        fi; \
        decided[n] = MAX(decided[n], k); \
        SEAL(n); \
        HINT(n); \
        check(n) } \
    :: d_step { (lost[n] != 0 && k <= decided_max && \
                 !SAME(log[n], chosen, MIN(k, KNOWN(n)))) -> /* give_up_rest */ \
        log[n] = PREFIX(chosen, k); \
        lost[n] = 0; \
        decided[n] = k; \
        SEAL(n); \
        HINT(n); \
        check(n) }

/* A5 */
#define DECIDE(k) \
    :: d_step { (role[n] == LEADER && k > decided[n] && k >= sync_length[promised[n]] && \
                 k <= LENGTH(sent[promised[n]]) && VOTES(promised[n], k) >= QUORUM) -> \
        decided[n] = k; \
        told[promised[n]] = MAX(told[promised[n]], k); \
        decided_max = MAX(decided_max, k); \
        check(n) }

/* ---- disks ---- */

inline restart(n)
{
    role[n] = FOLLOWER;
    decided[n] = hint[n];
    in_stream[n] = 0;
    SEAL(n); /* a fresh block before the first vote */
#if MUTANT == 11
    promised_before[n] = promised[n];
#endif
    forget_promises(n)
}

#if BOUND
#define MAY_ROT(n, slot) COPY_BESIDES(n, slot, AT(log[n], slot))
#else
#define MAY_ROT(n, slot) true
#endif
#define MAY_ROT_ALL(n, mask) ((!HAS(mask, 0) || MAY_ROT(n, 1)) && \
                              (!HAS(mask, 1) || MAY_ROT(n, 2)))
#if MUTANT == 1 /* the log is cut at its first bad block */
#define FIND_LOST(n, mask) \
    log[n] = PREFIX(log[n], ((mask) & 1 -> 0 : 1)); \
    hint[n] = MIN(hint[n], LENGTH(log[n]))
#elif MUTANT == 2 /* the promise in or behind it goes with it */
#define FIND_LOST(n, mask) lost[n] = lost[n] | (mask); promised[n] = accepted[n]
#else
#define FIND_LOST(n, mask) lost[n] = lost[n] | (mask)
#endif
#ifdef CALM /* nobody restarts without damage */
#define RESTART
#else
#define RESTART RESTARTS
#endif
#define RESTARTS \
    :: d_step { (role[n] != FOLLOWER || in_stream[n] || decided[n] > hint[n]) -> \
        restart(n); \
        check(n) }
#define ROT(mask) \
    :: d_step { (rots < ROTS && ((mask) >> LENGTH(log[n])) == 0 && (lost[n] & (mask)) == 0 && \
                 !IS_IN_TAIL(n, mask) && MAY_ROT_ALL(n, mask)) -> \
        rots++; \
        FIND_LOST(n, mask); \
        restart(n); \
        check(n) }

#define CUT(n) \
    log[n] = PREFIX(log[n], tail[n] - 1); \
    hint[n] = MIN(hint[n], LENGTH(log[n])); \
    restart(n); \
    check(n)
#ifdef TAILS
#define TAIL_ROTS \
    :: d_step { (tail[n] != 0) -> SEAL(n) } /* within 20 ms, or with the next record */ \
    :: d_step { (tail[n] != 0 && !heard[n]) -> heard[n] = 1 } \
    :: d_step { (tail[n] != 0 && heard[n] && rots < ROTS) -> \
        rots++; \
        FORGETS_BLOCK \
    UNHEARD
#if MUTANT == 10 /* the gate does not ask what peers remember */
#define FORGETS_BLOCK CUT(n) }
#else
#define FORGETS_BLOCK restart(n); dead[n] = 1 } -> break /* G2 */
#endif
#if MUTANT == 14 /* before anything says that it was durable */
#define UNHEARD :: d_step { (tail[n] != 0 && !heard[n] && rots < ROTS) -> rots++; CUT(n) }
#else
#define UNHEARD
#endif
#else
#define TAIL_ROTS
#endif
#if MUTANT == 11
#define PROMISE_ROTS \
    :: d_step { (promised_before[n] < promised[n] && accepted[n] < promised[n]) -> \
        promised[n] = MAX(promised_before[n], accepted[n]); \
        restart(n); \
        check(n) }
#else
#define PROMISE_ROTS
#endif

/*
 * P4: all others have answered, no copy is anywhere, and no damaged node can go on. Where
 * the others are a quorum to promise, they decide without this log.
 */
#define OTHERS_SOUND(n) (IS_SOUND(OTHER(n, 1)) + IS_SOUND(OTHER(n, 2)))
#define IS_ASKED_OUT(n) (lost[n] != 0 && !dead[OTHER(n, 1)] && !dead[OTHER(n, 2)] && \
                         !CAN_GO_ON(0) && !CAN_GO_ON(1) && !CAN_GO_ON(2))
#if MUTANT == 8 /* what nobody has was never chosen */
#define HALT \
    :: d_step { IS_ASKED_OUT(n) -> \
        log[n] = SHOWN(n); \
        lost[n] = 0; \
        decided[n] = MIN(decided[n], LENGTH(log[n])); \
        check(n) }
#else
#define HALT \
    :: d_step { (IS_ASKED_OUT(n) && OTHERS_SOUND(n) < QUORUM) -> \
        assert(!BOUND); /* one good copy of each lost slot is enough */ \
        dead[n] = 1 } -> break
#endif

#define FOR_BALLOT(b) \
    TAKE_OVER(b) \
    RECEIVE_PREPARE(b) \
    SEND_PROMISE(b) \
    ACCEPT(b, 0) \
    ACCEPT(b, 1) \
    ACCEPT_2(b) \
    LEARN(b)
#if SLOTS >= 2
#define ACCEPT_2(b) ACCEPT(b, 2)
#else
#define ACCEPT_2(b)
#endif

active [NODES] proctype node()
{
    byte n = _pid;
    byte x;
    do
    FOR_BALLOT(1)
#if BALLOTS >= 2
    FOR_BALLOT(2)
#endif
#if BALLOTS >= 3
    FOR_BALLOT(3)
#endif
    DECIDE(1)
    FETCH(1)
    REPAIR_BY_DECIDED(1)
    ROT(1)
#if SLOTS >= 2
    DECIDE(2)
    FETCH(2)
    REPAIR_BY_DECIDED(2)
    ROT(2)
    ROT(3)
#endif
    REPAIR_BY_COPY(1)
    REPAIR_BY_COPY(2)
    RESTART
    TAIL_ROTS
    PROMISE_ROTS
    HALT
    :: d_step { /* phase 1 ends */
        (role[n] == PREPARING &&
         HAS(promisers[n], 0) + HAS(promisers[n], 1) + HAS(promisers[n], 2) + 1 >=
             PROMISE_QUORUM) ->
        choose_best(n) }
    :: d_step { /* a proposal: sent before the own sync */
        (role[n] == LEADER && LENGTH(sent[promised[n]]) < SLOTS) ->
        sent[promised[n]] =
            sent[promised[n]] | (promised[n] << (2 * LENGTH(sent[promised[n]]))) }
    :: d_step { /* a leader's sync ends */
        (role[n] == LEADER && (accepted[n] < promised[n] || log[n] != sent[promised[n]])) ->
        if
        :: (accepted[n] == promised[n]) -> OPEN(n, LENGTH(log[n]))
        :: else -> SEAL(n)
        fi;
        accepted[n] = promised[n];
        log[n] = sent[promised[n]];
        lost[n] = 0;
        HINT(n);
        maybe_ack(n);
        check(n) }
    od
}
