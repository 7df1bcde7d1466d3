/*
 * worker.h - one thread of the engine: its clients, what they ask and when.
 *
 * Thread: worker_run() on its own; counts may be read by another meanwhile.
 */
#ifndef CONSENS_LOADTEST_WORKER_H
#define CONSENS_LOADTEST_WORKER_H

#include "loadtest/chance.h"
#include "loadtest/engine.h"
#include "loadtest/schedule.h"

#include <pthread.h>
#include <stdatomic.h>

struct worker {
    const struct plan *plan;
    const struct driver *driver;
    struct chronicle *history; // NULL: none
    pthread_t thread;
    _Atomic int is_done;
    uint32_t index;
    uint32_t first_client; // the number of its client 0 among all threads'
    struct client *clients;
    struct operation *operations;
    uint32_t client_count;
    uint32_t *idle; // a ring of clients
    uint32_t idle_from;
    uint32_t idle_count;
    void *state; // the driver's

    struct chance chance;
    struct zipf zipf;
    uint64_t value_count;
    uint64_t *revisions; // of cas: by key, as last seen; NULL without cas

    bool is_preload;
    uint64_t preload_next; // key
    uint64_t preload_end;

    uint64_t measure_ns; // the end of the warm-up
    uint64_t end_ns;
    uint64_t stopped_ns; // when it sent no more: end_ns, or sooner if it was interrupted
    uint64_t scan_ns;    // when time-outs are looked for next
    bool is_cut; // an interruption ends what is under way: that counts for nothing
    struct schedule schedule;
    uint64_t sent; // messages, of the schedule
    struct engine_counts counts;
};

void worker_init(struct worker *worker, const struct engine_run *run, uint32_t index);
void worker_fini(struct worker *worker);
/* As a thread's function: `argument` is the worker. */
void *worker_run(void *argument);
/* Has engine_interrupt() been called? */
bool engine_is_interrupted(void);

#endif
