#include "monitor/replay.h"

#include "base/check.h"
#include "engine/step_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor { // over the body of one record
    const uint8_t *at;
    size_t left;
    bool is_short; // something was asked for that is not there
};

struct scratch { // a step, as the core had it
    struct paxos_event event;
    struct paxos_effects effects;
    struct paxos_message message;
    struct paxos_view view;
    struct paxos_config config;
    struct paxos_entry proposed;
    struct paxos_entry *message_entries;
    struct paxos_entry *persist_entries;
};

static void take(struct cursor *cursor, void *out, size_t bytes)
{
    if (bytes > cursor->left) {
        cursor->is_short = true;
        memset(out, 0, bytes);
        return;
    }
    memcpy(out, cursor->at, bytes);
    cursor->at += bytes;
    cursor->left -= bytes;
}

/* An array of `count`, to be freed; NULL: none, or not there. */
static void *take_array(struct cursor *cursor, size_t count, size_t bytes)
{
    if (count == 0 || count * bytes > cursor->left) {
        cursor->is_short = cursor->is_short || count != 0;
        return NULL;
    }
    void *array = malloc(count * bytes);
    CHECK(array != NULL);
    take(cursor, array, count * bytes);
    return array;
}

static bool
replay_begin(struct monitor *monitor, struct cursor *cursor, struct replay_result *result)
{
    struct step_trace_life life;
    struct paxos_settings settings;
    struct paxos_recovered recovered;
    struct paxos_view view;
    take(cursor, &life, sizeof life);
    bool is_ours = life.version == STEP_TRACE_VERSION &&
                   life.message_bytes == sizeof(struct paxos_message) &&
                   life.settings_bytes == sizeof settings &&
                   life.recovered_bytes == sizeof recovered &&
                   life.view_bytes == sizeof view;
    if (!is_ours) {
        (void)snprintf(result->sentence, sizeof result->sentence,
                       "it was written by another build");
        return false;
    }
    take(cursor, &settings, sizeof settings);
    settings.buggify = NULL; // no build but the simulator's looks at it
    take(cursor, &recovered, sizeof recovered);
    struct paxos_entry *tail = take_array(cursor, life.tail_count, sizeof *tail);
    take(cursor, &view, sizeof view);
    recovered.tail = tail;
    bool is_whole =
        !cursor->is_short && cursor->left == 0 && recovered.tail_count == life.tail_count;
    if (is_whole) {
        monitor_begin(monitor, &settings, &recovered, &view);
    } else {
        (void)snprintf(result->sentence, sizeof result->sentence,
                       "a life that begins in it cannot be read");
    }
    free(tail);
    return is_whole;
}

static void take_effects(struct cursor *cursor,
                         const struct step_trace_counts *counts,
                         const struct step_trace_rest *rest,
                         struct paxos_effects *effects)
{
    effects->persist = rest->persist;
    effects->serve = rest->serve;
    effects->after_sync_token = rest->after_sync_token;
    effects->decided = rest->decided;
    effects->read_id = rest->read_id;
    effects->read_ready_id = rest->read_ready_id;
    effects->read_ready_slot = rest->read_ready_slot;
    effects->proposed_slot = rest->proposed_slot;
    effects->refusal = rest->refusal;
    effects->halt = rest->halt;
    effects->now_count = counts->now;
    effects->after_sync_count = counts->after_sync;
    effects->trace_count = counts->traces;
    take(cursor, effects->messages_now, counts->now * sizeof *effects->messages_now);
    take(cursor, effects->messages_after_sync,
         counts->after_sync * sizeof *effects->messages_after_sync);
    take(cursor, effects->traces, counts->traces * sizeof *effects->traces);
}

static bool is_bounded(const struct step_trace_counts *counts)
{
    return counts->now <= PAXOS_MESSAGES_MAX &&
           counts->after_sync <= PAXOS_MESSAGES_MAX &&
           counts->traces <= PAXOS_TRACES_MAX && counts->has_message <= 1 &&
           counts->has_proposed <= 1;
}

static bool take_step(struct cursor *cursor, struct scratch *scratch)
{
    struct step_trace_counts counts;
    struct step_trace_rest rest;
    take(cursor, &counts, sizeof counts);
    take(cursor, &scratch->event, sizeof scratch->event);
    take(cursor, &rest, sizeof rest);
    if (cursor->is_short || !is_bounded(&counts)) {
        return false;
    }
    scratch->event.message = NULL;
    if (counts.has_message != 0) {
        take(cursor, &scratch->message, sizeof scratch->message);
        scratch->message_entries =
            take_array(cursor, counts.message_entries, sizeof(struct paxos_entry));
        scratch->message.entries = scratch->message_entries;
        scratch->event.message = &scratch->message;
    }
    take_effects(cursor, &counts, &rest, &scratch->effects);
    scratch->persist_entries =
        take_array(cursor, counts.persist_entries, sizeof(struct paxos_entry));
    take(cursor, &scratch->proposed, counts.has_proposed * sizeof scratch->proposed);
    take(cursor, &scratch->view, sizeof scratch->view);
    take(cursor, &scratch->config, sizeof scratch->config);
    return !cursor->is_short && cursor->left == 0 &&
           (counts.has_message == 0 ||
            scratch->message.entry_count == counts.message_entries) &&
           rest.persist.entry_count == counts.persist_entries &&
           (scratch->event.type == PAXOS_EVENT_MESSAGE) == (counts.has_message != 0) &&
           (rest.proposed_slot != 0) == (counts.has_proposed != 0);
}

static bool
replay_step(struct monitor *monitor, struct cursor *cursor, struct replay_result *result)
{
    static struct scratch scratch;
    scratch.message_entries = NULL;
    scratch.persist_entries = NULL;
    bool is_whole = take_step(cursor, &scratch);
    if (is_whole) {
        const struct monitor_step step = {
            .event = &scratch.event,
            .effects = &scratch.effects,
            .view = &scratch.view,
            .config = &scratch.config,
            .entries = scratch.persist_entries,
            .proposed = scratch.effects.proposed_slot != 0 ? &scratch.proposed : NULL,
        };
        (void)monitor_judge(monitor, &step);
    } else {
        (void)snprintf(result->sentence, sizeof result->sentence,
                       "a step in it cannot be read");
    }
    free(scratch.message_entries);
    free(scratch.persist_entries);
    return is_whole;
}

/* Past a torn record: to where the next life begins, or the end. */
static size_t find_next(const uint8_t *data, size_t bytes, size_t at)
{
    for (at++; at + sizeof(struct step_trace_head) <= bytes; at++) {
        struct step_trace_head head;
        memcpy(&head, data + at, sizeof head);
        if (head.magic == STEP_TRACE_MAGIC && head.kind == STEP_TRACE_BEGIN) {
            return at;
        }
    }
    return bytes;
}

static void replay_bytes(const uint8_t *data,
                         size_t bytes,
                         struct monitor *monitor,
                         struct replay_result *result)
{
    size_t at = 0;
    bool is_alive = false; // a life has begun, and no step of it is missing
    result->is_readable = true;
    while (at < bytes && result->is_readable && !monitor_finding_of(monitor)->is_found) {
        struct step_trace_head head = {0};
        size_t left = bytes - at;
        memcpy(&head, data + at, left < sizeof head ? left : sizeof head);
        if (head.magic != STEP_TRACE_MAGIC || left < sizeof head ||
            head.bytes > left - sizeof head ||
            (head.kind == STEP_TRACE_STEP && !is_alive)) {
            result->torn_records++;
            is_alive = false;
            at = find_next(data, bytes, at);
            continue;
        }
        struct cursor cursor = {.at = data + at + sizeof head, .left = head.bytes};
        if (head.kind == STEP_TRACE_BEGIN) {
            result->is_readable = replay_begin(monitor, &cursor, result);
            is_alive = true;
        } else if (head.kind == STEP_TRACE_STEP) {
            result->is_readable = replay_step(monitor, &cursor, result);
        } else {
            // What happened after it is not known: the next life is taken as it is.
            result->ends++;
            monitor_forget(monitor);
            is_alive = false;
        }
        at += sizeof head + head.bytes;
    }
}

void replay_file(const char *path,
                 struct monitor *monitor,
                 struct replay_result *out_result)
{
    *out_result = (struct replay_result){0};
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t bytes = 0;
    bool is_read = file != NULL;
    for (size_t got = 1; is_read && got > 0;) {
        size_t room = bytes + ((size_t)1 << 20);
        data = realloc(data, room);
        CHECK(data != NULL);
        got = fread(data + bytes, 1, room - bytes, file);
        bytes += got;
        is_read = ferror(file) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (is_read) {
        replay_bytes(data, bytes, monitor, out_result);
    } else {
        (void)snprintf(out_result->sentence, sizeof out_result->sentence, "%s",
                       strerror(errno));
    }
    free(data);
}
