#include "base/thread_error.h"

#include <stdio.h>
#include <zmq.h>

void thread_error_say(const char *what, int error, char *out_text, size_t text_bytes)
{
    (void)snprintf(
        out_text, text_bytes,
        "this node cannot start %s (%s): raise the limit of processes and threads "
        "(ulimit -u, TasksMax= of systemd, pids.max of the control group), or "
        "lower server/http/threads",
        what, zmq_strerror(error));
}
