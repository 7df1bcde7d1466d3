/*
 * server.h - one node, from its settings to its end: for `consens server` and for the
 * nodes of `consens dev`.
 *
 * Thread: main only; no other may be there yet.
 */
#ifndef CONSENS_CLI_SERVER_H
#define CONSENS_CLI_SERVER_H

#include "config/settings.h"

/* Serves until a signal or a failure ends it. The exit code; errors are on stderr. */
int cli_serve(const struct settings *settings);

#endif
