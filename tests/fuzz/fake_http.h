/*
 * fake_http.h - a connection of civetweb 1.15 without civetweb: the functions of it that
 * src/http calls, over bytes in memory. Heads are split in place as civetweb does it (see
 * src/http/head.c and the facts it rests on), sized and chunked bodies are read as it does.
 *
 * Beside it a second opinion on where a request ends, from the raw bytes and by the letter
 * of RFC 9112: what the two do not agree on is request smuggling.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_FUZZ_FAKE_HTTP_H
#define CONSENS_TESTS_FUZZ_FAKE_HTTP_H

#include "base/bytes.h"

#include <civetweb.h>
#include <stdbool.h>

struct mg_connection { // ours: the real one is unknown outside of civetweb
    struct mg_request_info info;
    char *head; // split in place; ends with NUL
    struct cs_view
        body; // all that the client sends after what civetweb holds for the head
    struct cs_view behind_head; // after the head as it was split
    size_t body_read_bytes;     // of it
    uint64_t content_left;      // of a sized body
    uint64_t chunk_left;        // of the chunk being read
    bool is_chunked;
    bool has_trailer; // it closes, whatever it is told
    bool has_ended;   // the last chunk was read
    bool is_closing;  // mg_disable_connection_keep_alive()
    struct cs_buffer written;
};

enum fake_head {
    FAKE_HEAD_INCOMPLETE, // civetweb would wait for more
    FAKE_HEAD_GOOD,       // begin_request
    FAKE_HEAD_BAD,        // http_error with *out_http_status
};

/* Takes bytes that a client sent. */
enum fake_head
fake_open(struct mg_connection *conn, struct cs_view bytes, int *out_http_status);
void fake_close(struct mg_connection *conn);

/* False: it is no request, or it can be taken in two ways. */
bool fake_find_end(struct cs_view bytes, size_t *out_bytes);

#endif
