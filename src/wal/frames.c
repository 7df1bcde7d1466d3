#include "wal/frames.h"

#include "wal/fields.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

// ThreadSanitizer cannot look into libzmq, which is not built with it: it is told that
// what was done to a frame before it was sent came before what is done after it was
// received.
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TELL_SENT(address)     __tsan_release(address)
#define TELL_RECEIVED(address) __tsan_acquire(address)
#else
#define TELL_SENT(address)     (void)(address)
#define TELL_RECEIVED(address) (void)(address)
#endif

enum {
    READ_BYTES = 8 + 8 + 4 + 8 + 8,
    COMPLETION_HEAD_BYTES = 8 + 8 + 8 + 8 + 4 + 4,
    SLICE_HEAD_BYTES = 4 + 4 + 16 + 8 + 8 + 16 + 16 + 4,
    SLICE_ENTRY_BYTES = 8 + 8 + 4 + 4 + 16 + 16,
};

/* A new message of `bytes` with the kind in front; where the bytes go. */
static uint8_t *begin(zmq_msg_t *message, uint8_t kind, size_t bytes)
{
    CHECK(zmq_msg_init_size(message, 1 + bytes) == 0);
    uint8_t *at = zmq_msg_data(message);
    *at = kind;
    return at + 1;
}

static void finish(void *socket, zmq_msg_t *message)
{
    int sent = -1;
    TELL_SENT(zmq_msg_data(message));
    do {
        sent = zmq_msg_send(message, socket, ZMQ_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    CHECK(sent >= 0); // inproc, both ends there, no high-water mark
}

void frame_send(void *socket, uint8_t kind, struct cs_view body)
{
    zmq_msg_t message;
    uint8_t *at = begin(&message, kind, body.bytes);
    if (body.bytes > 0) {
        memcpy(at, body.data, body.bytes);
    }
    finish(socket, &message);
}

bool frame_receive(void *socket, void *message, struct frame *out_frame)
{
    zmq_msg_t *received = message;
    int bytes = -1;
    do {
        bytes = zmq_msg_recv(received, socket, ZMQ_DONTWAIT);
    } while (bytes < 0 && errno == EINTR);
    if (bytes < 0) {
        CHECK(errno == EAGAIN);
        return false;
    }
    CHECK(bytes > 0);
    const uint8_t *data = zmq_msg_data(received);
    TELL_RECEIVED(zmq_msg_data(received));
    out_frame->kind = data[0];
    out_frame->body = view_of(data + 1, (size_t)bytes - 1);
    return true;
}

/* ---- reads ------------------------------------------------------------------------- */

void frame_send_read(void *socket, const struct frame_read *read)
{
    zmq_msg_t message;
    uint8_t *at = begin(&message, FRAME_READ, READ_BYTES);
    field_put_u64(&at, read->first);
    field_put_u64(&at, read->last);
    field_put_u32(&at, read->max_entries);
    field_put_u64(&at, read->max_bytes);
    field_put_u64(&at, read->cookie);
    finish(socket, &message);
}

struct frame_read frame_take_read(struct cs_view body)
{
    CHECK(body.bytes == READ_BYTES);
    const uint8_t *at = body.data;
    struct frame_read read = {.first = field_take_u64(&at)};
    read.last = field_take_u64(&at);
    read.max_entries = field_take_u32(&at);
    read.max_bytes = field_take_u64(&at);
    read.cookie = field_take_u64(&at);
    return read;
}

/* ---- the helper's answer ----------------------------------------------------------- */

void frame_send_prepared(void *socket, const struct frame_prepared *prepared)
{
    zmq_msg_t message;
    size_t bytes = 8 + 4 + sizeof prepared->sentence;
    uint8_t *at = begin(&message, FRAME_PREPARED, bytes);
    field_put_u64(&at, prepared->number);
    field_put_u32(&at, prepared->status);
    memcpy(at, prepared->sentence, sizeof prepared->sentence);
    finish(socket, &message);
}

struct frame_prepared frame_take_prepared(struct cs_view body)
{
    struct frame_prepared prepared = {0};
    CHECK(body.bytes == 8 + 4 + sizeof prepared.sentence);
    const uint8_t *at = body.data;
    prepared.number = field_take_u64(&at);
    prepared.status = (enum wal_status)field_take_u32(&at);
    memcpy(prepared.sentence, at, sizeof prepared.sentence);
    return prepared;
}

/* ---- completions ------------------------------------------------------------------- */

static size_t slice_bytes(const struct wal_slice *slice)
{
    return SLICE_HEAD_BYTES + (size_t)slice->entry_count * SLICE_ENTRY_BYTES +
           slice->bytes.bytes;
}

static void put_slice(uint8_t *to, const struct wal_slice *slice)
{
    uint8_t *at = to;
    field_put_u32(&at, slice->entry_count);
    field_put_u32(&at, slice->is_before_lost ? 1 : 0);
    field_put_chain(&at, slice->before_chain);
    field_put_u64(&at, slice->fault.first);
    field_put_u64(&at, slice->fault.last);
    field_put_chain(&at, slice->fault.before_chain);
    field_put_chain(&at, slice->fault.after_chain);
    field_put_u32(&at, slice->fault.knows_after ? 1 : 0);
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        const struct paxos_entry *entry = &slice->entries[i];
        field_put_u64(&at, entry->slot);
        field_put_u64(&at, entry->time_ms);
        field_put_u32(&at, entry->payload_bytes);
        field_put_u32(&at, entry->type);
        field_put_chain(&at, entry->digest);
        field_put_chain(&at, entry->chain);
    }
    if (slice->bytes.bytes > 0) {
        memcpy(at, slice->bytes.data, slice->bytes.bytes);
    }
}

static struct paxos_entry take_entry(const uint8_t **at)
{
    struct paxos_entry entry = {.slot = field_take_u64(at)};
    entry.time_ms = field_take_u64(at);
    entry.payload_bytes = field_take_u32(at);
    entry.type = field_take_u32(at);
    entry.digest = field_take_chain(at);
    entry.chain = field_take_chain(at);
    return entry;
}

static void take_slice(struct cs_view body, struct wal_slice *slice)
{
    CHECK(body.bytes >= SLICE_HEAD_BYTES);
    const uint8_t *at = body.data;
    slice->entry_count = field_take_u32(&at);
    slice->is_before_lost = field_take_u32(&at) != 0;
    slice->before_chain = field_take_chain(&at);
    slice->fault.first = field_take_u64(&at);
    slice->fault.last = field_take_u64(&at);
    slice->fault.before_chain = field_take_chain(&at);
    slice->fault.after_chain = field_take_chain(&at);
    slice->fault.knows_after = field_take_u32(&at) != 0;
    size_t head = SLICE_HEAD_BYTES + (size_t)slice->entry_count * SLICE_ENTRY_BYTES;
    CHECK(head <= body.bytes);
    buffer_append(&slice->bytes, body.data + head, body.bytes - head);
    size_t count = slice->entry_count == 0 ? 1 : slice->entry_count;
    slice->entries = calloc(count, sizeof *slice->entries);
    slice->payloads = calloc(count, sizeof *slice->payloads);
    CHECK(slice->entries != NULL);
    CHECK(slice->payloads != NULL);
    const uint8_t *payload = slice->bytes.data;
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        slice->entries[i] = take_entry(&at);
        slice->payloads[i] = view_of(payload, slice->entries[i].payload_bytes);
        payload = payload == NULL ? NULL : payload + slice->entries[i].payload_bytes;
    }
}

void frame_send_completion(void *socket, const struct wal_completion *completion)
{
    bool is_slice =
        completion->kind == WAL_COMPLETION_SLICE && completion->status == WAL_OK;
    size_t rest = 0;
    if (is_slice) {
        rest = slice_bytes(&completion->slice);
    } else if (completion->status != WAL_OK) {
        rest = sizeof completion->sentence;
    }
    zmq_msg_t message;
    uint8_t *at =
        begin(&message, (uint8_t)completion->kind, COMPLETION_HEAD_BYTES + rest);
    field_put_u64(&at, completion->token);
    field_put_u64(&at, completion->block);
    field_put_u64(&at, completion->sync_us);
    field_put_u64(&at, completion->cookie);
    field_put_u32(&at, completion->has_room ? 1 : 0);
    field_put_u32(&at, completion->status);
    if (is_slice) {
        put_slice(at, &completion->slice);
    } else if (rest > 0) {
        memcpy(at, completion->sentence, sizeof completion->sentence);
    }
    finish(socket, &message);
}

void frame_take_completion(const struct frame *frame,
                           struct wal_completion *out_completion)
{
    CHECK(frame->body.bytes >= COMPLETION_HEAD_BYTES);
    const uint8_t *at = frame->body.data;
    *out_completion = (struct wal_completion){.kind = frame->kind};
    out_completion->token = field_take_u64(&at);
    out_completion->block = field_take_u64(&at);
    out_completion->sync_us = field_take_u64(&at);
    out_completion->cookie = field_take_u64(&at);
    out_completion->has_room = field_take_u32(&at) != 0;
    out_completion->status = (enum wal_status)field_take_u32(&at);
    size_t rest = frame->body.bytes - COMPLETION_HEAD_BYTES;
    if (out_completion->status != WAL_OK) {
        CHECK(rest == sizeof out_completion->sentence);
        memcpy(out_completion->sentence, at, rest);
    } else if (frame->kind == WAL_COMPLETION_SLICE) {
        take_slice(view_of(at, rest), &out_completion->slice);
    }
}
