/*
 * chance.h - numbers from a seed, uniform and by Zipf's law.
 *
 * Source: Hörmann & Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions" (1996): exact for any exponent above 0, no table.
 *
 * Thread: any; a generator belongs to its caller.
 */
#ifndef CONSENS_LOADTEST_CHANCE_H
#define CONSENS_LOADTEST_CHANCE_H

#include <stdint.h>

struct chance {
    uint64_t state;
};

struct chance chance_from(uint64_t seed);
uint64_t chance_draw(struct chance *chance);
/* 0 .. bound - 1; bound > 0. */
uint64_t chance_below(struct chance *chance, uint64_t bound);
/* In (0, 1). */
double chance_fraction(struct chance *chance);

struct zipf { // rank k of 1..count has probability proportional to k^-exponent
    uint64_t count;
    double exponent;
    double first; // the integral's ends, as the paper calls them H(x1) - 1 and H(n)
    double last;
    double shortcut; // s: no need to look at the density
};

/* count >= 1, exponent > 0. */
struct zipf zipf_over(uint64_t count, double exponent);
/* 0 is the most frequent. */
uint64_t zipf_draw(const struct zipf *zipf, struct chance *chance);

#endif
