/*
 * disk.h - a simulated disk behind `struct files`: page cache and media apart.
 *
 *   write_at        changes the cache; the sectors touched are dirty
 *   sync_file       moves the file's dirty sectors, and its size, to the media
 *   write_through   write_at whose own sectors are on the media on return
 *   sync_directory  makes creations, renames and removals since the last one durable
 *   crash           each dirty 512-byte sector, each changed size and each directory
 *                   change not synced survives or not, independently; then the cache is
 *                   the media
 *
 * Reads see the cache: what the operating system answers while it is up. Pages that were
 * never written (or only with zeros) take no memory, and sim_disk_reset() keeps what was
 * allocated. All chance comes from the disk's own generator: same seed and same calls,
 * same outcome.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SUPPORT_DISK_H
#define CONSENS_TESTS_SUPPORT_DISK_H

#include "wal/files.h"

enum { SIM_DISK_SECTOR_BYTES = 512 };

struct sim_disk;

enum sim_disk_call {
    SIM_DISK_ANY = 0, // for sim_disk_fail_next(): whichever comes
    SIM_DISK_OPEN,
    SIM_DISK_CLOSE,
    SIM_DISK_READ,
    SIM_DISK_WRITE, // write_at and write_through
    SIM_DISK_SYNC,
    SIM_DISK_SIZE,
    SIM_DISK_RENAME,
    SIM_DISK_REMOVE,
    SIM_DISK_SYNC_DIRECTORY,
    SIM_DISK_LIST,
    SIM_DISK_CALL_KINDS,
};

enum { SIM_DISK_SHORT_WRITE = -1 }; // an `error` of sim_disk_fail_next()

struct sim_disk_counters {
    uint64_t calls; // of all kinds
    uint64_t writes;
    uint64_t syncs; // sync_file, sync_directory and write_through
    uint64_t bytes_written;
    uint64_t bytes_read;
};

struct sim_disk *sim_disk_new(uint64_t seed, uint64_t capacity_bytes);
void sim_disk_destroy(struct sim_disk **disk);

/* An empty disk again, with another seed; counters and faults are cleared. */
void sim_disk_reset(struct sim_disk *disk, uint64_t seed);

/* Files of the disk. Valid as long as the disk, across crashes. */
struct files sim_disk_files(struct sim_disk *disk);

/*
 * What files.is_direct answers: true unless told otherwise. Reads are the same either
 * way.
 */
void sim_disk_set_direct(struct sim_disk *disk, bool is_direct);

/* Whether files.room_of tells the free space: not unless told to. */
void sim_disk_set_says_room(struct sim_disk *disk, bool says_room);

/*
 * Free space may be taken away and given back: calls that grow a file past it get
 * -ENOSPC.
 */
void sim_disk_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes);

/*
 * Power is lost and comes back: see above. Handles are gone: calls on them answer -EBADF,
 * so an old log may be closed afterwards.
 */
void sim_disk_crash(struct sim_disk *disk);

/*
 * The call after `call_count` further ones takes partial effect (a write: any subset of
 * its sectors, in the cache or, written through, on the media) and answers -EIO (a read
 * -ENXIO: EIO is of a bad sector), as do all later ones, until sim_disk_restart(). 0: the
 * very next call.
 */
void sim_disk_crash_after(struct sim_disk *disk, uint64_t call_count);

/* True from the call that sim_disk_crash_after() chose until sim_disk_restart(). */
bool sim_disk_is_off(const struct sim_disk *disk);

/*
 * The process starts anew: handles are gone, armed faults too. If power was off, as
 * sim_disk_crash().
 */
void sim_disk_restart(struct sim_disk *disk);

/*
 * One fault: after `after_calls` further calls of `kind`, the next one of it fails with
 * `error` (an errno, or SIM_DISK_SHORT_WRITE: a write takes and answers fewer bytes; as
 * EIO on other calls). A failed write has put any subset of its sectors into the cache.
 * After a failed sync what was dirty is clean without having reached the media
 * (fsyncgate); so it is after a failed write_through, except that direct I/O has no
 * cache. Replaces a fault armed before.
 */
void sim_disk_fail_next(struct sim_disk *disk,
                        enum sim_disk_call kind,
                        uint64_t after_calls,
                        int error);

/* True once the armed fault has struck. */
bool sim_disk_has_failed(const struct sim_disk *disk);

/*
 * Rot: overwrites bytes of a file in cache and media alike. False if there is no such
 * place.
 */
bool sim_disk_overwrite(struct sim_disk *disk,
                        const char *name,
                        uint64_t offset,
                        const void *data,
                        size_t bytes);

/*
 * Rot: the page (FILES_ALIGN_BYTES) at `offset` cannot be read any more: each read that
 * touches it answers -EIO until a write of it reaches the media, sector by sector, as real
 * disks put another sector in a bad one's place. Its bytes are gone: on the media there is
 * garbage (sim_disk_read_media). False if there is no such place.
 */
bool sim_disk_make_unreadable(struct sim_disk *disk, const char *name, uint64_t offset);

/*
 * An image of the media as they are now (a backup, a snapshot of the machine), in place of
 * one kept before; and the disk as it was then, for a process that is not running.
 */
void sim_disk_keep_image(struct sim_disk *disk);
void sim_disk_put_image_back(struct sim_disk *disk);

/* Bytes of a file as they are on the media, whatever the cache says (I10). */
bool sim_disk_read_media(const struct sim_disk *disk,
                         const char *name,
                         uint64_t offset,
                         void *data,
                         size_t bytes);

struct sim_disk_counters sim_disk_counters_of(const struct sim_disk *disk);

#endif
