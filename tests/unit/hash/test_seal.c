/* Unit tests of hash/seal.c: the vectors of C2SP's XAES-256-GCM, and what is changed on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "hash/seal.h"

/* A nonce of one's choice. */
static pbts_status fill_letters(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)('A' + i);
    return PBTS_OK;
}
static pbts_status fill_fails(pbts_random *random, uint8_t *out, size_t len) {
    (void)random, (void)out, (void)len;
    return PBTS_IO;
}
static pbts_random letters = { .fill = fill_letters }, broken = { .fill = fill_fails };

static pbts_sealer *sealer_of(uint8_t byte) {
    uint8_t key[PBTS_SEAL_KEY_LEN];
    pbts_sealer *sealer = NULL;
    memset(key, byte, sizeof key);
    assert_int_equal(pbts_sealer_new(&sealer, key), PBTS_OK);
    return sealer;
}

/* C2SP, XAES-256-GCM.md, "Test Vectors": nonce "ABCDEFGHIJKLMNOPQRSTUVWX", text "XAES-256-GCM". The
 * first key begins with a clear bit after encryption of zeros, the second with a set one. */
static const struct {
    uint8_t key;
    const char *bound, *sealed;
} KNOWN[] = {
    { 0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271" },
    { 0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d" },
};

static void the_published_vectors_come_out(void **state) {
    static const char TEXT[] = "XAES-256-GCM";
    enum { LEN = sizeof TEXT - 1, SEALED_LEN = LEN + PBTS_SEAL_OVERHEAD };
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        uint8_t want[LEN + PBTS_SEAL_TAG_LEN], sealed[SEALED_LEN], text[LEN];
        pbts_sealer *sealer = sealer_of(KNOWN[i].key);
        pbts_span bound = pbts_span_text(KNOWN[i].bound);
        assert_int_equal(pbts_hex_decode_exact(want, sizeof want, pbts_span_text(KNOWN[i].sealed)),
                         PBTS_OK);
        assert_int_equal(pbts_seal(sealer, sealed, &letters, pbts_span_text(TEXT), bound), PBTS_OK);
        assert_memory_equal(sealed, "ABCDEFGHIJKLMNOPQRSTUVWX", PBTS_SEAL_NONCE_LEN);
        assert_memory_equal(sealed + PBTS_SEAL_NONCE_LEN, want, sizeof want);
        assert_int_equal(pbts_unseal(sealer, text, PBTS_SPAN_OF(sealed), bound), PBTS_OK);
        assert_memory_equal(text, TEXT, LEN);
        pbts_sealer_free(sealer);
    }
}

static void every_length_comes_back(void **state) {
    pbts_sealer *sealer = sealer_of(7);
    pbts_span bound = pbts_span_text("row");
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        uint8_t *text = malloc(len + 1), *sealed = malloc(len + PBTS_SEAL_OVERHEAD);
        uint8_t *back = malloc(len > 0 ? len : 1);
        assert_true(text != NULL && sealed != NULL && back != NULL);
        for (size_t i = 0; i < len; i++) text[i] = (uint8_t)i;
        assert_int_equal(
            pbts_seal(sealer, sealed, pbts_random_system(), (pbts_span){ text, len }, bound),
            PBTS_OK);
        assert_int_equal(
            pbts_unseal(sealer, back, (pbts_span){ sealed, len + PBTS_SEAL_OVERHEAD }, bound),
            PBTS_OK);
        assert_memory_equal(back, text, len);
        free(text);
        free(sealed);
        free(back);
    }
    pbts_sealer_free(sealer);
}

static void whatever_is_changed_is_noticed(void **state) {
    static const char TEXT[] = "who got what from whom";
    enum { LEN = sizeof TEXT - 1, SEALED_LEN = LEN + PBTS_SEAL_OVERHEAD };
    uint8_t sealed[SEALED_LEN], back[LEN];
    static const uint8_t NOTHING[LEN] = { 0 };
    pbts_sealer *sealer = sealer_of(1), *other = sealer_of(2);
    pbts_span bound = pbts_span_text("row 1");
    (void)state;
    assert_int_equal(pbts_seal(sealer, sealed, pbts_random_system(), pbts_span_text(TEXT), bound),
                     PBTS_OK);
    for (size_t i = 0; i < SEALED_LEN; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed[i] ^= (uint8_t)(1 << bit);
            memset(back, 0x55, sizeof back);
            assert_int_equal(pbts_unseal(sealer, back, PBTS_SPAN_OF(sealed), bound), PBTS_CORRUPT);
            assert_memory_equal(back, NOTHING, sizeof back); /* nothing that did not verify */
            sealed[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t len = 0; len < SEALED_LEN; len++) {
        uint8_t *cut = malloc(len > 0 ? len : 1);
        assert_non_null(cut);
        memcpy(cut, sealed, len);
        assert_int_equal(pbts_unseal(sealer, back, (pbts_span){ cut, len }, bound), PBTS_CORRUPT);
        free(cut);
    }
    assert_int_equal(pbts_unseal(sealer, back, PBTS_SPAN_OF(sealed), pbts_span_text("row 2")),
                     PBTS_CORRUPT);
    assert_int_equal(pbts_unseal(sealer, back, PBTS_SPAN_OF(sealed), pbts_span_text("")),
                     PBTS_CORRUPT);
    assert_int_equal(pbts_unseal(other, back, PBTS_SPAN_OF(sealed), bound), PBTS_CORRUPT);
    assert_int_equal(pbts_unseal(sealer, back, PBTS_SPAN_OF(sealed), bound), PBTS_OK);
    pbts_sealer_free(sealer);
    pbts_sealer_free(other);
}

static void the_same_text_is_never_sealed_to_the_same_bytes(void **state) {
    uint8_t first[4 + PBTS_SEAL_OVERHEAD], second[4 + PBTS_SEAL_OVERHEAD];
    pbts_sealer *sealer = sealer_of(1);
    pbts_span text = pbts_span_text("same"), none = { NULL, 0 };
    (void)state;
    assert_int_equal(pbts_seal(sealer, first, pbts_random_system(), text, none), PBTS_OK);
    assert_int_equal(pbts_seal(sealer, second, pbts_random_system(), text, none), PBTS_OK);
    assert_memory_not_equal(first, second, 12);
    assert_memory_not_equal(first + 12, second + 12, 12);
    assert_memory_not_equal(first + 24, second + 24, 20);
    assert_int_equal(pbts_seal(sealer, second, &broken, text, none), PBTS_IO);
    pbts_sealer_free(sealer);
    pbts_sealer_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(whatever_is_changed_is_noticed),
        cmocka_unit_test(the_same_text_is_never_sealed_to_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
