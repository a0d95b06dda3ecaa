/* bls/eip2537.h - points as the precompiles of Ethereum take them.
 *
 * A field element has 64 bytes, big-endian, the highest 16 zero. A G1 point is x ‖ y; a G2 point is
 * x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, where compressed keys and blst have c1 first. Infinity is all zeros;
 * our types have none.
 *
 * Source: EIP-2537. */
#ifndef PBTS_BLS_EIP2537_H
#define PBTS_BLS_EIP2537_H

#include "bls/bls.h"

enum { PBTS_EIP2537_G1_LEN = 128, PBTS_EIP2537_G2_LEN = 256 };

void pbts_eip2537_public(uint8_t out[static PBTS_EIP2537_G2_LEN], const pbts_bls_public_point *key);
void pbts_eip2537_signature(uint8_t out[static PBTS_EIP2537_G1_LEN],
                            const pbts_bls_g1_point *signature);

#endif
