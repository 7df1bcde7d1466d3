#include "base/digest.h"

// XXH3 lies in the inlined part of the header; only these two entry points are ours.
#define XXH_INLINE_ALL
#include <xxhash.h>

struct cs_digest digest_128(const void *data, size_t bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(data, bytes, seed);
    struct cs_digest digest = {.high = hash.high64, .low = hash.low64};
    return digest;
}

uint64_t digest_64(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}
