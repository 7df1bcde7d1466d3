#define _GNU_SOURCE 1

#include "chaos/control.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct chaos_control *mapped;

/* Before main: the functions that need it are called from many threads. */
__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("CHAOS_CONTROL");
    if (path == NULL) {
        return;
    }
    int handle = open(path, O_RDWR | O_CLOEXEC);
    void *memory = handle < 0 ? MAP_FAILED
                              : mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE,
                                     MAP_SHARED, handle, 0);
    if (memory == MAP_FAILED) {
        perror("chaos: CHAOS_CONTROL cannot be mapped");
        _exit(125);
    }
    (void)close(handle);
    mapped = memory;
}

struct chaos_control *chaos_control(void)
{
    return mapped;
}
