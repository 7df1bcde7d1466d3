/*
 * bind_error.h - why a ZeroMQ socket cannot listen, in a sentence that says what to do.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_BIND_ERROR_H
#define CONSENS_BASE_BIND_ERROR_H

#include <stddef.h>

/* `what`: the key of the configuration that names the endpoint ("peer", "client"). */
void bind_error_say(const char *what,
                    const char *endpoint,
                    int error,
                    char *out_text,
                    size_t text_bytes);

#endif
