/*
 * ask.h - what the commands that ask a cluster share: their options, the client, what is
 * printed of an answer, the exit code.
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_ASK_H
#define CONSENS_CLI_ASK_H

#include "cli/options.h"

#include <consens/client.h>

// The exit codes of PRODUCT 6; those of commands.h are beside them.
enum {
    CLI_NOT_FOUND = 1,
    CLI_CONFLICT = 3,
    CLI_NOT_APPLIED = 4,
    CLI_UNKNOWN = 5,
    CLI_TIMED_OUT = 7, // a node waited in vain, and certainly nothing was applied
    CLI_IO_ERROR = 74, // stdout could not be written
};

struct ask {
    const char *command;   // argv[0]
    const char *endpoints; // --endpoints
    const char *config;    // --config
    const char *timeout;   // --timeout
    bool is_json;          // --json
    const char *revision;  // --if-revision
    bool if_absent;
    bool if_exists;
    bool at_most_once;
    const char *min_revision;
    bool is_local;
    struct cli_arguments arguments;
};

enum ask_kind { ASK_STATUS, ASK_GET, ASK_DELETE, ASK_PUT };

/* Reads the options of one kind of command and wants so many arguments. False: *out_code is
 * the exit code, and what there is to say has been said. */
bool ask_parse(struct ask *ask, enum ask_kind kind, int argc, char **argv, int *out_code);

/* Takes the request, gives it the options, sends it and waits. What went wrong is printed. The
 * future is the caller's to destroy; NULL: nothing was sent. */
consens_future_t *
ask_send(const struct ask *ask, consens_request_t **request, int *out_code);

/* One object with all that the answer says; key and value where they are. */
bool ask_print_json(const struct ask *ask, const struct consens_answer *answer);

/* An exit code after the answer was printed. */
int ask_end(consens_future_t **future, int code, bool is_written);

#endif
