/*
 * future.h - a request under way: what its owner waits for, and what the I/O thread keeps of
 * it. Also the client itself: the border between the two.
 *
 * Thread: each field says whose it is. `lock` is held for moments, never over a call that
 * blocks or a callback.
 */
#ifndef CONSENS_CLIENT_FUTURE_H
#define CONSENS_CLIENT_FUTURE_H

#include "client/outcome.h"
#include "client/request.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdatomic.h>

struct agent;

STAILQ_HEAD(future_list, consens_future);
TAILQ_HEAD(future_queue, consens_future);

struct consens_client {
    pthread_t thread;
    struct agent *agent; // the I/O thread's; made before and freed after it
    int wake_descriptor; // eventfd: submitted, cancelled, to be called, or closing
    pthread_mutex_t lock;
    // Guarded by lock:
    uint64_t reference_count; // the caller's handle, and each future
    struct future_list submitted;
    struct future_queue callbacks; // done, and their callback is still to be called
    uint32_t in_flight_count;
    size_t in_flight_bytes;
    bool is_woken;
    bool is_closing;
    bool is_closed; // the I/O thread has ended
};

enum call_state {
    CALL_WAITING, // to be sent from due_ms on, as soon as it can be
    CALL_SENT,    // its answer is lost if it has not come by due_ms
};

struct call { // the I/O thread's
    TAILQ_ENTRY(consens_future) links;
    enum call_state state;
    uint64_t due_ms;
    uint64_t number; // none of the last 2^37 calls had it
    uint32_t slot;
    uint32_t try_count;
    uint32_t link;          // that it was sent over last
    uint64_t session;       // 0: not numbered
    uint64_t sequence;      // in its session
    bool is_doubtful;       // an earlier try may have been, or may yet be, applied
    struct outcome refusal; // the last one that was not the end
};

struct consens_future {
    struct consens_client *client;
    struct consens_request *request; // constant, as is:
    uint64_t deadline_ms;
    pthread_cond_t changed; // done, or its callback has returned
    atomic_bool is_done;    // set under lock
    // Guarded by lock:
    bool is_held;      // by its owner
    bool is_in_flight; // known to the I/O thread
    bool is_counted;   // in in_flight_...
    bool is_sent;      // at least once, perhaps
    bool is_queued;    // in callbacks
    bool is_calling;
    struct outcome outcome;
    consens_callback_t *callback;
    void *context;
    STAILQ_ENTRY(consens_future) in_submitted;
    TAILQ_ENTRY(consens_future) in_callbacks;
    struct call call;
};

/* Takes `request`. It belongs to nobody yet: set is_held or is_in_flight. */
struct consens_future *future_new(struct consens_client *client,
                                  struct consens_request *request,
                                  uint64_t deadline_ms);
/* Takes the outcome; the first one counts. */
void future_finish(struct consens_future *future, struct outcome *outcome);
/* False: it has been cancelled, and may not be sent. */
bool future_mark_sent(struct consens_future *future);
/* The I/O thread lets go of it. */
void future_land(struct consens_future *future);
/* Calls what is to be called; the I/O thread's. False: nothing was. */
bool client_run_callbacks(struct consens_client *client);

/* With the lock held. */
void client_wake(struct consens_client *client);
/* Lets go of one reference. The last one frees the client. */
void client_release(struct consens_client *client);

#endif
