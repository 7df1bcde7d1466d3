#include "scenarios/verbs.h"

#include <stdlib.h>
#include <string.h>

/* The commands of a transcript; README.md lists them for people. */

enum {
    UNTIL_MS = 20 * 1000, // `until` gives up after this
    SETTLE_MS = 200,      // `lead` lets everybody hear of it
};

struct verb {
    const char *name;
    int arguments_min;
    bool (*run)(struct world *world, const struct words *words);
};

/* ---- cluster, time ---- */

static bool set_option(struct options *options, const char *word)
{
    const char *value = strchr(word, '=');
    uint64_t number = 0;
    if (strcmp(word, "formed") == 0) {
        options->is_formed = true;
        return true;
    }
    if (strcmp(word, "stopped") == 0) {
        options->is_stopped = true;
        return true;
    }
    if (value == NULL || !words_number(value + 1, &number) || number == 0) {
        return false;
    }
    if (strncmp(word, "ring=", 5) == 0) {
        options->ring_entries = (uint32_t)number;
    } else if (strncmp(word, "window=", 7) == 0) {
        options->window_entries = (uint32_t)number;
    } else if (strncmp(word, "message_entries=", 16) == 0) {
        options->message_entries = (uint32_t)number;
    } else if (strncmp(word, "seed=", 5) == 0) {
        options->seed = number;
    } else if (strncmp(word, "disk=", 5) == 0) {
        options->disk_ms = number;
    } else if (strncmp(word, "link=", 5) == 0) {
        options->link_ms = number;
    } else {
        return false;
    }
    return true;
}

static bool run_cluster(struct world *world, const struct words *words)
{
    uint64_t members = 0;
    struct options options = {.ring_entries = 256,
                              .window_entries = 64,
                              .message_entries = 16,
                              .seed = 1,
                              .disk_ms = 1,
                              .link_ms = 1};
    if (!words_number(words->word[1], &members) || members == 0 ||
        members > PAXOS_MEMBERS_MAX) {
        return words_fail(world, "not a cluster size", words->word[1]);
    }
    options.members = (uint32_t)members;
    for (int i = 2; i < words->count; i++) {
        if (!set_option(&options, words->word[i])) {
            return words_fail(world, "no such option", words->word[i]);
        }
    }
    world_reset(world, &options);
    return true;
}

static bool run_run(struct world *world, const struct words *words)
{
    uint64_t duration_ms = 0;
    if (!words_number(words->word[1], &duration_ms)) {
        return words_fail(world, "not a time", words->word[1]);
    }
    world_run(world, duration_ms);
    return true;
}

struct goal {
    cs_slot slot;
    int at;
};

static bool has_settled_leader(const struct world *world, const struct goal *goal)
{
    (void)goal;
    int leader = world_leader(world);
    return leader >= 0 && world->processes[leader].view.decided >=
                              world->processes[leader].view.sync_length;
}

static bool has_decided(const struct world *world, const struct goal *goal)
{
    return world->processes[goal->at].view.decided >= goal->slot;
}

/* All that are running have decided all that is chosen. */
static bool is_level(const struct world *world, const struct goal *goal)
{
    (void)goal;
    for (int at = 0; at < PROCESSES_MAX; at++) {
        const struct process *process = &world->processes[at];
        if (process->is_running && process->view.decided < world->checks.chosen) {
            return false;
        }
    }
    return true;
}

static bool run_until_goal(struct world *world,
                           bool (*is_reached)(const struct world *, const struct goal *),
                           const struct goal *goal)
{
    uint64_t from_ms = world->now_ms;
    while (!is_reached(world, goal) && world->now_ms < from_ms + UNTIL_MS) {
        (void)world_advance(world, from_ms + UNTIL_MS);
    }
    uint64_t took_ms = world->now_ms - from_ms;
    if (!is_reached(world, goal)) {
        print(world, "NOT REACHED in %llums\n", (unsigned long long)took_ms);
        return false;
    }
    print(world, "reached after %llums\n", (unsigned long long)took_ms);
    return true;
}

/* Clients try at whoever leads, each ms, until one new write is decided there. */
static bool run_until_write(struct world *world)
{
    uint64_t from_ms = world->now_ms;
    int at = -1;
    cs_slot slot = 0;
    while (world->now_ms < from_ms + UNTIL_MS) {
        int leader = world_leader(world);
        bool is_lost = at < 0 || at != leader || !world->processes[at].is_running;
        if (is_lost && leader >= 0 && world->processes[leader].view.can_propose) {
            at = leader;
            slot = process_propose(world, leader);
        }
        if (at >= 0 && slot > 0 && world->processes[at].view.decided >= slot) {
            print(world, "written by %s at slot %llu after %llums\n",
                  world->processes[at].name, (unsigned long long)slot,
                  (unsigned long long)(world->now_ms - from_ms));
            return true;
        }
        world_run(world, 1);
    }
    print(world, "NOT REACHED in %llums\n", (unsigned long long)UNTIL_MS);
    return false;
}

static bool run_until(struct world *world, const struct words *words)
{
    struct goal goal = {0};
    if (words_has(words, 1, "leader")) {
        return run_until_goal(world, has_settled_leader, &goal);
    }
    if (words_has(words, 1, "level")) {
        return run_until_goal(world, is_level, &goal);
    }
    if (words_has(words, 1, "write")) {
        return run_until_write(world);
    }
    if (!words_running(world, words, 1, &goal.at) || !words_has(words, 2, "decided") ||
        words->count < 4 || !words_number(words->word[3], &goal.slot)) {
        return words_fail(world, "until leader | level | write | NODE decided SLOT",
                          words->word[1]);
    }
    return run_until_goal(world, has_decided, &goal);
}

/* The leader is told to hand over to `at` as by a HANDOVER message of its own. */
static void hand_over(struct world *world, int leader, int at)
{
    const struct process *process = &world->processes[leader];
    struct paxos_message message;
    paxos_stamp(process->core, PAXOS_HANDOVER, world->processes[at].seat, &message);
    message.ballot = process->view.promised;
    message.handover.target = world->processes[at].seat;
    network_send(world, leader, &message, NULL, 0);
}

/* Sets the stage: what happens until the node leads is not told. */
static bool run_lead(struct world *world, const struct words *words)
{
    struct goal goal = {0};
    if (!words_running(world, words, 1, &goal.at)) {
        return false;
    }
    size_t output_bytes = world->output_bytes;
    uint64_t violations = world->violations;
    bool is_led = run_until_goal(world, has_settled_leader, &goal);
    if (is_led && world_leader(world) != goal.at) {
        world_run(world, SETTLE_MS);
        hand_over(world, world_leader(world), goal.at);
        world_run(world, SETTLE_MS);
        is_led = run_until_goal(world, has_settled_leader, &goal) &&
                 world_leader(world) == goal.at;
    }
    if (!is_led || world->violations != violations) {
        return false;
    }
    world_run(world, SETTLE_MS);
    world->output_bytes = output_bytes;
    struct paxos_ballot ballot = world->processes[goal.at].view.promised;
    print(world, "%s leads by %u.%u.%u at %llums\n", world->processes[goal.at].name,
          ballot.epoch, ballot.round, ballot.node, (unsigned long long)world->now_ms);
    return true;
}

/* ---- clients ---- */

static bool run_propose(struct world *world, const struct words *words)
{
    int at = 0;
    uint64_t count = 1;
    if (!words_running(world, words, 1, &at) ||
        (words->count > 2 && !words_number(words->word[2], &count))) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (process_propose(world, at) == 0) {
            break;
        }
    }
    return true;
}

/* As many as the window takes, until all are decided there. */
static bool run_write(struct world *world, const struct words *words)
{
    int at = 0;
    uint64_t left = 0;
    if (!words_running(world, words, 1, &at) || !words_number(words->word[2], &left)) {
        return words_fail(world, "write NODE COUNT", words->word[2]);
    }
    const struct process *process = &world->processes[at];
    cs_slot slot = 0;
    uint64_t until_ms = world->now_ms + UNTIL_MS;
    while (world->now_ms < until_ms && (left > 0 || process->view.decided < slot)) {
        while (left > 0 && process->is_running && process->view.can_propose) {
            slot = process_propose(world, at);
            left -= slot != 0;
        }
        world_run(world, 1);
    }
    if (left > 0 || process->view.decided < slot) {
        print(world, "NOT REACHED in %llums\n", (unsigned long long)UNTIL_MS);
        return false;
    }
    return true;
}

static bool run_read(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_running(world, words, 1, &at)) {
        return false;
    }
    process_read(world, at);
    return true;
}

static bool run_resign(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_running(world, words, 1, &at)) {
        return false;
    }
    struct paxos_event event = {.type = PAXOS_EVENT_RESIGN};
    process_step(world, at, &event);
    return true;
}

/* ---- looking ---- */

static bool run_show(struct world *world, const struct words *words)
{
    (void)words;
    print_show(world);
    return true;
}

static bool run_log(struct world *world, const struct words *words)
{
    for (int i = 1; i < words->count; i++) {
        int at = 0;
        if (!words_process(world, words, i, &at)) {
            return false;
        }
        print_log(world, at);
    }
    return true;
}

static const struct verb VERBS[] = {
    {"cluster", 1, run_cluster},
    {"run", 1, run_run},
    {"until", 1, run_until},
    {"lead", 1, run_lead},
    {"propose", 1, run_propose},
    {"write", 2, run_write},
    {"read", 1, run_read},
    {"resign", 1, run_resign},
    {"crash", 1, faults_crash},
    {"restart", 1, faults_restart},
    {"wipe", 1, faults_wipe},
    {"pause", 1, faults_pause},
    {"resume", 1, faults_resume},
    {"damage", 2, faults_damage},
    {"copy", 1, faults_copy},
    {"image", 1, faults_image},
    {"hold", 2, faults_hold},
    {"rollback", 1, faults_rollback},
    {"release", 2, faults_release},
    {"slow", 3, faults_slow},
    {"cut", 1, faults_cut},
    {"links", 1, faults_links},
    {"heal", 0, faults_heal},
    {"drop", 4, faults_drop},
    {"deliver", 0, faults_deliver},
    {"show", 0, run_show},
    {"log", 1, run_log},
};

bool verbs_run(struct world *world, const char *line)
{
    struct words words;
    if (!words_split(line, &words)) {
        return words_fail(world, "cannot be read", line);
    }
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(VERBS[i].name, words.word[0]) == 0) {
            return words.count > VERBS[i].arguments_min
                       ? VERBS[i].run(world, &words)
                       : words_fail(world, "it needs more words", words.word[0]);
        }
    }
    return words_fail(world, "no such command", words.word[0]);
}
