#include "fuzz/fake_http.h"

#include "base/check.h"
#include "http/head.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { BUFFER_BYTES = HEAD_BUFFER_BYTES, CHUNK_LINE_BYTES_MAX = 64 };

/* ---- civetweb's head --------------------------------------------------------------- */

static const char *const METHODS[] = {
    "GET",   "POST",     "PUT",   "DELETE", "HEAD",   "OPTIONS",   "CONNECT",
    "PATCH", "PROPFIND", "MKCOL", "LOCK",   "UNLOCK", "PROPPATCH", "REPORT",
};

static bool is_known_method(const char *method)
{
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (strcmp(METHODS[i], method) == 0) {
            return true;
        }
    }
    return false;
}

/* Bytes of the head with its empty line; 0: incomplete, -1: a control character. */
static long head_bytes(const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte < 128 && byte != '\r' && byte != '\n' && isprint(byte) == 0) {
            return -1;
        }
        if (bytes - i > 1 && memcmp(data + i, "\n\n", 2) == 0) {
            return (long)i + 2;
        }
        if (bytes - i > 3 && memcmp(data + i, "\r\n\r\n", 4) == 0) {
            return (long)i + 4;
        }
    }
    return 0;
}

/* Ends the word at *at with NULs and moves on to the next one. */
static bool end_word(char **at, bool is_last_of_line)
{
    while (isgraph((unsigned char)**at) != 0) {
        (*at)++;
    }
    bool is_end = is_last_of_line ? **at == '\r' || **at == '\n' : **at == ' ';
    if (!is_end) {
        return false;
    }
    do {
        **at = '\0';
        (*at)++;
    } while (isspace((unsigned char)**at) != 0);
    return is_last_of_line || isgraph((unsigned char)**at) != 0;
}

/* One field at *at; false: none begins there. *out_goes_on: another may follow. */
static bool split_field(char **at, struct mg_header *field, bool *out_goes_on)
{
    char *end = *at;
    *out_goes_on = false;
    while (*end != ':' && *end >= 33 && *end <= 126) {
        end++;
    }
    if (end == *at) {
        return false;
    }
    while (*end == ' ') {
        *end++ = '\0';
    }
    if (*end != ':') {
        return false;
    }
    *end++ = '\0';
    field->name = *at;
    end += strspn(end, " \t");
    field->value = end;
    end += strcspn(end, "\r\n");
    if (*end == '\r') {
        *end++ = '\0';
        if (*end != '\n') {
            return false;
        }
    }
    *out_goes_on = *end != '\0';
    if (*end != '\0') {
        *end++ = '\0';
    }
    *out_goes_on = *out_goes_on && *end != '\r' && *end != '\n';
    *at = end;
    return true;
}

static bool split_head(struct mg_request_info *info, char *at)
{
    info->request_method = at;
    if (!end_word(&at, false)) {
        return false;
    }
    info->request_uri = at;
    if (!end_word(&at, false)) {
        return false;
    }
    info->http_version = at;
    if (!end_word(&at, true) || strncmp(info->http_version, "HTTP/", 5) != 0) {
        return false;
    }
    info->http_version += 5;
    if (!is_known_method(info->request_method)) {
        return false;
    }
    bool goes_on = true;
    while (goes_on && info->num_headers < MG_MAX_HEADERS) {
        if (!split_field(&at, &info->http_headers[info->num_headers], &goes_on)) {
            break;
        }
        info->num_headers++;
    }
    return true;
}

static const char *field_of(const struct mg_request_info *info, const char *name)
{
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) == 0) {
            return info->http_headers[i].value;
        }
    }
    return NULL;
}

/* The HTTP status that civetweb ends the request with; 0: none. */
static int take_framing(struct mg_connection *conn)
{
    const struct mg_request_info *info = &conn->info;
    const char *coding = field_of(info, "Transfer-Encoding");
    const char *length = field_of(info, "Content-Length");
    if (strcmp(info->http_version, "1.0") != 0 &&
        strcmp(info->http_version, "1.1") != 0) {
        return 505;
    }
    if (coding != NULL && strcasecmp(coding, "identity") != 0) {
        conn->is_chunked = true;
        return strcasecmp(coding, "chunked") == 0 ? 0 : 400;
    }
    if (length == NULL) {
        return 0;
    }
    char *end = NULL;
    long long bytes = strtoll(length, &end, 10);
    if (end == length || bytes < 0) {
        return 411;
    }
    conn->content_left = (uint64_t)bytes;
    return 0;
}

static bool is_path(const char *uri)
{
    for (size_t i = 0; uri[i] != '\0'; i++) {
        if (uri[i] < 33 || uri[i] > 126) {
            return false;
        }
    }
    return uri[0] == '/';
}

/*
 * One buffer, as civetweb's: of a fixed size, and what came behind the head lies there. Where
 * the body begins it finds out first, from the begin of the buffer; what the head is later,
 * from the first byte that is no white space. NULL: the head is bad.
 */
static char *take_head(struct mg_connection *conn, struct cs_view bytes)
{
    size_t held = bytes.bytes < BUFFER_BYTES ? bytes.bytes : BUFFER_BYTES;
    conn->head = calloc(1, BUFFER_BYTES + 1);
    CHECK(conn->head != NULL);
    memset(conn->head, 'B', BUFFER_BYTES); // as before a longer request
    memcpy(conn->head, bytes.data, held);
    long body_at = head_bytes(conn->head, held);
    size_t skipped = 0;
    while (skipped < BUFFER_BYTES && isspace((unsigned char)conn->head[skipped]) != 0) {
        skipped++;
    }
    long parsed = head_bytes(conn->head + skipped, BUFFER_BYTES - skipped);
    if (body_at <= 0 || parsed <= 0) {
        return NULL;
    }
    size_t end = skipped + (size_t)parsed;
    conn->head[end - 1] = '\0';
    conn->body = view_of(bytes.data + body_at, bytes.bytes - (size_t)body_at);
    conn->behind_head =
        view_of(bytes.data + end, end < bytes.bytes ? bytes.bytes - end : 0);
    return conn->head + skipped;
}

/* Does the head end with LF LF where head.c cannot tell it from CR LF CR LF? */
static bool ends_in_doubt(const struct mg_connection *conn)
{
    const uint8_t *end = conn->behind_head.data;
    return end[-2] == '\n' && conn->behind_head.bytes >= 2 && end[0] == '\r' &&
           end[1] == '\0';
}

enum fake_head
fake_open(struct mg_connection *conn, struct cs_view bytes, int *out_http_status)
{
    *conn = (struct mg_connection){0};
    *out_http_status = 400;
    if (bytes.bytes < BUFFER_BYTES &&
        head_bytes((const char *)bytes.data, bytes.bytes) == 0) {
        return FAKE_HEAD_INCOMPLETE;
    }
    char *method = take_head(conn, bytes);
    if (method == NULL) {
        return FAKE_HEAD_BAD;
    }
    if (ends_in_doubt(conn)) {
        return FAKE_HEAD_INCOMPLETE;
    }
    if (!split_head(&conn->info, method)) {
        return FAKE_HEAD_BAD;
    }
    int status = take_framing(conn);
    if (status != 0 || !is_path(conn->info.request_uri)) {
        *out_http_status = status != 0 ? status : 400;
        return FAKE_HEAD_BAD;
    }
    char *query = strchr(conn->head + (conn->info.request_uri - conn->head), '?');
    if (query != NULL) {
        *query = '\0';
        conn->info.query_string = query + 1;
    }
    conn->info.local_uri_raw = conn->info.request_uri;
    conn->info.local_uri = conn->info.request_uri;
    return FAKE_HEAD_GOOD;
}

void fake_close(struct mg_connection *conn)
{
    free(conn->head);
    buffer_fini(&conn->written);
    *conn = (struct mg_connection){0};
}

/* ---- civetweb's functions ---------------------------------------------------------- */

const struct mg_request_info *mg_get_request_info(const struct mg_connection *conn)
{
    return &conn->info;
}

void mg_disable_connection_keep_alive(struct mg_connection *conn)
{
    conn->is_closing = true;
}

int mg_write(struct mg_connection *conn, const void *data, size_t bytes)
{
    buffer_append(&conn->written, data, bytes);
    return (int)bytes;
}

static size_t take_raw(struct mg_connection *conn, void *to, size_t wanted)
{
    size_t left = conn->body.bytes - conn->body_read_bytes;
    size_t taken = wanted < left ? wanted : left;
    if (taken > 0) {
        memcpy(to, conn->body.data + conn->body_read_bytes, taken);
    }
    conn->body_read_bytes += taken;
    return taken;
}

static bool take_line_end(struct mg_connection *conn)
{
    char end[2] = "";
    return take_raw(conn, end, 2) == 2 && end[0] == '\r' && end[1] == '\n';
}

/* The line before a chunk; false: it is none. */
static bool begin_chunk(struct mg_connection *conn)
{
    char line[CHUNK_LINE_BYTES_MAX + 1] = "";
    size_t bytes = 0;
    while (bytes < CHUNK_LINE_BYTES_MAX && take_raw(conn, line + bytes, 1) == 1) {
        bytes++;
        if (bytes >= 2 && line[bytes - 2] == '\r' && line[bytes - 1] == '\n') {
            break;
        }
        bool is_return = bytes >= 2 && line[bytes - 1] == '\r' && line[bytes - 2] != '\r';
        if (!is_return && isxdigit((unsigned char)line[bytes - 1]) == 0) {
            return false;
        }
    }
    if (bytes < 3 || line[bytes - 1] != '\n') {
        return false;
    }
    char *end = NULL;
    conn->chunk_left = strtoull(line, &end, 16);
    bool is_number = *end == '\r' && conn->chunk_left < UINT32_MAX;
    conn->has_ended = is_number && conn->chunk_left == 0;
    conn->has_trailer = conn->has_ended && !take_line_end(conn);
    return is_number;
}

static int read_chunked(struct mg_connection *conn, uint8_t *to, size_t wanted)
{
    size_t got = 0;
    while (got < wanted && !conn->has_ended) {
        if (conn->chunk_left == 0 && !begin_chunk(conn)) {
            return -1;
        }
        size_t part = wanted - got;
        part = part < conn->chunk_left ? part : (size_t)conn->chunk_left;
        if (take_raw(conn, to + got, part) < part) {
            return -1;
        }
        got += part;
        conn->chunk_left -= part;
        if (conn->chunk_left == 0 && !conn->has_ended && !take_line_end(conn)) {
            return -1;
        }
    }
    return (int)got;
}

int mg_read(struct mg_connection *conn, void *to, size_t wanted)
{
    if (conn->is_chunked) {
        return read_chunked(conn, to, wanted);
    }
    size_t most = wanted < conn->content_left ? wanted : (size_t)conn->content_left;
    size_t got = take_raw(conn, to, most);
    conn->content_left -= got;
    return (int)got;
}

/* ---- a second opinion -------------------------------------------------------------- */

struct framing {
    bool has_length;
    bool has_coding;
    uint64_t length;
};

/* Takes up to CR LF, which must be the only CR and LF. */
static bool take_line(struct cs_view *rest, struct cs_view *out_line)
{
    const uint8_t *end = rest->bytes == 0 ? NULL : memchr(rest->data, '\n', rest->bytes);
    if (end == NULL || end == rest->data || end[-1] != '\r') {
        return false;
    }
    size_t bytes = (size_t)(end - rest->data) - 1;
    *out_line = view_of(rest->data, bytes);
    *rest = view_of(end + 1, rest->bytes - bytes - 2);
    return memchr(out_line->data, '\r', bytes) == NULL;
}

static bool name_is(struct cs_view name, const char *word)
{
    return name.bytes == strlen(word) &&
           strncasecmp((const char *)name.data, word, name.bytes) == 0;
}

static struct cs_view trim(struct cs_view text)
{
    while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = view_of(text.data + 1, text.bytes - 1);
    }
    while (text.bytes > 0 &&
           (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t')) {
        text.bytes--;
    }
    return text;
}

static bool take_number(struct cs_view text, unsigned base, uint64_t *out_number)
{
    *out_number = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        int byte = tolower(text.data[i]);
        unsigned digit = byte >= '0' && byte <= '9'   ? (unsigned)(byte - '0')
                         : byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a' + 10)
                                                      : 99;
        if (digit >= base || *out_number > (UINT64_MAX - digit) / base) {
            return false;
        }
        *out_number = *out_number * base + digit;
    }
    return text.bytes > 0;
}

static bool take_field_line(struct cs_view line, struct framing *framing)
{
    const uint8_t *colon = memchr(line.data, ':', line.bytes);
    if (colon == NULL || colon == line.data) {
        return false;
    }
    struct cs_view name = view_of(line.data, (size_t)(colon - line.data));
    struct cs_view value = trim(view_of(colon + 1, line.bytes - name.bytes - 1));
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] <= ' ' || name.data[i] > 126) {
            return false;
        }
    }
    if (name_is(name, "Content-Length")) {
        bool is_first = !framing->has_length;
        framing->has_length = true;
        return is_first && take_number(value, 10, &framing->length);
    }
    if (name_is(name, "Transfer-Encoding")) {
        bool is_first = !framing->has_coding;
        framing->has_coding = true;
        return is_first && name_is(value, "chunked");
    }
    return true;
}

/*
 * Method, target and version, one space between them. The line ends with CR LF, or with two
 * characters that civetweb takes for that: it leaves no trace of which they were.
 */
static bool take_request_line(struct cs_view *rest, bool *out_is_http_1_0)
{
    size_t before = 0;
    while (before < rest->bytes && rest->data[before] != '\r' &&
           rest->data[before] != '\n') {
        before++;
    }
    if (rest->bytes - before < 2 || strchr("\r\n ", rest->data[before + 1]) == NULL) {
        return false;
    }
    struct cs_view line = view_of(rest->data, before);
    *rest = view_of(rest->data + before + 2, rest->bytes - before - 2);
    size_t spaces = 0;
    for (size_t i = 0; i < line.bytes; i++) {
        spaces += line.data[i] == ' ';
    }
    bool has_version =
        line.bytes > 9 && memcmp(line.data + line.bytes - 9, " HTTP/1.", 8) == 0;
    *out_is_http_1_0 = has_version && line.data[line.bytes - 1] == '0';
    return spaces == 2 && has_version && line.data[0] != ' ';
}

static bool skip_bytes(struct cs_view *rest, uint64_t bytes)
{
    if (bytes > rest->bytes) {
        return false;
    }
    *rest = view_of(rest->data + bytes, rest->bytes - (size_t)bytes);
    return true;
}

static bool skip_chunks(struct cs_view *rest)
{
    uint64_t bytes = 0;
    do {
        struct cs_view line = {0};
        if (!take_line(rest, &line) || !take_number(line, 16, &bytes) ||
            !skip_bytes(rest, bytes) || !take_line(rest, &line) || line.bytes != 0) {
            return false;
        }
    } while (bytes > 0);
    return true;
}

bool fake_find_end(struct cs_view bytes, size_t *out_bytes)
{
    struct framing framing = {0};
    struct cs_view rest = bytes;
    struct cs_view line = {0};
    bool is_http_1_0 = false;
    if (!take_request_line(&rest, &is_http_1_0)) {
        return false;
    }
    while (take_line(&rest, &line) && line.bytes > 0) {
        if (!take_field_line(line, &framing)) {
            return false;
        }
    }
    bool is_twofold = framing.has_coding && (framing.has_length || is_http_1_0);
    bool is_whole =
        line.bytes == 0 && !is_twofold &&
        (framing.has_coding ? skip_chunks(&rest) : skip_bytes(&rest, framing.length));
    *out_bytes = bytes.bytes - rest.bytes;
    return is_whole;
}
