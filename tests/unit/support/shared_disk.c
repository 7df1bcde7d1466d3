#include "unit/support/shared_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static struct shared_disk *enter(void *context)
{
    struct shared_disk *shared = context;
    (void)pthread_mutex_lock(&shared->lock);
    return shared;
}

static int64_t leave(struct shared_disk *shared, int64_t result)
{
    (void)pthread_mutex_unlock(&shared->lock);
    return result;
}

static void wait_while(struct shared_disk *shared, const bool *is_held)
{
    if (!*is_held) {
        return;
    }
    atomic_fetch_add(&shared->waiting_count, 1);
    while (*is_held) {
        (void)pthread_cond_wait(&shared->changed, &shared->lock);
    }
    atomic_fetch_sub(&shared->waiting_count, 1);
}

static int open_file(void *context, const char *name, bool is_new)
{
    struct shared_disk *shared = enter(context);
    int error = is_new ? shared->create_error : shared->open_error;
    if (error != 0) {
        return (int)leave(shared, -error);
    }
    return (int)leave(shared,
                      shared->inner.open_file(shared->inner.context, name, is_new));
}

static int close_file(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.close_file(shared->inner.context, handle));
}

static int64_t
read_at(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    wait_while(shared, &shared->is_held);
    shared->reads++;
    const struct timespec rest = {.tv_nsec = (long)shared->read_us * 1000};
    int64_t got = leave(shared, shared->inner.read_at(shared->inner.context, handle, data,
                                                      bytes, offset));
    (void)nanosleep(&rest, NULL);
    return got;
}

static int64_t
write_at(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    return leave(shared, shared->inner.write_at(shared->inner.context, handle, data,
                                                bytes, offset));
}

static int64_t
write_through(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    wait_while(shared, &shared->is_held);
    shared->reads_before_write = shared->reads;
    return leave(shared, shared->inner.write_through(shared->inner.context, handle, data,
                                                     bytes, offset));
}

static int sync_file(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    wait_while(shared, &shared->are_syncs_held);
    if (shared->reads_before_sync == 0) {
        shared->reads_before_sync = shared->reads;
    }
    return (int)leave(shared, shared->inner.sync_file(shared->inner.context, handle));
}

static int64_t size_of(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    return leave(shared, shared->inner.size_of(shared->inner.context, handle));
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.rename_file(shared->inner.context, from, to));
}

static int remove_file(void *context, const char *name)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.remove_file(shared->inner.context, name));
}

static int sync_directory(void *context)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.sync_directory(shared->inner.context));
}

static int list(void *context, const struct files_listing *listing)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.list(shared->inner.context, listing));
}

static uint64_t room_of(void *context)
{
    struct shared_disk *shared = enter(context);
    uint64_t room = shared->inner.room_of(shared->inner.context);
    (void)leave(shared, 0);
    return room;
}

static bool is_direct(void *context)
{
    (void)context;
    return true;
}

void shared_disk_init(struct shared_disk *shared, struct sim_disk *disk)
{
    *shared = (struct shared_disk){.disk = disk, .inner = sim_disk_files(disk)};
    assert_int_equal(pthread_mutex_init(&shared->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&shared->changed, NULL), 0);
}

void shared_disk_fini(struct shared_disk *shared)
{
    (void)pthread_cond_destroy(&shared->changed);
    (void)pthread_mutex_destroy(&shared->lock);
}

struct files shared_disk_files(struct shared_disk *shared)
{
    return (struct files){
        .context = shared,
        .open_file = open_file,
        .close_file = close_file,
        .read_at = read_at,
        .write_at = write_at,
        .write_through = write_through,
        .sync_file = sync_file,
        .size_of = size_of,
        .rename_file = rename_file,
        .remove_file = remove_file,
        .sync_directory = sync_directory,
        .list = list,
        .room_of = room_of,
        .is_direct = is_direct,
    };
}

void shared_disk_hold(struct shared_disk *shared, bool is_held)
{
    (void)enter(shared);
    shared->is_held = is_held;
    (void)pthread_cond_broadcast(&shared->changed);
    (void)leave(shared, 0);
}

void shared_disk_hold_syncs(struct shared_disk *shared, bool are_held)
{
    (void)enter(shared);
    shared->are_syncs_held = are_held;
    (void)pthread_cond_broadcast(&shared->changed);
    (void)leave(shared, 0);
}

void shared_disk_slow_reads(struct shared_disk *shared, uint32_t read_us)
{
    (void)enter(shared);
    shared->read_us = read_us;
    shared->reads = 0;
    shared->reads_before_sync = 0;
    (void)leave(shared, 0);
}

void shared_disk_fail_opens(struct shared_disk *shared, int open_error, int create_error)
{
    (void)enter(shared);
    shared->open_error = open_error;
    shared->create_error = create_error;
    (void)leave(shared, 0);
}

void shared_disk_fail_next(struct shared_disk *shared, enum sim_disk_call call, int error)
{
    (void)enter(shared);
    sim_disk_fail_next(shared->disk, call, 0, error);
    (void)leave(shared, 0);
}

void shared_disk_set_capacity(struct shared_disk *shared, uint64_t bytes)
{
    (void)enter(shared);
    sim_disk_set_capacity(shared->disk, bytes);
    (void)leave(shared, 0);
}

bool shared_disk_overwrite(struct shared_disk *shared,
                           const char *name,
                           uint64_t offset,
                           struct cs_view bytes)
{
    (void)enter(shared);
    bool is_there =
        sim_disk_overwrite(shared->disk, name, offset, bytes.data, bytes.bytes);
    (void)leave(shared, 0);
    return is_there;
}

struct sim_disk_counters shared_disk_counters_of(struct shared_disk *shared)
{
    (void)enter(shared);
    struct sim_disk_counters counters = sim_disk_counters_of(shared->disk);
    (void)leave(shared, 0);
    return counters;
}
