/*
 * core.h - the state of one replica, shared by the files of this folder only.
 *
 * Files, in the order of the flow: core.c (events in, effects out), forming.c and
 * gate.c (who may vote), election.c (who leads), acceptor.c (promises and the
 * follower's log), proposer.c (phase 1), leader.c (phase 2), fetch.c (decided entries
 * from peers), repair.c (slots lost on disk), reads.c, log.c (identities of the entries
 * in memory), quorum.c (pure rules), names.c.
 *
 * Thread: the core's caller.
 */
#ifndef CONSENS_PAXOS_CORE_H
#define CONSENS_PAXOS_CORE_H

#include "base/buggify.h"
#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"

#include <consens/paxos.h>

#define NO_SEAT ((uint32_t)PAXOS_MEMBERS_MAX)

enum {
    MARKS_MAX = 64,           // records not yet durable; more share the newest mark
    TAKEOVER_ROUNDS = 2,      // E4: unhappy rounds before taking over
    PROMISE_GRACE_ROUNDS = 2, // P1: rounds a promiser stays happy without a reason
    FAST_ROUNDS = 4,  // rounds shortened at start and when the leader's connection closed
    FAST_DIVISOR = 5, // ... to T_hb / 5
    IDLE_ROUNDS = 8,  // quiet rounds before they become longer
    CHUNKS_PER_STEP = 4,            // messages with entries to one peer in one step
    RESEND_DIVISOR = 2,             // resend timers are looked at twice a resend_ms
    SYNC_SAMPLES = 5,               // E6: syncs remembered
    SLOW_SYNCS = 3,                 // E6: that many slow ones in a row
    DISK_SLOW_FLOOR_US = 50 * 1000, // E6: T_disk is at least 50 ms
    DISK_STUCK_US = 1000 * 1000,    // E6: a sync in flight for 1 s
    HELLO_OPEN_MS = 1000, // an open node still says Hello, so that twins are heard (G4)
    TWIN_ALIVE_MS = 3000, // a nonce heard within this time is alive (G4)
    COOL_DOWN_MS = 1000,  // E5: after resigning
    VAIN_PAUSE_MS = 1000, // E8: after a handover in vain; twice as long each time
    VAIN_PAUSE_MAX_MS = 3000, // within L1: an heir may be fit by now
    ASK_AGAIN_MS = 50,        // PrepareReq at most this often
    HASTE_MS = 5,             // buggify: of what is repeated at once
};

#define SLOT_MAX (UINT64_MAX / 4) // slots beyond are refused, so that sums cannot wrap
// Rounds further above what is known here are refused: elections rise by one (E4).
#define ROUND_LEAP_MAX (UINT32_MAX / 4)

/*
 * One entry in memory. cumulative_bytes counts payloads from the log's start, for
 * windows.
 */
struct slot_record {
    struct paxos_entry entry;
    uint64_t cumulative_bytes;
    uint32_t waiting_seats;
    uint32_t unused;
};

/*
 * The log in memory: slots base+1..length; ring[slot & mask].
 * base <= min(decided, durable) <= length, length - base <= ring_entries.
 */
struct slot_log {
    struct slot_record *ring;
    uint64_t mask;
    cs_slot base;
    struct paxos_digest base_chain;
    uint64_t base_cumulative_bytes;
    uint64_t base_time_ms;
    cs_slot length;
    cs_slot durable;
    cs_slot decided;
};

/*
 * Entries on their way to one atomic SYNC (A2, P3): they follow slot `from` of the own
 * log.
 */
struct staging {
    bool is_active;
    struct paxos_ballot ballot;
    uint64_t stream;
    cs_slot sync_length; // S_b: the flip is due when the staged entries reach it
    struct paxos_digest sync_chain;
    cs_slot decided; // the leader's, for the moment of the flip
    uint64_t fetch_sent_ms;
    cs_slot from;
    struct paxos_digest from_chain;
    uint32_t count;
    struct paxos_entry *entries; // ring_entries of them
};

struct mark { // state that is durable once `token` is
    uint64_t token;
    cs_slot length;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
};

/* What we know of another seat. */
struct peer {
    // identity and gate
    struct paxos_watermark seen;
    struct paxos_id nonce_incarnation; // G4: whose nonces these are
    uint64_t nonce;
    uint64_t nonce_boot;
    uint64_t nonce_heard_ms;
    uint64_t other_nonce; // a second nonce alive under the same boot
    uint64_t other_nonce_heard_ms;
    uint64_t relayed_nonce; // whose Hello we last passed on,
    uint64_t relayed_ms;    // and when
    bool has_met;           // C8: answered our Hello without a past
    struct paxos_id met_incarnation;
    bool has_formed; // C8: said that Config is durable
    bool vouched;    // G2: author of an answer to our Hello
    // election
    bool has_replied;                   // in this round
    struct paxos_heartbeat_reply reply; // the latest
    // phase 1
    bool has_promised;
    struct paxos_promise promise;
    uint64_t prepare_sent_ms;
    // phase 2
    bool is_streaming; // a stream to it is open
    uint64_t stream;
    uint64_t sequence;
    cs_slot next;    // last slot sent
    bool is_sent;    // AcceptSync, in this stream
    bool is_syncing; // it still Fetches entries up to S_b
    cs_slot acked;
    cs_slot flow;   // acked, or where the stream began: what is beyond is on its way
    bool has_acked; // any Accepted in this stream
    uint64_t read_round_acked;
    cs_slot decided_told; // last `decided` sent to it
    uint64_t sent_ms;
    uint64_t progress_ms; // last ack that moved something, or when it began to owe one
};

struct remote_read { // a peer waiting for a read slot
    bool is_waiting;
    uint64_t boot;
    uint64_t counter;
};

struct read_group { // reads that share one round
    bool is_active;
    uint64_t round;
    cs_slot index;
    uint64_t read_id; // own reads numbered <= this
    uint64_t sent_ms;
    struct remote_read remote[PAXOS_MEMBERS_MAX];
};

struct reads {
    uint64_t last_id; // given out
    uint64_t done_id; // confirmed
    uint64_t round;   // leader: rounds sent under this ballot
    struct read_group flying;
    struct read_group open;
    // on other nodes: one request at a time
    bool is_asking;
    uint64_t counter;
    uint64_t asked_id;
    struct paxos_ballot asked_ballot;
    uint64_t asked_ms;
};

enum phase { PHASE_COLLECT = 1, PHASE_FETCH };

struct proposer {
    uint32_t phase;
    struct paxos_ballot ballot;
    uint64_t started_ms;
    uint64_t progress_ms;
    bool own_promise_durable;
    uint32_t best_seat;
    cs_slot sync_length; // S_b
    struct paxos_digest sync_chain;
    uint64_t fetch_sent_ms;
    cs_slot durable_seen; // of the own log: the disk may be what is waited for
    // leading
    uint64_t leading_since_ms;
    uint64_t sync_time_ms; // log time at S_b
    uint64_t stream_counter;
    uint64_t commit_progress_ms;
    uint32_t handover_target; // NO_SEAT: none
    uint64_t handover_until_ms;
    uint64_t handover_sent_ms;
};

struct fetch {
    bool is_active;
    bool is_waiting; // for the own disk, with the next piece
    uint32_t seat;
    cs_slot goal;
    uint64_t sent_ms;
};

struct faulty { // repair.c
    bool is_active;
    bool is_doubted; // what is known may not be the decided log: compare from there on
    cs_slot last;    // slots log.length + 1 .. last are unknown
    cs_slot length;  // of the log that this node has promised with,
    struct paxos_digest length_chain; // and its chain
    cs_slot decided;                  // of it, as was known before slots were lost
    struct paxos_entry *rest;         // known behind `last`, in order; ring_entries
    uint32_t rest_count;
    uint32_t rest_at;
    bool is_told;
    uint32_t seat; // asked last
    uint64_t asked_ms;
    bool is_waiting;  // for the own disk, before anybody is asked again
    uint32_t lacking; // mask: they said that they have no copy
    uint32_t sweeps;  // how often all of them said so
    uint64_t halt_ms; // after enough of those
    // Of a copy that is staged in part:
    uint32_t part_seats;   // mask: who gave pieces of it
    uint32_t part_lacking; // mask: they have nothing that follows it
    uint32_t start_asked;  // mask: asked for all of it, as they know it decided
    uint64_t part_grew_ms;
};

struct follower_stream {
    uint64_t id;
    uint64_t expected;   // sequence
    uint64_t read_round; // highest seen under this ballot
    uint64_t round_acked;
    bool wants_ack;    // say Accepted as soon as it is true
    uint64_t asked_ms; // last PrepareReq
    uint64_t asked_id; // the stream then
};

struct election {
    struct paxos_ballot my_ballot;
    struct paxos_ballot leader;
    bool is_happy;
    uint32_t unhappy_rounds;
    uint32_t grace_rounds;
    uint32_t fast_rounds;
    uint32_t quiet_rounds; // since anything but heartbeats came
    uint64_t round;
    uint64_t round_end_ms;
    uint64_t
        heard_since_ms; // begin of heard_now: it takes a whole round, fast ones or not
    uint32_t heard_now; // masks of seats
    uint32_t heard_last;
    uint32_t heard_before;
    uint64_t leader_heard_ms;
    bool is_told; // a leader has answered in this life, last at told_ms ...
    uint64_t told_ms;
    cs_slot told_decided; // ... and called this much decided
    uint64_t cool_until_ms;
    bool is_resigning;    // SIGTERM: never compete again
    bool has_handed_over; // to one whose stream has not come yet
    uint64_t vain_pause_ms;
    uint64_t vain_until_ms; // no handover for the disk's sake before
    cs_slot lag_decided;    // decided at the last round end, for the lazy Fetch
    uint32_t lag_rounds;
};

struct disk {
    uint64_t samples_us[SYNC_SAMPLES];
    uint32_t sample_count;
    uint64_t in_flight_us;
    uint64_t block;
    bool is_full; // growing writes are refused (507)
};

struct paxos_core {
    struct paxos_settings settings;
    struct paxos_effects *effects; // during a step only
    uint64_t now_ms;
    uint64_t random;
    uint32_t role;
    uint32_t halt;
    uint32_t halt_peer;

    struct paxos_config config;
    bool config_is_durable;
    bool is_start_durable;

    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    struct paxos_ballot promised_durable;
    struct paxos_ballot accepted_durable;
    uint64_t last_token;
    uint64_t durable_token;
    uint64_t promise_token;  // of the record that made `promised` so
    uint64_t accepted_token; // of the record that made `accepted` so
    uint64_t config_token;
    uint64_t form_nonce; // of the FORM that we answer once Config is durable
    struct mark marks[MARKS_MAX];
    uint32_t mark_first;
    uint32_t mark_count;

    struct slot_log log;
    struct faulty faulty;
    bool is_behind;        // the state machine waits for slots lost on disk (E5)
    cs_slot applied_floor; // decided when this step began: slots <= it may leave memory
    struct staging staging;
    struct follower_stream stream;
    struct proposer proposer;
    struct fetch fetch;
    struct reads reads;
    struct election election;
    struct disk disk;
    uint64_t next_resend_ms;
    uint64_t next_hello_ms;
    struct peer peers[PAXOS_MEMBERS_MAX];
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX]; // copy handed to the caller
    struct paxos_message scratch; // where messages beyond PAXOS_MESSAGES_MAX go: lost

    // previous values, for the invariants
    struct paxos_ballot last_promised;
    struct paxos_ballot last_accepted;
    cs_slot last_decided;
};

/* ---- quorum.c: pure rules ---- */
bool ballot_is_none(struct paxos_ballot ballot);
bool ballot_less(struct paxos_ballot left, struct paxos_ballot right);
bool ballot_equal(struct paxos_ballot left, struct paxos_ballot right);
bool id_equal(struct paxos_id left, struct paxos_id right);
bool id_is_none(struct paxos_id id);
bool digest_equal(struct paxos_digest left, struct paxos_digest right);
/* The largest slot that at least `quorum` of `count` slots reach. Sorts `slots`. */
cs_slot quorum_slot(cs_slot *slots, uint32_t count, uint32_t quorum);

/* ---- core.c: helpers of every file ---- */
uint32_t core_quorum_promise(const struct paxos_core *core);
uint32_t core_quorum_accept(const struct paxos_core *core);
uint32_t core_own_node(const struct paxos_core *core);
/* The seat of a ballot's proposer, or NO_SEAT. */
uint32_t core_seat_of(const struct paxos_core *core, struct paxos_ballot ballot);
/* A message to fill in; the header is done. Valid until the step ends. */
struct paxos_message *core_send_now(struct paxos_core *core, uint32_t type, uint32_t to);
struct paxos_message *
core_send_after_sync(struct paxos_core *core, uint32_t type, uint32_t to);
/* Asks the caller to persist; at most one record a step. Takes the next token. */
void core_persist(struct paxos_core *core,
                  uint32_t kind,
                  cs_slot first_slot,
                  uint32_t entry_count);
void core_trace(struct paxos_core *core,
                uint32_t kind,
                uint32_t peer,
                struct paxos_ballot ballot,
                cs_slot slot);
void core_halt(struct paxos_core *core, uint32_t reason, uint32_t peer);
/* The payloads of these entries of the event's message are now referred to. */
void core_take(struct paxos_core *core, uint32_t first, uint32_t count);
uint32_t core_draw(struct paxos_core *core, uint32_t below);

/* ---- log.c ---- */
void log_init(struct slot_log *log,
              struct slot_record *ring,
              uint64_t ring_entries,
              const struct paxos_recovered *recovered);
struct slot_record *log_record(const struct slot_log *log, cs_slot slot);
struct paxos_digest log_chain_at(const struct slot_log *log, cs_slot slot);
uint64_t log_time_at(const struct slot_log *log, cs_slot slot);
/* Payload bytes of slots (from, to]. */
uint64_t log_bytes_between(const struct slot_log *log, cs_slot from, cs_slot to);
void log_append(struct slot_log *log, const struct paxos_entry *entry);
void log_truncate(struct slot_log *log, cs_slot length);
/*
 * Moves base up so that slots to `length` fit, never past `floor`. False: they do not
 * fit.
 */
bool log_make_room(struct slot_log *log, cs_slot length, cs_slot floor);
void log_trim_bytes(struct slot_log *log, uint64_t bytes_max, cs_slot floor);
/* core->log with the floor of this step. */
bool core_make_room(struct paxos_core *core, cs_slot length);
/*
 * What is decided and not on the own disk yet stays in memory, however far that lags: it,
 * and `more_bytes`, must fit into ring_bytes. So a SYNC record fits a block, too
 * (wal/record.c).
 */
bool core_disk_keeps_up(const struct paxos_core *core, uint64_t more_bytes);

/*
 * Entries of a message that follow `from`, walked along the own log.
 *   HELD      the first `held` of them are in the own log (or below its base)
 *   CONFLICT  as HELD, but the next one differs from an own entry at conflict_slot
 *   GAP       `from` is beyond the own log
 *   MISMATCH  chain(from) differs from the own
 *   BELOW     all of it lies below base: nothing can be compared
 */
enum walk_result { WALK_HELD = 1, WALK_CONFLICT, WALK_GAP, WALK_MISMATCH, WALK_BELOW };
struct walk {
    uint32_t result;
    uint32_t held;
    cs_slot conflict_slot; // CONFLICT; MISMATCH: `from`
};
struct walk log_walk(const struct slot_log *log,
                     cs_slot from,
                     struct paxos_digest from_chain,
                     const struct paxos_message *message);

/* ---- staging, in log.c ---- */
/* Staged entries will follow `from`, which stays in memory from here on. */
void core_stage_after(struct paxos_core *core,
                      struct paxos_ballot ballot,
                      cs_slot from,
                      struct paxos_digest from_chain);
cs_slot staging_end(const struct staging *staging);
struct paxos_digest staging_chain(const struct staging *staging);
bool staging_add(struct staging *staging,
                 const struct paxos_entry *entries,
                 uint32_t count,
                 uint64_t capacity);
/*
 * Makes the log the prefix to staging.from plus the staged entries, accepted = ballot,
 * one SYNC record. False: no room, or it would be shorter than the decided prefix;
 * nothing was done but dropping the staging.
 */
bool core_flip(struct paxos_core *core, struct paxos_ballot ballot);
/* chain at a slot of prefix + staged entries; slot must be in [base, staging_end]. */
struct paxos_digest
staging_chain_at(const struct staging *staging, const struct slot_log *log, cs_slot slot);

/* ---- forming.c ---- */
/* Seat 0: the next step of C8, if it is due. */
void forming_tick(struct paxos_core *core);
void forming_resend(struct paxos_core *core);
void forming_receive_form(struct paxos_core *core, const struct paxos_message *message);
void forming_receive_form_reply(struct paxos_core *core,
                                const struct paxos_message *message);
void forming_receive_start(struct paxos_core *core, const struct paxos_message *message);
void forming_persisted(struct paxos_core *core);
void forming_answer_hello(struct paxos_core *core, uint32_t seat);

/* ---- gate.c ---- */
void gate_tick(struct paxos_core *core);
void gate_receive_hello(struct paxos_core *core, const struct paxos_message *message);
void gate_receive_hello_reply(struct paxos_core *core,
                              const struct paxos_message *message);
/* False: the message must be dropped (G1, G4). */
bool gate_admit(struct paxos_core *core, const struct paxos_message *message);
void gate_note(struct paxos_core *core, uint32_t seat, struct paxos_watermark shown);

/* ---- election.c ---- */
void election_tick(struct paxos_core *core);
/* Something happens: rounds are as short as they should be. */
void election_note_activity(struct paxos_core *core);
void election_receive_heartbeat(struct paxos_core *core,
                                const struct paxos_message *message);
void election_receive_reply(struct paxos_core *core, const struct paxos_message *message);
void election_peer_lost(struct paxos_core *core, uint32_t seat);
void election_note_promise(struct paxos_core *core, struct paxos_ballot ballot);
bool election_is_eligible(const struct paxos_core *core);

/* ---- acceptor.c ---- */
void acceptor_receive_prepare(struct paxos_core *core,
                              const struct paxos_message *message);
void acceptor_receive_accept(struct paxos_core *core,
                             const struct paxos_message *message);
void acceptor_persisted(struct paxos_core *core);
/* True if the ballot of a phase 2 message is the promised one; answers otherwise (A9). */
bool acceptor_is_promised(struct paxos_core *core, const struct paxos_message *message);
void acceptor_nack(struct paxos_core *core, const struct paxos_message *message);
void acceptor_note_decided(struct paxos_core *core, cs_slot decided);
/* The message's entries from index `first` on. False: no room in memory, nothing done. */
bool acceptor_append(struct paxos_core *core,
                     const struct paxos_message *message,
                     uint32_t first);
/* Says Accepted if that is true under the promised ballot (A4). */
void acceptor_maybe_ack(struct paxos_core *core);

/* ---- sync.c ---- */
void sync_receive(struct paxos_core *core, const struct paxos_message *message);
void sync_receive_entries(struct paxos_core *core, const struct paxos_message *message);
void sync_tick(struct paxos_core *core);
void acceptor_receive_entries(struct paxos_core *core,
                              const struct paxos_message *message);
void acceptor_tick(struct paxos_core *core);
void acceptor_ask_prepare(struct paxos_core *core, uint32_t seat);

/* ---- proposer.c ---- */
void proposer_take_over(struct paxos_core *core);
void proposer_tick(struct paxos_core *core);
void proposer_persisted(struct paxos_core *core);
void proposer_receive_promise(struct paxos_core *core,
                              const struct paxos_message *message);
void proposer_receive_nack(struct paxos_core *core, const struct paxos_message *message);
void proposer_receive_prepare_request(struct paxos_core *core,
                                      const struct paxos_message *message);
void proposer_receive_entries(struct paxos_core *core,
                              const struct paxos_message *message);
void proposer_send_prepare(struct paxos_core *core, uint32_t seat, bool after_sync);
/* Back to follower; the ballot that ended us is for the trace. */
void proposer_step_down(struct paxos_core *core,
                        struct paxos_ballot because,
                        uint32_t trace_kind);

/* ---- leader.c ---- */
void leader_become(struct paxos_core *core);
void leader_start_stream(struct paxos_core *core, uint32_t seat);
void leader_propose(struct paxos_core *core, const struct paxos_event *event);
void leader_receive_accepted(struct paxos_core *core,
                             const struct paxos_message *message);
void leader_decide(struct paxos_core *core);
void leader_pump(struct paxos_core *core);
void leader_tick(struct paxos_core *core);
void leader_send_decide(struct paxos_core *core, uint32_t seat);
/* An empty Accept under the last sequence number: who has that one answers again (A3), to who has
 * it not it shows a gap. */
void leader_probe(struct paxos_core *core, uint32_t seat);
bool leader_can_propose(const struct paxos_core *core, uint32_t payload_bytes);
void leader_resign(struct paxos_core *core);
/* Another one leads: a handover is no longer in vain. */
void leader_note_heir(struct paxos_core *core);
void leader_receive_handover(struct paxos_core *core,
                             const struct paxos_message *message);
uint64_t disk_median_us(const struct disk *disk);

/* ---- fetch.c ---- */
void fetch_start(struct paxos_core *core, uint32_t seat, cs_slot goal);
void fetch_receive(struct paxos_core *core, const struct paxos_message *message);
void fetch_receive_entries(struct paxos_core *core, const struct paxos_message *message);
void fetch_persisted(struct paxos_core *core);
void fetch_tick(struct paxos_core *core);
/* Installs decided entries of a message (A8). False: nothing could be connected. */
bool fetch_install(struct paxos_core *core,
                   const struct paxos_message *message,
                   cs_slot decided_upto);

/* ---- repair.c ---- */
void repair_init(struct paxos_core *core, const struct paxos_recovered *recovered);
void repair_persisted(struct paxos_core *core);
void repair_tick(struct paxos_core *core);
/* Entries without a ballot, while the log has slots of unknown identity. */
void repair_receive_entries(struct paxos_core *core, const struct paxos_message *message);

/* ---- reads.c ---- */
void reads_add(struct paxos_core *core);
void reads_receive(struct paxos_core *core, const struct paxos_message *message);
void reads_receive_reply(struct paxos_core *core, const struct paxos_message *message);
void reads_receive_round_ack(struct paxos_core *core,
                             const struct paxos_message *message);
void reads_pump(struct paxos_core *core);
void reads_forget_role(struct paxos_core *core);

#endif
