/*
 * door.h - keeps clients from taking all descriptors: libzmq accepts whoever comes, and
 * the log, the peers and HTTP would find none left.
 *
 * The kernel gives out the lowest free descriptor, so that the number of a new connection
 * says how many are open. One that is past the bound is shut down as soon as libzmq
 * tells of it; its client tries again later.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_PORT_DOOR_H
#define CONSENS_PORT_DOOR_H

#include <stdbool.h>
#include <stdint.h>

struct door {
    void *router;
    void *monitor;           // tells of accepted connections
    uint64_t descriptor_max; // a client's connection is below it
    uint64_t closed_count;   // since the last line of the log
    uint64_t said_ms;
};

/* Before the ROUTER is bound. `files_kept` descriptors are not for clients. */
bool door_open(struct door *door, void *zmq_context, void *router, uint64_t files_kept);
/* Before the ROUTER is closed. */
void door_close(struct door *door);
/* All that libzmq has to tell. */
void door_watch(struct door *door);

#endif
