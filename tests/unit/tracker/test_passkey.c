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

static const uint8_t TAG[PBTS_PASSKEY_TAG_LEN] = { 7, 7, 7 }; /* of some user's passkey */
static const pbts_tracker_id ID = { .user_no = 77, .generation = 3, .expires_unix = 1000000 };

static pbts_status check_id(const char *text, size_t len, const pbts_passkey_key *key,
                            uint64_t now) {
    pbts_tracker_id id;
    pbts_span copy = copy_of(text, len);
    pbts_status status = pbts_tracker_id_split(&id, copy);
    if (status == PBTS_OK) status = pbts_tracker_id_check(&id, key, TAG, now);
    free((void *)(uintptr_t)copy.data);
    return status;
}

static pbts_passkey_owner owner(uint32_t user_no, uint32_t generation) {
    return (pbts_passkey_owner){
        .user_no = user_no, .generation = generation, .uid_hash = { 'u', 1 }, .key_hash = { 'k', 2 }
    };
}

static void make(char text[static PBTS_PASSKEY_LEN + 1], const pbts_passkey_key *key,
                 uint32_t user_no, uint32_t generation) {
    uint8_t tag[PBTS_PASSKEY_TAG_LEN];
    pbts_passkey_owner who = owner(user_no, generation);
    pbts_passkey_tag(tag, key, &who);
    pbts_passkey_make(text, user_no, generation, tag);
}

static void a_passkey_gives_back_its_user_generation_and_tag(void **state) {
    (void)state;
    const uint32_t numbers[] = { 0, 1, 77, 0x01020304, UINT32_MAX };
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            char text[PBTS_PASSKEY_LEN + 1];
            uint8_t tag[PBTS_PASSKEY_TAG_LEN], want[PBTS_PASSKEY_TAG_LEN];
            uint32_t user_no, generation;
            const pbts_passkey_owner who = owner(numbers[i], numbers[k]);
            make(text, &KEY, numbers[i], numbers[k]);
            assert_int_equal(strlen(text), PBTS_PASSKEY_LEN);
            assert_int_equal(split(text, PBTS_PASSKEY_LEN, &user_no, &generation, tag), PBTS_OK);
            assert_int_equal(user_no, numbers[i]);
            assert_int_equal(generation, numbers[k]);
            pbts_passkey_tag(want, &KEY, &who);
            assert_memory_equal(tag, want, sizeof tag);
            pbts_passkey_tag(want, &OTHER_KEY, &who);
            assert_memory_not_equal(tag, want, sizeof tag);
        }
    }
}

static void a_tag_is_the_hmac_that_the_protocol_names(void **state) {
    (void)state;
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], digest[PBTS_SHA256_LEN];
    static const char label[] = "pbts/passkey/2\x00\x00\x01\x02\x00\x00\x00\x09";
    uint8_t message[sizeof label - 1 + 64] = { 0 };
    const pbts_passkey_owner who = owner(0x102, 9), swapped = owner(9, 0x102);
    memcpy(message, label, sizeof label - 1);
    memcpy(message + sizeof label - 1, who.uid_hash, 32);
    memcpy(message + sizeof label - 1 + 32, who.key_hash, 32);
    pbts_passkey_tag(tag, &KEY, &who);
    pbts_hmac_sha256(digest, PBTS_SPAN_OF(KEY.bytes), PBTS_SPAN_OF(message));
    assert_memory_equal(tag, digest, sizeof tag);
    uint8_t other[PBTS_PASSKEY_TAG_LEN];
    pbts_passkey_tag(other, &KEY, &swapped); /* the fields do not change places */
    assert_memory_not_equal(tag, other, sizeof tag);
}

static void whoever_gets_the_number_next_has_another_passkey(void **state) {
    (void)state;
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], other[PBTS_PASSKEY_TAG_LEN];
    const pbts_passkey_owner first = owner(5, 0);
    pbts_passkey_tag(tag, &KEY, &first);
    for (size_t i = 0; i < 64; i++) {
        pbts_passkey_owner next = first;
        (i < 32 ? next.uid_hash : next.key_hash)[i % 32] ^= 1;
        pbts_passkey_tag(other, &KEY, &next);
        assert_memory_not_equal(tag, other, sizeof tag);
    }
}

static void a_passkey_is_read_in_either_case(void **state) {
    (void)state;
    char text[PBTS_PASSKEY_LEN + 1];
    uint8_t tag[PBTS_PASSKEY_TAG_LEN], lower_tag[PBTS_PASSKEY_TAG_LEN];
    uint32_t user_no, generation, lower_no;
    make(text, &KEY, 12345, 6);
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
    make(text, &KEY, 12345, 6);
    make(text + PBTS_PASSKEY_LEN, &KEY, 12345, 6);
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
    pbts_tracker_id id;
    pbts_tracker_id_make(text, &KEY, &ID, TAG);
    assert_int_equal(strlen(text), PBTS_TRACKER_ID_TEXT_LEN);
    assert_true(strlen(text) <= PBTS_TRACKER_ID_LEN_MAX);
    assert_int_equal(pbts_tracker_id_split(&id, pbts_span_text(text)), PBTS_OK);
    assert_int_equal(id.user_no, 77);
    assert_int_equal(id.generation, 3);
    assert_int_equal(id.expires_unix, 1000000);
    assert_int_equal(pbts_tracker_id_check(&id, &KEY, TAG, 1000000), PBTS_OK);
    for (size_t i = 0; i < sizeof TAG; i++) { /* of another user, or another generation */
        uint8_t other[PBTS_PASSKEY_TAG_LEN];
        memcpy(other, TAG, sizeof other);
        other[i] ^= 1;
        assert_int_equal(pbts_tracker_id_check(&id, &KEY, other, 1000000), PBTS_DENIED);
    }
    assert_int_equal(check_id(text, strlen(text), &KEY, 0), PBTS_OK);
    assert_int_equal(check_id(text, strlen(text), &KEY, 1000001), PBTS_STALE);
    assert_int_equal(check_id(text, strlen(text), &KEY, UINT64_MAX), PBTS_STALE);
    assert_int_equal(check_id(text, strlen(text), &OTHER_KEY, 0), PBTS_DENIED);
}

static void every_damaged_byte_of_a_tracker_id_is_refused(void **state) {
    (void)state;
    char text[PBTS_TRACKER_ID_TEXT_LEN + 1];
    uint8_t bytes[32];
    pbts_tracker_id_make(text, &KEY, &ID, TAG);
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
    const pbts_passkey_owner who = owner(77, 3);
    pbts_passkey_tag(bytes + 16, &KEY, &who);
    pbts_writer writer = pbts_writer_over((uint8_t *)text, sizeof text);
    pbts_base32_encode(&writer, PBTS_SPAN_OF(bytes));
    assert_int_equal(check_id(text, sizeof text, &KEY, 0), PBTS_DENIED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_passkey_gives_back_its_user_generation_and_tag),
        cmocka_unit_test(a_tag_is_the_hmac_that_the_protocol_names),
        cmocka_unit_test(whoever_gets_the_number_next_has_another_passkey),
        cmocka_unit_test(a_passkey_is_read_in_either_case),
        cmocka_unit_test(a_text_of_another_length_or_alphabet_is_no_passkey),
        cmocka_unit_test(a_tracker_id_lives_until_its_second),
        cmocka_unit_test(every_damaged_byte_of_a_tracker_id_is_refused),
        cmocka_unit_test(a_passkeys_tag_is_no_tracker_ids_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
