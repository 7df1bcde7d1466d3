#include "http/reserve.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mutant.h"

#include <time.h>

static bool try_to_enter(struct reserve *reserve);

uint32_t reserve_share(const struct reserve *reserve)
{
    uint32_t kept = reserve->threads / RESERVE_PART;
    kept = kept > 0 ? kept : 1;
    return reserve->threads > kept ? reserve->threads - kept : 1;
}

bool reserve_enter(struct reserve *reserve)
{
    uint64_t started_ms = clock_now_ms();
    bool has_entered = try_to_enter(reserve);
    while (!has_entered && clock_now_ms() - started_ms < RESERVE_PATIENCE_MS) {
        const struct timespec pause = {.tv_nsec = 1000000L};
        (void)nanosleep(&pause, NULL);
        has_entered = try_to_enter(reserve);
    }
    return has_entered;
}

void reserve_leave(struct reserve *reserve)
{
    unsigned before = atomic_fetch_sub(&reserve->key_count, 1);
    CHECK(before > 0);
}

void reserve_open_connection(struct reserve *reserve)
{
    (void)atomic_fetch_add(&reserve->connection_count, 1);
}

void reserve_close_connection(struct reserve *reserve)
{
    unsigned before = atomic_fetch_sub(&reserve->connection_count, 1);
    CHECK(before > 0);
}

bool reserve_is_short(const struct reserve *reserve)
{
    return atomic_load(&reserve->connection_count) > reserve_share(reserve) &&
           !MUTANT_IS(342);
}

static bool try_to_enter(struct reserve *reserve)
{
    unsigned before = atomic_fetch_add(&reserve->key_count, 1);
    if (before < reserve_share(reserve) || MUTANT_IS(341)) {
        return true;
    }
    (void)atomic_fetch_sub(&reserve->key_count, 1);
    return false;
}
