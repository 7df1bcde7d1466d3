#include "cli/cli.h"

#include "base/log.h"
#include "cli/commands.h"
#include "config/names.h"

#include <stdbool.h>
#include <string.h>

static const struct cli_command COMMANDS[] = {
    {
        .name = "server",
        .about = "run one node of a cluster, or one alone",
        .usage =
            "usage: consens server [OPTIONS]\n"
            "\n"
            "  --config FILE       settings in ZPL (or CONSENS_CONFIG)\n"
            "  --node NAME         which node of the file this is (or CONSENS_NODE)\n"
            "  --data DIR          where data is kept (or CONSENS_DATA); with nodes in\n"
            "                      the file it is DIR/NAME. Default: ./consens-data\n"
            "  --durability MODE   sync (default), interval:10ms or none; the last two\n"
            "                      can lose acknowledged writes\n"
            "  --log-level LEVEL   error, warn, info (default) or debug\n"
            "\n"
            "Without a file the environment may name the cluster:\n"
            "  PORT       of HTTP, 3000 by default; data is then in ./consens-data-PORT\n"
            "  CLUSTER    the other nodes: http://localhost:4000,http://localhost:5000\n"
            "  JOIN       true: this node comes back to a cluster that it belongs to\n"
            "\n"
            "SIGTERM and SIGINT hand leadership over and stop; a second one stops at "
            "once.\n",
        .words = "--config --node --data --durability --log-level --help",
        .run = cli_run_server,
    },
    {
        .name = "dev",
        .about = "run a whole cluster in this terminal, with faults if you like",
        .usage =
            "usage: consens dev [N] [OPTIONS]\n"
            "\n"
            "Runs N nodes (1 to 7, 3 if not said) on this machine until Ctrl-C, n1 with\n"
            "HTTP on port 3000, n2 on 4000, and so on. What was acknowledged is there\n"
            "at the next start.\n"
            "\n"
            "  --data DIR          where data is kept. Default: ./consens-dev\n"
            "  --port BASE         HTTP of n1; each next node has 1000 more. ZeroMQ has\n"
            "                      + 10000 between the nodes, + 20000 for clients\n"
            "  --log-level LEVEL   error, warn, info (default) or debug\n"
            "\n"
            "Faults, each in one node (1 to N). They come and go: a half period\n"
            "without, a half with, and so on. The others serve as long as they are a\n"
            "majority.\n"
            "  --kill NODE         kill -9; with the next half it starts again\n"
            "  --pause NODE        its process stands still (SIGSTOP, SIGCONT)\n"
            "  --partition NODE    cut off from the other nodes, not from its clients\n"
            "  --slow-disk NODE    each sync of its log takes 200 ms longer\n"
            "  --every TIME        the period, 1s to 1h. Default: 10s\n"
            "\n"
            "DIR/consens.cfg is what the nodes run with: with it consens server starts\n"
            "again a node that you have killed.\n",
        .words =
            "--data --port --log-level --kill --pause --partition --slow-disk --every "
            "--help",
        .run = cli_run_dev,
    },
    {
        .name = "get",
        .about = "write the bytes of a key to stdout",
        .usage =
            "usage: consens get KEY [OPTIONS]\n"
            "\n"
            "  --endpoints LIST    client ports of the nodes, the preferred one first:\n"
            "                      tcp://HOST:PORT,... (or CONSENS_ENDPOINTS)\n"
            "  --config FILE       the cluster's file, for its client ports (or\n"
            "                      CONSENS_CONFIG). Default: tcp://127.0.0.1:23000\n"
            "  --timeout TIME      how long all tries together may take. Default: 5s\n"
            "  --json              the answer, or what went wrong, as one JSON object\n"
            "  --local             from the state of one node, without asking a quorum\n"
            "  --min-revision N    wait until the node has this revision\n"
            "\n"
            "Exactly the bytes, no line end. Exit codes: 0 done, 1 there is no such\n"
            "key, 4 no node could answer, 7 what was waited for did not come in time.\n",
        .words = "--endpoints --config --timeout --json --local --min-revision --help",
        .run = cli_run_get,
    },
    {
        .name = "put",
        .about = "set a key",
        .usage =
            "usage: consens put KEY VALUE [OPTIONS]      the words of the command line\n"
            "       consens put KEY - [OPTIONS]          what comes from stdin\n"
            "       consens put KEY @FILE [OPTIONS]      the bytes of a file\n"
            "\n"
            "  --endpoints LIST    client ports of the nodes, the preferred one first:\n"
            "                      tcp://HOST:PORT,... (or CONSENS_ENDPOINTS)\n"
            "  --config FILE       the cluster's file, for its client ports (or\n"
            "                      CONSENS_CONFIG). Default: tcp://127.0.0.1:23000\n"
            "  --timeout TIME      how long all tries together may take. Default: 5s\n"
            "  --json              the answer, or what went wrong, as one JSON object\n"
            "  --if-absent         only if the key does not exist\n"
            "  --if-exists         only if it does\n"
            "  --if-revision N     only if its revision is this one: compare and set\n"
            "  --at-most-once      without a session: one round trip less, but a lost\n"
            "                      answer leaves the outcome unknown\n"
            "\n"
            "Applied exactly once, whichever nodes fail meanwhile. Prints created or\n"
            "updated. Exit codes: 0 done, 2 refused (too large), 3 the condition does\n"
            "not hold, 4 certainly not applied, 5 the outcome is unknown, 7 timed out\n"
            "and certainly not applied.\n",
        .words = "--endpoints --config --timeout --json --if-absent --if-exists "
                 "--if-revision --at-most-once --help",
        .run = cli_run_put,
    },
    {
        .name = "del",
        .about = "delete a key",
        .usage =
            "usage: consens del KEY [OPTIONS]\n"
            "\n"
            "  --endpoints LIST    client ports of the nodes, the preferred one first:\n"
            "                      tcp://HOST:PORT,... (or CONSENS_ENDPOINTS)\n"
            "  --config FILE       the cluster's file, for its client ports (or\n"
            "                      CONSENS_CONFIG). Default: tcp://127.0.0.1:23000\n"
            "  --timeout TIME      how long all tries together may take. Default: 5s\n"
            "  --json              the answer, or what went wrong, as one JSON object\n"
            "  --if-exists         only if the key exists\n"
            "  --if-revision N     only if its revision is this one\n"
            "  --at-most-once      without a session, as of put\n"
            "\n"
            "Exit codes as of put, and 1: there is no such key.\n",
        .words = "--endpoints --config --timeout --json --if-exists --if-revision "
                 "--at-most-once --help",
        .run = cli_run_del,
    },
    {
        .name = "status",
        .about = "show what a node knows of itself and its cluster",
        .usage =
            "usage: consens status [OPTIONS]\n"
            "\n"
            "  --endpoints LIST    client ports of the nodes, the preferred one first:\n"
            "                      tcp://HOST:PORT,... (or CONSENS_ENDPOINTS)\n"
            "  --config FILE       the cluster's file, for its client ports (or\n"
            "                      CONSENS_CONFIG). Default: tcp://127.0.0.1:23000\n"
            "  --timeout TIME      how long all tries together may take. Default: 5s\n"
            "  --json              the answer, or what went wrong, as one JSON object\n"
            "\n"
            "Of the first endpoint that answers.\n",
        .words = "--endpoints --config --timeout --json --help",
        .run = cli_run_status,
    },
    {
        .name = "config",
        .about = "check a configuration file, show the settings in effect",
        .usage = "usage: consens config check FILE\n"
                 "       consens config show [--config FILE] [--node NAME]\n"
                 "\n"
                 "check says whether the file is good for every node it names.\n"
                 "show prints every key with its value, as a file could hold it.\n",
        .words = "check show --config --node --help",
        .run = cli_run_config,
    },
    {
        .name = "version",
        .about = "print the number of this release",
        .usage = "usage: consens version [--json]\n",
        .words = "--json --help",
        .run = cli_run_version,
    },
    {
        .name = "completion",
        .about = "print a script that completes commands in a shell",
        .usage = "usage: consens completion bash|zsh|fish\n"
                 "\n"
                 "  source <(consens completion bash)\n"
                 "  consens completion zsh >~/.zfunc/_consens\n"
                 "  consens completion fish >~/.config/fish/completions/consens.fish\n",
        .words = "bash zsh fish --help",
        .run = cli_run_completion,
    },
    {
        .name = "help",
        .about = "say more about a command",
        .usage = "usage: consens help [COMMAND]\n",
        .run = cli_run_help,
    },
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static int refuse_command(const char *name);

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        cli_print_usage(stderr);
        return CLI_USAGE;
    }
    static char help[] = "help";
    static char version[] = "version";
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        argv[1] = help;
    }
    if (strcmp(argv[1], "--version") == 0) {
        argv[1] = version;
    }
    const char *name = argv[1];
    const struct cli_command *command = cli_find_command(name);
    return command != NULL ? command->run(argc - 1, argv + 1) : refuse_command(name);
}

size_t cli_command_count(void)
{
    return COMMAND_COUNT;
}

const struct cli_command *cli_command_at(size_t index)
{
    return &COMMANDS[index];
}

const struct cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    static const char *const OPTIONS[] = {"help", "version"};
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = COMMANDS[i].name;
    }
    bool is_option = name[0] == '-';
    const char *kind = is_option ? "option" : "command";
    const char *nearest = is_option
                              ? name_find_nearest(name + strspn(name, "-"), OPTIONS, 2)
                              : name_find_nearest(name, names, COMMAND_COUNT);
    if (nearest != NULL) {
        log_sentence("consens: unknown %s \"%s\"; did you mean \"%s%s\"?", kind, name,
                     is_option ? "--" : "", nearest);
    } else {
        log_sentence("consens: unknown %s \"%s\"; run \"consens help\" for what there is",
                     kind, name);
    }
    return CLI_USAGE;
}
