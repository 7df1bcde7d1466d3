/*
 * kv.h - the state machine: an ordered table of keys, and one global revision.
 *
 * Deterministic: the state is a function of the batches applied, in order. The revision
 * rises by one with each write that changed something (a PUT that was applied, a DELETE
 * that found its key); a failed condition or a missing key changes nothing. Each key
 * carries the revision that created it, the one that last modified it (its ETag) and a
 * version that counts its writes from 1.
 *
 * The digest is incremental: the sum (mod 2^128) of a hash of each item, mixed with the
 * revision; equal states have equal digests whatever their memory layout.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_KV_KV_H
#define CONSENS_KV_KV_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/status.h"
#include "wire/command.h"

struct kv;

struct kv_item {
    struct cs_view key;
    struct cs_view value; // valid until the next apply
    uint64_t created_revision;
    uint64_t modified_revision;
    uint64_t version;
};

struct kv_result {
    enum cs_status status;  // CREATED, UPDATED, DELETED, NOT_FOUND, PRECONDITION,
                            // SESSION_EXPIRED, SESSION_STALE; OK: a session was opened
    uint64_t revision;      // global, after the command
    uint64_t item_revision; // key's modified revision after it; 0: absent
    uint64_t created_revision;
    uint64_t version;
    uint64_t session; // that was opened
    bool is_replay;   // the answer that this write of its session got the first time
};

struct kv *kv_new(void);
void kv_destroy(struct kv **kv);

/* Before the first apply, and alike on all nodes for ever: it decides what is applied. The
 * server keeps to LIMIT_SESSIONS and LIMIT_SESSION_IDLE_MS; the simulator's are small. */
void kv_bound_sessions(struct kv *kv, uint64_t count_max, uint64_t idle_ms);

/*
 * `time_ms` is the entry's log time. Any decoded command is legal. The condition comes
 * first: DELETE of a missing key is NOT_FOUND only if its condition holds. A write of a
 * session that was applied before changes nothing and has its first result (PAXOS 2.13).
 */
void kv_apply(struct kv *kv,
              const struct command *command,
              uint64_t time_ms,
              struct kv_result *out_result);

/* CS_OK or CS_NOT_FOUND. */
enum cs_status kv_get(const struct kv *kv, struct cs_view key, struct kv_item *out_item);

/* The first item with a key > `after` (bytewise; empty view: the first of all). */
enum cs_status
kv_next(const struct kv *kv, struct cs_view after, struct kv_item *out_item);

uint64_t kv_revision(const struct kv *kv);
uint64_t kv_item_count(const struct kv *kv);
uint64_t kv_session_count(const struct kv *kv);
uint64_t kv_bytes(const struct kv *kv); // keys, values and their bookkeeping
struct cs_digest kv_digest(const struct kv *kv);

#endif
