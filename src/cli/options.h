/*
 * options.h - the options of one command, read with getopt_long().
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_OPTIONS_H
#define CONSENS_CLI_OPTIONS_H

#include <stddef.h>

enum { OPTIONS_MAX = 16 };

struct cli_option {
    const char *name;       // without dashes; every option takes a value
    const char **out_value; // set to what follows it; the last one counts
};

enum cli_options_result {
    CLI_OPTIONS_GOOD,
    CLI_OPTIONS_HELP, // --help or -h was there and has been answered on stdout
    CLI_OPTIONS_BAD,  // a sentence is on stderr
};

struct cli_arguments { // what is not an option, in order
    int count;
    char **values; // into argv, which is reordered
};

/* argv[0] is the command's name, as in the table of commands. */
enum cli_options_result cli_parse_options(int argc,
                                          char **argv,
                                          const struct cli_option *options,
                                          size_t option_count,
                                          struct cli_arguments *out_arguments);

#endif
