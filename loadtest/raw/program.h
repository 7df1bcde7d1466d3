/*
 * program.h - what every measuring program does alike: flags, giving up, and a run that
 * ends at SIGTERM, at SIGINT or after --seconds, whichever comes first.
 *
 * Thread: the main thread; program_must_stop() from any.
 */
#ifndef CONSENS_LOADTEST_PROGRAM_H
#define CONSENS_LOADTEST_PROGRAM_H

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `--NAME VALUE`; exactly one of number and text is set, and holds the default. */
struct program_flag {
    const char *name;
    const char *help;
    int *number; // 0 or more
    const char **text;
};

static volatile sig_atomic_t program_stop_asked;

static inline void program_ask_stop(int signal_number)
{
    (void)signal_number;
    program_stop_asked = 1;
}

static inline bool program_must_stop(void)
{
    return program_stop_asked != 0;
}

/* No SA_RESTART: a blocking call returns EINTR and its loop looks at program_must_stop().
 * */
static inline void program_stop_after(int seconds)
{
    struct sigaction action = {0};
    action.sa_handler = program_ask_stop;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGALRM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)alarm((unsigned)seconds);
}

/* Prints "sentence: reason" and ends the process. */
static inline void program_fail(const char *sentence, const char *reason)
    __attribute__((noreturn));

static inline void program_fail(const char *sentence, const char *reason)
{
    (void)fprintf(stderr, "%s: %s\n", sentence, reason);
    _exit(1);
}

/* The same, the reason being errno. */
static inline void program_fail_errno(const char *sentence) __attribute__((noreturn));

static inline void program_fail_errno(const char *sentence)
{
    perror(sentence);
    _exit(1);
}

static inline void program_usage(const char *program, const struct program_flag *flags)
{
    (void)fprintf(stderr, "usage: %s [--FLAG VALUE]...\n", program);
    for (const struct program_flag *flag = flags; flag->name != NULL; flag++) {
        if (flag->number != NULL) {
            (void)fprintf(stderr, "  --%-12s %s [%d]\n", flag->name, flag->help,
                          *flag->number);
        } else {
            (void)fprintf(stderr, "  --%-12s %s [%s]\n", flag->name, flag->help,
                          *flag->text);
        }
    }
    _exit(2);
}

static inline bool program_set_flag(const struct program_flag *flag, const char *value)
{
    if (flag->text != NULL) {
        *flag->text = value;
        return true;
    }
    char *end = NULL;
    errno = 0;
    const long number = strtol(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || number < 0 || number > INT_MAX) {
        return false;
    }
    *flag->number = (int)number;
    return true;
}

/* Reads the flags or ends the process with the usage. `flags` ends with a NULL name. */
static inline void
program_read_flags(int argc, char **argv, const struct program_flag *flags)
{
    for (int i = 1; i < argc; i += 2) {
        const struct program_flag *flag = flags;
        while (flag->name != NULL &&
               (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i] + 2, flag->name) != 0)) {
            flag++;
        }
        if (flag->name == NULL || i + 1 == argc || !program_set_flag(flag, argv[i + 1])) {
            program_usage(argv[0], flags);
        }
    }
}

#endif
