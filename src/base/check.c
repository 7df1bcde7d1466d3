#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void base_check_failed(const char *condition, const char *file, int line)
{
    // Not through the log: its lock may be held by the thread that failed.
    (void)fprintf(stderr, "event=check_failed condition=\"%s\" at=%s:%d\n", condition,
                  file, line);
    abort();
}
