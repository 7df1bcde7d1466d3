/*
 * parts.h - the state of a replica and the borders between the files of this folder.
 *
 * Files, in the order of the flow: replica.c (what comes in), writes.c (own clients'
 * writes: queue, proposals), forward.c (between nodes), settle.c (after a leader's end),
 * queries.c, effects.c (what a step asks for, in the legal order), serve.c (slots for
 * peers), mend.c (slots lost on disk, catching up), apply.c (decided slots to the state
 * machine), answers.c and sentences.c (what a client is told), status.c (/-/status).
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_PARTS_H
#define CONSENS_ENGINE_PARTS_H

#include "base/buggify.h"
#include "base/marks.h"
#include "engine/batch.h"
#include "engine/bodies.h"
#include "engine/replica.h"
#include "engine/waiters.h"
#include "wire/peer_message.h"

#define NO_SEAT ((uint32_t)PAXOS_MEMBERS_MAX)

enum {
    HELD_FRAMES_MAX =
        1024, // frames waiting for a sync; past it they are lost, as frames may be
    LOG_READS_MAX =
        4, // slices under way for peers; further Fetches are dropped: they repeat
    STARTING_GRACE_MS =
        1000, // after start, requests wait for a quorum to be heard at all
    DEADLINE_MAX_MS = 3600 * 1000, // of one request
    OTHER_RELEASE_MS = 10 * 1000,  // so long status warns of its last frame
    NOTE_EVERY_MS =
        10 * 1000, // watermarks of peers reach the log this often at most (G3)
};

struct held_frame { // waits for `token` to be durable
    uint64_t token;
    uint32_t seat;
    struct cs_buffer bytes;
};

struct held_frames {         // ring; tokens never fall from first to last
    struct held_frame *ring; // HELD_FRAMES_MAX
    uint32_t first;
    uint32_t count;
};

struct log_read {    // a Fetch being served from disk
    uint64_t cookie; // 0: free
    uint32_t to;
    struct paxos_ballot ballot;
    cs_slot first;
    cs_slot last;
    cs_slot decided; // then: what is read later may hold slots that were replaced since
    bool for_repair; // say so if it is lost here
};

struct origin_seen { // newest FORWARD seen of a seat
    uint64_t boot;
    uint64_t sequence;
};

struct forwarding {
    uint64_t sequence;          // of the newest FORWARD sent
    struct paxos_ballot ballot; // it named
    uint64_t hold_until_ms;     // that leadership refused: do not ask it before
    struct paxos_ballot
        foreign_ballot; // under which the foreign items in the queue were taken
    struct origin_seen seen[PAXOS_MEMBERS_MAX];
};

struct settling {                 // settle.c
    struct paxos_ballot accepted; // view.accepted,
    cs_slot accepted_length;      // and how long the log was when it became so
    struct paxos_ballot settled;  // writes handed on under smaller ballots are certain
    bool is_news;                 // `settled` rose in this step
    struct paxos_ballot leader;   // view.leader when open_count was taken
    uint32_t open_count;          // writes handed on under other ballots than that
    uint64_t ask_at_ms;           // for a slot that settles them
};

struct mend {               // mend.c
    struct wal_fault fault; // slots asked for now; first = 0: none
    uint32_t seat;          // asked last
    uint64_t asked_ms;
    uint32_t lacking; // mask of seats: they said that they have no copy
    uint32_t sweeps;  // how often all of them said so
    uint64_t halt_ms; // after enough of those
    uint64_t cookie;  // of the read of the log under way; 0: none
    bool is_behind_told;
    uint64_t noted_ms; // watermarks last written
    struct paxos_watermark noted[PAXOS_MEMBERS_MAX];
};

/* How old the state may be: what local reads and status say (answers_lag_ms). */
struct freshness {
    bool is_told;  // a leader said at told_ms that all up to `told` is decided
    bool is_known; // at fresh_ms the state had all that a leader then called decided
    cs_slot told;
    uint64_t told_ms;
    uint64_t fresh_ms;
};

struct replica {
    struct replica_settings settings;
    struct replica_ports ports;
    void *core_memory;
    struct paxos_core *core;
    struct paxos_view view;       // after the last step
    struct paxos_effects effects; // of the last step
    struct kv *kv;
    struct bodies bodies;
    cs_slot applied;

    uint64_t now_ms; // of the call being served
    uint64_t started_ms;
    struct freshness freshness;
    struct paxos_ballot promised_at_boot;
    uint32_t halt; // enum paxos_halt; once set nothing more is sent
    uint32_t halt_peer;
    enum wire_status other_release; // why such a frame was refused last; WIRE_OK: none
    uint64_t other_release_ms;
    bool has_ticked;
    bool has_room;
    bool is_stopping;

    struct waiters waiters;
    struct waiter_list reads_new;
    struct waiter_list reads_asked;     // read_id never falls
    struct waiter_list reads_confirmed; // slot never falls
    struct write_queue writes;
    struct forwarding forwarding;
    struct settling settling;
    uint32_t barrier_seats; // nodes that want a slot, whatever is in it
    struct held_frames held;
    struct log_read log_reads[LOG_READS_MAX];
    uint64_t last_cookie;
    struct mend mend;
    struct replica_stats stats;

    // scratch, so that nothing large lies on the stack
    struct batch_builder builder;
    struct paxos_entry *entries; // ring_entries, or LIMIT_MESSAGE_ENTRIES if more
    struct cs_view *payloads;    // as many
    struct wire_frame frame;
    struct wire_refused refused;
    struct cs_buffer frame_bytes;
    struct cs_buffer record_bytes;
    struct cs_buffer command_bytes;
    struct cs_buffer text;
};

/* ---- effects.c ---- */
/*
 * One event through the core, and everything it asks for. `payloads` of the event's
 * entries.
 */
void effects_step(struct replica *replica,
                  const struct paxos_event *event,
                  const struct cs_view *payloads);
/* Frames whose token is durable by now go out. */
void effects_release_held(struct replica *replica);
void effects_send_message(struct replica *replica,
                          const struct paxos_message *message,
                          const struct paxos_entry *entries,
                          const struct cs_view *payloads);

/* ---- serve.c ---- */
void serve_fetch(struct replica *replica, const struct paxos_serve *serve);
void serve_slice(struct replica *replica, uint64_t cookie, const struct wal_slice *slice);

/* ---- mend.c ---- */
/* The state machine waits for slots that are not in memory. */
bool mend_is_behind(const struct replica *replica);
/* A read of the log has met these. */
void mend_begin(struct replica *replica, const struct wal_fault *fault);
/* Entries without a ballot from a member. */
void mend_receive(struct replica *replica,
                  const struct paxos_message *message,
                  const struct cs_view *payloads);
/* False: not for us. */
bool mend_take_slice(struct replica *replica,
                     uint64_t cookie,
                     const struct wal_slice *slice);
/* Reads on where the state machine is behind, unless it waits for a repair. */
void mend_go_on(struct replica *replica);
void mend_tick(struct replica *replica);
/* What peers have shown of themselves reaches the log, now and then (G3). */
void mend_note_watermarks(struct replica *replica);

/* ---- apply.c ---- */
void apply_decided(struct replica *replica, cs_slot decided);
/* False: the payload cannot be decoded. */
/* A decided payload does not decode: what it would do is not guessed. */
void apply_halt(struct replica *replica);
bool apply_entry(struct replica *replica,
                 const struct paxos_entry *entry,
                 struct cs_view payload);

/* ---- writes.c ---- */
void writes_add(struct replica *replica, uint64_t client, const struct request *request);
void writes_flush(struct replica *replica);
void writes_finish(struct replica *replica,
                   const struct command_origin *origin,
                   const struct kv_result *result);
/* Preparing or leading: the ballot is view.promised. */
bool writes_is_candidate(const struct replica *replica);
/* What a full disk refuses: all but deletes, and what comes before them. */
bool writes_needs_room(const struct command *command);

/* ---- forward.c ---- */
void forward_pending(struct replica *replica);
void forward_receive(struct replica *replica, const struct wire_forward *forward);
void forward_receive_refusal(struct replica *replica, const struct wire_refused *refused);
/*
 * Foreign items taken under a leadership that is over, or all of them: back to their
 * nodes.
 */
void forward_refuse_orphans(struct replica *replica);
void forward_refuse_all(struct replica *replica);
/* Asks the leader for a slot without commands. False: none can be asked now. */
bool forward_ask_barrier(struct replica *replica);

/* ---- settle.c ---- */
/* After a step, before its decided slots are applied. */
void settle_note_step(struct replica *replica,
                      const struct paxos_event *event,
                      cs_slot decided_before);
/* After they are applied: what is certainly not applied waits in the queue again. */
void settle_answer(struct replica *replica);
/* A write was handed on under this ballot (its state says how), or is no longer. */
void settle_add(struct replica *replica,
                struct waiter *waiter,
                struct paxos_ballot ballot);
void settle_forget(struct replica *replica, const struct waiter *waiter);
void settle_flush(struct replica *replica);

/* ---- queries.c ---- */
void queries_add(struct replica *replica, uint64_t client, const struct request *request);
void queries_flush(struct replica *replica);
/* The number that the reads just asked for have got. */
void queries_note_id(struct replica *replica, uint64_t read_id);
/* Confirmed up to this id at this slot. */
void queries_confirm(struct replica *replica, uint64_t read_id, cs_slot slot);
/* Answers what the applied state allows. */
void queries_answer(struct replica *replica);

/* ---- answers.c ---- */
void answers_send(struct replica *replica, uint64_t client, struct reply *reply);
void answers_refuse(struct replica *replica,
                    uint64_t client,
                    uint64_t ticket,
                    enum cs_status status);
void answers_item(struct replica *replica,
                  uint64_t client,
                  const struct request *request);
/* These answer a waiter and take it out of everything it is in. */
void answers_finish(struct replica *replica, struct waiter *waiter, struct reply *reply);
void answers_finish_item(struct replica *replica, struct waiter *waiter);
void answers_finish_error(struct replica *replica,
                          struct waiter *waiter,
                          enum cs_status status);
void answers_expire(struct replica *replica);
/* Neither a quorum nor a leader was heard lately, and the start is long enough ago. */
bool answers_quorum_is_missing(const struct replica *replica);
uint64_t answers_lag_ms(const struct replica *replica);

/* ---- sentences.c ---- */
/*
 * What happened, why, what to do; in replica->text, valid until the next call. `waiter`
 * or NULL.
 */
struct cs_view
sentence_for(struct replica *replica, enum cs_status status, const struct waiter *waiter);
/* The node's name. */
const char *sentence_own_name(const struct replica *replica);
void sentence_append(struct cs_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Appends the names of seats not in view.heard_mask: "n2, n3". Returns how many. */
uint32_t sentence_name_unheard(const struct replica *replica, struct cs_buffer *out);
/* What is being repaired, in words. False: nothing is, nothing was appended. */
bool sentence_repair(const struct replica *replica, struct cs_buffer *out);
/* "2 of 3 nodes cannot be reached from n1 (no answer from n2, n3); ..." */
void sentence_no_quorum(const struct replica *replica, struct cs_buffer *out);

/* ---- status.c ---- */
void status_answer(struct replica *replica, uint64_t client, uint64_t ticket);
void status_answer_ready(struct replica *replica, uint64_t client, uint64_t ticket);

/* ---- quick comparisons ---- */
static inline bool ballot_is(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right) == 0;
}

#endif
