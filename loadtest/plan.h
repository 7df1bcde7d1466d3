/*
 * plan.h - what one run shall do: the command line, read and checked.
 *
 * Thread: written by the main thread before the others start, then read by all.
 */
#ifndef CONSENS_LOADTEST_PLAN_H
#define CONSENS_LOADTEST_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum plan_protocol { PLAN_ZEROMQ, PLAN_HTTP, PLAN_ETCD };

enum operation_kind {
    OPERATION_PUT,
    OPERATION_GET,   // linearizable
    OPERATION_LOCAL, // a read of the node's own state
    OPERATION_DELETE,
    OPERATION_CAS, // a put, if the key still has the revision last seen
    OPERATION_KINDS,
};

enum {
    PLAN_ENDPOINTS_MAX = 16,
    PLAN_ADDRESS_BYTES = 64,
    PLAN_PREFIX_BYTES = 32,
    PLAN_THREADS_MAX = 64,
    PLAN_CLIENTS_MAX = 16384,
    PLAN_BATCH_MAX = 1024,
    PLAN_LANES_MAX = 7, // ZeroMQ sockets of a thread
    PLAN_NODES_MAX = 7,
    PLAN_PIDS_MAX = 16,
    PLAN_SECONDS_MAX = 24 * 3600,
    PLAN_KEYS_MAX = 100 * 1000 * 1000,
};

enum plan_fault { PLAN_KILL = 1, PLAN_PAUSE = 2, PLAN_PARTITION = 4 };

struct plan_endpoint {
    char host[PLAN_ADDRESS_BYTES]; // an IPv4 address or name
    uint16_t port;
};

struct plan {
    enum plan_protocol protocol;
    struct plan_endpoint endpoints[PLAN_ENDPOINTS_MAX];
    uint32_t endpoint_count; // 0: a local cluster is started first
    uint32_t local_nodes;
    const char *program; // consens, of a local cluster
    uint32_t faults;     // enum plan_fault, or-ed
    uint64_t fault_every_ms;
    uint64_t fault_hold_ms;
    int pids[PLAN_PIDS_MAX]; // servers whose processor and memory are reported
    uint32_t pid_count;

    uint32_t clients; // each has one message under way
    uint32_t batch;   // operations of a message
    uint32_t threads;
    uint32_t connections; // ZeroMQ: shared by the clients; HTTP: one a client
    uint64_t rate;        // operations a second, at fixed moments; 0: closed loop
    uint64_t warmup_ms;
    uint64_t duration_ms;
    uint64_t timeout_ms;

    uint32_t mix[OPERATION_KINDS]; // shares
    uint32_t mix_sum;
    uint32_t value_bytes_min;
    uint32_t value_bytes_max;
    uint64_t key_count;
    char prefix[PLAN_PREFIX_BYTES]; // of all keys
    double zipf_exponent;           // 0: uniform
    uint64_t seed;
    bool must_preload; // every key is written once before the start

    bool must_check;
    const char *history_path; // NULL: a temporary file
    const char *json_path;
    const char *html_path;
    const char *label;
    bool is_quiet; // no progress line
};

const char *operation_kind_name(enum operation_kind kind);
const char *plan_protocol_name(enum plan_protocol protocol);

#endif
