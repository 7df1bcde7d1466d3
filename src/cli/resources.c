#include "cli/resources.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "base/thread_error.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <zmq.h>

enum {
    CLIENT_FILES_MIN = 64, // of connections of ZeroMQ clients
    SOCKETS_PER_NODE = 4,  // dealer, its monitor's two ends
    SOCKETS_BESIDES = 64,  // hand-off, log thread, peers' router
    SOCKETS_PRESET = 1023, // libzmq's own
    THREADS_BESIDES = 8,   // engine, its watcher, the log's two, civetweb's, ZeroMQ's two
    TRIED_STACK_BYTES = 128 * 1024,
    THREADS_TEXT_BYTES = 64,
    // Above every buffer of a usual request, so that only large values pay for fresh pages.
    LARGE_MEMORY_BYTES = 256 * 1024,
};

struct cli_needs cli_count_needs(const struct settings *settings)
{
    struct cli_needs needs = {
        .open_files = settings_count_files(settings) + CLIENT_FILES_MIN,
        .sockets = (uint64_t)settings_http_workers(settings) +
                   (uint64_t)SOCKETS_PER_NODE * settings->node_count + SOCKETS_BESIDES,
        .threads = settings_http_workers(settings) + THREADS_BESIDES,
    };
    if (needs.sockets < SOCKETS_PRESET) {
        needs.sockets = SOCKETS_PRESET;
    }
    return needs;
}

/* Clients take what is left over (port/door.h). */
static rlim_t add_clients(uint64_t open_files, rlim_t hard)
{
    rlim_t wanted = (rlim_t)open_files + LIMIT_CLIENT_CONNECTIONS - CLIENT_FILES_MIN;
    return wanted < hard ? wanted : hard;
}

bool cli_raise_open_files(uint64_t open_files, struct sentence *out_error)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return sentence_set(out_error,
                            "the limit of open files cannot be read (errno %d)", errno);
    }
    rlim_t hard = limit.rlim_max;
    rlim_t wanted = add_clients(open_files, hard);
    if (limit.rlim_cur >= open_files && limit.rlim_cur >= wanted) {
        return true;
    }
    limit.rlim_cur = wanted;
    if (hard < open_files || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return sentence_set(
            out_error,
            "this node needs %llu open files (%d for each HTTP thread), but "
            "the hard limit is %llu; raise it (ulimit -Hn, LimitNOFILE= of "
            "systemd) or lower server/http/threads",
            (unsigned long long)open_files, SETTINGS_FILES_PER_THREAD,
            (unsigned long long)hard);
    }
    return true;
}

static void *pass(void *gate)
{
    CHECK(pthread_mutex_lock(gate) == 0);
    CHECK(pthread_mutex_unlock(gate) == 0);
    return NULL;
}

bool cli_try_threads(uint32_t threads, struct sentence *out_error)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; // closed until all are there
    pthread_attr_t attributes;
    pthread_t *started = calloc(threads, sizeof *started);
    uint32_t count = 0;
    int error = 0;
    CHECK(started != NULL);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, TRIED_STACK_BYTES) == 0);
    CHECK(pthread_mutex_lock(&gate) == 0);
    while (count < threads && error == 0) {
        error = pthread_create(&started[count], &attributes, pass, &gate);
        count += error == 0 ? 1 : 0;
    }
    CHECK(pthread_mutex_unlock(&gate) == 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(pthread_join(started[i], NULL) == 0);
    }
    CHECK(pthread_mutex_destroy(&gate) == 0);
    (void)pthread_attr_destroy(&attributes);
    free(started);
    if (error != 0 && !MUTANT_IS(346)) {
        char what[THREADS_TEXT_BYTES];
        (void)snprintf(what, sizeof what, "its %u threads, only %u", threads, count);
        thread_error_say(what, error, out_error->text, sizeof out_error->text);
        return false;
    }
    return true;
}

void cli_give_back_large_memory(void)
{
    // Setting it also stops glibc from raising it by itself.
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread has been started
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_MEMORY_BYTES);
}

void *cli_open_context(uint64_t sockets, struct sentence *out_error)
{
    void *context = zmq_ctx_new();
    if (context == NULL) {
        (void)sentence_set(out_error, "ZeroMQ cannot be started: %s",
                           zmq_strerror(errno));
        return NULL;
    }
    int sockets_max = zmq_ctx_get(context, ZMQ_SOCKET_LIMIT);
    bool is_possible = sockets <= INT_MAX && (int)sockets <= sockets_max;
    if (!is_possible || zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)sockets) != 0) {
        (void)sentence_set(
            out_error,
            "this node needs %llu ZeroMQ sockets (one for each HTTP thread), "
            "but libzmq allows %d; lower server/http/threads",
            (unsigned long long)sockets, sockets_max);
        (void)zmq_ctx_term(context);
        return NULL;
    }
    return context;
}
