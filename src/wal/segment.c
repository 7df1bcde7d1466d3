/*
 * The first 4 KiB of log-N, little endian:
 *
 *    0   8  "CNSSEGMT"
 *    8   4  format version (2)
 *   12   4  zero
 *   16  16  XXH3-128 of bytes 32 .. 4095, seeded by the version. In every version so.
 *   32  16  incarnation of the node
 *   48  16  cluster, if it had formed then
 *   64   8  segment number
 *   72   8  generation
 *   80   8  number of the first block
 *   88  16  digest of the block before that
 *  104   4  1: the following is there
 *  108  12  promised after that block (epoch, round, node)
 *  120  12  accepted
 *  132   4  zero
 *  136   8  decided (a hint)
 *  144   8  length
 *  152  16  chain(length)
 *  168   8  token
 *  176   8  number of records so far that replaced a suffix
 *  184      zeros up to 4 KiB
 *
 * Sound when: magic, version and digest are right. In place when also the incarnation
 * and number are those of the directory and the name, and first block and digest follow
 * the segment before.
 */
#include "wal/segment.h"

#include "wal/pages.h"

#include "base/check.h"
#include "base/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_DIGITS = 10, DIGEST_AT_BYTES = 16, DIGESTED_FROM_BYTES = 32 };

static const uint8_t MAGIC[8] = {'C', 'N', 'S', 'S', 'E', 'G', 'M', 'T'};

static const char *const PREFIXES[] = {
    [SEGMENT_LOG] = "log-",
    [SEGMENT_READY] = "ready-",
    [SEGMENT_PREPARE] = "prepare-",
};

/* ---- names ------------------------------------------------------------------------- */

void segment_name(char out_name[FILES_NAME_BYTES],
                  enum segment_kind kind,
                  uint64_t number)
{
    int written = snprintf(out_name, FILES_NAME_BYTES, "%s%010llu", PREFIXES[kind],
                           (unsigned long long)number);
    CHECK(written > 0 && written < FILES_NAME_BYTES);
}

static bool parse_number(const char *digits, uint64_t *out_number)
{
    uint64_t number = 0;
    size_t count = 0;
    for (; digits[count] >= '0' && digits[count] <= '9' && count < 18; count++) {
        number = number * 10 + (uint64_t)(digits[count] - '0');
    }
    *out_number = number;
    return digits[count] == '\0' && count >= NAME_DIGITS && number > 0;
}

bool segment_parse_name(const char *name,
                        enum segment_kind *out_kind,
                        uint64_t *out_number)
{
    for (int kind = SEGMENT_LOG; kind <= SEGMENT_PREPARE; kind++) {
        size_t prefix_bytes = strlen(PREFIXES[kind]);
        if (strncmp(name, PREFIXES[kind], prefix_bytes) == 0) {
            *out_kind = (enum segment_kind)kind;
            return parse_number(name + prefix_bytes, out_number);
        }
    }
    return false;
}

/* ---- header ------------------------------------------------------------------------ */

static struct cs_digest digest_of(const uint8_t *page, uint32_t version)
{
    size_t bytes = SEGMENT_HEADER_BYTES - DIGESTED_FROM_BYTES;
    return digest_128(page + DIGESTED_FROM_BYTES, bytes, version);
}

void segment_pack_header(uint8_t *page, const struct segment_header *header)
{
    memset(page, 0, SEGMENT_HEADER_BYTES);
    memcpy(page, MAGIC, sizeof MAGIC);
    store_u32(page + sizeof MAGIC, SEGMENT_FORMAT_VERSION);
    uint8_t *at = page + DIGESTED_FROM_BYTES;
    field_put_id(&at, header->incarnation);
    field_put_id(&at, header->cluster_id);
    field_put_u64(&at, header->number);
    field_put_u64(&at, header->generation);
    field_put_u64(&at, header->first_block);
    field_put_digest(&at, header->previous);
    field_put_u32(&at, header->has_state ? 1 : 0);
    field_put_ballot(&at, header->promised);
    field_put_ballot(&at, header->accepted);
    field_put_u32(&at, 0);
    field_put_u64(&at, header->decided);
    field_put_u64(&at, header->length);
    field_put_chain(&at, header->chain);
    field_put_u64(&at, header->token);
    field_put_u64(&at, header->cut_count);
    at = page + DIGEST_AT_BYTES;
    field_put_digest(&at, digest_of(page, SEGMENT_FORMAT_VERSION));
}

enum segment_sight segment_unpack_header(const uint8_t *page, struct segment_header *out)
{
    *out = (struct segment_header){0};
    uint32_t version = load_u32(page + sizeof MAGIC);
    const uint8_t *at = page + DIGEST_AT_BYTES;
    struct cs_digest digest = field_take_digest(&at);
    if (memcmp(page, MAGIC, sizeof MAGIC) != 0 ||
        !field_same_digest(digest, digest_of(page, version))) {
        return SEGMENT_BAD;
    }
    if (version != SEGMENT_FORMAT_VERSION) {
        return SEGMENT_OTHER;
    }
    out->incarnation = field_take_id(&at);
    out->cluster_id = field_take_id(&at);
    out->number = field_take_u64(&at);
    out->generation = field_take_u64(&at);
    out->first_block = field_take_u64(&at);
    out->previous = field_take_digest(&at);
    out->has_state = field_take_u32(&at) != 0;
    out->promised = field_take_ballot(&at);
    out->accepted = field_take_ballot(&at);
    (void)field_take_u32(&at);
    out->decided = field_take_u64(&at);
    out->length = field_take_u64(&at);
    out->chain = field_take_chain(&at);
    out->token = field_take_u64(&at);
    out->cut_count = field_take_u64(&at);
    return SEGMENT_SOUND;
}

/* ---- preparing --------------------------------------------------------------------- */

uint8_t *segment_alloc(size_t bytes)
{
    size_t rounded =
        (bytes + FILES_ALIGN_BYTES - 1) / FILES_ALIGN_BYTES * FILES_ALIGN_BYTES;
    uint8_t *memory = aligned_alloc(FILES_ALIGN_BYTES, rounded);
    CHECK(memory != NULL);
    return memory;
}

static int fill_with_zeros(const struct files *files, int handle, uint64_t bytes)
{
    size_t chunk =
        bytes < SEGMENT_CHUNK_BYTES ? (size_t)bytes : (size_t)SEGMENT_CHUNK_BYTES;
    uint8_t *zeros = segment_alloc(chunk);
    memset(zeros, 0, chunk);
    int error = 0;
    for (uint64_t at = 0; at < bytes && error == 0;) {
        size_t part = bytes - at < chunk ? (size_t)(bytes - at) : chunk;
        int64_t written = files->write_at(files->context, handle, zeros, part, at);
        if (written < 0) {
            error = (int)-written;
        } else if ((size_t)written < part) {
            error = ENOSPC; // a short write says that the next one would find no room
        }
        at += part;
    }
    free(zeros);
    return error;
}

enum wal_status segment_status_of(int error)
{
    switch (error) {
    case 0:
        return WAL_OK;
    case ENOSPC:
    case EDQUOT:
        return WAL_FULL;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return MUTANT_IS(263) ? WAL_FAILED : WAL_UNUSABLE;
    default:
        return WAL_FAILED;
    }
}

/*
 * prepare-N, empty, and room for `bytes` as far as is known: a handle, or a negated errno.
 * A disk that is nearly full is not filled up each time just to see that it is.
 */
static int make_file(const struct files *files, const char *name, uint64_t bytes)
{
    int removed = files->remove_file(files->context, name);
    if (removed != 0 && removed != -ENOENT) {
        return removed;
    }
    if (files->room_of(files->context) < bytes && !MUTANT_IS(321)) {
        return -ENOSPC;
    }
    return files->open_file(files->context, name, true);
}

/* Zeros, synced; the file is closed. The errno of what failed, or 0. */
static int make_zeros(const struct files *files, int handle, uint64_t bytes)
{
    int error = fill_with_zeros(files, handle, bytes);
    if (error == 0) {
        error = -files->sync_file(files->context, handle);
    }
    int closed = files->close_file(files->context, handle);
    return error == 0 ? -closed : error;
}

enum wal_status segment_prepare(const struct files *files,
                                uint64_t bytes,
                                uint64_t number,
                                char *out_error,
                                size_t error_bytes)
{
    char prepare[FILES_NAME_BYTES];
    char ready[FILES_NAME_BYTES];
    segment_name(prepare, SEGMENT_PREPARE, number);
    segment_name(ready, SEGMENT_READY, number);
    int handle = make_file(files, prepare, bytes);
    int error = handle < 0 ? -handle : 0;
    enum wal_status status = segment_status_of(error);
    if (status == WAL_OK) {
        error = make_zeros(files, handle, bytes);
        bool is_full = error == ENOSPC || error == EDQUOT;
        status = error == 0 ? WAL_OK : is_full ? WAL_FULL : WAL_FAILED;
    }
    if (status == WAL_OK) {
        error = -files->rename_file(files->context, prepare, ready);
        status = segment_status_of(error);
    }
    if (status == WAL_FULL) {
        // What was written is given back; if that fails too, the next attempt removes it.
        (void)files->remove_file(files->context, prepare);
        return WAL_FULL;
    }
    if (status == WAL_OK) {
        // Final even for want of room: the error is told once, and this thread may have
        // been told of the name log-N that the other one waits for (fsyncgate).
        error = -files->sync_directory(files->context);
        status = MUTANT_IS(265) ? segment_status_of(error)
                 : error == 0   ? WAL_OK
                                : WAL_FAILED;
    }
    if (status != WAL_OK) {
        (void)snprintf(out_error, error_bytes, "cannot prepare segment %s: %s", prepare,
                       files_words_of(error).text);
    }
    return status;
}

/* ---- reading ----------------------------------------------------------------------- */

void segment_reader_init(struct segment_reader *reader,
                         const struct files *files,
                         size_t chunk_bytes)
{
    *reader = (struct segment_reader){.files = files, .chunk_bytes = chunk_bytes};
}

bool segment_reader_open(struct segment_reader *reader, uint64_t number)
{
    CHECK(number > 0);
    if (reader->number == number) {
        return true;
    }
    segment_reader_close(reader);
    segment_name(reader->name, SEGMENT_LOG, number);
    const struct files *files = reader->files;
    int handle = files->open_file(files->context, reader->name, false);
    if (handle < 0) {
        reader->error = -handle;
        return false;
    }
    int64_t file_bytes = files->size_of(files->context, handle);
    if (file_bytes < 0) {
        reader->error = (int)-file_bytes;
        (void)files->close_file(files->context, handle);
        return false;
    }
    reader->handle = handle;
    reader->number = number;
    reader->file_bytes = (uint64_t)file_bytes / FILES_ALIGN_BYTES * FILES_ALIGN_BYTES;
    return true;
}

static void reserve(struct segment_reader *reader, size_t bytes)
{
    if (bytes > reader->capacity_bytes) {
        free(reader->data);
        reader->data = segment_alloc(bytes);
        reader->capacity_bytes = bytes;
        reader->valid_bytes = 0;
    }
}

static bool is_inside(const struct segment_reader *reader, uint64_t offset, size_t bytes)
{
    return offset >= reader->start_bytes &&
           offset + bytes <= reader->start_bytes + reader->valid_bytes;
}

const uint8_t *
segment_reader_at(struct segment_reader *reader, uint64_t offset, size_t bytes)
{
    CHECK(reader->number > 0);
    CHECK(offset % FILES_ALIGN_BYTES == 0);
    CHECK(bytes % FILES_ALIGN_BYTES == 0);
    reader->error = 0;
    if (is_inside(reader, offset, bytes)) {
        return reader->data + (offset - reader->start_bytes);
    }
    if (offset > reader->file_bytes || bytes > reader->file_bytes - offset) {
        return NULL;
    }
    uint64_t left = reader->file_bytes - offset;
    size_t wanted = bytes > reader->chunk_bytes ? bytes : reader->chunk_bytes;
    wanted = wanted < left ? wanted : (size_t)left;
    reserve(reader, wanted);
    int64_t got =
        pages_read(reader->files, reader->handle, reader->data, wanted, offset, NULL);
    reader->start_bytes = offset;
    reader->valid_bytes = got < 0 ? 0 : (size_t)got;
    if (got < 0) {
        reader->error = (int)-got;
    }
    return is_inside(reader, offset, bytes) ? reader->data : NULL;
}

void segment_reader_forget(struct segment_reader *reader)
{
    reader->valid_bytes = 0;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->number > 0) {
        (void)reader->files->close_file(reader->files->context, reader->handle);
    }
    reader->number = 0;
    reader->valid_bytes = 0;
}

void segment_reader_fini(struct segment_reader *reader)
{
    segment_reader_close(reader);
    free(reader->data);
    reader->data = NULL;
    reader->capacity_bytes = 0;
}
