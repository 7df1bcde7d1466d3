/*
 * replica.h - one node without its sockets, disk and clock: core, bodies of entries,
 * state machine, waiting clients. Deterministic; the server's loop and the simulator
 * drive the same code.
 *
 * It carries out the effects of the core in the one legal order
 * (include/consens/paxos.h), batches what arrives while the core cannot take more
 * (natural batching), forwards writes to the leader, answers each client exactly once.
 *
 *   in:  client requests, peer frames, durable tokens, slices of the log, time
 *   out: struct replica_ports
 *
 * What a client is told (PRODUCT 3): a write is answered from this node's apply; refused
 * with 503 or 429 only while it is certain that it is not and will not be applied; 504 at
 * its deadline otherwise. A read is answered at a confirmed slot, or 503 (reads change
 * nothing).
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_REPLICA_H
#define CONSENS_ENGINE_REPLICA_H

#include "base/bytes.h"
#include "kv/kv.h"
#include "wal/wal.h"
#include "wire/request.h"

#include <consens/paxos.h>

struct replica;

/* All called from within replica_* calls. Bytes are valid during the call only. */
struct replica_ports {
    void *context;
    // Who watches each step of the core, or NULL. Before anything of it is carried out.
    void (*begun)(void *context,
                  const struct paxos_settings *settings,
                  const struct paxos_recovered *recovered,
                  const struct paxos_core *core);
    void (*stepped)(void *context,
                    const struct paxos_core *core,
                    const struct paxos_event *event,
                    const struct paxos_effects *effects,
                    const struct paxos_view *view);
    void (*send_peer)(void *context, uint32_t seat, struct cs_view frame); // may lose it
    void (*append_log)(void *context,
                       struct cs_view records); // durable later: replica_on_durable
    void (*read_log)(void *context,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie);
    void (*answer)(void *context, uint64_t client, const struct reply *reply);
    void (*trace)(void *context, const struct paxos_trace *trace);
};

enum replica_log_io { REPLICA_IO_UNKNOWN = 0, REPLICA_IO_DIRECT, REPLICA_IO_BUFFERED };

struct replica_settings {
    struct paxos_settings core;
    const char *const *seat_names; // member_count of them; live as long as the replica
    const char *cluster_name;      // for status; NULL: none
    uint32_t durability;           // enum wal_durability, for status answers
    uint32_t log_io;               // enum replica_log_io, for status answers
    uint32_t requests_waiting_max; // past it: 429
    uint64_t request_bytes_waiting_max;
    uint32_t batch_commands_max;
    uint64_t batch_bytes_max;     // at most LIMIT_ENTRY_BYTES
    uint32_t slots_in_flight_max; // proposed, not decided; 0: the core's window alone
    uint64_t sessions_max;        // of the state machine; 0: LIMIT_SESSIONS
    uint64_t session_idle_ms;     // ... and with it this one
    const char *version;          // for status
};

struct replica_stats {
    uint64_t writes_applied;
    uint64_t batches_applied;
    uint64_t reads_answered;
    uint64_t requests_refused;
    uint64_t frames_dropped; // malformed, wrong digest, wrong address
    uint32_t requests_waiting;
    uint64_t slots_repaired; // decided ones, lost on disk and written anew
};

/*
 * `recovered` from wal_open, read during the call only. Then replica_replay, then a
 * tick.
 */
struct replica *replica_new(const struct replica_settings *settings,
                            const struct replica_ports *ports,
                            const struct paxos_recovered *recovered);
void replica_destroy(struct replica **replica);

/*
 * Start-up: an entry of the own log. Decided ones (<= recovered.decided) are applied;
 * those above `recovered.base` are kept as bodies. All slots 1..length are given, in
 * order; those lost on disk are passed by: replica_replay_past(). False: the payload
 * cannot be decoded (it was damaged before it was written, or a newer release wrote it).
 */
bool replica_replay(struct replica *replica,
                    const struct paxos_entry *entry,
                    struct cs_view payload);

/* Start-up: these slots are lost. Answers the slot to go on with. */
cs_slot replica_replay_past(struct replica *replica, const struct wal_fault *fault);

void replica_on_tick(struct replica *replica, uint64_t now_ms);
void replica_on_frame(struct replica *replica, struct cs_view bytes, uint64_t now_ms);
void replica_on_durable(struct replica *replica,
                        uint64_t token,
                        uint64_t block,
                        uint64_t sync_us,
                        uint64_t now_ms);
void replica_on_slice(struct replica *replica,
                      uint64_t cookie,
                      const struct wal_slice *slice,
                      uint64_t now_ms); // NULL: could not be read
void replica_on_request(struct replica *replica,
                        uint64_t client,
                        struct cs_view bytes,
                        uint64_t now_ms);
/* One that is decoded; a write's command is bytes of command_pack(). */
void replica_take_request(struct replica *replica,
                          uint64_t client,
                          const struct request *request,
                          uint64_t now_ms);
void replica_on_peer_lost(struct replica *replica, uint32_t seat, uint64_t now_ms);
void replica_on_room(struct replica *replica, bool has_room);
void replica_on_disk_slow(struct replica *replica, uint64_t sync_us, uint64_t now_ms);
/* Hands leadership over, refuses new requests with 503 stopping. */
void replica_stop(struct replica *replica, uint64_t now_ms);

/*
 * End of a turn: everything that arrived in this turn is now batched, proposed,
 * forwarded, read.
 */
void replica_flush(struct replica *replica, uint64_t now_ms);

/* Nobody waits, and no leadership is left to hand to a node that is heard. */
bool replica_is_drained(const struct replica *replica);

uint64_t replica_next_tick_ms(const struct replica *replica);
/*
 * Lately a frame was refused because its sender runs a release that this one does not
 * understand: why, in words; such a frame does not say whose it is. NULL: none.
 */
const char *replica_other_release(const struct replica *replica);
/* What log and status make of it; %s: why. */
#define REPLICA_OTHER_RELEASE                                                            \
    "messages of another node are refused: %s. Run one release on all nodes"
uint32_t replica_halt(const struct replica *replica); // enum paxos_halt
uint32_t replica_halt_peer(const struct replica *replica);
/* The slots of PAXOS_HALT_LOST, or those being repaired; 0 to 0: none. */
void replica_lost_slots(const struct replica *replica,
                        cs_slot *out_first,
                        cs_slot *out_last);
struct paxos_view replica_view(const struct replica *replica);
cs_slot replica_applied(const struct replica *replica);
const struct kv *replica_state(const struct replica *replica);
const struct paxos_core *replica_core(const struct replica *replica);
struct replica_stats replica_stats_of(const struct replica *replica);

#endif
