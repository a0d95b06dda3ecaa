/* Unit tests of hash/sha.c: FIPS 180-4 examples, RFC 6234 lengths, HMAC vectors of RFC 4231. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/text.h"
#include "hash/sha.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex) {
    uint8_t want[PBTS_SHA256_LEN];
    assert_int_equal(pbts_hex_decode_exact(want, len, pbts_span_text(hex)), PBTS_OK);
    assert_memory_equal(bytes, want, len);
}

#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

static const struct {
    const char *message, *sha1, *sha256;
} FIPS[] = {
    { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { TWO_BLOCKS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static void the_examples_of_fips_180_4_hash_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FIPS / sizeof FIPS[0]; i++) {
        uint8_t hash[PBTS_SHA256_LEN];
        pbts_sha1(hash, pbts_span_text(FIPS[i].message));
        assert_hex(hash, PBTS_SHA1_LEN, FIPS[i].sha1);
        pbts_sha256(hash, pbts_span_text(FIPS[i].message));
        assert_hex(hash, PBTS_SHA256_LEN, FIPS[i].sha256);
    }
}

static void a_million_letters_hash_in_uneven_parts(void **state) {
    static uint8_t letters[997];
    pbts_sha1_state sha1;
    pbts_sha256_state sha256;
    uint8_t hash[PBTS_SHA256_LEN];
    (void)state;
    memset(letters, 'a', sizeof letters);
    pbts_sha1_init(&sha1);
    pbts_sha256_init(&sha256);
    for (size_t left = 1000000; left > 0;) {
        size_t len = left < sizeof letters ? left : sizeof letters;
        pbts_sha1_update(&sha1, (pbts_span){ letters, len });
        pbts_sha256_update(&sha256, (pbts_span){ letters, len });
        left -= len;
    }
    pbts_sha1_final(&sha1, hash);
    assert_hex(hash, PBTS_SHA1_LEN, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    pbts_sha256_final(&sha256, hash);
    assert_hex(hash, PBTS_SHA256_LEN,
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void parts_hash_as_the_whole_wherever_it_is_cut(void **state) {
    enum { LEN = 150 }; /* past two blocks of 64 bytes */
    uint8_t message[LEN], whole[PBTS_SHA256_LEN], parts[PBTS_SHA256_LEN];
    (void)state;
    for (size_t i = 0; i < LEN; i++) message[i] = (uint8_t)i;
    for (size_t cut = 0; cut <= LEN; cut++) {
        pbts_span head = { message, cut }, tail = { message + cut, LEN - cut };
        pbts_sha256_state sha256;
        pbts_sha1_state sha1;
        pbts_sha256_init(&sha256);
        pbts_sha256_update(&sha256, head);
        pbts_sha256_update(&sha256, tail);
        pbts_sha256_final(&sha256, parts);
        pbts_sha256(whole, PBTS_SPAN_OF(message));
        assert_memory_equal(parts, whole, PBTS_SHA256_LEN);
        pbts_sha1_init(&sha1);
        pbts_sha1_update(&sha1, head);
        pbts_sha1_update(&sha1, tail);
        pbts_sha1_final(&sha1, parts);
        pbts_sha1(whole, PBTS_SPAN_OF(message));
        assert_memory_equal(parts, whole, PBTS_SHA1_LEN);
    }
}

/* Keys and data in hex; RFC 4231 sections 4.2 to 4.5, 4.7, 4.8. */
#define AA20 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define AA131 AA20 AA20 AA20 AA20 AA20 AA20 "aaaaaaaaaaaaaaaaaaaaaa"
#define DD10 "dddddddddddddddddddd"
#define CD10 "cdcdcdcdcdcdcdcdcdcd"

static const struct {
    const char *key, *data, *mac;
} RFC4231[] = {
    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { AA20, DD10 DD10 DD10 DD10 DD10,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { "0102030405060708090a0b0c0d0e0f10111213141516171819", CD10 CD10 CD10 CD10 CD10,
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { AA131,
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368"
      "204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { AA131,
      "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a"
      "65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865"
      "206b6579206e6565647320746f20626520686173686564206265666f7265206265696e672075736564206279"
      "2074686520484d414320616c676f726974686d2e",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void the_vectors_of_rfc_4231_authenticate_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof RFC4231 / sizeof RFC4231[0]; i++) {
        uint8_t key[256], data[256], mac[PBTS_SHA256_LEN];
        size_t key_len, data_len;
        pbts_span key_hex = pbts_span_text(RFC4231[i].key);
        pbts_span data_hex = pbts_span_text(RFC4231[i].data);
        assert_int_equal(pbts_hex_decode(key, &key_len, sizeof key, key_hex), PBTS_OK);
        assert_int_equal(pbts_hex_decode(data, &data_len, sizeof data, data_hex), PBTS_OK);
        pbts_hmac_sha256(mac, (pbts_span){ key, key_len }, (pbts_span){ data, data_len });
        assert_hex(mac, sizeof mac, RFC4231[i].mac);
    }
}

static void an_empty_key_and_message_have_a_mac(void **state) {
    uint8_t mac[PBTS_SHA256_LEN];
    (void)state;
    pbts_hmac_sha256(mac, pbts_span_text(""), pbts_span_text(""));
    assert_hex(mac, sizeof mac, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_fips_180_4_hash_as_published),
        cmocka_unit_test(a_million_letters_hash_in_uneven_parts),
        cmocka_unit_test(parts_hash_as_the_whole_wherever_it_is_cut),
        cmocka_unit_test(the_vectors_of_rfc_4231_authenticate_as_published),
        cmocka_unit_test(an_empty_key_and_message_have_a_mac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
