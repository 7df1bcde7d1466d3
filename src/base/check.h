/*
 * check.h - assertions that stay on in release builds.
 *
 * CHECK is for our own mistakes only: untrusted bytes (peer, client, disk) never reach
 * one.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_CHECK_H
#define CONSENS_BASE_CHECK_H

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            base_check_failed(#condition, __FILE__, __LINE__);                           \
        }                                                                                \
    } while (0)

/* Prints one line to stderr and aborts. Does not return. */
void base_check_failed(const char *condition, const char *file, int line)
    __attribute__((noreturn));

#endif
