/*
 * loadtest: how fast a store is, how late its answers come, and whether they are right.
 */
#include "loadtest/engine.h"
#include "loadtest/now.h"
#include "loadtest/options.h"

#include <inttypes.h>
#include <signal.h>

enum { EXIT_DONE = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2, EXIT_NOTHING = 3 };

static void interrupt(int signal_number)
{
    (void)signal_number;
    engine_interrupt();
}

int main(int argument_count, char **arguments)
{
    struct plan plan;
    char error[OPTIONS_ERROR_BYTES];
    if (!options_read(argument_count, arguments, &plan, error)) {
        if (error[0] == '\0') {
            options_print_usage(stdout);
            return EXIT_DONE;
        }
        (void)fprintf(stderr, "loadtest: %s\n", error);
        return EXIT_USAGE;
    }
    struct sigaction action = {.sa_handler = interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    struct engine_counts counts = {0};
    struct engine_run run = {.plan = &plan};
    if (plan.must_preload && !engine_preload(&run)) {
        (void)fprintf(stderr, "loadtest: not all keys could be written\n");
        return EXIT_NOTHING;
    }
    engine_measure(&run, &counts);
    (void)printf("%.0f operations/s, p50 %.1f us, p99 %.1f us, %" PRIu64 " failed\n",
                 (double)counts.answered_in_time * 1000 / (double)plan.duration_ms,
                 (double)histogram_percentile(counts.all, 50) / 1e3,
                 (double)histogram_percentile(counts.all, 99) / 1e3,
                 engine_counts_failed(&counts));
    engine_counts_fini(&counts);
    return EXIT_DONE;
}
