/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

static pbts_status system_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return PBTS_IO;
        out += got;
        len -= (size_t)got;
    }
    return PBTS_OK;
}

pbts_random *pbts_random_system(void) {
    /* As pbts_mem_system: stateless, so it can be constant. */
    static const pbts_random system_random = { system_fill };
    return (pbts_random *)&system_random;
}

pbts_status pbts_random_fill(pbts_random *random, uint8_t *out, size_t len) {
    return random->fill(random, out, len);
}

pbts_prng pbts_prng_seeded(uint64_t seed) {
    return (pbts_prng){ .state = seed };
}

uint64_t pbts_prng_next(pbts_prng *prng) {
    uint64_t z = (prng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t pbts_prng_below(pbts_prng *prng, uint32_t bound) {
    assert(bound > 0);
    return (uint32_t)(((pbts_prng_next(prng) >> 32) * bound) >> 32);
}
