/* bls/points.h - what the opaque bytes of points are: blst's own structures. No arithmetic on them
 * happens outside blst. Private. */
#ifndef PBTS_BLS_POINTS_H
#define PBTS_BLS_POINTS_H

#include <blst.h>

#include "base/assert.h"
#include "bls/bls.h"

static_assert(sizeof(pbts_bls_g1_point) == sizeof(blst_p1), "a G1 point holds a blst_p1");
static_assert(sizeof(pbts_bls_public_point) == sizeof(blst_p2_affine), "a key holds a G2 point");
static_assert(_Alignof(pbts_bls_g1_point) >= _Alignof(blst_p1), "aligned for blst");
static_assert(_Alignof(pbts_bls_public_point) >= _Alignof(blst_p2_affine), "aligned for blst");

static inline blst_p1 *g1(pbts_bls_g1_point *point) {
    return (blst_p1 *)(void *)point->opaque;
}
static inline const blst_p1 *g1_const(const pbts_bls_g1_point *point) {
    return (const blst_p1 *)(const void *)point->opaque;
}
static inline blst_p2_affine *g2(pbts_bls_public_point *point) {
    return (blst_p2_affine *)(void *)point->opaque;
}
static inline const blst_p2_affine *g2_const(const pbts_bls_public_point *point) {
    return (const blst_p2_affine *)(const void *)point->opaque;
}

#endif
