/*
 * digest.h - XXH3 digests of bytes (libxxhash, header only: the core may use it too).
 *
 * Not cryptographic: they find damage and mistakes, not attackers.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_DIGEST_H
#define CONSENS_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct cs_digest {
    uint64_t high;
    uint64_t low;
};

struct cs_digest digest_128(const void *data, size_t bytes, uint64_t seed);
uint64_t digest_64(const void *data, size_t bytes, uint64_t seed);

#endif
