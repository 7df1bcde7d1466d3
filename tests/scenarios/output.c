#include "scenarios/world.h"

#include <stdarg.h>

static void print_list(struct world *world, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void print_list(struct world *world, const char *format, va_list arguments)
{
    size_t left = sizeof world->output - world->output_bytes;
    int bytes = vsnprintf(world->output + world->output_bytes, left, format, arguments);
    CHECK(bytes >= 0);
    CHECK((size_t)bytes < left);
    world->output_bytes += (size_t)bytes;
}

void print(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_list(world, format, arguments);
    va_end(arguments);
}

void print_violation(struct world *world, const char *format, ...)
{
    world->violations++;
    print(world, "%llums VIOLATION ", (unsigned long long)world->now_ms);
    va_list arguments;
    va_start(arguments, format);
    print_list(world, format, arguments);
    va_end(arguments);
    print(world, "\n");
}

static void print_ballot(struct world *world, struct paxos_ballot ballot)
{
    print(world, "%u.%u.%u", ballot.epoch, ballot.round, ballot.node);
}

void print_trace(struct world *world, int at, const struct paxos_trace *trace)
{
    print(world, "%llums %s %s", (unsigned long long)world->now_ms,
          world->processes[at].name, paxos_trace_name(trace->kind));
    switch ((enum paxos_trace_kind)trace->kind) {
    case PAXOS_TRACE_FORMED:
    case PAXOS_TRACE_STARTED:
    case PAXOS_TRACE_GATE_OPEN:
        break;
    case PAXOS_TRACE_TAKE_OVER:
    case PAXOS_TRACE_PROMISED:
    case PAXOS_TRACE_STEP_DOWN:
    case PAXOS_TRACE_OVERTAKEN:
        print(world, " ");
        print_ballot(world, trace->ballot);
        break;
    case PAXOS_TRACE_LEADING:
    case PAXOS_TRACE_SYNCED:
        print(world, " ");
        print_ballot(world, trace->ballot);
        print(world, " to slot %llu", (unsigned long long)trace->slot);
        break;
    case PAXOS_TRACE_FAULTY:
    case PAXOS_TRACE_DAMAGED:
        print(world, " from slot %llu", (unsigned long long)trace->slot);
        break;
    case PAXOS_TRACE_REPAIRED:
    case PAXOS_TRACE_WHOLE:
        print(world, " to slot %llu, from n%u", (unsigned long long)trace->slot,
              trace->peer + 1);
        break;
    case PAXOS_TRACE_FETCHED:
        print(world, " to slot %llu", (unsigned long long)trace->slot);
        break;
    case PAXOS_TRACE_HANDOVER:
        print(world, " to n%u", trace->peer + 1);
        break;
    case PAXOS_TRACE_NACKED:
        print(world, " by n%u, promised ", trace->peer + 1);
        print_ballot(world, trace->ballot);
        break;
    }
    print(world, "\n");
}

void print_decided(struct world *world)
{
    bool is_first = true;
    for (int at = 0; at < PROCESSES_MAX; at++) {
        struct process *process = &world->processes[at];
        if (!process->is_running || process->view.decided == process->decided_before) {
            continue;
        }
        print(world, "%s %s=%llu", is_first ? "decided" : "", process->name,
              (unsigned long long)process->view.decided);
        process->decided_before = process->view.decided;
        is_first = false;
    }
    print(world, is_first ? "" : "\n");
}

static const char *leader_name(const struct world *world, uint32_t seat)
{
    return seat < world->options.members ? world->processes[seat].name : "none";
}

static void print_process(struct world *world, const struct process *process)
{
    const struct paxos_view *view = &process->view;
    if (!process->is_running) {
        print(world, "%s down\n", process->name);
        return;
    }
    print(world, "%s %s promised ", process->name, paxos_role_name(view->role));
    print_ballot(world, view->promised);
    print(world, " accepted ");
    print_ballot(world, view->accepted);
    print(world, " length %llu durable %llu decided %llu leader %s\n",
          (unsigned long long)view->length, (unsigned long long)view->durable,
          (unsigned long long)view->decided, leader_name(world, view->leader_seat));
}

void print_show(struct world *world)
{
    for (int at = 0; at < PROCESSES_MAX; at++) {
        if (world->processes[at].exists) {
            print_process(world, &world->processes[at]);
        }
    }
}

/*
 * Payload numbers, `|` after the decided ones. A node that is down: what its disk
 * holds.
 */
void print_log(struct world *world, int at)
{
    const struct process *process = &world->processes[at];
    const struct storage *durable = &process->disk.durable;
    bool is_up = process->is_running;
    cs_slot base = is_up ? process->view.base : 0;
    cs_slot length = is_up ? process->view.length : durable->length;
    cs_slot decided = is_up ? process->view.decided : durable->decided;
    print(world, "%s %s", process->name, is_up ? "memory" : "disk");
    if (base > 0) {
        print(world, " from slot %llu", (unsigned long long)(base + 1));
    }
    print(world, ":%s", decided <= base ? " |" : "");
    for (cs_slot slot = base + 1; slot <= length; slot++) {
        const struct paxos_entry *entry =
            is_up ? paxos_entry_at(process->core, slot) : &durable->entries[slot - 1];
        if (!is_up && durable->is_lost[slot]) {
            print(world, " ?%s", slot == decided ? " |" : "");
            continue;
        }
        print(world, " %llu%s", (unsigned long long)entry->digest.low,
              slot == decided ? " |" : "");
    }
    print(world, "\n");
}
