/*
 * explore: M1 on the real core. Every order of the things that small_world.h lists, within
 * a budget, depth first; a world seen before (128-bit hash) is not entered again.
 */
#include "models/small_world.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 120, LINE_BYTES = 160, EXIT_USAGE = 2, EXIT_CUT = 3 };

struct level {
    struct small_world world;
    struct action actions[ACTIONS_MAX];
    uint32_t action_count;
    uint32_t next;
};

struct visited { // open addressing; all zero is an empty place
    struct paxos_digest *places;
    uint64_t place_count;
    uint64_t count;
};

static struct small_world world; // the one that is worked on
static struct level *levels;
static uint32_t depth;
static struct visited visited;
static uint64_t transitions;
static uint32_t depth_reached;
static uint64_t decided_states; // in which something is decided: the walk is not idle
static bool is_cut;

static const char usage[] =
    "usage: explore [--takeovers N] [--proposals N] [--crashes N] [--doubles N]\n"
    "               [--fetches N] [--ticks N] [--reads N] [--requests N]\n"
    "               [--message-entries 1|2] [--states-max N]\n"
    "Walks through all orders of them, deliveries and syncs. Exit code 0: no rule\n"
    "is broken; 1: one is, and how is printed; 3: not all states fitted.\n";

/* ---- what was found ---- */

static void print_path(const char *found)
{
    char line[LINE_BYTES];
    for (uint32_t at = 0; at < depth; at++) {
        const struct level *level = &levels[at];
        world_describe(&level->world, level->actions[level->next - 1], line, sizeof line);
        printf("%3u %s\n", at + 1, line);
    }
    printf("found=%s\n", found);
}

static void print_count(void)
{
    printf("%" PRIu64 " states, stored; %" PRIu64 " transitions, depth %u, %u messages, "
           "%" PRIu64 " states with decisions\n",
           visited.count, transitions, depth_reached, letters_count(), decided_states);
}

/* In place of the one of src/base: a CHECK is something found. */
void base_check_failed(const char *condition, const char *file, int line)
{
    char found[LINE_BYTES];
    (void)snprintf(found, sizeof found, "CHECK(%s) at %s:%d", condition, file, line);
    print_path(found);
    print_count();
    (void)fflush(stdout);
    _Exit(1);
}

/* ---- walking ---- */

/* False: it was there. */
static bool visit(struct paxos_digest hash)
{
    uint64_t at = hash.low % visited.place_count;
    while (visited.places[at].low != 0 || visited.places[at].high != 0) {
        if (visited.places[at].low == hash.low && visited.places[at].high == hash.high) {
            return false;
        }
        at = at + 1 == visited.place_count ? 0 : at + 1;
    }
    visited.places[at] = hash;
    visited.count++;
    decided_states += world.decided_max > 0;
    return true;
}

static void enter(void)
{
    if (depth == DEPTH_MAX) {
        is_cut = true;
        return;
    }
    struct level *level = &levels[depth];
    level->world = world;
    level->action_count = world_list_actions(&world, level->actions);
    level->next = 0;
    depth++;
    depth_reached = depth > depth_reached ? depth : depth_reached;
}

static bool walk(const struct budget *budget)
{
    world_begin(&world, budget);
    (void)visit(world_hash(&world));
    enter();
    while (depth > 0 && !is_cut) {
        struct level *level = &levels[depth - 1];
        if (level->next == level->action_count) {
            depth--;
            continue;
        }
        world = level->world;
        transitions++;
        world_apply(&world, level->actions[level->next++]);
        if (world.broken != NULL) {
            print_path(world.broken);
            return false;
        }
        if (visit(world_hash(&world))) {
            enter();
        }
        is_cut = is_cut || visited.count * 4 >= visited.place_count * 3;
    }
    return true;
}

/* ---- the command ---- */

static bool take_option(struct budget *budget,
                        uint64_t *out_states_max,
                        const char *name,
                        const char *text)
{
    struct {
        const char *name;
        uint8_t *value;
    } known[] = {{"--takeovers", &budget->takeovers},
                 {"--proposals", &budget->proposals},
                 {"--crashes", &budget->crashes},
                 {"--doubles", &budget->doubles},
                 {"--fetches", &budget->fetches},
                 {"--ticks", &budget->ticks},
                 {"--reads", &budget->reads},
                 {"--requests", &budget->requests},
                 {"--message-entries", &budget->message_entries}};
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        return false;
    }
    if (strcmp(name, "--states-max") == 0) {
        *out_states_max = value;
        return value > 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0 && value < SLOTS_MAX) {
            *known[i].value = (uint8_t)value;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct budget budget = {.takeovers = 1, .proposals = 1, .message_entries = 1};
    uint64_t states_max = 1000 * 1000;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(&budget, &states_max, argv[i], argv[i + 1])) {
            (void)fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (budget.reads > READS_MAX || budget.takeovers > BALLOTS_MAX ||
        budget.message_entries < 1 || budget.message_entries > LETTER_ENTRIES) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    visited.place_count = states_max * 4 / 3 + 2;
    visited.places = calloc(visited.place_count, sizeof visited.places[0]);
    levels = calloc(DEPTH_MAX, sizeof levels[0]);
    if (visited.places == NULL || levels == NULL) {
        (void)fputs("explore: not enough memory\n", stderr);
        return EXIT_USAGE;
    }
    bool is_sound = walk(&budget);
    print_count();
    free(visited.places);
    free(levels);
    if (!is_sound) {
        return 1;
    }
    if (is_cut) {
        puts("not all states fitted: more of --states-max, or a smaller budget");
        return EXIT_CUT;
    }
    return 0;
}
