/*
 * m8_incarnations.pml - a seat whose directory is wiped, goes back in time, or runs twice:
 * its votes never make two values decided.
 *
 * Rules: G1-G4 (2.12) as built (src/paxos/gate.c): incarnations, boots, nonces, the gate
 * that q1-1 other voters open, directly or through a relay, watermarks of boot, promised
 * and block that peers keep lazily; a started node's fresh block holds no record, and
 * behind the gate none is written.
 * Properties: I19 and I17, as what they are for: no two values decided (I2).
 * Bounds: 3 seats, 1 slot, 2 ballots, of seats 0 and 1; seat 2 (host 2) loses its directory
 * once, to host 3: LOSS 1, wiped: a new incarnation; LOSS 2, an earlier image of it;
 * LOSS 3, a copy of it while host 2 goes on. Up to BOOTS starts of each host, RESTARTS of
 * its peers. Losses, delays and the order of all else are not bounded.
 *   An image is used only if both peers durably remember more of the seat than it holds,
 *   or if it lacks nothing (G3: "best effort before that"; mutant 10).
 *   A copy opens its gate only when the same holds of what they have in memory; and a
 *   Hello that is answered has been passed on to the other peer.
 *   With BOOTS=2 a copy breaks I2: the copy votes and stops before any heartbeat tells of
 *   its block, host 2 starts again with the same boot. Nobody could know: G3 again. So a
 *   copy is judged with one start each; equal boots and nonces (G4) are not.
 *
 * Abstracted away, and why that is sound:
 *   One slot: a log under log-form Paxos votes like one value (m1_core.pml has the logs).
 *   Votes count when sent or never: a late vote is one of a moment when more was known.
 *   Promises and votes between the two peers: their disks are whole.
 *   A Hello and its answer are one step: a late answer knows less, and is one for an
 *     earlier step of the asker, who has written nothing since (the gate).
 * Not modelled: C8 (the first boot), a leader's seat that loses its directory.
 *
 * State counts: tests/models/README.md.
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef LOSS
#define LOSS 2
#endif
#ifndef BOOTS
#define BOOTS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#define WIPED 1
#define ROLLED_BACK 2
#define COPIED 3
#define BALLOTS 2
#define QUORUM 2
#define HAS(mask, bit) (((mask) >> (bit)) & 1)
#define MAX(x, y) ((x) > (y) -> (x) : (y))

/* On disk, by host. */
byte boot[4];
byte number[4]; /* of the last block */
byte block[4];  /* of the last block with a record: what peers are told */
byte promised[4];
byte accepted[4];
/* The image. */
bit is_taken;
byte image_boot;
byte image_number;
byte image_block;
byte image_promised;
byte image_accepted;
bit is_lost; /* host 3 has the directory */
/* In memory, by host 2 and 3. */
bit is_up[4];
bit is_open[4];
bit is_dead[4];
byte starts[4];
/* What each peer remembers of seat 2: in memory, on disk. */
byte seen_boot[2];
byte seen_block[2];
byte seen_promised[2];
byte kept_boot[2];
byte kept_block[2];
byte kept_promised[2];
byte nonce_boot[2];
byte nonces[2]; /* mask: hosts heard under nonce_boot */
byte restarts;
/* By ballot. */
byte promisers[BALLOTS + 1]; /* mask of seats */
byte best[BALLOTS + 1];
byte value[BALLOTS + 1]; /* 0: phase 1 goes on */
byte voters[BALLOTS + 1];
byte decided;

#define COUNT(mask) (HAS(mask, 0) + HAS(mask, 1) + HAS(mask, 2))
#define WRITE(h) \
    number[h] = number[h] + (h) / 2; /* those of the peers are not asked for */ \
    block[h] = number[h]

/* ---- the two peers' own ballots ---- */

/* Seat s promises, accepts; `h` is its host. */
inline promise_to(s, h, b)
{
    if
    :: (promised[h] < b) -> promised[h] = b; WRITE(h)
    :: else
    fi;
    promisers[b] = promisers[b] | (1 << s);
    best[b] = MAX(best[b], accepted[h])
}

inline accept_from(s, h, b)
{
    promised[h] = b;
    accepted[h] = b;
    WRITE(h);
    voters[b] = voters[b] | (1 << s);
    if
    :: (COUNT(voters[b]) >= QUORUM) ->
        assert(decided == 0 || decided == value[b]); /* I2, I19 */
        decided = value[b]
    :: else
    fi
}

#define MAY_PROMISE(s, h, b) ((b) == 2 && value[b] == 0 && !HAS(promisers[b], s) && promised[h] <= b && \
                              HAS(promisers[b], (b) - 1))
#define MAY_ACCEPT(s, h, b) (value[b] != 0 && !HAS(voters[b], s) && promised[h] <= b)
#define PEER(p, b) \
    :: d_step { (p == (b) - 1 && promised[p] < b) -> promise_to(p, p, b) } \
    :: d_step { (p != (b) - 1 && MAY_PROMISE(p, p, b)) -> promise_to(p, p, b) } \
    :: d_step { (p == (b) - 1 && value[b] == 0 && COUNT(promisers[b]) >= QUORUM) -> \
        value[b] = (best[b] == 0 -> (b) : value[best[b]]) } \
    :: d_step { MAY_ACCEPT(p, p, b) -> accept_from(p, p, b) }

/* ---- the gate ---- */

#if MUTANT == 3 /* G1: any incarnation counts */
#define IS_MEMBER(h) true
#else
#define IS_MEMBER(h) (LOSS != WIPED || (h) == 2)
#endif
#if MUTANT == 4 /* G4: of a lower boot, too */
#define IS_ADMITTED(h, p) IS_MEMBER(h)
#else
#define IS_ADMITTED(h, p) (IS_MEMBER(h) && boot[h] >= seen_boot[p])
#endif
#if MUTANT == 2 /* G2: nobody compares */
#define REMEMBERS_MORE(h, p) false
#elif MUTANT == 7 /* boot and promised only */
#define REMEMBERS_MORE(h, p) (seen_boot[p] > boot[h] || seen_promised[p] > promised[h])
#else
#define REMEMBERS_MORE(h, p) (seen_boot[p] > boot[h] || seen_block[p] > block[h] || \
                              seen_promised[p] > promised[h])
#endif
#define HAS_TWIN(h, p) (boot[h] == nonce_boot[p] && HAS(nonces[p], 5 - (h)) && is_up[5 - (h)])

inline note_nonce(h, p)
{
    if
    :: (boot[h] > nonce_boot[p]) ->
        nonce_boot[p] = boot[h];
        nonces[p] = 1 << h
    :: (boot[h] == nonce_boot[p]) -> nonces[p] = nonces[p] | (1 << h)
    :: else
    fi
}

inline note(h, p)
{
    seen_boot[p] = MAX(seen_boot[p], boot[h]);
    seen_block[p] = MAX(seen_block[p], block[h]);
    seen_promised[p] = MAX(seen_promised[p], promised[h])
}

inline stop(h)
{
    is_up[h] = 0;
    is_open[h] = 0
}

#define IS_KNOWN (MUTANT == 10 || IS_CURRENT || KNOWS_MORE(seen_block, seen_promised))
/* Hello to p, directly or through the other peer, and its answer. */
#define RELAY(h, p) \
    if \
    :: IS_MEMBER(h) -> note_nonce(h, 1 - (p)); note(h, 1 - (p)) \
    :: else \
    fi
#define HELLO(h, p) \
    :: d_step { (is_up[h] && \
                 (LOSS != COPIED || (h) == 2 || is_open[h] || IS_KNOWN)) -> \
        if \
        :: IS_MEMBER(h) -> note_nonce(h, p) \
        :: else \
        fi; \
        if \
        :: (!IS_MEMBER(h) || HAS_TWIN(h, p) || REMEMBERS_MORE(h, p)) -> \
            RELAY(h, p); \
            stop(h); \
            is_dead[h] = 1 \
        :: else -> \
            note(h, p); \
            RELAY(h, p); \
            is_open[h] = 1 /* one voucher is q1 - 1 */ \
        fi }
/* A heartbeat reply: also of a gated node. */
#define HEARTBEAT(h, p) \
    :: d_step { (is_up[h] && IS_ADMITTED(h, p) && \
                 (seen_boot[p] < boot[h] || seen_block[p] < block[h] || \
                  seen_promised[p] < promised[h])) -> note(h, p) }

/* ---- hosts 2 and 3: seat 2 ---- */

#if MUTANT == 1 /* votes before any answer */
#define IS_VOTER(h) is_up[h]
#else
#define IS_VOTER(h) (is_up[h] && is_open[h])
#endif
#define VOTE(h, b) \
    :: d_step { (IS_VOTER(h) && IS_ADMITTED(h, (b) - 1) && MAY_PROMISE(2, h, b)) -> \
        seen_boot[(b) - 1] = MAX(seen_boot[(b) - 1], boot[h]); \
        promise_to(2, h, b) } \
    :: d_step { (IS_VOTER(h) && IS_ADMITTED(h, (b) - 1) && MAY_ACCEPT(2, h, b)) -> \
        seen_boot[(b) - 1] = MAX(seen_boot[(b) - 1], boot[h]); \
        accept_from(2, h, b) }

#if MUTANT == 6 /* the fresh block of a start counts like one with a record */
#define FRESH_BLOCK(h) WRITE(h)
#else
#define FRESH_BLOCK(h) number[h]++
#endif
#define START(h) \
    :: d_step { (!is_up[h] && !is_dead[h] && starts[h] < BOOTS && HAS_DIRECTORY(h)) -> \
        starts[h]++; \
        boot[h]++; \
        FRESH_BLOCK(h); \
        is_up[h] = 1 } \
    :: d_step { is_up[h] -> stop(h) } \
    WRITE_GATED(h)
#if MUTANT == 8 /* records are written behind the gate */
#define WRITE_GATED(h) \
    :: d_step { (is_up[h] && !is_open[h] && block[h] < number[h]) -> WRITE(h) }
#else
#define WRITE_GATED(h)
#endif
#define HAS_DIRECTORY(h) ((h) == 3 -> is_lost : (!is_lost || LOSS == COPIED))

#define IS_CURRENT (image_block == block[2])
#define KNOWS_MORE(block_of, promised_of) \
    (block_of[0] > image_block && block_of[1] > image_block || \
     promised_of[0] > image_promised && promised_of[1] > image_promised)
#if MUTANT == 10
#define MAY_LOSE is_taken
#elif LOSS == WIPED
#define MAY_LOSE true
#elif LOSS == ROLLED_BACK
#define MAY_LOSE (is_taken && (IS_CURRENT || KNOWS_MORE(kept_block, kept_promised)))
#else
#define MAY_LOSE is_taken
#endif

#define FOR_HOST(h) \
    START(h) \
    VOTE(h, 1) \
    VOTE(h, 2) \
    HELLO(h, 0) \
    HELLO(h, 1) \
    HEARTBEAT(h, 0) \
    HEARTBEAT(h, 1)

proctype peer(byte p)
{
    do
    PEER(p, 1)
    PEER(p, 2)
    :: d_step { /* lazily */
        LOSS == ROLLED_BACK && (kept_boot[p] != seen_boot[p] || kept_block[p] != seen_block[p] ||
         kept_promised[p] != seen_promised[p]) ->
        kept_boot[p] = seen_boot[p];
        kept_block[p] = seen_block[p];
        kept_promised[p] = seen_promised[p] }
    :: d_step { /* the peer starts again */
        (restarts < RESTARTS) ->
        restarts++;
        seen_boot[p] = kept_boot[p];
        seen_block[p] = kept_block[p];
        seen_promised[p] = kept_promised[p];
        nonce_boot[p] = 0;
        nonces[p] = 0 }
    od
}

proctype seat_2()
{
    do
    FOR_HOST(2)
    FOR_HOST(3)
    :: d_step { (LOSS != WIPED && !is_taken) ->
        is_taken = 1;
        image_boot = boot[2];
        image_number = number[2];
        image_block = block[2];
        image_promised = promised[2];
        image_accepted = accepted[2] }
    :: d_step { (!is_lost && MAY_LOSE) ->
        is_lost = 1;
        boot[3] = image_boot; /* all 0 when wiped */
        number[3] = image_number;
        block[3] = image_block;
        promised[3] = image_promised;
        accepted[3] = image_accepted;
        if
        :: (LOSS != COPIED) -> stop(2); is_dead[2] = 1
        :: else
        fi }
    od
}

/* Seats 0 and 2 have promised ballot 1, and its leader has its value. */
init {
    d_step {
        promised[0] = 1;
        promised[2] = 1;
        number[2] = 2;
        block[2] = 2;
        boot[2] = 1;
        starts[2] = 1;
        is_up[2] = 1;
        is_open[2] = 1;
        promisers[1] = 5;
        value[1] = 1;
        nonce_boot[0] = 1;
        nonces[0] = 4;
        nonce_boot[1] = 1;
        nonces[1] = 4;
        seen_boot[0] = 1;
        seen_boot[1] = 1;
        kept_boot[0] = 1;
        kept_boot[1] = 1
    };
    atomic {
        run peer(0);
        run peer(1);
        run seat_2()
    }
}
