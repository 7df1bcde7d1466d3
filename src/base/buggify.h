/*
 * buggify.h - rare legal behaviour made common, so that the simulator sees it often
 * enough: a window of one, a hint that is not sent, a segment that ends early.
 *
 * BUGGIFY(points, WINDOW_ONE) asks whether that point is on in `points`, a set of bits
 * that the caller of a module hands in with its settings; nothing is drawn here. Every
 * point does what the rules allow anyway (a message may be lost, a window may be full),
 * so all invariants, and all that the monitor (tests/monitor) expects of a step, hold with
 * any of them on. Only the simulator's build (PROBES is defined) looks at the set; in every
 * other build the answer is a constant no and the compiler drops the branch.
 *
 * The idea is FoundationDB's (Zhou et al., SIGMOD 2021, 4.1).
 *
 * Thread: any one at a time, where PROBES is defined; else any.
 */
#ifndef CONSENS_BASE_BUGGIFY_H
#define CONSENS_BASE_BUGGIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, what it does). */
#define BUGGIFY_POINTS(X)                                                                \
    X(ROUNDS_FAST, "some heartbeat rounds are short")                                    \
    X(NACK_LOST, "half of the Nacks are not sent")                                       \
    X(PROMISE_TWICE, "Promise is sent twice")                                            \
    X(ACK_TWICE, "Accepted is sent twice")                                               \
    X(ACK_LOST, "half of the Accepted are not sent")                                     \
    X(ROUND_ACK_LOST, "half of the answers to read rounds are not sent")                 \
    X(FLIP_REFUSED, "a staged log is sometimes dropped instead of taken")                \
    X(PROPOSER_GIVES_UP, "phase 1 sometimes ends for no reason")                         \
    X(PREPARE_AT_ONCE, "Prepare is repeated at every look")                              \
    X(FETCH_AT_ONCE, "a proposer's Fetch is repeated at every look")                     \
    X(FETCH_ONE, "Fetch asks for one entry")                                             \
    X(FETCH_EAGER, "decided entries are fetched while they are on their way")            \
    X(SERVE_ONE, "Fetch is answered with one entry")                                     \
    X(WINDOW_ONE, "one undecided slot at most")                                          \
    X(CHUNK_ONE, "one entry a message")                                                  \
    X(SYNC_EMPTY, "AcceptSync carries no entries")                                       \
    X(STREAM_BEFORE, "streams begin one slot further back than they must")               \
    X(STREAM_RESTART, "streams begin anew now and then")                                 \
    X(DECIDE_HINT_LOST, "nobody is told of decisions at once")                           \
    X(DECIDE_TO_ALL, "everybody is told of decisions at once")                           \
    X(RESIGN, "leaders hand over now and then")                                          \
    X(PROBE_AT_ONCE, "a silent peer is probed at every look")                            \
    X(READ_REPEAT, "a read round is repeated every 5 ms")                                \
    X(READ_ASK_AGAIN, "the leader is asked again four times as soon")                    \
    X(HELLO_OFTEN, "an open node goes on saying Hello")                                  \
    X(RING_TRIMMED, "decided entries leave memory as soon as they may")                  \
    X(MESSAGES_FEW, "half of a step's messages past the sixth are lost")                 \
    X(BATCH_ONE, "one command a slot")                                                   \
    X(FORWARD_ONE, "one command a forwarded frame")                                      \
    X(FLUSH_EARLY, "each request is flushed alone")                                      \
    X(FLUSH_LATE, "writes wait for some later turn")                                     \
    X(REQUEST_REFUSED, "some requests are refused as if there were too many")            \
    X(FORWARD_REFUSED, "some forwarded frames are refused as if there were too many")    \
    X(FORWARD_SENT_BACK, "some forwarded frames are sent back, to be tried again")       \
    X(RETRY_AT_ONCE, "what was sent back is tried again without a pause")                \
    X(BARRIER_OFTEN, "slots without commands are asked for every 10 ms")                 \
    X(HINTS_DROPPED, "proposals do not say who waits")                                   \
    X(SEND_TWICE, "frames are sent twice")                                               \
    X(HELD_DROPPED, "some frames that wait for the disk are lost")                       \
    X(SERVE_FROM_LOG, "peers are served from the log, not from memory")                  \
    X(SEGMENT_SOON, "segments end early")                                                \
    X(SUPERBLOCK_ALWAYS, "every commit writes the superblock")                           \
    X(SEAL_AT_ONCE, "every commit is sealed at once")                                    \
    X(SEAL_NEVER, "the log is never sealed")                                             \
    X(READ_ONE, "one entry a read of the log")                                           \
    X(TAIL_SHORT, "recovery hands over as few entries as it may")                        \
    X(BLOCK_ONE, "one record a block")                                                   \
    X(PREPARE_FEW, "Prepare goes to half of the others at first, to the rest later")

#define BUGGIFY_ENUM(name, what) BUGGIFY_##name,
enum buggify_point { BUGGIFY_POINTS(BUGGIFY_ENUM) BUGGIFY_COUNT };
#undef BUGGIFY_ENUM
_Static_assert(BUGGIFY_COUNT <= 64, "a set is one word");

#define BUGGIFY(points, name) buggify_is_on((points), BUGGIFY_##name)

#ifdef PROBES
extern uint64_t buggify_hits[BUGGIFY_COUNT]; // whoever is linked with such objects has it
#endif

/* `points` may be NULL: none is on. Read at each call, so that its owner may change it. */
static inline bool buggify_is_on(const uint64_t *points, enum buggify_point point)
{
#ifdef PROBES
    bool is_on = points != NULL && (*points >> point & 1) != 0;
    buggify_hits[point] += is_on;
    return is_on;
#else
    (void)points;
    (void)point;
    return false;
#endif
}

#endif
