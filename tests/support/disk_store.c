#include "support/disk_store.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t rotate(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

/* xoshiro256** of Blackman and Vigna. */
static uint64_t draw(struct disk_store *store)
{
    uint64_t *s = store->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

bool disk_store_toss(struct disk_store *store)
{
    return draw(store) >> 63 != 0;
}

uint64_t disk_store_draw_below(struct disk_store *store, uint64_t bound)
{
    return bound == 0 ? 0 : draw(store) % bound;
}

/* splitmix64 spreads the seed over the state. */
static void seed_random(struct disk_store *store, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        store->random[i] = z ^ (z >> 31);
    }
}

/* ---- memory ------------------------------------------------------------------------ */

void *disk_store_grow(void *memory, size_t count, size_t item_bytes)
{
    void *grown = realloc(memory, count * item_bytes);
    CHECK(grown != NULL);
    return grown;
}

static bool is_zero(const uint8_t *data, size_t bytes)
{
    return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

static struct page *take_page(struct disk_store *store)
{
    struct page *page = store->free_pages;
    if (page != NULL) {
        store->free_pages = page->next;
    } else {
        page = disk_store_grow(NULL, 1, sizeof *page);
    }
    memset(page, 0, sizeof *page);
    return page;
}

static void free_inode(struct disk_store *store, struct inode *inode)
{
    for (size_t i = 0; i < inode->page_count; i++) {
        struct page *page = inode->pages[i];
        if (page != NULL) {
            page->next = store->free_pages;
            store->free_pages = page;
            inode->pages[i] = NULL;
        }
    }
    inode->dirty_count = 0;
    inode->cache_bytes = 0;
    inode->media_bytes = 0;
    inode->handle_count = 0;
    inode->is_used = false;
}

int disk_store_take_inode(struct disk_store *store)
{
    for (size_t i = 0; i < store->inode_count; i++) {
        if (!store->inodes[i]->is_used) {
            store->inodes[i]->is_used = true;
            return (int)i;
        }
    }
    store->inodes =
        disk_store_grow(store->inodes, store->inode_count + 1, sizeof *store->inodes);
    struct inode *inode = disk_store_grow(NULL, 1, sizeof *inode);
    *inode = (struct inode){.is_used = true};
    store->inodes[store->inode_count] = inode;
    return (int)store->inode_count++;
}

/* ---- directory --------------------------------------------------------------------- */

struct name *disk_store_find_name(const struct directory *directory, const char *text)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->names[i].text, text) == 0) {
            return &directory->names[i];
        }
    }
    return NULL;
}

static void set_text(char to[FILES_NAME_BYTES], const char *text)
{
    size_t bytes = strlen(text) + 1;
    CHECK(bytes <= FILES_NAME_BYTES);
    memcpy(to, text, bytes);
}

static void put_name(struct directory *directory, const char *text, int inode)
{
    struct name *name = disk_store_find_name(directory, text);
    if (name == NULL) {
        if (directory->count == directory->capacity) {
            directory->capacity = directory->capacity * 2 + 8;
            directory->names = disk_store_grow(directory->names, directory->capacity,
                                               sizeof *directory->names);
        }
        name = &directory->names[directory->count++];
        set_text(name->text, text);
    }
    name->inode = inode;
}

static void drop_name(struct directory *directory, const char *text)
{
    struct name *name = disk_store_find_name(directory, text);
    if (name != NULL) {
        *name = directory->names[--directory->count];
    }
}

static void apply_change(struct directory *directory, const struct change *change)
{
    const struct name *from = disk_store_find_name(directory, change->from);
    switch (change->kind) {
    case CHANGE_CREATE:
        put_name(directory, change->to, change->inode);
        break;
    case CHANGE_RENAME:
        if (from != NULL) {
            int inode = from->inode;
            drop_name(directory, change->from);
            put_name(directory, change->to, inode);
        }
        break;
    case CHANGE_REMOVE:
        drop_name(directory, change->from);
        break;
    }
}

void disk_store_change(struct disk_store *store, const struct change *change)
{
    if (store->change_count == store->change_capacity) {
        store->change_capacity = store->change_capacity * 2 + 8;
        store->changes = disk_store_grow(store->changes, store->change_capacity,
                                         sizeof *store->changes);
    }
    store->changes[store->change_count++] = *change;
    apply_change(&store->cache, change);
}

static void copy_directory(struct directory *to, const struct directory *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        put_name(to, from->names[i].text, from->names[i].inode);
    }
}

static bool is_named(const struct directory *directory, int inode)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (directory->names[i].inode == inode) {
            return true;
        }
    }
    return false;
}

/*
 * Call when no changes are pending: files that no name and no handle leads to are gone.
 */
static void drop_lost_inodes(struct disk_store *store)
{
    for (size_t i = 0; i < store->inode_count; i++) {
        struct inode *inode = store->inodes[i];
        if (inode->is_used && inode->handle_count == 0 &&
            !is_named(&store->cache, (int)i) && !is_named(&store->media, (int)i)) {
            free_inode(store, inode);
        }
    }
}

/* ---- pages ------------------------------------------------------------------------- */

static void reserve_pages(struct inode *inode, size_t count)
{
    if (count > inode->page_count) {
        inode->pages = disk_store_grow(inode->pages, count, sizeof(struct page *));
        for (size_t i = inode->page_count; i < count; i++) {
            inode->pages[i] = NULL;
        }
        inode->page_count = count;
    }
}

static void list_dirty(struct inode *inode, size_t index)
{
    if (inode->pages[index]->is_listed) {
        return;
    }
    if (inode->dirty_count == inode->dirty_capacity) {
        inode->dirty_capacity = inode->dirty_capacity * 2 + 16;
        inode->dirty_pages = disk_store_grow(inode->dirty_pages, inode->dirty_capacity,
                                             sizeof *inode->dirty_pages);
    }
    inode->dirty_pages[inode->dirty_count++] = index;
    inode->pages[index]->is_listed = true;
}

/* Sectors of `mask` of one page get the bytes of `data` (a whole page) in the cache. */
static void write_page(struct disk_store *store,
                       struct inode *inode,
                       size_t index,
                       const uint8_t *data,
                       unsigned mask)
{
    if (inode->pages[index] == NULL) {
        if (is_zero(data, PAGE_BYTES)) {
            return;
        }
        inode->pages[index] = take_page(store);
    }
    struct page *page = inode->pages[index];
    for (unsigned i = 0; i < SECTORS_PER_PAGE; i++) {
        if ((mask & (1u << i)) != 0) {
            size_t at = (size_t)i * SIM_DISK_SECTOR_BYTES;
            memcpy(page->cache + at, data + at, SIM_DISK_SECTOR_BYTES);
        }
    }
    page->dirty = (uint8_t)(page->dirty | mask);
    page->is_apart = true;
    list_dirty(inode, index);
}

/* The dirty sectors of `mask` reach the media. */
static void flush_page(struct page *page, unsigned mask)
{
    for (unsigned i = 0; i < SECTORS_PER_PAGE; i++) {
        if ((page->dirty & mask & (1u << i)) != 0) {
            size_t at = (size_t)i * SIM_DISK_SECTOR_BYTES;
            memcpy(page->media + at, page->cache + at, SIM_DISK_SECTOR_BYTES);
        }
    }
    page->rotten = (uint8_t)(page->rotten & ~(page->dirty & mask));
    page->dirty = (uint8_t)(page->dirty & ~mask);
}

/* What was dirty is clean afterwards; how much of it reached the media is `flush`. */
void disk_store_flush(struct disk_store *store, struct inode *inode, enum flush flush)
{
    for (size_t i = 0; i < inode->dirty_count; i++) {
        struct page *page = inode->pages[inode->dirty_pages[i]];
        unsigned mask = 0;
        if (flush == FLUSH_ALL) {
            mask = ALL_SECTORS;
        } else if (flush == FLUSH_ANY) {
            mask = (unsigned)(draw(store) & ALL_SECTORS);
        }
        flush_page(page, mask);
        page->dirty = 0;
        page->is_listed = false;
    }
    inode->dirty_count = 0;
    if (flush == FLUSH_ALL || (flush == FLUSH_ANY && disk_store_toss(store))) {
        inode->media_bytes = inode->cache_bytes;
    }
}

uint64_t disk_store_free_bytes(const struct disk_store *store, uint64_t capacity_bytes)
{
    uint64_t used = 0;
    for (size_t i = 0; i < store->inode_count; i++) {
        const struct inode *inode = store->inodes[i];
        if (inode->handle_count > 0 || is_named(&store->cache, (int)i)) {
            used += (inode->cache_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        }
    }
    return used < capacity_bytes ? capacity_bytes - used : 0;
}

/* Writes whole sectors: all of the first `taken` bytes, or of them any subset. */
void disk_store_write(struct disk_store *store,
                      struct inode *inode,
                      const struct span *span,
                      size_t taken,
                      bool is_any)
{
    reserve_pages(inode, (size_t)(span->offset + span->bytes) / PAGE_BYTES);
    for (size_t at = 0; at < taken; at += PAGE_BYTES) {
        size_t sectors = (taken - at) / SIM_DISK_SECTOR_BYTES;
        unsigned mask =
            sectors >= SECTORS_PER_PAGE ? (unsigned)ALL_SECTORS : (1u << sectors) - 1;
        if (is_any) {
            mask &= (unsigned)(draw(store) & ALL_SECTORS);
        }
        size_t index = (size_t)(span->offset + at) / PAGE_BYTES;
        write_page(store, inode, index, span->data + at, mask);
    }
    if (span->offset + taken > inode->cache_bytes) {
        inode->cache_bytes = span->offset + taken;
    }
}

void disk_store_flush_span(struct inode *inode, const struct span *span, enum flush flush)
{
    size_t end = (size_t)(span->offset + span->bytes) / PAGE_BYTES;
    for (size_t index = (size_t)span->offset / PAGE_BYTES; index < end; index++) {
        if (inode->pages[index] != NULL) {
            flush_page(inode->pages[index], flush == FLUSH_ALL ? ALL_SECTORS : 0);
            inode->pages[index]->dirty = 0;
        }
    }
    if (flush == FLUSH_ALL && inode->media_bytes < inode->cache_bytes) {
        inode->media_bytes = inode->cache_bytes;
    }
}

static void crash_inode(struct disk_store *store, struct inode *inode)
{
    disk_store_flush(store, inode, FLUSH_ANY);
    inode->cache_bytes = inode->media_bytes;
    for (size_t i = 0; i < inode->page_count; i++) {
        struct page *page = inode->pages[i];
        if (page == NULL) {
            continue;
        }
        if ((uint64_t)i * PAGE_BYTES >= inode->media_bytes) {
            memset(page->media, 0, PAGE_BYTES);
            page->is_apart = true;
        }
        if (page->is_apart) {
            memcpy(page->cache, page->media, PAGE_BYTES);
            page->is_apart = false;
        }
    }
}

void disk_store_crash(struct disk_store *store)
{
    for (size_t i = 0; i < store->inode_count; i++) {
        if (store->inodes[i]->is_used) {
            crash_inode(store, store->inodes[i]);
        }
    }
    for (size_t i = 0; i < store->change_count; i++) {
        if (disk_store_toss(store)) {
            apply_change(&store->media, &store->changes[i]);
        }
    }
    store->change_count = 0;
    copy_directory(&store->cache, &store->media);
    drop_lost_inodes(store);
}

void disk_store_sync_directory(struct disk_store *store)
{
    copy_directory(&store->media, &store->cache);
    store->change_count = 0;
    drop_lost_inodes(store);
}

struct page *disk_store_page(struct disk_store *store, struct inode *inode, size_t index)
{
    reserve_pages(inode, index + 1);
    if (inode->pages[index] == NULL) {
        inode->pages[index] = take_page(store);
    }
    return inode->pages[index];
}

void disk_store_rot(struct disk_store *store, struct inode *inode, size_t index)
{
    enum { GARBAGE = 0x5a };
    struct page *page = disk_store_page(store, inode, index);
    memset(page->cache, GARBAGE, PAGE_BYTES);
    memset(page->media, GARBAGE, PAGE_BYTES);
    page->dirty = 0;
    page->rotten = ALL_SECTORS;
}

static void clear(struct disk_store *store)
{
    store->cache.count = 0;
    store->media.count = 0;
    store->change_count = 0;
    for (size_t i = 0; i < store->inode_count; i++) {
        free_inode(store, store->inodes[i]);
    }
}

void disk_store_reset(struct disk_store *store, uint64_t seed)
{
    seed_random(store, seed);
    clear(store);
}

static void copy_file(struct disk_store *to, struct inode *copy, const struct inode *file)
{
    copy->cache_bytes = file->media_bytes;
    copy->media_bytes = file->media_bytes;
    for (size_t i = 0; i < file->page_count; i++) {
        if (file->pages[i] != NULL && (uint64_t)i * PAGE_BYTES < file->media_bytes) {
            struct page *page = disk_store_page(to, copy, i);
            memcpy(page->cache, file->pages[i]->media, PAGE_BYTES);
            memcpy(page->media, file->pages[i]->media, PAGE_BYTES);
            page->rotten = file->pages[i]->rotten;
        }
    }
}

void disk_store_copy_media(struct disk_store *to, const struct disk_store *from)
{
    clear(to);
    for (size_t i = 0; i < from->media.count; i++) {
        const struct name *name = &from->media.names[i];
        int inode = disk_store_take_inode(to);
        copy_file(to, to->inodes[inode], from->inodes[name->inode]);
        put_name(&to->cache, name->text, inode);
        put_name(&to->media, name->text, inode);
    }
}

void disk_store_fini(struct disk_store *store)
{
    disk_store_reset(store, 0);
    for (size_t i = 0; i < store->inode_count; i++) {
        free(store->inodes[i]->pages);
        free(store->inodes[i]->dirty_pages);
        free(store->inodes[i]);
    }
    while (store->free_pages != NULL) {
        struct page *page = store->free_pages;
        store->free_pages = page->next;
        free(page);
    }
    free(store->inodes);
    free(store->cache.names);
    free(store->media.names);
    free(store->changes);
}
