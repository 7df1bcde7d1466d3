#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/names.h"
#include "config/sentence.h"
#include "config/settings.h"

#include <string.h>

static int check(const struct cli_arguments *arguments);
static int show(const struct settings_source *source);
static int refuse(const char *word);

int cli_run_config(int argc, char **argv)
{
    struct settings_source source;
    settings_source_from_environment(&source);
    const char *const file_of_environment = source.file;
    const struct cli_option options[] = {
        {"config", &source.file},
        {"node", &source.node},
    };
    struct cli_arguments arguments = {0};
    switch (cli_parse_options(argc, argv, options, 2, &arguments)) {
    case CLI_OPTIONS_HELP:
        return CLI_OK;
    case CLI_OPTIONS_BAD:
        return CLI_USAGE;
    case CLI_OPTIONS_GOOD:
        break;
    }
    const char *word = arguments.count > 0 ? arguments.values[0] : "";
    if (strcmp(word, "check") == 0 && arguments.count == 2 &&
        source.file == file_of_environment) {
        return check(&arguments);
    }
    if (strcmp(word, "show") == 0 && arguments.count == 1) {
        return show(&source);
    }
    return refuse(word);
}

// The file alone, for every node: neither environment nor flags.
static int check(const struct cli_arguments *arguments)
{
    const struct settings_source source = {.file = arguments->values[1],
                                           .is_any_node = true};
    struct settings settings = {0};
    struct sentence error = {0};
    int code = settings_load(&source, &settings, error.text, sizeof error.text);
    if (code != 0) {
        log_sentence("%s", error.text);
        return code;
    }
    (void)printf("%s: ok, %u node%s\n", source.file, settings.node_count,
                 settings.node_count == 1 ? "" : "s");
    return CLI_OK;
}

static int show(const struct settings_source *source)
{
    struct settings_source any = *source;
    any.is_any_node = true;
    struct settings settings = {0};
    struct sentence error = {0};
    int code = settings_load(&any, &settings, error.text, sizeof error.text);
    if (code != 0) {
        log_sentence("%s", error.text);
        return code;
    }
    settings_print(&settings, stdout);
    return CLI_OK;
}

static int refuse(const char *word)
{
    static const char *const WORDS[] = {"check", "show"};
    bool is_known = strcmp(word, "check") == 0 || strcmp(word, "show") == 0;
    const char *nearest = name_find_nearest(word, WORDS, 2);
    if (word[0] != '\0' && !is_known && nearest != NULL) {
        log_sentence("consens config: unknown command \"%s\"; did you mean \"%s\"?", word,
                     nearest);
    } else if (word[0] != '\0' && !is_known) {
        log_sentence("consens config: unknown command \"%s\"; there are check and show",
                     word);
    } else {
        cli_print_command_usage("config", stderr);
    }
    return CLI_USAGE;
}
