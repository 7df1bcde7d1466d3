/*
 * command.c - commands and batches as bytes.
 *
 *   command  95 operation key value condition condition_revision
 *          | 98 operation key value condition condition_revision session sequence
 *            acknowledged
 *   element  94 origin_seat origin_boot request_id command
 *   batch    dd count(4, big endian) element...               always this five-byte head
 *
 * The head of a batch has a fixed width because it is written last, in front of what is
 * there. A batch is valid iff its head is exactly that form, count <=
 * LIMIT_BATCH_COMMANDS, each element is valid in strict mode and nothing follows the
 * last.
 */
#include "wire/command.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "wire/writer.h"

#include <consens/paxos.h>

enum {
    COMMAND_FIELDS = 5,
    SESSION_FIELDS = 3,
    ELEMENT_FIELDS = 4,
    BATCH_HEAD_FORM = 0xdd, // array with a count of four bytes
    BATCH_HEAD_BYTES = 5,
    ELEMENT_HEAD_BYTES_MAX = 1 + 1 + 9 + 9, // array, seat, boot, request_id
    COMMAND_OVERHEAD_BYTES_MAX = 1 + 1 + 3 + 5 + 1 + 9 + 3 * 9,
};

_Static_assert(PAXOS_MEMBERS_MAX <= 128, "a seat packs into one byte");
_Static_assert(COMMAND_OVERHEAD_BYTES_MAX + LIMIT_KEY_BYTES + LIMIT_VALUE_BYTES <=
                   LIMIT_COMMAND_BYTES,
               "the largest command is a legal one");
_Static_assert(BATCH_HEAD_BYTES + ELEMENT_HEAD_BYTES_MAX + LIMIT_COMMAND_BYTES <=
                   LIMIT_ENTRY_BYTES,
               "the largest command fits a batch of its own");

static bool is_valid(const struct command *command);

void command_pack(struct cs_buffer *out, const struct command *command)
{
    CHECK(is_valid(command));
    msgpack_packer packer = writer_over(out);
    bool has_session = command->session != 0;
    writer_put_array(&packer, COMMAND_FIELDS + (has_session ? SESSION_FIELDS : 0));
    writer_put_u64(&packer, command->operation);
    writer_put_bytes(&packer, command->key);
    writer_put_bytes(&packer, command->value);
    writer_put_u64(&packer, command->condition);
    writer_put_u64(&packer, command->condition_revision);
    if (has_session) {
        writer_put_u64(&packer, command->session);
        writer_put_u64(&packer, command->sequence);
        writer_put_u64(&packer, command->acknowledged);
    }
}

bool command_unpack(struct reader *reader, struct command *out_command)
{
    uint32_t fields =
        reader_take_array(reader, COMMAND_FIELDS, COMMAND_FIELDS + SESSION_FIELDS);
    *out_command = (struct command){0};
    out_command->operation = (uint32_t)reader_take_u64(reader, UINT32_MAX);
    out_command->key = reader_take_bytes(reader, LIMIT_KEY_BYTES);
    out_command->value = reader_take_bytes(reader, LIMIT_VALUE_BYTES);
    out_command->condition = (uint32_t)reader_take_u64(reader, UINT32_MAX);
    out_command->condition_revision = reader_take_u64(reader, UINT64_MAX);
    if (fields > COMMAND_FIELDS) {
        out_command->session = reader_take_u64(reader, UINT64_MAX);
        out_command->sequence = reader_take_u64(reader, UINT64_MAX);
        out_command->acknowledged = reader_take_u64(reader, UINT64_MAX);
    }
    bool has_session = out_command->session != 0;
    bool has_fields = fields == COMMAND_FIELDS + (has_session ? SESSION_FIELDS : 0U);
    if (!has_fields || !is_valid(out_command)) {
        reader->has_failed = true;
    }
    return !reader->has_failed;
}

void batch_start(struct batch_builder *builder)
{
    builder->bytes.bytes = 0;
    builder->command_count = 0;
    (void)buffer_extend(&builder->bytes, BATCH_HEAD_BYTES);
}

void batch_append(struct batch_builder *builder,
                  const struct command_origin *origin,
                  struct cs_view packed_command)
{
    CHECK(builder->bytes.bytes >= BATCH_HEAD_BYTES);
    CHECK(builder->command_count < LIMIT_BATCH_COMMANDS);
    CHECK(origin->seat < PAXOS_MEMBERS_MAX);
    msgpack_packer packer = writer_over(&builder->bytes);
    writer_put_array(&packer, ELEMENT_FIELDS);
    writer_put_u64(&packer, origin->seat);
    writer_put_u64(&packer, origin->boot);
    writer_put_u64(&packer, origin->request_id);
    buffer_append(&builder->bytes, packed_command.data, packed_command.bytes);
    builder->command_count += 1;
}

size_t batch_bytes_after(const struct batch_builder *builder, size_t packed_command_bytes)
{
    return builder->bytes.bytes + ELEMENT_HEAD_BYTES_MAX + packed_command_bytes;
}

struct cs_view batch_seal(struct batch_builder *builder)
{
    CHECK(builder->bytes.bytes >= BATCH_HEAD_BYTES);
    uint8_t *head = builder->bytes.data;
    head[0] = BATCH_HEAD_FORM;
    head[1] = (uint8_t)(builder->command_count >> 24);
    head[2] = (uint8_t)(builder->command_count >> 16);
    head[3] = (uint8_t)(builder->command_count >> 8);
    head[4] = (uint8_t)builder->command_count;
    return view_of_buffer(&builder->bytes);
}

void batch_fini(struct batch_builder *builder)
{
    buffer_fini(&builder->bytes);
    builder->command_count = 0;
}

bool batch_open(struct cs_view payload, struct reader *out_reader, uint32_t *out_count)
{
    *out_count = 0;
    *out_reader = reader_over(payload, true);
    if (payload.bytes < BATCH_HEAD_BYTES || payload.data[0] != BATCH_HEAD_FORM) {
        out_reader->has_failed = true;
        return false;
    }
    // Read leniently: a strict reader would refuse the fixed width for a small count.
    out_reader->is_strict = false;
    uint32_t max = MUTANT_IS(210) ? UINT32_MAX : LIMIT_BATCH_COMMANDS;
    *out_count = reader_take_array(out_reader, 0, max);
    out_reader->is_strict = true;
    return !out_reader->has_failed;
}

bool batch_take(struct reader *reader,
                struct command_origin *out_origin,
                struct command *out_command)
{
    (void)reader_take_array(reader, ELEMENT_FIELDS, ELEMENT_FIELDS);
    out_origin->seat = (uint32_t)reader_take_u64(reader, PAXOS_MEMBERS_MAX - 1);
    out_origin->boot = reader_take_u64(reader, UINT64_MAX);
    out_origin->request_id = reader_take_u64(reader, UINT64_MAX);
    return command_unpack(reader, out_command);
}

static bool has_valid_session(const struct command *command)
{
    if (command->session == 0) {
        return command->sequence == 0 && command->acknowledged == 0;
    }
    return command->acknowledged < command->sequence;
}

static bool is_valid(const struct command *command)
{
    if (command->operation == COMMAND_OPEN_SESSION) {
        return command->key.bytes == 0 && command->value.bytes == 0 &&
               command->condition == COMMAND_ALWAYS && command->session == 0 &&
               command->sequence == 0 && command->acknowledged == 0;
    }
    bool is_put = command->operation == COMMAND_PUT;
    return (is_put || command->operation == COMMAND_DELETE) &&
           command->condition < COMMAND_CONDITIONS &&
           (command->key.bytes >= 1 || MUTANT_IS(149)) &&
           command->key.bytes <= LIMIT_KEY_BYTES &&
           command->value.bytes <= (is_put || MUTANT_IS(211) ? LIMIT_VALUE_BYTES : 0) &&
           has_valid_session(command);
}
