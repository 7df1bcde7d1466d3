/*
 * preload_cache.h - what a power loss would take from the files of a node: see preload_cache.c.
 *
 * Thread: any. Nothing happens without CHAOS_CONTROL. A record that cannot be kept ends the
 * process: a test that forgets is none.
 */
#ifndef CONSENS_TESTS_CHAOS_PRELOAD_CACHE_H
#define CONSENS_TESTS_CHAOS_PRELOAD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Before a write that no sync covers yet. */
void cache_note_write(int handle, const struct iovec *vector, off_t offset);
/* After a write that was a sync of its own bytes; after a sync of the whole file. */
void cache_note_range_synced(int handle, off_t offset, size_t bytes);
void cache_note_file_synced(int handle);

#endif
