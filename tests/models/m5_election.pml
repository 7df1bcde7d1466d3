/*
 * m5_election.pml - ballot leader election under fixed link graphs.
 *
 * Rules: E0-E5, E7 (2.6), P1's promise of a larger ballot with its two rounds of grace, A9
 * (a candidate repeats Prepare), A10 and the Nack that ends a preparer; and "return to the
 * promised ballot" of src/paxos/election.c.
 * Property: in every graph with a quorum-connected node (one that, with itself, has links
 * both ways to a quorum) some ROUNDS_MAX rounds after the graph has settled there is exactly
 * one leader that reaches a quorum, and none takes over afterwards for CALM rounds: a bounded
 * form of "eventually always one leader", with no flapping. Asserted, so that a search for
 * bad states is enough. Ballots beyond ROUND_LIMIT are flapping too.
 *
 * Bounds: NODES nodes. GRAPHS says which: 1 all directed graphs, 2 all undirected ones
 * (links fail in both directions), each with every labelling, since a ballot's node number
 * breaks ties. Node order within a round is free to be any one order, chosen at the start and
 * kept (periods are equal to a tenth); PROMISES > 0: before the start every node may have
 * promised any ballot of round 1 or, from 2 on, of round AHEAD to any node (past lives); WARM: first a
 * leader is elected with all links there, then the graph is cut.
 *
 * Abstracted away, and why that is sound enough (safety never rests on it):
 *   Heartbeats: replies come as soon as a round begins, and are looked at when it ends.
 *   Prepare, Promise and Nack travel within the receiver's round: they are much faster.
 *   Logs, disks and T_stall: a preparer that hears a quorum is promised by it.
 *
 * Graphs of these sizes do not tell from the right rules: a ballot that leaves out the
 * replies' leader, one unhappy round instead of two, no return to the promised ballot. The simulator's worlds do.
 *
 * State counts: tests/models/README.md.
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef NODES
#define NODES 3
#endif
#ifndef GRAPHS
#define GRAPHS 1
#endif
#ifndef PROMISES
#define PROMISES 2
#endif
#ifndef ROUNDS_MAX
#define ROUNDS_MAX 16
#endif
#define AHEAD 9 /* round of a ballot promised in a past life */
#define CALM 8
#define ROUND_LIMIT 25
#define QUORUM (NODES / 2 + 1)
#define TAKEOVER_ROUNDS 2
#define GRACE 2

#define HAS(mask, bit) (((mask) >> (bit)) & 1)
#define MAX(x, y) ((x) > (y) -> (x) : (y))

/* A ballot is one byte: round * 8 + node. */
#define ROUND(ballot) ((ballot) >> 3)

#define FOLLOWER 0
#define PREPARING 1
#define LEADER 2

byte out[NODES]; /* mask: whom a node's messages reach */
byte promised[NODES];
byte mine[NODES]; /* my_ballot */
byte leader[NODES];
byte role[NODES];
byte promisers[NODES]; /* mask, self included */
bit happy[NODES];
byte unhappy[NODES];
byte grace[NODES];
bit took_over; /* in this round */

/* The replies of n's round under way, by n * NODES + k: taken when the round began, since
 * they come at once and are looked at when it ends. */
bit heard_of[NODES * NODES];
byte seen_mine[NODES * NODES];
byte seen_leader[NODES * NODES];
byte seen_promised[NODES * NODES];
bit seen_happy[NODES * NODES];
#define AT(n, k) ((n) * NODES + (k))

byte order[NODES];
byte restarts; /* this node starts again, or NODES: none */
byte restart_round;
byte rounds;

#define BOTH(x, y) (HAS(out[x], y) && HAS(out[y], x))

#define ONES(m) (HAS(m, 0) + HAS(m, 1) + HAS(m, 2) + HAS(m, 3) + HAS(m, 4))

/* With itself, has links both ways to a quorum. */
inline count_links(n)
{
    k = 0;
    links = 1;
    do
    :: (k < NODES) ->
        links = links + (k != n && BOTH(n, k) -> 1 : 0);
        k++
    :: else -> break
    od;
    k = 0
}

inline step_down(n)
{
    if
    :: (role[n] != FOLLOWER) ->
        role[n] = FOLLOWER;
        promisers[n] = 0;
#if MUTANT == 2 /* still calls itself happy */
        stuck[n] = 1
#else
        happy[n] = 0
#endif
    :: else
    fi
}
#if MUTANT == 2
bit stuck[NODES];
#endif

/* Prepare of l comes to n; its answer goes back if the link does. */
inline receive_prepare(n, l)
{
    if
    :: (role[l] != FOLLOWER && HAS(out[l], n) && !HAS(promisers[l], n)) ->
        if
        :: (mine[l] > promised[n]) -> /* P1 */
            step_down(n);
            promised[n] = mine[l];
            if
            :: (mine[l] > leader[n]) ->
                leader[n] = mine[l];
#if MUTANT != 6 /* a promiser looks unhappy for a round */
                happy[n] = 1;
                unhappy[n] = 0;
                grace[n] = GRACE
#endif
            :: else
            fi
        :: else
        fi;
        if
        :: (HAS(out[n], l) && promised[n] == mine[l]) ->
            promisers[l] = promisers[l] | (1 << n);
            if
            :: (ONES(promisers[l]) >= QUORUM) -> role[l] = LEADER
            :: else
            fi
        :: (HAS(out[n], l) && promised[n] > mine[l]) ->
            step_down(l) /* Nack: A10 */
        :: else
        fi
    :: else
    fi
}

/* HbReq goes out, the replies come. */
inline begin_round(n)
{
    k = 0;
    do
    :: (k < NODES) ->
        heard_of[AT(n, k)] = (k != n && BOTH(n, k) -> 1 : 0);
        seen_mine[AT(n, k)] = mine[k];
        seen_leader[AT(n, k)] = leader[k];
        seen_promised[AT(n, k)] = promised[k];
        seen_happy[AT(n, k)] = happy[k];
        k++
    :: else -> break
    od;
    k = 0
}

/* E1-E5 at n's round end. */
inline end_round(n)
{
    k = 0;
    claimed = 0;
    led = 0;
    heard = 1;
    stand = 1;
    all_unhappy = 1;
    highest = MAX(ROUND(promised[n]), MAX(ROUND(leader[n]), ROUND(mine[n])));
    do
    :: (k < NODES) ->
        if
        :: heard_of[AT(n, k)] ->
            heard++;
            if
            :: (seen_mine[AT(n, k)] >= 8 && seen_mine[AT(n, k)] > leader[n]) -> leader[n] = seen_mine[AT(n, k)] /* E1 */
            :: else
            fi;
            highest = MAX(highest, ROUND(seen_mine[AT(n, k)]));
            highest = MAX(highest, ROUND(seen_leader[AT(n, k)]));
#if MUTANT != 1 /* the replies' promised is not looked at */
            highest = MAX(highest, ROUND(seen_promised[AT(n, k)]));
#endif
            if
            :: (seen_happy[AT(n, k)] && MUTANT != 4) -> all_unhappy = 0
            :: else
            fi;
            stand = stand + (seen_leader[AT(n, k)] <= mine[n] && seen_promised[AT(n, k)] <= mine[n] -> 1 : 0)
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
    followed = 0;
    do
    :: (k < NODES) ->
        if
        :: heard_of[AT(n, k)] ->
            claimed = claimed | (seen_mine[AT(n, k)] == leader[n] -> 1 : 0);
#if MUTANT == 8 /* a claim counts, happy or not */
            followed = followed | (seen_mine[AT(n, k)] == leader[n] -> 1 : 0);
#else
            followed = followed |
                (seen_happy[AT(n, k)] && seen_mine[AT(n, k)] == leader[n] -> 1 : 0);
#endif
            led = led | (seen_happy[AT(n, k)] && seen_mine[AT(n, k)] == promised[n] -> 1 : 0)
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
    if
    :: (!claimed && led && role[n] == FOLLOWER && unhappy[n] >= TAKEOVER_ROUNDS &&
        promised[n] < leader[n]) ->
        leader[n] = promised[n];
        followed = 1
    :: else
    fi;
    if
    :: (role[n] != FOLLOWER && leader[n] == mine[n] && promised[n] == mine[n]) -> /* E2 */
#if MUTANT == 5 /* a leader is happy with a quorum minus one */
        happy[n] = (stand >= QUORUM - 1 -> 1 : 0)
#else
        happy[n] = (stand >= QUORUM -> 1 : 0)
#endif
    :: else -> /* E3 */
        happy[n] = (promised[n] <= leader[n] && followed -> 1 : 0);
        if
        :: (grace[n] > 0) ->
            grace[n]--;
            happy[n] = 1
        :: else
        fi
    fi;
#if MUTANT == 3 /* happy, always */
    happy[n] = 1;
#endif
#if MUTANT == 2
    happy[n] = (stuck[n] -> 1 : happy[n]);
#endif
    unhappy[n] = (happy[n] -> 0 : (unhappy[n] < TAKEOVER_ROUNDS -> unhappy[n] + 1 : unhappy[n]));
    if /* E4 */
    :: (unhappy[n] >= TAKEOVER_ROUNDS && all_unhappy &&
        (heard >= QUORUM || MUTANT == 7)) -> /* 7: whoever it hears */
        mine[n] = (highest + 1) * 8 + n;
        assert(highest + 1 < ROUND_LIMIT); /* L4: flapping */
        leader[n] = mine[n];
        promised[n] = mine[n];
        happy[n] = 1;
        unhappy[n] = 0;
        grace[n] = 0;
        role[n] = PREPARING;
        promisers[n] = 1 << n;
        took_over = 1
    :: else
    fi;
    begin_round(n);
    claimed = 0; led = 0; heard = 0; stand = 0; all_unhappy = 0; highest = 0; followed = 0
}

/* Exactly one candidate that a quorum of links stands under, and it leads. */
inline count_leaders()
{
    j = 0;
    leaders = 0;
    do
    :: (j < NODES) ->
        count_links(j);
        leaders = leaders + (role[j] == LEADER && happy[j] && links >= QUORUM -> 1 : 0);
        j++
    :: else -> break
    od;
    j = 0;
    links = 0
}

inline choose_links()
{
    j = 0;
    do
    :: (j < NODES) ->
        k = 0;
        do
        :: (k < NODES && k == j) -> k++
        :: (k < NODES && k != j && (GRAPHS == 1 || k > j)) ->
            if
            :: out[j] = out[j] | (1 << k);
                if
                :: (GRAPHS == 2) -> out[k] = out[k] | (1 << j)
                :: else
                fi
            :: skip
            fi;
            k++
        :: (k < NODES && k < j && GRAPHS == 2) -> k++
        :: (k >= NODES) -> break
        od;
        j++
    :: else -> break
    od;
    j = 0;
    k = 0
}

/* Some node has links to a quorum, else there is nothing to ask for. */
inline need_connected()
{
    j = 0;
    leaders = 0;
    do
    :: (j < NODES) ->
        count_links(j);
        leaders = leaders + (links >= QUORUM -> 1 : 0);
        j++
    :: else -> break
    od;
    j = 0;
    links = 0
}

/* E7 */
inline restart(n)
{
    mine[n] = n;
    leader[n] = 0;
    role[n] = FOLLOWER;
    promisers[n] = 0;
    happy[n] = 0;
    unhappy[n] = 0;
    grace[n] = 0;
    k = 0;
    do
    :: (k < NODES) -> heard_of[AT(n, k)] = 0; k++
    :: else -> break
    od;
    k = 0
}

inline one_round()
{
    took_over = 0;
    j = 0;
    do
    :: (j < NODES) ->
        n = order[j];
        l = 0;
        do
        :: (l < NODES) ->
            if
            :: (l != n) -> receive_prepare(n, l)
            :: else
            fi;
            l++
        :: else -> break
        od;
        l = 0;
        end_round(n);
        n = 0;
        j++
    :: else -> break
    od;
    j = 0
}

inline settle()
{
    do
    :: (rounds < ROUNDS_MAX) ->
        if
        :: (restarts < NODES && restart_round == rounds) ->
            restart(restarts);
            restarts = NODES
        :: else
        fi;
        one_round();
        rounds++
    :: else -> break
    od;
    j = 0
}

/* Everything a node may have promised before all of them started again (E7). */
inline choose_promises()
{
    j = 0;
    do
    :: (j < NODES) ->
        if
        :: promised[j] = 0
        :: (PROMISES >= 1) ->
            select(l : 0 .. NODES - 1);
            promised[j] = 8 + l
        :: (PROMISES >= 2) ->
            select(l : 0 .. NODES - 1);
            promised[j] = AHEAD * 8 + l
        fi;
        mine[j] = j;
        k = 0;
        l = 0;
        j++
    :: else -> break
    od;
    j = 0
}

inline choose_order()
{
    j = 0;
    l = 0; /* mask of those placed */
    do
    :: (j < NODES) ->
        select(k : 0 .. NODES - 1);
        if
        :: (!HAS(l, k)) ->
            order[j] = k;
            l = l | (1 << k);
            j++
        :: else -> k = 0; l = 0; j = NODES + 1
        fi
    :: else -> break
    od;
    if
    :: (j > NODES) -> goto nothing
    :: else
    fi;
    j = 0;
    k = 0;
    l = 0
}

active proctype world()
{
    byte n, j, k, l, later, links, leaders, heard, stand, highest;
    bit claimed, led, all_unhappy, followed;
    atomic {
        choose_order();
        choose_promises();
#ifdef PHANTOM /* a ballot one node has heard of, which was lost in a crash */
        select(k : 0 .. NODES - 1);
        select(l : 0 .. NODES - 1);
        leader[k] = 3 * 8 + l;
        k = 0;
        l = 0;
#endif
        restarts = NODES;
#ifdef RESTART /* a node starts again after the graph has become what it is */
        select(restarts : 0 .. NODES - 1);
        select(restart_round : 0 .. RESTART);
#endif
        skip
    };
#ifdef WARM
    d_step {
        later = restarts;
        restarts = NODES;
        do
        :: (j < NODES) -> out[j] = (1 << NODES) - 1; j++
        :: else -> break
        od;
        settle();
        rounds = 0;
        restarts = later;
        later = 0;
        do
        :: (j < NODES) -> out[j] = 0; j++
        :: else -> break
        od;
        j = 0
    };
#endif
    atomic { choose_links() };
    d_step { need_connected() };
    if
    :: (leaders == 0) -> goto nothing
    :: else -> leaders = 0
    fi;
    d_step { /* all is chosen: what follows has one way to go */
        settle();
        do
        :: (rounds < ROUNDS_MAX + CALM) ->
            one_round();
            count_leaders();
            assert(leaders == 1); /* L1, L2 */
            assert(!took_over);   /* L4 */
            leaders = 0;
            rounds++
        :: else -> break
        od
    };
nothing:
    skip
}
