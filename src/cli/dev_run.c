/*
 * dev_run.c - the life of a cluster of `consens dev`: one loop that waits for signals,
 * for words of the nodes and for the next thing to do.
 *
 *   STARTING --all ready--> SERVING --signal--> STOPPING --all have ended--> done
 *       \--one has ended, or time is up----------^
 */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/dev.h"
#include "config/members.h"
#include "wal/files.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_PATIENCE_MS = 30 * 1000,
    STOP_PATIENCE_MS = 5 * 1000, // a node's own is 2 s; then it is killed
    PROBE_EVERY_MS = 100,
    SLOW_SYNC_MS = 200,
    EXIT_BY_SIGNAL = 128,
};

enum state { STARTING, SERVING, STOPPING };

struct run {
    struct dev *dev;
    enum state state;
    uint64_t deadline_ms; // STARTING, STOPPING: patience ends
    uint64_t probe_ms;    // STARTING: when to ask again who is ready
    int exit_code;
    int signals;       // signalfd
    sigset_t old_mask; // of the children
    bool colours_out;
    bool colours_err;
};

static bool begin(struct run *run);
static void start_node(struct run *run, struct dev_node *node);
static void wait_for_something(struct run *run);
static void take_signals(struct run *run);
static void print_all(struct run *run);
static void reap_all(struct run *run);
static void act(struct run *run);
static void stop(struct run *run);
static void say(const struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static uint32_t count_running(const struct dev *dev)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < dev->count; i++) {
        count += dev->nodes[i].pid > 0;
    }
    return count;
}

static bool has_ended(const struct run *run)
{
    bool may_end = run->state == STOPPING ||
                   (run->state == SERVING && !run->dev->chaos.is_on[DEV_KILL]);
    return may_end && count_running(run->dev) == 0;
}

int dev_run(struct dev *dev)
{
    struct run run = {.dev = dev};
    if (!begin(&run)) {
        return CLI_OS_ERROR;
    }
    while (!has_ended(&run)) {
        wait_for_something(&run);
        take_signals(&run);
        print_all(&run);
        reap_all(&run);
        act(&run);
    }
    if (run.state == STOPPING) {
        say(&run, "stopped; the data stays in %s", dev->data);
    }
    (void)close(run.signals);
    for (uint32_t i = 0; i < dev->count; i++) {
        dev_node_fini(&dev->nodes[i]);
    }
    return run.exit_code;
}

static bool wants_colours(int descriptor)
{
    // Only the main thread is there. NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char *no_colour = getenv("NO_COLOR");
    return isatty(descriptor) == 1 && (no_colour == NULL || no_colour[0] == '\0');
}

static bool begin(struct run *run)
{
    struct dev *dev = run->dev;
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGHUP);
    (void)sigaddset(&mask, SIGCHLD);
    CHECK(pthread_sigmask(SIG_BLOCK, &mask, &run->old_mask) == 0);
    run->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    bool is_ready = run->signals >= 0;
    for (uint32_t i = 0; i < dev->count; i++) {
        is_ready = dev_node_init(&dev->nodes[i]) && is_ready;
    }
    if (!is_ready) {
        log_sentence("consens dev: not enough memory or descriptors to start nodes");
        return false;
    }
    run->colours_out = wants_colours(STDOUT_FILENO);
    run->colours_err = wants_colours(STDERR_FILENO);
    run->deadline_ms = clock_now_ms() + START_PATIENCE_MS;
    for (uint32_t i = 0; i < dev->count && run->state == STARTING; i++) {
        start_node(run, &dev->nodes[i]);
    }
    return true;
}

static void start_node(struct run *run, struct dev_node *node)
{
    if (!dev_node_start(node, &run->old_mask)) {
        say(run, "%s cannot be started: %s", node->name, files_words_of(errno).text);
        run->exit_code = CLI_OS_ERROR;
        stop(run);
    }
}

/* ---- words --------------------------------------------------------------------------- */

static void say(const struct run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs(run->colours_out ? "\033[1mdev |\033[0m " : "dev | ", stdout);
    (void)vprintf(format, arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
    va_end(arguments);
}

static void say_ready(const struct run *run)
{
    const struct dev *dev = run->dev;
    CHECK(dev->count > 0);
    (void)printf("\n%u %s ready.\n\n", dev->count,
                 dev->count == 1 ? "node is" : "nodes are");
    for (uint32_t i = 0; i < dev->count; i++) {
        const struct dev_node *node = &dev->nodes[i];
        (void)printf("  %s  http://localhost:%u  tcp://localhost:%u  pid %ld\n",
                     node->name, node->port, node->port + MEMBERS_CLIENT_STEP,
                     (long)node->pid);
    }
    (void)printf(
        "\nIn another terminal:\n\n"
        "  curl -XPUT localhost:%u/mykey -d mydata\n"
        "  curl -XGET localhost:%u/mykey\n"
        "  curl -XGET localhost:%u/mykey\n"
        "\nCtrl-C stops %s; what was acknowledged is there at the next start.\n\n",
        dev->nodes[0].port, dev->nodes[1 % dev->count].port,
        dev->nodes[2 % dev->count].port, dev->count == 1 ? "it" : "all");
    (void)fflush(stdout);
}

static void print_all(struct run *run)
{
    for (uint32_t i = 0; i < run->dev->count; i++) {
        dev_node_print(&run->dev->nodes[i], run->colours_err);
    }
}

/* ---- the loop ------------------------------------------------------------------------ */

static uint64_t next_due_ms(const struct run *run)
{
    switch (run->state) {
    case STARTING:
        return run->probe_ms;
    case SERVING:
        return dev_chaos_due_ms(&run->dev->chaos);
    case STOPPING:
        return run->deadline_ms;
    }
    return UINT64_MAX;
}

static void wait_for_something(struct run *run)
{
    struct pollfd polled[SETTINGS_NODES_MAX + 1];
    const struct dev *dev = run->dev;
    for (uint32_t i = 0; i < dev->count; i++) {
        polled[i] = (struct pollfd){.fd = dev->nodes[i].words, .events = POLLIN};
    }
    polled[dev->count] = (struct pollfd){.fd = run->signals, .events = POLLIN};
    uint64_t now_ms = clock_now_ms();
    uint64_t due_ms = next_due_ms(run);
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    (void)poll(polled, dev->count + 1, wait_ms < 1000 ? (int)wait_ms : 1000);
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo signal;
    while (read(run->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGCHLD) {
            continue; // reap_all() looks for itself
        }
        if (run->state == STOPPING) {
            run->deadline_ms = 0; // asked twice: at once
            continue;
        }
        if (run->colours_out) {
            (void)putchar('\n'); // the terminal shows ^C
        }
        say(run, "stopping %u %s", run->dev->count,
            run->dev->count == 1 ? "node" : "nodes");
        stop(run);
    }
}

/* Every fault ends first: a node that stands still could not stop. */
static void stop(struct run *run)
{
    struct dev *dev = run->dev;
    run->state = STOPPING;
    run->deadline_ms = clock_now_ms() + STOP_PATIENCE_MS;
    for (uint32_t i = 0; i < dev->count; i++) {
        struct dev_node *node = &dev->nodes[i];
        atomic_store(&node->faults->is_cut, false);
        atomic_store(&node->faults->sync_delay_ms, 0);
        dev_node_signal(node, SIGTERM);
        dev_node_signal(node, SIGCONT);
    }
}

static bool is_killed_now(const struct dev *dev, const struct dev_node *node)
{
    const struct dev_chaos *chaos = &dev->chaos;
    return chaos->is_on[DEV_KILL] && chaos->node[DEV_KILL] == node->number;
}

static void note_end(struct run *run, const struct dev_node *node, int status)
{
    bool is_signal = WIFSIGNALED(status);
    int number = is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    const char *how = is_signal ? "was ended by signal" : "ended with code";
    // SIGTERM ends a process that has not come so far as to take it.
    if (run->state == STOPPING && (number == 0 || (is_signal && number == SIGTERM))) {
        return;
    }
    if (run->exit_code == CLI_OK && run->state != SERVING) {
        run->exit_code = is_signal ? EXIT_BY_SIGNAL + number : number;
    }
    switch (run->state) {
    case STARTING:
        say(run, "%s %s %d before the cluster was ready; its words are above", node->name,
            how, number);
        run->exit_code = run->exit_code == 0 ? EXIT_FAILURE : run->exit_code;
        stop(run);
        break;
    case SERVING:
        say(run, "%s %s %d; to start it again: consens server --config %s --node %s",
            node->name, how, number, run->dev->config, node->name);
        if (has_ended(run)) {
            say(run, "no node is left");
            run->exit_code = EXIT_FAILURE;
        }
        break;
    case STOPPING:
        say(run, "%s %s %d", node->name, how, number);
        break;
    }
}

static void reap_all(struct run *run)
{
    struct dev *dev = run->dev;
    for (uint32_t i = 0; i < dev->count; i++) {
        struct dev_node *node = &dev->nodes[i];
        int status = 0;
        if (!dev_node_reap(node, &status)) {
            continue;
        }
        dev_node_print(node, run->colours_err); // its last words
        if (run->state != SERVING || !is_killed_now(dev, node)) {
            note_end(run, node, status);
        }
    }
}

/* ---- what is due --------------------------------------------------------------------- */

static void come(struct run *run, enum dev_fault fault, struct dev_node *node)
{
    double seconds = (double)run->dev->chaos.half_ms / 1000;
    switch (fault) {
    case DEV_KILL:
        say(run, "kill -9 %s; it starts again in %.3g s", node->name, seconds);
        dev_node_signal(node, SIGKILL);
        break;
    case DEV_PAUSE:
        say(run, "%s stands still for %.3g s (SIGSTOP)", node->name, seconds);
        dev_node_signal(node, SIGSTOP);
        break;
    case DEV_PARTITION:
        say(run, "%s is cut off from the other nodes for %.3g s", node->name, seconds);
        atomic_store(&node->faults->is_cut, true);
        break;
    case DEV_SLOW_DISK:
        say(run, "%s has a slow disk for %.3g s: each sync takes %d ms longer",
            node->name, seconds, SLOW_SYNC_MS);
        atomic_store(&node->faults->sync_delay_ms, SLOW_SYNC_MS);
        break;
    case DEV_FAULTS:
        break;
    }
}

static void go(struct run *run, enum dev_fault fault, struct dev_node *node)
{
    switch (fault) {
    case DEV_KILL:
        if (node->pid == 0) {
            start_node(run, node);
            say(run, "%s starts again, pid %ld", node->name, (long)node->pid);
        }
        break;
    case DEV_PAUSE:
        say(run, "%s goes on (SIGCONT)", node->name);
        dev_node_signal(node, SIGCONT);
        break;
    case DEV_PARTITION:
        say(run, "%s is connected again", node->name);
        atomic_store(&node->faults->is_cut, false);
        break;
    case DEV_SLOW_DISK:
        say(run, "%s has a fast disk again", node->name);
        atomic_store(&node->faults->sync_delay_ms, 0);
        break;
    case DEV_FAULTS:
        break;
    }
}

static void look_who_is_ready(struct run *run, uint64_t now_ms)
{
    struct dev *dev = run->dev;
    bool all_are = true;
    for (uint32_t i = 0; i < dev->count && all_are; i++) {
        all_are = dev_node_is_ready(&dev->nodes[i]);
    }
    if (all_are) {
        run->state = SERVING;
        dev_chaos_begin(&dev->chaos, now_ms);
        say_ready(run);
    } else if (now_ms >= run->deadline_ms) {
        say(run, "the cluster is not ready after %d s; its words are above",
            START_PATIENCE_MS / 1000);
        run->exit_code = CLI_UNAVAILABLE;
        stop(run);
    }
    run->probe_ms = now_ms + PROBE_EVERY_MS;
}

static void act(struct run *run)
{
    struct dev *dev = run->dev;
    uint64_t now_ms = clock_now_ms();
    enum dev_fault fault = DEV_FAULTS;
    switch (run->state) {
    case STARTING:
        if (now_ms >= run->probe_ms) {
            look_who_is_ready(run, now_ms);
        }
        break;
    case SERVING:
        while (dev_chaos_next(&dev->chaos, now_ms, &fault)) {
            struct dev_node *node = &dev->nodes[dev->chaos.node[fault] - 1];
            if (dev->chaos.is_on[fault]) {
                come(run, fault, node);
            } else {
                go(run, fault, node);
            }
        }
        break;
    case STOPPING:
        for (uint32_t i = 0; now_ms >= run->deadline_ms && i < dev->count; i++) {
            dev_node_signal(&dev->nodes[i], SIGKILL);
        }
        break;
    }
}
