/*
 * sentences.c - errors in words: what happened, why, what to do.
 */
#include "base/check.h"
#include "engine/parts.h"

#include <stdarg.h>
#include <stdio.h>

enum { PIECE_BYTES_MAX = 512 }; // of one formatted piece; names are shorter

static void starting(const struct replica *replica, struct cs_buffer *out);
static void timed_out(const struct replica *replica,
                      const struct waiter *waiter,
                      struct cs_buffer *out);
static void overloaded(const struct replica *replica,
                       const struct waiter *waiter,
                       struct cs_buffer *out);
static void disk_full(const struct replica *replica,
                      const struct waiter *waiter,
                      struct cs_buffer *out);

struct cs_view
sentence_for(struct replica *replica, enum cs_status status, const struct waiter *waiter)
{
    struct cs_buffer *out = &replica->text;
    const char *own = sentence_own_name(replica);
    out->bytes = 0;
    if (status == CS_NO_QUORUM) {
        sentence_no_quorum(replica, out);
    } else if (status == CS_NO_LEADER) {
        sentence_append(
            out,
            "%s knows no leader: the nodes are electing one. Nothing was applied; "
            "try again in a moment",
            own);
    } else if (status == CS_STARTING) {
        starting(replica, out);
    } else if (status == CS_STOPPING) {
        sentence_append(out, "%s is shutting down; ask another node", own);
    } else if (status == CS_OVERLOADED) {
        overloaded(replica, waiter, out);
    } else if (status == CS_TIMED_OUT) {
        timed_out(replica, waiter, out);
    } else if (status == CS_UNKNOWN) {
        sentence_append(
            out,
            "the write was handed to the cluster but %s did not see it decided in "
            "time: it may or may not be applied. Read the key to find out, or "
            "repeat the write with If-Match or If-None-Match",
            own);
    } else if (status == CS_DISK_FULL) {
        disk_full(replica, waiter, out);
    } else {
        sentence_append(out, "%s", status_text(status));
    }
    return view_of_buffer(out);
}

const char *sentence_own_name(const struct replica *replica)
{
    return replica->settings.seat_names[replica->settings.core.seat];
}

void sentence_append(struct cs_buffer *out, const char *format, ...)
{
    char piece[PIECE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    CHECK(bytes >= 0);
    size_t kept = (size_t)bytes < sizeof piece ? (size_t)bytes : sizeof piece - 1;
    buffer_append(out, piece, kept);
}

uint32_t sentence_name_unheard(const struct replica *replica, struct cs_buffer *out)
{
    uint32_t count = 0;
    for (uint32_t seat = 0; seat < replica->settings.core.member_count; seat++) {
        bool is_heard = (replica->view.heard_mask & (1u << seat)) != 0;
        if (is_heard || seat == replica->settings.core.seat) {
            continue;
        }
        sentence_append(out, "%s%s", count > 0 ? ", " : "",
                        replica->settings.seat_names[seat]);
        count++;
    }
    return count;
}

void sentence_no_quorum(const struct replica *replica, struct cs_buffer *out)
{
    struct cs_buffer names = {0};
    uint32_t member_count = replica->settings.core.member_count;
    uint32_t unheard = sentence_name_unheard(replica, &names);
    sentence_append(out, "%u of %u nodes cannot be reached from %s (no answer from ",
                    unheard, member_count, sentence_own_name(replica));
    buffer_append(out, names.data, names.bytes);
    sentence_append(
        out,
        "); writes and linearizable reads need %u. Start or reconnect them; local "
        "reads work with ?consistency=local",
        paxos_quorum_accept(member_count));
    buffer_fini(&names);
}

bool sentence_repair(const struct replica *replica, struct cs_buffer *out)
{
    const char *own = sentence_own_name(replica);
    cs_slot first = 0;
    cs_slot last = 0;
    replica_lost_slots(replica, &first, &last);
    if (first != 0) {
        sentence_append(
            out,
            "slots %llu to %llu of the log of %s are damaged on its disk and "
            "are being repaired from the other nodes%s",
            (unsigned long long)first, (unsigned long long)last, own,
            first == replica->view.faulty_first ? "; until then it does not vote" : "");
    } else if (mend_is_behind(replica)) {
        sentence_append(out, "%s has repaired its log and reads it: slot %llu of %llu",
                        own, (unsigned long long)replica->applied,
                        (unsigned long long)replica->view.decided);
    }
    return first != 0 || mend_is_behind(replica);
}

static void starting(const struct replica *replica, struct cs_buffer *out)
{
    if (sentence_repair(replica, out)) {
        return;
    }
    struct cs_buffer names = {0};
    uint32_t unheard = sentence_name_unheard(replica, &names);
    const char *own = sentence_own_name(replica);
    if (replica->view.role == PAXOS_FORMING) {
        sentence_append(
            out,
            "%s is waiting for the cluster to form: at its first start all %u "
            "nodes must meet once",
            own, replica->settings.core.member_count);
    } else {
        sentence_append(
            out, "%s has just started and must first hear from %u other nodes", own,
            paxos_quorum_promise(replica->settings.core.member_count) - 1);
    }
    if (unheard > 0) {
        sentence_append(out, " (no answer from ");
        buffer_append(out, names.data, names.bytes);
        sentence_append(out, ")");
    }
    sentence_append(out, ". Nothing was applied; start the others and try again");
    buffer_fini(&names);
}

static void timed_out(const struct replica *replica,
                      const struct waiter *waiter,
                      struct cs_buffer *out)
{
    const char *own = sentence_own_name(replica);
    if (waiter != NULL && waiter->state == WAITER_REVISION) {
        sentence_append(
            out,
            "%s is at revision %llu; revision %llu did not arrive in time. Ask "
            "another node, wait longer, or ask without a minimum revision",
            own, (unsigned long long)kv_revision(replica->kv),
            (unsigned long long)waiter->min_revision);
    } else if (waiter != NULL && waiter->kind != REQUEST_WRITE) {
        sentence_append(
            out,
            "the leader did not confirm this read to %s in time; try again, or "
            "read with ?consistency=local",
            own);
    } else {
        sentence_append(
            out,
            "%s could not hand the write on in time: it was not proposed and will "
            "not be applied. Try again",
            own);
    }
}

static void overloaded(const struct replica *replica,
                       const struct waiter *waiter,
                       struct cs_buffer *out)
{
    if (waiter != NULL) {
        sentence_append(
            out, "the leader holds as many forwarded requests as it may; the write was "
                 "not proposed. Try again later");
        return;
    }
    sentence_append(
        out,
        "%s already holds %u requests with %llu bytes (at most %u, %llu bytes); "
        "nothing was applied. Try again later",
        sentence_own_name(replica), replica->waiters.count,
        (unsigned long long)replica->waiters.held_bytes,
        replica->settings.requests_waiting_max,
        (unsigned long long)replica->settings.request_bytes_waiting_max);
}

static void disk_full(const struct replica *replica,
                      const struct waiter *waiter,
                      struct cs_buffer *out)
{
    sentence_append(
        out,
        "the disk of %s has no room for more of the log: writes that grow are "
        "refused, reads and deletes go on. Free space in its data directory's file "
        "system; it recovers by itself",
        waiter != NULL ? "the leader" : sentence_own_name(replica));
}
