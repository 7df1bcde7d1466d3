#include "config/zpl.h"

#include "base/bytes.h"
#include "base/check.h"

#include <czmq.h>
#include <errno.h>
#include <string.h>

enum { INDENT_SPACES = 4, READ_BYTES = 4096, ERRNO_BYTES = 128 };

// What zconfig takes as letters of a name, but for the slash, which is in no name of ours.
static const char NAME_LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789$-_@.&+";

struct zpl {
    zconfig_t *root; // owns the names and values of items
    size_t item_count;
    size_t linked_count; // items that zconfig has given name and value
    struct zpl_item items[ZPL_ITEMS_MAX];
};

struct line { // one line of the text, without what ends it
    const char *file;
    uint32_t number;
    const char *text; // not terminated
    size_t bytes;
};

static bool scan(struct zpl *zpl,
                 const char *file,
                 struct cs_view text,
                 struct cs_buffer *out_clean,
                 struct sentence *out_error);
static bool scan_line(struct zpl *zpl,
                      const struct line *line,
                      struct cs_buffer *out_clean,
                      struct sentence *out_error);
static bool check_bytes(const struct line *line, struct sentence *out_error);
static size_t trimmed_bytes(const char *text, size_t bytes);
static bool scan_depth(const struct zpl *zpl,
                       const struct line *line,
                       size_t spaces,
                       struct sentence *out_error);
static bool scan_after_name(const struct line *line,
                            size_t at,
                            bool *out_has_value,
                            struct sentence *out_error);
static bool scan_quoted(const struct line *line, size_t at, struct sentence *out_error);
static size_t skip_spaces(const struct line *line, size_t at);
static bool is_end(const struct line *line, size_t at);
static uint32_t find_parent(const struct zpl *zpl, uint32_t depth);
static int link_item(zconfig_t *node, void *context, int level);
static bool
check_duplicates(const struct zpl *zpl, const char *file, struct sentence *out_error);
static bool read_all(FILE *stream, struct cs_buffer *out_text);

struct zpl *zpl_parse(const char *file,
                      const char *text,
                      size_t text_bytes,
                      struct sentence *out_error)
{
    struct zpl *zpl = calloc(1, sizeof *zpl);
    CHECK(zpl != NULL);
    struct cs_buffer clean = {0};
    bool is_good = scan(zpl, file, view_of(text, text_bytes), &clean, out_error);
    if (is_good) {
        buffer_append(&clean, "", 1);
        zpl->root = zconfig_str_load((const char *)clean.data);
        is_good = zpl->root != NULL && zconfig_execute(zpl->root, link_item, zpl) == 0 &&
                  zpl->linked_count == zpl->item_count;
        if (!is_good) {
            (void)sentence_set(out_error, "%s: this file cannot be read as ZPL", file);
        }
    }
    is_good = is_good && check_duplicates(zpl, file, out_error);
    buffer_fini(&clean);
    if (!is_good) {
        zpl_destroy(&zpl);
    }
    return zpl;
}

struct zpl *zpl_load(const char *file, struct sentence *out_error)
{
    struct cs_buffer text = {0};
    errno = 0;
    FILE *stream = fopen(file, "re");
    bool is_read = stream != NULL && read_all(stream, &text);
    int reason = errno;
    if (stream != NULL) {
        (void)fclose(stream);
    }
    struct zpl *zpl = NULL;
    if (!is_read) {
        char words[ERRNO_BYTES] = "";
        (void)strerror_r(reason, words, sizeof words);
        (void)sentence_set(
            out_error,
            "%s: the configuration file cannot be read (%s); check the path "
            "and its permissions",
            file, words);
    } else if (text.bytes > ZPL_FILE_BYTES_MAX) {
        (void)sentence_set(
            out_error,
            "%s: the configuration file is larger than %d bytes; is it the "
            "right one?",
            file, ZPL_FILE_BYTES_MAX);
    } else {
        zpl = zpl_parse(file, (const char *)text.data, text.bytes, out_error);
    }
    buffer_fini(&text);
    return zpl;
}

void zpl_destroy(struct zpl **zpl)
{
    if (*zpl != NULL) {
        zconfig_destroy(&(*zpl)->root);
        free(*zpl);
        *zpl = NULL;
    }
}

size_t zpl_item_count(const struct zpl *zpl)
{
    return zpl->item_count;
}

const struct zpl_item *zpl_item(const struct zpl *zpl, size_t index)
{
    CHECK(index < zpl->item_count);
    return &zpl->items[index];
}

// Gives the lines that hold an item to out_clean, for zconfig, one after the other.
static bool scan(struct zpl *zpl,
                 const char *file,
                 struct cs_view text,
                 struct cs_buffer *out_clean,
                 struct sentence *out_error)
{
    struct line line = {.file = file};
    size_t at = 0;
    while (at < text.bytes) {
        const char *start = (const char *)text.data + at;
        const char *end = memchr(start, '\n', text.bytes - at);
        size_t bytes = end != NULL ? (size_t)(end - start) : text.bytes - at;
        at += bytes + 1;
        line.number++;
        line.text = start;
        line.bytes = trimmed_bytes(start, bytes);
        if (!scan_line(zpl, &line, out_clean, out_error)) {
            return false;
        }
    }
    return true;
}

static bool scan_line(struct zpl *zpl,
                      const struct line *line,
                      struct cs_buffer *out_clean,
                      struct sentence *out_error)
{
    size_t spaces = skip_spaces(line, 0);
    if (is_end(line, spaces)) {
        return true;
    }
    if (!check_bytes(line, out_error) || !scan_depth(zpl, line, spaces, out_error)) {
        return false;
    }
    size_t at = spaces;
    while (at < line->bytes && strchr(NAME_LETTERS, line->text[at]) != NULL) {
        at++;
    }
    struct zpl_item item = {.line = line->number,
                            .depth = (uint32_t)(spaces / INDENT_SPACES)};
    item.parent = find_parent(zpl, item.depth);
    if (at == spaces) {
        return sentence_set(out_error, "%s:%u: expected the name of a key, not \"%.*s\"",
                            line->file, line->number, (int)(line->bytes - at),
                            line->text + at);
    }
    if (!scan_after_name(line, at, &item.has_value, out_error)) {
        return false;
    }
    if (zpl->item_count == ZPL_ITEMS_MAX) {
        return sentence_set(out_error, "%s:%u: more than %d keys", line->file,
                            line->number, ZPL_ITEMS_MAX);
    }
    zpl->items[zpl->item_count++] = item;
    buffer_append(out_clean, line->text, line->bytes);
    buffer_append(out_clean, "\n", 1);
    return true;
}

static bool check_bytes(const struct line *line, struct sentence *out_error)
{
    if (line->bytes > ZPL_LINE_BYTES_MAX) {
        return sentence_set(out_error, "%s:%u: the line is longer than %d bytes",
                            line->file, line->number, ZPL_LINE_BYTES_MAX);
    }
    for (size_t i = 0; i < line->bytes; i++) {
        unsigned char byte = (unsigned char)line->text[i];
        if (byte == '\t') {
            return sentence_set(out_error, "%s:%u: there is a tab; indent by %d spaces",
                                line->file, line->number, INDENT_SPACES);
        }
        if (byte < ' ' || byte == 127) {
            return sentence_set(out_error,
                                "%s:%u: there is a control character (byte 0x%02x)",
                                line->file, line->number, byte);
        }
    }
    return true;
}

static size_t trimmed_bytes(const char *text, size_t bytes)
{
    while (bytes > 0 && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t' ||
                         text[bytes - 1] == '\r')) {
        bytes--;
    }
    return bytes;
}

static bool scan_depth(const struct zpl *zpl,
                       const struct line *line,
                       size_t spaces,
                       struct sentence *out_error)
{
    size_t depth = spaces / INDENT_SPACES;
    size_t depth_max = 0;
    if (zpl->item_count > 0) {
        depth_max = zpl->items[zpl->item_count - 1].depth + 1;
    }
    if (spaces % INDENT_SPACES != 0) {
        return sentence_set(out_error,
                            "%s:%u: indented by %zu spaces; indent by %d a level",
                            line->file, line->number, spaces, INDENT_SPACES);
    }
    if (depth >= ZPL_DEPTH_MAX) {
        return sentence_set(out_error, "%s:%u: nested deeper than %d levels", line->file,
                            line->number, ZPL_DEPTH_MAX);
    }
    if (depth > depth_max) {
        return sentence_set(
            out_error, "%s:%u: indented by %zu spaces, but nothing above it is by %zu",
            line->file, line->number, spaces, spaces - INDENT_SPACES);
    }
    return true;
}

static bool scan_after_name(const struct line *line,
                            size_t at,
                            bool *out_has_value,
                            struct sentence *out_error)
{
    at = skip_spaces(line, at);
    *out_has_value = false;
    if (is_end(line, at)) {
        return true;
    }
    if (line->text[at] != '=') {
        return sentence_set(
            out_error, "%s:%u: expected \"=\" after the name of the key, not \"%.*s\"",
            line->file, line->number, (int)(line->bytes - at), line->text + at);
    }
    *out_has_value = true;
    at = skip_spaces(line, at + 1);
    bool is_quoted =
        at < line->bytes && (line->text[at] == '"' || line->text[at] == '\'');
    return !is_quoted || scan_quoted(line, at, out_error);
}

static bool scan_quoted(const struct line *line, size_t at, struct sentence *out_error)
{
    char quote = line->text[at];
    const char *end = memchr(line->text + at + 1, quote, line->bytes - at - 1);
    if (end == NULL) {
        return sentence_set(out_error, "%s:%u: the closing %c is missing", line->file,
                            line->number, quote);
    }
    at = skip_spaces(line, (size_t)(end - line->text) + 1);
    if (!is_end(line, at)) {
        return sentence_set(out_error, "%s:%u: unexpected text after the value: \"%.*s\"",
                            line->file, line->number, (int)(line->bytes - at),
                            line->text + at);
    }
    return true;
}

static size_t skip_spaces(const struct line *line, size_t at)
{
    while (at < line->bytes && line->text[at] == ' ') {
        at++;
    }
    return at;
}

static bool is_end(const struct line *line, size_t at)
{
    return at >= line->bytes || line->text[at] == '#';
}

static uint32_t find_parent(const struct zpl *zpl, uint32_t depth)
{
    for (size_t i = zpl->item_count; i > 0; i--) {
        if (zpl->items[i - 1].depth + 1 == depth) {
            return (uint32_t)(i - 1);
        }
    }
    return ZPL_NO_PARENT;
}

// zconfig_execute() calls this for every node in the order of the file, the root first.
static int link_item(zconfig_t *node, void *context, int level)
{
    struct zpl *zpl = context;
    if (level == 0) {
        return 0;
    }
    if (zpl->linked_count == zpl->item_count) {
        return -1;
    }
    struct zpl_item *item = &zpl->items[zpl->linked_count++];
    if (item->depth + 1 != (uint32_t)level) {
        return -1;
    }
    item->name = zconfig_name(node);
    item->value = zconfig_value(node) != NULL ? zconfig_value(node) : "";
    return 0;
}

static bool
check_duplicates(const struct zpl *zpl, const char *file, struct sentence *out_error)
{
    for (size_t i = 0; i < zpl->item_count; i++) {
        const struct zpl_item *later = &zpl->items[i];
        for (size_t j = 0; j < i; j++) {
            const struct zpl_item *earlier = &zpl->items[j];
            if (earlier->parent == later->parent &&
                strcmp(earlier->name, later->name) == 0) {
                return sentence_set(
                    out_error, "%s:%u: \"%s\" is given twice; the first is on line %u",
                    file, later->line, later->name, earlier->line);
            }
        }
    }
    return true;
}

// One byte past ZPL_FILE_BYTES_MAX is enough to know that it is too much.
static bool read_all(FILE *stream, struct cs_buffer *out_text)
{
    while (out_text->bytes <= ZPL_FILE_BYTES_MAX) {
        char bytes[READ_BYTES];
        size_t count = fread(bytes, 1, sizeof bytes, stream);
        if (count == 0) {
            return ferror(stream) == 0;
        }
        buffer_append(out_text, bytes, count);
    }
    return true;
}
