/*
 * request.h - what a caller asks, as it was built: a value without a socket or a clock.
 *
 * Thread: any; one at a time.
 */
#ifndef CONSENS_CLIENT_REQUEST_H
#define CONSENS_CLIENT_REQUEST_H

#include "base/bytes.h"
#include "wire/client_call.h"

#include <consens/client.h>

enum request_op {
    OP_PUT,
    OP_GET,
    OP_HEAD,
    OP_DELETE,
    OP_STATUS,
    OP_SESSION, // of the client itself: opens one
};

struct consens_request {
    enum request_op op;
    struct cs_buffer bytes; // key, then value
    size_t key_bytes;
    enum consens_code refusal; // CONSENS_OK, or why it cannot be sent
    const char *reason;        // of the refusal
    uint64_t limit;            // that was passed; 0: none
    uint64_t actual;
    enum consens_condition condition;
    uint64_t condition_revision;
    enum consens_delivery delivery;
    enum consens_consistency consistency;
    uint64_t min_revision;
    bool has_unless_revision;
    uint64_t unless_revision;
    uint32_t timeout_ms;
};

struct consens_request *request_new(enum request_op op);
struct consens_request *request_copy(const struct consens_request *request);
bool request_is_write(const struct consens_request *request); // put, delete
bool request_is_read(const struct consens_request *request);  // get, head
/* A write that is numbered in the client's session. */
bool request_is_in_session(const struct consens_request *request);
/* As the wire has it, without id, session and time-out; views into `request`. */
struct client_request request_for_wire(const struct consens_request *request);

#endif
