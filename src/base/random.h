/* base/random.h - randomness behind a seam: the system's for keys, a seeded stream for samples.
 *
 * pbts_random is for secrets and nonces. pbts_prng is fast, not cryptographic: peer sampling,
 * jitter, hash-table seeds of tests; seed it from pbts_random in programs.
 */
#ifndef PBTS_BASE_RANDOM_H
#define PBTS_BASE_RANDOM_H

#include <stdint.h>

#include "base/cursor.h"

typedef struct pbts_random {
    pbts_status (*fill)(struct pbts_random *, uint8_t *out, size_t len); /* PBTS_OK or PBTS_IO */
} pbts_random;

pbts_random *pbts_random_system(void); /* getrandom(2); stateless, usable from any thread */
PBTS_MUST_USE pbts_status pbts_random_fill(pbts_random *random, uint8_t *out, size_t len);

typedef struct {
    uint64_t state;
} pbts_prng;

pbts_prng pbts_prng_seeded(uint64_t seed);
uint64_t pbts_prng_next(pbts_prng *prng);
/* Uniform in [0, bound); bound > 0. Bias below 2^-32 for bound < 2^32. */
uint32_t pbts_prng_below(pbts_prng *prng, uint32_t bound);

#endif
