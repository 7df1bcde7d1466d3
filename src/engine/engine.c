#include "engine/engine.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread_error.h"
#include "engine/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    DRAIN_MAX = 1024,   // items of one kind taken in one turn
    POLL_MAX_MS = 1000, // of one wait, whatever the timers say
    STOP_PATIENCE_MS =
        2000, // SIGTERM: clients are served and leadership handed over so long
    HALT_TEXT_BYTES = 1024,
};

static bool open_step_trace(struct engine *engine, struct boot_error *error);
static struct replica_ports ports_of(struct engine *engine);
static void *run(void *context);

struct engine *engine_open(void *zmq_context,
                           const struct settings *settings,
                           const char *version,
                           int *out_exit_code,
                           char *out_error,
                           size_t error_bytes)
{
    struct boot_error error = {.text_bytes = error_bytes};
    error.text = out_error;
    struct engine *engine = calloc(1, sizeof *engine);
    CHECK(engine != NULL);
    engine->settings = settings;
    for (uint32_t seat = 0; seat < settings->node_count; seat++) {
        engine->seat_names[seat] = settings->nodes[seat].name;
    }
    engine->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(engine->wake_fd >= 0);
    bool is_traced = open_step_trace(engine, &error);
    struct replica_ports ports = ports_of(engine);
    bool is_open = is_traced && boot_open_log(engine, &error) &&
                   boot_replay(engine, &ports, version, &error) &&
                   boot_connect(engine, zmq_context, &error);
    *out_exit_code = error.exit_code;
    if (!is_open) {
        (void)engine_close(&engine);
    }
    return engine;
}

bool engine_start(struct engine *engine, char *out_error, size_t error_bytes)
{
    CHECK(!engine->has_thread);
    int error = pthread_create(&engine->thread, NULL, run, engine);
    engine->has_thread = error == 0;
    if (error != 0) {
        thread_error_say("the engine's thread", error, out_error, error_bytes);
    }
    return engine->has_thread;
}

void engine_ask_stop(struct engine *engine)
{
    atomic_store(&engine->is_asked_to_stop, true);
    uint64_t one = 1;
    // Only a full counter can refuse, and then the engine is being woken anyway.
    ssize_t written = write(engine->wake_fd, &one, sizeof one);
    (void)written;
}

int engine_join(struct engine *engine)
{
    CHECK(engine->has_thread);
    CHECK(pthread_join(engine->thread, NULL) == 0);
    engine->has_thread = false;
    return engine->exit_code;
}

int engine_close(struct engine **engine_slot)
{
    struct engine *engine = *engine_slot;
    if (engine == NULL) {
        return ENGINE_EXIT_OK;
    }
    CHECK(!engine->has_thread);
    enum wal_status status = wal_thread_stop(&engine->wal_thread);
    if (engine->wal != NULL) {
        wal_close(&engine->wal);
    }
    handoff_server_close(&engine->handoff);
    port_close(&engine->port);
    peers_close(&engine->peers);
    replica_destroy(&engine->replica);
    step_trace_close(&engine->step_trace);
    if (engine->has_files) {
        files_close_directory(&engine->files);
    }
    (void)close(engine->wake_fd);
    free(engine);
    *engine_slot = NULL;
    return status == WAL_OK ? ENGINE_EXIT_OK : ENGINE_EXIT_DISK_FAILED;
}

/* ---- ports: what the replica asks of the world ---- */

static void send_peer(void *context, uint32_t seat, struct cs_view frame)
{
    struct engine *engine = context;
    peers_send(engine->peers, seat, frame);
}

static void append_log(void *context, struct cs_view records)
{
    struct engine *engine = context;
    wal_thread_append(engine->wal_thread, records);
    poll_set_ask(&engine->input.set, engine->input.log);
}

static void read_log(void *context,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie)
{
    struct engine *engine = context;
    wal_thread_read(engine->wal_thread, first, last, max_entries, max_bytes, cookie);
    poll_set_ask(&engine->input.set, engine->input.log);
}

static void answer(void *context, uint64_t client, const struct reply *reply)
{
    struct engine *engine = context;
    if (port_is_client(client)) {
        port_answer(engine->port, client, reply);
        poll_set_ask(&engine->input.set, engine->input.port);
        return;
    }
    handoff_answer(engine->handoff, client, reply);
    poll_set_ask(&engine->input.set, engine->input.handoff);
}

static void trace(void *context, const struct paxos_trace *trace)
{
    const struct engine *engine = context;
    const struct settings *settings = engine->settings;
    const char *peer =
        trace->peer < settings->node_count ? engine->seat_names[trace->peer] : "-";
    log_line(LOG_LEVEL_INFO, "event=%s ballot=%u.%u.%u slot=%llu peer=%s",
             paxos_trace_name(trace->kind), trace->ballot.epoch, trace->ballot.round,
             trace->ballot.node, (unsigned long long)trace->slot, peer);
}

static void step_begun(void *context,
                       const struct paxos_settings *settings,
                       const struct paxos_recovered *recovered,
                       const struct paxos_core *core)
{
    const struct engine *engine = context;
    step_trace_begin(engine->step_trace, settings, recovered, core);
}

static void stepped(void *context,
                    const struct paxos_core *core,
                    const struct paxos_event *event,
                    const struct paxos_effects *effects,
                    const struct paxos_view *view)
{
    const struct engine *engine = context;
    step_trace_add(engine->step_trace, core, event, effects, view);
}

static bool open_step_trace(struct engine *engine, struct boot_error *error)
{
    const char *path = engine->settings->step_trace;
    if (path[0] == '\0') {
        return true;
    }
    engine->step_trace = step_trace_open(path, LIMIT_STEP_TRACE_BYTES);
    if (engine->step_trace == NULL) {
        error->exit_code = ENGINE_EXIT_DIRECTORY;
        (void)snprintf(error->text, error->text_bytes,
                       "cannot write CONSENS_TRACE=%s; name a file that can be written, "
                       "or unset it",
                       path);
        return false;
    }
    log_line(LOG_LEVEL_WARN,
             "event=step_trace file=%s meaning=\"each step is written to "
             "a file, for experiments; it is slower\"",
             path);
    return true;
}

static struct replica_ports ports_of(struct engine *engine)
{
    bool is_traced = engine->step_trace != NULL;
    struct replica_ports ports = {
        .context = engine,
        .send_peer = send_peer,
        .append_log = append_log,
        .read_log = read_log,
        .answer = answer,
        .trace = trace,
        .begun = is_traced ? step_begun : NULL,
        .stepped = is_traced ? stepped : NULL,
    };
    return ports;
}

/* ---- one turn: take in what is there, then let the replica act on all of it ---- */

static void fail_disk(struct engine *engine, const char *sentence)
{
    log_line(LOG_LEVEL_ERROR, "event=disk_failed");
    log_sentence("%s", sentence);
    engine->exit_code = ENGINE_EXIT_DISK_FAILED;
}

static void note_room(struct engine *engine, bool has_room)
{
    log_line(has_room ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
             has_room ? "event=disk_has_room" : "event=disk_full");
    replica_on_room(engine->replica, has_room);
}

static void take_slice(struct engine *engine, struct wal_completion *completion)
{
    bool is_read = completion->status == WAL_OK;
    if (!is_read) {
        log_line(LOG_LEVEL_WARN, "event=log_not_read cookie=%llu",
                 (unsigned long long)completion->cookie);
    }
    replica_on_slice(engine->replica, completion->cookie,
                     is_read ? &completion->slice : NULL, clock_now_ms());
    wal_slice_fini(&completion->slice);
}

static void take_completion(struct engine *engine, struct wal_completion *completion)
{
    struct replica *replica = engine->replica;
    switch ((enum wal_completion_kind)completion->kind) {
    case WAL_COMPLETION_DURABLE:
        replica_on_durable(replica, completion->token, completion->block,
                           completion->sync_us, clock_now_ms());
        break;
    case WAL_COMPLETION_SLICE:
        take_slice(engine, completion);
        break;
    case WAL_COMPLETION_ROOM:
        note_room(engine, completion->has_room);
        break;
    case WAL_COMPLETION_SLOW:
        replica_on_disk_slow(replica, completion->sync_us, clock_now_ms());
        break;
    case WAL_COMPLETION_FAILED:
        fail_disk(engine, completion->sentence);
        break;
    }
}

/* Each drains a socket that has news; DRAIN_MAX items, and the rest in the next turn. */
static void drain_log(struct engine *engine)
{
    struct wal_completion completion = {0};
    for (int i = 0; i < DRAIN_MAX && engine->exit_code == ENGINE_EXIT_OK; i++) {
        if (!wal_thread_receive(engine->wal_thread, &completion)) {
            return;
        }
        take_completion(engine, &completion);
    }
    poll_set_ask(&engine->input.set, engine->input.log);
}

static void drain_frames(struct engine *engine)
{
    uint64_t now_ms = clock_now_ms();
    struct cs_view frame = {0};
    for (int i = 0; i < DRAIN_MAX; i++) {
        if (!peers_receive(engine->peers, &frame)) {
            return;
        }
        replica_on_frame(engine->replica, frame, now_ms);
    }
    poll_set_ask(&engine->input.set, engine->input.frames);
}

/* Once in a life: such frames come many times a second. */
static void tell_other_release(struct engine *engine)
{
    const char *why = replica_other_release(engine->replica);
    if (why == NULL || engine->has_told_release) {
        return;
    }
    engine->has_told_release = true;
    log_line(LOG_LEVEL_WARN, "event=frames_refused reason=other_release");
    log_sentence(REPLICA_OTHER_RELEASE, why);
}

static void drain_lost(struct engine *engine)
{
    uint32_t seat = 0;
    while (peers_receive_lost(engine->peers, &seat)) {
        log_line(LOG_LEVEL_INFO, "event=peer_lost peer=%s", engine->seat_names[seat]);
        replica_on_peer_lost(engine->replica, seat, clock_now_ms());
    }
}

static void drain_requests(struct engine *engine)
{
    uint64_t now_ms = clock_now_ms();
    uint64_t client = 0;
    struct cs_view request = {0};
    for (int i = 0; i < DRAIN_MAX; i++) {
        if (!handoff_receive(engine->handoff, &client, &request)) {
            return;
        }
        replica_on_request(engine->replica, client, request, now_ms);
    }
    poll_set_ask(&engine->input.set, engine->input.handoff);
}

static void
take_client_request(void *context, uint64_t client, const struct request *request)
{
    struct engine *engine = context;
    replica_take_request(engine->replica, client, request, clock_now_ms());
}

static void drain_port(struct engine *engine)
{
    struct port_taker taker = {.context = engine, .take = take_client_request};
    uint32_t taken = 0;
    while (taken < DRAIN_MAX) {
        uint32_t count = port_receive(engine->port, &taker);
        if (count == 0) {
            return;
        }
        taken += count;
    }
    poll_set_ask(&engine->input.set, engine->input.port);
}

static bool has_lost_peers(const struct engine_input *input)
{
    for (uint32_t i = 0; i < input->monitor_count; i++) {
        if (poll_set_is_ready(&input->set, input->first_monitor + i)) {
            return true;
        }
    }
    return false;
}

static void take_in(struct engine *engine)
{
    const struct engine_input *input = &engine->input;
    // Durable tokens first: they free the window.
    if (poll_set_is_ready(&input->set, input->log) ||
        wal_thread_is_slow(engine->wal_thread)) {
        drain_log(engine);
    }
    if (engine->exit_code != ENGINE_EXIT_OK) {
        return;
    }
    if (engine->peers != NULL && poll_set_is_ready(&input->set, input->frames)) {
        drain_frames(engine);
        tell_other_release(engine);
    }
    if (has_lost_peers(input)) {
        drain_lost(engine);
    }
    if (poll_set_is_ready(&input->set, input->handoff)) {
        drain_requests(engine);
    }
    if (engine->port != NULL && poll_set_is_ready(&input->set, input->port)) {
        drain_port(engine);
    }
    if (engine->port != NULL && poll_set_is_ready(&input->set, input->door)) {
        port_watch_door(engine->port);
    }
}

static void wait_for_input(struct engine *engine)
{
    uint64_t now_ms = clock_now_ms();
    uint64_t next_ms = replica_next_tick_ms(engine->replica);
    uint64_t wait_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    poll_set_wait(&engine->input.set, wait_ms < POLL_MAX_MS ? wait_ms : POLL_MAX_MS);
}

static void turn(struct engine *engine)
{
    struct replica *replica = engine->replica;
    wait_for_input(engine);
    take_in(engine);
    if (engine->exit_code != ENGINE_EXIT_OK) {
        return; // after a failed write nothing more is acknowledged (I22)
    }
    uint64_t now_ms = clock_now_ms();
    if (now_ms >= replica_next_tick_ms(replica)) {
        replica_on_tick(replica, now_ms);
    }
    replica_flush(replica, now_ms);
}

static void say_halt(struct engine *engine)
{
    char sentence[HALT_TEXT_BYTES];
    boot_explain_halt(engine, sentence, sizeof sentence);
    log_line(LOG_LEVEL_ERROR, "event=halt reason=%s",
             paxos_halt_name(replica_halt(engine->replica)));
    log_sentence("%s", sentence);
    engine->exit_code = ENGINE_EXIT_DAMAGED;
}

/*
 * Called once stopping is asked for: hands leadership over; true when nothing is left
 * to do.
 */
static bool may_end(struct engine *engine, uint64_t *stop_at_ms)
{
    uint64_t now_ms = clock_now_ms();
    if (*stop_at_ms == 0) {
        uint64_t count = 0;
        ssize_t taken = read(engine->wake_fd, &count, sizeof count);
        (void)taken; // nothing to take: only the flag counts
        *stop_at_ms = now_ms + STOP_PATIENCE_MS;
        replica_stop(engine->replica, now_ms);
    }
    return replica_is_drained(engine->replica) || now_ms >= *stop_at_ms;
}

static void listen_to_all(struct engine *engine)
{
    struct engine_input *input = &engine->input;
    (void)poll_set_add_descriptor(&input->set, engine->wake_fd);
    input->log = poll_set_add_socket(&input->set, wal_thread_socket(engine->wal_thread));
    input->handoff =
        poll_set_add_socket(&input->set, handoff_server_socket(engine->handoff));
    if (engine->port != NULL) {
        input->port = poll_set_add_socket(&input->set, port_socket(engine->port));
        input->door = poll_set_add_socket(&input->set, port_door_socket(engine->port));
    }
    if (engine->peers == NULL) {
        return;
    }
    void *sockets[PEERS_SOCKETS_MAX] = {0};
    input->monitor_count = peers_sockets(engine->peers, sockets) - 1;
    input->frames = poll_set_add_socket(&input->set, sockets[0]);
    input->first_monitor = input->frames + 1;
    for (uint32_t i = 0; i < input->monitor_count; i++) {
        (void)poll_set_add_socket(&input->set, sockets[i + 1]);
    }
}

static void *run(void *context)
{
    struct engine *engine = context;
    uint64_t stop_at_ms = 0;
    listen_to_all(engine);
    replica_on_tick(engine->replica, clock_now_ms());
    while (engine->exit_code == ENGINE_EXIT_OK) {
        if (replica_halt(engine->replica) != PAXOS_HALT_NONE) {
            say_halt(engine);
        } else if (atomic_load(&engine->is_asked_to_stop) &&
                   may_end(engine, &stop_at_ms)) {
            break;
        } else {
            turn(engine);
        }
    }
    return NULL;
}
