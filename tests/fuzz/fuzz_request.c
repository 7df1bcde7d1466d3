/*
 * request: what crosses between HTTP threads and the engine, both ways. What unpacks packs
 * again to the same bytes.
 *
 *   input  flags: 1 a reply, else a request; bytes
 */
#include "fuzz/input.h"

#include "base/limits.h"
#include "wire/request.h"

#include <consens/paxos.h>

static struct cs_buffer packed;

static void check_same(struct cs_view bytes)
{
    CHECK(packed.bytes == bytes.bytes);
    CHECK(memcmp(packed.data, bytes.data, bytes.bytes) == 0);
}

static void check_subject(const struct request *request)
{
    struct command command = {0};
    struct reader reader = reader_over(request->command, true);
    switch ((enum request_kind)request->kind) {
    case REQUEST_WRITE:
        CHECK(command_unpack(&reader, &command));
        CHECK(reader_end(&reader));
        break;
    case REQUEST_GET:
    case REQUEST_HEAD:
        CHECK(request->key.bytes >= 1);
        CHECK(request->key.bytes <= LIMIT_KEY_BYTES);
        break;
    case REQUEST_STATUS:
    case REQUEST_READY:
        CHECK(request->key.bytes == 0);
        break;
    case REQUEST_KINDS:
        CHECK(false);
    }
    CHECK(request->consistency <= REQUEST_LOCAL);
}

static void take_request(struct cs_view bytes)
{
    struct request request;
    if (request_unpack(bytes, &request)) {
        check_subject(&request);
        request_pack(&packed, &request);
        check_same(bytes);
    }
}

static void take_reply(struct cs_view bytes)
{
    struct reply reply;
    if (reply_unpack(bytes, &reply)) {
        CHECK((uint32_t)reply.status < CS_STATUS_COUNT);
        CHECK(reply.leader_seat <= PAXOS_MEMBERS_MAX);
        CHECK(reply.value.bytes <= LIMIT_VALUE_BYTES);
        reply_pack(&packed, &reply);
        check_same(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    bool is_reply = (input_take_byte(&input) & 1) != 0;
    if (is_reply) {
        take_reply(input_rest(&input));
    } else {
        take_request(input_rest(&input));
    }
    return 0;
}
