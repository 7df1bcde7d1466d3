#include "unit/support/monitored.h"

#include "monitor/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct monitor *monitor;

int monitored_begin(void **state)
{
    (void)state;
    monitor = monitor_new();
    return 0;
}

int monitored_end(void **state)
{
    (void)state;
    monitor_destroy(&monitor);
    return 0;
}

static void watch(void *context, const struct paxos_event *event)
{
    const struct paxos_rig *rig = context;
    if (event == NULL) {
        monitor_forget(monitor);
        monitor_begin(monitor, &rig->settings, &rig->recovered, &rig->view);
    } else {
        (void)monitor_watch(monitor, rig->core, event, &rig->effects, &rig->view);
    }
    const struct monitor_finding *finding = monitor_finding_of(monitor);
    if (finding->is_found) {
        fail_msg("%s: %s", monitor_rule_name(finding->rule), finding->sentence);
    }
}

void monitored_watch(struct paxos_rig *rig)
{
    rig->watch = watch;
    rig->watch_context = rig;
}
