/*
 * reader: a few reads in a row over any bytes, each compared with what msgpack-c makes of
 * the same bytes (TESTING 7.8).
 *
 *   input  flags, count of reads, reads, msgpack bytes
 *
 * msgpack-c is asked about a container only if none can lie inside it and its count is no
 * larger than its bytes: five bytes can make it ask for 96 GB (its issue 1013).
 */
#include "fuzz/input.h"

#include "wire/reader.h"

#include <msgpack.h>

enum { READS_MAX = 24 };

static const uint64_t LIMITS[] = {UINT64_MAX, 0,     1,      0x7f,       0x80,
                                  0xff,       0x100, 0xffff, 0x10000,    0xffffffff,
                                  40,         4,     7,      0x80000000, 16};
enum { LIMIT_COUNT = sizeof LIMITS / sizeof LIMITS[0] };

struct token { // what msgpack-c sees at one place
    bool is_there;
    size_t bytes; // of all of it
    msgpack_object_type type;
    uint64_t number;           // POSITIVE_INTEGER, or the count of an ARRAY
    struct cs_view bytes_view; // BIN, STR
    bool flag;                 // BOOLEAN
};

static bool is_container(uint8_t first)
{
    return (first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
}

/* The count that a head announces; 0 for what is no head of an array. */
static uint64_t claimed_count(struct cs_view at)
{
    uint64_t count = 0;
    size_t width = at.data[0] == 0xdc ? 2 : at.data[0] == 0xdd ? 4 : 0;
    if (at.data[0] >= 0x90 && at.data[0] <= 0x9f) {
        return at.data[0] & 0x0fu;
    }
    for (size_t i = 0; i < width && 1 + i < at.bytes; i++) {
        count = count << 8 | at.data[1 + i];
    }
    return count;
}

static bool is_safe_for_msgpack(struct cs_view at)
{
    if (at.bytes == 0 || !is_container(at.data[0])) {
        return at.bytes > 0;
    }
    for (size_t i = 1; i < at.bytes; i++) {
        // Counts and lengths may look like one: then this place is not asked about.
        if (is_container(at.data[i])) {
            return false;
        }
    }
    bool is_array = at.data[0] != 0xde && at.data[0] != 0xdf && at.data[0] >= 0x90;
    return is_array && claimed_count(at) <= at.bytes;
}

static struct token ask_msgpack(struct cs_view at)
{
    struct token token = {0};
    size_t used = 0;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    token.is_there = msgpack_unpack_next(&unpacked, (const char *)at.data, at.bytes,
                                         &used) == MSGPACK_UNPACK_SUCCESS;
    if (token.is_there) {
        const msgpack_object *object = &unpacked.data;
        token.bytes = used;
        token.type = object->type;
        if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            token.number = object->via.u64;
        } else if (object->type == MSGPACK_OBJECT_ARRAY) {
            token.number = object->via.array.size;
        } else if (object->type == MSGPACK_OBJECT_BIN ||
                   object->type == MSGPACK_OBJECT_STR) {
            token.bytes_view = view_of(object->via.bin.ptr, object->via.bin.size);
        } else if (object->type == MSGPACK_OBJECT_BOOLEAN) {
            token.flag = object->via.boolean;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    return token;
}

/* Is the head of this token the one that msgpack-c would write? */
static bool is_shortest(const struct token *token, struct cs_view at)
{
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (token->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        (void)msgpack_pack_uint64(&packer, token->number);
    } else if (token->type == MSGPACK_OBJECT_ARRAY) {
        (void)msgpack_pack_array(&packer, (size_t)token->number);
    } else {
        (void)msgpack_pack_bin(&packer, token->bytes_view.bytes);
    }
    bool is_same =
        packed.size <= at.bytes && memcmp(packed.data, at.data, packed.size) == 0;
    msgpack_sbuffer_destroy(&packed);
    return is_same;
}

/* What a right reader does with this token: its size, or 0 if it must refuse. */
static size_t expected_bytes(const struct token *token,
                             struct cs_view at,
                             msgpack_object_type wanted,
                             bool is_strict)
{
    bool is_text = wanted == MSGPACK_OBJECT_BIN && token->type == MSGPACK_OBJECT_STR;
    if (!token->is_there || (token->type != wanted && (is_strict || !is_text))) {
        return 0;
    }
    bool has_forms = wanted != MSGPACK_OBJECT_BOOLEAN;
    return is_strict && has_forms && !is_shortest(token, at) ? 0 : token->bytes;
}

static void
read_number(struct reader *reader, const struct token *token, size_t bytes, uint64_t max)
{
    size_t from = reader->at;
    uint64_t value = reader_take_u64(reader, max);
    bool is_good = bytes > 0 && token->number <= max;
    CHECK(reader->has_failed == !is_good);
    CHECK(value == (is_good ? token->number : 0));
    CHECK(!is_good || reader->at == from + bytes);
}

static void read_flag(struct reader *reader, const struct token *token, size_t bytes)
{
    size_t from = reader->at;
    bool flag = reader_take_bool(reader);
    CHECK(reader->has_failed == (bytes == 0));
    CHECK(flag == (bytes > 0 && token->flag));
    CHECK(bytes == 0 || reader->at == from + bytes);
}

static void
read_bytes(struct reader *reader, const struct token *token, size_t bytes, uint64_t max)
{
    size_t from = reader->at;
    struct cs_view view = reader_take_bytes(reader, (size_t)max);
    bool is_good = bytes > 0 && token->bytes_view.bytes <= max;
    CHECK(reader->has_failed == !is_good);
    CHECK(view.bytes == (is_good ? token->bytes_view.bytes : 0));
    CHECK(view.bytes == 0 || view.data == token->bytes_view.data);
    CHECK(!is_good || reader->at == from + bytes);
}

/* Only its head is taken, and elements are not looked at: msgpack-c does look. */
static void read_array(struct reader *reader, struct cs_view at, bool is_asked)
{
    size_t from = reader->at;
    bool was_good = !reader->has_failed;
    bool is_array = at.bytes > 0 && ((at.data[0] & 0xf0) == 0x90 || at.data[0] == 0xdc ||
                                     at.data[0] == 0xdd);
    uint32_t count = reader_take_array(reader, 0, UINT32_MAX);
    CHECK(was_good || count == 0);
    CHECK(is_array || reader->has_failed);
    CHECK(!reader->has_failed || count == 0);
    if (reader->has_failed || !was_good) {
        return;
    }
    size_t head_bytes = reader->at - from;
    CHECK(count == claimed_count(at));
    CHECK(count <= at.bytes - head_bytes);
    struct token token = {.type = MSGPACK_OBJECT_ARRAY, .number = count};
    CHECK(!reader->is_strict || is_shortest(&token, at));
    token = is_asked ? ask_msgpack(at) : token;
    CHECK(!token.is_there || token.number == count);
}

static void read_one(struct reader *reader, uint8_t read)
{
    size_t left = reader->bytes.bytes - reader->at;
    struct cs_view at = view_of(reader->bytes.data + reader->at, left);
    bool is_asked = is_safe_for_msgpack(at);
    uint64_t max = LIMITS[(read >> 2) % LIMIT_COUNT];
    struct token token = {0};
    bool is_other = is_asked && !is_container(at.data[0]) && !reader->has_failed;
    if (is_other) {
        token = ask_msgpack(at);
    }
    switch (read & 3) {
    case 0:
        read_number(reader, &token,
                    expected_bytes(&token, at, MSGPACK_OBJECT_POSITIVE_INTEGER,
                                   reader->is_strict),
                    max);
        return;
    case 1:
        read_flag(reader, &token,
                  expected_bytes(&token, at, MSGPACK_OBJECT_BOOLEAN, reader->is_strict));
        return;
    case 2:
        read_bytes(reader, &token,
                   expected_bytes(&token, at, MSGPACK_OBJECT_BIN, reader->is_strict),
                   max);
        return;
    default:
        read_array(reader, at, is_asked);
        return;
    }
}

/* Limits of an array are asked for apart: the comparison above leaves them open. */
static void read_bounded_array(struct cs_view bytes, bool is_strict, uint8_t choice)
{
    uint32_t min = (uint32_t)LIMITS[(choice & 15) % LIMIT_COUNT];
    uint32_t max = (uint32_t)LIMITS[(choice >> 4) % LIMIT_COUNT];
    struct reader open = reader_over(bytes, is_strict);
    struct reader bounded = reader_over(bytes, is_strict);
    uint32_t count = reader_take_array(&open, 0, UINT32_MAX);
    uint32_t got = reader_take_array(&bounded, min, max);
    bool is_good = !open.has_failed && count >= min && count <= max;
    CHECK(bounded.has_failed == !is_good);
    CHECK(got == (is_good ? count : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    bool is_strict = (input_take_byte(&input) & 1) != 0;
    struct cs_view reads = input_take(&input, input_take_below(&input, READS_MAX));
    struct cs_view rest = input_rest(&input);
    struct reader reader = reader_over(rest, is_strict);
    for (size_t i = 0; i < reads.bytes; i++) {
        bool has_failed = reader.has_failed;
        size_t from = reader.at;
        read_one(&reader, reads.data[i]);
        CHECK(!has_failed || reader.has_failed); // the first error sticks
        CHECK(reader.at >= from);
        CHECK(reader.at <= rest.bytes);
        CHECK(reader_since(&reader, from).bytes ==
              (reader.has_failed ? 0 : reader.at - from));
    }
    CHECK(reader_end(&reader) == (!reader.has_failed && reader.at == rest.bytes));
    if (reads.bytes > 0) {
        read_bounded_array(rest, is_strict, reads.data[0]);
    }
    return 0;
}
