#include "cli/version.h"

#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"

int cli_run_version(int argc, char **argv)
{
    struct cli_arguments arguments = {0};
    switch (cli_parse_options(argc, argv, NULL, 0, &arguments)) {
    case CLI_OPTIONS_HELP:
        return CLI_OK;
    case CLI_OPTIONS_BAD:
        return CLI_USAGE;
    case CLI_OPTIONS_GOOD:
        break;
    }
    if (arguments.count > 0) {
        log_sentence("consens version: unexpected argument \"%s\"", arguments.values[0]);
        return CLI_USAGE;
    }
    (void)printf("consens %s\n", CLI_VERSION);
    return CLI_OK;
}
