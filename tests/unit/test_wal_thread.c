/*
 * The log on its thread, over a simulated disk that several threads may use and a test
 * may hold.
 */
#include "wal/thread.h"

#include "base/clock.h"
#include "support/disk.h"
#include "support/twin.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

enum {
    SEGMENT_BYTES = 64 * 1024,
    DISK_BYTES = 16 * 1024 * 1024,
    DEADLINE_MS = 20 * 1000
};

/* One lock around the simulated disk; a held one lets no write through. */
struct shared_disk {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_held;
    _Atomic uint64_t waiting_count; // writes that wait for the hold to end
    struct files inner;
};

struct fixture {
    void *zmq_context;
    struct sim_disk *disk;
    struct shared_disk shared;
    struct files files;
    struct wal_settings settings;
    struct wal_recovery recovery;
    struct wal *wal;
    struct wal_thread *thread;
    struct twin *twin;
    struct cs_buffer records;
    struct wal_completion completion;
};

/* ---- the shared disk --------------------------------------------------------------- */

static struct shared_disk *enter(void *context)
{
    struct shared_disk *shared = context;
    (void)pthread_mutex_lock(&shared->lock);
    return shared;
}

static int64_t leave(struct shared_disk *shared, int64_t result)
{
    (void)pthread_mutex_unlock(&shared->lock);
    return result;
}

static int open_file(void *context, const char *name, bool is_new)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared,
                      shared->inner.open_file(shared->inner.context, name, is_new));
}

static int close_file(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.close_file(shared->inner.context, handle));
}

static int64_t
read_at(void *context, int handle, void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    return leave(shared, shared->inner.read_at(shared->inner.context, handle, data, bytes,
                                               offset));
}

static int64_t
write_at(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    return leave(shared, shared->inner.write_at(shared->inner.context, handle, data,
                                                bytes, offset));
}

static int64_t
write_through(void *context, int handle, const void *data, size_t bytes, uint64_t offset)
{
    struct shared_disk *shared = enter(context);
    atomic_fetch_add(&shared->waiting_count, 1);
    while (shared->is_held) {
        (void)pthread_cond_wait(&shared->changed, &shared->lock);
    }
    atomic_fetch_sub(&shared->waiting_count, 1);
    return leave(shared, shared->inner.write_through(shared->inner.context, handle, data,
                                                     bytes, offset));
}

static int sync_file(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.sync_file(shared->inner.context, handle));
}

static int64_t size_of(void *context, int handle)
{
    struct shared_disk *shared = enter(context);
    return leave(shared, shared->inner.size_of(shared->inner.context, handle));
}

static int rename_file(void *context, const char *from, const char *to)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.rename_file(shared->inner.context, from, to));
}

static int remove_file(void *context, const char *name)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.remove_file(shared->inner.context, name));
}

static int sync_directory(void *context)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.sync_directory(shared->inner.context));
}

static int list(void *context, const struct files_listing *listing)
{
    struct shared_disk *shared = enter(context);
    return (int)leave(shared, shared->inner.list(shared->inner.context, listing));
}

static bool is_direct(void *context)
{
    (void)context;
    return true;
}

static void hold_disk(struct fixture *fixture, bool is_held)
{
    struct shared_disk *shared = enter(&fixture->shared);
    shared->is_held = is_held;
    (void)pthread_cond_broadcast(&shared->changed);
    (void)leave(shared, 0);
}

static void fail_disk(struct fixture *fixture, enum sim_disk_call kind, int error)
{
    struct shared_disk *shared = enter(&fixture->shared);
    sim_disk_fail_next(fixture->disk, kind, 0, error);
    (void)leave(shared, 0);
}

static void set_capacity(struct fixture *fixture, uint64_t bytes)
{
    struct shared_disk *shared = enter(&fixture->shared);
    sim_disk_set_capacity(fixture->disk, bytes);
    (void)leave(shared, 0);
}

/* ---- the fixture ------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->zmq_context = zmq_ctx_new();
    fixture->disk = sim_disk_new(1, DISK_BYTES);
    assert_int_equal(pthread_mutex_init(&fixture->shared.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&fixture->shared.changed, NULL), 0);
    fixture->shared.inner = sim_disk_files(fixture->disk);
    fixture->files = (struct files){
        .context = &fixture->shared,
        .open_file = open_file,
        .close_file = close_file,
        .read_at = read_at,
        .write_at = write_at,
        .write_through = write_through,
        .sync_file = sync_file,
        .size_of = size_of,
        .rename_file = rename_file,
        .remove_file = remove_file,
        .sync_directory = sync_directory,
        .list = list,
        .is_direct = is_direct,
    };
    fixture->settings = (struct wal_settings){
        .segment_bytes = SEGMENT_BYTES,
        .ready_segments = 2,
        .ring_entries = 2048,
        .ring_bytes = 16 * 1024,
        .window_entries = 16,
        .fresh_incarnation = {.high = 11, .low = 12},
    };
    fixture->twin = twin_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    hold_disk(fixture, false);
    wal_thread_stop(&fixture->thread);
    wal_close(&fixture->wal);
    assert_int_equal(zmq_ctx_term(fixture->zmq_context), 0);
    twin_destroy(&fixture->twin);
    sim_disk_destroy(&fixture->disk);
    (void)pthread_cond_destroy(&fixture->shared.changed);
    (void)pthread_mutex_destroy(&fixture->shared.lock);
    buffer_fini(&fixture->records);
    free(fixture);
    return 0;
}

static void open_log(struct fixture *fixture)
{
    if (wal_open(&fixture->wal, &fixture->files, &fixture->settings,
                 &fixture->recovery) != WAL_OK) {
        fail_msg("%s", fixture->recovery.sentence);
    }
}

static void start(struct fixture *fixture)
{
    open_log(fixture);
    fixture->thread = wal_thread_start(fixture->zmq_context, &fixture->wal,
                                       &fixture->files, &fixture->settings, 10);
    assert_non_null(fixture->thread);
    assert_null(fixture->wal);
}

static void append(struct fixture *fixture, uint32_t count, uint32_t payload_bytes)
{
    twin_append(fixture->twin, count, payload_bytes, &fixture->records);
    wal_thread_append(fixture->thread, view_of_buffer(&fixture->records));
    fixture->records.bytes = 0;
}

/* The next completion, within a deadline. */
static const struct wal_completion *receive(struct fixture *fixture)
{
    uint64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    while (!wal_thread_receive(fixture->thread, &fixture->completion)) {
        if (clock_now_ms() >= deadline_ms) {
            fail_msg("no completion came");
        }
        zmq_pollitem_t item = {.socket = wal_thread_socket(fixture->thread),
                               .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 10);
    }
    return &fixture->completion;
}

static void receive_durable(struct fixture *fixture)
{
    uint64_t token = 0;
    while (token < fixture->twin->token) {
        const struct wal_completion *completion = receive(fixture);
        if (completion->kind == WAL_COMPLETION_DURABLE) {
            assert_true(completion->token > token);
            token = completion->token;
        } else {
            assert_int_equal(completion->kind, WAL_COMPLETION_SLOW);
        }
    }
    assert_int_equal(token, fixture->twin->token);
}

/* Stops the thread and opens the log again: what is durable is what the twin says. */
static void assert_durable(struct fixture *fixture)
{
    wal_thread_stop(&fixture->thread);
    sim_disk_crash(fixture->disk);
    open_log(fixture);
    const char *difference =
        twin_compare_recovered(fixture->twin, &fixture->recovery.core);
    if (difference == NULL) {
        difference = twin_compare_log(fixture->twin, fixture->wal, 100);
    }
    if (difference != NULL) {
        fail_msg("%s", difference);
    }
}

/* ---- tests ------------------------------------------------------------------------- */

static void records_become_durable(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 3, 100);
    receive_durable(fixture);
    assert_true(fixture->completion.block > 1);
    twin_promise(fixture->twin, &fixture->records);
    wal_thread_append(fixture->thread, view_of_buffer(&fixture->records));
    receive_durable(fixture);
    assert_durable(fixture);
}

static void what_came_during_a_sync_makes_one_block(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    hold_disk(fixture, true);
    append(fixture, 1, 100);
    while (atomic_load(&fixture->shared.waiting_count) == 0) {
        (void)zmq_poll(NULL, 0, 1);
    }
    for (int i = 0; i < 50; i++) {
        append(fixture, 1, 100);
    }
    hold_disk(fixture, false);
    const struct wal_completion *first = receive(fixture);
    while (first->kind == WAL_COMPLETION_SLOW) {
        first = receive(fixture);
    }
    assert_int_equal(first->token, 1);
    uint64_t block = first->block;
    assert_int_equal(receive(fixture)->token, 51);
    assert_int_equal(fixture->completion.block, block + 1);
    assert_durable(fixture);
}

static void a_burst_larger_than_a_block_is_split_between_records(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    for (int i = 0; i < 300; i++) {
        append(fixture, 2, 1500);
    }
    receive_durable(fixture);
    assert_durable(fixture);
}

static void slices_come_back_with_their_cookies(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 10, 200);
    append(fixture, 1, 0);
    receive_durable(fixture);
    for (uint64_t cookie = 1; cookie <= 100; cookie++) {
        wal_thread_read(fixture->thread, 3, 11, 5, UINT64_MAX, cookie);
    }
    for (uint64_t cookie = 1; cookie <= 100; cookie++) {
        const struct wal_completion *completion = receive(fixture);
        assert_int_equal(completion->kind, WAL_COMPLETION_SLICE);
        assert_int_equal(completion->status, WAL_OK);
        assert_int_equal(completion->cookie, cookie);
        assert_int_equal(completion->slice.entry_count, 5);
        assert_int_equal(completion->slice.entries[0].slot, 3);
        struct paxos_digest chain = twin_chain_at(fixture->twin, 2);
        assert_memory_equal(&completion->slice.before_chain, &chain, sizeof chain);
        chain = twin_chain_at(fixture->twin, 7);
        assert_memory_equal(&completion->slice.entries[4].chain, &chain, sizeof chain);
        assert_int_equal(completion->slice.payloads[4].bytes,
                         fixture->twin->slots[7].entry.payload_bytes);
        wal_slice_fini(&fixture->completion.slice);
    }
    wal_thread_read(fixture->thread, 40, 50, 5, UINT64_MAX, 7);
    assert_int_equal(receive(fixture)->slice.entry_count, 0);
    wal_slice_fini(&fixture->completion.slice);
}

static void damage_met_by_a_read_is_told_and_commits_go_on(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 1, 2000);
    receive_durable(fixture);
    const uint8_t rot = 0x5a;
    struct shared_disk *shared = enter(&fixture->shared);
    assert_true(sim_disk_overwrite(fixture->disk, "log-0000000001", 8192 + 500, &rot, 1));
    (void)leave(shared, 0);
    wal_thread_read(fixture->thread, 1, 1, 5, UINT64_MAX, 7);
    const struct wal_completion *completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_SLICE);
    assert_int_equal(completion->status, WAL_OK);
    assert_int_equal(completion->slice.entry_count, 0);
    assert_int_equal(completion->slice.fault.first, 1);
    assert_int_equal(completion->slice.fault.last, 1);
    wal_slice_fini(&fixture->completion.slice);
    append(fixture, 1, 2000);
    receive_durable(fixture);
}

static void a_read_that_fails_is_told_and_can_be_tried_again(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 1, 2000);
    receive_durable(fixture);
    fail_disk(fixture, SIM_DISK_READ, EIO);
    wal_thread_read(fixture->thread, 1, 1, 5, UINT64_MAX, 7);
    const struct wal_completion *completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_SLICE);
    assert_int_equal(completion->cookie, 7);
    assert_int_equal(completion->status, WAL_DAMAGED);
    assert_true(completion->sentence[0] != '\0');
    wal_thread_read(fixture->thread, 1, 1, 5, UINT64_MAX, 8);
    completion = receive(fixture);
    assert_int_equal(completion->status, WAL_OK);
    assert_int_equal(completion->slice.entry_count, 1);
    wal_slice_fini(&fixture->completion.slice);
}

static void a_failed_sync_is_the_last_word(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 1, 100);
    receive_durable(fixture);
    struct twin *acknowledged = twin_copy(fixture->twin);
    fail_disk(fixture, SIM_DISK_WRITE, EIO);
    append(fixture, 1, 100);
    const struct wal_completion *completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_FAILED);
    assert_int_equal(completion->status, WAL_FAILED);
    assert_true(completion->sentence[0] != '\0');
    append(fixture, 1, 100);
    wal_thread_read(fixture->thread, 1, 1, 1, UINT64_MAX, 9);
    // The read is answered, and nothing was made durable before it.
    assert_int_equal(receive(fixture)->kind, WAL_COMPLETION_SLICE);
    assert_int_equal(fixture->completion.status, WAL_OK);
    wal_slice_fini(&fixture->completion.slice);
    twin_assign(fixture->twin, acknowledged);
    twin_destroy(&acknowledged);
    wal_thread_stop(&fixture->thread);
}

static void a_slow_sync_is_told_while_it_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    hold_disk(fixture, true);
    append(fixture, 1, 100);
    const struct wal_completion *completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_SLOW);
    assert_true(completion->sync_us >= WAL_SLOW_US);
    uint64_t told_us = completion->sync_us;
    // Told again, so that a second in flight is noticed (E6).
    completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_SLOW);
    assert_true(completion->sync_us >= told_us + WAL_SLOW_US);
    hold_disk(fixture, false);
    receive_durable(fixture);
    assert_true(fixture->completion.sync_us >= 2 * WAL_SLOW_US);
    assert_false(wal_thread_receive(fixture->thread, &fixture->completion));
}

static void a_full_disk_is_told_and_commits_wait_for_room(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    set_capacity(fixture, 0);
    for (int i = 0; i < 20; i++) {
        append(fixture, 1, 20000);
    }
    uint64_t durable = 0;
    while (receive(fixture)->kind != WAL_COMPLETION_ROOM) {
        durable = fixture->completion.token;
    }
    assert_false(fixture->completion.has_room);
    // More than fits is queued: reads and stopping still work.
    wal_thread_read(fixture->thread, 1, 1, 1, UINT64_MAX, 5);
    while (receive(fixture)->kind != WAL_COMPLETION_SLICE) {
        durable = fixture->completion.token;
    }
    wal_slice_fini(&fixture->completion.slice);
    assert_true(durable < fixture->twin->token);
    set_capacity(fixture, DISK_BYTES);
    bool has_room = false;
    while (durable < fixture->twin->token) {
        const struct wal_completion *completion = receive(fixture);
        if (completion->kind == WAL_COMPLETION_DURABLE) {
            durable = completion->token;
        } else if (completion->kind == WAL_COMPLETION_ROOM) {
            has_room = completion->has_room;
        }
    }
    assert_true(has_room);
    assert_durable(fixture);
}

static void
stopping_a_thread_that_waits_for_room_drops_what_was_never_durable(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    set_capacity(fixture, 0);
    for (int i = 0; i < 12; i++) {
        append(fixture, 1, 30000);
    }
    while (receive(fixture)->kind != WAL_COMPLETION_ROOM) {
    }
    assert_false(fixture->completion.has_room);
    wal_thread_stop(&fixture->thread);
    set_capacity(fixture, DISK_BYTES);
    sim_disk_crash(fixture->disk);
    open_log(fixture);
    assert_true(fixture->recovery.core.length < fixture->twin->length);
    fixture->twin->length = fixture->recovery.core.length;
    assert_null(twin_compare_log(fixture->twin, fixture->wal, 100));
}

static void a_helper_that_fails_ends_the_log(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    fail_disk(fixture, SIM_DISK_OPEN, EIO);
    // The first open after this is of a segment, by the helper or the log thread.
    for (int i = 0; i < 4; i++) {
        append(fixture, 1, 30000);
    }
    const struct wal_completion *completion = receive(fixture);
    while (completion->kind == WAL_COMPLETION_DURABLE) {
        completion = receive(fixture);
    }
    assert_int_equal(completion->kind, WAL_COMPLETION_FAILED);
}

static struct sim_disk_counters count_calls(struct fixture *fixture)
{
    struct shared_disk *shared = enter(&fixture->shared);
    struct sim_disk_counters counters = sim_disk_counters_of(fixture->disk);
    (void)leave(shared, 0);
    return counters;
}

static void an_idle_log_seals_its_last_block(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    uint64_t before = count_calls(fixture).writes;
    append(fixture, 1, 100);
    receive_durable(fixture);
    uint64_t block = fixture->completion.block;
    uint64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    while (count_calls(fixture).writes < before + 2 && clock_now_ms() < deadline_ms) {
        (void)zmq_poll(NULL, 0, 1);
    }
    wal_thread_stop(&fixture->thread);
    assert_int_equal(count_calls(fixture).writes, before + 2);
    open_log(fixture);
    // The seal and the block of this start hold nothing.
    assert_int_equal(fixture->recovery.core.block, block);
}

static void with_durability_interval_answers_come_before_the_sync(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.durability = WAL_INTERVAL;
    start(fixture);
    uint64_t before = count_calls(fixture).syncs;
    hold_disk(fixture, true); // holds written-through blocks only: there are none
    for (int i = 0; i < 20; i++) {
        append(fixture, 1, 100);
    }
    receive_durable(fixture);
    uint64_t deadline_ms = clock_now_ms() + DEADLINE_MS;
    while (count_calls(fixture).syncs == before && clock_now_ms() < deadline_ms) {
        (void)zmq_poll(NULL, 0, 1);
    }
    assert_true(count_calls(fixture).syncs > before);
    hold_disk(fixture, false);
    assert_durable(fixture);
}

static void a_failed_seal_ends_the_log(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    append(fixture, 1, 100);
    receive_durable(fixture);
    fail_disk(fixture, SIM_DISK_WRITE, EIO);
    const struct wal_completion *completion = receive(fixture);
    assert_int_equal(completion->kind, WAL_COMPLETION_FAILED);
}

static void a_failed_sync_of_an_interval_ends_the_log(void **state)
{
    struct fixture *fixture = *state;
    fixture->settings.durability = WAL_INTERVAL;
    start(fixture);
    fail_disk(fixture, SIM_DISK_SYNC, EIO);
    append(fixture, 1, 100);
    assert_int_equal(receive(fixture)->kind, WAL_COMPLETION_DURABLE);
    assert_int_equal(receive(fixture)->kind, WAL_COMPLETION_FAILED);
}

static void without_sockets_the_wal_stays_with_the_caller(void **state)
{
    struct fixture *fixture = *state;
    open_log(fixture);
    for (int sockets_max = 1; sockets_max < 4; sockets_max++) {
        void *small = zmq_ctx_new();
        assert_int_equal(zmq_ctx_set(small, ZMQ_MAX_SOCKETS, sockets_max), 0);
        assert_null(wal_thread_start(small, &fixture->wal, &fixture->files,
                                     &fixture->settings, 10));
        assert_non_null(fixture->wal);
        assert_int_equal(zmq_ctx_term(small), 0);
    }
    struct wal_thread *none = NULL;
    wal_thread_stop(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(records_become_durable),
        TEST(what_came_during_a_sync_makes_one_block),
        TEST(a_burst_larger_than_a_block_is_split_between_records),
        TEST(slices_come_back_with_their_cookies),
        TEST(damage_met_by_a_read_is_told_and_commits_go_on),
        TEST(a_read_that_fails_is_told_and_can_be_tried_again),
        TEST(a_failed_sync_is_the_last_word),
        TEST(a_slow_sync_is_told_while_it_is_in_flight),
        TEST(a_full_disk_is_told_and_commits_wait_for_room),
        TEST(stopping_a_thread_that_waits_for_room_drops_what_was_never_durable),
        TEST(a_helper_that_fails_ends_the_log),
        TEST(an_idle_log_seals_its_last_block),
        TEST(with_durability_interval_answers_come_before_the_sync),
        TEST(a_failed_seal_ends_the_log),
        TEST(a_failed_sync_of_an_interval_ends_the_log),
        TEST(without_sockets_the_wal_stays_with_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
