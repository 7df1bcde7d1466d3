/*
 * options.h - the command line of the load test.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_OPTIONS_H
#define CONSENS_LOADTEST_OPTIONS_H

#include "loadtest/plan.h"

#include <stdio.h>

enum { OPTIONS_ERROR_BYTES = 240 };

/* False: `error` is a sentence, empty if --help was asked for. */
bool plan_read(int argument_count,
               char **arguments,
               struct plan *out_plan,
               char error[OPTIONS_ERROR_BYTES]);

void options_print_usage(FILE *out);

#endif
