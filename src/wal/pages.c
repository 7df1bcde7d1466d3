#include "wal/pages.h"

#include "base/mutant.h"

#include <errno.h>
#include <string.h>

enum { GARBAGE_BYTE = 0xbd };

/*
 * What Linux answers where a sector is bad: EIO of most drivers and of file systems that
 * compare checksums, the others of the block layer (medium, target, integrity). Any other
 * errno says nothing about a single place.
 */
static bool is_of_sector(int error)
{
    return error == EIO || error == ENODATA || error == EREMOTEIO || error == EILSEQ;
}

/* Page by page, so that one bad sector costs no more than its page. */
static int64_t read_singly(const struct files *files,
                           int handle,
                           uint8_t *data,
                           size_t bytes,
                           uint64_t offset,
                           int *out_error)
{
    for (size_t at = 0; at < bytes; at += FILES_ALIGN_BYTES) {
        int64_t got = files->read_at(files->context, handle, data + at, FILES_ALIGN_BYTES,
                                     offset + at);
        if (got < 0 && !is_of_sector((int)-got)) {
            return got;
        }
        if (got < 0) {
            *out_error = (int)-got;
            memset(data + at, MUTANT_IS(270) ? 0 : GARBAGE_BYTE, FILES_ALIGN_BYTES);
        } else if (got < FILES_ALIGN_BYTES) {
            return (int64_t)at + got; // the end of the file
        }
    }
    return (int64_t)bytes;
}

int64_t pages_read(const struct files *files,
                   int handle,
                   uint8_t *data,
                   size_t bytes,
                   uint64_t offset,
                   int *out_error)
{
    int error = 0;
    int64_t got = files->read_at(files->context, handle, data, bytes, offset);
    if (got < 0 && is_of_sector((int)-got) && !MUTANT_IS(271)) {
        got = read_singly(files, handle, data, bytes, offset, &error);
    }
    if (out_error != NULL) {
        *out_error = error;
    }
    return got;
}
