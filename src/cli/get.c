#include "cli/ask.h"
#include "cli/commands.h"

#include <string.h>

int cli_run_get(int argc, char **argv)
{
    struct ask ask;
    int code = 0;
    if (!ask_parse(&ask, ASK_GET, argc, argv, &code)) {
        return code;
    }
    const char *key = ask.arguments.values[0];
    consens_request_t *request = consens_request_get(key, strlen(key));
    consens_future_t *future = ask_send(&ask, &request, &code);
    if (future == NULL) {
        return code;
    }
    const struct consens_answer *answer = consens_future_get(future);
    bool is_written = true;
    if (ask.is_json) {
        is_written = ask_print_json(&ask, answer);
    } else if (code == CLI_OK && answer->value_bytes > 0) {
        is_written =
            fwrite(answer->value, 1, answer->value_bytes, stdout) == answer->value_bytes;
        is_written = fflush(stdout) == 0 && is_written;
    }
    return ask_end(&future, code, is_written);
}
