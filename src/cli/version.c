#include "cli/version.h"

#include "cli/commands.h"
#include "cli/options.h"

int cli_run_version(int argc, char **argv)
{
    (void)argc;
    (void)argv; // `consens --version` whatever follows
    (void)printf("consens %s\n", CLI_VERSION);
    return CLI_OK;
}
