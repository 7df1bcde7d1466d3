/*
 * Damaged logs (PAXOS 4.2): whichever block of a log is spoiled, opening finds the state
 * exactly as it was, names the slots that are lost and what they must hash to; once they
 * are written anew the log is whole, also for the next start.
 */
#include "support/log_fixture.h"

#include "base/check.h"
#include "wal/internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = FILES_ALIGN_BYTES, PAGES = LOG_FIXTURE_SEGMENT_BYTES / PAGE, FILES = 4 };

static const char *const LOGS[FILES] = {"log-0000000001", "log-0000000002",
                                        "log-0000000003", "log-0000000004"};

/*
 * Every kind of record, blocks of one page and of several, replaced suffixes, three
 * segments and a little of a fourth; a promise and a seal at the end.
 */
static void write_log(struct log_fixture *fixture)
{
    struct twin *twin = fixture->twin;
    struct cs_buffer *records = &fixture->records;
    log_fixture_open(fixture);
    twin_configure(twin, records);
    twin_promise(twin, records);
    log_fixture_commit(fixture);
    twin_sync(twin, 1, 2, 50, records);
    log_fixture_commit(fixture);
    for (int round = 0; round < 3; round++) {
        log_fixture_append(fixture, 2, 900);
        log_fixture_append(fixture, 3, 4500);
        twin_decide(twin, twin->length - 2);
        log_fixture_append(fixture, 1, 10);
        log_fixture_promise(fixture);
        twin_sync(twin, twin->length - 1, 3, 700, records);
        log_fixture_commit(fixture);
        log_fixture_append(fixture, 1, 9000);
        twin_decide(twin, twin->length - 1);
        twin_fetch(twin, twin->length, 2, 300, records);
        twin_append(twin, 2, 100, records);
        log_fixture_commit(fixture);
        log_fixture_append(fixture, 2, 6000);
        assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    }
    log_fixture_promise(fixture);
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    wal_close(&fixture->wal);
}

static bool has_page(const struct log_fixture *fixture, int file, uint64_t page)
{
    uint8_t bytes[PAGE];
    if (!sim_disk_read_media(fixture->disk, LOGS[file], page * PAGE, bytes, PAGE)) {
        return false;
    }
    return bytes[0] != 0 || memcmp(bytes, bytes + 1, PAGE - 1) != 0;
}

static void spoil(struct log_fixture *fixture, int file, uint64_t page)
{
    uint8_t byte = 0;
    uint8_t bytes[PAGE];
    assert_true(sim_disk_read_media(fixture->disk, LOGS[file], page * PAGE, bytes, PAGE));
    byte = (uint8_t)(bytes[33] ^ 0x40);
    assert_true(
        sim_disk_overwrite(fixture->disk, LOGS[file], page * PAGE + 33, &byte, 1));
}

static void blank(struct log_fixture *fixture, int file, uint64_t page)
{
    static const uint8_t ZEROS[PAGE];
    assert_true(sim_disk_overwrite(fixture->disk, LOGS[file], page * PAGE, ZEROS, PAGE));
}

static bool same_chain(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

/* What is said of lost slots is true, and every other slot can be read. */
static void assert_faults_are_true(struct log_fixture *fixture)
{
    const struct twin *twin = fixture->twin;
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, fixture->recovery.fault_count);
    cs_slot next = 1;
    for (size_t i = 0; i <= count; i++) {
        cs_slot end = i < count ? faults[i].first : twin->length + 1;
        for (; next < end; next++) {
            struct wal_slice slice = {0};
            assert_int_equal(wal_read(fixture->wal, next, next, 1, 1, &slice), WAL_OK);
            if (slice.entry_count != 1) {
                fail_msg("slot %llu cannot be read: %s", (unsigned long long)next,
                         wal_error(fixture->wal));
            }
            assert_int_equal(slice.fault.first, 0);
            assert_true(same_chain(slice.entries[0].chain, twin_chain_at(twin, next)));
            wal_slice_fini(&slice);
        }
        if (i < count) {
            assert_true(same_chain(faults[i].before_chain,
                                   twin_chain_at(twin, faults[i].first - 1)));
            assert_true(
                !faults[i].knows_after ||
                same_chain(faults[i].after_chain, twin_chain_at(twin, faults[i].last)));
            struct wal_slice slice = {0};
            assert_int_equal(
                wal_read(fixture->wal, faults[i].first, twin->length, 9, 99, &slice),
                WAL_OK);
            assert_int_equal(slice.entry_count, 0);
            assert_int_equal(slice.fault.first, faults[i].first);
            assert_int_equal(slice.fault.last, faults[i].last);
            wal_slice_fini(&slice);
            next = faults[i].last + 1;
        }
    }
}

/* What a peer would send, written anew in pieces of up to `piece` slots. */
static void repair(struct log_fixture *fixture, uint32_t piece)
{
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    while (count > 0) {
        cs_slot first = faults[0].first;
        cs_slot left = faults[0].last - first + 1;
        struct paxos_persist record = {
            .kind = PAXOS_PERSIST_REPAIR,
            .first_slot = first,
            .entry_count = left < piece ? (uint32_t)left : piece,
        };
        twin_repair(fixture->twin, &record, &fixture->records);
        struct wal_commit commit = {0};
        assert_int_equal(
            wal_commit(fixture->wal, view_of_buffer(&fixture->records), &commit), WAL_OK);
        fixture->records.bytes = 0;
        faults = wal_faults(fixture->wal, &count);
    }
}

static uint64_t count_lost(const struct log_fixture *fixture)
{
    uint64_t lost = 0;
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    for (size_t i = 0; i < count; i++) {
        lost += faults[i].last - faults[i].first + 1;
    }
    return lost;
}

/*
 * Opens the damaged log, repairs it, and opens it twice more. Answers how many slots were
 * lost.
 */
static uint64_t assert_recovers(struct log_fixture *fixture, uint32_t piece)
{
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
    assert_faults_are_true(fixture);
    uint64_t lost = count_lost(fixture);
    repair(fixture, piece);
    log_fixture_assert_log(fixture, 10);
    for (int i = 0; i < 2; i++) {
        log_fixture_restart(fixture);
        assert_int_equal(fixture->recovery.fault_count, 0);
        log_fixture_assert_recovered(fixture);
        log_fixture_assert_log(fixture, 7);
        log_fixture_append(fixture, 1, 100); // and it goes on
    }
    return lost;
}

static struct log_fixture *new_log(void)
{
    void *state = NULL;
    assert_int_equal(log_fixture_set_up(&state), 0);
    write_log(state);
    return state;
}

static void end_log(struct log_fixture *fixture)
{
    void *state = fixture;
    assert_int_equal(log_fixture_tear_down(&state), 0);
}

static void any_page_of_a_log_may_rot(void **state)
{
    (void)state;
    uint32_t lost = 0;
    uint32_t pages = 0;
    for (int file = 0; file < FILES; file++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            struct log_fixture *fixture = new_log();
            if (has_page(fixture, file, page)) {
                spoil(fixture, file, page);
                lost += assert_recovers(fixture, 2) > 0;
                pages++;
            }
            end_log(fixture);
        }
    }
    assert_true(pages > 40);
    assert_true(lost > pages / 3);
}

static void any_page_of_a_log_may_read_as_zeros(void **state)
{
    (void)state;
    for (int file = 0; file < FILES; file++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            struct log_fixture *fixture = new_log();
            if (has_page(fixture, file, page)) {
                blank(fixture, file, page);
                (void)assert_recovers(fixture, 100);
            }
            end_log(fixture);
        }
    }
}

static void any_run_of_pages_of_a_log_may_rot(void **state)
{
    (void)state;
    for (uint64_t from = 0; from < FILES * PAGES; from++) {
        for (uint64_t count = 2; count <= 33; count = count * 2 - 1) {
            struct log_fixture *fixture = new_log();
            for (uint64_t at = from; at < from + count && at < FILES * PAGES; at++) {
                if (has_page(fixture, (int)(at / PAGES), at % PAGES)) {
                    spoil(fixture, (int)(at / PAGES), at % PAGES);
                }
            }
            (void)assert_recovers(fixture, 3);
            end_log(fixture);
        }
    }
}

static void any_two_pages_of_a_log_may_rot(void **state)
{
    (void)state;
    for (uint64_t left = 0; left < FILES * PAGES; left++) {
        for (uint64_t right = left + 2; right < FILES * PAGES; right += 3) {
            struct log_fixture *fixture = new_log();
            if (has_page(fixture, (int)(left / PAGES), left % PAGES) &&
                has_page(fixture, (int)(right / PAGES), right % PAGES)) {
                spoil(fixture, (int)(left / PAGES), left % PAGES);
                spoil(fixture, (int)(right / PAGES), right % PAGES);
                (void)assert_recovers(fixture, 4);
            }
            end_log(fixture);
        }
    }
}

/* A write that went to a wrong place: sound there, and not what belongs there. */
static void a_block_in_another_ones_place_is_damage(void **state)
{
    (void)state;
    for (uint64_t from = 1; from < PAGES; from++) {
        for (uint64_t to = 1; to < PAGES; to += 2) {
            struct log_fixture *fixture = new_log();
            uint8_t bytes[PAGE];
            assert_true(
                sim_disk_read_media(fixture->disk, LOGS[0], from * PAGE, bytes, PAGE));
            assert_true(
                sim_disk_overwrite(fixture->disk, LOGS[0], to * PAGE, bytes, PAGE));
            assert_true(assert_recovers(fixture, 5) <= 8); // of two blocks
            end_log(fixture);
        }
    }
}

/* Copies on both sides of a block that is sound. */
static void a_sound_block_between_copies_is_not_lost(void **state)
{
    struct log_fixture *fixture = *state;
    enum { BLOCKS = 9, COPIED = 2, FIRST = 4 };
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    wal_close(&fixture->wal);
    uint8_t bytes[PAGE];
    assert_true(sim_disk_read_media(fixture->disk, LOGS[0], COPIED * PAGE, bytes, PAGE));
    for (uint64_t to = FIRST; to <= FIRST + 2; to += 2) {
        assert_true(sim_disk_overwrite(fixture->disk, LOGS[0], to * PAGE, bytes, PAGE));
    }
    assert_int_equal(assert_recovers(fixture, 1), 2);
}

static void a_place_is_told_with_file_offset_and_blocks(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    log_fixture_append(fixture, 1, 5000);
    log_fixture_append(fixture, 1, 100);
    wal_close(&fixture->wal);
    spoil(fixture, 0, 3); // block 3: two pages
    log_fixture_open(fixture);
    size_t count = 0;
    const struct wal_damage *damages = wal_damages(fixture->wal, &count);
    assert_int_equal(count, 1);
    assert_int_equal(fixture->recovery.damaged_places, 1);
    assert_int_equal(damages[0].segment, 1);
    assert_int_equal(damages[0].from_bytes, 3 * PAGE);
    assert_int_equal(damages[0].to_bytes, 5 * PAGE);
    assert_int_equal(damages[0].first_block, 3);
    assert_int_equal(damages[0].last_block, 3);
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, 1);
    assert_int_equal(faults[0].first, 2);
    assert_int_equal(faults[0].last, 2);
    assert_true(faults[0].knows_after);
}

static void a_damaged_promise_at_the_end_is_told_by_the_superblock(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 3, 100);
    log_fixture_promise(fixture);
    wal_close(&fixture->wal);
    spoil(fixture, 0, 3);
    assert_int_equal(assert_recovers(fixture, 1), 0);
}

/* A block that nothing follows may never have been acknowledged. */
static void a_torn_last_block_is_no_damage(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_open(fixture);
    log_fixture_append(fixture, 1, 100);
    struct twin *before = twin_copy(fixture->twin);
    log_fixture_append(fixture, 1, 100);
    wal_close(&fixture->wal);
    spoil(fixture, 0, 3);
    twin_assign(fixture->twin, before);
    twin_destroy(&before);
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
    assert_int_equal(fixture->recovery.damaged_places, 0);
    assert_int_equal(fixture->recovery.torn_blocks, 1);
}

static void with_all_gone_but_the_last_words_everything_is_lost_and_known(void **state)
{
    struct log_fixture *fixture = *state;
    write_log(fixture);
    // The place of the last block is known; what it said is in the superblock.
    for (int file = 0; file < FILES; file++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            if (has_page(fixture, file, page)) {
                spoil(fixture, file, page);
            }
        }
    }
    cs_slot length = fixture->twin->length;
    assert_int_equal(assert_recovers(fixture, 3), length);
}

static void what_rots_while_the_log_is_open_is_lost_and_repaired(void **state)
{
    (void)state;
    for (int file = 0; file < FILES; file++) {
        for (uint64_t page = 1; page < PAGES; page++) {
            struct log_fixture *fixture = new_log();
            log_fixture_open(fixture);
            if (!has_page(fixture, file, page)) {
                end_log(fixture);
                continue;
            }
            spoil(fixture, file, page);
            cs_slot next = 1;
            while (next <= fixture->twin->length) {
                struct wal_slice slice = {0};
                assert_int_equal(
                    wal_read(fixture->wal, next, fixture->twin->length, 4, 9999, &slice),
                    WAL_OK);
                for (uint32_t i = 0; i < slice.entry_count; i++, next++) {
                    assert_true(same_chain(slice.entries[i].chain,
                                           twin_chain_at(fixture->twin, next)));
                }
                next = slice.fault.first != 0 ? slice.fault.last + 1 : next;
                wal_slice_fini(&slice);
            }
            repair(fixture, 3);
            log_fixture_assert_log(fixture, 10);
            log_fixture_restart(fixture);
            repair(fixture, 3); // a log that nobody read to its end may still have some
            log_fixture_assert_log(fixture, 10);
            end_log(fixture);
        }
    }
}

/* Slot by slot in blocks of their own: only those that rotted are lost. */
static void of_an_open_log_only_what_rotted_is_lost(void **state)
{
    struct log_fixture *fixture = *state;
    enum { BLOCKS = 9, FIRST = 4, LAST = 6 };
    log_fixture_open(fixture);
    for (int i = 0; i < BLOCKS; i++) {
        log_fixture_append(fixture, 1, 100);
    }
    assert_int_equal(wal_seal(fixture->wal), WAL_OK);
    spoil(fixture, 0, FIRST);
    spoil(fixture, 0, LAST);
    cs_slot length = fixture->twin->length;
    for (cs_slot slot = length; slot > 0; slot--) { // from behind, each with its chain
        struct wal_slice slice = {0};
        assert_int_equal(wal_read(fixture->wal, slot, slot, 1, 99999, &slice), WAL_OK);
        wal_slice_fini(&slice);
    }
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, 2);
    assert_int_equal(count_lost(fixture), 2);
    for (size_t i = 0; i < count; i++) {
        assert_true(faults[i].knows_after);
        assert_true(same_chain(faults[i].after_chain,
                               twin_chain_at(fixture->twin, faults[i].last)));
    }
    repair(fixture, 1);
    log_fixture_assert_log(fixture, 10);
}

static void a_note_keeps_the_watermarks_without_the_superblock(void **state)
{
    struct log_fixture *fixture = *state;
    write_log(fixture);
    log_fixture_open(fixture);
    uint64_t sequence = fixture->wal->superblock.sequence;
    struct paxos_persist record = {.kind = PAXOS_PERSIST_NOTE};
    fixture->twin->watermarks[2].boot = 77;
    fixture->twin->watermarks[2].block = 7777;
    wal_pack_record(&fixture->records, &record, NULL, NULL, &fixture->twin->config,
                    fixture->twin->watermarks);
    log_fixture_commit(fixture);
    assert_int_equal(fixture->wal->superblock.sequence, sequence);
    log_fixture_crash(fixture);
    log_fixture_assert_recovered(fixture);
}

/* ---- reads that fail --------------------------------------------------------------- */

enum shape {
    SOUND,
    ONE_BLOCK,
    ONE_HEADER,
    TORN_END,
    ONLY_LAST_WORDS,
    LARGE,        // one segment, read in several pieces
    LARGE_ROTTEN, // ... whose first pieces do not hash
    SHAPES
};

enum { LARGE_BYTES = 4 * 1024 * 1024, LARGE_BLOCKS = 200, LARGE_ROTTEN_PAGES = 300 };

static struct log_fixture *new_large_log(void)
{
    void *state = NULL;
    assert_int_equal(log_fixture_set_up(&state), 0);
    struct log_fixture *fixture = state;
    fixture->settings.segment_bytes = LARGE_BYTES;
    fixture->settings.ready_segments = 1;
    log_fixture_open(fixture);
    for (int i = 0; i < LARGE_BLOCKS; i++) {
        twin_decide(fixture->twin, fixture->twin->length);
        log_fixture_append(fixture, 2, 4500);
    }
    log_fixture_promise(fixture);
    wal_close(&fixture->wal);
    return fixture;
}

static void spoil_as(struct log_fixture *fixture, enum shape shape)
{
    for (int file = 0; file < FILES; file++) {
        for (uint64_t page = 0; page < PAGES; page++) {
            bool is_meant = (shape == ONE_BLOCK && file == 1 && page == 3) ||
                            (shape == ONE_HEADER && file == 1 && page == 0) ||
                            (shape == TORN_END && file == 3 && page > 1) ||
                            (shape == ONLY_LAST_WORDS && (file > 0 || page > 4));
            if (is_meant && has_page(fixture, file, page)) {
                spoil(fixture, file, page);
            }
        }
    }
    for (uint64_t page = 1; shape == LARGE_ROTTEN && page < LARGE_ROTTEN_PAGES; page++) {
        spoil(fixture, 0, page);
    }
}

/* The read, or opening of a file, after `calls` others fails. False: there is none. */
static bool fail_one_call(enum shape shape, enum sim_disk_call call, uint64_t calls)
{
    struct log_fixture *fixture = shape >= LARGE ? new_large_log() : new_log();
    spoil_as(fixture, shape);
    sim_disk_fail_next(fixture->disk, call, calls, EIO);
    enum wal_status status = log_fixture_try_open(fixture);
    bool has_failed = sim_disk_has_failed(fixture->disk);
    if (status != WAL_OK) {
        assert_true(has_failed);
        assert_non_null(strstr(fixture->recovery.sentence, "cannot"));
        log_fixture_restart(fixture); // nothing was changed
    }
    log_fixture_assert_recovered(fixture);
    if (has_failed) { // else it would strike now
        assert_faults_are_true(fixture);
    }
    end_log(fixture);
    return has_failed;
}

static void a_call_that_fails_while_opening_loses_nothing(void **state)
{
    (void)state;
    static const enum sim_disk_call CALLS[] = {SIM_DISK_READ, SIM_DISK_OPEN,
                                               SIM_DISK_SIZE};
    for (int shape = 0; shape < SHAPES; shape++) {
        for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
            uint64_t calls = 0;
            while (fail_one_call((enum shape)shape, CALLS[i], calls)) {
                calls++;
            }
            assert_true(calls >= 3);
        }
    }
}

static void a_read_that_fails_says_so_and_can_be_tried_again(void **state)
{
    struct log_fixture *fixture = *state;
    write_log(fixture);
    for (cs_slot slot = 1; slot <= fixture->twin->length; slot++) {
        for (uint64_t calls = 0; calls < 2; calls++) {
            log_fixture_restart(fixture);
            sim_disk_fail_next(fixture->disk, SIM_DISK_READ, calls, EIO);
            struct wal_slice slice = {0};
            enum wal_status status = wal_read(fixture->wal, slot, slot, 1, 1, &slice);
            wal_slice_fini(&slice);
            assert_int_equal(status,
                             sim_disk_has_failed(fixture->disk) ? WAL_DAMAGED : WAL_OK);
            assert_int_equal(count_lost(fixture), 0);
            sim_disk_restart(fixture->disk); // a fault that did not strike is gone
        }
    }
    log_fixture_assert_log(fixture, 10);
}

/* Two pages rot while the log is open; it is read from its end, slot by slot. */
static void what_rots_before_a_slot_that_rots_is_lost_with_it(void **state)
{
    (void)state;
    for (uint64_t page = 1; page + 1 < FILES * PAGES; page++) {
        struct log_fixture *fixture = new_log();
        log_fixture_open(fixture);
        for (uint64_t at = page; at <= page + 1; at++) {
            if (has_page(fixture, (int)(at / PAGES), at % PAGES)) {
                spoil(fixture, (int)(at / PAGES), at % PAGES);
            }
        }
        for (cs_slot slot = fixture->twin->length; slot > 0; slot--) {
            struct wal_slice slice = {0};
            assert_int_equal(wal_read(fixture->wal, slot, slot, 1, 1, &slice), WAL_OK);
            assert_true(slice.entry_count == 1 || slice.fault.first != 0);
            wal_slice_fini(&slice);
        }
        repair(fixture, 3);
        log_fixture_assert_log(fixture, 10);
        end_log(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_page_of_a_log_may_rot),
        cmocka_unit_test(any_page_of_a_log_may_read_as_zeros),
        cmocka_unit_test(any_run_of_pages_of_a_log_may_rot),
        cmocka_unit_test(any_two_pages_of_a_log_may_rot),
        cmocka_unit_test(a_block_in_another_ones_place_is_damage),
        cmocka_unit_test(what_rots_while_the_log_is_open_is_lost_and_repaired),
        cmocka_unit_test(a_call_that_fails_while_opening_loses_nothing),
        cmocka_unit_test(what_rots_before_a_slot_that_rots_is_lost_with_it),
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(a_sound_block_between_copies_is_not_lost),
        TEST(of_an_open_log_only_what_rotted_is_lost),
        TEST(a_place_is_told_with_file_offset_and_blocks),
        TEST(a_damaged_promise_at_the_end_is_told_by_the_superblock),
        TEST(a_torn_last_block_is_no_damage),
        TEST(with_all_gone_but_the_last_words_everything_is_lost_and_known),
        TEST(a_read_that_fails_says_so_and_can_be_tried_again),
        TEST(a_note_keeps_the_watermarks_without_the_superblock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
