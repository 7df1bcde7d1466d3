/*
 * session.h - the client's side of exactly once (PAXOS 2.13): numbers for the writes of a
 * session, no more than the window under way, and what may be acknowledged.
 *
 * lowest <= next <= lowest + CONSENS_SESSION_WRITES_MAX; what lies below `lowest` is over.
 *
 * Thread: the client's I/O thread.
 */
#ifndef CONSENS_CLIENT_SESSION_H
#define CONSENS_CLIENT_SESSION_H

#include <consens/client.h>

struct session {
    uint64_t id;                              // 0: none is open
    uint64_t lowest;                          // sequence still under way, or `next`
    uint64_t next;                            // sequence to give out
    bool is_open[CONSENS_SESSION_WRITES_MAX]; // by sequence modulo
};

void session_start(struct session *session, uint64_t id);
/* 0: as many as may be are under way. */
uint64_t session_take_number(struct session *session);
/* The write is over, and its answer will not be asked for again. Of another session's
 * numbers nothing is done. */
void session_release(struct session *session, uint64_t id, uint64_t sequence);
/* All answers up to this one have come. */
uint64_t session_acknowledged(const struct session *session);

#endif
