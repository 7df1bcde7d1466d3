/*
 * Blocks that hash and yet cannot be later states of their log: a mistake of our own, or
 * somebody's hand, wrote them. Opening takes them for damage, alone and behind damage, and
 * finds the state that the sound blocks tell.
 */
#include "support/log_fixture.h"

#include "wal/block.h"
#include "wal/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGE = FILES_ALIGN_BYTES,
    PAGES = LOG_FIXTURE_SEGMENT_BYTES / PAGE,
    FIRST_FORGED = 5, // blocks before and behind it tell the state
};

static const char LOG[] = "log-0000000001";

static void lower_promised(struct block_header *header)
{
    header->promised.round = 0;
}
static void lower_accepted(struct block_header *header)
{
    header->accepted.round = 0;
}
static void decide_too_much(struct block_header *header)
{
    header->decided = header->length + 1;
}
static void shorten(struct block_header *header)
{
    header->length = 0;
}
static void begin_shorter(struct block_header *header)
{
    header->length_before = header->length_before == 0 ? 9 : 0;
}
static void other_chain(struct block_header *header)
{
    header->chain.low ^= 1;
}
static void other_begin(struct block_header *header)
{
    header->chain_before.low ^= 1;
}
static void other_previous(struct block_header *header)
{
    header->previous.low ^= 1;
}
static void later_number(struct block_header *header)
{
    header->number += 1000;
}
static void other_token(struct block_header *header)
{
    header->token ^= 1;
}
static void other_cuts(struct block_header *header)
{
    header->cut_count = header->cut_count > 0 ? 0 : 7;
}
static void more_records(struct block_header *header)
{
    header->record_count++;
}

typedef void forge(struct block_header *header);
static forge *const FORGERIES[] = {
    lower_promised, lower_accepted, decide_too_much, shorten,
    begin_shorter,  other_chain,    other_begin,     other_previous,
    other_token,    other_cuts,     more_records,
    later_number, // the last: behind damage nothing contradicts it
};
enum {
    FORGERY_COUNT = sizeof FORGERIES / sizeof *FORGERIES,
    CONTRADICTED_COUNT = FORGERY_COUNT - 1,
};

static void write_log(struct log_fixture *fixture, uint64_t *out_seed)
{
    log_fixture_open(fixture);
    twin_configure(fixture->twin, &fixture->records);
    twin_promise(fixture->twin, &fixture->records);
    log_fixture_commit(fixture);
    twin_sync(fixture->twin, 1, 2, 50, &fixture->records);
    log_fixture_commit(fixture);
    for (int round = 0; round < 3; round++) {
        log_fixture_append(fixture, 2, 200);
        assert_int_equal(wal_seal(fixture->wal), WAL_OK); // says all by its header alone
        twin_decide(fixture->twin, fixture->twin->length - 1);
        log_fixture_promise(fixture);
        twin_sync(fixture->twin, fixture->twin->length, 2, 100, &fixture->records);
        log_fixture_commit(fixture);
    }
    log_fixture_append(fixture, 2, 200);
    *out_seed = fixture->wal->seeds[0];
    wal_close(&fixture->wal);
}

static void
forge_page(struct log_fixture *fixture, uint64_t page, uint64_t seed, forge *change)
{
    _Alignas(8) uint8_t bytes[PAGE];
    struct block_header header = {0};
    assert_true(sim_disk_read_media(fixture->disk, LOG, page * PAGE, bytes, PAGE));
    assert_true(block_unpack(view_of(bytes, PAGE), seed, page * PAGE, &header));
    change(&header);
    block_pack(bytes, &header, seed, page * PAGE);
    assert_true(sim_disk_overwrite(fixture->disk, LOG, page * PAGE, bytes, PAGE));
}

static void spoil(struct log_fixture *fixture, uint64_t page)
{
    static const uint8_t WRONG[64] = {7};
    assert_true(
        sim_disk_overwrite(fixture->disk, LOG, page * PAGE + 8, WRONG, sizeof WRONG));
}

static bool is_block(const struct log_fixture *fixture, uint64_t page)
{
    uint8_t bytes[PAGE];
    size_t disk_bytes = 0;
    return page < PAGES &&
           sim_disk_read_media(fixture->disk, LOG, page * PAGE, bytes, PAGE) &&
           block_peek(bytes, &disk_bytes);
}

/*
 * `is_behind_damage`: the block before it is spoiled. False: nothing sound would be left
 * behind it, and so the end of the log is the superblock's to tell.
 */
static bool try_forgery(uint64_t page, forge *change, bool is_behind_damage)
{
    uint64_t seed = 0;
    struct log_fixture *fixture = log_fixture_new();
    write_log(fixture, &seed);
    bool goes_on = is_block(fixture, page + 2);
    forge_page(fixture, page, seed, change);
    if (is_behind_damage) {
        spoil(fixture, page - 1);
    }
    log_fixture_open(fixture);
    if (goes_on) {
        log_fixture_assert_recovered(fixture);
        assert_true(fixture->recovery.damaged_places > 0);
    }
    log_fixture_destroy(&fixture);
    return goes_on;
}

static void a_forged_block_is_damage(void **state)
{
    (void)state;
    for (int i = 0; i < FORGERY_COUNT; i++) {
        for (uint64_t page = FIRST_FORGED; try_forgery(page, FORGERIES[i], false);
             page++) {
        }
    }
}

static void a_forged_block_behind_damage_is_not_gone_on_from(void **state)
{
    (void)state;
    for (int i = 0; i < CONTRADICTED_COUNT; i++) {
        for (uint64_t page = FIRST_FORGED; try_forgery(page, FORGERIES[i], true);
             page++) {
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_block_is_damage),
        cmocka_unit_test(a_forged_block_behind_damage_is_not_gone_on_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
