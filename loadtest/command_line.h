/*
 * command_line.h - the command line of the load test.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_COMMAND_LINE_H
#define CONSENS_LOADTEST_COMMAND_LINE_H

#include "loadtest/plan.h"

#include <stdio.h>

enum { COMMAND_LINE_ERROR_BYTES = 240 };

/* False: `error` is a sentence, empty if --help was asked for. */
bool command_line_read(int argument_count,
                       char **arguments,
                       struct plan *out_plan,
                       char error[COMMAND_LINE_ERROR_BYTES]);

void command_line_print_usage(FILE *out);

#endif
