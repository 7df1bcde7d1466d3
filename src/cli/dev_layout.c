/* dev_layout.c - ports, directory and configuration file of `consens dev`. */
#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): realpath

#include "base/log.h"
#include "cli/commands.h"
#include "cli/dev.h"
#include "config/members.h"
#include "config/sentence.h"
#include "wal/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0700 };

static bool check_ports(const struct dev *dev);
static int make_files(struct dev *dev);
static int load_settings(struct dev *dev);

int dev_lay_out(struct dev *dev)
{
    for (uint32_t i = 0; i < dev->count; i++) {
        struct dev_node *node = &dev->nodes[i];
        node->number = i + 1;
        node->port = dev->port + i * DEV_PORT_STEP;
        (void)snprintf(node->name, sizeof node->name, "n%u", node->number);
    }
    if (!check_ports(dev)) {
        return CLI_UNAVAILABLE;
    }
    int code = make_files(dev);
    return code == CLI_OK ? load_settings(dev) : code;
}

/* 0, or why nobody could listen there. */
static int try_port(uint32_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    int yes = 1;
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0) {
        return errno;
    }
    // As the listeners do: connections of an earlier run that still wait do not matter.
    (void)setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    int error =
        bind(handle, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    (void)close(handle);
    return error;
}

static bool check_ports(const struct dev *dev)
{
    static const uint32_t STEPS[] = {0, MEMBERS_PEER_STEP, MEMBERS_CLIENT_STEP};
    static const char *const USES[] = {"HTTP", "between nodes", "msgpack over ZeroMQ"};
    for (uint32_t i = 0; i < dev->count; i++) {
        for (size_t j = 0; j < sizeof STEPS / sizeof STEPS[0]; j++) {
            uint32_t port = dev->nodes[i].port + STEPS[j];
            int error = try_port(port);
            if (error != 0) {
                log_sentence("consens dev: port %u of %s (%s) cannot be used: %s. Stop "
                             "what listens there, or choose other ports with --port BASE "
                             "(%s has BASE, the next node BASE + %d)",
                             port, dev->nodes[i].name, USES[j],
                             error == EADDRINUSE ? "it is in use"
                                                 : files_words_of(error).text,
                             dev->nodes[0].name, DEV_PORT_STEP);
                return false;
            }
        }
    }
    return true;
}

/* The number of nodes that an earlier run has laid out there; 0: none. */
static uint32_t count_before(const struct dev *dev)
{
    static struct settings settings;
    struct settings_source source = {.file = dev->config, .is_any_node = true};
    struct sentence unused = {0};
    if (access(dev->config, F_OK) != 0 ||
        settings_load(&source, &settings, unused.text, sizeof unused.text) != 0) {
        return 0;
    }
    return settings.node_count;
}

static int write_config(const struct dev *dev, const char *directory)
{
    FILE *file = fopen(dev->config, "we");
    if (file == NULL) {
        log_sentence("consens dev: %s cannot be written: %s", dev->config,
                     files_words_of(errno).text);
        return DEV_UNUSABLE;
    }
    (void)fprintf(
        file, "# Written anew by each start of `consens dev`. One of its nodes alone:\n"
              "#   consens server --config FILE --node n1\n\n"
              "cluster\n    name = \"dev\"\n    node\n");
    for (uint32_t i = 0; i < dev->count; i++) {
        (void)fprintf(file, "        %s\n            http = \"127.0.0.1:%u\"\n",
                      dev->nodes[i].name, dev->nodes[i].port);
    }
    (void)fprintf(file, "\nserver\n    data = \"%s\"\n", directory);
    if (fclose(file) != 0) {
        log_sentence("consens dev: %s cannot be written: %s", dev->config,
                     files_words_of(errno).text);
        return DEV_UNUSABLE;
    }
    return CLI_OK;
}

static int make_files(struct dev *dev)
{
    if (mkdir(dev->data, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        log_sentence("consens dev: the data directory %s cannot be made: %s", dev->data,
                     files_words_of(errno).text);
        return DEV_UNUSABLE;
    }
    char *directory = realpath(dev->data, NULL);
    int written = snprintf(dev->config, sizeof dev->config, "%s/consens.cfg", dev->data);
    if (directory == NULL || (size_t)written >= sizeof dev->config) {
        log_sentence("consens dev: the data directory %s cannot be used: %s", dev->data,
                     files_words_of(directory == NULL ? errno : ENAMETOOLONG).text);
        free(directory);
        return DEV_UNUSABLE;
    }
    uint32_t before = count_before(dev);
    int code = CLI_OK;
    if (before != 0 && before != dev->count) {
        log_sentence(
            "consens dev: %s holds a cluster of %u, and a start cannot change "
            "that; run \"consens dev %u\", remove the directory, or give another "
            "one with --data",
            dev->data, before, before);
        code = CLI_USAGE;
    } else {
        code = write_config(dev, directory);
    }
    free(directory);
    return code;
}

static int load_settings(struct dev *dev)
{
    struct sentence error = {0};
    for (uint32_t i = 0; i < dev->count; i++) {
        struct dev_node *node = &dev->nodes[i];
        struct settings_source source = {.file = dev->config,
                                         .node = node->name,
                                         .log_level = dev->log_level};
        if (settings_load(&source, &node->settings, error.text, sizeof error.text) != 0) {
            log_sentence("%s", error.text);
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}
