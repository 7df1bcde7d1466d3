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

static void refuse_option(const char *command,
                          const char *given,
                          const struct cli_option *options,
                          size_t option_count);

enum cli_options_result cli_parse_options(int argc,
                                          char **argv,
                                          const struct cli_option *options,
                                          size_t option_count,
                                          struct cli_arguments *out_arguments)
{
    CHECK(option_count <= OPTIONS_MAX);
    struct option longs[OPTIONS_MAX + 2] = {{.name = "help", .val = 'h'}};
    for (size_t i = 0; i < option_count; i++) {
        longs[i + 1] = (struct option){
            .name = options[i].name,
            .has_arg = required_argument,
            .val = FIRST_VALUE + (int)i,
        };
    }
    opterr = 0;
    optind = 0; // start anew
    for (;;) {
        // Only the main thread is there. NOLINTNEXTLINE(concurrency-mt-unsafe)
        int value = getopt_long(argc, argv, ":h", longs, NULL);
        if (value == -1) {
            break;
        }
        if (value == 'h') {
            cli_print_command_usage(argv[0], stdout);
            return CLI_OPTIONS_HELP;
        }
        if (value == ':') {
            log_sentence("consens %s: option %s needs a value", argv[0],
                         argv[optind - 1]);
            return CLI_OPTIONS_BAD;
        }
        if (value < FIRST_VALUE) {
            char short_name[] = {'-', (char)optopt, '\0'};
            bool is_short = optopt != 0 && optopt != 'h';
            refuse_option(argv[0], is_short ? short_name : argv[optind - 1], options,
                          option_count);
            return CLI_OPTIONS_BAD;
        }
        *options[value - FIRST_VALUE].out_value = optarg;
    }
    *out_arguments =
        (struct cli_arguments){.count = argc - optind, .values = argv + optind};
    return CLI_OPTIONS_GOOD;
}

static void refuse_option(const char *command,
                          const char *given,
                          const struct cli_option *options,
                          size_t option_count)
{
    const char *names[OPTIONS_MAX + 1] = {"help"};
    char name[NAME_BYTES] = "";
    for (size_t i = 0; i < option_count; i++) {
        names[i + 1] = options[i].name;
    }
    const char *letters = given + strspn(given, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(letters, "="), letters);
    const char *nearest = name_find_nearest(name, names, option_count + 1);
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
