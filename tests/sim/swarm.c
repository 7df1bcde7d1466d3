/*
 * swarm.c - each seed has its own sort of world: which faults are on and how strong,
 * how large the windows, rings, blocks and values are. A world with everything on finds
 * less than many with some things on (swarm testing, Groce et al. 2012).
 */
#include "sim/world.h"

#include "base/check.h"
#include "base/limits.h"

enum { FAR_MESSAGE_ENTRIES = 4, FAR_MESSAGE_BYTES = 2048 };
enum { BEYOND_PERMILLE = 50, DAMAGE_PERMILLE = 200 };

static void draw_size(struct swarm *swarm, struct random *random);
static void draw_network(struct swarm *swarm, struct random *random);
static void draw_disk(struct swarm *swarm, struct random *random);
static void draw_core(struct swarm *swarm, struct random *random);
static void draw_sessions(struct swarm *swarm, uint64_t seed);
static void draw_faults(struct swarm *swarm,
                        struct random *random,
                        const struct swarm_options *options);

void swarm_draw(struct swarm *swarm, uint64_t seed, const struct swarm_options *options)
{
    struct random random;
    random_init(&random, seed, 1);
    *swarm = (struct swarm){0};
    draw_size(swarm, &random);
    draw_network(swarm, &random);
    draw_disk(swarm, &random);
    draw_core(swarm, &random);
    draw_sessions(swarm, seed);
    draw_faults(swarm, &random, options);
    if (options->is_long) {
        swarm->safety_us = 114 * SECOND;
        swarm->operations_min = 1000;
        swarm->operation_target = (uint32_t)random_between(&random, 1100, 2000);
    }
}

static void draw_size(struct swarm *swarm, struct random *random)
{
    static const uint32_t counts[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 5,
                                      5, 5, 5, 5, 5, 4, 4, 4, 2, 1};
    swarm->node_count = counts[random_below(random, sizeof counts / sizeof counts[0])];
    swarm->safety_us = 14 * SECOND;
    swarm->operations_min = 300;
    swarm->client_count = (uint32_t)random_between(random, 3, CLIENTS_MAX);
    swarm->key_count = (uint32_t)random_skewed(random, 1, KEYS_MAX);
    swarm->hot_permille = (uint32_t)random_between(random, 0, 400);
    swarm->operation_target = (uint32_t)random_between(random, 350, 700);
    swarm->value_bytes_max = (uint32_t)random_skewed(random, 8, 2000);
    swarm->turn_delay_us =
        random_permille(random, 300) ? 0 : (uint32_t)random_skewed(random, 1, 2000);
    swarm->tells_peer_lost = random_permille(random, 500);
}

/* On in half of the seeds, and then mostly weak. */
static uint32_t draw_permille(struct random *random, uint32_t most)
{
    return random_permille(random, 500) ? 0 : (uint32_t)random_skewed(random, 1, most);
}

static void draw_network(struct swarm *swarm, struct random *random)
{
    swarm->latency_us = (uint32_t)random_skewed(random, 20, 2000);
    swarm->jitter_us = (uint32_t)random_skewed(random, 1, 5000);
    swarm->delay = random_permille(random, 400)
                       ? DELAY_EVEN
                       : (enum delay_kind)random_below(random, DELAY_KINDS);
    swarm->spike_permille = draw_permille(random, 50);
    swarm->loss_permille = draw_permille(random, 300);
    swarm->duplicate_permille = draw_permille(random, 300);
    swarm->replay_permille = draw_permille(random, 500);
    swarm->corrupt_permille = draw_permille(random, 50);
    swarm->is_ordered = random_permille(random, 500);
    swarm->link_frames_max = (uint32_t)random_skewed(random, 16, 2000);
}

static void draw_disk(struct swarm *swarm, struct random *random)
{
    swarm->sync_us = (uint32_t)random_skewed(random, 50, 5000);
    swarm->sync_jitter_us = (uint32_t)random_skewed(random, 1, 20000);
    swarm->is_buffered = random_permille(random, 300);
    swarm->block_bytes_max = (uint32_t)random_skewed(random, 512, 64 * 1024);
    swarm->segment_bytes = (uint64_t)4096 << random_between(random, 6, 8);
}

static uint32_t at_least(uint32_t number, uint32_t least)
{
    return number < least ? least : number;
}

static void draw_core(struct swarm *swarm, struct random *random)
{
    struct paxos_settings *core = &swarm->core;
    core->heartbeat_ms = 50;
    core->idle_heartbeat_ms = (uint32_t)random_between(random, 0, 4) * 50;
    core->resend_ms = 100;
    core->stall_ms = 1000;
    core->read_retry_ms = 150;
    core->window_entries = (uint32_t)random_skewed(random, 1, 64);
    core->window_bytes = random_skewed(random, 64, 64 * 1024);
    core->ring_entries = 4;
    while (core->ring_entries < 4 * core->window_entries ||
           random_permille(random, 300)) {
        core->ring_entries *= 2;
    }
    core->ring_bytes = random_skewed(random, 256, 1024 * 1024);
    core->message_entries = (uint32_t)random_skewed(random, 1, 32);
    core->message_bytes = random_skewed(random, 64, 64 * 1024);
    if (swarm->delay != DELAY_EVEN) {
        // Fetched one slot a round trip of 40 ms, a log is never caught up with by who
        // is behind: the others decide as many. Real messages hold more than a window.
        core->message_entries = at_least(core->message_entries, FAR_MESSAGE_ENTRIES);
        core->message_bytes = at_least((uint32_t)core->message_bytes, FAR_MESSAGE_BYTES);
    }
    swarm->batch_commands_max = (uint32_t)random_skewed(random, 1, 64);
    swarm->batch_bytes_max = (uint32_t)random_skewed(random, 64, 16 * 1024);
    swarm->requests_waiting_max = (uint32_t)random_skewed(random, 2, 256);
    swarm->slots_in_flight_max =
        random_permille(random, 700) ? 0 : (uint32_t)random_between(random, 1, 4);
}

/* In half of the seeds; in some of them they expire, in some there is hardly room. */
static void draw_sessions(struct swarm *swarm, uint64_t seed)
{
    struct random random;
    random_init(&random, seed, 9);
    bool has_some = random_permille(&random, 500);
    swarm->session_permille = has_some ? (uint32_t)random_between(&random, 200, 1000) : 0;
    bool is_short = random_permille(&random, 300);
    uint64_t idle_ms = random_skewed(&random, 100, 4000);
    swarm->session_idle_ms = is_short ? idle_ms : LIMIT_SESSION_IDLE_MS;
    bool is_narrow = random_permille(&random, 300);
    uint64_t most = random_between(&random, 1, 6);
    swarm->sessions_max = is_narrow ? most : LIMIT_SESSIONS;
}

static void draw_faults(struct swarm *swarm,
                        struct random *random,
                        const struct swarm_options *options)
{
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        bool is_damage = i == FAULT_DAMAGE;
        bool is_on = random_permille(random, is_damage ? DAMAGE_PERMILLE : 400) ||
                     (is_damage && options->has_damage);
        uint32_t weight = is_on ? (uint32_t)random_skewed(random, 1, 16) : 0;
        swarm->fault_weight[i] = weight;
        swarm->fault_weight_sum += weight;
    }
    swarm->fault_every_us = random_skewed(random, 150 * MS, 4 * SECOND);
    swarm->down_us_max = random_skewed(random, 20 * MS, 3 * SECOND);
    swarm->is_beyond = random_permille(random, BEYOND_PERMILLE);
}
