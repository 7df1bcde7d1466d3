/*
 * commands.h - the table of commands, shared by the dispatcher and `help`.
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_COMMANDS_H
#define CONSENS_CLI_COMMANDS_H

#include <stddef.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_USAGE = 2, CLI_UNAVAILABLE = 69, CLI_OS_ERROR = 71 };

struct cli_command {
    const char *name;
    const char *about; // one line
    const char *usage; // what `consens help NAME` prints
    const char *words; // options and words that completion offers; NULL: --help
    int (*run)(int argc, char **argv); // argv[0] is the name of the command
};

size_t cli_command_count(void);
const struct cli_command *cli_command_at(size_t index);
/* NULL: there is none. */
const struct cli_command *cli_find_command(const char *name);

int cli_run_completion(int argc, char **argv);
int cli_run_config(int argc, char **argv);
int cli_run_dev(int argc, char **argv);
int cli_run_del(int argc, char **argv);
int cli_run_get(int argc, char **argv);
int cli_run_help(int argc, char **argv);
int cli_run_put(int argc, char **argv);
int cli_run_server(int argc, char **argv);
int cli_run_status(int argc, char **argv);
int cli_run_version(int argc, char **argv);

void cli_print_usage(FILE *stream);
void cli_print_command_usage(const char *name, FILE *stream);

#endif
