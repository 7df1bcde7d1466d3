/*
 * marks.h - coverage marks: which rules of the specification a run of the simulator came
 * through. MARK(P1) stands where rule P1 is carried out; `make sim` fails when a long run
 * left a mark untouched.
 *
 * In the simulator's build (PROBES is defined) a mark adds one to mark_hits, which the
 * simulator owns; in every other build it is nothing at all, so that the core stays pure
 * and production code pays nothing.
 *
 * Thread: any one at a time, where PROBES is defined; else any.
 */
#ifndef CONSENS_BASE_MARKS_H
#define CONSENS_BASE_MARKS_H

#include <stdint.h>

/*
 * X(name, what happens there, why no seed can come there). The last is NULL for a mark that
 * the simulator must hit, MARK_RARE for one that it must hit in very long runs only; else it
 * names the test that goes there instead.
 */
#define MARK_RARE "rare"
#define MARKS(X)                                                                         \
    X(E0, "a node starts: its ballot has round 0", NULL)                                 \
    X(E1, "a larger ballot is followed", NULL)                                           \
    X(E1_RETURN, "the ballot followed is gone: back to the promised one", NULL)          \
    X(E2, "a candidate is happy", NULL)                                                  \
    X(E2_UNHAPPY, "a candidate misses its quorum", NULL)                                 \
    X(E2_STALLED, "a preparer without progress for T_stall", NULL)                       \
    X(E3, "a follower hears its leader happy", NULL)                                     \
    X(E3_PROMISED, "a follower has promised more than it follows", NULL)                 \
    X(E3_UNHAPPY, "a follower hears no happy leader", NULL)                              \
    X(E4, "taking over", NULL)                                                           \
    X(E4_HAPPY_PEER, "not taking over: somebody is happy", NULL)                         \
    X(E4_ALONE, "not taking over: no quorum is heard", NULL)                             \
    X(E5, "not eligible: stopping, cooling down or the disk hangs", NULL)                \
    X(E6_STALLED, "a leader without commit progress hands over", NULL)                   \
    X(E6_DISK, "a leader with a slow disk hands over", NULL)                             \
    X(E6_NO_HEIR, "nobody to hand over to: it stays", NULL)                              \
    X(E7, "a restart after promises: no old leadership is reclaimed", NULL)              \
    X(E8, "a handover begins", NULL)                                                     \
    X(E8_SENT, "the heir holds everything and is asked to take over", NULL)              \
    X(E8_TAKEN, "the heir takes over", NULL)                                             \
    X(E8_IN_VAIN, "nothing came of it in T_stall: it leads on", NULL)                    \
    X(P1, "a larger ballot is promised", NULL)                                           \
    X(P1_AGAIN, "the promised ballot asks again", NULL)                                  \
    X(P1_LOWER, "a smaller ballot is refused", NULL)                                     \
    X(P1_GRACE, "a promiser stays happy without a reason", NULL)                         \
    X(P2, "the best log of a quorum is chosen", NULL)                                    \
    X(P2_REMOTE, "the best log is another node's", NULL)                                 \
    X(P2_OVERTAKEN, "a decided prefix is not in the best log", NULL)                     \
    X(P3, "log and accepted ballot become one SYNC record", NULL)                        \
    X(P3_FETCH, "missing entries are asked for", NULL)                                   \
    X(P3_DECIDED, "a proposer far behind installs decided entries first", NULL)          \
    X(P4, "decided slots are lost on the disk: asked for", NULL)                         \
    X(P4_MENDED, "copies of all of them are written anew", NULL)                         \
    X(P4_PROVEN, "a copy not known decided there hashes right",                          \
      "tests/unit/test_mend.c")                                                          \
    X(P4_BEHIND, "what follows lost slots is served", MARK_RARE)                         \
    X(P4_LACKING, "a peer has no copy", MARK_RARE)                                       \
    X(P4_LOST, "nobody has one: the node halts", "tests/unit/test_mend.c")               \
    X(P5, "a node with unknown slots promises, and that is no vote", NULL)               \
    X(P5_WHOLE, "copies make its log whole", NULL)                                       \
    X(P5_REPLACED, "another log is decided: the own one ends before it", MARK_RARE)      \
    X(P5_LACKING, "a peer has no copy", "tests/unit/test_paxos_faulty.c")                \
    X(P5_LOST, "nobody has one: the node halts", "tests/unit/test_paxos_faulty.c")       \
    X(P7, "a leader begins, proposing nothing of its own", NULL)                         \
    X(A1_SAME, "a stream from where the peer's log of this ballot ends", NULL)           \
    X(A1_DECIDED, "a stream from where the peer's decided prefix ends", NULL)            \
    X(A1_FAR, "a peer too far behind for memory", NULL)                                  \
    X(A2_STAGED, "a leader's log is staged", NULL)                                       \
    X(A2_FETCH, "AcceptSync was not all: the rest is asked for", NULL)                   \
    X(A2_FLIP, "the staged log replaces the own one", NULL)                              \
    X(A2_EXTEND, "AcceptSync of the accepted ballot only extends", NULL)                 \
    X(A2_STALE, "a leader that was overtaken is refused", MARK_RARE)                     \
    X(A3, "an Accept in its place", NULL)                                                \
    X(A3_GAP, "an Accept behind a gap", NULL)                                            \
    X(A3_OLD, "an Accept seen before: acknowledged again", NULL)                         \
    X(A3_HELD, "an Accept of entries already held", NULL)                                \
    X(A4, "what is durable is acknowledged", NULL)                                       \
    X(A5, "a quorum of votes decides", NULL)                                             \
    X(A6, "a follower learns of decisions", NULL)                                        \
    X(A6_CLIPPED, "it holds less than is decided", NULL)                                 \
    X(A7, "the window is full", NULL)                                                    \
    X(A8, "decided entries of a peer are installed", NULL)                               \
    X(A8_REPLACED, "they replace undecided ones", NULL)                                  \
    X(A9, "a message of a larger ballot: Prepare is asked for",                          \
      "tests/unit/test_paxos_acceptor.c")                                                \
    X(A9_RESENT, "Prepare is sent again", NULL)                                          \
    X(A10, "a larger promise ends a candidate", NULL)                                    \
    X(READ_LEADER, "a leader's own reads are confirmed", NULL)                           \
    X(READ_FOR_PEER, "a peer's read is confirmed", NULL)                                 \
    X(READ_BARRIER, "reads wait for the inherited log to be decided", NULL)              \
    X(READ_ROUND_AGAIN, "a round is sent again", NULL)                                   \
    X(READ_ASKED, "another node asks the leader", NULL)                                  \
    X(READ_ASKED_AGAIN, "... again, with a new number", NULL)                            \
    X(READ_OLD_ANSWER, "an answer for another number or ballot is dropped", NULL)        \
    X(READ_LOCAL, "a local read", NULL)                                                  \
    X(READ_REVISION, "a read waits for a revision", NULL)                                \
    X(G1, "a message of another incarnation does not count",                             \
      "tests/unit/test_paxos_gate.c")                                                    \
    X(G2, "the gate opens", NULL)                                                        \
    X(G2_RELAYED, "an answer to Hello came through a relay", NULL)                       \
    X(G2_AMNESIA, "a peer remembers more than this disk", NULL)                          \
    X(G3, "a peer shows more of itself than before", NULL)                               \
    X(G4_OLD, "a message of an earlier boot is dropped", NULL)                           \
    X(G4_TWIN, "two processes of one directory", NULL)                                   \
    X(G4_EMPTIED, "a directory was emptied before there was a Config",                   \
      "tests/unit/test_paxos_forming.c")                                                 \
    X(C8_MEET, "nodes without a past meet", NULL)                                        \
    X(C8_CONFIG, "the first seat draws the Config", NULL)                                \
    X(C8_ALONE, "one seat alone", NULL)                                                  \
    X(C8_FORM, "a node takes the Config", NULL)                                          \
    X(C8_FORM_AGAIN, "... and says so again", NULL)                                      \
    X(C8_START, "all have the Config: START", NULL)                                      \
    X(C8_STARTED, "a node takes START", NULL)                                            \
    X(C8_UNFINISHED, "a restart with a Config and without START", NULL)                  \
    X(C8_WIPED, "an empty node that the others know", NULL)                              \
    X(S_OPEN, "a session is opened", NULL)                                               \
    X(S_NEW, "a write of a session is applied", NULL)                                    \
    X(S_OVERTAKEN, "a write that a later one of its session overtook", NULL)             \
    X(S_REPLAY, "a retry gets the first answer", NULL)                                   \
    X(S_BEHIND, "a write that the window has passed", NULL)                              \
    X(S_ACKNOWLEDGED, "a write that its client gave up, inside the window", NULL)        \
    X(S_EXPIRED, "a write of a session that is gone", NULL)                              \
    X(S_IDLE, "a session unused for too long goes", NULL)                                \
    X(S_EVICTED, "the session unused longest makes room", NULL)                          \
    X(ROW_OTHER, "superblock of another release", "tests/unit/test_recovery_table.c")    \
    X(ROW_UNREADABLE, "superblock cannot be read", NULL)                                 \
    X(ROW_FORMAT, "nothing there: format", NULL)                                         \
    X(ROW_LOST_SUPERBLOCK, "segments without superblock",                                \
      "tests/unit/test_recovery_table.c")                                                \
    X(ROW_BROKEN_SUPERBLOCK, "no two equal copies", "tests/unit/test_recovery_table.c")  \
    X(ROW_SUPERBLOCK, "superblock sound", NULL)                                          \
    X(ROW_ACCEPT, "block accepted", NULL)                                                \
    X(ROW_STALE, "block out of place: cut", "tests/unit/test_recovery_table.c")          \
    X(ROW_MISPLACED, "block out of place, later ones there",                             \
      "tests/unit/test_recovery_table.c")                                                \
    X(ROW_MISPLACED_FLOOR, "... and below the floor",                                    \
      "tests/unit/test_recovery_table.c")                                                \
    X(ROW_TORN, "torn block: cut", NULL)                                                 \
    X(ROW_END, "the log's end", NULL)                                                    \
    X(ROW_DAMAGED, "block damaged, later ones there", NULL)                              \
    X(ROW_DAMAGED_FLOOR, "block damaged below the floor",                                \
      "tests/unit/test_recovery_table.c")                                                \
    X(ROW_MISSING, "blocks missing below the floor", "tests/unit/test_recovery_table.c") \
    X(READ_LOST, "a read of the open log meets rot", NULL)                               \
    X(SUPERBLOCK_HALF, "superblock copies of two values: the write was cut", NULL)       \
    X(MEND_BLOCK, "the last block is written again at start", NULL)                      \
    X(SEAL, "an empty block seals the last one", NULL)                                   \
    X(SEGMENT, "the next segment begins", NULL)

#define MARKS_ENUM(name, what, elsewhere) MARK_##name,
enum mark_name { MARKS(MARKS_ENUM) MARK_COUNT };
#undef MARKS_ENUM

#ifdef PROBES
extern uint64_t mark_hits[MARK_COUNT]; // whoever is linked with such objects has it
#define MARK(name) ((void)mark_hits[MARK_##name]++)
#define MARK_IF(condition, name)                                                         \
    do {                                                                                 \
        if (condition) {                                                                 \
            MARK(name);                                                                  \
        }                                                                                \
    } while (0)
/* The row of a table whose first row has the mark `first`. */
#define MARK_ROW(first, row) ((void)mark_hits[MARK_##first + (row)]++)
#else
#define MARK(name)               ((void)0)
#define MARK_IF(condition, name) ((void)0)
#define MARK_ROW(first, row)     ((void)0)
#endif

#endif
