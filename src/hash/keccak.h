/* hash/keccak.h - Keccak-256 as Ethereum has it: the sponge of FIPS 202, with the padding from
 * before the standard (one bit 1, not SHA3-256's 01). Constant time in content; no heap. Source:
 * FIPS 202 section 3; the Keccak reference, version 3, section 1.1; Yellow Paper appendix A.
 */
#ifndef PBTS_HASH_KECCAK_H
#define PBTS_HASH_KECCAK_H

#include "base/cursor.h"

enum { PBTS_KECCAK256_LEN = 32, PBTS_KECCAK256_RATE = 136 };

void pbts_keccak256(uint8_t out[static PBTS_KECCAK256_LEN], pbts_span bytes);

/* Hash in parts. The caller's storage. init, update any number of times, final once. */
typedef struct {
    uint64_t lanes[25]; /* lane x of plane y at 5y + x */
    size_t filled;      /* bytes of the block absorbed so far, below PBTS_KECCAK256_RATE */
} pbts_keccak256_state;

void pbts_keccak256_init(pbts_keccak256_state *state);
void pbts_keccak256_update(pbts_keccak256_state *state, pbts_span bytes);
void pbts_keccak256_final(pbts_keccak256_state *state, uint8_t out[static PBTS_KECCAK256_LEN]);

#endif
