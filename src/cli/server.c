/*
 * server.c - `consens server`: settings, resources, engine, HTTP, and then the wait.
 *
 * The main thread does nothing but wait for signals, which all other threads have
 * blocked. The engine may also end by itself (failed disk, halt): a watcher thread joins
 * it and wakes the main thread with SIGUSR1, so that there is one wait for both.
 */
#include "cli/server.h"
#include "base/check.h"
#include "base/log.h"
#include "base/thread_error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/resources.h"
#include "cli/version.h"
#include "config/sentence.h"
#include "config/settings.h"
#include "engine/engine.h"
#include "http/http.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <zmq.h>

enum { WATCHER_STACK_BYTES = 128 * 1024, EXIT_BY_SIGNAL = 128 };

struct run {
    struct engine *engine;
    pthread_t main_thread;
    pthread_t watcher;
    atomic_bool has_ended; // the engine's thread; exit_code is then set
    int exit_code;
};

static int serve_with(void *context, const struct settings *settings);
static void block_signals(sigset_t *out_signals);
static void add_unless_ignored(sigset_t *signals, int number);
static bool start_threads(struct run *run, struct sentence *out_error);
static int start_watcher(struct run *run);
static int wait_until_end(struct run *run, const sigset_t *signals);
static void *watch_engine(void *context);
static void let_signals_kill(void);
static void announce_start(const struct settings *settings);
static void announce_ready(const struct settings *settings);
static int refuse(const struct sentence *error, int code);

int cli_run_server(int argc, char **argv)
{
    struct settings_source source;
    settings_source_from_environment(&source);
    const struct cli_option options[] = {
        {"config", &source.file},         {"node", &source.node},
        {"data", &source.data},           {"durability", &source.durability},
        {"log-level", &source.log_level},
    };
    struct cli_arguments arguments = {0};
    int code = cli_parse_options(argc, argv, options, sizeof options / sizeof options[0],
                                 &arguments);
    if (code != CLI_GO_ON) {
        return code;
    }
    if (arguments.count > 0) {
        log_sentence(
            "consens server: unexpected argument \"%s\"; run \"consens help server\" "
            "for the options",
            arguments.values[0]);
        return CLI_USAGE;
    }
    struct settings settings;
    struct sentence error = {0};
    code = settings_load(&source, &settings, error.text, sizeof error.text);
    if (code != 0) {
        return refuse(&error, code);
    }
    if (settings.node_count > 1) {
        log_set_name(settings.nodes[settings.node_index].name);
    }
    return cli_serve(&settings);
}

int cli_serve(const struct settings *settings)
{
    struct sentence error = {0};
    struct cli_needs needs = cli_count_needs(settings);
    log_set_level((enum log_level)settings->log_level);
    if (!cli_raise_open_files(needs.open_files, &error) ||
        !cli_try_threads(needs.threads, &error)) {
        return refuse(&error, CLI_OS_ERROR);
    }
    cli_give_back_large_memory();
    void *context = cli_open_context(needs.sockets, &error);
    if (context == NULL) {
        return refuse(&error, CLI_OS_ERROR);
    }
    int code = serve_with(context, settings);
    (void)zmq_ctx_term(context);
    return code;
}

static int serve_with(void *context, const struct settings *settings)
{
    struct sentence error = {0};
    int code = 0;
    sigset_t signals;
    block_signals(&signals);
    announce_start(settings);
    // The engine first: it holds the data directory and knows whether this node may
    // start.
    struct engine *engine =
        engine_open(context, settings, CLI_VERSION, &code, error.text, sizeof error.text);
    if (engine == NULL) {
        return refuse(&error, code);
    }
    struct http *http =
        http_start(context, settings, CLI_VERSION, &code, error.text, sizeof error.text);
    if (http == NULL) {
        (void)engine_close(&engine);
        return refuse(&error, code);
    }
    struct run run = {.engine = engine, .main_thread = pthread_self()};
    if (start_threads(&run, &error)) {
        announce_ready(settings);
        code = wait_until_end(&run, &signals);
    } else {
        code = refuse(&error, CLI_OS_ERROR);
    }
    let_signals_kill();
    http_stop(&http);
    int closed = engine_close(&engine);
    code = code == 0 ? closed : code;
    log_line(LOG_LEVEL_INFO, "event=stopped exit=%d", code);
    return code;
}

// Before any thread is made: they inherit it, and only sigwait() takes these signals.
// What nohup or a shell (jobs in the background of a script) ignored stays ignored.
static void block_signals(sigset_t *out_signals)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&ignore.sa_mask);
    CHECK(sigaction(SIGPIPE, &ignore, NULL) == 0);
    (void)sigemptyset(out_signals);
    (void)sigaddset(out_signals, SIGTERM);
    (void)sigaddset(out_signals, SIGUSR1);
    add_unless_ignored(out_signals, SIGINT);
    add_unless_ignored(out_signals, SIGHUP);
    CHECK(pthread_sigmask(SIG_BLOCK, out_signals, NULL) == 0);
}

static void add_unless_ignored(sigset_t *signals, int number)
{
    struct sigaction action = {0};
    CHECK(sigaction(number, NULL, &action) == 0);
    if (action.sa_handler != SIG_IGN) {
        (void)sigaddset(signals, number);
    }
}

// False: none of them runs.
static bool start_threads(struct run *run, struct sentence *out_error)
{
    if (!engine_start(run->engine, out_error->text, sizeof out_error->text)) {
        return false;
    }
    int error = start_watcher(run);
    if (error != 0) {
        engine_ask_stop(run->engine);
        (void)engine_join(run->engine);
        thread_error_say("the thread that watches the engine", error, out_error->text,
                         sizeof out_error->text);
    }
    return error == 0;
}

// 0, or the error of pthread_create().
static int start_watcher(struct run *run)
{
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, WATCHER_STACK_BYTES) == 0);
    int error = pthread_create(&run->watcher, &attributes, watch_engine, run);
    (void)pthread_attr_destroy(&attributes);
    return error;
}

// HTTP goes on while the engine drains: who waits is answered, who comes is refused.
static int wait_until_end(struct run *run, const sigset_t *signals)
{
    bool is_stopping = false;
    while (!atomic_load(&run->has_ended)) {
        int number = 0;
        CHECK(sigwait(signals, &number) == 0);
        if (number == SIGUSR1) {
            continue; // from the watcher, or from anybody: has_ended tells
        }
        if (is_stopping) {
            log_line(LOG_LEVEL_WARN, "event=stopping_at_once signal=%d", number);
            _exit(EXIT_BY_SIGNAL + number);
        }
        log_line(LOG_LEVEL_INFO, "event=stopping signal=%d", number);
        is_stopping = true;
        engine_ask_stop(run->engine);
    }
    CHECK(pthread_join(run->watcher, NULL) == 0);
    return run->exit_code;
}

static void *watch_engine(void *context)
{
    struct run *run = context;
    run->exit_code = engine_join(run->engine);
    atomic_store(&run->has_ended, true);
    (void)pthread_kill(run->main_thread, SIGUSR1);
    return NULL;
}

// Nothing is left to lose: if closing hangs, a signal ends the process in the usual way.
static void let_signals_kill(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void announce_start(const struct settings *settings)
{
    const struct settings_node *own = &settings->nodes[settings->node_index];
    log_line(LOG_LEVEL_INFO,
             "event=starting version=%s node=%s nodes=%u http=%s peer=%s data=%s join=%d",
             CLI_VERSION, own->name, settings->node_count, own->http, own->peer,
             settings->data_directory, settings->is_join ? 1 : 0);
    if (settings->log_durability != SETTINGS_SYNC) {
        log_line(LOG_LEVEL_WARN,
                 "event=durability_reduced mode=%s interval_ms=%u "
                 "meaning=\"acknowledged writes can be lost when machines lose power\"",
                 settings->log_durability == SETTINGS_NONE ? "none" : "interval",
                 settings->log_interval_ms);
    }
    if (settings->is_insecure) {
        log_line(LOG_LEVEL_WARN,
                 "event=insecure meaning=\"whoever reaches these listeners can read and "
                 "write\"");
    }
}

static void announce_ready(const struct settings *settings)
{
    const struct settings_node *own = &settings->nodes[settings->node_index];
    log_sentence("consens %s: node %s of %u, HTTP on http://%s, data in %s", CLI_VERSION,
                 own->name, settings->node_count, own->http, settings->data_directory);
}

static int refuse(const struct sentence *error, int code)
{
    log_sentence("%s", error->text);
    return code;
}
