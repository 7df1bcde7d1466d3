/*
 * raw_log.h - the least that a durable log can be: a zero-filled file, overwritten in
 * turns.
 *
 * Thread: one.
 */
#ifndef CONSENS_LOADTEST_RAW_LOG_H
#define CONSENS_LOADTEST_RAW_LOG_H

#include "program.h"

#include <fcntl.h>
#include <stdint.h>

enum { RAW_LOG_CHUNK_BYTES = 1 << 20, RAW_LOG_BYTES = 64 * RAW_LOG_CHUNK_BYTES };

struct raw_log {
    int file;
    uint64_t offset; // <= RAW_LOG_BYTES
    bool is_synced;  // each append is durable on return
};

/* Fills DIRECTORY/raw-log.PID with zeros: syncing an overwrite then moves no metadata.
 * The name goes at once, so nothing is left behind however the process ends. */
static inline void
raw_log_open(struct raw_log *log, const char *directory, bool is_synced)
{
    static const char zeros[RAW_LOG_CHUNK_BYTES];
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/raw-log.%d", directory, (int)getpid());
    *log =
        (struct raw_log){.file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600),
                         .is_synced = is_synced};
    if (log->file < 0) {
        program_fail_errno(path);
    }
    (void)unlink(path);
    for (int i = 0; i < RAW_LOG_BYTES / RAW_LOG_CHUNK_BYTES; i++) {
        if (write(log->file, zeros, sizeof zeros) != (ssize_t)sizeof zeros) {
            program_fail_errno("cannot fill the log");
        }
    }
    if (fsync(log->file) != 0) {
        program_fail_errno("cannot sync the log");
    }
}

/* `bytes` <= RAW_LOG_BYTES. */
static inline void raw_log_append(struct raw_log *log, const void *data, size_t bytes)
{
    if (log->offset + bytes > RAW_LOG_BYTES) {
        log->offset = 0;
    }
    if (pwrite(log->file, data, bytes, (off_t)log->offset) != (ssize_t)bytes) {
        program_fail_errno("cannot write the log");
    }
    log->offset += bytes;
}

static inline void raw_log_sync(struct raw_log *log)
{
    if (log->is_synced && fdatasync(log->file) != 0) {
        program_fail_errno("cannot sync the log");
    }
}

#endif
