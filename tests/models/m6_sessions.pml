/*
 * m6_sessions.pml - exactly once: sessions with numbered writes, retried through any node,
 * under changes of leaders, late copies, expiry and eviction.
 *
 * Rules: 2.13 as built (src/kv/sessions.c): looked at when applied; a window of WINDOW
 * results; acknowledged; expiry by the entries' log time; past SESSIONS_MAX the one unused
 * longest goes; numbers of sessions are never given out again.
 * Properties: I14, one effect and one result of each (session, sequence), whatever node tells
 * it; I15, what was answered "expired" has no effect (no node executes that slot); I8, all
 * nodes give each slot the same verdict; and the promise of the window: a write that its
 * client has no answer to is never called stale, if the client keeps to its window.
 * Bounds: two nodes, LOG slots, SESSIONS sessions of WRITES writes each, log time up to TIMES.
 *
 * How the network is a set: a request sent once may be appended to the log at any time, again
 * and again, with any `acknowledged` that its client ever had; an answer that some node gave
 * may be heard at any time, or never. So losses, doublings, delays, and retries on any node
 * are free.
 *
 * Abstracted away, and why that is sound:
 *   Agreement: the log is the chosen one (I7 is m1_core.pml's). What a leader proposed and
 *     lost is a request that was not appended; a change of leaders shows in who appends, and
 *     how far that node has applied then (mutant 1 looks there).
 *   Keys and values: a write's effect is that the revision rises; its result is the revision.
 *     A write that fails its condition has a result and no effect: less than this.
 *   Two nodes: what is judged compares one node's verdict with another's.
 *
 * State counts: tests/models/README.md.
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef LOG
#define LOG 4
#endif
#ifndef SESSIONS
#define SESSIONS 2
#endif
#ifndef SESSIONS_MAX /* kept at once */
#define SESSIONS_MAX 1
#endif
#ifndef WRITES /* at most 3 */
#define WRITES 2
#endif
#ifndef TIMES
#define TIMES 2
#endif
#define WINDOW 2
#define IDLE 1
#define NODES 2
#define HAS(mask, bit) (((mask) >> (bit)) & 1)

/* Verdicts. */
#define OPENED 1
#define EXECUTED 2
#define REPLAYED 3
#define STALE 4
#define EXPIRED 5

/* The log, from slot 1; session 0 opens one. */
byte length;
byte session_at[LOG + 1];
byte sequence_at[LOG + 1];
byte acknowledged_at[LOG + 1];
byte time_at[LOG + 1];
byte now;
#if MUTANT == 1
bit is_copy[LOG + 1]; /* found done when it was proposed */
#endif

/* By node. */
byte applied[NODES];
byte revision[NODES];
byte opened[NODES];
/* By node and session. */
#define OF(n, s) ((n) * (SESSIONS + 1) + (s))
bit alive[NODES * (SESSIONS + 1)];
byte used[NODES * (SESSIONS + 1)]; /* the slot */
byte highest[NODES * (SESSIONS + 1)];
byte acknowledged[NODES * (SESSIONS + 1)];
byte effects[NODES * (SESSIONS + 1)]; /* ghost: mask of sequences */
/* By node, session and place in the window. */
byte kept_sequence[NODES * (SESSIONS + 1) * WINDOW];
byte kept_result[NODES * (SESSIONS + 1) * WINDOW];
#if MUTANT == 9 /* kept by the sequence alone */
#define PLACE(n, s, q) (OF(n, 0) * WINDOW + (q) % WINDOW)
#else
#define PLACE(n, s, q) (OF(n, s) * WINDOW + (q) % WINDOW)
#endif

/* Clients, by session. */
byte known; /* sessions that anybody opened */
byte sent[SESSIONS + 1];
byte heard[SESSIONS + 1]; /* mask of sequences that were answered */
byte told[(SESSIONS + 1) * (WRITES + 1)]; /* ghost: the result, as any node told it */
byte verdict[LOG + 1];                    /* ghost: as the first node gave it */
#define TOLD(s, q) told[(s) * (WRITES + 1) + (q)]
#define ALL_HEARD(s) (HAS(heard[s], 1) == 0 -> 0 : (HAS(heard[s], 2) == 0 -> 1 : \
    (HAS(heard[s], 3) == 0 -> 2 : 3)))

inline forget(n, s)
{
    alive[OF(n, s)] = 0;
    used[OF(n, s)] = 0;
    highest[OF(n, s)] = 0;
    acknowledged[OF(n, s)] = 0;
    i = 0;
    do
    :: (i < WINDOW) ->
        kept_sequence[OF(n, s) * WINDOW + i] = 0;
        kept_result[OF(n, s) * WINDOW + i] = 0;
        i++
    :: else -> break
    od;
    i = 0
}

#if MUTANT == 5 /* by what the clock says when it is applied */
#define TIME(k) now
#else
#define TIME(k) time_at[k]
#endif
inline expire(n, k)
{
    s = 1;
    do
    :: (s <= SESSIONS) ->
        if
        :: (alive[OF(n, s)] && TIME(k) - time_at[used[OF(n, s)]] > IDLE) ->
#if MUTANT == 12 /* its results go, the session stays */
            forget(n, s);
            alive[OF(n, s)] = 1;
            used[OF(n, s)] = k
#else
            forget(n, s)
#endif
        :: else
        fi;
        s++
    :: else -> break
    od;
    s = 0
}

/* The one unused longest goes, if there are too many. */
inline evict(n)
{
    s = 1;
    x = 0; /* how many */
    y = 0; /* the one */
    do
    :: (s <= SESSIONS) ->
        x = x + alive[OF(n, s)];
        if
        :: (alive[OF(n, s)] && (y == 0 || used[OF(n, s)] < used[OF(n, y)])) -> y = s
        :: else
        fi;
        s++
    :: else -> break
    od;
    s = 0;
    if
#if MUTANT == 10 /* how many there may be is a node's own affair */
    :: (x >= SESSIONS_MAX + n) -> forget(n, y)
#else
    :: (x >= SESSIONS_MAX) -> forget(n, y)
#endif
    :: else
    fi;
    x = 0;
    y = 0
}

inline open(n, k)
{
    expire(n, k);
    evict(n);
#if MUTANT == 13 /* a number that is free, not a new one */
    opened[n] = alive[OF(n, 1)] + 1;
#else
    opened[n]++;
#endif
    alive[OF(n, opened[n])] = 1;
    used[OF(n, opened[n])] = k;
    known = (opened[n] > known -> opened[n] : known);
    v = OPENED
}

#define IS_KEPT(n, s, q) (kept_sequence[PLACE(n, s, q)] == (q))
#if MUTANT == 3 /* one write more than has a place */
#define IS_BEHIND(n, s, q) ((q) + WINDOW < highest[OF(n, s)])
#elif MUTANT == 4 /* one less */
#define IS_BEHIND(n, s, q) ((q) + WINDOW - 1 <= highest[OF(n, s)])
#else
#define IS_BEHIND(n, s, q) ((q) + WINDOW <= highest[OF(n, s)])
#endif
#if MUTANT == 2 /* what is behind the window is executed */
#define IS_PASSED(n, s, q) false
#else
#define IS_PASSED(n, s, q) ((q) <= acknowledged[OF(n, s)] || IS_BEHIND(n, s, q))
#endif
#if MUTANT == 6 /* the client still asks for the next one */
#define ACKNOWLEDGED(k) (acknowledged_at[k] > 0 -> acknowledged_at[k] + 1 : 0)
#else
#define ACKNOWLEDGED(k) acknowledged_at[k]
#endif

inline execute(n, s, q)
{
    revision[n]++;
    assert(!HAS(effects[OF(n, s)], q)); /* I14: one effect */
    effects[OF(n, s)] = effects[OF(n, s)] | (1 << (q));
    y = revision[n];
    v = EXECUTED
}

inline keep(n, s, q)
{
#if MUTANT != 8 /* the result is not kept */
    kept_sequence[PLACE(n, s, q)] = q;
    kept_result[PLACE(n, s, q)] = y;
#endif
    highest[OF(n, s)] = (highest[OF(n, s)] > q -> highest[OF(n, s)] : q)
}

inline meet(n, s, q, k)
{
    used[OF(n, s)] = k;
    acknowledged[OF(n, s)] = (acknowledged[OF(n, s)] > ACKNOWLEDGED(k) ->
                                  acknowledged[OF(n, s)] : ACKNOWLEDGED(k));
    if
#if MUTANT == 1 /* what was new when it was proposed is executed */
    :: (!is_copy[k]) -> execute(n, s, q); keep(n, s, q)
    :: else -> v = REPLAYED; y = kept_result[PLACE(n, s, q)]
#else
    :: IS_KEPT(n, s, q) ->
        v = REPLAYED;
#if MUTANT == 11 /* the answer is made anew */
        y = revision[n]
#else
        y = kept_result[PLACE(n, s, q)]
#endif
    :: (!IS_KEPT(n, s, q) && IS_PASSED(n, s, q)) -> v = STALE
    :: else -> execute(n, s, q); keep(n, s, q)
#endif
    fi
}

/* What the client is told by whichever node. */
inline judge(n, s, q, k)
{
    assert(verdict[k] == 0 || verdict[k] == v); /* I8, I15 */
    verdict[k] = v;
    if
    :: (v == EXECUTED || v == REPLAYED) ->
        assert(HAS(effects[OF(n, s)], q));            /* I14: it was done */
        assert(TOLD(s, q) == 0 || TOLD(s, q) == y);   /* I14: one result */
        TOLD(s, q) = y
    :: (v == STALE) -> assert(HAS(heard[s], q)) /* the promise of the window */
    :: else
    fi
}

#define APPLY \
    :: d_step { (applied[n] < length) -> \
        k = applied[n] + 1; \
        if \
        :: (session_at[k] == 0) -> open(n, k) \
        :: else -> \
            expire(n, k); \
            t = session_at[k]; \
            q = sequence_at[k]; \
            if \
            :: (alive[OF(n, t)]) -> meet(n, t, q, k) \
            :: else -> UNKNOWN_SESSION \
            fi \
        fi; \
        judge(n, t, q, k); \
        applied[n] = k; \
        k = 0; q = 0; t = 0; v = 0; y = 0 }
#if MUTANT == 7 /* executed all the same */
#define UNKNOWN_SESSION execute(n, t, q)
#else
#define UNKNOWN_SESSION v = EXPIRED
#endif

/* Write q of session s gets the next slot, through node n. */
#if MUTANT == 1
#define NOTE_COPY(s, q) is_copy[length] = (alive[OF(n, s)] && IS_KEPT(n, s, q))
#else
#define NOTE_COPY(s, q) skip
#endif
#define PROPOSE(s, q, a) \
    :: d_step { (length < LOG && q <= sent[s] && a < q && a <= ALL_HEARD(s) && MAY_LEAD) -> \
        length++; \
        session_at[length] = s; \
        sequence_at[length] = q; \
        acknowledged_at[length] = a; \
        time_at[length] = now; \
        NOTE_COPY(s, q) }
#if MUTANT == 1
#define MAY_LEAD true
#else
#define MAY_LEAD (n == 0) /* who appends makes no difference */
#endif

#define CLIENT(s) \
    :: d_step { (n == 0 && known >= s && sent[s] < WRITES && \
                 sent[s] < ALL_HEARD(s) + WINDOW) -> sent[s]++ } \
    HEAR(s, 1) \
    HEAR(s, 2) \
    PROPOSE(s, 1, 0) \
    PROPOSE(s, 2, 0) \
    PROPOSE(s, 2, 1) \
    CLIENT_3(s)
#define HEAR(s, q) \
    :: d_step { (n == 0 && TOLD(s, q) != 0 && !HAS(heard[s], q)) -> \
        heard[s] = heard[s] | (1 << (q)) }
#if WRITES >= 3
#define CLIENT_3(s) \
    HEAR(s, 3) \
    PROPOSE(s, 3, 0) \
    PROPOSE(s, 3, 1) \
    PROPOSE(s, 3, 2)
#else
#define CLIENT_3(s)
#endif

byte opens; /* entries that open a session */

active [NODES] proctype node()
{
    byte n = _pid;
    byte i;
    byte k;
    byte q;
    byte s;
    byte t;
    byte v;
    byte x;
    byte y;
    do
    APPLY
    CLIENT(1)
#if SESSIONS >= 2
    CLIENT(2)
#endif
    :: d_step { (n == 0 && length < LOG && opens < SESSIONS) ->
        opens++;
        length++;
        time_at[length] = now }
    :: d_step { (n == 0 && now < TIMES) -> now++ }
    od
}
