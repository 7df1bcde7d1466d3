/*
 * preload_cache.c - what a power loss would take: of each file what lay there before the bytes
 * that have not been synced since. Kept in a file beside the control file (its name and
 * ".unsynced"), so that a SIGKILL leaves it; the driver puts old bytes back before the next start
 * (power.py reads the same records). Names, sizes and removals of files are not modelled.
 *
 * A record is a head of 32 bytes and, of a write, the bytes that lay there.
 */
#define _GNU_SOURCE 1

#include "chaos/preload_cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ALIGN_BYTES = 4096, // of direct reads
    FILES_MAX = 64,     // with something unsynced at once: a node writes to a handful
    EXIT_BROKEN = 125,
};

enum kind { KIND_WRITE = 1, KIND_RANGE_SYNCED = 2, KIND_FILE_SYNCED = 3 };

struct head {
    uint64_t kind;
    uint64_t inode;
    uint64_t offset;
    uint64_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static uint64_t unsynced[FILES_MAX]; // inodes
static size_t unsynced_count;

__attribute__((constructor)) static void open_out(void)
{
    const char *control = getenv("CHAOS_CONTROL");
    char path[4096];
    if (control == NULL) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s.unsynced", control);
    out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) {
        perror("chaos: what is not synced cannot be kept");
        _exit(EXIT_BROKEN);
    }
}

static void *allocate(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, ALIGN_BYTES, bytes) != 0) {
        _exit(EXIT_BROKEN);
    }
    memset(memory, 0, bytes);
    return memory;
}

static void append(const struct head *head, void *old)
{
    struct iovec parts[2] = {{.iov_len = sizeof *head},
                             {.iov_base = old, .iov_len = old == NULL ? 0 : head->bytes}};
    struct head copy = *head;
    parts[0].iov_base = &copy;
    ssize_t wanted = (ssize_t)(parts[0].iov_len + parts[1].iov_len);
    if (writev(out, parts, 2) != wanted) {
        perror("chaos: what is not synced cannot be kept");
        _exit(EXIT_BROKEN);
    }
}

static uint64_t inode_of(int handle)
{
    struct stat status;
    return fstat(handle, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

static bool is_zero(const void *memory, size_t bytes)
{
    const unsigned char *at = memory;
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

static bool is_unsynced(uint64_t inode)
{
    for (size_t i = 0; i < unsynced_count; i++) {
        if (unsynced[i] == inode) {
            return true;
        }
    }
    return false;
}

static void forget(uint64_t inode)
{
    for (size_t i = 0; i < unsynced_count; i++) {
        if (unsynced[i] == inode) {
            unsynced[i] = unsynced[--unsynced_count];
        }
    }
    if (unsynced_count == 0 && ftruncate(out, 0) != 0) {
        _exit(EXIT_BROKEN);
    }
}

void cache_note_write(int handle, const struct iovec *vector, off_t offset)
{
    if (out < 0) {
        return;
    }
    size_t bytes = vector->iov_len;
    void *old = allocate((bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES);
    ssize_t got = pread(handle, old, bytes, offset); // behind the end it is zeros
    struct head head = {KIND_WRITE, inode_of(handle), (uint64_t)offset, bytes};
    bool changes = !is_zero(vector->iov_base, bytes) || !is_zero(old, bytes);
    if (got < 0) {
        perror("chaos: what a write replaces cannot be read");
        _exit(EXIT_BROKEN);
    }
    if (changes) { // zeros over nothing: as good lost as kept
        (void)pthread_mutex_lock(&lock);
        if (!is_unsynced(head.inode)) {
            if (unsynced_count == FILES_MAX) {
                _exit(EXIT_BROKEN);
            }
            unsynced[unsynced_count++] = head.inode;
        }
        append(&head, old);
        (void)pthread_mutex_unlock(&lock);
    }
    free(old);
}

void cache_note_range_synced(int handle, off_t offset, size_t bytes)
{
    if (out < 0) {
        return;
    }
    struct head head = {KIND_RANGE_SYNCED, inode_of(handle), (uint64_t)offset, bytes};
    (void)pthread_mutex_lock(&lock);
    if (is_unsynced(head.inode)) {
        append(&head, NULL);
    }
    (void)pthread_mutex_unlock(&lock);
}

void cache_note_file_synced(int handle)
{
    if (out < 0) {
        return;
    }
    struct head head = {KIND_FILE_SYNCED, inode_of(handle), 0, 0};
    (void)pthread_mutex_lock(&lock);
    if (is_unsynced(head.inode)) {
        append(&head, NULL);
        forget(head.inode);
    }
    (void)pthread_mutex_unlock(&lock);
}
