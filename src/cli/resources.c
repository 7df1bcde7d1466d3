#include "cli/resources.h"

#include "base/limits.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sys/resource.h>
#include <zmq.h>

enum {
    CLIENT_FILES_MIN = 64, // of connections of ZeroMQ clients
    SOCKETS_PER_NODE = 4,  // dealer, its monitor's two ends
    SOCKETS_BESIDES = 64,  // hand-off, log thread, peers' router
    SOCKETS_PRESET = 1023, // libzmq's own
    // Above every buffer of a usual request, so that only large values pay for fresh pages.
    LARGE_MEMORY_BYTES = 256 * 1024,
};

struct cli_needs cli_count_needs(const struct settings *settings)
{
    struct cli_needs needs = {
        .open_files = settings_count_files(settings) + CLIENT_FILES_MIN,
        .sockets = (uint64_t)settings->http_threads +
                   (uint64_t)SOCKETS_PER_NODE * settings->node_count + SOCKETS_BESIDES,
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
