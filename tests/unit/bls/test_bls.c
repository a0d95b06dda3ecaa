/* Unit tests of bls/bls.c that need no data: keys, signatures, encodings, and the pairing equation
 * against one-by-one verification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bls/bls.h"

/* A stream of the generator in base/random.h, or a source that fails. */
typedef struct {
    pbts_random random;
    pbts_prng prng;
} seeded_random;

static pbts_status seeded_fill(pbts_random *random, uint8_t *out, size_t len) {
    seeded_random *seeded = (seeded_random *)(void *)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)pbts_prng_next(&seeded->prng);
    return PBTS_OK;
}

static pbts_status failing_fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 0x11, len);
    return PBTS_IO;
}

typedef struct {
    pbts_bls_secret secret;
    pbts_bls_public bytes;
    pbts_bls_public_point point;
} key_pair;

static key_pair key_of_seed(uint64_t seed) {
    seeded_random random = { { seeded_fill }, pbts_prng_seeded(seed) };
    key_pair key;
    assert_int_equal(pbts_bls_generate(&key.secret, &random.random), PBTS_OK);
    pbts_bls_public_of(&key.bytes, &key.secret);
    assert_int_equal(pbts_bls_public_decode(&key.point, &key.bytes), PBTS_OK);
    return key;
}

static pbts_bls_signature signed_by(const key_pair *key, const char *text) {
    pbts_bls_signature signature;
    pbts_bls_sign(&signature, &key->secret, PBTS_BLS_PIECE, pbts_span_text(text));
    return signature;
}

static pbts_bls_g1_point signature_point(const pbts_bls_signature *signature) {
    pbts_bls_g1_point point;
    assert_int_equal(pbts_bls_signature_decode(&point, signature), PBTS_OK);
    return point;
}

static void every_purpose_has_its_own_domain_tag(void **state) {
    (void)state;
    static const char *const NAMES[PBTS_BLS_PURPOSES] = {
        "REGISTER",   "ANNOUNCE", "PIECE",    "CUMULATIVE", "BATCH",      "SESSION",
        "REPORT",     "TICKET",   "PEER",     "LEDGER",     "KMS_ATTEST", "MEMBER",
        "DHT_BEACON", "DHT_CERT", "KMS_NODE", "KMS_KEY",
    };
    for (int purpose = 0; purpose < PBTS_BLS_PURPOSES; purpose++) {
        char want[80] = "PBTS_V1_";
        strcat(want, NAMES[purpose]);
        strcat(want, "_BLS12381G1_XMD:SHA-256_SSWU_RO_");
        assert_string_equal(pbts_bls_domain((pbts_bls_purpose)purpose), want);
    }
}

/* r, the order of the groups. */
static const uint8_t ORDER[32] = {
    0x73, 0xED, 0xA7, 0x53, 0x29, 0x9D, 0x7D, 0x48, 0x33, 0x39, 0xD8, 0x08, 0x09, 0xA1, 0xD8, 0x05,
    0x53, 0xBD, 0xA4, 0x02, 0xFF, 0xFE, 0x5B, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01,
};

static void a_secret_is_between_one_and_the_order_minus_one(void **state) {
    (void)state;
    pbts_bls_secret secret = { { 0 } };
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_MALFORMED);
    secret.bytes[31] = 1;
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_OK);
    memcpy(secret.bytes, ORDER, sizeof ORDER);
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_MALFORMED);
    secret.bytes[31] = 0;
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_OK);
    secret.bytes[31] = 2;
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_MALFORMED);
    memset(secret.bytes, 0xFF, sizeof secret.bytes);
    assert_int_equal(pbts_bls_secret_check(&secret), PBTS_MALFORMED);
}

static void generated_keys_are_in_range_and_differ(void **state) {
    (void)state;
    key_pair a = key_of_seed(1), b = key_of_seed(2), again = key_of_seed(1);
    assert_int_equal(pbts_bls_secret_check(&a.secret), PBTS_OK);
    assert_memory_equal(&a.secret, &again.secret, sizeof a.secret);
    assert_memory_not_equal(&a.secret, &b.secret, sizeof a.secret);
    assert_memory_not_equal(&a.bytes, &b.bytes, sizeof a.bytes);
}

static void a_failing_random_source_makes_no_key(void **state) {
    (void)state;
    pbts_random failing = { failing_fill };
    pbts_bls_secret secret, before;
    memset(&secret, 0x5A, sizeof secret);
    before = secret;
    assert_int_equal(pbts_bls_generate(&secret, &failing), PBTS_IO);
    assert_memory_equal(&secret, &before, sizeof secret);
}

static void the_public_key_of_one_is_the_generator(void **state) {
    (void)state;
    static const uint8_t GENERATOR[PBTS_BLS_PUBLIC_LEN] = {
        0x93, 0xE0, 0x2B, 0x60, 0x52, 0x71, 0x9F, 0x60, 0x7D, 0xAC, 0xD3, 0xA0, 0x88, 0x27,
        0x4F, 0x65, 0x59, 0x6B, 0xD0, 0xD0, 0x99, 0x20, 0xB6, 0x1A, 0xB5, 0xDA, 0x61, 0xBB,
        0xDC, 0x7F, 0x50, 0x49, 0x33, 0x4C, 0xF1, 0x12, 0x13, 0x94, 0x5D, 0x57, 0xE5, 0xAC,
        0x7D, 0x05, 0x5D, 0x04, 0x2B, 0x7E, 0x02, 0x4A, 0xA2, 0xB2, 0xF0, 0x8F, 0x0A, 0x91,
        0x26, 0x08, 0x05, 0x27, 0x2D, 0xC5, 0x10, 0x51, 0xC6, 0xE4, 0x7A, 0xD4, 0xFA, 0x40,
        0x3B, 0x02, 0xB4, 0x51, 0x0B, 0x64, 0x7A, 0xE3, 0xD1, 0x77, 0x0B, 0xAC, 0x03, 0x26,
        0xA8, 0x05, 0xBB, 0xEF, 0xD4, 0x80, 0x56, 0xC8, 0xC1, 0x21, 0xBD, 0xB8,
    };
    pbts_bls_secret one = { { [31] = 1 } };
    pbts_bls_public key;
    pbts_bls_public_of(&key, &one);
    assert_memory_equal(key.bytes, GENERATOR, sizeof GENERATOR);
}

static void a_signature_is_the_secret_times_the_hashed_message(void **state) {
    (void)state;
    pbts_prng prng = pbts_prng_seeded(7);
    for (int i = 0; i < 8; i++) {
        uint64_t scalar = pbts_prng_next(&prng) | 1;
        pbts_bls_secret secret = { { 0 } };
        for (size_t j = 0; j < 8; j++) secret.bytes[31 - j] = (uint8_t)(scalar >> (8 * j));
        pbts_bls_signature signature, product_bytes;
        pbts_bls_g1_point hashed, product;
        pbts_bls_sign(&signature, &secret, PBTS_BLS_TICKET, pbts_span_text("message"));
        pbts_bls_hash(&hashed, PBTS_BLS_TICKET, pbts_span_text("message"));
        pbts_bls_g1_weigh(&product, &hashed, scalar);
        pbts_bls_signature_encode(&product_bytes, &product);
        assert_memory_equal(&signature, &product_bytes, sizeof signature);
    }
}

static void weighing_is_repeated_addition(void **state) {
    (void)state;
    pbts_bls_g1_point point, sum, product;
    pbts_bls_signature want, found;
    pbts_bls_hash(&point, PBTS_BLS_PIECE, pbts_span_text("x"));
    pbts_bls_g1_zero(&sum);
    for (uint64_t weight = 1; weight <= 20; weight++) {
        pbts_bls_g1_add(&sum, &point);
        pbts_bls_g1_weigh(&product, &point, weight);
        pbts_bls_signature_encode(&want, &sum);
        pbts_bls_signature_encode(&found, &product);
        assert_memory_equal(&found, &want, sizeof want);
    }
    product = point;
    pbts_bls_g1_weigh(&product, &product, 20); /* in place */
    pbts_bls_signature_encode(&found, &product);
    assert_memory_equal(&found, &want, sizeof want);
}

static void a_signature_verifies_only_with_its_key_purpose_and_message(void **state) {
    (void)state;
    key_pair key = key_of_seed(3), other = key_of_seed(4);
    pbts_bls_signature bytes = signed_by(&key, "message");
    pbts_bls_g1_point signature = signature_point(&bytes), nothing;
    pbts_span message = pbts_span_text("message");
    pbts_bls_g1_zero(&nothing);
    assert_int_equal(pbts_bls_verify(&key.point, PBTS_BLS_PIECE, message, &signature), PBTS_OK);
    assert_int_equal(pbts_bls_verify(&other.point, PBTS_BLS_PIECE, message, &signature),
                     PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_bls_verify(&key.point, PBTS_BLS_PIECE, message, &nothing),
                     PBTS_BAD_SIGNATURE);
    for (int purpose = 0; purpose < PBTS_BLS_PURPOSES; purpose++) {
        pbts_status want = purpose == PBTS_BLS_PIECE ? PBTS_OK : PBTS_BAD_SIGNATURE;
        assert_int_equal(
            pbts_bls_verify(&key.point, (pbts_bls_purpose)purpose, message, &signature), want);
    }
    for (size_t bit = 0; bit < 8 * message.len; bit++) {
        uint8_t damaged[7];
        memcpy(damaged, message.data, sizeof damaged);
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(
            pbts_bls_verify(&key.point, PBTS_BLS_PIECE, PBTS_SPAN_OF(damaged), &signature),
            PBTS_BAD_SIGNATURE);
    }
}

static void an_empty_message_can_be_signed(void **state) {
    (void)state;
    key_pair key = key_of_seed(5);
    pbts_bls_signature bytes = signed_by(&key, "");
    pbts_bls_g1_point signature = signature_point(&bytes);
    assert_int_equal(pbts_bls_verify(&key.point, PBTS_BLS_PIECE, (pbts_span){ 0 }, &signature),
                     PBTS_OK);
}

static void every_flipped_bit_of_a_signature_is_rejected(void **state) {
    (void)state;
    key_pair key = key_of_seed(6);
    const pbts_bls_signature good = signed_by(&key, "m");
    size_t decoded = 0;
    for (size_t bit = 0; bit < 8 * sizeof good.bytes; bit++) {
        pbts_bls_signature bad = good;
        pbts_bls_g1_point point;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (pbts_bls_signature_decode(&point, &bad) != PBTS_OK) continue;
        decoded++;
        assert_int_equal(pbts_bls_verify(&key.point, PBTS_BLS_PIECE, pbts_span_text("m"), &point),
                         PBTS_BAD_SIGNATURE);
    }
    assert_int_equal(decoded, 1); /* the sign of y; no other neighbour is in the subgroup */
}

static void every_flipped_bit_of_a_key_is_rejected(void **state) {
    (void)state;
    const key_pair key = key_of_seed(8);
    pbts_bls_signature bytes = signed_by(&key, "m");
    pbts_bls_g1_point signature = signature_point(&bytes);
    for (size_t bit = 0; bit < 8 * sizeof key.bytes.bytes; bit++) {
        pbts_bls_public bad = key.bytes;
        pbts_bls_public_point point;
        bad.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (pbts_bls_public_decode(&point, &bad) != PBTS_OK) continue;
        assert_int_equal(pbts_bls_verify(&point, PBTS_BLS_PIECE, pbts_span_text("m"), &signature),
                         PBTS_BAD_SIGNATURE);
    }
}

/* Encodings that must not become points: the first bytes, the rest zero or as given. */
static void rogue_encodings_leave_the_output_alone(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint8_t first, last;
    } CASES[] = {
        { "infinity", 0xC0, 0 },
        { "infinity with a sign", 0xE0, 0 },
        { "infinity that is not zero", 0xC0, 1 },
        { "infinity without the compression flag", 0x40, 0 },
        { "no flags", 0x00, 0 },
        { "x above the modulus", 0x9F, 0xFF },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pbts_bls_signature signature = { { 0 } };
        pbts_bls_public key = { { 0 } };
        pbts_bls_g1_point g1, g1_before;
        pbts_bls_public_point g2, g2_before;
        memset(&g1, 0x5A, sizeof g1);
        memset(&g2, 0x5A, sizeof g2);
        g1_before = g1, g2_before = g2;
        signature.bytes[0] = key.bytes[0] = CASES[i].first;
        signature.bytes[sizeof signature.bytes - 1] = CASES[i].last;
        key.bytes[sizeof key.bytes - 1] = CASES[i].last;
        if (pbts_bls_signature_decode(&g1, &signature) != PBTS_MALFORMED)
            fail_msg("signature: %s", CASES[i].what);
        if (pbts_bls_public_decode(&g2, &key) != PBTS_MALFORMED) fail_msg("key: %s", CASES[i].what);
        assert_memory_equal(&g1, &g1_before, sizeof g1);
        assert_memory_equal(&g2, &g2_before, sizeof g2);
    }
}

/* Points on the curves and outside the subgroups, by their small x. */
static void points_outside_the_subgroup_are_refused(void **state) {
    (void)state;
    for (uint8_t x = 0; x < 64; x++) { /* about half are on the curve, none in the subgroup */
        pbts_bls_signature signature = { { [0] = 0x80, [47] = x } };
        pbts_bls_public key = { { [0] = 0x80, [95] = x } };
        pbts_bls_g1_point g1;
        pbts_bls_public_point g2;
        assert_int_equal(pbts_bls_signature_decode(&g1, &signature), PBTS_MALFORMED);
        assert_int_equal(pbts_bls_public_decode(&g2, &key), PBTS_MALFORMED);
    }
}

static void the_raw_form_of_a_key_comes_back_and_its_damage_is_noticed(void **state) {
    (void)state;
    const key_pair key = key_of_seed(9);
    uint8_t raw[PBTS_BLS_PUBLIC_RAW_LEN], bad[PBTS_BLS_PUBLIC_RAW_LEN] = { 0 };
    pbts_bls_public_point point;
    pbts_bls_public_to_raw(raw, &key.point);
    assert_int_equal(pbts_bls_public_from_raw(&point, raw), PBTS_OK);
    assert_memory_equal(&point, &key.point, sizeof point);
    for (size_t bit = 0; bit < 8 * sizeof raw; bit++) {
        memcpy(bad, raw, sizeof raw);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(pbts_bls_public_from_raw(&point, bad), PBTS_MALFORMED);
    }
    memset(bad, 0, sizeof bad);
    bad[0] = 0x40; /* infinity */
    assert_int_equal(pbts_bls_public_from_raw(&point, bad), PBTS_MALFORMED);
    memcpy(bad, key.bytes.bytes, sizeof key.bytes.bytes); /* the compressed form */
    assert_int_equal(pbts_bls_public_from_raw(&point, bad), PBTS_MALFORMED);
}

enum { SIGNERS_MAX = 33 };

/* Signers who signed one message each; their messages, keys and signatures as points. */
typedef struct {
    size_t count;
    pbts_bls_public_point keys[SIGNERS_MAX];
    pbts_bls_g1_point hashed[SIGNERS_MAX], signatures[SIGNERS_MAX];
} crowd;

static crowd crowd_of(size_t count) {
    crowd c = { .count = count };
    for (size_t i = 0; i < count; i++) {
        char text[2] = { (char)('a' + i), 0 };
        key_pair key = key_of_seed(100 + i);
        pbts_bls_signature signature = signed_by(&key, text);
        c.keys[i] = key.point;
        c.signatures[i] = signature_point(&signature);
        pbts_bls_hash(&c.hashed[i], PBTS_BLS_PIECE, pbts_span_text(text));
    }
    return c;
}

static pbts_status crowd_verify(const crowd *c) {
    pbts_bls_g1_point sum;
    pbts_bls_g1_zero(&sum);
    for (size_t i = 0; i < c->count; i++) pbts_bls_g1_add(&sum, &c->signatures[i]);
    return pbts_bls_verify_sums(c->keys, c->hashed, c->count, &sum);
}

static pbts_status crowd_verify_naive(const crowd *c) {
    for (size_t i = 0; i < c->count; i++)
        if (pbts_bls_verify_sums(&c->keys[i], &c->hashed[i], 1, &c->signatures[i]) != PBTS_OK)
            return PBTS_BAD_SIGNATURE;
    return PBTS_OK;
}

static void the_pairing_product_agrees_with_one_by_one(void **state) {
    (void)state;
    static const size_t COUNTS[] = { 1, 2, 14, 15, 16, 17, 31, 32, 33 }; /* around the lanes */
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        crowd c = crowd_of(COUNTS[i]);
        assert_int_equal(crowd_verify_naive(&c), PBTS_OK);
        assert_int_equal(crowd_verify(&c), PBTS_OK);
        for (size_t bad = 0; bad < c.count; bad += 5) {
            crowd damaged = c;
            pbts_bls_g1_add(&damaged.signatures[bad], &c.hashed[bad]);
            assert_int_equal(crowd_verify_naive(&damaged), PBTS_BAD_SIGNATURE);
            assert_int_equal(crowd_verify(&damaged), PBTS_BAD_SIGNATURE);
            damaged = c;
            damaged.keys[bad] = key_of_seed(99).point;
            assert_int_equal(crowd_verify(&damaged), PBTS_BAD_SIGNATURE);
        }
    }
}

static void sums_of_nothing_are_handled(void **state) {
    (void)state;
    crowd c = crowd_of(3);
    pbts_bls_g1_point nothing;
    pbts_bls_g1_zero(&nothing);
    assert_int_equal(pbts_bls_verify_sums(NULL, NULL, 0, &nothing), PBTS_OK);
    assert_int_equal(pbts_bls_verify_sums(NULL, NULL, 0, &c.signatures[0]), PBTS_BAD_SIGNATURE);
    assert_int_equal(pbts_bls_verify_sums(c.keys, c.hashed, 3, &nothing), PBTS_BAD_SIGNATURE);
    c.hashed[1] = nothing; /* a signer of nothing adds nothing, and does not hide the others */
    c.signatures[1] = nothing;
    assert_int_equal(crowd_verify(&c), PBTS_OK);
    c.signatures[2] = nothing;
    assert_int_equal(crowd_verify(&c), PBTS_BAD_SIGNATURE);
}

static void errors_that_cancel_pass_the_sum_and_fail_when_weighed(void **state) {
    (void)state;
    crowd c = crowd_of(2);
    pbts_bls_g1_point first = c.signatures[0];
    c.signatures[0] = c.signatures[1];
    c.signatures[1] = first;
    assert_int_equal(crowd_verify_naive(&c), PBTS_BAD_SIGNATURE);
    assert_int_equal(crowd_verify(&c), PBTS_OK);
    static const uint64_t WEIGHTS[2] = { UINT64_C(0x8BADF00D12345679), UINT64_MAX };
    for (size_t i = 0; i < 2; i++) {
        pbts_bls_g1_weigh(&c.hashed[i], &c.hashed[i], WEIGHTS[i]);
        pbts_bls_g1_weigh(&c.signatures[i], &c.signatures[i], WEIGHTS[i]);
    }
    assert_int_equal(crowd_verify(&c), PBTS_BAD_SIGNATURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_purpose_has_its_own_domain_tag),
        cmocka_unit_test(a_secret_is_between_one_and_the_order_minus_one),
        cmocka_unit_test(generated_keys_are_in_range_and_differ),
        cmocka_unit_test(a_failing_random_source_makes_no_key),
        cmocka_unit_test(the_public_key_of_one_is_the_generator),
        cmocka_unit_test(a_signature_is_the_secret_times_the_hashed_message),
        cmocka_unit_test(weighing_is_repeated_addition),
        cmocka_unit_test(a_signature_verifies_only_with_its_key_purpose_and_message),
        cmocka_unit_test(an_empty_message_can_be_signed),
        cmocka_unit_test(every_flipped_bit_of_a_signature_is_rejected),
        cmocka_unit_test(every_flipped_bit_of_a_key_is_rejected),
        cmocka_unit_test(rogue_encodings_leave_the_output_alone),
        cmocka_unit_test(points_outside_the_subgroup_are_refused),
        cmocka_unit_test(the_raw_form_of_a_key_comes_back_and_its_damage_is_noticed),
        cmocka_unit_test(the_pairing_product_agrees_with_one_by_one),
        cmocka_unit_test(sums_of_nothing_are_handled),
        cmocka_unit_test(errors_that_cancel_pass_the_sum_and_fail_when_weighed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
