/* bls/threshold.h - what secrets shared by polynomials need: scalars modulo the groups' order r,
 * products of points, values of polynomials in G2, Lagrange's interpolation at zero.
 *
 * A polynomial f of degree t - 1 has t coefficients, the lowest power first; share x is f(x), x in
 * 1..255, and any t shares give f(0). The same sums hold for points f(x)·P (Feldman).
 * What takes a pbts_bls_secret does not branch or index on it; indices are public.
 * Source: Shamir 1979; Feldman 1987; RFC 9591 section 4.2 (the coefficients of Lagrange).
 */
#ifndef PBTS_BLS_THRESHOLD_H
#define PBTS_BLS_THRESHOLD_H

#include "bls/bls.h"

enum {
    PBTS_BLS_SHARES_MAX = 64, /* points in one interpolation */
};

/* ---- scalars: 1..r-1, so what comes out as 0 is PBTS_MALFORMED (as likely as guessing a key) ----
 */

/* 64 uniform bytes modulo r: the bias is below 2^-250. */
PBTS_MUST_USE pbts_status pbts_bls_secret_of_wide(pbts_bls_secret *out,
                                                  const uint8_t wide[static 64]);
PBTS_MUST_USE pbts_status pbts_bls_secret_add(pbts_bls_secret *sum, const pbts_bls_secret *more);
/* out = a · x; x > 0. */
void pbts_bls_secret_times(pbts_bls_secret *out, const pbts_bls_secret *a, uint8_t x);
/* f(x) for `count` > 0 coefficients; x > 0. `out` is none of them. */
PBTS_MUST_USE pbts_status pbts_bls_polynomial_at(pbts_bls_secret *out,
                                                 const pbts_bls_secret *coefficients, size_t count,
                                                 uint8_t x);

/* ---- points ---- */

void pbts_bls_g1_generator(pbts_bls_g1_point *out);
/* out = secret · point; `out` may be `point`. */
void pbts_bls_g1_times(pbts_bls_g1_point *out, const pbts_bls_g1_point *point,
                       const pbts_bls_secret *secret);
void pbts_bls_public_point_of(pbts_bls_public_point *out, const pbts_bls_secret *secret);
bool pbts_bls_public_equal(const pbts_bls_public_point *a, const pbts_bls_public_point *b);
/* These are PBTS_MALFORMED when the result is infinity, which no pbts_bls_public_point may be. */
PBTS_MUST_USE pbts_status pbts_bls_public_add(pbts_bls_public_point *sum,
                                              const pbts_bls_public_point *more);
PBTS_MUST_USE pbts_status pbts_bls_public_times(pbts_bls_public_point *out,
                                                const pbts_bls_public_point *point, uint8_t x);
/* f(x) in G2, from the coefficients there; count > 0, x > 0. */
PBTS_MUST_USE pbts_status pbts_bls_public_at(pbts_bls_public_point *out,
                                             const pbts_bls_public_point *coefficients,
                                             size_t count, uint8_t x);

/* ---- interpolation at zero; `xs` are all different and not 0, 1..PBTS_BLS_SHARES_MAX of them ----
 */

void pbts_bls_g1_interpolate(pbts_bls_g1_point *out, const pbts_bls_g1_point *points,
                             const uint8_t *xs, size_t count);
/* PBTS_MALFORMED: the result is infinity. */
PBTS_MUST_USE pbts_status pbts_bls_public_interpolate(pbts_bls_public_point *out,
                                                      const pbts_bls_public_point *points,
                                                      const uint8_t *xs, size_t count);

#endif
