/*
 * head.h - a request's head as civetweb parsed it, checked anew: what it lets pass
 * silently (fields past the 64th or behind a malformed line, "Content-Length: 3x", two
 * lengths, a length beside chunked) would make one request into two, so it is refused and
 * the connection closed.
 *
 * Thread: any; views are valid as long as the request.
 */
#ifndef CONSENS_HTTP_HEAD_H
#define CONSENS_HTTP_HEAD_H

#include "http/refusal.h"

#include <civetweb.h>

enum {
    HEAD_BYTES_MAX = 16384,
    // What civetweb holds of a request: a head that does not fit into it is malformed to
    // civetweb, so it is larger than what we allow, to tell the client what is wrong.
    // Not larger still: civetweb looks through all it has with each piece that comes.
    HEAD_BUFFER_BYTES = 32768,
};

enum head_field {
    HEAD_ACCEPT,
    HEAD_CONNECTION,
    HEAD_CONTENT_LENGTH,
    HEAD_CONTENT_RANGE,
    HEAD_EXPECT,
    HEAD_IF_MATCH,
    HEAD_IF_NONE_MATCH,
    HEAD_TRANSFER_ENCODING,
    HEAD_UPGRADE,
    HEAD_CONSENS_CONSISTENCY,
    HEAD_CONSENS_MIN_REVISION,
    HEAD_FIELDS,
};

struct head {
    struct cs_view fields[HEAD_FIELDS]; // trimmed; data is NULL if not given
    bool wants_json;                    // Accept names it
    bool is_keep_alive;                 // as far as the client is concerned
    bool expects_continue;
    bool is_chunked;
    uint64_t content_bytes; // 0 if chunked
};

/*
 * `base` is where civetweb's buffer begins; NULL: not here, as far as known. False: 400,
 * 414 or 431.
 */
bool head_read(const struct mg_request_info *info,
               const char *base,
               struct head *out_head,
               struct refusal *refusal);

#endif
