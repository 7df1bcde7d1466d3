/*
 * reader.c - the forms this cursor knows, by first byte. Lengths are big endian.
 *
 *   00..7f            integer         cc cd ce cf   unsigned of 1 2 4 8 bytes
 *   d0 d1 d2 d3       signed of 1 2 4 8 bytes: lenient only, not negative
 *   c2 c3             false, true
 *   c4 c5 c6          bin with a length of 1 2 4 bytes
 *   a0..bf d9 da db   str with a length of 5 bits, 1 2 4 bytes: lenient only
 *   90..9f dc dd      array with a count of 4 bits, 2 4 bytes
 *   80..8f de df      map, likewise
 *   c0                nil
 *   only passed over: e0..ff negative, ca cb float, c7 c8 c9 d4..d8 ext
 *
 * Valid iff the form is one that is asked for, it and what it announces lie inside the
 * bytes, the value is within the caller's bounds and, for a strict reader, no shorter
 * form could hold it.
 */
#include "wire/reader.h"

#include "base/check.h"
#include "base/mutant.h"

static uint64_t fail(struct reader *reader);
static size_t bytes_left(const struct reader *reader);
static bool take_first(struct reader *reader, uint8_t *out_first);
static uint64_t take_number(struct reader *reader, size_t width);
static uint64_t take_minimal(struct reader *reader, size_t width, uint64_t min);
static uint64_t take_signed(struct reader *reader, size_t width);
static uint64_t take_length(struct reader *reader, uint8_t first);
static uint64_t take_count(struct reader *reader, uint8_t small, uint8_t large);
static uint64_t skip_one(struct reader *reader);

struct reader reader_over(struct cs_view bytes, bool is_strict)
{
    struct reader reader = {.bytes = bytes, .is_strict = is_strict};
    return reader;
}

uint64_t reader_take_u64(struct reader *reader, uint64_t max)
{
    uint8_t first = 0;
    uint64_t value = 0;
    if (!take_first(reader, &first)) {
        return 0;
    }
    switch (first) {
    case 0xcc:
        value = take_minimal(reader, 1, 0x80);
        break;
    case 0xcd:
        value = take_minimal(reader, 2, 0x100);
        break;
    case 0xce:
        value = take_minimal(reader, 4, 0x10000);
        break;
    case 0xcf:
        value = take_minimal(reader, 8, 0x100000000);
        break;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        value = take_signed(reader, (size_t)1 << (first - 0xd0));
        break;
    default:
        value = first < 0x80 ? first : fail(reader);
        break;
    }
    return value <= max ? value : fail(reader);
}

bool reader_take_bool(struct reader *reader)
{
    uint8_t first = 0;
    if (!take_first(reader, &first)) {
        return false;
    }
    if (first != 0xc2 && first != 0xc3) {
        (void)fail(reader);
    }
    return first == 0xc3;
}

struct cs_view reader_take_bytes(struct reader *reader, size_t max_bytes)
{
    uint8_t first = 0;
    uint64_t bytes = take_first(reader, &first) ? take_length(reader, first) : 0;
    bool is_cut = bytes > bytes_left(reader) && !MUTANT_IS(213);
    if (bytes > max_bytes || is_cut) {
        (void)fail(reader);
    }
    if (reader->has_failed) {
        return view_of(NULL, 0);
    }
    struct cs_view view = view_of(reader->bytes.data + reader->at, (size_t)bytes);
    reader->at += view.bytes;
    return view;
}

uint32_t reader_take_array(struct reader *reader, uint32_t min, uint32_t max)
{
    uint64_t count = take_count(reader, 0x90, 0xdc);
    // A count of four billion in five bytes ends here: each element needs a byte.
    size_t left = MUTANT_IS(206) ? SIZE_MAX : bytes_left(reader);
    if (count < min || count > max || count > left) {
        (void)fail(reader);
    }
    return reader->has_failed ? 0 : (uint32_t)count;
}

uint32_t reader_take_map(struct reader *reader, uint32_t max)
{
    uint64_t count = take_count(reader, 0x80, 0xde);
    if (count > max || count > bytes_left(reader) / 2) {
        (void)fail(reader);
    }
    return reader->has_failed ? 0 : (uint32_t)count;
}

bool reader_take_nil(struct reader *reader)
{
    bool is_nil = !reader->has_failed && bytes_left(reader) > 0 &&
                  reader->bytes.data[reader->at] == 0xc0;
    reader->at += is_nil ? 1 : 0;
    return is_nil;
}

void reader_skip(struct reader *reader)
{
    CHECK(!reader->is_strict);
    uint64_t pending = 1; // values still to pass: each takes a byte, or the reader fails
    while (pending > 0 && !reader->has_failed) {
        pending += skip_one(reader) - 1;
    }
}

static bool is_array(uint8_t first)
{
    return (first & 0xf0U) == 0x90 || first == 0xdc || first == 0xdd;
}

bool reader_is_at_array(const struct reader *reader)
{
    return !reader->has_failed && bytes_left(reader) > 0 &&
           is_array(reader->bytes.data[reader->at]);
}

struct cs_view reader_since(const struct reader *reader, size_t from)
{
    if (reader->has_failed || from > reader->at) {
        return view_of(NULL, 0);
    }
    return view_of(reader->bytes.data + from, reader->at - from);
}

bool reader_end(const struct reader *reader)
{
    return !reader->has_failed && reader->at == reader->bytes.bytes;
}

/* Answers 0, the value of everything that could not be read. */
static uint64_t fail(struct reader *reader)
{
    reader->has_failed = true;
    return 0;
}

static size_t bytes_left(const struct reader *reader)
{
    return reader->bytes.bytes - reader->at;
}

static bool take_first(struct reader *reader, uint8_t *out_first)
{
    if (reader->has_failed || bytes_left(reader) == 0) {
        (void)fail(reader);
        return false;
    }
    *out_first = reader->bytes.data[reader->at];
    reader->at += 1;
    return true;
}

static uint64_t take_number(struct reader *reader, size_t width)
{
    if (bytes_left(reader) < width) {
        return fail(reader);
    }
    const uint8_t *from = reader->bytes.data + reader->at;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value = value << 8 | from[i];
    }
    reader->at += width;
    return value;
}

/* A number that a shorter form holds if it is below `min`: refused by strict readers. */
static uint64_t take_minimal(struct reader *reader, size_t width, uint64_t min)
{
    uint64_t value = take_number(reader, width);
    return value < min && reader->is_strict && !MUTANT_IS(205) ? fail(reader) : value;
}

static uint64_t take_signed(struct reader *reader, size_t width)
{
    uint64_t value = take_number(reader, width);
    bool is_negative = value >> (8 * width - 1) != 0;
    return is_negative || reader->is_strict ? fail(reader) : value;
}

/* The length that a bin or str announces. */
static uint64_t take_length(struct reader *reader, uint8_t first)
{
    bool is_str = (first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb);
    if (is_str && reader->is_strict) {
        return fail(reader);
    }
    switch (first) {
    case 0xc4:
    case 0xd9:
        return take_number(reader, 1);
    case 0xc5:
    case 0xda:
        return take_minimal(reader, 2, 0x100);
    case 0xc6:
    case 0xdb:
        return take_minimal(reader, 4, 0x10000);
    default:
        return is_str ? first & 0x1fU : fail(reader);
    }
}

/* The count of an array or map: small | count, or `large` and 2 bytes, or the next and 4. */
static uint64_t take_count(struct reader *reader, uint8_t small, uint8_t large)
{
    uint8_t first = 0;
    if (!take_first(reader, &first)) {
        return 0;
    }
    if ((first & 0xf0U) == small) {
        return first & 0x0fU;
    }
    if (first == large) {
        return take_minimal(reader, 2, 16);
    }
    return first == large + 1 ? take_minimal(reader, 4, 0x10000) : fail(reader);
}

/* The bytes that follow the first one of a value that holds no others. */
static uint64_t take_body_bytes(struct reader *reader, uint8_t first)
{
    static const uint8_t fixed[] = {
        [0xca - 0xc0] = 4, [0xcb - 0xc0] = 8, [0xcc - 0xc0] = 1,  [0xcd - 0xc0] = 2,
        [0xce - 0xc0] = 4, [0xcf - 0xc0] = 8, [0xd0 - 0xc0] = 1,  [0xd1 - 0xc0] = 2,
        [0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8, [0xd4 - 0xc0] = 2,  [0xd5 - 0xc0] = 3,
        [0xd6 - 0xc0] = 5, [0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17,
    };
    bool is_run = (first >= 0xa0 && first <= 0xbf) || (first >= 0xc4 && first <= 0xc6) ||
                  (first >= 0xd9 && first <= 0xdb);
    if (is_run) {
        return take_length(reader, first);
    }
    if (first >= 0xc7 && first <= 0xc9) {
        return take_number(reader, (size_t)1 << (first - 0xc7)) + 1; // and its type
    }
    if (first == 0xc1) {
        return fail(reader);
    }
    return first >= 0xc0 && first <= 0xd8 ? fixed[first - 0xc0] : 0;
}

/* Passes one value but for those in it: their number. */
static uint64_t skip_one(struct reader *reader)
{
    uint8_t first = 0;
    if (!take_first(reader, &first)) {
        return 0;
    }
    bool is_map = (first & 0xf0U) == 0x80 || first == 0xde || first == 0xdf;
    if (is_map || is_array(first)) {
        reader->at -= 1;
        return is_map ? 2 * take_count(reader, 0x80, 0xde)
                      : take_count(reader, 0x90, 0xdc);
    }
    uint64_t bytes = take_body_bytes(reader, first);
    if (bytes > bytes_left(reader)) {
        return fail(reader);
    }
    reader->at += (size_t)bytes;
    return 0;
}
