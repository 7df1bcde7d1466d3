/*
 * frames.h - the frames between engine, log thread and helper: bytes only, little
 * endian, the kind first.
 *
 * Thread: any; a socket belongs to its thread.
 */
#ifndef CONSENS_WAL_FRAMES_H
#define CONSENS_WAL_FRAMES_H

#include "wal/thread.h"

enum frame_kind { // to the log thread and to the helper
    FRAME_RECORDS = 1,
    FRAME_READ,
    FRAME_PREPARE,  // helper: segment number
    FRAME_PREPARED, // from the helper: segment number, status, sentence
    FRAME_STOP,
};

struct frame_read {
    cs_slot first;
    cs_slot last;
    uint32_t max_entries;
    uint64_t max_bytes;
    uint64_t cookie;
};

struct frame_prepared {
    uint64_t number;
    enum wal_status status;
    char sentence[512];
};

/* A message of one frame: its kind, and the bytes after it. */
struct frame {
    uint8_t kind;
    struct cs_view body; // valid until the message is closed
};

/*
 * Sends a frame. The sockets have no high-water mark, so this neither blocks nor fails.
 */
void frame_send(void *socket, uint8_t kind, struct cs_view body);

void frame_send_read(void *socket, const struct frame_read *read);
struct frame_read frame_take_read(struct cs_view body);

void frame_send_prepared(void *socket, const struct frame_prepared *prepared);
struct frame_prepared frame_take_prepared(struct cs_view body);

/* Kinds of enum wal_completion_kind. The slice stays the caller's. */
void frame_send_completion(void *socket, const struct wal_completion *completion);
void frame_take_completion(const struct frame *frame,
                           struct wal_completion *out_completion);

/* `message` is a zmq_msg_t. False: none is there. */
bool frame_receive(void *socket, void *message, struct frame *out_frame);

#endif
