/*
 * Damaged logs (PAXOS 4.2): whichever block of a log is spoiled, opening finds the state
 * exactly as it was, names the slots that are lost and what they must hash to; once they
 * are written anew the log is whole, also for the next start.
 */
#include "unit/support/damaged_log.h"

#include "wal/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = DAMAGED_LOG_PAGE_BYTES, PAGES = DAMAGED_LOG_PAGES };

/*
 * Opens the damaged log, repairs it, and opens it twice more. Answers how many slots were
 * lost.
 */
static uint64_t assert_recovers(struct log_fixture *fixture, uint32_t piece)
{
    log_fixture_open(fixture);
    log_fixture_assert_recovered(fixture);
    damaged_log_assert_faults_are_true(fixture);
    uint64_t lost = damaged_log_count_lost(fixture);
    damaged_log_repair(fixture, piece);
    for (int i = 0; i < 2; i++) {
        log_fixture_restart(fixture);
        assert_int_equal(fixture->recovery.fault_count, 0);
        log_fixture_assert_recovered(fixture);
        log_fixture_assert_log(fixture, 7);
        log_fixture_append(fixture, 1, 100); // and it goes on
    }
    return lost;
}

static void copy_page(struct log_fixture *fixture, uint64_t from, uint64_t to)
{
    uint8_t bytes[PAGE];
    damaged_log_read_page(fixture, from, bytes);
    damaged_log_write_page(fixture, to, bytes);
}

static void any_page_of_a_log_may_rot(void **state)
{
    (void)state;
    uint32_t lost = 0;
    uint32_t pages = 0;
    for (uint64_t page = 0; page < PAGES; page++) {
        struct log_fixture *fixture = damaged_log_new();
        if (damaged_log_spoil_written(fixture, page, 1) > 0) {
            lost += assert_recovers(fixture, 2) > 0;
            pages++;
        }
        log_fixture_destroy(&fixture);
    }
    assert_true(pages > 40);
    assert_true(lost > pages / 3);
}

static void any_page_of_a_log_may_read_as_zeros(void **state)
{
    (void)state;
    static const uint8_t ZEROS[PAGE];
    for (uint64_t page = 0; page < PAGES; page++) {
        struct log_fixture *fixture = damaged_log_new();
        if (damaged_log_has_page(fixture, page)) {
            damaged_log_write_page(fixture, page, ZEROS);
            (void)assert_recovers(fixture, 100);
        }
        log_fixture_destroy(&fixture);
    }
}

static void any_run_of_pages_of_a_log_may_rot(void **state)
{
    (void)state;
    for (uint64_t from = 0; from < PAGES; from++) {
        for (uint64_t count = 2; count <= 33; count = count * 2 - 1) {
            struct log_fixture *fixture = damaged_log_new();
            (void)damaged_log_spoil_written(fixture, from, count);
            (void)assert_recovers(fixture, 3);
            log_fixture_destroy(&fixture);
        }
    }
}

static void any_two_pages_of_a_log_may_rot(void **state)
{
    (void)state;
    for (uint64_t left = 0; left < PAGES; left++) {
        for (uint64_t right = left + 2; right < PAGES; right += 3) {
            struct log_fixture *fixture = damaged_log_new();
            if (damaged_log_has_page(fixture, left) &&
                damaged_log_has_page(fixture, right)) {
                damaged_log_spoil(fixture, left);
                damaged_log_spoil(fixture, right);
                (void)assert_recovers(fixture, 4);
            }
            log_fixture_destroy(&fixture);
        }
    }
}

/* A write that went to a wrong place: sound there, and not what belongs there. */
static void a_block_in_another_ones_place_is_damage(void **state)
{
    (void)state;
    for (uint64_t from = 1; from < DAMAGED_LOG_FILE_PAGES; from++) {
        for (uint64_t to = 1; to < DAMAGED_LOG_FILE_PAGES; to += 2) {
            struct log_fixture *fixture = damaged_log_new();
            copy_page(fixture, from, to);
            assert_true(assert_recovers(fixture, 5) <= 8); // of two blocks
            log_fixture_destroy(&fixture);
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
    copy_page(fixture, COPIED, FIRST);
    copy_page(fixture, COPIED, FIRST + 2);
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
    damaged_log_spoil(fixture, 3); // block 3: two pages
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
    damaged_log_spoil(fixture, 3);
    assert_int_equal(assert_recovers(fixture, 1), 0);
}

/*
 * From the last promise on nothing hashes any more. The superblock tells of the promise, and
 * nobody of the blocks behind it. Peers remember that there were some (G2): one node alone
 * has to refuse, as often as it is started.
 */
static void an_end_that_nobody_remembers_is_refused(void **state)
{
    (void)state;
    enum { PROMISE = 2, APPENDS = 3 };
    for (int behind = 0; behind <= APPENDS + 1; behind++) {
        struct log_fixture *fixture = log_fixture_new();
        log_fixture_open(fixture);
        log_fixture_promise(fixture);
        uint64_t floor = fixture->wal->block;
        for (int i = 0; i < APPENDS && i < behind; i++) {
            log_fixture_append(fixture, 1, 100);
        }
        if (behind > APPENDS) {
            assert_int_equal(wal_seal(fixture->wal), WAL_OK);
        }
        wal_close(&fixture->wal);
        assert_int_equal(damaged_log_spoil_written(fixture, PROMISE, PAGES), 1 + behind);
        fixture->settings.is_alone = true;
        for (int start = 0; start < 2 && behind > 0; start++) {
            assert_int_equal(log_fixture_try_open(fixture), WAL_DAMAGED);
            assert_non_null(strstr(fixture->recovery.sentence, "log-0000000001"));
            assert_non_null(strstr(fixture->recovery.sentence, "offset 8192"));
            assert_non_null(strstr(fixture->recovery.sentence, "no others"));
        }
        fixture->settings.is_alone = behind == 0;
        log_fixture_open(fixture);
        // What peers were told of blocks behind it was more: they will say so.
        assert_int_equal(fixture->recovery.core.block, floor);
        assert_int_equal(fixture->recovery.core.length, 0);
        assert_int_equal(fixture->recovery.damaged_places, 1);
        log_fixture_destroy(&fixture);
    }
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
    damaged_log_spoil(fixture, 3);
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
    damaged_log_write(fixture);
    // The place of the last block is known; what it said is in the superblock.
    (void)damaged_log_spoil_written(fixture, 0, PAGES);
    cs_slot length = fixture->twin->length;
    assert_int_equal(assert_recovers(fixture, 3), length);
}

static void a_note_keeps_the_watermarks_without_the_superblock(void **state)
{
    struct log_fixture *fixture = *state;
    damaged_log_write(fixture);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_page_of_a_log_may_rot),
        cmocka_unit_test(any_page_of_a_log_may_read_as_zeros),
        cmocka_unit_test(any_run_of_pages_of_a_log_may_rot),
        cmocka_unit_test(any_two_pages_of_a_log_may_rot),
        cmocka_unit_test(a_block_in_another_ones_place_is_damage),
        cmocka_unit_test(an_end_that_nobody_remembers_is_refused),
#define TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, log_fixture_set_up, log_fixture_tear_down)
        TEST(a_sound_block_between_copies_is_not_lost),
        TEST(a_place_is_told_with_file_offset_and_blocks),
        TEST(a_damaged_promise_at_the_end_is_told_by_the_superblock),
        TEST(a_torn_last_block_is_no_damage),
        TEST(with_all_gone_but_the_last_words_everything_is_lost_and_known),
        TEST(a_note_keeps_the_watermarks_without_the_superblock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
