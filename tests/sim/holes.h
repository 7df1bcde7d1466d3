/*
 * holes.h - which slots of one node's log its disk may have lost, and which its process
 * knows to be lost. What is not marked is really there, byte for byte.
 *
 *   whole    as it was written, as far as anybody knows
 *   rotten   bytes that held it, or that told what it is, are no longer as written: the
 *            next start may find it lost
 *   lost     the last start reported it lost, and it has not been written anew since
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_HOLES_H
#define CONSENS_TESTS_SIM_HOLES_H

#include <consens/paxos.h>

#include <stdbool.h>
#include <stddef.h>

enum hole { HOLE_NONE = 0, HOLE_ROTTEN, HOLE_LOST };

struct holes {
    uint8_t *slots; // enum hole, by slot
    size_t capacity;
    cs_slot last; // no slot behind it is marked
    /*
     * A running process that meets rot as it reads gives up what lies behind it in that
     * run of blocks. From this slot on, until it ends, a copy may not be had; 0: all may.
     */
    cs_slot doubtful_from;
};

void holes_mark(struct holes *holes, cs_slot first, cs_slot last, enum hole hole);
/* These slots were written anew, and that is durable. */
void holes_fill(struct holes *holes, cs_slot first, cs_slot count);
void holes_clear(struct holes *holes);
void holes_copy(struct holes *to, const struct holes *from);
void holes_fini(struct holes *holes);
enum hole holes_at(const struct holes *holes, cs_slot slot);
/* Can the node give others what stands there? */
bool holes_can_serve(const struct holes *holes, cs_slot slot);

#endif
