/*
 * disk_store.h - what a simulated disk is made of: pages, files (inodes), directories,
 * chance. disk.c puts calls, faults and power on top.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SUPPORT_DISK_STORE_H
#define CONSENS_TESTS_SUPPORT_DISK_STORE_H

#include "support/disk.h"

enum {
    PAGE_BYTES = 4096,
    SECTORS_PER_PAGE = PAGE_BYTES / SIM_DISK_SECTOR_BYTES,
    ALL_SECTORS = (1 << SECTORS_PER_PAGE) - 1,
    NONE = -1,
};

struct page {
    uint8_t cache[PAGE_BYTES];
    uint8_t media[PAGE_BYTES];
    uint8_t dirty;     // a bit a sector: in the cache, not yet on the media
    uint8_t rotten;    // a bit a sector: on the media, and cannot be read
    bool is_listed;    // among its inode's dirty pages
    bool is_apart;     // cache and media may differ
    struct page *next; // among the free ones
};

struct inode {
    bool is_used;
    uint32_t handle_count;
    uint64_t cache_bytes; // the file's size
    uint64_t media_bytes; // the size that a crash is sure to leave
    struct page **pages;  // NULL: reads zero
    size_t page_count;
    size_t *dirty_pages;
    size_t dirty_count;
    size_t dirty_capacity;
};

struct name {
    char text[FILES_NAME_BYTES];
    int inode;
};

struct directory {
    struct name *names;
    size_t count;
    size_t capacity;
};

enum change_kind { CHANGE_CREATE, CHANGE_RENAME, CHANGE_REMOVE };

struct change { // of the directory, not yet durable
    enum change_kind kind;
    int inode; // CREATE
    char from[FILES_NAME_BYTES];
    char to[FILES_NAME_BYTES];
};

struct disk_store {
    uint64_t random[4];
    struct page *free_pages;
    struct inode **inodes;
    size_t inode_count;
    struct directory cache; // what open_file() and list() see
    struct directory media; // what a crash is sure to leave
    struct change *changes; // from media to cache, in order
    size_t change_count;
    size_t change_capacity;
};

enum flush { FLUSH_ALL, FLUSH_ANY, FLUSH_NONE };

struct span {
    const uint8_t *data;
    size_t bytes;
    uint64_t offset;
};

/* Empty, with another seed; memory is kept. fini() frees it. */
void disk_store_reset(struct disk_store *store, uint64_t seed);
void disk_store_fini(struct disk_store *store);

/* realloc() that does not fail. */
void *disk_store_grow(void *memory, size_t count, size_t item_bytes);

bool disk_store_toss(struct disk_store *store);
uint64_t disk_store_draw_below(struct disk_store *store, uint64_t bound);

int disk_store_take_inode(struct disk_store *store);

/* NULL: there is no such name. */
struct name *disk_store_find_name(const struct directory *directory, const char *text);
void disk_store_change(struct disk_store *store, const struct change *change);
/* The directory as the cache has it becomes durable. */
void disk_store_sync_directory(struct disk_store *store);

/*
 * Writes whole sectors into the cache: all of the first `taken` bytes, or of them any
 * subset.
 */
void disk_store_write(struct disk_store *store,
                      struct inode *inode,
                      const struct span *span,
                      size_t taken,
                      bool is_any);
/* The span's dirty sectors are clean afterwards; they reach the media with FLUSH_ALL. */
void disk_store_flush_span(struct inode *inode,
                           const struct span *span,
                           enum flush flush);
/* What was dirty is clean afterwards; how much of it reached the media is `flush`. */
void disk_store_flush(struct disk_store *store, struct inode *inode, enum flush flush);
/* A page to scribble on, made if it was never written. */
struct page *disk_store_page(struct disk_store *store, struct inode *inode, size_t index);

/* What was there is gone; no read of the page succeeds until it is written again. */
void disk_store_rot(struct disk_store *store, struct inode *inode, size_t index);

/* What is left of `capacity_bytes` beside files that a name or a handle leads to. */
uint64_t disk_store_free_bytes(const struct disk_store *store, uint64_t capacity_bytes);

/* `to` becomes a disk with the files that `from` has on its media; its chance goes on. */
void disk_store_copy_media(struct disk_store *to, const struct disk_store *from);

/* Power is lost and comes back; no handle is open. */
void disk_store_crash(struct disk_store *store);

#endif
