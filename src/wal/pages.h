/*
 * pages.h - reading from a disk that has bad sectors.
 *
 * Thread: any; the handle's owner.
 */
#ifndef CONSENS_WAL_PAGES_H
#define CONSENS_WAL_PAGES_H

#include "wal/files.h"

/*
 * files->read_at(), except that a page (FILES_ALIGN_BYTES) which the disk cannot read is
 * answered as bytes that are neither zeros nor anything that hashes: rot like any other
 * (PAXOS 4.2). `*out_error` (or NULL) is the errno of such a page; 0: all could be read.
 */
int64_t pages_read(const struct files *files,
                   int handle,
                   uint8_t *data,
                   size_t bytes,
                   uint64_t offset,
                   int *out_error);

#endif
