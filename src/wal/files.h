/*
 * files.h - every file call of the log behind one table, so that the simulator and the
 * crash tests can put another disk under the same code.
 *
 * All names are inside one directory. Calls answer 0 (or a count, or a handle >= 0) or
 * a negated errno. EINTR is handled inside; a short write is answered as such. Offsets,
 * sizes and memory of reads and writes are multiples of FILES_ALIGN_BYTES.
 *
 * Thread: any; each handle belongs to the thread that opened it.
 */
#ifndef CONSENS_WAL_FILES_H
#define CONSENS_WAL_FILES_H

#include "base/fault_switch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILES_ALIGN_BYTES = 4096, // of offsets, sizes and memory, for direct I/O
    FILES_NAME_BYTES = 64,    // longer names in the directory are not ours
};

struct files_listing {
    void (*on_name)(void *context, const char *name);
    void *context;
};

struct files_words {
    char text[128];
};

/* An errno in words, for sentences. */
struct files_words files_words_of(int error);

struct files {
    void *context;
    /* Opens (creates if is_new: fails with -EEXIST) for reading and writing; a handle. */
    int (*open_file)(void *context, const char *name, bool is_new);
    int (*close_file)(void *context, int handle);
    /* Fewer bytes than asked for: the end of the file. */
    int64_t (
        *read_at)(void *context, int handle, void *data, size_t bytes, uint64_t offset);
    int64_t (*write_at)(void *context,
                        int handle,
                        const void *data,
                        size_t bytes,
                        uint64_t offset);
    /*
     * write_at that returns once these bytes are durable: one flush instead of two calls.
     * It says nothing of what was written before.
     */
    int64_t (*write_through)(void *context,
                             int handle,
                             const void *data,
                             size_t bytes,
                             uint64_t offset);
    int (*sync_file)(void *context, int handle); // data, and the size if it changed
    int64_t (*size_of)(void *context, int handle);
    int (*rename_file)(void *context, const char *from, const char *to);
    int (*remove_file)(void *context, const char *name);
    int (*sync_directory)(void *context); // creations, renames, removals
    int (*list)(void *context, const struct files_listing *listing);
    /*
     * By how many bytes files can grow, as far as the file system says: less may fit, never
     * more. UINT64_MAX: it does not say.
     */
    uint64_t (*room_of)(void *context);
    bool (*is_direct)(
        void *context); // false: reads and writes pass through the page cache
};

/*
 * The real disk: makes `path` (0700) if missing (its last component only), locks it
 * (flock), refuses network file systems, opens files with O_DIRECT where that works.
 * `out_error` gets a sentence on failure. Statuses: 0, -EWOULDBLOCK (another process
 * holds it), other negated errno. The table it fills in may be used by two threads at
 * once.
 */
int files_open_directory(struct files *out_files,
                         const char *path,
                         char *out_error,
                         size_t error_bytes);
/* Makes the name of `path` in its parent durable. 0 or an errno. */
int files_sync_parent(const char *path);
/* Plants faults: each sync then takes as long as they say. They outlive `files`. */
void files_plant(struct files *files, const struct fault_switch *faults);
void files_close_directory(struct files *files);

#endif
