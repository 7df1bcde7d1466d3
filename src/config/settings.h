/*
 * settings.h - defaults, file, environment and flags made one struct.
 *
 * Flag beats environment beats file beats default. The members of the cluster come from
 * one place only: the nodes of the file, or, if it names none, CLUSTER and PORT. Every
 * error is one sentence with file, line, key and the nearest known name where there is
 * one (PRODUCT 2).
 *
 * Thread: any; built before the threads start, constant afterwards.
 */
#ifndef CONSENS_CONFIG_SETTINGS_H
#define CONSENS_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SETTINGS_NODES_MAX = 7, SETTINGS_NAME_BYTES = 64, SETTINGS_TEXT_BYTES = 256 };

struct fault_switch;

enum settings_durability { SETTINGS_SYNC = 0, SETTINGS_INTERVAL, SETTINGS_NONE };

struct settings_node {
    char name[SETTINGS_NAME_BYTES];           // seat name; nodes are sorted by it
    char http[SETTINGS_TEXT_BYTES];           // host:port, numeric host
    char peer[SETTINGS_TEXT_BYTES];           // tcp://host:port, numeric host
    char client[SETTINGS_TEXT_BYTES];         // tcp://host:port, the client port
    char events[SETTINGS_TEXT_BYTES];         // reserved for events
    char peer_advertise[SETTINGS_TEXT_BYTES]; // what the others connect to; default: peer
    uint32_t line;                            // of its name in the file; 0: none
};

struct settings {
    char cluster_name[SETTINGS_NAME_BYTES];
    bool is_insecure;                               // non-loopback listeners are allowed
    uint32_t node_count;                            // 1..SETTINGS_NODES_MAX
    uint32_t node_index;                            // this node's seat, < node_count
    struct settings_node nodes[SETTINGS_NODES_MAX]; // sorted by name, bytewise
    bool is_file_cluster;                           // the nodes come from the file
    bool is_join;
    char data[1024];           // server/data, or the default that PORT makes
    char data_directory[4096]; // this node's own
    uint32_t http_threads;
    uint32_t log_durability; // enum settings_durability
    uint32_t log_interval_ms;
    uint64_t log_segment_bytes;
    uint64_t limit_value_bytes;
    uint32_t heartbeat_ms;
    uint32_t log_level;    // enum log_level
    char step_trace[1024]; // experiments: file that gets each step of the core; "": none
    const struct fault_switch *faults; // NULL but in the nodes of `consens dev`
};

struct settings_source {
    const char *file;       // --config / CONSENS_CONFIG, or NULL
    const char *node;       // --node / CONSENS_NODE, or NULL
    const char *cluster;    // CLUSTER, or NULL
    const char *port;       // PORT, or NULL
    const char *join;       // JOIN, or NULL
    const char *data;       // --data / CONSENS_DATA, or NULL
    const char *durability; // --durability, or NULL
    const char *log_level;  // --log-level, or NULL
    const char *step_trace; // CONSENS_TRACE, or NULL
    bool is_any_node;       // without `node`, take the first: nothing is started
};

/* Variables that are set but empty count as not set. */
void settings_source_from_environment(struct settings_source *out_source);

/* 0, or exit code 2 with a sentence in out_error. */
int settings_load(const struct settings_source *source,
                  struct settings *out_settings,
                  char *out_error,
                  size_t error_bytes);

// Of HTTP: its connection, its hand-off socket's eventfd, one accepted next.
enum { SETTINGS_FILES_PER_THREAD = 3 };

/* Threads that serve HTTP: http_threads for keys, and some more so that /-/ is served too. */
uint32_t settings_http_workers(const struct settings *settings);

/* Files that a node may have open, but for the connections of ZeroMQ clients. */
uint64_t settings_count_files(const struct settings *settings);

/* "interval" or "none"; NULL: sync, of which nothing is said. */
const char *settings_durability_word(uint32_t durability);

/* ZPL text of every key with its value, for `config show`; settings_load() reads it
 * again to the same settings. Members that come from the environment are shown as
 * comments. */
void settings_print(const struct settings *settings, FILE *stream);

#endif
