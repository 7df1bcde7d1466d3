/*
 * sample.h - histories made from a seed, to try the checker on: good ones, from clients of a
 * correct store, and bad ones, each a good one spoilt in a way that no order of operations
 * explains, however the operations without an answer turned out.
 *
 * Thread: any; a sample belongs to its caller.
 */
#ifndef CONSENS_TESTS_LINCHECK_SAMPLE_H
#define CONSENS_TESTS_LINCHECK_SAMPLE_H

#include "lincheck/lincheck.h"

enum sample_sort {
    SAMPLE_GOOD = 0,
    SAMPLE_STALE_READ,         // a value that was replaced before the read began
    SAMPLE_LOST_UPDATE,        // two swaps of one revision
    SAMPLE_DIRTY_READ,         // a value that was refused, or that nobody wrote
    SAMPLE_DUPLICATE,          // one write that took effect twice
    SAMPLE_SPLIT_BRAIN,        // two halves, each with a truth of its own
    SAMPLE_RESURRECTED_DELETE, // a value that was deleted before the read began
    SAMPLE_ZERO_VALUE,         // an empty value where there is another
    SAMPLE_SORTS,
};

enum { SAMPLE_CLIENTS_MAX = 64, SAMPLE_KEYS_MAX = 4096, SAMPLE_LATE_MAX = 64 };

struct sample_shape {
    uint32_t operations;
    uint32_t clients;       // at most SAMPLE_CLIENTS_MAX
    uint32_t keys;          // at most SAMPLE_KEYS_MAX
    uint32_t lost_permille; // writes without an answer
    bool tells_versions;    // or no answer does, as over HTTP
};

struct sample_item {
    bool is_present;
    uint64_t value;
    uint64_t revision;
    uint64_t version;
};

struct sample {
    struct lincheck_operation *operations;
    uint32_t count;
    uint32_t capacity;
    // The store and its clients, while the history is made:
    struct sample_item items[SAMPLE_KEYS_MAX];
    uint64_t revision;
    uint64_t time;
    uint64_t seed;
    uint32_t late[SAMPLE_LATE_MAX]; // writes whose answer was lost: they may still act
    uint32_t late_count;
    uint32_t current[SAMPLE_CLIENTS_MAX];
    uint8_t phase[SAMPLE_CLIENTS_MAX];
};

struct sample *sample_new(void);
void sample_destroy(struct sample **sample);

/* A good history of this shape. */
void sample_make_good(struct sample *sample,
                      const struct sample_shape *shape,
                      uint64_t seed);

/* A history of this sort; shape and all from the seed. At most 300 operations. */
void sample_make(struct sample *sample, enum sample_sort sort, uint64_t seed);

const char *sample_sort_name(enum sample_sort sort);

/* For the two files of this module: the shape that a seed draws; one operation carried out. */
struct sample_shape sample_draw_shape(uint64_t *seed);
struct lincheck_operation *sample_append(struct sample *sample);
void sample_apply(struct sample *sample, struct lincheck_operation *operation);

#endif
