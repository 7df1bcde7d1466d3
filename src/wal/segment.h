/*
 * segment.h - the files that blocks live in: names, headers, zero-filling, reading.
 *
 *   prepare-N   being zero-filled; of no worth after a restart
 *   ready-N     zero-filled and synced, waiting to become log-N
 *   log-N       header (4 KiB), then blocks; exists once all blocks before it are durable
 *
 * Thread: segment_prepare() any; a reader belongs to its owner.
 */
#ifndef CONSENS_WAL_SEGMENT_H
#define CONSENS_WAL_SEGMENT_H

#include "wal/fields.h"
#include "wal/files.h"
#include "wal/wal.h"

enum {
    SEGMENT_HEADER_BYTES = FILES_ALIGN_BYTES,
    SEGMENT_BYTES_MIN = 64 * 1024,     // a header, and blocks of a size worth having
    SEGMENT_CHUNK_BYTES = 1024 * 1024, // of zero-filling, and of recovery's reads
    SEGMENT_FORMAT_VERSION = 2,
};

enum segment_kind { SEGMENT_LOG, SEGMENT_READY, SEGMENT_PREPARE };

void segment_name(char out_name[FILES_NAME_BYTES],
                  enum segment_kind kind,
                  uint64_t number);
/* False: not the name of a segment. */
bool segment_parse_name(const char *name,
                        enum segment_kind *out_kind,
                        uint64_t *out_number);

struct segment_header {
    struct paxos_id incarnation;
    struct paxos_id cluster_id; // as known then; none before the cluster formed
    uint64_t number;            // as in the name
    uint64_t generation;        // 1; one more each time the file is used again
    uint64_t first_block;       // number of the block that follows
    struct cs_digest previous;  // digest of block first_block - 1
    bool has_state;             // the rest: what the log said after that block
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;
    cs_slot length;
    struct paxos_digest chain;
    uint64_t token;
    uint64_t cut_count;
};

enum segment_sight { SEGMENT_SOUND, SEGMENT_BAD, SEGMENT_OTHER };

void segment_pack_header(uint8_t *page, const struct segment_header *header);
enum segment_sight segment_unpack_header(const uint8_t *page, struct segment_header *out);

/* Memory for direct I/O; free() it. Aborts without memory. */
uint8_t *segment_alloc(size_t bytes);

/*
 * What the errno of an open, rename or removal says; none that failed has changed
 * anything. WAL_FULL: no room. WAL_UNUSABLE: too many files are open, or too little memory:
 * later it may succeed. Else WAL_FAILED.
 */
enum wal_status segment_status_of(int error);

/*
 * Makes ready-N: zeros written and synced, name durable. WAL_FULL: no room, nothing
 * left behind. WAL_UNUSABLE: not now, nothing is broken. WAL_FAILED: that is final. But
 * for WAL_FULL `out_error` says what.
 */
enum wal_status segment_prepare(const struct files *files,
                                uint64_t bytes,
                                uint64_t number,
                                char *out_error,
                                size_t error_bytes);

/* Reads one file through a window, in chunks. */
struct segment_reader {
    const struct files *files;
    size_t chunk_bytes;
    char name[FILES_NAME_BYTES]; // of the file that is open
    uint64_t number;             // 0: none is open
    int handle;
    uint64_t file_bytes;
    uint8_t *data;
    size_t capacity_bytes;
    uint64_t start_bytes; // window: data holds file bytes start .. start + valid
    size_t valid_bytes;
    int error; // errno of the last failed call; 0: it was past the end
};

void segment_reader_init(struct segment_reader *reader,
                         const struct files *files,
                         size_t chunk_bytes);
/* Opens log-N, unless it is open. False: reader->error. */
bool segment_reader_open(struct segment_reader *reader, uint64_t number);
/*
 * `bytes` at `offset`, both aligned; NULL: cannot be read. A bad sector is garbage
 * (pages.h). Valid until the next call.
 */
const uint8_t *
segment_reader_at(struct segment_reader *reader, uint64_t offset, size_t bytes);
/* What was read may have changed on disk. */
void segment_reader_forget(struct segment_reader *reader);
void segment_reader_close(struct segment_reader *reader);
void segment_reader_fini(struct segment_reader *reader);

#endif
