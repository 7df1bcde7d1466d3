#include "sim/random.h"

#include "base/check.h"

static uint64_t splitmix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t bits = *state;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

void random_init(struct random *random, uint64_t seed, uint64_t purpose)
{
    uint64_t state = seed * 0xd1342543de82ef95u + purpose;
    state = splitmix(&state) ^ purpose;
    for (int i = 0; i < 4; i++) {
        random->state[i] = splitmix(&state);
    }
}

static uint64_t rotate_left(uint64_t bits, unsigned by)
{
    return (bits << by) | (bits >> (64 - by));
}

uint64_t random_draw(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t below)
{
    CHECK(below >= 1);
    // The bias of the remainder is below 2^-32 for the ranges used here.
    return random_draw(random) % below;
}

uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
    CHECK(low <= high);
    return low + random_below(random, high - low + 1);
}

static unsigned bits_of(uint64_t value)
{
    unsigned bits = 0;
    while (value >> bits != 0) {
        bits++;
    }
    return bits;
}

uint64_t random_skewed(struct random *random, uint64_t low, uint64_t high)
{
    CHECK(low >= 1);
    CHECK(low <= high);
    // Draw the number of bits, then a number of that many; no floating point, so that
    // every machine draws the same.
    unsigned bits = (unsigned)random_between(random, bits_of(low), bits_of(high));
    uint64_t from = (uint64_t)1 << (bits - 1);
    uint64_t to = from * 2 - 1;
    from = from < low ? low : from;
    to = to > high ? high : to;
    return random_between(random, from, to);
}

bool random_permille(struct random *random, uint32_t count)
{
    return count != 0 && random_below(random, 1000) < count;
}
