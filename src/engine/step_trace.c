#include "engine/step_trace.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct step_trace {
    int file;
    bool has_ended;
    uint64_t bytes_left;
    struct cs_buffer record;
};

static void start_record(struct step_trace *trace, uint32_t kind);
static void put(struct step_trace *trace, const void *data, size_t bytes);
static void put_entries(struct step_trace *trace,
                        const struct paxos_core *core,
                        cs_slot first,
                        uint32_t count);
static void finish_record(struct step_trace *trace);

struct step_trace *step_trace_open(const char *path, uint64_t limit_bytes)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) {
        return NULL;
    }
    struct step_trace *trace = calloc(1, sizeof *trace);
    CHECK(trace != NULL);
    trace->file = file;
    trace->bytes_left = limit_bytes;
    return trace;
}

void step_trace_close(struct step_trace **trace_slot)
{
    struct step_trace *trace = *trace_slot;
    if (trace == NULL) {
        return;
    }
    (void)close(trace->file); // nothing rests on the last bytes of an experiment
    buffer_fini(&trace->record);
    free(trace);
    *trace_slot = NULL;
}

void step_trace_begin(struct step_trace *trace,
                      const struct paxos_settings *settings,
                      const struct paxos_recovered *recovered,
                      const struct paxos_core *core)
{
    struct paxos_view view = paxos_view_of(core);
    const struct step_trace_life life = {
        .version = STEP_TRACE_VERSION,
        .message_bytes = sizeof(struct paxos_message),
        .settings_bytes = sizeof *settings,
        .recovered_bytes = sizeof *recovered,
        .view_bytes = sizeof view,
        .tail_count = recovered->tail_count,
    };
    start_record(trace, STEP_TRACE_BEGIN);
    put(trace, &life, sizeof life);
    put(trace, settings, sizeof *settings);
    put(trace, recovered, sizeof *recovered);
    put(trace, recovered->tail, life.tail_count * sizeof *recovered->tail);
    put(trace, &view, sizeof view);
    finish_record(trace);
}

static void put_effects(struct step_trace *trace, const struct paxos_effects *effects)
{
    const struct step_trace_rest rest = {
        .persist = effects->persist,
        .serve = effects->serve,
        .after_sync_token = effects->after_sync_token,
        .decided = effects->decided,
        .read_id = effects->read_id,
        .read_ready_id = effects->read_ready_id,
        .read_ready_slot = effects->read_ready_slot,
        .proposed_slot = effects->proposed_slot,
        .refusal = effects->refusal,
        .halt = effects->halt,
    };
    put(trace, &rest, sizeof rest);
}

static void put_messages(struct step_trace *trace,
                         const struct paxos_event *event,
                         const struct paxos_effects *effects)
{
    const struct paxos_message *message = event->message;
    if (message != NULL) {
        put(trace, message, sizeof *message);
        put(trace, message->entries, message->entry_count * sizeof *message->entries);
    }
    put(trace, effects->messages_now, effects->now_count * sizeof *effects->messages_now);
    put(trace, effects->messages_after_sync,
        effects->after_sync_count * sizeof *effects->messages_after_sync);
    put(trace, effects->traces, effects->trace_count * sizeof *effects->traces);
}

void step_trace_add(struct step_trace *trace,
                    const struct paxos_core *core,
                    const struct paxos_event *event,
                    const struct paxos_effects *effects,
                    const struct paxos_view *view)
{
    if (trace->has_ended) {
        return;
    }
    const struct paxos_message *message = event->message;
    const struct step_trace_counts counts = {
        .has_message = message != NULL,
        .message_entries = message != NULL ? message->entry_count : 0,
        .now = effects->now_count,
        .after_sync = effects->after_sync_count,
        .traces = effects->trace_count,
        .persist_entries = effects->persist.entry_count,
        .has_proposed = effects->proposed_slot != 0,
    };
    start_record(trace, STEP_TRACE_STEP);
    put(trace, &counts, sizeof counts);
    put(trace, event, sizeof *event);
    put_effects(trace, effects);
    put_messages(trace, event, effects);
    put_entries(trace, core, effects->persist.first_slot, counts.persist_entries);
    put_entries(trace, core, effects->proposed_slot, counts.has_proposed);
    put(trace, view, sizeof *view);
    put(trace, paxos_config_of(core), sizeof(struct paxos_config));
    finish_record(trace);
}

static void put_entries(struct step_trace *trace,
                        const struct paxos_core *core,
                        cs_slot first,
                        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put(trace, paxos_entry_at(core, first + i), sizeof(struct paxos_entry));
    }
}

static void start_record(struct step_trace *trace, uint32_t kind)
{
    const struct step_trace_head head = {.magic = STEP_TRACE_MAGIC, .kind = kind};
    trace->record.bytes = 0;
    put(trace, &head, sizeof head);
}

static void put(struct step_trace *trace, const void *data, size_t bytes)
{
    if (bytes > 0) {
        buffer_append(&trace->record, data, bytes);
    }
}

/* False: the file takes no more. */
static bool write_record(const struct step_trace *trace)
{
    const uint8_t *data = trace->record.data;
    size_t left = trace->record.bytes;
    while (left > 0) {
        ssize_t written = write(trace->file, data, left);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            data += written;
            left -= (size_t)written;
        }
    }
    return true;
}

static void finish_record(struct step_trace *trace)
{
    struct step_trace_head head = {.magic = STEP_TRACE_MAGIC};
    memcpy(&head, trace->record.data, sizeof head);
    bool has_room = trace->record.bytes + sizeof head <= trace->bytes_left;
    if (!has_room) {
        head.kind = STEP_TRACE_END;
        trace->record.bytes = sizeof head;
    }
    head.bytes = (uint32_t)(trace->record.bytes - sizeof head);
    memcpy(trace->record.data, &head, sizeof head);
    trace->bytes_left -= has_room ? trace->record.bytes : 0;
    if (!write_record(trace) || !has_room) {
        trace->has_ended = true;
        log_line(LOG_LEVEL_WARN, "event=step_trace_ended reason=%s",
                 has_room ? "cannot_write" : "limit");
    }
}
