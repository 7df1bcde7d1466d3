/*
 * monitor: judges traces of real processes (CONSENS_TRACE=FILE), one file a node. Ends
 * with what it judged and `N passed, N failed`; a file without a step fails.
 */
#include "monitor/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static void add(struct monitor_tally *sum, const struct monitor_tally *tally)
{
    sum->lives += tally->lives;
    sum->steps += tally->steps;
    for (uint32_t i = 0; i < MONITOR_EVENTS; i++) {
        sum->events[i] += tally->events[i];
    }
    for (uint32_t i = 0; i < PAXOS_MESSAGE_TYPES; i++) {
        sum->messages[i] += tally->messages[i];
        sum->sent[i] += tally->sent[i];
    }
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        sum->rules[i] += tally->rules[i];
    }
}

static bool judge(const char *path, struct monitor_tally *sum)
{
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    const struct monitor_tally *tally = monitor_tally_of(monitor);
    const struct monitor_finding *finding = monitor_finding_of(monitor);
    bool is_good = result.is_readable && !finding->is_found && tally->steps > 0;
    (void)printf("%s %s: %" PRIu64 " steps in %" PRIu64 " lives",
                 is_good ? "ok  " : "FAIL", path, tally->steps, tally->lives);
    if (result.torn_records > 0) {
        (void)printf(", %" PRIu64 " torn records", result.torn_records);
    }
    if (result.ends > 0) {
        (void)printf(", %" PRIu64 " lives not to their end", result.ends);
    }
    if (finding->is_found) {
        (void)printf("\n  rule %s, seat %u, boot %" PRIu64 ", step %" PRIu64 ": %s",
                     monitor_rule_name(finding->rule), finding->seat, finding->boot,
                     finding->step, finding->sentence);
    } else if (!result.is_readable) {
        (void)printf(": %s", result.sentence);
    } else if (tally->steps == 0) {
        (void)printf(": nothing was judged");
    }
    (void)printf("\n");
    add(sum, tally);
    monitor_destroy(&monitor);
    return is_good;
}

static void print_tally(const struct monitor_tally *sum)
{
    for (uint32_t i = 1; i < MONITOR_EVENTS; i++) {
        if (i != PAXOS_EVENT_MESSAGE && sum->events[i] > 0) {
            (void)printf("  step     %-18s %10" PRIu64 "\n", monitor_event_name(i),
                         sum->events[i]);
        }
    }
    for (uint32_t i = 1; i < PAXOS_MESSAGE_TYPES; i++) {
        if (sum->messages[i] > 0 || sum->sent[i] > 0) {
            (void)printf("  message  %-18s %10" PRIu64 " sent %" PRIu64 "\n",
                         paxos_message_name(i), sum->messages[i], sum->sent[i]);
        }
    }
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        (void)printf("  rule     %-18s %10" PRIu64 "\n",
                     monitor_rule_name((enum monitor_rule)i), sum->rules[i]);
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2 || strcmp(arguments[1], "--help") == 0) {
        (void)fputs("usage: monitor FILE...   traces of CONSENS_TRACE, one a node\n",
                    stderr);
        return EXIT_USAGE;
    }
    struct monitor_tally sum = {0};
    int passed = 0;
    int failed = 0;
    for (int i = 1; i < argument_count; i++) {
        bool is_good = judge(arguments[i], &sum);
        passed += is_good;
        failed += !is_good;
    }
    print_tally(&sum);
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
