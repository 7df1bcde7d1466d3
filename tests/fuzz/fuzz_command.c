/*
 * command: what clients ask to be written, alone and in the batch that fills a slot. What a
 * strict reader takes packs again to the same bytes; what is packed unpacks to the same.
 *
 *   input  flags: 1 strict, 2 a batch; bytes
 */
#include "fuzz/input.h"

#include "base/limits.h"
#include "wire/command.h"

#include <consens/paxos.h>

static bool same_view(struct cs_view left, struct cs_view right)
{
    return left.bytes == right.bytes &&
           (left.bytes == 0 || memcmp(left.data, right.data, left.bytes) == 0);
}

static void check_command(const struct command *command, bool is_strict)
{
    static struct cs_buffer packed;
    CHECK(command->key.bytes >= 1 || command->operation == COMMAND_OPEN_SESSION);
    CHECK(command->key.bytes <= LIMIT_KEY_BYTES);
    CHECK(command->value.bytes <= LIMIT_VALUE_BYTES);
    CHECK(command->operation == COMMAND_PUT || command->value.bytes == 0);
    packed.bytes = 0;
    command_pack(&packed, command);
    struct command again = {0};
    struct reader reader = reader_over(view_of_buffer(&packed), is_strict);
    CHECK(command_unpack(&reader, &again));
    CHECK(reader_end(&reader));
    CHECK(again.operation == command->operation);
    CHECK(again.condition == command->condition);
    CHECK(again.condition_revision == command->condition_revision);
    CHECK(same_view(again.key, command->key));
    CHECK(same_view(again.value, command->value));
    CHECK(again.session == command->session);
    CHECK(again.sequence == command->sequence);
    CHECK(again.acknowledged == command->acknowledged);
}

static void take_command(struct cs_view bytes, bool is_strict)
{
    static struct cs_buffer packed;
    struct command command = {0};
    struct reader reader = reader_over(bytes, is_strict);
    if (!command_unpack(&reader, &command)) {
        CHECK(reader.has_failed);
        return;
    }
    check_command(&command, is_strict);
    packed.bytes = 0;
    command_pack(&packed, &command);
    struct cs_view used = reader_since(&reader, 0);
    CHECK(packed.bytes <= LIMIT_COMMAND_BYTES);
    CHECK(!is_strict || same_view(view_of_buffer(&packed), used));
}

/* Takes the batch apart and builds it anew. */
static void take_batch(struct cs_view bytes)
{
    static struct batch_builder builder;
    struct reader reader;
    uint32_t count = 0;
    if (!batch_open(bytes, &reader, &count)) {
        CHECK(count == 0);
        return;
    }
    CHECK(count <= LIMIT_BATCH_COMMANDS);
    batch_start(&builder);
    for (uint32_t i = 0; i < count; i++) {
        static struct cs_buffer packed;
        struct command_origin origin = {0};
        struct command command = {0};
        if (!batch_take(&reader, &origin, &command)) {
            CHECK(!reader_end(&reader));
            return;
        }
        CHECK(origin.seat < PAXOS_MEMBERS_MAX);
        check_command(&command, true);
        packed.bytes = 0;
        command_pack(&packed, &command);
        size_t most = batch_bytes_after(&builder, packed.bytes);
        batch_append(&builder, &origin, view_of_buffer(&packed));
        CHECK(builder.bytes.bytes <= most);
    }
    if (reader_end(&reader)) {
        CHECK(same_view(batch_seal(&builder), bytes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    uint8_t flags = input_take_byte(&input);
    if ((flags & 2) != 0) {
        take_batch(input_rest(&input));
    } else {
        take_command(input_rest(&input), (flags & 1) != 0);
    }
    return 0;
}
