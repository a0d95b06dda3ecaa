/* bls/committee.c against ethereum/bls12-381-tests v0.1.1 (verify, fast_aggregate_verify, the
 * encodings), and its two ways of summing against each other.
 *
 * The vectors are data, not part of the repository: $PBTS_TEST_DATA, by default ../shared/data
 * beside it. What is missing is reported as skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>

#include "bls/committee.h"
#include "codec/text.h"

enum { PATH_LEN_MAX = 1024, BYTES_MAX = 512 * 48 };

typedef struct {
    uint8_t data[BYTES_MAX];
    size_t len;
} bytes;

static pbts_span span_of(const bytes *b) {
    return (pbts_span){ b->data, b->len };
}

static void append_hex(bytes *out, const char *text) {
    size_t len;
    if (strncmp(text, "0x", 2) == 0) text += 2;
    pbts_status status = pbts_hex_decode(out->data + out->len, &len, sizeof out->data - out->len,
                                         pbts_span_text(text));
    assert_int_equal(status, PBTS_OK);
    out->len += len;
}

static const char *text_at(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static void data_path(char out[PATH_LEN_MAX], const char *name) {
    const char *folder = getenv("PBTS_TEST_DATA");
    const char *tests = strstr(__FILE__, "tests/unit/bls/");
    assert_non_null(tests);
    if (folder != NULL) {
        (void)snprintf(out, PATH_LEN_MAX, "%s/%s", folder, name);
    } else {
        (void)snprintf(out, PATH_LEN_MAX, "%.*s../shared/data/%s", (int)(tests - __FILE__),
                       __FILE__, name);
    }
}

typedef void check_vector(const json_t *input, const json_t *output);

/* Calls `check` for every vector of a folder; returns how many there were. */
static size_t each_vector(const char *folder, check_vector *check) {
    char path[PATH_LEN_MAX], file_path[2 * PATH_LEN_MAX];
    size_t count = 0;
    data_path(path, folder);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".json") == NULL) continue;
        (void)snprintf(file_path, sizeof file_path, "%s/%s", path, entry->d_name);
        json_t *vector = json_load_file(file_path, 0, NULL);
        assert_non_null(vector);
        check(json_object_get(vector, "input"), json_object_get(vector, "output"));
        json_decref(vector);
        count++;
    }
    (void)closedir(dir);
    return count;
}

/* Whether a signature by all of these keys holds, decoding included. */
static bool all_signed(const bytes *keys, const bytes *message, const bytes *signature) {
    static pbts_bls_committee committee;
    uint8_t bits[64] = { 0 };
    if (signature->len != PBTS_BLS_MEMBER_SIGNATURE_LEN) return false;
    if (pbts_bls_committee_decode(&committee, span_of(keys)) != PBTS_OK) return false;
    for (size_t i = 0; i < committee.count; i++) bits[i / 8] |= (uint8_t)(1 << (i % 8));
    pbts_span all = { bits, (committee.count + 7) / 8 };
    return pbts_bls_committee_verify(&committee, all, span_of(message), signature->data) == PBTS_OK;
}

/* As it stands, and with every byte of keys, message and signature changed. */
static void check_signature(bytes *keys, bytes *message, bytes *signature, bool want) {
    assert_int_equal(all_signed(keys, message, signature), want);
    if (!want) return;
    bytes *const parts[] = { keys, message, signature };
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < parts[p]->len; i++) {
            uint8_t mask = (uint8_t)(1 << (i % 8));
            parts[p]->data[i] ^= mask;
            assert_false(all_signed(keys, message, signature));
            parts[p]->data[i] ^= mask;
        }
    }
}

static void check_verify(const json_t *input, const json_t *output) {
    bytes keys = { .len = 0 }, message = { .len = 0 }, signature = { .len = 0 };
    append_hex(&keys, text_at(input, "pubkey"));
    append_hex(&message, text_at(input, "message"));
    append_hex(&signature, text_at(input, "signature"));
    check_signature(&keys, &message, &signature, json_is_true(output));
}

static void signatures_of_one_verify_as_published(void **state) {
    (void)state;
    assert_true(each_vector("eth/bls/verify", check_verify) >= 29);
}

static void check_fast_aggregate(const json_t *input, const json_t *output) {
    bytes keys = { .len = 0 }, message = { .len = 0 }, signature = { .len = 0 };
    const json_t *list = json_object_get(input, "pubkeys");
    for (size_t i = 0; i < json_array_size(list); i++) {
        append_hex(&keys, json_string_value(json_array_get(list, i)));
    }
    const char *name = json_object_get(input, "message") != NULL ? "message" : "messages";
    append_hex(&message, text_at(input, name));
    append_hex(&signature, text_at(input, "signature"));
    check_signature(&keys, &message, &signature, json_is_true(output));
}

static void signatures_of_many_verify_as_published(void **state) {
    (void)state;
    assert_true(each_vector("eth/bls/fast_aggregate_verify", check_fast_aggregate) >= 12);
}

/* Infinity is a fine encoding, but no key (KeyValidate): the only difference from the vectors. */
static bool is_infinity(const bytes *b) {
    for (size_t i = 1; i < b->len; i++) {
        if (b->data[i] != 0) return false;
    }
    return b->data[0] == 0xC0;
}

static void check_key(const json_t *input, const json_t *output) {
    static pbts_bls_committee committee;
    bytes key = { .len = 0 };
    append_hex(&key, text_at(input, "pubkey"));
    bool want = json_is_true(output) && !is_infinity(&key);
    assert_int_equal(pbts_bls_committee_decode(&committee, span_of(&key)) == PBTS_OK, want);
    if (!want) return;
    uint8_t bits = 1, again[PBTS_BLS_MEMBER_KEY_LEN];
    pbts_status status = pbts_bls_committee_sum(again, &committee, (pbts_span){ &bits, 1 });
    assert_int_equal(status, PBTS_OK);
    assert_memory_equal(again, key.data, sizeof again);
}

static void keys_decode_as_published_but_for_infinity(void **state) {
    (void)state;
    assert_true(each_vector("eth/bls/deserialization_G1", check_key) >= 13);
}

static pbts_bls_committee one_member;

/* A bad encoding and a signature of somebody else are told apart. */
static void check_signature_bytes(const json_t *input, const json_t *output) {
    bytes signature = { .len = 0 };
    uint8_t bits = 1;
    append_hex(&signature, text_at(input, "signature"));
    if (signature.len != PBTS_BLS_MEMBER_SIGNATURE_LEN) {
        assert_false(json_is_true(output)); /* the type has no room for another length */
        return;
    }
    bool is_point = json_is_true(output) && !is_infinity(&signature);
    pbts_status status = pbts_bls_committee_verify(
        &one_member, (pbts_span){ &bits, 1 }, pbts_span_text("another message"), signature.data);
    assert_int_equal(status, is_point ? PBTS_BAD_SIGNATURE : PBTS_MALFORMED);
}

/* The generators of G1 and G2, and sums of the first: draft-irtf-cfrg-pairing-friendly-curves. */
static const char GENERATOR[] = "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c"
                                "55e83ff97a1aeffb3af00adb22c6bb";
static const char NEGATED[] = "b7f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c"
                              "55e83ff97a1aeffb3af00adb22c6bb";
static const char G2_GENERATOR[] =
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b"
    "7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121"
    "bdb8";

static void signatures_decode_as_published_but_for_infinity(void **state) {
    (void)state;
    bytes key = { .len = 0 };
    append_hex(&key, GENERATOR);
    assert_int_equal(pbts_bls_committee_decode(&one_member, span_of(&key)), PBTS_OK);
    assert_true(each_vector("eth/bls/deserialization_G2", check_signature_bytes) >= 14);
}

static void a_committee_has_one_to_512_members(void **state) {
    (void)state;
    static pbts_bls_committee committee;
    uint8_t *keys = malloc((size_t)513 * PBTS_BLS_MEMBER_KEY_LEN);
    bytes key = { .len = 0 };
    append_hex(&key, GENERATOR);
    for (size_t i = 0; i < 513; i++) memcpy(keys + 48 * i, key.data, key.len);
    assert_int_equal(pbts_bls_committee_decode(&committee, (pbts_span){ keys, 0 }), PBTS_LIMIT);
    assert_int_equal(pbts_bls_committee_decode(&committee, (pbts_span){ keys, 47 }),
                     PBTS_MALFORMED);
    pbts_span most = { keys, (size_t)512 * 48 }, more = { keys, (size_t)513 * 48 };
    assert_int_equal(pbts_bls_committee_decode(&committee, most), PBTS_OK);
    assert_int_equal(committee.count, 512);
    assert_int_equal(pbts_bls_committee_decode(&committee, more), PBTS_LIMIT);
    keys[511 * 48] ^= 0x80; /* the last one's encoding matters too */
    assert_int_equal(pbts_bls_committee_decode(&committee, most), PBTS_MALFORMED);
    free(keys);
}

/* Keys 1*G, 2*G, 4*G..., each made by decoding a committee in which the last is there twice. */
static void double_last(bytes *keys) {
    static pbts_bls_committee committee;
    uint8_t both = 3;
    bytes pair = { .len = 0 };
    for (int i = 0; i < 2; i++) {
        memcpy(pair.data + pair.len, keys->data + keys->len - 48, 48);
        pair.len += 48;
    }
    assert_int_equal(pbts_bls_committee_decode(&committee, span_of(&pair)), PBTS_OK);
    assert_int_equal(
        pbts_bls_committee_sum(keys->data + keys->len, &committee, (pbts_span){ &both, 1 }),
        PBTS_OK);
    keys->len += 48;
}

/* With keys 2^i * G and G once more, the sum of a subset is its number as a multiple: adding up one
 * by one (never more than half) must give what subtracting gives, for every subset of seven. */
static void every_subset_sums_to_the_same_by_adding_and_by_subtracting(void **state) {
    (void)state;
    static pbts_bls_committee committee, wide;
    bytes keys = { .len = 0 }, padded;
    append_hex(&keys, GENERATOR);
    for (int i = 0; i < 5; i++) double_last(&keys);
    append_hex(&keys, GENERATOR); /* a member twice, as in small committees */
    padded = keys;
    for (int i = 0; i < 9; i++) append_hex(&padded, GENERATOR);
    assert_int_equal(pbts_bls_committee_decode(&committee, span_of(&keys)), PBTS_OK);
    assert_int_equal(pbts_bls_committee_decode(&wide, span_of(&padded)), PBTS_OK);
    for (unsigned subset = 0; subset < 1U << 7; subset++) {
        uint8_t bits = (uint8_t)subset, wide_bits[2] = { bits, 0 };
        uint8_t found[PBTS_BLS_MEMBER_KEY_LEN], want[PBTS_BLS_MEMBER_KEY_LEN];
        assert_int_equal(pbts_bls_committee_sum(found, &committee, (pbts_span){ &bits, 1 }),
                         PBTS_OK);
        /* 7 of 16 are never more than half. */
        assert_int_equal(pbts_bls_committee_sum(want, &wide, PBTS_SPAN_OF(wide_bits)), PBTS_OK);
        assert_memory_equal(found, want, sizeof want);
    }
}

static void bits_must_be_as_many_as_members(void **state) {
    (void)state;
    static pbts_bls_committee committee;
    uint8_t bits[2] = { 0x80, 0 }, sum[PBTS_BLS_MEMBER_KEY_LEN];
    bytes keys = { .len = 0 };
    for (int i = 0; i < 7; i++) append_hex(&keys, GENERATOR);
    assert_int_equal(pbts_bls_committee_decode(&committee, span_of(&keys)), PBTS_OK);
    assert_int_equal(pbts_bls_committee_sum(sum, &committee, (pbts_span){ bits, 1 }),
                     PBTS_MALFORMED); /* an eighth bit of seven */
    bits[0] = 0x7F;
    assert_int_equal(pbts_bls_committee_sum(sum, &committee, (pbts_span){ bits, 1 }), PBTS_OK);
    assert_int_equal(pbts_bls_committee_sum(sum, &committee, (pbts_span){ bits, 0 }),
                     PBTS_MALFORMED);
    assert_int_equal(pbts_bls_committee_sum(sum, &committee, (pbts_span){ bits, 2 }),
                     PBTS_MALFORMED);
}

static void nobody_and_keys_that_cancel_sign_nothing(void **state) {
    (void)state;
    static pbts_bls_committee committee;
    uint8_t none = 0, both = 3;
    bytes keys = { .len = 0 }, signature = { .len = 0 };
    append_hex(&keys, GENERATOR);
    append_hex(&keys, NEGATED);
    append_hex(&signature, G2_GENERATOR); /* a point of the subgroup */
    assert_int_equal(pbts_bls_committee_decode(&committee, span_of(&keys)), PBTS_OK);
    pbts_span message = pbts_span_text("x");
    assert_int_equal(
        pbts_bls_committee_verify(&committee, (pbts_span){ &none, 1 }, message, signature.data),
        PBTS_BAD_SIGNATURE);
    assert_int_equal(
        pbts_bls_committee_verify(&committee, (pbts_span){ &both, 1 }, message, signature.data),
        PBTS_BAD_SIGNATURE);
    memset(signature.data, 0, signature.len);
    signature.data[0] = 0xC0; /* infinity would verify for both */
    assert_int_equal(
        pbts_bls_committee_verify(&committee, (pbts_span){ &both, 1 }, message, signature.data),
        PBTS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_one_verify_as_published),
        cmocka_unit_test(signatures_of_many_verify_as_published),
        cmocka_unit_test(keys_decode_as_published_but_for_infinity),
        cmocka_unit_test(signatures_decode_as_published_but_for_infinity),
        cmocka_unit_test(a_committee_has_one_to_512_members),
        cmocka_unit_test(every_subset_sums_to_the_same_by_adding_and_by_subtracting),
        cmocka_unit_test(bits_must_be_as_many_as_members),
        cmocka_unit_test(nobody_and_keys_that_cancel_sign_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
