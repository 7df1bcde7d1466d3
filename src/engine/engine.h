/*
 * engine.h - the loop around a replica: polls the hand-off, peers, log completions and
 * the timer, drains what is there into one turn, lets the replica carry it out.
 *
 * Thread: engine_run() is the engine thread; engine_ask_stop() from any (a signal's
 * thread).
 */
#ifndef CONSENS_ENGINE_ENGINE_H
#define CONSENS_ENGINE_ENGINE_H

#include "config/settings.h"

#include <stdbool.h>
#include <stddef.h>

struct engine;

/*
 * Opens the data directory, recovers, replays, opens sockets. NULL: *out_exit_code and
 * out_error are set: 2 configuration, 65 damaged, rolled back or of another list of nodes
 * (EX_DATAERR), 69 port busy (EX_UNAVAILABLE), 73 directory unusable or held by another
 * process (EX_CANTCREAT), 74 failed write (EX_IOERR).
 */
struct engine *engine_open(void *zmq_context,
                           const struct settings *settings,
                           const char *version,
                           int *out_exit_code,
                           char *out_error,
                           size_t error_bytes);
/* Starts the thread. False: there is none left; out_error says so. */
bool engine_start(struct engine *engine, char *out_error, size_t error_bytes);
void engine_ask_stop(struct engine *engine);
/* Waits for the thread; the process's exit code: 0, 65 or 74. */
int engine_join(struct engine *engine);
/* 0, or 74 if the log failed: what it wrote last may not be durable. */
int engine_close(struct engine **engine);

#endif
