#include "bls/threshold.h"

#include "base/assert.h"
#include "base/secret.h"
#include "bls/points.h"

enum { SCALAR_BITS = 255 };

static void scalar_read(blst_scalar *out, const pbts_bls_secret *secret) {
    blst_scalar_from_bendian(out, secret->bytes);
}

static void scalar_small(blst_scalar *out, uint8_t x) {
    memset(out, 0, sizeof *out);
    out->b[0] = x; /* blst_scalar is little-endian */
}

static pbts_status scalar_write(pbts_bls_secret *out, blst_scalar *scalar, bool is_good) {
    if (is_good) blst_bendian_from_scalar(out->bytes, scalar);
    pbts_wipe(scalar, sizeof *scalar);
    return is_good ? PBTS_OK : PBTS_MALFORMED;
}

/* ---- scalars ---- */

pbts_status pbts_bls_secret_of_wide(pbts_bls_secret *out, const uint8_t wide[static 64]) {
    blst_scalar scalar;
    bool is_good = blst_scalar_from_be_bytes(&scalar, wide, 64);
    return scalar_write(out, &scalar, is_good);
}

pbts_status pbts_bls_secret_add(pbts_bls_secret *sum, const pbts_bls_secret *more) {
    blst_scalar a, b;
    scalar_read(&a, sum);
    scalar_read(&b, more);
    bool is_good = blst_sk_add_n_check(&a, &a, &b);
    pbts_wipe(&b, sizeof b);
    return scalar_write(sum, &a, is_good);
}

void pbts_bls_secret_times(pbts_bls_secret *out, const pbts_bls_secret *a, uint8_t x) {
    blst_scalar value, factor;
    assert(x > 0);
    scalar_read(&value, a);
    scalar_small(&factor, x);
    bool is_good = blst_sk_mul_n_check(&value, &value, &factor);
    assert(is_good); /* r is prime */
    (void)scalar_write(out, &value, is_good);
}

/* Horner's rule; only the last sum has to be other than 0. */
pbts_status pbts_bls_polynomial_at(pbts_bls_secret *out, const pbts_bls_secret *coefficients,
                                   size_t count, uint8_t x) {
    blst_scalar value, factor, next;
    assert(count > 0 && x > 0);
    scalar_small(&factor, x);
    scalar_read(&value, &coefficients[count - 1]);
    bool is_good = true;
    for (size_t i = count - 1; i-- > 0;) {
        scalar_read(&next, &coefficients[i]);
        (void)blst_sk_mul_n_check(&value, &value, &factor);
        is_good = blst_sk_add_n_check(&value, &value, &next);
    }
    pbts_wipe(&next, sizeof next);
    return scalar_write(out, &value, is_good);
}

/* ---- points ---- */

/* Affine, and never infinity. */
static pbts_status g2_write(pbts_bls_public_point *out, const blst_p2 *point) {
    if (blst_p2_is_inf(point)) return PBTS_MALFORMED;
    blst_p2_to_affine(g2(out), point);
    return PBTS_OK;
}

void pbts_bls_g1_generator(pbts_bls_g1_point *out) {
    *g1(out) = *blst_p1_generator();
}

void pbts_bls_g1_times(pbts_bls_g1_point *out, const pbts_bls_g1_point *point,
                       const pbts_bls_secret *secret) {
    blst_scalar scalar;
    blst_p1 product;
    scalar_read(&scalar, secret);
    blst_sign_pk_in_g2(&product, g1_const(point), &scalar); /* a product, in constant time */
    pbts_wipe(&scalar, sizeof scalar);
    *g1(out) = product;
}

void pbts_bls_public_point_of(pbts_bls_public_point *out, const pbts_bls_secret *secret) {
    blst_scalar scalar;
    blst_p2 point;
    scalar_read(&scalar, secret);
    blst_sk_to_pk_in_g2(&point, &scalar);
    pbts_wipe(&scalar, sizeof scalar);
    blst_p2_to_affine(g2(out), &point);
}

bool pbts_bls_public_equal(const pbts_bls_public_point *a, const pbts_bls_public_point *b) {
    return blst_p2_affine_is_equal(g2_const(a), g2_const(b));
}

pbts_status pbts_bls_public_add(pbts_bls_public_point *sum, const pbts_bls_public_point *more) {
    blst_p2 point;
    blst_p2_from_affine(&point, g2_const(sum));
    blst_p2_add_or_double_affine(&point, &point, g2_const(more));
    return g2_write(sum, &point);
}

static void g2_times(blst_p2 *point, uint8_t x) {
    blst_p2 product;
    blst_p2_mult(&product, point, &x, 8);
    *point = product;
}

pbts_status pbts_bls_public_times(pbts_bls_public_point *out, const pbts_bls_public_point *point,
                                  uint8_t x) {
    blst_p2 product;
    blst_p2_from_affine(&product, g2_const(point));
    g2_times(&product, x);
    return g2_write(out, &product);
}

pbts_status pbts_bls_public_at(pbts_bls_public_point *out,
                               const pbts_bls_public_point *coefficients, size_t count, uint8_t x) {
    blst_p2 value;
    assert(count > 0 && x > 0);
    blst_p2_from_affine(&value, g2_const(&coefficients[count - 1]));
    for (size_t i = count - 1; i-- > 0;) {
        g2_times(&value, x);
        blst_p2_add_or_double_affine(&value, &value, g2_const(&coefficients[i]));
    }
    return g2_write(out, &value);
}

/* ---- interpolation ---- */

/* The product over j != i of x_j / (x_j - x_i), modulo r. */
static void lagrange(blst_scalar *out, const uint8_t *xs, size_t count, size_t i) {
    blst_scalar over, under, a, b;
    scalar_small(&over, 1);
    scalar_small(&under, 1);
    for (size_t j = 0; j < count; j++) {
        if (j == i) continue;
        assert(xs[j] != 0 && xs[j] != xs[i]);
        scalar_small(&a, xs[j]);
        scalar_small(&b, xs[i]);
        (void)blst_sk_mul_n_check(&over, &over, &a);
        (void)blst_sk_sub_n_check(&a, &a, &b);
        (void)blst_sk_mul_n_check(&under, &under, &a);
    }
    blst_sk_inverse(&under, &under);
    (void)blst_sk_mul_n_check(out, &over, &under);
}

void pbts_bls_g1_interpolate(pbts_bls_g1_point *out, const pbts_bls_g1_point *points,
                             const uint8_t *xs, size_t count) {
    blst_p1 sum, product;
    assert(count > 0 && count <= PBTS_BLS_SHARES_MAX);
    for (size_t i = 0; i < count; i++) {
        blst_scalar weight;
        lagrange(&weight, xs, count, i);
        blst_p1_mult(&product, g1_const(&points[i]), weight.b, SCALAR_BITS);
        if (i == 0) {
            sum = product;
        } else {
            blst_p1_add_or_double(&sum, &sum, &product);
        }
    }
    *g1(out) = sum;
    pbts_wipe(&product, sizeof product);
    pbts_wipe(&sum, sizeof sum);
}

pbts_status pbts_bls_public_interpolate(pbts_bls_public_point *out,
                                        const pbts_bls_public_point *points, const uint8_t *xs,
                                        size_t count) {
    blst_p2 sum, point, product;
    assert(count > 0 && count <= PBTS_BLS_SHARES_MAX);
    for (size_t i = 0; i < count; i++) {
        blst_scalar weight;
        lagrange(&weight, xs, count, i);
        blst_p2_from_affine(&point, g2_const(&points[i]));
        blst_p2_mult(&product, &point, weight.b, SCALAR_BITS);
        if (i == 0) {
            sum = product;
        } else {
            blst_p2_add_or_double(&sum, &sum, &product);
        }
    }
    return g2_write(out, &sum);
}
