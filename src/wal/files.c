/*
 * The real disk. Reads and writes are direct where the file system takes that: what
 * recovery reads then is what the device has, not what a page cache believes (PAXOS
 * 4.2). write_through is one write with RWF_DSYNC: on most devices one flush less than
 * a write and a sync.
 */
#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): O_DIRECT, pwritev2

#include "wal/files.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { PROBE_BYTES = FILES_ALIGN_BYTES, DIRECTORY_MODE = 0700, FILE_MODE = 0600 };

static const char PROBE_NAME[] = "prepare-probe";

struct real_disk {
    int directory; // holds the lock
    bool is_direct;
    const struct fault_switch *faults; // NULL: none are planted
};

struct file_system {
    uint32_t type; // of statfs(2)
    const char *name;
};

/* Over a network neither locks nor syncs mean what the log needs. */
static const struct file_system NETWORKED[] = {
    {0x00006969, "NFS"},
    {0x0000517b, "SMB"},
    {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},
    {0x00c36400, "Ceph"},
    {0x5346414f, "AFS"},
    {0x6b414653, "AFS"},
    {0x73757245, "Coda"},
    {0x0000564c, "NCP"},
    {0x0bd00bd0, "Lustre"},
    {0x19830326, "BeeGFS"},
    {0x01021997, "9P"},
    {0x786f4256, "a VirtualBox share"},
};

enum { TMPFS_TYPE = 0x01021994, RAMFS_TYPE = (int)0x858458f6 };

struct files_words files_words_of(int error)
{
    struct files_words words = {0};
    // This is the GNU strerror_r: its result may or may not be the buffer.
    const char *text = strerror_r(error, words.text, sizeof words.text);
    if (text != words.text) {
        (void)snprintf(words.text, sizeof words.text, "%s", text);
    }
    return words;
}

static struct real_disk *disk_of(void *context)
{
    return context;
}

/* What `consens dev` calls a slow disk. */
static void sync_slowly(const struct real_disk *disk)
{
    uint32_t delay_ms =
        disk->faults == NULL ? 0 : atomic_load(&disk->faults->sync_delay_ms);
    struct timespec rest = {.tv_sec = delay_ms / 1000,
                            .tv_nsec = (long)(delay_ms % 1000) * 1000000};
    while (delay_ms > 0 && nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

/* ---- files ------------------------------------------------------------------------- */

static int open_file(void *context, const char *name, bool is_new)
{
    const struct real_disk *disk = disk_of(context);
    int flags = O_RDWR | O_CLOEXEC | (disk->is_direct ? O_DIRECT : 0);
    flags |= is_new ? O_CREAT | O_EXCL : 0;
    int handle = -1;
    do {
        handle = openat(disk->directory, name, flags, FILE_MODE);
    } while (handle < 0 && errno == EINTR);
    return handle < 0 ? -errno : handle;
}

static int close_file(void *context, int handle)
{
    (void)context;
    // Linux has closed the file even when a signal came in between.
    return close(handle) == 0 || errno == EINTR ? 0 : -errno;
}

static int64_t
read_at(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    (void)context;
    size_t done = 0;
    while (done < bytes) {
        ssize_t got =
            pread(handle, (uint8_t *)data + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += got < 0 ? 0 : (size_t)got;
        // A direct read that ends between two blocks has met the end of the file.
        if (done % FILES_ALIGN_BYTES != 0) {
            break;
        }
    }
    return (int64_t)done;
}

static int64_t
write_with_flags(int handle, const void *data, size_t bytes, uint64_t offset, int flags)
{
    struct iovec vector = {.iov_len = bytes};
    memcpy(&vector.iov_base, &data,
           sizeof data); // a cast would drop const, which stays true
    ssize_t written = -1;
    do {
        written = pwritev2(handle, &vector, 1, (off_t)offset, flags);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

static int64_t
write_at(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    (void)context;
    return write_with_flags(handle, data, bytes, offset, 0);
}

static int64_t
write_through(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    sync_slowly(disk_of(context));
    return write_with_flags(handle, data, bytes, offset, RWF_DSYNC);
}

static int sync_file(void *context, int handle)
{
    sync_slowly(disk_of(context));
    int result = -1;
    do {
        result = fdatasync(handle); // with the size, if that has changed
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int64_t size_of(void *context, int handle)
{
    (void)context;
    struct stat status;
    return fstat(handle, &status) == 0 ? (int64_t)status.st_size : -errno;
}

/* ---- the directory ----------------------------------------------------------------- */

static int rename_file(void *context, const char *from, const char *to)
{
    int directory = disk_of(context)->directory;
    return renameat(directory, from, directory, to) == 0 ? 0 : -errno;
}

static int remove_file(void *context, const char *name)
{
    return unlinkat(disk_of(context)->directory, name, 0) == 0 ? 0 : -errno;
}

static int sync_directory(void *context)
{
    int result = -1;
    do {
        result = fsync(disk_of(context)->directory);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : -errno;
}

static int list_names(DIR *stream, const struct files_listing *listing)
{
    while (true) {
        // Not shared with another thread: the stream is ours.
        errno = 0;
        // cppcheck-suppress readdirCalled ; the stream is this call's own
        const struct dirent *item = readdir(stream); // NOLINT(concurrency-mt-unsafe)
        if (item == NULL) {
            return -errno;
        }
        if (strlen(item->d_name) < FILES_NAME_BYTES) {
            listing->on_name(listing->context, item->d_name);
        }
    }
}

static int list(void *context, const struct files_listing *listing)
{
    int handle =
        openat(disk_of(context)->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0) {
        return -errno;
    }
    DIR *stream = fdopendir(handle);
    if (stream == NULL) {
        int error = errno;
        (void)close(handle);
        return -error;
    }
    int result = list_names(stream, listing);
    (void)closedir(stream);
    return result;
}

/* Quotas do not count here. What is kept for the superuser is room for nobody else. */
static uint64_t room_of(void *context)
{
    struct statvfs status;
    if (fstatvfs(disk_of(context)->directory, &status) != 0 || status.f_blocks == 0) {
        return UINT64_MAX; // ramfs tells no sizes
    }
    return (uint64_t)(geteuid() == 0 ? status.f_bfree : status.f_bavail) *
           status.f_frsize;
}

static bool is_direct(void *context)
{
    return disk_of(context)->is_direct;
}

/* ---- opening ----------------------------------------------------------------------- */

struct complaint {
    char *text;
    size_t bytes;
    const char *path;
};

/* Writes the sentence; answers -error. */
static int complain(const struct complaint *complaint, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int complain(const struct complaint *complaint, int error, const char *format, ...)
{
    int written = snprintf(complaint->text, complaint->bytes, "the data directory %s ",
                           complaint->path);
    if (written > 0 && (size_t)written < complaint->bytes) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(complaint->text + written, complaint->bytes - (size_t)written,
                        format, arguments);
        va_end(arguments);
    }
    return -error;
}

static int make_directory(const struct complaint *complaint)
{
    if (mkdir(complaint->path, DIRECTORY_MODE) == 0 || errno == EEXIST) {
        return 0;
    }
    int error = errno;
    if (error == ENOENT) {
        return complain(
            complaint, error,
            "cannot be made: the directory above it does not exist. Make that "
            "one first, or set `data` to another place.");
    }
    return complain(
        complaint, error,
        "cannot be made: %s. Make it writable for this user, or set `data` to "
        "another place.",
        files_words_of(error).text);
}

/* So that a crash does not take the whole new directory away. 0 or an errno. */
int files_sync_parent(const char *path)
{
    char *copy = strdup(path);
    CHECK(copy != NULL);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') {
        copy[--length] = '\0';
    }
    char *slash = strrchr(copy, '/');
    const char *parent = ".";
    if (slash != NULL) {
        slash[slash == copy ? 1 : 0] = '\0';
        parent = copy;
    }
    int handle = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = handle < 0 || fsync(handle) != 0 ? errno : 0;
    if (handle >= 0) {
        (void)close(handle);
    }
    free(copy);
    // A parent that may be entered but not read cannot be synced by us; its owner made it.
    // One that cannot be written, or synced at all, was made before.
    return error == EACCES || error == EROFS || error == EINVAL ? 0 : error;
}

static int lock_directory(int directory, const struct complaint *complaint)
{
    int result = -1;
    do {
        result = flock(directory, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return 0;
    }
    int error = errno;
    if (error == EWOULDBLOCK) {
        return complain(
            complaint, error,
            "is in use by another process: two nodes cannot share one. Stop the "
            "other, or give this one a directory of its own.");
    }
    return complain(complaint, error, "cannot be locked: %s", files_words_of(error).text);
}

static int
check_file_system(int directory, const struct complaint *complaint, bool *out_is_memory)
{
    struct statfs status;
    if (fstatfs(directory, &status) != 0) {
        int error = errno;
        return complain(complaint, error, "cannot be looked at: %s",
                        files_words_of(error).text);
    }
    uint32_t type = (uint32_t)status.f_type;
    for (size_t i = 0; i < sizeof NETWORKED / sizeof NETWORKED[0]; i++) {
        if (type == NETWORKED[i].type) {
            return complain(
                complaint, EOPNOTSUPP,
                "lies on a network file system (%s), where a lock or a sync may "
                "not hold. Set `data` to a local disk.",
                NETWORKED[i].name);
        }
    }
    *out_is_memory = type == (uint32_t)TMPFS_TYPE || type == (uint32_t)RAMFS_TYPE;
    return 0;
}

/* A direct write and read of one block. 0 or an errno. */
static int try_direct(const struct real_disk *disk)
{
    int handle = openat(disk->directory, PROBE_NAME,
                        O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, FILE_MODE);
    if (handle < 0) {
        return errno;
    }
    uint8_t *page = aligned_alloc(FILES_ALIGN_BYTES, PROBE_BYTES);
    CHECK(page != NULL);
    memset(page, 0, PROBE_BYTES);
    int64_t done = write_with_flags(handle, page, PROBE_BYTES, 0, RWF_DSYNC);
    if (done == PROBE_BYTES) {
        done = read_at(NULL, handle, page, PROBE_BYTES, 0);
    }
    free(page);
    (void)close(handle);
    if (done < 0) {
        return (int)-done;
    }
    return done == PROBE_BYTES ? 0 : ENOSPC;
}

/* Whether files can be made here, and whether O_DIRECT works on them. */
static int
probe(struct real_disk *disk, bool is_memory, const struct complaint *complaint)
{
    int error = try_direct(disk);
    (void)unlinkat(disk->directory, PROBE_NAME, 0);
    // With no room this cannot be tried: the log itself finds out, and says so.
    disk->is_direct = !is_memory && (error == 0 || error == ENOSPC || error == EDQUOT);
    bool is_unwritable = error == EACCES || error == EPERM || error == EROFS;
    if (is_unwritable || error == EIO) {
        return complain(complaint, error,
                        "cannot be written: %s. Make it writable for this user, or set "
                        "`data` to another place.",
                        files_words_of(error).text);
    }
    return 0;
}

static int open_directory(struct real_disk *disk, const struct complaint *complaint)
{
    int result = make_directory(complaint);
    if (result != 0) {
        return result;
    }
    disk->directory = open(complaint->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->directory < 0) {
        int error = errno;
        return complain(complaint, error, "cannot be opened: %s",
                        files_words_of(error).text);
    }
    bool is_memory = false;
    result = lock_directory(disk->directory, complaint);
    if (result == 0) {
        result = check_file_system(disk->directory, complaint, &is_memory);
    }
    if (result == 0) {
        int error = files_sync_parent(complaint->path);
        result = error == 0 ? 0
                            : complain(complaint, error, "cannot be made durable: %s",
                                       files_words_of(error).text);
    }
    return result == 0 ? probe(disk, is_memory, complaint) : result;
}

int files_open_directory(struct files *out_files,
                         const char *path,
                         char *out_error,
                         size_t error_bytes)
{
    *out_files = (struct files){0};
    out_error[0] = '\0';
    struct real_disk *disk = calloc(1, sizeof *disk);
    CHECK(disk != NULL);
    disk->directory = -1;
    const struct complaint complaint = {.text = out_error,
                                        .bytes = error_bytes,
                                        .path = path};
    int result = open_directory(disk, &complaint);
    if (result != 0) {
        if (disk->directory >= 0) {
            (void)close(disk->directory);
        }
        free(disk);
        return result;
    }
    *out_files = (struct files){
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
    return 0;
}

void files_plant(struct files *files, const struct fault_switch *faults)
{
    disk_of(files->context)->faults = faults;
}

void files_close_directory(struct files *files)
{
    struct real_disk *disk = files->context;
    if (disk == NULL) {
        return;
    }
    (void)close(disk->directory); // and with it the lock
    free(disk);
    *files = (struct files){0};
}
