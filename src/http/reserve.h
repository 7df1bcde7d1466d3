/*
 * reserve.h - some of the workers are kept for what is no key: a request for a key may wait
 * for the engine up to its time limit, and as many of them as there are workers would
 * silence /-/live and /-/status too. And where more workers than are meant for keys hold a
 * connection, those that end with their reply make room for others.
 *
 * Thread: any; a reserve outlives the workers.
 */
#ifndef CONSENS_HTTP_RESERVE_H
#define CONSENS_HTTP_RESERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    // A burst of short requests is over by then; the reserve is not held for longer.
    RESERVE_PATIENCE_MS = 50,
};

struct reserve {                  // zeroed but for `share`
    uint32_t share;               // workers that may serve keys at a time
    atomic_uint key_count;        // workers that serve a request for a key
    atomic_uint connection_count; // workers that hold a connection
};

/* False: the share is taken, and was not given back in time. */
bool reserve_enter(struct reserve *reserve);
void reserve_leave(struct reserve *reserve);

void reserve_open_connection(struct reserve *reserve);
void reserve_close_connection(struct reserve *reserve);
/* Are more workers with a connection than the share? */
bool reserve_is_short(const struct reserve *reserve);

#endif
