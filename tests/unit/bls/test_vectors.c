/* Published vectors against bls/: RFC 9380 (hash to G1), the encodings of
 * ethereum/bls12-381-tests v0.1.1, and the pairing products of EIP-2537.
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
#include <dirent.h>
#include <jansson.h>

#include "bls/bls.h"
#include "bls/hash_domain.h"

enum { PATH_MAX_LEN = 1024, FP_LEN = 48 };

static void data_path(char out[PATH_MAX_LEN], const char *name) {
    const char *folder = getenv("PBTS_TEST_DATA");
    if (folder != NULL) {
        (void)snprintf(out, PATH_MAX_LEN, "%s/%s", folder, name);
        return;
    }
    const char *tests = strstr(__FILE__, "tests/unit/bls/");
    assert_non_null(tests);
    int root_len = (int)(tests - __FILE__);
    (void)snprintf(out, PATH_MAX_LEN, "%.*s../shared/data/%s", root_len, __FILE__, name);
}

/* The JSON of a data file; the test is skipped when it is missing. */
static json_t *load(const char *name) {
    char path[PATH_MAX_LEN];
    data_path(path, name);
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

static uint8_t nibble(char digit) {
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, digit);
    assert_true(digit != 0 && at != NULL);
    return (uint8_t)(at - digits);
}

/* Decode hex of at most `capacity` bytes, with or without 0x; returns the number of bytes. */
static size_t unhex(uint8_t *out, size_t capacity, const char *text) {
    if (strncmp(text, "0x", 2) == 0) text += 2;
    size_t len = strlen(text) / 2;
    assert_true(len <= capacity && strlen(text) % 2 == 0);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    return len;
}

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static void hashing_to_g1_gives_the_points_of_rfc_9380(void **state) {
    (void)state;
    json_t *suite = load("eth/h2c/BLS12381G1_XMD_SHA-256_SSWU_RO_.json"), *vector;
    pbts_span domain = pbts_span_text(text_at(suite, "dst"));
    size_t i;
    assert_true(json_array_size(json_object_get(suite, "vectors")) >= 5);
    json_array_foreach(json_object_get(suite, "vectors"), i, vector) {
        uint8_t want[2 * FP_LEN], found[2 * FP_LEN];
        pbts_bls_g1_point point;
        const json_t *xy = json_object_get(vector, "P");
        assert_int_equal(unhex(want, FP_LEN, text_at(xy, "x")), FP_LEN);
        assert_int_equal(unhex(want + FP_LEN, FP_LEN, text_at(xy, "y")), FP_LEN);
        pbts_bls_hash_domain(&point, domain, pbts_span_text(text_at(vector, "msg")));
        pbts_bls_g1_coordinates(found, &point);
        assert_memory_equal(found, want, sizeof want);
    }
    json_decref(suite);
}

/* Decode one encoding and encode it again. Infinity is a valid encoding, but no key or signature.
 */
static bool signature_is_taken(const uint8_t *bytes) {
    pbts_bls_signature in, out;
    pbts_bls_g1_point point;
    memcpy(in.bytes, bytes, sizeof in.bytes);
    pbts_status status = pbts_bls_signature_decode(&point, &in);
    if (status != PBTS_OK) {
        assert_int_equal(status, PBTS_MALFORMED);
        return false;
    }
    pbts_bls_signature_encode(&out, &point);
    assert_memory_equal(out.bytes, in.bytes, sizeof in.bytes);
    return true;
}

static bool public_is_taken(const uint8_t *bytes) {
    pbts_bls_public in, out;
    pbts_bls_public_point point;
    memcpy(in.bytes, bytes, sizeof in.bytes);
    pbts_status status = pbts_bls_public_decode(&point, &in);
    if (status != PBTS_OK) {
        assert_int_equal(status, PBTS_MALFORMED);
        return false;
    }
    pbts_bls_public_encode(&out, &point);
    assert_memory_equal(out.bytes, in.bytes, sizeof in.bytes);
    return true;
}

/* Run every vector of a folder whose input has the length of the type; returns how many ran. */
static size_t run_encodings(const char *folder, const char *key, size_t len,
                            bool (*is_taken)(const uint8_t *)) {
    char path[PATH_MAX_LEN], name[PATH_MAX_LEN];
    data_path(path, folder);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    size_t ran = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".json") == NULL) continue;
        (void)snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        json_t *vector = load(name);
        uint8_t bytes[128];
        if (unhex(bytes, sizeof bytes, text_at(json_object_get(vector, "input"), key)) == len) {
            bool valid = json_is_true(json_object_get(vector, "output"));
            bool infinity = strstr(entry->d_name, "succeeds_infinity") != NULL;
            if (is_taken(bytes) != (valid && !infinity)) fail_msg("%s", entry->d_name);
            ran++;
        }
        json_decref(vector);
    }
    (void)closedir(dir);
    return ran;
}

static void signatures_are_taken_exactly_when_the_published_g1_encodings_are_valid(void **state) {
    (void)state;
    assert_true(run_encodings("eth/bls/deserialization_G1", "pubkey", PBTS_BLS_SIGNATURE_LEN,
                              signature_is_taken) >= 11);
}

static void keys_are_taken_exactly_when_the_published_g2_encodings_are_valid(void **state) {
    (void)state;
    assert_true(run_encodings("eth/bls/deserialization_G2", "signature", PBTS_BLS_PUBLIC_LEN,
                              public_is_taken) >= 13);
}

/* EIP-2537 writes a field element as 64 big-endian bytes, G1 as x y, G2 as x0 x1 y0 y1. */
enum { EIP_FP_LEN = 64, EIP_PAIR_LEN = 6 * EIP_FP_LEN, EIP_PAIRS_MAX = 16 };

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0) return false;
    return true;
}

/* Whether y > (p - 1) / 2, which the compressed form keeps as a flag. */
static bool is_larger_root(const uint8_t y[FP_LEN]) {
    uint8_t half[FP_LEN];
    (void)unhex(half, sizeof half,
                "0d0088f51cbff34d258dd3db21a5d66bb23ba5c279c2895fb39869507b587b12"
                "0f55ffff58a9ffffdcff7fffffffd555");
    return memcmp(y, half, sizeof half) > 0;
}

static void read_g1(pbts_bls_g1_point *out, const uint8_t *eip) {
    pbts_bls_g1_zero(out);
    if (is_zero(eip, 2 * EIP_FP_LEN)) return;
    pbts_bls_signature compressed;
    memcpy(compressed.bytes, eip + EIP_FP_LEN - FP_LEN, FP_LEN);
    compressed.bytes[0] |= 0x80;
    if (is_larger_root(eip + 2 * EIP_FP_LEN - FP_LEN)) compressed.bytes[0] |= 0x20;
    assert_int_equal(pbts_bls_signature_decode(out, &compressed), PBTS_OK);
}

static void read_g2(pbts_bls_public_point *out, const uint8_t *eip) {
    static const size_t ORDER[4] = { 1, 0, 3, 2 }; /* ours has the imaginary part first */
    uint8_t raw[PBTS_BLS_PUBLIC_RAW_LEN];
    for (size_t i = 0; i < 4; i++)
        memcpy(raw + i * FP_LEN, eip + (ORDER[i] + 1) * EIP_FP_LEN - FP_LEN, FP_LEN);
    assert_int_equal(pbts_bls_public_from_raw(out, raw), PBTS_OK);
}

/* The product of the pairs is one: the equation of verify_sums without a signature. */
static bool product_is_one(const uint8_t *eip, size_t len) {
    pbts_bls_public_point keys[EIP_PAIRS_MAX];
    pbts_bls_g1_point points[EIP_PAIRS_MAX], nothing;
    size_t count = 0;
    for (size_t at = 0; at < len; at += EIP_PAIR_LEN) {
        if (is_zero(eip + at + 2 * EIP_FP_LEN, 4 * EIP_FP_LEN)) continue; /* e(P, 0) = 1 */
        read_g1(&points[count], eip + at);
        read_g2(&keys[count], eip + at + 2 * EIP_FP_LEN);
        count++;
    }
    pbts_bls_g1_zero(&nothing);
    return pbts_bls_verify_sums(keys, points, count, &nothing) == PBTS_OK;
}

static void pairing_products_agree_with_eip_2537(void **state) {
    (void)state;
    json_t *vectors = load("eth/eip2537/pairing_check_bls.json"), *vector;
    size_t i, ones = 0, others = 0;
    json_array_foreach(vectors, i, vector) {
        uint8_t input[EIP_PAIRS_MAX * EIP_PAIR_LEN];
        size_t len = unhex(input, sizeof input, text_at(vector, "Input"));
        const char *expected = text_at(vector, "Expected");
        bool want = expected[strlen(expected) - 1] == '1';
        if (product_is_one(input, len) != want) fail_msg("%s", text_at(vector, "Name"));
        want ? ones++ : others++;
    }
    assert_true(ones > 0 && others > 0);
    json_decref(vectors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashing_to_g1_gives_the_points_of_rfc_9380),
        cmocka_unit_test(signatures_are_taken_exactly_when_the_published_g1_encodings_are_valid),
        cmocka_unit_test(keys_are_taken_exactly_when_the_published_g2_encodings_are_valid),
        cmocka_unit_test(pairing_products_agree_with_eip_2537),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
