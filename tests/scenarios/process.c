#include "scenarios/world.h"

#include <stdlib.h>
#include <string.h>

static struct paxos_settings settings_of(const struct world *world, int at)
{
    const struct process *process = &world->processes[at];
    const struct storage *durable = &process->disk.durable;
    const struct options *options = &world->options;
    struct paxos_settings settings = {
        .seat = process->seat,
        .member_count = options->members,
        .incarnation = durable->incarnation,
        .fresh_cluster_id = {.high = 0xc0de, .low = 1 + process->starts},
        .boot = durable->boot,
        .nonce = 1000 * (uint64_t)(at + 1) + process->starts,
        .seed = options->seed * 1000003 + 7919 * (uint64_t)(at + 1) + process->starts,
        .now_ms = world->now_ms,
        .heartbeat_ms = 50,
        .resend_ms = 100,
        .stall_ms = 1000,
        .read_retry_ms = 150,
        .window_entries = options->window_entries,
        .window_bytes = 1024 * 1024,
        .ring_entries = options->ring_entries,
        .ring_bytes = 4 * 1024 * 1024,
        .message_entries = options->message_entries,
        .message_bytes = 1024 * 1024,
    };
    return settings;
}

void process_start(struct world *world, int at)
{
    struct process *process = &world->processes[at];
    struct storage *durable = &process->disk.durable;
    CHECK(process->exists);
    CHECK(!process->is_running);
    process->starts++;
    if (durable->incarnation.low == 0) {
        storage_format(durable, process->seat, process->starts - 1);
    }
    durable->boot++; // durable before the core begins
    struct paxos_settings settings = settings_of(world, at);
    struct paxos_recovered recovered;
    storage_recover(durable, settings.ring_entries, &recovered);
    size_t bytes = (paxos_core_bytes(&settings) + 15) / 16 * 16;
    process->memory = aligned_alloc(16, bytes);
    CHECK(process->memory != NULL);
    memset(process->memory, 0xa5, bytes); // nothing may rely on zeros
    process->core = paxos_init(process->memory, &settings, &recovered);
    process->is_running = true;
    process->view = paxos_view_of(process->core);
    process->decided_before = process->view.decided;
    process_tick(world, at);
}

static void stop(struct world *world, int at)
{
    struct process *process = &world->processes[at];
    process->is_running = false;
    process->is_paused = false;
    process->read_count = 0;
    disk_lose(&process->disk);
    network_forget_unsent(world, at);
    free(process->memory);
    process->memory = NULL;
    process->core = NULL;
}

void process_crash(struct world *world, int at)
{
    if (world->processes[at].is_running) {
        stop(world, at);
    }
}

void process_fini(struct process *process)
{
    disk_lose(&process->disk);
    free(process->disk.image);
    free(process->memory);
    memset(process, 0, sizeof *process);
}

void process_tick(struct world *world, int at)
{
    struct paxos_event event = {.type = PAXOS_EVENT_TICK};
    process_step(world, at, &event);
}

/* ---- effects, in the order of the law in paxos.h ---- */

static void print_traces(struct world *world, int at)
{
    const struct paxos_effects *effects = &world->effects;
    for (uint32_t i = 0; i < effects->trace_count; i++) {
        const struct paxos_trace *trace = &effects->traces[i];
        print_trace(world, at, trace);
        if (trace->kind == PAXOS_TRACE_LEADING) {
            checks_leading(world, at);
        }
    }
}

static void
send_one(struct world *world, int at, const struct paxos_message *message, uint64_t token)
{
    const struct process *process = &world->processes[at];
    struct paxos_entry entries[SLOTS_MAX];
    CHECK(message->entry_count <= world->options.message_entries);
    cs_slot from = message->type == PAXOS_ACCEPT_SYNC ? message->accept_sync.from
                                                      : message->accept.previous;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        entries[i] = *paxos_entry_at(process->core, from + 1 + i);
    }
    network_send(world, at, message, entries, token);
}

static void send_all(struct world *world, int at)
{
    const struct paxos_effects *effects = &world->effects;
    for (uint32_t i = 0; i < effects->now_count; i++) {
        send_one(world, at, &effects->messages_now[i], 0);
    }
    uint64_t token = effects->after_sync_token;
    bool is_durable = token <= world->processes[at].disk.durable.token;
    for (uint32_t i = 0; i < effects->after_sync_count; i++) {
        send_one(world, at, &effects->messages_after_sync[i], is_durable ? 0 : token);
    }
}

static void answer_reads(struct world *world, int at)
{
    const struct paxos_effects *effects = &world->effects;
    struct process *process = &world->processes[at];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < process->read_count; i++) {
        struct read *read = &process->reads[i];
        if (!read->is_confirmed && read->id <= effects->read_ready_id) {
            read->is_confirmed = true;
            read->slot = effects->read_ready_slot;
            checks_read(world, at, read);
        }
        if (read->is_confirmed && process->view.decided >= read->slot) {
            print(world, "%llums %s read %llu answered at slot %llu\n",
                  (unsigned long long)world->now_ms, process->name,
                  (unsigned long long)read->number, (unsigned long long)read->slot);
        } else {
            process->reads[kept++] = *read;
        }
    }
    process->read_count = kept;
}

/* Slots that left memory come from the durable log, as in the server. */
static void serve(struct world *world, int at)
{
    const struct paxos_serve *asked = &world->effects.serve;
    const struct process *process = &world->processes[at];
    const struct storage *durable = &process->disk.durable;
    bool is_in_memory =
        asked->first > process->view.base && asked->last <= process->view.length;
    cs_slot last = asked->last;
    last = is_in_memory || last < durable->length ? last : durable->length;
    if (last < asked->first) {
        return;
    }
    for (cs_slot slot = asked->first; !is_in_memory && slot <= last; slot++) {
        last = durable->is_lost[slot] ? slot - 1 : last;
    }
    bool is_before_lost = !is_in_memory && durable->is_lost[asked->first - 1];
    last = is_before_lost ? asked->first - 1 : last;
    if (last < asked->first && asked->for_repair == 0) {
        return;
    }
    struct paxos_message message;
    paxos_stamp(process->core, PAXOS_ENTRIES, asked->to, &message);
    message.ballot = asked->ballot;
    message.log.from = asked->first - 1;
    message.log.decided = process->view.decided;
    message.log.from_chain = is_in_memory
                                 ? paxos_chain_at(process->core, asked->first - 1)
                                 : storage_chain_at(durable, asked->first - 1);
    struct paxos_entry entries[SLOTS_MAX];
    for (cs_slot slot = asked->first;
         slot <= last && message.entry_count < world->options.message_entries; slot++) {
        entries[message.entry_count++] = is_in_memory
                                             ? *paxos_entry_at(process->core, slot)
                                             : durable->entries[slot - 1];
    }
    network_send(world, at, &message, entries, 0);
}

static void maybe_halt(struct world *world, int at)
{
    const struct paxos_effects *effects = &world->effects;
    if (effects->halt != PAXOS_HALT_NONE) {
        print(world, "%llums %s halt %s, shown by n%u\n",
              (unsigned long long)world->now_ms, world->processes[at].name,
              paxos_halt_name(effects->halt), effects->halt_peer + 1);
        stop(world, at);
    }
}

static void take_step(struct world *world, int at, const struct paxos_event *event)
{
    struct process *process = &world->processes[at];
    struct paxos_event now = *event;
    now.now_ms = world->now_ms;
    paxos_step(process->core, &now, &world->effects);
    process->view = paxos_view_of(process->core);
    checks_after_step(world, at);
}

static void carry_out(struct world *world, int at)
{
    const struct paxos_effects *effects = &world->effects;
    print_traces(world, at);
    if (effects->persist.kind != PAXOS_PERSIST_NONE) {
        disk_append(world, at, &effects->persist);
    }
    send_all(world, at);
    answer_reads(world, at);
    if (effects->serve.wanted) {
        serve(world, at);
    }
    maybe_halt(world, at);
}

void process_step(struct world *world, int at, const struct paxos_event *event)
{
    take_step(world, at, event);
    carry_out(world, at);
}

/* ---- clients ---- */

static const char *refusal_name(uint32_t refusal)
{
    switch ((enum paxos_refusal)refusal) {
    case PAXOS_REFUSED_NOT:
        return "nothing";
    case PAXOS_REFUSED_NOT_LEADER:
        return "not leader";
    case PAXOS_REFUSED_WINDOW_FULL:
        return "window full";
    case PAXOS_REFUSED_HANDING_OVER:
        return "handing over";
    }
    return "unknown";
}

cs_slot process_propose(struct world *world, int at)
{
    struct paxos_event event = {
        .type = PAXOS_EVENT_PROPOSE,
        .entry = {.type = PAXOS_ENTRY_BATCH,
                  .payload_bytes = 100,
                  .digest = {.high = 1, .low = world->proposals + 1}},
    };
    process_step(world, at, &event);
    cs_slot slot = world->effects.proposed_slot;
    if (slot == 0) {
        print(world, "%s refused: %s\n", world->processes[at].name,
              refusal_name(world->effects.refusal));
        return 0;
    }
    world->proposals++;
    return slot;
}

void process_read(struct world *world, int at)
{
    struct process *process = &world->processes[at];
    CHECK(process->read_count < READS_MAX);
    struct paxos_event event = {.type = PAXOS_EVENT_READ};
    cs_slot floor = world->checks.decided;
    take_step(world, at, &event);
    process->reads[process->read_count++] = (struct read){.id = world->effects.read_id,
                                                          .number = ++world->reads,
                                                          .floor = floor};
    carry_out(world, at);
}
