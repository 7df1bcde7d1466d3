#include "port/door.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <zmq.h>

enum { NAME_BYTES = 64, ENDPOINT_BYTES = 256, SAY_AGAIN_MS = 10 * 1000 };

static uint64_t find_descriptor_max(uint64_t files_kept);
static bool take_accepted(struct door *door, uint32_t *out_descriptor);
static void shut(struct door *door, uint32_t descriptor);
static bool is_of_this_port(const struct door *door, int descriptor);

bool door_open(struct door *door, void *zmq_context, void *router, uint64_t files_kept)
{
    char name[NAME_BYTES];
    *door = (struct door){.router = router,
                          .descriptor_max = find_descriptor_max(files_kept)};
    (void)snprintf(name, sizeof name, "inproc://door-%p", (void *)door);
    if (zmq_socket_monitor(router, name, ZMQ_EVENT_ACCEPTED) != 0) {
        return false;
    }
    door->monitor = zmq_socket(zmq_context, ZMQ_PAIR);
    if (door->monitor == NULL) {
        return false;
    }
    // Without a bound: libzmq's thread would wait here, and it serves the peers too.
    int none = 0;
    (void)zmq_setsockopt(door->monitor, ZMQ_RCVHWM, &none, sizeof none);
    (void)zmq_setsockopt(door->monitor, ZMQ_LINGER, &none, sizeof none);
    return zmq_connect(door->monitor, name) == 0;
}

void door_close(struct door *door)
{
    if (door->router != NULL) {
        (void)zmq_socket_monitor(door->router, NULL, 0);
    }
    if (door->monitor != NULL) {
        (void)zmq_close(door->monitor);
    }
    *door = (struct door){0};
}

void door_watch(struct door *door)
{
    uint32_t descriptor = 0;
    while (take_accepted(door, &descriptor)) {
        if (descriptor >= door->descriptor_max && !MUTANT_IS(298)) {
            shut(door, descriptor);
        }
    }
    uint64_t now_ms = clock_now_ms();
    if (door->closed_count > 0 && now_ms >= door->said_ms + SAY_AGAIN_MS) {
        log_line(LOG_LEVEL_WARN,
                 "event=clients_closed count=%llu reason=open_files descriptor_max=%llu",
                 (unsigned long long)door->closed_count,
                 (unsigned long long)door->descriptor_max);
        door->closed_count = 0;
        door->said_ms = now_ms;
    }
}

// Half of all where the limit was not raised at start.
static uint64_t find_descriptor_max(uint64_t files_kept)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return UINT64_MAX;
    }
    uint64_t all = limit.rlim_cur;
    return all > files_kept ? all - files_kept : all / 2;
}

/* A message of the monitor: event and descriptor, then the endpoint. */
static bool take_accepted(struct door *door, uint32_t *out_descriptor)
{
    zmq_msg_t message;
    uint8_t bytes[sizeof(uint16_t) + sizeof(uint32_t)] = {0};
    (void)zmq_msg_init(&message);
    bool is_there = zmq_msg_recv(&message, door->monitor, ZMQ_DONTWAIT) >= 0;
    if (is_there && zmq_msg_size(&message) == sizeof bytes) {
        memcpy(bytes, zmq_msg_data(&message), sizeof bytes);
    }
    bool has_more = is_there;
    while (has_more && zmq_msg_more(&message)) {
        has_more = zmq_msg_recv(&message, door->monitor, ZMQ_DONTWAIT) >= 0;
    }
    (void)zmq_msg_close(&message);
    memcpy(out_descriptor, bytes + sizeof(uint16_t), sizeof *out_descriptor);
    return is_there;
}

/* libzmq reads the end of the connection then, and closes it. */
static void shut(struct door *door, uint32_t descriptor)
{
    if (is_of_this_port(door, (int)descriptor)) {
        (void)shutdown((int)descriptor, SHUT_RDWR);
        door->closed_count++;
    }
}

/* The number may be another file's by now. If it is another client's, that one came when
 * there was as little left. */
static bool is_of_this_port(const struct door *door, int descriptor)
{
    char endpoint[ENDPOINT_BYTES] = "";
    size_t bytes = sizeof endpoint;
    struct sockaddr_in address = {0};
    socklen_t address_bytes = sizeof address;
    if (zmq_getsockopt(door->router, ZMQ_LAST_ENDPOINT, endpoint, &bytes) != 0 ||
        getsockname(descriptor, (void *)&address, &address_bytes) != 0 ||
        address.sin_family != AF_INET) {
        return false;
    }
    const char *colon = strrchr(endpoint, ':');
    return colon != NULL && strtoul(colon + 1, NULL, 10) == ntohs(address.sin_port);
}
