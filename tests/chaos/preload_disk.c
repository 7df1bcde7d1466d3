/*
 * preload_disk.c - LD_PRELOAD: a disk that fails, is full, takes half a write, or is slow, as
 * control.h says. Only the calls by which a node writes its data, only on files and
 * directories; pipes and terminals (its log lines) are left alone.
 */
#define _GNU_SOURCE 1

#include "chaos/control.h"
#include "chaos/preload_cache.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef ssize_t (*pwritev2_function)(int, const struct iovec *, int, off_t, int);
typedef int (*sync_function)(int);

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static bool is_data(int handle)
{
    struct stat status;
    return fstat(handle, &status) == 0 &&
           (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

static uint32_t read_field(const uint32_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static void count(struct chaos_control *control)
{
    (void)__atomic_fetch_add(&control->write_count, 1, __ATOMIC_RELAXED);
}

static void be_slow(struct chaos_control *control)
{
    uint32_t delay_us = read_field(&control->delay_us);
    if (delay_us == 0) {
        return;
    }
    count(control);
    struct timespec left = {.tv_sec = delay_us / 1000000,
                            .tv_nsec = (long)(delay_us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* 0, or the error that this sync shall have. */
static int sync_fault(struct chaos_control *control)
{
    be_slow(control);
    int error = (int)read_field(&control->sync_errno);
    if (error != 0) {
        count(control);
    }
    return error;
}

ssize_t pwritev2(int handle,
                 const struct iovec *vectors,
                 int vector_count,
                 off_t offset,
                 int flags);

ssize_t pwritev2(int handle,
                 const struct iovec *vectors,
                 int vector_count,
                 off_t offset,
                 int flags)
{
    pwritev2_function next;
    void *symbol = next_of("pwritev2");
    memcpy(&next, &symbol, sizeof next);
    struct chaos_control *control = chaos_control();
    if (control == NULL || !is_data(handle) || vector_count != 1) {
        return next(handle, vectors, vector_count, offset, flags);
    }
    int error = (int)read_field(&control->write_errno);
    if (error != 0) {
        count(control);
        errno = error;
        return -1;
    }
    bool syncs = (flags & (RWF_DSYNC | RWF_SYNC)) != 0;
    struct iovec half = vectors[0];
    bool is_short = read_field(&control->is_short) != 0 && half.iov_len > 4096;
    if (is_short) {
        half.iov_len = half.iov_len / 2 / 4096 * 4096; // direct writes are whole blocks
        count(control);
    }
    error = syncs && !is_short ? sync_fault(control) : 0;
    bool is_kept =
        syncs && error == 0 && !is_short && read_field(&control->is_lying) == 0;
    if (!is_kept) {
        cache_note_write(handle, &half, offset);
    }
    ssize_t written = next(handle, &half, 1, offset, flags);
    if (written >= 0 && is_kept) {
        cache_note_range_synced(handle, offset, (size_t)written);
    }
    if (written >= 0 && error != 0) {
        errno = error;
        return -1;
    }
    return written;
}

static int sync_with(const char *name, int handle)
{
    sync_function next;
    void *symbol = next_of(name);
    memcpy(&next, &symbol, sizeof next);
    struct chaos_control *control = chaos_control();
    int error = control != NULL && is_data(handle) ? sync_fault(control) : 0;
    int result = next(handle);
    if (result == 0 && error != 0) {
        errno = error;
        return -1;
    }
    if (result == 0 && control != NULL && read_field(&control->is_lying) == 0) {
        cache_note_file_synced(handle);
    }
    return result;
}

int fdatasync(int handle)
{
    return sync_with("fdatasync", handle);
}

int fsync(int handle)
{
    return sync_with("fsync", handle);
}
