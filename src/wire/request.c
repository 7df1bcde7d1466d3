/*
 * request.c - requests and replies as bytes.
 *
 *   request  96 ticket kind consistency min_revision timeout_ms subject
 *            subject: WRITE one command (command.c); STATUS, READY an empty bin;
 *                     GET, HEAD a key of 1..LIMIT_KEY_BYTES
 *   reply    9c ticket status revision item_revision created_revision version leader_seat
 *            lag_ms durability session is_replay value
 *
 * Valid iff each field has its shortest form and is within its range, and nothing
 * follows. The command of a WRITE is decoded here once, so that nothing unreadable can
 * get into the log.
 */
#include "wire/request.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "wire/writer.h"

#include <consens/paxos.h>

enum { REQUEST_FIELDS = 6, REPLY_FIELDS = 12 };

static void take_subject(struct reader *reader, struct request *request);

void request_pack(struct cs_buffer *out, const struct request *request)
{
    CHECK(request->kind >= REQUEST_WRITE && request->kind < REQUEST_KINDS);
    out->bytes = 0;
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, REQUEST_FIELDS);
    writer_put_u64(&packer, request->ticket);
    writer_put_u64(&packer, request->kind);
    writer_put_u64(&packer, request->consistency);
    writer_put_u64(&packer, request->min_revision);
    writer_put_u64(&packer, request->timeout_ms);
    if (request->kind == REQUEST_WRITE) {
        buffer_append(out, request->command.data, request->command.bytes);
    } else {
        writer_put_bytes(&packer, request->key);
    }
}

bool request_unpack(struct cs_view bytes, struct request *out_request)
{
    struct request request = {0};
    struct reader reader = reader_over(bytes, true);
    (void)reader_take_array(&reader, REQUEST_FIELDS, REQUEST_FIELDS);
    request.ticket = reader_take_u64(&reader, UINT64_MAX);
    request.kind = (uint32_t)reader_take_u64(&reader, REQUEST_KINDS - 1);
    request.consistency = (uint32_t)reader_take_u64(&reader, REQUEST_LOCAL);
    request.min_revision = reader_take_u64(&reader, UINT64_MAX);
    request.timeout_ms = reader_take_u64(&reader, UINT64_MAX);
    take_subject(&reader, &request);
    *out_request = request;
    return reader_end(&reader);
}

void reply_pack(struct cs_buffer *out, const struct reply *reply)
{
    out->bytes = 0;
    msgpack_packer packer = writer_over(out);
    writer_put_array(&packer, REPLY_FIELDS);
    writer_put_u64(&packer, reply->ticket);
    writer_put_u64(&packer, (uint64_t)reply->status);
    writer_put_u64(&packer, reply->revision);
    writer_put_u64(&packer, reply->item_revision);
    writer_put_u64(&packer, reply->created_revision);
    writer_put_u64(&packer, reply->version);
    writer_put_u64(&packer, reply->leader_seat);
    writer_put_u64(&packer, reply->lag_ms);
    writer_put_u64(&packer, reply->durability);
    writer_put_u64(&packer, reply->session);
    writer_put_u64(&packer, reply->is_replay ? 1 : 0);
    writer_put_bytes(&packer, reply->value);
}

bool reply_unpack(struct cs_view bytes, struct reply *out_reply)
{
    struct reply reply = {0};
    struct reader reader = reader_over(bytes, true);
    (void)reader_take_array(&reader, REPLY_FIELDS, REPLY_FIELDS);
    reply.ticket = reader_take_u64(&reader, UINT64_MAX);
    reply.status = (enum cs_status)reader_take_u64(&reader, CS_STATUS_COUNT - 1);
    reply.revision = reader_take_u64(&reader, UINT64_MAX);
    reply.item_revision = reader_take_u64(&reader, UINT64_MAX);
    reply.created_revision = reader_take_u64(&reader, UINT64_MAX);
    reply.version = reader_take_u64(&reader, UINT64_MAX);
    reply.leader_seat = (uint32_t)reader_take_u64(&reader, PAXOS_MEMBERS_MAX);
    reply.lag_ms = reader_take_u64(&reader, UINT64_MAX);
    reply.durability = (uint32_t)reader_take_u64(&reader, UINT32_MAX);
    reply.session = reader_take_u64(&reader, UINT64_MAX);
    reply.is_replay = reader_take_u64(&reader, 1) != 0;
    reply.value = reader_take_bytes(&reader, LIMIT_VALUE_BYTES);
    *out_reply = reply;
    return reader_end(&reader);
}

static void take_subject(struct reader *reader, struct request *request)
{
    size_t from = reader->at;
    struct command command;
    switch (request->kind) {
    case REQUEST_WRITE:
        (void)command_unpack(reader, &command);
        request->command = reader_since(reader, from);
        return;
    case REQUEST_GET:
    case REQUEST_HEAD:
        request->key = reader_take_bytes(reader, LIMIT_KEY_BYTES);
        reader->has_failed =
            reader->has_failed || (request->key.bytes == 0 && !MUTANT_IS(150));
        return;
    case REQUEST_STATUS:
    case REQUEST_READY:
        (void)reader_take_bytes(reader, 0);
        return;
    default:
        reader->has_failed = true;
        return;
    }
}
