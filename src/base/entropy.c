#define _GNU_SOURCE
#include "base/entropy.h"

#include "base/check.h"

#include <sys/random.h>

uint64_t entropy_draw_u64(void)
{
    uint64_t value = 0;
    while (value == 0) {
        CHECK(getrandom(&value, sizeof value, 0) == (ssize_t)sizeof value);
    }
    return value;
}
