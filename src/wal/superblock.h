/*
 * superblock.h - what must survive any one damaged place: identity, boot counter,
 * promise, floor. Four copies of 4 KiB in a file of its own; two equal copies are
 * needed to read it.
 *
 * Thread: the log's owner.
 */
#ifndef CONSENS_WAL_SUPERBLOCK_H
#define CONSENS_WAL_SUPERBLOCK_H

#include "wal/fields.h"
#include "wal/files.h"

enum {
    SUPERBLOCK_COPIES = 4,
    SUPERBLOCK_COPY_BYTES = FILES_ALIGN_BYTES,
    SUPERBLOCK_FILE_BYTES = SUPERBLOCK_COPIES * SUPERBLOCK_COPY_BYTES,
    SUPERBLOCK_FORMAT_VERSION = 1,
};

#define SUPERBLOCK_NAME         "superblock"
#define SUPERBLOCK_PREPARE_NAME "prepare-superblock" // until it is whole

struct superblock {
    uint64_t sequence;       // rises by at least one with each write
    struct cs_digest parent; // digest of the superblock before
    struct paxos_id incarnation;
    uint64_t boot;
    uint64_t floor_block;   // blocks up to here are durable: their loss is no tear
    uint64_t floor_segment; // where that block lies
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;
    cs_slot length;
    struct paxos_digest chain;
    uint64_t token;
    struct paxos_config config;
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
};

enum superblock_sight {
    SUPERBLOCK_SOUND,
    SUPERBLOCK_ABSENT,     // there is no such file: never formatted, or removed
    SUPERBLOCK_BROKEN,     // no two equal copies, or two pairs that do not descend
    SUPERBLOCK_OTHER,      // written by another release
    SUPERBLOCK_UNREADABLE, // the disk refused, all or too many copies: file->error
};

struct superblock_file {
    const struct files *files;
    int handle;
    bool is_open;
    uint32_t current_mask;     // a bit a copy: it holds the last value read or written
    uint64_t highest_sequence; // seen in any sound copy
    struct cs_digest digest;   // of the last value read or written
    uint8_t *pages;            // SUPERBLOCK_FILE_BYTES, aligned
    int error;                 // errno of what failed
};

void superblock_init(struct superblock_file *file, const struct files *files);

/*
 * Makes the file of a new directory: whole and synced before it gets its name. 0 or an
 * errno.
 */
int superblock_format(struct superblock_file *file, struct superblock *superblock);

enum superblock_sight superblock_read(struct superblock_file *file,
                                      struct superblock *out);

/* Writes the copies that hold the last value once more (fsyncgate). 0 or an errno. */
int superblock_rewrite(struct superblock_file *file);

/*
 * Replaces the value: sets sequence and parent, writes two copies durably, then the
 * other two. On 0 it is durable; on an errno either value may be found later.
 */
int superblock_write(struct superblock_file *file, struct superblock *superblock);

void superblock_fini(struct superblock_file *file);

#endif
