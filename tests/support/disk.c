#include "support/disk.h"

#include "support/disk_store.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fault {
    bool is_armed;
    bool has_struck;
    enum sim_disk_call kind;
    uint64_t after_calls;
    int error;
};

struct handle {
    int id;    // never used twice, so that one from before a restart is known as such
    int inode; // NONE: closed
};

struct sim_disk {
    struct disk_store store;
    struct disk_store image; // of an earlier time
    uint64_t capacity_bytes;
    bool says_room;
    bool is_direct;
    bool is_off;
    bool is_crash_armed;
    uint64_t crash_after;
    struct fault fault;
    struct sim_disk_counters counters;
    struct handle *handles;
    size_t handle_count;
    int last_handle_id;
};

enum fate { FATE_DO, FATE_FAIL, FATE_LOSE_POWER, FATE_IS_OFF };

/* ---- directory changes ------------------------------------------------------------- */

static void set_text(char to[FILES_NAME_BYTES], const char *text)
{
    size_t bytes = strlen(text) + 1;
    CHECK(bytes <= FILES_NAME_BYTES);
    memcpy(to, text, bytes);
}

static void make_change(struct sim_disk *disk,
                        enum change_kind kind,
                        const char *from,
                        const char *to,
                        int inode)
{
    struct change change = {.kind = kind, .inode = inode};
    set_text(change.from, from);
    set_text(change.to, to);
    disk_store_change(&disk->store, &change);
}

/* ---- power and faults -------------------------------------------------------------- */

static bool strikes(struct fault *fault, enum sim_disk_call kind)
{
    if (!fault->is_armed || (fault->kind != SIM_DISK_ANY && fault->kind != kind)) {
        return false;
    }
    if (fault->after_calls > 0) {
        fault->after_calls--;
        return false;
    }
    fault->is_armed = false;
    fault->has_struck = true;
    return true;
}

static enum fate begin_call(struct sim_disk *disk, enum sim_disk_call kind)
{
    if (disk->is_off) {
        return FATE_IS_OFF;
    }
    disk->counters.calls++;
    if (disk->is_crash_armed) {
        if (disk->crash_after == 0) {
            disk->is_crash_armed = false;
            disk->is_off = true;
            return FATE_LOSE_POWER;
        }
        disk->crash_after--;
    }
    return strikes(&disk->fault, kind) ? FATE_FAIL : FATE_DO;
}

static int error_of(const struct sim_disk *disk, enum fate fate)
{
    bool is_named_error = fate == FATE_FAIL && disk->fault.error > 0;
    return is_named_error ? -disk->fault.error : -EIO;
}

static void close_handles(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->handle_count; i++) {
        if (disk->handles[i].inode != NONE) {
            disk->store.inodes[disk->handles[i].inode]->handle_count--;
        }
    }
    disk->handle_count = 0;
}

void sim_disk_crash(struct sim_disk *disk)
{
    disk->is_off = false;
    disk->is_crash_armed = false;
    disk->fault = (struct fault){0};
    close_handles(disk);
    disk_store_crash(&disk->store);
}

void sim_disk_restart(struct sim_disk *disk)
{
    if (disk->is_off) {
        sim_disk_crash(disk);
    }
    disk->is_crash_armed = false;
    disk->fault = (struct fault){0};
    close_handles(disk);
}

void sim_disk_crash_after(struct sim_disk *disk, uint64_t call_count)
{
    disk->is_crash_armed = true;
    disk->crash_after = call_count;
}

bool sim_disk_is_off(const struct sim_disk *disk)
{
    return disk->is_off;
}

void sim_disk_fail_next(struct sim_disk *disk,
                        enum sim_disk_call kind,
                        uint64_t after_calls,
                        int error)
{
    disk->fault = (struct fault){.is_armed = true,
                                 .kind = kind,
                                 .after_calls = after_calls,
                                 .error = error};
}

bool sim_disk_has_failed(const struct sim_disk *disk)
{
    return disk->fault.has_struck;
}

/* ---- the calls --------------------------------------------------------------------- */

static struct handle *find_handle(struct sim_disk *disk, int id)
{
    for (size_t i = 0; i < disk->handle_count; i++) {
        if (disk->handles[i].id == id && disk->handles[i].inode != NONE) {
            return &disk->handles[i];
        }
    }
    return NULL;
}

/* NULL: a handle from before a restart. */
static struct inode *inode_of(struct sim_disk *disk, int id)
{
    const struct handle *handle = find_handle(disk, id);
    return handle == NULL ? NULL : disk->store.inodes[handle->inode];
}

static int add_handle(struct sim_disk *disk, int inode)
{
    size_t at = 0;
    while (at < disk->handle_count && disk->handles[at].inode != NONE) {
        at++;
    }
    if (at == disk->handle_count) {
        size_t count = disk->handle_count + 1;
        disk->handles = disk_store_grow(disk->handles, count, sizeof *disk->handles);
        disk->handle_count = count;
    }
    disk->handles[at] = (struct handle){.id = ++disk->last_handle_id, .inode = inode};
    disk->store.inodes[inode]->handle_count++;
    return disk->handles[at].id;
}

static int open_file(void *context, const char *name, bool is_new)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_OPEN);
    const struct name *found = disk_store_find_name(&disk->store.cache, name);
    if (fate == FATE_LOSE_POWER && is_new && found == NULL &&
        disk_store_toss(&disk->store)) {
        make_change(disk, CHANGE_CREATE, "", name, disk_store_take_inode(&disk->store));
    }
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    if (is_new) {
        if (found != NULL) {
            return -EEXIST;
        }
        int inode = disk_store_take_inode(&disk->store);
        make_change(disk, CHANGE_CREATE, "", name, inode);
        return add_handle(disk, inode);
    }
    return found == NULL ? -ENOENT : add_handle(disk, found->inode);
}

static int close_file(void *context, int handle)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_CLOSE);
    if (fate == FATE_IS_OFF || fate == FATE_LOSE_POWER) {
        return error_of(disk, fate);
    }
    struct handle *closed = find_handle(disk, handle);
    if (closed == NULL) {
        return -EBADF;
    }
    disk->store.inodes[closed->inode]->handle_count--;
    closed->inode = NONE; // also when the close fails, as on Linux
    return fate == FATE_DO ? 0 : error_of(disk, fate);
}

static int64_t
read_at(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_READ);
    if (fate != FATE_DO) {
        return fate == FATE_FAIL ? error_of(disk, fate) : -ENXIO; // no single sector's
    }
    CHECK(offset % PAGE_BYTES == 0);
    CHECK(bytes % PAGE_BYTES == 0);
    CHECK((uintptr_t)data % FILES_ALIGN_BYTES == 0);
    const struct inode *inode = inode_of(disk, handle);
    if (inode == NULL) {
        return -EBADF;
    }
    uint64_t there = offset < inode->cache_bytes ? inode->cache_bytes - offset : 0;
    size_t taken = bytes < there ? bytes : (size_t)there;
    for (size_t at = 0; at < taken; at += PAGE_BYTES) {
        size_t index = (size_t)(offset + at) / PAGE_BYTES;
        size_t part = taken - at < PAGE_BYTES ? taken - at : PAGE_BYTES;
        const struct page *page = index < inode->page_count ? inode->pages[index] : NULL;
        if (page != NULL && (page->rotten & ~page->dirty) != 0) {
            return -EIO;
        }
        if (page != NULL) {
            memcpy((uint8_t *)data + at, page->cache, part);
        } else {
            memset((uint8_t *)data + at, 0, part);
        }
    }
    disk->counters.bytes_read += taken;
    return (int64_t)taken;
}

static void put_span(struct sim_disk *disk,
                     struct inode *inode,
                     const struct span *span,
                     size_t taken,
                     bool is_any)
{
    disk_store_write(&disk->store, inode, span, taken, is_any);
    disk->counters.bytes_written += taken;
}

/* A write that does not do what it should: some of it may have happened. */
static int64_t write_partly(struct sim_disk *disk,
                            struct inode *inode,
                            const struct span *span,
                            enum fate fate,
                            bool is_through)
{
    if (fate == FATE_FAIL && disk->fault.error == SIM_DISK_SHORT_WRITE) {
        uint64_t sectors =
            disk_store_draw_below(&disk->store, span->bytes / SIM_DISK_SECTOR_BYTES);
        size_t taken = (size_t)sectors * SIM_DISK_SECTOR_BYTES;
        put_span(disk, inode, span, taken, false);
        return (int64_t)taken;
    }
    if (fate != FATE_IS_OFF) {
        // Through a page cache the write itself may have been whole: its sync failed.
        bool is_whole = fate == FATE_FAIL && !disk->is_direct && is_through &&
                        disk_store_toss(&disk->store);
        put_span(disk, inode, span, span->bytes, !is_whole);
    }
    return error_of(disk, fate);
}

static int64_t
write_span_at(struct sim_disk *disk, int handle, const struct span *span, bool is_through)
{
    enum fate fate = begin_call(disk, SIM_DISK_WRITE);
    if (fate == FATE_IS_OFF) {
        return -EIO;
    }
    CHECK(span->offset % PAGE_BYTES == 0);
    CHECK(span->bytes % PAGE_BYTES == 0);
    CHECK((uintptr_t)span->data % FILES_ALIGN_BYTES == 0);
    struct inode *inode = inode_of(disk, handle);
    if (inode == NULL) {
        return -EBADF;
    }
    uint64_t end = span->offset + span->bytes;
    disk->counters.writes++;
    disk->counters.syncs += is_through;
    if (end > inode->cache_bytes &&
        end - inode->cache_bytes >
            disk_store_free_bytes(&disk->store, disk->capacity_bytes)) {
        return -ENOSPC;
    }
    if (fate != FATE_DO) {
        int64_t result = write_partly(disk, inode, span, fate, is_through);
        if (fate == FATE_FAIL && is_through) {
            // Direct I/O leaves nothing in a cache; a page cache forgets that it owes
            // (fsyncgate).
            disk_store_flush_span(inode, span, disk->is_direct ? FLUSH_ALL : FLUSH_NONE);
        }
        return result;
    }
    put_span(disk, inode, span, span->bytes, false);
    if (is_through) {
        disk_store_flush_span(inode, span, FLUSH_ALL);
    }
    return (int64_t)span->bytes;
}

static int64_t
write_at(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    const struct span span = {.data = data, .bytes = bytes, .offset = offset};
    return write_span_at(context, handle, &span, false);
}

static int64_t
write_through(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    const struct span span = {.data = data, .bytes = bytes, .offset = offset};
    return write_span_at(context, handle, &span, true);
}

static int sync_file(void *context, int handle)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_SYNC);
    if (fate == FATE_IS_OFF) {
        return -EIO;
    }
    disk->counters.syncs++;
    struct inode *inode = inode_of(disk, handle);
    if (inode == NULL) {
        return -EBADF;
    }
    if (fate == FATE_DO) {
        disk_store_flush(&disk->store, inode, FLUSH_ALL);
        return 0;
    }
    if (fate == FATE_FAIL) {
        disk_store_flush(&disk->store, inode, FLUSH_NONE);
    }
    // When power is lost, what was dirty stays so: the crash decides about it.
    return error_of(disk, fate);
}

static int64_t size_of(void *context, int handle)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_SIZE);
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    const struct inode *inode = inode_of(disk, handle);
    return inode == NULL ? -EBADF : (int64_t)inode->cache_bytes;
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_RENAME);
    bool is_there = disk_store_find_name(&disk->store.cache, from) != NULL;
    if (fate == FATE_LOSE_POWER && is_there && disk_store_toss(&disk->store)) {
        make_change(disk, CHANGE_RENAME, from, to, NONE);
    }
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    if (!is_there) {
        return -ENOENT;
    }
    make_change(disk, CHANGE_RENAME, from, to, NONE);
    return 0;
}

static int remove_file(void *context, const char *name)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_REMOVE);
    bool is_there = disk_store_find_name(&disk->store.cache, name) != NULL;
    if (fate == FATE_LOSE_POWER && is_there && disk_store_toss(&disk->store)) {
        make_change(disk, CHANGE_REMOVE, name, "", NONE);
    }
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    if (!is_there) {
        return -ENOENT;
    }
    make_change(disk, CHANGE_REMOVE, name, "", NONE);
    return 0;
}

static int sync_directory(void *context)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_SYNC_DIRECTORY);
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    disk->counters.syncs++;
    disk_store_sync_directory(&disk->store);
    return 0;
}

static int list(void *context, const struct files_listing *listing)
{
    struct sim_disk *disk = context;
    enum fate fate = begin_call(disk, SIM_DISK_LIST);
    if (fate != FATE_DO) {
        return error_of(disk, fate);
    }
    for (size_t i = 0; i < disk->store.cache.count; i++) {
        listing->on_name(listing->context, disk->store.cache.names[i].text);
    }
    return 0;
}

static uint64_t room_of(void *context)
{
    const struct sim_disk *disk = context;
    return disk->says_room ? disk_store_free_bytes(&disk->store, disk->capacity_bytes)
                           : UINT64_MAX;
}

static bool is_direct(void *context)
{
    const struct sim_disk *disk = context;
    return disk->is_direct;
}

struct files sim_disk_files(struct sim_disk *disk)
{
    return (struct files){
        .context = disk,
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

/* ---- the disk itself --------------------------------------------------------------- */

struct sim_disk *sim_disk_new(uint64_t seed, uint64_t capacity_bytes)
{
    struct sim_disk *disk = disk_store_grow(NULL, 1, sizeof *disk);
    *disk = (struct sim_disk){.capacity_bytes = capacity_bytes};
    sim_disk_reset(disk, seed);
    return disk;
}

void sim_disk_reset(struct sim_disk *disk, uint64_t seed)
{
    disk_store_reset(&disk->store, seed);
    disk->is_direct = true;
    disk->says_room = false;
    disk->is_off = false;
    disk->is_crash_armed = false;
    disk->fault = (struct fault){0};
    disk->counters = (struct sim_disk_counters){0};
    disk->handle_count = 0;
}

void sim_disk_destroy(struct sim_disk **disk)
{
    disk_store_fini(&(*disk)->store);
    disk_store_fini(&(*disk)->image);
    free((*disk)->handles);
    free(*disk);
    *disk = NULL;
}

void sim_disk_set_direct(struct sim_disk *disk, bool is_direct_now)
{
    disk->is_direct = is_direct_now;
}

void sim_disk_set_says_room(struct sim_disk *disk, bool says_room)
{
    disk->says_room = says_room;
}

void sim_disk_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes)
{
    disk->capacity_bytes = capacity_bytes;
}

bool sim_disk_overwrite(struct sim_disk *disk,
                        const char *name,
                        uint64_t offset,
                        const void *data,
                        size_t bytes)
{
    const struct name *found = disk_store_find_name(&disk->store.cache, name);
    if (found == NULL || offset + bytes > disk->store.inodes[found->inode]->cache_bytes) {
        return false;
    }
    struct inode *inode = disk->store.inodes[found->inode];
    size_t part = 0;
    for (size_t done = 0; done < bytes; done += part) {
        size_t at = (size_t)(offset + done) % PAGE_BYTES;
        struct page *page =
            disk_store_page(&disk->store, inode, (size_t)(offset + done) / PAGE_BYTES);
        part = PAGE_BYTES - at < bytes - done ? PAGE_BYTES - at : bytes - done;
        memcpy(page->cache + at, (const uint8_t *)data + done, part);
        memcpy(page->media + at, (const uint8_t *)data + done, part);
    }
    return true;
}

bool sim_disk_make_unreadable(struct sim_disk *disk, const char *name, uint64_t offset)
{
    CHECK(offset % PAGE_BYTES == 0);
    const struct name *found = disk_store_find_name(&disk->store.cache, name);
    if (found == NULL || offset >= disk->store.inodes[found->inode]->cache_bytes) {
        return false;
    }
    struct inode *inode = disk->store.inodes[found->inode];
    disk_store_rot(&disk->store, inode, (size_t)offset / PAGE_BYTES);
    return true;
}

void sim_disk_keep_image(struct sim_disk *disk)
{
    disk_store_copy_media(&disk->image, &disk->store);
}

void sim_disk_put_image_back(struct sim_disk *disk)
{
    sim_disk_restart(disk);
    disk_store_copy_media(&disk->store, &disk->image);
}

bool sim_disk_read_media(const struct sim_disk *disk,
                         const char *name,
                         uint64_t offset,
                         void *data,
                         size_t bytes)
{
    const struct name *found = disk_store_find_name(&disk->store.media, name);
    if (found == NULL || offset + bytes > disk->store.inodes[found->inode]->media_bytes) {
        return false;
    }
    const struct inode *inode = disk->store.inodes[found->inode];
    size_t part = 0;
    for (size_t done = 0; done < bytes; done += part) {
        size_t index = (size_t)(offset + done) / PAGE_BYTES;
        size_t from = (size_t)(offset + done) % PAGE_BYTES;
        const struct page *page = index < inode->page_count ? inode->pages[index] : NULL;
        part = PAGE_BYTES - from < bytes - done ? PAGE_BYTES - from : bytes - done;
        if (page == NULL) {
            memset((uint8_t *)data + done, 0, part);
        } else {
            memcpy((uint8_t *)data + done, page->media + from, part);
        }
    }
    return true;
}

struct sim_disk_counters sim_disk_counters_of(const struct sim_disk *disk)
{
    return disk->counters;
}
