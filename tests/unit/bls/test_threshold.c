/* Unit tests of bls/threshold.c: polynomials against sums that are made one by one, interpolation
 * over every choice of shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bls/threshold.h"
#include "codec/text.h"

enum { NODES = 5, THRESHOLD = 3 };

static pbts_bls_secret scalar_of(uint64_t value) {
    pbts_bls_secret secret = { { 0 } };
    for (size_t i = 0; i < 8; i++) secret.bytes[31 - i] = (uint8_t)(value >> (8 * i));
    return secret;
}

static pbts_bls_secret random_scalar(uint64_t seed) {
    uint8_t wide[64];
    pbts_prng prng = pbts_prng_seeded(seed);
    pbts_bls_secret secret;
    for (size_t i = 0; i < sizeof wide; i++) wide[i] = (uint8_t)pbts_prng_next(&prng);
    assert_int_equal(pbts_bls_secret_of_wide(&secret, wide), PBTS_OK);
    return secret;
}

static void assert_scalar(const pbts_bls_secret *found, uint64_t wanted) {
    pbts_bls_secret secret = scalar_of(wanted);
    assert_memory_equal(found, &secret, sizeof secret);
}

static void polynomials_have_the_values_that_school_taught(void **state) {
    (void)state;
    /* 7 + 5x + 11x^2 */
    const pbts_bls_secret f[] = { scalar_of(7), scalar_of(5), scalar_of(11) };
    pbts_bls_secret value;
    for (uint8_t x = 1; x != 0; x++) {
        assert_int_equal(pbts_bls_polynomial_at(&value, f, 3, x), PBTS_OK);
        assert_scalar(&value, 7 + 5ULL * x + 11ULL * x * x);
        pbts_bls_secret_times(&value, &f[2], x);
        assert_scalar(&value, 11ULL * x);
    }
    assert_int_equal(pbts_bls_polynomial_at(&value, f, 1, 200), PBTS_OK);
    assert_scalar(&value, 7);
}

static void zero_is_no_secret(void **state) {
    (void)state;
    const uint8_t zeros[64] = { 0 };
    uint8_t order[64] = { 0 };
    const char *hex = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    pbts_bls_secret secret, one = scalar_of(1), minus_one;
    assert_int_equal(pbts_bls_secret_of_wide(&secret, zeros), PBTS_MALFORMED);
    assert_int_equal(pbts_hex_decode_exact(order + 32, 32, pbts_span_text(hex)), PBTS_OK);
    assert_int_equal(pbts_bls_secret_of_wide(&secret, order), PBTS_MALFORMED);
    order[63] = 0;
    assert_int_equal(pbts_bls_secret_of_wide(&minus_one, order), PBTS_OK);
    secret = minus_one;
    assert_int_equal(pbts_bls_secret_add(&secret, &one), PBTS_MALFORMED);
    assert_memory_equal(&secret, &minus_one, sizeof secret);
    const pbts_bls_secret root_at_one[] = { minus_one, one };
    assert_int_equal(pbts_bls_polynomial_at(&secret, root_at_one, 2, 1), PBTS_MALFORMED);
    assert_int_equal(pbts_bls_polynomial_at(&secret, root_at_one, 2, 2), PBTS_OK);
    assert_scalar(&secret, 1);
}

static void infinity_is_no_public_key(void **state) {
    (void)state;
    uint8_t order[64] = { 0 };
    const char *hex = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000";
    pbts_bls_secret one = scalar_of(1), minus_one;
    pbts_bls_public_point points[2], sum;
    const uint8_t xs[] = { 1, 2 };
    assert_int_equal(pbts_hex_decode_exact(order + 32, 32, pbts_span_text(hex)), PBTS_OK);
    assert_int_equal(pbts_bls_secret_of_wide(&minus_one, order), PBTS_OK);
    pbts_bls_public_point_of(&points[0], &one);
    pbts_bls_public_point_of(&points[1], &minus_one);
    sum = points[0];
    assert_int_equal(pbts_bls_public_add(&sum, &points[1]), PBTS_MALFORMED);
    assert_int_equal(pbts_bls_public_at(&sum, points, 2, 1), PBTS_MALFORMED);
    /* f(1) = 1, f(2) = 2: f(0) = 0 */
    assert_int_equal(pbts_bls_public_times(&points[1], &points[0], 2), PBTS_OK);
    assert_int_equal(pbts_bls_public_interpolate(&sum, points, xs, 2), PBTS_MALFORMED);
}

typedef struct {
    pbts_bls_secret f[THRESHOLD], shares[NODES];
    pbts_bls_public_point coefficients[THRESHOLD], publics[NODES];
} shared_secret;

static shared_secret share(uint64_t seed) {
    shared_secret s;
    for (size_t i = 0; i < THRESHOLD; i++) {
        s.f[i] = random_scalar(seed * 10 + i);
        pbts_bls_public_point_of(&s.coefficients[i], &s.f[i]);
    }
    for (uint8_t i = 0; i < NODES; i++) {
        uint8_t x = (uint8_t)(i + 1);
        assert_int_equal(pbts_bls_polynomial_at(&s.shares[i], s.f, THRESHOLD, x), PBTS_OK);
        pbts_bls_public_point_of(&s.publics[i], &s.shares[i]);
    }
    return s;
}

static void values_in_the_exponent_are_those_of_the_secret_polynomial(void **state) {
    (void)state;
    shared_secret s = share(1);
    for (uint8_t i = 0; i < NODES; i++) {
        pbts_bls_public_point found;
        uint8_t x = (uint8_t)(i + 1);
        assert_int_equal(pbts_bls_public_at(&found, s.coefficients, THRESHOLD, x), PBTS_OK);
        assert_true(pbts_bls_public_equal(&found, &s.publics[i]));
        assert_false(pbts_bls_public_equal(&found, &s.publics[(i + 1) % NODES]));
    }
}

/* Interpolate the shares of `set`; whether that is what f(0) signs, and f(0) in G2. */
static bool set_gives_the_secret(const shared_secret *s, unsigned set) {
    pbts_bls_g1_point hashed, shares[NODES], sum;
    pbts_bls_public_point publics[NODES], group;
    uint8_t xs[NODES];
    size_t len = 0;
    pbts_bls_hash(&hashed, PBTS_BLS_KMS_KEY, pbts_span_text("lineage"));
    for (uint8_t i = 0; i < NODES; i++) {
        if ((set >> i & 1) == 0) continue;
        pbts_bls_g1_times(&shares[len], &hashed, &s->shares[i]);
        publics[len] = s->publics[i];
        xs[len++] = (uint8_t)(i + 1);
    }
    pbts_bls_g1_interpolate(&sum, shares, xs, len);
    assert_int_equal(pbts_bls_public_interpolate(&group, publics, xs, len), PBTS_OK);
    bool good = pbts_bls_public_equal(&group, &s->coefficients[0]);
    assert_int_equal(pbts_bls_verify_sums(&s->coefficients[0], &hashed, 1, &sum) == PBTS_OK, good);
    return good;
}

static void any_three_shares_give_the_secret_and_no_two(void **state) {
    (void)state;
    shared_secret s = share(2);
    for (unsigned set = 1; set < 1U << NODES; set++) {
        bool enough = __builtin_popcount(set) >= THRESHOLD;
        assert_int_equal(set_gives_the_secret(&s, set), enough);
    }
}

static void products_are_signatures(void **state) {
    (void)state;
    pbts_bls_secret secret = random_scalar(9);
    pbts_bls_g1_point point;
    pbts_bls_signature found, wanted;
    pbts_bls_hash(&point, PBTS_BLS_KMS_NODE, pbts_span_text("x"));
    pbts_bls_g1_times(&point, &point, &secret);
    pbts_bls_signature_encode(&found, &point);
    pbts_bls_sign(&wanted, &secret, PBTS_BLS_KMS_NODE, pbts_span_text("x"));
    assert_memory_equal(&found, &wanted, sizeof found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polynomials_have_the_values_that_school_taught),
        cmocka_unit_test(zero_is_no_secret),
        cmocka_unit_test(infinity_is_no_public_key),
        cmocka_unit_test(values_in_the_exponent_are_those_of_the_secret_polynomial),
        cmocka_unit_test(any_three_shares_give_the_secret_and_no_two),
        cmocka_unit_test(products_are_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
