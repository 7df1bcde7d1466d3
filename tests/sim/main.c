/*
 * sim: the cluster in a box. One process, one thread, all chance from a seed: the real
 * core, replica and log over a simulated network, disk and clock.
 */
#include "sim/shrink.h"
#include "sim/tally.h"
#include "sim/world.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    SEED_SECONDS_MAX = 60, // of real time: past it a seed hangs
    SHRINK_SECONDS = 60,   // of real time, unless --seconds says otherwise
    FLAGS_BYTES_MAX = 4096,
};

struct options {
    uint64_t first;
    uint64_t count;
    bool is_tracing;
    bool prints_hash;
    bool runs_twice;
    bool stops_at_first;
    bool prints_stats;
    struct swarm_options swarm;
    bool prints_tally;
    bool shrinks;
    uint64_t shrink_seconds;
    struct variant variant;
    bool is_monitor_alone;
};

struct tally {
    uint64_t passed;
    uint64_t failed;
    uint64_t begun_ms;
    uint64_t shown_ms;
};

static char seed_line[FLAGS_BYTES_MAX + 128];
static char flags[FLAGS_BYTES_MAX]; // of the variant
static const char *program = "sim";

static const char usage[] =
    "usage: sim [--seeds N] [--first S] [--until-failure] [--twice] [--hash] [--stats]\n"
    "       sim --seed S [--trace] [--twice] [--hash] [--stats]\n"
    "  --seeds N        run N seeds (1)\n"
    "  --first S        from seed S on (1)\n"
    "  --seed S         only this one\n"
    "  --trace          print everything that happens\n"
    "  --twice          run each seed twice: both must be the same, bit for bit\n"
    "  --hash           print the hash of each seed's events and effects\n"
    "  --long           seeds of 120 s and 1,000 operations\n"
    "  --damage         what lies on disks rots in every seed\n"
    "  --until-failure  stop at the first seed that fails (also --stop-at-first)\n"
    "  --stats          at the end, how often each thing happened\n"
    "  --tally          the same, and what rules were come through, for the script\n"
    "  --monitor-alone  only what the monitor of each step finds is a failure\n"
    "  --shrink S       make failing seed S smaller, at most --seconds T (60)\n"
    "To leave something out of a seed's world:\n"
    "  --nodes N --clients N --operations N    fewer of them\n"
    "  --safety-ms N                           a first phase of another length\n"
    "  --points A,B|none --faults a,b|none     only these of what was drawn\n"
    "  --first-fault N --last-fault N          only these strikes\n"
    "  --without loss,duplicates,replays,corruption,spikes,jitter\n"
    "  --salt N                                other chance in the same world\n";

/*
 * ---- a CHECK, a crash or a hang names its seed too
 * -----------------------------------------
 */

static void on_signal(int number)
{
    // Only write() is safe here; the line was made before the seed began.
    ssize_t ignored = write(STDOUT_FILENO, seed_line, strlen(seed_line));
    (void)ignored;
    (void)signal(number, SIG_DFL);
    (void)raise(number == SIGALRM ? SIGABRT : number);
}

static void watch_signals(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
}

static void name_seed(uint64_t seed)
{
    (void)snprintf(seed_line, sizeof seed_line,
                   "seed=%" PRIu64 " found=crash\n  replay: %s --seed %" PRIu64
                   "%s --trace\n",
                   seed, program, seed, flags);
    (void)alarm(SEED_SECONDS_MAX);
}

/*
 * ---- options
 * -------------------------------------------------------------------------------
 */

static bool parse_number(const char *text, uint64_t *out_number)
{
    char *end = NULL;
    errno = 0;
    *out_number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse_flag(struct options *options, const char *name)
{
    if (strcmp(name, "--trace") == 0) {
        options->is_tracing = true;
    } else if (strcmp(name, "--hash") == 0) {
        options->prints_hash = true;
    } else if (strcmp(name, "--twice") == 0) {
        options->runs_twice = true;
    } else if (strcmp(name, "--long") == 0) {
        options->swarm.is_long = true;
    } else if (strcmp(name, "--damage") == 0) {
        options->swarm.has_damage = true;
    } else if (strcmp(name, "--stats") == 0) {
        options->prints_stats = true;
    } else if (strcmp(name, "--monitor-alone") == 0) {
        options->is_monitor_alone = true;
    } else if (strcmp(name, "--tally") == 0) {
        options->prints_tally = true;
    } else if (strcmp(name, "--until-failure") == 0 ||
               strcmp(name, "--stop-at-first") == 0) {
        options->stops_at_first = true;
    } else {
        return false;
    }
    return true;
}

static bool parse_value(struct options *options, const char *name, const char *text)
{
    uint64_t number = 0;
    if (variant_parse(&options->variant, name, text)) {
        return true;
    }
    if (text == NULL || !parse_number(text, &number)) {
        return false;
    }
    if (strcmp(name, "--seeds") == 0) {
        options->count = number;
    } else if (strcmp(name, "--first") == 0) {
        options->first = number;
    } else if (strcmp(name, "--seed") == 0) {
        options->first = number;
        options->count = 1;
    } else if (strcmp(name, "--shrink") == 0) {
        options->first = number;
        options->shrinks = true;
    } else if (strcmp(name, "--seconds") == 0) {
        options->shrink_seconds = number;
    } else {
        return false;
    }
    return true;
}

static bool parse(struct options *options, int argument_count, char **arguments)
{
    *options = (struct options){.first = 1, .count = 1, .shrink_seconds = SHRINK_SECONDS};
    for (int i = 1; i < argument_count; i++) {
        if (parse_flag(options, arguments[i])) {
            continue;
        }
        const char *text = i + 1 < argument_count ? arguments[i + 1] : NULL;
        if (!parse_value(options, arguments[i], text)) {
            return false;
        }
        i++;
    }
    return options->count >= 1;
}

/*
 * ---- running
 * -------------------------------------------------------------------------------
 */

static uint64_t real_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void print_violation(const struct world *world)
{
    const struct violation *found = &world->violation;
    (void)printf("seed=%" PRIu64 " found=%s", world->seed, found->rule);
    if (found->node < NODES_MAX) {
        (void)printf(" node=n%u", found->node);
    }
    if (found->slot != 0) {
        (void)printf(" slot=%" PRIu64, found->slot);
    }
    if (found->ballot.round != 0) {
        (void)printf(" ballot=%s", report_ballot(found->ballot));
    }
    (void)printf(" nodes=%u at %" PRIu64 ".%06" PRIu64 " s: %s\n",
                 world->swarm.node_count, found->time_us / SECOND,
                 found->time_us % SECOND, found->sentence);
    (void)printf("  replay: %s --seed %" PRIu64 "%s --trace\n", program, world->seed,
                 flags);
}

static bool run_seed(struct world *world, const struct options *options, uint64_t seed)
{
    name_seed(seed);
    bool is_good = world_run(world, seed, options->is_tracing);
    uint64_t hash = world->hash;
    if (!is_good) {
        print_violation(world);
    }
    if (options->runs_twice) {
        (void)world_run(world, seed, false);
        if (world->hash != hash) {
            (void)printf("seed=%" PRIu64 " found=not-deterministic: hash %016" PRIx64
                         ", then %016" PRIx64 "\n",
                         seed, hash, world->hash);
            is_good = false;
        }
    }
    if (options->prints_hash) {
        (void)printf("seed=%" PRIu64 " hash=%016" PRIx64 "\n", seed, hash);
    }
    return is_good;
}

static void show_progress(const struct options *options, struct tally *tally)
{
    uint64_t now_ms = real_ms();
    if (!isatty(STDERR_FILENO) || now_ms - tally->shown_ms < 200) {
        return;
    }
    tally->shown_ms = now_ms;
    (void)fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed ",
                  tally->passed + tally->failed, options->count, tally->failed);
}

static void print_end(const struct options *options,
                      const struct tally *tally,
                      const struct stats *stats)
{
    uint64_t took_ms = real_ms() - tally->begun_ms;
    took_ms = took_ms == 0 ? 1 : took_ms;
    if (tally->shown_ms != 0) {
        (void)fprintf(stderr, "\r%60s\r", "");
    }
    if (options->prints_stats) {
        stats_print(stats);
    }
    if (options->prints_tally) {
        tally_print(stats);
    }
    (void)printf("%" PRIu64 " seeds an hour; %" PRIu64 " simulated seconds, %" PRIu64
                 " operations, %" PRIu64 " events in %" PRIu64 ".%03" PRIu64 " s\n",
                 stats->seeds * 3600000 / took_ms, stats->simulated_us / SECOND,
                 stats->operations, stats->events, took_ms / 1000, took_ms % 1000);
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", tally->passed,
                 tally->failed);
}

int main(int argument_count, char **arguments)
{
    static struct stats stats;
    struct options options;
    if (!parse(&options, argument_count, arguments)) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    program = arguments[0];
    log_set_level(LOG_LEVEL_ERROR);
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    struct world *world = world_new(&stats);
    world->options = options.swarm;
    world->is_monitor_alone = options.is_monitor_alone;
    world->variant = options.variant;
    if (options.shrinks) {
        bool is_shrunk =
            shrink_seed(world, options.first, options.shrink_seconds, program);
        world_destroy(&world);
        return is_shrunk ? 0 : 1;
    }
    variant_print(&options.variant, flags, sizeof flags);
    watch_signals();
    struct tally tally = {.begun_ms = real_ms()};
    for (uint64_t i = 0; i < options.count; i++) {
        bool is_good = run_seed(world, &options, options.first + i);
        tally.passed += is_good;
        tally.failed += !is_good;
        if (!is_good && options.stops_at_first) {
            break;
        }
        show_progress(&options, &tally);
    }
    print_end(&options, &tally, &stats);
    world_destroy(&world);
    return tally.failed == 0 ? 0 : 1;
}
