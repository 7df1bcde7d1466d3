/*
 * reader.h - a bounded cursor over msgpack bytes from peers, clients and disk.
 *
 * No recursion, no allocation. Every count is compared with the bytes that remain before
 * it is believed (five bytes can claim four billion elements). The first error sticks:
 * later reads answer zero values, and reader_end() reports it, so a decoder may read all
 * its fields and ask once. Strict readers (peers, disk) refuse non-minimal forms; lenient
 * ones (clients) take them.
 *
 * Source: msgpack specification; PAXOS 7.8; DESIGN 6.
 * Thread: any; a reader belongs to its caller.
 */
#ifndef CONSENS_WIRE_READER_H
#define CONSENS_WIRE_READER_H

#include "base/bytes.h"

#include <stdbool.h>

struct reader {
    struct cs_view bytes;
    size_t at;
    bool is_strict;
    bool has_failed;
};

struct reader reader_over(struct cs_view bytes, bool is_strict);

/* Unsigned integer <= max; fails otherwise. */
uint64_t reader_take_u64(struct reader *reader, uint64_t max);
bool reader_take_bool(struct reader *reader);
/* bin (strict), bin or str (lenient) of at most max_bytes. Valid as long as the input. */
struct cs_view reader_take_bytes(struct reader *reader, size_t max_bytes);
/* Array header with min..max elements; each needs at least one byte of what remains. */
uint32_t reader_take_array(struct reader *reader, uint32_t min, uint32_t max);
/* Map header with at most max pairs; each needs at least two bytes of what remains. */
uint32_t reader_take_map(struct reader *reader, uint32_t max);
/* Whether a nil came next and was taken; anything else is left. */
bool reader_take_nil(struct reader *reader);
/* Passes over one value of any kind, with all that is in it. Lenient readers only. */
void reader_skip(struct reader *reader);
/* Whether an array comes next; nothing is taken. */
bool reader_is_at_array(const struct reader *reader);
/* The bytes consumed since `from` (a value of reader->at). */
struct cs_view reader_since(const struct reader *reader, size_t from);
/* True iff nothing failed and nothing is left. */
bool reader_end(const struct reader *reader);

#endif
