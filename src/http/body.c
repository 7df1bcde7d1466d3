/*
 * body.c - civetweb's mg_read waits until all it was asked for is there, and a byte now
 * and then keeps it waiting: it is interrupted at the deadline. We ask for as much as has
 * come so far, so that memory is taken only for what was sent. mg_read answers 0 for a
 * stalled body and -1 for a broken chunk.
 */
#include "http/body.h"

#include "base/clock.h"
#include "base/mutant.h"

enum { FIRST_PIECE_BYTES = 1024, DRAIN_PIECE_BYTES = 16 * 1024 };

static bool read_in_time(struct mg_connection *conn,
                         const struct head *head,
                         const struct body_limits *limits,
                         struct interrupt *interrupt,
                         struct cs_buffer *out,
                         struct refusal *refusal);
static bool read_sized(struct mg_connection *conn,
                       uint64_t content_bytes,
                       struct cs_buffer *out,
                       struct refusal *refusal);
static bool read_chunked(struct mg_connection *conn,
                         uint64_t limit_bytes,
                         struct cs_buffer *out,
                         struct refusal *refusal);
static int read_piece(struct mg_connection *conn, size_t bytes, struct cs_buffer *out);
static size_t least(size_t a, size_t b);

bool body_read(struct mg_connection *conn,
               const struct head *head,
               const struct body_limits *limits,
               struct interrupt *interrupt,
               struct cs_buffer *out,
               struct refusal *refusal)
{
    if (head->content_bytes > limits->bytes && !MUTANT_IS(155)) {
        refusal->limit = limits->bytes;
        refusal->actual = head->content_bytes;
        return refuse_and_close(refusal, CS_TOO_LARGE,
                                "the value has %llu bytes, more than the limit of %llu",
                                (unsigned long long)head->content_bytes,
                                (unsigned long long)limits->bytes);
    }
    if (head->expects_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)mg_write(conn, go_on, sizeof(go_on) - 1);
    }
    return read_in_time(conn, head, limits, interrupt, out, refusal);
}

bool body_discard(struct mg_connection *conn,
                  const struct head *head,
                  struct interrupt *interrupt,
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
    const struct body_limits limits = {.bytes = BODY_DISCARD_BYTES_MAX,
                                       .deadline_ms = BODY_DEADLINE_MS};
    bool is_read = read_in_time(conn, head, &limits, interrupt, &ignored, &why);
    *out_bytes = ignored.bytes;
    buffer_fini(&ignored);
    return is_read;
}

void body_drain(struct mg_connection *conn,
                const struct head *head,
                struct interrupt *interrupt,
                uint32_t drain_ms)
{
    if (head->expects_continue || !interrupt_start(interrupt, drain_ms)) {
        return;
    }
    char ignored[DRAIN_PIECE_BYTES];
    uint64_t started_ms = clock_now_ms();
    size_t drained_bytes = 0;
    bool has_more = true;
    while (has_more) {
        int bytes = mg_read(conn, ignored, sizeof(ignored));
        drained_bytes += bytes > 0 ? (size_t)bytes : 0;
        has_more = bytes == (int)sizeof(ignored) &&
                   drained_bytes < BODY_DRAIN_BYTES_MAX &&
                   clock_now_ms() - started_ms < drain_ms;
    }
    interrupt_stop(interrupt);
}

static bool read_in_time(struct mg_connection *conn,
                         const struct head *head,
                         const struct body_limits *limits,
                         struct interrupt *interrupt,
                         struct cs_buffer *out,
                         struct refusal *refusal)
{
    if (!interrupt_start(interrupt, limits->deadline_ms)) {
        return refuse_and_close(refusal, CS_OVERLOADED,
                                "there is no timer left to wait for the body with: raise "
                                "the limit of pending signals (ulimit -i)");
    }
    uint64_t started_ms = clock_now_ms();
    bool is_read = head->is_chunked ? read_chunked(conn, limits->bytes, out, refusal)
                                    : read_sized(conn, head->content_bytes, out, refusal);
    bool is_late = clock_now_ms() - started_ms >= limits->deadline_ms;
    interrupt_stop(interrupt);
    if (is_read || refusal->status == CS_TOO_LARGE || !is_late) {
        return is_read;
    }
    return refuse_and_close(refusal, CS_MALFORMED, "the body was not there after %llu ms",
                            (unsigned long long)limits->deadline_ms);
}

static bool read_sized(struct mg_connection *conn,
                       uint64_t content_bytes,
                       struct cs_buffer *out,
                       struct refusal *refusal)
{
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
    }
    return true;
}

static bool read_chunked(struct mg_connection *conn,
                         uint64_t limit_bytes,
                         struct cs_buffer *out,
                         struct refusal *refusal)
{
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

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}
