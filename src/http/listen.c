#include "http/listen.h"

#include "http/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_BYTES = 64, PORT_MAX = 65535, REASON_BYTES = 128 };

struct place {
    char host[HOST_BYTES];
    uint16_t port;
    struct sockaddr_in socket_address;
};

static bool parse_place(const char *address, struct place *out_place);
static int try_to_listen(const struct place *place);

bool listen_raise_files(uint32_t threads, char *out_error, size_t error_bytes)
{
    struct rlimit files = {0};
    rlim_t wanted = (rlim_t)threads * LISTEN_FILES_EACH + LISTEN_FILES_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted) {
        return true;
    }
    rlim_t allowed = files.rlim_max;
    files.rlim_cur = wanted;
    if (wanted <= allowed && setrlimit(RLIMIT_NOFILE, &files) == 0) {
        return true;
    }
    (void)snprintf(
        out_error, error_bytes,
        "server/http/threads = %u needs %llu open files, and this process may have "
        "%llu: lower it, or raise the limit (ulimit -n)",
        threads, (unsigned long long)wanted, (unsigned long long)allowed);
    return false;
}

bool listen_explain(const char *address, char *out_error, size_t error_bytes)
{
    struct place place;
    if (!parse_place(address, &place)) {
        (void)snprintf(out_error, error_bytes,
                       "cannot listen at %s: an IPv4 address and a port are wanted, like "
                       "127.0.0.1:3000",
                       address);
        return true;
    }
    int error = try_to_listen(&place);
    if (error == EADDRINUSE) {
        (void)snprintf(
            out_error, error_bytes,
            "port %u is in use by another process: stop it or set PORT / http to a "
            "free one",
            place.port);
    } else if (error == EACCES) {
        (void)snprintf(
            out_error, error_bytes,
            "port %u may not be listened on by this user: set PORT / http to one "
            "above 1023",
            place.port);
    } else if (error == EADDRNOTAVAIL) {
        (void)snprintf(out_error, error_bytes,
                       "%s is not an address of this machine: set http to one that is",
                       place.host);
    } else if (error != 0) {
        char reason[REASON_BYTES] = "";
        (void)strerror_r(error, reason, sizeof(reason));
        (void)snprintf(out_error, error_bytes, "cannot serve HTTP at %s: %s", address,
                       reason);
    }
    return error != 0;
}

static bool parse_place(const char *address, struct place *out_place)
{
    memset(out_place, 0, sizeof(*out_place));
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (colon == NULL || !text_parse_u64(text_view(colon + 1), &port) ||
        port > PORT_MAX || colon - address >= HOST_BYTES) {
        return false;
    }
    memcpy(out_place->host, address, (size_t)(colon - address));
    out_place->port = (uint16_t)port;
    out_place->socket_address.sin_family = AF_INET;
    out_place->socket_address.sin_port = htons(out_place->port);
    return inet_pton(AF_INET, out_place->host, &out_place->socket_address.sin_addr) == 1;
}

// 0, or the errno of what failed. As civetweb does it.
static int try_to_listen(const struct place *place)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0) {
        return errno;
    }
    const int on = 1;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const struct sockaddr *to = (const void *)&place->socket_address;
    int error = 0;
    if (bind(descriptor, to, sizeof(place->socket_address)) != 0 ||
        listen(descriptor, 1) != 0) {
        error = errno;
    }
    (void)close(descriptor);
    return error;
}
