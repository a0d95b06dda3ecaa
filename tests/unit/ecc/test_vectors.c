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

/* ---- Keccak-256 as short as it goes (FIPS 202, with the padding from before it) ---- */

static uint64_t rotate(uint64_t x, unsigned by) {
    return by == 0 ? x : x << by | x >> (64 - by);
}

/* The round constants come from a shift register (FIPS 202, algorithm 5). */
static bool next_bit(uint8_t *lfsr) {
    bool bit = *lfsr & 1;
    *lfsr = (uint8_t)(*lfsr & 0x80 ? *lfsr << 1 ^ 0x71 : *lfsr << 1);
    return bit;
}

static void permute(uint64_t a[25]) {
    uint8_t lfsr = 1;
    for (int round = 0; round < 24; round++) {
        uint64_t c[5], row[5];
        for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (int i = 0; i < 25; i++) a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
        uint64_t moved = a[1];
        for (unsigned t = 0, x = 1, y = 0; t < 24; t++) {
            unsigned next = (2 * x + 3 * y) % 5;
            x = y, y = next;
            uint64_t kept = a[x + 5 * y];
            a[x + 5 * y] = rotate(moved, (t + 1) * (t + 2) / 2 % 64);
            moved = kept;
        }
        for (int y = 0; y < 25; y += 5) {
            memcpy(row, a + y, sizeof row);
            for (int x = 0; x < 5; x++) a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
        }
        for (unsigned j = 0; j < 7; j++) {
            if (next_bit(&lfsr)) a[0] ^= UINT64_C(1) << ((1u << j) - 1);
        }
    }
}

static void keccak256(uint8_t out[static 32], const uint8_t *bytes, size_t len) {
    enum { RATE = 136 };
    uint64_t state[25] = { 0 };
    uint8_t *at = (uint8_t *)state; /* little-endian machines, as those that run the tests */
    for (size_t i = 0; i < len; i++) {
        at[i % RATE] ^= bytes[i];
        if (i % RATE == RATE - 1) permute(state);
    }
    at[len % RATE] ^= 1;
    at[RATE - 1] ^= 0x80;
    permute(state);
    memcpy(out, state, 32);
}

static void keccak_is_that_of_nothing(void **state) {
    (void)state;
    uint8_t found[32], want[32];
    assert_int_equal(pbts_hex_decode_exact(want, 32,
                                           pbts_span_text("c5d2460186f7233c927e7db2dcc703c0"
                                                          "e500b653ca82273b7bfad8045d85a470")),
                     PBTS_OK);
    keccak256(found, NULL, 0);
    assert_memory_equal(found, want, sizeof want);
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
        keccak256(digest, transaction, unhex_at(transaction, vector, "unsigned"));
        size_t sealed_len = unhex_at(sealed, vector, "signed");
        pbts_secp256k1_sign(signer, &signature, &secret, digest);
        size_t len = put_number(tail, signature.bytes);
        len += put_number(tail + len, signature.bytes + 32);
        assert_true(len < sealed_len);
        assert_memory_equal(sealed + sealed_len - len, tail, len);
        pbts_secp256k1_public_of(signer, &public_bytes, &secret);
        assert_int_equal(pbts_secp256k1_public_decode(&key, &public_bytes), PBTS_OK);
        assert_int_equal(pbts_secp256k1_verify(&key, digest, &signature), PBTS_OK);
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
        cmocka_unit_test(keccak_is_that_of_nothing),
        cmocka_unit_test(signatures_are_those_of_ethers_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
