#include "scenarios/world.h"

#include <stdlib.h>
#include <string.h>

/*
 * A transcript is a text of blocks:
 *
 *     # a comment
 *     COMMAND            one or more
 *     ----
 *     what they print    none or more lines, none of them empty
 *                        an empty line, or the end, closes the block
 *
 * Replaying prints the text anew with the real output; it must be the same text. A
 * violation of a global check, a command that is none and a goal not reached fail the
 * file whatever it expects.
 */

enum { TRANSCRIPT_BYTES = 256 * 1024, TRANSCRIPT_LINE_BYTES = 512 };

struct text {
    char *bytes;
    size_t count;
};

static bool read_text(const char *path, struct text *out_text)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    out_text->count = fread(out_text->bytes, 1, TRANSCRIPT_BYTES - 1, file);
    out_text->bytes[out_text->count] = '\0';
    bool is_whole = feof(file) != 0 && ferror(file) == 0;
    return fclose(file) == 0 && is_whole;
}

static bool write_text(const char *path, const struct text *text)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    bool is_written = fwrite(text->bytes, 1, text->count, file) == text->count;
    return fclose(file) == 0 && is_written;
}

static void add(struct text *text, const char *bytes, size_t count)
{
    CHECK(text->count + count < TRANSCRIPT_BYTES);
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
    text->bytes[text->count] = '\0';
}

/* The next line without its end; false at the end of the text. */
static bool next_line(const char **at, char *line)
{
    size_t bytes = strcspn(*at, "\n");
    if (**at == '\0' || bytes >= TRANSCRIPT_LINE_BYTES) {
        return false;
    }
    memcpy(line, *at, bytes);
    line[bytes] = '\0';
    *at += bytes;
    *at += **at == '\n';
    return true;
}

/* The expected output is passed over: the real one takes its place. */
static void skip_expected(const char **at)
{
    char line[TRANSCRIPT_LINE_BYTES];
    while (next_line(at, line) && line[0] != '\0') {
    }
}

static void close_block(struct world *world, struct text *out)
{
    print_decided(world);
    if (world->output_bytes == 0) {
        print(world, "ok\n");
    }
    add(out, world->output, world->output_bytes);
    world->output_bytes = 0;
    world->output[0] = '\0';
}

/* Runs what `expected` commands; `out` is the text as it should be. False: it failed. */
static bool perform(struct world *world, const char *expected, struct text *out)
{
    const char *at = expected;
    char line[TRANSCRIPT_LINE_BYTES];
    bool is_good = true;
    while (next_line(&at, line)) {
        if (strcmp(line, "----") == 0) {
            add(out, "----\n", 5);
            close_block(world, out);
            skip_expected(&at);
            add(out, "\n", *at == '\0' ? 0 : 1);
            continue;
        }
        add(out, line, strlen(line));
        add(out, "\n", 1);
        if (line[0] != '#' && line[0] != '\0') {
            is_good = verbs_run(world, line) && is_good;
        }
    }
    return is_good && world->violations == 0;
}

/* Prints the first line that differs. */
static bool compare(const char *path, const char *expected, const char *got)
{
    const char *left_at = expected;
    const char *right_at = got;
    for (int number = 1;; number++) {
        char left[TRANSCRIPT_LINE_BYTES] = "(the end)";
        char right[TRANSCRIPT_LINE_BYTES] = "(the end)";
        bool has_left = next_line(&left_at, left);
        bool has_right = next_line(&right_at, right);
        if (!has_left && !has_right) {
            return true;
        }
        if (has_left != has_right || strcmp(left, right) != 0) {
            (void)printf("%s:%d differs\n  expected: %s\n  got:      %s\n", path, number,
                         left, right);
            return false;
        }
    }
}

static void print_failure(const char *path, const char *text)
{
    static const char *const WORDS[] = {"VIOLATION", "ERROR", "NOT REACHED"};
    const char *at = text;
    char line[TRANSCRIPT_LINE_BYTES];
    for (int number = 1; next_line(&at, line); number++) {
        for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
            if (line[0] != '#' && strstr(line, WORDS[i]) != NULL) {
                (void)printf("%s:%d %s\n", path, number, line);
            }
        }
    }
}

static bool replay(struct world *world,
                   const char *path,
                   bool is_rewritten,
                   struct text *expected,
                   struct text *got)
{
    if (!read_text(path, expected)) {
        (void)printf("%s: cannot be read\n", path);
        return false;
    }
    world->output_bytes = 0;
    world->violations = 0;
    bool is_good = perform(world, expected->bytes, got);
    if (!is_good) {
        print_failure(path, got->bytes);
    }
    if (is_rewritten) {
        return write_text(path, got) && is_good;
    }
    return compare(path, expected->bytes, got->bytes) && is_good;
}

bool transcript_replay(struct world *world, const char *path, bool is_rewritten)
{
    struct text expected = {.bytes = calloc(1, TRANSCRIPT_BYTES)};
    struct text got = {.bytes = calloc(1, TRANSCRIPT_BYTES)};
    CHECK(expected.bytes != NULL);
    CHECK(got.bytes != NULL);
    bool is_good = replay(world, path, is_rewritten, &expected, &got);
    free(expected.bytes);
    free(got.bytes);
    return is_good;
}
