#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): MAP_ANONYMOUS, pipe2

#include "cli/dev_nodes.h"

#include "base/check.h"
#include "cli/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_BYTES = 16 * 1024,
    LINE_BYTES_MAX = 8 * 1024, // a longer one is printed in parts
    PROBE_US = 500 * 1000,
};

static void run_child(struct dev_node *node, int words, const sigset_t *mask)
    __attribute__((noreturn));
static void print_line(const struct dev_node *node, bool is_coloured, size_t bytes);

bool dev_node_init(struct dev_node *node)
{
    void *page = mmap(NULL, sizeof *node->faults, PROT_READ | PROT_WRITE,
                      // cppcheck-suppress invalidFunctionArg ; -1 is right here
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    node->words = -1;
    node->pid = 0;
    if (page == MAP_FAILED) {
        return false;
    }
    node->faults = page;
    node->settings.faults = node->faults;
    return true;
}

void dev_node_fini(struct dev_node *node)
{
    if (node->words >= 0) {
        (void)close(node->words);
    }
    if (node->faults != NULL) {
        (void)munmap(node->faults, sizeof *node->faults);
    }
    buffer_fini(&node->line);
}

bool dev_node_start(struct dev_node *node, const sigset_t *mask)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    (void)fflush(NULL); // or the child would print it again
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        run_child(node, ends[1], mask);
    }
    int error = errno;
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        errno = error;
        return false;
    }
    if (node->words >= 0) {
        (void)close(node->words);
    }
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    node->words = ends[0];
    node->pid = pid;
    return true;
}

static void run_child(struct dev_node *node, int words, const sigset_t *mask)
{
    pid_t parent = getppid();
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    if (getppid() != parent || parent == 1) {
        _exit(EXIT_FAILURE); // it was faster
    }
    (void)setpgid(0, 0);
    CHECK(nothing >= 0);
    CHECK(dup2(nothing, STDIN_FILENO) >= 0);
    CHECK(dup2(words, STDOUT_FILENO) >= 0);
    CHECK(dup2(words, STDERR_FILENO) >= 0);
    CHECK(pthread_sigmask(SIG_SETMASK, mask, NULL) == 0);
    // There is no other thread yet. NOLINTNEXTLINE(concurrency-mt-unsafe)
    exit(cli_serve(&node->settings));
}

void dev_node_signal(const struct dev_node *node, int number)
{
    if (node->pid > 0) {
        (void)kill(node->pid, number);
    }
}

bool dev_node_reap(struct dev_node *node, int *out_status)
{
    if (node->pid <= 0 || waitpid(node->pid, out_status, WNOHANG) != node->pid) {
        return false;
    }
    node->pid = 0;
    return true;
}

void dev_node_print(struct dev_node *node, bool is_coloured)
{
    struct cs_buffer *line = &node->line;
    while (node->words >= 0) {
        uint8_t *room = buffer_extend(line, READ_BYTES);
        ssize_t got = read(node->words, room, READ_BYTES);
        line->bytes -= READ_BYTES - (got > 0 ? (size_t)got : 0);
        if (got == 0) {
            (void)close(node->words);
            node->words = -1;
        }
        if (got <= 0) {
            break;
        }
        const uint8_t *end = NULL;
        while ((end = memchr(line->data, '\n', line->bytes)) != NULL) {
            print_line(node, is_coloured, (size_t)(end - line->data));
            size_t taken = (size_t)(end - line->data) + 1;
            memmove(line->data, line->data + taken, line->bytes - taken);
            line->bytes -= taken;
        }
        if (line->bytes > LINE_BYTES_MAX) {
            print_line(node, is_coloured, line->bytes);
            line->bytes = 0;
        }
    }
    if (node->words < 0 && line->bytes > 0) {
        print_line(node, is_coloured, line->bytes);
        line->bytes = 0;
    }
}

static void print_line(const struct dev_node *node, bool is_coloured, size_t bytes)
{
    static const int COLOURS[] = {36, 33, 35, 32, 34, 96, 93}; // one for each node
    enum { COLOUR_COUNT = sizeof COLOURS / sizeof COLOURS[0] };
    if (is_coloured) {
        (void)fprintf(stderr, "\033[%dm%s |\033[0m ",
                      COLOURS[(node->number - 1) % COLOUR_COUNT], node->name);
    } else {
        (void)fprintf(stderr, "%s | ", node->name);
    }
    (void)fwrite(node->line.data, 1, bytes, stderr);
    (void)fputc('\n', stderr);
}

static bool ask_ready(int socket)
{
    static const char request[] =
        "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char wanted[] = "HTTP/1.1 200 ";
    char answer[sizeof wanted] = "";
    size_t bytes = sizeof wanted - 1;
    return send(socket, request, sizeof request - 1, MSG_NOSIGNAL) ==
               (ssize_t)(sizeof request - 1) &&
           recv(socket, answer, bytes, MSG_WAITALL) == (ssize_t)bytes &&
           strcmp(answer, wanted) == 0;
}

bool dev_node_is_ready(const struct dev_node *node)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)node->port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    struct timeval patience = {.tv_usec = PROBE_US};
    int handle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0) {
        return false;
    }
    (void)setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    bool is_ready = connect(handle, (struct sockaddr *)&address, sizeof address) == 0 &&
                    ask_ready(handle);
    (void)close(handle);
    return is_ready;
}
