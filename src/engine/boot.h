/*
 * boot.h - from a data directory to a replica that may be driven: the steps of
 * engine_open(), and the engine they fill in.
 *
 * Thread: the one that opens the engine, before the engine's thread starts.
 */
#ifndef CONSENS_ENGINE_BOOT_H
#define CONSENS_ENGINE_BOOT_H

#include "base/poll_set.h"
#include "config/settings.h"
#include "engine/replica.h"
#include "engine/step_trace.h"
#include "handoff/handoff.h"
#include "peers/peers.h"
#include "port/port.h"
#include "wal/thread.h"

#include <pthread.h>
#include <stdatomic.h>

enum engine_exit { // sysexits.h
    ENGINE_EXIT_OK = 0,
    ENGINE_EXIT_DAMAGED = 65,   // EX_DATAERR: damaged, rolled back or not of this cluster
    ENGINE_EXIT_PORT_BUSY = 69, // EX_UNAVAILABLE
    ENGINE_EXIT_OS_ERROR = 71,  // EX_OSERR: no more sockets or threads
    ENGINE_EXIT_DIRECTORY = 73, // EX_CANTCREAT: unusable, or held by another process
    ENGINE_EXIT_DISK_FAILED = 74, // EX_IOERR
};

struct engine_input {
    struct poll_set set;
    uint32_t log; // members of the set
    uint32_t handoff;
    uint32_t port;
    uint32_t door;
    uint32_t frames; // from other nodes; they and the monitors: not for a node alone
    uint32_t first_monitor; // each tells of one closed connection
    uint32_t monitor_count;
};

struct engine {
    const struct settings *settings;
    const char *seat_names[SETTINGS_NODES_MAX];
    struct files files;
    bool has_files;
    struct wal_settings wal_settings;
    struct wal *wal; // until the log's thread takes it
    struct wal_thread *wal_thread;
    struct wal_recovery recovery;
    struct replica *replica;
    struct step_trace *step_trace; // NULL: none (experiments)
    struct peers *peers;           // NULL: one node alone
    struct handoff_server *handoff;
    struct port *port;         // NULL: none is configured
    struct engine_input input; // filled in by the engine's thread
    int wake_fd;               // eventfd: engine_ask_stop()
    atomic_bool is_asked_to_stop;
    pthread_t thread;
    bool has_thread;
    bool has_told_release; // that another node runs one which this one does not read
    int exit_code;
};

struct boot_error {
    int exit_code;
    char *text;
    size_t text_bytes;
};

/* Opens and locks the directory, recovers the log. False: `error` says why. */
bool boot_open_log(struct engine *engine, struct boot_error *error);
/* Makes the replica and feeds it the log. */
bool boot_replay(struct engine *engine,
                 const struct replica_ports *ports,
                 const char *version,
                 struct boot_error *error);
/* Sockets to peers and clients, the log's thread. */
bool boot_connect(struct engine *engine, void *zmq_context, struct boot_error *error);

/* Why this node may not go on, and what to do: for stderr. */
void boot_explain_halt(const struct engine *engine, char *out_text, size_t text_bytes);

#endif
