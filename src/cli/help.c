#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/version.h"

int cli_run_help(int argc, char **argv)
{
    struct cli_arguments arguments = {0};
    int code = cli_parse_options(argc, argv, NULL, 0, &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (arguments.count == 0) {
        cli_print_usage(stdout);
        return CLI_OK;
    }
    if (cli_find_command(arguments.values[0]) == NULL) {
        log_sentence("consens help: there is no command \"%s\"; run \"consens help\" for "
                     "those there are",
                     arguments.values[0]);
        return CLI_USAGE;
    }
    cli_print_command_usage(arguments.values[0], stdout);
    return CLI_OK;
}

void cli_print_usage(FILE *stream)
{
    (void)fprintf(stream, "consens %s: a replicated key-value store\n\n", CLI_VERSION);
    (void)fprintf(stream, "usage: consens COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        (void)fprintf(stream, "  %-10s %s\n", command->name, command->about);
    }
    (void)fprintf(stream, "\nFirst minute:\n"
                          "  consens server\n"
                          "  curl -XPUT localhost:3000/mykey -d mydata\n"
                          "  curl -XGET localhost:3000/mykey\n");
}

void cli_print_command_usage(const char *name, FILE *stream)
{
    const struct cli_command *command = cli_find_command(name);
    if (command == NULL) {
        cli_print_usage(stream);
        return;
    }
    (void)fprintf(stream, "%s", command->usage);
}
