#include "unit/support/wal_rig.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

int wal_rig_set_up(void **state)
{
    struct wal_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->zmq_context = zmq_ctx_new();
    rig->log = log_fixture_new();
    rig->log->settings.ring_entries = 2048;
    shared_disk_init(&rig->disk, rig->log->disk);
    rig->log->files = shared_disk_files(&rig->disk);
    *state = rig;
    return 0;
}

int wal_rig_tear_down(void **state)
{
    struct wal_rig *rig = *state;
    shared_disk_hold(&rig->disk, false); // a test that failed may have left it so
    (void)wal_thread_stop(&rig->thread);
    assert_int_equal(zmq_ctx_term(rig->zmq_context), 0);
    log_fixture_destroy(&rig->log);
    shared_disk_fini(&rig->disk);
    free(rig);
    return 0;
}

void wal_rig_start(struct wal_rig *rig)
{
    struct log_fixture *log = rig->log;
    log_fixture_open(log);
    rig->thread = wal_thread_start(rig->zmq_context, &log->wal, &log->files,
                                   &log->settings, WAL_RIG_INTERVAL_MS);
    assert_non_null(rig->thread);
    assert_null(log->wal);
}

static void queue_records(struct wal_rig *rig)
{
    wal_thread_append(rig->thread, view_of_buffer(&rig->log->records));
    rig->log->records.bytes = 0;
}

void wal_rig_append(struct wal_rig *rig, uint32_t count, uint32_t payload_bytes)
{
    twin_append(rig->log->twin, count, payload_bytes, &rig->log->records);
    queue_records(rig);
}

void wal_rig_promise(struct wal_rig *rig)
{
    twin_promise(rig->log->twin, &rig->log->records);
    queue_records(rig);
}

void wal_rig_read(struct wal_rig *rig,
                  cs_slot first,
                  cs_slot last,
                  uint32_t entries_max,
                  uint64_t cookie)
{
    wal_thread_read(rig->thread, first, last, entries_max, UINT64_MAX, cookie);
}

const struct wal_completion *wal_rig_receive(struct wal_rig *rig)
{
    uint64_t deadline_ms = wal_rig_deadline_ms();
    while (!wal_thread_receive(rig->thread, &rig->completion)) {
        if (clock_now_ms() >= deadline_ms) {
            fail_msg("no completion came");
        }
        zmq_pollitem_t item = {.socket = wal_thread_socket(rig->thread),
                               .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 10);
    }
    if (rig->completion.kind == WAL_COMPLETION_DURABLE) {
        rig->is_repeated = rig->completion.token == rig->durable_token;
        rig->durable_token = rig->completion.token;
    }
    return &rig->completion;
}

/* Whether the last one says no more than that a sync is slow, or that it has ended. */
static bool tells_only_slowness(const struct wal_rig *rig)
{
    return rig->completion.kind == WAL_COMPLETION_SLOW ||
           (rig->completion.kind == WAL_COMPLETION_DURABLE && rig->is_repeated);
}

const struct wal_completion *wal_rig_receive_kind(struct wal_rig *rig,
                                                  enum wal_completion_kind kind)
{
    const struct wal_completion *completion = wal_rig_receive(rig);
    while (completion->kind != kind && tells_only_slowness(rig)) {
        completion = wal_rig_receive(rig);
    }
    assert_int_equal(completion->kind, kind);
    return completion;
}

const struct wal_completion *wal_rig_receive_slice(struct wal_rig *rig, uint64_t cookie)
{
    const struct wal_completion *completion =
        wal_rig_receive_kind(rig, WAL_COMPLETION_SLICE);
    assert_int_equal(completion->cookie, cookie);
    return completion;
}

void wal_rig_receive_durable(struct wal_rig *rig)
{
    uint64_t token = 0;
    while (token < rig->log->twin->token) {
        const struct wal_completion *completion = wal_rig_receive(rig);
        if (completion->kind == WAL_COMPLETION_DURABLE) {
            assert_true(completion->token >= token); // the same: a slow seal has ended
            token = completion->token;
        } else {
            assert_int_equal(completion->kind, WAL_COMPLETION_SLOW);
        }
    }
    assert_int_equal(token, rig->log->twin->token);
}

uint64_t wal_rig_deadline_ms(void)
{
    return clock_now_ms() + WAL_RIG_PATIENCE_MS;
}

void wal_rig_hold_seal(struct wal_rig *rig)
{
    uint64_t deadline_ms = wal_rig_deadline_ms();
    while (atomic_load(&rig->disk.waiting_count) == 0) {
        shared_disk_hold(&rig->disk, false);
        wal_rig_append(rig, 1, 100);
        wal_rig_receive_durable(rig);
        shared_disk_hold(&rig->disk, true); // perhaps too late: once more
        for (int i = 0; i < 200 && atomic_load(&rig->disk.waiting_count) == 0; i++) {
            wal_rig_pause(deadline_ms);
        }
    }
}

void wal_rig_pause(uint64_t deadline_ms)
{
    assert_true(clock_now_ms() < deadline_ms);
    (void)zmq_poll(NULL, 0, 1);
}

void wal_rig_assert_durable(struct wal_rig *rig)
{
    assert_int_equal(wal_thread_stop(&rig->thread), WAL_OK);
    log_fixture_crash(rig->log);
    log_fixture_assert_recovered(rig->log);
    log_fixture_assert_log(rig->log, 100);
}
