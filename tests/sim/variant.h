/*
 * variant.h - a seed's world made smaller: what the flags of the command take away from
 * what the seed has drawn. The shrinker looks for the smallest variant that still fails;
 * the same flags replay it.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_SIM_VARIANT_H
#define CONSENS_TESTS_SIM_VARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct swarm;

enum calm { // troubles of every frame and turn that can be left out
    CALM_LOSS = 0,
    CALM_DUPLICATES,
    CALM_REPLAYS,
    CALM_CORRUPTION,
    CALM_SPIKES,
    CALM_JITTER, // also of the disk, and delays of turns
    CALM_KINDS,
};

/* All zero: the world as drawn. No padding, so that two can be compared by their bytes. */
struct variant {
    uint64_t salt;            // other chance in the same world; 0: the seed's own
    uint64_t safety_ms;       // of the first phase; 0: as ever
    uint64_t points_off;      // buggify points left out, a bit each
    uint64_t faults_off;      // kinds of faults left out, a bit each
    uint32_t node_count;      // 0: as drawn
    uint32_t client_count;    // 0: as drawn
    uint32_t operation_count; // clients stop after so many; 0: as ever
    uint32_t calm;            // troubles left out, a bit each
    uint32_t fault_first;     // strikes before this one are left out; from 1
    uint32_t fault_last;      // ... and after this one; 0: none is
};

bool variant_is_whole(const struct variant *variant);
/* Takes away from what was drawn. */
void variant_apply(const struct variant *variant, struct swarm *swarm);
bool variant_keeps_strike(const struct variant *variant, uint32_t number);

/* One flag of the command and its value. False: it is none of these, or nonsense. */
bool variant_parse(struct variant *variant, const char *flag, const char *value);
/* The flags that make it, each after a space; "" for the whole world. */
void variant_print(const struct variant *variant, char *text, size_t bytes);

#endif
