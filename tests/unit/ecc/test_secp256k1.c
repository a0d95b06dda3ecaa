/* Unit tests of ecc/secp256k1.c: published vectors, OpenSSL as the twin, and what must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include "codec/text.h"
#include "ecc/secp256k1.h"
#include "hash/sha.h"
#include "receipt/faulty_mem.h"

/* The order n of the group (SEC 2, section 2.4.1), big-endian. */
static const char ORDER[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

static void unhex(uint8_t *out, size_t len, const char *hex) {
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(hex)), PBTS_OK);
}

static pbts_secp256k1_secret secret_of(const char *hex) {
    pbts_secp256k1_secret secret;
    unhex(secret.bytes, sizeof secret.bytes, hex);
    return secret;
}

static pbts_secp256k1_signer *new_signer(void) {
    pbts_secp256k1_signer *signer = NULL;
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    return signer;
}

/* A random source that repeats one byte, and fails after some calls. */
typedef struct {
    pbts_random random;
    uint8_t byte;
    int calls_left;
} dull_random;

static pbts_status dull_fill(pbts_random *random, uint8_t *out, size_t len) {
    dull_random *dull = (dull_random *)(void *)random;
    if (dull->calls_left-- <= 0) return PBTS_IO;
    memset(out, dull->byte, len);
    return PBTS_OK;
}

static void deterministic_signatures_are_the_published_ones(void **state) {
    (void)state;
    /* RFC 6979 with SHA-256 on secp256k1: the vectors that Bitcoin implementations share
     * (Trezor, bitcoin-core, noble-curves). */
    static const struct {
        const char *secret, *message, *signature;
    } VECTORS[] = {
        { "0000000000000000000000000000000000000000000000000000000000000001", "Satoshi Nakamoto",
          "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
          "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5" },
        { "0000000000000000000000000000000000000000000000000000000000000001",
          "All those moments will be lost in time, like tears in rain. Time to die...",
          "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
          "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21" },
        { "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140", "Satoshi Nakamoto",
          "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0"
          "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5" },
    };
    pbts_secp256k1_signer *signer = new_signer();
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        uint8_t digest[PBTS_SHA256_LEN], want[64];
        pbts_secp256k1_signature found;
        pbts_secp256k1_public bytes;
        pbts_secp256k1_point key;
        pbts_secp256k1_secret secret = secret_of(VECTORS[i].secret);
        pbts_sha256(digest, pbts_span_text(VECTORS[i].message));
        unhex(want, sizeof want, VECTORS[i].signature);
        pbts_secp256k1_sign(signer, &found, &secret, digest);
        assert_memory_equal(found.bytes, want, sizeof want);
        pbts_secp256k1_public_of(signer, &bytes, &secret);
        assert_int_equal(pbts_secp256k1_public_decode(&key, &bytes), PBTS_OK);
        assert_int_equal(pbts_secp256k1_verify(&key, digest, &found), PBTS_OK);
    }
    pbts_secp256k1_signer_free(signer);
}

/* ---- the twin ---- */

static EC_KEY *twin_key(const pbts_secp256k1_public *bytes) {
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_secp256k1);
    assert_non_null(key);
    assert_int_equal(EC_KEY_oct2key(key, bytes->bytes, sizeof bytes->bytes, NULL), 1);
    return key;
}

static ECDSA_SIG *twin_signature(const pbts_secp256k1_signature *bytes) {
    ECDSA_SIG *signature = ECDSA_SIG_new();
    assert_non_null(signature);
    assert_int_equal(ECDSA_SIG_set0(signature, BN_bin2bn(bytes->bytes, 32, NULL),
                                    BN_bin2bn(bytes->bytes + 32, 32, NULL)),
                     1);
    return signature;
}

static bool twin_verifies(const pbts_secp256k1_public *bytes, const uint8_t digest[static 32],
                          const pbts_secp256k1_signature *signature) {
    EC_KEY *key = twin_key(bytes);
    ECDSA_SIG *parsed = twin_signature(signature);
    int verdict = ECDSA_do_verify(digest, 32, parsed, key);
    ECDSA_SIG_free(parsed);
    EC_KEY_free(key);
    return verdict == 1;
}

/* s becomes n - s: the other signature that plain ECDSA takes for the same message. */
static void mirror(pbts_secp256k1_signature *signature) {
    BIGNUM *order = NULL, *s = BN_bin2bn(signature->bytes + 32, 32, NULL);
    assert_int_equal(BN_hex2bn(&order, ORDER), 64);
    assert_non_null(s);
    assert_int_equal(BN_sub(s, order, s), 1);
    assert_int_equal(BN_bn2binpad(s, signature->bytes + 32, 32), 32);
    BN_free(s);
    BN_free(order);
}

static void signatures_hold_for_openssl_too(void **state) {
    (void)state;
    pbts_secp256k1_signer *signer = new_signer();
    for (uint8_t i = 0; i < 20; i++) {
        pbts_secp256k1_secret secret;
        pbts_secp256k1_public bytes;
        pbts_secp256k1_point key;
        pbts_secp256k1_signature signature;
        uint8_t digest[32];
        assert_int_equal(pbts_secp256k1_generate(&secret, pbts_random_system()), PBTS_OK);
        pbts_secp256k1_public_of(signer, &bytes, &secret);
        pbts_sha256(digest, (pbts_span){ &i, 1 });
        pbts_secp256k1_sign(signer, &signature, &secret, digest);
        assert_int_equal(pbts_secp256k1_public_decode(&key, &bytes), PBTS_OK);
        assert_int_equal(pbts_secp256k1_verify(&key, digest, &signature), PBTS_OK);
        assert_true(twin_verifies(&bytes, digest, &signature));
        digest[i]++;
        assert_int_equal(pbts_secp256k1_verify(&key, digest, &signature), PBTS_BAD_SIGNATURE);
        assert_false(twin_verifies(&bytes, digest, &signature));
    }
    pbts_secp256k1_signer_free(signer);
}

/* ---- what must be refused ---- */

typedef struct {
    pbts_secp256k1_public bytes;
    pbts_secp256k1_point key;
    pbts_secp256k1_signature signature;
    uint8_t digest[32];
} signed_digest;

static signed_digest sample(uint8_t scalar) {
    signed_digest s;
    pbts_secp256k1_signer *signer = new_signer();
    pbts_secp256k1_secret secret = { { [31] = scalar } };
    pbts_sha256(s.digest, pbts_span_text("sample"));
    pbts_secp256k1_public_of(signer, &s.bytes, &secret);
    assert_int_equal(pbts_secp256k1_public_decode(&s.key, &s.bytes), PBTS_OK);
    pbts_secp256k1_sign(signer, &s.signature, &secret, s.digest);
    pbts_secp256k1_signer_free(signer);
    return s;
}

static void the_mirrored_high_s_signature_is_refused(void **state) {
    (void)state;
    for (uint8_t scalar = 1; scalar < 10; scalar++) {
        signed_digest s = sample(scalar);
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &s.signature), PBTS_OK);
        assert_true(s.signature.bytes[32] < 0x80);
        mirror(&s.signature);
        assert_true(twin_verifies(&s.bytes, s.digest, &s.signature));
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &s.signature), PBTS_BAD_SIGNATURE);
    }
}

static void a_changed_byte_of_a_signature_is_refused(void **state) {
    (void)state;
    signed_digest s = sample(9);
    for (size_t i = 0; i < sizeof s.signature.bytes; i++) {
        pbts_secp256k1_signature changed = s.signature;
        changed.bytes[i] ^= 0x10;
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &changed), PBTS_BAD_SIGNATURE);
    }
}

static void r_and_s_must_be_within_1_and_the_order(void **state) {
    (void)state;
    signed_digest s = sample(9);
    uint8_t order[32];
    unhex(order, sizeof order, ORDER);
    for (size_t half = 0; half < 2; half++) {
        pbts_secp256k1_signature changed = s.signature;
        memset(changed.bytes + 32 * half, 0, 32);
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &changed), PBTS_BAD_SIGNATURE);
        memcpy(changed.bytes + 32 * half, order, 32);
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &changed), PBTS_BAD_SIGNATURE);
        memset(changed.bytes + 32 * half, 0xFF, 32);
        assert_int_equal(pbts_secp256k1_verify(&s.key, s.digest, &changed), PBTS_BAD_SIGNATURE);
    }
    pbts_secp256k1_signature nothing = { { 0 } };
    uint8_t zero[32] = { 0 };
    assert_int_equal(pbts_secp256k1_verify(&s.key, zero, &nothing), PBTS_BAD_SIGNATURE);
}

static void another_key_does_not_verify(void **state) {
    (void)state;
    signed_digest s = sample(9), other = sample(10);
    assert_int_equal(pbts_secp256k1_verify(&other.key, s.digest, &s.signature), PBTS_BAD_SIGNATURE);
}

static void only_compressed_points_of_the_curve_are_keys(void **state) {
    (void)state;
    pbts_secp256k1_public generator, bad;
    pbts_secp256k1_point key, untouched;
    memset(&untouched, 0x5A, sizeof untouched);
    unhex(generator.bytes, sizeof generator.bytes,
          "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    assert_int_equal(pbts_secp256k1_public_decode(&key, &generator), PBTS_OK);
    pbts_secp256k1_public again;
    pbts_secp256k1_public_encode(&again, &key);
    assert_memory_equal(again.bytes, generator.bytes, sizeof again.bytes);

    for (int head = 0; head < 256; head++) { /* 00 is infinity, 04 06 07 other encodings */
        bad = generator;
        bad.bytes[0] = (uint8_t)head;
        key = untouched;
        bool good = head == 2 || head == 3;
        assert_int_equal(pbts_secp256k1_public_decode(&key, &bad), good ? PBTS_OK : PBTS_MALFORMED);
        if (!good) assert_memory_equal(&key, &untouched, sizeof key);
    }
    bad = generator; /* x = 5: x^3 + 7 = 132 is no square modulo p */
    memset(bad.bytes + 1, 0, 32);
    bad.bytes[32] = 5;
    assert_int_equal(pbts_secp256k1_public_decode(&key, &bad), PBTS_MALFORMED);
    /* x = p + 1 would be the point of x = 1 a second time. */
    unhex(bad.bytes, sizeof bad.bytes,
          "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30");
    assert_int_equal(pbts_secp256k1_public_decode(&key, &bad), PBTS_MALFORMED);
    memset(bad.bytes, 0, sizeof bad.bytes);
    assert_int_equal(pbts_secp256k1_public_decode(&key, &bad), PBTS_MALFORMED);
}

static void a_secret_is_1_to_the_order_less_1(void **state) {
    (void)state;
    pbts_secp256k1_secret secret = secret_of(ORDER);
    assert_int_equal(pbts_secp256k1_secret_check(&secret), PBTS_MALFORMED);
    secret.bytes[31]--;
    assert_int_equal(pbts_secp256k1_secret_check(&secret), PBTS_OK);
    memset(&secret, 0xFF, sizeof secret);
    assert_int_equal(pbts_secp256k1_secret_check(&secret), PBTS_MALFORMED);
    memset(&secret, 0, sizeof secret);
    assert_int_equal(pbts_secp256k1_secret_check(&secret), PBTS_MALFORMED);
    secret.bytes[31] = 1;
    assert_int_equal(pbts_secp256k1_secret_check(&secret), PBTS_OK);
}

static void generation_reports_a_broken_random_source_and_gives_nothing(void **state) {
    (void)state;
    pbts_secp256k1_secret secret, untouched;
    memset(&secret, 0x5A, sizeof secret);
    untouched = secret;
    dull_random failing = { { dull_fill }, 1, 0 };
    assert_int_equal(pbts_secp256k1_generate(&secret, &failing.random), PBTS_IO);
    dull_random zeros = { { dull_fill }, 0, 1000 };
    assert_int_equal(pbts_secp256k1_generate(&secret, &zeros.random), PBTS_IO);
    assert_true(zeros.calls_left > 900);
    assert_memory_equal(&secret, &untouched, sizeof secret);
    dull_random ones = { { dull_fill }, 1, 1 };
    assert_int_equal(pbts_secp256k1_generate(&secret, &ones.random), PBTS_OK);
    assert_int_equal(secret.bytes[17], 1);
}

static void a_signer_needs_memory_and_randomness(void **state) {
    (void)state;
    pbts_secp256k1_signer *signer = NULL;
    faulty_mem mem = mem_failing_at(0);
    assert_int_equal(pbts_secp256k1_signer_new(&signer, &mem.mem, pbts_random_system()),
                     PBTS_NO_MEMORY);
    mem = mem_failing_at(9);
    dull_random failing = { { dull_fill }, 1, 0 };
    assert_int_equal(pbts_secp256k1_signer_new(&signer, &mem.mem, &failing.random), PBTS_IO);
    assert_null(signer);
    assert_int_equal(mem.live, 0);
    assert_int_equal(pbts_secp256k1_signer_new(&signer, &mem.mem, pbts_random_system()), PBTS_OK);
    pbts_secp256k1_signer_free(signer);
    pbts_secp256k1_signer_free(NULL);
    assert_int_equal(mem.live, 0);
}

/* ---- recovery ---- */

static void a_key_is_recovered_from_its_signature(void **state) {
    (void)state;
    pbts_secp256k1_signer *signer = new_signer();
    size_t odd = 0;
    for (uint8_t i = 1; i <= 64; i++) {
        pbts_secp256k1_secret secret = { .bytes = { [31] = i } };
        pbts_secp256k1_signature signature, plain;
        pbts_secp256k1_public want, found, other;
        pbts_secp256k1_point point;
        uint8_t digest[32], affine[PBTS_SECP256K1_AFFINE_LEN];
        bool y_odd = false;
        memset(digest, 3 * i, sizeof digest);
        pbts_secp256k1_public_of(signer, &want, &secret);
        pbts_secp256k1_sign(signer, &plain, &secret, digest);
        pbts_secp256k1_sign_recoverable(signer, &signature, &y_odd, &secret, digest);
        odd += y_odd;
        assert_memory_equal(&signature, &plain, sizeof plain);
        assert_int_equal(pbts_secp256k1_recover(&point, digest, &signature, y_odd), PBTS_OK);
        pbts_secp256k1_public_encode(&found, &point);
        assert_memory_equal(&found, &want, sizeof want);
        pbts_secp256k1_public_affine(affine, &point);
        assert_memory_equal(affine, want.bytes + 1, 32);
        assert_int_equal(want.bytes[0], 2 + (affine[63] & 1));
        /* The other bit names another key, for which the signature holds as well. */
        assert_int_equal(pbts_secp256k1_recover(&point, digest, &signature, !y_odd), PBTS_OK);
        pbts_secp256k1_public_encode(&other, &point);
        assert_memory_not_equal(&other, &want, sizeof want);
        assert_int_equal(pbts_secp256k1_verify(&point, digest, &signature), PBTS_OK);
    }
    assert_true(odd > 8 && odd < 56);
    pbts_secp256k1_signer_free(signer);
}

static void nothing_is_recovered_from_what_is_no_signature(void **state) {
    (void)state;
    static const char *const BAD[] = {
        /* r = 0, s = 0, r = n, s = n, r that is no x, high s */
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000001"
        "0000000000000000000000000000000000000000000000000000000000000000",
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000001"
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "0000000000000000000000000000000000000000000000000000000000000005"
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000001"
        "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1",
    };
    static const char GOOD[] = "0000000000000000000000000000000000000000000000000000000000000001"
                               "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
    pbts_secp256k1_signature signature;
    pbts_secp256k1_point point, untouched;
    uint8_t digest[32] = { 1 };
    memset(&point, 7, sizeof point);
    untouched = point;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        unhex(signature.bytes, sizeof signature.bytes, BAD[i]);
        assert_int_equal(pbts_secp256k1_recover(&point, digest, &signature, false),
                         PBTS_BAD_SIGNATURE);
        assert_int_equal(pbts_secp256k1_recover(&point, digest, &signature, true),
                         PBTS_BAD_SIGNATURE);
    }
    assert_memory_equal(&point, &untouched, sizeof point);
    unhex(signature.bytes, sizeof signature.bytes, GOOD); /* the highest s that is low */
    assert_int_equal(pbts_secp256k1_recover(&point, digest, &signature, true), PBTS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deterministic_signatures_are_the_published_ones),
        cmocka_unit_test(signatures_hold_for_openssl_too),
        cmocka_unit_test(the_mirrored_high_s_signature_is_refused),
        cmocka_unit_test(a_changed_byte_of_a_signature_is_refused),
        cmocka_unit_test(r_and_s_must_be_within_1_and_the_order),
        cmocka_unit_test(another_key_does_not_verify),
        cmocka_unit_test(only_compressed_points_of_the_curve_are_keys),
        cmocka_unit_test(a_secret_is_1_to_the_order_less_1),
        cmocka_unit_test(generation_reports_a_broken_random_source_and_gives_nothing),
        cmocka_unit_test(a_signer_needs_memory_and_randomness),
        cmocka_unit_test(a_key_is_recovered_from_its_signature),
        cmocka_unit_test(nothing_is_recovered_from_what_is_no_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
