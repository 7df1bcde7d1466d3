/*
 * From a log to a replica (engine/boot.h), on a simulated disk: what the disk does between
 * the log's opening and its replay.
 */
#include "engine/boot.h"

#include "support/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 3, BLOCKS = 8, PAGE = FILES_ALIGN_BYTES };

struct start {
    struct settings settings;
    struct engine engine;
    char text[512];
    struct boot_error error;
};

static struct start *start_on(const struct log_fixture *fixture)
{
    struct start *start = calloc(1, sizeof *start);
    assert_non_null(start);
    start->settings.node_count = NODES;
    start->settings.heartbeat_ms = 50;
    (void)snprintf(start->settings.data_directory, sizeof start->settings.data_directory,
                   "data/n1");
    start->engine.settings = &start->settings;
    start->engine.files = fixture->files;
    start->engine.wal = fixture->wal;
    start->engine.recovery = fixture->recovery;
    start->error.text = start->text;
    start->error.text_bytes = sizeof start->text;
    return start;
}

static bool replay(struct start *start)
{
    const struct replica_ports none = {0}; // nothing happens before the first tick
    return boot_replay(&start->engine, &none, "0.0-test", &start->error);
}

static void end(struct start **start)
{
    replica_destroy(&(*start)->engine.replica);
    free(*start);
    *start = NULL;
}

static void write_log(struct log_fixture *fixture)
{
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    log_fixture_restart(fixture);
}

static void spoil(struct log_fixture *fixture, uint64_t page)
{
    static const uint8_t WRONG[64] = {7};
    assert_true(sim_disk_overwrite(fixture->disk, "log-0000000001", page * PAGE + 8,
                                   WRONG, sizeof WRONG));
}

static void a_sound_log_is_replayed(void **state)
{
    struct log_fixture *fixture = *state;
    write_log(fixture);
    struct start *start = start_on(fixture);
    assert_true(replay(start));
    end(&start);
}

/* The core was told that these slots are whole: it may not go on with them. */
static void what_rots_before_its_replay_ends_the_start(void **state)
{
    (void)state;
    for (uint64_t page = 3; page <= BLOCKS; page++) {
        struct log_fixture *fixture = log_fixture_new();
        write_log(fixture);
        spoil(fixture, page);
        struct start *start = start_on(fixture);
        assert_false(replay(start));
        assert_int_equal(start->error.exit_code, ENGINE_EXIT_DAMAGED);
        assert_non_null(strstr(start->text, "Start this node again"));
        end(&start);
        log_fixture_restart(fixture); // as it was told to: that start knows what is lost
        assert_true(fixture->recovery.fault_count > 0);
        start = start_on(fixture);
        assert_true(replay(start));
        end(&start);
        log_fixture_destroy(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sound_log_is_replayed, log_fixture_set_up,
                                        log_fixture_tear_down),
        cmocka_unit_test(what_rots_before_its_replay_ends_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
