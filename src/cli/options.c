#include "cli/options.h"

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "config/names.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_VALUE = 256, NAME_BYTES = 256 }; // above every short option

static void list_options(const struct cli_syntax *syntax, struct option *out_longs);
static void note_option(const struct cli_syntax *syntax, size_t index);
static const char *given_option(int value, char **argv);
static bool is_exact(int value, char **argv, const struct option *longs);
static void
refuse_option(const char *command, const char *given, const struct cli_syntax *syntax);

int cli_parse_options(int argc,
                      char **argv,
                      const struct cli_option *options,
                      size_t option_count,
                      struct cli_arguments *out_arguments)
{
    const struct cli_syntax syntax = {.options = options, .option_count = option_count};
    return cli_parse(argc, argv, &syntax, out_arguments);
}

int cli_parse(int argc,
              char **argv,
              const struct cli_syntax *syntax,
              struct cli_arguments *out_arguments)
{
    CHECK(syntax->option_count + syntax->flag_count <= OPTIONS_MAX);
    struct option longs[OPTIONS_MAX + 2] = {{.name = "help", .val = 'h'}};
    list_options(syntax, longs + 1);
    opterr = 0;
    optind = 0; // start anew
    for (;;) {
        // Only the main thread is there. NOLINTNEXTLINE(concurrency-mt-unsafe)
        int value = getopt_long(argc, argv, ":h", longs, NULL);
        if (value == -1) {
            break;
        }
        if (value == ':') {
            log_sentence("consens %s: option %s needs a value", argv[0],
                         argv[optind - 1]);
            return CLI_USAGE;
        }
        if (!is_exact(value, argv, longs)) {
            refuse_option(argv[0], given_option(value, argv), syntax);
            return CLI_USAGE;
        }
        if (value == 'h') {
            cli_print_command_usage(argv[0], stdout);
            return CLI_OK;
        }
        note_option(syntax, (size_t)(value - FIRST_VALUE));
    }
    *out_arguments =
        (struct cli_arguments){.count = argc - optind, .values = argv + optind};
    return CLI_GO_ON;
}

static void note_option(const struct cli_syntax *syntax, size_t index)
{
    if (index < syntax->option_count) {
        *syntax->options[index].out_value = optarg;
        return;
    }
    CHECK(syntax->flags != NULL);
    *syntax->flags[index - syntax->option_count].out_flag = true;
}

static void list_options(const struct cli_syntax *syntax, struct option *out_longs)
{
    for (size_t i = 0; i < syntax->option_count + syntax->flag_count; i++) {
        bool is_flag = i >= syntax->option_count;
        out_longs[i] = (struct option){
            .name = is_flag ? syntax->flags[i - syntax->option_count].name
                            : syntax->options[i].name,
            .has_arg = is_flag ? no_argument : required_argument,
            .val = FIRST_VALUE + (int)i,
        };
    }
}

// The word of the command line that getopt_long() has just read as an option.
static const char *given_option(int value, char **argv)
{
    static char short_name[] = "-?";
    bool is_own_word = value >= FIRST_VALUE && optarg == argv[optind - 1];
    bool is_short = value == '?' && optopt != 0 && optopt != 'h' && optopt < FIRST_VALUE;
    short_name[1] = (char)optopt;
    if (is_short) {
        return short_name;
    }
    return argv[optind - (is_own_word ? 2 : 1)];
}

// getopt_long() would also take --conf for --config: until another option begins so.
static bool is_exact(int value, char **argv, const struct option *longs)
{
    if (value == '?') {
        return false;
    }
    const char *given = given_option(value, argv);
    const char *name = longs[value == 'h' ? 0 : value - FIRST_VALUE + 1].name;
    CHECK(name != NULL);
    if (strncmp(given, "--", 2) != 0) {
        return true; // -h
    }
    size_t name_bytes = strcspn(given + 2, "=");
    return strlen(name) == name_bytes && strncmp(given + 2, name, name_bytes) == 0;
}

static void
refuse_option(const char *command, const char *given, const struct cli_syntax *syntax)
{
    const char *names[OPTIONS_MAX + 1] = {"help"};
    size_t count = 1;
    char name[NAME_BYTES] = "";
    for (size_t i = 0; i < syntax->option_count; i++) {
        names[count++] = syntax->options[i].name;
    }
    for (size_t i = 0; i < syntax->flag_count; i++) {
        names[count++] = syntax->flags[i].name;
    }
    const char *letters = given + strspn(given, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(letters, "="), letters);
    const char *nearest = name_find_nearest(name, names, count);
    if (nearest != NULL) {
        log_sentence("consens %s: unknown option \"%s\"; did you mean \"--%s\"?", command,
                     given, nearest);
    } else {
        log_sentence(
            "consens %s: unknown option \"%s\"; run \"consens help %s\" for what "
            "there is",
            command, given, command);
    }
}
