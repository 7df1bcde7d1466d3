#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>

static uint32_t never_count;

static void row(const char *group, const char *name, uint64_t count)
{
    (void)printf("  %-10s %-22s %12" PRIu64 "\n", group, name, count);
    never_count += count == 0;
}

static void print_ratio(const char *name, uint64_t part, uint64_t whole)
{
    (void)printf("  %-33s %11" PRIu64 "%%\n", name, whole == 0 ? 0 : part * 100 / whole);
}

static void print_world(const struct stats *stats)
{
    row("seeds", "all", stats->seeds);
    for (uint32_t i = 1; i <= NODES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "of %u nodes", i);
        row("seeds", name, stats->sizes[i]);
    }
    row("events", "all", stats->events);
    row("operations", "all", stats->operations);
    row("operations", "writes applied", stats->operations_written);
    row("operations", "reads answered", stats->operations_read);
    row("operations", "outcome unknown", stats->operations_unknown);
    row("operations", "local reads", stats->local_reads);
    row("operations", "search steps", stats->search_steps);
    row("operations", "search steps, most", stats->search_steps_most);
    row("operations", "search steps, seed", stats->search_seed);
    print_ratio("conditions that held", stats->condition_held,
                stats->condition_held + stats->condition_failed);
    row("node", "starts", stats->starts);
    row("node", "starts with a log", stats->restarts_with_log);
    row("node", "leaderships", stats->leaders);
    row("node", "disks lost", stats->wiped);
    row("node", "disks rolled back", stats->rolled_back);
    for (uint32_t i = 0; i < ROTS; i++) {
        row("rot", damage_rot_name(i), stats->rots[i]);
    }
    for (uint32_t i = 0; i < COPY_ROTS; i++) {
        row("rot", damage_copy_rot_name(i), stats->copy_rots[i]);
    }
    row("node", "slots found lost", stats->slots_lost);
    row("node", "refused starts", stats->refused_starts);
    for (uint32_t i = PAXOS_HALT_NONE + 1; i <= PAXOS_HALT_LOST; i++) {
        row("halt", paxos_halt_name(i), stats->halts[i]);
    }
}

static void print_parts(const struct stats *stats)
{
    row("frames", "sent", stats->frames_sent);
    row("frames", "lost", stats->frames_lost);
    row("frames", "cut", stats->frames_cut);
    row("frames", "over high-water mark", stats->frames_over_mark);
    row("frames", "doubled", stats->frames_doubled);
    row("frames", "replayed", stats->frames_replayed);
    row("frames", "corrupted", stats->frames_corrupted);
    row("frames", "to nobody", stats->frames_to_nobody);
    row("log", "records", stats->records);
    row("log", "commits", stats->commits);
    row("log", "seals", stats->seals);
    row("log", "segments", stats->segments);
    row("log", "segments without room", stats->segments_without_room);
    row("log", "reads for peers", stats->log_reads);
    row("log", "torn blocks cut", stats->torn_blocks);
    row("log", "crashes in open", stats->crashes_in_open);
    row("log", "crashes in a commit", stats->crashes_in_commit);
    row("log", "crashes in a segment", stats->crashes_in_segment);
    row("log", "errors of the disk", stats->disk_errors);
}

static void print_kinds(const struct stats *stats)
{
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        row("fault", faults_name(i), stats->faults[i]);
    }
    for (uint32_t i = 0; shapes_name(i) != NULL; i++) {
        row("shape", shapes_name(i), stats->shapes[i]);
    }
    for (uint32_t i = 0; liveness_name(i) != NULL; i++) {
        row("liveness", liveness_name(i), stats->liveness_shapes[i]);
    }
    row("liveness", "one full disk", stats->burdens[BURDEN_FULL_DISK]);
    row("liveness", "one slow disk", stats->burdens[BURDEN_SLOW_DISK]);
    for (uint32_t i = 1; i < PAXOS_MESSAGE_TYPES; i++) {
        row("message", paxos_message_name(i), stats->messages[i]);
    }
    row("message", "FORWARD", stats->forwards);
    row("message", "REFUSED", stats->refusals);
    for (uint32_t i = 1; i <= PAXOS_TRACE_DAMAGED; i++) {
        row("trace", paxos_trace_name(i), stats->traces[i]);
    }
    for (int i = 0; i < CS_STATUS_COUNT; i++) {
        row("answer", status_word((enum cs_status)i), stats->statuses[i]);
    }
}

/* The bucket within which `permille` of them lie. */
static uint64_t leader_within_ms(const struct stats *stats, uint64_t permille)
{
    uint64_t all = 0;
    uint64_t seen = 0;
    uint32_t bucket = 0;
    for (uint32_t i = 0; i < STATS_LEADER_BUCKETS; i++) {
        all += stats->leader_after[i];
    }
    while (bucket < STATS_LEADER_BUCKETS && seen * 1000 < all * permille) {
        seen += stats->leader_after[bucket++];
    }
    return (uint64_t)bucket * STATS_LEADER_BUCKET_US / 1000;
}

static void print_leader_times(const struct stats *stats)
{
    (void)printf("  first leader after faults: median %" PRIu64 " ms, p99 %" PRIu64
                 " ms, worst %" PRIu64 " ms (seed %" PRIu64 ")\n",
                 leader_within_ms(stats, 500), leader_within_ms(stats, 990),
                 stats->leader_after_most_us / 1000, stats->leader_after_seed);
}

void stats_print(const struct stats *stats)
{
    never_count = 0;
    print_world(stats);
    print_parts(stats);
    print_kinds(stats);
    print_leader_times(stats);
    (void)printf("  %u rows are 0: they never happened\n", never_count);
}
