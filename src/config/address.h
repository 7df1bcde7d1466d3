/*
 * address.h - host and port of a listener: read, made numeric, written.
 *
 * `localhost` is 127.0.0.1 without asking anybody; `*` is 0.0.0.0; any other name is
 * looked up once, here, so that nothing that runs later waits for a name server
 * (ZeroMQ's I/O thread would stall every connection). IPv4 only in this release.
 *
 * Thread: any; address_parse() may block on a name server.
 */
#ifndef CONSENS_CONFIG_ADDRESS_H
#define CONSENS_CONFIG_ADDRESS_H

#include "config/sentence.h"

#include <stddef.h>
#include <stdint.h>

enum { ADDRESS_PORT_MAX = 65535, ADDRESS_TEXT_BYTES = 32 };

struct address {
    uint32_t ip;   // host byte order
    uint32_t port; // 1..ADDRESS_PORT_MAX
};

/* `text` is PREFIX host:port; PREFIX is "" or "tcp://". The error says what is wrong
 * with the text and does not repeat it. */
bool address_parse(const char *prefix,
                   const char *text,
                   struct address *out_address,
                   struct sentence *out_error);

/* PREFIX a.b.c.d:port */
void address_format(const char *prefix,
                    const struct address *address,
                    char *out_text,
                    size_t text_bytes);

bool address_is_loopback(const struct address *address); // 127.0.0.0/8
bool address_is_any(const struct address *address); // 0.0.0.0: nobody can connect to it

/* Decimal digits only, 1..ADDRESS_PORT_MAX. */
bool port_parse(const char *text, uint32_t *out_port, struct sentence *out_error);

#endif
