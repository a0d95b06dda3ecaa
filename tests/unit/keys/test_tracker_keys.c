/* Unit tests of keys/tracker_keys.c: keys that another program computes as well, and the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/writer.h"
#include "codec/text.h"
#include "eth/writer_key.h"
#include "keys/tracker_keys.h"

/* key_trk is 01 02 .. 20. From Python's hmac and hashlib, the address from ethers. */
#define OWNER "417e84e15ba7de9e11650cf59e3203cca170063ae6d3e0432aaf035883517313"
#define ETHEREUM "0edb524cb869e3d26b46b19a1da16cf519a099614e6d842a67fe3f3d9b8c2a5c"
#define ADDRESS "80c3b2063d266e6fa628e0927712c2c9c859354d"
#define PASSKEY_ROOT "73b140fd2ddf058659b8c4595f458bc9abbf7392f6ed5618ac8c4c97d573e840"
#define UDP_TOKEN "781d61878a895fc6f41b49943ada0073e81d897611ad742ded4f366076b625d8"
#define STORE "36111dc6936664beea3572c8c4d0ac5a53a38bf8d1ba117c9059866b3f3fee3b"
#define TLS "d8a057fb443f2e534d8f7836188ba969063e8438d306692d68c8529723c3d69e"
#define CHECK "d7403333bdf2100b99516697b50f33df"
/* With the salt a0 a1 .. af. */
#define UDP_START "23020364acb9fcd861d299fa57870e0b"

static pbts_key_trk counting(uint8_t version) {
    pbts_key_trk key = { .version = version };
    for (size_t i = 0; i < sizeof key.bytes; i++) key.bytes[i] = (uint8_t)(i + 1);
    return key;
}

static void expect_hex(const uint8_t *bytes, size_t len, const char *hex) {
    uint8_t want[64];
    assert_int_equal(pbts_hex_decode_exact(want, len, pbts_span_text(hex)), PBTS_OK);
    assert_memory_equal(bytes, want, len);
}

static void version_2_derives_all_by_label(void **state) {
    pbts_key_trk key = counting(PBTS_KEYS_V2);
    pbts_tracker_keys keys;
    uint8_t salt[16], udp[16];
    (void)state;
    assert_int_equal(pbts_tracker_keys_derive(&keys, &key), PBTS_OK);
    expect_hex(keys.owner.bytes, 32, OWNER);
    assert_int_equal(pbts_bls_secret_check(&keys.owner), PBTS_OK);
    expect_hex(keys.ethereum.bytes, 32, ETHEREUM);
    expect_hex(keys.passkey_root, 32, PASSKEY_ROOT);
    expect_hex(keys.udp_token, 32, UDP_TOKEN);
    expect_hex(keys.store, 32, STORE);
    expect_hex(keys.tls, 32, TLS);
    expect_hex(keys.check, 16, CHECK);
    assert_int_equal(keys.version, 2);
    for (size_t i = 0; i < sizeof salt; i++) salt[i] = (uint8_t)(0xa0 + i);
    pbts_tracker_keys_udp(udp, &keys, salt);
    expect_hex(udp, 16, UDP_START);
}

/* What trackers of before have: nothing of it may ever change. */
static void version_1_keeps_its_owner_passkeys_and_address(void **state) {
    pbts_key_trk key = counting(PBTS_KEYS_V1);
    pbts_tracker_keys keys;
    pbts_secp256k1_signer *signer = NULL;
    (void)state;
    assert_int_equal(pbts_tracker_keys_derive(&keys, &key), PBTS_OK);
    assert_memory_equal(keys.owner.bytes, key.bytes, 32);
    assert_memory_equal(keys.passkey_root, key.bytes, 32);
    expect_hex(keys.ethereum.bytes, 32, ETHEREUM);
    expect_hex(keys.store, 32, STORE);
    expect_hex(keys.tls, 32, TLS);
    expect_hex(keys.check, 16, CHECK);
    assert_int_equal(pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()),
                     PBTS_OK);
    pbts_eth_address address = pbts_eth_address_of_secret(signer, &keys.ethereum);
    expect_hex(address.bytes, 20, ADDRESS);
    pbts_secp256k1_signer_free(signer);
}

static void other_bits_make_other_keys(void **state) {
    pbts_key_trk key = counting(PBTS_KEYS_V2);
    pbts_tracker_keys keys, others;
    uint8_t salt[16] = { 0 }, udp[16], salted[16];
    (void)state;
    assert_int_equal(pbts_tracker_keys_derive(&keys, &key), PBTS_OK);
    key.bytes[31] ^= 1;
    assert_int_equal(pbts_tracker_keys_derive(&others, &key), PBTS_OK);
    assert_memory_not_equal(keys.owner.bytes, others.owner.bytes, 32);
    assert_memory_not_equal(keys.ethereum.bytes, others.ethereum.bytes, 32);
    assert_memory_not_equal(keys.passkey_root, others.passkey_root, 32);
    assert_memory_not_equal(keys.udp_token, others.udp_token, 32);
    assert_memory_not_equal(keys.store, others.store, 32);
    assert_memory_not_equal(keys.tls, others.tls, 32);
    assert_memory_not_equal(keys.check, others.check, 16);
    pbts_tracker_keys_udp(udp, &keys, salt);
    salt[15] = 1;
    pbts_tracker_keys_udp(salted, &keys, salt);
    assert_memory_not_equal(udp, salted, 16);
}

static void what_is_no_key_gives_none(void **state) {
    pbts_key_trk zero = { .version = PBTS_KEYS_V1 }, unknown = counting(3), high = { 1, { 0xff } };
    pbts_tracker_keys keys;
    static const uint8_t NOTHING[sizeof keys] = { 0 };
    (void)state;
    memset(high.bytes, 0xff, sizeof high.bytes);
    const pbts_key_trk *bad[] = { &zero, &unknown, &high };
    for (size_t i = 0; i < 3; i++) {
        memset(&keys, 0x55, sizeof keys);
        assert_int_equal(pbts_tracker_keys_derive(&keys, bad[i]), PBTS_MALFORMED);
        assert_memory_equal(&keys, NOTHING, sizeof keys);
    }
    high.version = PBTS_KEYS_V2; /* any 32 bytes will do */
    assert_int_equal(pbts_tracker_keys_derive(&keys, &high), PBTS_OK);
}

/* ---- the file ---- */

static pbts_status parse(pbts_key_trk *out, const char *text) {
    size_t len = strlen(text);
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    pbts_status status = pbts_key_trk_parse(out, (pbts_span){ exact, len });
    free(exact);
    return status;
}

static void both_versions_come_back_from_their_text(void **state) {
    (void)state;
    for (uint8_t version = 1; version <= 2; version++) {
        pbts_key_trk key = counting(version), back = { 0 };
        uint8_t text[PBTS_KEY_FILE_LEN_MAX];
        pbts_writer writer = pbts_writer_over(text, sizeof text);
        pbts_key_trk_format(&writer, &key);
        assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
        assert_int_equal(pbts_key_trk_parse(&back, pbts_writer_span(&writer)), PBTS_OK);
        assert_memory_equal(&back, &key, sizeof key);
    }
}

#define DIGITS "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define HIGH "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void the_text_says_which_version_it_is(void **state) {
    pbts_key_trk key;
    (void)state;
    assert_int_equal(parse(&key, DIGITS), PBTS_OK);
    assert_int_equal(key.version, PBTS_KEYS_V1);
    assert_int_equal(parse(&key, DIGITS "\r\n"), PBTS_OK);
    assert_int_equal(parse(&key, "pbts-tracker-key2 " DIGITS), PBTS_OK);
    assert_int_equal(key.version, PBTS_KEYS_V2);
    assert_int_equal(parse(&key, "pbts-tracker-key2 " HIGH "\n"), PBTS_OK);
}

static void other_texts_are_refused_and_change_nothing(void **state) {
    static const char *const BAD[] = {
        "",
        "\n",
        HIGH,
        "0000000000000000000000000000000000000000000000000000000000000000\n",
        DIGITS "\n\n",
        DIGITS " \n",
        " " DIGITS,
        DIGITS "00",
        "pbts-tracker-key2 ",
        "pbts-tracker-key2" DIGITS,
        "pbts-tracker-key2  " DIGITS,
        "pbts-tracker-key3 " DIGITS,
        "pbts-tracker-key2 " DIGITS "0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        pbts_key_trk key = { .version = 77 };
        assert_int_equal(parse(&key, BAD[i]), PBTS_MALFORMED);
        assert_int_equal(key.version, 77);
    }
    for (size_t cut = 0; cut < 64; cut++) {
        char text[100];
        pbts_key_trk key;
        (void)snprintf(text, sizeof text, "pbts-tracker-key2 %.*s", (int)cut, DIGITS);
        assert_int_equal(parse(&key, text), PBTS_MALFORMED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_derives_all_by_label),
        cmocka_unit_test(version_1_keeps_its_owner_passkeys_and_address),
        cmocka_unit_test(other_bits_make_other_keys),
        cmocka_unit_test(what_is_no_key_gives_none),
        cmocka_unit_test(both_versions_come_back_from_their_text),
        cmocka_unit_test(the_text_says_which_version_it_is),
        cmocka_unit_test(other_texts_are_refused_and_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
