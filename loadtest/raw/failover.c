/*
 * failover: kill -9 of the leader, and how long until a write is acknowledged again.
 *
 * Sends one PUT every --every milliseconds to the survivors in turn, each on an idle
 * connection or a new one, so that a request stuck behind the dead leader holds nothing
 * up. Once writes flow it kills --leader-pid and waits for the first 2xx to a PUT that
 * was sent after the kill.
 *
 * Prints `kill_to_ack_us=N`; exits 1 if no write was acknowledged within --seconds.
 */
#include "program.h"
#include "stats.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum { PROBES_MAX = 256, REPLY_BYTES_MAX = 4096, SURVIVOR_COUNT = 2, WARM_UP_ACKS = 100 };

/* One connection; at most one PUT is in flight on it. */
struct probe {
    int socket;       // -1: not connected
    int survivor;     // index of the node it leads to
    uint64_t sent_ns; // 0: idle
    char reply[REPLY_BYTES_MAX + 1];
    size_t reply_bytes; // <= REPLY_BYTES_MAX
};

struct run {
    struct probe probes[PROBES_MAX];
    int ports[SURVIVOR_COUNT];
    uint64_t acked_count;
    uint64_t killed_ns; // 0: not yet
    uint64_t sent_count;
    uint64_t
        regained_ns; // of the first write both sent and acknowledged after the kill; or 0
};

static void probe_close(struct probe *probe)
{
    if (probe->socket >= 0) {
        (void)close(probe->socket);
    }
    probe->socket = -1;
    probe->sent_ns = 0;
    probe->reply_bytes = 0;
}

static bool probe_connect(struct probe *probe, int port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    probe->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe->socket < 0 ||
        connect(probe->socket, (const struct sockaddr *)&address, sizeof address) != 0) {
        probe_close(probe);
        return false;
    }
    (void)setsockopt(probe->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

/* An idle connection to `survivor`, or a new one, or NULL if all are in use. */
static struct probe *find_idle(struct run *run, int survivor)
{
    struct probe *unused = NULL;
    for (int i = 0; i < PROBES_MAX; i++) {
        struct probe *probe = &run->probes[i];
        if (probe->socket < 0) {
            unused = unused == NULL ? probe : unused;
        } else if (probe->sent_ns == 0 && probe->survivor == survivor) {
            return probe;
        }
    }
    if (unused != NULL) {
        unused->survivor = survivor;
        if (!probe_connect(unused, run->ports[survivor])) {
            return NULL;
        }
    }
    return unused;
}

static void send_put(struct run *run)
{
    char request[256];
    const int survivor = (int)(run->sent_count % SURVIVOR_COUNT);
    run->sent_count++;
    struct probe *probe = find_idle(run, survivor);
    if (probe == NULL) {
        return;
    }
    const int bytes = snprintf(request, sizeof request,
                               "PUT /failover HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                               "Content-Length: 20\r\n\r\n%020" PRIu64,
                               run->ports[survivor], run->sent_count);
    probe->sent_ns = stats_now_ns();
    probe->reply_bytes = 0;
    if (send(probe->socket, request, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
        probe_close(probe);
    }
}

/* True once head and body are there; then *out_status is the code, 0 if it is not HTTP.
 * */
static bool is_reply_whole(struct probe *probe, int *out_status)
{
    static const char length_name[] = "Content-Length:";
    probe->reply[probe->reply_bytes] = '\0';
    const char *head_end = strstr(probe->reply, "\r\n\r\n");
    const char *length = strstr(probe->reply, length_name);
    *out_status = 0;
    if (head_end == NULL) {
        return probe->reply_bytes == REPLY_BYTES_MAX;
    }
    if (length == NULL || strncmp(probe->reply, "HTTP/1.1 ", 9) != 0) {
        return true;
    }
    const unsigned long body_bytes = strtoul(length + sizeof length_name - 1, NULL, 10);
    *out_status = (int)strtol(probe->reply + 9, NULL, 10);
    return probe->reply_bytes >= (size_t)(head_end - probe->reply) + 4 + body_bytes;
}

static void receive_reply(struct run *run, struct probe *probe)
{
    int status = 0;
    const ssize_t bytes = recv(probe->socket, probe->reply + probe->reply_bytes,
                               REPLY_BYTES_MAX - probe->reply_bytes, MSG_DONTWAIT);
    const uint64_t now_ns = stats_now_ns();
    if (bytes <= 0) {
        if (bytes == 0 || (errno != EAGAIN && errno != EINTR)) {
            probe_close(probe);
        }
        return;
    }
    probe->reply_bytes += (size_t)bytes;
    if (!is_reply_whole(probe, &status)) {
        return;
    }
    if (status >= 200 && status < 300) {
        run->acked_count++;
        if (run->killed_ns != 0 && probe->sent_ns >= run->killed_ns &&
            run->regained_ns == 0) {
            run->regained_ns = now_ns;
        }
    }
    probe->sent_ns = 0;
    probe->reply_bytes = 0;
    if (status == 0 || strstr(probe->reply, "Connection: close") != NULL) {
        probe_close(probe);
    }
}

/* Handles what arrives until `until_ns`, or until a write is acknowledged after the kill.
 * */
static void receive_until(struct run *run, uint64_t until_ns)
{
    uint64_t now_ns = stats_now_ns();
    while (now_ns < until_ns && run->regained_ns == 0) {
        struct pollfd items[PROBES_MAX];
        for (int i = 0; i < PROBES_MAX; i++) {
            items[i] = (struct pollfd){.fd = run->probes[i].socket, .events = POLLIN};
        }
        (void)poll(items, PROBES_MAX, (int)((until_ns - now_ns) / 1000000u) + 1);
        for (int i = 0; i < PROBES_MAX; i++) {
            if (items[i].revents != 0) {
                receive_reply(run, &run->probes[i]);
            }
        }
        now_ns = stats_now_ns();
    }
}

static void measure(struct run *run, pid_t leader, uint64_t every_ns)
{
    uint64_t next_ns = stats_now_ns();
    while (run->regained_ns == 0 && !program_must_stop()) {
        if (run->killed_ns == 0 && run->acked_count >= WARM_UP_ACKS) {
            run->killed_ns = stats_now_ns();
            if (kill(leader, SIGKILL) != 0) {
                program_fail_errno("cannot kill the leader");
            }
        }
        send_put(run);
        next_ns += every_ns;
        receive_until(run, next_ns);
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    int leader = 0;
    int every_ms = 2;
    int seconds = 15;
    const struct program_flag flags[] = {
        {"leader-pid", "the process to kill", &leader, NULL},
        {"port-a", "HTTP port of a survivor", &run.ports[0], NULL},
        {"port-b", "HTTP port of the other", &run.ports[1], NULL},
        {"every", "milliseconds between PUTs", &every_ms, NULL},
        {"seconds", "give up after", &seconds, NULL},
        {0},
    };
    program_read_flags(argc, argv, flags);
    if (leader <= 1 || run.ports[0] == 0 || run.ports[1] == 0 || every_ms < 1) {
        program_usage(argv[0], flags);
    }
    for (int i = 0; i < PROBES_MAX; i++) {
        run.probes[i].socket = -1;
    }
    program_stop_after(seconds);
    measure(&run, leader, (uint64_t)every_ms * 1000000u);
    for (int i = 0; i < PROBES_MAX; i++) {
        probe_close(&run.probes[i]);
    }
    if (run.regained_ns == 0) {
        program_fail("no failover", run.killed_ns == 0
                                        ? "writes did not flow before the kill"
                                        : "no write was acknowledged after the kill");
    }
    (void)printf("kill_to_ack_us=%" PRIu64 "\n",
                 (run.regained_ns - run.killed_ns) / 1000u);
    return 0;
}
