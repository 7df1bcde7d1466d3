#include "lincheck/lines.h"

#include "base/check.h"
#include "base/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_LEAST = 10, FIELDS_MAX = 11, TABLE_FIRST = 1024 };

enum field {
    FIELD_CLIENT,
    FIELD_CALL,
    FIELD_RETURN,
    FIELD_KIND,
    FIELD_KEY,
    FIELD_VALUE,
    FIELD_CONDITION,
    FIELD_OUTCOME,
    FIELD_REVISION,
    FIELD_SEEN,
    FIELD_VERSION,
};

enum { OUTCOME_FAILED = 100 };

struct word {
    const char *text;
    uint32_t number;
};

static const struct word KINDS[] = {{"get", LINCHECK_GET},
                                    {"put", LINCHECK_PUT},
                                    {"delete", LINCHECK_DELETE}};

static const struct word OUTCOMES[] = {
    {"unknown", LINCHECK_UNKNOWN}, {"created", LINCHECK_CREATED},
    {"updated", LINCHECK_UPDATED}, {"deleted", LINCHECK_DELETED},
    {"found", LINCHECK_FOUND},     {"absent", LINCHECK_ABSENT},
    {"refused", LINCHECK_REFUSED}, {"failed", OUTCOME_FAILED}};

static const struct word CONDITIONS[] = {{"-", LINCHECK_ALWAYS},
                                         {"absent", LINCHECK_IF_ABSENT},
                                         {"exists", LINCHECK_IF_EXISTS}};

static const char SWAP_PREFIX[] = "rev:";
enum { SWAP_PREFIX_BYTES = sizeof SWAP_PREFIX - 1 };

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/*
 * ---- tables: what was there before?
 * -----------------------------------------------------
 */

struct lines_slot {
    struct cs_digest digest; // 128 bits stand for the bytes themselves
    uint64_t number;         // from 1; 0: free
};

struct lines_table {
    struct lines_slot *slots;
    size_t slot_count; // a power of two
    size_t taken_count;
};

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, bytes);
    CHECK(memory != NULL);
    return memory;
}

static struct lines_table *table_new(void)
{
    struct lines_table *table = allocate(1, sizeof *table);
    table->slots = allocate(TABLE_FIRST, sizeof *table->slots);
    table->slot_count = TABLE_FIRST;
    return table;
}

static void table_destroy(struct lines_table *table)
{
    if (table != NULL) {
        free(table->slots);
        free(table);
    }
}

static struct lines_slot *table_find(struct lines_table *table, struct cs_digest digest)
{
    size_t at = (size_t)digest.low & (table->slot_count - 1);
    while (table->slots[at].number != 0 &&
           (table->slots[at].digest.low != digest.low ||
            table->slots[at].digest.high != digest.high)) {
        at = (at + 1) & (table->slot_count - 1);
    }
    return &table->slots[at];
}

static void table_grow(struct lines_table *table)
{
    struct lines_slot *old = table->slots;
    size_t old_count = table->slot_count;
    table->slot_count *= 2;
    table->slots = allocate(table->slot_count, sizeof *table->slots);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].number != 0) {
            *table_find(table, old[i].digest) = old[i];
        }
    }
    free(old);
}

/* The number of what was there before, else 0 and it has `number` now. */
static uint64_t
table_add(struct lines_table *table, const void *data, size_t bytes, uint64_t number)
{
    struct cs_digest digest = digest_128(data, bytes, 0);
    struct lines_slot *slot = table_find(table, digest);
    if (slot->number != 0) {
        return slot->number;
    }
    *slot = (struct lines_slot){.digest = digest, .number = number};
    table->taken_count++;
    if (table->taken_count * 2 > table->slot_count) {
        table_grow(table);
    }
    return 0;
}

/*
 * ---- fields
 * ------------------------------------------------------------------------------
 */

struct piece {
    const char *text;
    size_t bytes;
};

static bool parse_number(const struct piece *piece, uint64_t *out_number)
{
    uint64_t number = 0;
    if (piece->bytes == 0) {
        return false;
    }
    for (size_t i = 0; i < piece->bytes; i++) {
        uint64_t digit = (uint64_t)(unsigned char)piece->text[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out_number = number;
    return true;
}

static bool is_dash(const struct piece *piece)
{
    return piece->bytes == 1 && piece->text[0] == '-';
}

static bool parse_told(const struct piece *piece, uint64_t *out_number)
{
    *out_number = LINCHECK_NOT_TOLD;
    return is_dash(piece) || parse_number(piece, out_number);
}

static bool parse_word(const struct piece *piece,
                       const struct word *words,
                       size_t count,
                       uint32_t *out_number)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i].text) == piece->bytes &&
            memcmp(words[i].text, piece->text, piece->bytes) == 0) {
            *out_number = words[i].number;
            return true;
        }
    }
    return false;
}

static bool parse_condition(const struct piece *piece, struct lincheck_operation *out)
{
    if (piece->bytes > SWAP_PREFIX_BYTES &&
        memcmp(piece->text, SWAP_PREFIX, SWAP_PREFIX_BYTES) == 0) {
        const struct piece number = {piece->text + SWAP_PREFIX_BYTES,
                                     piece->bytes - SWAP_PREFIX_BYTES};
        out->condition = LINCHECK_IF_REVISION;
        return parse_number(&number, &out->condition_revision);
    }
    return parse_word(piece, CONDITIONS, COUNT_OF(CONDITIONS), &out->condition);
}

static bool parse_value(const struct piece *piece, struct lincheck_operation *out)
{
    if (piece->bytes == 1 && piece->text[0] == '?') {
        out->value = LINES_VALUE_MAX + 1;
        return out->kind == LINCHECK_GET;
    }
    bool has_value = out->kind == LINCHECK_PUT || out->outcome == LINCHECK_FOUND;
    if (!has_value) {
        out->value = 0;
        return is_dash(piece);
    }
    return parse_number(piece, &out->value) && out->value <= LINES_VALUE_MAX;
}

static bool fits(const struct lincheck_operation *operation)
{
    uint32_t kind = operation->kind;
    switch (operation->outcome) {
    case LINCHECK_CREATED:
    case LINCHECK_UPDATED:
        return kind == LINCHECK_PUT;
    case LINCHECK_DELETED:
        return kind == LINCHECK_DELETE;
    case LINCHECK_FOUND:
        return kind == LINCHECK_GET;
    case LINCHECK_ABSENT:
        return kind != LINCHECK_PUT;
    case LINCHECK_REFUSED:
        return kind != LINCHECK_GET;
    default:
        return true;
    }
}

/* NULL: good; else the name of the field that is not. */
static const char *parse_fields(const struct piece *pieces,
                                struct lincheck_operation *out)
{
    uint64_t client = 0;
    if (!parse_number(&pieces[FIELD_CLIENT], &client) || client > UINT32_MAX) {
        return "CLIENT";
    }
    out->client = (uint32_t)client;
    if (!parse_number(&pieces[FIELD_CALL], &out->invoked)) {
        return "CALL";
    }
    if (!parse_word(&pieces[FIELD_KIND], KINDS, COUNT_OF(KINDS), &out->kind)) {
        return "KIND";
    }
    if (!parse_word(&pieces[FIELD_OUTCOME], OUTCOMES, COUNT_OF(OUTCOMES),
                    &out->outcome) ||
        !fits(out)) {
        return "OUTCOME";
    }
    bool is_open = out->outcome == LINCHECK_UNKNOWN || out->outcome == OUTCOME_FAILED;
    if (!is_dash(&pieces[FIELD_RETURN]) &&
        (!parse_number(&pieces[FIELD_RETURN], &out->returned) ||
         out->returned < out->invoked)) {
        return "RETURN";
    }
    if (is_dash(&pieces[FIELD_RETURN]) && !is_open) {
        return "RETURN";
    }
    if (!parse_condition(&pieces[FIELD_CONDITION], out) ||
        (out->kind == LINCHECK_GET && out->condition != LINCHECK_ALWAYS)) {
        return "CONDITION";
    }
    if (!parse_value(&pieces[FIELD_VALUE], out)) {
        return "VALUE";
    }
    if (!parse_told(&pieces[FIELD_REVISION], &out->revision)) {
        return "REVISION";
    }
    if (!parse_told(&pieces[FIELD_SEEN], &out->seen)) {
        return "SEEN";
    }
    return parse_told(&pieces[FIELD_VERSION], &out->version) ? NULL : "VERSION";
}

/*
 * ---- lines
 * -------------------------------------------------------------------------------
 */

static bool complain(struct lines *lines, uint64_t line, const char *what)
{
    (void)snprintf(lines->error, sizeof lines->error, "line %" PRIu64 ": %s", line, what);
    return false;
}

static bool split(const char *text, size_t bytes, struct piece *out_pieces)
{
    size_t count = 0;
    const char *end = text + bytes;
    while (text <= end && count < FIELDS_MAX) {
        const char *space = memchr(text, ' ', (size_t)(end - text));
        const char *stop = space == NULL ? end : space;
        out_pieces[count++] = (struct piece){text, (size_t)(stop - text)};
        if (space == NULL) {
            if (count == FIELDS_LEAST) {
                out_pieces[FIELD_VERSION] = (struct piece){"-", 1};
            }
            return count >= FIELDS_LEAST;
        }
        text = space + 1;
    }
    return false;
}

static uint64_t number_key(struct lines *lines, const struct piece *name)
{
    uint64_t known =
        table_add(lines->names, name->text, name->bytes, lines->key_count + 1);
    if (known != 0) {
        return known - 1;
    }
    if ((lines->key_count & (lines->key_count - 1)) == 0) { // a power of two: full
        size_t capacity = lines->key_count == 0 ? 1 : lines->key_count * 2;
        lines->keys = realloc(lines->keys, capacity * sizeof *lines->keys);
        CHECK(lines->keys != NULL);
    }
    lines->keys[lines->key_count] = (struct lines_key){name->text, name->bytes};
    return lines->key_count++;
}

static void append(struct lines *lines, const struct lincheck_operation *operation)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity * 2 + 1024;
        lines->operations =
            realloc(lines->operations, lines->capacity * sizeof *lines->operations);
        CHECK(lines->operations != NULL);
    }
    lines->operations[lines->count++] = *operation;
}

static bool take(struct lines *lines, struct lincheck_operation *operation)
{
    if (operation->outcome == OUTCOME_FAILED) {
        lines->failed_count++;
        return true;
    }
    if (operation->outcome == LINCHECK_UNKNOWN && operation->kind == LINCHECK_GET) {
        lines->unread_count++;
        return true;
    }
    if (operation->kind == LINCHECK_PUT && operation->outcome != LINCHECK_REFUSED) {
        const uint64_t pair[2] = {operation->key, operation->value};
        if (table_add(lines->values, pair, sizeof pair, operation->id) != 0) {
            return complain(lines, operation->id, "its value was put to this key before");
        }
    }
    if (operation->outcome == LINCHECK_DELETED) {
        operation->revision = operation->seen; // a hint for the search
    }
    lines->unknown_count += operation->outcome == LINCHECK_UNKNOWN;
    append(lines, operation);
    return true;
}

static bool parse_line(struct lines *lines, const char *text, size_t bytes, uint64_t line)
{
    struct piece pieces[FIELDS_MAX];
    struct lincheck_operation operation = {.id = line};
    if (bytes == 0 || text[0] == '#') {
        return true;
    }
    if (!split(text, bytes, pieces)) {
        return complain(lines, line, "not the 10 or 11 fields of a line");
    }
    const struct piece *key = &pieces[FIELD_KEY];
    const char *bad = parse_fields(pieces, &operation);
    if (bad == NULL && (key->bytes == 0 || key->bytes > LINES_KEY_BYTES_MAX)) {
        bad = "KEY";
    }
    if (bad != NULL) {
        char what[64];
        (void)snprintf(what, sizeof what, "%s cannot be so", bad);
        return complain(lines, line, what);
    }
    operation.key = number_key(lines, key);
    return take(lines, &operation);
}

static bool read_file(struct lines *lines, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = 1 << 20;
    lines->text = allocate(capacity, 1);
    while (file != NULL && !feof(file) && !ferror(file)) {
        if (lines->text_bytes == capacity) {
            capacity *= 2;
            lines->text = realloc(lines->text, capacity);
            CHECK(lines->text != NULL);
        }
        lines->text_bytes +=
            fread(lines->text + lines->text_bytes, 1, capacity - lines->text_bytes, file);
    }
    bool is_read = file != NULL && !ferror(file);
    if (!is_read) {
        (void)snprintf(lines->error, sizeof lines->error, "%s cannot be read (errno %d)",
                       path, errno);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_read;
}

bool lines_read(struct lines *lines, const char *path)
{
    *lines = (struct lines){0};
    lines->names = table_new();
    lines->values = table_new();
    if (!read_file(lines, path)) {
        return false;
    }
    const char *at = lines->text;
    const char *end = lines->text + lines->text_bytes;
    for (uint64_t line = 1; at < end; line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        if (feed == NULL) { // whoever wrote it was cut short
            return complain(lines, line, "it does not end");
        }
        if (!parse_line(lines, at, (size_t)(feed - at), line)) {
            return false;
        }
        at = feed + 1;
    }
    return true;
}

void lines_fini(struct lines *lines)
{
    free(lines->operations);
    free(lines->keys);
    free(lines->text);
    table_destroy(lines->names);
    table_destroy(lines->values);
    *lines = (struct lines){0};
}

/*
 * ---- printing
 * ----------------------------------------------------------------------------
 */

static const char *word_of(const struct word *words, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++) {
        if (words[i].number == number) {
            return words[i].text;
        }
    }
    return "?";
}

static void print_told(FILE *out, uint64_t number)
{
    if (number == LINCHECK_NOT_TOLD) {
        (void)fputs(" -", out);
    } else {
        (void)fprintf(out, " %" PRIu64, number);
    }
}

static void print_value(FILE *out, const struct lincheck_operation *operation)
{
    bool has_value =
        operation->kind == LINCHECK_PUT || operation->outcome == LINCHECK_FOUND;
    if (!has_value) {
        (void)fputs(" -", out);
    } else if (operation->value > LINES_VALUE_MAX) {
        (void)fputs(" ?", out);
    } else {
        (void)fprintf(out, " %" PRIu64, operation->value);
    }
}

void lines_print(FILE *out,
                 const struct lincheck_operation *operation,
                 const struct lines_key *key)
{
    bool is_open = operation->outcome == LINCHECK_UNKNOWN;
    (void)fprintf(out, "%" PRIu32 " %" PRIu64, operation->client, operation->invoked);
    print_told(out, is_open ? LINCHECK_NOT_TOLD : operation->returned);
    (void)fprintf(out, " %s %.*s", word_of(KINDS, COUNT_OF(KINDS), operation->kind),
                  (int)key->bytes, key->name);
    print_value(out, operation);
    if (operation->condition == LINCHECK_IF_REVISION) {
        (void)fprintf(out, " %s%" PRIu64, SWAP_PREFIX, operation->condition_revision);
    } else {
        (void)fprintf(out, " %s",
                      word_of(CONDITIONS, COUNT_OF(CONDITIONS), operation->condition));
    }
    (void)fprintf(out, " %s", word_of(OUTCOMES, COUNT_OF(OUTCOMES), operation->outcome));
    print_told(out, is_open ? LINCHECK_NOT_TOLD : operation->revision);
    print_told(out, is_open ? LINCHECK_NOT_TOLD : operation->seen);
    if (!is_open && operation->version != LINCHECK_NOT_TOLD) {
        (void)fprintf(out, " %" PRIu64, operation->version);
    }
    (void)fputc('\n', out);
}
