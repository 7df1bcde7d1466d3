/*
 * options.h - the options of one command, read with getopt_long().
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_OPTIONS_H
#define CONSENS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { OPTIONS_MAX = 16 };

struct cli_option {
    const char *name;       // without dashes
    const char **out_value; // set to what follows it; the last one counts
};

struct cli_flag {
    const char *name; // without dashes
    bool *out_flag;   // set to true if it is there
};

struct cli_syntax {
    const struct cli_option *options;
    size_t option_count;
    const struct cli_flag *flags;
    size_t flag_count; // with option_count <= OPTIONS_MAX
};

enum { CLI_GO_ON = -1 }; // no exit code

struct cli_arguments { // what is not an option, in order
    int count;
    char **values; // into argv, which is reordered
};

/*
 * argv[0] is the command's name, as in the table of commands. Returns CLI_GO_ON, or what the
 * command ends with: CLI_OK if --help or -h was there and has been answered on stdout,
 * CLI_USAGE if a sentence is on stderr.
 */
int cli_parse(int argc,
              char **argv,
              const struct cli_syntax *syntax,
              struct cli_arguments *out_arguments);
/* The same without flags. */
int cli_parse_options(int argc,
                      char **argv,
                      const struct cli_option *options,
                      size_t option_count,
                      struct cli_arguments *out_arguments);

#endif
