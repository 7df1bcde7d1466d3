#include "sim/world.h"

#include "base/check.h"

#define RIGHT_PPM 1000000u

void clock_reset(struct world *world, struct node *node)
{
    struct sim_clock *clock = &node->clock;
    uint32_t drift = (uint32_t)random_between(&node->clock_random, 0, 200000);
    clock->base_us = world->now_us;
    // A monotonic clock starts anywhere, and anew with the machine.
    clock->base_own_us = random_between(&node->clock_random, 1, 3600 * SECOND);
    clock->usual_ppm = RIGHT_PPM - 100000 + drift;
    clock->rate_ppm = clock->usual_ppm;
    clock->change++;
}

uint64_t clock_own_us(const struct world *world, const struct node *node)
{
    const struct sim_clock *clock = &node->clock;
    return clock->base_own_us +
           (world->now_us - clock->base_us) * clock->rate_ppm / RIGHT_PPM;
}

uint64_t clock_own_ms(const struct world *world, const struct node *node)
{
    return clock_own_us(world, node) / MS;
}

uint64_t
clock_world_us(const struct world *world, const struct node *node, uint64_t own_ms)
{
    uint64_t now_us = clock_own_us(world, node);
    if (own_ms <= now_us / MS) {
        return world->now_us;
    }
    uint32_t rate_ppm = node->clock.rate_ppm;
    if (rate_ppm == 0 || own_ms > now_us / MS + 3600 * 1000) {
        return NEVER;
    }
    uint64_t wait_us = own_ms * MS - now_us;
    return world->now_us + (wait_us * RIGHT_PPM + rate_ppm - 1) / rate_ppm;
}

void clock_set_rate(struct world *world, struct node *node, uint32_t rate_ppm)
{
    struct sim_clock *clock = &node->clock;
    uint64_t own_us = clock_own_us(world, node);
    clock->base_us = world->now_us;
    clock->base_own_us = own_us;
    clock->rate_ppm = rate_ppm;
    clock->change++;
    node_plan_turn(world, node, world->now_us);
}

void clock_jump(struct world *world, struct node *node, uint64_t forward_us)
{
    node->clock.base_own_us += forward_us;
    node_plan_turn(world, node, world->now_us);
}
