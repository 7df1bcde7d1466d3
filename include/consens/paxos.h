/*
 * consens/paxos.h - Multi-Paxos in log form, as a pure function.
 *
 * A core is a value: paxos_step() takes the core and one event and answers with
 * effects. It reads no clock, disk, socket or random source, allocates nothing and
 * calls nothing but mem* (and the CHECK handler). The same code runs in the server, in
 * the simulator and in models.
 *
 * It is ONE replica of one group. It knows entries by identity only (slot, log time,
 * digest, chain): the bytes of an entry stay with the caller.
 *
 * The caller's duties, as law. After every paxos_step(), in this order:
 *   1. BODIES   keep the payloads of the event's entries taken_first ..
 *               taken_first + taken_count - 1: the core now refers to them. Payloads of
 *               slots <= paxos_view().base may go.
 *   2. PERSIST  if persist.kind is not NONE: append the record to the log, in order of
 *               tokens. When it is durable, and all before it, step
 *               PAXOS_EVENT_PERSISTED with its token (one event may stand for all tokens
 *               up to it).
 *   3. SEND     messages_now at any time from here on. messages_after_sync only once the
 *               token named beside them is durable. Messages may be lost, doubled,
 *               reordered.
 *   4. APPLY    entries up to `decided`, in slot order, each once.
 *   5. ANSWER   reads up to read_ready_id once applied >= read_ready_slot.
 *   6. SERVE    if serve.wanted: send the named log slots as PAXOS_ENTRIES
 *               (paxos_stamp()).
 *   7. HALT     if halt is not NONE: send nothing more, say why, end the process.
 *
 * Sources: PAXOS rules E*, P*, A*, C8, G* (src/paxos/README.md carries those
 * implemented); Lamport, "Paxos Made Simple"; Liskov & Cowling, "Viewstamped
 * Replication Revisited"; Ng et al., "Omni-Paxos" (EuroSys 2023), sections 4 (log form)
 * and 5 (leader election).
 *
 * Thread: any one at a time; a core belongs to its caller's thread.
 */
#ifndef CONSENS_PAXOS_H
#define CONSENS_PAXOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ------------------------------------------------------------------------ */

enum {
    PAXOS_MEMBERS_MAX = 7, // seats of one group; five is the largest cluster we advise
    PAXOS_MESSAGES_MAX =
        64, // of one array of one step: 7 peers x (4 chunks + heartbeat ...)
    PAXOS_TRACES_MAX = 16, // of one step
};

/* ---- identity ---------------------------------------------------------------------- */

typedef uint64_t cs_slot; // position in the log, from 1; 0 means "none"

struct paxos_id { // 128 random bits; all zero means "none"
    uint64_t high;
    uint64_t low;
};

struct paxos_digest { // XXH3-128
    uint64_t high;
    uint64_t low;
};

struct paxos_ballot { // ordered left to right; all zero means "none". One proposer each.
    uint32_t epoch;
    uint32_t round;
    uint32_t node;
};

enum paxos_entry_type {
    PAXOS_ENTRY_BATCH =
        1, // client commands. STOP = 2 and STABLE = 3 come with membership.
};

/*
 * An entry's identity. chain(slot) = XXH3-128 over chain(slot-1), slot, type, time and
 * digest; it does not depend on the ballot, so it is equal on all nodes for decided
 * slots.
 */
struct paxos_entry {
    cs_slot slot;
    uint64_t time_ms; // log time; never falls along the log
    uint32_t payload_bytes;
    uint32_t type;              // enum paxos_entry_type
    struct paxos_digest digest; // of the payload; computed by the caller
    struct paxos_digest chain;  // filled in by the core; ignored in entries of events
};

/*
 * The group. A seat is a position in the sorted list of configured names,
 * 0..member_count-1. A member is (seat, incarnation) with a node number never used
 * again (epoch 1: seat + 1).
 */
struct paxos_config {
    struct paxos_id cluster_id; // none: this node has no past (C8)
    uint32_t epoch;             // 1 once formed
    uint32_t member_count;
    uint32_t started; // 1 once START is durable: only then may it vote (C8)
    uint32_t unused;
    uint32_t node[PAXOS_MEMBERS_MAX];               // by seat
    struct paxos_id incarnation[PAXOS_MEMBERS_MAX]; // by seat
};

struct paxos_watermark { // the most a peer has shown of itself (G2)
    uint64_t boot;
    uint64_t block; // write-ahead-log block number
    struct paxos_ballot promised;
    uint32_t unused;
};

/* ---- messages between cores -------------------------------------------------------- */

enum paxos_message_type {
    PAXOS_HELLO = 1, // identity gate and first boot (2.12, C8)
    PAXOS_HELLO_REPLY,
    PAXOS_FORM, // C8: the first seat's Config to a node without a past
    PAXOS_FORM_REPLY,
    PAXOS_START,
    PAXOS_HEARTBEAT, // HbReq
    PAXOS_HEARTBEAT_REPLY,
    PAXOS_PREPARE,
    PAXOS_PROMISE,
    PAXOS_NACK,
    PAXOS_PREPARE_REQUEST,
    PAXOS_ACCEPT_SYNC,
    PAXOS_ACCEPT,
    PAXOS_ACCEPTED,
    PAXOS_ROUND_ACK,  // RrAck
    PAXOS_READ,       // ReadReq
    PAXOS_READ_REPLY, // ReadAck
    PAXOS_FETCH,
    PAXOS_ENTRIES,
    PAXOS_HANDOVER,
    PAXOS_MESSAGE_TYPES,
};

struct paxos_hello {             // a relayed Hello keeps its author (G2: one relay)
    uint32_t author;             // seat whose Hello this is
    uint32_t relayed;            // 1: passed on by header.from
    struct paxos_id incarnation; // the author's
    struct paxos_id cluster_id;  // the author's; none if it has no past
    uint64_t boot;
    uint64_t nonce; // of the author's process
    uint64_t block;
    struct paxos_ballot promised;
};

struct paxos_hello_reply {
    uint32_t author; // seat that answers
    uint32_t about;  // seat whose Hello is answered
    struct paxos_id author_incarnation;
    struct paxos_id author_cluster_id;
    uint64_t about_boot;         // echo of the Hello
    uint64_t about_nonce;        // echo of the Hello
    struct paxos_watermark seen; // highest seen of `about`, before this Hello
    uint64_t twin_nonce; // nonce last heard with that boot if another lives; else 0
    struct paxos_id
        known_incarnation; // of `about`'s seat in the author's Config; none: no Config
};

struct paxos_form { // FORM, FORM_REPLY and START
    struct paxos_config config;
    uint64_t nonce; // of the asking (FORM) process, echoed in FORM_REPLY
};

struct paxos_heartbeat {
    uint64_t round;
};

struct paxos_heartbeat_reply {
    uint64_t round;
    struct paxos_ballot my_ballot;
    struct paxos_ballot leader;
    struct paxos_ballot promised;
    cs_slot durable;
    cs_slot decided;                   // durable here
    struct paxos_digest decided_chain; // chain(decided)
    uint64_t block;
    uint32_t happy;
    uint32_t gated;
    uint32_t disk_us; // median of recent syncs; UINT32_MAX: unfit to lead
    uint32_t faulty;  // slots of unknown identity: it does not vote (P5); gated, too
};

struct paxos_prepare {
    cs_slot decided;
    struct paxos_ballot accepted;
    cs_slot length;
};

struct paxos_promise {
    struct paxos_ballot accepted;
    cs_slot length;
    struct paxos_digest length_chain;
    cs_slot decided;
    struct paxos_digest decided_chain;
    uint32_t faulty; // 1: no vote (P5): nothing is said but `decided`
    uint32_t unused;
};

struct paxos_nack {
    struct paxos_ballot promised;
    struct paxos_ballot leader; // hint
};

struct paxos_accept_sync {
    uint64_t stream;
    cs_slot from; // the entries follow this slot
    struct paxos_digest from_chain;
    cs_slot sync_length;            // S_b
    struct paxos_digest sync_chain; // chain(S_b); compared before the flip
    cs_slot decided;
    uint32_t more; // these entries end below S_b: the receiver Fetches the rest
    uint32_t unused;
};

struct paxos_accept {
    uint64_t stream;
    uint64_t sequence; // in its stream, from 1
    cs_slot previous;  // the entries follow this slot
    struct paxos_digest previous_chain;
    cs_slot decided;
    uint64_t read_round;
};

struct paxos_accepted {
    uint64_t stream;
    cs_slot durable;
    uint64_t read_round;
    cs_slot
        decided; // known to the follower; the leader stops repeating Decide when equal
};

struct paxos_round_ack {
    uint64_t read_round;
};

struct paxos_read {   // READ and READ_REPLY
    uint64_t boot;    // of the asker
    uint64_t counter; // of the asker, strictly rising in a boot
    cs_slot index;    // READ_REPLY: answer when applied >= index
};

// Ballot none: decided entries. Else: the log as promised to that ballot.
struct paxos_fetch {
    cs_slot first;
    cs_slot last;
    uint32_t for_repair; // 1: whatever is durable there, decided or not; if there is no
                         // `first`, an answer without entries
    uint32_t unused;
};

struct paxos_entries {
    cs_slot from; // entries follow this slot
    struct paxos_digest from_chain;
    cs_slot decided;
};

struct paxos_handover {
    uint32_t target;
};

/*
 * One message. The header is the same for all; `ballot` is none where a type has none.
 * Entries: incoming messages carry their identities in `entries` (valid during the
 * step); outgoing ones name `entry_count` slots after from/previous, to be read by
 * paxos_entry_at().
 */
struct paxos_message {
    uint32_t type;
    uint32_t from; // seat
    uint32_t to;   // seat
    uint32_t epoch;
    struct paxos_id cluster_id;
    struct paxos_id from_incarnation;
    struct paxos_id to_incarnation;
    uint64_t boot; // of the sender
    struct paxos_ballot ballot;
    uint32_t entry_count;
    const struct paxos_entry *entries;
    union {
        struct paxos_hello hello;
        struct paxos_hello_reply hello_reply;
        struct paxos_form form;
        struct paxos_heartbeat heartbeat;
        struct paxos_heartbeat_reply heartbeat_reply;
        struct paxos_prepare prepare;
        struct paxos_promise promise;
        struct paxos_nack nack;
        struct paxos_accept_sync accept_sync;
        struct paxos_accept accept;
        struct paxos_accepted accepted;
        struct paxos_round_ack round_ack;
        struct paxos_read read;
        struct paxos_fetch fetch;
        struct paxos_entries log;
        struct paxos_handover handover;
    };
};

/* ---- events ------------------------------------------------------------------------ */

enum paxos_event_type {
    PAXOS_EVENT_TICK =
        1, // time has passed; due at paxos_view().next_tick_ms at the latest
    PAXOS_EVENT_MESSAGE,   // `message`: decoded, its frame digest checked
    PAXOS_EVENT_PERSISTED, // `token` and all before are durable; `sync_us` it took
    PAXOS_EVENT_PROPOSE,   // `entry`: payload_bytes, type, digest are set
    PAXOS_EVENT_READ,      // a linearizable read has come; answered through read_ready_id
    PAXOS_EVENT_PEER_LOST, // the connection of seat `peer` closed: a hint, never trusted
    PAXOS_EVENT_DISK_SLOW, // a sync is in flight since `sync_us`
    PAXOS_EVENT_DISK_ROOM, // `has_room`: growing writes fit on the disk, or no longer do
    PAXOS_EVENT_RESIGN,    // hand leadership over if held (SIGTERM); stop competing
    PAXOS_EVENT_BEHIND,    // `is_behind`: the state machine waits for slots that are lost
                           // on disk; the node votes and acks, but must not lead (E5)
};

struct paxos_event {
    uint32_t type;
    uint32_t peer;
    uint64_t now_ms; // monotonic; of every event
    uint64_t token;
    uint64_t block; // PERSISTED: number of the last durable block
    uint64_t sync_us;
    uint32_t has_room;
    struct paxos_entry entry;
    bool is_behind;
    uint32_t waiting_seats; // PROPOSE: mask of seats to tell at once when it is decided
    const struct paxos_message *message;
};

/* ---- effects ----------------------------------------------------------------------- */

enum paxos_persist_kind {
    PAXOS_PERSIST_NONE = 0,
    PAXOS_PERSIST_PROMISE, // `promised` rose; no entries. Superblock too.
    PAXOS_PERSIST_APPEND,  // entries follow the log's end
    PAXOS_PERSIST_SYNC,    // log = its prefix below first_slot + entries, accepted =
                           // promised. One atomic record. Superblock too.
    PAXOS_PERSIST_FETCHED, // decided entries replace what stood at first_slot and after;
                           // `accepted` is unchanged (A8)
    PAXOS_PERSIST_CONFIG,  // paxos_config_of() changed. Superblock too.
    PAXOS_PERSIST_REPAIR, // entries whose bytes the disk had lost, written anew: ballots,
                          // length and chain of the log stay as they are (P5)
    PAXOS_PERSIST_NOTE,   // watermarks only (G3); the caller's own, without a token
};

struct paxos_persist {
    uint32_t kind;
    uint32_t entry_count; // entries first_slot .. first_slot+entry_count-1
    uint64_t token;       // rises by one with each record
    cs_slot first_slot;
    struct paxos_ballot promised; // the state after this record
    struct paxos_ballot accepted;
    cs_slot decided; // hint: may lag, never leads
    cs_slot length;
    struct paxos_digest chain; // chain(length)
};

enum paxos_refusal { // why a proposal was not taken: certainly not proposed
    PAXOS_REFUSED_NOT = 0,
    PAXOS_REFUSED_NOT_LEADER,
    PAXOS_REFUSED_WINDOW_FULL,  // A7
    PAXOS_REFUSED_HANDING_OVER, // E8
};

enum paxos_halt {
    PAXOS_HALT_NONE = 0,
    PAXOS_HALT_DIVERGED,   // two decided prefixes differ
    PAXOS_HALT_AMNESIA,    // this disk went back in time (G2)
    PAXOS_HALT_TWIN,       // two processes live on copies of one directory (G4)
    PAXOS_HALT_WIPED,      // no past here, but the others have one (C8)
    PAXOS_HALT_LOST,       // slots that may have been chosen exist nowhere any more (P4)
    PAXOS_HALT_UNREADABLE, // the caller's: a decided payload does not decode here
};

enum paxos_trace_kind {     // role changes and the like, for logs and scenarios
    PAXOS_TRACE_FORMED = 1, // Config durable here
    PAXOS_TRACE_STARTED,    // START durable here
    PAXOS_TRACE_GATE_OPEN,
    PAXOS_TRACE_TAKE_OVER, // ballot
    PAXOS_TRACE_PROMISED,  // ballot
    PAXOS_TRACE_LEADING,   // ballot, slot = S_b (not yet decided)
    PAXOS_TRACE_STEP_DOWN, // ballot = the one that ended us
    PAXOS_TRACE_SYNCED,    // follower: ballot, slot = length
    PAXOS_TRACE_FETCHED,   // slot = new decided
    PAXOS_TRACE_OVERTAKEN, // proposer gave ballot up (P2, A2)
    PAXOS_TRACE_HANDOVER,  // peer = target
    PAXOS_TRACE_NACKED,    // ballot
    PAXOS_TRACE_FAULTY,    // slot = first of unknown identity: this node does not vote
    PAXOS_TRACE_REPAIRED,  // slot = up to where they are known now
    PAXOS_TRACE_WHOLE,     // slot = length: it votes again
    PAXOS_TRACE_DAMAGED,   // the caller's: slot = first of a decided run lost on disk
};

struct paxos_trace {
    uint32_t kind;
    uint32_t peer;
    struct paxos_ballot ballot;
    cs_slot slot;
};

struct paxos_serve {
    bool wanted;
    uint32_t to;
    struct paxos_ballot ballot; // goes into the ENTRIES message
    uint32_t for_repair; // 1: if the log has lost `first`, send ENTRIES without any
    cs_slot first;
    cs_slot last; // send as many from `first` as fit one message. <= length; or both are
                  // above it, and at most held: on disk only
};

struct paxos_effects {
    struct paxos_persist persist;
    uint32_t taken_first; // range of the event's entries whose payloads are now ours
    uint32_t taken_count;
    uint32_t now_count;
    uint32_t after_sync_count;
    uint64_t after_sync_token; // messages_after_sync wait for this token
    struct paxos_message messages_now[PAXOS_MESSAGES_MAX];
    struct paxos_message messages_after_sync[PAXOS_MESSAGES_MAX];
    cs_slot decided;         // always set
    bool has_entries;        // a member sent decided entries (ENTRIES without a ballot)
    uint64_t read_id;        // READ: the number this read got
    uint64_t read_ready_id;  // reads numbered <= this are confirmed ...
    cs_slot read_ready_slot; // ... at this slot
    cs_slot proposed_slot;   // PROPOSE: 0 if refused
    uint32_t refusal;        // enum paxos_refusal
    uint32_t halt;           // enum paxos_halt
    uint32_t halt_peer;      // seat that showed it
    struct paxos_serve serve;
    uint32_t trace_count;
    struct paxos_trace traces[PAXOS_TRACES_MAX];
};

/* ---- a core ------------------------------------------------------------------------ */

struct paxos_settings {
    uint32_t seat;
    uint32_t member_count;
    struct paxos_id incarnation;      // drawn when the directory was formatted
    struct paxos_id fresh_cluster_id; // random; used if this seat forms the cluster (C8)
    uint64_t boot;                    // durable before init
    uint64_t nonce;                   // random, of this process; never 0
    uint64_t seed;                    // of the jitter generator
    uint64_t now_ms;
    uint32_t heartbeat_ms;      // T_hb, 50
    uint32_t idle_heartbeat_ms; // of a group where nothing happens; 0: as heartbeat_ms
    uint32_t resend_ms;         // 100
    uint32_t stall_ms;          // T_stall, 1,000
    uint32_t read_retry_ms;     // T_qr, 150
    uint32_t window_entries;    // W (A7): slots proposed and not decided; >= 1
    uint64_t window_bytes;      // the same in payload bytes; one entry always fits
    uint32_t ring_entries;    // power of two >= 4 x window_entries: slots kept in memory
    uint64_t ring_bytes;      // payload bytes kept for decided slots in the ring
    uint32_t message_entries; // of one Accept, AcceptSync chunk; >= 1
    uint64_t message_bytes;   // the same in payload bytes; one entry always fits
    const uint64_t *buggify;  // tests only: set of base/buggify.h, the caller's; or NULL
};

/* What recovery found. All zero for a fresh directory. */
struct paxos_recovered {
    struct paxos_config config;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;       // hint; <= length
    cs_slot decided_whole; // of a log with unknown slots: the hint once it is whole again
    cs_slot length;
    uint64_t block; // number of the last durable block with records
    uint64_t token; // last token used; the next record gets token + 1
    cs_slot base;   // tail holds slots base+1 .. length; base < decided,
                    // or 0 if nothing is decided (base's log time is lost)
    struct paxos_digest base_chain;   // chain(base)
    struct paxos_digest length_chain; // chain(length)
    uint32_t tail_count;              // at most ring_entries
    const struct paxos_entry *tail;   // the entries after base that are known, in order,
                                      // with chains. Slots missing among them: their
                                      // identity is unknown (P5); all are > decided
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
};

enum paxos_role {
    PAXOS_FORMING = 1, // no durable START yet (C8)
    PAXOS_GATED,       // 2.12
    PAXOS_FOLLOWER,
    PAXOS_PREPARING,
    PAXOS_LEADER,
};

struct paxos_view {
    uint32_t role;
    uint32_t leader_seat; // PAXOS_MEMBERS_MAX: none known
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    struct paxos_ballot leader;
    cs_slot base; // slots <= base are not in memory; read them from the log
    cs_slot length;
    cs_slot durable;
    cs_slot decided;
    cs_slot sync_length; // leader: S_b
    bool can_propose;    // leader, phase 1 done, window open, not handing over
    bool quorum_heard;   // in the last two heartbeat rounds: directly, self counted, or
                         // through a leader that hears one
    uint32_t heard_mask; // seats heard in those rounds, self included
    bool happy;
    cs_slot faulty_first; // slots of unknown identity, the first run of them; 0: none
    cs_slot faulty_last;
    cs_slot held; // >= length: slots that may be on disk, known here or not
    uint64_t next_tick_ms;
    uint64_t last_token; // of the newest persist record
    uint64_t durable_token;
};

struct paxos_core;

/* Bytes of memory a core with these settings takes. */
size_t paxos_core_bytes(const struct paxos_settings *settings);

/*
 * Whether Config is one of these seats, with this incarnation in the own one (G1).
 * Untrusted: a data directory may be started with another list of nodes than it ran with.
 */
bool paxos_config_fits(const struct paxos_settings *settings,
                       const struct paxos_config *config);

/*
 * Makes a core in `memory` (aligned to 16, paxos_core_bytes() long, owned by the caller
 * for the core's life). `recovered` is read during the call only; its Config fits, or is
 * none. Step a TICK next.
 */
struct paxos_core *paxos_init(void *memory,
                              const struct paxos_settings *settings,
                              const struct paxos_recovered *recovered);

/* One event. `effects` is overwritten. See the law on top. */
void paxos_step(struct paxos_core *core,
                const struct paxos_event *event,
                struct paxos_effects *effects);

struct paxos_view paxos_view_of(const struct paxos_core *core);

/*
 * What another node that leads last called decided, answering a heartbeat, and when that
 * was heard. False: not yet in this life.
 */
bool paxos_leader_told(const struct paxos_core *core,
                       cs_slot *out_decided,
                       uint64_t *out_heard_ms);

/* The entry's identity; slot must be in (base, length]. Valid until the next step. */
const struct paxos_entry *paxos_entry_at(const struct paxos_core *core, cs_slot slot);

/* chain(slot) for slot in [base, length]. */
struct paxos_digest paxos_chain_at(const struct paxos_core *core, cs_slot slot);

/* For the superblock. Valid until the next step. */
const struct paxos_config *paxos_config_of(const struct paxos_core *core);
const struct paxos_watermark *paxos_watermarks_of(const struct paxos_core *core);

/* Fills in type and header of a message the caller sends itself (SERVE). */
void paxos_stamp(const struct paxos_core *core,
                 uint32_t type,
                 uint32_t to,
                 struct paxos_message *out_message);

/* chain(slot) from chain(slot-1). Pure. */
struct paxos_digest paxos_chain_next(struct paxos_digest previous,
                                     const struct paxos_entry *entry);

/* -1, 0 or 1. */
int paxos_ballot_compare(struct paxos_ballot left, struct paxos_ballot right);

/* Sizes of quorums of n voters: every promise quorum meets every accept quorum (1.2). */
uint32_t paxos_quorum_promise(uint32_t member_count);
uint32_t paxos_quorum_accept(uint32_t member_count);

/* Names for logs, tests and status: "PREPARE", "leader", "amnesia", ... Never NULL. */
const char *paxos_message_name(uint32_t type);
const char *paxos_role_name(uint32_t role);
const char *paxos_halt_name(uint32_t halt);
const char *paxos_trace_name(uint32_t kind);

#endif
