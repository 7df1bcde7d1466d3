#include "scenarios/world.h"

#include <stdlib.h>
#include <string.h>

enum { TICKS_WITHOUT_TIME_MAX = 100 };

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    return world;
}

void world_destroy(struct world **world)
{
    network_clear(*world);
    for (int at = 0; at < PROCESSES_MAX; at++) {
        process_fini(&(*world)->processes[at]);
    }
    free(*world);
    *world = NULL;
}

static void name_process(struct process *process, uint32_t seat, bool is_twin)
{
    process->seat = seat;
    (void)snprintf(process->name, sizeof process->name, "n%u%s", seat % 10 + 1,
                   is_twin ? "b" : "");
}

void world_reset(struct world *world, const struct options *options)
{
    network_clear(world);
    for (int at = 0; at < PROCESSES_MAX; at++) {
        process_fini(&world->processes[at]);
    }
    memset(world, 0, offsetof(struct world, violations));
    world->options = *options;
    for (uint32_t seat = 0; seat < options->members; seat++) {
        struct process *process = &world->processes[seat];
        process->exists = true;
        process->disk.latency_ms = options->disk_ms;
        name_process(process, seat, false);
        name_process(&world->processes[PAXOS_MEMBERS_MAX + seat], seat, true);
        if (options->is_formed) {
            storage_format(&process->disk.durable, seat, 0);
            storage_form(&process->disk.durable, options->members);
        }
    }
    for (uint32_t seat = 0; seat < options->members && !options->is_stopped; seat++) {
        process_start(world, (int)seat);
    }
}

enum happening { NOTHING, MESSAGE, SYNC_DONE, SYNC_SLOW, TICK };

struct next {
    enum happening kind;
    uint64_t due_ms;
    int at; // process, or envelope
};

static void consider(struct next *next, enum happening kind, uint64_t due_ms, int at)
{
    // At one time: what is first considered comes first.
    if (due_ms < next->due_ms) {
        *next = (struct next){.kind = kind, .due_ms = due_ms, .at = at};
    }
}

static struct next find_next(const struct world *world)
{
    struct next next = {.kind = NOTHING, .due_ms = UINT64_MAX};
    int envelope = network_next(world);
    if (envelope >= 0) {
        consider(&next, MESSAGE, world->envelopes[envelope].due_ms, envelope);
    }
    for (int at = 0; at < PROCESSES_MAX; at++) {
        const struct process *process = &world->processes[at];
        if (process->is_running && !process->is_paused) {
            consider(&next, SYNC_DONE, disk_due_ms(&process->disk), at);
            consider(&next, SYNC_SLOW, disk_slow_due_ms(&process->disk), at);
            consider(&next, TICK, process->view.next_tick_ms, at);
        }
    }
    return next;
}

static void tick(struct world *world, int at)
{
    struct process *process = &world->processes[at];
    bool is_same = process->tick_ms == world->now_ms;
    process->tick_count = is_same ? process->tick_count + 1 : 0;
    process->tick_ms = world->now_ms;
    CHECK(process->tick_count < TICKS_WITHOUT_TIME_MAX);
    process_tick(world, at);
}

bool world_advance(struct world *world, uint64_t until_ms)
{
    struct next next = find_next(world);
    if (next.kind == NOTHING || next.due_ms > until_ms) {
        world->now_ms = until_ms;
        return false;
    }
    world->now_ms = next.due_ms > world->now_ms ? next.due_ms : world->now_ms;
    switch (next.kind) {
    case MESSAGE:
        network_deliver(world, next.at);
        break;
    case SYNC_DONE:
        disk_finish(world, next.at);
        break;
    case SYNC_SLOW:
        disk_tell_slow(world, next.at);
        break;
    case TICK:
        tick(world, next.at);
        break;
    case NOTHING:
        break;
    }
    return true;
}

void world_run(struct world *world, uint64_t duration_ms)
{
    uint64_t until_ms = world->now_ms + duration_ms;
    while (world_advance(world, until_ms)) {
    }
}

int world_leader(const struct world *world)
{
    int leader = -1;
    for (int at = 0; at < PROCESSES_MAX; at++) {
        const struct process *process = &world->processes[at];
        if (process->is_running && process->view.role == PAXOS_LEADER &&
            (leader < 0 || paxos_ballot_compare(world->processes[leader].view.promised,
                                                process->view.promised) < 0)) {
            leader = at;
        }
    }
    return leader;
}
