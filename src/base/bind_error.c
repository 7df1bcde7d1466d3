#include "base/bind_error.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

void bind_error_say(const char *what,
                    const char *endpoint,
                    int error,
                    char *out_text,
                    size_t text_bytes)
{
    if (error == EADDRINUSE) {
        (void)snprintf(out_text, text_bytes,
                       "the %s address %s is in use: another process listens there, "
                       "perhaps this node itself. Stop it, or give this node another %s "
                       "address",
                       what, endpoint, what);
    } else if (error == EADDRNOTAVAIL || error == ENODEV) {
        (void)snprintf(out_text, text_bytes,
                       "the %s address %s is not an address of this machine. Correct it, "
                       "or let %s name a local address and advertise the public one",
                       what, endpoint, what);
    } else if (error == EACCES) {
        (void)snprintf(out_text, text_bytes,
                       "no permission to listen on the %s address %s: ports below 1024 "
                       "are for root. Choose a higher one",
                       what, endpoint);
    } else {
        (void)snprintf(out_text, text_bytes, "cannot listen on the %s address %s: %s",
                       what, endpoint, zmq_strerror(error));
    }
}
