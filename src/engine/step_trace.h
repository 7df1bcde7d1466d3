/*
 * step_trace.h - the steps of a core, one binary record each, in a file: for experiments
 * (CONSENS_TRACE=FILE). `build/release/monitor FILE` reads it and judges every step.
 *
 *   file     record...              appended to; each start of a process begins a life
 *   record   head, then head.bytes bytes
 *     BEGIN  step_trace_life, settings, recovered, tail entries, view
 *     STEP   step_trace_counts, event, step_trace_rest,
 *            message, its entries                           if counts.has_message
 *            messages now, messages after sync, traces, entries of the persist record
 *            proposed entry                                 if counts.has_proposed
 *            view, config
 *     END    nothing: the limit is reached, no more steps follow in this life
 *
 * Structs lie there as they do in memory: the file is for the monitor of the same build on
 * the same machine, and step_trace_life refuses another. Pointers in them say nothing.
 *
 * A record is written before anything of its step is carried out: what others hear of a
 * node that is killed is in its file. It costs a call to the kernel a step.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_STEP_TRACE_H
#define CONSENS_ENGINE_STEP_TRACE_H

#include <consens/paxos.h>

enum step_trace_kind { STEP_TRACE_BEGIN = 1, STEP_TRACE_STEP, STEP_TRACE_END };

#define STEP_TRACE_MAGIC ((uint64_t)0x6563617274707473) // "stptrace"

enum { STEP_TRACE_VERSION = 1 };

struct step_trace_head {
    uint64_t magic;
    uint32_t kind; // enum step_trace_kind
    uint32_t bytes;
};

struct step_trace_life {
    uint32_t version;
    uint32_t message_bytes; // sizes of the structs in this file
    uint32_t settings_bytes;
    uint32_t recovered_bytes;
    uint32_t view_bytes;
    uint32_t tail_count;
};

struct step_trace_counts {
    uint32_t has_message;
    uint32_t message_entries;
    uint32_t now;
    uint32_t after_sync;
    uint32_t traces;
    uint32_t persist_entries;
    uint32_t has_proposed;
    uint32_t unused;
};

struct step_trace_rest { // of struct paxos_effects
    struct paxos_persist persist;
    struct paxos_serve serve;
    uint64_t after_sync_token;
    cs_slot decided;
    uint64_t read_id;
    uint64_t read_ready_id;
    cs_slot read_ready_slot;
    cs_slot proposed_slot;
    uint32_t refusal;
    uint32_t halt;
};

struct step_trace;

/* NULL: errno says why. At most `limit_bytes` are added; then it stops, and says so. */
struct step_trace *step_trace_open(const char *path, uint64_t limit_bytes);
void step_trace_close(struct step_trace **trace);

/* As replica_ports.begun and .stepped are called. */
void step_trace_begin(struct step_trace *trace,
                      const struct paxos_settings *settings,
                      const struct paxos_recovered *recovered,
                      const struct paxos_core *core);
void step_trace_add(struct step_trace *trace,
                    const struct paxos_core *core,
                    const struct paxos_event *event,
                    const struct paxos_effects *effects,
                    const struct paxos_view *view);

#endif
