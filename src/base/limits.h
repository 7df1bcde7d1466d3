/*
 * limits.h - every bound of the server with its reason, and the relations between them.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_LIMITS_H
#define CONSENS_BASE_LIMITS_H

enum {
    LIMIT_KEY_BYTES = 1024, // PRODUCT 3: keys are 1..1024 bytes
    LIMIT_VALUE_BYTES =
        1024 * 1024, // PRODUCT 2: default of limits/value, and its ceiling
    LIMIT_COMMAND_BYTES =
        LIMIT_VALUE_BYTES + LIMIT_KEY_BYTES + 256, // 256: fields and origin
    LIMIT_ENTRY_BYTES =
        LIMIT_COMMAND_BYTES + 64, // payload of one slot: a batch; one command always fits
    LIMIT_BATCH_COMMANDS = 4096,  // commands sharing a slot: bounds the work of one apply
    LIMIT_MESSAGE_ENTRIES = 256,  // entries of one peer message
    LIMIT_MESSAGE_BYTES = 2 * LIMIT_ENTRY_BYTES, // payload of one peer message
    LIMIT_FRAME_BYTES =
        LIMIT_MESSAGE_BYTES + LIMIT_MESSAGE_ENTRIES * 64 + 4096, // on the wire

    LIMIT_WINDOW_ENTRIES = 512, // PAXOS A7, W
    LIMIT_WINDOW_BYTES = 8 * 1024 * 1024,
    LIMIT_RING_ENTRIES = 4096, // slots whose identity is kept in memory
    LIMIT_RING_BYTES =
        8 * 1024 * 1024, // decided payloads kept for peers that lag a little

    LIMIT_REQUESTS_WAITING = 16384, // client requests inside one engine; past it 429
    LIMIT_REQUEST_BYTES_WAITING = 64 * 1024 * 1024, // their bytes; past it 429
    LIMIT_CLIENT_REQUESTS_WAITING = 8192, // of one client of the ZeroMQ port: half of all
    LIMIT_CLIENT_REQUEST_BYTES_WAITING = 32 * 1024 * 1024, // and half of their bytes
    LIMIT_CLIENT_UNREAD_BYTES =
        16 * 1024 * 1024, // of answers to one client; past it 429: it does not read
    LIMIT_UNREAD_BYTES = 256 * 1024 * 1024, // of answers to all clients of that port
    // With refusals, which are answers too; past it they are dropped.
    LIMIT_CLIENT_UNREAD_BYTES_MAX = 2 * LIMIT_CLIENT_UNREAD_BYTES,
    LIMIT_UNREAD_BYTES_MAX = 2 * LIMIT_UNREAD_BYTES,
    LIMIT_CLIENT_MESSAGE_BYTES = 4 * 1024 * 1024, // of one message of requests
    LIMIT_CLIENT_ANSWER_BYTES = 4 * 1024 * 1024,  // of one answer to a batch
    // Past it the connection is closed; up to it the client is told.
    LIMIT_CLIENT_FRAME_BYTES = LIMIT_CLIENT_MESSAGE_BYTES + 4096,
    // Of one client, before the engine reads them: what one read of libzmq's, 8 KiB, brings
    // of small ones. With room for fewer the connection is stopped and started within each:
    // with 64 small reads were slower by a third to a half, with 1000 no faster.
    LIMIT_CLIENT_INBOX_MESSAGES = 512,
    LIMIT_CLIENT_QUEUE_MESSAGES = 10000, // answers that libzmq keeps for one client
    LIMIT_CLIENT_CONNECTIONS = 4096,     // of that port, if so many files may be open
    LIMIT_SESSIONS =
        16384, // kept by the state machine; past it the one unused longest goes
    LIMIT_SESSION_RESULTS = 16, // answers kept of each: as many writes may be under way
    LIMIT_SESSION_IDLE_MS = 3600 * 1000, // PAXOS 2.14, in log time
    LIMIT_HTTP_THREADS = 4096,
    LIMIT_PEER_QUEUE_MESSAGES = 2000, // ZeroMQ high-water mark to and from one peer
    LIMIT_STEP_TRACE_BYTES = 1024 * 1024 * 1024, // of one life (CONSENS_TRACE)
};

_Static_assert(LIMIT_RING_ENTRIES >= 4 * LIMIT_WINDOW_ENTRIES,
               "paxos_settings.ring_entries");
_Static_assert(LIMIT_WINDOW_BYTES >= 2 * LIMIT_ENTRY_BYTES, "two large values overlap");
_Static_assert(LIMIT_MESSAGE_BYTES >= LIMIT_ENTRY_BYTES, "one entry fits one message");
_Static_assert(LIMIT_CLIENT_QUEUE_MESSAGES > LIMIT_CLIENT_REQUESTS_WAITING,
               "all that one client may wait for can be answered in one turn");
_Static_assert(LIMIT_CLIENT_MESSAGE_BYTES >= 2 * LIMIT_COMMAND_BYTES,
               "a large value can share a batch");

#endif
