#define _GNU_SOURCE // nftw()

#include "loadtest/cluster.h"

#include "base/check.h"
#include "loadtest/now.h"
#include "loadtest/words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_S = 30, ASK_MS = 500, STOP_MS = 5000, PATH_BYTES = CLUSTER_PATH_BYTES + 32 };

static bool take_ports(struct cluster *cluster);
static bool write_configs(struct cluster *cluster);
static bool wait_until_ready(struct cluster *cluster);

static bool fail(struct cluster *cluster, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct cluster *cluster, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(cluster->error, sizeof cluster->error, format, arguments);
    va_end(arguments);
    return false;
}

bool cluster_start(struct cluster *cluster, struct plan *plan)
{
    const char *parent =
        getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): one thread yet
    char words[WORDS_BYTES];
    memset(cluster, 0, sizeof *cluster);
    cluster->count = plan->local_nodes;
    cluster->program = plan->program;
    (void)snprintf(cluster->directory, sizeof cluster->directory, "%s/loadtest.XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (access(plan->program, X_OK) != 0) {
        return fail(cluster, "%s: %s; --program names consens", plan->program,
                    words_of(errno, words));
    }
    if (mkdtemp(cluster->directory) == NULL) {
        cluster->directory[0] = '\0';
        return fail(cluster, "no directory for the data: %s", words_of(errno, words));
    }
    if (!take_ports(cluster)) {
        return fail(cluster, "no free ports: %s", words_of(errno, words));
    }
    if ((plan->faults & PLAN_PARTITION) != 0) {
        uint16_t peers[PLAN_NODES_MAX];
        for (uint32_t i = 0; i < cluster->count; i++) {
            peers[i] = cluster->nodes[i].peer;
        }
        cluster->relay = relay_new(peers, cluster->count);
        if (cluster->relay == NULL) {
            return fail(cluster, "no relay between the nodes: %s",
                        words_of(errno, words));
        }
    }
    if (!write_configs(cluster)) {
        return fail(cluster, "cannot write the configuration: %s",
                    words_of(errno, words));
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (!cluster_restart(cluster, i)) {
            return false;
        }
        struct plan_endpoint *endpoint = &plan->endpoints[i];
        (void)snprintf(endpoint->host, sizeof endpoint->host, "127.0.0.1");
        endpoint->port = plan->protocol == PLAN_HTTP ? cluster->nodes[i].http
                                                     : cluster->nodes[i].client;
    }
    plan->endpoint_count = cluster->count;
    return wait_until_ready(cluster);
}

static void close_if_open(int descriptor)
{
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
}

/* Ports that nobody listens on now; held until all are found, so that none comes twice. */
static bool take_ports(struct cluster *cluster)
{
    enum { PORTS = 4 };
    int held[PLAN_NODES_MAX * PORTS];
    uint16_t ports[PLAN_NODES_MAX][PORTS] = {{0}};
    uint32_t count = cluster->count * PORTS;
    bool is_found = true;
    for (uint32_t i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t bytes = sizeof address;
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        is_found = is_found && held[i] >= 0 &&
                   bind(held[i], (const struct sockaddr *)&address, bytes) == 0 &&
                   getsockname(held[i], (struct sockaddr *)&address, &bytes) == 0;
        ports[i / PORTS][i % PORTS] = ntohs(address.sin_port);
    }
    for (uint32_t i = 0; i < count; i++) {
        close_if_open(held[i]);
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        cluster->nodes[i].http = ports[i][0];
        cluster->nodes[i].peer = ports[i][1];
        cluster->nodes[i].client = ports[i][2];
        cluster->nodes[i].events = ports[i][3];
    }
    return is_found;
}

/* One file a node: with a relay each sees the others at ports of its own. */
static bool write_configs(struct cluster *cluster)
{
    bool is_written = true;
    for (uint32_t i = 0; i < cluster->count; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/n%u.cfg", cluster->directory, i + 1);
        FILE *file = fopen(path, "w");
        if (file == NULL) {
            return false;
        }
        (void)fprintf(file, "cluster\n    name = \"loadtest\"\n    node\n");
        for (uint32_t j = 0; j < cluster->count; j++) {
            const struct cluster_node *node = &cluster->nodes[j];
            uint16_t peer = cluster->relay != NULL && i != j
                                ? relay_port(cluster->relay, i, j)
                                : node->peer;
            (void)fprintf(file,
                          "        n%u\n"
                          "            http = \"127.0.0.1:%u\"\n"
                          "            peer = \"tcp://127.0.0.1:%u\"\n"
                          "            client = \"tcp://127.0.0.1:%u\"\n"
                          "            events = \"tcp://127.0.0.1:%u\"\n",
                          j + 1, (unsigned)node->http, (unsigned)peer,
                          (unsigned)node->client, (unsigned)node->events);
        }
        (void)fprintf(file, "server\n    data = \"%s\"\n", cluster->directory);
        is_written = fclose(file) == 0 && is_written;
    }
    return is_written;
}

/* In the child: becomes the node. Its words go to a file beside its data. */
static void become_node(const struct cluster *cluster, uint32_t node)
{
    char config[PATH_BYTES];
    char log[PATH_BYTES];
    char name[16];
    (void)snprintf(name, sizeof name, "n%u", node + 1);
    (void)snprintf(config, sizeof config, "%s/n%u.cfg", cluster->directory, node + 1);
    (void)snprintf(log, sizeof log, "%s/n%u.log", cluster->directory, node + 1);
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
    }
    // Ctrl-C is for the load test, which then stops its nodes.
    (void)setpgid(0, 0);
    (void)execl(cluster->program, cluster->program, "server", "--config", config,
                "--node", name, (char *)NULL);
    _exit(127);
}

bool cluster_restart(struct cluster *cluster, uint32_t node)
{
    pid_t pid = fork();
    if (pid < 0) {
        char words[WORDS_BYTES];
        return fail(cluster, "cannot start node n%u: %s", node + 1,
                    words_of(errno, words));
    }
    if (pid == 0) {
        become_node(cluster, node);
    }
    cluster->nodes[node].pid = pid;
    return true;
}

static bool is_ready(const struct cluster_node *node)
{
    static const char request[] = "GET /-/ready HTTP/1.1\r\nHost: loadtest\r\n"
                                  "Connection: close\r\n\r\n";
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(node->http),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_usec = ASK_MS * 1000L};
    char answer[16] = {0};
    int asked = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (asked < 0) {
        return false;
    }
    (void)setsockopt(asked, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool is_asked =
        connect(asked, (const struct sockaddr *)&address, sizeof address) == 0 &&
        send(asked, request, sizeof request - 1, MSG_NOSIGNAL) ==
            (ssize_t)(sizeof request - 1) &&
        recv(asked, answer, sizeof answer - 1, MSG_WAITALL) > 0;
    (void)close(asked);
    return is_asked && strncmp(answer + strlen("HTTP/1.1 "), "200", 3) == 0;
}

static void nap(void)
{
    const struct timespec moment = {.tv_nsec = (long)(20 * NS_PER_MS)};
    (void)nanosleep(&moment, NULL);
}

static bool fail_with_last_words(struct cluster *cluster, uint32_t node)
{
    char path[PATH_BYTES];
    char words[160] = "";
    (void)snprintf(path, sizeof path, "%s/n%u.log", cluster->directory, node + 1);
    FILE *log = fopen(path, "r");
    while (log != NULL && fgets(words, sizeof words, log) != NULL) {
    }
    if (log != NULL) {
        (void)fclose(log);
    }
    words[strcspn(words, "\n")] = '\0';
    return fail(cluster, "node n%u ended before it was ready: %s", node + 1, words);
}

static bool wait_until_ready(struct cluster *cluster)
{
    uint64_t deadline = now_ns() + READY_S * NS_PER_S;
    for (uint32_t i = 0; i < cluster->count; i++) {
        while (!is_ready(&cluster->nodes[i])) {
            int how = 0;
            if (waitpid(cluster->nodes[i].pid, &how, WNOHANG) == cluster->nodes[i].pid) {
                cluster->nodes[i].pid = 0;
                return fail_with_last_words(cluster, i);
            }
            if (now_ns() > deadline) {
                return fail(cluster, "node n%u is not ready after %d s", i + 1, READY_S);
            }
            nap();
        }
    }
    return true;
}

void cluster_kill(struct cluster *cluster, uint32_t node)
{
    int how = 0;
    if (cluster->nodes[node].pid > 0) {
        (void)kill(cluster->nodes[node].pid, SIGKILL);
        (void)waitpid(cluster->nodes[node].pid, &how, 0);
        cluster->nodes[node].pid = 0;
    }
}

void cluster_pause(const struct cluster *cluster, uint32_t node, bool is_paused)
{
    if (cluster->nodes[node].pid > 0) {
        (void)kill(cluster->nodes[node].pid, is_paused ? SIGSTOP : SIGCONT);
    }
}

void cluster_isolate(struct cluster *cluster, uint32_t node, bool is_cut)
{
    CHECK(cluster->relay != NULL);
    relay_isolate(cluster->relay, node, is_cut);
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static void wait_for_end(struct cluster_node *node)
{
    int how = 0;
    uint64_t deadline = now_ns() + STOP_MS * NS_PER_MS;
    while (waitpid(node->pid, &how, WNOHANG) == 0) {
        if (now_ns() > deadline) {
            (void)kill(node->pid, SIGKILL);
            (void)waitpid(node->pid, &how, 0);
            break;
        }
        nap();
    }
    node->pid = 0;
}

void cluster_stop(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid > 0) {
            (void)kill(cluster->nodes[i].pid, SIGCONT);
            (void)kill(cluster->nodes[i].pid, SIGTERM);
        }
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid > 0) {
            wait_for_end(&cluster->nodes[i]);
        }
    }
    relay_destroy(&cluster->relay);
    if (cluster->directory[0] != '\0') {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): changes no directory without FTW_CHDIR
        (void)nftw(cluster->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}
