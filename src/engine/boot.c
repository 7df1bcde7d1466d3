#include "engine/boot.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
    READY_SEGMENTS = 2,   // PAXOS 4.2
    IDLE_BEATS = 4,       // of a cluster where nothing happens
    RESEND_BEATS = 2,     // 2.14, in heartbeats of 50 ms: 100 ms,
    STALL_BEATS = 20,     // 1 s,
    READ_RETRY_BEATS = 3, // 150 ms
};

static void fill_wal_settings(struct engine *engine);
static void fill_core_settings(const struct engine *engine,
                               struct paxos_settings *out_settings);
static bool replay_all(struct engine *engine, struct boot_error *error);
static bool
open_peers(struct engine *engine, void *zmq_context, struct boot_error *error);
static bool open_port(struct engine *engine, void *zmq_context, struct boot_error *error);

static bool fail(struct boot_error *error, int exit_code, const char *text)
{
    error->exit_code = exit_code;
    (void)snprintf(error->text, error->text_bytes, "%s", text);
    return false;
}

static struct paxos_id draw_id(void)
{
    struct paxos_id id = {.high = entropy_draw_u64(), .low = entropy_draw_u64()};
    return id;
}

static int exit_code_of(enum wal_status status)
{
    switch (status) {
    case WAL_OK:
        return ENGINE_EXIT_OK;
    case WAL_FULL:
    case WAL_FAILED:
        return ENGINE_EXIT_DISK_FAILED;
    case WAL_DAMAGED:
    case WAL_AMNESIA:
    case WAL_VERSION:
        return ENGINE_EXIT_DAMAGED;
    case WAL_LOCKED:
    case WAL_UNUSABLE:
        return ENGINE_EXIT_DIRECTORY;
    }
    return ENGINE_EXIT_DIRECTORY;
}

/* DATA of DATA/NAME: one level, so that a mistyped path is not made up to the root. */
static bool make_parent(const struct settings *settings, struct boot_error *error)
{
    size_t bytes = strlen(settings->data);
    bool is_parent = bytes > 0 &&
                     strncmp(settings->data, settings->data_directory, bytes) == 0 &&
                     settings->data_directory[bytes] == '/';
    bool is_there = is_parent && (mkdir(settings->data, 0700) == 0 || errno == EEXIST);
    // If it is not, the next call shows what is wrong.
    int result = is_there ? files_sync_parent(settings->data) : 0;
    if (result != 0) {
        error->exit_code = ENGINE_EXIT_DIRECTORY;
        (void)snprintf(error->text, error->text_bytes,
                       "the data directory %s cannot be made durable: %s", settings->data,
                       files_words_of(result).text);
    }
    return result == 0;
}

/* What was damaged, and which slots that costs: once, at start. */
static void log_damage(const struct engine *engine)
{
    size_t count = 0;
    const struct wal_damage *damages = wal_damages(engine->wal, &count);
    for (size_t i = 0; i < count; i++) {
        log_line(LOG_LEVEL_WARN,
                 "event=log_damaged file=log-%010llu offset=%llu first_block=%llu "
                 "last_block=%llu",
                 (unsigned long long)damages[i].segment,
                 (unsigned long long)damages[i].from_bytes,
                 (unsigned long long)damages[i].first_block,
                 (unsigned long long)damages[i].last_block);
    }
    const struct wal_fault *faults = wal_faults(engine->wal, &count);
    for (size_t i = 0; i < count; i++) {
        log_line(LOG_LEVEL_WARN, "event=slots_lost first=%llu last=%llu",
                 (unsigned long long)faults[i].first, (unsigned long long)faults[i].last);
    }
}

/* One node alone has nobody to repair from. */
static void explain_alone(const struct engine *engine, struct boot_error *error)
{
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(engine->wal, &count);
    const struct wal_damage *damages = wal_damages(engine->wal, &count);
    CHECK(count > 0);
    error->exit_code = ENGINE_EXIT_DAMAGED;
    (void)snprintf(
        error->text, error->text_bytes,
        "log-%010llu in %s is damaged at offset %llu: slots %llu to %llu are "
        "lost, and this node has no others to repair them from. Put back a "
        "good copy of the directory, or start on an empty one",
        (unsigned long long)damages[0].segment, engine->settings->data_directory,
        (unsigned long long)damages[0].from_bytes, (unsigned long long)faults[0].first,
        (unsigned long long)faults[0].last);
}

/*
 * A directory is started with another list of nodes than it ran with. Nothing else would
 * show it: quorums are counted in the nodes of the list, so a node of three that is named
 * alone would acknowledge alone. What Config holds is compared: how many they are, and
 * whose seat this is.
 */
static void explain_misplaced(const struct engine *engine, struct boot_error *error)
{
    const struct settings *settings = engine->settings;
    uint32_t member_count = engine->recovery.core.config.member_count;
    error->exit_code = ENGINE_EXIT_DAMAGED;
    if (member_count != settings->node_count) {
        (void)snprintf(
            error->text, error->text_bytes,
            "the data directory %s belongs to a cluster of %u, and this start names %u: "
            "majorities would be counted wrongly and acknowledged writes could be lost, "
            "so nothing is started. Name the same nodes as before (CLUSTER, or the file "
            "of --config), or give another data directory; changing the members comes "
            "with a later release",
            settings->data_directory, member_count, settings->node_count);
        return;
    }
    (void)snprintf(
        error->text, error->text_bytes,
        "the data directory %s is not that of %s, node %u of %u: it was moved, or names "
        "or addresses have changed, and the order of the nodes with them. Start with the "
        "same nodes as before and with this node's own data directory",
        settings->data_directory, settings->nodes[settings->node_index].name,
        settings->node_index + 1, settings->node_count);
}

/* A Config that this start does not fit; a directory without one fits any. */
static bool is_misplaced(const struct engine *engine)
{
    const struct paxos_config *config = &engine->recovery.core.config;
    const struct paxos_settings start = {
        .seat = engine->settings->node_index,
        .member_count = engine->settings->node_count,
        .incarnation = engine->recovery.incarnation,
    };
    bool has_config = config->cluster_id.high != 0 || config->cluster_id.low != 0;
    return has_config && !paxos_config_fits(&start, config);
}

bool boot_open_log(struct engine *engine, struct boot_error *error)
{
    const char *path = engine->settings->data_directory;
    if (!make_parent(engine->settings, error)) {
        return false;
    }
    if (files_open_directory(&engine->files, path, error->text, error->text_bytes) != 0) {
        error->exit_code = ENGINE_EXIT_DIRECTORY;
        return false;
    }
    engine->has_files = true;
    files_plant(&engine->files, engine->settings->faults);
    fill_wal_settings(engine);
    struct wal_recovery *recovery = &engine->recovery;
    enum wal_status status =
        wal_open(&engine->wal, &engine->files, &engine->wal_settings, recovery);
    if (status != WAL_OK) {
        return fail(error, exit_code_of(status), recovery->sentence);
    }
    log_damage(engine);
    if (is_misplaced(engine)) {
        explain_misplaced(engine, error);
        return false;
    }
    if (recovery->fault_count > 0 && engine->settings->node_count == 1) {
        explain_alone(engine, error);
        return false;
    }
    log_line(
        LOG_LEVEL_INFO,
        "event=recovered fresh=%d boot=%llu slots=%llu decided=%llu torn_blocks=%llu "
        "direct_io=%d",
        recovery->is_fresh, (unsigned long long)recovery->boot,
        (unsigned long long)recovery->core.length,
        (unsigned long long)recovery->core.decided,
        (unsigned long long)recovery->torn_blocks,
        engine->files.is_direct(engine->files.context));
    return true;
}

bool boot_replay(struct engine *engine,
                 const struct replica_ports *ports,
                 const char *version,
                 struct boot_error *error)
{
    const struct settings *settings = engine->settings;
    bool is_direct = engine->files.is_direct(engine->files.context);
    struct replica_settings replica_settings = {
        .seat_names = engine->seat_names,
        .cluster_name = settings->cluster_name,
        .durability = settings->log_durability,
        .log_io = is_direct ? REPLICA_IO_DIRECT : REPLICA_IO_BUFFERED,
        .requests_waiting_max = LIMIT_REQUESTS_WAITING,
        .request_bytes_waiting_max = LIMIT_REQUEST_BYTES_WAITING,
        .batch_commands_max = LIMIT_BATCH_COMMANDS,
        .batch_bytes_max = LIMIT_ENTRY_BYTES,
        .version = version,
    };
    fill_core_settings(engine, &replica_settings.core);
    engine->replica = replica_new(&replica_settings, ports, &engine->recovery.core);
    if (!replay_all(engine, error)) {
        return false;
    }
    wal_forget_tail(engine->wal);
    return true;
}

bool boot_connect(struct engine *engine, void *zmq_context, struct boot_error *error)
{
    if (engine->settings->node_count > 1 && !open_peers(engine, zmq_context, error)) {
        return false;
    }
    if (!open_port(engine, zmq_context, error)) {
        return false;
    }
    engine->handoff = handoff_server_open(zmq_context);
    if (engine->handoff == NULL) {
        return fail(
            error, ENGINE_EXIT_OS_ERROR,
            "cannot open the socket between HTTP and the engine: no more sockets or "
            "memory. Raise the limit of open files (ulimit -n)");
    }
    engine->wal_thread =
        wal_thread_start(zmq_context, &engine->wal, &engine->files, &engine->wal_settings,
                         engine->settings->log_interval_ms);
    if (engine->wal_thread == NULL) {
        return fail(
            error, ENGINE_EXIT_OS_ERROR,
            "cannot start the thread of the log: no more sockets, threads or memory");
    }
    return true;
}

static void fill_wal_settings(struct engine *engine)
{
    engine->wal_settings = (struct wal_settings){
        .segment_bytes = engine->settings->log_segment_bytes,
        .ready_segments = READY_SEGMENTS,
        .durability = engine->settings->log_durability,
        .ring_entries = LIMIT_RING_ENTRIES,
        .ring_bytes = LIMIT_RING_BYTES,
        .window_entries = LIMIT_WINDOW_ENTRIES,
        .is_alone = engine->settings->node_count == 1,
        .fresh_incarnation = draw_id(),
    };
}

static void fill_core_settings(const struct engine *engine,
                               struct paxos_settings *out_settings)
{
    const struct settings *settings = engine->settings;
    *out_settings = (struct paxos_settings){
        .seat = settings->node_index,
        .member_count = settings->node_count,
        .incarnation = engine->recovery.incarnation,
        .fresh_cluster_id = draw_id(),
        .boot = engine->recovery.boot,
        .nonce = entropy_draw_u64(),
        .seed = entropy_draw_u64(),
        .now_ms = clock_now_ms(),
        .heartbeat_ms = settings->heartbeat_ms,
        .idle_heartbeat_ms = IDLE_BEATS * settings->heartbeat_ms,
        .resend_ms = RESEND_BEATS * settings->heartbeat_ms,
        .stall_ms = STALL_BEATS * settings->heartbeat_ms,
        .read_retry_ms = READ_RETRY_BEATS * settings->heartbeat_ms,
        .window_entries = LIMIT_WINDOW_ENTRIES,
        .window_bytes = LIMIT_WINDOW_BYTES,
        .ring_entries = LIMIT_RING_ENTRIES,
        .ring_bytes = LIMIT_RING_BYTES,
        .message_entries = LIMIT_MESSAGE_ENTRIES,
        .message_bytes = LIMIT_MESSAGE_BYTES,
    };
    log_line(LOG_LEVEL_INFO, "event=seed value=%llu",
             (unsigned long long)out_settings->seed);
}

/* Feeds a slice; the slot after its last, or 0 if a payload cannot be decoded. */
static cs_slot replay_slice(struct engine *engine, const struct wal_slice *slice)
{
    cs_slot next = 0;
    for (uint32_t i = 0; i < slice->entry_count; i++) {
        if (!replica_replay(engine->replica, &slice->entries[i], slice->payloads[i])) {
            return 0;
        }
        next = slice->entries[i].slot + 1;
    }
    return next;
}

static void explain_unreadable(const struct engine *engine,
                               cs_slot slot,
                               char *out_text,
                               size_t text_bytes)
{
    (void)snprintf(
        out_text, text_bytes,
        "the log in %s cannot be applied: the commands near slot %llu do not "
        "decode although their digests are right. They were written by a newer "
        "release, or by a faulty one: start the release that wrote them",
        engine->settings->data_directory, (unsigned long long)slot);
}

static uint64_t count_lost(const struct engine *engine)
{
    size_t count = 0;
    uint64_t lost = 0;
    const struct wal_fault *faults = wal_faults(engine->wal, &count);
    for (size_t i = 0; i < count; i++) {
        lost += faults[i].last - faults[i].first + 1;
    }
    return lost;
}

/*
 * Slots are lost that were whole a moment ago, when the log was opened. The core has them
 * as whole: it would vote with them and refer to their bytes. The next start knows better.
 */
static void
explain_lost_since(const struct engine *engine, cs_slot slot, struct boot_error *error)
{
    error->exit_code = ENGINE_EXIT_DAMAGED;
    (void)snprintf(error->text, error->text_bytes,
                   "the log in %s was whole when it was opened, and what it says near "
                   "slot %llu cannot be read any more: the disk is failing. Start this "
                   "node again: what is lost is then repaired from the other nodes, if "
                   "there are any",
                   engine->settings->data_directory, (unsigned long long)slot);
}

static bool replay_all(struct engine *engine, struct boot_error *error)
{
    cs_slot length = engine->recovery.core.length;
    cs_slot slot = 1;
    uint64_t lost = count_lost(engine);
    while (slot <= length) {
        struct wal_slice slice = {0};
        enum wal_status status =
            wal_read(engine->wal, slot, length, LIMIT_MESSAGE_ENTRIES,
                     LIMIT_MESSAGE_BYTES, &slice);
        if (status != WAL_OK) {
            wal_slice_fini(&slice);
            return fail(error, exit_code_of(status), wal_error(engine->wal));
        }
        if (count_lost(engine) > lost && !MUTANT_IS(323)) {
            explain_lost_since(engine, slot, error);
            wal_slice_fini(&slice);
            return false;
        }
        bool is_lost = slice.entry_count == 0 && slice.fault.first != 0;
        cs_slot next = is_lost ? replica_replay_past(engine->replica, &slice.fault)
                               : replay_slice(engine, &slice);
        wal_slice_fini(&slice);
        if (next <= slot) {
            error->exit_code = ENGINE_EXIT_DAMAGED;
            explain_unreadable(engine, slot, error->text, error->text_bytes);
            return false;
        }
        slot = next;
    }
    return true;
}

static bool open_peers(struct engine *engine, void *zmq_context, struct boot_error *error)
{
    const struct settings *settings = engine->settings;
    const char *endpoints[SETTINGS_NODES_MAX] = {0};
    for (uint32_t seat = 0; seat < settings->node_count; seat++) {
        endpoints[seat] = settings->nodes[seat].peer_advertise;
    }
    struct peers_settings peers_settings = {
        .seat = settings->node_index,
        .seat_count = settings->node_count,
        .bind_endpoint = settings->nodes[settings->node_index].peer,
        .endpoints = endpoints,
        .frame_bytes_max = LIMIT_FRAME_BYTES,
        .queue_messages_max = LIMIT_PEER_QUEUE_MESSAGES,
        .faults = settings->faults,
    };
    engine->peers =
        peers_open(zmq_context, &peers_settings, error->text, error->text_bytes);
    error->exit_code = ENGINE_EXIT_PORT_BUSY;
    return engine->peers != NULL;
}

static bool open_port(struct engine *engine, void *zmq_context, struct boot_error *error)
{
    const struct settings *settings = engine->settings;
    const struct settings_node *node = &settings->nodes[settings->node_index];
    if (node->client[0] == '\0') {
        return true;
    }
    struct port_settings port_settings = {
        .endpoint = node->client,
        .value_bytes_max = settings->limit_value_bytes,
        .seat_names = engine->seat_names,
        .seat_count = settings->node_count,
        .durability = settings_durability_word(settings->log_durability),
        .files_kept = settings_count_files(settings),
    };
    engine->port = port_open(zmq_context, &port_settings, error->text, error->text_bytes);
    error->exit_code = ENGINE_EXIT_PORT_BUSY;
    return engine->port != NULL;
}

/* C8: an empty directory that meets members with a past. */
static void explain_wiped(const struct engine *engine,
                          const char *peer,
                          char *out_text,
                          size_t text_bytes)
{
    const struct settings *settings = engine->settings;
    const char *own = settings->nodes[settings->node_index].name;
    const char *about_join =
        settings->is_join
            ? "JOIN=true brings back a node that has its data; a lost disk can be "
              "replaced "
              "with a later release"
            : "Replacing a lost disk (JOIN=true) comes with a later release";
    (void)snprintf(
        out_text, text_bytes,
        "%s has an empty data directory (%s), but %s belongs to a cluster that "
        "already has a past: this node is not part of it and never votes. Put its "
        "data directory back, or correct the path. %s; the other nodes go on "
        "without it as long as they are a majority",
        own, settings->data_directory, peer, about_join);
}

static void explain_amnesia(const struct engine *engine,
                            const char *peer,
                            char *out_text,
                            size_t text_bytes)
{
    const struct settings *settings = engine->settings;
    (void)snprintf(
        out_text, text_bytes,
        "the data directory of %s (%s) has gone back in time: %s remembers a later "
        "state of this node. A backup was put back, or a disk was rolled back or "
        "lost writes it had confirmed. This node could break its promises with it, "
        "so it stops. Put the newest state of the directory back; replacing the "
        "node comes with a later release",
        settings->nodes[settings->node_index].name, settings->data_directory, peer);
}

static void explain_lost(const struct engine *engine, char *out_text, size_t text_bytes)
{
    const struct settings *settings = engine->settings;
    cs_slot first = 0;
    cs_slot last = 0;
    replica_lost_slots(engine->replica, &first, &last);
    (void)snprintf(
        out_text, text_bytes,
        "slots %llu to %llu of the log are damaged in the data directory of %s (%s), and "
        "no other node has a copy of them: writes that were acknowledged may be lost, so "
        "%s stops. Keep the directories of all nodes; put back a good copy of one of "
        "them as it was when the nodes last ran, or start a new cluster",
        (unsigned long long)first, (unsigned long long)last,
        settings->nodes[settings->node_index].name, settings->data_directory,
        settings->nodes[settings->node_index].name);
}

void boot_explain_halt(const struct engine *engine, char *out_text, size_t text_bytes)
{
    const struct settings *settings = engine->settings;
    const char *own = settings->nodes[settings->node_index].name;
    uint32_t seat = replica_halt_peer(engine->replica);
    const char *peer =
        seat < settings->node_count ? settings->nodes[seat].name : "a peer";
    switch ((enum paxos_halt)replica_halt(engine->replica)) {
    case PAXOS_HALT_NONE:
        (void)snprintf(out_text, text_bytes, "nothing is wrong");
        break;
    case PAXOS_HALT_WIPED:
        explain_wiped(engine, peer, out_text, text_bytes);
        break;
    case PAXOS_HALT_AMNESIA:
        explain_amnesia(engine, peer, out_text, text_bytes);
        break;
    case PAXOS_HALT_TWIN:
        (void)snprintf(
            out_text, text_bytes,
            "two processes run as %s on copies of one data directory (%s hears "
            "both). Both stop. Keep one copy, remove the other, start once",
            own, peer);
        break;
    case PAXOS_HALT_LOST:
        explain_lost(engine, out_text, text_bytes);
        break;
    case PAXOS_HALT_UNREADABLE:
        explain_unreadable(engine, replica_applied(engine->replica) + 1, out_text,
                           text_bytes);
        break;
    case PAXOS_HALT_DIVERGED:
        (void)snprintf(
            out_text, text_bytes,
            "the decided logs of %s and %s differ: this must never happen. %s "
            "stops so that no wrong answer is given. Keep the data directories of "
            "all nodes as they are and report it",
            own, peer, own);
        break;
    }
}
