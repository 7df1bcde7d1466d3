/*
 * thread_error.h - a thread that cannot be started, in a sentence that says what to do.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_THREAD_ERROR_H
#define CONSENS_BASE_THREAD_ERROR_H

#include <stddef.h>

/* `what` cannot be had ("the engine's thread"); `error`: of pthread_create(). */
void thread_error_say(const char *what, int error, char *out_text, size_t text_bytes);

#endif
