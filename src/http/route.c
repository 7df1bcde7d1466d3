#include "http/route.h"

#include "http/text.h"

#define KEY_METHODS    "GET, HEAD, PUT, DELETE"
#define SERVER_METHODS "GET, HEAD"
#define SERVER_PREFIX  "/-/"
#define KEY_PREFIX     "/-/kv/"

struct server_route {
    const char *path;
    enum route_kind kind;
};

static const struct server_route server_routes[] = {
    {"/-/status", ROUTE_STATUS},
    {"/-/live", ROUTE_LIVE},
    {"/-/ready", ROUTE_READY},
    {"/-/version", ROUTE_VERSION},
};
enum { SERVER_ROUTES = sizeof(server_routes) / sizeof(server_routes[0]) };

static bool has_prefix(struct cs_view path, const char *prefix);
static bool
refuse_collection(enum method method, struct cs_view path, struct refusal *refusal);
static bool
find_server(struct cs_view path, struct route *route, struct refusal *refusal);
static bool
find_key(struct cs_view encoded, struct route *route, struct refusal *refusal);
static bool
refuse_method(struct refusal *refusal, struct cs_view method, const char *allow);

enum method method_of(struct cs_view name)
{
    return text_equals(name, "GET")      ? METHOD_GET
           : text_equals(name, "HEAD")   ? METHOD_HEAD
           : text_equals(name, "PUT")    ? METHOD_PUT
           : text_equals(name, "DELETE") ? METHOD_DELETE
                                         : METHOD_OTHER;
}

bool route_find(struct cs_view method,
                struct cs_view path,
                struct route *out_route,
                struct refusal *refusal)
{
    out_route->method = method_of(method);
    bool is_any_key = has_prefix(path, KEY_PREFIX);
    if (has_prefix(path, SERVER_PREFIX) && !is_any_key) {
        if (!find_server(path, out_route, refusal)) {
            return false;
        }
        bool is_read =
            out_route->method == METHOD_GET || out_route->method == METHOD_HEAD;
        return is_read || refuse_method(refusal, method, SERVER_METHODS);
    }
    size_t skipped = is_any_key ? strlen(KEY_PREFIX) : 1;
    if (path.bytes == 0 || path.data[0] != '/') {
        return refuse(refusal, CS_MALFORMED, "the path does not begin with '/'");
    }
    if (!is_any_key && path.data[path.bytes - 1] == '/') {
        return refuse_collection(out_route->method, path, refusal);
    }
    if (!find_key(view_of(path.data + skipped, path.bytes - skipped), out_route,
                  refusal)) {
        return false;
    }
    // "-/" would be the server's own path once someone on the way decodes %2D.
    if (!is_any_key && out_route->key_bytes >= 2 &&
        memcmp(out_route->key, "-/", 2) == 0) {
        return refuse(refusal, CS_MALFORMED,
                      "keys that begin with \"-/\" are reached through /-/kv/");
    }
    return out_route->method != METHOD_OTHER || route_refuse_method(method, refusal);
}

bool route_refuse_method(struct cs_view method, struct refusal *refusal)
{
    return refuse_method(refusal, method, KEY_METHODS);
}

bool route_is_server(struct cs_view path)
{
    return has_prefix(path, SERVER_PREFIX) && !has_prefix(path, KEY_PREFIX);
}

static bool has_prefix(struct cs_view path, const char *prefix)
{
    size_t bytes = strlen(prefix);
    return path.bytes >= bytes && memcmp(path.data, prefix, bytes) == 0;
}

static bool
refuse_collection(enum method method, struct cs_view path, struct refusal *refusal)
{
    bool is_read = method == METHOD_GET || method == METHOD_HEAD;
    if (path.bytes == 1 && is_read) {
        return refuse(
            refusal, CS_NOT_FOUND,
            "there is nothing at / yet: put and get keys at /KEY, see /-/status");
    }
    refusal->allow = "";
    return refuse(
        refusal, CS_METHOD,
        "a path that ends in '/' means a collection: listings and the like come with "
        "a later release (a key that ends in '/' is reached through /-/kv/)");
}

static bool find_server(struct cs_view path, struct route *route, struct refusal *refusal)
{
    for (size_t i = 0; i < SERVER_ROUTES; i++) {
        if (text_equals(path, server_routes[i].path)) {
            route->kind = server_routes[i].kind;
            return true;
        }
    }
    char shown[TEXT_SHOWN_BYTES];
    text_show(path, shown);
    return refuse(
        refusal, CS_NOT_FOUND,
        "this release has no %s: it has /-/kv/KEY, /-/status, /-/live, /-/ready and "
        "/-/version",
        shown);
}

static bool find_key(struct cs_view encoded, struct route *route, struct refusal *refusal)
{
    route->kind = ROUTE_KEY;
    if (!text_decode_percent(encoded, route->key, sizeof(route->key),
                             &route->key_bytes)) {
        return refuse(refusal, CS_MALFORMED,
                      "the path has a '%%' without two hexadecimal digits after it");
    }
    if (route->key_bytes == 0) {
        return refuse(refusal, CS_MALFORMED, "the key is empty: a key has 1 to %d bytes",
                      LIMIT_KEY_BYTES);
    }
    if (route->key_bytes > LIMIT_KEY_BYTES) {
        refusal->limit = LIMIT_KEY_BYTES;
        refusal->actual = route->key_bytes;
        return refuse(refusal, CS_KEY_TOO_LONG,
                      "the key has %zu bytes, more than the limit of %d",
                      route->key_bytes, LIMIT_KEY_BYTES);
    }
    return true;
}

static bool
refuse_method(struct refusal *refusal, struct cs_view method, const char *allow)
{
    char shown[TEXT_SHOWN_BYTES];
    text_show(method, shown);
    refusal->allow = allow;
    return refuse(refusal, CS_METHOD, "%s is not offered here by this release: use %s",
                  shown, allow);
}
