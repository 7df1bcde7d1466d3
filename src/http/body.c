/*
 * body.c - civetweb's mg_read waits until all it was asked for is there, and a byte now
 * and then keeps it waiting. So we ask for as much as has come so far, and look at the
 * clock in between. It answers 0 for a stalled body and -1 for a broken chunk.
 */
#include "http/body.h"

#include "base/clock.h"
#include "base/mutant.h"

enum { FIRST_PIECE_BYTES = 1024, DRAIN_PIECE_BYTES = 16 * 1024 };

static bool read_sized(struct mg_connection *conn,
                       uint64_t content_bytes,
                       struct cs_buffer *out,
                       struct refusal *refusal);
static bool read_chunked(struct mg_connection *conn,
                         uint64_t limit_bytes,
                         struct cs_buffer *out,
                         struct refusal *refusal);
static int read_piece(struct mg_connection *conn, size_t bytes, struct cs_buffer *out);
static bool is_late(uint64_t started_ms, struct refusal *refusal);
static size_t least(size_t a, size_t b);

bool body_read(struct mg_connection *conn,
               const struct head *head,
               uint64_t limit_bytes,
               struct cs_buffer *out,
               struct refusal *refusal)
{
    if (head->content_bytes > limit_bytes && !MUTANT_IS(155)) {
        refusal->limit = limit_bytes;
        refusal->actual = head->content_bytes;
        return refuse_and_close(refusal, CS_TOO_LARGE,
                                "the value has %llu bytes, more than the limit of %llu",
                                (unsigned long long)head->content_bytes,
                                (unsigned long long)limit_bytes);
    }
    if (head->expects_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)mg_write(conn, go_on, sizeof(go_on) - 1);
    }
    return head->is_chunked ? read_chunked(conn, limit_bytes, out, refusal)
                            : read_sized(conn, head->content_bytes, out, refusal);
}

bool body_discard(struct mg_connection *conn,
                  const struct head *head,
                  uint64_t *out_bytes)
{
    *out_bytes = 0;
    if (!head->is_chunked && head->content_bytes == 0) {
        return true;
    }
    // A client that waits for 100 may never send its body.
    if (head->expects_continue || head->content_bytes > BODY_DISCARD_BYTES_MAX) {
        return false;
    }
    struct cs_buffer ignored = {0};
    struct refusal why = {0};
    bool is_read = head->is_chunked
                       ? read_chunked(conn, BODY_DISCARD_BYTES_MAX, &ignored, &why)
                       : read_sized(conn, head->content_bytes, &ignored, &why);
    *out_bytes = ignored.bytes;
    buffer_fini(&ignored);
    return is_read;
}

void body_drain(struct mg_connection *conn, const struct head *head)
{
    if (head->expects_continue) {
        return;
    }
    char ignored[DRAIN_PIECE_BYTES];
    uint64_t started_ms = clock_now_ms();
    size_t drained_bytes = 0;
    while (drained_bytes < BODY_DRAIN_BYTES_MAX) {
        int bytes = mg_read(conn, ignored, sizeof(ignored));
        if (bytes < (int)sizeof(ignored) || clock_now_ms() - started_ms > BODY_DRAIN_MS) {
            return;
        }
        drained_bytes += (size_t)bytes;
    }
}

static bool read_sized(struct mg_connection *conn,
                       uint64_t content_bytes,
                       struct cs_buffer *out,
                       struct refusal *refusal)
{
    uint64_t started_ms = clock_now_ms();
    size_t want_bytes = (size_t)content_bytes;
    size_t got_bytes = 0;
    while (got_bytes < want_bytes) {
        size_t piece_bytes =
            got_bytes < FIRST_PIECE_BYTES ? FIRST_PIECE_BYTES : got_bytes;
        piece_bytes = least(piece_bytes, want_bytes - got_bytes);
        int bytes = read_piece(conn, piece_bytes, out);
        got_bytes += bytes > 0 ? (size_t)bytes : 0;
        if (bytes < (int)piece_bytes) {
            return refuse_and_close(refusal, CS_MALFORMED,
                                    "the body stopped after %zu of %zu bytes", got_bytes,
                                    want_bytes);
        }
        if (got_bytes < want_bytes && is_late(started_ms, refusal)) {
            return false;
        }
    }
    return true;
}

static bool read_chunked(struct mg_connection *conn,
                         uint64_t limit_bytes,
                         struct cs_buffer *out,
                         struct refusal *refusal)
{
    uint64_t started_ms = clock_now_ms();
    size_t got_bytes = 0;
    for (;;) {
        // One byte past the limit tells a full value from one that is too large.
        size_t room_bytes = (size_t)limit_bytes + 1 - got_bytes;
        size_t piece_bytes =
            got_bytes < FIRST_PIECE_BYTES ? FIRST_PIECE_BYTES : got_bytes;
        piece_bytes = least(piece_bytes, room_bytes);
        int bytes = read_piece(conn, piece_bytes, out);
        if (bytes < 0) {
            return refuse_and_close(
                refusal, CS_MALFORMED,
                "the chunked body is malformed, or stopped before its end");
        }
        got_bytes += (size_t)bytes;
        if (got_bytes > limit_bytes) {
            refusal->limit = limit_bytes;
            refusal->actual = limit_bytes;
            refusal->is_more_than_actual = true;
            return refuse_and_close(refusal, CS_TOO_LARGE,
                                    "the value has more than %llu bytes, the limit",
                                    (unsigned long long)limit_bytes);
        }
        if ((size_t)bytes < piece_bytes) {
            return true;
        }
        if (is_late(started_ms, refusal)) {
            return false;
        }
    }
}

// As mg_read; what came is appended to `out`.
static int read_piece(struct mg_connection *conn, size_t bytes, struct cs_buffer *out)
{
    size_t before_bytes = out->bytes;
    uint8_t *to = buffer_extend(out, bytes);
    int got = mg_read(conn, to, bytes);
    out->bytes = before_bytes + (got > 0 ? (size_t)got : 0);
    return got;
}

static bool is_late(uint64_t started_ms, struct refusal *refusal)
{
    if (clock_now_ms() - started_ms <= BODY_DEADLINE_MS) {
        return false;
    }
    (void)refuse_and_close(refusal, CS_MALFORMED, "the body took longer than %d s",
                           BODY_DEADLINE_MS / 1000);
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}
