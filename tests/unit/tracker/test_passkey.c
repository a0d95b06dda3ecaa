/* Passkeys and tracker ids as texts: what was made is read back, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/writer.h"
#include "codec/text.h"
#include "hash/sha.h"
#include "tracker/passkey.h"

static const pbts_passkey_key KEY = { { 1, 2, 3, 4 } };
static const pbts_passkey_key OTHER_KEY = { { 1, 2, 3, 5 } };

/* An exact-size copy, so that ASan sees a byte too far. */
static pbts_span copy_of(const char *text, size_t len) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return (pbts_span){ copy, len };
}

static pbts_status split(const char *text, size_t len, uint32_t *user_no, uint32_t *generation,
                         uint8_t tag[static PBTS_PASSKEY_TAG_LEN]) {
    pbts_span copy = copy_of(text, len);
    pbts_status status = pbts_passkey_split(user_no, generation, tag, copy);
    free((void *)(uintptr_t)copy.data);
    return status;
}

static pbts_status check_id(const char *text, size_t len, const pbts_passkey_key *key,
                            uint64_t now) {
    uint32_t user_no, generation;
    pbts_span copy = copy_of(text, len);
    pbts_status status = pbts_tracker_id_check(&user_no, &generation, key, copy, now);
    free((void *)(uintptr_t)copy.data);
    return status;
}

static void a_passkey_gives_back_its_user_generation_and_tag(void **state) {
    (void)state;
    const uint32_t numbers[] = { 0, 1, 77, 0x01020304, UINT32_MAX };
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            char text[PBTS_PASSKEY_LEN + 1];
            uint8_t tag[PBTS_PASSKEY_TAG_LEN], want[PBTS_PASSKEY_TAG_LEN];
            uint32_t user_no, generation;
            pbts_passkey_make(text, &KEY, numbers[i], numbers[k]);
            assert_int_equal(strlen(text), PBTS_PASSKEY_LEN);
            assert_int_equal(split(text, PBTS_PASSKEY_LEN, &user_no, &generation, tag), PBTS_OK);
            assert_int_equal(user_no, numbers[i]);
            assert_int_equal(generation, numbers[k]);
            pbts_passkey_tag(want, &KEY, numbers[i], numbers[k]);
            assert_memory_equal(tag, want, sizeof tag);
            pbts_passkey_tag(want, &OTHER_KEY, numbers[i], numbers[k]);
            assert_memory_not_equal(tag, want, sizeof tag);
        }
    }
}

static void a_tag_is_the_hmac_that_the_design_names(void **state) {
    (void)state;
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], digest[PBTS_SHA256_LEN];
    const char message[] = "pbts/passkey/1\x00\x00\x01\x02\x00\x00\x00\x09";
    pbts_passkey_tag(tag, &KEY, 0x102, 9);
    pbts_hmac_sha256(digest, PBTS_SPAN_OF(KEY.bytes),
                     (pbts_span){ (const uint8_t *)message, sizeof message - 1 });
    assert_memory_equal(tag, digest, sizeof tag);
    uint8_t other[PBTS_PASSKEY_TAG_LEN];
    pbts_passkey_tag(other, &KEY, 9, 0x102); /* the fields do not change places */
    assert_memory_not_equal(tag, other, sizeof tag);
}

static void a_passkey_is_read_in_either_case(void **state) {
    (void)state;
    char text[PBTS_PASSKEY_LEN + 1];
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], lower_tag[PBTS_PASSKEY_TAG_LEN];
    uint32_t user_no, generation, lower_no;
    pbts_passkey_make(text, &KEY, 12345, 6);
    assert_int_equal(split(text, PBTS_PASSKEY_LEN, &user_no, &generation, tag), PBTS_OK);
    for (size_t i = 0; i < PBTS_PASSKEY_LEN; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
        else if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - 'a' + 'A');
    }
    assert_int_equal(split(text, PBTS_PASSKEY_LEN, &lower_no, &generation, lower_tag), PBTS_OK);
    assert_int_equal(lower_no, user_no);
    assert_memory_equal(lower_tag, tag, sizeof tag);
}

static void a_text_of_another_length_or_alphabet_is_no_passkey(void **state) {
    (void)state;
    char text[2 * PBTS_PASSKEY_LEN + 1];
    uint8_t tag[PBTS_PASSKEY_TAG_LEN];
    uint32_t user_no = 42, generation = 43;
    pbts_passkey_make(text, &KEY, 12345, 6);
    pbts_passkey_make(text + PBTS_PASSKEY_LEN, &KEY, 12345, 6);
    for (size_t len = 0; len <= 2 * PBTS_PASSKEY_LEN; len++) {
        if (len == PBTS_PASSKEY_LEN) continue;
        assert_int_equal(split(text, len, &user_no, &generation, tag), PBTS_MALFORMED);
    }
    const char foreign[] = "01 8=%/\x00\xFF";
    for (size_t i = 0; i < PBTS_PASSKEY_LEN; i++) {
        for (size_t k = 0; k < sizeof foreign; k++) {
            char bad[PBTS_PASSKEY_LEN];
            memcpy(bad, text, sizeof bad);
            bad[i] = foreign[k];
            assert_int_equal(split(bad, sizeof bad, &user_no, &generation, tag), PBTS_MALFORMED);
        }
    }
    assert_int_equal(user_no, 42); /* outputs are written on success only */
    assert_int_equal(generation, 43);
}

static void a_tracker_id_lives_until_its_second(void **state) {
    (void)state;
    char text[PBTS_TRACKER_ID_TEXT_LEN + 1];
    uint32_t user_no = 0, generation = 0;
    pbts_tracker_id_make(text, &KEY, 77, 3, 1000000);
    assert_int_equal(strlen(text), PBTS_TRACKER_ID_TEXT_LEN);
    assert_true(strlen(text) <= PBTS_TRACKER_ID_LEN_MAX);
    assert_int_equal(
        pbts_tracker_id_check(&user_no, &generation, &KEY, pbts_span_text(text), 1000000), PBTS_OK);
    assert_int_equal(user_no, 77);
    assert_int_equal(generation, 3);
    assert_int_equal(check_id(text, strlen(text), &KEY, 0), PBTS_OK);
    assert_int_equal(check_id(text, strlen(text), &KEY, 1000001), PBTS_STALE);
    assert_int_equal(check_id(text, strlen(text), &KEY, UINT64_MAX), PBTS_STALE);
    assert_int_equal(check_id(text, strlen(text), &OTHER_KEY, 0), PBTS_DENIED);
}

static void every_damaged_byte_of_a_tracker_id_is_refused(void **state) {
    (void)state;
    char text[PBTS_TRACKER_ID_TEXT_LEN + 1];
    uint8_t bytes[32];
    pbts_tracker_id_make(text, &KEY, 77, 3, 1000000);
    assert_int_equal(pbts_base32_decode_exact(bytes, sizeof bytes, pbts_span_text(text)), PBTS_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char damaged[PBTS_TRACKER_ID_TEXT_LEN];
            bytes[i] ^= (uint8_t)(1u << bit);
            pbts_writer writer = pbts_writer_over((uint8_t *)damaged, sizeof damaged);
            pbts_base32_encode(&writer, PBTS_SPAN_OF(bytes));
            assert_int_equal(check_id(damaged, sizeof damaged, &KEY, 0), PBTS_DENIED);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t len = 0; len < PBTS_TRACKER_ID_TEXT_LEN; len++) {
        assert_int_equal(check_id(text, len, &KEY, 0), PBTS_MALFORMED);
    }
}

static void a_passkeys_tag_is_no_tracker_ids_tag(void **state) {
    (void)state;
    /* The same fields under the other label: one secret never stands for the other. */
    uint8_t bytes[32] = { 0, 0, 0, 77, 0, 0, 0, 3, 0, 0, 0, 0, 0xFF };
    char text[PBTS_TRACKER_ID_TEXT_LEN];
    pbts_passkey_tag(bytes + 16, &KEY, 77, 3);
    pbts_writer writer = pbts_writer_over((uint8_t *)text, sizeof text);
    pbts_base32_encode(&writer, PBTS_SPAN_OF(bytes));
    assert_int_equal(check_id(text, sizeof text, &KEY, 0), PBTS_DENIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_passkey_gives_back_its_user_generation_and_tag),
        cmocka_unit_test(a_tag_is_the_hmac_that_the_design_names),
        cmocka_unit_test(a_passkey_is_read_in_either_case),
        cmocka_unit_test(a_text_of_another_length_or_alphabet_is_no_passkey),
        cmocka_unit_test(a_tracker_id_lives_until_its_second),
        cmocka_unit_test(every_damaged_byte_of_a_tracker_id_is_refused),
        cmocka_unit_test(a_passkeys_tag_is_no_tracker_ids_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
