/* Published vectors against ecc/: 1,024 Ethereum transactions of ethers with their keys, whose
 * signatures are deterministic ECDSA over Keccak-256.
 *
 * They are data, not part of the repository: $PBTS_TEST_DATA, by default ../shared/data beside it.
 * What is missing is reported as skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "codec/text.h"
#include "ecc/secp256k1.h"
#include "hash/keccak.h"

enum { PATH_MAX_LEN = 1024, BYTES_MAX = 65536 };

static json_t *load(const char *name) {
    char path[PATH_MAX_LEN];
    const char *folder = getenv("PBTS_TEST_DATA"), *tests = strstr(__FILE__, "tests/unit/ecc/");
    assert_non_null(tests);
    if (folder != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    } else {
        (void)snprintf(path, sizeof path, "%.*s../shared/data/%s", (int)(tests - __FILE__),
                       __FILE__, name);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    json_t *json = json_loadf(file, 0, NULL);
    (void)fclose(file);
    assert_non_null(json);
    return json;
}

static size_t unhex_at(uint8_t *out, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    size_t len = 0;
    assert_true(text != NULL && strncmp(text, "0x", 2) == 0);
    assert_int_equal(pbts_hex_decode(out, &len, BYTES_MAX, pbts_span_text(text + 2)), PBTS_OK);
    return len;
}

/* ---- the transactions ---- */

/* RLP of a 32-byte number: without leading zeros, and none of ours is a single small byte. */
static size_t put_number(uint8_t *out, const uint8_t number[static 32]) {
    size_t zeros = 0;
    while (number[zeros] == 0) zeros++;
    out[0] = (uint8_t)(0x80 + 32 - zeros);
    memcpy(out + 1, number + zeros, 32 - zeros);
    return 33 - zeros;
}

static void signatures_are_those_of_ethers_transactions(void **state) {
    (void)state;
    json_t *all = load("eth/tx/ethers-typed-transactions-1559.json"), *vector;
    uint8_t *transaction = malloc(BYTES_MAX), *sealed = malloc(BYTES_MAX);
    pbts_secp256k1_signer *signer = NULL;
    size_t i, checked = 0;
    assert_true(transaction != NULL && sealed != NULL);
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    json_array_foreach(all, i, vector) {
        uint8_t digest[32], tail[66];
        pbts_secp256k1_secret secret;
        pbts_secp256k1_public public_bytes;
        pbts_secp256k1_point key;
        pbts_secp256k1_signature signature;
        assert_int_equal(unhex_at(sealed, vector, "key"), 32);
        memcpy(secret.bytes, sealed, 32);
        size_t len = unhex_at(transaction, vector, "unsigned");
        pbts_keccak256(digest, (pbts_span){ transaction, len });
        size_t sealed_len = unhex_at(sealed, vector, "signed");
        pbts_secp256k1_sign(signer, &signature, &secret, digest);
        len = put_number(tail, signature.bytes);
        len += put_number(tail + len, signature.bytes + 32);
        assert_true(len < sealed_len);
        assert_memory_equal(sealed + sealed_len - len, tail, len);
        pbts_secp256k1_public_of(signer, &public_bytes, &secret);
        assert_int_equal(pbts_secp256k1_public_decode(&key, &public_bytes), PBTS_OK);
        assert_int_equal(pbts_secp256k1_verify(&key, digest, &signature), PBTS_OK);
        pbts_secp256k1_signature again;
        pbts_secp256k1_point recovered;
        bool y_odd = false;
        pbts_secp256k1_sign_recoverable(signer, &again, &y_odd, &secret, digest);
        assert_memory_equal(&again, &signature, sizeof signature);
        assert_int_equal(sealed[sealed_len - len - 1], y_odd ? 0x01 : 0x80);
        assert_int_equal(pbts_secp256k1_recover(&recovered, digest, &again, y_odd), PBTS_OK);
        assert_memory_equal(&recovered, &key, sizeof key);
        checked++;
    }
    assert_true(checked >= 1000);
    pbts_secp256k1_signer_free(signer);
    free(transaction);
    free(sealed);
    json_decref(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_ethers_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
