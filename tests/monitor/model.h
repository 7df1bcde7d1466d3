/*
 * model.h - what a monitor believes of its node, and the borders between the files of
 * this folder.
 *
 *   monitor.c    the order of judging; what is said of the state as a whole
 *   log.c        the log: in memory, in records under way, on the disk (2.2)
 *   identity.c   whose messages count; gate, forming, halts (G1-G4, C8)
 *   election.c   heartbeat rounds, happy, take-overs (E0-E8)
 *   acceptor.c   promises, the follower's log (P1, A2, A3, A8, A9)
 *   proposer.c   phase 1 and 2 (P2, P3, P7, A5, A7, A10), what is decided (A5, A6)
 *   reads.c      2.9
 *   claims.c     messages as they are sent: phases 1 and 2 (2.4, 2.5, A1, A4)
 *   answers.c    the rest of them: heartbeats, Hello, reads, Fetch (2.4, 2.5, G2, A8)
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_MONITOR_MODEL_H
#define CONSENS_TESTS_MONITOR_MODEL_H

#include "base/buggify.h"
#include "monitor/monitor.h"

enum { STREAMS_MAX = 8, ASKED_MAX = 32 };

struct model_entry {
    struct paxos_digest chain;
    uint64_t time_ms;
    uint32_t payload_bytes;
};

struct model_log { // slots base .. length are known; of base only the chain
    cs_slot base;
    cs_slot length;
    struct model_entry *entries; // [slot - base]
    size_t capacity;
};

struct
    model_lost { // slots of unknown identity (P5): log.length + 1 to the end of the run
    bool is_active;
    cs_slot length;            // of the log as it was ...
    struct paxos_digest chain; // ... and what it hashes to
    cs_slot decided;           // of it, known once it is whole again
    struct paxos_entry *rest;  // what is known behind the first run, maybe with gaps
    size_t rest_first;
    size_t rest_count; // end of it
    size_t rest_capacity;
};

struct model_record { // handed to the log, not known durable yet
    uint64_t token;
    cs_slot kept; // slots of the log before it that it left as they were
    cs_slot length;
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    bool is_formed;
    bool is_started;
};

struct model_disk { // durable
    uint64_t token;
    uint64_t block;
    cs_slot length; // slots of the log in memory that the disk holds too
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    bool is_formed;
    bool is_started;
};

struct model_records { // queue
    struct model_record *ring;
    size_t first;
    size_t count;
    size_t capacity;
};

struct model_identity {
    uint64_t boots[PAXOS_MEMBERS_MAX];              // highest seen of each seat
    struct paxos_watermark seen[PAXOS_MEMBERS_MAX]; // at least this, past forming (G3)
    struct paxos_watermark asker;                   // of the Hello's author, before it
    uint32_t hello_authors; // mask: voters that answered this life's Hello
    uint32_t formed_seats;  // first seat: mask of those that wrote its Config
};

struct model_election {
    struct paxos_ballot my_ballot; // of this life; none: no take-over yet
    struct paxos_ballot leader;
    struct paxos_ballot highest; // anywhere in any reply
    uint64_t round;              // 0: none begun
    uint32_t heard;              // mask of seats whose reply for this round came
    struct paxos_heartbeat_reply replies[PAXOS_MEMBERS_MAX];
    // A lost connection may end a round unjudged: so counts of rounds are ranges.
    uint32_t unhappy_least; // the last round ends, one after the other, that found it so
    uint32_t unhappy_most;
    uint32_t grace_least; // round ends to come that leave it happy (P1)
    uint32_t grace_most;
    bool is_happy;
    bool was_nacked; // a larger promise answered my_ballot
};

struct model_candidacy { // phase 1 of election.my_ballot
    uint32_t promised;   // mask of seats, own not counted
    uint32_t voted;      // those of them whose logs are whole (P5)
    uint32_t order[PAXOS_MEMBERS_MAX];
    uint32_t count;
    struct paxos_promise firsts[PAXOS_MEMBERS_MAX];   // a promise may be repeated, and
    struct paxos_promise promises[PAXOS_MEMBERS_MAX]; // its node have gone on: the newest
};

struct model_peer { // as its leader sees it
    uint64_t stream;
    uint64_t sequence;    // of the last Accept in it
    cs_slot sent;         // to this slot, in this stream
    cs_slot acked_stream; // in this stream
    bool is_leaving; // it asked for a new stream: its votes in this one need not count
    cs_slot acked;   // in this ballot
    uint64_t round_acked;
};

struct model_leading {
    cs_slot sync_length;
    struct paxos_ballot best_accepted; // of the log it took over
    uint64_t began_ms;
    uint64_t began_time_ms; // log time at S_b
    bool has_began_time;
    bool is_handing_over;
    uint64_t round_sent; // highest in any Accept of this ballot
    struct model_peer peers[PAXOS_MEMBERS_MAX];
};

struct model_stream {
    uint64_t stream;
    uint64_t expected; // sequence
    bool is_left;      // entries were fetched over the log since
};

struct model_following { // of `ballot` == promised
    struct paxos_ballot ballot;
    bool has_sync; // an AcceptSync came; the newest says:
    cs_slot sync_length;
    struct paxos_digest sync_chain;
    cs_slot sync_decided;
    struct model_stream streams[STREAMS_MAX];
    uint64_t round_heard; // highest read round in any Accept
};

struct model_asked { // a read of another node, at its leader
    uint64_t boot;
    uint64_t counter;
    uint64_t floor; // read rounds up to this one began before it
    cs_slot decided;
};

struct model_read { // an own read
    uint64_t id;
    uint64_t floor;
    cs_slot decided;
};

struct model_reads {
    struct model_read *ring; // queue of own reads, not confirmed
    size_t first;
    size_t count;
    size_t capacity;
    uint64_t last_id;
    uint64_t ready_id;
    uint64_t counter;    // of the newest READ sent
    uint64_t counter_id; // reads up to this one rest on it
    struct model_asked asked[PAXOS_MEMBERS_MAX][ASKED_MAX];
    uint32_t asked_next[PAXOS_MEMBERS_MAX];
};

struct sent { // a message of the step
    const struct paxos_message *message;
    uint64_t token; // it leaves when this record is durable
    const char *name;
    bool is_before; // it may come of the event; a tick after it then took over
};

struct monitor {
    struct monitor_finding finding;
    struct monitor_tally tally;
    bool is_known; // a life was seen
    uint64_t step_number;
    struct paxos_settings settings;
    uint32_t quorum_promise;
    uint32_t quorum_accept;
    uint64_t points; // base/buggify.h: those that were on in this life
    struct paxos_config config;
    struct paxos_view view; // before the step
    struct model_log log;
    struct model_lost lost;
    struct model_records records;
    struct model_disk disk;
    uint64_t token; // of the newest record
    struct model_identity identity;
    struct model_election election;
    struct model_candidacy candidacy;
    struct model_leading leading;
    struct model_following following;
    struct model_reads reads;
    struct paxos_ballot asked;   // of the newest PrepareReq sent
    struct paxos_entry *scratch; // monitor_watch()
    size_t scratch_count;
    // Of the step being judged:
    const struct monitor_step *step;
    const struct paxos_message *message; // received and valid; NULL: none
    cs_slot length_before;               // of the log
    cs_slot kept;                        // slots it left as they were
    uint64_t round_before;               // leading.round_sent
    struct paxos_ballot drawn_before;    // election.my_ballot
    uint32_t seats_before;               // candidacy.promised, if it takes over
    struct paxos_ballot promised;        // after its event, before the tick that follows
};

/* ---- monitor.c ---- */
void monitor_fail(struct monitor *monitor,
                  enum monitor_rule rule,
                  const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

// A macro, so that what is said is put into words only if it is needed.
#define EXPECT(monitor, rule, condition, ...)                                            \
    do {                                                                                 \
        (monitor)->tally.rules[rule]++;                                                  \
        if (!(condition)) {                                                              \
            monitor_fail(monitor, rule, __VA_ARGS__);                                    \
        }                                                                                \
    } while (0)

const char *spec_ballot(struct paxos_ballot ballot); // valid until four calls later

/* ---- log.c ---- */
void spec_log_begin(struct monitor *monitor, const struct paxos_recovered *recovered);
void spec_log_fini(struct monitor *monitor);
const struct model_entry *spec_log_at(const struct model_log *log, cs_slot slot);
bool spec_log_knows(const struct model_log *log, cs_slot slot);
/* Is `chain` that of the log's prefix to `slot`? Unknown slots are given the benefit. */
bool spec_log_agrees(const struct model_log *log,
                     cs_slot slot,
                     struct paxos_digest chain);
/* The step's record into the log, and what the record says of it (2.2). */
void spec_log_append(struct monitor *monitor);
/* A PERSISTED event. */
void spec_log_settle(struct monitor *monitor, uint64_t token, uint64_t block);
/* The last slot of the first run of unknown ones. */
cs_slot spec_log_last_lost(const struct monitor *monitor);
/* What the disk holds once `token` is durable. */
struct model_disk spec_log_disk_at(const struct monitor *monitor, uint64_t token);
/* chain after the message's entries up to `slot`, which must be in [from, from + count]. */
struct paxos_digest spec_log_chain_of(const struct paxos_message *message,
                                      struct paxos_digest from_chain,
                                      cs_slot from,
                                      cs_slot slot);

/* ---- identity.c ---- */
void spec_identity_begin(struct monitor *monitor,
                         const struct paxos_recovered *recovered);
/* May the message count? Also notes what it shows of its sender. */
bool spec_identity_receive(struct monitor *monitor, const struct paxos_message *message);
void spec_identity_judge(struct monitor *monitor);
bool spec_identity_votes(const struct paxos_view *view); // past forming and the gate

/* ---- election.c ---- */
void spec_election_begin(struct monitor *monitor);
void spec_election_receive(struct monitor *monitor, const struct paxos_message *message);
void spec_election_judge(struct monitor *monitor);
bool spec_election_takes_over(const struct monitor *monitor);

/* ---- acceptor.c ---- */
void spec_acceptor_note(struct monitor *monitor);
void spec_acceptor_judge(struct monitor *monitor);
struct model_stream *spec_acceptor_stream(struct monitor *monitor, uint64_t stream);

/* ---- proposer.c ---- */
void spec_proposer_receive(struct monitor *monitor, const struct paxos_message *message);
void spec_proposer_judge(struct monitor *monitor);
void spec_proposer_judge_decided(struct monitor *monitor);

/* ---- reads.c ---- */
void spec_reads_begin(struct monitor *monitor);
void spec_reads_note(struct monitor *monitor);
void spec_reads_lead(struct monitor *monitor);
void spec_reads_judge(struct monitor *monitor);
void spec_reads_judge_reply(struct monitor *monitor, const struct paxos_message *message);
void spec_reads_fini(struct monitor *monitor);

/* ---- claims.c ---- */
void spec_claims_judge_sent(struct monitor *monitor);

/* ---- answers.c ---- */
void spec_answers_judge(struct monitor *monitor, const struct sent *sent);
void spec_answers_judge_serve(struct monitor *monitor);

/* ---- quick comparisons ---- */
static inline int ballot_order(struct paxos_ballot left, struct paxos_ballot right)
{
    if (left.epoch != right.epoch) {
        return left.epoch < right.epoch ? -1 : 1;
    }
    if (left.round != right.round) {
        return left.round < right.round ? -1 : 1;
    }
    return left.node == right.node ? 0 : left.node < right.node ? -1 : 1;
}

static inline bool ballot_equal(struct paxos_ballot left, struct paxos_ballot right)
{
    return ballot_order(left, right) == 0;
}

static inline struct paxos_ballot ballot_larger(struct paxos_ballot left,
                                                struct paxos_ballot right)
{
    return ballot_order(left, right) < 0 ? right : left;
}

static inline bool id_equal(struct paxos_id left, struct paxos_id right)
{
    return left.high == right.high && left.low == right.low;
}

static inline bool id_is_none(struct paxos_id id)
{
    return id.high == 0 && id.low == 0;
}

static inline bool chain_equal(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

static inline cs_slot slot_smaller(cs_slot left, cs_slot right)
{
    return left < right ? left : right;
}

static inline cs_slot slot_larger(cs_slot left, cs_slot right)
{
    return left > right ? left : right;
}

static inline uint32_t mask_count(uint32_t mask)
{
    uint32_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

/* Was this point on in this life? Then the rule it bends is not judged. */
static inline bool is_bent(const struct monitor *monitor, enum buggify_point point)
{
    return (monitor->points >> point & 1) != 0;
}

static inline unsigned long long ull(uint64_t number)
{
    return number;
}

#endif
