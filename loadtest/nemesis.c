#include "loadtest/nemesis.h"

#include "loadtest/now.h"

void nemesis_init(struct nemesis *nemesis,
                  struct cluster *cluster,
                  const struct plan *plan)
{
    *nemesis = (struct nemesis){.cluster = cluster,
                                .plan = plan,
                                .chance = chance_from(plan->seed ^ 0xfa17)};
}

static enum plan_fault draw_kind(struct nemesis *nemesis)
{
    enum plan_fault kind = PLAN_KILL;
    do {
        kind = 1U << chance_below(&nemesis->chance, 3);
    } while ((nemesis->plan->faults & kind) == 0);
    return kind;
}

static void inflict(struct nemesis *nemesis, uint64_t now_ns)
{
    struct nemesis_fault *fault = &nemesis->faults[nemesis->count++];
    fault->kind = draw_kind(nemesis);
    fault->node = (uint32_t)chance_below(&nemesis->chance, nemesis->cluster->count);
    fault->from_ns = now_ns;
    fault->to_ns = UINT64_MAX;
    switch (fault->kind) {
    case PLAN_KILL:
        cluster_kill(nemesis->cluster, fault->node);
        break;
    case PLAN_PAUSE:
        cluster_pause(nemesis->cluster, fault->node, true);
        break;
    case PLAN_PARTITION:
        cluster_isolate(nemesis->cluster, fault->node, true);
        break;
    }
    nemesis->is_active = true;
    nemesis->next_ns = now_ns + nemesis->plan->fault_hold_ms * NS_PER_MS;
}

static void mend(struct nemesis *nemesis, uint64_t now_ns)
{
    struct nemesis_fault *fault = &nemesis->faults[nemesis->count - 1];
    switch (fault->kind) {
    case PLAN_KILL:
        (void)cluster_restart(nemesis->cluster, fault->node);
        break;
    case PLAN_PAUSE:
        cluster_pause(nemesis->cluster, fault->node, false);
        break;
    case PLAN_PARTITION:
        cluster_isolate(nemesis->cluster, fault->node, false);
        break;
    }
    fault->to_ns = now_ns;
    nemesis->is_active = false;
    nemesis->next_ns = now_ns + nemesis->plan->fault_every_ms * NS_PER_MS;
}

void nemesis_tick(struct nemesis *nemesis, uint64_t now_ns)
{
    if (nemesis->plan->faults == 0) {
        return;
    }
    if (nemesis->next_ns == 0) {
        nemesis->next_ns = now_ns + nemesis->plan->fault_every_ms * NS_PER_MS / 2;
    }
    if (now_ns < nemesis->next_ns) {
        return;
    }
    if (nemesis->is_active) {
        mend(nemesis, now_ns);
    } else if (nemesis->count < NEMESIS_FAULTS_MAX) {
        inflict(nemesis, now_ns);
    }
}

void nemesis_stop(struct nemesis *nemesis, uint64_t now_ns)
{
    if (nemesis->is_active) {
        mend(nemesis, now_ns);
    }
}

const char *nemesis_fault_name(enum plan_fault kind)
{
    return kind == PLAN_KILL ? "kill" : kind == PLAN_PAUSE ? "pause" : "partition";
}
