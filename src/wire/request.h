/*
 * request.h - what crosses the border between HTTP threads and the engine.
 *
 * request = [ticket, kind, consistency, min_revision, timeout_ms, command|key]
 * reply   = [ticket, status, revision, item_revision, created_revision, version,
 *            leader_seat, lag_ms, durability, session, is_replay, value]
 *
 * Thread: any.
 */
#ifndef CONSENS_WIRE_REQUEST_H
#define CONSENS_WIRE_REQUEST_H

#include "base/bytes.h"
#include "base/status.h"
#include "wire/command.h"

#include <stdbool.h>

enum request_kind {
    REQUEST_WRITE = 1, // command
    REQUEST_GET,       // key: value and revisions
    REQUEST_HEAD,      // key: as GET, without the value
    REQUEST_STATUS,    // value = JSON of /-/status
    REQUEST_READY,     // status OK, or STARTING / NO_QUORUM / NO_LEADER in words
    REQUEST_KINDS,
};

enum request_consistency { REQUEST_LINEARIZABLE = 0, REQUEST_LOCAL = 1 };

struct request {
    uint64_t ticket; // of the caller; comes back in the reply
    uint32_t kind;
    uint32_t consistency;
    uint64_t
        min_revision;    // answer only once this node's revision is at least this; 0: any
    uint64_t timeout_ms; // from arrival at the engine
    struct cs_view key;  // GET, HEAD
    struct cs_view command; // WRITE: bytes of command_pack()
};

#define REPLY_LAG_UNKNOWN UINT64_MAX // never yet in this life of the node

struct reply {
    uint64_t ticket;
    enum cs_status status;
    uint64_t revision;      // of the state the answer was read from
    uint64_t item_revision; // the key's modified revision: its ETag; 0: absent
    uint64_t created_revision;
    uint64_t version;
    uint32_t leader_seat; // PAXOS_MEMBERS_MAX: none known
    // Since the state had all that the leader then called decided; local reads carry it.
    uint64_t lag_ms;
    uint32_t durability;  // enum settings_durability
    uint64_t session;     // that was opened
    bool is_replay;       // the answer that this write of its session got the first time
    struct cs_view value; // GET: bytes; errors: a sentence (may be empty); STATUS: JSON
};

void request_pack(struct cs_buffer *out, const struct request *request);
bool request_unpack(struct cs_view bytes, struct request *out_request);
void reply_pack(struct cs_buffer *out, const struct reply *reply);
bool reply_unpack(struct cs_view bytes, struct reply *out_reply);

#endif
