#include "cli/version.h"

#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"

int cli_run_version(int argc, char **argv)
{
    struct cli_arguments arguments = {0};
    bool is_json = false;
    const struct cli_flag flags[] = {{"json", &is_json}};
    const struct cli_syntax syntax = {.flags = flags, .flag_count = 1};
    int code = cli_parse(argc, argv, &syntax, &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (arguments.count > 0) {
        log_sentence("consens version: unexpected argument \"%s\"", arguments.values[0]);
        return CLI_USAGE;
    }
    (void)printf(is_json ? "{\"version\":\"%s\"}\n" : "consens %s\n", CLI_VERSION);
    return CLI_OK;
}
