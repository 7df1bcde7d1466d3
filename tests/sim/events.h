/*
 * events.h - what will happen, in order of time, then of the order it was planned in.
 *
 * Thread: any; a queue belongs to its caller.
 */
#ifndef CONSENS_TESTS_SIM_EVENTS_H
#define CONSENS_TESTS_SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
    SIM_TURN = 1,      // a node's loop looks at what has come and at its clock
    SIM_FRAME,         // a frame arrives: argument = frame
    SIM_COMMIT_DONE,   // a node's log thread ends a block; argument = commit number
    SIM_COMMIT_SLOW,   // the same block is under way for 100 ms; argument = commit number
    SIM_SEAL,          // nothing was written for 20 ms; argument = commit number
    SIM_SEGMENT_DONE,  // the helper has zero-filled a segment; argument = its number
    SIM_SEGMENT_RETRY, // the helper looks once more for room; argument = its last number
    SIM_DISK_ROOM,     // a full disk has room again; argument = change number
    SIM_READ_DONE,     // a slice of the log has been read; argument = index
    SIM_PEER_LOST,     // a node hears that a connection closed; argument = seat
    SIM_CLIENT,        // a client thinks of its next operation; node = client
    SIM_GIVE_UP,       // a client stops waiting; argument = operation
    SIM_RESTART,       // a crashed node starts again; argument = life
    SIM_RESUME,        // a paused node goes on; argument = pause number
    SIM_CLOCK,       // a node's clock goes on at its usual pace; argument = change number
    SIM_HEAL,        // a fault of the network ends; argument = fault number
    SIM_FLAP,        // a link flaps; node = from, argument = fault number, to
    SIM_DISK_NORMAL, // a node's slow disk is fast again; argument = change number
    SIM_FAULT,       // the next fault
    SIM_PHASE,       // safety ends, liveness is judged, the end; argument = phase
    SIM_PROBE,       // liveness: a fresh write at this node
    SIM_EVENT_KINDS,
};

struct sim_event {
    uint64_t time_us;
    uint64_t sequence;
    uint32_t kind;
    uint32_t node;
    uint64_t argument;
};

struct sim_events {
    struct sim_event *heap;
    size_t count;
    size_t capacity;
    uint64_t last_sequence;
};

/* Forgets all events, keeps the memory. */
void events_clear(struct sim_events *events);
void events_fini(struct sim_events *events);
void events_plan(struct sim_events *events,
                 uint64_t time_us,
                 enum sim_event_kind kind,
                 uint32_t node,
                 uint64_t argument);
/* False: there is none. */
bool events_take(struct sim_events *events, struct sim_event *out_event);

#endif
