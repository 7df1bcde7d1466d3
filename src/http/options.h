/*
 * options.h - what a client asks for besides method and key: conditions, consistency, a
 * minimum revision, a time limit; in headers or as query twins, never both.
 *
 * An option that this release does not know is refused by name: to ignore ?ttl= would be
 * a lie.
 *
 * Thread: any.
 */
#ifndef CONSENS_HTTP_OPTIONS_H
#define CONSENS_HTTP_OPTIONS_H

#include "http/head.h"
#include "http/refusal.h"
#include "http/route.h"

enum {
    OPTIONS_TAGS_MAX = 32, // entity tags in one header
    OPTIONS_TIMEOUT_DEFAULT_MS = 5 * 1000,
    OPTIONS_TIMEOUT_MAX_MS = 60 * 1000,
};

struct tags {    // of If-Match or If-None-Match; none given: is_any false, count 0
    bool is_any; // *
    uint32_t count;
    uint64_t revisions[OPTIONS_TAGS_MAX];
};

struct options {
    uint32_t condition; // writes: enum command_condition
    uint64_t condition_revision;
    struct tags if_match; // reads; at most one of the two is given
    struct tags if_none_match;
    uint32_t consistency; // enum request_consistency
    uint64_t min_revision;
    uint64_t timeout_ms;
};

/* `query` is raw; empty if there is none. False: 400. */
bool options_read(const struct route *route,
                  const struct head *head,
                  struct cs_view query,
                  struct options *out_options,
                  struct refusal *refusal);

bool tags_are_given(const struct tags *tags);
/* Is there an item of that revision (0: no item) that the tags match? */
bool tags_match(const struct tags *tags, uint64_t item_revision);

#endif
