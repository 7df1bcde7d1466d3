/*
 * driver.h - one interface to everything that can be loaded. A driver belongs to one
 * thread of the engine and carries the messages of that thread's clients.
 *
 *   start()   client's operations are filled in: send them (soon)
 *   wait()    sends, waits until something comes or `until_ns`, fills in answers and calls
 *             finish() for each client whose message is answered, or will never be
 *   expire()  the client's time is over: forget its message. finish() is not called
 *
 * Thread: the one that opened it.
 */
#ifndef CONSENS_LOADTEST_DRIVER_H
#define CONSENS_LOADTEST_DRIVER_H

#include "base/bytes.h"
#include "base/status.h"
#include "loadtest/plan.h"
#include <stdbool.h>

#define DRIVER_NO_VALUE UINT64_MAX // a value was found, but not one of this program's

/* How an operation ended: enum cs_status, or one of these. */
enum driver_result {
    DRIVER_TIMED_OUT = CS_STATUS_COUNT, // no answer in time: it may have been applied
    DRIVER_DISCONNECTED,                // the connection broke: it may have been applied
    DRIVER_NOT_SENT,                    // no connection: certainly not applied
    DRIVER_UNAVAILABLE,                 // HTTP 503: certainly not applied
    DRIVER_GARBLED,                     // what came is no answer
    DRIVER_RESULTS,
};

struct operation {
    enum operation_kind kind;
    uint32_t value_bytes; // put, cas
    uint64_t key;
    uint64_t value;              // that a put or cas writes, and a get found
    uint64_t condition_revision; // cas; 0: the key must be absent
    // the answer
    uint32_t result;        // enum driver_result
    uint64_t revision;      // of the store; UINT64_MAX: not told
    uint64_t item_revision; // of the key
    uint64_t version;       // of the key; UINT64_MAX: not told
};

struct client { // operations of the plan's batch
    struct operation *operations;
    uint64_t due_ns;     // open loop: when it should have been sent
    uint64_t started_ns; // when it was
    uint64_t idle_until_ns;
    bool is_busy;
};

struct driver_setup {
    const struct plan *plan;
    uint32_t thread;
    struct client *clients; // of this thread
    uint32_t client_count;
    void *context;
    void (*finish)(void *context, uint32_t client);
};

struct driver {
    void *(*open)(const struct driver_setup *setup);
    void (*start)(void *state, uint32_t client);
    void (*wait)(void *state, uint64_t until_ns);
    void (*expire)(void *state, uint32_t client);
    void (*close)(void *state);
};

extern const struct driver driver_zeromq;
extern const struct driver driver_http; // consens and etcd

const char *driver_result_name(uint32_t result);
/* Does the result say that the operation was carried out, whatever it found? */
bool driver_result_is_answer(uint32_t result);
/* May the operation have been applied, or be applied later, though nobody says so? */
bool driver_result_is_unknown(uint32_t result);

/* A value: 16 hexadecimal digits that name it, then filling. And back. */
void driver_put_value(uint8_t *to, uint64_t value, uint32_t value_bytes);
uint64_t driver_read_value(struct cs_view bytes);

#endif
