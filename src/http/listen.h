/*
 * listen.h - what can stand in the way of listening: too few file descriptors, a bad or
 * busy address; found out and said in one sentence.
 *
 * Thread: main.
 */
#ifndef CONSENS_HTTP_LISTEN_H
#define CONSENS_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LISTEN_FILES_EACH = 2,    // a worker: its connection, its socket's mailbox
    LISTEN_FILES_SPARE = 512, // log, peers, waiting connections
};

/*
 * Raises this process's limit of open files as far as it may. False: out_error says more.
 */
bool listen_raise_files(uint32_t threads, char *out_error, size_t error_bytes);

/*
 * Why nothing could listen at "host:port": tries it, to learn the reason. False: it can be
 * listened at; out_error is not set.
 */
bool listen_explain(const char *address, char *out_error, size_t error_bytes);

#endif
