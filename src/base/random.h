/* base/random.h - randomness behind a seam: the system's for keys, a seeded stream for samples.
 *
 * pbts_random is for secrets and nonces. pbts_prng is fast, not cryptographic: peer sampling,
 * jitter, hash-table seeds of tests; seed it from pbts_random in programs.
 */
#ifndef PBTS_BASE_RANDOM_H
#define PBTS_BASE_RANDOM_H

#include <stdint.h>

#include "base/assert.h"
#include "base/cursor.h"

typedef struct pbts_random {
    pbts_status (*fill)(struct pbts_random *, uint8_t *out, size_t len); /* PBTS_OK or PBTS_IO */
} pbts_random;

pbts_random *pbts_random_system(void); /* getrandom(2); stateless, usable from any thread */
PBTS_MUST_USE pbts_status pbts_random_fill(pbts_random *random, uint8_t *out, size_t len);

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
typedef struct {
    uint64_t state;
} pbts_prng;

static inline pbts_prng pbts_prng_seeded(uint64_t seed) {
    return (pbts_prng){ .state = seed };
}

static inline uint64_t pbts_prng_next(pbts_prng *prng) {
    uint64_t z = (prng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Uniform in [0, bound); bound > 0. Bias below 2^-32 for bound < 2^32. */
static inline uint32_t pbts_prng_below(pbts_prng *prng, uint32_t bound) {
    assert(bound > 0);
    return (uint32_t)(((pbts_prng_next(prng) >> 32) * bound) >> 32);
}

#endif
