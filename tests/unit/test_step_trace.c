/*
 * The trace of steps (CONSENS_TRACE): what a core did comes back from the file as it was,
 * and the monitor judges it there as it does beside the core.
 */
#include "engine/step_trace.h"
#include "monitor/replay.h"

#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NO_LIMIT ((uint64_t)1 << 30)

struct traced {
    struct paxos_rig rig;
    struct step_trace *trace;
    uint64_t steps;
};

static char path[] = "/tmp/consens-test-steps-XXXXXX";

static void watch(void *context, const struct paxos_event *event)
{
    struct traced *traced = context;
    struct paxos_rig *rig = &traced->rig;
    if (event == NULL) {
        step_trace_begin(traced->trace, &rig->settings, &rig->recovered, rig->core);
        return;
    }
    step_trace_add(traced->trace, rig->core, event, &rig->effects, &rig->view);
    traced->steps++;
}

/* A life that leads, proposes, decides and reads; its steps go to the file. */
static uint64_t live(uint64_t limit_bytes)
{
    struct traced traced = {.trace = step_trace_open(path, limit_bytes)};
    struct paxos_rig *rig = &traced.rig;
    assert_non_null(traced.trace);
    paxos_rig_init(rig, 0, 3);
    rig->watch = watch;
    rig->watch_context = &traced;
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
    paxos_rig_lead(rig);
    assert_true(paxos_rig_propose(rig) != 0);
    paxos_rig_persisted(rig);
    struct paxos_message message = paxos_rig_accepted_from(rig, 1, 1);
    paxos_rig_receive(rig, &message);
    assert_int_equal(rig->view.decided, 1);
    struct paxos_event event = {.type = PAXOS_EVENT_READ};
    paxos_rig_step(rig, &event);
    paxos_rig_fini(rig);
    step_trace_close(&traced.trace);
    assert_null(traced.trace);
    return traced.steps;
}

/* A follower that is sent entries and fetches some. */
static uint64_t live_as_follower(void)
{
    struct traced traced = {.trace = step_trace_open(path, NO_LIMIT)};
    struct paxos_rig *rig = &traced.rig;
    assert_non_null(traced.trace);
    paxos_rig_init(rig, 0, 3);
    rig->watch = watch;
    rig->watch_context = &traced;
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
    paxos_rig_follow(rig, paxos_rig_ballot(3, 1), 3);
    struct paxos_message message = paxos_rig_accept(rig, paxos_rig_ballot(3, 1), 1, 2);
    message.accept.decided = 4;
    paxos_rig_receive(rig, &message);
    paxos_rig_persisted(rig);
    assert_int_equal(rig->view.decided, 4);
    paxos_rig_fini(rig);
    step_trace_close(&traced.trace);
    return traced.steps;
}

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    int code = unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    return code;
}

static uint64_t file_bytes(void)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}

/* Overwrites a byte; negative: from the end. */
static void damage(long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    assert_true(fputc(byte ^ 0xff, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

static void steps_come_back_as_they_were(void **state)
{
    (void)state;
    uint64_t steps = live(NO_LIMIT);
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_int_equal(result.torn_records, 0);
    assert_int_equal(result.ends, 0);
    assert_false(monitor_finding_of(monitor)->is_found);
    const struct monitor_tally *tally = monitor_tally_of(monitor);
    assert_int_equal(tally->steps, steps);
    assert_int_equal(tally->events[PAXOS_EVENT_PROPOSE], 1);
    assert_int_equal(tally->events[PAXOS_EVENT_READ], 1);
    assert_int_equal(tally->messages[PAXOS_ACCEPTED], 1);
    assert_true(tally->rules[RULE_A5] > 0);
    assert_true(tally->rules[RULE_2_1] > 0);
    monitor_destroy(&monitor);
}

static void entries_of_messages_come_back(void **state)
{
    (void)state;
    uint64_t steps = live_as_follower();
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_false(monitor_finding_of(monitor)->is_found);
    const struct monitor_tally *tally = monitor_tally_of(monitor);
    assert_int_equal(tally->steps, steps);
    assert_true(tally->rules[RULE_A2] > 0);
    assert_true(tally->rules[RULE_A3] > 0);
    monitor_destroy(&monitor);
}

static void another_life_is_appended(void **state)
{
    (void)state;
    uint64_t steps = live(NO_LIMIT);
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    (void)live(NO_LIMIT); // the same node again, from an empty disk: it has lost its log
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_true(monitor_finding_of(monitor)->is_found);
    assert_int_equal(monitor_finding_of(monitor)->rule, RULE_I11);
    assert_int_equal(monitor_tally_of(monitor)->lives, 2);
    assert_int_equal(monitor_tally_of(monitor)->steps, steps);
    monitor_destroy(&monitor);
}

static void limit_ends_a_life(void **state)
{
    (void)state;
    uint64_t limit_bytes = 8192;
    uint64_t steps = live(limit_bytes);
    assert_true(file_bytes() <= limit_bytes);
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_int_equal(result.ends, 1);
    assert_false(monitor_finding_of(monitor)->is_found);
    assert_true(monitor_tally_of(monitor)->steps > 0);
    assert_true(monitor_tally_of(monitor)->steps < steps);
    monitor_destroy(&monitor);
}

static void torn_record_is_counted(void **state)
{
    (void)state;
    uint64_t steps = live(NO_LIMIT);
    assert_int_equal(truncate(path, (off_t)file_bytes() - 3), 0);
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_int_equal(result.torn_records, 1);
    assert_false(monitor_finding_of(monitor)->is_found);
    assert_int_equal(monitor_tally_of(monitor)->steps, steps - 1);
    monitor_destroy(&monitor);
}

static void another_build_is_refused(void **state)
{
    (void)state;
    (void)live(NO_LIMIT);
    damage((long)sizeof(struct step_trace_head) +
           (long)offsetof(struct step_trace_life, view_bytes));
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_false(result.is_readable);
    assert_string_equal(result.sentence, "it was written by another build");
    assert_int_equal(monitor_tally_of(monitor)->steps, 0);
    monitor_destroy(&monitor);
}

static void damaged_step_is_refused(void **state)
{
    (void)state;
    struct step_trace_head head = {0};
    (void)live(NO_LIMIT);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&head, sizeof head, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    // The first step's count of messages, low byte.
    damage(
        (long)(2 * sizeof head + head.bytes + offsetof(struct step_trace_counts, now)));
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_false(result.is_readable);
    assert_string_equal(result.sentence, "a step in it cannot be read");
    monitor_destroy(&monitor);
}

static void falsified_view_is_found(void **state)
{
    (void)state;
    (void)live(NO_LIMIT);
    long config = (long)sizeof(struct paxos_config);
    long view = (long)sizeof(struct paxos_view);
    damage(-config - view + (long)offsetof(struct paxos_view, length));
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file(path, monitor, &result);
    assert_true(result.is_readable);
    assert_true(monitor_finding_of(monitor)->is_found);
    assert_int_equal(monitor_finding_of(monitor)->rule, RULE_2_2);
    monitor_destroy(&monitor);
}

static void file_that_cannot_be_made_is_refused(void **state)
{
    (void)state;
    assert_null(step_trace_open("/nowhere/at/all", NO_LIMIT));
    struct monitor *monitor = monitor_new();
    struct replay_result result;
    replay_file("/nowhere/at/all", monitor, &result);
    assert_false(result.is_readable);
    assert_string_equal(result.sentence, "No such file or directory");
    monitor_destroy(&monitor);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(steps_come_back_as_they_were),
        WITH_FILE(entries_of_messages_come_back),
        WITH_FILE(another_life_is_appended),
        WITH_FILE(limit_ends_a_life),
        WITH_FILE(torn_record_is_counted),
        WITH_FILE(another_build_is_refused),
        WITH_FILE(damaged_step_is_refused),
        WITH_FILE(falsified_view_is_found),
        cmocka_unit_test(file_that_cannot_be_made_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
