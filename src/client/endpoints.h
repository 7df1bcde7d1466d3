/*
 * endpoints.h - the list of endpoints that a caller names, looked up.
 *
 * Thread: any; endpoints_parse() may block on a name server.
 */
#ifndef CONSENS_CLIENT_ENDPOINTS_H
#define CONSENS_CLIENT_ENDPOINTS_H

#include "config/address.h"
#include "config/sentence.h"

#include <consens/client.h>

enum { ENDPOINT_BYTES = 300 }; // tcp://, a host of 255 characters, a port

struct endpoint {
    char name[ENDPOINT_BYTES]; // as it was given
    char address[64];          // tcp://a.b.c.d:port
};

struct endpoints {
    struct endpoint items[CONSENS_ENDPOINTS_MAX];
    uint32_t count;
};

/* Commas or white space between them. Those whose name cannot be looked up are left out,
 * unless that leaves none. False: out_error says why. */
bool endpoints_parse(const char *text,
                     struct endpoints *out_endpoints,
                     struct sentence *out_error);

#endif
