/* bls/bls_bench.h - private: the parts of a pairing one by one, for measuring them. Not for use
 * in any check. */
#ifndef PBTS_BLS_BLS_BENCH_H
#define PBTS_BLS_BLS_BENCH_H

#include "bls/bls.h"

typedef struct {
    pbts_bls_public_point key;
    _Alignas(16) uint8_t point[96];   /* affine G1 */
    _Alignas(16) uint8_t result[576]; /* element of the target field */
} pbts_bls_bench;

/* Ready for a Miller loop of `point`, not the sum of nothing, with `key`. */
void pbts_bls_bench_init(pbts_bls_bench *bench, const pbts_bls_public_point *key,
                         const pbts_bls_g1_point *point);
void pbts_bls_bench_miller_loop(pbts_bls_bench *bench);
void pbts_bls_bench_final_exp(pbts_bls_bench *bench); /* of the last result */

#endif
