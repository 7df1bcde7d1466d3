/*
 * command.h - what clients ask to be written, as bytes in the log.
 *
 * command  = [operation, key, value, condition, condition_revision]
 *          | [operation, key, value, condition, condition_revision,
 *             session, sequence, acknowledged]
 * element  = [origin_seat, origin_boot, request_id, command]
 * batch    = [element, ...]                          the payload of one slot
 *
 * Encoded once, by the thread that took the request in; decoded by the bounded reader at
 * apply on every node. The origin tells the node that took the request which waiter to
 * answer.
 *
 * Thread: any.
 */
#ifndef CONSENS_WIRE_COMMAND_H
#define CONSENS_WIRE_COMMAND_H

#include "base/bytes.h"
#include "wire/reader.h"

#include <stdbool.h>

enum command_operation {
    COMMAND_PUT = 1,
    COMMAND_DELETE = 2,
    COMMAND_OPEN_SESSION = 3, // no key, value, condition
};

enum command_condition {
    COMMAND_ALWAYS = 0,
    COMMAND_IF_ABSENT,   // If-None-Match: *
    COMMAND_IF_EXISTS,   // If-Match: *
    COMMAND_IF_REVISION, // If-Match: "41": modified revision equals condition_revision
    COMMAND_CONDITIONS,
};

struct command {
    uint32_t operation;
    uint32_t condition;
    uint64_t condition_revision;
    struct cs_view key;   // 1..LIMIT_KEY_BYTES
    struct cs_view value; // 0..LIMIT_VALUE_BYTES; empty unless PUT
    uint64_t session;     // 0: none (PAXOS 2.13)
    uint64_t sequence;    // of the session's writes, from 1; a retry has the same
    uint64_t
        acknowledged; // < sequence: answers up to this one will not be asked for again
};

struct command_origin {
    uint32_t seat;
    uint64_t boot;
    uint64_t request_id;
};

void command_pack(struct cs_buffer *out, const struct command *command);
bool command_unpack(struct reader *reader, struct command *out_command);

/* A batch is built by appending elements of already packed commands, then sealing. */
struct batch_builder {
    struct cs_buffer bytes; // starts with room for the array header
    uint32_t command_count;
};

void batch_start(struct batch_builder *builder);
void batch_append(struct batch_builder *builder,
                  const struct command_origin *origin,
                  struct cs_view packed_command);
/* How large the batch is at most after one more command. */
size_t batch_bytes_after(const struct batch_builder *builder,
                         size_t packed_command_bytes);
/* The finished payload; valid until the builder changes. */
struct cs_view batch_seal(struct batch_builder *builder);
void batch_fini(struct batch_builder *builder);

/*
 * Reading: batch_open gives the count, then batch_take each element; false on damage.
 * After the last one reader_end() is false if bytes follow.
 */
bool batch_open(struct cs_view payload, struct reader *out_reader, uint32_t *out_count);
bool batch_take(struct reader *reader,
                struct command_origin *out_origin,
                struct command *out_command);

#endif
