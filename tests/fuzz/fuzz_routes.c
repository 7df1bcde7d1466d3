/*
 * routes: what a client may send over one connection, through civetweb's callbacks on a
 * connection of ours, up to an engine that answers as the input says.
 *
 *   - One reply, and it is one: head lines whole, Content-Length right, nothing behind it.
 *   - A connection is kept only if it is beyond doubt where the request ended, and exactly
 *     that much was read.
 *   - What reaches the engine unpacks; its key is the path's, its value the body's.
 *   - A write whose answer did not come is 504 and nothing else; 503 and 429 are never said
 *     of a write that may have been applied.
 *
 *   input  reply's status, flags, revisions, seat, size of its value, then HTTP
 */
#include "fuzz/fake_http.h"
#include "fuzz/input.h"

#include "http/body.h"
#include "http/text.h"
#include "http/worker.h"

#include <consens/paxos.h>

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_VALUE = 900 };

struct handoff_client {
    int unused;
};

static struct engine { // what it is to do, and what it saw
    struct reply reply;
    bool is_silent;
    bool has_no_socket;
    uint32_t call_count;
    uint32_t kind;
    struct cs_buffer key;
    struct cs_buffer value;
    bool is_put;
} engine;

static struct settings settings;

/* ---- the engine -------------------------------------------------------------------- */

struct handoff_client *handoff_client_open(void *zmq_context)
{
    (void)zmq_context;
    return engine.has_no_socket ? NULL : calloc(1, sizeof(struct handoff_client));
}

void handoff_client_close(struct handoff_client **client)
{
    free(*client);
    *client = NULL;
}

void handoff_client_heed(struct handoff_client *client, const atomic_bool *is_stopping)
{
    CHECK(client != NULL);
    CHECK(is_stopping != NULL);
}

void handoff_client_release(struct handoff_client *client)
{
    CHECK(client != NULL);
}

static void see(const struct request *request)
{
    struct command command = {0};
    engine.kind = request->kind;
    engine.key.bytes = 0;
    engine.value.bytes = 0;
    buffer_append(&engine.key, request->key.data, request->key.bytes);
    if (request->kind == REQUEST_WRITE) {
        struct reader reader = reader_over(request->command, true);
        CHECK(command_unpack(&reader, &command));
        CHECK(reader_end(&reader));
        buffer_append(&engine.key, command.key.data, command.key.bytes);
        buffer_append(&engine.value, command.value.data, command.value.bytes);
    }
    engine.is_put = command.operation == COMMAND_PUT;
}

bool handoff_call(struct handoff_client *client,
                  struct request *request,
                  uint64_t wait_ms,
                  struct reply *out_reply)
{
    static struct cs_buffer packed;
    struct request unpacked;
    CHECK(client != NULL);
    CHECK(wait_ms > request->timeout_ms);
    CHECK(request->timeout_ms >= 1);
    CHECK(request->timeout_ms <= OPTIONS_TIMEOUT_MAX_MS);
    request_pack(&packed, request);
    CHECK(request_unpack(view_of_buffer(&packed), &unpacked));
    engine.call_count++;
    see(&unpacked);
    *out_reply = engine.reply;
    return !engine.is_silent;
}

/* ---- what was answered ------------------------------------------------------------- */

struct answered {
    int status;
    bool is_kept;
    bool has_length;
    uint64_t length;
    size_t head_bytes; // with the 100 that may go before
};

static struct cs_view line_at(struct cs_view rest)
{
    for (size_t i = 0; i + 1 < rest.bytes; i++) {
        if (rest.data[i] == '\r' || rest.data[i] == '\n') {
            CHECK(rest.data[i] == '\r');
            CHECK(rest.data[i + 1] == '\n');
            return view_of(rest.data, i);
        }
        CHECK(rest.data[i] >= 0x20);
        CHECK(rest.data[i] < 0x7f);
    }
    CHECK(false); // a head that does not end
    return rest;
}

static void take_line(struct cs_view line, struct answered *answered)
{
    const uint8_t *colon = memchr(line.data, ':', line.bytes);
    CHECK(colon != NULL);
    struct cs_view name = view_of(line.data, (size_t)(colon - line.data));
    struct cs_view value = text_trim(view_of(colon + 1, line.bytes - name.bytes - 1));
    CHECK(name.bytes > 0);
    if (text_equals(name, "Content-Length")) {
        CHECK(!answered->has_length);
        answered->has_length = true;
        CHECK(text_parse_u64(value, &answered->length));
    } else if (text_equals(name, "Connection")) {
        answered->is_kept = text_equals(value, "keep-alive");
        CHECK(answered->is_kept || text_equals(value, "close"));
    }
}

static struct answered take_answer(struct cs_view written)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct answered answered = {0};
    size_t from = 0;
    if (written.bytes >= sizeof go_on - 1 &&
        memcmp(written.data, go_on, sizeof go_on - 1) == 0) {
        from = sizeof go_on - 1;
    }
    CHECK(written.bytes > from + 13);
    CHECK(memcmp(written.data + from, "HTTP/1.1 ", 9) == 0);
    uint64_t status = 0;
    CHECK(text_parse_u64(view_of(written.data + from + 9, 3), &status));
    answered.status = (int)status;
    struct cs_view line = line_at(view_of(written.data + from, written.bytes - from));
    while (line.bytes > 0) {
        from += line.bytes + 2;
        line = line_at(view_of(written.data + from, written.bytes - from));
        if (line.bytes > 0) {
            take_line(line, &answered);
        }
    }
    answered.head_bytes = from + 2;
    return answered;
}

static void
check_size(const struct answered *answered, struct cs_view written, const char *method)
{
    size_t body_bytes = written.bytes - answered->head_bytes;
    bool is_bare =
        answered->status == 304 || (method != NULL && strcmp(method, "HEAD") == 0);
    CHECK(answered->has_length || answered->status == 304);
    CHECK(body_bytes == (is_bare ? 0 : answered->length));
}

/* ---- what was asked ---------------------------------------------------------------- */

/* The raw path's key, decoded by hand. False: it has none. */
static bool decode_key(const char *path, struct cs_buffer *out)
{
    out->bytes = 0;
    path += strncmp(path, "/-/kv/", 6) == 0 ? 6 : 1;
    for (size_t i = 0; path[i] != '\0'; i++) {
        unsigned byte = (uint8_t)path[i];
        if (byte == '%') {
            char digits[3] = {path[i + 1], path[i + 1] == '\0' ? '\0' : path[i + 2], 0};
            if (strspn(digits, "0123456789abcdefABCDEF") != 2) {
                return false;
            }
            byte = (unsigned)strtoul(digits, NULL, 16);
            i += 2;
        }
        uint8_t small = (uint8_t)byte;
        buffer_append(out, &small, 1);
    }
    return true;
}

static void check_call(const struct mg_connection *conn)
{
    static struct cs_buffer key;
    if (engine.kind == REQUEST_STATUS || engine.kind == REQUEST_READY) {
        return;
    }
    CHECK(decode_key(conn->info.local_uri_raw, &key));
    CHECK(key.bytes == engine.key.bytes);
    CHECK(memcmp(key.data, engine.key.data, key.bytes) == 0);
    if (engine.kind == REQUEST_WRITE) {
        CHECK(engine.value.bytes <= LIMIT_VALUE);
        CHECK(engine.is_put == (strcmp(conn->info.request_method, "PUT") == 0));
    }
    bool is_sized = engine.kind == REQUEST_WRITE && engine.is_put && !conn->is_chunked;
    if (is_sized && engine.value.bytes > 0) {
        CHECK(engine.value.bytes <= conn->behind_head.bytes);
        CHECK(memcmp(engine.value.data, conn->behind_head.data, engine.value.bytes) == 0);
    }
}

static void check_outcome(const struct answered *answered)
{
    bool is_write = engine.call_count > 0 && engine.kind == REQUEST_WRITE;
    bool is_refused = answered->status == 503 || answered->status == 429;
    CHECK(engine.call_count <= 1);
    if (is_write && engine.is_silent) {
        CHECK(answered->status == 504);
    } else if (is_write) {
        CHECK(answered->status == status_http(engine.reply.status) ||
              status_http(engine.reply.status) == 200);
        CHECK(!is_refused || status_applied(engine.reply.status) == CS_APPLIED_NO);
    }
}

static void check_end(const struct mg_connection *conn,
                      const struct answered *answered,
                      struct cs_view bytes)
{
    size_t end = 0;
    CHECK(answered->is_kept == !(conn->is_closing || conn->has_trailer));
    if (!answered->is_kept) {
        return;
    }
    CHECK(fake_find_end(bytes, &end));
    CHECK(end == bytes.bytes - conn->body.bytes + conn->body_read_bytes);
}

/* ---- one request ------------------------------------------------------------------- */

static void set_up_settings(void)
{
    settings.node_count = 3;
    settings.node_index = 1;
    settings.limit_value_bytes = LIMIT_VALUE;
    for (int i = 0; i < 3; i++) {
        (void)snprintf(settings.nodes[i].name, sizeof settings.nodes[i].name, "n%d",
                       i + 1);
    }
}

static void take_engine(struct input *input)
{
    uint8_t status = input_take_byte(input);
    uint8_t flags = input_take_byte(input);
    engine.call_count = 0;
    engine.is_silent = (flags & 1) != 0;
    engine.has_no_socket = (flags & 2) != 0;
    engine.reply = (struct reply){
        .status = (enum cs_status)(status % CS_STATUS_COUNT),
        .revision = input_take_byte(input),
        .leader_seat = input_take_below(input, PAXOS_MEMBERS_MAX + 1),
        .lag_ms = 3,
        .durability = flags >> 6,
    };
    if (engine.reply.status == CS_NOT_MODIFIED) {
        engine.reply.status = CS_OK; // the engine knows nothing of 304
    }
    engine.reply.item_revision = input_take_byte(input) % 8;
    engine.reply.value = input_take(input, input_take_byte(input));
    settings.log_durability = flags >> 4 & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    struct worker_shared shared = {
        .settings = &settings,
        .version = "1-fuzz",
        .body_deadline_ms = BODY_DEADLINE_MS,
        .reserve = {.share = 4},
    };
    struct mg_connection conn;
    set_up_settings();
    take_engine(&input);
    atomic_store(&shared.is_stopping, input_take_byte(&input) == 1);
    struct cs_view sent = input_rest(&input);
    int http_status = 0;
    enum fake_head head = fake_open(&conn, sent, &http_status);
    if (head != FAKE_HEAD_INCOMPLETE) {
        struct worker *worker = worker_new(&shared);
        if (head == FAKE_HEAD_GOOD) {
            (void)worker_serve(worker, &conn);
        } else {
            worker_serve_error(worker, &conn, http_status);
            CHECK(conn.is_closing);
        }
        struct answered answered = take_answer(view_of_buffer(&conn.written));
        const char *method = head == FAKE_HEAD_GOOD ? conn.info.request_method : NULL;
        check_size(&answered, view_of_buffer(&conn.written), method);
        check_outcome(&answered);
        check_end(&conn, &answered, sent);
        if (engine.call_count > 0) {
            check_call(&conn);
        }
        worker_destroy(&worker);
    }
    fake_close(&conn);
    return 0;
}
