/*
 * http.h - what the HTTP driver and the two tongues spoken over it share: requests as
 * bytes, answers taken apart.
 *
 * Thread: any.
 */
#ifndef CONSENS_LOADTEST_HTTP_H
#define CONSENS_LOADTEST_HTTP_H

#include "loadtest/driver.h"

enum { HTTP_HEAD_BYTES_MAX = 16 * 1024, HTTP_BODY_BYTES_MAX = 4 * 1024 * 1024 };

struct http_answer {
    int status;
    bool must_close;
    uint64_t etag;       // 0: none
    uint64_t revision;   // UINT64_MAX: not told
    struct cs_view body; // valid as long as the input
    size_t bytes;        // of the whole answer
};

enum http_progress { HTTP_MORE, HTTP_WHOLE, HTTP_GARBLED };

/* `input` may end anywhere. A chunked body is put together in place. */
enum http_progress
http_read(uint8_t *input, size_t bytes, struct http_answer *out_answer);

struct http_tongue {
    /* Appends the request. */
    void (*put)(struct cs_buffer *out,
                const struct operation *operation,
                const char *prefix);
    /* Sets what the answer tells. */
    void (*take)(const struct http_answer *answer, struct operation *operation);
};

extern const struct http_tongue http_consens;
extern const struct http_tongue http_etcd;

void http_put_text(struct cs_buffer *out, const char *text);
void http_put_number(struct cs_buffer *out, uint64_t number);
/* Of what neither tongue explains by itself. */
uint32_t http_result_of(int status);

#endif
