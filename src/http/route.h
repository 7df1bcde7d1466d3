/*
 * route.h - the request target made a route and a key.
 *
 * Keys are the percent-decoded path after '/': no path cleaning, any byte. A raw path
 * that ends in '/' names a collection (an encoded %2F at the end does not). "/-/" is the
 * server's own, and "/-/kv/KEY" reaches any key at all.
 *
 * Thread: any.
 */
#ifndef CONSENS_HTTP_ROUTE_H
#define CONSENS_HTTP_ROUTE_H

#include "base/limits.h"
#include "http/refusal.h"

enum method { METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_DELETE, METHOD_OTHER };

enum route_kind { ROUTE_KEY, ROUTE_STATUS, ROUTE_LIVE, ROUTE_READY, ROUTE_VERSION };

struct route {
    enum route_kind kind;
    enum method method;
    size_t key_bytes; // ROUTE_KEY: 1..LIMIT_KEY_BYTES
    uint8_t key[LIMIT_KEY_BYTES];
};

enum method method_of(struct cs_view name);

/* `path` is raw, without its query. False: 400, 404, 405 or 414, said in `refusal`. */
bool route_find(struct cs_view method,
                struct cs_view path,
                struct route *out_route,
                struct refusal *refusal);

/* 405 for a method that no key takes. Answers false. */
bool route_refuse_method(struct cs_view method, struct refusal *refusal);

/*
 * True for what the server serves about itself: errors there are JSON whatever Accept
 * says.
 */
bool route_is_server(struct cs_view path);

#endif
