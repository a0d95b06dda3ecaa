/* Unit tests of hash/dh.c: powers computed by Python's pow(), keys that are refused, both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/random.h"
#include "hash/dh.h"

static const char PRIME[] =
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404"
    "ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a362100000000000"
    "90563";
/* g to the power 0x0102...14, to 0x6566...78, and to their product. */
static const char PUBLIC_A[] =
    "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556b0918db2b4c658e02a87f7e5fb14b1"
    "8a553e084cbf3dad2d30f16596ccb982d406258c61b30c5c1dae2ddc60bdbd48d79896312aad63238c39e1a633821"
    "eb693";
static const char PUBLIC_B[] =
    "d32ae8cedd0de9ca4fe67e35626bb8c7cdb0966727d899f6a62fdb2b68817f9ddc4b684e3eb34030b8dba4e028b7cf"
    "f3264020340cb4eab61923cdc4e4216ba873368d83f0a38e497f1f6b4e3d2012eb91a3ee6056f966f9eae732089b6"
    "fa46e";
static const char SHARED[] =
    "d05ed96a95215a89b44073afe5d0b1626289ac01cff7849392948b2470b346547e944d7562a897ae86976bc3899990"
    "83ec09572dbdc8ed7f6a0a86a1aa42a3ca04209b72d8239890360435640643b76479ed7836f1857963fcc7cb72084"
    "c3ab4";

static void assert_is(const uint8_t number[static PBTS_DH_LEN], const char *hex) {
    char found[2 * PBTS_DH_LEN + 1];
    for (size_t i = 0; i < PBTS_DH_LEN; i++) sprintf(found + 2 * i, "%02x", number[i]);
    assert_string_equal(found, hex);
}

static void parse(uint8_t out[static PBTS_DH_LEN], const char *hex) {
    for (size_t i = 0; i < PBTS_DH_LEN; i++)
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &out[i]), 1);
}

static pbts_dh_secret secret_from(uint8_t first) {
    pbts_dh_secret secret;
    for (size_t i = 0; i < sizeof secret.bytes; i++) secret.bytes[i] = (uint8_t)(first + i);
    return secret;
}

static void powers_are_those_of_another_implementation(void **state) {
    (void)state;
    pbts_dh_secret a = secret_from(1), b = secret_from(101);
    uint8_t public_a[PBTS_DH_LEN], public_b[PBTS_DH_LEN], shared[PBTS_DH_LEN];
    assert_int_equal(pbts_dh_public(public_a, &a), PBTS_OK);
    assert_int_equal(pbts_dh_public(public_b, &b), PBTS_OK);
    assert_is(public_a, PUBLIC_A);
    assert_is(public_b, PUBLIC_B);
    assert_int_equal(pbts_dh_shared(shared, &a, public_b), PBTS_OK);
    assert_is(shared, SHARED);
    assert_int_equal(pbts_dh_shared(shared, &b, public_a), PBTS_OK);
    assert_is(shared, SHARED);
}

static void small_powers_keep_their_leading_zeros(void **state) {
    (void)state;
    pbts_dh_secret secret = { { 0 } };
    uint8_t found[PBTS_DH_LEN], want[PBTS_DH_LEN] = { 0 };
    secret.bytes[PBTS_DH_SECRET_LEN - 1] = 9;
    want[PBTS_DH_LEN - 2] = 2; /* 2^9 */
    assert_int_equal(pbts_dh_public(found, &secret), PBTS_OK);
    assert_memory_equal(found, want, sizeof want);
}

/* 0, 1, p - 1, p and above give a secret that everybody knows; 2 and p - 2 do not. */
static void keys_without_a_secret_are_refused(void **state) {
    (void)state;
    static const struct {
        bool from_prime;
        int add;
        pbts_status want;
    } CASES[] = {
        { false, 0, PBTS_MALFORMED }, { false, 1, PBTS_MALFORMED }, { false, 2, PBTS_OK },
        { true, -2, PBTS_OK },        { true, -1, PBTS_MALFORMED }, { true, 0, PBTS_MALFORMED },
        { true, 1, PBTS_MALFORMED },  { true, 2, PBTS_MALFORMED },
    };
    pbts_dh_secret secret = secret_from(1);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t key[PBTS_DH_LEN] = { 0 }, shared[PBTS_DH_LEN], untouched[PBTS_DH_LEN];
        if (CASES[i].from_prime) parse(key, PRIME);
        key[PBTS_DH_LEN - 1] = (uint8_t)(key[PBTS_DH_LEN - 1] + CASES[i].add);
        memset(shared, 0x5A, sizeof shared);
        memcpy(untouched, shared, sizeof shared);
        assert_int_equal(pbts_dh_shared(shared, &secret, key), CASES[i].want);
        if (CASES[i].want != PBTS_OK) assert_memory_equal(shared, untouched, sizeof shared);
    }
    uint8_t all[PBTS_DH_LEN], shared[PBTS_DH_LEN];
    memset(all, 0xFF, sizeof all);
    assert_int_equal(pbts_dh_shared(shared, &secret, all), PBTS_MALFORMED);
}

static void both_sides_of_random_secrets_agree(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        pbts_dh_secret a, b;
        uint8_t public_a[PBTS_DH_LEN], public_b[PBTS_DH_LEN];
        uint8_t shared_a[PBTS_DH_LEN], shared_b[PBTS_DH_LEN];
        pbts_random *random = pbts_random_system();
        assert_int_equal(pbts_random_fill(random, a.bytes, sizeof a.bytes), PBTS_OK);
        assert_int_equal(pbts_random_fill(random, b.bytes, sizeof b.bytes), PBTS_OK);
        assert_int_equal(pbts_dh_public(public_a, &a), PBTS_OK);
        assert_int_equal(pbts_dh_public(public_b, &b), PBTS_OK);
        assert_int_equal(pbts_dh_shared(shared_a, &a, public_b), PBTS_OK);
        assert_int_equal(pbts_dh_shared(shared_b, &b, public_a), PBTS_OK);
        assert_memory_equal(shared_a, shared_b, sizeof shared_a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_are_those_of_another_implementation),
        cmocka_unit_test(small_powers_keep_their_leading_zeros),
        cmocka_unit_test(keys_without_a_secret_are_refused),
        cmocka_unit_test(both_sides_of_random_secrets_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
