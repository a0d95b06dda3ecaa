/* Unit tests of bls/eip2537.c: where each byte of a point stands, against the compressed form and
 * against the generators as EIP-2537 prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bls/eip2537.h"
#include "codec/text.h"

/* The generator of G2: the key that belongs to the secret 1. */
static const char G2[] = "00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051"
                         "c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
                         "0000000000000000000000000000000013e02b6052719f607dacd3a088274f65"
                         "596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
                         "000000000000000000000000000000000ce5d527727d6e118cc9cdc6da2e351a"
                         "adfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"
                         "000000000000000000000000000000000606c4a02ea734cc32acd2b02bc28b99"
                         "cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be";

/* The generator of G1, compressed, and as it is taken. */
static const char G1_COMPRESSED[] =
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58"
    "6c55e83ff97a1aeffb3af00adb22c6bb";
static const char G1[] = "0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f"
                         "c3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
                         "0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4"
                         "fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";

static void decode(uint8_t *out, size_t len, const char *hex) {
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(hex)), PBTS_OK);
}

static void the_generator_of_g2_is_as_it_is_published(void **state) {
    (void)state;
    pbts_bls_secret one = { { [31] = 1 } };
    pbts_bls_public key;
    pbts_bls_public_point point;
    uint8_t wanted[PBTS_EIP2537_G2_LEN], *found = malloc(PBTS_EIP2537_G2_LEN);
    assert_non_null(found);
    memset(found, 0xff, PBTS_EIP2537_G2_LEN);
    pbts_bls_public_of(&key, &one);
    assert_int_equal(pbts_bls_public_decode(&point, &key), PBTS_OK);
    decode(wanted, sizeof wanted, G2);
    pbts_eip2537_public(found, &point);
    assert_memory_equal(found, wanted, sizeof wanted);
    free(found);
}

static void the_generator_of_g1_is_as_it_is_published(void **state) {
    (void)state;
    pbts_bls_signature signature;
    pbts_bls_g1_point point;
    uint8_t wanted[PBTS_EIP2537_G1_LEN], *found = malloc(PBTS_EIP2537_G1_LEN);
    assert_non_null(found);
    memset(found, 0xff, PBTS_EIP2537_G1_LEN);
    decode(signature.bytes, sizeof signature.bytes, G1_COMPRESSED);
    assert_int_equal(pbts_bls_signature_decode(&point, &signature), PBTS_OK);
    decode(wanted, sizeof wanted, G1);
    pbts_eip2537_signature(found, &point);
    assert_memory_equal(found, wanted, sizeof wanted);
    free(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_of_g2_is_as_it_is_published),
        cmocka_unit_test(the_generator_of_g1_is_as_it_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
