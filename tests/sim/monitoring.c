/*
 * monitoring.c - every step of every node before tests/monitor, which judges by the rules
 * alone. What a node's disk keeps from life to life is judged elsewhere (judge.c, I11).
 */
#include "sim/world.h"

#include <stdio.h>

static void report(const struct port_context *port)
{
    const struct monitor_finding *finding = monitor_finding_of(port->node->monitor);
    char rule[24];
    (void)snprintf(rule, sizeof rule, "monitor-%s", monitor_rule_name(finding->rule));
    report_fail(port->world, rule, port->node, 0, NO_BALLOT, "step %llu: %s",
                (unsigned long long)finding->step, finding->sentence);
}

void monitoring_begun(void *context,
                      const struct paxos_settings *settings,
                      const struct paxos_recovered *recovered,
                      const struct paxos_core *core)
{
    const struct port_context *port = context;
    struct monitor *monitor = port->node->monitor;
    struct paxos_view view = paxos_view_of(core);
    monitor_forget(monitor);
    monitor_begin(monitor, settings, recovered, &view);
    if (monitor_finding_of(monitor)->is_found) {
        report(port);
    }
}

void monitoring_stepped(void *context,
                        const struct paxos_core *core,
                        const struct paxos_event *event,
                        const struct paxos_effects *effects,
                        const struct paxos_view *view)
{
    const struct port_context *port = context;
    if (!monitor_watch(port->node->monitor, core, event, effects, view)) {
        report(port);
    }
}
