/*
 * report.h - the first violation, the transcript, and the hash of all that happened.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SIM_REPORT_H
#define CONSENS_TESTS_SIM_REPORT_H

#include "base/bytes.h"

#include <consens/paxos.h>

struct node;
struct world;

/* Keeps the first violation; `node` may be NULL. */
void report_fail(struct world *world,
                 const char *rule,
                 const struct node *node,
                 cs_slot slot,
                 struct paxos_ballot ballot,
                 const char *format,
                 ...) __attribute__((format(printf, 6, 7)));
/* One line of the transcript; nothing unless tracing. */
void report_line(const struct world *world,
                 const struct node *node,
                 const char *format,
                 ...) __attribute__((format(printf, 3, 4)));
void report_hash(struct world *world, uint64_t bits);
void report_hash_bytes(struct world *world, struct cs_view bytes);
const char *report_ballot(struct paxos_ballot ballot); // valid until four calls later

#define NO_BALLOT ((struct paxos_ballot){0})
#define TRACE(world, ...)                                                                \
    do {                                                                                 \
        if ((world)->is_tracing) {                                                       \
            report_line(world, __VA_ARGS__);                                             \
        }                                                                                \
    } while (0)

#endif
