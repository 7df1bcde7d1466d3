/*
 * random.h - chance from a seed: xoshiro256**, one stream for each purpose, so that one
 * more draw in one purpose does not shift the others.
 *
 * Source: Blackman & Vigna, "Scrambled linear pseudorandom number generators" (2021).
 *
 * Thread: any; a stream belongs to its caller.
 */
#ifndef CONSENS_TESTS_SIM_RANDOM_H
#define CONSENS_TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* Stream `purpose` of `seed`: streams of different purposes are unrelated. */
void random_init(struct random *random, uint64_t seed, uint64_t purpose);
uint64_t random_draw(struct random *random);
/* 0 .. below - 1; below >= 1. */
uint64_t random_below(struct random *random, uint64_t below);
/* low .. high, both included. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);
/* low .. high with small ones more frequent: the logarithm is even. low >= 1. */
uint64_t random_skewed(struct random *random, uint64_t low, uint64_t high);
/* True in `count` of 1000. */
bool random_permille(struct random *random, uint32_t count);

#endif
