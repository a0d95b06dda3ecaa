/* tracker/swarm_mix.h - seeded mixing for hash tables, not for security (private).
 *
 * The seed is secret, so that nobody who picks peer ids or infohashes can aim at one slot.
 * 64 bits: the finaliser of splitmix64 (Steele, Lea, Flood 2014), chained over the words.
 * 32 bits: the finaliser of MurmurHash3 (Appleby), a bijection: different users never collide.
 */
#ifndef PBTS_TRACKER_SWARM_MIX_H
#define PBTS_TRACKER_SWARM_MIX_H

#include <stdint.h>
#include <string.h>

static inline uint64_t pbts_swarm_mix64(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline uint32_t pbts_swarm_mix32(uint32_t z) {
    z = (z ^ (z >> 16)) * 0x85EBCA6Bu;
    z = (z ^ (z >> 13)) * 0xC2B2AE35u;
    return z ^ (z >> 16);
}

/* An infohash or a peer id. */
static inline uint64_t pbts_swarm_mix20(uint64_t seed, const uint8_t bytes[static 20]) {
    uint64_t a, b;
    uint32_t c;
    memcpy(&a, bytes, 8);
    memcpy(&b, bytes + 8, 8);
    memcpy(&c, bytes + 16, 4);
    uint64_t hash = pbts_swarm_mix64(seed ^ a);
    hash = pbts_swarm_mix64(hash + 0x9E3779B97F4A7C15u + b);
    return pbts_swarm_mix64(hash + 0x9E3779B97F4A7C15u + c);
}

#endif
