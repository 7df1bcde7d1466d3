/*
 * monitor.h - a second opinion on every step of a core.
 *
 * A monitor follows one node. It is told how the node began and, step by step, what came
 * in, what went out and what the node then says of itself; it keeps a model of the node
 * of its own, written from the rules (PAXOS section 2) and not from src/paxos, and says
 * the first time that a step does what the rules forbid. Where they leave freedom (when
 * to send, what to drop) it accepts everything.
 *
 *   simulator     monitor_watch() at every step of every node
 *   real process  records of CONSENS_TRACE, read back by replay.h
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_MONITOR_MONITOR_H
#define CONSENS_TESTS_MONITOR_MONITOR_H

#include <consens/paxos.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rules judged, by the names PAXOS gives them. README.md says what is judged. */
#define MONITOR_RULES(X)                                                                 \
    X(2_1, "2.1")                                                                        \
    X(2_2, "2.2")                                                                        \
    X(2_4, "2.4")                                                                        \
    X(2_5, "2.5")                                                                        \
    X(2_9, "2.9")                                                                        \
    X(E1, "E1")                                                                          \
    X(E2, "E2")                                                                          \
    X(E3, "E3")                                                                          \
    X(E4, "E4")                                                                          \
    X(E7, "E7")                                                                          \
    X(E8, "E8")                                                                          \
    X(P1, "P1")                                                                          \
    X(P2, "P2")                                                                          \
    X(P3, "P3")                                                                          \
    X(P4, "P4")                                                                          \
    X(P5, "P5")                                                                          \
    X(P7, "P7")                                                                          \
    X(A1, "A1")                                                                          \
    X(A2, "A2")                                                                          \
    X(A3, "A3")                                                                          \
    X(A4, "A4")                                                                          \
    X(A5, "A5")                                                                          \
    X(A6, "A6")                                                                          \
    X(A7, "A7")                                                                          \
    X(A8, "A8")                                                                          \
    X(A9, "A9")                                                                          \
    X(A10, "A10")                                                                        \
    X(C8, "C8")                                                                          \
    X(G1, "G1")                                                                          \
    X(G2, "G2")                                                                          \
    X(G4, "G4")                                                                          \
    X(I4, "I4")                                                                          \
    X(I7, "I7")                                                                          \
    X(I11, "I11")

enum monitor_rule {
#define MONITOR_RULE_CONSTANT(name, text) RULE_##name,
    MONITOR_RULES(MONITOR_RULE_CONSTANT)
#undef MONITOR_RULE_CONSTANT
        RULE_COUNT,
};

enum { MONITOR_EVENTS = PAXOS_EVENT_RESIGN + 1 };

/* One step, after it. Pointers are read during the call only. */
struct monitor_step {
    const struct paxos_event *event;
    const struct paxos_effects *effects;
    const struct paxos_view *view;      // after the step
    const struct paxos_config *config;  // after the step
    const struct paxos_entry *entries;  // effects->persist.entry_count, as in the log
    const struct paxos_entry *proposed; // effects->proposed_slot; NULL: none
};

struct monitor_finding { // the first divergence
    bool is_found;
    enum monitor_rule rule;
    uint32_t seat;
    uint64_t boot;
    uint64_t step;      // of this node since monitor_forget(), from 1
    char sentence[420]; // what was expected, what was seen
};

struct monitor_tally { // what was judged
    uint64_t lives;
    uint64_t steps;
    uint64_t events[MONITOR_EVENTS];        // by enum paxos_event_type
    uint64_t messages[PAXOS_MESSAGE_TYPES]; // received
    uint64_t sent[PAXOS_MESSAGE_TYPES];
    uint64_t rules[RULE_COUNT]; // how often each was judged
};

struct monitor;

struct monitor *monitor_new(void);
void monitor_destroy(struct monitor **monitor);
/* What it knew of a node is void: another node, or another disk. The tally stays. */
void monitor_forget(struct monitor *monitor);
/*
 * A process begins. If the monitor knows an earlier life, what was recovered must be what
 * that life left on its disk (I11); after monitor_forget() it is taken as it is.
 */
void monitor_begin(struct monitor *monitor,
                   const struct paxos_settings *settings,
                   const struct paxos_recovered *recovered,
                   const struct paxos_view *view);
/* False: there is a finding, of this step or an earlier one. */
bool monitor_judge(struct monitor *monitor, const struct monitor_step *step);
/* The same, with the rest looked up in the core that has just made the step. */
bool monitor_watch(struct monitor *monitor,
                   const struct paxos_core *core,
                   const struct paxos_event *event,
                   const struct paxos_effects *effects,
                   const struct paxos_view *view);

const struct monitor_finding *monitor_finding_of(const struct monitor *monitor);
const struct monitor_tally *monitor_tally_of(const struct monitor *monitor);
const char *monitor_rule_name(enum monitor_rule rule);
const char *monitor_event_name(uint32_t type);

#endif
