/* dev.c - `consens dev`: what is asked for. */
#include "cli/dev.h"

#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/address.h"
#include "config/members.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODES_PRESET = 3,
    PORT_PRESET = 3000,
    EVERY_MIN_MS = 1000,
    EVERY_MAX_MS = 3600000
};

struct words { // of the command line; NULL: not given
    const char *port;
    const char *every;
    const char *faults[DEV_FAULTS];
};

static bool read_words(const struct words *words,
                       const struct cli_arguments *arguments,
                       struct dev *dev);

int cli_run_dev(int argc, char **argv)
{
    static struct dev dev; // the settings of seven nodes are too much for a stack
    struct words words = {0};
    dev = (struct dev){.data = "./consens-dev"};
    const struct cli_option options[] = {
        {"data", &dev.data},
        {"port", &words.port},
        {"log-level", &dev.log_level},
        {"every", &words.every},
        {"kill", &words.faults[DEV_KILL]},
        {"pause", &words.faults[DEV_PAUSE]},
        {"partition", &words.faults[DEV_PARTITION]},
        {"slow-disk", &words.faults[DEV_SLOW_DISK]},
    };
    struct cli_arguments arguments = {0};
    int code = cli_parse_options(argc, argv, options, sizeof options / sizeof options[0],
                                 &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (!read_words(&words, &arguments, &dev)) {
        return CLI_USAGE;
    }
    code = dev_lay_out(&dev);
    return code == CLI_OK ? dev_run(&dev) : code;
}

/* A whole number within min..max; 0: it is none. */
static uint32_t read_number(const char *text, uint32_t min, uint32_t max)
{
    const struct value_rule rule = {VALUE_COUNT, min, max, 0};
    struct value value;
    struct sentence unused;
    return value_parse(&rule, text, &value, &unused) ? (uint32_t)value.number : 0;
}

static bool read_count(const struct cli_arguments *arguments, struct dev *dev)
{
    dev->count = NODES_PRESET;
    if (arguments->count > 1) {
        log_sentence("consens dev: unexpected argument \"%s\"; run \"consens help dev\" "
                     "for the options",
                     arguments->values[1]);
        return false;
    }
    if (arguments->count == 1) {
        dev->count = read_number(arguments->values[0], 1, SETTINGS_NODES_MAX);
    }
    if (dev->count == 0) {
        log_sentence("consens dev: \"%s\" is not a number of nodes: give 1 to %d, as in "
                     "\"consens dev 3\"",
                     arguments->values[0], SETTINGS_NODES_MAX);
    }
    return dev->count != 0;
}

static bool read_port(const char *text, struct dev *dev)
{
    uint32_t max =
        ADDRESS_PORT_MAX - MEMBERS_EVENTS_STEP - DEV_PORT_STEP * (dev->count - 1);
    dev->port = text == NULL ? PORT_PRESET : read_number(text, 1, max);
    if (dev->port == 0) {
        log_sentence("consens dev: --port \"%s\" is not usable: give 1 to %u; the other "
                     "ports of %u nodes are derived from it, up to + %u",
                     text, max, dev->count, ADDRESS_PORT_MAX - max);
    }
    return dev->port != 0;
}

static bool read_every(const char *text, struct dev *dev)
{
    const struct value_rule rule = {VALUE_DURATION, EVERY_MIN_MS, EVERY_MAX_MS, 0};
    struct value value;
    struct sentence error = {0};
    if (!value_parse(&rule, text == NULL ? "10s" : text, &value, &error)) {
        log_sentence("consens dev: --every: %s", error.text);
        return false;
    }
    dev->chaos.half_ms = value.number / 2;
    return true;
}

static bool read_fault(enum dev_fault fault, const char *text, struct dev *dev)
{
    static const char *const NAMES[DEV_FAULTS] = {"kill", "pause", "partition",
                                                  "slow-disk"};
    if (text == NULL) {
        return true;
    }
    dev->chaos.node[fault] = read_number(text, 1, dev->count);
    if (dev->chaos.node[fault] == 0) {
        log_sentence("consens dev: --%s \"%s\" is not a node: give 1 to %u", NAMES[fault],
                     text, dev->count);
        return false;
    }
    if (fault == DEV_PARTITION && dev->count == 1) {
        log_sentence("consens dev: --partition needs a second node to be cut off from");
        return false;
    }
    return true;
}

static bool read_words(const struct words *words,
                       const struct cli_arguments *arguments,
                       struct dev *dev)
{
    if (!read_count(arguments, dev) || !read_port(words->port, dev) ||
        !read_every(words->every, dev)) {
        return false;
    }
    for (int i = 0; i < DEV_FAULTS; i++) {
        if (!read_fault((enum dev_fault)i, words->faults[i], dev)) {
            return false;
        }
    }
    if (words->every != NULL && dev_chaos_due_ms(&dev->chaos) == UINT64_MAX) {
        log_sentence("consens dev: --every is the period of a fault; give one of --kill, "
                     "--pause, --partition, --slow-disk too");
        return false;
    }
    return true;
}
