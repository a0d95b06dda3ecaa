#include "bls/bls_bench.h"

#include "bls/points.h"

static_assert(sizeof(blst_p1_affine) == sizeof((pbts_bls_bench){ 0 }.point), "affine G1");
static_assert(sizeof(blst_fp12) == sizeof((pbts_bls_bench){ 0 }.result), "target field");

void pbts_bls_bench_init(pbts_bls_bench *bench, const pbts_bls_public_point *key,
                         const pbts_bls_g1_point *point) {
    bench->key = *key;
    blst_p1_to_affine((blst_p1_affine *)(void *)bench->point, g1_const(point));
    memcpy(bench->result, blst_fp12_one(), sizeof bench->result);
}

void pbts_bls_bench_miller_loop(pbts_bls_bench *bench) {
    blst_miller_loop((blst_fp12 *)(void *)bench->result, g2_const(&bench->key),
                     (const blst_p1_affine *)(const void *)bench->point);
}

void pbts_bls_bench_final_exp(pbts_bls_bench *bench) {
    blst_fp12 *result = (blst_fp12 *)(void *)bench->result;
    blst_final_exp(result, result);
}
