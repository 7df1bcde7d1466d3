#include "config/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { HOST_BYTES = 256 };

static bool host_parse(const char *host, uint32_t *out_ip, struct sentence *out_error);
static bool host_look_up(const char *host, uint32_t *out_ip, struct sentence *out_error);

bool address_parse(const char *prefix,
                   const char *text,
                   struct address *out_address,
                   struct sentence *out_error)
{
    size_t prefix_bytes = strlen(prefix);
    if (strncmp(text, prefix, prefix_bytes) != 0) {
        return sentence_set(out_error, "it does not begin with %s", prefix);
    }
    text += prefix_bytes;
    if (text[0] == '[') {
        return sentence_set(out_error,
                            "IPv6 addresses are not offered by this release; use IPv4");
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return sentence_set(out_error, "it has no port");
    }
    size_t host_bytes = (size_t)(colon - text);
    if (host_bytes == 0 || host_bytes >= HOST_BYTES) {
        return sentence_set(out_error, "its host has %zu characters, not 1 to %d",
                            host_bytes, HOST_BYTES - 1);
    }
    char host[HOST_BYTES] = "";
    memcpy(host, text, host_bytes);

    struct address address = {0};
    if (!port_parse(colon + 1, &address.port, out_error) ||
        !host_parse(host, &address.ip, out_error)) {
        return false;
    }
    *out_address = address;
    return true;
}

void address_format(const char *prefix,
                    const struct address *address,
                    char *out_text,
                    size_t text_bytes)
{
    uint32_t ip = address->ip;
    (void)snprintf(out_text, text_bytes, "%s%u.%u.%u.%u:%u", prefix, ip >> 24,
                   (ip >> 16) & 255, (ip >> 8) & 255, ip & 255, address->port);
}

bool address_is_loopback(const struct address *address)
{
    return address->ip >> 24 == 127;
}

bool address_is_any(const struct address *address)
{
    return address->ip == 0;
}

bool port_parse(const char *text, uint32_t *out_port, struct sentence *out_error)
{
    uint32_t port = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0') {
        return sentence_set(out_error, "its port \"%.16s\" is not a number", text);
    }
    for (size_t i = 0; i < digits && port <= ADDRESS_PORT_MAX; i++) {
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port < 1 || port > ADDRESS_PORT_MAX) {
        return sentence_set(out_error, "its port %.16s is not between 1 and %d", text,
                            ADDRESS_PORT_MAX);
    }
    *out_port = port;
    return true;
}

static bool host_parse(const char *host, uint32_t *out_ip, struct sentence *out_error)
{
    struct in_addr numeric = {0};
    if (strcmp(host, "localhost") == 0) {
        *out_ip = INADDR_LOOPBACK;
        return true;
    }
    if (strcmp(host, "*") == 0) {
        *out_ip = INADDR_ANY;
        return true;
    }
    if (inet_pton(AF_INET, host, &numeric) == 1) {
        *out_ip = ntohl(numeric.s_addr);
        return true;
    }
    if (strchr(host, ':') != NULL) {
        return sentence_set(
            out_error, "its host has a colon; IPv6 addresses are not offered by this "
                       "release, use IPv4");
    }
    // getaddrinfo() would read "127.1" and "1" in the manner of 1983.
    if (strspn(host, "0123456789.") == strlen(host)) {
        return sentence_set(out_error, "its host %.64s is not an IPv4 address", host);
    }
    return host_look_up(host, out_ip, out_error);
}

static bool host_look_up(const char *host, uint32_t *out_ip, struct sentence *out_error)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code != 0) {
        return sentence_set(
            out_error,
            "its host name %.64s cannot be looked up (%s); check the name "
            "or write the IPv4 address",
            host, gai_strerror(code));
    }
    struct sockaddr_in ipv4 = {0};
    memcpy(&ipv4, found->ai_addr, sizeof ipv4);
    *out_ip = ntohl(ipv4.sin_addr.s_addr);
    freeaddrinfo(found);
    return true;
}
