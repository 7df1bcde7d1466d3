/*
 * resources.h - what the server needs of the operating system and of ZeroMQ, asked for
 * at start: a lack is one sentence then, and not a connection refused an hour later.
 *
 * Thread: main only, before any other is started.
 */
#ifndef CONSENS_CLI_RESOURCES_H
#define CONSENS_CLI_RESOURCES_H

#include "config/sentence.h"
#include "config/settings.h"

struct cli_needs {
    uint64_t open_files; // RLIMIT_NOFILE
    uint64_t sockets;    // ZMQ_MAX_SOCKETS of the one context
    uint32_t threads;    // of all kinds
};

struct cli_needs cli_count_needs(const struct settings *settings);

/* Raises the soft limit of open files to what is needed and LIMIT_CLIENT_CONNECTIONS on
 * top, or to the hard one. False: that is below what is needed. */
bool cli_raise_open_files(uint64_t open_files, struct sentence *out_error);

/*
 * Starts as many threads and ends them: the limits are many, and libzmq aborts where it gets
 * none. False: there were fewer.
 */
bool cli_try_threads(uint32_t threads, struct sentence *out_error);

/*
 * Large pieces of memory go back to the system as soon as they are freed. Left alone, glibc
 * keeps megabytes for each thread once it has seen a large value: 135 MiB of a node that
 * holds one, where 50 will do.
 */
void cli_give_back_large_memory(void);

/* A ZeroMQ context that allows `sockets` of them; NULL: out_error says why. */
void *cli_open_context(uint64_t sockets, struct sentence *out_error);

#endif
