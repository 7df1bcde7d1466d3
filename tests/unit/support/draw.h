/*
 * draw.h - seeded chance for unit tests (splitmix64): the state is one integer.
 *
 * Operands and initialisers have no order in C: each draw has a statement of its own, so
 * that a seed means the same with every compiler.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_DRAW_H
#define CONSENS_TESTS_UNIT_SUPPORT_DRAW_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t draw(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t bits = *seed;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

/* Every number of bits is as likely as any other. */
static inline uint64_t draw_any_width(uint64_t *seed)
{
    uint64_t shift = draw(seed) % 64;
    return draw(seed) >> shift;
}

static inline uint32_t draw_below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)(draw(seed) % bound);
}

static inline void draw_bytes(uint64_t *seed, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)draw(seed);
    }
}

#endif
