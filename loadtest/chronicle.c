#include "loadtest/chronicle.h"

#include "lincheck/judge.h"
#include "loadtest/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIELD_BYTES = 32, BUFFER_BYTES = 1 << 20 };

bool chronicle_open(struct chronicle *history, const struct plan *plan)
{
    history->prefix = plan->prefix;
    history->is_temporary = plan->history_path == NULL;
    if (history->is_temporary) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): the threads are not there yet
        const char *directory = getenv("TMPDIR");
        (void)snprintf(history->path, sizeof history->path, "%s/loadtest-history.XXXXXX",
                       directory == NULL ? "/tmp" : directory);
        int file = mkstemp(history->path);
        history->file = file < 0 ? NULL : fdopen(file, "w");
    } else {
        (void)snprintf(history->path, sizeof history->path, "%s", plan->history_path);
        history->file = fopen(history->path, "w");
    }
    if (history->file == NULL) {
        return false;
    }
    (void)setvbuf(history->file, NULL, _IOFBF, BUFFER_BYTES);
    return true;
}

static const char *print_number(char out[FIELD_BYTES], bool is_told, uint64_t number)
{
    if (!is_told || number == UINT64_MAX) {
        return "-";
    }
    (void)snprintf(out, FIELD_BYTES, "%" PRIu64, number);
    return out;
}

static const char *print_value(char out[FIELD_BYTES], const struct operation *operation)
{
    bool is_found = operation->kind == OPERATION_GET && operation->result == CS_OK;
    bool is_put = operation->kind == OPERATION_PUT || operation->kind == OPERATION_CAS;
    if (is_found && operation->value == DRIVER_NO_VALUE) {
        return "?";
    }
    return print_number(out, is_found || is_put, operation->value);
}

static const char *print_condition(char out[FIELD_BYTES],
                                   const struct operation *operation)
{
    if (operation->kind != OPERATION_CAS) {
        return "-";
    }
    if (operation->condition_revision == 0) {
        return "absent";
    }
    (void)snprintf(out, FIELD_BYTES, "rev:%" PRIu64, operation->condition_revision);
    return out;
}

static const char *name_outcome(const struct operation *operation)
{
    switch (operation->result) {
    case CS_OK:
        return "found";
    case CS_CREATED:
        return "created";
    case CS_UPDATED:
        return "updated";
    case CS_DELETED:
        return "deleted";
    case CS_NOT_FOUND:
        return "absent";
    case CS_PRECONDITION:
        return "refused";
    default:
        return driver_result_is_unknown(operation->result) ? "unknown" : "failed";
    }
}

void chronicle_add(struct chronicle *history,
                   const struct operation *operation,
                   const struct chronicle_moment *moment)
{
    static const char *const kinds[] = {"put", "get", "get", "delete", "put"};
    char key[MESSAGE_KEY_BYTES_MAX];
    char fields[6][FIELD_BYTES];
    if (operation->kind == OPERATION_LOCAL) {
        return;
    }
    size_t key_bytes = message_print_key(key, history->prefix, operation->key);
    bool is_answer = driver_result_is_answer(operation->result);
    bool is_unknown = driver_result_is_unknown(operation->result);
    bool has_revision =
        is_answer && operation->result != CS_DELETED && operation->result != CS_NOT_FOUND;
    bool has_version = has_revision && operation->version != UINT64_MAX;
    (void)fprintf(
        history->file, "%" PRIu32 " %" PRIu64 " %s %s %.*s %s %s %s %s %s%s%s\n",
        moment->client, moment->invoked_ns,
        print_number(fields[0], !is_unknown, moment->returned_ns), kinds[operation->kind],
        (int)key_bytes, key, print_value(fields[1], operation),
        print_condition(fields[2], operation), name_outcome(operation),
        print_number(fields[3], has_revision, operation->item_revision),
        print_number(fields[4], is_answer, operation->revision), has_version ? " " : "",
        has_version ? print_number(fields[5], true, operation->version) : "");
}

int chronicle_judge(struct chronicle *history)
{
    const struct judge_ways ways = {true, true, JUDGE_STEPS_DEFAULT};
    bool is_written = fclose(history->file) == 0;
    history->file = NULL;
    if (!is_written) {
        (void)fprintf(stderr, "loadtest: %s: the history could not be written\n",
                      history->path);
        return 1;
    }
    enum judge_verdict verdict = judge_file(history->path, &ways);
    if (verdict == JUDGE_GOOD && history->is_temporary) {
        (void)unlink(history->path);
    } else {
        (void)printf("the history is in %s\n", history->path);
    }
    return verdict == JUDGE_GOOD ? 0 : 1;
}
