#include "monitor/model.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void judge_state(struct monitor *monitor);
static void judge_durable(struct monitor *monitor);
static void judge_lost(struct monitor *monitor, const struct paxos_view *view);

struct monitor *monitor_new(void)
{
    struct monitor *monitor = calloc(1, sizeof *monitor);
    CHECK(monitor != NULL);
    return monitor;
}

void monitor_destroy(struct monitor **monitor_slot)
{
    struct monitor *monitor = *monitor_slot;
    if (monitor == NULL) {
        return;
    }
    spec_log_fini(monitor);
    spec_reads_fini(monitor);
    free(monitor->scratch);
    free(monitor);
    *monitor_slot = NULL;
}

void monitor_forget(struct monitor *monitor)
{
    monitor->is_known = false;
    monitor->step_number = 0;
    monitor->finding = (struct monitor_finding){0};
}

void monitor_begin(struct monitor *monitor,
                   const struct paxos_settings *settings,
                   const struct paxos_recovered *recovered,
                   const struct paxos_view *view)
{
    monitor->settings = *settings;
    monitor->quorum_promise = paxos_quorum_promise(settings->member_count);
    monitor->quorum_accept = paxos_quorum_accept(settings->member_count);
    monitor->config = recovered->config;
    monitor->points = 0;
    monitor->tally.lives++;
    // What stands in slots that were lost when it ended nobody has said.
    monitor->is_known = monitor->is_known && !monitor->lost.is_active;
    spec_log_begin(monitor, recovered);
    spec_identity_begin(monitor, recovered);
    spec_election_begin(monitor);
    spec_reads_begin(monitor);
    monitor->candidacy = (struct model_candidacy){0};
    monitor->leading = (struct model_leading){0};
    monitor->following = (struct model_following){0};
    monitor->asked = (struct paxos_ballot){0};
    monitor->view = *view;
    monitor->is_known = true;
    EXPECT(monitor, RULE_I4,
           ballot_equal(view->promised, recovered->promised) &&
               ballot_equal(view->accepted, recovered->accepted),
           "begins with promised %s accepted %s, recovered were %s and %s",
           spec_ballot(view->promised), spec_ballot(view->accepted),
           spec_ballot(recovered->promised), spec_ballot(recovered->accepted));
    EXPECT(monitor, RULE_E7, view->role <= PAXOS_GATED || settings->member_count == 1,
           "begins as %s", paxos_role_name(view->role));
    EXPECT(monitor, RULE_I11, view->decided <= monitor->log.length,
           "begins with decided %llu, known are %llu slots", ull(view->decided),
           ull(monitor->log.length));
    judge_lost(monitor, view);
}

static void count(struct monitor_tally *tally, const struct paxos_event *event)
{
    tally->steps++;
    if (event->type < MONITOR_EVENTS) {
        tally->events[event->type]++;
    }
    if (event->type == PAXOS_EVENT_MESSAGE &&
        event->message->type < PAXOS_MESSAGE_TYPES) {
        tally->messages[event->message->type]++;
    }
}

/* What came in, noted before what came of it is judged. */
static void receive(struct monitor *monitor)
{
    const struct paxos_event *event = monitor->step->event;
    monitor->message = NULL;
    if (event->type == PAXOS_EVENT_PERSISTED) {
        EXPECT(monitor, RULE_2_2, event->token <= monitor->token,
               "record %llu is durable, the last one is %llu", ull(event->token),
               ull(monitor->token));
        spec_log_settle(monitor, event->token, event->block);
    }
    if (event->type == PAXOS_EVENT_MESSAGE &&
        spec_identity_receive(monitor, event->message)) {
        monitor->message = event->message;
        spec_election_receive(monitor, event->message);
        spec_proposer_receive(monitor, event->message);
    }
}

bool monitor_judge(struct monitor *monitor, const struct monitor_step *step)
{
    if (monitor->finding.is_found) {
        return false;
    }
    CHECK(monitor->is_known);
    monitor->step = step;
    monitor->round_before = monitor->leading.round_sent;
    monitor->drawn_before = monitor->election.my_ballot;
    monitor->promised =
        spec_election_takes_over(monitor) ? monitor->view.promised : step->view->promised;
    monitor->step_number++;
    monitor->points |= monitor->settings.buggify == NULL ? 0 : *monitor->settings.buggify;
    count(&monitor->tally, step->event);
    receive(monitor);
    spec_acceptor_note(monitor);
    spec_log_append(monitor);
    judge_state(monitor);
    judge_durable(monitor);
    spec_identity_judge(monitor);
    spec_acceptor_judge(monitor);
    spec_proposer_judge(monitor);
    spec_election_judge(monitor);
    spec_proposer_judge_decided(monitor);
    spec_reads_note(monitor);
    spec_reads_judge(monitor);
    spec_claims_judge_sent(monitor);
    monitor->view = *step->view;
    monitor->config = *step->config;
    monitor->step = NULL;
    return !monitor->finding.is_found;
}

bool monitor_watch(struct monitor *monitor,
                   const struct paxos_core *core,
                   const struct paxos_event *event,
                   const struct paxos_effects *effects,
                   const struct paxos_view *view)
{
    uint32_t entries = effects->persist.entry_count;
    if (entries > monitor->scratch_count) {
        free(monitor->scratch);
        monitor->scratch = calloc(entries, sizeof *monitor->scratch);
        CHECK(monitor->scratch != NULL);
        monitor->scratch_count = entries;
    }
    for (uint32_t i = 0; i < entries; i++) {
        monitor->scratch[i] = *paxos_entry_at(core, effects->persist.first_slot + i);
    }
    const struct monitor_step step = {
        .event = event,
        .effects = effects,
        .view = view,
        .config = paxos_config_of(core),
        .entries = monitor->scratch,
        .proposed = effects->proposed_slot == 0
                        ? NULL
                        : paxos_entry_at(core, effects->proposed_slot),
    };
    return monitor_judge(monitor, &step);
}

/*
 * ---- the state as a whole: nothing falls, nothing changes without a record
 */

static void judge_state(struct monitor *monitor)
{
    const struct paxos_view *before = &monitor->view;
    const struct paxos_view *after = monitor->step->view;
    bool is_recorded = monitor->step->effects->persist.kind != PAXOS_PERSIST_NONE;
    EXPECT(monitor, RULE_I4,
           ballot_order(after->promised, before->promised) >= 0 &&
               ballot_order(after->accepted, before->accepted) >= 0 &&
               ballot_order(after->accepted, after->promised) <= 0,
           "promised %s accepted %s after promised %s accepted %s",
           spec_ballot(after->promised), spec_ballot(after->accepted),
           spec_ballot(before->promised), spec_ballot(before->accepted));
    EXPECT(monitor, RULE_2_2,
           is_recorded || (ballot_equal(after->promised, before->promised) &&
                           ballot_equal(after->accepted, before->accepted)),
           "promised %s accepted %s without a record", spec_ballot(after->promised),
           spec_ballot(after->accepted));
    EXPECT(monitor, RULE_2_2, after->length == monitor->log.length,
           "the node has %llu slots, its records make %llu", ull(after->length),
           ull(monitor->log.length));
    EXPECT(monitor, RULE_2_2, after->last_token == monitor->token,
           "the node's newest record is %llu, seen was %llu", ull(after->last_token),
           ull(monitor->token));
    EXPECT(monitor, RULE_I7,
           after->decided >= before->decided && after->decided <= after->length,
           "decided %llu of %llu slots, before it was %llu", ull(after->decided),
           ull(after->length), ull(before->decided));
    EXPECT(monitor, RULE_I7, monitor->step->effects->decided == after->decided,
           "the step says decided %llu, the node %llu",
           ull(monitor->step->effects->decided), ull(after->decided));
    judge_lost(monitor, after);
}

/* P5: it knows of the slots that it does not know. */
static void judge_lost(struct monitor *monitor, const struct paxos_view *view)
{
    const struct model_lost *lost = &monitor->lost;
    cs_slot first = lost->is_active ? monitor->log.length + 1 : 0;
    cs_slot last = lost->is_active ? spec_log_last_lost(monitor) : 0;
    cs_slot held = lost->is_active ? lost->length : monitor->log.length;
    EXPECT(monitor, RULE_P5,
           view->faulty_first == first && view->faulty_last == last && view->held == held,
           "unknown are slots %llu to %llu of %llu, it says %llu to %llu of %llu",
           ull(first), ull(last), ull(held), ull(view->faulty_first),
           ull(view->faulty_last), ull(view->held));
    EXPECT(monitor, RULE_P5, !lost->is_active || view->role <= PAXOS_FOLLOWER,
           "is %s with slots of unknown identity", paxos_role_name(view->role));
}

static void judge_durable(struct monitor *monitor)
{
    const struct paxos_view *after = monitor->step->view;
    const struct model_disk *disk = &monitor->disk;
    EXPECT(monitor, RULE_2_2, after->durable_token == disk->token,
           "the node takes record %llu for durable, told was %llu",
           ull(after->durable_token), ull(disk->token));
    EXPECT(monitor, RULE_2_2, after->durable <= disk->length,
           "the node takes %llu slots for durable, on its disk are %llu",
           ull(after->durable), ull(disk->length));
    if (monitor->records.count == 0) {
        EXPECT(monitor, RULE_2_2, after->durable == after->length,
               "all records are durable, but only %llu of %llu slots are taken for it",
               ull(after->durable), ull(after->length));
    }
}

/*
 * ---- findings and words
 */

void monitor_fail(struct monitor *monitor,
                  enum monitor_rule rule,
                  const char *format,
                  ...)
{
    struct monitor_finding *finding = &monitor->finding;
    if (finding->is_found) {
        return;
    }
    *finding = (struct monitor_finding){
        .is_found = true,
        .rule = rule,
        .seat = monitor->settings.seat,
        .boot = monitor->settings.boot,
        .step = monitor->step_number,
    };
    char *text = finding->sentence;
    size_t room = sizeof finding->sentence;
    int used = 0;
    if (monitor->step != NULL) {
        const struct paxos_event *event = monitor->step->event;
        bool is_message = event->type == PAXOS_EVENT_MESSAGE;
        used = snprintf(text, room, "%s%s%s as %s: ", monitor_event_name(event->type),
                        is_message ? " " : "",
                        is_message ? paxos_message_name(event->message->type) : "",
                        paxos_role_name(monitor->view.role));
    }
    CHECK(used >= 0 && (size_t)used < room);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + used, room - (size_t)used, format, arguments);
    va_end(arguments);
}

const struct monitor_finding *monitor_finding_of(const struct monitor *monitor)
{
    return &monitor->finding;
}

const struct monitor_tally *monitor_tally_of(const struct monitor *monitor)
{
    return &monitor->tally;
}

const char *monitor_rule_name(enum monitor_rule rule)
{
    static const char *const names[] = {
#define MONITOR_RULE_TEXT(name, text) text,
        MONITOR_RULES(MONITOR_RULE_TEXT)
#undef MONITOR_RULE_TEXT
    };
    return rule < RULE_COUNT ? names[rule] : "?";
}

const char *monitor_event_name(uint32_t type)
{
    static const char *const names[MONITOR_EVENTS] = {
        [PAXOS_EVENT_TICK] = "TICK",           [PAXOS_EVENT_MESSAGE] = "MESSAGE",
        [PAXOS_EVENT_PERSISTED] = "PERSISTED", [PAXOS_EVENT_PROPOSE] = "PROPOSE",
        [PAXOS_EVENT_READ] = "READ",           [PAXOS_EVENT_PEER_LOST] = "PEER_LOST",
        [PAXOS_EVENT_DISK_SLOW] = "DISK_SLOW", [PAXOS_EVENT_RESIGN] = "RESIGN",
    };
    const char *name = type < MONITOR_EVENTS ? names[type] : NULL;
    return name != NULL ? name : "?";
}

const char *spec_ballot(struct paxos_ballot ballot)
{
    static char texts[4][40];
    static unsigned next;
    char *text = texts[next++ % 4];
    (void)snprintf(text, sizeof texts[0], "%u.%u.%u", ballot.epoch, ballot.round,
                   ballot.node);
    return text;
}
