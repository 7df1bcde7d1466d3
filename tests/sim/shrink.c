#include "sim/shrink.h"

#include "base/buggify.h"
#include "base/check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TRIAL_SECONDS_MAX = 20,
    SALTS_A_STEP = 6,  // other chances tried for each thing taken away
    SALTS_AT_END = 60, // ... and for the smallest world, in a row without success
    FLAGS_BYTES_MAX = 4096,
};

struct outcome { // of one trial
    bool is_failing;
    char rule[24];
    uint64_t events;
    uint64_t time_us;
    uint32_t strikes;
};

struct shrinker {
    struct world *world;
    uint64_t seed;
    uint64_t deadline_ms;
    struct variant best;
    struct outcome outcome; // of the best
    uint64_t trials;
    uint64_t last_salt;
};

/*
 * ---- one trial, in a process of its own
 * -----------------------------------------------------
 */

static int trial_pipe;            // of a trial's process: where its outcome goes
static const struct world *trial; // ... and what it runs

static void tell(const char *rule)
{
    struct outcome outcome = {.is_failing = rule[0] != '\0',
                              .events = trial->event_count,
                              .time_us = trial->now_us,
                              .strikes = trial->fault_count};
    for (size_t i = 0; i + 1 < sizeof outcome.rule && rule[i] != '\0'; i++) {
        outcome.rule[i] = rule[i];
    }
    ssize_t written = write(trial_pipe, &outcome, sizeof outcome);
    _exit(written == (ssize_t)sizeof outcome ? 0 : 1);
}

static void on_crash(int number)
{
    (void)number;
    tell("crash");
}

static void run_trial(struct shrinker *self, const struct variant *variant, int pipe_end)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_crash;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
    trial_pipe = pipe_end;
    trial = self->world;
    int nowhere = open("/dev/null", O_WRONLY);
    (void)dup2(nowhere, STDERR_FILENO); // what a CHECK says was said already
    (void)alarm(TRIAL_SECONDS_MAX);
    self->world->variant = *variant;
    bool is_good = world_run(self->world, self->seed, false);
    tell(is_good ? "" : self->world->violation.rule);
}

static struct outcome try_once(struct shrinker *self, const struct variant *variant)
{
    struct outcome outcome = {0};
    int ends[2];
    if (pipe(ends) != 0) {
        return outcome;
    }
    self->trials++;
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        run_trial(self, variant, ends[1]);
    }
    (void)close(ends[1]);
    if (child > 0) {
        ssize_t got = read(ends[0], &outcome, sizeof outcome);
        int status = 0;
        (void)waitpid(child, &status, 0);
        outcome.is_failing = outcome.is_failing && got == (ssize_t)sizeof outcome;
    }
    (void)close(ends[0]);
    return outcome;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_over(const struct shrinker *self)
{
    return now_ms() >= self->deadline_ms;
}

/* Kept if it breaks the same rule within as many events. */
static bool try_variant(struct shrinker *self, const struct variant *variant)
{
    if (is_over(self) || memcmp(variant, &self->best, sizeof *variant) == 0) {
        return false;
    }
    struct outcome outcome = try_once(self, variant);
    bool is_same = outcome.is_failing && strcmp(outcome.rule, self->outcome.rule) == 0;
    if (!is_same || outcome.events > self->outcome.events) {
        return false;
    }
    self->best = *variant;
    self->outcome = outcome;
    return true;
}

/* In a smaller world everything happens otherwise: the same chance, then other ones. */
static bool try_salts(struct shrinker *self, struct variant variant)
{
    if (try_variant(self, &variant)) {
        return true;
    }
    for (int i = 0; i < SALTS_A_STEP; i++) {
        variant.salt = ++self->last_salt;
        if (try_variant(self, &variant)) {
            return true;
        }
    }
    return false;
}

/*
 * ---- what is taken away; true: something was
 * ------------------------------------------------
 */

static bool take_nodes(struct shrinker *self)
{
    uint32_t count = self->best.node_count;
    for (uint32_t fewer = 1; fewer < count; fewer++) {
        struct variant variant = self->best;
        variant.node_count = fewer;
        if (try_salts(self, variant)) {
            return true;
        }
    }
    return false;
}

static bool take_clients(struct shrinker *self)
{
    uint32_t count = self->best.client_count;
    for (uint32_t fewer = 1; fewer < count; fewer = fewer * 2) {
        struct variant variant = self->best;
        variant.client_count = fewer;
        if (try_salts(self, variant)) {
            return true;
        }
    }
    return false;
}

/* All that is left of a set, then one by one. `off` lies in `variant`. */
static bool
take_set(struct shrinker *self, struct variant *variant, uint64_t *off, uint32_t count)
{
    uint64_t all = UINT64_MAX >> (64 - count);
    const uint64_t before = *off;
    bool is_taken = false;
    if (before == all) {
        return false;
    }
    *off = all;
    if (try_salts(self, *variant)) {
        return true;
    }
    *off = before;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t without = *off | (uint64_t)1 << i;
        uint64_t with = *off;
        if (with == without) {
            continue;
        }
        *off = without;
        variant->salt = self->best.salt;
        if (try_salts(self, *variant)) {
            is_taken = true;
        } else {
            *off = with;
        }
    }
    return is_taken;
}

static bool take_points(struct shrinker *self)
{
    struct variant variant = self->best;
    return take_set(self, &variant, &variant.points_off, BUGGIFY_COUNT);
}

static bool take_faults(struct shrinker *self)
{
    struct variant variant = self->best;
    return take_set(self, &variant, &variant.faults_off, FAULT_KINDS);
}

static bool take_troubles(struct shrinker *self)
{
    bool is_taken = false;
    for (uint32_t i = 0; i <= CALM_KINDS; i++) {
        struct variant variant = self->best;
        variant.calm |= i == 0 ? (1u << CALM_KINDS) - 1 : 1u << (i - 1);
        is_taken = try_salts(self, variant) || is_taken;
    }
    return is_taken;
}

static bool take_strikes(struct shrinker *self)
{
    uint32_t first = self->best.fault_first == 0 ? 1 : self->best.fault_first;
    struct variant variant = self->best;
    variant.fault_first = first + (self->outcome.strikes - first + 1) / 2;
    if (self->outcome.strikes > first && try_salts(self, variant)) {
        return true;
    }
    variant = self->best;
    variant.fault_last = self->outcome.strikes > 1 ? self->outcome.strikes - 1 : 0;
    return variant.fault_last != 0 && variant.fault_last != self->best.fault_last &&
           try_salts(self, variant);
}

/* Only where it fails after the first phase; earlier ones end anyway. */
static bool take_time(struct shrinker *self)
{
    uint64_t length_ms = self->best.safety_ms;
    length_ms = length_ms == 0 ? self->world->swarm.safety_us / MS : length_ms;
    for (uint64_t shorter = 500;
         shorter < length_ms && self->outcome.time_us > length_ms * MS; shorter *= 2) {
        struct variant variant = self->best;
        variant.safety_ms = shorter;
        if (try_salts(self, variant)) {
            return true;
        }
    }
    return false;
}

static bool take_operations(struct shrinker *self)
{
    uint32_t count = self->best.operation_count;
    count = count == 0 ? OPERATIONS_MAX : count;
    for (uint32_t fewer = 5; fewer < count; fewer *= 3) {
        struct variant variant = self->best;
        variant.operation_count = fewer;
        if (try_salts(self, variant)) {
            return true;
        }
    }
    return false;
}

/* Luck: the same small world may fail earlier. */
static bool take_chance(struct shrinker *self)
{
    uint64_t before = self->outcome.events;
    int in_vain = 0;
    while (in_vain < SALTS_AT_END && !is_over(self)) {
        struct variant variant = self->best;
        variant.salt = ++self->last_salt;
        uint64_t events = self->outcome.events;
        bool is_less = try_variant(self, &variant) && self->outcome.events < events;
        in_vain = is_less ? 0 : in_vain + 1;
    }
    return self->outcome.events * 10 < before * 9;
}

/* What the seed drew, said in flags: so that what is left can be named. */
static void name_all(struct shrinker *self)
{
    const struct world *world = self->world;
    struct variant *variant = &self->best;
    variant->node_count = world->swarm.node_count;
    variant->client_count = world->swarm.client_count;
    variant->points_off |= ~world->points_drawn;
    variant->points_off &= UINT64_MAX >> (64 - BUGGIFY_COUNT);
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        bool is_off = world->swarm.fault_weight[i] == 0;
        variant->faults_off |= (uint64_t)is_off << i;
    }
}

static void take_away(struct shrinker *self)
{
    static bool (*const steps[])(struct shrinker *) = {
        take_nodes,   take_points, take_faults,     take_troubles, take_clients,
        take_strikes, take_time,   take_operations, take_chance,
    };
    bool is_smaller = true;
    while (is_smaller && !is_over(self)) {
        is_smaller = false;
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            is_smaller = steps[i](self) || is_smaller;
        }
    }
}

bool shrink_seed(struct world *world,
                 uint64_t seed,
                 uint64_t seconds_max,
                 const char *program)
{
    struct shrinker self = {.world = world,
                            .seed = seed,
                            .best = world->variant,
                            .deadline_ms = now_ms() + seconds_max * 1000};
    uint64_t begun_ms = now_ms();
    self.outcome = try_once(&self, &self.best);
    if (!self.outcome.is_failing) {
        (void)printf("seed=%" PRIu64 " does not fail: nothing to shrink\n", seed);
        return false;
    }
    const struct outcome whole = self.outcome;
    world_prepare(world, seed);
    name_all(&self);
    take_away(&self);
    static char flags[FLAGS_BYTES_MAX];
    variant_print(&self.best, flags, sizeof flags);
    (void)printf("shrunk seed=%" PRIu64 " found=%s: %" PRIu64 " of %" PRIu64
                 " events (%" PRIu64 ".%" PRIu64 "%%) after %" PRIu64 " runs in %" PRIu64
                 " s\n",
                 seed, self.outcome.rule, self.outcome.events, whole.events,
                 self.outcome.events * 100 / whole.events,
                 self.outcome.events * 1000 / whole.events % 10, self.trials,
                 (now_ms() - begun_ms) / 1000);
    (void)printf("  replay: %s --seed %" PRIu64 "%s --trace\n", program, seed, flags);
    return true;
}
