/*
 * The monitor from life to life of a node, what it counts, and its words.
 */
#include "monitor/monitor.h"

#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct under_test {
    struct paxos_rig rig;
    struct monitor *monitor;
};

static void begin(struct under_test *test)
{
    monitor_begin(test->monitor, &test->rig.settings, &test->rig.recovered,
                  &test->rig.view);
}

static void watch(void *context, const struct paxos_event *event)
{
    struct under_test *test = context;
    const struct paxos_rig *rig = &test->rig;
    if (event == NULL) {
        begin(test);
        return;
    }
    assert_true(
        monitor_watch(test->monitor, rig->core, event, &rig->effects, &rig->view));
}

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

static void follow(struct under_test *test)
{
    paxos_rig_start(&test->rig);
    paxos_rig_open_gate(&test->rig);
    paxos_rig_follow(&test->rig, paxos_rig_ballot(3, 1), 2);
}

/* A second life that remembers `length` slots and `promised` of three and 1.3.2. */
static const struct monitor_finding *
live_again(struct under_test *test, cs_slot length, struct paxos_ballot promised)
{
    static struct paxos_entry tail[3];
    make(test);
    follow(test);
    struct paxos_message message =
        paxos_rig_accept(&test->rig, paxos_rig_ballot(3, 1), 1, 1);
    paxos_rig_receive(&test->rig, &message);
    paxos_rig_persisted(&test->rig);
    struct paxos_recovered *recovered = &test->rig.recovered;
    recovered->promised = promised;
    recovered->accepted = paxos_rig_ballot(3, 1);
    recovered->length = length;
    recovered->block = test->rig.block;
    recovered->token = test->rig.view.last_token;
    recovered->tail = tail;
    recovered->tail_count = (uint32_t)length;
    for (cs_slot slot = 1; slot <= 3; slot++) {
        tail[slot - 1] = paxos_rig_entry(slot, slot);
        tail[slot - 1].chain = paxos_rig_chain(slot, 1);
    }
    test->rig.view.promised = promised;
    test->rig.view.accepted = recovered->accepted;
    test->rig.view.role = PAXOS_GATED;
    test->rig.view.held = length;
    begin(test);
    return monitor_finding_of(test->monitor);
}

static void next_life_must_remember_what_was_durable(void **state)
{
    (void)state;
    struct under_test test;
    const struct monitor_finding *finding = live_again(&test, 3, paxos_rig_ballot(3, 1));
    assert_false(finding->is_found);
    assert_int_equal(monitor_tally_of(test.monitor)->lives, 2);
    end(&test);
    finding = live_again(&test, 2, paxos_rig_ballot(3, 1));
    assert_true(finding->is_found);
    assert_int_equal(finding->rule, RULE_I11);
    end(&test);
    finding = live_again(&test, 3, paxos_rig_ballot(4, 1));
    assert_true(finding->is_found);
    assert_int_equal(finding->rule, RULE_I4);
    end(&test);
}

static void another_disk_is_taken_as_it_is(void **state)
{
    (void)state;
    struct under_test test;
    make(&test);
    follow(&test);
    monitor_forget(test.monitor);
    test.rig.view = (struct paxos_view){.role = PAXOS_GATED};
    begin(&test);
    assert_false(monitor_finding_of(test.monitor)->is_found);
    end(&test);
}

static void tally_counts_what_was_judged(void **state)
{
    (void)state;
    struct under_test test;
    make(&test);
    follow(&test);
    const struct monitor_tally *tally = monitor_tally_of(test.monitor);
    assert_int_equal(tally->lives, 1);
    assert_int_equal(tally->messages[PAXOS_PREPARE], 1);
    assert_int_equal(tally->messages[PAXOS_ACCEPT_SYNC], 1);
    assert_int_equal(tally->sent[PAXOS_PROMISE], 1);
    assert_true(tally->rules[RULE_P1] > 0);
    assert_true(tally->rules[RULE_A2] > 0);
    assert_int_equal(tally->rules[RULE_P2], 0);
    end(&test);
}

static void names_are_those_of_the_rules(void **state)
{
    (void)state;
    assert_string_equal(monitor_rule_name(RULE_2_5), "2.5");
    assert_string_equal(monitor_rule_name(RULE_A10), "A10");
    assert_string_equal(monitor_rule_name(RULE_COUNT), "?");
    assert_string_equal(monitor_event_name(PAXOS_EVENT_TICK), "TICK");
    assert_string_equal(monitor_event_name(PAXOS_EVENT_RESIGN), "RESIGN");
    assert_string_equal(monitor_event_name(0), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_life_must_remember_what_was_durable),
        cmocka_unit_test(another_disk_is_taken_as_it_is),
        cmocka_unit_test(tally_counts_what_was_judged),
        cmocka_unit_test(names_are_those_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
