/*
 * client_message.h - what clients of the ZeroMQ port send and get: include/consens/
 * protocol.md.
 *
 * A message is checked whole before any of its requests counts: client_message_open(),
 * then client_message_take() for each. Readers are lenient: any form of msgpack that
 * holds the value will do.
 *
 * Thread: any.
 */
#ifndef CONSENS_WIRE_CLIENT_MESSAGE_H
#define CONSENS_WIRE_CLIENT_MESSAGE_H

#include "wire/reader.h"
#include "wire/request.h"

enum {
    CLIENT_BATCH_REQUESTS_MAX = 1024, // bounds the work that one message asks for
    CLIENT_TIMEOUT_DEFAULT_MS = 5 * 1000,
    CLIENT_TIMEOUT_MAX_MS = 60 * 1000,
};

struct client_message {
    struct reader reader;
    uint32_t request_count; // 1 unless it is a batch
    bool is_batch;
};

struct client_request {
    uint64_t id;
    enum cs_status refusal; // CS_OK, KEY_TOO_LONG or TOO_LARGE: refused by itself
    uint64_t limit;         // of a refusal
    uint64_t actual;
    bool has_unless_revision;
    uint64_t unless_revision;
    struct request request; // without ticket; WRITE: `command` is empty,
    struct command command; // and this is what to pack
};

struct client_answer {
    uint64_t id;
    const struct reply *reply; // its value: bytes, or the sentence of an error
    bool has_value;
    bool is_local;
    uint64_t limit; // 0: none was passed
    uint64_t actual;
    const char *leader;     // NULL: none known
    const char *durability; // NULL: sync
};

/*
 * False: not a message of the protocol; *out_reason says why, for a person. Keys and
 * values that are too long are no such reason: the request that has one is refused alone.
 */
bool client_message_open(struct cs_view bytes,
                         uint64_t value_bytes_max,
                         struct client_message *out_message,
                         const char **out_reason);
/* The next request of an opened message. Views are valid as long as its bytes. */
void client_message_take(struct client_message *message,
                         uint64_t value_bytes_max,
                         struct client_request *out_request);

/* Appends. The head of a batch's answer comes before its answers. */
void client_batch_pack(struct cs_buffer *out, uint32_t answer_count);
void client_answer_pack(struct cs_buffer *out, const struct client_answer *answer);

#endif
