#include "http/reserve.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mutant.h"

#include <time.h>

static bool try_to_enter(struct reserve *reserve);

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
    return atomic_load(&reserve->connection_count) > reserve->share && !MUTANT_IS(342);
}

static bool try_to_enter(struct reserve *reserve)
{
    unsigned count = atomic_load(&reserve->key_count);
    bool is_free = count < reserve->share || MUTANT_IS(341);
    while (is_free &&
           !atomic_compare_exchange_weak(&reserve->key_count, &count, count + 1)) {
        is_free = count < reserve->share || MUTANT_IS(341);
    }
    return is_free;
}
