/*
 * loadtest: how fast a store is, how late its answers come, and whether they are right.
 */
#include "loadtest/cluster.h"
#include "loadtest/command_line.h"
#include "loadtest/engine.h"
#include "loadtest/nemesis.h"
#include "loadtest/now.h"
#include "loadtest/report.h"
#include "loadtest/words.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_VIOLATED = 1, EXIT_USAGE = 2, EXIT_NOTHING = 3 };
enum { SAMPLE_MS = 200, PROGRESS_MS = 1000, PROGRESS_FILE_MS = 5000 };

struct session {
    struct plan plan;
    struct cluster cluster;
    struct nemesis nemesis;
    struct chronicle history;
    struct usage servers[PLAN_PIDS_MAX];
    uint32_t server_count;
    bool is_measuring; // the warm-up is over
    uint64_t measure_ns;
    uint64_t sample_ns;   // when the servers are looked at next
    uint64_t progress_ns; // when the progress line is next
    uint64_t told_seen;
    uint64_t told_ns;
    uint32_t told_moment;
};

static void interrupt(int signal_number)
{
    (void)signal_number;
    engine_interrupt();
}

static int pid_of(const struct session *session, uint32_t server)
{
    return session->plan.local_nodes > 0 ? session->cluster.nodes[server].pid
                                         : session->plan.pids[server];
}

static void sample_servers(struct session *session, uint64_t now)
{
    bool is_first = !session->is_measuring;
    for (uint32_t i = 0; i < session->server_count; i++) {
        if (is_first) {
            usage_start(&session->servers[i], pid_of(session, i));
        }
        usage_sample(&session->servers[i], pid_of(session, i));
    }
    session->is_measuring = true;
    session->sample_ns = now + SAMPLE_MS * NS_PER_MS;
}

static void
tell_progress(struct session *session, const struct engine *engine, uint64_t now)
{
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    uint64_t seen = engine_seen(engine);
    uint32_t moment = engine_moment_at(engine, now);
    double seconds = ((double)now - (double)engine_measure_from_ns(engine)) / 1e9;
    struct histogram *recent = histogram_new(HISTOGRAM_COARSE_BITS);
    engine_add_moments(engine, session->told_moment, moment, recent);
    if (session->told_ns > 0) {
        double rate =
            (double)(seen - session->told_seen) * 1e9 / (double)(now - session->told_ns);
        (void)fprintf(
            stderr,
            "%s%5.0f s  %9.0f operations/s  p50 %8.2f ms  p99 %8.2f ms  %" PRIu64
            " failed%s%s",
            is_terminal ? "\r" : "", seconds, rate,
            (double)histogram_percentile(recent, 50) / 1e6,
            (double)histogram_percentile(recent, 99) / 1e6, engine_failed(engine),
            session->nemesis.is_active ? "  (fault)" : "         ",
            is_terminal ? "" : "\n");
    }
    histogram_destroy(&recent);
    session->told_seen = seen;
    session->told_ns = now;
    session->told_moment = moment;
    session->progress_ns =
        now + (is_terminal ? PROGRESS_MS : PROGRESS_FILE_MS) * NS_PER_MS;
}

static void tick(void *context, const struct engine *engine, uint64_t now)
{
    struct session *session = context;
    uint64_t end_ns =
        engine_measure_from_ns(engine) + session->plan.duration_ms * NS_PER_MS;
    session->measure_ns = engine_measure_from_ns(engine);
    if (now >= session->measure_ns && now < end_ns) {
        nemesis_tick(&session->nemesis, now);
        if (now >= session->sample_ns) {
            sample_servers(session, now);
        }
    } else if (now >= end_ns) {
        nemesis_stop(&session->nemesis, now);
    }
    if (now >= session->progress_ns && !session->plan.is_quiet) {
        tell_progress(session, engine, now);
    }
}

/* True: written, or not asked for. */
static bool write_report(const char *path,
                         const struct report *report,
                         void (*print)(FILE *out, const struct report *report))
{
    if (path == NULL) {
        return true;
    }
    bool is_standard = strcmp(path, "-") == 0;
    FILE *file = is_standard ? stdout : fopen(path, "w");
    if (file == NULL) {
        char words[WORDS_BYTES];
        (void)fprintf(stderr, "loadtest: %s: %s\n", path, words_of(errno, words));
        return false;
    }
    print(file, report);
    return is_standard || fclose(file) == 0;
}

static uint64_t wall_clock_s(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

static int measure(struct session *session)
{
    struct plan *plan = &session->plan;
    struct engine_counts counts = {0};
    struct engine_run run = {.plan = plan,
                             .history = plan->must_check ? &session->history : NULL,
                             .context = session,
                             .tick = tick};
    uint64_t started_s = wall_clock_s();
    session->server_count = plan->local_nodes > 0 ? plan->local_nodes : plan->pid_count;
    nemesis_init(&session->nemesis, &session->cluster, plan);
    if (plan->must_preload && !engine_preload(&run)) {
        (void)fprintf(stderr,
                      "loadtest: not all keys could be written before the start\n");
        return EXIT_NOTHING;
    }
    engine_measure(&run, &counts);
    nemesis_stop(&session->nemesis, now_ns());
    if (!plan->is_quiet && isatty(STDERR_FILENO)) {
        (void)fputc('\n', stderr);
    }
    const struct report report = {.plan = plan,
                                  .counts = &counts,
                                  .measure_ns = session->measure_ns,
                                  .started_s = started_s,
                                  .faults = session->nemesis.faults,
                                  .fault_count = session->nemesis.count,
                                  .servers = session->servers,
                                  .server_count = session->server_count};
    bool is_json_out = plan->json_path != NULL && strcmp(plan->json_path, "-") == 0;
    report_print_text(is_json_out ? stderr : stdout, &report);
    bool is_written = write_report(plan->json_path, &report, report_print_json) &&
                      write_report(plan->html_path, &report, report_print_page);
    int code = counts.answered_in_time == 0 ? EXIT_NOTHING
               : is_written                 ? EXIT_DONE
                                            : EXIT_USAGE;
    engine_counts_fini(&counts);
    return code;
}

static int carry_out(struct session *session)
{
    struct plan *plan = &session->plan;
    if (plan->local_nodes > 0 && !cluster_start(&session->cluster, plan)) {
        (void)fprintf(stderr, "loadtest: %s\n", session->cluster.error);
        return EXIT_NOTHING;
    }
    if (plan->must_check && !chronicle_open(&session->history, plan)) {
        char words[WORDS_BYTES];
        (void)fprintf(stderr, "loadtest: %s: %s\n", session->history.path,
                      words_of(errno, words));
        return EXIT_USAGE;
    }
    int code = measure(session);
    // A violation outweighs all else.
    return plan->must_check && chronicle_judge(&session->history) != 0 ? EXIT_VIOLATED
                                                                       : code;
}

int main(int argument_count, char **arguments)
{
    static struct session session;
    char error[COMMAND_LINE_ERROR_BYTES];
    if (!command_line_read(argument_count, arguments, &session.plan, error)) {
        if (error[0] == '\0') {
            command_line_print_usage(stdout);
            return EXIT_DONE;
        }
        (void)fprintf(stderr, "loadtest: %s\n", error);
        return EXIT_USAGE;
    }
    struct sigaction action = {.sa_handler = interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    int code = carry_out(&session);
    cluster_stop(&session.cluster);
    return code;
}
