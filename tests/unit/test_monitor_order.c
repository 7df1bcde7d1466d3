/*
 * The monitor where the order of things is what counts: a tick that comes after the event
 * of its step, and messages that overtake each other. Each case is judged twice, as it
 * was and told falsely.
 */
#include "monitor/monitor.h"

#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct told { // what the monitor is told of a step
    struct paxos_event event;
    struct paxos_message message;
    struct paxos_effects effects;
    struct paxos_view view;
};

struct under_test {
    struct paxos_rig rig;
    struct monitor *monitor;
    void (*falsify)(struct told *told); // of the next step, then NULL
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
    if (event->message != NULL) {
        told.message = *event->message;
        told.event.message = &told.message;
    }
    if (test->falsify != NULL) {
        test->falsify(&told);
        test->falsify = NULL;
    }
    (void)monitor_watch(test->monitor, rig->core, &told.event, &told.effects, &told.view);
}

static void make(struct under_test *test, uint32_t member_count)
{
    *test = (struct under_test){.monitor = monitor_new()};
    paxos_rig_init(&test->rig, 0, member_count);
    test->rig.watch = watch;
    test->rig.watch_context = test;
}

static void end(struct under_test *test)
{
    paxos_rig_fini(&test->rig);
    monitor_destroy(&test->monitor);
}

static void expect_nothing(const struct under_test *test)
{
    const struct monitor_finding *finding = monitor_finding_of(test->monitor);
    if (finding->is_found) {
        fail_msg("rule %s: %s", monitor_rule_name(finding->rule), finding->sentence);
    }
}

static void expect_rule(const struct under_test *test, enum monitor_rule rule)
{
    const struct monitor_finding *finding = monitor_finding_of(test->monitor);
    assert_true(finding->is_found);
    assert_string_equal(monitor_rule_name(finding->rule), monitor_rule_name(rule));
}

/*
 * ---- a round that ends after the event of its step
 */

static void draw_a_larger_ballot(struct told *step)
{
    step->view.promised.round++;
    step->view.leader.round++;
    step->effects.persist.promised.round++;
}

/* A node alone: each round ends in the step of a read. */
static void take_over_alone(struct under_test *test, void (*falsify)(struct told *step))
{
    make(test, 1);
    paxos_rig_start(&test->rig);
    struct paxos_event read = {.type = PAXOS_EVENT_READ};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(test->rig.view.role, PAXOS_FOLLOWER);
        test->rig.now_ms = test->rig.view.next_tick_ms;
        test->falsify = round == 1 ? falsify : NULL;
        paxos_rig_step(&test->rig, &read);
    }
    assert_int_equal(test->rig.view.role, PAXOS_PREPARING);
}

static void a_node_alone_takes_over_in_the_step_of_any_event(void **state)
{
    (void)state;
    struct under_test test;
    take_over_alone(&test, NULL);
    expect_nothing(&test);
    end(&test);
    take_over_alone(&test, draw_a_larger_ballot);
    expect_rule(&test, RULE_E4);
    end(&test);
}

/* Both peers have promised more and are not happy with it. */
static void answer_round(struct under_test *test, uint64_t round)
{
    for (uint32_t seat = 1; seat < 3; seat++) {
        struct paxos_message reply =
            paxos_rig_message(PAXOS_HEARTBEAT_REPLY, seat, &test->rig);
        reply.heartbeat_reply.round = round;
        reply.heartbeat_reply.my_ballot = paxos_rig_ballot(0, seat);
        reply.heartbeat_reply.promised = paxos_rig_ballot(90, 2);
        paxos_rig_receive(&test->rig, &reply);
    }
}

static uint64_t round_of(const struct under_test *test)
{
    const struct paxos_message *asked =
        paxos_rig_sent_now(&test->rig, PAXOS_HEARTBEAT, 1);
    return asked != NULL ? asked->heartbeat.round : 0;
}

/* A leader, one round's end before it takes over anew; slot 1 lacks seat 1's vote. */
static void lead_unhappily(struct under_test *test)
{
    make(test, 3);
    struct paxos_rig *rig = &test->rig;
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
    paxos_rig_lead(rig);
    struct paxos_event propose = {.type = PAXOS_EVENT_PROPOSE,
                                  .entry = paxos_rig_entry(0, 1),
                                  .waiting_seats = 2};
    paxos_rig_step(rig, &propose);
    assert_int_equal(rig->effects.proposed_slot, 1);
    paxos_rig_persisted(rig);
    struct paxos_event tick = {.type = PAXOS_EVENT_TICK};
    do {
        rig->now_ms = rig->view.next_tick_ms;
        paxos_rig_step(rig, &tick);
    } while (round_of(test) == 0);
    answer_round(test, round_of(test)); // nobody has answered the round before
    assert_int_equal(rig->view.role, PAXOS_LEADER);
    expect_nothing(test);
}

/* The message comes when the round ends, and both are judged as one step. */
static void receive_at_the_end(struct under_test *test,
                               struct paxos_message *message,
                               void (*falsify)(struct told *step))
{
    struct paxos_rig *rig = &test->rig;
    struct paxos_ballot before = rig->view.promised;
    message->ballot = before;
    rig->now_ms += 2 * rig->settings.heartbeat_ms;
    test->falsify = falsify;
    paxos_rig_receive(rig, message);
    assert_int_equal(rig->view.role, PAXOS_PREPARING);
    assert_int_equal(rig->view.promised.round, 91);
}

static struct paxos_message *find(struct told *step, uint32_t type)
{
    uint32_t at = 0;
    while (at < step->effects.now_count && step->effects.messages_now[at].type != type) {
        at++;
    }
    assert_true(at < step->effects.now_count);
    return &step->effects.messages_now[at];
}

static void say_it_last(struct told *step, uint32_t type)
{
    struct paxos_message *message = find(step, type);
    struct paxos_message *last = &step->effects.messages_now[step->effects.now_count - 1];
    assert_int_equal(last->type, PAXOS_HEARTBEAT);
    struct paxos_message swapped = *last;
    *last = *message;
    *message = swapped;
}

static void accept_afterwards(struct told *step)
{
    say_it_last(step, PAXOS_ACCEPT);
}

static void accept_of_the_new_ballot(struct told *step)
{
    find(step, PAXOS_ACCEPT)->ballot = step->view.promised;
}

static void accept_to_a_stranger(struct told *step)
{
    find(step, PAXOS_ACCEPT)->to = 2;
    find(step, PAXOS_ACCEPT)->to_incarnation = paxos_rig_incarnation(2);
}

static void a_leader_may_send_accepts_and_then_take_over(void **state)
{
    (void)state;
    void (*const falsehoods[])(struct told * step) = {
        NULL, accept_afterwards, accept_of_the_new_ballot, accept_to_a_stranger};
    for (size_t i = 0; i < sizeof falsehoods / sizeof falsehoods[0]; i++) {
        struct under_test test;
        lead_unhappily(&test);
        struct paxos_message vote = paxos_rig_accepted_from(&test.rig, 1, 1);
        receive_at_the_end(&test, &vote, falsehoods[i]);
        assert_int_equal(test.rig.view.decided, 1);
        if (falsehoods[i] == NULL) {
            expect_nothing(&test);
        } else {
            expect_rule(&test, RULE_A1);
        }
        end(&test);
    }
}

static void prepare_afterwards(struct told *step)
{
    say_it_last(step, PAXOS_PREPARE);
}

static void a_leader_may_repeat_prepare_and_then_take_over(void **state)
{
    (void)state;
    for (int is_false = 0; is_false < 2; is_false++) {
        struct under_test test;
        lead_unhappily(&test);
        struct paxos_message message =
            paxos_rig_message(PAXOS_PREPARE_REQUEST, 1, &test.rig);
        receive_at_the_end(&test, &message, is_false ? prepare_afterwards : NULL);
        if (is_false) {
            expect_rule(&test, RULE_2_4);
        } else {
            expect_nothing(&test);
        }
        end(&test);
    }
}

/*
 * ---- messages that overtake each other
 */

static void promise_by_one(struct under_test *test, cs_slot decided)
{
    struct paxos_message message = paxos_rig_promise_from(&test->rig, 1);
    message.promise.accepted = paxos_rig_ballot(1, 2);
    message.promise.length = decided;
    message.promise.length_chain = paxos_rig_chain(decided, 1);
    message.promise.decided = decided;
    message.promise.decided_chain = paxos_rig_chain(decided, 1);
    paxos_rig_receive(&test->rig, &message);
}

static void promise_three(struct told *step)
{
    step->message.promise.length = 3;
    step->message.promise.length_chain = paxos_rig_chain(3, 1);
    step->message.promise.decided = 3;
    step->message.promise.decided_chain = paxos_rig_chain(3, 1);
}

static void promise_nothing(struct told *step)
{
    step->message.promise.length = 0;
    step->message.promise.length_chain = (struct paxos_digest){0};
    step->message.promise.decided = 0;
    step->message.promise.decided_chain = (struct paxos_digest){0};
}

/* Leads four slots after two promises of seat 1, the first one told falsely perhaps. */
static void lead_after_promises(struct under_test *test,
                                uint64_t ring_bytes,
                                const cs_slot decided[2],
                                void (*falsify)(struct told *step))
{
    make(test, 3);
    struct paxos_rig *rig = &test->rig;
    rig->settings.ring_bytes = ring_bytes;
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
    paxos_rig_follow(rig, paxos_rig_ballot(3, 1), 3);
    struct paxos_message accept = paxos_rig_accept(rig, paxos_rig_ballot(3, 1), 1, 1);
    accept.accept.decided = 4;
    paxos_rig_receive(rig, &accept);
    paxos_rig_persisted(rig);
    paxos_rig_take_over(rig);
    test->falsify = falsify;
    promise_by_one(test, decided[0]);
    promise_by_one(test, decided[1]);
    expect_nothing(test);
    paxos_rig_persisted(rig);
    assert_int_equal(rig->view.role, PAXOS_LEADER);
}

static void a_stream_may_rest_on_the_promise_that_came_first(void **state)
{
    (void)state;
    static const cs_slot decided[] = {2, 1}; // the second was sent before the first
    struct under_test test;
    lead_after_promises(&test, 1000 * 1000, decided, NULL);
    const struct paxos_message *sync =
        paxos_rig_sent_now(&test.rig, PAXOS_ACCEPT_SYNC, 1);
    assert_non_null(sync);
    assert_int_equal(sync->accept_sync.from, 2);
    expect_nothing(&test);
    end(&test);
    lead_after_promises(&test, 1000 * 1000, decided, promise_nothing);
    expect_rule(&test, RULE_A1);
    end(&test);
}

static void a_stream_need_not_connect_to_a_promise_below_memory(void **state)
{
    (void)state;
    static const cs_slot decided[] = {1, 3}; // it fetched between them
    struct under_test test;
    lead_after_promises(&test, 1, decided, NULL);
    assert_int_equal(test.rig.view.base, 3);
    const struct paxos_message *sync =
        paxos_rig_sent_now(&test.rig, PAXOS_ACCEPT_SYNC, 1);
    assert_non_null(sync);
    assert_int_equal(sync->accept_sync.from, 4);
    expect_nothing(&test);
    end(&test);
    lead_after_promises(&test, 1, decided, promise_three);
    expect_rule(&test, RULE_A1);
    end(&test);
}

static void another_stream(struct told *step)
{
    step->message.accept.stream++;
}

/* AcceptSync of stream 20, those of 2 to 15 late, then an Accept of 20. */
static void accept_after_late_syncs(struct under_test *test,
                                    void (*falsify)(struct told *step))
{
    make(test, 3);
    struct paxos_rig *rig = &test->rig;
    struct paxos_ballot ballot = paxos_rig_ballot(3, 1);
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
    paxos_rig_promise(rig, ballot);
    struct paxos_message sync = paxos_rig_sync(rig, ballot, 2);
    sync.accept_sync.stream = 20;
    paxos_rig_receive(rig, &sync);
    paxos_rig_persisted(rig);
    for (uint64_t stream = 2; stream <= 15; stream++) {
        sync.accept_sync.stream = stream;
        paxos_rig_receive(rig, &sync);
    }
    struct paxos_message accept = paxos_rig_accept(rig, ballot, 1, 1);
    accept.accept.stream = 20;
    test->falsify = falsify;
    paxos_rig_receive(rig, &accept);
    assert_int_equal(rig->view.length, 3);
}

static void late_syncs_do_not_end_a_stream(void **state)
{
    (void)state;
    struct under_test test;
    accept_after_late_syncs(&test, NULL);
    expect_nothing(&test);
    end(&test);
    accept_after_late_syncs(&test, another_stream);
    expect_rule(&test, RULE_A3);
    end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_alone_takes_over_in_the_step_of_any_event),
        cmocka_unit_test(a_leader_may_send_accepts_and_then_take_over),
        cmocka_unit_test(a_leader_may_repeat_prepare_and_then_take_over),
        cmocka_unit_test(a_stream_may_rest_on_the_promise_that_came_first),
        cmocka_unit_test(a_stream_need_not_connect_to_a_promise_below_memory),
        cmocka_unit_test(late_syncs_do_not_end_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
