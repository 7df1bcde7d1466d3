#include "unit/support/damaged_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = DAMAGED_LOG_PAGE_BYTES };

/* Where a page lies; segments may be larger than usual. */
struct place {
    char name[FILES_NAME_BYTES];
    uint64_t offset;
};

static struct place place_of(const struct log_fixture *fixture, uint64_t page)
{
    uint64_t file_pages = fixture->settings.segment_bytes / PAGE;
    struct place place = {.offset = page % file_pages * PAGE};
    (void)snprintf(place.name, sizeof place.name, "log-%010llu",
                   (unsigned long long)(page / file_pages + 1));
    return place;
}

void damaged_log_write(struct log_fixture *fixture)
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

struct log_fixture *damaged_log_new(void)
{
    struct log_fixture *fixture = log_fixture_new();
    damaged_log_write(fixture);
    return fixture;
}

bool damaged_log_has_page(const struct log_fixture *fixture, uint64_t page)
{
    struct place place = place_of(fixture, page);
    uint8_t bytes[PAGE];
    if (!sim_disk_read_media(fixture->disk, place.name, place.offset, bytes, PAGE)) {
        return false;
    }
    return bytes[0] != 0 || memcmp(bytes, bytes + 1, PAGE - 1) != 0;
}

void damaged_log_read_page(struct log_fixture *fixture, uint64_t page, uint8_t *out_bytes)
{
    struct place place = place_of(fixture, page);
    assert_true(
        sim_disk_read_media(fixture->disk, place.name, place.offset, out_bytes, PAGE));
}

void damaged_log_write_page(struct log_fixture *fixture,
                            uint64_t page,
                            const uint8_t *bytes)
{
    struct place place = place_of(fixture, page);
    assert_true(sim_disk_overwrite(fixture->disk, place.name, place.offset, bytes, PAGE));
}

void damaged_log_spoil(struct log_fixture *fixture, uint64_t page)
{
    enum { AT = 33 };
    struct place place = place_of(fixture, page);
    uint8_t bytes[PAGE];
    damaged_log_read_page(fixture, page, bytes);
    uint8_t rotten = bytes[AT] ^ 0x40;
    assert_true(
        sim_disk_overwrite(fixture->disk, place.name, place.offset + AT, &rotten, 1));
}

void damaged_log_make_unreadable(struct log_fixture *fixture, uint64_t page)
{
    struct place place = place_of(fixture, page);
    assert_true(sim_disk_make_unreadable(fixture->disk, place.name, place.offset));
}

uint64_t
damaged_log_spoil_written(struct log_fixture *fixture, uint64_t first, uint64_t count)
{
    uint64_t spoiled = 0;
    for (uint64_t page = first; page < first + count; page++) {
        if (damaged_log_has_page(fixture, page)) {
            damaged_log_spoil(fixture, page);
            spoiled++;
        }
    }
    return spoiled;
}

uint64_t damaged_log_count_lost(const struct log_fixture *fixture)
{
    uint64_t lost = 0;
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    for (size_t i = 0; i < count; i++) {
        lost += faults[i].last - faults[i].first + 1;
    }
    return lost;
}

bool damaged_log_is_chain(struct paxos_digest chain,
                          const struct twin *twin,
                          cs_slot slot)
{
    struct paxos_digest expected = twin_chain_at(twin, slot);
    return chain.high == expected.high && chain.low == expected.low;
}

static void assert_slot_is_read(struct log_fixture *fixture, cs_slot slot)
{
    struct wal_slice slice = log_fixture_read(fixture, slot, slot, 1, 1);
    if (slice.entry_count != 1) {
        fail_msg("slot %llu cannot be read: %s", (unsigned long long)slot,
                 wal_error(fixture->wal));
    }
    assert_int_equal(slice.fault.first, 0);
    assert_true(damaged_log_is_chain(slice.entries[0].chain, fixture->twin, slot));
    wal_slice_fini(&slice);
}

static void assert_fault_is_true(struct log_fixture *fixture,
                                 const struct wal_fault *fault)
{
    const struct twin *twin = fixture->twin;
    assert_true(damaged_log_is_chain(fault->before_chain, twin, fault->first - 1));
    assert_true(!fault->knows_after ||
                damaged_log_is_chain(fault->after_chain, twin, fault->last));
    struct wal_slice slice = log_fixture_read(fixture, fault->first, twin->length, 9, 99);
    assert_int_equal(slice.entry_count, 0);
    assert_int_equal(slice.fault.first, fault->first);
    assert_int_equal(slice.fault.last, fault->last);
    wal_slice_fini(&slice);
}

void damaged_log_assert_faults_are_true(struct log_fixture *fixture)
{
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    assert_int_equal(count, fixture->recovery.fault_count);
    cs_slot next = 1;
    for (size_t i = 0; i <= count; i++) {
        cs_slot end = i < count ? faults[i].first : fixture->twin->length + 1;
        for (; next < end; next++) {
            assert_slot_is_read(fixture, next);
        }
        if (i < count) {
            assert_fault_is_true(fixture, &faults[i]);
            next = faults[i].last + 1;
        }
    }
}

void damaged_log_repair(struct log_fixture *fixture, uint32_t piece)
{
    size_t count = 0;
    const struct wal_fault *faults = wal_faults(fixture->wal, &count);
    while (count > 0) {
        cs_slot left = faults[0].last - faults[0].first + 1;
        struct paxos_persist record = {
            .kind = PAXOS_PERSIST_REPAIR,
            .first_slot = faults[0].first,
            .entry_count = left < piece ? (uint32_t)left : piece,
        };
        twin_repair(fixture->twin, &record, &fixture->records);
        struct wal_commit commit = {0};
        assert_int_equal(
            wal_commit(fixture->wal, view_of_buffer(&fixture->records), &commit), WAL_OK);
        fixture->records.bytes = 0;
        faults = wal_faults(fixture->wal, &count);
    }
    log_fixture_assert_log(fixture, 10);
}
