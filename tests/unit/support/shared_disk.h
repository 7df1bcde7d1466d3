/*
 * shared_disk.h - a simulated disk behind one lock, for code with threads. A test may hold
 * it: then no write_through() and no read ends.
 *
 * Thread: any. The disk itself may be used only while no other thread runs.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_SHARED_DISK_H
#define CONSENS_TESTS_UNIT_SUPPORT_SHARED_DISK_H

#include "base/bytes.h"
#include "support/disk.h"

#include <pthread.h>
#include <stdatomic.h>

struct shared_disk {
    struct sim_disk *disk; // borrowed
    struct files inner;    // of the disk
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_held;                   // blocks that are written through
    bool are_syncs_held;            // syncs of files
    _Atomic uint64_t waiting_count; // calls that wait for the hold to end
    int open_error;                 // what opening a file answers; 0: as the disk
    int create_error;               // and making one
    uint32_t read_us;               // what a read takes
    uint64_t reads;
    uint64_t reads_before_write; // how many there had been at the last write_through()
    uint64_t reads_before_sync;  // and at the first sync for which it was not 0
};

void shared_disk_init(struct shared_disk *shared, struct sim_disk *disk);
void shared_disk_fini(struct shared_disk *shared);
/* Live as long as the shared disk. */
struct files shared_disk_files(struct shared_disk *shared);

void shared_disk_hold(struct shared_disk *shared, bool is_held);
void shared_disk_hold_syncs(struct shared_disk *shared, bool are_held);

/* From now on reads are slow, and are counted anew. */
void shared_disk_slow_reads(struct shared_disk *shared, uint32_t read_us);

/* Opening a file, and making one, fail from now on; 0: they do not. */
void shared_disk_fail_opens(struct shared_disk *shared, int open_error, int create_error);

/* As those of the disk. */
void shared_disk_fail_next(struct shared_disk *shared,
                           enum sim_disk_call call,
                           int error);
void shared_disk_set_capacity(struct shared_disk *shared, uint64_t bytes);
bool shared_disk_overwrite(struct shared_disk *shared,
                           const char *name,
                           uint64_t offset,
                           struct cs_view bytes);
struct sim_disk_counters shared_disk_counters_of(struct shared_disk *shared);

#endif
