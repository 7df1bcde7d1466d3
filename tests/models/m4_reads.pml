/*
 * m4_reads.pml - linearizable reads: rounds of the leader, requests of the other nodes, a
 * change of leaders under them.
 *
 * Rules: 2.9 as built (src/paxos/reads.c): one round in flight, one group that waits for the
 * next; other nodes ask the leader they follow, one request at a time.
 * Property: I13, a read's slot >= every slot acknowledged before the read began.
 * Bounds: 3 nodes, BALLOTS ballots, SLOTS writes in all; two readers with READS reads each:
 * node 2, which never leads, and node 0, which leads ballot 1 and asks afterwards. One
 * restart of node 2. Losses, doublings and delays are not bounded.
 *
 * How the network is a set (nothing sent is taken back): Accept carries round[b], or any
 * smaller one, to whoever stands under b; acks are the largest round a node ever acked under
 * a ballot; a request is a bit; of the answers to one request the smallest index is kept,
 * since a larger one only makes the reader wait longer.
 *
 * Abstracted away, and why that is sound:
 *   Logs are lengths: that decided prefixes agree is I7 (m1_core.pml).
 *   All is durable at once: crashes of un-synced state are m1_core.pml's. A read rests on
 *     promises, decisions and memory only.
 *   Phase 1 is one step, from any quorum: its messages are m1_core.pml's. Likewise a
 *     follower takes its leader's whole log in one step, or any part above S_b.
 *   Applying: a node answers once it has applied the slot; it waits, so only the slot counts.
 *   Acknowledged is whatever any node has ever known decided: the most that can be.
 * Not modelled: the change of epochs (not built).
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
#ifndef READS
#define READS 2
#endif
#ifndef REQUESTS
#define REQUESTS 2 /* each reader sends at most so many */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define NODES 3
#define QUORUM 2
#define OWNER(b) (((b) - 1) % 2)
#define MIN(x, y) ((x) < (y) -> (x) : (y))
#define MAX(x, y) ((x) > (y) -> (x) : (y))
#define HAS(mask, bit) (((mask) >> (bit)) & 1)

#define FOLLOWER 0
#define LEADER 1

byte promised[NODES];
byte accepted[NODES];
byte length[NODES];
byte decided[NODES];
byte role[NODES];
byte led; /* mask of ballots */
byte acknowledged; /* ghost: the largest slot known decided by anybody, ever */

/* By ballot. */
byte sync_length[BALLOTS + 1];
byte sent[BALLOTS + 1];
byte told[BALLOTS + 1];
byte round[BALLOTS + 1];
byte acked[(BALLOTS + 1) * NODES];
byte round_acked[(BALLOTS + 1) * NODES];
#define ACKED(b, n) acked[(b) * NODES + (n)]
#define ROUND_ACKED(b, n) round_acked[(b) * NODES + (n)]

/* The leader's groups, by node; remote requests are of reader node 2 or 0, by number. */
bit flying[NODES];
byte flying_round[NODES];
byte flying_index[NODES];
byte flying_own[NODES];    /* own reads numbered <= this */
byte flying_remote[NODES]; /* request number of the other reader, or 0 */
byte open_remote[NODES];

/* A node's own reads. */
byte begun[NODES];
byte done[NODES];
byte floor_of[NODES * (READS + 1)];
#define FLOOR(n, i) floor_of[(n) * (READS + 1) + (i)]
/* Asking, when not leading. */
bit asking[NODES];
byte counter[NODES];
byte asked_upto[NODES];
byte asked_ballot[NODES];
byte ballot_of[NODES * (REQUESTS + 1)]; /* where request i went */
byte answer[NODES * (REQUESTS + 1)];    /* 1 + the smallest index answered, or 0 */
#define BALLOT_OF(n, i) ballot_of[(n) * (REQUESTS + 1) + (i)]
#define ANSWER(n, i) answer[(n) * (REQUESTS + 1) + (i)]
bit restarted;

/* I13 */
inline finish_own(n, upto, index)
{
    i = done[n] + 1;
    do
    :: (i <= upto && i <= begun[n]) ->
        assert(index >= FLOOR(n, i)); /* I13 */
        FLOOR(n, i) = 0;
        i++
    :: else -> break
    od;
    done[n] = MAX(done[n], upto);
    i = 0
}

inline forget_role(n)
{
    flying[n] = 0;
    flying_round[n] = 0;
    flying_index[n] = 0;
    flying_own[n] = 0;
    flying_remote[n] = 0;
    open_remote[n] = 0;
    asking[n] = 0;
    asked_upto[n] = 0;
    asked_ballot[n] = 0
}

inline note_decided(n, slot)
{
    decided[n] = MAX(decided[n], slot);
    acknowledged = MAX(acknowledged, decided[n])
}

/* Phase 1 with the promise of `other`: the better of two logs; both promise. */
#define LEAD(b, other) \
    :: d_step { (OWNER(b) == n && b > promised[n] && (other) != n && b > promised[other] && \
                 role[n] == FOLLOWER) -> \
        led = led | (1 << (b)); \
        if \
        :: (accepted[other] > accepted[n] || \
            (accepted[other] == accepted[n] && length[other] > length[n])) -> length[n] = length[other] \
        :: else \
        fi; \
        promised[n] = b; \
        promised[other] = b; \
        accepted[n] = b; \
        i = MIN(decided[other], length[n]); \
        note_decided(n, i); \
        i = 0; \
        if \
        :: (role[other] == LEADER) -> role[other] = FOLLOWER; forget_role(other) \
        :: else \
        fi; \
        forget_role(n); \
        role[n] = LEADER; \
        sync_length[b] = length[n]; \
        sent[b] = length[n]; \
        told[b] = decided[n]; \
        ACKED(b, n) = length[n] }

#define PROPOSE(b) \
    :: d_step { (role[n] == LEADER && promised[n] == b && length[n] < SLOTS) -> \
        length[n]++; \
        sent[b] = length[n]; \
        ACKED(b, n) = length[n] }

/* A1-A3: the leader's log, at least to S_b; A6. */
#define FOLLOW(b) \
    :: d_step { (role[n] == FOLLOWER && OWNER(b) != n && promised[n] <= b && HAS(led, b) && \
                 (accepted[n] < b || length[n] < sent[b]) && sent[b] >= decided[n]) -> \
        promised[n] = b; \
        accepted[n] = b; \
        length[n] = sent[b]; \
        ACKED(b, n) = length[n] } \
    :: d_step { (role[n] == FOLLOWER && promised[n] == b && accepted[n] == b && \
                 MIN(told[b], length[n]) > decided[n]) -> \
        i = MIN(told[b], length[n]); \
        note_decided(n, i); \
        i = 0 }

#define DECIDE(b, k) \
    :: d_step { (role[n] == LEADER && promised[n] == b && k > decided[n] && \
                 k >= sync_length[b] && \
                 (ACKED(b, 0) >= k -> 1 : 0) + (ACKED(b, 1) >= k -> 1 : 0) + \
                     (ACKED(b, 2) >= k -> 1 : 0) >= QUORUM) -> \
        note_decided(n, k); \
        told[b] = k }

/* RrAck: whoever stands under b acks a round that it was sent. */
#if MUTANT == 10 /* acked by a node that has promised a larger ballot */
#define STANDS_UNDER(b) true
#else
#define STANDS_UNDER(b) (promised[n] == b && accepted[n] == b)
#endif
#define ACK_ROUND(b, r) \
    :: d_step { (role[n] == FOLLOWER && OWNER(b) != n && STANDS_UNDER(b) && \
                 r <= round[b] && r > ROUND_ACKED(b, n)) -> \
        ROUND_ACKED(b, n) = r }

/* The leader. */
#if MUTANT == 1 /* before S_b is decided, `decided` may lack acknowledged writes */
#define MAY_READ(b) true
#else
#define MAY_READ(b) (decided[n] >= sync_length[b])
#endif
#if MUTANT == 2 /* the round is not a new one: acks of the last one count */
#define NEXT_ROUND(b) MAX(round[b], 1)
#else
#define NEXT_ROUND(b) (round[b] + 1)
#endif
#define LAUNCH(b) \
    :: d_step { (role[n] == LEADER && promised[n] == b && MAY_READ(b) && !flying[n] && \
                 (begun[n] > done[n] || open_remote[n] > 0) && NEXT_ROUND(b) <= ROUNDS) -> \
        flying[n] = 1; \
        round[b] = NEXT_ROUND(b); \
        flying_round[n] = round[b]; \
        flying_index[n] = decided[n]; \
        flying_own[n] = begun[n]; \
        flying_remote[n] = open_remote[n]; \
        open_remote[n] = 0 }

#if MUTANT == 3 /* no quorum asked: a lease without a lease */
#define IS_CONFIRMED(b) true
#elif MUTANT == 4 /* acks of any ballot count */
#define ANY_ACK(m) (ROUND_ACKED(1, m) >= flying_round[n] || \
                    ROUND_ACKED(2, m) >= flying_round[n] || \
                    (BALLOTS > 2 && ROUND_ACKED(BALLOTS, m) >= flying_round[n]))
#define IS_CONFIRMED(b) (1 + (n != 0 && ANY_ACK(0) -> 1 : 0) + (n != 1 && ANY_ACK(1) -> 1 : 0) + \
                         (n != 2 && ANY_ACK(2) -> 1 : 0) >= QUORUM)
#elif MUTANT == 5 /* who has promised once counts as if it had acked */
#define IS_CONFIRMED(b) (1 + (n != 0 && ACKED(b, 0) > 0 -> 1 : 0) + \
                         (n != 1 && ACKED(b, 1) > 0 -> 1 : 0) + \
                         (n != 2 && ACKED(b, 2) > 0 -> 1 : 0) >= QUORUM)
#else
#define IS_CONFIRMED(b) (1 + (n != 0 && ROUND_ACKED(b, 0) >= flying_round[n] -> 1 : 0) + \
                         (n != 1 && ROUND_ACKED(b, 1) >= flying_round[n] -> 1 : 0) + \
                         (n != 2 && ROUND_ACKED(b, 2) >= flying_round[n] -> 1 : 0) >= QUORUM)
#endif
#if MUTANT == 6 /* own reads that came after the round began share it */
#define OWN_UPTO begun[n]
#else
#define OWN_UPTO flying_own[n]
#endif
#if MUTANT == 7 /* requests that came after the round began share it */
#define REMOTE (open_remote[n] > 0 -> open_remote[n] : flying_remote[n])
#else
#define REMOTE flying_remote[n]
#endif
#define CONFIRM(b) \
    :: d_step { (role[n] == LEADER && promised[n] == b && flying[n] && IS_CONFIRMED(b)) -> \
        i = REMOTE; \
        if \
        :: (i > 0) -> \
            ANSWER(2, i) = (ANSWER(2, i) == 0 -> flying_index[n] + 1 : \
                                 MIN(ANSWER(2, i), flying_index[n] + 1)) \
        :: else \
        fi; \
        i = 0; \
        finish_own(n, OWN_UPTO, flying_index[n]); \
        flying[n] = 0; \
        flying_round[n] = 0; \
        flying_index[n] = 0; \
        flying_own[n] = 0; \
        flying_remote[n] = 0 }

/* A request of node 2 comes, again or late. */
#define RECEIVE_READ(b, r) \
    :: d_step { (n != 2 && role[n] == LEADER && promised[n] == b && r <= counter[2] && \
                 BALLOT_OF(2, r) == b && open_remote[n] != r) -> \
        open_remote[n] = r }

/* A reader's side. */
#define ASK(b) \
    :: d_step { (n == 2 && begun[n] > done[n] && counter[n] < REQUESTS && \
                 promised[n] <= b && HAS(led, b)) -> \
        asking[n] = 1; \
        counter[n]++; \
        asked_upto[n] = begun[n]; \
        asked_ballot[n] = b; \
        BALLOT_OF(n, counter[n]) = b }

#if MUTANT == 8 /* the answer to an older number counts */
#define IS_OURS(r) (r <= counter[n])
#else
#define IS_OURS(r) (r == counter[n])
#endif
#if MUTANT == 9 /* reads that came after the request was sent share its answer */
#define ANSWERS_UPTO begun[n]
#else
#define ANSWERS_UPTO asked_upto[n]
#endif
#define RECEIVE_ANSWER(r) \
    :: d_step { (n == 2 && asking[n] && IS_OURS(r) && ANSWER(n, r) > 0) -> \
        asking[n] = 0; \
        x = ANSWER(n, r) - 1; \
        finish_own(n, ANSWERS_UPTO, x); \
        x = 0; \
        asked_upto[n] = 0; \
        asked_ballot[n] = 0 }

#if MUTANT == 11 /* a restarted node numbers its requests from 1 again */
#define COUNTER_AFTER_RESTART 0
#else
#define COUNTER_AFTER_RESTART counter[n]
#endif

#define FOR_BALLOT(b) \
    LEAD(b, 0) \
    LEAD(b, 1) \
    LEAD(b, 2) \
    PROPOSE(b) \
    FOLLOW(b) \
    DECIDE(b, 1) \
    DECIDE(b, 2) \
    ACK_ROUND(b, 1) \
    ACK_ROUND(b, 2) \
    LAUNCH(b) \
    CONFIRM(b) \
    RECEIVE_READ(b, 1) \
    RECEIVE_READ(b, 2) \
    ASK(b)

active [NODES] proctype node()
{
    byte n = _pid;
    byte i;
    byte x;
    do
    FOR_BALLOT(1)
    FOR_BALLOT(2)
#if BALLOTS >= 3
    FOR_BALLOT(3)
#endif
    RECEIVE_ANSWER(1)
    RECEIVE_ANSWER(2)
    :: d_step { /* a read begins: at node 2, or at node 0 while it leads */
        ((n == 2 || (n == 0 && role[n] == LEADER)) && begun[n] < READS) ->
        begun[n]++;
        FLOOR(n, begun[n]) = acknowledged }
    :: d_step { /* node 2 starts again: its reads are gone, its requests are not */
        (n == 2 && !restarted) ->
        restarted = 1;
        counter[n] = COUNTER_AFTER_RESTART;
        i = done[n] + 1;
        do
        :: (i <= begun[n]) -> FLOOR(n, i) = 0; i++
        :: else -> break
        od;
        i = 0;
        done[n] = begun[n];
        decided[n] = 0;
        forget_role(n) }
    od
}
