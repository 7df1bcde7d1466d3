/*
 * The log on its thread: records become durable in blocks, slices are read, and what the
 * engine is told meanwhile.
 */
#include "unit/support/wal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

/* Until a call waits for the hold on the disk to end. */
static void wait_for_held(struct wal_rig *rig)
{
    uint64_t deadline_ms = wal_rig_deadline_ms();
    while (atomic_load(&rig->disk.waiting_count) == 0) {
        wal_rig_pause(deadline_ms);
    }
}

static void records_become_durable(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_append(rig, 3, 100);
    wal_rig_receive_durable(rig);
    assert_true(rig->completion.block > 1);
    wal_rig_promise(rig);
    wal_rig_receive_durable(rig);
    wal_rig_assert_durable(rig);
}

static void what_came_during_a_sync_makes_one_block(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_hold(&rig->disk, true);
    wal_rig_append(rig, 1, 100);
    wait_for_held(rig);
    for (int i = 0; i < 50; i++) {
        wal_rig_append(rig, 1, 100);
    }
    shared_disk_hold(&rig->disk, false);
    assert_int_equal(wal_rig_receive_kind(rig, WAL_COMPLETION_DURABLE)->token, 1);
    uint64_t block = rig->completion.block;
    assert_int_equal(wal_rig_receive_kind(rig, WAL_COMPLETION_DURABLE)->token, 51);
    assert_int_equal(rig->completion.block, block + 1);
    wal_rig_assert_durable(rig);
}

static void a_burst_larger_than_a_block_is_split_between_records(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    for (int i = 0; i < 300; i++) {
        wal_rig_append(rig, 2, 1500);
    }
    wal_rig_receive_durable(rig);
    wal_rig_assert_durable(rig);
}

static void slices_come_back_with_their_cookies(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_append(rig, 10, 200);
    wal_rig_append(rig, 1, 0);
    wal_rig_receive_durable(rig);
    for (uint64_t cookie = 1; cookie <= 100; cookie++) {
        wal_rig_read(rig, 3, 11, 5, cookie);
    }
    for (uint64_t cookie = 1; cookie <= 100; cookie++) {
        const struct wal_completion *completion = wal_rig_receive_slice(rig, cookie);
        assert_int_equal(completion->status, WAL_OK);
        assert_int_equal(completion->slice.entry_count, 5);
        assert_int_equal(completion->slice.entries[0].slot, 3);
        struct paxos_digest chain = twin_chain_at(rig->log->twin, 2);
        assert_memory_equal(&completion->slice.before_chain, &chain, sizeof chain);
        chain = twin_chain_at(rig->log->twin, 7);
        assert_memory_equal(&completion->slice.entries[4].chain, &chain, sizeof chain);
        assert_int_equal(completion->slice.payloads[4].bytes,
                         rig->log->twin->slots[7].entry.payload_bytes);
        wal_slice_fini(&rig->completion.slice);
    }
    wal_rig_read(rig, 40, 50, 5, 7);
    assert_int_equal(wal_rig_receive_slice(rig, 7)->slice.entry_count, 0);
    wal_slice_fini(&rig->completion.slice);
}

static void a_slow_sync_is_told_while_it_is_in_flight(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    shared_disk_hold(&rig->disk, true);
    wal_rig_append(rig, 1, 100);
    const struct wal_completion *completion =
        wal_rig_receive_kind(rig, WAL_COMPLETION_SLOW);
    assert_true(completion->sync_us >= WAL_SLOW_US);
    uint64_t told_us = completion->sync_us;
    // Told again, so that a second in flight is noticed (E6).
    completion = wal_rig_receive_kind(rig, WAL_COMPLETION_SLOW);
    assert_true(completion->sync_us >= told_us + WAL_SLOW_US);
    shared_disk_hold(&rig->disk, false);
    wal_rig_receive_durable(rig);
    assert_true(rig->completion.sync_us >= 2 * WAL_SLOW_US);
    assert_false(wal_thread_receive(rig->thread, &rig->completion));
}

static void an_idle_log_seals_its_last_block(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    uint64_t before = shared_disk_counters_of(&rig->disk).writes;
    wal_rig_append(rig, 1, 100);
    wal_rig_receive_durable(rig);
    uint64_t block = rig->completion.block;
    uint64_t deadline_ms = wal_rig_deadline_ms();
    while (shared_disk_counters_of(&rig->disk).writes < before + 2) {
        wal_rig_pause(deadline_ms);
    }
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_OK);
    assert_int_equal(shared_disk_counters_of(&rig->disk).writes, before + 2);
    log_fixture_open(rig->log);
    // The seal and the block of this start hold nothing.
    assert_int_equal(rig->log->recovery.core.block, block);
}

/* Without a word of its end the node would count as one whose disk is stuck (E6). */
static void the_end_of_a_slow_seal_is_told(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    wal_rig_hold_seal(rig);
    uint64_t token = rig->completion.token;
    uint64_t block = rig->completion.block;
    const struct wal_completion *completion =
        wal_rig_receive_kind(rig, WAL_COMPLETION_SLOW);
    assert_true(completion->sync_us >= WAL_SLOW_US);
    shared_disk_hold(&rig->disk, false);
    completion = wal_rig_receive_kind(rig, WAL_COMPLETION_DURABLE);
    assert_true(completion->sync_us >= WAL_SLOW_US);
    assert_int_equal(completion->token, token);
    assert_int_equal(completion->block, block);
    wal_rig_assert_durable(rig);
}

static void the_end_of_a_slow_sync_of_an_interval_is_told(void **state)
{
    struct wal_rig *rig = *state;
    rig->log->settings.durability = WAL_INTERVAL;
    wal_rig_start(rig);
    shared_disk_hold_syncs(&rig->disk, true);
    wal_rig_append(rig, 1, 100);
    wal_rig_receive_durable(rig); // written
    (void)wal_rig_receive_kind(rig, WAL_COMPLETION_SLOW);
    shared_disk_hold_syncs(&rig->disk, false);
    const struct wal_completion *completion =
        wal_rig_receive_kind(rig, WAL_COMPLETION_DURABLE);
    assert_true(completion->sync_us >= WAL_SLOW_US);
    wal_rig_assert_durable(rig);
}

static void with_durability_interval_answers_come_before_the_sync(void **state)
{
    struct wal_rig *rig = *state;
    rig->log->settings.durability = WAL_INTERVAL;
    wal_rig_start(rig);
    uint64_t before = shared_disk_counters_of(&rig->disk).syncs;
    shared_disk_hold(&rig->disk, true); // written-through blocks: there are none
    for (int i = 0; i < 20; i++) {
        wal_rig_append(rig, 1, 100);
    }
    wal_rig_receive_durable(rig);
    uint64_t deadline_ms = wal_rig_deadline_ms();
    while (shared_disk_counters_of(&rig->disk).syncs == before) {
        wal_rig_pause(deadline_ms);
    }
    shared_disk_hold(&rig->disk, false);
    wal_rig_assert_durable(rig);
}

/* A write, and behind it reads that keep the log's thread at work for some 120 ms. */
enum { LONG_READS = 60 };

static void write_and_read_for_long(struct wal_rig *rig)
{
    wal_rig_append(rig, 1, 100);
    wal_rig_receive_durable(rig);
    shared_disk_hold(&rig->disk, true);
    wal_rig_read(rig, 1, 1, 1, 0);
    wait_for_held(rig); // all that follows is queued before the first ends
    shared_disk_slow_reads(&rig->disk, 2000);
    wal_rig_append(rig, 1, 100);
    for (uint64_t cookie = 1; cookie < LONG_READS; cookie++) {
        wal_rig_read(rig, 1, 1, 1, cookie);
    }
    shared_disk_hold(&rig->disk, false);
    for (uint64_t slices = 0; slices < LONG_READS;) {
        if (wal_rig_receive(rig)->kind == WAL_COMPLETION_SLICE) {
            assert_int_equal(rig->completion.cookie, slices);
            assert_int_equal(rig->completion.slice.entry_count, 1);
            wal_slice_fini(&rig->completion.slice);
            slices++;
        }
    }
}

static void an_interval_ends_also_while_there_is_much_to_read(void **state)
{
    struct wal_rig *rig = *state;
    rig->log->settings.durability = WAL_INTERVAL;
    wal_rig_start(rig);
    write_and_read_for_long(rig);
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_OK);
    assert_in_range(rig->disk.reads_before_sync, 1, LONG_READS - 1);
    assert_in_range(rig->disk.reads, LONG_READS, UINT64_MAX);
    wal_rig_assert_durable(rig);
}

static void a_seal_comes_also_while_there_is_much_to_read(void **state)
{
    struct wal_rig *rig = *state;
    wal_rig_start(rig);
    uint64_t writes = shared_disk_counters_of(&rig->disk).writes;
    write_and_read_for_long(rig);
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_OK);
    assert_true(shared_disk_counters_of(&rig->disk).writes >= writes + 3); // with a seal
    assert_in_range(rig->disk.reads_before_write, 2, LONG_READS - 1);
    wal_rig_assert_durable(rig);
}

static void without_sockets_the_wal_stays_with_the_caller(void **state)
{
    struct wal_rig *rig = *state;
    struct log_fixture *log = rig->log;
    log_fixture_open(log);
    for (int sockets_max = 1; sockets_max < 4; sockets_max++) {
        void *small = zmq_ctx_new();
        assert_int_equal(zmq_ctx_set(small, ZMQ_MAX_SOCKETS, sockets_max), 0);
        assert_null(wal_thread_start(small, &log->wal, &log->files, &log->settings,
                                     WAL_RIG_INTERVAL_MS));
        assert_non_null(log->wal);
        assert_int_equal(zmq_ctx_term(small), 0);
    }
    struct wal_thread *none = NULL;
    assert_int_equal(wal_thread_stop(&none), WAL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, wal_rig_set_up, wal_rig_tear_down)
        TEST(records_become_durable),
        TEST(what_came_during_a_sync_makes_one_block),
        TEST(a_burst_larger_than_a_block_is_split_between_records),
        TEST(slices_come_back_with_their_cookies),
        TEST(a_slow_sync_is_told_while_it_is_in_flight),
        TEST(an_idle_log_seals_its_last_block),
        TEST(the_end_of_a_slow_seal_is_told),
        TEST(the_end_of_a_slow_sync_of_an_interval_is_told),
        TEST(with_durability_interval_answers_come_before_the_sync),
        TEST(an_interval_ends_also_while_there_is_much_to_read),
        TEST(a_seal_comes_also_while_there_is_much_to_read),
        TEST(without_sockets_the_wal_stays_with_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
