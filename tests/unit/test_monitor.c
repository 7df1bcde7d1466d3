/*
 * The monitor: a real core makes a step, the test tells the monitor something else of it.
 * Each case is judged twice: as it was, where the monitor must have nothing to say, and
 * falsified, where it must name the rule.
 */
#include "monitor/monitor.h"

#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct told { // what the monitor is told of a step
    struct paxos_event event;
    struct paxos_message message;
    struct paxos_effects effects;
    struct paxos_view view;
    struct paxos_config config;
    struct paxos_entry entries[RIG_ENTRIES];
    struct paxos_entry proposed;
};

struct under_test {
    struct paxos_rig rig;
    struct monitor *monitor;
    void (*falsify)(struct told *told); // the next step; NULL: it is told as it was
    uint32_t trace; // not the next one, but the one that traces this; 0: the next
};

static struct told told;

static void watch(void *context, const struct paxos_event *event)
{
    struct under_test *test = context;
    const struct paxos_rig *rig = &test->rig;
    if (event == NULL) {
        monitor_begin(test->monitor, &rig->settings, &rig->recovered, &rig->view);
        return;
    }
    told = (struct told){.event = *event, .view = rig->view};
    told.effects = rig->effects;
    told.config = *paxos_config_of(rig->core);
    if (event->message != NULL) {
        told.message = *event->message;
        told.event.message = &told.message;
    }
    const struct paxos_persist *record = &rig->effects.persist;
    for (uint32_t i = 0; i < record->entry_count; i++) {
        told.entries[i] = *paxos_entry_at(rig->core, record->first_slot + i);
    }
    if (rig->effects.proposed_slot != 0) {
        told.proposed = *paxos_entry_at(rig->core, rig->effects.proposed_slot);
    }
    bool is_due = test->trace == 0 || paxos_rig_has_traced(rig, test->trace);
    if (test->falsify != NULL && is_due) {
        test->falsify(&told);
        test->falsify = NULL;
    }
    const struct monitor_step step = {
        .event = &told.event,
        .effects = &told.effects,
        .view = &told.view,
        .config = &told.config,
        .entries = told.entries,
        .proposed = told.effects.proposed_slot != 0 ? &told.proposed : NULL,
    };
    (void)monitor_judge(test->monitor, &step);
}

/*
 * ---- stages: what happens before; then one step that is falsified
 */

static void receive(struct under_test *test, const struct paxos_message *message)
{
    paxos_rig_receive(&test->rig, message);
}

static void start_and_wait(struct under_test *test)
{
    paxos_rig_start(&test->rig);
}

static void open_gate(struct under_test *test)
{
    paxos_rig_start(&test->rig);
    paxos_rig_open_gate(&test->rig);
}

static void prepare(struct under_test *test, uint32_t round)
{
    struct paxos_message message = paxos_rig_message(PAXOS_PREPARE, 1, &test->rig);
    message.ballot = paxos_rig_ballot(round, 1);
    receive(test, &message);
}

static void prepare_first(struct under_test *test)
{
    prepare(test, 3);
}

static void promise(struct under_test *test)
{
    open_gate(test);
    paxos_rig_promise(&test->rig, paxos_rig_ballot(3, 1));
}

static void prepare_larger(struct under_test *test)
{
    prepare(test, 4);
}

static void prepare_smaller(struct under_test *test)
{
    prepare(test, 2);
}

static void follow(struct under_test *test)
{
    open_gate(test);
    paxos_rig_follow(&test->rig, paxos_rig_ballot(3, 1), 2);
}

static void sync_three(struct under_test *test)
{
    struct paxos_message message = paxos_rig_sync(&test->rig, paxos_rig_ballot(3, 1), 3);
    receive(test, &message);
}

static void accept_decided(struct under_test *test, uint64_t sequence, cs_slot decided)
{
    struct paxos_message message =
        paxos_rig_accept(&test->rig, paxos_rig_ballot(3, 1), sequence, 1);
    message.accept.decided = decided;
    message.accept.read_round = 4;
    receive(test, &message);
}

static void accept_one(struct under_test *test)
{
    accept_decided(test, 1, 0);
}

static void accept_with_decided(struct under_test *test)
{
    accept_decided(test, 1, 2);
}

static void accept_and_decide(struct under_test *test)
{
    follow(test);
    accept_decided(test, 1, 2);
}

static void accept_under_way(struct under_test *test)
{
    follow(test);
    accept_decided(test, 1, 0);
}

static void become_durable(struct under_test *test)
{
    paxos_rig_persisted(&test->rig);
}

static void tick(struct under_test *test)
{
    paxos_rig_wait(&test->rig, test->rig.view.next_tick_ms - test->rig.now_ms);
}

static void fetch_decided(struct under_test *test)
{
    struct paxos_rig *rig = &test->rig;
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, 2, rig);
    message.log.decided = 3;
    paxos_rig_fill(rig, &message, 0, 3, 11);
    receive(test, &message);
}

static void lead(struct under_test *test)
{
    open_gate(test);
    paxos_rig_lead(&test->rig);
}

static void prepare_to_lead(struct under_test *test)
{
    open_gate(test);
    paxos_rig_take_over(&test->rig);
    paxos_rig_persisted(&test->rig);
}

static void promise_by_one(struct under_test *test)
{
    struct paxos_message message = paxos_rig_promise_from(&test->rig, 1);
    receive(test, &message);
}

static void propose(struct under_test *test)
{
    assert_true(paxos_rig_propose(&test->rig) != 0);
}

static void lead_and_propose(struct under_test *test)
{
    lead(test);
    propose(test);
    paxos_rig_persisted(&test->rig);
}

static void vote_of_one(struct under_test *test)
{
    struct paxos_message message = paxos_rig_accepted_from(&test->rig, 1, 1);
    receive(test, &message);
}

static void ask_to_read(struct under_test *test)
{
    struct paxos_event event = {.type = PAXOS_EVENT_READ};
    paxos_rig_step(&test->rig, &event);
}

static void nack(struct under_test *test)
{
    struct paxos_message message = paxos_rig_message(PAXOS_NACK, 1, &test->rig);
    message.ballot = test->rig.view.promised;
    message.nack.promised = paxos_rig_ballot(90, 2);
    receive(test, &message);
}

static void take_over(struct under_test *test)
{
    paxos_rig_take_over(&test->rig);
}

/*
 * ---- falsehoods
 */

static void promise_at_once(struct told *step)
{
    step->effects.messages_now[0] = step->effects.messages_after_sync[0];
    step->effects.now_count = 1;
    step->effects.after_sync_count = 0;
}

static void promise_more(struct told *step)
{
    step->effects.messages_after_sync[0].promise.length = 7;
}

static void nack_instead(struct told *step)
{
    step->effects.messages_after_sync[0].type = PAXOS_NACK;
}

static void promise_unrecorded(struct told *step)
{
    step->effects.persist = (struct paxos_persist){0};
}

static void skip_a_token(struct told *step)
{
    step->effects.persist.token++;
}

static void promise_instead(struct told *step)
{
    step->effects.messages_now[0].type = PAXOS_PROMISE;
}

static void lower_the_promise(struct told *step)
{
    step->view.promised.round--;
}

static void another_sync_length(struct told *step)
{
    step->message.accept_sync.sync_length++;
}

static void another_sequence(struct told *step)
{
    step->message.accept.sequence += 2;
}

static void another_chain(struct told *step)
{
    step->message.accept.previous_chain.low ^= 1;
}

static void larger_ballot(struct told *step)
{
    step->message.ballot.round++;
}

static void another_life(struct told *step)
{
    step->message.boot = 4; // 5 was seen
}

static void another_incarnation(struct told *step)
{
    step->message.from_incarnation.low ^= 1;
}

static void less_decided_there(struct told *step)
{
    step->message.accept.decided = 1;
}

static void decided_falls(struct told *step)
{
    step->view.decided = 1;
    step->effects.decided = 1;
}

static void acknowledge_more(struct told *step)
{
    for (uint32_t i = 0; i < step->effects.now_count; i++) {
        if (step->effects.messages_now[i].type == PAXOS_ACCEPTED) {
            step->effects.messages_now[i].accepted.durable++;
        }
    }
}

static void acknowledge_a_later_round(struct told *step)
{
    for (uint32_t i = 0; i < step->effects.now_count; i++) {
        if (step->effects.messages_now[i].type == PAXOS_ACCEPTED) {
            step->effects.messages_now[i].accepted.read_round = 5;
        }
    }
}

static void not_durable_after_all(struct told *step)
{
    step->event.token--;
}

static void fetched_and_accepted(struct told *step)
{
    step->effects.persist.accepted = step->view.promised;
    step->view.accepted = step->view.promised;
}

static void fetched_others(struct told *step)
{
    step->message.log.from_chain.low ^= 1;
}

static void never_promised(struct told *step)
{
    step->message.ballot.round--;
}

static void a_longer_promise(struct told *step)
{
    step->message.promise.accepted = paxos_rig_ballot(1, 2);
    step->message.promise.length = 1;
}

static void decided_alone(struct told *step)
{
    step->view.decided = 1;
    step->effects.decided = 1;
}

static void decided_nothing(struct told *step)
{
    step->view.decided = 0;
    step->effects.decided = 0;
}

static void read_at_once(struct told *step)
{
    step->effects.read_ready_id = step->effects.read_id;
    step->effects.read_ready_slot = step->view.decided;
}

static void leads_on(struct told *step)
{
    step->view.role = PAXOS_LEADER;
}

static void gate_opens(struct told *step)
{
    step->view.role = PAXOS_FOLLOWER;
}

static void is_happy(struct told *step)
{
    step->view.happy = true;
}

static void another_time(struct told *step)
{
    step->proposed.time_ms += 1000;
}

static void out_of_the_window(struct told *step)
{
    step->effects.refusal = PAXOS_REFUSED_WINDOW_FULL;
    step->effects.proposed_slot = 0;
}

static void accept_to_a_stranger(struct told *step)
{
    for (uint32_t i = 0; i < step->effects.now_count; i++) {
        if (step->effects.messages_now[i].type == PAXOS_ACCEPT) {
            step->effects.messages_now[i].to = 2;
            step->effects.messages_now[i].to_incarnation = paxos_rig_incarnation(2);
        }
    }
}

static void another_config(struct told *step)
{
    step->config.cluster_id.low++;
}

static void said_by_another(struct told *step)
{
    step->effects.messages_now[0].boot++;
}

static void draw_a_larger_ballot(struct told *step)
{
    step->view.promised.round += 5;
    step->view.leader.round += 5;
    step->effects.persist.promised.round += 5;
}

/*
 * ---- cases
 */

struct falsehood {
    const char *name;
    enum monitor_rule rule;
    void (*stage)(struct under_test *test);
    void (*act)(struct under_test *test);
    void (*falsify)(struct told *step);
    uint32_t trace; // as in struct under_test
};

static const struct falsehood FALSEHOODS[] = {
    {"Promise before its record", RULE_2_5, open_gate, prepare_first, promise_at_once, 0},
    {"Promise of another log", RULE_P1, open_gate, prepare_first, promise_more, 0},
    {"Nack of a larger ballot", RULE_P1, open_gate, prepare_first, nack_instead, 0},
    {"promise not recorded", RULE_2_2, open_gate, prepare_first, promise_unrecorded, 0},
    {"record left out", RULE_2_2, open_gate, prepare_first, skip_a_token, 0},
    {"Prepare of another life", RULE_G1, follow, prepare_larger, another_life, 0},
    {"Prepare of a stranger", RULE_G1, open_gate, prepare_first, another_incarnation, 0},
    {"Promise of a smaller ballot", RULE_P1, promise, prepare_smaller, promise_instead,
     0},
    {"promise that falls", RULE_I4, promise, prepare_smaller, lower_the_promise, 0},
    {"flip before S_b", RULE_A2, promise, sync_three, another_sync_length, 0},
    {"Accept of a larger ballot", RULE_A9, follow, accept_one, larger_ballot, 0},
    {"Accept after a gap", RULE_A3, follow, accept_one, another_sequence, 0},
    {"Accept after another log", RULE_A3, follow, accept_one, another_chain, 0},
    {"decided past the leader's", RULE_A6, follow, accept_with_decided,
     less_decided_there, 0},
    {"decided that falls", RULE_I7, accept_and_decide, become_durable, decided_falls, 0},
    {"Accepted past the disk", RULE_2_5, accept_under_way, become_durable,
     acknowledge_more, 0},
    {"Accepted of a round unheard", RULE_2_9, accept_under_way, become_durable,
     acknowledge_a_later_round, 0},
    {"durable before its record", RULE_2_2, accept_under_way, become_durable,
     not_durable_after_all, 0},
    {"Fetch that sets accepted", RULE_A8, promise, fetch_decided, fetched_and_accepted,
     0},
    {"Fetch of another log", RULE_A8, promise, fetch_decided, fetched_others, 0},
    {"leader without a quorum", RULE_P2, prepare_to_lead, promise_by_one, never_promised,
     0},
    {"leader without the best log", RULE_P2, prepare_to_lead, promise_by_one,
     a_longer_promise, 0},
    {"decided by one vote", RULE_A5, lead, propose, decided_alone, 0},
    {"quorum's vote ignored", RULE_A5, lead_and_propose, vote_of_one, decided_nothing, 0},
    {"read without a round", RULE_2_9, lead, ask_to_read, read_at_once, 0},
    {"leader after a Nack", RULE_A10, lead, nack, leads_on, 0},
    {"Accept to who has not promised", RULE_A1, lead, propose, accept_to_a_stranger, 0},
    {"log time out of step", RULE_2_1, lead, propose, another_time, 0},
    {"refusal with an open window", RULE_A7, lead, propose, out_of_the_window, 0},
    {"gate open by itself", RULE_G2, start_and_wait, tick, gate_opens, 0},
    {"ballot out of turn", RULE_E4, open_gate, take_over, draw_a_larger_ballot,
     PAXOS_TRACE_TAKE_OVER},
    {"happy without a leader", RULE_E3, open_gate, tick, is_happy, 0},
    {"Config that changes", RULE_C8, open_gate, tick, another_config, 0},
    {"another boot's message", RULE_2_4, open_gate, tick, said_by_another, 0},
};

enum { FALSEHOOD_COUNT = sizeof FALSEHOODS / sizeof FALSEHOODS[0] };

static void make(struct under_test *test)
{
    *test = (struct under_test){.monitor = monitor_new()};
    paxos_rig_init(&test->rig, 0, 3);
    test->rig.watch = watch;
    test->rig.watch_context = test;
}

static void end(struct under_test *test)
{
    paxos_rig_fini(&test->rig);
    monitor_destroy(&test->monitor);
}

static const struct monitor_finding *
judge(struct under_test *test, const struct falsehood *falsehood, bool is_told_falsely)
{
    make(test);
    falsehood->stage(test);
    assert_false(monitor_finding_of(test->monitor)->is_found);
    test->falsify = is_told_falsely ? falsehood->falsify : NULL;
    test->trace = falsehood->trace;
    falsehood->act(test);
    assert_null(test->falsify); // it had its turn
    return monitor_finding_of(test->monitor);
}

static void true_steps_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < FALSEHOOD_COUNT; i++) {
        struct under_test test;
        const struct monitor_finding *finding = judge(&test, &FALSEHOODS[i], false);
        if (finding->is_found) {
            fail_msg("%s: rule %s: %s", FALSEHOODS[i].name,
                     monitor_rule_name(finding->rule), finding->sentence);
        }
        end(&test);
    }
}

static void false_steps_are_named_by_their_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < FALSEHOOD_COUNT; i++) {
        struct under_test test;
        const struct monitor_finding *finding = judge(&test, &FALSEHOODS[i], true);
        if (!finding->is_found || finding->rule != FALSEHOODS[i].rule) {
            fail_msg("%s: expected rule %s, found %s: %s", FALSEHOODS[i].name,
                     monitor_rule_name(FALSEHOODS[i].rule),
                     finding->is_found ? monitor_rule_name(finding->rule) : "nothing",
                     finding->sentence);
        }
        end(&test);
    }
}

static void first_finding_stays(void **state)
{
    (void)state;
    struct under_test test;
    const struct monitor_finding *finding = judge(&test, &FALSEHOODS[0], true);
    uint64_t step = finding->step;
    paxos_rig_persisted(&test.rig);
    assert_true(finding->is_found);
    assert_int_equal(finding->step, step);
    assert_int_equal(finding->seat, 0);
    assert_int_equal(finding->boot, 3);
    end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_steps_are_accepted),
        cmocka_unit_test(false_steps_are_named_by_their_rule),
        cmocka_unit_test(first_finding_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
