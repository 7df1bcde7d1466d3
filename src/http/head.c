/*
 * head.c - civetweb 1.15 splits the head in place: of a request line and fields
 *
 *     GET /k HTTP/1.1 CR LF  Name: value CR LF  Name: value CR LF  CR LF
 *
 * the byte after each part becomes NUL: of a field the colon, CR and LF; of the whole
 * head the last LF. There is no NUL in a head otherwise (it refuses control characters).
 * It stops without a word at a line that does not begin like a field, so the head is
 * whole iff what follows the last field that it reports is  NUL NUL CR NUL. It also takes
 * a bare LF for the end of a line, and any white space between the parts of the request
 * line: then the parts do not lie as far from each other as they should.
 *
 * What leaves no trace: LF CR, CR space and LF space for the CR LF after the version; and
 * LF LF for the end of the head where CR NUL follows it.
 */
#include "http/head.h"

#include "base/mutant.h"
#include "http/text.h"

enum once { ONCE, LIST };

struct field_rule {
    const char *name;
    enum once once; // ONCE: given twice, it is refused
};

static const struct field_rule field_rules[HEAD_FIELDS] = {
    [HEAD_ACCEPT] = {"Accept", LIST},
    [HEAD_CONNECTION] = {"Connection", LIST},
    [HEAD_CONTENT_LENGTH] = {"Content-Length", ONCE},
    [HEAD_CONTENT_RANGE] = {"Content-Range", ONCE},
    [HEAD_EXPECT] = {"Expect", ONCE},
    [HEAD_IF_MATCH] = {"If-Match", ONCE},
    [HEAD_IF_NONE_MATCH] = {"If-None-Match", ONCE},
    [HEAD_TRANSFER_ENCODING] = {"Transfer-Encoding", ONCE},
    [HEAD_UPGRADE] = {"Upgrade", LIST},
    [HEAD_CONSENS_CONSISTENCY] = {"Consens-Consistency", ONCE},
    [HEAD_CONSENS_MIN_REVISION] = {"Consens-Min-Revision", ONCE},
};

static bool is_whole(const struct mg_request_info *info);
static const char *last_value_end(const struct mg_request_info *info);
static bool has_plain_request_line(const struct mg_request_info *info);
static bool
is_small(const struct mg_request_info *info, struct head *head, struct refusal *refusal);
static bool has_space_before_colon(const struct mg_header *field);
static bool take_field(const struct mg_header *field,
                       struct head *head,
                       bool *is_offered,
                       struct refusal *refusal);
static bool allow_unknown(struct cs_view name, struct refusal *refusal);
static bool take_framing(struct head *head, bool is_http_1_0, struct refusal *refusal);
static bool take_expect(struct head *head, bool is_http_1_0, struct refusal *refusal);
static void note_connection(struct head *head);
static bool list_has(struct cs_view list, const char *word);
static bool accepts_json(struct cs_view accept);

bool head_read(const struct mg_request_info *info,
               const char *base,
               struct head *out_head,
               struct refusal *refusal)
{
    memset(out_head, 0, sizeof(*out_head));
    if (info->num_headers >= MG_MAX_HEADERS) {
        refusal->limit = MG_MAX_HEADERS - 1;
        refusal->actual = MG_MAX_HEADERS - 1;
        refusal->is_more_than_actual = true;
        return refuse_and_close(refusal, CS_HEAD_TOO_LARGE,
                                "the request has more than %d header fields",
                                MG_MAX_HEADERS - 1);
    }
    // civetweb would take the body from the wrong place.
    if (info->request_method != base) {
        return refuse_and_close(refusal, CS_MALFORMED,
                                "the request does not begin with its method");
    }
    if (!has_plain_request_line(info)) {
        return refuse_and_close(refusal, CS_MALFORMED,
                                "the request line is malformed: it is METHOD, target and "
                                "version with one space in between");
    }
    if (!is_whole(info)) {
        return refuse_and_close(
            refusal, CS_MALFORMED,
            "a header line is malformed: each is \"Name: value\" and ends "
            "with CR LF");
    }
    bool is_http_1_0 = strcmp(info->http_version, "1.0") == 0;
    out_head->is_keep_alive = !is_http_1_0;
    bool is_offered = true;
    for (int i = 0; i < info->num_headers; i++) {
        if (!take_field(&info->http_headers[i], out_head, &is_offered, refusal)) {
            return false;
        }
    }
    note_connection(out_head);
    // A head without fields may be one whose first line civetweb could not read: white space
    // hides the rest from is_whole(). HTTP/1.1 demands a Host anyway.
    out_head->is_keep_alive =
        out_head->is_keep_alive && (info->num_headers > 0 || MUTANT_IS(142));
    // Where the body ends matters even if the request is refused.
    return take_framing(out_head, is_http_1_0, refusal) &&
           take_expect(out_head, is_http_1_0, refusal) &&
           is_small(info, out_head, refusal) && is_offered;
}

static bool is_whole(const struct mg_request_info *info)
{
    const char *end = info->http_version + strlen(info->http_version);
    for (int i = 0; i < info->num_headers; i++) {
        // Between two lines there is CR LF: of a bare LF, which another party may take for
        // a part of the line, one NUL is left.
        if (info->http_headers[i].name != end + 2 && !MUTANT_IS(141)) {
            return false;
        }
        end = info->http_headers[i].value + strlen(info->http_headers[i].value);
    }
    if (end - info->request_method > HEAD_BUFFER_BYTES - 4) {
        return false; // no room for the last line's end and an empty line
    }
    if (info->num_headers == 0) {
        // civetweb skips white space after the version and makes all of it NUL.
        return end[1] == '\0' && end[2] == '\0' && end[3] == '\0';
    }
    return end[1] == '\0' && end[2] == '\r' && end[3] == '\0';
}

static bool
is_small(const struct mg_request_info *info, struct head *head, struct refusal *refusal)
{
    size_t bytes =
        (size_t)(last_value_end(info) - info->request_method) + strlen("\r\n\r\n");
    if (bytes <= HEAD_BYTES_MAX || MUTANT_IS(343)) {
        return true;
    }
    size_t target_bytes =
        (size_t)(info->http_version - info->request_uri) - strlen(" HTTP/");
    bool is_target = target_bytes > bytes / 2;
    refusal->limit = HEAD_BYTES_MAX;
    refusal->actual = bytes;
    head->is_keep_alive = false; // after the body, if there is one
    return refuse(refusal, is_target ? CS_KEY_TOO_LONG : CS_HEAD_TOO_LARGE,
                  "the request head has %zu bytes, more than the limit of %d%s", bytes,
                  HEAD_BYTES_MAX, is_target ? ": its path and query are too long" : "");
}

static const char *last_value_end(const struct mg_request_info *info)
{
    const char *last = info->num_headers == 0
                           ? info->http_version
                           : info->http_headers[info->num_headers - 1].value;
    return last + strlen(last);
}

// One space between method, target and version: it skips any white space, also line ends.
static bool has_plain_request_line(const struct mg_request_info *info)
{
    const char *method_end = info->request_method + strlen(info->request_method);
    const char *target = info->request_uri;
    const char *target_end = target + strlen(target);
    if (info->query_string != NULL) { // it stands behind the target, whose '?' is NUL now
        target_end = info->query_string + strlen(info->query_string);
    }
    return target == method_end + 1 &&
           info->http_version == target_end + 1 + strlen("HTTP/");
}

// "Content-Length : 5" is a length to civetweb and something else to others.
static bool has_space_before_colon(const struct mg_header *field)
{
    const char *end = field->name + strlen(field->name);
    return field->value > end + 1 && end[1] == '\0';
}

static bool take_field(const struct mg_header *field,
                       struct head *head,
                       bool *is_offered,
                       struct refusal *refusal)
{
    struct cs_view name = text_view(field->name);
    struct cs_view value = text_trim(text_view(field->value));
    if (has_space_before_colon(field)) {
        return refuse_and_close(refusal, CS_MALFORMED,
                                "a header line has a space before its colon");
    }
    for (int i = 0; i < HEAD_FIELDS; i++) {
        if (!text_equals_any_case(name, field_rules[i].name)) {
            continue;
        }
        if (head->fields[i].data != NULL && field_rules[i].once == ONCE) {
            return refuse_and_close(refusal, CS_MALFORMED, "the header %s is given twice",
                                    field_rules[i].name);
        }
        head->fields[i] = value;
        if (i == HEAD_ACCEPT) {
            head->wants_json = head->wants_json || accepts_json(value);
        }
        return true;
    }
    *is_offered = allow_unknown(name, refusal) && *is_offered;
    return true;
}

// Fields that are none of ours may be ignored, but not a promise that we would not keep.
static bool allow_unknown(struct cs_view name, struct refusal *refusal)
{
    if (!text_starts_any_case(name, "Consens-") &&
        !text_equals_any_case(name, "Idempotency-Key")) {
        return true;
    }
    char shown[TEXT_SHOWN_BYTES];
    text_show(name, shown);
    return refuse(refusal, CS_MALFORMED, "the header %s is not offered by this release",
                  shown);
}

// As civetweb decides it, so that what the reply says comes true.
static void note_connection(struct head *head)
{
    struct cs_view connection = head->fields[HEAD_CONNECTION];
    if (connection.data != NULL) {
        head->is_keep_alive =
            list_has(connection, "keep-alive") && !list_has(connection, "close");
    }
    if (head->fields[HEAD_UPGRADE].data != NULL) {
        head->is_keep_alive = false; // it may take what follows for a websocket
    }
}

static bool take_framing(struct head *head, bool is_http_1_0, struct refusal *refusal)
{
    struct cs_view length = head->fields[HEAD_CONTENT_LENGTH];
    struct cs_view coding = head->fields[HEAD_TRANSFER_ENCODING];
    if (coding.data != NULL) {
        if (length.data != NULL) {
            return refuse_and_close(refusal, CS_MALFORMED,
                                    "the request has both Content-Length and "
                                    "Transfer-Encoding");
        }
        if (is_http_1_0 || !text_equals_any_case(coding, "chunked")) {
            return refuse_and_close(
                refusal, CS_MALFORMED,
                "the only Transfer-Encoding understood is chunked, in "
                "HTTP/1.1");
        }
        head->is_chunked = true;
        // civetweb closes after trailers, and does not say whether there were any.
        head->is_keep_alive = head->is_keep_alive && MUTANT_IS(344);
        return true;
    }
    if (length.data == NULL) {
        return true;
    }
    bool is_number =
        text_parse_u64(length, &head->content_bytes) && head->content_bytes <= INT64_MAX;
    if (!is_number && !MUTANT_IS(156)) {
        return refuse_and_close(refusal, CS_MALFORMED, "Content-Length is not a number");
    }
    return true;
}

static bool take_expect(struct head *head, bool is_http_1_0, struct refusal *refusal)
{
    struct cs_view expect = head->fields[HEAD_EXPECT];
    if (expect.data == NULL || is_http_1_0) {
        return true;
    }
    if (!text_equals_any_case(expect, "100-continue")) {
        return refuse_and_close(refusal, CS_MALFORMED,
                                "the only Expect understood is 100-continue");
    }
    head->expects_continue = head->is_chunked || head->content_bytes > 0;
    return true;
}

static bool list_has(struct cs_view list, const char *word)
{
    struct cs_view item = {0};
    while (text_take_part(&list, ',', &item)) {
        if (text_equals_any_case(text_trim(item), word)) {
            return true;
        }
    }
    return false;
}

// A media range that names JSON; its weight counts only where it is none ("q=0").
static bool accepts_json(struct cs_view accept)
{
    struct cs_view range = {0};
    while (text_take_part(&accept, ',', &range)) {
        struct cs_view type = {0};
        if (!text_take_part(&range, ';', &type)) {
            continue;
        }
        type = text_trim(type);
        struct cs_view weight = text_trim(range);
        bool is_none = text_equals(weight, "q=0") || text_equals(weight, "q=0.0");
        if (!is_none && (text_equals_any_case(type, "application/json") ||
                         text_equals_any_case(type, "application/problem+json"))) {
            return true;
        }
    }
    return false;
}
