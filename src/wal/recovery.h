/*
 * recovery.h - what to make of what is found on disk: one table (PAXOS 4.2).
 *
 * recovery_decide() is asked once about the superblock, and, where that is sound, once
 * for each place where the next block should begin. recovery.c explains the rows.
 *
 * Thread: any.
 */
#ifndef CONSENS_WAL_RECOVERY_H
#define CONSENS_WAL_RECOVERY_H

#include "wal/superblock.h"

enum recovery_decision {
    RECOVERY_ACCEPT =
        1, // sound superblock: look at blocks; sound block: it is part of the log
    RECOVERY_FORMAT,  // a new directory, or one whose formatting was cut short
    RECOVERY_END,     // the log ends here
    RECOVERY_CUT,     // a torn block, never acknowledged: zero it, the log ends before it
    RECOVERY_DAMAGED, // bytes that were durable do not hash
    RECOVERY_AMNESIA, // bytes that were durable are gone
    RECOVERY_OTHER,   // written by another release
    RECOVERY_UNREADABLE, // the disk refuses to read
};

struct recovery_observation {
    enum superblock_sight superblock;
    bool has_segments;   // files log-N exist; asked only where there is no superblock
    bool asks_block;     // below: about block k at a place; false: about the directory
    bool is_valid;       // magic and digest are right there
    bool is_chained;     // and it is block k, follows block k - 1, and its records apply
    bool is_blank;       // zeros
    bool has_evidence;   // something later says that block k was durable
    bool is_below_floor; // the superblock says so: k <= floor
};

enum recovery_decision recovery_decide(const struct recovery_observation *observation);

/* How many rows match: 1, always. For the test of exactly that. */
int recovery_count_rows(const struct recovery_observation *observation);

#endif
