/*
 * agent.h - the I/O thread of a client: its connections and the calls under way.
 *
 * agent.c waits and moves bytes; calls.c decides what is sent, again or no more.
 *
 * Thread: the client's I/O thread, once it runs.
 */
#ifndef CONSENS_CLIENT_AGENT_H
#define CONSENS_CLIENT_AGENT_H

#include "client/future.h"
#include "client/link.h"
#include "client/session.h"

enum { AGENT_SLOTS = CONSENS_IN_FLIGHT_MAX + 1 }; // and the opening of a session

struct agent {
    struct consens_client *client;
    void *zmq_context;
    struct link links[CONSENS_ENDPOINTS_MAX];
    uint32_t link_count;
    uint32_t preferred; // link that is asked first
    struct consens_future *slots[AGENT_SLOTS];
    uint32_t free_slots[AGENT_SLOTS];
    uint32_t free_count;
    struct future_queue active; // by call.links
    uint64_t last_number;       // of a call
    struct session session;
    bool wants_session;             // a write waits for one to be opened
    struct consens_future *opener;  // the call that opens it; NULL: none
    struct outcome session_refusal; // why the last opener did not
    bool must_scan;                 // something that calls wait for has changed
    uint64_t scan_at_ms;            // the next time that matters to a call
    struct cs_buffer packed;        // scratch
    zmq_msg_t message;              // scratch
};

/* NULL: not enough files. */
struct agent *agent_new(const struct endpoints *endpoints);
void agent_destroy(struct agent **agent);
/* Of pthread_create(); `context` is a struct consens_client. Ends once it is closing. */
void *agent_run(void *context);

/* A new call. */
void calls_take(struct agent *agent, struct consens_future *future);
/* Sends what can be sent, ends what is over; sets scan_at_ms. */
void calls_scan(struct agent *agent, uint64_t now_ms);
/* What came over a link. */
void calls_answer(struct agent *agent,
                  uint32_t link,
                  const struct client_reply *reply,
                  uint64_t now_ms);
/* What was sent over it will not be answered any more. */
void calls_lose_link(struct agent *agent, uint32_t link, uint64_t now_ms);
/* The client is closing. */
void calls_end_all(struct agent *agent);

#endif
