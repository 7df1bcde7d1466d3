#include "config/members.h"

#include "base/check.h"
#include "base/mutant.h"
#include "config/address.h"
#include "config/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { URL_BYTES = 256, STEPS = 3, LISTENERS = 4 };

static const char URL_PREFIX[] = "http://";
static const char *const LISTENER_KINDS[LISTENERS] = {"http", "peer", "client", "events"};

static bool own_node(const struct settings_source *source,
                     struct settings *settings,
                     struct sentence *out_error);
static bool
add_members(const char *cluster, struct settings *settings, struct sentence *out_error);
static bool
url_parse(const char *url, struct address *out_address, struct sentence *out_error);
static bool add_member(const char *label,
                       const struct address *address,
                       struct settings *settings,
                       struct sentence *out_error);
static bool
complete(const char *label, struct settings_node *node, struct sentence *out_error);
static void fill_endpoint(char *endpoint, const struct address *http, uint32_t step);
static bool check_node(const char *label,
                       const struct settings *settings,
                       const struct settings_node *node,
                       struct sentence *out_error);
static bool check_loopback(const char *label,
                           const char *kind,
                           const struct address *address,
                           struct sentence *out_error);
static bool check_pairs(const struct settings_source *source,
                        const struct settings *settings,
                        struct sentence *out_error);
static bool check_ports(const char *label,
                        const struct settings_node *earlier,
                        const struct settings_node *later,
                        struct sentence *out_error);
static void read_listeners(const struct settings_node *node,
                           struct address *out_addresses);
static void label_node(const struct settings_source *source,
                       const struct settings_node *node,
                       char *out_label,
                       size_t label_bytes);
static void sort_nodes(struct settings *settings);
static int compare_names(const void *left, const void *right);
static bool
find_node(const struct settings *settings, const char *name, uint32_t *out_index);
static bool choose_seat(const struct settings_source *source,
                        struct settings *settings,
                        struct sentence *out_error);
static void list_names(const struct settings *settings, struct sentence *error);
static struct address known_address(const char *prefix, const char *text);

bool members_from_environment(const struct settings_source *source,
                              struct settings *settings,
                              struct sentence *out_error)
{
    if (source->node != NULL) {
        return sentence_set(
            out_error,
            "--node %.64s (or CONSENS_NODE) needs a configuration file that "
            "names the nodes; give one with --config, or leave it out",
            source->node);
    }
    if (!own_node(source, settings, out_error)) {
        return false;
    }
    char own_name[SETTINGS_NAME_BYTES] = "";
    memcpy(own_name, settings->nodes[0].name, sizeof own_name);
    if (source->cluster != NULL && !add_members(source->cluster, settings, out_error)) {
        return false;
    }
    sort_nodes(settings);
    CHECK(find_node(settings, own_name, &settings->node_index));
    return check_pairs(source, settings, out_error);
}

bool members_from_file(const struct settings_source *source,
                       struct settings *settings,
                       struct sentence *out_error)
{
    char label[URL_BYTES] = "";
    for (uint32_t i = 0; i < settings->node_count; i++) {
        struct settings_node *node = &settings->nodes[i];
        label_node(source, node, label, sizeof label);
        if (!complete(label, node, out_error) ||
            !check_node(label, settings, node, out_error)) {
            return false;
        }
    }
    sort_nodes(settings);
    return check_pairs(source, settings, out_error) &&
           choose_seat(source, settings, out_error);
}

static bool own_node(const struct settings_source *source,
                     struct settings *settings,
                     struct sentence *out_error)
{
    struct address own = {.ip = INADDR_LOOPBACK, .port = MEMBERS_PORT_PRESET};
    struct sentence why = {0};
    if (source->port != NULL && !port_parse(source->port, &own.port, &why)) {
        return sentence_set(out_error, "PORT=%.64s is not usable: %.200s", source->port,
                            why.text);
    }
    return add_member("PORT", &own, settings, out_error);
}

static bool
add_members(const char *cluster, struct settings *settings, struct sentence *out_error)
{
    const char *at = cluster;
    while (at != NULL) {
        at += strspn(at, " ");
        char url[URL_BYTES] = "";
        size_t url_bytes = strcspn(at, ", ");
        if (url_bytes >= sizeof url) {
            return sentence_set(out_error, "CLUSTER: \"%.64s...\" is too long", at);
        }
        memcpy(url, at, url_bytes);
        at += url_bytes + strspn(at + url_bytes, " ");
        if (*at != ',' && *at != '\0') {
            return sentence_set(out_error,
                                "CLUSTER: separate the members by commas, not by spaces");
        }
        at = *at == ',' ? at + 1 : NULL;

        struct address address = {0};
        if (!url_parse(url, &address, out_error) ||
            !add_member("CLUSTER", &address, settings, out_error)) {
            return false;
        }
    }
    return true;
}

static bool
url_parse(const char *url, struct address *out_address, struct sentence *out_error)
{
    char text[URL_BYTES] = "";
    (void)snprintf(text, sizeof text, "%s", url);
    size_t bytes = strlen(text);
    if (bytes > sizeof URL_PREFIX && text[bytes - 1] == '/') {
        text[bytes - 1] = '\0'; // http://localhost:4000/ is what browsers make of it
    }
    struct sentence why = {0};
    if (!address_parse(URL_PREFIX, text, out_address, &why)) {
        return sentence_set(
            out_error,
            "CLUSTER: \"%.128s\" is not usable: %.400s; give the other nodes "
            "as http://localhost:4000,http://localhost:5000",
            url, why.text);
    }
    // This node calls itself 127.0.0.1:PORT: by another address the lists would differ.
    if (out_address->ip != INADDR_LOOPBACK) {
        return sentence_set(
            out_error,
            "CLUSTER: %.128s is another machine, but a node started by "
            "CLUSTER and PORT listens on 127.0.0.1 only; name the nodes in a "
            "file and start with --config FILE --node NAME",
            url);
    }
    return true;
}

static bool add_member(const char *label,
                       const struct address *address,
                       struct settings *settings,
                       struct sentence *out_error)
{
    struct settings_node node = {0};
    uint32_t index = 0;
    address_format("", address, node.name, sizeof node.name);
    if (find_node(settings, node.name, &index)) {
        return true;
    }
    if (settings->node_count == SETTINGS_NODES_MAX) {
        return sentence_set(
            out_error,
            "CLUSTER: %s is one too many: a cluster has at most %d nodes, "
            "this one included",
            node.name, SETTINGS_NODES_MAX);
    }
    memcpy(node.http, node.name, sizeof node.name);
    if (!complete(label, &node, out_error)) {
        return false;
    }
    settings->nodes[settings->node_count++] = node;
    return true;
}

// Fills the endpoints that nobody gave from the address of http.
static bool
complete(const char *label, struct settings_node *node, struct sentence *out_error)
{
    char *const endpoints[STEPS] = {node->peer, node->client, node->events};
    static const uint32_t PORT_STEPS[STEPS] = {MEMBERS_PEER_STEP, MEMBERS_CLIENT_STEP,
                                               MEMBERS_EVENTS_STEP};
    static const char *const KINDS[STEPS] = {"peers", "clients", "events"};
    struct address http = known_address("", node->http);
    for (size_t i = 0; i < STEPS; i++) {
        if (endpoints[i][0] != '\0') {
            continue;
        }
        if (http.port + PORT_STEPS[i] > ADDRESS_PORT_MAX) {
            return sentence_set(
                out_error,
                "%s: HTTP port %u would put the port for %s at %u (%u + %u), "
                "past %d; choose an HTTP port up to %d",
                label, http.port, KINDS[i], http.port + PORT_STEPS[i], http.port,
                PORT_STEPS[i], ADDRESS_PORT_MAX, ADDRESS_PORT_MAX - MEMBERS_EVENTS_STEP);
        }
        fill_endpoint(endpoints[i], &http, PORT_STEPS[i]);
    }
    if (node->peer_advertise[0] == '\0') {
        memcpy(node->peer_advertise, node->peer, sizeof node->peer);
    }
    return true;
}

static void fill_endpoint(char *endpoint, const struct address *http, uint32_t step)
{
    struct address address = *http;
    address.port += step;
    address_format("tcp://", &address, endpoint, SETTINGS_TEXT_BYTES);
}

static bool check_node(const char *label,
                       const struct settings *settings,
                       const struct settings_node *node,
                       struct sentence *out_error)
{
    struct address addresses[LISTENERS] = {0};
    read_listeners(node, addresses);
    for (size_t i = 0; i < LISTENERS && !settings->is_insecure; i++) {
        if (!check_loopback(label, LISTENER_KINDS[i], &addresses[i], out_error) &&
            !(i > 1 && MUTANT_IS(291))) {
            return false;
        }
    }
    struct address advertised = known_address("tcp://", node->peer_advertise);
    if (settings->node_count > 1 && address_is_any(&advertised)) {
        return sentence_set(
            out_error,
            "%s: the other nodes cannot connect to %s; name an address of "
            "this machine in peer-advertise",
            label, node->peer_advertise);
    }
    for (size_t i = 1; i < LISTENERS; i++) {
        for (size_t j = 0; j < i; j++) {
            // 0.0.0.0 takes the port of every address; one rule for all is simple enough.
            if (addresses[i].port == addresses[j].port) {
                return sentence_set(
                    out_error, "%s: %s and %s have the same port %u; each needs its own",
                    label, LISTENER_KINDS[j], LISTENER_KINDS[i], addresses[i].port);
            }
        }
    }
    return true;
}

static bool check_loopback(const char *label,
                           const char *kind,
                           const struct address *address,
                           struct sentence *out_error)
{
    char text[ADDRESS_TEXT_BYTES] = "";
    if (address_is_loopback(address)) {
        return true;
    }
    address_format("", address, text, sizeof text);
    return sentence_set(
        out_error,
        "%s: %s listens on %s, which other machines can reach, and nothing "
        "would protect it: keys and tokens come with a later release; use "
        "127.0.0.1, or set insecure = 1 under cluster if that network is "
        "trusted",
        label, kind, text);
}

// Nodes on different machines may share ports, but not what the others connect to.
static bool check_pairs(const struct settings_source *source,
                        const struct settings *settings,
                        struct sentence *out_error)
{
    char label[URL_BYTES] = "";
    for (uint32_t i = 1; i < settings->node_count; i++) {
        const struct settings_node *later = &settings->nodes[i];
        label_node(source, later, label, sizeof label);
        for (uint32_t j = 0; j < i; j++) {
            const struct settings_node *earlier = &settings->nodes[j];
            if (strcmp(earlier->peer_advertise, later->peer_advertise) == 0) {
                return sentence_set(out_error,
                                    "%s: node %s has the same peer address %s; each node "
                                    "needs its own",
                                    label, earlier->name, later->peer_advertise);
            }
            if (!check_ports(label, earlier, later, out_error)) {
                return false;
            }
        }
    }
    return true;
}

// Peers that meet on loopback are on one machine: there a port has one listener.
static bool check_ports(const char *label,
                        const struct settings_node *earlier,
                        const struct settings_node *later,
                        struct sentence *out_error)
{
    struct address earlier_peer = known_address("tcp://", earlier->peer_advertise);
    struct address later_peer = known_address("tcp://", later->peer_advertise);
    if (!address_is_loopback(&earlier_peer) || !address_is_loopback(&later_peer)) {
        return true;
    }
    struct address earlier_all[LISTENERS] = {0};
    struct address later_all[LISTENERS] = {0};
    read_listeners(earlier, earlier_all);
    read_listeners(later, later_all);
    for (size_t i = 0; i < LISTENERS; i++) {
        for (size_t j = 0; j < LISTENERS; j++) {
            if (later_all[i].ip == earlier_all[j].ip &&
                later_all[i].port == earlier_all[j].port) {
                return sentence_set(
                    out_error,
                    "%s: its %s has port %u, which is the %s of node %s on "
                    "the same machine; choose another",
                    label, LISTENER_KINDS[i], later_all[i].port, LISTENER_KINDS[j],
                    earlier->name);
            }
        }
    }
    return true;
}

static void read_listeners(const struct settings_node *node,
                           struct address *out_addresses)
{
    out_addresses[0] = known_address("", node->http);
    out_addresses[1] = known_address("tcp://", node->peer);
    out_addresses[2] = known_address("tcp://", node->client);
    out_addresses[3] = known_address("tcp://", node->events);
}

static void label_node(const struct settings_source *source,
                       const struct settings_node *node,
                       char *out_label,
                       size_t label_bytes)
{
    if (node->line == 0) {
        (void)snprintf(out_label, label_bytes, "CLUSTER: node %s", node->name);
        return;
    }
    (void)snprintf(out_label, label_bytes, "%s:%u: node %s", source->file, node->line,
                   node->name);
}

static void sort_nodes(struct settings *settings)
{
    qsort(settings->nodes, settings->node_count, sizeof settings->nodes[0],
          compare_names);
}

static int compare_names(const void *left, const void *right)
{
    const struct settings_node *left_node = left;
    const struct settings_node *right_node = right;
    return strcmp(left_node->name, right_node->name);
}

static bool
find_node(const struct settings *settings, const char *name, uint32_t *out_index)
{
    for (uint32_t i = 0; i < settings->node_count; i++) {
        if (strcmp(settings->nodes[i].name, name) == 0) {
            *out_index = i;
            return true;
        }
    }
    return false;
}

static bool choose_seat(const struct settings_source *source,
                        struct settings *settings,
                        struct sentence *out_error)
{
    settings->node_index = 0;
    if (source->node == NULL) {
        if (settings->node_count == 1 || source->is_any_node) {
            return true;
        }
        (void)sentence_set(
            out_error,
            "%s names %u nodes; say which one this is with --node NAME (or "
            "CONSENS_NODE): ",
            source->file, settings->node_count);
        list_names(settings, out_error);
        return false;
    }
    if (find_node(settings, source->node, &settings->node_index)) {
        return true;
    }
    const char *names[SETTINGS_NODES_MAX] = {0};
    for (uint32_t i = 0; i < settings->node_count; i++) {
        names[i] = settings->nodes[i].name;
    }
    const char *nearest = name_find_nearest(source->node, names, settings->node_count);
    (void)sentence_set(out_error, "%s has no node \"%.64s\"", source->file, source->node);
    if (nearest != NULL) {
        sentence_add(out_error, "; did you mean \"%s\"?", nearest);
    }
    sentence_add(out_error, "%s known nodes: ", nearest != NULL ? "" : ";");
    list_names(settings, out_error);
    return false;
}

static void list_names(const struct settings *settings, struct sentence *error)
{
    for (uint32_t i = 0; i < settings->node_count; i++) {
        sentence_add(error, "%s%s", i == 0 ? "" : ", ", settings->nodes[i].name);
    }
}

// Of a text that was normalised when it was read.
static struct address known_address(const char *prefix, const char *text)
{
    struct address address = {0};
    struct sentence error = {0};
    CHECK(address_parse(prefix, text, &address, &error));
    return address;
}
