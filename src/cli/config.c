#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/names.h"
#include "config/sentence.h"
#include "config/settings.h"

#include <string.h>

static int check(const char *file);
static int show(const char *file, const char *node);
static int refuse(const char *word);

int cli_run_config(int argc, char **argv)
{
    const char *file = NULL;
    const char *node = NULL;
    const struct cli_option options[] = {{"config", &file}, {"node", &node}};
    struct cli_arguments arguments = {0};
    int code = cli_parse_options(argc, argv, options, 2, &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    const char *word = arguments.count > 0 ? arguments.values[0] : "";
    bool is_bare = file == NULL && node == NULL;
    if (strcmp(word, "check") == 0 && arguments.count == 2 && is_bare) {
        return check(arguments.values[1]);
    }
    if (strcmp(word, "show") == 0 && arguments.count == 1) {
        return show(file, node);
    }
    return refuse(word);
}

// The file alone, for every node: neither environment nor flags.
static int check(const char *file)
{
    const struct settings_source source = {.file = file, .is_any_node = true};
    struct settings settings = {0};
    struct sentence error = {0};
    int code = settings_load(&source, &settings, error.text, sizeof error.text);
    if (code != 0) {
        log_sentence("%s", error.text);
        return code;
    }
    if (!settings.is_file_cluster) {
        (void)printf("%s: ok, no nodes: they come from CLUSTER and PORT\n", file);
        return CLI_OK;
    }
    (void)printf("%s: ok, %u node%s\n", file, settings.node_count,
                 settings.node_count == 1 ? "" : "s");
    return CLI_OK;
}

static int show(const char *file, const char *node)
{
    struct settings_source source;
    settings_source_from_environment(&source);
    source.file = file != NULL ? file : source.file;
    source.node = node != NULL ? node : source.node;
    source.is_any_node = true;
    struct settings settings = {0};
    struct sentence error = {0};
    int code = settings_load(&source, &settings, error.text, sizeof error.text);
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
