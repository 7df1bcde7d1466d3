#include "client/endpoints.h"

#include <stdio.h>
#include <string.h>

#define SEPARATORS ", \t\n"

static bool take_one(const char *text,
                     size_t bytes,
                     struct endpoints *out,
                     struct sentence *out_error)
{
    struct endpoint *endpoint = &out->items[out->count];
    struct address address;
    struct sentence reason = {0};
    if (bytes >= sizeof endpoint->name) {
        return sentence_set(out_error, "an endpoint is too long: it has %zu characters",
                            bytes);
    }
    memcpy(endpoint->name, text, bytes);
    endpoint->name[bytes] = '\0';
    if (!address_parse("tcp://", endpoint->name, &address, &reason)) {
        return sentence_set(out_error, "the endpoint \"%s\" is of no use: %s",
                            endpoint->name, reason.text);
    }
    if (address_is_any(&address)) {
        return sentence_set(out_error,
                            "the endpoint \"%s\" is of no use: it stands for all "
                            "addresses of a machine; name one",
                            endpoint->name);
    }
    address_format("tcp://", &address, endpoint->address, sizeof endpoint->address);
    out->count++;
    return true;
}

/* A form that can never be right, against a name that is not known now. */
static bool is_badly_formed(const char *text, size_t bytes)
{
    char copy[ENDPOINT_BYTES] = "";
    struct sentence ignored = {0};
    uint32_t port = 0;
    if (bytes >= sizeof copy || strncmp(text, "tcp://", 6) != 0) {
        return true;
    }
    memcpy(copy, text, bytes);
    const char *colon = strrchr(copy + 6, ':');
    return colon == NULL || colon == copy + 6 || !port_parse(colon + 1, &port, &ignored);
}

bool endpoints_parse(const char *text,
                     struct endpoints *out_endpoints,
                     struct sentence *out_error)
{
    *out_endpoints = (struct endpoints){0};
    uint32_t named_count = 0;
    text += strspn(text, SEPARATORS);
    while (*text != '\0') {
        size_t bytes = strcspn(text, SEPARATORS);
        if (++named_count > CONSENS_ENDPOINTS_MAX) {
            return sentence_set(out_error, "more than %d endpoints are named",
                                CONSENS_ENDPOINTS_MAX);
        }
        if (!take_one(text, bytes, out_endpoints, out_error) &&
            is_badly_formed(text, bytes)) {
            return false;
        }
        text += bytes;
        text += strspn(text, SEPARATORS);
    }
    if (named_count == 0) {
        return sentence_set(out_error, "no endpoint is named: tcp://HOST:PORT,...");
    }
    return out_endpoints->count > 0;
}
