/*
 * completion.c - `consens completion SHELL`: a script made of the table of commands, so that
 * it knows what this program knows.
 */
#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"

#include <string.h>

static void print_bash(void)
{
    (void)printf("# bash completion of consens\n"
                 "_consens() {\n"
                 "    local current=${COMP_WORDS[COMP_CWORD]} words=\n"
                 "    local previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
                 "    COMPREPLY=()\n"
                 "    case $previous in\n"
                 "    --config | --data)\n"
                 "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                 "        return ;;\n"
                 "    esac\n"
                 "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                 "        words=\"");
    for (size_t i = 0; i < cli_command_count(); i++) {
        (void)printf("%s%s", i > 0 ? " " : "", cli_command_at(i)->name);
    }
    (void)printf("\"\n"
                 "    else\n"
                 "        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        (void)printf("        %s) words=\"%s\" ;;\n", command->name,
                     command->words != NULL ? command->words : "--help");
    }
    (void)printf(
        "        esac\n"
        "    fi\n"
        "    case $current in\n"
        "    @*) mapfile -t COMPREPLY < <(compgen -P @ -f -- \"${current#@}\") ;;\n"
        "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\") ;;\n"
        "    esac\n"
        "}\n"
        "complete -F _consens consens\n");
}

static void print_zsh(void)
{
    (void)printf("#compdef consens\n"
                 "local -a commands options\n"
                 "commands=(\n");
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        (void)printf("    '%s:%s'\n", command->name, command->about);
    }
    (void)printf(")\n"
                 "if (( CURRENT == 2 )); then\n"
                 "    _describe command commands\n"
                 "    return\n"
                 "fi\n"
                 "case $words[2] in\n");
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        (void)printf("%s) options=(%s) ;;\n", command->name,
                     command->words != NULL ? command->words : "--help");
    }
    (void)printf("esac\n"
                 "case $words[CURRENT-1] in\n"
                 "--config | --data) _files ;;\n"
                 "*) compadd -- $options ;;\n"
                 "esac\n");
}

static void print_fish(void)
{
    (void)printf("# fish completion of consens\n"
                 "complete -c consens -f\n");
    for (size_t i = 0; i < cli_command_count(); i++) {
        const struct cli_command *command = cli_command_at(i);
        (void)printf("complete -c consens -n __fish_use_subcommand -a %s -d '%s'\n",
                     command->name, command->about);
        (void)printf("complete -c consens -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                     command->name, command->words != NULL ? command->words : "--help");
    }
    (void)printf("complete -c consens -l config -r -F\n"
                 "complete -c consens -l data -r -F\n");
}

int cli_run_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    struct cli_arguments arguments = {0};
    int code = cli_parse_options(argc, argv, NULL, 0, &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    for (size_t i = 0; i < 3 && arguments.count == 1; i++) {
        if (strcmp(arguments.values[0], shells[i].name) == 0) {
            shells[i].print();
            return CLI_OK;
        }
    }
    log_sentence("consens completion: name one of bash, zsh and fish");
    return CLI_USAGE;
}
