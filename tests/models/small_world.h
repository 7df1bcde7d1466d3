/*
 * small_world.h - three real cores, their disks and every message under way, as one value
 * that can be copied back: what explore.c walks through.
 *
 * The cores are stepped by paxos_step() only. Elections and the identity gate are an
 * oracle: a node takes over when the walk says so (its heartbeat replies are made up),
 * since safety must not depend on 2.6. core.h is read for one thing: to leave out of the
 * hash what a core will never look at again.
 */
#ifndef CONSENS_TESTS_MODELS_SMALL_WORLD_H
#define CONSENS_TESTS_MODELS_SMALL_WORLD_H

#include <consens/paxos.h>

#include <stdalign.h>

enum {
    NODES = 3,
    SLOTS_MAX = 7,
    RING = 8,
    LETTER_ENTRIES = 2,
    RECORDS_MAX = 6,
    WAITING_MAX = 16,
    UNDER_WAY_MAX = 64,
    BALLOTS_MAX = 8,
    READS_MAX = 4,
    CORE_BYTES = 10 * 1024,
    ACTIONS_MAX = 200,
};

/* How often each thing may still happen: what bounds the walk. */
struct budget {
    uint8_t takeovers;
    uint8_t proposals;
    uint8_t crashes;
    uint8_t doubles; // messages delivered and kept
    uint8_t fetches; // a node hears that another has decided more (A8)
    uint8_t ticks;   // resend timers
    uint8_t reads;
    uint8_t requests;        // PrepareReqs that are not lost: streams that begin again
    uint8_t message_entries; // not a budget: entries of one message, 1 or 2
};

/* One message with its entries. Equal ones are kept once: a world names them by number. */
struct letter {
    struct paxos_message message; // entries is NULL
    struct paxos_entry entries[LETTER_ENTRIES];
};

struct log_image {
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot length;
    struct paxos_entry entries[SLOTS_MAX]; // with chains; of slot 1 first
};

struct pending_record { // handed to the log, not durable yet
    uint64_t token;
    struct log_image image; // the log once it is durable
};

struct pending_letter { // sent once `token` is durable
    uint64_t token;
    uint32_t letter;
    uint32_t unused;
};

struct small_node {
    alignas(16) uint8_t memory[CORE_BYTES];
    struct log_image disk;
    struct pending_record records[RECORDS_MAX];
    struct pending_letter waiting[WAITING_MAX];
    uint32_t record_count;
    uint32_t waiting_count;
    uint64_t now_ms;
    uint64_t boot;
    uint64_t read_done;            // reads numbered <= this were answered
    cs_slot read_floor[READS_MAX]; // decided anywhere when read i + 1 began (I13)
    cs_slot decided;               // at the last step of this life (I7)
    struct paxos_digest hash;      // of all of the above; see world_hash()
};

struct led_ballot { // what is known of one ballot
    struct paxos_ballot ballot;
    bool has_led;
    cs_slot sync_length;
    cs_slot length; // of its leader's log
    struct paxos_digest chain[SLOTS_MAX];
    uint8_t votes[SLOTS_MAX]; // masks of nodes, ever (I2)
};

struct chosen_slot {
    bool is_chosen;
    struct paxos_ballot ballot; // the smallest it was seen chosen under
    struct paxos_digest chain;
};

struct small_world {
    struct small_node nodes[NODES];
    struct led_ballot ballots[BALLOTS_MAX];
    struct chosen_slot chosen[SLOTS_MAX];
    uint32_t ballot_count;
    uint32_t proposed; // values so far
    cs_slot decided_max;
    struct budget budget;
    const char *broken; // the rule broken, or NULL
    uint32_t under_way_count;
    uint16_t under_way[UNDER_WAY_MAX];
};

enum action_kind {
    ACTION_TAKE_OVER = 1,
    ACTION_PROPOSE,
    ACTION_SYNC,       // the oldest record is durable
    ACTION_CRASH,      // what is not durable is lost; the node starts again
    ACTION_SYNC_CRASH, // the oldest record is durable, but nobody heard of it
    ACTION_DELIVER,    // `which`: place in under_way
    ACTION_DELIVER_KEEP,
    ACTION_FETCH, // `which`: the node it hears of
    ACTION_TICK,
    ACTION_READ,
};

struct action {
    uint8_t kind;
    uint8_t node;
    uint8_t which;
};

/* ---- small_world.c ---- */
/* Three nodes of a formed cluster, empty logs. There is one world to work on at a time:
 * its address never changes, since cores hold pointers into themselves. */
void world_begin(struct small_world *world, const struct budget *budget);
uint32_t world_list_actions(const struct small_world *world, struct action *out_actions);
void world_apply(struct small_world *world, struct action action);
/* Equal for worlds that go on alike. Valid after world_begin() and world_apply(). */
struct paxos_digest world_hash(const struct small_world *world);
/* One line, without its end. */
void world_describe(const struct small_world *world,
                    struct action action,
                    char *out_line,
                    size_t line_bytes);
struct paxos_core *world_core(struct small_node *node);

/* ---- small_hash.c ---- */
struct paxos_digest hash_node(const struct small_node *node, uint32_t message_entries);
uint16_t letters_keep(const struct letter *letter);
const struct letter *letters_at(uint16_t number);
uint32_t letters_count(void);

/* ---- small_judge.c: properties. Each sets world->broken. ---- */
void judge_created(struct small_world *world, uint32_t node, const struct letter *letter);
void judge_sent(struct small_world *world, uint32_t node, const struct letter *letter);
void judge_disk(struct small_world *world, uint32_t node, const struct log_image *before);
void judge_step(struct small_world *world,
                uint32_t node,
                const struct paxos_effects *effects);

#endif
