#include "cli/dev_chaos.h"

#include <stddef.h>

void dev_chaos_begin(struct dev_chaos *chaos, uint64_t now_ms)
{
    for (size_t i = 0; i < DEV_FAULTS; i++) {
        chaos->is_on[i] = false;
        chaos->next_ms[i] = now_ms + chaos->half_ms;
    }
}

bool dev_chaos_next(struct dev_chaos *chaos, uint64_t now_ms, enum dev_fault *out_fault)
{
    for (size_t i = 0; i < DEV_FAULTS; i++) {
        if (chaos->node[i] != 0 && chaos->next_ms[i] <= now_ms) {
            chaos->is_on[i] = !chaos->is_on[i];
            chaos->next_ms[i] = now_ms + chaos->half_ms;
            *out_fault = (enum dev_fault)i;
            return true;
        }
    }
    return false;
}

uint64_t dev_chaos_due_ms(const struct dev_chaos *chaos)
{
    uint64_t due_ms = UINT64_MAX;
    for (size_t i = 0; i < DEV_FAULTS; i++) {
        if (chaos->node[i] != 0 && chaos->next_ms[i] < due_ms) {
            due_ms = chaos->next_ms[i];
        }
    }
    return due_ms;
}
