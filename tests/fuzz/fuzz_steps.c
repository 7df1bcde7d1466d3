/*
 * steps: three to five real cores in the world of tests/scenarios, where the input decides
 * what happens next: which message arrives, is lost or comes twice, whose disk finishes,
 * whose clock ticks, who crashes, starts, proposes, reads. After each step the world looks
 * at its invariants (tests/scenarios/checks.c: I1-I4, I7, I10, I13); at the end all is
 * healed and every node must agree on what was decided.
 *
 *   input  the world, then acts
 */
#include "fuzz/input.h"

#include "scenarios/world.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ACTS_MAX = 600,
    ENVELOPES_KEPT = 256, // the oldest are lost: a queue that is full
    PROPOSALS_MAX = 200,
    RECORDS_KEPT = 400,
    BALLOTS_KEPT = BALLOTS_MAX - 64, // healing takes a few
    HEAL_MS = 30 * 1000,
    HEAL_STEP_MS = 300,
    RUN_MS_MAX = 400,
};

static struct world *world;

static void judge(void)
{
    if (world->violations > 0) {
        (void)fprintf(stderr, "%.*s\n", (int)world->output_bytes, world->output);
    }
    CHECK(world->violations == 0);
    world->output_bytes = 0;
}

static int take_process(struct input *input)
{
    return (int)input_take_below(input, world->options.members);
}

/* ---- messages ---------------------------------------------------------------------- */

/* One that is on its way to somebody, or -1. */
static int take_envelope(struct input *input)
{
    uint32_t wanted = input_take_byte(input);
    int found = -1;
    uint32_t flying = 0;
    for (uint32_t i = 0; i < world->envelope_count; i++) {
        flying += world->envelopes[i].state == FLYING;
    }
    for (uint32_t i = 0; i < world->envelope_count && flying > 0; i++) {
        if (world->envelopes[i].state == FLYING && wanted-- % flying == 0) {
            found = (int)i;
            break;
        }
    }
    return found;
}

/* Removed as an arrival at nobody: the world has no word for loss. */
static void lose(int envelope)
{
    bool *is_running = &world->processes[world->envelopes[envelope].to].is_running;
    bool was_running = *is_running;
    *is_running = false;
    network_deliver(world, envelope);
    *is_running = was_running;
}

static void deliver(int envelope)
{
    if (world->processes[world->envelopes[envelope].to].is_paused) {
        return; // it piles up
    }
    network_deliver(world, envelope);
}

static void deliver_twice(int envelope)
{
    const struct envelope *first = &world->envelopes[envelope];
    if (world->envelope_count >= ENVELOPES_KEPT) {
        return;
    }
    struct envelope *second = &world->envelopes[world->envelope_count++];
    size_t bytes = (first->message.entry_count + 1) * sizeof *first->entries;
    *second = *first;
    second->sequence = world->sequence++;
    second->due_ms += 1 + world->sequence % 100;
    if (first->entries != NULL) {
        second->entries = malloc(bytes);
        CHECK(second->entries != NULL);
        memcpy(second->entries, first->entries, bytes);
    }
    deliver(envelope);
}

/* What waits for a sync is not lost by a queue. */
static void bound_queue(void)
{
    for (uint32_t i = 0; i < world->envelope_count;) {
        bool is_full = world->envelope_count > ENVELOPES_KEPT;
        if (is_full && world->envelopes[i].state == FLYING) {
            lose((int)i);
        } else {
            i++;
        }
    }
}

/* ---- processes --------------------------------------------------------------------- */

static void crash_or_start(int at)
{
    if (world->processes[at].is_running) {
        process_crash(world, at);
        network_hint_lost(world, at);
    } else if (world->ballot_count < BALLOTS_KEPT) {
        process_start(world, at);
    }
}

static void finish_disk(int at)
{
    struct process *process = &world->processes[at];
    if (process->is_running && process->disk.writing > 0) {
        disk_finish(world, at);
    }
}

static void propose(int at, uint32_t count)
{
    const struct process *process = &world->processes[at];
    for (uint32_t i = 0; i < count && process->is_running && !process->is_paused; i++) {
        if (world->proposals < PROPOSALS_MAX && process->disk.queued < RECORDS_KEPT) {
            (void)process_propose(world, at);
        }
    }
}

static void read_once(int at)
{
    const struct process *process = &world->processes[at];
    if (process->is_running && !process->is_paused && process->read_count < READS_MAX) {
        process_read(world, at);
    }
}

static void tick(int at)
{
    const struct process *process = &world->processes[at];
    if (process->is_running && !process->is_paused) {
        world->now_ms++; // a tick that never lets time pass is a mistake of the world's
        process_tick(world, at);
    }
}

static void pause(int at)
{
    struct process *process = &world->processes[at];
    process->is_paused = process->is_running && !process->is_paused;
}

static void cut(struct input *input)
{
    int from = take_process(input);
    int to = take_process(input);
    world->is_cut[from][to] = from != to && !world->is_cut[from][to];
}

/* ---- acts -------------------------------------------------------------------------- */

static void run(uint64_t duration_ms)
{
    uint64_t until_ms = world->now_ms + duration_ms;
    while (world->ballot_count < BALLOTS_KEPT && world_advance(world, until_ms)) {
        judge();
        bound_queue();
    }
}

static void act_on_message(struct input *input, uint32_t how)
{
    int envelope = take_envelope(input);
    if (envelope < 0) {
        return;
    }
    if (how == 0) {
        deliver(envelope);
    } else if (how == 1) {
        deliver_twice(envelope);
    } else {
        lose(envelope);
    }
}

static void act(struct input *input)
{
    uint32_t how = input_take_below(input, 16);
    switch (how) {
    case 0:
    case 1:
    case 2:
        act_on_message(input, how);
        return;
    case 3:
        act_on_message(input, 0);
        return;
    case 4:
        finish_disk(take_process(input));
        return;
    case 5:
        tick(take_process(input));
        return;
    case 6:
        crash_or_start(take_process(input));
        return;
    case 7:
        propose(take_process(input), 1);
        return;
    case 8:
        propose(take_process(input), input_take_below(input, 8));
        return;
    case 9:
        read_once(take_process(input));
        return;
    case 10:
        cut(input);
        return;
    case 11:
        pause(take_process(input));
        return;
    case 12:
        world->processes[take_process(input)].disk.latency_ms =
            1 + input_take_below(input, 200);
        return;
    case 13:
        memset(world->is_cut, 0, sizeof world->is_cut);
        return;
    default:
        run(1 + input_take_below(input, RUN_MS_MAX));
        return;
    }
}

static void set_up(struct input *input)
{
    uint8_t flags = input_take_byte(input);
    struct options options = {
        .members = 3 + flags % 3,
        .is_formed = (flags & 4) == 0,
        .ring_entries = (flags & 8) == 0 ? 256 : 64,
        .window_entries = (flags & 16) == 0 ? 16 : 4,
        .message_entries = (flags & 32) == 0 ? 16 : 2,
        .seed = 1 + input_take_byte(input),
        .disk_ms = (flags & 64) == 0 ? 1 : 21,
        .link_ms = 1,
    };
    if (world == NULL) {
        world = world_new();
    }
    world_reset(world, &options);
    judge();
    if ((flags & 128) != 0) {
        run(1000); // begins with a leader
    }
}

static void run_judged(uint64_t duration_ms)
{
    uint64_t until_ms = world->now_ms + duration_ms;
    while (world_advance(world, until_ms)) {
        judge();
        bound_queue();
    }
}

/* One more write goes through, and everybody knows of it. */
static bool is_level_with_a_write(void)
{
    int leader = world_leader(world);
    cs_slot wanted = leader < 0 ? 0 : process_propose(world, leader);
    if (wanted == 0) {
        return false;
    }
    run_judged(HEAL_STEP_MS);
    for (uint32_t at = 0; at < world->options.members; at++) {
        if (world->processes[at].view.decided < wanted) {
            return false;
        }
    }
    return world->checks.chosen >= wanted;
}

/* All run, nothing is cut: all decide what is chosen, and a fresh write besides (L1, L3). */
static void heal(void)
{
    memset(world->is_cut, 0, sizeof world->is_cut);
    for (uint32_t at = 0; at < world->options.members; at++) {
        struct process *process = &world->processes[at];
        process->is_paused = false;
        process->disk.latency_ms = 1;
        if (!process->is_running) {
            process_start(world, (int)at);
        }
    }
    uint64_t until_ms = world->now_ms + HEAL_MS;
    while (!is_level_with_a_write() && world->now_ms < until_ms) {
        if (world->ballot_count + 8 >= BALLOTS_MAX) {
            return; // the world cannot follow any further
        }
        run_judged(HEAL_STEP_MS);
    }
    CHECK(world->now_ms < until_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    set_up(&input);
    for (int i = 0; i < ACTS_MAX && input.left_bytes > 0; i++) {
        if (world->ballot_count >= BALLOTS_KEPT) {
            break;
        }
        act(&input);
        judge();
        bound_queue();
    }
    heal();
    return 0;
}
