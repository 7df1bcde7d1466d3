/*
 * client_call.h - the client's end of client_message.h: requests packed, answers read.
 *
 * Answers are as untrusted as anything that comes over a socket.
 *
 * Thread: any.
 */
#ifndef CONSENS_WIRE_CLIENT_CALL_H
#define CONSENS_WIRE_CLIENT_CALL_H

#include "wire/client_message.h"

struct client_reply { // views are valid as long as the bytes of the answer
    uint64_t id;      // 0: to a message that could not be read
    struct cs_view word;
    enum cs_status status;   // CS_STATUS_COUNT: `word` is none that we know
    enum cs_applied applied; // what the answer says, else what its code means
    bool is_retryable;
    uint64_t revision;
    uint64_t item_revision;
    uint64_t created_revision;
    uint64_t version;
    bool has_value;
    struct cs_view value;
    struct cs_view detail; // this and what follows: empty or 0 where there is none
    struct cs_view leader;
    struct cs_view durability;
    uint64_t limit;
    uint64_t actual;
    uint64_t session;
    uint64_t lag_ms;
    bool is_replay;
};

/* Appends; client_message_take() reads the same again. */
void client_request_pack(struct cs_buffer *out, const struct client_request *request);
/* One answer; false: it is none. */
bool client_reply_unpack(struct cs_view bytes, struct client_reply *out_reply);

#endif
