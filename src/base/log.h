/*
 * log.h - one line an event on stderr: `event=NAME key=value ...`.
 *
 * Levels: error (an operator must act), warn, info (role changes, start, stop), debug.
 * Nothing per request above debug; never a value stored by a client.
 *
 * Thread: any (one lock, held while the line is written).
 */
#ifndef CONSENS_BASE_LOG_H
#define CONSENS_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Default: info. */
void log_set_level(enum log_level level);

/* Put `name` at the head of each line ("n1"). At most 31 characters are kept. */
void log_set_name(const char *name);

/* `format` begins with event=... and has no newline. */
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A sentence for a person on stderr, without decoration: start-up errors. */
void log_sentence(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
