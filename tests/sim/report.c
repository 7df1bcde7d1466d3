#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>

void report_fail(struct world *world,
                 const char *rule,
                 const struct node *node,
                 cs_slot slot,
                 struct paxos_ballot ballot,
                 const char *format,
                 ...)
{
    struct violation *violation = &world->violation;
    bool is_heard =
        !world->is_monitor_alone || strncmp(rule, "monitor-", strlen("monitor-")) == 0;
    if (violation->is_found || !is_heard) {
        return;
    }
    violation->is_found = true;
    violation->time_us = world->now_us;
    violation->node = node == NULL ? NODES_MAX : node->seat;
    violation->slot = slot;
    violation->ballot = ballot;
    (void)snprintf(violation->rule, sizeof violation->rule, "%s", rule);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(violation->sentence, sizeof violation->sentence, format, arguments);
    va_end(arguments);
    TRACE(world, node, "VIOLATION %s: %s", rule, violation->sentence);
}

void report_line(const struct world *world,
                 const struct node *node,
                 const char *format,
                 ...)
{
    if (!world->is_tracing) {
        return;
    }
    (void)printf("%3llu.%06llu ", (unsigned long long)(world->now_us / SECOND),
                 (unsigned long long)(world->now_us % SECOND));
    if (node == NULL) {
        (void)printf("--  ");
    } else {
        (void)printf("n%u  ", node->seat);
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
}

void report_hash(struct world *world, uint64_t bits)
{
    uint64_t hash = (world->hash ^ bits) * 0x9e3779b97f4a7c15u;
    world->hash = hash ^ (hash >> 29);
}

void report_hash_bytes(struct world *world, struct cs_view bytes)
{
    report_hash(world, bytes.bytes);
    size_t at = 0;
    for (; at + 8 <= bytes.bytes; at += 8) {
        report_hash(world, load_u64(bytes.data + at));
    }
    uint64_t rest = 0;
    for (; at < bytes.bytes; at++) {
        rest = rest << 8 | bytes.data[at];
    }
    report_hash(world, rest);
}

const char *report_ballot(struct paxos_ballot ballot)
{
    static char texts[4][40];
    static unsigned next;
    char *text = texts[next++ % 4];
    (void)snprintf(text, sizeof texts[0], "%u.%u.%u", ballot.epoch, ballot.round,
                   ballot.node);
    return text;
}
