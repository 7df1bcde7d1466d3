/*
 * put.c - `consens put` and `consens del`: what changes one key.
 */
#include "base/check.h"
#include "base/log.h"
#include "cli/ask.h"
#include "cli/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_BYTES = CONSENS_VALUE_BYTES_MAX + 1 }; // one more tells that it is too large

struct input {
    uint8_t *bytes; // ROOM_BYTES, if it was read
    size_t count;
};

/* False: said why. */
static bool read_stream(FILE *stream, const char *name, struct input *out)
{
    out->bytes = malloc(ROOM_BYTES);
    CHECK(out->bytes != NULL);
    out->count = fread(out->bytes, 1, ROOM_BYTES, stream);
    if (ferror(stream) != 0) {
        log_sentence("consens put: %s could not be read (errno %d)", name, errno);
        return false;
    }
    return true;
}

static bool read_file(const char *name, struct input *out)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        log_sentence("consens put: the file \"%s\" could not be opened (errno %d)", name,
                     errno);
        return false;
    }
    bool is_read = read_stream(file, name, out);
    (void)fclose(file);
    return is_read;
}

static int say_word(const struct ask *ask, consens_request_t **request)
{
    int code = 0;
    consens_future_t *future = ask_send(ask, request, &code);
    if (future == NULL) {
        return code;
    }
    const struct consens_answer *answer = consens_future_get(future);
    bool is_written = true;
    if (ask->is_json) {
        is_written = ask_print_json(ask, answer);
    } else if (code == CLI_OK) {
        is_written = printf("%s\n", answer->word) > 0 && fflush(stdout) == 0;
    }
    return ask_end(&future, code, is_written);
}

int cli_run_put(int argc, char **argv)
{
    struct ask ask;
    struct input input = {0};
    int code = 0;
    if (!ask_parse(&ask, ASK_PUT, argc, argv, &code)) {
        return code;
    }
    const char *key = ask.arguments.values[0];
    const char *value = ask.arguments.values[1];
    bool is_stdin = strcmp(value, "-") == 0;
    bool is_there = true;
    if (is_stdin) {
        is_there = read_stream(stdin, "stdin", &input);
    } else if (value[0] == '@') {
        is_there = read_file(value + 1, &input);
    }
    code = CLI_USAGE;
    if (is_there) {
        consens_request_t *request =
            input.bytes != NULL
                ? consens_request_put(key, strlen(key), input.bytes, input.count)
                : consens_request_put(key, strlen(key), value, strlen(value));
        code = say_word(&ask, &request);
    }
    free(input.bytes);
    return code;
}

int cli_run_del(int argc, char **argv)
{
    struct ask ask;
    int code = 0;
    if (!ask_parse(&ask, ASK_DELETE, argc, argv, &code)) {
        return code;
    }
    const char *key = ask.arguments.values[0];
    consens_request_t *request = consens_request_delete(key, strlen(key));
    return say_word(&ask, &request);
}
